"""The columns that a table declares, of its keys and of what stands beside them."""

from __future__ import annotations

from cospace.compiler.elaborate import names, types
from cospace.compiler.elaborate.table_cells import Column
from cospace.compiler.elaborate.values import Context, RangeValue, SetValue, describe, is_number
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from cospace.dsl import tree


def width(parameter: tree.Parameter) -> int:
    """How many columns a key takes: `list(t, n)` takes n."""
    t = parameter.type
    if (
        isinstance(t, tree.Call)
        and isinstance(t.function, tree.Name)
        and t.function.id == "list"
        and len(t.arguments) == 2
    ):
        count = t.arguments[1].value
        if isinstance(count, tree.Number) and count.unit is None and count.value.denominator == 1:
            return int(count.value)
    return 1


def key_columns(p: tree.Parameter, context: Context) -> list[Column]:
    count = width(p)
    if count == 1:
        return [column_of(p.name, p.type, context)]
    assert isinstance(p.type, tree.Call)
    return [column_of(f"{p.name}_{i}", p.type.arguments[0].value, context) for i in range(1, count + 1)]


def column_of(name: str, type: tree.Expr | None, context: Context) -> Column:
    """A column from its declared type: a unit, `int`, `real`, `text`, `bool`, a set of symbols, a range."""
    from cospace.compiler.elaborate.evaluate import evaluate, relate

    if type is None:
        return Column(name, graph.NUMBER)
    if isinstance(type, tree.Name) and type.id in types.PLAIN:
        kinds = {"text": graph.TEXT, "bool": graph.BOOL, "symbol": graph.SYMBOL}
        return Column(name, kinds.get(type.id, graph.NUMBER), whole=type.id == "int")
    if isinstance(type, tree.SetOf) and all(isinstance(a.value, tree.Name) for a in type.alternatives):
        symbols = frozenset(a.value.id for a in type.alternatives)  # type: ignore[union-attr]
        relate(symbols, context)
        return Column(name, graph.SYMBOL, symbols=symbols)
    if isinstance(type, tree.Name) and context.scope.find(type.id) is None:
        unit = names.find_unit(type.id, type.span, context).scale
        return Column(name, unit.type, unit.number)
    wanted = evaluate(type, context)
    if isinstance(wanted, SetValue) and all(isinstance(i, Expr) and i.type.kind == "symbol" for i in wanted.items):
        return Column(name, graph.SYMBOL, symbols=frozenset(str(i.value) for i in wanted.items))
    if isinstance(wanted, RangeValue) and wanted.low.is_const and wanted.high.is_const:
        return Column(name, wanted.low.type, low=wanted.low.number, high=wanted.high.number)
    scale = getattr(wanted, "scale", wanted)
    if is_number(scale) and scale.is_const:
        return Column(name, scale.type, scale.number)
    raise context.fail("CS306", type.span, f"a column can't hold {describe(wanted)}",
                       help="a unit, `int`, `real`, `text`, `bool`, a range or a set of symbols")  # fmt: skip


__all__ = ["column_of", "key_columns", "width"]
