"""Mappings searched by the rule that counts given ones, against the best that another mapper found.

Ten layers on three kinds of hardware, spaces/mapper.cospace: orders of loops in time, and what the buffer holds. ZigZag
3.9.1 tried at most 720 orders of each layer's loops, split into six pieces; so do we first, to compare rules, and then
with any one loop in two pieces, to compare mappers. Printed for each layer, for the least energy
and for the least cycles: ours to theirs, how many mappings were tried, and the processor's seconds of solving; then
whether the rule gives the same of each mapping when it is given (spaces/mapped.cospace), whether anything is below its
floor, and by hardware the geometric mean of the ratios and Spearman's rank correlation. All in numpy, on one core.

With `--rate`, one large layer alone (the first that is named), in numpy and as machine code (the extra `fast`): how
many mappings a second, counting all that solving takes but for compiling, which is told apart. Both find the same.

    python benchmarks/mapper.py [--oracle ../shared/oracle] [--hardware ws16 ws32 os16] [--layers rn18_l1 ...] [--rate]

The reference numbers do not come with the project. Without them this says so and ends with status 0.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import numpy
from cospace.compiler import solved
from cospace.compiler.driver import compile_loaded
from cospace.compiler.elaborate.given import Closely
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.mapping import describe
from cospace.compiler.native import NATIVE, installed
from cospace.compiler.numbers.plan import Plan
from cospace.compiler.space.designs import parse_design
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load
from fidelity import compiled
from mapped import PICOJOULE, write_tables
from mapped import SPEC as GIVEN
from mapping_optimum import STANDARD, _Every

SPEC = Path(__file__).resolve().parent / "spaces" / "mapper.cospace"
ORACLE = Path(__file__).resolve().parents[2] / "shared" / "oracle"
GOALS = {"energy": ("best_energy_pj", "best_energy_cycles"), "cycles": ("best_cycles_energy_pj", "best_cycles")}
PLACES = 7
MANY = 1_000_000
"""Mappings of a layer, from which on most of the time goes into trying them."""
ZIGZAG = 13_860 / 82
"""Mappings a second of ZigZag 3.9.1, for ResNet-18 on one design."""
LARGE = ("os16", "rn18_l2_0")
RUNS = 5


@attrs.frozen
class Found:
    """One layer's best mapping. again: the rule gives the same energy and cycles where the mapping is given."""

    row: Mapping[str, str]
    goal: str
    energy: Fraction
    cycles: Fraction
    again: bool
    mappings: int
    seconds: float

    @property
    def ratios(self) -> tuple[float, float]:
        energy, cycles = GOALS[self.goal]
        return float(self.energy) / float(self.row[energy]), float(self.cycles) / float(self.row[cycles])

    @property
    def below(self) -> bool:
        return float(self.energy) < float(self.row["floor_energy_pj"]) * (1 - 1e-9)


def rows_of(oracle: Path) -> list[dict[str, str]]:
    """What the reference found: a layer on a kind of hardware a row."""
    with (oracle / "layer_cost.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables_of(rows: Sequence[Mapping[str, str]], oracle: Path, folder: Path) -> None:
    """The files that the spec reads; loops.csv has the pieces that the reference orders, and one of a single step."""
    layers = {r["layer"]: {k: int(r[k]) for k in ("K", "C", "OY", "OX", "FY", "stride")} for r in rows}
    write_tables(folder, layers, json.loads((oracle / "hardware.json").read_text("utf-8")))
    with (folder / "loops.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["hardware", "layer", "piece", "loop", "size"])
        for entry in json.loads((oracle / "layer_cost_mappings.json").read_text("utf-8")):
            found = [loop for level in entry["best_energy"]["temporal_mapping"]["O"] for loop in level]
            found += [("K", 1)] * (PLACES - len(found))
            out.writerows([entry["hw"], entry["layer"], n, *loop] for n, loop in enumerate(found, 1))


def problem_of(settings: Mapping[str, str], tables: Path) -> solved.Wanted:
    """The mapping problem of the layer, unsolved."""
    loaded = load(SPEC, Reporter(), STANDARD)
    result = compile_loaded(loaded, dict(settings), Reporter(), data=tables, closely=Closely(_Every()))
    if result.space is None:
        raise SystemExit("\n".join(d.message for d in result.diagnostics))
    placement = result.space.works[0].placements[0]
    quantities = tuple((k, v.args[0]) for k, v in placement.quantities if v.op == "solve")
    return solved.Wanted(placement.problem, quantities)


def costs(space: Space, design: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Energy in pJ, and cycles."""
    quantities = dict(space.accelerators[0].quantities)
    energy, cycles = (evaluate(quantities[q], design) for q in ("energy", "cycles"))
    assert isinstance(energy, Fraction) and isinstance(cycles, Fraction)
    return energy / PICOJOULE, cycles


def given(named: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The mapping as a design of mapped.cospace, from all that the rule names."""
    design: dict[str, Any] = {f"loop[{p}]": named[f"loop[{p}]"]["value"] for p in range(1, PLACES + 1)}
    wanted = [f"size[{p}]" for p in range(1, PLACES + 1)]
    wanted += [f"{level}.{tensor}" for level in ("near", "kept") for tensor in ("weights", "inputs", "sums")]
    return design | {name: int(named[name]["exact"]) for name in wanted}


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many mappings are tried meanwhile, of each problem."""
    tried: list[int] = []
    solve = solved._solve
    solved._solve = lambda members, kept: (tried.append(math.prod(map(len, kept))), solve(members, kept))[-1]
    try:
        yield tried
    finally:
        solved._solve = solve


def map_one(row: Mapping[str, str], goal: str, tables: Path, listed: bool = False) -> Found:
    settings = {"hardware": row["hw"], "layer": row["layer"]}
    asked = settings | {"least": goal, "listed": str(listed).lower()}
    wanted = problem_of(asked, tables)
    begin = time.process_time()
    with counted() as tried:
        solved.solve_ahead([wanted], [], [])
    seconds = time.process_time() - begin
    space = compiled(SPEC, asked, tables)  # what was solved is kept
    energy, cycles = costs(space, {})
    named = describe(space, {})["layers"][0]["quantities"]
    other = compiled(GIVEN, settings | {"places": str(PLACES)}, tables)
    again = costs(other, parse_design(other, given(named))) == (energy, cycles)
    return Found(row, goal, energy, cycles, again, sum(tried), seconds)


def found(rows: Sequence[Mapping[str, str]], goal: str, tables: Path, listed: bool) -> Iterator[Found]:
    for row in rows:
        with tempfile.TemporaryDirectory() as kept:
            os.environ["COSPACE_CACHE"] = kept
            yield map_one(row, goal, tables, listed)


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Of numbers without ties."""
    ranks = [numpy.argsort(numpy.argsort(x)).astype(float) for x in (a, b)]
    return float(numpy.corrcoef(*ranks)[0, 1])


def print_all(every: Sequence[Found]) -> None:
    goal = every[0].goal
    print(f"\nby hardware, for the least {goal}{'' if goal == 'energy' else ', without fc1000'}, ours to theirs")
    print(f"{'':<8}{'rows':>5}{'geomean':>9}{'least':>8}{'most':>8}{'Spearman':>10}")
    for hardware in dict.fromkeys(f.row["hw"] for f in every):
        own = [f for f in every if f.row["hw"] == hardware and (goal == "energy" or f.row["layer"] != "fc1000")]
        which = 0 if goal == "energy" else 1
        ratios = [f.ratios[which] for f in own]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        theirs = [float(f.row[GOALS[goal][which]]) for f in own]
        rank = spearman([r * t for r, t in zip(ratios, theirs, strict=True)], theirs) if len(own) > 2 else math.nan
        print(f"{hardware:<8}{len(own):>5}{mean:>9.4f}{min(ratios):>8.3f}{max(ratios):>8.3f}{rank:>10.3f}")
    print(
        f"{sum(f.again for f in every)} of {len(every)} mappings cost the same to the last digit when they are given, "
        f"{sum(f.below for f in every)} take less energy than their floor"
    )
    if sum(f.mappings for f in every) > MANY * len(every):
        rate = sum(f.mappings for f in every) / sum(f.seconds for f in every)
        print(f"{rate / 1e6:.1f} million mappings a second, {rate / ZIGZAG:,.0f} times ZigZag's {ZIGZAG:.0f}")


@attrs.frozen
class Run:
    """One layer solved, nothing kept: mappings tried, the processor's seconds without and of compiling, the answer."""

    mappings: int
    seconds: float
    compiling: float
    found: object


def run(settings: Mapping[str, str], tables: Path, native: bool) -> Run:
    wanted = problem_of(settings, tables)
    compiling: list[float] = []
    across = Plan.across

    def timed(*given: Any) -> Any:
        begin = time.process_time()
        try:
            return across(*given)
        finally:
            compiling.append(time.process_time() - begin)

    token = NATIVE.set(native)
    Plan.across = timed  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as kept, counted() as tried:
            os.environ["COSPACE_CACHE"] = kept
            begin = time.process_time()
            (found,) = solved.solve_ahead([wanted], [], []).values()
            seconds = time.process_time() - begin
    finally:
        Plan.across = across  # type: ignore[method-assign]
        NATIVE.reset(token)
    quantities = {name: value.payload for name, value in found.quantities.items()}
    return Run(sum(tried), seconds - sum(compiling), sum(compiling), quantities)


def print_rate(row: Mapping[str, str], tables: Path) -> None:
    settings = {"hardware": row["hw"], "layer": row["layer"], "least": "energy"}
    every: list[Run] = []
    for name, native in (("numpy", False), ("machine code", True)):
        if native and not installed():
            print("llvmlite is not installed: numpy alone")
            break
        runs = [run(settings, tables, native) for _ in range(RUNS)]
        if not every:
            print(f"{row['hw']} {row['layer']}: {runs[0].mappings:,} mappings, the median of {RUNS} runs on one core")
        every += runs
        each = statistics.median(r.mappings / r.seconds for r in runs)
        after = f"; compiled in {statistics.median(r.compiling for r in runs):.2f} s" if native else ""
        times = f"{each / ZIGZAG:,.0f} times ZigZag's {ZIGZAG:.0f}"
        print(f"{name:<14}{each / 1e6:>6.1f} million mappings a second, {times}{after}", flush=True)
    assert all(r.found == every[0].found for r in every), "they differ"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", type=Path, default=ORACLE, help="the folder of reference numbers")
    parser.add_argument("--hardware", nargs="*")
    parser.add_argument("--layers", nargs="*")
    parser.add_argument("--rate", action="store_true", help="of one large layer, in numpy and as machine code")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if not (asked.oracle / "layer_cost.csv").exists():
        print(f"{asked.oracle / 'layer_cost.csv'} is not there: nothing to compare mappings with")
        return
    rows = [
        r for r in rows_of(asked.oracle)
        if (not asked.hardware or r["hw"] in asked.hardware) and (not asked.layers or r["layer"] in asked.layers)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder)
        tables_of(rows, asked.oracle, tables)
        if asked.rate:
            named = asked.hardware or asked.layers
            print_rate(rows[0] if named else next(r for r in rows if (r["hw"], r["layer"]) == LARGE), tables)
            return
        NATIVE.set(False)
        for listed, goal in itertools.product((True, False), GOALS):
            print("\nloops in the pieces that the reference has" if listed else "\nany one loop in two pieces")
            print(f"{'least ' + goal:<24}{'energy':>8}{'cycles':>8}{'mappings':>13}{'seconds':>9}", flush=True)
            every = []
            for one in found(rows, goal, tables, listed):
                every.append(one)
                energy, cycles = one.ratios
                name = f"{one.row['hw']} {one.row['layer']}"
                print(f"{name:<24}{energy:>8.4f}{cycles:>8.4f}{one.mappings:>13,}{one.seconds:>9.2f}", flush=True)
            print_all(every)
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
