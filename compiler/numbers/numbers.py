"""Batched numbers: a compiled program over many designs at once, in numpy or torch.

`Program` evaluates expressions for an array of designs, with every mapping problem solved; `decide` is exact for
Boolean expressions: it bounds what rounding can have done and hands the few rows in doubt to the exact evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.numbers.alike import Alike, find_alike
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.guarded import Guarded, find_guarded
from cospace.compiler.numbers.large import somewhere, without_implied
from cospace.compiler.numbers.plan import Columns, Plan, window_of
from cospace.compiler.numbers.steps import Ref, Value_
from cospace.compiler.space.designs import Rows, decode
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

TOGETHER = 1 << 12
"""Designs for which problems of one form are solved together."""
ASSIGNED = 60
"""Expressions that are evaluated, about, where one assignment of a work's maps is tried."""


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
        self._parts: list[_Part | _Batch] = []
        if self._numpy:
            guarded = find_guarded(outputs)
            apart = {(id(node), position) for group in guarded for node, position in group.places}
            self._parts += [_Part(group, self.decisions, certify) for group in guarded]
            self._parts += [_Batch(a, certify) for a in find_alike(outputs, self.decisions, apart)]
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
        self.shares = [v.ref.range.share for v in compiled]
        """The same as a share of the exact value, infinite where none is known."""
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
        return int(own) + sum(part.many * part.program.width for part in self._parts)

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


class _Part:
    """What stands behind one guard: a program of its own, run for the rows where the guard holds.

    Its arrays are numbered: outputs, then where each is defined, then the rows in doubt.
    """

    many = 1

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
        given = window_of(inputs, where, n)
        found = self.program.run_columns([self.refs[k] for k in wanted], rows.subset(where), given)
        made = {}
        for k, array in zip(wanted, found, strict=True):
            spread_out = numpy.zeros(n, array.dtype)
            spread_out[where] = array
            made[number, k] = spread_out
        return made


class _Batch:
    """Mapping problems of one form: a program of its own, run once for all of them.

    Its arrays are numbered, problem by problem: outputs, then where each is defined, then the rows in doubt.
    """

    def __init__(self, alike: Alike, certify: bool) -> None:
        self.alike = alike
        self.many = len(alike.nodes)
        self.program = Program(alike.exprs, alike.decisions, certify=certify)
        own = self.program
        self.refs = [*own._outputs, *own._defined, own._checks]

    def register(self, builder: Builder, number: int) -> None:
        count = len(self.alike.exprs)
        for m, nodes in enumerate(self.alike.nodes):
            first = m * len(self.refs)
            doubt = builder.load_guarded((number, first + 2 * count), self.refs[-1])
            for k, node in enumerate(nodes):
                value = builder.load_guarded((number, first + k), self.refs[k], (doubt,))
                defined = None
                if self.refs[k].kind == "bool" and self.refs[count + k].const is None:
                    defined = builder.load_guarded((number, first + count + k), self.refs[count + k])
                builder.batched[id(node)] = Value_(value, defined)

    def run(self, rows: Columns, inputs: Mapping[str, Any], wanted: Sequence[int], number: int) -> dict[Any, Any]:
        """The wanted arrays for all rows."""
        members = sorted({k // len(self.refs) for k in wanted})
        which = sorted({k % len(self.refs) for k in wanted})
        made: dict[Any, Any] = {}
        for low in range(0, rows.size, TOGETHER):
            some = slice(low, min(low + TOGETHER, rows.size))
            given = Columns(numpy, self.alike.rows(rows, some, members), self.alike.decisions)
            found = self.program.run_columns([self.refs[k] for k in which], given, inputs)
            for k in wanted:
                m, own = divmod(k, len(self.refs))
                array = found[which.index(own)].reshape(len(members), -1)[members.index(m)]
                made.setdefault((number, k), numpy.empty(rows.size, array.dtype))[some] = array
        return made


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
    for check in without_implied(builder.steps, found, seen):
        total = builder.emit("or", total, somewhere(builder, check), kind="bool")
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
