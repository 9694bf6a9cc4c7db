"""From bounds to the exact best: which rows could be, and what the reference evaluator says of these.

Owns the comparison of exact results. Rows are looked at in the order of their lower bounds until no other can be
better, so the answer is proved whatever rounding did; how many may be looked at is limited by number. Where the time is
up, what was found until then is the answer, and not proved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import define, frozen
from cospace.compiler import clock
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.exact.exact import Enclosure, Result
from cospace.compiler.numbers.enumerate import TooMany
from numpy.typing import NDArray

Array = NDArray[Any]
Values = tuple[Fraction | Enclosure, ...]
Know = Callable[[Sequence[int]], bool]

LOOKS = 2_000
"""Rows that the reference evaluator is asked about, at most."""
BELOW = 1 << 8
"""Different denominators up to which fractions are compared over a common one."""
TOGETHER, MOST = 1 << 6, 1 << 14
"""Rows of equal bounds that are looked at together: at first, and at most."""
BLOCK = 1 << 9
"""Rows that are compared with as many others together."""


@frozen
class Found:
    """rows: the best, in declared order, with their exact values; certified: no other row can be better.

    bound: what no row is below, where that is known of a single value and the best is not certified.
    """

    rows: tuple[int, ...]
    values: tuple[Values, ...]
    certified: bool
    bound: Fraction | None = None


def as_number(result: Result) -> Fraction | Enclosure | None:
    return result if isinstance(result, (Fraction, Enclosure)) else None


def compare(a: Fraction | Enclosure, b: Fraction | Enclosure) -> int | None:
    """-1, 0 or 1; None where the enclosures overlap and so leave it open. One object is one number."""
    if a is b:
        return 0
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return (a > b) - (a < b)
    a_low, a_high = _ends(a)
    b_low, b_high = _ends(b)
    if a_high < b_low:
        return -1
    return 1 if a_low > b_high else None


def _ends(a: Fraction | Enclosure) -> tuple[Fraction, Fraction]:
    return (a.low, a.high) if isinstance(a, Enclosure) else (a, a)


def middle(a: Fraction | Enclosure) -> Fraction:
    return a.middle if isinstance(a, Enclosure) else a


def _unknown(rows: Sequence[int]) -> bool:
    return False


def find_least(
    low: Array,
    price: Callable[[int], Values | None],
    admit: Callable[[int], bool | None],
    looks: int = LOOKS,
    know: Know = _unknown,
) -> Found:
    """The row with the least value, the first of equals. low: (n,) lower bounds, nan or inf where a row is out.

    price: a row's exact value; admit: whether it meets every requirement, None where that is not known. know: makes
    these known of many rows together where it can, which then don't count as looks.
    """
    order = numpy.argsort(low, kind="stable")
    order = order[low[order] < numpy.inf]
    search = _Least(low, order)
    clock.attempt(lambda: search.run(price, admit, looks, know), lambda: None, graced=True)
    return search.found()


@define(eq=False)
class _Least:
    """What is known while rows are looked at in `order`, wherever that ends."""

    low: Array
    order: Array
    best: tuple[Fraction | Enclosure, int] | None = None
    """The least value met at a feasible row, and the row."""
    looked: int = 0
    """Rows of the order that were looked at, one after the other."""
    doubtful: float = numpy.inf
    """The least bound of the rows that were looked at and are not told from a better one."""

    def run(
        self, price: Callable[[int], Values | None], admit: Callable[[int], bool | None], looks: int, know: Know
    ) -> None:
        size = TOGETHER
        while not self.whole:
            some = self.order[self.looked : self.looked + size].tolist()
            if not know(some):
                some = some[:looks]
                looks -= len(some)
            if not some:
                return
            for i in some:
                if self.whole:
                    return
                self._look(i, price(i), admit)
                self.looked += 1
            size = min(2 * size, MOST)

    @property
    def whole(self) -> bool:
        """Whether no row that was not looked at can be better."""
        if self.looked == len(self.order):
            return True
        return self.best is not None and float(self.low[self.order[self.looked]]) > _ends(self.best[0])[1]

    def _look(self, i: int, values: Values | None, admit: Callable[[int], bool | None]) -> None:
        if values is None:
            if admit(i) is not False:
                self._doubt(i)  # it may be the best, and can't be compared
            return
        order_of = -1 if self.best is None else compare(values[0], self.best[0])
        if order_of is None:
            self._doubt(i)
            order_of = -1 if self.best is not None and middle(values[0]) < middle(self.best[0]) else 1
        if order_of > 0 or (order_of == 0 and self.best is not None and i > self.best[1]):
            return
        admitted = admit(i)
        if admitted is None:
            self._doubt(i)
        elif admitted:
            self.best = values[0], i

    def _doubt(self, i: int) -> None:
        self.doubtful = min(self.doubtful, float(self.low[i]))

    def found(self) -> Found:
        certified = self.whole and self.doubtful == numpy.inf
        if self.best is None:
            return Found((), (), certified)
        value, row = self.best
        rest = numpy.inf if self.whole else float(self.low[self.order[self.looked]])
        least = min(self.doubtful, rest)
        bound = None if certified or least == -numpy.inf else min(Fraction(least), _ends(value)[0])
        return Found((row,), ((value,),), certified, bound)


def find_front(
    low: Array,
    high: Array,
    price: Callable[[int], Values | None],
    admit: Callable[[int], bool | None],
    looks: int = LOOKS,
    know: Know = _unknown,
) -> Found:
    """The rows that no other dominates, one for each tuple of values. low, high: (n, objectives), nan where out.

    know: as `find_least` has it.
    """
    alive: Array = numpy.logical_not(numpy.isnan(low).any(axis=1))
    known: dict[int, Values | None] = {}

    def search() -> bool:
        certified, left = True, looks
        while True:
            candidates = numpy.flatnonzero(alive)[surviving(low[alive], high[alive])]
            new = [int(i) for i in candidates if int(i) not in known]
            if not know(new):
                certified &= len(new) <= left
                new = new[:left]
                left -= len(new)
            for i in new:
                admitted = admit(i)
                certified &= admitted is not None
                values = price(i) if admitted else None
                certified &= not admitted or values is not None
                known[i] = values
                alive[i] = values is not None
            # a candidate that turned out not to be feasible may have hidden others
            if all(known.get(i) is not None for i in new) or not left:
                return certified

    certified = clock.attempt(search, lambda: False, graced=True)
    priced = sorted((i, v) for i, v in known.items() if v is not None)
    kept, sure = clock.attempt(lambda: merge([v for _, v in priced]), lambda: ([0][: len(priced)], False), graced=True)
    return Found(tuple(priced[k][0] for k in kept), tuple(priced[k][1] for k in kept), certified and sure)


def merge(found: Sequence[Values]) -> tuple[list[int], bool]:
    """Which of some exact values are the least (one number: the first of equals) or the front; and whether surely."""
    if found and found[0] and all(v.__class__ is Fraction for values in found for v in values):
        ranks = [_ranks(column) for column in zip(*found, strict=True)]
        return undominated(numpy.stack(ranks, axis=1)).tolist(), True
    kept: list[int] = []
    certified = True
    for i, values in enumerate(found):
        others = [v for j, v in enumerate(found) if j != i]
        worse, open_question = _dominated(values, others, [found[j] for j in kept])
        certified &= not open_question
        if not worse:
            kept.append(i)
    return kept, certified


def _ranks(values: Sequence[Any]) -> Array:
    """Numbers in the order of some fractions."""
    below = {v.denominator for v in values}
    scale = math.lcm(*below) if len(below) <= BELOW else None
    if scale is None:
        listed = numpy.empty(len(values), dtype=object)
        listed[:] = values
        return numpy.unique(listed, return_inverse=True)[1]
    whole = [v.numerator * (scale // v.denominator) for v in values]
    if max(whole) < 1 << 62 and min(whole) > -(1 << 62):
        return numpy.array(whole, dtype=numpy.int64)
    return numpy.unique(numpy.array(whole, dtype=object), return_inverse=True)[1]


def surviving(low: Array, high: Array) -> Array:
    """Rows (numbers) that no row surely dominates: (n, k) bounds on values that should be small, no nan."""
    try:
        most = high[undominated(high)]  # whatever another row beats, one of these does
    except TooMany:
        most = high
    if low.shape[1] == 2:
        most = most[numpy.argsort(most[:, 0])]
        at = numpy.searchsorted(most[:, 0], low[:, 0], side="right") - 1  # the last, so the least second number
        x, y = most[at].T
        beaten = (at >= 0) & ((y < low[:, 1]) | ((y == low[:, 1]) & (x < low[:, 0])))
        return numpy.flatnonzero(~beaten)
    stay = numpy.ones(len(low), dtype=bool)
    for start in range(0, len(low), BLOCK):
        rows = numpy.arange(start, min(len(low), start + BLOCK))
        for begin in range(0, len(most), BLOCK):
            some, part = most[None, begin : begin + BLOCK], low[rows][:, None]
            beats = numpy.all(some <= part, axis=2) & numpy.any(some < part, axis=2)
            beaten = numpy.any(beats, axis=1)
            stay[rows[beaten]] = False
            rows = rows[~beaten]
    return numpy.flatnonzero(stay)


def _dominated(values: Values, others: Sequence[Values], before: Sequence[Values]) -> tuple[bool, bool]:
    """Whether another is at least as good in all and better in one, or an equal one stands before; and whether that
    is an open question."""
    open_question = False
    for other in others:
        signs = [compare(a, b) for a, b in zip(other, values, strict=True)]
        if any(s == 1 for s in signs):
            continue
        if None in signs:
            open_question = True
        elif any(s == -1 for s in signs) or other in before:
            return True, open_question
    return False, open_question
