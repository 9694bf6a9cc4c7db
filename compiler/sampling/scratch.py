"""Arrays that draws are worked out in, kept from one draw to the next: memory that is fresh each time costs more than
what is done in it."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

Array = NDArray[Any]
LOT = 1 << 15
"""Draws that are worked out at once: their arrays stay in the cache."""
WORDS = 1 << 13
"""Random numbers that are asked for at once."""


class Scratch:
    """One array for each name and type, as long as any that was asked for; each is good until it is asked for again."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Any], Array] = {}

    def get(self, name: str, n: int, kind: Any) -> Array:
        """n numbers of a type, whatever they are."""
        held = self._held.get((name, kind))
        if held is None or len(held) < n:
            held = self._held[name, kind] = numpy.empty(max(n, 1 << 10), dtype=kind)
        return held[:n]

    def taken(self, name: str, source: Array, at: Array) -> Array:
        """source[at]; each of `at` is a place in it."""
        found = self.get(name, len(at), source.dtype)
        # with `raise` numpy would work in memory of its own
        source.take(at, out=found, mode="clip")
        return found

    def words(self, n: int, rng: numpy.random.Generator) -> Array:
        """n random numbers of 32 bits: twice as quick two at a time."""
        return self.long_words((n + 1) >> 1, rng).view(numpy.uint32)[:n]

    def long_words(self, n: int, rng: numpy.random.Generator) -> Array:
        """n random numbers of 64 bits."""
        found = self.get("words", n, numpy.uint64)
        for start in range(0, n, WORDS):
            part = found[start : start + WORDS]
            part[:] = rng.bit_generator.random_raw(len(part))
        return found


__all__ = ["LOT", "Scratch"]
