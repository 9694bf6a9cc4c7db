"""Test accuracy of a derived design on Cora, retrained over several seeds, beside a full-precision two-layer GCN.

    python benchmarks/cora_accuracy.py --data FOLDER [--out results/cora] [--seeds 10] [--search-seed 0]

The design is searched first (or read from --out, if a finished run is there); then both networks are trained from
scratch with the spec's `train` stage, their epoch chosen on the `choice` split, and the `report` split is read once a
seed. The full-precision network is the fixed baseline's, its bits taken away.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
from pathlib import Path

from attrs import evolve
from cospace.compiler.cost import breakdown
from cospace.compiler.designs import parse_design
from cospace.compiler.driver import compile_file
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.plan import Subnet
from cospace.runtime.quantise import PLAIN
from cospace.runtime.search import search
from cospace.runtime.train import measure, read_train_settings, train

FIRST_SEED = 5_000
ALLOWED = 0.005


def test_seeds(run: Run, subnet: Subnet, seeds: int, name: str) -> list[float]:
    """Accuracy on `report`, one a seed; each is printed."""
    settings = read_train_settings(run, run.stage("train"))
    found = []
    for seed in range(seeds):
        trained = train(run, subnet, settings, FIRST_SEED + seed)
        found.append(1 - measure(run, subnet, trained.weights, "report"))
        print(f"  {name}, seed {seed}: {found[-1]:.1%} (epoch {trained.epoch + 1})")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--name", default="cora")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("results/cora"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--search-seed", type=int, default=0)
    o = parser.parse_args()
    space = compile_file(Path(o.spec), {"data": o.name}).space
    if space is None:
        raise SystemExit(f"{o.spec} does not compile; `cospace check` says why")
    if not (o.out / "run.json").is_file() or not json.loads((o.out / "run.json").read_text())["finished"]:
        print(f"searching into {o.out} …")
        search(space, o.out, o.search_seed, o.data, overwrite=True)
    design = parse_design(space, json.loads((o.out / "design.json").read_text())["design"])
    run = prepare(space, 0, o.data, ignore, threading.Event())
    print("derived design: " + ", ".join(f"{p} = {v}" for p, v in design.items()))
    told = breakdown(space, design)
    print(f"feasible, area budget and all: {told['feasible']}")
    found = test_seeds(run, run.planner.resolve(design), o.seeds, "derived")
    plain = run.planner.resolve(dict(space.references[0].design))
    full = evolve(plain, steps=tuple(evolve(s, precision=PLAIN) for s in plain.steps))
    beside = test_seeds(run, full, o.seeds, "full-precision GCN")
    for name, values in (("derived", found), ("full-precision GCN", beside)):
        print(f"{name:20} {statistics.mean(values):.2%} ± {statistics.stdev(values):.2%} over {len(values)} seeds")
    gap = statistics.mean(found) - statistics.mean(beside)
    print(f"difference {gap:+.2%}; allowed {-ALLOWED:.1%}: {'reached' if gap >= -ALLOWED else 'NOT reached'}")


if __name__ == "__main__":
    main()
