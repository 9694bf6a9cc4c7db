"""What the change of a spec did to its space: the designs that were lost, gained and kept, counted and shown.

A design is the same in two spaces when the same decisions are live in it with the same values. The spaces are laid
side by side as expressions over the decisions that both have; what only one has is read there as not live, or at the
value it is pinned to. Every count and witness then comes from the counter and the prover that a single space uses.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import evolve, frozen
from cospace.compiler import clock
from cospace.compiler.counting.count import Count, solve_space
from cospace.compiler.exact.exact import decided, evaluate
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.proofs.listing import Listing
from cospace.compiler.proofs.prove import Prover, Verdict
from cospace.compiler.space import graph
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Value, both, either, implies, negate
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Decision, Design, Objective, Requirement, Space, spell
from cospace.compiler.space.pins import fix
from cospace.compiler.space.substitute import ProblemTable, Sharing, Substitution
from cospace.dsl.diagnostics import Span

Bounds = tuple[int, int | None]
"""Proved, at least and at most; the second None where nothing is known."""


@frozen
class Side:
    """Designs of one space that the other has not. example: one of them, decided exactly; why: what the other says."""

    count: Bounds
    example: Design | None = None
    why: str | None = None


@frozen
class Difference:
    """old, new: the counts of both. Pairs hold what was and what is, None where there is nothing of the kind.

    example: a design of both, as it stands in the old space and in the new one. limit: why less is known than might be.
    """

    old: Count
    new: Count
    kept: Bounds
    lost: Side
    gained: Side
    example: tuple[Design, Design] | None
    decisions: tuple[tuple[Decision | None, Decision | None], ...]
    requirements: tuple[tuple[Requirement | None, Requirement | None], ...]
    objectives: tuple[tuple[Objective | None, Objective | None], ...]
    limit: str | None = None


def difference(
    old: Space, new: Space, pinned: tuple[Mapping[str, Value], Mapping[str, Value]] = ({}, {})
) -> Difference:
    """Compare two spaces. pinned: decisions held to a value in the old and in the new space.

    One that is pinned and that the other space has not is left out of what makes designs the same.
    """
    table = ProblemTable()
    before, after = (_shared(fix(space, held), table) for space, held in zip((old, new), pinned, strict=True))
    pair = _Pair(before, after, pinned)
    counts = solve_space(before).count, solve_space(after).count
    common = solve_space(pair.both).count.bounds
    lost, gained = (_side(pair, i, counts[i].bounds, common) for i in (0, 1))
    shared = _shared_example(pair)
    return Difference(
        *counts,
        kept=_kept(common, counts, (lost, gained)),
        lost=lost,
        gained=gained,
        example=None if shared is None else (pair.complete(0, shared), pair.complete(1, shared)),
        decisions=tuple(_decisions(before, after)),
        requirements=tuple(
            _pairs(before.requirements, after.requirements, lambda r: (r.guard, r.value), lambda r: r.reason)
        ),
        objectives=tuple(_pairs(before.objectives, after.objectives, lambda o: (o.value, o.sense), lambda o: o.text)),
        limit=clock.reason() if clock.hit() else of_met(met) if (met := (*old.met, *new.met)) else None,
    )


def _side(pair: _Pair, i: int, whole: Bounds, common: Bounds) -> Side:
    """The designs of space `i` that the other has not."""
    if whole == common and whole[0] == whole[1]:
        return Side((0, 0))
    listed = pair.listed(i)
    proof = _example(pair.spaces[i], pair.without(i)) if listed is None else _first(listed.apart)
    if any(s.met for s in pair.spaces):
        proof = None, proof[1]
    example = proof[1]
    return Side(_subtract(whole, common, proof), example, None if example is None else pair.reason(i, example))


def _first(rows: Sequence[Design]) -> tuple[bool, Design | None]:
    return bool(rows), rows[0] if rows else None


def _shared_example(pair: _Pair) -> Design | None:
    """A design of both, in what both decide."""
    listed = next((known for known in pair.known_lists() if known is not None), None) or pair.listed(0)
    if listed is None:
        return _example(pair.both, ())[1]
    _, found = _first(listed.shared)
    return None if found is None else {path: v for path, v in found.items() if path in set(pair.common)}


def _example(space: Space, further: Sequence[Requirement]) -> tuple[bool | None, Design | None]:
    """Whether a design meets the space's requirements and these, and one that does."""
    asked = evolve(space, requirements=(*space.requirements, *further))
    if any(r.value is FALSE and r.guard is TRUE for r in asked.requirements):
        return False, None
    if not asked.decisions:
        holds = all(decided(implies(r.guard, r.value), {}) for r in asked.requirements)
        return holds, {} if holds else None
    verdict = clock.attempt(lambda: Prover(asked).draw_or_settle(), lambda: Verdict(None, limit=clock.reason()))
    return verdict.possible, verdict.witness


def _subtract(whole: Bounds, common: Bounds, proof: tuple[bool | None, Design | None]) -> Bounds:
    """Bounds on the designs of a space that are not in both."""
    if proof[0] is False:
        return 0, 0
    least = 0 if common[1] is None else whole[0] - common[1]
    most = None if whole[1] is None else whole[1] - common[0]
    return max(least, 1 if proof[0] else 0), most


def _kept(common: Bounds, counts: Sequence[Count], sides: Sequence[Side]) -> Bounds:
    """Bounds on the designs of both: all of a space that is proved to have lost none are in the other."""
    found = [common, *(c.bounds for c, side in zip(counts, sides, strict=True) if side.count == (0, 0))]
    ends = [high for _, high in found if high is not None]
    return max(low for low, _ in found), min(ends) if ends else None


# ---- two spaces side by side


@frozen
class _Listed:
    """A design of a small space that the other has not, and one that it has; each of both lists may be empty."""

    apart: tuple[Design, ...]
    shared: tuple[Design, ...]


class _Pair:
    """Two spaces, read over the decisions that both have."""

    def __init__(self, old: Space, new: Space, pinned: tuple[Mapping[str, Value], Mapping[str, Value]]) -> None:
        self.spaces = (old, new)
        self.pinned = pinned
        known = ({d.path: d for d in old.decisions}, {d.path: d for d in new.decisions})
        self.common = [d.path for d in old.decisions if _values(d, known[1].get(d.path))]
        self.known = known
        self.own = tuple([d for d in s.decisions if d.path not in set(self.common)] for s in self.spaces)
        self._put = tuple(Substitution(self._constants(i)) for i in (0, 1))
        self._listed: dict[int, _Listed | None] = {}

    def known_lists(self) -> Iterable[_Listed | None]:
        return self._listed.values()

    def listed(self, i: int) -> _Listed | None:
        """What the list of all designs of space `i` shows; None where they are too many, or there was no time."""
        if i not in self._listed:
            self._listed[i] = clock.attempt(lambda: self._list(i), lambda: None)
        return self._listed[i]

    def _list(self, i: int) -> _Listed | None:
        space = self.spaces[i]
        listing = Listing.of(Frame.of(space)) if space.decisions else None
        own = [implies(r.guard, r.value) for r in space.requirements]
        theirs = [e for e, _ in self._conditions(i)]
        met = None if listing is None else listing.meeting([*own, *theirs])
        if listing is None or met is None:
            return None
        feasible, inside = met[:, : len(own)].all(axis=1), met[:, len(own) :].all(axis=1)
        apart, shared = (
            tuple([decode(space.decisions, row) for row in listing.rows[wanted][:1]])
            for wanted in (feasible & ~inside, feasible & inside)
        )
        return _Listed(apart, shared)

    def _constants(self, i: int) -> dict[str, Expr]:
        """What only this space has, at the value it is pinned to, or at any: it is not live where it is not pinned."""
        return {d.path: graph.const(self.pinned[i].get(d.path, d.values[0]), d.type.unit) for d in self.own[i]}

    @property
    def both(self) -> Space:
        """The space of the designs that are in both."""
        decisions = []
        for path in self.common:
            d = self.known[0][path]
            kept = _values(d, self.known[1][path])
            put = self._put[0]
            allowed = None if d.allowed is None else tuple(
                put(a) for v, a in zip(d.values, d.allowed, strict=True) if _key(v) in kept
            )  # fmt: skip
            values = tuple(v for v in d.values if _key(v) in kept)
            decisions.append(evolve(d, values=values, guard=put(d.guard), allowed=allowed))
        asked = [Requirement(e, TRUE, reason, d_span) for e, reason, d_span in self._alike(0)]
        asked += [r for i in (0, 1) for r in self._asked(i)]
        return evolve(self.spaces[0], decisions=tuple(decisions), requirements=tuple(asked))

    def without(self, i: int) -> tuple[Requirement, ...]:
        """What makes a design of space `i` none of the other."""
        inside = both(*(e for e, _ in self._conditions(i)))
        return (Requirement(negate(inside), TRUE, "not a design of the other", self.spaces[i].decisions[0].span),)

    def reason(self, i: int, design: Design) -> str:
        """What the other space says of a design that it has not."""
        for e, reason in self._conditions(i):
            if evaluate(e, design) is not True:
                return reason
        raise AssertionError(f"a design of both was taken for one of one: {design}")

    def complete(self, i: int, design: Design) -> Design:
        """A design of both as it stands in space `i`, what is pinned there put in."""
        found = dict(design)
        for d in self.spaces[i].decisions:
            if d.path in self.pinned[i] and d.path not in found and evaluate(d.guard, found) is True:
                found[d.path] = self.pinned[i][d.path]
        return {d.path: found[d.path] for d in self.spaces[i].decisions if d.path in found}

    def _conditions(self, i: int) -> list[tuple[Expr, str]]:
        """What makes a design of space `i` one of the other, over the decisions of space `i`, what protects first."""
        found = [(e, reason) for e, reason, _ in self._alike(i)]
        return found + [(implies(r.guard, r.value), r.reason) for r in self._asked(1 - i)]

    def _asked(self, i: int) -> list[Requirement]:
        """The requirements of space `i`, and its domains where they depend on other decisions."""
        put = self._put[i]
        found = []
        for d in self.spaces[i].decisions:
            for v, a in zip(d.values, d.allowed or (), strict=False):
                here = graph.eq(put(graph.var(d.path, d.type)), graph.const(v, d.type.unit))
                reason = f"{d.path} = {spell(v, d.unit, d.scale)} is not in its domain here"
                found.append(Requirement(either(negate(here), put(a)), put(d.guard), reason, d.span, "domain"))
        found += [evolve(r, value=put(r.value), guard=put(r.guard)) for r in self.spaces[i].requirements]
        return [r for r in found if implies(r.guard, r.value) is not TRUE]

    def _alike(self, i: int) -> Iterable[tuple[Expr, str, Span]]:
        """That the same decisions are live with values that both have, over the decisions of space `i`."""
        here, there = self.known[i], self.known[1 - i]
        for j in (i, 1 - i):
            for d in self.own[j]:
                if d.path not in self.pinned[j]:
                    # the space at hand has its own decisions, the other's are put in
                    guard = d.guard if j == i else self._put[j](d.guard)
                    where = "there is no such decision" if j == i else "it is live there and not here"
                    yield negate(guard), f"{d.path}: {where}", d.span
        for path in self.common:
            d, other = here[path], there[path]
            kept = _values(d, other)
            for v in d.values:
                if _key(v) not in kept:
                    taken = graph.eq(graph.var(path, d.type), graph.const(v, d.type.unit))
                    yield (
                        negate(both(d.guard, taken)), f"{path} can't be {spell(v, d.unit, d.scale)}", d.span
                    )  # fmt: skip
            guard = self._put[1 - i](other.guard)
            if guard is not d.guard:
                alike = either(both(d.guard, guard), both(negate(d.guard), negate(guard)))
                yield alike, f"{path} is live in one and not in the other", d.span


def _key(value: Value) -> tuple[type, Value]:
    return value.__class__, value


def _values(d: Decision, other: Decision | None) -> set[tuple[type, Value]]:
    """The values that both have."""
    if other is None or other.type != d.type:
        return set()
    return {_key(v) for v in d.values} & {_key(v) for v in other.values}


def _shared(space: Space, table: ProblemTable) -> Space:
    """The space with its mapping problems told by what they say, so that equal ones are equal in both spaces."""
    put = Sharing(table)
    return evolve(
        space,
        decisions=tuple(
            evolve(d, guard=put(d.guard), allowed=None if d.allowed is None else tuple(map(put, d.allowed)))
            for d in space.decisions
        ),
        requirements=tuple(evolve(r, value=put(r.value), guard=put(r.guard)) for r in space.requirements),
        objectives=tuple(o if o.measured else evolve(o, value=put(o.value)) for o in space.objectives),
    )


# ---- what was written


def _decisions(old: Space, new: Space) -> Iterable[tuple[Decision | None, Decision | None]]:
    """Decisions that are not the same in both, in declared order, new ones last."""
    there = {d.path: d for d in new.decisions}
    here = {d.path for d in old.decisions}
    for d in old.decisions:
        other = there.get(d.path)
        if other is None or _says(d) != _says(other):
            yield d, other
    yield from ((None, d) for d in new.decisions if d.path not in here)


def _says(d: Decision) -> tuple[object, ...]:
    return tuple(map(_key, d.values)), d.type, d.guard, d.allowed


T = TypeVar("T", Requirement, Objective)


def _pairs(
    old: Sequence[T], new: Sequence[T], says: Callable[[T], Hashable], called: Callable[[T], str]
) -> Iterable[tuple[T | None, T | None]]:
    """Those that are not in both; two that are called alike are one that reads otherwise."""
    before, after = ({says(r) for r in side} for side in (old, new))
    gone = [r for r in old if says(r) not in after]
    come = [r for r in new if says(r) not in before]
    for r in gone:
        other = next((o for o in come if called(o) == called(r)), None)
        if other is not None:
            come.remove(other)
        yield r, other
    yield from ((None, r) for r in come)
