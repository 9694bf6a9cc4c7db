"""Whether drawn designs are designs and feasible, decided anew for every one of them.

What is asked is compiled from the expressions of the space alone, into tables that the reference evaluator fills and
whole numbers (`recheck_tables`), which share no code with what a sampler counts, decides and draws with; what these
refuse is asked of a batched program. A few designs are also put to the reference evaluator itself, one at a time.
"""

from __future__ import annotations

from typing import Any

import numpy
from cospace.compiler.exact import exact
from cospace.compiler.numbers.numbers import Decider
from cospace.compiler.sampling.columns import Column, Designs
from cospace.compiler.sampling.recheck_tables import Tabled
from cospace.compiler.space.designs import decode
from cospace.compiler.space.graph import TRUE, Expr, both, implies
from cospace.compiler.space.model import Space
from numpy.typing import NDArray

REFERENCED, READ = 16, 1 << 10
"""Designs of a sample, spread evenly over it, that the reference evaluator checks too, and their decisions together;
at least two designs."""
FEW = 32
"""Up to so many designs the reference evaluator is quicker than compiling a program."""


class Recheck:
    """Compiled when it is first asked for, for many samples of one space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._wanted = [implies(r.guard, r.value) for r in space.requirements]
        self._tabled: dict[tuple[Column, ...], Tabled] = {}
        self._program: Decider | None = None
        self._asked: dict[int, int] = {}

    def __call__(self, drawn: Designs | NDArray[Any]) -> None:
        """drawn: designs, or their indices (n, d).

        Raises AssertionError at one that is none, or that breaks a requirement.
        """
        designs = self._designs(drawn)
        n = len(designs)
        if n > FEW:
            self._batched(designs)
        some = max(2, min(REFERENCED, READ // max(1, len(self.space.decisions))))
        for i in range(n) if n <= FEW else range(0, n, -(-n // some)):
            self._reference(designs.row(i))

    def _designs(self, drawn: Designs | NDArray[Any]) -> Designs:
        if isinstance(drawn, Designs):
            return drawn
        return Designs.of_rows(drawn, [len(d.values) for d in self.space.decisions])

    def _batched(self, designs: Designs) -> None:
        at = numpy.flatnonzero(~self.held(designs))
        if len(at):
            row = designs.row(int(at[0]))
            self._reference(row)
            raise AssertionError(f"two evaluators differ at a sample: {decode(self.space.decisions, row)}")

    def held(self, drawn: Designs | NDArray[Any]) -> NDArray[numpy.bool_]:
        """Whether each is a feasible design, (n,). Raises AssertionError at an index that no decision has."""
        designs = self._designs(drawn)
        tabled = self._tabled.get(designs.columns)
        if tabled is None:
            tabled = self._tabled[designs.columns] = Tabled(self.space.decisions, self._wanted, designs.columns)
        held: NDArray[numpy.bool_] = tabled(designs)
        if tabled.refused or tabled.legal_refused:
            held &= self._decided(tabled, designs.rows())
        return held

    def _decided(self, tabled: Tabled, rows: NDArray[Any]) -> NDArray[numpy.bool_]:
        """What no table decides, by a batched program."""
        decisions = self.space.decisions if tabled.legal_refused else ()
        if self._program is None:
            exprs: list[Expr] = [both(TRUE, *tabled.refused)]
            for d in decisions:
                for e in (d.guard, *(d.allowed or ())):
                    if e is not TRUE and id(e) not in self._asked:
                        self._asked[id(e)] = len(exprs)
                        exprs.append(e)
            self._program = Decider(exprs, self.space.decisions)
        found = self._program(rows)
        held: NDArray[numpy.bool_] = found[:, 0].copy()
        for j, d in enumerate(decisions):
            column = rows[:, j]
            live = found[:, self._asked[id(d.guard)]] if d.guard is not TRUE else numpy.True_
            held &= (column >= 0) == live
            for index, e in enumerate(d.allowed or ()):
                if e is not TRUE:
                    held &= (column != index) | found[:, self._asked[id(e)]]
        return held

    def _reference(self, row: NDArray[Any]) -> None:
        design = decode(self.space.decisions, row)
        for d, index in zip(self.space.decisions, row, strict=True):
            if d.guard is TRUE and d.allowed is None and index >= 0:
                continue
            if (exact.evaluate(d.guard, design) is True) != (index >= 0):
                raise AssertionError(f"a sample has `{d.path}` where it is not live, or lacks it: {design}")
            if index >= 0 and d.allowed is not None and exact.evaluate(d.allowed[int(index)], design) is not True:
                raise AssertionError(f"a sample has a value of `{d.path}` outside its domain: {design}")
        for r, held in zip(self.space.requirements, exact.evaluate_all(self._wanted, design), strict=True):
            if held is not True:
                raise AssertionError(f"a sample does not meet `{r.reason}`: {design}")


__all__ = ["Recheck"]
