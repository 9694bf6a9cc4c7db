"""Steps of quantisers that are trained with the weights (LSQ: Esser et al., 2020, arXiv:1902.08153).

A step is a tensor of its operand and bitwidth: a number of an activation; of a weight a number, or one a channel. At 0
it is not known yet, and begins at 2 mean|v| / sqrt(q_max) of the first values that it rounds in training.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from attrs import field, frozen
from cospace.runtime.quantise import FULL, Precision
from torch import Tensor, nn

Number = Any
"""An int, or a tensor of one number."""


def step_shapes(precisions: Iterable[Precision], module: nn.Module) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What is trained of the quantisers of an operator: name -> (role, shape).

    A module says what it rounds: `rounded`, its weights in that order -> the axis that counts their channels; `inputs`,
    how many activations.
    """
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for precision in precisions:
        if not precision.quantiser.learned:
            continue
        if precision.activation_bits < FULL:
            for n in range(getattr(module, "inputs", 0)):
                name = _of_input(n, precision)
                found[name] = name, (1,)
        if precision.weight_bits < FULL:
            for n, (weight, axis) in enumerate(getattr(module, "rounded", {}).items()):
                channels = module.get_parameter(weight).shape[axis] if precision.quantiser.per == "channel" else 1
                found[_of_weight(weight, precision)] = _of_weight(f"weight {n + 1}", precision), (channels,)
    return found


def is_step(name: str) -> bool:
    """Whether this is what `step_shapes` calls a step; no module has such a parameter."""
    return ".step@" in name


def _of_input(n: int, precision: Precision) -> str:
    return f"input {n + 1}.step@{precision.activation_bits} bit"


def _of_weight(name: str, precision: Precision) -> str:
    return f"{name}.step@{precision.weight_bits} bit"


def give_steps(precision: Precision, module: nn.Module, tensors: Mapping[str, Tensor], training: bool) -> Precision:
    """The precision of an operator that is about to run, with the steps that it learns if it does. tensors: by the
    names of `step_shapes`."""
    if not precision.quantiser.learned:
        return precision
    inputs, weights = getattr(module, "inputs", 0), getattr(module, "rounded", {})
    return _Stepped(
        precision.weight_bits, precision.activation_bits, precision.quantiser,
        [tensors[_of_weight(name, precision)] for name in weights] if precision.weight_bits < FULL else [],
        [tensors[_of_input(n, precision)] for n in range(inputs)] if precision.activation_bits < FULL else [],
        training,
    )  # fmt: skip


@frozen(eq=False)
class _Stepped(Precision):
    """Each use of it rounds the next operand. training: steps that are not known yet are kept."""

    of_weights: list[Tensor] = field(factory=list)
    of_inputs: list[Tensor] = field(factory=list)
    training: bool = False
    _weight: Iterator[int] = field(factory=itertools.count, init=False)
    _input: Iterator[int] = field(factory=itertools.count, init=False)

    def round_weight(self, values: Tensor, axis: int) -> Tensor:
        """2^bits levels, of which one more lies below 0 than above; at 1 bit one on each side."""
        step, half = self.of_weights[next(self._weight)], 2 ** (self.weight_bits - 1)
        most = max(half - 1, 1)
        if self.quantiser.per == "channel":
            over = [d for d in range(values.dim()) if d != axis]
            size = self._size(step, values.detach().abs().mean(over), most)
            size = size.view([-1 if d == axis else 1 for d in range(values.dim())])
        else:
            size = self._size(step, values.detach().abs().mean(), most)
        scale = (values.numel() / step.numel() * most) ** -0.5
        rounded: Tensor = _RoundBySteps.apply(values, size, -half, most, scale, self.weight_bits == 1)
        return rounded

    def round_activation(self, values: Tensor) -> Tensor:
        """2^bits levels, from 0 on where no value lies below it."""
        step = self.of_inputs[next(self._input)]
        if values.numel() == 0:
            return values
        low, high = self._levels(values)
        most = high.clamp_min(1)
        size = self._size(step, values.detach().abs().mean(), most)
        scale = (values.numel() / len(values) * most) ** -0.5
        rounded: Tensor = _RoundBySteps.apply(values, size, low, high, scale, False)
        return rounded

    def bounds(self, values: Tensor) -> tuple[float, float]:
        low, high = self._levels(values)
        size = self._size(self.of_inputs[next(self._input)], values.abs().mean(), high.clamp_min(1))
        return float(low * size), float(high * size)

    def join(self, one: list[float], other: tuple[float, float]) -> list[float]:
        """The one that has levels below 0."""
        return min(one, list(other))

    def _levels(self, values: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.where(values.detach().amin() < 0, -(2.0 ** (self.activation_bits - 1)), 0.0)
        return low, low + 2**self.activation_bits - 1

    def _size(self, step: Tensor, mean: Tensor, most: Number) -> Tensor:
        """The size of a step, above 0."""
        fresh = step.detach() == 0
        if bool(fresh.any()):
            begun = torch.where(fresh, 2 * mean / most**0.5, step.detach())
            if not self.training:
                return begun.clamp_min(torch.finfo(step.dtype).tiny)
            step.detach().copy_(begun)
        return step.abs().clamp_min(torch.finfo(step.dtype).tiny)


class _RoundBySteps(torch.autograd.Function):
    """Values to multiples of a step from `low` to `high` of them; its gradient is Esser's, times `scale`."""

    @staticmethod
    def forward(
        context: Any, values: Tensor, size: Tensor, low: Number, high: Number, scale: float | Tensor, binary: bool
    ) -> Tensor:
        context.save_for_backward(values, size)
        context.settings = low, high, scale, binary
        return _nearest(values / size, low, high, binary).mul_(size)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        (gradient,), (values, size) = gradients, context.saved_tensors
        low, high, scale, binary = context.settings
        scaled = values / size
        inside = ((scaled > low) & (scaled < high)).to(scaled.dtype)
        of_values = gradient * inside if context.needs_input_grad[0] else None
        of_size = None
        if context.needs_input_grad[1]:
            rounded = _nearest(scaled, low, high, binary)
            of_size = (gradient * rounded.addcmul(scaled, inside, value=-1)).sum_to_size(size.shape) * scale
        return of_values, of_size, None, None, None, None


def _nearest(scaled: Tensor, low: Number, high: Number, binary: bool) -> Tensor:
    if binary:
        return torch.where(scaled >= 0, 1.0, -1.0).to(scaled.dtype)
    return scaled.round().clamp_(low, high)


__all__ = ["give_steps", "is_step", "step_shapes"]
