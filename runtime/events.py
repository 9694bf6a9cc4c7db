"""What a running search tells whoever watches it. Owns the event, not how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from attrs import field, frozen

Kind = Literal["phase", "step", "front", "note", "done"]
Cell = float | int | str | bool


@frozen
class Event:
    """One thing that happened.

    kind: phase (a phase begins), step (one step of `total` is done), front (the Pareto front changed), note (a line
    to read, in `values["text"]`), done (the run ended).
    phase: search | derive | train | evaluate | baseline, with what it works on after a blank.
    values: loss, accuracy, temperature, … as plain numbers or texts.
    front: one mapping a design: `error`, each objective's text, and the decisions worth a column.
    seconds_left: an estimate for the whole run, or None.
    """

    kind: Kind
    phase: str
    step: int = 0
    total: int = 0
    values: Mapping[str, Cell] = field(factory=dict)
    front: tuple[Mapping[str, Cell], ...] = ()
    seconds_left: float | None = None


Observe = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that looks away."""
