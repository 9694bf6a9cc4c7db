"""What the printed space says as tables beside its graph, so that a reader needs no mapper and no real functions.

A problem of maps has the mapping that is taken at each combination of what it reads; a node that is not rational
(`log2 log10 log exp sqrt cos`, powers that are not whole) has rational bounds there. Only what decides feasibility, or
is an objective, is tabulated, and only where the combinations are few: a reader takes anything else for unknown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import reduce

import numpy
from attrs import frozen
from cospace.compiler.exact import exact
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.designs import Rows
from cospace.compiler.space.graph import NUMBER, Expr, MapDecision, MapProblem, Value, solvable, solve, var, walk
from cospace.compiler.space.lookups import lookup, table
from cospace.compiler.space.model import Decision, Space

ROWS = 20_000
"""Combinations of the values that one table reads, at most."""
DOUBTS = 250_000
"""Mappings of all problems together that are compared exactly, where rounding leaves open which of them is best."""
POWERS = 256
"""Whole exponents up to this are no table's business."""
REAL = frozenset({"log2", "log10", "log", "exp", "sqrt", "cos", "pow"})


@frozen(eq=False)
class Solved:
    """A problem's mapping at each combination of what it reads, the last path varying fastest.

    rows: positions in `mappings`, -1 where there is none; None where the combinations are too many. A mapping holds
    the position of each map's value; that of a map which is not live is 0.
    """

    problem: MapProblem
    reads: tuple[str, ...]
    mappings: tuple[tuple[int, ...], ...] = ()
    rows: tuple[int, ...] | None = None


@frozen(eq=False)
class Function:
    """Bounds of a node at each combination of what it reads; None where it has no value."""

    node: Expr
    reads: tuple[str, ...]
    values: tuple[tuple[Fraction, Fraction] | None, ...]


@frozen(eq=False)
class Tables:
    """All tables of a space. problems: those that feasibility or an objective rests on, others have none."""

    variables: dict[str, Decision | MapDecision]
    problems: dict[int, Solved]
    functions: tuple[Function, ...]

    def of(self, problem: MapProblem) -> Solved:
        found = self.problems.get(id(problem))
        return found if found is not None else Solved(problem, _read(problem, self.variables))


def tabulate(space: Space) -> Tables:
    """The tables that the requirements, guards, domains and objectives of a space rest on."""
    roots = [e for r in space.requirements for e in (r.guard, r.value)]
    roots += [e for d in space.decisions for e in (d.guard, *(d.allowed or ()))]
    roots += [o.value for o in space.objectives]
    variables: dict[str, Decision | MapDecision] = {d.path: d for d in space.decisions}
    problems: dict[int, MapProblem] = {}
    functions: dict[int, Expr] = {}
    while roots:
        found = list(walk(roots))
        functions.update((id(n), n) for n in found if n.op in REAL and not _whole(n))
        new = {id(n.payload): n.payload for n in found if isinstance(n.payload, MapProblem)}
        new = {k: p for k, p in new.items() if k not in problems}
        problems.update(new)
        variables.update((m.path, m) for p in new.values() for m in p.maps)
        roots = [e for p in new.values() for e in p.expressions()]
    solved: dict[int, Solved] = {}
    doubts = DOUBTS
    for k, p in problems.items():
        solved[k], spent = _solve(p, variables, doubts)
        doubts -= spent
    bounded = (_bound(n, variables) for n in functions.values())
    return Tables(variables, solved, tuple(f for f in bounded if f is not None))


def _whole(node: Expr) -> bool:
    exponent = node.args[-1]
    return (
        node.op == "pow" and exponent.is_const and exponent.number.denominator == 1 and abs(exponent.number) <= POWERS
    )


def _read(of: MapProblem | Expr, variables: dict[str, Decision | MapDecision]) -> tuple[str, ...]:
    """The paths that a problem or a node reads, in the order of the variables."""
    return tuple(p for p in variables if p in of.free)


def _known(exprs: Sequence[Expr], variables: dict[str, Decision | MapDecision]) -> bool:
    """Whether nothing is read that only a run knows."""
    return not any(n.op in ("input", "measure", "external") or not n.free <= variables.keys() for n in walk(exprs))


def _combinations(reads: Sequence[str], variables: dict[str, Decision | MapDecision]) -> Iterator[tuple[Value, ...]]:
    return itertools.product(*(variables[p].values for p in reads))


def _size(reads: Sequence[str], variables: dict[str, Decision | MapDecision]) -> int:
    return math.prod(len(variables[p].values) for p in reads)


def _bound(node: Expr, variables: dict[str, Decision | MapDecision]) -> Function | None:
    """Its bounds, or None where it reads too much or is not known somewhere."""
    reads = _read(node, variables)
    if _size(reads, variables) > ROWS or not _known([node], variables):
        return None
    values: list[tuple[Fraction, Fraction] | None] = []
    for combination in _combinations(reads, variables):
        result = exact.evaluate(node, dict(zip(reads, combination, strict=True)))
        if isinstance(result, exact.Enclosure):
            values.append((result.low, result.high))
        elif isinstance(result, Fraction):
            values.append((result, result))
        elif result is exact.UNDEFINED:
            values.append(None)
        else:
            return None
    return Function(node, reads, tuple(values))


def _solve(problem: MapProblem, variables: dict[str, Decision | MapDecision], doubts: int) -> tuple[Solved, int]:
    """Its mappings, decided in batches; where rounding leaves a doubt, exactly. Also how many were in doubt."""
    reads = _read(problem, variables)
    size = _size(reads, variables)
    if size > ROWS or not _known(problem.expressions(), variables):
        return Solved(problem, reads), 0
    outer = [_always(p, variables[p]) for p in reads]
    wanted = [solve(problem, _index(m)) for m in problem.maps]
    values, _, doubt = Program([*wanted, solvable(problem)], outer, certify=True).certified(_rows(outer, size))
    for index in values[:-1]:  # a position of a mapping that stands for nothing is a doubt, too
        doubt = doubt | (numpy.isnan(index) & values[-1])
    spent = int(doubt.sum()) * math.prod(len(m.values) for m in problem.maps)
    if spent > doubts:
        return Solved(problem, reads), 0
    taken = numpy.stack(values[:-1], axis=1) if len(values) > 1 else numpy.zeros((size, 0))
    rows: list[int] = []
    mappings: dict[tuple[int, ...], int] = {}
    for at, combination in enumerate(_combinations(reads, variables)):
        if doubt[at]:
            best = exact.solve_maps(problem, dict(zip(reads, combination, strict=True)))
            if best is exact.UNKNOWN:
                return Solved(problem, reads), spent
            mapping = None if not isinstance(best, dict) else tuple(_position(m, best) for m in problem.maps)
        else:
            mapping = tuple(int(k) for k in taken[at]) if values[-1][at] else None
        rows.append(-1 if mapping is None else mappings.setdefault(mapping, len(mappings)))
    return Solved(problem, reads, tuple(mappings), tuple(rows)), spent


def _always(path: str, variable: Decision | MapDecision) -> Decision:
    """A variable as a decision that is always live, with all its values."""
    return Decision(path, "choose", variable.values, variable.type)


def _index(m: MapDecision) -> Expr:
    """The position of a map's value."""
    rows = table("position", [(v,) for v in m.values], [Fraction(k) for k in range(len(m.values))], (Fraction(0),))
    return lookup(rows, [var(m.path, m.type)], NUMBER)


def _position(m: MapDecision, mapping: dict[str, Value]) -> int:
    return m.values.index(mapping[m.path]) if m.path in mapping else 0


def _rows(outer: Sequence[Decision], size: int) -> Rows:
    """Every combination, the last decision varying fastest: (size, len(outer))."""
    lengths = [len(d.values) for d in outer]
    places = numpy.arange(size)
    columns = []
    for k, length in enumerate(lengths):
        below = reduce(lambda a, b: a * b, lengths[k + 1 :], 1)
        columns.append(places // below % length)
    return numpy.stack(columns, axis=1) if columns else numpy.zeros((size, 0), dtype=numpy.int64)
