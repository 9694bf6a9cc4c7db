"""Tables: their keys and columns, rows written in place or in a file, and look-ups by constant or searched keys.

A table is read when something first looks into it, a column when something first reads it: what no design reads need
not be there. Files lie beside the text that names them, beside the spec, or in the folder given as `--data`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from attrs import define, evolve, field, frozen
from cospace.compiler.elaborate import names
from cospace.compiler.elaborate.table_cells import Column, as_declared, refused
from cospace.compiler.elaborate.table_columns import column_of, key_columns, width
from cospace.compiler.elaborate.table_files import Missing, Sheet, read_csv
from cospace.compiler.elaborate.table_missing import no_row, spell
from cospace.compiler.elaborate.table_rows import BadCell, Cells, Key, Keyed, keyed
from cospace.compiler.elaborate.values import (
    LISTS,
    Context,
    ListValue,
    Record,
    TableValue,
    describe,
    is_number,
)
from cospace.compiler.space import graph, lookups
from cospace.compiler.space.graph import Expr, Symbol, Value, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import closest, meant

TRIED = 65_536
"""Combinations of keys that are tried one by one for a row, at most."""


@define(eq=False)
class Loaded:
    """A table as read: a file's `sheet`, or cells written in place; what was made of them."""

    declaration: tree.Table
    keys: tuple[Column, ...]
    columns: dict[str, Column]
    rows: Keyed
    cells: dict[str, Sequence[Value | None]]
    sheet: Sheet | None = None
    file: str = ""
    tables: dict[object, lookups.Lookup | None] = field(factory=dict)
    answers: dict[object, tuple[Value, ...] | None] = field(factory=dict)
    """What was found missing, by column, keys and guard."""


def look_up(table: TableValue, node: tree.Call, context: Context) -> Row:
    """The row of a table at some keys; its columns are looked up when they are read."""
    loaded = load(table, context)
    declaration = table.declaration
    if len(node.arguments) != len(declaration.parameters) or any(a.name is not None for a in node.arguments):
        listed = ", ".join(f"`{p.name}`" for p in declaration.parameters)
        raise context.fail("CS214", node.span, f"`{declaration.name}` takes its keys by position: {listed}")
    keys: list[Expr] = []
    columns = iter(loaded.keys)
    for a, p in zip(node.arguments, declaration.parameters, strict=True):
        keys += _key(a.value, p, [next(columns) for _ in range(width(p))], declaration.name, context)
    return Row(loaded, tuple(keys), node.span)


def rows_of(table: TableValue, span: Span, context: Context) -> list[Row]:
    """Every row of a table, in the order in which they stand."""
    loaded = load(table, context)
    types_ = [c.type for c in loaded.keys]
    return [Row(loaded, tuple(const(v, t.unit) for v, t in zip(key, types_, strict=True)), span) for key in loaded.rows]


@frozen(eq=False)
class Row:
    """One row, told by its keys. `field` gives a column of it, or a key."""

    noun = "a row of a table"
    table: Loaded
    keys: tuple[Expr, ...]
    span: Span

    def field(self, name: str, span: Span, context: Context) -> Expr:
        table = self.table
        key = next((k for k, column in zip(self.keys, table.keys, strict=True) if column.name == name), None)
        if key is not None:
            return key
        if name not in table.columns:
            there = [*(k.name for k in table.keys), *table.columns]
            help = meant(name, there) or f"it has {', '.join(f'`{c}`' for c in there)}"
            raise context.fail("CS211", span, f"this row has no field `{name}`", help=help)
        asked = (name, self.keys, context.guard)
        if asked not in table.answers:
            table.answers[asked] = _missing(self, name, span, context)
        missing = table.answers[asked]
        if missing is not None:
            raise no_row(self, name, missing, span, partial(_column_cells, table, name, context), context)
        complete = _settled(self, context)
        known = {i: k.value for i, k in enumerate(self.keys) if k.is_const}
        type_, keys = table.columns[name].type, self.keys
        if len(known) == len(keys):
            at = table.rows.find(tuple(known.values()))
            value = None if at is None else _column_cells(table, name, context)[at]
            if value is not None:
                return const(value, type_.unit)
        elif known and (fewer := _rows(table, name, complete, known, context)) is not None:
            return lookups.lookup(fewer, [k for i, k in enumerate(keys) if i not in known], type_, span)
        rows = _rows(table, name, complete, {}, context)  # no row has the keys that are known: nothing reads there
        assert rows is not None
        return lookups.lookup(rows, keys, type_, span)


# ---- keys


def _key(
    node: tree.Expr, parameter: tree.Parameter, columns: Sequence[Column], table: str, context: Context
) -> list[Expr]:
    """The values given for one key, as many as it has columns."""
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    what = f"`{parameter.name}` of `{table}`"
    if isinstance(node, tree.Name) and columns[0].symbols and not _bound(node, context):
        if node.id in columns[0].symbols:
            return [const(Symbol(node.id))]
        raise _not_among(node.id, columns[0], what, node.span, context)
    value = evaluate(node, context.named(parameter.name))
    if width(parameter) == 1:
        found = [as_scalar(value, node.span, context)]
    else:
        found = _several(value, len(columns), node.span, what, context)
    for key, column in zip(found, columns, strict=True):
        if key.type.kind != column.type.kind:
            raise context.fail(
                "CS301",
                node.span,
                f"{what} is {describe(_sample(column))}, and this is {describe(key)}",
                help=as_declared(parameter.name, column, key.type.kind, names.symbols_of(key, context)),
            )
        if key.type.unit != column.type.unit:
            raise context.fail(
                "CS302", node.span, f"{what} is {describe(_sample(column))}, and this is {describe(key)}"
            )
        odd = sorted((names.symbols_of(key, context) or set()) - column.symbols) if column.symbols else []
        if odd and key.is_const:
            raise _not_among(str(key.value), column, what, node.span, context)
    return found


def _not_among(name: str, column: Column, what: str, span: Span, context: Context) -> Exception:
    listed = ", ".join(sorted(column.symbols))
    help = meant(name, sorted(column.symbols))
    return context.fail("CS206", span, f"{what} is one of {{{listed}}}, not `{name}`", help=help)


def _bound(node: tree.Name, context: Context) -> bool:
    return names.find(node.id, node.span, context) is not None


def _sample(column: Column) -> Expr:
    kinds: dict[str, Value] = {"number": Fraction(0), "bool": True, "symbol": Symbol("a"), "text": ""}
    return const(kinds[column.type.kind], column.type.unit)


def _several(value: Any, count: int, span: Span, what: str, context: Context) -> list[Expr]:
    """The items of a list key: a list, or a path whose instances are one."""
    from cospace.compiler.elaborate import members
    from cospace.compiler.elaborate.evaluate import as_scalar

    if isinstance(value, members.PathValue):
        found = [members._along(f"{value.path}[{i}]", span, context) for i in range(1, count + 1)]
    elif isinstance(value, LISTS):
        items = members.as_gathered(value).items
        if any(not members.implied(g, context) for _, g, _ in items):
            raise context.fail("CS209", span, f"{what}: some items of this list don't exist in every design")
        found = [v for v, _, _ in items]
    else:
        raise context.fail("CS301", span, f"{what} is a list of {count}, and this is {describe(value)}")
    if len(found) != count:
        raise context.fail("CS301", span, f"{what} is a list of {count}, and this has {len(found)} items")
    return [as_scalar(v, span, context) for v in found]


# ---- rows that are not there


def _domains(row: Row, context: Context) -> list[tuple[Value, ...]] | None:
    """The possible values of each key where all are constants or different decisions; None otherwise."""
    found: list[tuple[Value, ...]] = []
    seen: set[object] = set()
    for k in row.keys:
        if k.is_const:
            found.append((k.value,))
        elif k.op == "var" and k.payload not in seen and str(k.payload) in context.state.domains:
            seen.add(k.payload)
            found.append(context.state.domains[str(k.payload)])
        else:
            return None
    return found


def _settled(row: Row, context: Context) -> bool:
    """Whether every combination of keys that can stand here was tried."""
    return _tried(row, context) is not None


def _tried(row: Row, context: Context) -> Iterator[tuple[Value, ...]] | None:
    """Each combination of keys that can stand here; None where there are too many to try."""
    from cospace.compiler.elaborate.possible import assignments
    from cospace.compiler.exact.exact import Evaluation

    domains = _domains(row, context)
    if domains is not None and context.guard is graph.TRUE:
        return itertools.product(*domains) if math.prod(map(len, domains)) <= TRIED else None
    free = frozenset().union(context.guard.free, *(k.free for k in row.keys))
    tried = assignments(sorted(free), context, TRIED)
    if tried is None:
        return None

    def met() -> Iterator[tuple[Value, ...]]:
        for design in tried:
            evaluation = Evaluation(design)
            if evaluation(context.guard) is True:
                yield tuple(evaluation(k) for k in row.keys)  # type: ignore[misc]

    return met()


def _missing(row: Row, name: str, span: Span, context: Context) -> tuple[Value, ...] | None:
    """Keys that can stand here and have no value in the column; None where there are none, or it can't be told."""
    cells, rows = _column_cells(row.table, name, context), row.table.rows

    def there(key: tuple[Value, ...]) -> bool:
        at = rows.find(key)
        return at is not None and cells[at] is not None

    if all(k.is_const for k in row.keys) and there(tuple(k.value for k in row.keys)):
        return None
    tried = _tried(row, context)
    return None if tried is None else next((key for key in tried if not there(key)), None)


# ---- loading


def load(table: TableValue, context: Context) -> Loaded:
    """A table with its keys; read once."""
    cache: dict[int, Loaded] = context.state.groups.setdefault("tables", {})
    declaration = table.declaration
    found = cache.get(id(declaration))
    if found is not None:
        return found
    here = evolve(context, scope=table.scope, hint=None, direct=None, guard=graph.TRUE)
    keys: list[Column] = []
    for p in declaration.parameters:
        made = key_columns(p, here)
        if {k.name for k in made} & {k.name for k in keys}:
            raise here.fail("CS210", p.span, f"two keys are called `{made[0].name}`", help="give each its own name")
        keys += made
    columns: dict[str, Column] = {}
    for s in declaration.block.statements:
        if not isinstance(s, tree.Typed):
            raise here.fail("CS226", s.span, "only columns stand in a table", help="`name: unit`, one a line")
        if s.name in columns or any(s.name == k.name for k in keys):
            said = "two columns are" if s.name in columns else "a key and a column are both"
            raise here.fail("CS210", s.span, f"{said} called `{s.name}`", help="give each its own name")
        columns[s.name] = column_of(s.name, s.type, here)
    if isinstance(declaration.source.value, tree.ListOf):
        found = _in_place(declaration, tuple(keys), columns, here)
    else:
        found = _from_file(declaration, tuple(keys), columns, here)
    if not len(found.rows):
        raise here.fail("CS223", declaration.source.span, f"`{declaration.name}` has no rows")
    _unique(found, here)
    cache[id(declaration)] = found
    return found


def _in_place(
    declaration: tree.Table, keys: tuple[Column, ...], columns: dict[str, Column], context: Context
) -> Loaded:
    """Rows written as lists: each has the keys, then the columns."""
    from cospace.compiler.elaborate.evaluate import evaluate

    assert isinstance(declaration.source.value, tree.ListOf)
    every = [*keys, *columns.values()]
    rows: list[Key] = []
    cells: dict[str, list[Value | None]] = {name: [] for name in columns}
    for item in declaration.source.value.items:
        row = _cells(item, every, context) if isinstance(item, tree.ListOf) else None
        if row is None:
            value = evaluate(item, context)
            row = [(i, item.span) for i in value.items] if isinstance(value, ListValue) else []
        if len(row) != len(every):
            said = f"a row of `{declaration.name}` has {len(every)} columns, and this one has {len(row)}"
            shown = ", ".join(f"`{c.name}`" for c in every)
            raise context.fail("CS223", item.span, said, help=f"they are {shown}")
        made = [_checked(v, c, at, context) for (v, at), c in zip(row, every, strict=True)]
        rows.append(tuple(made[: len(keys)]))  # type: ignore[arg-type]
        for name, value_ in zip(columns, made[len(keys) :], strict=True):
            cells[name].append(value_)
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(keys)
    return Loaded(declaration, keys, columns, keyed(by_column), dict(cells))


def _cells(row: tree.ListOf, every: Sequence[Column], context: Context) -> list[tuple[Any, Span]]:
    """The cells of a row as values; a bare name is a symbol where the column declares it, a list takes its columns."""
    from cospace.compiler.elaborate.evaluate import evaluate

    found: list[tuple[Any, Span]] = []
    parts = [p for n in row.items for p in (n.items if isinstance(n, tree.ListOf) else (n,))]
    for at, node in enumerate(parts):
        column = every[at] if at < len(every) else None
        if isinstance(node, tree.Name) and column is not None and node.id in column.symbols:
            found.append((const(Symbol(node.id)), node.span))
        elif isinstance(node, tree.Name) and column is not None and column.symbols and not _bound(node, context):
            raise _not_among(node.id, column, f"`{column.name}`", node.span, context)
        elif isinstance(node, tree.Each):
            return [(v, row.span) for v in evaluate(row, context).items]
        else:
            found.append((evaluate(node, context), node.span))
    return found


def _checked(value: Any, column: Column, span: Span, context: Context) -> Value | None:
    """A cell written in place as a constant of its column; `none` is an empty one."""
    from cospace.compiler.elaborate.evaluate import as_scalar

    cell = as_scalar(value, span, context)
    if cell.is_const and cell.value == Symbol("none") and "none" not in column.symbols:
        return None
    if not cell.is_const:
        raise context.fail("CS223", span, "a table holds constants, and this depends on a decision")
    if is_number(cell) and not cell.type.unit and column.type.kind == "number":
        cell = graph.mul(cell, const(column.scale, column.type.unit))
    if cell.type != column.type:
        code = "CS302" if cell.type.kind == "number" or column.type.kind == "number" else "CS301"
        raise context.fail(
            code, span, f"column `{column.name}` is {describe(_sample(column))}, and this is {describe(cell)}",
        )  # fmt: skip
    said = refused(cell.value, column)
    if said:
        raise context.fail("CS223", span, f"`{column.name}` {said}")
    return cell.value


def _unique(table: Loaded, context: Context) -> None:
    twice = table.rows.twice()
    if twice is None:
        return
    first, second = twice
    shown = ", ".join(spell(v, c) for v, c in zip(table.rows[second], table.keys, strict=True))
    source = table.declaration.source
    span: Span = source.span
    labels: tuple[Label, ...] = ()
    if isinstance(source.value, tree.ListOf):
        span = source.value.items[second].span
        labels = (Label(source.value.items[first].span, "the first"),)
    sheet = table.sheet
    where = "" if sheet is None else f" (lines {sheet.line(first)} and {sheet.line(second)} of `{table.file}`)"
    said = f"`{table.declaration.name}` has two rows for {shown}{where}"
    raise context.fail("CS223", span, said, help="leave one of them out", labels=labels)


def _from_file(
    declaration: tree.Table, keys: tuple[Column, ...], columns: dict[str, Column], context: Context
) -> Loaded:
    assert isinstance(declaration.source.value, tree.Text)
    name = declaration.source.value.value
    try:
        wanted = {*columns, *(k.name for k in keys)}
        sheet = read_csv(name, context.scope.owner().file.path, context.state.groups, wanted)
    except Missing as missing:
        raise context.fail("CS233", declaration.source.span, str(missing), help=missing.help) from None
    made: list[list[Value]] = []
    for column in keys:
        found = _parsed(column, sheet, name, declaration, context)
        cells = found.take(range(len(found)))
        empty = next((at for at, v in enumerate(cells) if v is None), None)
        if empty is not None:
            said = f"line {sheet.line(empty)} of `{name}` has no `{column.name}`, which is a key"
            raise context.fail("CS223", declaration.source.span, said)
        made.append(cells)  # type: ignore[arg-type]
        del sheet.columns[column.name]
    return Loaded(declaration, keys, columns, keyed(made), {}, sheet, name)


def _parsed(column: Column, sheet: Sheet, file: str, declaration: tree.Table, context: Context) -> Cells:
    """A column of a file as values of its type, None where a cell is empty."""
    if column.name not in sheet.columns:
        near = closest(column.name, sheet.names)
        listed = ", ".join(f"`{c}`" for c in sheet.names[:12])
        raise context.fail(
            "CS233", declaration.source.span, f"`{file}` has no column `{column.name}`",
            help=f"did you mean `{near}`?" if near else f"it has {listed}",
        )  # fmt: skip
    try:
        return Cells(sheet.columns[column.name], column)
    except BadCell as bad:
        said = f"line {sheet.line(bad.at)} of `{file}`: `{column.name}` {bad.said}"
        raise context.fail("CS223", declaration.source.span, said) from None


def _column_cells(table: Loaded, name: str, context: Context) -> Sequence[Value | None]:
    if name not in table.cells:
        assert table.sheet is not None
        table.cells[name] = _parsed(table.columns[name], table.sheet, table.file, table.declaration, context)
    return table.cells[name]


def _rows(
    table: Loaded, name: str, complete: bool, known: Mapping[int, Value], context: Context
) -> lookups.Lookup | None:
    """A column as rows of the graph, those with some keys that are known, told by the others. None without rows.

    complete: whether every key that is asked for has one.
    """
    asked = (name, complete, tuple(known.items()))
    if asked not in table.tables:
        cells, rows = _column_cells(table, name, context), table.rows
        among = rows.among(known)
        values = cells.take(among) if isinstance(cells, Cells) else [cells[at] for at in among]
        kept = [(at, v) for at, v in zip(among, values, strict=True) if v is not None]
        found = None
        if kept:
            open_ = [i for i in range(len(table.keys)) if i not in known]
            keys = rows.keys([at for at, _ in kept], open_)
            last = next(v for v in map(cells.__getitem__, reversed(range(len(cells)))) if v is not None)
            values_ = [v for _, v in kept]
            found = lookups.table(table.declaration.name, keys, values_, (last,) if complete else ())
        table.tables[asked] = found
    return table.tables[asked]


__all__ = ["Record", "Row", "load", "look_up", "rows_of"]
