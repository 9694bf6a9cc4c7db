"""Measures: what of an objective only running tells."""

from __future__ import annotations

from cospace.runtime.registry import register
from torch import Tensor


@register("measures.error")
def count_wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many answers are wrong. outputs: examples x classes; targets: (examples,)."""
    return (outputs.argmax(1) != targets).sum()
