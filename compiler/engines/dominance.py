"""Which of many rows of numbers, all to be small, no other row is at least as good as: exact for integers and floats.

Of equal rows the first stays. Two numbers a row take a sort, three a sort for each doubling of the rows; more are
compared with the rows that stay, a block at a time.
"""

from __future__ import annotations

from typing import Any

import numpy
from cospace.compiler.numbers.enumerate import TooMany
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 1 << 9
WORK = 1 << 25
"""Pairs of rows of more than three numbers that are compared, at most."""


def undominated(values: Array) -> Array:
    """The numbers of the rows of (n, k) `values` that stay, in ascending order.

    Raises TooMany where that would take more comparisons than `WORK`.
    """
    n = len(values)
    if n < 2:
        return numpy.arange(n)
    values = values[:, (values != values[0]).any(axis=0)]  # what is the same in all of them tells nothing
    k = values.shape[1]
    if k == 0:
        return numpy.zeros(1, dtype=numpy.int64)
    order = numpy.lexsort((numpy.arange(n), *values.T[::-1]))
    rows = values[order]
    if k == 1:
        kept = numpy.zeros(n, dtype=bool)
        kept[0] = True
    elif k == 2:
        kept = _least_so_far(rows[:, 1])
    elif k == 3:
        kept = _of_three(rows)
    else:
        kept = _of_many(rows)
    return numpy.sort(order[kept])


def _least_so_far(column: Array) -> Array:
    """Which are less than all before them."""
    kept = numpy.ones(len(column), dtype=bool)
    kept[1:] = column[1:] < numpy.minimum.accumulate(column)[:-1]
    return kept


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


def _of_many(rows: Array) -> Array:
    """Of rows in ascending order, a block at a time against those that stay."""
    n = len(rows)
    kept = numpy.zeros(n, dtype=bool)
    front = rows[:0, 1:]
    work = 0
    for start in range(0, n, BLOCK):
        work += len(front) * BLOCK
        if work > WORK:
            raise TooMany(work, WORK, (), f"more than {WORK:,} comparisons")
        part = rows[start : start + BLOCK, 1:]
        alive = numpy.arange(len(part))
        for low in range(0, len(front), BLOCK):
            if not len(alive):
                break
            some = front[low : low + BLOCK]
            beaten = numpy.any(numpy.all(some[None, :, :] <= part[alive][:, None, :], axis=2), axis=1)
            alive = alive[~beaten]
        if len(alive):
            own = part[alive]
            as_good = numpy.all(own[None, :, :] <= own[:, None, :], axis=2)  # [i, j]: j is as good as i
            alive = alive[~numpy.any(numpy.tril(as_good, -1), axis=1)]
        kept[start + alive] = True
        front = numpy.concatenate([front, part[alive]])
    return kept


__all__ = ["undominated"]
