"""Cost rules agree with other people's cost models: what `benchmarks/fidelity.py` prints, held."""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import fidelity  # noqa: E402
import mapper  # noqa: E402

# Worked out by hand: shapes smaller than the array, ones that fill it, and ones with a part of a fold left over.
SYSTOLIC = """name,M,N,K,rows,cols,dataflow,cycles,ifmap_sram_reads,filter_sram_reads
small,16,8,4,4,8,ws,29,64,32
small,16,8,4,4,8,os,55,64,128
small,16,8,4,4,8,is,43,64,64
left_over,20,10,9,4,8,ws,203,360,90
left_over,20,10,9,4,8,os,189,360,450
left_over,20,10,9,4,8,is,215,180,270
one,1,1,1,16,16,os,30,1,1
square,64,64,64,16,16,is,1759,4096,16384
"""


def test_systolic_rows_worked_by_hand() -> None:
    agreement = fidelity.systolic_agreement(csv.DictReader(SYSTOLIC.splitlines()))
    assert len(agreement) == 8
    assert all(verdict == (True, True, True) for _, verdict in agreement)


@pytest.mark.parametrize("seed", range(4))
def test_systolic_rows_follow_the_closed_forms(seed: int) -> None:
    """Folds times what one takes, on shapes and arrays at random; `fold` is written out anew here."""
    rng = random.Random(seed)
    m, n, k = (rng.randint(1, 700) for _ in range(3))
    for flow in ("ws", "os", "is"):
        for _ in range(3):
            rows, cols = rng.randint(1, 130), rng.randint(1, 130)

            def fold(size: int, side: int) -> int:
                return -(-size // side)

            cycles, left, right = {
                "ws": (fold(k, rows) * fold(n, cols) * (2 * rows + cols + m - 2), m * k * fold(n, cols), k * n),
                "os": (
                    fold(m, rows) * fold(n, cols) * (rows + cols + k - 2),
                    m * k * fold(n, cols),
                    k * n * fold(m, rows),
                ),
                "is": (fold(k, rows) * fold(m, cols) * (2 * rows + cols + n - 2), m * k, k * n * fold(m, cols)),
            }[flow]
            named = {"M": m, "N": n, "K": k, "rows": rows, "cols": cols}
            row = {**{key: str(value) for key, value in named.items()}, "dataflow": flow}
            assert fidelity.systolic_costs(row) == (cycles - 1, left, right)


def test_the_systolic_spec_is_short() -> None:
    assert fidelity.lines_of(fidelity.SYSTOLIC) <= 25


def test_all_systolic_rows_of_the_reference() -> None:
    path = fidelity.ORACLE / "systolic_cycles.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there: the reference numbers do not come with the project")
    with path.open(encoding="utf-8", newline="") as file:
        agreement = fidelity.systolic_agreement(csv.DictReader(file))
    assert len(agreement) >= 68
    assert [row for row, verdict in agreement if not all(verdict)] == []


def test_all_given_mappings_of_the_reference(tmp_path: Path) -> None:
    path = fidelity.ORACLE / "layer_cost_mappings.json"
    if not path.exists():
        pytest.skip(f"{path} is not there: the reference numbers do not come with the project")
    found = list(fidelity.outcomes(fidelity.ORACLE, tmp_path))
    assert len(found) == 90 and all(o.feasible for o in found)
    whole, parts = [o for o in found if o.divides], [o for o in found if not o.divides]
    assert len(whole) == 63 and max(abs(o.energy_off) for o in whole) < 1e-5
    assert len(parts) == 27 and max(abs(o.energy_off) for o in parts) < 1e-3
    cycles = [1 + o.cycles_off for o in found if o.layer != "fc1000"]
    assert min(cycles) > 0.88 and max(cycles) < 1.05
    assert sum(abs(ratio - 1) < 0.05 for ratio in cycles) >= 79


def test_without_the_reference_the_benchmark_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sys_argv, sys.argv = sys.argv, ["fidelity.py", "--oracle", str(tmp_path)]
    try:
        fidelity.main()
    finally:
        sys.argv = sys_argv
    assert "is not there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hardware", "layer", "goal"), [("os16", "mbv2_project", "cycles"), ("ws16", "fc1000", "energy")]
)
def test_searched_mappings_cost_what_the_rule_says_of_them_when_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: str, layer: str, goal: str
) -> None:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path))
    for name in ("layer_cost.csv", "hardware.json"):
        if not (mapper.ORACLE / name).exists():
            pytest.skip(f"{name} is not there: the reference numbers do not come with the project")
    (row,) = [r for r in mapper.rows_of(mapper.ORACLE) if (r["hw"], r["layer"]) == (hardware, layer)]
    mapper.tables_of([row], mapper.ORACLE, tmp_path)
    one = mapper.map_one(row, goal, tmp_path)
    assert one.again and not one.below and one.mappings >= 1000
    assert one.ratios[0 if goal == "energy" else 1] < 1.0001
