"""The FPGA of chunks and the three spaces that use it, held against the published figures."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from math import ceil, prod
from pathlib import Path

import numpy
import pytest
from attrs import evolve
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Objective, Space
from cospace.compiler.space.pins import fix

from tests.compiler import spaces

SPECS = Path(__file__).parents[2] / "specs"


def spec(name: str, **settings: str):
    space = compile_file(SPECS / f"{name}.cospace", settings).space
    assert space is not None
    return space


ROWS = [
    # kind, cin, cout, rows, kernel | mode, tiles Tr Tc Tm Tn, unrolls r c m n, bits |
    # computing, reading, loading weights, writing | cycles, DSP, BRAM
    ("conv", 16, 96, 32, 1, "pairs", (16, 16, 8, 8), (16, 16, 8, 4), 8, (512, 256, 8, 384), 68_352, 16, 16),
    ("dwconv", 96, 96, 32, 5, "lines", (8, 8, 8, 1), (4, 8, 8, 1), 6, (3_200, 72, 15, 96), 635_712, Fraction(3, 2), 25),
    ("dwconv", 384, 384, 8, 3, "channels", (4, 4, 32, 1), (2, 4, 16, 1), 6, (288, 72, 27, 60), 18_000, 6, 48),
    ("conv", 192, 64, 8, 1, "lines", (4, 4, 16, 16), (4, 2, 8, 4), 4, (1_024, 16, 64, 32), 209_408, 1, 13),
    ("conv", 4, 48, 8, 7, "pairs", (8, 8, 16, 4), (4, 4, 16, 4), 16, (3_136, 100, 784, 320), 12_720, 64, 24),
    ("conv", 48, 96, 4, 5, "pairs", (4, 4, 32, 16), (4, 4, 16, 16), 16, (800, 256, 3_200, 160), 36_480, 256, 48),
    ("dwconv", 288, 288, 4, 3, "lines", (4, 4, 32, 1), (4, 4, 32, 1), 16, (1_152, 288, 96, 256), 13_536, 4, 19),
    ("dwconv", 288, 288, 4, 3, "channels", (4, 4, 32, 1), (4, 4, 32, 1), 16, (144, 288, 72, 144), 4_536, 32, 96),
    ("conv", 16, 48, 42, 1, "pairs", (14, 14, 16, 16), (7, 7, 8, 4), 16, (1_568, 784, 64, 1_176), 75_816, 32, 16),
    ("dwconv", 48, 48, 42, 5, "lines", (14, 14, 16, 1), (7, 7, 8, 1), 16, (11_200, 784, 80, 1_232), 337_824, 7, 40),
    ("conv", 32, 32, 21, 3, "pairs", (7, 7, 32, 32), (7, 7, 16, 8), 16, (3_528, 648, 2_304, 490), 56_898, 128, 32),
    ("conv", 64, 64, 10, 3, "outputs", (5, 5, 32, 32), (5, 5, 16, 1), 16, (14_400, 784, 2_304, 250), 269_264, 16, 20),
]


def at_layer(kind: str, layer: str, bits: int, mode: str, tiles: tuple[int, ...], unrolls: tuple[int, ...]):
    """A board that runs one layer, a design of its chunk, and the chunk's path; tiles Tr Tc Tm Tn, unrolls r c m n."""
    rows, cols = sorted({tiles[0], unrolls[0]}), sorted({tiles[1], unrolls[1]})
    sets = [f"{{{', '.join(map(str, s))}}}" for s in (cols, rows, sorted({*tiles[2:], *unrolls[2:]}))]
    text = f"""
space t
{spaces.IMPORTS}
import std.fpga_chunks
def layer(x: tensor[v, f]) -> tensor[v, f] from "t.layer" {{ ask {kind}({layer}) }}
{spaces.NETWORK} {{ x = layer(x); linear(x, out = nodes.classes) }}
precision of net {{ both = {bits} bit }}
fpga = fpga_chunks(precisions = {{{bits}}} bit, boundary = 1, large_maps = {sets[0]}, large_rows = {sets[1]},
                   large_channels = {sets[2]})
"""
    space = spaces.space_of(text)
    part = f"fpga.{'channelwise' if kind == 'dwconv' else 'standard'}[large, {bits} bit]"
    design = {d.path: d.values[0] for d in space.decisions}
    design |= dict(zip((f"{part}.{n}" for n in ("Tr", "Tc", "Tm", "Tn")), map(Fraction, tiles), strict=True))
    design |= dict(zip((f"{part}.{n}" for n in "rcmn"), map(Fraction, unrolls), strict=True))
    design[f"{part}.unroll"] = Symbol(mode)
    return space, design, part


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}{r[1]}x{r[3]}")
def test_the_worked_layers_of_the_published_code(row) -> None:
    kind, cin, cout, rows, kernel, mode, tiles, unrolls, bits, parts, cycles, dsp, bram = row
    asked = f"channels = {cin}" if kind == "dwconv" else f"cin = {cin}, cout = {cout}"
    space, design, part = at_layer(kind, f"{asked}, rows = {rows}, kh = {kernel}", bits, mode, tiles, unrolls)
    found = {f"{a.path}.{n}": e for a in space.accelerators for n, e in a.quantities}
    assert evaluate(found[f"{part}.cycles"], design) == cycles
    assert evaluate(found[f"{part}.dsp"], design) == dsp == evaluate(found["fpga.dsp"], design)
    assert evaluate(found[f"{part}.bram"], design) == bram == evaluate(found["fpga.bram"], design)
    assert evaluate(found["fpga.bottleneck"], design) == cycles
    served = [
        p
        for w in space.works if w.kind == kind
        for p in w.placements if evaluate(w.guard, design) and evaluate(p.guard, design)
    ]  # fmt: skip
    assert [tuple(evaluate(p[n], design) for n in ("comp", "read", "load", "write")) for p in served] == [parts]


def signal_cycles(cin: int, cout: int, t: int, k: int, mode: str, tiles: tuple[int, ...], unrolls: tuple[int, ...]):
    """The published rule with rows and columns, kernel heights and widths apart, at one row and 16 bit."""
    (tr, tc, tm, tn), (r, c, m, n) = tiles, unrolls
    hr, hc = max(r, tr), max(c + k - 1, tc)
    port = {x: max(min(4, x), 2) for x in (hr, m, n, r)}
    by_line = mode == "lines"
    out = r if by_line else m
    comp = Fraction(tm * tn * tr * tc * k, {"outputs": m, "pairs": m * n, "lines": r}[mode])
    read = ceil(Fraction(tn * hc * hr, port[hr if by_line else n]))
    load = tm * tn if by_line else ceil(Fraction(tm * tn * k, port[m]))
    write = ceil(Fraction(tm * tr * tc, port[out])) + Fraction(tr * tc * tm, out)
    return (
        Fraction(1, tr) * Fraction(t, tc) * Fraction(cout, tm) * (write + Fraction(cin, tn) * (max(comp, read) + load))
    )


@pytest.mark.parametrize("mode", ["outputs", "pairs", "lines"])
@pytest.mark.parametrize("cin, cout, t, k, tiles, unrolls", [
    (5, 48, 128, 7, (1, 32, 16, 4), (1, 8, 8, 2)), (96, 96, 64, 3, (1, 16, 32, 32), (1, 16, 16, 8)),
])  # fmt: skip
def test_a_signal_is_a_map_of_one_row(
    mode: str, cin: int, cout: int, t: int, k: int, tiles: tuple[int, ...], unrolls: tuple[int, ...]
) -> None:
    layer = f"cin = {cin}, cout = {cout}, rows = 1, cols = {t}, kh = 1, kw = {k}"
    space, design, _ = at_layer("conv", layer, 16, mode, tiles, unrolls)
    found = dict(next(a for a in space.accelerators if a.path == "fpga").quantities)["bottleneck"]
    assert evaluate(found, design) == signal_cycles(cin, cout, t, k, mode, tiles, unrolls)


@pytest.fixture(scope="module")
def roomy() -> Space:
    return spec("auto_nba", dsps="2_000", brams="1_000")  # limits that never bind


def test_networks_and_accelerators_are_as_many_as_were_published(roomy: Space) -> None:
    counted = count(roomy)
    accelerators = (67_500 * 47_628 * 4_500 * 1_512) ** 3
    assert accelerators == 10466253951408168436534084416 * 10**21
    assert counted.feasible == counted.raw == (8 * 3 + 1) ** 22 * accelerators


PARTS = [f"fpga.{kind}[{size}, {bits} bit]" for kind in ("standard", "channelwise")
         for size in ("large", "small") for bits in (4, 6, 8)]  # fmt: skip
FROZEN = {f"{part}.unroll": Symbol("lines" if "channelwise" in part else "pairs") for part in PARTS}


def test_each_chunk_has_as_many_configurations_as_were_published(roomy: Space) -> None:
    numbers = {"standard[large": (67_500, 22_500), "standard[small": (47_628, 15_876),
               "channelwise[large": (4_500, 2_250), "channelwise[small": (1_512, 756)}  # fmt: skip
    for part in PARTS[::3]:  # bits are alike
        others = {d.path: d.values[0] for d in roomy.decisions
                  if d.path.startswith("fpga.") and not d.path.startswith(f"{part}.")}  # fmt: skip
        free, frozen = numbers[part.removeprefix("fpga.").partition(",")[0]]
        network = (8 * 3 + 1) ** 22
        assert count(roomy, others).feasible == network * free
        assert count(roomy, others | {f"{part}.unroll": FROZEN[f"{part}.unroll"]}).feasible == network * frozen
    frozen = count(roomy, FROZEN).feasible
    assert frozen == (8 * 3 + 1) ** 22 * (22_500 * 15_876 * 2_250 * 756) ** 3
    assert frozen is not None and f"{frozen // 25**22:.3e}" == "2.243e+44" and f"{25**22:.2e}" == "5.68e+30"


def test_agents_are_as_many_as_were_published() -> None:
    space = spec("a3c_s")
    blocks = [len(d.values) for d in space.decisions if d.path.startswith("agent.")]
    assert blocks == [9] * 12 and prod(blocks) == 282_429_536_481


@pytest.mark.parametrize("name", ["auto_nba", "rt_rcg", "a3c_s"])
def test_the_full_space_is_proved_to_be_fine_and_drawn_from(name: str) -> None:
    space = spec(name)
    found = check(space)
    assert found.ok, found
    assert len(sample(space, 3, 0)) == 3


EXAMPLE = (
    "k5_e6 6, k5_e6 8, k3_e1 6, k5_e3 6, k5_e3 4, k5_e6 8, k5_e1_g2 6, k5_e1 6, k5_e6 6, k5_e6 8, k5_e3 6, k5_e6 8, "
    "k5_e1_g2 8, k3_e6 8, k5_e6 6, k3_e3 6, k5_e6 6, k5_e6 6, k5_e3 6, k5_e6 6, k5_e3 6, k5_e6 6"
)
BLOCKS = [(stage, i) for stage, depth in enumerate((1, 4, 4, 4, 4, 4, 1), 1) for i in range(1, depth + 1)]


def example(space: Space) -> dict[str, Value]:
    """The operators and bits of the example network."""
    network: dict[str, Value] = {}
    for (stage, i), words in zip(BLOCKS, EXAMPLE.split(", "), strict=True):
        op, bits = words.split()
        network[f"net.fbnet_block[{stage}, {i}].op"] = Symbol(op)
        network[f"precision.both[net.fbnet_block[{stage}, {i}]]"] = Fraction(bits)
    return {d.path: d.values[0] for d in space.decisions} | network


@pytest.mark.parametrize(
    ("sixth", "frozen", "bottleneck"),
    [("192", True, 1_131_204), ("192", False, 490_968), ("184", True, 1_116_102), ("184", False, 474_849)],
)
def test_the_best_accelerator_of_the_example_network_is_the_published_one(sixth, frozen, bottleneck) -> None:
    space = spec("auto_nba", sixth=sixth)
    first = example(space)
    design = dict(first)
    for part in [a for a in space.accelerators if "[" in a.path]:  # the limits of the board do not bind
        cycles = dict(part.quantities)["cycles"]
        if evaluate(cycles, first) == 0:
            continue  # idle
        fixed = {k: v for k, v in first.items() if not k.startswith(f"{part.path}.")}
        if frozen:
            fixed[f"{part.path}.unroll"] = Symbol("lines" if "channelwise" in part.path else "pairs")
        alone = evolve(space, requirements=(), objectives=(Objective(cycles, "minimize", "cycles"),), works=())
        found = best(alone, fixed)
        assert found.certified
        design |= {k: v for k, v in found.designs[0].items() if k.startswith(f"{part.path}.")}
    figures = dict(next(a for a in space.accelerators if a.path == "fpga").quantities)
    assert evaluate(figures["bottleneck"], design) == bottleneck
    assert all(evaluate(r.value, design) is True for r in space.requirements)
    assert (evaluate(figures["dsp"], design), evaluate(figures["bram"], design)) <= (900, 700)


def least(points: numpy.ndarray) -> numpy.ndarray:
    """Rows of (cycles, dsp, bram) that no other row is at most as large as in all three."""
    kept: list[numpy.ndarray] = []
    for point in points[numpy.lexsort(points.T[::-1])]:
        if not kept or not (numpy.array(kept) <= point).all(axis=1).any():
            kept.append(point)
    return numpy.array(kept)


@pytest.fixture(scope="module")
def fronts() -> list[numpy.ndarray]:
    """Of each chunk that the example network uses: every configuration by the text, then those worth having."""
    space = spec("auto_nba")
    first, found = example(space), []
    for part in [a for a in space.accelerators if "[" in a.path]:
        figures = [dict(part.quantities)[n] for n in ("cycles", "dsp", "bram")]
        if evaluate(figures[0], first) == 0:
            continue  # idle
        own = [d for d in space.decisions if d.path.startswith(f"{part.path}.")]
        fixed = fix(space, {k: v for k, v in first.items() if not k.startswith(f"{part.path}.")})
        grids = numpy.meshgrid(*[numpy.arange(len(d.values)) for d in own], indexing="ij")
        rows = {d.path: g.ravel() for d, g in zip(own, grids, strict=True)}
        size = {d.path: numpy.array([float(v) if isinstance(v, Fraction) else 0 for v in d.values]) for d in own}
        names = [p.rpartition(".")[2] for p in rows]
        at = {n: size[f"{part.path}.{n}"][rows[f"{part.path}.{n}"]] for n in names}
        fits = numpy.logical_and.reduce([at[u] <= at[f"T{u}"] for u in "rcmn" if u in at])
        table = numpy.zeros((int(fits.sum()), len(fixed.decisions)), dtype=int)
        for j, d in enumerate(fixed.decisions):
            if d.path in rows:
                table[:, j] = rows[d.path][fits]
        found.append(least(numpy.unique(numpy.stack(Program(figures, fixed.decisions)(table), axis=1), axis=0)))
    return found


def within(fronts: list[numpy.ndarray], bottleneck: float, dsps: float, brams: float) -> bool:
    """Whether each chunk has a configuration of at most so many cycles, so that all together fit the board."""
    sums = numpy.zeros((1, 2))
    for front in fronts:
        usable = front[front[:, 0] <= bottleneck][:, 1:]
        sums = (sums[:, None] + usable[None]).reshape(-1, 2)
        sums = sums[(sums <= (dsps, brams)).all(axis=1)]
        if not len(sums):
            return False
        sums = sums[numpy.lexsort(sums.T[::-1])]
        sums = sums[numpy.concatenate([[True], sums[1:, 1] < numpy.minimum.accumulate(sums[:, 1])[:-1]])]
    return True


@pytest.mark.parametrize("dsps, brams, bottleneck", [
    (900, 700, 474_849), (200, 250, 581_275.5), (120, 200, 794_480), (60, 150, 1_126_227),
])  # fmt: skip
def test_the_best_accelerator_of_a_smaller_board(
    fronts: list[numpy.ndarray], dsps: int, brams: int, bottleneck: float
) -> None:
    """Published optima where the board's limits bind: by all configurations of the text, and a bisection."""
    cycles = sorted({float(c) for front in fronts for c in front[:, 0]})
    at = bisect_left(cycles, True, key=lambda c: within(fronts, c, dsps, brams))
    assert cycles[at] == bottleneck
