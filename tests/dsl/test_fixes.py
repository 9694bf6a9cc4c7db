"""A message's machine-applicable repair, put where it says, makes that message go away."""

from __future__ import annotations

import pytest
from cospace.compiler.driver import compile_text
from cospace.dsl.diagnostics import Span, respell
from cospace.dsl.suggest import Meant

REPAIRED = {
    "a misspelt name": ("rows = choose {1, 2}\nrequire rws <= 1\n", "rows = choose {1, 2}\nrequire rows <= 1\n"),
    "a misspelt unit": ("buffer = choose {1, 2} KiBb\n", "buffer = choose {1, 2} KiB\n"),
    "a misspelt field": (
        "import std.tasks\nnodes = node_classification(\"cora\")\nrequire nodes.clases <= 9\n",
        "import std.tasks\nnodes = node_classification(\"cora\")\nrequire nodes.classes <= 9\n",
    ),
    "a misspelt module": ("import std.taks\nrows = choose {1, 2}\n", "import std.tasks\nrows = choose {1, 2}\n"),
    "a misspelt symbol": (
        "act = choose {relu, gelu}\nrequire act == rellu\n",
        "act = choose {relu, gelu}\nrequire act == relu\n",
    ),
    "a misspelt argument": (
        "def area(width) = width * 2\nrows = choose {1, 2}\nrequire area(widht = rows) <= 4\n",
        "def area(width) = width * 2\nrows = choose {1, 2}\nrequire area(width = rows) <= 4\n",
    ),
    "a misspelt keyword": ("rows = choose {1, 2}\nrequir rows <= 1\n", "rows = choose {1, 2}\nrequire rows <= 1\n"),
    "one equals sign": ("rows = choose {1, 2}\nrequire rows = 1\n", "rows = choose {1, 2}\nrequire rows == 1\n"),
    "another language's and": (
        "a = choose {1, 2}\nrequire a<=1&&a>=1\n", "a = choose {1, 2}\nrequire a<=1 and a>=1\n",
    ),
    "a pasted sign": ("a = choose {1, 2}\nrequire a ≤ 1\n", "a = choose {1, 2}\nrequire a <= 1\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPAIRED)
def test_the_repair_gives_the_text_meant(name: str) -> None:
    written, wanted = (f'space s "t"\n{body}' for body in REPAIRED[name])
    found = [d for d in compile_text(written).diagnostics if d.severity == "error"]
    assert found, "the text has to be wrong"
    fix = found[0].fix
    assert fix is not None
    assert written[: fix.span.start] + fix.replacement + written[fix.span.end :] == wanted
    assert not [d for d in compile_text(wanted).diagnostics if d.severity == "error"]


def test_a_word_that_stands_twice_is_not_guessed_at() -> None:
    text = "require bufer < bufer"
    assert respell(Meant("bufer", "buffer"), Span("f", 0, len(text)), text) is None


def test_only_whole_words_are_replaced() -> None:
    text = "x = bufers + bufer"
    fix = respell(Meant("bufer", "buffer"), Span("f", 0, len(text)), text)
    assert fix is not None and fix.span == Span("f", 13, 18)
