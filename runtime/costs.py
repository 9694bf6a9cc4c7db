"""What is modelled, in batches: feasibility, stage costs and objectives at rows of designs. Counts every evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from cospace.compiler.numbers.numbers import Decider, Program
from cospace.compiler.space.asked import opaque
from cospace.compiler.space.designs import decode, encode
from cospace.compiler.space.graph import Expr, either, negate
from cospace.compiler.space.model import Design, Objective, Space
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


class Costs:
    """The compiled cost of one space. evaluations: designs priced so far; seconds: of the processor, spent on finding
    what meets the requirements and what it costs; inputs: what costs read beside decisions and the epoch."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.decisions = space.decisions
        self.objectives: tuple[Objective, ...] = tuple(o for o in space.objectives if not o.measured)
        self.evaluations = 0
        self.seconds = 0.0
        self._busy = False
        self.inputs: dict[str, float] = {}
        self._requirements = [
            either(negate(r.guard), r.value) for r in space.requirements if not _measured(r.value, r.guard)
        ]
        self._decider = Decider(self._requirements, space.decisions) if self._requirements else None
        self._filter = Program(self._requirements, space.decisions) if self._requirements else None
        self._known: dict[bytes, bool] = {}
        self._programs: dict[tuple[Expr, ...], Program] = {}

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count the processor's time in `seconds`; once, where one search is part of another."""
        if self._busy:
            yield
            return
        start, self._busy = time.process_time(), True
        try:
            yield
        finally:
            self.seconds, self._busy = self.seconds + time.process_time() - start, False

    def promising(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows meet every requirement as far as floats tell: a filter before `certified`. (n,)"""
        if self._filter is None or not len(rows):
            return np.ones(len(rows), bool)
        result: NDArray[np.bool_] = np.stack(self._filter(rows), axis=1).all(axis=1)
        return result

    def certified(self, rows: Rows) -> NDArray[np.bool_]:
        """Exactly which rows meet every requirement; nothing is proposed that is not. Asked once a row. (n,)"""
        if self._decider is None or not len(rows):
            return np.ones(len(rows), bool)
        keys = [row.tobytes() for row in rows]
        new = {k: i for i, k in enumerate(keys) if k not in self._known}
        if new:
            answers = self._decider.surely(rows[list(new.values())]).all(axis=1)
            self._known.update(zip(new, map(bool, answers), strict=True))
        return np.array([self._known[k] for k in keys])

    def price(self, exprs: Sequence[Expr], rows: Rows, epoch: int = 0) -> Floats:
        """Expressions at rows: (n, expressions); nan where undefined. In base units."""
        self.evaluations += len(rows)
        key = tuple(exprs)
        if key not in self._programs:
            self._programs[key] = Program(list(exprs), self.decisions)
        inputs = {"epoch": float(epoch), "step": float(epoch), **self.inputs}
        return np.stack([np.asarray(a, np.float64) for a in self._programs[key](rows, inputs)], axis=1)

    def price_feasible(self, expr: Expr, rows: Rows, epoch: int = 0) -> Floats:
        """One expression at rows, nan where floats say that a requirement fails. (n,)"""
        values = self.price([expr, *self._requirements], rows, epoch)
        return np.where(values[:, 1:].all(axis=1), values[:, 0], np.nan)

    def score_feasible(self, rows: Rows) -> Floats:
        """`score`, infinite where floats say that a requirement fails; one evaluation a row. (n,)"""
        if not len(rows):
            return np.zeros(0)
        values = self.price([o.value for o in self.objectives] + self._requirements, rows)
        kept = values[:, len(self.objectives) :].all(axis=1)
        return np.where(kept, self._combine(values), np.inf)

    def score(self, rows: Rows) -> Floats:
        """One number a row to compare accelerators by, less is better: the sum of the logarithms of what is
        modelled (a maximised objective counts negatively), or 0 where nothing is. (n,)"""
        if not self.objectives:
            return np.zeros(len(rows))
        return self._combine(self.price([o.value for o in self.objectives], rows))

    def _combine(self, values: Floats) -> Floats:
        total = np.zeros(len(values))
        with np.errstate(divide="ignore", invalid="ignore"):
            for j, objective in enumerate(self.objectives):
                logarithm = np.log(values[:, j])
                total += logarithm if objective.sense == "minimize" else -logarithm
        return np.where(np.isnan(total), np.inf, total)

    def encode(self, designs: Sequence[Design]) -> Rows:
        return encode(self.decisions, designs)

    def decode(self, row: Rows) -> Design:
        return decode(self.decisions, row)


def _measured(*exprs: Expr) -> bool:
    return "measure" in opaque(exprs)
