"""Requirements that can't hold together: minimal sets, and for each bound in one the nearest value that makes room.

A set is minimal when it was refuted and each part of it, one requirement left out, has a design; left out are first
those declared last, so that the answer is the same from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from attrs import define, field, frozen
from cospace.compiler.bounds import Bound, bounds_of, relaxed
from cospace.compiler.cost import holds
from cospace.compiler.graph import Expr, absolute, branch, const, maximum, minimum, negative, sub
from cospace.compiler.model import Design, Requirement
from cospace.compiler.prove import Prover
from cospace.compiler.refute import Fact, facts_of
from cospace.compiler.units import natural_unit, show_in
from cospace.dsl.diagnostics import Diagnostic, Label

QUESTIONS = 400
"""Sets that are asked while all conflicts are looked for."""


@frozen(eq=False)
class Relief:
    """A bound of a conflict, and the nearest value with which the space has a design.

    value: None where no value does, `others` being why (they exclude each other without it), or where the search was
    given up (`others` empty). strict: the bound has to be beyond the value. design: feasible with it, re-checked.
    proved: no nearer value does.
    """

    bound: Bound
    value: Fraction | None = None
    strict: bool = False
    design: Design | None = None
    proved: bool = False
    others: tuple[Requirement, ...] = ()

    @property
    def change(self) -> Fraction | None:
        """How much the bound moves, relative to itself; None where it is 0 or does not help."""
        if self.value is None or not self.bound.value:
            return None
        return abs((self.value - self.bound.value) / self.bound.value)


@frozen(eq=False)
class Conflict:
    """requirements: no design meets them all; minimal: each was shown to be needed, by a design without it."""

    requirements: tuple[Requirement, ...]
    minimal: bool
    reliefs: tuple[Relief, ...] = ()

    @property
    def nearest(self) -> Relief | None:
        """The smallest relative change of one bound that makes room."""
        found = [r for r in self.reliefs if r.change is not None and r.proved]
        return min(found, key=lambda r: r.change or 0, default=None)


def minimal_conflict(prover: Prover, core: Sequence[Requirement]) -> Conflict:
    """A minimal part of requirements that no design meets: deletion, last declared first, then checked once more."""
    order = {id(r): i for i, r in enumerate(prover.space.requirements)}
    kept = sorted(core, key=lambda r: order.get(id(r), -1))
    sure = True
    for r in reversed(list(kept)):
        if not any(k is r for k in kept):
            continue
        verdict = prover.settle([k for k in kept if k is not r])
        if verdict.possible is False:
            kept = [k for k in kept if any(k is c for c in verdict.core)]
        elif verdict.possible is None:
            sure = False
    for r in kept:  # deletion went on after some were kept: each is still needed
        sure = sure and prover.settle([k for k in kept if k is not r]).possible is True
    return Conflict(tuple(kept), sure and prover.settle(kept).possible is False)


def relieved(prover: Prover, conflict: Conflict) -> Conflict:
    """The conflict with what each of its bounds would have to be."""
    found = bounds_of(prover.space, conflict.requirements)
    reliefs = tuple(r for b in found if (r := nearest(prover, b)) is not None)
    return Conflict(conflict.requirements, conflict.minimal, reliefs)


def nearest(prover: Prover, bound: Bound) -> Relief | None:
    """The value next to the bound's own with which some design meets every requirement of the space.

    Where a bound stands in several requirements, all of them move with it.
    """
    facts, goal = relaxed_question(prover, bound)
    outcome, proved = prover.least(goal, facts)
    if outcome.design is None:
        if not proved:
            return Relief(bound)
        rest = [r for r in prover.space.requirements if not any(r is s.requirement for s in bound.sites)]
        verdict = prover.settle(rest)
        others = verdict.core if verdict.possible is False else ()
        return Relief(bound, None, proved=True, others=others)
    value = bound.at(outcome.design)
    if value is None or not _attained(prover, bound, value, outcome.design):
        return Relief(bound)
    return Relief(bound, value, bound.strict, outcome.design, proved)


def relaxed_question(prover: Prover, bound: Bound) -> tuple[list[Fact], Expr]:
    """What a design has to meet once the bound may be anything, and how far it then is from the bound: to be least."""
    own = {id(s.requirement) for s in bound.sites}
    facts = facts_of([r for r in prover.space.requirements if id(r) not in own])
    edges = []
    unit = bound.sites[0].edge.type.unit
    at = const(bound.value, unit)
    for s in bound.sites:
        free, held = relaxed(s.requirement, s.node, True), relaxed(s.requirement, s.node, False)
        facts.append(Fact(free, ("relaxed", s.requirement.span)))
        edges.append(s.edge if held.is_const else branch(held, at, s.edge))
    if bound.direction == 0:
        return facts, absolute(sub(edges[0], at))
    if bound.direction > 0:
        return facts, maximum(*edges)
    return facts, negative(minimum(*edges))


def _attained(prover: Prover, bound: Bound, value: Fraction, design: Design) -> bool:
    """Whether the design meets every requirement, those with the bound at its new value; exactly."""
    own = {id(s.requirement): s for s in bound.sites}
    unchanged = all(holds(r, design) is True for r in prover.space.requirements if id(r) not in own)
    if bound.strict:
        value += bound.direction * max(abs(value), Fraction(1)) / 10**9
    return unchanged and all(holds(s.moved(value), design) is True for s in bound.sites)


# ---- in words


def conflict_diagnostic(prover: Prover, conflict: Conflict, given: str | None = None) -> Diagnostic:
    """CS601: no design at all; each requirement of the conflict is a label, each bound with what would make room."""
    core = conflict.requirements
    if not core:
        return Diagnostic("CS601", "error", "no design is feasible", prover.space.decisions[0].span)
    conflict = relieved(prover, conflict)
    rooms = [_room(conflict, r) for r in core]
    subject = f"{given} leaves no design" if given else "no design is feasible"
    first = core[0]
    if len(core) == 1:
        message = f"{subject}: {first.reason}: {rooms[0]}" if rooms[0] else f"{subject}: {first.reason}"
        labels: tuple[Label, ...] = ()
    else:
        message = f"{subject}: {len(core)} requirements exclude each other"
        labels = tuple(Label(r.span, room or r.reason) for r, room in zip(core, rooms, strict=True))
    if not conflict.minimal:
        message += " (not proved to be the fewest)"
    return Diagnostic("CS601", "error", message, first.span, labels, _way_out(conflict))


def _way_out(conflict: Conflict) -> str:
    plain = "relax one of them" if len(conflict.requirements) > 1 else "relax it, or widen what it reads"
    nearest_one = conflict.nearest
    helping = [r for r in conflict.reliefs if r.value is not None]
    if nearest_one is not None and len(helping) > 1:
        return f"{plain}; the smallest change: {_sentence(nearest_one)}"
    if conflict.reliefs and all(r.proved and r.value is None for r in conflict.reliefs):
        return f"{plain}; no single one of the bounds makes room by itself: other requirements exclude each other too"
    return plain


def _room(conflict: Conflict, requirement: Requirement) -> str | None:
    """What would make room in one requirement, the smallest change first."""
    mine = [r for r in conflict.reliefs if any(s.requirement is requirement for s in r.bound.sites)]
    helping = sorted((r for r in mine if r.value is not None and r.proved), key=lambda r: r.change or 0)
    return "; or ".join(_sentence(r) for r in helping) or None


def _sentence(relief: Relief) -> str:
    bound, value = relief.bound, relief.value
    assert value is not None
    unit = bound.sites[0].edge.type.unit
    up = bound.direction > 0
    shown, scale = natural_unit(max(abs(bound.value), abs(value)), unit)
    near = value if bound.direction == 0 else _rounded(value / scale, bound.direction > 0) * scale
    was, now = (show_in(v, shown, scale, 6) for v in (bound.value, near))
    head = f"{bound.name} = {was}" if bound.name else f"the bound {was}"
    if bound.direction == 0:
        return f"{head} is never met: {now} is the nearest value that is"
    wrong = "short" if up else "too much"
    if relief.strict:
        return f"{head} is {wrong}: it has to be {'more' if up else 'less'} than {now}"
    fits = "that fits" if bound.name else "that would do"
    return f"{head} is {wrong}: {now} is the {'least' if up else 'most'} {fits}"


def all_conflicts(prover: Prover) -> tuple[tuple[Diagnostic, ...], bool]:
    """CS601 for each minimal conflict of the space, and whether these are all."""
    search = Conflicts(prover)
    found = search.all()
    return tuple(conflict_diagnostic(prover, Conflict(c, search.complete)) for c in found), search.complete


def _rounded(value: Fraction, up: bool) -> Fraction:
    """To six digits, away from what would not fit; a whole number stays what it is."""
    if value.denominator == 1:
        return value
    digits = 6
    scale = Fraction(10) ** (digits - len(str(int(abs(value)))) if abs(value) >= 1 else digits + _leading_zeros(value))
    scaled = value * scale
    whole = -((-scaled) // 1) if up else scaled // 1
    return Fraction(whole) / scale


def _leading_zeros(value: Fraction) -> int:
    return max(0, len(str(int(1 / abs(value)))) - 1)


# ---- all of them


@define(eq=False)
class Conflicts:
    """All minimal conflicts, from all minimal corrections: sets of requirements without which there is a design.

    Each correction leaves out something of every conflict, and the minimal sets that meet all corrections are the
    conflicts. complete: False where the number of questions ended before.
    """

    prover: Prover
    found: list[tuple[Requirement, ...]] = field(factory=list)
    complete: bool = True
    _met: list[frozenset[int]] = field(factory=list)
    _left: int = QUESTIONS

    def all(self) -> list[tuple[Requirement, ...]]:
        every = self.prover.space.requirements
        corrections: list[frozenset[int]] = []
        waiting: list[frozenset[int]] = [frozenset()]
        seen = set(waiting)
        conflicts: list[frozenset[int]] = []
        while waiting:
            removed = waiting.pop(0)
            if any(c <= removed for c in corrections):
                continue
            conflict = next((c for c in conflicts if not c & removed), None)
            if conflict is None:
                answer = self._ask(frozenset(range(len(every))) - removed)
                if answer is True:
                    corrections.append(removed)
                    continue
                if not isinstance(answer, frozenset):
                    self.complete = False
                    continue
                conflict = answer
                conflicts.append(conflict)
            for i in sorted(conflict):
                more = removed | {i}
                if more not in seen:
                    seen.add(more)
                    waiting.append(more)
        for sets in _transversals(corrections) if self.complete else conflicts:
            if not any(c == sets for c in conflicts):
                conflicts.append(sets)
        conflicts.sort(key=sorted)
        return [tuple(every[i] for i in sorted(c)) for c in conflicts]

    def _ask(self, kept: frozenset[int]) -> frozenset[int] | bool | None:
        """A minimal conflict among some requirements, True where they have a design, None where it isn't known."""
        if any(kept <= met for met in self._met):
            return True
        self._left -= 1
        if self._left < 0:
            return None
        every = self.prover.space.requirements
        verdict = self.prover.settle([every[i] for i in sorted(kept)])
        if verdict.possible is False:
            conflict = minimal_conflict(self.prover, verdict.core)
            places = {id(r): i for i, r in enumerate(every)}
            self.complete = self.complete and conflict.minimal
            return frozenset(places[id(r)] for r in conflict.requirements)
        if verdict.witness is not None:
            self._met.append(frozenset(i for i, r in enumerate(every) if holds(r, verdict.witness) is True))
        return verdict.possible


def _transversals(sets: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """The minimal sets that share something with each of the given ones."""
    found = [frozenset[int]()]
    for s in sets:
        grown = {f if f & s else f | {i} for f in found for i in s}
        found = [g for g in grown if not any(o < g for o in grown)]
    return found
