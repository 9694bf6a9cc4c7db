"""Accelerators: instances with lazy bodies, and what each says of itself. How it serves works is in `rules`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import fields
from cospace.compiler.elaborate import guarded, parts, statements
from cospace.compiler.elaborate.values import (
    AcceleratorClass,
    Chosen,
    Context,
    Function,
    Gathered,
    Instance,
    Lazy,
    ListValue,
    Parts,
    PerLayer,
    RangeValue,
    Record,
    Scope,
    SetValue,
    State,
    Stop,
    describe,
    evolve,
    is_number,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, const
from cospace.compiler.space.model import Accelerator, Placement, Work
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant

USEFUL = (Chosen, Expr, Gathered, Instance, ListValue, Parts, PerLayer, RangeValue, Record, SetValue)
"""What a name of an accelerator's body may hold."""


def instantiate(cls: AcceleratorClass, arguments: tuple[tree.Argument, ...], span: Span, context: Context) -> Instance:
    """One accelerator, named by what it is bound to; its decisions are made now, in declared order."""
    from cospace.compiler.elaborate import calls

    declaration = cls.declaration
    if context.answering is not None:
        raise context.fail("CS226", span, "an accelerator is made outside of the rules that use it")
    path = context.direct or context.path(context.hint or declaration.name)
    scope = Scope(cls.scope, label=declaration.name)
    here = Context(context.state, scope, context.guard, path, (), calls=(*context.calls, span))
    instance = Instance(path, declaration, scope, here, context.owner)
    if declaration.parameters is not None:
        outer = evolve(context, prefix=path, indices=(), direct=None)
        extra = calls.bind(declaration.parameters, arguments, here, outer, span, f"`{declaration.name}`", ("runs",))
        if "runs" in extra:
            place = next(a.value.span for a in arguments if a.name == "runs")
            instance.network = _network(extra["runs"], place, context)
    return _made(instance)


def make_part(part: tree.Part, path: str, scope: Scope, context: Context) -> Instance:
    """One part of the accelerator whose body `context` stands in; its index is bound in `scope` already."""
    here = Context(context.state, scope, context.guard, path, (), calls=context.calls)
    return _made(Instance(path, part, scope, here, context.owner))


def _made(instance: Instance) -> Instance:
    """An instance with its body prepared, known to what it is a part of."""
    instance.context = evolve(instance.context, owner=instance)
    if instance.owner is None:
        instance.context.state.instances.append(instance)
    else:
        name = instance.path.removeprefix(f"{instance.owner.path}.").split(".")[0].split("[")[0]
        instance.owner.children.setdefault(name, []).append(instance)
    prepare(instance.declaration.block, instance.context, instance)
    return instance


def _network(value: Any, span: Span, context: Context) -> str:
    """The network that `runs = …` names."""
    from cospace.compiler.elaborate.members import PathValue

    if isinstance(value, PathValue) and any(n.name == value.path for n in context.state.networks):
        return value.path
    raise context.fail("CS301", span, f"`runs` names a network, and this is {describe(value)}")


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
                    here.fail("CS226", t.span, "a name is needed before `=`")
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
            if s.name in scope.names:
                state.reporter.error("CS210", s.span, f"`{s.name}` is declared twice in `{instance.path}`")
            elif s.parameters is not None:
                scope.names[s.name] = AcceleratorClass(s, scope)
            else:
                scope.names[s.name] = Lazy(partial(parts.build, s, here), s.span)
        elif isinstance(s, tree.Rule):
            _check_kind(s, instance)
        elif not isinstance(s, tree.Require):
            state.reporter.error(
                "CS226", s.span, f"{statements._word(s)} does not belong in an accelerator", help=statements._home(s)
            )
    instance.misspelt |= state.groups.get("kinds", set()) & scope.owner().file.lost
    scope.names["works"] = Lazy(lambda: _works(instance, here), instance.declaration.span)
    for s in block.statements:
        if isinstance(s, tree.Part) and s.parameters is None:
            _settle(scope, s.name, s.span, here)
        elif isinstance(s, tree.Bind):
            early = _decides(s.value) or _makes(s.value, here)
            for t in s.targets:
                if isinstance(t, tree.Name) and (early or t.id == "runs"):
                    value = _settle(scope, t.id, t.span, here)
                    if t.id == "runs" and value is not None:
                        instance.network = _network(value, s.value.span, here)


def _check_kind(rule: tree.Rule, instance: Instance) -> None:
    """A rule for a kind of work that no loaded file declares serves nothing: most often a misspelling."""
    context = instance.context
    kinds: set[str] = context.state.groups.get("kinds", set())
    if rule.work in kinds:
        return
    near = meant(rule.work, sorted(kinds))
    text = context.scope.owner().file.text
    start = text.find(rule.work, rule.span.start)
    place = Span(rule.span.file, start, start + len(rule.work)) if start >= 0 else rule.span
    if near:
        instance.misspelt.add(near.near)
        context.state.reporter.error("CS201", place, f"unknown work `{rule.work}`", help=near)
    else:
        context.state.reporter.warn(
            "CS508", place, f"nothing declares work `{rule.work}`, so this rule serves nothing",
            help="declare it: `work NAME(dims) { … }`, or import the library that does",
        )  # fmt: skip


def _lazy(s: tree.Bind, t: tree.Name, here: Context) -> Lazy:

    return Lazy(lambda: guarded.bound(s, t.id, here.named(t.id), here), s.span)


def _settle(scope: Scope, name: str, span: Span, context: Context) -> Any:
    from cospace.compiler.elaborate import names

    try:
        return names.settle(scope, name, span, context)
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


def _makes(node: tree.Expr, context: Context) -> bool:
    """Whether an expression makes an accelerator, whose rules serve from the start, or says what this one runs."""
    from cospace.compiler.elaborate import names

    if isinstance(node, tree.Call) and isinstance(node.function, tree.Name):
        scope = context.scope.find(node.function.id)
        held = scope.names[node.function.id] if scope is not None else None
        if scope is None:
            held = names.imported(node.function.id, context)
        return isinstance(held, AcceleratorClass)
    if isinstance(node, tree.Call) and isinstance(node.function, tree.Member):
        module = context.scope.owner().imports.get(getattr(node.function.object, "id", ""))
        return module is not None and isinstance(module.scope.names.get(node.function.name), AcceleratorClass)
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
    for w in instance.root.works:
        if instance.owner is None:
            items.append((_record(w, merged(w.placements)), w.guard, w.times))
            continue
        for p in w.placements:
            if p.part == instance.path or p.part.startswith((f"{instance.path}.", f"{instance.path}[")):
                items.append((_record(w, dict(p.quantities)), graph.both(w.guard, p.guard), w.times))
    return Gathered(tuple(items), "works")


def _record(work: Work, quantities: dict[str, Expr]) -> Record:
    """A placed work as expressions read it."""
    fields: dict[str, Any] = {**dict(work.dims), **dict(work.facts)}
    fields |= {"layer": const(work.call), "kind": const(graph.Symbol(work.kind)), **quantities}
    return Record(fields, f"work ({work.kind})")


def merged(placements: Sequence[Placement]) -> dict[str, Expr]:
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


def finish(instance: Instance, state: State) -> list[Accelerator]:
    """Everything of an accelerator and its parts that isn't a decision: requirements, and each quantity by name."""
    return [_finished(i, state) for i in parts.below(instance)]


def _finished(instance: Instance, state: State) -> Accelerator:
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
        elif (
            value is not None
            and not isinstance(value, guarded.Guarded)
            and name != "runs"
            and not isinstance(value, USEFUL)
        ):
            state.reporter.warn("CS225", span, f"`{instance.path}.{name}` is {describe(value)}, and nothing can use it")
    kinds = tuple(dict.fromkeys(s.work for s in instance.declaration.block.statements if isinstance(s, tree.Rule)))
    return Accelerator(
        instance.path,
        instance.declaration.name,
        tuple(quantities),
        kinds,
        instance.declaration.doc,
        instance.declaration.span,
        context.guard,
    )
