"""What an accelerator answers to a work: the rules that may serve it, what they read, and default lowerings."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.elaborate import statements
from cospace.compiler.elaborate.hardware import headline
from cospace.compiler.elaborate.parts import rules_of
from cospace.compiler.elaborate.values import (
    Context,
    Instance,
    Record,
    Scope,
    Stop,
    evolve,
    is_number,
)
from cospace.compiler.elaborate.ways_out import example
from cospace.compiler.space import graph
from cospace.compiler.space.asked import conjuncts
from cospace.compiler.space.graph import FALSE, TRUE, Expr, const
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant
from cospace.dsl.walk import walk

ASSUMED = {"wbits": 32, "abits": 32, "density": 1}


@frozen
class Pending:
    """A work before it is placed. layer: the call that asked. own: what the `ask` itself says of what policies set, a
    value or the name of another such fact (`wbits = abits`)."""

    path: str
    kind: str
    declaration: tree.Work
    home: Scope
    dims: dict[str, Any]
    facts: dict[str, Any]
    times: Expr
    guard: Expr
    layer: str
    span: Span
    calls: tuple[Span, ...] = ()
    network: str = ""
    own: tuple[tuple[str, Any], ...] = ()

    def told(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What policies set for its layer, with what the `ask` says itself in its place."""
        found = {name: facts.get(said) if isinstance(said, str) else said for name, said in self.own}
        return {**facts, **{name: value for name, value in found.items() if value is not None}}

    def asked(self, context: Context) -> Context:
        """The context in which the operator asked, so that messages point at its call."""
        return evolve(context, calls=self.calls)


def answer(work: Pending, context: Context) -> Record:
    """What the accelerator of the rule being evaluated says to a work: quantities merged over its rules."""
    answering = context.answering
    assert answering is not None
    if answering.depth > 32:
        raise context.fail("CS506", work.span, f"rules ask for each other without end (`{work.kind}`)")
    answering.depth += 1
    answering.asks_others = True
    try:
        branches = []
        for rule, owner, condition in applicable(work, answering.instance, context):
            here = evolve(context.under(condition), prefix=f"{context.prefix}.{work.kind}", indices=(), hint=None)
            fields, _ = run_rule(rule, work, owner, here)
            branches.append((condition, fields))
        if not branches:
            return lowered(work, context)
    finally:
        answering.depth -= 1
    shared = set.intersection(*(set(f) for _, f in branches))
    result = {k: branches[-1][1][k] for k in branches[-1][1] if k in shared}
    for condition, fields in reversed(branches[:-1]):
        result = {k: graph.branch(condition, fields[k], v) for k, v in result.items()}
    return Record(result, f"work ({work.kind})")


def applicable(work: Pending, instance: Instance, context: Context) -> list[tuple[tree.Rule, Instance, Expr]]:
    """The rules that may serve a work, of an accelerator and its parts: (rule, whose, it is the first that holds)."""
    from cospace.compiler.elaborate.possible import always

    rules = rules_of(instance, work.kind)
    found: list[tuple[tree.Rule, Instance, Expr]] = []
    earlier: list[Expr] = []
    for rule, owner in rules:
        guard = TRUE if owner is instance else relative(owner, instance)
        if rule.guard is not None:
            guard = graph.both(guard, _asked(rule, work, owner, context.under(guard)))
        if guard is FALSE:
            continue
        others = (graph.negate(e) for e in earlier if not _apart(e, guard))
        condition = graph.both(*others, guard)
        if condition is not FALSE:
            found.append((rule, owner, condition))
        earlier.append(guard)
        if guard is TRUE or (len(earlier) < len(rules) and always(graph.either(FALSE, *earlier), context)):
            return found
    if rules and work.kind not in instance.misspelt and not _covered(graph.either(FALSE, *earlier), work, context):
        places = dict.fromkeys(r.guard.span if r.guard else r.span for r, _ in rules)
        met = example(graph.implies(work.guard, graph.either(FALSE, *earlier)), context)
        raise work.asked(context).fail(
            "CS503", work.span, f"for some designs no rule of `{instance.path}` serves this `{work.kind}`{met}",
            labels=tuple(Label(p, "this guard does not hold then") for p in places),
            help="add a rule without a guard, or widen one",
        )  # fmt: skip
    return found


def _asked(rule: tree.Rule, work: Pending, owner: Instance, context: Context) -> Expr:
    """What the guard of a rule asks of a work: once for all works that are alike in what it reads."""
    from cospace.compiler.elaborate.evaluate import boolean

    assert rule.guard is not None and context.answering is not None
    scope = picks(rule, work, owner, context)
    words: dict[int, frozenset[str]] = context.state.groups.setdefault("words", {})
    if id(rule) not in words:
        words[id(rule)] = frozenset(n.id for n in walk(rule.guard) if isinstance(n, tree.Name))
    met = (rule, owner, context.guard, *(value for name, value in scope.names.items() if name in words[id(rule)]))
    known: dict[Any, Any] = context.state.groups.setdefault("asked", {})
    key = tuple(map(id, met))
    if key in known:
        return known[key][1]  # type: ignore[no-any-return]
    found = boolean(rule.guard, evolve(context, scope=scope, hint=None))
    if not context.answering.local:
        known[key] = met, found  # `met` keeps the ids alive
    return found


def relative(part: Instance, instance: Instance) -> Expr:
    """When a part exists, where its accelerator does."""
    have = {id(a) for a in conjuncts(instance.context.guard)}
    return graph.both(TRUE, *(a for a in conjuncts(part.context.guard) if id(a) not in have))


def _covered(condition: Expr, work: Pending, context: Context) -> bool:
    from cospace.compiler.elaborate.possible import always

    placed = graph.implies(graph.both(context.guard, work.guard), condition)
    spoiled = bool(context.state.groups.get("failed"))  # a block that failed may set what the guards read
    return spoiled or always(condition, context) or always(placed, context)


def pinned(condition: Expr) -> dict[str, Expr]:
    """What decisions are surely equal to where a condition holds: path -> the constant."""
    parts = [c for c in conjuncts(condition) if c.op == "eq" and c.args[0].op == "var" and c.args[1].is_const]
    return {str(c.args[0].payload): c.args[1] for c in parts}


def _apart(a: Expr, b: Expr) -> bool:
    """Whether two conditions plainly exclude each other: they want different values of one decision."""
    first, second = pinned(a), pinned(b)
    return any(path in second and second[path] is not value for path, value in first.items())


def picks(rule: tree.Rule, work: Pending, instance: Instance, context: Context) -> Scope:
    """The names a rule picks from a work: dimensions, derived facts, and what policies set for its layer."""
    scope = Scope(instance.scope, label=rule.work)
    answering = context.answering
    layer = {**context.state.facts.get(work.layer, {}), **(answering.facts if answering is not None else {})}
    for p in rule.parameters:
        if p.name in work.dims:
            scope.names[p.name] = work.dims[p.name]
        elif p.name in work.facts:
            scope.names[p.name] = work.facts[p.name]
        elif p.name in layer:
            scope.names[p.name] = layer[p.name]
        elif p.name in ASSUMED:
            scope.names[p.name] = _assumed(p.name, work, context)
            if context.answering:
                context.answering.local = True  # the warning names the layer
        elif p.default is not None:
            from cospace.compiler.elaborate.evaluate import evaluate

            scope.names[p.name] = evaluate(p.default, evolve(context, scope=scope, hint=p.name))
        elif p.name == "layer":
            if context.answering:
                context.answering.local = True
            scope.names[p.name] = const(work.layer)
        else:
            options = list(dict.fromkeys([*work.dims, *work.facts, *layer, *ASSUMED]))
            raise evolve(context, calls=()).fail(
                "CS504", p.span, f"work `{work.kind}` has no dimension `{p.name}`",
                help=meant(p.name, options) or f"it has {', '.join(f'`{o}`' for o in options)}",
            )  # fmt: skip
    if context.answering:
        for name, value in scope.names.items():
            if isinstance(value, Expr) and value.op == "var":
                context.answering.consulted.add(str(value.payload))
                scope.names[name] = context.answering.pins.get(str(value.payload), value)
    return scope


def assumed(name: str) -> Expr:
    """What stands for a fact that no policy sets."""
    return const(ASSUMED[name], () if name == "density" else (("bit", Fraction(1)),))


def _assumed(name: str, work: Pending, context: Context) -> Expr:
    value = assumed(name)
    if name != "density" and not context.state.groups.get("failed"):  # else a block that failed may say it
        place, labels = work.asked(context).blame(work.span, "asked for here")
        context.state.reporter.warn(
            "CS507", place, f"no precision is said for `{work.layer}`: 32 bit assumed for `{name}`",
            help="cover it: `precision of NETWORK { weights = …; activations = … }`", labels=labels,
        )  # fmt: skip
    return value


def run_rule(
    rule: tree.Rule, work: Pending, instance: Instance, context: Context
) -> tuple[dict[str, Expr], Expr | None]:
    """A rule's numbers for a work, and the goal of its maps where it says one (smaller is better)."""
    from cospace.compiler.elaborate.evaluate import number

    scope = picks(rule, work, instance, context)
    here = evolve(context, scope=scope, building=None, hint=None, direct=None)
    given = set(scope.names)
    answering = context.answering
    assert answering is not None
    known: dict[Any, Any] = context.state.groups.setdefault("ran", {})
    met = (rule, instance, context.guard, *scope.names.values())
    key = tuple(map(id, met))
    if key in known and answering.details is None:
        return known[key][1]  # type: ignore[no-any-return]
    before = (len(answering.maps), len(answering.requirements), answering.depth)
    goal: Expr | None = None
    failed = False
    for s in rule.block.statements:
        try:
            if isinstance(s, tree.Objective):
                value = number(s.value, here)
                goal = value if s.sense == "minimize" else graph.negative(value)
            elif isinstance(s, tree.Bind):
                statements.bind_names(s, here, lazily=False)
            elif isinstance(s, tree.Require):
                statements.require(s, here)
            else:
                raise here.fail(
                    "CS226", s.span, f"{statements._word(s)} does not belong in a rule", help=statements._home(s)
                )
        except Stop:
            failed = True
            if isinstance(s, tree.Bind):
                statements._spoil(s, scope)
    if failed:
        raise Stop()
    if answering.details is not None:
        answering.details.gather(scope, given, work.kind if answering.depth else "", here)
    fields = {k: v for k, v in scope.names.items() if k not in given and is_number(v)}
    if before == (len(answering.maps), len(answering.requirements), 0) and not answering.local:
        known[key] = met, (fields, goal)  # equal works get equal numbers; `met` keeps the ids alive
    return fields, goal


def lowered(work: Pending, context: Context) -> Record:
    """The default lowering: a kind without rules is replaced by the works it is made of."""
    assert context.answering is not None
    instance = context.answering.instance
    if work.kind in instance.misspelt or context.state.groups.get("failed"):
        raise Stop()  # a rule, or a block that guards read, could not be read
    asks = asks_of(work)
    if not asks:
        known = sorted(instance.rules)
        raise work.asked(context).fail(
            "CS501", work.span, f"`{instance.path}` has no rule for `{work.kind}`, which `{work.layer}` asks for",
            labels=(Label(headline(instance), f"its rules: {', '.join(known) or 'none'}"),),
            help=f"add `on {work.kind}({', '.join(work.dims)}) {{ cycles = … }}` to the accelerator",
        )  # fmt: skip
    scope = Scope(work.home, {**work.dims, **work.facts})
    here = evolve(context, scope=scope)
    total: dict[str, Expr] = {}
    for ask in asks:
        from cospace.compiler.elaborate import calls
        from cospace.compiler.elaborate.evaluate import number

        times = next((number(a.value, here) for a in ask.arguments if a.name == "times"), const(1))
        record = calls.ask(ask, here)
        for key, value in record.fields.items():
            scaled = graph.mul(times, value)
            total[key] = graph.add(total[key], scaled) if key in total else scaled
    return Record(total, f"work ({work.kind})")


def asks_of(work: Pending) -> list[tree.Ask]:
    statements = work.declaration.block.statements if work.declaration.block else ()
    return [s.value for s in statements if isinstance(s, tree.Yield) and isinstance(s.value, tree.Ask)]
