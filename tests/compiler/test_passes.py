"""What loops at the top of a file bind, read outside by the pass, as a list, and from pass to pass."""

from __future__ import annotations

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text

from tests.compiler.spaces import space_of, told
from tests.compiler.test_loops import feasible

LOOP = "space t\nn = choose 1..3\nfor i in 1..3 {\n    y = choose {1, 2, 3}\n    t = y * i\n}\n"


def test_an_index_reads_a_pass_and_the_name_alone_the_list() -> None:
    space = space_of(f"{LOOP}require y[2] == 3 and sum(t) <= 12\nrequire t[n] >= 2\n")
    found = feasible(space)
    assert [d.path for d in space.decisions] == ["n", "y[1]", "y[2]", "y[3]"]
    ys = [(n, (a, b, c)) for n in (1, 2, 3) for a in (1, 2, 3) for b in (1, 2, 3) for c in (1, 2, 3)]
    wanted = [
        (n, y) for n, y in ys if y[1] == 3 and y[0] + 2 * y[1] + 3 * y[2] <= 12 and (n * y[n - 1]) >= 2
    ]  # fmt: skip
    assert sorted((d["n"], (d["y[1]"], d["y[2]"], d["y[3]"])) for d in found) == wanted


def test_a_loop_is_read_before_it_stands_in_the_text() -> None:
    head, body = LOOP[:8], LOOP[8:]
    before, after = space_of(f"{head}require y[3] <= n\n{body}"), space_of(f"{head}{body}require y[3] <= n\n")
    assert count(before).feasible == count(after).feasible == 9 * 6


def test_a_pass_reads_those_before_it() -> None:
    text = "space t\nfor i in 1..4 {\n    y = choose {1, 2, 3}\n    z = if i == 1 then y else z[i - 1] + y\n"
    text += "    require y >= y[i - 1] when i > 1\n}\nrequire z[4] <= 7\n"
    ordered = [d for d in feasible(space_of(text))]
    assert len(ordered) == 6  # 1111 1112 1113 1122 and, with sums 7: 1222 1123


def test_loops_in_loops_labels_and_alternatives_go_by_all_their_indices() -> None:
    text = """space t
for i in 1..2 {
    for j in {8, 16} { q = (choose k {1, 2}) * j }
    kind = choose {slow(cost = 1), fast(cost = 5)}
    tool = choose hand { drill = (choose bits {4, 6}), saw = 3 }
}
require q[2, 16] == 32 and k[1, 8] == 2 and kind[1] == fast and sum(kind.cost) <= 6
require tool[2] >= 4
require hand[2].drill.bits == 6 when hand[2] == drill
"""
    found = feasible(space_of(text))
    assert {(d["k[2, 16]"], d["k[1, 8]"], d["kind[1]"], d["kind[2]"]) for d in found} == {(2, 2, "fast", "slow")}
    assert {(d["hand[2]"], d.get("hand[2].drill.bits")) for d in found} == {("drill", 6)}


def test_a_pass_that_is_not_run_everywhere_is_read_behind_a_guard() -> None:
    loop = "space t\nn = choose 1..3\nfor i in 1..n { y = choose {1, 2} }\n"
    assert told(f"{loop}require y[1] == 1\nrequire y[2] == 2\n") == ["CS209 y[2]"]
    assert len(feasible(space_of(f"{loop}require y[1] == 1\nrequire y[2] == 2 when n >= 2\n"))) == 1 + 1 + 2
    assert len(feasible(space_of(f"{loop}require sum(y) <= 3\n"))) == 2 + 3 + 1


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("require y[4] <= 1", "CS213 y[4]", "`y[1]`, `y[2]`, `y[3]`"),
        ("require y[1, 2] <= 1", "CS213 y[1, 2]", "`y[1]`, `y[2]`, `y[3]`"),
        ("require y <= 1", "CS301 y", "sum(…)"),
        ("for i in 1..2 { w = if i > 9 then 1 else w[i] }", "CS213 w[i]", "none so far"),
        ("for i in {4, 8} { w = choose {1, 2} }\nrequire w[n] == 1", "CS212 w[n]", None),
        ("for i in 1..2 { w = i }\nfor i in 2..3 { w = i + n }\nminimize sum(w)", "CS202 w", "another name"),
        ("for i in 1..2 { w = sum(y) + sum(w) }", "CS301 w", None),
    ],
)
def test_what_can_not_be_read_says_what_can(line: str, said: str, hint: str | None) -> None:
    errors = [d for d in compile_text(f"{LOOP}{line}\n").diagnostics if d.severity == "error"]
    text = f"{LOOP}{line}\n"
    assert {f"{d.code} {text[d.span.start : d.span.end]}" for d in errors} == {said}
    assert hint is None or hint in str(errors[0].help)


def test_a_pass_reads_its_own_by_its_index_too() -> None:
    loop = "space t\nfor l in 1..3 {\n    y = choose 1..4\n    require y[l] > l\n}\nminimize y[1] + y[2] + y[3]\n"
    assert len(feasible(space_of(loop))) == 3 * 2 * 1


def test_an_index_before_the_sign_is_taken_off() -> None:
    text = "space t\nfor l in 1..3 {\n    y[l] = choose 1..4\n    require y[l] > l\n}\nminimize y[1]\n"
    (found,) = compile_text(text).diagnostics
    assert found.code == "CS226" and found.fix is not None and found.fix.sure
    start, end = found.fix.span.start, found.fix.span.end
    assert compile_text(text[:start] + found.fix.replacement + text[end:]).diagnostics == ()
    (alone,) = compile_text("space t\na = choose 1..2\nz[2] = 4\nminimize a\n").diagnostics
    assert alone.code == "CS226" and "a list is written whole" in str(alone.help)
