"""Tables in the expression graph: rows of keys, each with one value, that expressions index.

A `lookup` node reads the value of the row whose keys its arguments equal. Where no row has them it is the default, or
undefined when the table has none. Keys and values are exact; equal tables are one object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from weakref import WeakValueDictionary

from attrs import field, frozen
from cospace.compiler.space.graph import TRUE, Expr, Type, Value, const, make
from cospace.dsl.diagnostics import NOWHERE, Span

HASHED = 64
"""Rows of a table that are hashed."""


class Keys(tuple[tuple[Value, ...], ...]):
    """Rows of keys that many tables have in common: hashed once."""

    def __hash__(self) -> int:
        return self._hashed

    @cached_property
    def _hashed(self) -> int:
        return tuple.__hash__(self)


@frozen(eq=False)
class _Content:
    """What a table says, by which equal ones are known; some of its rows are hashed, for they are exact and many."""

    said: tuple[str, tuple[tuple[Value, ...], ...], tuple[Value, ...], tuple[Value, ...], tuple[type, ...]]
    hashed: int = field(init=False)

    def __hash__(self) -> int:
        return self.hashed

    @hashed.default
    def _hash(self) -> int:
        name, rows, values, default, kinds = self.said
        step = len(rows) // HASHED + 1
        some = rows if step == 1 else rows[::step]  # keys that many tables share are hashed once
        plain = [v.numerator if v.__class__ is Fraction else v for v in values[::step]]
        return hash((name, len(rows), some, *plain, default, kinds))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self.said == other.said


@frozen(eq=False, slots=False, repr=False)
class Lookup:
    """keys: one row of values each; values: of each row; default: none or one value, where no row has the keys.

    name: of the table, for messages. At least one row and one key; no two rows have one key.
    """

    name: str
    keys: tuple[tuple[Value, ...], ...]
    values: tuple[Value, ...]
    default: tuple[Value, ...] = ()

    @cached_property
    def index(self) -> dict[tuple[Value, ...], Value]:
        return dict(zip(self.keys, self.values, strict=True))

    @cached_property
    def _grouped(self) -> dict[tuple[int, ...], dict[tuple[Value, ...], list[int]]]:
        return {}

    def rows(self, columns: tuple[int, ...], wanted: tuple[Value, ...]) -> list[int]:
        """The rows with these values in some columns, by position."""
        if columns not in self._grouped:
            found: dict[tuple[Value, ...], list[int]] = {}
            for r, key in enumerate(self.keys):
                found.setdefault(tuple([key[i] for i in columns]), []).append(r)
            self._grouped[columns] = found
        return self._grouped[columns].get(wanted, [])

    def __getitem__(self, key: tuple[Value, ...]) -> Value | None:
        """The value at a key, the default without such a row, None without a default."""
        found = self.index.get(key)
        return found if found is not None else self.default[0] if self.default else None

    def among(self, possible: Sequence[frozenset[Value] | tuple[object, object] | None]) -> list[Value]:
        """The values of the rows whose keys are possible: for each key a set, two ends, or anything."""
        kept = range(len(self.keys))
        for column, allowed in enumerate(possible):
            if isinstance(allowed, frozenset):
                kept = [r for r in kept if self.keys[r][column] in allowed]  # type: ignore[assignment]
            elif allowed is not None:
                low, high = allowed
                kept = [r for r in kept if low <= self.keys[r][column] <= high]  # type: ignore[assignment,operator]
        return [self.values[r] for r in kept]

    @property
    def denominator(self) -> int:
        """A common denominator of the numbers it gives."""
        return math.lcm(*(v.denominator for v in (*self.values, *self.default) if isinstance(v, Fraction)))


_made: WeakValueDictionary[object, Lookup] = WeakValueDictionary()


def table(
    name: str, keys: Sequence[tuple[Value, ...]], values: Sequence[Value], default: tuple[Value, ...] = ()
) -> Lookup:
    """The one table with these rows."""
    rows = keys if isinstance(keys, Keys) else tuple(keys)
    content = _Content((name, rows, tuple(values), default, tuple(v.__class__ for v in (*values[:1], *default))))
    found = _made.get(content)
    if found is None:
        found = _made[content] = Lookup(name, rows, content.said[2], default)
    return found


def lookup(rows: Lookup, keys: Sequence[Expr], type: Type, span: Span = NOWHERE) -> Expr:
    """The value at some keys. Keys that are constant choose rows now; the type is that of the values."""
    known = tuple([i for i, k in enumerate(keys) if k.op == "const"])
    if known:
        kept = rows.rows(known, tuple([keys[i].value for i in known]))
        open_ = [i for i in range(len(keys)) if i not in known]
        if not open_ and kept:
            return const(rows.values[kept[0]], type.unit)
        if not kept and rows.default:
            return const(rows.default[0], type.unit)
        if open_ and kept:
            fewer = table(
                rows.name, [tuple(rows.keys[r][i] for i in open_) for r in kept], [rows.values[r] for r in kept],
                rows.default,
            )  # fmt: skip
            return lookup(fewer, [keys[i] for i in open_], type, span)
    return make("lookup", tuple(keys), type, rows, span)


def has(rows: Lookup, keys: Sequence[Expr]) -> Expr:
    """Whether a row has the keys."""
    if rows.default:
        return TRUE
    yes = table(rows.name, rows.keys, [True] * len(rows.keys), (False,))
    return lookup(yes, keys, Type("bool"))
