"""The exact front, or the exact least, of a space that falls apart into groups: partial designs, group after group.

Of all choices in the groups so far those stay that no other is at least as good as, in every quantity that the goals
and the requirements read; whatever the other groups add, the others lead to nothing better. With one goal, what can't
reach a design already known is left out, too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy
from attrs import field, frozen, mutable
from cospace.compiler.engines.dominance import front
from cospace.compiler.engines.hub import needed
from cospace.compiler.engines.separable import Group, Separable
from cospace.compiler.numbers.enumerate import Rows, TooMany
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

Array = NDArray[Any]

CHUNK = 1 << 21
"""Pairs of partial designs and choices that are looked at together."""
PAIRS = 1 << 24
"""Of these at one setting of the hub, at most."""
ALL = 1 << 24
"""Of these at all settings, at most."""
FRONT_PAIRS, FRONT_ALL = 1 << 27, 1 << 32
"""The same where a front is asked of few numbers."""
MANY = 1 << 14
"""Designs of a front that are kept before those that others beat are left out, at least."""
FEW = 3
"""Numbers of a partial design that are compared, up to which a sort tells what stays."""
BEAM = 1 << 9
"""Partial designs that stay when a first design is looked for."""
SOME = 16
"""Settings at which good designs are looked for once one had too many partial designs."""
WIDE = 8
"""So many times as many are compared then."""


@frozen(eq=False)
class Merged:
    """rows: of all decisions, in declared order; values: (words, rows); compared: pairs that were looked at.

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
    rows, values: designs; those that others beat are left out now and then where a front is asked of few numbers.
    """

    space: Separable
    ceiling: float = math.inf
    compared: int = 0
    bound: float = math.inf
    left: int = 0
    is_open: bool = field(init=False)
    """Whether no partial design can be left out by itself: its goals have values, and nothing is asked of it."""
    rows: list[Rows] = field(factory=list)
    values: list[Array] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        space = self.space
        ends = [id(q.node) for q in space.quantities]
        self.is_open = len(space.goals) > 1 and not space.conditions and _have_values(space.goals, ends)

    @property
    def is_front(self) -> bool:
        """Whether a front is asked, of few numbers."""
        return len(self.space.goals) > 1 and sum(map(sum, self.space.signs)) <= FEW

    @property
    def limits(self) -> tuple[int, int]:
        """Pairs at one setting, and at all."""
        return (FRONT_PAIRS, FRONT_ALL) if self.is_front else (PAIRS, ALL)


def _have_values(goals: Sequence[Expr], ends: Collection[int]) -> bool:
    """Whether goals are surely defined where what they are made of is. ends: ids of nodes that have a value."""
    seen = set(ends)
    stack = list(goals)
    while stack:
        e = stack.pop()
        if id(e) in seen or e.is_const:
            continue
        if e.op not in ("add", "mul", "max", "min", "floor", "ceil", "abs"):
            return False
        seen.add(id(e))
        stack.extend(e.args)
    return True


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
    if len(space.goals) > 1:
        settings = needed(space, settings)
    for n in settings[numpy.argsort(least[settings], kind="stable")]:
        if least[n] > state.ceiling:
            break
        if state.compared > state.limits[1] or state.left > SOME:
            _leave(state, float(least[n]), TooMany(state.compared, state.limits[1], space.hub))
            break
        if state.is_front and _is_beaten(state, low[:, n], high[:, n]):
            continue
        _at_setting(state, int(n), float(least[n]))
    rows = numpy.concatenate([numpy.zeros((0, len(space.frame.decisions)), dtype=numpy.int64), *state.rows])
    values = numpy.concatenate([numpy.zeros((space.words.count, 0), dtype=numpy.int64), *state.values], axis=1)
    return Merged(rows, values, state.compared, state.bound)


def open_choices(space: Separable, ceiling: float) -> list[int]:
    """For each group how many of its choices may be part of a design that is no worse, whatever the hub and others."""
    if not len(space.settings) or not all(len(g.rows) for g in space.groups):
        return [len(g.rows) for g in space.groups]
    words = space.words
    ends = [(words.least(g.values), words.most(g.values)) for g in space.groups]
    counts = []
    for n, group in enumerate(space.groups):
        low, high = words.least(space.empty), words.most(space.empty)
        for least, most in ends[:n] + ends[n + 1 :]:
            low, high = words.combine(low, least), words.combine(high, most)
        may, _ = _can_still(space, words.combine(group.values, low), words.combine(group.values, high), ceiling)
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


def _is_beaten(state: _Merging, low: Array, high: Array) -> bool:
    """Whether a known design is as good as any whose quantities are in these bounds. low, high: (words,)"""
    space = state.space
    for values in state.values:
        beats = numpy.ones(values.shape[1], dtype=bool)
        for k, (small, large) in enumerate(space.signs):
            inexact = int(space.words.fine[k] >= 0)
            if small:
                beats &= values[k] + inexact <= low[k]
            if large:
                beats &= values[k] >= high[k] + inexact
        if beats.any():
            return True
    return False


def _keep(state: _Merging, rows: Rows, values: Array) -> None:
    state.rows.append(rows)
    state.values.append(values)
    sizes = [len(r) for r in state.rows]
    if state.is_front and sum(sizes[1:]) > max(sizes[0], MANY):
        rows, values = numpy.concatenate(state.rows), numpy.concatenate(state.values, axis=1)
        stay = _good(state.space, values)
        state.rows, state.values = [rows[stay]], [values[:, stay]]
    if len(state.space.goals) == 1:
        _lower(state, values)


def _lower(state: _Merging, values: Array) -> None:
    """The ceiling down to the least of some designs that surely meet all conditions."""
    (goal,), truths = state.space.bounds(values, values)
    sure = numpy.ones(values.shape[1], dtype=bool)
    for truth in truths:
        sure &= ~truth.high
    state.ceiling = min(state.ceiling, float(numpy.min(goal.high[sure], initial=math.inf)))


def _only_good(space: Separable, group: Group) -> Group:
    """Without choices that another is at least as good as; a few of these may stay."""
    try:
        stay = _good(space, group.values)
    except TooMany:
        return group
    return Group(group.members, group.rows[stay], group.values[:, stay], group.starts)


def _good(space: Separable, values: Array) -> Array:
    """Which columns of (words, n) stay: no other is at least as good as they in each number that counts."""
    columns = [space.words.keys(k, values, 1) for k, (small, _) in enumerate(space.signs) if small]
    columns += [space.words.keys(k, values, -1) for k, (_, large) in enumerate(space.signs) if large]
    return front(columns, values.shape[1])


def _merge(state: _Merging, setting: int, groups: Sequence[Group], beam: int | None) -> tuple[Rows, Array]:
    """Designs at a setting and their quantities."""
    space = state.space
    values = space.empty[:, setting : setting + 1]
    rest = _rests(space, groups)
    stages: list[_Stage] = []
    compared = 0
    for n, group in enumerate(groups):
        pairs = values.shape[1] * len(group.rows)
        if compared + pairs > state.limits[0]:
            raise TooMany(compared + pairs, state.limits[0], group.members)
        compared += pairs
        state.compared += pairs
        step = max(1, CHUNK // max(1, len(group.rows)))
        kept = []
        for start in range(0, max(1, values.shape[1]), step):
            found = _pairs(state, values[:, start : start + step], group.values, rest[n + 1], beam)
            kept.append((found[0], start + found[1], *found[2:]))
        values, parent, choice, least = (numpy.concatenate(part, axis=-1) for part in zip(*kept, strict=True))
        if len(kept) > 1:
            stay = _good(space, values)
            values, parent, choice, least = values[:, stay], parent[stay], choice[stay], least[stay]
        if beam is not None and len(least) > beam:
            stay = numpy.sort(numpy.argsort(least, kind="stable")[:beam])
            values, parent, choice = values[:, stay], parent[stay], choice[stay]
        stages.append(_Stage(group, parent, choice))
    return _rows(space, setting, stages, values.shape[1]), values


def _pairs(
    state: _Merging, some: Array, own: Array, rest: tuple[Array, Array], beam: int | None
) -> tuple[Array, Array, Array, Array]:
    """Partial designs with every choice of one more group: what stays of their quantities, partial designs, choices and
    least goals. Those of one choice follow each other, which mostly are in order."""
    space = state.space
    both = space.words.combine(own[:, :, None], some[:, None, :]).reshape(len(own), -1)
    if state.is_open:
        at = _good(space, both)
        least = numpy.zeros(len(at))
    else:
        low, high = (space.words.combine(both, end) for end in rest)
        may, least = _can_still(space, low, high, state.ceiling)
        at = numpy.flatnonzero(may)
        if beam is not None and len(at) > WIDE * beam:
            at = numpy.sort(at[numpy.argpartition(least[at], WIDE * beam)[: WIDE * beam]])
        at = at[_good(space, both[:, at])]
        least = least[at]
    choice, parent = numpy.divmod(at, max(1, some.shape[1]))
    return both[:, at], parent, choice, least


def _rests(space: Separable, groups: Sequence[Group]) -> list[tuple[Array, Array]]:
    """What the groups from each on can add to the quantities: the least and the most."""
    words = space.words
    found = [(words.nothing, words.nothing)]
    for group in reversed(groups):
        low, high = found[-1]
        if len(group.rows):
            low = words.combine(low, words.least(group.values))
            high = words.combine(high, words.most(group.values))
        found.append((low, high))
    return found[::-1]


def _can_still(space: Separable, low: Array, high: Array, ceiling: float) -> tuple[Array, Array]:
    """Which may still meet all conditions and be no worse than the ceiling, and their least goal.

    low, high: what their quantities can be.
    """
    goals, truths = space.bounds(low, high)
    may = numpy.ones(low.shape[1], dtype=bool)
    for truth in truths:
        may &= truth.low
    least = goals[0].low if goals else numpy.zeros(low.shape[1])
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
