"""What the name under the cursor means: the place that declares it, in this file or one it imports.

Follows the text, not the values: a field of what a call gives is not found. Inner names hide outer ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
from attrs import frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.load import UNITS, Loaded
from cospace.dsl.source import word_span
from cospace.lsp.symbols import declared

_OWNERS = (tree.Accelerator, tree.Part, tree.Policy, tree.Network)


@frozen
class Declared:
    """A name's declaration. node: the statement, parameter or binder that makes it, the file for an import."""

    name: str
    node: tree.Node
    file: tree.File

    @property
    def span(self) -> Span:
        """Where the name itself is written."""
        if isinstance(self.node, tree.File):
            return Span(self.file.path, 0, 0)
        return word_span(self.file.text, self.node.span, self.name)


def find(loaded: Loaded, offset: int) -> Declared | None:
    """The declaration of the name at an offset of the root file; None where none is known."""
    file = loaded.root
    trail = list(_trail(file, offset))
    for at in range(len(trail) - 1, -1, -1):
        node = trail[at]
        if isinstance(node, tree.Name):
            return _name(node.id, trail[:at], file, loaded, offset)
        if isinstance(node, tree.Member) and node.name_span.start <= offset <= node.name_span.end:
            return _member(node, trail[:at], file, loaded, offset)
        if isinstance(node, tree.Import):
            module = loaded.module_of(file, node)
            return Declared(node.path[-1], module, module) if module is not None else None
        if isinstance(node, tree.Parameter | tree.Binder) and _on(node.name, node, file, offset):
            return Declared(node.name, node, file)
        for name in declared(node) if isinstance(node, tree.Statement) else ():
            if Declared(name, node, file).span.start <= offset <= Declared(name, node, file).span.end:
                return Declared(name, node, file)
    return None


def occurrences(loaded: Loaded, wanted: Declared) -> list[Span]:
    """Where the root file says a name that this declares, its declaration there among them."""
    target = wanted.span
    word = re.compile(rf"\b{re.escape(wanted.name)}\b")
    found = [(m, find(loaded, m.start())) for m in word.finditer(loaded.root.text)]
    return [Span(loaded.root.path, m.start(), m.end()) for m, d in found if d is not None and d.span == target]


def resolve(words: list[str], loaded: Loaded, offset: int) -> Declared | None:
    """The declaration of a dotted name as it would be read at an offset of the root file."""
    trail = list(_trail(loaded.root, offset))
    path: tree.Expr = tree.Name(words[0])
    for word in words[1:]:
        path = tree.Member(path, word)
    if isinstance(path, tree.Member):
        return _member(path, trail, loaded.root, loaded, offset)
    return _name(words[0], trail, loaded.root, loaded, offset)


def members(owner: Declared) -> Iterator[Declared]:
    """What stands after the dot of a module, an accelerator, a part, a policy or a network."""
    node = owner.node
    block = node.block if isinstance(node, _OWNERS) else None
    statements = node.statements if isinstance(node, tree.File) else block.statements if block is not None else ()
    for s in statements:
        yield from (Declared(name, s, owner.file) for name in _own(s))


def in_sight(loaded: Loaded, offset: int) -> Iterator[Declared]:
    """Every name that can be read at an offset of the root file, the nearest first."""
    file = loaded.root
    for node in reversed(list(_trail(file, offset))):
        yield from (Declared(name, n, file) for name, n in _declares(node))
    yield from members(Declared("", file, file))
    modules = [(s, m) for s in file.statements if isinstance(s, tree.Import) and (m := loaded.module_of(file, s))]
    yield from (Declared(s.alias or s.path[-1], m, m) for s, m in modules)
    for _, module in modules:
        yield from members(Declared("", module, module))


def _on(name: str, node: tree.Node, file: tree.File, offset: int) -> bool:
    span = Declared(name, node, file).span
    return span.start <= offset <= span.end


def _name(name: str, trail: list[tree.Node], file: tree.File, loaded: Loaded, offset: int) -> Declared | None:
    for node in reversed(trail):
        found = [d for d in _declares(node) if d[0] == name]
        if found:
            # of a name bound again and again, the last binding above
            above = [n for _, n in found if n.span.start <= offset] or [found[0][1]]
            return Declared(name, above[-1], file)
    return _in_file(name, file) or _imported(name, file, loaded)


def _in_file(name: str, file: tree.File) -> Declared | None:
    return next((Declared(name, s, file) for s in file.statements if name in _own(s)), None)


def _imported(name: str, file: tree.File, loaded: Loaded) -> Declared | None:
    """A module by its name, else the one import that declares a bare name, else a unit."""
    modules = []
    for s in file.statements:
        if isinstance(s, tree.Import) and (module := loaded.module_of(file, s)) is not None:
            if (s.alias or s.path[-1]) == name:
                return Declared(name, module, module)
            modules.append(module)
    found = [d for m in modules if (d := _in_file(name, m)) is not None]
    if found:
        return found[0] if len(found) == 1 else None
    units = loaded.modules.get(UNITS)
    return _in_file(name, units) if units is not None else None


def _member(node: tree.Member, trail: list[tree.Node], file: tree.File, loaded: Loaded, offset: int) -> Declared | None:
    owner: Declared | None = None
    if isinstance(node.object, tree.Name):
        owner = _name(node.object.id, trail, file, loaded, offset)
    elif isinstance(node.object, tree.Member):
        owner = _member(node.object, trail, file, loaded, offset)
    if owner is None:
        return None
    if isinstance(owner.node, tree.File):
        return _in_file(node.name, owner.node)
    if isinstance(owner.node, _OWNERS) and owner.node.block is not None:
        inside = [s for s in owner.node.block.statements if node.name in _own(s)]
        return Declared(node.name, inside[0], owner.file) if inside else None
    return None


def _own(statement: tree.Statement) -> tuple[str, ...]:
    """The names that can be read where a statement stands; a rule, a loop and a space give none."""
    return () if isinstance(statement, tree.Rule | tree.Loop | tree.SpaceName) else declared(statement)


def _declares(node: tree.Node) -> Iterator[tuple[str, tree.Node]]:
    """(name, declaring node) for all that a node makes visible inside itself."""
    block = getattr(node, "block", None)
    for s in block.statements if isinstance(block, tree.Block) else ():
        yield from ((name, s) for name in _own(s))
    inner = (*(getattr(node, "parameters", None) or ()), *(getattr(node, "indices", None) or ()))
    for one in inner:
        yield one.name, one
    for binder in (getattr(node, "binder", None), getattr(node, "over", None)):
        if isinstance(binder, tree.Binder):
            yield binder.name, binder


def _trail(node: tree.Node, offset: int) -> Iterator[tree.Node]:
    """The nodes around an offset, from the file inwards."""
    inner: tree.Node | None = node
    while inner is not None:
        yield inner
        inner = next((c for c in _children(inner) if c.span.start <= offset <= c.span.end), None)


def _children(node: tree.Node) -> list[tree.Node]:
    found: list[tree.Node] = []
    for field in attrs.fields(type(node)):
        value = getattr(node, field.name)
        found += [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, tree.Node)]
    return [c for c in found if not isinstance(c, tree.Comment)]
