"""What is said of requirements that exclude each other: where each stands, what it comes to, what would make room."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from attrs import frozen
from cospace.compiler.checks.emptied import emptied
from cospace.compiler.clock import attempt, reason
from cospace.compiler.conflicts.conflict import Conflict, Conflicts, minimal_conflict
from cospace.compiler.conflicts.relief import Relief, reliefs, stands
from cospace.compiler.conflicts.repairs import moved_number
from cospace.compiler.conflicts.sentences import inside, rounded, sentence, shown, within
from cospace.compiler.conflicts.unmapped import least_missing
from cospace.compiler.exact import exact
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.refute import Fact, facts_of
from cospace.compiler.space.graph import Expr, absolute, sub
from cospace.compiler.space.model import Requirement
from cospace.compiler.space.units import show_quantity
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
    value = rounded(best.value, best.ways > 0) if best.ways else best.value
    literal = best.literal
    text = dict(prover.space.sources).get(literal.span.file, "")
    return moved_number(literal.span, value, text, f"`{literal.name}`" if literal.name else "the bound")


def smallest(prover: Prover, found: Sequence[Relief], places: Sequence[Span]) -> Relief | None:
    """The smallest change of one number, relative to itself, that makes room; the text with it was compiled."""
    helping = [r for r in found if r.value is not None and r.proved]
    ordered = sorted(helping, key=lambda r: (r.change is None, r.change or 0, not inside(r, places), r.ways == 0))
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
        head = "the smallest change of one number" if several else "one number"
        return f"{head}: {sentence(best, places, prover.space)}"
    if found and all(r.proved and r.value is None for r in found):
        other = [r for r in found if r.others]
        why = ": other requirements exclude each other too" if len(other) == len(found) else ""
        return f"{plain}; no change of a single number makes room{why}"
    if any(not r.proved for r in found):
        return f"{plain}; whether a change of a single number makes room was not decided"
    return plain


def _said(prover: Prover, conflict: Conflict, place: Span, found: Sequence[Relief], alone: bool) -> list[str]:
    """Which instances of a requirement matter, what it comes to, and the numbers of its own that would do.

    What its bound would have to be says what it comes to, too; where all requirements of the space ask for more than
    those of the conflict, both are said.
    """
    mine = [r for r in found if place in r.places and r.value is not None and r.proved]
    mine = [r for r in mine if r.literal.name or within(r.literal.span, place)]
    met = _nearest(prover, conflict, place)
    rooms, told = [], False
    for r in sorted(mine, key=lambda r: (r.change is None, r.change or 0)):
        rooms.append(sentence(r, conflict.places, prover.space))
        scale = dict(r.bounds).get(place)
        if met is not None and met.side is not None and scale is not None:
            told = True
            rooms[-1] += _weaker(r, met.side / scale, alone and len(conflict.places) == 1)
    lost = next((r for r in conflict.at(place) if r.work), None)
    parts = [
        None if alone else _instances(prover, conflict, place),
        None if met is None or told else met.said(len(conflict.places) - 1),
        None if lost is None else attempt(lambda: least_missing(prover.space, lost, prover.fixed), lambda: None),
        "; or ".join(rooms),
    ]
    return [p for p in parts if p]


def _weaker(relief: Relief, value: Fraction, only: bool) -> str:
    """What the bound would have to be for the conflict alone, where that is less than all requirements ask for."""
    assert relief.value is not None
    if relief.strict or abs(value - relief.value) * 10**9 <= abs(relief.value):
        return ""
    those = "this were the only requirement" if only else "only the requirements of this conflict had to hold"
    return f" ({shown(rounded(value, relief.ways > 0), relief.literal.unit)} if {those})"


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


@frozen
class _Nearest:
    """A comparison where the other requirements of a conflict hold, its sides as near as any design brings them.

    side: the one that a constant is compared with.
    """

    left: str
    sign: str
    right: str
    side: Fraction | None

    def said(self, others: int) -> str:
        beside = ("", " beside the other")[others] if others < 2 else " beside the others"
        return f"at best {self.left}{beside}, where {self.sign} {self.right} is asked"


def _nearest(prover: Prover, conflict: Conflict, place: Span) -> _Nearest | None:
    """The first comparison of a requirement of which it is known how near to each other its sides come."""
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
            values = exact.evaluate_all([a, b], outcome.design)
            said = _sides(node, values)
            if said is not None and exact.evaluate(node, outcome.design) is not True:
                free = [v for e, v in zip((a, b), values, strict=True) if not e.is_const]
                side = free[0] if len(free) == 1 and len(parts) == 1 and isinstance(free[0], Fraction) else None
                return _Nearest(*said, side)
    return None


def sides(node: Expr, values: Sequence[object], holds: bool = True) -> str | None:
    """Both sides of a comparison in numbers, what is not constant first: `12 >= 24`."""
    found = _sides(node, values, holds)
    return None if found is None else " ".join(found)


def _sides(node: Expr, values: Sequence[object], holds: bool = True) -> tuple[str, str, str] | None:
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
    return show_quantity(left, unit, 6), sign, show_quantity(right, unit, 6)


__all__ = ["all_conflicts", "conflict_diagnostic", "explain_conflict", "sides", "smallest", "way_out"]
