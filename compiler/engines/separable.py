"""Goals and requirements that read groups of decisions apart: sums, greatest and least values over groups.

`latency = sum over layers`, `interval = max over chunks`, and what is made of such quantities by functions that grow:
products, logarithms, comparisons with a budget. What many groups read is the hub, decisions that are set first; at each
setting of it the groups are apart. Each quantity is a table a group, in whole numbers of one scale; which of them have
to be small, and which large, follows from where they stand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import evolve, field, frozen
from cospace.compiler.engines.group_tables import Grid, Tangled, column
from cospace.compiler.engines.orientation import BOTH, oriented
from cospace.compiler.engines.words import NOTHING, Words
from cospace.compiler.numbers.enumerate import Frame, Rows, TooMany, unite
from cospace.compiler.numbers.row_bounds import Pair, constant, join, joins
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE
from numpy.typing import NDArray

Array = NDArray[Any]

CELLS = 1 << 23
"""Rows of all groups at all settings of the hub, at most."""
SETTINGS = 1 << 17
"""Settings of the hub, at most."""
TOGETHER = (50_000, 0)
"""So many rows an expression may read to be one part, whatever it is made of: tried in this order."""


@frozen(eq=False)
class Quantity:
    """A part of the goals and requirements. kind: how its terms, each over one group, are combined: sum, max or min.

    node: what it stands for; its value with all terms.
    """

    node: Expr
    kind: str
    terms: tuple[Expr, ...]

    @property
    def nothing(self) -> int:
        """What a group adds that has no term."""
        return NOTHING[self.kind]


@frozen(eq=False)
class Group:
    """members: decisions, in declared order; rows: what they may take together, setting after setting of the hub.

    values: (words, rows). starts: where the rows of each setting begin, and where the last end.
    """

    members: tuple[int, ...]
    rows: Rows
    values: Array
    starts: Array

    def at(self, setting: int) -> Group:
        """Its rows at one setting."""
        span = slice(int(self.starts[setting]), int(self.starts[setting + 1]))
        return Group(self.members, self.rows[span], self.values[:, span], self.starts[:0])


@frozen(eq=False)
class Separable:
    """words: how quantities stand in columns; scales: of their coarse words, so many times 1/scale, within `errors` of
    these (0: exact).

    hub: decisions that are set first; settings: what they may take; empty: (words, settings), what each quantity is
    without any group. signs: whether it has to be small, and whether large.
    """

    frame: Frame
    goals: tuple[Expr, ...]
    conditions: tuple[Expr, ...]
    quantities: tuple[Quantity, ...]
    words: Words
    scales: tuple[Fraction, ...]
    errors: Array
    signs: tuple[tuple[bool, bool], ...]
    hub: tuple[int, ...]
    settings: Rows
    groups: tuple[Group, ...]
    empty: Array = field(repr=False)

    def bounds(self, low: Array, high: Array) -> tuple[list[Pair], list[Pair]]:
        """Bounds on each goal and each condition where the quantities are between `low` and `high`: (words, n)."""
        memo = self.memo(low, high)
        with numpy.errstate(all="ignore"):
            found = [joined(e, memo) for e in (*self.goals, *self.conditions)]
        n = low.shape[1]
        found = [Pair(numpy.broadcast_to(p.low, (n,)), numpy.broadcast_to(p.high, (n,))) for p in found]
        return found[: len(self.goals)], found[len(self.goals) :]

    def memo(self, low: Array, high: Array) -> dict[int, Pair]:
        """Bounds on the quantities' nodes."""
        found = {}
        for k, q in enumerate(self.quantities):
            if q.node.type.kind == "bool":
                found[id(q.node)] = Pair(high[k] > 0, low[k] < 1)
            else:
                least, most = low[k] - self.errors[k], high[k] + self.errors[k] + (self.words.fine[k] >= 0)
                found[id(q.node)] = Pair(_ends(least, self.scales[k])[0], _ends(most, self.scales[k])[1])
        return found

    def multiples(self, k: int, values: Array, factor: Fraction = Fraction(1)) -> list[Fraction]:
        """A quantity, times a factor, at each column of (words, n)."""
        one = factor / (self.scales[k] * (1 << self.words.shifts[k]))
        return [Fraction(n * one.numerator, one.denominator) for n in self.words.numbers(k, values)]

    def limits(self) -> tuple[Array, Array]:
        """The least and the most that each quantity can be at each setting: (words, settings), groups apart."""
        low, high = self.empty, self.empty
        for group in self.groups:
            sizes = numpy.diff(group.starts)
            least = numpy.tile(self.words.nothing, (1, len(sizes)))
            most = least.copy()
            some = numpy.flatnonzero(sizes)
            if len(some):
                least[:, some], most[:, some] = self.words.runs(group.values, group.starts[some])
            low, high = self.words.combine(low, least), self.words.combine(high, most)
        return low, high


def separate(space: Space, goals: Sequence[Expr], conditions: Sequence[Expr]) -> Separable:
    """Goals (to be small) and conditions taken apart. Raises Tangled, TooMany where that leads to nothing."""
    last: Exception = Tangled("nothing was tried")
    for together in TOGETHER:
        try:
            return _separate(space, goals, conditions, together)
        except (Tangled, TooMany) as stop:
            last = stop
    raise last


def _separate(space: Space, goals: Sequence[Expr], conditions: Sequence[Expr], together: int) -> Separable:
    frame = Frame.of(space)
    conditions = [c for c in dict.fromkeys(conditions) if c is not TRUE]
    quantities = _quantities(frame, [*goals, *conditions], together)
    hub, members = _divide(frame, [frame.scope(t) for q in quantities for t in q.terms])
    if not members:
        raise Tangled("all decisions are joined")
    owner = {v: g for g, group in enumerate(members) for v in group}
    own: dict[int | None, list[Expr]] = {}
    shared: list[Expr] = []
    for c in conditions:
        groups = {owner[v] for v in frame.scope(c) if v in owner}
        if len(groups) < 2:
            own.setdefault(next(iter(groups), None), []).append(c)
        else:
            shared.append(c)
    used = _below([*goals, *shared], {id(q.node): q for q in quantities})
    if not used:
        raise Tangled("no goal is left that a decision moves")
    settings = frame.enumerate(hub, _clauses(frame, own.get(None, [])), limit=SETTINGS)
    grids = [Grid(None, hub, settings)]
    starts = []
    for g, group in enumerate(members):
        columns = tuple(sorted((*hub, *group)))
        rows = frame.enumerate(columns, _clauses(frame, own.get(g, []) + own.get(None, [])), limit=CELLS)
        rows, begin = _by_setting(frame, rows, columns, hub, settings)
        grids.append(Grid(g, columns, rows))
        starts.append(begin)
    columns_ = [column(q, frame, owner, grids) for q in used]
    words = Words(tuple(q.kind for q in used), tuple(c.shift for c in columns_))
    wide = [c.fine for c in columns_ if c.shift]
    found = [numpy.stack([c[n] for c in [*(c.coarse for c in columns_), *wide]]) for n in range(len(grids))]
    parts = [
        Group(tuple(group), grid.rows[:, [grid.columns.index(v) for v in group]], values, begin)
        for group, grid, values, begin in zip(members, grids[1:], found[1:], starts, strict=True)
    ]
    apart = Separable(
        frame, tuple(goals), tuple(shared), tuple(used), words, tuple(c.scale for c in columns_),
        numpy.array([c.error for c in columns_], dtype=numpy.int64), tuple(BOTH for _ in used), hub, settings,
        tuple(parts), found[0],
    )  # fmt: skip
    return _oriented(apart)


def _clauses(frame: Frame, conditions: Sequence[Expr]) -> tuple[Any, ...]:
    return frame.clauses([Requirement(c, TRUE, "", NOWHERE) for c in conditions])


def _divide(frame: Frame, scopes: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], list[list[int]]]:
    """The decisions of the hub, as few as make the groups small enough to list, and the groups of the others."""
    needs = [frame.scope(frame.guard(v), *(d.allowed or ())) for v, d in enumerate(frame.decisions)]
    joined_ = [*scopes, *((*n, v) for v, n in enumerate(needs))]
    sizes = [len(d) for d in frame.domains]
    hub: set[int] = set()
    while True:
        members = [m for m in unite(len(sizes), [[v for v in s if v not in hub] for s in joined_]) if not set(m) & hub]
        settings = math.prod(sizes[v] for v in hub)
        cells = [math.prod(sizes[v] for v in m) for m in members]
        if len(members) != 1 and settings * sum(cells) <= CELLS:
            return tuple(sorted(hub)), members
        largest = set(members[max(range(len(cells)), key=cells.__getitem__)])
        readers = Counter(v for s in {tuple(s) for s in joined_} for v in s if v in largest)
        free = [v for v in readers if set(needs[v]) <= hub]
        if not free:
            raise Tangled("no decision joins its groups")
        hub.add(max(free, key=lambda v: (readers[v], -sizes[v], -v)))
        if math.prod(sizes[v] for v in hub) > SETTINGS:
            raise Tangled("too many decisions join its groups")


def _by_setting(
    frame: Frame, rows: Rows, columns: tuple[int, ...], hub: tuple[int, ...], settings: Rows
) -> tuple[Rows, Array]:
    """Rows in the order of the settings that they belong to, and where those of each begin."""
    if not hub:
        return rows, numpy.array([0, len(rows)])
    both = numpy.concatenate([settings, rows[:, [columns.index(v) for v in hub]]])
    _, inverse = frame.project(both, hub, hub)
    number = numpy.full(int(inverse.max(initial=-1)) + 1, -1, dtype=numpy.int64)
    number[inverse[: len(settings)]] = numpy.arange(len(settings))
    at = number[inverse[len(settings) :]]
    order = numpy.argsort(at, kind="stable")
    return rows[order], numpy.searchsorted(at[order], numpy.arange(len(settings) + 1))


def _oriented(found: Separable) -> Separable:
    """With what each quantity has to be."""
    low, high = found.limits()
    ranges = found.memo(low.min(axis=1)[:, None], high.max(axis=1)[:, None]) if low.size else {}
    if not ranges:
        return found
    with numpy.errstate(all="ignore"):
        for e in (*found.goals, *found.conditions):
            joined(e, ranges)
    wants = oriented(found.goals, found.conditions, frozenset(id(q.node) for q in found.quantities), ranges)
    return evolve(found, signs=tuple(wants[id(q.node)] for q in found.quantities))


def _quantities(frame: Frame, roots: Sequence[Expr], together: int) -> list[Quantity]:
    """The parts that what stands above them is made of."""
    found: dict[int, Quantity] = {}
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        e = stack.pop()
        scope = frame.scope(e)
        if id(e) in seen or not scope:
            continue
        seen.add(id(e))
        cells = math.prod(len(frame.domains[v]) for v in scope)
        if cells <= together or not joins(e):
            found[id(e)] = Quantity(e, "sum", (e,))
        elif e.op == "add":
            found[id(e)] = Quantity(e, "sum", _terms(e))
        elif e.op in ("max", "min") and _are_apart(frame, e.args):
            found[id(e)] = Quantity(e, e.op, e.args)
        else:
            stack.extend(e.args)
    return list(found.values())


def _terms(e: Expr) -> tuple[Expr, ...]:
    """The terms of a sum, sums with a factor multiplied out."""
    found: list[Expr] = []
    for a in e.args if e.op == "add" else (e,):
        if a.op == "mul" and a.args[0].is_const and len(a.args) == 2 and a.args[1].op == "add":
            found += [graph.mul(a.args[0], t) for t in _terms(a.args[1])]
        elif a.op == "add":
            found += _terms(a)
        else:
            found.append(a)
    return tuple(found)


def _are_apart(frame: Frame, exprs: Sequence[Expr]) -> bool:
    scopes = [set(frame.scope(e)) for e in exprs]
    return sum(map(len, scopes)) == len(set().union(*scopes))


def _below(roots: Sequence[Expr], quantities: Mapping[int, Quantity]) -> list[Quantity]:
    """Those that the roots still read."""
    found: dict[int, Quantity] = {}
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        e = stack.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        if id(e) in quantities:
            found[id(e)] = quantities[id(e)]
        else:
            stack.extend(e.args)
    return list(found.values())


def joined(root: Expr, memo: dict[int, Pair]) -> Pair:
    """Bounds on an expression; memo: of what it is made of."""
    stack = [root]
    while stack:
        e = stack[-1]
        if id(e) in memo:
            stack.pop()
        elif e.is_const:
            memo[id(e)] = constant(e)
        elif missing := [a for a in e.args if id(a) not in memo]:
            stack.extend(missing)
        else:
            memo[id(e)] = join(e, [memo[id(a)] for a in e.args])
    return memo[id(root)]


def _ends(values: Array, scale: Fraction) -> tuple[Array, Array]:
    """Floats that are surely not more, and not less, than so many times 1/scale."""
    found = values.astype(numpy.float64) / float(scale)
    if scale == 1 and (numpy.abs(values) < 1 << 53).all():
        return found, found
    slack = numpy.abs(found) * 2.0**-51
    return found - slack, found + slack


__all__ = ["Group", "Quantity", "Separable", "Tangled", "joined", "separate"]
