"""What is said of requirements that exclude each other: where each stands, what it comes to, what would make room."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from cospace.compiler.checks.emptied import emptied
from cospace.compiler.clock import attempt, reason
from cospace.compiler.conflicts.conflict import Conflict, Conflicts, minimal_conflict
from cospace.compiler.conflicts.relief import Relief, reliefs, stands
from cospace.compiler.conflicts.repairs import moved_number
from cospace.compiler.exact import exact
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.refute import Fact, facts_of
from cospace.compiler.space.graph import Expr, absolute, sub
from cospace.compiler.space.model import Requirement
from cospace.compiler.space.units import show_in, show_quantity
from cospace.dsl.diagnostics import Diagnostic, Fix, Label, Span

LOOKED = 500
"""Boxes that are looked at to say what a requirement comes to."""
NAMED = 4
"""Instances of one requirement that a label names."""


def explain_conflict(prover: Prover, core: Sequence[Requirement], given: str | None = None) -> Diagnostic:
    """CS601 for a minimal conflict among requirements that exclude each other. given: what leaves no design, if not
    the space as it is. Where the time is up all of them are named, and nothing of what they come to."""
    return attempt(
        lambda: conflict_diagnostic(prover, minimal_conflict(prover, core), given),
        lambda: _unexplained(prover, core, given),
    )


def _unexplained(prover: Prover, core: Sequence[Requirement], given: str | None) -> Diagnostic:
    """CS601 for what is proved to leave no design, by requirements of which not all may be needed."""
    if not core:
        return conflict_diagnostic(prover, Conflict((), False), given)
    labels = tuple({r.span: Label(r.span, r.reason) for r in core}.values())
    subject = f"{given} leaves no design" if given else "no design is feasible"
    count = f"{len(labels)} requirements exclude each other" if len(labels) > 1 else core[0].reason
    help = f"relax one of them; which are needed, and what would make room, was not decided: {reason()}"
    return Diagnostic(
        "CS601", "error", f"{subject}: {count} (not proved to be the fewest)", labels[0].span, labels, help
    )


def all_conflicts(prover: Prover) -> tuple[tuple[Diagnostic, ...], bool]:
    """CS601 for each minimal conflict of the space, and whether these are all."""
    search = Conflicts(prover)
    return tuple(conflict_diagnostic(prover, c) for c in search.all()), search.complete


def conflict_diagnostic(prover: Prover, conflict: Conflict, given: str | None = None) -> Diagnostic:
    """CS601: no design at all. Each requirement is a label: what it comes to beside the others, and what would do."""
    places = conflict.places
    if not places:
        said = f"{given} leaves no design: the domains leave it out" if given else "no design is feasible"
        asked = [d.span for d in prover.space.decisions if not given or d.path in prover.fixed]
        return Diagnostic("CS601", "error", said, asked[0], emptied(prover.space, prover.fixed))
    found = reliefs(prover, places)
    alone = len(conflict.requirements) == 1
    texts = ["; ".join(_said(prover, conflict, place, found, alone)) for place in places]
    subject = f"{given} leaves no design" if given else "no design is feasible"
    first = conflict.at(places[0])[0]
    if len(places) == 1:
        message = f"{subject}: {first.reason}"
        message += f": {texts[0]}" if texts[0] else ""
        labels = emptied(prover.space, prover.fixed, conflict.requirements)
    else:
        message = f"{subject}: {len(places)} requirements exclude each other"
        pairs = zip(places, texts, strict=True)
        labels = tuple(Label(place, text or conflict.at(place)[0].reason) for place, text in pairs)
    if not conflict.minimal:
        message += " (not proved to be the fewest)"
    return Diagnostic(
        "CS601", "error", message, places[0], labels, _way_out(prover, places, found), _repair(prover, places, found)
    )


def _repair(prover: Prover, places: Sequence[Span], found: Sequence[Relief]) -> Fix | None:
    """The number of the smallest change put to the nearest value that makes room."""
    best = smallest(prover, found, places)
    if best is None or best.value is None or best.strict or not best.rational:
        return None
    value = _rounded(best.value, best.ways > 0) if best.ways else best.value
    literal = best.literal
    text = dict(prover.space.sources).get(literal.span.file, "")
    return moved_number(literal.span, value, text, f"`{literal.name}`" if literal.name else "the bound")


def smallest(prover: Prover, found: Sequence[Relief], places: Sequence[Span]) -> Relief | None:
    """The smallest change of one number, relative to itself, that makes room; the text with it was compiled."""
    helping = [r for r in found if r.value is not None and r.proved]
    ordered = sorted(helping, key=lambda r: (r.change is None, r.change or 0, not _inside(r, places), r.ways == 0))
    return next((r for r in ordered if stands(prover.space, r)), None)


def way_out(prover: Prover, places: Sequence[Span]) -> str:
    """The smallest change of one number that the requirements at some places read, if any makes room."""
    return attempt(
        lambda: _way_out(prover, places, reliefs(prover, places)),
        lambda: f"relax one of them; what would make room was not decided: {reason()}",
    )


def _way_out(prover: Prover, places: Sequence[Span], found: Sequence[Relief]) -> str:
    best = smallest(prover, found, places)
    plain = "relax one of them" if len(places) > 1 else "relax it, or widen what it reads"
    if best is not None:
        several = sum(r.value is not None for r in found) > 1
        return f"{'the smallest change of one number' if several else 'one number'}: {_sentence(best, places)}"
    if found and all(r.proved and r.value is None for r in found):
        other = [r for r in found if r.others]
        why = ": other requirements exclude each other too" if len(other) == len(found) else ""
        return f"{plain}; no change of a single number makes room{why}"
    if any(not r.proved for r in found):
        return f"{plain}; whether a change of a single number makes room was not decided"
    return plain


def _said(prover: Prover, conflict: Conflict, place: Span, found: Sequence[Relief], alone: bool) -> list[str]:
    """Which instances of a requirement matter, what it comes to, and the numbers of its own that would do."""
    mine = [r for r in found if place in r.places and r.value is not None and r.proved]
    mine = [r for r in mine if r.literal.name or _within(r.literal.span, place)]
    rooms = [_sentence(r, conflict.places) for r in sorted(mine, key=lambda r: (r.change is None, r.change or 0))]
    parts = [
        None if alone else _instances(prover, conflict, place),
        _comes_to(prover, conflict, place),
        "; or ".join(rooms),
    ]
    return [p for p in parts if p]


def _instances(prover: Prover, conflict: Conflict, place: Span) -> str | None:
    """The instances that matter, where the requirement has others: `[1] and [3]`."""
    every = [r.reason for r in prover.space.requirements if r.span == place]
    own = [r.reason for r in conflict.at(place)]
    if len(every) < 2 or len(set(every)) < 2:
        return None
    least, most = min(every), max(every)  # what these begin with, all begin with
    same = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
    stem = least[:same]
    cut = max(stem.rfind(" ["), stem.rfind(" ("))
    names = [reason[cut + 1 :] if cut >= 0 else reason for reason in own]
    shown = list(dict.fromkeys(names))
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return f"{', '.join(shown[:NAMED])}{more}"


def _comes_to(prover: Prover, conflict: Conflict, place: Span) -> str | None:
    """`at best 12 >= 24`: the two sides where the others hold, as near to each other as any design brings them."""
    for r in conflict.at(place):
        others = facts_of([o for o in conflict.requirements if o is not r])
        parts = r.value.args if r.value.op == "and" else (r.value,)
        for node in parts:
            if node.op not in ("le", "lt", "eq") or node.args[0].type.kind != "number":
                continue
            a, b = node.args
            goal = absolute(sub(a, b)) if node.op == "eq" else sub(a, b)
            beside = [Fact(e, ("guard", r.span)) for e in (r.guard, *parts) if e is not node]
            outcome, proved = prover.least(goal, [*others, *beside], LOOKED)
            if outcome.design is None or not proved:
                continue
            said = sides(node, exact.evaluate_all([a, b], outcome.design))
            if said is not None and exact.evaluate(node, outcome.design) is not True:
                return f"at best {said}"
    return None


def sides(node: Expr, values: Sequence[object], holds: bool = True) -> str | None:
    """Both sides of a comparison in numbers, what is not constant first: `12 >= 24`."""
    left, right = values
    if not isinstance(left, Fraction) or not isinstance(right, Fraction):
        return None
    unit = node.args[0].type.unit
    sign = {"le": "<=", "lt": "<", "eq": "=="}[node.op]
    if not holds:
        sign = {"<=": ">", "<": ">=", "==": "!="}[sign]
    if node.args[0].is_const and not node.args[1].is_const:
        left, right = right, left
        sign = {"<=": ">=", "<": ">", ">=": "<=", ">": "<"}.get(sign, sign)
    return f"{show_quantity(left, unit, 6)} {sign} {show_quantity(right, unit, 6)}"


# ---- numbers that would do


def _within(inner: Span, outer: Span) -> bool:
    return inner.file == outer.file and outer.start <= inner.start < outer.end


def _inside(relief: Relief, places: Sequence[Span]) -> bool:
    return any(_within(relief.literal.span, p) for p in places)


def _sentence(relief: Relief, places: Sequence[Span]) -> str:
    literal, value, ways = relief.literal, relief.value, relief.ways
    assert value is not None and relief.inside is not None
    was = _shown(literal.value, literal.unit)
    now = _shown(value if relief.strict or ways == 0 else _rounded(value, ways > 0), literal.unit)
    now = now if relief.rational else f"about {now}"
    noun = "bound" if ways and _inside(relief, places) else "number"
    head = f"{literal.name} = {was}" if literal.name else f"the {noun} {was}"
    wrong = {1: "is short", -1: "is too much", 0: "does not do"}[ways]
    if relief.strict:
        beyond = "more" if relief.inside > value else "less"
        return f"{head} {wrong}: it has to be {beyond} than {now}"
    if ways == 0:
        return f"{head} {wrong}: {now} is the nearest value that does"
    fits = "that fits" if literal.name else "that would do"
    return f"{head} {wrong}: {now} is the {'least' if ways > 0 else 'most'} {fits}"


def _shown(value: Fraction, unit: str | None) -> str:
    rest = value.denominator
    for p in (2, 5):
        while rest % p == 0:
            rest //= p
    if rest > 1 and value.denominator < 1000:  # no decimal says it, and the language reads a quotient
        plain = f"{value.numerator}/{value.denominator}"
        return f"{plain} {unit}" if unit else plain
    return show_in(value, unit or "", Fraction(1), 6)


def _rounded(value: Fraction, up: bool) -> Fraction:
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


__all__ = ["all_conflicts", "conflict_diagnostic", "explain_conflict", "sides", "smallest", "way_out"]
