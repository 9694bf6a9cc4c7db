"""Requirements on long sums as tables: a value and a weight for each option of each group, at each row of hubs.

The decisions that most terms read (hubs) are enumerated; given them the others fall apart into groups, and a
requirement such as `latency <= 1 ms` is a sum of one term a group. Each group's options get a weight (what its own
requirements leave) and a value for each sum; `coupled` counts what they leave together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from attrs import frozen
from cospace.compiler.counting.eliminate import SAFE, Factor, eliminate
from cospace.compiler.counting.hubs import Plan, close_over_guards, term_scope
from cospace.compiler.counting.options import Options
from cospace.compiler.counting.scaling import Place, Scale, scale_sum
from cospace.compiler.counting.sums import Sum, Term
from cospace.compiler.numbers.enumerate import Clause, Frame, Mask, Rows, TooMany
from cospace.compiler.numbers.measure import Measured, Tables
from cospace.compiler.space.graph import Expr, may_be_undefined, negate
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

Array = NDArray[Any]
BLOCK = 1_000_000
"""Cells of options' tables held at once."""


@frozen(eq=False)
class _TermTable:
    """A term's values: hub row h and option o have values[hub[h], option[o]], where `counts` (hub rows) holds."""

    values: Array
    hub: Rows
    option: Rows
    counts: Mask | None


@frozen(eq=False)
class OptionGroup:
    """options: rows over `variables`; weights: what eliminated decisions multiply; mixed: factors shared with hubs.

    members: `variables` and those that were eliminated, by the factors `own`.
    """

    members: tuple[int, ...]
    own: tuple[Factor, ...]
    variables: tuple[int, ...]
    options: Rows
    weights: Array
    mixed: tuple[tuple[Array, Rows, Rows], ...]
    terms: tuple[tuple[_TermTable, ...], ...]


@frozen(eq=False)
class Block:
    """Options, bounds and which sums are asked, at some rows of hubs (`rows`: their numbers)."""

    rows: Rows
    options: list[Options]
    bounds: list[Array]
    active: list[Array]


class Groups:
    """The groups of a plan with the tables of their options, and the sums over them."""

    def __init__(
        self, frame: Frame, plan: Plan, structure: Sequence[Factor], factors: Sequence[Factor],
        loose: Sequence[Clause], sums: Sequence[Sum], limits: Limits,
    ) -> None:  # fmt: skip
        self.frame, self.plan, self.limits = frame, plan, limits
        self.structure, self.factors, self.loose, self.sums = structure, factors, loose, sums
        self.tables = Tables(frame)
        self.hub_set = set(plan.hubs)
        self.cells = 0
        measured = sums if len(plan.rows) else ()  # nothing is left to count where no hubs go together
        self.scales = [self._measure(s) for s in measured]
        self.groups = [self._group(members, self.scales) for members in plan.groups] if len(plan.rows) else []
        self.hub = [self._hub_part(s, scale) for s, scale in zip(measured, self.scales, strict=True)]

    @property
    def exact(self) -> bool:
        """Whether every sum is one of integers."""
        return all(s.slack == 0 for s in self.scales)

    def blocks(self) -> Iterator[Block]:
        """The rows of hubs at which every sum is defined, some at a time."""
        width = sum(len(g.options) for g in self.groups) or 1
        step = max(1, BLOCK // (width * max(1, len(self.sums))))
        for start in range(0, len(self.plan.rows), step):
            block = slice(start, min(start + step, len(self.plan.rows)))
            options = self._options(self.groups, self.scales, block)
            active = [h.active[block] for h in self.hub]
            keep = numpy.ones(block.stop - block.start, dtype=bool)
            for h in self.hub:
                keep &= h.valid[block]
            if not keep.all():
                options = [Options(tuple(v[keep] for v in o.values), o.weights[keep]) for o in options]
                active = [a[keep] for a in active]
            bounds = [s.bound - h.offset[block][keep] for s, h in zip(self.scales, self.hub, strict=True)]
            if not options:
                options = [Options(tuple(numpy.zeros((len(b), 1), dtype=b.dtype) for b in bounds),
                                   numpy.ones((int(keep.sum()), 1), dtype=numpy.int64))]  # fmt: skip
            yield Block(start + numpy.flatnonzero(keep), options, bounds, active)

    # ---- sums to arrays of one scale

    def _measure(self, s: Sum) -> Scale:
        """Tables of every term of a sum, scaled to common integers, or floats with a slack."""
        measured: list[Measured | None] = []
        places: list[tuple[Place, Place]] = []
        for t in s.terms:
            hub, own = self._places(t)
            places.append((hub, own))
            measured.append(None if t.atom is None else self._atom(t, hub, own))
        return scale_sum(s, measured, places)

    def _places(self, t: Term) -> tuple[Place, Place]:
        """Where the atom's scope lies among hub rows, and among what its group may be where the term counts."""
        scope = self.frame.scope(*([] if t.atom is None else [t.atom]))
        hub = tuple(v for v in scope if v in self.hub_set)
        own = tuple(v for v in scope if v not in self.hub_set)
        counts = self._hub_conditions(t)
        rows = self.plan.rows if counts is None else self.plan.rows[counts]
        if not len(rows):
            unique, _ = self.frame.project(self.plan.rows[:1], self.plan.hubs, hub)
            inverse = numpy.zeros(0, dtype=numpy.int64)
        else:
            unique, inverse = self.frame.project(rows, self.plan.hubs, hub)
        if counts is not None:
            full = numpy.zeros(len(self.plan.rows), dtype=numpy.int64)
            full[counts] = inverse
            inverse = full
        return Place(hub, unique, inverse, counts), Place(own, self._live(t, own), None, None)

    def _live(self, t: Term, own: tuple[int, ...]) -> Rows:
        """What the decisions `own` may be together wherever the term's conditions hold."""
        conditions = [c for c in t.conditions if self.hub_set.isdisjoint(self.frame.scope(c))]
        near = close_over_guards(self.frame, {*own, *self.frame.scope(*conditions)}) - self.hub_set
        order = tuple(sorted(near))
        rows, _ = self.join(order, [f for f in self.structure if near.issuperset(f.scope)])
        for c in conditions:
            rows = rows[self.frame.truth(c, rows, order)]
        if not len(rows):
            return numpy.zeros((0, len(own)), dtype=numpy.int64)
        return self.frame.project(rows, order, own)[0]

    def _hub_conditions(self, t: Term) -> Mask | None:
        result: Mask | None = None
        for c in t.conditions:
            if set(self.frame.scope(c)) <= self.hub_set:
                met = self.frame.truth(c, self.plan.rows, self.plan.hubs)
                result = met if result is None else result & met
        return result

    def _atom(self, t: Term, hub: Place, own: Place) -> Measured:
        assert t.atom is not None
        return self.tables.measure_grid(t.atom, hub.rows, hub.scope, own.rows, own.scope, self.spend)

    # ---- groups

    def _group(self, members: tuple[int, ...], scales: Sequence[Scale]) -> OptionGroup:
        inside = set(members)
        touched: set[int] = set()
        for f in self.factors:
            if not self.hub_set.isdisjoint(f.scope):
                touched |= inside.intersection(f.scope)
        for c in self.loose:
            touched |= inside.intersection(c.scope)
        for s in self.sums:
            for t in s.terms:
                touched |= inside.intersection(term_scope(self.frame, t))
            for conditions, condition in _doubtful(s):
                touched |= inside.intersection(self.frame.scope(condition, *conditions))
        own = [f for f in self.factors if inside.issuperset(f.scope)]
        sizes = {v: len(self.frame.domains[v]) for v in members}
        left = eliminate(own, sizes, frozenset(touched), cells=self.limits.cells)
        order = tuple(sorted(touched))
        options, weights = self.join(order, left.rest)
        shared = [f.largest for f in self.factors if not inside.isdisjoint(f.scope) and not inside.issuperset(f.scope)]
        top = left.total * math.prod(shared) * int(weights.max(initial=1)) * len(options)
        weights = (weights.astype(object) if top >= SAFE else weights) * left.total
        mixed = []
        for f in self.factors:
            if not inside.isdisjoint(f.scope) and not self.hub_set.isdisjoint(f.scope):
                mixed.append(self._mixed(f, order, options))
        for c in self.loose:
            if not inside.isdisjoint(c.scope):
                mixed.append(self._loose(c, order, options))
        terms = []
        for s, scale in zip(self.sums, scales, strict=True):
            mine = [(t, i) for i, t in enumerate(s.terms) if not inside.isdisjoint(term_scope(self.frame, t))]
            terms.append(tuple(self._term(t, scale, i, order, options) for t, i in mine))
            for conditions, condition in _doubtful(s):
                if not inside.isdisjoint(self.frame.scope(condition, *conditions)):
                    mixed.append(self._settle(s.guards, conditions, condition, order, options))
        return OptionGroup(members, tuple(own), order, options, weights, tuple(mixed), tuple(terms))

    def join(self, order: tuple[int, ...], factors: Sequence[Factor]) -> tuple[Rows, Array]:
        """Assignments over `order` (indices into values) at which no factor is 0, and the product of the factors."""
        at = numpy.zeros((1, 0), dtype=numpy.int64)
        large = math.prod(f.largest for f in factors) >= 1 << 62
        weights: Array = numpy.ones(1, dtype=object if large else numpy.int64)
        waiting = list(factors)
        for k, v in enumerate(order):
            n = len(self.frame.domains[v])
            if len(at) * n > self.limits.rows:
                raise TooMany(len(at) * n, self.limits.rows, order)
            at = numpy.concatenate([numpy.repeat(at, n, axis=0), numpy.tile(numpy.arange(n), len(at))[:, None]], axis=1)
            weights = numpy.repeat(weights, n)
            done = set(order[: k + 1])
            for f in [f for f in waiting if done.issuperset(f.scope)]:
                weights = weights * f.table[tuple(at[:, order.index(u)] for u in f.scope)]
            waiting = [f for f in waiting if not done.issuperset(f.scope)]
            at, weights = at[weights != 0], weights[weights != 0]
        rows = numpy.empty_like(at)
        for k, v in enumerate(order):
            rows[:, k] = self.frame.domains[v][at[:, k]]
        return rows, weights

    def _mixed(self, f: Factor, order: tuple[int, ...], options: Rows) -> tuple[Array, Rows, Rows]:
        """A factor over hubs and a group as a table of (distinct hub part, distinct option part)."""
        hub = tuple(v for v in f.scope if v in self.hub_set)
        own = tuple(v for v in f.scope if v not in self.hub_set)
        table = f.table.transpose([f.scope.index(v) for v in (*hub, *own)])
        table = table.reshape(math.prod(table.shape[: len(hub)]), -1)
        return table, self.code(hub, self.plan.hubs, self.plan.rows), self.code(own, order, options)

    def code(self, scope: tuple[int, ...], columns: Sequence[int], rows: Rows) -> Rows:
        """Where each row lies in a table over `scope`."""
        code = numpy.zeros(len(rows), dtype=numpy.int64)
        for v in scope:
            domain = self.frame.domains[v]
            place = numpy.zeros(len(self.frame.decisions[v].values) + 1, dtype=numpy.int64)
            place[domain + 1] = numpy.arange(len(domain))
            code = code * len(domain) + place[rows[:, list(columns).index(v)] + 1]
        return code

    def _loose(self, c: Clause, order: tuple[int, ...], options: Rows) -> tuple[Array, Rows, Rows]:
        """A clause over hubs and a group, asked only at options where its guard may hold."""
        if not self.hub_set.isdisjoint(self.frame.scope(c.guard)):
            return self._loose_grid(c, order, options)
        asked = self.frame.truth(c.guard, options, order)
        refused = ~asked & ~self.frame.truth(negate(c.guard), options, order)
        scope = self.frame.scope(c.value)
        hub = tuple(v for v in scope if v in self.hub_set)
        own = tuple(v for v in scope if v not in self.hub_set)
        above, where = self.frame.project(self.plan.rows, self.plan.hubs, hub)
        below, which = self.frame.project(options[asked], order, own)
        met = self.tables.truth_grid(c.value, above, hub, below, own, self.spend).reshape(len(above), -1)
        ends = numpy.broadcast_to(numpy.array([True, False]), (len(above), 2))
        column = numpy.where(refused, met.shape[1] + 1, met.shape[1])
        column[asked] = which
        return numpy.concatenate([met, ends], axis=1), where, column

    def _loose_grid(self, c: Clause, order: tuple[int, ...], options: Rows) -> tuple[Array, Rows, Rows]:
        hub = tuple(v for v in c.scope if v in self.hub_set)
        own = tuple(v for v in c.scope if v not in self.hub_set)
        met = self._meet(hub, own, order, options)
        return self.frame.holds(c, met.rows, met.columns).reshape(met.shape), met.where, met.which

    def spend(self, cells: int, scope: Sequence[int]) -> None:
        self.cells += cells
        if self.cells > self.limits.terms:
            said = (
                f"{self.cells:,} rows, those with many mappings counted several times, more than {self.limits.terms:,}"
            )
            raise TooMany(self.cells, self.limits.terms, scope, said)

    def _settle(
        self, guards: Sequence[Expr], conditions: Sequence[Expr], c: Expr, order: tuple[int, ...], options: Rows
    ) -> tuple[Array, Rows, Rows]:
        """Leave out where an `if` of a sum has no value, at the hubs where the sum is asked."""
        scope = self.frame.scope(c, *conditions)
        hub = tuple(sorted({*self.frame.scope(*guards), *(v for v in scope if v in self.hub_set)}))
        own = tuple(v for v in scope if v not in self.hub_set)
        met = self._meet(hub, own, order, options)
        truth = [self.frame.truth(e, met.rows, met.columns) for e in (c, negate(c))]
        decided = (truth[0] | truth[1]).reshape(met.shape)
        return ~self._hold(met, (*guards, *conditions)) | decided, met.where, met.which

    def _meet(self, hub: tuple[int, ...], own: tuple[int, ...], order: tuple[int, ...], options: Rows) -> _Meeting:
        """What some hubs take beside what some decisions of a group take in its options."""
        above, where = self.frame.project(self.plan.rows, self.plan.hubs, hub)
        below, which = self.frame.project(options, order, own)
        self.spend(len(above) * len(below), sorted((*hub, *own)))
        rows = numpy.concatenate([numpy.repeat(above, len(below), axis=0), numpy.tile(below, (len(above), 1))], axis=1)
        return _Meeting(rows, [*hub, *own], (len(above), len(below)), below, where, which)

    def _hold(self, met: _Meeting, conditions: Sequence[Expr]) -> Mask:
        """Where all of these hold, in the shape of the table."""
        held = numpy.ones(len(met.rows), dtype=bool)
        for c in conditions:
            held &= self.frame.truth(c, met.rows, met.columns)
        return held.reshape(met.shape)

    def _term(self, t: Term, scale: Scale, number: int, order: tuple[int, ...], options: Rows) -> _TermTable:
        """The term's table joined with conditions of its group; options at which it does not count get 0."""
        hub, own = scale.places[number]
        values = scale.values[number]
        option = self._find(own, order, options)
        outside = numpy.zeros(len(options), dtype=bool)
        place, table = hub.inverse, values
        assert place is not None
        for c in t.conditions:
            scope = set(self.frame.scope(c))
            if scope <= self.hub_set:
                continue
            if scope.isdisjoint(self.hub_set):
                outside |= ~self.frame.truth(c, options, order)
                continue
            return self._mixed_term(t, scale, number, order, options)
        outside |= option < 0
        return _TermTable(table, place, numpy.where(outside, table.shape[1] - 1, option), hub.counts)

    def _find(self, own: Place, columns: Sequence[int], rows: Rows) -> Rows:
        """For each row which row of `own` it is; -1 where it is none: the term does not count there."""
        if not own.scope:
            return numpy.full(len(rows), 0 if len(own.rows) else -1, dtype=numpy.int64)
        cells = math.prod(len(self.frame.domains[v]) for v in own.scope)
        if cells > self.limits.table:
            raise TooMany(cells, self.limits.table, own.scope)
        number = numpy.full(cells, -1, dtype=numpy.int64)
        number[self.code(own.scope, own.scope, own.rows)] = numpy.arange(len(own.rows))
        return number[self.code(own.scope, columns, rows)]

    def _mixed_term(self, t: Term, scale: Scale, number: int, order: tuple[int, ...], options: Rows) -> _TermTable:
        """A term with a condition on hubs and group together: one table over all that it reads."""
        hub, own = scale.places[number]
        scope = term_scope(self.frame, t)
        hub_scope = tuple(v for v in scope if v in self.hub_set)
        own_scope = tuple(v for v in scope if v not in self.hub_set)
        met = self._meet(hub_scope, own_scope, order, options)
        assert hub.inverse is not None
        first = numpy.zeros(met.shape[0], dtype=numpy.int64)
        first[met.where] = hub.inverse
        inner = self._find(own, own_scope, met.below)
        values = numpy.where(self._hold(met, t.conditions), scale.values[number][first[:, None], inner[None, :]], 0)
        return _TermTable(values, met.where, met.which, hub.counts)

    # ---- blocks of hub rows

    def _options(self, groups: Sequence[OptionGroup], scales: Sequence[Scale], block: slice) -> list[Options]:
        n = block.stop - block.start
        found: list[Options] = []
        for g in groups:
            weights = numpy.broadcast_to(g.weights, (n, len(g.options)))
            for table, where, which in g.mixed:
                weights = weights * table[where[block]][:, which]
            values = []
            for scale, terms, hub in zip(scales, g.terms, self.hub, strict=True):
                total = numpy.zeros((n, len(g.options)), dtype=numpy.int64 if scale.integral else numpy.float64)
                for t in terms:
                    part = t.values[t.hub[block]][:, t.option]
                    total += part if t.counts is None else numpy.where(t.counts[block][:, None], part, 0)
                bad = scale.find_undefined(total)
                if bad is not None:  # of a sum that is not asked for here nothing need have a value
                    weights = numpy.where(bad & hub.active[block][:, None], 0, weights)
                    total = numpy.where(bad, 0, total)
                values.append(total)
            found.append(Options(tuple(values), weights))
        return found

    def _hub_part(self, s: Sum, scale: Scale) -> _HubPart:
        """What a sum has from hubs alone, whether it is asked at a row, and whether it is defined there."""
        rows, columns = self.plan.rows, self.plan.hubs
        offset = numpy.zeros(len(rows), dtype=numpy.int64 if scale.integral else numpy.float64)
        active = numpy.ones(len(rows), dtype=bool)
        vacuous = numpy.zeros(len(rows), dtype=bool)
        for guard in s.guards:
            active &= self.frame.truth(guard, rows, columns)
            vacuous |= self.frame.truth(negate(guard), rows, columns)
        valid = active | vacuous
        for number, t in enumerate(s.terms):
            if set(term_scope(self.frame, t)) <= self.hub_set:
                hub, _ = scale.places[number]
                assert hub.inverse is not None
                if scale.values[number].shape[1] < 2 or not len(scale.values[number]):
                    continue
                part = scale.values[number][hub.inverse, 0]
                offset += part if hub.counts is None else numpy.where(hub.counts, part, 0)
        bad = scale.find_undefined(offset)
        if bad is not None:
            valid &= ~(bad & active)
            offset = numpy.where(bad, 0, offset)
        for conditions, c in _doubtful(s):
            if set(self.frame.scope(c, *conditions)) <= self.hub_set:
                asked = active.copy()
                for condition in conditions:
                    asked &= self.frame.truth(condition, rows, columns)
                valid &= ~asked | self.frame.truth(c, rows, columns) | self.frame.truth(negate(c), rows, columns)
        return _HubPart(offset, active, valid)


@frozen(eq=False)
class _Meeting:
    """rows: every combination of hubs' values with values in a group, of the decisions in `columns`; shape: how many
    there are of both. below: the latter alone. where, which: of each row of hubs, and of each option, its own."""

    rows: Rows
    columns: list[int]
    shape: tuple[int, int]
    below: Rows
    where: Rows
    which: Rows


@frozen(eq=False)
class _HubPart:
    offset: Array
    active: Mask
    valid: Mask


def _doubtful(s: Sum) -> list[tuple[tuple[Expr, ...], Expr]]:
    """What has to be defined for the sum to be, where it may not be."""
    return [(conditions, c) for conditions, c in s.settled if may_be_undefined(c)]


__all__ = ["Block", "Groups", "OptionGroup"]
