"""Operators as torch modules, one file a library of text; and what their factories are given."""

from collections.abc import Mapping, Sequence
from typing import Any

Shapes = Sequence[tuple[int, ...]]
"""Of the tensor inputs, as the text says them."""
Arguments = Mapping[str, Any]
"""By name, as Python values."""

__all__ = ["Arguments", "Shapes"]
