"""Random satisfiable budgets: whether what each engine returns meets them, and how far it is from the best that does.

Accelerators whose designs are all listed: each budget bounds one or two of their quantities (area, latency, energy) at
random shares of what they take, so that at least one design is left. Each engine searches with so many evaluations;
what it returns is checked by the exact evaluator, and its regret is its goal over the least goal of any design within
the budget, less one. A budget is a requirement of the space, as in a text, so that what the sampler draws meets it;
draws are made from the list, after a look at whether the sampler draws from the same.

    python benchmarks/budgets.py [--budgets 500] [--evaluations N] [--jobs 2] [--engines NAME …] [--only SPACE]
"""

from __future__ import annotations

import argparse
import multiprocessing
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy
from attrs import evolve
from cospace.compiler.engines.problem import Spent
from cospace.compiler.engines.starts import Starts
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.numbers.enumerate import holds_at
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import TRUE, Expr, const, le
from cospace.compiler.space.model import Requirement
from cospace.dsl.diagnostics import NOWHERE
from engines import ENGINES, Listed, key_of, list_all, space_of

SPACES = {
    "two_in_one": ("array", ("area", "latency", "energy")),
    "gcos, baseline's network": ("engine", ("area", "latency", "energy")),
}
ROUNDED = 1 + Fraction(1, 10**12)
"""Limits are floats that designs reach."""
USUAL = 2_000
EVALUATIONS = {"uniform": 20_000, "das, as published": 60_000}
"""Those that draw at random, which the search as published does, take more for the same regret."""
TIGHT, LOOSE = 0.02, 0.9
"""Between which shares of the designs a budget on one quantity leaves."""


LOOKS = 3
"""Budgets for which the sampler is looked at."""
Limits = dict[int, Fraction]


class Budgeted(Listed):
    """A listed problem with budgets on some of its quantities. told: (n, k) these quantities at each design."""

    def __init__(self, listed: Listed, quantities: list[Expr], told: Any) -> None:
        super().__init__(listed.space, listed.keys, listed.listed, listed.failed)
        self.own, self.quantities, self.told, self.all = listed.failed.copy(), quantities, told, listed.rows()

    def bound(self, limits: Limits) -> None:
        over = [(self.told[:, k] > float(limit)).astype(numpy.int16) for k, limit in limits.items()]
        self.failed = self.own + sum(over)
        self.feasible = numpy.flatnonzero(self.failed == 0)

    def _draw(self, n: int) -> Any:
        return self.all[self.feasible[self.random.integers(len(self.feasible), size=n)]]

    def draw_limits(self, seed: int) -> Limits:
        """One or two budgets that some design meets."""
        random = numpy.random.default_rng([seed, 1])
        fine = self.told[self.own == 0]
        while True:
            chosen = random.choice(fine.shape[1], size=int(random.integers(1, 3)), replace=False)
            limits = {int(k): float(numpy.quantile(fine[:, k], random.uniform(TIGHT, LOOSE))) for k in chosen}
            if numpy.logical_and.reduce([fine[:, k] <= limit for k, limit in limits.items()]).any():
                return {k: Fraction(limit) * ROUNDED for k, limit in limits.items()}

    def look(self, limits: Limits) -> None:
        """That where the budgets are requirements the sampler draws what meets them, all of it and nothing else."""
        asked = [
            Requirement(le(self.quantities[k], const(limit, self.quantities[k].type.unit)), TRUE, "a budget", NOWHERE)
            for k, limit in limits.items()
        ]
        starts = Starts.prepare(evolve(self.space, requirements=(*self.space.requirements, *asked)))
        self.bound(limits)
        rows = starts and starts.draw(20 * len(self.feasible), numpy.random.default_rng(0), 0)
        if rows is None or starts.short or {*key_of(rows, self.sizes)} != {*self.keys[self.feasible]}:
            raise SystemExit(f"the sampler does not draw from what meets {limits}")


_problem: Budgeted | None = None


def run(job: tuple[list[str], int, int]) -> list[tuple[bool, float]]:
    """For each engine whether the design that it returns is feasible, exactly, and its regret; nan where it returns
    none."""
    assert _problem is not None
    (names, evaluations, seed), problem = job, _problem
    limits = problem.draw_limits(seed)
    problem.bound(limits)
    least = problem.listed[problem.failed == 0, 0].min()
    answers = []
    for name in names:
        asked = evaluations or EVALUATIONS.get(name, USUAL)
        problem.begin(seed, asked)
        with suppress(Spent):
            ENGINES[name](asked).run(problem)
        rows, values = problem.found()
        if not len(rows):
            answers.append((True, float("nan")))
            continue
        design = decode(problem.decisions, rows[0])
        met = all(holds_at(r, design) for r in problem.space.requirements)
        for k, limit in limits.items():
            told = evaluate(problem.quantities[k], design)
            met = met and (told.high if isinstance(told, Enclosure) else told) <= limit
        answers.append((met, float(values[0, 0] / least - 1)))
    return answers


def main() -> None:
    global _problem
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--budgets", type=int, default=500, help="of each space")
    parser.add_argument(
        "--evaluations", type=int, default=0, help="of every engine; 0: as many as each is known to need"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES))
    given = parser.parse_args()
    for name, (owner, wanted) in ((n, s) for n, s in SPACES.items() if given.only in n):
        space, whole = space_of(name)
        (accelerator,) = (a for a in whole.accelerators if a.path == owner)
        quantities = [dict(accelerator.quantities)[q] for q in wanted]
        listed = list_all(space)
        rows = listed.rows()
        _problem = Budgeted(listed, quantities, numpy.stack(Program(quantities, space.decisions)(rows), axis=1))
        for seed in range(LOOKS):
            _problem.look(_problem.draw_limits(seed))
        print(f"\n{name}: {len(rows):,} designs, {given.budgets:,} budgets")
        print(
            f"{'':<20}{'evaluations':>12}{'none met':>10}{'infeasible':>12}{'mean regret':>13}{'median':>9}{'99th':>9}",
            flush=True,
        )
        jobs = [(given.engines, given.evaluations, seed) for seed in range(given.budgets)]
        with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
            answers = pool.map(run, jobs, chunksize=8)
        for engine, own in zip(given.engines, zip(*answers, strict=True), strict=True):
            regret = numpy.array([r for _, r in own])
            fine = regret[~numpy.isnan(regret)]
            told = f"{fine.mean():13.3%}{numpy.median(fine):9.3%}{numpy.percentile(fine, 99):9.3%}"
            asked = given.evaluations or EVALUATIONS.get(engine, USUAL)
            print(
                f"{engine:<20}{asked:12,}{numpy.isnan(regret).sum():10,}{sum(not m for m, _ in own):12,}{told}",
                flush=True,
            )


if __name__ == "__main__":
    main()
