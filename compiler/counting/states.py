"""What a group of decisions leaves at each cost, decisions taken one at a time: states that nothing tells apart merge.

A state is the values of what is closed so far (sub-expressions whose decisions are all taken, and of a sum or product
the part that is) as far as anything open reads them. First the values of each decision that no expression tells apart
become one class. Requirements are decided as soon as they are closed; those that also read hubs give each state the set
of hub rows at which it is still feasible. Everything is exact; what whole numbers can't hold is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import field, frozen
from cospace.compiler.exact import exact, whole
from cospace.compiler.exact.whole import Codes, Column, NotWhole
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.space.graph import Expr, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Array = NDArray[Any]
ARCS = 6_000_000
"""States times classes of one step, at most."""
SETS = 62
"""Rows of hubs that a set of them may hold."""
SAMPLED = 400
"""States that are tried to find which decision to take next."""
_FOLDED = {"add", "mul", "and", "or", "min", "max"}


@frozen(eq=False)
class Taken:
    """One decision taken. classes: the values of each class, positions in its domain, one after the other.

    Arcs, ordered by the state they lead to: `source` state and `group` (class); first: where each state's arcs begin.
    """

    variable: int
    classes: tuple[Array, ...]
    source: Array
    group: Array
    first: Array


@frozen(eq=False)
class Table:
    """The end: states with their weight, their cost and the set of hub rows (a bit each) that they allow.

    weights: of the states after each step.
    """

    steps: tuple[Taken, ...]
    weights: tuple[Array, ...]
    cost: Array
    rows: Array


@frozen(eq=False)
class Question:
    """What a group is asked: clauses that have to hold, and what it costs, a number without hubs."""

    members: tuple[int, ...]
    decisions: tuple[Decision, ...]
    domains: tuple[Array, ...]
    hubs: tuple[Decision, ...]
    rows: Array
    """(n, hubs) indices into the hubs' values."""
    clauses: tuple[Expr, ...]
    cost: Expr
    paths: dict[str, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "paths", {d.path: k for k, d in enumerate(self.decisions)})


def tabulate(q: Question, order: Sequence[int] | None = None) -> tuple[Table, list[int]]:
    """The table of a group, and the order in which its decisions were taken (places in `members`).

    order: one to try; else they are taken as they are declared, or if that makes too many states, at each step the one
    that leaves the fewest. Raises NotWhole where an expression is refused, TooMany beyond ARCS.
    """
    maker = _Maker(q)
    declared = sorted(range(len(q.members)), key=lambda k: q.members[k])
    try:
        return maker.run(declared if order is None or sorted(order) != sorted(declared) else order)
    except TooMany:
        return maker.run(None)


class _Maker:
    def __init__(self, q: Question) -> None:
        self.q = q
        self.codes = Codes()
        if len(q.rows) > SETS:
            raise TooMany(len(q.rows), SETS, q.members)
        if math.prod(len(d) for d in q.domains) >= whole.MOST:
            raise NotWhole
        self.roots = [*q.clauses, q.cost]
        self.own: dict[int, frozenset[int]] = {}
        self.hubbed: dict[int, bool] = {}
        hubs = {d.path for d in q.hubs}
        for e in walk(self.roots):
            self.own[id(e)] = frozenset(q.paths[p] for p in e.free if p in q.paths)
            self.hubbed[id(e)] = not hubs.isdisjoint(e.free)
        self.classes: list[list[Array]] = []
        self.told: list[dict[Any, Column]] = []
        for k in range(len(q.members)):
            classes, told = self._merge(k)
            self.classes.append(classes)
            self.told.append(told)
        self.hub_values = [
            {id(e): whole.constant(d.values[int(i)], self.codes) for e, d, i in self._hub_reads(row)} for row in q.rows
        ]

    def _hub_reads(self, row: Array) -> list[tuple[Expr, Decision, int]]:
        place = {d.path: k for k, d in enumerate(self.q.hubs)}
        return [
            (e, self.q.hubs[place[str(e.payload)]], int(row[place[str(e.payload)]]))
            for e in walk(self.roots) if e.op == "var" and str(e.payload) in place
        ]  # fmt: skip

    # ---- values that nothing tells apart

    def _merge(self, k: int) -> tuple[list[Array], dict[Any, Column]]:
        """The classes of a decision's values, and what all that reads it alone is at each class."""
        d, domain = self.q.decisions[k], self.q.domains[k]
        values = [d.values[int(i)] for i in domain]
        told = {("rows", id(e)): self._rows_at(e, d, values) for e in self.q.clauses if self.own[id(e)] == {k}}
        for e, args in self._alone(k):
            parts = [self._at_values(a, d, values) for a in args]
            told["alone", id(e)] = parts[0] if len(parts) == 1 else whole.apply(e, parts)
        if not told:
            return [numpy.arange(len(domain))], {}
        keys = numpy.stack([c.values.astype(numpy.int64) for c in told.values()], axis=1)
        _, first, which = numpy.unique(keys, axis=0, return_index=True, return_inverse=True)
        which = which.reshape(-1)
        classes = [numpy.flatnonzero(which == c) for c in range(len(first))]
        return classes, {key: Column(c.values[first], c.below, c.most) for key, c in told.items()}

    def _alone(self, k: int) -> list[tuple[Expr, list[Expr]]]:
        """The greatest sub-expressions that read this decision alone, those of a sum or product together."""
        found: dict[int, tuple[Expr, list[Expr]]] = {}
        seen: set[int] = set()
        stack = [e for e in self.roots if self.own[id(e)] != {k} or e is self.q.cost]
        while stack:
            e = stack.pop()
            if id(e) in seen or k not in self.own[id(e)]:
                continue
            seen.add(id(e))
            if self._reads_only(e, k):
                found[id(e)] = (e, [e])
                continue
            own = [a for a in e.args if self._reads_only(a, k)] if e.op in _FOLDED else []
            if len(own) > 1:
                found[id(e)] = (e, own)
                stack.extend(a for a in e.args if not self._reads_only(a, k))
            else:
                stack.extend(e.args)
        return list(found.values())

    def _reads_only(self, e: Expr, k: int) -> bool:
        return self.own[id(e)] == {k} and not self.hubbed[id(e)]

    def _rows_at(self, e: Expr, d: Decision, values: Sequence[Any]) -> Column:
        """The set of hub rows at which a clause on one decision holds, at each of its values."""
        found = []
        for v in values:
            bits = 0
            for bit, row in enumerate(self.q.rows):
                design = {h.path: h.values[int(i)] for h, i in zip(self.q.hubs, row, strict=True)}
                bits |= (exact.evaluate(e, {**design, d.path: v}) is True) << bit
            found.append(bits)
        return Column(numpy.array(found, dtype=numpy.int64), 1, whole.MOST - 1)

    def _at_values(self, e: Expr, d: Decision, values: Sequence[Any]) -> Column:
        if e.op == "var":
            return whole.of_values(values, self.codes)
        if e.op == "lookup" and len(e.args) == 1 and e.args[0].op == "var":
            rows: Lookup = e.payload  # type: ignore[assignment]
            found: list[Any] = [rows[(v,)] for v in values]
        else:
            found = [exact.evaluate(e, {d.path: v}) for v in values]
        if any(isinstance(f, (exact.Enclosure, exact.Undefined, exact.Unknown)) or f is None for f in found):
            raise NotWhole
        return whole.of_values(found, self.codes)

    # ---- steps

    def run(self, order: Sequence[int] | None) -> tuple[Table, list[int]]:
        left = list(range(len(self.q.members)))
        state = _States.start(len(self.q.rows))
        steps: list[Taken] = []
        weights: list[Array] = []
        taken: list[int] = []
        while left:
            k = order[len(taken)] if order is not None else self._next(state, taken, left)
            state, step = self._take(state, taken, k)
            taken.append(k)
            left.remove(k)
            steps.append(step)
            weights.append(state.weights)
        cost = self._value(self.q.cost, state.columns, {}, None)
        if cost.below != 1 or cost.values.dtype == bool:
            raise NotWhole
        n = len(state.rows)
        return Table(tuple(steps), tuple(weights), numpy.broadcast_to(cost.values, (n,)), state.rows), taken

    def _next(self, state: _States, taken: list[int], left: list[int]) -> int:
        """The decision after which the fewest states are left for those that there were, judged by some of them."""
        if len(left) == 1:
            return left[0]
        some = state.some(SAMPLED)
        sizes = []
        for k in left:
            made, _ = self._take(some, taken, k)
            sizes.append((len(made.rows), k))
        return min(sizes)[1]

    def _take(self, state: _States, taken: Sequence[int], k: int) -> tuple[_States, Taken]:
        """One more decision taken: columns of states stand in rows, those of classes in columns of one grid."""
        n, m = len(state.rows), len(self.classes[k])
        if n * m > ARCS:
            raise TooMany(n * m, ARCS, self.q.members)
        self._before, self._now, done = frozenset(taken), k, frozenset((*taken, k))
        known = {key: Column(c.values[:, None], c.below, c.most) for key, c in state.columns.items()}
        known |= {key: Column(c.values[None, :], c.below, c.most) for key, c in self.told[k].items()}
        rows = state.rows[:, None]
        memo: dict[int, Column] = {}
        for e in self.q.clauses:
            if self.own[id(e)] == {k}:
                rows = rows & known["rows", id(e)].values
            elif k in self.own[id(e)] and self.own[id(e)] <= done:
                rows = rows & self._decide(e, known, memo)
        columns: dict[tuple[str, int], Column] = {}
        for key, e in self._frontier(done):
            closed = [a for a in e.args if self._closed(a, done)]
            columns[key] = (
                self._fold(e, closed, known, memo, None) if key[0] == "part" else self._value(e, known, memo, None)
            )
        order, starts = _gather_equal([rows, *(c.values for c in columns.values())], n, m)
        flat_rows = numpy.broadcast_to(rows, (n, m)).reshape(-1)
        if not flat_rows.all():  # what no row of hubs allows
            kept = flat_rows[order] != 0
            of = numpy.cumsum(kept) - kept
            starts = starts[kept[starts]] if len(starts) else starts
            order, starts = order[kept], of[starts]
        first = order[starts]
        source, group = (order // m).astype(numpy.int32), (order % m).astype(numpy.uint8 if m < 256 else numpy.uint16)
        sizes = numpy.array([len(c) for c in self.classes[k]], dtype=numpy.int64)
        arcs = state.weights[source] * sizes[group]
        total = numpy.add.reduceat(arcs, starts) if len(starts) else arcs
        at, of_class = first // m, first % m
        made = {key: _pick(c, at, of_class) for key, c in columns.items()}
        next_rows = flat_rows[first] if len(first) else flat_rows[:0]
        return _States(made, next_rows, total), Taken(self.q.members[k], tuple(self.classes[k]), source, group, starts)

    def _decide(self, e: Expr, known: dict[Any, Column], memo: dict[int, Column]) -> Array:
        """The set of hub rows at which a closed clause holds, at each row."""
        if not self.hubbed[id(e)]:
            return numpy.where(self._value(e, known, memo, None).values, (1 << len(self.q.rows)) - 1, 0)
        found: Any = numpy.int64(0)
        made: dict[tuple[int, ...], Array] = {}
        bits: dict[tuple[int, ...], int] = {}
        reads = [k for k, d in enumerate(self.q.hubs) if d.path in e.free]
        for bit, (row, values) in enumerate(zip(self.q.rows, self.hub_values, strict=True)):
            key = tuple(int(row[k]) for k in reads)
            bits[key] = bits.get(key, 0) | (1 << bit)
            if key not in made:
                made[key] = self._value(e, known, memo, values).values
        for key, met in made.items():
            found = found | met * numpy.int64(bits[key])
        return numpy.asarray(found)

    # ---- what is closed

    def _frontier(self, done: frozenset[int]) -> list[tuple[tuple[str, int], Expr]]:
        """What open expressions read of closed ones: whole ones, and parts of folds."""
        found: dict[tuple[str, int], Expr] = {}
        seen: set[int] = set()
        stack = [e for e in self.roots if not self.own[id(e)] <= done or e is self.q.cost]
        while stack:
            e = stack.pop()
            if id(e) in seen or e.op == "const":
                continue
            seen.add(id(e))
            if self._closed(e, done):
                if self.own[id(e)]:
                    found[("all", id(e))] = e
                continue
            if e.op in _FOLDED:
                closed = [a for a in e.args if self._closed(a, done)]
                if any(self.own[id(a)] for a in closed):
                    found[("part", id(e))] = e
                stack.extend(a for a in e.args if not self._closed(a, done))
            else:
                stack.extend(e.args)
        return list(found.items())

    def _closed(self, e: Expr, done: frozenset[int]) -> bool:
        return self.own[id(e)] <= done and not self.hubbed[id(e)]

    def _fold(
        self,
        e: Expr,
        args: Sequence[Expr],
        known: dict[Any, Column],
        memo: dict[int, Column],
        hubs: dict[int, Column] | None,
    ) -> Column:
        values: list[Column] = []
        before = known.get(("part", id(e)))
        if before is not None:
            values.append(before)
            args = [a for a in args if self.hubbed[id(a)] or not self.own[id(a)] <= self._before]
        alone = known.get(("alone", id(e)))
        if alone is not None:
            values.append(alone)
            args = [a for a in args if not self._reads_only(a, self._now)]
        values += [self._value(a, known, memo, hubs) for a in args]
        return values[0] if len(values) == 1 else whole.apply(e, values)

    def _value(
        self, e: Expr, known: dict[Any, Column], memo: dict[int, Column], hubs: dict[int, Column] | None
    ) -> Column:
        found = known.get(("all", id(e))) or memo.get(id(e))
        if found is not None:
            return found
        if hubs is not None and id(e) in hubs:
            return hubs[id(e)]
        if e.op == "const":
            return whole.constant(e.value, self.codes)
        if len(self.own[id(e)]) == 1 and not self.hubbed[id(e)]:
            return known["alone", id(e)]
        if e.op in _FOLDED:
            made = self._fold(e, e.args, known, memo, hubs)
        else:
            made = whole.apply(e, [self._value(a, known, memo, hubs) for a in e.args])
        if not self.hubbed[id(e)]:
            memo[id(e)] = made
        return made


@frozen(eq=False)
class _States:
    """rows: the set of hub rows that a state allows; weights: how many assignments lead to it."""

    columns: dict[Any, Column]
    rows: Array
    weights: Array

    @staticmethod
    def start(hub_rows: int) -> _States:
        return _States({}, numpy.array([(1 << hub_rows) - 1], dtype=numpy.int64), numpy.ones(1, dtype=numpy.int64))

    def some(self, most: int) -> _States:
        """Some of the states, spread evenly."""
        spread = numpy.linspace(0, len(self.rows) - 1, most if len(self.rows) else 0)
        at = numpy.unique(spread.astype(numpy.int64))
        columns = {key: Column(c.values[at], c.below, c.most) for key, c in self.columns.items()}
        return _States(columns, self.rows[at], self.weights[at])


def _pick(c: Column, row: Array, column: Array) -> Column:
    v = numpy.atleast_2d(c.values)
    values = v[row if v.shape[0] > 1 else 0, column if v.shape[1] > 1 else 0]
    return Column(numpy.broadcast_to(values, (len(row),)), c.below, c.most)


def _gather_equal(columns: Sequence[Array], n: int, m: int) -> tuple[Array, Array]:
    """An order of the cells of an (n, m) grid in which those that agree in all columns stand together, and where each
    lot of them begins. Columns broadcast to the grid."""
    code: Array = numpy.zeros((1, 1), dtype=numpy.int64)
    size = 1
    for column in sorted((numpy.atleast_2d(c) for c in columns), key=lambda c: c.size):
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        span = high - low + 1
        if span == 1:
            continue
        if column.size > code.size and size > 4 * code.size:
            code, size = _ranked(code)
        if size * span >= whole.MOST:
            code, size = _ranked(code)
        if size * span >= whole.MOST:
            column, span = _ranked(column)
            low = 0
        code = code * span + (column.astype(numpy.int64) - low)
        size *= span
    code = numpy.broadcast_to(code, (n, m)).reshape(-1)
    if size <= max(1 << 16, 4 * len(code)):
        present = numpy.zeros(size, dtype=bool)
        present[code] = True
        many = int(present.sum())
        if many < 1 << 16:
            code = (numpy.cumsum(present) - 1).astype(numpy.uint16)[code]
    order = numpy.argsort(code, kind="stable" if code.dtype == numpy.uint16 else None)
    code = code[order]
    return order, numpy.flatnonzero(numpy.concatenate([[True], code[1:] != code[:-1]])) if len(code) else order


def _ranked(column: Array) -> tuple[Array, int]:
    distinct, at = numpy.unique(column, return_inverse=True)
    return at.reshape(column.shape).astype(numpy.int64), len(distinct)
