"""What a run computes on, and in which arithmetic its weights learn: both are chosen here, and nowhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

ROOM = 0.5
"""Of a GPU's free memory, the share that data may take."""


def choose_device() -> torch.device:
    """A GPU where there is one, which `CUDA_VISIBLE_DEVICES` may hide, else the CPU. Where nothing else is said,
    arithmetic is float32 on either: a GPU's convolutions would round their operands to 10 bits."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def choose_bfloat16(device: torch.device, asked: bool | None = None) -> bool:
    """Whether steps of weights run in mixed precision: as asked, else where a GPU computes in bfloat16."""
    if asked is not None:
        return asked
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def arithmetic(device: torch.device, bfloat16: bool) -> AbstractContextManager[Any]:
    """Around the outputs that weights learn from. In mixed precision (Micikevicius et al., 2018) products and
    convolutions take bfloat16, whose range is float32's, so that losses need no scale; weights, fake quantisation,
    statistics of norms and sparse products stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if bfloat16 else nullcontext()


def unmixed(device: torch.device) -> AbstractContextManager[Any]:
    """Around what has no bfloat16, wherever it stands."""
    return torch.autocast(device.type, enabled=False) if torch.is_autocast_enabled(device.type) else nullcontext()


def widened(values: Tensor) -> Tensor:
    """Values in float32 where mixed precision has left fewer bits."""
    return values.float() if values.dtype == torch.bfloat16 else values


def fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes of data may lie on a device, beside all that a step takes."""
    return device.type != "cuda" or size <= ROOM * torch.cuda.mem_get_info(device)[0]


def send(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; what is on its way to a GPU is not waited for."""
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


__all__ = ["arithmetic", "choose_bfloat16", "choose_device", "fits", "send", "unmixed", "widened"]
