"""Losses: what a stage's `loss` says, split into terms of data and terms of cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch.nn.functional as F
from attrs import frozen
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import NUMBER, Expr, Symbol, Value, add, const, make, mul, walk
from cospace.compiler.space.model import Binding
from cospace.compiler.space.substitute import rebuild
from cospace.runtime.registry import refuse, register
from cospace.runtime.settings import build, read
from torch import Tensor

Outputs = Mapping[Binding, Tensor]
"""Of the same examples: at bindings with larger values, and a teacher's; no gradient reaches them."""

TEACHER: Binding = (("teacher", True),)
"""In the place of a binding: of a network that was trained before."""


class Loss(Protocol):
    """outputs: examples x classes, at one binding of the switches; targets: (examples,)."""

    def __call__(self, outputs: Tensor, targets: Tensor, at: Binding, larger: Outputs) -> Tensor: ...

    def reads(self, at: Binding) -> bool:
        """Whether it learns from the outputs at a binding."""
        ...


@frozen
class CrossEntropy:
    """Mean negative log-likelihood."""

    def __call__(self, outputs: Tensor, targets: Tensor, at: Binding, larger: Outputs) -> Tensor:
        return F.cross_entropy(outputs, targets)

    def reads(self, at: Binding) -> bool:
        return True


@frozen
class Cascade:
    """Each value of a switch learns from all larger ones: cascade distillation of Fu et al. (arXiv:2104.10853),
    base(z_i) + beta * sum over j > i of MSE(z_i, z_j), the mean square over examples and classes."""

    base: Loss
    over: str
    beta: float

    def __call__(self, outputs: Tensor, targets: Tensor, at: Binding, larger: Outputs) -> Tensor:
        total = self.base(outputs, targets, at, larger)
        rest = [(p, v) for p, v in at if p != self.over]
        for other, teacher in larger.items() if self.beta else ():
            if [(p, v) for p, v in other if p != self.over] == rest:
                total = total + self.beta * F.mse_loss(outputs, teacher)
        return total

    def reads(self, at: Binding) -> bool:
        return self.base.reads(at)


@frozen
class Taught:
    """What a network learns from another of the same design at full precision that was trained before by itself:
    base(z) + beta * MSE(z, z_teacher), the mean square over examples and classes."""

    base: Loss
    beta: float

    def __call__(self, outputs: Tensor, targets: Tensor, at: Binding, larger: Outputs) -> Tensor:
        return self.base(outputs, targets, at, larger) + self.beta * F.mse_loss(outputs, larger[TEACHER])

    def reads(self, at: Binding) -> bool:
        return self.base.reads(at)


@frozen
class Only:
    """A loss at one value of a switch."""

    base: Loss
    over: str
    value: Any

    def __call__(self, outputs: Tensor, targets: Tensor, at: Binding, larger: Outputs) -> Tensor:
        return self.base(outputs, targets, at, larger)

    def reads(self, at: Binding) -> bool:
        return any(p == self.over and _plain(v) == self.value for p, v in at) and self.base.reads(at)


def _plain(value: Value) -> Any:
    return value.name if isinstance(value, Symbol) else value


@register("losses.cross_entropy")
def build_cross_entropy() -> Loss:
    return CrossEntropy()


@register("losses.cascade")
def build_cascade(base: Loss, over: str, beta: float = 1.0) -> Loss:
    if beta < 0:
        raise ValueError("beta is not below 0")
    return Cascade(base, over, float(beta))


@register("losses.taught")
def build_taught(base: Loss, beta: float = 1.0) -> Loss:
    if beta <= 0:
        raise ValueError("beta is above 0")
    return Taught(base, float(beta))


@register("losses.only")
def build_only(base: Loss, over: str, value: Any) -> Loss:
    return Only(base, over, value)


@frozen(eq=False)
class Steered:
    """A weight in the cost that follows what it weighs: `factor` times as large after an epoch in which `watched` is
    above `high`, divided by it where it is below `low`. name: of the input that stands for it in the cost."""

    name: str
    watched: Expr
    low: float
    high: float
    start: float
    factor: float

    def follow(self, weight: float, seen: float) -> float:
        """The weight of the next epoch."""
        return weight * self.factor if seen > self.high else weight / self.factor if seen < self.low else weight

    @classmethod
    def of(cls, name: str, given: Mapping[str, Expr]) -> Steered:
        """Raises ValueError for numbers that make no sense."""
        low, high, start, factor = (float(read(given[n])) for n in ("low", "high", "start", "factor"))
        if not (low <= high and start > 0 and factor > 1):
            raise ValueError("`steered` wants low <= high, start above 0 and factor above 1")
        return cls(name, given["watched"], low, high, start, factor)


@frozen(eq=False)
class Multiplier:
    """Lagrange's, of a limit `watched` <= 1, by dual ascent (Boyd and Vandenberghe, 2004, section 5.4): it moves by
    `rate` times what is over, one at most, and is not below 0."""

    name: str
    watched: Expr
    rate: float
    start: float = 0.0

    def follow(self, weight: float, seen: float) -> float:
        """The multiplier of the next epoch."""
        return max(weight + self.rate * (min(seen, 2.0) - 1), 0.0)

    @classmethod
    def of(cls, name: str, given: Mapping[str, Expr]) -> Multiplier:
        """Raises ValueError for numbers that make no sense."""
        rate = float(read(given["rate"]))
        if rate <= 0:
            raise ValueError("`lagrange` wants a rate above 0")
        return cls(name, given["watched"], rate)


Weighing = Steered | Multiplier
WEIGHINGS: Mapping[str, type[Steered] | type[Multiplier]] = {
    "schedules.steered": Steered, "schedules.lagrange": Multiplier,
}  # fmt: skip


@frozen(eq=False)
class SplitLoss:
    """data: (factor, loss) pairs; cost: what is left, an expression of decisions, or None; steered: the inputs of the
    cost that change from epoch to epoch."""

    data: tuple[tuple[Expr, Loss], ...]
    cost: Expr | None
    steered: tuple[Weighing, ...] = ()

    def of_data(
        self,
        outputs: Tensor,
        targets: Tensor,
        epoch: int,
        at: Binding = (),
        larger: Outputs | None = None,
    ) -> Tensor:
        """The data terms that read a binding, each weighed by its factor's value at an epoch."""
        terms = [
            float(read(factor, epoch=epoch)) * loss(outputs, targets, at, larger or {})
            for factor, loss in self.data
            if loss.reads(at)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def every(self) -> list[Loss]:
        """The losses and all that they are made of."""
        found, rest = [], [loss for _, loss in self.data]
        while rest:
            loss = rest.pop()
            found.append(loss)
            rest += [loss.base] if isinstance(loss, (Cascade, Only, Taught)) else []
        return found

    def switched(self) -> list[Cascade | Only]:
        """The losses that name a switch."""
        return [loss for loss in self.every() if isinstance(loss, (Cascade, Only))]

    @property
    def taught(self) -> bool:
        """Whether a teacher is learned from."""
        return any(isinstance(loss, Taught) for loss in self.every())

    def of_teacher(self, at: Binding) -> SplitLoss:
        """What the teacher of a network at a binding learns: the same terms of data, without what others say."""
        return SplitLoss(tuple((factor, _innermost(loss)) for factor, loss in self.data if loss.reads(at)), None)

    def read_at(self, bindings: Sequence[Binding]) -> list[Binding]:
        """The bindings whose outputs the data terms read."""
        return [at for at in bindings if any(loss.reads(at) for _, loss in self.data)]


def _innermost(loss: Loss) -> Loss:
    while isinstance(loss, (Cascade, Only, Taught)):
        loss = loss.base
    return loss


def split_loss(expr: Expr) -> SplitLoss:
    """Split a sum of losses (each may be scaled) and costs.

    Raises:
        SpecError: CS705 when a loss stands where it cannot be taken apart, or there is none.
    """
    data: list[tuple[Expr, Loss]] = []
    costs: list[Expr] = []
    steered: list[Weighing] = []
    _collect(_with_inputs(expr, steered), const(1), data, costs)
    if not data:
        raise refuse("CS705", "the loss of this stage holds no term of data, such as cross_entropy()", expr.span)
    return SplitLoss(tuple(data), add(*costs) if costs else None, tuple(steered))


def _with_inputs(expr: Expr, found: list[Weighing]) -> Expr:
    """A loss with an input in place of each number that only running knows."""
    new = {}
    for part in walk([expr]):
        if part.op == "external" and part.type == NUMBER:
            of: External = part.payload  # type: ignore[assignment]
            if of.source not in WEIGHINGS:
                raise refuse("CS701", f"the runtime cannot run `{of.source}` yet", part.span or expr.span)
            try:
                found.append(WEIGHINGS[of.source].of(f"steered {len(found)}", dict(of.arguments)))
            except ValueError as error:
                raise refuse("CS705", str(error), expr.span) from error
            new[id(part)] = make("input", (), NUMBER, found[-1].name)
    return rebuild(expr, new)


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
