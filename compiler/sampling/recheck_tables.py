"""Requirements decided from tables over few decisions each: what drawn designs are decided anew by.

Its own arithmetic on purpose: nothing of what a sampler counts, decides or draws with is used. What reads one decision
is asked of the reference evaluator, value by value, and values that nothing tells apart become one class. The rest is
whole numbers over one denominator: small expressions become tables over the classes of what they read, larger ones are
gathers from such tables, sums, products and comparisons. What would not fit is refused (`NoTable`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from fractions import Fraction

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.sampling.recheck_grids import AT, MOST, Array, Grid, Node, NoTable, combined, folded, joined
from cospace.compiler.space.fingerprint import Interner, paths_and_keys
from cospace.compiler.space.graph import TRUE, Expr, Symbol, Value, walk
from cospace.compiler.space.model import Decision

LEAVES = 1 << 10
"""Cells that the reference evaluator is asked about for one expression of several decisions, at most."""
BLOCK = 1 << 15
"""Designs that are decided at once."""
MERGED = 64
"""Up to so many values of a decision are not merged."""


class Tabled:
    """All that makes rows of indices feasible designs, as far as tables decide it; `refused`: what they don't."""

    def __init__(self, decisions: Sequence[Decision], wanted: Sequence[Expr]) -> None:
        self.decisions = tuple(decisions)
        self.position = {d.path: k for k, d in enumerate(decisions)}
        self.maybe_dead = [d.guard is not TRUE for d in decisions]
        self._interner = Interner()
        self._domains = [
            self._interner.intern(tuple((v.__class__, v) for v in self._values(k))) for k in range(len(decisions))
        ]
        self._leaves: dict[Hashable, list[exact.Result]] = {}
        self._built: dict[int, Node] = {}
        self._symbols: dict[Value, int] = {}
        parts = [a for e in wanted for a in (e.args if e.op == "and" else (e,))]
        self._keep = [*wanted, *parts]
        self.refused = [e for e in parts if _is_heavy([e])]
        parts = [e for e in parts if not _is_heavy([e])]
        self.classes: list[Array | None] = self._merge(parts)
        self.sizes = [
            self._slots(k) if c is None else int(c.max()) + 1 for k, c in enumerate(self.classes)
        ]  # fmt: skip
        self._stands = [self._representatives(k) for k in range(len(self.decisions))]
        self.legal_refused = False
        nodes: list[Node] = []
        for e in parts:
            try:
                nodes.append(self._truth(e))
            except NoTable:
                self.refused.append(e)
        self.roots = joined([n for n in nodes if not (isinstance(n, Grid) and n.values.all())], self.sizes)
        self._legal()

    # ---- decisions

    def _slots(self, k: int) -> int:
        return len(self.decisions[k].values) + self.maybe_dead[k]

    def _values(self, k: int) -> list[Value | None]:
        """By slot: a decision that may be dead has that first."""
        return [None, *self.decisions[k].values] if self.maybe_dead[k] else list(self.decisions[k].values)

    def _merge(self, parts: Sequence[Expr]) -> list[Array | None]:
        """For each decision with many values the class of each slot; None where each is its own."""
        reads: list[dict[int, Expr]] = [{} for _ in self.decisions]
        plain = [len(d.values) <= MERGED for d in self.decisions]
        stack, seen = list(parts), set()
        while stack:
            e = stack.pop()
            if id(e) in seen:
                continue
            seen.add(id(e))
            own = self._scope(e)
            if len(own) == 1:
                reads[own[0]][id(e)] = e
            else:
                stack.extend(e.args)
        for k, d in enumerate(self.decisions):
            if d.allowed is not None:
                plain[k] = True
            for path in {p for e in (d.guard, *(d.allowed or ())) for p in e.free}:
                plain[self.position[path]] = True
        found: list[Array | None] = []
        for k, asked in enumerate(reads):
            if plain[k] or any(e.op == "var" for e in asked.values()):
                found.append(None)
                continue
            columns = [[_key(r) for r in self._leaf(e, k)] for e in asked.values()]
            number: dict[tuple[object, ...], int] = {}
            rows = list(zip(*columns, strict=True)) if columns else [()] * self._slots(k)
            found.append(numpy.array([number.setdefault(row, len(number)) for row in rows]))
        return found

    def _representatives(self, k: int) -> list[Value | None]:
        values, classes = self._values(k), self.classes[k]
        if classes is None:
            return values
        first = numpy.unique(classes, return_index=True)[1]
        return [values[i] for i in first]

    def _scope(self, e: Expr) -> tuple[int, ...]:
        return tuple(sorted(self.position[p] for p in e.free))

    def _leaf(self, e: Expr, k: int) -> list[exact.Result]:
        """What an expression that reads one decision is at each of its slots."""
        path = self.decisions[k].path
        _, keys = paths_and_keys([e], self._interner)
        key = (keys, self._domains[k])
        if key not in self._leaves:
            self._leaves[key] = [exact.evaluate(e, {} if v is None else {path: v}) for v in self._values(k)]
        return self._leaves[key]

    # ---- expressions to tables and steps

    def _truth(self, e: Expr) -> Node:
        """Whether a part of a requirement holds; what has no value does not."""
        scope = self._scope(e)
        if math.prod(self.sizes[k] for k in scope) <= 256 or any(self.maybe_dead[k] for k in scope):
            return self._asked(e, scope, truth=True)
        return self._build(e)

    def _build(self, e: Expr) -> Node:
        found = self._built.get(id(e))
        if found is None:
            found = self._built[id(e)] = self._make(e)
        return found

    def _make(self, e: Expr) -> Node:
        scope = self._scope(e)
        if len(scope) <= 1:
            return self._asked(e, scope)
        if e.op not in AT or any(self.maybe_dead[k] for k in scope):
            return self._asked(e, scope)
        args = [self._build(a) for a in e.args]
        if e.op in ("add", "mul"):
            return folded(e.op, args, self.sizes)
        return combined(e.op, args, self.sizes)

    def _asked(self, e: Expr, scope: tuple[int, ...], truth: bool = False) -> Grid:
        """A table whose cells the reference evaluator fills."""
        shape = [self.sizes[k] for k in scope]
        cells = math.prod(shape)
        if cells > LEAVES and len(scope) > 1:
            raise NoTable
        if len(scope) == 1:
            every = self._leaf(e, scope[0])
            classes = self.classes[scope[0]]
            at = range(len(every)) if classes is None else numpy.unique(classes, return_index=True)[1]
            results = [every[i] for i in at]
        else:
            results = self._at_cells(e, scope, shape)
        if truth or e.type.kind == "bool":
            if not truth and not all(isinstance(r, bool) for r in results):
                raise NoTable
            return Grid(scope, numpy.array([r is True for r in results], dtype=bool).reshape(shape), 0)
        if all(isinstance(r, (Symbol, str)) for r in results):
            coded = [self._symbols.setdefault(r, len(self._symbols)) for r in results]  # type: ignore[arg-type]
            return Grid(scope, numpy.array(coded, dtype=numpy.int64).reshape(shape), 1)
        if not all(isinstance(r, Fraction) for r in results):
            raise NoTable
        numbers: list[Fraction] = results  # type: ignore[assignment]
        below = math.lcm(*(r.denominator for r in numbers))
        whole = [int(r * below) for r in numbers]
        if max(map(abs, whole)) >= MOST:
            raise NoTable
        return Grid(scope, numpy.array(whole, dtype=numpy.int64).reshape(shape), below)

    def _at_cells(self, e: Expr, scope: tuple[int, ...], shape: Sequence[int]) -> list[exact.Result]:
        paths, keys = paths_and_keys([e], self._interner)
        order = [self.position[p] for p in paths if p in e.free]
        stands = tuple(tuple((v.__class__, v) for v in self._stands[k]) for k in order)
        key = (keys, stands, tuple(scope.index(k) for k in order))
        if key not in self._leaves:
            found = []
            for cell in numpy.ndindex(*shape):
                values = {self.decisions[k].path: self._stands[k][i] for k, i in zip(scope, cell, strict=True)}
                found.append(exact.evaluate(e, {p: v for p, v in values.items() if v is not None}))
            self._leaves[key] = found
        return self._leaves[key]

    # ---- which decisions are live, with which values

    def _legal(self) -> None:
        """A table for each decision that may be dead, or whose values depend on others."""
        self.legal: list[tuple[int, Grid]] = []
        for k, d in enumerate(self.decisions):
            if d.guard is TRUE and d.allowed is None:
                continue
            scope = tuple(sorted({*self._scope(d.guard), *(j for a in d.allowed or () for j in self._scope(a)), k}))
            shape = [self.sizes[j] for j in scope]
            if math.prod(shape) > LEAVES or _is_heavy([d.guard, *(d.allowed or ())]):
                self.legal_refused = True
                return
            met = numpy.zeros(shape, dtype=bool)
            for cell in numpy.ndindex(*shape):
                values = {self.decisions[j].path: self._stands[j][i] for j, i in zip(scope, cell, strict=True)}
                own = values[d.path]
                design = {p: v for p, v in values.items() if v is not None}
                live = exact.evaluate(d.guard, design) is True
                good = live == (own is not None)
                if good and own is not None and d.allowed is not None:
                    at = cell[scope.index(k)] - self.maybe_dead[k]
                    good = exact.evaluate(d.allowed[at], design) is True
                met[cell] = good
            self.legal.append((k, Grid(scope, met, 0)))

    # ---- rows

    def __call__(self, rows: Array) -> Array:
        """rows: (n, d) indices, -1 where dead. Whether each row meets all; raises AssertionError at no index at all."""
        held = numpy.ones(len(rows), dtype=bool)
        for k, d in enumerate(self.decisions):
            column = rows[:, k]
            if len(rows) and not -int(self.maybe_dead[k]) <= int(column.min()) <= int(column.max()) < len(d.values):
                raise AssertionError(f"a sample is not one of designs: `{d.path}` has an index that is none")
        roots = [*self.roots, *(g for _, g in self.legal)]
        for start in range(0, len(rows), BLOCK):
            block = _Block(self, rows[start : start + BLOCK])
            into = held[start : start + BLOCK]
            for node in roots:
                into &= block.value(node)
        return held


class _Block:
    """Some rows: codes of what tables read, made once."""

    def __init__(self, owner: Tabled, rows: Array) -> None:
        self.owner, self.rows = owner, rows
        self._codes: dict[tuple[int, ...], Array] = {}
        self._known: dict[int, Array] = {}

    def value(self, node: Node) -> Array:
        found = self._known.get(id(node))
        if found is None:
            if isinstance(node, Grid):
                found = node.values.reshape(-1).take(self.code(node.scope))
            else:
                found = AT[node.op](node, [self.value(a) for a in node.args])
                self._known[id(node)] = found
        return found

    def code(self, scope: tuple[int, ...]) -> Array:
        """Where each row lies in a table over `scope`; those that begin alike share their beginnings."""
        if not scope:
            return numpy.zeros(len(self.rows), dtype=numpy.int16)
        found = self._codes.get(scope)
        if found is None:
            own = self._column(scope[-1])
            if len(scope) > 1:
                cells = math.prod(self.owner.sizes[k] for k in scope)
                kind = numpy.int16 if cells < 1 << 15 else numpy.int32
                before = self.code(scope[:-1])
                code = numpy.multiply(before, kind(self.owner.sizes[scope[-1]]), dtype=kind)
                code += own
                own = code
            found = self._codes[scope] = own
        return found

    def _column(self, k: int) -> Array:
        column = self.rows[:, k]
        classes = self.owner.classes[k]
        if self.owner.maybe_dead[k]:
            column = column + column.dtype.type(1)
        if classes is None:
            return numpy.ascontiguousarray(column)
        return classes.astype(numpy.int16).take(column)


def _is_heavy(exprs: Sequence[Expr]) -> bool:
    """Whether mappings are solved below, or something is read that only a run knows."""
    return any(e.op in ("solve", "solvable", "measure", "external", "input") for e in walk(exprs))


def _key(result: object) -> object:
    return (result.__class__, result)


__all__ = ["NoTable", "Tabled"]
