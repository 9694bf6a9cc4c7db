"""Designs as rows of indices for the batched backends, and designs read from what a user wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import MapDecision, Symbol, Value
from cospace.compiler.space.model import Decision, Design, Space, Variant, show, spell
from cospace.dsl.suggest import closest
from numpy.typing import NDArray

Domain = Decision | Variant | MapDecision
Rows = NDArray[numpy.int64]

FEW = 4
"""Up to so many designs their values are looked for one by one."""
DEAD = -1
"""The index of a decision that is not live."""


class DesignError(ValueError):
    """What was written is not a design: `path` is the decision it is about, `reason` a sentence."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def encode(decisions: Sequence[Decision], designs: Sequence[Design]) -> Rows:
    """Designs as an array of shape (n, d): the index into `Decision.values`, `DEAD` where a path is absent.

    Raises DesignError at a value outside its domain.
    """
    rows = numpy.full((len(designs), len(decisions)), DEAD, dtype=numpy.int64)
    for j, d in enumerate(decisions):
        index = _indices(d) if len(designs) > FEW else None
        for i, design in enumerate(designs):
            if d.path in design:
                value = design[d.path]
                position = index.get((value.__class__, value)) if index is not None else _index(d, value)
                if position is None:
                    raise DesignError(d.path, f"`{_text(value, d)}` is not one of its values ({_domain(d)})")
                rows[i, j] = position
    return rows


def decode(decisions: Sequence[Decision], row: Sequence[int] | Rows) -> Design:
    """The design of one row: live decisions only, in their order."""
    return {d.path: d.values[int(i)] for d, i in zip(decisions, row, strict=True) if i >= 0}


def parse_design(space: Space, mapping: Mapping[str, object]) -> Design:
    """A design from JSON values (`"64 KiB"`, 4, "gat", true), as `sample --json` writes them.

    Raises DesignError naming the first path that is unknown, missing, dead, or outside its domain.
    """
    known = {d.path for d in space.decisions}
    for path in mapping:
        if path not in known:
            near = closest(str(path), known)
            raise DesignError(str(path), "there is no such decision" + (f"; did you mean `{near}`?" if near else ""))
    design: dict[str, Value] = {}
    for d in space.decisions:
        live = evaluate(d.guard, design)
        if live is not True:
            if d.path in mapping:
                raise DesignError(d.path, "it is not live in this design, so it takes no value")
            continue
        if d.path not in mapping:
            raise DesignError(d.path, f"it is live in this design and needs a value ({_domain(d)})")
        i = position(d, mapping[d.path])
        if d.allowed is not None and evaluate(d.allowed[i], design) is not True:
            raise DesignError(d.path, f"`{_text(d.values[i], d)}` is not in its domain for this design")
        design[d.path] = d.values[i]
    return design


def _index(d: Decision, value: Value) -> int | None:
    found = d.values.index(value) if value in d.values else None
    return found if found is not None and d.values[found].__class__ is value.__class__ else None


def _indices(d: Decision) -> dict[tuple[type, Value], int]:
    return {(v.__class__, v): i for i, v in reversed(list(enumerate(d.values)))}


def position(d: Domain, written: object) -> int:
    """Where among its values stands what was written. Raises DesignError where it is none of them."""
    for i, value in enumerate(d.values):
        if _same(value, written, d):
            return i
    raise DesignError(d.path, f"`{written}` is not one of its values ({_domain(d)})")


def _same(value: Value, written: object, d: Domain) -> bool:
    if isinstance(value, bool) or isinstance(written, bool):
        return value is written
    if isinstance(value, Symbol):
        return written in (value.name, value)
    if isinstance(value, str):
        return written == value
    if isinstance(written, (int, float)):
        return show(value, None, d.scale) == written
    if isinstance(written, Fraction):
        return value == written
    return isinstance(written, str) and _number(written, d) == value


def _number(written: str, d: Domain) -> Fraction | None:
    """`"64 KiB"` or `"64"` in the decision's own unit."""
    text, _, unit = written.strip().partition(" ")
    if unit.strip() not in ("", d.unit or ""):
        return None
    if len(text) > 400:
        return None
    try:
        plain = Fraction(text.replace("_", "")) if "e" not in text.lower() else Fraction(float(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    exact = plain * d.scale
    if exact in d.values:
        return exact
    # A rational such as 1/3 is printed rounded: take the value that prints like this.
    return next((v for v in d.values if isinstance(v, Fraction) and nearest(v / d.scale) == nearest(plain)), None)


def _text(value: Value, d: Domain) -> str:
    return spell(value, d.unit, d.scale)


def _domain(d: Domain) -> str:
    shown = [_text(v, d) for v in d.values]
    return ", ".join(shown) if len(shown) <= 8 else f"{', '.join(shown[:6])}, … {shown[-1]}"
