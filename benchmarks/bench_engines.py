"""The engine for a dear objective against NSGA-II (pymoo's and Optuna's), at equal numbers of look-ups.

All networks of NAS-Bench-201 whose output hangs on their input, on measured devices. The accuracy is a black box: one
evaluation is a distinct look-up, and a network that is met again costs nothing. Latencies are known to all methods.
NSGA-II has duplicates removed and its population, 10 to 100, chosen for each library and device on other seeds; its
operators are those of categories: uniform crossover, one in six operators mutated to any other. The gap is what a
method's front lacks of the exact front's hypervolume, in error and the logarithm of the latency; the reference is the
nadir of the exact front times 1.1, the latency's after the logarithm.

    python benchmarks/bench_engines.py --data FOLDER --log FILE [--devices …] [--seeds 20] [--evaluations 500]

The folder holds what `benchmarks/device_tables.py` writes. One line of JSON a run goes to --log; a run that is there
is not repeated, so that the benchmark may be interrupted. Needs pymoo and optuna (`pip install 'cospace[run,dev]'`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.improvement import stairs
from cospace.compiler.engines.problem import Problem, Spent
from cospace.compiler.engines.surrogate import Surrogate

SPEC = Path(__file__).resolve().parent.parent / "specs" / "hw_nas_bench.cospace"
DEVICES = ("eyeriss", "fpga", "raspi4", "pixel3", "1080ti_1", "titan_rtx_256", "gold_6226", "samsung_a50")
POPULATIONS = (10, 20, 50, 100)
TUNED = range(1_000, 1_003)
"""Seeds on which populations are chosen."""
SAME = 40
"""Times the evaluations that a library may ask for, where it asks for networks that it has met."""


class Table:
    """One device: all networks as rows with their errors and the logarithms of their latencies."""

    def __init__(self, data: Path, device: str) -> None:
        space = compile_file(SPEC, {"device": device, "connected": "true"}, data).space
        if space is None:
            raise SystemExit(f"{device}: {data} lacks its tables")
        self.space = space
        self.sizes = [len(d.values) for d in space.decisions]
        rows = numpy.stack(numpy.unravel_index(numpy.arange(numpy.prod(self.sizes)), self.sizes), axis=1)
        goals, violated = Problem(space, 0).evaluate(rows)
        self.rows, self.fits = rows, violated == 0
        self.errors, self.costs = goals[:, 0], numpy.log(goals[:, 1] * 1e3)
        whole = numpy.flatnonzero(self.fits)
        front = whole[stairs(self.costs[whole], self.errors[whole])]
        corner = self.errors[front].max(), self.costs[front].max()
        self.corner = tuple(c * 1.1 if c > 0 else c / 1.1 for c in corner)
        self.volume = self.measure(front)

    def find(self, row: Sequence[int]) -> int:
        return int(numpy.ravel_multi_index([int(v) for v in row], self.sizes))

    def measure(self, met: Any) -> float:
        """What these networks dominate up to the reference."""
        met = numpy.asarray(met)
        inside = met[(self.errors[met] < self.corner[0]) & (self.costs[met] < self.corner[1])]
        front = inside[stairs(self.costs[inside], self.errors[inside])]
        ends = numpy.append(self.costs[front][1:], self.corner[1])
        return float(((ends - self.costs[front]) * (self.corner[0] - self.errors[front])).sum())

    def gap(self, met: Sequence[int]) -> float:
        return 1 - self.measure(met) / self.volume


def ours(table: Table, seed: int, evaluations: int, population: int) -> list[int]:
    problem = Problem(table.space, evaluations, seed)
    with suppress(Spent):
        Surrogate(evaluations).run(problem)
    rows, _ = problem.found()
    return [table.find(row) for row in rows]


def at_random(table: Table, seed: int, evaluations: int, population: int) -> list[int]:
    whole = numpy.flatnonzero(table.fits)
    return list(numpy.random.default_rng(seed).choice(whole, evaluations, replace=False))


def pymoo(table: Table, seed: int, evaluations: int, population: int) -> list[int]:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem as Asked
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    met: dict[int, None] = {}
    random = numpy.random.default_rng(seed)
    sizes = numpy.array(table.sizes)

    class Any_(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, X: Any, **_: Any) -> Any:
            moved = random.random(X.shape) < 1 / X.shape[1]
            return numpy.where(moved, (X + random.integers(1, sizes, X.shape)) % sizes, X)

    class Networks(Asked):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(sizes), n_obj=2, n_ieq_constr=1, xl=0, xu=sizes - 1, vtype=int)

        def _evaluate(self, X: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
            at = [table.find(row) for row in X]
            met.update(dict.fromkeys(i for i in at if table.fits[i]))
            out["F"] = numpy.stack([table.errors[at], table.costs[at]], axis=1)
            out["G"] = numpy.where(table.fits[at], 0.0, 1.0)[:, None]

    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=UniformCrossover(),
        mutation=Any_(),
        eliminate_duplicates=True,
    )
    algorithm.setup(Networks(), seed=seed, termination=("n_gen", 10**9))
    for _ in range(SAME * evaluations // population):
        algorithm.next()
        if len(met) >= evaluations:
            break
    return list(met)[:evaluations]


def optuna(table: Table, seed: int, evaluations: int, population: int) -> list[int]:
    import optuna as library

    library.logging.set_verbosity(library.logging.ERROR)
    sampler = library.samplers.NSGAIISampler(
        population_size=population, seed=seed, crossover=library.samplers.nsgaii.UniformCrossover()
    )
    study = library.create_study(directions=["minimize", "minimize"], sampler=sampler)
    spaces = {
        f"op{j}": library.distributions.CategoricalDistribution([str(v) for v in range(size)])
        for j, size in enumerate(table.sizes)
    }
    met: dict[int, None] = {}
    for _ in range(SAME * evaluations):
        trial = study.ask(spaces)
        at = table.find([int(trial.params[name]) for name in spaces])
        if not table.fits[at]:
            study.tell(trial, state=library.trial.TrialState.FAIL)
            continue
        met[at] = None
        study.tell(trial, (float(table.errors[at]), float(table.costs[at])))
        if len(met) >= evaluations:
            break
    return list(met)


METHODS: dict[str, Callable[[Table, int, int, int], list[int]]] = {
    "surrogate": ours, "pymoo": pymoo, "optuna": optuna, "random": at_random,
}  # fmt: skip


@lru_cache(maxsize=8)
def table_of(data: Path, device: str) -> Table:
    return Table(data, device)


Job = tuple[Path, str, str, int, int, int]


def run(job: Job) -> dict[str, Any]:
    data, device, method, population, seed, evaluations = job
    table = table_of(data, device)
    met = METHODS[method](table, seed, evaluations, population)
    return {
        "device": device, "method": method, "population": population, "seed": seed, "evaluations": evaluations,
        "met": len(set(met)), "gap": table.gap(met),
    }  # fmt: skip


def answers(jobs: Sequence[Job], log: Path, processes: int) -> dict[tuple[Any, ...], float]:
    """The gap of each job, from the log where it is there."""
    names = ("device", "method", "population", "seed", "evaluations")
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    known = {tuple(line[n] for n in names): line["gap"] for line in map(json.loads, lines)}
    left = [job for job in jobs if job[1:] not in known]
    with multiprocessing.Pool(processes) as pool, log.open("a", encoding="utf-8") as file:
        for line in pool.imap(run, left, chunksize=1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            known[tuple(line[n] for n in names)] = line["gap"]
    return known


def interval(ratios: Any) -> tuple[float, float]:
    """95 % of the median over seeds, by bootstrap."""
    drawn = numpy.random.default_rng(0).integers(len(ratios), size=(4_000, len(ratios)))
    low, high = numpy.percentile(numpy.median(ratios[drawn], axis=1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--devices", nargs="+", default=list(DEVICES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    options = parser.parse_args()
    n, data = options.evaluations, options.data
    tuned = [m for m in options.methods if m in ("pymoo", "optuna")]
    trial = [(data, d, m, p, s, n) for d in options.devices for m in tuned for p in POPULATIONS for s in TUNED]
    known = answers(trial, options.log, options.jobs)
    chosen = {
        (d, m): min(POPULATIONS, key=lambda p: float(numpy.median([known[d, m, p, s, n] for s in TUNED])))
        for d in options.devices
        for m in tuned
    }
    jobs = [
        (data, d, m, chosen.get((d, m), 0), s, n)
        for s in range(options.seeds)
        for d in options.devices
        for m in options.methods
    ]
    known = answers(jobs, options.log, options.jobs)
    print(f"Median gap to the exact front's hypervolume at {n} look-ups over {options.seeds} seeds, in percent;")
    print("behind NSGA-II its population, and the surrogate's gap less half of NSGA-II's, seed by seed: its median")
    print("with a 95 % interval (below 0: at most half).\n")
    print("| device | " + " | ".join(options.methods) + " | " + " | ".join(f"less half of {m}'s" for m in tuned) + " |")
    print("| --- " * (1 + len(options.methods) + len(tuned)) + "|")
    for d in options.devices:
        gaps = {
            m: 100 * numpy.array([known[d, m, chosen.get((d, m), 0), s, n] for s in range(options.seeds)])
            for m in options.methods
        }
        cells = [f"{numpy.median(g):.2f}" + (f" ({chosen[d, m]})" if m in tuned else "") for m, g in gaps.items()]
        for m in tuned if "surrogate" in gaps else ():
            less = gaps["surrogate"] - gaps[m] / 2
            low, high = interval(less)
            cells.append(f"{numpy.median(less):+.2f} [{low:+.2f}, {high:+.2f}]")
        print(f"| {d} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
