"""Which decisions to condition on, so that the terms of long sums fall apart into groups.

A `Plan` holds the hubs (most joined first, until every group left has few options), their assignments, and the groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from attrs import frozen
from cospace.compiler.counting.eliminate import Elimination, Factor, TooLarge, eliminate
from cospace.compiler.counting.sums import Sum, Term
from cospace.compiler.numbers.enumerate import Clause, Frame, Rows, TooMany, unite

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

GROUP = 2_000
"""More options than this in a group, and one more decision becomes a hub."""
HUBS = 64
WIDE = 1 << 19
"""Options of a group that a few hubs leave, where two sums are compared point by point."""
POINTS = 1 << 26
"""Options of all groups at all rows of hubs, then."""
SETS = 400
"""Sets of hubs that are tried."""


@frozen(eq=False)
class Plan:
    """hubs: conditioned on; rows: their assignments that meet the clauses within.

    groups: what sums read, apart; outer: the others, each summed out to tables over hubs.
    """

    hubs: tuple[int, ...]
    rows: Rows
    groups: tuple[tuple[int, ...], ...]
    outer: tuple[Outer, ...]


@frozen(eq=False)
class Outer:
    """Decisions that no sum reads, with all factors that do; `reads`: the hubs among their scopes."""

    members: tuple[int, ...]
    factors: tuple[Factor, ...]
    reads: tuple[int, ...]
    left: Elimination


def term_scope(frame: Frame, term: Term) -> tuple[int, ...]:
    return frame.scope(*term.conditions, *([] if term.atom is None else [term.atom]))


def read_scopes(frame: Frame, sums: Sequence[Sum], loose: Sequence[Clause]) -> set[tuple[int, ...]]:
    """What the parts of sums and whole clauses read that can't be taken apart."""
    read = {term_scope(frame, t) for s in sums for t in s.terms} | {c.scope for c in loose}
    return read | {frame.scope(*conditions, c) for s in sums for conditions, c in s.settled}


def make_plan(
    frame: Frame, variables: Sequence[int], structure: Sequence[Factor], factors: Sequence[Factor],
    clauses: Sequence[Clause], loose: Sequence[Clause], sums: Sequence[Sum], limits: Limits, wide: bool = False,
) -> Plan:  # fmt: skip
    """clauses: those with a table among `factors`; loose: those without. Raises TooMany.

    wide: where two sums are asked, few hubs and large groups are taken if that is fewer options in all.
    """
    read = read_scopes(frame, sums, loose)
    scopes = {f.scope for f in factors} | read
    asked = {v for scope in read for v in scope}
    hubs: set[int] = set()
    for s in sums:
        hubs |= set(frame.scope(*s.guards))
    hubs = close_over_guards(frame, hubs)
    found = _choose_hubs(frame, variables, structure, factors, scopes, asked, hubs, GROUP, limits)
    if wide and len(sums) > 1 and not loose:
        few = _separate(frame, variables, scopes, hubs)
        if few is not None and few[0] < _options_in_all(frame, variables, scopes, found[0]):
            found = _choose_hubs(frame, variables, structure, factors, scopes, asked, few[1], WIDE, limits)
    hubs, inner, outer = found
    order = tuple(sorted(hubs))
    within = [c for c in (*clauses, *loose) if set(c.scope) <= hubs]
    rows = frame.enumerate(order, within, limit=limits.rows)
    return Plan(order, rows, tuple(tuple(g) for g in inner), tuple(outer))


def _choose_hubs(
    frame: Frame, variables: Sequence[int], structure: Sequence[Factor], factors: Sequence[Factor],
    scopes: set[tuple[int, ...]], asked: set[int], hubs: set[int], most: int, limits: Limits,
) -> tuple[set[int], list[list[int]], list[Outer]]:  # fmt: skip
    """One more hub after another, until no group has more than `most` options: hubs, groups, others."""
    while True:
        left = [v for v in variables if v not in hubs]
        groups = _groups(left, scopes)
        inner = [g for g in groups if not asked.isdisjoint(g)]
        big = [g for g in inner if _options_bound(frame, g, structure) > most]
        outer: list[Outer] = []
        if not big:
            for g in groups:
                if asked.isdisjoint(g):
                    try:
                        outer.append(_sum_out(frame, g, factors, hubs, limits))
                    except TooLarge:
                        big.append(g)
            if not big:
                return hubs, inner, outer
        degree = {v: 0 for g in big for v in g}
        for v in degree:
            degree[v] = len(set().union(*(s for s in scopes if v in s)) - hubs)
        chosen = max(degree, key=lambda v: (degree[v], -v))
        hubs = close_over_guards(frame, hubs | {chosen})
        if len(hubs) > HUBS:
            raise TooMany(limits.rows + 1, limits.rows, sorted(hubs))


def outer_groups(
    frame: Frame, variables: Sequence[int], factors: Sequence[Factor], hubs: set[int], limits: Limits
) -> list[Outer]:
    """All that are no hubs, where no sum reads them. Raises TooLarge."""
    groups = _groups([v for v in variables if v not in hubs], {f.scope for f in factors})
    return [_sum_out(frame, g, factors, hubs, limits) for g in groups]


def _separate(
    frame: Frame, variables: Sequence[int], scopes: set[tuple[int, ...]], hubs: set[int]
) -> tuple[int, set[int]] | None:
    """At most three more hubs that leave the fewest options in all, and how many; None where these are too many."""
    open_ones = [v for v in variables if v not in hubs]
    best: tuple[int, set[int]] | None = None
    for k in range(4):
        if math.comb(len(open_ones), k) > SETS:
            break
        for chosen in combinations(open_ones, k):
            tried = close_over_guards(frame, hubs | set(chosen))
            options = _options_in_all(frame, variables, scopes, tried)
            if options <= POINTS and (best is None or options < best[0]):
                best = options, tried
    return best


def _options_in_all(frame: Frame, variables: Sequence[int], scopes: set[tuple[int, ...]], hubs: set[int]) -> int:
    """Options of all groups at all assignments of the hubs, guards left out; more than POINTS where one is too wide."""
    rows = math.prod(len(frame.domains[v]) for v in hubs)
    groups = _groups([v for v in variables if v not in hubs], scopes)
    sizes = [math.prod(len(frame.domains[v]) for v in g) for g in groups]
    return rows * sum(sizes) + (POINTS if max(sizes, default=0) > WIDE else 0)


def _sum_out(frame: Frame, group: Sequence[int], factors: Sequence[Factor], hubs: set[int], limits: Limits) -> Outer:
    members = set(group)
    own = tuple(f for f in factors if not members.isdisjoint(f.scope))
    reads = tuple(sorted({v for f in own for v in f.scope} & hubs))
    sizes = {v: len(frame.domains[v]) for v in (*group, *reads)}
    left = eliminate(own, sizes, frozenset(reads), cells=limits.cells)
    return Outer(tuple(group), own, reads, left)


def close_over_guards(frame: Frame, hubs: set[int]) -> set[int]:
    """With what their guards read."""
    todo = list(hubs)
    while todo:
        d = frame.decisions[todo.pop()]
        for u in frame.scope(d.guard, *(d.allowed or ())):
            if u not in hubs:
                hubs = hubs | {u}
                todo.append(u)
    return hubs


def _groups(left: Sequence[int], scopes: set[tuple[int, ...]]) -> list[list[int]]:
    where = {v: i for i, v in enumerate(left)}
    narrowed = {tuple(where[v] for v in s if v in where) for s in scopes}
    return [[left[i] for i in g] for g in unite(len(left), sorted(narrowed))]


def _options_bound(frame: Frame, group: Sequence[int], structure: Sequence[Factor]) -> int:
    members = set(group)
    own = [f for f in structure if members.issuperset(f.scope)]
    try:
        return eliminate(own, {v: len(frame.domains[v]) for v in group}).total
    except TooLarge as stop:
        return stop.cells
