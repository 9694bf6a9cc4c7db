"""The best accelerator of all for a sampled network, as a search that samples networks asks for it at each step.

spaces/sampled.cospace: twelve layers of four operators with bits of their own, 600 arrays on which a layer is mapped in
512 ways, times clocks and cores. Tables of every layer, alternative, width and array are made once, in numpy and as
machine code; a step then takes the best of all designs. For so many drawn networks the answer is held against pricing
every design anew, mappings and all, by the program that every engine uses.

    python benchmarks/hardware_step.py [--networks 100] [--runs 5] [--no-brute]

Milliseconds are of the wall clock, one thread: median, 90th percentile and the longest of all networks; beside them
the processor's own, which other work on the machine does not lengthen so much. What it takes to compile machine code
is in the seconds of the first time; what it takes to compile the text is not.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.exhaustive import conditions_of
from cospace.compiler.engines.problem import Problem
from cospace.compiler.engines.tabulated import Step, Tabulated
from cospace.compiler.native import NATIVE, installed
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.model import Space

SPEC = Path(__file__).resolve().parent / "spaces" / "sampled.cospace"
HARDWARE = ("height", "width", "weights", "inputs", "sums", "cores", "clock")
MAPPED = 5
"""The first so many of these are read by mappings."""


class Brute:
    """Every open design priced for one network."""

    def __init__(self, space: Space, tables: Tabulated) -> None:
        goal = space.objectives[0].value
        self.program = Program([goal, *conditions_of(space)], space.decisions)
        self.tables = tables
        names = [d.path for d in space.decisions]
        self.closed = [names.index(d.path) for d in tables.closed]
        self.open = [names.index(d.path) for d in tables.open]

    def best(self, indices: Any) -> tuple[float, Any]:
        """The least goal among feasible designs, and each one's, infinite where a requirement fails."""
        rows = numpy.empty((len(self.tables.rows), len(self.closed) + len(self.open)), numpy.int64)
        rows[:, self.closed] = indices
        rows[:, self.open] = self.tables.rows
        goal, *meets = self.program(rows)
        every = numpy.where(numpy.all(meets, axis=0), goal, numpy.inf)
        return float(every.min()), every


def made(space: Space, native: bool | None, runs: int) -> tuple[Tabulated, list[float]]:
    token = NATIVE.set(native)
    seconds = []
    try:
        for _ in range(runs):
            begin = time.perf_counter()
            tables = Tabulated(space, HARDWARE)
            seconds.append(time.perf_counter() - begin)
    finally:
        NATIVE.reset(token)
    return tables, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5, help="times that tables are made, the least printed")
    parser.add_argument("--no-brute", action="store_true", help="do not price every design for each network")
    given = parser.parse_args()
    space = compile_file(SPEC).space
    assert space is not None
    tables, seconds = made(space, False, given.runs)
    print(f"tables in numpy: {min(seconds):.2f} s, at first {seconds[0]:.2f} s")
    if installed():
        tables, seconds = made(space, None, given.runs)
        print(f"tables, machine code where it pays: {min(seconds):.2f} s, at first {seconds[0]:.2f} s")
    arrays = len(numpy.unique(tables.rows[:, :MAPPED], axis=0))
    networks = list(drawn(space, tables, given.networks))
    print(
        f"{len(tables.rows):,} designs that meet what is asked of them alone, on {arrays} arrays that mappings read; "
        f"{tables.cells:,} numbers in tables"
    )
    found: list[Step | None] = []
    taken, own = [], []
    for indices in networks:
        begin, began = time.perf_counter(), time.thread_time()
        found.append(tables.best(indices))
        taken.append(1e3 * (time.perf_counter() - begin))
        own.append(1e3 * (time.thread_time() - began))
    sure = sum(step is not None and step.sure for step in found)
    print(
        f"a step over {len(networks)} networks: {_told(taken)}; of the processor {_told(own)}; "
        f"{sure} of them with no other design as good as far as floats tell"
    )
    if not given.no_brute:
        compare(space, tables, networks, found)
    print(f"peak of memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def _told(milliseconds: list[float]) -> str:
    median, most, longest = numpy.percentile(milliseconds, [50, 90, 100])
    return f"median {median:.2f} ms, 90th percentile {most:.2f} ms, longest {longest:.2f} ms"


def drawn(space: Space, tables: Tabulated, n: int) -> Any:
    """Networks, decision by decision, each as `Tabulated.best` takes it."""
    problem = Problem(space, 0, seed=1)
    rows = problem.fill(numpy.full((n, len(space.decisions)), -1, numpy.int64))
    names = [d.path for d in space.decisions]
    return rows[:, [names.index(d.path) for d in tables.closed]]


def compare(space: Space, tables: Tabulated, networks: list[Any], found: list[Step | None]) -> None:
    brute = Brute(space, tables)
    regrets, same = [], 0
    begin = time.perf_counter()
    for indices, step in zip(networks, found, strict=True):
        least, every = brute.best(indices)
        if step is None or least == numpy.inf:
            raise SystemExit("a network that has no design")
        regrets.append(every[step.row] / least - 1)
        same += int(every.argmin()) == step.row
    print(
        f"against pricing all {len(tables.rows):,} designs for each: greatest regret {max(regrets):.1e}, the same "
        f"design {same} of {len(networks)} times; {(time.perf_counter() - begin) / len(networks):.2f} s a network"
    )


if __name__ == "__main__":
    main()
