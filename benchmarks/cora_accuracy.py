"""Test accuracy of the designs that searches of Cora end with, retrained over several seeds, beside a full-precision
two-layer GCN.

    python benchmarks/cora_accuracy.py --data FOLDER [--out results/cora] [--seeds 10] [--search-seeds 1 2 3]

Each search goes to a folder of its own (or is read from there, if it is finished); then its design and the GCN are
trained from scratch with the spec's `train` stage, the weights of the best epoch on `choice` are kept, and the `report`
split is read once a seed. The full-precision network is the fixed baseline's, its bits taken away.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
from pathlib import Path

from attrs import evolve
from cospace.compiler.cost import breakdown
from cospace.compiler.driver import compile_file
from cospace.compiler.space.designs import parse_design
from cospace.compiler.space.model import Design, Space
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.plan import Subnet
from cospace.runtime.quantise import PLAIN
from cospace.runtime.search import search
from cospace.runtime.train import measure_errors, read_train_settings, train

FIRST_SEED = 5_000
ALLOWED = 0.005


def test_seeds(run: Run, subnet: Subnet, seeds: int, name: str) -> list[float]:
    """Accuracy on `report`, one a seed; each is printed."""
    settings = read_train_settings(run, run.stage("train"))
    found = []
    for seed in range(seeds):
        trained = train(run, {(): subnet}, settings, FIRST_SEED + seed)
        found.append(1 - measure_errors(run, trained, "report")[()])
        print(f"  {name}, seed {seed}: {found[-1]:.1%} (epoch {trained.epoch + 1})", flush=True)
    return found


def searched_design(space: Space, folder: Path, seed: int, data: Path | None) -> Design:
    """What a search with this seed ended with; it runs unless the folder holds a finished one."""
    file = folder / "run.json"
    if not file.is_file() or not json.loads(file.read_text())["finished"]:
        print(f"searching into {folder} …", flush=True)
        search(space, folder, seed, data, overwrite=True)
    return parse_design(space, json.loads((folder / "design.json").read_text())["design"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--name", default="cora")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("results/cora"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--search-seeds", type=int, nargs="+", default=[1, 2, 3])
    o = parser.parse_args()
    space = compile_file(Path(o.spec), {"data": o.name}).space
    if space is None:
        raise SystemExit(f"{o.spec} does not compile; `cospace check` says why")
    run = prepare(space, 0, o.data, ignore, threading.Event())
    designs = {seed: searched_design(space, o.out / f"seed-{seed}", seed, o.data) for seed in o.search_seeds}
    plain = run.planner.resolve(dict(space.references[0].design))
    full = evolve(plain, steps=tuple(evolve(s, precision=PLAIN) for s in plain.steps))
    found = {"full-precision GCN": test_seeds(run, full, o.seeds, "full-precision GCN")}
    for seed, design in designs.items():
        print(f"search seed {seed}: " + ", ".join(f"{p} = {v}" for p, v in design.items()))
        print(f"  feasible, area budget and all: {breakdown(space, design)['feasible']}")
        name = f"design of seed {seed}"
        found[name] = test_seeds(run, run.planner.resolve(design), o.seeds, name)
    base = statistics.mean(found["full-precision GCN"])
    for name, values in found.items():
        mean = statistics.mean(values)
        print(f"{name:20} {mean:.2%} ± {statistics.stdev(values):.2%} over {len(values)} seeds: {mean - base:+.2%}")
    gaps = [statistics.mean(v) - base for n, v in found.items() if n != "full-precision GCN"]
    reached = sum(gap >= -ALLOWED for gap in gaps)
    print(f"mean difference {statistics.mean(gaps):+.2%}; {reached} of {len(gaps)} searches within {ALLOWED:.1%}")


if __name__ == "__main__":
    main()
