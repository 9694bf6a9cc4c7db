"""Mappings of problems that can't be solved: the best that evolution meets, checked exactly, and bounds on the least.

What begins the evolution are mappings that seem good by the bounds of `mappings`, where these know the problem at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import frozen
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.exact import exact
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.evolution import evolve_mappings
from cospace.compiler.mappings.listed import Ints, logarithm
from cospace.compiler.mappings.solve import NotApart, bound
from cospace.compiler.space.graph import Expr, MapProblem, Value
from cospace.compiler.space.model import Decision, Design

BOUNDED = 16
"""Rows of what a problem reads up to which each has a bound of its own, and not only the ends of the goal."""
GRAIN = 10**6
"""How far from the least a mapping may be is told in parts of so many, rounded up."""


@frozen(eq=False)
class Row:
    """taken: the positions of the maps' values, None where no mapping was met; none: it is proved that there is none.
    found: the quantities there. share: how far above the least the goal may be, None if unknown."""

    taken: tuple[int, ...] | None
    none: bool = False
    found: Sequence[exact.Result] = ()
    share: Fraction | None = None


def meet(
    problem: MapProblem, quantities: Sequence[Expr], declared: Sequence[Decision], designs: Ints, seed: int
) -> tuple[list[Row], int]:
    """The best mapping that is met at each row of what a problem reads, `designs` over `declared`; how many were
    tried for all of them."""
    reads = [{d.path: d.values[k] for d, k in zip(declared, row, strict=True) if k >= 0} for row in designs.tolist()]
    lows, starts = _bounds(problem, declared, reads)
    evolved = evolve_mappings(problem, declared, designs, seed, starts)
    found = []
    for design, low, genes in zip(reads, lows, evolved.rows, strict=True):
        best = None if low == math.inf else _best(problem, design, genes.tolist())
        if best is None:
            found.append(Row(None, low == math.inf))
            continue
        taken, whole, goal = best
        found.append(Row(taken, False, exact.evaluate_all(list(quantities), whole), _share(goal, low)))
    return found, evolved.tried


def _best(
    problem: MapProblem, design: Design, mappings: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], Design, exact.Result] | None:
    """Of mappings, best first as floats tell, the best that meets the requirements exactly."""
    found: list[tuple[tuple[int, ...], Design, list[exact.Result]]] = []
    for taken in mappings:
        whole = _mapped(problem, design, taken)
        if whole is None or any(v is not True for v in exact.evaluate_all(list(problem.requirements), whole)):
            continue
        goals = exact.evaluate_all(list(problem.goals), whole)
        if any(isinstance(g, (exact.Undefined, exact.Unknown)) for g in goals):
            continue
        found.append((tuple(taken), whole, goals))
    if not found:
        return None
    if all(isinstance(g, Fraction) for _, _, goals in found for g in goals):
        found.sort(key=lambda f: f[2])
    taken, whole, goals = found[0]
    return taken, whole, goals[0] if goals else Fraction(0)


def _mapped(problem: MapProblem, design: Design, taken: Sequence[int]) -> Design | None:
    """What is read, with the values of the maps that are there; None where one takes what it may not."""
    whole = dict(design)
    for m, k in zip(problem.maps, taken, strict=True):
        if exact.evaluate(m.guard, whole) is not True:
            continue
        if m.allowed is not None and exact.evaluate(m.allowed[k], whole) is not True:
            return None
        whole[m.path] = m.values[k]
    return whole


def _bounds(
    problem: MapProblem, declared: Sequence[Decision], reads: Sequence[Mapping[str, Value]]
) -> tuple[list[float], list[Ints]]:
    """For each row what the logarithm of no goal is less than, infinite where there is no mapping; and mappings to
    begin with."""
    lows, starts = [], []
    known = len(reads) <= BOUNDED
    for design in reads:
        low, begun = _ends(problem, design), numpy.zeros((0, len(problem.maps)), dtype=numpy.int64)
        if known and low < math.inf:
            try:
                near, begun = bound(problem, {d.path: design.get(d.path) for d in declared})
                low = max(low, near)
            except (NotApart, NotExact):
                known = False  # nor do they know the other rows
        lows.append(low)
        starts.append(begun)
    return lows, starts


def _ends(problem: MapProblem, design: Mapping[str, Value]) -> float:
    bounder = Bounder({**{p: (v,) for p, v in design.items()}, **{m.path: m.values for m in problem.maps}})
    if any(bounder.bounds(r).settled is False for r in problem.requirements):
        return math.inf
    low = bounder.bounds(problem.goals[0]).low
    return logarithm(low) if isinstance(low, Fraction) and low > 0 else -math.inf


def _share(goal: exact.Result, low: float) -> Fraction | None:
    """How much a goal is above what it is no less than, as a share of that, or a little more."""
    if isinstance(goal, exact.Enclosure):
        goal = goal.high
    if not isinstance(goal, Fraction) or goal <= 0 or low == -math.inf:
        return None
    above = logarithm(goal) - low
    if above > 600:
        return None
    return Fraction(math.ceil(max(math.expm1(above), 0.0) * (1 + 1e-9) * GRAIN), GRAIN)


__all__ = ["Row", "meet"]
