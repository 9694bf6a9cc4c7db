"""What an expression knows of itself: whether maps are solved in it, or only running tells it; what it asks."""

from __future__ import annotations

from collections.abc import Iterable

from cospace.compiler.space.graph import NOTHING, Expr


def opaque(exprs: Iterable[Expr]) -> frozenset[str]:
    """Which of `OPAQUE` stand in any of these."""
    return NOTHING.union(*[e.opaque for e in exprs])


def solves(*exprs: Expr) -> bool:
    """Whether maps are solved in any of these."""
    return any("solve" in e.opaque or "solvable" in e.opaque for e in exprs)


def is_modelled(*exprs: Expr) -> bool:
    """Whether nothing in these is known only while running."""
    return all(e.opaque <= {"solve", "solvable"} for e in exprs)


def conjuncts(e: Expr) -> tuple[Expr, ...]:
    """The conditions that all have to hold: constructors leave no conjunction inside another."""
    return e.args if e.op == "and" else (e,)


__all__ = ["conjuncts", "is_modelled", "opaque", "solves"]
