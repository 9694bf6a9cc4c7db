"""Random texts of ten and more decisions that no design meets, and what brute force says of each: the reference.

A text is made of independent parts (`constructs`), each with few designs, and of requirements over some of them. Parts
that a requirement ties together are tried together, all others apart, so that every design is covered. A requirement
knows its numbers: with another in its place it is another requirement, and at each design only a few values matter.
Nothing of cospace is imported.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.compiler.constructs import Part
from tests.compiler.reference import Env, Reference, Undefined

Numbers = dict[str, Fraction]
"""The numbers of a text by name; a rule reads them when it is asked."""


@dataclass(eq=False)
class Asked:
    """One requirement. line: with `⟨name⟩` where a number stands. parts: those it reads. crucial: the values of a
    number, at a design, where it may turn; a number without any is only tried."""

    line: str
    holds: Callable[[Env], bool | None]
    parts: frozenset[int]
    later: frozenset[str] = frozenset()
    crucial: dict[str, Callable[[Env], list[Fraction]]] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()


@dataclass
class Nearest:
    """value: the nearest number that makes room; attained: whether it does itself, else only what lies beyond."""

    value: Fraction
    attained: bool


class Unsatisfiable:
    """A text, the numbers in it, and what it means."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.numbers: Numbers = {}
        self.parts: list[Part] = []
        self.asked: list[Asked] = []
        self.kind = ""
        self.envs: list[list[Env]] = []
        self._spread: dict[str, Callable[[Env], list[Any]]] = {}
        self._masks: dict[tuple[Asked, tuple[int, ...]], int] = {}

    def add(self, part: Part) -> int:
        self.parts.append(part)
        self._spread |= part.later
        self.envs.append([env for _, env in Reference("", part.chosen, [], []).designs()])
        at = len(self.parts) - 1
        for line in dict.fromkeys(r.line for r in part.rules):
            own = [r for r in part.rules if r.line == line]  # the instances of one requirement
            self.asked.append(
                Asked(
                    line, lambda env, own=own: all(r.holds(env) is not False for r in own), frozenset([at]),
                    reads=frozenset(part.rule_reads),
                )
            )  # fmt: skip
        return at

    @property
    def decisions(self) -> int:
        return sum(len(p.chosen) for p in self.parts)

    # ---- the text

    def render(self, instead: dict[str, str] | None = None) -> tuple[str, dict[str, tuple[int, int]]]:
        """The text, and where in it each number stands. instead: other words for some numbers."""
        lines = list(dict.fromkeys(line for p in self.parts for line in p.imports))
        lines += [line for p in self.parts for line in p.lines]
        own = {r.line for p in self.parts for r in p.rules}
        for a in self.asked:
            if a.line not in own:
                lines += [*a.before, a.line]
                lines += ["}"] if a.line.startswith("    ") else []
        template = "\n".join([f"space unsatisfiable_{self.seed}", *lines, ""])
        text, at, places = "", 0, {}
        for m in re.finditer("⟨(.*?)⟩", template):
            text += template[at : m.start()]
            word = (instead or {}).get(m[1]) or spelled(self.numbers[m[1]])
            places[m[1]] = (len(text), len(text) + len(word))
            text += word
            at = m.end()
        return text + template[at:], places

    def line_of(self, asked: Asked, text: str) -> int:
        """The number of the line that a requirement stands on, from 1."""
        wanted = re.sub("⟨(.*?)⟩", lambda m: spelled(self.numbers[m[1]]), asked.line)
        found = [i for i, line in enumerate(text.split("\n"), 1) if line == wanted]
        assert len(found) == 1, (wanted, found)
        return found[0]

    # ---- what it means

    def truth(self, asked: Asked, env: Env) -> bool:
        """Whether a requirement is met, for all that is bound later; what has no value is not met."""
        try:
            return all(asked.holds(e) is not False for e in self._bound(sorted(asked.later), env))
        except Undefined:
            return False

    def _bound(self, later: list[str], env: Env) -> Iterator[Env]:
        if not later:
            yield env
            return
        for v in self._spread[later[0]](env):
            yield from self._bound(later[1:], {**env, later[0]: v})

    def together(self, among: Iterable[Asked]) -> list[frozenset[int]]:
        """The sets of parts that some requirements tie together."""
        found = [frozenset([i]) for i in range(len(self.parts))]
        for a in among:
            joined = frozenset().union(*(f for f in found if f & a.parts))
            found = [f for f in found if not f & a.parts] + [joined]
        return found

    def designs(self, parts: frozenset[int]) -> list[Env]:
        found = [{}]
        for i in sorted(parts):
            found = [{**a, **b} for a in found for b in self.envs[i]]
        return found

    def size(self, parts: Iterable[int]) -> int:
        return math.prod(len(self.envs[i]) for i in parts)

    def mask(self, asked: Asked, parts: frozenset[int]) -> int:
        """Which designs of some parts meet a requirement, as bits."""
        key = (asked, tuple(sorted(parts)))
        if key not in self._masks:
            self._masks[key] = sum(1 << i for i, e in enumerate(self.designs(parts)) if self.truth(asked, e))
        return self._masks[key]

    def forget(self) -> None:
        """After a number was changed."""
        self._masks.clear()

    def possible(self, among: list[Asked]) -> bool:
        """Whether some design meets all of these."""
        for parts in self.together(among):
            left = (1 << self.size(parts)) - 1
            for a in among:
                if a.parts <= parts:
                    left &= self.mask(a, parts)
            if not left:
                return False
        return True

    def conflicts(self) -> list[frozenset[int]]:
        """Every minimal set of requirements that no design meets, by trying all sets."""
        found: list[frozenset[int]] = []
        alone = [i for i, a in enumerate(self.asked)]
        for parts in self.together(self.asked):
            own = [i for i in alone if self.asked[i].parts <= parts]
            masks = {i: self.mask(self.asked[i], parts) for i in own}
            full = (1 << self.size(parts)) - 1
            for n in range(len(own) + 1):
                for some in itertools.combinations(own, n):
                    if any(f <= set(some) for f in found):
                        continue
                    left = full
                    for i in some:
                        left &= masks[i]
                    if not left:
                        found.append(frozenset(some))
        return found

    def nonempty_with(self, key: str, value: Fraction) -> bool:
        """Whether some design meets everything with another number in the text."""
        was, self.numbers[key] = self.numbers[key], value
        self.forget()
        try:
            return self.possible(self.asked)
        finally:
            self.numbers[key] = was
            self.forget()

    def known(self, key: str) -> bool:
        """Whether all that reads a number says where it turns."""
        return all(key in a.crucial for a in self.asked if key in a.reads)

    def nearest(self, key: str) -> Nearest | None:
        """The number nearest to the one in the text with which some design meets everything."""
        reading = [a for a in self.asked if key in a.reads]
        rest = [a for a in self.asked if key not in a.reads]
        mine = frozenset().union(*(p for p in self.together(self.asked) if any(a.parts <= p for a in reading)))
        others = [a for a in rest if not a.parts <= mine]
        if not self.possible(others):
            return None
        left = (1 << self.size(mine)) - 1
        for a in rest:
            if a.parts <= mine:
                left &= self.mask(a, mine)
        was = self.numbers[key]
        best: tuple[Fraction, bool, Fraction] | None = None
        try:
            for i, env in enumerate(self.designs(mine)):
                if not left >> i & 1:
                    continue
                points = {p for a in reading for e in self._bound(sorted(a.later), env) for p in a.crucial[key](e)}
                for found in self._tried(key, was, sorted(points), reading, env):
                    if best is None or found[:2] < best[:2]:
                        best = found
        finally:
            self.numbers[key] = was
        return None if best is None else Nearest(best[2], not best[1])

    def _tried(
        self, key: str, was: Fraction, points: list[Fraction], reading: list[Asked], env: Env
    ) -> Iterator[tuple[Fraction, bool, Fraction]]:
        """(distance, whether only beyond, value) of each point and gap between points where all hold."""

        def met(value: Fraction) -> bool:
            self.numbers[key] = value
            return all(self.truth(a, env) for a in reading)

        for p in points:
            if met(p):
                yield abs(p - was), False, p
        if not points:
            return
        gaps = [(points[0] - 1, None, points[0]), *((None, a, b) for a, b in itertools.pairwise(points))]
        for inside, low, high in [*gaps, (points[-1] + 1, points[-1], None)]:
            middle = inside if inside is not None else (low + high) / 2  # type: ignore[operator]
            if met(middle):
                ends = [e for e in (low, high) if e is not None]
                end = min(ends, key=lambda e: abs(e - was))
                if (low is None or low < was) and (high is None or was < high):
                    end = was
                yield abs(end - was), True, end


def spelled(value: Fraction) -> str:
    """A number as the language writes it; one that is no short decimal, or negative, in brackets."""
    plain = str(value)
    if value.denominator in (2, 4, 5, 8):
        plain = str(float(value))
    return plain if value >= 0 and "/" not in plain else f"({plain})"
