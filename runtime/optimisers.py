"""Optimisers that update tensors in place and keep their state outside, so that slices of a supernet can carry it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cospace.runtime.registry import register
from cospace.runtime.settings import Schedule, at

if TYPE_CHECKING:
    from torch import Tensor

Number = float | Schedule


class Optimiser(Protocol):
    """slots: how many tensors of a weight's shape are its state. clip: what the norm of all gradients of a step
    together is scaled down to; 0 for none."""

    slots: int
    clip: float

    def update(self, weight: Tensor, gradient: Tensor, state: Sequence[Tensor], count: int, epoch: int) -> None:
        """One step in place. state: `slots` tensors, zero before the first; count: steps so far, this one included."""


class Adam:
    """Kingma and Ba (2015), with decay added to the gradient."""

    slots = 2

    def __init__(self, rate: Number, beta1: float, beta2: float, decay: float, clip: float = 0.0) -> None:
        self.rate, self.beta1, self.beta2, self.decay, self.clip = rate, beta1, beta2, decay, clip

    def update(self, weight: Tensor, gradient: Tensor, state: Sequence[Tensor], count: int, epoch: int) -> None:
        first, second = state
        if self.decay:
            gradient = gradient.add(weight, alpha=self.decay)
        first.lerp_(gradient, 1 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        spread = (second / (1 - self.beta2**count)).sqrt_().add_(1e-8)
        weight.addcdiv_(first, spread, value=-at(self.rate, epoch) / (1 - self.beta1**count))


class Sgd:
    """Gradient descent with momentum."""

    slots = 1

    def __init__(self, rate: Number, momentum: float, decay: float, clip: float = 0.0) -> None:
        self.rate, self.momentum, self.decay, self.clip = rate, momentum, decay, clip

    def update(self, weight: Tensor, gradient: Tensor, state: Sequence[Tensor], count: int, epoch: int) -> None:
        (velocity,) = state
        if self.decay:
            gradient = gradient.add(weight, alpha=self.decay)
        velocity.mul_(self.momentum).add_(gradient)
        weight.add_(velocity, alpha=-at(self.rate, epoch))


@register("optimisers.adam")
def build_adam(
    rate: Number = 1e-3, beta1: float = 0.9, beta2: float = 0.999, decay: float = 0.0, clip: float = 0.0
) -> Adam:
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise ValueError("beta1 and beta2 must lie in 0..1, 1 left out")
    return Adam(rate, float(beta1), float(beta2), float(decay), _norm(clip))


@register("optimisers.sgd")
def build_sgd(rate: Number = 0.1, momentum: float = 0.9, decay: float = 5e-4, clip: float = 0.0) -> Sgd:
    return Sgd(rate, float(momentum), float(decay), _norm(clip))


def _norm(clip: float) -> float:
    if clip < 0:
        raise ValueError("clip bounds a norm, which is not below 0")
    return float(clip)
