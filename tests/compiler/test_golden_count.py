"""Counts and costs against figures made without the compiler: a small joint space, and phases worked by hand."""

from __future__ import annotations

import ast
import importlib.util
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Placement, Space

HERE = Path(__file__).parent
SPEC = Path(__file__).parents[2] / "specs" / "gcos.cospace"


def load_script() -> ModuleType:
    found = importlib.util.spec_from_file_location("golden_count", HERE / "golden_count.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_script_imports_nothing_of_the_compiler() -> None:
    tree = ast.parse((HERE / "golden_count.py").read_text("utf-8"))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert imported == {"__future__", "itertools", "numpy"}


def test_the_count_equals_the_scripts() -> None:
    compiled = compile_file(HERE / "golden_count.cospace")
    assert compiled.diagnostics == () and compiled.space is not None
    raw, feasible = load_script().count()
    counted = count(compiled.space)
    assert counted.exact
    assert (counted.raw, counted.feasible) == (raw, feasible)
    assert raw <= 10**6


# ---- the plain two-layer network on Cora, phase by phase: 16 x 16 array, 16 lanes of 16, worked by hand


@pytest.fixture(scope="module")
def cora() -> Space:
    space = compile_file(SPEC, {"data": "cora"}).space
    assert space is not None
    return space


def plain(space: Space, **changes: Value) -> dict[str, Value]:
    """The baseline with decisions of the engine changed."""
    return dict(space.references[0].design) | {f"engine.{k}": v for k, v in changes.items()}


def layers(space: Space, design: dict[str, Value]) -> list[Placement]:
    """The first and the second graph layer."""
    live = [w for w in space.works if w.kind == "propagate" and evaluate(w.guard, design) is True]
    assert [w.call for w in live] == ["gnn.conv[1].gcn", "gnn.readout.gcn"]
    return [w.placements[0] for w in live]


@pytest.mark.parametrize(
    "phase, skip, cycles, macs",
    [
        ("dense X W of layer 1", False, 243_610, 62_089_024),
        ("sparse X W of layer 1", True, 3_076, 787_456),
        ("X W of layer 2", True, 2_720, 303_296),
        ("A (X W) of layer 1", True, 829, 212_224),
        ("A (X W) of layer 2", True, 829, 92_848),
    ],
)
def test_phases(cora: Space, phase: str, skip: bool, cycles: int, macs: int) -> None:
    """Pipelining lets the shorter phase vanish, so the two schedules together give each phase."""
    at = 0 if phase.endswith("1") else 1
    one_after_the_other = layers(cora, plain(cora, skip_zeros=skip))[at]
    overlapped = layers(cora, plain(cora, skip_zeros=skip, schedule=Symbol("pipelined")))[at]
    total = evaluate(one_after_the_other["cycles"], plain(cora, skip_zeros=skip))
    longer = evaluate(overlapped["cycles"], plain(cora, skip_zeros=skip, schedule=Symbol("pipelined")))
    assert isinstance(total, Fraction) and isinstance(longer, Fraction)
    assert cycles == (total - longer if phase.startswith("A") else longer)
    v, e, nnz, width = 2_708, 13_264, 49_216, 1_433
    made = {62_089_024: v * width * 16, 787_456: nnz * 16, 303_296: v * 16 * 7, 212_224: e * 16, 92_848: e * 7}
    assert made[macs] == macs


def test_networks(cora: Space) -> None:
    """Sequential 3,076 + 829 + 2,720 + 829; pipelined within each layer 3,076 + 2,720."""
    cycles = dict(cora.accelerators[0].quantities)["cycles"]
    assert evaluate(cycles, plain(cora)) == 7_454
    assert evaluate(cycles, plain(cora, schedule=Symbol("pipelined"))) == 5_796
    dense = evaluate(cycles, plain(cora, skip_zeros=False))
    assert dense == 243_610 + 829 + 2_720 + 829


def test_facts_of_the_works(cora: Space) -> None:
    """A layer's multiply-accumulates in its natural order: V F H + E H."""
    design = plain(cora)
    first, second = (w for w in cora.works if w.kind == "propagate" and evaluate(w.guard, design) is True)
    assert evaluate(dict(first.facts)["macs"], design) == 62_089_024 + 212_224
    assert evaluate(dict(second.facts)["macs"], design) == 303_296 + 92_848


AGGREGATE_FIRST = """
space order
import std.tasks
import std.graph
import std.works
nodes = node_classification("cora")
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    gcn(x, adj, out = nodes.classes)
}
accelerator lanes {
    on spmm(nnz, n) { cycles = ceil(nnz / 16) * ceil(n / 16) }
    on propagate(v, e, fin) {
        sums   = ask spmm(m = v, k = v, nnz = e, n = fin, sparse_bits = 8 bit, dense_bits = 8 bit)
        cycles = sums.cycles
    }
    cycles = sum(works.cycles)
}
"""


def test_aggregating_first_costs_what_was_worked_out() -> None:
    """(A X) W on the first layer: 829 lanes' turns times 90 column blocks."""
    compiled = compile_text(AGGREGATE_FIRST)
    assert compiled.space is not None, compiled.diagnostics
    assert evaluate(dict(compiled.space.accelerators[0].quantities)["cycles"], {}) == 74_610
