"""Reading a changed text by its changed statements gives what reading all of it gives: tree, spans, messages."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.flat import flatten
from cospace.dsl.parse import parse
from cospace.dsl.reparse import Parsed, read

ROOT = Path(__file__).parents[2]
SEEDS = [p.read_text(encoding="utf-8") for p in sorted((ROOT / "specs").rglob("*.cospace"))]
BITS = [
    "", "", "", " ", "\n", "\n\n", "a", "0", "{", "}", "(", ")", "[", "]", ",", ";", "=", '"', "#", "# x\n", "\\",
    "and ", "\nand ", "+ ", "\n+ ", "- ", "\n- b", "\n-b", " when ", "\nwhen x", "->", "in", "@", "\r\n", "é",
    "x = 1\n", "require x\n", "def f(x) = x\n", "}\n", " {\n", "x = {\n", "\n  ", "from", "; y = 2",
]  # fmt: skip
EDITS = int(os.environ.get("COSPACE_EDITS", "8"))


def same(now: Parsed) -> None:
    """The text read by parts is as if it were read whole."""
    by_parts, whole = Reporter(), Reporter()
    mine = now.file(by_parts)
    wanted = parse(now.text, "spec", whole)
    assert flatten(mine) == flatten(wanted)
    assert mine.lost == wanted.lost
    assert mine.text == wanted.text
    assert by_parts.found == whole.found


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_edits_one_after_another(number: int) -> None:
    rng = random.Random(number)
    text = SEEDS[number]
    now = read(text, "spec")
    same(now)
    for _ in range(EDITS):
        if rng.random() < 0.3:
            text = SEEDS[number]
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.choice((0, 0, 1, 1, 2, 5, 40)))
        text = text[:at] + rng.choice(BITS) + text[end:]
        now = read(text, "spec", now)
        same(now)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a = 1\nb = 2\nc = 3\n", "a = 1\nb = 2 +\nc = 3\n"),
        ("a = 1\nb = 2\nc = 3\n", "a = 1\nb = (2\nc = 3\n"),
        ("a = 1\nb = {2\nc = 3\n", "a = 1\nb = {2}\nc = 3\n"),
        ("a = 1\nb = {2\nc = 3\n", "a = 1\nb = {2\nc = 3\n}\n"),
        ('a = "x"\nb = 2\n', 'a = "x\nb = 2\n'),
        ("a = 1\nb = 2\n", "a = 1\n- b = 2\n"),
        ("a = 1\n# c\nb = 2\n", "a = 1\n# c\n+ b\n"),
        ("a = 1\n\nb = 2\n", "a = 1\n+ b\n"),
        ("def f(x) {\n y = x\n}\nz = 1\n", "def f(x) {\n y = x\n\nz = 1\n"),
        ("a = 1; b = 2; c = 3", "a = 1 b = 2; c = 3"),
        ("a = 1", ""),
        ("", "a = 1"),
        ("x = 1\n" * 3, "x = 1\n" * 2),
        ("a = 1\r\nb = 2\r\n", "a = 1\r\n\r\nb = 2\r\n"),
        ("a\nwhenever = 1\n", "a\nwhen ever = 1\n"),
        ("= =\n" * 60, "= =\n" * 40),
        ("= =\n" * 40, "= =\n" * 60),
    ],
)
def test_changes_that_split_a_text_anew(old: str, new: str) -> None:
    same(read(new, "spec", read(old, "spec")))
    same(read(old, "spec", read(new, "spec")))


def test_only_what_changed_is_read() -> None:
    text = "".join(f"a{i} = {i}\n" for i in range(100))
    before = read(text, "spec")
    after = read(text.replace("a50 = 50", "a50 = 5"), "spec", before)
    old = {id(s) for s in before.stretches}
    fresh = [s for s in after.stretches if id(s.origin) not in old]
    assert [s.statements[0].targets[0].id for s in fresh] == ["a49", "a50"]  # type: ignore[union-attr]


def test_another_file_is_read_whole() -> None:
    before = read("a = 1\n", "one")
    assert read("a = 1\n", "other", before).file(Reporter()).path == "other"
