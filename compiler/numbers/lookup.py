"""Tables over batches: keys are found by bisection, a row's number is gathered from arrays of values.

Position `rows` stands for "no row has these keys", `rows + 1` for "a key is undefined".
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy
from cospace.compiler.numbers import ranges
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.steps import Ref, Value_
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Value
from cospace.compiler.space.lookups import Lookup

if TYPE_CHECKING:
    from cospace.compiler.numbers.build import Builder


class Finder:
    """Where the rows of a table are: for each key its distinct values in order, and the row of each combination."""

    def __init__(self, columns: Sequence[Array]) -> None:
        """columns: for each key the numbers (or codes) of the rows."""
        self.rows = len(columns[0])
        self.distinct: list[Array] = []
        code = numpy.zeros(self.rows, dtype=numpy.int64)
        for column in columns:
            distinct, at = numpy.unique(column, return_inverse=True)
            self.distinct.append(distinct)
            code = code * len(distinct) + at.reshape(-1)
        self.order = numpy.argsort(code, kind="stable")
        self.codes = code[self.order]

    def find(self, xp: Any, keys: Sequence[Array]) -> Array:
        """The row of each combination of keys; numbers are undefined where nan, codes where negative."""
        code: Any = 0
        absent: Any = False
        undefined: Any = False
        for key, distinct in zip(keys, self.distinct, strict=True):
            known = xp.as_tensor(distinct) if xp is not numpy else distinct
            at = xp.clip(xp.searchsorted(known, key.contiguous() if xp is not numpy else key), 0, len(distinct) - 1)
            absent = absent | (known[at] != key)
            undefined = undefined | ((key < 0) if distinct.dtype == numpy.int64 else xp.isnan(key))
            code = code * len(distinct) + at
        codes = xp.as_tensor(self.codes) if xp is not numpy else self.codes
        order = xp.as_tensor(self.order) if xp is not numpy else self.order
        at = xp.clip(xp.searchsorted(codes, code.contiguous() if xp is not numpy else code), 0, self.rows - 1)
        row = xp.where(absent | (codes[at] != code), self.rows, order[at])
        return xp.where(undefined, self.rows + 1, row)

    def near(self, xp: Any, key: Array, slack: float) -> Array:
        """Whether rounding may decide if this is the first key: some value of it is so near."""
        distinct = xp.as_tensor(self.distinct[0]) if xp is not numpy else self.distinct[0]
        above = xp.clip(xp.searchsorted(distinct, key), 0, len(distinct) - 1)
        below = xp.clip(above - 1, 0, len(distinct) - 1)
        return (xp.abs(distinct[above] - key) <= slack) | (xp.abs(distinct[below] - key) <= slack)


def look_up(builder: Builder, table: Lookup, keys: Sequence[Value_], kind: str) -> Value_:
    """The array of a table's values at arrays of keys."""
    finder = builder.finders.get(id(table))
    if finder is None:
        columns = [_column(builder, [key[i] for key in table.keys]) for i in range(len(keys))]
        finder = builder.finders[id(table)] = Finder(columns)
        builder._alive.append(table)
    refs: list[Ref] = []
    checks: list[Ref] = []
    for i, key in enumerate(keys):
        ref = key.ref
        if ref.kind == "bool":
            yes, no = (builder.constant(numpy.array([builder.code(v)]), "index") for v in (True, False))
            ref = builder.emit("where", ref, yes, no, kind="index", nan=False)
            if key.defined is not None:
                nothing = builder.constant(numpy.array([-1]), "index")
                ref = builder.emit("where", key.defined, ref, nothing, kind="index", nan=True)
        elif ref.kind == "number" and builder.certify and ref.range.error:
            alone = _alone(builder, table, i)
            checks.append(builder.emit("near_key", ref, kind="bool", setting=(alone, ref.range.error * 1.01)))
        refs.append(ref)
    row = builder.emit("lookup", *refs, kind="index", setting=finder, nan=False, checks=tuple(checks))
    everything: list[Value | None] = [*table.values, *(table.default or (None,)), None]
    present = builder.constant(numpy.array([v is not None for v in everything]), "bool")
    undefined = not table.default or any(builder.defined(k) is not None for k in keys)
    if kind == "bool":
        values = builder.constant(numpy.array([v is True for v in everything]), "bool")
        return Value_(_take(builder, values, row), _take(builder, present, row) if undefined else None)
    if kind == "number":
        span = ranges.hull(*(ranges.of_constant(v) for v in everything if isinstance(v, Fraction)))
        array = numpy.array([nearest(v) if isinstance(v, Fraction) else numpy.nan for v in everything])
        return Value_(_take(builder, builder.constant(array, "number", (), span), row, span, undefined))
    array = numpy.array([-1 if v is None else builder.code(v) for v in everything])
    return Value_(_take(builder, builder.constant(array, "index"), row, None, undefined))


def _take(builder: Builder, values: Ref, row: Ref, span: ranges.Range | None = None, nan: bool = False) -> Ref:
    if row.const is not None and values.const is not None:
        made = builder.constant(values.const[row.const], values.kind, row.dims, span, row.axes)
        made.checks = row.checks
        return made
    return builder.emit("take", values, row, kind=values.kind, dims=row.dims, span=span, nan=nan)


def _alone(builder: Builder, table: Lookup, i: int) -> Finder:
    """The values of one key by themselves."""
    name = (id(table), i)
    if name not in builder.finders:
        builder.finders[name] = Finder([_column(builder, [key[i] for key in table.keys])])
    return builder.finders[name]


def _column(builder: Builder, values: Sequence[Any]) -> Array:
    if isinstance(values[0], Fraction):
        return numpy.array([nearest(v) for v in values])
    return numpy.array([builder.code(v) for v in values], dtype=numpy.int64)
