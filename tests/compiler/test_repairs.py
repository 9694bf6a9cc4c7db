"""Repairs of what proofs found: the repaired text compiles, and the fault is gone."""

from __future__ import annotations

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_text
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Diagnostic

HEAD = 'space s "t"\n'


def compiled(text: str) -> Space:
    space = compile_text(text).space
    assert space is not None, text
    return space


def first(text: str) -> Diagnostic:
    return check(compiled(text)).diagnostics[0]


def repaired(text: str) -> str:
    fix = first(text).fix
    assert fix is not None and not fix.sure and fix.span.file == "spec.cospace"
    return text[: fix.span.start] + fix.replacement + text[fix.span.end :]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a = choose {1, 2, 3, 4}\nrequire a != 1 and a != 3\n", "a = choose {2, 4}\n"),
        ("a = choose {1, 2, 3, 4}\nrequire a < 3\n", "a = choose {1, 2}\n"),
        ("a = choose {2, 4, 8} KiB\nrequire a >= 8 KiB\n", "a = choose {8} KiB\n"),
        ("a = choose 1..9 step 2\nrequire a > 3\n", "a = choose 5..9 step 2\n"),
        ("a = choose 2..12 bit\nrequire a in 3..5 bit\n", "a = choose 3..5 bit\n"),
        ("a = choose {one = 1, ten = 10,\n    two = 2}\nrequire a <= 3\n", "a = choose {one = 1,\n    two = 2}\n"),
        ("a = [choose {1, 2, 3} for i in 1..2]\nrequire a[1] < 3\nrequire a[2] < 2\n", "choose {1, 2} for i in"),
    ],
)  # fmt: skip
def test_values_that_nothing_takes_are_taken_out(body: str, wanted: str) -> None:
    text = repaired(HEAD + body)
    assert wanted in text and text.removeprefix(HEAD).split("require")[1:] == body.split("require")[1:]
    assert count(compiled(text)).feasible == count(compiled(HEAD + body)).feasible
    assert compiled(text).decisions[0].values == tuple(
        v for k, v in enumerate(compiled(HEAD + body).decisions[0].values) if k in taken(compiled(HEAD + body))
    )


def taken(space: Space) -> set[int]:
    """Which values of its first written decision some design takes, in any copy."""
    copies = [d for d in space.decisions if d.span == space.decisions[0].span]
    return {k for d in copies for k, v in enumerate(d.values) if count(space, {d.path: v}).feasible}


@pytest.mark.parametrize(
    "body",
    [
        "a = choose {slow, fast, odd}\nrequire a != odd\n",  # the requirement would name what is not there
        "a = choose {1,  # kept for later\n    2}\nrequire a == 2\n",  # a comment would be lost
        "n = choose {1, 2}\na = choose 1..n * 2\nrequire a == 1\n",  # the end is not a number of the text
    ],
)
def test_nothing_is_offered_where_the_text_would_lose_or_break_something(body: str) -> None:
    found = [d for d in check(compiled(HEAD + body)).diagnostics if "`a`" in d.message]
    assert [d.code for d in found] == ["CS603"] and found[0].fix is None


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a = choose 4..9\nrequire a <= 3\n", "require a <= 4\n"),
        ("param most = 3\na = choose 4..9\nrequire a <= most\n", "param most = 4\n"),
        ("a = choose {2, 3} KiB\nrequire a <= 1.5 KiB\n", "require a <= 2 KiB\n"),
        ("a = choose {1, 2, 3}\nrequire a / 16 >= 20 %\n", "require a / 16 >= 18.75 %\n"),
        ("a = choose {1, 2}\nrequire a == 3\n", "require a == 2\n"),
        ("a = choose {7, 9}\nrequire 1 / a >= 0.5\n", "require 1 / a >= 0.142857\n"),
    ],
)
def test_a_bound_is_put_where_a_design_fits(body: str, wanted: str) -> None:
    text = repaired(HEAD + body)
    assert wanted in text
    assert (count(compiled(HEAD + body)).feasible, bool(count(compiled(text)).feasible)) == (0, True)


def test_a_bound_that_is_to_be_passed_is_left_to_the_author() -> None:
    assert first(HEAD + "a = choose 4..9\nrequire a < 3\n").fix is None
