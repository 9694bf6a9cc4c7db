"""What every engine searches: rows of a space, what they cost, and how many were priced so far.

An engine draws rows, prices them, and goes on until `price` raises `Spent`. Each row that is priced anew counts one
evaluation, feasible or not; rows that were met before are remembered and count nothing. What was met stays here, so
that an engine which is stopped anywhere loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.engines.exhaustive import conditions_of
from cospace.compiler.engines.liveness import Liveness
from cospace.compiler.engines.starts import Starts
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space import graph
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Decision, Space
from numpy.typing import NDArray

Array = NDArray[Any]
Watch = Callable[[int, float], None]
"""Told of evaluations so far and of the least value of the first goal among feasible rows."""

KEPT = 4_096
"""Feasible rows that are remembered for the answer, at most."""
REMEMBERED = 400_000
"""Rows whose price is remembered, at most."""
VIOLATED = 1e300
"""What one violated requirement scores: more than any goal."""


class Spent(Exception):
    """As many rows were priced as may be."""


@frozen(eq=False)
class Priced:
    """goals: (n, k), less is better; violated: (n,) how many requirements a row fails, as far as floats tell."""

    goals: Array
    violated: Array


class Problem:
    """Least values of the modelled objectives over the feasible rows of a space.

    evaluated: rows priced so far, `budget` at most. random: what every engine draws from. free: which decisions are
    searched, all at first; the others stay as in `base`. uniform: whether draws are uniform over what is feasible.
    """

    def __init__(self, space: Space, budget: int, seed: int = 0, watch: Watch | None = None) -> None:
        objectives = [o for o in space.objectives if is_modelled(o.value)]
        self.space = space
        self.decisions = space.decisions
        self.goals: list[Expr] = [o.value if o.sense == "minimize" else graph.negative(o.value) for o in objectives]
        self.conditions = [c for c in (*conditions_of(space), *domain_conditions(space.decisions)) if c is not TRUE]
        self.width = len(self.goals)
        self.sizes = [len(d.values) for d in self.decisions]
        self.budget = budget
        self.evaluated = 0
        self.random = numpy.random.default_rng(seed)
        self.free = list(range(len(self.decisions)))
        self.base: Array | None = None
        self.least = math.inf
        self._seed = seed
        self._watch = watch
        self._program = Program([*self.goals, *self.conditions], self.decisions)
        self._liveness = Liveness(self.decisions)
        self._partial: dict[tuple[int, ...], Program] = {}
        self._known: dict[bytes, tuple[Array, int]] = {}
        self._kept: dict[bytes, tuple[Array, Array]] = {}

    # ---- rows

    def fill(self, rows: Array) -> Array:
        """Rows with each decision at a value that it may take there, drawn where the given one is none; dead: -1."""
        wanted, scores = rows.copy(), {}
        for j, d in enumerate(self.decisions):
            if d.allowed is None:
                unset = wanted[:, j] < 0
                if unset.any():
                    wanted[unset, j] = self.random.integers(self.sizes[j], size=int(unset.sum()))
                continue
            noise = self.random.random((len(rows), self.sizes[j]))
            given = numpy.flatnonzero(rows[:, j] >= 0)
            noise[given, rows[given, j]] += 1.0
            scores[j] = noise
        return self._liveness.fill(wanted, scores)

    def draw(self, n: int) -> Array:
        """n feasible rows where that can be prepared, uniform unless few are feasible; else decision by decision.

        Where some decisions stay as in `base`, the first row is that one.
        """
        rows = self._draw(n)
        fixed = [j for j in range(len(self.decisions)) if j not in self.free]
        if self.base is None or not fixed or not n:
            return rows
        rows[:, fixed] = self.base[fixed]
        rows = self.fill(rows)
        rows[0] = self.base
        return rows

    def others(self, n: int) -> Array:
        """n rows for whoever sets all free decisions: those that are not free as `draw` has them."""
        if len(self.free) == len(self.decisions):
            return numpy.zeros((n, len(self.decisions)), numpy.int64)
        return self.draw(n)

    @property
    def uniform(self) -> bool:
        """Whether `draw` is uniform over what is feasible."""
        return self._starts is not None and not self._starts.short

    @cached_property
    def _starts(self) -> Starts | None:
        return Starts.prepare(self.space)

    def _draw(self, n: int) -> Array:
        if self._starts is not None:
            rows = self._starts.draw(n, self.random, self.evaluated)
            if len(rows) == n:
                return rows
            self._starts = None
        return self.fill(numpy.full((n, len(self.decisions)), -1, numpy.int64))

    # ---- prices

    def price(self, rows: Array) -> Priced:
        """What rows cost; raises Spent when the budget ends within them, what could be priced being kept."""
        keys = [row.tobytes() for row in rows]
        new: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            if key not in self._known:
                new.setdefault(key, i)
        left = self.budget - self.evaluated
        asked = list(new.values())[: max(left, 0)]
        if asked:
            self._evaluate(rows[asked], [keys[i] for i in asked])
        if len(asked) < len(new):
            raise Spent
        found = [self._known[key] for key in keys]
        priced = Priced(
            numpy.array([g for g, _ in found]).reshape(len(rows), self.width), numpy.array([v for _, v in found])
        )
        if len(self._known) > REMEMBERED:
            self._known.clear()
        return priced

    def score(self, rows: Array, weights: Array | None = None) -> Array:
        """One number a row, less is better; a violated requirement weighs more than any goal. weights: (n, k)."""
        priced = self.price(rows)
        scores: Array = numpy.where(priced.violated > 0, VIOLATED * priced.violated, self.mixed(priced.goals, weights))
        return scores

    def mixed(self, goals: Array, weights: Array | None = None) -> Array:
        """Goals (n, k) as one number a row, whatever the row violates. weights: (n, k) or (k,)"""
        if self.width == 1:
            alone: Array = goals[:, 0]
            return alone
        told = slow(goals)
        mixed: Array = (told if weights is None else told * weights).sum(axis=1)
        return mixed

    def recalled(self, rows: Array) -> Array:
        """Goals of rows that were priced before, feasible or not, as far as they are remembered; else NaN. (n, k)"""
        goals = numpy.full((len(rows), self.width), numpy.nan)
        for i, row in enumerate(rows):
            known = self._known.get(row.tobytes())
            if known is not None:
                goals[i] = known[0]
        return goals

    def weights(self, n: int) -> Array:
        """How n searches weigh the goals, each in its own way. (n, k)"""
        return self.random.dirichlet(numpy.ones(max(1, self.width)), size=n)[:, : self.width]

    def leading(self, weights: Array) -> Array:
        """For each row of weights the best row met so far, or a fresh one where none was feasible. (n, d)"""
        rows, values = self.found()
        if not len(rows):
            return self.draw(len(weights))
        best = (slow(values)[None] * weights[:, None]).sum(axis=2).argmin(axis=1)
        chosen: Array = rows[best]
        return chosen

    @contextmanager
    def until(self, evaluated: int) -> Iterator[None]:
        """What is done in this block ends quietly when so many rows were priced."""
        budget, self.budget = self.budget, min(self.budget, evaluated)
        try:
            yield
        except Spent:
            if self.budget == budget:
                raise
        finally:
            self.budget = budget

    def starts(self, known: int = 0) -> Iterator[None]:
        """One start after the other, until one meets no more than so many new rows."""
        before = -math.inf
        while self.evaluated - before > known:
            before = self.evaluated
            yield

    def steps(self, stale: int) -> Iterator[None]:
        """One step after the other, until so many in a row met nothing new."""
        idle = 0
        while idle < stale:
            before = self.evaluated
            yield
            idle = idle + 1 if self.evaluated == before else 0

    def found(self) -> tuple[Array, Array]:
        """What was met: feasible rows (n, d) and their goals (n, k) in floats, the better first by the first goal."""
        rows = [r for r, _ in self._kept.values()]
        if not rows:
            return numpy.zeros((0, len(self.decisions)), numpy.int64), numpy.zeros((0, self.width))
        values = numpy.stack([v for _, v in self._kept.values()])
        order = numpy.lexsort((numpy.arange(len(rows)), values[:, 0])) if self.width else numpy.arange(len(rows))
        return numpy.stack(rows)[order], values[order]

    def evaluate(self, rows: Array) -> tuple[Array, Array]:
        """Goals (n, k) and violated requirements (n,) of rows, neither remembered nor counted."""
        found = self._program(rows)
        goals = numpy.stack([*found[: self.width], numpy.zeros(len(rows))], axis=1)[:, : self.width]
        return goals, self._violated(goals, found[self.width :], len(rows))

    def _violated(self, goals: Array, holds: Sequence[Array], n: int) -> Array:
        violated: Array = sum((~f for f in holds), numpy.zeros(n, dtype=numpy.int64))
        return violated + numpy.isnan(goals).any(axis=1)

    def known(self, rows: Array, goals: Sequence[int]) -> tuple[Array, Array]:
        """Some goals (n, k) and violated requirements (n,) of rows, for who knows them without an evaluation."""
        asked = tuple(goals)
        if asked not in self._partial:
            self._partial[asked] = Program([*(self.goals[k] for k in asked), *self.conditions], self.decisions)
        found = self._partial[asked](rows)
        values = numpy.stack([*found[: len(asked)], numpy.zeros(len(rows))], axis=1)[:, : len(asked)]
        return values, self._violated(values, found[len(asked) :], len(rows))

    def _evaluate(self, rows: Array, keys: Sequence[bytes]) -> None:
        self.evaluated += len(rows)
        goals, violated = self.evaluate(rows)
        for i, key in enumerate(keys):
            self._known[key] = goals[i], int(violated[i])
        for i in numpy.flatnonzero(violated == 0).tolist():
            self._kept[keys[i]] = rows[i].copy(), goals[i]
            if self.width:
                self.least = min(self.least, float(goals[i, 0]))
        if len(self._kept) > 2 * KEPT:
            order = sorted(self._kept.items(), key=lambda item: tuple(item[1][1]))
            self._kept = dict(order[:KEPT])
        if self._watch is not None:
            self._watch(self.evaluated, self.least)


def slow(goals: Array) -> Array:
    """The logarithm of each goal, shifted to be positive: mixing goals then needs no scale."""
    shifted: Array = numpy.sign(goals) * (numpy.log(numpy.maximum(numpy.abs(goals), 1e-300)) + 700.0)
    return shifted


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
