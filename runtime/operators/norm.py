"""Batch norm whose statistics lie outside, so that one module serves every path and every calibration."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cospace.runtime.quantise import PLAIN, Precision
from torch import Tensor, nn

RATE = 0.1
"""Of the newest batch in the running statistics."""
EPSILON = 1e-5


class Norm(nn.Module):
    """Ioffe and Szegedy (2015). Running statistics begin at 0 and are divided by the weight of what they have seen, so
    that they are right from the first batch on. x: (examples, channels, height, width)."""

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.zeros(channels))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        if self.training:
            self.seen.lerp_(torch.ones_like(self.seen), RATE)
            return F.batch_norm(x, self.mean, self.variance, self.scale, self.shift, True, RATE, EPSILON)
        return F.batch_norm(
            x, self.mean / self.seen, self.variance / self.seen, self.scale, self.shift, False, RATE, EPSILON
        )


__all__ = ["Norm"]
