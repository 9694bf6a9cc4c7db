"""Proved-optimal mappings: every tiling and loop order of a convolution, spaces/full_nest.cospace.

All factorisations of all six loops over DRAM, buffer, array and registers, times all orders of the loops outside and
inside the buffer. A 3 x 3 convolution of 64 to 64 channels on 56 x 56 outputs and every layer of ResNet-18, each with
how many mappings there are; then small layers, for which all of them are tried one by one, in whole numbers, and larger
ones, for which one is tried of all that differ in nothing that is read.

    python benchmarks/mapping_optimum.py [--small N]

Seconds are the processor's, in one process, without compiling the text. A small layer takes up to a minute of trying.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
from cospace.compiler.driver import compile_loaded
from cospace.compiler.elaborate.given import Closely
from cospace.compiler.exact import exact, whole
from cospace.compiler.mappings.closed import close
from cospace.compiler.mappings.solve import Best, best
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.graph import MapProblem, walk
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load

SPEC = Path(__file__).resolve().parent / "spaces" / "full_nest.cospace"
STANDARD = SPEC.parents[2] / "specs" / "std"
LAYER = ("outs", "ins", "rows", "cols", "kernel", "stride")
SMALL = (
    (2, 2, 2, 1, 1, 1), (4, 2, 1, 1, 1, 1), (3, 2, 2, 1, 1, 1), (2, 3, 1, 2, 1, 1), (9, 2, 1, 1, 1, 1),
    (2, 9, 1, 1, 1, 1), (4, 3, 1, 1, 1, 1), (1, 1, 4, 2, 1, 1), (1, 1, 9, 2, 1, 1), (16, 1, 1, 1, 1, 1),
    (6, 2, 1, 1, 1, 1), (2, 6, 1, 1, 1, 1), (1, 2, 2, 2, 1, 2), (2, 1, 4, 1, 1, 2), (1, 1, 2, 1, 3, 1),
    (2, 1, 1, 1, 3, 1), (1, 2, 1, 1, 3, 1), (1, 1, 1, 2, 3, 2), (1, 1, 1, 1, 5, 1), (5, 2, 1, 2, 1, 1),
    (1, 5, 2, 2, 1, 1), (7, 1, 2, 2, 1, 1), (3, 2, 1, 2, 1, 1), (1, 12, 1, 1, 1, 1), (1, 1, 6, 2, 1, 1),
)  # fmt: skip
"""Layers of which every mapping can be tried: `LAYER`."""
TIGHT = {"buffer": "96 bit", "file": "64 bit", "elements": "4", "channel": "8 bit", "port": "16 bit"}
"""An accelerator so small that not everything fits."""
MIXED = {"buffer": "20 byte", "file": "72 bit", "elements": "2", "channel": "16 bit", "port": "8 bit"}

LARGER = (
    ((4, 4, 4, 4, 3, 1), {"buffer": "160 byte", "file": "24 byte", "elements": "8"}),
    ((8, 4, 6, 2, 3, 2), {"buffer": "300 byte", "file": "16 byte", "elements": "4", "channel": "16 bit"}),
    ((6, 8, 4, 4, 1, 1), {"buffer": "100 byte", "file": "12 byte", "elements": "16", "port": "32 bit"}),
)
PIECE = 1 << 20


class _Every(dict[str, tuple[()]]):
    """Every work is looked at, and given nothing: so that none is solved ahead."""

    def get(self, key: str, default: Any = None) -> Any:
        return ()


def problems(settings: Mapping[str, str]) -> Iterator[tuple[str, MapProblem]]:
    """The distinct mapping problems of the network, unsolved, each named by its work's dimensions."""
    compiled = compile_loaded(load(SPEC, Reporter(), STANDARD), dict(settings), Reporter(), closely=Closely(_Every()))
    if compiled.space is None:
        raise SystemExit("\n".join(d.message for d in compiled.diagnostics))
    found: dict[str, MapProblem] = {}
    for work in compiled.space.works:
        problem = work.placements[0].problem
        if problem.maps:
            dims = ", ".join(f"{k} {e.number}" for k, e in work.dims if e.is_const)
            found.setdefault(f"{work.kind} {dims}", problem)
    yield from found.items()


def count(problem: MapProblem) -> int:
    return math.prod(len(m.values) for m in problem.maps)


def timed(problem: MapProblem) -> tuple[Best, float]:
    start = time.process_time()
    found = best(problem, {})
    return found, time.process_time() - start


def tried(problem: MapProblem) -> tuple[tuple[int, ...], int] | None:
    """The first of the best mappings and how many are as good, by trying every one in whole numbers of 64 bits.

    Shares with the solver the graph and nothing else.
    """
    sizes = [len(m.values) for m in problem.maps]
    codes = whole.Codes()
    exprs = [*problem.requirements, *problem.goals]
    alone: dict[int, whole.Column] = {}
    position = {m.path: n for n, m in enumerate(problem.maps)}
    for node in walk(exprs):
        if node.is_const:
            alone[id(node)] = whole.constant(node.value, codes)
        elif len(node.free) == 1:
            (path,) = node.free
            values = [exact.evaluate(node, {path: v}) for v in problem.maps[position[path]].values]
            alone[id(node)] = whole.of_values(values, codes)  # type: ignore[arg-type]
    inner = math.prod(sizes[-2:])
    least: tuple[Fraction, ...] | None = None
    first, ties = 0, 0
    for low in range(0, math.prod(sizes), inner):
        rows = numpy.unravel_index(numpy.arange(low, low + inner), sizes)
        known: dict[int, whole.Column] = {}
        for node in walk(exprs):
            made = alone.get(id(node))
            if made is None:
                made = _reduced(whole.apply(node, [known[id(a)] for a in node.args]))
            elif not node.is_const:
                (path,) = node.free
                at = position[path]
                made = whole.Column(
                    made.values[rows[at] if at >= len(sizes) - 2 else rows[at][:1]], made.below, made.most
                )
            known[id(node)] = made
        good = numpy.ones(inner, dtype=bool)
        for r in problem.requirements:
            good = good & known[id(r)].values
        places = numpy.flatnonzero(good)
        for goal in problem.goals:
            values = numpy.broadcast_to(known[id(goal)].values, inner)[places]
            if len(places):
                places = places[values == values.min()]
        if not len(places):
            continue
        here = tuple(
            Fraction(int(numpy.broadcast_to(known[id(g)].values, inner)[places[0]]), known[id(g)].below)
            for g in problem.goals
        )
        if least is None or here < least:
            least, first, ties = here, low + int(places[0]), 0
        if here == least:
            ties += len(places)
    if least is None:
        return None
    return tuple(map(int, numpy.unravel_index(first, sizes))), ties


def tried_apart(problem: MapProblem) -> tuple[tuple[int, ...], int]:
    """The first of the best mappings, in floats, of all that differ in what is read of them; how many these are."""
    closed = close(problem, {})
    assert closed is not None
    sizes = [len(d.values) for d in closed.decisions]
    program = Program([closed.goals[0], closed.meets], closed.decisions)
    least, first = math.inf, numpy.zeros(len(sizes), dtype=numpy.int64)
    for low in range(0, math.prod(sizes), PIECE):
        flat = numpy.arange(low, min(math.prod(sizes), low + PIECE))
        rows = numpy.stack(numpy.unravel_index(flat, sizes), axis=1)
        goal, meets = program(rows)
        goal = numpy.where(meets, goal, math.inf)
        at = int(goal.argmin())
        if goal[at] < least * (1 - 1e-12):
            least, first = goal[at], rows[at]
    return tuple(p[int(k)] for p, k in zip(closed.places, first, strict=True)), math.prod(sizes)


def _reduced(column: whole.Column) -> whole.Column:
    """The same numbers over the least denominator, so that products of them fit."""
    if column.below == 1:
        return column
    by = math.gcd(int(numpy.gcd.reduce(column.values, axis=None)), column.below)
    values = column.values // by
    return whole.Column(values, column.below // by, int(numpy.abs(values).max()))


def told(problem: MapProblem, found: Best) -> str:
    if found.taken is None:
        return "no mapping fits"
    design = {m.path: m.values[k] for m, k in zip(problem.maps, found.taken, strict=True)}
    product, energy = (exact.evaluate(g, design) for g in problem.goals)
    return f"energy {float(energy) * 1e6:.6g} uJ, cycles {float(product / energy):,.0f}"  # type: ignore[operator, arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--small", type=int, default=len(SMALL), help="how many of the small layers are tried")
    small = parser.parse_args().small
    total, layers = 0.0, 0
    for name, settings in (("one layer", {}), ("ResNet-18", {"model": "resnet18"})):
        print(f"{name}:")
        total, layers = 0.0, 0
        for work, problem in problems(settings):
            found, seconds = timed(problem)
            total, layers = total + seconds, layers + 1
            print(
                f"  {work}: {count(problem):.3g} mappings, {seconds:.2f} s, bounds of {found.bounded:,} partial and "
                f"{found.looked:,} whole ones, {told(problem, found)}",
                flush=True,
            )
    print(f"ResNet-18's {layers} distinct layers: {total:.1f} s")
    equal = 0
    print("small layers, every mapping tried:")
    for n, dims in enumerate(SMALL[:small]):
        settings = dict(zip(LAYER, map(str, dims), strict=True)) | ({}, TIGHT, MIXED)[n % 3]
        for work, problem in problems(settings):
            found, seconds = timed(problem)
            start = time.process_time()
            wanted = tried(problem)
            equal += found.taken == (wanted and wanted[0])
            print(
                f"  {work}: {count(problem):,} mappings, {seconds:.2f} s against {time.process_time() - start:.1f} s, "
                f"{told(problem, found)}, {wanted[1] if wanted else 0:,} as good: "
                f"{'the same' if found.taken == (wanted and wanted[0]) else 'ANOTHER'}",
                flush=True,
            )
    print("larger layers, every mapping that differs in what is read of it, in floats:")
    for dims, chip in LARGER if small else ():
        for work, problem in problems(dict(zip(LAYER, map(str, dims), strict=True)) | chip):
            found, seconds = timed(problem)
            start = time.process_time()
            wanted, many = tried_apart(problem)
            trying = time.process_time() - start
            print(
                f"  {work}: {count(problem):.3g} mappings, {seconds:.2f} s against {trying:.1f} s of trying {many:,}, "
                f"{told(problem, found)}: {'the same' if found.taken == wanted else 'ANOTHER'}",
                flush=True,
            )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{equal} of {small} small layers: the same mapping, ties included; {memory:,.0f} MiB at most")


if __name__ == "__main__":
    main()
