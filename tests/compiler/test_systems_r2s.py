"""A random switch among tickets: which sets are allowed, and that requirements hold for each that chance draws."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.compiler.space.model import Space

SPEC = Path(__file__).parents[2] / "specs" / "r2s.cospace"
SETS = [(thin, dense, lean) for thin in (3, 5, 7) for dense in (15, 20, 30) for lean in (1, 2, 3)]


@pytest.fixture(scope="module")
def space() -> Space:
    compiled = compile_file(SPEC)
    assert compiled.space is not None, [d.message for d in compiled.diagnostics]
    return compiled.space


def test_only_the_sets_that_are_sparse_on_average_are_feasible(space: Space) -> None:
    found = count(space)
    sparse = [s for s in SETS if Fraction(s[0] + 10 + s[2] * s[1], 2 + s[2]) <= 20]
    assert found.raw == len(SETS) * 2
    assert found.exact and found.feasible == 2 * len(sparse)


@pytest.mark.parametrize("model, frame, wanted", [
    ("resnet18", "2 ms", 0), ("wide_resnet32", "200 ms", 48), ("mobilenet_v2", "20 ms", 48),
])  # fmt: skip
def test_the_densest_ticket_decides_whether_it_is_in_time(model: str, frame: str, wanted: int) -> None:
    """Cycles of this array don't depend on density: a bound below them leaves nothing, one above all sparse sets."""
    compiled = compile_file(SPEC, {"frame": frame, "model": model})
    assert compiled.space is not None
    assert count(compiled.space).feasible == wanted
