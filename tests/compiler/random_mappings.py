"""Mapping problems made at random, small enough to try every mapping: splits, orders, sums, products, conditions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from random import Random

from cospace.compiler.space import graph
from cospace.compiler.space.graph import BOOL, NUMBER, SYMBOL, Expr, MapDecision, MapProblem, Symbol, const, var
from cospace.compiler.space.lookups import lookup, table


def random_problem(draw: Random, outer: Sequence[Expr] = ()) -> MapProblem:
    """Up to five maps: of splits, of orders, of plain numbers. One or two goals, up to three requirements.

    outer: numbers that are no maps, which goals and requirements read here and there.
    """
    maps: list[MapDecision] = []
    numbers: list[Expr] = []
    conditions: list[Expr] = []
    for n in range(draw.randint(2, 4)):
        kind = draw.choice(["split", "split", "number"])
        if kind == "split":
            whole, count = draw.choice([2, 4, 6, 8, 12]), draw.choice([2, 3])
            splits = [s for s in itertools.product(range(1, whole + 1), repeat=count) if _product(s) == whole]
            made, values = _chosen(f"split{n}", splits)
            maps.append(made)
            numbers += [_told(values, made, [Fraction(s[k]) for s in splits]) for k in range(count)]
        else:
            values_ = tuple(Fraction(v) for v in sorted(draw.sample(range(1, 12), draw.randint(2, 5))))
            maps.append(MapDecision(f"number{n}", values_, NUMBER))
            numbers.append(var(f"number{n}", NUMBER))
    if draw.random() < 0.7:
        orders = list(itertools.permutations("abc"))
        made, values = _chosen("order", orders)
        maps.insert(draw.randint(0, len(maps)), made)
        for k in range(3):
            inner = draw.sample("abc", draw.randint(1, 2))
            conditions.append(_told(values, made, [o[-1 - (k == 2)] in inner for o in orders], BOOL))
    pool = _Open(draw, numbers, conditions, outer) if outer else _Pool(draw, numbers, conditions)
    goals = tuple(pool.goal() for _ in range(draw.randint(1, 2)))
    requirements = tuple(pool.requirement() for _ in range(draw.randint(0, 3)))
    return MapProblem("work", tuple(maps), requirements, goals)


class _Pool:
    """Expressions over numbers and conditions."""

    def __init__(self, draw: Random, numbers: list[Expr], conditions: list[Expr]) -> None:
        self.draw = draw
        self.numbers = numbers
        self.conditions = conditions

    def factor(self) -> Expr:
        found = self.draw.choice(self.numbers)
        if self.conditions and self.draw.random() < 0.4:
            return graph.branch(self.draw.choice(self.conditions), found, const(1))
        if self.draw.random() < 0.1:
            return graph.div(const(12), found)
        return found

    def term(self) -> Expr:
        some = [self.factor() for _ in range(self.draw.randint(1, 4))]
        return graph.mul(const(Fraction(self.draw.randint(1, 9), self.draw.choice([1, 1, 3]))), *some)

    def total(self) -> Expr:
        some = [self.term() for _ in range(self.draw.randint(1, 4))]
        shape = self.draw.random()
        if shape < 0.2:
            some.append(const(self.draw.randint(1, 20)))
        elif shape < 0.35:
            some.append(const(-self.draw.choice([Fraction(1, 7), Fraction(1), Fraction(3)])))
        elif shape < 0.45:
            some.append(graph.mul(const(-1), self.factor(), const(Fraction(1, 50))))
        elif shape < 0.55:
            some.append(graph.ceil(graph.div(self.term(), const(4))))
        return graph.add(*some)

    def goal(self) -> Expr:
        shape = self.draw.random()
        if shape < 0.35:
            return self.total()
        if shape < 0.6:
            return graph.mul(self.total(), self.total())
        if shape < 0.85:
            return graph.mul(self.total(), graph.maximum(self.total(), self.term()))
        if shape < 0.9:
            return graph.add(self.term(), graph.minimum(self.term(), self.term()))
        return graph.maximum(self.total(), self.total())

    def requirement(self) -> Expr:
        shape = self.draw.random()
        if shape < 0.5:
            return graph.le(self.total(), const(self.draw.choice([10, 40, 150, 600])))
        if shape < 0.65:
            return graph.le(const(self.draw.choice([2, 6])), graph.mul(self.factor(), self.factor()))
        if shape < 0.8:
            return graph.lt(self.factor(), graph.mul(self.factor(), self.factor()))
        if shape < 0.9:
            return graph.negate(graph.lt(self.total(), self.term()))
        return graph.either(graph.lt(self.factor(), self.factor()), graph.eq(self.factor(), const(1)))


class _Open(_Pool):
    """Where numbers that are no maps stand beside them."""

    def __init__(self, draw: Random, numbers: list[Expr], conditions: list[Expr], outer: Sequence[Expr]) -> None:
        super().__init__(draw, numbers, conditions)
        self.outer = outer

    def term(self) -> Expr:
        made = super().term()
        shape = self.draw.random()
        if shape < 0.15:
            return graph.mul(made, self.draw.choice(self.outer))
        return graph.div(made, self.draw.choice(self.outer)) if shape < 0.3 else made

    def goal(self) -> Expr:
        shape = self.draw.random()
        if shape < 0.3:
            return graph.mul(super().total(), graph.maximum(super().term(), self.term(), self.total()))
        return super().goal()

    def requirement(self) -> Expr:
        shape = self.draw.random()
        most = graph.mul(const(self.draw.choice([1, 10, 40, 150])), self.draw.choice(self.outer))
        if shape < 0.3:
            return graph.le(_Pool.total(self), most)
        if shape < 0.4:
            return graph.negate(graph.lt(most, _Pool.total(self)))
        if shape < 0.5:
            return graph.lt(graph.sub(_Pool.total(self), most), const(0))
        return super().requirement()


def _chosen(path: str, options: list[tuple[object, ...]]) -> tuple[MapDecision, list[Symbol]]:
    values = [Symbol(str(list(o))) for o in options]
    return MapDecision(path, tuple(values), SYMBOL), values


def _told(values: list[Symbol], of: MapDecision, said: list[Fraction] | list[bool], type=NUMBER) -> Expr:
    rows = table("values", [(v,) for v in values], list(said), (said[-1],))
    return lookup(rows, [var(of.path, of.type)], type)


def _product(split: tuple[int, ...]) -> int:
    found = 1
    for s in split:
        found *= s
    return found
