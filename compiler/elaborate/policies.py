"""Blocks that steer what others declare: policies (`precision of net`), stages (`search`, `train`), baselines."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from cospace.compiler import graph
from cospace.compiler.elaborate import calls, choices, names
from cospace.compiler.elaborate.members import PathValue
from cospace.compiler.elaborate.values import BAD, Context, Function, PerLayer, Record, Scope, Stop
from cospace.compiler.graph import TRUE, Expr, Symbol, Value, const
from cospace.compiler.model import Reference, Stage
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import closest


def run_policy(node: tree.Policy, context: Context) -> None:
    """One block, by the kind its declaration says."""
    try:
        _run(node, context)
    except Stop:
        context.state.groups.setdefault("failed", set()).add(node.name or node.kind)
        raise


def _spoiled(path: str, context: Context) -> bool:
    """Whether a path starts with something that has failed already, so that nothing more need be said."""
    head = path.split(".")[0].split("[")[0]
    return head in context.state.groups.get("failed", ()) or context.scope.owner().scope.names.get(head) is BAD


def _run(node: tree.Policy, context: Context) -> None:
    if node.kind == "baseline":
        _baseline(node, context)
        return
    declared = names.find_block(node.kind, context)
    if declared is None:
        known = [n for n in names.candidates(context) if n in ("precision", "search", "train", "ticket", "data")]
        near = closest(node.kind, [*known, "baseline"])
        raise context.fail(
            "CS227", node.span, f"there is no kind of block called `{node.kind}`",
            help=f"did you mean `{near}`?" if near else "import the library that declares it (`import std.learn`)",
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
        known = [*owners, *state.domains, *(c for c, _ in state.layers)]
        if not any(k == text or k.startswith((f"{text}.", f"{text}[")) for k in known):
            if _spoiled(text, context):
                raise Stop()
            near = closest(text, known)
            there = _owners(known)
            raise context.fail(
                "CS228", _written(text, node, context), f"there is nothing called `{text}`",
                help=f"did you mean `{near}`?" if near else f"there is {there}" if there else None,
            )  # fmt: skip
        found.append(text)
    return tuple(found)


def _written(path: str, node: tree.Policy, context: Context) -> Span:
    """Where a block's heading says a path."""
    at = context.scope.owner().file.text.find(path, node.span.start, node.block.span.start)
    return Span(node.span.file, at, at + len(path)) if at >= 0 else node.span


def _owners(paths: list[str]) -> str:
    return ", ".join(f"`{o}`" for o in dict.fromkeys(p.split(".")[0].split("[")[0] for p in paths))


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
    targets = _targets(node, context) or tuple(n.name for n in state.networks)
    name = node.name or node.kind
    scope = Scope(context.scope)
    here = evolve(context, scope=scope, prefix=name, indices=())
    state.groups["targets"] = targets
    try:
        given = _fields(node, declared, here)
    finally:
        state.groups["targets"] = None
    context.scope.owner().scope.names.setdefault(name, _view(name, given))
    covered = [(c, g) for c, g in state.layers if any(c == t or c.startswith((f"{t}.", f"{t}[")) for t in targets)]
    for call, guard in covered:
        known = {k: (v.copies[call] if isinstance(v, PerLayer) else v) for k, v in given.items()}
        facts = _facts(node, declared, known, context.under(guard))
        strength = max(len(t) for t in targets if call == t or call.startswith((f"{t}.", f"{t}[")))
        current = state.groups.setdefault("strength", {}).get((call, node.kind), -1)
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


def _view(name: str, given: dict[str, Any]) -> Any:
    """What `precision.weights` reads."""
    return Record(dict(given), name) if given else PathValue(name)


def _fields(node: tree.Policy, declared: Function, here: Context) -> dict[str, Any]:
    words = [p.name for p in declared.declaration.parameters]
    given: dict[str, Any] = {}
    from cospace.compiler.elaborate.evaluate import evaluate

    for s in node.block.statements:
        try:
            if not isinstance(s, tree.Bind):
                raise here.fail("CS226", s.span, f"only `name = value` stands in a {node.kind} block")
            for t in s.targets:
                if not isinstance(t, tree.Name) or t.id not in words:
                    shown = t.id if isinstance(t, tree.Name) else "…"
                    near = closest(shown, words)
                    raise here.fail(
                        "CS214",
                        t.span,
                        f"`{node.kind}` has no field `{shown}`",
                        help=f"did you mean `{near}`?" if near else f"it has {', '.join(f'`{w}`' for w in words)}",
                    )
                _once(t.id, t, given, here)
                given[t.id] = evaluate(s.value, here.named(t.id))
                here.scope.names[t.id] = given[t.id]
        except Stop:
            continue
    return given


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
        if isinstance(value, Expr) and value.op == "external":
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
                    if not isinstance(t, tree.Name) or t.id not in words:
                        shown = t.id if isinstance(t, tree.Name) else "…"
                        near = closest(shown, words)
                        raise here.fail(
                            "CS214",
                            t.span,
                            f"`{node.kind}` has no setting `{shown}`",
                            help=f"did you mean `{near}`?" if near else f"it has {', '.join(f'`{w}`' for w in words)}",
                        )
                    _once(t.id, t, given, here)
                    given[t.id] = evaluate(s.value, here.named(t.id))
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


def _engine(s: tree.Assign, context: Context) -> tuple[tuple[str, ...], Expr]:
    from cospace.compiler.elaborate.evaluate import scalar
    from cospace.compiler.elaborate.values import describe

    paths = []
    for t in s.targets:
        path = _path_text(t, context)
        known = list(context.state.domains)
        if not any(k == path or k.startswith((f"{path}.", f"{path}[")) for k in known):
            if _spoiled(path, context):
                raise Stop()
            near = closest(path, [*known, *{k.split(".")[0].split("[")[0] for k in known}])
            there = _owners(known)
            raise context.fail(
                "CS228", t.span, f"no decision lies below `{path}`",
                help=f"did you mean `{near}`?" if near else f"decisions lie below {there}" if there else None,
            )  # fmt: skip
        paths.append(path)
    engine = scalar(s.value, context)
    if engine.type.kind != "engine":
        raise context.fail("CS301", s.value.span, f"an engine is needed here, and this is {describe(engine)}")
    return tuple(paths), engine


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
    known = list(context.state.domains)
    exact = [k for k in known if k == path]
    found = exact or [k for k in known if k.startswith(f"{path}[") and "." not in k.rsplit("]", 1)[-1]]
    if not found:
        if _spoiled(path, context):
            raise Stop()
        near = closest(path, known)
        raise context.fail(
            "CS228", node.span, f"there is no decision `{path}`", help=f"did you mean `{near}`?" if near else None
        )
    return found


def _member_value(path: str, node: tree.Expr, context: Context) -> Value:
    from cospace.compiler.elaborate.evaluate import scalar, symbol_or_scalar
    from cospace.compiler.model import spell

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
    from cospace.compiler.exact import evaluate

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
