"""Accelerators: instances with lazy bodies, rules for works, maps gathered per work, placements."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from attrs import evolve, fields, frozen
from cospace.compiler import graph
from cospace.compiler.elaborate import statements
from cospace.compiler.elaborate.values import (
    AcceleratorClass,
    Answering,
    Context,
    Function,
    Gathered,
    Instance,
    Lazy,
    Record,
    Scope,
    State,
    Stop,
    describe,
    is_number,
    one_of,
)
from cospace.compiler.graph import FALSE, TRUE, Expr, MapProblem, const
from cospace.compiler.model import Accelerator, Placement, Requirement, Work
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


# ---- instances


def instantiate(cls: AcceleratorClass, arguments: tuple[tree.Argument, ...], span: Span, context: Context) -> Instance:
    """One accelerator, named by what it is bound to; its decisions are made now, in declared order."""
    from cospace.compiler.elaborate import calls

    declaration = cls.declaration
    path = context.hint or declaration.name
    scope = Scope(cls.scope, label=declaration.name)
    here = Context(context.state, scope, TRUE, path, (), None, None, None, (*context.calls, span))
    if declaration.parameters is not None:
        calls.bind(declaration.parameters, arguments, here, context, span, f"`{declaration.name}`")
    instance = Instance(path, declaration, scope, here)
    context.state.instances.append(instance)
    prepare(declaration.block, here, instance)
    return instance


def headline(instance: Instance) -> Span:
    """The first line of an accelerator's declaration."""
    span = instance.declaration.span
    first = instance.scope.owner().file.text[span.start : span.end].split("\n", 1)[0]
    return Span(span.file, span.start, span.start + len(first.rstrip(" {")))


def prepare(block: tree.Block, here: Context, instance: Instance) -> None:
    """Every name of an accelerator's body becomes a lazy entry; then its decisions are made, in order."""
    scope, state = here.scope, here.state
    for s in block.statements:
        if isinstance(s, tree.Bind):
            for t in s.targets:
                if not isinstance(t, tree.Name):
                    continue
                if t.id in scope.names:
                    state.reporter.error(
                        "CS210",
                        t.span,
                        f"`{t.id}` is bound twice in `{instance.path}`",
                        labels=(Label(instance.spans.get(t.id, s.span), "first here"),),
                    )
                    continue
                scope.names[t.id] = _lazy(s, t, here)
                instance.spans[t.id] = t.span
        elif isinstance(s, tree.Def):
            scope.names[s.name] = Function(s, scope)
        elif isinstance(s, tree.Part):
            state.reporter.error(
                "CS208",
                s.span,
                "`part` is in the language, but this version can't build it yet",
                help="declare its fields in the accelerator itself",
            )
        elif isinstance(s, tree.Rule):
            _check_kind(s, here)
        elif not isinstance(s, tree.Require):
            state.reporter.error(
                "CS226", s.span, f"{statements._word(s)} does not belong in an accelerator", help=statements._home(s)
            )
    scope.names["works"] = Lazy(lambda: _works(instance, here), instance.declaration.span)
    for s in block.statements:
        if isinstance(s, tree.Bind) and _decides(s.value):
            for t in s.targets:
                if isinstance(t, tree.Name):
                    _settle(scope, t.id, t.span, here)


def _check_kind(rule: tree.Rule, context: Context) -> None:
    """A rule for a kind of work that no loaded file declares serves nothing: most often a misspelling."""
    kinds: set[str] = context.state.groups.get("kinds", set())
    if rule.work in kinds:
        return
    near = closest(rule.work, sorted(kinds))
    text = context.scope.owner().file.text
    start = text.find(rule.work, rule.span.start)
    place = Span(rule.span.file, start, start + len(rule.work)) if start >= 0 else rule.span
    if near:
        context.state.reporter.error("CS201", place, f"unknown work `{rule.work}`", help=f"did you mean `{near}`?")
    else:
        context.state.reporter.warn(
            "CS508", place, f"nothing declares work `{rule.work}`, so this rule serves nothing",
            help="declare it: `work NAME(dims) { … }`, or import the library that does",
        )  # fmt: skip


def _lazy(s: tree.Bind, t: tree.Name, here: Context) -> Lazy:
    from cospace.compiler.elaborate.evaluate import evaluate

    return Lazy(lambda: one_of(evaluate(s.value, here.named(t.id))), s.span)


def _settle(scope: Scope, name: str, span: Span, context: Context) -> Any:
    from cospace.compiler.elaborate import names

    try:
        return names.force(scope, name, span, context)
    except Stop:
        return None


def _decides(node: Any) -> bool:
    """Whether an expression makes a decision (not a map: those stand in rules)."""
    if isinstance(node, tree.Decision):
        return True
    if isinstance(node, tuple):
        return any(_decides(n) for n in node)
    if isinstance(node, tree.Node):
        return any(_decides(getattr(node, f.name)) for f in fields(type(node)))
    return False


def _works(instance: Instance, context: Context) -> Gathered:
    state = context.state
    if state.place is not None and not state.placed:
        state.place()
    if not state.placed:
        raise context.fail(
            "CS204",
            instance.declaration.span,
            "`works` is read while the works are being placed",
            help="a rule can't read what depends on all works",
        )
    items = []
    for w in instance.works:
        fields: dict[str, Any] = dict(w.dims)
        fields.update(w.facts)
        fields["layer"] = const(w.call)
        fields["kind"] = const(graph.Symbol(w.kind))
        fields.update(merged(w.placements))
        items.append((Record(fields, f"work ({w.kind})"), w.guard, w.times))
    return Gathered(tuple(items), "works")


def merged(placements: tuple[Placement, ...]) -> dict[str, Expr]:
    """Quantities over the rules that may serve a work: a condition for each, the last one stands for the rest."""
    shared = [dict(p.quantities) for p in placements]
    result: dict[str, Expr] = {}
    for key in shared[-1] if shared else ():
        if all(key in q for q in shared):
            value = shared[-1][key]
            for p, q in zip(reversed(placements[:-1]), reversed(shared[:-1]), strict=True):
                value = graph.branch(p.guard, q[key], value)
            result[key] = value
    return result


# ---- rules


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
    asks = (
        [
            s.value
            for s in work.declaration.block.statements
            if isinstance(s, tree.Yield) and isinstance(s.value, tree.Ask)
        ]
        if work.declaration.block
        else []
    )
    assert context.answering is not None
    instance = context.answering.instance
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


def finish(instance: Instance, state: State) -> Accelerator:
    """Everything of an accelerator that isn't a decision: its requirements, and each quantity by name."""
    context = instance.context
    for s in instance.declaration.block.statements:
        if isinstance(s, tree.Require):
            try:
                statements.require(s, context)
            except Stop:
                continue
    quantities = []
    for name, span in instance.spans.items():
        value = _settle(instance.scope, name, span, context)
        if is_number(value) and value.op != "var":
            quantities.append((name, value))
        elif value is not None and not isinstance(value, (Expr, Gathered, Record)):
            state.reporter.warn("CS225", span, f"`{instance.path}.{name}` is {describe(value)}, and nothing can use it")
    kinds = tuple(dict.fromkeys(s.work for s in instance.declaration.block.statements if isinstance(s, tree.Rule)))
    return Accelerator(
        instance.path,
        instance.declaration.name,
        tuple(quantities),
        kinds,
        instance.declaration.doc,
        instance.declaration.span,
    )
