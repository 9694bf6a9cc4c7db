"""How far cost rules written as specs agree with other people's cost models.

Systolic array: cycles and buffer reads of `std.systolic` (benchmarks/spaces/systolic.cospace asks) against SCALE-Sim
3.0.0 with unlimited bandwidth. Its cycles are the index of the last one, counted from 0: one is subtracted from ours.

Layers under given mappings: energy and cycles by benchmarks/spaces/mapped.cospace, which counts the accesses of each
memory from the loop nest, against 90 mappings of ten layers on three kinds of hardware by ZigZag 3.9.1.

    python benchmarks/fidelity.py [--oracle ../shared/oracle]

The reference numbers do not come with the project. Without them this says so and ends with status 0.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.designs import parse_design
from cospace.compiler.space.model import Space
from mapped import SPEC as MAPPED
from mapped import Outcome, outcomes

ROOT = Path(__file__).resolve().parent.parent
ORACLE = ROOT.parent / "shared" / "oracle"
RULE = ROOT / "benchmarks" / "spaces" / "three_levels.cospace"
SYSTOLIC = ROOT / "benchmarks" / "spaces" / "systolic.cospace"
FLOWS = {"ws": "weights_stay", "os": "outputs_stay", "is": "inputs_stay"}
SYSTOLIC_FIGURES = ("cycles", "ifmap_sram_reads", "filter_sram_reads")


def compiled(path: Path, settings: Mapping[str, str], data: Path | None = None) -> Space:
    result = compile_file(path, dict(settings), data=data)
    if result.space is None:
        raise SystemExit("\n".join([f"{path} does not compile", *(d.message for d in result.diagnostics)]))
    return result.space


def lines_of(path: Path) -> int:
    """Lines that are neither blank nor a comment."""
    return sum(1 for line in path.read_text("utf-8").splitlines() if line.strip() and not line.lstrip().startswith("#"))


# ---- the systolic array


@cache
def _product(m: str, k: str, n: str) -> Space:
    return compiled(SYSTOLIC, {"m": m, "k": k, "n": n})


def systolic_costs(row: Mapping[str, str]) -> tuple[Fraction, ...]:
    """Index of the last cycle, reads of the left matrix, reads of the right one, for a row of the reference."""
    space = _product(row["M"], row["K"], row["N"])
    chosen = {"rows": int(row["rows"]), "cols": int(row["cols"]), "flow": FLOWS[row["dataflow"]]}
    design = parse_design(space, chosen)
    named = {q.path: evaluate(q.value, design) for q in space.quantities}
    found = [named[name] for name in ("cycles", "left_reads", "right_reads")]
    assert all(isinstance(value, Fraction) for value in found)
    return found[0] - 1, *found[1:]  # type: ignore[operator, return-value]


def systolic_agreement(rows: Iterable[Mapping[str, str]]) -> list[tuple[Mapping[str, str], tuple[bool, ...]]]:
    """Each row with which of its three figures are equal."""
    return [
        (row, tuple(ours == int(row[name]) for ours, name in zip(systolic_costs(row), SYSTOLIC_FIGURES, strict=True)))
        for row in rows
    ]


def print_systolic(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        agreement = systolic_agreement(csv.DictReader(file))
    library = ROOT / "specs" / "std" / "systolic.cospace"
    print(
        f"systolic array: a spec of {lines_of(SYSTOLIC)} lines over {library.relative_to(ROOT)} ({lines_of(library)}), "
        "blank lines and comments left out"
    )
    print(f"{'dataflow':<14}{'rows':>5}" + "".join(f"{name:>20}" for name in SYSTOLIC_FIGURES))
    for short, flow in FLOWS.items():
        equal = [verdict for row, verdict in agreement if row["dataflow"] == short]
        print(f"{flow:<14}{len(equal):>5}" + "".join(f"{sum(e[j] for e in equal):>14} equal" for j in range(3)))
    for row, verdict in agreement:
        if not all(verdict):
            print(f"  not equal: {dict(row)}, ours {', '.join(map(str, systolic_costs(row)))}")
    print(f"{sum(all(verdict) for _, verdict in agreement)} of {len(agreement)} rows equal in all three figures")


# ---- layers under given mappings


def print_mapped(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as tables:
        found = list(outcomes(folder, Path(tables)))
    library = ROOT / "specs" / "std" / "accesses.cospace"
    print(
        f"\ngiven mappings: a spec of {lines_of(MAPPED)} lines over {RULE.name} ({lines_of(RULE)}) and "
        f"{library.relative_to(ROOT)} ({lines_of(library)}), "
        "blank lines and comments left out"
    )
    print(f"{sum(o.feasible for o in found)} of {len(found)} mappings fit the hardware as the spec has it")
    print(f"{'energy':<34}{'rows':>5}{'1e-6':>6}{'1 %':>6}{'5 %':>6}{'largest deviation':>20}")
    for title, group in (
        ("dimensions divide the array", [o for o in found if o.divides]),
        ("the others", [o for o in found if not o.divides]),
    ):
        off = [abs(o.energy_off) for o in group]
        within = "".join(f"{sum(x <= limit for x in off):>6}" for limit in (1e-6, 0.01, 0.05))
        print(f"{title:<34}{len(group):>5}{within}{max(off, default=0.0):>20.2g}")
    print(f"{'cycles, ours to theirs':<34}{'rows':>5}{'1 %':>6}{'5 %':>6}{'geomean':>9}{'least':>8}{'most':>8}")
    names = dict.fromkeys(o.hardware for o in found)
    groups = [("all", found), ("without fc1000", [o for o in found if o.layer != "fc1000"])]
    for title, group in [*groups, *((name, [o for o in found if o.hardware == name]) for name in names)]:
        _print_cycles(title, group)
    for o in sorted(found, key=lambda o: -abs(o.cycles_off)):
        if abs(o.cycles_off) > 0.05:
            print(
                f"  cycles {o.cycles_off:+.1%}: {o.hardware} {o.layer} {o.goal}, ours {o.cycles}, {o.wanted_cycles:.0f}"
            )


def _print_cycles(title: str, group: list[Outcome]) -> None:
    ratios = [1 + o.cycles_off for o in group]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    within = "".join(f"{sum(abs(r - 1) <= limit for r in ratios):>6}" for limit in (0.01, 0.05))
    print(f"{title:<34}{len(group):>5}{within}{mean:>9.4f}{min(ratios):>8.3f}{max(ratios):>8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", type=Path, default=ORACLE, help="the folder of reference numbers")
    folder = parser.parse_args().oracle
    if (folder / "systolic_cycles.csv").exists():
        print_systolic(folder / "systolic_cycles.csv")
    else:
        print(f"{folder / 'systolic_cycles.csv'} is not there: nothing to compare the systolic array with")
    if all((folder / name).exists() for name in ("layer_cost_mappings.json", "hardware.json")):
        print_mapped(folder)
    else:
        print(f"{folder / 'layer_cost_mappings.json'} is not there: nothing to compare given mappings with")


if __name__ == "__main__":
    main()
