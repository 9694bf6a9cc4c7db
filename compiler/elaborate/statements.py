"""Running blocks: bodies of networks, defs and operators, in the order of the text."""

from __future__ import annotations

from typing import Any

from cospace.compiler.elaborate import choices, guarded, loops
from cospace.compiler.elaborate.values import (
    BAD,
    Context,
    Function,
    Lazy,
    ListValue,
    Record,
    Scope,
    Stop,
    TensorType,
    describe,
    evolve,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Symbol
from cospace.compiler.space.model import Requirement
from cospace.dsl import tree
from cospace.dsl.diagnostics import Fix, Label, WayOut


def run_body(block: tree.Block, context: Context) -> Any:
    """Every statement once, in order; the value of the last expression, or None. Names land in `context.scope`."""
    value: Any = None
    counts = _bound_counts(block)
    for statement in block.statements:
        try:
            value = _run(statement, context, counts, statement is block.statements[-1])
        except Stop:
            value = BAD
            if isinstance(statement, tree.Bind):
                _spoil(statement, context.scope)
    return value


def run_block(block: tree.Block, context: Context) -> Any:
    """The value of a block: its last expression, else a record of its names."""
    before = set(context.scope.names)
    value = run_body(block, context)
    if value is BAD:
        raise Stop()
    if value is not None:
        return value
    return Record({k: v for k, v in context.scope.names.items() if k not in before and v is not BAD})


def _bound_counts(block: tree.Block) -> dict[str, int]:
    """How often each name is bound in a body; in a loop counts as often."""
    counts: dict[str, int] = {}
    stack: list[tuple[tree.Block, int]] = [(block, 1)]
    while stack:
        current, weight = stack.pop()
        for s in current.statements:
            if isinstance(s, tree.Bind):
                for t in s.targets:
                    if isinstance(t, tree.Name):
                        counts[t.id] = counts.get(t.id, 0) + weight
            elif isinstance(s, tree.Loop):
                stack.append((s.block, weight))
    return counts


def _run(s: tree.Statement, context: Context, counts: dict[str, int], last: bool) -> Any:
    if isinstance(s, tree.Bind):
        bind_names(s, context, lazily=False, counts=counts)
    elif isinstance(s, tree.Require):
        require(s, context)
    elif isinstance(s, tree.Loop):
        loops.run_loop(s, context, counts)
    elif isinstance(s, tree.Def):
        context.scope.names[s.name] = Function(s, context.scope)
    elif isinstance(s, tree.Yield):
        from cospace.compiler.elaborate.evaluate import evaluate

        value = evaluate(s.value, context.named(None))
        if last:
            return value
        if not _is_done(value):
            context.state.reporter.warn(
                "CS225", s.span, "this value goes nowhere", help="bind it to a name, or make it the last line"
            )
    elif isinstance(s, tree.Typed):
        raise context.fail(
            "CS226",
            s.span,
            f"`{s.name}: …` declares something given from outside",
            help="it belongs in an operator or a table",
        )
    else:
        raise context.fail("CS226", s.span, f"{_word(s)} does not belong here", help=_home(s))
    return None


def _is_done(value: Any) -> bool:
    """Whether a value needs no reader: a work that was asked for, or `none` where that is left out."""
    none = isinstance(value, Expr) and value.is_const and value.payload == Symbol("none")
    return none or (isinstance(value, Record) and value.kind == "work")


def _word(s: tree.Statement) -> str:
    """A statement as a sentence names it."""
    words = {
        tree.Rule: "on", tree.SpaceName: "space", tree.Assign: "by", tree.Bind: "=", tree.Loop: "for",
    }  # fmt: skip
    if isinstance(s, tree.Yield):
        return "`ask`" if isinstance(s.value, tree.Ask) else "a value that no name is given to"
    if isinstance(s, tree.Typed):
        return f"`{s.name}: …`"
    if isinstance(s, (tree.Policy, tree.Objective)):
        return f"`{s.kind if isinstance(s, tree.Policy) else s.sense}`"
    return f"`{words.get(type(s), type(s).__name__.lower())}`"


def _home(s: tree.Statement) -> str | None:
    """Where a statement belongs."""
    top = "stands at the top of the file"
    homes = {
        tree.Rule: "`on` belongs in an accelerator", tree.Objective: f"an objective {top}, or in a rule",
        tree.Assign: "`path by engine()` belongs in a search block", tree.Import: f"an import {top}",
        tree.Param: f"a param {top}", tree.SpaceName: "`space` stands first in the file", tree.Unit: f"a unit {top}",
        tree.Language: "`language` is the first line of the file", tree.Network: f"a network {top}",
        tree.Accelerator: f"an accelerator {top}", tree.Work: f"a kind of work {top}", tree.Table: f"a table {top}",
        tree.Policy: f"a block like this {top}", tree.Typed: "it belongs in an operator or a table",
        tree.Yield: "give it a name: `name = …`", tree.Def: f"a def {top}, or in an accelerator",
        tree.Part: "a part belongs in an accelerator",
    }  # fmt: skip
    return homes.get(type(s))


def nameless(target: tree.Expr, context: Context) -> Stop:
    """What stands before `=` is no name; one that is indexed may be meant for a name of this pass."""
    if not (isinstance(target, tree.Item) and isinstance(target.object, tree.Name)):
        return context.fail("CS226", target.span, "a name is needed before `=`")
    name = target.object.id
    context.scope.names.setdefault(name, BAD)
    context.scope.owner().scope.names.setdefault(name, BAD)
    if not context.indices:
        help = f"a list is written whole, `{name} = [a, b, c]`, or made by a loop: `for i in 1..3 {{ {name} = … }}`"
        return context.fail("CS226", target.span, "a name is needed before `=`", help=help)
    return context.fail(
        "CS226", target.span, f"each pass of a loop has a `{name}` of its own",
        help=WayOut(
            f"write `{name} = …`: it is `{name}` here, and `{name}[1]`, `{name}[2]`, … everywhere",
            Fix(target.span, name, f"write `{name}`"),
        ),
    )  # fmt: skip


def bind_names(s: tree.Bind, context: Context, lazily: bool, counts: dict[str, int] | None = None) -> None:
    """`a, b = expr`: the expression evaluated anew for each name."""
    for target in s.targets:
        if not isinstance(target, tree.Name):
            raise nameless(target, context)
        inner = context.named(target.id)
        once = counts is not None and counts.get(target.id, 0) == 1 and context.scope.find(target.id) is None
        if context.building is not None and once:
            inner = evolve(inner, direct=context.path(target.id))
        context.scope.names[target.id] = guarded.bound(s, target.id, inner, context)


def _spoil(s: tree.Bind, scope: Scope) -> None:
    for target in s.targets:
        if isinstance(target, tree.Name):
            scope.names[target.id] = BAD


def require(s: tree.Require, context: Context, origin: str = "written") -> None:
    """A requirement of the space, or of the rule being answered."""
    from cospace.compiler.elaborate.evaluate import boolean

    guard = boolean(s.guard, context) if s.guard is not None else TRUE
    if guard is FALSE and context.indices:
        return  # of a pass that is left out, such as the first, where `y[i - 1]` would be read
    value = TRUE if guard is FALSE else boolean(s.value, context.under(guard))
    whole = graph.both(context.guard, guard)
    if context.answering is not None:
        context.hangs_on(whole)  # for some numbers it is not asked at all
        if (asked := graph.implies(whole, value)) is not TRUE:
            context.answering.requirements.append((asked, s.reason, s.span))
        return
    reason = s.reason or source_of(s, context)
    if context.indices:
        reason += f" [{', '.join(context.indices)}]"
    context.state.requirements.append(Requirement(value, whole, reason, s.span, origin))


def source_of(s: tree.Require | tree.Objective, context: Context) -> str:
    """The text of a requirement without a reason."""
    text = context.scope.owner().file.text
    return " ".join(text[s.value.span.start : s.value.span.end].split())


def run_facts(block: tree.Block, context: Context) -> list[tuple[str, tuple[Expr, ...]]]:
    """The body of an operator: its `ask`s and requirements happen, its trainable tensors are returned."""
    from cospace.compiler.elaborate.evaluate import evaluate

    state: list[tuple[str, tuple[Expr, ...]]] = []
    for s in block.statements:
        if isinstance(s, tree.Typed):
            kind = evaluate(s.type, context)
            if not isinstance(kind, TensorType):
                raise context.fail(
                    "CS306", s.type.span, f"the state of an operator is a tensor, and this is {describe(kind)}"
                )
            state.append((s.name, tuple(kind.shape)))
        elif isinstance(s, tree.Bind):
            bind_names(s, context, lazily=False)
        elif isinstance(s, tree.Require):
            require(s, context, "contract")
        elif isinstance(s, tree.Yield):
            evaluate(s.value, context)
        else:
            raise context.fail(
                "CS226",
                s.span,
                f"{_word(s)} does not belong in an operator",
                labels=(Label(block.span, "an operator"),),
            )
    return state


__all__ = ["Lazy", "ListValue", "bind_names", "choices", "require", "run_block", "run_body", "run_facts"]
