"""Bounds on expressions where the first decisions of an order are fixed and the others may take any of their values.

Parts that read few decisions are tabulated once, over all values of these, and each table is reduced along the order:
the least and the greatest that its entries can be once so many of its decisions are fixed. Bounds for a batch of
prefixes are then looked up, and joined by interval arithmetic with outward rounding. In a sum of parts that share only
fixed decisions the bound is what the sum can really be: the parts' least values are taken one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.numbers.enumerate import Frame, Rows, TooMany
from cospace.compiler.numbers.row_bounds import Pair, bounds_at, constant, join, joins
from cospace.compiler.space.graph import Expr, walk
from numpy.typing import NDArray

Array = NDArray[Any]

CELLS = 1 << 20
"""Entries of one table, at most."""
SMALL = 1 << 12
"""Entries of a table that is always worth making: what it joins is then no longer taken for independent."""
WORTH = 8
"""How many times as many entries as its arguments' tables have together one may have that joins them."""
BLOCK = 1 << 16
"""Rows that a table is worked out at at once."""


@frozen(eq=False)
class _Table:
    """order: its decisions, the first fixed first. levels[m]: low and high with the first m of these fixed, flat."""

    order: tuple[int, ...]
    levels: tuple[Pair, ...]


class PrefixBounds:
    """Bounds on `roots`. order: all decisions of the frame, each after those that its guard and domain read.

    Raises TooMany where a part that interval arithmetic knows nothing of reads too many decisions for a table.
    """

    def __init__(self, frame: Frame, order: Sequence[int], roots: Sequence[Expr], cells: int = CELLS) -> None:
        self.frame, self.order, self.roots = frame, tuple(order), tuple(roots)
        self.depth = {v: n for n, v in enumerate(order)}
        self.cells = cells
        self._sizes = [len(d) for d in frame.domains]
        self._first = [int(d[0]) for d in frame.domains]
        self._scopes: dict[int, tuple[int, ...]] = {}
        self._cost: dict[int, int] = {}
        self._parts = self._divide()
        self._tables = self._tabulate()

    def __call__(self, depth: int, rows: Rows) -> list[Pair]:
        """Bounds on each root at rows (n, depth) of indices of the first `depth` decisions; arrays of shape (n,)."""
        n = len(rows)
        places: dict[tuple[int, ...], Array] = {}
        memo: dict[int, Pair] = {}
        for key, table in self._tables.items():
            fixed = table.order[: self._fixed(table, depth)]
            if fixed not in places:
                places[fixed] = self._place(fixed, rows)
            memo[key] = table.levels[len(fixed)].take(places[fixed])
        found = []
        with numpy.errstate(all="ignore"):
            for root in self.roots:
                pair = self._value(root, memo)
                found.append(Pair(numpy.broadcast_to(pair.low, (n,)), numpy.broadcast_to(pair.high, (n,))))
        return found

    def _fixed(self, table: _Table, depth: int) -> int:
        return sum(self.depth[v] < depth for v in table.order)

    def _place(self, fixed: tuple[int, ...], rows: Rows) -> Array:
        code = numpy.zeros(len(rows), dtype=numpy.int64)
        for v in fixed:
            code *= self._sizes[v]
            code += rows[:, self.depth[v]] - self._first[v]
        return code

    def _value(self, root: Expr, memo: dict[int, Pair]) -> Pair:
        stack = [root]
        while stack:
            e = stack[-1]
            if id(e) in memo:
                stack.pop()
            elif e.op == "const":
                memo[id(e)] = constant(e)
            elif missing := [a for a in e.args if id(a) not in memo]:
                stack.extend(missing)
            else:
                memo[id(e)] = join(e, [memo[id(a)] for a in e.args])
        return memo[id(root)]

    # ---- tables

    def _divide(self) -> list[Expr]:
        """The greatest parts that become tables."""
        for e in walk(self.roots):
            scope = self._scopes[id(e)] = self.frame.scope(e)
            own = math.prod(self._sizes[v] for v in scope)
            below = sum(self._cost[id(a)] for a in {id(a): a for a in e.args}.values())
            apart = any(self._cost[id(a)] > self.cells for a in e.args)
            worth = SMALL if apart else max(SMALL, min(self.cells, WORTH * below))
            self._cost[id(e)] = self.cells + 1 if joins(e) and own > worth else own
        found: dict[int, Expr] = {}
        seen: set[int] = set()
        stack = list(self.roots)
        while stack:
            e = stack.pop()
            if id(e) in seen or (e.op == "const" and e.type.kind in ("number", "bool")):
                continue
            seen.add(id(e))
            if self._cost[id(e)] <= self.cells:
                found[id(e)] = e
            elif joins(e):
                stack.extend(e.args)
            else:
                raise TooMany(math.prod(self._sizes[v] for v in self._scopes[id(e)]), self.cells, self._scopes[id(e)])
        return list(found.values())

    def _tabulate(self) -> dict[int, _Table]:
        together: dict[tuple[int, ...], list[Expr]] = {}
        for e in self._parts:
            together.setdefault(self._scopes[id(e)], []).append(e)
        found: dict[int, _Table] = {}
        for scope, exprs in together.items():
            for e, pair in zip(exprs, self._entries(scope, exprs), strict=True):
                found[id(e)] = self._reduced(scope, pair)
        return found

    def _entries(self, scope: tuple[int, ...], exprs: list[Expr]) -> list[Pair]:
        """Bounds at every row over `scope`; where a row is none of a design, no value."""
        rows = self.frame.product(scope, limit=self.cells)
        there = self._live(scope, rows)
        parts = [
            bounds_at(exprs, self.frame, scope, rows[there[i : i + BLOCK]]) for i in range(0, len(there), BLOCK)
        ] or [[]]  # fmt: skip
        found = []
        for k, e in enumerate(exprs):
            truth = e.type.kind == "bool"
            low = numpy.zeros(len(rows), bool) if truth else numpy.full(len(rows), math.nan)
            high = low.copy()
            if len(there):
                low[there] = numpy.concatenate([p[k].low for p in parts])
                high[there] = numpy.concatenate([p[k].high for p in parts])
            found.append(Pair(low, high))
        return found

    def _live(self, scope: tuple[int, ...], rows: Rows) -> Array:
        """The rows, by number, at which each decision is live as its guard says, of those whose guards can be told."""
        may = numpy.ones(len(rows), dtype=bool)
        columns = list(scope)
        for k, v in enumerate(scope):
            d = self.frame.decisions[v]
            guard = self.frame.guard(v)
            if not (guard.free or d.allowed) or not set(self.frame.scope(guard, *(d.allowed or ()))) <= set(scope):
                continue
            at = numpy.flatnonzero(may)
            options = self.frame.options(v, rows[at], columns)
            may[at] = options[numpy.arange(len(at)), rows[at, k] - self._first[v]]
        return numpy.flatnonzero(may)

    def _reduced(self, scope: tuple[int, ...], pair: Pair) -> _Table:
        order = tuple(sorted(scope, key=self.depth.__getitem__))
        axes = [scope.index(v) for v in order]
        shape = [self._sizes[v] for v in scope]
        low = numpy.transpose(pair.low.reshape(shape), axes)
        high = low if pair.high is pair.low else numpy.transpose(pair.high.reshape(shape), axes)
        least, most = (numpy.logical_or, numpy.logical_or) if low.dtype == bool else (numpy.fmin, numpy.fmax)
        levels = [Pair(low.reshape(-1), high.reshape(-1))]
        for _ in order:
            low, high = least.reduce(low, axis=-1), most.reduce(high, axis=-1)
            levels.append(Pair(numpy.ascontiguousarray(low).reshape(-1), numpy.ascontiguousarray(high).reshape(-1)))
        return _Table(order, tuple(reversed(levels)))


__all__ = ["PrefixBounds"]
