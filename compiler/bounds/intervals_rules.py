"""Interval arithmetic with rational ends: what each operator makes of the bounds of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

from attrs import evolve, frozen
from cospace.compiler.exact import enclosures
from cospace.compiler.exact.enclosures import GivenUp
from cospace.compiler.space.graph import Expr, Value

End = Fraction | float
"""A rational, or plus or minus infinity."""

INFINITY = math.inf
DIGITS = 25
LARGEST_BITS = 1 << 16
"""Ends with more bits than this become infinite."""


@frozen
class Interval:
    """Numbers: low <= value <= high, `integral` when surely an integer. Others: the `values` that are possible.

    undefined: a node that may have no value (a division by zero, a logarithm of 0, a work without a mapping), or None
    when the expression is defined at every design.
    """

    low: End = -INFINITY
    high: End = INFINITY
    integral: bool = False
    values: frozenset[Value] | None = None
    undefined: Expr | None = None

    @property
    def may_be_undefined(self) -> bool:
        return self.undefined is not None

    @property
    def settled(self) -> bool | None:
        """True or False when a Boolean is surely that at every design; None when it isn't known."""
        if self.values is None or len(self.values) != 1 or self.undefined is not None:
            return None
        only = next(iter(self.values))
        return only if isinstance(only, bool) else None

    def may_be(self, value: Value) -> bool:
        if self.values is not None:
            return value in self.values
        return isinstance(value, Fraction) and self.low <= value <= self.high


def shorten(a: Interval) -> Interval:
    """Ends of bounded length, never tighter."""
    ends = [a.low, a.high]
    for i, end in enumerate(ends):
        if isinstance(end, Fraction) and max(end.numerator.bit_length(), end.denominator.bit_length()) > LARGEST_BITS:
            ends[i] = (-INFINITY, INFINITY)[i]
    return evolve(a, low=ends[0], high=ends[1])


def least_end(ends: Iterable[End]) -> End:
    return min(ends)


def largest_end(ends: Iterable[End]) -> End:
    return max(ends)


def _sizes(a: Interval) -> tuple[End, End]:
    """The absolute values of the ends, the smaller first."""
    ends: list[End] = [-e if e < 0 else e for e in (a.low, a.high)]
    return least_end(ends), largest_end(ends)


def _plus(a: End, b: End) -> End:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a + b
    return a if isinstance(a, float) else b


def _times(a: End, b: End) -> End:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    if a == 0 or b == 0:
        return Fraction(0)
    return INFINITY if (a > 0) == (b > 0) else -INFINITY


def _add(args: list[Interval]) -> Interval:
    low: End = Fraction(0)
    high: End = Fraction(0)
    for a in args:
        low, high = _plus(low, a.low), _plus(high, a.high)
    return Interval(low, high, all(a.integral for a in args))


def _mul(args: list[Interval]) -> Interval:
    low: End = Fraction(1)
    high: End = Fraction(1)
    for a in args:
        ends = [_times(x, y) for x in (low, high) for y in (a.low, a.high)]
        low, high = least_end(ends), largest_end(ends)
    return Interval(low, high, all(a.integral for a in args))


def _inverse(a: End) -> End:
    return 1 / a if isinstance(a, Fraction) else Fraction(0)


def _div(args: list[Interval]) -> Interval:
    a, b = args
    if b.low == 0 == b.high:
        return Interval()
    if b.low < 0 < b.high:
        if not b.integral:
            return Interval()
        size = _sizes(a)[1]  # an integer that is not 0 makes nothing larger
        return Interval(-size, size)
    low = -INFINITY if b.high == 0 else _inverse(b.high)
    high = INFINITY if b.low == 0 else _inverse(b.low)
    if b.integral and b.low == 0:
        high = Fraction(1)
    if b.integral and b.high == 0:
        low = Fraction(-1)
    return _mul([a, Interval(low, high)])


def _rounded(function: Callable[[Fraction], int]) -> Callable[[list[Interval]], Interval]:
    def run(args: list[Interval]) -> Interval:
        low, high = args[0].low, args[0].high
        return Interval(
            Fraction(function(low)) if isinstance(low, Fraction) else low,
            Fraction(function(high)) if isinstance(high, Fraction) else high,
            True,
        )

    return run


def _mod(args: list[Interval]) -> Interval:
    a, b = args
    if b.low > 0 and a.low >= 0 and a.high < b.low:
        return a
    low, high = least_end((b.low, Fraction(0))), largest_end((b.high, Fraction(0)))
    if a.low >= 0 and b.low >= 0:
        high = least_end((high, a.high))
    return Interval(low, high, a.integral and b.integral)


def _abs(args: list[Interval]) -> Interval:
    a = args[0]
    low: End = Fraction(0) if a.low <= 0 <= a.high else _sizes(a)[0]
    return Interval(low, _sizes(a)[1], a.integral)


def _least(args: list[Interval]) -> Interval:
    return Interval(least_end(a.low for a in args), least_end(a.high for a in args), all(a.integral for a in args))


def _greatest(args: list[Interval]) -> Interval:
    return Interval(largest_end(a.low for a in args), largest_end(a.high for a in args), all(a.integral for a in args))


def _growing(
    function: Callable[[Fraction, Fraction, int], enclosures.Bounds], least: Fraction | None, start: End
) -> Callable[[list[Interval]], Interval]:
    """An increasing function with values above `start`, defined above `least`."""

    def run(args: list[Interval]) -> Interval:
        low, high = args[0].low, args[0].high
        bottom, top = start, INFINITY
        inside = isinstance(low, Fraction) and (least is None or low > least)
        try:
            if inside and isinstance(low, Fraction):
                bottom = function(low, low, DIGITS)[0]
        except GivenUp:
            pass
        try:
            if isinstance(high, Fraction) and (least is None or high > least):
                top = function(high, high, DIGITS)[1]  # type: ignore[assignment]
        except GivenUp:
            pass
        return Interval(bottom, top)

    return run


def _sqrt(args: list[Interval]) -> Interval:
    low, high = args[0].low, args[0].high
    bottom: End = enclosures.sqrt(low, low, DIGITS)[0] if isinstance(low, Fraction) and low > 0 else Fraction(0)
    top: End = (
        enclosures.sqrt(high, high, DIGITS)[1] if isinstance(high, Fraction) and high > 0 else largest_end((high, 0.0))
    )
    return Interval(bottom, Fraction(0) if top == 0 else top)


def _cos(args: list[Interval]) -> Interval:
    a = args[0]
    if isinstance(a.low, Fraction) and isinstance(a.high, Fraction):
        return Interval(*enclosures.cos(a.low, a.high, DIGITS))
    return Interval(Fraction(-1), Fraction(1))


def _pow(args: list[Interval]) -> Interval:
    base, exponent = args
    if exponent.low == exponent.high and isinstance(exponent.low, Fraction) and exponent.low.denominator == 1:
        return _whole_power(base, int(exponent.low))
    ends = (base.low, base.high, exponent.low, exponent.high)
    if base.low > 0 and all(isinstance(e, Fraction) for e in ends):
        low, high, small, large = ends
        return Interval(*enclosures.power((low, high), (small, large), DIGITS))  # type: ignore[arg-type]
    return Interval(Fraction(0) if base.low >= 0 else -INFINITY, INFINITY)


def _whole_power(base: Interval, n: int) -> Interval:
    if n < 0:
        return _div([Interval(Fraction(1), Fraction(1), True), _whole_power(base, -n)])
    ends: list[End] = []
    for end in (base.low, base.high):
        if isinstance(end, Fraction):
            if max(end.numerator.bit_length(), end.denominator.bit_length()) * n > LARGEST_BITS:
                raise GivenUp
            ends.append(end**n)
        else:
            ends.append(INFINITY if end > 0 or n % 2 == 0 else -INFINITY)
    if n == 0:
        return Interval(Fraction(1), Fraction(1), True)
    if n % 2 == 0 and base.low < 0 < base.high:
        ends.append(Fraction(0))
    return Interval(least_end(ends), largest_end(ends), base.integral)


def may_fail(op: str, args: list[Interval]) -> bool:
    """Whether arguments that are defined may give something undefined."""
    if op in ("div", "mod"):
        return args[1].low <= 0 <= args[1].high
    if op in ("log", "log2", "log10"):
        return args[0].low <= 0
    if op == "sqrt":
        return args[0].low < 0
    if op == "pow":
        base, exponent = args
        whole = exponent.integral
        return (base.low < 0 and not whole) or (base.low <= 0 <= base.high and exponent.low < 0)
    return False


RULES: dict[str, Callable[[list[Interval]], Interval]] = {
    "add": _add,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "mod": _mod,
    "min": _least,
    "max": _greatest,
    "abs": _abs,
    "sqrt": _sqrt,
    "log2": _growing(enclosures.log2, Fraction(0), -INFINITY),
    "log10": _growing(enclosures.log10, Fraction(0), -INFINITY),
    "log": _growing(enclosures.ln, Fraction(0), -INFINITY),
    "exp": _growing(enclosures.exp, None, Fraction(0)),
    "cos": _cos,
}
