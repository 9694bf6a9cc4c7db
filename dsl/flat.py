"""Syntax trees as flat JSON, so that a parsed file can be kept: every node is a list, children before parents.

A flat list needs no recursion, however deep the tree is. Spans are kept without their file, which is given on reading.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import attrs
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span

_CLASSES: dict[str, type[tree.Node]] = {
    name: cls
    for name, cls in vars(tree).items()
    if isinstance(cls, type) and issubclass(cls, tree.Node) and cls not in (tree.Node, tree.File)
}
_FIELDS: dict[type[tree.Node], tuple[str, ...]] = {
    cls: tuple(f.name for f in attrs.fields(cls) if not f.kw_only) for cls in _CLASSES.values()
}


def flatten(file: tree.File) -> list[Any]:
    """`[classes, nodes, statements, comments]`; a node is `[class, start, length, field, …]`.

    Its start is told from that of the node before, a node in a field by how many nodes ago it was. Text and None stand
    for themselves, a rational is `{"q": [numerator, denominator]}`, a tuple a list. What a comment says is in the text.
    """
    classes = list(_CLASSES)
    number_of = {_CLASSES[name]: i for i, name in enumerate(classes)}
    numbers: dict[int, int] = {}
    nodes: list[list[Any]] = []
    before = 0
    waiting: list[tuple[tree.Node, bool]] = [(n, False) for n in (*file.statements[::-1], *file.comments)]
    while waiting:
        node, ready = waiting.pop()
        if id(node) in numbers:
            continue
        values = [getattr(node, name) for name in _FIELDS[type(node)]]
        if not ready:
            waiting.append((node, True))
            waiting.extend((child, False) for value in values for child in _children(value))
            continue
        here = numbers[id(node)] = len(nodes)
        start, end = node.span.start, node.span.end
        row: list[Any] = [number_of[type(node)], start - before, end - start]
        before = start
        if isinstance(node, tree.Member):
            name = node.name_span
            row += [_encode(node.object, numbers, here), node.name, name.start - start, name.end - name.start]
        elif not isinstance(node, tree.Comment):
            row += [_encode(v, numbers, here) for v in values]
        nodes.append(row)
    return [
        classes,
        nodes,
        [numbers[id(s)] for s in file.statements],
        [numbers[id(c)] for c in file.comments],
    ]


def unflatten(flat: Any, path: str, text: str) -> tree.File:
    """The tree that `flatten` gave. Raises ValueError, TypeError, LookupError or AttributeError on other data."""
    names, rows, statements, comments = flat
    classes = [_CLASSES[name] for name in names]
    member, comment = names.index("Member"), names.index("Comment")
    nodes: list[Any] = []
    start = 0
    for row in rows:
        kind = row[0]
        start += row[1]
        end = start + row[2]
        span = Span(path, start, end)
        if kind == member:
            at = start + row[5]
            nodes.append(tree.Member(nodes[-row[3]], row[4], name_span=Span(path, at, at + row[6]), span=span))
        elif kind == comment:
            nodes.append(tree.Comment(text[start:end].rstrip(), span=span))
        else:
            nodes.append(
                classes[kind](
                    *[v if v is None or v.__class__ is str else _decode(v, nodes) for v in row[3:]], span=span
                )
            )
    whole = Span(path, 0, len(text))
    return tree.File(path, tuple([nodes[i] for i in statements]), tuple([nodes[i] for i in comments]), text, span=whole)


def _children(value: Any) -> list[tree.Node]:
    if isinstance(value, tree.Node):
        return [value]
    return [v for v in value if isinstance(v, tree.Node)] if isinstance(value, tuple) else []


def _encode(value: Any, numbers: dict[int, int], here: int) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tree.Node):
        return here - numbers[id(value)]
    if isinstance(value, Fraction):
        return {"q": [value.numerator, value.denominator]}
    return [_encode(v, numbers, here) for v in value]


def _decode(value: Any, nodes: list[Any]) -> Any:
    kind = value.__class__
    if kind is int:
        return nodes[-value]
    if kind is list:
        return tuple([v if v.__class__ is str else _decode(v, nodes) for v in value])
    numerator, denominator = value["q"]
    return Fraction(numerator, denominator)
