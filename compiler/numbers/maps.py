"""Mapping problems as axes of arrays: the best mapping of each design is an argmin, quantities are picked at it.

Maps become axes, in declared order from the left, so the flat position of a mapping is its place in declared order and
ties go to the first. A map that is not live stays at its first value; reading it there is what a checked spec protects.

Which values a map may take can hang on decisions. That is a table over them (`Kept`), so that a run may leave out of an
axis what none of its designs allows (`cases`).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy
from attrs import evolve, frozen
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.ranges import UNIT
from cospace.compiler.numbers.steps import Emitter, Ref, Value_, join, join_axes, unique
from cospace.compiler.space.graph import TRUE, Expr, MapDecision, MapProblem

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


@frozen(eq=False)
class First:
    """The least of the first goal, and how much more still counts as the least."""

    least: Ref
    relative: float
    absolute: float

    def limit(self, least: Array) -> Array:
        return least + (numpy.abs(least) * self.relative + self.absolute)


Scope = tuple[Frame, ...]

MARKS = 1 << 22
"""Entries of a table of what a map may take, at most."""


@frozen(eq=False)
class Kept:
    """Which values of a map may be taken at each combination of the decisions `over`: (|values|, combinations).

    At one where there is none the first is kept, as where the map is not live.
    """

    over: tuple[str, ...]
    values: Array


class MapSolver(Emitter):
    """The part of the builder that knows `solve` and `solvable`."""

    def __init__(self, certify: bool = False) -> None:
        super().__init__(certify)
        self._frames: dict[tuple[int, Scope], Frame] = {}
        self._solved: dict[tuple[Frame, tuple[str, ...]], tuple[Ref, Ref, bool]] = {}
        self._ties: dict[tuple[Frame, tuple[str, ...]], Ref] = {}
        self._first: dict[tuple[Frame, tuple[str, ...]], First | None] = {}
        self.kept: dict[str, Kept] = {}
        """What is known of maps whose values hang on decisions."""

    @abstractmethod
    def tabulated(self, exprs: Sequence[Expr], scope: Scope) -> tuple[tuple[str, ...], int] | None:
        """The decisions that conditions inside a problem read, and their combinations; None where there are too many,
        or something else is read."""

    @abstractmethod
    def gather(self, table: Ref, over: tuple[str, ...]) -> Ref:
        """A table over decisions at those of each design."""

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
        ref = self._pick(quantity.ref, position, frame, table)
        if not certain and ref is not quantity.ref:
            ref = self._watched(ref, quantity.ref, found, frame, table)
        sure = found.const is not None and bool(found.const.all())
        if ref.kind == "bool":
            defined = None if quantity.defined is None else self._pick(quantity.defined, position, frame, table)
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
        axes = len(problem.maps)
        meets = self._feasible(frame, scope, table)
        goals = [self.compile(g, scope, table).ref for g in problem.goals]
        for goal in goals:
            if goal.nan:
                meets = self.both(meets, self.negate(self.emit("isnan", goal, kind="bool")))
        full = tuple(len(m.values) for m in problem.maps) + (1,) * frame.base
        asked = [*goals, *([meets] if meets is not None else [])]
        full = join([full, *(a.dims for a in asked)])
        names = join_axes(full, asked)
        names = (*(m.path if len(m.values) > 1 else "" for m in problem.maps), *names[axes:])
        rest = full[axes:]
        always = self.scalar(True)
        tied = meets if meets is not None else always
        found: Ref | None = None
        first: First | None = None
        certain = True
        for i, goal in enumerate(goals):
            relative, absolute = (0.0, 0.0) if goal.range.exact else (CLOSE, 0.0)
            if self.certify and not goal.range.exact:
                share = goal.range.share
                relative, absolute = (2.02 * share + 4 * UNIT, 0.0) if share < 1e-3 else (0.0, 2.02 * goal.range.error)
                certain = False
            if i == 0:
                masked = self.emit(
                    "masked", goal, tied, dims=full, axes=names, setting=math.inf, span=goal.range, nan=False
                )
                least = self.emit("least", masked, setting=axes, dims=rest, span=goal.range, nan=False)
                first = First(least, relative, absolute)
                found = self.emit("finite", least, kind="bool")
                tied = self.emit("at_most", masked, least, kind="bool", setting=(relative, absolute))
            else:
                tied = self._full(tied, full, names)
                tied = self.emit("break_ties", tied, goal, kind="bool", setting=(axes, relative, absolute))
            if not certain:
                break
        if found is None:
            found = self._any_mapping(tied, full, names, axes)
        tied = self._full(tied, full, names)
        position = self.emit("first_true", tied, kind="index", dims=rest, setting=axes, nan=False)
        if meets is None:
            found = always
        self._ties[frame, table], self._first[frame, table] = tied, first
        self._solved[key] = (position, found, certain)
        return self._solved[key]

    def _full(self, ref: Ref, full: tuple[int, ...], names: tuple[str, ...]) -> Ref:
        if ref.dims == full:
            return ref
        return self.emit("or", ref, self.scalar(False), kind="bool", dims=full, axes=names)

    def _any_mapping(self, tied: Ref, full: tuple[int, ...], names: tuple[str, ...], axes: int) -> Ref:
        return self.emit("any", self._full(tied, full, names), kind="bool", dims=full[axes:], setting=axes)

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
        if m.guard is TRUE and m.allowed is None:
            return None
        dims = (len(m.values),) + (1,) * (level - 1)
        axes = (m.path if len(m.values) > 1 else "",) + ("",) * (level - 1)
        distinct = {id(c): c for c in (m.guard, *(m.allowed or ()))}
        known = None if table else self.tabulated(list(distinct.values()), scope)
        if known is not None and known[1] * math.prod(dims) > MARKS:
            known = None
        over = table if known is None else known[0]
        at = {i: self.compile(c, scope, over).ref for i, c in distinct.items()}
        if all(ref.const is not None and not any(ref.dims) for ref in at.values()):
            return self._tabulated_within(m, at, known, dims, axes)
        if known is not None:
            at = {i: self.compile(c, scope, table).ref for i, c in distinct.items()}

        def marks(positions: list[int]) -> Ref:
            here = numpy.zeros((*dims, 1), dtype=numpy.bool_)
            here[positions] = True
            return self.constant(here, "bool", dims, None, axes)

        allowed: Ref | None = None
        for i in {id(c): None for c in m.allowed or ()}:
            here = marks([j for j, c in enumerate(m.allowed or ()) if id(c) == i])
            one = self.emit("and", here, at[i], kind="bool")
            allowed = one if allowed is None else self.emit("or", allowed, one, kind="bool")
        live = at[id(m.guard)]
        if live.const is not None and live.const.all():
            return allowed
        if allowed is None:
            return self.emit("or", live, marks([0]), kind="bool")
        return self.emit("where", live, allowed, marks([0]), kind="bool")

    def _tabulated_within(
        self, m: MapDecision, at: dict[int, Ref], known: tuple[tuple[str, ...], int] | None,
        dims: tuple[int, ...], axes: tuple[str, ...],
    ) -> Ref | None:  # fmt: skip
        """As `_within` where all conditions are tables over the same decisions and read no map; `at`: their own."""
        cells = max(ref.const.shape[-1] for ref in at.values() if ref.const is not None)

        def row(condition: Expr) -> Array:
            return numpy.broadcast_to(at[id(condition)].const.reshape(-1), cells)  # type: ignore[union-attr]

        marks = numpy.ones((len(m.values), cells), dtype=numpy.bool_)
        if m.allowed is not None:
            rows = {id(c): row(c) for c in m.allowed}
            marks = numpy.stack([rows[id(c)] for c in m.allowed])
        first = numpy.zeros((len(m.values), 1), dtype=numpy.bool_)
        first[0] = True
        marks = numpy.where(row(m.guard), marks, first)
        if marks.all():
            return None
        made = self.constant(marks.reshape((*dims, cells)), "bool", dims, None, axes)
        made.checks = unique(c for ref in at.values() for c in ref.checks)
        if known is None:
            return made
        if not made.checks:
            self.kept[m.path] = Kept(known[0], numpy.where(marks.any(axis=0), marks, first))
        return self.gather(made, known[0])

    def _pick(self, quantity: Ref, position: Ref, frame: Frame, table: tuple[str, ...]) -> Ref:
        sizes = tuple(len(m.values) for m in frame.problem.maps)
        axes, base = len(sizes), frame.base
        dims = (1,) * (base + axes - len(quantity.dims)) + quantity.dims
        own, rest = dims[:axes], dims[axes:]
        if all(s == 1 for s in own) and len(quantity.dims) <= base:
            return quantity
        where = position
        if own != sizes:
            tied = self._ties[frame, table]
            where = self.emit(
                "sub_position", position, tied, quantity, kind="index", dims=position.dims, setting=(axes, base),
                nan=False,
            )  # fmt: skip
        return self.emit(
            "pick", quantity, where, kind=quantity.kind, dims=join([rest, position.dims]), setting=(axes, base),
            span=quantity.range, nan=quantity.nan,
        )  # fmt: skip

    def _watched(self, ref: Ref, quantity: Ref, found: Ref, frame: Frame, table: tuple[str, ...]) -> Ref:
        """When rounding leaves several mappings possible, the quantity has to be as good as equal at all of them."""
        tied, axes, span = self._ties[frame, table], len(frame.problem.maps), quantity.range
        relative, absolute, wide = 0.0, 0.0, span
        if ref.kind == "number":
            if span.exact:
                pass
            elif span.share < 1e-3:
                relative = 2.02 * span.share + 4 * UNIT
                share = (relative + span.share) * 1.02
                wide = evolve(span, error=share * (span.size + span.error) * 1.01, relative=share)
            else:
                absolute = span.error
                wide = evolve(span, error=span.error * 2.01, relative=math.inf)
        doubt = self.emit(
            "differ", tied, quantity, ref, kind="bool", setting=(axes, relative, absolute), dims=tied.dims[axes:],
        )  # fmt: skip
        doubt = self.both(doubt, found) or doubt
        return self.emit(
            "same", ref, kind=ref.kind, span=wide, nan=ref.nan, checks=(doubt,), setting=doubt.id, dims=ref.dims
        )
