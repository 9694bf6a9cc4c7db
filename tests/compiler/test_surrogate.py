"""The engine for a dear objective: its process, the growth of a front that it expects, and what it finds."""

from __future__ import annotations

from contextlib import suppress

import numpy
import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.engines.gaussian import Beliefs, Points, fit, kernel_of
from cospace.compiler.engines.improvement import expected, stairs
from cospace.compiler.engines.problem import Problem, Spent
from cospace.compiler.engines.surrogate import Surrogate
from cospace.compiler.space.model import Space

TEXT = """
space trade
kind = choose {none, small, large}
deep = choose 1..WIDE
wide = choose 1..12
spare = choose {1, 2} when kind == large
grain = choose {1, 2, 4, 8}
cost = deep * wide * (if kind == large then 3 * spare else 1) + grain
error = 1 / (1 + deep) + 2 / (3 + wide) + (if kind == none then 1 / 2 else if kind == small then 1 / 5 else 1 / 10)
require deep + wide <= 18
minimize error
minimize cost
"""


def space_of(wide: int = 12, more: str = "") -> Space:
    found = compile_text(TEXT.replace("WIDE", str(wide)) + more)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


def area(goals: numpy.ndarray) -> float:
    """What points dominate up to (1.6, log 1000), costs as logarithms."""
    costs, values = numpy.log(goals[:, 1]), goals[:, 0]
    front = stairs(costs, values)
    ends = numpy.append(costs[front][1:], numpy.log(1000.0))
    return float(((ends - costs[front]) * (1.6 - values[front])).sum())


def searched(space: Space, engine: object, evaluations: int, seed: int) -> Problem:
    problem = Problem(space, evaluations, seed)
    with suppress(Spent):
        engine.run(problem)  # type: ignore[attr-defined]
    return problem


@pytest.mark.parametrize("more", ["", "minimize grain * wide"])
def test_a_front_is_met_with_few_evaluations_of_what_is_dear(more: str) -> None:
    """Of 3,360 designs, with one or two known objectives: nearer to the exact front than as many at random, by far."""
    space = space_of(more=more)
    sizes = [len(d.values) for d in space.decisions]
    rows = numpy.stack(numpy.unravel_index(numpy.arange(numpy.prod(sizes)), sizes), axis=1)
    every = Problem(space, 0)
    goals, violated = every.evaluate(every.fill(rows))
    whole = area(goals[violated == 0])
    for seed in range(2):
        problem = searched(space, Surrogate(80), 80, seed)
        assert problem.evaluated == 80
        met = problem.found()[1]
        assert len(met) == 80, "what is infeasible is known, and never asked for"
        drawn = numpy.random.default_rng(seed).choice(numpy.flatnonzero(violated == 0), 80, replace=False)
        assert whole - area(met) < (whole - area(goals[drawn])) / 4


def test_candidates_are_bred_where_there_are_too_many_to_list() -> None:
    space = space_of(wide=12, more="".join(f"a{i} = choose 1..9\nrequire a{i} <= wide + 8\n" for i in range(5)))
    problem = searched(space, Surrogate(25), 25, 1)
    again = searched(space, Surrogate(25), 25, 1)
    assert problem.evaluated == 25 and len(problem.found()[0]) == 25
    assert (problem.found()[0] == again.found()[0]).all(), "one seed, one search"


def test_it_ends_where_every_design_was_evaluated() -> None:
    space = space_of()
    problem = searched(space, Surrogate(100_000), 100_000, 0)
    assert problem.evaluated == count(space).feasible


def points(random: numpy.random.Generator, n: int) -> tuple[Points, numpy.ndarray]:
    rows = numpy.stack(
        [random.integers(3, size=n), random.integers(12, size=n), random.integers(-1, 2, size=n)], axis=1
    )
    known = random.normal(size=(n, 1))
    return Points(rows, known), rows[:, 0] + 0.1 * rows[:, 1] + numpy.sin(known[:, 0])


def test_beliefs_grow_as_if_all_had_been_told_at_once() -> None:
    random = numpy.random.default_rng(0)
    decisions = [d for d in space_of().decisions if d.path in ("kind", "wide", "spare")]
    decisions.sort(key=lambda d: ("kind", "wide", "spare").index(d.path))
    seen, values = points(random, 40)
    candidates, told = points(random, 60)
    kernel = fit(kernel_of(decisions, 1), seen, values, 20)
    grown = Beliefs(kernel, candidates, seen, values)
    for at in (numpy.arange(0, 5), numpy.arange(5, 12)):
        grown.add(at, told[at])
    every = Points(
        numpy.concatenate([seen.rows, candidates.rows[:12]]), numpy.concatenate([seen.known, candidates.known[:12]])
    )
    alike = kernel(every, every).astype(float) + (kernel.noise + 1e-6) * numpy.eye(52)
    across = kernel(candidates, every).astype(float)
    scaled = (numpy.concatenate([values, told[:12]]) - values.mean()) / values.std()
    mean = values.mean() + values.std() * across @ numpy.linalg.solve(alike, scaled)
    left = 1 + kernel.noise - (across * numpy.linalg.solve(alike, across.T).T).sum(axis=1)
    assert numpy.abs(grown.mean - mean).max() < 1e-2
    own = (values - values.mean()) / values.std()
    first = kernel(seen, seen).astype(float) + (kernel.noise + 1e-6) * numpy.eye(40)
    variance = own @ numpy.linalg.solve(first, own) / 40
    deviation = values.std() * numpy.sqrt(variance * left)
    assert numpy.abs(grown.deviation / deviation - 1)[12:].max() < 1e-2
    error = numpy.abs(grown.mean - told)[12:].mean()
    assert error < 0.5 * numpy.abs(told.mean() - told)[12:].mean(), "and it tells something of what it has not seen"


def test_expected_growth_is_that_of_draws() -> None:
    random = numpy.random.default_rng(1)
    costs, values = numpy.array([1.0, 2.0, 3.5]), numpy.array([5.0, 3.0, 1.0])
    mean, deviation, at = (
        numpy.log([2.0, 4.0, 0.8, 6.0]),
        numpy.array([0.2, 0.5, 0.1, 0.3]),
        numpy.array([1.5, 0.5, 4.0, 3.0]),
    )
    found = expected(mean, deviation, at, (costs, values), 6.0, 5.0)

    def dominated(xs: numpy.ndarray, ys: numpy.ndarray) -> float:
        front = stairs(xs, ys)
        ends = numpy.append(xs[front][1:], 5.0)
        return float(((ends - xs[front]) * numpy.maximum(6.0 - ys[front], 0)).sum())

    for i in range(4):
        drawn = numpy.exp(random.normal(mean[i], deviation[i], size=4_000))
        grown = [dominated(numpy.append(costs, at[i]), numpy.append(values, v)) for v in drawn]
        assert abs(numpy.mean(grown) - dominated(costs, values) - found[i]) < 0.05 + 4 * numpy.std(grown) / 4_000**0.5
