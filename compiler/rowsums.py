"""Counting combinations whose sum stays within a bound, for many rows at once.

For each row (an assignment of the decisions that are conditioned on) and each group there are options with a value
and a weight; wanted is the total weight of the choices of one option per group whose values sum to at most the row's
bound. Rows that their least or greatest sum settles cost nothing more; in the others equal values are merged and two
halves are compared by sorting. Values are int64 or float64; weights int64, or Python integers where they might not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.eliminate import SAFE
from numpy.typing import NDArray

Array = NDArray[Any]


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
        sorted_weights = (values < _end(values)).astype(numpy.int64)
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
    """Fold groups into two halves, smallest first, and compare the halves by sorting, in blocks of rows."""
    n = len(bound)
    groups = sorted(groups, key=lambda g: g[0].shape[1])
    if len(groups) == 1:
        groups.append((numpy.zeros((n, 1), dtype=groups[0][0].dtype), numpy.ones((n, 1), dtype=numpy.int64)))
    if len(groups) > 2:
        size = groups[0][0].shape[1] * groups[1][0].shape[1]
        step = max(1, 4_000_000 // size)
        if n > step:
            parts = (slice(i, min(i + step, n)) for i in range(0, n, step))
            return sum(_halve([(v[p], w[p]) for v, w in groups], bound[p], largest, budget) for p in parts)
        budget[0] -= n * size
        if budget[0] < 0:
            raise TooManyCombinations(size)
        (a, u), (b, w) = groups[:2]
        values = (a[:, :, None] + b[:, None, :]).reshape(n, -1)
        weights = (u[:, :, None] * w[:, None, :]).reshape(n, -1)
        return _halve([merge_equal(values, weights), *groups[2:]], bound, largest, budget)
    (a, u), (b, w) = groups
    budget[0] -= n * (a.shape[1] + b.shape[1])
    if budget[0] < 0:
        raise TooManyCombinations(a.shape[1] + b.shape[1])
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
    """Several sums at once: all combinations are compared."""
    total = 0
    size = math.prod(g.weights.shape[1] for g in groups)
    budget[0] -= size * len(rows)
    if budget[0] < 0:
        raise TooManyCombinations(size * len(rows))
    step = max(1, 2_000_000 // size)
    for start in range(0, len(rows), step):
        at = rows[start : start + step]
        n = len(at)
        weights: Array = numpy.ones((n, 1), dtype=object if largest >= SAFE else numpy.int64)
        sums = [numpy.zeros((n, 1), dtype=g.dtype) for g in groups[0].values]
        for g in groups:
            weights = (weights[:, :, None] * g.weights[at][:, None, :]).reshape(n, -1)
            sums = [
                (s[:, :, None] + numpy.where(g.weights[at] > 0, v[at], 0)[:, None, :]).reshape(n, -1)
                for s, v in zip(sums, g.values, strict=True)
            ]
        met = numpy.ones(weights.shape, dtype=bool)
        for s, bound, is_open in zip(sums, bounds, open_sums, strict=True):
            met &= (s <= bound[at][:, None]) | ~is_open[at][:, None]
        total += _sum((weights * met).sum(axis=1), largest)
    return total
