"""How maps are told apart: classes of their values that are alike, and where two sets of readers are apart.

Two sets of readers that tell a map's values apart in different ways are apart, given the classes that both know, where
within such a class each value that one tells goes with each that the other tells. Where that is so of every map,
whatever the one set reads goes with whatever the other does, but for what both know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from numpy.typing import NDArray

Labels = NDArray[numpy.int64]
"""The class of each value of a map, numbers from 0 on."""


@frozen(eq=False)
class Partition:
    """Classes of the values of every map, in the order in which they are met."""

    maps: tuple[Labels, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(int(m.max()) + 1 for m in self.maps)

    @property
    def size(self) -> int:
        """Combinations of classes."""
        return math.prod(self.counts)

    def firsts(self) -> list[Labels]:
        """Of each map the first value of each class."""
        return [numpy.unique(m, return_index=True)[1].astype(numpy.int64) for m in self.maps]


def labelled(values: Sequence[object]) -> Labels:
    """Equal values have one number."""
    known: dict[object, int] = {}
    return numpy.array([known.setdefault(v, len(known)) for v in values], dtype=numpy.int64)


def refined(*parts: Partition) -> Partition:
    """The classes within which no part tells values apart."""
    return Partition(tuple(_together(*labels) for labels in zip(*(p.maps for p in parts), strict=True)))


def _together(*labels: Labels) -> Labels:
    made = labels[0]
    for other in labels[1:]:
        if made is not other and other.max(initial=0):
            made = _renumbered(made * (int(other.max()) + 1) + other)
    return made


def _renumbered(codes: NDArray[Any]) -> Labels:
    """Numbers from 0 on, in the order in which they are met."""
    _, first, inverse = numpy.unique(codes, return_index=True, return_inverse=True)
    rank = numpy.empty(len(first), dtype=numpy.int64)
    rank[numpy.argsort(first)] = numpy.arange(len(first))
    found: Labels = rank[inverse.reshape(-1)]
    return found


def common(one: Partition, other: Partition) -> Partition | None:
    """The classes that both know; None where they are not apart given these."""
    found = []
    for a, b in zip(one.maps, other.maps, strict=True):
        shared = _shared(a, b)
        if shared is None:
            return None
        found.append(shared)
    return Partition(tuple(found))


def _shared(a: Labels, b: Labels) -> Labels | None:
    """Of one map; None where in some class not each value that one tells goes with each that the other tells."""
    if not a.max() or not b.max():
        return numpy.zeros(len(a), dtype=numpy.int64)
    low = numpy.arange(int(a.max()) + 1)
    while True:
        above = numpy.full(int(b.max()) + 1, len(low), dtype=numpy.int64)
        numpy.minimum.at(above, b, low[a])
        after = low.copy()
        numpy.minimum.at(after, a, above[b])
        if (after == low).all():
            break
        low = after
    label = _renumbered(low[a])
    pairs = numpy.unique(numpy.stack([label, a, b], axis=1), axis=0)[:, 0]
    own, others = (numpy.bincount(numpy.unique(numpy.stack([label, x], axis=1), axis=0)[:, 0]) for x in (a, b))
    return label if (numpy.bincount(pairs) == own * others).all() else None


__all__ = ["Labels", "Partition", "common", "labelled", "refined"]
