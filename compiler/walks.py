"""Walks over the expression graph that know about mapping problems."""

from __future__ import annotations

from collections.abc import Iterator

from cospace.compiler.graph import Expr


def walk_outside_problems(root: Expr) -> Iterator[Expr]:
    """Every node below `root` once, arguments first, without what is evaluated inside a mapping problem: neither its
    expressions nor the quantity of a `solve`."""
    done: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready or not node.args or node.op == "solve":
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args if id(a) not in done)
