"""Walks over the expression graph that know about mapping problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cospace.compiler.space.graph import Expr


def _arguments(node: Expr) -> Sequence[Expr]:
    return node.args


def walk_outside_problems(root: Expr, arguments: Callable[[Expr], Sequence[Expr]] = _arguments) -> Iterator[Expr]:
    """Every node below `root` once, arguments first, without what is evaluated inside a mapping problem: neither its
    expressions nor the quantity of a `solve`. `arguments`: which ones to follow."""
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
            stack.extend((a, False) for a in arguments(node) if id(a) not in done)
