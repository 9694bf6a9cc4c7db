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
        if line.startswith(("param slow", "param fast")) or line.strip().startswith(("fpga ", "+ lagrange")):
            continue
        if line.startswith("minimize fpga"):
            line = "macs = sum(net.works.macs)\nminimize macs"
        if line.strip().startswith("loss "):
            line = f"    loss = cross_entropy() + {price:f} * macs / 1_000_000"
        lines.append(line)
    return "\n".join(lines) + "\n"


def space_of(method: str, epochs: int, price: float, least: int) -> Space:
    settings = {"scale": "small"} | ({"least": f"{least} Hz"} if method in ("joint", "accelerator", "random") else {})
    found = compile_text(text_of(method, epochs, price), settings=settings)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return found.space


def run_one(job: tuple[str, int, int, float, int]) -> dict[str, Any]:
    """One method for one target with one seed."""
    method, at, seed, budget, epochs = job
    from cospace.runtime.baselines import passes_of, train_candidate, train_one_shot
    from cospace.runtime.context import prepare
    from cospace.runtime.derive import Entry
    from cospace.runtime.events import ignore
    from cospace.runtime.hardware import Hardware
    from cospace.runtime.joint import begin_joint
    from cospace.runtime.train import measure_errors, read_train_settings

    start, target = time.process_time(), TARGETS[at]
    number = seed if method != "network" else 1_000 * (at + 1) + seed
    own = prepare(space_of("network", epochs, 0, 0), number, None, ignore, threading.Event())
    settings = read_train_settings(own, own.stage("train"))
    hardware = Hardware(own.costs, begin_joint(own, own.stage("search"), number).hardware, number)
    paths = [own.costs.decisions[j].path for j in hardware.open]

    def best_of(design: dict[str, Any]) -> tuple[Any, float] | None:
        """A network on its exact best accelerator, and its frames a second."""
        given = {p: v for p, v in design.items() if p not in paths}
        row = np.array([[-1 if d.path not in given else d.values.index(given[d.path]) for d in own.costs.decisions]])
        row[:, hardware.open] = 0
        found = hardware.find_best(hardware.liveness.fill(row))
        return None if found is None else (found[0], math.exp(-found[1]))

    space = space_of(method, epochs, PRICES[at], target)
    if method == "accelerator":
        drawn = own.costs.decode(np.asarray(Sampler(own.space).sample(1, number))[0])
        began = best_of(drawn)
        assert began is not None
        design = own.costs.decode(began[0][0])
        space = fix(space, {p: design[p] for p in paths if p in design})
    each, passes, seconds = passes_of(own, settings), 0.0, 0.0
    proposed: list[dict[str, Any]] = []
    if method == "random":
        with own.costs.busy():
            rows = np.asarray(Sampler(space).sample(4 * int(budget / each + 0.5), number))
        proposed = [own.costs.decode(r) for r in rows]
    else:
        run = prepare(space, number, None, ignore, threading.Event())
        other = Hardware(run.costs, begin_joint(run, run.stage("search"), number).hardware, number)
        pool = train_one_shot(run, other, budget - TRAINED * each, method == "network", True)
        passes, seconds = run.budget.passes, run.costs.seconds

        def worth(e: Entry) -> tuple[float, float]:
            if method != "macs":
                return e.error, e.loss
            return e.loss + PRICES[at] * math.exp(e.score) / 1e6, 0.0

        proposed = [run.costs.decode(e.row[0]) for e in sorted(pool, key=worth)]
    told = method in ("joint", "accelerator", "random")
    count, found = int(budget / each + 0.5) if method == "random" else TRAINED, []
    for design in proposed:
        placed = best_of(design) if len(found) < count else None
        if placed is not None and (not told or placed[1] >= target * (1 - 1e-9)):
            found.append((train_candidate(own, placed[0], -math.log(placed[1]), settings, method), placed[1]))
    line: dict[str, Any] = {
        "method": method, "target": target, "seed": seed, "budget": budget, "epochs": epochs,
        "passes": passes + own.budget.passes, "hardware_seconds": seconds + own.costs.seconds, "trained": len(found),
    }  # fmt: skip
    if found:
        candidate, frames = min(found, key=lambda f: (f[0].error, -f[1]))
        error = measure_errors(own, own.trained[candidate.row.tobytes()], "report")[()]
        line |= {"choice": candidate.error, "error": error, "frames": frames}
    return line | {"seconds": time.process_time() - start}


def volume(points: list[tuple[float, float]], corner: tuple[float, float]) -> float:
    """Hypervolume of (error, frames a second), by the logarithm of frames."""
    from cospace.runtime.front import measure_hypervolume

    told = np.array([[e, -math.log(f)] for e, f in points]).reshape(-1, 2)
    return measure_hypervolume(told, (corner[0], -math.log(corner[1])))


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
            means = differences[random.integers(len(seeds), size=(SAMPLES, len(seeds)))].mean(axis=1)
            low, high = np.quantile(means, (0.025, 0.975))
            told.append(f"{differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
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
        (method, at, seed, o.budget, o.epochs)
        for seed in range(o.seeds)
        for at, target in enumerate(TARGETS)
        for method in o.only
        if (method, target, seed) not in done
    ]
    for line in run_all(run_one, jobs, o.jobs, o.log):
        lines.append(line)
        ended = f"{line['error']:.2%} {line['frames']:,.0f}" if "error" in line else "none"
        print(f"{line['method']} {line['target']:,} {line['seed']}: {ended} {line['seconds']:.0f} s", flush=True)
    report([x for x in lines if x["seed"] < o.seeds])


if __name__ == "__main__":
    main()
