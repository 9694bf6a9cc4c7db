"""An expression with some decisions fixed: what they settle is folded away, mapping problems included.

A `Fold` remembers what it folded by the values of the decisions that a node reads, so that folding the same space for
many networks costs only what differs. A fixed decision that is given no value (it is not live) stays a variable, which
is undefined wherever no guard protects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve
from cospace.compiler.space import graph
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapProblem
from cospace.compiler.space.model import Decision
from cospace.compiler.space.substitute import Rewrite

MEMORY = 200_000
"""Nodes that are remembered at most."""


class Fold(Rewrite):
    """Folds expressions at values of some decisions of a space; `set` says at which."""

    def __init__(self, fixed: Iterable[Decision]) -> None:
        super().__init__()
        self._decisions = {d.path: d for d in fixed}
        self._at: dict[str, int] = {}
        self._reads: dict[int, tuple[object, tuple[str, ...]]] = {}

    def set(self, indices: Mapping[str, int]) -> None:
        """Fix each decision at an index into its values; those without one are not live."""
        self._at = dict(indices)
        if len(self._memo) > MEMORY:
            self.forget()

    def touches(self, node: Expr) -> bool:
        return bool(self._paths(node))

    def key(self, of: Expr | MapProblem) -> tuple[int, ...]:
        return (id(of), *(self._at.get(p, -1) for p in self._paths(of)))

    def leaf(self, node: Expr) -> Expr | None:
        if node.op != "var":
            return None
        index = self._at.get(str(node.payload), -1)
        if index < 0:
            return node
        return graph.const(self._decisions[str(node.payload)].values[index], node.type.unit)

    def _paths(self, of: Expr | MapProblem) -> tuple[str, ...]:
        """The fixed decisions that are read, in a fixed order."""
        known = self._reads.get(id(of))
        if known is None:
            read = of.expressions() if isinstance(of, MapProblem) else (of,)
            free = frozenset().union(*(e.free for e in read))
            known = self._reads[id(of)] = (of, tuple(sorted(p for p in free if p in self._decisions)))
        return known[1]


def fold_decisions(fold: Fold, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """The decisions that may still be live, with what is known folded into their guards and domains."""
    found = []
    for d in decisions:
        guard = fold(d.guard)
        if guard is FALSE:
            continue
        allowed = None if d.allowed is None else tuple(map(fold, d.allowed))
        if allowed is not None and all(a is TRUE for a in allowed):
            allowed = None
        same = guard is d.guard and (allowed is d.allowed or allowed == d.allowed)
        found.append(d if same else evolve(d, guard=guard, allowed=allowed))
    return tuple(found)


def settle(
    fold: Fold, closed: Sequence[Decision], indices: Mapping[str, int], open_paths: frozenset[str]
) -> list[Expr]:
    """Fix the closed decisions; what has to hold of the open ones so that exactly those with an index are live.

    Raises DesignError at a decision that is live whatever is open, and has no index.
    """
    fold.set(indices)
    conditions = []
    for d in closed:
        guard = fold(d.guard)
        if d.path in indices:
            conditions.append(guard)
            if d.allowed is not None:
                conditions.append(fold(d.allowed[indices[d.path]]))
        elif guard is TRUE:
            raise DesignError(d.path, "it is live in this design and needs a value")
        elif guard is not FALSE and guard.free & open_paths:
            conditions.append(graph.negate(guard))
    return [c for c in conditions if c is not TRUE]
