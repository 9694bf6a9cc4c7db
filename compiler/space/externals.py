"""What only the runtime knows: losses, engines, optimisers, measures."""

from __future__ import annotations

from fractions import Fraction

from attrs import frozen
from cospace.compiler.space.graph import NUMBER, Expr, Type, make
from cospace.dsl.diagnostics import NOWHERE, Span


@frozen
class External:
    """An opaque value of the runtime: a loss, an engine, an optimiser, a measure.

    arguments: name -> Expr (numbers, symbols, texts, other externals). low, high, better: of a measure.
    """

    kind: str
    name: str
    source: str
    arguments: tuple[tuple[str, Expr], ...] = ()
    low: Fraction | None = None
    high: Fraction | None = None
    better: str | None = None


def external(value: External, span: Span = NOWHERE) -> Expr:
    if value.kind == "measure":
        return make("measure", (), NUMBER, value, span)
    kind = NUMBER if value.kind == "real" else Type(value.kind)
    return make("external", (), kind, value, span)


__all__ = ["External", "external"]
