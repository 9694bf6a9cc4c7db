"""Whether anything is left beside an option: the same question as a count, without the counting.

Beside an option the other groups can at best take what is least of a sum. Where that stays within every bound, each
for itself, the option may be in a design; where one choice of the others stays within all bounds at once, it is.
Where no more than one sum is open at a row the two are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from cospace.compiler.counting.options import Options, end_of, settle_rows
from numpy.typing import NDArray

Array = NDArray[Any]


def may_be_kept(groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array]) -> list[Array]:
    """For each group, (n, options) of 0 and 1: 0 where nothing can be beside the option."""
    made = settle_rows(groups, bounds, active)
    found = [numpy.repeat(made.alive[:, None], g.weights.shape[1], axis=1) for g in groups]
    for k, (bound, is_open) in enumerate(zip(bounds, made.open_sums, strict=True)):
        least = [numpy.where(g.weights > 0, g.values[k], end_of(g.values[k])).min(axis=1) for g in groups]
        whole = sum(least)
        for shown, g, own in zip(found, groups, least, strict=True):
            shown &= ((g.values[k] + (whole - own)[:, None]) <= bound[:, None]) | ~is_open[:, None]
    return [shown.astype(numpy.int64) for shown in found]


def surely_kept(groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array]) -> list[Array]:
    """As `may_be_kept`, 1 where some choice of the other groups is tried that fits beside the option.

    Tried are the choices that are least in one of the sums, and those that are least in all together.
    """
    made = settle_rows(groups, bounds, active)
    found = [numpy.zeros(g.weights.shape, dtype=bool) for g in groups]
    asked = [k for k, is_open in enumerate(made.open_sums) if (is_open & made.alive).any()]
    rows = numpy.arange(len(made.alive))
    for order in _orders(groups, bounds, asked):
        picks = [numpy.where(g.weights > 0, o, numpy.inf).argmin(axis=1) for g, o in zip(groups, order, strict=True)]
        fits = [numpy.repeat(made.alive[:, None], g.weights.shape[1], axis=1) for g in groups]
        for k in asked:
            taken = [g.values[k][rows, p] for g, p in zip(groups, picks, strict=True)]
            whole = sum(taken)
            for fit, g, own in zip(fits, groups, taken, strict=True):
                within = (g.values[k] + (whole - own)[:, None]) <= bounds[k][:, None]
                fit &= within | ~made.open_sums[k][:, None]
        for shown, fit in zip(found, fits, strict=True):
            shown |= fit
    return [shown.astype(numpy.int64) for shown in found]


def _orders(groups: Sequence[Options], bounds: Sequence[Array], asked: Sequence[int]) -> list[list[Array]]:
    """By what the others are chosen: each sum, and all of them in parts of what their bounds leave."""
    single = [[g.values[k].astype(float) for g in groups] for k in asked]
    if len(asked) < 2:
        return single or [[numpy.zeros(g.weights.shape) for g in groups]]
    blend = [numpy.zeros(g.weights.shape) for g in groups]
    for k, values in zip(asked, single, strict=True):
        least = sum(numpy.where(g.weights > 0, v, numpy.inf).min(axis=1) for g, v in zip(groups, values, strict=True))
        room = bounds[k].astype(float) - least
        for total, v in zip(blend, values, strict=True):
            total += v / numpy.where(room > 0, room, 1)[:, None]
    return [*single, blend]


__all__ = ["may_be_kept", "surely_kept"]
