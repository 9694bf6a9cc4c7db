"""A mapping problem at given values of what it reads: what its maps can be, and what each value says to the rest.

Values of a map that say the same wherever the map is read are one: the first of them stands for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen
from cospace.compiler.exact import columns
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.better import BOTH, Ways, directions
from cospace.compiler.mappings.listed import Listed
from cospace.compiler.space import graph
from cospace.compiler.space.asked import conjuncts
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, Value, const, walk
from cospace.compiler.space.model import Decision
from cospace.compiler.space.substitute import Substitution


@frozen(eq=False)
class Closed:
    """decisions: the maps, with one value for each class of them, in declared order. places: where these stand among
    the values of the problem as it was. facts: what must hold, none of them a conjunction. says: of each map what the
    rest reads of it, with the values it has, one for each class, and the ways in which more of it is better."""

    decisions: tuple[Decision, ...]
    places: tuple[tuple[int, ...], ...]
    facts: tuple[Expr, ...]
    goals: tuple[Expr, ...]
    says: Mapping[str, tuple[tuple[columns.Column, Ways], ...]]
    listed: Listed

    @property
    def meets(self) -> Expr:
        return graph.both(TRUE, *self.facts)


def close(
    problem: MapProblem, given: Mapping[str, Value | None], outer: Mapping[str, Sequence[Value]] | None = None
) -> Closed | None:
    """The problem where the decisions that it reads have these values; None where some map can take no value.

    outer: decisions that stay open, with the values that they may take. Raises NotExact for what it may not read, and
    for maps that exist only where others say so.
    """
    if problem.opaque:
        raise NotExact("it reads more than decisions")
    types = {str(n.payload): n.type for n in walk(problem.expressions()) if n.op == "var"}
    put = Substitution({p: const(v, types[p].unit) for p, v in given.items() if p in types and v is not None})
    facts = [part for r in problem.requirements for part in conjuncts(put(r))]
    kept: list[list[int]] = []
    for m in problem.maps:
        if put(m.guard) is not TRUE:
            raise NotExact("a map that is not always there")
        allowed = [TRUE] * len(m.values) if m.allowed is None else [put(a) for a in m.allowed]
        here = graph.var(m.path, m.type)
        for value, condition in zip(m.values, allowed, strict=True):
            if condition is not TRUE and not condition.is_const:
                facts.append(graph.implies(graph.eq(here, const(value, m.type.unit)), condition))
        kept.append([k for k, a in enumerate(allowed) if not a.is_const or a.value is True])
    if any(f.is_const and f.value is not True for f in facts):
        return None
    outer = outer or {}
    own = {m.path for m in problem.maps} | outer.keys()
    goals = tuple(put(g) for g in problem.goals)
    if any(not e.free <= own for e in (*facts, *goals)):
        raise NotExact("it reads what is not live")
    facts = [f for f in dict.fromkeys(facts) if f is not TRUE]
    alone = {m.path: [f for f in facts if f.free == {m.path}] for m in problem.maps}
    facts = [f for f in facts if len(f.free) > 1 or not f.free.isdisjoint(outer)]
    for k, m in enumerate(problem.maps):
        kept[k] = _meeting(m.path, m.values, kept[k], alone[m.path])
        if not kept[k]:
            return None
    domains = {m.path: [m.values[i] for i in at] for m, at in zip(problem.maps, kept, strict=True)}
    ways = directions(facts, goals, Listed({**domains, **outer}))
    decisions, places, says = [], [], {}
    for m, at in zip(problem.maps, kept, strict=True):
        read = read_alone(m.path, [*facts, *goals])
        found = columns.evaluate(read, {m.path: columns.column(domains[m.path])}, len(at))
        classes: dict[object, int] = {}
        for n in range(len(at)):
            classes.setdefault(tuple(c[n] for c in found), n)
        first = list(classes.values())
        says[m.path] = tuple((c[first], ways.get(id(e), BOTH)) for e, c in zip(read, found, strict=True))
        places.append(tuple(at[n] for n in first))
        decisions.append(Decision(m.path, "map", tuple(m.values[at[n]] for n in first), m.type))
    listed = Listed({**{d.path: d.values for d in decisions}, **outer})
    return Closed(tuple(decisions), tuple(places), tuple(facts), goals, says, listed)


def _meeting(path: str, values: Sequence[Value], at: list[int], facts: Sequence[Expr]) -> list[int]:
    """The values of a map that meet what is asked of it alone."""
    if not facts or not at:
        return at
    found = columns.evaluate(facts, {path: columns.column([values[k] for k in at])}, len(at))
    return [k for n, k in enumerate(at) if all(bool(c[n]) for c in found)]


def read_alone(path: str, roots: Sequence[Expr]) -> list[Expr]:
    """The largest expressions of one map alone, below what reads others too."""
    found: dict[int, Expr] = {id(r): r for r in roots if r.free == {path}}
    for node in walk(roots):
        if path in node.free and len(node.free) > 1:
            found.update((id(a), a) for a in node.args if a.free == {path})
    return list(found.values())


__all__ = ["Closed", "close", "read_alone"]
