"""What stands for a problem of maps that was solved ahead: tables over the few decisions that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen
from cospace.compiler.solved_kept import Best, Reads
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapProblem, Type, Value, const
from cospace.compiler.space.lookups import Keys, lookup, table
from cospace.compiler.space.met import Met
from cospace.compiler.space.model import Decision
from cospace.compiler.space.substitute import Substitution


@frozen(eq=False)
class Solved:
    """What stands for a problem: `solvable`, its quantities, and a problem that only the best mapping solves. met:
    what is known of the mappings where they are the best that were met, and not proved the least."""

    solvable: Expr
    quantities: dict[str, Expr]
    problem: MapProblem
    met: Met | None = None


@frozen(eq=False)
class _Rows:
    """Rows of one table. positions: of these among the values; keys: theirs; asked: what the keys are compared with."""

    positions: tuple[int, ...]
    keys: Keys
    asked: tuple[Expr, ...]


@frozen(eq=False)
class _Split:
    """Tables for where a decision is live, and for where it is not."""

    guard: Expr
    alive: _Split | _Rows
    dead: _Split | _Rows


@frozen(eq=False)
class Tables:
    """Tables over decisions, by path. Those over the same rows have their keys in common."""

    known: Mapping[str, Decision]
    _plans: dict[tuple[object, ...], _Split | _Rows] = field(factory=dict)

    def solved(
        self,
        problem: MapProblem,
        quantities: Sequence[tuple[str, Expr]],
        paths: tuple[str, ...],
        rows: Sequence[Reads],
        best: Sequence[Best],
        found: Sequence[Sequence[Value]],
        met: Met | None,
    ) -> Solved:
        """What stands for a problem. rows: the values of `paths`; best, found: for each of them what was found."""
        have = tuple([n for n, b in enumerate(best) if b is not None])
        whole = len(have) == len(rows)

        def of(name: str, type: Type, values: Sequence[Value]) -> Expr:
            return _over(name, type, self._plan(paths, rows, have), values, whole)

        if whole:
            solvable: Expr = TRUE
        elif not have:
            solvable = FALSE
        else:
            every = self._plan(paths, rows, tuple(range(len(rows))))
            solvable = _over(problem.path, graph.BOOL, every, [b is not None for b in best], True)
        maps, taken = [], {}
        for k, d in enumerate(problem.maps):
            if have:
                here = taken[d.path] = of(d.path, d.type, [d.values[(best[n] or ())[k]] for n in have])
                allowed = tuple([graph.eq(here, const(v, d.type.unit)) for v in d.values])
            else:
                allowed = tuple(FALSE for _ in d.values)
            maps.append(evolve(d, allowed=allowed))
        put = Substitution(taken)
        rational = all(len(found[n]) == len(quantities) for n in have)
        read = {}
        for k, (name, e) in enumerate(quantities):
            if not have:
                read[name] = graph.div(const(0, e.type.unit), const(0))
            elif rational:
                read[name] = of(f"{problem.path}.{name}", e.type, [found[n][k] for n in have])
            else:
                read[name] = put(e)
        only = evolve(problem, maps=tuple(maps), requirements=(), goals=(const(0),), asked=())
        return Solved(solvable, read, only, met)

    def _plan(self, paths: tuple[str, ...], rows: Sequence[Reads], have: tuple[int, ...]) -> _Split | _Rows:
        key = paths, id(rows), have
        if key not in self._plans:
            self._plans[key] = self._split(paths, [(n, rows[at]) for n, at in enumerate(have)], len(have) == len(rows))
        return self._plans[key]

    def _split(self, paths: tuple[str, ...], rows: list[tuple[int, Reads]], whole: bool) -> _Split | _Rows:
        for k, path in enumerate(paths):
            dead = [r for r in rows if r[1][k] is None]
            if dead and len(dead) < len(rows):
                alive = [r for r in rows if r[1][k] is not None]
                guard = self.known[path].guard
                return _Split(guard, self._split(paths, alive, whole), self._split(paths, dead, whole))
        first = rows[0][1]
        keys = [k for k in range(len(paths)) if first[k] is not None]
        if whole:
            keys = [k for k in keys if len({r[k] for _, r in rows}) > 1]
        named = {tuple([r[k] for k in keys]): n for n, r in rows}  # rows may differ in nothing that is read
        asked = tuple([graph.var(paths[k], self.known[paths[k]].type) for k in keys])
        return _Rows(tuple(named.values()), Keys(named), asked)  # type: ignore[arg-type]


def _over(name: str, type: Type, plan: _Split | _Rows, values: Sequence[Value], whole: bool) -> Expr:
    """A table of values over decisions, split where one of these may not be live. whole: a value for every row."""
    if isinstance(plan, _Split):
        alive, dead = (_over(name, type, p, values, whole) for p in (plan.alive, plan.dead))
        return graph.branch(plan.guard, alive, dead)
    own = [values[n] for n in plan.positions]
    if whole and all(v is own[0] or v == own[0] for v in own):
        return const(own[0], type.unit)
    made = table(name, plan.keys, own, (own[0],) if whole else ())
    return lookup(made, plan.asked, type)


__all__ = ["Solved", "Tables"]
