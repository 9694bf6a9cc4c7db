"""Types as written after `:` and `->`, and checking a value against one (binding names of shapes on the way)."""

from __future__ import annotations

from typing import Any

from cospace.compiler.elaborate import names, ranges
from cospace.compiler.elaborate.unit_words import called, divided
from cospace.compiler.elaborate.values import (
    LISTS,
    Builtin,
    Context,
    DomainValue,
    Function,
    KindType,
    ListValue,
    PerLayer,
    RangeValue,
    Record,
    Scope,
    SetValue,
    Tensor,
    TensorType,
    UnitValue,
    describe,
    is_number,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, Symbol, const
from cospace.compiler.space.model import Requirement
from cospace.compiler.space.units import show_quantity, show_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant

OPAQUE = {
    "loss", "attack", "quantiser", "optimiser", "engine", "policy", "stage", "task", "measure", "statistic",
    "weights", "decision", "network", "schedule",
}  # fmt: skip
PLAIN = {"int", "real", "bool", "text", "list", "symbol"}


def tensor_type(node: tree.Item, context: Context) -> TensorType:
    """`tensor[a, b]` or `graph[v, e]` with every dimension evaluated."""
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    assert isinstance(node.object, tree.Name)
    shape: list[Expr] = []
    for i in node.items:
        value = evaluate(i, context)
        if isinstance(value, ListValue):
            shape.extend(value.items)
        else:
            dimension = as_scalar(value, i.span, context)
            if not is_number(dimension) or dimension.type.unit:
                raise context.fail("CS401", i.span, f"a dimension is a plain number, and this is {describe(dimension)}")
            shape.append(dimension)
    return TensorType(node.object.id, tuple(shape))


def result_kind(node: tree.Expr | None) -> str | None:
    """`tensor`, `task`, `measure`, … of a declared result."""
    if isinstance(node, tree.Item) and isinstance(node.object, tree.Name):
        return node.object.id
    if isinstance(node, tree.Call) and isinstance(node.function, tree.Name):
        return node.function.id
    return node.id if isinstance(node, tree.Name) else None


def check(type: tree.Expr, value: Any, span: Span, what: str, context: Context) -> Any:
    """The value, accepted as of the type (names in shapes are bound in `context.scope`); reports otherwise."""
    if isinstance(type, tree.Item) and isinstance(type.object, tree.Name) and type.object.id in ("tensor", "graph"):
        return _shape(type, value, span, what, context)
    if isinstance(type, tree.Name) and type.id in PLAIN | OPAQUE:
        return _kind(type.id, value, span, what, context)
    if isinstance(type, tree.Call) and isinstance(type.function, tree.Name) and type.function.id == "list":
        return _listed(type.arguments, _kind("list", value, span, what, context), span, what, context)
    if isinstance(type, tree.SetOf) and all(isinstance(a.value, tree.Name) for a in type.alternatives):
        options = [a.value.id for a in type.alternatives]  # type: ignore[union-attr]
        found = names.symbols_of(value, context) if isinstance(value, Expr) else None
        if found is not None and value.is_const:
            found = {value.payload.name}  # whatever it may stand beside
        if found is None or not found <= set(options):
            odd = sorted(found - set(options))[0] if found else None
            raise context.fail(
                "CS206", span,
                f"{what} is one of {{{', '.join(options)}}}, not {f'`{odd}`' if odd else describe(value)}",
                help=meant(odd, options) if odd else None,
            )  # fmt: skip
        return value
    return _evaluated(type, value, span, what, context)


def check_like(default: Expr, value: Expr, span: Span, what: str, place: Span, context: Context) -> None:
    """A parameter without a type takes what its literal default is: a number of that unit, or a text."""
    if value.is_const and value.payload == Symbol("none"):
        return
    if value.type.kind != default.type.kind or (is_number(value) and value.type.unit != default.type.unit):
        code = "CS302" if is_number(value) and is_number(default) else "CS301"
        raise context.fail(
            code, span, f"{what} is {describe(default)}, and this is {describe(value)}",
            labels=(Label(place, "as its default is"),),
        )  # fmt: skip


def _evaluated(type: tree.Expr, value: Any, span: Span, what: str, context: Context) -> Any:
    """Types that are values: units, domains, tensor types of a task."""
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    if isinstance(type, tree.Call) and isinstance(type.function, tree.Name) and type.function.id == "subsets":
        return value
    wanted = ranges.evaluate_range(type, context) if isinstance(type, tree.Range) else evaluate(type, context)
    if isinstance(wanted, TensorType):
        return value
    if isinstance(wanted, UnitValue) or is_number(wanted):
        unit = wanted.scale.type.unit if isinstance(wanted, UnitValue) else wanted.type.unit
        got = value if isinstance(value, PerLayer) else as_scalar(value, span, context)
        word = wanted.name if isinstance(wanted, UnitValue) else show_unit(unit)
        ranges.check_unit(got, unit, word, type, span, what, context)
        return got
    if isinstance(wanted, RangeValue):
        return ranges.check(wanted, type, value, span, what, context)
    if isinstance(wanted, (SetValue, DomainValue)):
        return as_scalar(value, span, context)
    raise context.fail("CS306", type.span, "this is not a type")


def _kind(kind: str, value: Any, span: Span, what: str, context: Context) -> Any:
    from cospace.compiler.elaborate.evaluate import as_scalar

    if kind == "list":
        if not isinstance(value, LISTS):
            raise context.fail("CS301", span, f"{what} is a list, and this is {describe(value)}")
        return value
    if kind in ("task", "policy", "stage"):
        if not (isinstance(value, Record) and value.kind == kind):
            raise context.fail("CS301", span, f"{what} is a {kind}, and this is {describe(value)}")
        return value
    if kind in ("network", "decision", "weights", "statistic"):
        return value
    scalar = as_scalar(value, span, context)
    if scalar.is_const and scalar.payload == Symbol("none"):
        return scalar
    if kind in ("int", "real"):
        if not is_number(scalar) and scalar.op != "external":
            raise context.fail("CS301", span, f"{what} is a number, and this is {describe(scalar)}")
        if scalar.type.unit and kind == "int":
            said = f"{what} is a plain number, and this is in {called(scalar, span, context)}"
            raise context.fail("CS302", span, said, help=divided(scalar, span, "{}", context))
        if kind == "int" and scalar.is_const and scalar.number.denominator != 1:
            raise context.fail("CS301", span, f"{what} is a whole number, and this is {scalar.payload}")
        if kind == "int":
            ranges.ask(graph.eq(graph.floor(scalar), scalar), scalar, context)
        return scalar
    if scalar.type.kind != kind and not (kind == "loss" and scalar.type.kind == "number" and not scalar.type.unit):
        raise context.fail("CS301", span, f"{what} is a {kind}, and this is {describe(scalar)}")
    return scalar


def _listed(of: tuple[tree.Argument, ...], value: Any, span: Span, what: str, context: Context) -> Any:
    """A list, its items of the type that `list(type, count)` names and as many."""
    from cospace.compiler.elaborate.evaluate import number
    from cospace.compiler.elaborate.members import as_gathered

    items = as_gathered(value).items
    wanted = number(of[1].value, context) if len(of) > 1 else None
    context.hangs_on(wanted)
    if wanted is not None and wanted.is_const and wanted.number != len(items):
        shown = show_quantity(wanted.number, (), 6)
        raise context.fail("CS301", span, f"{what} is a list of {shown}, and this has {len(items)}")
    for item, guard, _ in items if of else ():
        check(of[0].value, item, span, f"an item of {what}", context.under(guard))
    return value


def _shape(type: tree.Item, value: Any, span: Span, what: str, context: Context) -> Any:
    """A tensor against `tensor[v, f]`: free names bind, bound ones and expressions must be equal."""
    assert isinstance(type.object, tree.Name)
    if not isinstance(value, Tensor) or value.kind != type.object.id:
        raise context.fail("CS401", span, f"{what} is a {type.object.id}, and this is {describe(value)}")
    items = type.items
    if (
        len(items) == 1
        and isinstance(items[0], tree.Name)
        and items[0].id not in context.scope.names
        and len(value.shape) != 1
    ):
        context.scope.names[items[0].id] = ListValue(value.shape)
        return value
    if len(items) != len(value.shape):
        raise context.fail("CS402", span, f"{what} has {len(items)} dimensions, and this has {len(value.shape)}")
    for at, (item, got) in enumerate(zip(items, value.shape, strict=True), 1):
        if isinstance(item, tree.Name) and item.id not in context.scope.names:
            context.scope.names[item.id] = got
        else:
            from cospace.compiler.elaborate.evaluate import number

            match(number(item, context), got, f"dimension {at} of {what}", span, context)
    return value


def match(wanted: Expr, got: Expr, what: str, span: Span, context: Context) -> None:
    """Two dimensions that must agree: proved, refuted (CS401), or a requirement of its own."""
    same = graph.eq(wanted, got, span=span)
    if wanted is got or same is graph.TRUE:
        return
    from cospace.compiler.elaborate.possible import always

    if always(graph.implies(context.guard, same), context):
        return
    if same is graph.FALSE or always(graph.negate(same), context):
        both = wanted.is_const and got.is_const
        raise context.fail(
            "CS401", span, f"{what} must be {wanted.payload}, and this has {got.payload}" if both
            else f"{what} never matches, whatever is chosen",
            help="change a width, or put an operator between that makes them agree",
        )  # fmt: skip
    context.state.requirements.append(Requirement(same, context.guard, f"{what} must match", span, "shape"))


__all__ = ["Builtin", "Function", "KindType", "Scope", "check", "const", "match", "result_kind", "tensor_type"]
