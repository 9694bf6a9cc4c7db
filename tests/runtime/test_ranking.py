"""How well one measure ranks networks by another: against scipy, and intervals that hold what they are said to."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from cospace.runtime.ranking import Ranking, interval, kendall, rank, reliability
from scipy.stats import kendalltau


def test_tau_is_scipys_with_ties_too() -> None:
    random = np.random.default_rng(0)
    for n in (2, 5, 30):
        for levels in (3, 1000):
            x, y = random.integers(levels, size=(2, n)).astype(float)
            assert kendall(x, y) == pytest.approx(kendalltau(x, y).statistic, nan_ok=True)
    infinite = np.array([1.0, math.inf, 2.0, math.inf])
    assert kendall(infinite, np.arange(4.0)) == pytest.approx(kendalltau([1, 9, 2, 9], range(4)).statistic)


def normal(random: np.random.Generator, tau: float, samples: int, n: int) -> np.ndarray:
    """Pairs of normal values with a tau. (2, samples, n)"""
    r = math.sin(math.pi / 2 * tau)
    x, e = random.standard_normal((2, samples, n))
    return np.stack([x, r * x + math.sqrt(1 - r * r) * e])


def test_the_ends_of_an_interval_are_where_what_was_seen_is_rare() -> None:
    low, high = interval(1.0, 5)
    assert high == 1
    agree = [kendall(x, y) == 1 for x, y in np.moveaxis(normal(np.random.default_rng(1), low, 8000, 5), 0, 1)]
    assert np.mean(agree) == pytest.approx(0.025, abs=0.006)
    assert interval(-1.0, 5) == pytest.approx((-1, -low), abs=0.05)
    assert interval(0.0, 1) == (-1, 1)
    widths = [high - low for low, high in (interval(0.6, n) for n in (4, 8, 16, 40))]
    assert widths == sorted(widths, reverse=True) and widths[0] > 1


@pytest.mark.parametrize("tau", [0.0, 0.8])
@pytest.mark.parametrize("heavy", [False, True])
def test_intervals_of_six_networks_hold_what_is_true(tau: float, heavy: bool) -> None:
    random = np.random.default_rng(2)
    drawn = normal(random, tau, 1000, 6)
    if heavy:  # what tails that both sides share leave of normality: tau is the same
        drawn = drawn / np.sqrt(random.chisquare(3, drawn.shape[1:]))
    ends = cache(interval)
    held = 0
    for x, y in np.moveaxis(drawn, 0, 1):
        low, high = ends(round(kendall(x, y), 9), 6)
        held += low <= tau <= high
    assert held / 1000 > 0.93


def test_what_ties_or_is_alone_is_ranked_by_nothing() -> None:
    assert rank([1.0, 2.0, 3.0], [0.1, 0.1, 0.1]) == Ranking(None, -1, 1, 3)
    assert rank([1.0], [0.1]).tau is None
    found = rank([3.0, 1.0, 2.0, 5.0], [0.3, 0.1, 0.2, 0.4])
    assert found.tau == 1 and found.low < 0 and found.high == 1
    assert Ranking.from_json(found.to_json()) == found


def test_reliability_is_that_of_all_seeds() -> None:
    random = np.random.default_rng(3)
    truth = random.standard_normal((120, 1))
    assert reliability(np.repeat(truth, 3, 1), draws=50) == (1, 1, 1)
    for seeds in (2, 5, 10):
        noisy = [truth + random.standard_normal((120, seeds)) for _ in range(12)]
        means = [table.mean(1) for table in noisy]
        true = np.mean([kendall(a, b) for a, b in zip(means[::2], means[1::2], strict=True)])
        found = np.mean([reliability(table, draws=1)[0] for table in noisy])
        assert -0.02 < found - true < 0.07
    value, low, high = reliability(noisy[0], draws=200)
    assert low < value < high
    assert reliability(noisy[0], draws=200) == (value, low, high)
    _, low, high = reliability(random.standard_normal((120, 6)), draws=200)
    assert low < 0 < high
    with pytest.raises(ValueError, match="two seeds"):
        reliability(truth)


def test_a_tau_corrected_to_all_seeds_is_a_little_above_that_of_normal_values() -> None:
    tau = np.linspace(0, 1, 201)
    r = np.sin(np.pi / 2 * tau)
    over = 2 * tau / (1 + tau) - 2 / np.pi * np.arcsin(np.minimum(2 * r / (1 + r), 1))
    assert over.min() > -1e-9 and over.max() < 0.05
