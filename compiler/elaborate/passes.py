"""Reading what a loop at the top of a file binds: `y[2]` is what `y` was in pass 2, `y` the list of all passes.

In the loop itself a bare name is that of its own pass, as `z[i]` is, and `z[i - 1]` that of the pass before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen
from cospace.compiler.elaborate import members, paths, readings
from cospace.compiler.elaborate.guarded import Guarded
from cospace.compiler.elaborate.values import BAD, Context, Gathered, Stop
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import Decision, Variant
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.walk import walk

Made = Mapping[tuple[str, ...], tuple[Any, Expr]]
"""Indices of a pass -> a value there, and when the pass is run."""


@frozen(eq=False, repr=False)
class Passes(Gathered):
    """What a name is in each pass of its loop."""

    name: str = ""
    made: Made = field(factory=dict)


@frozen(eq=False, repr=False)
class Earlier:
    """What a name was in the passes so far, for a loop that is being run: no list, as more may come."""

    name: str
    made: Made
    noun: str = "what the passes so far made"


TWICE = object()
"""Instead of a value: two loops bind the name in passes of the same index."""


def keep(bound: Mapping[str, Any], context: Context) -> None:
    """Note what a pass bound; `context` is that of its body."""
    for name, value in bound.items():
        guard = context.guard
        if isinstance(value, Guarded):
            value, guard = value.value, graph.both(guard, value.guard)
        made = context.state.passes.setdefault(name, {})
        made[context.indices] = (TWICE if context.indices in made else value), guard


def run_once(s: tree.Loop, context: Context) -> None:
    """A loop at the top of a file, where it was not run for one who reads what it binds."""
    from cospace.compiler.elaborate.loops import run_loop

    if id(s) not in context.state.ran:
        context.state.ran[id(s)] = False
        before, context.state.reporter.owner = context.state.reporter.owner, s
        try:
            run_loop(s, context)
        finally:
            context.state.reporter.owner = before
            context.state.ran[id(s)] = True


def passed(name: str, span: Span, context: Context) -> Passes | Earlier | None:
    """What loops at the top of the file bind to a name, or decide under that label; None where none does."""
    module, state = context.scope.owner(), context.state
    holders = [s for s in module.file.statements if isinstance(s, tree.Loop) and name in set(_names(s))]
    for s in holders:
        run_once(s, Context(state, module.scope))
    made: Made = state.passes.get(name) or _decided(name, context)
    if not holders or (not made and all(state.ran[id(s)] for s in holders)):
        return None
    if not all(state.ran[id(s)] for s in holders):
        return Earlier(name, made)
    if any(value is BAD for value, _ in made.values()):
        raise Stop()
    if any(value is TWICE for value, _ in made.values()):
        said = f"`{name}` is bound by several loops in passes of one index, so that no list tells them apart"
        raise context.fail("CS202", span, said, help="give it another name in one of them")
    return Passes(tuple((value, guard, members.ONE) for value, guard in made.values()), name, name, made)


def _names(s: tree.Loop) -> Iterator[str]:
    """What a loop binds in its passes, and the labels of its decisions."""
    for node in walk(s):
        if isinstance(node, tree.Bind):
            yield from (t.id for t in node.targets if isinstance(t, tree.Name))
        elif isinstance(node, tree.Decision) and node.label is not None:
            yield node.label


def _decided(label: str, context: Context) -> Made:
    """The decisions that go by a label in the passes of a loop."""
    every: list[Decision | Variant] = [*context.state.decisions, *context.state.variants]
    return {
        tuple(str(paths.segments(d.path)[0][2]).split(", ")): (
            readings.read(graph.var(d.path, d.type), context), d.guard
        )
        for d in every
        if paths.instance(d.path, label) and paths.segments(d.path)[0][2] is not None
    }  # fmt: skip


def item(owner: Passes | Earlier, keys: tuple[str, ...], index: Expr | None, span: Span, context: Context) -> Any:
    """What a name was in the pass that `keys` name; index: the only one as a number, where it is none yet."""
    if keys in owner.made:
        value, guard = owner.made[keys]
        if value is BAD:
            raise Stop()
        if not members.implied(guard, context):
            said = f"`{owner.name}[{', '.join(keys)}]` does not exist in every design that reads it here"
            help = "read it behind a `when` or an `if` that makes sure of it"
            raise context.fail("CS209", span, said, help=help)
        return value
    if keys == context.indices and (scope := context.scope.find(owner.name)) is not None:
        from cospace.compiler.elaborate.names import settle

        return settle(scope, owner.name, span, context)  # of its own pass
    shown = ", ".join(f"`{owner.name}[{', '.join(k)}]`" for k in list(owner.made)[:6]) or "none so far"
    shown += ", …" if len(owner.made) > 6 else ""
    if index is not None and not index.is_const:
        if isinstance(owner, Earlier) or list(owner.made) != [(str(k),) for k in range(1, len(owner.made) + 1)]:
            said = f"which pass of the loop this reads is searched, and only passes 1 to n can be read so: {shown}"
            raise context.fail("CS212", span, said)
        return members.pick([(v, g) for v, g, _ in owner.items], index, span, context)
    early = isinstance(owner, Earlier)
    said = f"`{owner.name}[{', '.join(keys)}]` is {'not made yet' if early else 'made by no pass of its loop'}"
    help = f"there {'is' if len(owner.made) < 2 else 'are'} {shown}" + (" here" if early else "")
    raise context.fail("CS213", span, said, help=help)


__all__ = ["Earlier", "Passes", "item", "keep", "passed", "run_once"]
