"""What a requirement excludes by itself, against enumeration."""

from __future__ import annotations

import pytest
from cospace.compiler.checks.excluded import excluded
from cospace.compiler.counting.count import count, solve_space
from cospace.compiler.driver import compile_text
from cospace.compiler.space.model import Space

TEXTS = [
    "a = choose 1..6\nb = choose 1..6\nrequire a + b <= 8\nrequire a <= 4\nrequire a <= 5\n",
    "a = choose {1, 2}\nfor i in 1..2 { require a <= i }\nrequire a >= 1\n",
    "a = choose {0, 1, 2}\nrequire a > 0\nrequire 4 / a <= 2\nrequire a < 9\n",
]


def compiled(text: str) -> Space:
    space = compile_text('space s "t"\n' + text).space
    assert space is not None
    return space


@pytest.mark.parametrize("text", TEXTS)
def test_each_requirement_is_counted_as_if_it_were_not_there(text: str) -> None:
    space = compiled(text)
    found = dict(excluded(space, solve_space(space).count))
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if "require" not in line:
            continue
        places = [s for s in found if text.count("\n", 0, s.start - len('space s "t"\n')) == at]
        if line == "require a > 0":  # without it 4 / a has no value at a design
            assert places == []
            continue
        without = count(compiled("\n".join(lines[:at] + lines[at + 1 :]) + "\n")).feasible or 0
        wanted = without - (count(space).feasible or 0)
        assert [found[s] for s in places] == [(wanted, wanted)]
