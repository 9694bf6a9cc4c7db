"""The search of a space in which nothing is trained: what its text models decides, and torch is never loaded.

The job of an architect whose network is given. It leaves the same folder as a search that trains, and says how far from
the optimum the design is proved to be.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from cospace.compiler.engines.best import only_read
from cospace.compiler.engines.candidates import Values, middle
from cospace.compiler.engines.learn import Das as Learned
from cospace.compiler.engines.look import Step
from cospace.compiler.engines.problem import Spent
from cospace.compiler.engines.search import Prove, Searched, search
from cospace.compiler.engines.surrogate import Surrogate
from cospace.compiler.exact.exact import Enclosure, evaluate_all
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import TRUE
from cospace.compiler.space.model import Design, Space, Stage
from cospace.compiler.space.schema import to_json
from cospace.runtime import results
from cospace.runtime.engines import Das, Gumbel, named_by
from cospace.runtime.events import Event, Observe, ignore
from cospace.runtime.registry import refuse
from cospace.runtime.settings import build
from cospace.runtime.store import write_json

EVERY = 0.2
"""Seconds from one step that is told to the next."""


def nothing_trains(space: Space) -> bool:
    """Whether a space is searched without training: it has objectives, and they and all requirements are modelled.

    What training would tell then moves nothing, so that a stage of the text which trains is left out.
    """
    asked = all(is_modelled(r.value, r.guard) for r in space.requirements)
    return asked and bool(space.objectives) and all(is_modelled(o.value) for o in space.objectives)


def run(
    space: Space,
    out: Path,
    seed: int = 0,
    data: Path | None = None,
    overwrite: bool = False,
    observe: Observe = ignore,
    stop: threading.Event | None = None,
) -> Searched:
    """Search a space in which `nothing_trains` into a result folder.

    Raises:
        SpecError: CS701, CS705, CS707 for what a stage asks and cannot run, CS704 for a folder that holds results,
        CS710 where no feasible design was met.
    """
    steps = read_steps(space)
    results.claim_folder(out, overwrite)
    write_json(out / "space.json", to_json(space))
    where = str(Path(data).resolve()) if data is not None else None
    return _search(space, out, steps, seed, {"data": where}, observe, stop or threading.Event())


def resume(folder: Path, observe: Observe = ignore, stop: threading.Event | None = None) -> Searched | None:
    """Do again, from its start, a search that was stopped: it ends as if it had not been. None: it had ended."""
    body = results.read_run(folder)
    if body.get("finished"):
        return None
    space = results.read_space(folder)
    seed, settings = results.read_start(folder, body)
    return _search(space, folder, read_steps(space), seed, settings, observe, stop or threading.Event())


def read_steps(space: Space) -> list[Step]:
    """The engines of all search stages with the decisions that each searches, in order; none: the default.

    Raises:
        SpecError: CS701 for an engine that learns with weights, CS705 for its settings, CS707 for a path that names no
        decision, or a decision that no engine searches.
    """
    read = [d.path for d in only_read(space).decisions if len(d.values) > 1 or d.guard is not TRUE]
    paths = [d.path for d in space.decisions]
    steps: list[Step] = []
    left = set(read)
    stages = [s for s in space.stages if s.kind == "search"]
    for stage in stages:
        for targets, expr in stage.engines:
            engine = build(expr)
            if isinstance(engine, Gumbel):
                message = "gumbel() learns with the weights of a network, and here nothing is trained"
                help = "auto(), climb(), local(), evolve() and das() search what is modelled"
                raise refuse("CS701", message, expr.span, help=help)
            if isinstance(engine, Das):
                engine = _learned(engine, stage)
            if isinstance(engine, Surrogate) and engine.asked >= len(space.objectives):
                said = f"surrogate() asks for objective {engine.asked + 1}, and there are {len(space.objectives)}"
                raise refuse("CS705", said, expr.span)
            own = set(named_by(targets, paths, expr.span))
            left -= own
            steps.append((engine, None if own >= set(read) else frozenset(own)))
    if steps and left:
        first = next(p for p in read if p in left)
        raise refuse("CS707", f"no engine of a stage binds `{first}`", stages[-1].span)
    return steps


def _learned(engine: Das, stage: Stage) -> Learned:
    rate = getattr(engine.optimiser, "rate", None)
    if not isinstance(rate, (int, float)) or not isinstance(engine.temperature, (int, float)):
        raise refuse("CS705", "das() searches what is modelled at one rate and one temperature", stage.span)
    return Learned(engine.samples, float(engine.temperature), rate=float(rate))


def _search(
    space: Space,
    out: Path,
    steps: Sequence[Step],
    seed: int,
    settings: dict[str, Any],
    observe: Observe,
    stop: threading.Event,
) -> Searched:
    began = time.monotonic()
    history = results.History(out)
    body = {
        "space": space.name, "seed": seed,
        "settings": {**settings, "params": {p.name: str(p.value.value) for p in space.params if p.given}},
    }  # fmt: skip
    results.write_run(out, body | {"budget": {}, "seconds": 0.0, "finished": False})

    def tell(event: Event) -> None:
        history.add(event)
        observe(event)

    first = space.objectives[0]
    sign = 1 if first.sense == "minimize" else -1
    total = sum(e.evaluations for e, _ in steps) or Prove().evaluations
    last, told = 0.0, float("inf")

    def watch(evaluated: int, least: float) -> None:
        nonlocal last, told
        if stop.is_set():
            raise Spent
        now = time.monotonic()
        if least < told or now - last > EVERY:
            last, told = now, least
            best = {} if least == float("inf") else {"best": sign * least / float(first.scale)}
            tell(Event("step", "search", min(evaluated, total), total, best))

    tell(Event("phase", "search", 0, total))
    found = search(space, steps, seed, watch, stop.is_set)
    if not found.best.designs:
        if not found.best.certified and stop.is_set():
            return found
        raise refuse("CS710", "no feasible design was met; `cospace check` says whether there is one")
    _write(space, out, found)
    spent = {"cost_evaluations": found.best.evaluated}
    finished = not stop.is_set()
    results.write_run(out, body | {"budget": spent, "seconds": time.monotonic() - began, "finished": finished})
    tell(Event("done", "done"))
    return found


def _write(space: Space, out: Path, found: Searched) -> None:
    from cospace.compiler.cost import breakdown

    design = found.best.designs[compromise(space, found.best.objectives)]
    baseline = next(iter(space.references), None)
    write_json(out / "design.json", {
        "schema": 1,
        "design": results.shown_design(space, design),
        "objectives": objectives_at(space, design),
        "accuracy": {"choice": None, "test": []},
        "gap": gap_of(space, found),
        "baseline": None if baseline is None else {
            "name": baseline.name, "doc": baseline.doc,
            "design": results.shown_design(space, dict(baseline.design)),
            "objectives": objectives_at(space, dict(baseline.design)),
            "accuracy": {"test": []},
        },
        "breakdown": json.loads(json.dumps(breakdown(space, design), default=str)),
    })  # fmt: skip
    results.write_mapping(out, space, design)
    columns = [f"{o.text} [{o.unit}]" if o.unit else o.text for o in space.objectives]
    rows = [
        [*(o["value"] for o in objectives_at(space, d)), 0, results.shown_design(space, d)] for d in found.best.designs
    ]
    results.write_table(out, [*columns, "dominated"], [d.path for d in space.decisions], rows)


def compromise(space: Space, points: Sequence[Values]) -> int:
    """Which point of a front is chosen: the one whose greatest loss in an objective, as a share of what the front spans
    there, is least; the first of equals."""
    losses = [Fraction(0)] * len(points)
    for objective, column in zip(space.objectives, zip(*points, strict=True), strict=True):
        values = [middle(value) for value in column]
        low, high = min(values), max(values)
        best = low if objective.sense == "minimize" else high
        if low < high:
            losses = [max(loss, abs(v - best) / (high - low)) for loss, v in zip(losses, values, strict=True)]
    return losses.index(min(losses))


def objectives_at(space: Space, design: Design) -> list[dict[str, Any]]:
    """Every objective with its value in its unit, from the exact evaluator."""
    found = []
    for o, value in zip(space.objectives, evaluate_all([o.value for o in space.objectives], design), strict=True):
        known = float(middle(value) / o.scale) if isinstance(value, (Fraction, Enclosure)) else None
        found.append({"text": o.text, "value": known, "unit": o.unit, "modelled": True, "sense": o.sense})
    return found


def gap_of(space: Space, found: Searched) -> dict[str, Any]:
    """How far from the optimum the design is, as design.json holds it."""
    first = space.objectives[0]
    bound, share = found.best.bound, found.share
    return {
        "state": found.gap,
        "share": None if share is None else float(share),
        "bound": None if bound is None else float(bound / first.scale),
        "met": None if found.met is None else float(found.met / first.scale),
        "unit": first.unit,
        "how": found.best.how,
    }
