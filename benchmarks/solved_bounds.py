"""Bounds on costs at solved mappings, where a design's decisions say which mappings a work may take: what `check` and
`count` take, and how many designs a second are costed when each tries only its own mappings, and all of them.

    python benchmarks/solved_bounds.py

Prints processor time in one process, without its imports; checks that both ways of costing agree.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.numbers import build
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Space

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "specs" / "o_has.cospace").read_text(encoding="utf-8")
BOUNDS = (
    "optics.latency <= 7.676 * 1 ms",
    "optics.energy * optics.latency <= 6 * 1 uJ * 1 s",
    "optics.energy * optics.latency <= 0.4 * 1 uJ * 1 s",
)
DESIGNS, ALL = 100_000, 2_000
"""Designs that are costed with their own mappings, and with all."""


def space_of(text: str) -> Space:
    found = compile_text(text).space
    assert found is not None
    return found


def rate(objective: Expr, space: Space, rows: numpy.ndarray) -> tuple[float, numpy.ndarray]:
    """Designs a second, compiled before, and their costs."""
    program = Program([objective], space.decisions)
    program(rows[:10])
    started = time.process_time()
    (found,) = program(rows)
    return len(rows) / (time.process_time() - started), numpy.asarray(found)


def main() -> None:
    for bound in BOUNDS:
        space = space_of(f"{TEXT}\nrequire {bound}\n")
        started = time.process_time()
        report = check(space)
        middle = time.process_time()
        counted = count(space)
        ended = time.process_time()
        told = f"{counted.feasible:,} exactly" if counted.feasible is not None else f"within {counted.bounds}"
        dead = next((p for p in report.proved if p.startswith("dead values")), "dead values: not decided")
        print(f"{bound}: check {middle - started:.1f} s ({dead}), count {ended - middle:.1f} s ({told})", flush=True)
    space = space_of(TEXT)
    objective = space.objectives[0].value
    rows = numpy.asarray(sample(space, DESIGNS, 1), dtype=numpy.int64)
    own, costs = rate(objective, space, rows)
    build.CELLS = 0
    every, again = rate(objective, space, rows[:ALL])
    assert numpy.allclose(costs[:ALL], again, rtol=1e-12, atol=0)
    print(
        f"designs costed a second: {own:,.0f} with their own mappings, {every:,.0f} with all ({own / every:.0f} times)"
    )


if __name__ == "__main__":
    main()
