"""What feasible designs take, seen in many that are drawn at once. It only ever says yes.

Feasible designs are varied: values that none has shown are put into them, as many at once as mostly leaves them
feasible, one into each at the least; about two other decisions are drawn anew or taken over from another design. What
is feasible of these is varied in turn. Where no design is known the first ones are drawn at random or from the count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from attrs import define, field
from cospace.compiler.checks import findings
from cospace.compiler.cost import holds
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.witness import Witnesses
from cospace.compiler.space.asked import solves
from cospace.compiler.space.designs import decode, encode
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Requirement
from cospace.dsl.diagnostics import SpecError
from numpy.typing import NDArray

Rows = NDArray[Any]
Pair = tuple[int, int]
"""A decision and the index of one of its values."""
AT_ONCE = 1 << 12
"""Designs that are drawn and decided at once, at most."""
COPIES = 128
"""Designs into which the same value is put, at most."""
BATCHES = 8
"""Batches of designs that are drawn at random at most."""
PATIENCE = 1 / 200
"""Of what drawing may take elsewhere: where it needs more, other ways to a design are quicker."""
ROUNDS = 80
"""Batches of varied designs in all, and how many in a row may show nothing new."""
BARREN = 4
EXACT, SHARE = 100_000, 8
"""Expressions that are evaluated exactly in all, where floats don't tell; one batch takes an eighth of what is left at
most, for the next one asks only for what these don't show."""
FEW, MOST = 0.2, 0.5
"""Shares of feasible ones below which fewer values are put in at once, and above which more are."""
NARROW = 32
"""Decisions that a requirement may read to say which others a value goes with."""
POOL = 512
"""Designs that are varied: the last that were found."""


@define(eq=False)
class Drawn:
    """Varied designs of one space. `witnesses`: what it adds designs to, and takes from what is missing there.

    chance: with which a decision takes a missing value besides the one that each design is to show.
    """

    prover: Prover
    witnesses: Witnesses
    pool: Rows | None = None
    chance: float = field(init=False)
    rounds: int = 0
    exact: int = EXACT
    at_once: int = AT_ONCE
    _asked: list[list[Requirement]] = field(init=False)
    _decide: Callable[[Rows], Rows] = field(init=False)
    _related: list[Rows] = field(init=False)

    def __attrs_post_init__(self) -> None:
        requirements = self.prover.space.requirements
        solved = [solves(r.value) for r in requirements]
        parts = [[r for r, s in zip(requirements, solved, strict=True) if s is last] for last in (False, True)]
        self._asked = [p for p in parts if p]
        many = len(self.witnesses.missing) > findings.MANY  # then tables are worth making
        self.chance = float(many)
        self._decide = self._tables() if many else self._batched
        if self._decide == self._batched and self._asked:
            self.at_once = self.prover.at_once(self._asked[-1], AT_ONCE)
        frame = self.prover.frame
        scopes = [frame.scope(r.guard, r.value) for r in requirements]
        related: list[set[int]] = [set() for _ in frame.decisions]
        for scope in scopes:
            for v in scope if len(scope) <= NARROW else ():
                related[v].update(scope)
        self._related = [numpy.array(sorted(mine - {v}), dtype=numpy.int64) for v, mine in enumerate(related)]

    # ---- deciding

    def _batched(self, rows: Rows) -> Rows:
        """What solves mappings is asked last, of the designs that meet all others."""
        met = numpy.arange(len(rows))
        for part in self._asked:
            spent = self.prover.spent
            held, known = self.prover.decide(part, rows[met], self.exact / SHARE)
            self.exact -= self.prover.spent - spent
            met = met[held.all(axis=1) & known]
        result = numpy.zeros(len(rows), dtype=bool)
        result[met] = True
        return result

    def _tables(self) -> Callable[[Rows], Rows]:
        """Tables over few decisions each, quicker by far once they are there; where they decide all."""
        from cospace.compiler.sampling.columns import Column, Designs
        from cospace.compiler.sampling.recheck_tables import Tabled

        space = self.prover.space
        sizes = [len(d.values) for d in space.decisions]
        columns = [Column((v,), (size,)) for v, size in enumerate(sizes)]
        tabled = Tabled(space.decisions, [implies(r.guard, r.value) for r in space.requirements], columns)
        return self._batched if tabled.refused else lambda rows: tabled(Designs.of_rows(rows, sizes))

    def _feasible(self, rows: Rows) -> Rows:
        """Those of some designs that are feasible; none where the reference evaluator does not find the first so."""
        rows = rows[self._decide(rows)]
        if not len(rows):
            return rows
        design = decode(self.prover.space.decisions, rows[0])
        if not all(holds(r, design) is True for r in self.prover.space.requirements):
            return rows[:0]
        if not self.witnesses.designs:
            self.witnesses.designs.append(design)
        return rows

    # ---- drawing

    def begin(self) -> None:
        """Varies designs that are known, and some drawn at random or from the count. Done once."""
        if self.pool is not None:
            return
        rows = encode(self.prover.space.decisions, self.witnesses.designs)
        enough = POOL if self.chance else 1
        for seed in range(BATCHES):
            if len(rows) < enough:
                rows = numpy.concatenate([rows, self._feasible(self.prover.draw(self.at_once, seed))])
        if len(rows):
            self.vary(rows)
            return
        from cospace.compiler.sampling.sample import Sampler

        try:
            self.vary(self._feasible(Sampler(self.prover.space, patience=PATIENCE).sample(self.at_once)))
        except (SpecError, TooMany):
            return  # nothing is feasible, or too little is known of it: others prove it

    def vary(self, known: Rows) -> None:
        """Varies feasible designs as long as that shows what was missing."""
        decisions = self.prover.space.decisions
        self.pool = known if self.pool is None else numpy.concatenate([known, self.pool])
        open_ = [numpy.zeros(len(d.values), dtype=bool) for d in decisions]
        for v, k in self.witnesses.missing:
            open_[v][k] = True
        left = _show(known, open_)
        barren = 0
        while left and len(self.pool) and self.rounds < ROUNDS and barren < BARREN:
            self.rounds += 1
            missing = [numpy.flatnonzero(o) for o in open_]
            most = max(map(len, missing))
            several = [v for v, values in enumerate(missing) if 2 * len(values) >= most]
            rows = self._feasible(self.beside(self.pool, missing, several))
            before, left = left, _show(rows, open_)
            alone = self.chance * len(several) < 1
            barren = barren + 1 if left == before and alone else 0
            if alone:
                self.chance = 0.0
            if len(rows) > MOST * self.at_once:
                self.chance = min(1.0, max(2 * self.chance, 1 / len(several)))
            elif len(rows) < FEW * self.at_once or left == before:
                self.chance /= 2
            if len(rows):
                self.pool = numpy.concatenate([rows[:: max(1, len(rows) * 4 // POOL)], self.pool])[:POOL]
        self.witnesses.missing = {(v, int(k)) for v, o in enumerate(open_) for k in numpy.flatnonzero(o)}

    def beside(self, rows: Rows, missing: Sequence[Rows], several: Sequence[int]) -> Rows:
        """Neighbours of some rows, each with a missing value where that may be had; `several` take more by chance."""
        random = numpy.random.default_rng([100, self.rounds])
        lengths = numpy.array([len(values) for values in missing])
        total = int(lengths.sum())
        n = min(self.at_once, total * COPIES)
        wanted = (random.integers(total) + numpy.arange(n)) % total
        target = numpy.repeat(numpy.arange(len(missing)), lengths)[wanted]
        value = numpy.concatenate(missing)[wanted]
        at, anew = random.integers(0, len(rows), n), random.integers(0, len(missing), n)
        for v in numpy.unique(target):
            mine, live = numpy.flatnonzero(target == v), numpy.flatnonzero(rows[:, v] >= 0)
            if len(live):
                at[mine] = live[random.integers(0, len(live), len(mine))]
            if len(self._related[v]):
                anew[mine] = self._related[v][random.integers(0, len(self._related[v]), len(mine))]
        base = numpy.asfortranarray(rows[at])
        many = random.poisson(n)
        row, column = random.integers(0, n, many), random.integers(0, len(missing), many)
        base[row, column] = rows[random.integers(0, len(rows), many), column]
        base[numpy.arange(n), anew] = -2  # no index: drawn anew
        for v in several if self.chance else ():
            put = numpy.flatnonzero(random.random(n) < self.chance)
            base[put, v] = missing[v][(random.integers(len(missing[v])) + numpy.arange(len(put))) % len(missing[v])]
        base[numpy.arange(n), target] = value
        return self.prover.draw(n, 1_000 + self.rounds, wanted=base)


def _show(rows: Rows, open_: Sequence[Rows]) -> int:
    """Takes what feasible designs show from what is open; how much of it is left."""
    for v, mine in enumerate(open_):
        if len(rows) and mine.any():
            mine[rows[:, v][rows[:, v] >= 0]] = False
    return sum(int(mine.sum()) for mine in open_)


__all__ = ["Drawn", "Pair"]
