"""Which values of maps a run tries: of those that hang on decisions, no more than its designs allow.

Designs that agree in these decisions are a case. Cases are run one by one, each over axes that hold what it allows, and
together where there are too few designs in them to be worth a run of their own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy
from attrs import field, frozen
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.maps import Kept
from cospace.compiler.numbers.steps import Step

if TYPE_CHECKING:
    from cospace.compiler.numbers.plan import Columns

CASES = 1 << 14
"""Cases, at most: then values of the maps that leave out the least are all tried."""
STARTED = 4_000
"""How many numbers could be worked out while an array operation is started, about."""


@frozen(eq=False)
class Group:
    """Designs that are run together: their places, None for all; keep: the places on the axis of each map."""

    rows: Array | None
    keep: Mapping[str, Array]


WHOLE = Group(None, {})


@frozen(eq=False)
class _Shapes:
    """What the arrays of some steps hold for one design: how many are over which axes; others: what has none."""

    over: tuple[tuple[int, tuple[str, ...]], ...]
    others: int
    steps: int

    @staticmethod
    def of(steps: Sequence[Step], paths: frozenset[str]) -> _Shapes:
        over: Counter[tuple[str, ...]] = Counter()
        others = 0
        for out in (s.out for s in steps if s.out.batch):
            named = [n for n in out.axes if n in paths]
            rest = math.prod(size for size, n in zip(out.dims, out.axes, strict=True) if n not in paths)
            if named:
                over[tuple(named)] += rest
            else:
                others += rest
        return _Shapes(tuple((count, axes) for axes, count in over.items()), others, len(steps))

    def width(self, sizes: Mapping[str, Array]) -> Array:
        """Numbers for a design, at each case: sizes of axes, arrays of shape (cases,)."""
        total = numpy.array(float(self.others))
        for count, axes in self.over:
            total = total + count * math.prod((sizes[a] for a in axes), start=numpy.array(1.0))
        return total


@frozen(eq=False)
class Cases:
    """over: (column, values it has) of each decision that the axes of some steps hang on.

    kinds: tables of what is kept, each once, with the places of their decisions in `over`; of: path -> its table.
    """

    over: tuple[tuple[int, int], ...]
    kinds: tuple[tuple[Kept, tuple[int, ...]], ...]
    of: Mapping[str, int]
    shapes: _Shapes = field(repr=False)

    @staticmethod
    def of_steps(steps: Sequence[Step], kept: Mapping[str, Kept], columns: Mapping[str, tuple[int, int]]) -> Cases:
        """columns: path of a decision -> its column and how many places its tables have."""
        read = {name for s in steps for name in s.out.axes if name}
        asked = sorted((kept[p].values.mean(), p) for p in read if p in kept and not kept[p].values.all())
        over: dict[str, None] = {}
        kinds: dict[object, int] = {}
        tables: list[Kept] = []
        of: dict[str, int] = {}
        for _, path in asked:
            k = kept[path]
            more = over | dict.fromkeys(k.over)
            if math.prod(columns[p][1] for p in more) > CASES:
                continue
            over = more
            number = kinds.setdefault((k.over, k.values.shape, k.values.tobytes()), len(kinds))
            if number == len(tables):
                tables.append(k)
            of[path] = number
        places = {p: i for i, p in enumerate(over)}
        return Cases(
            tuple(columns[p] for p in over),
            tuple((k, tuple(places[p] for p in k.over)) for k in tables),
            of,
            _Shapes.of(steps, frozenset(of)),
        )

    def groups(self, rows: Columns) -> list[Group]:
        """All designs, as they are best run."""
        if not self.of or not rows.size:
            return [WHOLE]
        code = numpy.zeros(rows.size, dtype=numpy.int64)
        for column, size in self.over:
            code = code * size + rows.column(column)
        cells = math.prod(size for _, size in self.over)
        counts = numpy.bincount(code, minlength=cells)
        present = numpy.flatnonzero(counts)
        at = self._cells(present)
        joined = self._join(counts[present], at)
        number = numpy.zeros(cells, dtype=numpy.uint16)
        for i, cases in enumerate(joined):
            number[present[cases]] = i
        if len(joined) == 1:
            return [Group(None, self._keep(at, joined[0]))]
        mine = number[code]
        order = numpy.argsort(mine, kind="stable")
        ends = numpy.cumsum(numpy.bincount(mine, minlength=len(joined)))
        return [
            Group(order[end - n : end], self._keep(at, cases))
            for end, n, cases in zip(ends, numpy.diff(ends, prepend=0), joined, strict=True)
        ]

    @property
    def width(self) -> float:
        """Numbers worked out for a design, the mean of all cases."""
        cells = math.prod(size for _, size in self.over)
        return float(numpy.mean(self.shapes.width(self._sizes(self._cells(numpy.arange(cells))))))

    def _cells(self, cases: Array) -> list[Array]:
        """For each kind where in its table each case is."""
        index: list[Array] = []
        for _, size in reversed(self.over):
            index.insert(0, cases % size)
            cases = cases // size
        found = []
        for _, places in self.kinds:
            cell = numpy.zeros(len(cases), dtype=numpy.int64)
            for p in places:
                cell = cell * self.over[p][1] + index[p]
            found.append(cell)
        return found

    def _sizes(self, at: Sequence[Array]) -> dict[str, Array]:
        sizes = [k.values.sum(axis=0)[cell] for (k, _), cell in zip(self.kinds, at, strict=True)]
        return {path: sizes[i] for path, i in self.of.items()}

    def _keep(self, at: Sequence[Array], cases: Sequence[int]) -> dict[str, Array]:
        kept = [
            numpy.flatnonzero(k.values[:, cell[cases]].any(axis=1)) for (k, _), cell in zip(self.kinds, at, strict=True)
        ]
        return {path: kept[i] for path, i in self.of.items()}

    def _join(self, counts: Array, at: Sequence[Array]) -> list[list[int]]:
        """Cases that are run together, those over as many values one after the other, where that is less to do."""
        widths = self.shapes.width(self._sizes(at))
        start = STARTED * self.shapes.steps
        joined: list[list[int]] = []
        marks: list[Array] = []
        rows, cost = 0, 0.0
        for c in numpy.argsort(widths, kind="stable").tolist():
            own = [k.values[:, cell[c]] for (k, _), cell in zip(self.kinds, at, strict=True)]
            alone = float(counts[c] * widths[c]) + start
            if joined:
                both = [a | b for a, b in zip(marks, own, strict=True)]
                sizes = [numpy.array(b.sum()) for b in both]
                width = float(self.shapes.width({path: sizes[i] for path, i in self.of.items()}))
                together = (rows + int(counts[c])) * width + start
                if together <= cost + alone:
                    joined[-1].append(c)
                    marks, rows, cost = both, rows + int(counts[c]), together
                    continue
            joined.append([c])
            marks, rows, cost = own, int(counts[c]), alone
        return joined


__all__ = ["WHOLE", "Cases", "Group"]
