"""Designs by a number, and the tables that a space reads: what programs ask of a benchmark's tables."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from attrs import frozen
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.designs import DesignError
from cospace.compiler.space.graph import Expr, Value, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.units import natural_unit


@frozen
class TableRead:
    """A column of a table as an objective or a requirement reads it.

    table: its name in the text; keys: the decisions that choose a row, others being settled; rows: their values -> the
    value, in `unit`, in the order of the file.
    """

    table: str
    keys: tuple[str, ...]
    unit: str
    rows: dict[tuple[Value, ...], Value]


def design_at(space: Space, index: int, table: str | None = None) -> Design:
    """The design with a number, from 0: the last decision varies fastest, and one that is dead takes no value.

    table: then the design is that of the table's row with the number, whose keys are decisions.
    Raises DesignError where there is none, or where a decision can't take its value there.
    """
    wanted = _row(space, index, table) if table is not None else _digits(space, index)
    design: dict[str, Value] = {}
    for d in space.decisions:
        if evaluate(d.guard, design) is not True:
            continue
        value = wanted[d.path]
        if value not in d.values or (
            d.allowed is not None and evaluate(d.allowed[d.values.index(value)], design) is not True
        ):
            raise DesignError(d.path, f"`{value}` is not in its domain in design {index:,}")
        design[d.path] = value
    return design


def _digits(space: Space, index: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    rest = index
    for d in reversed(space.decisions):
        rest, digit = divmod(rest, len(d.values))
        found[d.path] = d.values[digit]
    if rest or index < 0:
        raise DesignError("", f"there is no design {index:,}: they are numbered from 0")
    return found


def _row(space: Space, index: int, table: str) -> dict[str, Value]:
    reads = tables(space)
    whole = {d.path for d in space.decisions}
    read = next((r for r in reads if r.table == table and set(r.keys) == whole), None)
    if read is None:
        names = ", ".join(sorted({r.table for r in reads if set(r.keys) == whole}))
        raise DesignError(table, f"no row of it is a whole design; those of {names or 'no table'} are")
    if not 0 <= index < len(read.rows):
        raise DesignError(table, f"it has no row {index:,}: there are {len(read.rows):,}, from 0")
    return dict(zip(read.keys, list(read.rows)[index], strict=True))


def tables(space: Space) -> list[TableRead]:
    """Every column of a table that an objective or a requirement reads at what decisions say, each once."""
    roots = [o.value for o in space.objectives] + [e for r in space.requirements for e in (r.guard, r.value)]
    return [_read(e) for e in _lookups(roots)]


def _lookups(roots: list[Expr]) -> Iterator[Expr]:
    for e in walk(roots):
        if e.op == "lookup" and all(a.op == "var" for a in e.args):
            yield e


def _read(e: Expr) -> TableRead:
    rows = e.payload
    assert isinstance(rows, Lookup)
    values, unit = list(rows.values), ""
    if e.type.kind == "number":
        numbers = [v for v in values if isinstance(v, Fraction)]
        unit, scale = natural_unit(max(map(abs, numbers)), e.type.unit)
        values = [v / scale if isinstance(v, Fraction) else v for v in values]
    return TableRead(rows.name, tuple(str(a.payload) for a in e.args), unit, dict(zip(rows.keys, values, strict=True)))


__all__ = ["TableRead", "design_at", "tables"]
