"""Which quantities have to be small, and which large: what stands above them says so, as long as it grows or falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cospace.compiler.numbers.row_bounds import Pair
from cospace.compiler.space.graph import Expr

Want = tuple[bool, bool]
"""Whether small is better, and whether large is."""
SMALL, LARGE, BOTH = (True, False), (False, True), (True, True)


def oriented(
    goals: Sequence[Expr], conditions: Sequence[Expr], ends: frozenset[int], ranges: Mapping[int, Pair]
) -> dict[int, Want]:
    """What each node above `ends` (ids), and these, have to be, so that goals are small and conditions hold.

    ranges: what each of them can be at all.
    """
    wants: dict[int, Want] = {}
    for root, want in [(g, SMALL) for g in goals] + [(c, LARGE) for c in conditions]:
        _want(wants, root, want)
    for e in _above([*goals, *conditions], ends):
        if id(e) not in ends:
            for a, want in zip(e.args, _passed(e, wants[id(e)], ranges), strict=True):
                _want(wants, a, want)
    return wants


def _want(wants: dict[int, Want], e: Expr, want: Want) -> None:
    before = wants.get(id(e), (False, False))
    wants[id(e)] = (before[0] or want[0], before[1] or want[1])


def _above(roots: Sequence[Expr], ends: frozenset[int]) -> list[Expr]:
    """What stands above the ends, and these, users before arguments."""
    order: list[Expr] = []
    done: set[int] = set()
    stack = [(e, False) for e in roots]
    while stack:
        e, ready = stack.pop()
        if ready:
            order.append(e)
        elif id(e) not in done:
            done.add(id(e))
            stack.append((e, True))
            if id(e) not in ends:
                stack.extend((a, False) for a in e.args)
    return order[::-1]


def _passed(e: Expr, want: Want, ranges: Mapping[int, Pair]) -> list[Want]:
    """What each argument has to be for a node to be what is wanted: small, large, or just what it is (both)."""
    swapped = want[::-1]

    def at_least_0(a: Expr) -> bool:
        return bool((ranges[id(a)].low >= 0).all())

    if e.op in ("add", "max", "min", "floor", "ceil", "sqrt", "exp", "log", "log2", "log10", "and", "or"):
        return [want for _ in e.args]
    if e.op == "not":
        return [swapped]
    if e.op in ("le", "lt"):
        return [swapped, want]
    if e.op == "mul" and len(e.args) == 2 and e.args[0].is_const:
        return [want, swapped if e.args[0].number < 0 else want]
    if e.op == "mul" and all(map(at_least_0, e.args)):
        return [want for _ in e.args]
    if e.op == "div" and all(map(at_least_0, e.args)):
        return [want, swapped]
    if e.op == "pow" and at_least_0(e.args[0]):
        return [want if e.args[1].number > 0 else swapped, want]
    if e.op == "if":
        return [BOTH, want, want]
    return [BOTH for _ in e.args]
