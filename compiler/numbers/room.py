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
        self._shapes: list[tuple[int, ...]] = []
        self._sizes: list[int] = []
        self._width = -1
        self._outs: list[Array] = []

    def fit(self, keep: Keep) -> None:
        """For runs that try these values."""
        paths = self.plan.paths
        tried = tuple(len(keep[p]) if p in keep else -1 for p in paths)
        if tried == self._tried:
            return
        self._tried, self._width, self._outs = tried, -1, []
        self._shapes = [sizes_of(step.out, keep) for step in self.plan.steps]
        self._sizes = [0] * len(self.plan.buffers)
        for shape, slot in zip(self._shapes, self.plan.slots, strict=True):
            self._sizes[slot] = max(self._sizes[slot], math.prod(shape))
        each = zip(self._sizes, self.plan.buffers, strict=True)
        self.per_design = sum(size * numpy.dtype(DTYPES[kind]).itemsize for size, (_, kind) in each)

    def outs(self, width: int) -> Sequence[Array]:
        """For each step the array that it may write to, for so many designs."""
        if width != self._width:
            kinds = [DTYPES[kind] for _, kind in self.plan.buffers]
            flat: list[Array] = [numpy.empty(size * width, k) for size, k in zip(self._sizes, kinds, strict=True)]
            made: dict[tuple[object, ...], Array] = {}  # one array for a place, so that steps know their own
            self._outs = [
                made.setdefault((slot, shape), flat[slot][: math.prod(shape) * width].reshape(*shape, width))
                for shape, slot in zip(self._shapes, self.plan.slots, strict=True)
            ]
            self._width = width
        return self._outs


def sizes_of(ref: Ref, keep: Keep) -> tuple[int, ...]:
    """Its axes of maps as they are kept."""
    return tuple(len(keep[name]) if name in keep else size for size, name in zip(ref.dims, ref.axes, strict=True))


__all__ = ["Keep", "Room", "sizes_of"]
