"""Where few designs are feasible: engines begin at some, drawing takes what is stated, and repeats are said to be."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

import numpy
import pytest
from cospace.compiler import clock
from cospace.compiler.driver import compile_text
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.descend import Descent
from cospace.compiler.engines.look import look
from cospace.compiler.engines.problem import Problem
from cospace.compiler.engines.starts import Starts
from cospace.compiler.numbers.enumerate import holds_at
from cospace.compiler.sampling.deciding import SEEN, Staged
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Space

from tests.compiler.test_engines import ENGINES

SUM = " + ".join(
    f"{w} * {v} ^ 2" for w, v in zip((97, 89, 83, 79, 73, 71, 67, 61, 59, 53, 47, 43), "abcdefghijkl", strict=True)
)
GOAL = "minimize abs(a - b) * c + d * e + (f - g) ^ 2 + h * (i + j) + k * l"
BAND = f"""
space band
a, b, c, d, e, f, g, h, i, j, k, l = choose 1..40
sum = {SUM}
require 450_000 <= sum and sum <= 450_001 "the band"
{GOAL}
"""
"""A sum of twelve terms within a band that one in 100,000 designs meets."""
PRODUCT = f"""
space product
a, b, c, d, e, f, g, h, i, j, k, l = choose 1..40
energy = {SUM}
delay = 5_000 - 7 * a - 11 * b - 13 * c - 17 * d - 5 * e - 3 * f - 19 * g - 9 * h - 23 * i - 15 * j - 14 * k - 8 * l
require 1_000_000_000 <= energy * delay and energy * delay <= 1_000_003_000 "the band"
{GOAL}
"""
"""A product of two sums within a band that one in 200,000 designs meets."""
NOWHERE = PRODUCT.replace("1_000_000_000 <=", "1_000_000_000 + 1 / 3 <=").replace(
    "1_000_003_000", "1_000_000_000 + 2 / 3"
)


def compiled(text: str) -> Space:
    space = compile_text(text).space
    assert space is not None
    return space


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the steps, so that a test takes no time: a few designs are met, not as many as are asked for. And
    no clock, whatever else the machine does."""
    monkeypatch.setattr("cospace.compiler.engines.starts.EFFORT", 2e8)
    monkeypatch.setattr("cospace.compiler.engines.starts.PREPARING", math.inf)
    monkeypatch.setattr("cospace.compiler.engines.starts.DRAWING", math.inf)


@pytest.mark.parametrize("text", [BAND, PRODUCT], ids=["sum", "product"])
@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_meets_feasible_designs_where_few_are(name: str, text: str) -> None:
    space = compiled(text)
    found = look(space, [(ENGINES[name](300), None)], 1)
    assert found.evaluated <= 300 and len(found.designs) == 1
    assert all(holds_at(r, found.designs[0]) for r in space.requirements)


def test_an_engine_that_draws_by_itself_begins_where_only_the_list_of_designs_is_drawn_from() -> None:
    """Here a draw takes no proposal, and designs drawn decision by decision meet nothing."""
    decisions = ", ".join(f"d{i}" for i in range(12))
    same = " and ".join(f"d{i} == d{i + 1}" for i in range(11))
    space = compiled(f"space chain\n{decisions} = choose 1..9\nrequire {same}\nminimize d0 + d11")
    for name in ENGINES:
        assert look(space, [(ENGINES[name](200), None)], 3).designs, name


def test_draws_repeat_what_was_met_and_are_then_not_said_to_be_uniform() -> None:
    problem, again = Problem(compiled(PRODUCT), 1_000, 5), Problem(compiled(PRODUCT), 1_000, 5)
    rows = problem.draw(64)
    _, violated = problem.evaluate(rows)
    assert rows.shape == (64, 12) and not violated.any() and not problem.uniform
    assert 2 <= len(numpy.unique(rows, axis=0)) < 64
    assert (rows == again.draw(64)).all() and (problem.draw(5) == again.draw(5)).all(), "one seed draws the same"


def test_drawing_ends_where_its_steps_do(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts.prepare(compiled(PRODUCT))
    assert starts is not None
    random = numpy.random.default_rng(0)
    met = len(numpy.unique(starts.draw(64, random, 0), axis=0))
    asked = []
    some = Sampler.some
    monkeypatch.setattr(Sampler, "some", lambda self, *given: asked.append(given) or some(self, *given))
    assert len(numpy.unique(starts.draw(64, random, 0), axis=0)) <= met and not asked, "no step is left"
    starts.draw(64, random, 100)
    assert asked and sum(steps for _, _, steps in asked) <= 1e8, "designs that are priced bring more"


def test_where_none_is_met_rows_are_drawn_decision_by_decision() -> None:
    problem = Problem(compiled(NOWHERE), 1_000, 2)
    rows = problem.draw(64)
    _, violated = problem.evaluate(rows)
    assert len(numpy.unique(rows, axis=0)) == 64 and violated.all() and not problem.uniform
    found = look(compiled(NOWHERE), [(Climb(300), None)])
    assert found.evaluated == 300 and not found.designs


def test_what_was_met_before_the_time_ends_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cospace.compiler.engines.starts.EFFORT", 1e9)
    some, calls = Sampler.some, []

    def cut(self: Sampler, *given: float) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise clock.Expired
        return some(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Sampler, "some", cut)
    problem = Problem(compiled(PRODUCT), 1_000, 1)
    rows = problem.draw(64)
    assert len(calls) == 3 and not problem.evaluate(rows)[1].any()
    assert 1 < len(numpy.unique(rows, axis=0)) < 64


def test_a_later_step_begins_at_what_an_earlier_one_left() -> None:
    space = compiled(PRODUCT)
    problem = Problem(space, 1_000)
    problem.base = problem.draw(1)[0]
    problem.free = [0, 1, 2]
    rows = problem.draw(6)
    assert (rows[0] == problem.base).all() and (rows[:, 3:] == problem.base[3:]).all()
    steps = [(Climb(200), frozenset("abcdef")), (Descent(200), frozenset("ghijkl"))]
    assert look(space, steps).designs


def test_some_are_those_that_are_drawn_and_uniform_over_what_is_feasible() -> None:
    text = "space s\na, b, c, d = choose 1..12\nrequire (a * b + 3) * (c * d + 1) == 60"
    space = compiled(text)
    sampler = Sampler(space)
    some, steps = sampler.some(50, 3, 1e9)
    assert (some.rows() == sampler.draw(50, 3).rows()).all() and steps < 1e9
    whole = {r for r in itertools.product(range(1, 13), repeat=4) if (r[0] * r[1] + 3) * (r[2] * r[3] + 1) == 60}
    counts: Counter[tuple[int, ...]] = Counter()
    for seed in range(200):
        drawn, _ = sampler.some(1_000, seed, 1e5)
        counts.update(tuple(int(i) + 1 for i in row) for row in drawn.rows())
    assert set(counts) == whole
    mean = counts.total() / len(whole)
    assert sum((n - mean) ** 2 / mean for n in counts.values()) < 2 * len(whole) + 20


def test_components_share_the_steps() -> None:
    """What one component takes leaves enough for the other, although each alone would take all."""
    one = PRODUCT.replace(GOAL, "")
    other = re.sub(r"\b([a-l]|energy|delay)\b", r"\1_2", one.partition("\n")[2].partition("\n")[2])
    drawn, steps = Sampler(compiled(one + other)).some(1_000, 0, 1e9)
    assert 1 <= len(drawn) < 1_000 and 0.5e9 < steps < 1.5e9


def test_checks_that_fail_most_are_asked_first_and_decide_the_same() -> None:
    loose = " + ".join(f"{v} ^ 3 / (1 + {w})" for v in "abcdef" for w in "abcdef")
    text = f"space s\na, b, c, d, e, f = choose 1..60\nrequire a * b == c * d + e\nrequire {loose} >= 9_000"
    space = compiled(text)
    sampler = Sampler(space)
    checks = sampler.frame.clauses(space.requirements)
    staged = Staged(checks, space.decisions)
    whole = staged.work
    rows = numpy.random.default_rng(1).integers(0, 60, size=(4 * SEEN, 6))
    first, second = staged(rows[: 2 * SEEN]), staged(rows[2 * SEEN :])
    assert staged.work < whole / 2
    held = numpy.concatenate([first, second])
    assert 10 < held.sum() < len(held) / 8
    for i in [*numpy.flatnonzero(held)[:40].tolist(), *range(200)]:
        assert held[i] == all(holds_at(r, decode(space.decisions, rows[i])) for r in space.requirements)
