"""The outline of a document: what its statements declare, blocks within blocks."""

from __future__ import annotations

from collections.abc import Iterator

from cospace.dsl import tree
from cospace.dsl.source import word_span
from cospace.lsp.positions import Places
from lsprotocol import types

KINDS: dict[type[tree.Node], types.SymbolKind] = {
    tree.SpaceName: types.SymbolKind.Namespace,
    tree.Param: types.SymbolKind.Constant,
    tree.Unit: types.SymbolKind.Constant,
    tree.Def: types.SymbolKind.Function,
    tree.Work: types.SymbolKind.Interface,
    tree.Network: types.SymbolKind.Class,
    tree.Accelerator: types.SymbolKind.Class,
    tree.Part: types.SymbolKind.Class,
    tree.Table: types.SymbolKind.Array,
    tree.Rule: types.SymbolKind.Event,
    tree.Policy: types.SymbolKind.Object,
    tree.Loop: types.SymbolKind.Object,
    tree.Bind: types.SymbolKind.Variable,
}


def declared(statement: tree.Statement) -> tuple[str, ...]:
    """The names that a statement declares, or by which an outline knows it."""
    if isinstance(statement, tree.Bind):
        return tuple(t.id for t in statement.targets if isinstance(t, tree.Name))
    if isinstance(statement, tree.Rule):
        return (statement.work,)
    if isinstance(statement, tree.Policy):
        return (statement.name or statement.kind,)
    if isinstance(statement, tree.Loop):
        return (statement.binder.name,)
    return (statement.name,) if isinstance(statement, tuple(KINDS)) else ()  # type: ignore[union-attr]


def outline(file: tree.File, places: Places) -> list[types.DocumentSymbol]:
    """The symbols of a file as they nest."""
    return [symbol for s in file.statements for symbol in _symbols(s, file.text, places)]


def _symbols(statement: tree.Statement, text: str, places: Places) -> Iterator[types.DocumentSymbol]:
    block = getattr(statement, "block", None)
    inner = block.statements if isinstance(block, tree.Block) else ()
    for name in declared(statement):
        yield types.DocumentSymbol(
            name,
            KINDS[type(statement)],
            places.range(statement.span),
            places.range(word_span(text, statement.span, name)),
            detail=_detail(statement),
            children=[symbol for s in inner for symbol in _symbols(s, text, places)] or None,
        )


def _detail(statement: tree.Statement) -> str:
    """What a name alone doesn't tell: how it is bound, and what it is for."""
    value = getattr(statement, "value", None)
    binding = value.binding if isinstance(value, tree.Decision) else ""
    return " ".join(filter(None, (binding, getattr(statement, "doc", None))))
