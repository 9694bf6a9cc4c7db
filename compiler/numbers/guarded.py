"""Which parts of an expression are worth evaluating only where their guard holds.

A network's cost is a sum over works of alternatives, each behind `if conv == gat then … else 0`. Solving the mappings
of every alternative for every design would waste most of the effort, so a program evaluates what stands behind one
guard for the rows where it holds, all at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen
from cospace.compiler.space.asked import solves
from cospace.compiler.space.graph import Expr, both, either

FEWEST = 4
"""Decisions that an expression reads, at least: less is a table."""


@frozen(eq=False)
class Guarded:
    """Expressions to evaluate where `condition` is `side`. places: (node, position of the argument) of each."""

    condition: Expr
    side: bool
    exprs: list[Expr] = field(factory=list)
    places: list[tuple[Expr, int]] = field(factory=list)


def find_guarded(outputs: Sequence[Expr]) -> list[Guarded]:
    """Arguments of `if`, `and`, `or` that hold mapping problems, by the guard in front of them; outermost ones only."""
    groups: dict[tuple[int, bool], Guarded] = {}
    seen: set[int] = set()
    pending = list(reversed(outputs))
    while pending:
        node = pending.pop()
        if id(node) in seen or not solves(node) or node.op in ("solve", "solvable"):
            continue
        seen.add(id(node))
        guards = _guards(node)
        for position, a in enumerate(node.args):
            guard = guards.get(position)
            if guard is None or not solves(a) or len(a.free) < FEWEST or a.type.kind not in ("number", "bool"):
                pending.append(a)
                continue
            condition, side = guard
            group = groups.setdefault((id(condition), side), Guarded(condition, side))
            group.exprs.append(a)
            group.places.append((node, position))
    return list(groups.values())


def _guards(node: Expr) -> dict[int, tuple[Expr, bool]]:
    """For each argument the condition under which it matters, where that is cheap to know."""
    if node.op == "if":
        condition = node.args[0]
        return {} if solves(condition) else {1: (condition, True), 2: (condition, False)}
    if node.op not in ("and", "or"):
        return {}
    cheap: list[Expr] = []
    for a in node.args:
        if solves(a):
            break
        cheap.append(a)
    if not cheap or len(cheap) == len(node.args):
        return {}
    before = (both if node.op == "and" else either)(*cheap)
    return dict.fromkeys(range(len(cheap), len(node.args)), (before, node.op == "and"))
