"""Mapping problems of one form in one batch: a program for all of them, with a column for each number that differs.

A network of fifty layers asks one rule fifty times. Compiled one by one that is fifty times the steps, and fifty times
the machine code; here the designs are repeated for each problem instead.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.numbers.forms import Wanted, form_of, put
from cospace.compiler.space import graph
from cospace.compiler.space.asked import solves
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapProblem, Value
from cospace.compiler.space.model import Decision
from cospace.compiler.space.walks import walk_outside_problems
from numpy.typing import NDArray

Codes = NDArray[numpy.int64]

FEWEST = 8
"""Mappings of a problem, at least: fewer are soon tried in any way."""
LEAVES = 400
"""Numbers of all problems of a form, at least: fewer run faster each with its own, which are soon compiled."""


@frozen(eq=False)
class _Column:
    """One number of the problems. reads: for each of them the decision that it is, None where it is a constant;
    codes: for each the position in `decision.values` of its constant, or of each value of what it reads, the last of
    them where that is not live."""

    decision: Decision
    reads: tuple[int | None, ...]
    codes: tuple[Codes, ...]


@frozen(eq=False)
class Alike:
    """Problems of one form. nodes: of each the nodes of the graph that it answers, those of all in the same order;
    exprs: the same, of the columns; columns: what the problems differ in, and what all of them read."""

    nodes: tuple[tuple[Expr, ...], ...]
    exprs: tuple[Expr, ...]
    columns: tuple[_Column, ...]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        return tuple(c.decision for c in self.columns)

    def rows(self, designs: Any, some: slice, members: Sequence[int]) -> Codes:
        """Some designs once for each of some problems, one problem after the other. designs: `Columns`."""
        n = some.stop - some.start
        found = numpy.empty((n * len(members), len(self.columns)), dtype=numpy.int64)
        for k, column in enumerate(self.columns):
            for i, m in enumerate(members):
                read = column.reads[m]
                codes = column.codes[m]
                found[i * n : (i + 1) * n, k] = codes[0] if read is None else codes[designs.column(read)[some]]
        return found


def find_alike(outputs: Sequence[Expr], decisions: Sequence[Decision], apart: set[tuple[int, int]]) -> list[Alike]:
    """The groups of problems of one form that outputs ask for. apart: arguments (node, position) not to look at."""
    position = {d.path: j for j, d in enumerate(decisions)}
    asked: dict[int, tuple[MapProblem, list[Expr]]] = {}
    seen: set[int] = set()
    for root in outputs:
        for node in walk_outside_problems(root, lambda e: [a for i, a in enumerate(e.args) if (id(e), i) not in apart]):
            if node.op in ("solve", "solvable") and id(node) not in seen:
                seen.add(id(node))
                problem: MapProblem = node.payload  # type: ignore[assignment]
                asked.setdefault(id(problem), (problem, []))[1].append(node)
    groups: dict[Hashable, list[tuple[Wanted, list[Expr], list[Expr]]]] = {}
    for problem, nodes in asked.values():
        if not _fits(problem, nodes, position):
            continue
        quantities = [n for n in nodes if n.op == "solve"]
        wanted = Wanted(problem, tuple((str(k), n.args[0]) for k, n in enumerate(quantities)))
        form = form_of(wanted)
        if form is not None:
            ordered = quantities + [n for n in nodes if n.op == "solvable"]
            groups.setdefault((form[0], len(ordered)), []).append((wanted, form[1], ordered))
    large = [g for g in groups.values() if len(g) > 1 and sum(len(leaves) for _, leaves, _ in g) >= LEAVES]
    return [_joined(group, decisions, position) for group in large]


def _fits(problem: MapProblem, nodes: Sequence[Expr], position: dict[str, int]) -> bool:
    size = 1
    for m in problem.maps:
        size *= len(m.values)
    reads = [*problem.expressions(), *(a for n in nodes for a in n.args)]
    maps = {m.path for m in problem.maps}
    return (
        size >= FEWEST
        and all(n.type.kind in ("number", "bool") for n in nodes)
        and not any(map(solves, reads))
        and all(p in position or p in maps for e in reads for p in e.free)
    )


def _joined(
    group: Sequence[tuple[Wanted, list[Expr], list[Expr]]], decisions: Sequence[Decision], position: dict[str, int]
) -> Alike:
    columns: list[_Column] = []
    made: dict[Hashable, Expr] = {}
    leaves: list[Expr] = []
    for slot in range(len(group[0][1])):
        own = [member[slot] for _, member, _ in group]
        key = tuple(e.value if e.is_const else ("read", str(e.payload)) for e in own), own[0].type
        if key not in made:
            made[key] = _leaf(own, columns, decisions, position)
        leaves.append(made[key])
    problem, quantities = put(group[0][0], leaves)
    exprs = [graph.make("solve", (q,), q.type, problem) for q in quantities]
    if len(group[0][2]) > len(exprs):
        exprs.append(graph.make("solvable", (), graph.BOOL, problem))
    return Alike(tuple(tuple(nodes) for _, _, nodes in group), tuple(exprs), tuple(columns))


def _leaf(own: Sequence[Expr], columns: list[_Column], decisions: Sequence[Decision], position: dict[str, int]) -> Expr:
    """What stands for one number of all problems: the same constant, the decision that all read, or a column."""
    first = own[0]
    if all(e is first or (e.is_const and first.is_const and e.value == first.value) for e in own):
        if first.is_const:
            return first
        j = position[str(first.payload)]
        same = numpy.array([*range(len(decisions[j].values)), -1], dtype=numpy.int64)
        columns.append(_Column(decisions[j], (j,) * len(own), (same,) * len(own)))
        return first
    values: dict[tuple[type, Value], int] = {}
    reads: list[int | None] = []
    codes: list[Codes] = []
    dead = False
    for e in own:
        read = None if e.is_const else position[str(e.payload)]
        taken: Sequence[Value] = (e.value,) if read is None else decisions[read].values
        dead |= read is not None and decisions[read].guard is not TRUE
        reads.append(read)
        codes.append(
            numpy.array([*(values.setdefault((v.__class__, v), len(values)) for v in taken), -1], dtype=numpy.int64)
        )
    column = Decision(f"#{len(columns)}", "choose", tuple(v for _, v in values), first.type, FALSE if dead else TRUE)
    columns.append(_Column(column, tuple(reads), tuple(codes)))
    return graph.var(column.path, first.type)


__all__ = ["Alike", "find_alike"]
