"""Goals and requirements that read groups of decisions apart: sums, greatest and least values over groups.

`latency = sum over layers`, `interval = max over chunks`, and what is made of such quantities by functions that grow:
products, logarithms, comparisons with a budget. Each quantity is a table a group, in whole numbers of one scale; which
of them have to be small, and which large, follows from where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import evolve, field, frozen
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import Frame, Rows, TooMany, unite
from cospace.compiler.numbers.measure import denominator
from cospace.compiler.numbers.row_bounds import Pair, bounds_at, constant, join, joins
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 1 << 20
"""Rows of one group, at most."""
LARGEST = 1 << 60
"""No sum of whole numbers grows beyond this."""
TOGETHER = (50_000, 0)
"""So many rows an expression may read to be one part, whatever it is made of: tried in this order."""

BLOCK = 1 << 16
"""Rows that are evaluated together."""
LOOKS = 5_000
"""Rows of one table that the reference evaluator is asked about, at most."""

SMALL, LARGE, BOTH = (True, False), (False, True), (True, True)
_COMBINED = {"max": "max", "min": "min"}
_COMBINE: dict[str, Callable[[Sequence[int]], int]] = {"sum": sum, "max": max, "min": min}
_JOIN: dict[str, Callable[..., Expr]] = {"sum": graph.add, "max": graph.maximum, "min": graph.minimum}
_NOTHING = {"sum": 0, "max": -(1 << 61), "min": 1 << 61}


class Tangled(Exception):
    """The space does not fall apart into groups that can be listed, or its numbers have no common scale."""


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
        return _NOTHING[self.kind]


@frozen(eq=False)
class Group:
    """members: decisions, in declared order; rows: what they may take together; values: (rows, quantities), whole."""

    members: tuple[int, ...]
    rows: Rows
    values: Array


@frozen(eq=False)
class Separable:
    """scales: of each quantity; a value is so many times 1/scale, within `errors` of these (0: exact).

    signs: whether it has to be small, and whether large. empty: what each quantity is without any group.
    """

    frame: Frame
    goals: tuple[Expr, ...]
    conditions: tuple[Expr, ...]
    quantities: tuple[Quantity, ...]
    scales: tuple[int, ...]
    errors: Array
    signs: tuple[tuple[bool, bool], ...]
    groups: tuple[Group, ...]
    empty: Array = field(repr=False)

    def bounds(self, low: Array, high: Array) -> tuple[list[Pair], list[Pair]]:
        """Bounds on each goal and each condition where the quantities are between `low` and `high`: (n, quantities)."""
        memo = self.memo(low, high)
        with numpy.errstate(all="ignore"):
            found = [joined(e, memo) for e in (*self.goals, *self.conditions)]
        n = len(low)
        found = [Pair(numpy.broadcast_to(p.low, (n,)), numpy.broadcast_to(p.high, (n,))) for p in found]
        return found[: len(self.goals)], found[len(self.goals) :]

    def memo(self, low: Array, high: Array) -> dict[int, Pair]:
        """Bounds on the quantities' nodes."""
        found = {}
        for k, q in enumerate(self.quantities):
            if q.node.type.kind == "bool":
                found[id(q.node)] = Pair(high[:, k] > 0, low[:, k] < 1)
            else:
                least, most = low[:, k] - self.errors[k], high[:, k] + self.errors[k]
                found[id(q.node)] = Pair(_ends(least, self.scales[k])[0], _ends(most, self.scales[k])[1])
        return found

    def combine(self, left: Array, right: Array) -> Array:
        """Quantities of two sets of groups together."""
        found = left + right
        for k, q in enumerate(self.quantities):
            if q.kind != "sum":
                choose = numpy.maximum if q.kind == "max" else numpy.minimum
                found[..., k] = choose(left[..., k], right[..., k])
        return found


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
    scopes = [frame.scope(t) for q in quantities for t in q.terms]
    scopes += [(*frame.scope(frame.guard(v), *(d.allowed or ())), v) for v, d in enumerate(frame.decisions)]
    members = unite(len(frame.decisions), [s for s in scopes if s])
    owner = {v: g for g, group in enumerate(members) for v in group}
    own: list[list[Expr]] = [[] for _ in members]
    shared: list[Expr] = []
    for c in conditions:
        groups = {owner[v] for v in frame.scope(c)}
        (own[groups.pop()] if len(groups) == 1 else shared).append(c)
    used = _below([*goals, *shared], {id(q.node): q for q in quantities})
    rows = [
        frame.enumerate(m, frame.clauses([Requirement(c, TRUE, "", NOWHERE) for c in cs]), limit=ROWS)
        for m, cs in zip(members, own, strict=True)
    ]
    columns = [_column(q, frame, members, owner, rows) for q in used]
    values = [numpy.stack([c.values[g] for c in columns], axis=1) for g in range(len(members))]
    found = Separable(
        frame, tuple(goals), tuple(shared), tuple(used), tuple(c.scale for c in columns),
        numpy.array([c.error for c in columns], dtype=numpy.int64), tuple(BOTH for _ in used),
        tuple(Group(tuple(m), r, v) for m, r, v in zip(members, rows, values, strict=True)),
        numpy.array([c.empty for c in columns], dtype=numpy.int64),
    )  # fmt: skip
    return _oriented(found)


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
        elif e.op in _COMBINED and _are_apart(frame, e.args):
            found[id(e)] = Quantity(e, _COMBINED[e.op], e.args)
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


# ---- tables


@frozen(eq=False)
class _Column:
    """A quantity: what each group adds to it at each of its rows, within `error`, and what it is without groups."""

    values: list[Array]
    scale: int
    error: int
    empty: int


def _column(q: Quantity, frame: Frame, members: list[list[int]], owner: Mapping[int, int], rows: list[Rows]) -> _Column:
    constants = [t.number for t in q.terms if not frame.scope(t)]
    own: dict[int, list[Expr]] = {}
    for t in q.terms:
        if scope := frame.scope(t):
            own.setdefault(owner[scope[0]], []).append(t)
    parts = {g: _JOIN[q.kind](*terms) for g, terms in own.items()}
    tables = {g: _table(e, frame, members[g], rows[g]) for g, e in parts.items()}
    found = _in_one_scale(parts, tables, constants, frame, members, rows)
    values, scale, error = found if found is not None else _rounded(q.kind, tables, len(constants))
    start = [round(c * scale) for c in constants]
    empty = _COMBINE[q.kind]([*start, q.nothing])
    every = [values[g] if g in values else numpy.full(len(r), q.nothing) for g, r in enumerate(rows)]
    tops = [int(max(v.max(initial=0), -v.min(initial=0))) for v in every]
    if q.kind == "sum" and sum(tops) > LARGEST:
        raise Tangled("its numbers are too long in one scale")
    return _Column(every, scale, error, empty)


def _in_one_scale(
    parts: Mapping[int, Expr], tables: Mapping[int, Pair], constants: Sequence[Fraction], frame: Frame,
    members: list[list[int]], rows: list[Rows],
) -> tuple[dict[int, Array], int, int] | None:  # fmt: skip
    """Exact whole numbers by group, the scale, no error; None where they have no common scale that is short enough."""
    below = [_denominator(e, frame) for e in parts.values()]
    sure = [b for b in below if b is not None]
    if len(sure) < len(below):
        return None
    scale = math.lcm(*(c.denominator for c in constants), *sure)
    found: dict[int, Array] = {}
    for g, table in tables.items():
        whole = _whole(parts[g], frame, members[g], rows[g], table, scale)
        if whole is None:
            return None
        found[g] = whole
    return found, scale, 0


def _rounded(kind: str, tables: Mapping[int, Pair], constants: int) -> tuple[dict[int, Array], int, int]:
    """Whole numbers by group, as fine as floats are, the scale, and how far a whole may be off."""
    top = max((float(numpy.abs(p.high).max(initial=0.0)) for p in tables.values()), default=0.0)
    if not math.isfinite(top) or not top:
        raise Tangled("a number is beyond floats")
    scale = 2 ** max(0, 52 - math.frexp(top)[1])
    found, slacks = {}, []
    for g, p in tables.items():
        low, high = p.low * float(scale), p.high * float(scale)
        found[g] = numpy.rint((low + high) / 2).astype(numpy.int64)
        slacks.append(math.ceil(float((high - low).max(initial=0.0))) + 1)
    return found, scale, constants + (sum(slacks) if kind == "sum" else max(slacks))


def _denominator(e: Expr, frame: Frame) -> int | None:
    return 1 if e.type.kind == "bool" else denominator(e, [frame.decisions[v] for v in frame.scope(e)])


def _table(e: Expr, frame: Frame, members: Sequence[int], rows: Rows) -> Pair:
    """Bounds on an expression at each row of a group; where it is a truth it is decided, where a number defined."""
    if e.type.kind not in ("bool", "number"):
        raise Tangled("a symbol is read by several groups")
    scope = frame.scope(e)
    unique, inverse = frame.project(rows, members, scope)
    parts = [bounds_at([e], frame, scope, unique[i : i + BLOCK])[0] for i in range(0, len(unique), BLOCK)]
    if not parts:
        return Pair(numpy.zeros(0), numpy.zeros(0))
    low, high = numpy.concatenate([p.low for p in parts]), numpy.concatenate([p.high for p in parts])
    if e.type.kind == "bool":
        if (low == high).any():
            raise Tangled("a condition is not decided, or not defined")
        high = low = low.astype(numpy.float64)
    if numpy.isnan(low).any():
        raise Tangled("a number is not defined")
    return Pair(low[inverse], high[inverse])


def _whole(e: Expr, frame: Frame, members: Sequence[int], rows: Rows, found: Pair, scale: int) -> Array | None:
    """An expression at each row of a group, so many times 1/scale; None where rounding leaves too many in doubt."""
    low, high = found.low * float(scale), found.high * float(scale)
    near = numpy.rint((low + high) / 2)
    sure = numpy.isfinite(near) & (near - low < 0.5) & (high - near < 0.5) & (numpy.abs(near) < 2.0**52)
    whole: Array = numpy.where(sure, near, 0.0).astype(numpy.int64)
    doubt = numpy.flatnonzero(~sure)
    if len(doubt) > LOOKS:
        return None
    scope, where = frame.scope(e), {v: k for k, v in enumerate(members)}
    for i in doubt:
        value = exact.evaluate(e, frame.design(scope, [int(rows[i, where[v]]) for v in scope]))
        if not isinstance(value, Fraction) or abs(value * scale) > LARGEST:
            return None
        whole[i] = int(value * scale)
    return whole


# ---- which of them have to be small


def _oriented(found: Separable) -> Separable:
    """With what each quantity has to be: what stands above says so, as long as it grows or falls throughout."""
    low, high = found.empty[None, :], found.empty[None, :]
    for group in found.groups:
        if len(group.rows):
            low = found.combine(low, group.values.min(axis=0)[None, :])
            high = found.combine(high, group.values.max(axis=0)[None, :])
    ranges = found.memo(low, high)
    with numpy.errstate(all="ignore"):
        for e in (*found.goals, *found.conditions):
            joined(e, ranges)
    known = {id(q.node): k for k, q in enumerate(found.quantities)}
    wants: dict[int, tuple[bool, bool]] = {}
    nodes = _above(found, known)
    for root, want in [(g, SMALL) for g in found.goals] + [(c, LARGE) for c in found.conditions]:
        _want(wants, root, want)
    for e in nodes:
        if id(e) not in known:
            for a, want in zip(e.args, _passed(e, wants[id(e)], ranges), strict=True):
                _want(wants, a, want)
    return evolve(found, signs=tuple(wants[id(q.node)] for q in found.quantities))


def _want(wants: dict[int, tuple[bool, bool]], e: Expr, want: tuple[bool, bool]) -> None:
    before = wants.get(id(e), (False, False))
    wants[id(e)] = (before[0] or want[0], before[1] or want[1])


def _above(found: Separable, known: Mapping[int, int]) -> list[Expr]:
    """What stands above the quantities, and these, users before arguments."""
    order: list[Expr] = []
    done: set[int] = set()
    stack = [(e, False) for e in (*found.goals, *found.conditions)]
    while stack:
        e, ready = stack.pop()
        if ready:
            order.append(e)
        elif id(e) not in done:
            done.add(id(e))
            stack.append((e, True))
            if id(e) not in known:
                stack.extend((a, False) for a in e.args)
    return order[::-1]


def _passed(e: Expr, want: tuple[bool, bool], ranges: Mapping[int, Pair]) -> list[tuple[bool, bool]]:
    """What each argument has to be for a node to be what is wanted: small, large, or just what it is (both)."""
    swapped = want[::-1]

    def at_least_0(a: Expr) -> bool:
        return bool((ranges[id(a)].low >= 0).all())

    if e.op in ("add", "max", "min", "floor", "ceil", "sqrt", "exp", "log", "log2", "log10", "and", "or"):
        return [want for _ in e.args]
    if e.op == "not":
        return [swapped]
    if e.op in ("le", "lt"):
        return [swapped, want]
    if e.op == "mul" and len(e.args) == 2 and e.args[0].is_const:
        return [want, swapped if e.args[0].number < 0 else want]
    if e.op == "mul" and all(map(at_least_0, e.args)):
        return [want for _ in e.args]
    if e.op == "div" and all(map(at_least_0, e.args)):
        return [want, swapped]
    if e.op == "pow" and at_least_0(e.args[0]):
        return [want if e.args[1].number > 0 else swapped, want]
    if e.op == "if":
        return [BOTH, want, want]
    return [BOTH for _ in e.args]


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


def _ends(values: Array, scale: int) -> tuple[Array, Array]:
    """Floats that are surely not more, and not less, than so many times 1/scale."""
    found = values.astype(numpy.float64) / float(scale)
    if scale == 1 and (numpy.abs(values) < 1 << 53).all():
        return found, found
    slack = numpy.abs(found) * 2.0**-51
    return found - slack, found + slack


__all__ = ["Group", "Quantity", "Separable", "Tangled", "joined", "separate"]
