"""Multipliers for every precision: the worked figures of each kind, who wins where, and what an array makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from math import ceil, prod
from pathlib import Path

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Call, Space

SPEC = Path(__file__).parents[2] / "specs" / "two_in_one.cospace"
KINDS = ("serial", "fusion", "tiled")
CELL, REGISTER, LEAK = Fraction("0.0031"), Fraction("0.0038"), Fraction("7.42e-5")
AREAS = {"serial": Fraction("269.085"), "fusion": Fraction(1733), "tiled": Fraction("2835.92")}


@pytest.fixture(scope="module")
def units() -> Callable[[str, str, int, int], Fraction]:
    """A quantity of a kind of multiplier, from the library's text: areas in um2, energies in pJ."""
    lines = "".join(f"minimize {k}_.{q}\n" for k in KINDS for q in ("rate(w, a)", "energy(w, a)", "area"))
    made = "".join(f"{k}_ = {k}()\n" for k in KINDS)
    space = compile_text(f"space units\nimport std.precision_scalable\nw, a = choose 2..16 bit\n{made}{lines}").space
    assert space is not None
    names = [(k, q) for k in KINDS for q in ("rate", "energy", "area")]
    scale = {"rate": 1, "energy": 10**12, "area": 10**12}
    goals = {name: o.value for name, o in zip(names, space.objectives, strict=True)}

    def ask(kind: str, quantity: str, w: int, a: int) -> Fraction:
        found = evaluate(goals[kind, quantity], {"w": Fraction(w), "a": Fraction(a)})
        assert isinstance(found, Fraction)
        return found * scale[quantity]

    return ask


def up(p: int) -> int:
    return next(r for r in (2, 4, 8, 16) if p <= r)


def by_hand(kind: str, w: int, a: int) -> tuple[Fraction, Fraction]:
    """Products a cycle, and pJ a product, in plain Python."""
    if kind == "fusion":
        rate = Fraction(16 * 4, up(w) * up(a))
        return rate, Fraction("0.560") / rate + LEAK * AREAS[kind] / rate
    if kind == "serial":
        step = CELL * (w + 2) + REGISTER + (CELL + REGISTER) * Fraction(36, 16)
        return Fraction(1, a), a * step + LEAK * AREAS[kind] * a
    kw, ka = ceil(w / 4), ceil(a / 4)
    passes = kw * ka * ceil(a / ka)
    step = CELL * (ceil(w / kw) + 2) + REGISTER + ((CELL + REGISTER) * 36 + Fraction("0.03")) / 32
    return Fraction(32, passes), passes * step + LEAK * AREAS[kind] * passes / 32


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair_of_precisions_is_the_formula_exactly(units, kind: str) -> None:
    for w in range(2, 17):
        for a in range(2, 17):
            assert (units(kind, "rate", w, a), units(kind, "energy", w, a)) == by_hand(kind, w, a)
    assert units(kind, "area", 2, 2) == AREAS[kind]


WORKED = [  # w, a | cycles of a product: serial, fusion, tiled | pJ of a product: serial, fusion, tiled
    (2, 2, "2 .0625 .0625", ".103 .043 .063"), (3, 3, "3 .25 .09375", ".164 .172 .104"),
    (4, 4, "4 .25 .125", ".232 .172 .151"), (5, 5, "5 1 .375", ".305 .689 .415"), (6, 6, "6 1 .375", ".385 .689 .415"),
    (7, 7, "7 1 .5", ".470 .689 .603"), (8, 8, "8 1 .5", ".562 .689 .603"), (9, 9, "9 4 .84375", ".661 2.754 .934"),
    (12, 12, "12 4 1.125", ".992 2.754 1.356"), (16, 16, "16 4 2", "1.522 2.754 2.411"),
    (4, 8, "8 .5 .25", ".463 .344 .301"), (8, 4, "4 .5 .25", ".281 .344 .301"),
]  # fmt: skip


@pytest.mark.parametrize("w, a, cycles, energies", WORKED)
def test_the_worked_rows(units, w: int, a: int, cycles: str, energies: str) -> None:
    for kind, cycle, energy in zip(KINDS, cycles.split(), energies.split(), strict=True):
        assert 1 / units(kind, "rate", w, a) == Fraction(cycle)
        assert abs(units(kind, "energy", w, a) - Fraction(energy)) <= Fraction(
            6, 10_000
        )  # three digits, from rounded areas


@pytest.mark.parametrize("p, densities", [
    (2, "1.86 9.23 5.64"), (3, "1.24 2.31 3.76"), (4, ".93 2.31 2.82"), (5, ".74 .58 .94"), (6, ".62 .58 .94"),
    (7, ".53 .58 .71"), (8, ".46 .58 .71"), (9, ".41 .14 .42"), (12, ".31 .14 .31"), (16, ".23 .14 .18"),
])  # fmt: skip
def test_products_a_cycle_on_a_thousand_square_micrometres(units, p: int, densities: str) -> None:
    for kind, wanted in zip(KINDS, densities.split(), strict=True):
        found = 1000 * units(kind, "rate", p, p) / units(kind, "area", p, p)
        assert abs(found - Fraction(wanted)) <= Fraction(6, 1000)


def mean(units, kind: str, low: int, high: int) -> tuple[Fraction, Fraction]:
    """Of area times time (um2 cycles) and energy (pJ) of a product, over a uniformly drawn precision."""
    qs = range(low, high + 1)
    times = [units(kind, "area", q, q) / units(kind, "rate", q, q) for q in qs]
    return sum(times) / len(qs), sum(units(kind, "energy", q, q) for q in qs) / len(qs)


@pytest.mark.parametrize("low, high, times, energies", [
    (4, 8, "1615 1473 1063", ".391 .585 .437"), (4, 16, "2691 4833 3075", ".808 1.920 1.295"),
])  # fmt: skip
def test_means_over_the_precisions_that_are_drawn(units, low: int, high: int, times: str, energies: str) -> None:
    for kind, time, energy in zip(KINDS, times.split(), energies.split(), strict=True):
        found = mean(units, kind, low, high)
        assert abs(found[0] / int(time) - 1) <= Fraction(1, 2000)
        assert abs(found[1] - Fraction(energy)) <= Fraction(6, 10_000)  # from rounded areas


@pytest.mark.parametrize("low, high, least_time, least_energy", [
    (2, 2, "fusion", "fusion"), (2, 4, "tiled", "tiled"), (4, 8, "tiled", "serial"), (8, 16, "serial", "serial"),
    (4, 16, "serial", "serial"),
])  # fmt: skip
def test_which_kind_wins_depends_on_the_set(units, low: int, high: int, least_time: str, least_energy: str) -> None:
    found = {kind: mean(units, kind, low, high) for kind in KINDS}
    assert min(KINDS, key=lambda k: found[k][0]) == least_time
    assert min(KINDS, key=lambda k: found[k][1]) == least_energy


@pytest.mark.parametrize("low, high, square", [(4, 8, 38), (4, 16, 114)])
def test_the_mean_square_of_the_drawn_precision(low: int, high: int, square: int) -> None:
    made = SPEC.read_text("utf-8") + "\nminimize mean((drawn.both / 1 bit) ^ 2 for drawn.both)\n"
    space = compile_text(made).space
    assert space is not None
    design: dict[str, Value] = {"lowest": Fraction(low), "highest": Fraction(high)}
    assert evaluate(space.objectives[-1].value, design) == square


# ---- the array

LAYERS = [(1024, 576, 64)] * 4 + [
    (m, k, n) for m, k, n in ((256, 576, 128), (64, 1152, 256), (16, 2304, 512)) for k in (k, 2 * k, 2 * k, 2 * k)
]
FULL = [(1024, 27, 64), (256, 64, 128), (64, 128, 256), (16, 256, 512), (1, 512, 10)]


def latency(kind: str, rows: int, cols: int, buffer: int, q: int) -> Fraction | None:
    """Seconds at one drawn precision, each layer at the tile of the least product of energy and cycles."""
    total = Fraction(0)
    for (m, k, n), bits in [(s, q) for s in LAYERS] + [(s, 16) for s in FULL]:
        rate, product = by_hand(kind, bits, bits)
        folds, held, found = ceil(n / cols), min(n, cols), []
        for blocks, parts, stays in itertools.product((1, 8, 64), (1, 8), ("weights", "inputs", "sums")):
            tile, depth = ceil(m / blocks), ceil(k / parts)
            if (tile + held) * depth * bits + tile * held * 32 > buffer:
                continue
            passes = blocks * ceil(tile / rows)
            far = m * k * bits * (1 if stays == "inputs" else folds)
            far += k * n * bits * (1 if stays == "weights" else blocks)
            far += m * n * (2 * ((1 if stays == "sums" else parts) - 1) * 32 + bits)
            near = (m * k * folds + k * n * passes) * bits + m * n * (2 * (parts - 1) * 32 + bits)
            cycles = passes * folds * k / rate
            energy = m * k * n * product + Fraction(near * 3 + far * 100, 8)
            found.append((energy * cycles, energy, cycles))
        if not found:
            return None
        total += min(found)[2]
    return total / 500_000_000


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPEC)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def test_the_network_has_as_many_products_as_published(space: Space) -> None:
    """The published 0.5565 G count two operations more for each number that is normalised."""
    macs = sum(m * k * n for m, k, n in LAYERS + FULL)
    assert macs == 555_422_720
    made = compile_text(SPEC.read_text("utf-8") + "\nminimize sum(classifier.works.macs)\n").space
    assert made is not None
    assert evaluate(made.objectives[-1].value, {"lowest": Fraction(4), "highest": Fraction(8)}) == macs
    normalised = 0
    for node in space.networks[0].nodes:
        if isinstance(node, Call) and node.operator == "norm":
            sizes = [evaluate(size, {}) for size in node.shape]
            normalised += prod(int(size) for size in sizes if isinstance(size, Fraction))
    assert round((macs + 2 * normalised) / 1e9, 4) == 0.5565


def test_resnet50_has_as_many_products_as_published() -> None:
    """Of an image of 224 pixels, with the stride in the convolution of 3x3."""
    made = compile_text(
        SPEC.read_text("utf-8") + "\nminimize sum(classifier.works.macs)\n", {"model": "resnet50"}
    ).space
    assert made is not None
    assert evaluate(made.objectives[-1].value, {"lowest": Fraction(4), "highest": Fraction(8)}) == 4_089_184_256


@pytest.mark.parametrize("low, high, published", [(4, 8, "21.2"), (4, 16, "63.5")])
def test_operations_on_bits_of_a_drawn_precision(low: int, high: int, published: str) -> None:
    """Products times the mean square of the precision; the published column rounds up."""
    wanted = "sum(classifier.works.macs) * mean((drawn.both / 1 bit) ^ 2 for drawn.both)"
    space = compile_text(SPEC.read_text("utf-8") + f"\nminimize {wanted}\n").space
    assert space is not None
    found = evaluate(space.objectives[-1].value, {"lowest": Fraction(low), "highest": Fraction(high)})
    assert isinstance(found, Fraction)
    assert found / 10**9 == pytest.approx(Fraction(published), rel=5e-3)


def holds(space: Space, design: dict[str, Value]) -> bool:
    return all(evaluate(r.guard, design) is False or evaluate(r.value, design) is True for r in space.requirements)


@pytest.mark.parametrize("kind, rows, cols, buffer", [
    ("serial", 64, 64, 256), ("serial", 16, 64, 512), ("fusion", 16, 32, 512), ("fusion", 8, 8, 64),
    ("tiled", 16, 16, 128), ("tiled", 32, 64, 256),
])  # fmt: skip
@pytest.mark.parametrize("low, high", [(4, 8), (8, 16)])
def test_what_an_array_makes_of_it(
    space: Space, kind: str, rows: int, cols: int, buffer: int, low: int, high: int
) -> None:
    design: dict[str, Value] = {
        "lowest": Fraction(low), "highest": Fraction(high), "array.mac": Symbol(kind), "array.rows": Fraction(rows),
        "array.cols": Fraction(cols), "array.buffer": Fraction(buffer * 8192),
    }  # fmt: skip
    if kind == "serial":
        design["array.mac.serial.sharing"] = Fraction(16)
    if kind == "tiled":
        design |= {"array.mac.tiled.s": Fraction(4), "array.mac.tiled.lanes": Fraction(32)}
    area = rows * cols * AREAS[kind] + buffer * 8192 * Fraction(3, 10)
    slowest = [latency(kind, rows, cols, buffer * 8192, q) for q in range(low, high + 1)]
    fits = area <= 4_000_000 and all(s is not None and s <= Fraction(1, 50) for s in slowest)
    assert holds(space, design) == fits


def test_every_value_is_shown_to_be_in_a_feasible_design(space: Space) -> None:
    found = check(space)
    assert found.ok and not found.diagnostics
    assert "dead values: none, each value is in a feasible design" in found.proved


def test_the_space_is_counted_exactly_and_drawn_from(space: Space) -> None:
    found = count(space)
    assert found.raw == 9 * 16 * 4 * (1 + 3 + 9)
    assert found.exact and found.feasible is not None and 0 < found.feasible < found.raw
    assert all(holds(space, design) for design in (decode(space.decisions, row) for row in sample(space, 3, 0)))
