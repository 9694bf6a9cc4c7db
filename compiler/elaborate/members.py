"""`a.b`, `a[i]`, and comprehensions: reading fields of records, instances, works, lists and paths of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.elaborate import listed, names, parts, passes, paths, readings, types, ways_out
from cospace.compiler.elaborate.listed import ListDomain
from cospace.compiler.elaborate.tables import Row, rows_of
from cospace.compiler.elaborate.values import (
    AcceleratorClass,
    Builtin,
    Chosen,
    Context,
    DomainValue,
    Gathered,
    Instance,
    Listed,
    ListValue,
    Module,
    Parts,
    PerLayer,
    RangeValue,
    Record,
    Scope,
    SetValue,
    TableValue,
    Tensor,
    TensorType,
    describe,
    evolve,
)
from cospace.compiler.space import graph, lookups
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Value, const
from cospace.compiler.space.model import Call, Design
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.source import as_index
from cospace.dsl.suggest import meant

Guarded = tuple[Any, Expr]
ONE = const(1)
MAX_ITEMS = 100_000


@frozen
class PathValue:
    """A path into a network or a policy that isn't a decision by itself: `gnn`, `gnn.conv`."""

    path: str


@frozen(eq=False, repr=False)
class Instances(Gathered):
    """The decisions that a path without indices means, as a list; it may still get its indices."""

    path: str = ""


def member(node: tree.Member, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate

    module = _module(node.object, context)
    owner = module if module is not None else evaluate(node.object, context)
    if isinstance(owner, Expr) and owner.type.kind in ("number", "bool") and isinstance(node.object, tree.Name):
        help = ways_out.by_label(node.object.id, node.name, context)
        if help is not None:
            said = f"`{node.object.id}` is {describe(owner)}, what was chosen, and has no field `{node.name}`"
            raise context.fail("CS211", node.span, said, help=help)
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
    if isinstance(owner, SetValue) and owner.is_record:
        known = dict(zip(map(str, owner.names), owner.items, strict=True))
        if name in known:
            return known[name]
        raise _unknown(name, known, "this record", span, context)
    if isinstance(owner, Row):
        return owner.field(name, span, context)
    if isinstance(owner, TableValue):
        rows = Gathered(tuple((row, TRUE, ONE) for row in rows_of(owner, span, context)), owner.declaration.name)
        return _of_each(rows, name, span, context)
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
    if isinstance(owner, Chosen):
        return parts.field_of(owner, name, span, context)
    if isinstance(owner, Instances) and any(paths.below(d, f"{owner.path}.{name}") for d in context.state.domains):
        return _along(f"{owner.path}.{name}", span, context)
    if isinstance(owner, (Gathered, Parts)):
        return _of_each(as_gathered(owner), name, span, context)
    if isinstance(owner, PathValue):
        if name in ("works", "weights"):
            return _inside(owner.path, name, context)
        return _along(f"{owner.path}.{name}", span, context)
    attribute = readings.field(owner, name, span, context) if _is_symbol(owner) else None
    if attribute is not None:
        return attribute
    if isinstance(owner, Expr) and owner.op == "var" and owner.type.kind == "symbol":
        return _along(f"{owner.payload}.{name}", span, context)
    if isinstance(owner, AcceleratorClass):
        made = owner.declaration.name
        raise context.fail(
            "CS211", span, f"`{made}` has parameters, and its `{name}` is known only of one that is made",
            help=f"make one, `mine = {made}()`, and read `mine.{name}`",
        )  # fmt: skip
    help = "fields are read from accelerators, networks, policies, records, imports, and rows of tables"
    if isinstance(owner, Listed) and owner.sets:
        help = f"what it holds is asked so: `{name} in …`"
    raise context.fail("CS211", span, f"{describe(owner)} has no field `{name}`", help=help)


def _of_each(owner: Gathered, name: str, span: Span, context: Context) -> Gathered:
    """A field of each item that exists; where the field is itself a list, the items of all of them."""
    found: list[tuple[Any, Expr, Expr]] = []
    for item, guard, times in owner.items:
        value = field_of(item, name, span, context.under(guard))
        if isinstance(value, (Gathered, PerLayer, Parts)):
            found += [(v, graph.both(guard, g), graph.mul(times, t)) for v, g, t in as_gathered(value).items]
        else:
            found.append((value, guard, times))
    return Gathered(tuple(found), f"{owner.what}.{name}")


def _is_symbol(owner: Any) -> bool:
    return isinstance(owner, Expr) and owner.type.kind == "symbol"


def _unknown(name: str, fields: Any, owner: str, span: Span, context: Context) -> Exception:
    listed = ", ".join(f"`{f}`" for f in list(fields)[:12])
    help = meant(name, fields) or (f"it has {listed}" if listed else None)
    return context.fail("CS211", span, f"{owner} has no field `{name}`", help=help)


def _along(path: str, span: Span, context: Context) -> Any:
    """A longer path: the decision it names, else a path that goes on."""
    known = context.state.domains
    if path in known:
        decision = next(d for d in context.state.decisions if d.path == path)
        if not implied(decision.guard, context):
            raise context.fail(
                "CS209", span, f"`{path}` does not exist in every design that reads it here",
                help=ways_out.behind(path, context),
            )  # fmt: skip
        return readings.read(graph.var(path, decision.type), context)
    every = [d for d in context.state.decisions if paths.instance(d.path, path)]
    if every:
        items = tuple((readings.read(graph.var(d.path, d.type), context), d.guard, ONE) for d in every)
        return Instances(items, path, path)
    if any(paths.below(p, path) for p in (*known, *(c for c, _ in context.state.blocks))):
        return PathValue(path)
    raise context.fail("CS211", span, f"there is no decision `{path}`", help=meant(path, known))


def _inside(path: str, what: str, context: Context) -> Gathered:
    """`net.works`: what is asked for below a path. `net.weights`: the tensors that are trained there."""
    found: list[tuple[Any, Expr, Expr]] = []
    if what == "works":
        for w in context.state.works:
            if paths.below(w.layer, path):
                fields = {**w.dims, **w.facts, "layer": const(w.layer), "kind": const(graph.Symbol(w.kind))}
                found.append((Record(fields, f"work ({w.kind})"), w.guard, w.times))
        return Gathered(tuple(found), "works")
    nodes = [n for network in context.state.networks for n in network.nodes]
    for call in nodes:
        if isinstance(call, Call) and paths.below(call.path, path):
            for name, shape in call.state:
                size = graph.mul(ONE, *shape)
                fields = {"size": size, "shape": ListValue(shape), "name": const(name), "layer": const(call.path)}
                found.append((Record(fields, "tensor"), call.guard, ONE))
    return Gathered(tuple(found), "weights")


def implied(guard: Expr, context: Context) -> bool:
    """Whether the place we stand at makes sure that `guard` holds: by its parts, else by trying all values."""
    have = context.guard.args if context.guard.op == "and" else (context.guard,)
    if any(a is FALSE for a in have):
        return True  # nothing is read here at any design
    known = {id(a) for a in have}
    need = [a for a in (guard.args if guard.op == "and" else (guard,)) if a is not TRUE and id(a) not in known]
    if not need:
        return True
    from cospace.compiler.elaborate.possible import assignments
    from cospace.compiler.exact.exact import UNDEFINED, evaluate

    def makes_sure(design: Design) -> bool:
        here = evaluate(context.guard, design)
        return here is False or here is UNDEFINED or evaluate(guard, design) is True  # undefined: an error of its own

    tried = assignments(sorted(context.guard.free | guard.free), context)
    return tried is not None and all(map(makes_sure, tried))


def item(node: tree.Item, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate, number

    if isinstance(node.object, tree.Name) and node.object.id in ("tensor", "graph"):
        return types.tensor_type(node, context)
    if isinstance(node.object, tree.SetOf) and len(node.items) == 1 and all(a.name for a in node.object.alternatives):
        return readings.taken(node.object, node.items[0], node, context)
    owner = _before(node, evaluate(node.object, context), context)
    if isinstance(owner, (passes.Passes, passes.Earlier)):
        keys = tuple(_index_text(i, context) for i in node.items)
        index = number(node.items[0], context) if keys == ("?",) else None
        return passes.item(owner, keys, index, node.span, context)
    if isinstance(owner, Instances) and len(node.items) == 1:
        # no loop stands last in such a path: an index is none of its own, and counts the list
        every = [d for d in context.state.decisions if paths.instance(d.path, owner.path)]
        if all(paths.segments(d.path)[-1][2] is None for d in every):
            index = number(node.items[0], context)
            return pick([(v, g) for v, g, _ in owner.items], index, node.span, context)
    if isinstance(owner, (Instances, PathValue)):
        shown = ", ".join(_index_text(i, context) for i in node.items)
        return _along(f"{owner.path}[{shown}]", node.span, context)
    if isinstance(owner, Parts):
        return parts.item(owner, node, context)
    if isinstance(owner, (PerLayer, ListValue, Gathered)) and len(node.items) != 1:
        raise context.fail("CS212", node.span, f"{describe(owner)} takes one index, not {len(node.items)}")
    if isinstance(owner, PerLayer):
        return _copy(owner, node, context)
    if isinstance(owner, Listed) and len(node.items) == 1:
        return listed.element(owner, number(node.items[0], context), node.span, context)
    if isinstance(owner, SetValue) and len(node.items) == 1 and owner.is_record:
        return readings.entry(owner, node.items[0], context)
    if isinstance(owner, (ListValue, Gathered)):
        index = number(node.items[0], context)
        return pick([(v, g) for v, g, _ in as_gathered(owner).items], index, node.span, context)
    if isinstance(owner, Builtin):
        raise context.fail("CS212", node.span, f"`{owner.name}` is a function: call it with ( )")
    help = "a row is asked for in parentheses: `table(key)`" if isinstance(owner, TableValue) else None
    raise context.fail("CS212", node.span, f"{describe(owner)} can't be indexed", help=help)


def _before(node: tree.Item, owner: Any, context: Context) -> Any:
    """In a loop at the top of a file, an index of what is a single value there reads another pass."""
    if not isinstance(owner, Expr) or not isinstance(node.object, tree.Name):
        return owner
    scope = context.scope.find(node.object.id)
    return (scope in context.state.passing and passes.passed(node.object.id, node.object.span, context)) or owner


def _copy(owner: PerLayer, node: tree.Item, context: Context) -> Any:
    """`precision.weights[net.conv[1].gat]`: the copy of one layer."""
    from cospace.compiler.elaborate.policies import _path_text

    listed = ", ".join(f"`{c}`" for c in list(owner.copies)[:6]) + (", …" if len(owner.copies) > 6 else "")
    if not isinstance(node.items[0], (tree.Name, tree.Member, tree.Item)):
        said = "of copies, one is named by the path of its layer"
        raise context.fail("CS212", node.items[0].span, said, help=f"it has {listed}" if owner.copies else None)
    layer = _path_text(node.items[0], context)
    if layer not in owner.copies:
        help = meant(layer, owner.copies) or (f"it has {listed}" if listed else None)
        raise context.fail("CS211", node.items[0].span, f"there is no copy for `{layer}`", help=help)
    if not implied(owner.guards[layer], context):
        raise context.fail(
            "CS209", node.span, f"`{layer}` does not exist in every design that reads it here",
            help="read it behind a `when` or an `if` that makes sure it is taken",
        )  # fmt: skip
    return owner.copies[layer]


def own_copy(owner: PerLayer, node: tree.Name, context: Context) -> Any:
    """In a rule: the copy of the layer whose work it serves."""
    assert context.answering is not None
    layer = context.answering.layer
    context.answering.local = True
    copy = owner.of(layer)
    if copy is None:
        raise context.fail("CS211", node.span, f"`{node.id}` has no copy for `{layer}`")
    return copy


def _index_text(node: tree.Expr, context: Context) -> str:
    from cospace.compiler.elaborate.evaluate import evaluate

    if isinstance(node, tree.Name) and names.find(node.id, node.span, context) is None:
        return node.id
    value = evaluate(node, context)
    return index_text(value) or str(getattr(value, "path", "?"))


def index_text(value: Any) -> str | None:
    """How a pass over a value is told in paths: a constant as it is written, a row of a table by its keys."""
    from cospace.compiler.space.model import show

    if isinstance(value, Row):
        known = [index_text(k) for k in value.keys]
        return None if None in known else ", ".join(k for k in known if k is not None)
    if isinstance(value, Expr) and value.is_const:
        text = str(show(value.value))
        return as_index(text) if value.type.kind == "text" else text
    return None


def pick(items: Sequence[Guarded], index: Expr, span: Span, context: Context) -> Any:
    """The item at an index, from 1, of those that are there; a searched index becomes a chain of conditions."""
    items = [(v, g) for v, g in items if g is not FALSE]
    if index.is_const:
        at = index.number
        if at.denominator != 1 or not 1 <= at <= len(items):
            help = "the first item is 1" if at < 1 else None
            raise context.fail("CS213", span, f"there is no item {at}; the list has {len(items)}", help=help)
        if all(implied(g, context) for _, g in items[: int(at)]):
            return items[int(at) - 1][0]
    items = [(v, TRUE if implied(g, context) else g) for v, g in items]
    if not items:
        raise context.fail("CS213", span, "the list is empty")
    context.hangs_on(index, *(g for _, g in items))
    values = [v for v, _ in items]
    if isinstance(values[0], ListValue) and all(
        isinstance(v, ListValue) and len(v.items) == len(values[0].items) for v in values
    ):
        columns = [[(v.items[at], g) for v, g in items] for at in range(len(values[0].items))]
        return ListValue(tuple(pick(column, index, span, context) for column in columns))
    first = values[0]
    if isinstance(first, SetValue) and first.is_record and all(
        isinstance(v, SetValue) and sorted(map(str, v.names)) == sorted(map(str, first.names)) for v in values
    ):  # fmt: skip
        fields = [[(field_of(v, str(name), span, context), g) for v, g in items] for name in first.names]
        taken = tuple(pick(column, index, span, context) for column in fields)
        return SetValue(taken, first.names, tuple(TRUE for _ in taken))
    odd = next((v for v in values if not isinstance(v, Expr) or v.type != getattr(values[0], "type", None)), None)
    if odd is not None:
        raise context.fail(
            "CS301", span, "which item this is differs from design to design: all are to be single values of one kind, "
            f"lists of one length or records with the same names; here stand {describe(values[0])} and {describe(odd)}",
        )  # fmt: skip
    result = _outside(values[-1], index, [g for _, g in items], span)
    for (value, guard), place in reversed(list(zip(items, _places([g for _, g in items]), strict=True))):
        result = graph.branch(graph.both(guard, graph.eq(index, place)), value, result, span=span)
    return result


def _places(guards: Sequence[Expr]) -> list[Expr]:
    """For each item its place in the list, where it is there."""
    found: list[Expr] = []
    open_: list[Expr] = []
    before = 0
    for guard in guards:
        before += guard is TRUE
        found.append(graph.add(const(before + (guard is not TRUE)), *open_) if open_ else const(len(found) + 1))
        if guard is not TRUE:
            open_.append(graph.branch(guard, ONE, const(0)))
    return found


def _outside(like: Expr, index: Expr, guards: Sequence[Expr], span: Span) -> Expr:
    """Of one type with `like`, and without a value wherever it is read, so that definedness finds what reads it."""
    sure = all(g is TRUE for g in guards)
    if sure and like.type.kind == "number":
        return graph.mul(graph.div(ONE, graph.sub(index, index), span=span), const(1, like.type.unit))
    # a row that is never asked for: the first item is there for 1, and there are never fewer than 0
    read = index if sure else graph.add(const(0), *(graph.branch(g, ONE, const(0)) for g in guards))
    other: dict[str, Value] = {"number": Fraction(1), "bool": True}
    value = like.value if like.is_const else other.get(like.type.kind, graph.Symbol("none"))
    rows = lookups.table("items", [(Fraction(1 if sure else -1),)], [value])
    return lookups.lookup(rows, [read], like.type, span)


def as_gathered(value: Any) -> Gathered:
    """Any list as guarded items."""
    if isinstance(value, Gathered):
        return value
    if isinstance(value, ListValue):
        return Gathered(tuple((v, TRUE, ONE) for v in value.items))
    if isinstance(value, Parts):
        return parts.gathered(value)
    if isinstance(value, Listed):
        return listed.gathered(value)
    assert isinstance(value, PerLayer)
    return Gathered(tuple((v, value.guards[k], ONE) for k, v in value.copies.items()))


def items_of(domain: Any, span: Span, context: Context) -> list[tuple[Any, Expr, Expr]]:
    """What a loop or comprehension runs over: (value, condition, times)."""
    if isinstance(domain, (Gathered, ListValue, Listed, Parts, PerLayer)):
        return list(as_gathered(domain).items)
    if isinstance(domain, SetValue):
        found: list[tuple[Any, Expr, Expr]] = []
        for v, c in zip(domain.items, domain.conditions, strict=True):
            within = isinstance(v, RangeValue | DomainValue)
            inner = items_of(v, span, context) if within else [(v, TRUE, ONE)]
            found += [(i, graph.both(c, g), t) for i, g, t in inner]
        return found
    if isinstance(domain, ListDomain):
        return [(ListValue(o), c, ONE) for o, c in zip(domain.options, domain.conditions, strict=True)]
    if isinstance(domain, DomainValue):
        return [(v, c, ONE) for v, c in zip(domain.values, domain.conditions, strict=True)]
    if isinstance(domain, TableValue):
        return [(row, TRUE, ONE) for row in rows_of(domain, span, context)]
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
            "CS240", node.span, "a fold over what is bound later stands alone in its function",
            help="`mean(… for precision.both)`; over a list it is `e for x in list`",
        )  # fmt: skip
    domain = evaluate(node.over.domain, context)
    found = []
    for at, (value, condition, times) in enumerate(items_of(domain, node.over.span, context), 1):
        inner = Scope(context.scope, {node.over.name: value})
        context.hangs_on(value)  # it may name what is made inside
        index = index_text(value) or str(at)
        here = evolve(context.at(inner).under(condition), indices=(*context.indices, index))
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
