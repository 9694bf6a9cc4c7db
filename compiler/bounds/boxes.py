"""What an expression can be on a box: a set of values for each decision, taken independently of each other.

The rules are few, so that a checker of certificates can hold them too: an expression of one decision is tried at each
of its values, a `solve` at each combination of what it reads, and everything else follows from its arguments. Points
where an expression has no value add nothing. A box over all decisions covers every design, for what a decision that is
not live would be makes no difference to what is read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from cospace.compiler.bounds.boxes_rules import ALL, BOTH, NO, NOTHING, RULES, YES, Range, choose, compare, equal
from cospace.compiler.exact import exact
from cospace.compiler.space.graph import Expr, MapDecision, MapProblem, Value, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Decision
from cospace.compiler.space.rationals import whole_as_int

TRIED = 256
"""Mappings that are tried to solve a work at every combination of what it reads; at a single one all are."""
POINTS = 8
"""Expressions that are evaluated exactly at a point while one is looked at on a box."""
WIDE = 4
"""Arguments of which so many count as one expression more."""
REMEMBERED = 400_000
"""Answers kept, before all are forgotten."""

Box = list[int]
"""For each decision, a bit for each of its values that is in the box."""


def members(mask: int) -> list[int]:
    """The positions of the bits that are set, lowest first."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class Boxes:
    """Asks expressions over the decisions of one space. What was asked of equal parts of boxes is remembered."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.decisions = tuple(decisions)
        self.position = {d.path: i for i, d in enumerate(decisions)}
        self.full: Box = [(1 << len(d.values)) - 1 for d in decisions]
        self._reads: dict[int, tuple[int, ...]] = {}
        self._memo: dict[Any, Any] = {}
        self._points: dict[Any, Any] = {}
        self.maps: dict[str, MapDecision] = {}
        self._alive: dict[int, Expr] = {}
        self.effort = 0
        """Expressions that were looked at so far, wide ones for more; one evaluated exactly at a point for a part."""
        self._sizes: dict[int, int] = {}
        self._growing: dict[int, bool] = {}

    def reads(self, node: Expr) -> tuple[int, ...]:
        """The decisions that a node reads, by position."""
        found = self._reads.get(id(node))
        if found is None:
            found = self._reads[id(node)] = tuple(sorted(self.position[p] for p in node.free if p in self.position))
            self._alive[id(node)] = node
        return found

    def ask(self, node: Expr, box: Sequence[int]) -> Any:
        """A `Range` of a number (None: no value), NO | YES | BOTH of a condition, a set of other values (None: any)."""
        reads = self.reads(node)
        key = (id(node), *[box[v] for v in reads])
        found = self._memo.get(key, self)
        if found is self:
            if len(self._memo) > REMEMBERED:
                self._memo.clear()
            found = self._memo[key] = self._visit(node, box, reads)
        return found

    def may_hold(self, node: Expr, box: Sequence[int]) -> bool:
        return bool(self.ask(node, box) & YES)

    def _visit(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        op = node.op
        self.effort += 1 + len(node.args) // WIDE
        if op == "const":
            return abstract([node.value], node)
        if op in ("input", "measure", "external"):
            return anything(node)
        if op in ("solve", "solvable"):
            return self._solved(node, box, reads)
        if len(node.free) == 1:
            return self._single(node, box, reads)
        return self._ruled(node, box)

    def _single(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        """An expression of one decision or map, at each of its values."""
        return self._tried(node, box, reads) if reads else self._over_map(node)

    def _ruled(self, node: Expr, box: Sequence[int]) -> Any:
        """By what its arguments can be."""
        op = node.op
        if op == "and":
            yes, no = YES, 0
            for a in node.args:
                other = self.ask(a, box)
                yes &= other
                no |= other & NO
                if not yes:
                    return NO
            return yes | no
        if op == "or":
            yes, no = 0, NO
            for a in node.args:
                other = self.ask(a, box)
                yes |= other & YES
                no &= other
            return yes | no
        if op == "if":
            condition = self.ask(node.args[0], box)
            parts = [self.ask(node.args[1], box)] if condition & YES else []
            parts += [self.ask(node.args[2], box)] if condition & NO else []
            return choose(parts, node.type.kind)
        args = [self.ask(a, box) for a in node.args]
        if op == "not":
            return opposite(args[0])
        if op in ("lt", "le"):
            return compare(op, args[0], args[1])
        if op == "eq":
            return equal(args[0], args[1], node.args[0].type.kind)
        if op == "lookup":
            return self._looked_up(node, args)
        if any(a is NOTHING for a in args):
            return NOTHING
        return RULES[op](args) if op in RULES else ALL

    def _tried(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        """At every combination of the values that are in the box."""
        if node.op == "var":
            return self._taken(node, box[reads[0]], reads[0])
        if node.op == "eq" and {a.op for a in node.args} == {"var", "const"}:
            return self._is(node, box[reads[0]], reads[0])
        if node.op == "not":
            return opposite(self.ask(node.args[0], box))
        found = []
        combinations: list[tuple[int, ...]] = [()]
        for v in reads:
            combinations = [(*c, k) for c in combinations for k in members(box[v])]
        for c in combinations:
            key = (id(node), c)
            if key not in self._points:
                design = {self.decisions[v].path: self.decisions[v].values[k] for v, k in zip(reads, c, strict=True)}
                self._points[key] = whole_as_int(exact.evaluate(node, design))
                self.effort += self._size(node)
            found.append(self._points[key])
        return abstract(found, node)

    def _taken(self, node: Expr, mask: int, v: int) -> Any:
        """What a decision itself can be; numbers that grow from value to value are not compared one by one."""
        values = self.decisions[v].values
        if v not in self._growing:
            growing = node.type.kind == "number" and all(a < b for a, b in itertools.pairwise(values))  # type: ignore[operator]
            self._growing[v] = growing
        if self._growing[v] and mask:
            return whole_as_int(values[(mask & -mask).bit_length() - 1]), whole_as_int(values[mask.bit_length() - 1])
        return abstract([values[k] for k in members(mask)], node)

    def _is(self, node: Expr, mask: int, v: int) -> int:
        """Whether a decision is one value; domains that depend on others ask that of each value that they allow."""
        (value,) = (a.value for a in node.args if a.op == "const")
        place = self.decisions[v].positions.get(value)
        bit = 0 if place is None else 1 << place
        return (YES if mask & bit else 0) | (NO if mask & ~bit else 0)

    def _size(self, node: Expr) -> int:
        """What evaluating it exactly counts for."""
        found = self._sizes.get(id(node))
        if found is None:
            found = sum(1 for _ in walk([node]))
            if node.op in ("solve", "solvable"):
                problem: MapProblem = node.payload  # type: ignore[assignment]
                tried = math.prod(len(m.values) for m in problem.maps)
                found += tried * sum(1 for _ in walk(problem.expressions()))
            found = self._sizes[id(node)] = 1 + found // POINTS
        return found

    def _solved(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        """At every combination where those are few; else what its argument can be over all mappings."""
        problem: MapProblem = node.payload  # type: ignore[assignment]
        combinations = math.prod(box[v].bit_count() for v in reads)
        if combinations == 1 or combinations * math.prod(len(m.values) for m in problem.maps) <= TRIED:
            return self._tried(node, box, reads)
        self.maps.update((m.path, m) for m in problem.maps)
        met = all(self.may_hold(r, box) for r in problem.requirements)
        if node.op == "solvable":
            return BOTH if met else NO
        return self.ask(node.args[0], box) if met else _empty(node)

    def _over_map(self, node: Expr) -> Any:
        """An expression of one map, at each of its values."""
        (path,) = node.free
        m = self.maps.get(path)
        return anything(node) if m is None else abstract([exact.evaluate(node, {path: v}) for v in m.values], node)

    def _looked_up(self, node: Expr, args: Sequence[Any]) -> Any:
        """The rows whose keys are possible, and the default."""
        rows: Lookup = node.payload  # type: ignore[assignment]
        kinds = [a.type.kind for a in node.args]
        found: list[Any] = list(rows.default)
        for key, value in zip(rows.keys, rows.values, strict=True):
            if all(equal(abstract_value(k, kind), a, kind) & YES for k, a, kind in zip(key, args, kinds, strict=True)):
                found.append(value)
        return abstract(found, node)


def anything(node: Expr) -> Any:
    return {"number": ALL, "bool": BOTH}.get(node.type.kind)


def opposite(truth: int) -> int:
    return (truth & NO) << 1 | (truth & YES) >> 1


def _empty(node: Expr) -> Any:
    return {"number": NOTHING, "bool": 0}.get(node.type.kind, frozenset())


def abstract_value(value: Value, kind: str) -> Any:
    if kind == "bool":
        return YES if value is True else NO
    if kind == "number":
        number = whole_as_int(value)
        return (number, number)
    return frozenset((value,))


def abstract(found: Iterable[Any], node: Expr) -> Any:
    """The hull of exact results; those without a value add nothing, and one that stayed unknown can be anything."""
    kind = node.type.kind
    results = [r for r in found if r is not exact.UNDEFINED]
    if any(r is exact.UNKNOWN for r in results):
        return anything(node)
    if kind == "bool":
        return (YES if True in results else 0) | (NO if False in results else 0)
    if kind != "number":
        return frozenset(results)
    if not results:
        return NOTHING
    lows = [r.low if isinstance(r, exact.Enclosure) else r for r in results]
    highs = [r.high if isinstance(r, exact.Enclosure) else r for r in results]
    made: Range = (whole_as_int(min(lows)), whole_as_int(max(highs)))
    return made
