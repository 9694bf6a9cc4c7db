"""Draws with exact integer weights by look-up: a short table of cells for each state, long integers only at a tie.

A state has options with integer weights of any length. 62 random bits say which one; their first bits name a cell, and
a cell that lies within one option needs no more. Nothing here knows of decisions or expressions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy
from numpy.typing import NDArray

Array = NDArray[Any]

BITS = 62
ROOM = 1 << 18
"""Cells of a table, about: more settle more draws at once, fewer stay in the cache."""
WORD = 16
"""Random bits drawn for every design; those of a cell that is shared are completed to 62."""


def make_cuts(running: Array) -> Array:
    """Running sums (states, options) of long integers as cut-offs of 62 bits, (states, options - 1)."""
    totals = numpy.maximum(running[:, -1:], 1)
    return ((running[:, :-1].astype(object) << BITS) // totals).astype(numpy.int64)


def draw_on(running: Array, bits: int, more: random.Random, length: int = BITS) -> int:
    """Further bits of a number whose first `length` are `bits`, until they say which running sum is the next above."""
    total = int(running[-1])
    while True:
        bits, length = (bits << 64) | more.getrandbits(64), length + 64
        low = sum(1 for edge in running[:-1] if int(edge) << length <= bits * total)
        high = sum(1 for edge in running[:-1] if int(edge) << length < (bits + 1) * total)
        if low == high:
            return low


FEW = 1_024
"""Draws at once that are cheaper without a table."""


class Guided:
    """Draws an option at each of many states: few options, many states.

    cuts: of `make_cuts`; recall(state) gives the running sums that they were made of. No state of total 0 is asked.
    """

    def __init__(self, cuts: Array, recall: Callable[[int], Array]) -> None:
        self.cuts, self._recall = cuts, recall
        self._cells: Array | None = None

    def _lookup(self) -> Array:
        """What most draws are answered by at once; made when many are asked for."""
        if self._cells is not None:
            return self._cells
        states, options = len(self.cuts), self.cuts.shape[1] + 1
        fitting = (ROOM // max(1, states)).bit_length() - 1
        self.bits = min(12, max(9 if options <= 64 else 11, fitting))
        cells = 1 << self.bits
        where = (self.cuts >> (BITS - self.bits)) + numpy.arange(states)[:, None] * (cells + 1)
        met = numpy.bincount(where.reshape(-1), minlength=states * (cells + 1)).reshape(states, cells + 1)[:, :-1]
        before = numpy.cumsum(met, axis=1) - met
        kind = numpy.uint8 if options < 255 else numpy.uint16
        self.shared = int(numpy.iinfo(kind).max)
        self._cells = numpy.where(met > 0, self.shared, before).astype(kind).reshape(-1)
        return self._cells

    def draw(self, at: Array, rng: numpy.random.Generator) -> Array:
        """An option for each state in `at`, with probability exactly its share."""
        if not self.cuts.shape[1]:
            return numpy.zeros(len(at), dtype=numpy.int64)  # one option, which every draw takes
        if self._cells is None and len(at) < FEW:
            return self._settle(at, rng.integers(0, 1 << BITS, size=len(at)), rng)
        cells = self._lookup()
        words = rng.integers(0, 1 << WORD, size=len(at), dtype=numpy.uint16)
        drawn: Array = cells.take((at << self.bits) + (words >> (WORD - self.bits)))
        open_ = numpy.flatnonzero(drawn == self.shared)
        if len(open_):
            low = rng.integers(0, 1 << (BITS - WORD), size=len(open_))
            drawn[open_] = self._settle(at[open_], (words[open_].astype(numpy.int64) << (BITS - WORD)) | low, rng)
        return drawn

    def _settle(self, at: Array, first: Array, rng: numpy.random.Generator) -> Array:
        width = self.cuts.shape[1]
        flat, start = self.cuts.reshape(-1), at.astype(numpy.int64) * width
        drawn: Array = numpy.zeros(len(at), dtype=numpy.int64)
        step = 1 << max(0, width.bit_length() - 1)
        while step:
            further = numpy.minimum(drawn + step, width)
            drawn = numpy.where(flat.take(start + further - 1) < first, further, drawn)
            step >>= 1
        ties = numpy.flatnonzero((drawn < width) & (flat.take(start + numpy.minimum(drawn, width - 1)) == first))
        if len(ties):
            more = random.Random(int(rng.integers(0, 1 << BITS)))
            for i in ties:
                drawn[i] = draw_on(self._recall(int(at[i])), int(first[i]), more)
        return drawn


class Wide:
    """Draws one of many options with fixed weights."""

    def __init__(self, weights: Array) -> None:
        self.kept = numpy.flatnonzero(weights != 0)
        self.running = numpy.cumsum(weights[self.kept].astype(object))
        self.total = int(self.running[-1]) if len(self.running) else 0
        self.cuts = make_cuts(self.running[None, :])[0] if self.total else numpy.zeros(0, dtype=numpy.int64)
        self.bits = min(20, max(1, len(self.cuts)).bit_length() + 2)
        cells = numpy.arange(1 << self.bits, dtype=numpy.int64) << (BITS - self.bits)
        self.first = numpy.searchsorted(self.cuts, cells, side="left").astype(numpy.int32)
        self._ends = numpy.append(self.cuts, (1 << 63) - 1)

    def draw(self, n: int, rng: numpy.random.Generator) -> Array:
        """n options, each with probability exactly its share."""
        bits = rng.integers(0, 1 << BITS, size=n)
        drawn = self.first.take(bits >> (BITS - self.bits))
        open_ = numpy.flatnonzero(self._ends.take(drawn) < bits)
        while len(open_):
            drawn[open_] += 1
            open_ = open_[self._ends.take(drawn[open_]) < bits[open_]]
        ties = numpy.flatnonzero(self._ends.take(drawn) == bits)
        if len(ties):
            more = random.Random(int(rng.integers(0, 1 << BITS)))
            for i in ties:
                drawn[i] = draw_on(self.running, int(bits[i]), more)
        return self.kept.take(drawn)
