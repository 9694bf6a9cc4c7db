"""The result folder: which files it has, what stands in them, and that results are never overwritten unasked."""

from __future__ import annotations

import csv
import io
import json
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from cospace.compiler.mapping import describe
from cospace.compiler.mapping_file import dumps
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import Expr, Value, const, walk
from cospace.compiler.space.model import Binding, Design, Objective, Space, show
from cospace.compiler.space.schema import from_json
from cospace.compiler.space.substitute import rebuild
from cospace.runtime.costs import Costs, Rows
from cospace.runtime.events import Cell, Event
from cospace.runtime.front import find_dominated
from cospace.runtime.ranking import Ranking, rank
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

Errors = Mapping[Binding, float]
"""Shares of wrong answers, at each binding of a network's switches."""


def write_mapping(folder: Path, space: Space, design: Design) -> None:
    """The mapping of each layer, where an accelerator maps: what `cospace cost SPEC --mapping` reads back."""
    if any(p.problem.maps for w in space.works for p in w.placements):
        write_bytes(folder / "mapping.json", dumps(describe(space, design)).encode())


@frozen(eq=False)
class Candidate:
    """A design that was trained from scratch. errors: on `choice`, one a seed. one_shot: error and loss on `search`
    with the shared weights of a supernet, where it was judged so."""

    row: Rows
    errors: tuple[float, ...]
    score: float
    source: str = "search"
    one_shot: tuple[float, float] | None = None

    @property
    def error(self) -> float:
        return float(np.mean(self.errors))

    def to_json(self) -> dict[str, Any]:
        own = {"row": self.row[0].tolist(), "errors": list(self.errors), "score": self.score, "source": self.source}
        return own | ({} if self.one_shot is None else {"one_shot": list(self.one_shot)})

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Candidate:
        row = np.array([value["row"]], np.int64)
        error, loss = value.get("one_shot", (None, None))
        one_shot = None if loss is None else (float(error), float(loss))
        errors = tuple(float(e) for e in value["errors"])
        return Candidate(row, errors, float(value["score"]), str(value["source"]), one_shot)


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


def shown_objectives(costs: Costs, row: Rows, errors: Errors | None) -> list[dict[str, Any]]:
    """Every objective with value and unit; one that is measured is null where that was not done."""
    told = costs.space.objectives
    values = [o.value if errors is None or not o.measured else _told(o.value, errors) for o in told]
    known = [v for v in values if "measure" not in v.opaque]
    priced = iter(costs.price(known, row)[0]) if known else iter(())
    found = []
    for o, v in zip(told, values, strict=True):
        value = None if "measure" in v.opaque else _finite(float(next(priced)) / float(o.scale))
        found.append({"text": o.text, "value": value, "unit": o.unit, "modelled": not o.measured, "sense": o.sense})
    return found


def _told(expr: Expr, errors: Errors) -> Expr:
    """An expression with what was measured in place of what measures it: at the binding that it names, else the mean
    over all."""

    new = {}
    for part in walk([expr]):
        if part.op == "measure":
            of: External = part.payload  # type: ignore[assignment]
            at = {(name.removeprefix("at "), e.value) for name, e in of.arguments if name.startswith("at ")}
            own = [error for binding, error in errors.items() if at <= set(binding)]
            if own:
                new[id(part)] = const(Fraction(float(np.mean(own))))
    return rebuild(expr, new)


def describe_front(costs: Costs, candidates: Sequence[Candidate]) -> tuple[Mapping[str, Cell], ...]:
    """The candidates that no other dominates, least error first, for the live table."""
    if not candidates:
        return ()
    points = np.array([[c.error, c.score] for c in candidates])
    kept = [c for c, d in zip(candidates, find_dominated(points), strict=True) if not d]
    rows = []
    for c in sorted(kept, key=lambda c: c.error):
        row: dict[str, Cell] = {"error": c.error}
        for o in shown_objectives(costs, c.row, None):
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
        values = [o["value"] for o in shown_objectives(costs, c.row, None) if o["modelled"]]
        shown = shown_design(costs.space, costs.decode(c.row[0]))
        shared = ["", ""] if c.one_shot is None else [f"{value:.6g}" for value in c.one_shot]
        rows.append([f"{c.error:.6g}", *values, int(dominated), c.source, len(c.errors), *shared, shown])
    heads = ["error_choice", *names, "dominated", "source", "seeds", "error_one_shot", "loss_one_shot"]
    write_table(folder, heads, paths, rows)


def rank_candidates(candidates: Sequence[Candidate]) -> Ranking | None:
    """How well losses with shared weights ranked the candidates by their errors; None where none was judged."""
    judged = [(c.one_shot[1], c.error) for c in candidates if c.one_shot is not None]
    return rank(*zip(*judged, strict=True)) if judged else None


def write_table(folder: Path, heads: Sequence[str], paths: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """pareto.csv: what stands under the heads, then a column a decision; a row's last cell is its shown design."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, *paths])
    for *cells, shown in rows:
        writer.writerow([*cells, *(shown.get(p, "") for p in paths)])
    write_bytes(folder / "pareto.csv", text.getvalue().encode())


def named_at(names: Iterable[str], at: Mapping[str, str]) -> dict[str, str]:
    """Of quantities' names those that hold at a binding of the switches, by what they are called without it:
    `energy at precision.both = 4 bit` by `energy`; without a binding those that hold whatever switches say."""
    found = {}
    for name in names:
        plain = name
        for path, value in at.items():
            plain = plain.replace(f" at {path} = {value}", "")
        if " at " not in plain and (plain != name or not at):
            found[plain] = name
    return found


def ranges_name(path: str, at: Binding) -> str:
    """Where weights.safetensors has the ranges of a step's activations at a binding of the switches."""
    return f"{path}/ranges" + "".join(f"@{p}={show(v)}" for p, v in at)


def write_weights(folder: Path, trained: Trained) -> None:
    """weights.safetensors: what a design trained, by `names_of`: `path of the operator/parameter` -> tensor; and
    `path/ranges`, with `@4 bit` behind it where switches say so: of its rounded activations, least and largest."""
    tensors = {name: np.ascontiguousarray(p.detach().cpu().numpy()) for name, p in trained.tensors.items()}
    for at, ranges in trained.ranges.items():
        for path, operands in ranges.known.items() if ranges is not None else ():
            tensors[ranges_name(path, at)] = np.array(operands, np.float32).reshape(-1, 2)
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


def data_of(folder: Path) -> Path | None:
    """Where the data of a run lay; None where it needed none, or that is not known."""
    try:
        found = read_json(folder / "run.json")["settings"]["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Path(found) if isinstance(found, str) else None


def read_start(folder: Path, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The seed and the settings that a run was begun with.

    Raises:
        SpecError: CS709 when they are not there.
    """
    try:
        return int(body["seed"]), dict(body["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise refuse("CS709", f"{folder} holds no run to go on with: {error}") from error
