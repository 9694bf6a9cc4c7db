"""Joint search of network, bitwidths and accelerator on images, held against searching one after the other.

`specs/auto_nba.cospace` at its small scale on scikit-learn's digits. Each method is run for each of six targets of
frames a second and each seed, and ends with one network that was trained from scratch, on its exact best accelerator:

    joint         the search as the text says, with the target as a requirement
    network       the network by error alone, then the accelerator for it; one more seed for each target
    macs          the network by error and a price of its multiplications, from low to high over the targets, then the
                  accelerator for it
    accelerator   the best accelerator for a network drawn at random, then the network for it, with the target
    random        networks drawn uniformly among those that meet the target, each on its best accelerator

The budget is in passes over the data, those of the one-shot search, of its pool and of trainings, a forward alone half.
Searches train two networks and spend the rest on shared weights, to the end of an epoch; random ones train what the
budget holds. Of its trained networks a method keeps the one of least error on `choice` that meets its target, if it was
told one; only then is `report` read. Passes, and processor seconds of all that prices accelerators, are printed.

A method's front over the targets is judged by the hypervolume of (report error, natural logarithm of frames a second)
up to an error of 0.9 and the slowest of `SLOWEST`; and, as a check, up to `CLOSE`. Differences to joint are paired by
seed, with the 95 % interval of 10,000 bootstrap samples of seeds.

    python benchmarks/frames.py [--seeds 10] [--budget 62.5] [--epochs 12] [--jobs 2] [--log FILE] [--only METHOD …]

One line of JSON a run goes to --log; a run that is there is not repeated, so that the benchmark may be interrupted.
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
from attrs import frozen
from cospace.compiler.driver import compile_text
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.model import Space
from cospace.compiler.space.pins import fix
from resumed import read_lines, run_all

SPEC = Path(__file__).resolve().parents[1] / "specs" / "auto_nba.cospace"
TARGETS = (50_000, 80_000, 125_000, 200_000, 320_000, 500_000)
"""Frames a second."""
PRICES = (0.03, 0.1, 0.3, 1, 3, 10)
"""Of a million multiplications, in units of the loss, for each target."""
METHODS = ("joint", "network", "macs", "accelerator", "random")
TOLD = ("joint", "accelerator", "random")
"""Which search under the target as a requirement."""
SLOWEST = 30_000.0
WRONG = 0.9
CLOSE = (0.2, 50_000.0)
SAMPLES = 10_000
TRAINED = 2
"""Networks that a search trains."""


def text_of(method: str, epochs: int, price: float) -> str:
    """The spec, with fewer epochs; for `macs` with multiplications in place of an accelerator."""
    text = SPEC.read_text()
    changed = text.replace("if small then 30 else 600", f"if small then {epochs} else 600")
    assert changed.count(f"then {epochs} else 600") == 2, "the text has changed"
    if method != "macs":
        return changed
    lines = []
    for line in changed.splitlines():
        if line.startswith(("fpga = ", "require fpga", "import std.fpga", "param dsps", "param brams", "param least")):
            continue
        if line.startswith(("param slow", "param fast")) or line.strip().startswith("fpga "):
            continue
        if line.startswith("minimize fpga"):
            line = "macs = sum(net.works.macs)\nminimize macs"
        if line.strip().startswith("loss "):
            line = f"    loss = cross_entropy() + {price:f} * macs / 1_000_000"
        lines.append(line)
    return "\n".join(lines) + "\n"


def space_of(method: str, epochs: int, price: float, least: float) -> Space:
    settings = {"scale": "small"} | ({"least": f"{least:.0f} Hz"} if method in TOLD else {})
    found = compile_text(text_of(method, epochs, price), settings=settings)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return found.space


@frozen
class Job:
    """One method with one seed. target: frames a second; price: of a million multiplications, for `macs`; number: what
    all that is random is drawn from; budget: passes; trained: networks that a search trains at its end."""

    method: str
    target: float
    price: float
    seed: int
    number: int
    budget: float
    epochs: int
    trained: int = TRAINED


class Placed:
    """Networks of the space without a target, each on its exact best accelerator."""

    def __init__(self, job: Job) -> None:
        from cospace.runtime.baselines import passes_of
        from cospace.runtime.context import prepare
        from cospace.runtime.events import ignore
        from cospace.runtime.hardware import Hardware
        from cospace.runtime.joint import begin_joint
        from cospace.runtime.train import read_train_settings

        self.run = prepare(space_of("network", job.epochs, 0, 0), job.number, None, ignore, threading.Event())
        self.settings = read_train_settings(self.run, self.run.stage("train"))
        self.each = passes_of(self.run, self.settings)
        joint = begin_joint(self.run, self.run.stage("search"), job.number)
        self.hardware = Hardware(self.run.costs, joint.hardware, job.number)
        self.paths = [self.run.costs.decisions[j].path for j in self.hardware.open]
        self.network = [j for j in joint.network if j not in self.hardware.open]

    def best_of(self, design: dict[str, Any]) -> tuple[Any, float] | None:
        """A network with its best accelerator as a row, and its frames a second; None where it takes no time."""
        given = {p: v for p, v in design.items() if p not in self.paths}
        decisions = self.run.costs.decisions
        row = np.array([[-1 if d.path not in given else d.values.index(given[d.path]) for d in decisions]])
        return self.best_at(row)

    def best_at(self, row: Any) -> tuple[Any, float] | None:
        """As `best_of`, of a row (1, d)."""
        row = row.copy()
        row[:, self.hardware.open] = 0
        found = self.hardware.find_best(self.hardware.liveness.fill(np.maximum(row, 0)))
        return None if found is None else (found[0], math.exp(-found[1]))

    def repaired(self, row: Any, target: float) -> tuple[Any, float] | None:
        """The network of a row changed until it is fast enough, one decision at a time: the fastest of all changes, or
        the slowest of those that do."""
        here = self.best_at(row)
        while here is not None and here[1] < target:
            found = []
            for j in self.network:
                for value in range(len(self.run.costs.decisions[j].values) if here[0][0, j] >= 0 else 0):
                    changed = here[0].copy()
                    changed[0, j] = value
                    found += [placed] if (placed := self.best_at(changed)) is not None else []
            enough = [f for f in found if f[1] >= target]
            best = min(enough, key=lambda f: f[1]) if enough else max(found, key=lambda f: f[1], default=None)
            here = best if best is not None and best[1] > here[1] else None
        return here


def run_one(job: Job) -> dict[str, Any]:
    """What a method ends with."""
    from cospace.runtime.baselines import train_candidate
    from cospace.runtime.train import measure_errors

    start, own = time.process_time(), Placed(job)
    proposed, passes, seconds = propose(job, own)
    told = job.method in (*TOLD, "repair")
    count = int(job.budget / own.each + 0.5) if job.method == "random" else job.trained
    ended: list[tuple[Any, float]] = []
    first = None
    for design in proposed:
        placed = own.best_of(design) if len(ended) < count else None
        first = first or placed
        if placed is not None and (not told or placed[1] >= job.target * (1 - 1e-9)):
            ended.append(placed)
    if job.method == "repair" and not ended and first is not None:
        mended = own.repaired(first[0], job.target)
        ended += [mended] if mended is not None else []
    run = own.run
    found = [(train_candidate(run, row, -math.log(f), own.settings, job.method), f) for row, f in ended]
    line: dict[str, Any] = {
        "method": job.method, "target": job.target, "seed": job.seed, "budget": job.budget, "epochs": job.epochs,
        "passes": passes + run.budget.passes, "hardware_seconds": seconds + run.costs.seconds, "trained": len(found),
        "first": None if first is None else first[1],
    }  # fmt: skip
    if found:
        candidate, frames = min(found, key=lambda f: (f[0].error, -f[1]))
        error = measure_errors(run, run.trained[candidate.row.tobytes()], "report")[()]
        line |= {"choice": candidate.error, "error": error, "frames": frames}
    return line | {"seconds": time.process_time() - start}


def propose(job: Job, own: Placed) -> tuple[list[dict[str, Any]], float, float]:
    """The designs that a method would train, best first; passes over the data, and processor seconds of accelerators,
    that it took to find them."""
    from cospace.runtime.baselines import train_one_shot
    from cospace.runtime.context import prepare
    from cospace.runtime.derive import Entry
    from cospace.runtime.events import ignore
    from cospace.runtime.hardware import Hardware
    from cospace.runtime.joint import begin_joint

    space, costs = space_of(job.method, job.epochs, job.price, job.target), own.run.costs
    if job.method == "random":
        with costs.busy():
            rows = np.asarray(Sampler(space).sample(4 * int(job.budget / own.each + 0.5), job.number))
        return [costs.decode(r) for r in rows], 0.0, 0.0
    if job.method == "accelerator":
        began = own.best_of(costs.decode(np.asarray(Sampler(own.run.space).sample(1, job.number))[0]))
        assert began is not None
        design = costs.decode(began[0][0])
        space = fix(space, {p: design[p] for p in own.paths if p in design})
    blind = job.method in ("network", "repair")
    run = prepare(space, job.number, None, ignore, threading.Event())
    hardware = Hardware(run.costs, begin_joint(run, run.stage("search"), job.number).hardware, job.number)
    pool = train_one_shot(run, hardware, job.budget - job.trained * own.each, blind, True)

    def worth(e: Entry) -> tuple[float, float]:
        if job.method != "macs":
            return e.error, e.loss
        return e.loss + job.price * math.exp(e.score) / 1e6, 0.0

    return [run.costs.decode(e.row[0]) for e in sorted(pool, key=worth)], run.budget.passes, run.costs.seconds


def volume(points: list[tuple[float, float]], corner: tuple[float, float]) -> float:
    """Hypervolume of (error, frames a second), by the logarithm of frames."""
    from cospace.runtime.front import measure_hypervolume

    told = np.array([[e, -math.log(f)] for e, f in points]).reshape(-1, 2)
    return measure_hypervolume(told, (corner[0], -math.log(corner[1])))


def interval(differences: Any, random: np.random.Generator) -> tuple[float, float, float]:
    """Mean of paired differences (n,) and its 95 % interval, by bootstrap samples of pairs."""
    n = len(differences)
    means = differences[random.integers(n, size=(SAMPLES, n))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def ending(line: dict[str, Any]) -> str:
    """What a run ended with, in words."""
    return f"{line['error']:.2%} {line['frames']:,.0f}" if "error" in line else "none"


def report(lines: list[dict[str, Any]]) -> None:
    """Hypervolumes of each method, and the paired differences of joint to it."""
    by: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for line in lines:
        by.setdefault(line["method"], {}).setdefault(line["seed"], []).append(line)
    whole = {m: {s: r for s, r in runs.items() if len(r) == len(TARGETS)} for m, runs in by.items()}
    volumes = {
        m: {
            s: tuple(
                volume([(x["error"], x["frames"]) for x in r if "error" in x], corner)
                for corner in ((WRONG, SLOWEST), CLOSE)
            )
            for s, r in runs.items()
        }
        for m, runs in whole.items()
    }
    print(f"\n{'':12}seeds  hypervolume   near   met  error  passes  s of hardware  s in all")
    for m in [m for m in METHODS if whole.get(m)]:
        runs = [x for r in whole[m].values() for x in r]
        ended = [x for x in runs if "error" in x]
        means = [statistics.mean(x[k] for x in runs) for k in ("passes", "hardware_seconds", "seconds")]
        first, second = (statistics.mean(v[k] for v in volumes[m].values()) for k in range(2))
        met = sum(x["frames"] >= x["target"] * (1 - 1e-9) for x in ended)
        print(
            f"{m:12}{len(whole[m]):5}{first:13.4f}{second:7.4f}{met:4}/{len(runs)}"
            f"{statistics.mean(x['error'] for x in ended):7.2%}{means[0]:8.1f}{means[1]:13.1f}{means[2]:12.1f}"
        )
    random = np.random.default_rng(0)
    for m in [m for m in METHODS[1:] if volumes.get(m) and volumes.get("joint")]:
        seeds = sorted(set(volumes["joint"]) & set(volumes[m]))
        if len(seeds) < 2:
            continue
        told = []
        for k in range(2):
            differences = np.array([volumes["joint"][s][k] - volumes[m][s][k] for s in seeds])
            mean, low, high = interval(differences, random)
            told.append(f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]")
        print(f"joint - {m:12} {told[0]}   near {told[1]}   {len(seeds)} seeds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=float, default=62.5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, default=Path("results/frames.jsonl"))
    o = parser.parse_args()
    lines = read_lines(o.log, {"budget": o.budget, "epochs": o.epochs})
    done = {(x["method"], x["target"], x["seed"]) for x in lines}
    jobs = [
        Job(
            method,
            target,
            PRICES[at],
            seed,
            seed if method != "network" else 1_000 * (at + 1) + seed,
            o.budget,
            o.epochs,
        )
        for seed in range(o.seeds)
        for at, target in enumerate(TARGETS)
        for method in o.only
        if (method, target, seed) not in done
    ]
    for line in run_all(run_one, jobs, o.jobs, o.log):
        lines.append(line)
        print(f"{line['method']} {line['target']:,} {line['seed']}: {ending(line)} {line['seconds']:.0f} s", flush=True)
    report([x for x in lines if x["seed"] < o.seeds])


if __name__ == "__main__":
    main()
