"""The reference meaning of an expression at one design: exact rationals, nothing shared with the batched backends.

What is not rational (`log2 log10 log exp sqrt cos`, powers) is an `Enclosure` of two rationals, recomputed with more
digits until each comparison is decided; one that stays undecided is `UNKNOWN`. What has no value (division by zero,
the logarithm of 0, a work without a mapping, a decision that is not live) is `UNDEFINED`. Both are values that
propagate: `and`, `or` and `if` protect from left to right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from weakref import WeakKeyDictionary

from attrs import evolve
from cospace.compiler.exact.enclosures import GivenUp
from cospace.compiler.exact.reals import (
    ARITHMETIC,
    UNDEFINED,
    UNKNOWN,
    Enclosure,
    Inner,
    Precision,
    Result,
    Undefined,
    Unknown,
    compare,
)
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import Expr, MapProblem, Value, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.rationals import whole_as_int
from cospace.compiler.space.walks import walk_outside_problems
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError

__all__ = [
    "DIGITS", "UNDEFINED", "UNKNOWN", "Enclosure", "Evaluation", "Result", "Undecided", "Undefined", "Unknown",
    "decided", "evaluate", "evaluate_all", "solve_maps", "undefined_in",
]  # fmt: skip

DIGITS = (25, 50, 100, 200)


def evaluate(expr: Expr, design: Design, inputs: Mapping[str, Value] | None = None) -> Result:
    """The value of `expr` at a design (path -> value of its live decisions).

    inputs: the values of `input` nodes by name; also of measures, by name. One that is missing is undefined.
    """
    return evaluate_all([expr], design, inputs)[0]


def evaluate_all(exprs: list[Expr], design: Design, inputs: Mapping[str, Value] | None = None) -> list[Result]:
    """Like `evaluate`, with the common parts of the expressions evaluated once."""
    results: list[Result] = []
    for digits in DIGITS:
        scope = _Scope.outermost(design, inputs or {}, Precision(digits))
        results = [_shown(_value(e, scope)) for e in exprs]
        if not any(r is UNKNOWN for r in results):
            break
    return results


class Undecided(SpecError):
    """CS610: whether a condition holds at a design is not known: numbers are too near to each other or too long."""

    def __init__(self, expr: Expr, design: Design, inputs: Mapping[str, Value] | None = None) -> None:
        met = (n for n in walk([expr]) if n.op not in ("const", "var") and evaluate(n, design, inputs) is UNKNOWN)
        node = next(met, expr)
        where = ", ".join(f"{p} = {v}" for p, v in design.items() if p in node.free)
        self.reason = f"a comparison can't be decided at {where or 'any design'}: its numbers are too near, or too long"
        self._design = design
        help = "compare with a number that is not just the value itself, or leave the comparison out"
        super().__init__((Diagnostic("CS610", "error", self.reason, NOWHERE, help=help),))

    def __str__(self) -> str:
        return self.reason

    def within(self, space: Space) -> Undecided:
        """The same, at the place of what asks for it in a space."""
        asked = [(e, r.span) for r in space.requirements for e in (r.guard, r.value)]
        asked += [(o.value, o.span) for o in space.objectives]
        place = next((span for e, span in asked if evaluate(e, self._design) is UNKNOWN), NOWHERE)
        self.diagnostics = tuple(evolve(d, span=place) for d in self.diagnostics)
        return self


def decided(expr: Expr, design: Design, inputs: Mapping[str, Value] | None = None) -> bool:
    """Whether a condition holds; an undefined one does not. Raises Undecided where that is not known."""
    result = evaluate(expr, design, inputs)
    if result is UNKNOWN:
        raise Undecided(expr, design, inputs)
    return result is True


class Evaluation:
    """One design that is asked expression after expression; what they share is evaluated once.

    The design may grow between questions, as long as nothing asked before reads what is added. assignments: of maps
    that may be tried before the answer is `UNKNOWN`; what is `left` of them.
    """

    def __init__(self, design: Design, assignments: float = math.inf) -> None:
        self._precision = Precision(DIGITS[0], assignments)
        self._scope = _Scope.outermost(design, {}, self._precision)

    @property
    def left(self) -> float:
        return self._precision.assignments

    def __call__(self, expr: Expr) -> Result:
        """As `evaluate`."""
        result = _shown(_value(expr, self._scope))
        return evaluate(expr, self._scope.values) if result is UNKNOWN and self.left > 0 else result


def undefined_in(expr: Expr, design: Design) -> Expr | None:
    """The node that leaves an expression without a value at a design: all that it reads there has one; else None."""
    value = Evaluation(design)
    node = expr
    if value(node) is not UNDEFINED:
        return None
    while True:
        below = node.args
        if node.op == "if":
            condition = value(below[0])
            below = below[:1] if condition is UNDEFINED else (below[1] if condition is True else below[2],)
        elif node.op in ("solve", "solvable"):
            return node  # what it reads is read at a mapping
        found = next((a for a in below if value(a) is UNDEFINED), None)
        if found is None:
            return node
        node = found


def solve_maps(
    problem: MapProblem, design: Design, inputs: Mapping[str, Value] | None = None
) -> dict[str, Value] | Undefined | Unknown:
    """The best mapping of a work: path -> value of its live maps; UNDEFINED when there is none."""
    found: _Scope | Undefined | Unknown = UNKNOWN
    for digits in DIGITS:
        scope = _Scope.outermost(design, inputs or {}, Precision(digits))
        found = _solve(problem, scope)
        if not isinstance(found, Unknown):
            break
    if isinstance(found, _Scope):
        own = {m.path for m in problem.maps}
        return {path: value for path, value in found.assigned().items() if path in own}
    return found


# ---- scopes: the design, and inside a `solve` one more for each map that is assigned


class _Scope:
    """Values of paths and results so far. A node that does not read this scope's path is the parent's to evaluate."""

    __slots__ = ("inputs", "memo", "parent", "path", "precision", "solved", "value", "values")

    def __init__(
        self,
        parent: _Scope | None,
        path: str | None,
        value: Value | None,
        values: Design,
        inputs: Mapping[str, Value],
        precision: Precision,
    ) -> None:
        self.parent = parent
        self.path = path
        self.value = value
        self.values = values
        self.inputs = inputs
        self.precision = precision
        self.memo: dict[int, Inner] = {}
        self.solved: dict[int, _Scope | Undefined | Unknown] = {}

    @staticmethod
    def outermost(design: Design, inputs: Mapping[str, Value], precision: Precision) -> _Scope:
        return _Scope(None, None, None, design, inputs, precision)

    def inner(self, path: str, value: Value | None) -> _Scope:
        """One more map assigned; `None` is a map that is not live."""
        return _Scope(self, path, value, self.values, self.inputs, self.precision)

    def read(self, path: str) -> Result:
        scope: _Scope | None = self
        while scope is not None:
            if scope.path == path:
                return UNDEFINED if scope.value is None else scope.value
            if scope.parent is None:
                return scope.values.get(path, UNDEFINED)
            scope = scope.parent
        return UNDEFINED

    def assigned(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        scope: _Scope | None = self
        while scope is not None and scope.path is not None:
            if scope.value is not None:
                found.setdefault(scope.path, scope.value)
            scope = scope.parent
        return dict(reversed(found.items()))


DEEP = 100
"""Levels of a graph that are evaluated from above; what lies below is evaluated first, arguments before users."""


def _shown(found: Inner) -> Result:
    """A result as others read it: a rational is a Fraction."""
    return Fraction(found) if found.__class__ is int else found  # type: ignore[return-value]


def _value(node: Expr, scope: _Scope, depth: int = 0) -> Inner:
    """The value of a node, once for all that ask in the outermost scope that knows all it reads."""
    if node.op == "const":
        return node.plain  # type: ignore[return-value]
    outer = scope.parent
    if outer is not None:
        free = node.free
        while outer is not None and scope.path not in free:
            scope, outer = outer, outer.parent
    found = scope.memo.get(id(node))
    if found is None:
        if depth > DEEP:
            for below in walk_outside_problems(node):
                found = _value(below, scope)
            assert found is not None
            return found
        try:
            found = _made(node, scope, depth + 1)
        except GivenUp:
            found = UNKNOWN
        scope.memo[id(node)] = found
    return found


def _made(node: Expr, scope: _Scope, depth: int) -> Inner:
    """The value of a node from those of its arguments; nothing is asked that an earlier one protects."""
    op = node.op
    arithmetic = ARITHMETIC.get(op)
    if arithmetic is not None:
        args = _arguments(node, scope, depth)
        return arithmetic(args, scope.precision) if isinstance(args, list) else args
    if op == "var":
        return whole_as_int(scope.read(str(node.payload)))  # type: ignore[no-any-return]
    if op in ("and", "or"):
        return _junction(node, scope, depth, stop=op == "or")
    if op == "if":
        condition = _value(node.args[0], scope, depth)
        if not isinstance(condition, bool):
            return UNDEFINED if condition is UNDEFINED else UNKNOWN
        return _value(node.args[1] if condition else node.args[2], scope, depth)
    if op in ("solve", "solvable"):
        if op == "solvable" and id(node.payload) not in scope.solved:
            return _solvable(node.payload, scope)  # type: ignore[arg-type]
        best = _solved(node.payload, scope)  # type: ignore[arg-type]
        if op == "solvable":
            return UNKNOWN if isinstance(best, Unknown) else isinstance(best, _Scope)
        return _value(node.args[0], best) if isinstance(best, _Scope) else best
    if op == "input":
        return scope.inputs.get(str(node.payload), UNDEFINED)
    if op in ("measure", "external"):
        named: External = node.payload  # type: ignore[assignment]
        return scope.inputs.get(named.name, UNDEFINED) if op == "measure" else UNDEFINED
    args = _arguments(node, scope, depth)
    if not isinstance(args, list):
        return args
    if op == "not":
        return not args[0]
    if op in ("eq", "lt", "le"):
        return compare(op, args[0], args[1])
    assert op == "lookup"
    return _look(node, args)


def _arguments(node: Expr, scope: _Scope, depth: int) -> list[Inner] | Undefined | Unknown:
    """The values of all arguments; what the node is where one of them has none."""
    args: list[Inner] = []
    unknown = False
    for a in node.args:
        got: Inner = a.plain if a.op == "const" else _value(a, scope, depth)  # type: ignore[assignment]
        if got is UNDEFINED:
            return UNDEFINED
        unknown = unknown or got is UNKNOWN
        args.append(got)
    return UNKNOWN if unknown else args


def _look(node: Expr, keys: list[Inner]) -> Result:
    """The row with these keys; a real that is not rational can't be told from a key."""
    rows: Lookup = node.payload  # type: ignore[assignment]
    if any(isinstance(k, Enclosure) for k in keys):
        return UNKNOWN
    found = rows[tuple(keys)]  # type: ignore[arg-type]
    return UNDEFINED if found is None else found


def _junction(node: Expr, scope: _Scope, depth: int, stop: bool) -> Result:
    unknown = False
    for a in node.args:
        got = _value(a, scope, depth)
        if got is UNDEFINED:
            return UNKNOWN if unknown else UNDEFINED
        if got is stop:
            return stop
        unknown = unknown or got is UNKNOWN
    return UNKNOWN if unknown else not stop


# ---- mapping problems


REMEMBERED = 4_096
"""Mappings kept for each problem, by the values of the decisions that it reads."""


class _Solutions:
    """What mapping a problem has at which values of the decisions that it reads: the same in every design with them."""

    __slots__ = ("found", "paths")

    def __init__(self, problem: MapProblem) -> None:
        plain = problem.opaque <= {"external"}
        self.paths: tuple[str, ...] | None = tuple(sorted(problem.free)) if plain else None
        self.found: dict[object, tuple[Value | None, ...] | Undefined | Unknown] = {}


_solutions: WeakKeyDictionary[MapProblem, _Solutions] = WeakKeyDictionary()


def _solved(problem: MapProblem, scope: _Scope) -> _Scope | Undefined | Unknown:
    key = id(problem)
    if key not in scope.solved:
        scope.solved[key] = _recalled(problem, scope) if scope.parent is None else _solve(problem, scope)
    return scope.solved[key]


def _recalled(problem: MapProblem, scope: _Scope) -> _Scope | Undefined | Unknown:
    """The scope of the best mapping, solved at most once for all designs that agree in what the problem reads."""
    known = _solutions.get(problem)
    if known is None:
        known = _solutions[problem] = _Solutions(problem)
    if known.paths is None:
        return _solve(problem, scope)
    key = (scope.precision.digits, tuple([scope.values.get(p) for p in known.paths]))
    found = known.found.get(key)
    if found is None:
        best = _solve(problem, scope)
        if len(known.found) >= REMEMBERED:
            known.found.clear()
        if isinstance(best, _Scope):
            taken = best.assigned()
            known.found[key] = tuple([taken.get(m.path) for m in problem.maps])
        else:
            known.found[key] = best
        return best
    if isinstance(found, (Undefined, Unknown)):
        return found
    for m, value in zip(problem.maps, found, strict=True):
        scope = scope.inner(m.path, value)
    return scope


def _solve(problem: MapProblem, scope: _Scope) -> _Scope | Undefined | Unknown:
    """The scope of the best mapping. An undefined requirement or goal is not a mapping."""
    best: _Scope | None = None
    best_goals: list[Inner] = []
    for candidate in _mappings(problem, scope):
        if isinstance(candidate, Unknown):
            return UNKNOWN
        goals: list[Inner] = []
        for goal in problem.goals:
            goals.append(_value(goal, candidate))
            if goals[-1] is UNDEFINED or (best_goals and _exceeds(goals[0], best_goals[0])):
                break  # whatever the other goals are
        else:
            if any(g is UNKNOWN for g in goals):
                return UNKNOWN
            better = best is None or _before(goals, best_goals)
            if isinstance(better, Unknown):
                return UNKNOWN
            if better:
                best, best_goals = candidate, goals
    return UNDEFINED if best is None else best


def _solvable(problem: MapProblem, scope: _Scope) -> bool | Unknown:
    """Whether there is a mapping: the first one tells, which of them is best may never be asked."""
    for candidate in _mappings(problem, scope):
        if isinstance(candidate, Unknown):
            return UNKNOWN
        goals = [_value(g, candidate) for g in problem.goals]
        if any(g is UNKNOWN for g in goals):
            return UNKNOWN
        if not any(g is UNDEFINED for g in goals):
            return True
    return False


def _exceeds(a: Inner, b: Inner) -> bool:
    return a is not UNKNOWN and compare("lt", b, a) is True


def _before(a: list[Inner], b: list[Inner]) -> bool | Unknown:
    """Whether goals `a` are strictly less, one after the other."""
    for x, y in zip(a, b, strict=True):
        less = compare("lt", x, y)
        if less is True:
            return True
        if isinstance(less, Unknown):
            return UNKNOWN
        same = compare("eq", x, y)
        if same is not True:
            return UNKNOWN if isinstance(same, Unknown) else False
    return False


def _mappings(problem: MapProblem, outer: _Scope) -> Iterator[_Scope | Unknown]:
    """Assignments in declared order, cut as soon as a requirement over the maps so far fails."""
    due = _due(problem)

    def extend(scope: _Scope, i: int) -> Iterator[_Scope | Unknown]:
        scope.precision.assignments -= 1
        if scope.precision.assignments <= 0:
            raise GivenUp
        for requirement in due[i]:
            met = _value(requirement, scope)
            if met is UNKNOWN:
                yield UNKNOWN
                return
            if met is not True:
                return
        if i == len(problem.maps):
            yield scope
            return
        m = problem.maps[i]
        live = _value(m.guard, scope)
        if live is UNKNOWN:
            yield UNKNOWN
        elif live is not True:
            yield from extend(scope.inner(m.path, None), i + 1)
        else:
            for j, value in enumerate(m.values):
                allowed = True if m.allowed is None else _value(m.allowed[j], scope)
                if allowed is UNKNOWN:
                    yield UNKNOWN
                elif allowed is True:
                    yield from extend(scope.inner(m.path, value), i + 1)

    return extend(outer, 0)


def _due(problem: MapProblem) -> list[list[Expr]]:
    """Requirements by the number of maps that have to be assigned before them."""
    due: list[list[Expr]] = [[] for _ in range(len(problem.maps) + 1)]
    for requirement in problem.requirements:
        read = [i + 1 for i, m in enumerate(problem.maps) if m.path in requirement.free]
        due[max(read, default=0)].append(requirement)
    return due
