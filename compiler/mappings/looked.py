"""Whole mappings that were looked at: which of them are the best, exactly, and of those the first in declared order.

Floats, whose error is known, leave the near ones. Of these most are equal: they agree in numbers that floats hold
exactly and that the goals are made of, so that one of them is worked out for all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy
from cospace.compiler.exact import columns
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.closed import Closed
from cospace.compiler.mappings.effort import GaveUp
from cospace.compiler.mappings.listed import Floats, Ints
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.graph import Expr, walk
from numpy.typing import NDArray

TIED = 50_000
"""Mappings that may be the best which are kept, at most."""
SPARE = 1e-9
"""A relative error from which on floats tell too little."""
PIECE = 1 << 16


class Looked:
    """What was looked at of a problem. freed: maps of which values were left out that others are as good as.

    least: the logarithm of the best goal, or a little more.
    """

    def __init__(self, closed: Closed, freed: Sequence[int]) -> None:
        self.closed = closed
        self.freed = sorted(freed)
        self.least = math.inf
        self._parts = parts = _exact_parts(closed)
        self._program = Program([closed.goals[0], closed.meets, *parts], closed.decisions, certify=True)
        low = closed.listed.ends(closed.goals[0])[0]
        share = self._program.shares[0]
        if low > 0:
            share = min(share, self._program.errors[0] / float(low))
        if not share < SPARE:
            raise NotExact("rounding hides which is the best")
        self._spare = 4 * share + 1e-13
        self._rows: Ints = numpy.zeros((0, len(closed.decisions)), dtype=numpy.int64)
        self._logs: Floats = numpy.zeros(0)
        self._keys: Floats = numpy.zeros((0, len(parts)))
        self._before = min(self.freed, default=len(closed.decisions))
        """Maps before the first that is freed: what is not the first of equals in these can't be in all."""

    def add(self, rows: Ints) -> None:
        """Look at some mappings: the positions of their maps' values, (n, maps)."""
        self._keep(*self._meeting(rows), self._before)
        if len(self._rows) > TIED:
            raise GaveUp

    def first(self) -> tuple[int, ...] | None:
        """The first of the best mappings, where all that may be the best but for what is freed were looked at.

        What is freed is tried in full beside what the best mappings have elsewhere.
        """
        if not len(self._rows):
            return None
        if self.freed:
            self._among_best()
            rest = numpy.unique(numpy.delete(self._rows, self.freed, axis=1), axis=0)
            sizes = [len(self.closed.decisions[n].values) for n in self.freed]
            if math.prod(sizes) * len(rest) > TIED * 1000:
                raise GaveUp
            for taken in itertools.product(*map(range, sizes)):
                rows = rest
                for n, k in zip(self.freed, taken, strict=True):
                    rows = numpy.insert(rows, n, k, axis=1)
                self._keep(*self._meeting(rows), len(self.closed.decisions))
        self._among_best()
        found: tuple[int, ...] = min(map(tuple, self._rows.tolist()))
        return found

    def _meeting(self, rows: Ints) -> tuple[Ints, Floats, Floats]:
        """Those that meet the requirements and are near to the best, the logarithms of their goals, and their parts."""
        kept = [(self._rows[:0], self._logs[:0], self._keys[:0])]
        for low in range(0, len(rows), PIECE):
            some = rows[low : low + PIECE]
            found, (defined, *_), doubt = self._program.certified(some)
            goal, meets, *parts = self._corrected(found, numpy.flatnonzero(doubt), some)
            at = numpy.flatnonzero(meets & defined)
            if not len(at):
                continue
            logs = numpy.log(goal[at])
            self.least = min(self.least, float(logs.min()) + self._spare)
            near = logs <= self.least + self._spare
            at = at[near]
            key = numpy.stack([p[at] for p in parts], axis=1) if parts else numpy.zeros((len(at), 0))
            kept.append((some[at], logs[near], key))
        rows, logs, keys = (numpy.concatenate(part) for part in zip(*kept, strict=True))
        return rows, logs, keys

    def _keep(self, rows: Ints, logs: Floats, keys: Floats, before: int) -> None:
        if not len(rows):
            return
        rows, logs = numpy.concatenate([self._rows, rows]), numpy.concatenate([self._logs, logs])
        keys = numpy.concatenate([self._keys, keys])
        near = logs <= self.least + self._spare
        rows, logs, keys = rows[near], logs[near], keys[near]
        if keys.shape[1]:
            _, same = numpy.unique(keys, axis=0, return_inverse=True)
        else:
            same = numpy.arange(len(rows))
        at = _firsts(numpy.column_stack([same.reshape(-1), rows[:, :before]]))
        self._rows, at_ = numpy.unique(rows[at], axis=0, return_index=True)
        self._logs, self._keys = logs[at][at_], keys[at][at_]

    def _among_best(self) -> None:
        """Leaves those whose goals are the least, exactly."""
        goals = list(zip(*self._exactly(self.closed.goals, self._rows), strict=True))
        least = min(goals)
        best = numpy.array([g == least for g in goals])
        self._rows, self._logs, self._keys = self._rows[best], self._logs[best], self._keys[best]

    def _corrected(self, found: Sequence[Array], at: Ints, rows: Ints) -> list[Array]:
        """The program's numbers, where rounding may have decided wrongly as they are exactly."""
        if not len(at):
            return list(found)
        exactly = self._exactly([self.closed.goals[0], self.closed.meets, *self._parts], rows[at])
        made = [numpy.array(f) for f in found]
        for column, values in zip(made, exactly, strict=True):
            column[at] = values.astype(column.dtype)
        return made

    def _exactly(self, exprs: Sequence[Expr], rows: Ints) -> list[columns.Column]:
        given = {d.path: columns.column(d.values)[rows[:, n]] for n, d in enumerate(self.closed.decisions)}
        return columns.evaluate(exprs, given, len(rows))


def _firsts(rows: Ints) -> NDArray[numpy.bool_]:
    """Which rows have, of those with the same first column, the least of the other columns, compared from the left."""
    order = numpy.lexsort(rows.T[::-1])
    sorted_ = rows[order]
    new = numpy.ones(len(rows), dtype=numpy.bool_)
    new[1:] = sorted_[1:, 0] != sorted_[:-1, 0]
    first = sorted_[numpy.maximum.accumulate(numpy.where(new, numpy.arange(len(rows)), 0))]
    found = numpy.empty(len(rows), dtype=numpy.bool_)
    found[order] = (sorted_ == first).all(axis=1)
    return found


def _exact_parts(closed: Closed) -> list[Expr]:
    """Numbers of which the goals are made and that floats hold exactly, as few as may be; none where some part of a
    goal is made of others, too."""
    numbers = [n for n in walk(closed.goals) if n.type.kind == "number" and n.free]
    errors = dict(zip(map(id, numbers), Program(numbers, closed.decisions, certify=True).errors, strict=True))
    found: dict[int, Expr] = {}
    stack = list(closed.goals)
    while stack:
        node = stack.pop()
        if id(node) in found or not node.free:
            continue
        if node.type.kind != "number" or not node.args:
            return []
        if errors[id(node)] == 0:
            found[id(node)] = node
        else:
            stack += node.args
    return list(found.values())


__all__ = ["Looked"]
