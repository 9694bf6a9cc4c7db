"""How many designs are feasible, estimated: raw designs drawn uniformly, and the share of them that meets everything.

What is drawn knows only domains and guards; the requirements are decided in batches on each draw, so nothing that the
exact count rests on but the raw count is used. The interval is Clopper and Pearson's (Biometrika 26, 1934): whatever
the true share is, it lies inside for at least 95 % of all seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial

import numpy
from attrs import evolve, frozen
from cospace.compiler.clock import attempt, reason
from cospace.compiler.counting.count import Limits, count_raw
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.numbers.enumerate import Frame, TooMany
from cospace.compiler.sampling.recheck import Recheck
from cospace.compiler.sampling.sample import Sampler, Unsampled
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Space

CONFIDENCE = Fraction(95, 100)
BLOCK = 65_536
"""Designs drawn at once; each block has a seed of its own, so that memory does not grow with what is asked for."""


@frozen
class Estimate:
    """drawn raw designs of which `met` meet every requirement, and what that says about the feasible count.

    feasible: the share that met times the raw count, rounded; bounds: the 95 % interval, widened to integers.
    """

    raw: int
    drawn: int
    met: int
    seed: int
    feasible: int
    bounds: tuple[int, int]

    def holds(self, low: int, high: int | None) -> bool:
        """Whether the count, known to lie within low and high, can be inside the interval."""
        return low <= self.bounds[1] and (high is None or high >= self.bounds[0])


def estimate(space: Space, drawn: int, seed: int = 0, fixed: Mapping[str, Value] | None = None) -> Estimate:
    """Draw raw designs and decide each; fewer where the time is up. Raises Unsampled where guards join too many
    decisions to draw from, or there was no time to."""
    frame = Frame.of(space, fixed)
    free = evolve(space, requirements=())

    def begin() -> tuple[Sampler, int, Recheck] | None:
        sampler = Sampler(free, fixed, frame=frame)
        try:
            raw = count_raw(frame, frame.structure(), Limits())
        except (TooMany, TooLarge) as stop:
            raise Unsampled(f"guards join too many decisions to count the raw designs: {stop}") from None
        return sampler, raw, Recheck(space)

    begun = attempt(begin, lambda: None)
    if begun is None:
        raise Unsampled(reason())
    sampler, raw, recheck = begun
    if raw == 0:
        return Estimate(0, drawn, 0, seed, 0, (0, 0))

    def block(start: int) -> int:
        rows = sampler.draw(min(BLOCK, drawn - start), seed + (start << 32))
        return int(numpy.count_nonzero(recheck.held(rows)))

    met = 0
    for start in range(0, drawn, BLOCK):
        found = attempt(partial(block, start), lambda: None)
        if found is None:
            if start == 0:
                raise Unsampled(reason())
            drawn = start
            break
        met += found
    low, high = binomial_interval(met, drawn)
    return Estimate(raw, drawn, met, seed, round(Fraction(met * raw, drawn)),
                    (math.floor(raw * low), min(raw, math.ceil(raw * high))))  # fmt: skip


def binomial_interval(met: int, drawn: int) -> tuple[Fraction, Fraction]:
    """Clopper and Pearson's interval for a share of which `met` of `drawn` were seen, rounded outwards."""
    tail = float((1 - CONFIDENCE) / 2)
    low = Fraction(0) if met == 0 else _last(lambda p: _upper_tail(met, drawn, p) <= tail)
    high = Fraction(1) if met == drawn else 1 - _last(lambda p: _upper_tail(drawn - met, drawn, p) <= tail)
    return low, high


def _last(small: Callable[[float], bool]) -> Fraction:
    """The largest p of 0..1, to 60 halvings and from below, up to which `small` holds."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if small(middle):
            low = middle
        else:
            high = middle
    return Fraction(low)


def _upper_tail(met: int, drawn: int, p: float) -> float:
    """An upper bound, by rounding alone, on the chance of `met` or more of `drawn` with a share of p; met >= 1."""
    if p <= 0:
        return 0.0
    if met <= drawn * p:
        return 1.0  # at least the middle of the distribution: far above any tail that is asked for
    count = min(drawn - met + 1, int(40 * math.sqrt(drawn)) + 100)
    k = numpy.arange(met, met + count - 1, dtype=numpy.float64)
    ratios = numpy.log((drawn - k) / (k + 1)) + math.log(p) - math.log1p(-p)
    first = (math.lgamma(drawn + 1) - math.lgamma(met + 1) - math.lgamma(drawn - met + 1)
             + met * math.log(p) + (drawn - met) * math.log1p(-p))  # fmt: skip
    logs = first + numpy.concatenate([[0.0], numpy.cumsum(ratios)])
    slack = 1e-9 + 8 * 2.0**-52 * (drawn + 2) * math.log(drawn + 2)
    return float(numpy.exp(logs).sum()) * (1 + slack)


__all__ = ["Estimate", "binomial_interval", "estimate"]
