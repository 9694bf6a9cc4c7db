"""However a text is spaced, broken into lines and commented, formatting keeps its tree and comments and is idempotent.

And formatting a range of lines touches nothing outside of it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.format import format_text
from cospace.dsl.format_items import COMMENT, Item, read_items
from cospace.dsl.parse import parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dsl.test_format import TEXTS, meaning

EXAMPLES = int(os.environ.get("COSPACE_FUZZ", "1000"))
LONGEST = 600
VARIANTS = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
_SIGNS = set("()[]{},;:=+*^<>")


def statements(path: Path) -> list[str]:
    """The short top-level statements of a file, each with what stands on its lines."""
    text = path.read_text(encoding="utf-8")
    reporter = Reporter()
    found = []
    for statement in parse(text, path.name, reporter).statements:
        start = text.rfind("\n", 0, statement.span.start) + 1
        end = text.find("\n", statement.span.end)
        piece = text[start : end if end >= 0 else len(text)]
        if len(piece) <= LONGEST:
            found.append(piece + "\n")
    assert not reporter.failed
    return found


PIECES = sorted({piece for path in TEXTS for piece in statements(path)})


@cache
def tree_of(text: str) -> Any:
    return meaning(text)[0]


def respaced(text: str, random: Random) -> str:
    """The same tokens with other blanks, line ends and more comments, nothing of which means anything."""
    read = read_items(text, "text", Reporter())
    assert read is not None
    out: list[str] = []
    leads = True
    for i, item in enumerate(read.items):
        gap = _gap(read.items, i, leads, random)
        out += [gap, item.text]
        leads = "\n" in gap or i == 0
    return "".join(out) + random.choice(["", "\n", " \n\n", "  # end\n", ";\n"] if item.kind != COMMENT else ["\n"])


def _gap(items: list[Item], i: int, leads: bool, random: Random) -> str:
    item = items[i]
    blanks = random.choice(["", " ", "   ", "\t", "         "])
    if i == 0:
        return blanks
    before = items[i - 1]
    if item.newlines:
        statement = item.first == i and item.group.counts_lines and item.group.kind != "set"
        if statement and before.kind != COMMENT and before.opens is None and random.random() < 0.1:
            return "; "
        note = random.choice(["", "", "", " # note", "\n  # note"]) if before.kind != COMMENT else ""
        return blanks + note + random.choice(["\n", " \t\n"]) * (1 + item.blank * random.randint(1, 3)) + blanks
    if item.group.kind in ("(", "[") and before.kind != COMMENT and item.kind != COMMENT and random.random() < 0.1:
        return random.choice(["\n", " # inside\n", "\n# inside\n", "\n\n\n"]) + blanks
    if before.unary:
        return ""
    sign = item.text[0] in _SIGNS or before.text[-1] in _SIGNS
    if leads and before.kind not in ("NAME", "NUMBER"):
        sign = False  # a sign goes on a line only with a blank after it
    return blanks if sign or item.kind == COMMENT else blanks or " "


@VARIANTS
@given(st.integers(0, 2**32))
def test_variants(seed: int) -> None:
    random = Random(seed)
    text = random.choice(PIECES)
    variant = respaced(text, random)
    tree, notes = meaning(variant)
    after = format_text(variant)
    assert meaning(after) == (tree, notes)
    assert tree == tree_of(text), variant
    assert format_text(after) == after
    for line in after.splitlines():
        assert line == line.rstrip() and "\t" not in line.partition("#")[0].partition('"')[0]


@settings(VARIANTS, max_examples=max(1, EXAMPLES // 10))
@given(st.integers(0, 2**32))
def test_indentation_and_ends_of_lines_never_matter(seed: int) -> None:
    """With nothing aligned, only the words and the line ends count."""
    random = Random(seed)
    lines = [" ".join(line.split()) if '"' not in line else line.strip() for line in random.choice(PIECES).splitlines()]
    plain = format_text("\n".join(lines) + "\n")
    if any("  " in line for line in lines):
        return
    shifted = "".join(
        random.choice(["", " ", "\t", "      "]) + line + random.choice(["", " ", "\t"]) + "\n" for line in lines
    )
    assert format_text(shifted) == plain


@settings(VARIANTS, max_examples=max(1, EXAMPLES // 10))
@given(st.integers(0, 2**32))
def test_ranges(seed: int) -> None:
    """Lines outside of the range stay to the letter, and those inside of the range are as formatted or as before."""
    random = Random(seed)
    text = "\n".join(respaced(random.choice(PIECES), random).rstrip("\n") + "\n" for _ in range(3))
    old = text.split("\n")
    first = random.randint(1, len(old))
    last = random.randint(first, len(old))
    after = format_text(text, range(first, last + 1))
    new = after.split("\n")
    assert new[: first - 1] == old[: first - 1]
    assert last >= len(old) - 1 or new[len(new) - (len(old) - last) :] == old[last:]
    assert meaning(after) == meaning(text)
    everything = format_text(text, range(1, len(old) + 1))
    assert everything == format_text(text)


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        (range(1, 2), "a = 1\n\n\n\nb=2\nc=3 ;\nd=f( 1,\n2)\n"),
        (range(2, 5), "a=1\n\nb=2\nc=3 ;\nd=f( 1,\n2)\n"),
        (range(2, 4), "a=1\n\n\n\nb=2\nc=3 ;\nd=f( 1,\n2)\n"),
        (range(5, 7), "a=1\n\n\n\nb = 2\nc = 3\nd=f( 1,\n2)\n"),
        (range(7, 9), "a=1\n\n\n\nb=2\nc=3 ;\nd = f(1,\n      2)\n"),
        (range(8, 9), "a=1\n\n\n\nb=2\nc=3 ;\nd=f( 1,\n      2)\n"),
        (range(0), "a=1\n\n\n\nb=2\nc=3 ;\nd=f( 1,\n2)\n"),
    ],
)
def test_a_range(lines: range, after: str) -> None:
    text = "a=1\n\n\n\nb=2\nc=3 ;\nd=f( 1,\n2)\n"
    assert format_text(text, lines) == after
    assert format_text(text.replace("\n", "\r\n"), lines) == after.replace("\n", "\r\n")
