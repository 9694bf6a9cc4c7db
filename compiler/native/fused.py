"""A plan run by kernels: what its blocks give, many designs at a time, on all cores."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy
from cospace.compiler.native.machine import Compiled, compiled, lanes
from cospace.compiler.native.schedule import Kernel, Schedule, schedule
from cospace.compiler.numbers.arrays import DTYPES, Array
from cospace.compiler.numbers.plan import kept_of, run_step, window_of
from cospace.compiler.numbers.room import sizes_of
from cospace.compiler.numbers.steps import Ref, Step

if TYPE_CHECKING:
    from cospace.compiler.numbers.plan import Columns, Plan

Sizes = Mapping[int, tuple[int, ...]]
"""Of the axes of each array, by its id."""

BLOCK_BYTES = 64 << 20
"""What the arrays that kernels read and give take together, about."""
DESIGNS = 1 << 16
"""In a block, at most."""


def cores() -> int:
    """How many threads a kernel runs in: `OMP_NUM_THREADS`, else what there is."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    allowed = getattr(os, "sched_getaffinity", None)  # what a container leaves of the machine
    return len(allowed(0)) if allowed else os.cpu_count() or 1


class Fused:
    """The kernels of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.schedule: Schedule = schedule(plan.steps, plan.wanted)
        self.lanes = lanes()
        self.parts: list[Compiled | Step] = [
            compiled(part, self.lanes) if isinstance(part, Kernel) else part for part in self.schedule.parts
        ]

    def blocks(
        self, rows: Columns, inputs: Mapping[str, Any], keep: Mapping[str, Array]
    ) -> Iterator[tuple[slice, dict[int, Array]]]:
        """As the plan's: which designs, and the arrays that are wanted."""
        n = rows.size
        sizes = {i: sizes_of(ref, keep) for i, ref in self.schedule.values.items()}
        constants = {i: kept_of(ref, keep) for i, ref in self.plan.constants.items()}
        per_design = sum(8 * math.prod(sizes[r.id]) for part in self.parts for r in self._outs(part))
        block = max(min(BLOCK_BYTES // max(per_design, 1), DESIGNS), self.lanes)
        count = max(n // block, 1)
        for k in range(count):  # none is narrower than a vector
            window = slice(n * k // count, n * (k + 1) // count)
            yield window, self._block(rows, window, window_of(inputs, window, n), constants, sizes)

    def _outs(self, part: Compiled | Step) -> list[Ref]:
        if isinstance(part, Step):
            return [part.out]
        return [self.schedule.values[o.id] for o in part.kernel.gives]

    def _block(
        self, rows: Columns, window: slice, inputs: Mapping[str, Any], constants: Mapping[int, Array], sizes: Sizes
    ) -> dict[int, Array]:
        values: dict[int, Array] = dict(constants)
        width = window.stop - window.start
        for part in self.parts:
            if isinstance(part, Compiled):
                for ref in self._outs(part):
                    values[ref.id] = numpy.empty((*sizes[ref.id], width), DTYPES[ref.kind])
                call(part, values, width, sizes)
            else:
                out = numpy.empty((*sizes[part.out.id], width), DTYPES[part.out.kind])
                values[part.out.id] = run_step(part, out, values, rows, window, inputs)
        return values


def call(part: Compiled, values: Mapping[int, Array], width: int, sizes: Sizes) -> None:
    """A kernel over a block, a share of the designs a thread."""
    kernel = part.kernel
    given = [numpy.ascontiguousarray(values[o.id]) for o in kernel.reads] + [values[o.id] for o in kernel.gives]
    extents = {axis: sizes[i][-axis[0]] for axis, i in part.extents.items()}
    sizes_read = (ctypes.c_int64 * max(len(part.axes), 1))(*(extents[a] for a in part.axes))
    room = [math.prod(extents[a] for a in o.axes) * part.lanes for o in kernel.kept]

    def run(first: int, last: int) -> None:
        own: list[Array] = [numpy.empty(size, DTYPES[o.kind]) for size, o in zip(room, kernel.kept, strict=True)]
        addresses = [a.ctypes.data for a in (*given, *own)]
        part.call(first, last, width, (ctypes.c_void_p * max(len(addresses), 1))(*addresses), sizes_read)

    shares = _shares(width, part.lanes, cores())
    if len(shares) == 1:
        run(*shares[0])
    else:
        list(_pool().map(lambda share: run(*share), shares))


def _shares(width: int, lanes: int, threads: int) -> list[tuple[int, int]]:
    """Parts of a block, of whole vectors, one a thread."""
    each = max(-(-width // threads), lanes * 16)
    found = [(low, min(low + each, width)) for low in range(0, width, each)]
    if len(found) > 1 and found[-1][1] - found[-1][0] < lanes:
        found[-2:] = [(found[-2][0], width)]
    return found


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores())


__all__ = ["Fused", "call"]
