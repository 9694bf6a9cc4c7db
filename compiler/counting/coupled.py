"""Counting a component under requirements on long sums: rows of hubs, groups within the sums' bounds, the rest outside.

A component's weight at one row of hubs is what the groups leave within the bounds (`rowsums`) times what the decisions
that no sum reads leave (`hubs.Outer`); the sum over all rows is the count, and a pass back gives that of each value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from attrs import frozen
from cospace.compiler.counting.convolve import Block, Groups, OptionGroup
from cospace.compiler.counting.eliminate import SAFE, Factor, TooLarge, count_values, eliminate
from cospace.compiler.counting.hubs import Outer, make_plan, read_scopes
from cospace.compiler.counting.kept import may_be_kept, surely_kept
from cospace.compiler.counting.listed import Wanted, list_plan
from cospace.compiler.counting.options import Options
from cospace.compiler.counting.rowsums import TooManyCombinations, coarsen, count_option_rows, count_rows
from cospace.compiler.counting.sums import NotASum, Sum, read_sums
from cospace.compiler.numbers.enumerate import Clause, Frame, Rows, TooMany
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

Array = NDArray[Any]
LEVELS = 1 << 15
"""To so many values sums are rounded where all of them are too many."""

Others = Callable[[int, list[Options], list[Array], list[Array]], list[Array]]
"""What is left beside each option, of one end: `count_option_rows` and its like."""
Ends = tuple[list[Options], list[Array]]
"""Options, and what their sums may be at most."""


@frozen(eq=False)
class Totals:
    """Proved bounds on a component's count (equal where it is exact) and how they were found."""

    low: int
    high: int
    method: str


class Coupled:
    """One component. Raises TooMany or TooLarge beyond the limits.

    factors: `structure` and the tables of the narrow clauses. few_hubs: groups may be large where two sums are asked;
    they are counted, not drawn from. wanted: values of which alone it is asked whether any is kept.
    """

    def __init__(
        self, frame: Frame, variables: Sequence[int], structure: Sequence[Factor], factors: Sequence[Factor],
        narrow: Sequence[Clause], wide: Sequence[Clause], limits: Limits, few_hubs: bool = False,
        wanted: Wanted | None = None,
    ) -> None:  # fmt: skip
        self.frame, self.limits = frame, limits
        self.sums: list[Sum] = []
        self.loose: list[Clause] = []
        for c in wide:
            try:
                self.sums.extend(read_sums(c))
            except NotASum:
                self.loose.append(c)
        read = read_scopes(frame, self.sums, self.loose)
        listed = None
        if few_hubs and wide:
            listed = list_plan(frame, variables, factors, narrow, wide, read, limits, wanted)
        if listed is not None:
            self.sums, self.loose = [], []
        asked = (structure, factors, narrow, self.loose, self.sums)
        self.plan = listed or make_plan(frame, variables, *asked, limits, few_hubs)
        self.parts = Groups(frame, self.plan, structure, factors, self.loose, self.sums, limits)
        self.constant = math.prod(o.left.total for o in self.plan.outer)
        self.left = [self._left_at(o) for o in self.plan.outer]
        self.outside: Array = math.prod(self.left, start=numpy.ones(len(self.plan.rows), dtype=object))
        """What the decisions that no sum reads leave at each row of hubs."""

    # ---- counts

    def _too_many(self, stop: TooManyCombinations) -> TooMany:
        """Which of the limits on pairs it was is not known here."""
        said = f"{stop.pairs:,} pairs of partial sums or levels of one, more than are compared"
        return TooMany(stop.pairs, self.limits.combinations, self.plan.hubs, said)

    def total(self) -> Totals:
        """The count, exactly where the sums' levels allow, else between sums that are rounded up and down."""
        shared = "sums convolved" if self.sums else "groups multiplied" if self.plan.groups else "listed"
        over = f"over {len(self.plan.rows)} assignments of {len(self.plan.hubs)} shared decisions"
        try:
            low, high = (int(w.sum()) * self.constant for w in self.weigh([self.limits.combinations]))
        except TooManyCombinations as stop:
            try:
                low, high = (int(w.sum()) * self.constant for w in self.weigh([self.limits.combinations], LEVELS))
            except TooManyCombinations:
                raise self._too_many(stop) from None
            return Totals(low, high, f"sums rounded down and up to {LEVELS} levels and convolved {over}")
        return Totals(low, high, f"{shared} {over}")

    def weigh(self, budget: list[int], levels: int | None = None) -> tuple[Array, Array]:
        """Proved bounds on the weight of each row of hubs, the constant left out."""
        low = numpy.zeros(len(self.plan.rows), dtype=object)
        high = low if self._certain(levels) else numpy.zeros(len(self.plan.rows), dtype=object)
        for block in self.parts.blocks():
            for found, (options, bounds) in zip((low, high), self.ends(block, levels), strict=False):
                found[block.rows] = count_rows(options, bounds, block.active, budget)
        return low * self.outside, high * self.outside

    def _certain(self, levels: int | None) -> bool:
        return levels is None and self.parts.exact

    def ends(self, block: Block, levels: int | None) -> list[Ends]:
        """Options and bounds that hold too rarely and too often, or one that is exact."""
        slacks = [s.slack for s in self.parts.scales]
        if levels is not None:
            return list(coarsen(block.options, block.bounds, slacks, levels))
        if self.parts.exact:
            return [(block.options, block.bounds)]
        lower = [b - s for b, s in zip(block.bounds, slacks, strict=True)]
        upper = [b + s for b, s in zip(block.bounds, slacks, strict=True)]
        return [(block.options, lower), (block.options, upper)]

    def _left_at(self, o: Outer) -> Array:
        found: Array = numpy.ones(len(self.plan.rows), dtype=object)
        for f in o.left.rest:
            found = found * f.table.reshape(-1)[self.parts.code(f.scope, self.plan.hubs, self.plan.rows)].astype(object)
        return found

    # ---- what each value keeps

    def values(self, levels: int | None = None) -> list[dict[int, list[int]]]:
        """For each decision the count of each position in its domain: too few and too many, or one that is exact.

        Raises TooMany or TooLarge.
        """
        budget = [self.limits.combinations]

        def others(end: int, options: list[Options], bounds: list[Array], active: list[Array]) -> list[Array]:
            return count_option_rows(options, bounds, active, budget)

        try:
            return self._gathered(1 if self._certain(levels) else 2, levels, others)
        except TooManyCombinations as stop:
            raise self._too_many(stop) from None

    def kept(self) -> list[dict[int, list[int]]]:
        """As `values`, but only whether any is left: surely some where the first is not 0, none where the second is."""

        def others(end: int, options: list[Options], bounds: list[Array], active: list[Array]) -> list[Array]:
            return (may_be_kept if end else surely_kept)(options, bounds, active)

        return self._gathered(2, None, others)

    def _gathered(self, ends: int, levels: int | None, others: Others) -> list[dict[int, list[int]]]:
        """For each end what is left beside the options at each row of hubs, gathered by decision."""
        rows = [numpy.zeros(len(self.plan.rows), dtype=object) for _ in range(ends)]
        kept = [[numpy.zeros(len(g.options), dtype=object) for g in self.parts.groups] for _ in range(ends)]
        for block in self.parts.blocks():
            outside = self.outside[block.rows]
            told = self.ends(block, levels)
            for k in range(ends):
                options, bounds = told[min(k, len(told) - 1)]
                beside = others(k, options, bounds, block.active)
                weighed = [o * g.weights for o, g in zip(beside, options, strict=True)]
                rows[k][block.rows] = weighed[0].sum(axis=1) * outside
                for total, w in zip(kept[k], weighed, strict=False):
                    total += _column_sums(w, outside)
        return [self._spread(r, g) for r, g in zip(rows, kept, strict=True)]

    def _spread(self, rows: Array, kept: Sequence[Array]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        if int(rows.sum()) < SAFE:
            rows = rows.astype(numpy.int64)
        for k, v in enumerate(self.plan.hubs):
            found[v] = self._by_position(v, self.plan.rows[:, k], rows)
        for g, weights in zip(self.parts.groups, kept, strict=True):
            found |= self._inside_group(g, weights)
        for o, own in zip(self.plan.outer, self.left, strict=True):
            at = numpy.flatnonzero(own != 0)
            message = self._message(o.reads, self.plan.hubs, self.plan.rows[at], rows[at] // own[at])
            made = self._count_with(o.members, o.factors, message)
            found |= {v: [n * self.constant // o.left.total for n in made[v]] for v in o.members}
        inner = {v for g in self.parts.groups for v in g.members} | set(self.plan.hubs)
        return {v: [n * self.constant for n in counts] if v in inner else counts for v, counts in found.items()}

    def _by_position(self, v: int, column: Rows, weights: Array) -> list[int]:
        domain = self.frame.domains[v]
        return [int(weights[column == index].sum()) for index in domain]

    def _inside_group(self, g: OptionGroup, weights: Array) -> dict[int, list[int]]:
        """Decisions of a group: at its options, and those that were summed out below them."""
        found = {v: self._by_position(v, g.options[:, k], weights) for k, v in enumerate(g.variables)}
        lost = set(g.members) - set(g.variables)
        if lost:
            at = numpy.flatnonzero(g.weights != 0)
            message = self._message(
                g.variables, g.variables, g.options[at], weights[at] // g.weights[at].astype(object)
            )
            made = self._count_with(g.members, g.own, message)
            found |= {v: made[v] for v in lost}
        return found

    def _message(self, scope: tuple[int, ...], columns: Sequence[int], rows: Rows, weights: Array) -> Factor:
        """The weight of each combination over `scope`, summed over the rows that have it."""
        shape = [len(self.frame.domains[v]) for v in scope]
        cells = math.prod(shape)
        if cells > self.limits.cells:
            raise TooLarge(cells, scope)
        table = numpy.zeros(cells, dtype=object)
        numpy.add.at(table, self.parts.code(scope, columns, rows), weights)
        if int(table.max(initial=0)) < SAFE:
            table = table.astype(numpy.int64)
        return Factor.of(scope, table.reshape(shape))

    def _count_with(self, members: Sequence[int], factors: Sequence[Factor], message: Factor) -> dict[int, list[int]]:
        sizes = {v: len(self.frame.domains[v]) for v in (*members, *message.scope)}
        return count_values(eliminate([*factors, message], sizes, cells=self.limits.cells))


def _column_sums(weights: Array, outside: Array) -> Array:
    """Each row times what is outside it, summed; as machine integers where the sums fit them."""
    most = int(weights.max(initial=0)) * int(outside.max(initial=0)) * len(outside)
    if weights.dtype != object and most < SAFE:
        return outside.astype(numpy.int64) @ weights
    return (weights * outside[:, None]).sum(axis=0)  # type: ignore[no-any-return]
