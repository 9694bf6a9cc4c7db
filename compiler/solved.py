"""Mappings solved ahead: a problem with many assignments becomes tables over the few decisions that it reads.

Problems that differ only in their numbers are solved together; those with too many mappings to list one by one, by
bounds (`mappings`). Certified floats leave, at each row of what is read, the mappings that could be best; those are
compared exactly (`columns`), so that a table holds what brute force would find. Where bounds don't tell the best, it
is the best that evolution meets (`solved_met`), and whatever stands for the problem says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy
from attrs import evolve, field, frozen, mutable
from cospace.compiler import solved_kept
from cospace.compiler.exact import columns, exact
from cospace.compiler.exact.columns import Column, NotExact
from cospace.compiler.numbers.forms import Form, Wanted, form_of, put
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.solved_kept import Reads
from cospace.compiler.solved_pieces import PAIRS, candidates
from cospace.compiler.solved_tables import Solved, Tables
from cospace.compiler.space import graph, rationals
from cospace.compiler.space.asked import conjuncts
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision, MapProblem, Value, const, walk
from cospace.compiler.space.met import Met
from cospace.compiler.space.model import Decision, Variant
from numpy.typing import NDArray

ROWS = 256
"""Combinations of what a problem reads, at most."""
MET_ROWS = 1 << 12
"""The same of a problem that has too many mappings to be solved without tables."""
LISTED = 1 << 24
"""Mappings of one problem that are tried one by one, at most; of more the best is proved by bounds (`mappings`)."""
PROVED = 10_000_000
"""Partial and whole mappings that are looked at to prove one the best, at most; all rows of a problem: `solve.MOST`."""
TRIED = 1 << 27
"""Mappings, of all rows of a form, that are tried one by one where bounds don't tell the best, at most."""
KEPT = 20_000
"""Mappings, of all rows, from which on what was solved is kept in the cache folder."""


@mutable(eq=False)
class _Member:
    """One problem of a group. numbers: what stands at the group's slots; paths: what it reads, in declared order."""

    wanted: Wanted
    numbers: list[Expr]
    paths: tuple[str, ...]
    rows: list[Reads]
    best: list[tuple[int, ...] | None] = field(factory=list)
    found: list[list[Value]] = field(factory=list)
    met: Met | None = None


def solve_ahead(
    wanted: Sequence[Wanted], decisions: Sequence[Decision], variants: Sequence[Variant]
) -> dict[int, Solved]:
    """Those of the problems that can be solved ahead, by their `id`. Not worth it for those with few mappings."""
    known: dict[str, Decision] = {d.path: d for d in decisions}
    known |= {v.path: Decision(v.path, v.binding, v.values, v.type, v.guard) for v in variants if v.values}
    order = {path: n for n, path in enumerate(known)}
    combinations: dict[tuple[tuple[str, ...], int], list[Reads]] = {}
    groups: dict[Form, list[_Member]] = {}
    result: dict[int, Solved] = {}
    for one in wanted:
        form = form_of(one)
        if form is None:
            continue
        shape, leaves = form
        paths = tuple(sorted({str(e.payload) for e in leaves if not e.is_const}, key=lambda p: order.get(p, -1)))
        if any(p not in known for p in paths):
            continue
        most = MET_ROWS if _mappings(one) > TRIED else ROWS
        if (paths, most) not in combinations:
            combinations[paths, most] = _rows(paths, known, most)
        rows = combinations[paths, most]
        if not 0 < len(rows) <= ROWS and _mappings(one) > TRIED:
            narrowed = _narrow(one, form, known)
            if narrowed is not None:
                result[id(one.problem)] = narrowed
                continue
        if rows:
            groups.setdefault(shape, []).append(_Member(one, leaves, paths, rows))
    tables = Tables(known)
    for shape, members in groups.items():
        asked = solved_kept.Asked(shape, tuple((m.numbers, m.paths, m.rows) for m in members))
        kept = asked.recall() if _is_large(members) else None
        if kept is not None:
            for m, (best, found, met) in zip(members, kept, strict=True):
                m.best, m.found = best, found
                m.met = None if met is None else Met(m.wanted.problem.path, m.wanted.problem.span, *met)
        else:
            try:
                possible = [_possible(members, n) for n in range(len(members[0].wanted.problem.maps))]
                _settle(members, possible, asked)
            except NotExact:
                continue
            if _is_large(members):
                asked.keep([(m.best, m.found, None if m.met is None else m.met.known) for m in members])
        for m in members:
            one = m.wanted
            result[id(one.problem)] = tables.solved(
                one.problem, one.quantities, m.paths, m.rows, m.best, m.found, m.met
            )
    return result


def _narrow(one: Wanted, form: tuple[Form, list[Expr]], known: Mapping[str, Decision]) -> Solved | None:
    """A problem that reads too many combinations to be solved for each, over the mappings that may be the best."""
    from cospace.compiler.solved_front import narrow  # few problems need it

    try:
        return narrow(one, form, known)
    except NotExact:
        return None


def _is_large(members: Sequence[_Member]) -> bool:
    """Whether solving them takes so long that their answers are kept from run to run."""
    return _mappings(members[0].wanted) * sum(len(m.rows) for m in members) >= KEPT


def _mappings(wanted: Wanted) -> int:
    return math.prod(len(d.values) for d in wanted.problem.maps)


def _settle(members: list[_Member], possible: Sequence[Sequence[int]], asked: solved_kept.Asked) -> None:
    """The best mapping of every member at each of its rows: of those that are possible, one by one, or by bounds; the
    best that is met where neither tells it."""
    size, rows = math.prod(map(len, possible)), sum(len(m.rows) for m in members)
    if size <= LISTED and max(len(m.rows) for m in members) <= ROWS:
        return _solve(members, possible)
    try:
        return _prove(members)
    except NotExact as stop:
        for m in members:
            m.best.clear()
            m.found.clear()
        why = str(stop)
    if size * rows <= TRIED:
        try:
            return _solve(members, possible)
        except NotExact as stop:
            why = str(stop)
    _meet(members, possible, asked.seed, why)


def _prove(members: Sequence[_Member]) -> None:
    """The same as `_solve`, of mappings too many to list. Raises NotExact also where bounds don't tell it."""
    from cospace.compiler.mappings.solve import MOST, GaveUp, NotApart, best  # few problems need them

    most = max(len(m.rows) for m in members)
    if most > ROWS:
        raise NotExact(f"it reads {most:,} combinations of decisions, more than {ROWS}")
    for m in members:
        problem, left = m.wanted.problem, MOST
        for row in m.rows:
            given = dict(zip(m.paths, row, strict=True))
            try:
                found = best(problem, given, min(left, PROVED))
            except GaveUp as reason:
                raise NotExact("bounds leave too many mappings open to be looked at") from reason
            except (NotApart, NotExact) as reason:
                raise NotExact("bounds know nothing of how its goal or requirements join its maps") from reason
            left -= found.bounded + found.looked
            m.best.append(found.taken)
            design = {path: v for path, v in given.items() if v is not None}
            design |= {d.path: d.values[k] for d, k in zip(problem.maps, found.taken or (), strict=False)}
            quantities = [e for _, e in m.wanted.quantities] if found.taken is not None else []
            m.found.append(_tabled(exact.evaluate_all(quantities, design)))


def _meet(members: Sequence[_Member], possible: Sequence[Sequence[int]], seed: int, why: str) -> None:
    """As `_settle`, of the best that evolution meets. Raises NotExact where no design allows too many to list."""
    from cospace.compiler.solved_met import meet  # few problems need it

    joined = _joined(members, possible)
    if _most(joined) <= LISTED:
        raise NotExact("each design allows so few mappings that they are tried where they are read")
    rows, tried = meet(joined.problem, joined.quantities, joined.declared, joined.designs, seed)
    at = iter(rows)
    for m in members:
        own = [next(at) for _ in m.rows]
        there = [r for r in own if r.taken is not None]
        m.best = [r.taken and tuple(k[i] for k, i in zip(possible, r.taken, strict=True)) for r in own]
        m.found = [_tabled(r.found) for r in own]
        shares = [r.share for r in there]
        problem = m.wanted.problem
        if all(r.none for r in own):
            continue  # that there is no mapping is proved
        m.met = Met(
            problem.path, problem.span, why, _mappings(m.wanted), -(-tried // len(members)),
            None if None in shares else max((s for s in shares if s is not None), default=Fraction(0)),
            sum(r.taken is None and not r.none for r in own),
        )  # fmt: skip


def _rows(paths: Sequence[str], known: Mapping[str, Decision], most: int) -> list[Reads]:
    """Every combination of what is read, dead where a guard says so; none when there are too many."""
    rows: list[dict[str, Value]] = [{}]
    for path in paths:
        d = known[path]
        step = []
        for row in rows:
            live = exact.evaluate(d.guard, row)
            if live is not False:
                step += [{**row, path: v} for v in d.values]
            if live is not True:
                step.append(row)
        rows = step
        if len(rows) > most:
            return []
    return [tuple(row.get(p) for p in paths) for row in rows]


# ---- problems of one form


@frozen(eq=False)
class _Joined:
    """Problems of one form as one, over decisions that say what differs. designs: all their rows, positions of the
    values of `declared`, -1 where not live; columns: the same as columns of values."""

    problem: MapProblem
    quantities: list[Expr]
    declared: list[Decision]
    designs: NDArray[numpy.int64]
    columns: dict[str, Column]


def _joined(members: Sequence[_Member], kept: Sequence[Sequence[int]]) -> _Joined:
    """kept: what a map may take."""
    first = members[0]
    total = sum(len(m.rows) for m in members)
    columns_: dict[str, Column] = {}
    declared: list[Decision] = []
    codes: list[NDArray[numpy.int64]] = []
    leaves: list[Expr] = []
    made: dict[Hashable, Expr] = {}
    told: dict[tuple[int, int], _Told] = {}
    for s, leaf in enumerate(first.numbers):
        key = leaf.type, tuple([id(m.numbers[s]) for m in members])  # a number, or what is read, is one object
        if key not in made:
            parts = [_told(m, s, told) for m in members]
            distinct = list(dict.fromkeys(v for values, _ in parts for v in values))
            alive = [v for v in distinct if v is not None]
            if len(distinct) == len(alive) == 1:
                made[key] = const(alive[0], leaf.type.unit)
            else:
                path = f"#{s}"
                guard = TRUE if len(alive) == len(distinct) else FALSE
                made[key] = graph.var(path, leaf.type)
                declared.append(Decision(path, "choose", tuple(alive), leaf.type, guard))
                place = {v: n for n, v in enumerate(alive)} | {None: -1}
                own = [numpy.array([place[v] for v in values], dtype=numpy.int64)[at] for values, at in parts]
                codes.append(numpy.concatenate(own))
                columns_[path] = columns.column(alive)[numpy.maximum(codes[-1], 0)]
        leaves.append(made[key])
    problem, quantities = put(first.wanted, leaves)
    problem = evolve(problem, maps=tuple(map(_only, problem.maps, kept)))
    designs = numpy.stack(codes, axis=1) if codes else numpy.zeros((total, 0), dtype=numpy.int64)
    return _Joined(problem, quantities, declared, designs, columns_)


def _most(joined: _Joined) -> float:
    """How many mappings a row allows, at most, by what its own values say of each map."""
    known = {d.path for d in joined.declared}
    most = numpy.ones(len(joined.designs))
    for m in joined.problem.maps:
        told = {id(a): a for a in m.allowed or () if a.free <= known}
        holds = Program(list(told.values()), joined.declared)(joined.designs)
        places = {i: n for n, i in enumerate(told)}
        most *= sum(holds[places[id(a)]] if id(a) in places else 1 for a in m.allowed or m.values)
    return float(most.max())


def _solve(members: Sequence[_Member], kept: Sequence[Sequence[int]]) -> None:
    """The best mapping of every member at each of its rows, and its quantities there. kept: what a map may take."""
    joined = _joined(members, kept)
    problem, total = joined.problem, len(joined.designs)
    pairs = candidates(problem, joined.declared, joined.designs)
    if len(pairs) > PAIRS:
        raise NotExact("too many mappings to compare")
    best = _first_best(problem, joined.columns, pairs, total)
    there = best >= 0
    at = numpy.flatnonzero(there)
    results = _at(problem, joined.quantities, joined.columns, at, best[at])
    sizes = tuple(len(m.values) for m in problem.maps)
    places = [numpy.array(k)[i].tolist() for k, i in zip(kept, numpy.unravel_index(best[at], sizes), strict=True)]
    taken = list(zip(*places, strict=True))
    number = iter(numpy.where(there, numpy.cumsum(there) - 1, -1).tolist())
    for m in members:
        for n in itertools.islice(number, len(m.rows)):
            m.best.append(None if n < 0 else taken[n])
            m.found.append([] if n < 0 else [_value(r[n]) for r in results])


def _possible(members: Sequence[_Member], n: int) -> list[int]:
    """The values of a map, by position, that no requirement of this map alone leaves out of all members."""
    first = members[0].wanted.problem.maps[n]
    if first.guard is not TRUE:
        return list(range(len(first.values)))
    paths = {m.path for m in members[0].wanted.problem.maps}
    alone = [k for k, p in enumerate(_asked(members[0])) if p.free & paths == {first.path}]
    found = numpy.zeros(len(first.values), dtype=numpy.bool_)
    seen: set[Hashable] = set()
    for m in members:
        d = m.wanted.problem.maps[n]
        asked = _asked(m)
        own = {k: asked[k] for k in alone if asked[k].free == {d.path}}
        numbers = tuple((k, *(id(e) for e in walk([p]) if e.is_const)) for k, p in own.items())
        if numbers in seen:
            continue  # all else of what they ask is the same
        seen.add(numbers)
        allowed = numpy.ones(len(d.values), dtype=numpy.bool_)
        for part in own.values():
            with suppress(NotExact):  # what has no value everywhere is left to the search
                allowed &= columns.evaluate([part], {d.path: columns.column(d.values)}, len(d.values))[0]
        found |= allowed
        if found.all():
            break
    return numpy.flatnonzero(found).tolist() or [0]


def _asked(m: _Member) -> list[Expr]:
    """What the requirements of a problem ask, one by one; of problems of one form in the same order."""
    return [p for r in m.wanted.problem.requirements for p in conjuncts(r)]


def _only(m: MapDecision, kept: Sequence[int]) -> MapDecision:
    """A map with some of its values."""
    allowed = m.allowed and tuple(m.allowed[k] for k in kept)
    return evolve(m, values=tuple(m.values[k] for k in kept), allowed=allowed)


_Told = tuple[list[Value | None], NDArray[numpy.int64]]
"""Values, each once, and which of them stands at each row."""


def _told(m: _Member, slot: int, known: dict[tuple[int, int], _Told]) -> _Told:
    """What stands at a slot. known: the columns of rows that were asked for before."""
    leaf = m.numbers[slot]
    if leaf.is_const:
        return [leaf.value], numpy.zeros(len(m.rows), dtype=numpy.int64)
    k = m.paths.index(str(leaf.payload))
    if (id(m.rows), k) not in known:
        place = {v: n for n, v in enumerate(dict.fromkeys(row[k] for row in m.rows))}
        known[id(m.rows), k] = list(place), numpy.array([place[row[k]] for row in m.rows], dtype=numpy.int64)
    return known[id(m.rows), k]


def _first_best(
    problem: MapProblem, given: Mapping[str, Column], pairs: NDArray[numpy.int64], total: int
) -> NDArray[numpy.int64]:
    """For each row the first mapping with the least goals, compared exactly; -1 where there is none."""
    best = numpy.full(total, -1, dtype=numpy.int64)
    best[pairs[:, 0]] = pairs[:, 1]
    several = numpy.bincount(pairs[:, 0], minlength=total) > 1
    rows, positions = pairs[several[pairs[:, 0]]].T
    goals = _at(problem, list(problem.goals), given, rows, positions) if len(rows) else []
    least: dict[int, tuple[Any, ...]] = {}
    for n, (row, position) in enumerate(zip(rows.tolist(), positions.tolist(), strict=True)):
        value = tuple(g[n] for g in goals)
        if row not in least or value < least[row]:
            least[row], best[row] = value, position
    return best


def _at(
    problem: MapProblem, exprs: Sequence[Expr], given: Mapping[str, Column], rows: NDArray[Any], positions: NDArray[Any]
) -> list[Column]:
    """Expressions at (row, mapping) pairs, exactly."""
    sizes = tuple(len(m.values) for m in problem.maps)
    here = {path: values[rows] for path, values in given.items()}
    for m, index in zip(problem.maps, numpy.unravel_index(positions, sizes), strict=True):
        here[m.path] = columns.column(m.values)[index]
    return columns.evaluate(exprs, here, len(rows))


def _tabled(results: Sequence[exact.Result]) -> list[Value]:
    """Results as they stand in tables; none where one of them is not rational, or has no value."""
    if any(isinstance(r, (exact.Enclosure, exact.Undefined, exact.Unknown)) for r in results):
        return []
    return list(results)  # type: ignore[arg-type]


def _value(found: Any) -> Value:
    if isinstance(found, (bool, numpy.bool_)):
        return bool(found)
    return rationals.rational(found, 1) if isinstance(found, int) else found


__all__ = ["Solved", "Wanted", "solve_ahead"]
