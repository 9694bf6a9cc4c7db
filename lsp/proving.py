"""The process that proves and counts, beside the editor's: reads jobs, a line of JSON each, and answers by lines.

    python -m cospace.lsp.proving

A job is compiled here, with what is remembered of the texts before, and proved in a child, so that one that nobody
waits for any more can be ended at once, whatever it is at, and takes nothing with it. Where processes can't be forked
a job is proved here, and whoever waits no more ends this process.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cospace.compiler.checks.check import check
from cospace.compiler.checks.excluded import excluded
from cospace.compiler.clock import hit, within
from cospace.compiler.counting.count import solve_space
from cospace.compiler.counting.values import values_of
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Diagnostic, Span
from cospace.lsp.analysis import Memory
from cospace.lsp.documents import Document

FORKS = hasattr(os, "fork") and sys.platform != "darwin"  # where libraries of numbers don't outlive a fork
"""Whether one process serves all jobs."""
SECONDS = 60.0
"""What proofs may take, and the counts after them; then what is not known is unknown."""
Job = dict[str, Any]
Told = dict[str, Any]


def make_job(document: Document, buffers: dict[Path, str]) -> Job:
    """What is asked about a document as it stands."""
    return {
        "uri": document.uri,
        "text": document.text,
        "path": None if document.path is None else str(document.path),
        "buffers": {str(path): text for path, text in buffers.items()},
    }


def space_of(job: Job, memory: Memory) -> Space | None:
    """The space that a job is about; None where its text has errors. memory: of the jobs before."""
    path = None if job["path"] is None else Path(job["path"])
    document = Document(job["uri"], job["text"], 0, path)
    buffers = {Path(place): text for place, text in job["buffers"].items()}
    return memory.analyse(document, buffers, whole=True).compiled.space


def answers(space: Space | None) -> Iterator[Told]:
    """What is told of a space, the soonest first: what `check` says, the count, what each value keeps, and last what
    each requirement excludes by itself. Less of it where the time is up."""
    if space is None:
        yield {"diagnostics": [], "open": False}
        return
    with within(SECONDS):
        report = check(space)
    undefined = any(d.code == "CS602" for d in report.diagnostics)  # no number of designs would be right
    yield {"diagnostics": [_write(d) for d in report.diagnostics], "open": not undefined}
    if undefined:
        return
    with within(SECONDS):
        whole = solve_space(space)
        found = whole.count
        yield {"raw": found.raw, "bounds": found.bounds, "method": found.method, "limit": found.limit}
        kept = values_of(whole)
        yield {"values": None if kept is None else [[c.path, c.counts, c.absent] for c in kept]}
        for span, bounds in excluded(space, found):
            if hit():
                break
            yield {"excludes": [*_ends(span), *bounds]}
    yield {"open": False}


def _write(found: Diagnostic) -> list[Any]:
    labels = [[*_ends(label.span), label.text] for label in found.labels]
    fix = found.fix and [*_ends(found.fix.span), found.fix.replacement, found.fix.title, found.fix.sure]
    return [found.code, found.severity, found.message, _ends(found.span), labels, found.help, fix]


def _ends(span: Span) -> list[Any]:
    return [span.file, span.start, span.end]


# ---- serving


def _line(number: int, told: Told) -> bytes:
    return json.dumps({"job": number, **told}).encode() + b"\n"


class _Child:
    """A process that proves one job; whole lines of what it says are handed on."""

    def __init__(self, number: int, space: Space | None) -> None:
        self.number = number
        self.rest = b""
        self.pipe, write = os.pipe()
        alive, self.alive = os.pipe()  # nobody writes: its end is the end of this process
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            os.close(self.alive)
            _prove(number, space, write, alive)
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)
        os.close(write)
        os.close(alive)

    def read(self) -> bytes | None:
        """What it said since, whole lines only; None at its end."""
        found = os.read(self.pipe, 1 << 20)
        whole, sign, rest = found.rpartition(b"\n")
        if not found:
            return None
        if not sign:
            self.rest += found
            return b""
        said, self.rest = self.rest + whole + sign, rest
        return said

    def end(self) -> None:
        """End it, with what it started."""
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)
        os.close(self.alive)


def _prove(number: int, space: Space | None, write: int, alive: int) -> None:
    """In a child: say what is proved, and end."""
    status = 1
    try:
        gc.freeze()  # what the parent has is neither copied nor looked at
        with suppress(OSError):
            os.setpgid(0, 0)

        def follow() -> None:
            os.read(alive, 1)
            os.killpg(0, signal.SIGKILL)

        threading.Thread(target=follow, daemon=True).start()
        with os.fdopen(write, "wb") as out:
            for told in answers(space):
                out.write(_line(number, told))
                out.flush()
        status = 0
    except BaseException:  # a bug in a pass must not look like an answer
        traceback.print_exc()
    finally:
        os._exit(status)


class Service:
    """Jobs from one descriptor, answers to another, until there are no more."""

    def __init__(self, jobs: int, told: int) -> None:
        self.jobs, self.told = jobs, told
        self.memory = Memory()
        self.children: dict[int, _Child] = {}
        self.waiting: dict[int, Job] = {}
        self.rest = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(jobs, selectors.EVENT_READ)

    def serve(self) -> None:
        try:
            while self._read():
                while self.waiting:
                    number = next(iter(self.waiting))
                    space = space_of(self.waiting[number], self.memory)
                    if not self._read(0):  # jobs that were taken back meanwhile
                        return
                    if self.waiting.pop(number, None) is not None:
                        child = self.children[number] = _Child(number, space)
                        self.selector.register(child.pipe, selectors.EVENT_READ, child)
        finally:
            for number in list(self.children):
                self._end(number)

    def _read(self, timeout: float | None = None) -> bool:
        """Hear what is asked and hand on what is answered; False when nobody asks any more."""
        for key, _ in self.selector.select(timeout):
            if key.data is None:
                found = os.read(self.jobs, 1 << 20)
                if not found:
                    return False
                *lines, self.rest = (self.rest + found).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
            elif key.data.number in self.children:
                said = key.data.read()
                self._say(_line(key.data.number, {"ended": True}) if said is None else said)
                if said is None:
                    self._end(key.data.number)
        return True

    def _hear(self, asked: dict[str, Any]) -> None:
        if "forget" in asked:
            self.memory.forget(asked["forget"])
        elif "stop" in asked:
            self.waiting.pop(asked["stop"], None)
            self._end(asked["stop"])
        else:
            self.waiting[asked["number"]] = asked["job"]

    def _say(self, said: bytes) -> None:
        while said:
            said = said[os.write(self.told, said) :]

    def _end(self, number: int) -> None:
        child = self.children.pop(number, None)
        if child is not None:
            self.selector.unregister(child.pipe)
            child.end()


def prove_here(asked: Iterator[bytes], told: int) -> None:
    """Jobs one after the other, in this process."""
    memory = Memory()
    for line in asked:
        found = json.loads(line)
        if "job" in found:
            for answer in answers(space_of(found["job"], memory)):
                os.write(told, _line(found["number"], answer))
            os.write(told, _line(found["number"], {"ended": True}))


def serve(forks: bool = FORKS) -> None:
    """Answer jobs until there are no more."""
    from cospace.compiler.proofs import prove  # now, and not when the first proof needs it

    assert prove
    sys.set_int_max_str_digits(0)  # counts have no limit
    if hasattr(os, "nice"):
        os.nice(5)  # typing comes first
    gc.freeze()
    told = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    with suppress(BrokenPipeError):  # nobody waits for the answer any more
        if forks:
            Service(0, told).serve()
        else:
            prove_here(iter(sys.stdin.buffer.readline, b""), told)


if __name__ == "__main__":
    serve("here" not in sys.argv)
