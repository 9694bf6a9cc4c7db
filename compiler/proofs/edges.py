"""Conditions on a number that say no more than how large or how small it has to be: by an expression over decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.proofs.refute import Fact
from cospace.compiler.space.graph import (
    Expr,
    add,
    branch,
    const,
    div,
    either,
    maximum,
    minimum,
    mul,
    negative,
    sub,
)


@frozen(eq=False)
class Edge:
    """The number is at least (up) or at most `value`, or beyond it (strict), except where `free` holds."""

    value: Expr
    up: bool
    strict: bool
    free: Expr | None


RangeOf = Callable[[Expr], Any]


def goal_of(facts: Sequence[Fact], path: str, at: Fraction, range_of: RangeOf) -> tuple[Expr, bool] | None:
    """What is to be least for the number at `path` to move the least from `at`, and whether upwards; None where the
    facts, all of which read it, say more than edges on one side, or some leave it out and others don't."""
    edges = [edge_of(f.value, path, range_of) for f in facts]
    sure = [e for e in edges if e is not None]
    if not sure or len(sure) < len(edges) or len({(e.up, e.strict) for e in sure}) > 1:
        return None
    here = const(at, sure[0].value.type.unit)
    values = [e.value if e.free is None else branch(e.free, here, e.value) for e in sure]
    return (maximum(*values), True) if sure[0].up else (negative(minimum(*values)), False)


def edge_of(condition: Expr, path: str, range_of: RangeOf) -> Edge | None:
    """The edge that a condition is, or None."""
    free: Expr | None = None
    if condition.op == "or":
        reading = [a for a in condition.args if path in a.free]
        others = [a for a in condition.args if path not in a.free]
        if len(reading) != 1 or condition.args[-1] is not reading[0]:
            return None  # what stands behind is asked only where the rest has a value
        condition, free = reading[0], either(*others)
    met = condition.op != "not"
    node = condition if met else condition.args[0]
    if node.op not in ("le", "lt") or node.args[0].type.kind != "number":
        return None
    left, right = node.args
    if (path in left.free) == (path in right.free):
        return None
    up = (path in right.free) == met
    side, other = (right, left) if path in right.free else (left, right)
    strict = (node.op == "lt") == met
    while side.op != "var":
        inner = [a for a in side.args if path in a.free]
        rest = [a for a in side.args if path not in a.free]
        if len(inner) != 1:
            return None
        if side.op == "add":
            other = sub(other, add(*rest))
        elif side.op == "mul":
            by = mul(*rest)
            sign = _sign(by, range_of)
            if not sign:
                return None
            other = div(other, by)
            up = up == (sign > 0)
        else:
            return None
        side = inner[0]
    return Edge(other, up, strict, free)


def _sign(node: Expr, range_of: RangeOf) -> int:
    found = range_of(node)
    if found is None:
        return 0
    return 1 if found[0] > 0 else -1 if found[1] < 0 else 0


__all__ = ["Edge", "edge_of", "goal_of"]
