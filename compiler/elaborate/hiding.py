"""Names that hide others: a loop's, a comprehension's, a part's index or a parameter called like a value of the file.

A warning (CS246), for what is meant is often the outer one. Only trees are looked at. Statements that bind a name anew
(`x = relu(x)`, the `cycles` of a rule beside those of its accelerator) are what blocks are for, and say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Reporter, Span
from cospace.dsl.source import word_span
from cospace.dsl.walk import children

_Known = Mapping[str, tuple[Span, str]]
"""Name -> where it is bound, and what it is in a word."""


def warn_hidden(file: tree.File, reporter: Reporter) -> None:
    """Report every name of a file that hides a value which is bound outside of it."""
    outer: dict[str, tuple[Span, str]] = {}
    for s in file.statements:
        if isinstance(s, tree.Param):
            outer[s.name] = (word_span(file.text, s.span, s.name), "param")
        elif isinstance(s, tree.Bind):
            for t in s.targets:
                if isinstance(t, tree.Name):
                    outer[t.id] = (t.span, "name")
    pending: list[tuple[tree.Node, _Known]] = [(s, outer) for s in file.statements]
    while pending:
        node, known = pending.pop()
        for name, span, what in _binders(node, file.text):
            if name in known:
                where, kind = known[name]
                reporter.warn(
                    "CS246", span, f"the {what} `{name}` hides the {kind} `{name}`",
                    help="give it another name, if the outer one is meant anywhere inside",
                    labels=(Label(where, "this is hidden"),),
                )  # fmt: skip
            known = {**known, name: (span, what)}
        pending.extend((child, known) for child in children(node))


def _binders(node: tree.Node, text: str) -> list[tuple[str, Span, str]]:
    """The names that a node binds for what is inside of it."""
    if isinstance(node, tree.Loop):
        return [(node.binder.name, word_span(text, node.binder.span, node.binder.name), "loop's name")]
    if isinstance(node, tree.Each) and isinstance(node.over, tree.Binder):
        return [(node.over.name, word_span(text, node.over.span, node.over.name), "comprehension's name")]
    if isinstance(node, tree.Part):
        return [(b.name, word_span(text, b.span, b.name), "index") for b in node.indices]
    if isinstance(node, tree.Def | tree.Network | tree.Accelerator):
        return [(p.name, word_span(text, p.span, p.name), "parameter") for p in node.parameters or ()]
    return []
