"""The best of the open decisions by looking at every one of them, for one or for many settings of the others.

`Exhaustive` lists the open decisions once (say, every accelerator that the requirements on accelerators leave) and
then answers for each network which of them is best, exactly. What is computed for one network is kept and serves all
networks that share a layer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

import numpy
from attrs import evolve, frozen
from cospace.compiler import clock
from cospace.compiler.engines.candidates import LOOKS, Found, Values, as_number, find_front, find_least
from cospace.compiler.exact import columns, exact
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.exact.exact import UNKNOWN, Enclosure
from cospace.compiler.numbers.enumerate import Frame, TooMany, index_of
from cospace.compiler.numbers.row_bounds import RowBounds
from cospace.compiler.space.asked import is_modelled, solves
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.fold import Fold, fold_decisions, settle
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Value, either, negate, negative, walk
from cospace.compiler.space.model import Decision, Design, Objective, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE
from numpy.typing import NDArray

ROWS = 1_000_000
"""Open designs that are listed at most."""
UNCLEAR = "and of none of them is it known that it is feasible and what its objectives are"
CELLS = 1 << 22
"""Designs times nodes of expressions that are evaluated together in exact numbers, at most."""
LISTS = 4
"""Lists that are kept: one for each way in which the fixed decisions decide which open ones live."""


@frozen
class Best:
    """What was found. designs: one, or the front where there are several objectives; empty where nothing is feasible.

    objectives: for each design the exact values of what is modelled, in base units. certified: nothing can be better.
    how: what was done, in words. bound: what the only objective is at no feasible design better than, where that is
    proved of one that is not certified.
    """

    designs: tuple[Design, ...]
    objectives: tuple[Values, ...]
    certified: bool
    evaluated: int
    how: str
    bound: Fraction | None = None


def conditions_of(space: Space) -> list[Expr]:
    """What has to hold of what is modelled, each conjunct by itself."""
    return [
        either(negate(r.guard), part)
        for r in space.requirements
        if is_modelled(r.value, r.guard)
        for part in (r.value.args if r.value.op == "and" else (r.value,))
    ]


def negated(value: Fraction | Enclosure) -> Fraction | Enclosure:
    return Enclosure(-value.high, -value.low, value.term) if isinstance(value, Enclosure) else -value


class Exhaustive:
    """Best values of the open decisions for many settings of the others.

    open_paths: what is open; None: every decision that a call leaves without a value. objectives: instead of those of
    the space that are modelled. Raises TooMany, when first asked, where more than `limit` open designs would be listed.
    """

    def __init__(
        self,
        space: Space,
        open_paths: Collection[str],
        objectives: Sequence[Objective] | None = None,
        limit: int = ROWS,
        looks: int = LOOKS,
    ) -> None:
        paths = frozenset(open_paths)
        unknown = paths - {d.path for d in space.decisions}
        if unknown:
            raise DesignError(min(unknown), "there is no such decision")
        self.space = space
        self.open = tuple(d for d in space.decisions if d.path in paths)
        self.closed = tuple(d for d in space.decisions if d.path not in paths)
        self.objectives = tuple(o for o in (objectives or space.objectives) if is_modelled(o.value))
        self.limit = limit
        self.looks = looks
        self._paths = paths
        self._by_path = {d.path: d for d in self.closed}
        self._goals = [o.value if o.sense == "minimize" else negative(o.value) for o in self.objectives]
        conditions = conditions_of(space)
        self._conditions = list(dict.fromkeys(c for c in conditions if c is not TRUE))
        self._own = [c for c in self._conditions if c.free <= paths and not solves(c)]
        self._fold = Fold(self.closed)
        self._lists: OrderedDict[object, tuple[RowBounds, tuple[Decision, ...]]] = OrderedDict()

    def best(self, fixed: Mapping[str, Value]) -> Best:
        """The best open values for the values of every other live decision.

        Raises DesignError where `fixed` has no value for one that is live, or a value that it can't take.
        """
        unknown = sorted(set(fixed) - set(self._by_path))
        if unknown:
            known = unknown[0] in self._paths
            raise DesignError(unknown[0], "it is an open decision" if known else "there is no such decision")
        indices = {path: index_of(self._by_path[path], value) for path, value in fixed.items()}
        conditions = settle(self._fold, self.closed, indices, self._paths)
        own = set(self._own)
        conditions += [self._fold(c) for c in self._conditions if c not in own]
        if FALSE in conditions:
            return self._none(0)
        listed = clock.attempt(self._list, lambda: None)
        if listed is None:
            return Best((), (), False, 0, f"not all designs were listed ({clock.reason()})")
        bounds, decisions = listed
        asked = list(dict.fromkeys(c for c in conditions if c is not TRUE))
        found = self._look(bounds, asked, [self._fold(g) for g in self._goals])
        if not found.rows:
            none = self._none(len(bounds.rows))
            why = f"not every design was looked at ({clock.reason()})" if clock.hit() else UNCLEAR
            return none if found.certified else evolve(none, certified=False, how=why)
        designs = tuple(self._design(fixed, decisions, bounds.rows[i]) for i in found.rows)
        values = tuple(
            tuple(v if o.sense == "minimize" else negated(v) for o, v in zip(self.objectives, each, strict=False))
            for each in found.values
        )
        how = "every design that meets the requirements which need no mapping"
        if not self.objectives:
            values, how = (
                tuple(() for _ in designs),
                "no objective is modelled: the first feasible design",
            )
        bound = found.bound
        if bound is not None and self.objectives[0].sense != "minimize":
            bound = -bound
        return Best(designs, values, found.certified, len(bounds.rows), how, bound)

    def _none(self, evaluated: int) -> Best:
        return Best((), (), True, evaluated, "no design meets every requirement with the fixed decisions")

    def _design(self, fixed: Design, decisions: Sequence[Decision], row: NDArray[numpy.int64]) -> Design:
        chosen = {d.path: d.values[int(i)] for d, i in zip(decisions, row, strict=True) if i >= 0}
        chosen |= fixed
        return {d.path: chosen[d.path] for d in self.space.decisions if d.path in chosen}

    def _list(self) -> tuple[RowBounds, tuple[Decision, ...]]:
        """The rows of the live open decisions that meet the conditions which read nothing else and solve nothing."""
        decisions = fold_decisions(self._fold, self.open)
        key = tuple((d.path, d.guard, d.allowed) for d in decisions)  # nodes: equal is identical
        if key in self._lists:
            self._lists.move_to_end(key)
            return self._lists[key]
        frame = Frame.of(evolve(self.space, decisions=decisions))
        clauses = frame.clauses([Requirement(c, TRUE, "", NOWHERE) for c in map(self._fold, self._own)])
        rows = frame.enumerate(range(len(decisions)), clauses, limit=self.limit)
        for c in clauses:
            if not c.scope:
                rows = rows[frame.holds(c, rows, list(range(len(decisions))))]
        self._lists[key] = RowBounds(frame, rows), decisions
        while len(self._lists) > LISTS:
            self._lists.popitem(last=False)
        return self._lists[key]

    # ---- looking

    def _look(self, bounds: RowBounds, asked: list[Expr], goals: list[Expr]) -> Found:
        n, k = len(bounds.rows), max(1, len(goals))
        low, high = numpy.full((n, k), numpy.nan), numpy.full((n, k), numpy.nan)

        def bound() -> bool:
            prepared = bounds.prepare([*asked, *goals])
            for block in bounds.blocks:
                may = numpy.ones(block.stop - block.start, dtype=bool)
                for truth in prepared(block, range(len(asked))):
                    may &= truth.low
                if not may.any() or not goals:
                    low[block] = high[block] = numpy.where(may, 0.0, numpy.nan)[:, None]
                    continue
                found = [*prepared(block, range(len(asked), len(asked) + len(goals)))]
                for j, pair in enumerate(found):
                    low[block, j] = numpy.where(may, pair.low, numpy.nan)
                    high[block, j] = numpy.where(may, pair.high, numpy.nan)

            return True

        whole = clock.attempt(bound, lambda: False)
        if not whole and numpy.isnan(low).all():  # some are looked at all the same
            low[: self.looks], high[: self.looks] = -numpy.inf, numpy.inf
        price, admit = _Asked(bounds, goals), _Asked(bounds, asked)
        know = lambda rows: price.know(rows) and admit.know(rows)  # noqa: E731
        if k == 1:
            found = find_least(low[:, 0], price.values, admit.holds, self.looks, know)
        else:
            found = find_front(low, high, price.values, admit.holds, self.looks, know)
        return found if whole else evolve(found, certified=False, bound=None)


class _Asked:
    """Expressions at single rows by the reference evaluator; rows that agree in what is read are asked once.

    Rows that agree in what one expression reads get the same object for it: two equal reals, each known between bounds
    only, could not be told to be equal.
    """

    def __init__(self, bounds: RowBounds, exprs: list[Expr]) -> None:
        self.frame, self.rows, self.exprs = bounds.frame, bounds.rows, exprs
        self.scope = self.frame.scope(*exprs)
        self._own = [list(self.frame.scope(e)) for e in exprs]
        self._nodes = sum(1 for _ in walk(exprs))
        self._rational = True
        self._known: dict[bytes, list[exact.Result]] = {}
        self._reals: dict[tuple[int, bytes], exact.Result] = {}

    def _ask(self, i: int) -> list[exact.Result]:
        row = self.rows[i, list(self.scope)]
        key = row.tobytes()
        if key not in self._known:
            found = exact.evaluate_all(self.exprs, self.frame.design(self.scope, row))
            self._known[key] = [self._real(i, k, v) if isinstance(v, Enclosure) else v for k, v in enumerate(found)]
        return self._known[key]

    def know(self, rows: Sequence[int]) -> bool:
        """Evaluate these rows together, where all is rational and no decision that is read is not live."""
        if not self.exprs:
            return True
        scope = list(self.scope)
        unique = numpy.unique(self.rows[rows][:, scope], axis=0)
        if not self._rational or (unique < 0).any() or len(unique) * self._nodes > CELLS:
            return False
        new = [row for row in unique if row.tobytes() not in self._known]
        decisions = [self.frame.decisions[v] for v in scope]
        at = {d.path: columns.column([d.values[int(row[k])] for row in new]) for k, d in enumerate(decisions)}
        try:
            found = columns.evaluate_short(self.exprs, at, len(new)) if new else []
        except NotExact:
            self._rational = False
            return False
        for row, results in zip(new, zip(*(c.tolist() for c in found), strict=True), strict=True):
            self._known[row.tobytes()] = [r if isinstance(r, bool) else Fraction(r) for r in results]
        return True

    def _real(self, i: int, k: int, value: exact.Result) -> exact.Result:
        return self._reals.setdefault((k, self.rows[i, self._own[k]].tobytes()), value)

    def values(self, i: int) -> Values | None:
        if not self.exprs:
            return (Fraction(0),)
        values = tuple(map(as_number, self._ask(i)))
        return None if None in values else values  # type: ignore[return-value]

    def holds(self, i: int) -> bool | None:
        found = self._ask(i)
        if all(f is True for f in found):
            return True
        return None if not any(f is not True and f is not UNKNOWN for f in found) else False


__all__ = ["ROWS", "Best", "Exhaustive", "TooMany", "conditions_of"]
