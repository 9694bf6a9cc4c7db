"""The best design, or the exact front, of a space that falls apart into groups that only sums and extremes join."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy
from cospace.compiler.engines.candidates import Found, Values, as_number, find_front, find_least, merge, surviving
from cospace.compiler.engines.dominance import front
from cospace.compiler.engines.exhaustive import Best, conditions_of, negated
from cospace.compiler.engines.merging import Merged, merge_groups, open_choices
from cospace.compiler.engines.separable import Group, Quantity, Separable, Tangled, separate
from cospace.compiler.exact import columns, exact
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNKNOWN, Enclosure
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.space import graph
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.graph import Expr, Value, negative
from cospace.compiler.space.model import Objective, Space
from cospace.compiler.space.substitute import rebuild
from numpy.typing import NDArray

Array = NDArray[Any]

LOOKS = 20_000
"""Designs that are compared exactly, at most."""
WINDOW = 5_000
"""Rows of groups that are evaluated exactly to see that rounding hid nothing, at most."""


def groups_of(space: Space, least: float) -> tuple[list[str], list[list[str]]] | None:
    """The hub and the groups into which a space falls apart, by path; None where it doesn't.

    First come the groups that leave the fewest choices to whoever asks for a goal below `least`.
    """
    objectives = [o for o in space.objectives if is_modelled(o.value)]
    goals = [o.value if o.sense == "minimize" else negative(o.value) for o in objectives]
    try:
        apart = separate(space, goals, conditions_of(space))
    except (Tangled, TooMany):
        return None
    paths = [d.path for d in apart.frame.decisions]
    counts = open_choices(apart, least)
    order = sorted(range(len(counts)), key=counts.__getitem__)
    return [paths[v] for v in apart.hub], [[paths[v] for v in apart.groups[g].members] for g in order]


def best_apart(space: Space) -> Best | None:
    """The best of all designs by the modelled objectives; None where the space doesn't fall apart, or not enough."""
    objectives = [o for o in space.objectives if is_modelled(o.value)]
    goals = [o.value if o.sense == "minimize" else negative(o.value) for o in objectives]
    if not goals:
        return None
    asked = conditions_of(space)
    limits = [c for c in asked if len(goals) == 1 and _limits(c, goals[0])]
    found = _best_apart(space, objectives, goals, [c for c in asked if c not in limits])
    if found is None or not limits or not found.designs:
        return found
    met = [exact.evaluate(c, found.designs[0]) for c in limits]
    if all(m is True for m in met):
        return found
    if not found.certified or any(not isinstance(m, bool) for m in met):
        return None
    return Best((), (), True, found.evaluated, "no design meets every requirement")


def _limits(condition: Expr, goal: Expr) -> bool:
    """Whether a condition asks no more than that the goal be small enough: either the best meets it, or none does."""
    if condition.op not in ("le", "lt"):
        return False
    scale, core = _scaled(goal)
    below, above = condition.args
    factor, of = _scaled(below if above.is_const else above)
    rising = factor * scale > 0
    return of is core and (rising if above.is_const else below.is_const and not rising)


def _scaled(e: Expr) -> tuple[Fraction, Expr]:
    """A product's constant factor, and the rest."""
    if e.op == "mul" and e.args[0].is_const:
        return e.args[0].number, graph.mul(*e.args[1:])
    return Fraction(1), e


def _best_apart(
    space: Space, objectives: Sequence[Objective], goals: Sequence[Expr], conditions: Sequence[Expr]
) -> Best | None:
    """As `best_apart`, under some of the conditions."""
    try:
        apart = separate(space, goals, conditions)
        merged = merge_groups(apart)
    except (Tangled, TooMany):
        return None
    how = f"group by group of decisions, {len(apart.groups)} of them; nothing is left out that could be better"
    if not len(merged.rows):
        sure = merged.bound == math.inf
        return Best((), (), True, merged.compared, "no design meets every requirement") if sure else None
    asked = _Asked(apart, merged)
    found = asked.at_once() or asked.compared()
    if not found.rows:
        return None
    certified = found.certified and (asked.exact or _nothing_hidden(apart, merged, found.rows, asked))
    bound = None
    if merged.bound < math.inf:
        (value,) = found.values[0]
        if merged.bound < _at_most(value):
            certified, bound = False, _bound(objectives[0], merged.bound, value)
            how = f"group by group of decisions, {len(apart.groups)} of them; too many partial designs were left"
    every = range(len(space.decisions))
    designs = tuple(apart.frame.designs(every, merged.rows[list(found.rows)]))
    values = tuple(
        tuple(v if o.sense == "minimize" else negated(v) for o, v in zip(objectives, each, strict=True))
        for each in found.values
    )
    return Best(designs, values, certified, merged.compared, how, bound)


def _bound(objective: Objective, least: float, value: Fraction | Enclosure) -> Fraction | None:
    """What an objective is at no design better than."""
    if not math.isfinite(least):
        return None
    low = min(Fraction(least), value.low if isinstance(value, Enclosure) else value)
    return low if objective.sense == "minimize" else -low


def _at_most(value: Fraction | Enclosure) -> Fraction:
    return value.high if isinstance(value, Enclosure) else value


class _Asked:
    """Goals and conditions at merged designs, exactly: from their quantities, where these are exact."""

    def __init__(self, apart: Separable, merged: Merged) -> None:
        self.apart, self.merged = apart, merged
        self.exact = not apart.errors.any()
        self._names = [f"quantity {k}" for k in range(len(apart.quantities))]
        named = {
            id(q.node): graph.var(name, q.node.type) for q, name in zip(apart.quantities, self._names, strict=True)
        }
        exprs = (*apart.goals, *apart.conditions)
        self._exprs = [rebuild(e, named) for e in exprs] if self.exact else list(exprs)
        self._known: dict[int, list[exact.Result]] = {}
        direct = [_multiple(g, apart) for g in apart.goals]
        self._direct = [d for d in direct if d is not None]
        self.direct = self.exact and len(direct) == len(self._direct)
        """Whether each goal is a quantity, by a factor."""
        self._bounds, truths = apart.bounds(merged.values, merged.values)
        self._sure = numpy.ones(len(merged.rows), dtype=bool)
        for truth in truths:
            self._sure &= ~truth.high

    def at_once(self) -> Found | None:
        """The least, or the front, by rational numbers alone; None where something asked is not known to be one."""
        if not self.exact:
            return None
        rows = self._nearly()
        known: dict[str, columns.Column] = {}
        if not self.direct or not self._sure[rows].all():
            for k, (name, q) in enumerate(zip(self._names, self.apart.quantities, strict=True)):
                values = self.apart.multiples(k, self.merged.values[:, rows])
                known[name] = columns.column([bool(v) for v in values] if q.node.type.kind == "bool" else values)
        n = len(self.apart.goals)
        try:
            if not self._sure[rows].all():
                truths = columns.evaluate_short(self._exprs[n:], known, len(rows))
                met = self._sure[rows] | numpy.logical_and.reduce([t.astype(bool) for t in truths])
                rows, known = rows[met], {name: c[met] for name, c in known.items()}
            if self.direct:
                stay = self._least_words(rows)
                each = [self.apart.multiples(k, self.merged.values[:, rows[stay]], by) for k, by in self._direct]
                return Found(tuple(rows[stay].tolist()), tuple(zip(*each, strict=True)), True)
            goals = columns.evaluate_short(self._exprs[:n], known, len(rows))
        except NotExact:
            return None
        priced = list(zip(*([Fraction(v) for v in g.tolist()] for g in goals), strict=True))
        kept, sure = merge(priced)
        return Found(tuple(int(rows[i]) for i in kept), tuple(priced[i] for i in kept), sure)

    def _nearly(self) -> Array:
        """Merged designs that floats leave open."""
        low, high = self._ends()
        if low.shape[1] == 2 and self._sure.all() and not self.direct:
            return surviving(low, high)
        if low.shape[1] > 1:
            return numpy.arange(len(low))
        return numpy.flatnonzero(~(low[:, 0] > numpy.min(high[self._sure, 0], initial=math.inf)))

    def _least_words(self, rows: Array) -> Array:
        values = self.merged.values[:, rows]
        keys = [self.apart.words.keys(k, values, 1 if factor > 0 else -1) for k, factor in self._direct]
        return numpy.sort(front(keys, len(rows)))

    def _ends(self) -> tuple[Array, Array]:
        low, high = (numpy.stack([getattr(b, end) for b in self._bounds], axis=1) for end in ("low", "high"))
        return low, high

    def compared(self) -> Found:
        """The least, or the front, by exact evaluation of what floats leave open."""
        low, high = self._ends()
        if low.shape[1] == 1:
            return find_least(low[:, 0], self.price, self.admit, LOOKS)
        return find_front(low, high, self.price, self.admit, LOOKS)

    def _values(self, i: int) -> tuple[Fraction, ...]:
        one = self.merged.values[:, i : i + 1]
        return tuple(self.apart.multiples(k, one, factor)[0] for k, factor in self._direct)

    def price(self, i: int) -> Values | None:
        if self.direct:
            return self._values(i)
        values = tuple(map(as_number, self._ask(i)[: len(self.apart.goals)]))
        return None if None in values else values  # type: ignore[return-value]

    def admit(self, i: int) -> bool | None:
        if self._sure[i]:
            return True
        found = self._ask(i)[len(self.apart.goals) :]
        if all(f is True for f in found):
            return True
        return None if not any(f is not True and f is not UNKNOWN for f in found) else False

    def _ask(self, i: int) -> list[exact.Result]:
        if i not in self._known:
            self._known[i] = exact.evaluate_all(self._exprs, self._design(i))
        return self._known[i]

    def _design(self, i: int) -> dict[str, Value]:
        if not self.exact:
            return self.apart.frame.design(range(self.merged.rows.shape[1]), self.merged.rows[i])
        one = self.merged.values[:, i : i + 1]
        return {
            name: bool(one[k, 0]) if q.node.type.kind == "bool" else self.apart.multiples(k, one)[0]
            for k, (name, q) in enumerate(zip(self._names, self.apart.quantities, strict=True))
        }


def _multiple(goal: Expr, apart: Separable) -> tuple[int, Fraction] | None:
    """Which quantity a goal is, and by which factor, where it is nothing else."""
    at = {id(q.node): k for k, q in enumerate(apart.quantities)}
    factor = Fraction(1)
    if id(goal) not in at:
        factor, goal = _scaled(goal)
    return (at[id(goal)], factor) if id(goal) in at else None


def _nothing_hidden(apart: Separable, merged: Merged, rows: Sequence[int], asked: _Asked) -> bool:
    """Whether no design that rounding let seem no better is better, for one goal that grows with one greatest value.

    A better one would have its greatest term among those that seem as great as the best's, within rounding: each of
    these is evaluated exactly.
    """
    rough = [k for k in range(len(apart.quantities)) if apart.errors[k]]
    if len(apart.goals) != 1 or len(rows) != 1 or len(rough) != 1:
        return False
    (k,) = rough
    q = apart.quantities[k]
    goal = _multiple(apart.goals[0], apart)
    if q.kind != "max" or apart.signs[k] != (True, False) or goal is None or goal[0] != k:
        return False
    if any(_reads(c, q.node) for c in apart.conditions):
        return False
    design = apart.frame.design(range(merged.rows.shape[1]), merged.rows[rows[0]])
    best = exact.evaluate(q.node, design)
    near = int(merged.values[k, rows[0]])
    slack = 2 * int(apart.errors[k]) + 2
    if (numpy.abs(apart.empty[k] - near) <= slack).any():
        return False  # what the hub alone says
    looks = 0
    for group in apart.groups:
        at = numpy.flatnonzero(numpy.abs(group.values[k] - near) <= slack)
        looks += len(at)
        if looks > WINDOW:
            return False
        for value in _terms_at(apart, q, group, at):
            if not isinstance(value, Fraction) or not isinstance(best, Fraction) or value < best:
                return False
    return True


def _terms_at(apart: Separable, q: Quantity, group: Group, at: Array) -> list[exact.Result]:
    """The greatest of a group's terms at some of its rows, those that agree in what is read evaluated once."""
    frame = apart.frame
    own = [t for t in q.terms if set(frame.scope(t)) & set(group.members)]
    if not own or not len(at):
        return []
    settings = apart.settings[numpy.searchsorted(group.starts, at, side="right") - 1]
    rows = numpy.concatenate([settings, group.rows[at]], axis=1)
    scope = frame.scope(*own)
    unique, _ = frame.project(rows, (*apart.hub, *group.members), scope)
    return [exact.evaluate(graph.maximum(*own), frame.design(scope, row)) for row in unique]


def _reads(e: Expr, node: Expr) -> bool:
    return any(n is node for n in graph.walk([e]))


__all__ = ["best_apart", "groups_of"]
