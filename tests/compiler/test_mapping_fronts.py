"""Mappings that may be the best for some accelerator, against trying every one for each: at random, in texts."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import prod
from pathlib import Path
from random import Random
from re import sub
from shutil import copy

import pytest
from cospace.compiler import solved
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNDEFINED, evaluate, solve_maps
from cospace.compiler.mappings import fronts, pruned
from cospace.compiler.space.graph import NUMBER, Expr, MapProblem, var
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.schema import dumps, to_json

from tests.compiler.random_mappings import random_problem
from tests.compiler.spaces import JOBS, designs
from tests.compiler.test_mappings import NEST

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


@pytest.mark.parametrize("parts", [False, True])
def test_whatever_is_given_the_best_of_all_is_among_those_that_are_left(
    monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    split = []
    real = fronts._Finder._split
    monkeypatch.setattr(fronts._Finder, "_split", lambda *given: split.append(real(*given)) or split[-1])  # type: ignore[func-returns-value]
    if parts:  # into as many as can be, a few rows at a time
        monkeypatch.setattr(fronts, "CELLS", 2)
        monkeypatch.setattr(fronts, "PAIRS", 8)
        monkeypatch.setattr(fronts, "WORTH", 1_000)
        monkeypatch.setattr(pruned, "MANY", 2)
    seen = left = every = none = 0
    for seed in range(40):
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
    assert seen >= 15
    assert none >= 10
    assert left < every / 3
    assert (sum(s is not None for s in split) >= 30) is parts


def ruled(space: Space, work: str, name: str) -> Expr:
    """What a rule says a quantity is, over its maps."""
    (placement,) = next(w for w in space.works if w.path == work).placements
    value = dict(placement.quantities)[name]
    return value.args[0] if value.op == "solve" else value


def quantity(space: Space, name: str, design: Design) -> object:
    return evaluate(dict(space.works[0].placements[0].quantities)[name], design)


TEXT = (
    "space several"
    + JOBS
    + """
network net(x: data.row) { job(job(x, m = 6, n = 8), m = 9, n = 20) }
precision of net { both = 8 bit }
size  = choose {9, 24, 60, 100} bit
wide  = choose {1, 2, 4}
speed = choose {1, 3}
accelerator chip {
    on matmul(m, k, n, wbits) {
        a, b = map divisors(k)
        c = map divisors(n)
        order = map {outer, inner}
        require a * wbits + b * 2 bit <= size "it fits"
        require b * c <= 4 * wide "so many at once"
        moved = (if order == outer then b else 2 * a) * c + n / b
        steps = ceil(m * k / a) * n / (b * c)
        cycles = max(steps, moved / speed)
        energy = 3 pJ * steps + (2 pJ + 0.01 pJ * size / 1 bit) * moved
        minimize GOAL
    }
    energy = sum(works.energy); cycles = sum(works.cycles)
}
minimize chip.energy * chip.cycles
"""
)


@pytest.mark.parametrize("goal", ["energy * cycles", "cycles"])
def test_a_text_costs_the_same_whether_mappings_are_left_out_or_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, goal: str
) -> None:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(solved, "ROWS", 0)
    monkeypatch.setattr(solved, "TRIED", 0)
    made = []
    for few in (False, True, True):  # the last time as it was kept
        monkeypatch.setattr(placing, "LARGE", 2 if few else 1 << 20)
        compiled = compile_text(TEXT.replace("GOAL", goal))
        assert compiled.space is not None
        problems = [w.placements[0].quantities[-1][1].payload for w in compiled.space.works]
        assert all(isinstance(p, MapProblem) and len(p.maps) == 1 for p in problems) is few
        made.append(compiled.space)
    every, narrow, kept = made
    assert dumps(to_json(narrow)) == dumps(to_json(kept))
    feasible = 0
    for design in designs(every):
        fits = [all(evaluate(r.value, design) is True for r in s.requirements) for s in (every, narrow)]
        assert fits[0] is fits[1]
        shown = [solve_maps(w.placements[0].problem, design) for w in narrow.works]
        assert fits[0] is all(isinstance(s, dict) for s in shown)
        if not fits[0]:
            continue
        feasible += 1
        assert evaluate(every.objectives[0].value, design) == evaluate(narrow.objectives[0].value, design)
        for work, maps in zip(narrow.works, shown, strict=True):
            whole = {**design, **maps}  # type: ignore[dict-item]
            (placement,) = work.placements
            for name, quantity in placement.quantities:
                assert evaluate(quantity, design) == evaluate(ruled(every, work.path, name), whole), name
    assert 10 <= feasible < 24


def test_every_accelerator_has_the_layers_cost_that_bounds_prove_for_it_alone(tmp_path: Path) -> None:
    copy(NEST.parent / "nest.cospace", tmp_path)
    text = NEST.read_text()
    opened = {
        "elements": "{4, 9, 16}",
        "buffer": "{64, 200, 1024} byte",
        "file": "{3, 8, 24, 40} byte",
        "port": "{8, 64, 96} bit",
        "channel": "{8, 16, 48} bit",
    }
    for path, values in opened.items():
        text = sub(rf"(?m)^param {path} .*$", f"{path} = choose {values}", text)
    (tmp_path / "opened.cospace").write_text(text)
    layer = {"outs": "6", "ins": "4", "rows": "4", "cols": "2", "stride": "2"}
    compiled = compile_file(tmp_path / "opened.cospace", layer)
    assert compiled.space is not None
    one = compiled.space
    for row in ((0, 0, 0, 1, 1), (1, 2, 2, 0, 0), (2, 0, 1, 2, 2)):
        design = {d.path: d.values[k] for d, k in zip(one.decisions, row, strict=True)}
        fixed = {
            d.path: f"{value} {'bit' if d.path != 'elements' else ''}"
            for d, value in zip(one.decisions, design.values(), strict=True)
        }
        alone = compile_file(NEST, {**layer, **fixed}).space
        assert alone is not None
        asked = [[evaluate(r.value, design) for r in s.requirements if r.origin == "map"] for s in (one, alone)]
        assert all(asked[0]) is all(asked[1])
        if all(asked[0]):
            for name in ("energy", "cycles"):
                assert quantity(one, name, design) == quantity(alone, name, {})
