"""What is known of a batched number before any design is: its range, its grain, and how far rounding can move it.

`error` bounds |float value - exact value|, and `relative` that by a share of |exact value|, as long as no comparison or
rounding fell on the wrong side, which a certified program checks as it runs. `grain` > 0 says that the exact value is a
multiple of that power of two, so that sums and products below 2^53 grains are exact; a `grid` that it is a multiple of
some rational, so that two values nearer than that are equal. Bounds follow the standard model of floating point:
fl(a op b) = (a op b)(1 + d), |d| <= 2^-53 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache

from attrs import evolve, frozen

UNIT = 2.0**-53
NORMAL = 1e-280
"""Numbers at least this large lose no digits to underflow."""
LIBRARY = 16 * UNIT
"""Assumed relative error of a library function (logarithms, powers): eight units in the last place."""


@frozen
class Range:
    """low <= value <= high where it is defined; `grain` 0 when nothing is known; `ratio`: a quotient of integers;
    `tiny`: no value but 0 is nearer to 0; `grid`: a rational that every exact value is a multiple of, if known."""

    low: float
    high: float
    grain: float = 0.0
    error: float = 0.0
    ratio: bool = False
    relative: float = math.inf
    tiny: float = 0.0
    grid: Fraction | None = None

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))

    @property
    def exact(self) -> bool:
        return self.error == 0.0

    @property
    def share(self) -> float:
        """The relative error."""
        return 0.0 if self.exact else self.relative

    @property
    def least(self) -> float:
        """No value but 0 is nearer to 0."""
        return max(self.tiny, self.grain, self.low, -self.high)


ANYTHING = Range(-math.inf, math.inf)
BOOLEAN = Range(0.0, 1.0, 1.0)


def joint_grid(*ranges: Range) -> Fraction | None:
    """What all values of all these are multiples of."""
    if all(r.grid is None for r in ranges):
        grain = min(r.grain for r in ranges)
        return _power_of_two(grain) if grain > 0 else None  # powers of two are multiples of the least
    return _grid(*ranges)


def _grid(*ranges: Range) -> Fraction | None:
    """As `joint_grid`, None where the least grain says as much."""
    if all(r.grid is None for r in ranges):
        return None
    total = Fraction(0)
    for r in ranges:
        grid = r.grid if r.grid is not None else Fraction(r.grain) if r.grain > 0 else None
        if grid is None:
            return None
        common = math.lcm(total.denominator, grid.denominator)
        total = Fraction(math.gcd(int(total * common), int(grid * common)), common)
    return total if total.denominator.bit_length() < 64 else None


@cache
def _power_of_two(grain: float) -> Fraction | None:
    found = Fraction(grain)
    return found if found.denominator.bit_length() < 64 else None


def of_constant(value: Fraction) -> Range:
    try:
        number = float(value)
    except OverflowError:
        return Range(-math.inf, math.inf, 0.0, math.inf)
    if Fraction(number) != value:
        relative = UNIT if abs(number) > NORMAL else math.inf
        least = abs(number) * (1 - 4 * UNIT)
        return Range(number, number, 0.0, abs(number) * UNIT + 5e-324, False, relative, least, abs(value))
    return Range(number, number, grain_of(value))


def enclosed(number: float, wide: float) -> Range:
    """Of the float nearest to the middle of an interval of this width, in which the exact number lies."""
    if not math.isfinite(number):
        return Range(-math.inf, math.inf, 0.0, math.inf)
    return _real(number, number, wide + abs(number) * 2 * UNIT + 5e-324)


@lru_cache(maxsize=256)
def of_constants(values: tuple[Fraction, ...]) -> tuple[tuple[float, ...], Range]:
    """Each as a float, and the hull of all; decisions often share a domain."""
    each = [of_constant(v) for v in values]
    return tuple(r.low for r in each), hull(*each)


def grain_of(value: Fraction) -> float:
    """The largest power of two that divides a dyadic rational (2^60 for 0)."""
    if value == 0:
        return 2.0**60
    top = value.numerator & -value.numerator
    scale = top.bit_length() - value.denominator.bit_length()
    return math.ldexp(1.0, scale) if -900 < scale < 900 else 0.0


NOTHING = of_constant(Fraction(0))
"""Of what never has a value: nothing that is said of numbers is wrong of none."""


def hull(*ranges: Range) -> Range:
    grain = min(r.grain for r in ranges)
    ratio = all(r.ratio or (r.exact and r.grain >= 1) for r in ranges) and any(r.ratio for r in ranges)
    return Range(
        min(r.low for r in ranges), max(r.high for r in ranges), grain, max(r.error for r in ranges), ratio,
        max(r.share for r in ranges), min(r.least for r in ranges), _grid(*ranges),
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
    relative = math.inf
    if min(a.low, b.low) >= 0 or max(a.high, b.high) <= 0:
        relative = _compound(max(a.share, b.share), 0.0, min(a.least, b.least))
    tiny = 0.0 if math.isinf(relative) else min(a.least, b.least)
    return Range(low, high, grain, error, False, relative, tiny, _grid(a, b))


def mul(a: Range, b: Range) -> Range:
    ends = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    grain = a.grain * b.grain
    grain = grain if 0 < grain < math.inf else 0.0
    error = _times(a.size, b.error) + _times(b.size, a.error) + _times(a.error, b.error)
    size = _times(a.size, b.size)
    if error or not _fits(size, grain):
        error += UNIT * (size + error) * 1.01 + 1e-320
    tiny = _times(a.least, b.least) * (1 - 4 * UNIT)
    grid = None
    if a.grid is not None or b.grid is not None or not grain:
        grids = joint_grid(a), joint_grid(b)
        grid = grids[0] * grids[1] if grids[0] is not None and grids[1] is not None else None
    return Range(min(ends), max(ends), grain, error, False, _compound(a.share, b.share, tiny), tiny, grid)


def _compound(a: float, b: float, tiny: float) -> float:
    """The relative error of one more operation on two that are off; none is known where it could underflow."""
    if not tiny > NORMAL or math.isinf(a) or math.isinf(b):
        return math.inf
    return (a + b + a * b + UNIT * (1 + a) * (1 + b)) * 1.01  # not (1 + a) * (1 + b) - 1, which loses what is small


def slack(a: Range, b: Range) -> float:
    """How far apart two numbers have to be as floats at least, that they compare as the exact ones do.

    What is off by a share s of itself need only be looked at where it may cross the other: there it is at most that
    one's size over 1 - s.
    """
    found = a.error + b.error
    for x, y in ((a, b), (b, a)):
        if x.share < 0.5 and math.isfinite(x.size + x.error):
            found = min(found, x.share / (1 - x.share) * (y.size + y.error) + y.error)
    return found


def div(a: Range, b: Range) -> Range:
    away = b.low if b.low > 0 else -b.high if b.high < 0 else 0.0
    if away <= b.error or away <= 0:
        return _over_maybe_zero(a, b)
    ends = [x / y for x in (a.low, a.high) for y in (b.low, b.high) if not (math.isinf(x) and math.isinf(y))]
    if not ends or not math.isfinite(a.size):
        return Range(-math.inf, math.inf, 0.0, math.inf)
    size = a.size / away
    error = (a.error + size * b.error) / (away - b.error) + UNIT * size * 1.02 + 1e-320
    grain = min(a.grain, b.grain)
    ratio = a.exact and b.exact and grain > 0 and _fits(a.size, grain) and _fits(b.size, grain)
    tiny = a.least / b.size * (1 - 4 * UNIT) if 0 < b.size < math.inf else 0.0
    relative = _compound(a.share, b.share / (1 - b.share), tiny) if b.share < 0.5 else math.inf
    return Range(min(ends), max(ends), 0.0, error, ratio, relative, tiny, _grid_over(a, b))


def _grid_over(a: Range, b: Range) -> Fraction | None:
    """What the quotients by one number are multiples of."""
    grid = joint_grid(a) if b.exact and b.low == b.high else None
    if grid is None:
        return None
    found = grid / abs(Fraction(b.low))
    return found if found.denominator.bit_length() < 64 else None


def between_integers(a: Range) -> float:
    """How near to an integer at least a number is that is none, where that is well above what rounding moves it; 0 when
    it isn't known."""
    if a.grid is None or not a.error < math.inf:
        return 0.0
    apart = 1.0 / a.grid.denominator
    return apart if apart > 8 * a.error and a.size * 2.0**-50 < apart else 0.0


def _over_maybe_zero(a: Range, b: Range) -> Range:
    """Where `b` is 0 there is no value; elsewhere it is known how near to 0 it is at least, or nothing is."""
    off = b.share / (1 - b.share) if b.share < 0.5 else math.inf
    least = b.least / (1 + off) if off < math.inf else 0.0
    if least == 0 or not math.isfinite(a.size):
        return Range(-math.inf, math.inf, 0.0, math.inf)
    size = (a.size + a.error) / least
    grain = min(a.grain, b.grain)
    ratio = a.exact and b.exact and _fits(a.size, grain) and _fits(b.size, grain)
    tiny = a.least / b.size * (1 - 4 * UNIT) if 0 < b.size < math.inf else 0.0
    error = a.error / least + size * off * 1.01 + UNIT * size * 1.02 + 1e-320
    low = a.low / b.size * (1 - 4 * UNIT) if min(a.low, b.low) >= 0 and 0 < b.size < math.inf else -size
    return Range(low, size, 0.0, error, ratio, _compound(a.share, off, tiny), tiny)


def floor(a: Range) -> Range:
    """An integer; when the argument may be off, a run checks that it is away from one."""
    return _rounded(a, math.floor)


def ceil(a: Range) -> Range:
    """As `floor`."""
    return _rounded(a, math.ceil)


def _rounded(a: Range, function: Callable[[float], int]) -> Range:
    if not math.isfinite(a.size) or not math.isfinite(a.error):
        return Range(-math.inf, math.inf, 1.0, math.inf)
    low = function(a.low - a.error - 8 * UNIT * abs(a.low))  # the ends themselves are rounded
    high = function(a.high + a.error + 8 * UNIT * abs(a.high))
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
    return Range(low, a.size, a.grain, a.error, False, a.relative, a.tiny, a.grid)


def least(a: Range, b: Range) -> Range:
    return evolve(hull(a, b), low=min(a.low, b.low), high=min(a.high, b.high))


def greatest(a: Range, b: Range) -> Range:
    return evolve(hull(a, b), low=max(a.low, b.low), high=max(a.high, b.high))


def _real(low: float, high: float, error: float, relative: float = math.inf) -> Range:
    """What a function of the library gives, off by `error` at most; relative: where a share of it is known as well."""
    away = max(low, -high, 0.0)
    if away > NORMAL and error < away / 2:
        relative = min(relative, error / (away - error) * 1.01)
    return Range(low, high, 0.0, error, False, relative if away > NORMAL else math.inf, away * (1 - 4 * UNIT))


def sqrt(a: Range) -> Range:
    low, high = math.sqrt(max(a.low, 0.0)), math.sqrt(max(a.high, 0.0))
    moved = math.sqrt(a.error) if a.low <= a.error else a.error / math.sqrt(a.low - a.error)
    error = math.inf if a.error and a.low <= a.error else moved + LIBRARY * high
    return _real(low, high, error, _compound(a.share, LIBRARY, a.least))


def logarithm(a: Range, base: float) -> Range:
    """What is off by a share of itself moves its logarithm as little, however near to 0 it is."""
    scale = math.log(base)
    moved = a.share / (1 - a.share) if a.share < 0.5 else math.inf
    least = a.low
    if a.low <= a.error:
        least = a.least * (1 - 2 * a.share) if a.share < 0.5 else 0.0
        if not least > 0 or not math.isfinite(a.high):
            return Range(-math.inf, math.inf, 0.0, math.inf)
    else:
        moved = min(moved, a.error / (a.low - a.error))
    low = math.log(least) / scale
    high = math.log(max(a.high, least)) / scale if math.isfinite(a.high) else math.inf
    error = moved / scale + LIBRARY * max(abs(low), abs(high), 1.0)
    return _real(low, high, error)


def exp(a: Range) -> Range:
    if a.high > 700 or a.error > 1:
        return Range(0.0, math.inf, 0.0, math.inf)
    high = math.exp(a.high)
    relative = 2 * a.error + LIBRARY
    return _real(math.exp(max(a.low, -745.0)) * 0.999, high * 1.001, high * relative, relative)


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
    moved = min(a.error / (a.low - a.error), a.share / (1 - a.share) if a.share < 0.5 else math.inf)
    relative = b.size * moved + max(abs(math.log(a.low)), abs(math.log(a.high))) * b.error
    if relative > 0.1:
        return Range(min(ends), high, 0.0, math.inf)
    relative = 2 * relative + LIBRARY * (1 + b.size)
    return _real(min(ends) * 0.999, high * 1.001, high * relative, relative)
