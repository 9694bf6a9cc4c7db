"""Every design of a sample is decided anew: one wrong row among thousands is found, whatever is wrong with it."""

from __future__ import annotations

import itertools

import numpy
import pytest
from attrs import evolve
from cospace.compiler.counting.count import count
from cospace.compiler.sampling import recheck_tables
from cospace.compiler.sampling.recheck import FEW, Recheck
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import encode
from cospace.compiler.space.graph import TRUE

from tests.compiler.generate import Generated, generate

MADE = [m for m in map(generate, range(200)) if len(m.feasible()) > 20]


def wrong_rows(space, feasible: set[tuple[int, ...]]):
    """Rows that no feasible design has: all others within the domains, dead decisions among them."""
    columns = [range(-1, len(d.values)) for d in space.decisions]
    return (row for row in itertools.islice(itertools.product(*columns), 3000) if row not in feasible)


@pytest.mark.parametrize("n", [FEW, 500])
def test_one_wrong_row_anywhere_is_found(n: int) -> None:
    found = 0
    for made in MADE:
        space = made.space()
        rows = Sampler(space).sample(n)
        feasible = {tuple(int(i) for i in row) for row in encode(space.decisions, made.feasible())}
        recheck = Recheck(space)
        recheck(rows)
        for k, wrong in enumerate(itertools.islice(wrong_rows(space, feasible), 0, None, 11)):
            spoilt = numpy.array(rows)
            spoilt[(7 * k + 3) % n] = wrong
            with pytest.raises(AssertionError):
                recheck(spoilt)
            found += 1
    assert found > 100


def test_rows_are_judged_as_the_reference_evaluator_does() -> None:
    assert judge(MADE, 4000) > 1_000


def judge(spaces: list[Generated], most: int) -> int:
    """Hold the verdicts on rows of each space, so many at most, against its feasible designs; how many there were."""
    judged = 0
    for made in spaces:
        space = made.space()
        feasible = {tuple(int(i) for i in row) for row in encode(space.decisions, made.feasible())}
        columns = [range(-1 if d.guard is not TRUE else 0, len(d.values)) for d in space.decisions]
        rows = list(itertools.islice(itertools.product(*columns), most))
        held = Recheck(space).held(numpy.array(rows, dtype=numpy.int8))
        assert [row in feasible for row in rows] == held.tolist()
        judged += len(rows)
    return judged


def test_a_sampler_that_forgets_a_requirement_is_caught() -> None:
    caught = 0
    for made in MADE:
        space = made.space()
        if count(space).feasible == count(space).raw:
            continue
        sampler = Sampler(evolve(space, requirements=()))
        sampler._recheck = Recheck(space)
        with pytest.raises(AssertionError):
            sampler.sample(2000)
        caught += 1
    assert caught > 5


@pytest.mark.parametrize("refuses", ["every table", "tables of what is live"])
def test_what_no_table_holds_a_program_decides_alike(refuses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def heavy(exprs: object) -> bool:
        return True

    monkeypatch.setattr(recheck_tables, "_is_heavy", heavy)
    if refuses == "tables of what is live":
        monkeypatch.setattr(recheck_tables, "LEAVES", 0)
    assert judge(MADE[:12], 1000) > 1_000
