"""Feasible designs found one at a time by the reference evaluator alone, until every value is in one.

Comes before the batched `Prover`: where the requirements leave room, a few dozen designs show that a space is
satisfiable and that no value is dead, and no batch has to be compiled. It only ever says yes; what it leaves open is
the `Prover`'s to settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from attrs import define
from cospace.compiler.exact.exact import Evaluation
from cospace.compiler.proofs.budget import Budget, budgets
from cospace.compiler.space.asked import solves
from cospace.compiler.space.graph import TRUE, Expr, Value, implies
from cospace.compiler.space.model import Decision, Design, Space

DRAWS = 200
"""Designs that are drawn before a first one has to be feasible."""
BARREN = 50
"""Designs in a row that may show no value that was missing, after a first feasible one."""
ASSIGNMENTS, EARNED, IN_ALL = 6_000, 3_000, 18_000
"""Assignments of maps that are tried, how many more for each design found, and at most: where works have many mappings
and few designs are feasible, or many are needed, batches are quicker."""
LOOKS = 1_000_000
"""Values of decisions that are looked at in all: where there are very many, lists and batches are quicker."""
ASTRAY = 0.2
"""How often a decision is drawn anew that might have been kept."""
LESS = 0.85
"""What an infeasible design leaves of the chance to take further missing values."""
PLAIN = 120
"""Infeasible designs at the start after which designs are mended."""
EARLY, MANY = 3, 8
"""After so many already where each breaks so many narrow requirements."""
MENDS = 6
"""Decisions that may be drawn anew to mend a design, for each requirement that it breaks."""
ASKED = 100_000
"""Requirements that are looked at to mend designs, in all: of thousands that one decision breaks, lists tell more."""
NARROW = 12
"""Decisions that a requirement may read to be mended: one that reads more is seldom met by another value of one."""

SAVINGS = 4
"""Requirements of sums that are brought below their bounds, one after the other, to save a design."""
VAIN = 8
"""Designs in a row that could not be saved, after which no other is tried."""


@define(eq=False)
class Witnesses:
    """designs: feasible ones, every requirement decided exactly. missing: (decision, index of a value) in none."""

    designs: list[Design]
    missing: set[tuple[int, int]]

    def add(self, design: Design, space: Space) -> None:
        """One more feasible design."""
        self.designs.append(design)
        self.missing -= {(v, d.positions[design[d.path]]) for v, d in enumerate(space.decisions) if d.path in design}


def find_witnesses(space: Space, seed: int = 0) -> Witnesses:
    """Look for designs that meet every requirement and, together, take every value of every decision.

    Each next design starts from a feasible one and is to show one missing value. Other decisions take missing values
    too, with a chance that shrinks with every infeasible design and doubles with every feasible one, so that many
    values are shown at once where that works, and single ones where it doesn't. Where no design is feasible at first,
    many requirements may each exclude little: then designs are mended. Where few exclude much, two take
    every decision's first and last value: budgets are met there most often. A design that is over a budget gives up
    what costs most.
    """
    look = _Look(space, Random(seed))
    found = Witnesses([], {(v, k) for v, d in enumerate(space.decisions) for k in range(len(d.values))})
    chance, barren, mending, crowded = 1.0, 0, False, True
    corners = [-1, 0]
    values, left, tried = len(found.missing), LOOKS, IN_ALL - ASSIGNMENTS
    while found.missing and look.at.left > 0 and left > 0 and barren < (BARREN if found.designs else DRAWS):
        left -= values
        plain = not found.designs and not mending and barren >= EARLY
        corner = corners.pop() if plain and corners else None
        design = look.draw(found, chance, corner)
        barren += corner is None
        if design is None or not found.missing & look.taken:
            continue
        if corner is None and not found.designs and not mending:
            crowded = crowded and (barren > EARLY or len(look.broken(design)) >= MANY)
            mending = barren > PLAIN or (barren == EARLY and crowded)
        if mending and not look.mend(design):
            chance *= LESS
            continue
        if not found.missing & look.taken or not (look.holds(design) or look.saved(design, found.missing)):
            chance *= LESS
            continue
        chance = min(1.0, chance * 2)
        found.designs.append(design)
        earned = min(EARNED, tried)
        tried -= earned
        look.at = Evaluation(design, look.at.left + earned)
        found.missing -= look.taken
        barren = 0
    return found


class _Look:
    """Draws designs and decides them; both share what was evaluated at the design at hand."""

    def __init__(self, space: Space, random: Random) -> None:
        self.decisions = space.decisions
        self.random = random
        self.asked = sorted((implies(r.guard, r.value) for r in space.requirements), key=_effort)
        self.reading: dict[str, list[int]] = {}
        for at, e in enumerate(self.asked):
            for path in e.free:
                self.reading.setdefault(path, []).append(at)
        self.narrow = [not _effort(e)[0] and len(e.free) <= NARROW for e in self.asked]
        self.places = {d.path: v for v, d in enumerate(space.decisions)}
        self.base: Design = {}
        self.target = -1
        self.owners = _owners(space.decisions)
        self.savable = [at for at, e in enumerate(self.asked) if not _effort(e)[0] or budgets(e)]
        self.budgets: dict[int, list[Budget]] = {}
        self.vain, self.asking = 0, ASKED
        self.heavy = sum(not _effort(e)[0] for e in self.asked)
        # sums over works first: the mappings found for one settle that its works have any
        self.order = [*range(self.heavy), *reversed(range(self.heavy, len(self.asked)))]
        self.at = Evaluation({}, ASSIGNMENTS)
        self.taken: set[tuple[int, int]] = set()
        self.pending = [(v, k) for v, d in enumerate(self.decisions) for k in range(len(d.values))]

    def draw(self, found: Witnesses, chance: float, corner: int | None = None) -> dict[str, Value] | None:
        """A live assignment of every decision, None where one has no value left. Requirements are not looked at.

        One decision takes a missing value, others do with the given chance; else they keep what they have in a design
        that was found, if they may. What the first one depends on is drawn anew, and so is now and then another.
        corner: of its options each takes the one that stands there.
        """
        self.base = base = self.random.choice(found.designs) if found.designs else {}
        target, value = self._wanted(found)
        self.target = target
        design: dict[str, Value] = {}
        self.at, self.taken = Evaluation(design, self.at.left), set()
        for v, d in enumerate(self.decisions):
            if d.guard is not TRUE and self.at(d.guard) is not True:
                continue
            options = self._options(d)
            if not options:
                return None
            wanted = [k for k in options if (v, k) in found.missing]
            if corner is not None:
                options = [options[corner]]
            elif v == target and value in options:
                options = [value]
            elif wanted and self.random.random() < chance:
                options = wanted
            elif d.path in base and d.path not in self.owners[target] and self.random.random() > ASTRAY:
                kept = d.positions[base[d.path]]
                options = [kept] if kept in options else options
            k = self.random.choice(options)
            design[d.path] = d.values[k]
            self.taken.add((v, k))
        return design

    def mend(self, design: dict[str, Value]) -> bool:
        """Draw decisions of broken requirements anew until no narrow one is broken; False where some are.

        Where many requirements each exclude little, a design drawn at random is seldom feasible, but one is near it.
        """
        if self.asking <= 0:
            return False
        broken = self.broken(design)
        self.asking -= len(self.asked)
        for _ in range(MENDS * len(broken)):
            if not broken or self.asking <= 0:
                break
            reads = [self.places[p] for p in sorted(self.asked[self.random.choice(sorted(broken))].free) if p in design]
            free = [v for v in reads if v != self.target]
            if not free:
                return False
            changed = self._draw_anew(design, self.random.choice(free))
            if changed is None:
                return False
            self.at = Evaluation(design, self.at.left)
            asked = {at for path in changed for at in self.reading.get(path, ()) if self.narrow[at]}
            self.asking -= len(asked)
            broken = (broken - asked) | {at for at in asked if self.at(self.asked[at]) is not True}
        self._note(design)
        return not broken

    def _note(self, design: Design) -> None:
        """What a design takes after it was changed."""
        self.taken = {(v, d.positions[design[d.path]]) for v, d in enumerate(self.decisions) if d.path in design}

    def saved(self, design: dict[str, Value], missing: set[tuple[int, int]]) -> bool:
        """Whether an infeasible design was changed to a feasible one with a missing value; tried while it helps."""
        done = self.vain < VAIN and self._save(design, missing) and bool(missing & self.taken)
        self.vain = 0 if done else self.vain + 1
        return done

    def _save(self, design: dict[str, Value], missing: set[tuple[int, int]]) -> bool:
        """Bring a design below the bounds of sums that it exceeds, by cheaper values; False where others are broken.

        What takes a missing value gives it up last, the decision that is to show one never.
        """
        kept = self.owners[self.target] | {self.decisions[self.target].path}
        for changed in range(SAVINGS):
            broken = next((at for at in self.savable if not self._met(at, design)), None)
            if broken is None:
                return changed > 0 and self.holds(design)
            if broken not in self.budgets:
                sums = budgets(self.asked[broken])
                self.budgets[broken] = [Budget(e, self.places, self.decisions) for e in sums]
            over = next((b for b in self.budgets[broken] if self.at(b.inequality) is False), None)
            excess = over.excess(self.at) if over is not None else None
            if over is None or excess is None:
                return False
            free = {v: k for v, k in self.taken if self.decisions[v].path not in kept}
            changes = over.cheaper(free, excess, frozenset(v for v, k in free.items() if (v, k) in missing))
            if changes is None:
                return False
            for v, k in changes.items():
                if self.decisions[v].path in design and self._draw_anew(design, v, self.decisions[v].values[k]) is None:
                    return False
            self.at = Evaluation(design, self.at.left)
            self._note(design)
        return self.holds(design)

    def broken(self, design: Design) -> set[int]:
        """The narrow requirements that a design does not meet."""
        return {at for at in range(len(self.asked)) if self.narrow[at] and not self._met(at, design)}

    def _draw_anew(self, design: dict[str, Value], first: int, value: Value | None = None) -> set[str] | None:
        """Another value for a decision, the one given or any, and for what can't keep its own then.

        The paths that changed; None where one has no value left.
        """
        path = self.decisions[first].path
        changed = {path}
        for v, d in enumerate(self.decisions):
            if v != first and path not in self.owners[v]:
                continue
            self.at = Evaluation(design, self.at.left)
            if d.guard is not TRUE and self.at(d.guard) is not True:
                if design.pop(d.path, None) is not None:
                    changed.add(d.path)
                continue
            options = [d.values[k] for k in self._options(d)]
            if not options:
                return None
            if v == first or design.get(d.path) not in options:
                design[d.path] = value if v == first and value is not None else self.random.choice(options)
                changed.add(d.path)
        return changed

    def _met(self, at: int, design: Design) -> bool:
        """Whether a requirement is met: surely where the design is there as the one that it was drawn from."""
        e = self.asked[at]
        same = self.base and all(design.get(path) == self.base.get(path) for path in e.free)
        return bool(same) or self.at(e) is True

    def _wanted(self, found: Witnesses) -> tuple[int, int]:
        """One of the missing values, each as likely; sorting them anew for each draw would take longest of all."""
        if not self.pending:
            self.pending = sorted(found.missing)
        while (pair := self.pending[i := self.random.randrange(len(self.pending))]) not in found.missing:
            self.pending[i] = self.pending[-1]
            self.pending.pop()
        return pair

    def holds(self, design: Design) -> bool:
        """Whether the design meets every requirement, exactly.

        Those that cost least are asked first; of those with mapping problems what another design broke last, then what
        reads most.
        """
        self.at = Evaluation(design, self.at.left)
        for place, at in enumerate(self.order):
            if not self._met(at, design):
                if at >= self.heavy:
                    self.order.insert(self.heavy, self.order.pop(place))
                return False
        return True

    def _options(self, d: Decision) -> list[int]:
        if d.allowed is None:
            return list(range(len(d.values)))
        return [k for k, condition in enumerate(d.allowed) if self.at(condition) is True]


def _owners(decisions: Sequence[Decision]) -> list[frozenset[str]]:
    """For each decision the paths that its guard and domain depend on, through those of others too."""
    found: dict[str, frozenset[str]] = {}
    for d in decisions:  # in declared order: what a guard reads comes first
        read = d.guard.free.union(*(c.free for c in d.allowed or ()))
        found[d.path] = read.union(*(found.get(path, frozenset()) for path in read))
    return list(found.values())


def _effort(condition: Expr) -> tuple[bool, int]:
    """Mapping problems last, then by how many decisions are read."""
    return solves(condition), len(condition.free)
