"""All designs of a small space, looked at one by one: what boxes can't tell of mappings and long sums, rows can.

Owns what is known of these rows. Floats are certified, what they leave open is evaluated exactly; where even that does
not tell, or takes too long, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import define, field
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import Frame, TooMany
from cospace.compiler.numbers.numbers import Decider, Program
from cospace.compiler.proofs.refute import Fact
from cospace.compiler.space.designs import Rows, decode
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, walk
from cospace.compiler.space.model import Design
from numpy.typing import NDArray

Mask = NDArray[numpy.bool_]

ROWS = 20_000
"""Designs that are listed at most."""
TRIED = 1 << 28
"""Mappings that may be tried for all of them."""
EXACT = 10_000_000
"""Expressions that may be evaluated exactly for conditions that are asked together."""
CLOSE = 64
"""Designs whose goal is compared exactly, at most."""


@define(eq=False)
class Listing:
    """rows: every live assignment of the decisions, (n, d)."""

    frame: Frame
    rows: Rows
    _truth: dict[int, tuple[Expr, Mask | None]] = field(factory=dict)

    @staticmethod
    def of(frame: Frame) -> Listing | None:
        """None where there are too many designs."""
        least = math.prod(len(d) for d, one in zip(frame.domains, frame.decisions, strict=True) if one.guard is TRUE)
        if least > ROWS * 64:
            return None
        try:
            rows = frame.enumerate(range(len(frame.decisions)), limit=ROWS)
        except TooMany:
            return None
        return Listing(frame, rows)

    def meeting(self, conditions: Sequence[Expr]) -> Mask | None:
        """At which designs each condition holds: (n, k). None where that is not known."""
        if not all(self._reads_nothing_else(e) for e in conditions):
            return None
        open_ = list({id(e): e for e in conditions if id(e) not in self._truth and not e.is_const}.values())
        if open_ and self._tries(open_):
            self._evaluate(open_)
        made = []
        for e in conditions:
            column = numpy.full(len(self.rows), e.value is True) if e.is_const else self._truth.get(id(e), (e, None))[1]
            if column is None:
                return None
            made.append(column)
        return numpy.stack(made, axis=1) if made else numpy.ones((len(self.rows), 0), dtype=numpy.bool_)

    def _reads_nothing_else(self, e: Expr) -> bool:
        return e.free <= self.frame.position.keys()

    def _evaluate(self, conditions: Sequence[Expr]) -> None:
        decider = Decider(conditions, self.frame.decisions)
        found, known, _ = decider.likely(self.rows, EXACT)
        told = known.all() and not decider.unknown
        for k, e in enumerate(conditions):
            self._truth[id(e)] = e, found[:, k] if told else None

    def _tries(self, exprs: Sequence[Expr]) -> bool:
        """Whether so many mappings may be tried."""
        problems = {id(n.payload): n.payload for n in walk(exprs) if isinstance(n.payload, MapProblem)}
        each = sum(math.prod(len(m.values) for m in p.maps) for p in problems.values())
        return each * len(self.rows) <= TRIED

    def core(self, conditions: Sequence[Expr], masks: Mapping[int, int]) -> list[int] | Design | None:
        """A design that meets all of these; else those that none meets together, by position, none of them for nothing.

        What is left out first stands last. None where it is not known. masks: decision -> values (by bits) that it may
        take, and then it is live.
        """
        met = self.meeting(conditions)
        if met is None:
            return None
        kept_rows = numpy.ones(len(self.rows), dtype=numpy.bool_)
        for v, mask in masks.items():
            bits = numpy.array([bool(mask >> k & 1) for k in range(len(self.frame.decisions[v].values))] + [False])
            kept_rows &= bits[self.rows[:, v]]
        rows, met = self.rows[kept_rows], met[kept_rows]
        good = numpy.flatnonzero(met.all(axis=1))
        if len(good):
            return decode(self.frame.decisions, rows[good[0]])
        broken = ~met
        times = broken.sum(axis=1)  # conditions of those kept that are broken at each design
        kept = []
        for k in reversed(range(len(conditions))):
            if numpy.any(broken[:, k] & (times == 1)):
                kept.append(k)
            else:
                times = times - broken[:, k]
        return kept[::-1]

    def least(self, goal: Expr, facts: Sequence[Fact]) -> tuple[bool, Design | None]:
        """Whether it is known, and the design with the least value of a goal among those that meet the facts."""
        met = self.meeting([f.value for f in facts])
        if met is None or not self._reads_nothing_else(goal) or not self._tries([goal]):
            return False, None
        rows = self.rows[met.all(axis=1)]
        if not len(rows):
            return True, None
        program = Program([goal], self.frame.decisions, certify=True)
        (values,), _, doubt = program.certified(rows)
        if numpy.any(doubt) or numpy.isnan(values).any() or not numpy.isfinite(program.errors[0]):
            return False, None
        close = numpy.flatnonzero(values <= values.min() + 2 * program.errors[0])
        _, first = numpy.unique(rows[close][:, self.frame.scope(goal)], axis=0, return_index=True)
        close = close[:1] if not program.errors[0] else close[numpy.sort(first)]
        best: tuple[Fraction, Design] | None = None
        if len(close) > CLOSE:
            return False, None
        for i in close:
            design = decode(self.frame.decisions, rows[i])
            value = exact.evaluate(goal, design)
            if not isinstance(value, Fraction):
                return False, None
            if best is None or value < best[0]:
                best = value, design
        assert best is not None
        return True, best[1]


__all__ = ["Listing"]
