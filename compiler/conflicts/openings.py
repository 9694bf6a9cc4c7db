"""The value nearest to what the text says with which a space has a design, for one of its numbers left open.

The number's line is cut into intervals on either side, which the search for refutations (`refute`) treats as the values
of one more decision: all designs are covered by lemmas, as anywhere else. Where only an interval is left beside a
design, `thresholds` finds the nearest value in it exactly. From then on only nearer ones are looked for, until there
are none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.bounds.boxes import TRIED, Box, Boxes, members
from cospace.compiler.bounds.boxes_rules import BOTH, INFINITY, NO, NOTHING, YES, choose
from cospace.compiler.conflicts.thresholds import Effort, Threshold, Untold, nearest
from cospace.compiler.exact import exact
from cospace.compiler.proofs.refute import Fact, GivenUp, Lemma, Outcome, Refuter, Search
from cospace.compiler.space.graph import NUMBER, Expr, MapProblem, Value, const, le, lt, may_be_undefined, var, walk
from cospace.compiler.space.model import Decision

FINE, COARSE = 7, 20
"""Intervals end at the number's own size times 2^-7, 2^-6, … 2^20 away from it."""


@frozen(eq=False)
class Opening:
    """threshold: the nearest value; design: one with it (at `threshold.inside`). proved: no nearer one does, or,
    without a threshold, none does. looked: boxes that were looked at."""

    threshold: Threshold | None
    design: Mapping[str, Value] | None
    proved: bool
    looked: int = 0


def nearest_opening(
    decisions: Sequence[Decision],
    facts: Sequence[Fact],
    path: str,
    value: Fraction,
    up: bool,
    pinned: Mapping[int, int],
    visits: int,
    effort: Effort,
    within: Fraction | None = None,
    itself: bool = True,
) -> Opening:
    """Of the number at `path`, above or below its `value`.

    within: how far away from it is looked (itself: that far too), else any far.
    """
    cells = _cells(value, up)
    number = Decision(path, "number", tuple(c[0] if up else c[1] for c in cells), NUMBER)
    boxes = _Boxes((*decisions, number))
    boxes.open(cells, facts)
    refuter = Refuter((*decisions, number), boxes)
    search = _Search(refuter, [*facts, *refuter.domains], visits, path, value, up, cells, effort)
    if within is not None:
        search.narrow(value + within if up else value - within, itself)
    outcome = search.run(dict(pinned))
    return Opening(search.found, search.best, outcome.proof is not None, outcome.looked)


Cell = tuple[Any, Any]


def _cells(value: Fraction, up: bool) -> list[Cell]:
    """Intervals from the value on, nearest first; the last has no end."""
    size = abs(value) or Fraction(1)
    sign = 1 if up else -1
    ends = [value + sign * size * Fraction(2) ** k for k in range(-FINE, COARSE + 1)]
    starts = [value, *ends]
    pairs = list(itertools.pairwise(starts))
    found: list[Cell] = [(a, b) if up else (b, a) for a, b in pairs]
    return [*found, (ends[-1], INFINITY) if up else (-INFINITY, ends[-1])]


class _Boxes(Boxes):
    """Boxes with one more decision, whose values are intervals of a number, and with the maps that read it."""

    def open(self, cells: Sequence[Cell], facts: Sequence[Fact]) -> None:
        self.path = self.decisions[-1].path
        self.cells = cells
        problems: dict[int, MapProblem] = {}
        pending = [f.value for f in facts]
        while pending:
            fresh = [n.payload for n in walk(pending) if isinstance(n.payload, MapProblem)]
            pending = []
            for p in fresh:
                if id(p) not in problems:
                    problems[id(p)] = p
                    pending += p.expressions()
        for p in problems.values():
            for m in p.maps:
                if m.path not in self.position:
                    self.position[m.path] = len(self.full)
                    self.full.append((1 << len(m.values)) - 1)
                    self.decisions += (Decision(m.path, "map", m.values, m.type),)

    def _single(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        if self.path not in node.free:
            return super()._single(node, box, reads)
        if node.op != "var":
            return self._ruled(node, box)
        inside = [self.cells[k] for k in members(box[self.position[self.path]])]
        return min(c[0] for c in inside), max(c[1] for c in inside)

    def _solved(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        """By trying the mappings one by one where they are few; each over the whole box."""
        if self.path not in node.free:
            return super()._solved(node, box, reads)
        problem: MapProblem = node.payload  # type: ignore[assignment]
        at = [self.position[m.path] for m in problem.maps]
        if math.prod(len(m.values) for m in problem.maps) > TRIED:
            met = all(self.may_hold(r, box) for r in problem.requirements)
            if node.op == "solvable":
                return BOTH if met else NO
            return self.ask(node.args[0], box) if met else choose([], node.type.kind)
        mappings: list[tuple[list[int], bool]] = []
        least: Any = INFINITY
        for combination in itertools.product(*(range(len(m.values)) for m in problem.maps)):
            inside = list(box)
            for v, k in zip(at, combination, strict=True):
                inside[v] = 1 << k
            truth = [self.ask(r, inside) for r in problem.requirements]
            for m, k in zip(problem.maps, combination, strict=True):
                live = self.ask(m.guard, inside)
                if m.allowed is not None and live & YES:
                    allowed = self.ask(m.allowed[k], inside)
                    truth.append(allowed | (YES if live & NO else 0))
                if live != YES:
                    truth.append(BOTH)
            if all(t & YES for t in truth):
                goals = [self.ask(g, inside) for g in problem.goals]
                if NOTHING in goals:
                    continue
                sure = all(t == YES for t in truth) and not any(map(may_be_undefined, problem.goals))
                mappings.append((inside, sure))
                if sure and goals:
                    least = min(least, goals[0][1])
        if node.op == "solvable":
            return (YES if mappings else 0) | (0 if any(sure for _, sure in mappings) else NO)
        kept = [i for i, _ in mappings if not problem.goals or self.ask(problem.goals[0], i)[0] <= least]
        return choose([self.ask(node.args[0], i) for i in kept], node.type.kind)


class _Search(Search):
    """Looks for the nearest value; what was found bounds what is looked for."""

    def __init__(
        self, refuter: Refuter, facts: Sequence[Fact], visits: int, path: str, value: Fraction, up: bool,
        cells: Sequence[Cell], effort: Effort,
    ) -> None:  # fmt: skip
        super().__init__(refuter, facts, visits)
        self.effort = effort
        self.path, self.value, self.up, self.cells = path, value, up, cells
        self.at = self.boxes.position[path]
        self.found: Threshold | None = None
        self.number = var(path, NUMBER)
        self.reading = [i for i, scope in enumerate(self.scopes) if self.at in scope]

    def run(self, pinned: dict[int, int]) -> Outcome:
        try:
            return super().run(pinned)
        except Untold:
            return Outcome(limit="a number was not told", looked=self.visits - max(self.left, 0))

    def narrow(self, end: Fraction, itself: bool) -> None:
        """From now on only values up to an end count, the end itself or not."""
        over = le if itself else lt
        at = const(end)
        less = Fact(over(self.number, at) if self.up else over(at, self.number), ("less", end))
        if self.bounded:
            self.facts[-1] = less
            return
        self.bounded = True
        self.facts.append(less)
        self.weights.append(1.0)
        self.scopes.append((self.at,))
        self.reading.append(len(self.facts) - 1)
        self.below.setdefault(self.at, []).append(len(self.facts) - 1)

    def _branch_on(self, box: Box, open_ones: list[int]) -> int | None:
        """A decision as long as there is one; the number before where some of its intervals are too far away."""
        if self.bounded and self.boxes.ask(self.facts[-1].value, box) != YES and box[self.at].bit_count() > 1:
            far = members(box[self.at])[-1]
            inside = list(box)
            inside[self.at] = 1 << far
            if not self.boxes.may_hold(self.facts[-1].value, inside):
                return self.at
        score: dict[int, float] = {}
        for i in open_ones:
            free = [v for v in self.scopes[i] if box[v] & (box[v] - 1) and v != self.at]
            for v in free:
                score[v] = score.get(v, 0.0) + self.weights[i] / len(free)
        found = max(score, key=lambda v: (score[v], -v), default=None)
        if found is None and box[self.at].bit_count() > 1 and any(self.at in self.scopes[i] for i in open_ones):
            return self.at
        return found

    def _promise(self, box: Box) -> int:
        """The nearest interval in which every condition on the number may hold."""
        inside = list(box)
        for k in members(box[self.at]):
            inside[self.at] = 1 << k
            if all(self.boxes.may_hold(self.facts[i].value, inside) for i in self.reading):
                return -k
        return -len(self.cells)

    def _point(self, box: Box) -> Lemma:
        design = self.refuter.design(box)
        design.pop(self.path)
        reading = self.reading
        at = exact.Evaluation(design)
        for i, f in enumerate(self.facts):
            if i in reading:
                continue
            truth = at(f.value)
            if truth is not True:
                v = next((v for v in self.scopes[i] if box[v] & (box[v] - 1)), None)
                if v is not None:
                    return self._split(v, box, [*range(len(self.facts))])
                if truth is exact.UNKNOWN:
                    raise GivenUp
                return self._kept(Lemma({u: box[u] for u in self.scopes[i]}, self.facts[i]))
        (cell,) = members(box[self.at]) if box[self.at].bit_count() == 1 else (None,)
        if cell is None:
            return self._split(self.at, box, [*range(len(self.facts))])
        doubted = [i for i in reading if self.boxes.ask(self.facts[i].value, box) != YES]
        for some in (*([i] for i in doubted), doubted, reading):
            v = next((v for i in some for v in self.scopes[i] if box[v] & (box[v] - 1)), None)
            if v is not None:
                return self._split(v, box, [*range(len(self.facts))])
            threshold = self._nearest([self.facts[i].value for i in some], design, cell)
            if threshold is None:
                scope = {u for i in some for u in self.scopes[i]}
                return self._kept(Lemma({u: box[u] for u in scope}))
        assert threshold is not None
        self.found = threshold
        self.best = {**design, self.path: threshold.inside}
        self.narrow(threshold.value, not threshold.attained)
        return self.refute(box, list(range(len(self.facts))))

    def _nearest(self, conditions: list[Expr], design: Mapping[str, Value], cell: int) -> Threshold | None:
        low, high = (None if isinstance(e, float) else e for e in self.cells[cell])
        near, far = (low, high) if self.up else (high, low)
        assert near is not None
        return nearest(conditions, design, self.path, near, far, self.up, self.effort)

    def _kept(self, lemma: Lemma) -> Lemma:
        self.lemmas.append(lemma)
        return lemma


__all__ = ["Opening", "nearest_opening"]
