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
from cospace.compiler.checks import findings
from cospace.compiler.checks.drawn import Drawn
from cospace.compiler.cost import holds
from cospace.compiler.counting import layered, powers
from cospace.compiler.counting.count import Limits, components, count
from cospace.compiler.counting.levels import Group
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.witness import Witnesses
from cospace.compiler.sampling import columns, halves, leaps, ragged
from cospace.compiler.sampling.columns import Column, Designs, join_columns
from cospace.compiler.sampling.draw_layers import LayeredDrawer
from cospace.compiler.sampling.halves import Halves
from cospace.compiler.sampling.ragged import Ragged, of_weights
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.sampling.scratch import Scratch
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


def draws_what_is_listed(space: Space, seed: int) -> LayeredDrawer | None:
    """Whether its count is that of its list, and draws are uniform over that; the drawer where there was one."""
    frame = Frame.of(space)
    (part,) = (p for p in components(frame, frame.structure(), frame.clauses(space.requirements)) if p.clauses)
    rows = frame.enumerate(part.variables, part.clauses)
    made = layered.make_layered(frame, part.variables, part.clauses)
    assert made is not None
    assert made.count() == (len(rows), len(rows))
    if not 0 < len(rows) <= 20_000:
        return None
    drawer = LayeredDrawer(frame, made, [c.value for c in part.clauses])
    place = {v: k for k, v in enumerate(sorted(part.variables))}
    parts = tuple(Column(tuple(place[v] for v in c.members), c.sizes) for c in drawer.columns)
    for c in drawer.columns:
        assert c.sizes == tuple(len(space.decisions[v].values) for v in c.members)
    n = 12 * len(rows)
    rng = numpy.random.default_rng(seed)
    found: Counter[tuple[int, ...]] = Counter()
    while sum(found.values()) < n:
        codes = drawer.draw(4096, rng)
        found.update(map(tuple, Designs(parts, tuple(codes), len(codes[0])).rows().tolist()))
    assert set(found) <= set(map(tuple, rows.tolist()))
    assert chi_square_is_plausible(found, len(rows), sum(found.values()))
    return drawer


@pytest.mark.parametrize("seed", range(24))
def test_counts_and_samples_are_those_of_all_designs_listed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layered, "GROUP", 1)
    draws_what_is_listed(space_of(write(seed)), seed)


@pytest.mark.parametrize(("word", "fair"), [(64, 24), (6, 0), (5, 0)], ids=["long", "short", "a word for each"])
def test_columns_that_share_a_word_are_uniform(word: int, fair: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with words so short that many favour some values of classes and are drawn anew."""
    monkeypatch.setattr(layered, "GROUP", 1)
    monkeypatch.setattr(columns, "JOINED", 8)
    monkeypatch.setattr(columns, "SMALL", 8)
    monkeypatch.setattr(leaps, "WORD", word)
    monkeypatch.setattr(leaps, "FAIR", fair)
    space = space_of("""space t
u = [choose 1..7 for l in 1..2]
v = [choose 1..5 for l in 1..2]
w = [choose {1, 4} for l in 1..2]
require sum(w[l] * (floor(u[l] / 3) + floor(v[l] / 4)) for l in 1..2) <= 9
""")
    drawer = draws_what_is_listed(space, 3)
    assert drawer is not None
    for back in (lot.back for lots in drawer._lots for lot in lots):
        assert sorted(m.most for m in back._columns) == [1, 3, 3]
        assert len(back._lots) == (2 if word == 5 else 1)


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


def plausible(drawn: numpy.ndarray, weights: list[int]) -> bool:
    counts, own = numpy.bincount(drawn, minlength=len(weights)), numpy.array(weights)
    expected = len(drawn) * own / own.sum()
    return len(counts) == len(own) and bool((abs(counts - expected) <= 5 * numpy.sqrt(expected)).all())


@pytest.mark.parametrize("long", [False, True], ids=["32 bits", "64 bits"])
@pytest.mark.parametrize("margin", [None, 1 << 55, 1 << 60])
def test_segments_give_items_by_their_weight_whatever_the_margin(
    margin: int | None, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A margin so wide that whole numbers have to decide most draws changes nothing."""
    if long:
        monkeypatch.setattr(ragged, "SHORT", 2)
    rng = random.Random(4)
    lengths = [1, 3, 40, 0, 7, 2]
    weights = [rng.choice([0, 1, 10, 1000]) for _ in range(sum(lengths))]
    weights[0] = 5
    starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
    made = of_weights(starts, numpy.array(weights, dtype=numpy.int64))
    if margin is not None:
        made = Ragged(starts, made.cuts, margin, made._recall)
    n = 20_000 if margin is None else 3_000
    for segment, length in enumerate(lengths):
        own = weights[starts[segment] : starts[segment + 1]]
        if length and sum(own):
            drawn = made.draw(numpy.full(n, segment), numpy.random.default_rng(segment))
            assert plausible(drawn, own)


@pytest.mark.parametrize("bits", [3, 20, 29, 45])
def test_what_items_stand_for_is_told_however_long_it_is(bits: int) -> None:
    weights, tells = [3, 1, 7, 7, 2], [(1 << bits) - 1, 0, 5, 1, (1 << bits) - 2]
    starts = numpy.array([0, 3, 5])
    made = of_weights(starts, numpy.array(weights), numpy.array(tells))
    for segment in range(2):
        own = slice(starts[segment], starts[segment + 1])
        drawn = made.draw(numpy.full(20_000, segment), numpy.random.default_rng(bits))
        assert plausible(numpy.array([tells[own].index(t) for t in drawn.tolist()]), weights[own])


def test_every_unit_of_every_bucket_is_its_item_s() -> None:
    """Buckets hold of each item what it has for sure, to the unit: what is left is drawn with whole numbers."""
    rng = random.Random(7)
    lengths = [rng.choice([2, 3, 5, 17, 64]) for _ in range(60)]
    weights = [rng.choice([0, 1, 3, 10**6, 10**12]) for _ in range(sum(lengths))]
    starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
    made = of_weights(starts, numpy.array(weights, dtype=numpy.int64))
    full = 1 << made._fine
    mask = (1 << made._wide) - 1
    for segment, length in enumerate(lengths):
        own = weights[starts[segment] : starts[segment + 1]]
        if not sum(own):
            continue
        units = Counter[int]()
        first, buckets = int(made._offset[segment]), 1 << int(made._bits[segment])
        for bucket in range(first, first + buckets):
            record, held = int(made._records[bucket]), int(made._held[bucket])
            assert record >> 2 * made._wide == held >> (made._fine - made._coarse)
            units[record & mask] += held
            units[record >> made._wide & mask] += full - held
        whole = full * buckets
        for item, weight in enumerate(own):
            assert 0 <= weight * whole - units[item] * sum(own) <= 40 * sum(own)
        assert sum(units.values()) == whole and units[made._rest] <= 40 * length


@pytest.mark.parametrize("short", [2, 10], ids=["64 bits", "32 bits"])
@pytest.mark.parametrize("tells", [None, 15, 27], ids=["few bits told", "more bits told", "many bits told"])
def test_a_word_gives_what_its_unit_of_its_bucket_holds(
    short: int, tells: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ragged, "SHORT", short)
    rng = random.Random(5)
    lengths = [1, 2, 30, 5, 64, 3]
    starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
    weights = numpy.array([rng.choice([1, 3, 10**6, 10**12]) for _ in range(sum(lengths))])
    told = None if tells is None else numpy.array([rng.randrange(1 << tells) for _ in weights])
    made = of_weights(starts, weights, told)
    assert made._word == (64 if short == 2 else 32) and (made._coarse == made._fine) == (tells == 15)
    n = 4_000
    at = numpy.array([rng.randrange(len(lengths)) for _ in range(n)])
    words = [rng.getrandbits(made._word) for _ in range(n)]
    wanted = []
    for k, segment in enumerate(at.tolist()):
        bits, mask = int(made._bits[segment]), (1 << made._wide) - 1
        bucket = int(made._offset[segment]) + (words[k] >> (made._word - bits) if bits else 0)
        held = int(made._held[bucket])
        if k % 2 and bits:  # at the edge of what the first of a bucket's two has
            part = max(0, min(held - (k & 2 > 0), (1 << made._fine) - 1))
            words[k] = words[k] >> made._fine << made._fine | part
        part = words[k] & ((1 << made._fine) - 1)
        record = int(made._records[bucket])
        wanted.append((record if part < held else record >> made._wide) & mask)
    given = numpy.array(words, dtype=numpy.uint64 if made._word == 64 else numpy.uint32)
    name = "long_words" if made._word == 64 else "words"
    monkeypatch.setattr(Scratch, name, lambda self, many, rng: given[:many].copy())
    kept = [k for k in range(n) if wanted[k] != made._rest]
    given = given[kept]
    assert made.draw(at[kept], numpy.random.default_rng(0)).tolist() == [wanted[k] for k in kept]


def test_what_rounding_took_decides_what_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The item that stands for what rounding leaves is drawn by exactly what each lost."""
    weights = [1, 2, 4, 0, 7]
    made = of_weights(numpy.array([0, 5]), numpy.array(weights))
    coarse = Ragged(made.starts, made.cuts, 1 << 57, made._recall)
    more = random.Random(3)
    floors = coarse._floors(numpy.array([5]), numpy.zeros(5, dtype=numpy.int64), coarse.cuts)
    lost = [w * (1 << coarse._fine + int(coarse._bits[0])) - int(f) * 14 for w, f in zip(weights, floors, strict=True)]
    drawn = numpy.array([coarse._settle(0, more) for _ in range(20_000)])
    assert lost[3] == 0 and plausible(drawn, lost)
    rounded_up = Ragged(made.starts, made.cuts + numpy.array([1 << 50, 0, 0, 0, 0]), 2, made._recall)
    with pytest.raises(AssertionError, match="rounded up"):
        rounded_up._settle(0, more)


# ---- costs by halves


@pytest.mark.parametrize("margin", [None, 1 << 58])
def test_costs_within_a_room_are_drawn_by_their_weight(margin: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All combinations of five groups of two kinds, at each of two rows, against their weights listed."""
    if margin is not None:
        monkeypatch.setattr(halves, "LEAST", margin)
        monkeypatch.setattr(halves, "MARGIN", 1 << 62)
    kinds = [[Group((0, 1, 3), (2, 1, 5)), Group((0, 2), (1, 3))], [Group((0, 4), (3, 2)), Group((1, 2, 3), (1, 1, 1))]]
    many, room = [3, 2], numpy.array([7, 8])
    made = Halves(kinds, many, room, Scratch())
    n = 60_000 if margin is None else 4_000
    for row in range(2):
        wanted: Counter[tuple[int, ...]] = Counter()
        every = [g[row] for g, count in zip(kinds, many, strict=True) for _ in range(count)]
        for choice in itertools.product(*(tuple(zip(g.values, g.weights, strict=True)) for g in every)):
            if sum(v for v, _ in choice) <= room[row]:
                wanted[tuple(v for v, _ in choice)] += math.prod(w for _, w in choice)
        drawn = numpy.concatenate(made.draw(numpy.full(n, row), numpy.random.default_rng(row)))
        found = Counter(map(tuple, drawn.T.tolist()))
        assert set(found) <= set(wanted)
        order = sorted(wanted)
        number = {key: k for k, key in enumerate(order)}
        at = numpy.repeat([number[key] for key in found], list(found.values()))
        counts, own = numpy.bincount(at, minlength=len(order)), numpy.array([wanted[key] for key in order], dtype=float)
        expected = n * own / own.sum()
        statistic = ((counts - expected) ** 2 / expected).sum()
        assert statistic < len(order) + 5 * (2 * len(order)) ** 0.5 + 10


# ---- several decisions to a column


def test_columns_are_taken_apart_into_their_decisions() -> None:
    parts = (Column((2, 0), (3, 4)), Column((1,), (5,)))
    rows = numpy.array([(a, b, c) for a in range(4) for b in range(-1, 5) for c in range(3)])
    designs = Designs(parts, (rows[:, 2] * 4 + rows[:, 0], rows[:, 1]), len(rows))
    assert (designs.rows() == rows).all() and (designs.row(17) == rows[17]).all()
    assert (designs.part(3, 9).rows() == rows[3:9]).all() and len(designs.part(70, 99)) == 2
    assert (Designs.of_rows(rows, [4, 5, 3]).rows() == rows).all()


def test_decisions_that_are_read_together_share_a_column() -> None:
    space = compile_file(TILINGS, {"layers": "2"}).space
    assert space is not None
    own = [d for d in space.decisions if d.path.endswith("[1]")]
    joined = join_columns([d.path for d in own], [len(d.values) for d in own], [r.value for r in space.requirements])
    named = {frozenset(own[k].path[0] for k in c) for c in joined}
    assert frozenset("rsyx") in named and sorted(k for c in joined for k in c) == list(range(len(own)))
    assert all(math.prod(len(own[k].values) for k in c) <= columns.JOINED for c in joined) and len(joined) <= 4


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


@pytest.mark.parametrize("many", [0, 1_000], ids=["tables", "batches"])
def test_varied_designs_show_values_and_never_a_dead_one(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MANY", many)
    shown = gone = 0
    for seed in range(40):
        space = space_of(write(seed))
        kept = per_value_counts(space)
        if kept is None or not sum(len(c.dead) < len(d.values) for c, d in zip(kept, space.decisions, strict=True)):
            continue
        dead = {(v, k) for v, counts in enumerate(kept) for k in counts.dead}
        every = {(v, k) for v, d in enumerate(space.decisions) for k in range(len(d.values))}
        found = Witnesses([], set(every))
        varied = Drawn(Prover(space), found)
        varied.begin()
        assert dead <= found.missing
        assert all(holds(r, found.designs[0]) is True for r in space.requirements)
        shown += len(every - found.missing)
        gone += len(dead)
        assert len(found.missing) <= len(dead) + len(every) // 3
    assert shown > 200 and gone >= 4
