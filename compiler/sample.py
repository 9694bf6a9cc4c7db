"""Exactly uniform samples of feasible designs.

A component's guards and the requirements that fit a table are summed out exactly (`eliminate`), so that going back
draws uniformly from the designs that meet those; the other requirements are decided exactly on each proposal, and
proposals that fail are dropped: what is left is exactly uniform over the feasible designs. Components are independent
and drawn apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy
from attrs import field, frozen
from cospace.compiler import exact
from cospace.compiler.count import Component, Limits, clause_factor, components, split
from cospace.compiler.designs import decode
from cospace.compiler.eliminate import Drawer, TooLarge, eliminate
from cospace.compiler.enumerate import Clause, Frame, Mask, Rows, TooMany
from cospace.compiler.graph import Value, both, implies
from cospace.compiler.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError

PROPOSALS = 4_000_000
"""Proposals of one component before sampling is given up, however many are wanted, and beyond 2,000 for each."""
BATCH = 16_384
RECHECKED = 16
"""Designs of a sample, spread evenly over it, that the reference evaluator checks once more."""
NEVER = "there is nothing to draw from: this requirement never holds"


Decide = Callable[[Rows], Mask]


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
    """One component: `drawer` proposes, `checks` decide; `proposed` and `accepted` count."""

    variables: tuple[int, ...]
    drawer: Drawer
    checks: tuple[Clause, ...]
    decider: Decide | None
    tally: list[int] = field(factory=lambda: [0, 0])


class Sampler:
    """Draws feasible designs of a space, those with the pinned values where some are given.

    Raises Unsampled where it is proved that there are none, DesignError at a pinned path or value that is not there.
    """

    def __init__(
        self, space: Space, fixed: Mapping[str, Value] | None = None, limits: Limits | None = None,
        frame: Frame | None = None,
    ) -> None:  # fmt: skip
        self.space = space
        self.frame = frame or Frame.of(space, fixed)
        self._limits = limits or Limits(cells=1 << 20)
        try:
            structure = self.frame.structure()
            clauses = self.frame.clauses(space.requirements)
            nothing = numpy.zeros((1, 0), dtype=numpy.int64)
            for c in clauses:
                if not c.scope and not self.frame.holds(c, nothing, ())[0]:
                    raise Unsampled(
                        NEVER,
                        empty=True,
                        responsible=c.requirement,
                    )
            self._sources = [self._source(part) for part in components(self.frame, structure, clauses)]
        except (TooMany, TooLarge) as stop:
            raise Unsampled(f"guards join too many decisions to draw from exactly: {stop}") from None

    def _source(self, part: Component) -> _Source:
        sizes = {v: len(self.frame.domains[v]) for v in part.variables}
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
        except TooLarge:
            for c, table in tables:
                try:
                    best = eliminate([*factors, table], sizes, cells=self._limits.cells)
                    factors.append(table)
                except TooLarge:
                    checks.append(c)
        if best.total == 0:
            raise Unsampled("there is nothing to draw from: no design meets the requirements", empty=True)
        return _Source(part.variables, Drawer(best), tuple(checks), self.decider(part.variables, checks))

    @property
    def acceptance(self) -> float:
        """The share of proposals accepted so far, over all components that needed any."""
        proposed = [s.tally[0] for s in self._sources if s.checks]
        accepted = [s.tally[1] for s in self._sources if s.checks]
        return min((a / p for a, p in zip(accepted, proposed, strict=True) if p), default=1.0)

    def sample(self, n: int, seed: int = 0) -> Rows:
        """n designs as an (n, d) array of indices into `Decision.values`, -1 where a decision is not live.

        Independent draws, each uniform over the feasible designs; the same seed gives the same rows. Up to RECHECKED
        of them, evenly spread (all of a small sample), are checked once more by the reference evaluator, which shares
        no code with what drew them; a disagreement raises AssertionError. Raises Unsampled when too few proposals are
        accepted.
        """
        rng = numpy.random.Generator(numpy.random.PCG64(seed))
        drawn = numpy.full((n, len(self.frame.decisions)), -1, dtype=numpy.int64)
        for source in self._sources:
            drawn[:, source.variables] = self._draw(source, n, rng)
        for i in range(0, n, max(1, -(-n // RECHECKED))):
            self._recheck(drawn[i])
        return drawn

    def _draw(self, source: _Source, n: int, rng: numpy.random.Generator) -> Rows:
        if source.decider is None:
            return self._values(source, source.drawer.draw(n, rng, len(self.frame.decisions)))
        kept: list[Rows] = []
        have = proposed = 0
        size = min(BATCH, max(256, 2 * n))
        while have < n:
            if proposed >= PROPOSALS + 2_000 * n:
                share = f"{have} of {proposed} proposals met the requirements"
                raise Unsampled(f"too few designs are feasible to draw from: {share}",
                                responsible=source.checks[0].requirement)  # fmt: skip
            rows = self._values(source, source.drawer.draw(size, rng, len(self.frame.decisions)))
            rows = rows[source.decider(rows)]
            proposed += size
            kept.append(rows)
            have += len(rows)
            source.tally[0] += size
            source.tally[1] += len(rows)
            if have < n:
                wanted = (n - have) * 1.2 * proposed / max(have, 1)
                size = int(min(max(wanted, 256), BATCH * 4))
        return numpy.concatenate(kept)[:n]

    def _values(self, source: _Source, positions: Rows) -> Rows:
        """Positions on each variable's axis to indices into its values."""
        return numpy.stack([self.frame.domains[v][positions[:, v]] for v in source.variables], axis=1)

    def decider(self, variables: Sequence[int], checks: Sequence[Clause]) -> Decide | None:
        """All checks in one exact batched program over the decisions of a component: (n, k) rows to (n,) Booleans."""
        if not checks:
            return None
        from cospace.compiler.numbers import Decider

        wanted = [implies(c.guard, c.value) for c in checks]
        program = Decider([both(*wanted)], [self.frame.decisions[v] for v in variables])
        return lambda rows: program(rows)[:, 0]

    def _recheck(self, row: Rows) -> None:
        design = decode(self.frame.decisions, row)
        wanted = [implies(r.guard, r.value) for r in self.space.requirements]
        for r, held in zip(self.space.requirements, exact.evaluate_all(wanted, design), strict=True):
            if held is not True:
                raise AssertionError(f"a sample does not meet `{r.reason}`: {design}")


def sample(space: Space, n: int, seed: int = 0, fixed: Mapping[str, Value] | None = None) -> Rows:
    """n exactly uniform feasible designs; see `Sampler`."""
    return Sampler(space, fixed).sample(n, seed)
