"""Requirements that exclude each other when they are weighed and added up: the proof for long sums.

Of requirements `a <= b` the sum of all weight * (a - b) is at most 0 in every feasible design. It is bounded from below
part by part: terms that read common decisions are tried together, at every combination of their values, and terms that
cancel are left out, so that two sums over the same blocks are compared block by block. The weights come from floats;
that they do is then decided exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import frozen
from cospace.compiler.bounds.boxes import Box, Boxes, members
from cospace.compiler.bounds.boxes_rules import NO
from cospace.compiler.proofs.terms import Terms, terms_of
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Requirement
from numpy.typing import NDArray

POINTS = 4_096
"""Combinations that are tried together, at most."""
PARTS = 4
"""A sum of fewer independent parts is left to the search over boxes."""
ROUNDS = 60
"""Halvings of the interval in which the best share of two requirements is looked for."""
PAIRS = 200
SPENT = 400_000
"""Terms at combinations that one question may ask for."""

TERMS = 4
"""Terms at a combination that count as one expression that is looked at on a box."""


@frozen(eq=False)
class Weighed:
    """An inequality of a requirement: all of it, or one part of its conjunction; with its weight."""

    requirement: Requirement
    part: int | None
    weight: Fraction


@frozen(eq=False)
class _Inequality:
    requirement: Requirement
    part: int | None
    strict: bool
    terms: Terms
    parts: int


def exceeding(
    boxes: Boxes, requirements: Sequence[Requirement], pinned: Mapping[int, int]
) -> tuple[Weighed, ...] | None:
    """Requirements with weights whose sum is above 0 all over the box, or None where none were found."""
    box = list(boxes.full)
    for v, mask in pinned.items():
        box[v] &= mask
    long = [i for r in requirements for i in _inequalities(boxes, r, box) if i.parts >= PARTS]
    adder = _Adder(boxes, box)
    for one in long:
        if adder.above([(one, Fraction(1))]):
            return (Weighed(one.requirement, one.part, Fraction(1)),)
    for a, b in itertools.islice(itertools.combinations(long, 2), PAIRS):
        if not {v for n, _ in a.terms.values() for v in boxes.reads(n)} & {
            v for n, _ in b.terms.values() for v in boxes.reads(n)
        }:
            continue
        share = adder.share(a, b)
        if share is not None and adder.above([(a, 1 - share), (b, share)]):
            return (Weighed(a.requirement, a.part, 1 - share), Weighed(b.requirement, b.part, share))
    return None


def _inequalities(boxes: Boxes, requirement: Requirement, box: Box) -> Iterator[_Inequality]:
    """What a requirement surely asks all over the box: `a <= b` or `a < b` as the terms of a - b."""
    if requirement.guard is not TRUE and boxes.ask(requirement.guard, box) & NO:
        return
    whole = requirement.value
    parts = list(enumerate(whole.args)) if whole.op == "and" else [(None, whole)]
    for place, part in parts:
        if part.op in ("le", "lt"):
            terms = terms_of(part)
            groups = len(_groups(boxes, terms))
            yield _Inequality(requirement, place, part.op == "lt", terms, groups)


def _groups(boxes: Boxes, terms: Terms) -> list[tuple[list[tuple[Expr, Fraction]], tuple[int, ...]]]:
    """Terms that read common decisions, with what they read; terms that cancelled are gone."""
    groups: list[tuple[list[tuple[Expr, Fraction]], set[int]]] = []
    for node, factor in terms.values():
        if factor:
            mine, reads = [(node, factor)], set(boxes.reads(node))
            near = [g for g in groups if g[1] & reads]
            groups = [g for g in groups if not g[1] & reads]
            for nodes, others in near:
                mine, reads = mine + nodes, reads | others
            groups.append((mine, reads))
    return [(mine, tuple(sorted(reads))) for mine, reads in groups]


class _Adder:
    """Sums over one box, bounded from below. Gives up quietly after a number of terms."""

    def __init__(self, boxes: Boxes, box: Box) -> None:
        self.boxes = boxes
        self.box = box
        self.left = SPENT

    def above(self, items: Sequence[tuple[_Inequality, Fraction]]) -> bool:
        """Whether the weighed sum is above 0 all over the box, exactly."""
        terms: Terms = {}
        for one, weight in items:
            if weight <= 0:
                return False
            for key, (node, factor) in one.terms.items():
                terms[key] = (node, terms.get(key, (node, Fraction(0)))[1] + factor * weight)
        total = Fraction(0)
        for mine, reads in _groups(self.boxes, terms):
            lows = [sum(e[0] for e in ends) for ends in self._ends(mine, reads)]
            low = min(lows, default=-math.inf)
            if low == -math.inf:
                return False
            total += Fraction(low)
        return total > 0 or (total == 0 and any(one.strict for one, _ in items))

    def share(self, a: _Inequality, b: _Inequality) -> Fraction | None:
        """The weight of `b` beside that of `a`, both together 1, at which the sum's least value is largest."""
        terms = {key: (node, Fraction(1)) for one in (a, b) for key, (node, _) in one.terms.items()}
        tables: list[NDArray[numpy.float64]] = []
        for mine, reads in _groups(self.boxes, terms):
            factors = numpy.array(
                [[float(one.terms[id(n)][1]) if id(n) in one.terms else 0.0 for n, _ in mine] for one in (a, b)]
            )
            found = [[float(low) for low, _ in ends] for ends in self._ends(mine, reads)]
            if not found:
                return None
            tables.append(numpy.array(found) @ factors.T)

        def least(share: float) -> float:
            return float(sum((t[:, 0] * (1 - share) + t[:, 1] * share).min() for t in tables))

        low, high = 0.0, 1.0
        for _ in range(ROUNDS):  # what is least is concave in the share
            left, right = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, right) if least(left) >= least(right) else (left, high)
        middle = (low + high) / 2
        near = [Fraction(middle).limit_denominator(d) for d in (2, 10, 100, 10**4, 10**8)]
        good = [s for s in near if 0 < s < 1 and least(float(s)) > 0]
        return good[0] if good else Fraction(middle).limit_denominator(10**8)

    def _ends(
        self, mine: Sequence[tuple[Expr, Fraction]], reads: Sequence[int]
    ) -> list[list[tuple[Fraction, Fraction]]]:
        """The ranges of weighed terms at each combination of what they read; empty where that is too much."""
        if math.prod(self.box[v].bit_count() for v in reads) > POINTS:
            return []
        combinations = list(itertools.product(*(members(self.box[v]) for v in reads)))
        self.left -= len(combinations) * len(mine)
        self.boxes.effort += len(combinations) * len(mine) // TERMS
        if self.left < 0:
            return []
        found = []
        inner = list(self.box)
        for combination in combinations:
            for v, k in zip(reads, combination, strict=True):
                inner[v] = 1 << k
            ranges = [(self.boxes.ask(node, inner), factor) for node, factor in mine]
            if all(r is not None for r, _ in ranges):
                found.append([_scaled(r, factor) for r, factor in ranges])
        return found


def _scaled(ends: tuple[Fraction, Fraction], factor: Fraction) -> tuple[Fraction, Fraction]:
    low, high = (e * factor if e else Fraction(0) for e in ends)
    return (low, high) if factor > 0 else (high, low)
