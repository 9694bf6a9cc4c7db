"""Requirements decided from tables over few decisions each: what drawn designs are decided anew by.

Its own arithmetic on purpose: nothing of what a sampler counts, decides or draws with is used. What reads one decision
is asked of the reference evaluator, value by value, and values that nothing tells apart become one class. The rest is
whole numbers over one denominator: small expressions become tables over the classes of what they read, larger ones are
gathers from such tables, sums, products and comparisons. What would not fit is refused (`NoTable`).

Designs come in columns of one decision or several (`columns`); a table has an axis for each column that it reads.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.sampling.columns import Column, Designs
from cospace.compiler.sampling.recheck_grids import (
    AT,
    MANY,
    MOST,
    NUMBERS,
    WIDE,
    Array,
    Grid,
    Node,
    NoTable,
    Room,
    combined,
    folded,
    joined,
)
from cospace.compiler.space import graph
from cospace.compiler.space.asked import opaque
from cospace.compiler.space.fingerprint import Interner, paths_and_keys
from cospace.compiler.space.graph import TRUE, Expr, Symbol, Value
from cospace.compiler.space.model import Decision

LEAVES = 1 << 10
"""Cells that the reference evaluator is asked about for one expression of several decisions, at most."""
BLOCK = 1 << 15
"""Designs that are decided at once; twice as many where tables are larger."""
FOLDED = {"add": graph.add, "mul": graph.mul}
PAIRS = 256
"""Pairs of values at which a comparison of two decisions is asked about."""
MERGED = 64
"""Up to so many values of a decision are not merged."""


class Tabled:
    """All that makes rows of indices feasible designs, as far as tables decide it; `refused`: what they don't."""

    def __init__(self, decisions: Sequence[Decision], wanted: Sequence[Expr], columns: Sequence[Column]) -> None:
        self.decisions, self.columns = tuple(decisions), tuple(columns)
        self.column = {k: c for c, column in enumerate(columns) for k in column.members}
        self.position = {d.path: k for k, d in enumerate(decisions)}
        self.maybe_dead = [d.guard is not TRUE for d in decisions]
        self.long = any(len(c.members) > 1 for c in columns)
        self._cells = MANY if self.long else NUMBERS
        self._interner = Interner()
        self._domains = [
            self._interner.intern(tuple((v.__class__, v) for v in self._values(k))) for k in range(len(decisions))
        ]
        self._leaves: dict[Hashable, list[Any]] = {}
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
        self.spans = [math.prod(self.sizes[k] for k in c.members) for c in columns]
        self.coded = [self._coded(c) for c in columns]
        self._stands = [self._representatives(k) for k in range(len(self.decisions))]
        self.legal_refused = False
        nodes: list[Node] = []
        for e in parts:
            try:
                nodes.append(self._truth(e))
            except NoTable:
                self.refused.append(e)
        self.roots = joined([n for n in nodes if not (isinstance(n, Grid) and n.values.all())], self.spans)
        self._legal()
        self.tables: dict[int, Array] = {}
        self.uses: Counter[int | tuple[int, ...]] = Counter()
        self._same: dict[tuple[str, bytes], Array] = {}
        self.coded = [None if c is None else self._one(c) for c in self.coded]
        for node in (*self.roots, *(g for _, g in self.legal)):
            self._count(node)

    def _count(self, node: Node) -> None:
        """How often each step is read, and each code."""
        if isinstance(node, Grid):
            self.tables[id(node)] = self._one(node.values.reshape(-1))
            if node.scope:
                self._count_code(node.scope)
            return
        self.uses[id(node)] += 1
        if self.uses[id(node)] == 1:
            for a in node.args:
                self._count(a)

    def _one(self, values: Array) -> Array:
        """The same array for all that are equal: what alike layers look up is then in the cache for all of them."""
        return self._same.setdefault((values.dtype.str, values.tobytes()), values)

    def _count_code(self, scope: tuple[int, ...]) -> None:
        self.uses[scope] += 1
        if len(scope) > 1 and self.uses[scope] == 1:
            self._count_code(scope[:-1])
            self._count_code(scope[-1:])

    # ---- decisions

    def _slots(self, k: int) -> int:
        return len(self.decisions[k].values) + self.maybe_dead[k]

    def _values(self, k: int) -> list[Value | None]:
        """By slot: a decision that may be dead has that first."""
        return [None, *self.decisions[k].values] if self.maybe_dead[k] else list(self.decisions[k].values)

    def _merge(self, parts: Sequence[Expr]) -> list[Array | None]:
        """For each decision with many values the class of each slot; None where each is its own."""
        reads: list[dict[int, Expr]] = [{} for _ in self.decisions]
        beside: list[list[tuple[Expr, int]]] = [[] for _ in self.decisions]
        alone = [len(self.columns[self.column[k]].members) == 1 for k in range(len(self.decisions))]
        plain = [one and len(d.values) <= MERGED for one, d in zip(alone, self.decisions, strict=True)]
        stack, seen = list(parts), set()
        while stack:
            e = stack.pop()
            if id(e) in seen:
                continue
            seen.add(id(e))
            own = self._scope(e)
            if len(own) == 1:
                reads[own[0]][id(e)] = e
                continue
            if self._compares(e, own):
                beside[own[0]].append((e, own[1]))
                beside[own[1]].append((e, own[0]))
                continue
            stack.extend(a for a in e.args if e.op not in FOLDED or len(self._scope(a)) != 1)
            for k, args in self._alike(e.args if e.op in FOLDED else ()).items():
                together = args[0] if len(args) == 1 else FOLDED[e.op](*args)
                self._keep.append(together)
                reads[k][id(together)] = together
        for k, d in enumerate(self.decisions):
            if d.allowed is not None:
                plain[k] = True
            for path in {p for e in (d.guard, *(d.allowed or ())) for p in e.free}:
                plain[self.position[path]] = True
        found: list[Array | None] = []
        known: dict[tuple[int, ...], Array] = {}
        for k, asked in enumerate(reads):
            if plain[k] or any(e.op == "var" for e in asked.values()):
                found.append(None)
                continue
            leaves = [self._leaf(e, k) for e in asked.values()]
            others = [self._beside(e, k, other) for e, other in beside[k]]
            alike = (self._slots(k), *map(id, leaves), *map(id, others))  # kept, so that an id stands for one of them
            if alike not in known:
                columns: list[Sequence[object]] = [[_key(r) for r in leaf] for leaf in leaves]
                number: dict[tuple[object, ...], int] = {}
                rows = list(zip(*columns, *others, strict=True)) if columns or others else [()] * self._slots(k)
                known[alike] = numpy.array([number.setdefault(row, len(number)) for row in rows])
            found.append(known[alike])
        return found

    def _compares(self, e: Expr, scope: tuple[int, ...]) -> bool:
        """Whether a comparison reads two decisions of few values, at least one in a column of several."""
        if e.op not in ("le", "lt") or len(scope) != 2 or any(self.maybe_dead[k] for k in scope):
            return False
        several = any(len(self.columns[self.column[k]].members) > 1 for k in scope)
        return several and math.prod(len(self.decisions[k].values) for k in scope) <= PAIRS

    def _beside(self, e: Expr, k: int, other: int) -> Sequence[object]:
        """What a comparison says at each value of a decision, beside all values of another."""
        mine, its = self.decisions[k], self.decisions[other]
        paths, keys = paths_and_keys([e], self._interner)
        key = ("beside", keys, paths.index(mine.path), self._domains[k], self._domains[other])
        if key not in self._leaves:
            self._leaves[key] = [
                tuple(exact.evaluate(e, {mine.path: v, its.path: u}) is True for u in its.values) for v in mine.values
            ]
        return self._leaves[key]

    def _alike(self, args: Sequence[Expr]) -> dict[int, list[Expr]]:
        """The arguments that read one decision alone, by which: a sum or product reads only what these are together."""
        found: dict[int, list[Expr]] = {}
        for a in args:
            scope = self._scope(a)
            if len(scope) == 1:
                found.setdefault(scope[0], []).append(a)
        return found

    def _coded(self, column: Column) -> Array | None:
        """What each number of a column is on the axis of tables; None where it is that itself."""
        if len(column.members) == 1:
            classes = self.classes[column.members[0]]
            return None if classes is None else classes.astype(numpy.int16)
        code: Array = numpy.zeros(1, dtype=numpy.int64)
        for k, size in zip(column.members, column.sizes, strict=True):
            classes = self.classes[k]
            own = numpy.arange(size) if classes is None else classes
            code = (code[:, None] * self.sizes[k] + own).reshape(-1)
        # small tables are of the type that numpy looks up by, large ones as small as they can be
        return code if len(code) <= WIDE else code.astype(numpy.min_scalar_type(-1 - int(code.max())))

    def _lifted(self, scope: tuple[int, ...], values: Array, below: int) -> Grid:
        """A table over decisions as one over the columns that these are in."""
        across = tuple(sorted({self.column[k] for k in scope}))
        every = [k for c in across for k in self.columns[c].members]
        order = sorted(range(len(scope)), key=lambda at: every.index(scope[at]))
        values = values.transpose(order).reshape([self.sizes[k] if k in scope else 1 for k in every])
        values = numpy.broadcast_to(values, [self.sizes[k] for k in every])
        return Grid(across, values.reshape([self.spans[c] for c in across]), below)

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
        if e.op in FOLDED:
            rest = [a for a in e.args if len(self._scope(a)) != 1]
            args = [self._build(a) for a in rest]
            args += [self._together(e.op, own) for own in self._alike(e.args).values()]
            return folded(e.op, args, self.spans, self._cells)
        return combined(e.op, [self._build(a) for a in e.args], self.spans, self._cells)

    def _together(self, op: str, args: list[Expr]) -> Node:
        """What several arguments of one decision are: a class of its values tells only that."""
        return self._build(args[0] if len(args) == 1 else FOLDED[op](*args))

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
            return self._lifted(scope, numpy.array([r is True for r in results], dtype=bool).reshape(shape), 0)
        if all(isinstance(r, (Symbol, str)) for r in results):
            coded = [self._symbols.setdefault(r, len(self._symbols)) for r in results]  # type: ignore[arg-type]
            return self._lifted(scope, numpy.array(coded, dtype=numpy.int64).reshape(shape), 1)
        if not all(isinstance(r, Fraction) for r in results):
            raise NoTable
        numbers: list[Fraction] = results  # type: ignore[assignment]
        below = math.lcm(*(r.denominator for r in numbers))
        whole = [int(r * below) for r in numbers]
        if max(map(abs, whole)) >= MOST:
            raise NoTable
        return self._lifted(scope, numpy.array(whole, dtype=numpy.int64).reshape(shape), below)

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
            self.legal.append((k, self._lifted(scope, met, 0)))

    # ---- designs

    def __call__(self, designs: Designs) -> Array:
        """Whether each design meets all; raises AssertionError at a number that stands for no values at all."""
        held = numpy.ones(len(designs), dtype=bool)
        for column, codes in zip(self.columns, designs.codes, strict=True):
            dead = len(column.members) == 1 and self.maybe_dead[column.members[0]]
            if len(designs) and not -int(dead) <= int(codes.min()) <= int(codes.max()) < column.size:
                named = ", ".join(f"`{self.decisions[k].path}`" for k in column.members)
                raise AssertionError(f"a sample is not one of designs: {named} has an index that is none")
        size = BLOCK << self.long
        room = Room(min(size, len(designs)))
        for start in range(0, len(designs), size):
            some = designs.part(start, start + size)
            if len(some) < room.length:
                room = Room(len(some))
            block = _Block(self, some, room)
            into = held[start : start + size]
            for root in (*self.roots, *(g for _, g in self.legal)):
                met = block.value(root)
                into &= met
                block.release(root, met)
        return held


class _Block:
    """Some designs: codes of what tables read and values of steps, each made once and let go after its last use."""

    def __init__(self, owner: Tabled, designs: Designs, room: Room) -> None:
        self.owner, self.designs, self.room = owner, designs, room
        self._left = dict(owner.uses)
        self._held: dict[int | tuple[int, ...], Array] = {}

    def value(self, node: Node) -> Array:
        if isinstance(node, Grid):
            if not node.scope:
                return node.values
            code = self.code(node.scope)
            found = self.room.taken(self.owner.tables[id(node)], code)
            self._release(node.scope)
            return found
        known = self._held.get(id(node))
        if known is None:
            args = [self.value(a) for a in node.args]
            known = self._held[id(node)] = AT[node.op](node, args, self.room)
            for a, arg in zip(node.args, args, strict=True):
                self.release(a, arg)
        return known

    def release(self, node: Node, value: Array) -> None:
        """A value that was asked for and is used."""
        if isinstance(node, Grid):
            self.room.give(value)
        else:
            self._release(id(node))

    def code(self, scope: tuple[int, ...]) -> Array:
        """Where each design lies in a table over `scope`; those that begin alike share their beginnings."""
        found = self._held.get(scope)
        if found is None:
            found = self._held[scope] = self._column(scope[0]) if len(scope) == 1 else self._further(scope)
        return found

    def _release(self, key: int | tuple[int, ...]) -> None:
        self._left[key] -= 1
        if not self._left[key]:
            self.room.give(self._held.pop(key))

    def _further(self, scope: tuple[int, ...]) -> Array:
        cells = math.prod(self.owner.spans[c] for c in scope)
        code = self.room.get(numpy.int64 if self.owner.long else numpy.int16 if cells < 1 << 15 else numpy.int32)
        before, own = self.code(scope[:-1]), self.code(scope[-1:])
        numpy.multiply(before, code.dtype.type(self.owner.spans[scope[-1]]), out=code, dtype=code.dtype)
        numpy.add(code, own, out=code)
        self._release(scope[:-1])
        self._release(scope[-1:])
        return code

    def _column(self, c: int) -> Array:
        codes, classes = self.designs.codes[c], self.owner.coded[c]
        members = self.owner.columns[c].members
        if len(members) == 1 and self.owner.maybe_dead[members[0]]:
            codes = codes + codes.dtype.type(1)
        if not self.owner.long:
            return numpy.ascontiguousarray(codes) if classes is None else self.room.taken(classes, codes)
        # of the type that numpy looks up by, so that it needs no memory of its own
        code = self.room.get(numpy.int64)
        code[:] = codes
        if classes is None:
            return code
        own = self.room.taken(classes, code)
        if own.dtype == code.dtype:
            self.room.give(code)
            return own
        code[:] = own
        self.room.give(own)
        return code


def _is_heavy(exprs: Sequence[Expr]) -> bool:
    """Whether mappings are solved below, or something is read that only a run knows."""
    return bool(opaque(exprs))


def _key(result: object) -> object:
    return (result.__class__, result)


__all__ = ["NoTable", "Tabled"]
