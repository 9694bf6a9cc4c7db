"""What has no value at a design, and where it is written: the message of an expression that is not defined.

One expression may be written at several places, some of them protected. So the text is compiled once more with these
apart, and the design tells which of them it comes to.
"""

from __future__ import annotations

from collections.abc import Iterator

from cospace.compiler.checks.findings import read_expressions, readers, shown
from cospace.compiler.exact.exact import evaluate, undefined_in
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, MapProblem, walk
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.places import places_apart
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, Label, Span

SHOWN = 12
"""Decisions of a design that a help names beside those that are read."""
NAMED = 4
"""Other places that a message points at."""


def undefined_at(space: Space, design: Design, node: Expr, reader: Span) -> Diagnostic:
    """CS602: at a design a node has no value, for what stands at `reader`."""
    apart = _apart(space)
    found = _undefined(apart, design)
    place = next((at for _, at in found), reader)
    plain = [(n, at) for n, at in found if n.op not in ("solve", "solvable")]
    if plain:
        node, place = plain[0]
    elif node.op not in ("solve", "solvable"):  # at a mapping, which then is none
        place = next(_written(node, apart), place)
    what = {
        "div": "divides by zero", "mod": "divides by zero", "sqrt": "takes the root of a negative number",
        "lookup": f"reads a row that `{getattr(node.payload, 'name', node.op)}` does not have",
    }  # fmt: skip
    if _outside(node):
        what[node.op] = "reads past the end of a list"
    said = what.get(node.op, "takes the logarithm of zero or less" if "log" in node.op else "has no value")
    reads = (node.args[1] if node.op in ("div", "mod") else node).free
    said_of = {p: f"{p} = {shown(space, p, v)}" for p, v in design.items()}
    where = ", ".join(text for p, text in said_of.items() if p in reads)
    rest = [text for p, text in said_of.items() if p not in reads]
    help = "exclude it by a `require`, or protect it: `if … then … else …`"
    if where and rest:
        more = f" and {len(rest) - SHOWN} more" if len(rest) > SHOWN else ""
        help += f"\nthe rest of that design: {', '.join(rest[:SHOWN])}{more}"
    others = dict.fromkeys(other for _, other in plain if other != place)
    return Diagnostic(
        "CS602", "error", f"this {said} at a design that nothing excludes: {where or 'every design'}", place,
        tuple(Label(other, "this has no value there, either") for other in list(others)[:NAMED]),
        help,
    )  # fmt: skip


def _outside(node: Expr) -> bool:
    """Whether this is what `list[index]` has no item for: division by the index less itself, or a row of its items."""
    if node.op == "lookup":
        return getattr(node.payload, "name", "") == "items"
    if node.op != "div" or node.args[1].op != "add" or len(node.args[1].args) != 2:
        return False
    index, less = node.args[1].args
    same = less.op == "mul" and less.args[0].is_const and less.args[0].payload == -1
    return same and len(less.args) == 2 and (less.args[1].op, less.args[1].free) == (index.op, index.free)


def _apart(space: Space) -> Space:
    """The space as its text says it, what may have no value apart by where it is written."""
    from cospace.compiler.conflicts.literals import compiled

    if space.origin is None:
        return space
    with places_apart():
        return compiled(space, {}) or space


def _undefined(space: Space, design: Design) -> list[tuple[Expr, Span]]:
    """What has no value at a design, each with its place: its own where it is known, else that of what reads it."""
    found = []
    for expr, guard, span in readers(space):
        if evaluate(guard, design) is True:
            node = undefined_in(expr, design)
            if node is not None:
                found.append((node, span if node.span == NOWHERE else node.span))
    return found


def _written(node: Expr, space: Space) -> Iterator[Span]:
    """Where a node is written in a space whose places are apart, problems of maps included."""
    plain: dict[int, Expr] = {}
    pending = [expr for expr, _ in read_expressions(space)]
    while pending:
        problems: dict[int, MapProblem] = {}
        for one in walk(pending):
            if id(one) not in plain:
                args = tuple([plain[id(a)] for a in one.args])
                plain[id(one)] = graph.make(one.op, args, one.type, one.payload)
                if plain[id(one)] is node and one.span != NOWHERE:
                    yield one.span
                if isinstance(one.payload, MapProblem):
                    problems[id(one.payload)] = one.payload
        pending = [e for problem in problems.values() for e in problem.expressions() if id(e) not in plain]
