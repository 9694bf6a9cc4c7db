"""What the groups of a component may take at each row of its hubs, and what their least and greatest sums settle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.eliminate import SAFE
from numpy.typing import NDArray

Array = NDArray[Any]


@frozen(eq=False)
class Options:
    """values: for each sum an (n, options) array; weights: (n, options), 0 where an option is excluded."""

    values: tuple[Array, ...]
    weights: Array


@frozen(eq=False)
class Settled:
    """product: of the groups' totals, per row; alive: rows that may hold; open_sums: rows a sum may still refuse."""

    product: Array
    largest: int
    alive: Array
    open_sums: list[Array]


def settle_rows(groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array]) -> Settled:
    """What the least and the greatest of each sum say of the rows."""
    totals = [g.weights.sum(axis=1) for g in groups]
    n = len(totals[0]) if totals else len(bounds[0]) if bounds else 0
    alive = numpy.ones(n, dtype=bool)
    for t in totals:
        alive &= t > 0
    largest = math.prod(int(t.max(initial=0)) for t in totals)
    product: Array = numpy.ones(n, dtype=object if largest >= SAFE else numpy.int64)
    for t in totals:
        product = product * t  # a group of few designs beside others may hold long integers
    open_sums = []
    for k, bound in enumerate(bounds):
        least, most = numpy.zeros_like(bound), numpy.zeros_like(bound)
        for g in groups:
            high = end_of(g.values[k])
            least = least + numpy.where(g.weights > 0, g.values[k], high).min(axis=1)
            most = most + numpy.where(g.weights > 0, g.values[k], -high).max(axis=1)
        alive &= ~active[k] | (least <= bound)
        open_sums.append(active[k] & (most > bound))
    return Settled(product, largest, alive, open_sums)


def end_of(values: Array) -> Any:
    """Beyond what a value may be; so many that they can be added up."""
    return numpy.iinfo(numpy.int64).max // 64 if values.dtype == numpy.int64 else 1e300


__all__ = ["Options", "Settled", "end_of", "settle_rows"]
