"""Blocks that steer what others declare: policies (`precision of net`), stages (`search`, `train`), baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import fields as attrs_fields
from cospace.compiler.elaborate import calls, choices, names, paths
from cospace.compiler.elaborate.members import PathValue
from cospace.compiler.elaborate.values import (
    BAD,
    Context,
    Function,
    PerLayer,
    Record,
    Scope,
    SetValue,
    Stop,
    evolve,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr, Symbol, Value, const
from cospace.compiler.space.model import Policy, Reference, Stage
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import meant

PLAIN_KINDS = ("number", "bool", "symbol", "text")


def run_policy(node: tree.Policy, context: Context) -> None:
    """One block, by the kind its declaration says."""
    told = context.state.reporter.found
    before = len(told)
    try:
        _run(node, context)
    finally:
        if any(d.severity == "error" for d in told[before:]):
            context.state.groups.setdefault("failed", set()).add(node.name or node.kind)


def _spoiled(path: str, context: Context) -> bool:
    """Whether a path starts with something that has failed already, so that nothing more need be said."""
    head = path.split(".")[0].split("[")[0]
    module = context.scope.owner()
    if head in context.state.groups.get("failed", ()) or module.scope.names.get(head) is BAD:
        return True
    blocks = [s for s in module.file.statements if isinstance(s, tree.Policy) and head == (s.name or s.kind)]
    return any(_spoiled(".".join(t), context) for s in blocks for t in s.targets if t[0] != head)


def _run(node: tree.Policy, context: Context) -> None:
    if node.kind == "baseline":
        _baseline(node, context)
        return
    declared = names.find_block(node.kind, context)
    if declared is None:
        known = [n for n in names.candidates(context) if n in ("precision", "search", "train", "ticket", "data")]
        raise context.fail(
            "CS227", node.span, f"there is no kind of block called `{node.kind}`",
            help=meant(node.kind, [*known, "baseline"]) or "import the library that declares it (`import std.learn`)",
        )  # fmt: skip
    from cospace.compiler.elaborate.types import result_kind

    kind = result_kind(declared.declaration.result)
    if kind == "policy":
        _policy(node, declared, context)
    elif kind == "stage":
        _stage(node, declared, context)
    else:
        raise context.fail("CS227", node.span, f"`{node.kind}` gives neither a policy nor a stage")


def _targets(node: tree.Policy, context: Context) -> tuple[str, ...]:
    found = []
    for path in node.targets:
        text = ".".join(path)
        state = context.state
        owners = [n.name for n in state.networks] + [i.path for i in state.instances]
        owners += [*state.tasks, *(p.name for p in state.policies)]
        known = [*owners, *state.domains, *(c for c, _ in state.layers)]
        if not any(paths.below(k, text) for k in known):
            if _spoiled(text, context):
                raise Stop()
            there = _owners(known)
            raise context.fail(
                "CS228", _written(text, node, context), f"there is nothing called `{text}`",
                help=meant(text, known) or (f"there is {there}" if there else None),
            )  # fmt: skip
        found.append(text)
    return tuple(found)


def _written(path: str, node: tree.Policy, context: Context) -> Span:
    """Where a block's heading says a path."""
    at = context.scope.owner().file.text.find(path, node.span.start, node.block.span.start)
    return Span(node.span.file, at, at + len(path)) if at >= 0 else node.span


def _owners(paths: list[str]) -> str:
    return ", ".join(f"`{o}`" for o in dict.fromkeys(p.split(".")[0].split("[")[0] for p in paths))


def _name_of(target: tree.Node, words: Sequence[str], has_no: str, here: Context) -> str:
    """What a statement of a block sets; CS214 where the block has no such word."""
    if isinstance(target, tree.Name) and target.id in words:
        return target.id
    shown = target.id if isinstance(target, tree.Name) else "…"
    known = ", ".join(f"`{w}`" for w in words)
    raise here.fail("CS214", target.span, f"{has_no} `{shown}`", help=meant(shown, words) or f"it has {known}")


def _once(name: str, target: tree.Expr, given: dict[str, Any], context: Context) -> None:
    if name in given:
        raise context.fail("CS210", target.span, f"`{name}` is given twice", help="remove one of them")


def _places(node: tree.Policy) -> dict[str, Span]:
    """Where each field of a block has its value."""
    binds = [s for s in node.block.statements if isinstance(s, tree.Bind)]
    return {t.id: s.value.span for s in binds for t in s.targets if isinstance(t, tree.Name)}


# ---- policies


def _policy(node: tree.Policy, declared: Function, context: Context) -> None:
    state = context.state
    state.groups["networks"] = True  # from here on every layer is known
    targets = _targets(node, context) or tuple(n.name for n in state.networks)
    given = _given(node, declared, context)
    covered = [(c, g) for c, g in state.layers if any(paths.below(c, t) for t in targets)]
    others = _others(node, context)
    for call, guard in covered:
        if paths.outdone(call, targets, others):
            continue
        known = {k: (v.of(call) if isinstance(v, PerLayer) else v) for k, v in given.items()}
        facts = _facts(node, declared, known, context.under(guard))
        strength = max(paths.length(t) for t in targets if paths.below(call, t))
        current = state.groups.setdefault("strength", {}).get((call, node.kind), (-1, -1))
        if strength == current:
            raise context.fail(
                "CS229",
                node.span,
                f"two `{node.kind}` blocks of the same path meet `{call}`",
                help="name a longer path in one of them",
            )
        if strength > current:
            state.groups["strength"][(call, node.kind)] = strength
            state.facts.setdefault(call, {}).update(facts)
    known = {k: v for k, v in given.items() if not isinstance(v, PerLayer)}
    record = calls.call_def(declared, (), node.span, context.named(None), known=known, places=_places(node))
    fields = tuple((k, v) for k, v in record.fields.items() if isinstance(v, Expr) and not _copied(k, given))
    kept = given["state"].items if isinstance(given.get("state"), SetValue) else ()
    assert declared.declaration.source is not None
    source = getattr(declared.declaration.source.value, "value", "")
    name = node.name or node.kind
    state.policies.append(
        Policy(node.kind, name, source, targets, fields, tuple(str(k.payload) for k in kept), node.span)
    )


def _copied(name: str, given: dict[str, Any]) -> bool:
    return isinstance(given.get(name), PerLayer)


def view(node: tree.Policy, context: Context) -> Any:
    """What `precision.weights` reads: the fields of a block, which a network may read before its layers are known."""
    declared = names.find_block(node.kind, context)
    assert declared is not None
    return _view(node.name or node.kind, _given(node, declared, context))


def _given(node: tree.Policy, declared: Function, context: Context) -> dict[str, Any]:
    """The fields of a block, evaluated once."""
    state = context.state
    memo: dict[int, Any] = state.groups.setdefault("given", {})
    if id(node) not in memo:
        memo[id(node)] = BAD
        here = evolve(context, scope=Scope(context.scope), prefix=node.name or node.kind, indices=())
        before = state.groups.get("targets"), state.groups.get("others", ())
        state.groups["targets"] = tuple(".".join(t) for t in node.targets) or None
        state.groups["others"] = _others(node, context)
        try:
            given = _fields(node, declared, here)
        finally:
            state.groups["targets"], state.groups["others"] = before
        early = next((k for k, v in given.items() if isinstance(v, PerLayer)), None)
        if early is not None and not state.groups.get("networks"):
            raise context.fail(
                "CS204", node.span,
                f"a network reads this block while its layers are being made, and `{early}` has a copy for each layer",
                help="read a block without `per layer` in a network",
            )  # fmt: skip
        memo[id(node)] = given
    if memo[id(node)] is BAD:
        raise Stop()
    found: dict[str, Any] = memo[id(node)]
    return found


def _others(node: tree.Policy, context: Context) -> tuple[str, ...]:
    """What the other blocks of a kind in the file are for."""
    blocks = (s for s in context.scope.owner().file.statements if isinstance(s, tree.Policy) and s is not node)
    return tuple(".".join(t) for s in blocks if s.kind == node.kind for t in s.targets)


def _view(name: str, given: dict[str, Any]) -> Any:
    """What `precision.weights` reads."""
    return Record(dict(given), name) if given else PathValue(name)


def _fields(node: tree.Policy, declared: Function, here: Context) -> dict[str, Any]:
    parameters = {p.name: p for p in declared.declaration.parameters}
    words = list(parameters)
    given: dict[str, Any] = {}
    for s in node.block.statements:
        try:
            if not isinstance(s, tree.Bind):
                raise here.fail("CS226", s.span, f"only `name = value` stands in a {node.kind} block")
            for t in s.targets:
                name = _name_of(t, words, f"`{node.kind}` has no field", here)
                _once(name, t, given, here)
                given[name] = _field(parameters[name], s.value, node, here)
                here.scope.names[name] = given[name]
        except Stop:
            continue
    return given


def _field(parameter: tree.Parameter, value: tree.Expr, node: tree.Policy, here: Context) -> Any:
    """A field's value; `state = {norm, mask}` is looked up in the set that its declaration names first."""
    type = parameter.type
    options = (
        [a.value.id for a in type.arguments[0].value.alternatives if isinstance(a.value, tree.Name)]
        if isinstance(type, tree.Call) and type.arguments and isinstance(type.arguments[0].value, tree.SetOf)
        else None
    )
    if options is None or not isinstance(value, tree.SetOf):
        return calls._argument(parameter, value, here, f"`{node.kind}`")
    for a in value.alternatives:
        if not isinstance(a.value, tree.Name) or a.value.id not in options:
            raise here.fail(
                "CS206", a.span,
                f"`{parameter.name}` of `{node.kind}` holds some of {', '.join(f'`{o}`' for o in options)}",
                help=meant(a.value.id, options) if isinstance(a.value, tree.Name) else None,
            )  # fmt: skip
    items = tuple(const(Symbol(a.value.id)) for a in value.alternatives)  # type: ignore[union-attr]
    return SetValue(items, tuple(None for _ in items), tuple(TRUE for _ in items))


def _facts(node: tree.Policy, declared: Function, known: dict[str, Any], context: Context) -> dict[str, Any]:
    """What a policy sets on one layer: the arguments of `policy(…)`, and its opaque fields (a quantiser)."""
    from cospace.compiler.elaborate.evaluate import evaluate

    record = calls.call_def(declared, (), node.span, context.named(None), known=known, places=_places(node))
    _, inner = record.owner
    result = declared.declaration.result
    assert isinstance(result, tree.Call)
    facts: dict[str, Any] = {}
    for a in result.arguments:
        facts[a.name or "?"] = evaluate(a.value, inner)
    for key, value in record.fields.items():
        if isinstance(value, Expr) and value.type.kind not in PLAIN_KINDS:
            facts.setdefault(key, value)
    return facts


# ---- stages


def _stage(node: tree.Policy, declared: Function, context: Context) -> None:
    from cospace.compiler.elaborate.evaluate import evaluate

    state = context.state
    targets = _targets(node, context)
    scope = Scope(context.scope)
    for name in ("epoch", "step"):
        scope.names[name] = graph.make("input", (), graph.NUMBER, name)
    here = evolve(context, scope=scope)
    given: dict[str, Any] = {}
    engines: list[tuple[tuple[str, ...], Expr]] = []
    words = [p.name for p in declared.declaration.parameters]
    for s in node.block.statements:
        try:
            if isinstance(s, tree.Assign):
                engines.append(_engine(s, here))
            elif isinstance(s, tree.Bind):
                for t in s.targets:
                    if isinstance(t, tree.Name) and t.id not in words and _read_later(t.id, s, node.block):
                        scope.names[t.id] = evaluate(s.value, here.named(t.id))
                        continue
                    name = _name_of(t, words, f"`{node.kind}` has no setting", here)
                    _once(name, t, given, here)
                    given[name] = evaluate(s.value, here.named(name))
            else:
                raise here.fail(
                    "CS226",
                    s.span,
                    f"settings (`name = value`) and engines (`path by engine()`) stand in a {node.kind} block",
                )
        except Stop:
            continue
    record = calls.call_def(declared, (), node.span, here.named(None), known=given, places=_places(node))
    settings = tuple((k, v) for k, v in record.fields.items() if isinstance(v, Expr))
    assert declared.declaration.source is not None
    source = getattr(declared.declaration.source.value, "value", "")
    state.stages.append(Stage(node.kind, targets, tuple(engines), settings, source, node.span))


def _read_later(name: str, after: tree.Statement, block: tree.Block) -> bool:
    """Whether a statement further down reads a name, which then is one of the block's own and no setting."""
    at = next(n for n, s in enumerate(block.statements) if s is after)
    return any(_reads(s, name) for s in block.statements[at + 1 :])


def _reads(node: Any, name: str) -> bool:
    if isinstance(node, tuple):
        return any(_reads(n, name) for n in node)
    if isinstance(node, tree.Name):
        return node.id == name
    if not isinstance(node, tree.Node):
        return False
    if isinstance(node, (tree.Bind, tree.Assign)):
        return _reads(node.value, name)
    return any(_reads(getattr(node, f.name), name) for f in attrs_fields(type(node)))


def _engine(s: tree.Assign, context: Context) -> tuple[tuple[str, ...], Expr]:
    from cospace.compiler.elaborate.evaluate import scalar
    from cospace.compiler.elaborate.values import describe

    found = []
    for t in s.targets:
        path = _path_text(t, context)
        known = [d.path for d in context.state.decisions]
        if not any(paths.below(k, path) for k in known):
            if _spoiled(path, context):
                raise Stop()
            late = next((v for v in context.state.variants if paths.below(v.path, path)), None)
            if late is not None:
                raise context.fail(
                    "CS228", t.span, f"no search binds `{late.path}`: it is a `{late.binding}` decision",
                    help="name decisions that are made by `choose`",
                )  # fmt: skip
            there = _owners(known)
            raise context.fail(
                "CS228", t.span, f"no decision lies below `{path}`",
                help=meant(path, [*known, *dict.fromkeys(k.split(".")[0].split("[")[0] for k in known)])
                or (f"decisions lie below {there}" if there else None),
            )  # fmt: skip
        found.append(path)
    engine = scalar(s.value, context)
    if engine.type.kind != "engine":
        raise context.fail("CS301", s.value.span, f"an engine is needed here, and this is {describe(engine)}")
    return tuple(found), engine


def _path_text(node: tree.Expr, context: Context) -> str:
    """`gnn.conv[1]` as a path, without evaluating it."""
    if isinstance(node, tree.Name):
        return node.id
    if isinstance(node, tree.Member):
        return f"{_path_text(node.object, context)}.{node.name}"
    if isinstance(node, tree.Item):
        from cospace.compiler.elaborate.members import _index_text

        return f"{_path_text(node.object, context)}[{', '.join(_index_text(i, context) for i in node.items)}]"
    raise context.fail("CS226", node.span, "a path is needed here: `network.name[index]`")


# ---- baselines


def _baseline(node: tree.Policy, context: Context) -> None:
    """`baseline plain { gnn.hidden = 16 … }`: a path without indices means all its instances."""
    design: dict[str, Value] = {}
    failed = False
    for s in node.block.statements:
        try:
            if not isinstance(s, tree.Bind):
                raise context.fail("CS226", s.span, "only `path = value` stands in a baseline block")
            for t in s.targets:
                for path in _matching(_path_text(t, context), t, context):
                    design[path] = _member_value(path, s.value, context)
        except Stop:
            failed = True
    if failed:
        raise Stop()
    live = _live(design, node, context)
    context.state.references.append(Reference(node.name or "baseline", tuple(live.items()), node.doc, node.span))


def _matching(path: str, node: tree.Expr, context: Context) -> list[str]:
    if _spoiled(path, context):
        raise Stop()
    known = [d.path for d in context.state.decisions]
    exact = [k for k in known if k == path]
    found = exact or [k for k in known if paths.below(k, path) and len(paths.segments(k)) == len(paths.segments(path))]
    if not found:
        raise context.fail("CS228", node.span, f"there is no decision `{path}`", help=meant(path, known))
    return found


def _member_value(path: str, node: tree.Expr, context: Context) -> Value:
    from cospace.compiler.elaborate.evaluate import scalar, symbol_or_scalar
    from cospace.compiler.space.model import spell

    decision = next(d for d in context.state.decisions if d.path == path)
    variable = graph.var(path, decision.type)
    value = (
        symbol_or_scalar(node, variable, context)
        if isinstance(node, tree.Name) and decision.type.kind == "symbol"
        else scalar(node, context)
    )
    if not value.is_const or value.type != decision.type or value.payload not in decision.values:
        listed = ", ".join(spell(v, decision.unit, decision.scale) for v in decision.values[:12])
        raise context.fail(
            "CS230",
            node.span,
            f"this is not a value of `{path}`",
            help=f"it takes {listed}{', …' if len(decision.values) > 12 else ''}",
        )
    return value.value


def _live(design: dict[str, Value], node: tree.Policy, context: Context) -> dict[str, Value]:
    """Only the decisions that are live in the design; every live one must be said."""
    from cospace.compiler.exact.exact import evaluate

    live: dict[str, Value] = {}
    missing = []
    for d in context.state.decisions:
        if evaluate(d.guard, live) is not True:
            continue
        if d.path not in design:
            missing.append(d.path)
        else:
            live[d.path] = design[d.path]
    if missing:
        shown = ", ".join(f"`{m}`" for m in missing[:6])
        raise context.fail(
            "CS231",
            node.span,
            f"this baseline leaves {len(missing)} decisions open: {shown}",
            help="a baseline is one whole design",
        )
    return live


__all__ = ["TRUE", "Symbol", "choices", "const", "run_policy"]
