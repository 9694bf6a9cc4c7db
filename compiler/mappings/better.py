"""Which way is better: of every expression below goals and requirements, whether more of it or less can only help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
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
    covers = numpy.ones((size, size), dtype=numpy.bool_)  # [a, b]: a is at least as good as b
    for column, ways in says:
        said = column[:size].tolist()
        order = sorted(set(said)) if ways in (MORE, LESS) else dict.fromkeys(said)
        place = {v: n for n, v in enumerate(order)}
        at = numpy.array([place[v] for v in said])
        a, b = at[:, None], at[None, :]
        covers &= a >= b if ways == MORE else a <= b if ways == LESS else a == b
    numpy.fill_diagonal(covers, False)
    return numpy.flatnonzero(~covers.any(axis=0)).tolist()


__all__ = ["BOTH", "Ways", "directions", "undominated"]
