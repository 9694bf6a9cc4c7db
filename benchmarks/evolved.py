"""Mappings that evolution meets against the least, on works small enough, or regular enough, that this is known.

Evolution is forced, where the compiler would list or prove:

- `banked`: tiles of any size from a buffer of banks, spaces/banked.cospace, whose remainders no bound knows; every
  mapping of 24 small works is tried;
- `nests`: every tiling and loop order of a convolution, spaces/full_nest.cospace: small layers and all of ResNet-18's,
  up to 3.7e14 mappings, whose least is proved by bounds. Once alone, once from the mappings at which bounds begin.

Then one work of `banked` with 1.8e11 mappings, as the compiler takes it: how many are tried, and in what time.

    python benchmarks/evolved.py [--works N]

Seconds are the processor's, in one process, without compiling the text; a gap is of what the rule minimises.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy
from cospace.compiler import solved, solved_met
from cospace.compiler.driver import compile_loaded
from cospace.compiler.elaborate.given import Closely
from cospace.compiler.exact import exact
from cospace.compiler.mappings.evolution import evolve_mappings
from cospace.compiler.mappings.solve import best
from cospace.compiler.space.graph import MapProblem
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load
from mapping_optimum import LARGER, LAYER, MIXED, SMALL, STANDARD, TIGHT, _Every, count, problems

BANKED = Path(__file__).resolve().parent / "spaces" / "banked.cospace"
NOTHING = numpy.zeros((1, 0), dtype=numpy.int64)
SIZES = (
    (12, 12, 12), (8, 24, 16), (24, 8, 10), (16, 16, 8), (30, 6, 12), (6, 30, 12), (9, 15, 14), (20, 20, 6),
    (5, 40, 10), (40, 5, 10), (7, 7, 40), (21, 14, 7), (10, 12, 20), (13, 11, 17), (4, 64, 8), (64, 4, 8),
    (28, 12, 6), (14, 14, 14), (18, 9, 12), (11, 23, 9), (32, 8, 8), (8, 32, 9), (3, 27, 27), (25, 10, 10),
)  # fmt: skip
"""Rows, what is summed over, and columns, of works of which every mapping can be tried."""
BUFFERS = ("64 byte", "192 byte", "1 KiB")


def banked(rows: int, inner: int, cols: int, buffer: str) -> MapProblem:
    """The mapping problem of a work, unsolved."""
    settings = {"rows": str(rows), "inner": str(inner), "cols": str(cols), "buffer": buffer}
    compiled = compile_loaded(load(BANKED, Reporter(), STANDARD), settings, Reporter(), closely=Closely(_Every()))
    if compiled.space is None:
        raise SystemExit("\n".join(d.message for d in compiled.diagnostics))
    return compiled.space.works[0].placements[0].problem


def goal(problem: MapProblem, taken: Sequence[int] | None) -> Fraction | None:
    """What the rule minimises at a mapping, exactly; None where there is none, or it misses a requirement."""
    if taken is None:
        return None
    design = {m.path: m.values[int(k)] for m, k in zip(problem.maps, taken, strict=True)}
    if any(exact.evaluate(r, design) is not True for r in problem.requirements):
        return None
    value = exact.evaluate(problem.goals[0], design)
    assert isinstance(value, Fraction)
    return value


def listed(problem: MapProblem) -> Fraction | None:
    """The least, by trying every mapping."""
    member = solved._Member(solved.Wanted(problem, ()), *_no_reads(problem))
    solved._solve([member], [range(len(m.values)) for m in problem.maps])
    return goal(problem, member.best[0])


def _no_reads(problem: MapProblem) -> tuple[list[object], tuple[str, ...], list[tuple[()]]]:
    form = solved.form_of(solved.Wanted(problem, ()))
    assert form is not None
    return form[1], (), [()]  # type: ignore[return-value]


def alone(problem: MapProblem) -> tuple[Fraction | None, int]:
    found = evolve_mappings(problem, [], NOTHING, 1)
    return goal(problem, next(iter(found.rows[0].tolist()), None)), found.tried


def begun(problem: MapProblem) -> tuple[Fraction | None, int]:
    ((row,), tried) = solved_met.meet(problem, [], [], NOTHING, 1)
    return goal(problem, row.taken), tried


Works = Sequence[tuple[MapProblem, Fraction | None]]


def table(name: str, works: Works, meet: Callable[[MapProblem], tuple[Fraction | None, int]]) -> None:
    """One line: how far from the least, at what cost."""
    start = time.process_time()
    gaps, tries, missed = [], [], 0
    for problem, least in works:
        met, tried = meet(problem)
        tries.append(tried)
        if (met is None) != (least is None):
            missed += 1
        elif met is not None and least is not None:
            gaps.append(float(met / least - 1))
    seconds = time.process_time() - start
    print(
        f"{name}: {len(works)} works of {min(count(p) for p, _ in works):.2g} to {max(count(p) for p, _ in works):.2g} "
        f"mappings: gap {numpy.mean(gaps):.3%} in the mean, {max(gaps):.2%} at worst, {sum(g == 0 for g in gaps)} of "
        f"{len(gaps)} at the least, {missed} with none met; {numpy.mean(tries):,.0f} tries and "
        f"{seconds / len(works):.2f} s a work",
        flush=True,
    )


def nests(wanted: int) -> Iterator[tuple[MapProblem, Fraction | None]]:
    """Layers with their least, by bounds."""
    small = [dict(zip(LAYER, map(str, d), strict=True)) | ({}, TIGHT, MIXED)[n % 3] for n, d in enumerate(SMALL)]
    small += [dict(zip(LAYER, map(str, d), strict=True)) | chip for d, chip in LARGER]
    for settings in [*small[:wanted], {"model": "resnet18"}]:
        for _, problem in problems(settings):
            yield problem, goal(problem, best(problem, {}).taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--works", type=int, default=99, help="how many small works of each kind")
    wanted = parser.parse_args().works
    start = time.process_time()
    works = [banked(*size, BUFFERS[n % 3]) for n, size in enumerate(SIZES[:wanted])]
    known = [(p, listed(p)) for p in works]
    print(f"every mapping of {len(works)} works tried: {time.process_time() - start:.0f} s")
    table("banked, from chance", known, alone)
    layers = list(nests(wanted))
    table("nests, from chance", layers, alone)
    table("nests, from where bounds begin", layers, begun)
    large = banked(3_136, 576, 64, "16 KiB")
    start = time.process_time()
    met, tried = begun(large)
    assert met is not None
    seconds = time.process_time() - start
    print(
        f"3136 x 576 x 64: {tried:,} of {count(large):.2g} mappings in {seconds:.1f} s, {tried / seconds:,.0f} a second"
    )


if __name__ == "__main__":
    main()
