"""Works whose mapping is the best that was met, and not proved to be the least: what is known of it, and in words.

A map stands for the least of its rule's goal. What such a work costs may therefore be more than what the text means,
so that nothing is proved of a space with one: whoever answers about it says so (`of_met`), or that it is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from attrs import frozen
from cospace.compiler.space.graph import MapProblem
from cospace.dsl.diagnostics import Span

FAR = 10
"""Times the least above it, from which on a bound says nothing."""


@frozen
class Met:
    """work: the first of the works of its shape; span: of the rule. why: no proof was found. mappings: how many there
    are; tried: how many were evaluated. share: how much of the least the goal may be above it at most, None where
    nothing is known; without: at how many combinations of what it reads no mapping was met, and none was excluded."""

    work: str
    span: Span
    why: str
    mappings: int
    tried: int
    share: Fraction | None = None
    without: int = 0

    @property
    def known(self) -> tuple[str, int, int, Fraction | None, int]:
        """All but which work it is of."""
        return self.why, self.mappings, self.tried, self.share, self.without


def met_of(met: Sequence[Met], problem: MapProblem) -> Met | None:
    """What is known of a problem's mapping, where it is not proved."""
    return next((m for m in met if m.work == problem.path and m.span == problem.span), None)


def of_met(met: Sequence[Met]) -> str:
    """What is said beside an answer about a space."""
    if len(met) == 1:
        return f"the mapping of {met[0].work} is the best that evolution met, not proved the least"
    return f"the mappings of {len(met)} kinds of works are the best that evolution met, not proved the least"


def far_of(met: Sequence[Met]) -> str:
    """How far from the least they may be."""
    shares = [m.share for m in met if m.share is not None and m.share <= FAR]
    if len(shares) < len(met):
        return "how far above the least is unknown"
    return f"at most {float(max(shares)):.2%} above the least"


def told_of(met: Met) -> str:
    """What is said of one work."""
    return f"the best that evolution met in {met.tried:,} tries, not proved the least, {far_of([met])}"


__all__ = ["Met", "far_of", "met_of", "of_met", "told_of"]
