"""Proofs and the count of a space, in a process of their own, so that typing never waits for them and can end them.

    python -m cospace.lsp.proofs     reads jobs, a line of JSON each; answers each by several: the proofs, the
    count, what each value keeps, what each requirement excludes

A process that has all it needs in memory is kept waiting, so that no proof waits for a start. Owns both ends: the jobs
that the server sends, and what is made of the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from cospace.compiler.checks.check import check
from cospace.compiler.checks.excluded import excluded
from cospace.compiler.counting.count import Count, solve_space
from cospace.compiler.counting.values import ValueCounts, values_of
from cospace.dsl.diagnostics import Diagnostic, Fix, Label, Span
from cospace.lsp.analysis import Memory
from cospace.lsp.counts import Counts
from cospace.lsp.documents import Document

SECONDS = 300.0
"""After which proofs and counts are given up."""
LINE = 1 << 26
"""Bytes that an answer may have."""


@frozen
class Proved:
    """What is proved about one text so far. counts: None where they can't be made, or not yet (`open`)."""

    document: Document
    diagnostics: tuple[Diagnostic, ...] = ()
    counts: Counts | None = None
    open: bool = True


class Prover:
    """Processes that prove: one at work at most, and one that waits for the next job."""

    def __init__(self) -> None:
        self.spare: asyncio.Task[asyncio.subprocess.Process] | None = None
        self.ending: set[asyncio.Task[None]] = set()
        self.closed = False

    def prepare(self) -> None:
        """See to it that a process waits for the next job."""
        if self.spare is None and not self.closed:
            self.spare = asyncio.get_running_loop().create_task(_start())

    async def prove(self, document: Document, buffers: dict[Path, str]) -> AsyncGenerator[Proved, None]:
        """What is proved about a text, then more and more that is counted; less when it was given up.

        Ends its process when it is cancelled, or closed before the end.
        """
        process = await self._take()
        known, given_up = Proved(document), "not finished"
        until = asyncio.get_running_loop().time() + SECONDS
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(_job(document, buffers)).encode() + b"\n")
            await process.stdin.drain()
            while known.open:
                known = _more(known, await _answer(process.stdout, until))
                yield known
        except asyncio.TimeoutError:
            given_up = f"given up after {SECONDS:g} s"
        except (ValueError, OSError, KeyError):
            pass
        finally:
            self._end(process)  # nodes of one text must not lend their places to another
            self.prepare()
        if known.open:
            yield _closed(known, given_up)

    async def _take(self) -> asyncio.subprocess.Process:
        """A process for one job."""
        while True:
            self.prepare()
            waiting = self.spare
            if waiting is None:
                raise asyncio.CancelledError  # closed
            process = await asyncio.shield(waiting)
            if self.spare is waiting:
                self.spare = None
                if process.returncode is None:
                    return process

    def _end(self, process: asyncio.subprocess.Process) -> None:
        """End a process now, and see it out of the loop later."""
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        seen_out = asyncio.get_running_loop().create_task(_see_out(process))
        self.ending.add(seen_out)
        seen_out.add_done_callback(self.ending.discard)

    async def close(self) -> None:
        """End the process that waits; none is started any more. Returns when all are gone, with their pipes."""
        self.closed = True
        if self.spare is not None:
            starting, self.spare = self.spare, None
            self._end(await starting)
        await asyncio.gather(*self.ending)


async def _start() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cospace.lsp.proofs", stdin=pipe, stdout=pipe, limit=LINE
    )


async def _see_out(process: asyncio.subprocess.Process) -> None:
    """Wait until a process that was ended is gone and its pipes are closed: a loop must not close before them."""
    with contextlib.suppress(OSError):
        await process.communicate()


async def _answer(stream: asyncio.StreamReader, until: float) -> dict[str, Any]:
    """The next line, as JSON; raises ValueError where the process ended."""
    left = max(0.0, until - asyncio.get_running_loop().time())
    found: dict[str, Any] = json.loads(await asyncio.wait_for(stream.readline(), left))
    return found


def _more(proved: Proved, told: dict[str, Any]) -> Proved:
    """What is known with one more line of the answer."""
    if "diagnostics" in told:
        return evolve(proved, diagnostics=tuple(_read(d) for d in told["diagnostics"]), open=told["open"])
    if "raw" in told:
        low, high = told["bounds"]
        exact = low == high
        space = Count(told["raw"], low if exact else None, (low, high), exact, told["method"], told["limit"])
        return evolve(proved, counts=Counts(space))
    counts = proved.counts
    if counts is None:
        raise KeyError("raw")
    if "values" in told:
        rows = told["values"]
        values = [ValueCounts(p, tuple((a, b) for a, b in each), (off[0], off[1])) for p, each, off in rows or ()]
        why = TOO_MANY if rows is None else None
        return evolve(proved, counts=evolve(counts, values={v.path: v for v in values}, why=why))
    if "excludes" in told:
        *ends, low, high = told["excludes"]
        return evolve(proved, counts=evolve(counts, excluded={**counts.excluded, Span(*ends): (low, high)}))
    return evolve(proved, counts=evolve(counts, open=False), open=False)


def _closed(proved: Proved, why: str) -> Proved:
    """What is known when nothing more will be."""
    counts = proved.counts
    if counts is not None:
        counts = evolve(counts, open=False, why=counts.why if counts.values or counts.why else why)
    return evolve(proved, counts=counts, open=False)


TOO_MANY = "not counted, guards join too many decisions"


def _job(document: Document, buffers: dict[Path, str]) -> dict[str, Any]:
    return {
        "uri": document.uri,
        "text": document.text,
        "path": None if document.path is None else str(document.path),
        "buffers": {str(path): text for path, text in buffers.items()},
    }


def answers(job: dict[str, Any], memory: Memory) -> Iterator[dict[str, Any]]:
    """What a job asks for, the soonest first: what `check` says, the count, what each value keeps, and last what each
    requirement excludes by itself. memory: what is remembered from the jobs before.
    """
    path = None if job["path"] is None else Path(job["path"])
    document = Document(job["uri"], job["text"], 0, path)
    buffers = {Path(place): text for place, text in job["buffers"].items()}
    space = memory.analyse(document, buffers, whole=True).compiled.space
    if space is None:
        yield {"diagnostics": [], "open": False}
        return
    report = check(space)
    undefined = any(d.code == "CS602" for d in report.diagnostics)  # no number of designs would be right
    yield {"diagnostics": [_write(d) for d in report.diagnostics], "open": not undefined}
    if undefined:
        return
    whole = solve_space(space)
    found = whole.count
    yield {"raw": found.raw, "bounds": found.bounds, "method": found.method, "limit": found.limit}
    kept = values_of(whole)
    yield {"values": None if kept is None else [[c.path, c.counts, c.absent] for c in kept]}
    for span, bounds in excluded(space, found):
        yield {"excludes": [*_ends(span), *bounds]}
    yield {"open": False}


def _write(found: Diagnostic) -> list[Any]:
    labels = [[*_ends(label.span), label.text] for label in found.labels]
    fix = found.fix and [*_ends(found.fix.span), found.fix.replacement, found.fix.title, found.fix.sure]
    return [found.code, found.severity, found.message, _ends(found.span), labels, found.help, fix]


def _ends(span: Span) -> list[Any]:
    return [span.file, span.start, span.end]


def _read(row: list[Any]) -> Diagnostic:
    code, severity, message, ends, labels, help, fix = row
    points = tuple(Label(Span(*r[:3]), r[3]) for r in labels)
    repair = fix and Fix(Span(*fix[:3]), *fix[3:])
    return Diagnostic(code, severity, message, Span(*ends), points, help, repair)


def serve() -> None:
    """Answer jobs until there are no more."""
    from cospace.compiler.proofs import prove  # now, and not when the first proof needs it

    assert prove
    sys.set_int_max_str_digits(0)  # counts have no limit
    if hasattr(os, "nice"):
        os.nice(5)  # typing comes first
    memory = Memory()
    try:
        for line in sys.stdin:
            for answer in answers(json.loads(line), memory):
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
    except BrokenPipeError:  # nobody waits for the answer any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    serve()
