"""The best of the open decisions at once, for one setting of the others after the other: a sampled network's hardware.

What reads a few of the fixed decisions only, say a layer's operator and bits, is a table over these and over what it
reads of the open ones, made once, with every mapping solved. A step then gathers a row of each table, adds them up
where layers do, evaluates what stands above for every open design, and takes the least.

Floats have bounds throughout: a step says whether the design that it gives is proved, or others are as good as far as
floats tell. What rounding leaves in doubt is asked of the reference evaluator before it is given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy
from attrs import evolve, field, frozen, mutable
from cospace.compiler.engines.exhaustive import conditions_of
from cospace.compiler.engines.group_tables import Tangled
from cospace.compiler.exact import exact
from cospace.compiler.numbers import ranges
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.enumerate import Frame, Rows, index_of
from cospace.compiler.numbers.numbers import _checks
from cospace.compiler.numbers.plan import Columns, Plan
from cospace.compiler.numbers.ranges import Range
from cospace.compiler.numbers.row_bounds import Pair, bounds_at
from cospace.compiler.numbers.steps import Ref, Value_
from cospace.compiler.space import graph
from cospace.compiler.space.asked import is_modelled, solves
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.fold import Fold
from cospace.compiler.space.graph import TRUE, Expr, Value, negative
from cospace.compiler.space.model import Design, Objective, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 1_000_000
"""Open designs that are listed at most."""
SETTINGS = 4_096
"""Settings of the fixed decisions that one table has, at most."""
FOLDED = 1 << 14
"""Settings of all tables, at most."""
CELLS = 1 << 23
"""Numbers of all tables, at most."""
MERGED = 1 << 16
"""Numbers that a table has at most where it is spread over more open decisions than it reads, to be added to others."""
LOOKS = 64
"""Designs in doubt that the reference evaluator is asked about in a step, at most."""


@frozen(eq=False)
class _Table:
    """expr: what it is of; reads: the fixed decisions (sizes: their values, one more where they may be dead), and
    scope: the open ones. values: (settings, rows of the scope), once they are made."""

    expr: Expr
    reads: tuple[int, ...]
    sizes: tuple[int, ...]
    scope: tuple[int, ...]

    @property
    def settings(self) -> int:
        return math.prod(self.sizes)


@mutable(eq=False)
class _Given:
    """Tables that are added up row by row, truths held together, as one array over `scope` for whoever reads it.

    values: the rows of all tables, one table after the other, (settings, rows of the scope). reads, strides, (tables,
    decisions read at most), and firsts, (tables,): by which a table's row is found. constant: the array for all open
    designs, where nothing in it hangs on the fixed decisions.
    """

    tables: list[_Table]
    scope: tuple[int, ...]
    values: Array = field(init=False)
    reads: Array = field(init=False)
    strides: Array = field(init=False)
    firsts: Array = field(init=False)
    constant: Array | None = None

    def fill(self, parts: Sequence[Array]) -> None:
        """The values of each table."""
        wide = max(len(t.reads) for t in self.tables)
        self.values = numpy.concatenate(parts)
        self.firsts = numpy.cumsum([0, *(t.settings for t in self.tables[:-1])])
        self.reads, self.strides = numpy.zeros((2, len(self.tables), wide), numpy.int64)
        for n, t in enumerate(self.tables):
            self.reads[n, : len(t.reads)] = t.reads
            self.strides[n, : len(t.reads)] = [math.prod(t.sizes[k + 1 :]) for k in range(len(t.sizes))]

    def at(self, places: Array) -> Array:
        """The array, (rows of the scope,), where the fixed decisions are at these places of their values."""
        rows = self.values[self.firsts + (places[self.reads] * self.strides).sum(axis=1)]
        joined: Array = (numpy.logical_and if rows.dtype == numpy.bool_ else numpy.add).reduce(rows, axis=0)
        return joined


@frozen
class Step:
    """The open design that was chosen: its number in `Tabulated.rows`, and the goal there as a float.

    sure: whether nothing else is better beyond doubt; if not, nothing is by more than `slack`.
    """

    row: int
    value: float
    slack: float
    sure: bool


class Tabulated:
    """Best values of the open decisions, where what joins layers is sums, extremes and what is made of them.

    rows: (n, open decisions), the open designs that meet what is required of these alone. goal: the only objective, or
    the one that is given. Raises Tangled where the space has no such tables, TooMany where there are too many designs.
    Whether the fixed decisions may be set as they are is the caller's to know.
    """

    def __init__(
        self, space: Space, open_paths: Collection[str], objective: Objective | None = None, limit: int = ROWS
    ) -> None:
        paths = frozenset(open_paths)
        objectives = [objective] if objective is not None else [o for o in space.objectives if is_modelled(o.value)]
        if len(objectives) != 1:
            raise Tangled("there is not one objective")
        self.closed = tuple(d for d in space.decisions if d.path not in paths)
        self.open = tuple(d for d in space.decisions if d.path in paths)
        names = {d.path for d in self.closed}
        if any(e.free & names for d in self.open for e in (d.guard, *(d.allowed or ()))):
            raise Tangled("which open decisions there are hangs on the fixed ones")
        if any(e.free & paths for d in self.closed for e in (d.guard, *(d.allowed or ()))):
            raise Tangled("which fixed decisions there are hangs on the open ones")
        self.goal = objectives[0].value if objectives[0].sense == "minimize" else negative(objectives[0].value)
        conditions = [c for c in dict.fromkeys(conditions_of(space)) if c is not TRUE]
        own = [c for c in conditions if c.free <= paths and not solves(c)]
        self.conditions = [c for c in conditions if c not in set(own)]
        self.frame = Frame.of(evolve(space, decisions=self.open))
        clauses = self.frame.clauses([Requirement(c, TRUE, "", NOWHERE) for c in own])
        self.rows: Rows = self.frame.enumerate(range(len(self.open)), clauses, limit=limit)
        self._space = space
        self._columns = list(range(len(self.open)))
        self._dead = numpy.array([len(d.values) - (d.guard is TRUE) for d in self.closed], numpy.int64)
        self._where = {d.path: j for j, d in enumerate(self.closed)}
        self._projected: dict[tuple[int, ...], tuple[Rows, Rows]] = {}
        self._given: list[_Given] = []
        self._names: dict[int, Expr] = {}
        roots = [self._above(e) for e in (self.goal, graph.both(TRUE, *self.conditions))]
        self._make()
        self._compile(roots)

    @property
    def cells(self) -> int:
        """Numbers in all tables."""
        return sum(g.values.size for g in self._given)

    def design(self, row: int) -> Design:
        """The open decisions of a row, those that are live."""
        return self.frame.design(self._columns, self.rows[row])

    def indices(self, fixed: Mapping[str, Value]) -> Array:
        """The fixed decisions as `best` takes them. Raises DesignError at what is not there."""
        for path in fixed:
            if path not in self._where:
                raise DesignError(path, "there is no such decision among the fixed ones")
        return numpy.array([index_of(d, fixed[d.path]) if d.path in fixed else -1 for d in self.closed], numpy.int64)

    def best(self, indices: Array) -> Step | None:
        """The best open design where the fixed decisions have these indices into their values, -1 where dead: the
        first of those that floats don't tell apart. None where no design meets every requirement.

        Raises Undecided where that can't be told.
        """
        if not len(self.rows):
            return None
        places = numpy.where(indices < 0, self._dead, indices)
        inputs = {}
        for k, given in enumerate(self._given):
            inputs[0, k] = given.constant if given.constant is not None else self._spread(given, places)
        goal, meets, there, doubt = self._plan.run(self._at, inputs)
        numpy.copyto(goal, math.nan, where=doubt | ~(there & meets))
        most = float(self._bounds(numpy.fmin.reduce(goal))[1])
        rows = numpy.flatnonzero(goal <= self._reach(most))
        near = [(rows, goal[rows], *self._bounds(goal[rows]))]
        if doubt.any():
            near.append(self._decide(indices, numpy.flatnonzero(doubt).tolist()))
        row, goal, low, high = (numpy.concatenate(parts) for parts in zip(*near, strict=True))
        if not len(row):
            return None
        most = high.min()
        best = numpy.flatnonzero(~(low > most))
        first = best[row[best].argmin()]
        return Step(int(row[first]), float(goal[first]), float(most - low[best].min()), len(best) == 1)

    # ---- a step

    def _spread(self, given: _Given, places: Array) -> Array:
        found: Array = given.at(places).take(self._project(given.scope)[1])
        return found

    def _bounds(self, goal: Array) -> tuple[Array, Array]:
        span = self._span
        slack = numpy.full(goal.shape, span.error * 1.0000001)
        if span.share < 0.5:
            slack = numpy.minimum(slack, numpy.abs(goal) * (span.share / (1 - span.share) * 1.0000001))
        return goal - slack, goal + slack

    def _reach(self, most: float) -> float:
        """No float above this may stand for a goal of no more than `most`."""
        span = self._span
        slack = span.error
        if span.share < 1 / 3:
            slack = min(slack, abs(most) * (span.share / (1 - 2 * span.share)))
        return most + slack * 1.000001 + abs(most) * 1e-12

    def _decide(self, indices: Array, rows: Sequence[int]) -> tuple[Array, Array, Array, Array]:
        """Of what floats leave in doubt, by the reference evaluator: rows, goals and their bounds of what is fine."""
        fixed = {d.path: d.values[int(i)] for d, i in zip(self.closed, indices, strict=True) if i >= 0}
        if len(rows) > LOOKS:
            raise exact.Undecided(self.goal, {**fixed, **self.design(rows[0])})
        fine, ends = [], []
        for i in rows:
            value, *found = exact.evaluate_all([self.goal, *self.conditions], {**fixed, **self.design(i)})
            if all(f is True for f in found):
                fine.append(i)
                ends.append((value.low, value.high) if isinstance(value, exact.Enclosure) else (value, value))
        low = numpy.array([math.nextafter(float(a), -math.inf) for a, _ in ends])  # type: ignore[arg-type]
        high = numpy.array([math.nextafter(float(b), math.inf) for _, b in ends])  # type: ignore[arg-type]
        return numpy.array(fine, numpy.int64), (low + high) / 2, low, high

    # ---- tables

    def _project(self, scope: tuple[int, ...]) -> tuple[Rows, Rows]:
        if scope not in self._projected:
            self._projected[scope] = self.frame.project(self.rows, self._columns, scope)
        return self._projected[scope]

    def _table(self, e: Expr) -> _Table:
        reads = tuple(sorted(self._where[p] for p in e.free if p in self._where))
        sizes = tuple(len(self.closed[j].values) + (self.closed[j].guard is not TRUE) for j in reads)
        return _Table(e, reads, sizes, self.frame.scope(e))

    def _fits(self, table: _Table) -> bool:
        if table.expr.type.kind not in ("number", "bool") or table.settings > SETTINGS:
            return False
        return table.settings * len(self._project(table.scope)[0]) <= CELLS

    def _merged(self, groups: dict[tuple[int, ...], list[_Table]]) -> list[list[_Table]]:
        """Groups of tables by their scope, a small one with one that reads more and stands before it in the list."""
        merged: dict[tuple[int, ...], list[_Table]] = {}
        for scope in sorted(groups, key=len, reverse=True):
            most = MERGED // sum(t.settings for t in groups[scope])
            over = (s for s in merged if set(scope) <= set(s) and len(self._project(s)[0]) <= most)
            merged.setdefault(next(over, scope), []).extend(groups[scope])
        return list(merged.values())

    def _above(self, root: Expr) -> Expr:
        """An expression with what is in tables called by name."""
        stack = [root]
        while stack:
            e = stack[-1]
            if id(e) in self._names:
                stack.pop()
                continue
            if not e.free:
                self._names[id(e)] = e
                continue
            table = self._table(e)
            if self._fits(table):
                self._names[id(e)] = self._name([table], e)
                continue
            if e.op in ("solve", "solvable", "var") or not e.args:
                raise Tangled("a part reads too many of the fixed decisions to be a table")
            own, rest = self._groups(e)
            missing = [a for a in rest if id(a) not in self._names]
            if missing:
                stack.extend(missing)
                continue
            args = [self._name(group, e) for group in own] + [self._names[id(a)] for a in rest]
            if len(args) == 1 and e.op in ("add", "and", "max", "min"):
                self._names[id(e)] = args[0]
            else:
                self._names[id(e)] = graph.make(e.op, tuple(args), e.type, e.payload, e.span)
        return self._names[id(root)]

    def _groups(self, e: Expr) -> tuple[list[list[_Table]], list[Expr]]:
        """Of a sum, and of what has to hold together, the terms that are tables, by the open decisions that they read,
        those of the same fixed ones as one; and the other arguments."""
        if e.op not in ("add", "and"):
            return [], list(e.args)
        terms: dict[tuple[tuple[int, ...], tuple[int, ...]], list[Expr]] = {}
        rest = []
        for a in e.args:
            table = self._table(a)
            if self._fits(table) and a.free:
                terms.setdefault((table.scope, table.reads), []).append(a)
            else:
                rest.append(a)
        groups: dict[tuple[int, ...], list[_Table]] = {}
        for (scope, _), own in terms.items():
            groups.setdefault(scope, []).append(self._table((graph.add if e.op == "add" else graph.both)(*own)))
        return self._merged(groups), rest

    def _name(self, tables: list[_Table], e: Expr) -> Expr:
        self._given.append(_Given(tables, tables[0].scope))
        return graph.var(f"#{len(self._given) - 1}", e.type)

    def _make(self) -> None:
        """Every table, those over the same open decisions by one program: a mapping problem is solved once in it."""
        tables = [t for g in self._given for t in g.tables]
        if sum(t.settings for t in tables) > FOLDED:
            raise Tangled("the tables have too many settings")
        fold = Fold(self.closed)
        asked: dict[tuple[int, ...], dict[int, Expr]] = {}
        cells: dict[int, list[Expr]] = {}
        for table in tables:
            own = cells[id(table)] = []
            for row in itertools.product(*(range(size) for size in table.sizes)):
                fold.set({
                    self.closed[j].path: i for j, i in zip(table.reads, row, strict=True)
                    if i < len(self.closed[j].values)
                })  # fmt: skip
                own.append(fold(table.expr))
            asked.setdefault(table.scope, {}).update((id(e), e) for e in own)
        if sum(len(e) * len(self._project(s)[0]) for s, e in asked.items()) > CELLS:
            raise Tangled("the tables are too large")
        found: dict[tuple[tuple[int, ...], int], Pair] = {}
        for scope, exprs in asked.items():
            rows = self._project(scope)[0]
            for e, pair in zip(exprs.values(), bounds_at(list(exprs.values()), self.frame, scope, rows), strict=True):
                found[scope, id(e)] = pair
        self._spans: list[tuple[Range, bool]] = []
        for given in self._given:
            span: Range | None = None
            missing = False
            parts = []
            for table in given.tables:
                pairs = [found[table.scope, id(e)] for e in cells[id(table)]]
                values, own_span = _joined(pairs, table.expr.type.kind)
                spread = self.frame.project(self._project(given.scope)[0], given.scope, table.scope)[1]
                parts.append(values[:, spread])
                joined = span is not None and own_span is not ranges.BOOLEAN
                span = ranges.add(span, own_span) if joined and span is not None else own_span
                missing |= values.dtype != numpy.bool_ and bool(numpy.isnan(values).any())
            assert span is not None
            self._spans.append((span, missing))
            given.fill(parts)
            if all(not t.reads for t in given.tables):
                given.constant = self._spread(given, self._dead)

    def _compile(self, roots: Sequence[Expr]) -> None:
        builder = Builder(self.open, certify=True)
        for k, (span, missing) in enumerate(self._spans):
            kind = self._given[k].tables[0].expr.type.kind
            if kind == "bool" and self._given[k].values.all():
                builder.given[f"#{k}"] = Value_(builder.scalar(True))
                continue
            promised = Ref(-1, kind, (), True, span, missing)
            builder.given[f"#{k}"] = Value_(builder.load_guarded((0, k), promised))
        compiled = [builder.compile(e) for e in roots]
        there = builder.defined(compiled[0]) or builder.scalar(True)
        wanted = [v.ref for v in compiled]
        self._span = compiled[0].ref.range
        self._plan = Plan(builder, [*wanted, there, _checks(builder, [*wanted, there])], numpy)
        self._at = Columns(numpy, self.rows, self.open)


def _joined(pairs: Sequence[Pair], kind: str) -> tuple[Array, Range]:
    """A table's values, (settings, rows), and what is known of all: how far they may be off, and by which share."""
    if kind == "bool":
        if any((p.low == p.high).any() for p in pairs):
            raise Tangled("a condition is not decided, or not defined")
        return numpy.stack([p.low for p in pairs]), ranges.BOOLEAN
    low, high = numpy.stack([p.low for p in pairs]), numpy.stack([p.high for p in pairs])
    known = ~numpy.isnan(low)
    if not known.any():
        return low, Range(0.0, 0.0)
    if not numpy.isfinite(low[known]).all() or not numpy.isfinite(high[known]).all():
        raise Tangled("a number is beyond floats")
    values = (low + high) / 2
    off = numpy.maximum(high - values, values - low)[known] * 1.0000001
    size = numpy.abs(values[known])
    error = float(off.max())
    least = float(size[size > 0].min(initial=math.inf))
    relative = math.inf
    if ((size > 0) | (off == 0)).all() and math.isfinite(least):
        relative = float((off[size > 0] / (size - off)[size > 0]).max()) if (size > off)[size > 0].all() else math.inf
    tiny = least / 2 if math.isfinite(relative) else 0.0
    ends = float(values[known].min()), float(values[known].max())
    return values, Range(*ends, 0.0, error, False, relative, tiny)


__all__ = ["Step", "Tabulated"]
