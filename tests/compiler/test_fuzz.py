"""2,000 random texts through every pass: only diagnostics and answers, and enough of them get to the proofs.

COSPACE_FUZZ says how many texts; `make fuzz` tries 100,000.
"""

from __future__ import annotations

import os

import pytest

from tests.compiler.fuzz import try_seeds, wanting
from tests.compiler.mutate import text_of

TEXTS = int(os.environ.get("COSPACE_FUZZ", "2000"))
CHUNK = 1000
"""Texts of one test: so many that the shares that reach the passes say something."""


@pytest.mark.parametrize("start", range(0, TEXTS, CHUNK))
def test_any_text_gets_diagnostics_or_answers(start: int) -> None:
    reached = try_seeds(range(start, min(start + CHUNK, TEXTS)))
    print(reached)
    assert not wanting(reached)


@pytest.mark.parametrize("seed", [5_064, 41_371, 75_959])
def test_what_once_took_long_no_longer_does(seed: int) -> None:
    """A domain of a thousand values that depends on another; a power raised a million times; draws that 253
    requirements break at once."""
    assert not try_seeds(range(seed, seed + 1)).failed


def test_one_seed_gives_one_text() -> None:
    assert all(text_of(seed) == text_of(seed) for seed in range(20))
