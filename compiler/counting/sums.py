"""Requirements on long sums, taken apart: `latency <= 1 ms` as terms over few decisions each, compared with a bound.

A clause becomes one or more `Sum`s: all of them have to hold. Sums, products with one sum, quotients and `if`s are
multiplied out, so that each term is a rational coefficient, conditions under which it counts, and an atom that is not
a sum itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from attrs import frozen
from cospace.compiler.numbers.enumerate import Clause
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr

TERMS = 4096


class NotASum(Exception):
    """The clause is not a comparison of sums, or has too many terms."""


@frozen(eq=False)
class Term:
    """`coefficient * atom` where all conditions hold, else 0; atom None: 1."""

    coefficient: Fraction
    conditions: tuple[Expr, ...]
    atom: Expr | None


@frozen(eq=False)
class Sum:
    """sum of terms + constant <= 0, or < 0 when strict, wherever all guards hold.

    settled: (conditions, condition) pairs; where the former hold the latter has to be true or false, not undefined.
    """

    clause: Clause
    guards: tuple[Expr, ...]
    terms: tuple[Term, ...]
    constant: Fraction
    strict: bool
    settled: tuple[tuple[tuple[Expr, ...], Expr], ...]


def read_sums(clause: Clause) -> tuple[Sum, ...]:
    """The sums that make up a clause. Raises NotASum."""
    guards = () if clause.guard is graph.TRUE else (clause.guard,)
    return tuple(_read(clause, guards, clause.value))


def _read(clause: Clause, guards: tuple[Expr, ...], e: Expr) -> list[Sum]:
    if e.op == "and":
        return [s for a in e.args for s in _read(clause, guards, a)]
    if e.op == "or":
        sizes = [len(a.free) for a in e.args]
        longest = sizes.index(max(sizes))
        others = tuple(graph.negate(a) for i, a in enumerate(e.args) if i != longest)
        if longest != len(e.args) - 1 and any(graph.may_be_undefined(a) for a in e.args):
            raise NotASum
        return _read(clause, guards + others, e.args[longest])
    if e.op == "not":
        inner = e.args[0]
        if inner.op in ("le", "lt"):
            flipped = graph.lt if inner.op == "le" else graph.le
            return _read(clause, guards, flipped(inner.args[1], inner.args[0]))
        if inner.op == "or":
            return [s for a in inner.args for s in _read(clause, guards, graph.negate(a))]
        raise NotASum
    if e.op == "eq" and e.args[0].type.kind == "number":
        return [_compare(clause, guards, e.args[i], e.args[1 - i], False) for i in (0, 1)]
    if e.op not in ("le", "lt"):
        raise NotASum
    a, b = e.args
    again = graph.lt if e.op == "lt" else graph.le
    if a.op == "max":
        return [s for x in a.args for s in _read(clause, guards, again(x, b))]
    if b.op == "min":
        return [s for x in b.args for s in _read(clause, guards, again(a, x))]
    return [_compare(clause, guards, a, b, e.op == "lt")]


def _compare(clause: Clause, guards: tuple[Expr, ...], a: Expr, b: Expr, strict: bool) -> Sum:
    reader = _Reader()
    reader.read(a, Fraction(1), ())
    reader.read(b, Fraction(-1), ())
    constant = sum((t.coefficient for t in reader.terms if t.atom is None and not t.conditions), Fraction(0))
    terms = tuple(t for t in _merge(reader.terms) if t.atom is not None or t.conditions)
    return Sum(clause, guards, terms, constant, strict, tuple(reader.settled))


def read_terms(e: Expr) -> tuple[tuple[Term, ...], tuple[tuple[tuple[Expr, ...], Expr], ...]]:
    """A number as a sum of terms (a constant is a term without atom), and what has to be defined."""
    reader = _Reader()
    reader.read(e, Fraction(1), ())
    return tuple(_merge(reader.terms)), tuple(reader.settled)


def _merge(terms: Sequence[Term]) -> list[Term]:
    merged: dict[tuple[object, ...], Term] = {}
    for t in terms:
        key = (id(t.atom), *map(id, t.conditions))
        known = merged.get(key)
        merged[key] = t if known is None else Term(known.coefficient + t.coefficient, t.conditions, t.atom)
    return [t for t in merged.values() if t.coefficient]


class _Reader:
    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.settled: list[tuple[tuple[Expr, ...], Expr]] = []

    def read(self, e: Expr, coefficient: Fraction, conditions: tuple[Expr, ...]) -> None:
        work = [(e, coefficient, conditions)]
        while work:
            e, coefficient, conditions = work.pop()
            if len(self.terms) + len(work) > TERMS:
                raise NotASum
            if e.op == "const":
                self.terms.append(Term(coefficient * Fraction(e.value), conditions, None))  # type: ignore[arg-type]
            elif e.op == "add":
                work.extend((a, coefficient, conditions) for a in reversed(e.args))
            elif e.op == "if":
                then, otherwise = split_condition(e.args[0]), (graph.negate(e.args[0]),)
                self.settled.append((conditions, e.args[0]))
                work.append((e.args[2], coefficient, _joined(conditions, otherwise)))
                work.append((e.args[1], coefficient, _joined(conditions, then)))
            elif e.op == "mul":
                work.extend(self.product(e, coefficient, conditions))
            elif e.op == "div" and e.args[0].op in ("add", "if"):
                work.extend((p, coefficient, c) for p, c in self.spread(e.args[0], conditions, (), e.args[1]))
            else:
                self.terms.append(Term(coefficient, conditions, e))

    def product(
        self, e: Expr, coefficient: Fraction, conditions: tuple[Expr, ...]
    ) -> list[tuple[Expr, Fraction, tuple[Expr, ...]]]:
        factors = []
        for a in e.args:
            if a.is_const:
                coefficient *= Fraction(a.value)  # type: ignore[arg-type]
            else:
                factors.append(a)
        if len(factors) == 1:
            return [(factors[0], coefficient, conditions)]
        compound = [i for i, a in enumerate(factors) if a.op in ("add", "if")]
        if not compound:
            self.terms.append(Term(coefficient, conditions, graph.mul(*factors)))
            return []
        longest = max(compound, key=lambda i: len(factors[i].free))
        others = tuple(a for i, a in enumerate(factors) if i != longest)  # by place: a square has its factor twice
        return [(p, coefficient, c) for p, c in self.spread(factors[longest], conditions, others, None)]

    def spread(
        self, e: Expr, conditions: tuple[Expr, ...], others: tuple[Expr, ...], below: Expr | None
    ) -> list[tuple[Expr, tuple[Expr, ...]]]:
        """`others * e / below` for a sum or an `if`, one level taken apart."""

        def scaled(a: Expr) -> Expr:
            product = graph.mul(*others, a) if others else a
            return product if below is None else graph.div(product, below)

        if e.op == "add":
            return [(scaled(a), conditions) for a in reversed(e.args)]
        self.settled.append((conditions, e.args[0]))
        return [
            (scaled(e.args[2]), _joined(conditions, (graph.negate(e.args[0]),))),
            (scaled(e.args[1]), _joined(conditions, split_condition(e.args[0]))),
        ]


def split_condition(e: Expr) -> tuple[Expr, ...]:
    return e.args if e.op == "and" else (e,)


def _joined(a: tuple[Expr, ...], b: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(dict.fromkeys((*a, *b)))
