"""Expressions over columns of exact whole numbers: numerators in int64 over one denominator, never rounded.

What is not rational, may divide by zero or would not fit is refused (`NotWhole`), so that an answer is always exact.
Booleans are bool columns; symbols and texts are numbered by a `Codes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.space.graph import Expr, Value
from numpy.typing import NDArray

Array = NDArray[Any]
MOST = 1 << 62


class NotWhole(Exception):
    """An expression that whole numbers of 62 bits can't hold."""


@frozen(eq=False)
class Column:
    """values / below at each row, or one for all rows (shape ()); |values| <= most. Booleans and codes: below is 1."""

    values: Array
    below: int
    most: int


class Codes:
    """Numbers of symbols and texts, equal where these are."""

    def __init__(self) -> None:
        self._known: dict[Value, int] = {}

    def __call__(self, value: Value) -> int:
        return self._known.setdefault(value, len(self._known))


def of_values(values: Sequence[Value], codes: Codes) -> Column:
    """A column of given values, all of one kind."""
    first = values[0]
    if isinstance(first, bool):
        return Column(numpy.array(values, dtype=bool), 1, 1)
    if not isinstance(first, Fraction):
        coded = [codes(v) for v in values]
        return Column(numpy.array(coded, dtype=numpy.int64), 1, max(coded))
    numbers: Sequence[Fraction] = values  # type: ignore[assignment]
    below = math.lcm(*(v.denominator for v in numbers))
    whole = [int(v * below) for v in numbers]
    most = max(map(abs, whole))
    if most >= MOST:
        raise NotWhole
    return Column(numpy.array(whole, dtype=numpy.int64), below, most)


def constant(value: Value, codes: Codes) -> Column:
    made = of_values([value], codes)
    return Column(made.values[0], made.below, made.most)


def apply(e: Expr, args: Sequence[Column]) -> Column:
    """One operator at columns of its arguments. Raises NotWhole."""
    function = _APPLY.get(e.op)
    if function is None:
        raise NotWhole
    return function(args)


def _add(args: Sequence[Column]) -> Column:
    below = math.lcm(*(a.below for a in args))
    most = sum(a.most * (below // a.below) for a in args)
    if most >= MOST:
        raise NotWhole
    total: Any = 0
    for a in args:
        total = total + (a.values if a.below == below else a.values * (below // a.below))
    return Column(total, below, most)


def _mul(args: Sequence[Column]) -> Column:
    most, below = math.prod(a.most for a in args), math.prod(a.below for a in args)
    if most >= MOST or below >= MOST:
        args = [_tight(a) for a in args]
        most = math.prod(a.most for a in args)
        if most >= MOST or below >= MOST:
            raise NotWhole
    product: Any = args[0].values
    for a in args[1:]:
        product = product * a.values
    return Column(product, below, most)


def _tight(a: Column) -> Column:
    return Column(a.values, a.below, int(numpy.abs(a.values).max(initial=0)))


def _floor(args: Sequence[Column]) -> Column:
    (a,) = args
    return Column(a.values // a.below, 1, a.most // a.below + 1)


def _ceil(args: Sequence[Column]) -> Column:
    (a,) = args
    return Column(-(-a.values // a.below), 1, a.most // a.below + 1)


def _level(args: Sequence[Column]) -> tuple[list[Array], int, int]:
    """The columns over one denominator."""
    below = math.lcm(*(a.below for a in args))
    most = max(a.most * (below // a.below) for a in args)
    if most >= MOST:
        raise NotWhole
    return [a.values if a.below == below else a.values * (below // a.below) for a in args], below, most


def _extreme(pick: Callable[..., Any]) -> Callable[[Sequence[Column]], Column]:
    def function(args: Sequence[Column]) -> Column:
        values, below, most = _level(args)
        found = values[0]
        for v in values[1:]:
            found = pick(found, v)
        return Column(found, below, most)

    return function


def _compare(pick: Callable[..., Any]) -> Callable[[Sequence[Column]], Column]:
    def function(args: Sequence[Column]) -> Column:
        (a, b), _, _ = _level(args)
        return Column(pick(a, b), 1, 1)

    return function


def _junction(pick: Callable[..., Any]) -> Callable[[Sequence[Column]], Column]:
    def function(args: Sequence[Column]) -> Column:
        found = args[0].values
        for a in args[1:]:
            found = pick(found, a.values)
        return Column(found, 1, 1)

    return function


def _branch(args: Sequence[Column]) -> Column:
    condition, then, other = args
    (a, b), below, most = _level([then, other])
    return Column(numpy.where(condition.values, a, b), below, most)


_APPLY: dict[str, Callable[[Sequence[Column]], Column]] = {
    "add": _add, "mul": _mul, "floor": _floor, "ceil": _ceil, "min": _extreme(numpy.minimum),
    "max": _extreme(numpy.maximum), "abs": lambda a: Column(numpy.abs(a[0].values), a[0].below, a[0].most),
    "eq": _compare(numpy.equal), "lt": _compare(numpy.less), "le": _compare(numpy.less_equal),
    "and": _junction(numpy.logical_and), "or": _junction(numpy.logical_or),
    "not": lambda a: Column(numpy.logical_not(a[0].values), 1, 1), "if": _branch,
}  # fmt: skip

__all__ = ["Codes", "Column", "NotWhole", "apply", "constant", "of_values"]
