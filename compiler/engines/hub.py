"""Settings of the hub that others make needless: at each choice of each group one of these is at least as good.

Whatever the groups choose, the same choices at the other setting are as good in all that the goals and the requirements
read; so no front needs a design at such a setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from cospace.compiler.engines.dominance import front
from cospace.compiler.engines.separable import Separable
from cospace.compiler.numbers.enumerate import TooMany, digest
from numpy.typing import NDArray

Array = NDArray[Any]

CELLS = 1 << 23
"""Settings times numbers at each that are compared, at most."""


def needed(space: Separable, settings: Array) -> Array:
    """Those of some settings (numbers) that stay, where the comparison is not too much."""
    kept = []
    for alike in _alike(space, settings):
        try:
            kept.append(alike[front(_numbers(space, alike), len(alike))])
        except TooMany:
            kept.append(alike)
    return numpy.sort(numpy.concatenate([settings[:0], *kept]))


def _alike(space: Separable, settings: Array) -> Iterator[Array]:
    """Settings at which each group has the same choices, together."""
    if all(_is_even(space, g) for g in range(len(space.groups))):
        yield settings
        return
    classes: dict[tuple[bytes, ...], list[int]] = {}
    for n in settings.tolist():
        classes.setdefault(tuple(digest(g.at(n).rows) for g in space.groups), []).append(n)
    for found in classes.values():
        yield numpy.array(found)


def _is_even(space: Separable, g: int) -> bool:
    group, n = space.groups[g], len(space.settings)
    sizes = numpy.diff(group.starts)
    if not n or not sizes[0] or (sizes != sizes[0]).any():
        return False
    each = group.rows.reshape(n, int(sizes[0]), -1)
    return bool((each == each[0]).all())


def _numbers(space: Separable, settings: Array) -> list[Array]:
    """All numbers that count at each of some settings which are alike, to be small; first their order by all of them.

    Raises TooMany where they are too many.
    """
    parts = [space.empty[:, settings]]
    for group in space.groups:
        size = int(group.starts[settings[0] + 1] - group.starts[settings[0]]) if len(settings) else 0
        parts += [group.values[:, group.starts[settings] + i] for i in range(size)]
    if len(parts) * len(settings) > CELLS:
        raise TooMany(len(parts) * len(settings), CELLS, space.hub)
    different: dict[bytes, Array] = {}
    for values in parts:
        for k, signs in enumerate(space.signs):
            for wanted, sign in zip(signs, (1, -1), strict=True):
                if wanted:
                    key = space.words.keys(k, values, sign)
                    if len(key) and (key != key[0]).any():
                        different.setdefault(key.tobytes(), key)
    found = list(different.values())
    if not found:
        return found
    total = numpy.unique(sum(key.astype(numpy.float64) for key in found), return_inverse=True)[1]  # grows with each
    return [total.astype(numpy.int64), *found]


__all__ = ["needed"]
