"""Values put in for the same variables of the same expressions, again and again: what to rebuild is laid out once.

As `Substitution`, which walks the graph anew for each assignment; here it is walked when the expressions are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, walk
from cospace.compiler.space.lookups import lookup
from cospace.compiler.space.substitute import BUILD, Substitution

_WHOLE = {"solve", "solvable", "measure", "external"}
"""What has expressions of its own beside its arguments."""

Step = tuple[Expr, Callable[..., Expr] | None, tuple[int, ...]]
"""A node, what makes a new one of it, and where its arguments stand."""


class Straight:
    """Expressions that `paths` are put into. refuse: which of the nodes made are none: such a one is None, and what
    is made with it, unless a condition leaves it out. whole: what puts values in where problems of maps are read."""

    def __init__(
        self,
        roots: Sequence[Expr],
        paths: frozenset[str],
        refuse: Callable[[Expr], bool],
        whole: Callable[[Mapping[str, Expr]], Substitution],
    ) -> None:
        self._refuse, self._whole = refuse, whole
        self._start: list[Expr | None] = []
        self._steps: list[Step] = []
        self._variables: list[str] = []
        places: dict[int, int] = {}
        for node in walk(roots):
            if node.op == "var" and node.payload in paths:
                places[id(node)] = len(self._variables)
                self._variables.append(str(node.payload))
        changing: list[Expr] = []
        for node in walk(roots):
            if id(node) in places:
                continue
            if node.free.isdisjoint(paths):
                places[id(node)] = len(self._variables) + len(self._start)
                self._start.append(node)
            else:
                changing.append(node)
        for node in changing:
            places[id(node)] = len(self._variables) + len(self._start) + len(self._steps)
            self._steps.append((node, BUILD.get(node.op), tuple([places[id(a)] for a in node.args])))
        self._roots = tuple([places[id(r)] for r in roots])

    def __call__(self, values: Mapping[str, Expr]) -> list[Expr | None]:
        """The expressions with these values."""
        refuse = self._refuse
        made: list[Expr | None] = [values[path] for path in self._variables]
        made += self._start
        whole: Substitution | None = None
        for node, build, places in self._steps:
            args = [made[at] for at in places]
            new: Expr | None
            if None in args:
                new = _without(node.op, args)
            elif node.op in _WHOLE:
                whole = whole or self._whole(values)
                new = whole(node)
            elif build is None:
                new = lookup(node.payload, args, node.type, node.span)  # type: ignore[arg-type]
            else:
                new = build(*args, span=node.span)
            made.append(None if new is None or refuse(new) else new)
        return [made[at] for at in self._roots]


def _without(op: str, args: Sequence[Expr | None]) -> Expr | None:
    """A node of which some arguments are none: what is never asked for need not be there."""
    if op == "if" and args[0] is not None and args[0].is_const:
        return args[1] if args[0].value is True else args[2]
    if op in ("and", "or"):
        known: list[Expr] = []
        for a in args:
            if a is None:
                return None
            known.append(a)
            if a.is_const and a.value is (op == "or"):
                return (graph.both if op == "and" else graph.either)(*known)
    return None
