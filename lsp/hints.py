"""Inlay hints: beside the space how many designs there are, behind each decision how many of its values are live."""

from __future__ import annotations

from collections.abc import Iterator

from cospace.compiler.space.model import Decision
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.lsp.analysis import Analysis
from cospace.lsp.counts import Counts, hint_words, space_words
from lsprotocol import types


def hints(analysis: Analysis, counts: Counts, asked: types.Range) -> list[types.InlayHint]:
    """What is known of the lines that are asked for."""
    places = analysis.document.places
    found = [h for h in _hints(analysis, counts) if asked.start.line <= places.position(h[0]).line <= asked.end.line]
    return [
        types.InlayHint(
            places.position(at),
            label,
            padding_left=True,
            tooltip=types.MarkupContent(types.MarkupKind.Markdown, tip) if tip else None,
        )
        for at, label, tip in found
    ]


def _hints(analysis: Analysis, counts: Counts) -> Iterator[tuple[int, str, str]]:
    """(offset, label, tooltip) of every hint of the document."""
    root, space = analysis.compiled.loaded.root, analysis.compiled.space
    named = next((s for s in root.statements if isinstance(s, tree.SpaceName)), None)
    tip = f"{counts.space.method}" + (f"; not exact: {counts.space.limit}" if counts.space.limit else "")
    yield _end(named.span, root.text) if named else 0, space_words(counts.space), tip + _why(counts)
    for span, decisions in by_place(space.decisions if space else (), root.path).items():
        said = hint_words(decisions, counts)
        if said is not None:
            yield _end(span, root.text), *said


def by_place(decisions: tuple[Decision, ...], file: str) -> dict[Span, list[Decision]]:
    """The decisions of a file by where they are written; copies of one stand together."""
    found: dict[Span, list[Decision]] = {}
    for d in decisions:
        if d.span.file == file:
            found.setdefault(d.span, []).append(d)
    return found


def _end(span: Span, text: str) -> int:
    """Where a span ends, or its first line where it has several."""
    line = text.find("\n", span.start, span.end)
    return span.start + len(text[span.start : line].rstrip()) if line >= 0 else span.end


def _why(counts: Counts) -> str:
    if counts.why is not None:
        return f"; how many designs keep each value: {counts.why}"
    return "; values are being counted …" if counts.open and not counts.values else ""
