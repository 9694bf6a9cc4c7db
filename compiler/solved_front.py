"""Problems of maps that read too much to be solved ahead: what is left are the mappings that may be the best.

Which of these is the best each design tells: they become one map, over which all that maps alone say is a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import evolve
from cospace.compiler.exact import columns
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.fronts import front
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.mappings.meeting import Above
from cospace.compiler.numbers.forms import Form, Wanted
from cospace.compiler.solved_kept import Asked
from cospace.compiler.solved_tables import Solved, Tables
from cospace.compiler.space import graph
from cospace.compiler.space.graph import NUMBER, TRUE, Expr, MapDecision, MapProblem, Value, const
from cospace.compiler.space.lookups import Keys, lookup, table
from cospace.compiler.space.model import Decision
from cospace.dsl.cache import read_cached, write_cached

KIND = "fronts"
NAME = "#front"
"""What the one map is called, behind the first of those that it stands for."""


def narrow(one: Wanted, form: tuple[Form, Sequence[Expr]], known: Mapping[str, Decision]) -> Solved:
    """What stands for a problem: one map over those of its mappings of which one is the best whatever it reads.

    Of equally good ones it is the first of these in declared order. Raises NotExact where they are not found.
    """
    problem = one.problem
    paths = tuple(sorted(problem.free))
    if any(p not in known or known[p].guard is not TRUE for p in paths):
        raise NotExact("it reads what is not always there")
    taken = _front(problem, Asked(form[0], ((form[1], paths, [known[p].values for p in paths]),)))
    if not len(taken):
        return Tables(known).solved(problem, one.quantities, (), [()], [None], [[]], None)
    given = {m.path: columns.column(m.values)[taken[:, n]] for n, m in enumerate(problem.maps)}
    point = MapDecision(problem.maps[0].path + NAME, tuple(map(Fraction, range(len(taken)))), NUMBER)
    said = _Said(problem, point, given)
    over = said.over([*problem.requirements, *problem.goals, *(e for _, e in one.quantities)])
    requirements = list(map(over, problem.requirements))
    inner = evolve(
        problem, maps=(point,), goals=tuple(map(over, problem.goals)),
        requirements=tuple(r for r in requirements if r is not TRUE),
        asked=tuple(a for a, r in zip(problem.asked, requirements, strict=False) if r is not TRUE),
    )  # fmt: skip
    maps = []
    for m in problem.maps:
        best = graph.solve(inner, said.table(graph.var(m.path, m.type), given[m.path]))
        maps.append(evolve(m, allowed=tuple(graph.eq(best, const(v, m.type.unit)) for v in m.values)))
    shown = evolve(problem, maps=tuple(maps), requirements=(), goals=(const(0),), asked=())
    quantities = {name: graph.solve(inner, over(e)) for name, e in one.quantities}
    return Solved(graph.solvable(inner), quantities, shown)


def _front(problem: MapProblem, asked: Asked) -> Ints:
    """As `front` where what is read takes the values that `asked` says, kept from run to run."""
    ((_, paths, values),) = asked.members
    sizes = [len(m.values) for m in problem.maps]
    stored = read_cached(KIND, asked.key)
    try:
        taken: Ints = numpy.array(stored, dtype=numpy.int64).reshape(-1, len(sizes))
        if isinstance(stored, list) and ((taken >= 0) & (taken < sizes)).all():
            return taken
    except (TypeError, ValueError, OverflowError):
        pass
    taken = front(problem, dict(zip(paths, values, strict=True)))  # type: ignore[arg-type]
    write_cached(KIND, asked.key, taken.tolist())
    return taken


class _Said:
    """What maps alone say, as tables over the one map `point`. given: their values at each of its own."""

    def __init__(self, problem: MapProblem, point: MapDecision, given: Mapping[str, columns.Column]) -> None:
        self.name, self.given, self.size = problem.path, given, len(point.values)
        self._keys = Keys((v,) for v in point.values)
        self._here = graph.var(point.path, NUMBER)

    def over(self, roots: Sequence[Expr]) -> Above:
        """What makes expressions read the one map. roots: those that are asked. Raises NotExact."""
        said: dict[int, Expr] = {}
        collect = Above(frozenset(self.given), lambda e: said.setdefault(id(e), e))
        for e in roots:
            collect(e)
        found = columns.evaluate(list(said.values()), self.given, self.size)
        tables = {i: (e, self.table(e, column)) for (i, e), column in zip(said.items(), found, strict=True)}
        return Above(frozenset(self.given), lambda e: tables[id(e)][1])  # what it is of stays the object it is

    def table(self, e: Expr, column: columns.Column) -> Expr:
        values: list[Value] = [Fraction(v) if v.__class__ is int else v for v in column.tolist()]
        if all(v == values[0] for v in values):
            return const(values[0], e.type.unit)
        return lookup(table(self.name, self._keys, values, (values[0],)), [self._here], e.type)


__all__ = ["narrow"]
