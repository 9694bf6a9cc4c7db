"""The numeric bounds that requirements are written with: which number of the text, and what else it would have to be.

A bound is the constant side of a comparison, or what is added to a side (`a + 3 <= b`). The same number of the text may
stand in several requirements: in those of a loop, or, as a param, wherever it is named; all of these move together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from attrs import evolve, frozen
from cospace.compiler import exact
from cospace.compiler.graph import FALSE, TRUE, Expr, add, const, eq, implies, le, lt, negate, sub
from cospace.compiler.model import Design, Param, Requirement, Space
from cospace.compiler.substitute import rebuild
from cospace.dsl.diagnostics import Span


@frozen(eq=False)
class Site:
    """One comparison of a requirement. edge: where its bound would have to be for a design to be just within.

    direction: 1 where a larger bound makes room, -1 a smaller one, 0 where it is to be met.
    """

    requirement: Requirement
    node: Expr
    constant: Fraction
    edge: Expr
    direction: int
    strict: bool
    negative: bool

    def moved(self, value: Fraction) -> Requirement:
        """The requirement with the bound at another value."""
        at = const(value, self.edge.type.unit)
        if self.node.op == "eq":
            new = eq(self.edge, at)
        else:
            over = lt if self.strict else le
            new = over(self.edge, at) if self.direction > 0 else over(at, self.edge)
        kept = rebuild(self.requirement.value, {id(self.node): _as_written(self, new)})
        guard = rebuild(self.requirement.guard, {id(self.node): _as_written(self, new)})
        return evolve(self.requirement, value=kept, guard=guard)


def _as_written(site: Site, met: Expr) -> Expr:
    """What the comparison itself says where the bound is met: under a negation it is false there."""
    return negate(met) if site.negative else met


@frozen(eq=False)
class Bound:
    """One number of the text. name: of the param, where it is one. span: of the number, where it was found."""

    value: Fraction
    direction: int
    strict: bool
    sites: tuple[Site, ...]
    name: str | None = None
    span: Span | None = None
    scale: Fraction = Fraction(1)
    unit: str | None = None

    def at(self, design: Design) -> Fraction | None:
        """What the bound would have to be for a design that meets all else."""
        edges = [exact.evaluate(s.edge, design) for s in self.sites if self._asked(s, design)]
        numbers = [e for e in edges if isinstance(e, Fraction)]
        if not numbers or len(numbers) < len(edges):
            return None
        return min(numbers) if self.direction < 0 else max(numbers)

    def _asked(self, site: Site, design: Design) -> bool:
        return exact.evaluate(relaxed(site.requirement, site.node, False), design) is not True


def relaxed(requirement: Requirement, node: Expr, met: bool) -> Expr:
    """The requirement with one comparison taken as met, or as not met."""
    negative = _sign(requirement, node) < 0
    whole = implies(requirement.guard, requirement.value)
    return rebuild(whole, {id(node): TRUE if met != negative else FALSE})


def bounds_of(space: Space, requirements: Sequence[Requirement]) -> list[Bound]:
    """The bounds of some requirements, in the order of the text, each number once."""
    every = {id(r): sites_of(r) for r in space.requirements}
    found: dict[object, Bound] = {}
    texts = dict(space.sources)
    for r in requirements:
        if r.origin == "domain":
            continue  # what ends a domain stands in the text as a range, not as a bound of each of its values
        for s in every.get(id(r)) or sites_of(r):
            param = _param(space, r, s.constant, every, texts)
            key = (param.name if param else r.span, s.constant, s.direction, s.strict)
            if key in found:
                continue
            together = tuple(
                t
                for other in space.requirements
                for t in every[id(other)]
                if (t.constant, t.direction, t.strict) == (s.constant, s.direction, s.strict)
                and (_names(texts, other.span, param.name) if param else other.span == r.span)
            ) or (s,)
            if s.direction == 0 and len(together) > 1:
                continue  # one number that several equations read: how it moves all of them is not asked
            found[key] = _spelt(Bound(s.constant, s.direction, s.strict, together), param, r, texts)
    return list(found.values())


def sites_of(requirement: Requirement) -> list[Site]:
    """Every comparison with a constant that stands under `and`, `or` and `not` alone."""
    found = []
    for node, sign in _comparisons(requirement):
        for constant, edge, direction, strict in _sides(node, sign):
            found.append(Site(requirement, node, constant, edge, direction, strict, sign < 0))
    return found


def _comparisons(requirement: Requirement) -> Iterator[tuple[Expr, int]]:
    pending = [(requirement.value, 1), (requirement.guard, -1)]
    done: dict[tuple[int, int], bool] = {}
    while pending:
        node, sign = pending.pop(0)
        if (id(node), sign) in done:
            continue
        done[id(node), sign] = True
        if node.op in ("and", "or"):
            pending += [(a, sign) for a in node.args]
        elif node.op == "not":
            pending.append((node.args[0], -sign))
        elif node.op in ("le", "lt", "eq") and node.args[0].type.kind == "number" and (id(node), -sign) not in done:
            yield node, sign


def _sign(requirement: Requirement, node: Expr) -> int:
    return next((sign for n, sign in _comparisons(requirement) if n is node), 1)


def _sides(node: Expr, sign: int) -> Iterator[tuple[Fraction, Expr, int, bool]]:
    """(constant, edge, direction, strict) of a comparison that has to be true (sign 1) or false (-1)."""
    left, right = node.args
    if node.op == "eq":
        if sign > 0 and right.is_const:
            yield right.number, left, 0, False
        elif sign > 0 and left.is_const:
            yield left.number, right, 0, False
        return
    strict = (node.op == "lt") == (sign > 0)
    for side, other, way in ((right, left, sign), (left, right, -sign)):
        if side.is_const:
            yield side.number, other, way, strict
        elif side.op == "add" and side.args[-1].is_const and not other.is_const:
            rest = add(*side.args[:-1])
            yield side.args[-1].number, sub(other, rest), way, strict


# ---- which number of the text it is

_NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:\s*/\s*\d[\d_]*)?(?:[ \t]*(%|[A-Za-z]\w*))?")
_WORDS = {"and", "or", "not", "when", "then", "else", "for", "in", "if", "step", "at"}


def _param(
    space: Space, requirement: Requirement, constant: Fraction, every: dict[int, list[Site]], texts: dict[str, str]
) -> Param | None:
    """The param that a constant is, when the requirement names it, and moving the bounds is all that moving it does."""
    for p in space.params:
        same = p.value.is_const and p.value.value == constant and not isinstance(p.value.value, bool)
        if same and _names(texts, requirement.span, p.name) and _moves_alone(space, p, constant, every, texts):
            return p
    return None


def _moves_alone(
    space: Space, param: Param, constant: Fraction, every: dict[int, list[Site]], texts: dict[str, str]
) -> bool:
    """Whether each place that names a param is the one in a requirement where it stands as a bound.

    One that is also read elsewhere, `k + 9` or in a quantity, changes more than the bound.
    """
    bounded = {r.span for r in space.requirements if any(s.constant == constant for s in every[id(r)])}
    word = re.compile(rf"\b{re.escape(param.name.rpartition('.')[2])}\b")
    taken: set[Span] = set()
    for file in texts if "." in param.name else [param.span.file]:
        for m in word.finditer(_bare(texts.get(file, ""))):
            if file == param.span.file and param.span.start <= m.start() < param.span.end:
                continue
            around = {s for s in bounded if s.file == file and s.start <= m.start() < s.end}
            if len(around) != 1 or around & taken:
                return False
            taken |= around
    return True


def _bare(text: str) -> str:
    """The text with what stands in quotes or comments blanked out."""
    return re.sub(r'"[^"\n]*"|#[^\n]*', lambda q: " " * len(q.group()), text)


def _names(texts: dict[str, str], span: Span, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}\b", texts.get(span.file, "")[span.start : span.end]) is not None


def _spelt(bound: Bound, param: Param | None, requirement: Requirement, texts: dict[str, str]) -> Bound:
    """The bound with its place in the text and the unit it is written in."""
    at = param.span if param is not None else requirement.span
    text = texts.get(at.file, "")
    written = text[at.start : at.end]
    if param is not None:
        bound = evolve(bound, name=param.name)
    found = []
    for m in _NUMBER.finditer(_bare(written)):
        word = m.group(1) if m.group(1) not in _WORDS else None
        end = m.end() if word or m.group(1) is None else m.start(1)
        digits = m.group()[: (m.start(1) if m.group(1) else m.end()) - m.start()].replace("_", "").replace(" ", "")
        number = Fraction(digits)
        if number and bound.value and (word or abs(bound.value) == number):
            scale = abs(bound.value) / number
            span = Span(at.file, at.start + m.start(), at.start + len(written[:end].rstrip()))
            found.append((span, scale, word))
    if len(found) != 1:
        return bound
    span, scale, word = found[0]
    return evolve(bound, span=span, scale=scale, unit=word)
