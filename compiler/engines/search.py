"""A search as a text asks for it: engines one after the other, each on its decisions, and how far from the optimum.

What the engines met is held against a proof where one is found in time; then the proved best is the answer, and it is
said how far from it the engines ended. Else a bound says how much better another design could be at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import ClassVar, Literal

from attrs import evolve, frozen
from cospace.compiler import clock
from cospace.compiler.engines.best import best, complete, only_read, prove, restrict, with_bound
from cospace.compiler.engines.candidates import middle
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.exhaustive import Best
from cospace.compiler.engines.look import Step, look
from cospace.compiler.engines.problem import Problem, Watch
from cospace.compiler.exact import exact
from cospace.compiler.space.model import Space

PROOF = 10.0
"""Seconds that holding engines against a proof may take."""


@frozen
class Prove:
    """The best by proof where there is one: every design listed, or the space taken apart; `Climb` where there is not.

    Among other engines it climbs.
    """

    name: ClassVar[str] = "evolution, then descent with kicks"
    evaluations: int = 20_000

    def run(self, problem: Problem) -> None:
        """As `Climb`."""
        Climb(self.evaluations).run(problem)


@frozen
class Searched:
    """What a search found. best: designs with what they cost; gap: whether it is proved how far the optimum is.

    met: what the only objective was at the best that engines met, where the proved best was taken in its place.
    """

    best: Best
    gap: Literal["proved", "bounded", "unknown"]
    met: Fraction | None = None

    @property
    def share(self) -> Fraction | None:
        """How much of the only objective another design could save at most; 0 where it is proved, None if unknown."""
        if self.gap == "proved":
            return Fraction(0)
        bound = self.best.bound
        if bound is None or not self.best.designs:
            return None
        reached = middle(self.best.objectives[0][0])
        return abs(bound - reached) / abs(reached) if reached else None


def search(
    space: Space,
    steps: Sequence[Step],
    seed: int = 0,
    watch: Watch | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Searched:
    """The best that the engines of some steps find, and the gap; no steps: `Prove` on all decisions.

    stopped: asked before what the engines met is held against a proof; then nothing is proved.

    Raises Undecided where a comparison can't be decided.
    """
    if not steps or (len(steps) == 1 and isinstance(steps[0][0], Prove) and steps[0][1] is None):
        evaluations = steps[0][0].evaluations if steps else Prove().evaluations
        return _told(best(space, evaluations=evaluations, seed=seed, watch=watch))
    core = only_read(restrict(space, {}))
    try:
        found = look(core, steps, seed, watch)
        if stopped():
            return _told(complete(space, {}, core, found))
        proved = Best((), (), False, 0, "")
        with clock.within(min(PROOF, clock.left())), suppress(exact.Undecided):
            proved = clock.attempt(lambda: prove(core), lambda: proved)
            if not proved.certified:
                found = with_bound(core, evolve(found, bound=proved.bound))
        if not proved.certified:
            return _told(complete(space, {}, core, found))
    except exact.Undecided as stop:
        raise stop.within(space) from None
    met = middle(found.objectives[0][0]) if found.designs and len(found.objectives[0]) == 1 else None
    how = f"{found.how}; then {proved.how}"
    taken = evolve(proved, how=how, evaluated=found.evaluated + proved.evaluated)
    return evolve(_told(complete(space, {}, core, taken)), met=met)


def _told(found: Best) -> Searched:
    if found.certified:
        return Searched(found, "proved")
    return Searched(found, "unknown" if found.bound is None else "bounded")
