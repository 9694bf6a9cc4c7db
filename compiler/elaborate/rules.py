"""Works served by accelerators: the rule of each, maps gathered per work, default lowerings, placements."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from attrs import evolve, frozen
from cospace.compiler import graph
from cospace.compiler.elaborate import statements
from cospace.compiler.elaborate.hardware import headline
from cospace.compiler.elaborate.values import (
    Answering,
    Context,
    Instance,
    Record,
    Scope,
    State,
    Stop,
    is_number,
)
from cospace.compiler.graph import FALSE, TRUE, Expr, MapProblem, const
from cospace.compiler.model import Placement, Requirement, Work
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import closest

ASSUMED = {"wbits": 32, "abits": 32, "density": 1}


@frozen
class Pending:
    """A work before it is placed. layer: the call that asked."""

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

    def asked(self, context: Context) -> Context:
        """The context in which the operator asked, so that messages point at its call."""
        return evolve(context, calls=self.calls)


def rules_of(instance: Instance, kind: str) -> list[tree.Rule]:
    return [s for s in instance.declaration.block.statements if isinstance(s, tree.Rule) and s.work == kind]


def answer(work: Pending, context: Context) -> Record:
    """What the accelerator of the rule being evaluated says to a work: quantities merged over its rules."""
    answering = context.answering
    assert answering is not None
    if answering.depth > 32:
        raise context.fail("CS506", work.span, f"rules ask for each other without end (`{work.kind}`)")
    answering.depth += 1
    try:
        branches = []
        for rule, condition in applicable(work, answering.instance, context):
            here = evolve(context.under(condition), prefix=f"{context.prefix}.{work.kind}", indices=(), hint=None)
            fields, _ = run_rule(rule, work, answering.instance, here)
            branches.append((condition, fields))
        if not branches:
            return _lowered(work, context)
    finally:
        answering.depth -= 1
    shared = set.intersection(*(set(f) for _, f in branches))
    result = {k: branches[-1][1][k] for k in branches[-1][1] if k in shared}
    for condition, fields in reversed(branches[:-1]):
        result = {k: graph.branch(condition, fields[k], v) for k, v in result.items()}
    return Record(result, f"work ({work.kind})")


def applicable(work: Pending, instance: Instance, context: Context) -> list[tuple[tree.Rule, Expr]]:
    """The rules that may serve a work, each with the condition that it is the first whose guard holds."""
    from cospace.compiler.elaborate.choices import always
    from cospace.compiler.elaborate.evaluate import boolean

    rules = rules_of(instance, work.kind)
    found: list[tuple[tree.Rule, Expr]] = []
    earlier = FALSE
    for rule in rules:
        guard = TRUE
        if rule.guard is not None:
            here = evolve(context, scope=picks(rule, work, instance, context), hint=None)
            guard = boolean(rule.guard, here)
        condition = graph.both(graph.negate(earlier), guard)
        if condition is not FALSE:
            found.append((rule, condition))
        earlier = graph.either(earlier, guard)
        if earlier is TRUE:
            break
    if (
        rules
        and earlier is not TRUE
        and not always(graph.implies(graph.both(context.guard, work.guard), earlier), context)
    ):
        if work.kind in instance.misspelt:
            raise Stop()
        raise work.asked(context).fail(
            "CS503", work.span, f"for some designs no rule of `{instance.path}` serves this `{work.kind}`",
            labels=tuple(Label(r.guard.span if r.guard else r.span, "this guard does not hold then") for r in rules),
            help="add a rule without a guard, or widen one",
        )  # fmt: skip
    return found


def picks(rule: tree.Rule, work: Pending, instance: Instance, context: Context) -> Scope:
    """The names a rule picks from a work: dimensions, derived facts, and what policies set for its layer."""
    scope = Scope(instance.scope, label=rule.work)
    layer = context.state.facts.get(work.layer, {})
    for p in rule.parameters:
        if p.name in work.dims:
            scope.names[p.name] = work.dims[p.name]
        elif p.name in work.facts:
            scope.names[p.name] = work.facts[p.name]
        elif p.name in layer:
            scope.names[p.name] = layer[p.name]
        elif p.name in ASSUMED:
            scope.names[p.name] = _assumed(p.name, work, context)
        elif p.default is not None:
            from cospace.compiler.elaborate.evaluate import evaluate

            scope.names[p.name] = evaluate(p.default, evolve(context, scope=scope, hint=p.name))
        elif p.name == "layer":
            scope.names[p.name] = const(work.layer)
        else:
            options = list(dict.fromkeys([*work.dims, *work.facts, *layer, *ASSUMED]))
            near = closest(p.name, options)
            raise evolve(context, calls=()).fail(
                "CS504", p.span, f"work `{work.kind}` has no dimension `{p.name}`",
                help=f"did you mean `{near}`?" if near else f"it has {', '.join(f'`{o}`' for o in options)}",
            )  # fmt: skip
    return scope


def _assumed(name: str, work: Pending, context: Context) -> Expr:
    value = const(ASSUMED[name], () if name == "density" else (("bit", Fraction(1)),))
    if name != "density":
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
                raise here.fail("CS226", s.span, f"{statements._word(s)} does not belong in a rule")
        except Stop:
            failed = True
            if isinstance(s, tree.Bind):
                statements._spoil(s, scope)
    if failed:
        raise Stop()
    return {k: v for k, v in scope.names.items() if k not in given and is_number(v)}, goal


def _lowered(work: Pending, context: Context) -> Record:
    """The default lowering: a kind without rules is replaced by the works it is made of."""
    assert context.answering is not None
    instance = context.answering.instance
    if work.kind in instance.misspelt:
        raise Stop()
    asks = (
        [
            s.value
            for s in work.declaration.block.statements
            if isinstance(s, tree.Yield) and isinstance(s.value, tree.Ask)
        ]
        if work.declaration.block
        else []
    )
    if not asks:
        known = sorted({s.work for s in instance.declaration.block.statements if isinstance(s, tree.Rule)})
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


# ---- placing every work of the network


def place_all(state: State, context: Context) -> None:
    """Every work on every accelerator: rules, maps, requirements, quantities."""
    if state.placed:
        return
    state.place = None
    by_instance = [(i, [place(w, i, context) for w in state.works]) for i in state.instances if _serves(i)]
    for instance, works in by_instance:
        instance.works = [w for w in works if w is not None]
    state.placed = True


def _serves(instance: Instance) -> bool:
    return any(isinstance(s, tree.Rule) for s in instance.declaration.block.statements)


def place(work: Pending, instance: Instance, context: Context) -> Work | None:
    """One work on one accelerator; None when it can't be (reported)."""
    state = context.state
    placements: list[Placement] = []
    facts = {k: v for k, v in state.facts.get(work.layer, {}).items() if isinstance(v, Expr)}
    base = evolve(instance.context, prefix=work.path, calls=())
    try:
        probe = evolve(base, answering=Answering(instance, work.layer, facts))
        rules: list[tuple[tree.Rule | None, Expr]] = list(applicable(work, instance, probe)) or [(None, TRUE)]
        for rule, condition in rules:
            placements.append(_placement(rule, condition, work, instance, base, facts, context))
    except Stop:
        return None
    dims = tuple((k, v) for k, v in work.dims.items() if isinstance(v, Expr))
    extra = tuple((k, v) for k, v in {**work.facts, **facts}.items() if isinstance(v, Expr))
    return Work(
        work.path,
        work.kind,
        work.layer,
        instance.path,
        dims,
        extra,
        work.times,
        work.guard,
        tuple(placements),
        work.span,
    )


def _placement(
    rule: tree.Rule | None,
    condition: Expr,
    work: Pending,
    instance: Instance,
    base: Context,
    facts: dict[str, Any],
    context: Context,
) -> Placement:
    answering = Answering(instance, work.layer, facts)
    here = evolve(base, answering=answering)
    if rule is None:
        fields, goal, span, title = _lowered(work, here).fields, None, work.span, f"{work.kind} by what it is made of"
    else:
        fields, goal = run_rule(rule, work, instance, here)
        span, title = rule.span, f"on {work.kind}"
    if goal is None:
        goal = fields.get("cycles")
    if goal is None and answering.maps:
        raise context.fail(
            "CS505", span, "the maps of this rule have no goal", help="define `cycles`, or say `minimize …`"
        )
    goals = tuple(g for g in (goal, fields.get("energy")) if g is not None)
    problem = MapProblem(work.path, tuple(answering.maps), tuple(r for r, _, _ in answering.requirements), goals, span)
    guard = graph.both(work.guard, condition)
    _demand(work, instance, problem, guard, answering, context.state)
    quantities = tuple((k, graph.solve(problem, v)) for k, v in fields.items())
    return Placement(f"{instance.path}: {title}", condition, quantities, problem, span)


def _demand(
    work: Pending, instance: Instance, problem: MapProblem, guard: Expr, answering: Answering, state: State
) -> None:
    """What a design must meet for this work to run: each requirement of the rule, or that a mapping exists."""
    if not problem.maps:
        for value, reason, span in answering.requirements:
            if value is not TRUE:
                state.requirements.append(
                    Requirement(value, guard, f"{reason or 'a rule of the accelerator'} ({work.path})", span, "rule")
                )
        return
    if not problem.requirements and all(m.allowed is None for m in problem.maps):
        return
    reasons = list(dict.fromkeys(r for _, r, _ in answering.requirements if r))
    said = f"{work.path} has a mapping on {instance.path}"
    if reasons:
        said += f": {'; '.join(reasons)}"
    span = answering.requirements[0][2] if len(answering.requirements) == 1 else problem.span
    state.requirements.append(Requirement(graph.solvable(problem), guard, said, span, "map"))
