"""From the expression graph to a flat list of array steps.

Owns: sharing, constant folding, tables (an expression of one or two decisions is computed for all their values at
compile time and gathered), the axes of mapping problems, and which comparisons a certified run has to watch. An array
has one axis for each map that it reads, leftmost first declared, nested problems further left, then the designs.

Undefined numbers are nan, undefined symbols -1; an undefined Boolean is false and has a second array that says so.
Reading a map that is not live gives its first value: a checked spec protects such readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy
from attrs import define, frozen
from cospace.compiler import numbers_range as ranges
from cospace.compiler.graph import Expr, External, MapDecision, MapProblem, Value, walk
from cospace.compiler.model import Decision
from cospace.compiler.numbers_arrays import NUMPY, Array
from cospace.compiler.numbers_range import Range

TABLE_LIMIT = 4096
"""Entries of a table over two decisions, at most."""

CLOSE = 1e-12
"""Two goals this close, relatively, count as equal: what is equal exactly may differ by rounding."""


@define(eq=False)
class Ref:
    """An array to be: kind number, bool or index; `dims` its axes of maps; `batch` whether it has one of designs."""

    id: int
    kind: str
    dims: tuple[int, ...]
    batch: bool
    range: Range
    nan: bool = False
    const: Array | None = None
    checks: tuple[Ref, ...] = ()


@frozen
class Step:
    """`setting` is static. `load`: ("column", j) or ("input", name) instead of a primitive."""

    name: str
    out: Ref
    args: tuple[Ref, ...]
    setting: object = None


@frozen(eq=False)
class Frame:
    """The maps of one problem as axes: `base` axes of enclosing problems stand right of them."""

    problem: MapProblem
    base: int

    def level(self, path: str) -> int | None:
        for i, m in enumerate(self.problem.maps):
            if m.path == path:
                return self.base + len(self.problem.maps) - i
        return None


@frozen
class Value_:
    """A compiled node: the array, and for Booleans where it is defined (None: everywhere)."""

    ref: Ref
    defined: Ref | None = None


_RULES = {
    "add": ranges.add, "mul": ranges.mul, "quotient": ranges.div, "div": ranges.div, "mod": ranges.mod,
    "floor": ranges.rounded, "ceil": ranges.rounded, "abs": ranges.absolute, "sqrt": ranges.sqrt,
    "log2": lambda a: ranges.logarithm(a, 2.0), "log10": lambda a: ranges.logarithm(a, 10.0),
    "log": lambda a: ranges.logarithm(a, math.e), "exp": ranges.exp, "cos": ranges.cos,
    "min": ranges.least, "max": ranges.greatest, "pow": ranges.power,
    "where": lambda c, a, b: ranges.hull(a, b), "masked": lambda a, c: a, "least": lambda a: a,
    "pick": lambda a, k: a, "gather": lambda a, k: a,
}  # fmt: skip

_COST = {"const": 0.0, "var": 2.5, "add": 1.0, "mul": 1.0, "div": 2.0, "if": 3.0, "solve": 40.0, "solvable": 40.0}

Scope = tuple[Frame, ...]


class Builder:
    """Compiles nodes into steps. `certify` adds, to each array, the checks under which its bounds hold."""

    def __init__(self, decisions: Sequence[Decision], certify: bool = False) -> None:
        self.decisions = {d.path: (j, d) for j, d in enumerate(decisions)}
        self.certify = certify
        self.steps: list[Step] = []
        self.codes: dict[tuple[type, Value], int] = {}
        self._memo: dict[tuple[object, ...], Value_] = {}
        self._emitted: dict[tuple[object, ...], Ref] = {}
        self._solved: dict[tuple[object, ...], tuple[Ref, Ref, bool]] = {}
        self._alive: list[object] = []
        self._split: set[int] = set()
        self._running: dict[int, bool] = {}
        self._frames: dict[tuple[int, Scope], Frame] = {}
        self._ties: dict[tuple[Frame, tuple[str, ...]], Ref] = {}

    # ---- arrays

    def constant(self, array: Array, kind: str, dims: tuple[int, ...] = (), error: Range | None = None) -> Ref:
        if kind == "number":
            nan = bool(numpy.isnan(array).any())
            known = array[~numpy.isnan(array)] if nan else array
            low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
            base = error or ranges.ANYTHING
            span = Range(low, high, base.grain, base.error, base.ratio)
        else:
            nan = kind == "index" and bool((array < 0).any())
            span = ranges.BOOLEAN
        return Ref(-1 - len(self._alive), kind, dims, False, span, nan, self._keep(array))

    def _keep(self, array: Array) -> Array:
        self._alive.append(array)
        return array

    def scalar(self, value: bool | float) -> Ref:
        key = ("scalar", value.__class__, value)
        if key not in self._emitted:
            kind = "bool" if isinstance(value, bool) else "number"
            span = ranges.of_constant(Fraction(value)) if math.isfinite(value) else ranges.BOOLEAN
            self._emitted[key] = self.constant(numpy.array([value]), kind, (), span)
        return self._emitted[key]

    def code(self, value: Value) -> int:
        return self.codes.setdefault((value.__class__, value), len(self.codes))

    def emit(
        self,
        name: str,
        *args: Ref,
        kind: str = "number",
        dims: tuple[int, ...] | None = None,
        setting: object = None,
        span: Range | None = None,
        nan: bool | None = None,
        checks: tuple[Ref, ...] = (),
    ) -> Ref:
        """One more step, or its result at once when all arguments are constant; equal steps are one."""
        key: tuple[object, ...] = (name, setting, dims, *(a.id for a in args))
        found = self._emitted.get(key)
        if found is not None:
            return found
        if dims is None:
            dims = _broadcast(args)
        if span is None:
            span = _RULES[name](*(a.range for a in args)) if kind == "number" else ranges.BOOLEAN  # type: ignore[operator]
        if nan is None:
            nan = kind != "bool" and any(a.nan for a in args)
        inherited = _unique([*checks, *(c for a in args if a.const is not None and name != "gather" for c in a.checks)])
        if all(a.const is not None for a in args):
            with numpy.errstate(all="ignore"):
                arrays = [a.const for a in args]
                last = max(a.shape[-1] for a in arrays)  # type: ignore[union-attr]
                dtype = {"number": numpy.float64, "bool": numpy.bool_, "index": numpy.int64}[kind]
                out = numpy.empty((*dims, last), dtype)
                out = NUMPY[name](out, arrays, setting)
            made = self.constant(out, kind, dims, span)
            made.checks = inherited
        else:
            made = Ref(len(self.steps), kind, dims, True, span, nan, None, inherited)
            self.steps.append(Step(name, made, args, setting))
        self._emitted[key] = made
        return made

    def load(self, what: str, name: object, kind: str) -> Ref:
        key = (what, name)
        if key not in self._emitted:
            made = Ref(len(self.steps), kind, (), True, Range(-math.inf, math.inf), what == "input")
            self.steps.append(Step(what, made, (), name))
            self._emitted[key] = made
        return self._emitted[key]

    # ---- definedness

    def defined(self, value: Value_) -> Ref | None:
        if value.ref.kind == "bool":
            return value.defined
        if not value.ref.nan:
            return None
        if value.ref.kind == "index":
            return self.emit("le", self.constant(numpy.array([0]), "index"), value.ref, kind="bool")
        return self.negate(self.emit("isnan", value.ref, kind="bool"))

    def negate(self, a: Ref) -> Ref:
        return self.emit("not", a, kind="bool")

    def both(self, *args: Ref | None) -> Ref | None:
        """Conjunction; None is true."""
        known = sorted({a.id: a for a in args if a is not None}.values(), key=_weight)
        total: Ref | None = None
        for a in known:
            if a.const is not None and not a.checks and a.const.all():
                continue
            total = a if total is None else self.emit("and", total, a, kind="bool")
        return total

    # ---- nodes

    def compile(self, root: Expr, scope: Scope = (), table: tuple[str, ...] = ()) -> Value_:
        """The array of a node; `table`: for every value of these decisions instead of for designs."""
        key = self._key(root, scope, table)
        found = self._memo.get(key)
        if found is not None:
            return found
        self._alive.append(root)
        self._mark_split(root)
        for node in _outside_problems(root):
            self._note_inputs(node)
            key = self._key(node, scope, table)
            if key not in self._memo:
                self._memo[key] = self._build(node, key[1], table)  # type: ignore[arg-type]
        return self._memo[self._key(root, scope, table)]

    def _note_inputs(self, node: Expr) -> None:
        """Whether `node` reads what is known only while running; arguments are noted before users."""
        if id(node) in self._running:
            return
        reads = node.op in ("input", "measure") or any(self._running.get(id(a), False) for a in node.args)
        if node.op in ("solve", "solvable"):
            problem: MapProblem = node.payload  # type: ignore[assignment]
            if id(problem) not in self._running:
                self._alive.append(problem)
                self._running[id(problem)] = False
                for e in problem.expressions():
                    self._running[id(problem)] |= self._any_input(e)
            reads = self._running[id(problem)] or any(self._any_input(a) for a in node.args)
        self._running[id(node)] = reads

    def _any_input(self, root: Expr) -> bool:
        for node in _outside_problems(root):
            self._note_inputs(node)
        return self._running[id(root)]

    def _key(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> tuple[object, ...]:
        while scope and not any(m.path in node.free for m in scope[-1].problem.maps):
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
        if not 1 <= len(reads) <= 2 or any(p not in self.decisions for p in reads) or self._running[id(node)]:
            return None
        reads.sort(key=lambda p: self.decisions[p][0])
        if len(reads) == 1 and not any(p in node.free for p in maps):
            return tuple(reads)
        entries = math.prod(len(self.decisions[p][1].values) + 1 for p in reads)
        axes = math.prod(len(m.values) for f in scope for m in f.problem.maps if m.path in node.free)
        if entries * axes > TABLE_LIMIT or self._effort(node) <= 3.0 + 2.0 / axes * (len(reads) - 1):
            return None
        return tuple(reads)

    def _effort(self, node: Expr) -> float:
        """About how many passes over an array it takes to compute `node` from its decisions, up to a cap."""
        total = 0.0
        for part in walk([node]):
            total += _COST.get(part.op, 1.5) * max(len(part.args) - 1, 1)
            if total > 100:
                break
        return total

    def _gathered(self, node: Expr, scope: Scope, over: tuple[str, ...]) -> Value_:
        made = self.compile(node, scope, over)
        index = self._index(over)
        ref = self._gather(made.ref, index)
        return Value_(ref, None if made.defined is None else self._gather(made.defined, index))

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
            index = self.emit("joint", index, self.load("column", j, "index"), kind="index", setting=_slots(d))
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
            return self._solve(node, scope, table)
        args = [self._at(a, scope, table) for a in node.args]
        if op in ("and", "or"):
            return self._junction(args, op == "or")
        if op == "not":
            value = self.negate(args[0].ref)
            return self._masked_bool(value, args[0].defined)
        if op == "if":
            return self._branch(*args)
        if op in ("eq", "lt", "le"):
            return self._compare(op, *args)
        return Value_(self._arithmetic(node, [a.ref for a in args]))

    def _const(self, value: Value) -> Value_:
        if isinstance(value, bool):
            return Value_(self.scalar(value))
        if isinstance(value, Fraction):
            span = ranges.of_constant(value)
            key = ("rational", value)
            if key not in self._emitted:
                number = span.low if math.isfinite(span.low) else math.nan
                self._emitted[key] = self.constant(numpy.array([number]), "number", (), span)
            return Value_(self._emitted[key])
        key = ("code", self.code(value))
        if key not in self._emitted:
            self._emitted[key] = self.constant(numpy.array([self.code(value)]), "index")
        return Value_(self._emitted[key])

    def _values(self, values: Sequence[Value], slot: bool) -> tuple[Array, str, Range | None, bool]:
        """Values as an array, with one more slot for a decision that is not live."""
        if isinstance(values[0], bool):
            return numpy.array([*values, *([False] if slot else [])], dtype=numpy.bool_), "bool", None, slot
        if isinstance(values[0], Fraction):
            each = [ranges.of_constant(v) for v in values]  # type: ignore[arg-type]
            array = numpy.array([r.low for r in each] + ([math.nan] if slot else []))
            return array, "number", ranges.hull(*each), False
        return numpy.array([self.code(v) for v in values] + ([-1] if slot else [])), "index", None, False

    def _variable(self, path: str, scope: Scope, table: tuple[str, ...]) -> Value_:
        for frame in reversed(scope):
            level = frame.level(path)
            if level is not None:
                m = next(m for m in frame.problem.maps if m.path == path)
                array, kind, span, _ = self._values(m.values, False)
                dims = (len(m.values),) + (1,) * (level - 1)
                return Value_(self.constant(array.reshape((*dims, 1)), kind, dims, span))
        if path not in self.decisions:
            return Value_(self.scalar(math.nan))
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

    def _masked_bool(self, value: Ref, defined: Ref | None) -> Value_:
        joined = self.both(value, defined) if defined is not None else value
        return Value_(joined if joined is not None else self.scalar(True), defined)

    def _junction(self, args: list[Value_], stop: bool) -> Value_:
        name = "or" if stop else "and"
        value: Ref | None = None
        for a in sorted(args, key=lambda v: _weight(v.ref)):
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
        return self._masked_bool(value, defined) if stop else Value_(value, defined)

    def _branch(self, condition: Value_, then: Value_, otherwise: Value_) -> Value_:
        c = condition.ref
        if then.ref.kind == "bool":
            value = self._choose(c, then.ref, otherwise.ref)
            defined: Ref | None = None
            if then.defined is not None or otherwise.defined is not None:
                always = self.scalar(True)
                defined = self._choose(c, then.defined or always, otherwise.defined or always)
            defined = self.both(condition.defined, defined)
            return Value_(self._masked_bool(value, condition.defined).ref, defined)
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
        return self.emit("where", c, a, b, kind=a.kind, nan=a.nan or b.nan, span=ranges.hull(a.range, b.range))

    def _compare(self, op: str, a: Value_, b: Value_) -> Value_:
        checks: tuple[Ref, ...] = ()
        slack = a.ref.range.error + b.ref.range.error
        if self.certify and a.ref.kind == "number" and slack and a.ref is not b.ref:
            checks = (self.emit("near", a.ref, b.ref, kind="bool", setting=slack * 1.01),)
        value = self.emit(op, a.ref, b.ref, kind="bool", checks=checks)
        defined = self.both(self.defined(a), self.defined(b))
        if a.ref.kind == "number" and defined is not None:
            return Value_(value, defined)  # a comparison with nan is false already
        return self._masked_bool(value, defined)

    # ---- arithmetic

    def _arithmetic(self, node: Expr, args: list[Ref]) -> Ref:
        op = node.op
        if op == "mul":
            return self._product(node, args)
        if op in ("add", "min", "max"):
            return self._fold(op, args)
        if op == "div":
            return self._divide(args[0], args[1])
        if op == "pow":
            return self._power(node, args[0], args[1])
        if op == "mod":
            a, b = args
            checks: tuple[Ref, ...] = ()
            quotient = ranges.div(a.range, b.range)
            if self.certify and not (a.range.exact and b.range.exact):
                checks = (self.emit("near_integer", self._divide(a, b), kind="bool", setting=quotient.error * 1.01),)
            return self.emit("mod", a, b, checks=checks, nan=a.nan or b.nan or _may_be_zero(b))
        a = args[0]
        if op in ("floor", "ceil"):
            watch = self.certify and not (a.range.exact or a.range.ratio)
            near = (self.emit("near_integer", a, kind="bool", setting=a.range.error * 1.01),) if watch else ()
            return self.emit(op, a, checks=near)
        partial = op in ("sqrt", "log2", "log10", "log") and not a.range.low > 0
        if op == "sqrt" and a.range.low >= 0:
            partial = False
        return self.emit(op, a, nan=a.nan or partial)

    def _fold(self, name: str, args: Iterable[Ref]) -> Ref:
        """Small arrays first, so that few operations run at full size."""
        total: Ref | None = None
        for a in sorted(args, key=_weight):
            total = a if total is None else self.emit(name, total, a)
        assert total is not None
        return total

    def _product(self, node: Expr, args: list[Ref]) -> Ref:
        head = node.args[0]
        if id(node) in self._split and head.is_const and isinstance(head.value, Fraction):
            factor = head.value
            below = factor.denominator
            if below & (below - 1) and below < 2**53 and abs(factor.numerator) < 2**53:
                top = self._const(Fraction(factor.numerator)).ref
                rest = [*args[1:]] if factor.numerator == 1 else [top, *args[1:]]
                return self._divide(self._fold("mul", rest), self._const(Fraction(below)).ref)
        return self._fold("mul", args)

    def _divide(self, a: Ref, b: Ref) -> Ref:
        zero = _may_be_zero(b)
        return self.emit("div" if zero else "quotient", a, b, nan=a.nan or b.nan or zero)

    def _power(self, node: Expr, a: Ref, b: Ref) -> Ref:
        exponent = node.args[1]
        if exponent.is_const and isinstance(exponent.value, Fraction) and exponent.value.denominator == 1:
            n = int(exponent.value)
            if 0 < abs(n) <= 64:
                raised = self._repeated(a, abs(n))
                return raised if n > 0 else self._divide(self.scalar(1.0), raised)
        sure = a.range.low > 0 or (a.range.low >= 0 and b.range.low > 0)
        return self.emit("pow", a, b, nan=a.nan or b.nan or not sure)

    def _repeated(self, a: Ref, n: int) -> Ref:
        result: Ref | None = None
        square = a
        while n:
            if n & 1:
                result = square if result is None else self.emit("mul", result, square)
            n >>= 1
            if n:
                square = self.emit("mul", square, square)
        assert result is not None
        return result

    def _mark_split(self, root: Expr) -> None:
        """Products with a factor p/q under a rounding or a comparison are divided by q, which is exact."""
        pending = [a for n in walk([root]) if n.op in ("floor", "ceil", "mod", "eq", "le", "lt") for a in n.args]
        seen: set[int] = set()
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.op == "mul":
                self._split.add(id(node))
            if node.op in ("add", "mul", "min", "max", "abs", "div"):
                pending.extend(node.args)
            elif node.op == "if":
                pending.extend(node.args[1:])

    # ---- mapping problems

    def _solve(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        frame = self._frame(problem, scope)
        position, found, certain = self._best(frame, scope, table)
        if node.op == "solvable":
            return Value_(found)
        quantity = self.compile(node.args[0], (*scope, frame), table)
        ref = self._pick(quantity.ref, position, frame)
        if not certain and ref is not quantity.ref:
            ref = self._watched(ref, quantity.ref, frame, table)
        sure = found.const is not None and bool(found.const.all())
        if ref.kind == "bool":
            defined = None if quantity.defined is None else self._pick(quantity.defined, position, frame)
            return Value_(ref, None) if sure and defined is None else self._masked_bool(ref, self.both(found, defined))
        if sure:
            return Value_(ref)
        missing = self.scalar(math.nan) if ref.kind == "number" else self.constant(numpy.array([-1]), "index")
        return Value_(self.emit("where", found, ref, missing, kind=ref.kind, span=ref.range, nan=True))

    def _frame(self, problem: MapProblem, outer: Scope) -> Frame:
        key = (id(problem), outer)
        if key not in self._frames:
            self._alive.append(problem)
            self._frames[key] = Frame(problem, sum(len(f.problem.maps) for f in outer))
        return self._frames[key]

    def _best(self, frame: Frame, outer: Scope, table: tuple[str, ...]) -> tuple[Ref, Ref, bool]:
        """Flat position of the best mapping, whether there is one, and whether the position is beyond doubt."""
        key = ("best", frame, table)
        if key in self._solved:
            return self._solved[key]
        problem, scope = frame.problem, (*outer, frame)
        axes, size = len(problem.maps), math.prod(len(m.values) for m in problem.maps)
        meets = self._feasible(frame, scope, table)
        goals = [self.compile(g, scope, table).ref for g in problem.goals]
        for goal in goals:
            if goal.nan:
                meets = self.both(meets, self.negate(self.emit("isnan", goal, kind="bool")))
        full = tuple(len(m.values) for m in problem.maps) + (1,) * frame.base
        full = _join([full, *(g.dims for g in goals), *([meets.dims] if meets is not None else [])])
        rest = full[axes:]
        always = self.scalar(True)
        tied = meets if meets is not None else always
        found: Ref | None = None
        certain = True
        for i, goal in enumerate(goals):
            relative, absolute = (0.0, 0.0) if goal.range.exact else (CLOSE, 0.0)
            if self.certify and not goal.range.exact:
                relative, absolute = 0.0, 2.02 * goal.range.error
                certain = False
            if i == 0:
                masked = self.emit("masked", goal, tied, dims=full, setting=math.inf, span=goal.range, nan=False)
                least = self.emit("least", masked, setting=axes, dims=rest, span=goal.range, nan=False)
                found = self.emit("lt", least, self.scalar(math.inf), kind="bool")
                tied = self.emit("at_most", masked, least, kind="bool", setting=(relative, absolute))
            else:
                tied = self._full(tied, full)
                tied = self.emit("break_ties", tied, goal, kind="bool", setting=(axes, relative, absolute))
            if not certain:
                break
        if found is None:
            found = self._any_mapping(tied, full, axes)
        tied = self._full(tied, full)
        position = self.emit("first_true", tied, kind="index", dims=rest, setting=(axes, size), nan=False)
        if meets is None:
            found = always
        self._ties[frame, table] = tied
        self._solved[key] = (position, found, certain)
        return self._solved[key]

    def _full(self, ref: Ref, full: tuple[int, ...]) -> Ref:
        if ref.dims == full:
            return ref
        blank = self.constant(numpy.zeros((*full, 1), dtype=numpy.bool_), "bool", full)
        return self.emit("or", ref, blank, kind="bool", dims=full)

    def _any_mapping(self, tied: Ref, full: tuple[int, ...], axes: int) -> Ref:
        return self.emit("any", self._full(tied, full), kind="bool", dims=full[axes:], setting=axes)

    def _feasible(self, frame: Frame, scope: Scope, table: tuple[str, ...]) -> Ref | None:
        total: list[Ref | None] = []
        for m in frame.problem.maps:
            level = frame.level(m.path)
            assert level is not None
            total.append(self._within(m, level, scope, table))
        for requirement in frame.problem.requirements:
            total.append(self.compile(requirement, scope, table).ref)
        return self.both(*total)

    def _within(self, m: MapDecision, level: int, scope: Scope, table: tuple[str, ...]) -> Ref | None:
        """An assignment holds an allowed value of a live map, or the first value of one that is not."""
        dims = (len(m.values),) + (1,) * (level - 1)
        allowed: Ref | None = None
        for j, condition in enumerate(m.allowed or ()):
            here = numpy.zeros((*dims, 1), dtype=numpy.bool_)
            here[j] = True
            one = self.emit(
                "and", self.constant(here, "bool", dims), self.compile(condition, scope, table).ref, kind="bool"
            )
            allowed = one if allowed is None else self.emit("or", allowed, one, kind="bool")
        live = self.compile(m.guard, scope, table).ref
        if live.const is not None and live.const.all():
            return allowed
        first = numpy.zeros((*dims, 1), dtype=numpy.bool_)
        first[0] = True
        only = self.constant(first, "bool", dims)
        if allowed is None:
            return self.emit("or", live, only, kind="bool")
        return self.emit("where", live, allowed, only, kind="bool")

    def _pick(self, quantity: Ref, position: Ref, frame: Frame) -> Ref:
        sizes = tuple(len(m.values) for m in frame.problem.maps)
        axes, base = len(sizes), frame.base
        dims = (1,) * (base + axes - len(quantity.dims)) + quantity.dims
        own, rest = dims[:axes], dims[axes:]
        if all(s == 1 for s in own):
            return self._dropped(quantity, dims, frame, position)
        where = position
        if own != sizes:
            plan = []
            divisor, stride = 1, 1
            for size, mine in reversed(list(zip(sizes, own, strict=True))):
                if mine > 1:
                    plan.append((divisor, size, stride))
                    stride *= size
                divisor *= size
            where = self.emit(
                "sub_position", position, kind="index", dims=position.dims, setting=tuple(plan), nan=False
            )
        out = _join([rest, position.dims])
        return self.emit(
            "pick", quantity, where, kind=quantity.kind, dims=out, setting=(axes, math.prod(own), base),
            span=quantity.range, nan=quantity.nan,
        )  # fmt: skip

    def _dropped(self, quantity: Ref, dims: tuple[int, ...], frame: Frame, position: Ref) -> Ref:
        axes = len(frame.problem.maps)
        if len(quantity.dims) <= len(dims) - axes:
            return quantity
        return self.emit(
            "pick", quantity, self.emit("sub_position", position, kind="index", setting=(), nan=False),
            kind=quantity.kind, dims=_join([dims[axes:], position.dims]), setting=(axes, 1, frame.base),
            span=quantity.range, nan=quantity.nan,
        )  # fmt: skip

    def _watched(self, ref: Ref, quantity: Ref, frame: Frame, table: tuple[str, ...]) -> Ref:
        """When rounding leaves several mappings possible, the quantity has to be as good as equal at all of them."""
        tied, axes, span = self._ties[frame, table], len(frame.problem.maps), quantity.range
        if ref.kind == "number":
            near = self.emit("near", quantity, ref, kind="bool", setting=span.error)
        else:
            near = self.emit("eq", quantity, ref, kind="bool")
        differs = self.emit("and", self.negate(near), tied, kind="bool")
        doubt = self.emit("any", differs, kind="bool", setting=axes, dims=differs.dims[axes:])
        wide = Range(span.low, span.high, span.grain, span.error * 2.01, span.ratio)
        return self.emit(
            "same", ref, kind=ref.kind, span=wide, nan=ref.nan, checks=(doubt,), setting=doubt.id, dims=ref.dims
        )


def _may_be_zero(b: Ref) -> bool:
    return not (b.range.low > b.range.error or b.range.high < -b.range.error)


def _weight(a: Ref) -> tuple[int, int]:
    """Constants first, then what is the same for every map, then the rest."""
    return (math.prod(a.dims) * (1000 if a.batch else 1), a.id if a.id >= 0 else 0)


def _guarded(d: Decision) -> bool:
    return not (d.guard.is_const and d.guard.value is True)


def _slots(d: Decision) -> int:
    return len(d.values) + (1 if _guarded(d) else 0)


def _spread(array: Array, path: str, table: tuple[str, ...], decisions: dict[str, tuple[int, Decision]]) -> Array:
    """Values of one decision along the joint axis of a table over several."""
    sizes = [_slots(decisions[p][1]) for p in table]
    shape = [1] * len(table)
    shape[table.index(path)] = len(array)
    return numpy.broadcast_to(array.reshape(shape), sizes).reshape(-1).copy()


def _outside_problems(root: Expr) -> Iterator[Expr]:
    """Every node below `root`, arguments first, without what stands inside a mapping problem."""
    done: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready or not node.args or node.op == "solve":
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args if id(a) not in done)


def _unique(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    return tuple({r.id: r for r in refs}.values())


def _join(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(numpy.broadcast_shapes(*shapes))


def _broadcast(args: Sequence[Ref]) -> tuple[int, ...]:
    return _join([a.dims for a in args])
