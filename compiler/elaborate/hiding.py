"""Names that hide others: a loop's, a comprehension's, a part's index or a parameter called like a value of the file.

A warning (CS246), for what is meant is often the outer one. Only trees are looked at. Statements that bind a name anew
(`x = relu(x)`, the `cycles` of a rule beside those of its accelerator) are what blocks are for, and say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Reporter, Span
from cospace.dsl.source import word_span
from cospace.dsl.walk import children


@frozen
class Bound:
    """A name that is bound, where, and what it is in a word. inside: the one of this name that is bound around it."""

    name: str
    span: Span
    what: str
    inside: Bound | None = None

    def moved(self, by: int) -> Bound:
        """The same as it stands `by` signs later."""
        span = Span(self.span.file, self.span.start + by, self.span.end + by)
        return evolve(self, span=span, inside=self.inside and self.inside.moved(by))


@frozen
class Names:
    """What one statement of a file binds: for the whole file (`outer`), and for what is inside of it."""

    outer: tuple[Bound, ...]
    inner: tuple[Bound, ...]

    def moved(self, by: int) -> Names:
        """The same as they stand `by` signs later."""
        return Names(*(tuple([b.moved(by) for b in each]) for each in (self.outer, self.inner))) if by else self


def names_of(s: tree.Statement, text: str) -> Names:
    """The names of a statement of a file with this text."""
    outer: list[Bound] = []
    if isinstance(s, tree.Param):
        outer.append(Bound(s.name, word_span(text, s.span, s.name), "param"))
    elif isinstance(s, tree.Bind):
        outer += [Bound(t.id, t.span, "name") for t in s.targets if isinstance(t, tree.Name)]
    inner: list[Bound] = []
    pending: list[tuple[tree.Node, dict[str, Bound]]] = [(s, {})]
    while pending:
        node, around = pending.pop()
        for name, span, what in _binders(node, text):
            found = Bound(name, span, what, around.get(name))
            inner.append(found)
            around = {**around, name: found}
        pending.extend([(child, around) for child in children(node)])
    return Names(tuple(outer), tuple(inner))


def warn_hidden(names: Iterable[Names], reporter: Reporter) -> None:
    """Report every name of a file that hides a value which is bound outside of it. names: of its statements."""
    names = list(names)
    outer = {b.name: b for each in names for b in each.outer}
    for each in names:
        for b in each.inner:
            hidden = b.inside or outer.get(b.name)
            if hidden is not None:
                reporter.warn(
                    "CS246", b.span, f"the {b.what} `{b.name}` hides the {hidden.what} `{b.name}`",
                    help="give it another name, if the outer one is meant anywhere inside",
                    labels=(Label(hidden.span, "this is hidden"),),
                )  # fmt: skip


def _binders(node: tree.Node, text: str) -> list[tuple[str, Span, str]]:
    """The names that a node binds for what is inside of it."""
    if isinstance(node, tree.Loop):
        return [(node.binder.name, word_span(text, node.binder.span, node.binder.name), "loop's name")]
    if isinstance(node, tree.Each) and isinstance(node.over, tree.Binder):
        return [(node.over.name, word_span(text, node.over.span, node.over.name), "comprehension's name")]
    if isinstance(node, tree.Part):
        return [(b.name, word_span(text, b.span, b.name), "index") for b in node.indices]
    if isinstance(node, tree.Network) and node.block is None:
        return []  # its parameters are a file's names
    if isinstance(node, tree.Def | tree.Network | tree.Accelerator):
        return [(p.name, word_span(text, p.span, p.name), "parameter") for p in node.parameters or ()]
    return []
