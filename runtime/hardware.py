"""The best accelerator for a network: from tables over all of them where layers share nothing but sums and the like, by
going through all where they can be listed, by coordinate descent where not."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from attrs import evolve
from cospace.compiler.engines.apart import best_apart
from cospace.compiler.engines.best import complete, only_read, restrict
from cospace.compiler.engines.exhaustive import Exhaustive
from cospace.compiler.engines.group_tables import Tangled
from cospace.compiler.engines.liveness import Liveness
from cospace.compiler.engines.tabulated import Tabulated
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.graph import const, div, mul
from cospace.compiler.space.model import Design, Objective
from cospace.runtime.costs import Costs, Floats, Rows
from cospace.runtime.registry import refuse

LISTED = 400_000
"""Accelerators that are listed at most."""
SHORT = 256


class Hardware:
    """Best accelerators for many networks of one space. complete: whether answers come from the whole list; apart:
    whether they are looked for part by part; listed: how many were compared for one network; accelerators: their
    decisions (1, open) which were the best for some network, `SHORT` at most."""

    def __init__(self, costs: Costs, open_decisions: list[int], seed: int) -> None:
        self.costs = costs
        self.open = open_decisions
        self.random = np.random.default_rng([seed, 7])
        self.liveness = Liveness(costs.decisions)
        sizes = [len(costs.decisions[j].values) for j in open_decisions]
        self.complete = math.prod(sizes) <= LISTED
        self.apart = bool(open_decisions)
        self.listed = 0
        self.accelerators: list[Rows] = []
        self._paths = frozenset(costs.decisions[j].path for j in open_decisions)
        self._tables: Tabulated | None = None
        self._exhaustive: Exhaustive | None = None
        self._cache: dict[bytes, tuple[Rows, float] | None] = {}
        self._proofs: dict[bytes, str] = {}

    @property
    def proves(self) -> bool:
        """Whether the best for a network is found as a whole, and quickly, rather than by descents."""
        return not self.open or self.complete or self.apart

    def find_best(self, row: Rows) -> tuple[Rows, float] | None:
        """The certified row (1, d) with the least score among all accelerators for the network of `row`, and that
        score; None when no accelerator serves it."""
        if not self.open:
            return self._first_certified(row, self.costs.score(row))
        closed = row.copy()
        closed[:, self.open] = -1
        key = closed.tobytes()
        if key not in self._cache:
            with self.costs.busy():
                self._cache[key], how = self._search(row)
            if how:
                self._proofs[key] = how
            found = self._cache[key]
            if found is not None and not any((s == found[0][:, self.open]).all() for s in self.accelerators):
                self.accelerators = [*self.accelerators, found[0][:, self.open]][-SHORT:]
        return self._cache[key]

    def proof(self, row: Rows) -> str | None:
        """How it is proved that no accelerator is better for the network of `row` than its own; None where that is
        not."""
        if not self.open:
            return None
        best, closed = self.find_best(row), row.copy()
        closed[:, self.open] = -1
        equal = best is not None and math.isclose(best[1], float(self.costs.score(row)[0]), rel_tol=0, abs_tol=1e-12)
        return self._proofs.get(closed.tobytes()) if equal else None

    def estimate(self, row: Rows) -> tuple[Rows, float] | None:
        """The best where tables tell it at once, else a certified row near it: the best of the accelerators that were
        best for other networks."""
        if not self.open or not self.accelerators or self._tables is not None:
            return self.find_best(row)
        found = self.known(row, 1)
        return found[0] if found else self.find_best(row)

    def known(self, rows: Rows, n: int) -> list[tuple[Rows, float]]:
        """The first n of some networks (m, d) that an accelerator serves which was the best for another; each certified
        (1, d) on the best of those, and its score."""
        if not self.accelerators or not len(rows):
            return []
        found: list[tuple[Rows, float]] = []
        with self.costs.busy():
            short = np.concatenate(self.accelerators)
            every = np.repeat(rows, len(short), 0)
            every[:, self.open] = np.tile(short, (len(rows), 1))
            same = (self.liveness.fill(np.maximum(every, 0)) == every).all(1)
            scores = np.full(len(every), np.inf)
            scores[same] = self._scores(every[same])
            for i in range(len(rows)):
                own = slice(i * len(short), (i + 1) * len(short))
                best = self._first_certified(every[own], scores[own])
                found += [best] if best is not None else []
                if len(found) == n:
                    break
        return found

    def remember(self, rows: Rows) -> None:
        """Add the accelerators of some rows to those that `estimate` tries."""
        for row in rows:
            if not any((s == row[None, self.open]).all() for s in self.accelerators):
                self.accelerators.append(row[None, self.open])

    # ---- searching

    def _search(self, row: Rows) -> tuple[tuple[Rows, float] | None, str]:
        """By every accelerator where they can be listed (`Tabulated`, `Exhaustive`), else part by part, else by
        descent; and how that proves the best, "" where it does not."""
        if self.complete:
            try:
                found = self._look_up(row) if self._tabulated else self._prove(row)
                return found, f"every accelerator compared, {self.listed:,} of them"
            except TooMany:
                self.complete = False
        if self.apart:
            found = self._take_apart(row)
            if found is not None:
                return found, "its parts compared one by one; nothing is left out that could be better"
        return self._descend(row), ""

    def _take_apart(self, row: Rows) -> tuple[Rows, float] | None:
        """The best, proved, where the accelerators are too many to list and their parts share nothing but sums and the
        like. Once they do not, it is not tried again."""
        fixed = {path: v for path, v in self.costs.decode(row[0]).items() if path not in self._paths}
        space = evolve(self.costs.space, objectives=self._objectives())
        core = only_read(restrict(space, fixed))
        if core.objectives[0].value.is_const:
            return None  # the same on every accelerator, which says nothing of the next network
        try:
            found = best_apart(core)
        except Undecided:
            found = None
        if found is None:
            self.apart = False
            return None
        self.costs.evaluations += found.evaluated
        self.listed = max(self.listed, found.evaluated)
        if not found.certified or not found.designs:
            return None
        best = self.costs.encode(complete(space, fixed, core, found).designs[:1])
        return self._first_certified(best, self.costs.score(best))

    @cached_property
    def _tabulated(self) -> bool:
        """Whether there are tables; they are made when first asked for."""
        try:
            self._tables = Tabulated(self.costs.space, self._paths, *self._objectives(), limit=LISTED)
        except (Tangled, Undecided):
            return False
        return True

    def _look_up(self, row: Rows) -> tuple[Rows, float] | None:
        assert self._tables is not None
        closed = [j for j in range(len(self.costs.decisions)) if j not in set(self.open)]
        try:
            step = self._tables.best(row[0, closed])
        except Undecided:
            return self._prove(row)
        self.listed = len(self._tables.rows)
        self.costs.evaluations += self.listed
        if step is None:
            return None
        best = row.copy()
        best[0, sorted(self.open)] = self._tables.rows[step.row]
        return self._first_certified(best, self.costs.score(best)) or self._prove(row)

    def _prove(self, row: Rows) -> tuple[Rows, float] | None:
        if self._exhaustive is None:
            self._exhaustive = Exhaustive(self.costs.space, self._paths, self._objectives())
        fixed = {path: v for path, v in self.costs.decode(row[0]).items() if path not in self._paths}
        found = self._exhaustive.best(fixed)
        self.costs.evaluations += found.evaluated
        self.listed = max(self.listed, found.evaluated)
        if not found.designs:
            return None
        best = self.costs.encode(found.designs[:1])
        return best, float(self.costs.score(best)[0])

    def _objectives(self) -> tuple[Objective, ...]:
        """What `Costs.score` compares, as one exact objective: the product of what is minimised over what is
        maximised. Monotonous in the sum of logarithms wherever all are positive."""
        wanted = self.costs.objectives
        if not wanted:
            return (Objective(const(0), "minimize", "nothing is modelled"),)
        over = [o.value for o in wanted if o.sense == "minimize"] or [const(1)]
        under = [o.value for o in wanted if o.sense != "minimize"]
        value = div(mul(*over), mul(*under)) if under else mul(*over)
        return (Objective(value, "minimize", "score"),)

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
