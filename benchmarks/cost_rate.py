"""How many (design, layer) costs a second on one core: cycles and energy of a layer with every mapping solved.

Designs are distinct, drawn uniformly from the feasible ones of the compiled spec; nothing is kept from one to another:
each run prices rows that no run before has seen. Prints the layer as it is drawn (any of its operators), then each
operator by itself, and checks some rows against exact arithmetic.

    python benchmarks/cost_rate.py [--spec specs/gcos.cospace] [--data cora] [--layer "gnn.conv[1]"] [--designs 200000]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import time
from pathlib import Path

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import UNDEFINED, Enclosure, evaluate_all
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.sampling.sample import sample
from cospace.compiler.space import graph as g
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import Expr, Value
from cospace.compiler.space.model import Space, Work

ROOT = Path(__file__).resolve().parent.parent


def layer_costs(works: list[Work]) -> list[Expr]:
    """Cycles and energy of the works that are live, weighed by how often each is asked for."""
    return [
        g.add(
            *(
                g.branch(
                    g.both(w.guard, p.guard),
                    g.mul(w.times, dict(p.quantities)[name]),
                    g.const(0, dict(p.quantities)[name].type.unit),
                )
                for w in works
                for p in w.placements
            )
        )
        for name in ("cycles", "energy")
    ]


def draw(space: Space, n: int, fixed: dict[str, Value], seed: int) -> numpy.ndarray:
    """`n` distinct feasible designs or a little fewer."""
    return numpy.random.default_rng(seed).permutation(numpy.unique(sample(space, n, seed, fixed), axis=0))


def rate(program: Program, rows: numpy.ndarray, runs: int) -> tuple[float, float, list[numpy.ndarray]]:
    """Median designs a second, by the clock and by processor time, over equal parts of `rows`, each priced once."""
    parts = numpy.array_split(rows, runs + 1)
    program(parts[0])  # the first touches memory
    speeds, busy, results = [], [], []
    for part in parts[1:]:
        begin, used = time.perf_counter(), time.process_time()
        results.append(numpy.stack(program(part), axis=1))
        busy.append(len(part) / (time.process_time() - used))
        speeds.append(len(part) / (time.perf_counter() - begin))
    return float(numpy.median(speeds)), float(numpy.median(busy)), results


def worst_difference(space: Space, costs: list[Expr], rows: numpy.ndarray, values: numpy.ndarray) -> float:
    """Largest relative difference from exact arithmetic."""
    worst = 0.0
    for row, found in zip(rows, values, strict=True):
        for result, value in zip(evaluate_all(costs, decode(space.decisions, row)), found, strict=True):
            if result is UNDEFINED:
                worst = max(worst, 0.0 if math.isnan(value) else math.inf)
                continue
            exact = float(result.middle if isinstance(result, Enclosure) else result)  # type: ignore[arg-type]
            worst = max(worst, abs(value - exact) / max(abs(exact), 1e-300))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default=str(ROOT / "specs" / "gcos.cospace"))
    parser.add_argument("--data", default="cora")
    parser.add_argument("--layer", default="gnn.conv[1]")
    parser.add_argument("--designs", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    space = compile_file(Path(options.spec), {"data": options.data} if options.data else {}).space
    assert space is not None, f"{options.spec} does not compile"
    choices: list[dict[str, Value]] = [{}]
    if any(d.path == options.layer for d in space.decisions):
        choices += [{options.layer: value} for value in space.decision(options.layer).values]
    for fixed in choices:
        label = ", ".join(str(v) for v in fixed.values())
        works = [w for w in space.works if w.call.startswith(options.layer + (f".{label}" if label else ""))]
        if not works:
            continue
        costs = layer_costs(works)
        rows = draw(space, options.designs, fixed, seed=1)
        program = Program(costs, space.decisions)
        speed, busy, results = rate(program, rows, options.runs)
        tail = rows[-50:]
        worst = worst_difference(space, costs, tail, results[-1][-50:])
        print(
            f"{options.layer} as {label or 'drawn'}: {speed:,.0f} a second, {busy:,.0f} a processor second "
            f"({len(rows):,} distinct feasible designs, {len(works)} works, {program.size} array steps, "
            f"exact within {worst:.1e})"
        )


if __name__ == "__main__":
    main()
