"""A plan of few designs run by kernels across mappings: the lanes of a vector are values of one map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy
from attrs import evolve
from cospace.compiler.native.fused import call
from cospace.compiler.native.machine import Compiled, compiled, lanes
from cospace.compiler.native.schedule import Kernel, schedule
from cospace.compiler.numbers.arrays import DTYPES, NUMPY, Array
from cospace.compiler.numbers.plan import kept_of, run_step
from cospace.compiler.numbers.room import Keep, sizes_of
from cospace.compiler.numbers.steps import Ref, Step

if TYPE_CHECKING:
    from cospace.compiler.numbers.plan import Columns, Plan

FOLDED = frozenset({"least", "greatest", "any"})
"""What goes over all places of its axes and may do so lane by lane first."""
IN_LANES = 1 << 42
"""Less the id of a value: the same of each lane, of which it is the least, the greatest, or whether any holds."""


class Lanes:
    """The steps of a plan with the axis of the map `path` and that of the designs, of which there is one, exchanged.

    A value without axes that is folded over lanes is a step "across", after what can be done in each lane by itself.
    """

    def __init__(self, plan: Plan, path: str) -> None:
        refs = _refs(plan)
        self.axis = {i: r.axes.index(path) for i, r in refs.items() if path in r.axes}
        """Of the arrays that have it, which it is from the left."""
        self.refs = {i: self._turned(r) for i, r in refs.items()}
        self.wanted = [self.refs[r.id] for r in plan.wanted]
        self.steps: list[Step] = []
        self._in_lanes: dict[int, tuple[Ref, str]] = {}  # and what they are folded by
        self._folded: set[int] = set()
        for step in plan.steps:
            if not self._stays_in_lanes(step):
                for a in step.args:
                    self._fold(a)
                self.steps.append(evolve(step, out=self.refs[step.out.id], args=self._args(step)))
        for r in plan.wanted:
            self._fold(r)
        self.refs |= {s.out.id: s.out for s in self.steps}
        self.kept = {s.out.id for s in self.steps if not s.out.batch or s.name == "break_ties"}
        """What is the same in all lanes, or hangs on what is best in all of them: array steps."""

    def _turned(self, ref: Ref) -> Ref:
        at = self.axis.get(ref.id)
        made = Ref(ref.id, ref.kind, ref.dims, at is not None, ref.range, ref.nan, ref.const, (), ref.axes)
        if at is not None:
            made.dims = (*ref.dims[:at], 1, *ref.dims[at + 1 :])
            made.axes = (*ref.axes[:at], "", *ref.axes[at + 1 :])
            made.const = None
        return made

    def _args(self, step: Step) -> tuple[Ref, ...]:
        return tuple(self.refs[a.id] for a in step.args)

    def _stays_in_lanes(self, step: Step) -> bool:
        """Adds a step whose value is folded over the lanes when that is asked for; False where it is none."""
        out, args = step.out, step.args
        here = [self._in_lanes.get(a.id) for a in args]
        if step.name in FOLDED and not out.dims and args[0].id in self.axis:
            fold, read = step.name, self._args(step)
        elif step.name == "le" and args[0].const is not None and here[1] is not None and here[1][1] == "greatest":
            fold, read = "any", (self.refs[args[0].id], here[1][0])
        elif (
            step.name == "or"
            and not out.dims
            and all(a.const is not None if h is None else h[1] == "any" for a, h in zip(args, here, strict=True))
        ):
            fold = "any"
            read = tuple(self.refs[a.id] if h is None else h[0] for a, h in zip(args, here, strict=True))
        else:
            return False
        made = Ref(-IN_LANES - out.id, out.kind, (), True, out.range, out.nan)
        self.steps.append(evolve(step, out=made, args=read))
        self._in_lanes[out.id] = made, fold
        return True

    def _fold(self, ref: Ref) -> None:
        if ref.id in self._in_lanes and ref.id not in self._folded:
            self._folded.add(ref.id)
            lanes_, fold = self._in_lanes[ref.id]
            self.steps.append(Step("across", self.refs[ref.id], (lanes_,), fold))


def _refs(plan: Plan) -> dict[int, Ref]:
    return {r.id: r for s in plan.steps for r in (s.out, *s.args)} | {r.id: r for r in plan.wanted}


class Across:
    """The kernels of a plan whose lanes are the values of the map `path`."""

    def __init__(self, plan: Plan, path: str) -> None:
        self.plan, self.path = plan, path
        self.width = lanes()
        self.turned = Lanes(plan, path)
        found = schedule(self.turned.steps, self.turned.wanted, self.turned.kept)
        self.parts: list[Compiled | Step] = [
            compiled(part, self.width) if isinstance(part, Kernel) else part for part in found.parts
        ]
        self.by_id = {s.out.id: s for s in plan.steps}
        self.size = next(r.dims[self.turned.axis[i]] for i, r in _refs(plan).items() if i in self.turned.axis)
        self.room: dict[int, Array] = {}
        """What kernels gave before, by id."""
        self.fixed: dict[int, Array] = {}
        """Constants as kernels read them, of those that have none of the axes of which some values are tried."""
        self._paths: frozenset[str] = frozenset()
        self._sizes: tuple[object, dict[int, tuple[int, ...]]] = (None, {})

    def sizes(self, keep: Keep) -> dict[int, tuple[int, ...]]:
        """Of the axes of each array that a kernel knows, by its id."""
        tried = tuple((path, len(places)) for path, places in keep.items())
        if tried != self._sizes[0]:
            self._sizes = tried, {i: sizes_of(ref, keep) for i, ref in self.turned.refs.items()}
        return self._sizes[1]

    def blocks(self, rows: Columns, inputs: Mapping[str, Any], keep: Keep) -> Iterator[tuple[slice, dict[int, Array]]]:
        """As the plan's, a design at a time."""
        if self.path not in keep:
            keep = {**keep, self.path: numpy.arange(self.size)}
        tried = len(keep[self.path])
        if tried < self.width:  # a vector at least: what is tried twice changes nothing
            keep = {**keep, self.path: numpy.pad(keep[self.path], (0, self.width - tried), mode="edge")}
        if self._paths != frozenset(keep):
            self._paths = frozenset(keep)
            self.fixed.clear()
        constants = {i: kept_of(ref, keep) for i, ref in self.plan.constants.items()}
        for n in range(rows.size):
            window = slice(n, n + 1)
            yield window, _Values(self, keep, constants, rows, window, inputs).run(tried)


class _Values:
    """Arrays of one design. plain: as the plan promises them; turned: as kernels know them."""

    def __init__(
        self, across: Across, keep: Keep, constants: Mapping[int, Array], rows: Columns, window: slice,
        inputs: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.across, self.keep, self.rows, self.window, self.inputs = across, keep, rows, window, inputs
        self.axis, self.sizes, self.width = across.turned.axis, across.sizes(keep), len(keep[across.path])
        self.plain = dict(constants)
        self.turned = dict(across.fixed)

    def run(self, tried: int) -> dict[int, Array]:
        for part in self.across.parts:
            if isinstance(part, Compiled):
                self._call(part)
            elif part.name == "across":
                lanes_ = self.turned[part.args[0].id].reshape(-1, 1)
                self.plain[part.out.id] = NUMPY[str(part.setting)](None, [lanes_], 1)
            else:
                self._step(self.across.by_id[part.out.id])
        return {r.id: self._tried(r.id, tried) for r in self.across.plan.wanted}

    def _tried(self, i: int, tried: int) -> Array:
        found, at = self._plain(i), self.axis.get(i)
        return found if at is None or tried == self.width else found[(slice(None),) * at + (slice(tried),)]

    def _step(self, step: Step) -> None:
        out: Array = numpy.empty((*sizes_of(step.out, self.keep), 1), DTYPES[step.out.kind])
        for a in step.args:
            self._plain(a.id)
        self.plain[step.out.id] = run_step(step, out, self.plain, self.rows, self.window, self.inputs)

    def _plain(self, i: int) -> Array:
        if i not in self.plain:
            self.plain[i] = self.turned[i].swapaxes(self.axis[i], -1)
        return self.plain[i]

    def _turned(self, i: int) -> Array:
        if i not in self.turned:
            array, at = self.plain[i], self.axis.get(i)
            if at is not None:
                array = array.swapaxes(at, -1)
            self.turned[i] = numpy.ascontiguousarray(array)
            ref = self.across.plan.constants.get(i)
            if ref is not None and not any(name in self.keep for name in ref.axes):
                self.across.fixed[i] = self.turned[i]
        return self.turned[i]

    def _call(self, part: Compiled) -> None:
        values = {o.id: self._turned(o.id) for o in part.kernel.reads}
        for o in part.kernel.gives:
            shape = (*self.sizes[o.id], self.width)
            known = self.across.room.get(o.id)
            if known is None or known.shape != shape:
                known = self.across.room[o.id] = numpy.empty(shape, DTYPES[o.kind])
            values[o.id] = self.turned[o.id] = known
        call(part, values, self.width, self.sizes)


__all__ = ["Across"]
