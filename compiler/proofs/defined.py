"""Where an expression could be undefined: the conditions under which each division, logarithm or root has a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, both, const, implies, may_be_undefined, negate
from cospace.compiler.space.lookups import Lookup, has

_POSITIVE = {"log", "log2", "log10"}


@frozen(eq=False)
class Condition:
    """`node` has a value only where `holds` is true; reached only under what `holds` already assumes."""

    node: Expr
    holds: Expr


def open_to(settled: Callable[[Expr], bool]) -> Callable[[Expr], bool]:
    """Whether anything below a node could be undefined, `settled` saying which conditions hold wherever they are asked.

    Each node is looked at once, whatever guards it is reached under: what needs no guard is left out of every walk.
    """
    known: dict[int, bool] = {}

    def is_open(expr: Expr) -> bool:
        stack = [(expr, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in known:
                continue
            if not may_be_undefined(node):
                known[id(node)] = False
            elif node.op in ("solve", "solvable"):
                known[id(node)] = True
            elif not ready:
                stack.append((node, True))
                stack.extend((a, False) for a in node.args)
            else:
                own = _own(node)
                known[id(node)] = any(known[id(a)] for a in node.args) or not (own is None or settled(own))
        return known[id(expr)]

    return is_open


def conditions(expr: Expr, guard: Expr = TRUE, is_open: Callable[[Expr], bool] = may_be_undefined) -> list[Condition]:
    """Everything that has to hold for `expr` to be defined wherever `guard` holds.

    `if`, `and`, `or` protect from left to right. A `solve` gives `solvable` of its problem; what is inside is asked
    for all of its mappings. Nodes that are not `is_open` are left out. They stand in the order of evaluation: where
    all before it hold, a condition is defined itself, so that their conjunction always is.
    """
    found: list[Condition] = []
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[Expr, Expr, bool]] = [(expr, guard, False)]
    while stack:
        node, under, ready = stack.pop()
        if ready:
            own = _own(node)
            if own is not None:
                found.append(Condition(node, implies(under, own)))
        elif (id(node), id(under)) not in seen and is_open(node):
            seen.add((id(node), id(under)))
            stack.append((node, under, True))
            stack.extend((below, there, False) for below, there in reversed(list(_below(node, under))))
    return found


def _own(node: Expr) -> Expr | None:
    """When the node itself has a value, given that its arguments have."""
    if node.op in ("div", "mod"):
        by = node.args[1]
        return negate(graph.eq(by, const(0, by.type.unit)))
    if node.op in _POSITIVE:
        return graph.lt(const(0), node.args[0])
    if node.op == "sqrt":
        return graph.le(const(0, node.args[0].type.unit), node.args[0])
    if node.op == "pow":
        base, exponent = node.args
        zero = const(0, base.type.unit)
        if exponent.is_const and exponent.number.denominator == 1:
            return TRUE if exponent.number >= 0 else negate(graph.eq(base, zero))
        return graph.lt(zero, base)
    if node.op == "lookup":
        rows: Lookup = node.payload  # type: ignore[assignment]
        return None if rows.default else has(rows, node.args)
    if node.op == "solve":
        problem: MapProblem = node.payload  # type: ignore[assignment]
        return None if problem.sure else graph.solvable(problem)  # that its goals are defined is asked below
    return None


def _below(node: Expr, under: Expr) -> Iterable[tuple[Expr, Expr]]:
    if node.op == "if":
        condition, then, otherwise = node.args
        return [(condition, under), (then, both(under, condition)), (otherwise, both(under, negate(condition)))]
    if node.op in ("and", "or"):
        pairs = []
        for a in node.args:
            pairs.append((a, under))
            under = both(under, a if node.op == "and" else negate(a))
        return pairs
    if node.op in ("solve", "solvable"):
        problem: MapProblem = node.payload  # type: ignore[assignment]
        inside = [(e, TRUE) for e in (*node.args, *problem.expressions())]
        return inside
    return [(a, under) for a in node.args]
