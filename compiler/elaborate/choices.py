"""Decisions: their domains, paths, guards and copies; alternatives of networks; `map`s of rules."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from cospace.compiler.elaborate import members, names, paths, readings, variants
from cospace.compiler.elaborate.listed import ListDomain, one_type
from cospace.compiler.elaborate.possible import possible, rationals
from cospace.compiler.elaborate.readings import MemberDomain
from cospace.compiler.elaborate.values import (
    Builtin,
    Chosen,
    Context,
    DomainValue,
    Gathered,
    Instance,
    ListValue,
    PerLayer,
    RangeValue,
    Scope,
    SetValue,
    Stop,
    Tensor,
    describe,
    evolve,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision, Symbol, Type, Value, const
from cospace.compiler.space.model import Choice, Decision
from cospace.compiler.space.units import COMMON, natural_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span

MAX_VALUES = 100_000
MAX_DECISIONS = 10_000


def decide(node: tree.Decision, context: Context) -> Any:
    """The value of a decision: a variable, a choice between tensors, or a copy for each layer."""
    name = node.label or context.hint
    if name is None:
        raise context.fail(
            "CS216",
            node.span,
            "this decision has no name",
            help=f"label it: `{node.binding} width {{…}}`, or bind it to a name",
        )
    if node.binding in variants.LATER:
        variants.check(node, context)
        return _choose(node, context.path(name), context)
    if node.by is not None:
        raise context.fail("CS301", node.by.span, f"`by` gives weights to `random`, not to `{node.binding}`")
    if node.binding == "map":
        return _map(node, name, context)
    if node.per is not None:
        return _copies(node, name, context)
    return _choose(node, context.path(name), context)


def _copies(node: tree.Decision, name: str, context: Context) -> PerLayer:
    if node.per not in ("layer", "block"):
        raise context.fail(
            "CS217",
            node.span,
            f"there is no `per {node.per}`",
            help="`per layer` gives a copy to each operator that asks for work",
        )
    copies: dict[str, Any] = {}
    guards: dict[str, Expr] = {}
    blocks = _blocks(node, context) if node.per == "block" else {}
    for call, guard in context.state.layers:
        if _below(call, context) and (node.per == "layer" or call in blocks):
            owner = blocks.get(call, call)
            guards[owner] = graph.either(guards.get(owner, FALSE), guard)
    for owner, guard in guards.items():
        here = evolve(context.under(guard), indices=(*context.indices, owner))
        copies[owner] = _choose(node, here.path(name), here)
    return PerLayer(copies, guards, blocks)


def _blocks(node: tree.Decision, context: Context) -> dict[str, str]:
    """The block of each layer: of the calls that the policy's path names, the one it lies in."""
    targets = context.state.groups.get("targets") or ()
    named = [b for b, _ in context.state.blocks for t in targets
             if paths.below(b, t) and len(paths.segments(b)) == len(paths.segments(t))]  # fmt: skip
    if not named:
        raise context.fail(
            "CS217", node.span, "`per block` gives a copy to each call that the path names, and this path names none",
            help="name a block: `precision of net.block { … per block }`; or say `per layer`",
        )  # fmt: skip
    known = dict.fromkeys(named)
    found: dict[str, str] = {}
    for call, _ in context.state.layers:
        parts = call.split(".")
        prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        owner = next((p for p in prefixes if p in known), None)
        if owner is not None:
            found[call] = owner
    return found


def _below(call: str, context: Context) -> bool:
    targets = context.state.groups.get("targets")
    if targets is not None and not any(paths.below(call, t) for t in targets):
        return False
    return not paths.outdone(call, targets or (), context.state.groups.get("others", ()))


def _choose(node: tree.Decision, path: str, context: Context) -> Any:
    if isinstance(node.domain, tree.SetOf) and _labelled(node.domain, context):
        return _alternatives(node, node.domain, path, context)
    from cospace.compiler.elaborate.evaluate import evaluate

    domain = evaluate(node.domain, context.named(None))
    prepared = readings.prepare(domain, node, context)
    if node.binding not in variants.LATER or not isinstance(prepared, readings.MemberDomain):
        domain = prepared  # chance and users take values, and equal ones are one
    values, conditions, type, unit = domain_of(domain, node, context)
    allowed = None if all(c is TRUE for c in conditions) else conditions
    _register(path, values, type, allowed, unit, node, context, domain)
    return readings.reading(domain, graph.var(path, type), context)


def _labelled(domain: tree.SetOf, context: Context) -> bool:
    made = any(
        a.name is not None or (isinstance(a.value, tree.Call) and not _is_domain(a.value, context))
        for a in domain.alternatives
    )
    return made and not any(readings.tagged(a.value, context) for a in domain.alternatives)


def _is_domain(value: tree.Call, context: Context) -> bool:
    """Whether this is `divisors(…)` or `powers(…)`, whose values are members like those of a range."""
    from cospace.compiler.elaborate.builtins import DOMAINS

    name = value.function
    found = names.find(name.id, name.span, context) if isinstance(name, tree.Name) else None
    return isinstance(found, Builtin) and found.name in DOMAINS


def _alternatives(node: tree.Decision, domain: tree.SetOf, path: str, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import boolean, evaluate

    chosen = graph.var(path, graph.SYMBOL)
    taken: list[tuple[tree.Alternative, str, Expr]] = []
    for a in domain.alternatives:
        label = a.name or _callee(a.value)
        if label is None:
            raise context.fail(
                "CS205", a.span, "this alternative needs a name, as the others have", help="write `name = …`"
            )
        if any(label == other for _, other, _ in taken):
            raise context.fail("CS210", a.span, f"two alternatives are called `{label}`", help="give each its own name")
        condition = boolean(a.guard, context) if a.guard is not None else TRUE
        if condition is not FALSE:
            taken.append((a, label, condition))
    if not taken:
        raise context.fail("CS403", node.span, f"`{path}` has no alternatives left")
    symbols = tuple(Symbol(label) for _, label, _ in taken)
    allowed = None if all(c is TRUE for _, _, c in taken) else tuple(c for _, _, c in taken)
    options = SetValue(tuple(map(const, symbols)), tuple(map(str, symbols)), tuple(c for _, _, c in taken))
    _register(path, symbols, graph.SYMBOL, allowed, None, node, context, options)
    values: list[Any] = []
    for a, label, condition in taken:
        own = f"{path}.{label}"
        here = evolve(
            context.under(graph.both(condition, graph.eq(chosen, const(Symbol(label))))),
            prefix=own, indices=(), hint=label, direct=own,
        )  # fmt: skip
        values.append(evaluate(a.value, here))
    return _join(chosen, path, symbols, values, node, taken, context)


def _callee(value: tree.Expr) -> str | None:
    if isinstance(value, tree.Call):
        return _callee(value.function)
    if isinstance(value, tree.Member):
        return value.name
    return value.id if isinstance(value, tree.Name) else None


def _join(
    chosen: Expr,
    path: str,
    symbols: tuple[Symbol, ...],
    values: list[Any],
    node: tree.Decision,
    taken: list[Any],
    context: Context,
) -> Any:
    if all(isinstance(v, Tensor) for v in values) and len({v.kind for v in values}) == 1:
        ranks = {len(v.shape) for v in values}
        if len(ranks) > 1:
            labels = tuple(
                Label(a.span, f"{len(v.shape)} dimensions") for (a, _, _), v in zip(taken, values, strict=True)
            )
            raise context.fail("CS402", node.span, "the alternatives differ in rank", labels=labels)
        shape = []
        for dims in zip(*(v.shape for v in values), strict=True):
            merged = dims[-1]
            for symbol, dim in reversed(list(zip(symbols[:-1], dims[:-1], strict=True))):
                merged = graph.branch(graph.eq(chosen, const(symbol)), dim, merged)
            shape.append(merged)
        assert context.building is not None
        context.building.nodes.append(
            Choice(path, tuple(zip(symbols, (v.node for v in values), strict=True)), tuple(shape))
        )
        return Tensor(values[0].kind, tuple(shape), len(context.building.nodes) - 1)
    if all(isinstance(v, Instance) for v in values):
        conditions = (graph.eq(chosen, const(s)) for s in symbols)
        return Chosen(tuple(zip(conditions, values, strict=True)), tuple(s.name for s in symbols), chosen)
    if all(isinstance(v, Expr) for v in values):
        if len({v.type for v in values}) > 1:
            labels = tuple(Label(a.span, describe(v)) for (a, _, _), v in zip(taken, values, strict=True))
            raise context.fail("CS301", node.span, "the alternatives are of different kinds", labels=labels)
        merged = values[-1]
        for symbol, value in reversed(list(zip(symbols[:-1], values[:-1], strict=True))):
            merged = graph.branch(graph.eq(chosen, const(symbol)), value, merged)
        return merged
    for (a, _, _), v in zip(taken, values, strict=True):
        if not isinstance(v, (Tensor, Expr)):
            row = describe(v) == "a row of a table"
            raise context.fail(
                "CS301", a.span, f"this alternative is {describe(v)}, which can't be chosen here",
                help="choose the key: `table(choose {…})`" if row else None,
            )  # fmt: skip
    labels = tuple(Label(a.span, describe(v)) for (a, _, _), v in zip(taken, values, strict=True))
    raise context.fail("CS301", node.span, "the alternatives are of different kinds", labels=labels)


def _register(
    path: str,
    values: tuple[Value, ...],
    type: Type,
    allowed: tuple[Expr, ...] | None,
    unit: str | None,
    node: tree.Decision,
    context: Context,
    domain: Any,
) -> None:
    state = context.state
    if node.binding in variants.LATER:
        conditions = allowed or tuple(TRUE for _ in values)
        variants.register(node, path, values, conditions, type, unit, domain, context)
        return
    late = next((v for v in state.variants if any(v.path in c.free for c in allowed or ())), None)
    if late is not None:
        raise context.fail(
            "CS244", node.span, f"`{path}` is bound before `{late.path}` is, and its values depend on that",
            help="`map` in a rule is solved for each value; a `choose` can't be",
            labels=(Label(late.span, f"bound later, by `{late.binding}`"),),
        )  # fmt: skip
    if path in state.domains:
        places = [d.span for d in state.decisions if d.path == path]
        places += [v.span for v in state.variants if v.path == path]
        raise context.fail(
            "CS210", node.span, f"a second decision with the path `{path}`",
            help="label one of them: `choose NAME {…}`", labels=tuple(Label(at, "the first") for at in places[:1]),
        )  # fmt: skip
    if len(state.decisions) >= MAX_DECISIONS:
        raise context.fail("CS404", node.span, f"more than {MAX_DECISIONS:,} decisions")
    scale = Fraction(1)
    if unit is not None:
        scale = names.find_unit(unit, node.span, context).scale.payload  # type: ignore[assignment]
    group = path.split(".")[0].split("[")[0]
    state.domains[path] = values
    guard = variants.without_later(context.guard, context)
    state.decisions.append(
        Decision(path, node.binding, values, type, guard, allowed, unit, scale, group, None, node.span)
    )


def _map(node: tree.Decision, name: str, context: Context) -> Any:
    answering = context.answering
    if answering is None:
        raise context.fail(
            "CS218",
            node.span,
            "`map` is solved for each piece of work, inside an `on` rule",
            help="use `choose` for a parameter of the hardware",
        )
    from cospace.compiler.elaborate.evaluate import evaluate

    domain = evaluate(node.domain, context.named(None))
    context.hangs_on(*getattr(domain, "items", ()))
    domain = readings.prepare(domain, node, context)
    values, conditions, type, unit = domain_of(domain, node, context)
    path = context.path(name)
    taken = {m.path for m in answering.maps}
    unique, k = path, 2
    while unique in taken:
        unique, k = f"{path}#{k}", k + 1
    allowed = None if all(c is TRUE for c in conditions) else conditions
    scale = Fraction(1) if unit is None else names.find_unit(unit, node.span, context).scale.number
    answering.maps.append(MapDecision(unique, values, type, context.guard, allowed, unit, scale))
    return readings.reading(domain, graph.var(unique, type), context)


# ---- domains


def domain_of(
    domain: Any, node: tree.Decision, context: Context
) -> tuple[tuple[Value, ...], tuple[Expr, ...], Type, str | None]:
    """Possible values of a domain, the condition of each, their type and the unit to show."""
    span = node.domain.span
    unit = getattr(domain, "unit", None)
    if isinstance(domain, (ListDomain, MemberDomain)):
        if isinstance(domain, ListDomain):
            one_type(domain.options, span, context)
        labels, conditions, kind = readings.constants(domain)
        return _checked(list(zip(labels, conditions, strict=True)), kind, None, node, context)
    if isinstance(domain, RangeValue):
        values, these = spread(domain, span, context)
        return _checked(list(zip(values, these, strict=True)), domain.low.type, unit, node, context)
    if isinstance(domain, (SetValue, ListValue, DomainValue, Gathered)):
        pairs = members.items_of(domain, span, context)
        found: list[tuple[Value, Expr]] = []
        type: Type | None = None
        for at, (value, condition, _) in enumerate(pairs):
            from cospace.compiler.elaborate.evaluate import as_scalar

            if isinstance(value, RangeValue):
                inner_values, inner = spread(value, span, context)
                found += [(v, graph.both(condition, c)) for v, c in zip(inner_values, inner, strict=True)]
                own = value.low.type
            else:
                scalar = as_scalar(value, span, context)
                own = scalar.type
                for v in possible(scalar, span, context):
                    same = TRUE if scalar.is_const else graph.eq(scalar, const(v, own.unit))
                    found.append((v, graph.both(condition, same)))
            if type is not None and own != type:
                odd = _member_span(node.domain, len(pairs), at)
                raise context.fail(
                    "CS302", odd, "the values of a decision have one kind and unit, and this is another than the first",
                    labels=() if odd is span else (Label(_member_span(node.domain, len(pairs), 0), "the first"),),
                )  # fmt: skip
            type = own
        return _checked(found, type, unit, node, context)
    raise context.fail(
        "CS301",
        span,
        f"a decision needs a set of values, and this is {describe(domain)}",
        help="`choose {1, 2, 4}` or `choose 4..64 step 4`",
    )


def _member_span(domain: tree.Expr, count: int, at: int) -> Span:
    """Where the member of a set stands; the whole set when its members aren't written out one by one."""
    if isinstance(domain, tree.SetOf) and len(domain.alternatives) == count:
        return domain.alternatives[at].span
    return domain.span


def _checked(
    found: list[tuple[Value, Expr]], type: Type | None, unit: str | None, node: tree.Decision, context: Context
) -> tuple[tuple[Value, ...], tuple[Expr, ...], Type, str | None]:
    merged: dict[tuple[bool, Value], Expr] = {}
    for value, condition in found:
        key = (isinstance(value, bool), value)
        if key in merged and merged[key] is TRUE and condition is TRUE:
            from cospace.compiler.space.model import spell

            context.state.reporter.warn(
                "CS219",
                node.domain.span,
                f"the value {spell(value)} stands twice in this set",
                help="remove one of them",
            )
        merged[key] = graph.either(merged[key], condition) if key in merged else condition
    kept = {k: c for k, c in merged.items() if c is not FALSE}
    if not kept or type is None:
        if isinstance(node.domain, tree.SetOf) and not node.domain.alternatives and _holds_text(node.domain, context):
            raise Stop()  # what it holds could not be read, and that is told
        backwards = isinstance(node.domain, tree.Range)
        raise context.fail(
            "CS403", node.domain.span, "this decision has no values",
            help="a range runs upwards, from its low end to its high end" if backwards else None,
        )  # fmt: skip
    if len(kept) > MAX_VALUES:
        raise context.fail("CS404", node.domain.span, f"more than {MAX_VALUES:,} values in one decision")
    values = tuple(v for _, v in kept)
    return values, tuple(kept.values()), type, unit or _unit_of(values, type)


def _holds_text(node: tree.Expr, context: Context) -> bool:
    text = context.scope.owner().file.text[node.span.start : node.span.end]
    return bool(text.partition("{")[2].partition("}")[0].strip())


def _unit_of(values: Sequence[Value], type: Type) -> str | None:
    """The unit to show quantities in that are written without one, as `lowest..highest`: the least of them decides."""
    if type.kind != "number" or len(type.unit) != 1 or type.unit not in COMMON:
        return None  # units of imports may have no name here
    sizes = [abs(v) for v in values if isinstance(v, Fraction) and v]
    unit = natural_unit(min(sizes, default=Fraction(1)), type.unit)[0]
    return "bit" if unit == "byte" else unit  # widths are said in bits


def spread(domain: RangeValue, span: Span, context: Context) -> tuple[list[Fraction], list[Expr]]:
    """The values of a range, with conditions where its ends are searched."""
    low, high, step = domain.low, domain.high, domain.step
    unit = low.type.unit
    if not step.is_const or step.number <= 0:
        raise context.fail("CS301", span, "the step of a range is a positive constant")
    size = step.number
    top = max(rationals(high, span, context))
    starts = sorted(set(rationals(low, span, context)))
    found: set[Fraction] = set()
    for start in starts:
        if top >= start and (top - start) / size > MAX_VALUES:
            raise context.fail(
                "CS404",
                span,
                f"this range has more than {MAX_VALUES:,} values",
                help="use a larger step, or powers(2, n)",
            )
        value = start
        while value <= top:
            found.add(value)
            value += size
    ordered = sorted(found)
    if low.is_const and high.is_const:
        return ordered, [TRUE] * len(ordered)
    conditions = []
    for v in ordered:
        here = const(v, unit)
        grid = TRUE
        if not low.is_const:
            offset = graph.div(graph.sub(here, low), step)
            grid = graph.eq(offset, graph.floor(offset))
        conditions.append(graph.both(graph.le(low, here), graph.le(here, high), grid))
    return ordered, conditions


__all__ = ["Scope", "decide", "domain_of", "spread"]
