"""Mapping problems as axes of arrays: the best mapping of each design is an argmin, quantities are picked at it.

Maps become axes, in declared order from the left, so the flat position of a mapping is its place in declared order and
ties go to the first. A map that is not live stays at its first value; reading it there is what a checked spec protects.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy
from attrs import evolve, frozen
from cospace.compiler.numbers.ranges import UNIT
from cospace.compiler.numbers.steps import Emitter, Ref, Value_, join
from cospace.compiler.space.graph import Expr, MapDecision, MapProblem

CLOSE = 1e-12
"""Two goals this close, relatively, count as equal: what is equal exactly may differ by rounding."""


@frozen(eq=False)
class Frame:
    """The maps of one problem as axes: `base` axes of enclosing problems stand right of them."""

    problem: MapProblem
    base: int
    paths: frozenset[str]

    def level(self, path: str) -> int | None:
        for i, m in enumerate(self.problem.maps):
            if m.path == path:
                return self.base + len(self.problem.maps) - i
        return None


Scope = tuple[Frame, ...]


class MapSolver(Emitter):
    """The part of the builder that knows `solve` and `solvable`."""

    def __init__(self, certify: bool = False) -> None:
        super().__init__(certify)
        self._frames: dict[tuple[int, Scope], Frame] = {}
        self._solved: dict[tuple[Frame, tuple[str, ...]], tuple[Ref, Ref, bool]] = {}
        self._ties: dict[tuple[Frame, tuple[str, ...]], Ref] = {}

    @abstractmethod
    def compile(self, root: Expr, scope: Scope = (), table: tuple[str, ...] = ()) -> Value_:
        """The array of a node."""

    def masked_bool(self, value: Ref, defined: Ref | None) -> Value_:
        """A Boolean that is false where it is undefined."""
        joined = self.both(value, defined) if defined is not None else value
        return Value_(joined if joined is not None else self.scalar(True), defined)

    def solve(self, node: Expr, scope: Scope, table: tuple[str, ...]) -> Value_:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        frame = self._frame(problem, scope)
        position, found, certain = self._best(frame, scope, table)
        if node.op == "solvable":
            return Value_(found)
        quantity = self.compile(node.args[0], (*scope, frame), table)
        ref = self._pick(quantity.ref, position, frame)
        if not certain and ref is not quantity.ref:
            ref = self._watched(ref, quantity.ref, found, frame, table)
        sure = found.const is not None and bool(found.const.all())
        if ref.kind == "bool":
            defined = None if quantity.defined is None else self._pick(quantity.defined, position, frame)
            return Value_(ref, None) if sure and defined is None else self.masked_bool(ref, self.both(found, defined))
        if sure:
            return Value_(ref)
        missing = self.scalar(math.nan) if ref.kind == "number" else self.constant(numpy.array([-1]), "index")
        return Value_(self.emit("where", found, ref, missing, kind=ref.kind, span=ref.range, nan=True))

    def _frame(self, problem: MapProblem, outer: Scope) -> Frame:
        key = (id(problem), outer)
        if key not in self._frames:
            self._alive.append(problem)
            self._frames[key] = Frame(
                problem, sum(len(f.problem.maps) for f in outer), frozenset(m.path for m in problem.maps)
            )
        return self._frames[key]

    def _best(self, frame: Frame, outer: Scope, table: tuple[str, ...]) -> tuple[Ref, Ref, bool]:
        """Flat position of the best mapping, whether there is one, and whether the position is beyond doubt."""
        key = (frame, table)
        if key in self._solved:
            return self._solved[key]
        problem, scope = frame.problem, (*outer, frame)
        axes, size = len(problem.maps), math.prod(len(m.values) for m in problem.maps)
        meets = self._feasible(frame, scope, table)
        goals = [self.compile(g, scope, table).ref for g in problem.goals]
        for goal in goals:
            if goal.nan:
                meets = self.both(meets, self.negate(self.emit("isnan", goal, kind="bool")))
        full = tuple(len(m.values) for m in problem.maps) + (1,) * frame.base
        full = join([full, *(g.dims for g in goals), *([meets.dims] if meets is not None else [])])
        rest = full[axes:]
        always = self.scalar(True)
        tied = meets if meets is not None else always
        found: Ref | None = None
        certain = True
        for i, goal in enumerate(goals):
            relative, absolute = (0.0, 0.0) if goal.range.exact else (CLOSE, 0.0)
            if self.certify and not goal.range.exact:
                share = goal.range.share
                relative, absolute = (2.02 * share + 4 * UNIT, 0.0) if share < 1e-3 else (0.0, 2.02 * goal.range.error)
                certain = False
            if i == 0:
                masked = self.emit("masked", goal, tied, dims=full, setting=math.inf, span=goal.range, nan=False)
                least = self.emit("least", masked, setting=axes, dims=rest, span=goal.range, nan=False)
                found = self.emit("finite", least, kind="bool")
                tied = self.emit("at_most", masked, least, kind="bool", setting=(relative, absolute))
            else:
                tied = self._full(tied, full)
                tied = self.emit("break_ties", tied, goal, kind="bool", setting=(axes, relative, absolute))
            if not certain:
                break
        if found is None:
            found = self._any_mapping(tied, full, axes)
        tied = self._full(tied, full)
        position = self.emit("first_true", tied, kind="index", dims=rest, setting=(axes, size), nan=False)
        if meets is None:
            found = always
        self._ties[frame, table] = tied
        self._solved[key] = (position, found, certain)
        return self._solved[key]

    def _full(self, ref: Ref, full: tuple[int, ...]) -> Ref:
        if ref.dims == full:
            return ref
        blank = self.constant(numpy.zeros((*full, 1), dtype=numpy.bool_), "bool", full)
        return self.emit("or", ref, blank, kind="bool", dims=full)

    def _any_mapping(self, tied: Ref, full: tuple[int, ...], axes: int) -> Ref:
        return self.emit("any", self._full(tied, full), kind="bool", dims=full[axes:], setting=axes)

    def _feasible(self, frame: Frame, scope: Scope, table: tuple[str, ...]) -> Ref | None:
        total: list[Ref | None] = []
        for m in frame.problem.maps:
            level = frame.level(m.path)
            assert level is not None
            total.append(self._within(m, level, scope, table))
        for requirement in frame.problem.requirements:
            total.append(self.compile(requirement, scope, table).ref)
        return self.both(*total)

    def _within(self, m: MapDecision, level: int, scope: Scope, table: tuple[str, ...]) -> Ref | None:
        """An assignment holds an allowed value of a live map, or the first value of one that is not."""
        dims = (len(m.values),) + (1,) * (level - 1)
        allowed: Ref | None = None
        for j, condition in enumerate(m.allowed or ()):
            here = numpy.zeros((*dims, 1), dtype=numpy.bool_)
            here[j] = True
            one = self.emit(
                "and", self.constant(here, "bool", dims), self.compile(condition, scope, table).ref, kind="bool"
            )
            allowed = one if allowed is None else self.emit("or", allowed, one, kind="bool")
        live = self.compile(m.guard, scope, table).ref
        if live.const is not None and live.const.all():
            return allowed
        first = numpy.zeros((*dims, 1), dtype=numpy.bool_)
        first[0] = True
        only = self.constant(first, "bool", dims)
        if allowed is None:
            return self.emit("or", live, only, kind="bool")
        return self.emit("where", live, allowed, only, kind="bool")

    def _pick(self, quantity: Ref, position: Ref, frame: Frame) -> Ref:
        sizes = tuple(len(m.values) for m in frame.problem.maps)
        axes, base = len(sizes), frame.base
        dims = (1,) * (base + axes - len(quantity.dims)) + quantity.dims
        own, rest = dims[:axes], dims[axes:]
        if all(s == 1 for s in own):
            return self._dropped(quantity, dims, frame, position)
        where = position
        if own != sizes:
            plan = []
            divisor, stride = 1, 1
            for size, mine in reversed(list(zip(sizes, own, strict=True))):
                if mine > 1:
                    plan.append((divisor, size, stride))
                    stride *= size
                divisor *= size
            where = self.emit(
                "sub_position", position, kind="index", dims=position.dims, setting=tuple(plan), nan=False
            )
        out = join([rest, position.dims])
        return self.emit(
            "pick", quantity, where, kind=quantity.kind, dims=out, setting=(axes, math.prod(own), base),
            span=quantity.range, nan=quantity.nan,
        )  # fmt: skip

    def _dropped(self, quantity: Ref, dims: tuple[int, ...], frame: Frame, position: Ref) -> Ref:
        axes = len(frame.problem.maps)
        if len(quantity.dims) <= len(dims) - axes:
            return quantity
        return self.emit(
            "pick", quantity, self.emit("sub_position", position, kind="index", setting=(), nan=False),
            kind=quantity.kind, dims=join([dims[axes:], position.dims]), setting=(axes, 1, frame.base),
            span=quantity.range, nan=quantity.nan,
        )  # fmt: skip

    def _watched(self, ref: Ref, quantity: Ref, found: Ref, frame: Frame, table: tuple[str, ...]) -> Ref:
        """When rounding leaves several mappings possible, the quantity has to be as good as equal at all of them."""
        tied, axes, span = self._ties[frame, table], len(frame.problem.maps), quantity.range
        if ref.kind == "number":
            near = self.emit("near", quantity, ref, kind="bool", setting=span.error)
        else:
            near = self.emit("eq", quantity, ref, kind="bool")
        differs = self.emit("and", self.negate(near), tied, kind="bool")
        doubt = self.emit("any", differs, kind="bool", setting=axes, dims=differs.dims[axes:])
        doubt = self.both(doubt, found) or doubt
        wide = evolve(span, error=span.error * 2.01, relative=math.inf)
        return self.emit(
            "same", ref, kind=ref.kind, span=wide, nan=ref.nan, checks=(doubt,), setting=doubt.id, dims=ref.dims
        )
