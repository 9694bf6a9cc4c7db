"""`cospace explain SPEC NAME`: what a name of a spec stands for, where it is written, who reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from cospace.cli.words import condition, domain, expression

if TYPE_CHECKING:
    from cospace.compiler.elaborate.values import Context
    from cospace.compiler.space.graph import Expr
    from cospace.compiler.space.model import Decision, Space
    from cospace.dsl.diagnostics import Span

MOST = 8
"""Copies, readers and values of one kind that are listed."""


def about_space(space: Space) -> Iterator[str]:
    """Everything of a space that its text documents, by section."""
    yield f"{space.name}" + (f": {space.doc}" if space.doc else "")
    sections: dict[str, list[tuple[str, str | None]]] = {
        "params": [(f"{p.name} = {_number(p.value)}", p.doc) for p in space.params],
        "decisions": [(f"{d.plain}: {d.binding} {domain(d)}", d.doc) for d in _one_each(space)],
        "networks": [(n.name, n.doc) for n in space.networks],
        "accelerators": [
            (f"{a.path}: {', '.join(name for name, _ in a.quantities)}", a.doc) for a in space.accelerators
        ],
        "quantities": [(q.path, q.doc) for q in space.quantities if q.value.free],
        "requirements": list(dict.fromkeys((_line(space, r.span) or r.reason, None) for r in space.requirements
                                           if r.origin in ("written", "rule"))),
        "objectives": [(f"{o.sense} {o.text}", o.doc) for o in space.objectives],
        "baselines": [(r.name, r.doc) for r in space.references],
    }  # fmt: skip
    for title, rows in sections.items():
        if rows:
            yield ""
            yield title
            for text, doc in rows:
                yield f"  {text}" + (f'    "{doc}"' if doc else "")


def about(space: Space, name: str, context: Context | None) -> list[str] | None:
    """A name's lines; None where the space has no such name. context: in which its text was compiled, where it was."""
    found = [d for d in space.decisions if d.path == name] or [d for d in space.decisions if d.plain == name]
    if found:
        return list(_decision(space, found))
    for p in space.params:
        if p.name == name:
            said = f"{name} = {_number(p.value)}" + (" (given by --set)" if p.given else "")
            return [said, *_doc(p.doc), *_written(space, p.span), f"  another value: --set {name}=…"]
    for n in space.networks:
        if n.name == name:
            return [f"network {name}: {len(n.nodes)} operators and choices", *_doc(n.doc)]
    for a in space.accelerators:
        if a.path == name:
            quantities = [f"  {q} {_range(space, e)}" for q, e in a.quantities]
            return [f"{a.name} {name}", *_doc(a.doc), *_written(space, a.span), *quantities, *_rules(a.rules)]
        for quantity, e in a.quantities:
            if f"{a.path}.{quantity}" == name:
                return [f"{name} {_range(space, e)}", *_written(space, e.span), *_reads(space, e)]
    for w in space.works:
        if w.path == name or w.call == name:
            known = {d.path: d for d in space.decisions}
            dims = ", ".join(f"{k} = {expression(e, known)}" for k, e in w.dims)
            rules = [f"  served by {p.rule}" + _when(p.guard, known) for p in w.placements]
            return [f"work {w.path}: {w.kind}({dims})", *_written(space, w.span), *rules]
    for q in space.quantities:
        if q.path == name:
            return [f"{name} {_range(space, q.value)}", *_doc(q.doc), *_written(space, q.span), *_reads(space, q.value)]
    for c in space.constants:
        if name in _also(space, c.path):
            return [f"{c.path} = {c.text}", *_written(space, c.span)]
    return None if context is None else _declared(space, name, context)


def _declared(space: Space, name: str, context: Context) -> list[str] | None:
    """What only the text declares: a unit, a formula, a table, a param of an import, a value that is no number."""
    from cospace.cli.explain_text import declared
    from cospace.compiler.elaborate.values import UnitValue, describe
    from cospace.compiler.space.graph import Expr
    from cospace.compiler.space.units import show_quantity
    from cospace.dsl import tree

    found = declared(name, context)
    if found is None:
        return None
    statement, value = found
    said, reads = name, list[str]()
    if isinstance(value, Expr):
        reads = _reads(space, value)
        said = f"{name} {_range(space, value)}" if reads or not value.is_const else f"{name} = {_number(value)}"
    elif isinstance(value, UnitValue):
        one = value.scale.number
        base = "a base unit" if statement.value is None else f"= {show_quantity(one, value.scale.type.unit, 6)}"  # type: ignore[attr-defined]
        said = f"unit {name} {base}"
    elif isinstance(statement, tree.Bind):
        said = f"{name} is {describe(value)}"
    return [said, *_doc(getattr(statement, "doc", None)), *_written(space, statement.span), *reads]


def names(space: Space) -> list[str]:
    """Every name that `about` knows."""
    from cospace.cli.explain_text import names as of_text

    found = [d.path for d in space.decisions] + [d.plain for d in space.decisions] + [p.name for p in space.params]
    found += [n.name for n in space.networks] + [a.path for a in space.accelerators]
    found += [f"{a.path}.{q}" for a in space.accelerators for q, _ in a.quantities]
    found += [q.path for q in space.quantities]
    return (
        found
        + [w.path for w in space.works]
        + [w.call for w in space.works]
        + [c.path for c in space.constants]
        + of_text(space)
    )


def _also(space: Space, constant: str) -> list[str]:
    """A constant's path, `std.energy.sram`, and how the text may call it: by the import's last word or by `as`."""
    module, _, word = constant.rpartition(".")
    pattern = re.compile(rf"^\s*import\s+{re.escape(module)}\b(?:\(.*?\))?\s+as\s+(\w+)", re.MULTILINE)
    renamed = {alias for _, text in space.sources for alias in pattern.findall(text)}
    return [constant, f"{module.rpartition('.')[2]}.{word}", *(f"{alias}.{word}" for alias in renamed)]


def _one_each(space: Space) -> list[Decision]:
    return list({d.plain: d for d in reversed(space.decisions)}.values())[::-1]


def _decision(space: Space, found: list[Decision]) -> Iterator[str]:
    first = found[0]
    known = {d.path: d for d in space.decisions}
    yield f"{first.path if len(found) == 1 else first.plain}: {first.binding} {domain(first)}"
    yield from _doc(first.doc)
    yield from _written(space, first.span)
    if len(found) > 1:
        listed = ", ".join(d.path for d in found[:MOST])
        yield f"  {len(found)} copies: {listed}{', …' if len(found) > MOST else ''}"
    guards = {condition(d.guard, known) for d in found} - {""}
    if guards:
        yield f"  exists only if {guards.pop()}" if len(guards) == 1 else "  each exists only where its owner does"
    if any(d.allowed is not None for d in found):
        yield "  its values depend on earlier decisions"
    readers = _readers(space, {d.path for d in found})
    for text in readers[:MOST]:
        yield f"  read by {text}"
    if len(readers) > MOST:
        yield f"  and by {len(readers) - MOST} more"


def _readers(space: Space, paths: set[str]) -> list[str]:
    """Who reads some decisions: objectives and quantities, then requirements as written, then works."""
    found = [f"{o.sense} {o.text}" for o in space.objectives if not o.measured and paths & o.value.free]
    found += [f"{a.path}.{q}" for a in space.accelerators for q, e in a.quantities if paths & e.free]
    asked: dict[Span, list[str]] = {}
    for r in space.requirements:
        if paths & (r.value.free | r.guard.free):
            asked.setdefault(r.span, []).append(r.reason)
    for reasons in asked.values():
        found.append(f"requirement: {reasons[0]}" + (f" (and {len(reasons) - 1} alike)" if len(reasons) > 1 else ""))
    works = [w.path for w in space.works if any(paths & e.free for _, e in (*w.dims, *w.facts))]
    if works:
        found.append(f"the work of {', '.join(works[:3])}" + (f" and {len(works) - 3} more" if len(works) > 3 else ""))
    return list(dict.fromkeys(found))


def _doc(doc: str | None) -> list[str]:
    return [f'  "{doc}"'] if doc else []


def _written(space: Space, span: Span) -> list[str]:
    from cospace.dsl.source import Lines

    text = dict(space.sources).get(span.file)
    if text is None or span.end <= span.start:
        return []
    line, column = Lines(text).locate(span.start)
    return [f"  at {span.file}:{line}:{column}: {_line(space, span)}"]


def _line(space: Space, span: Span) -> str:
    """The line of the source that a span begins on."""
    text = dict(space.sources).get(span.file, "")
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    return " ".join(text[start : end if end >= 0 else len(text)].split())


def _range(space: Space, e: Expr) -> str:
    """What a quantity is, or between which proved bounds it lies at all designs."""
    from cospace.compiler import clock
    from cospace.compiler.bounds.intervals import Bounder
    from cospace.compiler.space.units import show_quantity

    if e.type.kind != "number":
        return f"({e.type.kind})"
    bounder = Bounder({d.path: d.values for d in space.decisions})
    found = clock.attempt(lambda: bounder.bounds(e), lambda: None, graced=True)
    if found is None:
        return f"(not bounded: {clock.reason()})"
    ends = [show_quantity(x, e.type.unit) if isinstance(x, Fraction | int) else None for x in (found.low, found.high)]
    if ends[0] is None or ends[1] is None:
        return "(no bounds are known)"
    return f"= {ends[0]}" if found.low == found.high else f"lies between {ends[0]} and {ends[1]}, whatever is chosen"


def _reads(space: Space, e: Expr) -> list[str]:
    plain = list(dict.fromkeys(d.plain for d in space.decisions if d.path in e.free))
    return [f"  depends on {', '.join(plain[:MOST])}{', …' if len(plain) > MOST else ''}"] if plain else []


def _rules(rules: tuple[str, ...]) -> list[str]:
    return [f"  rules: {', '.join(rules)}"] if rules else []


def _when(guard: Expr, known: dict[str, Decision]) -> str:
    text = condition(guard, known)
    return f" if {text}" if text else ""


def _number(value: Expr) -> str:
    from cospace.compiler.space.units import show_quantity

    if not value.is_const or not isinstance(value.value, Fraction):
        return expression(value, {})
    return show_quantity(value.value, value.type.unit, 6)
