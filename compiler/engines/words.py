"""Exact whole numbers in columns of int64: one word a quantity, or where 60 bits don't hold it a coarse and a fine one.

A number of two words is `coarse * 2^shift + fine`, 0 <= fine < 2^shift. Columns stand in the rows of an array, the
coarse word of each quantity first, then the fine ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy
from attrs import field, frozen
from numpy.typing import NDArray

Array = NDArray[Any]

BITS = 60
"""Of a word; a sum of two numbers fits into int64."""
NOTHING = {"sum": 0, "max": -(1 << 61), "min": 1 << 61}
"""The coarse word of what changes no number that it is combined with."""


@frozen(eq=False)
class Words:
    """kinds: how each quantity is combined: sum, max or min; shifts: bits of its fine word, 0 where there is none."""

    kinds: tuple[str, ...]
    shifts: tuple[int, ...]
    fine: tuple[int, ...] = field(init=False)
    """Of each quantity the row of its fine word, -1 where there is none."""

    def __attrs_post_init__(self) -> None:
        wide = [k for k, shift in enumerate(self.shifts) if shift]
        rows = [len(self.kinds) + wide.index(k) if k in wide else -1 for k in range(len(self.kinds))]
        object.__setattr__(self, "fine", tuple(rows))

    @property
    def count(self) -> int:
        """Rows of an array of columns."""
        return len(self.kinds) + sum(map(bool, self.shifts))

    @property
    def nothing(self) -> Array:
        """A column that changes none which it is combined with: (count, 1)."""
        return numpy.array([[NOTHING[kind]] for kind in self.kinds] + [[0]] * (self.count - len(self.kinds)))

    def combine(self, left: Array, right: Array) -> Array:
        """Of two arrays of shape (count, …) the numbers together."""
        found = left + right
        for k, kind in enumerate(self.kinds):
            f = self.fine[k]
            if kind == "sum":
                if f >= 0:
                    found[k] += found[f] >> self.shifts[k]
                    found[f] &= (1 << self.shifts[k]) - 1
            elif f < 0:
                (numpy.maximum if kind == "max" else numpy.minimum)(left[k], right[k], out=found[k])
            else:
                first = (left[k] > right[k]) | ((left[k] == right[k]) & (left[f] > right[f]))
                first = first if kind == "max" else ~first
                found[k], found[f] = numpy.where(first, left[k], right[k]), numpy.where(first, left[f], right[f])
        return found

    def least(self, values: Array) -> Array:
        """Columns (count, n) none of whose numbers is beyond: each word by itself. (count, 1)"""
        return self._loose(values.min(axis=1)[:, None], least=True)

    def most(self, values: Array) -> Array:
        return self._loose(values.max(axis=1)[:, None], least=False)

    def runs(self, values: Array, starts: Array) -> tuple[Array, Array]:
        """The least and the most of each run of columns that begins at `starts`, none empty: (count, runs)."""
        least, most = (f.reduceat(values, starts, axis=1) for f in (numpy.minimum, numpy.maximum))
        return self._loose(least, least=True), self._loose(most, least=False)

    def _loose(self, values: Array, least: bool) -> Array:
        for f, shift in zip(self.fine, self.shifts, strict=True):
            if f >= 0:
                values[f] = 0 if least else (1 << shift) - 1
        return values

    def numbers(self, k: int, values: Array) -> list[int]:
        """A quantity at each column of (count, n)."""
        found: list[int] = values[k].tolist()
        if self.fine[k] < 0:
            return found
        shift = self.shifts[k]
        return [(n << shift) + f for n, f in zip(found, values[self.fine[k]].tolist(), strict=True)]

    def keys(self, k: int, values: Array, sign: int) -> Array:
        """int64 in the order of a quantity at the columns of (count, n), times a sign; equal where they are equal."""
        coarse = values[k] if sign > 0 else -values[k]
        return coarse if self.fine[k] < 0 else _one_word(coarse, sign * values[self.fine[k]])


def _one_word(coarse: Array, fine: Array) -> Array:
    """What is ordered as pairs of words are: mostly the coarse one by itself."""
    order = numpy.argsort(coarse, kind="stable")
    first, second = coarse[order], fine[order]
    if not ((first[1:] == first[:-1]) & (second[1:] != second[:-1])).any():
        return coarse
    order = numpy.lexsort((fine, coarse))
    first, second = coarse[order], fine[order]
    rank = numpy.empty(len(coarse), dtype=numpy.int64)
    rank[order[:1]] = 0
    rank[order[1:]] = numpy.cumsum((first[1:] != first[:-1]) | (second[1:] != second[:-1]))
    return rank


def split(numbers: Iterable[int], shift: int) -> tuple[Array, Array]:
    """The coarse and the fine words of whole numbers."""
    listed = list(numbers)
    coarse = numpy.array([n >> shift for n in listed], dtype=numpy.int64)
    return coarse, numpy.array([n & ((1 << shift) - 1) for n in listed], dtype=numpy.int64)


def shift_for(kind: str, tops: Sequence[int]) -> int:
    """Bits of the fine word that quantities of a kind need whose terms are at most so far from 0."""
    top = sum(tops) if kind == "sum" else max(tops, default=0)
    return max(0, top.bit_length() - BITS)


__all__ = ["BITS", "NOTHING", "Words", "shift_for", "split"]
