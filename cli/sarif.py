"""Diagnostics as SARIF 2.1.0, which code hosts show beside the lines of a change.

Rules are the pages of the codes that occur; columns count characters; a diagnostic without a place has no location.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cospace.dsl.codes import codes, explain
from cospace.dsl.diagnostics import Diagnostic, Fix, Span
from cospace.dsl.source import Lines

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> dict[str, Any]:
    """One run of the checker as a SARIF log."""
    from cospace import __version__

    found = list(diagnostics)
    used = sorted({d.code for d in found})
    lines = {path: Lines(text) for path, text in sources.items()}
    driver = {"name": "cospace", "version": __version__, "rules": [_rule(code) for code in used]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, used.index(d.code), lines) for d in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    page = explain(code)
    help_ = {"text": f"cospace explain {code}", "markdown": page}
    return {"id": code, "shortDescription": {"text": codes()[code] or code}, "help": help_}


def _result(d: Diagnostic, rule: int, lines: Mapping[str, Lines]) -> dict[str, Any]:
    said = d.message if d.help is None else f"{d.message}\nhelp: {d.help}"
    result: dict[str, Any] = {"ruleId": d.code, "ruleIndex": rule, "level": d.severity, "message": {"text": said}}
    if d.span.file:
        result["locations"] = [_location(d.span, lines)]
    related = [
        _location(label.span, lines) | {"message": {"text": label.text}} for label in d.labels if label.span.file
    ]
    if related:
        result["relatedLocations"] = related
    if d.fix is not None:
        result["fixes"] = [_fix(d.fix, lines)]
    return result


def _location(span: Span, lines: Mapping[str, Lines]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(span.file)}
    if span.file in lines:
        place["region"] = _region(span, lines[span.file])
    return {"physicalLocation": place}


def _artifact(file: str) -> dict[str, str]:
    """A path as a URI: relative ones stay relative, so that a code host finds them in the repository."""
    path = Path(file)
    return {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}


def _region(span: Span, lines: Lines) -> dict[str, int]:
    """Lines and columns from 1, the end behind the last character."""
    line, column = lines.locate(span.start)
    end_line, end_column = lines.locate(max(span.start, span.end))
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _fix(fix: Fix, lines: Mapping[str, Lines]) -> dict[str, Any]:
    replacement = {
        "deletedRegion": _region(fix.span, lines[fix.span.file]),
        "insertedContent": {"text": fix.replacement},
    }
    change = {"artifactLocation": _artifact(fix.span.file), "replacements": [replacement]}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}
