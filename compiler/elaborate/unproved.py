"""Mappings that are not proved the least (CS510), or not even met (CS511)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cospace.compiler.space.graph import MapProblem
from cospace.compiler.space.met import Met, far_of, of_met
from cospace.dsl.diagnostics import Diagnostic, Span


def warnings(met: Sequence[Met]) -> tuple[Diagnostic, ...]:
    """A warning for each rule, and each reason why its mappings can't be proved."""
    groups: dict[tuple[Span, str], list[Met]] = {}
    for m in met:
        groups.setdefault((m.span, m.why), []).append(m)
    return tuple(_warning(span, why, some) for (span, why), some in groups.items())


def _warning(span: Span, why: str, met: Sequence[Met]) -> Diagnostic:
    many = max(m.mappings for m in met)
    tried = max(m.tried for m in met)
    said = f"{of_met(met)}: {why}; {tried:,} of {_rounded(many)} mappings were tried, {far_of(met)}"
    without = sum(m.without for m in met)
    if without:
        said += f"; at {without:,} combinations of what they read none was met, which may have one"
    help = (
        "nothing is proved of what such works cost; fewer values in the maps, or a goal and requirements of products, "
        "sums and greatest values, are solved to the least"
    )
    return Diagnostic("CS510", "warning", said, span, help=help)


def unsolved(problem: MapProblem) -> Diagnostic:
    """Of a problem with too many mappings that reads too much for tables."""
    count = _rounded(math.prod(len(m.values) for m in problem.maps))
    return Diagnostic(
        "CS511",
        "warning",
        f"{problem.path} has {count} mappings, and what they cost reads too many combinations of decisions, or what "
        "only running tells, for them to be solved now: each design would have to try them all",
        problem.span,
        help="give what the rule reads, or its maps, fewer values",
    )


def _rounded(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"{float(count):.2g}" if count < 10**300 else "more than 1e300"


__all__ = ["unsolved", "warnings"]
