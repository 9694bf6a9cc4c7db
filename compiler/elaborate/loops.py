"""`for i in domain { … }`: unrolled; names of the body around it are carried from pass to pass.

A bound may be searched (`for i in 1..depth`): the loop is unrolled to its largest value, what a pass makes lives only
where the pass is run, and what is carried passes through the rest. What a loop at the top of a file binds is read
outside as the list of what it was in each pass (`passes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cospace.compiler.elaborate import members, passes
from cospace.compiler.elaborate.values import (
    BAD,
    Context,
    RangeValue,
    Scope,
    Tensor,
    describe,
    evolve,
)
from cospace.compiler.exact.exact import evaluate as exactly
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr
from cospace.compiler.space.model import Choice
from cospace.dsl import tree

PASS = 10
"""Evaluations that a pass takes beside those in its body: loops in loops may have none."""

Pass = tuple[Expr, dict[str, Any]]
"""When a pass is run, and the values that the carried names have after it."""


def run_loop(s: tree.Loop, context: Context, counts: dict[str, int] | None = None) -> None:
    """Every pass in order."""
    from cospace.compiler.elaborate.evaluate import evaluate
    from cospace.compiler.elaborate.statements import run_body

    domain = evaluate(s.binder.domain, context.named(None))
    carried = body_names(context.scope) - {s.binder.name}
    first = {name: _value(name, context) for name in carried}
    done: list[Pass] = []
    for value, condition, _ in members.items_of(domain, s.binder.span, context):
        if condition is FALSE:
            continue
        if condition is not TRUE and not (isinstance(domain, RangeValue) and domain.low.is_const):
            raise context.fail(
                "CS236", s.binder.span, "which passes are run depends on a decision, and not by a range's upper end",
                help="write `for i in 1..n`, or give the set's members no `when`",
            )  # fmt: skip
        context.state.steps += PASS
        inner = Scope(context.scope, {s.binder.name: value})
        here = evolve(context.under(condition), scope=inner, indices=(*context.indices, index_of(value)))
        top = context.scope.module is not None or context.scope in context.state.passing
        if top:
            context.state.passing.add(inner)
        run_body(s.block, here)
        if top:
            passes.keep({k: v for k, v in inner.names.items() if k not in {*carried, s.binder.name}}, here)
        after = {name: inner.names[name] for name in carried if name in inner.names}
        context.scope.names.update(after)
        done.append((condition, after))
    if any(c is not TRUE for c, _ in done):
        changed = {name for _, after in done for name in after}
        for name in changed:
            context.scope.names[name] = _carried(name, first[name], done, s, context)


def _value(name: str, context: Context) -> Any:
    scope = context.scope.find(name)
    return None if scope is None else scope.names[name]


def _carried(name: str, first: Any, done: Sequence[Pass], s: tree.Loop, context: Context) -> Any:
    """What a name is after the last pass that is run."""
    steps = [(TRUE, first), *((c, after[name]) for c, after in done if name in after)]
    values = [v for _, v in steps]
    if any(v is BAD for v in values):
        return BAD
    if all(isinstance(v, Expr) for v in values) and len({v.type for v in values}) == 1:
        found = values[0]
        for condition, value in steps[1:]:
            found = graph.branch(condition, value, found, span=s.span)
        return found
    if all(isinstance(v, Tensor) for v in values) and len({(v.kind, len(v.shape)) for v in values}) == 1:
        return _tensor(steps, s, context)
    odd = next(v for v in values if type(v) is not type(values[0]) or v is values[-1])
    raise context.fail(
        "CS301", s.binder.span, f"`{name}` is {describe(values[0])} before this loop and {describe(odd)} after a pass, "
        "and how many passes are run is searched",
    )  # fmt: skip


def _tensor(steps: list[tuple[Expr, Tensor]], s: tree.Loop, context: Context) -> Tensor:
    """The output of the last pass that is run, by the decision that bounds the loop."""
    reads = frozenset().union(*(c.free for c, _ in steps))
    path = next(iter(reads), None)
    if len(reads) != 1 or path not in context.state.domains:
        raise context.fail(
            "CS236", s.binder.span, f"this bound depends on {', '.join(f'`{p}`' for p in sorted(reads))}",
            help="in a network one decision bounds a loop: bind the bound to a name of its own, `depth = choose 1..4`",
        )  # fmt: skip
    values = context.state.domains[path]
    taken = [max(i for i, (c, _) in enumerate(steps) if exactly(c, {path: v}) is True) for v in values]
    variable = next(d for d in context.state.decisions if d.path == path)
    tensors = [t for _, t in steps]
    shape = []
    for dims in zip(*(t.shape for t in tensors), strict=True):
        merged = dims[0]
        for (condition, _), dim in zip(steps[1:], dims[1:], strict=True):
            merged = graph.branch(condition, dim, merged)
        shape.append(merged)
    assert context.building is not None
    options = tuple((v, tensors[at].node) for v, at in zip(values, taken, strict=True))
    context.building.nodes.append(Choice(variable.path, options, tuple(shape)))
    return Tensor(tensors[0].kind, tuple(shape), len(context.building.nodes) - 1)


def body_names(scope: Scope) -> set[str]:
    """The names of the body that a loop stands in, those of the loops around it included."""
    found = set(scope.names)
    outer = scope.parent
    while scope.module is None and outer is not None and outer.module is None:
        found |= set(outer.names)
        outer = outer.parent
    return found


def index_of(value: Any) -> str:
    return members.index_text(value) or str(value)
