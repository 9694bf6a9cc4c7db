"""Which values no feasible design takes: those that no witness shows.

Of a small space all designs are listed. Those that are drawn in batches show most of what is left of a larger one
(`drawn`). For the rest, decision by decision, one question is asked of all its open values: a design with one shows
others, too, and a proof that there is none says of each value which requirements leave it out. What boxes can't settle
the count of a space may tell; only then values are asked one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from attrs import define, field, frozen
from cospace.compiler.checks.drawn import Drawn, Pair
from cospace.compiler.clock import attempt, reason
from cospace.compiler.counting.count import Limits, kept_values, solve_space
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.counting.values import values_of
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.proofs.prove import BRIEF, Prover
from cospace.compiler.space.designs import encode
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Requirement

GIVEN_UP = 2
"""Values that may stay undecided before no others are asked for."""
EFFORT = 120_000
"""Expressions that may be looked at on boxes for all decisions together; one takes half of what is left at most."""
ASKED, BESIDE = 600_000, 60_000
"""Expressions that may be looked at for values that are asked one by one; and what a question counts for more where
boxes don't answer it."""
ALONE = 4
"""Requirements of which it is asked whether each alone leaves a value out, the last written first."""


@frozen
class Settled:
    """dead: pairs in no feasible design, with requirements that prove it. unknown: not decided, for the limit that was
    hit."""

    dead: dict[Pair, tuple[Requirement, ...]]
    unknown: tuple[Pair, ...]
    limit: str | None = None


def settle_missing(drawn: Drawn) -> Settled:
    """Settle the values that no witness takes. A design found for one shows what it takes of the others, too.

    Where the time is up what was proved before stays.
    """
    search = _Missing(drawn)
    limit = attempt(search.ask, reason)
    return Settled(search.dead, tuple(sorted(search.missing - search.dead.keys())), limit)


@define(eq=False)
class _Missing:
    """What is asked about the values of which nothing is known yet."""

    drawn: Drawn
    dead: dict[Pair, tuple[Requirement, ...]] = field(factory=dict)

    @property
    def prover(self) -> Prover:
        return self.drawn.prover

    @property
    def missing(self) -> set[Pair]:
        return self.drawn.witnesses.missing

    def ask(self) -> str | None:
        """One way after the other, as long as any value is open. What limit the last one hit."""
        self.ask_listed()
        if self.missing and self.drawn.witnesses.designs:
            self.drawn.begin()
        self.ask_together()
        self.ask_sums()
        self.ask_counts()
        return self.ask_alone()

    def ask_listed(self) -> None:
        """All designs, where these are few."""
        space, listing = self.prover.space, self.prover.listing
        conditions = [implies(r.guard, r.value) for r in space.requirements]
        met = listing.meeting(conditions) if self.missing and listing is not None else None
        if listing is None or met is None:
            return
        rows = listing.rows[met.all(axis=1)]
        shown = {(v, int(k)) for v in range(len(space.decisions)) for k in numpy.unique(rows[:, v])}
        self.drawn.witnesses.missing -= shown
        for v, k in sorted(self.missing):
            found = listing.core(conditions, {v: 1 << k})
            if isinstance(found, list):
                self._exclude({(v, k): tuple(space.requirements[i] for i in found)})

    def ask_together(self) -> None:
        """All open values of a decision at once."""
        space, boxes = self.prover.space, self.prover.refuter.boxes
        end = boxes.effort + EFFORT
        for v in sorted({v for v, _ in self.missing}):
            domain = range(len(space.decisions[v].values))
            while mine := [k for k in domain if (v, k) in self.missing]:
                found = self.prover.settle_values(v, mine, max(end - boxes.effort, 0) // 2)
                if isinstance(found, dict):
                    self._exclude({(v, k): core for k, core in found.items()})
                elif found.witness is not None:
                    self.drawn.vary(encode(space.decisions, [found.witness]))
                else:
                    break

    def _exclude(self, found: dict[Pair, tuple[Requirement, ...]]) -> None:
        self.dead |= found
        self.drawn.witnesses.missing -= found.keys()

    def ask_sums(self) -> None:
        """What the tables of a count say of its values, without the counting."""
        if not self.missing:
            return
        asked = self.prover.space.requirements
        kept = self._kept(asked, self.missing)
        if kept is None:
            return
        self.drawn.witnesses.missing -= {(v, k) for v, k in self.missing if kept[0][v].get(k)}
        gone = {(v, k) for v, k in self.missing if not kept[1][v].get(k)}
        self._exclude(dict.fromkeys(gone, ()))
        for r in [r for r in reversed(asked) if r.origin == "written"][:ALONE]:
            kept = self._kept([r], gone) if gone else None
            found = {(v, k) for v, k in gone if kept is not None and not kept[1][v].get(k)}
            self._exclude(dict.fromkeys(found, (r,)))
            gone -= found

    def _kept(self, asked: Sequence[Requirement], wanted: set[Pair]) -> list[dict[int, dict[int, int]]] | None:
        """By decision and value: surely some, and at most some; None where that takes too much."""
        frame = self.prover.frame
        try:
            ends = kept_values(frame, Limits(), asked, wanted)
        except (TooMany, TooLarge, Undecided):
            return None
        return [{v: dict(zip(map(int, frame.domains[v]), n, strict=True)) for v, n in end.items()} for end in ends]

    def ask_counts(self) -> None:
        """What the count of a space says of its values, where that is exact enough; requirements are not named."""
        if not self.missing:
            return
        counts = values_of(solve_space(self.prover.space))
        for pair in sorted(self.missing) if counts is not None else ():
            low, high = counts[pair[0]].counts[pair[1]]  # type: ignore[index]
            if low > 0:
                self.missing.discard(pair)
            elif high == 0:
                self._exclude({pair: ()})

    def ask_alone(self) -> str | None:
        """One by one, until too many stay undecided, or they take too much."""
        space, boxes, left = self.prover.space, self.prover.refuter.boxes, GIVEN_UP
        limit: str | None = None
        end = boxes.effort + ASKED
        for v, k in sorted(self.missing):
            if left > 0 and (v, k) in self.missing:
                if boxes.effort >= end:
                    return f"more than {ASKED:,} expressions to look at, value by value"
                d, before = space.decisions[v], boxes.effort
                verdict = self.prover.settle(space.requirements, {d.path: d.values[k]}, brief=True)
                if boxes.effort - before >= BRIEF:
                    end -= BESIDE
                if verdict.possible is False:
                    self._exclude({(v, k): verdict.core})
                elif verdict.witness is not None:
                    self.drawn.witnesses.add(verdict.witness, space)
                else:
                    left, limit = left - 1, verdict.limit
        return limit
