"""Expressions over many assignments at once, exactly: columns of Python integers and fractions.

An evaluator of its own, for what has to be exact for thousands of assignments: a column is a numpy array of objects
(numbers), of Booleans, or of symbols. Every branch of an `if` is evaluated at every row. In between, the numbers of a
column are integers over one denominator where that is short, of 64 bits where they are sure to fit: a tenth of the
time that as many fractions take, and a tenth of that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.rationals import ratio
from numpy.typing import NDArray

Column = NDArray[Any]
_Bits = tuple[int, int]

BITS = 1 << 16
"""Of a numerator or denominator, at most."""
TABLE = 1 << 7
"""Of what a table says."""
SHARED = 1 << 8
"""Of a denominator that the numbers of a column have in common, at most."""
ENDS = ("numerator", "denominator")
MOST = 1 << 62
"""What is larger, either way, is Python's."""


class NotExact(Exception):
    """An operator whose value is not rational, or a result that is undefined at some row."""


def column(values: Iterable[Value]) -> Column:
    """Values as a column, whole numbers as integers: of 64 bits where all are, and short."""
    listed = [_plain(v) for v in values]
    if listed and isinstance(listed[0], bool):
        return numpy.array(listed, dtype=numpy.bool_)
    if all(v.__class__ is int and -MOST < v < MOST for v in listed):
        return numpy.array(listed, dtype=numpy.int64)
    made = numpy.empty(len(listed), dtype=object)
    made[:] = listed
    return made


def evaluate(roots: Sequence[Expr], columns: Mapping[str, Column], rows: int) -> list[Column]:
    """The values of expressions, each of shape (rows,). columns: path -> its values. Raises NotExact."""
    known: dict[int, _Over] = {}
    for node in walk(roots):
        known[id(node)] = _value(node, [known[id(a)] for a in node.args], columns)
    for root in roots:
        if numpy.any(known[id(root)].missing):
            raise NotExact("without a value")
    return [numpy.broadcast_to(known[id(r)].plain(), (rows,)) for r in roots]


def evaluate_short(roots: Sequence[Expr], columns: Mapping[str, Column], rows: int) -> list[Column]:
    """As `evaluate`. Raises NotExact also where a number may take more than `BITS`, before it is worked out."""
    sizes: dict[int, _Bits] = {}
    for node in walk(roots):
        size = sizes[id(node)] = _bits(node, [sizes[id(a)] for a in node.args], columns)
        if max(size) > BITS:
            raise NotExact(node.op)
    return evaluate(roots, columns, rows)


def _bits(node: Expr, args: Sequence[_Bits], columns: Mapping[str, Column]) -> _Bits:
    """What a node's numerators and denominators take, roughly and at most."""
    op = node.op
    if op in ("const", "var"):
        values = [node.value] if op == "const" else columns.get(str(node.payload), column(())).tolist()
        numbers = [v for v in values if isinstance(v, (int, Fraction)) and not isinstance(v, bool)]
        above, below = (max((getattr(v, end).bit_length() for v in numbers), default=1) for end in ENDS)
        return above, below if below > 1 else 0
    above, below = sum(a for a, _ in args), sum(b for _, b in args)
    if op == "add":
        return max(a for a, _ in args) + below + len(args).bit_length(), below
    if op in ("div", "mod"):
        return above + below, above + below
    if op == "pow":
        exponent = node.args[1].value if node.args[1].is_const else None
        times = math.ceil(abs(exponent)) if isinstance(exponent, Fraction) else 1 << min(args[1][0], 13)
        most = times * max(args[0])
        return most, most if args[0][1] or not isinstance(exponent, Fraction) or exponent < 0 else 0
    if op == "lookup":
        return TABLE, TABLE
    if op in ("mul", "floor", "ceil"):
        return above, below if op == "mul" else 0
    return max((a for a, _ in args), default=TABLE), max((b for _, b in args), default=TABLE)


class _Over(NamedTuple):
    """A column of values / below, and where it has none: anything stands there, which does no harm in a branch that is
    not taken. most: values are int64 and no larger; 0 of all else, numbers among it."""

    values: Column
    missing: Any = False
    below: int = 1
    most: int = 0

    def wide(self) -> _Over:
        """The same as Python's integers, which may grow."""
        return self._replace(values=self.values.astype(object), most=0) if self.most else self

    def plain(self) -> Column:
        """The values themselves."""
        values = self.wide().values
        return values if self.below == 1 else numpy.asarray(_quotients(values, self.below))

    def times(self, by: int) -> _Over:
        """by times the values, over the same denominator."""
        if by == 1:
            return self
        if self.most * by >= MOST:
            return self.wide().times(by)
        return self._replace(values=self.values * by, most=self.most * by)

    def shortened(self) -> _Over:
        """The same over a denominator that is not too long, if there is one; else as plain values."""
        if self.below.bit_length() <= SHARED:
            return self
        values = self.wide().values
        common = math.gcd(self.below, *values) if all(v.__class__ is int for v in values) else 1
        if (self.below // common).bit_length() <= SHARED:
            return _Over(values // common, self.missing, self.below // common)
        return _Over(self.plain(), self.missing)


def _over(values: Column, missing: Any = False) -> _Over:
    """Values over the denominator that they have in common."""
    if values.dtype == numpy.int64:
        most = _largest(values)
        return _Over(values, missing, most=most) if most < MOST else _Over(values.astype(object), missing)
    fractions = values.dtype == object and any(v.__class__ is Fraction for v in values)
    below = _multiple(v.denominator for v in values) if fractions else 1
    if below == 1:
        return _Over(values, missing)
    return _over(column(v.numerator * (below // v.denominator) for v in values), missing)._replace(below=below)


def _multiple(numbers: Iterable[int]) -> int:
    """The least common multiple, or 1 when it is longer than `SHARED`."""
    found = 1
    for n in set(numbers):
        found = math.lcm(found, n)
        if found.bit_length() > SHARED:
            return 1
    return found


def _alike(args: Sequence[_Over]) -> tuple[list[Column], int, int]:
    """Columns over one denominator, that, and what is the most of all where they are int64, else 0."""
    below = args[0].below
    if any(a.below != below for a in args):
        below = math.lcm(*(a.below for a in args))
        if below.bit_length() > SHARED:
            return [a.plain() for a in args], 1, 0
        args = [a.times(below // a.below) for a in args]
    if all(a.most for a in args):
        return [a.values for a in args], below, max(a.most for a in args)
    return [a.wide().values for a in args], below, 0


def _value(node: Expr, args: list[_Over], columns: Mapping[str, Column]) -> _Over:
    op = node.op
    if op == "const":
        return _over(column([node.value]))
    if op == "var":
        found = columns.get(str(node.payload))
        if found is None:
            raise NotExact(str(node.payload))
        return _over(found)
    missing = functools.reduce(numpy.logical_or, [a.missing for a in args], False)
    if op == "if":
        which, then, other = args
        missing = missing is not False and which.missing | numpy.where(which.values, then.missing, other.missing)
        (a, b), below, most = _alike((then, other))
        return _Over(numpy.where(which.values, a, b), missing, below, most)
    if op == "lookup":
        found, absent = _look_up(node.payload, [a.plain() for a in args])  # type: ignore[arg-type]
        return _over(found, missing | absent)
    if op == "div":
        nothing = args[1].values == 0
        by = args[1]._replace(values=numpy.where(nothing, 1, args[1].values))
        return _divided(args[0], by)._replace(missing=missing | nothing)
    if op == "mul":
        return _multiplied(args)._replace(missing=missing).shortened()
    if op in _KEEPING:
        values, below, most = _alike(args)
        if op == "add" and most * len(args) >= MOST:
            values, most = [v.astype(object) for v in values], 0
        return _Over(_KEEPING[op](values), missing, below, most * len(args) if op == "add" else most)
    if op in _COMPARING:
        return _Over(numpy.asarray(_COMPARING[op](*_alike(args)[0]), dtype=numpy.bool_), missing)
    if op in _ROUNDING:
        only = args[0] if args[0].below < MOST else args[0].wide()
        return _Over(_ROUNDING[op](only.values, only.below), missing, most=only.most)
    make = _PLAIN.get(op)
    if make is None:
        raise NotExact(op)
    return _Over(make([a.plain() for a in args]), missing)


def _multiplied(args: Sequence[_Over]) -> _Over:
    most, below = math.prod(a.most for a in args), math.prod(a.below for a in args)
    if most >= MOST:
        args = [a._replace(most=_largest(a.values)) for a in args]
        most = math.prod(a.most for a in args)
    if not 0 < most < MOST:
        args, most = [a.wide() for a in args], 0
    return _Over(_product([a.values for a in args]), below=below, most=most)


def _divided(a: _Over, b: _Over) -> _Over:
    """a / b, where b is nowhere 0."""
    if b.most:
        divisors = numpy.unique(numpy.abs(b.values)).tolist()
    else:
        whole = all(v.__class__ is int for v in b.values)
        divisors = list({abs(v) for v in b.values}) if whole else []
    multiple = _multiple(divisors)
    if multiple == 1 and divisors != [1]:
        a, b = a.wide(), b.wide()
        return _Over(numpy.asarray(_quotients(a.values * b.below, b.values * a.below)))
    most = a.most * multiple * b.below
    if not (b.most and 0 < most < MOST):
        a, b, most = a.wide(), b.wide(), 0
    return _Over(a.values * (multiple // b.values * b.below), below=a.below * multiple, most=most).shortened()


def _largest(values: Column) -> int:
    """The most that whole numbers of 64 bits are, either way, and at least 1."""
    return max(int(values.max(initial=1)), -int(values.min(initial=-1)))


def _plain(value: Value) -> Any:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _look_up(table: Lookup, keys: list[Column]) -> tuple[Column, Any]:
    """What stands at some keys, and where there is no such row: there it is the first value. Of keys that are the same
    objects, as of few values in many rows, one is looked up."""
    rows = [k.tolist() for k in numpy.broadcast_arrays(*keys)]
    names = list(zip(*(map(id, r) for r in rows), strict=True))
    found = dict(zip(names, zip(*rows, strict=True), strict=True))
    first = _plain(table.values[0])
    absent = set()
    for name, key in found.items():
        value = table[tuple([Fraction(k) if k.__class__ is int else k for k in key])]
        if value is None:
            absent.add(name)
        found[name] = first if value is None else _plain(value)
    made = [found[n] for n in names]
    if isinstance(first, bool):
        values: Column = numpy.array(made, dtype=numpy.bool_)
    else:
        values = numpy.empty(len(made), dtype=object)
        values[:] = made
    return values, numpy.array([n in absent for n in names], dtype=numpy.bool_) if absent else False


def _quotient(a: Any, b: Any) -> Any:
    above, below = a.numerator * b.denominator, a.denominator * b.numerator
    if above % below == 0:
        return above // below
    return ratio(above, below)


def _power(a: Any, b: Any) -> Any:
    if not isinstance(b, int) or abs(b) > 4096 or (a == 0 and b < 0):
        raise NotExact("power")
    return a**b if b >= 0 else _quotient(1, a**-b)


def _remainder(a: Any, b: Any) -> Any:
    if b == 0:
        raise NotExact("division by zero")
    return a - b * math.floor(Fraction(a) / b)


def _fold(function: Callable[..., Any]) -> Callable[[list[Column]], Column]:
    return lambda args: functools.reduce(function, args)


def _each(function: Callable[..., Any], inputs: int) -> Callable[[list[Column]], Column]:
    made = numpy.frompyfunc(function, inputs, 1)
    return lambda args: made(*args)


_quotients = numpy.frompyfunc(_quotient, 2, 1)
_product = _fold(numpy.multiply)

_KEEPING: dict[str, Callable[[list[Column]], Column]] = {
    "add": _fold(numpy.add),
    "min": _fold(numpy.minimum),
    "max": _fold(numpy.maximum),
    "abs": lambda args: numpy.abs(args[0]),
}
"""Of columns over one denominator, the result over it."""
_COMPARING: dict[str, Callable[[Column, Column], Any]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}
"""Of columns over one denominator."""
_ROUNDING: dict[str, Callable[[Column, int], Column]] = {
    "floor": lambda values, below: values // below,
    "ceil": lambda values, below: -(-values // below),
}
_PLAIN: dict[str, Callable[[list[Column]], Column]] = {
    "and": _fold(numpy.logical_and),
    "or": _fold(numpy.logical_or),
    "not": lambda args: numpy.logical_not(args[0]),
    "pow": _each(_power, 2),
    "mod": _each(_remainder, 2),
}

__all__ = ["Column", "NotExact", "column", "evaluate", "evaluate_short"]
