"""Changes of a text that the editor is offered: formatting, and the repairs that diagnostics carry."""

from __future__ import annotations

from cospace.dsl.diagnostics import Diagnostic, SpecError
from cospace.dsl.format import FormatError, format_text
from cospace.lsp.analysis import Analysis
from cospace.lsp.documents import Document
from cospace.lsp.messages import Spots, message
from lsprotocol import types


def formatting(document: Document, lines: range | None = None) -> list[types.TextEdit] | None:
    """What the formatter would change, as at most one edit; None for a text that can't be formatted.

    lines: only these, counted from 1.
    """
    try:
        after = format_text(document.text, lines, document.shown)
    except (SpecError, FormatError, RecursionError):
        return None
    return [difference(document, after)] if after != document.text else []


def difference(document: Document, after: str) -> types.TextEdit:
    """The edit of the least stretch of text that gives `after`."""
    before = document.text
    start = _alike(before, after)
    start -= before[:start].endswith("\r")  # `\r\n` is one sign to an editor
    most = min(len(before), len(after)) - start
    same = _alike(before[::-1][:most], after[::-1][:most])
    same -= same > 0 and before[len(before) - same] == "\n"
    places = document.places
    stretch = types.Range(places.position(start), places.position(len(before) - same))
    return types.TextEdit(stretch, after[start : len(after) - same])


def _alike(a: str, b: str) -> int:
    """How many characters two texts begin with in common."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def repairs(analysis: Analysis, proved: tuple[Diagnostic, ...], asked: types.Range) -> list[types.CodeAction]:
    """The repairs offered by what is said about the lines that are asked for; a sure one is preferred.

    proved: what was found beside the analysis.
    """
    spots = Spots(analysis)
    return [
        action
        for diagnostic in analysis.diagnostics + proved
        if diagnostic.fix is not None and diagnostic.span.file == analysis.document.shown
        if (action := _repair(diagnostic, spots, asked)) is not None
    ]


def _repair(diagnostic: Diagnostic, spots: Spots, asked: types.Range) -> types.CodeAction | None:
    fix = diagnostic.fix
    said = message(diagnostic, spots)
    document = spots.analysis.document
    if fix is None or fix.span.file != document.shown or not _meet(said.range, asked):
        return None
    target = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    edit = types.TextDocumentEdit(target, [types.TextEdit(spots.range(fix.span), fix.replacement)])
    return types.CodeAction(
        fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[said],
        is_preferred=fix.sure,
        edit=types.WorkspaceEdit(document_changes=[edit]),
    )


def _meet(a: types.Range, b: types.Range) -> bool:
    return a.start.line <= b.end.line and b.start.line <= a.end.line
