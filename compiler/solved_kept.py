"""Mappings that were solved ahead, kept in the cache folder for the next run, whatever else of its text has changed.

The key spells all that the answer hangs on: the problems' form, their numbers, what they read, and the compiler's own
sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from attrs import field, frozen
from cospace.compiler.numbers.forms import Form
from cospace.compiler.space.graph import Expr, Symbol, Type, Value
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.version import own_version
from cospace.dsl.cache import digest, read_cached, write_cached

KIND = "mappings"

Reads = tuple[Value | None, ...]
"""The values of what a problem reads; None where a decision is not live."""
Best = tuple[int, ...] | None
"""The best mapping, the position of each map's value; None where there is none."""
Known = tuple[str, int, int, Fraction | None, int]
"""What `Met` says of mappings that are the best which were met."""
Answer = tuple[list[Best], list[list[Value]], Known | None]
"""For each row of a problem its best mapping, and the quantities there, none where one is not rational; how these were
met where they are not proved the best."""


@frozen(eq=False)
class Asked:
    """Problems of one form. members: the numbers of each, the paths that it reads, and its rows."""

    form: Form
    members: tuple[tuple[Sequence[Expr], tuple[str, ...], Sequence[Reads]], ...]
    _key: list[str] = field(factory=list)

    @property
    def key(self) -> str:
        if not self._key:
            self._key.append(digest(own_version(), *self._spelled()))
        return self._key[0]

    @property
    def seed(self) -> int:
        """A number that hangs on the form alone."""
        return int(digest(_spell(self.form))[:12], 16)

    def _spelled(self) -> list[str]:
        known: dict[int, str] = {}
        said = [_spell(self.form)]
        for numbers, paths, rows in self.members:
            for e in numbers:
                if id(e) not in known:
                    known[id(e)] = _spell((e.op, e.type, e.payload))
            said += [known[id(e)] for e in numbers]
            if id(rows) not in known:
                known[id(rows)] = _spell(tuple(rows))
            said += [_spell(paths), known[id(rows)]]
        return said

    def recall(self) -> list[Answer] | None:
        """The answers that were kept; None where there are none, or they are not what was asked for."""
        stored = read_cached(KIND, self.key)
        if not isinstance(stored, list) or len(stored) != len(self.members):
            return None
        try:
            return [_read(one, len(rows)) for one, (_, _, rows) in zip(stored, self.members, strict=True)]
        except (TypeError, ValueError, KeyError, ZeroDivisionError):
            return None

    def keep(self, answers: Sequence[Answer]) -> None:
        """Write them down."""
        write_cached(
            KIND, self.key,
            [[best, [[_written(v) for v in values] for values in found], _told(met)] for best, found, met in answers],
        )  # fmt: skip


def _spell(part: object) -> str:
    """A text that only equal parts have."""
    kind = part.__class__
    if isinstance(part, tuple):
        return f"({','.join(map(_spell, part))})"
    if kind is Type:
        return _spelled_type(part)
    if isinstance(part, Symbol):  # of which there are many
        return f"Symbol {part.name!r}"
    if isinstance(part, Lookup):
        return f"table {_spell((part.name, part.keys, part.values, part.default))}"
    return f"{kind.__name__} {part!r}"


@lru_cache(maxsize=256)
def _spelled_type(type: Type) -> str:
    return f"Type {type!r}"


def _written(value: Value) -> Any:
    """A number is an integer or a pair of them."""
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else [value.numerator, value.denominator]
    if isinstance(value, Symbol):
        return {"symbol": value.name}
    return value if isinstance(value, bool) else {"text": value}


def _told(met: Known | None) -> Any:
    return None if met is None else [*met[:3], None if met[3] is None else _written(met[3]), met[4]]


def _value(stored: Any) -> Value:
    if isinstance(stored, bool):
        return stored
    if isinstance(stored, int):
        return Fraction(stored)
    if isinstance(stored, dict):
        return Symbol(stored["symbol"]) if "symbol" in stored else str(stored["text"])
    above, below = stored
    return Fraction(int(above), int(below))


def _read(stored: Any, rows: int) -> Answer:
    best, found, met = stored
    if len(best) != rows or len(found) != rows:
        raise ValueError("another number of rows")
    made = [None if b is None else tuple(map(int, b)) for b in best], [[_value(v) for v in values] for values in found]
    if met is None:
        return *made, None
    why, mappings, tried, share, without = met
    known = str(why), int(mappings), int(tried), None if share is None else Fraction(_value(share)), int(without)  # type: ignore[arg-type]
    return *made, known


__all__ = ["Asked", "Best", "Reads"]
