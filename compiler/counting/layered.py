"""Components that are many groups under one sum, each with far too many assignments to list: a network's tilings.

Few decisions (hubs) join the groups apart from the sum. What a group leaves at each cost and each row of hubs is
tabled one decision at a time (`states`), once for groups that are alike, and the sum over all groups is counted by
powers of polynomials (`powers`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy
from attrs import frozen
from cospace.compiler.counting import states
from cospace.compiler.counting.hubs import GROUP, term_scope
from cospace.compiler.counting.levels import Group
from cospace.compiler.counting.powers import count_powers
from cospace.compiler.counting.states import Question, Table
from cospace.compiler.counting.sums import NotASum, Sum, Term, read_sums
from cospace.compiler.exact.whole import NotWhole
from cospace.compiler.numbers.enumerate import Clause, Frame, Rows, TooMany, unite
from cospace.compiler.space import graph
from cospace.compiler.space.fingerprint import paths_and_keys
from cospace.compiler.space.graph import TRUE, Expr, const, implies
from cospace.compiler.space.model import Requirement

HUB_ROWS = 62
MEMBERS = 40
"""Decisions of one group, at most."""


@frozen(eq=False)
class Layered:
    """groups: each a kind of table and its decisions, in the order of that kind's decisions. bound: of all costs;
    total: the requirement that says so."""

    hubs: tuple[int, ...]
    rows: Rows
    groups: tuple[tuple[int, tuple[int, ...]], ...]
    kinds: tuple[Table, ...]
    bound: int
    total: Requirement
    places: tuple[dict[int, int], ...]
    """For each kind where among a group's decisions each of the decisions stands that its table was made for."""

    def at_row(self, bit: int) -> list[tuple[Group, int]]:
        """The costs of each kind at one row of hubs, and how many groups are of that kind."""
        found = []
        for number, table in enumerate(self.kinds):
            at = numpy.flatnonzero((table.rows >> bit) & 1)
            cost, where = numpy.unique(table.cost[at], return_inverse=True)
            weights = numpy.zeros(len(cost), dtype=numpy.int64)
            numpy.add.at(weights, where.reshape(-1), table.weights[-1][at])
            many = sum(1 for kind, _ in self.groups if kind == number)
            found.append((Group(tuple(int(c) for c in cost), tuple(int(w) for w in weights)), many))
        return found

    def count(self) -> tuple[int, int]:
        """Proved bounds on the number of assignments, equal where it is exact."""
        ends = [count_powers(self.at_row(bit), self.bound) for bit in range(len(self.rows))]
        return sum(low for low, _ in ends), sum(high for _, high in ends)


def make_layered(frame: Frame, variables: Sequence[int], clauses: Sequence[Clause]) -> Layered | None:
    """The component so, or None where it is not of this kind or a limit is met."""
    if any(frame.decisions[v].guard is not TRUE or frame.decisions[v].allowed is not None for v in variables):
        return None
    parts = _cut(frame, variables, clauses)
    if parts is None:
        return None
    hubs, groups, total, others = parts
    home = {v: g for g, members in enumerate(groups) for v in members}
    costs: list[list[Expr]] = [[] for _ in groups]
    for t in total.terms:
        scope = term_scope(frame, t)
        if set(scope) <= hubs:
            return None
        costs[next(home[v] for v in scope if v in home)].append(_term(t))
    asked: list[list[Expr]] = [[] for _ in groups]
    within: list[Clause] = []
    for c in others:
        inner = next((home[v] for v in c.scope if v in home), None)
        if inner is None:
            within.append(c)
        else:
            asked[inner].append(implies(c.guard, c.value))
    try:
        order = tuple(sorted(hubs))
        rows = frame.enumerate(order, within, limit=HUB_ROWS)
        return _tabled(frame, order, rows, groups, asked, costs, total)
    except (TooMany, NotWhole):
        return None


def _tabled(
    frame: Frame, hubs: tuple[int, ...], rows: Rows, groups: Sequence[Sequence[int]], asked: Sequence[Sequence[Expr]],
    costs: Sequence[Sequence[Expr]], total: Sum,
) -> Layered | None:  # fmt: skip
    """Raises NotWhole, TooMany."""
    if total.constant.denominator != 1:
        return None
    known: dict[Hashable, int] = {}
    kinds: list[Table] = []
    places: list[dict[int, int]] = []
    orders: dict[Hashable, list[int]] = {}
    found: list[tuple[int, tuple[int, ...]]] = []
    hub_paths = {frame.decisions[h].path for h in hubs}
    for members, own, terms in zip(groups, asked, costs, strict=True):
        cost = graph.add(*terms) if terms else const(0)
        paths, keys = paths_and_keys([*own, cost], frame.interner)
        inner = [p for p in paths if p not in hub_paths]
        inside = [frame.position[p] for p in inner]
        if len(inside) != len(members):
            return None
        domains = tuple(
            (p,) if p in hub_paths else tuple((v.__class__, v) for v in _values(frame, frame.position[p]))
            for p in paths
        )
        key = (keys, domains)
        if key not in known:
            question = Question(
                tuple(inside), tuple(frame.decisions[v] for v in inside), tuple(frame.domains[v] for v in inside),
                tuple(frame.decisions[h] for h in hubs), rows, tuple(own), cost,
            )  # fmt: skip
            shape = len(inside)
            table, order = states.tabulate(question, orders.get(shape))
            orders.setdefault(shape, order)
            known[key] = len(kinds)
            kinds.append(table)
            places.append({v: at for at, v in enumerate(inside)})
        found.append((known[key], tuple(inside)))
    bound = -int(total.constant) - (1 if total.strict else 0)
    return Layered(hubs, rows, tuple(found), tuple(kinds), bound, total.clause.requirement, tuple(places))


def _values(frame: Frame, v: int) -> list[graph.Value]:
    return [frame.decisions[v].values[int(i)] for i in frame.domains[v]]


def _term(t: Term) -> Expr:
    value = const(t.coefficient) if t.atom is None else graph.mul(const(t.coefficient), t.atom)
    return graph.branch(graph.both(*t.conditions), value, const(0)) if t.conditions else value


def _cut(
    frame: Frame, variables: Sequence[int], clauses: Sequence[Clause]
) -> tuple[set[int], list[list[int]], Sum, list[Clause]] | None:
    """Hubs, the groups that are left without them, the one sum over several groups, and the other clauses."""
    wide: list[tuple[Clause, Sum]] = []
    others: list[Clause] = []
    for c in sorted(clauses, key=lambda c: -len(c.scope)):
        sums: tuple[Sum, ...] = ()
        if not wide and c.guard is TRUE:
            try:
                sums = read_sums(c)
            except NotASum:
                sums = ()
        if len(sums) == 1 and len(sums[0].terms) > 1 and _settled(sums[0]):
            wide.append((c, sums[0]))
        else:
            others.append(c)
    if not wide:
        return None
    total = wide[0][1]
    read = {term_scope(frame, t) for t in total.terms}
    core = {v for scope in read for v in scope}
    place = {v: i for i, v in enumerate(sorted(core))}
    joined = [[place[v] for v in s if v in place] for s in (*sorted(read), *(c.scope for c in others))]
    groups = [[sorted(core)[i] for i in g] for g in unite(len(place), joined)]
    home = {v: g for g, members in enumerate(groups) for v in members}
    hubs: set[int] = set()
    for v in variables:  # what the sum does not read belongs to a group if it meets one alone, else it is a hub
        met = {home[u] for c in others if v in c.scope for u in c.scope if u in home and u in core}
        if v not in core and len(met) == 1:
            groups[met.pop()].append(v)
        elif v not in core:
            hubs.add(v)
    home = {v: g for g, members in enumerate(groups) for v in members}
    if len(groups) < 2 or max(map(len, groups)) > MEMBERS:
        return None
    if any(len({home[v] for v in c.scope if v in home}) > 1 for c in others):
        return None
    if math.prod(len(frame.domains[v]) for v in hubs) > HUB_ROWS:
        return None
    sizes = [math.prod(len(frame.domains[v]) for v in g) for g in groups]
    return (hubs, groups, total, others) if max(sizes) > GROUP else None


def _settled(s: Sum) -> bool:
    """Whether no condition in it can be without a value."""
    return not any(graph.may_be_undefined(c) for conditions, c in s.settled for c in (*conditions, c))


__all__ = ["Layered", "make_layered"]
