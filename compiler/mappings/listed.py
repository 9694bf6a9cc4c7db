"""What expressions of few maps are at all values of these, exactly, each worked out once; the ends of all others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import field, frozen
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.exact import columns
from cospace.compiler.exact.columns import Column
from cospace.compiler.space.graph import Expr, Value
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
Ints = NDArray[numpy.int64]
Ends = tuple[Fraction | float, Fraction | float]

MOST = 1 << 12
"""Combinations of values of several maps that are listed, at most."""
FOLDED = ("add", "mul", "max", "min", "if")


@frozen(eq=False)
class Listed:
    """Expressions over maps with these domains, in declared order."""

    domains: Mapping[str, Sequence[Value]]
    _columns: dict[int, Column] = field(factory=dict)
    _logs: dict[int, Floats] = field(factory=dict)
    _ends: dict[int, Ends] = field(factory=dict)
    _alive: list[Expr] = field(factory=list)
    _bounder: list[Bounder] = field(factory=list)

    def paths(self, e: Expr) -> tuple[str, ...]:
        return tuple(p for p in self.domains if p in e.free)

    def size(self, paths: Sequence[str]) -> int:
        return math.prod(len(self.domains[p]) for p in paths)

    def rows(self, paths: Sequence[str]) -> Ints:
        """All combinations of values of some maps, by position, in declared order: (combinations, maps)."""
        return numpy.array(list(itertools.product(*[range(len(self.domains[p])) for p in paths])), dtype=numpy.int64)

    def places(self, e: Expr, paths: Sequence[str], rows: Ints) -> Ints:
        """Where each of some rows of maps stands among all combinations of those that an expression reads."""
        own = self.paths(e)
        at = numpy.zeros(len(rows), dtype=numpy.int64)
        for p in own:
            at = at * len(self.domains[p]) + rows[:, paths.index(p)]
        return at

    def column(self, e: Expr) -> Column:
        """An expression at all combinations of the maps that it reads. Raises NotExact."""
        found = self._columns.get(id(e))
        if found is None:
            self._alive.append(e)
            paths = self.paths(e)
            rows = self.rows(paths)
            given = {p: columns.column(self.domains[p])[rows[:, k]] for k, p in enumerate(paths)}
            found = self._columns[id(e)] = columns.evaluate([e], given, len(rows))[0]
        return found

    def logs(self, e: Expr) -> Floats:
        """The logarithms of a column of positive numbers, -inf for 0."""
        if id(e) not in self._logs:
            column = self.column(e)
            known = {v: logarithm(v) for v in set(column.tolist())}
            self._logs[id(e)] = numpy.array([known[v] for v in column.tolist()])
        return self._logs[id(e)]

    def ends(self, e: Expr) -> Ends:
        """The least and the greatest that a number can be, or less and more."""
        found = self._ends.get(id(e))
        if found is None:
            self._alive.append(e)
            found = self._ends[id(e)] = self._of(e)
        return found

    def _of(self, e: Expr) -> Ends:
        if e.is_const:
            return e.number, e.number
        if self.size(self.paths(e)) <= MOST:
            column = self.column(e).tolist()
            return min(column), max(column)
        if e.type.kind == "number" and e.op in FOLDED:
            return folded(e.op, [self.ends(a) for a in e.args if a.type.kind == "number"])
        if not self._bounder:
            self._bounder.append(Bounder(self.domains))
        bounds = self._bounder[0].bounds(e)
        return bounds.low, bounds.high


def folded(op: str, args: Sequence[Ends]) -> Ends:
    """The ends of what an operator of `FOLDED` makes of numbers with these ends."""
    if op == "mul":
        low, high = args[0]
        for other in args[1:]:
            corners = [_times(x, y) for x in (low, high) for y in other]
            low, high = min(corners), max(corners)
        return low, high
    if op == "if":
        return min(low for low, _ in args), max(high for _, high in args)
    fold: Any = {"add": sum, "max": max, "min": min}[op]
    return fold(low for low, _ in args), fold(high for _, high in args)


def _times(a: Fraction | float, b: Fraction | float) -> Fraction | float:
    return 0 if a == 0 or b == 0 else a * b


def logarithm(value: Fraction | int) -> float:
    if value <= 0:
        return -math.inf if value == 0 else math.nan
    return math.log(value.numerator) - math.log(value.denominator)


__all__ = ["FOLDED", "MOST", "Ends", "Floats", "Ints", "Listed", "folded", "logarithm"]
