"""A number of a text that would make room, as a sentence: what it is, what it would have to be, where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from cospace.compiler.conflicts.relief import Relief
from cospace.compiler.space.model import Space
from cospace.compiler.space.units import show_in
from cospace.dsl.diagnostics import Span
from cospace.dsl.source import Lines


def within(inner: Span, outer: Span) -> bool:
    return inner.file == outer.file and outer.start <= inner.start < outer.end


def inside(relief: Relief, places: Sequence[Span]) -> bool:
    return any(within(relief.literal.span, p) for p in places)


def sentence(relief: Relief, places: Sequence[Span], space: Space) -> str:
    literal, value, ways = relief.literal, relief.value, relief.ways
    assert value is not None and relief.inside is not None
    was = shown(literal.value, literal.unit)
    now = shown(value if relief.strict or ways == 0 else rounded(value, ways > 0), literal.unit)
    now = now if relief.rational else f"about {now}"
    noun = "bound" if relief.bounds and inside(relief, places) else "number"
    head = f"{literal.name} = {was}" if literal.name else f"the {noun} {was}"
    if not literal.name and not inside(relief, places):
        head += _where(literal.span, places, space)
    wrong = {1: "is short", -1: "is too much", 0: "does not do"}[ways]
    if relief.strict:
        beyond = "more" if relief.inside > value else "less"
        return f"{head} {wrong}: it has to be {beyond} than {now}"
    if ways == 0:
        return f"{head} {wrong}: {now} is the nearest value that does"
    fits = "that fits" if literal.name else "that would do"
    return f"{head} {wrong}: {now} is the {'least' if ways > 0 else 'most'} {fits}"


def _where(span: Span, places: Sequence[Span], space: Space) -> str:
    """The line that a number stands in which no label points at."""
    text = dict(space.sources).get(span.file)
    if text is None:
        return ""
    file = "" if all(p.file == span.file for p in places) else f"{span.file}, "
    return f" in {file}line {Lines(text).locate(span.start)[0]}"


def shown(value: Fraction, unit: str | None) -> str:
    rest = value.denominator
    for p in (2, 5):
        while rest % p == 0:
            rest //= p
    if rest > 1 and value.denominator < 1000:  # no decimal says it, and the language reads a quotient
        plain = f"{value.numerator}/{value.denominator}"
        return f"{plain} {unit}" if unit else plain
    return show_in(value, unit or "", Fraction(1), 6)


def rounded(value: Fraction, up: bool) -> Fraction:
    """To six digits, away from what would not fit; a whole number stays what it is."""
    if value.denominator == 1:
        return value
    digits = 6
    scale = Fraction(10) ** (digits - len(str(int(abs(value)))) if abs(value) >= 1 else digits + _leading_zeros(value))
    at_scale = value * scale
    whole = -((-at_scale) // 1) if up else at_scale // 1
    return Fraction(whole) / scale


def _leading_zeros(value: Fraction) -> int:
    return max(0, len(str(int(1 / abs(value)))) - 1)


__all__ = ["inside", "rounded", "sentence", "shown", "within"]
