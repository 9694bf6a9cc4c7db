"""Random satisfiable budgets: whether what each engine returns meets them, and how far it is from the best that does.

Accelerators whose designs are all listed: each budget bounds one or two of their quantities (area, latency, energy) at
random shares of what they take, so that at least one design is left. Each engine searches with so many evaluations;
what it returns is checked by the exact evaluator, and its regret is its goal over the least goal of any design within
the budget, less one.

    python benchmarks/budgets.py [--budgets 1000] [--evaluations 2000] [--jobs 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy
from cospace.compiler.engines.problem import Spent
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers.enumerate import holds_at
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import Expr
from engines import ENGINES, Listed, list_all, space_of

SPACES = {
    "two_in_one": ("array", ("area", "latency", "energy")),
    "gcos, baseline's network": ("engine", ("area", "latency", "energy")),
}
ROUNDED = 1 + Fraction(1, 10**12)
"""Limits are floats that designs reach."""
TIGHT, LOOSE = 0.02, 0.9
"""Between which shares of the designs a budget on one quantity leaves."""


class Budgeted(Listed):
    """A listed problem with budgets on some of its quantities."""

    def __init__(self, listed: Listed, told: Any) -> None:
        super().__init__(listed.space, listed.keys, listed.listed, listed.failed)
        self.own, self.told = listed.failed.copy(), told

    def bound(self, limits: dict[int, float]) -> None:
        self.failed = self.own + sum((self.told[:, k] > limit).astype(numpy.int16) for k, limit in limits.items())


_problem: Budgeted | None = None
_quantities: list[Expr] = []


def draw_limits(problem: Budgeted, seed: int) -> dict[int, float]:
    """One or two budgets that some design meets."""
    random = numpy.random.default_rng([seed, 1])
    fine = problem.told[problem.own == 0]
    while True:
        chosen = random.choice(fine.shape[1], size=int(random.integers(1, 3)), replace=False)
        limits = {int(k): float(numpy.quantile(fine[:, k], random.uniform(TIGHT, LOOSE))) for k in chosen}
        if numpy.logical_and.reduce([fine[:, k] <= limit for k, limit in limits.items()]).any():
            return limits


def run(job: tuple[str, int, int]) -> tuple[bool, float]:
    """Whether the design that an engine returns is feasible, exactly, and its regret; nan where it returns none."""
    assert _problem is not None
    name, evaluations, seed = job
    limits = draw_limits(_problem, seed)
    _problem.bound(limits)
    _problem.begin(seed, evaluations)
    with suppress(Spent):
        ENGINES[name](evaluations).run(_problem)
    rows, values = _problem.found()
    if not len(rows):
        return True, float("nan")
    design = decode(_problem.decisions, rows[0])
    met = all(holds_at(r, design) for r in _problem.space.requirements)
    for k, limit in limits.items():
        told = evaluate(_quantities[k], design)
        met = met and (told.high if isinstance(told, Enclosure) else told) <= Fraction(limit) * (
            1 + Fraction(1, 10**12)
        )
    return met, float(values[0, 0] / _problem.listed[_problem.failed == 0, 0].min() - 1)


def main() -> None:
    global _problem, _quantities
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--budgets", type=int, default=1_000)
    parser.add_argument("--evaluations", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    for name, (owner, wanted) in SPACES.items():
        space, whole = space_of(name)
        (accelerator,) = (a for a in whole.accelerators if a.path == owner)
        _quantities = [dict(accelerator.quantities)[q] for q in wanted]
        listed = list_all(space)
        program, rows = Program(_quantities, space.decisions), listed.rows()
        told = numpy.stack(program(rows), axis=1)
        _problem = Budgeted(listed, told)
        print(f"\n{name}: {len(rows):,} designs, {given.budgets:,} budgets, {given.evaluations:,} evaluations each")
        print(f"{'':<20}{'none met':>10}{'infeasible':>12}{'mean regret':>13}{'median':>9}{'99th':>9}", flush=True)
        for engine in ENGINES:
            jobs = [(engine, given.evaluations, seed) for seed in range(given.budgets)]
            with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
                answers = pool.map(run, jobs, chunksize=8)
            regret = numpy.array([r for _, r in answers])
            fine = regret[~numpy.isnan(regret)]
            told_ = f"{fine.mean():13.3%}{numpy.median(fine):9.3%}{numpy.percentile(fine, 99):9.3%}"
            print(f"{engine:<20}{numpy.isnan(regret).sum():10,}{sum(not m for m, _ in answers):12,}{told_}", flush=True)


if __name__ == "__main__":
    main()
