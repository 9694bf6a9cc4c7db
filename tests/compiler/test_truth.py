"""Random texts of every construct against brute force: counts, per-value counts, dead values, conflicts, definedness,
objectives and samples. The reference (`reference.py`, `texts.py`) imports nothing of cospace.

COSPACE_TRUTH says how many spaces; `make truth` tries 20,000. The chunks run in any order, so each looks for what must
occur in its own share.
"""

from __future__ import annotations

import os

import pytest
from cospace.compiler.driver import compile_text

from tests.compiler.agree import CONSTRUCTS_USED, OPERATORS_USED, Tally, agree
from tests.compiler.texts import generate

SPACES = int(os.environ.get("COSPACE_TRUTH", "500"))
CHUNK = max(125, SPACES // 40)


@pytest.mark.parametrize("start", range(0, SPACES, CHUNK))
def test_random_spaces_are_what_brute_force_says(start: int) -> None:
    tally = Tally()
    for seed in range(start, min(start + CHUNK, SPACES)):
        agree(generate(seed), tally, seed)
    print(tally)
    if tally.spaces >= 125:
        assert not CONSTRUCTS_USED - tally.constructs, "never generated"
        assert not OPERATORS_USED - tally.operators, "never compiled"
        assert not {"choose", "switch", "random", "adapt", "map"} - tally.bindings
        assert tally.empty and tally.undefined and tally.dead and tally.feasible > tally.spaces / 2
        assert tally.conflicts and tally.uniform


def test_one_seed_gives_one_text() -> None:
    assert generate(7).text == generate(7).text
    assert compile_text(generate(7).text).space == compile_text(generate(7).text).space
