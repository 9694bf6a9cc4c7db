"""An expression with some decisions fixed: what they settle is folded away, mapping problems included.

A `Fold` remembers what it folded by the values of the decisions that a node reads, so that folding the same space for
many networks costs only what differs. A fixed decision that is given no value (it is not live) stays a variable, which
is undefined wherever no guard protects it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve
from cospace.compiler import graph
from cospace.compiler.designs import DesignError
from cospace.compiler.graph import FALSE, TRUE, Expr, MapDecision, MapProblem, Value
from cospace.compiler.lookups import lookup
from cospace.compiler.model import Decision

MEMORY = 200_000
"""Nodes that are remembered at most."""

_BUILD: dict[str, Callable[..., Expr]] = {
    "add": graph.add, "mul": graph.mul, "div": graph.div, "pow": graph.power, "floor": graph.floor,
    "ceil": graph.ceil, "mod": graph.mod, "min": graph.minimum, "max": graph.maximum, "abs": graph.absolute,
    "sqrt": graph.sqrt, "log2": graph.log2, "log10": graph.log10, "log": graph.log, "exp": graph.exp,
    "cos": graph.cos, "eq": graph.eq, "lt": graph.lt, "le": graph.le, "and": graph.both, "or": graph.either,
    "not": graph.negate, "if": graph.branch,
}  # fmt: skip

Key = tuple[int, ...]


class Fold:
    """Folds expressions at values of some decisions of a space; `set` says at which."""

    def __init__(self, fixed: Iterable[Decision]) -> None:
        self._decisions = {d.path: d for d in fixed}
        self._at: dict[str, int] = {}
        self._memo: dict[Key, Expr] = {}
        self._problems: dict[Key, MapProblem] = {}
        self._reads: dict[int, tuple[object, tuple[str, ...]]] = {}

    def set(self, indices: Mapping[str, int]) -> None:
        """Fix each decision at an index into its values; those without one are not live."""
        self._at = dict(indices)
        if len(self._memo) > MEMORY:
            self._memo.clear()
            self._problems.clear()

    def __call__(self, root: Expr) -> Expr:
        stack = [root]
        while stack:
            node = stack[-1]
            if self._known(node) is not None:
                stack.pop()
                continue
            made = self._build(node)
            if isinstance(made, Expr):
                self._memo[self._key(node)] = made
                stack.pop()
            else:
                stack.extend(made)
        found = self._known(root)
        assert found is not None
        return found

    def _paths(self, of: Expr | MapProblem) -> tuple[str, ...]:
        """The fixed decisions that are read, in a fixed order."""
        known = self._reads.get(id(of))
        if known is None:
            read = of.expressions() if isinstance(of, MapProblem) else (of,)
            free = frozenset().union(*(e.free for e in read))
            known = self._reads[id(of)] = (of, tuple(sorted(p for p in free if p in self._decisions)))
        return known[1]

    def _key(self, of: Expr | MapProblem) -> Key:
        return (id(of), *(self._at.get(p, -1) for p in self._paths(of)))

    def _known(self, node: Expr) -> Expr | None:
        return self._memo.get(self._key(node)) if self._paths(node) else node

    def _build(self, node: Expr) -> Expr | list[Expr]:
        """The folded node, or what has to be folded before."""
        op = node.op
        if op == "var":
            index = self._at.get(str(node.payload), -1)
            return node if index < 0 else self._constant(self._decisions[str(node.payload)].values[index], node)
        if op in ("solve", "solvable"):
            return self._solve(node)
        if op == "if":
            condition = self._known(node.args[0])
            if condition is None:
                return [node.args[0]]
            if condition.is_const:
                taken = node.args[1] if condition.value is True else node.args[2]
                return self._known(taken) or [taken]
        args: list[Expr] = []
        for a in node.args:
            folded = self._known(a)
            if folded is None:
                return [a] if op in ("and", "or") else [b for b in node.args if self._known(b) is None]
            args.append(folded)
            if op in ("and", "or") and folded.is_const and folded.value is (op == "or"):
                break
        if op == "lookup":
            return lookup(node.payload, args, node.type, node.span)  # type: ignore[arg-type]
        return _BUILD[op](*args, span=node.span)

    @staticmethod
    def _constant(value: Value, node: Expr) -> Expr:
        return graph.const(value, node.type.unit, node.span)

    def _solve(self, node: Expr) -> Expr | list[Expr]:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        missing = [e for e in (*problem.expressions(), *node.args) if self._known(e) is None]
        if missing:
            return missing
        folded = self._problem(problem)
        if node.op == "solvable":
            return graph.solvable(folded, span=node.span)
        return graph.solve(folded, self._sure(node.args[0]), span=node.span)

    def _problem(self, problem: MapProblem) -> MapProblem:
        """One folded problem for all that is read at its mapping."""
        if not self._paths(problem):
            return problem
        key = self._key(problem)
        found = self._problems.get(key)
        if found is None:
            maps = tuple(
                MapDecision(
                    m.path, m.values, m.type, self._sure(m.guard),
                    None if m.allowed is None else tuple(map(self._sure, m.allowed)), m.unit,
                )
                for m in problem.maps
            )  # fmt: skip
            requirements = tuple(r for r in map(self._sure, problem.requirements) if r is not TRUE)
            goals = tuple(map(self._sure, problem.goals))
            found = self._problems[key] = MapProblem(problem.path, maps, requirements, goals, problem.span)
        return found

    def _sure(self, node: Expr) -> Expr:
        found = self._known(node)
        assert found is not None
        return found


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
