"""Params: their values, given by `--set` or by an import, else their defaults; and how they were written."""

from __future__ import annotations

from typing import Any

from cospace.compiler.elaborate import names, types
from cospace.compiler.elaborate.values import (
    Context,
    Module,
    State,
    Stop,
    UnitValue,
    describe,
    is_number,
    one_of,
)
from cospace.compiler.space import graph
from cospace.compiler.space.graph import Expr, const
from cospace.compiler.space.model import Constant, Param, spell
from cospace.dsl import tree
from cospace.dsl.diagnostics import NOWHERE, Label, Reporter
from cospace.dsl.suggest import closest, meant
from cospace.dsl.walk import walk


def param(s: tree.Param, module: Module, context: Context) -> Any:
    """A param's value: given by `--set` or an import, else its default, which fixes type and unit."""
    from cospace.compiler.elaborate.evaluate import evaluate

    default = evaluate(s.default, context.named(s.name))
    value = module.overrides.get(s.name, default)
    if s.type is not None:
        value = types.check(s.type, value, s.span, f"param `{s.name}`", context)
    default, value = one_of(default), one_of(value)
    if isinstance(default, Expr) and getattr(value, "type", None) != default.type:
        place = module.given_at.get(s.name, s.span)
        raise context.fail(
            "CS307", place, f"param `{s.name}` is {describe(default)}, and it is set to {describe(value)}",
            help=f"write it as the default is: {_text(s, module)}",
            labels=() if place is s.span else (Label(s.span, "the default fixes type and unit"),),
        )  # fmt: skip
    if isinstance(value, Expr):
        given = s.name in module.overrides
        if value.is_const:
            unit = s.default.unit if isinstance(s.default, tree.Number) else None
            if module.scope is context.scope and module.key == context.state.groups.get("root"):
                context.state.params.append(Param(s.name, value, unit, given, s.span, s.doc))
            else:
                units = (module.given_in.get(s.name), _written_unit(s.default, context))
                text = _in_words(value, *units) if given or _computed(s.default, context) else _text(s, module)
                context.state.constants[f"{module.key}.{s.name}"] = Constant(f"{module.key}.{s.name}", text, s.span)
    return value


def _text(s: tree.Param, module: Module) -> str:
    return " ".join(module.file.text[s.default.span.start : s.default.span.end].split())


def _computed(default: tree.Expr, context: Context) -> bool:
    """Whether a default names anything but units: its text says how its value came about, and not which it is."""
    named = [n for n in walk(default) if isinstance(n, tree.Name)]
    return any(not isinstance(names.find(n.id, n.span, context), UnitValue) for n in named)


def _in_words(value: Expr, *units: UnitValue | None) -> str:
    """A value that was given, in the first of the units it was written in that is of its dimension."""
    from cospace.compiler.space.units import show_in, show_quantity

    if not is_number(value):
        return spell(value.value)
    for unit in units:
        if unit is not None and unit.scale.type == value.type:
            return show_in(value.number, unit.name, unit.scale.number, 6)
    return show_quantity(value.number, value.type.unit, 6)


def apply_settings(root: Module, context: Context) -> None:
    """`--set name=value` and `--set tech.dram=…`."""
    context.state.groups["root"] = root.key
    for key, text in context.state.settings.items():
        module, name = root, key
        if "." in key:
            alias, name = key.rsplit(".", 1)
            if alias not in root.imports:
                near = closest(alias, root.imports)
                context.state.reporter.error(
                    "CS232",
                    NOWHERE,
                    f"--set {key}: there is no import `{alias}`",
                    help=f"did you mean `{near}`?" if near else None,
                )
                continue
            module = root.imports[alias]
        params = {s.name: s for s in module.file.statements if isinstance(s, tree.Param)}
        if name not in params:
            near = closest(name, params)
            listed = ", ".join(f"`{p}`" for p in params)
            context.state.reporter.error(
                "CS232",
                NOWHERE,
                f"--set {key}: there is no param `{name}`",
                help=f"did you mean `{near}`?"
                if near
                else f"params: {listed}"
                if listed
                else "this spec has no params",
            )
            continue
        value = _setting(text, params[name], module, context)
        if value is not None:
            module.overrides[name] = value


def _setting(text: str, param: tree.Param, module: Module, context: Context) -> Any:
    """The value of `--set name=text`: a text as it stands where the default is one, else an expression."""
    if _is_text(param.default):
        return const(text.strip('"'))
    inner = Reporter()
    shown = f"--set {param.name}"
    from cospace.dsl.parse import parse  # the parser is loaded only where the cache doesn't help

    file = parse(f"value = {text}\n", shown, inner)
    bind = next((s for s in file.statements if isinstance(s, tree.Bind)), None)
    if inner.failed or bind is None or len(file.statements) != 1:
        context.state.reporter.error(
            "CS232",
            param.span,
            f"--set {param.name}: `{text}` is not a value",
            help=f"write it as the default is: {_text(param, module)}",
        )
        return None
    from cospace.compiler.elaborate.evaluate import evaluate

    local = State(inner, {}, numbers=context.state.numbers)
    try:
        value = evaluate(bind.value, Context(local, module.scope))
    except Stop:
        first = inner.found[0]
        context.state.reporter.error(
            first.code,
            param.span,
            f"--set {param.name}={text}: {first.message}",
            help=first.help or f"write it as the default is: {_text(param, module)}",
        )
        return None
    _note_unit(module, param.name, bind.value, Context(local, module.scope))
    return one_of(value)


def _is_text(default: tree.Expr) -> bool:
    """Whether a default is a text, or the choice of one."""
    if isinstance(default, tree.If):
        return _is_text(default.then) and _is_text(default.otherwise)
    return isinstance(default, tree.Text)


def _note_unit(module: Module, name: str, node: tree.Expr, context: Context) -> None:
    unit = _written_unit(node, context)
    if unit is not None:
        module.given_in[name] = unit


def apply_imports(root: Module, context: Context) -> None:
    """`import std.energy(dram = …)`: the importing file's values, seen by everyone who imports the module plainly."""
    from cospace.compiler.elaborate.evaluate import evaluate

    seen: set[int] = set()
    queue = [root]
    while queue:
        module = queue.pop(0)
        if id(module) in seen:
            continue
        seen.add(id(module))
        here = Context(context.state, module.scope)
        for s in module.file.statements:
            target = module.imports.get(s.alias or s.path[-1]) if isinstance(s, tree.Import) else None
            if not isinstance(s, tree.Import) or target is None:
                continue
            params = {p.name: p for p in target.file.statements if isinstance(p, tree.Param)}
            for a in s.arguments:
                if a.name is None or a.name not in params:
                    named = f"has no param `{a.name}`" if a.name else "takes its params by name: `name = value`"
                    listed = ", ".join(f"`{p}`" for p in params)
                    context.state.reporter.error(
                        "CS232", a.span, f"`{target.key}` {named}",
                        help=meant(a.name or "", params) or (f"params: {listed}" if listed else "it has no params"),
                    )  # fmt: skip
                    continue
                if a.name not in target.overrides:
                    try:
                        target.overrides[a.name] = evaluate(a.value, here.named(a.name))
                        _note_unit(target, a.name, a.value, here)
                        target.given_at[a.name] = a.value.span
                    except Stop:
                        continue
            queue.append(target)


def _written_unit(node: tree.Expr, context: Context) -> UnitValue | None:
    """The unit that a quantity is written in: `pJ/byte` of `2 pJ / byte`, whatever named it is multiplied by. Of two
    alternatives that of the first which says one. None where the text doesn't."""
    if isinstance(node, tree.If):
        return _written_unit(node.then, context) or _written_unit(node.otherwise, context)
    found = _units(node, context)
    if not found:
        return None
    over = [word for word, power in found if power > 0]
    under = [word for word, power in found if power < 0]
    scale = const(1)
    for word, power in found:
        unit = names.find_unit(word, node.span, context).scale
        scale = graph.mul(scale, unit) if power > 0 else graph.div(scale, unit)
    return UnitValue("/".join([" ".join(over) or "1", *under]), scale)


def _units(node: tree.Expr, context: Context) -> list[tuple[str, int]] | None:
    """Each unit of a product or quotient of numbers and units, with 1 or -1; None for anything else."""
    if isinstance(node, tree.Number):
        return [] if node.unit in (None, "%") else [(node.unit, 1)]
    if isinstance(node, tree.Name):
        value = names.find(node.id, node.span, context)
        return [(node.id, 1)] if isinstance(value, UnitValue) else []
    if isinstance(node, tree.Binary) and node.op in ("*", "/"):
        left, right = _units(node.left, context), _units(node.right, context)
        if left is None or right is None:
            return None
        return left + [(word, power if node.op == "*" else -power) for word, power in right]
    return None
