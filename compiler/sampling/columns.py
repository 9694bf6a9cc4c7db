"""Designs as columns of whole numbers, several decisions to a column: what a sampler draws and a re-check reads.

A column's number names a value of each of its decisions: their indices are its digits, the first decision's the
highest, each to the base of how many values the decision has. So a network of hundreds of decisions is a few dozen
columns, and an index of its own for each decision is written out only where it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.space.graph import Expr, walk
from numpy.typing import NDArray

Array = NDArray[Any]
JOINED = 1 << 17
"""Numbers of one column of several decisions, at most."""
SMALL = 1 << 13
"""Numbers of a column whose tables stay in the fastest cache."""


@frozen
class Column:
    """members: decisions, by their place among all; sizes: how many values each has.

    Decisions that share a column are always live.
    """

    members: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    @property
    def kind(self) -> Any:
        """The least type that holds its numbers, and -1."""
        return numpy.min_scalar_type(-self.size - 1)


@frozen(eq=False)
class Designs:
    """codes: for each of `columns` an array (n,); one of a single decision has that decision's indices, -1 where dead.

    Every decision is in one column. written: all indices (n, d), where the codes are parts of these.
    """

    columns: tuple[Column, ...]
    codes: tuple[Array, ...]
    length: int
    written: Array | None = None

    def __len__(self) -> int:
        return self.length

    @staticmethod
    def of_rows(rows: Array, sizes: Sequence[int]) -> Designs:
        """rows: (n, d) indices; each decision's column is taken as it stands."""
        columns = tuple(Column((k,), (size,)) for k, size in enumerate(sizes))
        return Designs(columns, tuple(rows[:, k] for k in range(len(sizes))), len(rows), rows)

    def part(self, start: int, stop: int) -> Designs:
        codes = tuple(code[start:stop] for code in self.codes)
        written = None if self.written is None else self.written[start:stop]
        return Designs(self.columns, codes, max(0, min(stop, self.length) - start), written)

    def row(self, i: int) -> Array:
        """The indices of one design, (d,)."""
        written: Array = self.part(i, i + 1).rows()[0]
        return written

    def rows(self) -> Array:
        """(n, d) indices in the least integer type that holds them, each decision's in one piece."""
        if self.written is not None:
            return self.written
        most = max((size for c in self.columns for size in c.sizes), default=0)
        many = sum(len(c.members) for c in self.columns)
        found = numpy.empty((many, self.length), dtype=numpy.min_scalar_type(-most - 1))
        for column, codes in zip(self.columns, self.codes, strict=True):
            if len(column.members) == 1:
                found[column.members[0]] = codes
                continue
            rest = codes
            for k in range(len(column.members) - 1, 0, -1):
                size = rest.dtype.type(column.sizes[k])
                above = rest // size
                numpy.subtract(rest, above * size, out=found[column.members[k]], casting="unsafe")
                rest = above
            found[column.members[0]] = rest
        rows: Array = found.T
        return rows


def join_columns(paths: Sequence[str], sizes: Sequence[int], exprs: Iterable[Expr]) -> list[tuple[int, ...]]:
    """Decisions that stand in one column each, as places in `paths`. sizes: how many values each has.

    First those that one small expression reads together; of what is left those that many read together, as long as
    tables over them are small; then the smallest.
    """
    place = {p: k for k, p in enumerate(paths)}
    read: set[tuple[int, ...]] = set()
    for e in walk(list(exprs)):
        own = tuple(sorted(place[p] for p in e.free if p in place))
        if len(own) > 1:
            read.add(own)
    scopes = sorted(read, key=lambda s: (len(s), math.prod(sizes[k] for k in s), s))
    columns: list[tuple[int, ...]] = [(k,) for k in range(len(paths))]

    def joined(lot: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        return tuple(sorted(k for c in lot for k in c))

    def cells(members: Iterable[int]) -> int:
        return math.prod(sizes[k] for k in members)

    def unite(lot: Sequence[tuple[int, ...]]) -> None:
        columns[:] = sorted([*(c for c in columns if c not in lot), joined(lot)])

    def touched(scope: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [c for c in columns if not set(c).isdisjoint(scope)]

    for scope in scopes:
        met = touched(scope)
        if len(met) > 1 and cells(joined(met)) <= (SMALL if len(scope) > 2 else JOINED):
            unite(met)
    while True:
        shared: dict[tuple[tuple[int, ...], tuple[int, ...]], Fraction] = {}
        for scope in scopes:
            met = touched(scope)
            for both in combinations(met, 2):
                shared[both] = shared.get(both, Fraction(0)) + Fraction(1, len(met))
        fitting = [pair for pair in shared if cells(joined(pair)) <= SMALL]
        if not fitting:
            break
        best = min(fitting, key=lambda pair: (-shared[pair], cells(joined(pair)), pair))
        unite(best)
    while len(columns) > 1:
        least = sorted(columns, key=lambda c: (cells(c), c))[:2]
        if cells(joined(least)) > JOINED:
            break
        unite(least)
    return columns


__all__ = ["Column", "Designs", "join_columns"]
