"""Where the text says what was found in an expression: names are followed to what they stand for.

Expressions that are equal are one, wherever they are written, so that none of them knows a place of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cospace.compiler.elaborate.values import Context
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.walk import walk

SIGNS = {"div": "/", "pow": "^"}
"""Operators that are written as a sign; all others are called by their names."""


def places(op: str, reads: Collection[str], span: Span, context: Context) -> tuple[Label, ...]:
    """Where what stands at `span` applies an operator to what reads some names; none where that can't be told."""
    file = context.scope.owner().file
    declared = {
        t.id: s.value
        for s in file.statements
        if isinstance(s, tree.Bind)
        for t in s.targets
        if isinstance(t, tree.Name)
    }
    for statement in file.statements:
        if statement.span.start <= span.start and span.end <= statement.span.end:
            here = next((n for n in walk(statement) if n.span == span), statement)
            found = dict.fromkeys(n.span for n in _reached(here, declared) if _applies(n, op, reads, declared))
            inner = [s for s in found if not any(s != o and s.start <= o.start and o.end <= s.end for o in found)]
            return tuple(Label(s, "here") for s in inner[:1])
    return ()


def _reached(node: tree.Node, declared: dict[str, tree.Expr]) -> Iterator[tree.Node]:
    """The nodes inside a node, and inside what the names in it stand for."""
    pending, seen = [node], set[str]()
    while pending:
        for inner in walk(pending.pop()):
            yield inner
            if isinstance(inner, tree.Name) and inner.id in declared and inner.id not in seen:
                seen.add(inner.id)
                pending.append(declared[inner.id])


def _applies(node: tree.Node, op: str, reads: Collection[str], declared: dict[str, tree.Expr]) -> bool:
    if isinstance(node, tree.Binary) and node.op == SIGNS.get(op):
        inside: tuple[tree.Node, ...] = (node.right,) if op == "div" else (node,)
    elif isinstance(node, tree.Call) and isinstance(node.function, tree.Name) and node.function.id == op:
        inside = tuple(node.arguments)
    else:
        return False
    return any(isinstance(n, tree.Name) and n.id in reads for part in inside for n in _reached(part, declared))


__all__ = ["places"]
