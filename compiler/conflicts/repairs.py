"""Repairs that proofs know: a bound moved as far as makes room, values taken out that no design takes.

Each is one way out of several, so none is `sure`. A repair is only offered where the text says the thing in one place.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction

from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Decision, Space
from cospace.dsl import tree
from cospace.dsl.diagnostics import Fix, Reporter, Span
from cospace.dsl.load import parse_cached
from cospace.dsl.walk import walk


def moved_number(span: Span, value: Fraction, text: str, what: str) -> Fix | None:
    """The number at `span` of a text put to another value, in the unit that it is written in; None for no decimal."""
    number, written = decimal(value), text[span.start : span.end]
    digits = re.match(r"\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?", written)
    if number is None or value <= 0 or digits is None:
        return None
    said = number + written[digits.end() :]
    return Fix(span, said, f"set {what} to {said}", sure=False)


def decimal(number: Fraction) -> str | None:
    """A number as the language writes it, exactly; None where its decimals don't end."""
    left = number.denominator
    for prime in (2, 5):
        while left % prime == 0:
            left //= prime
    if left != 1:
        return None
    if number.denominator == 1:
        return f"{number.numerator:_}"
    return format(Decimal(number.numerator) / Decimal(number.denominator), "f")


def without_values(space: Space, decision: Decision, dead: Collection[tuple[str, int]]) -> Fix | None:
    """The values of a decision taken out of its text that are dead in each of its copies.

    dead: path and index of every value that no feasible design takes. None where the values are not written out, where
    none would be left, or where something else of the text names one.
    """
    file = decision.span.file
    text = dict(space.sources).get(file, "")
    if not text or file.startswith("std/"):
        return None
    root = parse_cached(text, file, Reporter())
    node = next((n for n in walk(root) if isinstance(n, tree.Decision) and n.span == decision.span), None)
    copies = [d for d in space.decisions if d.span == decision.span]
    gone = {v for d in copies for k, v in enumerate(d.values) if (d.path, k) in dead}
    gone -= {v for d in copies for k, v in enumerate(d.values) if (d.path, k) not in dead}
    if node is None or not gone:
        return None
    if isinstance(node.domain, tree.SetOf):
        return _out_of_set(node.domain, decision, gone, text, root)
    return _out_of_range(node.domain, decision, gone, text) if isinstance(node.domain, tree.Range) else None


def _out_of_set(domain: tree.SetOf, decision: Decision, gone: set[Value], text: str, root: tree.File) -> Fix | None:
    members = domain.alternatives
    leaving = [_stands_for(m, domain.unit, decision) in gone for m in members]
    if not any(leaving) or all(leaving):
        return None
    names = {v.name for m in members if isinstance(v := _stands_for(m, domain.unit, decision), Symbol) and v in gone}
    if any(_said_elsewhere(name, domain.span, text) for name in names):
        return None
    cuts: list[tuple[int, int]] = []
    for at, (member, leaves) in enumerate(zip(members, leaving, strict=True)):
        if not leaves:
            continue
        kept_before = not all(leaving[:at])
        start = members[at - 1].span.end if kept_before else member.span.start
        end = member.span.end if kept_before else members[at + 1].span.start
        cuts.append((start, end))
    if any(start <= c.span.start < end for start, end in cuts for c in root.comments):
        return None
    first, last = cuts[0][0], max(end for _, end in cuts)
    left, at_text = "", first
    for start, end in cuts:
        left += text[at_text : max(start, at_text)]
        at_text = max(end, at_text)
    told = [text[m.span.start : m.span.end] for m, leaves in zip(members, leaving, strict=True) if leaves]
    return Fix(Span(decision.span.file, first, last), left, f"take out {_listed(told)}", sure=False)


def _out_of_range(domain: tree.Range, decision: Decision, gone: set[Value], text: str) -> Fix | None:
    """Ends of a range that nothing takes: it is drawn in as far as something does."""
    kept = sorted(v for v in decision.values if v not in gone and isinstance(v, Fraction))
    ends = (domain.low, domain.high)
    if not kept or not all(isinstance(e, tree.Number) for e in ends):
        return None
    inside = [v for v in gone if isinstance(v, Fraction) and kept[0] < v < kept[-1]]
    low, high = (decimal(v / decision.scale) for v in (kept[0], kept[-1]))
    if inside or low is None or high is None:
        return None
    units = [text[e.span.start : e.span.end].lstrip("0123456789_.eE") for e in ends]
    new = f"{low}{units[0]}..{high}{units[1]}"
    span = ends[0].span.to(ends[1].span)
    return Fix(span, new, f"let it run over {new}", sure=False)


def _stands_for(member: tree.Alternative, unit: str | None, decision: Decision) -> Value | None:
    """The value that a member of a set makes; None where its text alone doesn't say."""
    value = member.value
    if isinstance(value, tree.Number) and member.name is None and (value.unit or unit) == decision.unit:
        return value.value * decision.scale
    label = member.name
    while label is None and isinstance(value, tree.Call):
        value = value.function
    if label is None and isinstance(value, tree.Name):
        label = value.id
    return {"true": True, "false": False}.get(label, Symbol(label)) if label is not None else None


def _said_elsewhere(name: str, inside: Span, text: str) -> bool:
    word = re.compile(rf"\b{re.escape(name)}\b")
    return word.search(text[: inside.start]) is not None or word.search(text[inside.end :]) is not None


def _listed(words: list[str]) -> str:
    short = [" ".join(w.split()) for w in words]
    return ", ".join(f"`{w if len(w) <= 40 else w[:37] + '…'}`" for w in short[:4]) + (", …" if len(short) > 4 else "")
