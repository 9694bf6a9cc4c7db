"""Arrays to be, and the list of steps that makes them: constant folding, sharing, and what is known of each array."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy
from attrs import define, evolve, frozen
from cospace.compiler.numbers import ranges
from cospace.compiler.numbers.arrays import DTYPES, NUMPY, Array
from cospace.compiler.numbers.ranges import Range
from cospace.compiler.space.graph import Value

FOLDED = 1 << 16
"""Entries of an array that is the same for all designs and made once; a larger one is made anew, piece by piece."""

WHOLE = frozenset(("add", "mul", "floor", "ceil"))
"""What gives whole numbers of whole numbers, exactly while they are not large."""


@define(eq=False)
class Ref:
    """An array to be: kind number, bool or index; `dims` its axes of maps, `axes` whose they are ("" where an axis has
    one place); `batch` whether it has one of designs."""

    id: int
    kind: str
    dims: tuple[int, ...]
    batch: bool
    range: Range
    nan: bool = False
    const: Array | None = None
    checks: tuple[Ref, ...] = ()
    axes: tuple[str, ...] = ()


@frozen
class Step:
    """`setting` is static. `load`: ("column", j) or ("input", name) instead of a primitive."""

    name: str
    out: Ref
    args: tuple[Ref, ...]
    setting: object = None


@frozen
class Value_:
    """A compiled node: the array, and for Booleans where it is defined (None: everywhere)."""

    ref: Ref
    defined: Ref | None = None


_RULES = {
    "add": ranges.add, "mul": ranges.mul, "quotient": ranges.div, "div": ranges.div, "mod": ranges.mod,
    "floor": ranges.floor, "ceil": ranges.ceil, "abs": ranges.absolute, "sqrt": ranges.sqrt,
    "log2": lambda a: ranges.logarithm(a, 2.0), "log10": lambda a: ranges.logarithm(a, 10.0),
    "log": lambda a: ranges.logarithm(a, math.e), "exp": ranges.exp, "cos": ranges.cos,
    "min": ranges.least, "max": ranges.greatest, "pow": ranges.power,
    "where": lambda c, a, b: ranges.hull(a, b), "choose": lambda k, *items: ranges.hull(*items),
    "masked": lambda a, c: a, "least": lambda a: a,
    "pick": lambda a, k: a, "gather": lambda a, k: a, "take": lambda a, k: a,
}  # fmt: skip


class Emitter:
    """Collects steps. `certify` adds, to each array, the checks under which its bounds hold."""

    def __init__(self, certify: bool = False) -> None:
        self.certify = certify
        self.hopeful = False
        """Whether sums and products of whole numbers are taken to be exact: a check says where they are too large."""
        self.steps: list[Step] = []
        self.codes: dict[tuple[type, Value], int] = {}
        self._emitted: dict[tuple[object, ...], Ref] = {}
        self._alive: list[object] = []

    def constant(
        self, array: Array, kind: str, dims: tuple[int, ...] = (), error: Range | None = None,
        axes: tuple[str, ...] = (),
    ) -> Ref:  # fmt: skip
        if kind == "number":
            low, high = float(array.min()), float(array.max())
            nan = math.isnan(low)
            of = error or ranges.ANYTHING
            if nan:
                known = array[~numpy.isnan(array)]
                low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
                of = of if known.size else ranges.NOTHING
            span = Range(low, high, of.grain, of.error, of.ratio, of.relative, of.tiny, of.grid)
        else:
            nan = kind == "index" and bool((array < 0).any())
            span = ranges.BOOLEAN
        return Ref(-1 - len(self._alive), kind, dims, False, span, nan, self._keep(array), (), axes)

    def _keep(self, array: Array) -> Array:
        self._alive.append(array)
        return array

    def scalar(self, value: bool | float) -> Ref:
        key = ("scalar", value.__class__, value)
        if key not in self._emitted:
            kind = "bool" if isinstance(value, bool) else "number"
            span = ranges.of_constant(Fraction(value)) if math.isfinite(value) else ranges.NOTHING
            self._emitted[key] = self.constant(numpy.array([value]), kind, (), span)
        return self._emitted[key]

    def code(self, value: Value) -> int:
        return self.codes.setdefault((value.__class__, value), len(self.codes))

    def emit(
        self,
        name: str,
        *args: Ref,
        kind: str = "number",
        dims: tuple[int, ...] | None = None,
        setting: object = None,
        span: Range | None = None,
        nan: bool | None = None,
        checks: tuple[Ref, ...] = (),
        axes: tuple[str, ...] | None = None,
    ) -> Ref:
        """One more step, or its result at once when all arguments are constant and few; equal steps are one."""
        key: tuple[object, ...] = (name, setting, dims, span is None, *(a.id for a in args))
        found = self._emitted.get(key)
        if found is not None:
            return found
        if dims is None:
            dims = _broadcast(args)
        if axes is None:
            axes = join_axes(dims, args) if dims else ()
        if span is None:
            span = _RULES[name](*(a.range for a in args)) if kind == "number" else ranges.BOOLEAN  # type: ignore[operator]
            whole = name in ("floor", "ceil") or all(a.range.exact for a in args)
            if self.hopeful and name in WHOLE and whole and span.grain > 0 and span.error:
                made = self._unless_large(self.emit(name, *args, dims=dims, axes=axes, span=span), span)
                self._emitted[key] = made
                return made
        if nan is None:
            nan = kind != "bool" and any(a.nan for a in args)
        inherited = unique([*checks, *(c for a in args if a.const is not None and name != "gather" for c in a.checks)])
        known = all(a.const is not None for a in args)
        if known and (math.prod(dims) <= FOLDED or any(a.const.shape[-1] > 1 for a in args)):  # type: ignore[union-attr]
            with numpy.errstate(all="ignore"):
                arrays = [a.const for a in args]
                last = max(a.shape[-1] for a in arrays)  # type: ignore[union-attr]
                out = numpy.empty((*dims, last), DTYPES[kind])
                out = NUMPY[name](out, arrays, setting)
            made = self.constant(out, kind, dims, span, axes)
            made.checks = inherited
        else:
            made = Ref(len(self.steps), kind, dims, True, span, nan, None, inherited, axes)
            self.steps.append(Step(name, made, args, setting))
        self._emitted[key] = made
        return made

    def _unless_large(self, made: Ref, span: Range) -> Ref:
        """A sum or product of exact multiples of a grain: exact, too, below 2^53 of it."""
        limit = span.grain * 2.0**53
        size = made if span.low >= 0 else self.emit("abs", made)
        large = self.emit("le", self.scalar(limit), size, kind="bool")
        exact = evolve(span, low=max(span.low, -limit), high=min(span.high, limit), error=0.0)
        return self.emit("same", made, span=exact, checks=(large,), setting=large.id, dims=made.dims, nan=made.nan)

    def load(self, what: str, name: object, kind: str) -> Ref:
        key = (what, name)
        if key not in self._emitted:
            made = Ref(len(self.steps), kind, (), True, Range(-math.inf, math.inf), what == "input")
            self.steps.append(Step(what, made, (), name))
            self._emitted[key] = made
        return self._emitted[key]

    def load_guarded(self, key: tuple[int, int], ref: Ref, checks: tuple[Ref, ...] = ()) -> Ref:
        """An array made apart, as another program's `ref` promises it."""
        if ("guarded", key) not in self._emitted:
            made = Ref(len(self.steps), ref.kind, (), True, ref.range, ref.nan, None, checks)
            self.steps.append(Step("guarded", made, (), key))
            self._emitted["guarded", key] = made
        return self._emitted["guarded", key]

    # ---- definedness

    def defined(self, value: Value_) -> Ref | None:
        if value.ref.kind == "bool":
            return value.defined
        if not value.ref.nan:
            return None
        if value.ref.kind == "index":
            return self.emit("le", self.constant(numpy.array([0]), "index"), value.ref, kind="bool")
        return self.negate(self.emit("isnan", value.ref, kind="bool"))

    def negate(self, a: Ref) -> Ref:
        return self.emit("not", a, kind="bool")

    def both(self, *args: Ref | None) -> Ref | None:
        """Conjunction; None is true."""
        known = sorted({a.id: a for a in args if a is not None}.values(), key=weight)
        total: Ref | None = None
        for a in known:
            if a.const is not None and not a.checks and a.const.all():
                continue
            total = a if total is None else self.emit("and", total, a, kind="bool")
        return total


def weight(a: Ref) -> tuple[int, int]:
    """Constants first, then what is the same for every map, then the rest."""
    return (math.prod(a.dims) * (1000 if a.batch else 1), a.id if a.id >= 0 else 0)


def unique(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    return tuple({r.id: r for r in refs}.values())


def join(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    distinct = set(shapes) - {()}
    if len(distinct) < 2:
        return distinct.pop() if distinct else ()
    return tuple(numpy.broadcast_shapes(*distinct))


def _broadcast(args: Sequence[Ref]) -> tuple[int, ...]:
    return join([a.dims for a in args])


def join_axes(dims: tuple[int, ...], args: Iterable[Ref]) -> tuple[str, ...]:
    """Whose the axes of an array made of others are; they are aligned at the right."""
    axes = [""] * len(dims)
    for a in args:
        for k, name in enumerate(a.axes[-len(dims) :], len(dims) - min(len(dims), len(a.axes))):
            if name:
                axes[k] = name
    return tuple(axes)
