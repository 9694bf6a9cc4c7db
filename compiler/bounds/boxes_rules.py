"""Ranges of numbers with exact ends, and what each operator makes of those of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from cospace.compiler.exact import enclosures
from cospace.compiler.exact.enclosures import GivenUp
from cospace.compiler.exact.reals import total
from cospace.compiler.space.rationals import ratio, rational

End = int | Fraction | float
"""Exact, or plus or minus infinity."""
Range = tuple[End, End]

INFINITY = math.inf
ALL: Range = (-INFINITY, INFINITY)
NOTHING = None
"""A number that has no value anywhere on the box."""
NO, YES, BOTH = 1, 2, 3
"""What a condition can be; 0 where it has no value anywhere."""
DIGITS = 25
BITS = 1 << 14
"""Ends with more bits than this become infinite."""


def compare(op: str, a: Any, b: Any) -> int:
    if a is NOTHING or b is NOTHING:
        return 0
    if op == "le":
        return (YES if a[0] <= b[1] else 0) | (NO if a[1] > b[0] else 0)
    return (YES if a[0] < b[1] else 0) | (NO if a[1] >= b[0] else 0)


def equal(a: Any, b: Any, kind: str) -> int:
    if kind == "bool":
        return (YES if a & b else 0) | (NO if a | b == BOTH and (a or b) else 0)
    if kind == "number":
        if a is NOTHING or b is NOTHING:
            return 0
        return (YES if a[0] <= b[1] and b[0] <= a[1] else 0) | (0 if a[0] == a[1] == b[0] == b[1] else NO)
    if a is None or b is None:
        return BOTH
    return (YES if a & b else 0) | (NO if len(a | b) > 1 else 0)


def choose(parts: Sequence[Any], kind: str) -> Any:
    """The hull of what may be taken."""
    if kind == "bool":
        found = 0
        for p in parts:
            found |= p
        return found
    if kind == "number":
        known = [p for p in parts if p is not NOTHING]
        return (min(p[0] for p in known), max(p[1] for p in known)) if known else NOTHING
    return None if any(p is None for p in parts) else frozenset().union(*parts)


def shorten(a: Range) -> Range:
    """Ends of bounded length, never tighter; whole numbers as such."""
    low, high = a
    return _end(low, -INFINITY), _end(high, INFINITY)


def _end(end: End, instead: float) -> End:
    if isinstance(end, float):
        return end
    if isinstance(end, Fraction):
        if end.denominator == 1:
            end = end.numerator
        elif end.denominator.bit_length() > BITS:
            return instead
    return instead if end.numerator.bit_length() > BITS else end


def _total(ends: list[End]) -> End:
    """A sum; what is not bounded stays so."""
    finite = [e for e in ends if not isinstance(e, float)]
    if len(finite) < len(ends):
        return next(e for e in ends if isinstance(e, float))
    above, below = total(finite)
    return above if below == 1 else rational(above, below)


def _negative(end: End) -> bool:
    return end < 0 if isinstance(end, float) else end.numerator < 0


def _times(a: End, b: End) -> End:
    if a.__class__ is int and b.__class__ is int:
        return a * b
    if isinstance(a, float) or isinstance(b, float):
        if a == 0 or b == 0:
            return 0
        return INFINITY if (a > 0) == (b > 0) else -INFINITY
    return rational(a.numerator * b.numerator, a.denominator * b.denominator)


def _inverse(end: End) -> End:
    """One over it; 0 of what is not bounded."""
    return 0 if isinstance(end, float) else ratio(end.denominator, end.numerator)


def _add(args: Sequence[Range]) -> Range:
    return shorten((_total([a[0] for a in args]), _total([a[1] for a in args])))


def _mul(args: Sequence[Range]) -> Range:
    low, high = args[0]
    for c, d in args[1:]:
        if not _negative(low) and not _negative(c):
            low, high = _times(low, c), _times(high, d)
        else:
            ends = (_times(low, c), _times(low, d), _times(high, c), _times(high, d))
            low, high = min(ends), max(ends)
    return shorten((low, high))


def _div(args: Sequence[Range]) -> Range | None:
    a, (low, high) = args
    if low == 0 == high:
        return NOTHING
    if low < 0 < high:
        return ALL
    small: End = -INFINITY if high == 0 else _inverse(high)
    large: End = INFINITY if low == 0 else _inverse(low)
    return _mul([a, (small, large)])


def _rounded(function: Callable[[Any], int]) -> Callable[[Sequence[Range]], Range]:
    def run(args: Sequence[Range]) -> Range:
        low, high = args[0]
        return low if isinstance(low, float) else function(low), high if isinstance(high, float) else function(high)

    return run


def _mod(args: Sequence[Range]) -> Range:
    a, b = args
    if b[0] > 0 and a[0] >= 0:
        return a if a[1] < b[0] else (0, min(a[1], b[1]))
    return min(b[0], 0), max(b[1], 0)


def _abs(args: Sequence[Range]) -> Range:
    low, high = args[0]
    if low >= 0:
        return low, high
    if high <= 0:
        return -high, -low
    return 0, max(-low, high)


def _power(args: Sequence[Range]) -> Range:
    (low, high), (small, large) = args
    if small == large and not isinstance(small, float) and small.denominator == 1 and 0 < small <= 64:
        n = small.numerator
        ends = [_times_out(low, n), _times_out(high, n)] + ([0] if n % 2 == 0 and low < 0 < high else [])
        return shorten((min(ends), max(ends)))
    if low > 0 and not any(isinstance(e, float) for e in (low, high, small, large)):
        try:
            found = enclosures.power((Fraction(low), Fraction(high)), (Fraction(small), Fraction(large)), DIGITS)
        except GivenUp:
            return ALL
        return shorten(found)
    return ALL


def _times_out(end: End, n: int) -> End:
    if isinstance(end, float):
        return INFINITY if end > 0 or n % 2 == 0 else -INFINITY
    return end**n


def _growing(function: Callable[..., enclosures.Bounds], least: End) -> Callable[[Sequence[Range]], Range]:
    """An increasing function, defined above `least`."""

    def run(args: Sequence[Range]) -> Range:
        low, high = args[0]
        bottom, top = ALL
        try:
            if not isinstance(low, float) and low > least:
                bottom = function(Fraction(low), Fraction(low), DIGITS)[0]
            if not isinstance(high, float) and high > least:
                top = function(Fraction(high), Fraction(high), DIGITS)[1]
        except GivenUp:
            return ALL
        return bottom, top

    return run


RULES: dict[str, Callable[[Any], Any]] = {
    "add": _add,
    "mul": _mul,
    "div": _div,
    "pow": _power,
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "mod": _mod,
    "min": lambda args: (min(a[0] for a in args), min(a[1] for a in args)),
    "max": lambda args: (max(a[0] for a in args), max(a[1] for a in args)),
    "abs": _abs,
    "sqrt": _growing(enclosures.sqrt, 0),
    "log2": _growing(enclosures.log2, 0),
    "log10": _growing(enclosures.log10, 0),
    "log": _growing(enclosures.ln, 0),
    "exp": _growing(enclosures.exp, -INFINITY),
}
