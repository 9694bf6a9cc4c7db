"""What a bound on a mapping problem is made of: products, sums and greatest values over what few maps say.

Maps fall into groups; what reads one group is a leaf, listed for all values of the group. What joins groups is a
product with constant powers, a sum of positive terms (less a constant), a greatest value, or something rounded up. A
node stands for no more than its expression: what can't be said so is left out of a sum, or stands at the least it can
be. Where maps are joined by anything else (`Unsplit`) they become one group, or are set before all others (`groups`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy
from attrs import field, frozen, mutable
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.listed import Floats, Ints, Listed, logarithm
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr

CLEAR = Fraction(1001, 1000)
"""By how much what a constant is taken from is larger than it, so that rounding is of no account."""


class Unsplit(Exception):
    """Groups are joined by what no node can say: the expression."""

    def __init__(self, node: Expr) -> None:
        super().__init__(node.op)
        self.node = node


@frozen(eq=False)
class Group:
    """Maps that are taken together. rows: combinations of their values, by position, in declared order."""

    paths: tuple[str, ...]
    rows: Ints


@frozen
class Node:
    """kind: leaf, product, sum, most or ceil. group, column: of a leaf. constant: the logarithm of a factor, or of a
    term; less: what a sum is less. powers: of the arguments of a product."""

    kind: str
    args: tuple[int, ...] = ()
    powers: tuple[float, ...] = ()
    constant: float = 0.0
    less: float = 0.0
    group: int = -1
    column: int = -1


@mutable(eq=False)
class Structure:
    """Nodes, arguments before users; the goal, and nodes that are at most 1 in what is allowed.

    tables: for each group the logarithms of its leaves, (rows, leaves).
    """

    groups: list[Group]
    nodes: list[Node] = field(factory=list)
    goal: int = -1
    limits: list[int] = field(factory=list)
    tables: list[Floats] = field(factory=list)


class Maker:
    """Makes the structure of one problem over groups."""

    def __init__(self, groups: Sequence[Group], listed: Listed, loose: bool = False) -> None:
        self.loose = loose
        self.structure = Structure(list(groups))
        self._group_of = {path: n for n, g in enumerate(groups) for path in g.paths}
        self._listed = listed
        self._made: dict[int, int] = {}
        self._alive: list[Expr] = []
        self._leaves: list[list[Expr]] = [[] for _ in groups]
        self._at: dict[int, tuple[int, int]] = {}

    def finish(self, goal: Expr, limits: Sequence[tuple[Expr, Expr]]) -> Structure:
        """The structure of a goal and of pairs of which the first is at most the second. Raises Unsplit, NotExact."""
        s = self.structure
        s.goal = self.of(goal)
        for low, high in limits:
            try:
                s.limits.append(self._product([(low, 1), (high, -1)], graph.le(low, high)))
            except NotExact:
                continue  # a requirement that bounds don't use is met by what is looked at all the same
            except Unsplit:
                if not self.loose:
                    raise
        for g, leaves in zip(s.groups, self._leaves, strict=True):
            s.tables.append(self._table(leaves, g))
        return s

    def groups_of(self, e: Expr) -> frozenset[int]:
        return frozenset(self._group_of[p] for p in e.free)

    def of(self, e: Expr) -> int:
        found = self._made.get(id(e))
        if found is None:
            self._alive.append(e)
            try:
                found = self._node(e)
            except Unsplit:
                if not self.loose:
                    raise
                found = self._least(e)
            self._made[id(e)] = found
        return found

    def _node(self, e: Expr) -> int:
        groups = self.groups_of(e)
        if not groups:
            if not e.is_const or e.number <= 0:
                raise NotExact("a goal that is not positive")
            return self._put(Node("product", constant=logarithm(e.number)))
        if len(groups) == 1:
            return self._leaf(e)
        if e.op == "mul":
            return self._product([(a, 1) for a in e.args], e)
        if e.op == "div":
            return self._product([(e.args[0], 1), (e.args[1], -1)], e)
        if e.op == "add":
            return self._sum(e)
        if e.op == "max":
            return self._put(Node("most", tuple(self.of(a) for a in e.args)))
        if e.op == "ceil":
            return self._put(Node("ceil", (self.of(e.args[0]),)))
        raise Unsplit(e)

    def _least(self, e: Expr) -> int:
        """A node for the least that an expression can be."""
        low = self._listed.ends(e)[0]
        if not 0 < low < math.inf:
            raise NotExact("nothing is known of it")
        return self._put(Node("product", constant=logarithm(Fraction(low))))

    def _table(self, leaves: Sequence[Expr], group: Group) -> Floats:
        listed = self._listed
        table = numpy.empty((len(group.rows), len(leaves)))
        for k, e in enumerate(leaves):
            table[:, k] = listed.logs(e)[listed.places(e, group.paths, group.rows)]
        if not numpy.isfinite(table).all():
            raise NotExact("a part that is not positive")
        return table

    def _put(self, node: Node) -> int:
        self.structure.nodes.append(node)
        return len(self.structure.nodes) - 1

    def _leaf(self, e: Expr) -> int:
        (group,) = self.groups_of(e)
        if id(e) not in self._at:
            self._at[id(e)] = group, len(self._leaves[group])
            self._leaves[group].append(e)
        group, column = self._at[id(e)]
        return self._put(Node("leaf", group=group, column=column))

    def _product(self, factors: Sequence[tuple[Expr, int]], whole: Expr) -> int:
        """Factors of one group become one leaf; what is divided by is known as it is, not by a bound."""
        constant = 0.0
        local: dict[int, list[Expr]] = {}
        args: list[int] = []
        powers: list[float] = []
        pending = list(factors)
        while pending:
            e, power = pending.pop(0)
            groups = self.groups_of(e)
            if e.is_const:
                if e.number <= 0:
                    raise NotExact("a factor that is not positive")
                constant += power * logarithm(e.number)
            elif len(groups) == 1:
                (g,) = groups
                local.setdefault(g, []).append(e if power > 0 else graph.div(graph.const(1), e))
            elif e.op == "mul":
                pending += [(a, power) for a in e.args]
            elif e.op == "div":
                pending += [(e.args[0], power), (e.args[1], -power)]
            elif power > 0:
                args.append(self.of(e))
                powers.append(1.0)
            else:
                raise Unsplit(whole)
        for parts in local.values():
            args.append(self.of(graph.mul(*parts)))
            powers.append(1.0)
        return self._put(Node("product", tuple(args), tuple(powers), constant))

    def _sum(self, e: Expr) -> int:
        terms, constant = _linear(e)
        local: dict[int, list[Expr]] = {}
        args: list[int] = []
        lows: list[Fraction | float] = []
        for factor, part in terms:
            groups = self.groups_of(part)
            if len(groups) == 1:
                (g,) = groups
                local.setdefault(g, []).append(graph.mul(graph.const(factor), part))
            elif factor < 0:
                raise Unsplit(e)
            else:
                args.append(self._product([(graph.const(factor), 1), (part, 1)], part))
                lows.append(factor * self._listed.ends(part)[0])
        for parts in local.values():
            whole = graph.add(*parts)
            low = self._listed.ends(whole)[0]
            if low < 0:
                raise Unsplit(e)
            if low > 0:
                args.append(self.of(whole))
                lows.append(low)
        if constant > 0:
            args.append(self._put(Node("product", constant=logarithm(constant))))
        if not args:
            raise NotExact("a sum of nothing that is surely there")
        if constant < 0 and sum(low for low in lows if low > 0) < -constant * CLEAR:
            raise NotExact("a sum that may be nothing")
        return self._put(Node("sum", tuple(args), less=float(-constant) if constant < 0 else 0.0))


def _linear(e: Expr) -> tuple[list[tuple[Fraction, Expr]], Fraction]:
    """A sum as factors of parts, and a constant: sums that are multiplied by a constant are multiplied out."""
    found: dict[int, tuple[Fraction, Expr]] = {}
    constant = Fraction(0)
    pending = [(Fraction(1), e)]
    while pending:
        factor, part = pending.pop()
        if part.is_const:
            constant += factor * part.number
        elif part.op == "add":
            pending += [(factor, a) for a in reversed(part.args)]
        elif part.op == "mul" and part.args[0].is_const:
            rest = part.args[1:]
            pending.append((factor * part.args[0].number, rest[0] if len(rest) == 1 else graph.mul(*rest)))
        else:
            before = found.get(id(part), (Fraction(0), part))[0]
            found[id(part)] = before + factor, part
    return [(f, p) for f, p in found.values() if f], constant
