"""Draws of items with exact integer weights from many segments of differing lengths, some of them long.

Walker's alias method, with shares rounded down to units of a random number's bits: a segment's buckets hold as much
each, all of it of one item or of two. What rounding leaves is an item of its own, drawn hardly ever, and then the one
that it stands for is drawn with whole numbers by what rounding took from each; so every item has its exact share. The
buckets are filled for all segments at once: those of light items are topped up by heavy ones in order (Hübschle-
Schneider and Sanders, Parallel Weighted Random Sampling, 2019). Nothing here knows of decisions or expressions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy
from cospace.compiler.counting.guided import BITS
from cospace.compiler.sampling.scratch import LOT, Scratch
from numpy.typing import NDArray

Array = NDArray[Any]
SHORT = 10
"""Segments of up to 2^this buckets are drawn from with 32 random bits, others with 64."""
SHIFT = 7
"""Bits that say by how much a word is shifted."""
TOLD = 8
"""Bits of how a bucket is shared that stand beside its two items, at least."""


class Ragged:
    """starts: (segments + 1,) where each segment's items begin; a segment that is drawn from has some weight.

    cuts: (items,) the share of a segment's items up to and with each, times 2^62, within `margin`; that of a segment's
    last is never read. recall(segment): its exact running sums. tells: what each item stands for, not negative; None:
    its place in the segment.
    """

    def __init__(
        self, starts: Array, cuts: Array, margin: int, recall: Callable[[int], Array], tells: Array | None = None,
        scratch: Scratch | None = None,
    ) -> None:  # fmt: skip
        self.starts, self.cuts, self.margin, self._recall, self._tells = starts, cuts, margin, recall, tells
        self._scratch = scratch or Scratch()
        lengths = numpy.diff(starts)
        # one bucket more than items, for what rounding leaves
        self._bits = numpy.where(lengths > 1, numpy.frexp(lengths.astype(numpy.float64))[1], 0).astype(numpy.int64)
        most = int(self._bits.max(initial=0))
        self._word = 32 if most <= SHORT else 64
        self._fine = 32 if self._word == 64 else 32 - most
        buckets = numpy.int64(1) << self._bits
        self._offset = numpy.cumsum(buckets) - buckets
        # by how much a word is shifted, and above that where its segment's buckets begin
        self._where = (self._offset << SHIFT | (self._word - self._bits)).astype(
            numpy.uint32 if self._word == 32 and int(buckets.sum()) < 1 << (32 - SHIFT) else numpy.uint64
        )
        self._plain = not most
        told = numpy.arange(len(cuts)) - numpy.repeat(starts[:-1], lengths) if tells is None else tells
        self._rest = int(told.max(initial=0)) + 1
        self._wide = self._rest.bit_length()
        self._then: Array | None = None
        if 2 * self._wide + TOLD > 63:  # what is told twice leaves no room: the items' numbers are
            self._then, told = tells, numpy.arange(len(cuts))
            self._rest = len(cuts)
            self._wide = self._rest.bit_length()
        self._fill(lengths, told, int(buckets.sum()))

    def _floors(self, lengths: Array, segment: Array, cuts: Array) -> Array:
        """What each item has for sure, in units: its share rounded down. lengths: of the segments that items lie in."""
        ends = numpy.cumsum(lengths) - 1
        upper = cuts.copy()
        upper[ends[lengths > 0]] = 1 << BITS
        lower = numpy.concatenate([numpy.zeros(1, dtype=numpy.int64), upper[:-1]])
        lower[(numpy.cumsum(lengths) - lengths)[lengths > 0]] = 0
        sure: Array = numpy.maximum(upper - lower - 2 * self.margin, 0) >> (BITS - self._fine - self._bits[segment])
        return sure

    def _fill(self, lengths: Array, told: Array, size: int) -> None:
        full = 1 << self._fine
        of = numpy.repeat(numpy.arange(len(lengths)), lengths)
        floors = self._floors(lengths, of, self.cuts)
        place = numpy.arange(len(of)) + (self._offset - self.starts[:-1])[of]
        held: Array = numpy.zeros(size, dtype=numpy.int64)
        tells: Array = numpy.zeros(size, dtype=numpy.int64)
        held[place], tells[place] = floors, told
        held[self._offset[lengths <= 1]] = full
        several = numpy.flatnonzero(lengths > 1)
        running = numpy.concatenate([numpy.zeros(1, dtype=numpy.int64), numpy.cumsum(floors)])
        sure = running[self.starts[several + 1]] - running[self.starts[several]]
        rest = self._offset[several] + lengths[several]
        held[rest], tells[rest] = (numpy.int64(full) << self._bits[several]) - sure, self._rest
        # in each segment what light buckets lack is what heavy ones have too much, so sums over all segments serve
        heavy, light = numpy.flatnonzero(held >= full), numpy.flatnonzero(held < full)
        lacking = numpy.concatenate([numpy.zeros(1, dtype=numpy.int64), numpy.cumsum(full - held[light])])
        over = numpy.cumsum(held[heavy] - full)
        other = numpy.arange(size)
        other[light] = heavy[numpy.searchsorted(over, lacking[:-1], side="right")]
        other[heavy[:-1]] = heavy[1:]
        held[heavy] = full - (lacking[numpy.searchsorted(lacking, over, side="left")] - over)
        whole = held == full
        other[whole], held[whole] = numpy.flatnonzero(whole), 0
        self._held = held.astype(numpy.uint32)
        room = 31 if 2 * self._wide + TOLD <= 31 else 63
        self._coarse = min(self._fine, room - 2 * self._wide)
        record = (held >> (self._fine - self._coarse)) << (2 * self._wide) | tells[other] << self._wide | tells
        self._records = record.astype(numpy.int32 if room == 31 else numpy.int64)

    def draw(self, at: Array, rng: numpy.random.Generator, name: str = "told") -> Array:
        """What an item of each segment in `at` stands for, each item with probability exactly its share.

        The array is the scratch's, of this name.
        """
        told = self._scratch.get(name, len(at), self._records.dtype)
        for start in range(0, len(at), LOT):
            self._draw(at[start : start + LOT], rng, told[start : start + LOT])
        return told if self._then is None else self._then.take(told)

    def _draw(self, at: Array, rng: numpy.random.Generator, told: Array) -> None:
        n, made, wide = len(at), self._scratch, self._wide
        if self._plain:
            self._records.take(at, out=told, mode="clip")
            told &= (1 << wide) - 1
            return
        words = made.long_words(n, rng) if self._word == 64 else made.words(n, rng)
        where = made.taken("where", self._where, at)
        bucket = made.get("bucket", n, where.dtype)
        numpy.bitwise_and(where, (1 << SHIFT) - 1, out=bucket)
        numpy.right_shift(words, bucket, out=bucket)
        where >>= SHIFT
        place = made.get("place", n, numpy.int64)
        numpy.add(where, bucket, out=place, casting="unsafe")
        record = made.taken("record", self._records, place)
        # the record less the word's part at the place of what is held: below 0 for the second of a bucket's two
        part = made.get("part", n, record.dtype)
        bits: Array = part.view(numpy.uint32 if record.itemsize == 4 else numpy.uint64)
        numpy.bitwise_and(words, (1 << self._fine) - (1 << (self._fine - self._coarse)), out=bits, casting="unsafe")
        up = 2 * wide - (self._fine - self._coarse)
        (numpy.left_shift if up > 0 else numpy.right_shift)(bits, abs(up), out=bits)
        if self._coarse == self._fine:
            bits |= (1 << 2 * wide) - 1
        numpy.subtract(record, part, out=part)
        near: Array = numpy.empty(0, dtype=numpy.int64)
        if self._coarse < self._fine:
            near = numpy.flatnonzero(numpy.less(bits, 1 << 2 * wide, out=made.get("same", n, numpy.bool_)))
        part >>= 8 * record.itemsize - 1
        part &= wide
        numpy.right_shift(record, part, out=told)
        told &= (1 << wide) - 1
        if len(near):
            own, part = record.take(near), words.take(near) & ((1 << self._fine) - 1)
            told[near] = numpy.where(part < self._held.take(place.take(near)), own, own >> wide) & ((1 << wide) - 1)
        if n and int(told.max()) == self._rest:
            more = random.Random(int(rng.integers(0, 1 << BITS)))
            for i in numpy.flatnonzero(told == self._rest):
                told[i] = self._settle(int(at[i]), more)

    def _settle(self, segment: int, more: random.Random) -> int:
        """An item by what rounding took from each, told."""
        running = [int(r) for r in self._recall(segment)]
        first, end = int(self.starts[segment]), int(self.starts[segment + 1])
        lengths, of = numpy.array([end - first]), numpy.full(end - first, segment)
        floors = self._floors(lengths, of, self.cuts[first:end]).tolist()
        units = 1 << (self._fine + int(self._bits[segment]))
        below, lost = 0, []
        for sum_, floor in zip(running, floors, strict=True):
            lost.append((sum_ - below) * units - floor * running[-1])
            below = sum_
        assert min(lost) >= 0, "a share was rounded up"
        at = more.randrange(sum(lost))
        item = 0
        while at >= lost[item]:
            at -= lost[item]
            item += 1
        if self._then is not None:
            return first + item
        return item if self._tells is None else int(self._tells[first + item])


def of_weights(starts: Array, weights: Array, tells: Array | None = None, scratch: Scratch | None = None) -> Ragged:
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
    return Ragged(starts, cuts, margin, lambda s: own[starts[s] : starts[s + 1]].astype(object), tells, scratch)


__all__ = ["Ragged", "of_weights"]
