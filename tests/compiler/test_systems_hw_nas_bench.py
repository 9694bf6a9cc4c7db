"""The rebuilt FPGA column of HW-NAS-Bench: its published rows, all 15,625 networks, and devices from a file."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy
import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.model import Space

SPEC = Path(__file__).parents[2] / "specs" / "hw_nas_bench.cospace"
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
FIRST, SECOND = (4, 2, 1, 2, 1, 1), (3, 3, 4, 1, 3, 1)
DATA = Path(os.environ.get("COSPACE_DATA", "/nowhere")) / "help_latency.npz"


def spec(**settings: str) -> Space:
    compiled = compile_file(SPEC, settings)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


@pytest.mark.parametrize("side, ops, cycles", [
    ("32", FIRST, (514_592, 344_320, 218_112)), ("16", FIRST, (129_824, 95_488, 92_160)),
    ("32", SECOND, (1_063_072, 951_040, 584_192)),
])  # fmt: skip
def test_the_published_rows(side: str, ops: tuple[int, ...], cycles: tuple[int, ...]) -> None:
    space = spec(side=side)
    design = {f"net.op[{i}]": Symbol(OPS[op]) for i, op in enumerate(ops, 1)}
    chip = dict(next(a for a in space.accelerators if a.path == "fpga").quantities)
    assert evaluate(chip["latency"], design) == Fraction(max(cycles), 200_000_000)
    assert evaluate(chip["energy"], design) == 7 * Fraction(max(cycles), 200_000_000)
    for i, wanted in enumerate(cycles, 1):
        total = Fraction(0)
        for w in space.works:
            for p in w.placements:
                if f"stage[{i}]" in p.rule and evaluate(w.guard, design) and evaluate(p.guard, design):
                    total += evaluate(w.times, design) * evaluate(p["cycles"], design)  # type: ignore[operator]
        assert total == wanted


def latencies(space: Space) -> numpy.ndarray:
    """Of all networks in ms, the last edge varying fastest."""
    rows = numpy.array(list(itertools.product(range(5), repeat=6)))
    objective = next(o for o in space.objectives if not o.measured)
    return Program([objective.value], space.decisions)(rows)[0] * 1e3


def test_all_networks_are_counted_and_evaluated() -> None:
    space = spec()
    found = count(space)
    every = latencies(space)
    assert found.raw == 5**6 == 15_625 and found.feasible == int((every <= 4 + 1e-12).sum())
    # The second published row's cost is that of all networks with three 3x3, one pool, and two edges that cost nothing:
    # none or a shortcut. A rule that charged for none would leave half of them.
    assert int((abs(every / 5.31536 - 1) < 1e-12).sum()) == comb(6, 3) * comb(3, 1) * 2**2 == 240


@pytest.mark.skipif(not DATA.is_file(), reason="COSPACE_DATA names no folder with help_latency.npz")
def test_the_rule_gives_the_measured_column(tmp_path: Path) -> None:
    stored = numpy.load(DATA, allow_pickle=False)
    ops, fpga = stored["nb201_ops"].astype(int), stored["nb201/fpga"]
    at = (ops * 5 ** numpy.arange(5, -1, -1)).sum(axis=1)
    assert numpy.abs(latencies(spec())[at] / fpga - 1).max() < 1e-6
    assert int((abs(fpga / 5.31536 - 1) < 1e-6).sum()) == 240
    lines = ["device,latency," + ",".join(f"op_{i}" for i in range(1, 7))]
    lines += [
        f"eyeriss,{v}," + ",".join(OPS[o] for o in row) for v, row in zip(stored["nb201/eyeriss"], ops, strict=True)
    ]
    (tmp_path / "nb201_devices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    compiled = compile_file(SPEC, {"device": "eyeriss", "known": "false"}, tmp_path)
    assert compiled.space is not None
    assert numpy.allclose(latencies(compiled.space)[at], stored["nb201/eyeriss"], rtol=1e-6)


def test_accuracies_are_read_from_a_table_where_they_are_known(tmp_path: Path) -> None:
    """Of a made table: the whole front of its accuracies and the rule's latencies, by every network."""
    every = list(itertools.product(range(5), repeat=6))
    shares = [Fraction((7 * a + 11 * b + 13 * c + 5 * d + 3 * e + 2 * f) % 41, 50) for a, b, c, d, e, f in every]
    rows = [[*(OPS[o] for o in ops), f"{float(s):.2f}"] for ops, s in zip(every, shares, strict=True)]
    lines = [[*(f"op_{i}" for i in range(1, 7)), "cifar10"], *rows]
    (tmp_path / "nb201_accuracy.csv").write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")
    compiled = compile_file(SPEC, {"known": "true", "cut": "1s"}, tmp_path)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    found = best(compiled.space)
    assert found.certified
    points = sorted(zip(latencies(spec(cut="1s")), shares, strict=True), key=lambda p: (round(p[0], 9), -p[1]))
    front, top = [], Fraction(-1)
    for latency, share in points:
        if share > top:
            top = share
            front.append((1 - share, round(latency, 9)))
    assert sorted((error, round(float(latency) * 1e3, 9)) for error, latency in found.objectives) == sorted(front)
    (missing,) = {d.code for d in compile_file(SPEC, {"known": "true"}).diagnostics}
    assert missing == "CS233"


def test_a_column_that_a_device_lacks_is_told_with_what_there_is(tmp_path: Path) -> None:
    """Energies of one device of two, and then of none."""
    every = [",".join(OPS[o] for o in row) for row in itertools.product(range(5), repeat=6)]
    heads = "device," + ",".join(f"op_{i}" for i in range(1, 7)) + ",latency,energy\n"
    lines = [f"{d},{ops},1,{'2' * (d == 'metered')}\n" for d in ("metered", "phone") for ops in every]
    settings = {"by_energy": "true", "known": "false", "device": "metered"}
    (tmp_path / "nb201_devices.csv").write_text(heads + "".join(lines), encoding="utf-8")
    assert compile_file(SPEC, settings, tmp_path).space is not None
    for device, code, said in (
        ("phone", "CS222", "this row has `latency`; `energy` stands where `device` is `metered`"),
        ("meterd", "CS222", "did you mean `metered`?"),
    ):
        found, *_ = compile_file(SPEC, settings | {"device": device}, tmp_path).diagnostics
        assert found.code == code and said in str(found.help)
    (tmp_path / "nb201_devices.csv").write_text(
        heads.replace(",energy", "") + "".join(line.rpartition(",")[0] + "\n" for line in lines), encoding="utf-8"
    )
    (found,) = compile_file(SPEC, settings, tmp_path).diagnostics
    assert found.code == "CS233" and "no column `energy`" in found.message and "`latency`" in str(found.help)


def test_networks_whose_output_hangs_on_their_input_are_told_apart() -> None:
    """By following every set of links: 341 of the 15,625 are not whole."""
    space = spec(connected="true", cut="1s")
    whole = 0
    for ops in itertools.product(range(5), repeat=6):
        reached = {0}
        for link, (a, b) in zip(ops, ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)), strict=True):
            reached |= {b} if link and a in reached else set()
        whole += 3 in reached
    found = count(space)
    assert found.exact and found.feasible == whole == 15_284
