"""Energy-delay of the designs that searches ended with, against the fixed baseline with and without skipping zeros; and
its engine against the exhaustive best for its network. All of it is modelled.

    python benchmarks/energy_delay.py results/cora/seed-1 [more folders] [--name cora]
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path

import numpy
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.exact import exact
from cospace.compiler.numbers.numbers import Decider, Program
from cospace.compiler.space.designs import encode, parse_design
from cospace.compiler.space.graph import Expr, implies
from cospace.compiler.space.model import Design, Requirement, Space

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "gcos.cospace"


def energy_delay(space: Space, design: Design) -> Fraction:
    (objective,) = [o for o in space.objectives if not o.measured]
    value = exact.evaluate(objective.value, design)
    assert isinstance(value, Fraction)
    return value


def engines(space: Space, design: Design) -> tuple[int, int, Fraction]:
    """Engines within the board and its shape rule; those that meet every requirement with this network; the least
    energy-delay among the latter, by evaluating every one."""
    decisions = space.decisions
    place = [j for j, d in enumerate(decisions) if d.group == "engine"]
    grid = numpy.array(numpy.meshgrid(*(range(len(decisions[j].values)) for j in place), indexing="ij"))
    rows = numpy.repeat(encode(decisions, [design]), grid[0].size, axis=0)
    rows[:, place] = grid.reshape(len(place), -1).T
    own = {decisions[j].path for j in place}
    shape = [r for r in space.requirements if r.value.free <= own and "die" not in r.reason]
    inside = Decider([_implied(r) for r in shape], decisions)(rows).all(axis=1)
    rows = rows[inside]
    holds = Decider([_implied(r) for r in space.requirements], decisions)(rows).all(axis=1)
    (objective,) = [o for o in space.objectives if not o.measured]
    costs = numpy.asarray(Program([objective.value], decisions)(rows[holds])[0])
    winner = rows[holds][int(costs.argmin())]
    chosen = {d.path: d.values[int(i)] for d, i in zip(decisions, winner, strict=True) if i >= 0}
    return int(inside.sum()), int(holds.sum()), energy_delay(space, chosen)


def _implied(requirement: Requirement) -> Expr:
    return implies(requirement.guard, requirement.value)


def judge(space: Space, folder: Path) -> None:
    """Print what the design of one folder is worth."""
    design = parse_design(space, json.loads((folder / "design.json").read_text())["design"])
    for path, value in json.loads((folder / "design.json").read_text())["design"].items():
        print(f"  {path} = {value}")
    used = exact.evaluate(dict(space.accelerators[0].quantities)["area"], design)
    budget = next(p for p in space.params if p.name == "area_budget").value.number
    assert isinstance(used, Fraction)
    print(f"area {float(used) * 1e6:.3f} mm2 of {float(budget) * 1e6:g} mm2")
    found = energy_delay(space, design)
    plain = dict(space.references[0].design)
    for skipping in (True, False):
        base = energy_delay(space, {**plain, "engine.skip_zeros": skipping})
        word = "with" if skipping else "without"
        print(
            f"energy-delay {float(found) * 1e12:.1f} uJ us; baseline {word} skipping zeros {float(base) * 1e12:.1f}: "
            f"{float(base / found):.2f}x better"
        )
    count, feasible, least = engines(space, design)
    print(
        f"engine: {float(found / least - 1):.2%} above the exhaustive best over all {count:,} engines of the board "
        f"({feasible:,} of them meet every requirement with this network)"
    )
    proved = best(space, {p: v for p, v in design.items() if not p.startswith("engine.")})
    print(
        f"`best`: {float(energy_delay(space, proved.designs[0]) / least - 1):.2%} above it; proved: {proved.certified}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="cora")
    parser.add_argument("folders", type=Path, nargs="+", help="of finished searches of the shipped spec")
    o = parser.parse_args()
    space = compile_file(SPEC, {"data": o.name}).space
    if space is None:
        raise SystemExit(f"{SPEC} does not compile; `cospace check` says why")
    for folder in o.folders:
        print(folder)
        judge(space, folder)


if __name__ == "__main__":
    main()
