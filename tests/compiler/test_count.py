"""Counts against brute force on generated spaces, by every method."""

from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler import graph as g
from cospace.compiler.count import Limits, count
from cospace.compiler.model import Decision, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE


def load_generate():
    spec = importlib.util.spec_from_file_location("generate", Path(__file__).parent / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


generate = load_generate().generate

BRUTE = Limits()
ELIMINATION = Limits(brute=0)
SUMS = Limits(brute=0, table=1)


@pytest.mark.parametrize("limits", [BRUTE, ELIMINATION, SUMS], ids=["brute", "elimination", "sums"])
@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_brute_force(seed: int, limits: Limits) -> None:
    made = generate(seed)
    found = count(made.space(), limits=limits)
    assert found.raw == len(list(made.designs()))
    if found.exact:
        assert found.feasible == len(made.feasible())
    else:
        assert found.limit
        assert found.bounds[0] <= len(made.feasible()) <= found.bounds[1]


@pytest.mark.parametrize("seed", range(20))
def test_counts_with_a_pinned_value_add_up(seed: int) -> None:
    made = generate(seed)
    space = made.space()
    feasible = made.feasible()
    for d in space.decisions:
        for value in d.values:
            expected = sum(1 for f in feasible if d.path in f and f[d.path] == value)
            assert count(space, {d.path: value}, ELIMINATION).feasible == expected


def space_of(decisions, requirements) -> Space:
    return Space("s", None, (), tuple(decisions), tuple(requirements), (), (), (), (), (), ())


def numbers(path: str, *values: int | Fraction, **more) -> Decision:
    return Decision(path, "choose", tuple(Fraction(v) for v in values), g.NUMBER, **more)


def test_a_long_sum_is_counted_exactly() -> None:
    layers = [numbers(f"x{i}", *range(10)) for i in range(12)]
    hub = numbers("h", 1, 2, 3)
    h = g.var("h", g.NUMBER)
    total = g.add(*(g.mul(h, g.var(d.path, g.NUMBER)) for d in layers))
    space = space_of([hub, *layers], [Requirement(g.le(total, g.const(60)), g.TRUE, "budget", NOWHERE)])
    found = count(space)
    ways = [1]
    for _ in layers:
        ways = [sum(ways[max(0, s - 9) : s + 1]) if s < len(ways) + 9 else 0 for s in range(len(ways) + 9)]
    assert found.raw == 3 * 10**12
    assert found.exact
    assert found.feasible == sum(sum(ways[: 60 // k + 1]) for k in (1, 2, 3))


def test_a_huge_space_is_counted_with_python_integers() -> None:
    space = space_of([numbers(f"x{i}", *range(10)) for i in range(300)], [])
    found = count(space)
    assert found.feasible == 10**300


def test_what_cannot_be_counted_is_bounded_and_says_why() -> None:
    many = [numbers(f"x{i}", *range(12)) for i in range(14)]
    product = g.mul(*(g.add(g.var(d.path, g.NUMBER), g.const(1)) for d in many))
    space = space_of(many, [Requirement(g.le(product, g.const(10**9)), g.TRUE, "volume", NOWHERE)])
    found = count(space)
    assert found.feasible is None and not found.exact
    assert found.bounds == (0, 12**14)
    assert found.limit and found.responsible is space.requirements[0]
