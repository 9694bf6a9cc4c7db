"""Which of many rows of numbers, all to be small, no other row is at least as good as: exact for integers and floats.

Of equal rows the first stays. Two numbers a row take a sort, three a sort too where one has few values, else a sort for
each doubling of the rows; more are compared with the rows that stay, a block at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from cospace.compiler.numbers.enumerate import TooMany
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 1 << 9
LEVELS = 1 << 12
"""Different whole numbers in the column that has the fewest, up to which these are taken one by one."""
WORK = 1 << 25
"""Pairs of rows of more than three numbers that are compared, at most."""


def undominated(values: Array, work: int = WORK) -> Array:
    """The numbers of the rows of (n, k) `values` that stay, in ascending order.

    Raises TooMany where that would take more comparisons than `work`.
    """
    return numpy.sort(front(list(values.T), len(values), work))


def front(columns: Sequence[Array], n: int, work: int = WORK) -> Array:
    """The same of n rows given by columns, in an order in which the first that differ mostly ascend."""
    if n < 2:
        return numpy.arange(n)
    columns = [c for c in columns if (c != c[0]).any()]  # what is the same in all of them tells nothing
    k = len(columns)
    if k == 0:
        return numpy.zeros(1, dtype=numpy.int64)
    if k == 1:
        return numpy.array([int(numpy.argmin(columns[0]))])
    if k == 2:
        order = numpy.argsort(columns[0], kind="stable")
        return _taken(order, _stairs(columns[0][order], columns[1][order]))
    if k == 3:
        levels = _levels(columns, n)
        if levels is not None:
            return _level_by_level(*levels)
    order = numpy.lexsort(columns[::-1])
    rows = numpy.stack([c[order] for c in columns], axis=1)
    return _taken(order, _of_three(rows) if k == 3 else _of_many(rows, work))


def _taken(values: Array, at: Array) -> Array:
    return values[at]


def _stairs(first: Array, second: Array) -> Array:
    """Of rows in ascending order of the first number, and those that are equal in it as they come: which stay."""
    low = numpy.minimum.accumulate(second)
    kept = numpy.concatenate([[0], 1 + numpy.flatnonzero(second[1:] < low[:-1])])
    at = first[kept]
    return _taken(kept, numpy.append(at[1:] != at[:-1], True))  # of equal first numbers the last has the least second


def _levels(columns: Sequence[Array], n: int) -> tuple[Array, Array, Array] | None:
    """Three columns, the last of few whole numbers from 0 on; None where each has many."""
    if columns[0].dtype.kind not in "iu":
        return None
    least = [int(c.min()) for c in columns]
    spans = [int(c.max()) - low for c, low in zip(columns, least, strict=True)]
    k = min(range(3), key=spans.__getitem__)
    if spans[k] >= min(LEVELS, max(8, n >> 5)):
        return None
    x, y = (c for j, c in enumerate(columns) if j != k)
    return x, y, (columns[k] - least[k]).astype(numpy.uint16)


def _level_by_level(x: Array, y: Array, z: Array) -> Array:
    """What stays at one level of z after the other, against the stairs that all levels before left in x and y."""
    by_level = numpy.argsort(z, kind="stable")
    ends = numpy.cumsum(numpy.bincount(z))
    above, right = x[:0], y[:0]
    found = []
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        if start == end:
            continue
        at = by_level[start:end]
        at = at[numpy.argsort(x[at], kind="stable")]
        at = at[_stairs(x[at], y[at])]
        own, other = x[at], y[at]
        before = numpy.searchsorted(above, own, side="right") - 1
        if len(above):
            stay = (before < 0) | (right[before] > other)
            at, own, other, before = at[stay], own[stay], other[stay], before[stay]
        found.append(at)
        above, right = numpy.insert(above, before + 1, own), numpy.insert(right, before + 1, other)
        stay = _stairs(above, right)
        above, right = above[stay], right[stay]
    return numpy.concatenate(found)


def _of_three(rows: Array) -> Array:
    """Of rows in ascending order: those without one before them that is as good in the second and the third number.

    Halves of blocks of 2, 4, 8, … rows: in the order of the second number, the least third number that the left half
    has up to there decides of the right half.
    """
    n = len(rows)
    second = numpy.unique(rows[:, 1], return_inverse=True)[1]
    third = numpy.unique(rows[:, 2], return_inverse=True)[1].astype(numpy.int64)
    beaten = numpy.zeros(n, dtype=bool)
    at = numpy.arange(n)
    high = int(third.max()) + 2
    by_second = numpy.argsort(second, kind="stable")
    width = 1
    while width < n:
        block = at[by_second] // (2 * width)
        order = by_second[numpy.argsort(block, kind="stable")]  # by block, then second, then row
        left = (order // width) % 2 == 0
        offset = (order // (2 * width)) * high
        reach = numpy.where(left, third[order], high - 1) - offset  # blocks descend, so that none reaches the next
        least = numpy.minimum.accumulate(reach) + offset
        beaten[order[~left & (least <= third[order])]] = True
        width *= 2
    return ~beaten


def _of_many(rows: Array, most: int) -> Array:
    """Of rows in ascending order, a block at a time against those that stay."""
    n = len(rows)
    kept = numpy.zeros(n, dtype=bool)
    front = rows[:0, 1:]
    work = 0
    for start in range(0, n, BLOCK):
        work += len(front) * BLOCK
        if work > most:
            raise TooMany(work, most, (), f"more than {most:,} comparisons")
        part = rows[start : start + BLOCK, 1:]
        alive = numpy.arange(len(part))
        for low in range(0, len(front), BLOCK):
            if not len(alive):
                break
            some = front[low : low + BLOCK]
            alive = alive[~_as_good(some, part[alive]).any(axis=1)]
        if len(alive):
            own = part[alive]
            alive = alive[~numpy.any(numpy.tril(_as_good(own, own), -1), axis=1)]
        kept[start + alive] = True
        front = numpy.concatenate([front, part[alive]])
    return kept


def _as_good(some: Array, rows: Array) -> Array:
    """[i, j]: whether row j of `some` is as good as row i."""
    found = numpy.ones((len(rows), len(some)), dtype=bool)
    for k in range(rows.shape[1]):
        found &= some[None, :, k] <= rows[:, k, None]
    return found


__all__ = ["front", "undominated"]
