"""The exact number of raw and of feasible designs, as Python integers.

A space falls apart into components that no guard and no requirement joins; their counts multiply. A component is
counted by the first of these that its size allows: every assignment is enumerated and decided; requirements become
tables and decisions are summed out one by one (`eliminate`); a requirement on a long sum is counted by conditioning on
what its terms share and convolving the rest (`convolve`). Beyond the limits, which are counted in rows and cells,
bounds are given, with the limit that was hit and the requirement that was responsible. Where the time of a verb is up
(`clock`) they are those that were proved up to then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy
from attrs import define, evolve, field, frozen
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.clock import attempt, reason
from cospace.compiler.counting.coupled import LEVELS, Coupled
from cospace.compiler.counting.eliminate import CELLS, Factor, TooLarge, count_values, eliminate
from cospace.compiler.counting.flags import Flags, switched_together
from cospace.compiler.counting.layered import make_layered
from cospace.compiler.counting.listed import Wanted
from cospace.compiler.counting.sums import NotASum
from cospace.compiler.counting.switched import Switched
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import Clause, Frame, TooMany, unite
from cospace.compiler.space.graph import TRUE, Value, implies, negate
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Requirement, Space

ENUMERATED = 16_000_000
"""Numbers (rows times decisions) that an enumeration may hold."""

GUARDS = 4_096
"""Assignments of what a guard reads, at which it is looked whether pinned values settle it."""


@frozen
class Limits:
    """brute: assignments of a component that are simply enumerated; table: cells of one requirement's table;
    cells: of a table made by elimination; rows: assignments of the decisions that are conditioned on;
    terms: evaluations of terms of sums; combinations: of terms that are compared with a bound.
    """

    brute: int = 1_000_000
    table: int = 1 << 19
    cells: int = CELLS
    rows: int = 2_000_000
    terms: int = 30_000_000
    combinations: int = 1 << 28


@frozen
class Count:
    """raw: designs before requirements; feasible: those that meet all, None where exactness was given up.

    bounds: proved, on feasible; equal where it is exact. raw is None only where even it exceeds the limits.
    method: how, in words; limit: which limit was hit; responsible: the requirement that hit it.
    """

    raw: int | None
    feasible: int | None
    bounds: tuple[int, int | None]
    exact: bool
    method: str
    limit: str | None = None
    responsible: Requirement | None = field(default=None, eq=False)


@frozen(eq=False)
class Component:
    """variables that guards or requirements join; narrow clauses fit a table, wide ones don't."""

    variables: tuple[int, ...]
    structure: tuple[Factor, ...]
    clauses: tuple[Clause, ...]


def components(frame: Frame, structure: Sequence[Factor], clauses: Sequence[Clause]) -> list[Component]:
    """The components that requirements touch, and last all that they don't as one."""
    groups = unite(len(frame.decisions), [f.scope for f in structure] + [c.scope for c in clauses])
    home = {v: i for i, group in enumerate(groups) for v in group}
    factors: list[list[Factor]] = [[] for _ in groups]
    parts: list[list[Clause]] = [[] for _ in groups]
    for f in structure:
        factors[home[f.scope[0]]].append(f)
    for c in clauses:
        if c.scope:
            parts[home[c.scope[0]]].append(c)
    found: list[Component] = []
    free: list[int] = []
    free_factors: list[Factor] = []
    for members, own, asked in zip(groups, factors, parts, strict=True):
        if asked:
            found.append(Component(tuple(members), tuple(own), tuple(asked)))
        else:
            free.extend(members)
            free_factors.extend(own)
    if free:
        found.append(Component(tuple(sorted(free)), tuple(free_factors), ()))
    return found


def count(space: Space, fixed: Mapping[str, Value] | None = None, limits: Limits | None = None) -> Count:
    """Count the designs of a space, those with the pinned values where some are given.

    Raises DesignError at a path or value in `fixed` that is not there.
    """
    return solve_space(space, fixed, limits).count


def _unsettled(frame: Frame, clauses: Sequence[Clause], limits: Limits) -> tuple[Clause, ...]:
    """The clauses but those that hold by their bounds alone, whatever their decisions take.

    Asked of those too wide for a table, and of mappings: that one serves all designs is seen at once, that each design
    has a best one is not.
    """
    sizes = frame.sizes
    asked = [
        c for c in clauses if c.value.op == "solvable" or math.prod(sizes[v] for v in c.scope) > limits.table
    ]  # fmt: skip
    if not asked:
        return tuple(clauses)
    bounder = Bounder(
        {
            d.path: tuple(d.values[i] for i in own if i >= 0)
            for d, own in zip(frame.decisions, frame.domains, strict=True)
        }
    )
    sure = {id(c) for c in asked if bounder.bounds(implies(c.guard, c.value)).settled is True}
    return tuple(c for c in clauses if id(c) not in sure)


def asked_clauses(frame: Frame, requirements: Sequence[Requirement]) -> tuple[Clause, ...]:
    """The clauses without those whose guard the pinned values leave out; a guard that they imply is none."""
    found = []
    for c in frame.clauses(requirements):
        scope = frame.scope(c.guard)
        sizes = [len(frame.domains[v]) for v in scope]
        if 1 in sizes and math.prod(sizes) <= GUARDS:
            rows = frame.product(scope)
            if frame.truth(negate(c.guard), rows, scope).all():
                continue
            if frame.truth(c.guard, rows, scope).all():
                c = evolve(c, guard=TRUE, scope=frame.scope(c.value))
        found.append(c)
    return tuple(found)


def solve_space(space: Space, fixed: Mapping[str, Value] | None = None, limits: Limits | None = None) -> Whole:
    """As `count`, with the components that were counted. Where mappings are not proved only the raw count is."""
    frame, limits = Frame.of(space, fixed), limits or Limits()
    upper = math.prod(len(d) for d in frame.domains)

    def given_up(raw: int | None, why: str) -> Whole:
        return Whole(frame, Count(raw, None, (0, upper if raw is None else raw), False, "given up", why), ())

    def guards() -> tuple[list[Factor], int]:
        structure = frame.structure()
        return structure, count_raw(frame, structure, limits)

    try:
        found = attempt(guards, lambda: None, graced=True)
    except (TooMany, TooLarge, Undecided) as stop:
        return given_up(None, f"guards: {stop}")
    if found is None:
        return given_up(None, reason())
    structure, raw = found
    try:
        clauses = attempt(lambda: _asked(frame, space, limits), lambda: None)
    except Undecided as stop:
        return given_up(raw, str(stop))
    if clauses is None:
        return given_up(raw, reason())
    solved: tuple[Solved, ...] = ()
    low, high, methods = 0, 0, ["a requirement that never holds"]
    if raw and not isinstance(clauses, Clause):
        solved = tuple(_solved(frame, part, limits) for part in components(frame, structure, clauses))
        low, high, methods = 1, 1, []
    limit, responsible = None, None
    for own in (s.count for s in solved):
        low, high = low * own.bounds[0], high * (own.bounds[1] or 0)
        if own.method not in methods:
            methods.append(own.method)
        if not own.exact and limit is None:
            limit, responsible = own.limit, own.responsible
    exact = low == high
    whole = Count(raw, low if exact else None, (low, high), exact, ", ".join(methods) or "product of domains",
                  None if exact else limit, None if exact else responsible)  # fmt: skip
    with_them = f", with which {low:,} are feasible" if exact else ""
    return given_up(raw, of_met(space.met) + with_them) if space.met else Whole(frame, whole, solved)


def _asked(frame: Frame, space: Space, limits: Limits) -> tuple[Clause, ...] | Clause:
    """The clauses that are to be counted; one that never holds, where one reads nothing and doesn't."""
    clauses = _unsettled(frame, asked_clauses(frame, space.requirements), limits)
    nothing = numpy.zeros((1, 0), dtype=numpy.int64)
    never = (c for c in clauses if not c.scope and not frame.holds(c, nothing, ())[0])
    return next(never, clauses)


def count_raw(frame: Frame, structure: Sequence[Factor], limits: Limits) -> int:
    return eliminate(structure, frame.sizes, cells=limits.cells).total


Values = dict[int, list[int]]
"""For each decision the weight of each position in its domain."""


@frozen(eq=False)
class Solved:
    """A component counted. values: proved bounds on what each value keeps, twice the same where they are exact.

    values() raises TooMany or TooLarge beyond the limits.
    """

    part: Component
    count: Count
    values: Callable[[], tuple[Values, Values]]


@frozen(eq=False)
class Whole:
    """A space counted. parts: its components; none where guards were too much or a requirement never holds."""

    frame: Frame
    count: Count
    parts: tuple[Solved, ...]


@define
class _Known:
    """What is proved of a component while it is counted."""

    raw: int
    low: int = 0
    high: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.high = self.raw


def _solved(frame: Frame, part: Component, limits: Limits) -> Solved:
    """As `solve`; where a requirement can't be decided at some design, no bounds but those of the raw count, and where
    the time is up those that were proved before."""
    known = _Known(math.prod(len(frame.domains[v]) for v in part.variables))

    def cut() -> Solved:
        bounds = Count(known.raw, None, (known.low, known.high), False, "given up", reason())
        return Solved(part, bounds, lambda: unknown_values(frame, part, known.high))

    try:
        return attempt(lambda: solve(frame, part, limits, known), cut)
    except Undecided as stop:
        free = eliminate(part.structure, {v: len(frame.domains[v]) for v in part.variables}, cells=limits.cells)
        bounds = Count(free.total, None, (0, free.total), False, "given up", str(stop))
        return Solved(part, bounds, lambda: _between(count_values(free)))


def solve(frame: Frame, part: Component, limits: Limits, known: _Known) -> Solved:
    """Count a component by the first way that its size allows. known: told of what is proved on the way."""
    sizes = {v: len(frame.domains[v]) for v in part.variables}
    free = eliminate(part.structure, sizes, cells=limits.cells)
    raw = known.raw = known.high = free.total
    if raw == 0 or not part.clauses:
        return Solved(part, Count(raw, raw, (raw, raw), True, "product of domains"), lambda: _twice(count_values(free)))
    if raw <= limits.brute and raw * len(part.variables) <= ENUMERATED:
        listed = _listed(frame, part, raw, limits)
        if listed is not None:
            return listed
    layered = _layered(frame, part, raw, lambda: _between(count_values(free)))
    if layered is not None:
        return layered
    narrow, wide = split(frame, part.clauses, limits)
    factors = list(part.structure)
    stopped: Count | None = None
    for c in narrow:
        factors.append(clause_factor(frame, c, part.structure))
    upper = raw
    try:
        met = eliminate(factors, sizes, cells=limits.cells)
    except TooLarge as stop:
        wide_scope = set(stop.scope)
        blame = next((c.requirement for c in narrow if set(c.scope) <= wide_scope), None)
        stopped = Count(raw, None, (0, raw), False, "given up", str(stop), blame)
    else:
        upper = known.high = met.total
        if not wide or upper == 0:
            exact = Count(raw, upper, (upper, upper), True, "elimination")
            return Solved(part, exact, lambda: _twice(count_values(met)))
    tables = list(zip(narrow, factors[len(part.structure) :], strict=True))
    flagged = _flagged(frame, part, tables, wide, limits, raw)
    if flagged is not None:
        known.low, known.high = flagged.bounds[0], min(upper, flagged.bounds[1] or 0)

    def values() -> tuple[Values, Values]:
        return _values(frame, part, limits, lambda: _made(frame, part, factors, narrow, wide, limits))

    if flagged is not None and flagged.exact:
        return Solved(part, flagged, values)
    try:
        return _coupled(frame, part, factors, narrow, wide, limits, raw, upper)
    except (TooMany, TooLarge) as stop:
        listed = _listed(frame, part, raw, limits) if raw <= limits.rows else None
        if listed is not None:
            return listed
        given_up = stopped or Count(raw, None, (0, upper), False, "given up", str(stop), wide[0].requirement)
        found = flagged or _each_alone(frame, part, tables, wide, limits, raw, upper) or given_up
        return Solved(part, found, lambda: _between(count_values(eliminate(part.structure, sizes, cells=limits.cells))))


def kept_values(
    frame: Frame, limits: Limits, requirements: Sequence[Requirement], wanted: Wanted
) -> tuple[Values, Values]:
    """Of a space with a feasible design, whether any keeps a wanted value: surely where the first is not 0, none where
    the second is; of others nothing is said. Less is done for that than to count them; raises TooMany or TooLarge
    beyond the limits, and Undecided."""
    structure = frame.structure()
    below: Values = {}
    above: Values = {}
    for part in components(frame, structure, _unsettled(frame, asked_clauses(frame, requirements), limits)):
        low, high = _kept(frame, part, limits, {(v, k) for v, k in wanted if v in part.variables})
        below, above = below | low, above | high
    return below, above


def _kept(frame: Frame, part: Component, limits: Limits, wanted: Wanted) -> tuple[Values, Values]:
    sizes = {v: len(frame.domains[v]) for v in part.variables}
    narrow, wide = split(frame, part.clauses, limits)
    factors = [*part.structure, *(clause_factor(frame, c, part.structure) for c in narrow)]
    if not wide:
        return _twice(count_values(eliminate(factors, sizes, cells=limits.cells)))
    low, high = _made(frame, part, factors, narrow, wide, limits, wanted).kept()
    return low, high


def unknown_values(frame: Frame, part: Component, most: int) -> tuple[Values, Values]:
    """Nothing is known but that there are so many designs at most."""
    sizes = {v: len(frame.domains[v]) for v in part.variables}
    return {v: [0] * n for v, n in sizes.items()}, {v: [most] * n for v, n in sizes.items()}


def _twice(values: Values) -> tuple[Values, Values]:
    return values, values


def _between(values: Values) -> tuple[Values, Values]:
    """Nothing is known but what guards and domains leave."""
    return {v: [0] * len(counts) for v, counts in values.items()}, values


def _listed(frame: Frame, part: Component, raw: int, limits: Limits) -> Solved | None:
    """Every assignment, listed; None where there are too many on the way."""
    try:
        rows = frame.enumerate(part.variables, part.clauses, limit=limits.rows)
    except TooMany:
        return None
    order = sorted(part.variables)

    def values() -> tuple[Values, Values]:
        found = {}
        for k, v in enumerate(order):
            counts = numpy.bincount(rows[:, k] + 1, minlength=len(frame.decisions[v].values) + 1)
            found[v] = [int(counts[index + 1]) for index in frame.domains[v]]
        return found, found

    return Solved(part, Count(raw, len(rows), (len(rows), len(rows)), True, "enumeration"), values)


def _flagged(
    frame: Frame, part: Component, narrow: Sequence[tuple[Clause, Factor]], wide: Sequence[Clause], limits: Limits,
    raw: int,
) -> Count | None:  # fmt: skip
    """Sums of what many decisions switch on together; None where that is not what they are, or they are too many."""
    try:
        made = Flags.of(frame, part.variables, part.structure, narrow, wide, raw, limits)
        low, high = made.total()
    except (NotASum, TooMany, TooLarge):
        return None
    method = f"sums over what {len(made.setters)} groups of decisions switch"
    limit = None if low == high else "sums too close to their bound to decide"
    return Count(raw, low if low == high else None, (low, high), low == high, method, limit, wide[0].requirement)


def _each_alone(
    frame: Frame, part: Component, narrow: Sequence[tuple[Clause, Factor]], wide: Sequence[Clause], limits: Limits,
    raw: int, upper: int,
) -> Count | None:  # fmt: skip
    """Requirements that can't be counted together, one by one: what each refuses is taken off, at most all of it.

    upper: designs that meet the narrow clauses.
    """
    flagged = [c for c in wide if switched_together([c.value])]
    factors = [*part.structure, *(f for _, f in narrow)]
    low = high = upper
    gaps: list[tuple[int, Clause]] = []
    for asked in [flagged, *([c] for c in wide if c not in flagged)]:
        if not asked:
            continue
        try:
            if asked is flagged:
                ends = Flags.of(frame, part.variables, part.structure, narrow, asked, raw, limits).total()
            else:
                ends = Switched.of(frame, part.variables, factors, asked[0], limits).bounds()
        except (NotASum, TooMany, TooLarge):
            ends = 0, upper
        low, high = low - (upper - ends[0]), min(high, ends[1])
        gaps.append((ends[1] - ends[0], asked[0]))
    if not gaps or (low <= 0 and high == upper):
        return None
    worst = max(gaps, key=lambda g: g[0])[1].requirement
    limit = "requirements counted one by one, their sums on a grid"
    return Count(raw, None, (max(low, 0), high), False, "each requirement alone", limit, worst)


def _layered(frame: Frame, part: Component, raw: int, values: Callable[[], tuple[Values, Values]]) -> Solved | None:
    """Many groups too large to list, under one sum."""
    made = make_layered(frame, part.variables, part.clauses)
    if made is None:
        return None
    low, high = made.count()
    shared = f"over {len(made.rows)} assignments of {len(made.hubs)} shared decisions"
    method = f"groups by their states and a sum convolved {shared}"
    if low == high:
        return Solved(part, Count(raw, low, (low, high), True, method), values)
    limit = "sums too close to their bound to decide"
    return Solved(part, Count(raw, None, (low, high), False, method, limit, made.total), values)


def _coupled(
    frame: Frame, part: Component, factors: Sequence[Factor], narrow: Sequence[Clause], wide: Sequence[Clause],
    limits: Limits, raw: int, upper: int,
) -> Solved:  # fmt: skip
    made = _made(frame, part, factors, narrow, wide, limits)
    found = made.total()

    def values() -> tuple[Values, Values]:
        return _values(frame, part, limits, lambda: made)

    if found.low == found.high:
        return Solved(part, Count(raw, found.low, (found.low, found.low), True, found.method), values)
    bounds = (found.low, min(found.high, upper))
    limit = "sums too close to their bound to decide"
    return Solved(
        part, Count(raw, None, bounds, False, found.method, limit, wide[0].requirement if wide else None), values
    )


def _made(
    frame: Frame, part: Component, factors: Sequence[Factor], narrow: Sequence[Clause], wide: Sequence[Clause],
    limits: Limits, wanted: Wanted | None = None,
) -> Coupled:  # fmt: skip
    asked = part.variables, part.structure, factors, narrow, wide
    return Coupled(frame, *asked, limits, few_hubs=True, wanted=wanted)


def _values(frame: Frame, part: Component, limits: Limits, make: Callable[[], Coupled]) -> tuple[Values, Values]:
    """What each value keeps by its sums, exactly or on a grid; else no more than guards and domains leave."""
    try:
        made = make()
        for levels in ((), (LEVELS,)):
            try:
                ends = made.values(*levels)
            except (TooMany, TooLarge):
                continue
            return ends[0], ends[-1]
    except (TooMany, TooLarge):
        pass
    sizes = {v: len(frame.domains[v]) for v in part.variables}
    return _between(count_values(eliminate(part.structure, sizes, cells=limits.cells)))


def split(frame: Frame, clauses: Sequence[Clause], limits: Limits) -> tuple[list[Clause], list[Clause]]:
    """Clauses whose tables are small enough, and the others."""
    narrow: list[Clause] = []
    wide: list[Clause] = []
    for c in clauses:
        cells = math.prod(len(frame.domains[v]) for v in c.scope)
        (narrow if cells <= limits.table else wide).append(c)
    return narrow, wide


def clause_factor(frame: Frame, clause: Clause, structure: Sequence[Factor]) -> Factor:
    """The table of a clause over its scope; combinations that are never live are left out (0)."""
    rows = frame.product(clause.scope)
    shape = [len(frame.domains[v]) for v in clause.scope]
    live = numpy.ones(shape, dtype=bool)
    for f in inside(structure, clause.scope):
        live &= f.table.reshape([n if v in f.scope else 1 for v, n in zip(clause.scope, shape, strict=True)]) > 0
    at = numpy.flatnonzero(live.reshape(-1))
    table = numpy.zeros(len(rows), dtype=bool)
    table[at] = frame.holds(clause, rows[at], clause.scope)
    return Factor.of(clause.scope, table.reshape(shape))


def inside(factors: Sequence[Factor], scope: Sequence[int]) -> Iterator[Factor]:
    wanted = set(scope)
    return (f for f in factors if wanted.issuperset(f.scope))
