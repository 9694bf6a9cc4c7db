"""The formatter: one way of writing a text, with its comments, its line ends and what the author aligned.

Owns the promise: the syntax tree and the comments stay as they are, and formatting twice is formatting once. How it
is kept: the result is parsed and compared, and formatted again until nothing changes.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from cospace.dsl.diagnostics import Reporter, SpecError
from cospace.dsl.flat import flatten
from cospace.dsl.format_breaks import break_long_lines
from cospace.dsl.format_items import COMMENT, Item, Items, read_items
from cospace.dsl.format_layout import Layout
from cospace.dsl.format_spacing import line_breaks

_ROUNDS = 8
_MOST_BREAKS = 100
_BOM = "\ufeff"


class FormatError(Exception):
    """The formatter would have changed what a text means: a bug in it, and nothing is to be written."""


def format_text(text: str, lines: range | None = None, path: str = "text") -> str:
    """The text as the formatter writes it.

    lines: only these, counted from 1; the others stay as they are, to the letter. path: as shown in messages.
    Line ends stay what the first one is (`\\n` or `\\r\\n`), and so does a byte-order mark.
    Raises SpecError with all diagnostics where the text has syntax errors, FormatError for a bug.
    """
    mark = _BOM if text.startswith(_BOM) else ""
    body = text[len(mark) :]
    first = body.find("\n")
    end = "\r\n" if first > 0 and body[first - 1] == "\r" else "\n"
    before = _read(body.replace("\r\n", "\n"), path)
    after = _formatted(before, path)
    if lines is not None:
        return mark + _only(body, before, after, lines, end, path)
    return mark + after.file.text.replace("\n", end)


def _formatted(before: Items, path: str) -> Items:
    read = before
    for _ in range(_ROUNDS):
        text = _pass(read)
        if text == read.file.text:
            break
        read = _read_again(text, before, path)
    return read


def _pass(read: Items) -> str:
    breaks = line_breaks(read)
    layout = Layout(read, breaks)
    for _ in range(_MOST_BREAKS):
        if not break_long_lines(layout):
            break
        layout = Layout(read, breaks)
    return layout.text()


def _read(text: str, path: str) -> Items:
    reporter = Reporter()
    read = read_items(text, path, reporter)
    if read is None:
        raise SpecError(tuple(reporter.found))
    return read


def _read_again(text: str, before: Items, path: str) -> Items:
    reporter = Reporter()
    read = read_items(text, path, reporter)
    if read is None:
        raise FormatError(f"the result is no text of the language: {reporter.found[0].message}")
    if _meaning(read) != _meaning(before):
        raise FormatError("the result has another syntax tree, or other comments")
    return read


def _meaning(read: Items) -> tuple[list[Any], list[str]]:
    """The tree as flat rows without positions, and the comments."""
    classes, rows, statements, _ = flatten(evolve(read.file, comments=()))
    member = classes.index("Member")
    nodes: list[Any] = [[row[0], *(row[3:5] if row[0] == member else row[3:])] for row in rows]
    return [*nodes, statements], [item.text for item in read.items if item.kind == COMMENT]


def _only(body: str, before: Items, after: Items, lines: range, end: str, path: str) -> str:
    """The text with the wanted lines as formatted.

    Both texts have the same words in the same order. From where a line begins with the same one in both to the next
    such place either can stand, where all of its lines are wanted; so can the blank lines at its end.
    """
    old, new = _lines(body), _lines(after.file.text)
    pairs = list(zip(_words(before), _words(after), strict=True))
    starts = [(o.line, n.line) for i, (o, n) in enumerate(pairs) if i == 0 or (o.newlines and n.newlines)]
    out: list[str] = []
    done_old = done_new = 0
    for old_start, new_start in [*starts, (len(old), len(new))]:
        code_old, code_new = _code_end(old, done_old, old_start), _code_end(new, done_new, new_start)
        for was, now in (
            (range(done_old, code_old), range(done_new, code_new)),
            (range(code_old, old_start), range(code_new, new_start)),
        ):
            wanted = all(number + 1 in lines for number in was)
            out += [new[n].removesuffix("\n") + end for n in now] if wanted else [old[n] for n in was]
        done_old, done_new = old_start, new_start
    text = "".join(out)
    _read_again(text.replace("\r\n", "\n"), before, path)
    return text


def _words(read: Items) -> list[Item]:
    return [item for item in read.items if item.kind != "SEMICOLON"]


def _lines(text: str) -> list[str]:
    """The lines with their ends; only `\\n` ends one."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _code_end(lines: list[str], start: int, end: int) -> int:
    """Where the blank lines begin that end a piece."""
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end
