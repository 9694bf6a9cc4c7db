"""The tables of a sum's terms in one scale: common integers where all values are exact, else floats with a slack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.sums import Sum
from cospace.compiler.numbers.enumerate import Mask, Rows
from cospace.compiler.numbers.measure import Measured
from cospace.compiler.space.floats import nearest
from numpy.typing import NDArray

Array = NDArray[Any]


@frozen(eq=False)
class Place:
    """Distinct rows over `scope`; inverse: for each hub row which; counts: hub rows at which the term counts."""

    scope: tuple[int, ...]
    rows: Rows
    inverse: Rows | None
    counts: Mask | None


@frozen(eq=False)
class Scale:
    """values: for each term a (hub rows, own rows + 1) table in common integers or floats; sum <= bound within slack.

    The last column is 0: where the term does not count. Equal tables are one array. undefined: what stands in common
    integers where a term has no value; however many of them add up, they fit, and no sum that has one is above half.
    """

    values: tuple[Array, ...]
    places: tuple[tuple[Place, Place], ...]
    bound: Any
    slack: float
    integral: bool
    undefined: int = 0

    def find_undefined(self, total: Array) -> Mask | None:
        """Where sums have no value, None where all have."""
        bad = total < self.undefined // 2 if self.integral else numpy.isnan(total)
        return bad if bad.any() else None


def scale_sum(s: Sum, measured: Sequence[Measured | None], places: Sequence[tuple[Place, Place]]) -> Scale:
    """Common integers where every value is exact and the whole sum fits, up to 64 terms in 54 bits and more of them in
    the fewer the more they are; else floats and a proved slack."""
    shapes = [(len(h.rows), len(o.rows)) for h, o in places]
    if all(m is None or m.grain > 0 for m in measured):
        grains = [Fraction(1) if m is None else m.grain for m in measured]
        units = [t.coefficient * grain for t, grain in zip(s.terms, grains, strict=True)]
        common = math.lcm(*(u.denominator for u in units), 1)
        shared = math.gcd(*(int(u * common) for u in units)) or 1
        factors = [int(u * common) // shared for u in units]
        largest = sum(abs(f) * (1 if m is None else m.largest) for f, m in zip(factors, measured, strict=True))
        limit = -s.constant * common / shared
        undefined = -(1 << 62) // max(64, len(units))
        room = -undefined // 4
        if largest < room and abs(limit) < 1 << 61 and all(abs(f) < room for f in factors):
            tables: list[Array] = []
            made: dict[tuple[int, int], Array] = {}
            for factor, m, shape in zip(factors, measured, shapes, strict=True):
                if m is None:
                    tables.append(_shut(numpy.full(shape, factor, dtype=numpy.int64)))
                    continue
                key = (id(m), factor)
                if key not in made:
                    defined = ~numpy.isnan(m.values)
                    made[key] = _shut(numpy.where(defined, m.whole() * factor, undefined).reshape(shape))
                tables.append(made[key])
            bound = math.ceil(limit) - 1 if s.strict else math.floor(limit)
            return Scale(tuple(tables), tuple(places), numpy.int64(bound), 0, True, undefined)
    return _in_floats(s, measured, places, shapes)


def _shut(values: Array) -> Array:
    return numpy.concatenate([values, numpy.zeros((len(values), 1), dtype=values.dtype)], axis=1)


def _in_floats(
    s: Sum,
    measured: Sequence[Measured | None],
    places: Sequence[tuple[Place, Place]],
    shapes: Sequence[tuple[int, int]],
) -> Scale:
    tables: list[Array] = []
    slack, size = 0.0, abs(nearest(s.constant))
    for t, m, shape in zip(s.terms, measured, shapes, strict=True):
        c = nearest(t.coefficient)
        values = numpy.full(shape, c) if m is None else (m.values * c).reshape(shape)
        top = float(numpy.nanmax(numpy.abs(values), initial=0.0))
        slack += (0.0 if m is None else m.error * abs(c) * (1 + 2**-50)) + top * 2.0**-50
        size += top
        tables.append(_shut(values))
    slack += size * (len(tables) + 2) * 2.0**-50
    return Scale(tuple(tables), tuple(places), nearest(-s.constant), slack, False)
