"""The formatter: what it writes, what it leaves, and that every text we have keeps its tree and comments."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from attrs import evolve
from cospace.dsl.diagnostics import Reporter, SpecError
from cospace.dsl.flat import flatten
from cospace.dsl.format import format_text
from cospace.dsl.format_breaks import WIDTH
from cospace.dsl.parse import parse

ROOT = Path(__file__).parents[2]
DRAFTS = ROOT.parent / "shared" / "design" / "drafts"
SHIPPED = sorted([*(ROOT / "specs").rglob("*.cospace"), ROOT / "cli" / "template.cospace"])
TEXTS = [*SHIPPED, *sorted(DRAFTS.rglob("*.cospace"))]


def meaning(text: str) -> tuple[Any, list[str]]:
    """The tree without positions, and the comments in order."""
    reporter = Reporter()
    file = parse(text, "text", reporter)
    assert not reporter.failed, (text, reporter.found)
    classes, rows, statements, _ = flatten(evolve(file, comments=()))
    member = classes.index("Member")
    nodes = [[row[0], *(row[3:5] if row[0] == member else row[3:])] for row in rows]
    return (nodes, statements), list({c.span.start: c.text for c in file.comments}.values())


def formatted(text: str) -> str:
    """The text as formatted, after the promises that hold for any were held to."""
    after = format_text(text)
    assert meaning(after) == meaning(text)
    assert format_text(after) == after
    return after


def as_written(text: str) -> str:
    return dedent(text).lstrip("\n")


def test_drafts_are_there() -> None:
    if not DRAFTS.exists():
        pytest.skip(f"NOT TESTED: the drafts at {DRAFTS} are not here")
    assert len(list(DRAFTS.rglob("*.cospace"))) >= 20


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_text_keeps_its_tree_and_comments(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    after = formatted(text)
    assert after.count("#") == text.count("#")
    assert after.replace(" ", "").replace("\n", "").replace(";", "") == "".join(text.split()).replace(";", "")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_specs_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text, "cospace fmt specs cli"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_no_code_is_too_long(path: Path) -> None:
    """Shipped texts break well: only documentation and comments may go on after the limit."""
    for line in format_text(path.read_text(encoding="utf-8")).splitlines():
        code = line.partition("#")[0]
        assert len(code.partition(' "')[0]) <= WIDTH, line


CASES = {
    "blanks around operators": ("x=a+b*c-d/e^2==1 and not(c)", "x = a + b * c - d / e ^ 2 == 1 and not (c)"),
    "a minus before a value": ("x = - a - - b*( - c)", "x = -a - -b * (-c)"),
    "calls, items and members": ("x = f ( a,b ) [ 1 ] . c", "x = f(a, b)[1].c"),
    "ranges are one word": ("x = choose 4 .. 64 step 4", "x = choose 4..64 step 4"),
    "units stand apart": ("x = 64KiB + 5%", "x = 64 KiB + 5 %"),
    "a fraction of whole numbers": ("x = 1 / 2 + a * 3/4", "x = 1/2 + a * 3 / 4"),
    "a fraction with a unit is a quotient": ("x = 1/2 bit", "x = 1 / 2 bit"),
    "sets": ("x = choose { 1,2 }bit", "x = choose {1, 2} bit"),
    "alternatives with names": ("x = choose c {a=1,b=2}", "x = choose c { a = 1, b = 2 }"),
    "a record is a set": ("x = { a=1,b=2 }[op]", "x = {a = 1, b = 2}[op]"),
    "short statements on one line": ("a=1;b=2 ;", "a = 1; b = 2"),
    "a block on one line": ("on add(c){cycles=1;energy=0 pJ}", "on add(c) { cycles = 1; energy = 0 pJ }"),
    "an empty block": ("work w(n: int) {\n}", "work w(n: int) {}"),
    "types": ("def f(x:tensor[ a,b ])->int=1", "def f(x: tensor[a, b]) -> int = 1"),
    "a comment after code": ("x = 1# why", "x = 1  # why"),
    "a comment is left as it is": ("#no blank\n#\tx", "#no blank\n#\tx"),
    "documentation": ('require a<=b"why"', 'require a <= b "why"'),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line(name: str) -> None:
    before, after = CASES[name]
    assert formatted(before) == after + "\n"


LINES = {
    "blocks are four in": """
        part a {
        if_ = 1
              part b { c = 2
            d = 3 } # end
        }
        ---
        part a {
            if_ = 1
            part b {
                c = 2
                d = 3
            }  # end
        }
        """,
    "one blank line at most, none at the ends of a block": """


        a = 1



        part b {

            c = 2

        }
        ---
        a = 1

        part b {
            c = 2
        }
        """,
    "inside brackets": """
        x = f(a,
         b,
          g(
           c),
        )
        y = [
        1,
          ]
        ---
        x = f(a,
              b,
              g(
                  c),
        )
        y = [
            1,
        ]
        """,
    "operators under the sign, branches under their if": """
        total = a
        + b *
        c
        e = if a
          then b
           + c
          else if d then e
          else f
        ---
        total = a
              + b *
                c
        e = if a
            then b
                 + c
            else if d then e
            else f
        """,
    "an operator never stands alone": """
        x = (a
          +
          b)
        ---
        x = (a
             + b)
        """,
    "a comma ends its line": """
        x = f(a
           , b
           , c)
        ---
        x = f(a,
              b,
              c)
        """,
    "aligned signs are aligned anew": """
        a      = 1
        bcd    = 2
        require x
        ef     = 3
        by_itself = 4

        g   = 5
        ---
        a   = 1
        bcd = 2
        require x
        ef  = 3
        by_itself = 4

        g = 5
        """,
    "what is not aligned stays so": """
        a = 1
        bcd = 2
        ---
        a = 1
        bcd = 2
        """,
    "an engine's `by` lines up with a stage's fields": """
        search {
            epochs   = 2
            net      by gumbel()
        }
        ---
        search {
            epochs = 2
            net    by gumbel()
        }
        """,
    "rows of a list": """
        x = [
            ["a",  1, 20],
            ["bcd",   300, 4],
        ]
        ---
        x = [
            ["a",     1, 20],
            ["bcd", 300,  4],
        ]
        """,
    "notes in one column keep it": """
        a = 1          # one
        bcd = 2        # two
                       # goes on
        e = 3     # its own

        f = 4          "three"
        ---
        a = 1          # one
        bcd = 2        # two
                       # goes on
        e = 3  # its own

        f = 4          "three"
        """,
    "notes go right together": """
        a=1   # one
        bcde=2# two
        f=3   # three
        gh=4  # four
        ---
        a = 1     # one
        bcde = 2  # two
        f = 3     # three
        gh = 4    # four
        """,
    "tabs": """
        part a {
        \tb = 1\t\t# one
        \tcd = 2\t\t# two
        }
        ---
        part a {
            b = 1       # one
            cd = 2      # two
        }
        """,
}


@pytest.mark.parametrize("name", LINES)
def test_lines(name: str) -> None:
    before, after = dedent(LINES[name]).split("---\n")
    assert formatted(before[1:]) == after


WIDE = ", ".join(f"argument_{i} = value_{i}" for i in range(8))


def test_long_lines_break_at_commas() -> None:
    lines = formatted(f"x = call({WIDE})").splitlines()
    assert len(lines) == 2 and all(len(line) <= WIDTH for line in lines)
    assert lines[0].endswith(",") and lines[1].startswith(" " * len("x = call(") + "argument")


def test_long_lines_break_at_the_loosest_operator() -> None:
    product = " * ".join(f"long_name_{i}" for i in range(6))
    assert formatted(f"x = {product} + {product}") == f"x = {product}\n  + {product}\n"


def test_long_lines_break_before_branches() -> None:
    name = "n" * 50
    assert formatted(f"x = if {name} then {name} else {name}") == (f"x = if {name}\n    then {name}\n    else {name}\n")


def test_a_long_header_breaks_before_its_arrow() -> None:
    doc = f'"{"d" * 70}"'
    head = "def f(x: tensor[v, f], out: int, more: int)"
    text = f'{head} -> tensor[v, out] {doc} from "a.b"'
    assert formatted(text) == f'{head}\n    -> tensor[v, out] {doc} from "a.b"\n'


def test_long_joined_statements_are_taken_apart() -> None:
    text = "part a { " + "; ".join(f"name_{i} = value_{i}" for i in range(8)) + " }"
    assert formatted(text) == "part a {\n" + "".join(f"    name_{i} = value_{i}\n" for i in range(8)) + "}\n"


def test_what_cannot_be_broken_is_left() -> None:
    for text in (f"x = {'n' * 150}\n", f'require a <= b "{"d" * 150}"\n', f"x = a  # {'c' * 150}\n"):
        assert formatted(text) == text


def test_syntax_errors_are_refused_with_all_diagnostics() -> None:
    with pytest.raises(SpecError) as raised:
        format_text("x = (1\ny = = 2\n", path="bad.cospace")
    assert raised.value.diagnostics and all(d.span.file == "bad.cospace" for d in raised.value.diagnostics)


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "x = 1"])
def test_small_texts(text: str) -> None:
    assert formatted(text) == text.strip() + "\n" * bool(text.strip())


def test_line_ends_and_mark_stay() -> None:
    assert format_text("\ufeffx=1\r\n\r\n\r\ny=2# c\r\n") == "\ufeffx = 1\r\n\r\ny = 2  # c\r\n"
    assert format_text("x=1\r\ny=2\n") == "x = 1\r\ny = 2\r\n"
