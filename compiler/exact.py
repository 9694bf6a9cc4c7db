"""The reference meaning of an expression at one design: exact rationals, nothing shared with the batched backends.

What is not rational (`log2 log10 log exp sqrt cos`, powers) is an `Enclosure` of two rationals, recomputed with more
digits until each comparison is decided; one that stays undecided is `UNKNOWN`. What has no value (division by zero,
the logarithm of 0, a work without a mapping, a decision that is not live) is `UNDEFINED`. Both are values that
propagate: `and`, `or` and `if` protect from left to right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from attrs import frozen
from cospace.compiler import enclosures
from cospace.compiler.enclosures import Bounds, GivenUp
from cospace.compiler.graph import Expr, External, MapProblem, Symbol, Value
from cospace.compiler.model import Design


@frozen
class Undefined:
    def __repr__(self) -> str:
        return "UNDEFINED"


@frozen
class Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNDEFINED = Undefined()
UNKNOWN = Unknown()


@frozen
class Enclosure:
    """A real number between two rationals. Equal `term`s are the same number, however wide the bounds."""

    low: Fraction
    high: Fraction
    term: int

    @property
    def middle(self) -> Fraction:
        return (self.low + self.high) / 2


Result = Fraction | bool | Symbol | str | Enclosure | Undefined | Unknown

DIGITS = (25, 50, 100, 200)
LARGEST_BITS = 1 << 22
"""A rational longer than this is given up as unknown."""


def evaluate(expr: Expr, design: Design, inputs: Mapping[str, Value] | None = None) -> Result:
    """The value of `expr` at a design (path -> value of its live decisions).

    inputs: the values of `input` nodes by name; also of measures, by name. One that is missing is undefined.
    """
    return evaluate_all([expr], design, inputs)[0]


def evaluate_all(exprs: list[Expr], design: Design, inputs: Mapping[str, Value] | None = None) -> list[Result]:
    """Like `evaluate`, with the common parts of the expressions evaluated once."""
    results: list[Result] = []
    for digits in DIGITS:
        scope = _Scope.outermost(design, inputs or {}, digits)
        results = [_value(e, scope) for e in exprs]
        if not any(r is UNKNOWN for r in results):
            break
    return results


def solve_maps(
    problem: MapProblem, design: Design, inputs: Mapping[str, Value] | None = None
) -> dict[str, Value] | Undefined | Unknown:
    """The best mapping of a work: path -> value of its live maps; UNDEFINED when there is none."""
    found: _Scope | Undefined | Unknown = UNKNOWN
    for digits in DIGITS:
        scope = _Scope.outermost(design, inputs or {}, digits)
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

    __slots__ = ("digits", "inputs", "memo", "parent", "path", "solved", "terms", "value", "values")

    def __init__(
        self,
        parent: _Scope | None,
        path: str | None,
        value: Value | None,
        values: Design,
        inputs: Mapping[str, Value],
        digits: int,
        terms: dict[object, int],
    ) -> None:
        self.parent = parent
        self.path = path
        self.value = value
        self.values = values
        self.inputs = inputs
        self.digits = digits
        self.terms = terms
        self.memo: dict[int, Result] = {}
        self.solved: dict[int, _Scope | Undefined | Unknown] = {}

    @staticmethod
    def outermost(design: Design, inputs: Mapping[str, Value], digits: int) -> _Scope:
        return _Scope(None, None, None, design, inputs, digits, {})

    def inner(self, path: str, value: Value | None) -> _Scope:
        """One more map assigned; `None` is a map that is not live."""
        return _Scope(self, path, value, self.values, self.inputs, self.digits, self.terms)

    def owner(self, node: Expr) -> _Scope:
        """The outermost scope that knows all that `node` reads."""
        scope, free = self, node.free
        while scope.parent is not None and scope.path not in free:
            scope = scope.parent
        return scope

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

    def term(self, *key: object) -> int:
        return self.terms.setdefault(key, len(self.terms))


def _value(root: Expr, scope: _Scope) -> Result:
    """Evaluate without recursion over the graph (only over nested mapping problems)."""
    scope = scope.owner(root)
    if id(root) in scope.memo:
        return scope.memo[id(root)]
    stack: list[tuple[Expr, _Scope]] = [(root, scope)]
    while stack:
        node, home = stack[-1]
        if id(node) in home.memo:
            stack.pop()
            continue
        missing = _missing(node, home)
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        try:
            home.memo[id(node)] = _compute(node, home)
        except GivenUp:
            home.memo[id(node)] = UNKNOWN
    return scope.memo[id(root)]


def _known(node: Expr, scope: _Scope) -> Result | None:
    return scope.owner(node).memo.get(id(node))


def _missing(node: Expr, scope: _Scope) -> list[tuple[Expr, _Scope]]:
    """What has to be evaluated before `node`; nothing that an earlier argument protects."""
    op = node.op
    if op in ("and", "or"):
        stop = op == "or"
        for a in node.args:
            got = _known(a, scope)
            if got is None:
                return [(a, scope.owner(a))]
            if got is stop or got is UNDEFINED:
                return []
        return []
    if op == "if":
        condition = _known(node.args[0], scope)
        if condition is None:
            return [(node.args[0], scope.owner(node.args[0]))]
        if not isinstance(condition, bool):
            return []
        taken = node.args[1] if condition else node.args[2]
        return [] if _known(taken, scope) is not None else [(taken, scope.owner(taken))]
    if op == "solve":
        return []
    return [(a, scope.owner(a)) for a in reversed(node.args) if _known(a, scope) is None]


def _compute(node: Expr, scope: _Scope) -> Result:
    op = node.op
    if op == "const":
        return node.value
    if op == "var":
        return scope.read(str(node.payload))
    if op == "input":
        return scope.inputs.get(str(node.payload), UNDEFINED)
    if op in ("measure", "external"):
        named: External = node.payload  # type: ignore[assignment]
        return scope.inputs.get(named.name, UNDEFINED) if op == "measure" else UNDEFINED
    if op in ("and", "or"):
        return _junction(node, scope, stop=op == "or")
    if op == "if":
        condition = _known(node.args[0], scope)
        if not isinstance(condition, bool):
            return UNDEFINED if condition is UNDEFINED else UNKNOWN
        taken = _known(node.args[1] if condition else node.args[2], scope)
        assert taken is not None
        return taken
    if op in ("solve", "solvable"):
        best = _solved(node.payload, scope)  # type: ignore[arg-type]
        if op == "solvable":
            return UNKNOWN if isinstance(best, Unknown) else isinstance(best, _Scope)
        return _value(node.args[0], best) if isinstance(best, _Scope) else best
    args: list[Result] = [scope.owner(a).memo[id(a)] for a in node.args]
    if any(a is UNDEFINED for a in args):
        return UNDEFINED
    if any(a is UNKNOWN for a in args):
        return UNKNOWN
    if op == "not":
        return not args[0]
    if op in ("eq", "lt", "le"):
        return _compare(op, args[0], args[1])
    return _ARITHMETIC[op](args, scope)


def _junction(node: Expr, scope: _Scope, stop: bool) -> Result:
    unknown = False
    for a in node.args:
        got = _known(a, scope)
        if got is UNDEFINED:
            return UNKNOWN if unknown else UNDEFINED
        if got is stop:
            return stop
        unknown = unknown or got is UNKNOWN
    return UNKNOWN if unknown else not stop


# ---- mapping problems


def _solved(problem: MapProblem, scope: _Scope) -> _Scope | Undefined | Unknown:
    key = id(problem)
    if key not in scope.solved:
        scope.solved[key] = _solve(problem, scope)
    return scope.solved[key]


def _solve(problem: MapProblem, scope: _Scope) -> _Scope | Undefined | Unknown:
    """The scope of the best mapping. An undefined requirement or goal is not a mapping."""
    best: _Scope | None = None
    best_goals: list[Result] = []
    for candidate in _mappings(problem, scope):
        if isinstance(candidate, Unknown):
            return UNKNOWN
        goals = [_value(g, candidate) for g in problem.goals]
        if any(g is UNDEFINED for g in goals):
            continue
        if any(g is UNKNOWN for g in goals):
            return UNKNOWN
        better = best is None or _before(goals, best_goals)
        if isinstance(better, Unknown):
            return UNKNOWN
        if better:
            best, best_goals = candidate, goals
    return UNDEFINED if best is None else best


def _before(a: list[Result], b: list[Result]) -> bool | Unknown:
    """Whether goals `a` are strictly less, one after the other."""
    for x, y in zip(a, b, strict=True):
        less = _compare("lt", x, y)
        if less is True:
            return True
        if isinstance(less, Unknown):
            return UNKNOWN
        same = _compare("eq", x, y)
        if same is not True:
            return UNKNOWN if isinstance(same, Unknown) else False
    return False


def _mappings(problem: MapProblem, outer: _Scope) -> Iterator[_Scope | Unknown]:
    """Assignments in declared order, cut as soon as a requirement over the maps so far fails."""
    due = _due(problem)

    def extend(scope: _Scope, i: int) -> Iterator[_Scope | Unknown]:
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


# ---- numbers


def _ends(x: Result) -> Bounds:
    if isinstance(x, Enclosure):
        return x.low, x.high
    assert isinstance(x, (int, Fraction))
    return Fraction(x), Fraction(x)


def _key(x: Result) -> object:
    return ("real", x.term) if isinstance(x, Enclosure) else x


def _compare(op: str, a: Result, b: Result) -> bool | Unknown:
    if not isinstance(a, Enclosure) and not isinstance(b, Enclosure):
        if op == "eq":
            return a == b
        return a < b if op == "lt" else a <= b  # type: ignore[operator]
    if isinstance(a, Enclosure) and isinstance(b, Enclosure) and a.term == b.term:
        return op != "lt"
    (al, ah), (bl, bh) = _ends(a), _ends(b)
    if ah < bl:
        return op != "eq"
    if bh < al:
        return False
    return UNKNOWN


def _enclose(bounds: Bounds, scope: _Scope, *key: object) -> Result:
    low, high = bounds
    if low == high:
        return low
    low, high = enclosures.outward(low, high, scope.digits + 10)
    return Enclosure(low, high, scope.term(*key))


def _bounded(x: Fraction) -> Fraction:
    if x.numerator.bit_length() > LARGEST_BITS or x.denominator.bit_length() > LARGEST_BITS:
        raise GivenUp
    return x


def _add(args: list[Result], scope: _Scope) -> Result:
    exact = sum((a for a in args if isinstance(a, Fraction)), Fraction(0))
    real = [a for a in args if isinstance(a, Enclosure)]
    if not real:
        return _bounded(exact)
    low, high = exact + sum(a.low for a in real), exact + sum(a.high for a in real)
    if exact == 0 and len(real) == 1:
        return real[0]
    return _enclose((low, high), scope, "add", exact, *sorted(a.term for a in real))


def _product(a: Bounds, b: Bounds) -> Bounds:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _mul(args: list[Result], scope: _Scope) -> Result:
    exact = Fraction(1)
    for a in args:
        if isinstance(a, Fraction):
            exact = _bounded(exact * a)
    real = [a for a in args if isinstance(a, Enclosure)]
    if not real or exact == 0:
        return exact
    if exact == 1 and len(real) == 1:
        return real[0]
    bounds = exact, exact
    for a in real:
        bounds = _product(bounds, _ends(a))
    return _enclose(bounds, scope, "mul", exact, *sorted(a.term for a in real))


def _div(args: list[Result], scope: _Scope) -> Result:
    a, b = args
    if isinstance(b, Fraction):
        if b == 0:
            return UNDEFINED
        return _bounded(a / b) if isinstance(a, Fraction) else _mul([1 / b, a], scope)
    low, high = _ends(b)
    if low <= 0 <= high:
        return UNKNOWN
    if isinstance(a, Enclosure) and isinstance(b, Enclosure) and a.term == b.term:
        return Fraction(1)
    if a == 0:
        return Fraction(0)
    return _enclose(_product(_ends(a), (1 / high, 1 / low)), scope, "div", _key(a), _key(b))


def _rounded(round_: str, args: list[Result]) -> Result:
    low, high = (Fraction(math.floor(x) if round_ == "floor" else math.ceil(x)) for x in _ends(args[0]))
    return low if low == high else UNKNOWN


def _mod(args: list[Result], scope: _Scope) -> Result:
    quotient = _div(args, scope)
    if isinstance(quotient, (Undefined, Unknown)):
        return quotient
    whole = _rounded("floor", [quotient])
    if isinstance(whole, Unknown):
        return UNKNOWN
    return _add([args[0], _mul([Fraction(-1), args[1], whole], scope)], scope)


def _extreme(pick: str, args: list[Result], scope: _Scope) -> Result:
    choose = min if pick == "min" else max
    if all(isinstance(a, Fraction) for a in args):
        return choose(args)
    bounds = [_ends(a) for a in args]
    low, high = choose(b[0] for b in bounds), choose(b[1] for b in bounds)
    near = {_key(a): a for a, b in zip(args, bounds, strict=True) if b[0] <= high and b[1] >= low}
    if len(near) == 1:
        return next(iter(near.values()))
    return _enclose((low, high), scope, pick, frozenset(near))


def _abs(args: list[Result], scope: _Scope) -> Result:
    a = args[0]
    low, high = _ends(a)
    if low >= 0:
        return a
    if high <= 0:
        return _mul([Fraction(-1), a], scope)
    return _enclose((Fraction(0), max(-low, high)), scope, "abs", _key(a))


def _sqrt(args: list[Result], scope: _Scope) -> Result:
    a = args[0]
    low, high = _ends(a)
    if high < 0:
        return UNDEFINED
    if low < 0:
        return UNKNOWN
    if isinstance(a, Fraction):
        root = enclosures.exact_root(a, 2)
        if root is not None:
            return root
    return _enclose(enclosures.sqrt(low, high, scope.digits), scope, "sqrt", _key(a))


def _log(op: str, args: list[Result], scope: _Scope) -> Result:
    a = args[0]
    low, high = _ends(a)
    if high <= 0:
        return UNDEFINED
    if low <= 0:
        return UNKNOWN
    if isinstance(a, Fraction):
        if a == 1:
            return Fraction(0)
        whole = enclosures.exact_log(a, 2 if op == "log2" else 10) if op != "log" else None
        if whole is not None:
            return whole
    function = {"log2": enclosures.log2, "log10": enclosures.log10, "log": enclosures.ln}[op]
    return _enclose(function(low, high, scope.digits), scope, op, _key(a))


def _smooth(op: str, args: list[Result], scope: _Scope) -> Result:
    a = args[0]
    if a == 0:
        return Fraction(1)
    low, high = _ends(a)
    function = enclosures.exp if op == "exp" else enclosures.cos
    return _enclose(function(low, high, scope.digits), scope, op, _key(a))


def _pow(args: list[Result], scope: _Scope) -> Result:
    base, exponent = args
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return _whole_power(base, int(exponent), scope)
    (low, high), (el, eh) = _ends(base), _ends(exponent)
    if high < 0:
        return UNDEFINED
    if base == 0:
        return UNDEFINED if eh < 0 else Fraction(0) if el > 0 else UNKNOWN
    if low <= 0:
        return UNKNOWN
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        root = enclosures.exact_root(base, exponent.denominator)
        if root is not None:
            return _whole_power(root, exponent.numerator, scope)
    bounds = enclosures.power((low, high), (el, eh), scope.digits)
    return _enclose(bounds, scope, "pow", _key(base), _key(exponent))


def _whole_power(base: Result, n: int, scope: _Scope) -> Result:
    if n == 0:
        return Fraction(1)
    if n < 0:
        return _div([Fraction(1), _whole_power(base, -n, scope)], scope)
    if isinstance(base, Fraction):
        longest = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (0, 1, -1) and longest * n > LARGEST_BITS:
            raise GivenUp
        return base**n if base not in (0, 1, -1) else base if n % 2 else base * base
    low, high = _ends(base)
    if n > LARGEST_BITS:
        raise GivenUp
    ends = sorted((low**n, high**n))
    if n % 2 == 0 and low < 0 < high:
        ends[0] = Fraction(0)
    return _enclose((ends[0], ends[1]), scope, "pow", _key(base), n)


_ARITHMETIC: dict[str, Callable[[list[Result], _Scope], Result]] = {
    "add": _add,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "mod": _mod,
    "sqrt": _sqrt,
    "abs": _abs,
    "floor": lambda args, scope: _rounded("floor", args),
    "ceil": lambda args, scope: _rounded("ceil", args),
    "min": lambda args, scope: _extreme("min", args, scope),
    "max": lambda args, scope: _extreme("max", args, scope),
    "log2": lambda args, scope: _log("log2", args, scope),
    "log10": lambda args, scope: _log("log10", args, scope),
    "log": lambda args, scope: _log("log", args, scope),
    "exp": lambda args, scope: _smooth("exp", args, scope),
    "cos": lambda args, scope: _smooth("cos", args, scope),
}
