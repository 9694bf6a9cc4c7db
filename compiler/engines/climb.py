"""The default where nothing can be proved: evolution first, then descent from its best, kicked where it stands still.

Evolution finds the region; descent ends in a local optimum; a kick that changes a few decisions leaves it, and what
comes back is kept where it is no worse (iterated local search; Lourenço, Martin and Stützle, 2003).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from attrs import frozen
from cospace.compiler.engines.descend import descend
from cospace.compiler.engines.evolve import Evolution, mutate
from cospace.compiler.engines.problem import Problem
from numpy.typing import NDArray

Array = NDArray[Any]

CHAINS = 32
"""Searches side by side, at most."""
KICKS = 20
"""Kicks that each of them should have; where the evaluations are too few for that, fewer go side by side."""
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

    kick: decisions that a kick changes, at most.
    """
    sweep = sum(problem.sizes[j] for j in problem.free)
    chains = max(1, min(CHAINS, (problem.budget - problem.evaluated) // max(1, KICKS * sweep)))
    weights = problem.weights(chains)
    here, score = descend(problem, problem.leading(weights), weights)
    for _ in problem.steps(STALE):
        moved = here
        for _ in range(int(problem.random.integers(1, kick + 1))):
            moved = mutate(problem, moved)
        there, found = descend(problem, moved, weights)
        better = found <= score
        here = numpy.where(better[:, None], there, here)
        score = numpy.where(better, found, score)
