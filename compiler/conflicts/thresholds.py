"""The value nearest to a side at which conditions hold that read one number, everything else being fixed; exactly.

Between two neighbouring critical points nothing changes: no comparison turns, no rounding steps, no branch or best
mapping is another. So the critical points are found piece by piece, starting at the near side, and the conditions are
asked of the reference evaluator at each point and in each gap between two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import define, frozen
from cospace.compiler.bounds.boxes import Boxes, abstract, anything
from cospace.compiler.bounds.boxes_rules import ALL, End
from cospace.compiler.exact import exact
from cospace.compiler.exact.enclosures import GivenUp
from cospace.compiler.exact.roots import (
    ONE,
    Form,
    TooHigh,
    add,
    at,
    constant,
    multiply,
    negative,
    roots,
    slope,
    trimmed,
    value,
)
from cospace.compiler.space.graph import Expr, MapProblem, Value
from cospace.compiler.space.lookups import Lookup

PIECES = 300
"""Points that one question looks at."""
STEPS = 64
"""Steps of a rounding that are told apart at once."""
MAPPINGS = 1_024

EFFORT = 150_000
"""What may be done for all numbers of a space together, in visits of an expression; a rounded one counts for many."""
ROUNDED = 100

Point = tuple[Fraction, Fraction]
"""A critical point, or two ends around one that is not rational."""


class Untold(Exception):
    """The pieces can't be found: too many, or not of quotients of polynomials."""


class Split(Exception):
    """What is asked is not one piece: where it has to be divided."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points


@frozen
class Threshold:
    """value: the nearest. attained: whether the conditions hold at it, else only beyond; inside: where they do hold.

    rational: False where the true value lies within a hair of it.
    """

    value: Fraction
    attained: bool
    inside: Fraction
    rational: bool = True


@define
class Effort:
    """What is left of EFFORT; Untold is raised where that is spent."""

    left: int = EFFORT

    def spend(self, visits: int) -> None:
        self.left -= visits
        if self.left < 0:
            raise Untold


def nearest(
    conditions: Sequence[Expr],
    design: Mapping[str, Value],
    path: str,
    near: Fraction,
    far: Fraction | None,
    up: bool,
    effort: Effort,
) -> Threshold | None:
    """The number at `path` nearest to `near`, up to `far` (None: any), with which all conditions hold; None: none does.

    Raises Untold where that can't be told, or the effort is spent.
    """
    search = _Line(conditions, design, path, up, effort)
    return search.first(near, far)


class _Line:
    def __init__(
        self, conditions: Sequence[Expr], design: Mapping[str, Value], path: str, up: bool, effort: Effort
    ) -> None:
        self.effort = effort
        self.conditions = list(conditions)
        self.design = dict(design)
        self.path = path
        self.up = up
        self.left = PIECES
        self.ranges = _Ranges(design, path)

    def first(self, near: Fraction, far: Fraction | None) -> Threshold | None:
        if self.holds(near):
            return Threshold(near, True, near)
        pending: list[tuple[Fraction, Fraction | None, bool]] = [(near, far, True)]
        while pending:
            start, end, plain = pending.pop()
            self.left -= 1
            if self.left < 0:
                raise Untold
            low, high = (start, end) if self.up else (end, start)
            if plain and not self.ranges.refute(self.conditions, low, high):
                try:
                    _Piece(self.design, self.path, low, high, self.effort).check(self.conditions)
                except Split as split:
                    pending += reversed(self._divided(start, end, split.points))
                    continue
                except (TooHigh, GivenUp):
                    raise Untold from None
                inside = between(low, high)
                if self.holds(inside):
                    return Threshold(start, False, inside, start not in self._blurred)
            if end is not None and self.holds(end):
                return Threshold(end, True, end, end not in self._blurred)
        return None

    _blurred: frozenset[Fraction] = frozenset()

    def _divided(
        self, start: Fraction, end: Fraction | None, points: Sequence[Point]
    ) -> list[tuple[Fraction, Fraction | None, bool]]:
        ordered = sorted(points) if self.up else sorted(((b, a) for a, b in points), reverse=True)
        found: list[tuple[Fraction, Fraction | None, bool]] = []
        at_ = start
        for a, b in ordered:
            if (a - at_ if self.up else at_ - a) > 0:
                found.append((at_, a, True))
            if a != b and (b - at_ if self.up else at_ - b) > 0:
                found.append((a, b, False))
                self._blurred |= {b}
            at_ = b
        found.append((at_, end, True))
        return found

    def holds(self, number: Fraction) -> bool:
        design = {**self.design, self.path: number}
        return all(r is True for r in exact.evaluate_all(self.conditions, design))


def between(low: Fraction | None, high: Fraction | None) -> Fraction:
    """Some number strictly between two ends."""
    if low is None:
        assert high is not None
        return high - max(Fraction(1), abs(high))
    if high is None:
        return low + max(Fraction(1), abs(low))
    return (low + high) / 2


class _Ranges(Boxes):
    """What expressions can be on a closed interval of the number: coarser than pieces, and as quick near a pole."""

    def __init__(self, design: Mapping[str, Value], path: str) -> None:
        super().__init__(())
        self.design, self.path = design, path
        self.range: tuple[End, End] = ALL

    def refute(self, conditions: Sequence[Expr], low: Fraction | None, high: Fraction | None) -> bool:
        """Whether some condition holds nowhere between two ends."""
        self._memo.clear()
        self.range = (ALL[0] if low is None else low, ALL[1] if high is None else high)
        return any(not self.may_hold(c, ()) for c in conditions)

    def _visit(self, node: Expr, box: Sequence[int], reads: tuple[int, ...]) -> Any:
        if self.path not in node.free:
            return abstract([exact.evaluate(node, self.design)], node)
        if node.op == "var":
            return self.range
        return anything(node) if node.op in ("solve", "solvable") else self._ruled(node, box)


class _Undefined:
    pass


UNDEFINED = _Undefined()


class _Piece:
    """What expressions are on one open interval; raises Split where they are several things there."""

    def __init__(
        self, design: Mapping[str, Value], path: str, low: Fraction | None, high: Fraction | None, effort: Effort
    ) -> None:
        self.design, self.path, self.low, self.high, self.effort = design, path, low, high, effort
        self.middle = between(low, high)

    def check(self, conditions: Sequence[Expr]) -> None:
        known: dict[int, Any] = {}
        for c in conditions:
            if self.of(c, {}, known) is False:
                return

    def of(self, node: Expr, maps: Mapping[str, Value], known: dict[int, Any]) -> Any:
        """A Form of a number, a Boolean, another value, or UNDEFINED."""
        found = known.get(id(node), self)
        if found is self:
            found = known[id(node)] = self._visit(node, maps, known)
        return found

    def _visit(self, node: Expr, maps: Mapping[str, Value], known: dict[int, Any]) -> Any:
        op = node.op
        self.effort.spend(1)
        if self.path not in node.free:
            return self._plain(exact.evaluate(node, {**self.design, **maps}))
        if op == "var":
            return (Fraction(0), Fraction(1)), ONE
        if op in ("solve", "solvable"):
            return self._solved(node, maps, known)
        if op in ("and", "or"):
            for a in node.args:
                part = self.of(a, maps, known)
                if part is (op == "or"):
                    return part
                if part is UNDEFINED:
                    return part
            return op == "and"
        if op == "if":
            condition = self.of(node.args[0], maps, known)
            return condition if condition is UNDEFINED else self.of(node.args[1 if condition else 2], maps, known)
        args = [self.of(a, maps, known) for a in node.args]
        if any(a is UNDEFINED for a in args):
            return UNDEFINED
        if op == "not":
            return not args[0]
        if op == "eq" and node.args[0].type.kind != "number":
            return args[0] == args[1]
        if op == "lookup":
            return self._looked_up(node, args)
        return self._number(op, args)

    def _plain(self, result: object) -> Any:
        if result is exact.UNDEFINED:
            return UNDEFINED
        if isinstance(result, Fraction):
            return constant(result)
        if result is exact.UNKNOWN or isinstance(result, exact.Enclosure):
            raise Untold
        return result

    def _number(self, op: str, args: list[Any]) -> Any:
        if op in ("add", "mul"):
            found = args[0]
            for a in args[1:]:
                found = (add if op == "add" else multiply)(found, a)
            return self._lowest(found)
        if op in ("lt", "le", "eq"):
            sign = self._sign(add(args[0], negative(args[1])))
            return sign < 0 if op == "lt" else sign <= 0 if op == "le" else sign == 0
        if op == "div":
            if not args[1][0]:
                return UNDEFINED
            self._sign(args[1])
            return self._lowest(multiply(args[0], (args[1][1], args[1][0])))
        if op in ("floor", "ceil"):
            return self._rounded(args[0], op == "ceil")
        if op == "mod":
            if not args[1][0]:
                return UNDEFINED
            ratio = self._rounded(self._lowest(multiply(args[0], (args[1][1], args[1][0]))), False)
            return self._lowest(add(args[0], negative(multiply(args[1], ratio))))
        if op in ("min", "max"):
            found = args[0]
            for a in args[1:]:
                if (self._sign(add(a, negative(found))) < 0) == (op == "min"):
                    found = a
            return found
        if op == "abs":
            return args[0] if self._sign(args[0]) >= 0 else negative(args[0])
        if op == "pow" and len(args[1][0]) <= 1 and args[1][1] == ONE:
            exponent = args[1][0][0] if args[1][0] else Fraction(0)
            if exponent.denominator == 1 and 0 < exponent <= 8:
                found = args[0]
                for _ in range(int(exponent) - 1):
                    found = multiply(found, args[0])
                return found
        raise Untold

    def _lowest(self, f: Form) -> Form:
        """A constant denominator made 1."""
        n, d = f
        return (trimmed([a / d[0] for a in n]), ONE) if len(d) == 1 and d != ONE else f

    def _sign(self, f: Form) -> int:
        """The sign of a form on the interval; where it or its denominator has a root, that divides the interval."""
        n, d = f
        self._divide(roots(d, self.low, self.high))
        if not n:
            return 0
        self._divide(roots(n, self.low, self.high))
        return 1 if at(n, self.middle) * at(d, self.middle) > 0 else -1

    def _divide(self, points: Sequence[Point]) -> None:
        if points:
            raise Split(points)

    def _rounded(self, f: Form, upwards: bool) -> Form:
        if len(f[0]) <= 1 and len(f[1]) == 1:
            v = value(f, self.middle)
            assert v is not None
            return constant(Fraction(math.ceil(v) if upwards else math.floor(v)))
        self.effort.spend(ROUNDED)
        self._divide(roots(f[1], self.low, self.high))
        steep = slope(f)
        if steep:
            self._divide(roots(steep, self.low, self.high))
        v = value(f, self.middle)
        assert v is not None
        first, last = math.floor(v) + 1 - STEPS // 2, math.floor(v) + STEPS // 2
        ends = [None if x is None else value(f, x) for x in (self.low, self.high)]
        if None not in ends:  # without poles and turns between its ends, it takes only what lies between those
            low, high = sorted(e for e in ends if e is not None)
            first, last = max(first, math.floor(low) + 1), min(last, math.ceil(high) - 1)
        steps = range(first, last + 1)
        points = [p for s in steps for p in roots(add(f, constant(Fraction(-s)))[0], self.low, self.high)]
        self._divide(points)
        return constant(Fraction(math.ceil(v) if upwards else math.floor(v)))

    def _looked_up(self, node: Expr, args: list[Any]) -> Any:
        rows: Lookup = node.payload  # type: ignore[assignment]
        for key, found in zip(rows.keys, rows.values, strict=True):
            if all(self._same(a, k) for a, k in zip(args, key, strict=True)):
                return self._plain(found)
        return self._plain(rows.default[0]) if rows.default else UNDEFINED

    def _same(self, a: Any, key: Value) -> bool:
        if isinstance(key, Fraction):
            return self._sign(add(a, constant(-key))) == 0
        return bool(a == key)

    # ---- maps

    def _solved(self, node: Expr, outer: Mapping[str, Value], known: dict[int, Any]) -> Any:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        best = known.get(id(problem), self)
        if best is self:
            best = known[id(problem)] = self._best(problem, outer)
        if node.op == "solvable":
            return best is not None
        return UNDEFINED if best is None else self.of(node.args[0], best[0], best[1])

    def _best(self, problem: MapProblem, outer: Mapping[str, Value]) -> tuple[dict[str, Value], dict[int, Any]] | None:
        """The best mapping on the interval, by the same order as the reference: declared first among equals."""
        if math.prod(len(m.values) for m in problem.maps) > MAPPINGS:
            raise Untold
        found: tuple[dict[str, Value], dict[int, Any], list[Form]] | None = None
        for combination in itertools.product(*(range(len(m.values)) for m in problem.maps)):
            maps: dict[str, Value] = dict(outer)
            known: dict[int, Any] = {}
            live = True
            for m, k in zip(problem.maps, combination, strict=True):
                if self.of(m.guard, maps, {}) is not True:
                    live = live and k == 0
                else:
                    live = live and (m.allowed is None or self.of(m.allowed[k], maps, {}) is True)
                    maps[m.path] = m.values[k]
                if not live:
                    break
            if not live or any(self.of(r, maps, known) is not True for r in problem.requirements):
                continue
            goals = [self.of(g, maps, known) for g in problem.goals]
            if any(g is UNDEFINED for g in goals):
                continue
            if found is None or self._before(goals, found[2]):
                found = maps, known, goals
        return None if found is None else found[:2]

    def _before(self, a: list[Form], b: list[Form]) -> bool:
        for x, y in zip(a, b, strict=True):
            sign = self._sign(add(x, negative(y)))
            if sign:
                return sign < 0
        return False
