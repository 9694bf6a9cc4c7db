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
from attrs import field, frozen, mutable
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.engines.separable import Group, Separable
from cospace.compiler.numbers.enumerate import Rows, TooMany
from numpy.typing import NDArray

Array = NDArray[Any]

CHUNK = 1 << 21
"""Pairs of partial designs and choices that are looked at together."""
PAIRS = 1 << 24
"""Of these at one setting of the hub, at most."""
ALL = 1 << 24
"""Of these at all settings, at most."""
BEAM = 1 << 9
"""Partial designs that stay when a first design is looked for."""
SOME = 16
"""Settings at which good designs are looked for once one had too many partial designs."""
WIDE = 8
"""So many times as many are compared then."""


@frozen(eq=False)
class Merged:
    """rows: of all decisions, in declared order; values: of the quantities; compared: pairs that were looked at.

    bound: where not all was looked at, what the only goal is at least in the rest; `inf` where all was.
    """

    rows: Rows
    values: Array
    compared: int
    bound: float


@frozen(eq=False)
class _Stage:
    """One group: its choices by number, and for each partial design that stayed where it comes from."""

    group: Group
    parent: Array
    choice: Array


@mutable(eq=False)
class _Merging:
    """What is known so far. ceiling: no design that is worse by the only goal is of interest.

    bound, left: what the goal is at least where not all was looked at, and at how many settings.
    """

    space: Separable
    ceiling: float = math.inf
    compared: int = 0
    bound: float = math.inf
    left: int = 0
    rows: list[Rows] = field(factory=list)
    values: list[Array] = field(factory=list)


def merge_groups(space: Separable) -> Merged:
    """Designs among which are all that could be the least, or on the front. Raises TooMany where too many stay.

    With one goal that is no end: a good design is among them then, and no other is less than `bound`.
    """
    state = _Merging(space)
    low, high = space.limits()
    may, least = _can_still(space, low, high, math.inf)
    for group in space.groups:
        may &= numpy.diff(group.starts) > 0
    settings = numpy.flatnonzero(may)
    for n in settings[numpy.argsort(least[settings], kind="stable")]:
        if least[n] > state.ceiling:
            break
        if state.compared > ALL or state.left > SOME:
            _leave(state, float(least[n]), TooMany(state.compared, ALL, space.hub))
            break
        _at_setting(state, int(n), float(least[n]))
    rows = numpy.concatenate([numpy.zeros((0, len(space.frame.decisions)), dtype=numpy.int64), *state.rows])
    values = numpy.concatenate([numpy.zeros((0, len(space.quantities)), dtype=numpy.int64), *state.values])
    return Merged(rows, values, state.compared, state.bound)


def open_choices(space: Separable, ceiling: float) -> list[int]:
    """For each group how many of its choices may be part of a design that is no worse, whatever the hub and others."""
    if not len(space.settings) or not all(len(g.rows) for g in space.groups):
        return [len(g.rows) for g in space.groups]
    ends = [(g.values.min(axis=0)[None, :], g.values.max(axis=0)[None, :]) for g in space.groups]
    counts = []
    for n, group in enumerate(space.groups):
        low, high = space.empty.min(axis=0)[None, :], space.empty.max(axis=0)[None, :]
        for least, most in ends[:n] + ends[n + 1 :]:
            low, high = space.combine(low, least), space.combine(high, most)
        may, _ = _can_still(space, space.combine(group.values, low), space.combine(group.values, high), ceiling)
        counts.append(int(may.sum()))
    return counts


def _leave(state: _Merging, least: float, why: TooMany | None) -> None:
    """Something is not looked at, at which the only goal is at least this."""
    if why is not None and len(state.space.goals) != 1:
        raise why
    state.bound = min(state.bound, least)
    state.left += 1


def _at_setting(state: _Merging, setting: int, least: float) -> None:
    space = state.space
    groups = sorted((_only_good(space, g.at(setting)) for g in space.groups), key=lambda g: len(g.rows))
    state.compared += sum(len(g.rows) for g in groups)
    try:
        if len(space.goals) == 1 and (state.ceiling == math.inf or state.bound < math.inf):
            _keep(state, *_merge(state, setting, groups, BEAM))
        if state.bound < math.inf:  # as at another setting
            return _leave(state, least, None)
        _keep(state, *_merge(state, setting, groups, None))
    except TooMany as why:
        _leave(state, least, why)


def _keep(state: _Merging, rows: Rows, values: Array) -> None:
    state.rows.append(rows)
    state.values.append(values)
    if len(state.space.goals) == 1:
        _lower(state, values)


def _lower(state: _Merging, values: Array) -> None:
    """The ceiling down to the least of some designs that surely meet all conditions."""
    (goal,), truths = state.space.bounds(values, values)
    sure = numpy.ones(len(values), dtype=bool)
    for truth in truths:
        sure &= ~truth.high
    state.ceiling = min(state.ceiling, float(numpy.min(goal.high[sure], initial=math.inf)))


def _only_good(space: Separable, group: Group) -> Group:
    """Without choices that another is at least as good as; a few of these may stay."""
    try:
        stay = undominated(_compared(space, group.values))
    except TooMany:
        return group
    return Group(group.members, group.rows[stay], group.values[stay], group.starts)


def _compared(space: Separable, values: Array) -> Array:
    """The numbers of (n, quantities) that have to be small."""
    columns = [values[:, k] for k, (small, _) in enumerate(space.signs) if small]
    columns += [-values[:, k] for k, (_, large) in enumerate(space.signs) if large]
    return numpy.stack(columns, axis=1) if columns else numpy.zeros((len(values), 0), dtype=numpy.int64)


def _merge(state: _Merging, setting: int, groups: Sequence[Group], beam: int | None) -> tuple[Rows, Array]:
    """Designs at a setting and their quantities."""
    space = state.space
    values = space.empty[setting : setting + 1]
    rest = _rests(space, groups)
    stages: list[_Stage] = []
    compared = 0
    for n, group in enumerate(groups):
        pairs = len(values) * len(group.rows)
        if compared + pairs > PAIRS:
            raise TooMany(compared + pairs, PAIRS, group.members)
        compared += pairs
        state.compared += pairs
        step = max(1, CHUNK // max(1, len(group.rows)))
        kept: list[tuple[Array, Array, Array]] = []
        for start in range(0, max(1, len(values)), step):
            some = values[start : start + step]
            both = space.combine(some[:, None, :], group.values[None, :, :]).reshape(-1, values.shape[1])
            low, high = (space.combine(both, end) for end in rest[n + 1])
            may, least = _can_still(space, low, high, state.ceiling)
            at = numpy.flatnonzero(may)
            if beam is not None and len(at) > WIDE * beam:
                at = numpy.sort(at[numpy.argpartition(least[at], WIDE * beam)[: WIDE * beam]])
            at = at[undominated(_compared(space, both[at]))]
            kept.append((both[at], start * len(group.rows) + at, least[at]))
        values, code, least = (numpy.concatenate([k[i] for k in kept]) for i in range(3))
        if len(kept) > 1:
            stay = undominated(_compared(space, values))
            values, code, least = values[stay], code[stay], least[stay]
        if beam is not None and len(values) > beam:
            stay = numpy.sort(numpy.argsort(least, kind="stable")[:beam])
            values, code = values[stay], code[stay]
        stages.append(_Stage(group, code // max(1, len(group.rows)), code % max(1, len(group.rows))))
    return _rows(space, setting, stages, len(values)), values


def _rests(space: Separable, groups: Sequence[Group]) -> list[tuple[Array, Array]]:
    """What the groups from each on can add to the quantities: the least and the most."""
    nothing = numpy.array([[q.nothing for q in space.quantities]], dtype=numpy.int64)
    found = [(nothing, nothing)]
    for group in reversed(groups):
        low, high = found[-1]
        if len(group.rows):
            low = space.combine(low, group.values.min(axis=0)[None, :])
            high = space.combine(high, group.values.max(axis=0)[None, :])
        found.append((low, high))
    return found[::-1]


def _can_still(space: Separable, low: Array, high: Array, ceiling: float) -> tuple[Array, Array]:
    """Which may still meet all conditions and be no worse than the ceiling, and their least goal.

    low, high: what their quantities can be.
    """
    goals, truths = space.bounds(low, high)
    may = numpy.ones(len(low), dtype=bool)
    for truth in truths:
        may &= truth.low
    least = goals[0].low if goals else numpy.zeros(len(low))
    for goal in goals:
        may &= ~numpy.isnan(goal.low)
    return may & ~(least > ceiling), least


def _rows(space: Separable, setting: int, stages: Sequence[_Stage], n: int) -> Rows:
    rows = numpy.full((n, len(space.frame.decisions)), -1, dtype=numpy.int64)
    rows[:, list(space.hub)] = space.settings[setting]
    at = numpy.arange(n)
    for stage in reversed(stages):
        rows[:, list(stage.group.members)] = stage.group.rows[stage.choice[at]]
        at = stage.parent[at]
    return rows


__all__ = ["Merged", "merge_groups", "open_choices"]
