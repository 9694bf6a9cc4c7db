"""How diagnostics look: in a terminal as the best compilers show them, plain elsewhere, and as JSON for programs.

Owns layout only; what is said comes from the diagnostic. Columns are display cells: tabs and wide characters line up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from cospace.dsl.diagnostics import Diagnostic, Fix, Span
from cospace.dsl.source import Lines
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

TAB = 4
WIDEST_PLAIN = 160
_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
_FRAME = "blue"


@frozen
class _Mark:
    """An underline on one line: characters `start` to `end` (from 0), and what is said beside it."""

    line: int
    start: int
    end: int
    primary: bool
    text: str = ""


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], console: Console) -> None:
    """Print diagnostics, a blank line after each.

    sources: path shown -> text; a diagnostic whose file is not among them is printed without source lines.
    """
    lines = _LinesOf(sources)
    width = console.width if console.is_terminal else WIDEST_PLAIN
    for diagnostic in diagnostics:
        for text in _layout(diagnostic, lines, width):
            console.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
        console.print()


def render_plain(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> str:
    """The same as text without colours, for files and tests."""
    lines = _LinesOf(sources)
    blocks = ["\n".join(t.plain.rstrip() for t in _layout(d, lines, WIDEST_PLAIN)) for d in diagnostics]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; empty when there is nothing."""
    found = list(diagnostics)
    counts = [(kind, sum(d.severity == kind for d in found)) for kind in ("error", "warning")]
    return ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts if n)


def to_json(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """Diagnostics for programs: lines and columns from 1, the end behind the last character.

    Positions are null where a diagnostic has no place, or its file's text is not among the sources.
    """
    lines = _LinesOf(sources)
    return [
        {
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "help": d.help,
            **_place(d.span, lines),
            "labels": [{"message": label.text, **_place(label.span, lines)} for label in d.labels],
            "fix": _fix(d.fix, lines),
        }
        for d in diagnostics
    ]


def _fix(fix: Fix | None, lines: Mapping[str, Lines]) -> dict[str, Any] | None:
    """A repair for programs: what to write where, and whether it is what the author most likely wants."""
    if fix is None:
        return None
    return {"title": fix.title, "replacement": fix.replacement, "sure": fix.sure, **_place(fix.span, lines)}


def _place(span: Span, lines: Mapping[str, Lines]) -> dict[str, Any]:
    if span.file not in lines:
        nowhere = dict.fromkeys(("line", "column", "end_line", "end_column"))
        return {"file": span.file or None, **nowhere}
    line, column = lines[span.file].locate(span.start)
    end_line, end_column = lines[span.file].locate(max(span.start, span.end))
    return {"file": span.file, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


class _LinesOf(Mapping[str, Lines]):
    """Lines of each source, split when first asked for."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources
        self.split: dict[str, Lines] = {}

    def __getitem__(self, path: str) -> Lines:
        if path not in self.split:
            self.split[path] = Lines(self.sources[path])
        return self.split[path]

    def __iter__(self) -> Any:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)


# ---- layout


def _layout(d: Diagnostic, lines: Mapping[str, Lines], width: int) -> list[Text]:
    style = _STYLES[d.severity]
    head = Text()
    head.append(f"{d.severity}[{d.code}]" if d.code else d.severity, style)
    head.append(": " + _clean(d.message), "bold")
    out = [head]
    files: dict[str, list[_Mark]] = {}
    for span, text, primary in [(d.span, "", True), *((label.span, label.text, False) for label in d.labels)]:
        if span.file:
            marks = files.setdefault(span.file, [])
            if span.file in lines:
                marks.extend(_marks(span, lines[span.file], text, primary))
    gutter = max([len(str(m.line)) for marks in files.values() for m in marks], default=1)
    for index, (path, marks) in enumerate(files.items()):
        first = next((m for m in marks if m.primary), marks[0] if marks else None)
        place = f":{first.line}:{first.start + 1}" if first is not None else ""
        out.append(
            Text(" " * gutter + ("--> " if index == 0 else "::: "), _FRAME).append(_clean(path) + place, "default")
        )
        if marks and lines[path].text:
            out += _snippet(marks, lines[path], gutter, style, width)
    if d.help:
        first_line, *more = d.help.splitlines() or [""]
        note = Text(" " * gutter + " = ", _FRAME)
        note.append("help: ", "bold").append(_clean(first_line), "default")
        out.append(note)
        out += [Text(" " * (gutter + 9) + _clean(line)) for line in more]
    return out


def _marks(span: Span, lines: Lines, text: str, primary: bool) -> list[_Mark]:
    """One underline for a span on one line; its first and last line for a longer one."""
    first, column = lines.locate(span.start)
    last, end_column = lines.locate(max(span.start, span.end))
    if last > first and end_column == 1:
        last -= 1
        end_column = len(lines.line(last)) + 1
    if first == last:
        return [_Mark(first, column - 1, max(end_column - 1, column), primary, text)]
    opening, closing = lines.line(first), lines.line(last)
    indent = len(closing) - len(closing.lstrip())
    return [
        _Mark(first, column - 1, max(len(opening), column), primary),
        _Mark(last, min(indent, end_column - 2), end_column - 1, primary, text),
    ]


def _snippet(marks: list[_Mark], lines: Lines, gutter: int, style: str, width: int) -> list[Text]:
    bar = " " * gutter + " |"
    out = [Text(bar, _FRAME)]
    before: int | None = None
    for number in sorted({m.line for m in marks}):
        if before is not None and number > before + 1:
            between = [lines.line(before + 1)] if number == before + 2 else []
            out.append(
                _source(before + 1, between[0], 0, gutter, width) if between else Text("." * (gutter + 2), _FRAME)
            )
        here = sorted((m for m in marks if m.line == number), key=lambda m: (not m.primary, -m.start))
        written = lines.line(number)
        shift = _shift(written, here, width - gutter - 3)
        out.append(_source(number, written, shift, gutter, width))
        for mark in here:
            start = cell_len(_expand(written[: mark.start])) - shift
            cells = cell_len(_expand(written[: mark.end])) - shift - start
            cells += max(0, mark.end - max(mark.start, len(written)))
            cells = max(1, min(cells, width - gutter - 3 - start))
            line = Text(bar + " ", _FRAME)
            line.append(" " * max(0, start))
            line.append(("^" if mark.primary else "-") * cells, style if mark.primary else _FRAME)
            if mark.text:
                line.append(" " + _clean(mark.text), _FRAME)
            out.append(line)
        before = number
    out.append(Text(bar, _FRAME))
    return out


def _source(number: int, written: str, shift: int, gutter: int, width: int) -> Text:
    line = Text(f"{number:>{gutter}} | ", _FRAME)
    return line.append(_crop(_expand(written), shift, width - gutter - 3), "default")


def _shift(written: str, marks: list[_Mark], room: int) -> int:
    """How many cells of a long line to leave out on the left, so that its first mark shows."""
    if cell_len(_expand(written)) <= room:
        return 0
    start = min(cell_len(_expand(written[: m.start])) for m in marks)
    return max(0, start - room // 3)


def _crop(text: str, shift: int, room: int) -> str:
    if shift == 0 and cell_len(text) <= room:
        return text
    out: list[str] = []
    at = 0
    for letter in text:
        cells = cell_len(letter)
        if at >= shift and at + cells <= shift + room:
            out.append(letter)
        elif at < shift < at + cells:
            out.append(" ")
        at += cells
    return "".join(out)


def _expand(text: str) -> str:
    """Tabs as blanks up to the next stop, and nothing that a terminal would act on."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    at = 0
    for letter in text:
        shown = " " * (TAB - at % TAB) if letter == "\t" else letter if letter.isprintable() else "�"
        out.append(shown)
        at += cell_len(shown)
    return "".join(out)


def _clean(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text.replace("\n", " "))
