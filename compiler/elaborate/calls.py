"""Calling: built-ins, `def`s of every kind, tables, accelerators; and `ask`, from an operator or from a rule."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from cospace.compiler import graph
from cospace.compiler.elaborate import builtins, choices, hardware, names, rules, statements, types
from cospace.compiler.elaborate.values import (
    BAD,
    AcceleratorClass,
    Builtin,
    Context,
    Function,
    Record,
    Scope,
    Stop,
    TableValue,
    Tensor,
    UnitValue,
    describe,
    is_number,
)
from cospace.compiler.graph import TRUE, Expr, External, Symbol, const
from cospace.compiler.model import Call, Task
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import closest

MAX_DEPTH = 64


def call(node: tree.Call, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate

    function = evaluate(node.function, context.named(None))
    if isinstance(function, Builtin):
        return builtins.apply(function.name, node, context.named(context.hint))
    if isinstance(function, Function):
        return call_def(function, node.arguments, node.span, context)
    if isinstance(function, TableValue):
        return look_up(function, node, context)
    if isinstance(function, AcceleratorClass):
        return hardware.instantiate(function, node.arguments, node.span, context)
    help = "multiplication is written `*`" if isinstance(function, (UnitValue, Expr)) else None
    raise context.fail("CS212", node.span, f"{describe(function)} can't be called", help=help)


def bind(
    parameters: tuple[tree.Parameter, ...],
    arguments: tuple[tree.Argument, ...],
    inner: Context,
    outer: Context,
    span: Span,
    what: str,
    extra: tuple[str, ...] = (),
    known: dict[str, Any] | None = None,
    places: dict[str, Span] | None = None,
) -> dict[str, Any]:
    """Arguments to parameters: values are bound in `inner.scope` in declared order, defaults may use earlier ones.

    extra: names that may be given beside the parameters (`times`). known: values already evaluated,
    places: where they stand.
    Returns what was given under a name of `extra`.
    """
    from cospace.compiler.elaborate.evaluate import evaluate

    by_name: dict[str, tree.Argument] = {}
    words = [p.name for p in parameters] + list(extra)
    positional = [a for a in arguments if a.name is None]
    if len(positional) > len(parameters):
        listed = ", ".join(f"`{p.name}`" for p in parameters)
        raise outer.fail(
            "CS214", positional[len(parameters)].span, f"{what} takes {len(parameters)} arguments",
            help=f"it has {listed}" if listed else None,
        )  # fmt: skip
    for p, a in zip(parameters, positional, strict=False):
        by_name[p.name] = a
    for a in arguments:
        if a.name is None:
            continue
        if a.name not in words:
            near = closest(a.name, words)
            listed = ", ".join(f"`{w}`" for w in words)
            raise outer.fail(
                "CS214",
                a.span,
                f"{what} has no argument `{a.name}`",
                help=f"did you mean `{near}`?" if near else f"it has {listed}",
            )
        if a.name in by_name:
            raise outer.fail("CS214", a.span, f"`{a.name}` is given twice")
        by_name[a.name] = a
    failed = False
    for p in parameters:
        try:
            if known and p.name in known:
                value, at = known[p.name], (places or {}).get(p.name, span)
            elif p.name in by_name:
                at = by_name[p.name].value.span
                value = _argument(p, by_name[p.name].value, outer, what)
            elif failed:
                continue
            elif p.default is not None:
                at = p.default.span
                value = _argument(p, p.default, inner.named(p.name), what)
            else:
                raise outer.fail("CS214", span, f"{what} needs `{p.name}`", help=f"give it: `{p.name} = …`")
            if p.type is not None and not failed:
                value = types.check(p.type, value, at, f"`{p.name}` of {what}", inner)
            elif isinstance(p.default, (tree.Number, tree.Text)) and isinstance(value, Expr):
                types.check_like(evaluate(p.default, inner), value, at, f"`{p.name}` of {what}", p.default.span, inner)
        except Stop:
            failed, value = True, BAD
        inner.scope.names[p.name] = value
    if failed:
        raise Stop()
    return {w: evaluate(by_name[w].value, outer.named(w)) for w in extra if w in by_name}


def _argument(parameter: tree.Parameter, value: tree.Expr, context: Context, what: str) -> Any:
    """An argument's value; a bare name is a symbol first where the parameter declares a set of them."""
    from cospace.compiler.elaborate.evaluate import evaluate

    type = parameter.type
    if isinstance(type, tree.SetOf) and isinstance(value, tree.Name):
        options = [a.value.id for a in type.alternatives if isinstance(a.value, tree.Name)]
        if value.id in options:
            return const(Symbol(value.id), span=value.span)
        if names.find(value.id, value.span, context) is None:
            near, listed = closest(value.id, options), ", ".join(options)
            raise context.fail(
                "CS206", value.span, f"`{parameter.name}` of {what} is one of {{{listed}}}, not `{value.id}`",
                help=f"did you mean `{near}`?" if near else None,
            )  # fmt: skip
    return evaluate(value, context.named(parameter.name))


def call_def(
    function: Function,
    arguments: tuple[tree.Argument, ...],
    span: Span,
    context: Context,
    known: dict[str, Any] | None = None,
    places: dict[str, Span] | None = None,
) -> Any:
    """A formula, a block, an operator, a task, or an opaque value of the runtime."""
    declaration = function.declaration
    if len(context.calls) >= MAX_DEPTH:
        raise context.fail(
            "CS220",
            span,
            f"`{declaration.name}` calls itself (more than {MAX_DEPTH} calls deep)",
            help="a def may not be recursive",
        )
    scope = Scope(function.scope, label=declaration.name)
    inner = evolve(context, scope=scope, calls=(*context.calls, span), hint=None, direct=None)
    kind = types.result_kind(declaration.result)
    if declaration.source is not None and kind in ("tensor", "graph"):
        return _operator(declaration, arguments, span, inner, context)
    bind(declaration.parameters, arguments, inner, context, span, f"`{declaration.name}`", known=known, places=places)
    if declaration.value is not None:
        from cospace.compiler.elaborate.evaluate import evaluate

        return evaluate(declaration.value, inner)
    if declaration.source is None:
        assert declaration.block is not None
        own = _path(declaration.name, context)
        deeper = evolve(inner, prefix=own, indices=()) if context.building else inner
        return statements.run_block(declaration.block, deeper)
    return _opaque(declaration, kind or "value", inner, span, context)


def _path(name: str, context: Context) -> str:
    """The path of a call: its own where it has one, else the operator's name, `#2` when repeated."""
    path = context.direct or context.path(name)
    if context.building is None:
        return path
    taken: dict[str, int] = context.state.groups.setdefault("calls", {})
    taken[path] = taken.get(path, 0) + 1
    return path if taken[path] == 1 else f"{path}#{taken[path]}"


def _operator(
    declaration: tree.Def, arguments: tuple[tree.Argument, ...], span: Span, inner: Context, context: Context
) -> Tensor:
    building = context.building
    if building is None:
        raise context.fail("CS221", span, f"`{declaration.name}` is an operator: it stands inside a network")
    assert declaration.source is not None and isinstance(declaration.result, tree.Item)
    path = _path(declaration.name, context)
    inner = evolve(inner, prefix=path, indices=())
    deeper = evolve(context, prefix=path, indices=())
    bind(declaration.parameters, arguments, inner, deeper, span, f"`{declaration.name}`")
    before = len(context.state.works)
    state: list[tuple[str, tuple[Expr, ...]]] = []
    if declaration.block is not None:
        asking = evolve(inner, direct=path)
        for name, shape in statements.run_facts(declaration.block, asking):
            state.append((name, shape))
    output = types.tensor_type(declaration.result, inner)
    tensors, scalars = [], []
    for p in declaration.parameters:
        value = inner.scope.names[p.name]
        if isinstance(value, Tensor):
            tensors.append((p.name, value.node))
        elif isinstance(value, Expr):
            scalars.append((p.name, value))
    works = tuple(w.path for w in context.state.works[before:])
    node = Call(
        path, declaration.name, _source(declaration), tuple(tensors), tuple(scalars), output.shape, context.guard,
        tuple(state), (), works, span,
    )  # fmt: skip
    building.nodes.append(node)
    if works:
        context.state.layers.append((path, context.guard))
    return Tensor(output.kind, output.shape, len(building.nodes) - 1)


def _source(declaration: tree.Def) -> str:
    assert declaration.source is not None and isinstance(declaration.source.value, tree.Text)
    return declaration.source.value.value


def _opaque(declaration: tree.Def, kind: str, inner: Context, span: Span, context: Context) -> Any:
    """A value that only the runtime can compute with, kept with its arguments."""
    scope = inner.scope
    fields: dict[str, Any] = {p.name: scope.names[p.name] for p in declaration.parameters}
    if kind == "task":
        return _task(declaration, fields, inner, span, context)
    if kind in ("policy", "stage"):
        return Record(dict(fields), kind, (declaration, inner))
    scalars = tuple((k, v) for k, v in fields.items() if isinstance(v, Expr))
    if kind == "measure":
        task = next((v.owner for v in fields.values() if isinstance(v, Record) and v.kind == "task"), None)
        if task is not None:
            scalars += (("of", const(task)),)
        low, high, better = _measure(declaration, inner)
        return graph.external(
            External("measure", declaration.name, _source(declaration), scalars, low, high, better), span
        )
    return graph.external(External(kind, declaration.name, _source(declaration), scalars), span)


def _measure(declaration: tree.Def, inner: Context) -> tuple[Any, Any, str]:
    """Range and better end, from `-> measure(0..1, better = low)`."""
    from cospace.compiler.elaborate.evaluate import evaluate
    from cospace.compiler.elaborate.values import RangeValue

    low = high = None
    better = "low"
    assert isinstance(declaration.result, tree.Call)
    for a in declaration.result.arguments:
        if a.name == "better":
            if not (isinstance(a.value, tree.Name) and a.value.id in ("low", "high")):
                raise inner.fail("CS306", a.span, "`better` is low or high")
            better = a.value.id
        elif not (isinstance(a.value, tree.Name) and a.value.id == "real"):
            domain = evaluate(a.value, inner)
            if isinstance(domain, RangeValue) and domain.low.is_const and domain.high.is_const:
                low, high = domain.low.payload, domain.high.payload
    return low, high, better


def _task(declaration: tree.Def, fields: dict[str, Any], inner: Context, span: Span, context: Context) -> Record:
    name = context.hint or declaration.name
    taken = dict(fields)
    if declaration.block is not None:
        statements.run_body(declaration.block, inner)
        for key, value in inner.scope.names.items():
            if value is BAD:
                raise Stop()
            if key not in fields:
                taken[key] = value
    from cospace.compiler.elaborate.values import TensorType

    for key, value in taken.items():
        if isinstance(value, TensorType):
            taken[key] = evolve(value, field=(name, key))
    facts = tuple((k, v) for k, v in taken.items() if isinstance(v, Expr) and v.is_const and k not in fields)
    arguments = tuple((k, v) for k, v in fields.items() if isinstance(v, Expr))
    context.state.tasks[name] = Task(name, _source(declaration), arguments, facts, span)
    return Record(taken, "task", name)


# ---- tables


def look_up(table: TableValue, node: tree.Call, context: Context) -> Record:
    """The row of a table; searched keys give conditions. A key that is not there is an error that lists what is."""
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    declaration = table.declaration
    rows = hardware_rows(table, context)
    keys: list[Expr] = []
    if len(node.arguments) != len(declaration.parameters):
        raise context.fail("CS214", node.span, f"`{declaration.name}` has {len(declaration.parameters)} keys")
    for a, p in zip(node.arguments, declaration.parameters, strict=True):
        keys.append(as_scalar(evaluate(a.value, context.named(p.name)), a.span, context))
    n = len(keys)
    if all(k.is_const for k in keys):
        for row in rows:
            if all(r.type == k.type and r.payload == k.payload for r, k in zip(row[:n], keys, strict=True)):
                return _row(declaration, row[n:])
        shown = ", ".join(str(k.payload) for k in keys)
        first = [str(r[0].payload) for r in rows]
        near = closest(shown, first)
        listed = ", ".join(f"`{f}`" for f in first[:12])
        raise context.fail(
            "CS222",
            node.span,
            f"`{declaration.name}` has no row for `{shown}`",
            help=f"did you mean `{near}`?" if near else f"it has {listed}",
        )
    matches = [(graph.both(TRUE, *(graph.eq(k, r) for k, r in zip(keys, row[:n], strict=True))), row) for row in rows]
    if not choices.always(graph.implies(context.guard, graph.either(graph.FALSE, *(m for m, _ in matches))), context):
        raise context.fail("CS222", node.span, f"`{declaration.name}` has no row for some value that can stand here")
    result = list(matches[-1][1][n:])
    for condition, row in reversed(matches[:-1]):
        result = [graph.branch(condition, new, old) for new, old in zip(row[n:], result, strict=True)]
    return _row(declaration, tuple(result))


def _row(declaration: tree.Table, values: Any) -> Record:
    columns = [s.name for s in declaration.block.statements if isinstance(s, tree.Typed)]
    return Record(dict(zip(columns, values, strict=True)), "row")


def hardware_rows(table: TableValue, context: Context) -> list[tuple[Expr, ...]]:
    """The rows written in place, typed by their columns; evaluated once."""
    from cospace.compiler.elaborate import names
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate
    from cospace.compiler.elaborate.values import ListValue

    cache: dict[int, list[tuple[Expr, ...]]] = context.state.groups.setdefault("rows", {})
    declaration = table.declaration
    if id(declaration) in cache:
        return cache[id(declaration)]
    here = evolve(context, scope=table.scope, hint=None, direct=None)
    if not isinstance(declaration.source.value, tree.ListOf):
        raise context.fail(
            "CS208",
            declaration.source.span,
            "tables read from files are not in this version yet",
            help="write the rows in place: `from [[…], […]]`",
        )
    columns: list[tree.Expr | None] = [p.type for p in declaration.parameters]
    columns += [s.type for s in declaration.block.statements if isinstance(s, tree.Typed)]
    rows = []
    for item in declaration.source.value.items:
        row = evaluate(item, here)
        if not isinstance(row, ListValue) or len(row.items) != len(columns):
            raise here.fail("CS223", item.span, f"a row of `{declaration.name}` has {len(columns)} columns")
        cells = []
        for value, type in zip(row.items, columns, strict=True):
            cell = as_scalar(value, item.span, here)
            plain = is_number(cell) and not cell.type.unit
            if plain and isinstance(type, tree.Name) and type.id not in types.PLAIN | types.OPAQUE:
                cell = graph.mul(cell, names.find_unit(type.id, type.span, here).scale)
            elif type is not None:
                types.check(type, cell, item.span, "this column", here)
            cells.append(cell)
        rows.append(tuple(cells))
    seen: set[tuple[object, ...]] = set()
    for row, item in zip(rows, declaration.source.value.items, strict=True):
        key = tuple(c.payload for c in row[: len(declaration.parameters)])
        if key in seen:
            raise here.fail("CS223", item.span, f"`{declaration.name}` has two rows for {', '.join(map(str, key))}")
        seen.add(key)
    cache[id(declaration)] = rows
    return rows


# ---- works


def ask(node: tree.Ask, context: Context) -> Any:
    """In an operator: a work added to its call. In a rule: the answer of the same accelerator."""
    if context.answering is None and context.building is None:
        raise context.fail("CS224", node.span, "`ask` stands in an operator, or in a rule of an accelerator")
    kind, declaration, home = find_work(node.work, context)
    scope = Scope(home, label=kind)
    inner = evolve(context, scope=scope, hint=None, direct=None, calls=(*context.calls, node.span))
    outer = evolve(context.named(None))
    extra = bind(declaration.parameters, node.arguments, inner, outer, node.span, f"work `{kind}`", ("times",))
    dims = {p.name: scope.names[p.name] for p in declaration.parameters}
    times = extra.get("times", const(1))
    facts = {}
    for s in declaration.block.statements if declaration.block else ():
        if isinstance(s, tree.Bind):
            statements.bind_names(s, inner, lazily=False)
            for t in s.targets:
                if isinstance(t, tree.Name):
                    facts[t.id] = scope.names[t.id]
    if context.answering is not None:
        pending = rules.Pending(
            "",
            kind,
            declaration,
            home,
            dims,
            facts,
            times,
            context.guard,
            context.answering.layer,
            node.span,
            context.calls,
        )
        return rules.answer(pending, context)
    owner = context.direct or context.prefix
    taken: dict[str, int] = context.state.groups.setdefault("works", {})
    path = f"{owner}.{kind}"
    taken[path] = taken.get(path, 0) + 1
    path = path if taken[path] == 1 else f"{path}#{taken[path]}"
    pending = rules.Pending(
        path, kind, declaration, home, dims, facts, times, context.guard, owner, node.span, context.calls
    )
    context.state.works.append(pending)
    return Record({}, "work")


def find_work(node: tree.Expr, context: Context) -> tuple[str, tree.Work, Scope]:
    """The declaration of a kind of work; kinds stand apart from other names."""
    module = context.scope.owner()
    modules = [module, *module.imports.values()]
    name = node.id if isinstance(node, tree.Name) else None
    if isinstance(node, tree.Member) and isinstance(node.object, tree.Name) and node.object.id in module.imports:
        modules, name = [module.imports[node.object.id]], node.name
    found = []
    for m in {id(m): m for m in modules}.values():
        found += [(m, s) for s in m.file.statements if isinstance(s, tree.Work) and s.name == name]
    if len(found) == 1:
        return found[0][1].name, found[0][1], found[0][0].scope
    if found:
        raise context.fail(
            "CS202",
            node.span,
            f"work `{name}` is declared by several imports",
            labels=tuple(Label(s.span, "here") for _, s in found),
        )
    known = [s.name for m in modules for s in m.file.statements if isinstance(s, tree.Work)]
    near = closest(name or "", known)
    raise context.fail(
        "CS201",
        node.span,
        f"unknown work `{name}`",
        help=f"did you mean `{near}`?" if near else "declare it: `work NAME(dims) { … }`, or import it",
    )
