"""Rows of designs in which each decision is alive where it lives, so that changes of one decision stay in the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.designs import Rows
from cospace.compiler.space.graph import FALSE, TRUE, Expr
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Liveness:
    """Fills rows in declared order: which decisions live, and which of their values are allowed."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.decisions = tuple(decisions)
        self._levels: list[tuple[list[int], Program | None]] = []
        level_of: dict[str, int] = {}
        members: list[list[int]] = []
        for j, d in enumerate(decisions):
            conditions = [d.guard, *(d.allowed or ())]
            reads = frozenset().union(*(c.free for c in conditions))
            level = 1 + max((level_of[p] for p in reads), default=-1) if reads else 0
            level_of[d.path] = level
            while len(members) <= level:
                members.append([])
            members[level].append(j)
        for own in members:
            exprs: list[Expr] = []
            for j in own:
                exprs += [decisions[j].guard, *(decisions[j].allowed or ())]
            self._levels.append((own, Program(exprs, self.decisions) if set(exprs) - {TRUE, FALSE} else None))

    def fill(self, wanted: Rows, scores: Mapping[int, Floats] | None = None) -> Rows:
        """Rows with dead decisions at -1. wanted: an index for every decision; where one is not allowed, the allowed
        value with the largest score (n, values) is taken, or the nearest index without scores."""
        rows = np.full_like(wanted, -1)
        for level, program in self._levels:
            answers = program(rows) if program is not None else None
            position = 0
            for j in level:
                d = self.decisions[j]
                live = np.full(len(rows), d.guard is TRUE) if answers is None else np.asarray(answers[position], bool)
                position += 1
                value = wanted[:, j]
                if d.allowed is not None:
                    allowed = np.stack(
                        [
                            np.asarray(answers[position + v], bool)
                            if answers is not None
                            else np.full(len(rows), c is TRUE)
                            for v, c in enumerate(d.allowed)
                        ],
                        axis=1,
                    )
                    position += len(d.allowed)
                    score = (
                        scores[j] if scores else -np.abs(np.arange(len(d.values))[None] - value[:, None]).astype(float)
                    )
                    value = np.where(allowed, score, -np.inf).argmax(1)
                rows[:, j] = np.where(live, value, -1)
        return rows
