"""The expression graph: hash-consed, typed nodes that every backend walks, and their constructors.

Owns constant folding; the operators are listed in `operators`. A node is made only by `make` or the helpers below, so
two equal expressions are one object, whatever text they come from: compare with `is`. So a node has no place in a text;
where it is asked for one, its text is compiled once more with `places_apart`. Numbers are exact rationals in base units
(bit, s, J, …); types and units are checked before a node is made (`elaborate/`), so constructors trust their arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from typing import Any
from weakref import ref

from attrs import field, frozen
from cospace.compiler.space.dimension import Dimension, unit_power, unit_product, unit_quotient
from cospace.compiler.space.kinds import BOOL as BOOL
from cospace.compiler.space.kinds import NUMBER as NUMBER
from cospace.compiler.space.kinds import SYMBOL as SYMBOL
from cospace.compiler.space.kinds import TEXT as TEXT
from cospace.compiler.space.kinds import Symbol as Symbol
from cospace.compiler.space.kinds import Type as Type
from cospace.compiler.space.kinds import Value as Value
from cospace.compiler.space.kinds import number_in as number_in
from cospace.compiler.space.places import apart
from cospace.compiler.space.rationals import plus, times, whole_as_int
from cospace.dsl.diagnostics import NOWHERE, Span


class Expr:
    """One node. `free` are the paths of the decisions it reads (maps bound by a `solve` excluded).

    opaque: which of `OPAQUE` stand in it, mapping problems included, and "loss" where one of a loss does.
    span: where it is written, of what may have no value made under `places_apart`; of all else `NOWHERE`.
    plain: the payload, a whole number as an int, with which Python reckons many times as fast.
    """

    __slots__ = ("__weakref__", "_free", "_partial", "args", "op", "opaque", "payload", "plain", "span", "type")

    op: str
    args: tuple[Expr, ...]
    payload: object
    plain: object
    type: Type
    span: Span
    opaque: frozenset[str]

    def __init__(self, op: str, args: tuple[Expr, ...], payload: object, type: Type, span: Span) -> None:
        self.op = op
        self.args = args
        self.payload = payload
        self.plain = whole_as_int(payload)
        self.type = type
        self.span = span
        self.opaque = _opaque_of(op, args, payload, type)
        self._free: frozenset[str] | None = None
        self._partial: bool | None = None

    @property
    def is_const(self) -> bool:
        return self.op == "const"

    @property
    def value(self) -> Value:
        """The value of a constant."""
        assert self.op == "const"
        return self.payload  # type: ignore[return-value]

    @property
    def number(self) -> Fraction:
        """The value of a constant number."""
        assert self.payload.__class__ is Fraction
        return self.payload

    @property
    def free(self) -> frozenset[str]:
        if self._free is None:
            for node in _not_yet(self, "_free"):
                node._free = _free_of(node)
        assert self._free is not None
        return self._free

    def __repr__(self) -> str:
        inside = [repr(self.payload)] if self.payload is not None else []
        return f"{self.op}({', '.join(inside + [repr(a) for a in self.args])})"


OPAQUE = frozenset({"solve", "solvable", "input", "measure", "external"})
"""Operators that are more than arithmetic on decisions: maps are solved there, or only running tells the value."""
NOTHING: frozenset[str] = frozenset()


def _opaque_of(op: str, args: tuple[Expr, ...], payload: object, type: Type) -> frozenset[str]:
    found = NOTHING
    for a in args:
        if a.opaque and a.opaque is not found:
            found |= a.opaque
    if op in OPAQUE:
        found |= {op, "loss"} if type.kind == "loss" else {op}
        if isinstance(payload, MapProblem):
            found |= payload.opaque
    return found


def _free_of(node: Expr) -> frozenset[str]:
    if node.op == "var":
        return frozenset([str(node.payload)])
    found = NOTHING
    for own in [a.free for a in node.args]:
        found = found if own <= found else found | own if found else own
    if node.op in ("solve", "solvable"):
        problem: MapProblem = node.payload  # type: ignore[assignment]
        found = (found | problem.free) - {m.path for m in problem.maps}
    return found


def walk(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Every node below the roots once, arguments before users. Does not enter the problem of a `solve`."""
    met: set[int] = set()
    for root in roots:
        stack: list[Any] = [root]  # None: what stands below it has had all of its arguments
        while stack:
            node = stack.pop()
            if node is None:
                yield stack.pop()
            elif id(node) not in met:
                met.add(id(node))
                if node.args:
                    stack += (node, None)
                    stack += [a for a in node.args[::-1] if id(a) not in met]
                else:
                    yield node


def _not_yet(root: Expr, slot: str) -> Iterator[Expr]:
    """Nodes whose `slot` is still None, arguments before users; the caller fills it. Does not enter what is filled."""
    stack = [root]
    while stack:
        node = stack[-1]
        if getattr(node, slot) is None:
            missing = [a for a in node.args if getattr(a, slot) is None]
            if missing:
                stack.extend(missing)
                continue
            yield node
        stack.pop()


class _Held(ref[Expr]):
    """Where a node is, as long as somebody holds it."""

    __slots__ = ("key",)

    key: tuple[object, ...]


_table: dict[tuple[object, ...], _Held] = {}


def _forget(held: _Held, table: dict[tuple[object, ...], _Held] = _table) -> None:
    """Takes a node out of the table; which is an argument, for the interpreter's end clears a module's names first."""
    if table.get(held.key) is held:
        del table[held.key]


_PARTIAL = {"div", "mod", "pow", "sqrt", "log2", "log10", "log", "exp", "solve", "measure", "lookup"}


def make(op: str, args: tuple[Expr, ...], type: Type, payload: object = None, span: Span = NOWHERE) -> Expr:
    """The one node with these parts. span: where it is written, of no account except under `places_apart`."""
    kind = payload.__class__  # Fraction(1) == True in Python; they must not be one node
    part = payload.as_integer_ratio() if kind is Fraction else payload  # type: ignore[attr-defined]
    key: tuple[object, ...] = (op, tuple(map(id, args)), kind, part, type.kind, type.unit)
    if op in _PARTIAL and apart.get():
        key = (*key, span)
    else:
        span = NOWHERE
    held = _table.get(key)
    node = held() if held is not None else None
    if node is None:
        node = Expr(op, args, payload, type, span)
        held = _table[key] = _Held(node, _forget)
        held.key = key
    return node


# ---- constants and variables


_constants: dict[tuple[int, int, Dimension], Expr] = {}
CONSTANTS = 1 << 14
"""So many numbers that were met are held: numerator, denominator, unit -> node. Folds ask for the same ones again."""


def const(value: Value | int, unit: Dimension = ()) -> Expr:
    if value.__class__ is Fraction or value.__class__ is int:
        key = (*value.as_integer_ratio(), unit)
        found = _constants.get(key)
        if found is None:
            if len(_constants) >= CONSTANTS:
                _constants.clear()
            found = _constants[key] = make("const", (), number_in(unit), Fraction(value))
        return found
    if value.__class__ is bool:
        return TRUE if value else FALSE
    return make("const", (), SYMBOL if isinstance(value, Symbol) else TEXT, value)


ZERO, ONE = Fraction(0), Fraction(1)
TRUE = make("const", (), BOOL, True)
FALSE = make("const", (), BOOL, False)


def var(path: str, type: Type) -> Expr:
    return make("var", (), type, path)


# ---- arithmetic, folded where all is known


def add(*args: Expr, span: Span = NOWHERE) -> Expr:
    """Sum of numbers of one unit; nested sums are flattened and constants gathered at the end."""
    unit = args[0].type.unit
    flat: list[Expr] = []
    total, kind = ZERO, "number"
    for a in args:
        for term in a.args if a.op == "add" else (a,):
            if term.op == "const":
                total = term.number if total is ZERO else plus(total, term.number)
            else:
                flat.append(term)
                kind = kind if kind != "number" else term.type.kind
    if not flat or (total is not ZERO and total):
        flat.append(const(total, unit))
    if len(flat) == 1:
        return flat[0]
    return make("add", tuple(flat), number_in(unit) if kind == "number" else Type(kind, unit), None, span)


def mul(*args: Expr, span: Span = NOWHERE) -> Expr:
    """Product; units multiply; nested products are flattened and constants gathered in front.

    A factor 0 gives 0 only when the others are surely defined (no division, root or logarithm below them).
    """
    flat: list[Expr] = []
    total, kind = ONE, "number"
    scale: Dimension = ()
    measured: list[Dimension] = []
    for a in args:
        if a.type.unit:
            measured.append(a.type.unit)
        for factor in a.args if a.op == "mul" else (a,):
            if factor.op == "const":
                total = factor.number if total is ONE else times(total, factor.number)
                scale = unit_product([scale, factor.type.unit]) if scale else factor.type.unit
            else:
                flat.append(factor)
                kind = kind if kind != "number" else factor.type.kind
    unit = unit_product(measured) if measured else ()
    if not flat or (not total and not any(may_be_undefined(f) for f in flat)):
        return const(total, unit)
    if scale or (total is not ONE and total != 1):
        flat.insert(0, const(total, scale))
    if len(flat) == 1:
        return flat[0]
    return make("mul", tuple(flat), number_in(unit) if kind == "number" else Type(kind, unit), None, span)


def negative(a: Expr, span: Span = NOWHERE) -> Expr:
    if a.op == "const":
        return const(-a.number, a.type.unit)
    return mul(const(-1), a, span=span)


def sub(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    return add(a, negative(b), span=span)


def div(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    unit = unit_quotient(a.type.unit, b.type.unit)
    if b.is_const and b.payload != 0:
        inverse = const(1 / b.number, unit_power(b.type.unit, Fraction(-1)))
        return mul(inverse, a, span=span)
    return make("div", (a, b), number_in(unit), None, span)


def power(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    """`a ^ b`. A unit needs a constant exponent (checked before)."""
    unit = unit_power(a.type.unit, b.number) if b.is_const else ()
    if b.is_const and b.number == 1:
        return a
    if a.is_const and b.is_const:
        base, exponent = a.number, b.number
        small = exponent.denominator == 1 and abs(exponent) <= 4096
        if small and (base != 0 or exponent >= 0):
            whole = int(exponent)
            return const(base**whole if whole >= 0 else 1 / base**-whole, unit)
    return make("pow", (a, b), number_in(unit), None, span)


def _unary(op: str, unit_of: Callable[[Dimension], Dimension], fold: Callable[[Fraction], Fraction] | None):  # type: ignore[no-untyped-def]
    def build(a: Expr, span: Span = NOWHERE) -> Expr:
        unit = unit_of(a.type.unit)
        if fold and a.is_const:
            return const(fold(a.payload), unit)  # type: ignore[arg-type]
        return make(op, (a,), number_in(unit), None, span)

    return build


floor = _unary("floor", lambda u: u, lambda v: Fraction(math.floor(v)))
ceil = _unary("ceil", lambda u: u, lambda v: Fraction(math.ceil(v)))
absolute = _unary("abs", lambda u: u, abs)
sqrt = _unary("sqrt", lambda u: unit_power(u, Fraction(1, 2)), None)
log2 = _unary("log2", lambda u: (), None)
log10 = _unary("log10", lambda u: (), None)
log = _unary("log", lambda u: (), None)
exp = _unary("exp", lambda u: (), None)
cos = _unary("cos", lambda u: (), None)


def mod(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    if a.is_const and b.is_const and b.payload != 0:
        return const(a.number - b.number * math.floor(a.number / b.number), a.type.unit)
    return make("mod", (a, b), a.type, None, span)


def _extreme(op: str, args: tuple[Expr, ...], pick: Callable[..., Fraction], span: Span) -> Expr:
    flat: list[Expr] = []
    for a in args:
        flat.extend(a.args if a.op == op else (a,))
    unique = list({id(a): a for a in flat}.values())
    known = [a.payload for a in unique if a.is_const]
    rest = [a for a in unique if not a.is_const]
    if known:
        rest.append(const(pick(known), args[0].type.unit))
    return rest[0] if len(rest) == 1 else make(op, tuple(rest), args[0].type, None, span)


def minimum(*args: Expr, span: Span = NOWHERE) -> Expr:
    return _extreme("min", args, min, span)


def maximum(*args: Expr, span: Span = NOWHERE) -> Expr:
    return _extreme("max", args, max, span)


# ---- logic


def eq(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    if a is b and not may_be_undefined(a):
        return TRUE
    if a.is_const and b.is_const:
        return const(bool(a.payload == b.payload))
    return make("eq", (a, b), BOOL, None, span)


def lt(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    if a is b and not may_be_undefined(a):
        return FALSE
    if a.is_const and b.is_const:
        return const(bool(a.payload < b.payload))  # type: ignore[operator]
    return make("lt", (a, b), BOOL, None, span)


def le(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    if a is b and not may_be_undefined(a):
        return TRUE
    if a.is_const and b.is_const:
        return const(bool(a.payload <= b.payload))  # type: ignore[operator]
    return make("le", (a, b), BOOL, None, span)


def _junction(op: str, args: tuple[Expr, ...], stop: bool, span: Span) -> Expr:
    """`and` / `or`, left to right: what stands after a constant that decides is never evaluated."""
    flat: list[Expr] = []
    for a in args:
        flat.extend(a.args if a.op == op else (a,))
    kept: dict[int, Expr] = {}
    for a in flat:
        if a.is_const:
            if a.payload is stop:
                kept[id(a)] = a
                break
        else:
            kept[id(a)] = a
    rest = list(kept.values())
    if not rest:
        return const(not stop)
    if len(rest) == 1:
        return rest[0]
    if rest[-1].is_const and not any(may_be_undefined(a) for a in rest):
        return const(stop)
    return make(op, tuple(rest), BOOL, None, span)


def both(*args: Expr, span: Span = NOWHERE) -> Expr:
    return _junction("and", args, False, span)


def either(*args: Expr, span: Span = NOWHERE) -> Expr:
    return _junction("or", args, True, span)


def negate(a: Expr, span: Span = NOWHERE) -> Expr:
    if a.is_const:
        return const(not a.payload)
    if a.op == "not":
        return a.args[0]
    return make("not", (a,), BOOL, None, span)


def implies(a: Expr, b: Expr, span: Span = NOWHERE) -> Expr:
    return either(negate(a), b, span=span)


def branch(condition: Expr, then: Expr, otherwise: Expr, span: Span = NOWHERE) -> Expr:
    if condition.is_const:
        return then if condition.payload else otherwise
    if then is otherwise and not may_be_undefined(condition):
        return then
    return make("if", (condition, then, otherwise), then.type, None, span)


def may_be_undefined(e: Expr) -> bool:
    """Whether anything below could be undefined; cheap and on the safe side."""
    if e._partial is None:
        for node in _not_yet(e, "_partial"):
            own = node.op in _PARTIAL and not getattr(node.payload, "default", ())
            node._partial = own or any(a._partial for a in node.args)
    assert e._partial is not None
    return e._partial


# ---- works: their maps


@frozen(cache_hash=True)
class MapDecision:
    """A `map`: solved per work. `guard` (over outer decisions and earlier maps) says when it exists.

    allowed: None, or one condition a value where the domain depends on other decisions.
    unit: how numbers are shown, with `scale` base units in one of it.
    """

    path: str
    values: tuple[Value, ...]
    type: Type
    guard: Expr = TRUE
    allowed: tuple[Expr, ...] | None = None
    unit: str | None = None
    scale: Fraction = Fraction(1)


@frozen(eq=False)
class MapProblem:
    """All maps met while answering one work, solved together.

    Among the assignments of live maps (declared order, the first varies slowest; a dead map has no value) that meet
    every requirement, the least by `goals` compared one after the other, ties to the first. None: not solvable.
    sure: there always is one, wherever the goals are defined for every assignment.
    asked: the reason and the place of each requirement, where they are known.
    """

    path: str
    maps: tuple[MapDecision, ...]
    requirements: tuple[Expr, ...]
    goals: tuple[Expr, ...]
    span: Span = NOWHERE
    sure: bool = False
    asked: tuple[tuple[str | None, Span], ...] = field(default=(), metadata={"written": False})

    def expressions(self) -> tuple[Expr, ...]:
        """All expressions of the problem."""
        own = self.requirements + self.goals
        for m in self.maps:
            own += (m.guard, *(m.allowed or ()))
        return own

    @cached_property
    def free(self) -> frozenset[str]:
        """The paths of the decisions that the problem reads, its own maps not among them."""
        return NOTHING.union(*[e.free for e in self.expressions()]) - {m.path for m in self.maps}

    @cached_property
    def opaque(self) -> frozenset[str]:
        """As of an expression, of all of the problem's."""
        return NOTHING.union(*[e.opaque for e in self.expressions()])


def solve(problem: MapProblem, quantity: Expr, span: Span = NOWHERE) -> Expr:
    return make("solve", (quantity,), quantity.type, problem, span) if problem.maps else quantity


def solvable(problem: MapProblem, span: Span = NOWHERE) -> Expr:
    return make("solvable", (), BOOL, problem, span) if problem.maps else both(TRUE, *problem.requirements)
