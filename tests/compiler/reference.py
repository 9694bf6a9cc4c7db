"""What a small space means, by trying every design with fractions: the reference that the compiler is held against.

Nothing of cospace is imported. A space is a text with, beside it, the same thing as plain Python functions: its
decisions with their domains, and its rules. `texts.py` writes both from one seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Env = dict[str, Any]
"""Decision path -> its value in the formulas; variants, mappings and names of folds stand beside them."""


class Undefined(Exception):
    """A value that is not there: a division by zero, a logarithm of 0, a row that a table has not."""


@dataclass(frozen=True)
class Term:
    """A formula as text and as a function. later: the paths of the variants that it reads."""

    text: str
    value: Callable[[Env], Any]
    later: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Chosen:
    """A decision. domain: (shown, value in formulas) at what was bound before; live: whether there is one."""

    path: str
    domain: Callable[[Env], list[tuple[str, Any]]]
    live: Callable[[Env], bool] = lambda env: True


@dataclass(frozen=True)
class Rule:
    """A requirement. `line` is the text by which its line is found; holds may raise Undefined; None where its guard
    does not hold. domain: without it there is nothing to hold other requirements against."""

    line: str
    holds: Callable[[Env], bool | None]
    domain: bool = False


@dataclass
class Reference:
    """A space: its text, what it decides, what it requires, and objectives with their values."""

    text: str
    chosen: list[Chosen]
    rules: list[Rule]
    objectives: list[Term]
    used: set[str] = field(default_factory=set)

    def designs(self) -> Iterator[tuple[dict[str, str], Env]]:
        """Every raw design: as shown, and as formulas read it."""
        yield from self._below(0, {}, {})

    def _below(self, at: int, shown: dict[str, str], env: Env) -> Iterator[tuple[dict[str, str], Env]]:
        if at == len(self.chosen):
            yield shown, env
            return
        d = self.chosen[at]
        if not d.live(env):
            yield from self._below(at + 1, shown, env)
            return
        for name, value in d.domain(env):
            yield from self._below(at + 1, {**shown, d.path: name}, {**env, d.path: value})

    def judge(self, env: Env) -> str:
        """feasible | excluded: a rule is defined and false | undefined: nothing excludes it, one has no value."""
        verdicts = [verdict(r, env) for r in self.rules]
        return "excluded" if "broken" in verdicts else "undefined" if "undefined" in verdicts else "feasible"

    def lines(self, rule: Rule) -> int:
        """The number of the line that a rule stands on, from 1."""
        found = [i for i, line in enumerate(self.text.split("\n"), 1) if rule.line in line]
        assert len(found) == 1, (rule.line, found)
        return found[0]


def verdict(rule: Rule, env: Env) -> str:
    """kept | broken | undefined."""
    try:
        return "broken" if rule.holds(env) is False else "kept"
    except Undefined:
        return "undefined"


def show(value: Any, unit: str = "") -> str:
    """A value as a sample spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Fraction)):
        plain = str(int(value)) if Fraction(value).denominator == 1 else str(float(value))
        return f"{plain} {unit}" if unit else plain
    return str(value)


def fixed(values: list[Any], unit: str = "", scale: int = 1) -> Callable[[Env], list[tuple[str, Any]]]:
    """A domain that depends on nothing; `scale` base units stand in one of `unit`."""
    return lambda env: [(show(v, unit), v * scale if unit else v) for v in values]


def divisors(n: Fraction | int) -> list[Fraction]:
    return [Fraction(k) for k in range(1, int(n) + 1) if n % k == 0]


def factors(n: int, parts: int) -> list[tuple[Fraction, ...]]:
    if parts == 1:
        return [(Fraction(n),)]
    return [(d, *rest) for d in divisors(n) for rest in factors(int(n / d), parts - 1)]


def subsets(names: list[str]) -> list[tuple[str, ...]]:
    return [c for n in range(len(names) + 1) for c in itertools.combinations(names, n)]


def quotient(a: Fraction, b: Fraction) -> Fraction:
    if b == 0:
        raise Undefined
    return Fraction(a) / b


def folded(kind: str, each: Iterable[Any], empty: Fraction | None = None) -> Any:
    """sum, product, max, min, mean, all, any or count; `all` and `any` look no further than they must."""
    if kind in ("all", "any"):
        return all(each) if kind == "all" else any(each)
    values = list(each)
    if kind == "sum":
        return sum(values, Fraction(0))
    if kind == "product":
        found = Fraction(1)
        for v in values:
            found *= v
        return found
    if kind == "count":
        return Fraction(len(values))
    if not values:
        if empty is None:
            raise Undefined
        return empty
    return sum(values, Fraction(0)) / len(values) if kind == "mean" else (max if kind == "max" else min)(values)


def best(
    names: list[str],
    domains: list[list[Any]],
    fits: Callable[[Env], bool],
    goal: Callable[[Env], tuple[Any, ...]],
    env: Env,
) -> Env | None:
    """The mapping a rule prefers: the least goal among those that fit, the first of equals; None where none fits."""
    found = [e for combo in itertools.product(*domains) for e in [{**env, **dict(zip(names, combo, strict=True))}]]
    fitting = [e for e in found if fits(e)]
    return min(fitting, key=goal) if fitting else None
