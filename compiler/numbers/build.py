"""From the expression graph to a flat list of array steps.

Owns: sharing, constant folding, tables (an expression of one or two decisions is computed for all their values at
compile time and gathered), the axes of mapping problems, and which comparisons a certified run has to watch. An array
has one axis for each map that it reads, leftmost first declared, nested problems further left, then the designs.

Undefined numbers are nan, undefined symbols -1; an undefined Boolean is false and has a second array that says so.
Reading a map that is not live gives its first value: a checked spec protects such readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.numbers import ranges
from cospace.compiler.numbers.arithmetic import Arithmetic
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.items import extreme_of, items_of, pick_item
from cospace.compiler.numbers.lookup import Finder, look_up
from cospace.compiler.numbers.maps import MapSolver, Scope
from cospace.compiler.numbers.ranges import Range
from cospace.compiler.numbers.steps import Ref, Value_, weight
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.externals import External
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.model import Decision
from cospace.compiler.space.walks import walk_outside_problems

if TYPE_CHECKING:
    from cospace.compiler.numbers.plan import Columns

TABLE_LIMIT = 4096
"""Entries of a table over two decisions, at most."""
CELLS = 1 << 12
"""Combinations of the decisions that a map's values hang on, at most, for a table over them."""

MOST_TERMS = 8
"""Of a sum that is looked at for what cancels."""

_COST = {"const": 0.0, "var": 2.5, "add": 1.0, "mul": 1.0, "div": 2.0, "if": 3.0, "solve": 40.0, "solvable": 40.0}


class Builder(MapSolver, Arithmetic):
    """Compiles nodes into steps. `certify` adds, to each array, the checks under which its bounds hold."""

    def __init__(self, decisions: Sequence[Decision], certify: bool = False) -> None:
        super().__init__(certify)
        self.decisions = {d.path: (j, d) for j, d in enumerate(decisions)}
        self._memo: dict[tuple[object, ...], Value_] = {}
        self.guarded: dict[tuple[int, int], Value_] = {}
        """(node, position of an argument) -> what is evaluated apart, only where its guard holds."""
        self.given: dict[str, Value_] = {}
        """What a name that is no decision's stands for: an array made elsewhere."""
        self.batched: dict[int, Value_] = {}
        """What is solved apart, together with what is of the same form, by its node."""
        self.lists = True
        """Whether what is picked from a list by a number is one step, where it can be."""
        self.finders: dict[object, Finder] = {}
        self.designs: Columns | None = None
        """All designs that there are, if they are known."""
        self._holes: dict[int, Array] = {}
        """Where arrays may lack a value, if that is known: what picks from a list by a map lacks none."""
        self._exact: dict[tuple[tuple[str, ...], int], exact.Evaluation] = {}
        """What was evaluated exactly at the rows of tables over some decisions, for nodes of one graph share parts."""

    # ---- nodes

    def compile(self, root: Expr, scope: Scope = (), table: tuple[str, ...] = ()) -> Value_:
        """The array of a node; `table`: for every value of these decisions instead of for designs."""
        key = self._key(root, scope, table)
        found = self._memo.get(key)
        if found is not None:
            return found
        self._alive.append(root)
        self._mark_split(root)

        def follow(node: Expr) -> list[Expr]:
            """Arguments that are neither compiled already nor evaluated apart."""
            return [
                a
                for i, a in enumerate(node.args)
                if (table or (id(node), i) not in self.guarded) and self._key(a, scope, table) not in self._memo
            ]

        for node in walk_outside_problems(root, follow):
            key = self._key(node, scope, table)
            if key not in self._memo:
                self._memo[key] = self._build(node, key[1], table)  # type: ignore[arg-type]
        return self._memo[self._key(root, scope, table)]

    def _key(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> tuple[object, ...]:
        while scope and scope[-1].paths.isdisjoint(node.free):
            scope = scope[:-1]
        return id(node), scope, table

    def _at(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_:
        return self._memo.get(self._key(node, scope, table)) or self.compile(node, scope, table)

    def _build(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_:
        if not table and node.op not in ("const", "input", "measure", "external"):
            over = self._tabulated(node, scope)
            if over is not None:
                return self._gathered(node, scope, over)
        return self._plain(node, scope, table)

    def _tabulated(self, node: Expr, scope: Scope) -> tuple[str, ...] | None:
        """The decisions whose values `node` is worth computing for at compile time."""
        maps = {m.path for f in scope for m in f.problem.maps}
        reads = [p for p in node.free if p not in maps]
        if not 1 <= len(reads) <= 2 or any(p not in self.decisions for p in reads) or not is_modelled(node):
            return None
        reads.sort(key=lambda p: self.decisions[p][0])
        if len(reads) == 1 and not any(p in node.free for p in maps):
            return tuple(reads)
        entries = math.prod(len(self.decisions[p][1].values) + 1 for p in reads)
        axes = math.prod(len(m.values) for f in scope for m in f.problem.maps if m.path in node.free)
        if entries * axes > TABLE_LIMIT or not self._takes_more(node, 3.0 + 2.0 / axes * (len(reads) - 1)):
            return None
        return tuple(reads)

    def _takes_more(self, node: Expr, passes: float) -> bool:
        """Whether it takes about more than so many passes over an array to compute `node` from its decisions."""
        total = 0.0
        for part in walk([node]):
            total += _COST.get(part.op, 1.5) * max(len(part.args) - 1, 1)
            if total > passes:
                return True
        return False

    def _gathered(self, node: Expr, scope: Scope, over: tuple[str, ...]) -> Value_:
        made = self._occurring(self.compile(node, scope, over), over)
        if made.ref.checks or (self.certify and math.isinf(made.ref.range.error)):
            made = self._exactly(node, over, made) or made
        index = self._index(over)
        ref = self._gather(made.ref, index)
        return Value_(ref, None if made.defined is None else self._gather(made.defined, index))

    def _occurring(self, made: Value_, over: tuple[str, ...]) -> Value_:
        """A table that says nothing of its own where no design is, if all designs are known."""
        if self.designs is None or made.ref.const is None or made.ref.const.shape[-1] == 1:
            return made
        read = [self.decisions[path] for path in over]
        code = numpy.zeros(self.designs.size, dtype=numpy.int64)
        for j, d in read:
            code = code * slots(d) + self.designs.column(j)
        there = numpy.bincount(code, minlength=made.ref.const.shape[-1]) > 0
        if there.all() or not code.size:
            return made
        instead = numpy.where(there, numpy.arange(len(there)), code[0])

        def occurring(ref: Ref) -> Ref:
            assert ref.const is not None
            array = ref.const if ref.const.shape[-1] == 1 else ref.const[..., instead]
            one = self.constant(array, ref.kind, ref.dims, ref.range if ref.kind == "number" else None, ref.axes)
            one.checks = tuple(c for c in (occurring(c) for c in ref.checks if c.const is not None) if c.const.any())  # type: ignore[union-attr]
            return one

        defined = None if made.defined is None else occurring(made.defined)
        if defined is not None and defined.const.all() and not defined.checks:  # type: ignore[union-attr]
            defined = None
        return Value_(occurring(made.ref), defined)

    def _exactly(self, node: Expr, over: tuple[str, ...], made: Value_) -> Value_ | None:
        """The rows of a table that rounding could decide, by the reference evaluator; None if it can't."""
        read = [self.decisions[path][1] for path in over]
        sizes = tuple(map(slots, read))
        checks = [c.const for c in made.ref.checks]
        table = made.ref.const
        if node.type.kind != "number" or node.free != frozenset(over) or made.ref.dims or table is None:
            return None
        all_ = math.isinf(made.ref.range.error)
        flags = numpy.full(math.prod(sizes), all_)
        for c in checks:
            if c is None:
                return None
            flags |= c.reshape(-1, c.shape[-1]).any(axis=0)
        array = numpy.broadcast_to(table.reshape(-1), flags.shape).copy()
        spans = [] if all_ else [made.ref.range]
        for i in numpy.flatnonzero(flags):
            evaluated = self._exact.get((over, int(i)))
            if evaluated is None:
                places = zip(over, read, numpy.unravel_index(i, sizes), strict=True)
                design = {path: d.values[k] for path, d, k in places if k < len(d.values)}
                evaluated = self._exact[over, int(i)] = exact.Evaluation(design)
            found = evaluated(node)
            if isinstance(found, (Fraction, exact.Enclosure)):
                array[i] = nearest(_middle(found))
                spans.append(_range_of(found))
            elif found is exact.UNDEFINED:
                array[i] = math.nan
            else:
                return None
        return Value_(self.constant(array, "number", (), ranges.hull(*spans) if spans else None))

    def tabulated(self, exprs: Sequence[Expr], scope: Scope) -> tuple[tuple[str, ...], int] | None:
        reads = frozenset().union(*(e.free for e in exprs))
        if not self.decisions.keys() >= reads or any(f.paths & reads for f in scope) or not is_modelled(*exprs):
            return None
        cells = math.prod(slots(self.decisions[p][1]) for p in reads)
        return (tuple(sorted(reads, key=lambda p: self.decisions[p][0])), cells) if cells <= CELLS else None

    def gather(self, table: Ref, over: tuple[str, ...]) -> Ref:
        return self._gather(table, self._index(over)) if over else table

    def _gather(self, table: Ref, index: Ref) -> Ref:
        assert table.const is not None
        checks = tuple(
            self.emit("gather", c, index, kind="bool", dims=c.dims) for c in table.checks if c.const is not None
        )
        if table.const.shape[-1] == 1 and not checks:
            return table
        return self.emit(
            "gather", table, index, kind=table.kind, dims=table.dims, span=table.range, nan=table.nan, checks=checks
        )

    def _index(self, over: tuple[str, ...]) -> Ref:
        index = self.load("column", self.decisions[over[0]][0], "index")
        for path in over[1:]:
            j, d = self.decisions[path]
            index = self.emit("joint", index, self.load("column", j, "index"), kind="index", setting=slots(d))
        return index

    def _plain(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_:
        op = node.op
        if op == "const":
            return self._const(node.value)
        if op == "var":
            return self._variable(str(node.payload), scope, table)
        if op == "input":
            return Value_(self.load("input", str(node.payload), "number"))
        if op == "measure":
            named: External = node.payload  # type: ignore[assignment]
            return Value_(self.load("input", named.name, "number"))
        if op == "external":
            return Value_(self.scalar(math.nan))
        if op in ("solve", "solvable"):
            return self.batched[id(node)] if not table and id(node) in self.batched else self.solve(node, scope, table)
        if op == "div" and _is_zero(node.args[1]):
            return Value_(self.scalar(math.nan))
        if op == "if" and self.lists:
            picked = self._item(node, scope, table) or self._extreme(node, scope, table)
            if picked is not None:
                return picked
        args = [
            self.guarded[id(node), i] if not table and (id(node), i) in self.guarded else self._at(a, scope, table)
            for i, a in enumerate(node.args)
        ]
        if op in ("and", "or"):
            return self._junction(args, op == "or")
        if op == "not":
            value = self.negate(args[0].ref)
            return self.masked_bool(value, args[0].defined)
        if op == "if":
            return self._branch(*args)
        if op in ("eq", "lt", "le"):
            return self._compare(op, *args)
        if op == "lookup":
            return look_up(self, node.payload, args, node.type.kind)  # type: ignore[arg-type]
        return Value_(self._arithmetic(node, [a.ref for a in args]))

    def _item(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_ | None:
        """What is picked from a list by a number that surely stands for an item."""
        chain = items_of(node)
        if chain is None:
            return None
        index, items, links = chain
        if self._apart_in(links):
            return None
        at = self._at(index, scope, table).ref
        return pick_item(self, at, [(n, self._at(e, scope, table)) for n, e in sorted(items.items())])

    def _extreme(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_ | None:
        """The greatest or least of constants under conditions that always have a value."""
        chain = extreme_of(node)
        if chain is None or self._apart_in(chain[2]):
            return None
        counted, empty, _ = chain
        conditions = [self._at(c, scope, table) for c, _ in counted]
        if any(c.defined is not None for c in conditions):
            return None
        made = self._at(empty, scope, table)
        for condition, (_, number) in zip(conditions, counted, strict=True):
            made = self._branch(condition, self._const(number.value), made)
        return made

    def _apart_in(self, links: Sequence[Expr]) -> bool:
        """Whether something of these is evaluated apart."""
        return bool(self.guarded) and any((id(n), i) in self.guarded for n in links for i in range(3))

    def _values(self, values: Sequence[Value], slot: bool) -> tuple[Array, str, Range | None, bool]:
        """Values as an array, with one more slot for a decision that is not live."""
        if isinstance(values[0], bool):
            return numpy.array([*values, *([False] if slot else [])], dtype=numpy.bool_), "bool", None, slot
        if isinstance(values[0], Fraction):
            numbers, span = ranges.of_constants(tuple(values))
            return numpy.array([*numbers, *([math.nan] if slot else [])]), "number", span, False
        return numpy.array([self.code(v) for v in values] + ([-1] if slot else [])), "index", None, False

    def _variable(self, path: str, scope: Scope, table: tuple[str, ...]) -> Value_:
        for frame in reversed(scope):
            level = frame.level(path)
            if level is not None:
                m = next(m for m in frame.problem.maps if m.path == path)
                array, kind, span, _ = self._values(m.values, False)
                dims = (len(m.values),) + (1,) * (level - 1)
                axes = (path if len(m.values) > 1 else "",) + ("",) * (level - 1)
                return Value_(self.constant(array.reshape((*dims, 1)), kind, dims, span, axes))
        if path not in self.decisions:
            return self.given.get(path) or Value_(self.scalar(math.nan))
        _, d = self.decisions[path]
        slot = _guarded(d)
        array, kind, span, undefined = self._values(d.values, slot)
        array = _spread(array, path, table, self.decisions)
        present: Ref | None = None
        if undefined:
            alive = numpy.array([True] * len(d.values) + [False])
            present = self.constant(_spread(alive, path, table, self.decisions), "bool")
        return Value_(self.constant(array, kind, (), span), present)

    # ---- logic

    def _junction(self, args: list[Value_], stop: bool) -> Value_:
        name = "or" if stop else "and"
        value: Ref | None = None
        for a in sorted(args, key=lambda v: weight(v.ref)):
            value = a.ref if value is None else self.emit(name, value, a.ref, kind="bool")
        assert value is not None
        if all(a.defined is None for a in args):
            return Value_(value)
        defined: Ref | None = None
        for a in reversed(args):
            if defined is not None:
                decided = a.ref if stop else self.negate(a.ref)
                defined = self.emit("or", decided, defined, kind="bool")
            defined = self.both(a.defined, defined)
        return self.masked_bool(value, defined) if stop else Value_(value, defined)

    def _branch(self, condition: Value_, then: Value_, otherwise: Value_) -> Value_:
        c = condition.ref
        if then.ref.kind == "bool":
            value = self._choose(c, then.ref, otherwise.ref)
            defined: Ref | None = None
            if then.defined is not None or otherwise.defined is not None:
                always = self.scalar(True)
                defined = self._choose(c, then.defined or always, otherwise.defined or always)
            defined = self.both(condition.defined, defined)
            return Value_(self.masked_bool(value, condition.defined).ref, defined)
        nothing = then.ref.kind == "number"
        value = self._choose(c, then.ref, otherwise.ref)
        if condition.defined is not None:
            missing = self.scalar(math.nan) if nothing else self.constant(numpy.array([-1]), "index")
            value = self.emit("where", condition.defined, value, missing, kind=value.kind, span=value.range, nan=True)
        return Value_(value)

    def _choose(self, c: Ref, a: Ref, b: Ref) -> Ref:
        if a is b:
            return a
        if a.kind == "bool":
            return self.emit("where", c, a, b, kind="bool")
        nan, holes = a.nan or b.nan, None
        if nan and c.const is not None:
            holes = numpy.where(c.const, self._holes_of(a), self._holes_of(b))
            nan = bool(holes.any())
        made = self.emit("where", c, a, b, kind=a.kind, nan=nan, span=ranges.hull(a.range, b.range))
        if holes is not None:
            self._holes[made.id] = holes
        return made

    def _holes_of(self, a: Ref) -> Any:
        """Where an array may have no value, as far as it is known."""
        if not a.nan or a.kind != "number":
            return a.nan
        return self._holes.get(a.id, True) if a.const is None else numpy.isnan(a.const)

    def _compare(self, op: str, a: Value_, b: Value_) -> Value_:
        checks: tuple[Ref, ...] = ()
        slack = ranges.slack(a.ref.range, b.ref.range)
        apart = self._apart(a.ref, b.ref, slack)
        if apart:
            value = self._compare_apart(op, a.ref, b.ref, apart / 2)
        else:
            if self.certify and a.ref.kind == "number" and slack and a.ref is not b.ref:
                checks = (self.emit("near", a.ref, b.ref, kind="bool", setting=slack * 1.01),)
            value = self.emit(op, a.ref, b.ref, kind="bool", checks=checks)
        defined = self.both(self.defined(a), self.defined(b))
        if a.ref.kind == "number" and defined is not None:
            return Value_(value, defined)  # a comparison with nan is false already
        return self.masked_bool(value, defined)

    def _apart(self, a: Ref, b: Ref, slack: float) -> float:
        """How far apart two inexact numbers are where they are not equal, when that is well above what rounding moves
        them; 0 when it isn't known."""
        if not self.certify or a.kind != "number" or not 0 < slack < math.inf or a is b:
            return 0.0
        grid = ranges.joint_grid(a.range, b.range)
        apart = 0.0 if grid is None else nearest(grid)
        return apart if apart > 8 * slack and max(a.range.size, b.range.size) * 2.0**-50 < apart else 0.0

    def _compare_apart(self, op: str, a: Ref, b: Ref, half: float) -> Ref:
        """A comparison of multiples of a number, each less than a quarter of it off."""
        if op == "eq":
            return self.emit("near", a, b, kind="bool", setting=half)
        shifted = self.emit("add", a if op == "lt" else b, self.scalar(half))
        return self.emit(op, shifted, b, kind="bool") if op == "lt" else self.emit(op, a, shifted, kind="bool")


def _is_zero(e: Expr) -> bool:
    """Whether it is written so that it is 0: what divides by it never has a value (`x - x`, past the end of a list)."""
    sums: dict[int, Fraction] = {}
    pending = [(e, Fraction(1))]
    while pending:
        part, times = pending.pop()
        if part.op == "add" and len(sums) < MOST_TERMS:
            pending += [(a, times) for a in part.args]
        elif part.op == "mul" and len(part.args) == 2 and part.args[0].is_const:
            pending.append((part.args[1], times * part.args[0].number))
        elif part.is_const:
            sums[0] = sums.get(0, Fraction(0)) + times * part.number
        else:
            sums[id(part)] = sums.get(id(part), Fraction(0)) + times
    return not any(sums.values())


def _guarded(d: Decision) -> bool:
    return not (d.guard.is_const and d.guard.value is True)


def slots(d: Decision) -> int:
    return len(d.values) + (1 if _guarded(d) else 0)


def _spread(array: Array, path: str, table: tuple[str, ...], decisions: dict[str, tuple[int, Decision]]) -> Array:
    """Values of one decision along the joint axis of a table over several."""
    sizes = [slots(decisions[p][1]) for p in table]
    shape = [1] * len(table)
    shape[table.index(path)] = len(array)
    return numpy.broadcast_to(array.reshape(shape), sizes).reshape(-1).copy()


def _middle(value: Any) -> Fraction:
    """An exact number, or the middle of what encloses one."""
    middle: Fraction = value.middle if isinstance(value, exact.Enclosure) else value
    return middle


def _range_of(value: Fraction | exact.Enclosure) -> Range:
    """Of the float nearest to `_middle`."""
    if isinstance(value, Fraction):
        return ranges.of_constant(value)
    return ranges.enclosed(nearest(value.middle), nearest(value.high - value.low))
