"""Decisions at the top of a file that go by their label: read, guarded, and told of where something else is written."""

from __future__ import annotations

import pytest
from cospace.compiler.driver import compile_text

from tests.compiler.test_listed import agree

TEXT = "space s\nx = choose kind { a = 10 * (choose w {1, 2}) + (choose more {0, 5}), b = 3 }\ny = choose z {1, 2}\n"


def test_a_label_is_read_and_what_lies_below_it() -> None:
    agree(
        f"{TEXT}require kind.a.w < 2 when kind == a\nrequire z >= 2 or kind == b\nrequire x + y >= z\n",
        [{"kind": "a", "kind.a.w": 1, "kind.a.more": m, "z": 2} for m in (0, 5)]
        + [{"kind": "b", "z": z} for z in (1, 2)],
    )


def test_a_label_comes_after_every_name() -> None:
    agree("space s\nz = 5\ny = choose z {1, 2}\nrequire y * z <= 5\n", [{"z": 1}])


def test_an_alternative_may_be_called_as_a_function_or_a_name_of_the_file_is() -> None:
    """Beside a label, a bare name is one of its alternatives."""
    text = "space s\nabove = 3\nx = choose kind { log = 2 ^ (choose depth {1, 2}), above = 9 }\nm = choose {log, sum}\n"
    agree(
        f"{text}require kind.log.depth == 2 when kind == log\nrequire x <= 4 and log == m\n",
        [{"kind": "log", "kind.log.depth": 2, "m": "log"}],
    )
    agree(f"{text}require kind == above and m == sum\n", [{"kind": "above", "m": "sum"}])


def test_divisors_and_powers_are_members_of_a_set() -> None:
    text = "space s\na = choose k {divisors(6)}\nb = choose {16, powers(2, 8)} KiB\n"
    text += "c = choose {divisors(a), 5 when a > 2}\n"
    dividing = {1: [1], 2: [1, 2], 3: [1, 3, 5], 6: [1, 2, 3, 6, 5]}
    agree(
        f"{text}require b >= 8 KiB\n",
        [{"k": a, "b": b * 8 * 1024, "c": c} for a, cs in dividing.items() for b in (8, 16) for c in cs],
    )


def test_what_may_not_be_there_is_told() -> None:
    text = "space s\nf = choose {true, false}\ny = choose z {1, 2} when f\nrequire z <= 1\n"
    assert [d.code for d in compile_text(text).diagnostics] == ["CS209"]
    agree(text.replace("<= 1", "<= 1 when f"), [{"f": True, "z": 1}, {"f": False}])


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (f"{TEXT}require w <= 2\n", "read `kind.a.w` behind `when kind == a`"),
        (f"{TEXT}require y <= 2 when x == a\n", "read `kind == a`"),
        (f"{TEXT}require y <= 2 when x == a\n".replace("kind ", ""), "`x = choose kind { … }`, read `kind == a`"),
        (f"{TEXT}require w <= 2\n".replace("kind ", ""), "read `kind.a.w` behind `when kind == a`"),
    ],
)
def test_the_way_to_a_decision_inside_is_named(text: str, help: str) -> None:
    (found,) = compile_text(text).diagnostics
    assert found.code == "CS201" and help in str(found.help)
