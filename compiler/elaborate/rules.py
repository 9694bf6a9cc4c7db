"""Works served by accelerators: the rule of each, maps gathered per work, default lowerings, placements."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from attrs import frozen
from cospace.compiler.elaborate import lettered, statements, variants
from cospace.compiler.elaborate.hardware import headline
from cospace.compiler.elaborate.parts import rules_of
from cospace.compiler.elaborate.values import (
    Answering,
    Context,
    Instance,
    Record,
    Scope,
    State,
    Stop,
    evolve,
    is_number,
)
from cospace.compiler.elaborate.ways_out import example
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision, MapProblem, const
from cospace.compiler.space.model import Placement, Requirement, Work
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span
from cospace.dsl.suggest import meant
from cospace.dsl.walk import walk

ASSUMED = {"wbits": 32, "abits": 32, "density": 1}
LARGE = 512
"""Mappings from which on a problem is solved ahead."""


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
    network: str = ""

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
            return _lowered(work, context)
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
    have = {id(a) for a in _conjuncts(instance.context.guard)}
    return graph.both(TRUE, *(a for a in _conjuncts(part.context.guard) if id(a) not in have))


def _covered(condition: Expr, work: Pending, context: Context) -> bool:
    from cospace.compiler.elaborate.possible import always

    placed = graph.implies(graph.both(context.guard, work.guard), condition)
    spoiled = bool(context.state.groups.get("failed"))  # a block that failed may set what the guards read
    return spoiled or always(condition, context) or always(placed, context)


def _conjuncts(e: Expr) -> tuple[Expr, ...]:
    return e.args if e.op == "and" else (e,)


def pinned(condition: Expr) -> dict[str, Expr]:
    """What decisions are surely equal to where a condition holds: path -> the constant."""
    parts = [c for c in _conjuncts(condition) if c.op == "eq" and c.args[0].op == "var" and c.args[1].is_const]
    return {str(c.args[0].payload): c.args[1] for c in parts}


def _apart(a: Expr, b: Expr) -> bool:
    """Whether two conditions plainly exclude each other: they want different values of one decision."""
    first, second = pinned(a), pinned(b)
    return any(path in second and second[path] is not value for path, value in first.items())


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


def _assumed(name: str, work: Pending, context: Context) -> Expr:
    value = const(ASSUMED[name], () if name == "density" else (("bit", Fraction(1)),))
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
    if key in known:
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
    fields = {k: v for k, v in scope.names.items() if k not in given and is_number(v)}
    if before == (len(answering.maps), len(answering.requirements), 0) and not answering.local:
        known[key] = met, (fields, goal)  # equal works get equal numbers; `met` keeps the ids alive
    return fields, goal


def _lowered(work: Pending, context: Context) -> Record:
    """The default lowering: a kind without rules is replaced by the works it is made of."""
    assert context.answering is not None
    instance = context.answering.instance
    if work.kind in instance.misspelt or context.state.groups.get("failed"):
        raise Stop()  # a rule, or a block that guards read, could not be read
    asks = _asks(work)
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


# ---- placing every work of the network


def place_all(state: State, context: Context) -> None:
    """Every work on every accelerator that runs its network: rules, maps, requirements, quantities."""
    if state.placed:
        return
    state.place = None
    serving = [i for i in state.instances if serves(i)]
    for instance in serving:
        try:
            network = _runs(instance, state, context)
        except Stop:
            continue
        asked = [w for w in state.works if w.network == network]
        works = [place(w, instance, context) for pending in asked for w in _made_of(pending, instance, context)]
        instance.works = [w for w in works if w is not None]
    _solve_ahead(state)
    state.placed = True


def _solve_ahead(state: State) -> None:
    """Problems with many mappings become tables, before anything reads what their works cost."""
    placements = [p for i in state.instances for w in i.works for p in w.placements if p.problem.maps]
    placements = [p for p in placements if _is_large(p.problem)]
    if not placements:
        return
    from cospace.compiler.solved import Wanted, solve_ahead  # loads numpy

    problems = {id(p.problem): Wanted(p.problem, _unsolved(p)) for p in placements}
    solved = solve_ahead(list(problems.values()), state.decisions, state.variants)
    if not solved:
        return

    def tabled(p: Placement) -> Placement:
        found = solved.get(id(p.problem))
        if found is None:
            return p
        return evolve(p, problem=found.problem, quantities=tuple((k, found.quantities[k]) for k, _ in p.quantities))

    for instance in state.instances:
        instance.works = [evolve(w, placements=tuple(map(tabled, w.placements))) for w in instance.works]
    kept = []
    for r in state.requirements:
        if r.value.op == "solvable" and id(r.value.payload) in solved:
            r = evolve(r, value=solved[id(r.value.payload)].solvable)
        if r.value is not TRUE:
            kept.append(r)
    state.requirements = kept


def _is_large(problem: MapProblem) -> bool:
    return math.prod(len(m.values) for m in problem.maps) >= LARGE


def _unsolved(placement: Placement) -> tuple[tuple[str, Expr], ...]:
    """A placement's quantities as its rule says them, over the maps."""
    return tuple((k, v.args[0] if v.op == "solve" else v) for k, v in placement.quantities)


def serves(instance: Instance) -> bool:
    """Whether an accelerator has rules, its parts' included."""
    rules_of(instance, "")
    return bool(instance.rules)


def _runs(instance: Instance, state: State, context: Context) -> str:
    """The network that an accelerator runs: the only one, or the one it says."""
    if instance.network is not None:
        return instance.network
    if len(state.networks) > 1:
        listed = ", ".join(f"`{n.name}`" for n in state.networks)
        raise evolve(context, calls=instance.context.calls).fail(
            "CS509", instance.context.calls[-1] if instance.context.calls else headline(instance),
            f"there are several networks ({listed}), and `{instance.path}` doesn't say which one it runs",
            help=f"say it: `runs = {state.networks[-1].name}`, as an argument or a line of the accelerator",
        )  # fmt: skip
    return state.networks[0].name if state.networks else ""


def _made_of(work: Pending, instance: Instance, context: Context, depth: int = 0) -> list[Pending]:
    """A work, or, where the accelerator has no rule for its kind, the works that its declaration says it is made of."""
    asks = _asks(work)
    if rules_of(instance, work.kind) or not asks or work.kind in instance.misspelt or depth > 32:
        return [work]
    from cospace.compiler.elaborate import calls

    scope = Scope(work.home, {**work.dims, **work.facts})
    here = evolve(instance.context, scope=scope, hint=None, direct=None, calls=work.calls)
    found: list[Pending] = []
    names: dict[str, int] = {}
    for ask in asks:
        try:
            inner = calls.work_of(ask, here)
        except Stop:
            continue
        names[inner.kind] = names.get(inner.kind, 0) + 1
        path = f"{work.path}.{inner.kind}" + (f"#{names[inner.kind]}" if names[inner.kind] > 1 else "")
        made = evolve(
            inner, path=path, times=graph.mul(work.times, inner.times), guard=work.guard, layer=work.layer,
            span=work.span, calls=work.calls, network=work.network,
        )  # fmt: skip
        found += _made_of(made, instance, context, depth + 1)
    return found


def _asks(work: Pending) -> list[tree.Ask]:
    statements = work.declaration.block.statements if work.declaration.block else ()
    return [s.value for s in statements if isinstance(s, tree.Yield) and isinstance(s.value, tree.Ask)]


def place(work: Pending, instance: Instance, context: Context) -> Work | None:
    """One work on one accelerator; None when it can't be (reported)."""
    state = context.state
    placements: list[Placement] = []
    facts = {k: v for k, v in state.facts.get(work.layer, {}).items() if isinstance(v, Expr)}
    base = evolve(instance.context, prefix=work.path, calls=())
    whole = graph.both(instance.context.guard, work.guard)
    try:
        probe = evolve(base, answering=Answering(instance, work.layer, facts))
        found = applicable(work, instance, probe)
        if not found:
            _lowered(work, probe)  # says what is missing
        for rule, owner, condition in found:
            placements.append(_placement(rule, owner, condition, work, instance, base, facts, whole, context))
    except Stop:
        return None
    dims = tuple((k, v) for k, v in work.dims.items() if isinstance(v, Expr))
    extra = tuple((k, v) for k, v in {**work.facts, **facts}.items() if isinstance(v, Expr))
    return Work(
        work.path, work.kind, work.layer, instance.path, dims, extra, work.times, whole, tuple(placements), work.span
    )


def _placement(
    rule: tree.Rule,
    owner: Instance,
    condition: Expr,
    work: Pending,
    instance: Instance,
    base: Context,
    facts: dict[str, Any],
    whole: Expr,
    context: Context,
) -> Placement:
    state = context.state
    guard = graph.both(whole, condition)
    answering = Answering(instance, work.layer, facts, pins=pinned(guard))
    context_here = evolve(base, answering=answering)
    picked = picks(rule, work, owner, context_here).names
    met = (rule, owner, *picked.values(), *facts.values())
    known: dict[Any, Any] = state.groups.setdefault("answered", {})
    key = (*map(id, met), *picked, *facts)
    question = None
    if key not in known and state.answered is not None:
        question = state.answered.question(rule, owner, picked, answering, state)
    if key in known:
        _, problem, quantities, asked = known[key]
    elif question is not None and (again := question.recall()) is not None:
        problem, quantities, asked = again.problem, again.quantities, again.asked
        known[key] = met, problem, quantities, asked
    else:
        fields, goal = lettered.answer(rule, owner, work, picked, context_here)
        if goal is None:
            goal = fields.get("cycles")
        if goal is None and answering.maps:
            raise context.fail(
                "CS505", rule.span, "the maps of this rule have no goal", help="define `cycles`, or say `minimize …`"
            )
        goals = tuple(g for g in (goal, fields.get("energy")) if g is not None)
        asked = tuple(answering.requirements)
        values = tuple(r for r, _, _ in asked)
        sure = not asked and all(_never_empty(m, work, instance) for m in answering.maps)
        own = MapProblem(work.path, tuple(answering.maps), values, goals, rule.span, sure)
        says = answering.says if _is_large(own) else None
        problem, named = variants.substituter(state).problems.share(own, says)
        quantities = tuple((k, graph.solve(problem, named(v))) for k, v in fields.items())
        if not answering.local:  # works of one shape and one precision are answered once; `met` keeps the ids alive
            known[key] = met, problem, quantities, asked
            if question is not None:
                question.keep(problem, quantities, asked)
    _demand(work, instance, problem, guard, asked, state)
    title = f"{owner.path}: on {work.kind}"
    return Placement(title, condition, quantities, problem, rule.span, owner.path)


def _never_empty(m: MapDecision, work: Pending, instance: Instance) -> bool:
    """Whether a map has a value whatever is chosen around it."""
    from cospace.compiler.elaborate.possible import always

    if m.allowed is None:
        return True
    return always(graph.implies(m.guard, graph.either(*m.allowed)), work.asked(instance.context))


def _demand(
    work: Pending,
    instance: Instance,
    problem: MapProblem,
    guard: Expr,
    asked: tuple[tuple[Expr, str | None, Span], ...],
    state: State,
) -> None:
    """What a design must meet for this work to run: each requirement of the rule, or that a mapping exists."""
    if not problem.maps:
        for value, reason, span in asked:
            if value is not TRUE:
                state.requirements.append(
                    Requirement(value, guard, f"{reason or 'a rule of the accelerator'} ({work.path})", span, "rule")
                )
        return
    if problem.sure:
        return
    reasons = list(dict.fromkeys(r for _, r, _ in asked if r))
    said = f"{work.path} has a mapping on {instance.path}"
    if reasons:
        said += f": {'; '.join(reasons)}"
    span = asked[0][2] if len(asked) == 1 else problem.span
    state.requirements.append(Requirement(graph.solvable(problem), guard, said, span, "map"))
