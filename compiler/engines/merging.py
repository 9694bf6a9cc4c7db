"""The exact front, or the exact least, of a space that falls apart into groups: partial designs, group after group.

Of all choices in the groups so far those stay that no other is at least as good as, in every quantity that the goals
and the requirements read; whatever the other groups add, the others lead to nothing better. With one goal, what can't
reach a design already known is left out, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.engines.separable import Group, Separable
from cospace.compiler.numbers.enumerate import Rows, TooMany
from numpy.typing import NDArray

Array = NDArray[Any]

CHUNK = 1 << 21
"""Pairs of partial designs and choices that are looked at together."""
PAIRS = 1 << 28
"""Of these in one merge, at most."""
STATES = 1 << 20
"""Partial designs that stay after a merge, at most."""
BEAM = 1 << 10
"""Partial designs that stay when a first design is looked for."""


@frozen(eq=False)
class Merged:
    """rows: of all decisions, in declared order; values: of the quantities; compared: pairs that were looked at."""

    rows: Rows
    values: Array
    compared: int


@frozen(eq=False)
class _Stage:
    """One group: its choices by number, and for each partial design that stayed where it comes from."""

    group: Group
    parent: Array
    choice: Array


def merge_groups(space: Separable) -> Merged:
    """Designs among which are all that could be the least, or on the front. Raises TooMany where too many stay."""
    groups = sorted((_only_good(space, g) for g in space.groups), key=lambda g: len(g.rows))
    ceiling, compared = math.inf, 0
    if len(space.goals) == 1 and len(groups) > 1:
        first = _merge(space, groups, math.inf, BEAM)
        compared += first.compared
        (goal,), truths = space.bounds(first.values, first.values)
        sure = numpy.ones(len(first.rows), dtype=bool)
        for truth in truths:
            sure &= ~truth.high
        ceiling = float(numpy.min(goal.high[sure], initial=math.inf))
    found = _merge(space, groups, ceiling, None)
    return Merged(found.rows, found.values, compared + found.compared)


def _only_good(space: Separable, group: Group) -> Group:
    stay = undominated(_compared(space, group.values))
    return Group(group.members, group.rows[stay], group.values[stay])


def _compared(space: Separable, values: Array) -> Array:
    """The numbers of (n, quantities) that have to be small."""
    columns = [values[:, k] for k, (small, _) in enumerate(space.signs) if small]
    columns += [-values[:, k] for k, (_, large) in enumerate(space.signs) if large]
    return numpy.stack(columns, axis=1) if columns else numpy.zeros((len(values), 0), dtype=numpy.int64)


def _merge(space: Separable, groups: Sequence[Group], ceiling: float, beam: int | None) -> Merged:
    rest = _rests(space, groups)
    values = space.empty[None, :]
    stages: list[_Stage] = []
    compared = 0
    for n, group in enumerate(groups):
        pairs = len(values) * len(group.rows)
        compared += pairs
        if pairs > PAIRS:
            raise TooMany(pairs, PAIRS, group.members)
        step = max(1, CHUNK // max(1, len(group.rows)))
        kept: list[tuple[Array, Array, Array]] = []
        for start in range(0, len(values), step):
            some = values[start : start + step]
            both = space.combine(some[:, None, :], group.values[None, :, :]).reshape(-1, values.shape[1])
            may, least = _can_still(space, both, rest[n + 1], ceiling)
            at = numpy.flatnonzero(may)
            at = at[undominated(_compared(space, both[at]))]
            kept.append((both[at], start * len(group.rows) + at, least[at]))
        values, code, least = (numpy.concatenate([k[i] for k in kept]) for i in range(3))
        if len(kept) > 1:
            stay = undominated(_compared(space, values))
            values, code, least = values[stay], code[stay], least[stay]
        if beam is not None and len(values) > beam:
            stay = numpy.sort(numpy.argsort(least, kind="stable")[:beam])
            values, code = values[stay], code[stay]
        if len(values) > STATES:
            raise TooMany(len(values), STATES, group.members)
        stages.append(_Stage(group, code // max(1, len(group.rows)), code % max(1, len(group.rows))))
    return Merged(_rows(space, stages, len(values)), values, compared)


def _rests(space: Separable, groups: Sequence[Group]) -> list[tuple[Array, Array]]:
    """What the groups from each on can add to the quantities: the least and the most."""
    nothing = numpy.zeros_like(space.empty)[None, :]
    for k, q in enumerate(space.quantities):
        nothing[0, k] = q.nothing
    found = [(nothing, nothing)]
    for group in reversed(groups):
        low, high = found[-1]
        if len(group.rows):
            low = space.combine(low, group.values.min(axis=0)[None, :])
            high = space.combine(high, group.values.max(axis=0)[None, :])
        found.append((low, high))
    return found[::-1]


def _can_still(space: Separable, values: Array, rest: tuple[Array, Array], ceiling: float) -> tuple[Array, Array]:
    """Which partial designs may still meet all conditions and be no worse than the ceiling; and their least goal."""
    goals, truths = space.bounds(space.combine(values, rest[0]), space.combine(values, rest[1]))
    may = numpy.ones(len(values), dtype=bool)
    for truth in truths:
        may &= truth.low
    least = goals[0].low if goals else numpy.zeros(len(values))
    for goal in goals:
        may &= ~numpy.isnan(goal.low)
    return may & ~(least > ceiling), least


def _rows(space: Separable, stages: Sequence[_Stage], n: int) -> Rows:
    rows = numpy.full((n, len(space.frame.decisions)), -1, dtype=numpy.int64)
    at = numpy.arange(n)
    for stage in reversed(stages):
        rows[:, list(stage.group.members)] = stage.group.rows[stage.choice[at]]
        at = stage.parent[at]
    return rows


__all__ = ["Merged", "merge_groups"]
