"""Uniform draws under a long sum, from a superset: the sum rounded down to a grid, everything else exact.

A row of hubs is drawn by what it leaves; then each group's option, by what the groups after it leave within the room
that is left, and each decision that no sum reads. The caller decides the sums themselves on what was drawn.
"""

from __future__ import annotations

from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.convolve import OptionGroup
from cospace.compiler.counting.coupled import Coupled
from cospace.compiler.counting.eliminate import Step, TooLarge
from cospace.compiler.counting.guided import Guided, Wide, make_cuts
from cospace.compiler.counting.hubs import Outer
from cospace.compiler.counting.options import Options
from cospace.compiler.counting.rowsums import coarsen
from numpy.typing import NDArray

Array = NDArray[Any]
LEVELS = 800
"""Steps of the grid: more accept more proposals and take larger tables."""
DENSE = 160
"""Up to so many steps a rounded value is its own number."""
CELLS = 8_000_000
"""Cells of all the tables of options, states and kinds of rows together."""


@frozen(eq=False)
class _Kinds:
    """Rows of hubs that leave the groups the same: of[h] is the kind of row h, -1 where a row is refused.

    exact, limits: the options' values and the bounds, unrounded."""

    of: Array
    options: list[Options]
    bounds: Array
    exact: list[Array]
    limits: Array


@frozen(eq=False)
class _Group:
    """One group's draws: a rounded value at each kind and room, then one of the options that have it.

    values: by kind and number of the rounded value, in steps; None where the number is the value. An option has a place
    by kind, number and which of the `width` options that have it it is. exact: what it is unrounded, by place; columns:
    the indices that it gives decisions.
    """

    table: Guided
    many: int
    values: Array | None
    within: Guided | None
    width: int
    exact: Array
    columns: tuple[tuple[int, Array], ...]


@frozen(eq=False)
class _OuterStep:
    """state: for each place in a table over `scope` which row of `table` it is; equal ones are one array."""

    variable: int
    scope: tuple[int, ...]
    state: Array
    table: Guided


class SumDrawer:
    """Draws from the designs of one component that meet all its clauses, sum number `chosen` but rounded down.

    total: how many designs that superset has. Raises TooLarge where its tables would be too many.
    """

    def __init__(self, made: Coupled, chosen: int) -> None:
        self.made, self.frame = made, made.frame
        self.clause = made.sums[chosen].clause
        groups = made.parts.groups
        for g in groups:
            if set(g.members) != set(g.variables):
                raise TooLarge(CELLS + 1, g.members)
        kinds = self._kinds(chosen)
        self._of = kinds.of
        self._limit = kinds.bounds
        size = int(kinds.bounds.max(initial=0)) + 1
        most = (min(o.weights.shape[1], int(o.values[0].max(initial=0)) + 1) for o in kinds.options)
        cells = sum(most) * len(kinds.bounds) * size
        if cells > CELLS:
            raise TooLarge(cells, made.plan.hubs)
        self._size = size
        self._limits, self._slack = kinds.limits, made.parts.scales[chosen].slack
        self._tables: list[_Group] = []
        after: Array = numpy.ones((len(kinds.bounds), size), dtype=object)
        for number in range(len(groups) - 1, -1, -1):
            made_group, after = self._group(groups[number], kinds.options[number], after, kinds.exact[number])
            self._tables.append(made_group)
        self._tables.reverse()
        left = after[numpy.arange(len(kinds.bounds)), kinds.bounds]
        weights = numpy.where(kinds.of >= 0, left[kinds.of], 0) * made.outside
        self._rows = Wide(weights)
        self.total = self._rows.total * made.constant
        self._states: dict[bytes, Array] = {}
        self._steps = [self._outer_step(o, s) for o in made.plan.outer for s in reversed(o.left.steps)]

    def _group(self, g: OptionGroup, o: Options, after: Array, exact: Array) -> tuple[_Group, Array]:
        """Options of one rounded value together: there are few of these at each kind and room."""
        values, live = o.values[0], o.weights != 0
        kinds = len(values)
        distinct = [numpy.unique(values[k][live[k]]) for k in range(kinds)]
        top = max((int(d.max(initial=0)) for d in distinct), default=0)
        dense = top < DENSE
        if dense:
            distinct = [numpy.arange(top + 1) for _ in range(kinds)]
        many = max(1, *(len(d) for d in distinct))
        inside = [[numpy.flatnonzero((values[k] == v) & live[k]) for v in distinct[k]] for k in range(kinds)]
        width = max(1, *(len(at) for lots in inside for at in lots))
        rounded = numpy.zeros((kinds, many), dtype=numpy.int64)
        weights = numpy.zeros((kinds, many), dtype=object)
        members = numpy.zeros((kinds * many, width), dtype=numpy.int64)
        running = numpy.zeros((kinds * many, width), dtype=object)
        for k, lots in enumerate(inside):
            for c, at in enumerate(lots):
                own = numpy.cumsum(o.weights[k][at].astype(object))
                total = own[-1] if len(own) else 0
                rounded[k, c], weights[k, c] = distinct[k][c], total
                members[k * many + c, : len(at)] = at
                running[k * many + c] = total
                running[k * many + c, : len(at)] = own
        table, left = _level(Options((rounded,), weights), after)
        within = Guided(make_cuts(running), lambda state: running[state]) if width > 1 else None
        kind = numpy.repeat(numpy.arange(kinds), many * width)
        at = members.reshape(-1)
        columns = tuple((v, self._column(v, g.options[at, k])) for k, v in enumerate(g.variables))
        values_of = None if dense else rounded.reshape(-1)
        return _Group(table, many, values_of, within, width, exact[kind, at], columns), left

    def _kinds(self, chosen: int) -> _Kinds:
        """The rows told apart by their options, all on one grid."""
        made = self.made
        of = numpy.full(len(made.plan.rows), -1, dtype=numpy.int64)
        seen: dict[bytes, int] = {}
        values: list[list[Array]] = [[] for _ in made.parts.groups]
        weights: list[list[Array]] = [[] for _ in made.parts.groups]
        bounds: list[Any] = []
        for block in made.parts.blocks():
            if any(o.weights.dtype == object for o in block.options) or len(block.options) != len(values):
                raise TooLarge(CELLS + 1, made.plan.hubs)
            asked = block.active[chosen]
            bound = numpy.where(asked, block.bounds[chosen], _no_bound(block.options, chosen))
            columns = [bound[:, None], *(o.values[chosen] for o in block.options)]
            told = numpy.concatenate([c.astype(bound.dtype) for c in columns], axis=1).view(numpy.int64)
            told = numpy.concatenate([told, *(o.weights for o in block.options)], axis=1)
            for i, row in zip(block.rows, range(len(told)), strict=True):
                number = seen.setdefault(told[row].tobytes(), len(bounds))
                if number == len(bounds):
                    bounds.append(bound[row])
                    for k, o in enumerate(block.options):
                        values[k].append(o.values[chosen][row])
                        weights[k].append(o.weights[row])
                    if len(bounds) * sum(len(v[0]) for v in values) * 16 > CELLS:
                        raise TooLarge(CELLS + 1, made.plan.hubs)
                of[i] = number
        options = [Options((numpy.array(v),), numpy.array(w)) for v, w in zip(values, weights, strict=True)]
        slack = made.parts.scales[chosen].slack
        if not bounds:
            return _Kinds(of, options, numpy.zeros(0, dtype=numpy.int64), [], numpy.zeros(0, dtype=numpy.int64))
        _, (_, limits) = coarsen(options, [numpy.array(bounds)], [slack], LEVELS)
        levels = LEVELS * LEVELS // min(LEVELS, max(1, int(limits[0].max())))
        _, (rounded, limits) = coarsen(options, [numpy.array(bounds)], [slack], levels)
        most: Array = sum((o.values[0].max(axis=1) for o in rounded), numpy.zeros(len(bounds), dtype=numpy.int64))
        limit = numpy.minimum(limits[0], most)
        of = numpy.where((of >= 0) & (limit[of] >= 0), of, -1)
        exact = [o.values[0] for o in options]
        return _Kinds(of, rounded, numpy.maximum(limit, 0), exact, numpy.array(bounds))

    def _outer_step(self, o: Outer, s: Step) -> _OuterStep:
        """A decision that no sum reads; what leaves it the same is one state, so that tables are short and shared."""
        size = o.left.sizes[s.variable]
        if s.table is None:
            running: Array = numpy.arange(1, size + 1, dtype=object)[None, :]
        else:
            running = numpy.cumsum(s.table.reshape(-1, size).astype(object), axis=1)
        cuts, first, which = numpy.unique(make_cuts(running), axis=0, return_index=True, return_inverse=True)
        state = which.reshape(-1).astype(numpy.int32)
        state = self._states.setdefault(state.tobytes(), state)
        return _OuterStep(s.variable, s.scope, state, Guided(cuts, lambda k: running[first[k]]))

    def draw(self, n: int, rng: numpy.random.Generator) -> tuple[dict[int, Array], Array]:
        """At most n proposals: for each decision of the component an array of indices into its values, -1 where dead.

        Those that the sum refuses are left out; also given is where rounding leaves that open.
        """
        row = self._rows.draw(n, rng)
        kind = self._of.take(row)
        several = len(self._limit) > 1
        room = self._limit.take(kind)
        spent: Array = numpy.zeros(n, dtype=self._limits.dtype)
        options: list[Array] = []
        for g in self._tables:
            place = g.table.draw(kind * self._size + room if several else room, rng).astype(numpy.int64)
            if g.values is None:
                room -= place
            if several:
                place += kind * g.many
            if g.values is not None:
                room -= g.values.take(place)
            if g.within is not None:
                which = g.within.draw(place, rng)
                place *= g.width
                place += which
            spent += g.exact.take(place)
            options.append(place)
        left = self._limits.take(kind) - spent
        kept = numpy.flatnonzero(left >= -self._slack)
        row, open_ = row.take(kept), numpy.flatnonzero(left.take(kept) < self._slack)
        options = [option.take(kept) for option in options]
        found: dict[int, Array] = {}
        for k, v in enumerate(self.made.plan.hubs):
            found[v] = self._column(v, self.made.plan.rows[:, k]).take(row)
        for g, option in zip(self._tables, options, strict=True):
            for v, column in g.columns:
                found[v] = column.take(option)
        places: dict[tuple[int, ...], Array] = {}
        states: dict[tuple[tuple[int, ...], int], Array] = {}
        for step in self._steps:
            key = (step.scope, id(step.state))
            if key not in states:
                if step.scope not in places:
                    places[step.scope] = self._place(step.scope, found)
                states[key] = step.state.take(places[step.scope])
            option = step.table.draw(states[key], rng)
            found[step.variable] = self._column(step.variable, self.frame.domains[step.variable]).take(option)
        return found, open_

    def _place(self, scope: tuple[int, ...], found: dict[int, Array]) -> Array:
        """Where each design lies in a table over `scope`."""
        code: Array = numpy.zeros(len(next(iter(found.values()))), dtype=numpy.int64)
        for v in scope:
            domain = self.frame.domains[v]
            position = numpy.zeros(len(self.frame.decisions[v].values) + 1, dtype=numpy.int64)
            position[domain + 1] = numpy.arange(len(domain))
            code = code * len(domain) + position.take(found[v] + numpy.int64(1))
        return code

    def _column(self, v: int, indices: Array) -> Array:
        """Indices in the least type that holds them."""
        return indices.astype(numpy.int8 if len(self.frame.decisions[v].values) < 128 else numpy.int64)


def _no_bound(options: list[Options], chosen: int) -> Array:
    return sum((o.values[chosen].max(axis=1) for o in options), numpy.zeros_like(options[0].values[chosen][:, 0])) + 1


def _level(o: Options, after: Array) -> tuple[Guided, Array]:
    """The table of one group at each kind and room, and what it and the groups after it leave there."""
    kinds, size = after.shape
    options = o.weights.shape[1]
    values, weights = o.values[0], o.weights.astype(object)

    def part(kind: int) -> Array:
        """(room, option): the weight of each option beside what is left after it."""
        made: Array = numpy.zeros((size, options), dtype=object)
        for k in range(options):
            v, w = int(values[kind, k]), weights[kind, k]
            if w and v < size:
                made[v:, k] = after[kind, : size - v] * w
        running: Array = numpy.cumsum(made, axis=1)
        return running

    cuts: Array = numpy.empty((kinds * size, options - 1), dtype=numpy.int64)
    totals: Array = numpy.empty((kinds, size), dtype=object)
    for kind in range(kinds):
        running = part(kind)
        cuts[kind * size : (kind + 1) * size] = make_cuts(running)
        totals[kind] = running[:, -1]
    return Guided(cuts, lambda state: part(state // size)[state % size]), totals
