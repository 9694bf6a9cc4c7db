"""Stages of the compiler as text: the syntax tree, the space in words, and what it is lowered to."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import attrs
from cospace.cli.words import condition, domain, expression
from cospace.dsl.diagnostics import Span
from cospace.dsl.tree import Node

if TYPE_CHECKING:
    from cospace.compiler.space.graph import Expr
    from cospace.compiler.space.model import Space


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


def z3(space: Space) -> Iterator[str]:
    """The requirements as SMT-LIB, the question that Z3 is asked when nothing else decides; the decisions as comments.

    Maps are free there and what is not rational is only bounded: `unsat` is a proof, a model only a candidate.
    Raises SpecError (CS814) where the graph has more nodes than are written out.
    """
    from cospace.cli.guard import fail
    from cospace.compiler.proofs.solver import LARGEST, Script, TooLarge

    script = Script(space, {})
    try:
        text = script.write(space.requirements)
    except TooLarge:
        fail("CS814", f"more than {LARGEST:,} expressions to write out", "pin decisions, or emit the space")
    yield from (f"; {name} is {path}" for path, name in script.variables.items())
    yield from (f"; r{i} is {r.reason}" for i, r in enumerate(space.requirements))
    yield text
    yield "(check-sat)"


def supernet(space: Space) -> Iterator[str]:
    """Each network's nodes in order: operators with their module, inputs, shape, state and works; choices."""
    from cospace.compiler.space.model import Call, Choice, Input
    from cospace.compiler.supernet import estimate_memory

    known = {d.path: d for d in space.decisions}

    def sizes(shape: tuple[Expr, ...]) -> str:
        return f"[{', '.join(expression(e, known) for e in shape)}]"

    for plan in space.networks:
        found = estimate_memory(space, plan)
        yield f"network {plan.name}: {found.modules} modules, {found.parameters:,} shared parameters"
        for at, node in enumerate(plan.nodes):
            if isinstance(node, Input):
                whence = f" is {node.task}.{node.field}" if node.task else ""
                yield f"  {at}: input {node.name} {sizes(node.shape)}{whence}"
            elif isinstance(node, Choice):
                options = ", ".join(f"{getattr(v, 'name', v)} = {n}" for v, n in node.options)
                yield f"  {at}: choice {node.decision} {{{options}}} {sizes(node.shape)}"
            elif isinstance(node, Call):
                inputs = ", ".join(f"{name} = {n}" for name, n in node.inputs)
                when = condition(node.guard, known)
                yield f"  {at}: {node.path} = {node.module}({inputs}) {sizes(node.shape)}" + (
                    f" if {when}" if when else ""
                )
                given = [f"{name} = {expression(e, known)}" for name, e in (*node.arguments, *node.facts)]
                if given:
                    yield f"       with {', '.join(given)}"
                yield from (f"       trains {name} {sizes(shape)}" for name, shape in node.state)
                yield from (f"       asks for {path}" for path in node.works)
        yield f"  gives {plan.output}"


def hardware(space: Space) -> Iterator[str]:
    """Each accelerator's quantities as expressions, and for each work its rule, its maps and what it costs."""
    known = {d.path: d for d in space.decisions}
    for a in space.accelerators:
        yield f"{a.path}: {a.name}" + (f", rules {', '.join(a.rules)}" if a.rules else "")
        yield from (f"  {name} = {expression(e, known)}" for name, e in a.quantities)
    for w in space.works:
        when = condition(w.guard, known)
        dims = ", ".join(f"{n} = {expression(e, known)}" for n, e in w.dims)
        yield f"{w.path}: {w.kind}({dims})" + (f" if {when}" if when else "")
        for p in w.placements:
            when = condition(p.guard, known)
            yield f"  by {p.rule}" + (f" if {when}" if when else "")
            yield from (f"    map {m.path}: {len(m.values)} values" for m in p.problem.maps)
            yield from (f"    {name} = {expression(e, known)}" for name, e in p.quantities)
