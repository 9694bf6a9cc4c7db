"""Dimensions of units and their algebra: what a product, a power and a quotient are measured in."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

Dimension = tuple[tuple[str, int | Fraction], ...]
"""A unit's dimension: base unit -> exponent, sorted, no zero exponents. `()` is a plain number.

What is computed here has whole exponents as ints, which equal the fractions and are hashed in no time.
"""


def unit_product(units: Iterable[Dimension]) -> Dimension:
    measured = [u for u in units if u]
    if len(measured) <= 1:
        return measured[0] if measured else ()
    total: dict[str, int | Fraction] = {}
    for unit in measured:
        for base, exponent in unit:
            total[base] = total.get(base, 0) + exponent
    return plain(tuple(sorted((b, e) for b, e in total.items() if e)))


def unit_power(unit: Dimension, exponent: int | Fraction) -> Dimension:
    return plain(tuple((b, e * exponent) for b, e in unit if exponent)) if unit else ()


def unit_quotient(a: Dimension, b: Dimension) -> Dimension:
    return unit_product([a, unit_power(b, -1)]) if b else a


def plain(unit: Dimension) -> Dimension:
    """The same, whole exponents as ints."""
    if all(e.__class__ is int for _, e in unit):
        return unit
    return tuple((b, e.numerator if e.denominator == 1 else e) for b, e in unit)
