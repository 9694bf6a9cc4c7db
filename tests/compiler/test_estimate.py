"""Estimates: the interval is Clopper and Pearson's, and it holds the exact count as often as it says."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.sampling.estimate import binomial_interval, estimate

from tests.compiler.generate import generate


def tail(met: int, drawn: int, p: Fraction) -> Fraction:
    """The chance of `met` or more, exactly."""
    return sum((math.comb(drawn, k) * p**k * (1 - p) ** (drawn - k) for k in range(met, drawn + 1)), Fraction(0))


@pytest.mark.parametrize("drawn", [1, 7, 40, 200])
def test_the_ends_of_the_interval_leave_two_and_a_half_percent_on_each_side(drawn: int) -> None:
    for met in sorted({0, 1, drawn // 3, drawn // 2, drawn - 1, drawn}):
        low, high = (end.limit_denominator(10**7) for end in binomial_interval(met, drawn))
        wanted = Fraction(1, 40)
        if met == 0:
            assert low == 0
        else:
            assert abs(tail(met, drawn, low) / wanted - 1) < Fraction(1, 1000)
        if met == drawn:
            assert high == 1
        else:
            assert abs((1 - tail(met + 1, drawn, high)) / wanted - 1) < Fraction(1, 1000)


def test_large_numbers_agree_with_the_normal_distribution() -> None:
    drawn, met = 10_000_000, 1_234_567
    low, high = binomial_interval(met, drawn)
    share = met / drawn
    half = 1.959964 * math.sqrt(share * (1 - share) / drawn)
    assert float(low) == pytest.approx(share - half, abs=half / 500)
    assert float(high) == pytest.approx(share + half, abs=half / 500)


def test_the_interval_holds_the_exact_count_for_most_seeds() -> None:
    held = asked = 0
    for seed in range(200):
        space = generate(seed).space()
        found = count(space)
        if found.exact and found.raw:
            guess = estimate(space, 300, seed)
            assert guess.raw == found.raw and guess.bounds[0] <= guess.feasible <= guess.bounds[1]
            asked += 1
            held += guess.holds(*found.bounds)
    assert asked > 100
    assert held >= 0.93 * asked


def test_a_wrong_count_lies_outside() -> None:
    space = generate(next(s for s in range(50) if count(generate(s).space()).feasible)).space()
    guess = estimate(space, 20_000)
    right = count(space).bounds[0]
    assert guess.holds(right, right)
    assert not guess.holds(guess.raw + 1, None)
    assert not guess.holds(0, guess.bounds[0] - 1)


def test_one_seed_gives_one_estimate_and_pinned_values_are_kept() -> None:
    space = generate(next(s for s in range(50) if count(generate(s).space()).feasible)).space()
    assert estimate(space, 1000, 7) == estimate(space, 1000, 7)
    d = space.decisions[0]
    pinned = {d.path: d.values[0]}
    assert estimate(space, 1000, 7, pinned).raw == count(space, pinned).raw
