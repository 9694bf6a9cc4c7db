"""Tables and steps of whole numbers that requirements are decided anew from, and the operators that join them.

Its own arithmetic on purpose: nothing that a sampler counts, decides or draws with is used (`recheck_tables`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[Any]
NUMBERS = 1 << 12
"""Cells of a table of numbers: so many stay in the fastest cache."""
TRUTHS = 1 << 14
MOST = 1 << 62


class NoTable(Exception):
    """An expression that is not decided from tables."""


@frozen(eq=False)
class Grid:
    """values / below at each combination of the classes of `scope`'s decisions: an axis each. below 0: truths."""

    scope: tuple[int, ...]
    values: Array
    below: int

    @property
    def most(self) -> int:
        return int(numpy.abs(self.values).max(initial=0)) if self.below else 1


@frozen(eq=False)
class Step:
    """An operator whose result no table holds."""

    op: str
    args: tuple[Grid | Step, ...]
    below: int
    most: int


Node = Grid | Step


def _spread(grids: Sequence[Grid], sizes: Sequence[int]) -> tuple[tuple[int, ...], list[Array]]:
    """The union of their scopes, and their values with an axis for each of it."""
    scope = tuple(sorted({k for g in grids for k in g.scope}))
    return scope, [g.values.reshape([sizes[k] if k in g.scope else 1 for k in scope]) for g in grids]


def _cells(scope: Any, sizes: Sequence[int]) -> int:
    return math.prod(sizes[k] for k in scope)


def folded(op: str, args: Sequence[Node], sizes: Sequence[int]) -> Node:
    """A sum or a product: tables that stay small are joined, first those that read the same decisions."""
    below = math.lcm(*(a.below for a in args)) if op == "add" else math.prod(a.below for a in args)
    if not below or below >= MOST:
        raise NoTable
    if op == "add":
        if sum(a.most * (below // a.below) for a in args) >= MOST:
            raise NoTable
        args = [_scaled(a, below // a.below) for a in args]
    join: Callable[[Any, Any], Any] = numpy.add if op == "add" else numpy.multiply
    grids: list[Grid] = []
    for shared in (True, False):
        waiting = [a for a in args if isinstance(a, Grid)] if shared else grids
        grids = []
        for g in waiting:
            for i, other in enumerate(grids):
                union = {*g.scope, *other.scope}
                if shared and union and set(g.scope).isdisjoint(other.scope):
                    continue
                if _cells(union, sizes) <= NUMBERS and other.most * g.most < MOST:
                    scope, (a, b) = _spread([other, g], sizes)
                    grids[i] = Grid(scope, join(a, b), 1)
                    break
            else:
                grids.append(g)
    rest: list[Node] = [*grids, *(a for a in args if isinstance(a, Step))]
    if len(rest) == 1 and isinstance(rest[0], Grid):
        return Grid(rest[0].scope, rest[0].values, below)
    most = sum(a.most for a in rest) if op == "add" else math.prod(a.most for a in rest)
    if most >= MOST:
        raise NoTable
    return Step(op, tuple(map(_narrow, rest)), below, most)


def _scaled(a: Node, factor: int) -> Node:
    if factor == 1:
        return a
    if isinstance(a, Grid):
        return Grid(a.scope, a.values * factor, a.below * factor)
    return Step("mul", (a, Grid((), numpy.array(factor), 1)), a.below * factor, a.most * factor)


def _narrow(a: Node) -> Node:
    """Tables in the least type that holds them: less memory to gather from."""
    if isinstance(a, Grid) and a.below and a.values.dtype == numpy.int64 and a.most < 1 << 31:
        return Grid(a.scope, a.values.astype(numpy.int32), a.below)
    return a


def combined(op: str, args: Sequence[Node], sizes: Sequence[int]) -> Node:
    numbers = [a for a in args if a.below]
    if op in ("le", "lt", "eq", "min", "max", "if") and numbers:
        below = math.lcm(*(a.below for a in numbers))
        if max(a.most * (below // a.below) for a in numbers) >= MOST:
            raise NoTable
        args = [_scaled(a, below // a.below) if a.below else a for a in args]
    if op == "eq" and len(numbers) == 1:
        raise NoTable
    first = next((a.below for a in args if a.below), 0)
    below = {"floor": 1, "ceil": 1, "min": first, "max": first, "abs": first, "if": args[-1].below}.get(op, 0)
    most = max((a.most for a in args), default=1)
    made = Step(op, tuple(map(_narrow, args)), below, most if below else 1)
    grids = [a for a in args if isinstance(a, Grid)]
    if len(grids) == len(args):
        scope, values = _spread(grids, sizes)
        if _cells(scope, sizes) <= (NUMBERS if below else TRUTHS):
            shape = [sizes[k] for k in scope]
            return Grid(scope, numpy.broadcast_to(AT[op](made, values), shape).copy(), below)
    return made


def joined(nodes: Sequence[Node], sizes: Sequence[int]) -> list[Node]:
    """Tables of truths joined where one reads all that another does."""
    grids: list[Grid] = []
    for g in sorted((n for n in nodes if isinstance(n, Grid)), key=lambda g: -len(g.scope)):
        for i, other in enumerate(grids):
            if set(g.scope) <= set(other.scope):
                scope, (a, b) = _spread([other, g], sizes)
                grids[i] = Grid(scope, a & b, 0)
                break
        else:
            grids.append(g)
    return [*grids, *(n for n in nodes if isinstance(n, Step))]


def _fold_at(join: Callable[..., Any]) -> Callable[[Step, Sequence[Array]], Array]:
    def at(step: Step, args: Sequence[Array]) -> Array:
        kind = numpy.int32 if step.most < 1 << 31 else numpy.int64
        found = join(args[0], args[1], dtype=kind) if len(args) > 1 else args[0]
        for a in args[2:]:
            join(found, a, out=found, casting="unsafe")
        return numpy.asarray(found)

    return at


def _reduce_at(join: Callable[..., Any]) -> Callable[[Step, Sequence[Array]], Array]:
    def at(step: Step, args: Sequence[Array]) -> Array:
        found = args[0]
        for a in args[1:]:
            found = join(found, a)
        return found

    return at


AT: Mapping[str, Callable[[Step, Sequence[Array]], Array]] = {
    "add": _fold_at(numpy.add), "mul": _fold_at(numpy.multiply),
    "floor": lambda s, a: a[0] // s.args[0].below,
    "ceil": lambda s, a: -(-a[0] // s.args[0].below),
    "min": _reduce_at(numpy.minimum), "max": _reduce_at(numpy.maximum), "abs": lambda s, a: numpy.abs(a[0]),
    "le": _reduce_at(numpy.less_equal), "lt": _reduce_at(numpy.less), "eq": _reduce_at(numpy.equal),
    "and": _reduce_at(numpy.logical_and), "or": _reduce_at(numpy.logical_or),
    "not": lambda s, a: numpy.logical_not(a[0]), "if": lambda s, a: numpy.where(a[0], a[1], a[2]),
}  # fmt: skip

__all__ = ["AT", "MOST", "Array", "Grid", "NoTable", "Node", "Step", "combined", "folded", "joined"]
