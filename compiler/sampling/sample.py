"""Exactly uniform samples of feasible designs.

A small component is listed and rows of the list are drawn. Else a component's guards and the requirements that fit a
table are summed out exactly (`eliminate`), so that going back draws uniformly from the designs that meet those, or from
those that also meet a long sum whose terms are rounded down (`draw_sums`), whichever are fewer. The other requirements
are decided exactly on each proposal, and proposals that fail are dropped: what is left is exactly uniform over the
feasible designs. Components are independent and drawn apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from attrs import evolve, field, frozen
from cospace.compiler.counting.count import Component, Limits, asked_clauses, clause_factor, components, split
from cospace.compiler.counting.coupled import Coupled
from cospace.compiler.counting.eliminate import Drawer, Factor, TooLarge, eliminate
from cospace.compiler.counting.layered import make_layered
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.numbers.enumerate import Clause, Frame, TooMany
from cospace.compiler.sampling.columns import Column, Designs
from cospace.compiler.sampling.draw_layers import LayeredDrawer
from cospace.compiler.sampling.draw_sums import SumDrawer
from cospace.compiler.sampling.recheck import Recheck
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.sampling.deciding import Staged

PROPOSALS = 4_000_000
FOR_EACH = 2_000
"""Proposals of one component before sampling is given up, however many are wanted, and beyond these for each."""
BATCH = 1 << 16
NEVER = "there is nothing to draw from: this requirement never holds"


Drawn = NDArray[Any]
Propose = Callable[[int, numpy.random.Generator], Sequence[Drawn]]
"""At most n proposals for a component: for each of its columns an array of numbers."""
LISTED = 4_000_000
"""Numbers (rows times decisions) of a component that is listed whole."""
DRAWN = 8
"""Steps that a number takes which is drawn, where working out one takes one."""
SHARED = 1 << 16
"""Assignments of the decisions that a long sum's terms share, for sampling under it."""


class Unsampled(SpecError):
    """No sample: nothing is feasible (`empty`), or too few proposals were; `responsible`: the requirement, if one."""

    def __init__(self, reason: str, empty: bool = False, responsible: Requirement | None = None) -> None:
        span = NOWHERE if responsible is None else responsible.span
        help = (
            "`cospace check` names the smallest set of requirements that conflict"
            if empty
            else "pin some decisions with --fix, or loosen the requirement"
        )
        super().__init__((Diagnostic("CS607", "error", reason, span, help=help),))
        self.reason = reason
        self.empty = empty
        self.responsible = responsible


@frozen(eq=False)
class _Source:
    """One component: `propose` draws, `checks` decide; `tally` counts what was proposed and what was accepted.

    columns: what is drawn numbers of; one decision each where there are checks.
    drops: whether `propose` leaves out what it knows not to be feasible.
    """

    columns: tuple[Column, ...]
    propose: Propose
    checks: tuple[Clause, ...]
    decider: Staged | None
    drops: bool = False
    tally: list[int] = field(factory=lambda: [0, 0])

    @property
    def rejects(self) -> bool:
        """Whether fewer may be left than were proposed."""
        return self.drops or self.decider is not None

    @property
    def work(self) -> int:
        """About so many steps one proposal takes: to draw it, and to work out what decides it."""
        return DRAWN * len(self.columns) + (0 if self.decider is None else self.decider.work)


class Sampler:
    """Draws feasible designs of a space, those with the pinned values where some are given.

    patience: the share of the usual proposals before it is given up.
    Raises Unsampled where it is proved that there are none, DesignError at a pinned path or value that is not there.
    """

    def __init__(
        self, space: Space, fixed: Mapping[str, Value] | None = None, limits: Limits | None = None,
        frame: Frame | None = None, patience: float = 1,
    ) -> None:  # fmt: skip
        self.space = space
        self._patience = patience
        self.frame = frame or Frame.of(space, fixed)
        self._limits = limits or Limits(cells=1 << 20)
        self._recheck = Recheck(space)
        most = max((len(d.values) for d in self.frame.decisions), default=0)
        self._kind = numpy.min_scalar_type(-most - 1)
        try:
            structure = self.frame.structure()
            clauses = asked_clauses(self.frame, space.requirements)
            nothing = numpy.zeros((1, 0), dtype=numpy.int64)
            for c in clauses:
                if not c.scope and not self.frame.holds(c, nothing, ())[0]:
                    raise Unsampled(
                        NEVER,
                        empty=True,
                        responsible=c.requirement,
                    )
            self._sources = [self._source(part) for part in components(self.frame, structure, clauses)]
        except Undecided as stop:
            raise Unsampled(str(stop)) from None
        except (TooMany, TooLarge) as stop:
            raise Unsampled(f"guards join too many decisions to draw from exactly: {stop}") from None

    def _source(self, part: Component) -> _Source:
        sizes = {v: len(self.frame.domains[v]) for v in part.variables}
        listed = self._listed(part, sizes)
        if listed is not None:
            return listed
        layered = self._layered(part)
        if layered is not None:
            return layered
        narrow, wide = split(self.frame, part.clauses, self._limits)
        factors = list(part.structure)
        best = eliminate(factors, sizes, cells=self._limits.cells)
        checks = list(wide)
        tables = []
        for c in sorted(narrow, key=lambda c: len(c.scope)):
            table = clause_factor(self.frame, c, part.structure)
            if not table.table.any():
                raise Unsampled(NEVER, empty=True, responsible=c.requirement)
            tables.append((c, table))
        try:
            best = eliminate([*factors, *(t for _, t in tables)], sizes, cells=self._limits.cells)
            factors += [t for _, t in tables]
        except TooLarge:
            for c, table in tables:
                try:
                    best = eliminate([*factors, table], sizes, cells=self._limits.cells)
                    factors.append(table)
                except TooLarge:
                    checks.append(c)
        if best.total == 0:
            raise Unsampled("there is nothing to draw from: no design meets the requirements", empty=True)
        propose = self._positions(part.variables, Drawer(best))
        drops = False
        if checks:
            every = [*part.structure, *(t for _, t in tables)]
            kept = [c for c, _ in tables]
            summed = self._summed(part, every, kept, wide, best.total)
            if summed is not None:
                propose, decided = summed
                drops = True
                checks = [c for c in wide if c is not decided]
        return _Source(self._single(part), propose, tuple(checks), self.decider(part.variables, checks), drops)

    def _listed(self, part: Component, sizes: Mapping[int, int]) -> _Source | None:
        """Rows of a list of all feasible designs, where there are few; None where there may be many."""
        if not part.clauses:
            return None
        raw = eliminate(part.structure, sizes, cells=self._limits.cells).total
        if raw > self._limits.brute or raw * len(part.variables) > LISTED:
            return None
        try:
            rows = self.frame.enumerate(part.variables, part.clauses, limit=self._limits.rows)
        except TooMany:
            return None
        if not len(rows):
            raise Unsampled("there is nothing to draw from: no design meets the requirements", empty=True)
        order = sorted(part.variables)
        columns = [rows[:, order.index(v)].astype(self._kind) for v in part.variables]

        def propose(n: int, rng: numpy.random.Generator) -> Sequence[Drawn]:
            at = rng.integers(0, len(rows), size=n)
            return [column.take(at) for column in columns]

        return _Source(self._single(part), propose, (), None)

    def _layered(self, part: Component) -> _Source | None:
        """Many groups too large to list, under one sum: only what is feasible is proposed, with some left out."""
        made = make_layered(self.frame, part.variables, part.clauses)
        if made is None:
            return None
        try:
            drawer = LayeredDrawer(self.frame, made, [c.value for c in part.clauses])
        except TooLarge:
            return None
        if drawer.total == 0:
            raise Unsampled("there is nothing to draw from: no design meets the requirements", empty=True)

        return _Source(drawer.columns, drawer.draw, (), None, drops=True)

    def _single(self, part: Component) -> tuple[Column, ...]:
        return tuple(Column((v,), (len(self.frame.decisions[v].values),)) for v in part.variables)

    def _summed(
        self, part: Component, factors: Sequence[Factor], narrow: Sequence[Clause], wide: Sequence[Clause], most: int
    ) -> tuple[Propose, Clause | None] | None:
        """Proposals under a long sum rounded down, where these are fewer than `most`; and what they meet already."""
        limits = evolve(self._limits, rows=min(SHARED, self._limits.rows))
        best: SumDrawer | None = None
        try:
            made = Coupled(self.frame, part.variables, part.structure, factors, narrow, wide, limits)
        except (TooMany, TooLarge):
            return None
        for chosen in range(len(made.sums)):
            try:
                drawer = SumDrawer(made, chosen)
            except TooLarge:
                continue
            if drawer.total < most:
                best, most = drawer, drawer.total
        if most == 0:
            raise Unsampled("there is nothing to draw from: no design meets the requirements", empty=True)
        if best is None:
            return None
        drawer = best
        own = best.clause if sum(1 for s in made.sums if s.clause is best.clause) == 1 else None
        decide = None if own is None else self.decider(part.variables, [own])

        def propose(n: int, rng: numpy.random.Generator) -> Sequence[Drawn]:
            found, open_ = drawer.draw(n, rng)
            columns = [found[v] for v in part.variables]
            if not len(open_) or decide is None:
                return columns
            held = numpy.ones(len(columns[0]), dtype=bool)
            held[open_] = decide(self._gather([column.take(open_) for column in columns]))
            return [column[held] for column in columns]

        return propose, own

    @property
    def acceptance(self) -> float:
        """The share of proposals accepted so far, over all components that needed any."""
        proposed = [s.tally[0] for s in self._sources if s.rejects]
        accepted = [s.tally[1] for s in self._sources if s.rejects]
        return min((a / p for a, p in zip(accepted, proposed, strict=True) if p), default=1.0)

    def sample(self, n: int, seed: int = 0) -> Drawn:
        """n designs as an (n, d) array of indices into `Decision.values`, -1 where a decision is not live.

        As `designs`, every index written out: in the least integer type that holds them, each decision's in one piece.
        """
        return self.designs(n, seed).rows()

    def designs(self, n: int, seed: int = 0) -> Designs:
        """n independent draws, each uniform over the feasible designs; the same seed gives the same ones.

        Every one of them is checked anew (`recheck`); a disagreement raises AssertionError. Raises Unsampled when too
        few proposals are accepted.
        """
        drawn = self.draw(n, seed)
        self._recheck(drawn)
        return drawn

    def draw(self, n: int, seed: int = 0) -> Designs:
        """As `designs`, for callers that decide the requirements themselves: nothing is checked anew."""
        drawn, rng = self._empty(n), numpy.random.Generator(numpy.random.SFC64(seed))
        most = self._patience * (PROPOSALS + FOR_EACH * n)
        for source, codes in self._apart(drawn):
            have, proposed = self._draw(source, codes, n, rng, most)
            if have < n:
                share = f"{have} of {proposed} proposals met the requirements"
                raise Unsampled(f"too few designs are feasible to draw from: {share}",
                                responsible=source.checks[0].requirement if source.checks else None)  # fmt: skip
        return drawn

    def some(self, n: int, seed: int, steps: float) -> tuple[Designs, int]:
        """As `draw`, but where that takes more than about so many steps as many as were met until then; and the steps
        that it took, as `_Source.work` counts them."""
        drawn, rng = self._empty(n), numpy.random.Generator(numpy.random.SFC64(seed))
        open_ones, taken = sum(s.rejects for s in self._sources), 0
        for source, codes in self._apart(drawn):
            if not source.rejects:
                n, _ = self._draw(source, codes, n, rng, math.inf)
                continue
            n, proposed = self._draw(source, codes, n, rng, (steps - taken) / open_ones / source.work)
            taken += proposed * source.work
            open_ones -= 1
        return drawn.part(0, n), taken

    def _empty(self, n: int) -> Designs:
        """n designs whose numbers are still to be drawn."""
        columns = tuple(c for source in self._sources for c in source.columns)
        if all(len(c.members) == 1 for c in columns):
            rows = numpy.empty((len(self.frame.decisions), n), dtype=self._kind).T
            return Designs(columns, tuple(rows[:, c.members[0]] for c in columns), n, rows)
        return Designs(columns, tuple(numpy.empty(n, dtype=c.kind) for c in columns), n)

    def _apart(self, drawn: Designs) -> Iterator[tuple[_Source, Sequence[Drawn]]]:
        """Each source and the codes of its columns."""
        first = 0
        for source in self._sources:
            last = first + len(source.columns)
            yield source, drawn.codes[first:last]
            first = last

    def _draw(
        self, source: _Source, drawn: Sequence[Drawn], n: int, rng: numpy.random.Generator, most: float
    ) -> tuple[int, int]:
        """Fill in n numbers of each of a source's columns, fewer where that takes more than about `most` proposals; how
        many there are then, and the proposals."""
        have = proposed = 0
        while have < n and proposed < most:
            asked = n - have
            if source.rejects:
                asked = int((asked + 64) * 1.05 * (proposed + 2) / (have + 1))
            asked = min(asked, BATCH)
            columns = source.propose(asked, rng)
            proposed += asked
            accepted = len(columns[0])
            held: Drawn | None = None
            if source.decider is not None:
                held = numpy.flatnonzero(source.decider(self._gather(columns)))
                accepted = len(held)
            source.tally[0] += asked
            source.tally[1] += accepted
            many = min(accepted, n - have)
            for into, column in zip(drawn, columns, strict=True):
                into[have : have + many] = column[:many] if held is None else column.take(held[:many])
            have += many
        return have, proposed

    def _gather(self, columns: Sequence[Drawn]) -> Drawn:
        """Rows from their columns, each of which stays in one piece."""
        rows = numpy.empty((len(columns), len(columns[0])), dtype=self._kind)
        for into, column in zip(rows, columns, strict=True):
            into[:] = column
        return rows.T

    def _positions(self, variables: Sequence[int], drawer: Drawer) -> Propose:
        """What a drawer draws, as indices into values in place of positions on each variable's axis."""

        def propose(n: int, rng: numpy.random.Generator) -> Sequence[Drawn]:
            positions = drawer.draw(n, rng, len(self.frame.decisions))
            return [self.frame.domains[v].take(positions[:, v]) for v in variables]

        return propose

    def decider(self, variables: Sequence[int], checks: Sequence[Clause]) -> Staged | None:
        """All checks over the decisions of a component: (n, k) rows to (n,) Booleans."""
        if not checks:
            return None
        from cospace.compiler.sampling.deciding import Staged

        return Staged(checks, [self.frame.decisions[v] for v in variables])


def sample(space: Space, n: int, seed: int = 0, fixed: Mapping[str, Value] | None = None) -> Drawn:
    """n exactly uniform feasible designs; see `Sampler`."""
    return Sampler(space, fixed).sample(n, seed)
