"""Whether requirements can be met: boxes first (`refute`), then sums (`summed`), drawing and enumeration, then Z3.

`Prover` answers questions about a set of requirements with a design, with a proof that there is none, or with nothing.
A witness counts only after every requirement was decided exactly; a refutation only when it covers all designs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy
from attrs import define, field, frozen
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import Clause, Frame, TooMany
from cospace.compiler.numbers.numbers import Decider
from cospace.compiler.proofs.listing import Listing
from cospace.compiler.proofs.refute import Fact, Outcome, Refuter, facts_of, proof_requirements, requirements_at
from cospace.compiler.proofs.summed import exceeding
from cospace.compiler.space.designs import Rows, decode
from cospace.compiler.space.graph import TRUE, Expr, Value, implies
from cospace.compiler.space.model import Decision, Design, Requirement, Space
from numpy.typing import NDArray

Mask = NDArray[numpy.bool_]

Core = tuple[Requirement, ...]

Anchors = tuple[list[int], Rows]
"""Decisions, and combinations of their indices: (n, len(decisions))."""

DRAWS = 1024
ROUNDS = 24
FLOATS, FEWEST = 200_000_000, 24
"""Numbers that are worked out for one batch of designs, and designs that it holds however many these are."""
ROWS = 400_000
"""Rows that one enumeration may hold."""
BOXES = 2_000
"""Boxes that one question may look at."""
BRIEF = 20_000
"""Expressions that are looked at on boxes for a brief question."""
EFFORT = 2_000_000
"""And for any other."""
EXACT, SHARE = 2_000_000, 4
"""Expressions that are evaluated exactly at drawn designs, where floats don't tell; one batch takes a fourth of what is
left at most."""


@frozen(eq=False)
class Verdict:
    """possible: True with a `witness`, False with the requirements that prove it (`core`), None when not decided."""

    possible: bool | None
    witness: Design | None = None
    core: tuple[Requirement, ...] = ()
    limit: str | None = None


@define(eq=False)
class Prover:
    """Questions about one space, some of its decisions pinned. What is compiled and enumerated once is kept."""

    space: Space
    fixed: Mapping[str, Value] = field(factory=dict)
    seed: int = 0
    frame: Frame = field(init=False)
    refuter: Refuter = field(init=False)
    _deciders: dict[tuple[int, ...], Decider] = field(init=False, factory=dict)
    _tables: dict[tuple[int, ...], list[tuple[tuple[Requirement, ...], Anchors]]] = field(init=False, factory=dict)
    _listings: list[Listing | None] = field(init=False, factory=list)
    _all: Rows | None = field(init=False, default=None)
    _truth: Mask | None = field(init=False, default=None)
    _exact: float = field(init=False, default=EXACT)
    spent: int = field(init=False, default=0)
    """Expressions that were evaluated exactly so far at drawn designs."""

    def __attrs_post_init__(self) -> None:
        self.frame = Frame.of(self.space, self.fixed)
        self.refuter = Refuter(self.space.decisions)

    # ---- drawing

    def draw(self, n: int, seed: int, wanted: Rows | None = None, anchors: Anchors | None = None) -> Rows:
        """Live assignments of all decisions, (m, d), m <= n: a column of `wanted` or `anchors` is kept where it may be.

        Requirements are not looked at. Rows where a decision has no value left are dropped.
        """
        random = numpy.random.default_rng([self.seed, seed])
        chosen = None
        if anchors is not None:
            columns, table = anchors
            picked = table[random.integers(0, len(table), n)]
            chosen = {v: picked[:, k] for k, v in enumerate(columns)}
        rows = numpy.empty((n, len(self.space.decisions)), dtype=numpy.int64, order="F")
        keep = numpy.ones(n, dtype=bool)
        for v, d in enumerate(self.space.decisions):
            domain = self.frame.domains[v]
            wish = chosen[v] if chosen and v in chosen else wanted[:, v] if wanted is not None else None
            if d.guard is TRUE and d.allowed is None:
                if wish is None:
                    rows[:, v] = domain[random.integers(0, len(domain), n)]
                    continue
                rows[:, v] = wish
                astray = numpy.flatnonzero((wish < domain[0]) | (wish > domain[-1]))  # domains are ranges
                rows[astray, v] = domain[random.integers(0, len(domain), len(astray))]
            else:
                options = self.frame.options(v, rows, range(v))
                keep &= options.any(axis=1)
                score = random.random(options.shape) * options
                if wish is not None:
                    score += options & (domain[None, :] == wish[:, None])
                rows[:, v] = domain[score.argmax(axis=1)]
        return rows if keep.all() else rows[keep]

    def decide(self, requirements: Sequence[Requirement], rows: Rows, effort: float | None = None) -> tuple[Mask, Mask]:
        """Which requirements hold at which rows, (n, r), and at which rows that is known, (n,): floats alone say it at
        the others. Undefined ones don't hold, nor those that stay undecided.

        effort: expressions that may be evaluated exactly where floats don't tell; a part of `EXACT` if not said.
        """
        decider = self._decider(requirements)
        truth, known, spent = decider.likely(rows, self._exact / SHARE if effort is None else effort)
        self.spent += spent
        self._exact -= spent if effort is None else 0
        return numpy.asarray(truth, dtype=bool).reshape(len(rows), len(requirements)), known

    def _decider(self, requirements: Sequence[Requirement]) -> Decider:
        key = tuple(map(id, requirements))
        if key not in self._deciders:
            self._deciders[key] = Decider([implies(r.guard, r.value) for r in requirements], self.space.decisions)
        return self._deciders[key]

    def at_once(self, requirements: Sequence[Requirement], most: int = DRAWS) -> int:
        """How many designs are decided at once: fewer where one of them takes much."""
        return max(min(most, FLOATS // max(1, self._decider(requirements).program.width)), FEWEST)

    def sample(self) -> tuple[Rows, Mask]:
        """Some designs and which requirements of the space hold there; drawn once."""
        if self._all is None or self._truth is None:
            rows = self.draw(self.at_once(self.space.requirements), 1)
            truth, known = self.decide(self.space.requirements, rows)
            self._all, self._truth = rows[known], truth[known]
        return self._all, self._truth

    def search(self, requirements: Sequence[Requirement], anchors: Anchors | None = None) -> Rows:
        """Rows at which all requirements hold, by drawing and by mending what violates least. Possibly none."""
        n = self.at_once(requirements)
        rows = self.draw(n, 2, anchors=anchors)
        truth, known = self.decide(requirements, rows)
        for k in range(ROUNDS):
            good = truth.all(axis=1) & known
            if good.any() or not len(rows):
                return rows[good]
            best = numpy.argsort((~truth).sum(axis=1), kind="stable")[: n // 8]
            rows = numpy.concatenate([rows[best], self.mutate(rows[best], n, 3 + k)])
            truth, known = self.decide(requirements, rows)
        return rows[truth.all(axis=1) & known]

    def mutate(self, rows: Rows, n: int, seed: int) -> Rows:
        """Neighbours of rows, about two decisions changed."""
        random = numpy.random.default_rng([self.seed, seed])
        base = rows[random.integers(0, len(rows), n)].copy()
        fresh = random.random(base.shape) < 2.0 / max(base.shape[1], 2)
        base[fresh] = -2  # no index: drawn anew
        return self.draw(n, seed + 1_000, wanted=base)

    # ---- refuting

    def refute(self, requirements: Sequence[Requirement]) -> tuple[Requirement, ...] | None:
        """A subset of the requirements that no design meets, or None when that isn't proved."""
        domains = self.domains()
        bounder = Bounder(domains)
        for r in requirements:
            if bounder.bounds(implies(r.guard, r.value)).settled is False:
                return (r,)
        return next((core for core, (_, rows) in self._enumerated(requirements) if not len(rows)), None)

    def domains(self) -> dict[str, tuple[Value, ...]]:
        """The values each decision may take."""
        return {
            d.path: tuple(d.values[int(i)] for i in self.frame.domains[v] if i >= 0)
            for v, d in enumerate(self.space.decisions)
        }

    def _groups(self, clauses: Sequence[Clause]) -> list[list[Clause]]:
        """Sets of clauses to enumerate together: each alone, then growing ones, as far as the rows allow."""
        small = sorted((c for c in clauses if self._size(c.scope) <= ROWS), key=lambda c: self._size(c.scope))
        found = [[c] for c in small]
        taken: list[tuple[set[int], list[Clause]]] = []
        for c in small:
            scope = set(self._closure(c.scope))
            joined = [c]
            rest = []
            for other, group in taken:
                if other & scope and self._size(tuple(other | scope)) <= ROWS * 64:
                    scope |= other
                    joined = group + joined
                else:
                    rest.append((other, group))
            taken = [*rest, (scope, joined)]
        return found + [group for _, group in taken if len(group) > 1]

    def _size(self, scope: Iterable[int]) -> int:
        size = 1
        for v in self._closure(scope):
            size *= len(self.frame.domains[v])
        return size

    def _closure(self, scope: Iterable[int]) -> tuple[int, ...]:
        """The decisions of a scope with all that their guards and domains read."""
        found: set[int] = set()
        pending = list(scope)
        while pending:
            v = pending.pop()
            if v not in found:
                found.add(v)
                d: Decision = self.space.decisions[v]
                pending.extend(self.frame.scope(d.guard, *(d.allowed or ())))
        return tuple(sorted(found))

    def _enumerate(self, clauses: Sequence[Clause]) -> Rows:
        scope = self._closure({v for c in clauses for v in c.scope})
        return self.frame.enumerate(scope, clauses, ROWS)

    def anchors(self, requirements: Sequence[Requirement]) -> Anchors | None:
        """All assignments of some decisions at which the requirements that read only those hold."""
        return max((a for _, a in self._enumerated(requirements) if len(a[1])), key=lambda a: len(a[0]), default=None)

    def _enumerated(self, requirements: Sequence[Requirement]) -> list[tuple[tuple[Requirement, ...], Anchors]]:
        """Every group of requirements that can be enumerated, with its assignments; kept."""
        key = tuple(map(id, requirements))
        if key not in self._tables:
            found = []
            for group in self._groups([c for c in self.frame.clauses(requirements) if c.scope]):
                try:
                    rows = self._enumerate(group)
                except TooMany:
                    continue
                core = tuple(dict.fromkeys(c.requirement for c in group))
                found.append((core, (list(self._closure({v for c in group for v in c.scope})), rows)))
            self._tables[key] = found
        return self._tables[key]

    @property
    def undecided(self) -> int:
        """Rows met so far at which not even exact evaluation could tell whether a requirement holds."""
        return sum(d.unknown for d in self._deciders.values())

    # ---- both

    def draw_or_settle(self) -> Verdict:
        """Can all requirements of the space hold at once? A few boxes come first, then what was drawn of the space."""
        asked = self.space.requirements
        found = self._on_boxes(asked, *self.pins(), BRIEF)
        if found.possible is not None:
            return found
        rows, truth = self.sample()
        good = rows[truth.all(axis=1)]
        if len(good):
            return Verdict(True, decode(self.space.decisions, good[0]))
        return self.settle(asked)

    def settle(
        self, requirements: Sequence[Requirement], fixed: Mapping[str, Value] | None = None, brief: bool = False
    ) -> Verdict:
        """Can all of these hold at once, with more decisions pinned? brief: less may be done before it is given up."""
        masks, live = self._pins({**self.fixed, **(fixed or {})})
        found = self._on_boxes(requirements, masks, live, BRIEF)
        if found.possible is None:
            found = self._listed(requirements, masks)
        if found.possible is None and not brief:
            found = self._on_boxes(requirements, masks, live, EFFORT)
        if found.possible is not None:
            return found
        weighed = exceeding(self.refuter.boxes, requirements, masks)
        if weighed is not None:
            return Verdict(False, core=tuple(dict.fromkeys(w.requirement for w in weighed)))
        if fixed:
            return Prover(self.space, {**self.fixed, **fixed}, self.seed)._settle_rows(requirements, brief)
        return self._settle_rows(requirements, brief)

    def _on_boxes(
        self, requirements: Sequence[Requirement], masks: dict[int, int], live: Sequence[Fact], effort: float
    ) -> Verdict:
        """What boxes tell of that, within an effort (`Boxes.effort`)."""
        outcome, _ = self.refuter.settle([*facts_of(requirements), *live], masks, BOXES, effort)
        if outcome.design is not None:
            return Verdict(True, outcome.design)
        if outcome.proof is not None:
            used = {id(r) for r in proof_requirements(outcome.proof)}
            return Verdict(False, core=tuple(r for r in requirements if id(r) in used))
        return Verdict(None, limit=outcome.limit)

    def _listed(self, requirements: Sequence[Requirement], masks: Mapping[int, int]) -> Verdict:
        """What all designs tell of that, where these are few."""
        if self.listing is None:
            return Verdict(None)
        found = self.listing.core([implies(r.guard, r.value) for r in requirements], masks)
        if isinstance(found, list):
            return Verdict(False, core=tuple(requirements[k] for k in found))
        return Verdict(None if found is None else True, found)

    @property
    def listing(self) -> Listing | None:
        """All designs of the space, without its requirements; None where there are too many."""
        if not self._listings:
            self._listings.append(Listing.of(self.frame))
        return self._listings[0]

    def settle_values(self, v: int, indices: Sequence[int], effort: int) -> Verdict | dict[int, Core]:
        """Can all requirements of the space hold with one of these values of a decision?

        A design with one, or for each value requirements that prove that it is in none; else what limit was hit.
        effort: what looking at boxes may take (`Boxes.effort`).
        """
        if effort <= 0:
            return Verdict(None, limit="too many expressions were looked at")
        asked = self.space.requirements
        masks, live = self.pins()
        d = self.space.decisions[v]
        masks[v] = sum(1 << k for k in indices)
        live += [Fact(d.guard, ("live", d.path))] * (d.guard is not TRUE)
        outcome, _ = self.refuter.settle([*facts_of(asked), *live], masks, BOXES, effort)
        if outcome.design is not None:
            return Verdict(True, outcome.design)
        if outcome.proof is not None:
            used = {k: {id(r) for r in requirements_at(outcome.proof, v, k)} for k in indices}
            return {k: tuple(r for r in asked if id(r) in used[k]) for k in indices}
        weighed = exceeding(self.refuter.boxes, asked, masks)
        if weighed is not None:
            return dict.fromkeys(indices, tuple(dict.fromkeys(w.requirement for w in weighed)))
        return Verdict(None, limit=outcome.limit)

    def least(self, goal: Expr, facts: Sequence[Fact], visits: int = 3 * BOXES) -> tuple[Outcome, bool]:
        """The design with the least value of a goal among those that meet the facts, and whether that is proved."""
        masks, live = self.pins()
        every = [*facts, *live]
        outcome, proved = self.refuter.least(goal, every, masks, visits, BRIEF)
        if outcome.limit is None:
            return outcome, proved
        if self.listing is not None:
            known, design = self.listing.least(goal, every)
            if known:
                return Outcome(None if design is None else dict(design), looked=outcome.looked), True
        return self.refuter.least(goal, every, masks, visits, EFFORT)

    def pins(self) -> tuple[dict[int, int], list[Fact]]:
        """What is pinned, as a search takes it."""
        return self._pins(self.fixed)

    def _pins(self, pinned: Mapping[str, Value]) -> tuple[dict[int, int], list[Fact]]:
        """For each pinned decision its value as a bit, and that it is live."""
        masks: dict[int, int] = {}
        live: list[Fact] = []
        for path, value in pinned.items():
            v = self.refuter.boxes.position[path]
            d = self.space.decisions[v]
            masks[v] = sum(1 << k for k, x in enumerate(d.values) if x.__class__ is value.__class__ and x == value)
            live += [Fact(d.guard, ("live", path))] * (d.guard is not TRUE)
        return masks, live

    def _settle_rows(self, requirements: Sequence[Requirement], brief: bool) -> Verdict:
        """The same by rows of designs, where there are too many boxes."""
        rows = self.search(requirements)
        if len(rows):
            return Verdict(True, decode(self.space.decisions, rows[0]))
        try:
            core = self.refute(requirements)
            anchors = self.anchors(requirements)
        except Undecided as unknown:
            return Verdict(None, limit=str(unknown))
        if core is not None:
            return Verdict(False, core=core)
        if anchors is not None:
            rows = self.search(requirements, anchors)
            if len(rows):
                return Verdict(True, decode(self.space.decisions, rows[0]))
        return self._solver(requirements, brief)

    def _solver(self, requirements: Sequence[Requirement], brief: bool) -> Verdict:
        """The last resort: Z3, in a process of its own."""
        from cospace.compiler.proofs.solver import EFFORT, settle

        return settle(self.space, requirements, self.fixed, EFFORT // 10 if brief else EFFORT)
