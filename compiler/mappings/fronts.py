"""Of all mappings of a problem those that may be the best for some values of the decisions that it reads.

Mappings are compared in what decisions meet of them (`meeting`): one that is at least as good as another in each of
these numbers is so for all decisions. They are found by parts: numbers that read maps in different ways fall into sets
that are apart, given what both know of each map (`partitions`); of each set all combinations are listed, what others
are as good as is left out, and what is left is joined. All numbers are exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import frozen
from cospace.compiler.engines.dominance import undominated as front_of
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.better import LESS, MORE, undominated
from cospace.compiler.mappings.closed import Closed, close, read_alone
from cospace.compiler.mappings.gridded import Grid, Whole, Window
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.mappings.meeting import Told, meeting
from cospace.compiler.mappings.partitions import Partition, common, labelled, refined
from cospace.compiler.mappings.pruned import Array, Coordinate, pruned
from cospace.compiler.numbers.enumerate import TooMany
from cospace.compiler.space.graph import MapProblem, Value

CELLS = 1 << 17
"""Combinations that are listed together."""
LISTED = 1 << 28
"""Combinations that are listed of one problem, at most."""
PAIRS = 1 << 21
"""Pairs of rows that are joined together, or little more."""
JOINED = 1 << 28
"""Pairs of one problem, at most."""
COMPARED = 1 << 29
"""Pairs of mappings that are left that are compared in all numbers, at most."""
SETS = 10
"""Numbers of which all divisions in two are tried, at most."""
WORTH = 0.7
"""Of the combinations of all those that a division in two leaves, at most."""


@frozen(eq=False)
class _Rows:
    """Rows of what some numbers are. coordinates: of each, by its place; keys: one for each partition asked for.

    at: the positions of the maps' values of some rows, (n, maps).
    """

    coordinates: dict[int, Coordinate]
    keys: list[Ints]
    at: Callable[[Ints], Ints]


def front(problem: MapProblem, outer: Mapping[str, Sequence[Value]]) -> Ints:
    """Mappings of which one is the best whatever values of `outer`, which the problem reads, are taken: the positions
    of their maps' values in declared order, (n, maps). None of them where nothing is ever allowed.

    Raises NotExact, also where that takes too much.
    """
    closed = close(problem, {}, outer)
    if closed is None:
        return numpy.zeros((0, len(problem.maps)), dtype=numpy.int64)
    told = meeting(closed, outer)
    finder = _Finder(closed, told)
    rows = finder.rows(tuple(range(len(told))), ())
    sides = []
    for c in rows.coordinates.values():
        sides.append(c.values.astype(numpy.float64))
        if c.same:
            sides.append(-sides[-1])
    if not sides:
        raise NotExact("its goal reads no map")
    count = len(sides[0])
    try:
        kept = front_of(numpy.stack(sides, axis=1), COMPARED) if count else numpy.arange(0)
    except TooMany as reason:
        raise NotExact("too many mappings may be the best") from reason
    found = rows.at(kept)
    places = [numpy.array(p)[v] for p, v in zip(closed.places, finder.values, strict=True)]
    found = numpy.stack([p[found[:, n]] for n, p in enumerate(places)], axis=1)
    return found[numpy.lexsort(found.T[::-1])]


class _Finder:
    """Rows of some numbers of one problem. values: of each map the values, by position, that no other covers."""

    def __init__(self, closed: Closed, told: Sequence[Told]) -> None:
        self.closed, self.told = closed, told
        self.values: list[Ints] = [
            numpy.array(undominated(closed.says[d.path], len(d.values)), dtype=numpy.int64) for d in closed.decisions
        ]
        self.parts = [self._partition(t) for t in told]
        self.left, self.open = LISTED, JOINED

    def _partition(self, told: Told) -> Partition:
        """How one number tells maps apart."""
        found = []
        for d, kept in zip(self.closed.decisions, self.values, strict=True):
            said = [self.closed.listed.column(e)[kept].tolist() for e in read_alone(d.path, [told.expr])]
            found.append(labelled(list(zip(*said, strict=True)) if said else [()] * len(kept)))
        return Partition(tuple(found))

    def rows(self, items: tuple[int, ...], wanted: tuple[Partition, ...]) -> _Rows:
        """What some numbers are, by their places: of combinations that agree in all that is `wanted` not those that
        others are at least as good as, or not all of them."""
        split = self._split(items, wanted)
        if split is None:
            return self._list(items, wanted)
        return self._join(split, wanted)

    # ---- all combinations

    def _list(self, items: tuple[int, ...], wanted: tuple[Partition, ...]) -> _Rows:
        own = refined(*(self.parts[i] for i in items), *wanted)
        self.left -= own.size
        if self.left < 0:
            raise NotExact("too many combinations of maps")
        firsts, counts = own.firsts(), own.counts
        axes = [(d.path, v[f]) for d, v, f in zip(self.closed.decisions, self.values, firsts, strict=True)]
        grid = Grid(self.closed.listed, tuple(axes))
        every = wanted if len(wanted) < 2 else (*wanted, refined(*wanted))
        labels = [[m[f] for m, f in zip(p.maps, firsts, strict=True)] for p in every]
        free = [n for n, c in enumerate(counts) if c > 1 and all(not own[n].any() for own in labels)]
        apart = [n for n, c in enumerate(counts) if labels and len(numpy.unique(labels[-1][n])) == c]
        exprs = [self.told[i].expr for i in items]
        parts: list[tuple[list[Coordinate], list[Ints], Ints]] = []
        cut: set[int] = set()
        for window in _windows(counts, [*(n for n in apart if n not in free), *_others(counts, apart, free), *free]):
            cut |= window.keys()
            shape = [len(range(*window[n].indices(c))) if n in window else c for n, c in enumerate(counts)]
            sides, good = self._sides(items, grid.evaluate(exprs, window))
            codes = [_summed(counts, [numpy.arange(c) for c in counts], window)]
            codes += [_summed(p.counts, own, window) for p, own in zip(every, labels, strict=True)]
            parts.append(_flat(shape, sides, good, codes, [n for n in free if n not in window]))
            if len(sides) != 1 or len(apart) + len(free) < len(counts):
                parts[-1] = _picked(parts[-1], self._pruned(parts[-1]))
        merged = _together(parts)
        if not cut <= set(apart):
            merged = _picked(merged, self._pruned(merged))
        sides, keys, code = merged
        rated = [i for i in items if not self.told[i].required]

        def at(rows: Ints) -> Ints:
            index = numpy.unravel_index(code[rows], counts)
            return numpy.stack([f[k] for f, k in zip(firsts, index, strict=True)], axis=1)

        return _Rows(dict(zip(rated, sides, strict=True)), keys[: len(wanted)], at)

    def _sides(self, items: Sequence[int], found: Sequence[Whole]) -> tuple[list[Coordinate], Array]:
        """The coordinates of numbers, and where what is required of them may hold."""
        sides = []
        good: Array = numpy.ones((), dtype=numpy.bool_)
        for i, one in zip(items, found, strict=True):
            told, values = self.told[i], one.values
            if told.required:
                good = good & values
                continue
            limits = [[_most(v, strict, one.below) for v, strict in fact] for fact in told.limits]
            for fact in limits:
                good = good & (values <= max(fact))
            if told.coarse and told.ways == LESS:
                ends = numpy.unique([t for fact in limits for t in fact])
                sides.append(Coordinate(numpy.searchsorted(ends, values), len(ends) + 1))
            else:
                values = values.astype(numpy.float64)
                sides.append(Coordinate(-values if told.ways == MORE else values, 0, told.ways not in (LESS, MORE)))
        return sides, good

    @staticmethod
    def _pruned(part: tuple[list[Coordinate], list[Ints], Ints]) -> Ints:
        sides, keys, code = part
        return pruned(keys[-1] if keys else numpy.zeros(len(code), dtype=numpy.int64), sides)

    # ---- two sets that are apart

    def _split(self, items: tuple[int, ...], wanted: tuple[Partition, ...]) -> _Split | None:
        """The division in two that leaves the fewest combinations, if it is worth it."""
        parts = [self.parts[i] for i in items] + ([refined(*wanted)] if wanted else [])
        many = len(parts)
        if len(items) < 2 or many > SETS:
            return None
        known = {1 << n: p for n, p in enumerate(parts)}
        for mask in range(1, 1 << many):
            low = mask & -mask
            if mask != low:
                known[mask] = refined(known[low], known[mask ^ low])
        whole = (1 << many) - 1
        least, best = known[whole].size * WORTH, None
        if known[whole].size <= CELLS:
            return None
        for mask in range(1, whole, 2):
            one, other = known[mask], known[whole ^ mask]
            size = one.size + other.size
            if size >= least or (wanted and 1 << len(items) in (mask, whole ^ mask)):
                continue
            shared = common(one, other)
            if shared is not None:
                least, best = size, _Split.of(items, mask, bool(wanted), one, other, shared)
        return best

    def _join(self, split: _Split, wanted: tuple[Partition, ...]) -> _Rows:
        one = self.rows(split.one, (split.shared, *(wanted if split.known else ())))
        other = self.rows(split.other, (split.shared, *(() if split.known else wanted)))
        keyed = one if split.known else other
        keys = keyed.keys[1:] if wanted else []
        pairs: list[tuple[Ints, Ints]] = []

        def pruned_pairs(a: Ints, b: Ints) -> tuple[Ints, Ints]:
            sides = [c.at(a) for c in one.coordinates.values()] + [c.at(b) for c in other.coordinates.values()]
            here = a if split.known else b
            key = numpy.zeros(len(a), dtype=numpy.int64)
            for k, p in zip(keys, wanted, strict=True):
                key = key * p.size + k[here]
            kept = pruned(key, sides)
            return a[kept], b[kept]

        for a, b in _pairs(one.keys[0], other.keys[0], split.shared.size):
            self.open -= len(a)
            if self.open < 0:
                raise NotExact("too many combinations of maps")
            pairs.append(pruned_pairs(a, b))
        empty = numpy.zeros(0, dtype=numpy.int64)
        a, b = (numpy.concatenate([empty, *side]) for side in zip(*pairs, strict=True)) if pairs else (empty, empty)
        if len(pairs) > 1:
            a, b = pruned_pairs(a, b)
        sides = {i: c.at(a) for i, c in one.coordinates.items()} | {i: c.at(b) for i, c in other.coordinates.items()}
        here = a if split.known else b

        def at(rows: Ints) -> Ints:
            own, others = one.at(a[rows]), other.at(b[rows])
            found = numpy.empty_like(own)
            for n, (x, y) in enumerate(zip(split.parts[0].maps, split.parts[1].maps, strict=True)):
                first = numpy.full((int(x.max()) + 1, int(y.max()) + 1), -1, dtype=numpy.int64)
                first[x[::-1], y[::-1]] = numpy.arange(len(x))[::-1]
                found[:, n] = first[x[own[:, n]], y[others[:, n]]]
            return found

        return _Rows(dict(sorted(sides.items())), [k[here] for k in keys], at)


@frozen(eq=False)
class _Split:
    """Two sets of numbers, by their places, that are apart given what is `shared`. parts: how each tells maps apart;
    known: whether what is asked of both is known by the first."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    parts: tuple[Partition, Partition]
    shared: Partition
    known: bool

    @classmethod
    def of(
        cls, items: Sequence[int], mask: int, asked: bool, one: Partition, other: Partition, shared: Partition
    ) -> _Split:
        own = tuple(i for n, i in enumerate(items) if mask >> n & 1)
        rest = tuple(i for i in items if i not in own)
        return cls(own, rest, (one, other), shared, bool(asked and mask >> len(items) & 1))


def _most(limit: Fraction, strict: bool, below: int) -> float:
    """The greatest whole number that is allowed of a number over `below`."""
    scaled = limit * below
    most = math.ceil(scaled) - 1 if strict else math.floor(scaled)
    return float(max(min(most, 1 << 53), -(1 << 53)))


def _others(counts: Sequence[int], *but: Sequence[int]) -> list[int]:
    return [n for n in range(len(counts)) if not any(n in some for some in but)]


def _windows(counts: Sequence[int], order: Sequence[int]) -> Iterator[dict[int, slice]]:
    """Parts of a grid of about `CELLS`, axes cut in this order."""
    cut: list[tuple[int, int]] = []
    left = math.prod(counts)
    for n in order:
        if left <= CELLS:
            break
        if counts[n] > 1:
            rest = left // counts[n]
            step = max(1, CELLS // rest)
            cut.append((n, step))
            left = rest * step
    for lows in itertools.product(*(range(0, counts[n], step) for n, step in cut)):
        yield {n: slice(low, low + step) for (n, step), low in zip(cut, lows, strict=True)}


def _summed(counts: Sequence[int], labels: Sequence[Ints], window: Window) -> Array:
    """One number for the classes along all axes."""
    found: Array = numpy.zeros((), dtype=numpy.int64)
    stride = 1
    for n in reversed(range(len(counts))):
        if counts[n] > 1:
            own = labels[n][window[n]] if n in window else labels[n]
            found = found + own.reshape([-1 if k == n else 1 for k in range(len(counts))]) * stride
            stride *= counts[n]
    return found


def _flat(
    shape: Sequence[int], sides: Sequence[Coordinate], good: Array, codes: Sequence[Array], free: Sequence[int]
) -> tuple[list[Coordinate], list[Ints], Ints]:
    """The rows of a part of a grid; of one number the least along the axes `free` alone."""
    if len(sides) == 1 and free:
        rest = [n for n in range(len(shape)) if n not in free]
        order = (*rest, *free)
        wide = math.prod(shape[n] for n in free)

        def turned(array: Array) -> Array:
            return numpy.broadcast_to(array, shape).transpose(order).reshape(-1, wide)

        values = turned(numpy.where(good, sides[0].values, numpy.inf)) if not good.all() else turned(sides[0].values)
        at = values.argmin(axis=1)
        every = numpy.arange(len(at))
        found = values[every, at]
        alive = numpy.flatnonzero(found < numpy.inf)
        code, *keys = (turned(c)[alive, at[alive]] for c in codes)
        return [Coordinate(found[alive], sides[0].levels, sides[0].same)], keys, code
    alive = numpy.flatnonzero(numpy.broadcast_to(good, shape))

    def flat(array: Array) -> Array:
        return numpy.broadcast_to(array, shape).reshape(-1)[alive]

    code, *keys = map(flat, codes)
    return [Coordinate(flat(c.values), c.levels, c.same) for c in sides], keys, code


def _picked(part: tuple[list[Coordinate], list[Ints], Ints], kept: Ints) -> tuple[list[Coordinate], list[Ints], Ints]:
    sides, keys, code = part
    return [c.at(kept) for c in sides], [k[kept] for k in keys], code[kept]


def _together(
    parts: Sequence[tuple[list[Coordinate], list[Ints], Ints]],
) -> tuple[list[Coordinate], list[Ints], Ints]:
    sides = [
        Coordinate(numpy.concatenate([c.values for c in own]), own[0].levels, own[0].same)
        for own in zip(*(p[0] for p in parts), strict=True)
    ]
    keys = [numpy.concatenate(own) for own in zip(*(p[1] for p in parts), strict=True)]
    return sides, keys, numpy.concatenate([p[2] for p in parts])


def _pairs(one: Ints, other: Ints, size: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows that have the same key, from 0 up to below `size`, some pairs at a time."""
    if len(one) > len(other):
        yield from ((a, b) for b, a in _pairs(other, one, size))
        return
    order = numpy.argsort(one, kind="stable")
    many = numpy.bincount(one, minlength=size)
    start = numpy.cumsum(many) - many
    counts = many[other]
    ends = numpy.cumsum(counts)
    low = 0
    while low < len(other):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(numpy.searchsorted(ends, before + PAIRS, side="right")))
        own = counts[low:high]
        b = numpy.repeat(numpy.arange(low, high), own)
        within = numpy.arange(len(b)) - numpy.repeat(numpy.cumsum(own) - own, own)
        yield order[start[other[b]] + within], b
        low = high


__all__ = ["front"]
