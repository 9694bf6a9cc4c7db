"""The two ends of a network's size, between which paths are drawn (the sandwich rule of Yu and Huang, 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from cospace.compiler.engines.liveness import Liveness
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import either, negate
from cospace.compiler.space.model import Design
from cospace.runtime.context import Run
from cospace.runtime.costs import Rows
from cospace.runtime.network import build_skeleton
from cospace.runtime.plan import Step

Size = tuple[int, int, int]


class Ends:
    """The largest and the smallest path of some decisions: by weights, then by numbers between operators, then by bits.

    Both are found by changing one decision after the other until none makes it larger (smaller), from the first on and
    from the last on, the other groups at their first values. Requirements of the network alone hold at both; those that
    read hardware don't count, for weights of paths between the ends are trained there, too. group: indices of
    decisions.
    """

    def __init__(self, run: Run, group: Sequence[int]) -> None:
        self._run, self._group, self._liveness = run, list(group), Liveness(run.costs.decisions)
        inside = set(run.planner.decisions)
        every = [either(negate(r.guard), r.value) for r in run.space.requirements]
        self._requirements = [r for r in every if r.free <= inside]
        first = self._liveness.fill(np.zeros((1, len(run.costs.decisions)), np.int64))
        self.rows = np.concatenate([self._end(first, sign) for sign in (1, -1)])

    def beside(self, row: Rows) -> list[Rows]:
        """The ends with all other decisions as a row (1, d) has them; without those that a requirement bars there."""
        found = []
        for end in self.rows:
            wanted = np.maximum(row, 0)
            wanted[0, self._group] = np.maximum(end[self._group], 0)
            filled = self._liveness.fill(wanted)
            if self._stands(self._run.costs.decode(filled[0])):
                found.append(filled)
        return found

    def _end(self, row: Rows, sign: int) -> Rows:
        found = [self._climb(row, sign, order) for order in (self._group, self._group[::-1])]
        return max(found, key=lambda f: (f[0] is not None, _signed(f[0] or (0, 0, 0), sign)))[1]

    def _climb(self, row: Rows, sign: int, order: Sequence[int]) -> tuple[Size | None, Rows]:
        best, moved = self._size(row), True
        while moved:
            moved = False
            for j in order:
                for value in range(len(self._run.costs.decisions[j].values)):
                    wanted = np.maximum(row, 0)
                    wanted[0, j] = value
                    other = self._liveness.fill(wanted)
                    size = self._size(other) if row[0, j] >= 0 and (other != row).any() else None
                    if size is not None and (best is None or _signed(size, sign) > _signed(best, sign)):
                        row, best, moved = other, size, True
        return best, row

    def _size(self, row: Rows) -> Size | None:
        """None where the network does not stand."""
        design = self._run.costs.decode(row[0])
        if not self._stands(design):
            return None
        steps = self._run.planner.resolve(design).steps
        bits = sum(s.precision.weight_bits + s.precision.activation_bits for s in steps)
        return sum(map(_weights, steps)), sum(math.prod(s.shape) for s in steps), bits

    def _stands(self, design: Design) -> bool:
        return all(evaluate(r, design) is not False for r in self._requirements)


def _weights(step: Step) -> int:
    return sum(p.numel() for p in build_skeleton(step).parameters())


def _signed(size: Size, sign: int) -> Size:
    return size[0] * sign, size[1] * sign, size[2] * sign


__all__ = ["Ends"]
