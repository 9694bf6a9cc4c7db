"""The nearest number with which conditions hold, against looking at every twelfth of one, each operator by itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cospace.compiler.conflicts.thresholds import Effort, Threshold, Untold, nearest
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space import graph as g
from cospace.compiler.space.lookups import lookup, table

N, X, B = g.var("n", g.NUMBER), g.var("x", g.NUMBER), g.var("b", g.BOOL)
M, K = g.var("m", g.NUMBER), g.var("k", g.NUMBER)
DESIGN = {"x": Fraction(3), "b": True}
ROWS = table("rows", [(Fraction(1),), (Fraction(2),), (Fraction(4),)], [Fraction(5), Fraction(-2), Fraction(9)])
OPEN = table("rows", [(Fraction(1),), (Fraction(2),)], [Fraction(5), Fraction(-2)], (Fraction(7),))
SIGNS = table("signs", [(True, g.Symbol("p")), (False, g.Symbol("p"))], [Fraction(2), Fraction(8)])


def mapped(goal: g.Expr, *requirements: g.Expr, guard: g.Expr = g.TRUE, allowed=None) -> g.MapProblem:
    maps = (
        g.MapDecision("m", (Fraction(1), Fraction(2), Fraction(5)), g.NUMBER, allowed=allowed),
        g.MapDecision("k", (Fraction(1), Fraction(3)), g.NUMBER, guard=guard),
    )
    return g.MapProblem("w", maps, requirements, (goal,))


def at_least(a: g.Expr, b: int) -> g.Expr:
    return g.le(g.const(b), a)


SMALL = g.lt(N, g.const(4))
BEST = mapped(g.absolute(g.sub(g.mul(M, K), N)), g.le(M, N))
PART = mapped(g.add(M, K), g.lt(M, N), guard=SMALL, allowed=(g.TRUE, SMALL, g.TRUE))
CONDITIONS: dict[str, list[g.Expr]] = {
    "sum": [at_least(g.add(N, X), 7)],
    "product": [at_least(g.mul(N, N, X), 30)],
    "least": [at_least(g.minimum(g.mul(N, g.const(2)), g.add(N, X)), 9)],
    "largest": [at_least(g.maximum(g.negative(N), g.sub(N, g.const(6)), g.const(-1)), 2)],
    "absolute": [at_least(g.absolute(g.sub(N, g.const(2))), 3)],
    "power": [at_least(g.power(g.sub(N, g.const(2)), g.const(3)), 9)],
    "fourth power": [g.le(g.power(g.sub(N, g.const(9)), g.const(4)), g.const(2))],
    "quotient": [at_least(g.div(g.const(6), g.sub(N, g.const(5))), 4)],
    "quotient by nothing": [at_least(g.div(g.const(6), g.sub(N, N)), 4)],
    "remainder": [at_least(g.mod(N, g.const(Fraction(5, 2))), 2)],
    "remainder by it": [at_least(g.mod(g.const(7), N), 3)],
    "remainder by nothing": [at_least(g.mod(g.const(7), g.sub(N, N)), 3)],
    "rounded": [g.eq(g.floor(g.mul(N, g.const(Fraction(3, 7)))), g.const(2)), at_least(g.ceil(N), 6)],
    "either": [g.either(g.lt(N, g.const(-20)), g.both(B, at_least(N, 5)))],
    "not": [g.negate(g.lt(N, g.const(Fraction(11, 2))))],
    "branch": [at_least(g.branch(g.lt(N, g.const(4)), g.const(0), g.sub(N, X)), 3)],
    "looked up": [at_least(lookup(ROWS, [g.floor(N)], g.NUMBER), 6)],
    "looked up beside what the table has": [at_least(lookup(OPEN, [g.ceil(N)], g.NUMBER), 6)],
    "looked up by a condition": [at_least(lookup(SIGNS, [g.lt(N, g.const(5)), g.const(g.Symbol("p"))], g.NUMBER), 6)],
    "alike conditions": [g.eq(g.lt(N, g.const(3)), g.negate(B))],
    "never": [g.lt(g.mul(N, N), g.const(-1))],
    "root": [at_least(g.mul(N, N), 2)],
    "mapped": [at_least(g.solve(BEST, M), 5)],
    "mapped in part": [at_least(g.solve(PART, g.mul(M, g.const(2))), 4)],
    "what is mapped": [g.solvable(BEST), at_least(N, 2)],
}
STEP = Fraction(1, 12)
FAR = 24


def holds(name: str, n: Fraction) -> bool:
    return all(evaluate(c, {**DESIGN, "n": n}) is True for c in CONDITIONS[name])


@pytest.mark.parametrize("up", [True, False], ids=["upwards", "downwards"])
@pytest.mark.parametrize("name", CONDITIONS)
def test_nothing_nearer_holds_and_what_is_said_does(name: str, up: bool) -> None:
    sign = 1 if up else -1
    answered = 0
    for near in (Fraction(1, 2) - FAR * (not up), Fraction(0), Fraction(23, 4)):
        far = near + sign * FAR
        try:
            found: Threshold | None = nearest(CONDITIONS[name], DESIGN, "n", near, far, up, Effort())
        except Untold:
            continue
        answered += 1
        grid = [near + sign * k * STEP for k in range(FAR * 12 + 1)]
        holding = [n for n in grid if holds(name, n)]
        if found is None:
            assert not holding, (near, holding[:3])
            continue
        assert holds(name, found.inside) and (found.inside - found.value) * sign >= 0
        assert not found.attained or not found.rational or holds(name, found.value)
        hair = Fraction(0) if found.rational else Fraction(1, 1000)
        assert all((n - found.value) * sign >= -hair for n in holding), (near, found, holding[:3])
    assert answered


def test_a_spent_effort_and_what_is_no_quotient_of_polynomials_are_not_told() -> None:
    with pytest.raises(Untold):
        nearest(CONDITIONS["product"], DESIGN, "n", Fraction(0), None, True, Effort(1))
    for other in (g.exp(N), g.power(N, g.const(9)), g.power(g.const(2), N), g.sqrt(g.add(N, g.const(1)))):
        with pytest.raises(Untold):
            nearest([at_least(g.sub(other, X), 30)], DESIGN, "n", Fraction(0), Fraction(2_000), True, Effort())
    values = tuple(map(Fraction, range(1, 4)))
    wide = g.MapProblem("w", tuple(g.MapDecision(f"m{i}", values, g.NUMBER) for i in range(8)), (), (N,))
    asked = at_least(g.solve(wide, g.add(N, g.var("m0", g.NUMBER))), 9)
    with pytest.raises(Untold):
        nearest([asked], DESIGN, "n", Fraction(0), None, True, Effort())
