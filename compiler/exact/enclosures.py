"""Rational enclosures of real functions: for `x` in `[lo, hi]`, rationals around `f(x)` at a given number of digits.

The exact evaluator refines them until a comparison is decided. `decimal` rounds exp, ln, log10 and sqrt correctly, so
one unit in the last place on either side is a proof; cosine is a Taylor sum with its remainder.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

Bounds = tuple[Fraction, Fraction]

LARGEST_EXPONENT = 100_000
"""Beyond this `exp` is given up: the result would not fit a sensible amount of memory."""

KEPT = 4_096
"""Results that are remembered: designs differ in few arguments, and digits are dear."""


class GivenUp(ArithmeticError):
    """A value is too large to be enclosed."""


def _context(digits: int, rounding: str) -> decimal.Context:
    return decimal.Context(
        prec=digits, rounding=rounding, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.InvalidOperation]
    )


def _to_decimal(x: Fraction, digits: int, up: bool) -> decimal.Decimal:
    context = _context(digits, decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR)
    return context.divide(decimal.Decimal(x.numerator), decimal.Decimal(x.denominator))


def outward(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    """The same interval with shorter ends, never tighter."""
    return Fraction(_to_decimal(lo, digits, False)), Fraction(_to_decimal(hi, digits, True))


@lru_cache(KEPT)
def _increasing(name: str, lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    context = _context(digits, decimal.ROUND_HALF_EVEN)
    function: Callable[[decimal.Decimal], decimal.Decimal] = getattr(context, name)
    low, high = function(_to_decimal(lo, digits, False)), function(_to_decimal(hi, digits, True))
    # A result of 0 is exact, and its neighbours would have an astronomical exponent.
    return (
        Fraction(context.next_minus(low)) if low else Fraction(0),
        Fraction(context.next_plus(high)) if high else Fraction(0),
    )


def ln(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    """Natural logarithm; `lo` > 0."""
    return _increasing("ln", lo, hi, digits)


def log10(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    return _increasing("log10", lo, hi, digits)


@lru_cache(KEPT)
def log2(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    above, below = ln(lo, hi, digits), ln(Fraction(2), Fraction(2), digits)
    ends = [a / b for a in above for b in below]
    return outward(min(ends), max(ends), digits)


def sqrt(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    """Square root; `lo` >= 0."""
    low, high = _increasing("sqrt", lo, hi, digits)
    return max(low, Fraction(0)), high


def exp(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    if max(abs(lo), abs(hi)) > LARGEST_EXPONENT:
        raise GivenUp
    low, high = _increasing("exp", lo, hi, digits)
    return max(low, Fraction(0)), high


def _arctan_inverse(n: int, scale: int) -> int:
    """floor-ish of scale * arctan(1 / n), within one unit a term."""
    power = scale // n
    total, k, square = power, 1, n * n
    while power:
        power //= square
        total += (-1) ** k * (power // (2 * k + 1))
        k += 1
    return total


def pi(digits: int) -> Bounds:
    """By Machin's formula in integers, with ten guard digits for the rounding of its terms."""
    scale = 10 ** (digits + 10)
    value = 16 * _arctan_inverse(5, scale) - 4 * _arctan_inverse(239, scale)
    slack = 10**8
    return Fraction(value - slack, scale), Fraction(value + slack, scale)


def cos(lo: Fraction, hi: Fraction, digits: int) -> Bounds:
    """Cosine at the midpoint plus what it can move over half the width (its slope is at most 1)."""
    middle, slack = (lo + hi) / 2, (hi - lo) / 2
    if slack >= 2 or abs(middle) > Fraction(10) ** 200:
        return Fraction(-1), Fraction(1)
    extra = max(len(str(abs(int(middle)))), 1)
    low, high = pi(digits + extra)
    turns = round(middle / (low + high))
    middle -= turns * (low + high)
    slack += abs(turns) * (high - low)
    scale = 10 ** (digits + 5)
    x = middle.numerator * scale // middle.denominator
    slack += Fraction(1, scale)
    square = x * x // scale
    term, total, k = scale, scale, 0
    while term:
        k += 2
        term = term * square // scale // (k * (k - 1))
        total += term if k % 4 == 0 else -term
    slack += Fraction(2 * k + 4, scale)
    value = Fraction(total, scale)
    return max(value - slack, Fraction(-1)), min(value + slack, Fraction(1))


def power(low: Bounds, exponent: Bounds, digits: int) -> Bounds:
    """`low ^ exponent` for a positive base: exp(exponent * ln(base))."""
    logs = ln(low[0], low[1], digits)
    ends = [a * b for a in logs for b in exponent]
    return exp(*outward(min(ends), max(ends), digits), digits)


def exact_root(x: Fraction, degree: int) -> Fraction | None:
    """The rational degree-th root of `x` >= 0 where there is one."""
    top, bottom = _integer_root(x.numerator, degree), _integer_root(x.denominator, degree)
    return None if top is None or bottom is None else Fraction(top, bottom)


def _integer_root(n: int, degree: int) -> int | None:
    if n < 2:
        return n
    if degree > n.bit_length():
        return None
    if degree == 2:
        root = math.isqrt(n)
    else:
        low, high = 1, 1 << (n.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            if middle**degree <= n:
                low = middle
            else:
                high = middle - 1
        root = low
    return root if root**degree == n else None


def exact_log(x: Fraction, base: int) -> Fraction | None:
    """The integer logarithm of `x` > 0 where it is one."""
    value, sign = (x.numerator, 1) if x.denominator == 1 else (x.denominator, -1)
    if sign < 0 and x.numerator != 1:
        return None
    guess = round((value.bit_length() - 1) / math.log2(base))
    for k in (guess - 1, guess, guess + 1):
        if k >= 0 and base**k == value:
            return Fraction(sign * k)
    return None
