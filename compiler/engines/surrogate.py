"""A search for objectives of which one is dear: told by an evaluation alone, such as the error of a trained network.

All others are known of every design at once. What the dear one may be is believed by a Gaussian process of the designs
that were evaluated (`gaussian`); next are those by which the front is expected to grow most (`improvement`). Where
there are several known objectives, each round weighs them in a way of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from attrs import frozen
from cospace.compiler.engines.evolve import mutate
from cospace.compiler.engines.gaussian import FITTED, Beliefs, Kernel, Points, fit, kernel_of
from cospace.compiler.engines.improvement import expected, stairs
from cospace.compiler.engines.problem import Problem, Spent, slow
from numpy.typing import NDArray

Array = NDArray[Any]

LISTED = 50_000
"""Designs that are all candidates; where there are more, some are drawn and bred in each round."""
DRAWN, BRED, KICKED = 500, 1_500, 3
"""Candidates of a round that are drawn, and bred from the best, where not all are; decisions that breeding changes."""
FIRST = 0.04
"""Share of the evaluations that are spread over the known objectives, before anything is believed."""
ROUNDS = 120
"""In so many rounds the evaluations are asked for."""
ANEW = 1.2
"""By what factor the evaluations grow before rates are fitted again."""
FLOOR = 1.6
"""How far below the least value met beliefs have their floor, as a share of how far the median is above it."""
STEPS, MORE = 40, 10
"""Of the first fit, and of each later one."""
REMEMBERED = 800
"""Evaluations that beliefs rest on, at most: the newest, and the front."""
LOOKED_AT = 400
"""Candidates, the best by the first look of a round, among which the others of the round are."""
BEYOND = 0.05
"""How far beyond what is known and met the corner of the front's area lies, as a share of what they span."""


@frozen
class Surrogate:
    """asked: which objective only an evaluation tells, from 0; the others, and all requirements, are known."""

    name: ClassVar[str] = "a model of the objective that is dear"
    evaluations: int = 500
    asked: int = 0

    def run(self, problem: Problem) -> None:
        """Until the budget is spent, or nothing new is met."""
        Looked(problem, self.asked, problem.budget - problem.evaluated).run()


class Looked:
    """One search. values, seen: of the evaluated designs, the dear objective and the rows with what is known."""

    def __init__(self, problem: Problem, asked: int, evaluations: int) -> None:
        self.problem, self.asked, self.evaluations = problem, asked, evaluations
        self.others = [k for k in range(problem.width) if k != asked]
        self.rows = numpy.zeros((0, len(problem.sizes)), numpy.int64)
        self.known = numpy.zeros((0, len(self.others)))
        self.values = numpy.zeros(0)
        self.all = self._list()
        self.kernel: Kernel = kernel_of(problem.decisions, len(self.others))
        self.fitted = 0

    def run(self) -> None:
        first = max(4, int(FIRST * self.evaluations))
        rows, known = self._candidates()
        if not len(rows):
            return
        self._ask(rows[_spread(self._mix(known, self._weights()), first, self.problem.random)])
        size = max(1, self.evaluations // ROUNDS)
        beliefs: Beliefs | None = None
        while True:
            if self.all is None or beliefs is None or len(self.values) >= ANEW * self.fitted:
                rows, known = self._candidates()
                new = self._unseen(rows)
                rows, known = rows[new], known[new]
                if not len(rows):
                    return
                beliefs = self._believe(rows, known)
                left = numpy.ones(len(rows), dtype=bool)
            if not left.any():
                return
            at = self._choose(beliefs, known, left, size)
            left[at] = False
            beliefs.add(at, self._scaled(self._ask(rows[at])))

    # ---- candidates

    def _list(self) -> tuple[Array, Array] | None:
        """All designs that meet every requirement, with what is known of them; None where there are too many."""
        problem = self.problem
        sizes = [problem.sizes[j] if j in problem.free else 1 for j in range(len(problem.sizes))]
        if numpy.prod([float(s) for s in sizes]) > LISTED:
            return None
        rows = numpy.stack(numpy.unravel_index(numpy.arange(int(numpy.prod(sizes))), sizes), axis=1)
        fixed = [j for j in range(len(sizes)) if j not in problem.free]
        if problem.base is not None and fixed:
            rows[:, fixed] = problem.base[fixed]
        filled = problem.fill(rows)
        return self._feasible(filled[(numpy.maximum(filled, 0) == numpy.maximum(rows, 0)).all(axis=1)])

    def _candidates(self) -> tuple[Array, Array]:
        if self.all is not None:
            return self.all
        drawn = self.problem.draw(DRAWN)
        best = self.rows[stairs(self._mix(self.known, self._weights()), self.values)] if len(self.rows) else drawn
        bred = best[self.problem.random.integers(len(best), size=BRED)]
        for _ in range(KICKED):
            again = self.problem.random.random(len(bred)) < 1 / KICKED
            bred = numpy.concatenate([bred[~again], mutate(self.problem, bred[again])])
        return self._feasible(numpy.unique(numpy.concatenate([drawn, mutate(self.problem, bred)]), axis=0))

    def _feasible(self, rows: Array) -> tuple[Array, Array]:
        goals, violated = self.problem.known(rows, self.others)
        fit_ = violated == 0
        return rows[fit_], slow(goals[fit_])

    def _unseen(self, rows: Array) -> Array:
        met = {row.tobytes() for row in self.rows}
        return numpy.array([row.tobytes() not in met for row in rows], dtype=bool)

    # ---- what is known together

    def _weights(self) -> Array:
        """How a round weighs the known objectives."""
        if len(self.others) < 2:
            return numpy.ones(len(self.others))
        return self.problem.random.dirichlet(numpy.ones(len(self.others)))

    def _mix(self, known: Array, weights: Array) -> Array:
        return known @ weights

    # ---- asking and believing

    def _ask(self, rows: Array) -> Array:
        """The dear objective of rows, which are evaluated; what the budget still allows before it ends the search."""
        problem = self.problem
        allowed = rows[: max(1, problem.budget - problem.evaluated)]
        values = problem.price(allowed).goals[:, self.asked]
        goals, _ = problem.known(allowed, self.others)
        self.rows = numpy.concatenate([self.rows, allowed])
        self.known = numpy.concatenate([self.known, slow(goals)])
        self.values = numpy.concatenate([self.values, values])
        if problem.evaluated >= problem.budget:
            raise Spent
        return values

    def _scaled(self, values: Array) -> Array:
        """Logarithms of what values are above the floor: beliefs tell apart what is good, less so what is bad."""
        return numpy.log(numpy.maximum(values - self.floor, self.tiny))

    def _believe(self, rows: Array, known: Array) -> Beliefs:
        """Of candidates, from the evaluations so far; rates are fitted again where these have grown enough."""
        shift, scale = known.mean(axis=0), known.std(axis=0)
        scale[scale == 0] = 1.0
        kept = numpy.arange(len(self.values))
        if len(kept) > REMEMBERED:
            front = stairs(self._mix(self.known, self._weights()), self.values)
            kept = numpy.union1d(front, kept[-REMEMBERED + len(front) :])
        seen = Points(self.rows[kept], (self.known[kept] - shift) / scale)
        least, middle = float(self.values.min()), float(numpy.median(self.values))
        below = FLOOR * (middle - least) or FLOOR * abs(least) or 1.0
        self.floor, self.tiny = least - below, 1e-3 * below
        values = self._scaled(self.values[kept])
        if len(self.values) >= ANEW * self.fitted:
            some = numpy.arange(len(kept))
            if len(some) > FITTED:
                some = self.problem.random.choice(len(kept), FITTED, replace=False)
            self.kernel = fit(self.kernel, seen.take(some), values[some], MORE if self.fitted else STEPS)
            self.fitted = len(self.values)
        return Beliefs(self.kernel, Points(rows, (known - shift) / scale), seen, values)

    def _choose(self, beliefs: Beliefs, known: Array, left: Array, size: int) -> Array:
        """The candidates by which the front is expected to grow most, one after the other as if each were what it is
        believed to be."""
        weights = self._weights()
        costs, met = self._mix(known, weights), self._mix(self.known, weights)
        mean, deviation = beliefs.mean, beliefs.deviation
        values = self.values
        span = numpy.ptp(numpy.concatenate([costs, met])) or 1.0
        right = max(costs.max(), met.max()) + BEYOND * span
        among = numpy.flatnonzero(left)
        chosen: list[int] = []
        while len(chosen) < size and len(among):
            front = stairs(met, values)
            levels = values[front]
            top = levels[0] + BEYOND * (levels[0] - levels[-1]) if len(front) > 1 else float(values.max())
            known_front = met[front], levels - self.floor
            growth = expected(mean[among], deviation[among], costs[among], known_front, top - self.floor, right)
            best = int(growth.argmax())
            chosen.append(int(among[best]))
            met = numpy.append(met, costs[among[best]])
            values = numpy.append(values, self.floor + numpy.exp(mean[among[best]]))
            if len(chosen) == 1 and len(among) > LOOKED_AT:
                kept = numpy.argpartition(growth, -LOOKED_AT)[-LOOKED_AT:]
                among = among[kept[kept != best]]
            else:
                among = numpy.delete(among, best)
        return numpy.array(chosen, dtype=numpy.int64)


def _spread(costs: Array, many: int, random: numpy.random.Generator) -> Array:
    """Positions of candidates: the cheapest, and one at random of each of equally many groups by cost."""
    order = numpy.argsort(costs, kind="stable")
    groups = [g for g in numpy.array_split(order[1:], max(1, many - 1)) if len(g)]
    return numpy.concatenate([order[:1], [random.choice(g) for g in groups]]).astype(numpy.int64)


__all__ = ["Surrogate"]
