"""Units in messages are those of the text, and what makes two of them fit can be applied."""

from __future__ import annotations

import pytest
from cospace.compiler.driver import compile_text

from tests.compiler.spaces import space_of

HEAD = """space t
import std.energy as tech
unit frame = 33 ms
param most = 3 cm2
w = choose {1, 2} mm
b = choose {4, 8} bit
n = choose {1, 2}
kept = choose {64, 128} KiB
t = 2 frame * n
rate = 5 pJ / bit
"""


@pytest.mark.parametrize(
    ("line", "said", "hint", "repaired"),
    [
        ("require w <= 1", "can't compare mm and a plain number", "`1 mm`", "require w <= 1 mm"),
        ("require 2 >= w", "can't compare a plain number and mm", "`2 mm`", "require 2 mm >= w"),
        ("require most * n <= 6", "can't compare cm2 and a plain number", "`6 cm2`", "require most * n <= 6 cm2"),
        ("require t <= 2", "can't compare frame and a plain number", "`2 frame`", "require t <= 2 frame"),
        ("require kept in {64}", "can't compare KiB and a plain number", "`{64} KiB`", "require kept in {64} KiB"),
        ("require tech.sram_area(kept) <= 8", "compare mm2 and", "`8 mm2`", "require tech.sram_area(kept) <= 8 mm2"),
        ("require n <= rate", "can't compare a plain number and J/bit", "`… / (1 J / bit)`", None),
        ("require w <= 3 pJ", "can't compare mm and pJ", "one dimension", None),
        ("require log(w) <= 3", "and this is in mm", "`log(w / 1 mm)`", "require log(w / 1 mm) <= 3"),
        ("require floor(2 * w) <= 3", "in mm", "`floor((2 * w) / 1 mm)`", "require floor((2 * w) / 1 mm) <= 3"),
        ("require 2 ^ b <= 20", "an exponent", "`… ^ (b / 1 bit)`", "require 2 ^ (b / 1 bit) <= 20"),
        ("def f(a: mm2) = a\nrequire f(w) <= most", "is in mm2, and this is in mm", None, None),
        ("def f(a: mm2) = a\nrequire f(3) <= most", "and this is a plain", "`3 mm2`", "require f(3 mm2) <= most"),
        ("def f(a: mm2) = a\nrequire f(2 * n) <= most", "and this is a plain", "`… * 1 mm2`", None),
        ("def f(a: int) = a\nrequire f(b) <= 4", "and this is in bit", "`b / 1 bit`", "require f(b / 1 bit) <= 4"),
    ],
)
def test_a_unit_goes_by_the_word_of_the_text(line: str, said: str, hint: str | None, repaired: str | None) -> None:
    text = f"{HEAD}{line}\n"
    (told,) = compile_text(text).diagnostics
    assert told.code == "CS302" and said in told.message and (hint is None or hint in str(told.help))
    assert (told.fix is None) == (repaired is None)
    if told.fix is not None:
        assert not told.fix.sure
        mended = text[: told.fix.span.start] + told.fix.replacement + text[told.fix.span.end :]
        assert mended.splitlines()[-1] == repaired
        space_of(mended)
