"""Devices that were measured: each work by its row, files that nothing asks for, and what is missing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.driver import Compiled, compile_file
from cospace.compiler.exact.exact import evaluate

SPEC = """space device
import std.works
import std.learn
import std.measured
network net {
    ask conv(cin = 3, cout = choose width {8, 16}, rows = 8, kh = 3)
    ask dwconv(channels = 8, rows = 8, kh = 3, times = 2)
    ask mbconv(size = 8, cin = 8, cout = 8, expansion = 3)
    ask matmul(m = 1, k = 64, n = 10)
    ask add(channels = 8, size = 8)
}
precision of net { both = 8 bit }
board = measured(ARGUMENTS)
minimize board.latency
"""
FILES = {
    "conv": ("cin,cout,rows,cols,kh,kw,stride", "a,3,8,8,8,3,3,1,1,10", "a,3,16,8,8,3,3,1,2,20", "b,3,8,8,8,3,3,1,7,"),
    "dwconv": ("channels,rows,cols,kh,kw,stride", "a,8,8,8,3,3,1,0.25,1", "b,8,8,8,3,3,1,1,"),
    "mbconv": ("size,cin,cout,expansion,kernel,stride,groups", "a,8,8,8,3,3,1,1,4,3", "b,8,8,8,3,3,1,1,1,"),
    "matmul": ("m,k,n", "a,1,64,10,0.125,0.5", "b,1,64,10,1,"),
    "elementwise": ("reads,writes", "a,1024,512,0.0625,0.25", "b,1024,512,1,"),
}
"""Dimensions of each kind of work, and the rows of two devices; of `b` no energies were measured."""


def compiled(folder: Path, arguments: str, more: str = "", without: str = "") -> Compiled:
    for name, (dims, *rows) in FILES.items():
        if name != without:
            lines = [f"device,{dims},latency,energy", *rows, ""]
            (folder / f"measured_{name}.csv").write_text("\n".join(lines), "utf-8")
    spec = folder / "device.cospace"
    spec.write_text(SPEC.replace("ARGUMENTS", arguments) + more, "utf-8")
    return compile_file(spec, {})


def figures(found: Compiled, width: int) -> list[object]:
    assert found.space is not None, [d.message for d in found.diagnostics]
    return [evaluate(o.value, {"net.width": Fraction(width)}) for o in found.space.objectives]


def test_each_work_costs_what_its_row_says(tmp_path: Path) -> None:
    found = compiled(tmp_path, 'device = "a"', "minimize board.energy\n")
    small, large = figures(found, 8), figures(found, 16)
    assert small == [Fraction("5.6875") / 1000, Fraction("15.75") / 1000]
    assert large == [Fraction("6.6875") / 1000, Fraction("25.75") / 1000]


def test_what_is_fused_needs_no_file(tmp_path: Path) -> None:
    found = compiled(tmp_path, 'device = "a", fused = true', without="elementwise")
    assert figures(found, 8) == [Fraction("5.625") / 1000]
    left = compiled(tmp_path, 'device = "a"')
    assert left.space is not None
    (tmp_path / "measured_elementwise.csv").unlink()
    assert {d.code for d in compiled(tmp_path, 'device = "a"', without="elementwise").diagnostics} == {"CS233"}


@pytest.mark.parametrize(
    ("arguments", "more", "code"),
    [
        ('device = "b"', "", "CS222"),  # energies are empty, and 16 channels were not measured
        ('device = "c", metered = false', "", "CS222"),
        ('device = "a", metered = false', "minimize board.energy\n", "CS209"),
    ],
)
def test_what_was_not_measured_is_an_error(tmp_path: Path, arguments: str, more: str, code: str) -> None:
    found = compiled(tmp_path, arguments, more)
    assert found.space is None and {d.code for d in found.diagnostics} == {code}


def test_a_device_without_energies(tmp_path: Path) -> None:
    found = compiled(tmp_path, 'device = "b", metered = false', "require net.width == 8\n")
    assert any("no row for `b, 3, 16" in d.message for d in found.diagnostics), (
        "a value that can stand there needs a row"
    )
    spec = tmp_path / "device.cospace"
    spec.write_text(spec.read_text("utf-8").replace("choose width {8, 16}", "8").split("require")[0], "utf-8")
    found = compile_file(spec, {})
    assert found.space is not None
    assert evaluate(found.space.objectives[0].value, {}) == Fraction(12) / 1000
