"""What is said of one design: what it breaks, each kind of condition in its numbers, or that it is none."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cospace.compiler.conflicts.why import why

from tests.compiler.spaces import space_of

SPACE = space_of(
    """
space s
a = choose {2, 4}
b = choose divisors(a)
c = choose {7}
require if a > 2 then b > 1 else b <= 1
require not (a + b > 7)
require 8 / (b - 1) >= 3 when a > 3
"""
)


def said(**values: int) -> str:
    found = why(SPACE, {k: Fraction(v) for k, v in values.items()})
    if isinstance(found, str):
        return found
    (one,) = found
    assert one.code == "CS601"
    return " | ".join([one.message, *(label.text for label in one.labels)])


@pytest.mark.parametrize(
    "a, b, words",
    [
        (2, 1, ["is feasible: it meets every requirement"]),
        (4, 2, ["is feasible: it meets every requirement"]),
        (2, 4, ["is no design: `b` can't be 4 beside the others"]),
        (2, 2, ["breaks a requirement", ": 2 > 1"]),
        (4, 4, ["breaks 2 requirements", ": 8 > 7", ": 2.66667 < 3"]),
        (4, 1, ["breaks 2 requirements", ": 1 <= 1", "it has no value there"]),
    ],
)
def test_a_design_is_told_what_it_breaks_in_numbers(a: int, b: int, words: list[str]) -> None:
    """`c` has one value, so that these two leave nothing open."""
    found = said(a=a, b=b)
    assert all(w in found for w in words), found
