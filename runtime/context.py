"""What every part of a run shares: the space, its data and plan, what is counted, whom to tell, when to stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import torch
from attrs import define, field
from cospace.compiler.space.graph import walk
from cospace.compiler.space.model import Call, Space, Stage
from cospace.dsl.diagnostics import NOWHERE
from cospace.runtime.costs import Costs
from cospace.runtime.devices import choose_bfloat16, choose_device
from cospace.runtime.events import Cell, Event, Kind, Observe, ignore
from cospace.runtime.plan import Planner
from cospace.runtime.registry import WITHOUT, find, refuse
from cospace.runtime.settings import read
from cospace.runtime.tasks.base import LoadedTask


class Stopped(Exception):
    """The user asked to stop."""


@define
class Budget:
    """passes: forward and backward over the data; a forward alone counts a half."""

    passes: float = 0.0


@define
class Run:
    """One run of one space. `bfloat16`: weights learn in mixed precision, in which nothing is measured. `share` is
    how much of the run is done, for the time that is left; `trained` holds what was trained, by row, for whoever
    reports on it."""

    space: Space
    planner: Planner
    task: LoadedTask
    costs: Costs
    seed: int
    device: torch.device
    bfloat16: bool = False
    observe: Observe = ignore
    stop: threading.Event = field(factory=threading.Event)
    budget: Budget = field(factory=Budget)
    started: float = field(factory=time.monotonic)
    share: float = 0.0
    trained: dict[bytes, Any] = field(factory=dict)

    def tell(self, kind: Kind, phase: str, step: int = 0, total: int = 0, **values: Cell) -> None:
        """Tell the observer; the time left is what the share done so far promises."""
        left = None
        if 0.02 < self.share < 1:
            left = (time.monotonic() - self.started) * (1 - self.share) / self.share
        self.observe(Event(kind, phase, step, total, values, (), left))

    def check_stop(self) -> None:
        """Raise Stopped when the user asked for it."""
        if self.stop.is_set():
            raise Stopped

    def stage(self, kind: str) -> Stage:
        """The first stage of a kind.

        Raises:
            SpecError: CS707 when the spec has none.
        """
        for stage in self.space.stages:
            if stage.kind == kind:
                return stage
        raise refuse("CS707", f"the spec has no `{kind}` block, so there is nothing to run")

    def number(self, stage: Stage, name: str, default: Any) -> Any:
        """A plain setting of a stage, or the default."""
        expr = stage.setting(name)
        return default if expr is None else read(expr)


def prepare(
    space: Space,
    seed: int,
    data: Path | None,
    observe: Observe,
    stop: threading.Event,
    strict: bool = False,
    bfloat16: bool | None = None,
) -> Run:
    """Load the data and build the plan of a space with one network and one task. strict: data of which some cannot be
    read is refused. bfloat16: whether weights learn in mixed precision; None: where a GPU has it.

    Raises:
        SpecError: CS702, CS703 (data), CS707 (nothing to train).
    """
    if not space.networks:
        raise refuse("CS707", "the space has no network to train; `best` finds accelerators without one")
    for of in space.tasks:
        find(of.source, of.span)
    for objective in space.objectives:
        for part in walk([objective.value]) if objective.measured else ():
            if part.op == "measure":
                find(part.payload.source, objective.span)  # type: ignore[attr-defined]
    if len(space.networks) > 1:
        names = ", ".join(n.name for n in space.networks)
        last = space.networks[1].nodes[space.networks[1].output]
        raise refuse(
            "CS707",
            f"the runtime trains one network at a time yet, and this space has {names}",
            last.span if isinstance(last, Call) else NOWHERE,
            WITHOUT,
        )
    torch.set_num_threads(1)  # tensors of small graphs lose more to threads than they gain
    device = choose_device()
    plan = space.networks[0]
    planner = Planner(space, plan)
    wanted = planner.tasks()
    tasks = {t.name: t for t in space.tasks}
    if wanted <= {""}:
        said = f"the network `{plan.name}` comes from a file or is a list of works: it is priced, and not trained"
        raise refuse("CS707", said, help="`cospace best` finds the best hardware for it")
    unknown = [name for name in wanted if name not in tasks]
    if len(wanted) != 1 or unknown:
        raise refuse(
            "CS707", f"the network `{plan.name}` must read its inputs from one task; it reads {sorted(wanted)}"
        )
    (name,) = wanted
    task: LoadedTask = find(tasks[name].source, tasks[name].span)(tasks[name], data, device)
    if strict and task.left_out:
        raise refuse("CS702", "; ".join(task.left_out), tasks[name].span, "mend or remove them")
    planner.check_inputs(task, tasks[name])
    run = Run(space, planner, task, Costs(space), seed, device, choose_bfloat16(device, bfloat16), observe, stop)
    for text in task.left_out:
        run.tell("note", "data", text=f"left out: {text}")
    return run
