"""Energy-delay of a derived design against the spec's fixed baseline, with and without skipping zeros, and its engine
against the exhaustive best for its network. All of it is modelled.

    python benchmarks/energy_delay.py --out results/cora [--name cora]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from cospace.compiler.designs import parse_design
from cospace.compiler.driver import compile_file
from cospace.runtime.costs import Costs
from cospace.runtime.hardware import Hardware, row_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--name", default="cora")
    parser.add_argument("--out", type=Path, default=Path("results/cora"))
    parser.add_argument("--skip", default="engine.skip_zeros", help="the decision that skips zeros")
    o = parser.parse_args()
    space = compile_file(Path(o.spec), {"data": o.name}).space
    if space is None:
        raise SystemExit(f"{o.spec} does not compile; `cospace check` says why")
    costs = Costs(space)
    row = row_of(costs, parse_design(space, json.loads((o.out / "design.json").read_text())["design"]))
    own = float(np.exp(costs.score(row)[0]))
    plain = dict(space.references[0].design)
    print(f"derived {own:.4g} (base units); feasible: {bool(costs.certified(row)[0])}")
    for skips in (True, False):
        theirs = float(np.exp(costs.score(row_of(costs, {**plain, o.skip: skips}))[0]))
        name = f"`{space.references[0].name}`, {o.skip} = {str(skips).lower()}"
        print(f"baseline {name}: {theirs:.4g}, {theirs / own:.2f}x")
    group = space.decision(o.skip).group
    open_ = [j for j, d in enumerate(space.decisions) if d.group == group]
    hardware = Hardware(costs, open_, 0)
    start = time.perf_counter()
    best = hardware.find_best(row)
    assert best is not None
    raw = int(np.prod([len(space.decisions[j].values) for j in open_]))
    how = f"all {hardware.listed:,} of {raw:,} that meet the accelerator's own requirements"
    gap = own / float(np.exp(best[1])) - 1
    how += f"; {time.perf_counter() - start:.1f} s"
    print(f"exhaustive best for its network ({how}): derived is {gap:.2%} above it")


if __name__ == "__main__":
    main()
