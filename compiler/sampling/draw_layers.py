"""Uniform draws of many large groups under one sum: first what each costs, then, where the sum holds, its decisions.

A row of hubs is drawn, then each group's cost rounded down to a grid, by what the groups after it leave within the room
that is left; then one of its last states, whose cost is exact. Where the exact costs stay within the bound the way back
to the decisions is drawn (`leaps`), else the row is dropped: exactly uniform over what is feasible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from cospace.compiler.counting.eliminate import TooLarge
from cospace.compiler.counting.guided import BITS, Wide
from cospace.compiler.counting.layered import Layered
from cospace.compiler.counting.levels import Group
from cospace.compiler.counting.powers import Polynomial, count_powers
from cospace.compiler.numbers.enumerate import Frame
from cospace.compiler.sampling.leaps import Back
from cospace.compiler.sampling.ragged import Ragged, of_weights
from numpy.typing import NDArray

Array = NDArray[Any]
LEVELS = 320
"""Steps of the grid: more accept more rows and take larger tables."""
CELLS = 60_000_000
"""Cells of all tables of rounded costs together."""
_KIND = numpy.longdouble


class LayeredDrawer:
    """Draws from the assignments of a layered component. Raises TooLarge where its tables would be too many.

    total: how many assignments have a sum of rounded costs within the bound, of which the feasible ones are part.
    """

    def __init__(self, frame: Frame, made: Layered) -> None:
        self.frame, self.made = frame, made
        self._grid()
        cells = len(made.groups) * int((self._room + 1).sum()) * (int(self._room.max(initial=0)) + 1) // 2
        if cells > CELLS:
            raise TooLarge(cells, made.hubs)
        weights = numpy.empty(len(made.rows), dtype=object)
        for b in range(len(made.rows)):
            groups = [(self._group(kind, b), self._many(kind)) for kind in range(len(made.kinds))]
            weights[b] = count_powers(groups, int(self._room[b]))[0] if self._room[b] >= 0 else 0
        self._rows = Wide(weights)
        self.total = self._rows.total
        self._base = numpy.concatenate([[0], numpy.cumsum(numpy.maximum(self._room + 1, 0))])
        self._exact: dict[tuple[int, int], list[int]] = {}
        self._classes = self._tables() if self.total else []
        self._back = [Back(t) for t in made.kinds] if self.total else []

    def _many(self, kind: int) -> int:
        return sum(1 for k, _ in self.made.groups if k == kind)

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
        self._state: list[Array] = []
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
            self._state.append(state.astype(numpy.int32))
            self._states.append(of_weights(starts, t.weights[-1][state]))
        self._size = size

    def _group(self, kind: int, b: int) -> Group:
        weights = self._weights[kind][b]
        return Group.of([int(v) for v in numpy.flatnonzero(weights)], [int(w) for w in weights[weights > 0]])

    # ---- rounded costs, group after group

    def _tables(self) -> list[Ragged]:
        """For each group its rounded costs at each row of hubs and room; shares in floats whose error is bounded."""
        groups, n = self.made.groups, len(self.made.rows)
        eps = float(numpy.finfo(_KIND).eps)
        margin = int(len(groups) * (self._size + 8) * 4 * eps * 2.0**BITS) + 4
        if margin > 1 << 50:
            raise TooLarge(margin, self.made.hubs)
        after = [numpy.ones(int(r) + 1, dtype=_KIND) for r in self._room]
        tables: list[Ragged] = []
        for number in range(len(groups) - 1, -1, -1):
            kind = groups[number][0]
            lengths, cuts = [], []
            for b in range(n):
                size = len(after[b])
                if not size:
                    continue
                weight = self._weights[kind][b][:size].astype(_KIND)
                grid = numpy.zeros((size, size), dtype=_KIND)
                for c in numpy.flatnonzero(weight):
                    grid[c:, c] = after[b][: size - c] * weight[c]
                running = numpy.cumsum(grid, axis=1)
                total = running[:, -1]
                share = running / numpy.where(total > 0, total, 1)[:, None]
                inside = numpy.tril(numpy.ones((size, size), dtype=bool))
                cuts.append(numpy.minimum(share[inside] * _KIND(1 << BITS), _KIND((1 << BITS) - 1)).astype(numpy.int64))
                lengths.append(numpy.arange(1, size + 1))
                top = total.max()
                after[b] = total / top if top > 0 else total
                if (after[b][after[b] > 0] < numpy.finfo(_KIND).tiny * 2.0**80).any():
                    raise TooLarge(CELLS + 1, self.made.hubs)
            starts = numpy.concatenate([[0], numpy.cumsum(numpy.concatenate(lengths))]).astype(numpy.int64)
            tables.append(Ragged(starts, numpy.concatenate(cuts), margin, self._recall(number)))
        tables.reverse()
        return tables

    def _recall(self, number: int) -> Any:
        """The running sums of a group's rounded costs as whole numbers, made when a draw needs them."""

        def recall(segment: int) -> Array:
            b = int(numpy.searchsorted(self._base, segment, side="right")) - 1
            room = segment - int(self._base[b])
            left = self._left(number + 1, b)
            weights = self._weights[self.made.groups[number][0]][b]
            return numpy.cumsum(numpy.array([int(weights[c]) * left[room - c] for c in range(room + 1)], dtype=object))

        return recall

    def _left(self, number: int, b: int) -> list[int]:
        """What the groups from `number` on leave within each room."""
        if (number, b) not in self._exact:
            size = int(self._room[b]) + 1
            made = Polynomial.of(Group((0,), (1,)), size)
            for kind, _ in self.made.groups[number:]:
                made = made.times(Polynomial.of(self._group(kind, b), size), size)
            running, found = 0, []
            coefficients = made.coefficients()
            for k in range(size):
                running += coefficients[k] if k < len(coefficients) else 0
                found.append(running)
            self._exact[number, b] = found
        return self._exact[number, b]

    # ---- draws

    def draw(self, n: int, rng: numpy.random.Generator) -> Mapping[int, Array]:
        """At most n assignments: for each decision an array of indices into its values."""
        groups = self.made.groups
        b = self._rows.draw(n, rng)
        base = self._base.take(b)
        room = self._room.take(b)
        spent = numpy.zeros(n, dtype=numpy.int64)
        states: list[Array] = []
        for (kind, _), table in zip(groups, self._classes, strict=True):
            segment = base + room
            grade = table.draw(segment, rng) - table.starts.take(segment)
            room -= grade
            state = self._state[kind].take(self._states[kind].draw(b * self._size + grade, rng))
            spent += self.made.kinds[kind].cost.take(state)
            states.append(state)
        kept = numpy.flatnonzero(spent <= self.made.bound)
        found: dict[int, Array] = {}
        b = b.take(kept)
        for k, v in enumerate(self.made.hubs):
            found[v] = self.made.rows[:, k].take(b)
        for (kind, members), state in zip(groups, states, strict=True):
            for v, position in self._decisions(kind, members, state.take(kept), rng):
                found[v] = position
        return found

    def _decisions(self, kind: int, members: tuple[int, ...], state: Array, rng: numpy.random.Generator) -> Any:
        for variable, position in self._back[kind].draw(state, rng).items():
            v = members[self.made.places[kind][variable]]
            domain = self.frame.domains[v]
            yield v, position if len(domain) == len(self.frame.decisions[v].values) else domain.take(position)


__all__ = ["LayeredDrawer"]
