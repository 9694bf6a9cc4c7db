"""Expressions of text as Python numbers, and opaque values (`adam(0.01)`) as what the registry builds from them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import Expr, Symbol, Value
from cospace.runtime.registry import find, refuse


def read(expr: Expr, design: Mapping[str, Value] | None = None, **inputs: float) -> Any:
    """An expression's value at a design as int, float, bool or str; opaque ones are built.

    Raises:
        SpecError: CS705 when it has no value there.
    """
    if expr.op == "external":
        return build(expr)
    value = evaluate(expr, design or {}, {k: Fraction(v) for k, v in inputs.items()})
    if hasattr(value, "middle"):  # an irrational number is known between two rationals
        return float(value.middle)
    if isinstance(value, bool):
        return value
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, (Symbol, str)):
        return str(value)
    raise refuse("CS705", "a setting has no value here", expr.span)


def build(expr: Expr, **more: Any) -> Any:
    """What the registry makes of an opaque value: its factory with its arguments, read."""
    value: External = expr.payload  # type: ignore[assignment]
    factory = find(value.source, expr.span)
    arguments = {name: _argument(e) for name, e in value.arguments}
    try:
        return factory(**arguments, **more)
    except (TypeError, ValueError) as error:
        raise refuse("CS705", f"`{value.name}` cannot be made from these arguments: {error}", expr.span) from error


def _argument(expr: Expr) -> Any:
    """A decision stands for itself, by its path."""
    if expr.op == "var":
        return str(expr.payload)
    return Schedule(expr) if _moves(expr) else read(expr)


def _moves(expr: Expr) -> bool:
    return expr.op != "external" and "input" in expr.opaque


class Schedule:
    """A number that changes with the epoch; of each it is worked out once."""

    def __init__(self, expr: Expr) -> None:
        self.expr = expr
        self._known: dict[int, float] = {}

    def at(self, epoch: int) -> float:
        if epoch not in self._known:
            self._known[epoch] = float(read(self.expr, epoch=epoch, step=epoch))
        return self._known[epoch]


def at(number: float | Schedule, epoch: int) -> float:
    """A setting's value at an epoch, fixed or not."""
    return number.at(epoch) if isinstance(number, Schedule) else float(number)
