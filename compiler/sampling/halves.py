"""Whole costs of many groups, drawn so that their sum stays within a room: totals first, which are then halved.

Groups of one kind have the same weights at each cost, so how a total of m of them is split into those of two halves is
one table for all of them: two or three tables for each doubling, in place of one for each group. Shares are floats
whose error is bounded; what lies nearer to a cut-off is decided by whole numbers (`ragged`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from cospace.compiler.counting.guided import BITS
from cospace.compiler.counting.levels import Group
from cospace.compiler.counting.powers import Polynomial
from cospace.compiler.sampling.ragged import Ragged
from cospace.compiler.sampling.scratch import Scratch
from numpy.typing import NDArray

Array = NDArray[Any]
_KIND = numpy.longdouble
LEAST, MARGIN = 4, 1 << 50
"""How near to a cut-off whole numbers decide, of 2^62."""


class TooWide(ArithmeticError):
    """Weights that floats do not hold with an error small enough."""


class Halves:
    """groups[kind][row]: the weights of a kind's costs at each row; many: how many groups are of a kind.

    room: what all costs together may be at each row, -1 at a row that is never asked. Raises TooWide.
    """

    def __init__(self, groups: Sequence[Sequence[Group]], many: Sequence[int], room: Array, scratch: Scratch) -> None:
        self._scratch = scratch
        self._groups, self._many, self._room = groups, many, room
        self._base = numpy.concatenate([[0], numpy.cumsum(numpy.maximum(room + 1, 0))])
        size = int(room.max(initial=0)) + 1
        self._margin = int((sum(many) + 2) * (size + 8) * 4 * float(numpy.finfo(_KIND).eps) * 2.0**BITS) + 4
        self._margin = max(self._margin, LEAST)
        if self._margin > MARGIN:
            raise TooWide
        self._shares: dict[tuple[int, int], list[Array]] = {}
        self._exact: dict[tuple[int, int, int], list[int]] = {}
        self._within: dict[tuple[int, int], list[int]] = {}
        self._halves: dict[tuple[int, int], Ragged] = {}
        for kind, n in enumerate(many):
            for m in sorted(_halved(n)):
                low, high = self._sums(kind, m // 2), self._sums(kind, m - m // 2)
                self._halves[kind, m], _ = self._table(low, high, self._recall_half(kind, m))
        after = [numpy.ones(int(r) + 1, dtype=_KIND) for r in room]
        self._totals: list[Ragged] = []
        for kind in range(len(many) - 1, -1, -1):
            made, after = self._table(self._sums(kind, many[kind]), after, self._recall_total(kind))
            self._totals.append(made)
        self._totals.reverse()

    # ---- tables

    def _sums(self, kind: int, m: int) -> list[Array]:
        """At each row the weights of the costs of m groups of a kind together, the largest 1."""
        if (kind, m) not in self._shares:
            if m == 1:
                made = []
                for row, r in enumerate(self._room):
                    weights = numpy.zeros(int(r) + 1, dtype=_KIND)
                    g = self._groups[kind][row]
                    weights[list(g.values)] = [_KIND(w) for w in g.weights]
                    made.append(_scaled(weights))
            else:
                pairs = zip(self._sums(kind, m // 2), self._sums(kind, m - m // 2), strict=True)
                made = [_scaled(numpy.convolve(a, b)[: len(a)]) if len(a) else a for a, b in pairs]
            self._shares[kind, m] = made
        return self._shares[kind, m]

    def _table(
        self, first: list[Array], rest: list[Array], recall: Callable[[int, int], list[int]]
    ) -> tuple[Ragged, list[Array]]:
        """What is drawn of `first` at each row and total, and how much is left of both there, the largest 1."""
        lengths, cuts, totals = [], [], []
        for a, b in zip(first, rest, strict=True):
            size = len(a)
            if not size:
                totals.append(a)
                continue
            grid = numpy.zeros((size, size), dtype=_KIND)
            for c in numpy.flatnonzero(a):
                grid[c:, c] = b[: size - c] * a[c]
            running = numpy.cumsum(grid, axis=1)
            total = running[:, -1]
            share = running / numpy.where(total > 0, total, 1)[:, None]
            inside = numpy.tril(numpy.ones((size, size), dtype=bool))
            cuts.append(numpy.minimum(share[inside] * _KIND(1 << BITS), _KIND((1 << BITS) - 1)).astype(numpy.int64))
            lengths.append(numpy.arange(1, size + 1))
            totals.append(_scaled(total))
        starts = numpy.concatenate([[0], numpy.cumsum(numpy.concatenate(lengths))]).astype(numpy.int64)

        def running_at(segment: int) -> Array:
            row = int(numpy.searchsorted(self._base, segment, side="right")) - 1
            return numpy.cumsum(numpy.array(recall(row, segment - int(self._base[row])), dtype=object))

        return Ragged(starts, numpy.concatenate(cuts), self._margin, running_at, None, self._scratch), totals

    # ---- the same as whole numbers, made when a draw needs them

    def _whole(self, kind: int, m: int, row: int) -> list[int]:
        if (kind, m, row) not in self._exact:
            size = int(self._room[row]) + 1
            found = Polynomial.of(self._groups[kind][row], size).power(m, size).coefficients()
            self._exact[kind, m, row] = [*found, *[0] * (size - len(found))]
        return self._exact[kind, m, row]

    def _recall_half(self, kind: int, m: int) -> Callable[[int, int], list[int]]:
        def recall(row: int, total: int) -> list[int]:
            low, high = self._whole(kind, m // 2, row), self._whole(kind, m - m // 2, row)
            return [low[c] * high[total - c] for c in range(total + 1)]

        return recall

    def _recall_total(self, kind: int) -> Callable[[int, int], list[int]]:
        def recall(row: int, room: int) -> list[int]:
            own, left = self._whole(kind, self._many[kind], row), self._left(kind + 1, row)
            return [own[c] * left[room - c] for c in range(room + 1)]

        return recall

    def _left(self, first: int, row: int) -> list[int]:
        """What the kinds from `first` on leave within each room."""
        if (first, row) not in self._within:
            size = int(self._room[row]) + 1
            made = Polynomial.of(Group((0,), (1,)), size)
            for kind in range(first, len(self._many)):
                own = Polynomial.of(self._groups[kind][row], size).power(self._many[kind], size)
                made = made.times(own, size)
            running, found = 0, []
            coefficients = made.coefficients()
            for k in range(size):
                running += coefficients[k] if k < len(coefficients) else 0
                found.append(running)
            self._within[first, row] = found
        return self._within[first, row]

    # ---- draws

    def draw(self, row: Array, rng: numpy.random.Generator) -> list[Array]:
        """For each kind the costs of its groups at each row in `row`, (groups, n), in arrays of the scratch."""
        made = self._scratch
        base, room = self._base.take(row), self._room.take(row)
        found = []
        for kind, table in enumerate(self._totals):
            total = table.draw(base + room, rng, "total")
            room -= total
            parts = {self._many[kind]: [total[None, :]]}
            while (m := max(parts)) > 1:
                whole = self._joined(f"whole {m}", parts.pop(m))
                at = made.get("at", whole.size, numpy.int64)
                numpy.add(base, whole, out=at.reshape(whole.shape))
                low = self._halves[kind, m].draw(at, rng, f"low of {m}").reshape(whole.shape)
                high = made.get(f"high of {m}", whole.size, numpy.int32).reshape(whole.shape)
                numpy.subtract(whole, low, out=high, casting="unsafe")
                parts.setdefault(m // 2, []).append(low)
                parts.setdefault(m - m // 2, []).append(high)
            found.append(self._joined(f"costs {kind}", parts[1]))
        return found

    def _joined(self, name: str, parts: Sequence[Array]) -> Array:
        n = parts[0].shape[1]
        found = self._scratch.get(name, sum(map(len, parts)) * n, numpy.int32).reshape(-1, n)
        return numpy.concatenate(parts, out=found, casting="unsafe")


def _halved(n: int) -> set[int]:
    """Sizes of two or more that halving n over and over meets."""
    return {n} | _halved(n // 2) | _halved(n - n // 2) if n > 1 else set()


def _scaled(weights: Array) -> Array:
    """The largest 1. Raises TooWide where a product of two might be smaller than a float can say."""
    most = weights.max(initial=0)
    if not most > 0:
        return weights
    scaled: Array = weights / most
    if (scaled[scaled > 0] < numpy.sqrt(numpy.finfo(_KIND).tiny) * _KIND(2.0**80)).any():
        raise TooWide
    return scaled


__all__ = ["Halves", "TooWide"]
