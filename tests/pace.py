"""How much of the processor a test may let something take: more where every line is traced to measure coverage."""

from __future__ import annotations

import os

MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ


def at_most(seconds: float) -> float:
    """The bound as it is, or wide enough for a tracer, whose time says nothing of the program."""
    return 10 * seconds if MEASURED else seconds
