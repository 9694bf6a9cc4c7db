"""The functions that are always there: arithmetic, folds over lists, domains."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from cospace.compiler.elaborate import folds, listed, members, names
from cospace.compiler.elaborate.listed import ListDomain
from cospace.compiler.elaborate.unit_words import called, divided, same_unit
from cospace.compiler.elaborate.values import (
    LISTS,
    Builtin,
    Context,
    DomainValue,
    RangeValue,
    SetValue,
    TableValue,
    describe,
    is_number,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import meant

PLAIN: dict[str, Callable[..., Expr]] = {
    "ceil": graph.ceil, "floor": graph.floor, "abs": graph.absolute, "sqrt": graph.sqrt, "log2": graph.log2,
    "log10": graph.log10, "log": graph.log, "exp": graph.exp, "cos": graph.cos, "mod": graph.mod,
}  # fmt: skip
UNITLESS = {"log2", "log10", "log", "exp", "cos", "ceil", "floor"}
FOLDS = {"sum", "product", "max", "min", "mean", "all", "any", "count"}
DOMAINS = {"divisors", "powers"}
OF_LISTS = {"factors", "orders", "subsets", "down_to"}
ALL = {*PLAIN, *FOLDS, *DOMAINS, *OF_LISTS, "each"}

names.BUILTIN_VALUES.update({name: Builtin(name) for name in ALL})
names.BUILTIN_VALUES["pi"] = const(Fraction(math.pi))


def apply(name: str, node: tree.Call, context: Context) -> Any:
    """The value of a call of a built-in function."""
    if name == "each":
        return folds.each(node, context)
    if name in FOLDS:
        only = node.arguments[0].value if len(node.arguments) == 1 else None
        if isinstance(only, tree.Each) and folds.is_fold(only):
            return folds.fold(name, only, node.span, context)
        return _fold(name, node, context)
    if name in OF_LISTS:
        return listed.down_to(node, context) if name == "down_to" else listed.domain(name, node, context)
    from cospace.compiler.elaborate.evaluate import number

    for a in node.arguments:
        if a.name is not None:
            raise context.fail("CS214", a.span, f"`{name}` takes its arguments by position")
    arguments = [number(a.value, context) for a in node.arguments]
    spans = [a.value.span for a in node.arguments]
    wanted = 2 if name in ("mod", "powers") else 1
    if len(arguments) != wanted:
        raise context.fail(
            "CS214", node.span, f"`{name}` takes {wanted} argument{'s' * (wanted > 1)}, not {len(arguments)}"
        )
    if name in DOMAINS:
        return _domain(name, arguments, node, context)
    if name in UNITLESS and arguments[0].type.unit:
        said = f"`{name}` takes a plain number, and this is in {called(arguments[0], spans[0], context)}"
        raise context.fail("CS302", spans[0], said, help=divided(arguments[0], spans[0], f"{name}({{}})", context))
    if name == "mod":
        same_unit(arguments[0], arguments[1], spans[0], spans[1], "take the remainder of", context)
        if arguments[1].is_const and arguments[1].payload == 0:
            raise context.fail("CS303", node.span, "division by zero")
    return PLAIN[name](*arguments, span=node.span)


def _fold(name: str, node: tree.Call, context: Context) -> Expr:
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    empty: Expr | None = None
    items: list[tuple[Expr, Expr, Expr, tree.Node]] = []
    for a in node.arguments:
        if a.name == "empty":
            empty = as_scalar(evaluate(a.value, context), a.span, context)
        elif a.name is not None:
            said = f"`{name}` has no argument `{a.name}`"
            raise context.fail("CS214", a.span, said, help=meant(a.name, ["empty"]))
        elif isinstance(a.value, tree.Each):
            items += [(v, g, t, a.value) for v, g, t in members.each(a.value, context).items]
        else:
            value = evaluate(a.value, context)
            if isinstance(value, LISTS):
                items += [(v, g, t, a.value) for v, g, t in members.as_gathered(value).items]
            elif isinstance(value, TableValue):
                items += [(v, g, t, a.value) for v, g, t in members.items_of(value, a.span, context)]
            elif isinstance(value, (SetValue, RangeValue, DomainValue, ListDomain)):
                items += [(v, g, t, a.value) for v, g, t in _members_once(name, value, a.span, context)]
            else:
                items.append((value, TRUE, const(1), a.value))
    if name == "count":
        return graph.add(const(0), *(graph.mul(t, graph.branch(g, const(1), const(0)))
                                     for v, g, t, _ in items if not isinstance(v, Expr) or v.type.kind != "bool"),
                         *(graph.branch(graph.both(g, v), const(1), const(0))
                           for v, g, t, _ in items if isinstance(v, Expr) and v.type.kind == "bool"))  # fmt: skip
    scalars = [(as_scalar(v, part.span, context), g, t, part) for v, g, t, part in items]
    if name in ("all", "any"):
        for v, _, _, part in scalars:
            if v.type.kind != "bool":
                raise context.fail("CS301", part.span, f"`{name}` needs conditions, and this is {describe(v)}")
        if name == "all":
            return graph.both(TRUE, *(graph.implies(g, v) for v, g, _, _ in scalars), span=node.span)
        return graph.either(FALSE, *(graph.both(g, v) for v, g, _, _ in scalars), span=node.span)
    for v, _, _, part in scalars:
        if not is_number(v):
            raise context.fail("CS301", part.span, f"`{name}` needs numbers, and this is {describe(v)}")
        if name != "product":
            same_unit(scalars[0][0], v, scalars[0][3].span, part.span, f"take the {name} of", context)
    if not scalars:
        if name in ("sum", "product"):
            return const(0 if name == "sum" else 1)
        if empty is None:
            raise context.fail(
                "CS215", node.span, f"`{name}` of an empty list", help="say what it is then: `empty = 0`"
            )
        return empty
    unit = scalars[0][0].type.unit
    zero = const(0, unit)
    if name == "sum":
        return graph.add(zero, *(graph.branch(g, graph.mul(t, v), zero) for v, g, t, _ in scalars), span=node.span)
    if name == "product":
        return graph.mul(
            const(1), *(graph.branch(g, v, const(1)) if g is not TRUE else v for v, g, _, _ in scalars), span=node.span
        )
    if name == "mean":
        total = graph.add(zero, *(graph.branch(g, graph.mul(t, v), zero) for v, g, t, _ in scalars))
        count = graph.add(const(0), *(graph.branch(g, t, const(0)) for _, g, t, _ in scalars))
        mean = graph.div(total, count, span=node.span)
        return mean if empty is None else graph.branch(graph.eq(count, const(0)), empty, mean)
    return _extreme(name, scalars, empty, node, context)


def _members_once(fold: str, value: Any, span: Span, context: Context) -> list[tuple[Any, Expr, Expr]]:
    """The members of a set or range, each once: equal ones are one member."""
    found: dict[Any, tuple[Any, Expr, Expr]] = {}
    for item, guard, times in members.items_of(value, span, context):
        open_ = isinstance(value, SetValue) and not (isinstance(item, Expr) and item.is_const)
        if open_ and fold not in ("max", "min", "all", "any"):
            raise context.fail(
                "CS301", span, "members of this set may be equal in a design, and a set has each once",
                help="write it as a list, `[…]`, if each is to take part",
            )  # fmt: skip
        earlier = found.get(item)
        found[item] = (item, guard if earlier is None else graph.either(earlier[1], guard), times)
    return list(found.values())


def _extreme(name: str, scalars: list[Any], empty: Expr | None, node: tree.Call, context: Context) -> Expr:
    pick = graph.maximum if name == "max" else graph.minimum
    values = _once_each([(v, g) for v, g, _, _ in scalars])
    sure = next((v for v, g in values if g is TRUE), None)
    if sure is not None:
        return pick(*(graph.branch(g, v, sure) for v, g in values), span=node.span)
    if empty is None:
        from cospace.compiler.elaborate.possible import always

        if not always(graph.either(*(g for _, g, _, _ in scalars)), context):
            raise context.fail(
                "CS215",
                node.span,
                f"`{name}` of a list that is empty for some design",
                help="say what it is then: `empty = 0`",
            )
        empty = scalars[-1][0]
    result, later = empty, FALSE
    for v, g in reversed(values):  # `empty` takes part only when nothing is live
        result = graph.branch(g, graph.branch(later, pick(v, result), v), result)
        later = graph.either(g, later)
    return result


def _once_each(items: list[tuple[Expr, Expr]]) -> list[tuple[Expr, Expr]]:
    """(value, guard) pairs with equal values made one, live where one of them is: a hundred works of one chunk ask
    for the same multipliers."""
    merged: dict[int, tuple[Expr, list[Expr]]] = {}
    for k, (v, g) in enumerate(items):
        merged.setdefault(-k - 1 if graph.may_be_undefined(g) else id(v), (v, []))[1].append(g)
    return [(v, graph.either(*guards)) for v, guards in merged.values()]


def _domain(name: str, arguments: list[Expr], node: tree.Call, context: Context) -> DomainValue:
    from cospace.compiler.elaborate.possible import rationals, wholes

    if name == "powers":
        base, most = arguments
        if not (base.is_const and base.number > 1):
            raise context.fail("CS301", node.span, "the base of `powers` is a constant above 1")
        top = max(rationals(most, node.span, context))
        values, value = [], Fraction(1)
        while value <= top:
            values.append(value)
            value *= base.number
        return DomainValue(tuple(const(v) for v in values), tuple(graph.le(const(v), most) for v in values))
    of = arguments[0]
    found: set[int] = set()
    for whole in wholes(of, "divisors", node.span, context):
        found |= _divisors(whole, node, context)
    ordered = sorted(found)
    conditions = tuple(TRUE if of.is_const else graph.eq(graph.mod(of, const(v)), const(0)) for v in ordered)
    return DomainValue(tuple(const(v) for v in ordered), conditions)


def _divisors(n: int, node: tree.Call, context: Context) -> set[int]:
    if n > 10**12:
        raise context.fail("CS404", node.span, f"{n} is too large to list its divisors")
    small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    return {*small, *(n // d for d in small)}
