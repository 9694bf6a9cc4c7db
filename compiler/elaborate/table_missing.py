"""CS222: what a table lacks where it is read, and what it has instead."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from cospace.compiler.elaborate.table_cells import Column
from cospace.compiler.elaborate.values import Context
from cospace.compiler.space.graph import Value
from cospace.dsl.diagnostics import Span
from cospace.dsl.suggest import meant

if TYPE_CHECKING:
    from cospace.compiler.elaborate.tables import Loaded, Row

LISTED = 6
"""Rows or keys that are named, at most."""
LOOKED_AT = 2_000
"""Rows among which the nearest is looked for, at most."""


def no_row(
    row: Row, name: str, key: tuple[Value, ...], span: Span, column: Callable[[], Sequence[object]], context: Context
) -> Exception:
    """No row has the key; or its cell in the column `name` is empty. column: the values of that column."""
    table, title = row.table, row.table.declaration.name
    shown = ", ".join(spell(v, c) for v, c in zip(key, table.keys, strict=True))
    if table.rows.find(key) is not None:
        said = f"`{title}` has no `{name}` for `{shown}`: the cell is empty"
        more = [told for told in (_beside(table, key, name), _elsewhere(row, name, column())) if told]
        help = "; ".join(["fill it in, or read it only where there is one: `… when …`", *more])
        return context.fail("CS222", span, said, help=help)
    for i, declared in enumerate(table.keys if len(table.keys) > 1 else ()):
        if row.keys[i].is_const and key[i] not in table.rows.values[i]:
            there = [spell(v, declared) for v in table.rows.values[i]]
            word = spell(key[i], declared)
            said = f"`{title}` has no row whose `{declared.name}` is `{word}`"
            return context.fail("CS222", row.span, said, help=meant(word, there) or f"there are {_some(there)}")
    some = itertools.islice(table.rows, LOOKED_AT)
    first = [", ".join(spell(v, c) for v, c in zip(r, table.keys, strict=True)) for r in some]
    said = f"`{title}` has no row for `{shown}`"
    if any(not k.is_const for k in row.keys):
        said += ", which can stand here"
    return context.fail("CS222", row.span, said, help=meant(shown, first) or f"it has {_some(first, len(table.rows))}")


def _beside(table: Loaded, key: tuple[Value, ...], name: str) -> str | None:
    """The columns that the row has something in, whatever it is."""
    at = table.rows.find(key)
    assert at is not None
    texts = table.cells if table.sheet is None else table.sheet.columns
    there = [c for c in table.columns if c != name and c in texts and texts[c][at] not in (None, "")]
    return f"this row has {_some(there)}" if there else None


def _elsewhere(row: Row, name: str, column: Sequence[object]) -> str | None:
    """For which values of a key that is known here the column has something, where it has nothing for this one."""
    rows = row.table.rows
    for i, key in enumerate(row.keys):
        if not key.is_const or len(rows.values[i]) < 2:
            continue
        filled = {n for at, n in enumerate(rows.numbers[i]) if column[at] is not None}
        values = [v for n, v in enumerate(rows.values[i]) if n in filled]
        if values and key.value not in values:
            declared = row.table.keys[i]
            return f"`{name}` stands where `{declared.name}` is {_some([spell(v, declared) for v in values])}"
    return None


def _some(words: Sequence[str], many: int | None = None) -> str:
    rest = (len(words) if many is None else many) - LISTED
    return ", ".join(f"`{w}`" for w in words[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def spell(value: Value, column: Column) -> str:
    """A key as it is written in a file."""
    from cospace.compiler.space.model import spell as spelled

    return spelled(value / column.scale if isinstance(value, Fraction) else value)
