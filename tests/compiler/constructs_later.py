"""What is bound after the search, by the user, by chance and by the input: see `constructs`."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

from tests.compiler.constructs import Part, at, pool, written
from tests.compiler.reference import Chosen, Env, Rule, Term, fixed, show

LEARN = ["import std.learn"]


def switched(rng: random.Random, n: str) -> Part:
    values, k = pool(rng), rng.randint(1, 3)
    largest = max(values)
    lines = [f"{n} = switch {{{written(values)}}}", f"{n}o = choose {{1, {k + 1}}}"]
    chosen = [Chosen(f"{n}o", fixed([Fraction(1), Fraction(k + 1)]))]
    own = Term(n, lambda env: env[n], frozenset([n]))
    fold = Term(f"max({n} * {n}o for {n})", lambda env: max(v * env[f"{n}o"] for v in values))
    one = Term(f"({n} + {n}o at {n} = {largest})", lambda env: largest + env[f"{n}o"])
    some = Term(f"any({n} == {values[0]} for {n})", lambda env: True)
    return Part(lines, chosen, 2, [own, fold, one, at(f"{n}o")], [some], objectives=[fold],
                later={n: lambda env: values}, imports=LEARN, used=("switch",))  # fmt: skip


def drawn(rng: random.Random, n: str) -> Part:
    """Chance with weights, one of which is a decision and may be 0: then its value is never drawn."""
    values, weights = pool(rng, 3), [0, rng.randint(1, 3)]
    lines = [
        f"{n}o = choose {{{written(weights)}}}",
        f"{n} = random {{{written(values)}}} by [{', '.join(['1', f'{n}o', '2'][: len(values)])}] per image",
    ]

    def weighed(env: Env) -> list[tuple[Fraction, Fraction]]:
        given = [Fraction(1), Fraction(env[f"{n}o"]), Fraction(2)]
        return [(v, w) for v, w in zip(values, given, strict=False) if w]

    def taken(env: Env) -> list[Fraction]:
        return [v for v, _ in weighed(env)]

    def mean(env: Env) -> Fraction:
        return sum(v * w for v, w in weighed(env)) / sum(w for _, w in weighed(env))

    own = Term(n, lambda env: env[n], frozenset([n]))
    folds = [Term(f"mean({n} for {n})", mean), Term(f"max({n} for {n})", lambda env: max(taken(env)))]
    every = Term(f"all({n} <= 4 for {n})", lambda env: all(v <= 4 for v in taken(env)))
    chosen = [Chosen(f"{n}o", fixed([Fraction(w) for w in weights]))]
    return Part(lines, chosen, 2, [own, own, *folds], [every], objectives=folds, later={n: taken},
                imports=LEARN, used=("random",))  # fmt: skip


def drawn_from_range(rng: random.Random, n: str) -> Part:
    """Chance over a range that a decision ends; where nothing is in it there is no design."""
    ends = [Fraction(v) for v in sorted(rng.sample([0, 1, 2, 3, 4], 2))]
    low = rng.randint(0, int(ends[1]))
    line = f"{n} = random {low}..{n}o step 1 per image"
    values = lambda env: [Fraction(v) for v in range(low, int(env[f"{n}o"]) + 1)]  # noqa: E731
    own = Term(n, lambda env: env[n], frozenset([n]))
    chosen = [Chosen(f"{n}o", lambda env: [(show(v), v) for v in ends])]
    rules = [Rule(line, lambda env: bool(values(env)), domain=True)]
    lines = [f"{n}o = choose {{{written(ends)}}}", line]
    return Part(lines, chosen, 2, [own, at(f"{n}o")], rules=rules, later={n: values}, imports=LEARN,
                used=("random of a range",))  # fmt: skip


def adapted(rng: random.Random, n: str) -> Part:
    """By a function of a statistic that is uniform on 0..1."""
    low, high = pool(rng, 2)
    share = Fraction(rng.randint(1, 3), 4)
    lines = [
        f'{n}u = quantile("edge_density")',
        f"{n} = adapt {{{low}, {high}}} by (if {n}u < {share} then {low} else {high})",
        f"{n}o = choose {{1, 2}}",
    ]
    own = Term(n, lambda env: env[n], frozenset([n]))
    mean = Term(f"mean({n} * {n}o for {n})", lambda env: (low * share + high * (1 - share)) * env[f"{n}o"])
    chosen = [Chosen(f"{n}o", fixed([Fraction(1), Fraction(2)]))]
    return Part(lines, chosen, 2, [own, mean], objectives=[mean], later={n: lambda env: [low, high]},
                imports=LEARN, used=("adapt",))  # fmt: skip


LATER: list[Callable[[random.Random, str], Part]] = [switched, drawn, drawn_from_range, adapted]
