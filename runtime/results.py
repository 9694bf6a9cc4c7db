"""The result folder: which files it has, what stands in them, and that results are never overwritten unasked."""

from __future__ import annotations

import csv
import io
import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from cospace.compiler.mapping import describe
from cospace.compiler.mapping_file import dumps
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Design, Objective, Space, show
from cospace.compiler.space.schema import from_json
from cospace.runtime.costs import Costs, Rows
from cospace.runtime.events import Cell, Event
from cospace.runtime.front import find_dominated
from cospace.runtime.registry import refuse
from cospace.runtime.store import read_json, write_bytes, write_json
from safetensors.numpy import save as save_tensors

if TYPE_CHECKING:
    from cospace.runtime.train import Trained

FILES = (
    "space.json", "run.json", "design.json", "pareto.csv", "history.jsonl", "weights.safetensors", "baselines.json",
    "mapping.json", "report.html",
)  # fmt: skip
CHECKPOINTS = "checkpoints"


def write_mapping(folder: Path, space: Space, design: Design) -> None:
    """The mapping of each layer, where an accelerator maps: what `cospace cost SPEC --mapping` reads back."""
    if any(p.problem.maps for w in space.works for p in w.placements):
        write_bytes(folder / "mapping.json", dumps(describe(space, design)).encode())


@frozen(eq=False)
class Candidate:
    """A design that was trained from scratch. errors: on `choice`, one a seed."""

    row: Rows
    errors: tuple[float, ...]
    score: float
    source: str = "search"

    @property
    def error(self) -> float:
        return float(np.mean(self.errors))

    def to_json(self) -> dict[str, Any]:
        return {"row": self.row[0].tolist(), "errors": list(self.errors), "score": self.score, "source": self.source}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Candidate:
        row = np.array([value["row"]], np.int64)
        return Candidate(row, tuple(float(e) for e in value["errors"]), float(value["score"]), str(value["source"]))


def claim_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder ready for a new run.

    Raises:
        SpecError: CS704 when it holds results and may not be overwritten, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise refuse("CS704", f"{folder} is a file, not a folder")
    held = [name for name in (*FILES, CHECKPOINTS) if (folder / name).exists()]
    if held and not overwrite:
        raise refuse(
            "CS704",
            f"{folder} already holds results ({', '.join(held)})",
            help="--overwrite replaces them, --out names another folder, `cospace resume` goes on with a stopped run",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in held:
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise refuse("CS704", f"{folder} cannot be written: {error.strerror or error}") from error


class History:
    """history.jsonl: one event a line, flushed as it happens; cut back to `lines` when a run goes on."""

    def __init__(self, folder: Path, lines: int = 0) -> None:
        self.path = folder / "history.jsonl"
        kept = self.path.read_text("utf-8").splitlines()[:lines] if lines and self.path.is_file() else []
        self.path.write_text("".join(line + "\n" for line in kept), "utf-8")
        self.lines = len(kept)

    def add(self, event: Event) -> None:
        if event.kind == "front":
            return
        line = {"kind": event.kind, "phase": event.phase, "step": event.step, "total": event.total, **event.values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: _finite(v) for k, v in line.items()}) + "\n")
        self.lines += 1


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def shown_design(space: Space, design: Mapping[str, Value]) -> dict[str, Any]:
    """Decision path -> value as answers for programs spell it."""
    by_path = {d.path: d for d in space.decisions}
    return {p: show(v, by_path[p].unit, by_path[p].scale) for p, v in design.items()}


def shown_objectives(costs: Costs, row: Rows, error: float | None) -> list[dict[str, Any]]:
    """Every objective with value and unit; a measured one has the error that was measured, or null."""
    modelled = iter(costs.price([o.value for o in costs.objectives], row)[0]) if costs.objectives else iter(())
    found = []
    for o in costs.space.objectives:
        value = error if o.measured else _finite(float(next(modelled)) / float(o.scale))
        found.append({"text": o.text, "value": value, "unit": o.unit, "modelled": not o.measured, "sense": o.sense})
    return found


def describe_front(costs: Costs, candidates: Sequence[Candidate]) -> tuple[Mapping[str, Cell], ...]:
    """The candidates that no other dominates, least error first, for the live table."""
    if not candidates:
        return ()
    points = np.array([[c.error, c.score] for c in candidates])
    kept = [c for c, d in zip(candidates, find_dominated(points), strict=True) if not d]
    rows = []
    for c in sorted(kept, key=lambda c: c.error):
        row: dict[str, Cell] = {"error": c.error}
        for o in shown_objectives(costs, c.row, c.error):
            if o["modelled"] and o["value"] is not None:
                row[f"{o['text']} [{o['unit']}]" if o["unit"] else o["text"]] = o["value"]
        row.update({p: v for p, v in shown_design(costs.space, costs.decode(c.row[0])).items()})
        rows.append(row)
    return tuple(rows)


def write_pareto(folder: Path, costs: Costs, candidates: Sequence[Candidate]) -> None:
    """pareto.csv: every candidate, dominated ones marked; one column an objective and a decision."""
    modelled: tuple[Objective, ...] = costs.objectives
    names = [f"{o.text} [{o.unit}]" if o.unit else o.text for o in modelled]
    paths = [d.path for d in costs.decisions]
    points = np.array([[c.error, c.score] for c in candidates]).reshape(-1, 2)
    rows: list[list[Any]] = []
    for c, dominated in zip(candidates, find_dominated(points), strict=True):
        values = [o["value"] for o in shown_objectives(costs, c.row, c.error) if o["modelled"]]
        shown = shown_design(costs.space, costs.decode(c.row[0]))
        rows.append([f"{c.error:.6g}", *values, int(dominated), c.source, len(c.errors), shown])
    write_table(folder, ["error_choice", *names, "dominated", "source", "seeds"], paths, rows)


def write_table(folder: Path, heads: Sequence[str], paths: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """pareto.csv: what stands under the heads, then a column a decision; a row's last cell is its shown design."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, *paths])
    for *cells, shown in rows:
        writer.writerow([*cells, *(shown.get(p, "") for p in paths)])
    write_bytes(folder / "pareto.csv", text.getvalue().encode())


def write_weights(folder: Path, trained: Trained) -> None:
    """weights.safetensors: `path of the operator/parameter` -> tensor."""
    tensors = {
        f"{step.path}/{name}": np.ascontiguousarray(p.detach().cpu().numpy())
        for step, own in zip(trained.subnet.steps, trained.weights, strict=True)
        for name, p in own.items()
    }
    write_bytes(folder / "weights.safetensors", save_tensors(tensors))


def write_run(folder: Path, body: Mapping[str, Any]) -> None:
    write_json(folder / "run.json", {"schema": 1, **body, "versions": find_versions()})


def find_versions() -> dict[str, str]:
    """Of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("cospace", "torch", "torch_geometric", "numpy", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def read_run(folder: Path) -> dict[str, Any]:
    """run.json of a folder.

    Raises:
        SpecError: CS709 when there is no run to go on with.
    """
    try:
        body = read_json(folder / "run.json")
        if not isinstance(body, dict) or body.get("schema") != 1:
            raise ValueError("its schema is unknown")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse("CS709", f"{folder} holds no run to go on with: run.json: {reason}") from error
    return body


def read_space(folder: Path) -> Space:
    """The space of a run to go on with.

    Raises:
        SpecError: CS709 when there is none.
    """
    read_run(folder)
    try:
        return from_json(read_json(folder / "space.json"), str(folder / "space.json"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refuse("CS709", f"{folder} holds no run to go on with: {error}") from error


def read_start(folder: Path, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The seed and the settings that a run was begun with.

    Raises:
        SpecError: CS709 when they are not there.
    """
    try:
        return int(body["seed"]), dict(body["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise refuse("CS709", f"{folder} holds no run to go on with: {error}") from error
