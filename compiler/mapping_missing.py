"""Why a work has no mapping: the one that comes nearest, and how much each requirement misses at it.

Nearest is the mapping at which most requirements that compare nothing hold, then the one whose worst comparison misses
the least, relative to what is there; ties go to the first in declared order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler import clock
from cospace.compiler.cost import figure_of
from cospace.compiler.elaborate.given import short
from cospace.compiler.exact import exact
from cospace.compiler.exact.exact import Enclosure
from cospace.compiler.space.floats import digits_of
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, const
from cospace.compiler.space.model import Design, Space, show
from cospace.compiler.space.substitute import Substitution
from cospace.compiler.space.units import COMMON, DECIMAL, show_in
from cospace.dsl.source import Lines

MOST = 200_000
"""Mappings that are looked at."""
_DATA = dict(COMMON[(("bit", Fraction(1)),)])


@frozen
class Shortage:
    """A comparison that does not hold: left <= right, or < where it is strict, in base units."""

    needs: Fraction
    there: Fraction
    strict: bool
    like: Expr

    @property
    def share(self) -> float:
        """How much is missing, relative to what is there."""
        missing = self.needs - self.there
        return float(missing / self.there) if self.there > 0 else math.inf if missing > 0 else 0.0


Failure = Shortage | None
"""Of a requirement that does not hold: the comparison that misses the most; None where there is none to tell of."""


def nearest(problem: MapProblem, space: Space, design: Design) -> dict[str, Any]:
    """What a work without a mapping misses.

    nearest: the mapping; missing: of each requirement that it breaks {requirement, place, needs, there,
    missing, strict}, figures in the unit that suits them, None for one that compares no numbers; strict: it needs more
    than `needs`. unknown: why it was not looked for.
    """
    return clock.attempt(lambda: _nearest(problem, space, design), lambda: untold(f"not found: {clock.reason()}"))


def untold(why: str) -> dict[str, Any]:
    """What is told where nothing is known of what is missing."""
    return {"nearest": None, "missing": [], "unknown": why}


def too_many(problem: MapProblem) -> bool:
    """Whether the nearest mapping is not looked for."""
    return _count(problem) > MOST


def _count(problem: MapProblem) -> int:
    return math.prod(len(m.values) for m in problem.maps)


def _nearest(problem: MapProblem, space: Space, design: Design) -> dict[str, Any]:
    if too_many(problem):
        return untold(f"{_count(problem):,} mappings are too many to look for the nearest")
    units = {d.path: d.type.unit for d in space.decisions}
    known = _Problem(problem, {p: const(v, units[p]) for p, v in design.items()})
    best: tuple[tuple[float, ...], Design, list[tuple[int, Failure]]] | None = None
    for at, taken in known.mappings():
        broken = [(n, f) for n in range(len(known.requirements)) for f in known.failures(n, at, taken)]
        shares = sorted((f.share for _, f in broken if f is not None), reverse=True)
        rank = (float(sum(f is None for _, f in broken)), *shares)
        if broken and (best is None or rank < best[0]):
            best = rank, taken, broken
    if best is None:
        return untold("no map has a value that it may take" if not known.some else "its goals have no value")
    _, taken, broken = best
    maps = {m.path: m for m in problem.maps}
    return {
        "nearest": {short(p, problem.path): show(v, maps[p].unit, maps[p].scale) for p, v in taken.items()},
        "missing": [_told(problem, n, f, space) for n, f in broken],
        "unknown": None,
    }


def _told(problem: MapProblem, n: int, failure: Failure, space: Space) -> dict[str, Any]:
    reason, span = problem.asked[n] if n < len(problem.asked) else (None, problem.span)
    text = dict(space.sources).get(span.file)
    said: dict[str, Any] = {
        "requirement": reason,
        "needs": None,
        "there": None,
        "missing": None,
        "strict": False,
        "place": None,
    }
    if text is not None:
        line = Lines(text).locate(span.start)[0]
        written = " ".join(text[span.start : span.end].split()).removeprefix("require ")
        said |= {"requirement": reason or written, "place": f"{span.file}:{line}"}
    if failure is not None:
        unit = failure.like.type.unit
        figures = {"needs": failure.needs, "there": failure.there, "missing": failure.needs - failure.there}
        said |= {k: figure_of(v, unit) for k, v in figures.items()} | {"strict": failure.strict}
    return said


class _Problem:
    """A problem at a design, each requirement looked at once for the values of the maps that it reads."""

    def __init__(self, problem: MapProblem, design: Mapping[str, Expr]) -> None:
        put = Substitution(design)
        self.maps = problem.maps
        self.guards = [put(m.guard) for m in problem.maps]
        self.allowed = [None if m.allowed is None else [put(a) for a in m.allowed] for m in problem.maps]
        self.requirements = [put(r) for r in problem.requirements]
        self.some = False
        self._reads = [[k for k, m in enumerate(problem.maps) if m.path in r.free] for r in self.requirements]
        self._known: dict[tuple[int, ...], list[Failure]] = {}

    def mappings(self) -> Iterator[tuple[tuple[int, ...], Design]]:
        """All that the domains allow, in declared order, whether they meet the requirements or not; and the positions
        of their values, -1 of a map that is not live."""

        def extend(at: tuple[int, ...], taken: Design) -> Iterator[tuple[tuple[int, ...], Design]]:
            n = len(at)
            if n == len(self.maps):
                self.some = True
                yield at, taken
                return
            m, guard, allowed = self.maps[n], self.guards[n], self.allowed[n]
            if guard is not TRUE and exact.evaluate(guard, taken) is not True:
                yield from extend((*at, -1), taken)
                return
            for j, value in enumerate(m.values):
                if allowed is None or exact.evaluate(allowed[j], taken) is True:
                    yield from extend((*at, j), {**taken, m.path: value})

        return extend((), {})

    def failures(self, n: int, at: tuple[int, ...], taken: Design) -> list[Failure]:
        """What a requirement misses at a mapping; nothing where it holds."""
        key = (n, *[at[k] for k in self._reads[n]])
        if key not in self._known:
            self._known[key] = list(_failures(self.requirements[n], taken))
        return self._known[key]


def _failures(e: Expr, at: Design) -> Sequence[Failure]:
    """What keeps a condition from holding: of `and` every part, of `or` the part that misses the least."""
    if exact.evaluate(e, at) is True:
        return ()
    if e.op == "and":
        return [f for a in e.args for f in _failures(a, at)]
    if e.op == "or":
        ways = [_failures(a, at) for a in e.args]
        return min(ways, key=lambda way: (sum(f is None for f in way), max([f.share for f in way if f], default=0)))
    if e.op == "if":
        condition = exact.evaluate(e.args[0], at)
        if isinstance(condition, bool):
            return _failures(e.args[1] if condition else e.args[2], at)
    turned = e.op == "not" and e.args[0].op in ("le", "lt")
    compared = e.args[0] if turned else e
    if compared.op in ("le", "lt"):
        left, right = (_number(a, at) for a in (reversed(compared.args) if turned else compared.args))
        if left is not None and right is not None:
            return [Shortage(left, right, (compared.op == "lt") is not turned, compared.args[0])]
    return [None]


def _number(e: Expr, at: Design) -> Fraction | None:
    value = exact.evaluate(e, at)
    if isinstance(value, Enclosure):
        return value.middle
    return value if isinstance(value, Fraction) else None


# ---- as text


def sentence(broken: Mapping[str, Any]) -> str:
    """What one requirement misses: `"tiles fit" needs 48 KiB, there is 32 KiB: 16 KiB missing`."""
    said = f'"{broken["requirement"]}"'
    if broken["needs"] is None:
        return f"{said} does not hold"
    needs, there, missing = _alike([broken[k] for k in ("needs", "there", "missing")])
    return f"{said} needs {'more than ' if broken['strict'] else ''}{needs}, there is {there}: {missing} missing"


def _alike(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Amounts of data in the largest unit in which all of them are whole; other figures each in its own."""
    if any(f["unit"] not in (*_DATA, *dict(DECIMAL)) for f in figures):
        return [f"{digits_of(f['value'], 6)} {f['unit']}".rstrip() for f in figures]
    values = [Fraction(f["exact"]) for f in figures]
    unit = next((u for u, scale in _DATA.items() if all((v / scale).denominator == 1 for v in values)), "bit")
    return [show_in(v, unit, _DATA[unit]) for v in values]


__all__ = ["nearest", "sentence", "too_many", "untold"]
