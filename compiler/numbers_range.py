"""What is known of a batched number before any design is: its range, its grain, and how far rounding can move it.

`error` bounds |float value - exact value| as long as no comparison or rounding fell on the wrong side, which a
certified program checks as it runs. `grain` > 0 says that the exact value is a multiple of that power of two, so that
sums and products below 2^53 grains are exact. Bounds follow the standard model of floating point:
fl(a op b) = (a op b)(1 + d), |d| <= 2^-53 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 2.2).
"""

from __future__ import annotations

import math
from fractions import Fraction

from attrs import frozen

UNIT = 2.0**-53
LIBRARY = 16 * UNIT
"""Assumed relative error of a library function (logarithms, powers): eight units in the last place."""


@frozen
class Range:
    """low <= value <= high where it is defined; `grain` 0 when nothing is known; `ratio`: a quotient of integers."""

    low: float
    high: float
    grain: float = 0.0
    error: float = 0.0
    ratio: bool = False

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))

    @property
    def exact(self) -> bool:
        return self.error == 0.0


ANYTHING = Range(-math.inf, math.inf)
BOOLEAN = Range(0.0, 1.0, 1.0)


def of_constant(value: Fraction) -> Range:
    try:
        number = float(value)
    except OverflowError:
        return Range(-math.inf, math.inf, 0.0, math.inf)
    if Fraction(number) != value:
        return Range(number, number, 0.0, abs(number) * UNIT + 5e-324)
    return Range(number, number, grain_of(value))


def grain_of(value: Fraction) -> float:
    """The largest power of two that divides a dyadic rational (2^60 for 0)."""
    if value == 0:
        return 2.0**60
    top = value.numerator & -value.numerator
    scale = top.bit_length() - value.denominator.bit_length()
    return math.ldexp(1.0, scale) if -900 < scale < 900 else 0.0


def hull(*ranges: Range) -> Range:
    grain = min(r.grain for r in ranges)
    ratio = all(r.ratio or (r.exact and r.grain >= 1) for r in ranges) and any(r.ratio for r in ranges)
    return Range(
        min(r.low for r in ranges), max(r.high for r in ranges), grain, max(r.error for r in ranges), ratio
    )  # fmt: skip


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _fits(size: float, grain: float) -> bool:
    return grain > 0 and size <= grain * 2.0**53


def add(a: Range, b: Range) -> Range:
    low, high = a.low + b.low, a.high + b.high
    grain = min(a.grain, b.grain)
    error = a.error + b.error
    if error or not _fits(a.size + b.size, grain):
        error += UNIT * (a.size + b.size + error) * 1.01
    return Range(low, high, grain, error)


def mul(a: Range, b: Range) -> Range:
    ends = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    grain = a.grain * b.grain
    grain = grain if 0 < grain < math.inf else 0.0
    error = _times(a.size, b.error) + _times(b.size, a.error) + _times(a.error, b.error)
    size = _times(a.size, b.size)
    if error or not _fits(size, grain):
        error += UNIT * (size + error) * 1.01 + 1e-320
    return Range(min(ends), max(ends), grain, error)


def div(a: Range, b: Range) -> Range:
    away = b.low if b.low > 0 else -b.high if b.high < 0 else 0.0
    if away <= b.error or away <= 0:
        grain = min(a.grain, b.grain)
        least = b.grain if b.grain > 0 and b.exact and a.exact else 0.0
        if least == 0 or not math.isfinite(a.size):
            return Range(-math.inf, math.inf, 0.0, math.inf)
        size = a.size / least
        return Range(-size, size, 0.0, UNIT * size * 1.01 + 1e-320, _fits(a.size, grain) and _fits(b.size, grain))
    ends = [x / y for x in (a.low, a.high) for y in (b.low, b.high) if not (math.isinf(x) and math.isinf(y))]
    if not ends or not math.isfinite(a.size):
        return Range(-math.inf, math.inf, 0.0, math.inf)
    size = a.size / away
    error = (a.error + size * b.error) / (away - b.error) + UNIT * size * 1.02 + 1e-320
    grain = min(a.grain, b.grain)
    ratio = a.exact and b.exact and grain > 0 and _fits(a.size, grain) and _fits(b.size, grain)
    return Range(min(ends), max(ends), 0.0, error, ratio)


def rounded(a: Range) -> Range:
    """floor, ceil: an integer; when the argument may be off, a run checks that it is away from one."""
    if not math.isfinite(a.size) or not math.isfinite(a.error):
        return Range(-math.inf, math.inf, 1.0, math.inf)
    low, high = math.floor(a.low - a.error), math.ceil(a.high + a.error)
    return Range(float(low), float(high), 1.0, 0.0 if max(abs(low), abs(high)) < 2**53 else math.inf)


def mod(a: Range, b: Range) -> Range:
    quotient = div(a, b)
    size = b.size
    error = a.error + _times(quotient.size, b.error)
    if error:
        error += UNIT * size * 2
    low, high = (-size if b.low < 0 else 0.0), (size if b.high > 0 else 0.0)
    return Range(low, high, min(a.grain, b.grain), error)


def absolute(a: Range) -> Range:
    low = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Range(low, a.size, a.grain, a.error)


def least(a: Range, b: Range) -> Range:
    joined = hull(a, b)
    return Range(min(a.low, b.low), min(a.high, b.high), joined.grain, joined.error, joined.ratio)


def greatest(a: Range, b: Range) -> Range:
    joined = hull(a, b)
    return Range(max(a.low, b.low), max(a.high, b.high), joined.grain, joined.error, joined.ratio)


def sqrt(a: Range) -> Range:
    low, high = math.sqrt(max(a.low, 0.0)), math.sqrt(max(a.high, 0.0))
    moved = math.sqrt(a.error) if a.low <= a.error else a.error / math.sqrt(a.low - a.error)
    error = math.inf if a.error and a.low <= a.error else moved + LIBRARY * high
    return Range(low, high, 0.0, error)


def logarithm(a: Range, base: float) -> Range:
    if a.low <= a.error:
        if not a.exact or a.grain == 0 or not math.isfinite(a.high):
            return Range(-math.inf, math.inf, 0.0, math.inf)
        a = Range(a.grain, max(a.high, a.grain), a.grain)
    scale = math.log(base)
    low = math.log(a.low) / scale
    high = math.log(a.high) / scale if math.isfinite(a.high) else math.inf
    error = a.error / (a.low - a.error) / scale + LIBRARY * max(abs(low), abs(high), 1.0)
    return Range(low, high, 0.0, error)


def exp(a: Range) -> Range:
    if a.high > 700 or a.error > 1:
        return Range(0.0, math.inf, 0.0, math.inf)
    high = math.exp(a.high)
    return Range(math.exp(max(a.low, -745.0)) * 0.999, high * 1.001, 0.0, high * (2 * a.error + LIBRARY))


def cos(a: Range) -> Range:
    error = a.error + LIBRARY if a.size < 1e6 else math.inf
    return Range(-1.0, 1.0, 0.0, error)


def power(a: Range, b: Range) -> Range:
    """A power by the library: for a positive base, through |d(a^b)| <= a^b (|b| da / a + |ln a| db)."""
    if a.low <= a.error or not math.isfinite(a.high) or not math.isfinite(b.size):
        return Range(-math.inf, math.inf, 0.0, math.inf)
    try:
        ends = [x**y for x in (a.low, a.high) for y in (b.low, b.high)]
    except OverflowError:
        return Range(0.0, math.inf, 0.0, math.inf)
    high = max(ends)
    relative = b.size * a.error / (a.low - a.error) + max(abs(math.log(a.low)), abs(math.log(a.high))) * b.error
    if relative > 0.1:
        return Range(min(ends), high, 0.0, math.inf)
    return Range(min(ends) * 0.999, high * 1.001, 0.0, high * (2 * relative + LIBRARY * (1 + b.size)))
