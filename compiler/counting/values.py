"""How many feasible designs keep each value of each decision: exact, or between proved bounds.

A value of which none is left is dead; one that surely keeps some is alive. Components are counted apart (`count.solve`)
and what one leaves multiplies what the others keep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import frozen
from cospace.compiler.clock import attempt
from cospace.compiler.counting.count import Component, Limits, Solved, Whole, solve_space, unknown_values
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import Frame, TooMany
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Space

Bounds = tuple[int, int]
"""At least and at most, both proved; equal where the count is exact."""


@frozen
class ValueCounts:
    """Of one decision: the feasible designs with each of its values, in their order, and those where it is not live."""

    path: str
    counts: tuple[Bounds, ...]
    absent: Bounds

    @property
    def exact(self) -> bool:
        return all(low == high for low, high in (*self.counts, self.absent))

    @property
    def dead(self) -> tuple[int, ...]:
        """Indices of values that no feasible design takes."""
        return tuple(i for i, (_, high) in enumerate(self.counts) if high == 0)

    @property
    def open(self) -> tuple[int, ...]:
        """Indices of values of which it isn't known whether any feasible design takes them."""
        return tuple(i for i, (low, high) in enumerate(self.counts) if low == 0 < high)


def per_value_counts(
    space: Space, fixed: Mapping[str, Value] | None = None, limits: Limits | None = None
) -> tuple[ValueCounts, ...] | None:
    """One entry for each decision of the space, in order; None where not even the guards could be counted.

    Raises DesignError at a path or value in `fixed` that is not there.
    """
    return values_of(solve_space(space, fixed, limits))


def values_of(whole: Whole) -> tuple[ValueCounts, ...] | None:
    """As `per_value_counts`, of a space that is counted already."""
    frame = whole.frame
    if whole.count.bounds == (0, 0):
        return tuple(_none(frame, v) for v in range(len(frame.decisions)))
    if whole.count.raw is None:
        return None
    every, most = Component(tuple(range(len(frame.decisions))), (), ()), whole.count.raw
    parts = whole.parts or (Solved(every, whole.count, lambda: unknown_values(frame, every, most)),)
    found: dict[int, ValueCounts] = {}
    try:
        for k, one in enumerate(parts):
            rest = [s.count.bounds for i, s in enumerate(parts) if i != k]
            low, high = math.prod(b[0] for b in rest), math.prod(b[1] or 0 for b in rest)
            found |= _of_part(frame, one, low, high)
    except (TooMany, TooLarge, Undecided):
        return None
    return tuple(found[v] for v in range(len(frame.decisions)))


def _of_part(frame: Frame, solved: Solved, low: int, high: int) -> dict[int, ValueCounts]:
    most = solved.count.bounds[1] or 0
    below, above = attempt(solved.values, lambda: unknown_values(frame, solved.part, most))
    found = {}
    for v in solved.part.variables:
        d = frame.decisions[v]
        counts = [(0, 0)] * (len(d.values) + 1)
        for index, least, kept in zip(frame.domains[v], below[v], above[v], strict=True):
            counts[int(index)] = (least * low, min(kept, most) * high)
        found[v] = ValueCounts(d.path, tuple(counts[:-1]), counts[-1])
    return found


def _none(frame: Frame, v: int) -> ValueCounts:
    d = frame.decisions[v]
    return ValueCounts(d.path, ((0, 0),) * len(d.values), (0, 0))
