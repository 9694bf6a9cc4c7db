"""Mappings solved ahead against one assignment at a time: quantities, feasibility, ties, dead decisions, and doubts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from math import prod
from pathlib import Path

import numpy
import pytest
from attrs import evolve
from cospace.compiler import solved, solved_left, solved_pieces
from cospace.compiler.counting.options import Options
from cospace.compiler.counting.rowsums import count_rows
from cospace.compiler.counting.separate import separate
from cospace.compiler.driver import compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.exact import columns
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import evaluate, solve_maps
from cospace.compiler.numbers import build, steps
from cospace.compiler.solved_kept import KIND
from cospace.compiler.space import graph
from cospace.compiler.space.graph import BOOL, FALSE, NUMBER, add, both, branch, const, div, eq, le, lt, var
from cospace.compiler.space.lookups import lookup, table
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import dumps, to_json
from cospace.dsl.cache import read_cached, write_cached

from tests.compiler.spaces import JOBS, designs

HEAD = (
    "space ahead"
    + JOBS
    + """network net(x: data.row) { job(job(job(x, m = 6, n = 8), m = 9, n = 20), m = 6, n = 8) }
"""
)
TILED = (
    HEAD
    + """
precision of net { both = switch {4, 8} bit }
accelerator chip {
    size = choose {9, 24, 60} bit
    mode = choose kind { plain = 1, wide = choose lanes {2, 4} }
    on matmul(m, k, n, wbits) {
        a = map divisors(k)
        b = map [t for t in {1, 2, 4, 8, 16} when t <= n]
        order = map {outer, inner}
        flip = map {true, false}
        u = map {1, 2, 3}
        require a * wbits + b * 2 bit <= size "it fits"
        steps = ceil(n / b) * ceil(k / a) * ceil(m / u)
        cycles = steps * (if order == outer then b else a) / mode + (if flip then 3 else abs(u - 2))
        energy = 3 pJ * steps + a * b * 1 pJ / 7
        minimize GOAL
    }
    energy = sum(works.energy)
    cycles = sum(works.cycles)
}
minimize max(chip.energy for precision.both)
minimize chip.cycles at precision.both = 4 bit
"""
)


def compiled(text: str) -> Space:
    made = compile_text(text)
    assert made.space is not None, [d.message for d in made.diagnostics]
    return made.space


@pytest.mark.parametrize(
    ("goal", "piece", "worth"),
    [("cycles", 1 << 18, 1), ("energy * cycles", 40, 1), ("0 * cycles", 1, 1 << 60), ("max(cycles, 40)", 7, 1),
     ("energy", 1000, 1 << 60)],
)  # fmt: skip
def test_tables_hold_what_trying_every_mapping_finds(
    monkeypatch: pytest.MonkeyPatch, goal: str, piece: int, worth: int
) -> None:
    text = TILED.replace("GOAL", goal)
    monkeypatch.setattr(solved_pieces, "PIECE", piece)
    monkeypatch.setattr(solved_left, "WORTH", worth)
    left: list[solved_left.Left | None] = []
    monkeypatch.setattr(solved_pieces, "leave", lambda *asked: left.append(solved_left.leave(*asked)) or left[-1])
    monkeypatch.setattr(placing, "LARGE", 1 << 60)
    slow = compiled(text)
    monkeypatch.setattr(placing, "LARGE", 2)
    fast = compiled(text)
    assert any(one is not None for one in left) == (worth == 1)
    assert not any(len(p.problem.goals) > 1 for w in fast.works for p in w.placements)  # what stands for them has one
    assert any(prod(len(m.values) for m in p.problem.maps) >= 300 for w in slow.works for p in w.placements)
    listed = designs(slow)
    assert len(listed) == 9
    refused = 0
    for design in listed:
        met = [
            all(evaluate(r.guard, design) is False or evaluate(r.value, design) is True for r in s.requirements)
            for s in (slow, fast)
        ]
        assert met[0] == met[1]
        refused += not met[0]
        assert [evaluate(o.value, design) for o in slow.objectives] == [
            evaluate(o.value, design) for o in fast.objectives
        ]
        for one, other in zip(slow.works, fast.works, strict=True):
            assert (one.path, one.at) == (other.path, other.at)
            assert solve_maps(one.placements[0].problem, design) is not None
            taken = [solve_maps(w.placements[0].problem, design) for w in (one, other)]
            values = [list(t.values()) if isinstance(t, dict) else None for t in taken]
            assert values[0] == values[1]
    assert 0 < refused < len(listed)


@pytest.mark.parametrize(("tried", "proved"), [(1 << 27, True), (100, False)])
def test_where_bounds_do_not_tell_mappings_are_tried(monkeypatch: pytest.MonkeyPatch, tried: int, proved: bool) -> None:
    monkeypatch.setattr(placing, "LARGE", 2)
    wanted = compiled(TILED.replace("GOAL", "cycles"))
    monkeypatch.setattr(solved, "LISTED", 1)
    monkeypatch.setattr(solved, "TRIED", tried)
    asked: list[int] = []

    def gives_up(members: Sequence[solved._Member]) -> None:
        asked.append(len(members))
        members[0].best.append(None)
        raise NotExact("bounds do not tell the best mapping")

    monkeypatch.setattr(solved, "_prove", gives_up)
    space = compiled(TILED.replace("GOAL", "cycles"))
    assert asked
    assert not any(len(p.problem.goals) > 1 for w in space.works for p in w.placements)
    assert bool(space.met) is not proved
    assert dumps(to_json(evolve(space, met=()))) == dumps(to_json(wanted))


def test_a_value_that_is_not_rational_is_left_to_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "LARGE", 2)
    space = compiled(TILED.replace("GOAL", "sqrt(cycles)"))
    assert any(len(p.problem.goals) > 1 for w in space.works for p in w.placements)


def test_columns_refuse_what_has_no_value() -> None:
    x = var("x", NUMBER)
    given = {"x": columns.column([Fraction(3), Fraction(1, 2)])}
    (found,) = columns.evaluate([div(const(1), x)], given, 2)
    assert list(found) == [Fraction(1, 3), 2]
    with pytest.raises(NotExact):
        columns.evaluate([div(const(1), x)], {"x": columns.column([Fraction(0)])}, 1)


@pytest.mark.parametrize("most", [columns.MOST, 1_000, 1])
@pytest.mark.parametrize("shared", [columns.SHARED, 7, 1])
def test_columns_of_fractions_are_exact(shared: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SHARED", shared)
    monkeypatch.setattr(columns, "MOST", most)
    x, y, half = var("x", NUMBER), var("y", NUMBER), const(Fraction(1, 2))
    given = {"x": [Fraction(n, d) for n in (-7, 0, 5) for d in (1, 3, 4)], "y": [Fraction(n, 6) for n in range(1, 10)]}
    given["whole"] = [Fraction(n) for n in (-3, 5, 21, 22, 1, -1, 2**31, -(2**40), 2**61)]
    whole = var("whole", NUMBER)
    above, below = add(x, half), add(y, const(Fraction(-19, 5)))
    quotient = div(above, below)
    exprs = [
        quotient,
        div(quotient, const(Fraction(-3, 7))),
        graph.mul(quotient, x, below),
        graph.minimum(quotient, x, half),
        add(graph.mul(whole, whole, below), whole, x),
        div(graph.mul(whole, const(7)), whole),
        graph.absolute(graph.sub(whole, const(40))),
        graph.maximum(graph.mul(whole, whole, whole), graph.mul(whole, whole, const(21))),
    ]
    exprs += [
        graph.ceil(quotient),
        graph.floor(graph.mul(quotient, quotient)),
        branch(lt(quotient, x), quotient, y),
        eq(above, below),
    ]
    found = columns.evaluate(exprs, {p: columns.column(v) for p, v in given.items()}, 9)
    for e, values in zip(exprs, found, strict=True):
        for n, value in enumerate(values):
            assert value == evaluate(e, {p: v[n] for p, v in given.items()})


def test_columns_have_no_value_only_where_a_branch_without_one_is_taken() -> None:
    x = var("x", NUMBER)
    rows = table("t", [(Fraction(1),), (Fraction(2),)], [True, False])
    numbers = table("n", [(Fraction(2),)], [Fraction(7)])
    some = {"x": columns.column(map(Fraction, (0, 1, 2)))}
    inverse = branch(lt(const(0), x), div(const(6), x), const(9))
    known = branch(eq(x, const(0)), FALSE, lookup(rows, [x], BOOL))
    seven = branch(eq(x, const(2)), add(lookup(numbers, [x], NUMBER), const(1)), x)
    compared = both(lt(const(0), x), le(div(const(6), x), const(3)))
    found = columns.evaluate([inverse, known, seven], some, 3)
    assert [list(f) for f in found] == [[9, 6, 3], [False, True, False], [0, 1, 8]]
    for e in (compared, div(const(6), x), lookup(rows, [x], BOOL), branch(lt(x, const(1)), div(const(6), x), x)):
        with pytest.raises(NotExact):
            columns.evaluate([e], some, 3)


NESTED = (
    HEAD
    + """
precision of net { both = 8 bit }
def inside(order, loops, within) = product(loops[order[p]] for p in 1..7 when p <= within)
accelerator chip {
    on matmul(m, k, n) {
        order = map orders({A, B, C, D, E, F, G})
        within = map 0..7
        loops = {A = LARGE, B = m, C = n, D = 3, E = 1, F = 2, G = 5}
        fewer = {A = 21, B = m, C = n, D = 3, E = 1, F = 2, G = 5}
        require order[7] == G and order[6] == F and order[1] != B
        tile = inside(order, fewer, within) * 1000 / 63
        require inside(order, loops, within) <= LARGE * 5 * n and ceil(tile) != ceil(tile / 7 + 11)
        cycles = ceil(tile / 8) + floor(inside(order, loops, 5) / 7) + (if order[2] == D then 1 else 2)
        energy = cycles * 1 pJ + tile * 1 pJ / 3
        minimize cycles
    }
    energy = sum(works.energy)
}
minimize chip.energy
"""
)


@pytest.mark.parametrize(("large", "ahead"), [(2000, True), (10**14, False)])
def test_whole_numbers_are_exact_until_a_mapping_makes_them_large(
    monkeypatch: pytest.MonkeyPatch, large: int, ahead: bool
) -> None:
    monkeypatch.setattr(placing, "LARGE", 2)
    monkeypatch.setattr(steps, "FOLDED", 256)
    monkeypatch.setattr(build, "TABLE_LIMIT", 64)
    text = NESTED.replace("LARGE", str(large))
    fast = compiled(text)
    assert all((len(p.problem.goals) == 1) is ahead for w in fast.works for p in w.placements)
    monkeypatch.setattr(placing, "LARGE", 1 << 60)
    for one, other in zip(compiled(text).works, fast.works, strict=True):
        taken = [solve_maps(w.placements[0].problem, {}) for w in (one, other)]
        assert taken[0] is not None
        assert [list(t.values()) for t in taken if isinstance(t, dict)] == [list(taken[0].values())] * 2


def test_requirements_forget_what_their_guard_settles() -> None:
    text = "space s\nmode = choose {a, b}\nx, y = choose 1..3\n"
    text += "require (if mode == a then x else y) <= 2 when mode == b\n"
    (requirement,) = compiled(text).requirements
    assert requirement.value.free == {"y"}


def test_sums_that_share_no_part_are_counted_apart() -> None:
    assert separate([[True, False], [False, True], [True, False], [False, False]]) == [
        ([0, 2], [0]), ([1], [1]), ([3], [])
    ]  # fmt: skip
    random = numpy.random.default_rng(5)
    for _ in range(20):
        reads = [(0,), (1,), (0,), (1,), (), (0, 1)][: 3 + int(random.integers(0, 4))]
        groups = []
        for own in reads:
            values = tuple(
                random.integers(0, 9, (1, 3)) if k in own else numpy.full((1, 3), int(random.integers(0, 3)))
                for k in range(2)
            )
            groups.append(Options(values, random.integers(0, 3, (1, 3)) + numpy.array([[1, 0, 0]])))
        bounds = [numpy.array([int(random.integers(3, 20))]) for _ in range(2)]
        wanted = 0
        for taken in itertools.product(range(3), repeat=len(groups)):
            sums = [sum(int(g.values[k][0, t]) for g, t in zip(groups, taken, strict=True)) for k in range(2)]
            if all(s <= int(b[0]) for s, b in zip(sums, bounds, strict=True)):
                wanted += prod(int(g.weights[0, t]) for g, t in zip(groups, taken, strict=True))
        active = [numpy.array([True]), numpy.array([True])]
        assert int(count_rows(groups, bounds, active, [1 << 20])[0]) == wanted


def test_solved_mappings_are_kept_for_what_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(placing, "LARGE", 2)
    monkeypatch.setattr(solved, "KEPT", 2)
    solving = []
    solve = solved._solve
    monkeypatch.setattr(solved, "_solve", lambda members, kept: (solving.append(len(members)), solve(members, kept)))
    text = TILED.replace("GOAL", "cycles")

    def written(text: str) -> str:
        made = to_json(compiled(text))
        return dumps(made)

    first = written(text)
    assert solving
    solving.clear()
    assert written(text) == first
    assert written(text.replace("space ahead", "space other")) == first.replace("ahead", "other")
    assert not solving
    for other in ("n = 21", "k = 11", "u - 1", "{9, 24, 61}", "switch {4, 9}", "/ 8"):
        old = {"n": "n = 20", "k": "k = 12", "u": "u - 2", "{": "{9, 24, 60}", "s": "switch {4, 8}", "/": "/ 7"}
        changed = text.replace(old[other[0]], other)
        assert changed != text
        solving.clear()
        known = written(changed)
        assert solving, other
        monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "none"))
        assert known == written(changed)
        monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))
    solving.clear()
    for file in tmp_path.glob("mappings-*.json"):
        key = file.stem.split("-", 1)[1]
        for damaged in ([], {}, [[[None], [[]]]], [[1, 2]]):
            assert write_cached(KIND, key, damaged)
        assert read_cached(KIND, key) == [[1, 2]]
    assert written(text) == first
    assert solving
