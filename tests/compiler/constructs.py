"""Every construct of the language as a small random declaration, with what it means beside it.

Each function makes one `Part` under a name of its own: lines of text, the decisions they make, the rules they bring,
and the terms that formulas may read anywhere (a reading that may not be alive comes with its guard).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.compiler.reference import Chosen, Env, Rule, Term, Undefined, divisors, factors, fixed, show, subsets


@dataclass
class Part:
    """size: raw designs, at most. later: the variants it declares, each with the values it may take. network: whether
    it is the one network that a space may have here. reads, rule_reads: the numbers that its terms and its rules read,
    where a test may change them."""

    lines: list[str]
    chosen: list[Chosen]
    size: int
    numbers: list[Term] = field(default_factory=list)
    truths: list[Term] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    objectives: list[Term] = field(default_factory=list)
    later: dict[str, Callable[[Env], list[Any]]] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    used: tuple[str, ...] = ()
    network: bool = False
    reads: tuple[str, ...] = ()
    rule_reads: tuple[str, ...] = ()


def read(path: str) -> Callable[[Env], Any]:
    return lambda env: env[path]


def at(path: str) -> Term:
    return Term(path, read(path))


def pool(rng: random.Random, most: int = 3) -> list[Fraction]:
    values = [Fraction(v) for v in (0, 1, 2, 3, 4, 5, 6, 8, 12)] + [Fraction(1, 2), Fraction(5, 4)]
    return sorted(rng.sample(values, rng.randint(2, most)))


def written(values: list[Any]) -> str:
    return ", ".join(str(v) for v in values)


def numbers(rng: random.Random, n: str) -> Part:
    values = pool(rng, 4)
    return Part([f"{n} = choose {{{written(values)}}}"], [Chosen(n, fixed(values))], 4, [at(n)], used=("set",))


def with_units(rng: random.Random, n: str) -> Part:
    values = sorted(rng.sample([1, 2, 4, 6, 64], 3))
    unit, base, scale = rng.choice([("KiB", "byte", 1024), ("us", "ns", 1000), ("mW", "W", Fraction(1, 1000))])
    term = Term(f"({n} / 1 {unit})", lambda env: env[n] / scale)
    small = Term(f"({n} <= {float(4 * scale)} {base})", lambda env: env[n] <= 4 * scale)
    lines = [f"{n} = choose {{{written(values)}}} {unit}"]
    domain: list[tuple[str, Any]] = [(show(v, unit), Fraction(v) * scale) for v in values]
    return Part(lines, [Chosen(n, lambda env: domain)], 3, [term], [small], used=("unit",))


def own_unit(rng: random.Random, n: str) -> Part:
    values = sorted(rng.sample([1, 2, 3, 5], 2))
    lines = [f"unit {n}u", f"unit kilo{n}u = 1_000 {n}u", f"{n} = choose {{{written(values)}}} kilo{n}u"]
    chosen = [Chosen(n, fixed([Fraction(v) for v in values], f"kilo{n}u", 1000))]
    return Part(lines, chosen, 2, [Term(f"({n} / 500 {n}u)", lambda env: env[n] / 500)], used=("own unit",))


def stepped(rng: random.Random, n: str) -> Part:
    low, step = rng.randint(0, 3), rng.randint(1, 3)
    high = low + step * rng.randint(1, 3) + rng.randint(0, step - 1)
    values = [Fraction(v) for v in range(low, high + 1, step)]
    return Part([f"{n} = choose {low}..{high} step {step}"], [Chosen(n, fixed(values))], 4, [at(n)], used=("range",))


def powers(rng: random.Random, n: str) -> Part:
    base, most = rng.choice([(2, 8), (2, 5), (3, 9)])
    values = [Fraction(base) ** k for k in range(5) if base**k <= most]
    return Part([f"{n} = choose powers({base}, {most})"], [Chosen(n, fixed(values))], 4, [at(n)], used=("powers",))


def divided(rng: random.Random, n: str) -> Part:
    most = rng.choice([6, 8, 12])
    return Part([f"{n} = choose divisors({most})"], [Chosen(n, fixed(divisors(most)))], 6, [at(n)], used=("divisors",))


def dependent_divisors(rng: random.Random, n: str) -> Part:
    values = [Fraction(v) for v in sorted(rng.sample([1, 2, 4, 5, 6], 2))]
    lines = [f"{n}o = choose {{{written(values)}}}", f"{n} = choose divisors({n}o * 2)"]
    inner = Chosen(n, lambda env: [(show(v), v) for v in divisors(env[f"{n}o"] * 2)])
    return Part(lines, [Chosen(f"{n}o", fixed(values)), inner], 12, [at(n), at(f"{n}o")], used=("dependent divisors",))


def dependent_range(rng: random.Random, n: str) -> Part:
    """Empty where the outer value is below the low end: no design there, and a rule that says so."""
    values = [Fraction(v) for v in sorted(rng.sample([0, 1, 2, 3, 4], 2))]
    low = rng.randint(0, min(2, int(values[1])))
    lines = [f"{n}o = choose {{{written(values)}}}", f"{n} = choose {low}..{n}o step 1"]
    inner = Chosen(n, lambda env: [(show(v), Fraction(v)) for v in range(low, int(env[f"{n}o"]) + 1)])
    return Part(lines, [Chosen(f"{n}o", fixed(values)), inner], 8, [at(n), at(f"{n}o")], used=("dependent range",))


def members(rng: random.Random, n: str) -> Part:
    """Members that depend on a decision; of two that are equal in a design the first stands for both."""
    values = [Fraction(v) for v in rng.sample([1, 2, 3, 4], 2)]
    lines = [f"{n}o = choose {{{written(sorted(values))}}}", f"{n} = choose {{{n}o, {n}o * 2, 4}}"]

    def domain(env: Env) -> list[tuple[str, Any]]:
        found: dict[Any, str] = {}
        for name, v in ((f"{n}o", env[f"{n}o"]), (f"{n}o * 2", env[f"{n}o"] * 2), ("4", Fraction(4))):
            found.setdefault(v, name)
        return [(name, v) for v, name in found.items()]

    chosen = [Chosen(f"{n}o", fixed(sorted(values))), Chosen(n, domain)]
    return Part(lines, chosen, 6, [at(n), at(f"{n}o")], used=("dependent members",))


def filtered(rng: random.Random, n: str) -> Part:
    """A list with conditions as a domain."""
    values = [Fraction(v) for v in sorted(rng.sample([1, 2, 3, 4, 5], 2))]
    lines = [f"{n}o = choose {{{written(values)}}}", f"{n} = choose [e for e in {{1, 2, 4}} when e <= {n}o]"]
    inner = Chosen(n, lambda env: [(show(v), Fraction(v)) for v in (1, 2, 4) if v <= env[f"{n}o"]])
    return Part(lines, [Chosen(f"{n}o", fixed(values)), inner], 6, [at(n)], used=("filtered domain",))


def permuted(rng: random.Random, n: str) -> Part:
    names = ["K", "C", "N"][: rng.randint(2, 3)]
    orders = [p for p in itertools.permutations(names)]
    last = Term(f"({n} == [{', '.join(names)}])", lambda env: env[n] == tuple(names))
    first = Term(f"({n}[1] == K)", lambda env: env[n][0] == "K")

    def down(env: Env) -> Fraction:
        """What stands down to the innermost member of {K}: the place of K."""
        return Fraction(env[n].index("K") + 1)

    reused = Term(f"count(e for e in down_to({n}, {{K}}))", down)
    domain: list[tuple[str, Any]] = [(f"[{', '.join(o)}]", o) for o in orders]
    line = f"{n} = choose orders({{{', '.join(names)}}})"
    return Part([line], [Chosen(n, lambda env: domain)], 6, [reused], [first, last], used=("orders",))


def kept(rng: random.Random, n: str) -> Part:
    names = ["K", "C", "N"][: rng.randint(2, 3)]
    domain: list[tuple[str, Any]] = [(f"{{{', '.join(s)}}}", s) for s in subsets(names)]
    has = Term(f"(K in {n})", lambda env: "K" in env[n])
    size = Term(f"count(e for e in {n})", lambda env: Fraction(len(env[n])))
    line = f"{n} = choose subsets({{{', '.join(names)}}})"
    return Part([line], [Chosen(n, lambda env: domain)], 8, [size], [has], used=("subsets",))


def split(rng: random.Random, n: str) -> Part:
    most = rng.choice([4, 6])
    domain: list[tuple[str, Any]] = [(f"[{', '.join(show(v) for v in f)}]", f) for f in factors(most, 2)]
    terms = [Term(f"{n}[{i}]", lambda env, i=i: env[n][i - 1]) for i in (1, 2)]
    return Part([f"{n} = choose factors({most}, 2)"], [Chosen(n, lambda env: domain)], 4, terms, used=("factors",))


def truth(rng: random.Random, n: str) -> Part:
    is_on = Term(n, read(n))
    return Part([f"{n} = choose {{true, false}}"], [Chosen(n, fixed([True, False]))], 2, [], [is_on], used=("bools",))


def symbols(rng: random.Random, n: str) -> Part:
    """Symbols with attributes, a record read by them."""
    slow, fast = Fraction(rng.randint(1, 9)), Fraction(rng.randint(1, 5), 2)
    line = f"{n} = choose {{{n}slow(rate = {slow}), {n}fast(rate = {fast})}}"
    rate = Term(f"{n}.rate", lambda env: slow if env[n] == f"{n}slow" else fast)
    record = Term(f"{{{n}slow = 3, {n}fast = 5}}[{n}]", lambda env: Fraction(3 if env[n] == f"{n}slow" else 5))
    same = Term(f"({n} == {n}fast)", lambda env: env[n] == f"{n}fast")
    chosen = [Chosen(n, fixed([f"{n}slow", f"{n}fast"]))]
    return Part([line], chosen, 2, [rate, record], [same], used=("symbols", "attributes"))


def alternatives(rng: random.Random, n: str) -> Part:
    """Named alternatives with a decision inside one, and a condition on the other."""
    outer, inner, most = pool(rng), pool(rng), rng.randint(1, 5)
    lines = [
        f"{n}o = choose {{{written(outer)}}}",
        f"{n} = choose {n}k {{one = (choose {n}i {{{written(inner)}}}) + 1, two = {n}o * 2 when {n}o <= {most}}}",
    ]
    names = lambda env: [(v, v) for v in ("one", "two") if v == "one" or env[f"{n}o"] <= most]  # noqa: E731
    inside = Chosen(f"{n}k.one.{n}i", fixed(inner), lambda env: env[f"{n}k"] == "one")

    def value(env: Env) -> Fraction:
        return Fraction(env[f"{n}k.one.{n}i"] + 1 if env[f"{n}k"] == "one" else env[f"{n}o"] * 2)

    chosen = [Chosen(f"{n}o", fixed(outer)), Chosen(f"{n}k", names), inside]
    return Part(lines, chosen, 12, [Term(n, value), at(f"{n}o")], used=("alternatives",))


def guarded(rng: random.Random, n: str) -> Part:
    """A decision that is there only where another says so."""
    outer, inner = pool(rng), pool(rng)
    lines = [f"{n}o = choose {{{written(outer)}}}", f"{n} = choose {{{written(inner)}}} when {n}o <= 2"]
    live = lambda env: bool(env[f"{n}o"] <= 2)  # noqa: E731
    number = Term(f"(if {n}o <= 2 then {n} else 7)", lambda env: env[n] if live(env) else Fraction(7))
    sure = Term(f"({n}o <= 2 and {n} > 1)", lambda env: live(env) and env[n] > 1)
    chosen = [Chosen(f"{n}o", fixed(outer)), Chosen(n, fixed(inner), live)]
    return Part(lines, chosen, 9, [number, at(f"{n}o")], [sure], used=("guarded",))


def listed(rng: random.Random, n: str) -> Part:
    """A list of decisions, and folds over it."""
    values = pool(rng)
    chosen = [Chosen(f"{n}[{i}]", fixed(values)) for i in (1, 2)]
    both = lambda env: [env[f"{n}[1]"], env[f"{n}[2]"]]  # noqa: E731
    terms = [
        at(f"{n}[1]"),
        Term(f"sum({n})", lambda env: sum(both(env))),
        Term(f"max({n})", lambda env: max(both(env))),
    ]
    same = Term(f"any(e == 1 for e in {n})", lambda env: 1 in both(env))
    line = f"{n} = [choose {{{written(values)}}} for e in 1..2]"
    return Part([line], chosen, 9, terms, [same], used=("lists",))


def looped(rng: random.Random, n: str) -> Part:
    """A loop as long as a decision says, with a requirement in each pass."""
    values, most = pool(rng), rng.randint(2, 9)
    rule = f'    require {n} * i <= {most} "loop {n}"'
    lines = [f"{n}d = choose 1..2", f"for i in 1..{n}d {{", f"    {n} = choose {{{written(values)}}}", rule, "}"]
    live = [lambda env: True, lambda env: bool(env[f"{n}d"] >= 2)]
    chosen = [Chosen(f"{n}d", fixed([Fraction(1), Fraction(2)]))]
    chosen += [Chosen(f"{n}[{i + 1}]", fixed(values), live[i]) for i in (0, 1)]
    rules = [
        Rule(rule, lambda env, i=i: env[f"{n}[{i}]"] * i <= most if env[f"{n}d"] >= i else None) for i in (1, 2)
    ]  # fmt: skip
    return Part(lines, chosen, 12, [at(f"{n}d")], rules=rules, used=("searched loop",))


def table(rng: random.Random, n: str) -> Part:
    """A table over a number and a text; one row may be missing where nothing reads it."""
    values = [Fraction(v) for v in (1, 2, 3)]
    rows = {v: Fraction(rng.randint(0, 9), rng.choice([1, 2, 3])) for v in values}
    absent = rng.choice([None, Fraction(3)])
    written_rows = [f'[{v}, "u", {x}]' for v, x in rows.items() if v != absent] + ['[1, "v", 77]']
    lines = [
        f"{n} = choose {{1, 2, 3}}",
        f"table {n}t(key: real, name: text) from [{', '.join(written_rows)}] {{ cost: real }}",
    ]

    def cost(env: Env) -> Fraction:
        if env[n] == absent:
            raise Undefined
        return rows[env[n]]

    whole = Term(f'{n}t({n}, "u").cost', cost)
    if absent is not None:
        whole = Term(f"(if {n} <= 2 then {whole.text} else 5)", lambda env: cost(env) if env[n] <= 2 else Fraction(5))
    return Part(lines, [Chosen(n, fixed(values))], 3, [whole, at(n)], used=("look-up",))


def functions(rng: random.Random, n: str) -> Part:
    values, k = pool(rng), rng.randint(1, 4)
    lines = [
        f"{n} = choose {{{written(values)}}}",
        f"def {n}f(r, c = {k}) = r * c + 1",
        f"def {n}g(r) {{",
        f"    q = {n}f(r) * 2",
        "    q = q + r",
        "    q - 1",
        "}",
        f"param {n}p = {k}",
    ]
    one = Term(f"{n}f({n}, 2)", lambda env: env[n] * 2 + 1)
    two = Term(f"{n}g({n} + {n}p)", lambda env: ((env[n] + k) * k + 1) * 2 + env[n] + k - 1)
    return Part(lines, [Chosen(n, fixed(values))], 3, [one, two], used=("functions", "params"))


PLAIN: list[Callable[[random.Random, str], Part]] = [
    numbers, with_units, own_unit, stepped, powers, divided, dependent_divisors, dependent_range, members, filtered,
    permuted, kept, split, truth, symbols, alternatives, guarded, listed, looped, table, functions,
]  # fmt: skip
