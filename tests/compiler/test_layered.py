"""Many large groups under one sum: counts and samples against brute force, and the parts they are made of."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from cospace.compiler.counting import layered, powers
from cospace.compiler.counting.count import Limits, components, count
from cospace.compiler.counting.levels import Group
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.sampling.draw_layers import LayeredDrawer
from cospace.compiler.sampling.ragged import Ragged, of_weights
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Space

from tests.compiler.test_sample import chi_square_is_plausible

TILINGS = Path(__file__).parents[2] / "benchmarks" / "spaces" / "tilings.cospace"


def space_of(text: str) -> Space:
    compiled = compile_text(text)
    assert compiled.space is not None, compiled.diagnostics
    return compiled.space


# ---- the tilings, cut to two layers of few loops and sizes


def splits(n: int) -> list[tuple[int, int, int]]:
    return [(a, b, n // a // b) for a in range(1, n + 1) for b in range(1, n + 1) if n % a == 0 and n // a % b == 0]


def layer(channels: int) -> Counter[tuple[int, int, int]]:
    """How many choices of one layer of the cut have which footprint, greatest array side and cost."""
    found: Counter[tuple[int, int, int]] = Counter()
    orders = list(itertools.permutations("KCY"))
    sets = {"weights": "KC", "inputs": "CY", "outputs": "KY"}
    for w, a in itertools.product((2, 4, 8), repeat=2):
        for k, c, y in itertools.product(splits(channels), splits(channels), splits(2)):
            trips = {"K": k[0], "C": c[0], "Y": y[0]}
            tk, tc, ty = k[1] * k[2], c[1] * c[2], y[1] * y[2]
            for outer, inner in itertools.product(orders, orders):
                tiles = {
                    "weights": w * tk * tc,
                    "inputs": a * tc * ty,
                    "outputs": (a if inner[2] == "C" else 32) * tk * ty,
                }
                traffic = 0
                for name, tile in tiles.items():
                    last = max(outer.index(d) for d in sets[name])
                    traffic += tile * math.prod(trips[d] for d in outer[: last + 1])
                found[sum(tiles.values()), max(k[2], c[2]), -(-traffic // 8)] += 1
    return found


def test_two_layers_of_the_tilings_are_counted_as_brute_force_does(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compile_file(TILINGS, {"layers": "2", "small": "true"}).space
    assert space is not None
    layers = [layer(2), layer(4)]
    wanted = 0
    for buffer, array in itertools.product((16, 32, 64), (64, 256)):
        costs = [Counter[int](), Counter[int]()]
        for cost, found in zip(costs, layers, strict=True):
            for (footprint, side, traffic), many in found.items():
                if footprint <= buffer and side <= array:
                    cost[traffic] += many
        wanted += sum(m * n for (x, m), (y, n) in itertools.product(costs[0].items(), costs[1].items()) if x + y <= 20)
    counted = count(space)
    assert counted.exact and counted.feasible == wanted and counted.method.startswith("groups by their states")
    monkeypatch.setattr(layered, "GROUP", 1 << 62)
    other = count(space)
    assert other.feasible == wanted and not other.method.startswith("groups by their states")


def test_samples_of_two_layers_of_the_tilings_keep_what_each_value_leaves() -> None:
    space = compile_file(TILINGS, {"layers": "2", "small": "true"}).space
    assert space is not None
    n = 60_000
    rows = Sampler(space).sample(n)
    whole = count(space).feasible
    assert whole
    for path in ("buffer", "w[2]", "outer[1]", "inner[2]", "k[2]", "c[1]", "y[2]"):
        k = next(i for i, d in enumerate(space.decisions) if d.path == path)
        for index, value in enumerate(space.decisions[k].values):
            kept = count(space, {path: value}, Limits()).feasible
            assert kept is not None
            share = kept / whole
            drawn = int((rows[:, k] == index).sum())
            assert abs(drawn - n * share) <= 5 * math.sqrt(n * share * (1 - share)) + 1


# ---- small spaces of the kind, listed


def write(seed: int) -> str:
    """Two to four groups under a sum; what each costs and needs reads its decisions in different ways."""
    rng = random.Random(seed)
    n = rng.choice([2, 2, 2, 3])
    pages = rng.choice([1, 2, 3])
    cost = rng.choice(
        [
            "ceil(a[l] * f[l][1] / {p}) + (if o[l][2] == K then b[l] else 0)",
            "a[l] * product({{K = f[l][1], C = b[l]}}[d] for d in down_to(o[l], {{K}}))",
            "max(a[l] * b[l], f[l][2]) + floor(a[l] / {p})",
            "a[l] * (f[l][1] + b[l] - 1) + (if a[l] > b[l] and f[l][2] > 1 then 3 else 1)",
        ]
    ).format(p=pages)
    need = rng.choice(["a[l] * b[l] * f[l][2]", "a[l] + f[l][2] * b[l]", "min(a[l], f[l][1]) * b[l]"])
    bound = rng.randint(4 * n, 14 * n)
    return f"""space t
h = choose {{2, 4, 9}}
g = choose {{1, 3}}
a = [choose {{1, 2, 5}} for l in 1..{n}]
b = [choose 1..{rng.randint(2, 3)} for l in 1..{n}]
f = [choose factors({rng.choice([3, 4])}, 2) for l in 1..{n}]
o = [choose orders({{K, C}}) for l in 1..{n}]
for l in 1..{n} {{
    require {need} <= h * 2
    require a[l] >= g when b[l] > 1
}}
require sum({cost} for l in 1..{n}) <= {bound}
"""


@pytest.mark.parametrize("seed", range(24))
def test_counts_and_samples_are_those_of_all_designs_listed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layered, "GROUP", 1)
    space = space_of(write(seed))
    frame = Frame.of(space)
    (part,) = (p for p in components(frame, frame.structure(), frame.clauses(space.requirements)) if p.clauses)
    rows = frame.enumerate(part.variables, part.clauses)
    made = layered.make_layered(frame, part.variables, part.clauses)
    assert made is not None
    assert made.count() == (len(rows), len(rows))
    if len(rows) > 20_000:
        return
    if not len(rows):
        return
    drawer = LayeredDrawer(frame, made)
    n = 12 * len(rows)
    rng = numpy.random.default_rng(seed)
    found: Counter[tuple[int, ...]] = Counter()
    while sum(found.values()) < n:
        columns = drawer.draw(4096, rng)
        found.update(map(tuple, numpy.stack([columns[v] for v in sorted(part.variables)], axis=1).tolist()))
    assert set(found) <= set(map(tuple, rows.tolist()))
    assert chi_square_is_plausible(found, len(rows), sum(found.values()))


def test_states_that_are_too_many_leave_the_component_to_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layered, "GROUP", 1)
    monkeypatch.setattr("cospace.compiler.counting.states.ARCS", 4)
    space = space_of(write(1))
    frame = Frame.of(space)
    (part,) = (p for p in components(frame, frame.structure(), frame.clauses(space.requirements)) if p.clauses)
    assert layered.make_layered(frame, part.variables, part.clauses) is None
    assert count(space).exact


# ---- powers of polynomials


@pytest.mark.parametrize("seed", range(30))
def test_powers_count_what_all_choices_do(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    groups = [
        (
            Group.of([rng.randint(0, 12) * 2 for _ in range(4)], [rng.randint(1, 10**9) for _ in range(4)]),
            rng.randint(1, 3),
        )
        for _ in range(rng.randint(1, 2))
    ]
    every = [g for g, n in groups for _ in range(n)]
    for bound in (-1, 0, 20, 47, 10**6):
        wanted = sum(
            math.prod(w for _, w in choice)
            for choice in itertools.product(*(tuple(zip(g.values, g.weights, strict=True)) for g in every))
            if sum(v for v, _ in choice) <= bound
        )
        assert powers.count_powers(groups, bound) == (wanted, wanted)
        with monkeypatch.context() as less:
            less.setattr(powers, "DIGITS", 200)
            low, high = powers.count_powers(groups, bound)
            assert low <= wanted <= high


# ---- draws from segments


@pytest.mark.parametrize("margin", [None, 1 << 55, 1 << 60])
def test_segments_give_items_by_their_weight_whatever_the_margin(margin: int | None) -> None:
    """A margin so wide that whole numbers have to decide most draws changes nothing."""
    rng = random.Random(4)
    lengths = [1, 3, 40, 0, 7]
    weights = [rng.choice([1, 10, 1000]) for _ in range(sum(lengths))]
    starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
    made = of_weights(starts, numpy.array(weights, dtype=numpy.int64))
    if margin is not None:
        made = Ragged(starts, numpy.where(made.cuts == (1 << 63) - 1, 0, made.cuts), margin, made._recall)
    n = 20_000 if margin is None else 3_000
    for segment, length in enumerate(lengths):
        if not length:
            continue
        drawn = made.draw(numpy.full(n, segment), numpy.random.default_rng(segment)) - starts[segment]
        own = numpy.array(weights[starts[segment] : starts[segment + 1]])
        counts = numpy.bincount(drawn, minlength=length)
        expected = n * own / own.sum()
        assert len(counts) == length
        assert (abs(counts - expected) <= 5 * numpy.sqrt(expected) + 5).all()


# ---- what is said of it


def test_all_fifty_layers_have_more_than_10_to_the_800_designs() -> None:
    space = compile_file(TILINGS).space
    assert space is not None and len(space.decisions) == 552
    assert math.prod(len(d.values) for d in space.decisions) > 10**800
    lines = [line for line in TILINGS.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 60


def test_pinned_values_are_kept() -> None:
    space = compile_file(TILINGS, {"layers": "2", "small": "true"}).space
    assert space is not None
    order = next(d for d in space.decisions if d.path == "outer[2]").values[3]
    fixed = {"w[1]": Fraction(4), "outer[2]": order}
    sampler = Sampler(space, fixed)
    assert isinstance(sampler.acceptance, float)
    for row in sampler.sample(50):
        design = decode(space.decisions, row)
        assert (design["w[1]"], design["outer[2]"]) == (4, order)


def test_a_sum_of_too_many_levels_is_bounded_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compile_file(TILINGS, {"layers": "2", "small": "true"}).space
    assert space is not None
    exact = count(space)
    monkeypatch.setattr(powers, "DIGITS", 40)
    found = count(space)
    low, high = found.bounds
    assert high is not None and exact.feasible is not None
    assert not found.exact and found.feasible is None and low <= exact.feasible <= high and low < high
    assert found.responsible is not None and found.responsible.reason == "traffic"
