"""Equal up to the names of decisions: a key for an expression, so that repeated parts of a model are evaluated once.

Two works of one kind in two layers are the same function of differently named decisions. `fingerprint` numbers the
paths in the order in which they are met; equal keys mean equal structure, with the i-th path of the one in place of
the i-th path of the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from cospace.compiler.space.graph import Expr, MapProblem, walk


class Interner:
    """Small integers for structures met so far; fingerprints made by one interner are comparable."""

    def __init__(self) -> None:
        self._ids: dict[Hashable, int] = {}

    def intern(self, key: Hashable) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def fingerprint(self, expr: Expr) -> tuple[int, tuple[str, ...]]:
        """The key of `expr`, and the decisions it reads in the order in which the key numbers them."""
        walker = _Walker(self)
        key = walker.number([expr])[0]
        return key, tuple(p for p in walker.paths if p in expr.free)


class _Walker:
    def __init__(self, interner: Interner) -> None:
        self.interner = interner
        self.paths: dict[str, int] = {}
        self.nodes: dict[int, int] = {}
        self.problems: dict[int, int] = {}

    def path(self, path: str) -> int:
        return self.paths.setdefault(path, len(self.paths))

    def number(self, roots: Iterable[Expr]) -> list[int]:
        roots = list(roots)
        for node in walk(roots):
            if id(node) not in self.nodes:
                key = (node.op, node.type, self.payload(node), tuple(self.nodes[id(a)] for a in node.args))
                self.nodes[id(node)] = self.interner.intern(key)
        return [self.nodes[id(r)] for r in roots]

    def payload(self, node: Expr) -> Hashable:
        if node.op == "var":
            return self.path(str(node.payload))
        if isinstance(node.payload, MapProblem):
            return self.problem(node.payload)
        if node.op in ("measure", "external"):
            return id(node)
        return (node.payload.__class__, node.payload)

    def problem(self, problem: MapProblem) -> int:
        if id(problem) not in self.problems:
            maps = tuple(
                (
                    self.path(m.path),
                    tuple((v.__class__, v) for v in m.values),
                    self.number([m.guard])[0],
                    None if m.allowed is None else tuple(self.number(m.allowed)),
                )
                for m in problem.maps
            )
            key = ("problem", maps, tuple(self.number(problem.requirements)), tuple(self.number(problem.goals)))
            self.problems[id(problem)] = self.interner.intern(key)
        return self.problems[id(problem)]


def paths_and_keys(exprs: Iterable[Expr], interner: Interner) -> tuple[list[str], tuple[int, ...]]:
    """Keys of several expressions that number their paths together, and these in order."""
    walker = _Walker(interner)
    keys = tuple(walker.number(list(exprs)))
    return list(walker.paths), keys
