"""What can stand at the cursor: after a number the units, after a dot what its owner has, else every name in sight."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.dsl.load import Loaded
from cospace.lsp.hover import header
from cospace.lsp.names import Declared, in_sight, members, resolve
from cospace.lsp.symbols import KINDS
from lsprotocol import types

_MEMBER = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)\.\w*$")
_UNIT = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)? +[^\W\d]?\w*$")
_COMMENT_OR_TEXT = re.compile(r'^[^"#]*(?:"[^"]*"[^"#]*)*(?:#|"[^"]*$)')
_ITEMS = {
    types.SymbolKind.Constant: types.CompletionItemKind.Constant,
    types.SymbolKind.Function: types.CompletionItemKind.Function,
    types.SymbolKind.Class: types.CompletionItemKind.Class,
}


def complete(loaded: Loaded, text: str, offset: int) -> list[types.CompletionItem]:
    """What may be typed at an offset of the root file, whose text may be newer than its tree."""
    before = text[text.rfind("\n", 0, offset) + 1 : offset]
    if _COMMENT_OR_TEXT.match(before):
        return []
    member = _MEMBER.search(before)
    if member is not None:
        owner = resolve(member.group(1).split("."), loaded, offset)
        return _items(members(owner)) if owner is not None else []
    if _UNIT.search(before):
        return _items(d for file in loaded.files for d in members(Declared("", file, file)) if _is_unit(d))
    words = [types.CompletionItem(w, kind=types.CompletionItemKind.Keyword) for w in sorted(RESERVED)]
    return _items(d for d in in_sight(loaded, offset) if not _is_unit(d)) + words


def _is_unit(found: Declared) -> bool:
    return isinstance(found.node, tree.Unit)


def _items(found: Iterator[Declared]) -> list[types.CompletionItem]:
    """One item a name; of equal names the nearest, which comes first."""
    items: dict[str, types.CompletionItem] = {}
    for one in found:
        if one.name not in items:
            items[one.name] = types.CompletionItem(
                one.name, kind=_kind(one.node), detail=header(one).splitlines()[0], documentation=_doc(one.node)
            )
    return list(items.values())


def _kind(node: tree.Node) -> types.CompletionItemKind:
    if isinstance(node, tree.File):
        return types.CompletionItemKind.Module
    if isinstance(node, tree.Unit):
        return types.CompletionItemKind.Unit
    return _ITEMS.get(KINDS.get(type(node), types.SymbolKind.Variable), types.CompletionItemKind.Variable)


def _doc(node: tree.Node) -> str | None:
    doc = getattr(node, "doc", None)
    return doc if isinstance(doc, str) else None
