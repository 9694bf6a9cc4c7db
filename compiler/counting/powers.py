"""Counting the choices whose costs stay within a bound where many groups are alike: powers of one long polynomial.

A polynomial's k-th coefficient is the weight of what costs k; its coefficients stand side by side in one whole number
(Kronecker's substitution), in decimal digits, since `decimal` multiplies exactly in quasi-linear time. Where the costs
have too many levels they are rounded to a coarser grid, down and up, which bounds the count from both sides.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence

import numpy
from cospace.compiler.counting.levels import Group, merge_groups
from numpy.typing import NDArray

Digits = NDArray[numpy.uint8]
DIGITS = 12_000_000
"""Digits of one polynomial, at most: what is longer is rounded to a coarser grid."""
_EXACT = decimal.Context(
    prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact, decimal.Rounded]
)


class Polynomial:
    """Coefficients of 0..length-1, each in `width` decimal digits: (length, width), the highest coefficient first."""

    def __init__(self, digits: Digits, total: int) -> None:
        self.digits, self.total = digits, total

    @staticmethod
    def of(group: Group, length: int) -> Polynomial:
        kept = [(v, w) for v, w in zip(group.values, group.weights, strict=True) if v < length]
        size = kept[-1][0] + 1 if kept else 1
        width = len(str(group.total))
        digits = numpy.full((size, width), ord("0"), dtype=numpy.uint8)
        for v, w in kept:
            digits[size - 1 - v] = numpy.frombuffer(str(w).zfill(width).encode(), dtype=numpy.uint8)
        return Polynomial(digits, group.total)

    def times(self, other: Polynomial, length: int) -> Polynomial:
        """The product, cut to `length` coefficients."""
        total = self.total * other.total
        width = len(str(total)) if total else 1
        a = self._packed(width)
        product = _EXACT.multiply(a, a if other is self else other._packed(width))
        size = len(self.digits) + len(other.digits) - 1
        text = str(product).zfill(size * width).encode()
        digits = numpy.frombuffer(text, dtype=numpy.uint8)[-size * width :].reshape(size, width)
        return Polynomial(digits[max(0, size - length) :], total)

    def power(self, n: int, length: int) -> Polynomial:
        """The n-th power, n >= 1."""
        found: Polynomial | None = None
        square = self
        while True:
            if n & 1:
                found = square if found is None else found.times(square, length)
            n >>= 1
            if not n:
                assert found is not None
                return found
            square = square.times(square, length)

    def _packed(self, width: int) -> decimal.Decimal:
        size, own = self.digits.shape
        wide = numpy.full((size, width), ord("0"), dtype=numpy.uint8)
        wide[:, width - own :] = self.digits
        return decimal.Decimal(wide.tobytes().decode())

    def coefficients(self) -> list[int]:
        """From the lowest."""
        return [int(row.tobytes()) for row in self.digits[::-1]]


def count_powers(groups: Sequence[tuple[Group, int]], bound: int) -> tuple[int, int]:
    """Proved bounds, equal where exact, on the weight of the choices that cost at most `bound` together.

    groups: a group's costs (at least 0) and their weights, and how many groups have these.
    """
    if any(not g.values for g, _ in groups):
        return 0, 0
    limit = bound - sum(g.values[0] * n for g, n in groups)
    if limit < 0:
        return 0, 0
    total = math.prod(g.total**n for g, n in groups)
    if limit >= sum((g.values[-1] - g.values[0]) * n for g, n in groups):
        return total, total
    spans = [[v - g.values[0] for v in g.values] for g, _ in groups]
    common = math.gcd(*(v for span in spans for v in span)) or 1
    limit //= common
    most = max(1, DIGITS // len(str(total)))
    step = -(-(limit + 1) // most)
    ends = []
    for up in (1, 0) if step > 1 else (0,):
        rounded = [
            (Group.of([(v // common + up * (step - 1)) // step for v in span], g.weights), n)
            for span, (g, n) in zip(spans, groups, strict=True)
        ]
        ends.append(_within(rounded, limit // step))
    return ends[0], ends[-1]


def _within(groups: Sequence[tuple[Group, int]], limit: int) -> int:
    """The groups' powers multiplied into two halves of about one length, and these compared."""
    length = limit + 1
    small = Group((0,), (1,))
    parts: list[Polynomial] = []
    for g, n in groups:
        if len(g.values) == 1:
            small = merge_groups(small, Group((0,), (g.weights[0] ** n,)))
        else:
            half = n // 2
            if half:
                parts.append(Polynomial.of(g, length).power(half, length))
                parts.append(parts[-1] if n - half == half else parts[-1].times(Polynomial.of(g, length), length))
            else:
                parts.append(Polynomial.of(g, length))
    scale = small.weights[0]
    if not parts:
        return scale
    while len(parts) > 2:
        parts.sort(key=lambda p: p.total)
        parts = [parts[0].times(parts[1], length), *parts[2:]]
    if len(parts) == 1:
        return scale * sum(parts[0].coefficients()[:length])
    low, high = (p.coefficients() for p in parts)
    running = numpy.cumsum(numpy.array(high[:length], dtype=object))
    return scale * sum(
        w * int(running[min(limit - v, len(running) - 1)]) for v, w in enumerate(low) if w and v <= limit
    )
