"""Rationals made without what `Fraction` asks of operands of any kind: most of the time that its operators take."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any


def rational(above: int, below: int) -> Fraction:
    """above / below, in lowest terms. below: positive."""
    common = 1 if below == 1 else math.gcd(above, below)
    made = object.__new__(Fraction)
    made._numerator = above if common == 1 else above // common  # type: ignore[attr-defined]
    made._denominator = below if common == 1 else below // common  # type: ignore[attr-defined]
    return made


def ratio(above: int, below: int) -> Fraction:
    """above / below, in lowest terms. below: not 0."""
    return rational(above, below) if below > 0 else rational(-above, -below)


def whole_as_int(value: Any) -> Any:
    """A whole number as an int; anything else as it is."""
    return value.numerator if value.__class__ is Fraction and value.denominator == 1 else value


def plus(a: Fraction, b: Fraction) -> Fraction:
    above, below = a.as_integer_ratio()
    other, under = b.as_integer_ratio()
    return rational(above + other, below) if below == under else rational(above * under + other * below, below * under)


def times(a: Fraction, b: Fraction) -> Fraction:
    above, below = a.as_integer_ratio()
    other, under = b.as_integer_ratio()
    return rational(above * other, below * under)
