"""Calling: built-ins, `def`s of every kind, tables, accelerators; and `ask`, from an operator or from a rule."""

from __future__ import annotations

from typing import Any

from cospace.compiler.elaborate import (
    builtins,
    hardware,
    names,
    parts,
    rules,
    statements,
    tables,
    types,
    variants,
)
from cospace.compiler.elaborate.values import (
    BAD,
    AcceleratorClass,
    Builtin,
    Chosen,
    Context,
    Function,
    ListValue,
    Record,
    Scope,
    Stop,
    TableValue,
    Tensor,
    UnitValue,
    describe,
    evolve,
)
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.graph import Expr, Symbol, const
from cospace.compiler.space.model import Call, Task
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant

MAX_DEPTH = 64
CALL = 10
"""Evaluations that a call takes beside those in its body; each call that it stands in adds one."""
WEIGHT, CONSTANT = -1, -2
"""In the place of a node: of tensors that a file holds, those that are multiplied, and indices, sizes and masks."""


def call(node: tree.Call, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import evaluate

    function = evaluate(node.function, context.named(None))
    if isinstance(function, Builtin):
        return builtins.apply(function.name, node, context.named(context.hint))
    if isinstance(function, Chosen):
        return parts.call(function, node, context)
    if isinstance(function, Function):
        return call_def(function, node.arguments, node.span, context)
    if isinstance(function, TableValue):
        return tables.look_up(function, node, context)
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
            listed = ", ".join(f"`{w}`" for w in words)
            raise outer.fail(
                "CS214",
                a.span,
                f"{what} has no argument `{a.name}`",
                help=meant(a.name, words) or f"it has {listed}",
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
            return const(Symbol(value.id))
        if names.find(value.id, value.span, context) is None:
            listed = ", ".join(options)
            raise context.fail(
                "CS206", value.span, f"`{parameter.name}` of {what} is one of {{{listed}}}, not `{value.id}`",
                help=meant(value.id, options),
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
    itself = any(d is declaration for d in context.running)
    if itself or len(context.calls) >= MAX_DEPTH:
        said = "calls itself" if itself else f"is called more than {MAX_DEPTH} calls deep"
        raise context.fail("CS220", span, f"`{declaration.name}` {said}", help="a def may not be recursive")
    context.state.steps += CALL + len(context.calls)
    scope = Scope(function.scope, label=declaration.name)
    inner = evolve(
        context, scope=scope, calls=(*context.calls, span), running=(*context.running, declaration), hint=None,
        direct=None,
    )  # fmt: skip
    kind = types.result_kind(declaration.result)
    if declaration.source is not None and kind in ("tensor", "graph"):
        return apply_operator(declaration, arguments, span, inner, context)
    bind(declaration.parameters, arguments, inner, context, span, f"`{declaration.name}`", known=known, places=places)
    if declaration.source is None or declaration.value is not None:
        if context.building is not None:
            own = _path(declaration.name, context)
            inner = evolve(inner, prefix=own, indices=())
            if context.layer is None:
                context.state.blocks.append((own, context.guard))
        if declaration.value is not None:
            from cospace.compiler.elaborate.evaluate import evaluate

            return evaluate(declaration.value, inner)
        assert declaration.block is not None
        return statements.run_block(declaration.block, inner)
    return _opaque(declaration, kind or "value", inner, span, context)


def _path(name: str, context: Context) -> str:
    """The path of a call: its own where it has one, else the operator's name, `#2` when repeated."""
    path = context.direct or context.path(name)
    if context.building is None:
        return path
    taken: dict[str, int] = context.state.groups.setdefault("calls", {})
    taken[path] = taken.get(path, 0) + 1
    return path if taken[path] == 1 else f"{path}#{taken[path]}"


def apply_operator(
    declaration: tree.Def,
    arguments: tuple[tree.Argument, ...],
    span: Span,
    inner: Context,
    context: Context,
    what: str = "",
    known: dict[str, Any] | None = None,
    made: Tensor | None = None,
) -> Tensor:
    """An operator applied. known: arguments that are values already. made: what the result is known to be from outside:
    its sizes bind names of the declared result, or are checked against it. what: the call, in messages."""
    building = context.building
    what = what or f"`{declaration.name}`"
    if building is None:
        raise context.fail("CS221", span, f"`{declaration.name}` is an operator: it stands inside a network")
    assert declaration.source is not None and isinstance(declaration.result, tree.Item)
    path = _path(declaration.name, context)
    inner = evolve(inner, prefix=path, indices=())
    deeper = evolve(context, prefix=path, indices=())
    bind(declaration.parameters, arguments, inner, deeper, span, what, known=known)
    if made is not None:
        types.check(declaration.result, made, span, f"the result of {what}", inner)
    before = len(context.state.works)
    state: list[tuple[str, tuple[Expr, ...]]] = []
    if declaration.block is not None:
        asking = evolve(inner, layer=path)
        for name, shape in statements.run_facts(declaration.block, asking):
            state.append((name, shape))
    output = made or types.tensor_type(declaration.result, inner)
    tensors, scalars = [], []
    for p in declaration.parameters:
        value = inner.scope.names[p.name]
        several = value.items if isinstance(value, ListValue) else ()
        for name, tensor in ((p.name, value), *((f"{p.name}_{at}", item) for at, item in enumerate(several, 1))):
            if isinstance(tensor, Tensor) and tensor.node >= 0:
                tensors.append((name, tensor.node))
            elif isinstance(tensor, Tensor) and tensor.node == WEIGHT:
                state.append((name, tensor.shape))
        if isinstance(value, Expr):
            scalars.append((p.name, value))
    works = tuple(w.path for w in context.state.works[before:])
    node = Call(
        path, declaration.name, _source(declaration), tuple(tensors), tuple(scalars), output.shape, context.guard,
        tuple(state), (), works, span,
    )  # fmt: skip
    building.nodes.append(node)
    context.state.blocks.append((path, context.guard))
    if works:
        context.state.layers.append((path, context.guard))
    return Tensor(output.kind, output.shape, len(building.nodes) - 1)


def add_tensors(a: Tensor, b: Tensor, node: tree.Binary, context: Context) -> Tensor:
    """`x + y` of tensors: an operator without weights that asks for nothing; their shapes must agree."""
    if context.building is None:
        raise context.fail("CS221", node.span, "tensors are added inside a network")
    if a.kind != b.kind or len(a.shape) != len(b.shape):
        raise context.fail("CS402", node.span, f"can't add {len(a.shape)} dimensions and {len(b.shape)}")
    for at, (wanted, got) in enumerate(zip(a.shape, b.shape, strict=True), 1):
        types.match(wanted, got, f"dimension {at} of this sum", node.right.span, context)
    path = _path("sum", context)
    inputs = (("x", a.node), ("y", b.node))
    context.building.nodes.append(Call(path, "+", "tensor.add", inputs, (), a.shape, context.guard, span=node.span))
    return Tensor(a.kind, a.shape, len(context.building.nodes) - 1)


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
        return external(External("measure", declaration.name, _source(declaration), scalars, low, high, better), span)
    made = external(External(kind, declaration.name, _source(declaration), scalars), span)
    if kind == "statistic":
        low, high, _ = _measure(declaration, inner)
        if low is None or high is None:
            raise inner.fail("CS306", declaration.span, "a statistic says its range: `-> statistic(0..1)`")
        return variants.statistic(declaration, made, low, high, span, context)
    return made


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


# ---- works


def ask(node: tree.Ask, context: Context) -> Any:
    """In an operator: a work added to its call. In a rule: the answer of the same accelerator. In a network, or in a
    `def` without a source that it calls: a layer of its own, which is that work."""
    if context.answering is None and context.building is None:
        raise context.fail("CS224", node.span, "`ask` stands in an operator, or in a rule of an accelerator")
    pending = work_of(node, context)
    if context.answering is not None:
        return rules.answer(pending, context)
    layer = context.layer or _path(pending.kind, context)
    taken: dict[str, int] = context.state.groups.setdefault("works", {})
    path = f"{layer}.{pending.kind}"
    taken[path] = taken.get(path, 0) + 1
    path = path if taken[path] == 1 else f"{path}#{taken[path]}"
    context.state.works.append(evolve(pending, path=path, layer=layer))
    if context.layer is None:
        assert context.building is not None
        context.building.nodes.append(
            Call(layer, pending.kind, f"work.{pending.kind}", (), (), (), context.guard, works=(path,), span=node.span)
        )
        context.state.blocks.append((layer, context.guard))
        context.state.layers.append((layer, context.guard))
    return Record({}, "work")


def work_of(node: tree.Ask, context: Context) -> rules.Pending:
    """The work that an `ask` describes, its dimensions evaluated; not yet asked of anyone."""
    kind, declaration, home = find_work(node.work, context)
    scope = Scope(home, label=kind)
    inner = evolve(context, scope=scope, hint=None, direct=None, calls=(*context.calls, node.span))
    outer = evolve(context.named(None))
    own, arguments = _own(node, declaration, outer)
    extra = bind(declaration.parameters, arguments, inner, outer, node.span, f"work `{kind}`", ("times",))
    dims = {p.name: scope.names[p.name] for p in declaration.parameters}
    times = extra.get("times", const(1))
    facts: dict[str, Any] = {}
    for s in declaration.block.statements if declaration.block else ():
        if isinstance(s, tree.Bind):
            statements.bind_names(s, inner, lazily=False)
            facts |= {t.id: scope.names[t.id] for t in s.targets if isinstance(t, tree.Name)}
        elif not (isinstance(s, tree.Yield) and isinstance(s.value, tree.Ask)):
            raise inner.fail(
                "CS226", s.span, f"{statements._word(s)} does not belong in a kind of work",
                help="what it always meets stands in the operator that asks for it, or in the rule that serves it",
            )  # fmt: skip
    owner = context.answering.layer if context.answering else ""
    network = context.building.name if context.building else ""
    return rules.Pending(
        "", kind, declaration, home, dims, facts, times, context.guard, owner, node.span, context.calls, network, own
    )


def _own(
    node: tree.Ask, declaration: tree.Work, context: Context
) -> tuple[tuple[tuple[str, Any], ...], tuple[tree.Argument, ...]]:
    """What an `ask` says itself of what policies set; its other arguments."""
    from cospace.compiler.elaborate.evaluate import number

    dims = {p.name for p in declaration.parameters}
    found: dict[str, Any] = {}
    for a in node.arguments:
        if a.name not in rules.ASSUMED or a.name in dims:
            continue
        if a.name in found:
            raise context.fail("CS214", a.span, f"`{a.name}` is given twice")
        if context.answering is not None:
            said = f"in a rule `{a.name}` is that of the layer"
            raise context.fail("CS214", a.span, said, help="leave it out; the `ask` of an operator may say it")
        if isinstance(a.value, tree.Name) and a.value.id in rules.ASSUMED and context.scope.find(a.value.id) is None:
            found[a.name] = a.value.id
            continue
        found[a.name] = value = number(a.value, context)
        if value.type.unit != rules.assumed(a.name).type.unit:
            said = f"`{a.name}` of a work is {describe(rules.assumed(a.name))}, and this is {describe(value)}"
            raise context.fail("CS302", a.value.span, said)
    return tuple(found.items()), tuple(a for a in node.arguments if a.name not in found)


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
    raise context.fail(
        "CS201",
        node.span,
        f"unknown work `{name}`",
        help=meant(name or "", known) or "declare it: `work NAME(dims) { … }`, or import it",
    )
