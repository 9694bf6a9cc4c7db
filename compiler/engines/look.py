"""Running engines on a space, and what they met: exact values, checked anew by the reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cospace.compiler import clock
from cospace.compiler.engines.candidates import as_number, find_front
from cospace.compiler.engines.exhaustive import Best
from cospace.compiler.engines.problem import Problem, Spent, Watch
from cospace.compiler.exact import exact
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Design, Space


class Engine(Protocol):
    """A way to search. name: of what it does; evaluations: designs that it prices, at most."""

    @property
    def name(self) -> str: ...

    @property
    def evaluations(self) -> int: ...

    def run(self, problem: Problem) -> None:
        """Price rows until `Spent` is raised, or until nothing new is met."""


Step = tuple[Engine, frozenset[str] | None]
"""An engine and the decisions that it searches; None: all."""


def look(space: Space, steps: Sequence[Step], seed: int = 0, watch: Watch | None = None) -> Best:
    """The best that engines meet, one after the other, each from what the earlier ones left; nothing is proved.

    Decisions that a step doesn't search stay as in the best design so far. Where a clock runs out, what was met until
    then is the answer. Raises Undecided where a comparison can't be decided.
    """
    problem = Problem(space, 0, seed, watch)
    for engine, paths in steps:
        problem.budget = problem.evaluated + engine.evaluations
        problem.free = [j for j, d in enumerate(space.decisions) if paths is None or d.path in paths]
        rows, _ = problem.found()
        problem.base = rows[0] if len(rows) else None
        clock.attempt(lambda engine=engine: _run(engine, problem), lambda: None, graced=True)  # type: ignore[misc]
    return read(problem, ", then ".join(dict.fromkeys(engine.name for engine, _ in steps)))


def _run(engine: Engine, problem: Problem) -> None:
    try:
        engine.run(problem)
    except Spent:
        return


def read(problem: Problem, how: str) -> Best:
    """What a problem's rows were worth: the best, or the front, among those that exactly meet every requirement."""
    space, (rows, values) = problem.space, problem.found()
    objectives = [o.value for o in space.objectives if is_modelled(o.value)]
    asked: dict[int, Design] = {}

    def admit(i: int) -> bool | None:
        asked[i] = decode(space.decisions, rows[i])
        found = exact.evaluate_all(problem.conditions, asked[i])
        return all(f is True for f in found)

    def price(i: int) -> tuple[object, ...] | None:
        found = tuple(map(as_number, exact.evaluate_all(problem.goals, decode(space.decisions, rows[i]))))
        return None if None in found else found

    def first() -> tuple[int, ...]:
        kept = next((i for i in range(len(rows)) if admit(i) and price(i) is not None), None)
        return () if kept is None else (kept,)

    if problem.width < 2:
        order = clock.attempt(first, tuple[int, ...], graced=True)
    else:
        order = find_front(values, values, price, admit).rows  # type: ignore[arg-type]
    designs = tuple(asked[i] for i in order)
    told = tuple(tuple(as_number(v) for v in exact.evaluate_all(objectives, d)) for d in designs)
    if not designs:
        how += "; none that it met was feasible"
    return Best(designs, told, False, problem.evaluated, how)  # type: ignore[arg-type]
