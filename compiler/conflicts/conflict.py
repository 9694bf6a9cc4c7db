"""Requirements that can't hold together: minimal sets of them.

The unit is a requirement as it stands in the text, with all its instances: those of a loop, of the values that the user
or chance binds, of the works that a rule answers. A set is minimal when it was refuted and each part of it, one of its
requirements left out, has a design. Within it the instances are minimal, too: those named are the ones that matter.
What is left out first was declared last, so that the answer is the same from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen
from cospace.compiler.cost import holds
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.space.model import Requirement
from cospace.dsl.diagnostics import Span

QUESTIONS = 400
"""Sets that are asked while all conflicts are looked for."""


@frozen(eq=False)
class Conflict:
    """requirements: instances that no design meets together; minimal: each place was shown to be needed, by a design
    that meets all instances of the others."""

    requirements: tuple[Requirement, ...]
    minimal: bool

    @property
    def places(self) -> tuple[Span, ...]:
        """Where the requirements stand, each place once."""
        return tuple(dict.fromkeys(r.span for r in self.requirements))

    def at(self, place: Span) -> tuple[Requirement, ...]:
        """The instances of one requirement that matter."""
        return tuple(r for r in self.requirements if r.span == place)


def minimal_conflict(prover: Prover, core: Sequence[Requirement]) -> Conflict:
    """A minimal part of requirements that no design meets: deletion, last declared first, then checked once more."""
    by_place: dict[object, list[Requirement]] = {p: g for p, g in _by_place(prover.space.requirements).items()}
    own = {id(r) for r in prover.space.requirements}
    by_place |= {id(r): [r] for r in core if id(r) not in own}  # what is asked beside the space stands for itself
    place_of = {id(r): place for place, group in by_place.items() for r in group}
    order = {place: i for i, place in enumerate(by_place)}
    kept = sorted({place_of[id(r)] for r in core}, key=order.__getitem__)
    last = list(core)
    sure = True
    for place in reversed(kept):
        if place not in kept:
            continue
        rest = [p for p in kept if p != place]
        verdict = prover.settle(_instances(by_place, rest))
        if verdict.possible is False:
            last = list(verdict.core)
            used = {place_of[id(r)] for r in last}
            kept = [p for p in rest if p in used]
        elif verdict.possible is None:
            sure = False
    for place in kept:  # deletion went on after some were kept: each is still needed
        without = _instances(by_place, [p for p in kept if p != place])
        sure = sure and prover.settle(without).possible is True
    found = _few_instances(prover, [r for r in _instances(by_place, kept) if any(r is k for k in last)])
    return Conflict(tuple(found), sure and prover.settle(found).possible is False)


def _few_instances(prover: Prover, core: list[Requirement]) -> list[Requirement]:
    """Instances of which none can be left out; where nothing more can be told, the rest stays."""
    kept = list(core)
    if len({r.span for r in kept}) == len(kept):
        return kept
    for r in reversed(core):
        if any(k is r for k in kept):
            verdict = prover.settle([k for k in kept if k is not r])
            if verdict.possible is False:
                kept = [k for k in kept if any(k is c for c in verdict.core)]
    return kept


def _by_place(requirements: Iterable[Requirement]) -> dict[Span, list[Requirement]]:
    """The instances of each requirement, in declared order."""
    found: dict[Span, list[Requirement]] = {}
    for r in requirements:
        own = found.setdefault(r.span, [])
        if not any(r is o for o in own):
            own.append(r)
    return found


def _instances(by_place: Mapping[Any, list[Requirement]], places: Iterable[object]) -> list[Requirement]:
    return [r for p in places for r in by_place[p]]


# ---- all of them


@define(eq=False)
class Conflicts:
    """All minimal conflicts, from all minimal corrections: sets of requirements without which there is a design.

    Each correction leaves out something of every conflict, and the minimal sets that meet all corrections are the
    conflicts. complete: False where the number of questions ended before.
    """

    prover: Prover
    complete: bool = True
    _left: int = QUESTIONS
    _by_place: dict[Span, list[Requirement]] = field(init=False)
    _found: dict[frozenset[int], Conflict] = field(init=False, factory=dict)
    _met: list[frozenset[int]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._by_place = _by_place(self.prover.space.requirements)

    def all(self) -> list[Conflict]:
        corrections: list[frozenset[int]] = []
        waiting: list[frozenset[int]] = [frozenset()]
        seen = set(waiting)
        while waiting:
            removed = waiting.pop(0)
            if any(c <= removed for c in corrections):
                continue
            conflict = next((c for c in self._found if not c & removed), None)
            if conflict is None:
                answer = self._ask(frozenset(range(len(self._by_place))) - removed)
                if answer is True:
                    corrections.append(removed)
                    continue
                if not isinstance(answer, frozenset):
                    self.complete = False
                    continue
                conflict = answer
            for i in sorted(conflict):
                more = removed | {i}
                if more not in seen:
                    seen.add(more)
                    waiting.append(more)
        for places in _transversals(corrections) if self.complete else ():
            if places not in self._found:
                self._ask(places)
        return [self._found[c] for c in sorted(self._found, key=sorted)]

    def _ask(self, kept: frozenset[int]) -> frozenset[int] | bool | None:
        """A minimal conflict among some requirements, True where they have a design, None where it isn't known."""
        if any(kept <= met for met in self._met):
            return True
        self._left -= 1
        if self._left < 0:
            return None
        places = list(self._by_place)
        verdict = self.prover.settle(_instances(self._by_place, [places[i] for i in sorted(kept)]))
        if verdict.possible is False:
            conflict = minimal_conflict(self.prover, verdict.core)
            self.complete = self.complete and conflict.minimal
            own = frozenset(places.index(p) for p in conflict.places)
            self._found[own] = conflict
            return own
        design = verdict.witness
        if design is not None:
            groups = self._by_place.values()
            met = (i for i, group in enumerate(groups) if all(holds(r, design) is True for r in group))
            self._met.append(frozenset(met))
        return verdict.possible


def _transversals(sets: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """The minimal sets that share something with each of the given ones."""
    found = [frozenset[int]()]
    for s in sets:
        grown = {f if f & s else f | {i} for f in found for i in s}
        found = [g for g in grown if not any(o < g for o in grown)]
    return found


__all__ = ["Conflict", "Conflicts", "minimal_conflict"]
