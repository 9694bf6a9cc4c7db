"""Gradient search of an accelerator for ResNet-50's and BERT-base's layers, beside random and Bayesian search.

`spaces/hierarchies.cospace` says hardware, `std.layers` the networks' shapes, `std.loop_nest` how a layer is mapped, in
thousands of ways. `spaces/nests.cospace` is the same where each layer is mapped in all ways of `spaces/nest.cospace`:
every tiling of six loops over four levels, in every order. Every layer's mapping is solved for each design that is
priced. The proved optimum comes from the machinery of `cospace best`; then engines search from many seeds, each with
the same number of evaluations, an infeasible design counting like any other: local expectation gradients, the
differentiable search of accelerators, the default, uniform draws, and a tree-structured Parzen estimator (optuna's,
told of infeasible designs as bad ones).

    python benchmarks/gradient.py [--seeds 10] [--evaluations 200 1000] [--models resnet50 bert_base] [--listed]
                                  [--spaces hierarchies nests]

Printed: the ratio of the best met to the optimum as mean and worst over the seeds, how many met it, and seconds of a
run; compiling the text, with all that is worked out of mappings before, and what prices a design is told apart, nothing
being kept from an earlier run. --listed: every design is priced before, once, and engines read its price from a list,
so that many seeds take little; the optimum is the least of the list, and seconds are without prices.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import only_read, prove, restrict
from cospace.compiler.engines.candidates import middle
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.learn import Das, Expectation, Uniform
from cospace.compiler.engines.problem import Problem, Spent
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.model import Space
from cospace.compiler.space.units import show_unit
from engines import Listed, list_all

SPACES = Path(__file__).resolve().parent / "spaces"
SETTLED = {"chip.style": Symbol("multi_cycle")}
"""Layers one after another."""
WORST = 1e6
"""What a design that is not feasible is told to cost, times more for each requirement that it fails."""
IDLE = 200
"""Suggestions in a row that bring no new design, before a search is given up."""


class Again(Problem):
    """A problem that is searched once more from another seed, with what prices it compiled once."""

    def begin(self, seed: int, budget: int) -> None:
        self.random = numpy.random.default_rng(seed)
        self.budget, self.evaluated, self.least = budget, 0, math.inf
        self._known.clear()
        self._kept.clear()


class Bayesian:
    """A tree-structured Parzen estimator over the decisions' values (Bergstra et al., 2011)."""

    def __init__(self, evaluations: int, seed: int) -> None:
        self.evaluations, self.seed = evaluations, seed

    def run(self, problem: Problem) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.seed)
        study = optuna.create_study(sampler=sampler)
        for _ in problem.steps(IDLE):
            trial = study.ask()
            row = [trial.suggest_int(d.path, 0, n - 1) for d, n in zip(problem.decisions, problem.sizes, strict=True)]
            priced = problem.price(numpy.array([row], dtype=numpy.int64))
            failed = int(priced.violated[0])
            study.tell(trial, WORST * failed if failed else math.log(float(priced.goals[0, 0])))


ENGINES: dict[str, Callable[[int, int], Any]] = {
    "local expectation gradients": lambda n, seed: Expectation(n),
    "differentiable, baseline": lambda n, seed: Das(n),
    "differentiable, as published": lambda n, seed: Das(n, baseline=False),
    "default, no gradient": lambda n, seed: Climb(n),
    "Bayesian (Parzen estimator)": Bayesian,
    "random": lambda n, seed: Uniform(n),
}


def space_of(name: str, model: str) -> tuple[Space, list[int]]:
    """The hardware that is searched, and how many mappings each distinct layer has."""
    begin, own = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as empty:
        os.environ["COSPACE_CACHE"] = empty
        compiled = compile_file(SPACES / f"{name}.cospace", {"model": model})
    if compiled.space is None:
        raise SystemExit("\n".join(d.message for d in compiled.diagnostics))
    took, own = time.perf_counter() - begin, time.process_time() - own
    print(f"\n{name}, {model}: compiled in {took:.0f} s, {own:.0f} s of the processor's")
    known = {d.path for d in compiled.space.decisions}
    problems = {id(p.problem): p.problem for w in compiled.space.works for p in w.placements if p.problem.maps}
    settled = {path: value for path, value in SETTLED.items() if path in known}
    counts = [math.prod(len(m.values) for m in p.maps) for p in problems.values()]
    return only_read(restrict(compiled.space, settled)), counts


def unit_of(space: Space) -> str:
    return show_unit(space.objectives[0].value.type.unit)


def read_from_list(space: Space) -> tuple[Listed, float]:
    """Every design priced, and the least."""
    begin = time.perf_counter()
    problem = list_all(space)
    fine = problem.failed == 0
    least = float(problem.listed[fine, 0].min())
    took = time.perf_counter() - begin
    print(f"least of all {least:.9g} {unit_of(space)}, {fine.mean():.0%} feasible, listed in {took:.0f} s")
    return problem, least


def priced_anew(space: Space) -> tuple[Again, float]:
    """A problem whose designs are priced as they are met, and the proved optimum or a bound."""
    begin = time.perf_counter()
    best = prove(space)
    optimum = float(middle(best.objectives[0][0]))
    if not best.certified:
        optimum = float(best.bound or 0)
    told = "proved optimum" if best.certified else "no design is below"
    taken = ", ".join(f"{p} {v}" for p, v in best.designs[0].items())
    print(f"{told} {optimum:.9g} {unit_of(space)} in {time.perf_counter() - begin:.0f} s ({taken})", flush=True)
    begin = time.perf_counter()
    problem = Again(space, 0)
    drawn = "uniformly" if problem.uniform else "decision by decision"
    rows = numpy.stack([problem.random.integers(n, size=512) for n in problem.sizes], axis=1)
    for _ in range(3):
        _, violated = problem.evaluate(rows)
    print(
        f"{(violated == 0).mean():.0%} of designs feasible, first ones drawn {drawn}; "
        f"prepared and compiled in {time.perf_counter() - begin:.0f} s"
    )
    return problem, optimum


def compare(name: str, model: str, budgets: list[int], seeds: int, engines: list[str], listed: bool) -> None:
    space, each = space_of(name, model)
    designs = math.prod(len(d.values) for d in space.decisions)
    print(
        f"{designs:,} designs of {len(space.decisions)} decisions, {len(each)} distinct layers of up to "
        f"{max(each):,} mappings: 1e{math.log10(designs) + sum(map(math.log10, each)):.0f} in all",
        flush=True,
    )
    problem, optimum = read_from_list(space) if listed else priced_anew(space)
    print(f"{seeds} seeds{'evaluations':>37}{'mean':>10}{'worst':>10}{'optimum':>9}{'seconds':>9}")
    for evaluations in budgets:
        for engine in engines:
            _print(engine, problem, optimum, evaluations, seeds)


def _print(name: str, problem: Again | Listed, optimum: float, evaluations: int, seeds: int) -> None:
    ratios, seconds = [], []
    for seed in range(seeds):
        problem.begin(seed, evaluations)
        begin = time.perf_counter()
        with suppress(Spent):
            ENGINES[name](evaluations, seed).run(problem)
        seconds.append(time.perf_counter() - begin)
        ratios.append(problem.least / optimum)
    met = f"{sum(r < 1 + 1e-9 for r in ratios)}/{seeds}"
    print(
        f"{name:<30}{evaluations:>14,}{numpy.mean(ratios):>9.4f}x{max(ratios):>9.4f}x{met:>9}"
        f"{numpy.median(seconds):>9.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", nargs="+", default=["hierarchies"], choices=["hierarchies", "nests"])
    parser.add_argument("--models", nargs="+", default=["resnet50", "bert_base"])
    parser.add_argument("--evaluations", type=int, nargs="+", default=[200, 1_000])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES))
    parser.add_argument("--listed", action="store_true")
    given = parser.parse_args()
    for name, model in itertools.product(given.spaces, given.models):
        compare(name, model, given.evaluations, given.seeds, given.engines, given.listed)


if __name__ == "__main__":
    main()
