"""Backends on a shipped spec (guarded works, conditional decisions), designs as text, and enclosures."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.driver import compile_file
from cospace.compiler.exact import enclosures
from cospace.compiler.exact.exact import UNDEFINED, UNKNOWN, Enclosure, evaluate, evaluate_all, solve_maps
from cospace.compiler.numbers.numbers import Decider, Program
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import DesignError, decode, encode, parse_design
from cospace.compiler.space.model import Decision, Space, show

SPEC = Path(__file__).parents[2] / "specs" / "gcos.cospace"


@pytest.fixture(scope="module")
def space() -> Space:
    made = compile_file(SPEC).space
    assert made is not None
    return made


def random_rows(space: Space, n: int, seed: int) -> numpy.ndarray:
    """Raw designs: each live decision uniform over its values, requirements not asked."""
    rng = numpy.random.default_rng(seed)
    designs = []
    for _ in range(n):
        design: dict[str, g.Value] = {}
        for d in space.decisions:
            if evaluate(d.guard, design) is True:
                allowed = [
                    v for i, v in enumerate(d.values) if d.allowed is None or evaluate(d.allowed[i], design) is True
                ]
                design[d.path] = allowed[int(rng.integers(len(allowed)))]
        designs.append(design)
    return encode(space.decisions, designs)


def test_objectives_and_requirements_are_exact_at_random_designs(space: Space) -> None:
    rows = random_rows(space, 40, seed=1)
    costs = [o.value for o in space.objectives if not o.measured]
    wanted = [g.either(g.negate(r.guard), r.value) for r in space.requirements]
    program = Program([*costs, *wanted], space.decisions)
    values = program(rows)
    decider = Decider(wanted, space.decisions)
    decided = decider(rows)
    assert program._parts, "the works of the alternatives are evaluated apart"
    bounder = Bounder({d.path: d.values for d in space.decisions})
    ranges = [bounder.bounds(e) for e in costs]
    for i, row in enumerate(rows):
        design = decode(space.decisions, row)
        exact = evaluate_all([*costs, *wanted], design)
        for j, (value, result) in enumerate(zip(values, exact, strict=True)):
            if j >= len(costs):
                assert bool(decided[i, j - len(costs)]) is (result is True)
            elif result is UNDEFINED:
                assert math.isnan(value[i])
            else:
                assert isinstance(result, Fraction)
                assert value[i] == pytest.approx(float(result), rel=1e-12)
                assert ranges[j].low <= result <= ranges[j].high
    assert decider.doubted <= len(rows) // 10


def test_a_program_refuses_what_is_not_a_design(space: Space) -> None:
    program = Program([space.requirements[0].value], space.decisions)
    rows = random_rows(space, 3, seed=2)
    with pytest.raises(ValueError, match="shape"):
        program(rows[:, :-1])
    always = next(j for j, d in enumerate(space.decisions) if d.path in space.requirements[0].value.free)
    rows[1, always] = 99
    with pytest.raises(ValueError, match="has index 99"):
        program(rows)


def test_no_designs_are_no_rows(space: Space) -> None:
    values = Program([o.value for o in space.objectives if not o.measured], space.decisions)(
        random_rows(space, 1, seed=3)[:0]
    )
    assert all(v.shape == (0,) for v in values)


def test_designs_go_through_text_and_back(space: Space) -> None:
    for row in random_rows(space, 10, seed=4):
        design = decode(space.decisions, row)
        written = {p: show(v, space.decision(p).unit, space.decision(p).scale) for p, v in design.items()}
        assert parse_design(space, written) == design
        assert (encode(space.decisions, [design])[0] == row).all()


def test_a_design_is_refused_with_its_path_and_a_reason(space: Space) -> None:
    design = decode(space.decisions, random_rows(space, 1, seed=5)[0])
    written: dict[str, object] = {
        p: show(v, space.decision(p).unit, space.decision(p).scale) for p, v in design.items()
    }
    first = space.decisions[0].path
    dead = next(d.path for d in space.decisions if d.path not in design)
    for change, path, reason in (
        ({first: "nonsense"}, first, "not one of its values"),
        ({first + "x": 1}, first + "x", "did you mean"),
        ({dead: show(space.decision(dead).values[0])}, dead, "not live"),
        ({first: None}, first, "not one of its values"),
    ):
        with pytest.raises(DesignError, match=reason) as caught:
            parse_design(space, {**written, **change})
        assert caught.value.path == path
    with pytest.raises(DesignError, match="needs a value"):
        parse_design(space, {p: v for p, v in written.items() if p != first})


def test_solved_maps_are_live_and_meet_their_requirements(space: Space) -> None:
    design = decode(space.decisions, random_rows(space, 1, seed=6)[0])
    shown = 0
    for work in space.works:
        if evaluate(work.guard, design) is not True:
            continue
        for placement in work.placements:
            found = solve_maps(placement.problem, design)
            if isinstance(found, dict):
                assert all(evaluate(r, {**design, **found}) is True for r in placement.problem.requirements)
                shown += 1
    assert shown


# ---- reals


def test_enclosures_hold_the_function_and_shrink() -> None:
    x = Fraction(37, 10)
    for name, function in (("ln", math.log), ("log2", math.log2), ("log10", math.log10), ("sqrt", math.sqrt),
                           ("exp", math.exp), ("cos", math.cos)):  # fmt: skip
        wide = getattr(enclosures, name)(x, x, 20)
        tight = getattr(enclosures, name)(x, x, 60)
        assert wide[0] <= tight[0] < tight[1] <= wide[1]
        assert float(tight[0]) == pytest.approx(function(3.7), rel=1e-15)
        assert tight[1] - tight[0] < Fraction(1, 10**50)


def test_what_is_rational_stays_rational() -> None:
    assert evaluate(g.make("sqrt", (g.const(Fraction(9, 4)),), g.NUMBER), {}) == Fraction(3, 2)
    assert evaluate(g.make("log2", (g.const(Fraction(1, 8)),), g.NUMBER), {}) == -3
    assert evaluate(g.make("log10", (g.const(1000),), g.NUMBER), {}) == 3
    assert evaluate(g.power(g.const(27), g.const(Fraction(2, 3))), {}) == 9
    assert isinstance(evaluate(g.sqrt(g.const(2)), {}), Enclosure)


def test_a_real_equals_itself_and_close_reals_are_told_apart() -> None:
    root = g.sqrt(g.const(2))
    assert evaluate(g.eq(g.add(root, g.const(1)), g.add(g.const(1), root)), {}) is True
    near = g.const(Fraction(1414213562373095048801688724209698078569671875376948, 10**51))
    assert evaluate(g.lt(near, root), {}) is True
    squared = g.power(root, g.const(2))
    assert evaluate(g.le(squared, g.const(2)), {}) is UNKNOWN


def test_deep_and_huge_expressions_end() -> None:
    x = g.var("x", g.NUMBER)
    deep = x
    for i in range(4_000):
        deep = g.minimum(g.add(deep, g.const(i % 3)), g.const(50 + i % 2))
    decisions = (Decision("x", "choose", (Fraction(1), Fraction(2)), g.NUMBER),)
    design = {"x": Fraction(1)}
    exact = evaluate(deep, design)
    assert float(Program([deep], decisions)(encode(decisions, [design]))[0][0]) == exact
    assert Bounder({"x": decisions[0].values}).bounds(deep).may_be(exact)  # type: ignore[arg-type]
    tower = x
    for _ in range(80):
        tower = g.power(g.add(tower, g.const(1)), g.const(2))
    assert evaluate(tower, design) is UNKNOWN
