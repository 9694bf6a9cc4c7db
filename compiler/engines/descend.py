"""Coordinate descent with restarts, for spaces too large to list: good designs, without a proof.

Starts are drawn uniformly decision by decision; every start then tries all values of one decision after the other, all
starts in one batch. A row with fewer violated requirements is always better, so that starts need not be feasible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Array = NDArray[Any]

RESTARTS = 32
SWEEPS = 12
KEPT = 4_096
"""Feasible rows that are remembered for the answer, at most."""


def domain_conditions(decisions: Sequence[Decision]) -> list[Expr]:
    """That each live decision whose domain depends on others takes a value of it."""
    found = []
    for d in decisions:
        if d.allowed is not None:
            read = graph.var(d.path, d.type)
            fits = [
                graph.both(graph.eq(read, graph.const(v, d.type.unit)), a)
                for v, a in zip(d.values, d.allowed, strict=True)
            ]
            found.append(graph.implies(d.guard, graph.either(*fits)))
    return found


class Descent:
    """Least values of `goals` at rows of `decisions` that meet `conditions`. evaluated: rows priced so far."""

    def __init__(
        self, decisions: Sequence[Decision], conditions: Sequence[Expr], goals: Sequence[Expr], seed: int = 0
    ) -> None:
        self.decisions = tuple(decisions)
        self.width = len(goals)
        self.evaluated = 0
        self._random = numpy.random.default_rng(seed)
        self._program = Program([*goals, *conditions], self.decisions)
        self._guards = [
            None if d.guard is TRUE and d.allowed is None else Program([d.guard, *(d.allowed or ())], self.decisions)
            for d in self.decisions
        ]
        self._seen: dict[bytes, tuple[Array, Array]] = {}

    def run(self, starts: int = RESTARTS, sweeps: int = SWEEPS) -> None:
        """Look for good designs from so many starts; `found` tells them, also where this was cut short."""
        here = self.fill(self._draw(starts))
        weights = self._random.dirichlet(numpy.ones(max(1, self.width)), size=starts)
        score = self._score(here, weights)
        for _ in range(sweeps):
            before = score.copy()
            for j in self._random.permutation(len(self.decisions)):
                here, score = self._step(here, score, int(j), weights)
            if (score == before).all():
                break

    def found(self) -> tuple[Array, Array]:
        """What was met: feasible rows (n, d) and their goals (n, k) in floats, the better first by the first goal."""
        rows = [r for r, _ in self._seen.values()]
        if not rows:
            return numpy.zeros((0, len(self.decisions)), numpy.int64), numpy.zeros((0, self.width))
        values = numpy.stack([v for _, v in self._seen.values()])
        order = numpy.argsort(values[:, 0], kind="stable") if self.width else numpy.arange(len(rows))
        return numpy.stack(rows)[order], values[order]

    def fill(self, rows: Array) -> Array:
        """Rows with each decision at a value that it may take there, drawn where the given one is none; dead: -1."""
        rows = rows.copy()
        for j, (d, program) in enumerate(zip(self.decisions, self._guards, strict=True)):
            if program is None:
                drawn = self._random.integers(len(d.values), size=len(rows))
                rows[:, j] = numpy.where(rows[:, j] < 0, drawn, rows[:, j])
                continue
            masked = rows.copy()
            masked[:, j:] = [[-1 if other.guard is not TRUE else 0 for other in self.decisions[j:]]]
            live, *allowed = program(masked)
            table = numpy.repeat(live[:, None], len(d.values), axis=1)
            if allowed:
                table &= numpy.stack(allowed, axis=1)
            given = numpy.maximum(rows[:, j], 0)
            fine = (rows[:, j] >= 0) & table[numpy.arange(len(rows)), given]
            drawn = numpy.where(table, self._random.random(table.shape), -1.0).argmax(axis=1)
            # a domain that is empty here: any value, which `domain_conditions` then refuses
            rows[:, j] = numpy.where(fine, given, numpy.where(table.any(axis=1), drawn, numpy.where(live, 0, -1)))
        return rows

    def _draw(self, n: int) -> Array:
        columns = [self._random.integers(len(d.values), size=n) for d in self.decisions]
        return numpy.stack(columns, axis=1) if columns else numpy.zeros((n, 0), numpy.int64)

    def _step(self, here: Array, score: Array, j: int, weights: Array) -> tuple[Array, Array]:
        size = len(self.decisions[j].values)
        live = numpy.flatnonzero(here[:, j] >= 0)
        if size < 2 or not len(live):
            return here, score
        tried = numpy.repeat(here[live], size, axis=0)
        tried[:, j] = numpy.tile(numpy.arange(size), len(live))
        tried = self.fill(tried)
        found = self._score(tried, numpy.repeat(weights[live], size, axis=0)).reshape(len(live), size)
        pick = found.argmin(axis=1)
        least = found[numpy.arange(len(live)), pick]
        better = least < score[live]
        here, score = here.copy(), score.copy()
        here[live[better]] = tried.reshape(len(live), size, -1)[better, pick[better]]
        score[live[better]] = least[better]
        return here, score

    def _score(self, rows: Array, weights: Array) -> Array:
        """Less is better; a violated requirement weighs more than any goal."""
        self.evaluated += len(rows)
        found = self._program(rows)
        goals = numpy.stack([*found[: self.width], numpy.zeros(len(rows))], axis=1)[:, : max(1, self.width)]
        violated = sum((~f for f in found[self.width :]), numpy.zeros(len(rows), dtype=numpy.int64))
        violated += numpy.isnan(goals).any(axis=1)
        for i in numpy.flatnonzero(violated == 0):
            self._remember(rows[i], goals[i, : self.width])
        # the logarithm of each goal, shifted to be positive: mixing goals then needs no scale
        slow = numpy.sign(goals) * (numpy.log(numpy.maximum(numpy.abs(goals), 1e-300)) + 700.0)
        with numpy.errstate(invalid="ignore"):
            mixed = (slow * weights).sum(axis=1) / 2_000.0
        scores: Array = numpy.where(violated > 0, 1.0 + violated, numpy.nan_to_num(mixed, nan=math.inf))
        return scores

    def _remember(self, row: Array, goals: Array) -> None:
        self._seen[row.tobytes()] = (row.copy(), goals.copy())
        if len(self._seen) > 2 * KEPT:
            order = sorted(self._seen.items(), key=lambda item: tuple(item[1][1]))
            self._seen = dict(order[:KEPT])
