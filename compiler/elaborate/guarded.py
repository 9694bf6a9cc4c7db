"""Names that exist under a condition: `x = e when g`. Reading one is an error unless the place makes sure of it."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from cospace.compiler.elaborate.values import Context, one_of
from cospace.compiler.space.graph import FALSE, TRUE, Expr
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span


@frozen(eq=False, repr=False)
class Guarded:
    """A value and when it exists; None where the condition never holds."""

    name: str
    value: Any
    guard: Expr
    span: Span

    def read(self, span: Span, context: Context) -> Any:
        from cospace.compiler.elaborate import members

        if self.guard is not FALSE and members.implied(self.guard, context):
            return self.value
        raise context.fail(
            "CS209", span, f"`{self.name}` does not exist in every design that reads it here",
            help="read it behind a `when` or an `if` that makes sure of what its own `when` asks",
            labels=(Label(self.span, "it exists only when this holds"),),
        )  # fmt: skip


def bound(s: tree.Bind, name: str, inner: Context, context: Context) -> Any:
    """What a binding gives its name; `inner` is where the value stands, `context` where its `when` does."""
    from cospace.compiler.elaborate.evaluate import boolean, evaluate

    if s.guard is None:
        return one_of(evaluate(s.value, inner))
    guard = boolean(s.guard, context)
    value = None if guard is FALSE else one_of(evaluate(s.value, inner.under(guard)))
    if guard is TRUE or (context.answering is not None and guard is not FALSE):
        return value
    return Guarded(name, value, guard, s.guard.span)


def unguarded(value: Any, span: Span, context: Context) -> Any:
    """The value itself, where it may be read here."""
    return value.read(span, context) if isinstance(value, Guarded) else value
