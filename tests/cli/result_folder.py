"""A result folder as a search leaves it, made without running anything: for tests of reports and summaries."""

from __future__ import annotations

import csv
import json
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

from cospace.compiler.cost import breakdown
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.model import Design, Space, show
from cospace.compiler.space.schema import dumps, to_json


def as_float(value: Any, scale: Fraction = Fraction(1)) -> float | None:
    if isinstance(value, Enclosure):
        value = value.middle
    return float(value / scale) if isinstance(value, Fraction) else None


def shown(space: Space, design: Design) -> dict[str, Any]:
    known = {d.path: d for d in space.decisions}
    return {p: show(v, known[p].unit, known[p].scale) for p, v in design.items()}


def objectives(space: Space, design: Design) -> list[dict[str, Any]]:
    return [
        {"text": o.text, "unit": o.unit, "modelled": not o.measured,
         "value": None if o.measured else as_float(evaluate(o.value, design), o.scale)}
        for o in space.objectives
    ]  # fmt: skip


def write_result(folder: Path, space: Space, design: Design, finished: bool = True) -> Path:
    """Fill `folder` as a search does; the baseline is the first reference where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(3)
    (folder / "space.json").write_text(dumps(to_json(space)), "utf-8")
    run = {"schema": 1, "space": space.name, "seed": 0, "settings": {"area_budget": "1 mm2"},
           "versions": {"cospace": "0.1.0", "python": "3.11.7"}, "budget": {"passes": 812.5, "cost_evaluations": 20480},
           "seconds": 91.2, "finished": finished}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    reference = next(iter(space.references), None)
    chosen = {
        "schema": 1, "design": shown(space, design), "objectives": objectives(space, design),
        "accuracy": {"choice": 0.912, "test": [0.905, 0.911, 0.899]},
        "baseline": reference and {"name": reference.name, "design": shown(space, dict(reference.design)),
                                   "objectives": objectives(space, dict(reference.design))},
        "breakdown": json.loads(json.dumps(breakdown(space, design), default=str)),
    }  # fmt: skip
    (folder / "design.json").write_text(json.dumps(chosen))
    modelled = [o for o in chosen["objectives"] if o["modelled"] and o["value"]]
    with (folder / "pareto.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            [
                "error_choice",
                *(f"{o['text']} [{o['unit']}]" for o in modelled),
                "dominated",
                "source",
                "seeds",
                *chosen["design"],
            ]
        )
        for i in range(24):
            scale = math.exp(chance.gauss(0.4, 0.7))
            error = 0.09 / scale**0.3 + chance.random() * 0.05 * (i % 3)
            out.writerow([round(error, 4), *(o["value"] * scale for o in modelled), int(i % 3 > 0), "search", 1,
                          *chosen["design"].values()])  # fmt: skip
    with (folder / "history.jsonl").open("w") as file:
        for step in range(1, 101):
            values = {"loss": 2.3 * math.exp(-step / 30) + 0.1, "accuracy": 0.92 - 0.8 * 0.96**step}
            line = {"kind": "step", "phase": "search", "step": step, "total": 100, "temperature": 5 * 0.975**step}
            file.write(json.dumps(line | values) + "\n")
        for design_number in range(3):
            for step in range(1, 60):
                values = {"loss": 2 * math.exp(-step / 12), "accuracy": 0.93 - 0.8 * 0.9**step}
                line = {"kind": "step", "phase": f"train {design_number + 1} of 3", "step": step}
                file.write(json.dumps(line | values) + "\n")
    return folder
