"""Chains of branches and checks that are less to do than they say: the same numbers, of fewer array steps."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import UNDEFINED, evaluate
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.large import somewhere, without_implied
from cospace.compiler.numbers.numbers import Program, _checks
from cospace.compiler.numbers.plan import Columns, Plan
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Decision

X, Y = (Decision(n, "choose", tuple(Fraction(v) for v in range(1, 7)), g.NUMBER) for n in "xy")
Z = Decision("z", "choose", tuple(Fraction(v, 2) for v in range(-3, 60)), g.NUMBER)
x, y, z, m = (g.var(n, g.NUMBER) for n in "xyzm")
ROWS = numpy.array(list(itertools.product(range(6), range(6), range(63))))


def steps_of(expr: g.Expr) -> set[str]:
    """Compares a program with the exact evaluator at all designs; the array steps that it takes."""
    program = Program([expr], (X, Y, Z), certify=True)
    values, defined, doubt = program.certified(ROWS)
    assert doubt.mean() < 0.2
    for k in numpy.flatnonzero(~doubt)[::7]:
        row, value, there = ROWS[k], values[0][k], defined[0][k]
        expected = evaluate(expr, decode((X, Y, Z), row))
        assert there == (expected is not UNDEFINED)
        assert not there or value == expected
    return {s.name for p in program._plans.values() for s in p.steps}


def picked(index: g.Expr, items: list[g.Expr]) -> g.Expr:
    """An item of a list, as it is written out."""
    chain = g.div(g.const(1), g.sub(index, index)) if items[0].type.kind == "number" else g.const(False)
    for k, item in reversed(list(enumerate(items, 1))):
        chain = g.branch(g.eq(index, g.const(k)), item, chain)
    return chain


def solved(expr: g.Expr) -> g.Expr:
    """It at the mapping that makes it the least."""
    maps = (g.MapDecision("m", tuple(Fraction(v) for v in range(1, 6)), g.NUMBER),)
    return g.solve(g.MapProblem("w", maps, (), (expr,)), expr)


@pytest.mark.parametrize(("most", "one_step"), [(5, True), (4, False)])
def test_an_item_that_is_surely_there_is_picked_in_one_step(most: int, one_step: bool) -> None:
    items = [g.mul(z, g.add(x, y)), g.absolute(z), x, g.mul(y, z), g.const(3)][:most]
    steps = steps_of(solved(picked(m, items)))
    assert ("choose" in steps) == one_step


def test_truths_that_are_picked_are_defined_where_the_item_is() -> None:
    partial = g.lt(g.div(x, g.sub(y, g.const(2))), z)
    items = [g.lt(z, x), partial, g.lt(x, z), g.lt(y, z), g.eq(x, y)]
    chosen = g.branch(picked(m, items), g.add(z, m), g.mul(y, m))
    assert "choose" in steps_of(solved(chosen))


@pytest.mark.parametrize("fold", ["max(p for p in 1..5 when x * p <= z)", "min(p for p in {5, 3, 1} when x * p <= z)",
                                  "max(p for p in 1..5 when z / (y - 2) <= p * x)"])  # fmt: skip
def test_the_greatest_of_constants_under_conditions(fold: str) -> None:
    text = f"space s\nx = choose 1..6\ny = choose 1..6\nz = choose 1..20\nminimize {fold[:-1]}, empty = 0)\n"
    made = compile_text(text).space
    assert made is not None
    rows = numpy.array(list(itertools.product(*(range(len(d.values)) for d in made.decisions))))
    program = Program([made.objectives[0].value], made.decisions, certify=True)
    values, defined, doubt = program.certified(rows)
    assert doubt.mean() < 0.2
    for k in numpy.flatnonzero(~doubt):
        expected = evaluate(made.objectives[0].value, decode(made.decisions, rows[k]))
        assert defined[0][k] == (expected is not UNDEFINED)
        assert not defined[0][k] or values[0][k] == expected
    sure = "y" not in fold
    assert sure == (not {s.name for p in program._plans.values() for s in p.steps} & {"max", "min"})


def test_checks_that_others_imply_are_left_out() -> None:
    """One check of what grows without end says as much as one at each step, and finds the same designs in doubt."""
    large = Decision("n", "choose", tuple(Fraction(8**k) for k in range(18)), g.NUMBER)
    n = g.var("n", g.NUMBER)
    product = g.mul(g.add(g.mul(n, x), g.mul(n, x, y), g.const(1)), g.sub(y, x))
    builder = Builder((X, Y, large), certify=True)
    builder.hopeful = True
    root = builder.compile(product).ref
    found, seen, pending = {}, set(), [root]
    while pending:
        ref = pending.pop()
        if ref.id not in seen:
            seen.add(ref.id)
            found |= {c.id: c for c in ref.checks}
            pending += [
                *ref.checks,
                *(a for a in (builder.steps[ref.id].args if ref.id >= 0 else ()) if a.const is None),
            ]
    left = without_implied(builder.steps, found, seen)
    assert 0 < len(left) < len(found)
    every = builder.scalar(False)
    for check in found.values():
        every = builder.emit("or", every, somewhere(builder, check), kind="bool")
    rows = numpy.array(list(itertools.product(range(6), range(6), range(18))))
    plan = Plan(builder, [every, _checks(builder, [root])], numpy)
    before, after = plan.run(Columns(numpy, rows, (X, Y, large)), {})
    assert before.any() and not before.all() and (before == after).all()
