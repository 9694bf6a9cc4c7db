"""Values that are lists or sets: a factorisation, an order, a subset. Domains of them, and reading what was chosen.

A decision over such a domain takes a symbol named as the value is written (`[2, 3, 4]`, `{K, C}`), so every backend
knows it already; its elements are look-ups by that symbol.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from attrs import frozen
from cospace.compiler.elaborate.values import (
    Context,
    Gathered,
    Listed,
    ListValue,
    SetValue,
    describe,
    is_number,
)
from cospace.compiler.space import graph, lookups
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Symbol, Type, Value, const
from cospace.compiler.space.model import spell
from cospace.compiler.space.units import natural_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import NOWHERE, Label, Span

MOST = 100_000
"""Values of one domain, at most."""
REMEMBERED = 128
"""Tables of what lists hold that are kept: layers choose from the same lists again and again."""
Options = tuple[tuple[Expr, ...], ...]


@frozen(eq=False, repr=False)
class ListDomain:
    """Possible lists (or sets) of constants, each with the condition under which it belongs."""

    options: tuple[tuple[Expr, ...], ...]
    conditions: tuple[Expr, ...]
    sets: bool = False


def tell(owner: Listed, value: Callable[[tuple[Expr, ...]], Value], type: Type, span: Span) -> Expr:
    """An expression that has for each list the value that is told of it."""
    return lookups.lookup(_told(owner, [value(o) for o in owner.options]), [owner.chosen], type, span)


def _told(owner: Listed, values: list[Value]) -> lookups.Lookup:
    return lookups.table("values", [(s,) for s in labels(owner)], values, (values[-1],))


def labels(owner: Listed | ListDomain) -> tuple[Symbol, ...]:
    return _labels(owner.options, owner.sets)


@lru_cache(REMEMBERED)
def _labels(options: Options, sets: bool) -> tuple[Symbol, ...]:
    return tuple(Symbol(label(o, sets)) for o in options)


def members_of(owner: Listed) -> dict[Value, Expr]:
    """Everything that stands in some list."""
    return dict(_members(owner.options))


@lru_cache(REMEMBERED)
def _members(options: Options) -> tuple[tuple[Value, Expr], ...]:
    return tuple({i.value: i for o in options for i in o}.items())


def label(items: Sequence[Expr], sets: bool) -> str:
    """A list as it is written: `[2, 3, 4]`, `{K, C}`, `[4 bit, 8 bit]`."""
    inside = ", ".join(_spelled(i) for i in items)
    return f"{{{inside}}}" if sets else f"[{inside}]"


def _spelled(item: Expr) -> str:
    if is_number(item) and item.type.unit:
        unit, scale = natural_unit(item.number, item.type.unit)
        return spell(item.value, unit, scale)
    return spell(item.value)


# ---- domains


def domain(name: str, node: tree.Call, context: Context) -> ListDomain:
    """`factors(e, n)`, `orders(set)`, `subsets(set)`."""
    from cospace.compiler.elaborate.evaluate import evaluate, number

    wanted = 2 if name == "factors" else 1
    if len(node.arguments) != wanted or any(a.name is not None for a in node.arguments):
        said = f"`{name}` takes {wanted} argument{'s' * (wanted > 1)} by position"
        help = f"give it one set: `{name}({{a, b}})`" if wanted == 1 else None
        raise context.fail("CS214", node.span, said, help=help)
    first = node.arguments[0].value
    if name == "factors":
        return _factors(number(first, context), number(node.arguments[1].value, context), node, context)
    items = _constants(evaluate(first, context.named(None)), first.span, context)
    if name == "orders":
        if len(items) > 8:
            raise context.fail("CS404", node.span, f"{len(items)} things have more than {MOST:,} orders")
        made = _orders(tuple(items))
    else:
        if len(items) > 16:
            raise context.fail("CS404", node.span, f"{len(items)} things have more than {MOST:,} subsets")
        sizes = range(len(items) + 1)
        made = tuple(c for size in sizes for c in itertools.combinations(items, size))
    return ListDomain(made, tuple(TRUE for _ in made), name == "subsets")


@lru_cache(REMEMBERED)
def _orders(items: tuple[Expr, ...]) -> Options:
    return tuple(itertools.permutations(items))


def _constants(value: Any, span: Span, context: Context) -> list[Expr]:
    """The members of a set that is the same in every design."""
    from cospace.compiler.elaborate import members

    found: dict[Expr, None] = {}
    for item, condition, _ in members.items_of(value, span, context):
        if not isinstance(item, Expr) or not item.is_const or condition is not TRUE:
            raise context.fail(
                "CS405", span, "these members are not the same in every design",
                help="list them as constants, and leave out by a `require` what may not be",
            )  # fmt: skip
        found[item] = None
    if not found:
        raise context.fail("CS403", span, "this set is empty")
    return list(found)


def _factors(of: Expr, count: Expr, node: tree.Call, context: Context) -> ListDomain:
    """Ordered factorisations: all lists of `count` whole numbers whose product is `of`."""
    from cospace.compiler.elaborate.possible import wholes

    if not count.is_const or count.number.denominator != 1 or not 1 <= count.number <= 12:
        raise context.fail("CS301", node.arguments[1].span, "the number of factors is a constant from 1 to 12")
    found: list[tuple[int, ...]] = []
    for whole in wholes(of, "factors", node.span, context):
        if whole > 10**12:
            raise context.fail("CS404", node.span, f"{whole} is too large to list its factors")
        found += _splits(whole, int(count.number))
        if len(found) > MOST:
            raise context.fail("CS404", node.span, f"more than {MOST:,} factorisations")
    found.sort()
    conditions = []
    for split in found:
        product = 1
        for factor in split:
            product *= factor
        conditions.append(TRUE if of.is_const else graph.eq(of, const(product)))
    return ListDomain(tuple(tuple(const(f) for f in split) for split in found), tuple(conditions))


def _splits(n: int, count: int) -> list[tuple[int, ...]]:
    divisors = _divisors(n)
    made: list[tuple[int, tuple[int, ...]]] = [(n, ())]
    for _ in range(count - 1):
        made = [(rest // d, (*split, d)) for rest, split in made for d in divisors if rest % d == 0]
        if len(made) > MOST:
            break
    return [(*split, rest) for rest, split in made]


def _divisors(n: int) -> list[int]:
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


def of_lists(domain: Any) -> Any:
    """A set of lists (or of sets) written out is a domain of them; anything else is as it was."""
    if not isinstance(domain, SetValue) or not domain.items:
        return domain
    kind = type(domain.items[0])
    plain = kind in (ListValue, SetValue) and all(
        type(i) is kind and all(isinstance(x, Expr) and x.is_const for x in i.items) for i in domain.items
    )
    if not plain:
        return domain
    return ListDomain(tuple(tuple(i.items) for i in domain.items), domain.conditions, kind is SetValue)


# ---- reading


def element(owner: Listed, index: Expr, span: Span, context: Context) -> Expr:
    """`spread[2]`, from 1. A searched index that is outside has no value."""
    shortest = _shortest(owner.options)
    if owner.sets:
        raise context.fail("CS212", span, "a set has no order: ask `x in set`, or run over it")
    if index.is_const:
        at = index.number
        if at.denominator != 1 or not 1 <= at <= shortest:
            same = all(len(o) == shortest for o in owner.options)
            said = f"there is no item {at}; the list has {shortest}" if same else (
                f"there is no item {at} in every list; the shortest has {shortest}"
            )  # fmt: skip
            raise context.fail("CS213", span, said, help="the first item is 1" if at < 1 else None)
        rows = _item(owner.options, owner.sets, int(at))
        return lookups.lookup(rows, [owner.chosen], owner.options[0][int(at) - 1].type, span)
    context.hangs_on(index)
    keys: list[tuple[Value, ...]] = []
    values: list[Value] = []
    for symbol, option in zip(labels(owner), owner.options, strict=True):
        for at_, item in enumerate(option, 1):
            keys.append((symbol, Fraction(at_)))
            values.append(item.value)
    type = next(i.type for o in owner.options for i in o)
    return lookups.lookup(lookups.table("items", keys, values), [owner.chosen, index], type, span)


@lru_cache(REMEMBERED)
def _shortest(options: Options) -> int:
    return min(map(len, options))


@lru_cache(REMEMBERED)
def _item(options: Options, sets: bool, at: int) -> lookups.Lookup:
    values = [o[at - 1].value for o in options]
    return lookups.table("values", [(s,) for s in _labels(options, sets)], values, (values[-1],))


def gathered(owner: Listed) -> Gathered:
    """The items as guarded values: of a list one a place, of a set one a member."""
    one = const(1)
    if owner.sets:
        return Gathered(tuple((i, contains(owner, v, NOWHERE), one) for v, i in members_of(owner).items()))
    found = []
    longest = max(len(o) for o in owner.options)
    for at in range(longest):
        reach = [o for o in owner.options if len(o) > at]
        there = TRUE if len(reach) == len(owner.options) else tell(owner, lambda o: len(o) > at, graph.BOOL, NOWHERE)  # noqa: B023
        item = tell(owner, lambda o: o[at].value if len(o) > at else reach[0][at].value, reach[0][at].type, NOWHERE)  # noqa: B023
        found.append((item, there, one))
    return Gathered(tuple(found))


def contains(owner: Listed, value: Value, span: Span) -> Expr:
    """Whether a constant stands in the list."""
    found = _holders(owner.options, owner.sets, value.__class__.__name__, value)
    return const(found) if isinstance(found, bool) else lookups.lookup(found, [owner.chosen], graph.BOOL, span)


@lru_cache(REMEMBERED)
def _holders(options: Options, sets: bool, kind: Hashable, value: Value) -> lookups.Lookup | bool:
    """Which lists hold a value, or whether all or none do."""
    has: list[Value] = [any(i.value == value for i in o) for o in options]
    if all(has) or not any(has):
        return has[0] is True
    return lookups.table("values", [(s,) for s in _labels(options, sets)], has, (has[-1],))


def membership(a: Expr, owner: Listed, place: tuple[Span, Span], context: Context) -> Expr:
    """`x in list`. place: of both sides."""
    from cospace.compiler.elaborate.evaluate import equal

    known = members_of(owner).items()
    tests = [(v, equal(a, i, place, context)) for v, i in known]
    if a.is_const:
        return contains(owner, a.value, place[1])
    return graph.either(FALSE, *(graph.both(e, contains(owner, v, place[1])) for v, e in tests), span=place[1])


def fixed_list(value: Any) -> Any:
    """A list or set of constants as one that could be chosen; anything else as it is."""
    if isinstance(value, (ListValue, SetValue)) and all(isinstance(i, Expr) and i.is_const for i in value.items):
        sets = isinstance(value, SetValue)
        if not isinstance(value, SetValue) or all(c is TRUE for c in value.conditions):
            return Listed(const(Symbol(label(value.items, sets))), (tuple(value.items),), sets)
    return value


def one_type(options: Options, span: Span, context: Context) -> None:
    """What is read of a list has one kind and unit, whichever list it is."""
    types = {i.type: i for o in options for i in o}
    if len(types) > 1:
        one, other = [*types.values()][:2]
        raise context.fail("CS302", span, f"these lists hold {describe(one)} beside {describe(other)}")


def merge(condition: Expr, then: Listed, other: Listed, span: Span, context: Context) -> Listed:
    """`if condition then one list else another`."""
    options = tuple({label(o, then.sets): o for o in (*then.options, *other.options)}.values())
    one_type(options, span, context)
    return Listed(graph.branch(condition, then.chosen, other.chosen), options, then.sets)


def compare(left: tree.Expr, right: tree.Expr, context: Context) -> Expr | None:
    """`order == [K, C]`; None where neither side is a chosen list."""
    from cospace.compiler.elaborate.evaluate import evaluate

    for one, other in ((left, right), (right, left)):
        if isinstance(one, (tree.ListOf, tree.SetOf)) and not isinstance(other, (tree.ListOf, tree.SetOf)):
            owner = evaluate(other, context)
            if isinstance(owner, Listed):
                return _same(owner, one, context)
            if isinstance(owner, (ListValue, SetValue)):
                return _equal_lists(owner, evaluate(one, context), one.span, other.span, context)
    return _alike(left, right, context)


def _alike(left: tree.Expr, right: tree.Expr, context: Context) -> Expr | None:
    """Whether two lists that are named are the same one; None where one of them is none."""
    from cospace.compiler.elaborate import names
    from cospace.compiler.elaborate.evaluate import evaluate

    if not all(isinstance(part, (tree.Name, tree.Member, tree.Item)) for part in (left, right)):
        return None
    found = []
    for part in (left, right):
        bare = isinstance(part, tree.Name) and names.find(part.id, part.span, context) is None
        value = None if bare else fixed_list(evaluate(part, context))
        if not isinstance(value, Listed):
            return None
        found.append(value)
    a, b = found
    place = left.span.to(right.span)
    if a.sets is not b.sets:
        one, other = ("a set", "a list") if a.sets else ("a list", "a set")
        raise context.fail("CS301", place, f"can't compare {one} with {other}")
    one_type((*a.options, *b.options), place, context)
    known = {_value(o, b.sets): s for o, s in zip(b.options, labels(b), strict=True)}
    pairs = [(s, known[v]) for o, s in zip(a.options, labels(a), strict=True) if (v := _value(o, a.sets)) in known]
    if not pairs:
        raise context.fail(
            "CS206", place, "these can't be equal: no value is one of both",
            labels=tuple(
                Label(part.span, f"one of {', '.join(map(str, labels(x)[:3]))}{', …' if len(x.options) > 3 else ''}")
                for part, x in ((left, a), (right, b))
            ),
        )  # fmt: skip
    if {x for x, y in pairs if x != y} | (set(labels(a)) & set(labels(b)) - {x for x, _ in pairs}):
        tests = [graph.both(graph.eq(a.chosen, const(x)), graph.eq(b.chosen, const(y))) for x, y in pairs]
        return graph.either(FALSE, *tests, span=place)
    return graph.eq(a.chosen, b.chosen, span=place)


def _value(option: tuple[Expr, ...], sets: bool) -> object:
    """What a list, or a set whatever its order, is compared by."""
    values = [(type(i.value), i.value) for i in option]
    return frozenset(values) if sets else tuple(values)


def _equal_lists(a: Any, b: Any, one: Span, other: Span, context: Context) -> Expr:
    """Two lists item by item; two sets whose members are constants."""
    from cospace.compiler.elaborate.evaluate import as_scalar, equal

    if not isinstance(b, type(a)):
        raise context.fail("CS301", one, f"can't compare {describe(a)} with {describe(b)}")
    if isinstance(a, SetValue):
        x, y = (_constants(v, at, context) if v.items else [] for v, at in ((a, other), (b, one)))
        if x and y:
            equal(x[0], y[0], (other, one), context)
        return const(set(x) == set(y))
    if len(a.items) != len(b.items):
        return FALSE
    pairs = [(as_scalar(x, other, context), as_scalar(y, one, context)) for x, y in zip(a.items, b.items, strict=True)]
    return graph.both(TRUE, *(equal(x, y, (other, one), context) for x, y in pairs))


def _same(owner: Listed, written: tree.ListOf | tree.SetOf, context: Context) -> Expr:
    """Whether the list is the one written out; a list it can't be is an error, most often a slip."""
    from cospace.compiler.elaborate.evaluate import evaluate, scalar

    known = {v.name: i for v, i in members_of(owner).items() if isinstance(v, Symbol)}
    items: list[Expr]
    if isinstance(written, tree.SetOf) and (written.unit or any(a.name or a.guard for a in written.alternatives)):
        items = _constants(evaluate(written, context), written.span, context)
    else:
        parts = written.items if isinstance(written, tree.ListOf) else tuple(a.value for a in written.alternatives)
        named = [known.get(part.id) if isinstance(part, tree.Name) else None for part in parts]
        items = [scalar(part, context) if item is None else item for part, item in zip(parts, named, strict=True)]
        if not all(i.is_const for i in items):
            said = "a list or set that is chosen is compared with constants"
            raise context.fail("CS405", written.span, said, help="compare its items, or ask `x in` it")
    alike = [o for o in owner.options if (set(o) == set(items) if owner.sets else [*o] == items)]
    if not alike or isinstance(written, tree.SetOf) is not owner.sets:
        shown = ", ".join(str(s) for s in labels(owner)[:6]) + (", …" if len(owner.options) > 6 else "")
        raise context.fail("CS206", written.span, f"this is none of the values, which are {shown}")
    tests = [graph.eq(owner.chosen, const(Symbol(label(o, owner.sets))), span=written.span) for o in alike]
    return tests[0] if len(tests) == 1 else graph.either(FALSE, *tests, span=written.span)


def down_to(node: tree.Call, context: Context) -> Gathered | ListValue:
    """`down_to(order, set)`: what stands in the order from the outermost down to the innermost member of the set."""
    from cospace.compiler.elaborate.evaluate import evaluate

    if len(node.arguments) != 2 or any(a.name is not None for a in node.arguments):
        raise context.fail("CS214", node.span, "`down_to` takes an order and a set")
    order, among = (evaluate(a.value, context.named(None)) for a in node.arguments)
    wanted = among if isinstance(among, Listed) else None
    fixed = None if wanted is not None else _constants(among, node.arguments[1].span, context)
    if isinstance(order, ListValue):
        order = Listed(const(Symbol("")), (tuple(order.items),))
    if not isinstance(order, Listed) or order.sets:
        raise context.fail("CS301", node.arguments[0].span, f"an order is a list, and this is {describe(order)}")

    found = []
    for item in members_of(order).values():
        if wanted is None:
            assert fixed is not None
            reached = _reached(order.options, tuple(fixed), item)
            guard = FALSE if reached is False else TRUE
            if not isinstance(reached, bool):
                guard = lookups.lookup(reached, [order.chosen], graph.BOOL, node.span)
        else:
            keys = list(itertools.product(labels(order), labels(wanted)))
            pairs = itertools.product(order.options, wanted.options)
            rows = lookups.table("reach", keys, [_reaches(o, w, item) for o, w in pairs], (False,))
            guard = lookups.lookup(rows, [order.chosen, wanted.chosen], graph.BOOL, node.span)
        if guard is not FALSE:
            found.append((item, guard, const(1)))
    return Gathered(tuple(found))


def _reaches(option: tuple[Expr, ...], members: Sequence[Expr], item: Expr) -> bool:
    """Whether an item stands in a list before its last member."""
    last = max((at for at, i in enumerate(option) if i in members), default=-1)
    return item in option[: last + 1]


@lru_cache(REMEMBERED)
def _reached(options: Options, members: tuple[Expr, ...], item: Expr) -> lookups.Lookup | bool:
    """Which lists have an item down to their last member, or whether all or none do."""
    truth: list[Value] = [_reaches(o, members, item) for o in options]
    if all(truth) or not any(truth):
        return truth[0] is True
    return lookups.table("values", [(s,) for s in _labels(options, False)], truth, (truth[-1],))
