"""Chains of branches that are less to do than they say.

What is picked from a list by a number is a comparison and a choice an item; where the number is known to stand for one
of them, it is one array step. The greatest of constants, each of which counts under a condition, is the last whose
condition holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cospace.compiler.numbers.steps import Ref, Value_
from cospace.compiler.space.graph import Expr

if TYPE_CHECKING:
    from cospace.compiler.numbers.build import Builder

FEWEST = 4
"""Items, at least."""


def items_of(node: Expr) -> tuple[Expr, dict[int, Expr], list[Expr]] | None:
    """`if x == 3 then a else if x == 4 then b else ...`: x, what there is for each number, and all these branches; None
    of anything else."""
    found: dict[int, Expr] = {}
    links: list[Expr] = []
    read: Expr | None = None
    while node.op == "if" and node.args[0].op == "eq":
        sides = node.args[0].args
        number, own = sides if sides[0].is_const else sides[::-1]
        if not number.is_const or own.type.kind != "number" or number.number.denominator != 1:
            break
        if read is not None and own is not read:
            break
        read = own
        found.setdefault(int(number.number), node.args[1])
        links.append(node)
        node = node.args[2]
    return None if read is None or len(found) < FEWEST else (read, found, links)


def extreme_of(node: Expr) -> tuple[list[tuple[Expr, Expr]], Expr, list[Expr]] | None:
    """`max(p for p in 0..9 when ...)`: the conditions and their numbers, those first that others go before; what there
    is where none holds; and all branches. None of anything else."""
    found: list[tuple[Expr, Expr]] = []
    further: list[Expr] = []
    links: list[Expr] = []
    names: set[str] = set()
    while node.op == "if":
        links.append(node)
        condition, then, rest = node.args
        if then.is_const:
            found.append((condition, then))
            break
        if then.op != "if":
            return None
        links.append(then)
        others, both, own = then.args
        if both.op not in ("max", "min") or not own.is_const or set(both.args) != {own, rest}:
            return None
        names.add(both.op)
        found.append((condition, own))
        further.append(others)
        node = rest
    if node.op != "if" or len(names) != 1:
        return None
    sign = 1 if names == {"max"} else -1
    numbers = [v.number * sign for _, v in found]
    if numbers != sorted(numbers):
        return None
    for n, others in enumerate(further, 1):
        if _alternatives(others) != {a for c, _ in found[n:] for a in _alternatives(c)}:
            return None
    return found, node.args[2], links


def _alternatives(condition: Expr) -> set[Expr]:
    found: set[Expr] = set()
    pending = [condition]
    while pending:
        node = pending.pop()
        if node.op == "or":
            pending += node.args
        else:
            found.add(node)
    return found


def pick_item(builder: Builder, index: Ref, items: Sequence[tuple[int, Value_]]) -> Value_ | None:
    """One of the items, given with their numbers in order; None where the index may be something else."""
    low, high = items[0][0], items[-1][0]
    span = index.range
    if index.nan or not span.exact or span.grain < 1 or span.low < low or span.high > high:
        return None
    values = [v.ref for n, v in items if span.low <= n <= span.high]
    if len(values) != int(span.high) - int(span.low) + 1:
        return None
    first = int(span.low)
    kind = values[0].kind
    nan = kind != "bool" and any(v.nan for v in values)
    ref = builder.emit("choose", index, *values, kind=kind, setting=first, nan=nan)
    if kind != "bool":
        return Value_(ref)
    each = [v.defined for n, v in items if span.low <= n <= span.high]
    if all(d is None for d in each):
        return Value_(ref)
    always = builder.scalar(True)
    defined = builder.emit("choose", index, *(d or always for d in each), kind="bool", setting=first)
    return Value_(ref, defined)


__all__ = ["extreme_of", "items_of", "pick_item"]
