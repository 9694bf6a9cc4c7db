"""Counts by switched parts and by pairs of points, against brute force: small spaces of the shapes that need them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction

import numpy
import pytest
from cospace.compiler.counting import count as counting
from cospace.compiler.counting import dominance, flags, joining, rowsums
from cospace.compiler.counting import switched as switched_sums
from cospace.compiler.counting.count import Component, Limits, components, count, split
from cospace.compiler.counting.dominance import Points, count_pairs, merge_points
from cospace.compiler.counting.flags import Flags
from cospace.compiler.counting.sums import NotASum, read_sums
from cospace.compiler.counting.switched import Switched
from cospace.compiler.driver import compile_text
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import Clause, Frame, TooMany, holds_at
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Decision, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

WIDE = Limits(brute=0, table=1)
"""No table holds a requirement, and no component is listed first."""


def number(path: str, *values: int, guard: g.Expr = g.TRUE) -> Decision:
    return Decision(path, "choose", tuple(Fraction(v) for v in values), g.NUMBER, guard=guard)


def read(d: Decision) -> g.Expr:
    return g.var(d.path, d.type)


def space_of(decisions: list[Decision], values: list[g.Expr]) -> Space:
    asked = tuple(Requirement(v, g.TRUE, f"r{k}", NOWHERE) for k, v in enumerate(values))
    return Space("s", None, (), tuple(decisions), asked, (), (), (), (), (), ())


def brute_force(space: Space) -> int:
    """Designs that meet everything, one by one through the reference evaluator."""
    met = 0
    for values in itertools.product(
        *((None, *d.values) if d.guard is not g.TRUE else d.values for d in space.decisions)
    ):
        design = {d.path: v for d, v in zip(space.decisions, values, strict=True) if v is not None}
        live = all((exact.evaluate(d.guard, design) is True) == (d.path in design) for d in space.decisions)
        met += live and all(holds_at(r, design) is True for r in space.requirements)
    return met


def listed(space: Space) -> int:
    """The count by enumeration; small spaces are decided by the reference evaluator too."""
    found = count(space)
    assert (found.exact and {*found.method.split(", ")} <= {"enumeration", "product of domains"}) or found.feasible == 0
    if (found.raw or 0) <= 1_500:
        assert brute_force(space) == found.feasible
    return found.feasible or 0


# ---- parts that many decisions switch


def switched(seed: int) -> Space:
    """Layers put work on chunks by their operator and bits; a chunk costs the most that any of its works asks for."""
    rng = random.Random(seed)
    decisions: list[Decision] = []
    works: dict[int, list[tuple[g.Expr, int]]] = {}
    chunks = rng.randint(1, 3)
    for i in range(rng.randint(3, 4)):
        op = number(f"op{i}", 0, 1, 2)
        decisions.append(op)
        bits = number(f"bits{i}", 4, 8, guard=g.lt(g.const(0), read(op))) if rng.random() < 0.6 else None
        if bits is not None:
            decisions.append(bits)
        for kernel in (1, 2):
            put = g.eq(read(op), g.const(kernel))
            if bits is not None and rng.random() < 0.7:
                for q in (4, 8):
                    here = g.both(put, g.eq(read(bits), g.const(q)))
                    works.setdefault(rng.randrange(chunks), []).append((here, kernel))
            else:
                works.setdefault(rng.randrange(chunks), []).append((put, kernel))
    costs: list[list[g.Expr]] = [[], []]
    for c in range(chunks):
        rows, columns = number(f"rows{c}", 1, 2, 3), number(f"columns{c}", *range(1, rng.randint(2, 4)))
        decisions += [rows, columns]
        r, k = read(rows), read(columns)
        for which, cost in enumerate(costs):
            shape = rng.choice([lambda n, r=r, k=k: g.add(g.mul(r, k), g.const(n)),
                                lambda n, r=r, k=k: g.add(g.mul(g.const(n), r), k),
                                lambda n, r=r: g.mul(g.const(Fraction(n, 3)), r)])  # fmt: skip
            cost.append(most(works.get(c, []), shape, which))
    bounds = [g.const(rng.randint(2, 9)), g.const(rng.randint(4, 16))]
    asked = [g.le(g.add(g.const(0), *cost), b) for cost, b in zip(costs, bounds, strict=True)]
    return space_of(decisions, asked[: rng.randint(1, 2)])


def most(works: list[tuple[g.Expr, int]], cost: object, which: int) -> g.Expr:
    """The greatest cost of the works that are there, each kernel's once; 0 of none."""
    result, later = g.const(0), g.FALSE
    for kernel in (1, 2):
        there = g.either(g.FALSE, *(w for w, k in works if k == kernel))
        v = cost(kernel + which)  # type: ignore[operator]
        result = g.branch(there, g.branch(later, g.maximum(v, result), v), result)
        later = g.either(there, later)
    return result


def flags_of(space: Space) -> list[Flags]:
    frame = Frame.of(space)
    structure = frame.structure()
    found = []
    for part in components(frame, structure, frame.clauses(space.requirements)):
        wide = split(frame, part.clauses, WIDE)[1]
        if wide:
            found.append(Flags.of(frame, part.variables, part.structure, (), wide, count(space).raw or 0, Limits()))
    return found


def test_switched_parts_equal_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    used = open_bounds = 0
    for seed in range(36):
        space = switched(seed)
        truth = listed(space)
        found = count(space, limits=WIDE)
        low, high = found.bounds
        assert low <= truth <= (high or 0)
        if "switch" in found.method:
            used += 1
            assert found.feasible == truth
            if "," not in found.method:
                (made,) = flags_of(space)
                low, high = made.total(levels=6)
                assert low <= truth <= high
                open_bounds += low < high
        with monkeypatch.context() as patch:
            patch.setattr(joining, "JOINED", 8)
            low, high = count(space, limits=WIDE).bounds
            assert low <= truth <= (high or 0)
    assert used >= 18 and open_bounds >= 6


CHUNKS = """language 1
space chunks "Layers on two kinds of chunk, two bitwidths"

import std.tasks
import std.images
import std.learn
import std.fpga_chunks

photos = cifar10()

def inverted(x) {
    choose op {
        k3   = mbconv(x, 16, kernel = 3, expansion = 1)
        k5   = mbconv(x, 16, kernel = 5, expansion = 1)
        skip = shortcut(x, 16)
    }
}

network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 16)
    for i in 1..LAYERS {
        x = inverted(x)
    }
    linear(global_pool(x), out = photos.classes)
}

precision rest of net { both = 32 bit }
precision of net.inverted { both = choose {4, 8} bit per block }

fpga = fpga_chunks(
    dsps = DSPS, brams = BRAMS, precisions = {4, 8} bit,
    large_maps = {4}, small_maps = {1}, large_channels = {1, 4}, small_channels = {1}
)
minimize error(photos)
"""


def test_a_pipeline_of_chunks_is_counted_alike_by_conditioning(monkeypatch: pytest.MonkeyPatch) -> None:
    for dsps, brams in ((2, 40), (9, 12), (5, 20)):
        text = CHUNKS.replace("LAYERS", "2").replace("DSPS", str(dsps)).replace("BRAMS", str(brams))
        space = compile_text(text).space
        assert space is not None
        joined = count(space)
        with monkeypatch.context() as patch:
            patch.setattr(flags, "MANY", 99)
            conditioned = count(space)
        assert "switch" in joined.method and "shared decisions" in conditioned.method
        assert joined.feasible == conditioned.feasible and 0 < (joined.feasible or 0) < (joined.raw or 0)


# ---- what some decisions switch and others price


def priced(seed: int) -> Space:
    """Layers choose an operator, which puts works on one or two chunks; a work's cost is the chunk's tiles' to say."""
    rng = random.Random(seed)
    chunks = [[number(f"rows{c}", 1, 2, 3), number(f"columns{c}", *range(1, rng.randint(2, 4)))] for c in range(3)]
    layers = [number(f"op{i}", 0, 1, 2) for i in range(rng.randint(3, 5))]
    terms = [g.mul(g.const(Fraction(1, 7)), read(chunks[0][0]))] if rng.random() < 0.5 else []
    for i, layer in enumerate(layers):
        for op in (1, 2):
            for c in {0 if i < 2 else 1, rng.randrange(3) if i == 2 else 1}:
                r, k = map(read, chunks[c])
                cost = g.div(g.mul(g.const(rng.choice([3, 3, 5]) * op), k), r) if c else g.mul(r, k)
                terms.append(g.branch(g.eq(read(layer), g.const(op)), cost, g.const(0)))
    bound = g.const(Fraction(rng.randint(10, 60), 3))
    return space_of([*layers, *itertools.chain(*chunks)], [g.le(g.add(*terms), bound)])


def switched_clauses(space: Space) -> Iterator[tuple[Frame, Component, Clause, Switched]]:
    """Each clause of a space that is a sum of what switches, with its component."""
    frame = Frame.of(space)
    for part in components(frame, frame.structure(), frame.clauses(space.requirements)):
        for c in part.clauses:
            try:
                made = Switched.of(frame, part.variables, part.structure, c, Limits())
            except (NotASum, TooMany):
                continue
            yield frame, part, c, made


def test_sums_are_rounded_in_an_order_that_memory_does_not_decide() -> None:
    """Switches are told apart by the numbers of their conditions, and stand in the order of these."""
    used = 0
    for seed in range(12):
        for _, _, c, made in switched_clauses(priced(seed)):
            (sums,) = read_sums(c)
            conditions = {id(k) for t in sums.terms for k in t.conditions}
            numbers = {n for p in made.priced for switch in p.switches for n in switch}
            assert numbers <= set(range(len(conditions)))
            assert all(list(p.switches) == sorted(p.switches) for p in made.priced)
            used += bool(numbers)
    assert used >= 5


def test_switched_and_priced_sums_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    used = 0
    for seed in range(40):
        space = priced(seed)
        truth = listed(space)
        for frame, part, _, made in switched_clauses(space):
            for levels in (640, 60):
                monkeypatch.setattr(switched_sums, "LEVELS", levels)
                low, high = made.bounds()
                rest = (count(space).raw or 0) // frame_raw(frame, part.variables)
                assert low * rest <= truth <= high * rest
            used += 0 < low < high < frame_raw(frame, part.variables)
    assert used >= 15


def frame_raw(frame: Frame, variables: tuple[int, ...]) -> int:
    return math.prod(len(frame.domains[v]) for v in variables)


def test_requirements_that_cannot_be_joined_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TooMany(1, 0, ())

    used = 0
    for seed in range(30):
        one = priced(seed)
        rng = random.Random(seed)
        tiles = [read(d) for d in one.decisions if d.path.startswith(("rows", "columns"))]
        first = [read(d) for d in one.decisions if d.path.startswith("op")]
        busy = g.either(*(g.eq(x, g.const(2)) for x in first))
        area = g.add(g.mul(tiles[0], tiles[1]), g.branch(busy, g.mul(tiles[2], tiles[3]), g.const(0)))
        asked = [r.value for r in one.requirements]
        space = space_of(list(one.decisions), [*asked, g.le(area, g.const(rng.randint(9, 14)))])
        truth = listed(space)
        with monkeypatch.context() as patch:
            patch.setattr(counting, "Coupled", refuse)
            patch.setattr(counting, "_listed", lambda *_: None)
            found = count(space, limits=WIDE)
        assert found.bounds[0] <= truth <= (found.bounds[1] or 0)
        used += "each requirement alone" in found.method and found.bounds[0] > 0
    assert used >= 8


# ---- pairs of points


def test_pairs_within_two_bounds_are_counted_as_if_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = numpy.random.default_rng(3)
    for trial in range(150):
        kind = object if trial % 3 == 0 else numpy.int64
        span = int(rng.integers(1, 30))

        def points(n: int, kind: object = kind, span: int = span) -> Points:
            return Points(
                rng.integers(-span, span, n), rng.integers(-span, span, n), rng.integers(0, 5, n).astype(kind)
            )

        a, b = points(int(rng.integers(0, 25))), points(int(rng.integers(0, 25)))
        x, y = (int(n) for n in rng.integers(-span, span, 2))
        within = (a.x[:, None] + b.x <= x) & (a.y[:, None] + b.y <= y)
        wanted = int((within * (a.weights[:, None] * b.weights)).sum())
        for cells in (dominance.TABLE, 0):
            with monkeypatch.context() as patch:
                patch.setattr(dominance, "TABLE", cells)
                assert count_pairs(a, b, x, y) == wanted
                assert count_pairs(merge_points(a), merge_points(b), x, y) == wanted


def coupled(seed: int) -> Space:
    """Products of two and three decisions in two sums that read all of them."""
    rng = random.Random(seed)
    decisions = [number(f"p{i}", *sorted(rng.sample(range(1, 9), rng.choice([2, 3, 4])))) for i in range(7)]
    p = [read(d) for d in decisions]
    scale = g.const(Fraction(1, rng.choice([1, 3, 7])))
    first = g.add(*(g.mul(scale, *(p[i] for i in rng.sample(range(7), 3))) for _ in range(3)), *p)
    second = g.add(*(g.mul(*(p[i] for i in rng.sample(range(7), 2))) for _ in range(3)), p[0], p[6])
    energy = g.le(first, g.const(rng.randint(60, 300)))
    return space_of(decisions, [energy, g.le(g.const(rng.randint(20, 80)), second)])


def test_two_sums_over_large_groups_equal_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowsums, "COMBINED", 1)
    exactly = 0
    for seed in range(40):
        space = coupled(seed)
        truth = listed(space)
        found = count(space, limits=WIDE)
        assert found.bounds[0] <= truth <= (found.bounds[1] or 0)
        exactly += found.feasible == truth
        for few in (300, 3_000):
            low, high = count(space, limits=Limits(brute=0, table=1, rows=few, combinations=few)).bounds
            assert low <= truth <= (high or 0)
    assert exactly >= 35
