"""Which way is better: of every expression below goals and requirements, whether more of it or less can only help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cospace.compiler.exact.columns import Column
from cospace.compiler.mappings.listed import Listed
from cospace.compiler.space.graph import Expr, walk

COMPARED = 512
"""Values of a map that are compared with each other, at most."""

Ways = frozenset[int]
"""1: where more is better (true rather than false), -1: where less is."""

NONE: Ways = frozenset()
MORE: Ways = frozenset((1,))
LESS: Ways = frozenset((-1,))
BOTH: Ways = MORE | LESS


def directions(facts: Sequence[Expr], goals: Sequence[Expr], listed: Listed) -> dict[int, Ways]:
    """The ways of each node, by its `id`: goals are better the less they are, facts if they hold."""
    found: dict[int, Ways] = {}

    def tell(node: Expr, ways: Ways) -> None:
        found[id(node)] = found.get(id(node), NONE) | ways

    for g in goals:
        tell(g, LESS)
    for f in facts:
        tell(f, MORE)
    for node in reversed(list(walk([*facts, *goals]))):
        ways = found[id(node)]
        for a, its in zip(node.args, _of_arguments(node, ways, listed), strict=True):
            tell(a, its)
    return found


def _of_arguments(node: Expr, ways: Ways, listed: Listed) -> list[Ways]:
    op, args = node.op, node.args
    if op in ("add", "min", "max", "floor", "ceil", "and", "or"):
        return [ways] * len(args)
    if op == "not":
        return [_turned(ways)]
    if op in ("lt", "le"):
        return [_turned(ways), ways]
    if op == "if":
        if args[1].type.kind == "number":
            (low, high), (least, most) = (listed.ends(a) for a in args[1:])
            if low >= most:
                return [ways, ways, ways]
            if high <= least:
                return [_turned(ways), ways, ways]
        return [BOTH, ways, ways]
    if op == "mul":
        signs = [_sign(a, listed) for a in args]
        return [_signed(ways, [s for j, s in enumerate(signs) if j != k]) for k in range(len(args))]
    if op == "div" and _sign(args[0], listed) == 1 and listed.ends(args[1])[0] > 0:
        return [ways, _turned(ways)]
    return [BOTH] * len(args)


def _sign(e: Expr, listed: Listed) -> int:
    low, high = listed.ends(e)
    return 1 if low >= 0 else -1 if high <= 0 else 0


def _signed(ways: Ways, signs: Sequence[int]) -> Ways:
    sign = 1
    for s in signs:
        sign *= s
    return ways if sign > 0 else _turned(ways) if sign < 0 else BOTH


def _turned(ways: Ways) -> Ways:
    return frozenset(-w for w in ways)


def undominated(says: Sequence[tuple[Column, Ways]], size: int) -> list[int]:
    """The values of a map that no other is at least as good as, wherever it is read; all, where they are many."""
    if size > COMPARED:
        return list(range(size))
    rows = [tuple(c[n] for c, _ in says) for n in range(size)]
    ways = [w for _, w in says]

    def covers(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
        return all(_covers(x, y, w) for x, y, w in zip(a, b, ways, strict=True))

    return [n for n, b in enumerate(rows) if not any(k != n and covers(a, b) for k, a in enumerate(rows))]


def _covers(a: Any, b: Any, ways: Ways) -> bool:
    return bool(a == b or (ways == MORE and a > b) or (ways == LESS and a < b))


__all__ = ["BOTH", "Ways", "directions", "undominated"]
