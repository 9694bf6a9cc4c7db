"""Joint search against random, evolution and sequential search, with equal passes over the data.

    python benchmarks/methods.py --data FOLDER [--sets digits cora citeseer] [--seeds 10] [--budget 1600] [--jobs 2]

Fixed beforehand: a method's candidates are trained from scratch for --epochs epochs with one seed; its front is taken
on the `choice` split (error, energy-delay) and written into the folder beside --log; only then is the `report` split
read, once a design, and the hypervolume of that front's (report error, natural logarithm of the energy-delay product)
is taken. Its reference point is half of the nodes wrong, and a hundred times the energy-delay of the spec's fixed
baseline. A pass is one forward and backward over the graph, a forward alone half of one; evaluations of the cost model
are counted apart. Every network, of every method, runs on its exact best accelerator. One line of JSON a run goes to
--log; a run that is there is not repeated, so that the benchmark may be interrupted.
"""

from __future__ import annotations

import argparse
import math
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from cospace.compiler.driver import compile_file
from resumed import read_lines, run_all

WRONG = 0.5
DEARER = 100.0
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26, 11: 2.23, 12: 2.20}
"""97.5 % quantile of Student's t for n - 1 degrees of freedom, by n."""
METHODS = ("joint", "random", "evolution", "sequential")


def run_one(job: tuple[str, str, str, int, float, int, str | None, Path]) -> dict[str, Any]:
    """One method on one data set with one seed."""
    spec, data, method, seed, budget, epochs, folder, fronts = job
    from cospace.runtime.baselines import METHODS as RUN
    from cospace.runtime.context import prepare
    from cospace.runtime.events import ignore
    from cospace.runtime.front import find_dominated, measure_hypervolume
    from cospace.runtime.hardware import Hardware, row_of
    from cospace.runtime.joint import begin_joint
    from cospace.runtime.store import write_json
    from cospace.runtime.train import measure_errors, read_train_settings

    start = time.monotonic()
    space = compile_file(Path(spec), {"data": data, "epochs": str(epochs)}).space
    assert space is not None, f"{spec} does not compile"
    run = prepare(space, seed, Path(folder) if folder else None, ignore, threading.Event())
    settings = read_train_settings(run, run.stage("train"))
    hardware = Hardware(run.costs, begin_joint(run, run.stage("search"), seed).hardware, seed)
    candidates = RUN[method](run, settings, hardware, budget)
    passes = run.budget.passes
    chosen = np.array([[c.error, c.score] for c in candidates])
    front = [c for c, d in zip(candidates, find_dominated(chosen), strict=True) if not d]
    # The choice is on disk before the report split is read.
    write_json(fronts / f"{data}-{method}-{seed}-{budget:g}-{epochs}.json", {"front": [c.to_json() for c in front]})
    points = []
    for c in front:
        trained = run.trained[c.row.tobytes()]
        points.append([measure_errors(run, trained, "report")[()], c.score])
    plain = float(run.costs.score(row_of(run.costs, dict(space.references[0].design)))[0])
    corner = (WRONG, plain + math.log(DEARER))
    return {
        "data": data, "method": method, "seed": seed, "budget": budget, "epochs": epochs,
        "hypervolume": measure_hypervolume(np.array(points), corner), "reference": corner, "front": points,
        "choice": chosen.tolist(), "passes": passes, "cost_evaluations": run.costs.evaluations,
        "seconds": time.monotonic() - start,
    }  # fmt: skip


def interval(differences: list[float]) -> tuple[float, float]:
    """Mean and half of its 95 % interval (Student)."""
    n = len(differences)
    spread = statistics.stdev(differences) if n > 1 else math.inf
    return statistics.mean(differences), STUDENT.get(n, 2.1) * spread / math.sqrt(n)


def report(lines: list[dict[str, Any]]) -> None:
    """The table: hypervolumes, and paired differences of the joint search to each other method."""
    for data in dict.fromkeys(x["data"] for x in lines):
        own = [x for x in lines if x["data"] == data]
        print(f"\n{data}: hypervolume up to (error {WRONG}, {DEARER:g} x baseline); passes; cost evaluations; seconds")
        by = {m: {x["seed"]: x for x in own if x["method"] == m} for m in METHODS}
        for m, runs in by.items():
            if not runs:
                continue
            values = [x["hypervolume"] for x in runs.values()]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            means = [statistics.mean(x[k] for x in runs.values()) for k in ("passes", "cost_evaluations", "seconds")]
            least = statistics.mean(min(p[0] for p in x["front"]) for x in runs.values())
            print(
                f"  {m:11} {statistics.mean(values):.4f} ± {deviation:.4f}  ({len(values)} seeds)  {means[0]:7.0f}  "
                f"{means[1]:9.0f}  {means[2]:5.1f}   least error {least:.3f}"
            )
        for m in METHODS[1:]:
            seeds = sorted(set(by["joint"]) & set(by[m]))
            if len(seeds) > 1:
                mean, half = interval([by["joint"][s]["hypervolume"] - by[m][s]["hypervolume"] for s in seeds])
                word = "above zero" if mean - half > 0 else "below zero" if mean + half < 0 else "holds zero"
                print(f"  joint - {m:11} {mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]  {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--data", default=None)
    parser.add_argument("--sets", nargs="+", default=["digits", "cora", "citeseer"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=float, default=1600)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, default=Path("results/methods.jsonl"))
    o = parser.parse_args()
    lines = read_lines(o.log, {"budget": o.budget, "epochs": o.epochs})
    done = {(x["data"], x["method"], x["seed"]) for x in lines}
    fronts = o.log.with_suffix(".fronts")
    fronts.mkdir(parents=True, exist_ok=True)
    jobs = [
        (o.spec, data, method, seed, o.budget, o.epochs, o.data, fronts)
        for seed in range(o.seeds)
        for data in o.sets
        for method in o.methods
        if (data, method, seed) not in done
    ]
    for line in run_all(run_one, jobs, o.jobs, o.log):
        lines.append(line)
        print(f"{line['data']} {line['method']} {line['seed']}: {line['hypervolume']:.4f} {line['seconds']:.0f} s")
    report([x for x in lines if x["data"] in o.sets and x["seed"] < o.seeds])


if __name__ == "__main__":
    main()
