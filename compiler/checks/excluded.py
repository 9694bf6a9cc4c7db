"""What each requirement excludes by itself: the designs that would be feasible too if it alone were not there."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve
from cospace.compiler.checks.check import undefined
from cospace.compiler.counting.count import Count, Limits, count
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Span

MOST = 100
"""Requirements that are asked about."""


def excluded(space: Space, found: Count, limits: Limits | None = None) -> Iterator[tuple[Span, tuple[int, int | None]]]:
    """(where a requirement is written, at least and at most so many designs), in the order of the text.

    found: the count of the space. Those of a loop count together. A requirement without which something has no value at
    some design is left out: no number would be right then.
    """
    written = dict.fromkeys(r.span for r in space.requirements if r.origin in ("written", "rule"))
    for span in list(written)[:MOST]:
        rest = evolve(space, requirements=tuple(r for r in space.requirements if r.span != span))
        if undefined(rest):
            continue
        low, high = count(rest, limits=limits).bounds
        most = found.bounds[1]
        yield span, (0 if most is None else max(0, low - most), None if high is None else high - found.bounds[0])
