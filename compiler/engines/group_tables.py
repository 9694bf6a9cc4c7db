"""What each group of decisions adds to a quantity: whole numbers of one scale, or floats as such within an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy
from attrs import frozen
from cospace.compiler.engines.words import BITS, shift_for, split
from cospace.compiler.exact import columns, exact
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.numbers.enumerate import Frame, Rows
from cospace.compiler.numbers.measure import denominator
from cospace.compiler.numbers.row_bounds import Pair, bounds_at
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.engines.separable import Quantity

Array = NDArray[Any]

BLOCK = 1 << 16
"""Rows that are evaluated together."""
LOOKS = 5_000
"""Rows of one table that the reference evaluator is asked about, at most."""
CELLS = 1 << 20
"""Rows times nodes of expressions that are evaluated in Python's own numbers, at most."""
FEW = 1 << 8
"""Rows up to which these come first."""

_JOIN: dict[str, Callable[..., Expr]] = {"sum": graph.add, "max": graph.maximum, "min": graph.minimum}
_Numbers = list[Fraction | int]


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
    """A quantity at each row of each grid: so many times 1/scale, within `error` of these.

    coarse, fine, shift: its words, as `Words` has them; fine is empty where shift is 0.
    """

    coarse: list[Array]
    fine: list[Array]
    shift: int
    scale: Fraction
    error: int


@frozen(eq=False)
class _Part:
    """What one group adds: an expression, the rows at which it differs, and which of them each row of its grid is."""

    expr: Expr
    grid: Grid
    scope: tuple[int, ...]
    rows: Rows
    inverse: Array


def column(q: Quantity, frame: Frame, owner: Mapping[int, int], grids: Sequence[Grid]) -> Column:
    """What each grid adds to a quantity. owner: of each decision outside the hub its group."""
    own: dict[int | None, list[Expr]] = {}
    for t in q.terms:
        own.setdefault(next((owner[v] for v in frame.scope(t) if v in owner), None), []).append(t)
    parts = {}
    for grid in grids:
        if grid.group in own:
            expr = _JOIN[q.kind](*own[grid.group])
            scope = frame.scope(expr)
            parts[grid.group] = _Part(expr, grid, scope, *frame.project(grid.rows, grid.columns, scope))
    few = sum(len(p.rows) for p in parts.values()) <= FEW * len(parts)
    found = _in_python(q.kind, parts, frame, 0) if few else None
    if found is None:
        found = _by_programs(q.kind, parts, frame)
    words, shift, scale, error = found
    coarse, fine = [], []
    for grid in grids:
        if grid.group in parts:
            at = parts[grid.group].inverse
            coarse.append(words[grid.group][0][at])
            fine.append(words[grid.group][1][at] if shift else numpy.zeros(0, dtype=numpy.int64))
        else:
            coarse.append(numpy.full(len(grid.rows), q.nothing, dtype=numpy.int64))
            fine.append(numpy.zeros(len(grid.rows) if shift else 0, dtype=numpy.int64))
    return Column(coarse, fine, shift, scale, error)


_Words = dict[int | None, tuple[Array, Array]]
_Found = tuple[_Words, int, Fraction, int]
"""The words of each group's part at its rows, bits of the fine ones, the scale of the coarse ones, the error."""


def _by_programs(kind: str, parts: Mapping[int | None, _Part], frame: Frame) -> _Found:
    """By batched programs where their numbers are whole, else in Python's, else rounded."""
    tables = {g: _table(p, frame) for g, p in parts.items()}
    below = [_denominator(p.expr, frame) for p in parts.values()]
    sure = [b for b in below if b is not None]
    if len(sure) == len(below):
        scale = math.lcm(*sure)
        found: _Words = {}
        for g, p in parts.items():
            whole = _whole(p, frame, tables[g], scale)
            if whole is None:
                break
            found[g] = whole, whole[:0]
        if len(found) == len(parts) and not shift_for(kind, [_top(coarse) for coarse, _ in found.values()]):
            return found, 0, Fraction(scale), 0
    return _in_python(kind, parts, frame, LOOKS) or _rounded(kind, tables)


def _top(values: Array) -> int:
    return int(max(values.max(initial=0), -values.min(initial=0)))


def _in_python(kind: str, parts: Mapping[int | None, _Part], frame: Frame, looks: int) -> _Found | None:
    """In Python's numbers, whatever scale they have in common; None where one is not rational, or they are too many.

    looks: rows that the reference evaluator may be asked about.
    """
    if sum(len(p.rows) * sum(1 for _ in graph.walk([p.expr])) for p in parts.values()) > CELLS:
        return None
    values: dict[int | None, _Numbers] = {}
    for g, p in parts.items():
        found = _numbers(p, frame, looks)
        if found is None:
            return None
        values[g] = found
    scale = math.lcm(*{v.denominator for own in values.values() for v in own})
    wholes = {g: [v.numerator * (scale // v.denominator) for v in own] for g, own in values.items()}
    shift = shift_for(kind, [max(map(abs, own), default=0) for own in wholes.values()])
    if shift > BITS:
        return None
    return {g: split(own, shift) for g, own in wholes.items()}, shift, Fraction(scale, 1 << shift), 0


def _numbers(p: _Part, frame: Frame, looks: int) -> _Numbers | None:
    """A part at each of its rows; None where that is no number, or not rational, or too many rows have to be asked."""
    if p.expr.type.kind not in ("bool", "number"):
        raise Tangled("a symbol is read by several groups")
    if not (p.rows < 0).any():
        at = {
            frame.decisions[v].path: columns.column([frame.decisions[v].values[int(i)] for i in p.rows[:, k]])
            for k, v in enumerate(p.scope)
        }
        try:
            (found,) = columns.evaluate_short([p.expr], at, len(p.rows))
            return [int(v) if v.__class__ is bool else v for v in found.tolist()]
        except NotExact:  # a branch that is not taken may be none
            pass
    if len(p.rows) > looks:
        return None
    listed: _Numbers = []
    for row in p.rows:
        value = exact.evaluate(p.expr, frame.design(p.scope, row))
        if not isinstance(value, (Fraction, bool)):
            return None
        listed.append(int(value) if isinstance(value, bool) else value)
    return listed


def _rounded(kind: str, tables: Mapping[int | None, Pair]) -> _Found:
    """As fine as floats are, and how far a number may be off."""
    top = max((float(numpy.abs(t.high).max(initial=0.0)) for t in tables.values()), default=0.0)
    if not math.isfinite(top) or not top:
        raise Tangled("a number is beyond floats")
    scale = 2 ** max(0, 52 - math.frexp(top)[1])
    found: _Words = {}
    slacks = []
    for g, t in tables.items():
        low, high = t.low * float(scale), t.high * float(scale)
        coarse = numpy.rint((low + high) / 2).astype(numpy.int64)
        found[g] = coarse, coarse[:0]
        slacks.append(math.ceil(float((high - low).max(initial=0.0))) + 1)
    return found, 0, Fraction(scale), sum(slacks) if kind == "sum" else max(slacks)


def _denominator(e: Expr, frame: Frame) -> int | None:
    return 1 if e.type.kind == "bool" else denominator(e, [frame.decisions[v] for v in frame.scope(e)])


def _table(p: _Part, frame: Frame) -> Pair:
    """Bounds on a part at each of its rows; where it is a truth it is decided, where a number defined."""
    e = p.expr
    if e.type.kind not in ("bool", "number"):
        raise Tangled("a symbol is read by several groups")
    parts = [bounds_at([e], frame, p.scope, p.rows[i : i + BLOCK])[0] for i in range(0, len(p.rows), BLOCK)]
    if not parts:
        return Pair(numpy.zeros(0), numpy.zeros(0))
    low, high = numpy.concatenate([p.low for p in parts]), numpy.concatenate([p.high for p in parts])
    if e.type.kind == "bool":
        if (low == high).any():
            raise Tangled("a condition is not decided, or not defined")
        high = low = low.astype(numpy.float64)
    if numpy.isnan(low).any():
        raise Tangled("a number is not defined")
    return Pair(low, high)


def _whole(p: _Part, frame: Frame, found: Pair, scale: int) -> Array | None:
    """A part at each of its rows, so many times 1/scale; None where rounding leaves too many in doubt."""
    low, high = found.low * float(scale), found.high * float(scale)
    near = numpy.rint((low + high) / 2)
    sure = numpy.isfinite(near) & (near - low < 0.5) & (high - near < 0.5) & (numpy.abs(near) < 2.0**52)
    whole: Array = numpy.where(sure, near, 0.0).astype(numpy.int64)
    doubt = numpy.flatnonzero(~sure)
    if len(doubt) > LOOKS:
        return None
    for i in doubt:
        value = exact.evaluate(p.expr, frame.design(p.scope, p.rows[i]))
        if not isinstance(value, Fraction) or abs(value * scale) >= 1 << BITS:
            return None
        whole[i] = int(value * scale)
    return whole


__all__ = ["Column", "Grid", "Tangled", "column"]
