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
from attrs import evolve, frozen
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.listed import Floats, Ints, Listed, logarithm
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr

CLEAR = 1000
"""What is left where a constant is taken from a sum is at least such a part of it: rounding is of no account."""

SPARE = 1e-6


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
    """kind: atom, product, sum, most or ceil. constant: the logarithm of a factor of a product; less: what is taken
    from a sum, which is then no less than `least`, a logarithm; column: of an atom."""

    kind: str
    args: tuple[int, ...] = ()
    constant: float = 0.0
    less: float = 0.0
    least: float = -math.inf
    column: int = -1


@frozen(eq=False)
class Structure:
    """Nodes, arguments before users; the goal, and nodes that are at most 1 in what is allowed. Atoms are products over
    groups: a constant (atoms,), and a factor for each row of a group, (rows, atoms), both as logarithms. Of several
    structures that differ in these alone they stand in one array each, (structures, ...)."""

    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    goal: int
    limits: tuple[int, ...]
    constants: Floats
    tables: tuple[Floats, ...]

    @property
    def form(self) -> tuple[object, ...]:
        """What structures that can stand in one have in common."""
        return self.nodes, self.goal, self.limits, tuple(t.shape for t in self.tables)


def stacked(structures: Sequence[Structure]) -> Structure:
    """Structures of one form as one."""
    tables = zip(*(s.tables for s in structures), strict=True)
    return evolve(
        structures[0],
        constants=numpy.stack([s.constants for s in structures]), tables=tuple(numpy.stack(t) for t in tables),
    )  # fmt: skip


@frozen
class Atom:
    """constant: a logarithm; leaves: (group, leaf) -> its power."""

    constant: float = 0.0
    leaves: tuple[tuple[tuple[int, int], float], ...] = ()

    def times(self, other: Atom, power: float = 1.0) -> Atom:
        powers = dict(self.leaves)
        for leaf, p in other.leaves:
            powers[leaf] = powers.get(leaf, 0.0) + power * p
        return Atom(self.constant + power * other.constant, tuple(sorted((k, p) for k, p in powers.items() if p)))


Part = Atom | int
"""A product of leaves, or the place of a node."""


class Maker:
    """Makes the structure of one problem over groups. loose: at its least is what can't be said otherwise."""

    def __init__(self, groups: Sequence[Group], listed: Listed, loose: bool = False) -> None:
        self.loose = loose
        self._groups = tuple(groups)
        self._group_of = {path: n for n, g in enumerate(groups) for path in g.paths}
        self._listed = listed
        self._nodes: list[Node] = []
        self._atoms: dict[Atom, int] = {}
        self._made: dict[int, Part] = {}
        self._alive: list[Expr] = []
        self._leaves: list[dict[int, tuple[int, Expr]]] = [{} for _ in groups]

    def finish(self, goal: Expr, limits: Sequence[tuple[Expr, Expr]]) -> Structure:
        """The structure of a goal and of pairs of which the first is at most the second. Raises Unsplit, NotExact."""
        wanted = self._place(self._of(goal))
        kept = []
        for low, high in limits:
            try:
                kept.append(self._place(self._product([(low, 1), (high, -1)], graph.le(low, high))))
            except NotExact:
                continue  # a requirement that bounds don't use is met by what is looked at all the same
            except Unsplit:
                if not self.loose:
                    raise
        atoms = list(self._atoms)
        tables = []
        for n, group in enumerate(self._groups):
            powers = numpy.zeros((len(self._leaves[n]), len(atoms)))
            for k, atom in enumerate(atoms):
                for (g, leaf), power in atom.leaves:
                    if g == n:
                        powers[leaf, k] = power
            tables.append(self._table([e for _, e in self._leaves[n].values()], group) @ powers)
        constants = numpy.array([a.constant for a in atoms])
        return Structure(self._groups, tuple(self._nodes), wanted, tuple(kept), constants, tuple(tables))

    def groups_of(self, e: Expr) -> frozenset[int]:
        return frozenset(self._group_of[p] for p in e.free)

    def _table(self, leaves: Sequence[Expr], group: Group) -> Floats:
        listed = self._listed
        table = numpy.empty((len(group.rows), len(leaves)))
        for k, e in enumerate(leaves):
            table[:, k] = listed.logs(e)[listed.places(e, group.paths, group.rows)]
        if not numpy.isfinite(table).all():
            raise NotExact("a part that is not positive")
        return table

    def _put(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _place(self, part: Part) -> int:
        if isinstance(part, int):
            return part
        if part not in self._atoms:
            self._atoms[part] = len(self._atoms)
            return self._put(Node("atom", column=self._atoms[part]))
        return next(n for n, node in enumerate(self._nodes) if node.column == self._atoms[part])

    def _of(self, e: Expr) -> Part:
        found = self._made.get(id(e))
        if found is None:
            self._alive.append(e)
            try:
                found = self._part(e)
            except Unsplit:
                if not self.loose:
                    raise
                found = self._least(e)
            self._made[id(e)] = found
        return found

    def _part(self, e: Expr) -> Part:
        groups = self.groups_of(e)
        if not groups:
            if not e.is_const or e.number <= 0:
                raise NotExact("a goal that is not positive")
            return Atom(logarithm(e.number))
        if len(groups) == 1:
            (g,) = groups
            leaf, _ = self._leaves[g].setdefault(id(e), (len(self._leaves[g]), e))
            return Atom(0.0, (((g, leaf), 1.0),))
        if e.op == "mul":
            return self._product([(a, 1) for a in e.args], e)
        if e.op == "div":
            return self._product([(e.args[0], 1), (e.args[1], -1)], e)
        if e.op == "add":
            return self._sum(e)
        if e.op in ("max", "ceil"):
            args = tuple(self._place(self._of(a)) for a in e.args)
            return self._put(Node("most" if e.op == "max" else "ceil", args))
        raise Unsplit(e)

    def _least(self, e: Expr) -> Part:
        """The least that an expression can be, for it."""
        low = self._listed.ends(e)[0]
        if not 0 < low < math.inf:
            raise NotExact("nothing is known of it")
        return Atom(logarithm(Fraction(low)))

    def _product(self, factors: Sequence[tuple[Expr, int]], whole: Expr) -> Part:
        """What is divided by is known as it is, not by a bound."""
        atom, rest = Atom(), []
        for e, power in factors:
            part = self._of(e)
            if isinstance(part, Atom) and (power > 0 or not self.loose or len(self.groups_of(e)) < 2):
                atom = atom.times(part, power)
            elif isinstance(part, int) and power > 0:
                rest.append(part)
            else:
                raise Unsplit(whole)
        if not rest:
            return atom
        if atom.leaves:
            rest.append(self._place(atom))
        return self._put(Node("product", tuple(rest), 0.0 if atom.leaves else atom.constant))

    def _sum(self, e: Expr) -> Part:
        terms, constant = _linear(e)
        local: dict[int, list[Expr]] = {}
        args: list[int] = []
        for factor, part in terms:
            groups = self.groups_of(part)
            if len(groups) == 1:
                (g,) = groups
                local.setdefault(g, []).append(graph.mul(graph.const(factor), part))
            elif factor < 0:
                raise Unsplit(e)
            else:
                args.append(self._place(self._product([(graph.const(factor), 1), (part, 1)], part)))
        for parts in local.values():
            whole = graph.add(*parts)
            low = self._listed.ends(whole)[0]
            if low < 0:
                raise Unsplit(e)
            if low > 0:
                args.append(self._place(self._of(whole)))
        if constant > 0:
            args.append(self._place(Atom(logarithm(constant))))
        if not args:
            raise NotExact("a sum of nothing that is surely there")
        if constant >= 0:
            return self._put(Node("sum", tuple(args)))
        low = self._listed.ends(e)[0]
        if not -constant / CLEAR <= low < math.inf:
            raise NotExact("a sum that may be nothing")
        least = logarithm(Fraction(low)) - SPARE  # so that what reaches it is told from what is held up by it
        return self._put(Node("sum", tuple(args), less=float(-constant), least=least))


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
