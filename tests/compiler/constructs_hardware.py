"""Accelerators, parts and networks as small random declarations with their meaning: see `constructs`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.compiler.constructs import Part, pool, written
from tests.compiler.reference import Chosen, Env, Rule, Term, Undefined, best, divisors, fixed

STD = ["import std.tasks", "import std.graph", "import std.learn", "import std.works"]
TASK = 'nodes = node_classification("digits")'
NETWORK = "network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {"
FEATURES, CLASSES = 64, 10


def replicated(rng: random.Random, n: str) -> Part:
    """A part for each pair of indices, each with a decision of its own, a rule, and folds over all of them."""
    values, most = pool(rng, 2), rng.randint(1, 9)
    rule = f'        require {n}w * j <= {most} when i == {n}big "part {n}"'
    lines = [
        f"accelerator {n} {{",
        f"    part {n}cell[i in {{{n}big, {n}small}}, j in {{1, 3}}] {{",
        f"        {n}w = choose {{{written(values)}}}",
        rule,
        f"        area = if j == 1 or i == {n}big then {n}w * j else {n}w + 2",
        "    }",
        f"    total = sum({n}cell.area)",
        f"    most = max({n}cell.area)",
        "}",
    ]
    where = [(i, j) for i in (f"{n}big", f"{n}small") for j in (1, 3)]
    path = {(i, j): f"{n}.{n}cell[{i}, {j}].{n}w" for i, j in where}
    chosen = [Chosen(path[k], fixed(values)) for k in where]
    rules = [
        Rule(rule, lambda env, j=j: bool(env[path[f"{n}big", j]] * j <= most)) for j in (1, 3)
    ]  # fmt: skip

    def areas(env: Env) -> list[Fraction]:
        return [env[path[i, j]] * j if j == 1 or i == f"{n}big" else env[path[i, j]] + 2 for i, j in where]

    terms = [Term(f"{n}.total", lambda env: sum(areas(env))), Term(f"{n}.most", lambda env: max(areas(env)))]
    one = Term(f"{n}.{n}cell[{n}big, 3].{n}w", lambda env: env[path[f"{n}big", 3]])
    return Part(lines, chosen, len(values) ** 4, [*terms, one], rules=rules, used=("parts",))


def either(rng: random.Random, n: str) -> Part:
    """Accelerators as alternatives, one with a decision inside, and a function called on whichever is taken."""
    lanes, k = pool(rng), rng.randint(1, 3)
    lines = [
        f"accelerator {n}serial() {{ area = {k}; def rate(w) = w + 1 }}",
        f"accelerator {n}wide(lanes = 2) {{ area = lanes * 2; def rate(w) = w * lanes }}",
        f"accelerator {n} {{",
        f"    mac = choose {{ serial = {n}serial(), wide = {n}wide(lanes = choose {{{written(lanes)}}}) }}",
        "    area = mac.area + mac.rate(3)",
        "}",
    ]
    wide = lambda env: env[f"{n}.mac"] == "wide"  # noqa: E731
    inside = f"{n}.mac.wide.lanes"
    chosen = [Chosen(f"{n}.mac", fixed(["serial", "wide"])), Chosen(inside, fixed(lanes), wide)]
    area = Term(f"{n}.area", lambda env: env[inside] * 5 if wide(env) else Fraction(k + 4))
    seen = Term(f"({n}.mac == wide and {inside} <= 2)", lambda env: wide(env) and env[inside] <= 2)
    return Part(lines, chosen, 4, [area], [seen], used=("accelerators as alternatives",))


def whole(rng: random.Random, n: str) -> Part:
    """Whole accelerators as alternatives, with parameters that are decisions by default."""
    rows, k = pool(rng), rng.randint(1, 5)
    lines = [
        f"accelerator {n}one(rows = choose {{{written(rows)}}}) {{ area = rows + {k} }}",
        f"accelerator {n}two() {{ cols = choose {{1, 2}}; area = cols * 3 }}",
        f"{n} = choose {{ one = {n}one(), two = {n}two() }}",
    ]
    one = lambda env: env[n] == "one"  # noqa: E731
    a, b = f"{n}.one.rows", f"{n}.two.cols"
    chosen = [
        Chosen(n, fixed(["one", "two"])),
        Chosen(a, fixed(rows), one),
        Chosen(b, fixed([1, 2]), lambda env: not one(env)),
    ]
    area = Term(f"{n}.area", lambda env: Fraction(env[a] + k if one(env) else env[b] * 3))
    return Part(lines, chosen, 5, [area], used=("whole accelerators",))


def copies(rng: random.Random, n: str) -> Part:
    """Copies for each layer, and mappings solved for each work given the hardware."""
    hidden, rows, fits = sorted(rng.sample([8, 16, 32], 2)), sorted(rng.sample([1, 2, 3, 5], 2)), rng.randint(2, 30)
    scale, other, tiles = rng.randint(1, 8), rng.randint(0, 9), rng.choice([6, 12])
    energy, goal = rng.random() < 0.5, rng.choice(["", "cycles", "cycles * (tile + 1)"])
    rule = "    on matmul(k, n, wbits) {"
    fit = f"require tile * rows + k / 32 <= {fits}"
    lines = [
        TASK, NETWORK, f"    hidden = choose {{{written(hidden)}}}",
        "    x = choose mid { wide = linear(x, out = hidden), same = skip(x) }",
        "    linear(x, out = nodes.classes)", "}",
        "precision of net { both = choose {4, 8} bit per layer }",
        f"accelerator {n} {{", f"    rows = choose {{{written(rows)}}}", rule,
        f"        tile = map divisors({tiles})", f"        order = map {{{n}p, {n}q}}",
        f"        {fit}",
        f"        cycles = ceil(n / tile) * rows + (if order == {n}p then tile * {scale} else {other}) + wbits / 1 bit",
        "        tiled = tile", *["        energy = 0 - tile"] * energy, *[f"        minimize {goal}"] * bool(goal),
        "    }",
        "    cycles = sum(works.cycles)", "    tiled = max(works.tiled)", "}",
        "search { epochs = 2; loss = cross_entropy() * (1 + epoch) }", "minimize error(nodes)",
    ]  # fmt: skip
    wide = lambda env: env["net.mid"] == "wide"  # noqa: E731
    first, second = "precision.both[net.mid.wide]", "precision.both[net.linear]"
    bits = [("4 bit", Fraction(4)), ("8 bit", Fraction(8))]
    chosen = [
        Chosen("net.hidden", fixed(hidden)), Chosen("net.mid", fixed(["wide", "same"])),
        Chosen(first, lambda env: bits, wide), Chosen(second, lambda env: bits), Chosen(f"{n}.rows", fixed(rows)),
    ]  # fmt: skip

    def works(env: Env) -> list[tuple[int, int, Fraction]]:
        """(k, n, bits) of each."""
        width = env["net.hidden"] if wide(env) else FEATURES
        last = (int(width), CLASSES, env[second])
        return [(FEATURES, int(width), env[first]), last] if wide(env) else [last]

    def solved(env: Env, work: tuple[int, int, Fraction]) -> tuple[Fraction, Fraction] | None:
        k, out, width = work
        across = env[f"{n}.rows"]

        def cycles(m: Env) -> Fraction:
            extra = m["tile"] * scale if m["order"] == "p" else other
            return Fraction(math.ceil(out / m["tile"]) * across + extra + width)

        def order(m: Env) -> tuple[Any, ...]:
            first_goal = cycles(m) * (m["tile"] + 1) if "tile" in goal else cycles(m)
            return (first_goal, -m["tile"] if energy else 0)

        found = best(
            ["tile", "order"], [divisors(tiles), ["p", "q"]],
            lambda m: bool(m["tile"] * across + Fraction(k, 32) <= fits), order, {},
        )  # fmt: skip
        return None if found is None else (cycles(found), found["tile"])

    def mapped(env: Env) -> bool:
        return all(solved(env, w) is not None for w in works(env))

    def total(at: int, fold: Callable[[list[Any]], Any]) -> Callable[[Env], Any]:
        def value(env: Env) -> Any:
            found = [solved(env, w) for w in works(env)]
            if None in found:
                raise Undefined
            return fold([f[at] for f in found if f is not None])

        return value

    terms = [
        Term(f"({n}.cycles / 10)", lambda env: Fraction(total(0, sum)(env), 10)),
        Term(f"{n}.tiled", total(1, max)),
    ]
    goals = [] if rng.random() < 0.3 else [Term(f"{n}.cycles", total(0, sum))]
    return Part(lines, chosen, 24, terms, [], [Rule(fit, mapped)], goals, {}, STD,
                ("per layer", "map", *["map tie by energy"] * energy), network=True)  # fmt: skip


def blocks(rng: random.Random, n: str) -> Part:
    """A block used twice, with decisions of its own each time and a bitwidth for each block that asks for work."""
    lines = [
        TASK,
        f"def {n}cell(x: tensor[v, f]) {{ choose op {{ lin = linear(x, out = {FEATURES}), none = skip(x) }} }}",
        NETWORK, f"    for i in 1..2 {{ x = {n}cell(x) }}", "    linear(x, out = nodes.classes)", "}",
        "precision rest of net { both = 32 bit }",
        f"precision of net.{n}cell {{ both = choose {{4, 8}} bit per block }}",
        f"accelerator {n} {{",
        "    on matmul(k, n, wbits) { cycles = k * n * wbits / 1 bit }",
        "    cycles = sum(works.cycles)", "    layers = count(works)", "}",
    ]  # fmt: skip
    ops = [f"net.{n}cell[{i}].op" for i in (1, 2)]
    widths = [f"precision.both[net.{n}cell[{i}]]" for i in (1, 2)]
    bits = [("4 bit", Fraction(4)), ("8 bit", Fraction(8))]
    chosen = [Chosen(op, fixed(["lin", "none"])) for op in ops]
    chosen += [
        Chosen(w, lambda env: bits, lambda env, op=op: env[op] == "lin") for w, op in zip(widths, ops, strict=True)
    ]  # fmt: skip

    def cycles(env: Env) -> Fraction:
        taken = sum(FEATURES**2 * env[w] for w, op in zip(widths, ops, strict=True) if env[op] == "lin")
        return Fraction(taken + FEATURES * CLASSES * 32)

    terms = [Term(f"({n}.cycles / 10_000)", lambda env: cycles(env) / 10_000)]
    terms.append(Term(f"{n}.layers", lambda env: Fraction(1 + sum(env[op] == "lin" for op in ops))))
    return Part(lines, chosen, 9, terms, imports=STD, used=("per block",), network=True)


def placed(rng: random.Random, n: str) -> Part:
    """Works placed on the first part whose guard holds; a part that gets none has its decisions all the same."""
    hidden, lanes = [8, 32], sorted(rng.sample([1, 2, 3, 4], 2))
    lines = [
        TASK, NETWORK, "    x = linear(x, out = choose hidden {8, 32})", "    linear(x, out = nodes.classes)", "}",
        f"accelerator {n} {{", f"    part {n}chunk[size in {{large, small}}] {{",
        f"        lanes = choose {{{written(lanes)}}}",
        "        on matmul(k, n) when (n >= 16) == (size == large) { cycles = k * n / lanes }",
        "        cycles = sum(works.cycles)", "        top = max(works.cycles, empty = 5)", "    }",
        f"    interval = max({n}chunk.cycles)", f"    tops = sum({n}chunk.top)", "}",
    ]  # fmt: skip
    paths = [f"{n}.{n}chunk[{size}].lanes" for size in ("large", "small")]
    chosen = [Chosen("net.linear.hidden", fixed(hidden)), *(Chosen(p, fixed(lanes)) for p in paths)]

    def cycles(env: Env) -> list[list[Fraction]]:
        found: list[list[Fraction]] = [[], []]
        for k, out in ((FEATURES, int(env["net.linear.hidden"])), (int(env["net.linear.hidden"]), CLASSES)):
            where = 0 if out >= 16 else 1
            found[where].append(Fraction(k * out, env[paths[where]]))
        return found

    interval = Term(f"({n}.interval / 100)", lambda env: max(sum(c, Fraction(0)) for c in cycles(env)) / 100)
    tops = Term(f"({n}.tops / 100)", lambda env: sum(max(c, default=Fraction(5)) for c in cycles(env)) / 100)
    return Part(lines, chosen, 8, [interval, tops], imports=STD, used=("placement",), network=True)


HARDWARE: list[Callable[[random.Random, str], Part]] = [replicated, either, whole, copies, copies, blocks, placed]
