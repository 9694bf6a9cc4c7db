"""Any text ends in bounded time with a tree and diagnostics, never with an exception."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cospace.cli.render import render_plain, to_json
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load_text
from cospace.dsl.parse import parse
from cospace.dsl.source import MAX_BYTES, decode_source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pace import at_most

ROOT = Path(__file__).parents[2]
STD = ROOT / "specs" / "std"
SEEDS = [p.read_text(encoding="utf-8") for p in sorted((ROOT / "specs").rglob("*.cospace"))]
PIECES = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ":",
    "=",
    "==",
    "<=",
    "..",
    ".",
    "+",
    "-",
    "*",
    "/",
    "^",
    "%",
    "->",
    "\n",
    '"',
    "'",
    "#",
    "\\",
    "&",
    "|",
    "!",
    "1",
    "0.5",
    "1e9",
    "1e99999",
    "x",
    "y",
    "choose",
    "random",
    "map",
    "in",
    "by",
    "per",
    "at",
    "when",
    "if",
    "then",
    "else",
    "and",
    "or",
    "not",
    "for",
    "def",
    "network",
    "accelerator",
    "part",
    "on",
    "ask",
    "require",
    "minimize",
    "import",
    "std.units",
    "as",
    "space",
    "param",
    "unit",
    "work",
    "table",
    "from",
    "step",
    "\t",
    "\r\n",
    "é",
    "漢",
    "≤",
    "\x00",
    "\x1b",
    "@",
    "$",
    "~",
    "?",
]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def check(text: str) -> None:
    reporter = Reporter()
    began = time.process_time()  # of the processor: a loaded machine is not a slow parser
    file = parse(text, "fuzz", reporter)
    assert time.process_time() - began < at_most(2)
    assert file.text == text
    for diagnostic in reporter.found:
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
            assert 0 <= span.start <= span.end <= len(text)
    render_plain(reporter.found, {"fuzz": text})
    to_json(reporter.found, {"fuzz": text})


@pytest.mark.parametrize("text", ["ask{{", "ask {\n{", "x = ask {{"])
def test_what_is_never_closed_ends_with_the_text(text: str) -> None:
    check(text)


@FUZZ
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.sampled_from(["", " "]))
def test_words_in_any_order(pieces: list[str], glue: str) -> None:
    check(glue.join(pieces))


@FUZZ
@given(st.data())
def test_mutated_specs(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SEEDS)) if SEEDS else "x = 1"
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 12)))
        text = text[:at] + data.draw(st.sampled_from(PIECES)) + text[end:]
    check(text)


@FUZZ
@given(st.text(max_size=200))
def test_any_characters(text: str) -> None:
    check(text)


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    load_text(data, "fuzz", Reporter(), STD)


HOSTILE = {
    "open brackets": "x = " + "(" * 50_000,
    "brackets": "x = " + "(" * 50_000 + "1" + ")" * 50_000,
    "blocks": "part a " + "{\n part a " * 50_000,
    "sets": "x = " + "{" * 50_000,
    "signs": "x = " + "-" * 50_000 + "1",
    "nots": "x = " + "not " * 50_000 + "1",
    "powers": "x = 2" + "^2" * 50_000,
    "else chain": "x = " + "if a then b else " * 20_000 + "1",
    "ifs": "x = " + "if " * 20_000 + "1",
    "sum": "x = 1" + " + 1" * 50_000,
    "products over lines": "x = 1" + "\n * 1" * 50_000,
    "members": "x = a" + ".b" * 50_000,
    "calls": "x = a" + "()" * 50_000,
    "comparisons": "x = 1" + " < 1" * 50_000,
    "digits": "x = " + "1" * 100_000,
    "exponent": "x = 1e" + "9" * 1_000,
    "one exponent": "x = 1e999999999",
    "comments": "# c\n" * 200_000,
    "newlines": "\n" * 1_000_000,
    "continued comments": "x = 1\n" + "# c\n" * 200_000 + "+ 2",
    "bad lines": "= =\n" * 100_000,
    "bad characters": "$" * 1_000_000,
    "quotes": '"' * 999_999,
    "open texts": 'x = "a\n' * 50_000,
    "one long line": "x = " + "a" * 1_000_000,
    "closers": ")" * 500_000,
    "commas": "x = f(" + "," * 500_000,
    "blanks": " " * 1_000_000 + "x",
    "list": "x = [" + "1, " * 50_000 + "]",
    "nested in sums": "x = " + "(1 + " * 3_000 + "1" + ")" * 3_000,
    "deep by chains": "x = " + "(" * 150 + "1" + (" + 1" * 200 + ")") * 150,
    "lists after a mistake": "x = = a" + ", a" * 300_000,
    "words after a mistake": "x = = " + "a" * 1_000_000,
    "unclosed calls": "x = f(a b\n" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    check(HOSTILE[name][: MAX_BYTES - 1])


def test_ten_megabytes() -> None:
    reporter = Reporter()
    assert decode_source(b"x = 1\n" * 1_700_000, "big", reporter) is None
    assert [d.code for d in reporter.found] == ["CS003"]
