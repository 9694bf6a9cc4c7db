"""Machine code does what the array steps do: the same numbers to the last bit, the same doubts or more."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
from cospace.compiler import solved_kept, solved_pieces
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.native import NATIVE, installed
from cospace.compiler.numbers import plan
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.numbers import Program, _checks
from cospace.compiler.numbers.plan import Columns
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import encode
from cospace.compiler.space.model import Decision, Space
from cospace.compiler.space.schema import dumps, to_json

from tests.compiler.generate import generate
from tests.compiler.test_solved import TILED, compiled

if not installed():
    pytest.skip("llvmlite is not installed (the extra `fast`)", allow_module_level=True)

from cospace.compiler.native.across import Across

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def native(on: bool) -> Iterator[None]:
    token = NATIVE.set(on)
    try:
        yield
    finally:
        NATIVE.reset(token)


def fused(program: Program) -> list[plan.Plan]:
    """The program's plans that were compiled."""
    return [p for p in program._plans.values() if p._fused is not None]


def agree(exprs: list[g.Expr], decisions: tuple[Decision, ...], rows: numpy.ndarray, inputs: object = None) -> int:
    """Compares both at some designs, as they are and certified; how many plans were compiled."""
    compiled = 0
    for certify in (False, True):
        programs = [Program(exprs, decisions, certify=certify) for _ in range(2)]
        found = []
        for program, on in zip(programs, (False, True), strict=True):
            with native(on):
                if certify:
                    values, defined, doubt = program.certified(rows, inputs)  # type: ignore[arg-type]
                    found.append(([*values, *defined], doubt))
                else:
                    found.append((program(rows, inputs), numpy.zeros(len(rows), bool)))  # type: ignore[arg-type]
        (ours, doubts), (theirs, more) = found
        sure = ~(doubts | more)
        assert not (doubts & ~more).any()
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype
            assert numpy.array_equal(a[sure], b[sure], equal_nan=a.dtype == numpy.float64)
        assert not fused(programs[0])
        compiled += len(fused(programs[1]))
    return compiled


def across(exprs: list[g.Expr], decisions: tuple[Decision, ...], rows: numpy.ndarray, inputs: object = None) -> int:
    """Compares what a plan makes of designs with what its kernels across each map do; how many there are."""
    builder = Builder(decisions, certify=True)
    builder.hopeful = True
    values = [builder.compile(e) for e in exprs]
    ties = [ref for (_, table), ref in builder._ties.items() if not table]
    ties += [first.least for (_, table), first in builder._first.items() if first is not None and not table]
    wanted = [v.ref for v in values] + [v.defined for v in values if v.defined is not None] + ties
    made = plan.Plan(builder, [*wanted, _checks(builder, wanted)], numpy)
    columns = Columns(numpy, rows, decisions)
    maps = {name: size for s in made.steps for name, size in zip(s.out.axes, s.out.dims, strict=True) if name}
    outer = {
        m.path for problem, scope in builder._frames if not scope for m in builder._frames[problem, scope].problem.maps
    }
    for path in sorted(outer & maps.keys()):
        kernels = Across(made, path)
        places = {name: numpy.arange(maps[name]) for name in outer & maps.keys()}
        for keep in (
            {},
            {path: places[path][1:4]},
            {name: at[:2] for name, at in places.items()},
            {path: places[path][-1:]},
        ):
            with native(False), numpy.errstate(all="ignore"):
                (_, expected), *more = made.blocks(columns, inputs or {}, keep)
                assert not more
                for window, found in kernels.blocks(columns, inputs or {}, keep):
                    for r in made.wanted:
                        each = numpy.broadcast_to(expected[r.id], (*expected[r.id].shape[:-1], len(rows)))[..., window]
                        ours = numpy.broadcast_to(found[r.id], each.shape)
                        assert numpy.array_equal(ours, each, equal_nan=each.dtype == numpy.float64)
    return len(outer & maps.keys())


@pytest.mark.parametrize("seed", range(0, 30, 3))
def test_generated_spaces(seed: int) -> None:
    made = generate(seed, partial=seed % 2 == 1, irrational=seed % 5 == 4)
    designs = [dict(d) for d in made.designs()]
    if not designs:
        pytest.skip("a space without designs")
    rows = encode(made.decisions, designs)
    rows = numpy.tile(rows, (math.ceil(150 / len(rows)), 1))[:1_000]
    assert agree([*made.numbers, *made.truths], tuple(made.decisions), rows) > 0
    across([*made.numbers, *made.truths], tuple(made.decisions), rows[:3])


def space_of(name: str) -> Space:
    result = compile_file(ROOT / name, {})
    assert result.space is not None, result.diagnostics
    return result.space


def test_an_accelerator_with_many_mappings() -> None:
    space = space_of("benchmarks/spaces/arrays.cospace")
    works = [w for w in space.works if w.kind == "conv"][:1]
    costs = [e for w in works for p in w.placements for _, e in p.quantities]
    rows = sample(space, 333, 1)
    assert agree(costs, space.decisions, rows) > 0
    assert across(costs, space.decisions, rows[:2]) > 0


def test_all_operations() -> None:
    """Every operation that is compiled, with values that are missing, infinite, equal and apart, over maps and not."""
    x, y = (Decision(n, "choose", tuple(Fraction(v, 4) for v in range(-40, 41)), g.NUMBER) for n in "xy")
    b = Decision("b", "choose", (True, False), g.BOOL)
    a, c, yes = g.var("x", g.NUMBER), g.var("y", g.NUMBER), g.var("b", g.BOOL)
    m, n = g.var("m", g.NUMBER), g.var("n", g.NUMBER)
    maps = tuple(g.MapDecision(p, tuple(Fraction(v) for v in (1, 2, 3, 5)), g.NUMBER) for p in "mn")
    inside = g.add(g.mul(m, a), g.div(c, g.sub(n, g.const(2))), g.mod(g.mul(c, m), n))
    goal = g.absolute(g.sub(g.floor(g.mul(g.maximum(inside, c), g.const(3))), g.minimum(m, n)))
    problem = g.MapProblem("w", maps, (g.either(g.lt(m, n), g.le(a, n)), yes), (goal, g.mul(g.negative(n), m)))
    exprs = [
        g.solve(problem, inside), g.solve(problem, m), g.solve(problem, g.eq(n, g.const(3))), g.solvable(problem),
        g.solve(problem, g.sqrt(inside)), g.branch(yes, g.sqrt(a), g.ceil(g.div(a, c))), g.mod(a, c),
        g.both(yes, g.negate(g.lt(a, c))), g.power(g.absolute(a), c), g.log2(a), g.sub(g.exp(a), g.cos(c)),
    ]  # fmt: skip
    places = (range(len(x.values)), range(len(y.values)), (0, 1))
    rows = numpy.array(list(itertools.product(*places)))
    assert agree(exprs, (x, y, b), rows) > 0
    assert across(exprs, (x, y, b), rows[::1_001]) == 2


def test_any_number_of_designs() -> None:
    """Ends that fill no vector, and more than a thread takes."""
    space = space_of("benchmarks/spaces/tiles.cospace")
    rows = sample(space, 20_011, 3)
    for count in (plan.FEWEST, plan.FEWEST + 1, 1_003, 20_011):
        with native(True):
            program = Program([space.objectives[0].value], space.decisions)
            (found,) = program(rows[:count])
        with native(False):
            (expected,) = Program([space.objectives[0].value], space.decisions)(rows[:count])
        assert fused(program) and numpy.array_equal(found, expected)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    space = space_of("benchmarks/spaces/tiles.cospace")
    assert agree([space.objectives[0].value], space.decisions, sample(space, 5_001, 4)) > 0


@pytest.mark.parametrize("goal", ["energy * cycles", "0 * cycles", "max(cycles, 40)"])
def test_mappings_solved_ahead(monkeypatch: pytest.MonkeyPatch, goal: str) -> None:
    """The same best mappings and costs, of several pieces, some of which fill no vector."""
    monkeypatch.setattr(placing, "LARGE", 2)
    monkeypatch.setattr(solved_kept, "read_cached", lambda kind, key: None)
    monkeypatch.setattr(solved_pieces, "PIECE", 40)
    monkeypatch.setattr(solved_pieces, "ACROSS", 90)
    used: list[object] = []
    across = plan.Plan.across

    def seen(self: plan.Plan, *given: Any) -> object:
        used.append(across(self, *given))
        return used[-1]

    monkeypatch.setattr(plan.Plan, "across", seen)
    texts = []
    for on in (False, True):
        with native(on):
            texts.append(dumps(to_json(compiled(TILED.replace("GOAL", goal)))))
        assert used and all((u is not None) == on for u in used)
        used.clear()
    assert texts[0] == texts[1]


SMALL = """language 1
space small
import std.works
x = choose 1..40
y = choose 1..40
minimize x * 3 + y * y
"""


def test_it_is_compiled_where_that_pays() -> None:
    """What is asked once for a few designs is not."""
    space = compile_text(SMALL).space
    assert space is not None
    program = Program([space.objectives[0].value], space.decisions)
    rows = sample(space, 1_000, 0)
    program(rows)
    assert not fused(program)
    for p in program._plans.values():
        p._asked = 1 << 40
    program(rows)
    assert fused(program)
