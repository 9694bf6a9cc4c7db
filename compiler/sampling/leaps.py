"""From a state of a group back to its decisions: several steps at once, a draw among the ways that lead there."""

from __future__ import annotations

from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.states import Table, Taken
from cospace.compiler.sampling.ragged import Ragged, of_weights
from numpy.typing import NDArray

Array = NDArray[Any]
WAYS = 4_000_000
"""Ways of one leap, at most, but for one step alone."""
SMALL = 64
"""Up to so many values of a class, one is drawn by 16 random bits."""


@frozen(eq=False)
class _Leap:
    """ways: drawn by the state they lead to; source: the state they come from (None: the start).

    code: their classes as digits; bases: the decision of each digit and how many classes it has, the last digit first.
    """

    ways: Ragged
    source: Array | None
    code: Array
    bases: tuple[tuple[Taken, int], ...]


class Back:
    """The decisions of one kind of group, drawn from its last states with probability exactly their share."""

    def __init__(self, table: Table) -> None:
        self._leaps: list[_Leap] = []
        last = len(table.steps)
        while last:
            last = self._leap(table, last)
        self._values = {id(s): _Members(s) for s in table.steps}

    def _leap(self, table: Table, last: int) -> int:
        """The longest leap to the states after step `last` (from 1); the step it starts after."""
        step = table.steps[last - 1]
        starts = numpy.append(step.first, len(step.source)).astype(numpy.int64)
        source, code = step.source.astype(numpy.int64), step.group.astype(numpy.int64)
        sizes = numpy.array([len(c) for c in step.classes], dtype=numpy.int64)
        weight = sizes[step.group]
        base = len(step.classes)
        bases = [(step, base)]
        at = last - 1
        while at:
            step = table.steps[at - 1]
            ends = numpy.append(step.first, len(step.source)).astype(numpy.int64)
            many = numpy.diff(ends)[source]
            total = int(many.sum())
            if total > WAYS or base * len(step.classes) >= 1 << 62:
                break
            way = numpy.repeat(ends[source] - (numpy.cumsum(many) - many), many) + numpy.arange(total)
            starts = numpy.concatenate([[0], numpy.cumsum(many)])[starts]
            sizes = numpy.array([len(c) for c in step.classes], dtype=numpy.int64)
            weight = numpy.repeat(weight, many) * sizes[step.group[way]]
            code = numpy.repeat(code, many) + base * step.group[way].astype(numpy.int64)
            source = step.source[way].astype(numpy.int64)
            base *= len(step.classes)
            bases.append((step, len(step.classes)))
            at -= 1
        if at:
            weight = weight * table.weights[at - 1][source]
        kind = numpy.int32 if base < 1 << 31 else numpy.int64
        leap = _Leap(
            of_weights(starts, weight), source.astype(numpy.int32) if at else None, code.astype(kind), tuple(bases)
        )
        self._leaps.append(leap)
        return at

    def draw(self, state: Array, rng: numpy.random.Generator) -> dict[int, Array]:
        """For each decision of the group positions in its domain, (n,)."""
        found: dict[int, Array] = {}
        for leap in self._leaps:
            way = leap.ways.draw(state, rng)
            code = leap.code.take(way)
            for number, (step, base) in enumerate(leap.bases):
                if number == len(leap.bases) - 1:
                    group = code
                else:
                    rest = code // code.dtype.type(base)
                    group = code - rest * code.dtype.type(base)
                    code = rest
                found[step.variable] = self._values[id(step)].draw(group, rng)
            if leap.source is not None:
                state = leap.source.take(way)
        return found


class _Members:
    """One of the values of a class, each as likely."""

    def __init__(self, step: Taken) -> None:
        sizes = numpy.array([len(c) for c in step.classes])
        largest = int(sizes.max(initial=1))
        self._single = largest == 1
        self._bits = 16 if largest <= SMALL else 32
        self._word: Any = numpy.uint16 if self._bits == 16 else numpy.uint32
        self._wide: Any = numpy.uint32 if self._bits == 16 else numpy.uint64
        self._sizes = sizes.astype(self._wide)
        self._first = (numpy.cumsum(sizes) - sizes).astype(numpy.int32)
        self._unfair = (1 << self._bits) % sizes
        values = numpy.concatenate(step.classes)
        self._values = values.astype(numpy.int16 if int(values.max(initial=0)) < 1 << 15 else numpy.int32)

    def draw(self, group: Array, rng: numpy.random.Generator) -> Array:
        """Positions in the decision's domain; Lemire's way, redrawn where it would favour some."""
        if self._single:
            return self._values.take(group)
        size = self._sizes.take(group)
        product = size * rng.integers(0, 1 << self._bits, size=len(group), dtype=self._word)
        low = product.astype(self._word)
        left = numpy.flatnonzero(low < size)
        while len(left):
            left = left[low[left] < self._unfair[group[left]]]
            again = rng.integers(0, 1 << self._bits, size=len(left), dtype=self._word)
            product[left] = size[left] * again
            low[left] = product[left].astype(self._word)
        product = product >> self._wide(self._bits)
        return numpy.asarray(self._values.take(self._first.take(group) + product.astype(numpy.int32)))


__all__ = ["Back"]
