"""Engines that learn a distribution over designs: by the gradient of what is drawn, or of full conditionals.

A distribution that has settled ends near an optimum, not on it: the last evaluations descend from the best that was
met, every value of every decision tried. Each decision has logits of its own, moved by Adam (Kingma and Ba, 2015).
Costs enter as logarithms less the mean of the batch, so that no scale has to be set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy
from attrs import Factory, field, frozen
from cospace.compiler.engines.climb import kicked
from cospace.compiler.engines.problem import Priced, Problem, slow
from numpy.typing import NDArray

Array = NDArray[Any]

DRAWN = 0.1
"""Share of the evaluations that go to designs drawn first; a distribution begins at what the best of them are."""
ELITE = 8
"""Of so many of these one is among the best."""
POLISHED = 0.5
"""Share of the evaluations that descend from the best met, kicked where that stands still."""
STALE = 50
"""Steps without a new row before a search begins anew."""
RATE, PUBLISHED_RATE = 0.05, 1e-7
"""Adam's step of the differentiable search, with a baseline and as it was published."""
WORSE = 2.0
"""What an infeasible row costs more than the worst feasible one of its batch, in natural logarithms."""


class _Logits:
    """Logits of each free decision and the state of Adam."""

    def __init__(self, problem: Problem, rate: float) -> None:
        self.problem, self.rate, self.steps = problem, rate, 0
        self.values = {j: numpy.zeros(problem.sizes[j]) for j in problem.free}
        self._first = {j: numpy.zeros(problem.sizes[j]) for j in problem.free}
        self._second = {j: numpy.zeros(problem.sizes[j]) for j in problem.free}

    def begin(self, n: int) -> None:
        """At what the best of n drawn designs take, each decision by itself: less likely what none of them takes."""
        if n < ELITE:
            return
        rows = self.problem.draw(n)
        costs, _ = _costs(self.problem, self.problem.price(rows))
        best = rows[numpy.argsort(costs, kind="stable")[: n // ELITE]]
        for j, values in self.values.items():
            taken = best[best[:, j] >= 0, j]
            counts = numpy.bincount(taken, minlength=len(values)) + 1.0
            values[:] = numpy.log(counts / counts.sum())

    def chances(self, j: int, temperature: float = 1.0) -> Array:
        shifted = numpy.exp((self.values[j] - self.values[j].max()) / temperature)
        chances: Array = shifted / shifted.sum()
        return chances

    def draw(self, n: int, temperature: float) -> tuple[Array, dict[int, Array]]:
        """n rows by Gumbel noise, and for each decision the softened choices (n, values)."""
        rows, soft = self.problem.others(n), {}
        for j in self.problem.free:
            noisy = self.values[j] + self.problem.random.gumbel(size=(n, self.problem.sizes[j]))
            rows[:, j] = noisy.argmax(axis=1)
            shifted = numpy.exp((noisy - noisy.max(axis=1, keepdims=True)) / temperature)
            soft[j] = shifted / shifted.sum(axis=1, keepdims=True)
        return self.problem.fill(rows), soft

    def learn(self, gradients: dict[int, Array]) -> None:
        self.steps += 1
        for j, gradient in gradients.items():
            first, second = self._first[j], self._second[j]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            spread = numpy.sqrt(second / (1 - 0.999**self.steps)) + 1e-8
            self.values[j] -= self.rate * first / (1 - 0.9**self.steps) / spread


@frozen
class Das:
    """Differentiable accelerator search (Zhang et al., 2021): designs drawn by Gumbel noise, each choice's softened
    probability weighted with the cost of the whole.

    baseline: whether the batch's mean is taken off first; as published it is not, and what is infeasible is dropped.
    rate: Adam's step. As published it is 1e-7, with which a distribution stays as it began and draws at random; larger
    steps push down whatever is feasible, as costs are positive, so that more and more of what is drawn is not.
    """

    name: ClassVar[str] = "differentiable search"
    samples: int = 2_000
    temperature: float = 1.0
    baseline: bool = True
    rate: float = field(default=Factory(lambda self: RATE if self.baseline else PUBLISHED_RATE, takes_self=True))
    batch: int = 8

    @property
    def evaluations(self) -> int:
        return self.samples

    def run(self, problem: Problem) -> None:
        """Until the budget is spent; anew where nothing new is met, until that happens at once."""
        _search(problem, self._learn, POLISHED if self.baseline else 0.0)

    def _learn(self, problem: Problem) -> None:
        logits, scale = _Logits(problem, self.rate), 0.0
        if self.baseline:
            logits.begin(_share(problem, DRAWN))
        else:  # what it learns drops what is infeasible, and where few designs are feasible it draws none by itself
            problem.price(problem.draw(self.batch))
        for _ in problem.steps(STALE):
            rows, soft = logits.draw(self.batch, self.temperature)
            costs, fine = _costs(problem, problem.price(rows))
            if self.baseline:
                costs = costs - costs.mean()
            else:  # as published: costs themselves, infeasible samples dropped
                scale = scale or (float(costs[fine][0]) if fine.any() else 0.0)
                costs = numpy.where(fine, numpy.exp(numpy.clip(costs - scale, -50.0, 50.0)), 0.0)
            logits.learn(
                {j: self._gradient(share, rows[:, j], costs) for j, share in soft.items() if (rows[:, j] >= 0).any()}
            )

    def _gradient(self, share: Array, chosen: Array, costs: Array) -> Array:
        """Of the cost times the softened probability of what was chosen. share: (n, values)."""
        live = numpy.flatnonzero(chosen >= 0)
        own = share[live, chosen[live]]
        pull = -share[live] * own[:, None]
        pull[numpy.arange(len(live)), chosen[live]] += own
        gradient: Array = (costs[live, None] * pull).mean(axis=0) / self.temperature
        return gradient


@frozen
class Expectation:
    """Local expectation gradients (Titsias and Lázaro-Gredilla, 2015): of each decision every value is priced, the rest
    of the design as drawn; so the gradient has no noise of its own, and costs that jump are no trouble."""

    name: ClassVar[str] = "local expectation gradients"
    evaluations: int = 2_000
    samples: int = 2
    rate: float = 0.3

    def run(self, problem: Problem) -> None:
        """Until the budget is spent; anew where nothing new is met, until that happens at once."""
        _search(problem, self._learn, POLISHED)

    def _learn(self, problem: Problem) -> None:
        logits = _Logits(problem, self.rate)
        logits.begin(_share(problem, DRAWN))
        for _ in problem.steps(STALE):
            rows, _ = logits.draw(self.samples, 1.0)
            gradients = {}
            for j in problem.random.permutation(problem.free).tolist():
                size, live = problem.sizes[j], rows[rows[:, j] >= 0]
                if size < 2 or not len(live):
                    continue
                tried = numpy.repeat(live, size, axis=0)
                tried[:, j] = numpy.tile(numpy.arange(size), len(live))
                costs, _ = _costs(problem, problem.price(problem.fill(tried)))
                table = costs.reshape(len(live), size)
                chances = logits.chances(j)
                level = (table * chances).sum(axis=1, keepdims=True)
                gradients[j] = (chances * (table - level)).mean(axis=0)
            logits.learn(gradients)


def _search(problem: Problem, learn: Callable[[Problem], None], polished: float) -> None:
    """Learn anew and anew for all but a share of the evaluations; for these descend from the best met."""
    with problem.until(problem.evaluated + _share(problem, 1 - polished)):
        for _ in problem.starts():
            learn(problem)
    if polished:
        kicked(problem)


def _share(problem: Problem, part: float) -> int:
    """So many of the evaluations that are left."""
    return int(part * (problem.budget - problem.evaluated))


def _costs(problem: Problem, priced: Priced) -> tuple[Array, Array]:
    """A cost in natural logarithms for each row, goals weighed alike, and which rows are feasible. (n,)"""
    told = slow(priced.goals).mean(axis=1) if problem.width else numpy.zeros(len(priced.violated))
    fine = priced.violated == 0
    worst = told[fine].max() if fine.any() else 0.0
    return numpy.where(fine, told, worst + WORSE * priced.violated), fine


@frozen
class Uniform:
    """Designs drawn uniformly from all that are feasible."""

    name: ClassVar[str] = "uniform draws"
    evaluations: int = 2_000
    batch: int = 64

    def run(self, problem: Problem) -> None:
        """Until the budget is spent, or nothing new was met for long."""
        for _ in problem.steps(STALE):
            problem.price(problem.draw(self.batch))
