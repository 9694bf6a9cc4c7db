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
MANY = 1 << 17
"""The same where columns hold several decisions: one look further away costs less than several steps."""
WIDE = 1 << 14
"""Up to so many cells a table may be twice as wide where that saves a step."""
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


def folded(op: str, args: Sequence[Node], sizes: Sequence[int], cells: int = NUMBERS) -> Node:
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
                if _cells(union, sizes) <= cells and other.most * g.most < MOST:
                    scope, (a, b) = _spread([other, g], sizes)
                    grids[i] = Grid(scope, join(a, b), 1)
                    break
            else:
                grids.append(g)
    steps = [a for a in args if isinstance(a, Step)]
    if steps and op == "mul":
        grids = [g for g in grids if g.scope or int(g.values) != 1]
    rest: list[Node] = [*grids, *steps]
    if len(rest) == 1 and isinstance(rest[0], Grid):
        return Grid(rest[0].scope, rest[0].values, below)
    most = sum(a.most for a in rest) if op == "add" else math.prod(a.most for a in rest)
    if most >= MOST:
        raise NoTable
    return Step(op, tuple(_narrow(a, most) for a in rest), below, most)


def _scaled(a: Node, factor: int) -> Node:
    if factor == 1:
        return a
    if isinstance(a, Grid):
        return Grid(a.scope, a.values * factor, a.below * factor)
    return Step("mul", (a, Grid((), numpy.array(factor), 1)), a.below * factor, a.most * factor)


def _narrow(a: Node, most: int = 0) -> Node:
    """Tables in the least type that holds them: less memory to gather from.

    most: of what they are joined to; small ones are of the type that it takes, to be joined as they are.
    """
    if not isinstance(a, Grid) or not a.below or a.most >= 1 << 31 or (most >= 1 << 31 and a.values.size <= WIDE):
        return a
    return Grid(a.scope, a.values.astype(numpy.int32, copy=False), a.below)


def combined(op: str, args: Sequence[Node], sizes: Sequence[int], cells: int = NUMBERS) -> Node:
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
        if _cells(scope, sizes) <= (cells if below else max(cells, TRUTHS)):
            shape = [sizes[k] for k in scope]
            return Grid(scope, _at_cells(made, values, shape), below)
    return made


def _at_cells(step: Step, values: Sequence[Array], shape: Sequence[int]) -> Array:
    every = [numpy.broadcast_to(v, shape).reshape(-1) for v in values]
    return AT[step.op](step, every, Room(math.prod(shape))).reshape(shape)


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


class Room:
    """Arrays of one length that values are worked out in, used again when they are given back: fresh memory is slow."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._free: dict[Any, list[Array]] = {}
        self._own: set[int] = set()
        self._every: list[Array] = []

    def get(self, kind: Any) -> Array:
        free = self._free.setdefault(numpy.dtype(kind), [])
        if free:
            return free.pop()
        made = numpy.empty(self.length, dtype=kind)
        self._every.append(made)
        self._own.add(id(made))
        return made

    def give(self, array: Array) -> None:
        """Takes an array back; those that are not its own are left alone."""
        if id(array) in self._own:
            self._free[array.dtype].append(array)

    def taken(self, values: Array, at: Array) -> Array:
        """values[at]; each of `at` is a place in it."""
        found = self.get(values.dtype)
        # with `raise` numpy would work in memory of its own
        values.take(at, out=found, mode="clip")
        return found


At = Callable[["Step", Sequence[Array], Room], Array]


def _fold_at(join: Any) -> At:
    def at(step: Step, args: Sequence[Array], room: Room) -> Array:
        found = room.get(numpy.int32 if step.most < 1 << 31 else numpy.int64)
        if len(args) == 1:
            found[:] = args[0]
            return found
        join(args[0], args[1], out=found, dtype=found.dtype, casting="unsafe")
        for a in args[2:]:
            join(found, a, out=found, casting="unsafe")
        return found

    return at


def _reduce_at(join: Any) -> At:
    def at(step: Step, args: Sequence[Array], room: Room) -> Array:
        kind = numpy.bool_ if not step.below else numpy.int32 if step.most < 1 << 31 else numpy.int64
        found = room.get(kind)
        join(args[0], args[len(args) > 1], out=found)  # of one alone each is that itself
        for a in args[2:]:
            join(found, a, out=found)
        return found

    return at


def _whole_at(up: bool) -> At:
    def at(step: Step, args: Sequence[Array], room: Room) -> Array:
        below, (a,) = step.args[0].below, args
        found = room.get(numpy.int64)
        numpy.add(a, below - 1 if up else 0, out=found, dtype=numpy.int64)
        if below & (below - 1):
            found //= below
        else:
            found >>= below.bit_length() - 1  # rounds down, as division does
        return found

    return at


def _other_at(find: Callable[[Sequence[Array]], Array]) -> At:
    return lambda step, args, room: find(args)


AT: Mapping[str, At] = {
    "add": _fold_at(numpy.add), "mul": _fold_at(numpy.multiply), "floor": _whole_at(False), "ceil": _whole_at(True),
    "min": _reduce_at(numpy.minimum), "max": _reduce_at(numpy.maximum), "abs": _other_at(lambda a: numpy.abs(a[0])),
    "le": _reduce_at(numpy.less_equal), "lt": _reduce_at(numpy.less), "eq": _reduce_at(numpy.equal),
    "and": _reduce_at(numpy.logical_and), "or": _reduce_at(numpy.logical_or),
    "not": _other_at(lambda a: numpy.logical_not(a[0])), "if": _other_at(lambda a: numpy.where(a[0], a[1], a[2])),
}  # fmt: skip

__all__ = ["AT", "MANY", "MOST", "NUMBERS", "WIDE", "Array", "Grid", "NoTable", "Node", "Room", "Step", "combined",
           "folded", "joined"]  # fmt: skip
