"""Parts that flags switch, joined: sets of flags by `or`, sums by `+`, and rows that nothing left tells apart merged.

Parts and setters fall into clusters that flags hold together, once a few setters which touch several are taken apart;
each cluster becomes rows of two sums and a weight, and two clusters are counted point by point (`dominance`). Rows that
break a bound whatever comes are left out, and those that meet it whatever comes become one. Nothing here knows of
decisions or expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.dominance import Points, add_points, count_pairs
from cospace.compiler.counting.eliminate import SAFE
from cospace.compiler.numbers.enumerate import TooMany
from numpy.typing import NDArray

Array = NDArray[Any]
FLAGS = 40
"""The most flags."""
JOINED = 1 << 25
"""Rows that are made in all, before equal ones are merged."""
BLOCK = 1 << 20
"""Rows that are made at once."""


@frozen(eq=False)
class Rows:
    """keys: (n,) sets of flags with a class of shared decisions above them; points: their sums and weights."""

    keys: Array
    points: Points

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, mask: Array) -> Rows:
        return Rows(self.keys[mask], self.points.take(mask))


@frozen(eq=False)
class Part:
    """Decisions in the sums of one group: for each set of its flags (`mask`) that occurs, the points."""

    mask: int
    points: dict[int, Points]

    def end(self, which: str, pick: Any) -> Any:
        return pick(pick(getattr(p, which)) for p in self.points.values())


@frozen(eq=False)
class Setter:
    """Decisions that set flags: sets of flags with their weights."""

    mask: int
    sets: dict[int, int]


def merge(rows: Rows) -> Rows:
    """Equal rows made one; those of weight 0 left out."""
    if not rows.points.weights.all():
        rows = rows.where(rows.points.weights != 0)
    if len(rows) < 2:
        return rows
    order = (
        numpy.lexsort((rows.points.y, rows.points.x, rows.keys))
        if (code := _code(rows)) is None
        else numpy.argsort(code, kind="stable")
    )
    k, x, y = rows.keys[order], rows.points.x[order], rows.points.y[order]
    new = (k[1:] != k[:-1]) | (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    first = numpy.flatnonzero(numpy.concatenate([[True], new]))
    return Rows(k[first], Points(x[first], y[first], numpy.add.reduceat(rows.points.weights[order], first)))


def _code(rows: Rows) -> Array | None:
    """One integer for a row, in the order of its parts; None where they don't fit."""
    code, room = numpy.zeros(len(rows), dtype=numpy.int64), 1
    for part in (rows.keys, rows.points.x, rows.points.y):
        low, width = int(part.min()), int(part.max()) - int(part.min()) + 1
        room *= width
        if room >= 1 << 62:
            return None
        code = code * width + (part - low)
    return code


class Joining:
    """Parts and setters joined, cluster by cluster: those that flags hold together once a few setters are apart."""

    def __init__(
        self, parts: Sequence[Part], setters: Sequence[Setter], limits: Sequence[Any], raw: int, spent: list[int]
    ) -> None:
        self.parts, self.setters, self.spent = parts, setters, spent
        self.kind = object if raw >= SAFE else numpy.int64
        self.limits = limits
        self.shared = self._share()
        self.clusters = self._clusters(self.shared)
        self.classes = self._classes()
        self.open = list(parts)
        self.done: list[Rows] = []

    def total(self) -> int:
        ids = [sorted({c[k] for c, _ in self.classes}) for k in range(len(self.clusters))]
        for (_, parts, setters), own in zip(self.clusters, ids, strict=True):
            self.done.append(self._cluster(parts, setters, own))
        joined, classes = self.done, self.classes
        while len(joined) > 2:
            classes = self._join_last(classes)
        if len(joined) == 1:
            rows = joined[0]
            met = (rows.points.x <= self.limits[0]) & (rows.points.y <= self.limits[1])
            alone = {i: int(rows.points.weights[met & (rows.keys == i)].sum()) for (i,), _ in classes}
            return sum(w * alone[i] for (i,), w in classes)
        first, second = joined
        total = 0
        for i in sorted({c[0] for c, _ in classes}):
            beside = [second.where(second.keys == j) for (k, j), _ in classes if k == i]
            weights = [w for (k, _), w in classes if k == i]
            other = merge(together([
                Rows(0 * r.keys, Points(r.points.x, r.points.y, r.points.weights * w))
                for r, w in zip(beside, weights, strict=True)
            ]))  # fmt: skip
            total += count_pairs(first.where(first.keys == i).points, other.points, *self.limits)
        return total

    def _join_last(self, classes: list[tuple[tuple[int, ...], int]]) -> list[tuple[tuple[int, ...], int]]:
        """The last two clusters made one: its classes are the pairs of theirs."""
        b, a = self.done.pop(), self.done.pop()
        pairs = {p: k for k, p in enumerate(sorted({(c[-2], c[-1]) for c, _ in classes}))}
        made = []
        for (i, j), k in pairs.items():
            rows = self._add(a.where(a.keys == i), b.where(b.keys == j).points)
            made.append(Rows(0 * rows.keys + k, rows.points))
        self.done.append(together(made))
        return [((*c[:-2], pairs[(c[-2], c[-1])]), w) for c, w in classes]

    # ---- one cluster

    def _cluster(self, parts: list[Part], setters: list[Setter], sets: list[int]) -> Rows:
        """Rows whose keys are the classes (numbers of `sets` above the flags' bits shifted out at the end)."""
        n, width = len(sets), FLAGS + 1
        keys = numpy.array([(i << width) | s for i, s in enumerate(sets)], dtype=numpy.int64)
        zero = numpy.zeros(n, dtype=numpy.int64)
        rows = Rows(keys, Points(zero, zero, numpy.ones(n, dtype=self.kind)))
        for s in setters:
            rows = merge(together([
                Rows(rows.keys | bits, Points(rows.points.x, rows.points.y, rows.points.weights * w))
                for bits, w in s.sets.items()
            ]))  # fmt: skip
        waiting = sorted(parts, key=lambda p: (p.mask & -p.mask, len(p.points)))
        while waiting:
            part = waiting.pop(0)
            self.open.remove(part)
            later = 0
            for p in waiting:
                later |= p.mask
            made = []
            for bits, points in part.points.items():
                chosen = rows.where(rows.keys & part.mask == bits)
                if len(chosen):
                    kept = chosen.keys & ((-1 << width) | later)
                    made.append(self._add(merge(Rows(kept, chosen.points)), points))
            rows = merge(together(made))
        number = rows.keys >> width
        return Rows(numpy.array(sets, dtype=numpy.int64)[number], rows.points)

    def _add(self, rows: Rows, points: Points) -> Rows:
        """Each row with each point added, clamped and merged; some rows at a time."""
        self.spent[0] += len(rows) * len(points)
        if self.spent[0] > JOINED:
            raise TooMany(self.spent[0], JOINED, ())
        made = []
        step = max(1, BLOCK // len(points)) if len(points) else 1
        for start in range(0, len(rows), step):
            keys, p = rows.keys[start : start + step], rows.points.take(slice(start, start + step))
            made.append(merge(self._clamp(Rows(numpy.repeat(keys, len(points)), add_points(p, points)))))
        return merge(together(made)) if len(made) > 1 else together(made)

    def _clamp(self, rows: Rows) -> Rows:
        """Rows that break a bound whatever comes are left out; sums that meet it whatever comes become one value."""
        ends = []
        for which, limit in zip(("x", "y"), self.limits, strict=True):
            least, most = (
                sum(int(p.end(which, pick)) for p in self.open)
                + sum(int(pick(getattr(r.points, which), default=0)) for r in self.done)
                for pick in (min, max)
            )
            ends.append((int(limit) - most, int(limit) - least))
        (sure_x, last_x), (sure_y, last_y) = ends
        rows = rows.where((rows.points.x <= last_x) & (rows.points.y <= last_y))
        x, y = numpy.maximum(rows.points.x, sure_x), numpy.maximum(rows.points.y, sure_y)
        return Rows(rows.keys, Points(x, y, rows.points.weights))

    # ---- what holds together

    def _share(self) -> list[Setter]:
        """At most two setters without which the flags fall into the smallest clusters."""
        shared: list[Setter] = []
        for _ in range(2):
            size = self._largest(shared)
            tried = [(self._largest([*shared, s]), k) for k, s in enumerate(self.setters) if s not in shared]
            if not tried or min(tried)[0] >= size - 1:
                break
            shared.append(self.setters[min(tried)[1]])
        return shared

    def _largest(self, shared: Sequence[Setter]) -> int:
        return max((mask.bit_count() for mask, _, _ in self._clusters(shared)), default=0)

    def _clusters(self, shared: Sequence[Setter]) -> list[tuple[int, list[Part], list[Setter]]]:
        """Parts and setters by the flags that join them; those without flags are one cluster."""
        found: list[tuple[int, list[Part], list[Setter]]] = []
        items: list[Part | Setter] = [*self.parts, *(s for s in self.setters if s not in shared)]
        for item in items:
            touching = [c for c in found if (c[0] & item.mask) or (not c[0] and not item.mask)]
            found = [c for c in found if c not in touching]
            mask, parts, setters = item.mask, [], []
            for m, p, s in touching:
                mask |= m
                parts += p
                setters += s
            (parts if isinstance(item, Part) else setters).append(item)  # type: ignore[arg-type]
            found.append((mask, parts, setters))
        return found

    def _classes(self) -> list[tuple[tuple[int, ...], int]]:
        """What the shared setters set in each cluster, with weights."""
        whole = {0: 1}
        for s in self.shared:
            joined: dict[int, int] = {}
            for a, u in whole.items():
                for b, w in s.sets.items():
                    joined[a | b] = joined.get(a | b, 0) + u * w
            whole = joined
        found: dict[tuple[int, ...], int] = {}
        for bits, w in whole.items():
            key = tuple(bits & mask for mask, _, _ in self.clusters)
            found[key] = found.get(key, 0) + w
        return list(found.items())


def together(rows: Sequence[Rows]) -> Rows:
    if not rows:
        empty = numpy.zeros(0, dtype=numpy.int64)
        return Rows(empty, Points(empty, empty, empty))
    if len(rows) == 1:
        return rows[0]
    x, y, w = ([getattr(r.points, name) for r in rows] for name in ("x", "y", "weights"))
    keys = numpy.concatenate([r.keys for r in rows])
    return Rows(keys, Points(numpy.concatenate(x), numpy.concatenate(y), numpy.concatenate(w)))
