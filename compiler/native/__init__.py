"""Array steps as machine code: plans compiled through LLVM, where it is installed (the extra `fast`)."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec

NATIVE: ContextVar[bool | None] = ContextVar("NATIVE", default=None)
"""Whether plans are compiled: where it pays (None), always, or never. What is computed is the same, to the last bit."""


@cache
def installed() -> bool:
    """Whether there is LLVM to compile with."""
    return find_spec("llvmlite") is not None
