"""Walking a syntax tree: the nodes inside a node, in the order of the text."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import fields
from cospace.dsl import tree

_FIELDS: dict[type[tree.Node], tuple[str, ...]] = {}


def children(node: tree.Node, without: Collection[str] = ()) -> list[tree.Node]:
    """The nodes right inside a node, some fields left out; comments are none."""
    found: list[tree.Node] = []
    for name in _fields(type(node)):
        if name in without:
            continue
        value = getattr(node, name)
        if isinstance(value, tree.Node):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(item for item in value if isinstance(item, tree.Node))
    return found


def walk(node: tree.Node) -> Iterator[tree.Node]:
    """A node and all inside it, each before what is inside of it."""
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        pending += reversed(children(inner))


def _fields(cls: type[tree.Node]) -> tuple[str, ...]:
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(f.name for f in fields(cls) if not f.kw_only and f.name != "comments")
    return _FIELDS[cls]
