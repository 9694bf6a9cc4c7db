"""Requirements of which one reads all that the others do: no sum of them falls apart, so its assignments are listed.

The decisions that they read together are the hubs of a plan without groups. Its rows are their assignments that meet
first what is known by tables, then these requirements, decided in one batch that solves each work once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING

import numpy
from cospace.compiler.counting.eliminate import Factor, TooLarge
from cospace.compiler.counting.hubs import Plan, close_over_guards, outer_groups
from cospace.compiler.numbers.enumerate import Clause, Frame, Mask, Rows, TooMany
from cospace.compiler.numbers.measure import DOUBTED, SPREAD, WIDTH
from cospace.compiler.space.graph import implies

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

Wanted = Set[tuple[int, int]]
"""Decisions and the indices of their values."""
FIRST = 1 << 14
"""Assignments that are decided first, to see which values they show; four times as many each next time."""


def list_plan(
    frame: Frame, variables: Sequence[int], factors: Sequence[Factor], narrow: Sequence[Clause],
    wide: Sequence[Clause], read: set[tuple[int, ...]], limits: Limits, wanted: Wanted | None = None,
) -> Plan | None:  # fmt: skip
    """read: what the parts of the wide clauses read that can't be taken apart. None where they fall apart, or where
    there are too many assignments. wanted: values of which it is enough that some rows of the plan have those that any
    may have. Raises Undecided."""
    whole = close_over_guards(frame, {v for c in wide for v in c.scope})
    if not any(close_over_guards(frame, set(scope)) == whole for scope in read):
        return None
    order = tuple(sorted(whole))
    try:
        outer = outer_groups(frame, variables, factors, whole, limits)
        rows = frame.enumerate(order, [c for c in narrow if whole.issuperset(c.scope)], limit=limits.rows)
    except (TooMany, TooLarge):
        return None
    from cospace.compiler.numbers.numbers import Decider

    decide = Decider([implies(c.guard, c.value) for c in wide], [frame.decisions[v] for v in order])
    if len(rows) * max(1, decide.program.width // WIDTH) > limits.terms:
        return None
    some = rows[numpy.arange(min(len(rows), SPREAD)) * len(rows) // SPREAD] if len(rows) > SPREAD else rows
    doubted = int(decide.program.certified(some)[2].sum())
    if doubted * len(rows) > DOUBTED * len(some):
        return None
    if wanted is None or not all(v in whole for v, _ in wanted):
        return Plan(order, rows[decide(rows).all(axis=1)], (), tuple(outer))
    shown = _show(rows, [(order.index(v), k) for v, k in wanted], decide)
    return Plan(order, shown, (), tuple(outer))


def _show(rows: Rows, wanted: Sequence[tuple[int, int]], decide: Callable[[Rows], Mask]) -> Rows:
    """Rows that hold, with every wanted value that one of them has; more are decided only for what is not shown yet."""
    random = numpy.random.default_rng(len(rows))
    fresh = numpy.ones(len(rows), dtype=bool)
    found = [rows[:0]]
    left, size = list(wanted), FIRST
    while left:
        asked = numpy.zeros(len(rows), dtype=bool)
        for column, k in left:
            asked |= rows[:, column] == k
        at = numpy.flatnonzero(asked & fresh)
        if not len(at):
            break
        if len(at) > size:
            at = random.choice(at, size, replace=False)
        fresh[at] = False
        met = rows[at][decide(rows[at]).all(axis=1)]
        left = [(column, k) for column, k in left if not (met[:, column] == k).any()]
        size *= 4
        found.append(met)
    return numpy.concatenate(found)


__all__ = ["Wanted", "list_plan"]
