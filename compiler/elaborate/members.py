"""`a.b`, `a[i]`, and comprehensions: reading fields of records, instances, works, lists and paths of decisions."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from cospace.compiler import graph
from cospace.compiler.elaborate import names, types
from cospace.compiler.elaborate.values import (
    Builtin,
    Context,
    DomainValue,
    Gathered,
    Instance,
    ListValue,
    Module,
    PerLayer,
    RangeValue,
    Record,
    Scope,
    SetValue,
    Tensor,
    TensorType,
    describe,
)
from cospace.compiler.graph import TRUE, Expr, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import closest

ONE = const(1)
MAX_ITEMS = 100_000


@frozen
class PathValue:
    """A path into a network or a policy that isn't a decision by itself: `gnn`, `gnn.conv`."""

    path: str


def member(node: tree.Member, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate

    module = _module(node.object, context)
    owner = module if module is not None else evaluate(node.object, context)
    return field_of(owner, node.name, node.name_span if node.name_span.file else node.span, context)


def _module(node: tree.Expr, context: Context) -> Module | None:
    """The import a name stands for before a dot: there it comes before what the import declares."""
    if isinstance(node, tree.Name) and context.scope.find(node.id) is None:
        return context.scope.owner().imports.get(node.id)
    return None


def field_of(owner: Any, name: str, span: Span, context: Context) -> Any:
    """`owner.name`; reports what fields there are when it has none such."""
    if isinstance(owner, Record):
        if name in owner.fields:
            return owner.fields[name]
        raise _unknown(name, owner.fields, f"this {owner.kind}", span, context)
    if isinstance(owner, Module):
        if name in owner.scope.names:
            return names.force(owner.scope, name, span, context)
        raise _unknown(name, owner.scope.names, f"`{owner.key}`", span, context)
    if isinstance(owner, Instance):
        if name in owner.scope.names:
            return names.force(owner.scope, name, span, context)
        raise _unknown(name, owner.scope.names, f"`{owner.path}`", span, context)
    if isinstance(owner, Tensor) and name == "shape":
        return ListValue(owner.shape)
    if isinstance(owner, Gathered):
        return Gathered(
            tuple((field_of(v, name, span, context), g, t) for v, g, t in owner.items), f"{owner.what}.{name}"
        )
    if isinstance(owner, PathValue):
        return _along(f"{owner.path}.{name}", span, context)
    if isinstance(owner, Expr) and owner.op == "var" and owner.type.kind == "symbol":
        return _along(f"{owner.payload}.{name}", span, context)
    raise context.fail("CS211", span, f"{describe(owner)} has no field `{name}`")


def _unknown(name: str, fields: Any, owner: str, span: Span, context: Context) -> Exception:
    near = closest(name, fields)
    listed = ", ".join(f"`{f}`" for f in list(fields)[:12])
    help = f"did you mean `{near}`?" if near else f"it has {listed}" if listed else None
    return context.fail("CS211", span, f"{owner} has no field `{name}`", help=help)


def _along(path: str, span: Span, context: Context) -> Any:
    """A longer path: the decision it names, else a path that goes on."""
    known = context.state.domains
    if path in known:
        decision = next(d for d in context.state.decisions if d.path == path)
        if not implied(decision.guard, context):
            raise context.fail(
                "CS209", span, f"`{path}` does not exist in every design that reads it here",
                help="read it behind a `when` or an `if` that makes sure it is taken",
            )  # fmt: skip
        return graph.var(path, decision.type, span)
    if any(p.startswith((f"{path}[", f"{path}.")) for p in known):
        return PathValue(path)
    near = closest(path, known)
    raise context.fail(
        "CS211", span, f"there is no decision `{path}`", help=f"did you mean `{near}`?" if near else None
    )


def implied(guard: Expr, context: Context) -> bool:
    """Whether the place we stand at makes sure that `guard` holds: by its parts, else by trying all values."""
    have = {id(a) for a in (context.guard.args if context.guard.op == "and" else (context.guard,))}
    need = [a for a in (guard.args if guard.op == "and" else (guard,)) if a is not TRUE and id(a) not in have]
    if not need:
        return True
    from cospace.compiler.elaborate.choices import always

    return always(graph.implies(context.guard, guard), context)


def item(node: tree.Item, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate, number

    if isinstance(node.object, tree.Name) and node.object.id in ("tensor", "graph"):
        return types.tensor_type(node, context)
    owner = evaluate(node.object, context)
    if isinstance(owner, PathValue):
        shown = ", ".join(_index_text(i, context) for i in node.items)
        return _along(f"{owner.path}[{shown}]", node.span, context)
    if isinstance(owner, (PerLayer, ListValue, Gathered)) and len(node.items) != 1:
        raise context.fail("CS212", node.span, f"{describe(owner)} takes one index, not {len(node.items)}")
    if isinstance(owner, PerLayer):
        return _copy(owner, node, context)
    if isinstance(owner, (ListValue, Gathered)):
        values = [v for v, _, _ in as_gathered(owner).items]
        index = number(node.items[0], context)
        return pick(values, index, node.span, context)
    if isinstance(owner, Builtin):
        raise context.fail("CS212", node.span, f"`{owner.name}` is a function: call it with ( )")
    raise context.fail("CS212", node.span, f"{describe(owner)} can't be indexed")


def _copy(owner: PerLayer, node: tree.Item, context: Context) -> Any:
    """`precision.weights[net.conv[1].gat]`: the copy of one layer."""
    from cospace.compiler.elaborate.policies import _path_text

    layer = _path_text(node.items[0], context)
    if layer not in owner.copies:
        near = closest(layer, owner.copies)
        listed = ", ".join(f"`{c}`" for c in list(owner.copies)[:6])
        help = f"did you mean `{near}`?" if near else f"it has {listed}" if listed else None
        raise context.fail("CS211", node.items[0].span, f"there is no copy for `{layer}`", help=help)
    if not implied(owner.guards[layer], context):
        raise context.fail(
            "CS209", node.span, f"`{layer}` does not exist in every design that reads it here",
            help="read it behind a `when` or an `if` that makes sure it is taken",
        )  # fmt: skip
    return owner.copies[layer]


def _index_text(node: tree.Expr, context: Context) -> str:
    from cospace.compiler.elaborate.evaluate import evaluate
    from cospace.compiler.model import show

    if isinstance(node, tree.Name) and names.find(node.id, node.span, context) is None:
        return node.id
    value = evaluate(node, context)
    return str(show(value.value)) if isinstance(value, Expr) and value.is_const else getattr(value, "path", "?")


def pick(values: list[Any], index: Expr, span: Span, context: Context) -> Any:
    """`values[index]`, from 1; a searched index becomes a chain of conditions."""
    if index.is_const:
        at = index.payload
        if at.denominator != 1 or not 1 <= at <= len(values):  # type: ignore[attr-defined,operator]
            raise context.fail("CS213", span, f"there is no item {at}; the list has {len(values)}, counted from 1")
        return values[int(at) - 1]  # type: ignore[call-overload]
    if not values:
        raise context.fail("CS213", span, "the list is empty")
    bad = graph.div(const(1), graph.sub(index, index))  # undefined outside, so that definedness finds it
    result = graph.branch(
        graph.eq(index, const(len(values))), values[-1], bad if values[-1].type == bad.type else values[-1]
    )
    for k in range(len(values) - 1, 0, -1):
        result = graph.branch(graph.eq(index, const(k)), values[k - 1], result, span=span)
    return result


def as_gathered(value: Any) -> Gathered:
    """Any list as guarded items."""
    if isinstance(value, Gathered):
        return value
    if isinstance(value, ListValue):
        return Gathered(tuple((v, TRUE, ONE) for v in value.items))
    assert isinstance(value, PerLayer)
    return Gathered(tuple((v, value.guards[k], ONE) for k, v in value.copies.items()))


def items_of(domain: Any, span: Span, context: Context) -> list[tuple[Any, Expr, Expr]]:
    """What a loop or comprehension runs over: (value, condition, times)."""
    if isinstance(domain, (Gathered, ListValue, PerLayer)):
        return list(as_gathered(domain).items)
    if isinstance(domain, SetValue):
        return [(v, c, ONE) for v, c in zip(domain.items, domain.conditions, strict=True)]
    if isinstance(domain, DomainValue):
        return [(v, c, ONE) for v, c in zip(domain.values, domain.conditions, strict=True)]
    if isinstance(domain, RangeValue):
        from cospace.compiler.elaborate.choices import spread

        values, conditions = spread(domain, span, context)
        return [(const(v, domain.low.type.unit), c, ONE) for v, c in zip(values, conditions, strict=True)]
    raise context.fail("CS301", span, f"can't run over {describe(domain)}", help="use a range, a set or a list")


def each(node: tree.Each, context: Context) -> Gathered:
    """`value for i in domain when guard` as guarded items."""
    from cospace.compiler.elaborate.evaluate import boolean, evaluate

    if not isinstance(node.over, tree.Binder):
        raise context.fail(
            "CS208", node.span, "folds over switch, random and adapt decisions are not in this version yet"
        )
    domain = evaluate(node.over.domain, context)
    found = []
    for value, condition, times in items_of(domain, node.over.span, context):
        inner = Scope(context.scope, {node.over.name: value})
        here = context.at(inner).under(condition)
        guard = boolean(node.guard, here) if node.guard is not None else TRUE
        if guard is graph.FALSE:
            continue
        found.append((evaluate(node.value, here.under(guard)), graph.both(condition, guard), times))
        if len(found) > MAX_ITEMS:
            raise context.fail("CS404", node.span, f"this comprehension has more than {MAX_ITEMS:,} items")
    return Gathered(tuple(found))


__all__ = [
    "PathValue",
    "TensorType",
    "as_gathered",
    "each",
    "field_of",
    "implied",
    "item",
    "items_of",
    "member",
    "pick",
]
