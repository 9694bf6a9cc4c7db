"""One text through every pass, and how far it comes: whatever it holds, diagnostics or answers, never an exception."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from attrs import define, field
from cospace.cli.render import render_plain, to_json
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import STANDARD, compile_loaded
from cospace.dsl.diagnostics import Diagnostic, Reporter, SpecError
from cospace.dsl.format import format_text
from cospace.dsl.load import load_text
from cospace.dsl.source import decode_source

PASSES = ("guard", "parse", "load", "types", "proofs", "decided", "count", "exact")
"""What a text gets through: its bytes are a text; it has no syntax errors; its imports are there; names, types, shapes
and works are right, so that there is a space; proofs ran, and decided all; the count ran, and is exact."""
HANG = 30.0
"""Seconds of the processor for one text, all passes together; waiting for another process is bounded by that."""
FORMATTED = 4
"""Of so many texts one is formatted, twice."""


class Hang(BaseException):
    """A text took longer than any may."""


@define
class Reached:
    """How many texts got through each pass, and which seed took longest."""

    texts: int = 0
    passed: Counter[str] = field(factory=Counter)
    codes: Counter[str] = field(factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    failed: list[tuple[int, str]] = field(factory=list)

    def add(self, other: Reached) -> None:
        self.texts += other.texts
        self.passed += other.passed
        self.codes += other.codes
        self.slowest = max(self.slowest, other.slowest)
        self.failed += other.failed

    def __str__(self) -> str:
        lines = [f"{self.texts:>7,} texts"]
        lines += [f"{self.passed[p]:>7,} {self.passed[p] / max(self.texts, 1):6.1%}  {p}" for p in PASSES]
        lines.append(
            f"{len(self.codes):>7,} codes of diagnostics; slowest: {self.slowest[0]:.1f} s, seed {self.slowest[1]}"
        )
        return "\n".join(lines)


def run(text: str | bytes, seed: int, reached: Reached) -> None:
    """Raises what a pass raises, AssertionError for a diagnostic that lies outside its text, Hang."""
    reached.texts += 1
    began = time.process_time()
    try:
        with limited(HANG):
            _run(text, reached, seed % FORMATTED == 0)
    finally:
        reached.slowest = max(reached.slowest, (time.process_time() - began, seed))


def _run(text: str | bytes, reached: Reached, formats: bool) -> None:
    name = "fuzz.cospace"
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    reporter = Reporter()
    decoded = decode_source(data, name, reporter)
    if decoded is None:
        _told(reporter.found, {}, reached)
        return
    reached.passed["guard"] += 1
    reporter = Reporter()
    loaded = load_text(data, name, reporter, STANDARD, Path(__file__).parent)
    syntax = any(d.code.startswith("CS1") for d in reporter.found)
    missing = any(d.code.startswith("CS0") for d in reporter.found)
    if not syntax:
        reached.passed["parse"] += 1
        if formats:
            _formats(decoded)
        reached.passed["load"] += not missing
    compiled = compile_loaded(loaded, {}, reporter)
    _told(compiled.diagnostics, dict(compiled.sources), reached)
    if compiled.space is None:
        assert any(d.severity == "error" for d in compiled.diagnostics), "no space and no error"
        return
    reached.passed["types"] += 1
    report = check(compiled.space)
    reached.passed["proofs"] += 1
    reached.passed["decided"] += report.ok is not None
    assert report.ok is not None or report.skipped
    _told(report.diagnostics, dict(compiled.sources), reached)
    if any(d.code == "CS602" for d in report.diagnostics):
        return  # something has no value at a design, so no number of designs would be right: no verb counts it
    found = count(compiled.space)
    low, high = found.bounds
    assert found.exact or found.limit
    assert high is None or low <= high
    if found.exact and report.ok is not None:
        assert (found.feasible == 0) is any(d.code == "CS601" for d in report.diagnostics), "count and proof differ"
    reached.passed["count"] += 1
    reached.passed["exact"] += found.exact


def _formats(text: str) -> None:
    try:
        after = format_text(text)
    except SpecError:
        return
    assert format_text(after) == after, "formatted twice is not formatted once"


def _told(found: list[Diagnostic] | tuple[Diagnostic, ...], sources: dict[str, str], reached: Reached) -> None:
    for d in found:
        reached.codes[d.code] += 1
        for span in (d.span, *(label.span for label in d.labels)):
            if span.file in sources:
                assert 0 <= span.start <= span.end <= len(sources[span.file]), (d.code, span)
    render_plain(found, sources)
    to_json(found, sources)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Hang in the block once it has used the processor for so long."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
