"""Samples are feasible, uniform, and the same for the same seed."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.counting import eliminate
from cospace.compiler.counting.count import Limits
from cospace.compiler.counting.guided import Guided, draw_on, make_cuts
from cospace.compiler.sampling.sample import Sampler, Unsampled
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import DesignError, decode, encode
from cospace.compiler.space.model import Decision, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

from tests.compiler.generate import generate

FEASIBLE = next(seed for seed in range(50) if len(generate(seed).feasible()) > 20)


def chi_square_is_plausible(counts: Counter, cells: int, n: int) -> bool:
    expected = n / cells
    statistic = sum((counts.get(k, 0) - expected) ** 2 / expected for k in counts)
    statistic += (cells - len(counts)) * expected
    return cells == 1 or statistic < cells - 1 + 5 * (2 * (cells - 1)) ** 0.5 + 10


@pytest.mark.parametrize(
    "limits", [None, Limits(brute=0), Limits(brute=0, table=1)], ids=["listed", "tables", "rejection"]
)
@pytest.mark.parametrize("seed", range(40))
def test_samples_are_uniform_over_the_feasible_designs(seed: int, limits: Limits | None) -> None:
    made = generate(seed)
    space = made.space()
    feasible = {tuple(row) for row in encode(space.decisions, made.feasible())}
    if not feasible:
        with pytest.raises(Unsampled):
            Sampler(space, limits=limits).sample(1)
        return
    n = 40 * len(feasible)
    rows = Sampler(space, limits=limits).sample(n, seed)
    counts = Counter(tuple(int(i) for i in row) for row in rows)
    assert set(counts) <= feasible
    assert chi_square_is_plausible(counts, len(feasible), n)


def test_the_same_seed_gives_the_same_sample() -> None:
    space = generate(FEASIBLE).space()
    one, two = Sampler(space).sample(50, 3), Sampler(space).sample(50, 3)
    assert (one == two).all()
    assert (one != Sampler(space).sample(50, 4)).any()


def test_pinned_values_are_kept_and_unknown_ones_refused() -> None:
    space = generate(FEASIBLE).space()
    first = space.decisions[0]
    rows = Sampler(space, {first.path: first.values[0]}).sample(20)
    assert all(decode(space.decisions, row)[first.path] == first.values[0] for row in rows)
    with pytest.raises(DesignError):
        Sampler(space, {"nowhere": Fraction(1)})
    with pytest.raises(DesignError):
        Sampler(space, {first.path: "not a value"})


def test_weights_beyond_64_bits_stay_exact() -> None:
    """One alternative owns 40 further decisions, the other none: its weight is about 10^40 to 1."""
    kind = Decision("kind", "choose", (Fraction(0), Fraction(1)), g.NUMBER)
    inside = g.eq(g.var("kind", g.NUMBER), g.const(1))
    owned = [
        Decision(f"x{i}", "choose", tuple(Fraction(v) for v in range(10)), g.NUMBER, guard=inside) for i in range(40)
    ]
    space = Space("s", None, (), (kind, *owned), (), (), (), (), (), (), ())
    rows = Sampler(space).sample(500, 1)
    assert (rows[:, 0] == 1).all()
    assert 4 < rows[:, 1:].mean() < 5
    assert numpy.unique(rows, axis=0).shape[0] == 500


def test_too_few_feasible_designs_are_said_so() -> None:
    many = [Decision(f"x{i}", "choose", tuple(Fraction(v) for v in range(20)), g.NUMBER) for i in range(12)]
    product = g.mul(*(g.add(g.var(d.path, g.NUMBER), g.const(1)) for d in many))
    tiny = (Requirement(g.le(product, g.const(1)), g.TRUE, "tiny", NOWHERE),)
    space = Space("s", None, (), tuple(many), tiny, (), (), (), (), (), ())
    with pytest.raises(Unsampled) as caught:
        Sampler(space).sample(1)
    assert caught.value.responsible is space.requirements[0] and not caught.value.empty


@pytest.mark.parametrize("bits", [2, 5, 62])
def test_cut_offs_that_are_met_exactly_are_drawn_on(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few bits nearly every draw is a tie; the shares stay those of the weights."""
    monkeypatch.setattr(eliminate, "BITS", bits)
    weights = [0, 10**20, 3 * 10**20, 10**20 + 7, 0, 10**19]
    running = numpy.array([weights], dtype=object).cumsum(axis=1)
    drawn = eliminate._Cuts(running).draw(numpy.zeros(40_000, dtype=numpy.int64), numpy.random.default_rng(1))
    for k, w in enumerate(weights):
        share = w / sum(weights)
        assert abs((drawn == k).mean() - share) <= 5 * (share * (1 - share) / 40_000) ** 0.5


@pytest.mark.parametrize("bound", [9, 14, Fraction(41, 2)])
def test_draws_under_a_long_sum_are_uniform_and_mostly_accepted(bound: Fraction) -> None:
    """Terms that share a decision, rational coefficients, and decisions that only that decision and no sum reads."""
    paths = ["shared", "a", "b", "c", "d", "beside"]
    decisions = tuple(Decision(p, "choose", tuple(Fraction(v) for v in range(4)), g.NUMBER) for p in paths)
    shared, *terms, beside = (g.var(p, g.NUMBER) for p in paths)
    scaled = [g.mul(g.const(Fraction(k + 2, 3)), x, g.add(shared, g.const(1))) for k, x in enumerate(terms)]
    wanted = (
        Requirement(g.le(g.add(*scaled), g.const(bound)), g.TRUE, "sum", NOWHERE),
        Requirement(g.le(beside, shared), g.TRUE, "beside", NOWHERE),
    )
    space = Space("s", None, (), decisions, wanted, (), (), (), (), (), ())
    feasible = {
        row
        for row in itertools.product(range(4), repeat=6)
        if row[5] <= row[0] and sum(Fraction(k + 2, 3) * row[k + 1] * (row[0] + 1) for k in range(4)) <= bound
    }
    sampler = Sampler(space, limits=Limits(brute=0, table=64))
    n = 60 * len(feasible)
    counts = Counter(tuple(int(i) for i in row) for row in sampler.sample(n, 5))
    assert set(counts) <= feasible
    assert chi_square_is_plausible(counts, len(feasible), n)
    assert 0.9 < sampler.acceptance <= 1


def test_what_rounding_leaves_open_is_drawn_on() -> None:
    """Weights that 62 bits cannot tell apart from others still decide where their cut-off is met."""
    more = random.Random(1)
    running = numpy.array([1, 1 + (1 << 70), 3 << 70], dtype=object)
    bits = (1 << 62) // 3
    drawn = Counter(draw_on(running, bits, more) for _ in range(3000))
    assert set(drawn) == {1, 2}
    share = Fraction(bits + 1, 1 << 62) - Fraction(1 + (1 << 70), 3 << 70)
    assert abs(drawn[2] / 3000 - float(share * (1 << 62))) < 0.05


@pytest.mark.parametrize("options", [2, 3, 5, 8, 9, 70])
def test_an_option_is_drawn_with_its_share_at_each_state(options: int) -> None:
    weights = numpy.random.default_rng(options).integers(0, 4, (3, options))
    weights[:, 0] += 1
    running = weights.astype(object).cumsum(axis=1)
    at = numpy.repeat(numpy.arange(3), 30_000)
    drawn = Guided(make_cuts(running), running.__getitem__).draw(at, numpy.random.default_rng(1))
    for state in range(3):
        share = weights[state] / weights[state].sum()
        found = numpy.bincount(drawn[at == state], minlength=options) / 30_000
        assert (numpy.abs(found - share) <= 5 * (share * (1 - share) / 30_000) ** 0.5).all()


@pytest.mark.parametrize("weights", [[5], [1, 0, 3], [2, 7, 1, 1]])
@pytest.mark.parametrize("n", [200, 20_000])
def test_few_draws_and_many_are_drawn_alike(weights: list[int], n: int) -> None:
    """Few without a table, many with one: each option as often as its share, one of weight 0 never."""
    running = numpy.cumsum(numpy.array([weights, weights], dtype=object), axis=1)
    guided = Guided(make_cuts(running), lambda state: running[state])
    drawn = guided.draw(numpy.arange(n) % 2, numpy.random.default_rng(3))
    counts = numpy.bincount(drawn, minlength=len(weights))
    share = numpy.array(weights) / sum(weights)
    assert counts[share == 0].sum() == 0
    assert (abs(counts - n * share) <= 5 * numpy.sqrt(n * share * (1 - share)) + 1e-9).all()
