"""Accelerators: instances with lazy bodies, and what each says of itself. How it serves works is in `rules`."""

from __future__ import annotations

from typing import Any

from attrs import fields
from cospace.compiler import graph
from cospace.compiler.elaborate import statements
from cospace.compiler.elaborate.values import (
    AcceleratorClass,
    Context,
    Function,
    Gathered,
    Instance,
    Lazy,
    Record,
    Scope,
    State,
    Stop,
    describe,
    is_number,
    one_of,
)
from cospace.compiler.graph import TRUE, Expr, const
from cospace.compiler.model import Accelerator, Placement
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import closest


def instantiate(cls: AcceleratorClass, arguments: tuple[tree.Argument, ...], span: Span, context: Context) -> Instance:
    """One accelerator, named by what it is bound to; its decisions are made now, in declared order."""
    from cospace.compiler.elaborate import calls

    declaration = cls.declaration
    path = context.hint or declaration.name
    scope = Scope(cls.scope, label=declaration.name)
    here = Context(context.state, scope, TRUE, path, (), None, None, None, (*context.calls, span))
    if declaration.parameters is not None:
        calls.bind(declaration.parameters, arguments, here, context, span, f"`{declaration.name}`")
    instance = Instance(path, declaration, scope, here)
    context.state.instances.append(instance)
    prepare(declaration.block, here, instance)
    return instance


def headline(instance: Instance) -> Span:
    """The first line of an accelerator's declaration."""
    span = instance.declaration.span
    first = instance.scope.owner().file.text[span.start : span.end].split("\n", 1)[0]
    return Span(span.file, span.start, span.start + len(first.rstrip(" {")))


def prepare(block: tree.Block, here: Context, instance: Instance) -> None:
    """Every name of an accelerator's body becomes a lazy entry; then its decisions are made, in order."""
    scope, state = here.scope, here.state
    for s in block.statements:
        if isinstance(s, tree.Bind):
            for t in s.targets:
                if not isinstance(t, tree.Name):
                    continue
                if t.id in scope.names:
                    state.reporter.error(
                        "CS210",
                        t.span,
                        f"`{t.id}` is bound twice in `{instance.path}`",
                        labels=(Label(instance.spans.get(t.id, s.span), "first here"),),
                    )
                    continue
                scope.names[t.id] = _lazy(s, t, here)
                instance.spans[t.id] = t.span
        elif isinstance(s, tree.Def):
            scope.names[s.name] = Function(s, scope)
        elif isinstance(s, tree.Part):
            state.reporter.error(
                "CS208",
                s.span,
                "`part` is in the language, but this version can't build it yet",
                help="declare its fields in the accelerator itself",
            )
        elif isinstance(s, tree.Rule):
            _check_kind(s, instance)
        elif not isinstance(s, tree.Require):
            state.reporter.error(
                "CS226", s.span, f"{statements._word(s)} does not belong in an accelerator", help=statements._home(s)
            )
    scope.names["works"] = Lazy(lambda: _works(instance, here), instance.declaration.span)
    for s in block.statements:
        if isinstance(s, tree.Bind) and _decides(s.value):
            for t in s.targets:
                if isinstance(t, tree.Name):
                    _settle(scope, t.id, t.span, here)


def _check_kind(rule: tree.Rule, instance: Instance) -> None:
    """A rule for a kind of work that no loaded file declares serves nothing: most often a misspelling."""
    context = instance.context
    kinds: set[str] = context.state.groups.get("kinds", set())
    if rule.work in kinds:
        return
    near = closest(rule.work, sorted(kinds))
    text = context.scope.owner().file.text
    start = text.find(rule.work, rule.span.start)
    place = Span(rule.span.file, start, start + len(rule.work)) if start >= 0 else rule.span
    if near:
        instance.misspelt.add(near)
        context.state.reporter.error("CS201", place, f"unknown work `{rule.work}`", help=f"did you mean `{near}`?")
    else:
        context.state.reporter.warn(
            "CS508", place, f"nothing declares work `{rule.work}`, so this rule serves nothing",
            help="declare it: `work NAME(dims) { … }`, or import the library that does",
        )  # fmt: skip


def _lazy(s: tree.Bind, t: tree.Name, here: Context) -> Lazy:
    from cospace.compiler.elaborate.evaluate import evaluate

    return Lazy(lambda: one_of(evaluate(s.value, here.named(t.id))), s.span)


def _settle(scope: Scope, name: str, span: Span, context: Context) -> Any:
    from cospace.compiler.elaborate import names

    try:
        return names.force(scope, name, span, context)
    except Stop:
        return None


def _decides(node: Any) -> bool:
    """Whether an expression makes a decision (not a map: those stand in rules)."""
    if isinstance(node, tree.Decision):
        return True
    if isinstance(node, tuple):
        return any(_decides(n) for n in node)
    if isinstance(node, tree.Node):
        return any(_decides(getattr(node, f.name)) for f in fields(type(node)))
    return False


def _works(instance: Instance, context: Context) -> Gathered:
    state = context.state
    if state.place is not None and not state.placed:
        state.place()
    if not state.placed:
        raise context.fail(
            "CS204",
            instance.declaration.span,
            "`works` is read while the works are being placed",
            help="a rule can't read what depends on all works",
        )
    items = []
    for w in instance.works:
        fields: dict[str, Any] = dict(w.dims)
        fields.update(w.facts)
        fields["layer"] = const(w.call)
        fields["kind"] = const(graph.Symbol(w.kind))
        fields.update(merged(w.placements))
        items.append((Record(fields, f"work ({w.kind})"), w.guard, w.times))
    return Gathered(tuple(items), "works")


def merged(placements: tuple[Placement, ...]) -> dict[str, Expr]:
    """Quantities over the rules that may serve a work: a condition for each, the last one stands for the rest."""
    shared = [dict(p.quantities) for p in placements]
    result: dict[str, Expr] = {}
    for key in shared[-1] if shared else ():
        if all(key in q for q in shared):
            value = shared[-1][key]
            for p, q in zip(reversed(placements[:-1]), reversed(shared[:-1]), strict=True):
                value = graph.branch(p.guard, q[key], value)
            result[key] = value
    return result


def finish(instance: Instance, state: State) -> Accelerator:
    """Everything of an accelerator that isn't a decision: its requirements, and each quantity by name."""
    context = instance.context
    for s in instance.declaration.block.statements:
        if isinstance(s, tree.Require):
            try:
                statements.require(s, context)
            except Stop:
                continue
    quantities = []
    for name, span in instance.spans.items():
        value = _settle(instance.scope, name, span, context)
        if is_number(value) and value.op != "var":
            quantities.append((name, value))
        elif value is not None and not isinstance(value, (Expr, Gathered, Record)):
            state.reporter.warn("CS225", span, f"`{instance.path}.{name}` is {describe(value)}, and nothing can use it")
    kinds = tuple(dict.fromkeys(s.work for s in instance.declaration.block.statements if isinstance(s, tree.Rule)))
    return Accelerator(
        instance.path,
        instance.declaration.name,
        tuple(quantities),
        kinds,
        instance.declaration.doc,
        instance.declaration.span,
    )
