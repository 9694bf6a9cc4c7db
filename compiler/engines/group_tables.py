"""What each group of decisions adds to a quantity: whole numbers of one scale, or floats as such within an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy
from attrs import frozen
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import Frame, Rows
from cospace.compiler.numbers.measure import denominator
from cospace.compiler.numbers.row_bounds import Pair, bounds_at
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.engines.separable import Quantity

Array = NDArray[Any]

LARGEST = 1 << 60
"""No sum of whole numbers grows beyond this."""
BLOCK = 1 << 16
"""Rows that are evaluated together."""
LOOKS = 5_000
"""Rows of one table that the reference evaluator is asked about, at most."""

NOTHING = {"sum": 0, "max": -(1 << 61), "min": 1 << 61}
_JOIN: dict[str, Callable[..., Expr]] = {"sum": graph.add, "max": graph.maximum, "min": graph.minimum}


class Tangled(Exception):
    """The space does not fall apart into groups that can be listed, or its numbers have no common scale."""


@frozen(eq=False)
class Grid:
    """Rows over decisions: those of a group at each setting of the hub, or the settings themselves (`group` None)."""

    group: int | None
    columns: tuple[int, ...]
    rows: Rows


@frozen(eq=False)
class Column:
    """A quantity at each row of each grid: so many times 1/scale, within `error` of these."""

    values: list[Array]
    scale: int
    error: int


def column(q: Quantity, frame: Frame, owner: Mapping[int, int], grids: Sequence[Grid]) -> Column:
    """What each grid adds to a quantity. owner: of each decision outside the hub its group."""
    own: dict[int | None, list[Expr]] = {}
    for t in q.terms:
        own.setdefault(next((owner[v] for v in frame.scope(t) if v in owner), None), []).append(t)
    parts = {g: _JOIN[q.kind](*terms) for g, terms in own.items()}
    tables = {grid.group: _table(parts[grid.group], frame, grid) for grid in grids if grid.group in parts}
    found = _in_one_scale(parts, tables, frame, grids)
    values, scale, error = found if found is not None else _rounded(q.kind, tables)
    every = [values[grid.group] if grid.group in values else numpy.full(len(grid.rows), q.nothing) for grid in grids]
    tops = [int(max(v.max(initial=0), -v.min(initial=0))) for v in every]
    if q.kind == "sum" and sum(tops) > LARGEST:
        values, scale, error = _rounded(q.kind, tables)
        every = [values[g.group] if g.group in values else numpy.full(len(g.rows), q.nothing) for g in grids]
    return Column(every, scale, error)


def _in_one_scale(
    parts: Mapping[int | None, Expr], tables: Mapping[int | None, Pair], frame: Frame, grids: Sequence[Grid]
) -> tuple[dict[int | None, Array], int, int] | None:
    """Exact whole numbers by group, the scale, no error; None where they have no common scale that is short enough."""
    below = [_denominator(e, frame) for e in parts.values()]
    sure = [b for b in below if b is not None]
    if len(sure) < len(below):
        return _evaluated(parts, frame, grids)
    scale = math.lcm(*sure)
    found: dict[int | None, Array] = {}
    for grid in grids:
        if grid.group in parts:
            whole = _whole(parts[grid.group], frame, grid, tables[grid.group], scale)
            if whole is None:
                return _evaluated(parts, frame, grids)
            found[grid.group] = whole
    return found, scale, 0


def _evaluated(
    parts: Mapping[int | None, Expr], frame: Frame, grids: Sequence[Grid]
) -> tuple[dict[int | None, Array], int, int] | None:
    """As `_in_one_scale` by the reference evaluator, of few rows: the values themselves have a common scale."""
    projected = {
        g.group: frame.project(g.rows, g.columns, frame.scope(parts[g.group])) for g in grids if g.group in parts
    }
    if sum(len(unique) for unique, _ in projected.values()) > LOOKS:
        return None
    values: dict[int | None, list[Fraction]] = {}
    for group, (unique, _) in projected.items():
        scope = frame.scope(parts[group])
        own = values[group] = []
        for row in unique:
            value = exact.evaluate(parts[group], frame.design(scope, row))
            if not isinstance(value, Fraction):
                return None
            own.append(value)
    scale = math.lcm(*(v.denominator for own in values.values() for v in own))
    if any(abs(v * scale) > LARGEST for own in values.values() for v in own):
        return None
    found: dict[int | None, Array] = {
        group: numpy.array([int(v * scale) for v in values[group]], dtype=numpy.int64)[inverse]
        for group, (_, inverse) in projected.items()
    }
    return found, scale, 0


def _rounded(kind: str, tables: Mapping[int | None, Pair]) -> tuple[dict[int | None, Array], int, int]:
    """Whole numbers by group, as fine as floats are, the scale, and how far a whole may be off."""
    top = max((float(numpy.abs(p.high).max(initial=0.0)) for p in tables.values()), default=0.0)
    if not math.isfinite(top) or not top:
        raise Tangled("a number is beyond floats")
    scale = 2 ** max(0, 52 - math.frexp(top)[1])
    found, slacks = {}, []
    for g, p in tables.items():
        low, high = p.low * float(scale), p.high * float(scale)
        found[g] = numpy.rint((low + high) / 2).astype(numpy.int64)
        slacks.append(math.ceil(float((high - low).max(initial=0.0))) + 1)
    return found, scale, sum(slacks) if kind == "sum" else max(slacks)


def _denominator(e: Expr, frame: Frame) -> int | None:
    return 1 if e.type.kind == "bool" else denominator(e, [frame.decisions[v] for v in frame.scope(e)])


def _table(e: Expr, frame: Frame, grid: Grid) -> Pair:
    """Bounds on an expression at each row of a grid; where it is a truth it is decided, where a number defined."""
    if e.type.kind not in ("bool", "number"):
        raise Tangled("a symbol is read by several groups")
    scope = frame.scope(e)
    unique, inverse = frame.project(grid.rows, grid.columns, scope)
    parts = [bounds_at([e], frame, scope, unique[i : i + BLOCK])[0] for i in range(0, len(unique), BLOCK)]
    if not parts:
        return Pair(numpy.zeros(0), numpy.zeros(0))
    low, high = numpy.concatenate([p.low for p in parts]), numpy.concatenate([p.high for p in parts])
    if e.type.kind == "bool":
        if (low == high).any():
            raise Tangled("a condition is not decided, or not defined")
        high = low = low.astype(numpy.float64)
    if numpy.isnan(low).any():
        raise Tangled("a number is not defined")
    return Pair(low[inverse], high[inverse])


def _whole(e: Expr, frame: Frame, grid: Grid, found: Pair, scale: int) -> Array | None:
    """An expression at each row of a grid, so many times 1/scale; None where rounding leaves too many in doubt."""
    low, high = found.low * float(scale), found.high * float(scale)
    near = numpy.rint((low + high) / 2)
    sure = numpy.isfinite(near) & (near - low < 0.5) & (high - near < 0.5) & (numpy.abs(near) < 2.0**52)
    whole: Array = numpy.where(sure, near, 0.0).astype(numpy.int64)
    doubt = numpy.flatnonzero(~sure)
    if len(doubt) > LOOKS:
        return None
    scope, where = frame.scope(e), {v: k for k, v in enumerate(grid.columns)}
    for i in doubt:
        value = exact.evaluate(e, frame.design(scope, [int(grid.rows[i, where[v]]) for v in scope]))
        if not isinstance(value, Fraction) or abs(value * scale) > LARGEST:
            return None
        whole[i] = int(value * scale)
    return whole
