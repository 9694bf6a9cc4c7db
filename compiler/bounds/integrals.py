"""Statistics: what an expression is on average, and piece by piece, over a quantity of the input that is uniform.

Exact for what is polynomial between comparisons of the statistic with expressions free of it (thresholds, which may be
decisions): ∫ from a to b of `if u < t then f else g` is the integral of f up to c and of g from there, where c is t
kept within a and b. What is divided by stays protected: an empty interval contributes nothing, whatever stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from attrs import evolve, frozen
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapProblem, const, walk
from cospace.compiler.space.substitute import Replacement, Rewrite

MAX_PIECES = 4_096


class NotPiecewise(Exception):
    """An expression is not polynomial between thresholds. why: in words; op: what is at fault, where it is one node."""

    def __init__(self, why: str, op: str = "") -> None:
        super().__init__(why)
        self.why, self.op = why, op


@frozen
class Known:
    """What the caller knows of the decisions: the ends of what an expression takes, and whether a condition always
    holds. Both only make the result simpler."""

    ends: Callable[[Expr], tuple[Fraction, Fraction] | None] = lambda e: None
    always: Callable[[Expr], bool] = lambda e: e is TRUE


@frozen
class Piece:
    """An interval (which may be empty) and the expression there, free of comparisons with the statistic.

    within: what holds of the thresholds it lies beside, where it is not empty.
    """

    low: Expr
    high: Expr
    value: Expr
    within: tuple[Expr, ...] = ()

    @property
    def taken(self) -> Expr:
        """Whether the interval has a positive measure."""
        return graph.lt(self.low, self.high)


def pieces(value: Expr, path: str, low: Expr, high: Expr, known: Known = Known()) -> list[Piece]:
    """The intervals of a statistic between low and high on which `value` has no comparison with it. In order.

    Raises NotPiecewise.
    """
    found: list[Piece] = []
    pending = [Piece(low, high, value)]
    while pending:
        piece = pending.pop()
        atom = _first_comparison(piece.value, path)
        if atom is None:
            found.append(piece)
            if len(found) > MAX_PIECES:
                raise NotPiecewise(f"more than {MAX_PIECES:,} intervals")
            continue
        cut, below = _threshold(atom, path)
        if cut is None:  # equality holds on a set of measure zero
            pending.append(evolve(piece, value=Replacement(atom, FALSE, path)(piece.value)))
            continue
        middle = _clamped(cut, piece, known)
        if middle is not piece.high:
            above = Replacement(atom, FALSE if below else TRUE, path)(piece.value)
            pending.append(Piece(middle, piece.high, above, (*piece.within, graph.lt(cut, high))))
        if middle is not piece.low:
            under = Replacement(atom, TRUE if below else FALSE, path)(piece.value)
            pending.append(Piece(piece.low, middle, under, (*piece.within, graph.lt(low, cut))))
    return found


def _clamped(cut: Expr, piece: Piece, known: Known) -> Expr:
    """A threshold kept within an interval."""
    low, high, ends = piece.low, piece.high, known.ends(cut)
    below = ends is not None and high.is_const and ends[1] <= high.number
    above = ends is not None and low.is_const and low.number <= ends[0]
    upper = cut if below else graph.minimum(cut, high)
    return upper if above else graph.maximum(low, upper)


def integral(value: Expr, path: str, low: Expr, high: Expr, known: Known = Known()) -> Expr:
    """The integral of a number over a statistic between low and high. Raises NotPiecewise."""
    zero = const(0, value.type.unit)
    total = [zero]
    for piece in pieces(value, path, low, high, known):
        coefficients = [_protected(c, piece, known) for c in polynomial(piece.value, path)]
        area = graph.add(
            zero,
            *(
                graph.mul(const(Fraction(1, n + 1)), c, graph.sub(_power(piece.high, n + 1), _power(piece.low, n + 1)))
                for n, c in enumerate(coefficients)
            ),
        )
        if piece.taken is FALSE:
            continue
        total.append(graph.branch(piece.taken, area, zero) if graph.may_be_undefined(area) else area)
    return graph.add(*total)


def _protected(value: Expr, piece: Piece, known: Known) -> Expr:
    """Quotients that are defined wherever the interval is not empty, made 0 elsewhere: nothing is read there."""
    for node in list(walk([value])):
        if node.op != "div" or node not in walk([value]):
            continue
        zero = graph.eq(node.args[1], const(0, node.args[1].type.unit))
        if any(zero.free and known.always(graph.implies(c, graph.negate(zero))) for c in piece.within):
            value = _Swap(node, graph.branch(zero, const(0, node.type.unit), node))(value)
    return value


class _Swap(Rewrite):
    """A node replaced wherever it stands outside problems of maps."""

    def __init__(self, old: Expr, new: Expr) -> None:
        super().__init__()
        self._old, self._new = old, new
        self._above: dict[int, bool] = {}

    def touches(self, node: Expr) -> bool:
        if id(node) not in self._above:
            for n in walk([node]):
                self._above[id(n)] = n is self._old or any(self._above[id(a)] for a in n.args)
        return self._above[id(node)]

    def leaf(self, node: Expr) -> Expr | None:
        return self._new if node is self._old else None


def polynomial(value: Expr, path: str) -> list[Expr]:
    """Coefficients, of the power 0 first, free of the variable. Raises NotPiecewise."""
    if path not in value.free:
        return [value]
    if value.op == "var":
        return [const(0), const(1)]
    if value.op == "add":
        terms = [polynomial(a, path) for a in value.args]
        zero = const(0, value.type.unit)
        return [
            graph.add(zero, *(t[n] for t in terms if n < len(t))) for n in range(max(len(t) for t in terms))
        ]  # fmt: skip
    if value.op == "mul":
        result = [const(1)]
        for a in value.args:
            result = _product(result, polynomial(a, path))
        return result
    if value.op == "div" and path not in value.args[1].free:
        divisor, nothing = value.args[1], const(0, value.type.unit)
        return [
            nothing if c.is_const and c.number == 0 else graph.div(c, divisor) for c in polynomial(value.args[0], path)
        ]
    if value.op == "pow" and value.args[1].is_const:
        exponent = value.args[1].number
        if exponent.denominator == 1 and 0 <= exponent <= 16:
            result = [const(1)]
            for _ in range(int(exponent)):
                result = _product(result, polynomial(value.args[0], path))
            return result
    if value.op == "if" and path not in value.args[0].free:
        then, other = (polynomial(a, path) for a in value.args[1:])
        zero = const(0, value.type.unit)
        return [
            graph.branch(value.args[0], then[n] if n < len(then) else zero, other[n] if n < len(other) else zero)
            for n in range(max(len(then), len(other)))
        ]
    if value.op == "solve":
        problem: MapProblem = value.payload  # type: ignore[assignment]
        if any(path in e.free for e in problem.expressions()):
            raise NotPiecewise("a map would be solved anew for each of infinitely many values")
        return [graph.solve(problem, c) for c in polynomial(value.args[0], path)]
    if value.op == "div":
        raise NotPiecewise("it divides by what depends on it", value.op)
    raise NotPiecewise(f"`{value.op}` of it is no polynomial", value.op)


def _product(a: list[Expr], b: list[Expr]) -> list[Expr]:
    unit = graph.mul(a[0], b[0]).type.unit
    terms: list[list[Expr]] = [[const(0, unit)] for _ in range(len(a) + len(b) - 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            terms[i + j].append(graph.mul(x, y))
    return [graph.add(*t) for t in terms]


def _power(a: Expr, n: int) -> Expr:
    return graph.mul(*[a] * n)


def _first_comparison(value: Expr, path: str) -> Expr | None:
    """A comparison that reads the statistic, with none inside it; conditions come before what they guard."""
    return next((n for n in walk([value]) if n.op in ("eq", "lt", "le") and path in n.free), None)


def _threshold(atom: Expr, path: str) -> tuple[Expr | None, bool]:
    """Where a comparison turns, and whether it holds below that; None for an equality. Raises NotPiecewise."""
    left, right = atom.args
    difference = polynomial(graph.sub(left, right), path) if left.type.kind == "number" else []
    if len(difference) != 2 or not difference[1].is_const:
        raise NotPiecewise("it is compared with something else than a threshold free of it")
    slope = difference[1].number
    if slope == 0:
        raise NotPiecewise("it is compared with something else than a threshold free of it")
    if atom.op == "eq":
        return None, False
    return graph.div(graph.negative(difference[0]), const(slope)), slope > 0


__all__ = ["NotPiecewise", "Piece", "integral", "pieces", "polynomial"]
