"""Regularised evolution (Real et al., 2019): tournaments, crossover and mutation; the oldest go.

Several goals: each tournament weighs them in a way of its own, so that the population spreads along the front.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from attrs import frozen
from cospace.compiler.engines.problem import Problem, slow
from numpy.typing import NDArray

Array = NDArray[Any]

CROSSED = 0.5
"""Share of the children that have two parents."""
NEAR = 0.5
"""Share of the mutations that go to the next value up or down."""
STALE = 40
"""Batches of children in which nothing new was met, before the population is drawn anew."""


@frozen
class Evolution:
    """population: designs at once; generations: so many populations of children; tournament: who vie to be a parent."""

    name: ClassVar[str] = "evolution"
    population: int = 64
    generations: int = 30
    tournament: int = 4

    @property
    def evaluations(self) -> int:
        return self.population * (self.generations + 1)

    def run(self, problem: Problem) -> None:
        """Until the budget is spent, or nothing new is met."""
        size = max(2, min(self.population, problem.budget // 8))
        for _ in problem.starts(known=size):
            _live(problem, size, self.tournament)


def _live(problem: Problem, size: int, tournament: int) -> None:
    """One population, until it stands still."""
    rows = problem.draw(size)
    scores = _values(problem, rows)
    batch = max(1, size // 4)
    for _ in problem.steps(STALE):
        weights = problem.weights(batch)
        first, second = (_choose(problem, scores, weights, tournament) for _ in range(2))
        children = mutate(problem, _cross(problem, rows[first], rows[second]))
        found = _values(problem, children)
        rows = numpy.concatenate([rows[batch:], children])
        scores = numpy.concatenate([scores[batch:], found])


def _values(problem: Problem, rows: Array) -> Array:
    """Goals of each row on a scale on which they can be mixed, and the violations behind them. (n, k + 1)"""
    priced = problem.price(rows)
    return numpy.concatenate([slow(priced.goals), priced.violated[:, None].astype(float)], axis=1)


def _choose(problem: Problem, scores: Array, weights: Array, tournament: int) -> Array:
    """A parent for each row of weights."""
    entrants = problem.random.integers(len(scores), size=(len(weights), tournament))
    told = scores[entrants]
    mixed = numpy.where(told[..., -1] > 0, 1e6 * told[..., -1], (told[..., :-1] * weights[:, None]).sum(axis=2))
    chosen: Array = entrants[numpy.arange(len(weights)), mixed.argmin(axis=1)]
    return chosen


def _cross(problem: Problem, first: Array, second: Array) -> Array:
    """Each decision from one of two parents, for some of the pairs."""
    taken = problem.random.random(first.shape) < 0.5
    taken &= (problem.random.random(len(first)) < CROSSED)[:, None]
    return numpy.where(taken, second, first)


def mutate(problem: Problem, rows: Array) -> Array:
    """Rows with about one live decision of each changed, at least one."""
    rows = rows.copy()
    free = numpy.array([j for j in problem.free if problem.sizes[j] > 1], dtype=numpy.int64)
    if not len(free):
        return rows
    chance = numpy.where(rows[:, free] >= 0, problem.random.random((len(rows), len(free))), 2.0)
    changed = chance < 1.0 / len(free)
    changed[numpy.arange(len(rows)), chance.argmin(axis=1)] = True
    for k, j in enumerate(free):
        hit = numpy.flatnonzero(changed[:, k] & (rows[:, j] >= 0))
        if not len(hit):
            continue
        size, here = problem.sizes[j], rows[hit, j]
        anywhere = (here + problem.random.integers(1, size, size=len(hit))) % size
        step = numpy.where(problem.random.random(len(hit)) < 0.5, -1, 1)
        beside = numpy.where((here + step < 0) | (here + step >= size), here - step, here + step)
        rows[hit, j] = numpy.where(problem.random.random(len(hit)) < NEAR, beside, anywhere)
    return problem.fill(rows)
