"""Random small spaces for property tests: decisions with guards, requirements, nested mapping problems, expressions.

Everything is made from a seed, so a failing case is named by one integer. `generate(seed)` gives a space whose
expressions are defined at every design that its requirements leave (a `solve` is backed by a requirement that it has a
mapping); `partial=True` adds divisions, remainders, logarithms and unprotected readings that may be undefined.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from fractions import Fraction

from attrs import frozen
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space import graph as g
from cospace.compiler.space.lookups import lookup, table
from cospace.compiler.space.model import Decision, Design, Objective, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

NAMES = ("red", "green", "blue", "grey")


@frozen
class Generated:
    """A space and loose expressions over its decisions: `numbers` (rational or real) and `truths`."""

    seed: int
    decisions: tuple[Decision, ...]
    requirements: tuple[Requirement, ...]
    numbers: tuple[g.Expr, ...]
    truths: tuple[g.Expr, ...]
    problems: tuple[g.MapProblem, ...]

    def space(self) -> Space:
        return Space(
            name=f"generated_{self.seed}", doc=None, params=(), decisions=self.decisions,
            requirements=self.requirements,
            objectives=tuple(Objective(e, "minimize", f"e{i}") for i, e in enumerate(self.numbers[:2])),
            works=(), networks=(), accelerators=(), tasks=(), stages=(),
        )  # fmt: skip

    def designs(self) -> Iterator[Design]:
        """Every design that is raw: live decisions only, each within its domain; requirements not asked."""
        return raw_designs(self.decisions)

    def feasible(self) -> list[Design]:
        """Brute force: designs at which every requirement holds."""
        return [d for d in self.designs() if all(holds(r, d) for r in self.requirements)]


def raw_designs(decisions: tuple[Decision, ...], start: Design | None = None) -> Iterator[Design]:
    if not decisions:
        yield dict(start or {})
        return
    first, rest = decisions[0], decisions[1:]
    so_far = dict(start or {})
    if evaluate(first.guard, so_far) is not True:
        yield from raw_designs(rest, so_far)
        return
    for i, value in enumerate(first.values):
        if first.allowed is None or evaluate(first.allowed[i], so_far) is True:
            yield from raw_designs(rest, {**so_far, first.path: value})


def holds(requirement: Requirement, design: Design) -> bool:
    """An undefined requirement excludes nothing by itself, but a design at which one is undefined is not counted."""
    guard = evaluate(requirement.guard, design)
    return guard is False or (guard is True and evaluate(requirement.value, design) is True)


class _Maker:
    def __init__(self, seed: int, partial: bool, irrational: bool, problems: bool, decisions: int) -> None:
        self.rng = random.Random(seed)
        self.partial, self.irrational = partial, irrational
        self.decisions: list[Decision] = []
        self.problems: list[g.MapProblem] = []
        self.with_problems = problems
        self.names = itertools.count()
        for _ in range(decisions):
            self.decisions.append(self.decision())

    # ---- decisions

    def values(self) -> tuple[tuple[g.Value, ...], g.Type]:
        kind = self.rng.choices(["int", "ratio", "bool", "symbol"], [5, 1, 1, 2])[0]
        if kind == "bool":
            return (True, False), g.BOOL
        if kind == "symbol":
            return tuple(g.Symbol(n) for n in self.rng.sample(NAMES, self.rng.randint(2, 3))), g.SYMBOL
        pool = [Fraction(v) for v in (0, 1, 2, 3, 4, 5, 6, 8, 12, 16)]
        if kind == "ratio":
            pool = [Fraction(v, 4) for v in (-3, 1, 2, 3, 5, 6)]
        return tuple(sorted(self.rng.sample(pool, self.rng.randint(1, 4)))), g.NUMBER

    def decision(self) -> Decision:
        values, kind = self.values()
        path = f"d{len(self.decisions)}"
        guard, allowed = g.TRUE, None
        if self.decisions and self.rng.random() < 0.3:
            owner = self.rng.choice(self.decisions)
            same = g.eq(self.read(owner), g.const(self.rng.choice(owner.values)))
            guard = g.both(owner.guard, same)
        numbers = [d for d in self.decisions if d.type is g.NUMBER and d.guard is g.TRUE]
        if kind is g.NUMBER and numbers and self.rng.random() < 0.2:
            other = self.rng.choice(numbers)
            allowed = tuple(g.le(g.const(v), self.read(other)) for v in values)  # type: ignore[arg-type]
        return Decision(path, "choose", values, kind, guard, allowed)

    def read(self, d: Decision | g.MapDecision) -> g.Expr:
        return g.var(d.path, d.type)

    def protected(self, d: Decision | g.MapDecision, otherwise: g.Expr) -> g.Expr:
        if d.guard is g.TRUE or (self.partial and isinstance(d, Decision) and self.rng.random() < 0.3):
            return self.read(d)
        return g.branch(d.guard, self.read(d), otherwise)

    # ---- expressions; `maps` are those of the problems around

    def leaf(self, maps: tuple[g.MapDecision, ...]) -> g.Expr:
        readable: list[Decision | g.MapDecision] = [d for d in self.decisions if d.type is g.NUMBER]
        readable += [m for m in maps if m.type is g.NUMBER] * 2
        if readable and self.rng.random() < 0.8:
            return self.protected(self.rng.choice(readable), g.const(self.rng.randint(0, 3)))
        return g.const(self.rng.choice([Fraction(v) for v in (0, 1, 2, 3, 7, 10)] + [Fraction(-1), Fraction(1, 3)]))

    def number(self, depth: int, maps: tuple[g.MapDecision, ...] = (), nest: int = 2) -> g.Expr:
        if depth <= 0:
            return self.leaf(maps)
        down = lambda: self.number(depth - 1 - self.rng.randint(0, 1), maps, nest)  # noqa: E731
        ops = ["add", "mul", "sub", "min", "max", "if", "floor", "ceil", "abs", "div", "mod", "count", "lookup"]
        weights = [4, 4, 2, 1, 1, 3, 1, 2, 1, 2, 1, 1, 1]
        if self.with_problems and nest and (maps or depth > 1):
            ops.append("solve")
            weights.append(2)
        if self.irrational:
            ops += ["log2", "sqrt", "log", "log10", "exp", "cos", "pow"]
            weights += [1, 1, 1, 1, 1, 1, 1]
        op = self.rng.choices(ops, weights)[0]
        if op == "add":
            return g.add(down(), down(), *([down()] if self.rng.random() < 0.3 else []))
        if op == "mul":
            return g.mul(down(), down())
        if op == "sub":
            return g.sub(down(), down())
        if op in ("min", "max"):
            return (g.minimum if op == "min" else g.maximum)(down(), down())
        if op == "if":
            return g.branch(self.truth(depth - 1, maps, nest), down(), down())
        if op in ("floor", "ceil", "abs"):
            scaled = g.mul(g.const(Fraction(1, self.rng.choice([2, 3, 7]))), down())
            return {"floor": g.floor, "ceil": g.ceil, "abs": g.absolute}[op](scaled)
        if op in ("div", "mod"):
            below = down() if self.partial else g.add(g.absolute(down()), g.const(1))
            return (g.div if op == "div" else g.mod)(down(), below)
        if op == "count":
            return g.branch(self.truth(depth - 1, maps, nest), g.const(1), g.const(0))
        if op == "lookup":
            return self.lookup(depth, maps, nest)
        if op == "solve":
            problem = self.problem(depth - 1, maps, nest - 1)
            if not maps and self.rng.random() < 0.7:
                self.problems.append(problem)
                return g.solve(problem, self.number(depth - 1, (*maps, *problem.maps), nest - 1))
            return g.branch(
                g.solvable(problem),
                g.solve(problem, self.number(depth - 1, (*maps, *problem.maps), nest - 1)),
                g.const(5),
            )
        if op == "pow":
            small = g.minimum(g.absolute(down()), g.const(6))
            return g.power(
                g.add(small, g.const(1)), g.const(self.rng.choice([Fraction(1, 2), Fraction(2), Fraction(-1)]))
            )
        if op in ("exp", "cos"):
            small = g.minimum(g.maximum(down(), g.const(-4)), g.const(4))
            return (g.exp if op == "exp" else g.cos)(small)
        positive = down() if self.partial else g.add(g.absolute(down()), g.const(1))
        return {"log2": g.log2, "log": g.log, "log10": g.log10, "sqrt": g.sqrt}[op](positive)

    def lookup(self, depth: int, maps: tuple[g.MapDecision, ...], nest: int) -> g.Expr:
        """A table over one to three keys of any kind, some of its rows left out; with a default unless partial."""
        keys: list[g.Expr] = []
        columns: list[tuple[g.Value, ...]] = []
        for _ in range(self.rng.randint(1, 3)):
            d = self.rng.choice([*self.decisions, *maps])
            if d.type is g.NUMBER and self.rng.random() < 0.4:
                keys.append(self.number(depth - 2, maps, nest))
                columns.append(tuple(Fraction(v, self.rng.choice([1, 1, 3])) for v in range(6)))
            elif d.guard is g.TRUE:
                keys.append(self.read(d))
                columns.append(d.values)
            else:
                keys.append(self.truth(depth - 2, maps, nest))
                columns.append((True, False))
        rows = [k for k in itertools.product(*(dict.fromkeys(c) for c in columns)) if self.rng.random() < 0.8]
        if not rows:
            return g.const(4)
        values = [self.rng.choice([Fraction(0), Fraction(2), Fraction(5), Fraction(1, 3)]) for _ in rows]
        missing = self.partial and self.rng.random() < 0.5
        return lookup(table("t", rows, values, () if missing else (Fraction(7),)), keys, g.NUMBER)

    def truth(self, depth: int, maps: tuple[g.MapDecision, ...] = (), nest: int = 2) -> g.Expr:
        if depth <= 0 or self.rng.random() < 0.3:
            readable: list[Decision | g.MapDecision] = [*self.decisions, *maps, *maps]
            d = self.rng.choice(readable)
            value: g.Value = self.rng.choice(d.values)
            if d.type is g.NUMBER and self.rng.random() < 0.5:
                return g.both(d.guard, g.le(self.read(d), g.const(value)))  # type: ignore[arg-type]
            return g.both(d.guard, g.eq(self.read(d), g.const(value)))
        op = self.rng.choice(["le", "lt", "and", "or", "not", "eq"])
        if op in ("le", "lt", "eq"):
            a, b = self.number(depth - 1, maps, nest), self.number(depth - 1, maps, nest)
            return {"le": g.le, "lt": g.lt, "eq": g.eq}[op](a, b)
        if op == "not":
            return g.negate(self.truth(depth - 1, maps, nest))
        return (g.both if op == "and" else g.either)(
            self.truth(depth - 1, maps, nest), self.truth(depth - 1, maps, nest)
        )

    def problem(self, depth: int, outer: tuple[g.MapDecision, ...], nest: int) -> g.MapProblem:
        own: list[g.MapDecision] = []
        label = next(self.names)
        for i in range(self.rng.randint(1, 2)):
            values, kind = self.values()
            guard, allowed = g.TRUE, None
            around = (*outer, *own)
            if self.rng.random() < 0.25:
                guard = self.truth(0, around, 0)
            if kind is g.NUMBER and self.rng.random() < 0.15:
                allowed = tuple(g.le(g.const(v), g.add(self.number(0, around, 0), g.const(2))) for v in values)  # type: ignore[arg-type]
            own.append(g.MapDecision(f"m{label}.{i}", values, kind, guard, allowed))
        maps = (*outer, *own)
        requirements = [self.truth(depth, maps, nest) for _ in range(self.rng.randint(0, 2))]
        goals = [self.number(depth, maps, nest) for _ in range(self.rng.randint(1, 2))]
        return g.MapProblem(f"w{label}", tuple(own), tuple(requirements), tuple(goals))


def generate(
    seed: int,
    *,
    partial: bool = False,
    irrational: bool = False,
    problems: bool = True,
    decisions: int | None = None,
    requirements: int | None = None,
    depth: int = 3,
) -> Generated:
    """A random space: 2 to 5 decisions, 1 to 3 requirements, a few expressions. Same seed, same space."""
    rng = random.Random(seed * 7919 + 1)
    maker = _Maker(seed, partial, irrational, problems, decisions or rng.randint(2, 5))
    wanted = rng.randint(1, 3) if requirements is None else requirements
    written = [
        Requirement(maker.truth(depth), maker.truth(0) if rng.random() < 0.3 else g.TRUE, f"r{i}", NOWHERE)
        for i in range(wanted)
    ]
    numbers = tuple(maker.number(depth) for _ in range(3))
    truths = tuple(maker.truth(depth) for _ in range(2))
    mapped = [Requirement(g.solvable(p), g.TRUE, f"{p.path} has a mapping", NOWHERE, "map") for p in maker.problems]
    return Generated(seed, tuple(maker.decisions), tuple(mapped + written), numbers, truths, tuple(maker.problems))
