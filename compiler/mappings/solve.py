"""The best mapping of a work, proved: branch and bound in floats with a stated error, what is near compared exactly.

Of mappings that are equally good it is the first in declared order, as if all had been tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy
from attrs import frozen
from cospace.compiler.mappings.branch import Look, Root, bound_roots, explore
from cospace.compiler.mappings.closed import Closed, close
from cospace.compiler.mappings.effort import Effort, GaveUp
from cospace.compiler.mappings.groups import Case, NotApart, cases
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.mappings.looked import Looked
from cospace.compiler.space.graph import MapProblem, Value

MOST = 50_000_000
"""Partial and whole mappings that are looked at for one problem, at most."""


@frozen
class Best:
    """taken: the position of each map's value, None where nothing meets the requirements. bounded, looked: how many
    partial and whole mappings that took."""

    taken: tuple[int, ...] | None
    bounded: int
    looked: int


def best(problem: MapProblem, given: Mapping[str, Value | None], most: int = MOST) -> Best:
    """The best mapping of a problem where what it reads has these values.

    Raises NotExact, NotApart and GaveUp where it can't be told, or not at the cost of so many mappings.
    """
    closed = close(problem, given)
    if closed is None:
        return Best(None, 0, 0)
    effort = Effort(most)
    made = cases(closed)
    looked = Looked(closed, sorted({n for case in made for n in case.first}))

    def add(rows: Ints) -> float:
        looked.add(rows)
        return looked.least

    for root, look in sorted(_roots(closed, made, add), key=lambda r: r[0].low):
        explore(root, looked.least, look, effort)
    found = looked.first()
    taken = None if found is None else tuple(p[int(k)] for p, k in zip(closed.places, found, strict=True))
    return Best(taken, effort.bounded, effort.looked)


def bound(problem: MapProblem, given: Mapping[str, Value | None]) -> tuple[float, Ints]:
    """What the logarithm of no mapping's goal is less than, without branching, and mappings that seem good, (n, maps).

    Infinite where no mapping meets the requirements. Raises NotExact and NotApart as `best`.
    """
    closed = close(problem, given)
    seen: list[Ints] = []
    low = math.inf
    if closed is not None:
        roots = _roots(closed, cases(closed), lambda rows: seen.append(rows) or math.inf)  # type: ignore[func-returns-value]
        low = min((root.low for root, _ in roots), default=math.inf)
        for n, at in enumerate(closed.places):
            for rows in seen:
                rows[:, n] = numpy.array(at)[rows[:, n]]
    return low, numpy.concatenate([numpy.zeros((0, len(problem.maps)), dtype=numpy.int64), *seen])


def _roots(closed: Closed, made: Sequence[Case], add: Callable[[Ints], float]) -> list[tuple[Root, Look]]:
    """The cases with bounds, those of one form together. add: is told mappings that are looked at on the way."""
    forms: dict[object, list[Case]] = {}
    for case in made:
        forms.setdefault(case.structure.form, []).append(case)
    roots: list[tuple[Root, Look]] = []
    for alike in forms.values():
        looks = [_look(case, add, len(closed.decisions)) for case in alike]
        roots += zip(bound_roots([case.structure for case in alike], looks), looks, strict=True)
    return roots


def _look(case: Case, add: Callable[[Ints], float], maps: int) -> Look:
    """How mappings of one case are looked at, which are told by a row of each group."""

    def look(groups: Ints) -> float:
        rows = numpy.zeros((len(groups), maps), dtype=numpy.int64)
        for n, k in case.first.items():
            rows[:, n] = k
        for g, places in enumerate(case.columns):
            rows[:, list(places)] = case.structure.groups[g].rows[groups[:, g]]
        return add(rows)

    return look


__all__ = ["Best", "GaveUp", "NotApart", "best", "bound"]
