"""From bounds to the exact best: which rows could be, and what the reference evaluator says of these.

Owns the comparison of exact results. Rows are looked at in the order of their lower bounds until no other can be
better, so the answer is proved whatever rounding did; how many may be looked at is limited by number. Where the time is
up, what was found until then is the answer, and not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy
from attrs import define, frozen
from cospace.compiler import clock
from cospace.compiler.engines.dominance import undominated
from cospace.compiler.exact.exact import Enclosure, Result
from numpy.typing import NDArray

Array = NDArray[Any]
Values = tuple[Fraction | Enclosure, ...]

LOOKS = 2_000
"""Rows that the reference evaluator is asked about, at most."""


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


def find_least(
    low: Array, price: Callable[[int], Values | None], admit: Callable[[int], bool | None], looks: int = LOOKS
) -> Found:
    """The row with the least value, the first of equals. low: (n,) lower bounds, nan or inf where a row is out.

    price: a row's exact value; admit: whether it meets every requirement, None where that is not known.
    """
    order = numpy.argsort(low, kind="stable")
    order = order[low[order] < numpy.inf]
    search = _Least(low, order)
    clock.attempt(lambda: search.run(price, admit, looks), lambda: None, graced=True)
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

    def run(self, price: Callable[[int], Values | None], admit: Callable[[int], bool | None], looks: int) -> None:
        for candidate in self.order[:looks]:
            i = int(candidate)
            if self.whole:
                return
            self._look(i, price(i), admit)
            self.looked += 1

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
) -> Found:
    """The rows that no other dominates, one for each tuple of values. low, high: (n, objectives), nan where out."""
    alive: Array = numpy.logical_not(numpy.isnan(low).any(axis=1))
    known: dict[int, Values | None] = {}

    def search() -> bool:
        certified = True
        while True:
            candidates = numpy.flatnonzero(alive)[surviving(low[alive], high[alive])]
            new = [int(i) for i in candidates if int(i) not in known]
            if len(known) + len(new) > looks:
                certified, new = False, new[: max(0, looks - len(known))]
            for i in new:
                admitted = admit(i)
                certified &= admitted is not None
                values = price(i) if admitted else None
                certified &= not admitted or values is not None
                known[i] = values
                alive[i] = values is not None
            # a candidate that turned out not to be feasible may have hidden others
            if all(known.get(i) is not None for i in new) or len(known) >= looks:
                return certified

    certified = clock.attempt(search, lambda: False, graced=True)
    priced = sorted((i, v) for i, v in known.items() if v is not None)
    kept, sure = clock.attempt(lambda: merge([v for _, v in priced]), lambda: ([0][: len(priced)], False), graced=True)
    return Found(tuple(priced[k][0] for k in kept), tuple(priced[k][1] for k in kept), certified and sure)


def merge(found: Sequence[Values]) -> tuple[list[int], bool]:
    """Which of some exact values are the least (one number: the first of equals) or the front; and whether surely."""
    if found and found[0] and all(v.__class__ is Fraction for values in found for v in values):
        table = numpy.array(found, dtype=object).reshape(len(found), -1)
        ranks = [numpy.unique(column, return_inverse=True)[1] for column in table.T]
        return [int(i) for i in undominated(numpy.stack(ranks, axis=1))], True
    kept: list[int] = []
    certified = True
    for i, values in enumerate(found):
        others = [v for j, v in enumerate(found) if j != i]
        worse, open_question = _dominated(values, others, [found[j] for j in kept])
        certified &= not open_question
        if not worse:
            kept.append(i)
    return kept, certified


def surviving(low: Array, high: Array) -> Array:
    """Rows (numbers) that no row surely dominates: (n, k) bounds on values that should be small."""
    rows = numpy.arange(len(low))
    kept = []
    order = numpy.argsort(numpy.where(numpy.isfinite(high), high, numpy.inf).sum(axis=1), kind="stable")
    rows = rows[order]
    while len(rows):
        pivot = rows[0]
        kept.append(pivot)
        rest = rows[1:]
        beaten = (high[pivot] <= low[rest]).all(axis=1) & (high[pivot] < low[rest]).any(axis=1)
        rows = rest[~beaten]
    chosen = numpy.array(kept, dtype=numpy.int64)
    stays = [
        i for i in chosen
        if not ((high[chosen] <= low[i]).all(axis=1) & (high[chosen] < low[i]).any(axis=1)).any()
    ]  # fmt: skip
    return numpy.array(sorted(stays), dtype=numpy.int64)


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
