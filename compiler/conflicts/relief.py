"""For each number of a conflict the nearest value that makes room, or a proof that none does.

What is asked is the whole space with that number left open (`literals`), so every requirement has a say, whichever and
however often they read it. An answer with a value was re-checked at a design with it; one that none does rests on the
requirements that do not read the number and exclude each other, or on a search that covered its whole line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from attrs import evolve, frozen
from cospace.compiler.bounds.boxes import TRIED
from cospace.compiler.conflicts.literals import Literal, Opened, compiled, opened
from cospace.compiler.conflicts.openings import Opening, nearest_opening
from cospace.compiler.conflicts.thresholds import Effort, Untold, nearest
from cospace.compiler.exact import exact
from cospace.compiler.proofs.edges import goal_of
from cospace.compiler.proofs.prove import Prover, Verdict
from cospace.compiler.proofs.refute import Fact, facts_of
from cospace.compiler.space.graph import Expr, MapProblem, const, implies, walk
from cospace.compiler.space.model import Design, Requirement, Space
from cospace.compiler.space.polarity import Polarity
from cospace.dsl.diagnostics import Span

VISITS = 3_000
"""Boxes that are looked at for one number, on either side of it."""
LEAST = 400
WORK = 450_000
"""Nodes of expressions, times boxes, that are looked at for all numbers of a conflict; one takes a third of what is
left at most."""
MOST = 60
"""Numbers of one conflict that are asked, those of its own lines first."""


@frozen(eq=False)
class Relief:
    """A number of a conflict, and the nearest value with which the space has a design.

    value: None where no value does, `others` being requirements that exclude each other whatever it is, or where it is
    not known (`proved` false). strict: it has to be beyond the value. rational: else the value is a hair off.
    ways: how more of the number makes room: 1 more, -1 less, 0 it depends. places: of the requirements that read it.
    design: feasible with `inside`, which is the value, or beyond it where it is strict. bounds: the places where the
    number is a side of a comparison by itself, each with how many base units one of it is there.
    """

    literal: Literal
    places: tuple[Span, ...]
    ways: int
    value: Fraction | None = None
    strict: bool = False
    rational: bool = True
    inside: Fraction | None = None
    design: Design | None = None
    proved: bool = False
    others: tuple[Requirement, ...] = ()
    bounds: tuple[tuple[Span, Fraction], ...] = ()

    @property
    def change(self) -> Fraction | None:
        """How much the number moves, relative to itself; None where it is 0 or does not help."""
        if self.value is None or not self.literal.value:
            return None
        return abs((self.value - self.literal.value) / self.literal.value)


def reliefs(prover: Prover, places: Sequence[Span]) -> tuple[Relief, ...]:
    """What each number that the requirements at these places read would have to be, in the order of the text."""
    found = opened(prover.space, places)
    if found is None:
        return ()
    asked = [r for r in found.space.requirements if r.span in places]
    read = frozenset().union(*(r.value.free | r.guard.free for r in asked))
    literals = [x for x in found.literals if x.path in read]
    literals.sort(key=lambda x: not x.within(places))
    search = _Reliefs(found, Prover(evolve(found.space, requirements=()), prover.fixed))
    made = [search.of(x) for x in literals[:MOST]]
    made += [Relief(x, (), 0) for x in (*literals[MOST:], *found.untried)]
    return tuple(sorted((m for m in made if m is not None), key=lambda m: (m.literal.span.file, m.literal.span.start)))


def stands(space: Space, relief: Relief) -> bool:
    """Whether the text, with the number changed in it, compiles to a space in which the relief's design is feasible."""
    if relief.inside is None or relief.design is None:
        return False
    changed = compiled(space, {relief.literal.span: const(relief.inside)})
    if changed is None:
        return False
    asked = [implies(r.guard, r.value) for r in changed.requirements]
    return all(v is True for v in exact.evaluate_all(asked, relief.design))


class _Reliefs:
    """The numbers of one space, asked one after the other."""

    def __init__(self, opened: Opened, prover: Prover) -> None:
        self.opened = opened
        self.prover = prover
        self._without: dict[frozenset[int], Verdict] = {}
        self._alive: list[object] = []
        self._left = WORK
        self.effort = Effort()
        self._size = 1

    def of(self, literal: Literal) -> Relief | None:
        """None where no requirement reads the number once all others are as they are."""
        every = self.opened.requirements(literal)
        reading = [r for r in every if literal.path in r.value.free | r.guard.free]
        if not reading:
            return None
        places = tuple(dict.fromkeys(r.span for r in reading))
        polarity = Polarity(literal.path, self._range)
        ways = frozenset().union(*(polarity(implies(r.guard, r.value)) for r in reading))
        bounds = tuple((r.span, scale) for r in reading if (scale := _as_bound(r.value, literal)) is not None)
        relief = Relief(literal, places, next(iter(ways)) if len(ways) == 1 else 0, bounds=bounds)
        tied, decisions = self._tied(literal, every)
        apart = self._settled([r for r in every if not any(r is t for t in tied)])
        if apart.possible is False:
            return evolve(relief, proved=True, others=apart.core)
        if apart.witness is None:
            return relief
        facts = facts_of(tied)
        self._size = _size(facts)
        best = self._by_edges(literal, facts) if len(ways) == 1 else None
        proved = best is not None and best.proved
        if best is None and self._visits() < 4:
            return relief
        if best is None:
            rest = self._settled([r for r in tied if literal.path not in r.value.free | r.guard.free])
            if rest.possible is False:
                return evolve(relief, proved=True, others=rest.core)
            best, proved = self._searched(literal, facts, ways)
        if best.threshold is None or best.design is None:
            return evolve(relief, proved=proved)
        outside = {p: v for p, v in apart.witness.items() if p not in decisions}
        best = evolve(best, design={**outside, **{p: v for p, v in best.design.items() if p in decisions}})
        assert best.threshold is not None and best.design is not None
        asked = [implies(r.guard, r.value) for r in every]
        if not all(v is True for v in exact.evaluate_all(asked, best.design)):
            return relief
        t = best.threshold
        return evolve(
            relief, value=t.value, strict=not t.attained, rational=t.rational, inside=t.inside,
            design={p: v for p, v in best.design.items() if p != literal.path}, proved=proved,
        )  # fmt: skip

    def _tied(self, literal: Literal, every: Sequence[Requirement]) -> tuple[list[Requirement], set[str]]:
        """The requirements that a number has to do with, step by step through decisions, and these with the number.

        What is left has nothing in common with them, so that a design of the one goes with any of the other.
        """
        links = [r.value.free | r.guard.free for r in every]
        links += [
            d.guard.free.union((d.path,), *(a.free for a in d.allowed or ())) for d in self.prover.space.decisions
        ]
        found = {literal.path}
        while more := frozenset().union(*(link for link in links if link & found)) - found:
            found |= more
        return [r for r, link in zip(every, links, strict=False) if link & found], found

    def _by_edges(self, literal: Literal, facts: list[Fact]) -> Opening | None:
        """Where all that is asked of the number is to be large or small enough: the least that any design asks."""
        reading = [f for f in facts if literal.path in f.value.free]
        found = goal_of(reading, literal.path, literal.value, self._range)
        if found is None:
            return None
        goal, up = found
        rest = [f for f in facts if literal.path not in f.value.free]
        outcome, proved = self.prover.least(goal, rest, self._visits())
        self._left -= outcome.looked * self._size
        if outcome.limit is not None:
            return Opening(None, None, False)  # the search without edges would come no further
        if outcome.design is None or not proved:
            return None
        try:
            conditions = [f.value for f in reading]
            met = nearest(conditions, outcome.design, literal.path, literal.value, None, up, self.effort)
        except Untold:
            return None
        at = exact.evaluate(goal, outcome.design)
        if met is None or not isinstance(at, Fraction) or met.value != (at if up else -at):
            return None
        return Opening(met, {**outcome.design, literal.path: met.inside}, True)

    def _searched(self, literal: Literal, facts: list[Fact], ways: frozenset[int]) -> tuple[Opening, bool]:
        """The nearer one of both sides; the second is searched no further than the first's."""
        masks, live = self.prover.pins()
        best: Opening = Opening(None, None, True)
        proved = True
        for up in (True, False):
            if (1 if up else -1) in ways:
                within = best.threshold
                decisions, visits = self.prover.space.decisions, self._visits()
                found = nearest_opening(
                    decisions, [*facts, *live], literal.path, literal.value, up, masks, visits, self.effort,
                    None if within is None else abs(within.value - literal.value),
                    within is None or not within.attained,
                )  # fmt: skip
                self._left -= found.looked * self._size
                proved = proved and found.proved
                best = found if found.threshold is not None else best
        return best, proved

    def _visits(self) -> int:
        """Boxes that the next search may look at: some as long as anything is left."""
        return min(VISITS, max(self._left // (3 * self._size), LEAST)) if self._left > 0 else 0

    def _range(self, node: Expr) -> Any:
        """What a number is over the whole space."""
        boxes = self.prover.refuter.boxes
        return boxes.ask(node, boxes.full)

    def _settled(self, rest: list[Requirement]) -> Verdict:
        key = frozenset(id(e) for r in rest for e in (r.value, r.guard))
        self._alive.append(rest)
        if key not in self._without:
            self._without[key] = self.prover.settle(rest)
        return self._without[key]


def _as_bound(condition: Expr, literal: Literal) -> Fraction | None:
    """The base units of one of a number that is a side of a comparison by itself; None where it is not."""
    parts = condition.args if condition.op == "and" else (condition,)
    for side in (side for p in parts if p.op in ("le", "lt") for side in p.args):
        factors = side.args if side.op == "mul" else (side,)
        scale = [f.value for f in factors if f.is_const]
        if any(f.op == "var" and f.payload == literal.path for f in factors) and len(scale) + 1 == len(factors):
            if not scale:
                return Fraction(1)
            # a number with a unit is written so
            return scale[0] if literal.unit and len(scale) == 1 and isinstance(scale[0], Fraction) else None
    return None


def _size(facts: Sequence[Fact]) -> int:
    """How many nodes stand in conditions, those of mappings for a fourth of them: most is remembered."""
    found = 0
    for node in walk([f.value for f in facts]):
        found += 1
        if isinstance(node.payload, MapProblem):
            tried = 1 + min(TRIED, math.prod(len(m.values) for m in node.payload.maps)) // 4
            found += tried * sum(1 for _ in walk(node.payload.expressions()))
    return max(found, 1)


__all__ = ["Relief", "reliefs", "stands"]
