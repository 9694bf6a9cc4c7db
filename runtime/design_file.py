"""design.json: the design that a search chose, what it costs, and what was measured of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from cospace.compiler.cost import breakdown
from cospace.compiler.space.model import Design, Space, show
from cospace.runtime import results
from cospace.runtime.context import Run
from cospace.runtime.costs import Rows
from cospace.runtime.hardware import Hardware
from cospace.runtime.results import Candidate, Errors
from cospace.runtime.store import write_json


@frozen
class Tests:
    """Accuracies on `report`. seeds: of each, one at each binding of the network's switches."""

    seeds: list[list[float]]

    @property
    def means(self) -> list[float]:
        """Of each seed over its bindings."""
        return [float(np.mean(own)) for own in self.seeds]

    @property
    def by_binding(self) -> list[list[float]]:
        return [list(own) for own in zip(*self.seeds, strict=True)]


def errors_of(run: Run, row: Rows, tests: Tests) -> Errors | None:
    """Of a design at each binding of its switches, the mean over the seeds; None before the first."""
    if not tests.seeds:
        return None
    bindings = run.planner.subnets(run.costs.decode(row[0]))
    return {at: 1 - float(np.mean(own)) for at, own in zip(bindings, tests.by_binding, strict=True)}


def gap_of(run: Run, hardware: Hardware, row: Rows) -> dict[str, Any] | None:
    """How far from the best the accelerator is for the network it was found with; None where none is searched."""
    if not hardware.open or not run.costs.objectives:
        return None
    how = hardware.proof(row)
    by = [o.text for o in run.costs.objectives]
    return {"state": "proved" if how else "unknown", "of": "accelerator", "by": by, "how": how or "", "unit": ""}


def write_design(
    run: Run,
    folder: Path,
    chosen: Candidate,
    tests: Tests,
    baseline: dict[str, Any] | None = None,
    gap: dict[str, Any] | None = None,
) -> None:
    """What stands in the file, and the mapping of each layer beside it."""
    design = run.costs.decode(chosen.row[0])
    errors = errors_of(run, chosen.row, tests)
    if errors is None and chosen.errors and not run.planner.switches:
        errors = {(): chosen.error}
    body = {
        "schema": 1,
        "design": results.shown_design(run.space, design),
        "objectives": results.shown_objectives(run.costs, chosen.row, errors),
        "accuracy": {"choice": 1 - chosen.error if chosen.errors else None, "test": tests.means},
        "switched": _switched(run, design, tests),
        "gap": gap,
        "baseline": baseline,
        "breakdown": _break_down(run.space, design),
    }
    write_json(folder / "design.json", body)
    results.write_mapping(folder, run.space, design)


def _switched(run: Run, design: Design, tests: Tests) -> list[dict[str, Any]]:
    """What was measured at each binding of the network's switches, one accuracy a seed."""
    units = {v.path: (v.unit, v.scale) for v in run.planner.switches}
    if not units or not tests.seeds:
        return []
    return [
        {"at": {path: show(value, *units[path]) for path, value in at}, "test": own}
        for at, own in zip(run.planner.subnets(design), tests.by_binding, strict=True)
    ]


def _break_down(space: Space, design: Design) -> Any:
    return json.loads(json.dumps(breakdown(space, design), default=str))


__all__ = ["Tests", "errors_of", "write_design"]
