"""Proofs and the count of a space, in a process of their own, so that typing never waits for them and can end them.

    python -m cospace.lsp.proofs     reads one job as JSON, answers in one line of JSON

Owns both ends: the job that the server sends, and what is made of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from attrs import frozen
from cospace.compiler.check import check
from cospace.compiler.count import count
from cospace.dsl.diagnostics import Diagnostic, Label, Span
from cospace.lsp.analysis import analyse
from cospace.lsp.documents import Document

SECONDS = 60.0
"""After which proofs are given up."""


@frozen
class Proved:
    """What is proved about one text. designs: the feasible ones, in words; None where they could not be counted."""

    document: Document
    diagnostics: tuple[Diagnostic, ...]
    designs: str | None


async def prove(document: Document, buffers: dict[Path, str]) -> Proved | None:
    """The proofs about a text; None when they were given up. Ends its process when it is cancelled."""
    job = {
        "uri": document.uri,
        "text": document.text,
        "path": None if document.path is None else str(document.path),
        "buffers": {str(path): text for path, text in buffers.items()},
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cospace.lsp.proofs", stdin=pipe, stdout=pipe, limit=1 << 26
    )  # fmt: skip
    try:
        told, _ = await asyncio.wait_for(process.communicate(json.dumps(job).encode()), SECONDS)
        answer = json.loads(told)
    except (asyncio.TimeoutError, ValueError, OSError):
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return Proved(document, tuple(_read(d) for d in answer["diagnostics"]), answer["designs"])


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """The proofs that a job asks for."""
    path = None if job["path"] is None else Path(job["path"])
    document = Document(job["uri"], job["text"], 0, path)
    buffers = {Path(place): text for place, text in job["buffers"].items()}
    space = analyse(document, buffers).compiled.space
    if space is None:
        return {"diagnostics": [], "designs": None}
    report = check(space)
    if report.ok is False:
        designs = None
    else:
        counted = count(space)
        low, high = counted.bounds
        between = None if high is None else f"between {low:_} and {high:_} feasible designs"
        designs = between if counted.feasible is None else f"{counted.feasible:_} feasible designs"
    return {"diagnostics": [_write(d) for d in report.diagnostics], "designs": designs}


def _write(found: Diagnostic) -> list[Any]:
    labels = [[*_ends(label.span), label.text] for label in found.labels]
    return [found.code, found.severity, found.message, _ends(found.span), labels, found.help]


def _ends(span: Span) -> list[Any]:
    return [span.file, span.start, span.end]


def _read(row: list[Any]) -> Diagnostic:
    code, severity, message, ends, labels, help = row
    return Diagnostic(code, severity, message, Span(*ends), tuple(Label(Span(*r[:3]), r[3]) for r in labels), help)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
