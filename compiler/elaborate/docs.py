"""What the text says of its decisions: the string at the end of the statement that binds one."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve
from cospace.compiler.space.model import Decision
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span


def documented(decisions: Iterable[Decision], files: Iterable[tree.File]) -> tuple[Decision, ...]:
    """The decisions with the documentation of their statements; one that is a part of a larger value has none."""
    said = {span: doc for file in files for span, doc in _docs(file.statements)}
    return tuple(evolve(d, doc=said[d.span]) if d.span in said else d for d in decisions)


def _docs(statements: tuple[tree.Statement, ...]) -> Iterable[tuple[Span, str]]:
    pending = list(statements)
    while pending:
        s = pending.pop()
        if isinstance(s, tree.Bind) and s.doc is not None:
            value = s.value
            each = value.items[0] if isinstance(value, tree.ListOf) and len(value.items) == 1 else None
            node = each.value if isinstance(each, tree.Each) else value
            if isinstance(node, tree.Decision):
                yield node.span, s.doc
        block = getattr(s, "block", None)
        if isinstance(block, tree.Block):
            pending.extend(block.statements)
