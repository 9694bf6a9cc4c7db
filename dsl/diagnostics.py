"""What a user is told: spans, diagnostics with codes, and the collector that lets errors accumulate.

Rendering lives in `cli/`; this module only holds the facts.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, mutable

Severity = Literal["error", "warning", "note"]


@frozen
class Span:
    """A half-open range of characters of one file. `file` is the path as shown to the user."""

    file: str
    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span("", 0, 0)


@frozen
class Label:
    """A second place that a diagnostic points at, with what is to be seen there."""

    span: Span
    text: str


@frozen
class Diagnostic:
    """One message: a code that `cospace explain` knows, a place, a reason and a way out."""

    code: str
    severity: Severity
    message: str
    span: Span
    labels: tuple[Label, ...] = ()
    help: str | None = None


class SpecError(Exception):
    """A spec has errors. Carries every diagnostic found so far, warnings included."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics if d.severity == "error"))
        self.diagnostics = diagnostics


@mutable
class Reporter:
    """Collects diagnostics over all passes; the first error doesn't end the run.

    Equal messages at the same place are kept once (a loop's body is elaborated more than once).
    """

    found: list[Diagnostic] = field(factory=list)
    _seen: set[tuple[str, Span, str]] = field(factory=set)

    def report(self, diagnostic: Diagnostic) -> None:
        key = (diagnostic.code, diagnostic.span, diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            self.found.append(diagnostic)

    def error(
        self, code: str, span: Span, message: str, help: str | None = None, labels: tuple[Label, ...] = ()
    ) -> None:
        self.report(Diagnostic(code, "error", message, span, labels, help))

    def warn(
        self, code: str, span: Span, message: str, help: str | None = None, labels: tuple[Label, ...] = ()
    ) -> None:
        self.report(Diagnostic(code, "warning", message, span, labels, help))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def stop_on_errors(self) -> None:
        """Raise `SpecError` when anything found so far is an error."""
        if self.failed:
            raise SpecError(tuple(self.found))
