"""Parts whose requirements come from elsewhere than a `require`: shapes that must agree, works that need a mapping.

Their numbers are read when they are asked, so that a test can put others in their place (`unsatisfiable`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.compiler.constructs import Part, written
from tests.compiler.constructs_hardware import CLASSES, FEATURES, NETWORK, STD, TASK
from tests.compiler.reference import Chosen, Env, Rule, Term, Undefined, best, divisors, fixed


def shaped(rng: random.Random, n: str, numbers: dict[str, Fraction]) -> Part:
    """Two branches that are added: their widths must agree."""
    narrow, broad = sorted(rng.sample([2, 4, 6, 8, 12], 3)), sorted(rng.sample([8, 12, 16, 24, 32], 3))
    s = f"{n}s"
    numbers[s] = Fraction(rng.choice([2, 3, 4]))
    rule = "    x = left + right"
    lines = [
        TASK, NETWORK, f"    narrow = choose {{{written(narrow)}}}", f"    broad = choose {{{written(broad)}}}",
        f"    left = linear(x, out = narrow * ⟨{s}⟩)", "    right = linear(x, out = broad)", rule,
        "    linear(x, out = nodes.classes)", "}",
    ]  # fmt: skip
    a, b = "net.narrow", "net.broad"
    chosen = [Chosen(a, fixed(narrow)), Chosen(b, fixed(broad))]

    def whole(env: Env) -> bool:
        """What its type asks of a width."""
        return (env[a] * numbers[s]).denominator == 1

    rules = [Rule(rule, lambda env: whole(env) and env[a] * numbers[s] == env[b])]
    terms = [Term(a, lambda env: Fraction(env[a])), Term(b, lambda env: Fraction(env[b]))]
    return Part(lines, chosen, 9, terms, rules=rules, imports=STD, used=("shapes",), network=True, rule_reads=(s,))


def mapped(rng: random.Random, n: str, numbers: dict[str, Fraction]) -> Part:
    """Works whose mapping has to fit, and what it costs at the best one."""
    hidden, rows = sorted(rng.sample([8, 16, 32], 2)), sorted(rng.sample([1, 2, 3, 5], 3))
    f, p, s = f"{n}f", f"{n}p", f"{n}s"
    numbers |= {f: Fraction(rng.randint(4, 14)), p: Fraction(rng.randint(0, 3)), s: Fraction(rng.randint(1, 4))}
    fit = f"        require tile * rows + ⟨{p}⟩ <= ⟨{f}⟩"
    lines = [
        TASK, NETWORK, f"    hidden = choose {{{written(hidden)}}}", "    x = linear(x, out = hidden)",
        "    linear(x, out = nodes.classes)", "}",
        f"accelerator {n} {{", f"    rows = choose {{{written(rows)}}}", "    on matmul(k, n) {",
        "        tile = map divisors(12)", fit, f"        cycles = ceil(n / tile) * rows + tile * ⟨{s}⟩", "    }",
        "    cycles = sum(works.cycles)", "    tiled = max(works.tile)", "}",
    ]  # fmt: skip
    lines = [line for line in lines if "tiled" not in line]
    chosen = [Chosen("net.hidden", fixed(hidden)), Chosen(f"{n}.rows", fixed(rows))]

    def solved(env: Env) -> list[Env | None]:
        across = env[f"{n}.rows"]

        def cycles(m: Env, out: int) -> Fraction:
            return math.ceil(out / m["tile"]) * across + m["tile"] * numbers[s]

        found = []
        for out in (int(env["net.hidden"]), CLASSES):
            m = best(
                ["tile"], [divisors(12)], lambda m: bool(m["tile"] * across + numbers[p] <= numbers[f]),
                lambda m, out=out: (cycles(m, out),), {},
            )  # fmt: skip
            found.append(None if m is None else {**m, "cycles": cycles(m, out)})
        return found

    def total(env: Env) -> Any:
        works = solved(env)
        if None in works:
            raise Undefined
        return sum(w["cycles"] for w in works if w is not None)

    terms = [
        Term(f"{n}.cycles", total), Term("net.hidden", lambda env: Fraction(env["net.hidden"])),
        Term(f"{n}.rows", lambda env: Fraction(env[f"{n}.rows"])),
    ]  # fmt: skip
    rules = [Rule(fit, lambda env: None not in solved(env))]
    return Part(lines, chosen, 6, terms, rules=rules, imports=STD, used=("map",), network=True,
                rule_reads=(f, p), reads=(f, p, s))  # fmt: skip


SOLVED: list[Callable[..., Part]] = [shaped, mapped]
__all__ = ["FEATURES", "SOLVED", "mapped", "shaped"]
