"""What not even exact evaluation can tell is said to be unknown: never a proof, never a count."""

from __future__ import annotations

from fractions import Fraction

import numpy
import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import Limits, count
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.engines.best import best
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.numbers import ASSIGNED, Decider
from cospace.compiler.sampling.sample import Unsampled, sample
from cospace.compiler.space.graph import implies, walk
from cospace.compiler.space.units import show_quantity

from tests.compiler import spaces

NEAR = "space s\nx = choose {2, 3, 5}\nrequire sqrt(x) * sqrt(x) <= x\n"
LONG = "space s\nx = choose {1, 2}\ny0 = x + 1\n" + "".join(f"y{i} = y{i - 1} * y{i - 1} + x\n" for i in range(1, 40))
LONG += "require y39 >= 2\n"


@pytest.mark.parametrize("text", [NEAR, LONG], ids=["too near", "too long"])
def test_a_requirement_that_cannot_be_decided_proves_nothing(text: str) -> None:
    space = spaces.space_of(text)
    report = check(space, deep=True)
    assert report.ok is None and not report.diagnostics
    assert "can't be decided at x = " in report.skipped[0]
    for limits in (Limits(), Limits(brute=0), Limits(brute=0, table=1)):
        found = count(space, limits=limits)
        assert not found.exact and found.bounds == (0, found.raw) and "can't be decided" in str(found.limit)
    kept = per_value_counts(space)
    assert kept is not None and kept[0].counts == ((0, 1),) * len(space.decisions[0].values)
    with pytest.raises(Unsampled, match="can't be decided"):
        sample(space, 3)


def test_a_best_design_is_not_proved_past_what_is_unknown() -> None:
    with pytest.raises(Undecided) as caught:
        best(spaces.space_of(NEAR + "minimize x\n"))
    assert caught.value.diagnostics[0].code == "CS610"


def test_what_is_decided_elsewhere_is_said() -> None:
    """A design at which the comparison is decided is still found."""
    space = spaces.space_of("space s\nx = choose {1, 2, 4}\nrequire sqrt(x) * sqrt(x) <= x when x < 4\n")
    assert check(space).ok is not False
    assert "satisfiable: a design meets every requirement, re-checked exactly" in check(space).proved
    assert not count(space).exact


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (32 * 8_000, "32 kB"), (64 * 8_192, "64 KiB"), (8_000_000, "1 MB"), (8_000, "1 kB"), (40 * 8_192, "40 KiB"),
        (Fraction(8_192, 3), "341.3 byte"), (5 * 8 * 1024**3, "5 GiB"), (8_388_609, "1 MiB"),
    ],
)  # fmt: skip
def test_data_is_shown_in_the_unit_it_was_meant_in(bits: Fraction, said: str) -> None:
    assert show_quantity(Fraction(bits), (("bit", Fraction(1)),)) == said


def test_numbers_beyond_floats_are_shown() -> None:
    assert show_quantity(Fraction(2 * 10**400), (), 2) == "2.0e+400"
    assert show_quantity(Fraction(-2, 10**400), (), 2) == "-2.0e-400"


def test_a_table_of_numbers_beyond_floats_is_compared() -> None:
    text = "space s\nx = choose {1, 2, 3}\ntable t(k: real) from [[1, 1e399], [2, 1e400], [3, 1e401]] { v: real }\n"
    assert count(spaces.space_of(text + "require t(x).v * 2 <= 2e400\n")).feasible == 2


def test_of_rows_that_floats_leave_open_those_that_may_hold_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.space_of("space s\nx = choose 1..8\nrequire x >= 4\nrequire x <= 6\n")
    decider = Decider([implies(r.guard, r.value) for r in space.requirements], space.decisions)
    rows = numpy.arange(8)[:, None]
    certified = decider.program.certified
    every = numpy.ones(8, dtype=bool)
    monkeypatch.setattr(decider.program, "certified", lambda *given: (*certified(*given)[:2], every))
    size = sum(1 for _ in walk(decider.exprs))
    truth, known, spent = decider.likely(rows, 2 * size + ASSIGNED)
    assert (truth.all(axis=1) & known).tolist() == [False] * 3 + [True, True] + [False] * 3
    assert decider.doubted == known.sum() == 2 and spent == 2 * size
    assert not decider.likely(rows, 0)[1].any()
    assert decider.surely(rows).all(axis=1).sum() == 3
