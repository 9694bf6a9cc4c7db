"""Whether what a condition says can only turn one way as a number grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cospace.compiler.space.graph import Expr

Ways = frozenset[int]
"""1: may turn true (or grow) as the number grows, -1: may turn false (or shrink); neither where nothing changes."""

NONE: Ways = frozenset()
UP: Ways = frozenset((1,))
BOTH: Ways = frozenset((1, -1))


class Polarity:
    """range_of: the range of a number over the whole space, None where it has no value."""

    def __init__(self, path: str, range_of: Callable[[Expr], Any]) -> None:
        self.path = path
        self.range_of = range_of
        self._known: dict[int, Ways] = {}

    def __call__(self, node: Expr) -> Ways:
        if self.path not in node.free:
            return NONE
        found = self._known.get(id(node))
        if found is None:
            found = self._known[id(node)] = self._visit(node)
        return found

    def _visit(self, node: Expr) -> Ways:
        op, args = node.op, node.args
        if op == "var":
            return UP
        if op in ("add", "min", "max", "floor", "ceil", "and", "or"):
            return NONE.union(*map(self, args))
        if op == "not":
            return turned(self(args[0]))
        if op in ("lt", "le"):
            return turned(self(args[0])) | self(args[1])
        if op == "if" and self.path not in args[0].free:
            return self(args[1]) | self(args[2])
        if op == "mul":
            reading = [a for a in args if self.path in a.free]
            if len(reading) == 1:
                sign = 1
                for a in args:
                    sign *= 1 if a is reading[0] else self._sign(a)
                return self._signed(self(reading[0]), sign)
        if op == "div" and self.path not in args[1].free:
            return self._signed(self(args[0]), self._sign(args[1]))
        return BOTH

    def _sign(self, node: Expr) -> int:
        """1: never negative, -1: never positive, 0: either, or it has no value."""
        found = self.range_of(node)
        if found is None:
            return 0
        return 1 if found[0] >= 0 else -1 if found[1] <= 0 else 0

    def _signed(self, ways: Ways, sign: int) -> Ways:
        return ways if sign > 0 else turned(ways) if sign < 0 else BOTH


def turned(ways: Ways) -> Ways:
    return frozenset(-w for w in ways)
