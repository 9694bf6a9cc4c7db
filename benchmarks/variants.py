"""Larger spaces made from a spec's text: every alternative a second time, every bitwidth twice as many."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import attrs
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.parse import parse

AGAIN = "_again"


def double_alternatives(text: str) -> str:
    """Each named alternative inside a network once more under another name, with decisions of its own below it."""
    inserted = [
        (a.span.end, "\n" + text[a.span.start : a.span.end].replace(a.name, a.name + AGAIN, 1))
        for network in _walk(_parse(text))
        if isinstance(network, tree.Network)
        for found in _walk(network)
        if isinstance(found, tree.SetOf)
        for a in found.alternatives
        if a.name is not None
    ]
    return _insert(text, inserted)


def double_bits(text: str) -> str:
    """Each bitwidth of a precision block joined by the one below it, or by the next above that is free."""
    inserted = []
    for policy in _walk(_parse(text)):
        if isinstance(policy, tree.Policy) and policy.kind == "precision":
            for found in _walk(policy):
                if isinstance(found, tree.SetOf) and found.unit == "bit":
                    said = [a.value.value for a in found.alternatives if isinstance(a.value, tree.Number)]
                    inserted.append((found.alternatives[-1].span.end, "".join(f", {n}" for n in _as_many_more(said))))
    return _insert(text, inserted)


def _as_many_more(said: list[Fraction]) -> list[Fraction]:
    new: list[Fraction] = []
    for n in said:
        candidate = n - 1
        while candidate < 1 or candidate in said or candidate in new:
            candidate = max(candidate, n) + 1
        new.append(candidate)
    return new


def _insert(text: str, inserted: list[tuple[int, str]]) -> str:
    if not inserted:
        raise SystemExit("nothing to double in this spec")
    for place, more in sorted(inserted, reverse=True):
        text = text[:place] + more + text[place:]
    return text


def _parse(text: str) -> tree.File:
    return parse(text, "spec", Reporter())


def _walk(node: object) -> Iterator[tree.Node]:
    """A node and all below it."""
    if isinstance(node, tree.Node):
        yield node
        for field in attrs.fields(type(node)):
            yield from _walk(getattr(node, field.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from _walk(item)
