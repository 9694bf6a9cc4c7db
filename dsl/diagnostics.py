"""What a user is told: spans, diagnostics with codes, and the collector that lets errors accumulate.

Rendering lives in `cli/`; this module only holds the facts.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, mutable
from cospace.dsl.suggest import Meant

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
class Fix:
    """A repair that a program can make: put `replacement` where `span` is. `title` says so in a few words.

    sure: what the author most likely wants; else one way out of several, which is for a person to choose.
    """

    span: Span
    replacement: str
    title: str
    sure: bool = True


@frozen
class WayOut:
    """A help with the repair that makes it, where there is one."""

    said: str
    fix: Fix | None = None


Help = str | Meant | WayOut


@frozen
class Diagnostic:
    """One message: a code that `cospace explain` knows, a place, a reason and a way out."""

    code: str
    severity: Severity
    message: str
    span: Span
    labels: tuple[Label, ...] = ()
    help: str | None = None
    fix: Fix | None = None


class SpecError(Exception):
    """A spec has errors. Carries every diagnostic found so far, warnings included."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics if d.severity == "error"))
        self.diagnostics = diagnostics


def respell(meant: Meant, span: Span, text: str) -> Fix | None:
    """The repair that puts the nearest word in place of the one written in `span`; `text` is the whole file."""
    at = meant.within(text[span.start : span.end])
    if at is None:
        return None
    place = Span(span.file, span.start + at[0], span.start + at[1])
    return Fix(place, meant.near, f"replace `{meant.word}` by `{meant.near}`", meant.sure)


@mutable
class Reporter:
    """Collects diagnostics over all passes; the first error doesn't end the run.

    Equal messages at the same place are kept once, and errors of one code: a loop's body is elaborated more than once.
    """

    found: list[Diagnostic] = field(factory=list)
    texts: dict[str, str] = field(factory=dict)
    """Path shown -> text of each file read so far: where a repair of a misspelt word is to be made."""
    owner: object = None
    """What is being looked at: a statement of a file while it is elaborated. Kept for those who ask."""
    _seen: set[tuple[str, Span, str | None]] = field(factory=set)

    def report(self, diagnostic: Diagnostic) -> None:
        once = diagnostic.severity == "error" and diagnostic.span.end > diagnostic.span.start
        key = (diagnostic.code, diagnostic.span, None if once else diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            self.found.append(diagnostic)

    def error(
        self, code: str, span: Span, message: str, help: Help | None = None, labels: tuple[Label, ...] = ()
    ) -> None:
        self._tell(code, "error", span, message, help, labels)

    def warn(
        self, code: str, span: Span, message: str, help: Help | None = None, labels: tuple[Label, ...] = ()
    ) -> None:
        self._tell(code, "warning", span, message, help, labels)

    def _tell(
        self, code: str, severity: Severity, span: Span, message: str, help: Help | None,
        labels: tuple[Label, ...],
    ) -> None:  # fmt: skip
        fix = respell(help, span, self.texts.get(span.file, "")) if isinstance(help, Meant) else None
        said = str(help) if help is not None else None
        if isinstance(help, WayOut):
            said, fix = help.said, help.fix
        self.report(Diagnostic(code, severity, message, span, labels, said, fix))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def stop_on_errors(self) -> None:
        """Raise `SpecError` when anything found so far is an error."""
        if self.failed:
            raise SpecError(tuple(self.found))
