"""The FBNet half of HW-NAS-Bench: its published FPGA rows, the size of the space, devices from files."""

from __future__ import annotations

import csv
import json
import os
import re
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy
import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

SPEC = Path(__file__).parents[2] / "specs" / "hw_nas_bench_fbnet.cospace"
OPS = ("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip")
DEPTHS, WIDTHS, STRIDES = (1, 4, 4, 4, 4, 4, 1), (16, 24, 32, 64, 112, 184, 352), (1, 1, 2, 2, 1, 2, 1)
BLOCKS = [(stage, i) for stage, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]
DATA = Path(os.environ.get("COSPACE_DATA", "/nowhere")) / "fbnet_lut.json"


def spec(settings: dict[str, str], data: Path | None = None) -> Space:
    compiled = compile_file(SPEC, settings, data)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def network(ops: list[str]) -> dict[str, Value]:
    return {f"net.fbnet_block[{s}, {i}].op": Symbol(op) for (s, i), op in zip(BLOCKS, ops, strict=True)}


@pytest.mark.parametrize("large, last, latency, energy", [
    ("false", "k3_e1", "10.73952", "75.17664"), ("false", "k3_e1_g2", "10.34784", None),
    ("true", "k3_e1", "29.4219", "205.9533"),
])  # fmt: skip
def test_the_published_rows(large: str, last: str, latency: str, energy: str | None) -> None:
    fpga = next(a for a in spec({"large": large}).accelerators if a.path == "fpga")
    chip, design = dict(fpga.quantities), network(["k3_e1"] * 21 + [last])
    found = evaluate(chip["latency"], design)
    assert found == Fraction(latency) / 1000
    assert evaluate(chip["energy"], design) == 7 * found  # type: ignore[operator]
    if energy is not None:
        assert 7 * found * 1000 == Fraction(energy)  # type: ignore[operator]


def test_the_space_is_counted_exactly() -> None:
    """Networks of each latency, block after block, in units of 1/3,125,000 s."""
    space = spec({})
    latency = dict(next(a for a in space.accelerators if a.path == "fpga").quantities)["latency"]
    least = ["skip"] * 22

    def units(ops: list[str]) -> int:
        found = evaluate(latency, network(ops))
        assert isinstance(found, Fraction) and (found * 3_125_000).denominator == 1
        return int(found * 3_125_000)

    room = 12 * 3_125 - units(least)
    ways = [1] + [0] * room
    for block in range(22):
        steps = [units([*least[:block], op, *least[block + 1 :]]) - units(least) for op in OPS]
        ways = [sum(ways[n - s] for s in steps if s <= n) for n in range(room + 1)]
    found = count(space)
    assert found.raw == 9**22 == 984770902183611232881
    assert found.exact and found.feasible == sum(ways) == 4_851_502_772_092_601_745


def test_all_networks_fit_a_limit_that_none_exceeds() -> None:
    found = count(spec({"cut": "1000 ms"}))
    assert found.exact and found.feasible == 9**22


def test_a_device_without_its_table_is_an_error() -> None:
    compiled = compile_file(SPEC, {"device": "eyeriss"})
    assert {d.code for d in compiled.diagnostics} == {"CS233"}


def rows(tables: dict[str, dict[str, float]], device: str) -> tuple[list[list[object]], list[list[object]]]:
    """(blocks, rest) of the setting for 32 pixels, read by the published keys."""
    blocks: list[list[object]] = []
    size, cin, values = 32, 16, tables["latency"]
    for n, (stage, i) in enumerate(BLOCKS, 1):
        out, stride = WIDTHS[stage - 1], STRIDES[stage - 1] if i == 1 else 1
        for op in OPS:
            shape = f"_H{size}_W{size}_Cin{cin}_Cout{out}"
            match = re.match(r"k(\d)_e(\d)(?:_g(\d))?", op)
            kind = (
                f"ConvBlock{shape}_exp{match[2]}_kernel{match[1]}_stride{stride}_group{match[3] or 1}"
                if match
                else f"Skip{shape}_stride{stride}"
            )
            blocks.append([device, n, op, repr(values[kind])])
        size, cin = size // stride, out
    keys = (
        "ConvNorm_H32_W32_Cin3_Cout16_kernel3_stride1_group1",
        "ConvNorm_H4_W4_Cin352_Cout1504_kernel1_stride1_group1",
        "AvgP_H4_W4_Cin1504_Cout1504_kernel4_stride1",
        "FC_Cin1504_Cout100",
    )
    return blocks, [[device, repr(sum(values[k] for k in keys))]]


def write(folder: Path, blocks: list[list[object]], rest: list[list[object]]) -> None:
    for name, header, lines in (("blocks", ["device", "block", "op"], blocks), ("rest", ["device"], rest)):
        with (folder / f"fbnet_{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[*header, "latency"], *lines])


def latencies(space: Space, designs: numpy.ndarray) -> numpy.ndarray:
    objective = next(o for o in space.objectives if not o.measured)
    return Program([objective.value], space.decisions)(designs)[0] * 1e3


def test_a_table_made_from_the_rule_gives_the_rule(tmp_path: Path) -> None:
    """Block by block from the rule, then a thousand networks by look-up."""
    chip = dict(spec({}).accelerators[0].quantities)
    empty = ["skip"] * 22
    blocks: list[list[object]] = []
    for n in range(22):
        for op in OPS:
            found = evaluate(chip["latency"], network([*empty[:n], op, *empty[n + 1 :]]))
            blocks.append(["copy", n + 1, op, repr(float(found * 1000))])  # type: ignore[operator, arg-type]
    write(tmp_path, blocks, [["copy", "0"]])
    designs = numpy.array([[Random(s).randrange(9) for _ in range(22)] for s in range(1000)])
    looked_up = latencies(spec({"device": "copy"}, tmp_path), designs)
    assert numpy.allclose(looked_up, latencies(spec({}), designs), rtol=1e-9)


@pytest.mark.skipif(not DATA.is_file(), reason="COSPACE_DATA names no folder with fbnet_lut.json")
def test_the_rule_gives_the_measured_column(tmp_path: Path) -> None:
    tables = json.loads(DATA.read_text("utf-8"))["tables"]
    designs = numpy.array([[Random(s).randrange(9) for _ in range(22)] for s in range(1000)])
    made = [rows(tables[device], device) for device in ("fpga", "eyeriss", "raspi4")]
    write(tmp_path, [b for blocks, _ in made for b in blocks], [r for _, rest in made for r in rest])
    measured = latencies(spec({"device": "fpga"}, tmp_path), designs)
    assert numpy.allclose(measured, latencies(spec({}), designs), rtol=1e-9)
    plain = numpy.zeros((1, 22), dtype=int)
    assert latencies(spec({"device": "eyeriss"}, tmp_path), plain)[0] == pytest.approx(3.940896, rel=1e-6)
    assert latencies(spec({"device": "raspi4"}, tmp_path), plain)[0] == pytest.approx(17.6186, rel=1e-5)
