"""What an evolutionary mapper changes in a mapping: loops of an order swapped, prime factors moved, values replaced."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.space.graph import MapDecision, Symbol, Value

PRIMES = (2, 3, 5, 7)
FEW = 64
"""Values without an order up to which each is next to every other."""
NEAR = 512
"""Values of one map that a step of a descent looks at, at most."""


class Moves:
    """For each map tables over its values: which are next to one, and where it stands times a prime."""

    def __init__(self, maps: Sequence[MapDecision]) -> None:
        self.sizes: Ints = numpy.array([len(m.values) for m in maps])
        self._ordered = numpy.array([m.type.kind == "number" for m in maps])
        near = [_neighbours(m.values) for m in maps]
        self._counts = [numpy.array([len(n) for n in own]) for own in near]
        self._near = [_padded(own) for own in near]
        self._factors: list[tuple[int, int, Ints, Ints]] = []
        """Two maps, where each value of the first stands times a prime, and of the second divided by it; -1: nowhere"""
        numbers = [n for n, m in enumerate(maps) if self._ordered[n] and len(m.values) > 1]
        for prime in PRIMES:
            up = {n: _scaled(maps[n].values, Fraction(prime)) for n in numbers}
            down = {n: _scaled(maps[n].values, Fraction(1, prime)) for n in numbers}
            self._factors += [
                (a, b, up[a], down[b])
                for a, b in itertools.permutations(numbers, 2)
                if (up[a] >= 0).any() and (down[b] >= 0).any()
            ]

    @property
    def nearby(self) -> int:
        """How many mappings `near` gives, about."""
        return int(numpy.minimum(self.sizes, NEAR).sum()) + len(self._factors)

    def random(self, draw: numpy.random.Generator, count: int) -> Ints:
        """Any mappings, a quarter of them of first and last values."""
        genes = draw.integers(0, self.sizes, (count, len(self.sizes)))
        ends = draw.integers(0, 2, genes.shape) * (self.sizes - 1)
        return numpy.where((numpy.arange(count) < count // 4)[:, None], ends, genes)

    def children(self, draw: numpy.random.Generator, parents: Ints, count: int) -> Ints:
        """Of some mappings of each row, (rows, n, maps), two crossed, then changed: (rows, count, maps)."""
        maps = parents.shape[2]
        one, other = draw.integers(0, parents.shape[1], (2, count))
        start, stop = numpy.sort(draw.integers(0, maps + 1, (2, count)), axis=0)[..., None]
        run = (numpy.arange(maps) >= start) & (numpy.arange(maps) < stop)
        each = draw.random((count, maps)) < 0.5
        taken = numpy.where((draw.random(count) < 0.5)[:, None], run, each)
        children = numpy.where(taken, parents[:, one], parents[:, other])
        return self._changed(draw, children)

    def _changed(self, draw: numpy.random.Generator, genes: Ints) -> Ints:
        """Each mapping with one map changed or more, or a factor moved from one to another."""
        count, maps = genes.shape[1:]
        where = draw.random((count, maps)) < 1 / maps
        where[numpy.arange(count), draw.integers(0, maps, count)] = True
        how, place = draw.random((count, maps)), draw.random((count, maps))
        steps, anywhere = self._steps(draw, count), draw.integers(0, self.sizes, (count, maps))
        moved = draw.random(count) < (0.3 if self._factors else 0.0)
        found = genes.copy()
        for n in range(maps):
            own = genes[:, :, n]
            near = self._near[n][own, (place[:, n] * self._counts[n][own]).astype(numpy.int64)]
            far = numpy.clip(own + steps[:, n], 0, self.sizes[n] - 1) if self._ordered[n] else near
            value = numpy.where(how[:, n] < 0.5, near, numpy.where(how[:, n] < 0.8, far, anywhere[:, n]))
            found[:, :, n] = numpy.where(where[:, n] & ~moved, value, own)
        which = draw.integers(0, max(len(self._factors), 1), (count,)).tolist()
        for k in numpy.flatnonzero(moved).tolist():
            self._move(found[:, k], *self._factors[which[k]])
        return found

    def _steps(self, draw: numpy.random.Generator, count: int) -> Ints:
        """Steps up or down the values of each map, of each order of magnitude as many: (count, maps)."""
        shape = count, len(self.sizes)
        steps = numpy.floor(self.sizes ** draw.random(shape)).astype(numpy.int64)
        return numpy.where(draw.random(shape) < 0.5, steps, -steps)

    @staticmethod
    def _move(genes: Ints, a: int, b: int, up: Ints, down: Ints) -> None:
        """Moves a prime factor from one map to another where both can take it. genes: (rows, maps), changed."""
        high, low = up[genes[:, a]], down[genes[:, b]]
        fine = (high >= 0) & (low >= 0)
        genes[:, a] = numpy.where(fine, high, genes[:, a])
        genes[:, b] = numpy.where(fine, low, genes[:, b])

    def near(self, draw: numpy.random.Generator, genes: Ints) -> Ints:
        """All that differs from each mapping in one map, or by a factor moved: (rows, n, maps)."""
        made = []
        for n, size in enumerate(self.sizes.tolist()):
            if size <= NEAR:
                values = numpy.broadcast_to(numpy.arange(size), (len(genes), size))
            else:
                steps = self._steps(draw, NEAR // 2)[:, n] if self._ordered[n] else draw.integers(0, size, NEAR // 2)
                some = (genes[:, n, None] + steps) % size
                values = numpy.concatenate([self._near[n][genes[:, n]][:, : NEAR // 2], some], axis=1)
            one = numpy.repeat(genes[:, None], values.shape[1], axis=1)
            one[:, :, n] = values
            made.append(one)
        for factor in self._factors:
            one = genes.copy()
            self._move(one, *factor)
            made.append(one[:, None])
        return numpy.concatenate(made, axis=1)


def _neighbours(values: Sequence[Value]) -> list[list[int]]:
    """For each value of a map the places of those next to it."""
    place = {v: k for k, v in enumerate(values)}
    if all(isinstance(v, Symbol) and v.name.startswith("[") for v in values):
        lists = [tuple(v.name[1:-1].split(", ")) for v in values]  # type: ignore[union-attr]
        of = {one: k for k, one in enumerate(lists)}
        return [sorted({of[o] for o in _altered(one) if o in of}) or [k] for k, one in enumerate(lists)]
    found = []
    for k, v in enumerate(values):
        near = {k - 1, k + 1} - {-1, len(values)}
        if isinstance(v, Fraction):
            scaled = (v * f for p in PRIMES for f in (Fraction(p), Fraction(1, p)))
            near |= {place[s] for s in scaled if s in place}
        elif len(values) <= FEW:
            near = set(range(len(values))) - {k}
        found.append(sorted(near) or [k])
    return found


def _altered(one: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A list with two of its items swapped, or a prime factor moved from one to another."""
    found = []
    for i, j in itertools.permutations(range(len(one)), 2):
        new = list(one)
        if i < j:
            new[i], new[j] = one[j], one[i]
            found.append(tuple(new))
        if one[i].isdigit() and one[j].isdigit():
            for p in _primes(int(one[i])):
                new = list(one)
                new[i], new[j] = str(int(one[i]) // p), str(int(one[j]) * p)
                found.append(tuple(new))
    return found


@lru_cache
def _primes(n: int) -> list[int]:
    """The primes that divide a number."""
    found: list[int] = []
    for k in range(2, n + 1):
        if n % k == 0:
            found.append(k)
            while n % k == 0:
                n //= k
        if n == 1:
            break
    return found


def _padded(lists: Sequence[Sequence[int]]) -> Ints:
    """Lists as rows of one array, each repeated to the length of the longest."""
    most = max(map(len, lists))
    return numpy.array([[own[k % len(own)] for k in range(most)] for own in lists], dtype=numpy.int64)


def _scaled(values: Sequence[Value], by: Fraction) -> Ints:
    """Where each number times a factor stands among all; -1: nowhere."""
    place = {v: k for k, v in enumerate(values)}
    return numpy.array([place.get(v * by, -1) for v in values], dtype=numpy.int64)  # type: ignore[operator]


__all__ = ["Moves"]
