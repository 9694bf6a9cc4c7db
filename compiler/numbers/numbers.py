"""Batched numbers: a compiled program over many designs at once, in numpy or torch.

`Program` evaluates expressions for an array of designs, with every mapping problem solved; `decide` is exact for
Boolean expressions: it bounds what rounding can have done and hands the few rows in doubt to the exact evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.numbers.arrays import DTYPES, ELEMENTWISE, NUMPY, Array, torch_primitives
from cospace.compiler.numbers.build import Builder, slots
from cospace.compiler.numbers.cases import WHOLE, Cases
from cospace.compiler.numbers.guarded import Guarded, find_guarded
from cospace.compiler.numbers.steps import Ref, Step, Value_
from cospace.compiler.space.designs import Rows, decode
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

ASSIGNED = 60
"""Expressions that are evaluated, about, where one assignment of a work's maps is tried."""
CACHE_BYTES = 4 << 20
"""What the arrays of one block of designs should take together."""


class Program:
    """Expressions compiled for batches of designs.

    program(designs) -> one array of shape (n,) for each output: float64 (nan where undefined), bool (false where
    undefined), or int64 codes of symbols and texts (`values[code]`, -1 where undefined). `designs` has shape (n, d),
    indices into `Decision.values`, -1 where a decision is not live (`designs.encode`).
    xp: numpy, or torch handed in by the caller; then results are tensors. like: a program over the same decisions, made
    in the same way, with which this one may share what it is made of.
    """

    def __init__(
        self,
        outputs: Sequence[Expr],
        decisions: Sequence[Decision],
        xp: Any = numpy,
        *,
        certify: bool = False,
        like: Program | None = None,
    ) -> None:
        self.decisions = tuple(decisions)
        self.xp = xp
        self._numpy = xp is numpy
        self._parts = [_Part(group, self.decisions, certify) for group in find_guarded(outputs)] if self._numpy else []
        shared = None if like is None or self._parts or like._parts else like._builder
        builder = Builder(self.decisions, certify) if shared is None else shared
        for i, part in enumerate(self._parts):
            part.register(builder, i)
        compiled = [builder.compile(e) for e in outputs]
        always = builder.scalar(True)
        self._outputs = [v.ref for v in compiled]
        self._defined = [builder.defined(v) or always for v in compiled]
        self._checks = _checks(builder, [*self._outputs, *(d for d in self._defined if certify)]) if certify else always
        self.errors = [v.ref.range.error for v in compiled]
        """Bounds on |float - exact| for each output, at designs that a certified program doesn't doubt."""
        self.grains = [v.ref.range.grain for v in compiled]
        """A power of two that divides the exact value of each output, 0 where none is known."""
        self.values: tuple[Value, ...] = tuple(v for _, v in builder.codes)
        self._builder: Builder = builder
        self._plans: dict[tuple[int, ...], Plan] = {}

    @property
    def size(self) -> int:
        """How many array steps one block takes."""
        return len(self._plan(self._outputs).steps) + sum(part.program.size for part in self._parts)

    @property
    def width(self) -> int:
        """How many numbers are worked out for one design, those of all mappings that are tried with them; the mean
        where which are tried hangs on the design."""
        own = self._plan([*self._outputs, *self._defined, self._checks]).cases.width
        return int(own) + sum(part.program.width for part in self._parts)

    def __call__(self, designs: Rows, inputs: Mapping[str, Any] | None = None) -> list[Array]:
        return self._run(self._outputs, designs, inputs or {})

    def defined(self, designs: Rows, inputs: Mapping[str, Any] | None = None) -> list[Array]:
        """Where each output has a value: bool arrays of shape (n,)."""
        return self._run(self._defined, designs, inputs or {})

    def certified(
        self, designs: Rows, inputs: Mapping[str, Any] | None = None
    ) -> tuple[list[Array], list[Array], Array]:
        """Outputs, where they are defined, and the rows that rounding may have decided wrongly."""
        count = len(self._outputs)
        found = self._run([*self._outputs, *self._defined, self._checks], designs, inputs or {})
        return found[:count], found[count : 2 * count], found[-1]

    def _plan(self, wanted: Sequence[Ref]) -> Plan:
        key = tuple(r.id for r in wanted)
        if key not in self._plans:
            self._plans[key] = Plan(self._builder, wanted, self.xp)
        return self._plans[key]

    def _run(self, wanted: Sequence[Ref], designs: Rows, inputs: Mapping[str, Any]) -> list[Array]:
        rows = numpy.asarray(designs) if self._numpy or not hasattr(designs, "device") else designs
        if len(rows.shape) != 2 or rows.shape[1] != len(self.decisions):
            raise ValueError(f"designs have shape (n, {len(self.decisions)}), not {tuple(rows.shape)}")
        return self.run_columns(wanted, Columns(self.xp, rows, self.decisions), inputs)

    def run_columns(self, wanted: Sequence[Ref], rows: Columns, inputs: Mapping[str, Any]) -> list[Array]:
        """Some arrays of the program at designs given as columns."""
        plan = self._plan(wanted)
        made: dict[Any, Any] = dict(inputs)
        for i in sorted({key[0] for key in plan.guarded}):
            made |= self._parts[i].run(rows, inputs, [k for j, k in plan.guarded if j == i], i)
        return plan.run(rows, made) if self._numpy else plan.run_torch(rows, made)


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


class _Part:
    """What stands behind one guard: a program of its own, run for the rows where the guard holds.

    Its arrays are numbered: outputs, then where each is defined, then the rows in doubt.
    """

    def __init__(self, group: Guarded, decisions: Sequence[Decision], certify: bool) -> None:
        self.group = group
        self.condition = Program([group.condition], decisions)
        self.program = Program(group.exprs, decisions, certify=certify)
        own = self.program
        self.refs = [*own._outputs, *own._defined, own._checks]

    def register(self, builder: Builder, number: int) -> None:
        count = len(self.group.exprs)
        doubt = builder.load_guarded((number, 2 * count), self.refs[-1])
        for k, (node, position) in enumerate(self.group.places):
            value = builder.load_guarded((number, k), self.refs[k], (doubt,))
            defined = None
            if self.refs[k].kind == "bool" and self.refs[count + k].const is None:
                defined = builder.load_guarded((number, count + k), self.refs[count + k])
            builder.guarded[id(node), position] = Value_(value, defined)

    def run(self, rows: Columns, inputs: Mapping[str, Any], wanted: Sequence[int], number: int) -> dict[Any, Any]:
        """The wanted arrays for all rows; zeros where the guard doesn't hold, which nobody reads."""
        n = rows.size
        (holds,) = self.condition.run_columns(self.condition._outputs, rows, inputs)
        where = numpy.flatnonzero(holds == self.group.side)
        given = _window(inputs, where, n)
        found = self.program.run_columns([self.refs[k] for k in wanted], rows.subset(where), given)
        made = {}
        for k, array in zip(wanted, found, strict=True):
            spread_out = numpy.zeros(n, array.dtype)
            spread_out[where] = array
            made[number, k] = spread_out
        return made


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
        self.guarded: list[tuple[int, int]] = [s.setting for s in self.steps if s.name == "guarded"]  # type: ignore[misc]
        self.buffers: list[tuple[tuple[int, ...], str]] = []
        self.slots: list[int] = []
        self._assign()
        columns = {path: (j, slots(d)) for path, (j, d) in builder.decisions.items()}
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
            if pool:
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

    def run(self, rows: Columns, inputs: Mapping[str, Any]) -> list[Array]:
        """The wanted arrays of all designs, each over the values of maps that it allows."""
        n = rows.size
        results: list[Array] = [numpy.empty(n, DTYPES[r.kind]) for r in self.wanted]
        with numpy.errstate(all="ignore"):
            for group in self.cases.groups(rows):
                at = group.rows
                some = rows if at is None else rows.subset(at)
                for window, values in self.blocks(some, inputs if at is None else _window(inputs, at, n), group.keep):
                    where = window if at is None else at[window]
                    for result, ref in zip(results, self.wanted, strict=True):
                        result[where] = values[ref.id]
        return results

    def blocks(
        self, rows: Columns, inputs: Mapping[str, Any], keep: Mapping[str, Array] = WHOLE.keep
    ) -> Iterator[tuple[slice, dict[int, Array]]]:
        """Some designs after the other: which, and the arrays of all steps. keep: path -> the values of a map that are
        tried, by position; the arrays are overwritten by the next."""
        n = rows.size
        constants = {i: _kept(ref, keep) for i, ref in self.constants.items()}
        shapes = [_sizes(step.out, keep) for step in self.steps]
        room = [0] * len(self.buffers)
        for shape, slot in zip(shapes, self.slots, strict=True):
            room[slot] = max(room[slot], math.prod(shape))
        kinds = [DTYPES[kind] for _, kind in self.buffers]
        per_design = sum(size * numpy.dtype(kind).itemsize for size, kind in zip(room, kinds, strict=True))
        block = min(max(CACHE_BYTES // max(per_design, 1), 512), 16_384)
        outs: list[Array] = []
        width = -1
        for low in range(0, n, block):
            high = min(low + block, n)
            if high - low != width:
                width = high - low
                flat: list[Array] = [numpy.empty(size * width, kind) for size, kind in zip(room, kinds, strict=True)]
                outs = [
                    flat[slot][: math.prod(shape) * width].reshape(*shape, width)
                    for shape, slot in zip(shapes, self.slots, strict=True)
                ]
            window = slice(low, high)
            yield window, self._block(rows, window, _window(inputs, window, n), outs, constants)

    def _block(
        self, rows: Columns, window: slice, inputs: Mapping[str, Any], outs: Sequence[Array],
        constants: Mapping[int, Array],
    ) -> dict[int, Array]:  # fmt: skip
        values: dict[int, Array] = dict(constants)
        for step, out in zip(self.steps, outs, strict=True):
            if step.name == "column":
                values[step.out.id] = rows.column(step.setting)[window]  # type: ignore[arg-type]
            elif step.name == "guarded":
                values[step.out.id] = inputs[step.setting]  # type: ignore[index]
            elif step.name == "input":
                out[...] = inputs.get(step.setting, math.nan)  # type: ignore[call-overload]
                values[step.out.id] = out
            else:
                args = [values[a.id] for a in step.args]
                values[step.out.id] = self.table[step.name](out, args, step.setting)
        return values

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


def spread(xp: Any, array: Array, ref: Ref) -> Array:
    """An array with all the axes that its reference promises."""
    shape = (*ref.dims, array.shape[-1])
    return array if tuple(array.shape) == shape else xp.broadcast_to(array, shape)


def _window(inputs: Mapping[Any, Any], where: slice | Array, n: int) -> Mapping[Any, Any]:
    """Inputs are one number for all designs or an array of shape (n,)."""
    return {k: v[where] if getattr(v, "shape", ()) == (n,) else v for k, v in inputs.items()}


def _kept(ref: Ref, keep: Mapping[str, Array]) -> Array:
    """A constant at the places of its axes that are kept."""
    array = ref.const
    for axis, name in enumerate(ref.axes):
        if name in keep:
            array = numpy.take(array, keep[name], axis=axis)  # type: ignore[arg-type]
    return array


def _sizes(ref: Ref, keep: Mapping[str, Array]) -> tuple[int, ...]:
    """Its axes of maps as they are kept."""
    return tuple(len(keep[name]) if name in keep else size for size, name in zip(ref.dims, ref.axes, strict=True))


def _checks(builder: Builder, roots: Sequence[Ref]) -> Ref:
    """Whether any comparison or rounding that the outputs rest on is too close to call, as one Boolean a row."""
    seen: set[int] = set()
    found: dict[int, Ref] = {}
    pending = list(roots)
    while pending:
        ref = pending.pop()
        if ref.id in seen:
            continue
        seen.add(ref.id)
        for check in ref.checks:
            found[check.id] = check
            pending.append(check)
        if ref.id >= 0:
            # A constant's checks were handed on to its users; those of a table were gathered.
            pending.extend(a for a in builder.steps[ref.id].args if a.const is None)
    total = builder.scalar(False)
    for check in found.values():
        if check.dims:
            check = builder.emit("any", check, kind="bool", dims=(), setting=len(check.dims))
        total = builder.emit("or", total, check, kind="bool")
    return total


def decide(
    exprs: Sequence[Expr], decisions: Sequence[Decision], designs: Rows, inputs: Mapping[str, Value] | None = None
) -> NDArray[numpy.bool_]:
    """Whether Boolean expressions hold, exactly: a bool array of shape (n, k), false where undefined or unknown."""
    return Decider(exprs, decisions)(designs, inputs)


class Decider:
    """`decide`, compiled once for many batches; what `like` has in common with it, over the same decisions, is not
    compiled again. `doubted` counts the rows that needed exact evaluation, `unknown` those
    of them that `surely` took for false because not even that could tell."""

    def __init__(self, exprs: Sequence[Expr], decisions: Sequence[Decision], like: Decider | None = None) -> None:
        self.exprs = list(exprs)
        self.decisions = tuple(decisions)
        self.program: Program = Program(exprs, decisions, certify=True, like=None if like is None else like.program)
        self.doubted = self.unknown = 0

    def __call__(self, designs: Rows, inputs: Mapping[str, Value] | None = None) -> NDArray[numpy.bool_]:
        """Raises Undecided at a design where an expression is neither known to be true nor known not to be."""
        return self._decide(designs, inputs, False)

    def surely(self, designs: Rows, inputs: Mapping[str, Value] | None = None) -> NDArray[numpy.bool_]:
        """Which are known to be true: what looks for designs needs no more, and what excludes them needs `__call__`."""
        return self._decide(designs, inputs, True)

    def likely(self, designs: Rows, effort: float) -> tuple[NDArray[numpy.bool_], NDArray[numpy.bool_], int]:
        """As `surely`, with less done for it: which are true, (n, k); at which rows that is known, (n,), floats alone
        say it at the others; and what exact evaluation took, in expressions.

        effort: what it may take; those rows come first where floats say that all hold.
        """
        values, _, doubt = self.program.certified(designs, {})
        result = numpy.stack(values, axis=1) if values else numpy.zeros((len(designs), 0), dtype=numpy.bool_)
        known = ~doubt
        rows = numpy.flatnonzero(doubt)
        seen: dict[bytes, NDArray[numpy.bool_]] = {}
        spent = 0
        for i in rows[numpy.argsort(~result[rows].all(axis=1), kind="stable")]:
            key = designs[i].tobytes()
            if key not in seen:
                room = int(min(effort - spent - self._size, 1 << 62)) // ASSIGNED
                if room <= 0:
                    break
                at = exact.Evaluation(decode(self.decisions, designs[i]), room)
                found = [at(e) for e in self.exprs]
                spent += self._size + int(room - at.left) * ASSIGNED
                if at.left <= 0:
                    break
                self.doubted += 1
                self.unknown += exact.UNKNOWN in found
                seen[key] = numpy.array([f is True for f in found])
            result[i] = seen[key]
            known[i] = True
        return result, known, spent

    @cached_property
    def _size(self) -> int:
        return sum(1 for _ in walk(self.exprs))

    def _decide(self, designs: Rows, inputs: Mapping[str, Value] | None, surely: bool) -> NDArray[numpy.bool_]:
        values, _, doubt = self.program.certified(designs, dict(inputs or {}))
        result = numpy.stack(values, axis=1) if values else numpy.zeros((len(designs), 0), dtype=numpy.bool_)
        rows = numpy.flatnonzero(doubt)
        self.doubted += len(rows)
        if len(rows):  # each design once: drawn rows repeat a lot in small spaces
            distinct, place = numpy.unique(designs[rows], axis=0, return_inverse=True)
            found = [exact.evaluate_all(self.exprs, decode(self.decisions, d), inputs) for d in distinct]
            for d, each in zip(distinct, found, strict=True):
                open_ones = [e for e, f in zip(self.exprs, each, strict=True) if f is exact.UNKNOWN]
                if open_ones and not surely:
                    raise exact.Undecided(open_ones[0], decode(self.decisions, d), inputs)
                self.unknown += bool(open_ones)
            result[rows] = numpy.array([[f is True for f in each] for each in found])[place.reshape(-1)]
        return result


def enclose(
    expr: Expr, decisions: Sequence[Decision], designs: Rows, inputs: Mapping[str, Value] | None = None
) -> tuple[NDArray[numpy.float64], float, float]:
    """A number at designs as floats of shape (n,), nan where undefined or unknown; a bound on |float - exact| over all
    rows; and a power of two that divides every exact value (0 when none is known, or when the bound isn't 0)."""
    program = Program([expr], decisions, certify=True)
    values, _, doubt = program.certified(designs, dict(inputs or {}))
    numbers: NDArray[numpy.float64] = values[0]
    rows = numpy.flatnonzero(doubt)
    error = program.errors[0] if len(rows) < len(designs) else 0.0
    for i in rows:
        found = exact.evaluate(expr, decode(program.decisions, designs[i]), inputs)
        numbers[i], off = _as_float(found)
        error = max(error, off)
    return numbers, error, 0.0 if error else program.grains[0]


def _as_float(value: exact.Result) -> tuple[float, float]:
    """The float nearest to an exact number, and how far it may be off."""
    if isinstance(value, exact.Enclosure):
        middle = nearest(value.middle)
        return middle, nearest(value.high - value.low) + abs(middle) * 2.0**-52
    if not isinstance(value, Fraction):
        return math.nan, 0.0
    number = nearest(value)
    if math.isinf(number):
        return number, math.inf
    return number, 0.0 if Fraction(number) == value else abs(number) * 2.0**-52 + 5e-324


__all__ = ["Decider", "Program", "decide", "enclose"]
