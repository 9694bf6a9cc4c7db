"""Dataflows of the loop nest: each against brute force, none better than the free mapping, mappings reused at other
bitwidths, and one that a text declares itself."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path

import attrs
import pytest
from cospace.cli.main import app
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.mapping import describe, served, unmet, with_mappings
from cospace.compiler.mapping_file import dumps, read_given
from cospace.compiler.mapping_missing import sentence
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Design, Space
from typer.testing import CliRunner

from tests.compiler.test_systems_instantnet import best, figures

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import automapper  # noqa: E402

DATAFLOWS = {  # what each keeps innermost off the chip and in the buffer, and over what it spreads
    "weight_stationary": ("P", "P", "KC"),
    "output_stationary": ("C", "C", "KY"),
    "input_stationary": ("K", "K", "CY"),
    "row_stationary": ("C", "P", "RY"),
}
BITS = (4, 8, 12, 16, 32)
NETWORK = """
import std.tasks
import std.images
import std.learn
import std.loop_nest
param bits = 8 bit
photos = cifar10(size = 16)
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv2d(x, out = 24, kernel = 5)
    x = depthwise(conv2d(conv2d(x, out = 72, stride = 2), out = 72, kernel = 1))
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = bits }
"""
CHIPS = "".join(f"{name}_chip = loop_nest(dataflow = {name})\n" for name in ("free", *DATAFLOWS))
LAYERS = [  # of that network: outs, ins, rows, cols, kh, kw, stride, shared
    (24, 3, 16, 16, 5, 5, 1, True),
    (72, 24, 8, 8, 3, 3, 2, True),
    (72, 72, 8, 8, 1, 1, 1, True),
    (72, 1, 8, 8, 3, 3, 1, False),
    (10, 72, 1, 1, 1, 1, 1, True),
]


@cache
def space_of(bits: int, chips: str = CHIPS) -> Space:
    compiled = compile_text(f"space s\n{NETWORK}\n{chips}", {"bits": f"{bits} bit"})
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def design_of(space: Space) -> dict[str, Value]:
    return {d.path: Symbol("multi_cycle") for d in space.decisions if d.path.endswith("chip.style")}


def costs(space: Space, design: Design) -> dict[str, list[tuple[Fraction, Fraction]]]:
    """(cycles, energy) of each layer on each accelerator."""
    found: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for s in served(space, design):
        found.setdefault(s.work.accelerator, []).append(figures(s.work, dict(design)))
    return found


# ---- what a dataflow is


@pytest.mark.parametrize("name", DATAFLOWS)
@pytest.mark.parametrize("bits", [4, 32])
def test_a_fixed_dataflow_has_the_best_of_its_own_mappings(bits: int, name: str) -> None:
    far, near, spread = DATAFLOWS[name]

    def keeps(steps: Mapping[str, int], inner: str, below: Mapping[str, int], last: str, over: str) -> bool:
        return over == spread and (inner == far or steps[far] == 1) and (last == near or below[near] == 1)

    space = space_of(bits)
    found = costs(space, design_of(space))[f"{name}_chip"]
    assert found == [best(*dims, bits, 168, Fraction(1), keeps) for dims in LAYERS]


def test_the_array_is_filled_as_an_eyeriss_is() -> None:
    """AlexNet's first layer, 11 rows of a kernel: the published mapping has 7 rows of outputs and two sets of channels;
    of its third, 3 rows of a kernel: four sets."""
    text = """space alex
import std.learn
import std.works
import std.loop_nest
def job(x: tensor[a]) -> tensor[a] from "t.job" {
    ask conv(cin = 3, cout = 96, rows = 7, cols = 55, kh = 11, stride = 4)
}
def more(x: tensor[a]) -> tensor[a] from "t.more" { ask conv(cin = 256, cout = 384, rows = 13, kh = 3) }
def things() -> task from "t.things" { row = tensor[4] }
data = things()
network net(x: data.row) { more(job(x)) }
precision of net { both = 16 bit }
chip = loop_nest(dataflow = row_stationary)
"""
    space = compile_text(text).space
    assert space is not None
    first, third = describe(space, {"chip.style": Symbol("multi_cycle")})["layers"]
    for layer, kernel, rows, sets, channels in ((first, 11, 7, 2, 1), (third, 3, 13, 4, 4)):
        ((array,), (registers,)) = (
            [x for x in layer["loops"] if x["level"] == name] for name in ("array", "registers")
        )
        trips = {x["loop"]: x["trips"] for x in array["loops"]}
        assert trips == {"K": sets, "kh": kernel, "rows": rows}
        assert {x["loop"]: x["trips"] for x in registers["loops"]}.get("C", 1) == channels


def test_a_text_may_declare_a_dataflow_of_its_own() -> None:
    mine = """
def mine(far, far_inner: {K, C, P}, near, near_inner, spread: {K_C, K_Y, C_Y, R_Y}) {
    spread in {K_C, K_Y} and far_inner != K
}
mine_chip = loop_nest(dataflow = mine)
"""
    space = space_of(8, mine)
    layers = describe(space, design_of(space))["layers"]
    assert len(layers) == 5
    for layer in layers:
        assert layer["maps"]["nest.spread"] in ("K_C", "K_Y") and layer["maps"]["nest.far_inner"] != "K"


# ---- the free mapping against them


@pytest.mark.parametrize("bits", BITS)
def test_no_fixed_dataflow_is_better_than_the_free_mapping_in_any_layer(bits: int) -> None:
    space = space_of(bits)
    found = costs(space, design_of(space))
    for name in DATAFLOWS:
        pairs = list(zip(found["free_chip"], found[f"{name}_chip"], strict=True))
        assert all(a[0] * a[1] <= b[0] * b[1] for a, b in pairs)
        assert any(a[0] * a[1] < b[0] * b[1] for a, b in pairs)


def test_no_choice_of_mappings_has_a_product_of_sums_below_what_is_printed() -> None:
    """Of random mappings of each layer, and of those that were solved; tight where there is one layer."""
    layers = {"a": (Fraction(3), Fraction(7), Fraction(2)), "b": (Fraction(5, 3), Fraction(1, 7), Fraction(1))}
    for options in itertools.product([Fraction(1), Fraction(2, 9), Fraction(31)], repeat=2):  # e times x, c over x
        mapped = {k: (e * x, c / x, n) for (k, (e, c, n)), x in zip(layers.items(), options, strict=True)}
        energy, cycles = (sum(v[i] * v[2] for v in mapped.values()) for i in (0, 1))
        made = automapper.Cost(energy, cycles / 250_000_000, mapped)
        assert automapper.least(made) <= made.product
    one = automapper.Cost(Fraction(6), Fraction(14, 250), {"a": layers["a"]})
    assert one.product * (1 - Fraction(1, 10**30)) < automapper.least(one) <= one.product


# ---- the mappings of one bitwidth at another

FREE = "chip = loop_nest()\n"


def test_the_mapping_of_8_bit_costs_what_the_command_line_says(tmp_path: Path) -> None:
    (tmp_path / "s.cospace").write_text(f"space s\n{NETWORK}\n{FREE}")
    files = [str(tmp_path / name) for name in ("s.cospace", "m.json", "d.json")]
    run = CliRunner().invoke
    told = run(app, ["explain", files[0], "--mapping", "--fix", "chip.style=multi_cycle", "--out", files[1]])
    assert told.exit_code == 0, told.output
    eight, four = space_of(8, FREE), space_of(4, FREE)
    design = design_of(eight)
    record = describe(eight, design)
    assert (tmp_path / "m.json").read_text() == dumps(record)
    again = automapper.reused(four, design, read_given(json.loads(json.dumps(record)), "m"))
    assert not again.broken
    said = run(app, ["cost", files[0], "--mapping", files[1], "--set", "bits=4 bit", "--json"])
    assert said.exit_code == 0, said.output
    quantities = json.loads(said.stdout)["quantities"]
    assert Fraction(quantities["chip.energy"]["exact"]) == again.cost.energy
    free = automapper.cost(four, design)
    assert all(e * c >= free.layers[path][0] * free.layers[path][1] for path, (e, c, _) in again.cost.layers.items())


def test_a_mapping_that_does_not_fit_is_told_with_what_it_lacks_and_mapped_anew() -> None:
    eight, wide = space_of(8, FREE), space_of(32, FREE)
    design = design_of(eight)
    record = json.loads(json.dumps(describe(eight, design)))
    given = read_given(record, "m")
    again = automapper.reused(wide, design, given)
    lost = {b["path"] for b in again.broken}
    by_hand = set()
    for layer, (outs, ins, rows, cols, kh, kw, stride, shared) in zip(record["layers"], LAYERS, strict=True):
        maps = {k.removeprefix("nest."): v for k, v in layer["maps"].items()}
        k, c, y = min(outs, maps["ktile"]), min(ins, maps["ctile"]), min(rows, maps["ytile"])
        rk, rx = min(k, maps["kregs"]), min(cols, maps["xregs"])
        weights, sums = k * c * kh * kw, k * y * cols
        inputs = (c if shared else k) * ((y - 1) * stride + kh) * ((cols - 1) * stride + kw)
        lacks = {
            "tiles fit the buffer": Fraction(2 * ((weights + inputs) * 32 + sums * 24), 8) - 128 * 1024,
            "weights fit their registers": Fraction(rk * kw * 32, 8) - 448,
            "inputs fit their registers": Fraction((1 if shared else rk) * ((rx - 1) * stride + kw) * 32, 8) - 24,
        }
        (path,) = layer["works"]
        missing = {r: n for r, n in lacks.items() if n > 0}
        if missing:
            by_hand.add(path)
            (told,) = (b["missing"] for b in again.broken if b["path"] == path)
            assert {m["requirement"]: Fraction(m["missing"]["exact"]) / 8 for m in told} == missing
            assert all(f"{ceil(n):,} byte missing" in " ".join(map(sentence, told)) for n in missing.values())
    assert lost == by_hand and 0 < len(lost) < 5
    free = automapper.cost(wide, design)
    for path, (e, c, _) in again.cost.layers.items():
        assert e * c >= free.layers[path][0] * free.layers[path][1]
    kept = {p: [attrs.evolve(g, maps={}) if p in lost else g for g in found] for p, found in given.items()}
    assert not unmet(with_mappings(wide, kept), design, kept)


# ---- the text that the benchmark compiles


DRAWN = """k5_e6 k3_e6 k5_e6 k3_e6 k5_e6 skip k3_e3 k5_e6 k5_e6 skip k5_e6 k5_e6 k3_e1_g2 k3_e6 k3_e6 k5_e3 k5_e6
k3_e6 k3_e1 k5_e3 k5_e6 k5_e6"""


def works(space: Space, shared: str) -> list[tuple[object, ...]]:
    """Kinds and dimensions of the works that are live in a design, with their widths in bits."""
    design: dict[str, Value] = {d.path: d.values[0] for d in space.decisions}
    found = []
    for w in space.works:
        if w.accelerator == shared and evaluate(w.guard, design) is True:
            facts = dict(w.facts)
            numbers = [evaluate(e, design) for e in (*dict(w.dims).values(), w.times, facts["wbits"], facts["abits"])]
            found.append((w.kind, *numbers))
    return found


def test_its_networks_are_those_that_it_says() -> None:
    spec = ROOT / "benchmarks" / "spaces" / "dataflows.cospace"
    residual = compile_file(spec, {"ends": "8 bit"}).space
    text = """space r
import std.tasks
import std.images
import std.learn
import std.loop_nest
photos = cifar10()
network net(x: photos.pixels) -> tensor[photos.classes] { resnet18(x, classes = photos.classes) }
precision of net { both = 8 bit }
chip = loop_nest()
"""
    whole = compile_text(text).space
    assert residual is not None and whole is not None
    assert works(residual, "chip") == works(whole, "chip")
    drawn = compile_file(spec, {"model": "instantnet"}).space
    assert drawn is not None
    shipped = compile_file(ROOT / "specs" / "instantnet.cospace").space
    assert shipped is not None
    ops = [d for d in shipped.decisions if d.path.endswith(".op")]
    design: dict[str, Value] = {d.path: Symbol(op) for d, op in zip(ops, DRAWN.split(), strict=True)}
    expected = []
    for w in shipped.works:
        if evaluate(w.guard, design) is True and (not w.at or dict(w.at)["precision.both"] == 8):
            facts = dict(w.facts)
            numbers = [evaluate(e, design) for e in (*dict(w.dims).values(), w.times, facts["wbits"], facts["abits"])]
            expected.append((w.kind, *numbers))
    assert works(drawn, "chip") == expected
    macs = sum(evaluate(dict(w.facts)["macs"], {}) * evaluate(w.times, {}) for w in drawn.works)  # type: ignore[operator]
    assert 120_000_000 <= macs <= 130_000_000
