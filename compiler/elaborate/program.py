"""A loaded file and its imports to a space: modules, file-level names, and the order in which things are settled.

The order: params and bindings, networks, policies, accelerators and their works, requirements and objectives, stages.
Networks come before policies because `per layer` copies need the layers; works are placed when both are known.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from cospace.compiler.elaborate import (
    calls,
    folds,
    guarded,
    hardware,
    hiding,
    members,
    names,
    network_file,
    params,
    passes,
    placing,
    policies,
    statements,
    types,
    unfold,
)
from cospace.compiler.elaborate.docs import documented
from cospace.compiler.elaborate.values import (
    BAD,
    AcceleratorClass,
    Building,
    Context,
    Function,
    Lazy,
    Module,
    Scope,
    State,
    Stop,
    TableValue,
    Tensor,
    TensorType,
    UnitValue,
    describe,
    evolve,
    is_number,
)
from cospace.compiler.space.graph import TRUE, Expr, const
from cospace.compiler.space.model import Call, Input, NetworkPlan, Objective, Origin, Quantity, Requirement, Space
from cospace.compiler.space.units import natural_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label
from cospace.dsl.load import Loaded
from cospace.dsl.source import word_span

ROOT = "the spec"
LIBRARY = "std."
"""What the keys of the standard library's modules begin with."""
VERSION = 1
HARDWARE = "hardware"
"""The owner of what is found while works are placed."""


class Outside(Exception):
    """A statement was read that was not among those to be elaborated."""


def elaborate_into(
    state: State, loaded: Loaded, data: Path | None = None, only: Container[int] | None = None
) -> Module:
    """Everything a file declares, gathered in a fresh state; the module that the root file is.

    only: the identities of the root's statements to be elaborated, all when unsaid; then no hidden name of the root is
    told. Raises `Outside` where these read another one. Each diagnostic is reported while `reporter.owner` is the
    statement that it comes from.
    """
    reporter = state.reporter
    root_place = loaded.places.get(loaded.root.path)
    state.groups |= {"places": loaded.places, "data": data, "folder": root_place.parent if root_place else None}
    modules = _modules(loaded, state, only)
    root = modules[ROOT]
    context = Context(state, root.scope)
    for key, module in modules.items():
        if not key.startswith(LIBRARY) and (module is not root or only is None):
            hiding.warn_hidden([hiding.names_of(s, module.file.text) for s in module.file.statements], reporter)
        library = not any(isinstance(s, tree.SpaceName) for s in module.file.statements) and module is not root
        for at, s in enumerate(module.file.statements):
            if library and isinstance(s, tree.Require | tree.Objective | tree.Loop):
                said = f"{statements._word(s)} in a library asks for nothing of the spaces that import it"
                reporter.warn(
                    "CS226", s.span, said, help="state it in the space, or in the `def` or accelerator it is about"
                )
            if isinstance(s, tree.Language) and at:
                said = "the version of the language stands first in a file"
                reporter.error("CS226", s.span, said, help="move it to the first line, or leave it out")
            elif isinstance(s, tree.Language) and s.version != VERSION:
                help = f"this compiler reads `language {VERSION}`"
                reporter.error("CS208", s.span, f"language {s.version} is not known to this compiler", help=help)
    state.groups["kinds"] = {s.name for m in modules.values() for s in m.file.statements if isinstance(s, tree.Work)}
    params.apply_settings(root, context)
    params.apply_imports(root, context)
    state.place = partial(_owned, HARDWARE, state, lambda: placing.place_all(state, context))
    _settle(root, context, only)
    unfold.unfold(state, context)
    state.requirements = unfold.narrowed(state.requirements, context)
    return root


def _owned(owner: object, state: State, action: Callable[[], Any]) -> Any:
    """Do something that belongs to a statement."""
    before, state.reporter.owner = state.reporter.owner, owner
    try:
        return action()
    finally:
        state.reporter.owner = before


# ---- modules


def _modules(loaded: Loaded, state: State, only: Container[int] | None) -> dict[str, Module]:
    """One module a file, with its imports resolved to modules."""
    made: dict[str, Module] = {}
    for key, file in {ROOT: loaded.root, **loaded.modules}.items():
        module = Module(key, file, Scope(None))
        module.scope.module = module
        made[key] = module
    for module in made.values():
        for s in module.file.statements:
            if isinstance(s, tree.Import):
                target = loaded.imports.get((module.file.path, s.path))
                name = s.alias or s.path[-1]
                if target not in made:
                    module.missing.add(name)
                else:
                    if module.imports.get(name, made[target]) is not made[target]:
                        _said_twice(name, s, module, state)
                    module.imports[name] = made[target]
        units = made.get("std.units")
        if units is not None and module is not units:
            module.imports["$units"] = units
        _declare(module, Context(state, module.scope), only if module.key == ROOT else None)
    return made


def _said_twice(name: str, statement: tree.Import, module: Module, state: State) -> None:
    """CS210: two imports that would have one name."""
    first = next(s for s in module.file.statements if isinstance(s, tree.Import) and name == (s.alias or s.path[-1]))
    state.reporter.error(
        "CS210", statement.span, f"two imports are named `{name}`",
        help=f"give one another name: `import {'.'.join(statement.path)} as …`",
        labels=(Label(first.span, "the first stands here"),),
    )  # fmt: skip


def _declare(module: Module, context: Context, only: Container[int] | None) -> None:
    """Every file-level name of a module, to be evaluated on first use."""
    scope = module.scope
    first: dict[str, tree.Statement] = {}
    for s in module.file.statements:
        for name, value in _entries(s, module, context, only is not None and id(s) not in only):
            if name in scope.names:
                labels = (Label(word_span(module.file.text, first[name].span, name), "first here"),)
                place = word_span(module.file.text, s.span, name)
                context.state.reporter.error("CS210", place, f"`{name}` is declared twice", labels=labels)
            elif name in module.imports:
                help = "rename the import: `import … as other`"
                place = word_span(module.file.text, s.span, name)
                context.state.reporter.error("CS202", place, f"`{name}` is also the name of an import", help=help)
                scope.names[name] = BAD
                first[name] = s
            else:
                scope.names[name] = value
                first[name] = s


def _entries(s: tree.Statement, module: Module, context: Context, closed: bool) -> list[tuple[str, Any]]:
    """The names a file-level statement declares. closed: they may not be evaluated."""

    def lazy(build: Callable[[], Any]) -> Lazy:
        return Lazy(_outside if closed else partial(_owned, s, context.state, build), s.span)

    if isinstance(s, tree.Bind):
        return [(t.id, lazy(partial(_binding, s, t, context))) for t in s.targets if isinstance(t, tree.Name)]
    if isinstance(s, tree.Param):
        return [(s.name, lazy(partial(params.param, s, module, context)))]
    if isinstance(s, tree.Unit):
        return [(s.name, lazy(partial(_unit, s, context)))]
    if isinstance(s, tree.Def):
        return [(s.name, Function(s, module.scope))]
    if isinstance(s, tree.Table):
        return [(s.name, TableValue(s, module.scope))]
    if isinstance(s, tree.Accelerator):
        cls = AcceleratorClass(s, module.scope)
        build = partial(hardware.instantiate, cls, (), s.span, context.named(s.name))
        return [(s.name, cls if s.parameters is not None else lazy(build))]
    if isinstance(s, tree.Network):
        return [(s.name, lazy(partial(_network, s, context)))]
    return []


def _outside() -> Any:
    raise Outside()


def _binding(s: tree.Bind, t: tree.Name, context: Context) -> Any:
    return guarded.bound(s, t.id, context.named(t.id), context)


def _unit(s: tree.Unit, context: Context) -> UnitValue:
    from cospace.compiler.elaborate.evaluate import scalar

    if s.value is None:
        return UnitValue(s.name, const(1, ((s.name, Fraction(1)),)))
    value = scalar(s.value, context)
    if not is_number(value) or not value.is_const:
        raise context.fail("CS301", s.value.span, "a unit is a constant number of other units")
    return UnitValue(s.name, value)


# ---- networks


def _network(s: tree.Network, context: Context) -> Any:
    """A network built: its inputs, its calls and choices, its output checked against its type."""
    from cospace.compiler.elaborate.evaluate import evaluate

    if s.block is None:
        building, output = network_file.build(s, context)
        return _made(s, building, output, s.source or s, context)
    scope = Scope(context.scope, label=s.name)
    building = Building(s.name)
    here = evolve(context, scope=scope, prefix=s.name, indices=(), building=building, hint=None)
    failed = False
    for p in s.parameters or ():
        try:
            if p.type is None:
                raise context.fail(
                    "CS306", p.span, f"`{p.name}` needs a type", help=f"`{p.name}: nodes.features`, a field of a task"
                )
            word = isinstance(p.type, tree.Name) and p.type.id in types.PLAIN | types.OPAQUE
            kind = None if word else evaluate(p.type, context)
            given = "a type of values" if word else describe(kind)
            if not isinstance(kind, TensorType):
                raise context.fail(
                    "CS306",
                    (p.type or p).span,
                    f"an input of a network is a tensor or a graph, and this is {given}",
                    help="`x: nodes.features`, a field of a task",
                )
            task, name = kind.field or ("", p.name)
            building.nodes.append(Input(p.name, task, name, tuple(kind.shape)))
            scope.names[p.name] = Tensor(kind.kind, tuple(kind.shape), len(building.nodes) - 1)
        except Stop:
            scope.names[p.name] = BAD
            failed = True
    before = len(context.state.reporter.found)
    output = statements.run_body(s.block, here)
    failed = failed or output is BAD or any(d.severity == "error" for d in context.state.reporter.found[before:])
    if failed:
        raise Stop()
    last = s.block.statements[-1] if s.block.statements else s
    if s.parameters is None and s.result is None and not isinstance(output, Tensor) and building.nodes:
        output = Tensor("works", (), len(building.nodes) - 1)  # a list of works: there is nothing to run
    if not isinstance(output, Tensor):
        raise context.fail(
            "CS402", last.span,
            f"the last line of a network is its output, a tensor, and this gives {describe(output)}",
            help="write the name of the tensor on a line of its own",
        )  # fmt: skip
    return _made(s, building, output, last, here)


def _made(s: tree.Network, building: Building, output: Tensor, last: tree.Node, here: Context) -> Any:
    """A network, its output checked against its type. last: what says the output; here: where the type stands."""
    from cospace.compiler.elaborate.evaluate import evaluate

    if s.result is not None:
        wanted = evaluate(s.result, evolve(here, building=None))
        if isinstance(wanted, TensorType):
            if len(wanted.shape) != len(output.shape):
                raise here.fail(
                    "CS402",
                    last.span,
                    f"the output has {len(output.shape)} dimensions, and `{s.name}` declares {len(wanted.shape)}",
                )
            for at, (w, got) in enumerate(zip(wanted.shape, output.shape, strict=True), 1):
                types.match(w, got, f"dimension {at} of the output of `{s.name}`", last.span, here)
    here.state.networks.append(NetworkPlan(s.name, tuple(building.nodes), output.node, s.doc))
    return members.PathValue(s.name)


# ---- the order of things


def _settle(root: Module, context: Context, only: Container[int] | None) -> None:
    state = context.state
    for s in root.file.statements:
        if isinstance(s, tree.Policy) and _is_policy(s, context):
            view = partial(_owned, s, state, partial(policies.view, s, context))
            closed = only is not None and id(s) not in only
            root.scope.names.setdefault(s.name or s.kind, Lazy(_outside if closed else view, s.span))
    steps = [s for s in root.file.statements if only is None or id(s) in only]
    for s in steps:
        if isinstance(s, (tree.Param, tree.Network, tree.Unit)):
            _try(s, state, partial(names.force, root.scope, s.name, s.span, context))
    for s in steps:
        if isinstance(s, tree.Policy) and not _is_stage(s, context) and s.kind != "baseline":
            _try(s, state, partial(policies.run_policy, s, context))
    for s in steps:
        if isinstance(s, tree.Bind):
            for t in s.targets:
                if isinstance(t, tree.Name):
                    _try(s, state, partial(names.settle, root.scope, t.id, s.span, context))
                else:
                    _try(s, state, partial(statements.nameless, t, context))
        elif isinstance(s, tree.Accelerator) and s.parameters is None:
            _try(s, state, partial(names.force, root.scope, s.name, s.span, context))
    if state.place is not None and not state.placed:
        _try(HARDWARE, state, state.place)
    for module in _reached(root):  # what is set is checked also where nothing reads it
        for name in [n for n in module.overrides if n in module.scope.names]:
            _try(None, state, partial(names.force, module.scope, name, module.file.span, context))
    for instance in state.instances:
        state.accelerators += _owned(HARDWARE, state, partial(hardware.finish, instance, state))
    for s in steps:
        if isinstance(s, tree.Require):
            _try(s, state, partial(statements.require, s, context))
        elif isinstance(s, tree.Loop):
            _try(s, state, partial(passes.run_once, s, context))
        elif isinstance(s, tree.Objective):
            _try(s, state, partial(_objective, s, context))
        elif isinstance(s, (tree.Rule, tree.Part, tree.Typed, tree.Assign, tree.Yield)):
            _try(s, state, partial(_misplaced, s, state))
    for s in steps:
        if isinstance(s, tree.Policy) and (s.kind == "baseline" or _is_stage(s, context)):
            _try(s, state, partial(policies.run_policy, s, context))


def _misplaced(s: tree.Statement, state: State) -> None:
    said = f"{statements._word(s)} does not belong at the top of a file"
    state.reporter.error("CS226", s.span, said, help=statements._home(s))


def _reached(root: Module) -> list[Module]:
    """A module and all that it imports, each once."""
    found = [root]
    for module in found:
        found += [m for m in dict.fromkeys(module.imports.values()) if m not in found]
    return found


def _is_stage(s: tree.Policy, context: Context) -> bool:
    declared = names.find_block(s.kind, context)
    return declared is not None and types.result_kind(declared.declaration.result) == "stage"


def _is_policy(s: tree.Policy, context: Context) -> bool:
    declared = names.find_block(s.kind, context)
    return declared is not None and types.result_kind(declared.declaration.result) == "policy"


def _try(owner: object, state: State, action: Callable[[], Any]) -> None:
    """One step; a statement that can't go on has said why."""
    try:
        _owned(owner, state, action)
    except Stop:
        return


def _objective(s: tree.Objective, context: Context) -> None:
    from cospace.compiler.elaborate.evaluate import as_scalar, evaluate

    value = evaluate(s.value, context)
    if not isinstance(value, folds.EachValue):
        value = as_scalar(value, s.value.span, context)
        if not is_number(value):
            raise context.fail("CS301", s.value.span, f"a number is needed here, and this is {describe(value)}")
    if s.guard is not None:
        raise context.fail(
            "CS226", s.guard.span, "an objective has no `when`", help="use `if … then … else …` in its value"
        )
    told = statements.source_of(s, context)
    for text, one in unfold.objectives(value, s.sense, told, s.span, s.value.span, context):
        unit, scale = natural_unit(Fraction(1, 10**11) if one.type.unit else 1, one.type.unit)
        context.state.objectives.append(Objective(one, s.sense, text, s.doc, unit, scale, s.span))


def space_of(root: Module, loaded: Loaded, state: State) -> Space:
    """The space that was gathered, of a file without errors."""
    name = next((s for s in root.file.statements if isinstance(s, tree.SpaceName)), None)
    works = tuple(w for i in state.instances for w in i.works)
    networks = tuple(evolve(n, nodes=tuple(_with_facts(node, state) for node in n.nodes)) for n in state.networks)
    kinds = (Requirement(k, TRUE, "what its type allows", loaded.root.span, "number") for k in state.kinds)
    sources = (*loaded.sources.items(), *((str(p), "") for p in state.groups.get("read", ())))
    return Space(
        name=name.name if name else loaded.root.path,
        doc=name.doc if name else None,
        params=tuple(state.params),
        decisions=documented(state.decisions, (loaded.root, *loaded.modules.values())),
        requirements=(*state.requirements, *kinds),
        objectives=tuple(state.objectives),
        works=works,
        networks=networks,
        accelerators=tuple(state.accelerators),
        tasks=tuple(state.tasks.values()),
        stages=tuple(state.stages),
        constants=tuple(state.constants.values()),
        references=tuple(state.references),
        variants=tuple(state.variants),
        policies=tuple(state.policies),
        quantities=tuple(_quantities(root, state)),
        met=state.groups.get("met", ()),
        sources=sources,
        origin=Origin(loaded, dict(state.settings), state.groups.get("data")),
    )


def _quantities(root: Module, state: State) -> Iterator[Quantity]:
    """What the file names at its top, without its decisions."""
    decided = {d.path for d in state.decisions}
    for s in root.file.statements:
        if isinstance(s, tree.Bind):
            for name in (t.id for t in s.targets if isinstance(t, tree.Name)):
                value = root.scope.names.get(name)
                if not isinstance(value, Expr) or value.op == "var" or value.type.kind not in ("number", "bool"):
                    continue
                if value.free <= decided:
                    yield Quantity(name, value, s.doc, s.span)


def _with_facts(node: Any, state: State) -> Any:
    if isinstance(node, Call) and node.path in state.facts:
        return evolve(node, facts=tuple((k, v) for k, v in state.facts[node.path].items() if isinstance(v, Expr)))
    return node


__all__ = ["calls", "elaborate_into", "space_of"]
