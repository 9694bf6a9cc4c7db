"""Expressions over many assignments at once, exactly: columns of Python integers and fractions.

An evaluator of its own, for what has to be exact for thousands of assignments: a column is a numpy array of objects
(numbers), of Booleans, or of symbols. Every branch of an `if` is evaluated at every row.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.rationals import ratio
from numpy.typing import NDArray

Column = NDArray[Any]


class NotExact(Exception):
    """An operator whose value is not rational, or is undefined at some row."""


def column(values: Iterable[Value]) -> Column:
    """Values as a column, whole numbers as integers."""
    listed = [_plain(v) for v in values]
    if listed and isinstance(listed[0], bool):
        return numpy.array(listed, dtype=numpy.bool_)
    made = numpy.empty(len(listed), dtype=object)
    made[:] = listed
    return made


def evaluate(roots: Sequence[Expr], columns: Mapping[str, Column], rows: int) -> list[Column]:
    """The values of expressions, each of shape (rows,). columns: path -> its values. Raises NotExact."""
    known: dict[int, Column] = {}
    for node in walk(roots):
        known[id(node)] = _value(node, [known[id(a)] for a in node.args], columns)
    return [numpy.broadcast_to(known[id(r)], (rows,)) for r in roots]


def _value(node: Expr, args: list[Column], columns: Mapping[str, Column]) -> Column:
    op = node.op
    if op == "const":
        return column([node.value])
    if op == "var":
        found = columns.get(str(node.payload))
        if found is None:
            raise NotExact(str(node.payload))
        return found
    if op == "lookup":
        return _look_up(node.payload, args)  # type: ignore[arg-type]
    if op == "if":
        return numpy.where(*args)
    make = _OPERATORS.get(op)
    if make is None:
        raise NotExact(op)
    return make(args)


def _plain(value: Value) -> Any:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _look_up(table: Lookup, keys: list[Column]) -> Column:
    def read(*key: Any) -> Any:
        found = table[tuple(Fraction(k) if isinstance(k, int) and not isinstance(k, bool) else k for k in key)]
        if found is None:
            raise NotExact(table.name)
        return _plain(found)

    made: Column = numpy.asarray(numpy.frompyfunc(read, len(keys), 1)(*keys))
    return made.astype(numpy.bool_) if isinstance(table.values[0], bool) else made


def _quotient(a: Any, b: Any) -> Any:
    if b == 0:
        raise NotExact("division by zero")
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


def _compare(function: Callable[[Any, Any], Any]) -> Callable[[list[Column]], Column]:
    return lambda args: numpy.asarray(function(*args), dtype=numpy.bool_)


_OPERATORS: dict[str, Callable[[list[Column]], Column]] = {
    "add": _fold(numpy.add),
    "mul": _fold(numpy.multiply),
    "min": _fold(numpy.minimum),
    "max": _fold(numpy.maximum),
    "and": _fold(numpy.logical_and),
    "or": _fold(numpy.logical_or),
    "not": lambda args: numpy.logical_not(args[0]),
    "div": _each(_quotient, 2),
    "pow": _each(_power, 2),
    "mod": _each(_remainder, 2),
    "floor": _each(math.floor, 1),
    "ceil": _each(math.ceil, 1),
    "abs": _each(abs, 1),
    "eq": _compare(lambda a, b: a == b),
    "lt": _compare(lambda a, b: a < b),
    "le": _compare(lambda a, b: a <= b),
}

__all__ = ["Column", "NotExact", "column", "evaluate"]
