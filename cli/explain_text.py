"""What only a spec's text declares: units, formulas, tables, params of imports, values that are no numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cospace.compiler.elaborate.values import Context, Module
    from cospace.compiler.space.model import Space
    from cospace.dsl import tree


def declared(name: str, context: Context) -> tuple[tree.Statement, Any] | None:
    """The statement that declares a name, `area` or `mem.bank`, and its value. context: in which it was compiled."""
    module = context.scope.owner()
    above, _, word = name.rpartition(".")
    if above:
        found = module.imports.get(above)
        return None if found is None else _in(found, word, context)
    holders = [module, *(m for alias, m in module.imports.items() if alias[0] != "$" and word in m.scope.names)]
    return next((d for d in (_in(m, word, context) for m in holders) if d is not None), None)


def names(space: Space) -> list[str]:
    """The names that the text of a space declares at its top."""
    return [] if space.origin is None else [n for s in space.origin.loaded.root.statements for n in _names(s)]


def _in(module: Module, word: str, context: Context) -> tuple[tree.Statement, Any] | None:
    from cospace.compiler.elaborate.names import settle
    from cospace.compiler.elaborate.values import Stop

    for s in module.file.statements:
        if word in _names(s) and word in module.scope.names:
            try:
                return s, settle(module.scope, word, s.span, context)
            except Stop:
                return None
    return None


def _names(s: tree.Statement) -> Iterator[str]:
    from cospace.dsl import tree

    if isinstance(s, tree.Bind):
        yield from (t.id for t in s.targets if isinstance(t, tree.Name))
    elif isinstance(s, (tree.Param, tree.Unit, tree.Def, tree.Table)):
        yield s.name


__all__ = ["declared", "names"]
