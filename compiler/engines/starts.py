"""Feasible designs for engines to begin at: exactly uniform draws, for as long as these take little, then repeats.

Owns what drawing may take, as a number of steps, so that a seed draws the same on every machine; the clock only guards
against what is far slower. Where few designs are feasible, those that were met stand in for those that were not.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy
from attrs import define, field
from cospace.compiler import clock
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.sampling.sample import Sampler, Unsampled
from cospace.compiler.space.model import Space
from numpy.typing import NDArray

Array = NDArray[Any]

EFFORT = 4e9
"""Steps of the sampler in all, whatever is asked for."""
FOR_EACH = 2e5
"""And so many more for each design that was priced."""
PIECE = 1e8
"""Steps after which what was met is put by, so that it stays where the time ends."""
PREPARING, DRAWING = 10.0, 20.0
"""Seconds that preparing may take, and drawing once; half of what is left where that is less."""
KEPT = 1_024
"""Designs that stand in for others, at most."""


@define(eq=False)
class Starts:
    """short: whether some draw met fewer designs than were asked for."""

    _sampler: Sampler
    short: bool = False
    _taken: int = 0
    _met: list[Array] = field(factory=list)

    @staticmethod
    def prepare(space: Space) -> Starts | None:
        """None where preparing takes too long, or can't be, or nothing is feasible."""

        def make() -> Starts | None:
            try:
                return Starts(Sampler(space))
            except (Unsampled, Undecided):
                return None

        with _guarded(PREPARING):
            return clock.attempt(make, lambda: None)

    def draw(self, n: int, random: numpy.random.Generator, priced: int) -> Array:
        """n feasible designs, uniform and independent unless `short`; none at all where none was ever met. (n, d)

        priced: designs that were priced until now.
        """
        found: list[Array] = []
        with _guarded(DRAWING):
            clock.attempt(lambda: self._draw(n, random, EFFORT + FOR_EACH * priced, found), lambda: None)
        if len(found) < n:
            self.short = True
            if self._met:
                others = random.integers(len(self._met), size=n - len(found)).tolist()
                found += [self._met[i] for i in others]
        return numpy.array(found, numpy.int64).reshape(len(found), len(self._sampler.frame.decisions))

    def _draw(self, n: int, random: numpy.random.Generator, most: float, found: list[Array]) -> None:
        while len(found) < n and self._taken < most:
            room, seed = min(PIECE, most - self._taken), int(random.integers(1 << 62))
            try:
                drawn, taken = self._sampler.some(n - len(found), seed, room)
            except Undecided:
                return
            rows = list(drawn.rows())
            found += rows
            self._met += rows[: KEPT - len(self._met)]
            self._taken += taken


def _guarded(seconds: float) -> AbstractContextManager[None]:
    return clock.within(min(seconds, clock.left() / 2))


__all__ = ["Starts"]
