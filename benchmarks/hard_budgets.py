"""Hard budgets inside the one-shot search, against a search without them whose network is repaired afterwards.

`specs/auto_nba.cospace` at its small scale on scikit-learn's digits, with 100 limits on frames a second, drawn
log-uniformly, a seed each. Both take as many passes over the data, train one network from scratch, and give it the
exact best accelerator:

    joint    one search that is told the limit as a requirement
    repair   one search by error alone; of its pool the best network that meets the limit, else its best one changed a
             decision at a time: the fastest change, or the slowest of those that are fast enough

A limit binds where the network that the search without it likes best misses it on every accelerator. Differences are
paired, with the 95 % interval of 10,000 bootstrap samples of limits.

    python benchmarks/hard_budgets.py [--limits 100] [--budget 37.5] [--epochs 12] [--jobs 2] [--log FILE]

One line of JSON a run goes to --log; a run that is there is not repeated, so that the benchmark may be interrupted.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from frames import Job, ending, interval, run_one
from resumed import read_lines, run_all

SLOW, FAST = 50_000.0, 500_000.0
"""Frames a second between which limits are drawn."""
METHODS = ("joint", "repair")


def limit_of(seed: int) -> float:
    """A whole number of frames a second."""
    share = np.random.default_rng([seed, 3]).random()
    return float(round(math.exp(math.log(SLOW) + share * math.log(FAST / SLOW))))


def report(lines: list[dict[str, Any]]) -> None:
    """How many limits bind and are met, and what that costs in error."""
    by = {m: {x["seed"]: x for x in lines if x["method"] == m} for m in METHODS}
    both = sorted(set(by["joint"]) & set(by["repair"]))
    binding = [s for s in both if (by["repair"][s]["first"] or math.inf) < by["repair"][s]["target"]]
    print(f"\n{len(both)} limits, {len(binding)} of them binding")
    for m in METHODS:
        runs = [by[m][s] for s in both]
        met = [x for x in runs if "error" in x and x["frames"] >= x["target"] * (1 - 1e-9)]
        spent = {k: statistics.mean(x[k] for x in runs) for k in ("passes", "seconds", "hardware_seconds")}
        print(
            f"{m:7} {len(met)} of {len(runs)} met; error {statistics.mean(x['error'] for x in met):.2%}; "
            f"{statistics.mean(x['frames'] / x['target'] for x in met):.2f} times the limit; "
            f"{spent['passes']:.1f} passes, {spent['seconds']:.1f} s, {spent['hardware_seconds']:.1f} s on accelerators"
        )
    random = np.random.default_rng(0)
    for said, seeds in (("all", both), ("binding", binding)):
        pairs = [(by["joint"][s], by["repair"][s]) for s in seeds]
        differences = np.array([100 * (a["error"] - b["error"]) for a, b in pairs if "error" in a and "error" in b])
        if len(differences) > 1:
            mean, low, high = interval(differences, random)
            print(f"{said}: joint - repair {mean:+.2f} points of error [{low:+.2f}, {high:+.2f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", type=int, default=100)
    parser.add_argument("--budget", type=float, default=37.5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, default=Path("results/hard_budgets.jsonl"))
    o = parser.parse_args()
    lines = read_lines(o.log, {"budget": o.budget, "epochs": o.epochs})
    done = {(x["method"], x["seed"]) for x in lines}
    jobs = [
        Job(method, limit_of(seed), 0.0, seed, seed, o.budget, o.epochs, trained=1)
        for seed in range(o.limits)
        for method in METHODS
        if (method, seed) not in done
    ]
    for line in run_all(run_one, jobs, o.jobs, o.log):
        lines.append(line)
        ended = f"{ending(line)} of {line['target']:,.0f}, {line['seconds']:.0f} s"
        print(f"{line['method']} {line['seed']}: {ended}", flush=True)
    report([x for x in lines if x["seed"] < o.limits])


if __name__ == "__main__":
    main()
