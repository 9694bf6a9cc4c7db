"""Pairs of partial sums that stay within two bounds at once, counted without forming the pairs.

Given are two lists of points with weights; wanted is the total weight of the pairs whose sums are within both bounds:
the product over all pairs is never made. Points of the shorter list lie in a table over the ranks of their coordinates
where that is small, else in a wavelet matrix (Claude, Navarro and Ordonez, Information Systems 47, 2015), which answers
all points of the longer list a bit of rank at a time. Nothing here knows of decisions or expressions.
"""

from __future__ import annotations

from typing import Any

import numpy
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[Any]
TABLE = 1 << 21
"""Cells of a table over ranks."""


@frozen(eq=False)
class Points:
    """x, y: (n,) int64 or float64; weights: (n,) int64 or Python integers."""

    x: Array
    y: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.x)

    def take(self, at: Array | slice) -> Points:
        return Points(self.x[at], self.y[at], self.weights[at])


def merge_points(p: Points) -> Points:
    """Equal points made one; those of weight 0 left out."""
    if not p.weights.all():
        p = p.take(p.weights != 0)
    if not len(p):
        return p
    order = _sorted(p)
    x, y = p.x[order], p.y[order]
    first = numpy.flatnonzero(numpy.concatenate([[True], (x[1:] != x[:-1]) | (y[1:] != y[:-1])]))
    if len(first) == len(p):
        return p
    return Points(x[first], y[first], numpy.add.reduceat(p.weights[order], first))


def _sorted(p: Points) -> Array:
    """An order by x, then y: one key where both fit 62 bits."""
    if p.x.dtype == numpy.int64 and p.y.dtype == numpy.int64:
        low, width = int(p.y.min()), int(p.y.max()) - int(p.y.min()) + 1
        left = int(p.x.min())
        if (int(p.x.max()) - left + 1) * width < 1 << 62:
            return numpy.argsort((p.x - left) * width + (p.y - low), kind="stable")
    return numpy.lexsort((p.y, p.x))


def add_points(a: Points, b: Points) -> Points:
    """Every pair's sum: (|a| |b|) points, not merged."""
    return Points(
        (a.x[:, None] + b.x[None, :]).reshape(-1),
        (a.y[:, None] + b.y[None, :]).reshape(-1),
        (a.weights[:, None] * b.weights[None, :]).reshape(-1),
    )


def count_pairs(a: Points, b: Points, x: Any, y: Any) -> int:
    """The weight of the pairs with a.x + b.x <= x and a.y + b.y <= y; weights of pairs fit the points' dtype."""
    if not len(a) or not len(b):
        return 0
    if len(a) < len(b):
        a, b = b, a
    xs, ys = numpy.unique(b.x), numpy.unique(b.y)
    column = numpy.searchsorted(xs, x - a.x, side="right")
    row = numpy.searchsorted(ys, y - a.y, side="right")
    if not ((column > 0) & (row > 0)).any():
        return 0
    if len(xs) * len(ys) <= TABLE:
        table = numpy.zeros((len(xs) + 1, len(ys) + 1), dtype=b.weights.dtype)
        numpy.add.at(table, (numpy.searchsorted(xs, b.x) + 1, numpy.searchsorted(ys, b.y) + 1), b.weights)
        below = table.cumsum(axis=0).cumsum(axis=1)[column, row]
    else:
        below = _below(b, ys, numpy.searchsorted(numpy.sort(b.x), x - a.x, side="right"), row)
    return int((a.weights * below).sum())


def _below(b: Points, ys: Array, end: Array, rank: Array) -> Array:
    """For each query the weight of the first `end` points by x whose y is among the `rank` least."""
    order = numpy.argsort(b.x, kind="stable")
    ranks, weights = numpy.searchsorted(ys, b.y[order]), b.weights[order]
    found = numpy.zeros(len(end), dtype=weights.dtype)
    start = numpy.zeros(len(end), dtype=numpy.int64)
    for bit in range(len(ys).bit_length() - 1, -1, -1):
        ones = (ranks >> bit) & 1
        zeros = numpy.concatenate([[0], numpy.cumsum(1 - ones)])
        split = numpy.argsort(ones, kind="stable")
        ranks, weights = ranks[split], weights[split]
        running = numpy.concatenate([numpy.zeros(1, dtype=weights.dtype), numpy.cumsum(weights)])
        low, high = zeros[start], zeros[end]
        right = ((rank >> bit) & 1).astype(bool)
        found = numpy.where(right, found + running[high] - running[low], found)
        start = numpy.where(right, zeros[-1] + start - low, low)
        end = numpy.where(right, zeros[-1] + end - high, high)
    return found
