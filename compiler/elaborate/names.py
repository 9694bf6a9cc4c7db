"""Finding what a name means: scopes inside out, imports, units last; and suggestions when nothing is found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cospace.compiler.elaborate.guarded import unguarded
from cospace.compiler.elaborate.values import (
    BAD,
    Builtin,
    Context,
    Function,
    Lazy,
    Module,
    Scope,
    Stop,
    UnitValue,
    encloses,
)
from cospace.compiler.space.graph import Expr, Symbol, const
from cospace.compiler.space.lookups import Lookup
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant


def force(scope: Scope, name: str, span: Span, context: Context) -> Any:
    """The value of an entry that is known to be in `scope`, which may be read here."""
    return unguarded(settle(scope, name, span, context), span, context)


def settle(scope: Scope, name: str, span: Span, context: Context) -> Any:
    """The value of an entry, evaluated now if it wasn't yet; with its `when`, where it has one."""
    entry = scope.names[name]
    if isinstance(entry, Lazy):
        if entry.running:
            raise context.fail(
                "CS204", span, f"`{name}` is defined by itself", help="break the circle: something has to come first",
                labels=() if encloses(entry.span, span) else (Label(entry.span, "needs this"),),
            )  # fmt: skip
        entry.running = True
        try:
            entry_value = entry.build()
        except Stop:
            entry_value = BAD
        scope.names[name] = entry_value
        entry = entry_value
    if entry is BAD:
        raise Stop()
    return entry


def lookup(name: str, span: Span, context: Context) -> Any:
    """What a bare name means here. Reports CS201 and stops when it means nothing."""
    found = find(name, span, context)
    module = context.scope.owner()
    if found is None and (name in module.file.lost or name in module.missing):
        raise Stop()  # a statement that could not be read would have declared it
    if found is None:
        from cospace.compiler.elaborate import labels, passes

        found = labels.labelled(name, span, context) or passes.passed(name, span, context)
    if found is None:
        hint = labels.where(name, context) or meant(name, candidates(context))
        if hint is None and module.missing:
            raise Stop()  # an import that could not be read may declare it
        hint = hint or _as_symbol(name, span, context) or UNKNOWN
        raise context.fail("CS201", span, f"unknown name `{name}`", help=hint)
    return found


def find(name: str, span: Span, context: Context) -> Any | None:
    """As `lookup`, None when nothing has the name."""
    scope = context.scope.find(name)
    if scope is not None:
        return force(scope, name, span, context)
    module = context.scope.owner()
    holders = [(alias, m) for alias, m in module.imports.items() if name in m.scope.names and alias[0] != "$"]
    holders = list({id(m): (alias, m) for alias, m in holders}.values())
    if len(holders) > 1:
        both = " and ".join(f"`{alias}`" for alias, _ in holders)
        raise context.fail(
            "CS202", span, f"`{name}` is declared by {both}", help=f"write `{holders[0][0]}.{name}` to say which"
        )
    if holders:
        return force(holders[0][1].scope, name, span, context)
    if name in module.imports:
        return module.imports[name]
    units = module.imports.get("$units")
    if units is not None and name in units.scope.names:
        return force(units.scope, name, span, context)
    return BUILTIN_VALUES.get(name)


def _as_symbol(name: str, span: Span, context: Context) -> str | None:
    """How a symbol is asked for that stands alone, as in `mode == fast or slow`."""
    symbol = Symbol(name)
    owners = [d.path for d in context.state.decisions if symbol in d.values and d.path.isidentifier()]
    if len(owners) != 1:
        return None
    return f"`{name}` is a value of `{owners[0]}`: write `{owners[0]} == {name}`"


def known(node: tree.Name, context: Context) -> bool:
    """Whether a name is that of a value here, or of a decision by its label."""
    from cospace.compiler.elaborate import labels, passes

    found = find(node.id, node.span, context)
    if found is None or isinstance(found, Builtin):
        return bool(labels.labelled(node.id, node.span, context) or passes.passed(node.id, node.span, context))
    return True


def holds_value(name: str, context: Context) -> bool:
    """Whether a member of a set, a bare name, is a value: bound in this file, or known everywhere. What is imported
    counts only where it is qualified, and units not at all, so that no import changes what a set is."""
    if context.scope.find(name) is not None:
        return True
    return name in BUILTIN_VALUES and name != "none" and not isinstance(BUILTIN_VALUES[name], Builtin)


def imported(name: str, context: Context) -> Any | None:
    """What a bare name that no scope has holds in the one import that declares it, not evaluated; None if unclear."""
    held = [m.scope.names[name] for m in dict.fromkeys(context.scope.owner().imports.values()) if name in m.scope.names]
    return held[0] if len(held) == 1 else None


def find_block(kind: str, context: Context) -> Function | None:
    """The `def` that a block such as `precision of net { … }` calls; values of that name don't hide it."""
    module = context.scope.owner()
    for source in (module, *module.imports.values()):
        value = source.scope.names.get(kind)
        if isinstance(value, Function):
            return value
    return None


def find_unit(name: str, span: Span, context: Context) -> UnitValue:
    """The unit that a word after a number names. Reports CS203 when there is none."""
    if name == "%":
        from fractions import Fraction

        return UnitValue("%", const(Fraction(1, 100)))
    module = context.scope.owner()
    for source in (module, *module.imports.values()):
        if name in source.scope.names:
            value = force(source.scope, name, span, context)
            if isinstance(value, UnitValue):
                return value
    words = [n for m in (module, *module.imports.values()) for n in unit_names(m)]
    help = meant(name, words) or "units stand in std.units, or declare one: `unit name = 1e-3 s`"
    raise context.fail("CS203", span, f"`{name}` is not a unit", help=help)


def unit_names(module: Module) -> list[str]:
    """The names of a module that are units, known already or not."""
    declared = {s.name for s in module.file.statements if isinstance(s, tree.Unit)}
    return [n for n, v in module.scope.names.items() if n in declared or isinstance(v, UnitValue)]


def candidates(context: Context) -> Iterable[str]:
    """Every name that could stand here, nearest first, for suggestions."""
    yield from context.scope.visible()
    module = context.scope.owner()
    for alias, other in module.imports.items():
        if not alias.startswith("$"):
            yield alias
            yield from other.scope.names
    yield from BUILTIN_VALUES


UNKNOWN = "declare it, import it, or check its spelling"
BUILTIN_VALUES: dict[str, Any] = {"true": const(True), "false": const(False), "none": const(Symbol("none"))}


def _kinds(name: str, context: Context) -> set[str]:
    kinds: set[str] = context.state.groups.get("kinds", set())
    return kinds if name in kinds else set()


def symbols_of(value: Expr, context: Context) -> set[str] | None:
    """The names a symbol-valued expression can take; None when it isn't one or they aren't known."""
    if not isinstance(value, Expr) or value.type.kind != "symbol":
        return None
    if value.op == "const":
        name = value.payload.name  # type: ignore[attr-defined]
        context.state.loose.append(context.state.reporter.owner)
        return {name} | context.state.families.get(name, frozenset()) | _kinds(name, context)
    if value.op == "var":
        domain = context.state.domains.get(str(value.payload))
        if domain is None and context.answering:
            domain = next((m.values for m in context.answering.maps if m.path == value.payload), None)
        return {str(v) for v in domain} if domain else None
    if value.op == "lookup":
        rows: Lookup = value.payload  # type: ignore[assignment]
        return {str(v) for v in (*rows.values, *rows.default)}
    if value.op == "if":
        then, other = symbols_of(value.args[1], context), symbols_of(value.args[2], context)
        return (then or set()) | (other or set()) or None
    return None
