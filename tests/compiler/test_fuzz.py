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


def test_one_seed_gives_one_text() -> None:
    assert all(text_of(seed) == text_of(seed) for seed in range(20))
