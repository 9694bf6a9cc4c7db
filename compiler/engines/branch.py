"""Branch and bound: the least value of one goal, proved without looking at every design, or how far from it at most.

Decisions are taken one after the other, those that most parts of the goal and the requirements read first. Of designs
whose first decisions are fixed, prefixes, the least that the goal can still be is known for whole batches, by tables
(`PrefixBounds`). Where that is no less than a design already found, or some requirement can't hold, all that begin so
are left out. The deepest and most promising ones go on first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import field, frozen, mutable
from cospace.compiler.engines.candidates import as_number, compare
from cospace.compiler.exact import exact
from cospace.compiler.exact.exact import Enclosure
from cospace.compiler.numbers.enumerate import Frame, Rows
from cospace.compiler.numbers.measure import denominator
from cospace.compiler.numbers.prefix_bounds import PrefixBounds
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Design, Space
from numpy.typing import NDArray

Array = NDArray[Any]
Number = Fraction | Enclosure

BATCH = 1 << 12
"""Prefixes that go on together, at most; few at first, so that a design is met soon."""
FIRST = 1 << 5
BOXES = 20_000_000
"""Prefixes whose bounds are looked up, at most."""
LOOKS = 20_000
"""Designs that the reference evaluator is asked about, at most."""
WAITING = 8_000_000
"""Prefixes that wait, at most."""


@frozen
class Branched:
    """design, value: the least that was found, None where none was. bound: nothing is less; `inf`: nothing is left.

    certified: it is the least. boxes: prefixes that bounds were looked up for.
    """

    design: Design | None
    value: Number | None
    bound: float
    certified: bool
    boxes: int


@mutable(eq=False)
class _Waiting:
    """Prefixes of one length: rows, and the least that the goal can be from there."""

    rows: list[Rows] = field(factory=list)
    low: list[Array] = field(factory=list)

    def put(self, rows: Rows, low: Array) -> None:
        if len(rows):
            self.rows.append(rows)
            self.low.append(low)

    def __len__(self) -> int:
        return sum(map(len, self.low))

    def least(self) -> float:
        return min((float(low.min()) for low in self.low), default=math.inf)

    def take(self, n: int, below: float) -> Rows:
        """Up to n of them, the most promising ones, without those that are not less than `below`."""
        rows, low = numpy.concatenate(self.rows), numpy.concatenate(self.low)
        keep = low < below
        rows, low = rows[keep], low[keep]
        if len(low) > n:
            order = numpy.argpartition(low, n)
            rows, low = rows[order], low[order]
        self.rows, self.low = ([rows[n:]], [low[n:]]) if len(low) > n else ([], [])
        return rows[:n]


class Branch:
    """The least value of `goal` over the designs of a space that meet `conditions`.

    Raises TooMany where a part of these reads too many decisions at once to be bounded.
    """

    def __init__(self, space: Space, goal: Expr, conditions: Sequence[Expr]) -> None:
        self.frame = Frame.of(space)
        self.goal = goal
        self.conditions = [c for c in conditions if c is not TRUE]
        self.order = _order(self.frame, [goal, *self.conditions])
        self.bounds = PrefixBounds(self.frame, self.order, [*self.conditions, goal])
        self.boxes = 0
        self.looks = 0
        self.best: Number | None = None
        self.design: Design | None = None
        self.grain = _grain(goal, self.frame)
        self.unknown = math.inf
        """The least that a design can be which nothing is known of."""
        self._batch = FIRST
        self._waiting: list[_Waiting] = [_Waiting() for _ in range(len(self.order) + 1)]

    def start(self, design: Design) -> None:
        """A design that may be a good one."""
        self._look(design)

    def run(self, boxes: int = BOXES, stop: Callable[[], bool] = lambda: False) -> Branched:
        """Go on until it is proved, `stop` says so, or so many more prefixes were looked up."""
        if not self.boxes:
            self._open(0, numpy.zeros((1, 0), dtype=numpy.int64))
        limit = self.boxes + boxes
        while self.boxes < limit and self.looks < LOOKS and not stop():
            depth = next((n for n in range(len(self.order), -1, -1) if len(self._waiting[n])), None)
            if depth is None:
                break
            rows = self._waiting[depth].take(self._batch, self._ceiling)
            self._batch = min(BATCH, self._batch + self._batch // 4)
            if depth == len(self.order):
                self._leaves(rows)
            else:
                self._open(depth + 1, self._grown(depth, rows))
            if sum(map(len, self._waiting)) > WAITING:
                break
        left = min((w.least() for w in self._waiting), default=math.inf)
        certified = left >= self._ceiling and self.unknown == math.inf
        bound = min(left, self.unknown, math.inf if self.best is None else _below(self.best))
        return Branched(self.design, self.best, bound, certified, self.boxes)

    @property
    def _ceiling(self) -> float:
        """Nothing that is not less than this can be better than the best."""
        if self.best is None:
            return math.inf
        if isinstance(self.best, Fraction) and self.grain:
            return math.nextafter(_above(self.best - self.grain), math.inf)  # what is better is so by a grain
        return _above(self.best)

    def _grown(self, depth: int, rows: Rows) -> Rows:
        """The rows with each value that the next decision may take there."""
        v = self.order[depth]
        d, domain = self.frame.decisions[v], self.frame.domains[v]
        if d.guard is TRUE and d.allowed is None:
            base, chosen = numpy.repeat(numpy.arange(len(rows)), len(domain)), numpy.tile(domain, len(rows))
        else:
            base, k = numpy.nonzero(self.frame.options(v, rows, list(self.order[:depth])))
            chosen = domain[k]
        return numpy.concatenate([rows[base], chosen[:, None]], axis=1)

    def _open(self, depth: int, rows: Rows) -> None:
        if not len(rows):
            return
        self.boxes += len(rows)
        *truths, goal = self.bounds(depth, rows)
        may = ~numpy.isnan(goal.low) & (goal.low < self._ceiling)
        for truth in truths:
            may &= truth.low
        self._waiting[depth].put(rows[may], goal.low[may])

    def _leaves(self, rows: Rows) -> None:
        """Whole designs, the most promising first."""
        *truths, goal = self.bounds(len(self.order), rows)
        sure = numpy.ones(len(rows), dtype=bool)
        for truth in truths:
            sure &= ~truth.high
        for i in numpy.lexsort((goal.low, ~sure)):
            if goal.low[i] >= self._ceiling:
                continue
            if self.looks >= LOOKS:
                self._waiting[-1].put(rows[i : i + 1], goal.low[i : i + 1])
                continue
            found = self._look(self.frame.design(self.order, rows[i]))
            if found is None:
                self.unknown = min(self.unknown, float(goal.low[i]))

    def _look(self, design: Design) -> bool | None:
        """Whether a design is better than the best, which it then is; None where that can't be told."""
        self.looks += 1
        met = exact.evaluate_all([self.goal, *self.conditions], design)
        value, truths = as_number(met[0]), met[1:]
        if any(t is not True and t is not exact.UNKNOWN for t in truths):
            return False
        if value is None or any(t is exact.UNKNOWN for t in truths):
            return None
        less = -1 if self.best is None else compare(value, self.best)
        if less is None:
            return None
        if less < 0:
            self.best, self.design = value, design
        return less < 0


def _above(value: Number) -> float:
    """The least float that is not less."""
    top = value.high if isinstance(value, Enclosure) else value
    try:
        near = float(top)
    except OverflowError:
        return math.inf
    return near if near >= top else math.nextafter(near, math.inf)


def _grain(goal: Expr, frame: Frame) -> Fraction:
    """What all values of the goal are multiples of, 0 where that is not evident."""
    multiple = denominator(goal, frame.decisions)
    return Fraction(0) if multiple is None else Fraction(1, multiple)


def _below(value: Number) -> float:
    """The greatest float that is not more."""
    low = value.low if isinstance(value, Enclosure) else value
    try:
        near = float(low)
    except OverflowError:
        return -math.inf
    return near if near <= low else math.nextafter(near, -math.inf)


def _order(frame: Frame, roots: Sequence[Expr]) -> list[int]:
    """All decisions, those that most parts read first, each after what its guard and its domain read."""
    readers = numpy.zeros(len(frame.decisions))
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        e = stack.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        scope = frame.scope(e)
        for v in scope:
            readers[v] += 1
        stack.extend(e.args)
    needs = {v: set(frame.scope(d.guard, *(d.allowed or ()))) - {v} for v, d in enumerate(frame.decisions)}
    for v in reversed(range(len(frame.decisions))):  # what others hang on is taken as early as they are
        for u in needs[v]:
            readers[u] = max(readers[u], readers[v])
    order: list[int] = []
    left = sorted(range(len(frame.decisions)), key=lambda v: (-readers[v], v))
    while left:
        v = next(v for v in left if needs[v] <= set(order))
        order.append(v)
        left.remove(v)
    return order


__all__ = ["Branch", "Branched"]
