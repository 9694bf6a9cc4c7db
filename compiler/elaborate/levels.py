"""Logarithmic units: a level (`dBm`) and a ratio (`dB`) add to a level; two levels differ by a ratio, and never add."""

from __future__ import annotations

from fractions import Fraction

from cospace.compiler.elaborate.values import Context
from cospace.compiler.space import graph
from cospace.compiler.space.dimension import Dimension, unit_quotient
from cospace.compiler.space.graph import Expr, const
from cospace.dsl.diagnostics import Label, Span

RATIO: Dimension = (("dB", Fraction(1)),)
LEVEL: Dimension = (("dBm", Fraction(1)),)


def combine(op: str, a: Expr, b: Expr, spans: tuple[Span, Span], context: Context) -> Expr | None:
    """`a + b` or `a - b` where a level takes part; None where none does."""
    kinds = (a.type.unit, b.type.unit)
    if op not in "+-" or LEVEL not in kinds or not set(kinds) <= {LEVEL, RATIO}:
        return None
    if (kinds == (LEVEL, LEVEL) and op == "+") or (kinds == (RATIO, LEVEL) and op == "-"):
        said = "two levels can't be added" if op == "+" else "a level can't be taken from a ratio"
        raise context.fail(
            "CS302", spans[0].to(spans[1]), f"{said}: dBm is a power on a logarithmic scale",
            labels=tuple(
                Label(s, f"this is in {'dBm' if k == LEVEL else 'dB'}") for s, k in zip(spans, kinds, strict=True)
            ),
            help="add the powers: `watts(a) + watts(b)`; or add a ratio in dB",
        )  # fmt: skip
    if kinds == (LEVEL, LEVEL):
        return _as(graph.sub(a, b, span=spans[0].to(spans[1])), RATIO)
    return (graph.add if op == "+" else graph.sub)(_as(a, LEVEL), _as(b, LEVEL), span=spans[0].to(spans[1]))


def _as(value: Expr, unit: Dimension) -> Expr:
    """The same number in the other of the two units."""
    if value.type.unit == unit:
        return value
    return graph.mul(const(1, unit_quotient(unit, value.type.unit)), value)
