"""Texts that ask for more than anyone waits for: each stage stops at what it may take, and names it."""

import random
from pathlib import Path

import numpy
import pytest
from cospace.compiler.checks import dead
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate_all
from cospace.compiler.numbers import measure, ranges
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.numbers.numbers import Decider
from cospace.compiler.proofs import prove
from cospace.compiler.proofs.prove import DRAWS, EXACT, FEWEST, Prover
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Space

SPECS = Path(__file__).resolve().parents[2] / "specs"
HEAVY = "require optics.latency <= 10 us\nminimize"
"""A bound on the time of all mappings of 12 works, where no decision says which of them a work may take."""


def space_of(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, found.diagnostics
    return found.space


def heavy(shares: int) -> Space:
    rings = (SPECS / "std" / "microring.cospace").read_text(encoding="utf-8")
    rings = rings.replace("import std.works", "").replace("factors(cores, 3)", f"factors({shares}, 3)")
    text = (SPECS / "o_has.cospace").read_text(encoding="utf-8").replace("minimize", HEAVY, 1)
    return space_of(text.replace("import std.microring", "import std.works\n" + rings, 1))


def test_a_long_product_is_decided_in_batches_and_every_value_of_it() -> None:
    space = space_of("n = [choose 1..1000 for i in 1..100]\nrequire product(n) <= 10^200\nminimize sum(n)\n")
    report = check(space)
    assert report.ok is True and "dead values: none, each value is in a feasible design" in report.proved
    counted = count(space)
    assert counted.raw == 10**300 and not counted.exact and counted.limit is not None and "rows" in counted.limit


def test_relative_errors_tell_of_a_product_what_exact_evaluation_does() -> None:
    space = space_of(
        "n = [choose 1..12 for i in 1..14]\nm = choose {1, 2, 3}\nrequire product(n) <= 10^11 * m\n"
        "require product(n) / 7 < 3_000_000_000 * m\nrequire product(n) != 479_001_600 or m == 1\n"
    )
    exprs = [implies(r.guard, r.value) for r in space.requirements]
    decider = Decider(exprs, space.decisions)
    draw = numpy.random.default_rng(3)
    rows = numpy.stack([draw.integers(0, len(d.values), 600) for d in space.decisions], axis=1)
    rows[0, :-1] = [*range(12), 0, 0]  # 12!, which one of them asks for
    found = decider(rows)
    assert decider.doubted < 30
    assert 0 < found[:, 0].sum() < len(rows) and found[0, 2] == (rows[0, -1] == 0)
    for row, told in zip(rows, found, strict=True):
        assert list(told) == [e is True for e in evaluate_all(exprs, decode(space.decisions, row))]


@pytest.mark.parametrize("bound", [
    "log2(1 / sum(1 / (3 * j * j + n[j]) for j in 1..6 when n[j] > 7)) <= 3.1",
    "log(n[1] / 7 + n[2] / 3 - n[3] / 7 - n[4] / 3) >= -1/3",
    "n[5] / (n[1] / 7 - n[2] / 3 + n[3] / 11) <= 5/3",
    "(n[1] / 7 - n[2] / 3) ^ (n[3] / 5) >= 2.01",
])  # fmt: skip
def test_what_may_be_zero_is_decided_by_its_share(bound: str) -> None:
    space = space_of(f"n = [choose 1..12 for i in 1..6]\nrequire {bound}\n")
    exprs = [implies(r.guard, r.value) for r in space.requirements]
    draw = numpy.random.default_rng(4)
    rows = numpy.stack([draw.integers(0, len(d.values), 400) for d in space.decisions], axis=1)
    rows[:40] //= 3  # all conditions false, differences that are 0
    decider = Decider(exprs, space.decisions)
    found = decider(rows)
    exact = numpy.array([[e is True for e in evaluate_all(exprs, decode(space.decisions, row))] for row in rows])
    assert (found == exact).all() and 0.02 < found.mean() < 0.98
    assert "sum" not in bound or decider.doubted < 20  # of a difference no share is known


def test_how_far_apart_floats_have_to_be() -> None:
    rng = random.Random(5)
    for _ in range(300):
        a = rng.uniform(1e-3, 1e6)
        share = 2.0 ** -rng.randint(2, 40)
        b = a * (1 + rng.uniform(-2, 2) * share)
        wide = ranges.Range(1e-4, 1e12, error=1e6, relative=share)
        narrow = ranges.Range(b, b, error=0.0)
        slack = ranges.slack(wide, narrow)
        assert slack == ranges.slack(narrow, wide) <= 1e6
        for off in (-share, share, rng.uniform(-share, share)):
            x = a * (1 + off)
            assert (x < b) == (a < b) or abs(x - b) <= slack * 1.01


def test_exact_evaluation_and_wide_batches_are_metered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "ROUNDS", 2)
    monkeypatch.setattr(prove, "FLOATS", 20_000_000)
    space = heavy(120)
    prover = Prover(space)
    rows, truth = prover.sample()
    assert FEWEST < prover.at_once(space.requirements) < DRAWS and 2 <= len(rows) == len(truth) < DRAWS
    for row, held in list(zip(rows, truth, strict=True))[:3]:
        exact = evaluate_all([implies(r.guard, r.value) for r in space.requirements], decode(space.decisions, row))
        assert list(held) == [e is True for e in exact], "what is not decided is left out"
    prover.search(space.requirements)
    assert 0 < prover.spent <= EXACT


def test_a_table_that_tries_many_mappings_is_given_up_before_it_is_made() -> None:
    found = count(heavy(5_040))
    assert not found.exact and found.limit is not None and "many mappings" in found.limit
    assert found.bounds[0] == 0 and found.bounds[1] == 6_425_448


def test_a_table_of_many_rows_in_doubt_is_given_up_before_it_is_made() -> None:
    space = space_of("n = [choose 1..10 for i in 1..5]\nrequire sum(n) <= 9\n")
    expr, looked = space.requirements[0].value, []

    class Doubtful:
        errors = (0.0,)

        def certified(self, rows: numpy.ndarray) -> tuple[list, list, numpy.ndarray]:
            looked.append(len(rows))
            return [rows[:, 0] * 1.0], [rows[:, 0] >= 0], numpy.ones(len(rows), dtype=bool)

    digits = numpy.arange(10)[:, None]
    rows = numpy.concatenate([numpy.repeat(digits, 1_000, axis=0), numpy.tile(digits, (1_000, 1))], axis=1)
    grid = measure._Grid(rows, digits)
    with pytest.raises(TooMany, match="about 100,000 rows in doubt, more than 20,000"):
        measure.tabulate(expr, space.decisions, grid, Doubtful())  # type: ignore[arg-type]
    assert looked == [measure.SPREAD]


def test_values_that_are_asked_one_by_one_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "ASKED", 1)
    asked: list[object] = []
    settle = Prover.settle

    def counted(self: Prover, *args: object, **how: object) -> object:
        asked.append(args[1:])
        return settle(self, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Prover, "settle", counted)
    letters = "a, b, c, d, e, f, g, h = choose 1..50\n"
    text = letters + "require a*b*c + a*a*b - c*c*c + d*e*f - f*g*h + b*d*h - e*e*g + a*e*h == 12_345\n"
    report = check(space_of(text))
    assert report.ok is None and len([a for a in asked if a]) == 1
    assert any(
        s.startswith("dead values: not decided for a = ") and "more (more than 1 expressions" in s
        for s in report.skipped
    )


def test_sums_modulo_a_number_end_with_a_limit() -> None:
    weights = random.Random(1).sample(range(1, 97), 40)
    names = "".join(f"b{i} = choose {{true, false}}\n" for i in range(40))
    total = " + ".join(f"(if b{i} then {w} else 0)" for i, w in enumerate(weights))
    space = space_of(f"{names}require mod({total}, 97) == 13\n")
    assert check(space).ok is True
    found = count(space)
    assert found.bounds == (0, 2**40) and found.limit is not None and "rows" in found.limit


@pytest.mark.parametrize(("chain", "fits"), [(12, True), (16, False)])
def test_defs_that_call_each_other_twice_count_for_what_they_take(chain: int, fits: bool) -> None:
    text = "def f0(x: real) = x + 1\n"
    text += "".join(f"def f{i}(x: real) = f{i - 1}(x) + f{i - 1}(x + 1)\n" for i in range(1, chain + 1))
    found = compile_text(text + f"n = choose 1..4\nminimize f{chain}(n)\n")
    assert (found.space is not None) == fits
    assert fits or [d.code for d in found.diagnostics] == ["CS404"]
