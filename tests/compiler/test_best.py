"""Best designs against brute force by the reference evaluator: generated spaces, and engines of a shipped spec."""

import itertools
from fractions import Fraction
from operator import le
from pathlib import Path

import numpy
import pytest
from attrs import evolve
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.engines.best import best, restrict
from cospace.compiler.engines.candidates import find_front, find_least, surviving
from cospace.compiler.engines.exhaustive import Exhaustive
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.model import Decision, Objective, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

from tests.compiler.generate import generate, holds, raw_designs
from tests.compiler.spaces import space_of

SPEC = Path(__file__).resolve().parents[2] / "specs" / "gcos.cospace"


def brute(space: Space, fixed: dict | None = None) -> list[tuple[dict, tuple]]:
    """Feasible designs with the fixed values, with their objectives; those without a value left out."""
    found = []
    for design in raw_designs(space.decisions):
        if all(design.get(p) == v for p, v in (fixed or {}).items()) and all(
            holds(r, design) for r in space.requirements
        ):
            values = tuple(evaluate(o.value, design) for o in space.objectives)
            if all(isinstance(v, (Fraction, Enclosure)) for v in values):
                found.append((design, values))
    return found


def as_float(value) -> float:
    return float(value.middle if isinstance(value, Enclosure) else value)


def signed(space: Space, values: tuple) -> tuple:
    return tuple(v if o.sense == "minimize" else -v for o, v in zip(space.objectives, values, strict=True))


def one_objective(space: Space, sense: str) -> Space:
    return evolve(space, objectives=tuple(evolve(o, sense=sense) for o in space.objectives[:1]))


@pytest.mark.parametrize("seed", range(120))
def test_the_least_of_generated_spaces(seed: int) -> None:
    made = generate(seed, partial=seed % 3 == 2)
    space = one_objective(made.space(), "maximize" if seed % 2 else "minimize")
    expected = brute(space)
    found = best(space)
    assert found.certified
    if not expected:
        assert found.designs == ()
        return
    least = min(expected, key=lambda e: signed(space, e[1]))
    assert (found.designs, found.objectives) == ((least[0],), (least[1],))


@pytest.mark.parametrize("seed", range(40))
def test_the_least_of_generated_spaces_with_irrational_costs(seed: int) -> None:
    space = one_objective(generate(seed, irrational=True).space(), "minimize")
    expected = brute(space)
    found = best(space)
    if found.certified and expected:
        assert as_float(found.objectives[0][0]) == pytest.approx(min(as_float(v[0]) for _, v in expected), rel=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_the_front_of_generated_spaces(seed: int) -> None:
    space = generate(seed).space()
    space = evolve(space, objectives=(space.objectives[0], evolve(space.objectives[1], sense="maximize")))
    expected = {values for _, values in brute(space)}
    costs = {v: signed(space, v) for v in expected}
    worse = {v for v in expected for w in expected if w != v and all(map(le, costs[w], costs[v]))}
    front = expected - worse
    found = best(space)
    assert found.certified
    assert set(found.objectives) == front
    assert len(found.designs) == len(front)
    for design, values in zip(found.designs, found.objectives, strict=True):
        assert values == tuple(evaluate(o.value, design) for o in space.objectives)


@pytest.mark.parametrize("seed", range(60))
def test_pinned_decisions(seed: int) -> None:
    space = one_objective(generate(seed, decisions=4).space(), "minimize")
    pinned = space.decisions[seed % 4]
    fixed = {pinned.path: pinned.values[-1]}
    expected = brute(space, fixed)
    found = best(space, fixed)
    assert found.certified
    assert bool(found.designs) == bool(expected)
    if expected:
        assert found.objectives[0] == min(v for _, v in expected)
        assert found.designs[0] in [d for d, _ in expected]


@pytest.mark.parametrize("seed", range(60))
def test_many_networks_share_one_list(seed: int) -> None:
    """Closed decisions set in turn, those that are not live left out."""
    space = one_objective(generate(seed, decisions=4).space(), "minimize")
    closed = {d.path for d in space.decisions[:2]}
    search = Exhaustive(space, [d.path for d in space.decisions[2:]])
    for network in raw_designs(space.decisions[:2]):
        expected = [e for e in brute(space, network) if closed & set(e[0]) == set(network)]
        found = search.best(network)
        assert found.certified
        assert bool(found.designs) == bool(expected)
        if expected:
            assert found.objectives[0] == min(v for _, v in expected)


@pytest.mark.parametrize("seed", range(30))
def test_restricting_keeps_the_meaning(seed: int) -> None:
    space = generate(seed, decisions=4).space()
    d = space.decisions[0]
    fixed = {d.path: d.values[0]}
    inner = restrict(space, fixed)
    left = [design for design in raw_designs(inner.decisions) if all(holds(r, design) for r in inner.requirements)]
    whole = [e[0] for e in _feasible(space) if e[0][d.path] == d.values[0]]
    assert [{**fixed, **design} for design in left] == whole
    for design in left:
        for a, b in zip(space.objectives, inner.objectives, strict=True):
            assert evaluate(a.value, {**fixed, **design}) == evaluate(b.value, design)


def _feasible(space: Space) -> list[tuple[dict, tuple]]:
    return [(d, ()) for d in raw_designs(space.decisions) if all(holds(r, d) for r in space.requirements)]


def test_too_large_a_space_is_searched_and_not_called_proved() -> None:
    for seed in range(30):
        space = one_objective(generate(seed).space(), "minimize")
        expected = brute(space)
        found = best(space, limit=1)
        if found.certified:
            continue
        assert "descent" in found.how or "group by group" in found.how
        assert bool(found.designs) <= bool(expected)
        if found.designs:
            assert found.designs[0] in [d for d, _ in expected]
            assert found.objectives[0] == min(v for _, v in expected)  # so small that descent meets the best


@pytest.mark.parametrize("seed", range(60))
def test_a_space_may_be_listed_in_two_layers(seed: int) -> None:
    space = one_objective(generate(seed, decisions=5).space(), "minimize")
    expected = brute(space)
    found = best(space, limit=12)
    assert bool(found.designs) == bool(expected) or not found.certified
    if expected and found.certified:
        assert found.objectives[0] == min(v for _, v in expected)
        assert found.designs[0] in [d for d, _ in expected]


def test_a_front_is_searched_too() -> None:
    space = generate(3).space()
    expected = [values for _, values in brute(space)]
    found = best(space, limit=1)
    assert found.designs
    assert set(found.objectives) <= set(expected)


def test_a_pin_that_is_not_there() -> None:
    space = generate(0).space()
    with pytest.raises(DesignError):
        best(space, {"nowhere": Fraction(1)})
    with pytest.raises(DesignError):
        best(space, {space.decisions[0].path: Fraction(12345)})
    with pytest.raises(DesignError):
        Exhaustive(space, ["nowhere"])


def test_a_pin_leaves_nothing_that_reads_what_is_not_live() -> None:
    space = compile_text("""space s
style = choose {plain, fine}
share = choose {1, 2} when style == fine
x = choose 2..4
require share * x <= 4 when style == fine
minimize x
""").space
    assert space is not None
    for value, names in (("plain", {"x"}), ("fine", {"share", "x"})):
        left = restrict(space, {"style": g.Symbol(value)})
        assert {d.path for d in left.decisions} == names
        assert all((r.value.free | r.guard.free) <= names for r in left.requirements)
        assert best(space, {"style": g.Symbol(value)}).designs[0]["x"] == 2


def test_what_is_measured_is_left_out() -> None:
    a = Decision("a", "choose", (Fraction(2), Fraction(1)), g.NUMBER)
    measure = external(External("measure", "error", "runtime"))
    space = Space(
        "s", None, (), (a,), (Requirement(g.le(measure, g.const(1)), g.TRUE, "r", NOWHERE),),
        (Objective(measure, "minimize", "error(task)"),), (), (), (), (), (),
    )  # fmt: skip
    found = best(space)
    assert found.designs == ({"a": Fraction(2)},)
    assert "error(task)" in found.how
    assert "1 requirement " in found.how


def test_hidden_feasible_rows_come_back_when_a_dominator_falls() -> None:
    low = numpy.array([[1.0, 1.0], [2.0, 2.0], [3.0, 1.5]])
    values = [tuple(Fraction(x) for x in row) for row in low]
    found = find_front(low, low, lambda i: values[i], lambda i: i != 0)
    assert found.rows == (1, 2)
    assert found.certified
    assert list(surviving(low, low)) == [0]


def test_rounding_does_not_decide() -> None:
    """Bounds that overlap are settled exactly; too many of them are said not to be proved."""
    values = [Fraction(1), Fraction(1) - Fraction(1, 10**30), Fraction(1)]
    low = numpy.full(3, 0.999)
    assert find_least(low, lambda i: (values[i],), lambda i: True).rows == (1,)
    assert not find_least(low, lambda i: (values[i],), lambda i: True, looks=1).certified


@pytest.fixture(scope="module")
def shipped() -> Space:
    space = compile_file(SPEC, {"data": "cora"}).space
    assert space is not None
    return space


def test_engines_against_all_of_them(shipped: Space) -> None:
    """A sub-space of engines by the reference evaluator, all of them by a program of floats."""
    plain = dict(shipped.references[0].design)
    network = {p: v for p, v in plain.items() if not p.startswith("engine.")}
    engine = [d for d in shipped.decisions if d.path.startswith("engine.")]
    goal = next(o.value for o in shipped.objectives if not o.measured)
    found = best(shipped, network)
    assert found.certified
    assert evaluate(goal, found.designs[0]) == found.objectives[0][0]

    rows = numpy.array(list(itertools.product(*(range(len(d.values)) for d in engine))), dtype=numpy.int64)
    inner = restrict(shipped, network)
    outputs = [g.either(g.negate(r.guard), r.value) for r in inner.requirements]
    value, *met = Program([inner.objectives[1].value, *outputs], inner.decisions)(rows)
    assert [d.path for d in inner.decisions] == [d.path for d in engine]
    assert numpy.where(numpy.all(met, axis=0), value, numpy.inf).min() == pytest.approx(float(found.objectives[0][0]))

    fixed = network | {p: plain[p] for p in ("engine.lanes", "engine.wide", "engine.buffer", "engine.skip_zeros")}
    some = evolve(
        shipped,
        decisions=tuple(
            evolve(d, values=d.values[::5]) if d.path in ("engine.rows", "engine.cols") else d
            for d in shipped.decisions
        ),
    )
    left = [d for d in some.decisions if d.path.startswith("engine.") and d.path not in fixed]
    expected = []
    for values in itertools.product(*(d.values for d in left)):
        design = fixed | dict(zip([d.path for d in left], values, strict=True))
        if all(holds(r, design) for r in shipped.requirements):
            expected.append(evaluate(goal, design))
    assert best(some, fixed).objectives[0][0] == min(expected)


def test_a_list_serves_other_networks(shipped: Space) -> None:
    network = {p: v for p, v in shipped.references[0].design if not p.startswith("engine.")}
    search = Exhaustive(shipped, [d.path for d in shipped.decisions if d.path.startswith("engine.")])
    for bits in (Fraction(4), Fraction(8)):
        other = network | {"precision.weights[gnn.readout.gcn]": bits}
        assert search.best(other).objectives == best(shipped, other).objectives
    with pytest.raises(DesignError, match="needs a value"):
        search.best({p: v for p, v in network.items() if p != "gnn.hidden"})


def test_equal_reals_of_one_setting_are_one_point_of_the_front(tmp_path: Path) -> None:
    """What a goal does not read leaves it the same number, though that is known between bounds only."""
    spec = tmp_path / "link.cospace"
    spec.write_text(
        "space link\nn = choose 2..9\npower = choose {-6, -3, 0} dBm\nlength = choose 1..5\n"
        "require power - length * 2 dB >= -12 dBm\n"
        "minimize watts(power) * n\nmaximize n\nminimize length * n + sqrt(n)\n"
    )
    space = compile_file(spec).space
    assert space is not None
    found = best(space)
    assert found.certified and len(found.designs) == 8
    assert {d["n"] for d in found.designs} == set(range(2, 10))
    assert {(d["power"], d["length"]) for d in found.designs} == {(-6, 1)}


def test_what_floats_can_not_hold_rules_no_design_out() -> None:
    """Beyond floats nothing is known of a value: exact ones are asked, and what they can't tell is not proved."""
    head = "space s\nx = choose {1, 2}\ny0 = x + 1\n"
    squares = lambda n: "".join(f"y{i + 1} = y{i} * y{i} + x\n" for i in range(n))  # noqa: E731
    text = head + squares(13) + "minimize y13\n"
    found = best(space_of(text))
    assert found.certified and [d["x"] for d in found.designs] == [1]
    both = best(space_of(text + "maximize x\n"))
    assert both.certified and [d["x"] for d in both.designs] == [1, 2]
    for more in ("", "maximize x\n"):
        open_ = best(space_of(head + squares(60) + f"minimize y60\n{more}"))
        assert not open_.certified and not open_.designs and "no design meets" not in open_.how
