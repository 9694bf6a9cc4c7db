"""The steps that some outputs need, run over batches of designs: buffers, blocks, the values of maps that are tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy
from cospace.compiler.numbers.arrays import DTYPES, ELEMENTWISE, NUMPY, Array, Primitive, torch_primitives
from cospace.compiler.numbers.build import Builder, slots
from cospace.compiler.numbers.cases import WHOLE, Cases
from cospace.compiler.numbers.room import Keep, Room
from cospace.compiler.numbers.steps import Ref, Step
from cospace.compiler.space.model import Decision

if TYPE_CHECKING:
    from cospace.compiler.native.across import Across
    from cospace.compiler.native.fused import Fused

CACHE_BYTES = 4 << 20
"""What the arrays of one block of designs should take together."""
WORTH = 1_500_000
"""Numbers of each step that are worked out in about the time that it takes to compile it to machine code."""
ACROSS = 400_000
"""The same of kernels that go across mappings (1,500 steps took 0.3 s, 1.2 billion numbers a second)."""
STARTED = 200_000_000
"""Numbers that are worked out while the compiler is loaded."""
FEWEST = 64
"""Designs that are worth a call of it."""


class Columns:
    """Designs by column, each made contiguous and checked when it is first asked for."""

    def __init__(self, xp: Any, rows: Any, decisions: Sequence[Decision]) -> None:
        self.xp = xp
        self.decisions = decisions
        self.size: int = rows.shape[0]
        self._rows = rows if xp is numpy else xp.as_tensor(rows)
        self._known: dict[int, Array] = {}
        self._within: tuple[Columns, Array] | None = None

    def subset(self, where: Array) -> Columns:
        """Some of the designs."""
        made = Columns(self.xp, where, self.decisions)
        made._within = (self, where)
        return made

    def with_column(self, decision: Decision, column: Array) -> Columns:
        """The same designs with one more decision."""
        made = Columns(self.xp, self._rows, [*self.decisions, decision])
        made._known = {**self._known, len(self.decisions): column}
        return made

    def column(self, j: int) -> Array:
        """Indices of one decision; where it is not live, the last slot of its tables. Raises ValueError."""
        if j not in self._known:
            if self._within is not None:
                parent, where = self._within
                self._known[j] = parent.column(j)[where]
            else:
                self._known[j] = self._checked(j)
        return self._known[j]

    def _checked(self, j: int) -> Array:
        d, xp = self.decisions[j], self.xp
        column = self._rows[:, j]
        if xp is numpy:
            column = numpy.ascontiguousarray(column, dtype=numpy.int64)
        size = len(d.values)
        least, largest = (int(column.min()), int(column.max())) if self.size else (0, 0)
        if largest >= size:
            raise ValueError(f"{d.path} has {size} values; a design has index {largest}")
        if least < 0:
            if d.guard.is_const and d.guard.value is True:
                raise ValueError(f"{d.path} is always live; a design has no value for it")
            column = xp.where(column < 0, size, column)
        return column


class Plan:
    """The steps that some outputs need, with numpy buffers assigned to them."""

    def __init__(self, builder: Builder, wanted: Sequence[Ref], xp: Any) -> None:
        self.wanted = list(wanted)
        self.xp = xp
        needed: set[int] = set()
        pending = [r.id for r in wanted if r.id >= 0]
        while pending:
            i = pending.pop()
            if i not in needed:
                needed.add(i)
                pending.extend(a.id for a in builder.steps[i].args if a.id >= 0)
        self.steps: list[Step] = [builder.steps[i] for i in sorted(needed)]
        self.constants = {a.id: a for s in self.steps for a in s.args if a.const is not None}
        self.constants |= {r.id: r for r in wanted if r.const is not None}
        self.numpy = xp is numpy
        self.table = NUMPY if self.numpy else torch_primitives(xp)
        self.paths = sorted({name for s in self.steps for name in s.out.axes if name})
        """Maps whose values are axes of its arrays."""
        self.guarded: list[tuple[int, int]] = [s.setting for s in self.steps if s.name == "guarded"]  # type: ignore[misc]
        self.buffers: list[tuple[tuple[int, ...], str]] = []
        self.slots: list[int] = []
        self._assign()
        columns = {path: (j, slots(d)) for path, (j, d) in builder.decisions.items()}
        self._asked = 0
        self._fused: Fused | None = None
        self.cases = Cases.of_steps(self.steps, builder.kept, columns)

    def _assign(self) -> None:
        """Buffers by the last use of what they hold."""
        last: dict[int, int] = {}
        for position, step in enumerate(self.steps):
            for a in step.args:
                last[a.id] = position
        for r in self.wanted:
            last[r.id] = len(self.steps)
        for step in reversed(self.steps):
            if step.name in ("same", "break_ties"):
                source = step.args[0].id
                last[source] = max(last[source], last.get(step.out.id, 0))
        free: dict[tuple[tuple[int, ...], str], list[int]] = {}
        holds: dict[int, int] = {}
        for position, step in enumerate(self.steps):
            kind = (step.out.dims, step.out.kind)
            ended = [a.id for a in step.args if last[a.id] == position and a.id in holds]
            if step.name in ELEMENTWISE:
                self._release(ended, holds, free)
                ended = []
            pool = free.setdefault(kind, [])
            rest = step.args[2].id if step.name == "where" else -1
            if rest in ended and self.buffers[holds[rest]] == kind:
                slot = holds.pop(rest)  # what is chosen is put into what it stands in for
                ended.remove(rest)
            elif pool:
                slot = pool.pop()
            else:
                slot = len(self.buffers)
                self.buffers.append(kind)
            self.slots.append(slot)
            holds[step.out.id] = slot
            self._release(ended, holds, free)
            if step.out.id not in last:
                self._release([step.out.id], holds, free)

    def _release(
        self, ids: Sequence[int], holds: dict[int, int], free: dict[tuple[tuple[int, ...], str], list[int]]
    ) -> None:
        for i in ids:
            slot = holds.pop(i, None)
            if slot is not None:
                free.setdefault(self.buffers[slot], []).append(slot)

    def run(self, rows: Columns, inputs: Mapping[Any, Any]) -> list[Array]:
        """The wanted arrays of all designs, each over the values of maps that it allows."""
        n = rows.size
        results: list[Array] = [numpy.empty(n, DTYPES[r.kind]) for r in self.wanted]
        with numpy.errstate(all="ignore"):
            for group in self.cases.groups(rows):
                at = group.rows
                some = rows if at is None else rows.subset(at)
                for window, values in self.blocks(some, inputs if at is None else window_of(inputs, at, n), group.keep):
                    where = window if at is None else at[window]
                    for result, ref in zip(results, self.wanted, strict=True):
                        result[where] = values[ref.id]
        return results

    def blocks(
        self, rows: Columns, inputs: Mapping[str, Any], keep: Keep = WHOLE.keep, room: Room | None = None
    ) -> Iterator[tuple[slice, dict[int, Array]]]:
        """Some designs after the other: which, and the arrays of all steps, overwritten by the next. room: of this
        plan, for one run after the other."""
        n = rows.size
        fused = self._fused_for(n)
        if fused is not None:
            yield from fused.blocks(rows, inputs, keep)
            return
        constants = {i: kept_of(ref, keep) for i, ref in self.constants.items()}
        room = room or Room(self)
        room.fit(keep)
        block = min(max(CACHE_BYTES // max(room.per_design, 1), 512), 16_384)
        for low in range(0, n, block):
            window = slice(low, min(low + block, n))
            outs = room.outs(window.stop - low)
            yield window, self._block(rows, window, window_of(inputs, window, n), outs, constants)

    @cached_property
    def _width(self) -> float:
        return self.cases.width

    def _fused_for(self, n: int) -> Fused | None:
        """The plan's machine code, once so much was asked of it that compiling it pays."""
        from cospace.compiler.native import NATIVE

        if not self.numpy or n < FEWEST or NATIVE.get() is False:
            return None
        self._asked += n
        if self._fused is None and (NATIVE.get() or self._asked * self._width > STARTED + WORTH * len(self.steps)):
            from cospace.compiler.native import installed

            if installed():
                from cospace.compiler.native.fused import Fused

                self._fused = Fused(self)
        return self._fused

    def across(self, tried: Mapping[str, int], designs: int, together: int) -> Across | None:
        """Its machine code across the values of one map, where compiling it pays: there are too few designs to fill
        vectors with them. tried: of each map at a time; designs: in all, and how many of them are run together."""
        from cospace.compiler.native import NATIVE

        many = max((p for p in self.paths if p in tried), key=lambda path: tried[path], default="")
        sure = all(len(r.axes) == len(r.dims) for s in self.steps for r in (s.out, *s.args))
        if not many or not sure or NATIVE.get() is False or min(designs, together) >= FEWEST:
            return None
        numbers = designs * sum(math.prod(s.out.dims) for s in self.steps)
        if not NATIVE.get() and (tried[many] < 16 or numbers < STARTED + ACROSS * len(self.steps)):
            return None
        from cospace.compiler.native import installed

        if not installed():
            return None
        from cospace.compiler.native.across import Across

        return Across(self, many)

    def _block(
        self, rows: Columns, window: slice, inputs: Mapping[str, Any], outs: Sequence[Array],
        constants: Mapping[int, Array],
    ) -> dict[int, Array]:  # fmt: skip
        values: dict[int, Array] = dict(constants)
        for (step, made, primitive, args, setting), out in zip(self._calls, outs, strict=True):
            if primitive is None:
                values[made] = run_step(step, out, values, rows, window, inputs)
            else:
                values[made] = primitive(out, [values[a] for a in args], setting)
        return values

    @cached_property
    def _calls(self) -> list[tuple[Step, int, Primitive | None, tuple[int, ...], object]]:
        return [(s, s.out.id, NUMPY.get(s.name), tuple(a.id for a in s.args), s.setting) for s in self.steps]

    def run_torch(self, rows: Columns, inputs: Mapping[str, Any]) -> list[Array]:
        xp, n = self.xp, rows.size
        values: dict[int, Array] = {i: xp.as_tensor(c.const) for i, c in self.constants.items()}
        for step in self.steps:
            if step.name == "column":
                values[step.out.id] = rows.column(step.setting)  # type: ignore[arg-type]
            elif step.name == "input":
                given = xp.as_tensor(inputs.get(step.setting, math.nan), dtype=xp.float64)  # type: ignore[call-overload]
                values[step.out.id] = xp.broadcast_to(given, (n,))
            else:
                made = self.table[step.name](None, [values[a.id] for a in step.args], step.setting)
                values[step.out.id] = spread(xp, made, step.out)
        return [xp.broadcast_to(values[r.id].reshape(-1), (n,)) for r in self.wanted]


def run_step(
    step: Step, out: Array, values: Mapping[int, Array], rows: Columns, window: slice, inputs: Mapping[str, Any]
) -> Array:
    """What a step makes of some designs in numpy, in `out` where it can."""
    if step.name == "column":
        return rows.column(step.setting)[window]  # type: ignore[arg-type]
    if step.name == "guarded":
        return inputs[step.setting]  # type: ignore[index]
    if step.name == "input":
        out[...] = inputs.get(step.setting, math.nan)  # type: ignore[call-overload]
        return out
    return NUMPY[step.name](out, [values[a.id] for a in step.args], step.setting)


def spread(xp: Any, array: Array, ref: Ref) -> Array:
    """An array with all the axes that its reference promises."""
    shape = (*ref.dims, array.shape[-1])
    return array if tuple(array.shape) == shape else xp.broadcast_to(array, shape)


def window_of(inputs: Mapping[Any, Any], where: slice | Array, n: int) -> Mapping[Any, Any]:
    """Inputs are one number for all designs or an array of shape (n,)."""
    return {k: v[where] if getattr(v, "shape", ()) == (n,) else v for k, v in inputs.items()}


def kept_of(ref: Ref, keep: Keep) -> Array:
    """A constant at the places of its axes that are kept."""
    array = ref.const
    for axis, name in enumerate(ref.axes):
        if name in keep:
            array = numpy.take(array, keep[name], axis=axis)  # type: ignore[arg-type]
    return array


__all__ = ["Columns", "Plan", "kept_of", "run_step", "spread", "window_of"]
