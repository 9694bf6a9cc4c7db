"""Dead values where designs are too many to list: asked together, each with the requirements that leave it out."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.checks.dead import EFFORT, settle_missing
from cospace.compiler.checks.drawn import Drawn
from cospace.compiler.cost import holds
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import compile_text
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.witness import Witnesses, find_witnesses
from cospace.compiler.space.designs import decode

from tests.compiler.spaces import space_of

SPECS = Path(__file__).parents[2] / "specs"
FOUR = "".join(f"{v} = choose 1..40\n" for v in "abcd")


def test_values_asked_together_are_left_out_each_by_its_own_requirement() -> None:
    space = space_of(f'space s\n{FOUR}require a <= 30 "top"\nrequire a >= b + 3 "above"\nrequire c + d <= 70 "free"\n')
    found = settle_missing(Drawn(Prover(space), find_witnesses(space)))
    assert not found.unknown
    said = {(space.decisions[v].path, k + 1): [r.reason for r in core] for (v, k), core in found.dead.items()}
    assert all(said["a", k] == ["above"] for k in (1, 2, 3)) and all(said["a", k] == ["top"] for k in range(31, 41))
    counts = per_value_counts(space)
    assert counts is not None
    assert set(found.dead) == {(v, k) for v, kept in enumerate(counts) for k in kept.dead}


def test_neighbours_take_what_is_wanted_and_are_designs() -> None:
    space = space_of(f"space s\n{FOUR}e = choose one {{ p = choose {{1, 2}}, q = 3 }}\nrequire a + b <= 30\n")
    prover = Prover(space)
    known = prover.search(space.requirements)
    every = [numpy.arange(len(d.values)) for d in space.decisions]
    drawn = Drawn(prover, Witnesses([], {(v, k) for v, values in enumerate(every) for k in range(len(values))}))
    rows = drawn.beside(known, every, [])
    wanted = [(v, k) for v, values in enumerate(every) for k in values]
    shown = {pair: sum(row[pair[0]] == pair[1] for row in rows) for pair in wanted}
    assert all(count >= len(rows) // len(wanted) for (v, _), count in shown.items() if v < 4)
    assert all(len({tuple(row) for row in rows if row[v] == k}) > 1 for v, k in wanted)
    held, known = prover.decide(space.requirements, rows)
    sure = held.all(axis=1) & known
    for row, met in zip(rows[:40], sure[:40], strict=True):
        design = decode(space.decisions, row)
        assert met == all(holds(r, design) is True for r in space.requirements)
    assert sure.sum() > len(rows) / 4


def test_a_bound_on_a_product_of_sums_is_settled_within_a_stated_effort() -> None:
    bound = "require engine.energy * engine.latency <= 0.002721 * 1 mJ * 1 ms\n"
    space = compile_text((SPECS / "gcos.cospace").read_text() + bound).space
    assert space is not None
    prover, witnesses = Prover(space), find_witnesses(space)
    assert len(witnesses.missing) >= 10
    found = settle_missing(Drawn(prover, witnesses))
    assert len(found.unknown) + len(found.dead) < 5
    assert prover.refuter.boxes.effort < 4 * EFFORT  # sums weighed against each other come on top of boxes


@pytest.mark.parametrize(
    ("domain", "bound", "said"),
    [
        ("1..64", "31", "values 32..64 of"),
        ("1..64 mm", "31 mm", "values 32..64 mm of"),
        ("4..64 step 4", "16", "values 20..64 step 4 of"),
        ("{1, 2, 3, 5, 7, 8, 9, 10, 20, 22, 24}", "1", "values 2, 3, 5, 7..10, 20, 22, 24 of"),
        ("{1, 2, 3, 7, 8, 9, 10, 20, 22, 24, 26} KiB", "1 KiB", "2 KiB, 3 KiB, 7..10 KiB, 20..26 KiB step 2 of"),
        ("{8, 7, 6, 5, 4}", "4", "values 8, 7, 6, 5 of"),
        ("powers(2, 2^20)", "1", "4_096, 8_192, … (20 in all) …, 524_288, 1_048_576 of"),
        ("1..4", "2", "values 3, 4 of"),
        ("0..2 step 1/4", "1/2", "values 0.75..2 step 0.25 of"),
    ],
)  # fmt: skip
def test_dead_neighbours_are_told_as_a_range(domain: str, bound: str, said: str) -> None:
    (told,) = check(space_of(f"space s\na = choose {domain}\nrequire a <= {bound}\n")).diagnostics
    assert told.code == "CS603" and said in told.message


NESTED = """space s
choice = choose kind {
  small = choose 1..4
  big = choose 10..14
  huge = choose { deep = choose 20..30, deeper = 40 }
}
x = choose 1..3 when kind == big or kind == small
y = choose 1..3 when kind == big or kind == huge
require y >= 1 when kind == big
a = choose 1..4
"""


@pytest.mark.parametrize(
    ("require", "told", "said"),
    [
        (
            "require choice * a <= 9\nrequire a >= 2\nrequire x <= 3 when kind == small\n",
            ["big, huge of `kind`", "1 of `a`"],
            "dead values: 3 found, and 21 of decisions that live only with them",
        ),
        ("require choice * a <= 39\n", ["deeper of `kind.huge.huge`"], "dead values: 1 found"),
        ("require choice <= 3\nrequire choice >= 3\n",
         ["big, huge of `kind`", "1, 2, 4 of `kind.small.small`"],
         "dead values: 5 found, and 21 of decisions that live only with them"),
    ],
)  # fmt: skip
def test_what_lies_inside_a_dead_alternative_goes_with_it(require: str, told: list[str], said: str) -> None:
    space = space_of(NESTED + require)
    report = check(space)
    found = [d.message for d in report.diagnostics if d.code == "CS603"]
    assert [m.partition(" takes the ")[2].partition(" ")[2] for m in found] == told
    assert said in report.proved
    counts = per_value_counts(space)
    assert counts is not None and sum(len(kept.dead) for kept in counts) == len(report.claims)
