"""Sums over parts that many decisions switch on together, counted by what the switches leave.

`sum(max(c.dsp for works on c) for c in chunks) <= dsps` reads every layer in every term, but of a layer only whether it
puts work on a chunk. Such a condition over many decisions is a flag: the flags become decisions of their own, so that
what they switch falls apart into groups. The decisions that set the flags fall apart as well, each into few sets of
flags; sets are joined by `or`, sums by `+`, and rows that nothing left to be joined tells apart are merged: those that
meet a bound whatever comes count as one. Sums are of integers, or rounded down and up. At most two are counted at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy
from attrs import evolve, field, frozen
from cospace.compiler.counting.convolve import Groups
from cospace.compiler.counting.dominance import Points
from cospace.compiler.counting.eliminate import SAFE, Factor, eliminate
from cospace.compiler.counting.hubs import Plan
from cospace.compiler.counting.joining import FLAGS, Joining, Part, Rows, Setter, merge
from cospace.compiler.counting.options import Options
from cospace.compiler.counting.rowsums import coarsen
from cospace.compiler.counting.sums import NotASum, Sum, Term, read_sums
from cospace.compiler.numbers.enumerate import Clause, Frame, unite
from cospace.compiler.space import graph
from cospace.compiler.space.graph import BOOL, Expr, walk
from cospace.compiler.space.model import Decision
from cospace.compiler.space.substitute import Rewrite, Substitution
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cospace.compiler.counting.count import Limits

Array = NDArray[Any]
MANY = 3
"""A condition over so many decisions or more may be a flag."""
TABLE = 1 << 22
"""Cells of what a term reads: parts have no decisions in common with others, so their terms may read many."""


class _Flagged(Rewrite):
    """Conditions over nothing but `upper` decisions become flags; `set_by`: what each stands for."""

    def __init__(self, upper: frozenset[str]) -> None:
        super().__init__()
        self.upper = upper
        self.set_by: list[Expr] = []
        self._known_flags: dict[int, Expr] = {}

    def touches(self, node: Expr) -> bool:
        return not self.upper.isdisjoint(node.free)

    def leaf(self, node: Expr) -> Expr | None:
        if node.op == "var" or node.op == "solve" or node.op == "solvable":
            raise NotASum  # read for itself
        if node.type is not BOOL or not self.upper.issuperset(node.free):
            return None
        if graph.may_be_undefined(node):
            raise NotASum
        if node.op == "not":
            return graph.negate(self._flag(node.args[0]))
        if node.op == "and":
            return graph.negate(self._flag(graph.either(*(graph.negate(a) for a in node.args))))
        return self._flag(node)

    def _flag(self, node: Expr) -> Expr:
        if id(node) not in self._known_flags:
            if len(self.set_by) == FLAGS:
                raise NotASum
            self._known_flags[id(node)] = graph.var(f"flag {len(self.set_by)}", BOOL)
            self.set_by.append(node)
        return self._known_flags[id(node)]


@frozen(eq=False)
class Flags:
    """A component whose sums are switched by flags. Raises NotASum where it is none, TooMany beyond the limits."""

    parts: Groups
    setters: tuple[Setter, ...]
    flag_of: dict[int, int]
    """The bit of each flag's decision."""
    raw: int
    limits: Limits
    spent: list[int] = field(factory=lambda: [0])

    @staticmethod
    def of(
        frame: Frame, variables: Sequence[int], structure: Sequence[Factor],
        narrow: Sequence[tuple[Clause, Factor]], wide: Sequence[Clause], raw: int, limits: Limits,
    ) -> Flags:  # fmt: skip
        """narrow: clauses with tables; those that join what is switched with what switches are read as sums too."""
        upper = switched_together([c.value for c in wide])
        if not upper:
            raise NotASum
        switches = {frame.position[p] for p in upper if p in frame.position}
        mixed = [c for c, _ in narrow if not switches.isdisjoint(c.scope) and not switches.issuperset(c.scope)]
        wide = [*wide, *mixed]
        factors = [*structure, *(f for c, f in narrow if c not in mixed)]
        upper = switched_together([c.value for c in wide])
        if any(c.guard is not graph.TRUE for c in wide):
            raise NotASum
        flagged = _Flagged(upper)
        values = [flagged(c.value) for c in wide]
        above = {frame.position[p] for p in upper if p in frame.position}
        own, rest = _apart(factors, above)
        clauses = [Clause(c.requirement, c.number, c.guard, v, ()) for c, v in zip(wide, values, strict=True)]
        sums = [s for c in clauses for s in read_sums(c)]
        if not 1 <= len(sums) <= 2 or any(s.guards for s in sums):
            raise NotASum
        spread = _Spread(frame, [v for v in variables if v not in above], rest, sums, len(flagged.set_by))
        limits = evolve(limits, table=max(TABLE, limits.table))
        plan = Plan((), numpy.zeros((1, 0), dtype=numpy.int64), spread.groups(), ())
        parts = Groups(spread.frame(), plan, rest, rest, (), spread.sums, limits)
        setters = _setters(parts, sorted(above), own, flagged.set_by)
        bits = {len(frame.decisions) + k: 1 << flag for k, (_, flag) in enumerate(spread.copies)}
        return Flags(parts, tuple(setters), bits, raw, limits)

    def total(self, levels: int | None = None) -> tuple[int, int]:
        """Proved bounds on the count, equal where it is exact."""
        blocks = list(self.parts.blocks())
        if not blocks:
            return 0, 0
        (block,) = blocks
        slacks = [s.slack for s in self.parts.scales]
        if levels is None and self.parts.exact:
            exact = self._count(block.options, block.bounds)
            return exact, exact
        low, high = coarsen(block.options, block.bounds, slacks, levels or 1 << 12)
        return self._count(*low), self._count(*high)

    def _count(self, options: Sequence[Options], bounds: Sequence[Array]) -> int:
        parts = [self._part(k, o) for k, o in enumerate(options)]
        if any(not p.points for p in parts):
            return 0
        limits = [b[0] for b in bounds] + [0] * (2 - len(bounds))
        return Joining(parts, self.setters, limits, self.raw, self.spent).total()

    def _part(self, number: int, options: Options) -> Part:
        group = self.parts.groups[number]
        mask = numpy.zeros(len(group.options), dtype=numpy.int64)
        for column, v in enumerate(group.variables):
            if v in self.flag_of:
                mask |= numpy.where(group.options[:, column] == 1, self.flag_of[v], 0)
        weights = options.weights[0].astype(object if self.raw >= SAFE else numpy.int64)
        x, y = options.values[0][0], options.values[-1][0] if len(options.values) > 1 else 0 * options.values[0][0]
        merged = merge(Rows(mask, Points(x, y, weights)))
        held = sum(bit for v, bit in self.flag_of.items() if v in group.variables)
        return Part(held, {int(k): merged.where(merged.keys == k).points for k in numpy.unique(merged.keys)})


def switched_together(values: Sequence[Expr]) -> frozenset[str]:
    """The decisions of conditions of `if`s that read many."""
    found: set[str] = set()
    for node in walk(values):
        if node.op == "if" and len(node.args[0].free) >= MANY:
            found |= node.args[0].free
    return frozenset(found)


def _apart(factors: Sequence[Factor], above: set[int]) -> tuple[list[Factor], list[Factor]]:
    own = [f for f in factors if above.issuperset(f.scope)]
    rest = [f for f in factors if not above.issuperset(f.scope)]
    if any(not above.isdisjoint(f.scope) for f in rest):
        raise NotASum
    return own, rest


class _Spread:
    """Terms of sums with the groups that they fall into; each group has its own copies of the flags that it reads."""

    def __init__(
        self, frame: Frame, below: Sequence[int], factors: Sequence[Factor], sums: Sequence[Sum], flags: int
    ) -> None:
        self.original = frame
        self.names = {f"flag {k}": k for k in range(flags)}
        where = {v: k for k, v in enumerate(below)}
        read = [self._plain(t) for s in sums for t in s.terms]
        united = unite(len(below), [[where[v] for v in s] for s in [*read, *(f.scope for f in factors)]])
        self.members = [[below[k] for k in g] for g in united]
        self.home = {v: k for k, g in enumerate(self.members) for v in g}
        self.copies: dict[tuple[int, int], Expr] = {}
        """A variable for each group and flag."""
        self.sums = [evolve(s, terms=tuple(map(self._moved, s.terms)), settled=self._settled(s)) for s in sums]

    def frame(self) -> Frame:
        f = self.original
        added = tuple(Decision(str(v.payload), "choose", (False, True), BOOL) for v in self.copies.values())
        position = {**f.position, **{d.path: len(f.decisions) + k for k, d in enumerate(added)}}
        return Frame((*f.decisions, *added), (*f.domains, *(numpy.arange(2) for _ in added)), position)

    def groups(self) -> tuple[tuple[int, ...], ...]:
        first = len(self.original.decisions)
        held = [list(g) for g in self.members]
        for k, (group, _) in enumerate(self.copies):
            held[group].append(first + k)
        return tuple(map(tuple, held))

    def _plain(self, t: Term) -> tuple[int, ...]:
        return self.original.scope(*t.conditions, *([] if t.atom is None else [t.atom]))

    def _moved(self, t: Term) -> Term:
        """The term with its flags made those of its group."""
        read = [*t.conditions, *([] if t.atom is None else [t.atom])]
        flags = sorted({self.names[p] for e in read for p in e.free if p in self.names})
        plain = self._plain(t)
        if plain:
            group = self.home[plain[0]]
        else:  # a constant that flags alone switch
            self.members.append([])
            group = len(self.members) - 1
        put = {f"flag {k}": self._copy(group, k) for k in flags}
        if not put:
            return t
        new = Substitution(put)
        return Term(t.coefficient, tuple(map(new, t.conditions)), None if t.atom is None else new(t.atom))

    def _copy(self, group: int, flag: int) -> Expr:
        return self.copies.setdefault((group, flag), graph.var(f"flag {flag} of group {group}", BOOL))

    def _settled(self, s: Sum) -> tuple[()]:
        if any(graph.may_be_undefined(c) for _, c in s.settled):
            raise NotASum
        return ()


def _setters(parts: Groups, above: list[int], own: Sequence[Factor], set_by: Sequence[Expr]) -> list[Setter]:
    """What sets flags falls apart too; each piece is listed, and pieces' sets are joined by `or`."""
    frame = parts.frame
    asked = [(k, a) for k, e in enumerate(set_by) for a in (e.args if e.op == "or" else (e,))]
    where = {v: k for k, v in enumerate(above)}
    scopes = [*(f.scope for f in own), *(frame.scope(a) for _, a in asked)]
    found = []
    for piece in unite(len(above), [[where[v] for v in s] for s in scopes]):
        members = [above[k] for k in piece]
        inside = set(members)
        mine = [f for f in own if inside.issuperset(f.scope)]
        order = tuple(sorted({v for _, a in asked for v in frame.scope(a)} & inside))
        left = eliminate(mine, {v: len(frame.domains[v]) for v in members}, frozenset(order), cells=parts.limits.cells)
        rows, weights = parts.join(order, left.rest)
        sets, mask = numpy.zeros(len(rows), dtype=numpy.int64), 0
        for k in range(len(set_by)):
            args = [a for flag, a in asked if flag == k and inside.issuperset(frame.scope(a))]
            if args:
                condition = graph.either(*args)
                met = frame.truth(condition, rows, order)
                if not (met | frame.truth(graph.negate(condition), rows, order)).all():
                    raise NotASum  # read where it is not there
                sets |= numpy.where(met, 1 << k, 0)
                mask |= 1 << k
        merged: dict[int, int] = {}
        for key, w in zip(sets.tolist(), weights.tolist(), strict=True):
            merged[key] = merged.get(key, 0) + w * left.total
        found.append(Setter(mask, merged))
    return found
