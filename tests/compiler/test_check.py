"""What `check` proves, against brute force on generated spaces; conflicts and bounds on a spec."""

from __future__ import annotations

from pathlib import Path

import pytest
from cospace.compiler.checks import findings
from cospace.compiler.checks.check import check, undefined
from cospace.compiler.conflicts.why import why
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact import exact
from cospace.compiler.proofs import solver, witness
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Space

from tests.compiler.generate import generate
from tests.compiler.spaces import space_of

GCOS = Path(__file__).parents[2] / "specs" / "gcos.cospace"


def compiled(text: str) -> Space:
    found = compile_text(text)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


@pytest.mark.parametrize("seed", range(150))
def test_satisfiable_and_dead_values_agree_with_brute_force(seed: int) -> None:
    agrees_with_brute_force(seed)


@pytest.mark.parametrize("seed", range(50))
def test_they_agree_where_no_design_is_found_one_at_a_time(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "ASSIGNMENTS", 0)
    agrees_with_brute_force(seed)


def agrees_with_brute_force(seed: int) -> None:
    made = generate(seed)
    space = made.space()
    feasible = made.feasible()
    report = check(space)
    codes = {d.code for d in report.diagnostics}
    if report.ok is None:
        assert report.skipped
        return
    if "CS602" in codes:  # undefined somewhere: the witness is checked by hand below
        return
    assert ("CS601" in codes) == (not feasible)
    if feasible:
        alive = {(p, v.__class__, v) for d in feasible for p, v in d.items()}
        dead = {d.path for d in space.decisions for v in d.values if (d.path, v.__class__, v) not in alive}
        said = {p for d in report.diagnostics if d.code == "CS603" for p in dead if f"`{p}`" in d.message}
        # those that live only where another takes a dead value go with it
        within = {d.path for d in space.decisions if d.path in dead and d.guard.free & dead}
        assert said <= dead <= said | within and {c.path for c in report.claims} == dead


@pytest.mark.parametrize("seed", range(30))
def test_they_agree_where_designs_are_drawn_from_the_count(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "DRAWS", 0)
    monkeypatch.setattr(findings, "MANY", 0)
    agrees_with_brute_force(seed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n = choose 5..6\nu = choose [x for x in 2..4 when x > n]", ["u"]),
        ("n = choose 1..6\nu = choose [x for x in 2..4 when x > n]\nrequire n >= 5", ["u"]),
        ("n = choose 1..6\nu = choose [x for x in 2..4 when x > n]\nrequire u <= 9", ["u"]),
        ("n = choose 1..6\nu = choose [x for x in 2..4 when x > n]\nrequire n + u >= 99", []),
    ],
    ids=["no design at all", "a requirement leaves it empty", "values are dead", "it is not to blame"],
)
def test_a_domain_that_is_left_empty_is_named(text: str, said: list[str]) -> None:
    found = check(compiled(f"space s\n{text}\nminimize u + n\n")).diagnostics[0]
    labels = [label.text.split("`")[1] for label in found.labels if "has no value then" in label.text]
    assert labels == said and found.code in ("CS601", "CS603")


def test_copies_that_nothing_reads_are_told_once() -> None:
    space = space_of("b = [choose {4, 8} for i in 1..9]\nc = choose 1..2\nrequire b[2] <= 4 or b[2] >= 8\n")
    found = [(d.message, d.help) for d in check(space).diagnostics if d.code == "CS606"]
    listed = ", ".join(f"`b[{i}]`" for i in (1, 3, 4, 5, 6, 7))
    assert found == [
        (f"nothing reads the decisions {listed} and 2 more", "use them, or leave them out"),
        ("nothing reads the decision `c`", "use it, or leave it out"),
    ]


def test_copies_with_the_same_dead_values_are_told_once() -> None:
    space = compiled(
        "space s\nrows = [choose 1..9 for i in 1..5]\nfor i in 1..5 { require rows[i] <= 8 }\nminimize rows[1]\n"
    )
    (found,) = [d for d in check(space).diagnostics if d.code == "CS603"]
    assert found.message == "no feasible design takes the value 9 of " + ", ".join(f"`rows[{i}]`" for i in range(1, 6))


@pytest.mark.parametrize("seed", range(0, 40))
def test_the_solver_alone_is_never_wrong(seed: int) -> None:
    made = generate(seed)
    space = made.space()
    verdict = solver.settle(space, space.requirements)
    feasible = made.feasible()
    if verdict.possible is True:
        assert feasible and verdict.witness in feasible
    if verdict.possible is False:
        assert not feasible


def test_a_budget_that_is_short_says_the_least_that_fits() -> None:
    space = compile_file(GCOS, {"area_budget": "0.001mm2"}).space
    assert space is not None
    (found,) = check(space).diagnostics
    assert found.code == "CS601"
    assert "area_budget = 0.001 mm2 is short: 0.0465152 mm2 is the least that fits" in found.message
    fits = compile_file(GCOS, {"area_budget": "0.0465152mm2"}).space
    assert fits is not None
    assert "CS601" not in [d.code for d in check(fits).diagnostics]
    short = compile_file(GCOS, {"area_budget": "0.0465151mm2"}).space
    assert short is not None
    assert check(short).diagnostics[0].code == "CS601"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = choose {46, 47}\nrequire a <= 40", "the bound 40 is short: 46 is the least that would do"),
        ("a = choose {46, 47}\nrequire a >= 50", "the bound 50 is too much: 47 is the most that would do"),
        ("a = choose {46, 47}\nrequire a < 46", "the bound 46 is short: it has to be more than 46"),
        ("a = choose {46, 47}\nrequire a > 47", "the bound 47 is too much: it has to be less than 47"),
        ("a = choose {1_234_567, 2_000_000}\nrequire a <= 2", "the bound 2 is short: 1,234,567 is the least"),
        (
            "param area_budget = 4 mm2\na = choose {4.7, 5} mm2\nrequire a <= area_budget",
            "area_budget = 4 mm2 is short: 4.7 mm2 is the least that fits",
        ),
        ("a = choose {3, 5} mm2\nrequire a <= 900 um2", "the bound 900 um2 is short: 3,000,000 um2 is the least"),
    ],
)
def test_a_bound_that_is_short_reads_as_a_sentence(text: str, said: str) -> None:
    (found,) = check(compiled(f"space s\n{text}\n")).diagnostics
    assert said in found.message


def test_the_least_bound_that_is_said_would_do() -> None:
    text = "space s\na = choose {1_234_567, 2_000_000} bit\nrequire a <= BOUND\n"
    (found,) = check(compiled(text.replace("BOUND", "1 KiB"))).diagnostics
    said = found.message.split(": ")[-1].split(" is the least")[0]
    assert check(compiled(text.replace("BOUND", said))).ok is True


def test_a_conflict_is_minimal_and_at_its_spans() -> None:
    text = """space s
rows = choose 1..20
cols = choose 1..20
depth = choose 1..20
require depth >= 2 "deep"
require rows * cols >= 300 "big"
require rows + cols <= 30 "thin"
require rows <= 15 "low"
"""
    space = compiled(text)
    (found,) = check(space).diagnostics
    spans = {text[label.span.start : label.span.end].split('"')[1] for label in found.labels}
    assert spans == {"big", "thin", "low"} or spans == {"big", "thin"}
    kept = [r for r in space.requirements if r.reason in spans]
    prover = Prover(space)
    assert prover.settle(kept).possible is False
    for r in kept:
        assert prover.settle([k for k in kept if k is not r]).possible is True


def test_every_minimal_conflict_is_named_on_request() -> None:
    text = (
        "space s\na = choose 1..9\nb = choose 1..9\n"
        "require a >= 7\nrequire a <= 3\nrequire b >= 8\nrequire a + b <= 10\n"
    )
    report = check(compiled(text), deep=True)
    lines = [{text.count("\n", 0, x.span.start) + 1 for x in d.labels} for d in report.diagnostics]
    assert sorted(map(sorted, lines)) == [[4, 5], [4, 6, 7]]
    assert any("there are no others" in p for p in report.proved)


def test_that_no_number_alone_makes_room_is_said() -> None:
    text = "space s\na = choose 1..9\nb = choose 1..9\nrequire a >= 7\nrequire a <= 3\nrequire b >= 8\nrequire b <= 2\n"
    (found,) = check(compiled(text)).diagnostics
    assert found.help is not None and "no change of a single number makes room" in found.help


def test_undefined_at_a_design_is_an_error_with_that_design() -> None:
    space = compiled("space s\na = choose 0..4\nb = choose 1..4\nrequire b / a <= 2\n")
    (found,) = [d for d in check(space).diagnostics if d.severity == "error"]
    assert found.code == "CS602" and "a = 0" in found.message
    fine = compiled(
        "space s\na = choose 0..4\nb = choose 1..4\nrequire a > 0\nrequire if a > 0 then b / a <= 2 else false\n"
    )
    assert not [d for d in check(fine).diagnostics if d.severity == "error"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("require 1 / a <= 2\nrequire 2 / a <= 5", ["CS602"]),  # neither excludes what it has no value at
        ("require 1 / a <= 2\nrequire a > 0", []),
        ("minimize 1 / a\nrequire if a > 0 then 1 / a <= 2 else false", []),
        ("minimize 1 / a\nrequire if a > 0 then 1 / a <= 2 else true", ["CS602"]),
        ("minimize 1 / a\nrequire 1 / a <= 2 when a > 0", ["CS602"]),
        ("minimize 1 / a\nrequire a > 0 when b > 1\nrequire b > 1", []),
        ("minimize log2(a - 1)\nrequire a >= 1", ["CS602"]),
        ("require 0 <= a / (a - 2) < 4", ["CS602"]),  # what guards the second side has no value itself at a = 2
    ],
)
def test_a_requirement_excludes_only_where_it_has_a_value(text: str, codes: list[str]) -> None:
    space = compiled(f"space s\na = choose 0..4\nb = choose 1..4\n{text}\n")
    assert [d.code for d in check(space).diagnostics if d.severity == "error"] == codes
    assert [d.code for d in undefined(space)] == codes


def test_deep_finds_what_changes_nothing() -> None:
    text = """space s
a = choose 1..10
b = choose 1..10
c = choose {1, 2}
d = choose 3..5 when a > 4
require a <= 8
require a <= 9 "follows"
require b >= 2 when a > 8
require a + b <= 15
require 2 * b <= 20
require d <= 6 when a > 4
minimize a
maximize b - b + 3
maximize (if b >= 1 then 7 else b)
"""
    found = check(compiled(text), deep=True)
    said = [(d.code, text[d.span.start : d.span.end].split(" when")[0]) for d in found.diagnostics]
    assert said == [
        ("CS603", "choose 1..10"),
        ("CS606", "choose {1, 2}"),
        ("CS604", 'require a <= 9 "follows"'),
        ("CS608", "require 2 * b <= 20"),
        ("CS608", "require d <= 6"),
        ("CS605", "require b >= 2"),
        ("CS609", "maximize b - b + 3"),
        ("CS609", "maximize (if b >= 1 then 7 else b)"),
    ]
    by_code = {d.code: d for d in found.diagnostics}
    assert [label.text for label in by_code["CS604"].labels] == ["follows from this: a <= 8"]
    helps = [d.help for d in found.diagnostics if d.code == "CS608"]
    assert helps[0] == "at worst 20 <= 20; leave it out, or tighten it"
    assert "it is 7 at every feasible design" in found.diagnostics[-1].message


@pytest.mark.parametrize("seed", range(40))
def test_what_changes_nothing_agrees_with_brute_force(seed: int) -> None:
    made = generate(seed)
    space = made.space()
    feasible = made.feasible()
    report = check(space, deep=True)
    if not feasible or any(d.code == "CS602" for d in report.diagnostics):
        return
    decided = [line.split(":")[0] for line in report.proved]
    lone = [o for o in space.objectives if not o.measured]
    if "objectives that nothing moves" in decided:
        still = [o for o in lone if len({exact.evaluate(o.value, d) for d in feasible}) == 1]
        assert len([d for d in report.diagnostics if d.code == "CS609"]) == len(still)
    if "guards" in decided:
        never = {
            r.span for r in space.requirements
            if r.origin in ("written", "rule") and r.guard is not g.TRUE
            and all(exact.evaluate(s.guard, d) is not True for s in space.requirements if s.span == r.span
                    for d in feasible)
        }  # fmt: skip
        assert {d.span for d in report.diagnostics if d.code == "CS605"} == never


def test_why_names_the_reason_or_a_design() -> None:
    space = compiled('space s\na = choose 1..10\nb = choose 1..10\nrequire a * b <= 8\nrequire b >= 2 "two at least"\n')
    (found,) = why(space, {"a": g.Fraction(9)})
    assert "a = 9" in found.message
    assert "possible" in why(space, {"a": g.Fraction(4)})


@pytest.mark.parametrize("data", ["digits", "cora", "citeseer"])
def test_the_shipped_spec_is_sound_and_says_nothing_twice(data: str) -> None:
    space = compile_file(GCOS, {"data": data}).space
    assert space is not None
    report = check(space, deep=data == "digits")
    assert report.ok is True and not report.diagnostics


@pytest.mark.parametrize(("read", "named"), [("a >= 19", True), ("a >= k + 9", False), ("a >= 2 * k - 1", False)])
def test_a_param_is_named_as_the_way_out_only_where_it_is_with_all_that_reads_it(read: str, named: bool) -> None:
    lines = ["param k = 10", "a = choose 1..25", "b = choose 1..25", "require a + b <= k", f"require {read}"]
    text = "space s\n" + "\n".join(lines) + "\nminimize a\n"
    compiled = compile_text(text)
    assert compiled.space is not None
    (conflict,) = check(compiled.space).diagnostics
    said = " ".join(label.text for label in conflict.labels)
    assert ("k = 10 is short: 20 is the least that fits" in said) is named
    assert "at best 20 beside the other, where <= 10 is asked" in said or named
    wider = compile_text(text, {"k": "20"}).space
    assert wider is not None and bool(count(wider).feasible) is named
