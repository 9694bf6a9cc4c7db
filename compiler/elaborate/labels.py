"""Decisions of a file that go by their label: `cost = choose kind { … }` is read as `kind`, and what is told of others.

A name that something declares is never looked for here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cospace.compiler.elaborate import readings, ways_out
from cospace.compiler.elaborate.values import Context
from cospace.compiler.space import graph
from cospace.compiler.space.model import Decision, Variant
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.walk import children, walk


def labelled(name: str, span: Span, context: Context) -> Any | None:
    """What the decision with a label decides; None where no top-level statement of the file labels one so."""
    from cospace.compiler.elaborate.names import settle

    module = context.scope.owner()
    known: dict[str, dict[str, list[str]]] = context.state.groups.setdefault("labels", {})
    if module.key not in known:
        known[module.key] = _labels(module.file)
    for target in known[module.key].get(name, ()):
        if target in module.scope.names:
            settle(module.scope, target, span, context)
    every: list[Decision | Variant] = [*context.state.decisions, *context.state.variants]
    for d in every:
        if d.path == name:
            return _read(d, span, context)
    return None


def _labels(file: tree.File) -> dict[str, list[str]]:
    """Label -> the names of the top-level statements whose decisions have it."""
    found: dict[str, list[str]] = {}
    for s in file.statements:
        if isinstance(s, tree.Bind):
            names = [t.id for t in s.targets if isinstance(t, tree.Name)]
            for label in dict.fromkeys(n.label for n in walk(s.value) if isinstance(n, tree.Decision)):
                if label is not None:
                    found.setdefault(label, []).extend(names)
    return found


def _read(d: Decision | Variant, span: Span, context: Context) -> Any:
    from cospace.compiler.elaborate.members import implied

    if not implied(d.guard, context):
        raise context.fail(
            "CS209", span, f"`{d.path}` does not exist in every design that reads it here",
            help=ways_out.behind(d.path, context),
        )  # fmt: skip
    return readings.read(graph.var(d.path, d.type), context)


def where(name: str, context: Context) -> str | None:
    """How a name that means nothing by itself is read, where a decision or an alternative of the file has it."""
    for s in context.scope.owner().file.statements:
        if not (isinstance(s, tree.Bind) and len(s.targets) == 1 and isinstance(s.targets[0], tree.Name)):
            continue
        bound = s.targets[0].id
        for path, node in _decisions(s.value, bound, ""):
            inside = path.rpartition(".")[2] == name and path != name
            taken = isinstance(node.domain, tree.SetOf) and any(a.name == name for a in node.domain.alternatives)
            if not inside and not taken:
                continue
            root, _, below = path.partition(".")
            told = f"give it one, `{root} = choose kind {{ … }}`, " if root == bound else ""
            full = f"kind.{below}".rstrip(".") if told else path
            if inside:
                above, alternative, _ = full.rsplit(".", 2)
                asked = f"`{full}` behind `when {above} == {alternative}`"
            else:
                asked = f"`{full} == {name}`"
            return f"an alternative, and what is decided in it, go by the decision's label: {told}read {asked}"
    return None


def _decisions(node: tree.Node, bound: str | None, above: str) -> Iterator[tuple[str, tree.Decision]]:
    """The decisions inside, with their paths; those without a name are left out."""
    if isinstance(node, tree.Decision):
        own = node.label or bound
        if own is not None:
            yield f"{above}{own}", node
            for a in node.domain.alternatives if isinstance(node.domain, tree.SetOf) else ():
                if a.name is not None:
                    yield from _decisions(a.value, a.name, f"{above}{own}.{a.name}.")
        return
    for inner in children(node):
        yield from _decisions(inner, bound, above)


__all__ = ["labelled", "where"]
