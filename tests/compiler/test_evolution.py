"""Mappings that evolution meets: against trying every one, the same each time, kept, and never told as proved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from math import prod
from pathlib import Path
from random import Random

import numpy
import pytest
from cospace.checker import certificates as checker
from cospace.compiler import solved, solved_met
from cospace.compiler.checks.check import check
from cospace.compiler.checks.difference import difference
from cospace.compiler.conflicts.why import why
from cospace.compiler.cost import breakdown
from cospace.compiler.counting.count import count
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import Compiled, compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.engines.best import best
from cospace.compiler.engines.search import search
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNDEFINED, evaluate, solve_maps
from cospace.compiler.mapping import describe
from cospace.compiler.mappings import evolution
from cospace.compiler.mappings.evolution import evolve_mappings
from cospace.compiler.proofs.tabulate import tabulate
from cospace.compiler.space.graph import NUMBER, MapDecision, MapProblem, add, branch, const, eq, le, mod, mul, var
from cospace.compiler.space.model import Decision, Space
from cospace.compiler.space.schema import dumps, from_json, to_json

from tests.compiler.random_mappings import random_problem
from tests.compiler.test_solved import HEAD

NOTHING = numpy.zeros((1, 0), dtype=numpy.int64)
BANKED = (
    HEAD
    + """
accelerator chip {
    size = choose {20, 60, 400} bit
    on matmul(m, k, n) {
        a, b = map 1..SIZE
        order = map orders({A, B, C})
        require a * b * 1 bit <= size "it fits"
        require mod(a * b, 5) FITS "banks"
        first = sum(1 for l in down_to(order, {A}))
        cycles = ceil(m * n / a) * first + ceil(k / b) * (1 + mod(a * 7 + b * 3, 11))
        energy = 1 pJ * a * b * first
    }
    cycles = sum(works.cycles)
    energy = sum(works.energy)
}
minimize chip.cycles
LIMIT
"""
)
"""Joined in ways that bounds know nothing of, and small enough to try every mapping."""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evolution, "ROUNDS", 3)
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No number of mappings is small enough to be listed, and no bounds tell the best."""

    def gives_up(members: object) -> None:
        raise NotExact("bounds know nothing of it")

    for name in ("LISTED", "TRIED"):
        monkeypatch.setattr(solved, name, 1)
    monkeypatch.setattr(solved, "_prove", gives_up)
    monkeypatch.setattr(placing, "LARGE", 2)


def banked(limit: str = "", fits: str = "!= 3", size: int = 24, energy: str = "first") -> Compiled:
    text = BANKED.replace("* first\n    }", f"* {energy}\n    }}").replace("SIZE", str(size))
    return compile_text(text.replace("LIMIT", limit).replace("FITS", fits))


def space_of(compiled: Compiled) -> Space:
    assert compiled.space is not None, compiled.diagnostics
    return compiled.space


def goals_of(problem: MapProblem, taken: list[int]) -> list[Fraction]:
    """Of a mapping that meets the requirements."""
    design = {m.path: m.values[k] for m, k in zip(problem.maps, taken, strict=True)}
    assert all(evaluate(r, design) is True for r in problem.requirements)
    return [evaluate(g, design) for g in problem.goals]  # type: ignore[misc]


def least_of(problem: MapProblem) -> list[Fraction] | None:
    found = solve_maps(problem, {})
    if found is UNDEFINED:
        return None
    return [evaluate(g, found) for g in problem.goals]  # type: ignore[arg-type, misc]


def small() -> Iterator[MapProblem]:
    for seed in range(5_000, 5_024):
        problem = random_problem(Random(seed))
        if 200 <= prod(len(m.values) for m in problem.maps) <= 5_000:
            yield problem


def test_of_small_problems_nearly_all_are_met_at_the_least_and_bounds_hold() -> None:
    equal = every = bounded = 0
    for problem in small():
        ((row,), _) = solved_met.meet(problem, [], [], NOTHING, 1)
        wanted = least_of(problem)
        if wanted is None:
            assert row.taken is None
            continue
        assert row.taken is not None and not row.none
        goals = goals_of(problem, list(row.taken))
        every, equal = every + 1, equal + (goals == wanted)
        assert goals[0] <= wanted[0] + abs(wanted[0]) / 20
        if row.share is not None:
            assert goals[0] <= wanted[0] * (1 + row.share)
            bounded += 1
    assert every >= 12 and equal >= every - 1 and bounded >= every // 2


def test_a_map_that_is_not_there_and_one_whose_values_hang_on_another() -> None:
    a, b, c = (var(p, NUMBER) for p in "abc")
    values = tuple(Fraction(v) for v in range(1, 31))
    few = tuple(le(b, const(v)) for v in range(1, 31))
    maps = (
        MapDecision("b", values, NUMBER),
        MapDecision("a", values, NUMBER, guard=le(const(20), b)),
        MapDecision("c", values, NUMBER, allowed=few),
    )
    product = branch(le(const(20), b), mul(a, b), b)
    problem = MapProblem("w", maps, (eq(mod(mul(product, c), const(7)), const(5)),), (add(c, mod(product, const(13))),))
    wanted = solve_maps(problem, {})
    assert isinstance(wanted, dict)
    ((row,), _) = solved_met.meet(problem, [], [], NOTHING, 1)
    assert row.taken is not None
    taken = {m.path: m.values[k] for m, k in zip(maps, row.taken, strict=True)}
    if taken["b"] < 20:
        assert row.taken[1] == 0
        del taken["a"]
    assert taken["c"] >= taken["b"] and all(evaluate(r, taken) is True for r in problem.requirements)
    assert evaluate(problem.goals[0], taken) == evaluate(problem.goals[0], wanted)


def test_a_row_has_the_same_mappings_alone_and_among_others_each_time() -> None:
    n = var("n", NUMBER)
    maps = tuple(MapDecision(p, tuple(Fraction(v) for v in range(1, 200)), NUMBER) for p in "xyz")
    x, y, z = (var(p, NUMBER) for p in "xyz")
    asked = le(const(9_000), mul(x, y, z, n))
    problem = MapProblem("w", maps, (asked,), (add(mul(x, mod(y, n)), z, mod(mul(x, z), const(17))),))
    read = [Decision("n", "choose", tuple(Fraction(v) for v in (3, 5, 8)), NUMBER)]
    together = evolve_mappings(problem, read, numpy.array([[0], [1], [2]]), 7)
    again = evolve_mappings(problem, read, numpy.array([[0], [1], [2]]), 7)
    for k in range(3):
        assert len(together.rows[k]) > 1
        alone = evolve_mappings(problem, read, numpy.array([[k]]), 7)
        assert together.rows[k].tolist() == alone.rows[0].tolist() == again.rows[k].tolist()


@pytest.mark.usefixtures("forced")
def test_a_text_costs_what_it_costs_solved_and_says_that_nothing_is_proved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled = banked("require chip.cycles <= 90")
    space = space_of(compiled)
    (warning,) = compiled.diagnostics
    assert (warning.code, warning.severity) == ("CS510", "warning")
    assert "bounds know nothing" in warning.message and "tries" not in warning.message and "3,456" in warning.message
    monkeypatch.setattr(solved, "LISTED", 1 << 24)
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "none"))
    exactly = space_of(banked("require chip.cycles <= 90"))
    assert len(space.met) == 2 and not exactly.met
    for size in (20, 60, 400):
        design = {"chip.size": Fraction(size)}
        mine, theirs = (evaluate(s.objectives[0].value, design) for s in (space, exactly))
        assert theirs <= mine <= theirs * Fraction(21, 20)  # type: ignore[operator]

    said = "the best that evolution met, not proved the least"
    report = check(space)
    assert report.ok is None and not report.claims and report.proved == ("coverage: every work is served by a rule",)
    assert any(said.split(",")[1] in text for text in report.skipped) and check(exactly).ok is True
    found = count(space)
    assert not found.exact and found.bounds == (0, 3) and "not proved the least" in str(found.limit)
    assert count(exactly).exact
    kept = per_value_counts(space)
    assert kept is not None and not any(low for c in kept for low, _ in c.counts)
    one = best(space)
    assert one.designs == best(exactly).designs and not one.certified and one.bound is None
    assert "not proved the least" in one.how and search(space, []).gap == "unknown" != search(exactly, []).gap
    cost = breakdown(space, one.designs[0])
    assert "not proved the least" in cost["unproved"] and all("evolution met" in w["unproved"] for w in cost["works"])
    assert "unproved" not in breakdown(exactly, one.designs[0])
    layers = describe(space, one.designs[0])["layers"]
    assert all("not proved the least" in layer["unproved"] for layer in layers)
    assert "not proved the least" in str(why(space, one.designs[0]))
    other = difference(space, exactly)
    assert "not proved the least" in str(other.limit) and other.lost.count[1] and other.gained.count[1]


@pytest.mark.usefixtures("forced")
def test_what_no_design_meets_with_these_mappings_is_no_conflict() -> None:
    space = space_of(banked("require chip.cycles <= 1"))
    report = check(space)
    assert report.ok is None and not report.diagnostics and not report.claims
    assert any("no design is feasible with these mappings" in text for text in report.skipped)
    found = best(space)
    assert not found.designs and not found.certified
    said = why(space, {"chip.size": Fraction(20)})
    assert isinstance(said, tuple) and said[0].severity == "warning" and "not proved the least" in said[0].message


@pytest.mark.usefixtures("forced")
def test_where_none_is_met_that_is_said_and_where_none_can_be_it_is_known() -> None:
    never = "* (mod(a * b, 5) - 1) == 1"
    known = banked(fits=never)  # so few mappings are listed
    assert not known.diagnostics and not space_of(known).met
    compiled = banked(fits=never, size=66)
    (warning,) = compiled.diagnostics
    assert "at 6 combinations" in warning.message
    space = space_of(compiled)
    design = {"chip.size": Fraction(20)}
    answer = breakdown(space, design)
    assert answer["feasible"] is None and not answer["violated"] and "unproved" in answer
    again = from_json(json.loads(dumps(to_json(space))))
    assert breakdown(again, design)["feasible"] is None
    assert "no mapping was met" in str(describe(space, design)["layers"][0]["missing"]["unknown"])
    assert check(space).ok is None


@pytest.mark.usefixtures("forced")
def test_where_each_design_allows_few_they_are_tried_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solved, "LISTED", 1_000)
    allowed = BANKED.replace("a, b = map 1..SIZE", "a = map [t for t in 1..40 when t * 1 bit <= size]; b = map 1..24")
    text = allowed.replace("LIMIT", "").replace("FITS", "!= 3").replace("{20, 60, 400}", "{3, WIDE}")
    few, many = (space_of(compile_text(text.replace("WIDE", wide))) for wide in ("6", "400"))
    assert not few.met and len(many.met) == 2
    design = {"chip.size": Fraction(3)}
    assert evaluate(few.objectives[0].value, design) == evaluate(many.objectives[0].value, design)


@pytest.mark.usefixtures("forced")
def test_they_are_kept_as_met_and_written_as_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solved, "KEPT", 2)
    asked: list[int] = []
    real = solved_met.meet
    monkeypatch.setattr(solved_met, "meet", lambda *given: asked.append(1) or real(*given))  # type: ignore[func-returns-value]
    first = banked()
    assert asked
    asked.clear()
    second = banked()
    assert not asked and second.diagnostics == first.diagnostics
    written = dumps(to_json(space_of(first)))
    assert dumps(to_json(space_of(second))) == written
    assert from_json(json.loads(written)).met == space_of(first).met


@pytest.mark.usefixtures("forced")
def test_the_checker_believes_nothing_of_such_a_space() -> None:
    space = space_of(banked())
    text = dumps(to_json(space, tabulate(space)))
    mark = checker.Space(text).mark
    claims = {"format": "cospace certificates", "schema": 1, "space": mark, "certificates": [], "unproved": []}
    ((_, reason),) = checker.judge((text, json.dumps(claims)))
    assert "not proved the least" in str(reason)


@pytest.mark.usefixtures("forced")
def test_quantities_that_are_not_rational_are_read_at_the_mapping_that_was_met() -> None:
    space = space_of(banked(energy="sqrt(b)"))
    design = {"chip.size": Fraction(60)}
    for work in breakdown(space, design)["works"]:
        a, b = (work["maps"][f"{work['path']}.{m}"] for m in "ab")
        assert work["energy"]["value"] == pytest.approx(a * b * b**0.5)
