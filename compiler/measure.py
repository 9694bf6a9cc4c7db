"""Numbers over rows of indices whose rounding is known: the float value of an expression and a proved bound on it.

`tabulate` is what sums are counted from: exact where the batched program is (integers, multiples of a power of two),
else within `error`; rows where rounding could have picked another branch or mapping are evaluated by the reference
evaluator.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler import exact
from cospace.compiler.enumerate import FEW, Frame, Rows
from cospace.compiler.graph import Expr
from cospace.compiler.model import Decision
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]


@frozen(eq=False)
class Measured:
    """values: (n,), nan where undefined; |value - exact| <= error; exact values are multiples of grain when it is > 0."""

    values: Floats
    error: float
    grain: float


class Tables:
    """Values of expressions over rows, each function evaluated once, whatever its decisions are called."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._known: dict[Hashable, Measured] = {}
        self.evaluated = 0

    def measure(self, expr: Expr, rows: Rows, columns: Sequence[int]) -> Measured:
        """The number `expr` at distinct rows over exactly its scope."""
        key = self.frame.key(expr, rows, list(columns))
        known = self._known.get(key)
        if known is None:
            known = tabulate(expr, [self.frame.decisions[c] for c in columns], rows)
            self.evaluated += len(rows)
            self._known[key] = known
        return known


def tabulate(expr: Expr, decisions: Sequence[Decision], rows: Rows) -> Measured:
    if len(rows) <= FEW:
        return tabulate_exactly(expr, decisions, rows)
    try:
        from cospace.compiler.numbers import enclose
    except ImportError:
        return tabulate_exactly(expr, decisions, rows)
    values, error, grain = enclose(expr, decisions, rows)
    return Measured(values, error, grain)


def tabulate_exactly(expr: Expr, decisions: Sequence[Decision], rows: Rows) -> Measured:
    results = [
        exact.evaluate(expr, {d.path: d.values[int(i)] for d, i in zip(decisions, row, strict=True) if i >= 0})
        for row in rows
    ]
    values = numpy.array([as_float(r) for r in results], dtype=numpy.float64)
    error = max((_rounding(r, float(v)) for r, v in zip(results, values, strict=True)), default=0.0)
    grain = grain_of(values) if error == 0 else 0.0
    return Measured(values, error, grain)


def as_float(result: Any) -> float:
    """The nearest float of a reference result; nan where it is undefined or unknown."""
    if isinstance(result, exact.Enclosure):
        return float(result.middle)
    try:
        return float(result) if isinstance(result, (Fraction, int)) else float("nan")
    except OverflowError:
        return float("inf") if result > 0 else float("-inf")


def _rounding(result: Any, value: float) -> float:
    if isinstance(result, exact.Enclosure):
        return float(result.high - result.low) + abs(value) * 2.0**-52
    if not isinstance(result, Fraction) or not numpy.isfinite(value):
        return 0.0 if not isinstance(result, Fraction) else float("inf")
    return 0.0 if Fraction(value) == result else abs(value) * 2.0**-52


def grain_of(values: Floats) -> float:
    """A power of two that divides every value, 0 where none in reach does."""
    finite = values[numpy.isfinite(values)]
    for exponent in (0, -8, -16, -24, -40, -60):
        scaled = finite * 2.0**-exponent
        if (numpy.abs(scaled) < 2**53).all() and (scaled == numpy.rint(scaled)).all():
            return float(2.0**exponent)
    return 0.0
