"""How far from the optimum each engine ends, at equal numbers of evaluations.

Spaces whose designs are all listed and priced once, so that the optimum is known by exhaustion; each engine searches
them from many seeds, every price read from the list. Printed: the gap (best met over the optimum, less one) as mean,
median and 90th percentile, the share of the seeds at the optimum, and how the default's gap differs from each other's,
seed by seed, with a 95 % interval of bootstrap.

    python benchmarks/engines.py [--seeds 100] [--evaluations 200 1000 5000] [--jobs 2] [--only SPACE]
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from cospace.cli.inputs import read_fixed
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import only_read, restrict
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.descend import Descent
from cospace.compiler.engines.evolve import Evolution
from cospace.compiler.engines.learn import Das, Expectation, Uniform
from cospace.compiler.engines.problem import Problem, Spent
from cospace.compiler.space.model import Space
from cospace.compiler.space.pins import fix

SPECS = Path(__file__).resolve().parent.parent / "specs"
WHOLE = {
    "optics.slice_a": "4 bit",
    "optics.slice_w": "4 bit",
    "optics.converters": "length",
    "optics.spacing": "0.8 nm",
}
SPACES: dict[str, tuple[str, dict[str, str], dict[str, str], bool]] = {
    "o_has, slices whole": ("o_has", {}, WHOLE, False),
    "o_has, VGG-16": ("o_has", {"model": "vgg16"}, WHOLE | {"optics.tuner": "electro_optic"}, False),
    "two_in_one": ("two_in_one", {}, {}, False),
    "gcos, baseline's network": ("gcos", {}, {}, True),
}
"""Spec, settings, pinned decisions, and whether the networks are pinned, too, as in the spec's baseline."""
ENGINES: dict[str, Callable[[int], Any]] = {
    "climb (default)": lambda n: Climb(n),
    "descent": lambda n: Descent(n),
    "evolution": lambda n: Evolution(min(64, max(8, n // 20)), n),
    "expectation": lambda n: Expectation(n),
    "das, baseline": lambda n: Das(n),
    "das, as published": lambda n: Das(n, baseline=False),
    "uniform": lambda n: Uniform(n),
}
PIECE = 200_000


class Listed(Problem):
    """A problem whose rows were all priced before."""

    def __init__(self, space: Space, keys: Any, goals: Any, violated: Any) -> None:
        super().__init__(space, 0)
        self.keys, self.listed, self.failed = keys, goals, violated
        _ = self.uniform

    def evaluate(self, rows: Any) -> tuple[Any, Any]:
        place = numpy.searchsorted(self.keys, key_of(rows, self.sizes))
        return self.listed[place], self.failed[place]

    def rows(self) -> Any:
        """Every design as a row."""
        rows, key = numpy.zeros((len(self.keys), len(self.sizes)), numpy.int64), self.keys
        for j in reversed(range(len(self.sizes))):
            key, digit = numpy.divmod(key, self.sizes[j] + 1)
            rows[:, j] = digit - 1
        return rows

    def begin(self, seed: int, budget: int) -> None:
        self.random = numpy.random.default_rng(seed)
        self.budget, self.evaluated, self.least = budget, 0, numpy.inf
        self._known.clear()
        self._kept.clear()


def key_of(rows: Any, sizes: list[int]) -> Any:
    key = numpy.zeros(len(rows), numpy.int64)
    for j, size in enumerate(sizes):
        key = key * (size + 1) + rows[:, j] + 1
    return key


def list_all(space: Space) -> Listed:
    """Every design priced, feasible or not."""
    problem = Problem(space, 0)
    total = int(numpy.prod([float(s) for s in problem.sizes]))
    keys, goals, violated = [], [], []
    for first in range(0, total, PIECE):
        rest = numpy.arange(first, min(first + PIECE, total))
        rows = numpy.zeros((len(rest), len(problem.sizes)), numpy.int64)
        for j in reversed(range(len(problem.sizes))):
            rest, rows[:, j] = numpy.divmod(rest, problem.sizes[j])
        filled = problem.fill(rows)
        rows = filled[(numpy.maximum(filled, 0) == rows).all(axis=1)]
        value, failed = problem.evaluate(rows)
        keys.append(key_of(rows, problem.sizes))
        goals.append(value)
        violated.append(failed.astype(numpy.int16))
    key = numpy.concatenate(keys)
    order = numpy.argsort(key)
    return Listed(space, key[order], numpy.concatenate(goals)[order], numpy.concatenate(violated)[order])


def space_of(name: str) -> tuple[Space, Space]:
    """The decisions that are searched, and the whole space with what is pinned."""
    spec, settings, pins, pinned = SPACES[name]
    space = compile_file(SPECS / f"{spec}.cospace", settings).space
    assert space is not None
    space, fixed = read_fixed(space, [f"{path}={text}" for path, text in pins.items()])
    if pinned:
        engine = {d.path for d in space.decisions if d.path.startswith("engine.")}
        fixed |= {p: v for p, v in space.references[0].design if p not in engine}
    return only_read(restrict(space, fixed)), fix(space, fixed)


_problem: Listed | None = None
_least = 0.0


def run(job: tuple[str, int, int]) -> float:
    """The gap of one engine from one seed."""
    assert _problem is not None
    name, budget, seed = job
    _problem.begin(seed, budget)
    with suppress(Spent):
        ENGINES[name](budget).run(_problem)
    return _problem.least / _least - 1


def interval(differences: Any) -> tuple[float, float]:
    drawn = numpy.random.default_rng(0).integers(len(differences), size=(2_000, len(differences)))
    low, high = numpy.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    global _problem, _least
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[200, 1_000, 5_000])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES))
    given = parser.parse_args()
    every: dict[tuple[str, int], list[Any]] = {}
    for name in (n for n in SPACES if given.only in n):
        begin = time.perf_counter()
        _problem = list_all(space_of(name)[0])
        fine = _problem.failed == 0
        _least = float(_problem.listed[fine, 0].min())
        share = fine.mean()
        print(
            f"\n{name}: {len(fine):,} designs, {share:.1%} feasible, listed in {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
        print(f"{'':<20}{'evaluations':>12}{'mean':>9}{'median':>9}{'90th':>9}{'optimum':>9}   default less this, 95 %")
        with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
            for budget in given.evaluations:
                first = None
                for engine in given.engines:
                    gaps = numpy.array(pool.map(run, [(engine, budget, s) for s in range(given.seeds)], chunksize=4))
                    every.setdefault((engine, budget), []).append(gaps)
                    _print(engine, budget, gaps, first)
                    first = gaps if first is None else first
    if not given.only:
        print(f"\nall {len(SPACES)} spaces\n")
        for budget in given.evaluations:
            first = None
            for engine in given.engines:
                gaps = numpy.concatenate(every[engine, budget])
                _print(engine, budget, gaps, first)
                first = gaps if first is None else first


def _print(engine: str, budget: int, gaps: Any, first: Any) -> None:
    told = "".join(f"{x:9.2%}" for x in (gaps.mean(), numpy.median(gaps), numpy.percentile(gaps, 90)))
    line = f"{engine:<20}{budget:>12,}{told}{(gaps < 1e-9).mean():9.0%}"
    if first is not None and numpy.isfinite(first - gaps).all():
        low, high = interval(first - gaps)
        line += f"   {low:+.2%} to {high:+.2%}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
