"""Showing units: dimensions as words, and quantities in the unit a person would pick."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.floats import digits_of


def show_unit(dimension: Dimension) -> str:
    """`bit`, `J·s`, `J/bit`, `1` for a plain number."""
    over = [_factor(b, e) for b, e in dimension if e > 0]
    under = [_factor(b, -e) for b, e in dimension if e < 0]
    if not over and not under:
        return "1"
    top = "·".join(over) or "1"
    return f"{top}/{'/'.join(under)}" if under else top


def _factor(base: str, exponent: int | Fraction) -> str:
    return base if exponent == 1 else f"{base}^{exponent}"


COMMON: Mapping[Dimension, tuple[tuple[str, Fraction], ...]] = {
    (("s", Fraction(1)),): (
        ("s", Fraction(1)), ("ms", Fraction(1, 10**3)), ("us", Fraction(1, 10**6)), ("ns", Fraction(1, 10**9)),
    ),
    (("J", Fraction(1)),): (
        ("J", Fraction(1)), ("mJ", Fraction(1, 10**3)), ("uJ", Fraction(1, 10**6)), ("nJ", Fraction(1, 10**9)),
        ("pJ", Fraction(1, 10**12)),
    ),
    (("J", Fraction(1)), ("s", Fraction(-1))): (
        ("W", Fraction(1)), ("mW", Fraction(1, 10**3)), ("uW", Fraction(1, 10**6)),
    ),
    (("metre", Fraction(2)),): (("mm2", Fraction(1, 10**6)), ("um2", Fraction(1, 10**12))),
    (("bit", Fraction(1)),): (
        ("GiB", Fraction(8 * 1024**3)), ("MiB", Fraction(8 * 1024**2)), ("KiB", Fraction(8 * 1024)),
        ("byte", Fraction(8)), ("bit", Fraction(1)),
    ),
    (("J", Fraction(1)), ("s", Fraction(1))): (
        ("J s", Fraction(1)), ("mJ ms", Fraction(1, 10**6)), ("uJ us", Fraction(1, 10**12)),
    ),
}  # fmt: skip
DECIMAL = tuple((name, Fraction(8 * 1000**k)) for k, name in ((3, "GB"), (2, "MB"), (1, "kB")))
"""Instead of a binary unit, where it makes a whole number and the binary one does not: such a number was meant so."""


def natural_unit(value: Fraction | float, dimension: Dimension) -> tuple[str, Fraction]:
    """The unit to show `value` (in base units) in, with how many base units it is."""
    choices = COMMON.get(dimension)
    if not choices:
        return ("" if not dimension else show_unit(dimension)), Fraction(1)
    for (name, scale), smaller in zip(choices, (*choices[1:], None), strict=True):
        # where the next unit is a million times smaller (mm2, um2), this one serves down to a thousandth
        least = scale / 1000 if smaller is not None and scale / smaller[1] > 10_000 else scale
        if (value if value > 0 else -value) >= least:
            meant = ((n, d) for n, d in DECIMAL if value and not value % d) if _binary(name, value, scale) else ()
            return next(iter(meant), (name, scale))
    return choices[-1] if value else choices[0]


def _binary(name: str, value: Fraction | float, scale: Fraction) -> bool:
    """Whether an amount of data may have been meant in a decimal unit: it is not whole in the binary one, or bytes."""
    return name == "byte" or (name[-2:] == "iB" and value % scale != 0)


def show_quantity(value: Fraction | float, dimension: Dimension, digits: int = 4) -> str:
    """`0.876 mm2`, `64 KiB`, `7,454`."""
    unit, scale = natural_unit(value, dimension)
    return show_in(value, unit, scale, digits)


def show_in(value: Fraction | float, unit: str, scale: Fraction, digits: int = 4) -> str:
    """A value in base units as so many of a unit, each of `scale` base units: `0.25 um2/bit`."""
    shown = value / scale if isinstance(value, Fraction) else value / float(scale)
    exact = isinstance(shown, Fraction) and shown.denominator == 1 and abs(shown) < 10**15
    text = f"{int(shown):,}" if exact else digits_of(shown, digits)
    return f"{text} {unit}" if unit else text
