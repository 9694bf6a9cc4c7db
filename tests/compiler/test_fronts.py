"""Mappings that may be the best for some accelerator against trying every one for each: at random, in texts, by parts."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import prod
from random import Random

import pytest
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNDEFINED, evaluate, solve_maps
from cospace.compiler.mappings import fronts
from cospace.compiler.space.graph import NUMBER, MapProblem, var

from tests.compiler.random_mappings import random_problem

OUTER = {"room": tuple(map(Fraction, (1, 2, 5))), "speed": (Fraction(1, 3), Fraction(2), Fraction(7))}
MOST = 1_000
"""Mappings that are tried one by one, at most."""


def tried(problem: MapProblem, given: dict[str, Fraction]) -> list[object] | None:
    """The goals of the best of all mappings."""
    found = solve_maps(problem, given)
    return None if found is UNDEFINED else [evaluate(g, {**given, **found}) for g in problem.goals]  # type: ignore[dict-item]


def least(problem: MapProblem, rows: list[list[int]], given: dict[str, Fraction]) -> list[object] | None:
    """The same of some mappings."""
    known = []
    for row in rows:
        design = {**given, **{m.path: m.values[k] for m, k in zip(problem.maps, row, strict=True)}}
        if all(evaluate(r, design) is True for r in problem.requirements):
            known.append([evaluate(g, design) for g in problem.goals])
    return min(known, default=None)  # type: ignore[type-var]


@pytest.mark.parametrize(("cells", "pairs"), [(1 << 17, 1 << 21), (4, 8)])
def test_whatever_is_given_the_best_of_all_is_among_those_that_are_left(
    monkeypatch: pytest.MonkeyPatch, cells: int, pairs: int
) -> None:
    monkeypatch.setattr(fronts, "CELLS", cells)
    monkeypatch.setattr(fronts, "PAIRS", pairs)
    seen = left = every = none = 0
    for seed in range(60):
        problem = random_problem(Random(seed), [var(p, NUMBER) for p in OUTER])
        if not problem.free or prod(len(m.values) for m in problem.maps) > MOST:
            continue
        try:
            rows = fronts.front(problem, {p: OUTER[p] for p in problem.free}).tolist()
        except NotExact:
            continue
        seen, left, every = seen + 1, left + len(rows), every + prod(len(m.values) for m in problem.maps)
        assert rows == sorted(rows)
        for values in itertools.product(*OUTER.values()):
            given = dict(zip(OUTER, values, strict=True))
            wanted = tried(problem, given)
            assert least(problem, rows, given) == wanted
            none += wanted is None
    assert seen >= 25
    assert none >= 10
    assert left < every / 3
