"""What the language itself makes of tensors: the sum of two."""

from __future__ import annotations

import torch
from cospace.runtime.operators import Arguments, Shapes
from cospace.runtime.quantise import PLAIN, Precision
from cospace.runtime.registry import register
from torch import Tensor, nn


class Sum(nn.Module):
    """x + y."""

    def forward(self, x: Tensor, y: Tensor, precision: Precision = PLAIN) -> Tensor:
        return torch.add(x, y)


@register("tensor.add")
def build_add(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Sum()
