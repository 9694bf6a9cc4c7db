"""How well one measure ranks networks by another: Kendall's tau with an interval, and the most that noisy trainings let
any measure reach.

What shared weights say of a network is worth as much as it orders networks by what training them from scratch gives. A
search trains a few, so that the estimate has to come with what so few networks can tell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

Floats = np.ndarray

LEVEL = 0.95
FEWEST = 4
"""Networks from which an estimate is told."""
DRAWS = 4000
SPLITS = 100
"""Splits of the seeds into halves, at most."""


@frozen
class Ranking:
    """Kendall's tau-b over some networks, with the ends of an interval of LEVEL; (-1, 1) where nothing is known. tau:
    None where all values of one side tie."""

    tau: float | None
    low: float
    high: float
    networks: int

    def to_json(self) -> dict[str, Any]:
        return {"tau": self.tau, "low": self.low, "high": self.high, "level": LEVEL, "networks": self.networks}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Ranking:
        """Raises KeyError, TypeError or ValueError for what `to_json` did not write."""
        tau = None if value["tau"] is None else float(value["tau"])
        found = Ranking(tau, float(value["low"]), float(value["high"]), int(value["networks"]))
        if not all(map(math.isfinite, (found.low, found.high, found.tau or 0.0))):
            raise ValueError("a figure is not finite")
        return found


def rank(losses: Sequence[float], errors: Sequence[float]) -> Ranking:
    """How well losses rank networks by their errors, both (networks,)."""
    tau = kendall(np.asarray(losses, float), np.asarray(errors, float))
    if math.isnan(tau):
        return Ranking(None, -1.0, 1.0, len(losses))
    return Ranking(tau, *interval(tau, len(losses)), len(losses))


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's tau-b of two arrays (n,): pairs in the same order less pairs in the other one, over the geometric mean
    of the pairs that do not tie in x and those that do not in y (Kendall, 1945). nan where all values of one of them
    tie, or there are fewer than two."""
    return float(_taus(_signs(x), _signs(y), np.ones((1, len(x))))[0])


def interval(tau: float, networks: int, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """The values of tau under which one as low, and one as high, as that observed over so many networks is not rarer
    than (1 - level) / 2, where the networks are a sample of those that are asked about, and some increasing functions
    of both sides are jointly normal.

    A test inverted (Clopper and Pearson, 1934, for shares). Resampling few networks gives intervals that are far too
    short, those of no width where the order is the same on both sides. For normal x and e, a pair of r x + s e, r^2 +
    s^2 = 1, has the order of x where -(e_i - e_j) / (x_i - x_j) < r / s; so of drawn samples the k-th least of these
    is the r / s from which k pairs agree, and the ends are its quantiles. tau = 2 asin(r) / pi = 2 atan(r / s) / pi
    (Kruskal, 1958). Ties count as half an agreement. By `DRAWS` samples.
    """
    pairs = networks * (networks - 1) // 2
    agreeing = pairs * (1 + tau) / 2
    least, most = math.ceil(agreeing - 1e-9), math.floor(agreeing + 1e-9) + 1
    first, second = np.triu_indices(networks, 1)
    random = np.random.default_rng(seed)
    kth = np.empty((DRAWS, 2))
    places = [max(least, 1) - 1, min(most, pairs) - 1]
    for i in range(DRAWS if pairs else 0):
        x, e = random.standard_normal((2, networks))
        turns = (e[second] - e[first]) / (x[first] - x[second])
        kth[i] = np.partition(turns, places)[places]
    share = (1 - level) / 2
    low = -1.0 if least < 1 else _tau_at(np.quantile(kth[:, 0], share))
    high = 1.0 if most > pairs else _tau_at(np.quantile(kth[:, 1], 1 - share))
    return low, high


def _tau_at(odds: float) -> float:
    return 2 / math.pi * math.atan(odds)


def reliability(table: Floats, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """How well trainings rank networks as others would: what a measure of networks can be held against. Gives the value
    and the ends of an interval of LEVEL, by the percentiles of so many resamplings of the networks.

    table: an error or loss of each network and seed, (networks, seeds). Kendall's tau between the means over two halves
    of the seeds, averaged over all splits or `SPLITS` drawn ones (of an odd number of seeds each split leaves one out),
    corrected from a half to all seeds by the formula of Spearman (1910) and Brown (1910), for halves 2 t / (1 + t). It
    is exact for correlations; for normal values it lies above the tau of all seeds, by less than 0.05, so that what is
    held against it is not flattered.

    Raises ValueError for fewer than two networks or seeds.
    """
    networks, seeds = table.shape
    if networks < 2 or seeds < 2:
        raise ValueError("a reliability takes two networks and two seeds at least")
    random = np.random.default_rng(seed)
    counts = np.vstack([np.ones(networks), random.multinomial(networks, np.full(networks, 1 / networks), draws)])
    splits = _splits(seeds, random)
    halves = sum(
        _taus(_signs(table[:, a].mean(1)), _signs(table[:, b].mean(1)), counts) for a, b in splits
    ) / len(splits)  # fmt: skip
    longer = seeds / (seeds // 2)
    whole = longer * halves / (1 + (longer - 1) * halves)
    low, high = np.nanquantile(whole[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(whole[0]), float(low), float(high)


def _splits(seeds: int, random: np.random.Generator) -> list[tuple[list[int], list[int]]]:
    """Two halves of the seeds, each: all there are, or `SPLITS` drawn ones."""
    half = seeds // 2
    if math.comb(seeds, half) * math.comb(seeds - half, half) <= 2 * SPLITS:
        return [
            (list(a), list(b))
            for a in itertools.combinations(range(seeds), half)
            for b in itertools.combinations([s for s in range(seeds) if s not in a], half)
            if a < b
        ]
    orders = [random.permutation(seeds).tolist() for _ in range(SPLITS)]
    return [(order[:half], order[half : 2 * half]) for order in orders]


def _signs(x: Floats) -> Floats:
    """Of each pair's difference; of two infinite values 0. (n,) -> (n, n)"""
    return (x[:, None] > x).astype(float) - (x[:, None] < x)


def _taus(x: Floats, y: Floats, counts: Floats) -> Floats:
    """tau-b by the signs of two sides, in each of some samples that hold network i counts[:, i] times. (samples,)

    Copies of a network tie on both sides, as its own sign is 0."""

    def total(signs: Floats) -> Floats:
        return np.asarray(((counts @ signs) * counts).sum(1))

    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total(x * y) / np.sqrt(total(np.abs(x)) * total(np.abs(y))))
