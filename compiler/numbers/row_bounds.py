"""Bounds on expressions at many rows at once, rigorous and reusable.

Parts without a sum of solved works above them are computed once by a certified program, over the distinct rows of the
decisions that they read, and kept by what they are: networks share layers, so they share these. What joins them (sums,
products, comparisons, conditions) is done in interval arithmetic with outward rounding. A number is two arrays, nan
where it has no value; a truth is two masks, whether it may be true and whether it may be false.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.exact import exact
from cospace.compiler.exact.exact import UNKNOWN, Enclosure, Result
from cospace.compiler.numbers.enumerate import Frame, Rows
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.graph import Expr, walk
from numpy.typing import NDArray

Array = NDArray[Any]

MEMORY = 256 << 20
"""Bytes of kept parts."""
NODES = 200_000
"""Nodes about which something is remembered, at most."""

_JOINED = {"add", "mul", "div", "min", "max", "if", "eq", "le", "lt", "and", "or", "not"}


@frozen(eq=False)
class Pair:
    """A number: low <= value <= high. A truth: low says that it may be true, high that it may be false."""

    low: Array
    high: Array

    @property
    def bytes(self) -> int:
        return int(self.low.nbytes + (0 if self.high is self.low else self.high.nbytes))

    def take(self, at: Array) -> Pair:
        low = self.low[at]
        return Pair(low, low if self.high is self.low else self.high[at])


class RowBounds:
    """Bounds at the rows of a frame, in blocks; `columns` are all its decisions."""

    def __init__(self, frame: Frame, rows: Rows, block: int = 1 << 16) -> None:
        self.frame = frame
        self.rows = rows
        self.columns = list(range(len(frame.decisions)))
        self.blocks = [slice(i, min(i + block, len(rows))) for i in range(0, len(rows), block)]
        self.computed = 0
        self._projected: dict[tuple[int, ...], tuple[Rows, Rows]] = {}
        self._kept: OrderedDict[object, Pair] = OrderedDict()
        self._bytes = 0
        self._names: dict[int, tuple[Expr, object]] = {}
        self._heavy: dict[int, tuple[Expr, bool]] = {}

    def prepare(self, roots: Sequence[Expr]) -> Prepared:
        """Compute what is not known yet of the parts of `roots`."""
        if len(self._heavy) > NODES:
            self._heavy.clear()
            self._names.clear()
        parts = {id(e): e for e in self._parts(roots)}
        found: dict[int, tuple[tuple[int, ...], Pair]] = {}
        missing: dict[tuple[int, ...], list[Expr]] = {}
        for e in parts.values():
            scope = self.frame.scope(e)
            name = (scope, self._name(e))
            if name in self._kept:
                self._kept.move_to_end(name)
                found[id(e)] = (scope, self._kept[name])
            else:
                missing.setdefault(scope, []).append(e)
        for scope, exprs in missing.items():
            for e, pair in zip(exprs, self._compute(exprs, scope), strict=True):
                found[id(e)] = (scope, pair)
                self._keep((scope, self._name(e)), pair)
        return Prepared(self, list(roots), found)

    def project(self, scope: tuple[int, ...]) -> tuple[Rows, Rows]:
        if scope not in self._projected:
            self._projected[scope] = self.frame.project(self.rows, self.columns, scope)
        return self._projected[scope]

    def _parts(self, roots: Sequence[Expr]) -> list[Expr]:
        """The greatest parts that are computed by a program."""
        found, seen, stack = [], set(), list(roots)
        while stack:
            e = stack.pop()
            if id(e) in seen:
                continue
            seen.add(id(e))
            if self.is_part(e):
                found.append(e)
            elif e.op != "const":
                stack.extend(e.args)
        return found

    def is_part(self, e: Expr) -> bool:
        if e.op == "const" and isinstance(e.value, (Fraction, bool)):
            return False
        if e.op == "eq" and e.args[0].type.kind != "number":
            return True
        return e.op not in _JOINED or not self._is_heavy(e)

    def _is_heavy(self, root: Expr) -> bool:
        """Whether mappings are solved below."""
        known = self._heavy.get(id(root))
        if known is None:
            for e in walk([root]):
                if id(e) not in self._heavy:
                    below = any(self._heavy[id(a)][1] for a in e.args)
                    self._heavy[id(e)] = (e, below or e.op in ("solve", "solvable"))
            known = self._heavy[id(root)]
        return known[1]

    def _name(self, e: Expr) -> object:
        """Equal for equal functions of the rows, whatever the maps inside are called."""
        known = self._names.get(id(e))
        if known is None:
            known = self._names[id(e)] = (e, self.frame.fingerprint(e))
        return known[1]

    def _keep(self, name: object, pair: Pair) -> None:
        self._kept[name] = pair
        self._bytes += pair.bytes
        while self._bytes > MEMORY and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.bytes

    def _compute(self, exprs: list[Expr], scope: tuple[int, ...]) -> list[Pair]:
        rows, _ = self.project(scope)
        self.computed += len(rows) * len(exprs)
        return bounds_at(exprs, self.frame, scope, rows)


class Prepared:
    """`roots` with their parts computed; asked block by block."""

    def __init__(self, owner: RowBounds, roots: list[Expr], found: dict[int, tuple[tuple[int, ...], Pair]]) -> None:
        self.owner = owner
        self.roots = roots
        self.found = found

    def __call__(self, block: slice, wanted: Sequence[int]) -> list[Pair]:
        """Bounds of the roots with these numbers at the rows of a block; arrays of shape (n,)."""
        n = block.stop - block.start
        memo: dict[int, Pair] = {}
        found = []
        with numpy.errstate(all="ignore"):
            for k in wanted:
                pair = self._value(self.roots[k], block, memo)
                found.append(Pair(numpy.broadcast_to(pair.low, (n,)), numpy.broadcast_to(pair.high, (n,))))
        return found

    def _value(self, root: Expr, block: slice, memo: dict[int, Pair]) -> Pair:
        stack = [root]
        while stack:
            e = stack[-1]
            if id(e) in memo:
                stack.pop()
                continue
            part = self.found.get(id(e))
            if part is not None:
                scope, pair = part
                memo[id(e)] = pair if not scope else pair.take(self.owner.project(scope)[1][block])
            elif e.op == "const":
                memo[id(e)] = constant(e)
            else:
                missing = [a for a in e.args if id(a) not in memo]
                if missing:
                    stack.extend(missing)
                    continue
                memo[id(e)] = join(e, [memo[id(a)] for a in e.args])
        return memo[id(root)]


def bounds_at(exprs: list[Expr], frame: Frame, scope: Sequence[int], rows: Rows) -> list[Pair]:
    """Bounds on expressions at rows over the decisions of `scope`: a certified program's, and where rounding leaves
    a row in doubt the reference evaluator's."""
    program = Program(exprs, [frame.decisions[v] for v in scope], certify=True)
    values, defined, doubt = program.certified(rows)
    pairs = []
    for e, value, there, error, share in zip(exprs, values, defined, program.errors, program.shares, strict=True):
        if e.type.kind == "bool":
            pairs.append(Pair(value & there, ~value & there))
        elif error == 0:
            pairs.append(Pair(value, value))
        else:
            far = there & ~numpy.isfinite(value)  # beyond floats: nothing is known of it
            near = numpy.where(far, 0.0, value)
            slack = numpy.full(len(near), error * 1.0000001)
            if share < 0.5:  # where the bound over all rows is wide, that of a row by its own size is not
                slack = numpy.minimum(slack, numpy.abs(near) * (share / (1 - share) * 1.0000001))
            low, high = numpy.nextafter(near - slack, -math.inf), numpy.nextafter(near + slack, math.inf)
            pairs.append(Pair(numpy.where(far, -math.inf, low), numpy.where(far, math.inf, high)))
    at = numpy.flatnonzero(doubt)
    if len(at):
        pairs = [Pair(p.low.copy(), p.high.copy()) for p in pairs]
    for i in at:
        for pair, result in zip(pairs, exact.evaluate_all(exprs, frame.design(scope, rows[i])), strict=True):
            pair.low[i], pair.high[i] = _ends(result, pair.low.dtype == numpy.bool_)
    return pairs


def _ends(result: Result, truth: bool) -> tuple[Any, Any]:
    if truth:
        return (True, True) if result is UNKNOWN else (result is True, result is False)
    if isinstance(result, Fraction):
        return _around(result, result)
    if isinstance(result, Enclosure):
        return _around(result.low, result.high)
    return (-math.inf, math.inf) if result is UNKNOWN else (math.nan, math.nan)


def _around(low: Fraction, high: Fraction) -> tuple[float, float]:
    try:
        a, b = float(low), float(high)
    except OverflowError:
        return -math.inf, math.inf
    return a if a <= low else math.nextafter(a, -math.inf), b if b >= high else math.nextafter(b, math.inf)


def constant(e: Expr) -> Pair:
    if isinstance(e.value, bool):
        return Pair(numpy.array([e.value]), numpy.array([not e.value]))
    low, high = _around(e.number, e.number)
    array = numpy.array([low])
    return Pair(array, array if low == high else numpy.array([high]))


def join(e: Expr, args: list[Pair]) -> Pair:
    """What a node of `JOINED` can be, where its arguments are in these bounds independently of each other."""
    op = e.op
    if op in ("and", "or"):
        result = args[0] if op == "and" else _swap(args[0])
        for a in args[1:]:
            b = a if op == "and" else _swap(a)
            result = Pair(result.low & b.low, result.high | (result.low & b.high))
        return result if op == "and" else _swap(result)
    if op == "not":
        return _swap(args[0])
    if op == "if":
        return _choose(*args)
    if op in ("le", "lt", "eq"):
        return _compare(op, *args)
    if op in _WHOLE:
        return Pair(_WHOLE[op](args[0].low), _WHOLE[op](args[0].high))
    if op in _GROWING:
        return _grown(op, args[0])
    if op == "pow":
        return _power(args[0], float(e.args[1].number))
    result = args[0]
    for a in args[1:]:
        result = _ARITHMETIC[op](result, a)
    return result


def _swap(a: Pair) -> Pair:
    return Pair(a.high, a.low)


def _choose(c: Pair, a: Pair, b: Pair) -> Pair:
    if a.low.dtype == numpy.bool_:
        return Pair((c.low & a.low) | (c.high & b.low), (c.low & a.high) | (c.high & b.high))
    low = numpy.fmin(numpy.where(c.low, a.low, math.nan), numpy.where(c.high, b.low, math.nan))
    high = numpy.fmax(numpy.where(c.low, a.high, math.nan), numpy.where(c.high, b.high, math.nan))
    return Pair(low, high)


def _compare(op: str, a: Pair, b: Pair) -> Pair:
    if op == "le":
        return Pair(a.low <= b.high, a.high > b.low)
    if op == "lt":
        return Pair(a.low < b.high, a.high >= b.low)
    known = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    there = ~numpy.isnan(a.low) & ~numpy.isnan(b.low)
    return Pair((a.low <= b.high) & (b.low <= a.high), there & ~known)


def _out(low: Array, high: Array) -> Pair:
    return Pair(numpy.nextafter(low, -math.inf), numpy.nextafter(high, math.inf))


def _add(a: Pair, b: Pair) -> Pair:
    low, high = a.low + b.low, a.high + b.high
    found = _out(low, high)  # a sum that is 0 was not rounded
    return Pair(numpy.where(low == 0, 0.0, found.low), numpy.where(high == 0, 0.0, found.high))


def _mul(a: Pair, b: Pair) -> Pair:
    if not ((a.low < 0).any() or (b.low < 0).any() or numpy.isinf(a.high).any() or numpy.isinf(b.high).any()):
        found = _out(a.low * b.low, a.high * b.high)
        return Pair(numpy.maximum(found.low, 0.0), found.high)  # maximum keeps nan
    return _corners(a, b, numpy.multiply)


def _corners(a: Pair, b: Pair, function: Any) -> Pair:
    missing = numpy.isnan(a.low) | numpy.isnan(b.low)
    ends = [function(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    lost = numpy.isnan(ends[0]) | numpy.isnan(ends[1]) | numpy.isnan(ends[2]) | numpy.isnan(ends[3])
    result = _out(numpy.minimum.reduce(ends), numpy.maximum.reduce(ends))
    low = numpy.where(missing, math.nan, numpy.where(lost, -math.inf, result.low))
    return Pair(low, numpy.where(missing, math.nan, numpy.where(lost, math.inf, result.high)))


def _div(a: Pair, b: Pair) -> Pair:
    result = _corners(a, b, numpy.divide)
    around = (b.low <= 0) & (b.high >= 0)
    if around.any():
        zero = (b.low == 0) & (b.high == 0)
        there = ~numpy.isnan(a.low)
        low = numpy.where(around & there, -math.inf, result.low)
        high = numpy.where(around & there, math.inf, result.high)
        return Pair(numpy.where(zero, math.nan, low), numpy.where(zero, math.nan, high))
    return result


def _least(a: Pair, b: Pair) -> Pair:
    return Pair(numpy.minimum(a.low, b.low), numpy.minimum(a.high, b.high))


def _most(a: Pair, b: Pair) -> Pair:
    return Pair(numpy.maximum(a.low, b.low), numpy.maximum(a.high, b.high))


def _grown(op: str, a: Pair) -> Pair:
    """A function that grows. Below its domain it has no value; numpy's own is within a few units in the last place."""
    there = ~numpy.isnan(a.low) & (a.high >= 0 if op == "sqrt" else a.high > 0 if op in _LOGARITHMS else True)
    with numpy.errstate(all="ignore"):
        low, high = _GROWING[op](a.low), _GROWING[op](a.high)
    low = numpy.where(numpy.isnan(low), 0.0 if op == "sqrt" else -math.inf, low)
    slack = 2.0**-50
    low = low - numpy.where(numpy.isfinite(low), numpy.abs(low) * slack, 0.0)
    high = high + numpy.where(numpy.isfinite(high), numpy.abs(high) * slack, 0.0)
    found = _out(low, high)
    return Pair(numpy.where(there, found.low, math.nan), numpy.where(there, found.high, math.nan))


def _power(a: Pair, exponent: float) -> Pair:
    """A power of what is surely not negative; of others nothing is known."""
    with numpy.errstate(all="ignore"):  # infinite ends
        low, high = numpy.maximum(a.low, 0.0) ** exponent, numpy.maximum(a.high, 0.0) ** exponent
        low, high = (high, low) if exponent < 0 else (low, high)
        found = _out(low - low * 2.0**-50, high + high * 2.0**-50)
    sure = a.low >= 0
    there = ~numpy.isnan(a.low)
    return Pair(
        numpy.where(there, numpy.where(sure & ~numpy.isnan(found.low), found.low, -math.inf), math.nan),
        numpy.where(there, numpy.where(sure & ~numpy.isnan(found.high), found.high, math.inf), math.nan),
    )


_LOGARITHMS = {"log", "log2", "log10"}
_WHOLE: dict[str, Any] = {"floor": numpy.floor, "ceil": numpy.ceil}
_GROWING: dict[str, Any] = {
    "sqrt": numpy.sqrt, "exp": numpy.exp, "log": numpy.log, "log2": numpy.log2, "log10": numpy.log10,
}  # fmt: skip
_ARITHMETIC = {"add": _add, "mul": _mul, "div": _div, "min": _least, "max": _most}


def joins(e: Expr) -> bool:
    """Whether `join` knows the operator of a node."""
    if e.op == "eq":
        return e.args[0].type.kind == "number"
    if e.op == "pow":
        return e.args[1].is_const and abs(e.args[1].number) < 1_000
    return e.op in _JOINED or e.op in _WHOLE or e.op in _GROWING
