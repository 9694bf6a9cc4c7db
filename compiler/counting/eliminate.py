"""Variable elimination over tables of exact integers: weighted counts of an assignment, and uniform samples of it.

A factor is a table of counts over some variables (0 where a combination is excluded). Variables are summed out one by
one, the cheapest first; what a step sums is kept, so that going back through the steps draws an assignment with
probability exactly its weight over the total. Tables hold int64 where a bound proves that they fit, else Python
integers. Nothing here knows of decisions or expressions.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.guided import draw_on
from numpy.typing import NDArray

Table = NDArray[Any]
"""Counts: dtype int64, or object holding Python integers."""

SAFE = 1 << 62
CELLS = 1 << 23
"""The largest table that elimination makes."""


class TooLarge(Exception):
    """A table of `cells` cells over `scope` would be needed, more than `CELLS`."""

    def __init__(self, cells: int, scope: tuple[int, ...]) -> None:
        super().__init__(f"a table of {cells} cells")
        self.cells = cells
        self.scope = scope


@frozen(eq=False)
class Factor:
    """`table` has one axis for each variable of `scope` (sorted); `largest` bounds its entries."""

    scope: tuple[int, ...]
    table: Table
    largest: int

    @staticmethod
    def of(scope: tuple[int, ...], table: Table) -> Factor:
        return Factor(scope, table if table.dtype == object else table.astype(numpy.int64), int(table.max(initial=0)))


@frozen(eq=False)
class Step:
    """`variable` was summed out of `table`, whose axes are `scope` and then the variable; None: free of factors.

    used: the factors that the table is the product of, by number; made: what was left, None where it is a number.
    """

    variable: int
    scope: tuple[int, ...]
    table: Table | None
    used: tuple[int, ...] = ()
    made: int | None = None


@frozen(eq=False)
class Elimination:
    """total: the weight of all assignments, as far as variables were summed out; rest: factors over what was kept."""

    total: int
    steps: tuple[Step, ...]
    rest: tuple[Factor, ...]
    sizes: Mapping[int, int]
    factors: Mapping[int, Factor]
    """By number: those that were given, from `first` on those that steps made."""
    first: int


def multiply(factors: Sequence[Factor], scope: tuple[int, ...], sizes: Mapping[int, int]) -> Factor:
    """The product over `scope`, a superset of the factors' scopes in sorted order."""
    largest = math.prod(f.largest for f in factors)
    shape = [sizes[v] for v in scope]
    wide = largest >= SAFE or any(f.table.dtype == object for f in factors)
    result: Table = numpy.ones(shape, dtype=object if wide else numpy.int64)
    for f in factors:
        axes = [sizes[v] if v in f.scope else 1 for v in scope]
        result *= f.table.reshape(axes)
    return Factor(scope, result, largest)


def sum_out(factor: Factor, variable: int) -> Factor:
    axis = factor.scope.index(variable)
    table = factor.table
    largest = factor.largest * table.shape[axis]
    if largest >= SAFE and table.dtype != object:
        largest = int(table.max(initial=0)) * table.shape[axis]
        if largest >= SAFE:
            table = table.astype(object)
    total = table.sum(axis=axis)
    summed = numpy.asarray(total, dtype=table.dtype)
    if summed.size <= 4096:
        largest = int(summed.max(initial=0))
    return Factor(tuple(v for v in factor.scope if v != variable), summed, largest)


def eliminate(
    factors: Iterable[Factor], sizes: Mapping[int, int], keep: frozenset[int] = frozenset(), cells: int = CELLS
) -> Elimination:
    """Sum out every variable of `sizes` that is not in `keep`, the one with the smallest table first.

    Raises TooLarge where a table would have more than `cells` cells.
    """
    known: dict[int, Factor] = dict(enumerate(factors))
    live = dict(known)
    using: dict[int, set[int]] = {v: set() for v in sizes}
    total = 1
    for i, f in list(live.items()):
        if not f.scope:
            total *= int(f.table)
            del live[i]
        for v in f.scope:
            using[v].add(i)
    number = first = max(known, default=0) + 1

    def reach(v: int) -> tuple[int, ...]:
        return tuple(sorted(set().union(*(live[i].scope for i in using[v]), [v])))

    def cost(v: int) -> int:
        return math.prod(sizes[u] for u in reach(v))

    heap = [(cost(v), v) for v in sizes if v not in keep]
    heapq.heapify(heap)
    done: set[int] = set()
    steps: list[Step] = []
    while heap:
        expected, v = heapq.heappop(heap)
        if v in done:
            continue
        now = cost(v)
        if now != expected:
            heapq.heappush(heap, (now, v))
            continue
        if now > cells:
            raise TooLarge(now, reach(v))
        done.add(v)
        if not using[v]:
            total *= sizes[v]
            steps.append(Step(v, (), None))
            continue
        scope = reach(v)
        used = tuple(sorted(using[v]))
        product = multiply([live[i] for i in used], scope, sizes)
        table = numpy.moveaxis(product.table, scope.index(v), -1)
        others = tuple(u for u in scope if u != v)
        steps.append(Step(v, others, table, used, number if others else None))
        for i in list(using[v]):
            for u in live[i].scope:
                using[u].discard(i)
            del live[i]
        summed = sum_out(product, v)
        if others:
            live[number] = known[number] = summed
            for u in others:
                using[u].add(number)
                if u not in keep and u not in done:
                    heapq.heappush(heap, (cost(u), u))
            number += 1
        else:
            total *= int(summed.table)
    return Elimination(total, tuple(steps), tuple(live.values()), sizes, known, first)


# ---- what each value keeps


def count_values(done: Elimination) -> dict[int, list[int]]:
    """For each variable the weight of the assignments with each of its values: one pass back over the steps.

    The elimination has to be complete. What flows back to a table is the weight of all that it was multiplied by.
    """
    assert not done.rest
    if not done.total:
        return {s.variable: [0] * done.sizes[s.variable] for s in done.steps}
    kind = object if done.total >= SAFE else numpy.int64
    back: dict[int, Table] = {}
    found: dict[int, list[int]] = {}
    for step in reversed(done.steps):
        if step.table is None:
            size = done.sizes[step.variable]
            found[step.variable] = [done.total // size] * size
            continue
        if step.made is None:
            own = sum(int(x) for x in step.table.reshape(-1)) if kind is object else int(step.table.sum())
            flow: Table = numpy.array(done.total // own, dtype=kind)
        else:
            flow = back.pop(step.made)
        kept = flow[..., None] * step.table.astype(kind, copy=False)
        found[step.variable] = [int(x) for x in kept.reshape(-1, kept.shape[-1]).sum(axis=0)]
        _flow_back(step, step.used, flow, kind, done, back)
    return found


def _flow_back(
    step: Step, used: Sequence[int], flow: Table, kind: Any, done: Elimination, back: dict[int, Table]
) -> None:
    """To each table that an earlier step made: the flow times the other tables, summed over what it doesn't read."""
    scope = (*step.scope, step.variable)
    parts = [_spread(done.factors[i], scope, done.sizes).astype(kind, copy=False) for i in used]
    before: list[Table] = [flow[..., None]]
    for part in parts[:-1]:
        before.append(before[-1] * part)
    after: Table = numpy.ones((1,) * len(scope), dtype=kind)
    for k in range(len(parts) - 1, -1, -1):
        i = used[k]
        if i >= done.first:
            whole = numpy.broadcast_to(before[k] * after, [done.sizes[v] for v in scope])
            lost = tuple(a for a, v in enumerate(scope) if v not in done.factors[i].scope)
            summed = numpy.asarray(whole.sum(axis=lost), dtype=kind)
            left = [v for v in scope if v in done.factors[i].scope]
            back[i] = summed.transpose([left.index(v) for v in done.factors[i].scope])
        after = after * parts[k]


def _spread(factor: Factor, scope: Sequence[int], sizes: Mapping[int, int]) -> Table:
    """A factor's table with an axis for each variable of `scope`, 1 where it does not read it."""
    order = [v for v in scope if v in factor.scope]
    table = factor.table.transpose([factor.scope.index(v) for v in order])
    return table.reshape([sizes[v] if v in factor.scope else 1 for v in scope])


# ---- exactly uniform samples


class Drawer:
    """Draws assignments with probability exactly their weight over the total of a complete elimination."""

    def __init__(self, elimination: Elimination) -> None:
        assert not elimination.rest
        self.total = elimination.total
        self._steps = [self._prepare(step, elimination.sizes) for step in reversed(elimination.steps)]

    @staticmethod
    def _prepare(step: Step, sizes: Mapping[int, int]) -> tuple[int, tuple[int, ...], list[int], Table | _Cuts | int]:
        if step.table is None:
            return step.variable, (), [], sizes[step.variable]
        strides, stride = [], 1
        for u in reversed(step.scope):
            strides.append(stride)
            stride *= sizes[u]
        table = numpy.ascontiguousarray(step.table).reshape(stride, sizes[step.variable])
        if table.dtype == object or int(table.max(initial=0)) * table.shape[1] >= SAFE:
            table = _reduced(table.astype(object))
        running = table.cumsum(axis=1)
        return step.variable, step.scope, strides[::-1], _Cuts(running) if running.dtype == object else running

    def draw(self, n: int, rng: numpy.random.Generator, variables: int) -> NDArray[numpy.int64]:
        """n assignments as an (n, variables) array of positions on each variable's axis; -1 where none was drawn."""
        drawn = numpy.full((n, variables), -1, dtype=numpy.int64)
        for variable, scope, strides, table in self._steps:
            if isinstance(table, int):
                drawn[:, variable] = rng.integers(0, table, size=n)
                continue
            at = numpy.zeros(n, dtype=numpy.int64)
            for u, stride in zip(scope, strides, strict=True):
                at += drawn[:, u] * stride
            if isinstance(table, _Cuts):
                drawn[:, variable] = table.draw(at, rng)
            elif table.shape[0] == 1:
                cut = rng.integers(0, int(table[0, -1]), size=n)
                drawn[:, variable] = numpy.searchsorted(table[0], cut, side="right")
            else:
                rows = table[at]
                cut = rng.integers(0, rows[:, -1])
                drawn[:, variable] = (rows <= cut[:, None]).sum(axis=1)
        return drawn


def _reduced(table: Table) -> Table:
    """Each row divided by its greatest common divisor; back to int64 when everything fits."""
    rows = [[int(x) for x in row] for row in table]
    for row in rows:
        common = math.gcd(*row) or 1
        row[:] = [x // common for x in row]
    small = all(sum(row) < SAFE for row in rows)
    return numpy.array(rows, dtype=numpy.int64 if small else object).reshape(table.shape)


BITS = 62


class _Cuts:
    """Running sums too long for 64 bits as cut-offs of 62 bits; a draw that meets one exactly is drawn on."""

    def __init__(self, running: Table) -> None:
        self.running = running
        totals = [max(int(t), 1) for t in running[:, -1]]
        cuts = [[(int(x) << BITS) // t for x in row[:-1]] for row, t in zip(running, totals, strict=True)]
        self.cuts = numpy.array(cuts, dtype=numpy.int64).reshape(len(running), running.shape[1] - 1)

    def draw(self, at: NDArray[numpy.int64], rng: numpy.random.Generator) -> NDArray[numpy.int64]:
        """An index for each row of running sums, with probability exactly its share."""
        first = rng.integers(0, 1 << BITS, size=len(at))
        cuts = self.cuts[at]
        drawn: NDArray[numpy.int64] = (cuts < first[:, None]).sum(axis=1)
        ties = numpy.flatnonzero((cuts == first[:, None]).any(axis=1))
        if len(ties):
            more = random.Random(int(rng.integers(0, 1 << BITS)))
            for i in ties:
                drawn[i] = draw_on(self.running[at[i]], int(first[i]), more, BITS)
        return drawn
