"""Proofs and the count of a space, from a process beside the editor's, so that typing never waits for them.

Owns the editor's end: the process, the jobs that it is sent, and what is made of the answers. `proving` is the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen, mutable
from cospace.compiler.counting.count import Count
from cospace.compiler.counting.values import ValueCounts
from cospace.dsl.diagnostics import Diagnostic, Fix, Label, Span
from cospace.lsp.counts import Counts
from cospace.lsp.documents import Document
from cospace.lsp.proving import FORKS, make_job

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


@mutable(eq=False)
class _Process:
    """A process that proves. waiting: what was answered and not yet read, by job; `{}` once no more will come."""

    process: asyncio.subprocess.Process
    waiting: dict[int, asyncio.Queue[dict[str, Any]]] = field(factory=dict)
    ended: bool = False

    async def listen(self) -> None:
        """Hand each answer to who waits for it, until the process ends."""
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError, OSError, KeyError):
            while line := await self.process.stdout.readline():
                told = json.loads(line)
                if told["job"] in self.waiting:
                    self.waiting[told["job"]].put_nowait({} if "ended" in told else told)
        self.end()
        for queue in self.waiting.values():
            queue.put_nowait({})
        await self.process.communicate()  # a loop must not close before the pipes

    def ask(self, asked: dict[str, Any]) -> None:
        """Send a line; one that ended hears nothing."""
        if self.process.stdin is not None and not self.ended:
            with contextlib.suppress(OSError):
                self.process.stdin.write(json.dumps(asked).encode() + b"\n")

    def end(self) -> None:
        self.ended = True
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                kill(self.process)


def kill(process: asyncio.subprocess.Process) -> None:
    """End a process. Its own `kill` first asks whether it has ended, which takes the status that the loop waits for."""
    if FORKS:
        os.kill(process.pid, signal.SIGKILL)
    else:
        process.kill()


class Prover:
    """The process that proves: one for all jobs; where it can't fork, one for each, and one that waits."""

    def __init__(self, forks: bool = FORKS) -> None:
        self.forks = forks
        self.spare: asyncio.Task[_Process] | None = None
        self.listening: set[asyncio.Task[None]] = set()
        self.numbers = count(1)
        self.closed = False

    def prepare(self) -> None:
        """See to it that a process waits for the next job."""
        if self.spare is None and not self.closed:
            self.spare = asyncio.get_running_loop().create_task(self._start())

    async def prove(self, document: Document, buffers: dict[Path, str]) -> AsyncGenerator[Proved, None]:
        """What is proved about a text, then more and more that is counted; less when it was given up.

        Ends the job when it is cancelled, or closed before the end.
        """
        process = await self._take()
        number = next(self.numbers)
        answers = process.waiting[number] = asyncio.Queue()
        known, given_up = Proved(document), "not finished"
        until = asyncio.get_running_loop().time() + SECONDS
        try:
            process.ask({"number": number, "job": make_job(document, buffers)})
            while known.open:
                left = max(0.0, until - asyncio.get_running_loop().time())
                told = await asyncio.wait_for(answers.get(), left)
                if not told:
                    break
                known = _more(known, told)
                yield known
        except asyncio.TimeoutError:
            given_up = f"given up after {SECONDS:g} s"
            if known.counts is None and not known.diagnostics:
                process.end()  # compiling may be what takes so long
        except KeyError:
            pass
        finally:
            del process.waiting[number]
            if self.forks:
                process.ask({"stop": number})
            else:
                process.end()
            self.prepare()
        if known.open:
            yield _closed(known, given_up)

    async def _take(self) -> _Process:
        """A process for a job."""
        while True:
            self.prepare()
            waiting = self.spare
            if waiting is None:
                raise asyncio.CancelledError  # closed
            found = await asyncio.shield(waiting)
            if self.spare is waiting:
                if found.ended or not self.forks:
                    self.spare = None
                if not found.ended:
                    return found

    async def _start(self) -> _Process:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", "cospace.lsp.proving", *([] if self.forks else ["here"])]
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # no threads to fork with
        made = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, limit=LINE, env={**os.environ, **alone}
        )
        found = _Process(made)
        listening = asyncio.get_running_loop().create_task(found.listen())
        self.listening.add(listening)
        listening.add_done_callback(self.listening.discard)
        return found

    def forget(self, uri: str) -> None:
        """A document was closed."""
        if self.spare is not None and self.spare.done() and not self.spare.cancelled():
            self.spare.result().ask({"forget": uri})

    async def close(self) -> None:
        """End the process; none is started any more. Returns when all are gone, with their pipes."""
        self.closed = True
        if self.spare is not None:
            starting, self.spare = self.spare, None
            (await starting).end()
        await asyncio.gather(*self.listening)


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


def _read(row: list[Any]) -> Diagnostic:
    code, severity, message, ends, labels, help, fix = row
    points = tuple(Label(Span(*r[:3]), r[3]) for r in labels)
    repair = fix and Fix(Span(*fix[:3]), *fix[3:])
    return Diagnostic(code, severity, message, Span(*ends), points, help, repair)
