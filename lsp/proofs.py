"""Proofs and the count of a space, in a process of their own, so that typing never waits for them and can end them.

    python -m cospace.lsp.proofs     reads a job, a line of JSON; answers by two: the proofs, the count

A process that has all it needs in memory is kept waiting, so that no proof waits for a start. Owns both ends: the jobs
that the server sends, and what is made of the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from cospace.compiler.check import check
from cospace.compiler.count import count
from cospace.dsl.diagnostics import Diagnostic, Label, Span
from cospace.lsp.analysis import Memory
from cospace.lsp.documents import Document

SECONDS = 60.0
"""After which proofs are given up."""
LINE = 1 << 26
"""Bytes that an answer may have."""


@frozen
class Proved:
    """What is proved about one text. designs: the feasible ones, in words; None where they are not counted."""

    document: Document
    diagnostics: tuple[Diagnostic, ...]
    designs: str | None = None


class Prover:
    """Processes that prove: one at work at most, and one that waits for the next job."""

    def __init__(self) -> None:
        self.spare: asyncio.Task[asyncio.subprocess.Process] | None = None

    def prepare(self) -> None:
        """See to it that a process waits for the next job."""
        if self.spare is None:
            self.spare = asyncio.get_running_loop().create_task(_start())

    async def prove(self, document: Document, buffers: dict[Path, str]) -> AsyncGenerator[Proved, None]:
        """What is proved about a text, then the same with its count; less when it was given up.

        Ends its process when it is cancelled, or closed before the end.
        """
        process = await self._take()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(_job(document, buffers)).encode() + b"\n")
            await process.stdin.drain()
            proofs = await _answer(process.stdout)
            known = Proved(document, tuple(_read(d) for d in proofs["diagnostics"]))
            yield known
            counted = await _answer(process.stdout)
            yield evolve(known, designs=counted["designs"])
        except (asyncio.TimeoutError, ValueError, OSError, KeyError):
            return
        finally:
            _end(process)  # nodes of one text must not lend their places to another
            self.prepare()

    async def _take(self) -> asyncio.subprocess.Process:
        """A process for one job."""
        while True:
            self.prepare()
            waiting = self.spare
            assert waiting is not None
            process = await asyncio.shield(waiting)
            if self.spare is waiting:
                self.spare = None
                if process.returncode is None:
                    return process

    async def close(self) -> None:
        """End the process that waits."""
        if self.spare is not None:
            starting, self.spare = self.spare, None
            _end(await starting)


async def _start() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cospace.lsp.proofs", stdin=pipe, stdout=pipe, limit=LINE
    )


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _answer(stream: asyncio.StreamReader) -> dict[str, Any]:
    """The next line, as JSON; raises ValueError where the process ended."""
    found: dict[str, Any] = json.loads(await asyncio.wait_for(stream.readline(), SECONDS))
    return found


def _job(document: Document, buffers: dict[Path, str]) -> dict[str, Any]:
    return {
        "uri": document.uri,
        "text": document.text,
        "path": None if document.path is None else str(document.path),
        "buffers": {str(path): text for path, text in buffers.items()},
    }


def answers(job: dict[str, Any], memory: Memory) -> Iterator[dict[str, Any]]:
    """What a job asks for: the proofs, then the count. memory: what is remembered from the jobs before."""
    path = None if job["path"] is None else Path(job["path"])
    document = Document(job["uri"], job["text"], 0, path)
    buffers = {Path(place): text for place, text in job["buffers"].items()}
    space = memory.analyse(document, buffers, whole=True).compiled.space
    if space is None:
        yield {"diagnostics": []}
        yield {"designs": None}
        return
    report = check(space)
    yield {"diagnostics": [_write(d) for d in report.diagnostics]}
    if report.ok is False:
        yield {"designs": None}
        return
    counted = count(space)
    low, high = counted.bounds
    between = None if high is None else f"between {low:_} and {high:_} feasible designs"
    yield {"designs": between if counted.feasible is None else f"{counted.feasible:_} feasible designs"}


def _write(found: Diagnostic) -> list[Any]:
    labels = [[*_ends(label.span), label.text] for label in found.labels]
    return [found.code, found.severity, found.message, _ends(found.span), labels, found.help]


def _ends(span: Span) -> list[Any]:
    return [span.file, span.start, span.end]


def _read(row: list[Any]) -> Diagnostic:
    code, severity, message, ends, labels, help = row
    return Diagnostic(code, severity, message, Span(*ends), tuple(Label(Span(*r[:3]), r[3]) for r in labels), help)


def serve() -> None:
    """Answer jobs until there are no more."""
    from cospace.compiler import prove  # now, and not when the first proof needs it

    assert prove
    memory = Memory()
    for line in sys.stdin:
        for answer in answers(json.loads(line), memory):
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve()
