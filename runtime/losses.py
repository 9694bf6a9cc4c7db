"""Losses: what a stage's `loss` says, split into terms of data and terms of cost."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from attrs import frozen
from cospace.compiler.space.graph import Expr, add, const, mul
from cospace.runtime.registry import refuse, register
from cospace.runtime.settings import build
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


@register("losses.cross_entropy")
def build_cross_entropy() -> Loss:
    """Mean negative log-likelihood. outputs: examples x classes; targets: (examples,)."""
    return F.cross_entropy


@frozen(eq=False)
class SplitLoss:
    """data: (factor, loss) pairs; cost: what is left, an expression of decisions, or None."""

    data: tuple[tuple[Expr, Loss], ...]
    cost: Expr | None

    def of_data(self, outputs: Tensor, targets: Tensor, factors: tuple[float, ...]) -> Tensor:
        """The data terms, each weighed by its factor's value."""
        terms = [f * loss(outputs, targets) for f, (_, loss) in zip(factors, self.data, strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def split_loss(expr: Expr) -> SplitLoss:
    """Split a sum of losses (each may be scaled) and costs.

    Raises:
        SpecError: CS705 when a loss stands where it cannot be taken apart, or there is none.
    """
    data: list[tuple[Expr, Loss]] = []
    costs: list[Expr] = []
    _collect(expr, const(1), data, costs)
    if not data:
        raise refuse("CS705", "the loss of this stage holds no term of data, such as cross_entropy()", expr.span)
    return SplitLoss(tuple(data), add(*costs) if costs else None)


def _collect(expr: Expr, factor: Expr, data: list[tuple[Expr, Loss]], costs: list[Expr]) -> None:
    if expr.op == "external":
        data.append((factor, build(expr)))
    elif not _has_loss(expr):
        costs.append(mul(factor, expr))
    elif expr.op == "add":
        for term in expr.args:
            _collect(term, factor, data, costs)
    elif expr.op == "mul" and sum(map(_has_loss, expr.args)) == 1:
        rest = [a for a in expr.args if not _has_loss(a)]
        (inner,) = [a for a in expr.args if _has_loss(a)]
        _collect(inner, mul(factor, *rest), data, costs)
    else:
        raise refuse("CS705", "losses may be added and scaled by numbers, nothing else yet", expr.span)


def _has_loss(expr: Expr) -> bool:
    return "external" in expr.opaque
