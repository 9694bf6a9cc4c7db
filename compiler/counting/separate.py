"""Long sums that share no part: what several of them leave at a row is a product over those that hang together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from cospace.compiler.numbers.enumerate import unite
from numpy.typing import NDArray

Array = NDArray[Any]


def separate(varies: Sequence[Sequence[bool]]) -> list[tuple[list[int], list[int]]]:
    """Groups and sums that hang together: varies[g][k] says whether sum k depends on what group g takes.

    Groups that no sum depends on come last, without sums, if there are any.
    """
    groups = len(varies)
    sums = len(varies[0]) if groups else 0
    scopes = [[g, *(groups + k for k in range(sums) if varies[g][k])] for g in range(groups)]
    found = []
    rest: list[int] = []
    for members in unite(groups + sums, scopes):
        own = [m for m in members if m < groups], [m - groups for m in members if m >= groups]
        if own[1] and own[0]:
            found.append(own)
        else:
            rest += own[0]
    return [*found, (rest, [])] if rest else found


def depends(values: Array, weights: Array) -> bool:
    """Whether a sum's part, (n, options), differs among the options of some row that weigh anything."""
    return bool(((values != settled(values, weights)[:, None]) & (weights > 0)).any())


def settled(values: Array, weights: Array) -> Array:
    """The value of a part that does not differ among the options that weigh anything: (n,)."""
    return numpy.take_along_axis(values, (weights > 0).argmax(axis=1)[:, None], axis=1)[:, 0]


__all__ = ["depends", "separate", "settled"]
