"""Problems of maps that read too much to be solved ahead: what is left are the mappings that may be the best.

Which of these is the best each design tells: they become one map, over which all that maps alone say is a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy
from attrs import evolve
from cospace.compiler.exact import columns
from cospace.compiler.mappings.fronts import front
from cospace.compiler.mappings.meeting import Above
from cospace.compiler.numbers.forms import Wanted
from cospace.compiler.solved_kept import Reads
from cospace.compiler.solved_tables import Solved, Tables
from cospace.compiler.space import graph
from cospace.compiler.space.graph import NUMBER, TRUE, Expr, MapDecision, const
from cospace.compiler.space.lookups import Keys, lookup, table
from cospace.compiler.space.model import Decision

PATH = "#front"


def narrow(one: Wanted, known: Mapping[str, Decision]) -> Solved:
    """What stands for a problem: one map over those of its mappings of which one is the best whatever it reads.

    Of equally good ones it is the first of these in declared order. Raises NotExact where they are not found.
    """
    problem = one.problem
    if any(p not in known or known[p].guard is not TRUE for p in problem.free):
        raise columns.NotExact("it reads what is not always live")
    taken = front(problem, {p: known[p].values for p in sorted(problem.free)})
    if not len(taken):
        row: Reads = ()
        return Tables(known).solved(problem, one.quantities, (), [row], [None], [[]], None)
    given = {m.path: columns.column(m.values)[taken[:, n]] for n, m in enumerate(problem.maps)}
    maps = frozenset(given)
    said: dict[int, Expr] = {}

    def collect(e: Expr) -> Expr:
        said[id(e)] = e
        return e

    roots = [*problem.requirements, *problem.goals, *(e for _, e in one.quantities)]
    above = Above(maps, collect)
    for e in roots:
        above(e)
    found = columns.evaluate(list(said.values()), given, len(taken))
    point = MapDecision(problem.maps[0].path + PATH, tuple(map(Fraction, range(len(taken)))), NUMBER)
    here = graph.var(point.path, NUMBER)
    keys = Keys((v,) for v in point.values)

    def tabled(name: str, e: Expr, column: columns.Column) -> Expr:
        values = [Fraction(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in column.tolist()]
        if all(v == values[0] for v in values):
            return const(values[0], e.type.unit)
        return lookup(table(name, keys, values, (values[0],)), [here], e.type)

    tables = {i: tabled(problem.path, e, c) for (i, e), c in zip(said.items(), found, strict=True)}
    over = Above(maps, lambda e: tables[id(e)])
    asked = [(over(r), a) for r, a in zip(problem.requirements, _asked(one), strict=True)]
    asked = [(r, a) for r, a in asked if r is not TRUE]
    inner = evolve(
        problem, maps=(point,), requirements=tuple(r for r, _ in asked), goals=tuple(map(over, problem.goals)),
        asked=tuple(a for _, a in asked if a is not None),
    )  # fmt: skip
    quantities = {name: graph.solve(inner, over(e)) for name, e in one.quantities}
    shown = []
    for m in problem.maps:
        best = graph.solve(inner, tabled(m.path, graph.var(m.path, m.type), given[m.path]))
        allowed = tuple(graph.eq(best, const(v, m.type.unit)) for v in m.values)
        shown.append(evolve(m, allowed=allowed))
    only = evolve(problem, maps=tuple(shown), requirements=(), goals=(const(0),), asked=())
    return Solved(graph.solvable(inner), quantities, only)


def _asked(one: Wanted):  # type: ignore[no-untyped-def]
    problem = one.problem
    return problem.asked if len(problem.asked) == len(problem.requirements) else [None] * len(problem.requirements)


__all__ = ["narrow"]
