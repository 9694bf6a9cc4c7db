"""What an expression can be before any design is chosen: rational bounds, possible truth values, definedness.

Bounds hold for every design whose decisions take values of their domains; they need not be reached. An expression of
one decision is enumerated, and a condition narrows the domains of the decisions that it reads alone, so that guards
protect what stands behind them. `solve` is the hull over all mappings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Mapping, Sequence
from fractions import Fraction

from attrs import evolve
from cospace.compiler.bounds.intervals_rules import (
    INFINITY,
    RULES,
    End,
    Interval,
    largest_end,
    least_end,
    may_fail,
    shorten,
)
from cospace.compiler.exact.enclosures import GivenUp
from cospace.compiler.exact.exact import UNDEFINED, UNKNOWN, Enclosure, Result, Unknown, evaluate, evaluate_all
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import Expr, MapProblem, Value
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.walks import walk_outside_problems

__all__ = ["Bounder", "Interval", "bounds", "narrow"]

ENUMERATED = 256
"""Values of a domain that are tried one by one, at most."""
MAPPINGS = 64
"""Mappings of a work that are tried one by one, at most."""
VISITS = 200_000
"""Nodes visited in one call before conditions stop narrowing domains."""


_Domains = dict[str, tuple[Value, ...]]


def bounds(expr: Expr, domains: Mapping[str, Sequence[Value]]) -> Interval:
    """Bounds of an expression over domains (path -> values). A path without a domain is undefined there."""
    return Bounder(domains).bounds(expr)


def narrow(domains: Mapping[str, Sequence[Value]], fact: Expr, holds: bool = True) -> dict[str, tuple[Value, ...]]:
    """The domains left when `fact` holds (or doesn't): by every part of it that reads one decision alone."""
    known: _Domains = {path: tuple(values) for path, values in domains.items()}
    return {**known, **_narrower(known, fact, holds, {})}


_Kept = dict[tuple[int, bool, int], tuple[tuple[Value, ...], tuple[Value, ...]]]
"""A part of a fact, whether it holds, a domain, both by `id` -> that domain, and what is left of it."""


def _narrower(domains: _Domains, fact: Expr, holds: bool, memo: _Kept) -> _Domains:
    """Those domains that lose values when `fact` holds (or doesn't), with what is left of them."""
    left: _Domains = {}
    for part, positive in _conjuncts(fact, holds):
        if len(part.free) == 1:
            (path,) = part.free
            before = left[path] if path in left else domains.get(path, ())
            if 1 <= len(before) <= ENUMERATED:
                key = id(part), positive, id(before)
                if key not in memo:
                    results = [evaluate(part, {path: v}) for v in before]
                    kept = tuple(v for v, r in zip(before, results, strict=True) if r is positive or r is UNKNOWN)
                    memo[key] = before, kept
                if len(memo[key][1]) < len(before):
                    left[path] = memo[key][1]
    return left


def _conjuncts(fact: Expr, positive: bool) -> list[tuple[Expr, bool]]:
    found: list[tuple[Expr, bool]] = []
    pending = [(fact, positive)]
    while pending:
        e, sign = pending.pop()
        if e.op == "not":
            pending.append((e.args[0], not sign))
        elif e.op == ("and" if sign else "or"):
            pending.extend((a, sign) for a in e.args)
        else:
            found.append((e, sign))
    return found


_Request = tuple[Expr, _Domains]
_Work = Generator[_Request, Interval, Interval]


class Bounder:
    """`bounds` for many expressions over the same domains: what is common is bounded once."""

    def __init__(self, domains: Mapping[str, Sequence[Value]]) -> None:
        self.domains: _Domains = {path: tuple(values) for path, values in domains.items()}
        self._memo: dict[tuple[object, ...], Interval] = {}
        self._alive: list[Expr] = []
        self._visits = 0
        self._kept: _Kept = {}

    def bounds(self, expr: Expr) -> Interval:
        self._alive.append(expr)
        return self._run(expr, self.domains)

    def _run(self, expr: Expr, domains: _Domains) -> Interval:
        """Drive the generators below by hand: the graph may be deeper than Python's stack."""
        stack: list[tuple[tuple[object, ...], _Work]] = []
        answer: Interval | None = None
        request: _Request | None = (expr, domains)
        while True:
            if request is not None:
                key = self._key(*request)
                answer = self._memo.get(key)
                if answer is None:
                    self._visits += 1
                    stack.append((key, self._visit(*request)))
                request = None
            if not stack:
                assert answer is not None
                return answer
            key, work = stack[-1]
            try:
                request = next(work) if answer is None else work.send(answer)
                answer = None
            except StopIteration as done:
                answer = self._memo[key] = done.value
                stack.pop()
                if not stack:
                    return self._memo[key]

    def _key(self, node: Expr, domains: _Domains) -> tuple[object, ...]:
        changed = [p for p in node.free if domains.get(p) is not self.domains.get(p)]
        return (id(node), *((p, domains.get(p)) for p in sorted(changed)))

    # ---- one node

    def _visit(self, node: Expr, domains: _Domains) -> _Work:
        op = node.op
        if op == "const":
            return _of_values([node.value])
        if op == "var":
            values = domains.get(str(node.payload))
            return _of_values(values) if values else Interval(values=_nothing(node), undefined=node)
        if op == "input":
            return Interval()
        if op == "measure":
            known: External = node.payload  # type: ignore[assignment]
            low, high = known.low, known.high
            return Interval(-INFINITY if low is None else low, INFINITY if high is None else high)
        if op == "external":
            return Interval(undefined=node)
        listed = self._enumerated(node, domains)
        if listed is not None:
            return listed
        if op == "if":
            return (yield from self._branch(node, domains))
        if op in ("and", "or"):
            return (yield from self._junction(node, domains))
        if op in ("solve", "solvable"):
            return self._solve(node, domains)
        args: list[Interval] = []
        for a in node.args:
            args.append((yield a, domains))
        undefined = next((a.undefined for a in args if a.undefined is not None), None)
        if op == "not":
            truths = args[0].values or frozenset((True, False))
            return Interval(values=frozenset(not v for v in truths), undefined=undefined)
        if op in ("eq", "lt", "le"):
            return Interval(values=_compared(op, node, args[0], args[1]), undefined=undefined)
        if op == "lookup":
            return _looked_up(node, args, undefined)
        try:
            made = RULES[op](args)
        except GivenUp:
            made = Interval()
        if undefined is None and may_fail(op, args):
            undefined = node
        return evolve(shorten(made), undefined=undefined)

    def _enumerated(self, node: Expr, domains: _Domains) -> Interval | None:
        """An expression of one decision, by trying its values."""
        if len(node.free) != 1 or not is_modelled(node):
            return None
        (path,) = node.free
        values = domains.get(path)
        if not values or len(values) > ENUMERATED:
            return None
        results = [evaluate(node, {path: v}) for v in values]
        if any(isinstance(r, Unknown) for r in results):
            return None
        blame = next((_blame(node, {path: v}) for v, r in zip(values, results, strict=True) if r is UNDEFINED), None)
        found = [r for r in results if r is not UNDEFINED]
        return evolve(_of_values(found), undefined=blame) if found else Interval(values=_nothing(node), undefined=blame)

    def _narrowed(self, domains: _Domains, fact: Expr, holds: bool) -> _Domains | None:
        """None when no value is left: what stands behind `fact` is never reached."""
        if self._visits > VISITS:
            return domains
        left = _narrower(domains, fact, holds, self._kept)
        if not all(left.values()):
            return None
        return {**domains, **left} if left else domains

    def _branch(self, node: Expr, domains: _Domains) -> _Work:
        condition, then, otherwise = node.args
        c: Interval = yield condition, domains
        parts: list[Interval] = []
        for e, side in ((then, True), (otherwise, False)):
            if c.values is not None and side not in c.values:
                continue
            inside = self._narrowed(domains, condition, side)
            if inside is not None:
                parts.append((yield e, inside))
        joined = _hull(parts) if parts else Interval(values=_nothing(node))
        return evolve(joined, undefined=c.undefined or joined.undefined)

    def _junction(self, node: Expr, domains: _Domains) -> _Work:
        stop = node.op == "or"
        possible: set[Value] = set()
        undefined: Expr | None = None
        inside: _Domains | None = domains
        reached = True
        for a in node.args:
            if inside is None:
                reached = False
                break
            found: Interval = yield a, inside
            undefined = undefined or found.undefined
            values = found.values if found.values is not None else frozenset((True, False))
            if stop in values:
                possible.add(stop)
            if (not stop) not in values:
                reached = False
                break
            inside = self._narrowed(inside, a, not stop)
        if reached and inside is not None:
            possible.add(not stop)
        return Interval(values=frozenset(possible), undefined=undefined)

    def _solve(self, node: Expr, domains: _Domains) -> Interval:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        inside: _Domains | None = {**domains, **{m.path: m.values for m in problem.maps}}
        for requirement in problem.requirements:
            inside = None if inside is None else self._narrowed(inside, requirement, True)
        solvable = self._solvable(problem, domains, inside)
        if node.op == "solvable":
            return Interval(values=solvable)
        if inside is None:
            return Interval(values=_nothing(node), undefined=node)
        found = self._run(node.args[0], inside)
        return evolve(found, undefined=found.undefined or (node if False in solvable else None))

    def _solvable(self, problem: MapProblem, domains: _Domains, inside: _Domains | None) -> frozenset[Value]:
        """Surely solvable when one fixed mapping surely meets everything; never when none can."""
        if inside is None:
            return frozenset((False,))
        possible = math.prod(len(m.values) for m in problem.maps) > MAPPINGS  # the rest might be mappings too
        for values in itertools.islice(itertools.product(*(m.values for m in problem.maps)), MAPPINGS):
            fixed = {**domains, **{m.path: (v,) for m, v in zip(problem.maps, values, strict=True)}}
            facts = list(problem.requirements)
            for m, v in zip(problem.maps, values, strict=True):
                facts += [m.guard, *([] if m.allowed is None else [m.allowed[m.values.index(v)]])]
            met = [self._run(e, fixed) for e in facts]
            sure = all(f.settled is True for f in met)
            if sure and all(not self._run(g, fixed).may_be_undefined for g in problem.goals):
                return frozenset((True,))
            guards = {id(m.guard) for m in problem.maps}
            possible = possible or all(
                id(e) in guards or f.values is None or True in f.values for e, f in zip(facts, met, strict=True)
            )
        return frozenset((True, False)) if possible else frozenset((False,))


# ---- values and hulls


def _nothing(node: Expr) -> frozenset[Value] | None:
    return None if node.type.kind == "number" else frozenset()


def _of_values(values: Sequence[Result]) -> Interval:
    first = values[0]
    if isinstance(first, (Fraction, Enclosure)):
        lows: list[End] = [v.low if isinstance(v, Enclosure) else v for v in values]  # type: ignore[misc]
        highs: list[End] = [v.high if isinstance(v, Enclosure) else v for v in values]  # type: ignore[misc]
        whole = all(isinstance(v, Fraction) and v.denominator == 1 for v in values)
        return Interval(least_end(lows), largest_end(highs), whole)
    return Interval(values=frozenset(values))  # type: ignore[arg-type]


def _looked_up(node: Expr, args: Sequence[Interval], undefined: Expr | None) -> Interval:
    """The hull of the rows that may be meant; defined where it has a default or every combination of keys a row."""
    rows: Lookup = node.payload  # type: ignore[assignment]
    found = [*rows.among([a.values if a.values is not None else (a.low, a.high) for a in args]), *rows.default]
    sure = bool(rows.default)
    if not sure and all(a.values is not None for a in args):
        sure = len(rows.among([a.values for a in args])) == math.prod(len(a.values or ()) for a in args)
    if not found:
        return Interval(values=_nothing(node), undefined=node)
    return evolve(_of_values(found), undefined=undefined or (None if sure else node))


def _hull(parts: Sequence[Interval]) -> Interval:
    undefined = next((p.undefined for p in parts if p.undefined is not None), None)
    if parts[0].values is not None:
        return Interval(values=frozenset().union(*(p.values or () for p in parts)), undefined=undefined)
    low, high = least_end(p.low for p in parts), largest_end(p.high for p in parts)
    return Interval(low, high, all(p.integral for p in parts), None, undefined)


def _blame(node: Expr, design: Mapping[str, Value]) -> Expr:
    """The smallest part of an undefined expression that has no value itself."""
    parts = list(walk_outside_problems(node))
    for part, result in zip(parts, evaluate_all(parts, design), strict=True):
        if result is UNDEFINED and part.op not in ("and", "or", "if"):
            return part
    return node


def _compared(op: str, node: Expr, a: Interval, b: Interval) -> frozenset[Value]:
    if node.args[0] is node.args[1]:
        return frozenset((op != "lt",))
    if a.values is not None or b.values is not None:
        left, right = a.values or frozenset(), b.values or frozenset()
        possible: set[Value] = set()
        if left & right:
            possible.add(True)
        if len(left) > 1 or len(right) > 1 or left != right:
            possible.add(False)
        return frozenset(possible)
    if op == "eq":
        if a.low == a.high == b.low == b.high:
            return frozenset((True,))
        return frozenset((False,)) if a.high < b.low or b.high < a.low else frozenset((True, False))
    if a.high < b.low or (op == "le" and a.high == b.low):
        return frozenset((True,))
    if a.low > b.high or (op == "lt" and a.low == b.high):
        return frozenset((False,))
    return frozenset((True, False))
