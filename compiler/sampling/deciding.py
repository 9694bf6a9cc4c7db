"""Which proposals meet every check, exactly: where most fail, the checks that tell so are asked before the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from cospace.compiler.numbers.enumerate import Clause, Mask
from cospace.compiler.numbers.numbers import Decider
from cospace.compiler.space.designs import Rows
from cospace.compiler.space.graph import both, implies
from cospace.compiler.space.model import Decision

SEEN = 1 << 14
"""Proposals after which it is looked at which checks they fail."""
PILOT = 1 << 12
"""Proposals that every check is asked about for that."""
RARE = 1 / 8
"""Share of the proposals that meet every check, from which on it pays to ask some checks first."""
GAIN = 0.8
"""What asking some first may take of what asking all does."""


class Staged:
    """All checks of a component over its decisions; (n, k) rows to (n,) Booleans."""

    def __init__(self, checks: Sequence[Clause], decisions: Sequence[Decision]) -> None:
        self._wanted = [implies(c.guard, c.value) for c in checks]
        self._decisions = decisions
        self._all = Decider([both(*self._wanted)], decisions)
        self._first: Decider | None = None
        self._seen = self._met = 0

    @property
    def work(self) -> int:
        """Numbers that are worked out for a proposal that fails."""
        return (self._first or self._all).program.width

    def __call__(self, rows: Rows) -> Mask:
        """Raises Undecided at a row that meets what is asked first where the others can't be decided."""
        if self._first is None:
            held: Mask = self._all(rows)[:, 0]
        else:
            held = self._first(rows)[:, 0]
            left = numpy.flatnonzero(held)
            held[left] = self._all(rows[left])[:, 0]
        before, self._seen = self._seen, self._seen + len(rows)
        self._met += int(numpy.count_nonzero(held))
        if before < SEEN <= self._seen and len(self._wanted) > 1 and self._met < RARE * self._seen:
            self._first = self._strictest(rows[:PILOT])
        return held

    def _strictest(self, rows: Rows) -> Decider | None:
        """The fewest checks that fail nearly all proposals, each the one that most of those left fail."""
        fails = ~Decider(self._wanted, self._decisions, like=self._all)(rows)
        left = numpy.ones(len(rows), dtype=bool)
        chosen: list[int] = []
        while True:
            counts = fails[left].sum(axis=0)
            k = int(counts.argmax())
            if not counts[k]:
                break
            chosen.append(k)
            left &= ~fails[:, k]
            if left.sum() <= len(rows) // 64:
                break
        first = Decider([both(*(self._wanted[k] for k in sorted(chosen)))], self._decisions, like=self._all)
        return first if first.program.width < GAIN * self._all.program.width else None


__all__ = ["Staged"]
