"""The steps of a plan, gathered into nests of loops over the axes of maps.

Steps that machine code is made of follow one another in kernels; what else there is stays an array step between them.
Inside a kernel, steps over the same axes share one nest, so that what only they read is never written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from attrs import field, frozen
from cospace.compiler.numbers.steps import Ref, Step

Axis = tuple[int, str]
"""An axis of maps: which from the right, the designs' not counted, and whose."""
Axes = tuple[Axis, ...]
"""From the left, the slowest first."""

POINTWISE = frozenset({
    "add", "mul", "quotient", "div", "mod", "floor", "ceil", "abs", "sqrt", "min", "max", "eq", "lt", "le", "and", "or",
    "not", "isnan", "finite", "same", "where", "choose", "masked", "near", "near_integer", "gather", "take", "joint",
    "at_most", "within_tie",
})  # fmt: skip
"""What is worked out for each place by itself."""
FOLDS = frozenset({"least", "greatest", "any", "first_true", "least_tied", "differ"})
"""What goes over all places of its axes."""
PICKS = frozenset({"pick", "sub_position"})
"""What reads arrays that are finished at a place that a design says."""


@frozen(eq=False)
class Operand:
    """A value: its id, kind and axes; ref: the array of the plan that it is, None of what a kernel alone makes."""

    id: int
    kind: str
    axes: Axes
    ref: Ref | None = None

    @property
    def constant(self) -> bool:
        return self.ref is not None and self.ref.const is not None

    @property
    def uniform(self) -> bool:
        """Whether it is the same in all lanes."""
        return self.ref is not None and not self.ref.batch


@frozen(eq=False)
class Task:
    """One operation: `over` the axes that its nest goes over, `out` what it makes."""

    name: str
    out: Operand
    args: tuple[Operand, ...]
    setting: Any
    over: Axes
    nan: bool = True


@frozen(eq=False)
class Nest:
    """Tasks in one nest of loops."""

    over: Axes
    tasks: tuple[Task, ...]


@frozen(eq=False)
class Kernel:
    """reads, gives: values from outside and for it; kept: those with axes that one nest makes and another reads."""

    nests: tuple[Nest, ...]
    reads: tuple[Operand, ...]
    gives: tuple[Operand, ...]
    kept: tuple[Operand, ...]


@frozen(eq=False)
class Schedule:
    """Kernels and array steps in the order in which they run; values: every reference by its id."""

    parts: tuple[Kernel | Step, ...]
    values: dict[int, Ref] = field(repr=False)


def axes_of(ref: Ref) -> Axes:
    count = len(ref.dims)
    return tuple((count - k, name) for k, (size, name) in enumerate(zip(ref.dims, ref.axes, strict=True)) if size > 1)


def schedule(steps: Sequence[Step], wanted: Sequence[Ref], kept: Collection[int] = ()) -> Schedule:
    """How a plan is run by kernels. kept: steps, by what they make, that stay array steps."""
    refs = {r.id: r for s in steps for r in (s.out, *s.args)} | {r.id: r for r in wanted}
    native = {s.out.id for s in steps if s.out.id not in kept and _is_native(s)}
    stage: dict[int, int] = {}  # even ones are kernels and what is loaded
    for s in steps:
        last = max((stage.get(a.id, 0) for a in s.args), default=0)
        even = s.out.id in native or not s.args
        stage[s.out.id] = last if (last % 2 == 0) == even else last + 1
    kernels: dict[int, list[Step]] = {}
    for s in steps:
        kernels.setdefault(stage[s.out.id], []).append(s)
    read_at: dict[int, set[int]] = {}
    for s in steps:
        for a in s.args:
            read_at.setdefault(a.id, set()).add(stage[s.out.id])
    for r in wanted:
        read_at.setdefault(r.id, set()).add(-1)
    parts: list[Kernel | Step] = []
    for number in sorted(kernels):
        own = kernels[number]
        if number % 2:
            parts += own
            continue
        parts += [s for s in own if s.out.id not in native]
        compiled = [s for s in own if s.out.id in native]
        if compiled:
            gives = {s.out.id for s in compiled if read_at.get(s.out.id, set()) - {number}}
            parts.append(_kernel(compiled, gives))
    return Schedule(tuple(parts), refs)


def _is_native(step: Step) -> bool:
    if any(len(r.axes) != len(r.dims) for r in (step.out, *step.args)):
        return False
    if step.name in ("least", "greatest", "any", "first_true", "differ"):
        return not axes_of(step.out)
    if step.name in ("pick", "sub_position"):
        position = step.args[1] if step.name == "pick" else step.args[0]
        return not axes_of(step.out) and not axes_of(position)
    if step.name == "break_ties":
        setting: Any = step.setting
        return bool(setting[0] == len(step.out.dims))
    if step.name in ("gather", "take"):
        return step.args[0].const is not None
    return step.name in POINTWISE


def _operand(ref: Ref) -> Operand:
    return Operand(ref.id, ref.kind, axes_of(ref), ref)


def _tasks(step: Step) -> list[Task]:
    args, out = tuple(map(_operand, step.args)), _operand(step.out)
    nan = any(a.nan for a in step.args)
    if step.name == "break_ties":
        tied, goal = args
        setting: Any = step.setting
        least = Operand(-(1 << 40) - out.id, "number", ())
        return [
            Task("least_tied", least, (tied, goal), None, out.axes),
            Task("within_tie", out, (tied, goal, least), setting[1:], out.axes),
        ]
    if step.name in FOLDS:
        return [Task(step.name, out, args, step.setting, _joined(args), nan)]
    return [Task(step.name, out, args, step.setting, () if step.name in PICKS else out.axes, nan)]


def _joined(args: Iterable[Operand]) -> Axes:
    return tuple(sorted({a for arg in args for a in arg.axes}, reverse=True))


def _kernel(steps: Sequence[Step], gives: set[int]) -> Kernel:
    tasks = [t for s in steps for t in _tasks(s)]
    made = {t.out.id: t for t in tasks}
    open_: dict[int, set[int]] = {t.out.id: {a.id for a in t.args if a.id in made} for t in tasks}
    readers: dict[int, list[Task]] = {}
    for t in tasks:
        for i in open_[t.out.id]:
            readers.setdefault(i, []).append(t)
    ready: dict[Axes, list[Task]] = {}
    for t in tasks:
        if not open_[t.out.id]:
            ready.setdefault(t.over, []).append(t)
    nests: list[Nest] = []
    while ready:
        over = min(ready, key=lambda axes: (len(axes), axes))
        queue = ready.pop(over)
        inside: list[Task] = []
        later: list[Task] = []
        folded: set[int] = set()  # what goes over all places is there when the nest is done
        while queue:
            t = queue.pop(0)
            inside.append(t)
            if over and t.name in FOLDS:
                folded.add(t.out.id)
            for r in readers.get(t.out.id, ()):
                open_[r.out.id].discard(t.out.id)
                if not open_[r.out.id]:
                    joins = r.over == over and all(a.id not in folded for a in r.args)
                    (queue if joins else later).append(r)
        for r in later:
            ready.setdefault(r.over, []).append(r)
        nests.append(Nest(over, tuple(inside)))
    at = {t.out.id: n for n, nest in enumerate(nests) for t in nest.tasks}
    kept: dict[int, Operand] = {}
    reads: dict[int, Operand] = {}
    for n, nest in enumerate(nests):
        for t in nest.tasks:
            for a in t.args:
                if a.id not in made:
                    reads[a.id] = a
                elif a.axes and (at[a.id] != n or t.name in PICKS):
                    kept[a.id] = a
    given = tuple(t.out for t in tasks if t.out.id in gives)
    return Kernel(tuple(nests), tuple(reads.values()), given, tuple(kept.values()))


__all__ = ["FOLDS", "Axes", "Kernel", "Nest", "Operand", "Schedule", "Task", "axes_of", "schedule"]
