"""Names by where they stand in a text: what declares them, and which of it is in sight at a place.

Inner names hide outer ones. In the body of a network or a `def` a name that is bound again stays one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from attrs import frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.load import UNITS, Loaded
from cospace.dsl.source import word_span
from cospace.dsl.walk import children, walk
from cospace.lsp.symbols import declared


@frozen
class Declared:
    """A name's declaration. node: the statement, parameter, binder, label or member that makes it, the file for an
    import."""

    name: str
    node: tree.Node
    file: tree.File

    @property
    def span(self) -> Span:
        """Where the name itself is written."""
        if isinstance(self.node, tree.File):
            return Span(self.file.path, 0, 0)
        if isinstance(self.node, tree.Bind):
            for target in self.node.targets:
                if isinstance(target, tree.Name) and target.id == self.name:
                    return target.span
        return word_span(self.file.text, self.node.span, self.name)


Trail = list[tree.Node]
"""The nodes around a place, from the file inwards."""


def trail(file: tree.File, offset: int) -> Trail:
    found: Trail = []
    inner: tree.Node | None = file
    while inner is not None:
        found.append(inner)
        around = [c for c in children(inner) if c.span.start <= offset <= c.span.end]
        inner = next((c for c in around if offset < c.span.end), around[0] if around else None)
    return found


def trail_to(node: tree.Node, file: tree.File) -> Trail:
    """The nodes around a node, itself the last."""
    found = trail(file, node.span.start)
    at = next((k for k, n in enumerate(found) if n is node), len(found) - 1)
    return found[: at + 1]


def own(statement: tree.Statement) -> tuple[str, ...]:
    """The names that can be read where a statement stands; a rule, a loop and a space give none."""
    if isinstance(statement, tree.Typed):
        return (statement.name,)
    return () if isinstance(statement, tree.Rule | tree.Loop | tree.SpaceName) else declared(statement)


def declares(node: tree.Node) -> Iterator[tuple[str, tree.Node]]:
    """(name, declaring node) for all that a node makes visible inside itself."""
    for one in (*(getattr(node, "parameters", None) or ()), *(getattr(node, "indices", None) or ())):
        yield one.name, one
    block = getattr(node, "block", None)
    for s in block.statements if isinstance(block, tree.Block) and not isinstance(node, tree.Policy) else ():
        yield from ((name, s) for name in own(s))
    if isinstance(node, tree.Def):
        yield from _sizes(node)
    for binder in (getattr(node, "binder", None), getattr(node, "over", None)):
        if isinstance(binder, tree.Binder):
            yield binder.name, binder


def _sizes(node: tree.Def) -> Iterator[tuple[str, tree.Node]]:
    """The names that the types of parameters bind: `v` and `f` of `x: tensor[v, f]`."""
    known = {p.name for p in node.parameters}
    for p in node.parameters:
        for size in p.type.items if isinstance(p.type, tree.Item) else ():
            if isinstance(size, tree.Name) and size.id not in known:
                known.add(size.id)
                yield size.id, size


def lexical(
    name: str, around: Trail, file: tree.File, loaded: Loaded, offset: int, dotted: bool = False
) -> Declared | None:
    """What a bare name means at a place; of one bound again and again, the last binding above.

    dotted: a dot follows, before which an import comes first.
    """
    for node in reversed(around):
        found = [n for own_name, n in declares(node) if own_name == name]
        if found:
            above = [n for n in found if n.span.start <= offset] or found[:1]
            return Declared(name, above[-1], file)
    made = inside(file).get(name)
    return in_file(name, file) or imported(name, file, loaded, dotted) or (
        Declared(name, made, file) if made is not None else None
    )  # fmt: skip


def first_binding(found: Declared) -> Declared:
    """The first of the statements that bind one name again and again in the body of a network or a `def`."""
    around = trail_to(found.node, found.file)[:-1]
    if not isinstance(found.node, tree.Bind):
        return found
    best = found
    for node in reversed(around):
        if isinstance(node, tree.Block):
            continue
        if not isinstance(node, tree.Loop | tree.Network | tree.Def):
            break
        here = next((n for name, n in declares(node) if name == found.name and not isinstance(n, tree.Binder)), None)
        if here is not None:
            best = Declared(found.name, here, found.file)
        if not isinstance(node, tree.Loop):
            break
    return best


def in_file(name: str, file: tree.File) -> Declared | None:
    return next((Declared(name, s, file) for s in file.statements if name in own(s)), None)


@lru_cache(maxsize=16)
def inside(file: tree.File) -> dict[str, tree.Node]:
    """What is read at the top of a file though it is made inside a statement: what loops bind, and labels."""
    found: dict[str, tree.Node] = {}
    pending: list[tree.Statement] = [s for s in file.statements if isinstance(s, tree.Loop | tree.Bind)]
    for s in pending:
        if isinstance(s, tree.Loop):
            pending += s.block.statements
            continue
        for name in own(s) if s not in file.statements else ():
            found.setdefault(name, s)
    for s in pending:
        for node in walk(s.value) if isinstance(s, tree.Bind) else ():
            if isinstance(node, tree.Decision) and node.label is not None:
                found.setdefault(node.label, node)
    return found


def modules(file: tree.File, loaded: Loaded) -> list[tuple[str, tree.File]]:
    """The imports of a file that could be read, by the name they have there."""
    imports = [s for s in file.statements if isinstance(s, tree.Import)]
    return [(s.alias or s.path[-1], m) for s in imports if (m := loaded.module_of(file, s)) is not None]


def imported(name: str, file: tree.File, loaded: Loaded, dotted: bool = False) -> Declared | None:
    """The one import that declares a bare name, a module by its own name, a unit; before a dot the module first."""
    here = modules(file, loaded)
    module = next((Declared(name, m, m) for alias, m in here if alias == name), None)
    if dotted and module is not None:
        return module
    found = {id(m): d for _, m in here if (d := in_file(name, m)) is not None}
    if found:
        return next(iter(found.values())) if len(found) == 1 else None
    if module is not None:
        return module
    return unit_in(name, loaded.modules.get(UNITS))


def unit(name: str, file: tree.File, loaded: Loaded) -> Declared | None:
    """The unit that a word after a number names."""
    for source in (file, *(m for _, m in modules(file, loaded)), loaded.modules.get(UNITS)):
        found = unit_in(name, source)
        if found is not None and isinstance(found.node, tree.Unit):
            return found
    return None


def unit_in(name: str, file: tree.File | None) -> Declared | None:
    return in_file(name, file) if file is not None else None
