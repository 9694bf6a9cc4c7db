"""One expression to its value: the dispatcher over syntax nodes, arithmetic with units, comparison, conditionals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from cospace.compiler.elaborate import builtins, calls, choices, folds, levels, listed, members, names, readings
from cospace.compiler.elaborate.unit_words import called, divided, same_unit
from cospace.compiler.elaborate.values import (
    LISTS,
    Chosen,
    Context,
    DomainValue,
    Exhausted,
    Gathered,
    Listed,
    ListValue,
    PerLayer,
    RangeValue,
    Record,
    SetValue,
    Tensor,
    UnitValue,
    describe,
    evolve,
    is_number,
    one_of,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, Symbol, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant

MAX_STEPS = 1_000_000
"""Expressions that one spec may evaluate, those in bodies once for each call; the largest shipped one takes 64,000."""


def evaluate(node: tree.Expr, context: Context) -> Any:
    """The value of an expression; reports and raises `Stop` when it has none."""
    state = context.state
    state.steps += 1
    if state.steps > MAX_STEPS:
        raise Exhausted(node.span, f"this spec asks for more than {MAX_STEPS:,} evaluations")
    return _HANDLERS[type(node)](node, context)


def scalar(node: tree.Expr, context: Context) -> Expr:
    """As `evaluate`, for a place where a single number, Boolean, symbol or text is needed."""
    return as_scalar(evaluate(node, context), node.span, context)


def as_scalar(value: Any, span: Span, context: Context) -> Expr:
    if isinstance(value, Expr):
        return value
    if isinstance(value, UnitValue):
        return value.scale
    if isinstance(value, Chosen) and value.decision is not None:
        return value.decision
    if isinstance(value, Listed):
        return value.chosen
    help = None
    if isinstance(value, (Gathered, PerLayer, ListValue)):
        help = "fold the list: sum(…), max(…), mean(…), min(…); or take one item, `…[1]`"
    raise context.fail("CS301", span, f"one value is needed here, and this is {describe(value)}", help=help)


def number(node: tree.Expr, context: Context) -> Expr:
    value = scalar(node, context)
    if not is_number(value):
        raise context.fail("CS301", node.span, f"a number is needed here, and this is {describe(value)}")
    return value


def boolean(node: tree.Expr, context: Context) -> Expr:
    return _condition(evaluate(node, context), node.span, context)


def _condition(found: Any, span: Span, context: Context) -> Expr:
    value = as_scalar(found, span, context)
    if value.type.kind != "bool":
        said = f"a condition is needed here, and this is {describe(value)}"
        raise context.fail("CS301", span, said, help="compare it: `… == …`, `… <= …`")
    return value


# ---- leaves


def _number(node: tree.Number, context: Context) -> Any:
    value = context.state.numbers.get(node.span) if context.state.numbers else None
    plain = const(node.value) if value is None else value
    if node.unit is None:
        return plain
    unit = names.find_unit(node.unit, _unit_span(node), context)
    return graph.mul(plain, unit.scale, span=node.span)


def _unit_span(node: tree.Number | tree.SetOf) -> Span:
    """The unit's word, which ends a quantity or a set."""
    return Span(node.span.file, node.span.end - len(node.unit or ""), node.span.end)


def _text(node: tree.Text, context: Context) -> Any:
    return const(node.value)


def _name(node: tree.Name, context: Context) -> Any:
    found = names.lookup(node.id, node.span, context)
    if context.answering is not None and isinstance(found, PerLayer):
        return members.own_copy(found, node, context)
    return found


def _list(node: tree.ListOf, context: Context) -> Any:
    found: list[tuple[Any, Expr, Expr]] = []
    several = len(node.items) > 1
    for at, item in enumerate(node.items, 1):
        here = evolve(context, indices=(*context.indices, str(at))) if several else context
        if isinstance(item, tree.Each):
            found.extend(members.each(item, here).items)
        else:
            value = evaluate(item, here if isinstance(item, tree.Decision) else context.named(None))
            found.append((value, graph.TRUE, members.ONE))
    if all(guard is graph.TRUE for _, guard, _ in found):
        return ListValue(tuple(value for value, _, _ in found))
    return Gathered(tuple(found), "list")


def _set(node: tree.SetOf, context: Context) -> Any:
    tagged = readings.tagged_set(node, context)
    if tagged is not None:
        return tagged
    unit = names.find_unit(node.unit, _unit_span(node), context) if node.unit else None
    bare = [isinstance(a.value, tree.Name) and a.name is None for a in node.alternatives]
    bound = [
        b and names.holds_value(a.value.id, context)  # type: ignore[union-attr]
        for a, b in zip(node.alternatives, bare, strict=True)
    ]
    symbols = all(bare) and not all(bound)
    if symbols and any(bound):
        odd = next(a for a, b in zip(node.alternatives, bound, strict=True) if not b)
        known = next(a.value.id for a, b in zip(node.alternatives, bound, strict=True) if b)  # type: ignore[union-attr]
        near = meant(odd.value.id, names.candidates(context))  # type: ignore[union-attr]
        help = near or f"`{known}` is a value here, so all members must be"
        raise context.fail("CS205", odd.span, "this set mixes names of values with a new symbol", help=help)
    items, labels, conditions = [], [], []
    if symbols:
        relate(frozenset(a.value.id for a in node.alternatives), context)  # type: ignore[union-attr]
    for a, is_bare in zip(node.alternatives, bare, strict=True):
        condition = boolean(a.guard, context) if a.guard is not None else graph.TRUE
        if condition is graph.FALSE:
            continue
        if symbols and is_bare:
            items.append(const(Symbol(a.value.id)))  # type: ignore[union-attr]
        else:
            inner = readings.inside_record(a.name, context) if a.name else context
            value = evaluate(a.value, inner)
            if unit is not None:
                value = scale_plain(value, unit, a.span, context)
            items.append(value)
        labels.append(a.name)
        conditions.append(condition)
    word = node.unit or _common_unit(tuple(a.value for a in node.alternatives))
    return SetValue(tuple(items), tuple(labels), tuple(conditions), word)


def relate(together: frozenset[str], context: Context) -> None:
    """Note which symbols stand in one set; those that do share one object, for there may be many."""
    families = context.state.families
    known = [families[name] for name in together if name in families]
    if len(known) == len(together) and all(k is known[0] for k in known) and together <= known[0]:
        return
    for name in together:
        families[name] = families[name] | together if name in families else together


def scale_plain(value: Any, unit: UnitValue, span: Span, context: Context) -> Any:
    if isinstance(value, RangeValue):
        low, high, step = (graph.mul(v, unit.scale) for v in (value.low, value.high, value.step))
        return RangeValue(low, high, step, unit.name)
    if isinstance(value, DomainValue):
        return DomainValue(tuple(scale_plain(v, unit, span, context) for v in value.values), value.conditions)
    plain = as_scalar(value, span, context)
    if not is_number(plain):
        raise context.fail("CS301", span, f"the set gives its members a unit, and this is {describe(plain)}")
    if plain.type.unit:
        raise context.fail("CS302", span, f"this already has a unit, and the set gives it {unit.name}")
    return graph.mul(plain, unit.scale)


def _common_unit(nodes: tuple[tree.Expr, ...]) -> str | None:
    units = {n.unit if isinstance(n, tree.Number) else None for n in nodes}
    return units.pop() if len(units) == 1 else None


def _range(node: tree.Range, context: Context) -> Any:
    low, high = number(node.low, context), number(node.high, context)
    unit = _common_unit((node.high,))
    if unit and isinstance(node.low, tree.Number) and node.low.unit is None:
        low = graph.mul(low, names.find_unit(unit, node.high.span, context).scale)
    same_unit(low, high, node.low.span, node.high.span, "range over", context)
    if node.step is not None:
        step = number(node.step, context)
        if unit and step.type.unit != low.type.unit and not step.type.unit:
            step = graph.mul(step, names.find_unit(unit, node.step.span, context).scale)
        same_unit(low, step, node.low.span, node.step.span, "step by", context)
    else:
        alike = isinstance(node.low, tree.Number) and node.low.unit in (None, unit)
        if low.type.unit and not (unit and alike):
            raise context.fail("CS302", node.span, "this range needs a step", help="write `low..high step s`")
        step = names.find_unit(unit, node.span, context).scale if unit else const(1)
    return RangeValue(low, high, step, unit)


# ---- arithmetic


def _binary(node: tree.Binary, context: Context) -> Any:
    chain = [node]  # a long sum leans to the left: walked without recursion
    while isinstance(chain[-1].left, tree.Binary):
        chain.append(chain[-1].left)
    value = None
    for step in reversed(chain):
        left = evaluate(step.left, context) if value is None else value
        value = _operate(step, left, context)
    return value


def _operate(node: tree.Binary, left: Any, context: Context) -> Any:
    """One operator, its left side known."""
    if node.op in ("and", "or"):
        first = _condition(left, node.left.span, context)
        if first.is_const and first.payload is (node.op == "or"):
            return first  # as the branch of an `if` that is not taken, the other side is not read
        second = boolean(node.right, context.under(first if node.op == "and" else graph.negate(first)))
        return (graph.both if node.op == "and" else graph.either)(first, second, span=node.span)
    right = evaluate(node.right, context)
    if node.op == "+" and isinstance(left, LISTS) and isinstance(right, LISTS):
        items = members.as_gathered(left).items + members.as_gathered(right).items
        if len(items) > members.MAX_ITEMS:
            raise context.fail("CS404", node.span, f"this list has more than {members.MAX_ITEMS:,} items")
        return Gathered(items)
    if node.op == "+" and isinstance(left, Tensor) and isinstance(right, Tensor):
        return calls.add_tensors(left, right, node, context)
    a, b = as_scalar(left, node.left.span, context), as_scalar(right, node.right.span, context)
    lossy = "loss" in (a.type.kind, b.type.kind)
    for value, part in ((a, node.left), (b, node.right)):
        if not is_number(value) and not (lossy and value.type.kind == "loss"):
            said = f"`{node.op}` needs numbers, and this is {describe(value)}"
            raise context.fail("CS301", part.span, said, help=readings.told_attributes(value, part.span, context))
    return arithmetic(node.op, a, b, node, context)


def arithmetic(op: str, a: Expr, b: Expr, node: tree.Binary, context: Context) -> Expr:
    if op in "+-":
        logarithmic = levels.combine(op, a, b, (node.left.span, node.right.span), context)
        if logarithmic is not None:
            return logarithmic
        if "loss" not in (a.type.kind, b.type.kind):
            same_unit(a, b, node.left.span, node.right.span, "add" if op == "+" else "subtract", context)
        elif any(v.type.unit for v in (a, b)):
            odd, part = (a, node.left) if a.type.unit else (b, node.right)
            said = f"a loss is a plain number, and this is in {called(odd, part.span, context)}"
            raise context.fail("CS302", part.span, said, help=divided(odd, part.span, "{}", context))
        return (graph.add if op == "+" else graph.sub)(a, b, span=node.span)
    if op == "*":
        return graph.mul(a, b, span=node.span)
    if op == "/":
        if b.is_const and b.payload == 0:
            raise context.fail("CS303", node.span, "division by zero", labels=(Label(node.right.span, "this is 0"),))
        return graph.div(a, b, span=node.span)
    if b.type.unit:
        said = f"an exponent is a plain number, and this is in {called(b, node.right.span, context)}"
        raise context.fail(
            "CS302", node.right.span, said, help=divided(b, node.right.span, "… ^ ({})", context, "({})")
        )
    if a.type.unit and not b.is_const:
        raise context.fail("CS302", node.span, "a quantity with a unit needs a constant exponent")
    if a.is_const and b.is_const and _too_large(a.payload, b.payload):  # type: ignore[arg-type]
        raise context.fail("CS304", node.span, "this power is too large to write down")
    return graph.power(a, b, span=node.span)


def _too_large(base: Fraction, exponent: Fraction) -> bool:
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    return abs(exponent) * size > 100_000


def _unary(node: tree.Unary, context: Context) -> Any:
    if node.op == "not":
        return graph.negate(boolean(node.operand, context), span=node.span)
    return graph.negative(number(node.operand, context), span=node.span)


# ---- comparison


def _compare(node: tree.Compare, context: Context) -> Any:
    parts = []
    for left, right, op in zip(node.operands, node.operands[1:], node.ops, strict=False):
        parts.append(_pair(left, right, op, node, context))
    return graph.both(*parts, span=node.span)


def _pair(left: tree.Expr, right: tree.Expr, op: str, node: tree.Compare, context: Context) -> Expr:
    if op == "in":
        return _membership(left, right, context)
    same = listed.compare(left, right, context) if op in ("==", "!=") else None
    if same is not None:
        return same if op == "==" else graph.negate(same)
    a, b = symbolic_pair(left, right, context)
    if op in ("==", "!="):
        result = equal(a, b, (left.span, right.span), context, node.span)
        return result if op == "==" else graph.negate(result)
    for value, part in ((a, left), (b, right)):
        if not is_number(value):
            raise context.fail("CS301", part.span, f"`{op}` compares numbers, and this is {describe(value)}")
    same_unit(a, b, left.span, right.span, "compare", context)
    if op in (">", ">="):
        a, b = b, a
    return (graph.lt if op in ("<", ">") else graph.le)(a, b, span=node.span)


def equal(a: Expr, b: Expr, place: tuple[Span, Span], context: Context, span: Span | None = None) -> Expr:
    """Whether two values of one kind, numbers of one unit, are the same. place: of both; span: of the comparison."""
    left, right = place
    if a.type.kind != b.type.kind:
        raise context.fail(
            "CS301", span or left.to(right), f"can't compare {describe(a)} with {describe(b)}",
            labels=(Label(left, describe(a)), Label(right, describe(b))),
        )  # fmt: skip
    if is_number(a):
        same_unit(a, b, left, right, "compare", context)
    return graph.eq(a, b, span=span or right)


def symbolic_pair(left: tree.Expr, right: tree.Expr, context: Context) -> tuple[Expr, Expr]:
    """Both sides of `==`; a bare name beside a symbol is looked up among that symbol's values first."""
    bare = isinstance(right, tree.Name)
    if isinstance(left, tree.Name) and (not bare or (not _known(left, context) and _known(right, context))):
        b = scalar(right, context)
        return symbol_or_scalar(left, b, context), b
    a = scalar(left, context)
    return a, symbol_or_scalar(right, a, context) if isinstance(right, tree.Name) else scalar(right, context)


def _known(node: tree.Expr, context: Context) -> bool:
    return isinstance(node, tree.Name) and names.known(node, context)


def symbol_or_scalar(node: tree.Name, beside: Expr, context: Context) -> Expr:
    options = names.symbols_of(beside, context)
    if options is None:
        return scalar(node, context)
    if node.id in options:
        return const(Symbol(node.id))
    found = names.find(node.id, node.span, context)
    if isinstance(found, Expr):
        return found
    listed = ", ".join(sorted(options))
    raise context.fail(
        "CS206", node.span, f"`{node.id}` is not one of {{{listed}}}", help=meant(node.id, sorted(options))
    )


def _membership(left: tree.Expr, right: tree.Expr, context: Context) -> Expr:
    among = None if isinstance(right, tree.SetOf) else evaluate(right, context)
    if isinstance(among, Listed):
        known = {str(v): i for v, i in listed.members_of(among).items() if isinstance(v, Symbol)}
        item = known.get(left.id) if isinstance(left, tree.Name) else None
        if isinstance(left, tree.Name) and item is None and known and not names.known(left, context):
            listing = ", ".join(known)
            said = f"`{left.id}` is not one of {{{listing}}}"
            raise context.fail("CS206", left.span, said, help=meant(left.id, known))
        place = left.span, right.span
        return listed.membership(item if item is not None else scalar(left, context), among, place, context)
    a = scalar(left, context)
    options = names.symbols_of(a, context)
    if (
        options is not None
        and isinstance(right, tree.SetOf)
        and not (right.unit or any(x.name for x in right.alternatives))
    ):
        tests = []
        for x in right.alternatives:
            guard = boolean(x.guard, context) if x.guard is not None else graph.TRUE
            one = symbol_or_scalar(x.value, a, context) if isinstance(x.value, tree.Name) else scalar(x.value, context)
            tests.append(graph.both(guard, equal(a, one, (left.span, right.span), context)))
        return graph.either(graph.FALSE, *tests)
    domain = among if among is not None else evaluate(right, context)
    if isinstance(domain, RangeValue):
        same_unit(a, domain.low, left.span, right.span, "compare", context)
        offset = graph.div(graph.sub(a, domain.low), domain.step)
        return graph.both(graph.le(domain.low, a), graph.le(a, domain.high), graph.eq(offset, graph.floor(offset)))
    if isinstance(domain, SetValue):
        held = list(zip(domain.items, domain.conditions, strict=True))
    elif isinstance(domain, LISTS):
        held = [(v, g) for v, g, _ in members.as_gathered(domain).items]
    else:
        raise context.fail("CS301", right.span, f"`in` needs a set, a range or a list, and this is {describe(domain)}")
    place = left.span, right.span
    tests = [graph.both(g, equal(a, as_scalar(v, right.span, context), place, context)) for v, g in held]
    return graph.either(graph.FALSE, *tests)


# ---- conditionals


def _if(node: tree.If, context: Context) -> Any:
    condition = boolean(node.condition, context)
    if condition.is_const:
        return evaluate(node.then if condition.payload else node.otherwise, context)
    then = evaluate(node.then, context.under(condition))
    other = evaluate(node.otherwise, context.under(graph.negate(condition)))
    return merge(condition, then, other, node, context)


def merge(condition: Expr, then: Any, other: Any, node: tree.If, context: Context) -> Any:
    """`if condition then … else …` over values of the same kind."""
    then, other = one_of(then), one_of(other)
    if not isinstance(then, Expr):
        context.hangs_on(condition)
    if isinstance(then, Expr) and isinstance(other, Expr):
        if then.type.kind != other.type.kind:
            raise context.fail(
                "CS301", node.span, f"one branch is {describe(then)}, the other {describe(other)}",
                labels=(Label(node.then.span, describe(then)), Label(node.otherwise.span, describe(other))),
            )  # fmt: skip
        same_unit(then, other, node.then.span, node.otherwise.span, "choose between", context)
        return graph.branch(condition, then, other, span=node.span)
    if isinstance(then, Listed) or isinstance(other, Listed):
        then, other = listed.fixed_list(then), listed.fixed_list(other)
    if isinstance(then, Listed) and isinstance(other, Listed) and then.sets == other.sets:
        return listed.merge(condition, then, other, node.span, context)
    if isinstance(then, Record) and isinstance(other, Record):
        shared = {}
        for key in then.fields.keys() & other.fields.keys():
            shared[key] = merge(condition, then.fields[key], other.fields[key], node, context)
        return Record(dict(sorted(shared.items())), then.kind)
    if describe(then) != describe(other):
        raise context.fail("CS301", node.span, f"one branch is {describe(then)}, the other {describe(other)}")
    reads = ", ".join(f"`{path}`" for path in sorted(condition.free)[:3]) or "what is known only later"
    raise context.fail(
        "CS301", node.condition.span, f"`if` takes {describe(then)} by what is known when compiling, not by {reads}",
        help="compare what no decision changes, or write `choose name { … }` so that each branch is an alternative",
    )  # fmt: skip


def _each(node: tree.Each, context: Context) -> Any:
    raise context.fail("CS207", node.span, "a comprehension stands inside a fold or a list", help="sum(… for x in …)")


def _fixed(node: tree.Fixed, context: Context) -> Any:
    return folds.fixed(node, context)


_HANDLERS: dict[type, Callable[[Any, Context], Any]] = {
    tree.Number: _number,
    tree.Text: _text,
    tree.Name: _name,
    tree.ListOf: _list,
    tree.SetOf: _set,
    tree.Range: _range,
    tree.Binary: _binary,
    tree.Unary: _unary,
    tree.Compare: _compare,
    tree.If: _if,
    tree.Each: _each,
    tree.Fixed: _fixed,
    tree.Member: lambda n, c: members.member(n, c),
    tree.Item: lambda n, c: members.item(n, c),
    tree.Call: lambda n, c: calls.call(n, c),
    tree.Ask: lambda n, c: calls.ask(n, c),
    tree.Decision: lambda n, c: choices.decide(n, c),
}

__all__ = ["as_scalar", "boolean", "builtins", "evaluate", "evolve", "number", "scalar"]
