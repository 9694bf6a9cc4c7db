"""Expressions at all combinations of what some maps may take, exactly: whole numbers over a denominator, in floats.

Each map is an axis, and an expression has only the axes of the maps that it reads. A float holds every whole number
below 2^53; what grows beyond is refused.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy
from attrs import field, frozen
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.listed import MOST, Ints, Listed
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

Array = NDArray[Any]
LARGEST = 1 << 53

Window = Mapping[int, slice]
"""Which part of an axis is looked at; of others the whole."""


class Whole(NamedTuple):
    """values / below, along the axes of a grid; |values| <= most. Truths: below is 1."""

    values: Array
    below: int
    most: int


@frozen(eq=False)
class Grid:
    """axes: (path, the positions of its values) of each map, in declared order."""

    listed: Listed
    axes: tuple[tuple[str, Ints], ...]
    _leaves: dict[int, Whole] = field(factory=dict)

    def evaluate(self, roots: Sequence[Expr], window: Window) -> list[Whole]:
        """Expressions in a part of the grid. Raises NotExact."""
        known: dict[int, Whole] = {}
        stack = list(roots)
        while stack:
            node = stack[-1]
            if id(node) in known:
                stack.pop()
                continue
            leaf = self._leaf(node)
            if leaf is not None:
                known[id(node)] = _windowed(leaf, window)
            elif missing := [a for a in node.args if id(a) not in known]:
                stack += missing
                continue
            else:
                known[id(node)] = _apply(node, [known[id(a)] for a in node.args])
            stack.pop()
        return [known[id(r)] for r in roots]

    def _leaf(self, node: Expr) -> Whole | None:
        """What is listed: what reads one map, and what nothing here can work out, of a few."""
        if id(node) in self._leaves:
            return self._leaves[id(node)]
        if node.is_const:
            found = _whole(numpy.array([node.value], dtype=object))
            found = found._replace(values=found.values.reshape(()))
        elif len(node.free) == 1 or node.op not in _APPLY:
            paths = self.listed.paths(node)
            if set(paths) != node.free or self.listed.size(paths) > MOST:
                raise NotExact(node.op)
            own = [k for k, (path, _) in enumerate(self.axes) if path in node.free]
            rows = numpy.stack(
                [m.reshape(-1) for m in numpy.meshgrid(*(self.axes[k][1] for k in own), indexing="ij")], axis=1
            )
            column = self.listed.column(node)[self.listed.places(node, [self.axes[k][0] for k in own], rows)]
            shape = [len(at) if k in own else 1 for k, (_, at) in enumerate(self.axes)]
            found = _whole(column)
            found = found._replace(values=found.values.reshape(shape))
        else:
            return None
        self._leaves[id(node)] = found
        return found


def _windowed(whole: Whole, window: Window) -> Whole:
    if not whole.values.ndim:
        return whole
    at = tuple(window.get(k, slice(None)) if n > 1 else slice(None) for k, n in enumerate(whole.values.shape))
    return whole._replace(values=whole.values[at])


def _whole(column: Array) -> Whole:
    """Numbers or truths, over the denominator that they have in common."""
    listed = column.tolist()
    if listed and isinstance(listed[0], bool):
        return Whole(numpy.array(listed, dtype=numpy.bool_), 1, 1)
    if any(not isinstance(v, (int, Fraction)) for v in listed):
        raise NotExact("what is no number")
    below = math.lcm(*(v.denominator for v in listed))
    numbers = [int(v * below) for v in listed]
    return _fitting(numpy.array(numbers, dtype=numpy.float64), below, max(map(abs, numbers), default=0))


def _fitting(values: Array, below: int, most: int) -> Whole:
    if most >= LARGEST or below >= LARGEST:
        raise NotExact("numbers that floats don't hold")
    return Whole(values, below, most)


def _apply(node: Expr, args: Sequence[Whole]) -> Whole:
    return _APPLY[node.op](args)


def _mul(args: Sequence[Whole]) -> Whole:
    values = functools.reduce(numpy.multiply, (a.values for a in sorted(args, key=lambda a: a.values.size)))
    most = float(numpy.abs(values).max(initial=0.0))  # a product of whole numbers below 2^53 was never rounded
    if not most < LARGEST:
        raise NotExact("numbers that floats don't hold")
    return _fitting(values, math.prod(a.below for a in args), int(most))


def _add(args: Sequence[Whole]) -> Whole:
    values, below = _level(args)
    ordered = sorted(values, key=lambda v: v.size)
    return _fitting(functools.reduce(numpy.add, ordered), below, sum(a.most * (below // a.below) for a in args))


def _level(args: Sequence[Whole]) -> tuple[list[Array], int]:
    """Values over one denominator."""
    below = math.lcm(*(a.below for a in args))
    if any(a.most * (below // a.below) >= LARGEST for a in args):
        raise NotExact("numbers that floats don't hold")
    return [a.values if a.below == below else a.values * (below // a.below) for a in args], below


def _div(args: Sequence[Whole]) -> Whole:
    a, b = args
    distinct = [int(v) for v in numpy.unique(b.values)]
    multiple = math.lcm(*distinct) if 0 not in distinct else LARGEST
    if multiple * b.below >= LARGEST:
        raise NotExact("numbers that floats don't hold")
    values = a.values * (multiple * b.below / b.values)
    most = float(numpy.abs(values).max(initial=0.0))
    if not most < LARGEST:
        raise NotExact("numbers that floats don't hold")
    return _fitting(values, a.below * multiple, int(most))


def _extreme(pick: Callable[..., Any]) -> Callable[[Sequence[Whole]], Whole]:
    def function(args: Sequence[Whole]) -> Whole:
        values, below = _level(args)
        return _fitting(functools.reduce(pick, values), below, max(a.most * (below // a.below) for a in args))

    return function


def _rounded(up: bool) -> Callable[[Sequence[Whole]], Whole]:
    def function(args: Sequence[Whole]) -> Whole:
        (a,) = args
        values = -numpy.floor_divide(-a.values, a.below) if up else numpy.floor_divide(a.values, a.below)
        return _fitting(values, 1, a.most // a.below + 1)

    return function


def _compare(pick: Callable[..., Any]) -> Callable[[Sequence[Whole]], Whole]:
    def function(args: Sequence[Whole]) -> Whole:
        (a, b), _ = _level(args)
        return Whole(pick(a, b), 1, 1)

    return function


def _junction(pick: Callable[..., Any]) -> Callable[[Sequence[Whole]], Whole]:
    return lambda args: Whole(functools.reduce(pick, (a.values for a in args)), 1, 1)


def _branch(args: Sequence[Whole]) -> Whole:
    condition, then, other = args
    (a, b), below = _level([then, other])
    return _fitting(numpy.where(condition.values, a, b), below, max(x.most * (below // x.below) for x in (then, other)))


_APPLY: dict[str, Callable[[Sequence[Whole]], Whole]] = {
    "add": _add, "mul": _mul, "div": _div, "floor": _rounded(False), "ceil": _rounded(True),
    "min": _extreme(numpy.minimum), "max": _extreme(numpy.maximum),
    "eq": _compare(numpy.equal), "lt": _compare(numpy.less), "le": _compare(numpy.less_equal),
    "and": _junction(numpy.logical_and), "or": _junction(numpy.logical_or),
    "not": lambda args: Whole(numpy.logical_not(args[0].values), 1, 1), "if": _branch,
}  # fmt: skip

__all__ = ["Grid", "Whole", "Window"]
