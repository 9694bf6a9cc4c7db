"""Counting combinations whose sum stays within a bound, for many rows at once.

For each row (an assignment of the decisions that are conditioned on) and each group there are options with a value
and a weight; wanted is the total weight of the choices of one option per group whose values sum to at most the row's
bound. Rows that their least or greatest sum settles cost nothing more; in the others equal values are merged and two
halves are compared by sorting. Values are int64 or float64; weights int64, or Python integers where they might not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.eliminate import SAFE
from numpy.typing import NDArray

Array = NDArray[Any]
PAIRS = 4_000_000
"""Partial sums that are held at once."""


class TooManyCombinations(Exception):
    """More pairs of partial sums than allowed would have to be compared."""

    def __init__(self, pairs: int) -> None:
        super().__init__(f"{pairs} combinations")
        self.pairs = pairs


@frozen(eq=False)
class Options:
    """values: for each sum an (n, options) array; weights: (n, options), 0 where an option is excluded."""

    values: tuple[Array, ...]
    weights: Array


def count_rows(groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array], budget: list[int]) -> int:
    """The total weight over all rows. bounds, active: for each sum an (n,) array; an inactive sum always holds.

    budget: a list holding how many pairs may still be compared; it is lowered. Raises TooManyCombinations.
    """
    totals = [g.weights.sum(axis=1) for g in groups]
    n = len(totals[0]) if totals else len(bounds[0]) if bounds else 0
    alive = numpy.ones(n, dtype=bool)
    for t in totals:
        alive &= t > 0
    largest = math.prod(int(t.max(initial=0)) for t in totals)
    product: Array = numpy.ones(n, dtype=object if largest >= SAFE else numpy.int64)
    for t in totals:
        product *= t
    open_sums = []
    for k, bound in enumerate(bounds):
        least, most = numpy.zeros_like(bound), numpy.zeros_like(bound)
        for g in groups:
            high = _end(g.values[k])
            least = least + numpy.where(g.weights > 0, g.values[k], high).min(axis=1)
            most = most + numpy.where(g.weights > 0, g.values[k], -high).max(axis=1)
        alive &= ~active[k] | (least <= bound)
        open_sums.append(active[k] & (most > bound))
    unsettled = numpy.zeros(n, dtype=bool)
    for is_open in open_sums:
        unsettled |= is_open
    settled = alive & ~unsettled
    total = _sum(product[settled], largest)
    at = numpy.flatnonzero(alive & unsettled)
    if not len(at):
        return total
    once = sum((is_open[at].astype(int) for is_open in open_sums), numpy.zeros(len(at), dtype=int)) == 1
    for k, bound in enumerate(bounds):
        rows = at[once & open_sums[k][at]]
        if len(rows):
            total += _count_one([(g.values[k][rows], g.weights[rows]) for g in groups], bound[rows], largest, budget)
    rows = at[~once]
    if len(rows):
        total += _count_joint(groups, bounds, open_sums, rows, largest, budget)
    return total


Rounded = tuple[list[Options], list[Array]]


def coarsen(
    groups: Sequence[Options], bounds: Sequence[Array], slacks: Sequence[float], levels: int
) -> tuple[Rounded, Rounded]:
    """Options and bounds on a grid of about `levels` steps: one that holds too rarely, one that holds too often.

    Each value is rounded up (down) to a multiple of a step common to all rows; the bound keeps its slack.
    """
    rare: list[list[Array]] = [[] for _ in groups]
    often: list[list[Array]] = [[] for _ in groups]
    low_bounds, high_bounds = [], []
    for k, (bound, slack) in enumerate(zip(bounds, slacks, strict=True)):
        spans = []
        for g in groups:
            least = numpy.where(g.weights > 0, g.values[k], _end(g.values[k])).min(axis=1, keepdims=True)
            spans.append(numpy.where(g.weights > 0, g.values[k] - least, 0).astype(float))
            bound = bound - least[:, 0]
        top = sum(float(s.max(initial=0)) for s in spans)
        step = max(top / levels, 1e-300)
        for i, span in enumerate(spans):
            # Half a millionth of a step covers the rounding of the quotient itself.
            rare[i].append(numpy.ceil(span / step + 1e-6).astype(numpy.int64))
            often[i].append(numpy.maximum(numpy.floor(span / step - 1e-6), 0).astype(numpy.int64))
        low_bounds.append(numpy.floor(numpy.clip((bound - slack) / step - 1e-6, -1, 4 * levels)).astype(numpy.int64))
        high_bounds.append(numpy.floor(numpy.clip((bound + slack) / step + 1e-6, -1, 4 * levels)).astype(numpy.int64))
    weights = [g.weights for g in groups]
    return (
        ([Options(tuple(v), w) for v, w in zip(rare, weights, strict=True)], low_bounds),
        ([Options(tuple(v), w) for v, w in zip(often, weights, strict=True)], high_bounds),
    )


def _end(values: Array) -> Any:
    return numpy.iinfo(numpy.int64).max // 64 if values.dtype == numpy.int64 else 1e300


def _sum(array: Array, largest: int) -> int:
    if array.dtype == object or largest * max(len(array), 1) >= SAFE:
        return sum(int(x) for x in array)
    return int(array.sum())


def merge_equal(values: Array, weights: Array) -> tuple[Array, Array]:
    """Sort each row and merge equal values; rows with fewer distinct ones are padded with weight 0."""
    values = numpy.where(weights > 0, values, _end(values))
    if values.shape[1] == 1:
        return values, weights
    if int(weights.max(initial=0)) <= 1:
        values = numpy.sort(values, axis=1)
        sorted_weights = (values < _end(values)).astype(weights.dtype)
    else:
        order = numpy.argsort(values, axis=1, kind="stable")
        values = numpy.take_along_axis(values, order, axis=1)
        sorted_weights = numpy.take_along_axis(weights, order, axis=1)
    new = numpy.ones(values.shape, dtype=bool)
    numpy.not_equal(values[:, 1:], values[:, :-1], out=new[:, 1:])
    slot = numpy.cumsum(new, axis=1) - 1
    width = int(slot.max(initial=0)) + 1
    if width == values.shape[1]:
        return values, sorted_weights
    n = len(values)
    merged = numpy.full((n, width), _end(values), dtype=values.dtype)
    numpy.put_along_axis(merged, slot, values, axis=1)
    gathered = numpy.zeros((n, width), dtype=sorted_weights.dtype)
    flat = (numpy.arange(n)[:, None] * width + slot).reshape(-1)
    numpy.add.at(gathered.reshape(-1), flat, sorted_weights.reshape(-1))
    return merged, gathered


def _count_one(groups: list[tuple[Array, Array]], bound: Array, largest: int, budget: list[int]) -> int:
    total, n = 0, len(bound)
    step = max(1, 2_000_000 // sum(v.shape[1] for v, _ in groups))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        merged = [merge_equal(v[rows], w[rows] if largest < SAFE else w[rows].astype(object)) for v, w in groups]
        total += _halve(merged, bound[rows], largest, budget)
    return total


def _halve(groups: list[tuple[Array, Array]], bound: Array, largest: int, budget: list[int]) -> int:
    """Fold groups into two halves, the next always into the narrower, and compare the halves by sorting."""
    n = len(bound)
    groups = sorted(groups, key=lambda g: g[0].shape[1])
    if len(groups) == 1:
        groups.append((numpy.zeros((n, 1), dtype=groups[0][0].dtype), numpy.ones((n, 1), dtype=numpy.int64)))
    halves = [groups.pop(), groups.pop()]
    while groups:
        narrow = 0 if halves[0][0].shape[1] <= halves[1][0].shape[1] else 1
        (a, u), (b, w) = halves[narrow], groups[-1]
        size = a.shape[1] * b.shape[1]
        if size > PAIRS:
            raise TooManyCombinations(size)
        if n * size > PAIRS and n > 1:
            parts = (slice(0, n // 2), slice(n // 2, n))
            left = [*halves, *groups]
            return sum(_halve([(v[p], x[p]) for v, x in left], bound[p], largest, budget) for p in parts)
        _spend(budget, n * size)
        values = (a[:, :, None] + b[:, None, :]).reshape(n, -1)
        weights = (u[:, :, None] * w[:, None, :]).reshape(n, -1)
        halves[narrow] = merge_equal(values, weights)
        groups.pop()
    (a, u), (b, w) = halves
    _spend(budget, n * (a.shape[1] + b.shape[1]))
    joined = numpy.concatenate([b, bound[:, None] - a], axis=1)
    below = numpy.concatenate([w, numpy.zeros(a.shape, dtype=w.dtype)], axis=1)
    order = numpy.argsort(joined, axis=1, kind="stable")
    running = numpy.cumsum(numpy.take_along_axis(below, order, axis=1), axis=1)
    own = numpy.concatenate([numpy.zeros(b.shape, dtype=u.dtype), u], axis=1)
    product = running * numpy.take_along_axis(own, order, axis=1)
    return _sum(product.sum(axis=1), largest)


def _count_joint(
    groups: Sequence[Options], bounds: Sequence[Array], open_sums: Sequence[Array], rows: Array, largest: int,
    budget: list[int],
) -> int:  # fmt: skip
    """Several sums at once. Integers are packed into one key a combination, so that equal ones merge."""
    total = 0
    width = sum(g.weights.shape[1] for g in groups)
    step = max(1, 1_000_000 // width)
    for start in range(0, len(rows), step):
        at = rows[start : start + step]
        part = [Options(tuple(v[at] for v in g.values), g.weights[at]) for g in groups]
        limits = [b[at] for b in bounds]
        asked = [o[at] for o in open_sums]
        packed = _pack(part, limits, asked)
        if packed is None:
            total += _count_all(part, limits, asked, largest, budget)
        else:
            total += _count_packed(*packed, limits, asked, largest, budget)
    return total


Packed = tuple[list[tuple[Array, Array]], list[tuple[int, Array]]]


def _pack(groups: Sequence[Options], bounds: Sequence[Array], asked: Sequence[Array]) -> Packed | None:
    """Keys that add up field by field, and for each sum its factor and what was taken off; None where they don't fit.

    A field is (value - least of the row) * factor; factors leave room for the greatest total of the fields below.
    """
    if any(b.dtype != numpy.int64 for b in bounds):
        return None
    keys = [numpy.zeros(g.weights.shape, dtype=numpy.int64) for g in groups]
    fields: list[tuple[int, Array]] = []
    factor = 1
    for k, bound in enumerate(bounds):
        taken = numpy.zeros_like(bound)
        most = numpy.zeros_like(bound)
        shifted = []
        for g in groups:
            values = numpy.where(asked[k][:, None], g.values[k], 0)
            least = numpy.where(g.weights > 0, values, _end(values)).min(axis=1)
            values = numpy.where(g.weights > 0, values - least[:, None], 0)
            taken, most = taken + least, most + values.max(axis=1)
            shifted.append(values)
        room = int(most.max(initial=0)) + 1
        if factor * room >= 1 << 56:
            return None
        for key, values in zip(keys, shifted, strict=True):
            key += values * factor
        fields.append((factor, taken))
        factor *= room
    return [(key, g.weights) for key, g in zip(keys, groups, strict=True)], [*fields, (factor, bounds[0])]


def _count_packed(
    groups: list[tuple[Array, Array]], fields: list[tuple[int, Array]], bounds: Sequence[Array],
    asked: Sequence[Array], largest: int, budget: list[int],
) -> int:  # fmt: skip
    n = len(bounds[0])
    groups = sorted(groups, key=lambda g: g[0].shape[1])
    groups = [merge_equal(v, w if largest < SAFE else w.astype(object)) for v, w in groups]
    values, weights = groups[0]
    for v, w in groups[1:]:
        size = values.shape[1] * v.shape[1]
        if size > PAIRS:
            raise TooManyCombinations(size)
        if n * size > PAIRS and n > 1:
            half = n // 2
            parts = (slice(0, half), slice(half, n))
            return sum(
                _count_packed(
                    [(x[p], y[p]) for x, y in groups], [(f, t[p]) for f, t in fields], [b[p] for b in bounds],
                    [a[p] for a in asked], largest, budget,
                )
                for p in parts
            )  # fmt: skip
        _spend(budget, n * size)
        values = (values[:, :, None] + v[:, None, :]).reshape(n, -1)
        weights = (weights[:, :, None] * w[:, None, :]).reshape(n, -1)
        weights = numpy.where(_within(values, fields, bounds, asked), weights, 0)
        values, weights = merge_equal(values, weights)
    weights = numpy.where(_within(values, fields, bounds, asked), weights, 0)
    return _sum(weights.sum(axis=1), largest)


def _within(values: Array, fields: list[tuple[int, Array]], bounds: Sequence[Array], asked: Sequence[Array]) -> Array:
    """Partial sums that may still meet every bound: what is to be added is not negative."""
    met = numpy.ones(values.shape, dtype=bool)
    for ((factor, taken), (above, _)), bound, is_asked in zip(pairwise(fields), bounds, asked, strict=True):
        met &= (values % above // factor <= (bound - taken)[:, None]) | ~is_asked[:, None]
    return met


def _count_all(
    groups: Sequence[Options], bounds: Sequence[Array], asked: Sequence[Array], largest: int, budget: list[int]
) -> int:
    """Every combination is compared."""
    total = 0
    size = math.prod(g.weights.shape[1] for g in groups)
    if size > PAIRS:
        raise TooManyCombinations(size)
    _spend(budget, size * len(bounds[0]))
    step = max(1, 1_000_000 // size)
    for start in range(0, len(bounds[0]), step):
        at = slice(start, min(start + step, len(bounds[0])))
        n = at.stop - at.start
        weights: Array = numpy.ones((n, 1), dtype=object if largest >= SAFE else numpy.int64)
        sums = [numpy.zeros((n, 1), dtype=v.dtype) for v in groups[0].values]
        for g in groups:
            weights = (weights[:, :, None] * g.weights[at][:, None, :]).reshape(n, -1)
            sums = [
                (s[:, :, None] + numpy.where(g.weights[at] > 0, v[at], 0)[:, None, :]).reshape(n, -1)
                for s, v in zip(sums, g.values, strict=True)
            ]
        met = numpy.ones(weights.shape, dtype=bool)
        for s, bound, is_asked in zip(sums, bounds, asked, strict=True):
            met &= (s <= bound[at][:, None]) | ~is_asked[at][:, None]
        total += _sum((weights * met).sum(axis=1), largest)
    return total


def _spend(budget: list[int], pairs: int) -> None:
    budget[0] -= pairs
    if budget[0] < 0:
        raise TooManyCombinations(pairs)
