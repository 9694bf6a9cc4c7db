"""What a decision means where it is read, when that is more than its value: lists, members that are expressions, and
the attributes of symbols.

`prepare` turns a domain into one of constants; `reading` gives what its decision is read as; `fields` the attributes.
"""

from __future__ import annotations

from typing import Any

from attrs import Factory, evolve, frozen
from cospace.compiler.elaborate.listed import ListDomain, fixed_list, labels, merge, of_lists
from cospace.compiler.elaborate.values import Context, Listed, SetValue, describe, is_number
from cospace.compiler.space import graph, lookups
from cospace.compiler.space.graph import SYMBOL, TRUE, Expr, Symbol, Type, Value, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant


@frozen(eq=False, repr=False)
class TaggedSet(SetValue):
    """A set of symbols with attributes: symbol -> attribute -> value."""

    fields: dict[str, dict[str, Any]] = Factory(dict)


@frozen(eq=False, repr=False)
class MemberDomain:
    """A set of expressions that depend on other decisions: what is chosen is which of them it is.

    labels: each as it is written. Two that are equal in a design are one value there, the first.
    """

    labels: tuple[Symbol, ...]
    members: tuple[Expr, ...]
    conditions: tuple[Expr, ...]


def prepare(domain: Any, node: tree.Decision, context: Context) -> Any:
    """A domain whose values are constants, from the domain as evaluated."""
    domain = of_lists(domain)
    written = node.domain
    open_ = isinstance(domain, SetValue) and any(isinstance(i, Expr) and not i.is_const for i in domain.items)
    if not open_ or not all(is_number(i) for i in domain.items):
        return domain
    if len({i.type for i in domain.items}) > 1:
        return domain  # told where domains are
    spans = [a.span for a in written.alternatives] if isinstance(written, tree.SetOf) else []
    if len(spans) != len(domain.items):
        return domain
    text = context.scope.owner().file.text
    labels = tuple(Symbol(" ".join(text[s.start : s.end].split())) for s in spans)
    conditions: list[Expr] = []
    for at, (item, condition) in enumerate(zip(domain.items, domain.conditions, strict=True)):
        for earlier, its in zip(domain.items[:at], domain.conditions[:at], strict=True):
            differs = graph.implies(its, graph.negate(graph.eq(earlier, item)))
            condition = graph.both(condition, TRUE if _always(differs, context) else differs)
        conditions.append(condition)
    return MemberDomain(labels, domain.items, tuple(conditions))


def _always(condition: Expr, context: Context) -> bool:
    from cospace.compiler.elaborate.possible import always

    return always(condition, context)


def constants(domain: ListDomain | MemberDomain) -> tuple[tuple[Value, ...], tuple[Expr, ...], Type]:
    """Values, conditions and type of a prepared domain."""
    return labels(domain) if isinstance(domain, ListDomain) else domain.labels, domain.conditions, SYMBOL


def reading(domain: Any, variable: Expr, context: Context) -> Any:
    """What a decision over a prepared domain is read as; remembered for those who read it by its path."""
    path = str(variable.payload)
    if isinstance(domain, ListDomain):
        found: Any = Listed(variable, domain.options, domain.sets)
    elif isinstance(domain, MemberDomain):
        found = domain.members[-1]
        for label, member in reversed(list(zip(domain.labels[:-1], domain.members[:-1], strict=True))):
            found = graph.branch(graph.eq(variable, const(label)), member, found)
    else:
        if isinstance(domain, TaggedSet):
            context.state.groups.setdefault("attributes", {})[path] = domain.fields
        return variable
    context.state.groups.setdefault("readings", {})[path] = found
    return found


def read(variable: Expr, context: Context) -> Any:
    """What a decision that is found by its path is read as."""
    return context.state.groups.get("readings", {}).get(str(variable.payload), variable)


# ---- attributes


def tagged(node: tree.Expr, context: Context) -> bool:
    """Whether a member of a set is a new symbol with attributes: `thermo_optic(settle = 4 us)`."""
    from cospace.compiler.elaborate import names

    return (
        isinstance(node, tree.Call)
        and isinstance(node.function, tree.Name)
        and bool(node.arguments)
        and all(a.name is not None for a in node.arguments)
        and names.find(node.function.id, node.span, context) is None
    )


def _unlike(node: tree.SetOf, other: tree.Alternative, context: Context) -> Exception:
    """CS205 at the odd one of a set: a call of something known, or of a name that is near to one, among new symbols."""
    from cospace.compiler.elaborate import names

    for a in node.alternatives:
        if tagged(a.value, context) and isinstance(a.value, tree.Call) and isinstance(a.value.function, tree.Name):
            name = a.value.function
            near = meant(name.id, names.candidates(context))
            if near is not None:
                return context.fail("CS205", name.span, f"unknown name `{name.id}` among other values", help=near)
    return context.fail(
        "CS205", other.span, "this set mixes new symbols with other values",
        help="give each symbol a new name, and its attributes in parentheses",
    )  # fmt: skip


def tagged_set(node: tree.SetOf, context: Context) -> TaggedSet | None:
    """A set of new symbols, some with attributes; None when it is another kind of set."""
    from cospace.compiler.elaborate import names
    from cospace.compiler.elaborate.evaluate import boolean, evaluate

    if node.unit or not any(tagged(a.value, context) for a in node.alternatives):
        return None
    items, conditions = [], []
    fields: dict[str, dict[str, Any]] = {}
    for a in node.alternatives:
        name = a.value.function if isinstance(a.value, tree.Call) and tagged(a.value, context) else a.value
        if not isinstance(name, tree.Name) or a.name is not None or names.holds_value(name.id, context):
            raise _unlike(node, a, context)
        assert isinstance(name, tree.Name)
        if name.id in fields:
            raise context.fail("CS210", a.span, f"two members are called `{name.id}`")
        given = a.value.arguments if isinstance(a.value, tree.Call) else ()
        for at, g in enumerate(given):
            if any(g.name == other.name for other in given[:at]):
                raise context.fail("CS214", g.span, f"`{g.name}` is given twice")
        fields[name.id] = {str(g.name): evaluate(g.value, context.named(g.name)) for g in given}
        items.append(const(Symbol(name.id)))
        conditions.append(boolean(a.guard, context) if a.guard is not None else TRUE)
    found = TaggedSet(tuple(items), tuple(None for _ in items), tuple(conditions), None, fields)
    for symbol, given_ in fields.items():
        context.state.groups.setdefault("tags", {}).setdefault(symbol, []).append(given_)
    return found


def field(owner: Expr, name: str, span: Span, context: Context) -> Any | None:
    """An attribute of a symbol; None where none of its values have attributes."""
    from cospace.compiler.elaborate import names

    options = [str(owner.value)] if owner.is_const else sorted(names.symbols_of(owner, context) or ())
    if owner.op == "var":  # as declared, so that names don't order anything
        options = [str(v) for v in context.state.domains.get(str(owner.payload), options)]
    known: dict[str, dict[str, dict[str, Any]]] = context.state.groups.get("attributes", {})
    own = known.get(str(owner.payload)) if owner.op == "var" else None
    tags: dict[str, list[dict[str, Any]]] = context.state.groups.get("tags", {})
    found: dict[str, Any] = {}
    if tags and own is None:
        context.state.loose.append(context.state.reporter.owner)
    for symbol in options:
        given = [own[symbol]] if own is not None and symbol in own else tags.get(symbol, [])
        holders = [g for g in given if name in g]
        if len({id(_plain(g[name])) for g in holders}) > 1:
            raise context.fail("CS202", span, f"`{symbol}` has several values of `{name}`, from several sets")
        if holders:
            found[symbol] = _plain(holders[0][name])
    if not found:
        if own is None and not any(tags.get(s) for s in options):
            return None
        attributes = sorted({a for s in options for g in ([own[s]] if own else tags.get(s, [])) for a in g})
        listed = ", ".join(f"`{a}`" for a in attributes)
        raise context.fail("CS211", span, f"these symbols have no attribute `{name}`",
                           help=meant(name, attributes) or f"they have {listed}")  # fmt: skip
    lacking = [s for s in options if s not in found]
    if lacking:
        raise context.fail(
            "CS211", span, f"`{lacking[0]}` has no attribute `{name}`, and it can stand here",
            help=f"write `{lacking[0]}({name} = …)` in its set",
        )  # fmt: skip
    return _join(owner, found, span, context)


def told_attributes(value: Expr, span: Span, context: Context) -> str | None:
    """How the attributes of a symbol are read, where a number was needed; None where it has none."""
    known: dict[str, dict[str, dict[str, Any]]] = context.state.groups.get("attributes", {})
    own = known.get(str(value.payload), {}) if value.op == "var" else {}
    attributes = sorted({a for given in own.values() for a in given})
    if not attributes:
        return None
    text = context.scope.owner().file.text[span.start : span.end]
    return "read one of its attributes: " + ", ".join(f"`{text}.{a}`" for a in attributes[:6])


def _plain(value: Any) -> Any:
    from cospace.compiler.elaborate.values import one_of

    return one_of(value)


def _join(owner: Expr, found: dict[str, Any], span: Span, context: Context) -> Any:
    """The attribute of whichever symbol it is."""
    values = list(found.values())
    if len(values) == 1 or all(v is values[0] for v in values):
        return values[0]
    if any(not isinstance(v, Expr) or v.type != values[0].type for v in values):
        odd = next(v for v in values if not isinstance(v, Expr) or v.type != values[0].type)
        raise context.fail(
            "CS301", span, f"this attribute is {describe(values[0])} of one symbol and {describe(odd)} of another",
            labels=(Label(span, "read here"),),
        )  # fmt: skip
    context.hangs_on(*values)
    if all(v.is_const for v in values):
        rows = lookups.table("attribute", [(Symbol(s),) for s in found], [v.value for v in values], (values[-1].value,))
        return lookups.lookup(rows, [owner], values[0].type, span)
    joined = values[-1]
    for symbol, value in reversed(list(found.items())[:-1]):
        joined = graph.branch(graph.eq(owner, const(Symbol(symbol))), value, joined)
    return joined


# ---- records: `cut[l]`


def entry(owner: SetValue, index: tree.Expr, context: Context) -> Any:
    """`{K = a, C = b}[l]`: what stands under a name, or under whichever name a symbol is."""
    from cospace.compiler.elaborate import names
    from cospace.compiler.elaborate.evaluate import scalar

    known = dict(zip(owner.names, owner.items, strict=True))
    if isinstance(index, tree.Name) and index.id in known:
        meant_ = names.find(index.id, index.span, context)  # a unit, an import, a number is not what is asked for
        if not (isinstance(meant_, Expr) and meant_.type.kind == "symbol"):
            return known[index.id]
    elif isinstance(index, tree.Name) and names.find(index.id, index.span, context) is None:
        raise _not_there(index.id, known, index.span, context)
    symbol = scalar(index, context)
    options = {str(symbol.value)} if symbol.is_const else names.symbols_of(symbol, context)
    if options is None:
        raise context.fail(
            "CS212", index.span, f"a record is indexed by one of its names, and this is {describe(symbol)}"
        )
    missing = sorted(options - {str(n) for n in known})
    if missing:
        raise _not_there(missing[0], known, index.span, context)
    taken = [(Symbol(str(n)), v) for n, v in known.items() if n in options]
    return join(symbol, taken, index.span, context)


def _not_there(name: str, known: dict[str | None, Any], span: Span, context: Context) -> Exception:
    help = meant(name, [str(n) for n in known]) or f"it has {', '.join(f'`{n}`' for n in known)}"
    return context.fail("CS211", span, f"the record has no `{name}`, which this can be", help=help)


def join(symbol: Expr, options: list[tuple[Symbol, Any]], span: Span, context: Context) -> Any:
    """The value that belongs to whichever symbol it is."""
    from cospace.compiler.elaborate.values import one_of

    values = [(s, one_of(v)) for s, v in options]
    if any(isinstance(v, Listed) for _, v in values):
        values = [(s, fixed_list(v)) for s, v in values]
    found = values[-1][1]
    for name, value in reversed(values[:-1]):
        condition = graph.eq(symbol, const(name))
        if isinstance(value, Listed) and isinstance(found, Listed) and value.sets == found.sets:
            found = merge(condition, value, found, span, context)
        elif isinstance(value, Expr) and isinstance(found, Expr) and value.type == found.type:
            found = graph.branch(condition, value, found)
        else:
            raise context.fail("CS301", span, f"one of these is {describe(value)}, another {describe(found)}")
    return found


def inside_record(name: str, context: Context) -> Context:
    """Where a value of a record stands: what it decides has the record's name in its path, `cut.K`."""
    if context.hint is None:
        return context.named(name)
    return evolve(context.named(name), prefix=context.path(context.hint), indices=())


def taken(record: tree.SetOf, index: tree.Expr, node: tree.Item, context: Context) -> Any:
    """`{none = …, conv = …}[op]` written out: each alternative lives only where the symbol is its name."""
    from cospace.compiler.elaborate import choices, names
    from cospace.compiler.elaborate.evaluate import evaluate, scalar

    labels_ = [str(a.name) for a in record.alternatives]
    if isinstance(index, tree.Name) and index.id in labels_ and names.find(index.id, index.span, context) is None:
        return evaluate(record.alternatives[labels_.index(index.id)].value, context)
    symbol = scalar(index, context)
    options = {str(symbol.value)} if symbol.is_const else names.symbols_of(symbol, context)
    if context.building is None or options is None or not options <= set(labels_):
        return entry(evaluate(record, context), index, context)
    if symbol.is_const:
        return evaluate(record.alternatives[labels_.index(str(symbol.value))].value, context)
    values: list[Any] = []
    kept: list[tuple[tree.Alternative, str, Expr]] = []
    for a in record.alternatives:
        if str(a.name) in options:
            own = f"{context.prefix}.{a.name}"
            condition = graph.eq(symbol, const(Symbol(str(a.name))))
            here = evolve(context.under(condition), prefix=own, indices=(), hint=a.name, direct=own)
            values.append(evaluate(a.value, here))
            kept.append((a, str(a.name), TRUE))
    symbols = tuple(Symbol(label) for _, label, _ in kept)
    if symbol.op != "var" and not all(isinstance(v, Expr) for v in values):
        raise context.fail("CS212", index.span, "between tensors one decision chooses: bind it to a name of its own")
    return choices._join(symbol, str(symbol.payload), symbols, values, node, kept, context)  # type: ignore[arg-type]
