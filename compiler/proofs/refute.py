"""Whether facts can hold together: a design at which they do, or a proof that there is none, as lemmas over boxes.

A lemma says that a box holds no design; it rests on one fact that is false everywhere on it, or on a split of one
decision's values over earlier lemmas. What a lemma does not need is left out of its box, so it serves many boxes:
search goes back to where the reason lies, and the last lemma, whose box is everything, is a proof that anyone can check
step by step. The search is complete; it gives up after a stated number of boxes, never by the clock.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from attrs import define, field, frozen
from cospace.compiler.bounds.boxes import Box, Boxes, members
from cospace.compiler.bounds.boxes_rules import NO, YES
from cospace.compiler.exact import exact
from cospace.compiler.space.graph import TRUE, Expr, Value, const, either, eq, implies, lt, negate, var
from cospace.compiler.space.model import Decision, Requirement

VISITS = 20_000
"""Boxes looked at before a question is given up."""
RECENT = 64
"""Lemmas that are tried on a new box before it is looked at."""


@frozen(eq=False)
class Fact:
    """A condition that a design is to meet. source: what it is a part of, as certificates name it."""

    value: Expr
    source: tuple[str, object]
    requirement: Requirement | None = None


@frozen(eq=False)
class Lemma:
    """No design lies in the box (decision -> values by bits; those left out are free).

    by: the fact that is false there; else `split` on a decision, whose values the `cases` cover, lemma by lemma.
    """

    box: dict[int, int]
    by: Fact | None = None
    split: int = -1
    cases: tuple[Lemma, ...] = ()


@frozen(eq=False)
class Outcome:
    """design: one that meets all facts, re-checked exactly. proof: that there is none. Neither: given up."""

    design: dict[str, Value] | None = None
    proof: Lemma | None = None
    limit: str | None = None
    looked: int = 0
    """Boxes that were looked at."""

    @property
    def possible(self) -> bool | None:
        return True if self.design is not None else False if self.proof is not None else None


class GivenUp(Exception):
    """More boxes than a question may take."""


class Found(Exception):
    """A design that meets all facts."""

    def __init__(self, design: dict[str, Value]) -> None:
        self.design = design


def facts_of(requirements: Sequence[Requirement], numbers: dict[int, int] | None = None) -> list[Fact]:
    """Each requirement as facts, one for each part of a conjunction. numbers: id of a requirement -> its place."""
    found = []
    for i, r in enumerate(requirements):
        place = i if numbers is None else numbers.get(id(r), -1)
        for part in r.value.args if r.value.op == "and" else (r.value,):
            found.append(Fact(implies(r.guard, part), ("requirement", place), r))
    return found


def domain_facts(decisions: Sequence[Decision]) -> list[Fact]:
    """That each decision takes a value which its dependent domain allows."""
    found = []
    for d in decisions:
        if d.allowed is not None:
            node = var(d.path, d.type)
            options = [
                implies(negate(a), negate(eq(node, const(v, d.type.unit))))
                for v, a in zip(d.values, d.allowed, strict=True)
            ]
            found += [Fact(implies(d.guard, o), ("domain", d.path)) for o in options if o is not TRUE]
            some = either(*d.allowed)
            found.append(Fact(implies(d.guard, some), ("domain", d.path)))
    return found


@define(eq=False)
class Refuter:
    """Answers for one space. Lemmas of facts that are asked again stay known."""

    decisions: tuple[Decision, ...]
    boxes: Boxes = field()
    domains: list[Fact] = field(init=False)

    @boxes.default
    def _plain(self) -> Boxes:
        return Boxes(self.decisions)

    def __attrs_post_init__(self) -> None:
        self.domains = domain_facts(self.decisions)

    def settle(
        self,
        facts: Iterable[Fact],
        pinned: dict[int, int] | None = None,
        visits: int = VISITS,
        effort: float = math.inf,
    ) -> tuple[Outcome, int]:
        """Can all facts hold at once? pinned: decision -> values (by bits) that it may take.

        Also how many boxes were looked at. effort: what that may take in all (`Boxes.effort`).
        """
        outcome = Search(self, [*facts, *self.domains], visits, effort=effort).run(pinned or {})
        return outcome, outcome.looked

    def least(
        self,
        goal: Expr,
        facts: Iterable[Fact],
        pinned: dict[int, int] | None = None,
        visits: int = VISITS,
        effort: float = math.inf,
    ) -> tuple[Outcome, bool]:
        """The design with the least value of `goal` among those that meet the facts; whether that is proved.

        The proof of an outcome without a design is that nothing meets the facts. effort: as for `settle`.
        """
        search = Search(self, [*facts, *self.domains], visits, goal, effort)
        outcome = search.run(pinned or {})
        if outcome.design is None and search.best is not None:
            return Outcome(search.best, limit=outcome.limit, looked=outcome.looked), outcome.proof is not None
        return outcome, outcome.proof is not None

    def design(self, box: Sequence[int]) -> dict[str, Value]:
        """The design at the first point of a box: live decisions only."""
        found: dict[str, Value] = {}
        for v, d in enumerate(self.decisions):
            if d.guard is TRUE or exact.evaluate(d.guard, found) is True:
                found[d.path] = d.values[members(box[v])[0]]
        return found


class Search:
    """One question. facts that are surely met in a box are not asked again inside it."""

    def __init__(
        self, refuter: Refuter, facts: Sequence[Fact], visits: int, goal: Expr | None = None, effort: float = math.inf
    ) -> None:
        self.refuter = refuter
        self.boxes = refuter.boxes
        self.facts = list({id(f.value): f for f in facts if f.value is not TRUE}.values())
        self.goal = goal
        self.best: dict[str, Value] | None = None
        self.scopes = [self.boxes.reads(f.value) for f in self.facts]
        self.weights = [1.0] * len(self.facts)
        self.bounded = False
        self.left = visits
        self.until = self.boxes.effort + effort
        self.visits = visits
        self.lemmas: list[Lemma] = []
        self.below: dict[int, list[int]] = {}
        for i, scope in enumerate(self.scopes):
            for v in scope:
                self.below.setdefault(v, []).append(i)

    def run(self, pinned: dict[int, int]) -> Outcome:
        box = list(self.boxes.full)
        for v, mask in pinned.items():
            box[v] &= mask
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
        order = sorted(range(len(self.facts)), key=lambda i: len(self.scopes[i]))
        try:
            return Outcome(proof=self.refute(box, order), looked=self.visits - self.left)
        except Found as found:
            return Outcome(design=found.design, looked=self.visits - self.left)
        except GivenUp:
            looked = self.visits - max(self.left, 0)
            return Outcome(limit=f"{looked:,} boxes were looked at", looked=looked)

    def refute(self, box: Box, asked: list[int]) -> Lemma:
        """A lemma that covers the box. Raises Found where there is a design, GivenUp at the limit."""
        self.left -= 1
        if self.left < 0 or self.boxes.effort > self.until:
            raise GivenUp
        known = self._known(box)
        if known is not None:
            return known
        open_ones = []
        if self.bounded and asked[-1] != len(self.facts) - 1:
            asked = [*asked, len(self.facts) - 1]
        for i in asked:
            truth = self.boxes.ask(self.facts[i].value, box)
            if not truth & YES:
                self.weights[i] += 1
                return self._leaf(i, box)
            if truth & NO:
                open_ones.append(i)
        if self.bounded and open_ones[-1:] != [len(self.facts) - 1]:
            open_ones.append(len(self.facts) - 1)  # what is less may be asked for any time
        v = self._branch_on(box, open_ones)
        if v is None:
            return self._point(box)
        return self._split(v, box, open_ones)

    def _split(self, v: int, box: Box, open_ones: list[int]) -> Lemma:
        cases: list[Lemma] = []
        left = box[v]
        while left:
            part = self._part(v, left, box, open_ones)
            inside = list(box)
            inside[v] = part
            lemma = self.refute(inside, open_ones)
            covered = lemma.box.get(v)
            if covered is None:
                return lemma  # the reason has nothing to do with this decision
            cases.append(lemma)
            left &= ~covered
        return self._join(v, box, cases)

    def _join(self, v: int, box: Box, cases: list[Lemma]) -> Lemma:
        kept = self._needed(v, box, cases)
        if len(kept) == 1:
            return kept[0]
        made: dict[int, int] = {}
        union = 0
        for lemma in kept:
            union |= lemma.box[v]
            for u, mask in lemma.box.items():
                if u != v:
                    made[u] = made.get(u, self.boxes.full[u]) & mask
        if union != self.boxes.full[v]:
            made[v] = union
        lemma = Lemma(made, None, v, tuple(kept))
        self.lemmas.append(lemma)
        return lemma

    def _needed(self, v: int, box: Box, cases: list[Lemma]) -> list[Lemma]:
        """Cases without those whose values others cover too; the last found are the widest, so they come first."""
        kept: list[Lemma] = []
        left = box[v]
        for lemma in sorted(cases, key=lambda c: -(c.box[v] & box[v]).bit_count()):
            if left & lemma.box[v]:
                kept.append(lemma)
                left &= ~lemma.box[v]
        return kept

    def _known(self, box: Box) -> Lemma | None:
        for lemma in reversed(self.lemmas[-RECENT:]):
            if all(box[u] & ~mask == 0 for u, mask in lemma.box.items()):
                return lemma
        return None

    def _leaf(self, i: int, box: Box) -> Lemma:
        """The widest box around this one on which the fact is false, found decision by decision."""
        fact, scope = self.facts[i], self.scopes[i]
        wide = list(self.boxes.full)
        for v in scope:
            wide[v] = box[v]
        for v in scope:
            if wide[v] == self.boxes.full[v]:
                continue
            narrow = wide[v]
            wide[v] = self.boxes.full[v]
            if self.boxes.ask(fact.value, wide) & YES:
                wide[v] = narrow
                self._widen(fact.value, v, wide)
        made = {v: wide[v] for v in scope if wide[v] != self.boxes.full[v]}
        lemma = Lemma(made, fact)
        self.lemmas.append(lemma)
        return lemma

    def _widen(self, value: Expr, v: int, wide: Box) -> None:
        """Add values upwards and downwards while the fact stays false."""
        full = self.boxes.full[v]
        for upwards in (True, False):
            while True:
                mask = wide[v]
                step = mask.bit_length() if upwards else (mask & -mask).bit_length() - 2
                if step < 0 or not full >> step & 1:
                    break
                wide[v] = mask | 1 << step
                if self.boxes.ask(value, wide) & YES:
                    wide[v] = mask
                    break

    def _branch_on(self, box: Box, open_ones: list[int]) -> int | None:
        """The decision that the facts in doubt lean on most, for its number of values."""
        score: dict[int, float] = {}
        for i in open_ones:
            free = [v for v in self.scopes[i] if box[v] & (box[v] - 1)]
            for v in free:
                score[v] = score.get(v, 0.0) + self.weights[i] / len(free)
        return max(score, key=lambda v: (score[v], -v), default=None)

    def _part(self, v: int, mask: int, box: Box, open_ones: list[int]) -> int:
        """The half of the values to look at first: where more facts are surely met, and none is surely broken."""
        bits = members(mask)
        if len(bits) == 1:
            return mask
        numeric = self.refuter.decisions[v].type.kind == "number"
        half = (len(bits) + 1) // 2 if numeric or len(bits) > 8 else 1
        low = sum(1 << b for b in bits[:half])
        high = mask & ~low
        scores = []
        among = set(open_ones)
        near = [i for i in self.below.get(v, ()) if i in among]
        for part in (low, high):
            inside = list(box)
            inside[v] = part
            truths = [self.boxes.ask(self.facts[i].value, inside) for i in near]
            scores.append((all(t & YES for t in truths), self._promise(inside), sum(t == YES for t in truths)))
        return low if scores[0] >= scores[1] else high

    def _promise(self, box: Box) -> Any:
        """How good the best design of a box may be, larger is better."""
        reach = self.boxes.ask(self.goal, box) if self.goal is not None else None
        return -reach[0] if reach else 0

    def _point(self, box: Box) -> Lemma:
        """Raises Found with the design at the first point of a box where no fact is in doubt.

        A fact that has no value there, or was in doubt only because it isn't rational, is decided by exact evaluation.
        """
        design = self.refuter.design(box)
        at = exact.Evaluation(design)
        if self.goal is not None and all(at(f.value) is True for f in self.facts):
            return self._improve(self.goal, at(self.goal), design, box)
        broken = next((i for i, f in enumerate(self.facts) if at(f.value) is not True), None)
        if broken is None:
            raise Found(design)
        v = next((v for v in self.scopes[broken] if box[v] & (box[v] - 1)), None)
        if v is not None:
            return self._split(v, box, [*range(len(self.facts))])
        if at(self.facts[broken].value) is exact.UNKNOWN:
            raise GivenUp
        lemma = Lemma({u: box[u] for u in self.scopes[broken]}, self.facts[broken])
        self.lemmas.append(lemma)
        return lemma

    def _improve(self, goal: Expr, value: object, design: dict[str, Value], box: Box) -> Lemma:
        """Ask for less than the value at hand from here on, in this box first."""
        if not isinstance(value, Fraction):
            raise GivenUp
        self.best = design
        less = Fact(lt(goal, const(value, goal.type.unit)), ("less", value))
        if self.bounded:
            self.facts[-1] = less
        else:
            self.bounded = True
            self.facts.append(less)
            self.weights.append(1.0)
            self.scopes.append(self.boxes.reads(goal))
            for v in self.scopes[-1]:
                self.below.setdefault(v, []).append(len(self.facts) - 1)
        return self.refute(box, list(range(len(self.facts))))


def proof_requirements(proof: Lemma) -> list[Requirement]:
    """The requirements that a proof rests on, each once."""
    found: dict[int, Requirement] = {}
    for lemma in lemmas_of(proof):
        if lemma.by is not None and lemma.by.requirement is not None:
            found[id(lemma.by.requirement)] = lemma.by.requirement
    return list(found.values())


def requirements_at(proof: Lemma, v: int, index: int) -> list[Requirement]:
    """As `proof_requirements`, of designs with one value of a decision alone."""
    found: dict[int, Requirement] = {}
    seen: set[int] = set()
    stack = [proof]
    while stack:
        lemma = stack.pop()
        if id(lemma) in seen:
            continue
        seen.add(id(lemma))
        if lemma.by is not None and lemma.by.requirement is not None:
            found[id(lemma.by.requirement)] = lemma.by.requirement
        if lemma.split == v:
            stack.append(next(c for c in lemma.cases if c.box.get(v, -1) >> index & 1))
        else:
            stack += lemma.cases
    return list(found.values())


def lemmas_of(proof: Lemma) -> list[Lemma]:
    """A proof's lemmas, each once, those it rests on before it."""
    done: dict[int, Lemma] = {}
    stack = [(proof, False)]
    while stack:
        lemma, ready = stack.pop()
        if id(lemma) in done:
            continue
        if ready:
            done[id(lemma)] = lemma
        else:
            stack.append((lemma, True))
            stack.extend((c, False) for c in lemma.cases)
    return list(done.values())
