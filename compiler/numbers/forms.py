"""Mapping problems of one form: equal but for their numbers and for which decisions they read.

A network's layers are mostly served by one rule, so that their problems differ in a few dimensions only. What is made
of one such problem, with a column for each number that differs, serves all.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence

from attrs import evolve, frozen
from cospace.compiler.space import graph
from cospace.compiler.space.asked import opaque
from cospace.compiler.space.graph import Expr, MapProblem, walk

Form = tuple[Hashable, ...]


@frozen(eq=False)
class Wanted:
    """A problem and what is read at its best mapping: name -> expression over its maps."""

    problem: MapProblem
    quantities: tuple[tuple[str, Expr], ...]


def form_of(one: Wanted) -> tuple[Form, list[Expr]] | None:
    """A key that problems of one form share, and their own leaves, wherever one stands, in its order.

    A leaf counts at each place where it stands: that two numbers are equal in one problem is no part of its form.
    """
    problem = one.problem
    maps = {m.path: n for n, m in enumerate(problem.maps)}
    numbers: dict[int, int] = {}
    leaves: list[Expr] = []
    said: list[Hashable] = []

    def places(nodes: Iterable[Expr]) -> Iterator[Hashable]:
        for node in nodes:
            number = numbers.get(id(node))
            if number is None:
                leaves.append(node)
                yield node.type
            else:
                yield number

    roots = [*problem.expressions(), *(e for _, e in one.quantities)]
    if opaque(roots):
        return None
    for node in walk(roots):
        op, payload = node.op, node.payload  # as `_is_leaf`, written out: this is asked of all nodes of all works
        if op == "var":
            if payload not in maps:
                continue
            said.append((op, node.type, maps[payload]))
        elif op != "const" or node.type.kind != "number":
            said.append((op, node.type, (payload.__class__, payload), *places(node.args)))
        else:
            continue
        numbers[id(node)] = len(numbers)
    shape = tuple((m.type.kind, tuple((v.__class__, v) for v in m.values), m.allowed is None) for m in problem.maps)
    names = tuple(name for name, _ in one.quantities)
    counts = len(problem.requirements), len(problem.goals)
    return (tuple(said), tuple(places(roots)), shape, names, counts), leaves


def put(one: Wanted, leaves: Sequence[Expr]) -> tuple[MapProblem, list[Expr]]:
    """A problem and its quantities with other leaves; nothing is folded, so that the form stays what it is."""
    made: dict[int, Expr] = {}
    problem = one.problem
    maps_ = {m.path for m in problem.maps}
    left = iter(leaves)
    roots = [*problem.expressions(), *(e for _, e in one.quantities)]
    for node in walk(roots):
        if not _is_leaf(node, maps_):
            args = tuple(made.get(id(a)) or next(left) for a in node.args)
            made[id(node)] = graph.make(node.op, args, node.type, node.payload, node.span)
    new = iter([made.get(id(r)) or next(left) for r in roots])
    requirements = tuple(next(new) for _ in problem.requirements)
    goals = tuple(next(new) for _ in problem.goals)
    maps = tuple(evolve(m, guard=next(new), allowed=m.allowed and tuple(next(new) for _ in m.allowed))
                 for m in problem.maps)  # fmt: skip
    return evolve(problem, maps=maps, requirements=requirements, goals=goals), list(new)


def _is_leaf(node: Expr, maps: Container[object]) -> bool:
    """Whether problems of one form may differ here: a number, or what is read."""
    return (node.op == "const" and node.type.kind == "number") or (node.op == "var" and node.payload not in maps)
