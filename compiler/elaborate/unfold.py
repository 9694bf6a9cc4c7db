"""The pass that leaves no variant in what backends see: requirements hold for all their values, objectives are folded.

A requirement becomes one for each value that may be taken there; a work one entry for each value that it reads; a
`minimize` that still reads a `random` or `adapt` value is its mean, one that reads a `switch` an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from attrs import evolve
from cospace.compiler.bounds.integrals import NotPiecewise, pieces
from cospace.compiler.elaborate import folds, rules, variants
from cospace.compiler.elaborate.folds import EachValue
from cospace.compiler.elaborate.values import Context, State, Stop
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Value, const, walk
from cospace.compiler.space.later import Later
from cospace.compiler.space.model import Accelerator, Objective, Placement, Requirement, Stage, Variant, Work
from cospace.compiler.space.substitute import Substitution
from cospace.dsl.diagnostics import Reporter, Span

MAX_CASES = 20_000

T = TypeVar("T")

Case = tuple[tuple[tuple[str, Value], ...], Expr, "dict[str, Expr]"]
"""Values of variants, the condition under which they are taken, and the same as expressions."""


def unfold(state: State, context: Context) -> None:
    """Requirements, works, quantities and stages without variants. Objectives are unfolded where they are made."""
    if not state.variants:
        return
    state.requirements = [u for r in state.requirements for u in _guarded(requirement, r, context)]
    for instance in state.instances:
        instance.works = [u for w in instance.works for u in _guarded(work, w, context)]
    state.accelerators = [_accelerator(a, context) for a in state.accelerators]
    state.stages = [_stage(s, context) for s in state.stages]


def narrowed(requirements: list[Requirement], context: Context) -> list[Requirement]:
    """Requirements that no longer ask for what their own guard settles: `e <= c` when `style == pipelined`."""
    found = []
    for r in requirements:
        known = {path: value for path, value in rules.pinned(r.guard).items() if path in r.value.free}
        found.append(evolve(r, value=variants.substituter(context.state).at(known)(r.value)) if known else r)
    return found


def _guarded(step: Callable[[T, Context], list[T]], item: T, context: Context) -> list[T]:
    try:
        return step(item, context)
    except Stop:
        return []


def objectives(
    value: Expr | EachValue, sense: str, text: str, span: Span, place: Span, context: Context
) -> list[tuple[str, Expr]]:
    """The objectives that one `minimize` gives: its text and value, or one for each. span: of the statement, place:
    of what it minimizes."""
    if isinstance(value, EachValue):
        parts = [(f"{_inside(text)} at {said}", v) for said, v in value.parts]
    else:
        parts = [(text, value)]
    return [(said, settled(v, span, context, f"`{sense}`", place)) for said, v in parts]


def _inside(text: str) -> str:
    """`each(each(e for p) for q)` -> `e`."""
    while text.startswith("each(") and text.endswith(")"):
        text = text[5:-1].rsplit(" for ", 1)[0].strip()
    return text


def settled(value: Expr, span: Span, context: Context, what: str, place: Span | None = None) -> Expr:
    """A value without variants: the mean over chance and inputs. What the user switches has to be said.

    place: of a value that is nothing but a measure. (A node's own span is that of whoever wrote an equal one first.)
    """
    state = context.state
    for node in walk([value]) if "measure" in value.opaque else ():
        if node.op == "measure":
            fixed = {name for name, _ in node.payload.arguments}  # type: ignore[attr-defined]
            reached = folds.marked(state)
            for v in state.variants:
                if v.binding == "switch" and v.path in reached and f"at {v.path}" not in fixed:
                    raise _open_switch(v, place if place is not None and node is value else span, context, what)
    for v in reversed(state.variants):
        if v.path not in value.free:
            continue
        if v.binding == "switch":
            raise _open_switch(v, span, context, what)
        value = mean(value, v, span, context)
    return value


def _open_switch(variant: Variant, span: Span, context: Context, what: str) -> Exception:
    return context.fail(
        "CS241",
        span,
        f"{what} depends on `{variant.path}`, which the user switches",
        help=f"say which: {folds._four(variant)}",
    )


def mean(value: Expr, variant: Variant, span: Span, context: Context) -> Expr:
    """The expectation over chance or the input."""
    if variant.binding != "random":
        return folds.mean_over(value, variant, span, context)
    parts = [(n, c, here(value)) for n, c, here in folds._values(variant, None, context)]
    return folds.weighted(parts, variant, const(0, value.type.unit), span)


# ---- requirements


def requirement(r: Requirement, context: Context) -> list[Requirement]:
    """One requirement for each value of the variants it reads. Of an `adapt` decision, those that some inputs give."""
    state = context.state
    read = r.value.free | r.guard.free
    statistics = variants.statistics(state)
    if not read & frozenset(v.path for v in state.variants):
        return [r]
    found = [r]
    for v in reversed(state.variants):
        if v.binding == "statistic":
            continue
        step: list[Requirement] = []
        for one in found:
            free = one.value.free | one.guard.free
            if v.path not in free:
                step.append(one)
            elif v.binding == "adapt" and v.by is not None and v.by.free & free & frozenset(statistics):
                joint = folds.as_function(graph.implies(one.guard, one.value), v, state)
                step.append(evolve(one, value=joint, guard=TRUE))
            else:
                step += _at_each(one, v, context)
        found = step
        if len(found) > MAX_CASES:
            raise context.fail("CS404", r.span, f"this stands for more than {MAX_CASES:,} requirements")
    for path, statistic in statistics.items():
        found = [u for one in found for u in _piecewise(one, path, statistic, context)]
    return [f for f in found if f.value is not TRUE and f.guard is not FALSE] or found[:1]


def _at_each(r: Requirement, v: Variant, context: Context) -> list[Requirement]:
    chances = folds._chances(v, context) if v.binding == "adapt" else None
    found = []
    for n in range(len(v.values)):
        here = variants.substituter(context.state).at({v.path: variants.constant(v, n)}, folds.marked(context.state))
        condition = variants.taken(v, n) if chances is None else graph.lt(const(0), chances[n])
        guard = graph.both(here(r.guard), condition)
        reason = f"{r.reason} (at {v.path} = {folds.value_text(v, n)})"
        found.append(evolve(r, value=here(r.value), guard=guard, reason=reason))
    return found


def _piecewise(r: Requirement, path: str, statistic: Variant, context: Context) -> list[Requirement]:
    """For almost all values of a statistic: on each interval that is not empty."""
    if path not in r.value.free | r.guard.free:
        return [r]
    assert statistic.low is not None and statistic.high is not None
    whole = graph.implies(r.guard, r.value)
    try:
        parts = pieces(whole, path, const(statistic.low), const(statistic.high), folds.known_to(context))
        for p in parts:
            if path in p.value.free:
                raise NotPiecewise("it is not settled by comparisons with thresholds")
    except NotPiecewise as reason:
        raise context.fail(
            "CS242", r.span, f"this must hold for all `{path}`, and that can't be told: {reason.why}",
            help=f"compare `{path}` with thresholds only, or require something of a mean over it",
        ) from None  # fmt: skip
    return [evolve(r, value=p.value, guard=p.taken) for p in parts]


# ---- works and quantities


def cases(read: frozenset[str], span: Span, context: Context) -> list[Case]:
    """Every assignment of the variants (not statistics) that are read, and of those that these depend on."""
    state = context.state
    wanted: list[Variant] = []
    for v in reversed(state.variants):
        if v.path in read and v.binding != "statistic":
            wanted.insert(0, v)
            conditions = (*(v.allowed or ()), *(v.weights or ()))
            read = read.union(*(c.free for c in conditions)) if conditions else read
    found: list[Case] = [((), TRUE, {})]
    for v in wanted:
        step: list[Case] = []
        for said, guard, values in found:
            here = variants.substituter(state).at(values) if values else None
            for n, value in enumerate(v.values):
                condition = variants.taken(v, n)
                condition = graph.both(guard, here(condition) if here else condition)
                if condition is not FALSE:
                    step.append(((*said, (v.path, value)), condition, {**values, v.path: variants.constant(v, n)}))
        found = step
        if len(found) > MAX_CASES:
            raise context.fail("CS404", span, f"this work has more than {MAX_CASES:,} cases")
    return found


def work(w: Work, context: Context) -> list[Work]:
    """The work at each value of the variants that it reads."""
    exprs = [w.times, w.guard, *(e for _, e in w.dims), *(e for _, e in w.facts)]
    for p in w.placements:
        exprs += [p.guard, *(e for _, e in p.quantities)]
    read = frozenset[str]().union(*[e.free for e in exprs], *[p.problem.free for p in w.placements])
    if not read & frozenset(v.path for v in context.state.variants):
        return [w]
    found = []
    for said, condition, values in cases(read, w.span, context):
        put = variants.substituter(context.state).at(values)
        guard = graph.both(put(w.guard), condition)
        if guard is FALSE:
            continue
        found.append(
            evolve(
                w, dims=tuple((k, put(e)) for k, e in w.dims), facts=tuple((k, put(e)) for k, e in w.facts),
                times=put(w.times), guard=guard, placements=Later(partial(_placements, w, put)), at=said,
            )
        )  # fmt: skip
    return found


def _placements(w: Work, put: Substitution) -> tuple[Placement, ...]:
    return tuple(
        evolve(
            p,
            guard=put(p.guard),
            quantities=tuple((k, put(e)) for k, e in p.quantities),
            problem=put.problem(p.problem),
            details=tuple((k, put(there), put(e)) for k, there, e in p.details),
        )
        for p in w.placements
    )


def _accelerator(a: Accelerator, context: Context) -> Accelerator:
    """Quantities as means over chance and inputs, and at each value of what the user switches."""
    quantities: list[tuple[str, Expr]] = []
    reporter, context.state.reporter = context.state.reporter, Reporter()  # a mean that nobody asked for is no error
    for name, value in a.quantities:
        for said, _, values in cases(_switched(value, context), a.span, context):
            here = variants.substituter(context.state).at(values)(value)
            shown = ", ".join(f"{p} = {_text(p, v, context)}" for p, v in said)
            try:
                quantities.append((f"{name} at {shown}" if shown else name, settled(here, a.span, context, name)))
            except Stop:
                continue
    context.state.reporter = reporter
    return evolve(a, quantities=tuple(quantities))


def _switched(value: Expr, context: Context) -> frozenset[str]:
    return frozenset(v.path for v in context.state.variants if v.binding == "switch") & value.free


def _text(path: str, value: Value, context: Context) -> str:
    variant = next(v for v in context.state.variants if v.path == path)
    return folds.value_text(variant, variant.values.index(value))


def _stage(s: Stage, context: Context) -> Stage:
    settings = []
    for name, value in s.settings:
        try:
            settings.append((name, settled(value, s.span, context, f"`{name}`")))
        except Stop:
            continue
    return evolve(s, settings=tuple(settings))


__all__ = ["Objective", "objectives", "settled", "unfold"]
