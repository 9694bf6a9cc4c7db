"""All mappings of a problem in pieces: which of them floats, of known error, leave as the best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy
from attrs import frozen
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.cases import WHOLE
from cospace.compiler.numbers.maps import First
from cospace.compiler.numbers.numbers import _checks
from cospace.compiler.numbers.plan import Columns, Plan
from cospace.compiler.numbers.room import Keep, Room, sizes_of
from cospace.compiler.solved_left import leave
from cospace.compiler.space.graph import MapDecision, MapProblem
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Ints = NDArray[numpy.int64]

PIECE = 1 << 18
"""Mappings, of all designs that are looked at together, at a time."""
ACROSS = 1 << 20
"""The same where kernels go across mappings, which keep little of them."""
PAIRS = 400_000
"""Of (row, mapping) that are kept, at most, or little more."""


@frozen(eq=False)
class _Piece:
    """places: of each map the values that are tried, by position."""

    places: tuple[Ints, ...]

    @property
    def size(self) -> int:
        return math.prod(map(len, self.places))

    def keep(self, maps: Sequence[MapDecision]) -> Keep:
        return {m.path: at for m, at in zip(maps, self.places, strict=True) if len(at) < len(m.values)}

    def positions(self, maps: Sequence[MapDecision], at: Sequence[Array]) -> Ints:
        """Flat positions among all mappings of places in the piece, given along each axis."""
        found: Array = numpy.int64(0)
        for m, places, index in zip(maps, self.places, at, strict=True):
            found = found * len(m.values) + places[index]
        return numpy.asarray(found)


def candidates(problem: MapProblem, declared: Sequence[Decision], designs: Ints) -> Ints:
    """(row, flat position of a mapping) of all that rounding leaves as the best at a row: (n, 2), sorted.

    Raises NotExact where rounding may decide which mappings there are.
    """
    builder = Builder(declared, certify=True)
    builder.hopeful = True
    frame = builder._frame(problem, ())
    columns = builder.designs = Columns(numpy, designs, declared)
    left = leave(builder, frame, columns)
    if left is not None:
        columns = columns.with_column(left.decision, left.column)
        builder.decisions[left.decision.path] = len(declared), left.decision
    _, found, _ = builder._best(frame, (), ())
    tied, first = builder._ties[frame, ()], builder._first[frame, ()]
    doubt = _checks(builder, [tied, found])
    if left is not None:
        builder.kept |= left.kept
    plan = Plan(builder, [tied, found, doubt, *([first.least] if first else [])], numpy)
    maps, rows, room, best = problem.maps, len(designs), Room(plan), _Best(len(designs), first)
    every = [numpy.arange(len(m.values)) for m in maps]
    piece = next(_cut(every, PIECE))
    block = max(1, PIECE // piece.size)
    across = plan.across({m.path: len(at) for m, at in zip(maps, piece.places, strict=True)}, rows, block)
    with numpy.errstate(all="ignore"):
        for group in [WHOLE] if across else plan.cases.groups(columns):
            own = numpy.arange(rows) if group.rows is None else group.rows
            places = [group.keep.get(m.path, at) for m, at in zip(maps, every, strict=True)]
            for piece in _cut(places, ACROSS if across else PIECE):
                keep = piece.keep(maps)
                block = 1 if across else max(1, PIECE // piece.size)
                for low in range(0, len(own), block):
                    here = own[low : low + block]
                    some = columns if len(here) == rows else columns.subset(here)
                    run = across.blocks(some, {}, keep) if across else plan.blocks(some, {}, keep, room)
                    for window, values in run:
                        if numpy.any(values[doubt.id]):
                            raise NotExact("rounding may decide which mappings there are")
                        at = here[window]
                        least = numpy.broadcast_to(values[first.least.id] if first else 0.0, len(at))
                        open_ = numpy.broadcast_to(values[found.id], len(at)) & best.met(at, least)
                        if open_.any():
                            marks = numpy.broadcast_to(values[tied.id], (*sizes_of(tied, keep), len(at)))
                            where = _true(marks)
                            *index, row = (i[open_[where[-1]]] for i in where)
                            positions = numpy.broadcast_to(piece.positions(maps, index), row.shape)
                            best.keep(at[row], positions, least[row])
                    if best.count > PAIRS:
                        return best.pairs()
    return best.pairs()


class _Best:
    """(row, flat position of a mapping) of the best so far. least: of the first goal, at each row."""

    def __init__(self, rows: int, first: First | None) -> None:
        self.first = first
        self.least = numpy.full(rows, math.inf)
        self.count = 0
        self._kept: list[tuple[Ints, Array]] = []

    def met(self, rows: Ints, least: Array) -> Array:
        """Whether the best of some more mappings may be the best of all, at some rows. least: of their first goal."""
        if self.first is None:
            return numpy.ones(len(least), dtype=numpy.bool_)
        own = self.least[rows] = numpy.minimum(self.least[rows], least)
        return least <= self.first.limit(own)

    def keep(self, rows: Array, positions: Array, least: Array) -> None:
        self._kept.append((numpy.stack([rows, positions], axis=1), least))
        self.count += len(rows)
        if self.count > PAIRS:
            self._prune()

    def _prune(self) -> None:
        """Leaves out what was the best before better ones came."""
        pairs = numpy.concatenate([p for p, _ in self._kept] or [numpy.zeros((0, 2), dtype=numpy.int64)])
        least = numpy.concatenate([v for _, v in self._kept] or [numpy.zeros(0)])
        if self.first is not None:
            here = least <= self.first.limit(self.least)[pairs[:, 0]]
            pairs, least = pairs[here], least[here]
        self._kept, self.count = [(pairs, least)], len(pairs)

    def pairs(self) -> Ints:
        self._prune()
        pairs = self._kept[0][0]
        return pairs[numpy.lexsort(pairs.T[::-1])]


def _true(marks: Array) -> list[Array]:
    """As `numpy.nonzero`, in the order in which they lie in memory."""
    order = sorted(range(marks.ndim), key=lambda k: -marks.strides[k])
    turned = marks.transpose(order)
    found = numpy.unravel_index(numpy.flatnonzero(turned), turned.shape)
    return [found[order.index(k)] for k in range(marks.ndim)]


def _cut(places: Sequence[Ints], most: int) -> Iterator[_Piece]:
    """All mappings of some values in pieces of at most so many, in order."""
    sizes = [len(at) for at in places]
    whole = len(sizes)
    while whole and math.prod(sizes[whole - 1 :]) <= most:
        whole -= 1
    step = max(1, most // math.prod(sizes[whole:]))
    for first in itertools.product(*(range(size) for size in sizes[: max(whole - 1, 0)])):
        head = [at[k : k + 1] for at, k in zip(places, first, strict=False)]
        if not whole:
            yield _Piece(tuple(places))
        for low in range(0, sizes[whole - 1] if whole else 0, step):
            yield _Piece((*head, places[whole - 1][low : low + step], *places[whole:]))


__all__ = ["PAIRS", "candidates"]
