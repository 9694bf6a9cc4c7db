"""Fake quantisation: values are rounded to what `bits` can hold, gradients pass straight through.

Min-max ranges as in Jacob et al. (2018), section 3; the straight-through estimator of Bengio et al. (2013). Nothing
is saved for the backward pass. Steps that are learned: `learned_step.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from attrs import define, field, frozen
from cospace.runtime.devices import widened
from cospace.runtime.operators.sparse import SparseMatrix
from cospace.runtime.registry import register
from torch import Tensor

FULL = 32
"""From this many bits on nothing is rounded."""


@frozen
class Quantiser:
    """per: `channel` (a range or step for each output channel of a weight) or `tensor`. symmetric: ranges of weights
    are so around 0. learned: steps are trained in place of ranges."""

    per: str = "channel"
    symmetric: bool = True
    learned: bool = False


@frozen
class Precision:
    """The bits of one layer.

    Activations have one range a tensor, which holds 0 exactly, so that sparse features stay sparse.
    """

    weight_bits: int = FULL
    activation_bits: int = FULL
    quantiser: Quantiser = Quantiser()

    def weight(self, values: Tensor, axis: int = 0) -> Tensor:
        """Symmetric around 0: 2^bits - 1 levels, two at 1 bit; else 2^bits from the least to the largest. `axis` counts
        the channels."""
        return values if self.weight_bits >= FULL else self.round_weight(values, axis)

    def activation(self, values: Any) -> Any:
        """From the least to the largest value: 2^bits levels, one of them 0. Sparse matrices keep their pattern."""
        if self.activation_bits >= FULL:
            return values
        if isinstance(values, SparseMatrix):
            return values.with_values(self.activation(values.values))
        return self.round_activation(widened(values))

    def round_weight(self, values: Tensor, axis: int) -> Tensor:
        """As `weight`, of fewer than `FULL` bits."""
        own = axis if self.quantiser.per == "channel" else None
        rounded: Tensor = _RoundWeight.apply(values, self.weight_bits, own, self.quantiser.symmetric)
        return rounded

    def round_activation(self, values: Tensor) -> Tensor:
        """As `activation`, of fewer than `FULL` bits."""
        rounded: Tensor = _RoundActivation.apply(values, self.activation_bits)
        return rounded

    def bounds(self, values: Tensor) -> tuple[float, float]:
        """The range that the next activation is rounded within, which holds 0."""
        low, high = (float(v) for v in torch.aminmax(values))
        return min(low, 0.0), max(high, 0.0)

    def join(self, one: list[float], other: tuple[float, float]) -> list[float]:
        """The range of an activation that had two, over different batches."""
        return [min(one[0], other[0]), max(one[1], other[1])]


PLAIN = Precision()


@frozen(eq=False)
class Mixed(Precision):
    """Each operand as the mean of what several precisions make of it, which is not kept for the backward pass.
    shares: how much of each."""

    parts: tuple[Precision, ...] = ()
    shares: tuple[float, ...] = ()

    def weight(self, values: Tensor, axis: int = 0) -> Tensor:
        return self._mix(part.weight(values, axis) for part in self.parts)

    def activation(self, values: Any) -> Any:
        if isinstance(values, SparseMatrix):
            return values.with_values(self.activation(values.values))
        return self._mix(part.activation(values) for part in self.parts)

    def _mix(self, rounded: Iterable[Tensor]) -> Tensor:
        """The mean, of which one part at a time is alive."""
        total: Tensor | None = None
        for share, one in zip(self.shares, rounded, strict=True):
            total = share * one if total is None else total.add(one, alpha=share)
        assert total is not None
        return total


@define
class Ranges:
    """The least and the largest value of each activation that a path rounds: gathered over some batches, then held to,
    so that what is measured of one example does not depend on the others.

    known: a step's name -> (operands, 2), in the order in which the step rounds them.
    """

    known: dict[str, list[list[float]]] = field(factory=dict)
    gathering: bool = True

    def of(self, name: str, precision: Precision) -> Precision:
        """The precision of a step that is about to run."""
        if precision.activation_bits >= FULL:
            return precision
        return _Held(
            precision.weight_bits, precision.activation_bits, precision.quantiser,
            precision, self.known.setdefault(name, []), self,
        )  # fmt: skip


@frozen(eq=False)
class _Held(Precision):
    """What `inner` rounds, within `ranges`; each use of it rounds the next operand."""

    inner: Precision = field(factory=Precision)
    operands: list[list[float]] = field(factory=list)
    ranges: Ranges = field(factory=Ranges)
    _number: Iterator[int] = field(factory=itertools.count, init=False)

    def weight(self, values: Tensor, axis: int = 0) -> Tensor:
        return self.inner.weight(values, axis)

    def activation(self, values: Any) -> Any:
        if isinstance(values, SparseMatrix) or values.numel() == 0:
            return super().activation(values)
        n = next(self._number)
        if self.ranges.gathering:
            seen = self.inner.bounds(values)
            if n == len(self.operands):
                self.operands.append(list(seen))
            self.operands[n] = self.inner.join(self.operands[n], seen)
        low, high = self.operands[n]
        return _round_between(values, values.new_tensor(low), values.new_tensor(high), self.activation_bits)


class _RoundWeight(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, bits: int, axis: int | None, symmetric: bool) -> Tensor:
        over = [d for d in range(values.dim()) if d != axis]
        tiny = torch.finfo(values.dtype).tiny
        if not symmetric:
            low, high = values.amin(over, keepdim=True), values.amax(over, keepdim=True)
            scale = ((high - low) / (2**bits - 1)).clamp_min_(tiny)
            return ((values - low) / scale).round_().mul_(scale).add_(low)
        if bits == 1:  # the two levels that err least, of one sign each: Rastegari et al. (2016)
            scale = values.abs().mean(over, keepdim=True)
            return torch.where(values >= 0, scale, -scale)
        scale = (values.abs().amax(over, keepdim=True) / (2 ** (bits - 1) - 1)).clamp_min_(tiny)
        return (values / scale).round_().mul_(scale)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0], None, None, None


class _RoundActivation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, bits: int) -> Tensor:
        if values.numel() == 0:
            return values.clone()
        low, high = torch.aminmax(values)
        return _round_between(values, low.clamp_max_(0), high.clamp_min_(0), bits)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _round_between(values: Tensor, low: Tensor, high: Tensor, bits: int) -> Tensor:
    top = 2**bits - 1
    scale = ((high - low) / top).clamp_min_(torch.finfo(values.dtype).tiny)
    zero = (-low / scale).round_()
    # As torch.fake_quantize_per_tensor_affine, which also keeps a mask, in less than half of its time.
    return (values * (1 / scale)).round_().add_(zero).clamp_(0, top).sub_(zero).mul_(scale)


@register("quantisers.min_max")
def build_min_max(per: str = "channel", symmetric: bool = True) -> Quantiser:
    return Quantiser(per, symmetric)


@register("quantisers.learned_step")
def build_learned_step(per: str = "tensor") -> Quantiser:
    return Quantiser(per, learned=True)
