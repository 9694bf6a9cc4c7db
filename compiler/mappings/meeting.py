"""Where mappings and the decisions that they are solved for meet: a few numbers that maps alone say.

All else that a problem asks of a mapping follows from these numbers and the decisions. Of a number that is only
compared with what decisions say, no more counts than which comparisons hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction

from attrs import field, frozen
from cospace.compiler.exact.columns import NotExact
from cospace.compiler.mappings.better import MORE, Ways, directions
from cospace.compiler.mappings.closed import Closed
from cospace.compiler.mappings.listed import FOLDED, MOST, Ends, Listed, folded
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, walk
from cospace.compiler.space.lookups import lookup
from cospace.compiler.space.substitute import BUILD, Substitution

JOINING = ("add", "mul", "max", "min", "and", "or")
"""Operators some of whose arguments are one number."""


Limit = tuple[Fraction, bool]
"""A number, and whether it must not be reached."""


@frozen(eq=False)
class Told:
    """A number or truth that maps say. ways: in which more of it is better.

    limits: of each requirement that it be no more than what decisions say all that these may say. coarse: nothing else
    is read of it. required: a truth that has to hold, and that nothing else reads.
    """

    expr: Expr
    ways: Ways
    limits: tuple[tuple[Limit, ...], ...] = ()
    coarse: bool = False
    required: bool = False


@frozen(eq=False)
class Above:
    """Expressions over maps and decisions, with what maps alone say replaced by what `told` says of it."""

    maps: frozenset[str]
    told: Callable[[Expr], Expr]
    _known: dict[int, Expr] = field(factory=dict)
    _alive: list[Expr] = field(factory=list)

    def __call__(self, root: Expr) -> Expr:
        stack = [root]
        while stack:
            e = stack[-1]
            if id(e) in self._known:
                stack.pop()
                continue
            if e.free.isdisjoint(self.maps):
                made = e
            elif e.free <= self.maps:
                made = self.told(e)
            else:
                own = [a for a in e.args if a.free and a.free <= self.maps] if e.op in JOINING else []
                rest = [a for a in e.args if len(own) < 2 or not any(a is o for o in own)]
                missing = [a for a in rest if id(a) not in self._known]
                if missing:
                    stack += missing
                    continue
                args = [self._known[id(a)] for a in rest]
                if len(own) > 1:
                    args.insert(0, self.told(BUILD[e.op](*own)))
                made = (
                    lookup(e.payload, args, e.type, e.span)  # type: ignore[arg-type]
                    if e.op == "lookup"
                    else BUILD[e.op](*args, span=e.span)
                )
            self._known[id(e)] = made
            self._alive.append(e)
            stack.pop()
        return self._known[id(root)]


def meeting(closed: Closed, outer: Collection[str]) -> list[Told]:
    """What a problem reads of its maps, where the decisions `outer` are open. Raises NotExact."""
    maps = frozenset(d.path for d in closed.decisions)
    numbers: dict[int, Expr] = {}
    names: dict[int, str] = {}

    def name(e: Expr) -> Expr:
        numbers[id(e)] = e
        names[id(e)] = f"number {len(names)}" if id(e) not in names else names[id(e)]
        return graph.var(names[id(e)], e.type)

    above = Above(maps, name)
    required = [f for f in closed.facts if f.free <= maps]
    facts = [above(f) for f in closed.facts if not f.free <= maps and not f.free <= frozenset(outer)]
    goals = [above(g) for g in closed.goals]
    made = _derived(numbers, names)
    put = Substitution({names[i]: e for i, e in made.items()})
    for _ in made:
        facts, goals = [put(f) for f in facts], [put(g) for g in goals]
    own = {names[i]: e for i, e in numbers.items() if i not in made}
    bounds, rest = _compared(facts, own, closed.listed)
    ends = _Ends({p: closed.listed.ends(e) for p, e in own.items()}, closed.listed)
    ways = directions(facts, goals, ends)  # type: ignore[arg-type]
    left = frozenset().union(*(e.free for e in (*facts, *goals)))
    read = frozenset().union(*(e.free for e in (*rest, *goals)))
    told = []
    for path, e in own.items():
        if path not in left:
            continue
        way = ways[id(graph.var(path, e.type))]
        if e.type.kind not in ("number", "bool"):
            raise NotExact("what maps say is no number")
        told.append(Told(_by_map(e), way, tuple(bounds[path]), path not in read))
    return [*told, *(Told(_by_map(f), MORE, required=True) for f in required)]


def _by_map(root: Expr) -> Expr:
    """The same with arguments of one operator that read one map alone taken together: the map is told apart less."""
    made: dict[int, Expr] = {}
    for e in walk([root]):
        args = [made[id(a)] for a in e.args]
        if e.op in JOINING and len(e.free) > 1:
            own: dict[frozenset[str], list[Expr]] = {}
            for a in args:
                own.setdefault(a.free, []).append(a)
            args = []
            for free, some in own.items():
                args += [BUILD[e.op](*some)] if len(free) == 1 else some
        same = all(a is b for a, b in zip(args, e.args, strict=False)) and len(args) == len(e.args)
        made[id(e)] = e if same else graph.make(e.op, tuple(args), e.type, e.payload, e.span)
    return made[id(root)]


def _derived(numbers: Mapping[int, Expr], names: Mapping[int, str]) -> dict[int, Expr]:
    """Those of some numbers that are made of others, over these."""
    found = {}
    for i, number in numbers.items():
        over: dict[int, Expr | None] = {}
        for e in walk([number]):
            if e is not number and id(e) in numbers:
                over[id(e)] = graph.var(names[id(e)], e.type)
            elif not e.free:
                over[id(e)] = e
            else:
                args = [over[id(a)] for a in e.args]
                known = [a for a in args if a is not None]
                over[id(e)] = BUILD[e.op](*known) if e.op in BUILD and len(known) == len(args) else None
        made = over[i]
        if made is not None:
            found[i] = made
    return found


def _compared(
    facts: Sequence[Expr], own: Mapping[str, Expr], listed: Listed
) -> tuple[dict[str, list[tuple[Limit, ...]]], list[Expr]]:
    """What numbers are compared with by facts that do nothing else, and the other facts."""
    bounds: dict[str, list[tuple[Limit, ...]]] = {path: [] for path in own}
    rest = []
    for fact in facts:
        path, limits = _limited(fact, own, listed)
        if path is None:
            rest.append(fact)
        else:
            bounds[path].append(limits)
    return bounds, rest


def _limited(fact: Expr, own: Mapping[str, Expr], listed: Listed) -> tuple[str | None, tuple[Limit, ...]]:
    """The number that a fact says to be at most what decisions say, and all values of that."""
    low, high, strict = fact, fact, False
    if fact.op in ("le", "lt"):
        low, high, strict = *fact.args, fact.op == "lt"
    elif fact.op == "not" and fact.args[0].op in ("le", "lt"):
        low, high, strict = fact.args[0].args[1], fact.args[0].args[0], fact.args[0].op == "le"
    if low is high or low.type.kind != "number":
        return None, ()
    difference = graph.sub(low, high)
    terms = difference.args if difference.op == "add" else (difference,)
    numbers = [t for t in terms if not t.free.isdisjoint(own)]
    if len(numbers) != 1 or numbers[0].op != "var":
        return None, ()
    others = [graph.negative(t) for t in terms if t is not numbers[0]]
    limit = graph.add(*others) if others else graph.const(0, low.type.unit)
    if listed.size(listed.paths(limit)) > MOST:
        return None, ()
    values = dict.fromkeys(listed.column(limit).tolist())
    return str(numbers[0].payload), tuple((Fraction(v), strict) for v in values)


@frozen(eq=False)
class _Ends:
    """The ends of expressions over numbers whose ends are known and over decisions, or less and more."""

    known: Mapping[str, Ends]
    listed: Listed
    _found: dict[int, Ends] = field(factory=dict)

    def ends(self, e: Expr) -> Ends:
        if id(e) not in self._found:
            self._found[id(e)] = self._of(e)
        return self._found[id(e)]

    def _of(self, e: Expr) -> Ends:
        if e.free.isdisjoint(self.known):
            return self.listed.ends(e)
        if e.op == "var":
            return self.known[str(e.payload)]
        args = [self.ends(a) for a in e.args if a.type.kind == "number"]
        if e.op in ("floor", "ceil"):
            return args[0][0] - 1, args[0][1] + 1
        if e.op == "div" and args[0][0] >= 0 and args[1][0] > 0:
            return 0, math.inf
        return folded(e.op, args) if e.op in FOLDED and args else (-math.inf, math.inf)


__all__ = ["Above", "Limit", "Told", "meeting"]
