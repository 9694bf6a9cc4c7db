"""Uniform draws of many large groups under one sum: first what each costs, then, where the sum holds, its decisions.

A row of hubs is drawn, then each group's cost rounded down to a grid (`halves`); then one of its last states, whose
cost is exact. Where the exact costs stay within the bound the way back to the decisions is drawn (`leaps`), else the
row is dropped: exactly uniform over what is feasible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from attrs import frozen
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.counting.guided import Wide
from cospace.compiler.counting.layered import Layered
from cospace.compiler.counting.levels import Group
from cospace.compiler.counting.powers import count_powers
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.sampling.columns import Column, join_columns
from cospace.compiler.sampling.halves import Halves, TooWide
from cospace.compiler.sampling.leaps import Back
from cospace.compiler.sampling.ragged import Ragged, of_weights
from cospace.compiler.sampling.scratch import Scratch
from cospace.compiler.space.graph import Expr
from numpy.typing import NDArray

Array = NDArray[Any]
LEVELS = 480
"""Steps of the grid: more accept more rows and take larger tables."""
CELLS = 60_000_000
"""Cells of all tables of rounded costs together."""
AT_ONCE = 1 << 15
"""Rows drawn at once: what is worked on stays in the cache."""


@frozen(eq=False)
class _Lot:
    """at: which groups of a kind; places: for each where its columns begin among all."""

    at: Array
    back: Back
    places: list[int]


class LayeredDrawer:
    """Draws from the assignments of a layered component. Raises TooLarge where its tables would be too many.

    total: how many assignments have a sum of rounded costs within the bound, of which the feasible ones are part.
    columns: what it draws numbers of.
    """

    def __init__(self, frame: Frame, made: Layered, exprs: Sequence[Expr] = ()) -> None:
        self.frame, self.made = frame, made
        self._scratch = Scratch()
        self._grid()
        most = int(self._room.max(initial=0)) + 1
        many = [sum(1 for k, _ in made.groups if k == kind) for kind in range(len(made.kinds))]
        tables = sum(2 * n.bit_length() for n in many)
        cells = tables * int((self._room + 1).sum()) * most // 2
        if cells > CELLS:
            raise TooLarge(cells, made.hubs)
        groups = [[self._group(kind, b) for b in range(len(made.rows))] for kind in range(len(made.kinds))]
        weights = numpy.empty(len(made.rows), dtype=object)
        for b in range(len(made.rows)):
            own = [(g[b], n) for g, n in zip(groups, many, strict=True)]
            weights[b] = count_powers(own, int(self._room[b]))[0] if self._room[b] >= 0 else 0
        self._rows = Wide(weights)
        self.total = self._rows.total
        self.columns: tuple[Column, ...] = ()
        if not self.total:
            return
        try:
            self._costs = Halves(groups, many, self._room, self._scratch)
        except TooWide:
            raise TooLarge(CELLS + 1, made.hubs) from None
        self._columns(exprs)

    def _columns(self, exprs: Sequence[Expr]) -> None:
        """The columns, and how the groups of each kind are drawn: those of the same values together."""
        decisions, domains = self.frame.decisions, self.frame.domains
        columns = [Column((v,), (len(decisions[v].values),)) for v in self.made.hubs]
        self._lots: list[list[_Lot]] = []
        for kind, table in enumerate(self.made.kinds):
            alike: dict[tuple[tuple[int, bytes], ...], list[int]] = {}
            groups = [members for k, members in self.made.groups if k == kind]
            for at, members in enumerate(groups):
                key = tuple((len(decisions[v].values), domains[v].tobytes()) for v in members)
                alike.setdefault(key, []).append(at)
            lots = []
            for held in alike.values():
                first = groups[held[0]]
                sizes = [len(decisions[v].values) for v in first]
                joined = join_columns([decisions[v].path for v in first], sizes, exprs)
                place = self.made.places[kind]
                of = {at: v for v, at in place.items()}
                own = [Column(tuple(of[k] for k in c), tuple(sizes[k] for k in c)) for c in joined]
                indices = {v: domains[first[at]] for v, at in place.items()}
                places = [len(columns) + k * len(joined) for k in range(len(held))]
                lots.append(_Lot(numpy.array(held), Back(table, own, indices, self._scratch), places))
                for at in held:
                    columns += [Column(tuple(groups[at][k] for k in c), tuple(sizes[k] for k in c)) for c in joined]
            self._lots.append(lots)
        self.columns = tuple(columns)

    def _grid(self) -> None:
        """Rounded costs: for each kind of group, at each row of hubs, its states by what they cost."""
        made = self.made
        n = len(made.rows)
        least = numpy.zeros((len(made.kinds), n), dtype=numpy.int64)
        alive = numpy.ones(n, dtype=bool)
        inside = [[numpy.flatnonzero((t.rows >> b) & 1) for b in range(n)] for t in made.kinds]
        for kind, t in enumerate(made.kinds):
            for b in range(n):
                alive[b] &= len(inside[kind][b]) > 0
                least[kind, b] = t.cost[inside[kind][b]].min(initial=1 << 61)
        room = numpy.full(n, -1, dtype=numpy.int64)
        for b in range(n):
            if not alive[b]:
                continue
            room[b] = made.bound - sum(int(least[kind, b]) for kind, _ in made.groups)
        self._step = max(1, -(-(int(room.max(initial=0)) + 1) // LEVELS))
        self._room = numpy.where(room >= 0, room // self._step, -1)
        self._weights: list[list[Array]] = []
        self._states: list[Ragged] = []
        size = int(self._room.max(initial=0)) + 1
        for kind, t in enumerate(made.kinds):
            totals, items, lengths = [], [], []
            for b in range(n):
                at = inside[kind][b] if self._room[b] >= 0 else inside[kind][b][:0]
                grade = (t.cost[at] - least[kind, b]) // self._step
                at, grade = at[grade <= self._room[b]], grade[grade <= self._room[b]]
                order = numpy.argsort(grade, kind="stable")
                weight = numpy.zeros(size, dtype=numpy.int64)
                numpy.add.at(weight, grade, t.weights[-1][at])
                totals.append(weight)
                items.append(at[order])
                lengths.append(numpy.bincount(grade, minlength=size))
            state = numpy.concatenate(items)
            starts = numpy.concatenate([[0], numpy.cumsum(numpy.concatenate(lengths))])
            self._weights.append(totals)
            self._states.append(of_weights(starts, t.weights[-1][state], state.astype(numpy.int64), self._scratch))
        self._size = size
        self._cost = [numpy.ascontiguousarray(t.cost) for t in made.kinds]

    def _group(self, kind: int, b: int) -> Group:
        weights = self._weights[kind][b]
        return Group.of([int(v) for v in numpy.flatnonzero(weights)], [int(w) for w in weights[weights > 0]])

    # ---- draws

    def draw(self, n: int, rng: numpy.random.Generator) -> list[Array]:
        """For each of the columns at most n numbers."""
        found = [numpy.empty(n, dtype=c.kind) for c in self.columns]
        have = 0
        for start in range(0, n, AT_ONCE):
            have += self._draw(min(AT_ONCE, n - start), rng, [f[have:] for f in found])
        return [f[:have] for f in found]

    def _draw(self, n: int, rng: numpy.random.Generator, into: list[Array]) -> int:
        made = self._scratch
        b = self._rows.draw(n, rng)
        first = b * self._size
        spent = numpy.zeros(n, dtype=numpy.int64)
        states: list[Array] = []
        for kind, grades in enumerate(self._costs.draw(b, rng)):
            at = made.get("at", grades.size, numpy.int64)
            numpy.add(first, grades, out=at.reshape(grades.shape))
            state = self._states[kind].draw(at, rng, f"state of {kind}")
            for cost in made.taken("cost", self._cost[kind], state).reshape(grades.shape):
                spent += cost
            states.append(state.reshape(grades.shape))
        kept = numpy.flatnonzero(spent <= self.made.bound)
        many = len(kept)
        b = b.take(kept)
        for k in range(len(self.made.hubs)):
            into[k][:many] = self.made.rows[:, k].take(b)
        for lots, state in zip(self._lots, states, strict=True):
            for lot in lots:
                own = made.get("kept", len(lot.at) * many, numpy.int64).reshape(len(lot.at), many)
                for row, group in zip(own, lot.at, strict=True):
                    if state.dtype == row.dtype:
                        state[group].take(kept, out=row, mode="clip")
                    else:
                        row[:] = state[group].take(kept)
                for k, codes in enumerate(lot.back.draw(own.reshape(-1), rng)):
                    for place, numbers in zip(lot.places, codes.reshape(own.shape), strict=True):
                        into[place + k][:many] = numbers
        return many


__all__ = ["LayeredDrawer"]
