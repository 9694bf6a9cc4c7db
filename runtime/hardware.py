"""The best accelerator for a network: every one of them where they can be listed, coordinate descent where not."""

from __future__ import annotations

import math

import numpy as np
from cospace.compiler.designs import DesignError
from cospace.compiler.model import Design
from cospace.runtime.costs import Costs, Floats, Rows
from cospace.runtime.distribution import Liveness
from cospace.runtime.registry import refuse

LISTED = 400_000
"""Accelerators that are listed at most."""
SHORT = 256


class Hardware:
    """Best accelerators for many networks of one space. `complete`: whether answers come from the whole list."""

    def __init__(self, costs: Costs, open_decisions: list[int], seed: int) -> None:
        self.costs = costs
        self.open = open_decisions
        self.random = np.random.default_rng([seed, 7])
        self.liveness = Liveness(costs.decisions)
        sizes = [len(costs.decisions[j].values) for j in open_decisions]
        self.complete = math.prod(sizes) <= LISTED
        self._listed: Rows | None = None
        self._short: list[Rows] = []
        self._cache: dict[bytes, tuple[Rows, float] | None] = {}

    def find_best(self, row: Rows) -> tuple[Rows, float] | None:
        """The certified row (1, d) with the least score among all accelerators for the network of `row`, and that
        score; None when no accelerator serves it."""
        if not self.open:
            return self._first_certified(row, self.costs.score(row))
        closed = row.copy()
        closed[:, self.open] = -1
        key = closed.tobytes()
        if key not in self._cache:
            self._cache[key] = self._search(row)
            found = self._cache[key]
            if found is not None and not any((s == found[0][:, self.open]).all() for s in self._short):
                self._short = [*self._short, found[0][:, self.open]][-SHORT:]
        return self._cache[key]

    def estimate(self, row: Rows) -> tuple[Rows, float] | None:
        """A certified row near the best, among accelerators that were best for other networks; else the best."""
        if not self.open or not self._short:
            return self.find_best(row)
        rows = np.repeat(row, len(self._short), 0)
        rows[:, self.open] = np.concatenate(self._short)
        rows = self._consistent(rows)
        found = self._first_certified(rows, self._scores(rows)) if len(rows) else None
        return found or self.find_best(row)

    def remember(self, rows: Rows) -> None:
        """Add the accelerators of some rows to those that `estimate` tries."""
        for row in rows:
            if not any((s == row[None, self.open]).all() for s in self._short):
                self._short.append(row[None, self.open])

    # ---- searching

    def _search(self, row: Rows) -> tuple[Rows, float] | None:
        if not self.complete:
            return self._descend(row)
        if self._listed is None:
            self._listed = self._list(row)
        rows = np.repeat(row, len(self._listed), 0)
        rows[:, self.open] = self._listed
        rows = self._consistent(rows)
        return self._first_certified(rows, self._scores(rows))

    def _list(self, row: Rows) -> Rows:
        """All accelerators that meet the requirements which read nothing else."""
        grids = np.meshgrid(*[np.arange(len(self.costs.decisions[j].values)) for j in self.open], indexing="ij")
        wanted = np.repeat(row, grids[0].size, 0)
        for j, grid in zip(self.open, grids, strict=True):
            wanted[:, j] = grid.ravel()
        filled = self.liveness.fill(np.maximum(wanted, 0))
        rows: Rows = np.unique(filled[:, self.open], axis=0)
        full = np.repeat(row, len(rows), 0)
        full[:, self.open] = rows
        return rows[self.costs.promising_among(full, {self.costs.decisions[j].path for j in self.open})]

    def _consistent(self, rows: Rows) -> Rows:
        """Rows whose live decisions are those that live there."""
        return rows[(self.liveness.fill(np.maximum(rows, 0)) == rows).all(1)]

    def _scores(self, rows: Rows) -> Floats:
        return self.costs.score_feasible(rows)

    def _first_certified(self, rows: Rows, scores: Floats) -> tuple[Rows, float] | None:
        for i in np.argsort(scores, kind="stable"):
            if not np.isfinite(scores[i]):
                return None
            if self.costs.certified(rows[i : i + 1])[0]:
                return rows[i : i + 1].copy(), float(scores[i])
        return None

    def _descend(self, row: Rows, restarts: int = 8, sweeps: int = 6) -> tuple[Rows, float] | None:
        """Coordinate descent from feasible starts: all values of one decision at a time."""
        best: tuple[Rows, float] | None = None
        starts = np.repeat(row, 256, 0)
        for j in self.open:
            starts[:, j] = self.random.integers(len(self.costs.decisions[j].values), size=len(starts))
        starts[: len(row)] = row
        starts = self.liveness.fill(np.maximum(starts, 0))
        scores = self._scores(starts)
        order = [i for i in np.argsort(scores, kind="stable") if np.isfinite(scores[i])][:restarts]
        for i in order:
            here, score = starts[i : i + 1].copy(), float(scores[i])
            for _ in range(sweeps):
                before = score
                for j in self.open:
                    size = len(self.costs.decisions[j].values)
                    tried = np.repeat(here, size, 0)
                    tried[:, j] = np.arange(size)
                    tried = self.liveness.fill(np.maximum(tried, 0))
                    found = self._first_certified(tried, self._scores(tried))
                    if found is not None and found[1] < score:
                        here, score = found
                if score >= before:
                    break
            if (best is None or score < best[1]) and self.costs.certified(here)[0]:
                best = here, score
        return best


def row_of(costs: Costs, design: Design) -> Rows:
    """A design as a row (1, d).

    Raises:
        SpecError: CS708 when it is not a design of this space.
    """
    unknown = [path for path in design if path not in {d.path for d in costs.decisions}]
    if unknown:
        raise refuse("CS708", f"`{unknown[0]}` is no decision of this space")
    try:
        return costs.encode([design])
    except DesignError as error:
        raise refuse("CS708", str(error)) from error
