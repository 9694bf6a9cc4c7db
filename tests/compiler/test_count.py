"""Counts against brute force on generated spaces, by every method."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.counting import rowsums
from cospace.compiler.counting.count import Limits, count
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Decision, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

from tests.compiler import spaces
from tests.compiler.generate import generate

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


@pytest.mark.parametrize("n", [12, 40, 120])
def test_a_long_sum_is_counted_exactly(n: int) -> None:
    layers = [numbers(f"x{i}", *range(10)) for i in range(n)]
    hub = numbers("h", 1, 2, 3)
    h = g.var("h", g.NUMBER)
    total = g.add(*(g.mul(h, g.var(d.path, g.NUMBER)) for d in layers))
    space = space_of([hub, *layers], [Requirement(g.le(total, g.const(5 * n)), g.TRUE, "budget", NOWHERE)])
    found = count(space)
    ways = [1]
    for _ in layers:
        ways = [sum(ways[max(0, s - 9) : s + 1]) if s < len(ways) + 9 else 0 for s in range(len(ways) + 9)]
    assert found.raw == 3 * 10**n
    assert found.exact
    assert found.feasible == sum(sum(ways[: 5 * n // k + 1]) for k in (1, 2, 3))


def test_the_square_of_a_sum_keeps_both_of_its_factors() -> None:
    x = numbers("x", 1, 2, 3)
    steps = [g.branch(g.le(g.const(k), g.var("x", g.NUMBER)), g.const(1), g.const(0)) for k in (2, 3)]
    total = g.add(g.const(1), *steps)
    space = space_of([x], [Requirement(g.le(g.mul(total, total), g.const(8)), g.TRUE, "square", NOWHERE)])
    for limits in (BRUTE, ELIMINATION, SUMS):
        assert count(space, limits=limits).feasible == 2


def test_sums_are_0_where_no_shared_decisions_go_together() -> None:
    text = """space s
d0 = [choose {0, 8} for e in 1..2]
d1 = choose {4, 10}
d2 = choose {1, 3}
require max(d0) - sum(d0) in {0, 1, 2} when log(d2) <= 1.7
require min(e * d2 for e in [0, d1, 2] when e > 1, empty = 1/2) in {0, 1, 2, 4, 5, 9}
require 3 / (d0[1] - 3) / (d1 - 2) in {0, 1, 2, 4, 5, 9}
"""
    space = compile_text(text).space
    assert space is not None
    assert [count(space, limits=limits).feasible for limits in (BRUTE, ELIMINATION, SUMS)] == [0, 0, 0]


def test_a_huge_space_is_counted_with_python_integers() -> None:
    space = space_of([numbers(f"x{i}", *range(10)) for i in range(300)], [])
    found = count(space)
    assert found.feasible == 10**300


def test_two_sums_at_once_are_counted_exactly() -> None:
    many = [numbers(f"x{i}", *range(4)) for i in range(12)]
    weighed = [g.add(*(g.mul(g.const(w), g.var(d.path, g.NUMBER)) for w, d in zip(ws, many, strict=True)))
               for ws in (range(1, 13), range(12, 0, -1))]  # fmt: skip
    rules = [Requirement(g.le(e, g.const(90)), g.TRUE, "budget", NOWHERE) for e in weighed]
    ways = {(0, 0): 1}
    for i in range(12):
        step: dict[tuple[int, int], int] = {}
        for (a, b), n in ways.items():
            for v in range(4):
                key = (a + (i + 1) * v, b + (12 - i) * v)
                step[key] = step.get(key, 0) + n
        ways = step
    found = count(space_of(many, rules))
    assert found.feasible == sum(n for (a, b), n in ways.items() if a <= 90 and b <= 90)


def test_a_sum_of_too_many_different_values_is_bounded() -> None:
    many = [numbers(f"x{i}", *range(6)) for i in range(30)]
    total = g.add(*(g.mul(g.const(Fraction(i + 1, 997 + i)), g.var(d.path, g.NUMBER)) for i, d in enumerate(many)))
    space = space_of(many, [Requirement(g.le(total, g.const(1)), g.TRUE, "budget", NOWHERE)])
    found = count(space)
    assert found.feasible is None and found.limit and found.responsible is space.requirements[0]
    low, high = found.bounds
    assert 0 < low < high < 1.1 * low


def test_free_decisions_under_a_long_sum_multiply_beyond_64_bits() -> None:
    """Each layer's kind decides its cost and owns 30 decisions that no requirement reads."""
    made: list[Decision] = []
    terms = []
    for i in range(4):
        kind = numbers(f"kind{i}", 0, 1, 2)
        inside = g.eq(g.var(kind.path, g.NUMBER), g.const(2))
        made += [kind, *(numbers(f"x{i}.{k}", *range(10), guard=inside) for k in range(30))]
        terms.append(g.var(kind.path, g.NUMBER))
    space = space_of(made, [Requirement(g.le(g.add(*terms), g.const(3)), g.TRUE, "budget", NOWHERE)])
    weight = {0: 1, 1: 1, 2: 10**30}
    expected = sum(
        weight[a] * weight[b] * weight[c] * weight[d]
        for a in weight for b in weight for c in weight for d in weight if a + b + c + d <= 3
    )  # fmt: skip
    assert count(space).feasible == expected
    assert count(space, limits=Limits(brute=0, table=1)).feasible == expected


def test_nested_alternatives_are_counted_however_deep() -> None:
    nest = [numbers("x0", 0, 1)]
    for i in range(1, 60):
        below = g.both(nest[-1].guard, g.eq(g.var(f"x{i - 1}", g.NUMBER), g.const(1)))
        nest.append(numbers(f"x{i}", 0, 1, guard=below))
    assert count(space_of(nest, [])).raw == 61


def test_what_cannot_be_counted_is_bounded_and_says_why() -> None:
    many = [numbers(f"x{i}", *range(12)) for i in range(14)]
    product = g.mul(*(g.add(g.var(d.path, g.NUMBER), g.const(1)) for d in many))
    space = space_of(many, [Requirement(g.le(product, g.const(10**9)), g.TRUE, "volume", NOWHERE)])
    found = count(space)
    assert found.feasible is None and not found.exact
    assert found.bounds == (0, 12**14)
    assert found.limit and found.responsible is space.requirements[0]


@pytest.mark.parametrize("limits", [Limits(brute=0), Limits(brute=0, table=1)], ids=["tables", "no tables"])
def test_a_compiled_spec_is_counted_alike_by_every_method(limits: Limits) -> None:
    compiled = compile_file(Path(__file__).parent / "golden_count.cospace")
    assert compiled.space is not None
    pins = {"gnn.conv": g.Symbol("gat"), "engine.schedule": g.Symbol("pipelined")}
    enumerated = count(compiled.space, pins)
    assert enumerated.method.startswith("enumeration")
    found = count(compiled.space, pins, limits)
    assert found.exact and found.feasible == enumerated.feasible


DOUBTFUL = {
    "its guard is shared": ("require (if 6 / a >= 4 then b else 2 * b) + c * h + d <= 9 when h != 1", 345),
    "its condition reads a shared decision": (
        "require (if 6 / (a * h) >= 4 then b else 2 * b) + c + d * h <= 9 when h < 2", 274,
    ),
    "its condition is asked under another": (
        "require (if a > 0 then (if 6 / (a * h) >= 4 then b else 2 * b) else 3) + c * h + d <= 9 when h != 1", 306,
    ),
    "both its branches are the same": ("require (if 6 / a >= 4 then b else b) + c * h + d <= 9 when h != 1", 376),
}  # fmt: skip


@pytest.mark.parametrize(("requirement", "feasible"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_an_if_without_a_value_leaves_out_designs_only_where_the_sum_is_asked(requirement: str, feasible: int) -> None:
    domains = "h = choose {0, 1, 2}\na = choose {0, 1, 2}\n" + "".join(f"{v} = choose 1..4\n" for v in "bcd")
    space = spaces.space_of(f"space s\n{domains}{requirement}\n")
    listed = count(space)
    convolved = count(space, limits=Limits(brute=0, table=8))
    assert listed.method == "enumeration" and "convolved" in convolved.method
    assert listed.feasible == convolved.feasible == feasible
    kept, other = (per_value_counts(space, limits=limits) for limits in (Limits(), Limits(brute=0, table=8)))
    assert kept is not None and kept == other


def test_the_limit_that_was_hit_is_told_in_numbers_that_exceed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowsums, "PAIRS", 1_000)
    space = spaces.space_of("space s\nn = [choose 1..400 for i in 1..40]\nrequire sum(n) <= 5_000\n")
    limit = str(count(space, limits=Limits(combinations=3_000_000)).limit)
    told = re.fullmatch(r"([\d,]+) rows, more than ([\d,]+).*", limit)
    assert limit and (told is None or int(told[1].replace(",", "")) > int(told[2].replace(",", "")))
