"""Which maps are taken together, and which are set before all others, so that the rest falls apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy
from attrs import frozen
from cospace.compiler.mappings.better import undominated
from cospace.compiler.mappings.closed import Closed
from cospace.compiler.mappings.listed import MOST
from cospace.compiler.mappings.structure import Group, Maker, Structure, Unsplit
from cospace.compiler.space.graph import FALSE, TRUE, Expr, const, walk
from cospace.compiler.space.substitute import Substitution

CASES = 1 << 10
"""Combinations of values of maps that are set first, at most."""


class NotApart(Exception):
    """Maps are joined in a way that bounds know nothing of."""


@frozen(eq=False)
class Case:
    """The problem where some maps are set. first: the positions of their values; columns: of each group the places of
    its maps among all."""

    first: dict[int, int]
    structure: Structure
    columns: tuple[tuple[int, ...], ...]


def cases(closed: Closed) -> list[Case]:
    """The problem in cases, each with a structure. Of values that others are as good as everywhere there are none.

    Raises NotApart, NotExact.
    """
    split = _Split(closed)
    while True:
        try:
            return list(split.made())
        except Unsplit as joined:
            split.join(joined)


class _Split:
    def __init__(self, closed: Closed) -> None:
        self.closed = closed
        self.size = {d.path: len(d.values) for d in closed.decisions}
        self.first: list[str] = []
        self.loose = False
        self.together: list[frozenset[str]] = []

    def made(self) -> Iterator[Case]:
        closed = self.closed
        at = {d.path: n for n, d in enumerate(closed.decisions)}
        known = {d.path: d for d in closed.decisions}
        kept = [undominated(closed.says[p], self.size[p]) for p in self.first]
        if math.prod(map(len, kept)) > CASES:
            raise NotApart
        paths = self._groups()
        for taken in itertools.product(*kept):
            put = Substitution(
                {p: const(known[p].values[k], known[p].type.unit) for p, k in zip(self.first, taken, strict=True)}
            )
            facts = [f for f in map(put, closed.facts) if f is not TRUE]
            if FALSE in facts:
                continue
            groups = [self._group(some, facts) for some in paths]
            if any(not len(g.rows) for g in groups):
                continue
            maker = Maker(groups, closed.listed, self.loose)
            structure = maker.finish(put(closed.goals[0]), [p for f in facts if (p := _compared(f)) is not None])
            first = {at[p]: k for p, k in zip(self.first, taken, strict=True)}
            yield Case(first, structure, tuple(tuple(at[p] for p in g.paths) for g in groups))

    def join(self, joined: Unsplit) -> None:
        """Takes maps together that a node joins; or sets first, before all others, one that some condition reads."""
        node = joined.node
        met = [g for g in self._groups() if node.free & set(g)]
        if math.prod(self.size[p] for g in met for p in g) <= MOST:
            self.together = [t for t in self.together if not t & node.free] + [frozenset(p for g in met for p in g)]
            return
        read = {p for n in walk([node]) if n.op == "if" for p in n.args[0].free} - set(self.first)
        if read:
            self.first.append(min(sorted(read), key=lambda p: len(undominated(self.closed.says[p], self.size[p]))))
            self.together = []
        elif not self.loose:
            self.loose = True
        else:
            raise NotApart

    def _groups(self) -> list[tuple[str, ...]]:
        order = [d.path for d in self.closed.decisions if d.path not in self.first]
        own = {p: next((t for t in self.together if p in t), frozenset([p])) for p in order}
        return list(dict.fromkeys(tuple(q for q in order if q in own[p]) for p in order))

    def _group(self, paths: Sequence[str], facts: Sequence[Expr]) -> Group:
        """The combinations of values of some maps that meet what is asked of these alone, in declared order."""
        listed = self.closed.listed
        rows = listed.rows(paths)
        for fact in facts:
            if fact.free <= set(paths):
                rows = rows[listed.column(fact).astype(numpy.bool_)[listed.places(fact, paths, rows)]]
        return Group(tuple(paths), rows)


def _compared(fact: Expr) -> tuple[Expr, Expr] | None:
    """What is at most what, where a fact says so."""
    if fact.op == "not" and fact.args[0].op in ("lt", "le"):
        return fact.args[0].args[1], fact.args[0].args[0]
    return (fact.args[0], fact.args[1]) if fact.op in ("lt", "le") else None


__all__ = ["Case", "NotApart", "cases"]
