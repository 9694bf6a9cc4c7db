"""Stages of the compiler as text: the syntax tree, and the space with its conditions in words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import attrs
from cospace.cli.words import condition, domain, expression
from cospace.dsl.diagnostics import Span
from cospace.dsl.tree import Node

if TYPE_CHECKING:
    from cospace.compiler.model import Space


def tree(root: Node) -> Iterator[str]:
    """The syntax tree, one node a line, indented; absent and empty fields are left out."""
    stack: list[tuple[int, str, object]] = [(0, "", root)]
    while stack:
        depth, name, value = stack.pop()
        start = "  " * depth + (f"{name}: " if name else "")
        if isinstance(value, Node):
            fields = [(f.name, getattr(value, f.name)) for f in attrs.fields(type(value))]
            fields = [(n, v) for n, v in fields if not isinstance(v, Span) and n not in ("text", "comments")]
            small = [f"{n}={_leaf(v)}" for n, v in fields if _is_leaf(v) and v is not None]
            yield start + type(value).__name__ + ("(" + ", ".join(small) + ")" if small else "")
            below = [(n, v) for n, v in fields if not _is_leaf(v)]
            for n, v in reversed(below):
                items = v if isinstance(v, tuple) else (v,)
                for i, item in reversed(list(enumerate(items))):
                    stack.append((depth + 1, f"{n}[{i}]" if isinstance(v, tuple) else n, item))
        elif isinstance(value, tuple):
            yield start.rstrip()
            for item in reversed(value):
                stack.append((depth + 1, "", item))
        else:
            yield start + _leaf(value)


def _is_leaf(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_leaf(v) for v in value)
    return not isinstance(value, Node)


def _leaf(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_leaf(v) for v in value) + "]"
    return str(value) if isinstance(value, (Fraction, bool, int)) else repr(value)


def model(space: Space) -> dict[str, list[str]]:
    """The resolved space in words, by section."""
    known = {d.path: d for d in space.decisions}

    def when(guard: object) -> str:
        text = condition(guard, known)  # type: ignore[arg-type]
        return f" when {text}" if text else ""

    return {
        "params": [f"{p.name} = {expression(p.value, known)}" for p in space.params],
        "decisions": [f"{d.path}: {d.binding} {domain(d)}{when(d.guard)}" for d in space.decisions],
        "requirements": [
            f"{condition(r.value, known) or 'always'}{when(r.guard)} - {r.reason} ({r.origin})"
            for r in space.requirements
        ],
        "objectives": [f"{o.sense} {o.text}" + (f" in {o.unit}" if o.unit else "") for o in space.objectives],
        "works": [
            f"{w.path}: {w.kind}({', '.join(f'{n} = {expression(e, known)}' for n, e in w.dims)}){when(w.guard)}; "
            + ", ".join(f"{p.rule}{when(p.guard)}" for p in w.placements)
            for w in space.works
        ],
        "networks": [f"{n.name}: {len(n.nodes)} nodes" for n in space.networks],
        "accelerators": [f"{a.path}: {', '.join(name for name, _ in a.quantities)}" for a in space.accelerators],
        "tasks": [f"{t.name}: {t.source}, " + ", ".join(f"{n} = {expression(e, known)}" for n, e in t.facts)
                  for t in space.tasks],
        "stages": [
            s.kind + "".join(f"; {', '.join(paths) or 'all'} by {expression(e, known)}" for paths, e in s.engines)
            for s in space.stages
        ],
    }  # fmt: skip
