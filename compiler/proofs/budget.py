"""What each value of a decision adds to a sum that is bounded, so that a design above the bound can be brought below.

It proves nothing: terms that several decisions share are left as they are, and what is proposed has to be checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cospace.compiler.exact.exact import Enclosure, Evaluation, Result, evaluate
from cospace.compiler.proofs.terms import terms_of
from cospace.compiler.space.asked import solves
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Decision

Costs = dict[int, tuple[Fraction | None, ...]]
"""For a decision, by position, what each of its values adds; None where that has no value."""


class Budget:
    """An inequality `a <= b` whose sides are sums over many decisions."""

    def __init__(self, inequality: Expr, places: Mapping[str, int], decisions: tuple[Decision, ...]) -> None:
        self.inequality = inequality
        self.costs: Costs = {}
        for node, factor in terms_of(inequality).values():
            if len(node.free) == 1 and factor:
                (path,) = node.free
                v = places.get(path)
                if v is None or decisions[v].allowed is not None:
                    continue
                own = tuple(_scaled(evaluate(node, {path: value}), factor) for value in decisions[v].values)
                known = self.costs.get(v, (Fraction(0),) * len(own))
                self.costs[v] = tuple(
                    None if a is None or b is None else a + b for a, b in zip(known, own, strict=True)
                )

    def excess(self, at: Evaluation) -> Fraction | None:
        """How much a design is above the bound."""
        a, b = (_scaled(at(e), Fraction(1)) for e in self.inequality.args)
        return None if a is None or b is None else a - b

    def cheaper(self, taken: Mapping[int, int], excess: Fraction, spared: frozenset[int]) -> dict[int, int] | None:
        """Other values for as few decisions as will do, what is `spared` last. None where all together don't.

        taken: decision -> the index of its value, of those that may change.
        """
        savings = []
        for v, k in taken.items():
            costs = self.costs.get(v)
            if costs is not None and costs[k] is not None:
                least = min((c, j) for j, c in enumerate(costs) if c is not None)
                savings.append((costs[k] - least[0], v, least[1]))  # type: ignore[operator]
        changes: dict[int, int] = {}
        for saved, v, k in sorted(savings, key=lambda s: (s[1] in spared, -s[0], s[1])):
            if excess < 0 or (excess == 0 and self.inequality.op == "le"):
                break
            if saved > 0:
                changes[v] = k
                excess -= saved
        met = excess < 0 or (excess == 0 and self.inequality.op == "le")
        return changes if met and changes else None


def budgets(condition: Expr) -> list[Expr]:
    """The inequalities without mappings in a requirement, guarded or in a conjunction, of two decisions at least."""
    parts = condition.args if condition.op in ("and", "or") else (condition,)
    sums = [p for p in parts if p.op in ("le", "lt") and len(p.free) > 1]
    return [p for p in sums if not solves(p)]


def _scaled(result: Result, factor: Fraction) -> Fraction | None:
    if isinstance(result, Enclosure):
        result = result.middle
    return result * factor if isinstance(result, Fraction) else None
