"""Folds over what is bound after the search: `mean max min sum all any each (e for path)`, and `e at path = value`.

A fold is a substitution: `e` is evaluated anew for each value that the variant may take, mappings included, so that
what remains reads decisions only. Over a statistic `mean` is an integral.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.bounds.integrals import Known, NotPiecewise, integral
from cospace.compiler.elaborate import faults, variants
from cospace.compiler.elaborate.values import Context, State, describe, is_number
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, const
from cospace.compiler.space.model import Variant, spell
from cospace.compiler.space.units import show_quantity
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import meant

FOUR = "`mean(… for {0})`, `max(… for {0})`, `each(… for {0})` or `… at {0} = {1}`"


@frozen(eq=False, repr=False)
class EachValue:
    """`each(e for path)`: one objective for each value, named by it."""

    parts: tuple[tuple[str, Expr], ...]
    noun = "one objective for each value, which stands alone after `minimize`"


# ---- syntax


def is_fold(node: tree.Expr) -> bool:
    """Whether `e for path` runs over what is bound later, not over a list."""
    return isinstance(node, tree.Each) and not isinstance(node.over, tree.Binder)


def fold(name: str, node: tree.Each, span: Span, context: Context) -> Expr:
    """`mean(e for path)` and its like. span: of the whole call."""
    from cospace.compiler.elaborate.evaluate import scalar

    variant = _variant(node.over, context)  # type: ignore[arg-type]
    value = scalar(node.value, context)
    if name in ("all", "any"):
        if value.type.kind != "bool":
            raise context.fail("CS301", node.value.span, f"`{name}` needs conditions, and this is {describe(value)}")
    elif name not in ("mean", "max", "min", "sum"):
        raise context.fail("CS240", span, f"`{name}` does not fold over `{variant.path}`", help=_four(variant))
    elif not is_number(value):
        raise context.fail("CS301", node.value.span, f"`{name}` needs numbers, and this is {describe(value)}")
    if variant.binding == "statistic":
        if name != "mean" or node.guard is not None:
            raise context.fail(
                "CS240", span, f"`{variant.path}` takes infinitely many values, so only a mean folds over it",
                help=f"`mean(… for {variant.path})`",
            )  # fmt: skip
        return mean_over(value, variant, span, context)
    parts = _parts(variant, value, node.guard, context)
    if name == "mean" and variant.binding == "adapt":
        if node.guard is not None:
            raise context.fail("CS240", span, "a mean over an `adapt` decision takes all its values")
        return mean_over(value, variant, span, context)
    return _folded(name, parts, value, variant, span, context)


def each(node: tree.Call, context: Context) -> EachValue:
    """`each(e for path)`, also nested: one value for each."""
    from cospace.compiler.elaborate.evaluate import evaluate, number

    given = node.arguments[0].value if len(node.arguments) == 1 else None
    if given is None or not is_fold(given):
        raise context.fail(
            "CS240", node.span, "`each` takes an expression and what it runs over",
            help="`minimize each(error(photos) for precision.both)`",
        )  # fmt: skip
    assert isinstance(given, tree.Each)
    variant = _variant(given.over, context)  # type: ignore[arg-type]
    if variant.binding == "statistic":
        raise context.fail(
            "CS240", given.over.span, f"`{variant.path}` takes infinitely many values", help="use `mean`"
        )
    inner = evaluate(given.value, context)
    values = inner if isinstance(inner, EachValue) else EachValue((("", number(given.value, context)),))
    parts = []
    for at, condition, here in _values(variant, given.guard, context):
        if condition is not TRUE or variant.binding == "adapt":
            raise context.fail(
                "CS240", node.span, f"whether `{variant.path}` takes a value depends on the design",
                help="objectives are the same for every design: use `mean` or `max`",
            )  # fmt: skip
        said = f"{variant.path} = {value_text(variant, at)}"
        parts += [(f"{said}, {text}" if text else said, here(value)) for text, value in values.parts]
    return EachValue(tuple(parts))


def fixed(node: tree.Fixed, context: Context) -> Any:
    """`e at path = value`."""
    from cospace.compiler.elaborate.evaluate import scalar, symbol_or_scalar
    from cospace.compiler.elaborate.possible import always

    variant = _variant(node.path, context)
    value = scalar(node.value, context)
    if variant.binding == "statistic":
        raise context.fail("CS240", node.span, f"`{variant.path}` is an input's quantity, and is not fixed by `at`")
    beside = graph.var(variant.path, variant.type)
    choice = (
        symbol_or_scalar(node.choice, beside, context)
        if isinstance(node.choice, tree.Name) and variant.type.kind == "symbol"
        else scalar(node.choice, context)
    )
    inside = choice.type == variant.type
    if inside:
        values = range(len(variant.values))
        allowed = [
            graph.both(variants.taken(variant, n), graph.eq(choice, variants.constant(variant, n))) for n in values
        ]
        some = graph.either(FALSE, *allowed)
        inside = some is TRUE or always(graph.implies(context.guard, some), context)
    if not inside:
        listed = ", ".join(value_text(variant, n) for n in range(min(12, len(variant.values))))
        raise context.fail(
            "CS240", node.choice.span, f"this is not, for every design, a value that `{variant.path}` takes",
            help=f"it takes {listed}",
        )  # fmt: skip
    return variants.substituter(context.state).at({variant.path: choice}, marked(context.state))(value)


def _variant(node: tree.Expr, context: Context) -> Variant:
    """What a fold runs over."""
    from cospace.compiler.elaborate.evaluate import evaluate
    from cospace.compiler.elaborate.members import implied

    value = evaluate(node, context)
    path = str(value.payload) if isinstance(value, Expr) and value.op == "var" else getattr(value, "path", None)
    state = context.state
    if path is None:  # the name of named alternatives reads as the value that is taken
        path = _spelt(node)
    found = next((v for v in state.variants if v.path == path), None)
    if found is None:
        listed = [v.path for v in state.variants]
        bound = next((d for d in state.decisions if d.path == path), None)
        said = f"`{path}` is bound by the search" if bound else f"this is {describe(value)}"
        near = meant(path or "", listed)
        there = f"there is {', '.join(f'`{p}`' for p in listed)}" if listed else "over a list it is `e for x in list`"
        raise context.fail(
            "CS240", node.span, f"a fold runs over a `switch`, `random` or `adapt` decision, and {said}",
            help=near or there,
        )  # fmt: skip
    if not implied(found.guard, context):
        raise context.fail(
            "CS209", node.span, f"`{path}` does not exist in every design that reads it here",
            help="read it behind a `when` or an `if` that makes sure it is taken",
        )  # fmt: skip
    return found


def _spelt(node: tree.Expr) -> str | None:
    """`a.b` as it is written; None for what is no plain path."""
    if isinstance(node, tree.Name):
        return node.id
    owner = _spelt(node.object) if isinstance(node, tree.Member) else None
    return f"{owner}.{node.name}" if owner and isinstance(node, tree.Member) else None


def _values(variant: Variant, when: tree.Expr | None, context: Context) -> Iterator[tuple[int, Expr, Any]]:
    """(index, condition under which it is taken, substitution) of each value."""
    from cospace.compiler.elaborate.evaluate import boolean

    guard = boolean(when, context) if when is not None else TRUE
    for n in range(len(variant.values)):
        here = variants.substituter(context.state).at(
            {variant.path: variants.constant(variant, n)}, marked(context.state)
        )
        condition = graph.both(variants.taken(variant, n), here(guard))
        if condition is not FALSE:
            yield n, condition, here


def _parts(variant: Variant, value: Expr, when: tree.Expr | None, context: Context) -> list[tuple[int, Expr, Expr]]:
    """(index, condition, expression at it) of each value."""
    chances = _chances(variant, context) if variant.binding == "adapt" else None
    found = []
    for n, condition, here in _values(variant, when, context):
        if chances is not None:
            condition = graph.both(condition, graph.lt(const(0), chances[n]))
        found.append((n, condition, here(value)))
    return found


def _folded(
    name: str, parts: list[tuple[int, Expr, Expr]], value: Expr, variant: Variant, span: Span, context: Context
) -> Expr:
    """One value of many; at a design where no value is taken (which a requirement excludes) it is any of them."""
    zero = const(0, value.type.unit) if is_number(value) else const(0)
    if name == "all":
        return graph.both(TRUE, *(graph.implies(c, v) for _, c, v in parts), span=span)
    if name == "any":
        return graph.either(FALSE, *(graph.both(c, v) for _, c, v in parts), span=span)
    if not parts:
        raise context.fail("CS240", span, f"no value of `{variant.path}` is left to fold over")
    if name == "sum":
        return graph.add(zero, *(graph.branch(c, v, zero) for _, c, v in parts), span=span)
    if name == "mean":
        return weighted(parts, variant, zero, span)
    pick = graph.maximum if name == "max" else graph.minimum
    first = parts[-1][2]
    for _, condition, here in reversed(parts[:-1]):
        first = graph.branch(condition, here, first)
    return pick(*(graph.branch(c, v, first) for _, c, v in parts), span=span)


def weighted(parts: list[tuple[int, Expr, Expr]], variant: Variant, zero: Expr, span: Span) -> Expr:
    """The mean of values by their weights."""
    total = [graph.branch(c, graph.mul(variants.weight(variant, n), v), zero) for n, c, v in parts]
    count = [graph.branch(c, variants.weight(variant, n), const(0)) for n, c, _ in parts]
    return graph.div(graph.add(zero, *total), graph.add(const(0), *count), span=span)


# ---- statistics


def mean_over(value: Expr, variant: Variant, span: Span, context: Context) -> Expr:
    """The mean over an `adapt` decision or a statistic: an integral over the inputs."""
    state = context.state
    known = variants.statistics(state)
    value = resolved(value, state, variant)
    if variant.binding == "statistic":
        over = [variant]
    else:
        assert variant.by is not None
        over = [known[p] for p in sorted(variant.by.free) if p in known]
    for statistic in over:
        assert statistic.low is not None and statistic.high is not None
        low, high = const(statistic.low), const(statistic.high)
        try:
            whole = integral(value, statistic.path, low, high, known_to(context))
            value = graph.mul(const(1 / (statistic.high - statistic.low)), whole, span=span)
        except NotPiecewise as reason:
            raise not_piecewise(reason, statistic, span, context) from None
    return value


def known_to(context: Context) -> Known:
    """What integrals may know of the decisions."""
    from cospace.compiler.elaborate.possible import always

    def ends(e: Expr) -> tuple[Fraction, Fraction] | None:
        if e.is_const:
            return (e.number, e.number)
        values = context.state.domains.get(str(e.payload), ()) if e.op == "var" else ()
        numbers = [v for v in values if isinstance(v, Fraction)]
        return (min(numbers), max(numbers)) if numbers and len(numbers) == len(values) else None

    return Known(ends, lambda condition: len(condition.free) <= 3 and always(condition, context))


def not_piecewise(reason: NotPiecewise, statistic: Variant, span: Span, context: Context) -> Exception:
    heard = [v.path for v in context.state.variants if v.by is not None and statistic.path in v.by.free]
    return context.fail(
        "CS242", span, f"the mean over `{statistic.path}` is not exact: {reason.why}",
        help=f"compare `{statistic.path}` with thresholds, and let it stand in polynomials only between them",
        labels=faults.places(reason.op, {statistic.path, *heard}, span, context),
    )  # fmt: skip


def resolved(value: Expr, state: State, over: Variant) -> Expr:
    """`adapt` decisions that listen to what is integrated over, put in as the functions that they are; and chance that
    is weighed by it, put in as its mean."""
    heard = {over.path} if over.binding == "statistic" else (over.by.free if over.by is not None else frozenset())
    heard = {p for p in heard if p in variants.statistics(state)}
    for variant in reversed(state.variants):
        if variant.path not in value.free:
            continue
        if variant.binding == "adapt" and variant.by is not None and variant.by.free & heard:
            value = as_function(value, variant, state)
        elif variant.weights is not None and any(w.free & heard for w in variant.weights):
            parts = []
            for n in range(len(variant.values)):
                here = variants.substituter(state).at({variant.path: variants.constant(variant, n)}, marked(state))
                parts.append((n, variants.taken(variant, n), here(value)))
            value = weighted(parts, variant, const(0, value.type.unit), value.span)
    return value


def as_function(value: Expr, variant: Variant, state: State) -> Expr:
    """An expression with an `adapt` decision replaced by what it is for each input."""
    assert variant.by is not None
    result: Expr | None = None
    for n in reversed(range(len(variant.values))):
        here = variants.substituter(state).at({variant.path: variants.constant(variant, n)}, marked(state))(value)
        same = graph.eq(variant.by, variants.constant(variant, n))
        result = here if result is None else graph.branch(same, here, result)
    assert result is not None
    return result


def _chances(variant: Variant, context: Context) -> list[Expr]:
    """How likely an input gives each value of an `adapt` decision."""
    assert variant.by is not None
    found = []
    for n in range(len(variant.values)):
        here = graph.branch(graph.eq(variant.by, variants.constant(variant, n)), const(1), const(0))
        found.append(mean_over(here, variant, variant.span, context))
    return found


# ---- names


def marked(state: State) -> frozenset[str]:
    """Variants that reach what runs (networks, precisions, data), so that measures and losses depend on them."""
    if state.groups.get("marked") is None:
        read: set[str] = set()
        for node in (n for network in state.networks for n in network.nodes):
            for e in (*getattr(node, "shape", ()), *(e for _, e in getattr(node, "arguments", ()))):
                read |= e.free
            read.add(getattr(node, "decision", ""))
            read |= getattr(node, "guard", TRUE).free
        for facts in state.facts.values():
            read.update(*(v.free for v in facts.values() if isinstance(v, Expr)))
        for policy in state.policies:
            read.update(*(v.free for _, v in policy.fields))
        found = frozenset(v.path for v in state.variants if v.path in read and v.binding != "statistic")
        if not state.placed:
            return found
        state.groups["marked"] = found
    reached: frozenset[str] = state.groups["marked"]
    return reached


def value_text(variant: Variant, at: int) -> str:
    value, unit = variant.values[at], variant.type.unit
    if variant.unit is None and unit and isinstance(value, Fraction):
        return show_quantity(value, unit, 12)
    return spell(value, variant.unit, variant.scale)


def _four(variant: Variant) -> str:
    return FOUR.format(variant.path, value_text(variant, 0)) if variant.values else f"`mean(… for {variant.path})`"


__all__ = ["FOUR", "EachValue", "as_function", "each", "fixed", "fold", "is_fold", "marked", "mean_over", "weighted"]
