"""One sum of independent terms within a bound, counted exactly: a dense polynomial over the levels of the sum.

Each group has options with a value and a weight; wanted is the total weight of the choices of one option per group
whose values add up to at most a bound, and for each option how much of it is left to the other groups. The polynomial
whose k-th coefficient is the weight of the partial sums equal to k is held in limbs of int64, so that adding an option
is a shift and an add at memory speed; the widest groups stay a short list of thresholds. Nothing here knows of
decisions or expressions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[Any]

LEVELS = 1 << 22
"""The most levels that a polynomial has."""
THRESHOLDS = 1 << 14
"""Sums of the widest groups that are kept as a list."""
_HALF = 32


class TooManyLevels(Exception):
    """A polynomial of `levels` levels, or `cells` additions, would be needed."""

    def __init__(self, levels: int, cells: int) -> None:
        super().__init__(f"{levels} levels of a sum, {cells} additions")
        self.levels = levels
        self.cells = cells


@frozen(eq=False)
class Group:
    """values: non-negative integers, distinct, increasing; weights: positive integers of Python."""

    values: tuple[int, ...]
    weights: tuple[int, ...]

    @staticmethod
    def of(values: Sequence[int], weights: Sequence[int]) -> Group:
        """Equal values merged, options of weight 0 left out."""
        merged: dict[int, int] = {}
        for v, w in zip(values, weights, strict=True):
            if w:
                merged[v] = merged.get(v, 0) + w
        kept = sorted(merged)
        return Group(tuple(kept), tuple(merged[v] for v in kept))

    @property
    def total(self) -> int:
        return sum(self.weights)


def merge_groups(a: Group, b: Group) -> Group:
    """The sums of two groups."""
    merged: dict[int, int] = {}
    for v, w in zip(a.values, a.weights, strict=True):
        for u, x in zip(b.values, b.weights, strict=True):
            merged[v + u] = merged.get(v + u, 0) + w * x
    kept = sorted(merged)
    return Group(tuple(kept), tuple(merged[v] for v in kept))


class Polynomial:
    """Coefficients of 0..length-1, in limbs of `bits` bits: (limbs, length) int64."""

    def __init__(self, limbs: Array, bits: int, total: int) -> None:
        self.limbs, self.bits, self.total = limbs, bits, total

    @staticmethod
    def one(bits: int) -> Polynomial:
        return Polynomial(numpy.ones((1, 1), dtype=numpy.int64 if bits else object), bits, 1)

    def times(self, group: Group, length: int) -> Polynomial:
        """The product with a group's polynomial, cut to `length` coefficients."""
        old = self.limbs.shape[1]
        total = self.total * group.total
        count = max(1, -(-total.bit_length() // self.bits)) if self.bits else 1
        size = min(length, old + group.values[-1])
        made = numpy.zeros((count, size), dtype=self.limbs.dtype)
        for v, w in zip(group.values, group.weights, strict=True):
            width = min(old, size - v)
            if width <= 0:
                break
            for k, limb in enumerate(self.limbs):
                made[k, v : v + width] += limb[:width] if w == 1 else limb[:width] * w
        for k in range(count - 1):
            made[k + 1] += made[k] >> self.bits
            made[k] &= (1 << self.bits) - 1
        return Polynomial(made, self.bits, total)

    def below(self, limits: Sequence[int]) -> list[int]:
        """For each limit the sum of the coefficients of 0..limit; limits increase."""
        length = self.limbs.shape[1]
        ends = [min(t + 1, length) for t in limits]
        starts = [0, *(e for e in ends[:-1])]
        totals = [0] * len(limits)
        for k, limb in enumerate(self.limbs):
            if limb.dtype == object:
                pieces = [int(limb[a:b].sum()) if b > a else 0 for a, b in zip(starts, ends, strict=True)]
            else:
                low = _segments(limb & ((1 << _HALF) - 1), starts, ends)
                high = _segments(limb >> _HALF, starts, ends)
                pieces = [a + (b << _HALF) for a, b in zip(low, high, strict=True)]
            for i, piece in enumerate(pieces):
                totals[i] += piece << (self.bits * k)
        running, found = 0, []
        for piece in totals:
            running += piece
            found.append(running)
        return found


def _segments(array: Array, starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    running = numpy.concatenate([[0], numpy.cumsum(array)])
    return [int(running[b] - running[a]) if b > a else 0 for a, b in zip(starts, ends, strict=True)]


@frozen(eq=False)
class Problem:
    """Groups on a common grid with least value 0; limit: what their sum may be at most, in steps of the grid.

    taken: the least value of each group and the step, as the caller's options have them.
    """

    groups: tuple[Group, ...]
    limit: int
    taken: tuple[int, ...]
    step: int

    @property
    def most(self) -> int:
        return sum(g.values[-1] for g in self.groups)

    @cached_property
    def halves(self) -> tuple[list[Group], Group]:
        """Groups to be multiplied out, and the sums of the widest ones."""
        dense = sorted(self.groups, key=lambda g: g.values[-1])
        wide = Group((0,), (1,))
        while dense and len(wide.values) * len(dense[-1].values) <= THRESHOLDS:
            wide = merge_groups(wide, dense.pop())
        return dense, wide

    @cached_property
    def additions(self) -> int:
        """How many coefficients `count_within` adds, and so how long it takes."""
        cells, size, total = 0, 1, 1
        bits = _bits(self.groups)
        for g in self.halves[0]:
            cells += size * len(g.values) * (1 + total.bit_length() // bits if bits else 60)
            size = min(self.limit + 1, size + g.values[-1])
            total *= g.total
        return cells


def normalise(groups: Sequence[Group], bound: int) -> Problem:
    """Least values taken off, everything divided by the greatest common divisor."""
    taken = tuple(g.values[0] for g in groups)
    room = bound - sum(taken)
    step = math.gcd(*(v - t for g, t in zip(groups, taken, strict=True) for v in g.values)) or 1
    made = tuple(Group(tuple((v - t) // step for v in g.values), g.weights) for g, t in zip(groups, taken, strict=True))
    return Problem(made, room // step, taken, step)


def _bits(groups: Sequence[Group]) -> int:
    """Limbs so long that the options of one group can be added without a carry; 0: weights too large for limbs."""
    widest = max((g.total for g in groups), default=1).bit_length()
    return 62 - widest if widest <= 40 else 0


def count_within(problem: Problem, budget: int) -> int:
    """The total weight of the choices within the limit. Raises TooManyLevels beyond `budget` additions."""
    if any(not g.values for g in problem.groups) or problem.limit < 0:
        return 0
    if problem.limit >= problem.most:
        return math.prod(g.total for g in problem.groups)
    if problem.limit >= LEVELS or problem.additions > budget:
        raise TooManyLevels(problem.limit + 1, problem.additions)
    dense, wide = problem.halves
    made = Polynomial.one(_bits(problem.groups))
    for g in dense:
        made = made.times(g, problem.limit + 1)
    return _paired(made, wide, problem.limit)


def _paired(made: Polynomial, wide: Group, limit: int) -> int:
    kept = [(limit - v, w) for v, w in zip(wide.values, wide.weights, strict=True) if v <= limit]
    kept.reverse()
    found = made.below([t for t, _ in kept])
    return sum(n * w for n, (_, w) in zip(found, kept, strict=True))


def count_others(problem: Problem, budget: int) -> list[list[int]]:
    """For each group and each of its values the weight of the choices of all other groups that stay within the limit.

    The groups are halved again and again, each half multiplied by the other. Raises TooManyLevels.
    """
    groups, limit = problem.groups, problem.limit
    found: list[list[int]] = [[0] * len(g.values) for g in groups]
    if any(not g.values for g in groups) or limit < 0:
        return found
    if limit >= problem.most:
        totals = [g.total for g in groups]
        product = math.prod(totals)
        return [[product // t] * len(g.values) for g, t in zip(groups, totals, strict=True)]
    depth = max(1, (len(groups) - 1).bit_length())
    bits = _bits(groups)
    limbs = 1 + math.prod(g.total for g in groups).bit_length() // bits if bits else 60
    cells = sum(len(g.values) for g in groups) * min(limit + 1, problem.most) * depth * limbs
    if limit >= LEVELS or cells > budget:
        raise TooManyLevels(limit + 1, cells)

    def halve(members: list[int], made: Polynomial) -> None:
        if len(members) == 1:
            (i,) = members
            values = groups[i].values
            inside = [k for k, v in enumerate(values) if v <= limit]
            counts = made.below([limit - values[k] for k in reversed(inside)])
            for k, n in zip(reversed(inside), counts, strict=True):
                found[i][k] = n
            return
        middle = len(members) // 2
        for own, others in ((members[:middle], members[middle:]), (members[middle:], members[:middle])):
            product = made
            for i in others:
                product = product.times(groups[i], limit + 1)
            halve(own, product)

    order = sorted(range(len(groups)), key=lambda i: groups[i].values[-1])
    halve(order, Polynomial.one(bits))
    return found
