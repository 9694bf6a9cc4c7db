"""Counts in words, as an editor shows them: of a space, of a decision's values, of the copies of one decision.

Every number is exact or said to lie between proved bounds; what is not known is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from attrs import frozen
from cospace.compiler.counting.count import Count
from cospace.compiler.counting.values import Bounds, ValueCounts
from cospace.compiler.space.model import Decision, spell
from cospace.dsl.diagnostics import Span

MOST = 12
"""Values or copies that are listed."""


@frozen
class Counts:
    """What is known of how many designs there are. values: path -> what each value keeps. excluded: where a requirement
    is written -> how many designs would be feasible, too, without it.

    open: more is still being worked out. why: what stood in the way of the values; None where they are known or open.
    """

    space: Count
    values: Mapping[str, ValueCounts] = {}
    open: bool = True
    why: str | None = None
    excluded: Mapping[Span, tuple[int, int | None]] = {}


def space_words(found: Count) -> str:
    """`8 designs, 3 feasible`."""
    raw = "more designs than could be counted" if found.raw is None else _plural(found.raw, "design")
    low, high = found.bounds
    if high == 0:
        return f"{raw}, none feasible"
    return f"{raw}, {between(found.bounds)} feasible{'' if low == high else ', proved bounds'}"


def hint_words(decisions: Iterable[Decision], counts: Counts) -> tuple[str, str] | None:
    """How many values of a decision are live, `3 of 6 feasible`, over all its copies; and what each value keeps."""
    known = [(d, counts.values[d.path]) for d in decisions if d.path in counts.values]
    if not known:
        return None
    alive = [_alive(c) for _, c in known]
    sizes = {len(d.values) for d, _ in known}
    if len(set(alive)) == 1 and len(sizes) == 1:
        label = f"{between(alive[0])} of {sizes.pop()} feasible"
    else:
        least, most = (f"{low}" if low == high else between((low, high)) for low, high in (min(alive), max(alive)))
        label = f"{least} to {most} of {max(sizes)} feasible" if least != most else f"{least} feasible"
    if len(known) > 1:
        label += f", {len(known)} copies"
    told = [_copy_line(d, c, counts) for d, c in known[:MOST]]
    if len(known) > MOST:
        told.append(f"… and {len(known) - MOST} more copies")
    return label, "\n\n".join(told)


def decision_words(decisions: list[Decision], counts: Counts | None, proving: bool) -> str:
    """A paragraph or a table: how many feasible designs keep each value, with their share of all."""
    if counts is None:
        return "*how many designs keep each value: being counted …*" if proving else ""
    known = [(d, counts.values[d.path]) for d in decisions if d.path in counts.values]
    if not known:
        said = counts.why or ("being counted …" if counts.open else "unknown")
        return f"*how many designs keep each value: {said}*"
    if counts.space.bounds[1] == 0:
        return "no design is feasible, so that none keeps any value"
    if len(known) > 1:
        more = [f"… and {len(known) - MOST} more copies"] if len(known) > MOST else []
        return "\n\n".join([_copy_line(d, c, counts) for d, c in known[:MOST]] + more)
    (decision, found), exact = known[0], known[0][1].exact
    head = "feasible designs" if exact else "feasible designs, proved bounds"
    rows = [f"| value | {head} | share |", "| --- | ---: | ---: |"]
    for value, bounds in list(zip(_spelt(decision), found.counts, strict=True))[:MOST]:
        rows.append(f"| {value} | {between(bounds)} | {share(bounds, counts.space.bounds)} |")
    if len(found.counts) > MOST:
        rows.append(f"| … {len(found.counts) - MOST} more | | |")
    if found.absent != (0, 0):
        rows.append(f"| *not there* | {between(found.absent)} | {share(found.absent, counts.space.bounds)} |")
    return "\n".join(rows)


def requirement_words(span: Span, counts: Counts | None) -> str | None:
    """What a requirement excludes by itself; None where that isn't known."""
    bounds = counts.excluded.get(span) if counts is not None else None
    if bounds is None:
        return None
    if bounds == (0, 0):
        return "excludes nothing by itself: each of these designs breaks another requirement, or none breaks it"
    return f"excludes {between(bounds)} {'design' if bounds == (1, 1) else 'designs'} that all others let through"


def between(bounds: tuple[int, int | None]) -> str:
    """A number that is known, or what it is proved to lie between, in few words."""
    low, high = bounds
    if low == high:
        return number(low)
    return f"at least {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def number(n: int) -> str:
    """A count; a very long one by its first digits."""
    return f"{n:,}" if n < 10**18 else f"≈ {Decimal(n):.5e}".replace("e+", "e")


def share(part: Bounds, whole: tuple[int, int | None]) -> str:
    """Which part of the feasible designs it is; from the exact numbers, to four digits."""
    low, high = whole
    if not low or high is None:
        return "unknown"
    least, most = Fraction(part[0], high), min(Fraction(1), Fraction(part[1], low))
    ends = [f"{float(s * 100):.4g} %" for s in (least, most)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _alive(found: ValueCounts) -> Bounds:
    """How many values surely keep a design, and how many may."""
    return sum(low > 0 for low, _ in found.counts), sum(high > 0 for _, high in found.counts)


def _copy_line(decision: Decision, found: ValueCounts, counts: Counts) -> str:
    """One copy: each value with its share."""
    pairs = list(zip(_spelt(decision), found.counts, strict=True))
    told = [f"{value} {share(bounds, counts.space.bounds) if bounds[1] else 'none'}" for value, bounds in pairs[:MOST]]
    more = f", … {len(pairs) - MOST} more" if len(pairs) > MOST else ""
    return f"`{decision.path}`: {', '.join(told)}{more}"


def _spelt(decision: Decision) -> list[str]:
    return [spell(v, decision.unit, decision.scale) for v in decision.values]


def _plural(n: int, noun: str) -> str:
    return f"{number(n)} {noun}{'' if n == 1 else 's'}"
