"""The default where nothing can be proved: evolution first, then descent from its best, kicked where it stands still.

Evolution finds the region; descent ends in a local optimum; a kick leaves it, and what comes back is kept where it is
better (iterated local search; Lourenço, Martin and Stützle, 2003). The first kicks go where the goal is least when no
requirement is asked, across what is infeasible (strategic oscillation; Glover, 1989); then they are random.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from attrs import frozen, mutable
from cospace.compiler.engines.descend import changed, descend
from cospace.compiler.engines.evolve import Evolution, mutate
from cospace.compiler.engines.problem import Problem
from numpy.typing import NDArray

Array = NDArray[Any]

CHAINS = 32
"""Searches side by side, at most."""
KICKS = 20
"""Kicks that each of them should have; where the evaluations are too few for that, fewer go side by side."""
PATIENCE = 6
"""Kicks in a row that lead to nothing better, before the search goes on elsewhere."""
STALE = 200
"""Kicks in a row that met nothing new, before it ends."""


@frozen
class Climb:
    """evolved: share of the evaluations for evolution; kick: decisions that a kick changes, at most."""

    name: ClassVar[str] = "evolution, then descent with kicks"
    evaluations: int = 2_000
    evolved: float = 0.15
    kick: int = 3

    def run(self, problem: Problem) -> None:
        """Until the budget is spent, or nothing new is met."""
        with problem.until(problem.evaluated + int(self.evolved * (problem.budget - problem.evaluated))):
            Evolution().run(problem)
        kicked(problem, self.kick)


def kicked(problem: Problem, kick: int = 3) -> None:
    """Descent from the best met, kicked where it stands still, until the budget is spent or nothing new is met.

    Where kicks lead nowhere, every other time the search goes on from another design, far from where it was.
    kick: decisions that a random kick changes, at most.
    """
    sweep = sum(problem.sizes[j] for j in problem.free)
    many = max(1, min(CHAINS, (problem.budget - problem.evaluated) // max(1, KICKS * sweep)))
    weights = problem.weights(many)
    here, score = descend(problem, problem.leading(weights), weights)
    chains = [_Chain(problem, w, kick, _Base(h, s)) for w, h, s in zip(weights, here, score.tolist(), strict=True)]
    for _ in problem.steps(STALE):
        moved = numpy.stack([c.move() for c in chains])
        there, found = descend(problem, moved, weights)
        for c, row, value in zip(chains, there, found.tolist(), strict=True):
            c.settle(row, value)


@mutable(eq=False)
class _Base:
    """A design that no single change makes better. kicks: from it, the next one last; idle: those that led nowhere."""

    row: Array
    score: float
    kicks: list[Array] | None = None
    idle: int = 0


class _Chain:
    """One search: its best base and the one that it is at. weights: of the goals, (k,)."""

    def __init__(self, problem: Problem, weights: Array, kick: int, base: _Base) -> None:
        self.problem, self.weights, self.kick = problem, weights, kick
        self.best = self.base = base
        self._begun = False
        self._left = [base.row]

    def move(self) -> Array:
        """Where to descend from: a kicked design, or far from all that was left, where kicks have led nowhere."""
        self._begun = False
        if self.base.idle >= PATIENCE:
            self.base.idle = 0
            self._begun = self.base is self.best
            self.base = self.best
            if self._begun:
                self._left.append(self._far())
                return self._left[-1]
        if self.base.kicks is None:
            self.base.kicks = self._kicks(self.base.row)
        if self.base.kicks:
            return self.base.kicks.pop()
        row = self.base.row[None]
        for _ in range(int(self.problem.random.integers(1, self.kick + 1))):
            row = mutate(self.problem, row)
        moved: Array = row[0]
        return moved

    def settle(self, row: Array, score: float) -> None:
        """What the descent ended at."""
        if self._begun or score < self.base.score:
            self.base = _Base(row, score)
            self._left.append(row)
        else:
            self.base.idle += 1
        if score < self.best.score:
            self.best = self.base

    def _kicks(self, row: Array) -> list[Array]:
        """Single changes of a row, first those that are good when no requirement is asked: a change that breaks one is
        made good by another. Those whose price nobody remembers come last."""
        problem, (rows, _) = self.problem, changed(self.problem, row)
        goals = problem.mixed(problem.recalled(rows), self.weights)
        return list(rows[numpy.argsort(goals, kind="stable")[::-1]])

    def _far(self) -> Array:
        """The best met that differs from all that was left in half of what is live; drawn where there is none."""
        rows, goals = self.problem.found()
        free = [j for j in self.problem.free if self.problem.sizes[j] > 1]
        told, apart = rows[:, free], numpy.ones(len(rows), dtype=bool)
        for left in (row[free] for row in self._left):
            apart &= 2 * (told != left).sum(axis=1) >= ((told >= 0) | (left >= 0)).sum(axis=1)
        if not apart.any():
            drawn: Array = self.problem.draw(2)[1]
            return drawn
        chosen: Array = rows[numpy.where(apart, self.problem.mixed(goals, self.weights), numpy.inf).argmin()]
        return chosen
