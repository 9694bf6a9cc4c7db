"""How much a front is expected to grow by a design of which all goals but one are known.

The front stands in the plane of what is known (across) and of the one that is not (up); less is better in both. A
design at cost t with the value e adds the area that it dominates and nothing on the front does: the integral over
costs from t to `right` of what e is below the front's level there, so that its expectation is a sum over the front's
stairs of their width times the expected improvement on their level (Emmerich, Deutz and Klinkenberg, 2011).
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

Array = NDArray[Any]


def stairs(costs: Array, values: Array) -> Array:
    """Positions of the points that none dominates, by rising costs. (n,), (n,)"""
    order = numpy.lexsort((values, costs))
    least = numpy.minimum.accumulate(values[order])
    before = numpy.concatenate([[numpy.inf], least[:-1]])
    kept: Array = order[values[order] < before]
    return kept


def expected(
    mean: Array, deviation: Array, costs: Array, front: tuple[Array, Array], top: float, right: float
) -> Array:
    """The expected growth of the area that the front dominates up to (right, top), for each candidate. (m,)

    mean, deviation: of the logarithm of a candidate's value. front: costs and values of its stairs, by rising costs.
    """
    at, levels = front
    lows = numpy.concatenate([[-numpy.inf], at])
    highs = numpy.concatenate([at, [right]])
    grown = numpy.zeros(len(mean))
    middle = numpy.exp(mean + 0.5 * deviation**2)
    for low, high, level in zip(lows, highs, numpy.concatenate([[top], levels]), strict=True):
        reached = numpy.flatnonzero(costs < high)
        width = high - numpy.maximum(costs[reached], low)
        own = deviation[reached]
        z = (numpy.log(level) - mean[reached]) / own
        below = level * _normal(z) - middle[reached] * _normal(z - own)
        grown[reached] += width * numpy.maximum(below, 0.0)
    return grown


def _density(z: Array) -> Array:
    found: Array = numpy.exp(-0.5 * z * z) / numpy.sqrt(2 * numpy.pi)
    return found


def _normal(z: Array) -> Array:
    """The normal distribution's integral, to 7.5e-8 (Abramowitz and Stegun, 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * numpy.abs(z))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = _density(z) * series
    found: Array = numpy.where(z < 0, tail, 1.0 - tail)
    return found


__all__ = ["expected", "stairs"]
