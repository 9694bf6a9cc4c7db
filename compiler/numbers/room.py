"""Where the arrays of a plan's steps are kept: buffers that several steps share, made once for blocks of one size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy
from cospace.compiler.numbers.arrays import DTYPES, Array
from cospace.compiler.numbers.steps import Ref

if TYPE_CHECKING:
    from cospace.compiler.numbers.plan import Plan

Keep = Mapping[str, Array]
"""Path of a map -> the places on its axis that are tried."""


class Room:
    """The buffers of a plan, kept from one run to the next while as many values of each map are tried."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.per_design = 0
        """Bytes."""
        self._tried: tuple[int, ...] | None = None
        kinds = {(s.out.dims, s.out.axes): s.out for s in plan.steps}
        places = {key: k for k, key in enumerate(kinds)}
        self._kinds = list(kinds.values())
        """One of each kind of arrays, for many are over the same axes; and which kind each step's is."""
        self._kind = [places[s.out.dims, s.out.axes] for s in plan.steps]
        self._shapes: list[tuple[int, ...]] = []
        self._sizes: list[int] = []
        self._width = -1
        self._flat: list[Array] = [numpy.empty(0, DTYPES[kind]) for _, kind in plan.buffers]
        self._outs: list[Array] = []

    def fit(self, keep: Keep) -> None:
        """For runs that try these values."""
        paths = self.plan.paths
        tried = tuple(len(keep[p]) if p in keep else -1 for p in paths)
        if tried == self._tried:
            return
        self._tried, self._width, self._outs = tried, -1, []
        shapes = [sizes_of(out, keep) for out in self._kinds]
        self._shapes = [shapes[k] for k in self._kind]
        self._sizes = [0] * len(self.plan.buffers)
        for shape, slot in zip(self._shapes, self.plan.slots, strict=True):
            self._sizes[slot] = max(self._sizes[slot], math.prod(shape))
        each = zip(self._sizes, self.plan.buffers, strict=True)
        self.per_design = sum(size * numpy.dtype(DTYPES[kind]).itemsize for size, (_, kind) in each)

    def outs(self, width: int) -> Sequence[Array]:
        """For each step the array that it may write to, for so many designs."""
        if width != self._width:
            kinds = [DTYPES[kind] for _, kind in self.plan.buffers]
            for slot, (size, k) in enumerate(zip(self._sizes, kinds, strict=True)):
                if self._flat[slot].size < size * width:
                    self._flat[slot] = numpy.empty(size * width, k)
            made: dict[tuple[object, ...], Array] = {}  # one array for a place, so that steps know their own
            self._outs = []
            for place in zip(self._shapes, self.plan.slots, strict=True):
                if place not in made:
                    shape, slot = place
                    made[place] = self._flat[slot][: math.prod(shape) * width].reshape(*shape, width)
                self._outs.append(made[place])
            self._width = width
        return self._outs


def sizes_of(ref: Ref, keep: Keep) -> tuple[int, ...]:
    """Its axes of maps as they are kept."""
    return tuple(len(keep[name]) if name in keep else size for size, name in zip(ref.dims, ref.axes, strict=True))


__all__ = ["Keep", "Room", "sizes_of"]
