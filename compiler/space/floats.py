"""Exact numbers as floats: the nearest one, infinite beyond the largest, so that no number ends a pass."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction


def nearest(value: Fraction | int) -> float:
    """The nearest float; infinite where it is larger than any."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def digits_of(value: Fraction | float, digits: int) -> str:
    """So many significant digits of a number, however large or small: `0.876`, `1.2e+400`."""
    if isinstance(value, Fraction) and value and not sys.float_info.min < abs(nearest(value)) < math.inf:
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits - 1}e}"
    return f"{float(value):.{digits}g}"
