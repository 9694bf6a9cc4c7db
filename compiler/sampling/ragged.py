"""Draws of items with exact integer weights from many segments of differing lengths, some of them long.

A segment's items have cut-offs of 62 bits, known within a margin. The first bits of a random number name a cell of the
segment's own; a cell within one item, clear of its cut-offs, needs no more. What falls within the margin of a cut-off
is decided with whole numbers. Nothing here knows of decisions or expressions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy
from cospace.compiler.counting.guided import BITS, draw_on
from numpy.typing import NDArray

Array = NDArray[Any]
CELLS = 1
"""Cells for each item of a segment, at least."""


class Ragged:
    """starts: (segments + 1,) where each segment's items begin; a segment that is drawn from has some weight.

    cuts: (items,) the share of a segment's items up to and with each, times 2^62, within `margin`; that of a segment's
    last is never read. recall(segment): its exact running sums.
    """

    def __init__(self, starts: Array, cuts: Array, margin: int, recall: Callable[[int], Array]) -> None:
        self.starts, self.margin, self._recall = starts, margin, recall
        lengths = numpy.diff(starts)
        self.cuts = cuts.copy()
        ends = starts[1:][lengths > 0] - 1
        self.cuts[ends] = (1 << 63) - 1
        bits = numpy.ceil(numpy.log2(numpy.maximum(CELLS * lengths, 1))).astype(numpy.int64)
        bits[lengths <= 1] = 0
        self.shift = (BITS - bits).astype(numpy.uint8)
        cells = numpy.where(lengths > 0, numpy.int64(1) << bits, 0)
        self.offset = numpy.cumsum(cells) - cells
        self.cells = self._guide(lengths, bits, int(cells.sum()))
        self.plain = bool((lengths == 1).all())

    def _guide(self, lengths: Array, bits: Array, size: int) -> Array:
        """For each cell its one item, or -1 - the first that may lie in it."""
        of = numpy.repeat(numpy.arange(len(lengths)), lengths)
        inner = self.cuts != (1 << 63) - 1
        of, cut = of[inner], self.cuts[inner]
        shift, base = (BITS - bits)[of], self.offset[of]
        home, low, high = (
            base + (numpy.clip(cut + off, 0, (1 << BITS) - 1) >> shift) for off in (0, -self.margin, self.margin)
        )
        after = numpy.bincount(home, minlength=size)
        open_ = after > 0
        open_[low] = open_[high] = True
        # a cell's first item comes after all whose cut-offs lie in earlier cells, but for those within the margin
        first = numpy.cumsum(after) - after - numpy.bincount(high[high > home], minlength=size)
        many = numpy.where(lengths > 0, numpy.int64(1) << bits, 0)
        filled = numpy.maximum(lengths - 1, 0)
        first += numpy.repeat(self.starts[:-1] - (numpy.cumsum(filled) - filled), many)
        return numpy.where(open_, -1 - first, first).astype(numpy.int32 if len(self.cuts) < 1 << 31 else numpy.int64)

    def draw(self, at: Array, rng: numpy.random.Generator) -> Array:
        """An item for each segment in `at`, with probability exactly its share."""
        if self.plain:
            return numpy.asarray(self.starts.take(at))
        whole = rng.integers(
            0, (1 << 64) - 1, size=len(at), dtype=numpy.uint64, endpoint=True
        )  # the fast way to 62 bits
        bits = (whole >> numpy.uint64(64 - BITS)).view(numpy.int64)
        item: Array = self.cells.take(self.offset.take(at) + (bits >> self.shift.take(at)))
        open_ = numpy.flatnonzero(item < 0)
        if len(open_):
            item[open_] = self._settle(at[open_], -1 - item[open_], bits[open_], rng)
        return item

    def _settle(self, at: Array, item: Array, bits: Array, rng: numpy.random.Generator) -> Array:
        item = item.astype(numpy.int64)
        left = numpy.arange(len(at))
        while True:
            cut = self.cuts.take(item[left])
            left = left[cut < bits[left] - self.margin]
            if not len(left):
                break
            item[left] += 1
        near = numpy.flatnonzero(numpy.abs(self.cuts.take(item) - bits) <= self.margin)
        if len(near):
            more = random.Random(int(rng.integers(0, 1 << BITS)))
            for i in near:
                segment = int(at[i])
                item[i] = int(self.starts[segment]) + draw_on(self._recall(segment), int(bits[i]), more)
        return item


def of_weights(starts: Array, weights: Array) -> Ragged:
    """Segments of int64 weights, the sum of each below 2^62."""
    running = numpy.cumsum(weights) if len(weights) == 0 or int(weights.max()) * len(weights) < 1 << 62 else None
    lengths = numpy.diff(starts)
    of = numpy.repeat(numpy.arange(len(lengths)), lengths)
    if running is None:
        # within each segment: whole sums may not fit, those of one segment do, and differences are exact modulo 2^64
        running = numpy.cumsum(weights.astype(numpy.uint64))
    before = numpy.concatenate([numpy.zeros(1, dtype=running.dtype), running])[starts[:-1]]
    own = (running - before[of]).astype(numpy.int64)
    totals = numpy.zeros(len(lengths), dtype=numpy.int64)
    filled = lengths > 0
    totals[filled] = own[starts[1:][filled] - 1]
    kind = numpy.longdouble
    share = own.astype(kind) / numpy.maximum(totals, 1).astype(kind)[of]
    cuts = numpy.minimum(share * kind(1 << BITS), kind((1 << BITS) - 1)).astype(numpy.int64)
    margin = max(2, int(float(numpy.finfo(kind).eps) * (1 << BITS) * 4) + 2)
    return Ragged(starts, cuts, margin, lambda s: own[starts[s] : starts[s + 1]].astype(object))


__all__ = ["Ragged", "of_weights"]
