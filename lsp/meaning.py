"""What an expression is where it stands: its kind, its unit, its value where it is constant. Asked of the elaborator.

Only what the names at the top of a file and inside its accelerators tell; inside networks, rules and `def`s a name has
another value for each call, and nothing is said.
"""

from __future__ import annotations

import logging
from typing import Any

from attrs import evolve
from cospace.compiler.elaborate.evaluate import evaluate
from cospace.compiler.elaborate.names import force, symbols_of
from cospace.compiler.elaborate.values import (
    Bad,
    Chosen,
    Context,
    Function,
    Gathered,
    Instance,
    Lazy,
    Listed,
    Module,
    Parts,
    PerLayer,
    Record,
    State,
    Stop,
    UnitValue,
    describe,
    encloses,
    is_number,
)
from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.model import spell
from cospace.compiler.space.units import COMMON, show_in, show_quantity, show_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter, Span
from cospace.dsl.parse import parse
from cospace.dsl.walk import walk
from cospace.lsp.analysis import Analysis
from cospace.lsp.scopes import lexical, trail, trail_to

_VARYING = (tree.Network, tree.Def, tree.Rule, tree.Loop, tree.Work, tree.Each, tree.Table)

log = logging.getLogger(__name__)


def value_of(expr: tree.Expr, offset: int, analysis: Analysis) -> Any | None:
    """What an expression is at an offset of the document; None where that isn't known."""
    context = _place(offset, analysis)
    if context is None or not _steady(expr, offset, analysis):
        return None
    try:
        return evaluate(expr, evolve(context, state=_apart(context.state), hint=None))
    except (Stop, RecursionError):
        return None
    except Exception:  # a half-typed text may leave values half made; a question must not end the session
        log.debug("no value at %d", offset, exc_info=True)
        return None


def value_of_text(text: str, offset: int, analysis: Analysis) -> Any | None:
    """As `value_of`, of an expression given as text."""
    expr = expression(text)
    return None if expr is None else value_of(expr, offset, analysis)


def expression(text: str) -> tree.Expr | None:
    reporter = Reporter()
    statements = parse(f"value = {text}\n", "expression", reporter).statements
    bind = statements[0] if len(statements) == 1 and not reporter.failed else None
    return bind.value if isinstance(bind, tree.Bind) else None


def _place(offset: int, analysis: Analysis) -> Context | None:
    """Where an offset stands: inside an accelerator that was made, else at the top of the file."""
    top = analysis.compiled.context
    if top is None:
        return None
    here = Span(analysis.compiled.loaded.root.path, offset, offset)
    inside = [i for i in top.state.instances if encloses(i.declaration.span, here)]
    inner = min(inside, key=lambda i: i.declaration.span.end - i.declaration.span.start, default=None)
    return top if inner is None else inner.context.at(inner.scope)


def _apart(state: State) -> State:
    """The same findings, to which a question adds nothing."""
    return evolve(
        state, reporter=Reporter(), decisions=list(state.decisions), requirements=[], domains=dict(state.domains),
        works=list(state.works), groups=dict(state.groups), constants={}, params=[],
    )  # fmt: skip


def _steady(expr: tree.Expr, offset: int, analysis: Analysis) -> bool:
    """Whether every name in an expression has one value only."""
    loaded = analysis.compiled.loaded
    around = trail(loaded.root, offset)
    for node in walk(expr):
        if isinstance(node, tree.Decision | tree.Each | tree.Ask):
            return False
        if isinstance(node, tree.Name):
            found = lexical(node.id, around, loaded.root, loaded, offset)
            if found is not None and not isinstance(found.node, tree.File):
                outer = trail_to(found.node, found.file)[:-1]
                if any(isinstance(n, _VARYING) for n in outer):
                    return False
    return True


def peek(name: str, offset: int, analysis: Analysis) -> Any | None:
    """What a name in sight is, where that was found out already."""
    context = _place(offset, analysis)
    if context is None:
        return None
    scope = context.scope.find(name)
    held = [scope] if scope is not None else [m.scope for m in context.scope.owner().imports.values()]
    value = next((s.names[name] for s in held if name in s.names), None)
    return None if isinstance(value, Lazy | Bad) else value


def unit_of(value: Any) -> Dimension | None:
    """The dimension of a number, or of each of a list of numbers; None for anything else."""
    if isinstance(value, UnitValue):
        return value.scale.type.unit
    if is_number(value):
        return value.type.unit  # type: ignore[no-any-return]
    if isinstance(value, Gathered) and value.items and is_number(value.items[0][0]):
        return unit_of(value.items[0][0])
    if isinstance(value, PerLayer) and value.copies:
        return unit_of(next(iter(value.copies.values())))
    return None


def symbols(value: Any, analysis: Analysis) -> list[str]:
    """The symbols that a value may be, in declared order where it is one decision."""
    top = analysis.compiled.context
    if isinstance(value, Chosen):
        return list(value.labels)
    if isinstance(value, Gathered) and value.items:
        return symbols(value.items[0][0], analysis)
    if isinstance(value, PerLayer) and value.copies:
        return symbols(next(iter(value.copies.values())), analysis)
    if isinstance(value, Listed):
        return sorted({str(v.value) for option in value.options for v in option if v.type.kind == "symbol"})
    if top is None or not isinstance(value, Expr) or value.type.kind not in ("symbol", "bool"):
        return []
    if value.type.kind == "bool":
        return ["true", "false"]
    domain = top.state.domains.get(str(value.payload)) if value.op == "var" else None
    return [str(v) for v in domain] if domain else sorted(symbols_of(value, top) or ())


def attributes(value: Any, analysis: Analysis) -> dict[str, Any]:
    """What stands after the dot of a value: name -> value, None where it isn't evaluated."""
    if isinstance(value, Record):
        return dict(value.fields)
    if isinstance(value, Module | Instance):
        return {name: None if isinstance(v, Lazy) else v for name, v in value.scope.names.items()}
    if isinstance(value, Parts):
        return attributes(value.instances[0], analysis) if value.instances else {}
    if isinstance(value, Chosen):
        shared = [attributes(v, analysis) for _, v in value.options]
        common = {n: v for n, v in shared[0].items() if all(n in other for other in shared)} if shared else {}
        return common | dict.fromkeys(value.labels)
    if isinstance(value, Gathered) and value.items:
        return attributes(value.items[0][0], analysis)
    return {}


def paths_of(value: Any) -> list[str]:
    """The decisions that a value is, each by its path."""
    if isinstance(value, Expr):
        return [str(value.payload)] if value.op == "var" else []
    if isinstance(value, Gathered):
        return [p for item, _, _ in value.items for p in paths_of(item)]
    if isinstance(value, PerLayer):
        return [p for item in value.copies.values() for p in paths_of(item)]
    if isinstance(value, Listed):
        return paths_of(value.chosen)
    return paths_of(value.decision) if isinstance(value, Chosen) else []


def words(value: Any, analysis: Analysis) -> str | None:
    """`quantity in mm2`, `= 64 KiB`, `an accelerator`; None where there is nothing to say."""
    if value is None or isinstance(value, Function | Module | UnitValue):
        return None
    if isinstance(value, Expr) and value.is_const:
        return f"= {_constant(value, analysis)}"
    unit = unit_of(value)
    if unit is None:
        named = symbols(value, analysis)[:12]
        return f"one of {', '.join(named)}" if named else describe(value)
    if isinstance(value, Expr):
        return f"quantity in {unit_words(unit, analysis)}" if unit else "plain number"
    return f"list of quantities in {unit_words(unit, analysis)}" if unit else "list of plain numbers"


def _constant(value: Expr, analysis: Analysis) -> str:
    """A constant in a unit that it is not less than one of."""
    if not is_number(value):
        return spell(value.value)
    unit = value.type.unit
    if not unit or unit in COMMON:
        return show_quantity(value.number, unit, 6)
    known = [(s.number, name) for name, s in units(analysis).items() if s.type.unit == unit and s.is_const]
    fitting = [k for k in known if k[0] <= abs(value.number)] or known
    return (
        show_in(value.number, max(fitting)[1], max(fitting)[0], 6) if fitting else show_quantity(value.number, unit, 6)
    )


def unit_words(unit: Dimension, analysis: Analysis) -> str:
    """The units of a dimension that the file can write, else its base units."""
    named = [name for name, scale in units(analysis).items() if scale.type.unit == unit]
    return ", ".join(named[:5]) if named else show_unit(unit)


def units(analysis: Analysis) -> dict[str, Expr]:
    """Every unit that the document can write, with what one of it is; those of the document and its imports first."""
    top = analysis.compiled.context
    if top is None:
        return {}
    found: dict[str, Expr] = {}
    apart = evolve(top, state=_apart(top.state))
    module = top.scope.owner()
    for source in dict.fromkeys((module, *module.imports.values())):
        for statement in (s for s in source.file.statements if isinstance(s, tree.Unit)):
            try:
                value = force(source.scope, statement.name, statement.span, apart)
            except Stop:
                continue
            if isinstance(value, UnitValue):
                found.setdefault(statement.name, value.scale)
    return found


__all__ = ["attributes", "expression", "paths_of", "symbols", "unit_of", "unit_words", "units", "value_of",
           "value_of_text", "words"]  # fmt: skip
