"""Costs a second in numpy and as machine code (the extra `fast`): formulas, mappings, and a proved optimum.

    formulas   ResNet-18's layers without mappings (spaces/tiles.cospace): (layer, design) pairs a second
    mappings   each layer mapped in 512 ways, the best taken (spaces/arrays.cospace): mappings a second
    optimum    the proved best of all 640,000 designs of spaces/arrays.cospace: seconds

Both run the same steps and give the same bits, which is checked. One thread, but for the optimum, which takes
`--cores`. Designs are drawn anew and priced once. What it takes to compile to machine code is told apart.

    python benchmarks/native_rate.py [--designs 40000] [--runs 5] [--cores 2]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.native import NATIVE, installed
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.graph import walk
from cospace.compiler.space.model import Placement, Space

SPACES = Path(__file__).resolve().parent / "spaces"


def compiled(name: str) -> Space:
    result = compile_file(SPACES / f"{name}.cospace", {})
    assert result.space is not None
    return result.space


def operations(costs: Mapping[object, Placement]) -> float:
    """Operators in what a layer costs as it is written, the mean; a problem's in it."""
    sizes = []
    for p in costs.values():
        quantities = [e for _, e in p.quantities]
        inside = [v.args[0] if v.op == "solve" else v for v in quantities] + list(p.problem.expressions())
        sizes.append(sum(n.op not in ("const", "var") for n in walk(inside)))
    return statistics.mean(sizes)


def rate(space: Space, rows: numpy.ndarray, runs: int, native: bool) -> tuple[float, float, numpy.ndarray]:
    """Median designs a second, seconds until the first were priced, and all prices."""
    token = NATIVE.set(native)
    program = Program([space.objectives[0].value], space.decisions)
    begin = time.perf_counter()
    program(rows[:256])
    first = time.perf_counter() - begin
    found, times = [], []
    for part in numpy.array_split(rows, runs):
        begin = time.perf_counter()
        found.append(program(part)[0])
        times.append((time.perf_counter() - begin) / len(part))
    NATIVE.reset(token)
    return 1 / statistics.median(times), first, numpy.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    both = (False, True) if installed() else (False,)
    if not installed():
        print("llvmlite is not installed: numpy alone")
    print("| what | numpy | machine code | ratio | compiled in |\n| --- | --- | --- | --- | --- |")
    for title, name, designs in (("formulas", "tiles", 20 * options.designs), ("mappings", "arrays", options.designs)):
        space = compiled(name)
        problems = {id(p.problem): p.problem for w in space.works for p in w.placements if w.kind == "conv"}
        priced = [p for w in space.works if w.kind == "conv" for p in w.placements]
        costs = {tuple(id(e) for _, e in p.quantities): p for p in priced}
        layers = len(costs)
        each = sum(int(numpy.prod([len(m.values) for m in p.maps])) for p in problems.values() if p.maps) or layers
        rows = sample(space, designs, 0)
        results = [rate(space, rows, options.runs, native) for native in both]
        cells = [f"{r[0] * each / 1e6:,.0f} M/s" for r in results]
        more = ["", "", ""]
        if len(results) == 2:
            assert numpy.array_equal(results[0][2], results[1][2], equal_nan=True), "they differ"
            more = [cells[1], f"{results[1][0] / results[0][0]:.1f}", f"{results[1][1]:.2f} s"]
        what = f"{title}: {each:,} of a design, {layers} layers, {operations(costs):.0f} operations each"
        print(f"| {what} | {cells[0]} | {' | '.join(more)} |", flush=True)
    os.environ["OMP_NUM_THREADS"] = str(options.cores)
    space = compiled("arrays")
    seconds = []
    for native in (False, None) if installed() else (False,):
        token = NATIVE.set(native)
        begin = time.perf_counter()
        found = best(space, {})
        seconds.append(time.perf_counter() - begin)
        NATIVE.reset(token)
        assert found.certified and found.evaluated >= 600_000
    more = [f"{seconds[1]:.1f} s", f"{seconds[0] / seconds[1]:.1f}", "in it"] if len(seconds) == 2 else ["", "", ""]
    print(f"| optimum of {found.evaluated:,} designs, proved | {seconds[0]:.1f} s | {' | '.join(more)} |")
    print(f"peak of memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
