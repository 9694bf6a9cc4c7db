"""One long sum whose terms some decisions switch and others price, bounded on a grid.

`sum(cycles(w) for w in works) <= budget` where a layer's operator says which works there are and a chunk's tiles what
each costs: a term reads the decisions of one chunk, its conditions those of one layer. Of a chunk only the costs of its
works matter, on a grid of levels below the bound: few classes are left of its many tiles. At a class of each chunk the
layers are independent, so that their levels are convolved. Costs rounded down give too many designs, rounded up too
few: both are counted, and what lies between is the answer.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy
from attrs import evolve, frozen
from cospace.compiler.counting.convolve import Groups
from cospace.compiler.counting.eliminate import SAFE, Factor, eliminate
from cospace.compiler.counting.hubs import Plan
from cospace.compiler.counting.sums import NotASum, Term, read_sums
from cospace.compiler.numbers.enumerate import Clause, Frame, TooMany, unite
from cospace.compiler.numbers.measure import Tables
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

Array = NDArray[Any]
LEVELS = 640
"""Levels below the bound, at most; fewer where that is too much work."""
WORK = 6_000_000_000
"""Levels that are moved, in all."""
FIRST = 2_000
"""Sums of alike layers that are listed before the others are convolved."""
TERMS = 1 << 28
"""Evaluations of terms, over all that each may read."""
ROUNDING = 1e-4
"""Of a level: more than floats are off by."""
SHARED = 2
"""Layers apart from which the others fall into clusters, at most."""

Switch = tuple[int, ...]
"""The conditions under which a term counts, by their numbers in the order of the terms: never by where they lie in
memory, for sums are rounded in the order of the switches."""


@frozen(eq=False)
class _Priced:
    """A group of decisions that price works. costs: (n, switches) within `slack`; weights: (n,)."""

    costs: Array
    slack: float
    weights: Array
    switches: dict[Switch, int]
    """The column of each; alike ones share theirs."""


@frozen(eq=False)
class _Layer:
    """Decisions that switch works. sets: for each way to switch them the switches that hold; weights."""

    sets: tuple[frozenset[Switch], ...]
    weights: tuple[int, ...]


@frozen(eq=False)
class Switched:
    """free: what decisions that switch nothing multiply; bound: of the sum of all costs."""

    priced: tuple[_Priced, ...]
    layers: tuple[_Layer, ...]
    free: int
    bound: float

    @staticmethod
    def of(
        frame: Frame, variables: Sequence[int], factors: Sequence[Factor], clause: Clause, limits: Limits
    ) -> Switched:
        """Raises NotASum where the clause is none, TooMany beyond the limits."""
        limits = evolve(limits, terms=max(TERMS, limits.terms))
        sums = read_sums(clause)
        if len(sums) != 1 or sums[0].guards or any(graph.may_be_undefined(c) for _, c in sums[0].settled):
            raise NotASum
        s = sums[0]
        bound = float(-s.constant)
        below = {v for t in s.terms if t.atom is not None for v in frame.scope(t.atom)}
        above = [v for v in variables if v not in below]
        if any(not below.isdisjoint(f.scope) and not below.issuperset(f.scope) for f in factors):
            raise NotASum
        conditions = list({id(c): c for t in s.terms for c in t.conditions}.values())
        number_of = {id(c): n for n, c in enumerate(conditions)}
        terms = [_split(frame, t, below, number_of) for t in s.terms]
        plan = Plan((), numpy.zeros((1, 0), dtype=numpy.int64), (), ())
        helper = Groups(frame, plan, factors, factors, (), (), limits)
        read = [[*frame.scope(*own), *([] if t.atom is None else frame.scope(t.atom))] for t, own, _ in terms]
        inner = sorted(below)
        groups = _united(inner, [*read, *(f.scope for f in factors if below.issuperset(f.scope))])
        tables = Tables(frame)
        priced = []
        for members in groups:
            inside = set(members)
            mine = [x for x, scope in zip(terms, read, strict=True) if inside.intersection(scope)]
            own = [f for f in factors if inside.issuperset(f.scope)]
            priced.append(_price(frame, helper, tables, members, own, mine, 2 * bound))
        if bound <= 0 or not all(read):
            raise NotASum
        used = sorted({c for p in priced for switch in p.switches for c in switch})
        layers, free = [], 1
        own_factors = [f for f in factors if below.isdisjoint(f.scope)]
        scopes = [*(frame.scope(conditions[c]) for c in used), *(f.scope for f in own_factors)]
        every = {switch for p in priced for switch in p.switches if switch}
        for members in _united(above, scopes):
            made = _layer(frame, helper, members, own_factors, conditions, every)
            if len(made.sets) == 1 and not made.sets[0]:
                free *= made.weights[0]
            else:
                layers.append(made)
        return Switched(tuple(priced), tuple(layers), free, bound)

    def bounds(self) -> tuple[int, int]:
        """Proved bounds on the count. Raises TooMany where that is too much work, NotASum at costs too far apart."""
        shared, groups = self._cut()
        if not groups:
            raise NotASum
        clusters = [
            _Cluster(
                [self.priced[k] for k in g], [a for a in self.layers if a not in shared and self._of(a) & g], shared
            )
            for g in groups
        ]
        work = sum(c.work for c in clusters)
        levels = min(LEVELS, WORK // max(1, work))
        roundings = sum(c.roundings for c in clusters)
        if levels < 4 * roundings:
            raise TooMany(work * LEVELS, WORK, ())
        step = self.bound / (levels + 0.5)
        if sum(p.slack for p in self.priced) * (len(self.layers) + 1) > step * ROUNDING:
            raise NotASum
        made = [c.levels(step, levels + 1) for c in clusters]
        chosen = [math.prod(w for _, w in ways) for ways in clusters[0].shared]
        low = high = 0
        for k, weight in enumerate(chosen):
            first = made[0][k]
            second = made[1][k].cumsum() if len(made) > 1 else numpy.ones(levels + 1, dtype=object)
            high += weight * int((first * second[::-1]).sum())
            last = levels - roundings
            low += weight * int((first[: last + 1] * second[: last + 1][::-1]).sum())
        return low * self.free, high * self.free

    def _of(self, layer: _Layer) -> set[int]:
        """The priced groups that a layer switches."""
        return {k for k, p in enumerate(self.priced) if any(s in p.switches for held in layer.sets for s in held)}

    def _cut(self) -> tuple[list[_Layer], list[set[int]]]:
        """Layers to be taken apart so that the rest falls into the smallest clusters of priced groups."""
        best: int | None = None
        found: tuple[list[_Layer], list[set[int]]] = ([], [])
        for n in range(SHARED + 1):
            for chosen in itertools.combinations(self.layers, n):
                scopes = [sorted(self._of(a)) for a in self.layers if a not in chosen]
                groups = [set(g) for g in unite(len(self.priced), scopes)]
                size = sum(math.prod(len(self.priced[k].weights) for k in g) for g in groups)
                ways = math.prod(len(a.sets) for a in chosen)
                if len(groups) <= 2 and (best is None or size * ways < best):
                    best, found = size * ways, (list(chosen), groups)
        return found


def _split(
    frame: Frame, t: Term, below: set[int], number_of: Mapping[int, int]
) -> tuple[Term, tuple[Expr, ...], Switch]:
    """A term with its conditions on what prices, and those on what switches."""
    own, switch = [], []
    for c in t.conditions:
        scope = set(frame.scope(c))
        if scope <= below:
            own.append(c)
        elif scope.isdisjoint(below):
            switch.append(number_of[id(c)])
        else:
            raise NotASum
    return t, tuple(own), tuple(sorted(switch))


def _united(members: Sequence[int], scopes: Sequence[Sequence[int]]) -> list[list[int]]:
    where = {v: k for k, v in enumerate(members)}
    inside = [[where[v] for v in s if v in where] for s in scopes]
    return [[members[k] for k in g] for g in unite(len(members), inside)]


def _price(
    frame: Frame, helper: Groups, tables: Tables, members: Sequence[int], factors: Sequence[Factor],
    terms: Sequence[tuple[Term, tuple[Expr, ...], Switch]], beyond: float,
) -> _Priced:  # fmt: skip
    """The cost of each switch at every assignment, equal ones merged; costs beyond the bound are all the same."""
    order = tuple(sorted(members))
    rows, weights = helper.join(order, factors)
    met = {id(c): frame.truth(c, rows, order) for _, own, _ in terms for c in own}
    values: dict[tuple[Any, ...], tuple[Array, float]] = {}
    columns: dict[tuple[Any, ...], Array] = {}
    slack, named = 0.0, []
    switches = tuple(sorted({switch for _, _, switch in terms}))
    for switch in switches:
        mine = [(t, own) for t, own, s in terms if s == switch]
        name = tuple(sorted((t.coefficient, id(t.atom), tuple(map(id, own))) for t, own in mine))
        if name not in columns:
            total, error = numpy.zeros(len(rows)), 0.0
            for t, own in mine:
                key = (t.coefficient, id(t.atom))
                if key not in values:
                    values[key] = _value(frame, helper, tables, t, rows, order)
                part, doubt = values[key]
                counts = numpy.ones(len(rows), dtype=bool)
                for c in own:
                    counts &= met[id(c)]
                if numpy.isnan(part[counts]).any():
                    raise NotASum
                total += numpy.where(counts, part, 0.0)
                error += doubt + float(numpy.abs(total).max(initial=0.0)) * 2.0**-50
            slack = max(slack, error)
            if (total < 0).any():
                raise NotASum
            columns[name] = total
        named.append(name)
    costs = numpy.stack(list(columns.values()), axis=1)
    places = {name: k for k, name in enumerate(columns)}
    unique, inverse = numpy.unique(numpy.minimum(costs, beyond), axis=0, return_inverse=True)
    merged = numpy.zeros(len(unique), dtype=object)
    numpy.add.at(merged, inverse.reshape(-1), weights.astype(object))
    return _Priced(unique, slack, merged, {switch: places[name] for switch, name in zip(switches, named, strict=True)})


def _value(
    frame: Frame, helper: Groups, tables: Tables, t: Term, rows: Array, order: tuple[int, ...]
) -> tuple[Array, float]:
    c = float(t.coefficient)
    if t.atom is None:
        return numpy.full(len(rows), c), abs(c) * 2.0**-50
    scope = frame.scope(t.atom)
    unique, inverse = frame.project(rows, order, scope)
    nothing = numpy.zeros((1, 0), dtype=numpy.int64)
    m = tables.measure_grid(t.atom, nothing, (), unique, scope, helper.spend)
    top = float(numpy.nanmax(numpy.abs(m.values), initial=0.0))
    return (m.values * c)[inverse], m.error * abs(c) * (1 + 2.0**-50) + top * abs(c) * 2.0**-50


def _layer(
    frame: Frame, helper: Groups, members: Sequence[int], factors: Sequence[Factor], conditions: Sequence[Expr],
    every: set[Switch],
) -> _Layer:  # fmt: skip
    inside = set(members)
    mine = [f for f in factors if inside.issuperset(f.scope)]
    asked = {c for switch in every for c in switch if not inside.isdisjoint(frame.scope(conditions[c]))}
    order = tuple(sorted({v for c in asked for v in frame.scope(conditions[c])}))
    left = eliminate(mine, {v: len(frame.domains[v]) for v in members}, frozenset(order))
    rows, weights = helper.join(order, left.rest)
    met = {}
    for c in asked:
        met[c] = frame.truth(conditions[c], rows, order)
        if not (met[c] | frame.truth(graph.negate(conditions[c]), rows, order)).all():
            raise NotASum
    own = [switch for switch in every if set(switch) <= asked]
    if any(set(switch) & asked for switch in every if switch not in own):
        raise NotASum  # one term that two layers switch
    merged: dict[frozenset[Switch], int] = {}
    for k, w in enumerate(weights.tolist()):
        held = frozenset(switch for switch in own if all(met[c][k] for c in switch))
        merged[held] = merged.get(held, 0) + w * left.total
    return _Layer(tuple(merged), tuple(merged.values()))


class _Cluster:
    """Priced groups and the layers that switch them, but for shared ones."""

    def __init__(self, priced: list[_Priced], layers: list[_Layer], shared: list[_Layer]) -> None:
        self.priced = sorted(priced, key=lambda p: -len(p.weights))
        alike = Counter(tuple(sorted(self.options(layer))) for layer in layers)
        self.kinds = sorted(alike.items(), key=lambda item: -_choices(len(item[0]), item[1]))
        self.first = (
            self.kinds.pop(0) if self.kinds and _choices(len(self.kinds[0][0]), self.kinds[0][1]) <= FIRST else None
        )
        self.shared = list(itertools.product(*(self.options(layer) for layer in shared)))
        """What the shared layers add here, for each way to choose them."""
        self.roundings = 1 + sum(times for _, times in self.kinds) + (1 if shared else 0)

    def options(self, layer: _Layer) -> list[tuple[tuple[tuple[int, ...], ...], int]]:
        """For each way to switch a layer the columns that it adds in each group, and its weight."""
        found = []
        for held, w in zip(layer.sets, layer.weights, strict=True):
            columns = tuple(tuple(sorted(p.switches[s] for s in held if s in p.switches)) for p in self.priced)
            found.append((columns, w))
        return found

    @property
    def work(self) -> int:
        """Rows of levels that are moved."""
        moves = sum(len(options) * times for options, times in self.kinds) + len(self.shared)
        return math.prod(len(p.weights) for p in self.priced) * max(1, moves)

    def levels(self, step: float, size: int) -> list[Array]:
        """For each choice of the shared layers the weight at each level 0..size-1 of the sums, rounded down."""
        first, *others = self.priced
        weights: Array = numpy.ones(1, dtype=object)
        costs: list[Array] = []
        for p in others:
            costs = [numpy.repeat(c, len(p.weights), axis=0) for c in costs] + [numpy.tile(p.costs, (len(weights), 1))]
            weights = (weights[:, None] * p.weights[None, :]).reshape(-1)
        ways = math.prod(sum(w for _, w in options) ** times for options, times in self._all_kinds())
        if ways >= 1 << 52:
            raise NotASum
        kind = numpy.int32 if ways < 1 << 31 else numpy.int64
        inside = ways * int(weights.sum()) < SAFE
        found: list[Array] = [numpy.zeros(size, dtype=object) for _ in self.shared]
        for i, own in enumerate(first.weights):
            rows = _RowsOfLevels(len(weights), size, kind)
            cost = _Costs(first.costs[i], costs, len(weights), step)
            start = cost.base([p.switches.get(()) for p in self.priced])
            rows.start(*self._listed(cost, start))
            for options, times in self.kinds:
                moved = [(cost.level(cost.of(columns)), w) for columns, w in options]
                for _ in range(times):
                    rows.move(moved)
            for total, chosen in zip(found, self.shared, strict=True):
                added = sum((cost.of(columns) for columns, _ in chosen), numpy.zeros(len(weights)))
                shifted = rows.shifted(cost.level(added)) if chosen else rows.held
                if inside:
                    total += own * (weights.astype(numpy.int64) @ shifted.astype(numpy.int64)).astype(object)
                else:
                    total += own * (weights @ shifted.astype(object))
        return found

    def _all_kinds(self) -> list[Any]:
        return [*([self.first] if self.first else []), *self.kinds]

    def _listed(self, cost: _Costs, base: Array) -> tuple[Array, Array]:
        """Levels (rows, choices) of the layers that are alike and most, and the weight of each choice."""
        if self.first is None:
            return cost.level(base)[:, None], numpy.ones(1, dtype=numpy.int64)
        options, _ = self.first
        prices = numpy.stack([cost.of(columns) for columns, _ in options])
        counts, weights = self.first_choices
        return cost.level(base[:, None] + prices.T @ counts), weights

    @cached_property
    def first_choices(self) -> tuple[Array, Array]:
        """How often each option is chosen (options, choices), and in how many ways."""
        assert self.first is not None
        options, times = self.first
        counts, weights = [], []
        for chosen in itertools.combinations_with_replacement(range(len(options)), times):
            many = [chosen.count(k) for k in range(len(options))]
            counts.append(many)
            orders = math.factorial(times) // math.prod(map(math.factorial, many))
            weights.append(orders * math.prod(w**n for (_, w), n in zip(options, many, strict=True)))
        return numpy.array(counts, dtype=float).T, numpy.array(weights)


class _Costs:
    """Costs at one class of the first group and every class of the others: (rows,) arrays."""

    def __init__(self, first: Array, others: list[Array], rows: int, step: float) -> None:
        self.first, self.others, self.rows, self.step = first, others, rows, step

    def of(self, columns: tuple[tuple[int, ...], ...]) -> Array:
        total: Array = numpy.full(self.rows, float(sum(self.first[k] for k in columns[0])))
        for table, chosen in zip(self.others, columns[1:], strict=True):
            for k in chosen:
                total += table[:, k]
        return total

    def base(self, columns: Sequence[int | None]) -> Array:
        """What counts whatever is switched."""
        return self.of(tuple(() if k is None else (k,) for k in columns))

    def level(self, cost: Array) -> Array:
        """Rounded down, with room for the rounding of floats."""
        return numpy.maximum(numpy.floor(numpy.minimum(cost / self.step, 1e9) - ROUNDING), 0).astype(numpy.int64)


class _RowsOfLevels:
    """Weights at levels, many rows at once: to add an option is to copy each row some levels up."""

    def __init__(self, rows: int, size: int, kind: Any) -> None:
        self.size, self.kind = size, kind
        self.number = numpy.arange(rows)
        self.held: Array = numpy.zeros((rows, size), dtype=kind)

    def start(self, levels: Array, weights: Array) -> None:
        at = numpy.minimum(levels, self.size) + self.number[:, None] * (self.size + 1)
        cells = numpy.bincount(at.reshape(-1), numpy.broadcast_to(weights, levels.shape).reshape(-1),
                               minlength=len(self.number) * (self.size + 1))  # fmt: skip
        self.held = cells.reshape(len(self.number), self.size + 1)[:, : self.size].astype(self.kind)

    def _windows(self) -> Array:
        padded = numpy.concatenate([numpy.zeros_like(self.held), self.held], axis=1)
        return numpy.lib.stride_tricks.sliding_window_view(padded, self.size, axis=1)

    def move(self, options: Sequence[tuple[Array, int]]) -> None:
        windows = self._windows()
        made = numpy.zeros_like(self.held)
        for level, w in options:
            at = self.number[level < self.size]
            if len(at) == len(self.number):
                moved = windows[at, self.size - level]
                made += moved if w == 1 else moved * self.kind(w)
            elif len(at):
                moved = windows[at, self.size - level[at]]
                made[at] += moved if w == 1 else moved * self.kind(w)
        self.held = made

    def shifted(self, level: Array) -> Array:
        return numpy.asarray(self._windows()[self.number, self.size - numpy.minimum(level, self.size)])


def _choices(options: int, times: int) -> int:
    return math.comb(options + times - 1, times)
