"""Mappings proved by bounds against trying every one: at random, in texts, where none fits, where it is too much."""

from __future__ import annotations

import math
from fractions import Fraction
from math import prod
from pathlib import Path
from random import Random

import numpy
import pytest
from cospace.compiler import solved
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNDEFINED, evaluate, solve_maps
from cospace.compiler.mapping import describe
from cospace.compiler.mappings import groups, solve
from cospace.compiler.mappings.better import undominated
from cospace.compiler.mappings.closed import close
from cospace.compiler.mappings.dual import Dual
from cospace.compiler.mappings.effort import GaveUp
from cospace.compiler.mappings.solve import best
from cospace.compiler.space.graph import NUMBER, MapDecision, MapProblem, add, const, le, mul, negative, sqrt, var
from cospace.compiler.space.schema import dumps, to_json

from tests.compiler.random_mappings import random_problem
from tests.compiler.test_solved import TILED

NEST = Path(__file__).resolve().parents[2] / "benchmarks" / "spaces" / "full_nest.cospace"
MOST = 2_000
"""Mappings that are tried one by one, at most."""


def count(problem: MapProblem) -> int:
    return prod(len(m.values) for m in problem.maps)


def small(seeds: range) -> list[MapProblem]:
    return [p for p in (random_problem(Random(seed)) for seed in seeds) if count(p) <= MOST]


def tried(problem: MapProblem) -> tuple[int, ...] | None:
    found = solve_maps(problem, {})
    return (
        None if found is UNDEFINED else tuple(m.values.index(found[m.path]) for m in problem.maps)  # type: ignore[index]
    )


@pytest.mark.parametrize("joined", [1, 40])
def test_random_problems_have_the_mapping_that_trying_every_one_finds(
    monkeypatch: pytest.MonkeyPatch, joined: int
) -> None:
    monkeypatch.setattr(groups, "MOST", joined)
    equal = looked = every = none = 0
    for problem in small(range(1_000 * joined, 1_000 * joined + 40)):
        try:
            found = best(problem, {})
        except NotExact:
            continue
        assert found.taken == tried(problem)
        equal, none = equal + 1, none + (found.taken is None)
        looked, every = looked + found.looked, every + count(problem)
    assert equal >= 32
    assert 3 <= none <= equal // 2
    assert looked < every / 4


def test_no_weights_give_a_bound_above_a_mapping() -> None:
    generator = numpy.random.default_rng(3)
    seen = 0
    for problem in small(range(40)):
        found, closed = tried(problem), close(problem, {})
        if found is None or closed is None:
            continue
        design = {m.path: m.values[k] for m, k in zip(problem.maps, found, strict=True)}
        least = evaluate(problem.goals[0], design)
        try:
            made = groups.cases(closed)
        except NotExact:
            continue
        assert isinstance(least, Fraction)
        lows = []
        for case in made:
            dual = Dual(case.structure)
            batch = dual.start()
            some = batch.at(numpy.zeros(50, dtype=numpy.int64))
            weights = generator.normal(0, 2, some.weights.shape)
            weights[:, dual.limits] = numpy.maximum(weights[:, dual.limits], 0)
            some = some.weighed(weights)
            lows.append(dual.bound(some, dual.ends(some)).low)
        assert min(float(low.max()) for low in lows) <= math.log(least) + 1e-12
        seen += len(lows)
    assert seen >= 20


@pytest.mark.parametrize("goal", ["cycles", "energy * cycles", "max(cycles, 40)"])
def test_a_text_is_the_same_space_proved_or_listed(monkeypatch: pytest.MonkeyPatch, goal: str) -> None:
    monkeypatch.setattr(placing, "LARGE", 2)
    asked = []
    real = solve.best
    monkeypatch.setattr(solve, "best", lambda *given: asked.append(given) or real(*given))  # type: ignore[func-returns-value]
    made = []
    for listed in (1 << 24, 0):
        monkeypatch.setattr(solved, "LISTED", listed)
        compiled = compile_text(TILED.replace("GOAL", goal))
        assert compiled.space is not None
        made.append(dumps(to_json(compiled.space)))
        assert bool(asked) is (listed == 0)
    assert made[0] == made[1]


def test_a_convolution_with_more_mappings_than_anyone_can_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = []
    real = solve.best
    monkeypatch.setattr(solve, "best", lambda *given: taken.append(real(*given)) or taken[-1])  # type: ignore[func-returns-value]
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))
    compiled = compile_file(NEST, {"ins": "32", "outs": "32", "rows": "14", "cols": "14"})
    assert compiled.space is not None
    assert [one.bounded + one.looked < 1_000_000 for one in taken] == [True]
    (placement,) = compiled.space.works[0].placements
    assert count(placement.problem) == 56**2 * 16**2 * 4**2 * 720**2
    (layer,) = describe(compiled.space, {})["layers"]
    assert layer["missing"] is None
    assert [level["level"] for level in layer["loops"]] == ["memory", "buffer", "array", "registers"]
    steps = prod(int(x["trips"]) for level in layer["loops"] for x in level["loops"])
    assert steps == 32 * 32 * 14 * 14 * 9  # the nest covers the layer


def test_where_no_mapping_fits_it_is_proved() -> None:
    compiled = compile_file(NEST, {"file": "3 byte", "rows": "8", "cols": "8", "nest.psum": "32 bit"})
    assert compiled.space is not None
    (needed,) = [r for r in compiled.space.requirements if r.origin == "map"]
    assert needed.value.is_const
    assert needed.value.value is False


def product_of(numbers: int, size: int) -> MapProblem:
    """The least of m0 + 2 m1 + 3 m2 + ..., of numbers whose product is at least a half of the largest."""
    maps = tuple(MapDecision(f"m{n}", tuple(Fraction(k) for k in range(1, size + 1)), NUMBER) for n in range(numbers))
    x = [var(m.path, NUMBER) for m in maps]
    weighed = [mul(const(n + 1), v) for n, v in enumerate(x)]
    return MapProblem("work", maps, (le(const(size**numbers // 2), mul(*x)),), (add(*weighed),))


def test_a_sum_over_a_product_that_must_be_large() -> None:
    found = best(product_of(5, 16), {})
    every = numpy.stack(numpy.unravel_index(numpy.arange(16**5), (16,) * 5)) + 1
    sums = numpy.where(every.prod(axis=0) >= 16**5 // 2, numpy.arange(1, 6) @ every, 10**6)
    assert found.taken == tuple(every[:, int(sums.argmin())] - 1)
    assert found.looked < 16**5 // 10


def test_what_would_take_too_much_is_given_up() -> None:
    with pytest.raises(GaveUp):
        best(product_of(8, 40), {}, most=1_000)


@pytest.mark.parametrize("goal", [negative(var("m0", NUMBER)), sqrt(var("m0", NUMBER))])
def test_what_bounds_do_not_know_is_refused(goal) -> None:
    maps = tuple(MapDecision(f"m{n}", (Fraction(1), Fraction(2)), NUMBER) for n in range(2))
    with pytest.raises(NotExact):
        best(MapProblem("work", maps, (), (goal,)), {})


def test_of_values_only_those_count_that_no_other_is_as_good_as() -> None:
    problem = product_of(2, 3)
    closed = close(problem, {})
    assert closed is not None
    assert undominated(closed.says["m0"], 3) == [0, 1, 2]  # less is better for the sum, more for the product
    free = close(MapProblem("work", problem.maps, (), problem.goals), {})
    assert free is not None
    assert undominated(free.says["m0"], 3) == [0]
