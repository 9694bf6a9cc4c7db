"""Random small spaces as text, each with what it means: whole declarations are in `constructs`, formulas are made here.

Everything comes from a seed, and the seed's remainder says which construct must be there, so that a run of a hundred
seeds meets each several times. Nothing of cospace is imported.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from tests.compiler.constructs import PLAIN, Part
from tests.compiler.constructs_hardware import HARDWARE
from tests.compiler.constructs_later import LATER
from tests.compiler.reference import Env, Reference, Rule, Term, Undefined, folded, quotient, verdict

CONSTRUCTS = [*PLAIN, *HARDWARE, *LATER]
MOST = 400
"""Raw designs of a space, about: what brute force can try in a moment."""
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class Formulas:
    """Random formulas over the terms that the constructs of one space give."""

    def __init__(self, rng: random.Random, numbers: list[Term], truths: list[Term], partial: bool) -> None:
        self.rng, self.partial = rng, partial
        self.numbers, self.truths = numbers, truths
        self.used: set[str] = set()
        self.names = itertools.count()

    def pick(self, kinds: str) -> str:
        kind = self.rng.choice(kinds.split())
        self.used.add(kind)
        return kind

    def leaf(self) -> Term:
        if self.numbers and self.rng.random() < 0.8:
            return self.rng.choice(self.numbers)
        value = self.rng.choice([Fraction(v) for v in (0, 1, 2, 3, 7, 10)] + [Fraction(1, 3), Fraction(5, 2)])
        return constant(value)

    def number(self, depth: int) -> Term:
        if depth <= 0:
            return self.leaf()
        often = " div div mod div" if self.partial else ""
        kind = self.pick(
            "add add mul mul sub min max if floor ceil abs div mod square power fold fold fold leaf" + often
        )
        if kind == "leaf":
            return self.leaf()
        if kind == "fold":
            return self.fold(depth, self.pick("sum product max min mean count"))
        a, b = self.number(depth - 1), self.number(depth - self.rng.randint(1, 2))
        later, x, y = a.later | b.later, a.value, b.value
        if kind in ("add", "mul", "sub"):
            sign = {"add": "+", "mul": "*", "sub": "-"}[kind]
            act = {"add": lambda p, q: p + q, "mul": lambda p, q: p * q, "sub": lambda p, q: p - q}[kind]
            return Term(f"({a.text} {sign} {b.text})", lambda env: act(x(env), y(env)), later)
        if kind in ("min", "max"):
            least = min if kind == "min" else max
            return Term(f"{kind}({a.text}, {b.text})", lambda env: least(x(env), y(env)), later)
        if kind == "if":
            t = self.truth(depth - 1)
            text = f"(if {t.text} then {a.text} else {b.text})"
            return Term(text, lambda env: x(env) if t.value(env) else y(env), later | t.later)
        if kind in ("floor", "ceil"):
            by = self.rng.choice([2, 3, 7])
            whole = math.floor if kind == "floor" else math.ceil
            return Term(f"{kind}({a.text} / {by})", lambda env: Fraction(whole(Fraction(x(env)) / by)), a.later)
        if kind == "abs":
            return Term(f"abs({a.text} - 3)", lambda env: abs(x(env) - 3), a.later)
        if kind == "square":
            return Term(f"({a.text} ^ 2)", lambda env: x(env) ** 2, a.later)
        if kind == "power":
            text = f"(2 ^ floor(min(abs({a.text}), 4)))"
            return Term(text, lambda env: Fraction(2) ** math.floor(min(abs(x(env)), 4)), a.later)
        below, under = f"(abs({b.text}) + 1)", lambda env: abs(y(env)) + 1
        if self.partial and self.numbers:  # 0 at some designs
            less, divisor = self.rng.choice([1, 2, 3]), self.rng.choice(self.numbers)
            later = a.later | divisor.later
            below, under = f"({divisor.text} - {less})", lambda env: divisor.value(env) - less
        if kind == "div":
            return Term(f"({a.text} / {below})", lambda env: quotient(x(env), under(env)), later)

        def remainder(env: Env) -> Fraction:
            p, q = x(env), under(env)
            return p - q * math.floor(quotient(p, q))

        return Term(f"mod({a.text}, {below})", remainder, later)

    def items(self, depth: int) -> tuple[str, list[Term]]:
        """What a fold runs over: a list of formulas, or a range."""
        if self.rng.random() < 0.3:
            most = self.rng.randint(1, 3)
            return f"1..{most}", [constant(Fraction(i)) for i in range(1, most + 1)]
        members = [self.number(depth - 2) for _ in range(self.rng.randint(1, 3))]
        return f"[{', '.join(m.text for m in members)}]", members

    def fold(self, depth: int, kind: str) -> Term:
        name = f"e{next(self.names)}"
        text, items = self.items(depth)
        each = self.leaf() if self.rng.random() < 0.5 else Term("2", lambda env: Fraction(2))
        inner, value = f"{name} * {each.text}", lambda env: env[name] * each.value(env)
        later = each.later.union(*(m.later for m in items))
        if kind in ("all", "any"):
            bound = self.rng.choice([0, 2, 6])
            number = value
            inner, value = f"{inner} <= {bound}", lambda env: number(env) <= bound
        least = self.rng.choice([None, 0, 1, 3])
        empty = Fraction(1, 2) if kind in ("max", "min", "mean") and least is not None else None
        when = "" if least is None else f" when {name} > {least}"
        end = "" if empty is None else f", empty = {empty}"

        def evaluate(env: Env) -> Any:
            passes = ({**env, name: item.value(env)} for item in items)
            kept = (e for e in passes if least is None or e[name] > least)
            return folded(kind, (value(e) for e in kept), empty)

        return Term(f"{kind}({inner} for {name} in {text}{when}{end})", evaluate, later)

    def truth(self, depth: int) -> Term:
        kind = self.pick("compare compare compare and or not chain in curve all any given given")
        if kind == "given" and self.truths:
            return self.rng.choice(self.truths)
        if kind in ("and", "or") and depth > 0:
            a, b = self.truth(depth - 1), self.truth(depth - 1)
            act = (lambda env: a.value(env) and b.value(env)) if kind == "and" else (
                lambda env: a.value(env) or b.value(env))  # fmt: skip
            return Term(f"({a.text} {kind} {b.text})", act, a.later | b.later)
        if kind == "not" and depth > 0:
            a = self.truth(depth - 1)
            return Term(f"(not {a.text})", lambda env: not a.value(env), a.later)
        if kind in ("all", "any"):
            return self.fold(depth, kind)
        a = self.number(depth - 1)
        if kind == "chain":
            low, high = self.rng.choice([0, 1]), self.rng.choice([4, 9, 30])
            return Term(f"({low} <= {a.text} < {high})", lambda env: low <= a.value(env) < high, a.later)
        if kind == "in":
            return Term(f"({a.text} in {{0, 1, 2, 4, 5, 9}})", lambda env: a.value(env) in (0, 1, 2, 4, 5, 9), a.later)
        if kind == "curve":
            return self.curve(a)
        b, sign = self.number(depth - 1), self.rng.choice(list(COMPARED))
        act = COMPARED[sign]
        return Term(f"({a.text} {sign} {b.text})", lambda env: act(a.value(env), b.value(env)), a.later | b.later)

    def curve(self, a: Term) -> Term:
        """A comparison of a function that is not rational; decided without it where an inverse is."""
        kind = self.pick("log2 sqrt log10 log exp cos")
        inside = a.text if self.partial else f"abs({a.text})"
        inner = a.value if self.partial else lambda env: abs(a.value(env))
        if kind in ("exp", "cos"):
            number = lambda env: float(min(max(a.value(env), -4), 4))  # noqa: E731
            function, bound = (math.exp, Fraction(27, 10)) if kind == "exp" else (math.cos, Fraction(1, 3))
            text = f"({kind}(min(max({a.text}, -4), 4)) <= {bound})"
            return Term(text, lambda env: surely_less(function(number(env)), float(bound)), a.later)
        if kind == "sqrt":

            def root(env: Env) -> bool:
                if inner(env) < 0:
                    raise Undefined
                return bool(inner(env) <= 4)

            return Term(f"(sqrt({inside}) <= 2)", root, a.later)
        shift = 0 if self.partial else 1

        def logarithm(env: Env) -> bool:
            number = inner(env) + shift
            if number <= 0:
                raise Undefined
            if kind == "log":
                return surely_less(math.log(number), 1.7)
            return bool(number <= (8 if kind == "log2" else 10))

        bound = {"log2": "3", "log10": "1", "log": "1.7"}[kind]
        return Term(f"({kind}({inside} + {shift}) <= {bound})", logarithm, a.later)


def constant(value: Fraction) -> Term:
    return Term(f"({value})", lambda env: value)


def surely_less(a: float, b: float) -> bool:
    assert abs(a - b) > 1e-9, "too near to be decided here"
    return a < b


def generate(seed: int) -> Reference:
    """A random space. Same seed, same space; every construct once in each `len(CONSTRUCTS)` seeds in a row."""
    rng = random.Random(seed * 6007 + 5)
    partial = rng.random() < 0.25
    wanted = [CONSTRUCTS[seed % len(CONSTRUCTS)], *rng.sample(CONSTRUCTS, rng.randint(1, 4))]
    parts: list[Part] = []
    size = 1
    for at, make in enumerate(wanted):
        part = make(rng, f"d{at}")
        if parts and (size * part.size > MOST or (part.network and any(p.network for p in parts))):
            continue
        parts.append(part)
        size *= part.size
    formulas = Formulas(rng, [n for p in parts for n in p.numbers], [t for p in parts for t in p.truths], partial)
    spread = {path: domain for p in parts for path, domain in p.later.items()}
    lines = list(dict.fromkeys(line for p in parts for line in p.imports))
    lines += [line for p in parts for line in p.lines]
    rules = [r for p in parts for r in p.rules]
    chosen = [c for p in parts for c in p.chosen]
    left = [env for _, env in Reference("", chosen, rules, []).designs()]
    for i in range(rng.randint(1, 4)):
        may_empty = rng.random() < 0.05
        for _ in range(6):
            value = formulas.truth(rng.randint(1, 3))
            guard = formulas.truth(0) if rng.random() < 0.35 else None
            line = f'require {value.text}{f" when {guard.text}" if guard else ""} "written {i}"'
            rule = for_all(line, value, guard, spread)
            kept = [env for env in left if verdict(rule, env) != "broken"]
            if may_empty or len(kept) > len(left) / 20:
                break
        lines.append(line)
        rules.append(rule)
        left = kept
    objectives = [o for o in (formulas.number(2) for _ in range(2)) if not o.later and not partial]
    objectives = [o for p in parts for o in p.objectives] + [
        o for o in objectives if any(path in o.text for n in formulas.numbers for path in [n.text])
    ]
    lines += [f"minimize {o.text}" for o in objectives]
    text = "\n".join([f"space generated_{seed}", *lines, ""])
    used = formulas.used | {u for p in parts for u in p.used}
    return Reference(text, chosen, rules, objectives, used)


def for_all(line: str, value: Term, guard: Term | None, spread: dict[str, Callable[[Env], list[Any]]]) -> Rule:
    """A requirement for all values of the variants that it reads."""
    later = sorted(value.later | (guard.later if guard else frozenset()))

    def holds(env: Env) -> bool | None:
        found: list[bool] = []
        undefined = False
        for e in _bound(later, spread, env):
            try:
                if guard is None or guard.value(e):
                    found.append(bool(value.value(e)))
            except Undefined:
                undefined = True
        if undefined and all(found):  # one value at which it is broken excludes the design, whatever the others do
            raise Undefined
        return all(found) if found else None

    return Rule(line, holds)


def _bound(later: list[str], spread: dict[str, Callable[[Env], list[Any]]], env: Env) -> Iterator[Env]:
    if not later:
        yield env
        return
    for v in spread[later[0]](env):
        yield from _bound(later[1:], spread, {**env, later[0]: v})
