"""Rows of numbers without those that others of the same key are at least as good as: cheaply, not all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = NDArray[numpy.int64]

BITS = 62
SAMPLE = 1 << 12
MANY = 1 << 18
"""Rows from which on it pays to look at the least in either number before they are sorted."""


@frozen(eq=False)
class Coordinate:
    """What has to be small of rows, whole numbers. levels: how many there are, from 0 on, where they are few. same:
    only rows that agree in it are compared."""

    values: Array
    levels: int = 0
    same: bool = False

    @property
    def many(self) -> int:
        """How many different values there are, among some of the rows."""
        return self.levels or len(numpy.unique(self.values[:: len(self.values) // SAMPLE + 1]))

    def at(self, rows: Any) -> Coordinate:
        return Coordinate(self.values[rows], self.levels, self.same)


def pruned(key: Ints, coordinates: Sequence[Coordinate]) -> Ints:
    """Rows, by position: of those that agree in the key and in all coordinates but two, those that no other is at least
    as good as in these two, and few more. Of equal rows one stays."""
    n = len(key)
    if n < 2:
        return numpy.arange(n)
    free = sorted((c for c in coordinates if not c.same), key=lambda c: -c.many)
    segment = key
    for c in [*free[2:], *(c for c in coordinates if c.same)]:
        segment = _joined(segment, c)
    first = _numbers(free[0].values) if free else numpy.zeros(n, dtype=numpy.int64)
    second = _numbers(free[1].values) if len(free) > 1 else numpy.zeros(n, dtype=numpy.int64)
    kept = _boxed(segment, first, second) if n >= MANY and int(segment.max()) < n else numpy.arange(n)
    segment, first, second, n = segment[kept], first[kept], second[kept], len(kept)
    if int(segment.max()).bit_length() + int(first.max()).bit_length() > BITS:
        segment, first = _ranks(segment), _ranks(first)
    order = numpy.argsort(segment * (int(first.max()) + 1) + first)
    segment, second = segment[order], second[order]
    new = numpy.empty(n, dtype=numpy.int64)
    new[0] = 0
    numpy.not_equal(segment[1:], segment[:-1], out=new[1:], casting="unsafe")
    number = numpy.cumsum(new)
    if int(number[-1] + 1).bit_length() + int(second.max() + 1).bit_length() > BITS:
        second = _ranks(second)
    lowered = second - number * (int(second.max()) + 1)  # each segment below all before it
    least = numpy.minimum.accumulate(lowered)
    best = numpy.ones(n, dtype=numpy.bool_)
    best[1:] = lowered[1:] < least[:-1]
    return numpy.sort(kept[order[best]])


def _boxed(segment: Ints, first: Ints, second: Ints) -> Ints:
    """Rows, by position, without those that the least in one number of their segment is at least as good as."""
    good = numpy.ones(len(segment), dtype=numpy.bool_)
    for a, b in ((first, second), (second, first)):
        least = numpy.full(int(segment.max()) + 1, 1 << BITS)
        numpy.minimum.at(least, segment, b)
        has = b == least[segment]
        beside = numpy.full(len(least), 1 << BITS)
        numpy.minimum.at(beside, segment[has], a[has])
        here = beside[segment]
        good &= (a < here) | ((a == here) & has)
    return numpy.flatnonzero(good)


def _numbers(values: Array) -> Ints:
    """From 0 on, in the same order."""
    low, high = float(values.min()), float(values.max())
    if not high - low < 2.0**53:
        return _ranks(values)
    found: Ints = (values - low).astype(numpy.int64)
    return found


def _ranks(values: Array) -> Ints:
    return numpy.unique(values, return_inverse=True)[1].reshape(-1).astype(numpy.int64)


def _joined(segment: Ints, c: Coordinate) -> Ints:
    own = c.values.astype(numpy.int64) if c.levels else _ranks(c.values)
    many = int(own.max()) + 1
    if int(segment.max() + 1).bit_length() + many.bit_length() > BITS:
        segment = _ranks(segment)
    return segment * many + own


__all__ = ["Coordinate", "pruned"]
