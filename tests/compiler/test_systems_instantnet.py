"""The switchable network: its size, the traffic of published loop nests, mappings and counts against plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path
from random import Random

import numpy
import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate, solve_maps
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space, Work

SPEC = Path(__file__).parents[2] / "specs" / "instantnet.cospace"
BITS = (4, 8, 12, 16, 32)
SHARES = (8, 16, 32, 64)
SIZES = (32, 16, 8, 4)


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPEC)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def multi_cycle() -> dict[str, Value]:
    return {"chip.style": Symbol("multi_cycle")}


def pipelined(share: int) -> dict[str, Value]:
    shares: dict[str, Value] = {f"chip.style.pipelined.share[{s}]": Fraction(share) for s in SIZES}
    return {"chip.style": Symbol("pipelined"), **shares}


# ---- the worked loop nests, by the library's functions


def ask(far: str, far_inner: str, near: str, near_inner: str, wanted: str, imported: str = "") -> Fraction:
    """A function of the library at two levels of steps, `K=2, C=1, P=1`, with what is innermost in each."""
    text = f"""space nest
import std.loop_nest
{imported}
far_inner, near_inner = choose {{K, C, P}}
minimize {wanted.format(nest=f"{{{far}}}, far_inner, {{{near}}}, near_inner", far=f"{{{far}}}, far_inner")}
"""
    found = compile_text(text).space
    assert found is not None
    value = evaluate(found.objectives[0].value, {"far_inner": Symbol(far_inner), "near_inner": Symbol(near_inner)})
    assert isinstance(value, Fraction)
    return value


SMALL = ("K = 2, C = 1, P = 1", "K", "K = 1, C = 2, P = 2")  # off the chip K2; buffer C2, Yo2
CONV1 = ("K = 1, C = 3, P = 32", "C", "K = 3, C = 11, P = 55", "C")  # N4, Yo8, C3 | K3, Xo55, S11
CONV1_W = ("K = 1, C = 3, P = 32", "C", "K = 3, C = 1, P = 55", "P")  # weights and inputs: S11 is in their tile


@pytest.mark.parametrize("nest, wanted, number", [
    ((*SMALL, "P"), "fetched({far}, P) * 576", 1_152),            # bytes of weights from off the chip, 8 bit
    ((*SMALL, "P"), "fetched({far}, K) * 800", 800),              # inputs
    ((*SMALL, "P"), "fetched({far}, C) * 512", 1_024),            # outputs
    ((*SMALL, "P"), "refilled({nest}, P) * 9 * 32", 1_152),       # weights into the array, order K, C, Yo
    ((*SMALL, "C"), "refilled({nest}, P) * 9 * 32", 2_304),       # order K, Yo, C
    ((*SMALL, "P"), "refilled({nest}, K) * 60 * 4", 1_920),       # inputs depend on both inner loops
    (CONV1, "fetched({far}, P) * 11_616 * 2", 2_230_272),         # AlexNet's first layer on an Eyeriss, 16 bit
    (CONV1, "fetched({far}, K) * 7_945 * 2", 1_525_440),
    (CONV1, "fetched({far}, C) * 36_960 * 2", 2_365_440),
    (CONV1_W, "refilled({nest}, P) * 176 * 22 * 2", 2_230_272),
    (CONV1_W, "refilled({nest}, P) * 176 * 22 * 7 * 2", 15_611_904),
    (CONV1, "refilled({nest}, C)", 15_840),
    (CONV1, "parts({nest})", 3),
    (CONV1, "refilled({nest}, C) / 3 * 16 * 14 * moved(parts({nest}), 24, 24) / 8", 17_740_800),  # sums at 24 bit
])  # fmt: skip
def test_the_traffic_of_published_loop_nests(nest: tuple[str, str, str, str], wanted: str, number: int) -> None:
    assert ask(*nest, wanted) == number


CONV1_ENERGY = {"fetched({far}, K) * 7_945": "152.544", "fetched({far}, C) * 36_960": "236.544",
                "fetched({far}, P) * 11_616": "223.0272"}  # fmt: skip


@pytest.mark.parametrize("wanted, energy", CONV1_ENERGY.items())
def test_what_memory_off_the_chip_takes_for_the_first_layer(wanted: str, energy: str) -> None:
    """Inputs, outputs and weights of the worked layer at 16 bit, in uJ."""
    found = ask(*CONV1, f"{wanted} * 16 bit * tech.dram", "import std.energy as tech")
    assert found * 10**6 == Fraction(energy)


@pytest.mark.parametrize("dims, times, macs", [
    ("outs = 96, ins = 3, rows = 55, cols = 55, kh = 11, kw = 11, stride = 4", 4, 421_660_800),  # a batch of four
    ("outs = 16, ins = 8, rows = 8, cols = 8, kh = 3, kw = 3, stride = 1", 1, 73_728),
])  # fmt: skip
def test_products_of_the_worked_layers(dims: str, times: int, macs: int) -> None:
    space = compile_text(f"""space products
import std.learn
import std.works
import std.loop_nest
def job(x: tensor[a]) -> tensor[a] from "t.job" {{ ask nest({dims}, shared = true, times = {times}) }}
def things() -> task from "t.things" {{ row = tensor[4] }}
data = things()
network net(x: data.row) {{ job(x) }}
accelerator chip {{ on nest(outs) {{ cycles = outs }} }}
minimize sum(net.works.macs)
""").space
    assert space is not None
    assert evaluate(space.objectives[0].value, {}) == macs


# ---- a layer's best mapping, in plain Python


def best(
    outs: int, ins: int, rows: int, cols: int, kh: int, kw: int, stride: int, shared: bool, bits: int, units: int,
    share: Fraction, keeps: Callable[[Mapping[str, int], str, Mapping[str, int], str, str], bool] = lambda *_: True,
) -> tuple[Fraction, Fraction]:  # fmt: skip
    """(cycles, energy in J) of the mapping with the least product of both, by trying all of them.

    keeps: whether one is of a dataflow, by its steps off the chip, the innermost, those in the buffer, the innermost,
    and the spread.
    """
    found = []
    tiles = itertools.product((8, 64, 512), (8, 64, 512), (4, 32, 256), "PCK", "PCK", (1, 4, 16), (1, 4, 16),
                              ("KC", "KY", "CY", "RY"))  # fmt: skip
    for kt, ct, yt, far_in, near_in, kr, xr, spread in tiles:
        k, c, y = min(outs, kt), min(ins, ct), min(rows, yt)
        rk, rx = min(k, kr), min(cols, xr)
        wide = (rx - 1) * stride + kw
        if rk * kw * bits > 448 * 8 or (1 if shared else rk) * wide * bits > 24 * 8 or rk * rx * 24 > 72 * 8:
            continue
        inputs = (c if shared else k) * ((y - 1) * stride + kh) * ((cols - 1) * stride + kw)
        weights, sums = k * c * kh * kw, k * y * cols
        if 2 * (weights * bits + inputs * bits + sums * 24) > 128 * 8192 * share:
            continue
        first = {"K": ceil(k / rk), "C": c, "R": kh}[spread[0]]
        a = min(units, 14, first)
        b = max(1, min(units // a, c if spread == "KC" else y))
        own, ar = (a if spread[0] == "K" else 1), (a if spread[0] == "R" else 1)
        ac, ay = (b if spread == "KC" else a if spread == "CY" else 1), (1 if spread == "KC" else b)
        ak = own * max(1, min(units // (a * b), ceil(Fraction(k, rk * own))))
        mine = ceil(Fraction(c, ac))
        room = max(1, min(448 * 8 // (rk * kw * bits), 24 * 8 // (wide * bits)))
        steps = ceil(Fraction(mine, room))
        rc = Fraction(mine, steps)
        far = {"K": ceil(outs / k), "C": ceil(ins / c), "P": ceil(rows / y)}
        near = {"K": ceil(k / (rk * ak)), "C": steps * ceil(kh / ar), "P": ceil(y / ay) * ceil(cols / rx)}
        if not keeps(far, far_in, near, near_in, spread):
            continue
        order = [(loop, far[loop]) for loop in [x for x in "KCP" if x != far_in] + [far_in]]
        both = order + [(loop, near[loop]) for loop in [x for x in "KCP" if x != near_in] + [near_in]]

        def refills(loops: list[tuple[str, int]], needs: str) -> int:
            """Steps from the outermost loop down to the innermost one that a tensor depends on."""
            last = max((i for i, (loop, n) in enumerate(loops) if loop in needs and n > 1), default=-1)
            total = 1
            for _, n in loops[: last + 1]:
                total *= n
            return total

        def finished(loops: list[tuple[str, int]]) -> tuple[int, int]:
            """How many sums are made, and in how many parts each."""
            total = refills(loops, "KP")
            done = 1
            for loop, n in loops:
                done *= n if loop in "KP" else 1
            return done, total // done

        reads = "CP" if shared else "KCP"
        done, parts = finished(order)
        off = refills(order, "KC") * weights * bits + refills(order, reads) * inputs * bits
        off += done * sums * (2 * (parts - 1) * 24 + bits)
        done, parts = finished(both)
        results = done * rk * rx * ak * ay
        chip = refills(both, "KC") * rk * rc * kw * ak * ac * ar * bits
        chip += refills(both, reads) * (ac if shared else rk * ak) * rc * wide * ((ay - 1) * stride + ar) * bits
        chip += results * (2 * (parts - 1) * 24 + (24 if parts > 1 else bits))
        passed = results * parts * (ac * ar - 1) * 24
        trips = 1
        for _, n in both:
            trips *= n
        cycles = max(Fraction(trips * rk * rc * rx * kw), Fraction(off, 64) / share, Fraction(chip, 256) / share)
        macs = outs * ins * rows * cols * kh * kw
        mac = Fraction("0.00307") * bits**2 + Fraction("0.00753") * bits + Fraction("0.041")
        registers = 2 * bits * Fraction(1, 16) + 48 * Fraction(33, 800)
        energy = Fraction(100 * off, 8) + Fraction(4 * chip, 8) + Fraction(passed, 8) + macs * (mac + registers)
        found.append((energy * cycles, energy, cycles))
    least = min(found)
    return least[2], least[1] / 10**12


LAYERS = [  # work, its dimensions
    ("net.fbnet_block[1, 1].op.k5_e3.mbconv.dwconv", (48, 1, 32, 32, 5, 5, 1, False)),
    ("net.fbnet_block[5, 1].op.k3_e6.mbconv.conv", (384, 64, 8, 8, 1, 1, 1, True)),
    ("net.fbnet_block[6, 1].op.k3_e6.mbconv.dwconv", (672, 1, 4, 4, 3, 3, 2, False)),
]


def figures(w: Work, design: dict[str, Value]) -> tuple[Fraction, Fraction]:
    quantities = dict(w.placements[0].quantities)
    cycles, energy = (evaluate(quantities[name], design) for name in ("cycles", "energy"))
    assert isinstance(cycles, Fraction) and isinstance(energy, Fraction)
    return cycles, energy


@pytest.mark.parametrize("path, dims", LAYERS)
@pytest.mark.parametrize("bits, share", [(4, 0), (32, 0), (8, 16)])
def test_a_layer_costs_what_its_best_mapping_does(
    space: Space, path: str, dims: tuple[int, int, int, int, int, int, int, bool], bits: int, share: int
) -> None:
    (work,) = (w for w in space.works if w.path == path and dict(w.at)["precision.both"] == bits)
    design = pipelined(share) if share else multi_cycle()
    assert figures(work, design) == best(*dims, bits, share or 168, Fraction(1, 4) if share else Fraction(1))


def test_mappings_differ_by_bitwidth_and_none_is_slower_at_fewer_bits(space: Space) -> None:
    """What the requirements rest on: in time at 32 bit is in time at every width."""
    mapped: dict[str, set[str]] = {}
    for design in (multi_cycle(), *map(pipelined, SHARES)):
        at: dict[str, list[Fraction]] = {}
        for w in space.works:
            at.setdefault(w.path, []).append(figures(w, design)[0])
            if design == multi_cycle() and "k5_e6" in w.path:
                found = solve_maps(w.placements[0].problem, design)
                assert isinstance(found, dict) and found
                mapped.setdefault(w.path, set()).add(str([str(v) for v in found.values()]))
        assert all(max(cycles) == cycles[-1] for cycles in at.values())
        assert sum(len(cycles) == len(BITS) for cycles in at.values()) == 22 * 8 * 3
    assert any(len(kinds) > 1 for kinds in mapped.values())


# ---- the whole space


def blocks(space: Space, design: dict[str, Value]) -> tuple[list[list[int]], list[int]]:
    """Sixteenths of a cycle at 32 bit of every block's nine operators, and of what is no block, for each stage."""
    found: dict[str, dict[str, int]] = {}
    where: dict[str, int] = {}
    fixed = [0, 0, 0, 0]
    for w in space.works:
        if w.at and dict(w.at)["precision.both"] != 32:
            continue
        times = evaluate(w.times, design)
        assert isinstance(times, Fraction)
        total = 16 * figures(w, design)[0] * times
        assert total.denominator == 1
        stage = evaluate(dict(w.placements[0].quantities)["stage"], design)
        assert isinstance(stage, Fraction)
        if ".op." not in w.path:
            fixed[int(stage) - 1] += int(total)
            continue
        block, op = w.path.split(".op.")
        where[block] = int(stage) - 1
        options = found.setdefault(block, {"skip": 0})
        options[op.split(".")[0]] = options.get(op.split(".")[0], 0) + int(total)
    assert all(len(options) == 9 for options in found.values()) and len(found) == 22
    return [[where[b], *options.values()] for b, options in found.items()], fixed


def within(options: list[list[int]], room: int) -> int:
    """How many ways to take one number of each list add up to at most `room`, halves compared by sorting."""
    halves = []
    for part in (options[::2], options[1::2]):
        sums = numpy.zeros(1, dtype=numpy.int64)
        for numbers in part:
            sums = (sums[:, None] + numpy.array(numbers)).reshape(-1)
        halves.append(numpy.sort(sums))
    return int(numpy.searchsorted(halves[0], room - halves[1], side="right").sum())


FRAME = 16 * 250_000_000 * 3 // 100
"""30 ms in sixteenths of a cycle."""


def test_the_space_is_as_large_as_published_and_counted_exactly(space: Space) -> None:
    whole = count(space)
    assert whole.raw == 9**22 * (1 + 4**4) and 9**22 == 984_770_902_183_611_232_881
    assert whole.exact and whole.feasible is not None

    # A pipeline's stages are counted each by itself, in plain Python.
    fits: dict[tuple[int, int], int] = {}
    for share in SHARES:
        listed, fixed = blocks(space, pipelined(share))
        for stage in range(4):
            fits[stage, share] = within([o[1:] for o in listed if o[0] == stage], FRAME - fixed[stage])
    piped = 0
    for shares in itertools.product(SHARES, repeat=4):
        if sum(shares) <= 168:
            ways = 1
            for stage, share in enumerate(shares):
                ways *= fits[stage, share]
            piped += ways
    assert piped > 0

    # One layer after another every network is in time, whatever its blocks are.
    listed, fixed = blocks(space, multi_cycle())
    assert sum(max(o[1:]) for o in listed) + sum(fixed) <= FRAME
    assert whole.feasible == 9**22 + piped == 219_511_975_301_257_179_469_977


def test_designs_that_are_drawn_meet_the_requirements(space: Space) -> None:
    for design in (decode(space.decisions, row) for row in sample(space, 3, 0)):
        for r in space.requirements:
            assert evaluate(r.guard, design) is False or evaluate(r.value, design) is True
        choice = Random(0).choice(space.objectives[-2:])
        assert isinstance(evaluate(choice.value, design), Fraction)


def test_counts_with_each_style_pinned_add_up_and_condition_on_no_more(space: Space) -> None:
    """A requirement that the pinned value leaves out joins nothing: it did, and no count came in minutes."""
    whole = count(space)
    pinned = [count(space, {"chip.style": value}) for value in space.decision("chip.style").values]
    assert whole.exact and whole.feasible == sum(found.feasible or 0 for found in pinned)
    over = [f"over {rows} assignments of {hubs} shared decisions" for rows, hubs in ((1, 0), (4, 2))]
    assert all(said in found.method for said, found in zip(over, pinned, strict=True))
