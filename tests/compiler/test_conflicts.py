"""Generated texts without a design: their conflicts, the numbers that make room and the reasons, against brute force.

`benchmarks/conflicts.py` does the same for 300.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.conflicts import literals, thresholds
from cospace.compiler.conflicts.conflict import Conflicts
from cospace.compiler.conflicts.why import why
from cospace.compiler.driver import compile_text
from cospace.compiler.exact import roots
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.space.model import Space

from tests.compiler.conflicts_agree import Tally, agree
from tests.compiler.unsatisfiable_made import unsatisfiable

SEEDS = [k * 13 for k in range(24)]


def compiled(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


def test_conflicts_and_numbers_are_what_brute_force_says() -> None:
    tally = Tally()
    for seed in SEEDS:
        agree(unsatisfiable(seed), tally)
    print(tally)
    assert tally.minimal == tally.specs == len(SEEDS)
    assert set(tally.sizes) <= {2, 3, 4, 5, 6} and len(tally.sizes) >= 4
    assert set(tally.kinds) == {"plain", "shapes", "maps", "for all", "alternatives"}
    assert 3 * (tally.specs - tally.kinds["plain"]) >= tally.specs
    assert not tally.undecided and tally.none_alone and tally.verified + tally.none_alone == tally.specs
    assert tally.by_reference > 2 * tally.specs


def test_all_minimal_conflicts_are_found() -> None:
    several = 0
    for seed in range(40, 56):
        spec = unsatisfiable(seed)
        text, _ = spec.render()
        search = Conflicts(Prover(compiled(text)))
        found = {frozenset(text.count("\n", 0, p.start) + 1 for p in c.places) for c in search.all()}
        lines = [spec.line_of(a, text) for a in spec.asked]
        assert found == {frozenset(lines[i] for i in c) for c in spec.conflicts()}, f"seed {seed}\n{text}"
        assert search.complete
        several += len(found) > 1
    assert several > 2


def test_what_is_said_is_the_same_from_run_to_run() -> None:
    root = Path(__file__).parents[2]
    program = (
        "from cospace.compiler.checks.check import check\nfrom cospace.compiler.driver import compile_text\n"
        "from tests.compiler.unsatisfiable_made import unsatisfiable\n"
        "for seed in (1, 3, 39): print(check(compile_text(unsatisfiable(seed).render()[0]).space, deep=True))\n"
    )
    said = set()
    for seed in ("0", "2027"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        child = subprocess.run(
            [sys.executable, "-c", program], cwd=root, env=environment, check=True, capture_output=True, text=True
        )
        said.add(child.stdout)
    assert len(said) == 1 and "CS601" in said.pop()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("require mod(a, 7) == 6", "the number 7 does not do: 10 is the nearest value that does"),
        ("require ceil(100 / (a * 3)) <= 1 when a <= 20", "the number 20 is too much: it has to be less than 16"),
        ("param k = 3\nrequire a * k == 100", "k = 3 does not do: 6.25 is the nearest value that does"),
        ("k = 3\nrequire a * k == 112", "k = 3 does not do: 7 is the nearest value that does"),
        ("param k = 1\nrequire k * k >= 2 * (a - 15)", "k = 1 does not do: about 1.41421 is the nearest value"),
        ("def f(b) = b * 2 + 3\nrequire f(a) <= 20", "the number 2 in line 4 is too much: 1.0625 is the most"),
        ("require a * 2 > 40", "the bound 40 is too much: it has to be less than 32"),
        ("require a * 1 KiB <= 12 KiB", "the bound 12 KiB is short: 16 KiB is the least that would do"),
        ("def g(n: int) = n * 3\nrequire g(5) >= a + 1", "the number 5 does not do: 6 is the nearest value that does"),
        ("for i in 1..3 { require a - i >= 14 }", "the bound 14 is too much: 13 is the most that would do"),
    ],
)  # fmt: skip
def test_a_number_that_would_do_is_the_nearest(lines: str, said: str) -> None:
    (found,) = check(compiled(f"space s\na = choose {{16}}\nb = choose 1..3\n{lines}\n")).diagnostics
    assert said in found.message + str(found.help), found


def test_only_the_instances_that_matter_are_named() -> None:
    text = (
        'space s\na = choose 1..9\nb = choose 1..9\nfor i in 1..4 { require a * i <= 12 "cap" }\nrequire a + b >= 13\n'
    )
    (found,) = check(compiled(text)).diagnostics
    first, second = found.labels
    assert first.text == "[4]; the bound 12 is short: 16 is the least that would do"
    assert second.text == "the bound 13 is too much: 12 is the most that would do"


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ("require a + b <= 3\nrequire a * b >= 10\nrequire a >= 4",
         ["the bound 3 is short: 7 is the least that would do "
          "(5 if only the requirements of this conflict had to hold)",
          "at best 2 beside the other, where >= 4 is asked"]),
        ("require a * 2 um2 <= 3 um2\nrequire a >= 2\nrequire b >= 4",
         ["the number 2 um2 is too much: 1.5 um2 is the most that would do; or "
          "the bound 3 um2 is short: 4 um2 is the least that would do",
          "the bound 2 is too much: 1 is the most that would do"]),
        ("k = a * 1 KiB\nrequire k <= 3 KiB\nrequire b + a >= 19\nrequire b <= 9 - a",
         ["at best 9 KiB beside the other, where <= 3 KiB is asked",
          "the bound 19 is too much: 9 is the most that would do "
          "(13 if only the requirements of this conflict had to hold)"]),
    ],
)  # fmt: skip
def test_what_the_conflict_asks_for_and_what_the_space_asks_for_are_told_apart(lines: str, texts: list[str]) -> None:
    (found,) = check(compiled(f"space s\na, b = choose 1..10\n{lines}\n")).diagnostics
    assert {label.text for label in found.labels} == set(texts)


def test_a_number_that_shapes_the_space_is_not_asked() -> None:
    space = compiled("space s\nparam k = 4\na = choose 1..k\nrequire a >= k + 1\n")
    (found,) = check(space).diagnostics
    assert found.help == "one number: the number 1 is too much: 0 is the most that would do"


def test_a_whole_design_is_told_what_it_breaks_in_numbers() -> None:
    space = compiled(
        "space s\na = choose 1..9\nb = choose 1..9\nc = choose 1..2 when a > 4\n"
        'require a * b <= 8 "small"\nrequire a + b >= 4 and b <= 6 or a == 9 "odd"\nrequire a >= 2\n'
    )
    (found,) = why(space, {"a": Fraction(3), "b": Fraction(7)})
    assert [x.text for x in found.labels] == ["small: 21 > 8", "odd: 7 > 6, 3 != 9"]  # type: ignore[union-attr]
    assert why(space, {"a": Fraction(2), "b": Fraction(4)}) == "a = 2, b = 4 is feasible: it meets every requirement"
    (one,) = why(space, {"a": Fraction(4), "b": Fraction(3)})
    assert one.help == "one number: the bound 8 is short: 12 is the least that would do"  # type: ignore[union-attr]
    (dead,) = why(space, {"a": Fraction(3), "b": Fraction(1), "c": Fraction(1)})
    assert "`c` is not there" in dead.message  # type: ignore[union-attr]
    (part,) = why(space, {"b": Fraction(9)})
    assert "b = 9 leaves no design" in part.message and "(9 if this were the only requirement)" in part.message  # type: ignore[union-attr]


def test_roots_are_exact_or_enclosed() -> None:
    rng = random.Random(1)
    for _ in range(200):
        wanted = [Fraction(rng.randint(-9, 9), rng.randint(1, 7)) for _ in range(rng.randint(1, 4))]
        p = roots.ONE
        for r in wanted:
            p = roots.times(p, (-r, Fraction(1)))
        low, high = Fraction(rng.randint(-8, 0)), Fraction(rng.randint(1, 8))
        found = roots.roots(p, low, high)
        assert found == [(r, r) for r in sorted({r for r in wanted if low < r < high})]
    ((low, high),) = roots.roots((Fraction(-2), Fraction(0), Fraction(1)), Fraction(0), None)
    assert low < high and low**2 < 2 < high**2 and high - low < Fraction(1, 10**15)


def test_roots_of_squares_are_enclosed_apart_from_the_ends() -> None:
    rng = random.Random(2)
    met = 0
    for _ in range(300):
        p = tuple(Fraction(rng.randint(-40, 40), rng.randint(1, 9)) for _ in range(2))
        p = (*p, Fraction(rng.choice([-1, 1]) * rng.randint(1, 10**6), rng.randint(1, 9)))
        low, high = sorted(Fraction(rng.randint(-30, 30), rng.randint(1, 3000)) for _ in range(2))
        for a, b in roots.roots(p, low, high):
            assert low < a <= b < high and b - a < Fraction(1, 10**15)
            assert roots.at(p, a) * roots.at(p, b) < 0 if a < b else roots.at(p, a) == 0
        every = roots.roots(p, None, None)
        assert len(every) == (2 if p[1] ** 2 > 4 * p[0] * p[2] else 0)
        assert all(one[1] < other[0] for one, other in itertools.pairwise(every))
        inside = [e for e in every if low < e[0] and e[1] < high]
        met += len(inside)
        assert len(roots.roots(p, low, high)) == len(inside)
    assert met > 40


def test_a_rounding_looks_for_steps_only_between_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(p: roots.Poly, low: Fraction | None, high: Fraction | None) -> list[tuple[Fraction, Fraction]]:
        asked.append(p)
        return roots.roots(p, low, high)

    monkeypatch.setattr(thresholds, "roots", counted)
    text, _ = unsatisfiable(247).render()  # a quotient rounded by `mod`, in hundreds of designs
    (said,) = check(compiled(text)).diagnostics
    assert said.help and "35/12 is the nearest value that does" in said.help
    assert len(asked) < 6_000  # 64 for each rounding came to 25,648


def test_the_numbers_of_a_conflicts_own_lines_are_asked_where_others_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Path(__file__).parents[2] / "specs" / "hw_nas_bench.cospace"
    space = compiled(spec.read_text() + "\nrequire latency <= 1 us\n")
    spent = []
    plain = literals._compiled

    def counted(*given: Any) -> Any:
        found = plain(*given)
        spent.append(found[1])
        return found

    monkeypatch.setattr(literals, "_compiled", counted)
    (said,) = check(space).diagnostics
    assert said.help == "one number: the bound 1 us is short: 1132.96 us is the least that would do"
    assert sum(spent) < 2 * literals.STEPS  # 28 compilations that evaluated 550,000 expressions


def test_that_no_number_could_be_left_open_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from cospace.compiler.conflicts import literals

    monkeypatch.setattr(literals, "TRIES", 0)
    (found,) = check(compiled("space s\na = choose 1..3\nrequire a >= 4\n")).diagnostics
    assert found.help is not None and "whether a change of a single number makes room was not decided" in found.help
