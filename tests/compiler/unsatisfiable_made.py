"""Makes random texts that no design meets: parts, requirements of many forms over them, and fillers."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.compiler.constructs import Part, alternatives, divided, functions, numbers, powers, stepped, truth
from tests.compiler.constructs_hardware import either, replicated, whole
from tests.compiler.constructs_later import adapted, drawn, switched
from tests.compiler.constructs_solved import mapped, shaped
from tests.compiler.reference import Env, Term, Undefined
from tests.compiler.unsatisfiable import Asked, Unsatisfiable

MOST = 1_500
"""Designs of parts that are tried together."""
SPECIAL: dict[str, list[Callable[..., Part]]] = {
    "shapes": [shaped], "maps": [mapped], "for all": [switched, drawn, adapted],
    "alternatives": [alternatives, either, whole, replicated],
}  # fmt: skip


@dataclass
class Read:
    """A formula over parts."""

    term: Term
    parts: frozenset[int]


class Maker:
    """Makes one text."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed * 7919 + 3)
        self.spec = Unsatisfiable(seed)
        self.count = itertools.count()

    def number(self, value: Fraction | int) -> str:
        """A new number of the text, by its name."""
        key = f"k{next(self.count)}"
        self.spec.numbers[key] = Fraction(value)
        return key

    def make(self, kind: str, wanted: int) -> Unsatisfiable | None:
        """A text whose parts of one kind are in a conflict of about so many requirements; None where none came out."""
        spec, rng = self.spec, self.rng
        spec.kind = kind
        special: list[int] = []
        if kind != "plain":
            make = rng.choice(SPECIAL[kind])
            name = f"d{len(spec.parts)}"
            part = make(rng, name, spec.numbers) if kind in ("shapes", "maps") else make(rng, name)
            special.append(spec.add(part))
        chained = wanted > 2 and rng.random() < 0.85
        while len(special) < (max(wanted - 1, 2) if chained else 2 if kind != "plain" else 3):
            make = rng.choice([numbers, stepped, powers, divided, functions])
            special.append(spec.add(make(rng, f"d{len(spec.parts)}")))
        self.first = len(spec.parts)
        if not (self.chain(special, wanted) if chained else self.plant(special, wanted)):
            return None
        if rng.random() < 0.2:  # a second conflict, so that no number alone makes room
            apart = [spec.add(rng.choice([numbers, stepped, powers])(rng, f"d{len(spec.parts)}")) for _ in (1, 2)]
            if not self.plant(apart, 2):
                return None
        while spec.decisions < 10:
            at = spec.add(rng.choice([numbers, stepped, powers, divided, truth, functions])(rng, f"d{len(spec.parts)}"))
            self.filler(at)
        rng.shuffle(spec.asked)
        return spec

    def suits(self, wanted: int | None = None) -> bool:
        """Whether the conflicts are of 2 to 6 requirements, and one goes through what the text is to go through."""
        spec = self.spec
        found = spec.conflicts()
        if len(spec.parts) > self.first:  # the second of a text
            return all(2 <= len(c) <= 6 for c in found)
        if not found or not all(2 <= len(c) <= 6 for c in found) or wanted not in (None, *map(len, found)):
            return False
        own = {r.line for r in spec.parts[0].rules}
        for c in found:
            lines = [spec.asked[i] for i in c]
            if spec.kind == "shapes":
                through = any(a.line in own for a in lines)
            elif spec.kind == "maps":
                through = any(a.line in own or ".cycles" in a.line for a in lines)
            elif spec.kind == "for all":
                through = any(a.later or "max(" in a.line or " for d0" in a.line for a in lines)
            else:
                through = any(0 in a.parts for a in lines)
            if through:
                return True
        return False

    def chain(self, parts: list[int], wanted: int) -> bool:
        """Each of some terms has to be large, and their sum small."""
        spec, rng = self.spec, self.rng
        mine = frozenset(parts)
        if spec.size(mine) > MOST or any(not spec.parts[i].numbers for i in parts):
            return False
        base = list(spec.asked)
        for _ in range(12):
            spec.asked = list(base)
            terms = [rng.choice(spec.parts[i].numbers) for i in parts]
            if spec.kind == "shapes":
                terms = [spec.parts[0].numbers[1], *terms[1:], spec.parts[0].numbers[0]]
            own = [*parts, parts[0]][: len(terms)]
            total = Fraction(0)
            for k, (t, i) in enumerate(zip(terms, own, strict=True)):
                read = Read(t, frozenset([i]))
                values = sorted({self.some_value(read, True) for _ in range(8)})
                if len(values) < 2:
                    return False
                if spec.kind != "shapes" or k:
                    at = values[rng.randint(1, len(values) - 1)]
                    total += at if k < len(parts) else 0
                    spec.asked.append(self.large(read, at))
                else:
                    total += values[0]
            text = " + ".join(t.text for t in terms[: len(parts)])
            later = frozenset().union(*(t.later for t in terms))
            summed = terms[: len(parts)]
            whole = Term(f"({text})", lambda env, own=summed: sum(Fraction(t.value(env)) for t in own), later)
            for step in (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4), Fraction(8)):
                asked = self.small(Read(whole, mine), total - step)
                spec.asked.append(asked)
                if self.suits(wanted if spec.kind in ("plain", "alternatives") else None):
                    return True
                spec.asked.pop()
        return False

    def large(self, r: Read, at: Fraction) -> Asked:
        rng, n, v = self.rng, self.spec.numbers, r.term.value
        form = rng.randrange(4)
        s = self.number(rng.randint(2, 4))
        if form == 0:
            k = self.number(at * n[s])
            return self.asked(
                f"require ⟨{s}⟩ * {r.term.text} >= ⟨{k}⟩", lambda env: n[s] * v(env) >= n[k], [r],
                {s: lambda env: [n[k] / v(env)] if v(env) else [], k: lambda env: [n[s] * v(env)]},
            )  # fmt: skip
        if form == 1:
            k = self.number(at * n[s] + 1)
            return self.asked(
                f"require f{s}({r.term.text}) >= ⟨{k}⟩", lambda env: n[s] * v(env) + 1 >= n[k], [r],
                {s: lambda env: [(n[k] - 1) / v(env)] if v(env) else [], k: lambda env: [n[s] * v(env) + 1]},
                (f"def f{s}(a) = a * ⟨{s}⟩ + 1",),
            )  # fmt: skip
        del n[s]
        k = self.number(at)
        if form == 2:
            return self.asked(
                f'    require {r.term.text} * i{k} >= ⟨{k}⟩ "asked {k}"',
                lambda env: all(v(env) * i >= n[k] for i in (1, 2)), [r],
                {k: lambda env: [Fraction(v(env) * i) for i in (1, 2)]}, (f"for i{k} in 1..2 {{",),
            )  # fmt: skip
        return self.asked(f'require {r.term.text} >= ⟨{k}⟩ "asked {k}"', lambda env: v(env) >= n[k], [r],
                          {k: lambda env: [Fraction(v(env))]})  # fmt: skip

    def small(self, r: Read, at: Fraction) -> Asked:
        n, v, k = self.spec.numbers, r.term.value, self.number(at)
        before = (f"param p{k} = ⟨{k}⟩",) if self.rng.random() < 0.5 else ()
        word = f"p{k}" if before else f"⟨{k}⟩"
        return self.asked(
            f"require {r.term.text} <= {word}", lambda env: v(env) <= n[k], [r],
            {k: lambda env: [Fraction(v(env))]}, before,
        )  # fmt: skip

    def plant(self, parts: list[int], wanted: int) -> bool:
        """Requirements that exclude each other, about as many as wanted."""
        spec = self.spec
        mine = frozenset(parts)
        if spec.size(mine) > MOST:
            return False
        base = list(spec.asked)
        full = (1 << spec.size(mine)) - 1
        for _ in range(30):
            spec.asked = list(base)
            left = full
            for a in base:
                if a.parts <= mine:
                    left &= spec.mask(a, mine)
            if not left:
                return False
            for _ in range(40):
                if len(spec.asked) - len(base) > 6:
                    break
                last = len(spec.asked) - len(base) >= wanted - 1
                asked = self.requirement(parts)
                own = spec.mask(asked, mine)
                if not own or own == full:
                    continue
                if last and not left & own:
                    spec.asked.append(asked)
                    left = 0
                    break
                if left & own and left & own != left and not last:
                    spec.asked.append(asked)
                    left &= own
            if left:
                continue
            if self.suits():
                return True
        return False

    def filler(self, at: int) -> None:
        """Requirements that leave room, over a part that no conflict reads."""
        spec, rng = self.spec, self.rng
        if not spec.parts[at].numbers or rng.random() < 0.4:
            return
        for _ in range(5):
            asked = self.requirement([at])
            if spec.mask(asked, frozenset([at])):
                spec.asked.append(asked)
                if spec.possible([a for a in spec.asked if a.parts == frozenset([at])]):
                    return
                spec.asked.pop()

    # ---- forms

    def read(self, parts: list[int]) -> Read:
        spec, rng = self.spec, self.rng
        pairs = [(t, i) for i in parts for t in spec.parts[i].numbers]
        (a, i) = rng.choice(pairs)
        if rng.random() < 0.45:
            return Read(a, frozenset([i]))
        (b, j) = rng.choice(pairs)
        sign, act = rng.choice(
            [("+", lambda x, y: x + y), ("+", lambda x, y: x + y), ("*", lambda x, y: x * y), ("-", lambda x, y: x - y)]
        )
        value = lambda env: Fraction(act(a.value(env), b.value(env)))  # noqa: E731
        return Read(Term(f"({a.text} {sign} {b.text})", value, a.later | b.later), frozenset([i, j]))

    def some_value(self, read: Read, itself: bool = False) -> Fraction:
        """A value that the formula takes somewhere, or one near it."""
        spec, rng = self.spec, self.rng
        env: Env = {}
        for i in read.parts:
            env |= rng.choice(spec.envs[i])
        try:
            value = Fraction(rng.choice([read.term.value(e) for e in spec._bound(sorted(read.term.later), env)]))
        except (Undefined, IndexError):
            value = Fraction(5)
        value += 0 if itself else rng.choice([0, 0, 1, -1, Fraction(1, 2)])
        return Fraction(round(value * 4), 4)

    def requirement(self, parts: list[int]) -> Asked:
        rng = self.rng
        r = self.read(parts)
        forms = [self.compared] * 4 + [self.scaled, self.shifted, self.rounded, self.clipped, self.remainder]
        forms += [self.guarded, self.either, self.param, self.called, self.looped]
        return rng.choice(forms)(r, parts)

    def asked(
        self, line: str, holds: Callable[[Env], bool | None], reads: list[Read],
        crucial: dict[str, Callable[[Env], list[Fraction]]], before: tuple[str, ...] = (),
    ) -> Asked:  # fmt: skip
        parts = frozenset().union(*(r.parts for r in reads))
        later = frozenset().union(*(r.term.later for r in reads))
        through = frozenset(k for p in parts for k in self.spec.parts[p].reads)
        return Asked(line, holds, parts, later, crucial, frozenset(crucial) | through, before)

    def side(self) -> tuple[str, Callable[[Any, Any], bool]]:
        return self.rng.choice(
            [("<=", lambda a, b: a <= b), (">=", lambda a, b: a >= b), ("<", lambda a, b: a < b),
             (">", lambda a, b: a > b), ("==", lambda a, b: a == b)]
        )  # fmt: skip

    def compared(self, r: Read, parts: list[int]) -> Asked:
        sign, act = self.side()
        k, n = self.number(self.some_value(r)), self.spec.numbers
        v = r.term.value
        return self.asked(
            f'require {r.term.text} {sign} ⟨{k}⟩ "asked {k}"', lambda env: act(v(env), n[k]), [r],
            {k: lambda env: [Fraction(v(env))]},
        )  # fmt: skip

    def scaled(self, r: Read, parts: list[int]) -> Asked:
        sign, act = self.side()
        s, n, v = self.number(self.rng.randint(2, 5)), self.spec.numbers, r.term.value
        c = self.number(self.some_value(r) * n[s])
        return self.asked(
            f"require ⟨{s}⟩ * {r.term.text} {sign} ⟨{c}⟩", lambda env: act(n[s] * v(env), n[c]), [r],
            {s: lambda env: [n[c] / v(env)] if v(env) else [], c: lambda env: [n[s] * v(env)]},
        )  # fmt: skip

    def shifted(self, r: Read, parts: list[int]) -> Asked:
        other = self.read(parts)
        v, w, n = r.term.value, other.term.value, self.spec.numbers
        k = self.number(self.rng.randint(0, 6))
        return self.asked(
            f'require {r.term.text} + ⟨{k}⟩ <= {other.term.text} "asked {k}"',
            lambda env: v(env) + n[k] <= w(env), [r, other], {k: lambda env: [Fraction(w(env) - v(env))]},
        )  # fmt: skip

    def rounded(self, r: Read, parts: list[int]) -> Asked:
        v, n = r.term.value, self.spec.numbers
        s, c = self.number(self.rng.randint(2, 6)), self.number(self.rng.randint(1, 4))

        def up(env: Env) -> int:
            if n[s] == 0:
                raise Undefined
            return math.ceil(Fraction(v(env)) / n[s])

        return self.asked(
            f"require ceil({r.term.text} / ⟨{s}⟩) <= ⟨{c}⟩", lambda env: up(env) <= n[c], [r],
            {s: lambda env: [Fraction(0), Fraction(v(env)) / math.floor(n[c])], c: lambda env: [Fraction(up(env))]},
        )  # fmt: skip

    def clipped(self, r: Read, parts: list[int]) -> Asked:
        v, n = r.term.value, self.spec.numbers
        c = self.number(self.some_value(r))
        s = self.number(n[c] - self.rng.choice([0, 1, 2, -1]))
        return self.asked(
            f"require max({r.term.text}, ⟨{s}⟩) <= ⟨{c}⟩", lambda env: max(v(env), n[s]) <= n[c], [r],
            {s: lambda env: [n[c]], c: lambda env: [max(Fraction(v(env)), n[s])]},
        )  # fmt: skip

    def remainder(self, r: Read, parts: list[int]) -> Asked:
        v, n = r.term.value, self.spec.numbers
        s = self.number(self.rng.randint(2, 5))
        c = self.number(self.rng.randint(0, int(n[s]) - 1))

        def left(env: Env) -> Fraction:
            if n[s] == 0:
                raise Undefined
            return Fraction(v(env)) % n[s]

        def turns(env: Env) -> list[Fraction]:
            x = Fraction(v(env))
            parts_ = [k for k in range(-60, 61) if k]
            return [Fraction(0), x, *((x - n[c]) / k for k in parts_), *(x / k for k in parts_)]

        return self.asked(
            f"require mod({r.term.text}, ⟨{s}⟩) == ⟨{c}⟩", lambda env: left(env) == n[c], [r],
            {s: turns, c: lambda env: [left(env)]},
        )  # fmt: skip

    def guarded(self, r: Read, parts: list[int]) -> Asked:
        other = self.read(parts)
        v, w, n = r.term.value, other.term.value, self.spec.numbers
        k, g = self.number(self.some_value(r)), self.number(self.some_value(other))
        return self.asked(
            f"require {r.term.text} <= ⟨{k}⟩ when {other.term.text} >= ⟨{g}⟩",
            lambda env: v(env) <= n[k] if w(env) >= n[g] else None, [r, other],
            {k: lambda env: [Fraction(v(env))], g: lambda env: [Fraction(w(env))]},
        )  # fmt: skip

    def either(self, r: Read, parts: list[int]) -> Asked:
        other = self.read(parts)
        v, w, n = r.term.value, other.term.value, self.spec.numbers
        k, g = self.number(self.some_value(r)), self.number(self.some_value(other))
        return self.asked(
            f"require {r.term.text} <= ⟨{k}⟩ or {other.term.text} > ⟨{g}⟩",
            lambda env: v(env) <= n[k] or w(env) > n[g], [r, other],
            {k: lambda env: [Fraction(v(env))], g: lambda env: [Fraction(w(env))]},
        )  # fmt: skip

    def param(self, r: Read, parts: list[int]) -> Asked:
        """A param or a named value, read twice."""
        other = self.read(parts)
        v, w, n = r.term.value, other.term.value, self.spec.numbers
        k = self.number(self.some_value(r))
        word = self.rng.choice(["param ", ""])
        c = self.number(self.some_value(other) + n[k])
        return self.asked(
            f"require {r.term.text} <= p{k} and {other.term.text} + p{k} <= ⟨{c}⟩",
            lambda env: v(env) <= n[k] and w(env) + n[k] <= n[c], [r, other],
            {k: lambda env: [Fraction(v(env)), n[c] - w(env)], c: lambda env: [Fraction(w(env) + n[k])]},
            (f"{word}p{k} = ⟨{k}⟩",),
        )  # fmt: skip

    def called(self, r: Read, parts: list[int]) -> Asked:
        sign, act = self.side()
        v, n = r.term.value, self.spec.numbers
        s, o = self.number(self.rng.randint(2, 4)), self.number(self.rng.randint(1, 5))
        c = self.number(self.some_value(r) * n[s] + n[o])
        return self.asked(
            f"require f{s}({r.term.text}) {sign} ⟨{c}⟩", lambda env: act(v(env) * n[s] + n[o], n[c]), [r],
            {s: lambda env: [(n[c] - n[o]) / v(env)] if v(env) else [], o: lambda env: [n[c] - v(env) * n[s]],
             c: lambda env: [v(env) * n[s] + n[o]]},
            (f"def f{s}(a) = a * ⟨{s}⟩ + ⟨{o}⟩",),
        )  # fmt: skip

    def looped(self, r: Read, parts: list[int]) -> Asked:
        """A requirement for each pass of a loop."""
        v, n = r.term.value, self.spec.numbers
        k = self.number(self.some_value(r) * 2)
        return self.asked(
            f'    require {r.term.text} * i{k} <= ⟨{k}⟩ "asked {k}"',
            lambda env: all(v(env) * i <= n[k] for i in (1, 2, 3)), [r],
            {k: lambda env: [Fraction(v(env) * i) for i in (1, 2, 3)]}, (f"for i{k} in 1..3 {{",),
        )  # fmt: skip


KINDS = ["plain", "shapes", "plain", "maps", "plain", "for all", "plain", "alternatives"]


def unsatisfiable(seed: int) -> Unsatisfiable:
    """A random text without a design. Every second goes through shapes, maps, for all or alternatives."""
    for attempt in range(400):
        made = Maker(seed * 1000 + attempt).make(KINDS[seed % len(KINDS)], 2 + seed // len(KINDS) % 5)
        if made is not None:
            made.seed = seed
            return made
    raise AssertionError(f"nothing came out of seed {seed}")
