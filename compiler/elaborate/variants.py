"""What is bound after the search: `switch`, `random` and `adapt` decisions, and the statistics `adapt` listens to."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cospace.compiler.elaborate.values import Context, Gathered, ListValue, PerLayer, RangeValue, State, is_number
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Type, Value, const
from cospace.compiler.space.model import Variant
from cospace.compiler.space.substitute import Substituter
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span

LATER = ("switch", "random", "adapt")
DRAWS = ("image", "epoch", "inference")


def check(node: tree.Decision, context: Context) -> None:
    """What may stand behind the domain of each binding time."""
    word = node.binding
    if node.per is not None and (word != "random" or node.per not in DRAWS):
        help = f"`random` is drawn per {', '.join(DRAWS)}" if word == "random" else f"leave out `per {node.per}`"
        raise context.fail("CS217", node.span, f"a `{word}` decision has no `per {node.per}`", help=help)
    if word == "adapt" and node.by is None:
        raise context.fail(
            "CS245", node.span, "an `adapt` decision needs what the input binds it by",
            help='`adapt {1/2, 1} by (if u < t then 1/2 else 1)`, with `u = quantile("…")`',
        )  # fmt: skip
    if word == "switch" and node.by is not None:
        raise context.fail("CS245", node.by.span, "the user binds a `switch`: it has no `by`", help="leave it out")


def register(
    node: tree.Decision,
    path: str,
    values: tuple[Value, ...],
    conditions: tuple[Expr, ...],
    type: Type,
    unit: str | None,
    domain: Any,
    context: Context,
) -> Expr:
    """The variable of a variant, which the state now knows."""
    from cospace.compiler.elaborate import names
    from cospace.compiler.elaborate.possible import always
    from cospace.compiler.space.model import Requirement, spell

    state = context.state
    if path in state.domains:
        raise context.fail(
            "CS210", node.span, f"a second decision with the path `{path}`",
            help=f"label one of them: `{node.binding} NAME {{…}}`",
        )  # fmt: skip
    scale = Fraction(1)
    if unit is not None:
        scale = names.find_unit(unit, node.span, context).scale.number
    if node.binding == "switch" and len(values) == 1:
        shown = spell(values[0], unit, scale)
        state.reporter.warn(
            "CS247", node.span, f"`{path}` is a `switch` with one value, {shown}, which leaves nothing to bind",
            help=f"write `{shown}` in its place, or add a value",
        )  # fmt: skip
    weights = by = None
    if node.binding == "random" and node.by is not None:
        weights = _weights(node, values, domain, type, context)
    if node.binding == "adapt":
        by = _function(node, values, conditions, type, context)
    allowed = None if all(c is TRUE for c in conditions) else conditions
    state.domains[path] = values
    variant = Variant(
        path, node.binding, values, type, context.guard, allowed, weights, by, node.per, None, None, unit, scale,
        path.split(".")[0].split("[")[0], node.span,
    )  # fmt: skip
    state.variants.append(variant)
    some = graph.either(FALSE, *(taken(variant, n) for n in range(len(values))))
    heard = some.free & frozenset(statistics(state))  # weights that the input says: known only while running
    if some.free and not heard and not always(graph.implies(context.guard, some), context):
        reason = f"`{path}` has a value to take"
        state.requirements.append(Requirement(some, context.guard, reason, node.span, "domain"))
    return graph.var(path, type)


def _weights(
    node: tree.Decision, values: tuple[Value, ...], domain: Any, type: Type, context: Context
) -> tuple[Expr, ...]:
    """The weight of each value: those of equal members add."""
    from cospace.compiler.elaborate import members
    from cospace.compiler.elaborate.evaluate import evaluate
    from cospace.compiler.elaborate.possible import always

    assert node.by is not None
    given = evaluate(node.by, context.named(None))
    if not isinstance(given, (ListValue, Gathered, PerLayer)):
        raise context.fail("CS245", node.by.span, "`random` is weighed by a list", help="`random {a, b} by [1, 3]`")
    weights = [w for w, _, _ in members.as_gathered(given).items]
    for w in weights:
        if not is_number(w) or w.type.unit:
            raise context.fail("CS245", node.by.span, "weights are plain numbers")
        known = w.free <= frozenset(context.state.domains)
        if known and not always(graph.implies(context.guard, graph.le(const(0), w)), context):
            raise context.fail("CS245", node.by.span, "a weight is negative for some design", help="weights start at 0")
    parts = [(v, c) for v, c, _ in members.items_of(domain, node.domain.span, context)]
    if len(parts) != len(weights) or any(isinstance(v, RangeValue) for v, _ in parts):
        raise context.fail(
            "CS245", node.by.span, f"there are {len(weights)} weights for {len(parts)} values",
            help="give one weight to each value, in their order",
        )  # fmt: skip
    found = []
    for value in values:
        here = const(value, type.unit)
        found.append(
            graph.add(
                const(0),
                *(
                    graph.branch(graph.both(c, graph.eq(member, here)), w, const(0))
                    for (member, c), w in zip(parts, weights, strict=True)
                ),
            )
        )
    return tuple(found)


def _function(
    node: tree.Decision, values: tuple[Value, ...], conditions: tuple[Expr, ...], type: Type, context: Context
) -> Expr:
    """The function of the input that an `adapt` decision takes its value from."""
    from cospace.compiler.elaborate.evaluate import scalar
    from cospace.compiler.elaborate.possible import possible
    from cospace.compiler.space.model import spell

    assert node.by is not None
    by = scalar(node.by, context.named(None))
    if by.type != type:
        raise context.fail("CS245", node.by.span, "`by` gives another kind or unit than the domain has")
    if not by.free & frozenset(statistics(context.state)):
        raise context.fail(
            "CS245", node.by.span, "`by` does not depend on the input",
            help='let it depend on a statistic: `u = quantile("edge_density")`',
        )  # fmt: skip
    for leaf in _leaves(by):
        if leaf.free & frozenset(statistics(context.state)):
            raise context.fail(
                "CS245", node.by.span, "`by` takes infinitely many values",
                help="choose among values of the domain: `if u < t then 1/2 else 1`",
            )  # fmt: skip
        for value in possible(leaf, node.by.span, context):
            if value not in values:
                shown = spell(value)
                raise context.fail("CS245", node.by.span, f"`by` may give {shown}, which is not a value of the domain")
    if any(c is not TRUE for c in conditions):
        raise context.fail("CS245", node.domain.span, "the values of an `adapt` decision are constants")
    return by


def _leaves(value: Expr) -> list[Expr]:
    if value.op == "if":
        return _leaves(value.args[1]) + _leaves(value.args[2])
    return [value]


# ---- statistics


def statistic(declaration: tree.Def, source: Expr, low: Fraction, high: Fraction, span: Span, context: Context) -> Expr:
    """A quantity of the input, uniform between low and high: a variable of its own name."""
    path = context.path(context.hint or declaration.name)
    if path in context.state.domains or any(v.path == path for v in context.state.variants):
        raise context.fail("CS210", span, f"a second statistic with the path `{path}`", help="bind each to a name")
    group = path.split(".")[0].split("[")[0]
    context.state.variants.append(
        Variant(path, "statistic", (), graph.NUMBER, by=source, low=low, high=high, group=group, span=span)
    )
    return graph.var(path, graph.NUMBER)


def statistics(state: State) -> dict[str, Variant]:
    return {v.path: v for v in state.variants if v.binding == "statistic"}


# ---- values


def taken(variant: Variant, at: int) -> Expr:
    """The condition under which a value (by its index) may be taken at all: it is allowed, and its weight not 0."""
    condition = variant.allowed[at] if variant.allowed is not None else TRUE
    if variant.weights is not None:
        condition = graph.both(condition, graph.lt(const(0), variant.weights[at]))
    return condition


def weight(variant: Variant, at: int) -> Expr:
    """How likely a value is, against the others; only meant where it is allowed."""
    return variant.weights[at] if variant.weights is not None else const(1)


def constant(variant: Variant, at: int) -> Expr:
    return const(variant.values[at], variant.type.unit)


def substituter(state: State) -> Substituter:
    """The one that all folds of a space share, so that equal assignments give the same problems."""
    found: Substituter = state.groups.setdefault("substituter", Substituter())
    return found


def without_later(guard: Expr, context: Context) -> Expr:
    """The condition of a decision inside something bound later: that it may be taken at all."""
    read = [v for v in context.state.variants if v.path in guard.free and v.binding != "statistic"]
    for variant in reversed(read):
        options = []
        for n in range(len(variant.values)):
            here = substituter(context.state).at({variant.path: constant(variant, n)})
            options.append(graph.both(taken(variant, n), here(guard)))
        guard = graph.either(FALSE, *options)
    return guard


__all__ = ["LATER", "check", "constant", "register", "statistic", "statistics", "taken", "weight"]
