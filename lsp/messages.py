"""Diagnostics as an editor shows them, each at its own file."""

from __future__ import annotations

from pathlib import Path

from cospace.compiler.driver import STANDARD
from cospace.dsl.diagnostics import Diagnostic, Span
from cospace.lsp.analysis import Analysis
from cospace.lsp.documents import uri_of
from cospace.lsp.positions import Places
from lsprotocol import types

_SEVERITY = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}


class Spots:
    """Where the spans of one analysis are, as an editor names places."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.sources = analysis.compiled.sources
        self.known: dict[str, Places] = {analysis.document.shown: analysis.document.places}

    def uri(self, shown: str) -> str | None:
        """The URI of a file by the name it is shown under."""
        document = self.analysis.document
        if shown == document.shown:
            return document.uri
        place = self.analysis.place(shown)
        if place is None and shown.startswith("std/"):
            place = STANDARD / Path(shown).relative_to("std")
        return uri_of(place) if place is not None else None

    def range(self, span: Span) -> types.Range:
        if span.file not in self.known:
            text = self.sources.get(span.file, "")
            self.known[span.file] = Places(text, self.analysis.document.encoding)
        return self.known[span.file].range(span)

    def location(self, span: Span) -> types.Location | None:
        uri = self.uri(span.file)
        return None if uri is None else types.Location(uri, self.range(span))


def messages(analysis: Analysis, found: tuple[Diagnostic, ...]) -> dict[str, list[types.Diagnostic]]:
    """URI -> what is said there; the document itself is always among them, to clear what was said before."""
    spots = Spots(analysis)
    said: dict[str, list[types.Diagnostic]] = {analysis.document.uri: []}
    for diagnostic in found:
        uri = spots.uri(diagnostic.span.file) or analysis.document.uri
        said.setdefault(uri, []).append(message(diagnostic, spots))
    return said


def message(diagnostic: Diagnostic, spots: Spots) -> types.Diagnostic:
    """One diagnostic; its way out stands below its reason."""
    text = diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else "")
    related = [
        types.DiagnosticRelatedInformation(place, label.text)
        for label in diagnostic.labels
        if (place := spots.location(label.span)) is not None
    ]
    return types.Diagnostic(
        spots.range(diagnostic.span),
        text,
        severity=_SEVERITY[diagnostic.severity],
        code=diagnostic.code,
        source="cospace",
        related_information=related or None,
    )
