"""Parts of accelerators, accelerators as alternatives: their instances, and reading and calling into them."""

from __future__ import annotations

from typing import Any

from cospace.compiler.elaborate import hardware, members, names
from cospace.compiler.elaborate.values import (
    Chosen,
    Context,
    Function,
    Gathered,
    Instance,
    ListValue,
    Parts,
    PerLayer,
    Scope,
    describe,
    evolve,
    is_number,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr, Symbol, const
from cospace.compiler.space.model import spell
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant

MAX_PARTS = 10_000


def build(part: tree.Part, here: Context) -> Instance | Parts:
    """`part name { … }` gives one instance, `part name[i in …]` one for each index, the first index varying slowest."""
    path = here.path(part.name)
    if not part.indices:
        return hardware.make_part(part, path, Scope(here.scope, label=part.name), here)
    made: list[tuple[tuple[Expr, ...], Instance]] = []
    _spread(part, part.indices, path, (), (), Scope(here.scope, label=part.name), here, made)
    if not made:
        raise here.fail("CS403", part.span, f"there is no index for part `{part.name}`")
    return Parts(path, tuple(k for k, _ in made), tuple(i for _, i in made))


def _spread(
    part: tree.Part,
    binders: tuple[tree.Binder, ...],
    path: str,
    key: tuple[Expr, ...],
    shown: tuple[str, ...],
    scope: Scope,
    here: Context,
    made: list[tuple[tuple[Expr, ...], Instance]],
) -> None:
    from cospace.compiler.elaborate.evaluate import evaluate

    if not binders:
        own = Scope(here.scope, dict(scope.names), label=part.name)
        made.append((key, hardware.make_part(part, f"{path}[{', '.join(shown)}]", own, here)))
        if len(made) > MAX_PARTS:
            raise here.fail("CS404", part.span, f"more than {MAX_PARTS:,} instances of part `{part.name}`")
        return
    binder = binders[0]
    domain = evaluate(binder.domain, evolve(here, scope=scope, hint=None))
    word = getattr(domain, "unit", None)
    scale = names.find_unit(word, binder.span, here).scale.number if word else None
    for value, condition, _ in members.items_of(domain, binder.domain.span, here):
        if not isinstance(value, Expr) or not value.is_const:
            raise here.fail(
                "CS301", binder.domain.span, "the index of a part is a constant: a number, a symbol, a text"
            )
        text = spell(value.value, word, scale) if scale is not None and is_number(value) else spell(value.value)
        inner = Scope(here.scope, {**scope.names, binder.name: value}, label=part.name)
        _spread(part, binders[1:], path, (*key, value), (*shown, text), inner, here.under(condition), made)


def item(owner: Parts, node: tree.Item, context: Context) -> Instance | Chosen:
    """`part[large, 4 bit]`: the instance of an index; one of several where an index is searched."""
    width = len(owner.keys[0])
    if len(node.items) != width:
        wanted = "one index" if width == 1 else f"{width} indices"
        raise context.fail("CS212", node.span, f"`{owner.path}` takes {wanted}, not {len(node.items)}")
    given = [_index(i, tuple(dict.fromkeys(k[at] for k in owner.keys)), context) for at, i in enumerate(node.items)]
    options: list[tuple[Expr, Any]] = []
    for key, instance in zip(owner.keys, owner.instances, strict=True):
        if any(g.type != k.type for g, k in zip(given, key, strict=True)):
            continue
        fits = graph.both(TRUE, *(graph.eq(g, k) for g, k in zip(given, key, strict=True)))
        if fits is TRUE:
            return instance
        if fits is not graph.FALSE:
            options.append((fits, instance))
    covered = graph.either(graph.FALSE, *(c for c, _ in options))
    if not options or not members.implied(covered, context):
        shown = ", ".join(i.path.removeprefix(owner.path) for i in owner.instances[:6])
        raise context.fail("CS213", node.span, f"`{owner.path}` has no such instance", help=f"it has {shown}")
    return Chosen(tuple(options))


def _index(node: tree.Expr, known: tuple[Expr, ...], context: Context) -> Expr:
    from cospace.compiler.elaborate.evaluate import scalar

    if isinstance(node, tree.Name):
        symbol = next((k for k in known if k.is_const and k.value == Symbol(node.id)), None)
        if symbol is not None:
            return symbol
        words = [str(k.value) for k in known if k.is_const and isinstance(k.value, Symbol)]
        if words and names.find(node.id, node.span, context) is None:
            listed = ", ".join(words)
            raise context.fail(
                "CS206", node.span, f"`{node.id}` is not one of {{{listed}}}",
                help=meant(node.id, words),
            )  # fmt: skip
    return scalar(node, context)


def gathered(owner: Parts) -> Gathered:
    """A part as the list of its instances."""
    return Gathered(tuple((i, i.context.guard, members.ONE) for i in owner.instances), "parts")


def field_of(owner: Chosen, name: str, span: Span, context: Context) -> Any:
    """A field that every one of the accelerators has, in one unit; or, by its label, one of the accelerators."""
    if name in owner.labels:
        condition, instance = owner.options[owner.labels.index(name)]
        if not members.implied(condition, context):
            raise context.fail(
                "CS209", span, f"`{instance.path}` does not exist in every design that reads it here",
                help="read it behind a `when` or an `if` that makes sure it is taken",
            )  # fmt: skip
        return instance
    made = [o for _, o in owner.options if isinstance(o, Instance)]
    having = [o for o in made if name in o.scope.names]
    if having and owner.labels and len(having) < len(made):
        lacks, has = next(o for o in made if o not in having).path, having[0].path
        decision, _, label = has.rpartition(".")
        raise context.fail(
            "CS211", span, f"`{lacks}` has no field `{name}`, and it may be the one that is taken",
            help=f"read `{has}.{name}` behind `when {decision} == {label}`, where it is sure to exist",
        )  # fmt: skip
    found = [(c, members.field_of(o, name, span, context.under(c))) for c, o in owner.options]
    return _joined(found, owner, name, span, context)


def _joined(found: list[tuple[Expr, Any]], owner: Chosen, what: str, span: Span, context: Context) -> Any:
    values = [v for _, v in found]
    if all(isinstance(v, Function) for v in values):
        return Chosen(tuple(found), owner.labels)
    if all(isinstance(v, (Gathered, ListValue, PerLayer, Parts)) for v in values):
        items: list[tuple[Any, Expr, Expr]] = []
        for condition, value in found:
            items += [(v, graph.both(condition, g), t) for v, g, t in members.as_gathered(value).items]
        return Gathered(tuple(items), what)
    if all(isinstance(v, (Instance, Chosen)) for v in values):
        options: list[tuple[Expr, Any]] = []
        for condition, value in found:
            inner = value.options if isinstance(value, Chosen) else ((TRUE, value),)
            options += [(graph.both(condition, c), v) for c, v in inner]
        return Chosen(tuple(options))
    if not all(isinstance(v, Expr) for v in values) or len({v.type for v in values}) > 1:
        labels = tuple(
            Label(o.declaration.span if isinstance(o, Function) else hardware.headline(o), f"here it is {describe(v)}")
            for (_, v), (_, o) in zip(found, owner.options, strict=True)
            if isinstance(o, (Function, Instance))
        )
        raise context.fail("CS301", span, f"`{what}` differs in kind between the alternatives", labels=labels)
    result = values[-1]
    for condition, value in reversed(found[:-1]):
        result = graph.branch(condition, value, result, span=span)
    return result


def call(owner: Chosen, node: tree.Call, context: Context) -> Any:
    """`mac.rate(w, a)`: the `def` of whichever accelerator is taken; its arguments are evaluated once."""
    from cospace.compiler.elaborate import calls
    from cospace.compiler.elaborate.evaluate import evaluate

    if not all(isinstance(f, Function) for _, f in owner.options):
        raise context.fail("CS212", node.span, "an accelerator can't be called")
    scope = Scope(context.scope)
    arguments = []
    for at, a in enumerate(node.arguments):
        value = a.value
        if not isinstance(value, tree.Name):  # a bare name may be a symbol that only the parameter knows
            scope.names[f"${at}"] = evaluate(value, context.named(a.name))
            value = tree.Name(f"${at}", span=a.value.span)
        arguments.append(evolve(a, value=value))
    here = evolve(context, scope=scope)
    found = [(c, calls.call_def(f, tuple(arguments), node.span, here.under(c))) for c, f in owner.options]
    name = owner.options[0][1].declaration.name
    return _joined(found, owner, name, node.span, context)


def rules_of(instance: Instance, kind: str) -> list[tuple[tree.Rule, Instance]]:
    """The rules for a kind of work, of an accelerator and all its parts in declared order, each with whose it is."""
    if not instance.rules:
        for rule, owner in _rules(instance):
            instance.rules.setdefault(rule.work, []).append((rule, owner))
    return instance.rules.get(kind, [])


def _rules(instance: Instance) -> list[tuple[tree.Rule, Instance]]:
    found: list[tuple[tree.Rule, Instance]] = []
    for s in instance.declaration.block.statements:
        if isinstance(s, tree.Rule):
            found.append((s, instance))
        elif isinstance(s, tree.Part):
            found += [r for child in instance.children.get(s.name, ()) for r in _rules(child)]
        elif isinstance(s, tree.Bind):
            words = [t.id for t in s.targets if isinstance(t, tree.Name)]
            found += [r for w in words for child in instance.children.get(w, ()) for r in _rules(child)]
    return found


def below(instance: Instance) -> list[Instance]:
    """An accelerator and all its parts, owners first, in declared order."""
    found = [instance]
    for children in instance.children.values():
        for child in children:
            found += below(child)
    return found


__all__ = ["below", "build", "call", "const", "field_of", "gathered", "item", "rules_of"]
