"""Graph to graph: variables replaced by expressions, in problems of maps too, what that settles folded away.

A work's maps are solved anew for each value put in: its problem becomes another one, the same object wherever the same
values are put in, so that all that is read at its mapping is still solved once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from itertools import count

from attrs import evolve
from cospace.compiler.space import graph
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision, MapProblem, walk
from cospace.compiler.space.lookups import lookup

BUILD: dict[str, Callable[..., Expr]] = {
    "add": graph.add, "mul": graph.mul, "div": graph.div, "pow": graph.power, "floor": graph.floor,
    "ceil": graph.ceil, "mod": graph.mod, "min": graph.minimum, "max": graph.maximum, "abs": graph.absolute,
    "sqrt": graph.sqrt, "log2": graph.log2, "log10": graph.log10, "log": graph.log, "exp": graph.exp,
    "cos": graph.cos, "eq": graph.eq, "lt": graph.lt, "le": graph.le, "and": graph.both, "or": graph.either,
    "not": graph.negate, "if": graph.branch,
}  # fmt: skip

Rename = Callable[[Expr], Expr]


class ProblemTable:
    """Problems by what they say, whatever their maps are called: works of one shape share one, solved once for all.

    No two different problems have maps of one path, so that backends may tell maps by it.
    """

    def __init__(self) -> None:
        self._known: dict[object, MapProblem] = {}
        self._says: dict[MapProblem, object] = {}
        self._used: set[str] = set()
        self._many: dict[str, int] = {}
        self._neutral: dict[object, Substitution] = {}

    def says(self, problem: MapProblem) -> object:
        """What a problem of this table says, whatever its maps are called."""
        return self._says.get(problem)

    def adopt(self, problem: MapProblem, says: object) -> bool:
        """Take in a problem of another table, with its maps' paths; False where one is taken, or another says that."""
        if not problem.maps:
            return True
        if says not in self._known and self._used.isdisjoint(m.path for m in problem.maps):
            self._put(problem, says)
        return self._known.get(says) is problem

    def _put(self, problem: MapProblem, says: object) -> None:
        self._known[says] = problem
        self._says[problem] = says
        self._used.update(m.path for m in problem.maps)

    def share(self, problem: MapProblem, says: object = None) -> tuple[MapProblem, Rename]:
        """The problem that stands for this one, and what its maps are called there, for quantities read at them.

        says: what it says, whatever its maps are called, where that is known at less cost than by calling them anew.
        """
        if not problem.maps:
            return problem, lambda e: e
        same = self._neutrally(problem) if says is None else says
        found = self._known.get(same)
        if found is None:
            found = self._named(problem)
            self._put(found, same)
        if found is problem:
            return found, lambda e: e
        names = {m.path: graph.var(f.path, f.type) for m, f in zip(problem.maps, found.maps, strict=True)}
        return found, Substitution(names)

    def _neutrally(self, problem: MapProblem) -> object:
        """A problem with maps of other names."""
        named = tuple((m.path, m.type) for m in problem.maps)
        if named not in self._neutral:  # one for all cases of a problem, which have much in common
            neutral = {path: graph.var(f"map {n}", type) for n, (path, type) in enumerate(named)}
            self._neutral[named] = Substitution(neutral)
        put = self._neutral[named]
        return (
            tuple(
                (m.values, m.type, m.unit, put(m.guard), m.allowed and tuple(map(put, m.allowed))) for m in problem.maps
            ),
            tuple(map(put, problem.requirements)), tuple(map(put, problem.goals)),
        )  # fmt: skip

    def _named(self, problem: MapProblem) -> MapProblem:
        """A problem whose maps have paths of their own: `tile`, then `tile~2`, …"""
        names: dict[str, str] = {}
        for m in problem.maps:
            stem = m.path.split("~")[0]
            paths = (stem if n == 1 else f"{stem}~{n}" for n in count(self._many.get(stem, 0) + 1))
            names[m.path] = next(p for p in paths if p not in self._used and p not in names.values())
            self._many[stem] = self._many.get(stem, 0) + 1
        if all(old == new for old, new in names.items()):
            return problem
        put = Substitution({m.path: graph.var(names[m.path], m.type) for m in problem.maps})
        maps = tuple(
            evolve(m, path=names[m.path], guard=put(m.guard), allowed=m.allowed and tuple(map(put, m.allowed)))
            for m in problem.maps
        )
        return evolve(
            problem, maps=maps, requirements=tuple(map(put, problem.requirements)), goals=tuple(map(put, problem.goals))
        )


class Rewrite:
    """Rebuilds expressions bottom up, each node once for a key. Subclasses say what changes and what leaves become."""

    def __init__(self, problems: ProblemTable | None = None) -> None:
        self._memo: dict[Hashable, Expr] = {}
        self._solved: dict[Hashable, tuple[MapProblem, Rename]] = {}
        self._alive: dict[int, object] = {}  # what is remembered by `id` must not go away
        self._problems = problems

    def touches(self, node: Expr) -> bool:
        """Whether anything below changes; what is not touched stays the object it is."""
        raise NotImplementedError

    def leaf(self, node: Expr) -> Expr | None:
        """What a node becomes, where that doesn't follow from its arguments."""
        raise NotImplementedError

    def key(self, of: Expr | MapProblem) -> Hashable:
        """What decides how a node or problem is rebuilt."""
        return id(of)

    def forget(self) -> None:
        """Give back what is remembered."""
        self._memo.clear()
        self._solved.clear()

    def __call__(self, root: Expr) -> Expr:
        known = self._known(root)
        if known is not None:
            return known
        self._alive[id(root)] = root
        stack = [root]
        while stack:
            node = stack[-1]
            if self._known(node) is not None:
                stack.pop()
                continue
            made = self._build(node)
            if isinstance(made, Expr):
                self._memo[self.key(node)] = made
                stack.pop()
            else:
                stack.extend(made)
        return self._sure(root)

    def _known(self, node: Expr) -> Expr | None:
        return self._memo.get(self.key(node)) if self.touches(node) else node

    def _sure(self, node: Expr) -> Expr:
        found = self._known(node)
        assert found is not None
        return found

    def _build(self, node: Expr) -> Expr | list[Expr]:
        """The new node, or what has to be rebuilt before it."""
        made = self.leaf(node)
        if made is not None:
            return made
        if node.op in ("solve", "solvable"):
            return self._solve(node)
        if node.op == "if":
            condition = self._known(node.args[0])
            if condition is None:
                return [node.args[0]]
            if condition.is_const:
                taken = node.args[1] if condition.value is True else node.args[2]
                return self._known(taken) or [taken]
        args: list[Expr] = []
        for a in node.args:
            new = self._known(a)
            if new is None:
                return [a] if node.op in ("and", "or") else [b for b in node.args if self._known(b) is None]
            args.append(new)
            if node.op in ("and", "or") and new.is_const and new.value is (node.op == "or"):
                break
        if not args:
            return node
        if node.op == "lookup":
            return lookup(node.payload, args, node.type, node.span)  # type: ignore[arg-type]
        return BUILD[node.op](*args, span=node.span)

    def _solve(self, node: Expr) -> Expr | list[Expr]:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        inside = () if self.key(problem) in self._solved else problem.expressions()
        missing = [e for e in (*inside, *node.args) if self._known(e) is None]
        if missing:
            return missing
        new, rename = self._problem(problem)
        if node.op == "solvable":
            return graph.solvable(new, span=node.span)
        return graph.solve(new, rename(self._sure(node.args[0])), span=node.span)

    def problem(self, problem: MapProblem) -> MapProblem:
        """A problem rebuilt, with all its expressions."""
        if self.key(problem) not in self._solved:
            self._alive[id(problem)] = problem
            for e in problem.expressions():
                self(e)
        return self._problem(problem)[0]

    def _problem(self, problem: MapProblem) -> tuple[MapProblem, Rename]:
        key = self.key(problem)
        found = self._solved.get(key)
        if found is None:
            new = self._rebuilt(problem)
            shared = self._problems is not None and new is not problem
            found = self._problems.share(new) if shared and self._problems else (new, lambda e: e)
            self._solved[key] = found
        return found

    def _rebuilt(self, problem: MapProblem) -> MapProblem:
        if not any(self.touches(e) for e in problem.expressions()):
            return problem
        maps = tuple(self._map(m) for m in problem.maps)
        made = list(map(self._sure, problem.requirements))
        return evolve(
            problem,
            maps=maps,
            requirements=tuple(r for r in made if r is not TRUE),
            goals=tuple(map(self._sure, problem.goals)),
            asked=tuple(a for a, r in zip(problem.asked, made, strict=False) if r is not TRUE),
        )

    def _map(self, m: MapDecision) -> MapDecision:
        """A map with the values that are surely not allowed left out."""
        guard = self._sure(m.guard)
        if m.allowed is None:
            return evolve(m, guard=guard)
        kept = [(v, a) for v, a in zip(m.values, map(self._sure, m.allowed), strict=True) if a is not FALSE]
        if not kept:
            return evolve(m, guard=guard, allowed=tuple(FALSE for _ in m.values))
        allowed = None if all(a is TRUE for _, a in kept) else tuple(a for _, a in kept)
        return evolve(m, guard=guard, values=tuple(v for v, _ in kept), allowed=allowed)


class Substitution(Rewrite):
    """Paths of variables to expressions. marked: those of them that measures and losses are taken at, too.

    unmarked: the same without marks, which does all in which nothing is measured, so that it is done once.
    """

    def __init__(
        self,
        values: Mapping[str, Expr],
        marked: frozenset[str] = frozenset(),
        problems: ProblemTable | None = None,
        unmarked: Substitution | None = None,
    ) -> None:
        super().__init__(problems)
        self._unmarked = unmarked
        self._values = dict(values)
        self._paths = frozenset(values)
        self._marked = tuple((p, v) for p, v in values.items() if p in marked)
        self._touched: dict[int, bool] = {}

    def __call__(self, root: Expr) -> Expr:
        if self._unmarked is not None and root.opaque.isdisjoint(_RUNS):
            return self._unmarked(root)
        return super().__call__(root)

    def _known(self, node: Expr) -> Expr | None:
        found = self._memo.get(id(node))
        if found is None and not self.touches(node):
            found = self._memo[id(node)] = node
        return found

    def touches(self, node: Expr) -> bool:
        found = self._touched.get(id(node))
        if found is None:
            found = not node.free.isdisjoint(self._paths)
            if not found and self._marked:
                found = not node.opaque.isdisjoint(_RUNS)
            self._touched[id(node)] = found
            self._alive[id(node)] = node
        return found

    def leaf(self, node: Expr) -> Expr | None:
        if node.op == "var":
            return self._values[str(node.payload)]
        if not _runs(node):
            return None
        value: External = node.payload  # type: ignore[assignment]
        taken = tuple((f"at {path}", e) for path, e in self._marked)
        kept = tuple(a for a in value.arguments if a[0] not in dict(taken))
        return external(evolve(value, arguments=kept + taken), span=node.span)


_RUNS = frozenset({"measure", "loss"})


def _runs(node: Expr) -> bool:
    """Whether only running tells a node's value, so that it depends on what is bound then."""
    return node.op == "measure" or (node.op == "external" and node.type.kind == "loss")


class Substituter:
    """Substitutions by what they put in, one for each assignment, with one table of problems for all."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Substitution] = {}
        self.problems = ProblemTable()

    def at(self, values: Mapping[str, Expr], marked: frozenset[str] = frozenset()) -> Substitution:
        """The substitution of `values`: path -> expression."""
        key = (tuple(sorted((p, id(v)) for p, v in values.items())), marked & frozenset(values))
        if key not in self._known:
            unmarked = self.at(values) if key[1] else None
            self._known[key] = Substitution(values, marked, self.problems, unmarked)
        return self._known[key]


class Replacement(Rewrite):
    """One node replaced by another wherever it stands; only below nodes that read the variable `through`."""

    def __init__(self, old: Expr, new: Expr, through: str) -> None:
        super().__init__()
        self._old, self._new, self._through = old, new, through

    def touches(self, node: Expr) -> bool:
        return self._through in node.free

    def leaf(self, node: Expr) -> Expr | None:
        if node is self._old:
            return self._new
        return node if node.op == "var" or not node.args else None


class _Marked(Rewrite):
    """A rewrite of what lies above some nodes: which, is asked of each node once."""

    def __init__(self) -> None:
        super().__init__()
        self._above: dict[int, bool] = {}

    def marks(self, node: Expr) -> bool:
        raise NotImplementedError

    def touches(self, node: Expr) -> bool:
        if id(node) not in self._above:
            self._alive[id(node)] = node
            for n in walk([node]):
                self._above[id(n)] = self.marks(n) or any(self._above[id(a)] for a in n.args)
        return self._above[id(node)]


class Sharing(_Marked):
    """Problems of maps that say the same become one, through all that was shared by one table."""

    def __init__(self, problems: ProblemTable) -> None:
        super().__init__()
        self._table = problems

    def marks(self, node: Expr) -> bool:
        return node.op in ("solve", "solvable")

    def leaf(self, node: Expr) -> Expr | None:
        return None

    def _problem(self, problem: MapProblem) -> tuple[MapProblem, Rename]:
        if id(problem) not in self._solved:
            self._alive[id(problem)] = problem
            self._solved[id(problem)] = self._table.share(problem)
        return self._solved[id(problem)]


class _Nodes(_Marked):
    """Some nodes replaced by others, outside problems of maps."""

    def __init__(self, new: Mapping[int, Expr]) -> None:
        super().__init__()
        self._new = new

    def marks(self, node: Expr) -> bool:
        return id(node) in self._new

    def leaf(self, node: Expr) -> Expr | None:
        return self._new.get(id(node))


def rebuild(expr: Expr, new: Mapping[int, Expr]) -> Expr:
    """An expression with the nodes of these ids replaced, wherever they stand."""
    return _Nodes(new)(expr)


__all__ = ["Replacement", "Rewrite", "Sharing", "Substituter", "Substitution", "rebuild"]
