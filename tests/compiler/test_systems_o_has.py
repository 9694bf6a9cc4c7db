"""The optical accelerator: the size of its space and its worked costs, against formulas evaluated in plain Python."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

SPEC = Path(__file__).parents[2] / "specs" / "o_has.cospace"
ONE = """space one
import std.learn
import std.works
import std.microring(per_wavelength = false)
def job(x: tensor[a], m: int, k: int, n: int) -> tensor[a] from "t.job" { ask matmul(m = m, k = k, n = n) }
def things() -> task from "t.things" { row = tensor[4] }
data = things()
network net(x: data.row) { job(x, m = 256, k = 576, n = 64) }
precision of net { both = 4 bit }
optics = microring()
"""


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPEC)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def design(cores: int = 1, length: int = 12, height: int = 12, tuner: str = "electro_optic") -> dict[str, Value]:
    numbers = {
        "length": Fraction(length), "height": Fraction(height), "cores": Fraction(cores), "clock": Fraction(5 * 10**9),
        "quality": Fraction(8000), "spacing": Fraction(8, 10**10), "slice_a": Fraction(4), "slice_w": Fraction(4),
    }  # fmt: skip
    chosen: dict[str, Value] = {f"optics.{k}": v for k, v in numbers.items()}
    return {**chosen, "optics.tuner": Symbol(tuner), "optics.converters": Symbol("length")}


def figure(result: object) -> float:
    assert isinstance(result, (Fraction, Enclosure)), result
    return float(result.middle) if isinstance(result, Enclosure) else float(result)


def test_the_whole_space_is_counted_exactly(space: Space) -> None:
    found = count(space)
    assert found.raw == 43 * 61 * 64 * 4 * 4 * 2 * 2 * 4 * 4 * 2
    wanted = 0
    for length in range(4, 47):
        for height in range(4, 65):
            for spacing in (0.4, 0.8):
                if length * spacing > 1550**2 / (4.2 * math.pi * 9660):
                    continue
                loss = 2 * (0.1 * (length - 1) + 0.95) + 0.1 * math.ceil(math.log2(height))
                laser = length * 10 ** ((-25 + loss + 10 * math.log10(height)) / 10) / 0.2 * 2**4
                if laser > 200:
                    continue
                for quality in (5000, 8000, 12000, 20000):
                    half, centre = 1550 / (2 * quality), math.ceil(length / 2)
                    tails = (
                        half**2 / ((j - centre) ** 2 * spacing**2 + half**2)
                        for j in range(1, length + 1)
                        if j != centre
                    )
                    room = math.log2(1 / sum(tails))
                    slices = sum(1 for s in (2, 4) if s <= room)
                    clocks = sum(1 for f in (1, 2, 5, 10) if f <= 193_414 / quality)
                    for converters in (length, length * height):
                        area = height * (14.66 * length + 15) * 9.66 + 14.66 * 9.66 * length + 2900 * height
                        area += 1.8 * 1.3 * height * math.ceil(math.log2(height) + 1) + 11000 * (length + converters)
                        cores = min(64, int(60e6 // area))
                        wanted += slices**2 * clocks * cores * 2
    assert found.feasible == wanted


def test_the_first_worked_core() -> None:
    one = compile_text(ONE).space
    assert one is not None
    at = design()
    quantities = dict(one.accelerators[0].quantities)
    said = {k: figure(evaluate(quantities[k], at)) for k in ("laser", "power", "reload_energy", "core_area", "loss")}
    laser = 10 ** ((-25 + 4.5 + 10 * math.log10(12)) / 10) / 0.2 * 16e-3
    dac = 50 * (5 / 14) * (2**4 / 4) / 32
    power = laser * 1e3 + 12 * (dac + 1.2 + 0.042 * 5) + 1.2 * 144 + 12 * 5.2 + 12 * 14.8 * 0.5 * 0.5
    assert said["loss"] == pytest.approx(4.5, rel=1e-12)
    assert said["laser"] == pytest.approx(laser, rel=1e-9) == pytest.approx(8.556e-3, rel=1e-4)
    assert said["power"] == pytest.approx(power * 1e-3, rel=1e-9) == pytest.approx(331.86e-3, rel=1e-4)
    assert said["reload_energy"] == pytest.approx(144 * (dac / 5 + 0.042) * 1e-12, rel=1e-9)
    assert said["reload_energy"] == pytest.approx(70.33e-12, rel=1e-4)
    assert said["core_area"] == pytest.approx(0.3228e-6, rel=2e-4)


def mapped(cores: int, settle: float, spread: tuple[int, int, int], hold: bool) -> tuple[float, float]:
    """Latency in ns and energy in pJ of the worked layer (256 x 576 times 576 x 64, 4 bit) under one mapping."""
    laser = 10 ** ((-25 + 4.5 + 10 * math.log10(12)) / 10) / 0.2 * 16
    dac = 50 * (5 / 14) * (2**4 / 4) / 32
    power = laser + 12 * (dac + 1.2 + 0.042 * 5) + 1.2 * 144 + 12 * 5.2 + 12 * 14.8 * 0.5 * 0.5
    m, k, n = math.ceil(256 / spread[0]), math.ceil(576 / (12 * spread[1])), math.ceil(64 / (12 * spread[2]))
    again = 1 if hold else m
    cycles, reloads, time = m * k * n, k * n * again, settle + 12 / 5
    reads = 256 * 576 * n * spread[2] + 2 * 256 * 64 * k * spread[1] + 576 * 64 * again
    energy = cores * (power * cycles / 5 + 1.2 * 144 * reloads * time + reloads * 144 * (dac / 5 + 0.042))
    return cycles / 5 + reloads * time, energy + 0.8275 * reads * 4 / 8


@pytest.mark.parametrize("cores, tuner, settle", [(1, "electro_optic", 20), (1, "thermo_optic", 4000),
                                                  (4, "electro_optic", 20), (12, "thermo_optic", 4000)])  # fmt: skip
def test_a_worked_layer_at_its_best_mapping(cores: int, tuner: str, settle: float) -> None:
    one = compile_text(ONE).space
    assert one is not None
    quantities = dict(one.accelerators[0].quantities)
    at = design(cores, tuner=tuner)
    found = tuple(figure(evaluate(quantities[k], at)) * scale for k, scale in (("latency", 1e9), ("energy", 1e12)))
    spreads = [s for s in itertools.product(range(1, cores + 1), repeat=3) if math.prod(s) == cores]
    every = [mapped(cores, settle, s, hold) for s in spreads for hold in (True, False)]
    assert found == pytest.approx(min(every, key=lambda c: (c[0] * c[1], c[1])), rel=1e-9)


def at_mapping(text: str, at: dict[str, Value], spread: tuple[int, int, int], keep: str) -> dict[str, float]:
    """Every quantity of the worked layer's rule, as the text has it, at a mapping that is given and not solved."""
    one = compile_text(text).space
    assert one is not None
    placement = one.works[0].placements[0]
    given: dict[str, Value] = {}
    for m in placement.problem.maps:
        given[m.path] = Symbol(keep if m.path.endswith("keep") else str(list(spread)))
    held = [evaluate(r, at | given) for r in placement.problem.requirements]
    assert all(h is True for h in held)
    inner = {name: e.args[0] if e.op == "solve" else e for name, e in placement.quantities}
    wanted = ("cycles", "reloads", "seconds", "energy", "passes", "reads")
    return {name: figure(evaluate(inner[name], at | given)) for name in wanted}


PRODUCTS = 256 * 576 * 64


@pytest.mark.parametrize("cores, spread, keep, tuner, cycles, loads, latency, energies, product", [
    (1, (1, 1, 1), "hold", "electro_optic", 73_728, 288, 20.5, (4.894, 0.995, 0.020, 1.032), 0.736),
    (4, (1, 1, 4), "hold", "electro_optic", 24_576, 96, 6.8, (6.525, 1.327, 0.027, 1.154), 0.957),
    (4, (4, 1, 1), "hold", "electro_optic", 18_432, 288, 9.4, (4.894, 3.981, 0.081, 1.032), 1.058),
    (1, (1, 1, 1), "stream", "electro_optic", 73_728, 73_728, 1489, (4.894, 254.8, 5.186, 4.921), 28.6),
    (1, (1, 1, 1), "hold", "thermo_optic", 73_728, 288, 1167, (4.894, 199.1, 0.020, 1.032), 21.7),
])  # fmt: skip
def test_the_worked_mappings(
    cores: int, spread: tuple[int, int, int], keep: str, tuner: str, cycles: int, loads: int, latency: float,
    energies: tuple[float, ...], product: float,
) -> None:  # fmt: skip
    """The printed rows take a reload to last as long as the tuner settles: 2.4 ns less than with its converters."""
    found = at_mapping(ONE, design(cores, tuner=tuner), spread, keep)
    assert (found["cycles"], found["reloads"]) == (cycles, loads)
    converting = loads * 12 / 5
    assert found["seconds"] * 1e6 - converting / 1e3 == pytest.approx(latency, rel=8e-3)  # two digits are printed
    total = found["energy"] * 1e6 - cores * 172.8e-3 * converting * 1e-3
    assert total == pytest.approx(sum(energies), rel=1e-3)
    assert total * 1e6 / PRODUCTS == pytest.approx(product, rel=2e-3)
    assert 0.8275 * found["reads"] / 2 / 1e6 == pytest.approx(energies[3], rel=1e-3)


def test_operands_of_8_bit_in_slices_of_4() -> None:
    eight = ONE.replace("both = 4 bit", "both = 8 bit")
    found = at_mapping(eight, design(), (1, 1, 1), "hold")
    assert (found["passes"], found["cycles"], found["reloads"]) == (4, 294_912, 576)
    assert found["seconds"] * 1e6 - 576 * 12 / 5 / 1e3 == pytest.approx(70.5, rel=1e-3)
    power, reload = quantities_of(eight, design(), "power", "reload_energy")
    running = power * 294_912 / 5e9
    assert running * 1e6 == pytest.approx(19.57, rel=1e-3)
    waiting = found["energy"] - running - 576 * reload - 0.8275e-12 * found["reads"]
    assert waiting * 20 / 22.4 * 1e6 == pytest.approx(1.99, rel=1e-3)


@pytest.mark.parametrize("spacing, most", [(8, 23), (4, 46)])
def test_how_many_channels_one_free_spectral_range_holds(space: Space, spacing: int, most: int) -> None:
    """23 at 0.8 nm; at 0.4 nm 47, of which the space asks for 46."""
    rule = next(r for r in space.requirements if r.reason == "all channels lie inside one free spectral range")
    held = [
        n for n in range(4, 47)
        if evaluate(rule.value, {**design(length=n), "optics.spacing": Fraction(spacing, 10**10)})
    ]  # fmt: skip
    assert held == list(range(4, most + 1))
    (free,) = quantities_of(ONE, design(), "free_range")
    assert [int(free / (d * 1e-10)) for d in (8, 4)] == [23, 47]


@pytest.mark.parametrize("quality, fastest", [(20_000, 9.7), (12_000, 16.1), (8_000, 24.2)])
def test_a_better_ring_follows_a_slower_clock(space: Space, quality: int, fastest: float) -> None:
    rule = next(r for r in space.requirements if r.reason == "the ring follows the clock")
    for clock in (1, 2, 5, 10):
        at = {**design(), "optics.quality": Fraction(quality), "optics.clock": Fraction(clock * 10**9)}
        assert evaluate(rule.value, at) is (clock <= fastest)
    assert 193_414 / quality == pytest.approx(fastest, abs=0.05)


def test_operands_of_8_bit_need_slices(space: Space) -> None:
    room = next(r for r in space.requirements if r.reason == "crosstalk leaves room for a weight's bits")
    eight = {**design(), "optics.slice_w": Fraction(8)}
    assert evaluate(room.value, eight) is False and evaluate(room.value, design()) is True


def quantities_of(text: str, at: dict[str, Value], *names: str) -> list[float]:
    one = compile_text(text).space
    assert one is not None
    found = dict(one.accelerators[0].quantities)
    return [figure(evaluate(found[n], at)) for n in names]


@pytest.mark.parametrize("quality, spacing, bits", [
    (8000, 8, 4.54), (8000, 4, 2.59), (12000, 8, 5.71), (12000, 4, 3.73), (20000, 8, 7.17), (20000, 4, 5.18),
])  # fmt: skip
def test_the_bits_that_crosstalk_leaves_twelve_channels(quality: int, spacing: int, bits: float) -> None:
    at = {**design(), "optics.quality": Fraction(quality), "optics.spacing": Fraction(spacing, 10**10)}
    room, light = quantities_of(ONE, at, "headroom", "free_range")
    assert room == pytest.approx(bits, abs=5e-3)
    assert light == pytest.approx(18.85e-9, abs=5e-12)


@pytest.mark.parametrize("length, height, loss, power, product", [
    (12, 12, 4.5, 331.86, 460.9), (32, 32, 8.6, 1688.8, 329.8), (23, 32, 6.8, None, 350.7),
])  # fmt: skip
def test_larger_cores_take_less_a_product(
    length: int, height: int, loss: float, power: float | None, product: float
) -> None:
    found = quantities_of(ONE, design(length=length, height=height), "loss", "power")
    assert found[0] == pytest.approx(loss, rel=1e-12)
    assert power is None or found[1] * 1e3 == pytest.approx(power, rel=1e-4)
    assert found[1] / 5e9 / (length * height) * 1e15 == pytest.approx(product, rel=2e-4)


def test_a_core_of_8_bit_and_one_with_a_converter_for_each_ring() -> None:
    eight = {**design(), "optics.slice_a": Fraction(8), "optics.slice_w": Fraction(8)}
    laser, power = quantities_of(ONE.replace("microring()", "microring(out_bits = 8 bit)"), eight, "laser", "power")
    assert (laser * 1e3, power * 1e3) == (pytest.approx(136.9, rel=2e-4), pytest.approx(692.1, rel=1e-4))
    one = compile_text(ONE).space
    assert one is not None
    every = next(d for d in one.decisions if d.path == "optics.converters").values[1]
    (area,) = quantities_of(ONE, {**design(), "optics.converters": every}, "core_area")
    assert area == pytest.approx(1.7748e-6, rel=1e-4)
