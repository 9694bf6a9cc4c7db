"""Placing every work of a network on every accelerator that runs it: rules, maps, requirements, quantities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cospace.compiler.elaborate import lettered, variants
from cospace.compiler.elaborate.given import Details, Given, restrict
from cospace.compiler.elaborate.hardware import headline
from cospace.compiler.elaborate.parts import rules_of
from cospace.compiler.elaborate.rules import Pending, applicable, asks_of, lowered, picks, pinned, run_rule
from cospace.compiler.elaborate.unproved import unsolved, warnings
from cospace.compiler.elaborate.values import Answering, Context, Instance, Scope, State, Stop, evolve
from cospace.compiler.space import graph
from cospace.compiler.space.graph import TRUE, Expr, MapDecision, MapProblem
from cospace.compiler.space.model import Placement, Requirement, Work
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span

LARGE = 512
"""Mappings from which on a problem is solved ahead."""


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
    if state.closely is not None:
        state.closely.check(state, [w.path for i in serving for w in i.works])
    _solve_ahead(state)
    state.placed = True


def _solve_ahead(state: State) -> None:
    """Problems with many mappings become tables, before anything reads what their works cost."""
    placements = [p for i in state.instances for w in i.works for p in w.placements if p.problem.maps]
    placements = [p for p in placements if _is_large(p.problem) and not p.details]
    if not placements:
        return
    from cospace.compiler.solved import TRIED, Wanted, solve_ahead  # loads numpy

    problems = {id(p.problem): Wanted(p.problem, _unsolved(p)) for p in placements}
    solved = solve_ahead(list(problems.values()), state.decisions, state.variants)
    for found in problems.values():
        if id(found.problem) not in solved and _count(found.problem, free=True) > TRIED:
            state.reporter.report(unsolved(found.problem))
    if not solved:
        return
    met = tuple(found.met for found in solved.values() if found.met is not None)
    state.groups["met"] = met
    for warning in warnings(met):
        state.reporter.report(warning)

    def tabled(p: Placement) -> Placement:
        found = solved.get(id(p.problem))
        if found is None:
            return p
        return evolve(p, problem=found.problem, quantities=tuple((k, found.quantities[k]) for k, _ in p.quantities))

    for instance in state.instances:
        instance.works = [evolve(w, placements=tuple(map(tabled, w.placements))) for w in instance.works]
    kept = []
    closely = state.closely.works if state.closely is not None else {}
    for r in state.requirements:
        if r.value.op == "solvable" and id(r.value.payload) in solved and r.work not in closely:
            r = evolve(r, value=solved[id(r.value.payload)].solvable)
        if r.value is not TRUE:
            kept.append(r)
    state.requirements = kept


def _is_large(problem: MapProblem) -> bool:
    return _count(problem) >= LARGE


def _count(problem: MapProblem, free: bool = False) -> int:
    """Mappings. free: only of maps that may take all their values whatever is chosen."""
    return math.prod(len(m.values) for m in problem.maps if not free or m.allowed is None)


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
    asks = asks_of(work)
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
            span=work.span, calls=work.calls, network=work.network, own=work.own or inner.own,
        )  # fmt: skip
        found += _made_of(made, instance, context, depth + 1)
    return found


def place(work: Pending, instance: Instance, context: Context) -> Work | None:
    """One work on one accelerator; None when it can't be (reported)."""
    state = context.state
    placements: list[Placement] = []
    facts = {k: v for k, v in work.told(state.facts.get(work.layer, {})).items() if isinstance(v, Expr)}
    base = evolve(instance.context, prefix=work.path, calls=())
    whole = graph.both(instance.context.guard, work.guard)
    try:
        probe = evolve(base, answering=Answering(instance, work.layer, facts))
        found = applicable(work, instance, probe)
        if not found:
            lowered(work, probe)  # says what is missing
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
    closely = state.closely.works.get(work.path) if state.closely is not None else None
    if closely is not None:
        return _closely(rule, owner, condition, work, instance, context_here, closely, guard)
    if key not in known and state.answered is not None:
        question = state.answered.question(rule, owner, picked, answering, state)
    if key in known:
        _, problem, quantities, asked = known[key]
    elif question is not None and (again := question.recall()) is not None:
        problem, quantities, asked = again.problem, again.quantities, again.asked
        known[key] = met, problem, quantities, asked
    else:
        fields, goal = lettered.answer(rule, owner, work, picked, context_here)
        asked = tuple(answering.requirements)
        own = _problem(rule, work, instance, answering, fields, goal, context)
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


def _problem(
    rule: tree.Rule,
    work: Pending,
    instance: Instance,
    answering: Answering,
    fields: dict[str, Expr],
    goal: Expr | None,
    context: Context,
) -> MapProblem:
    """The maps that were met while a rule answered a work, with what they must meet and their goals."""
    if goal is None:
        goal = fields.get("cycles")
    if goal is None and answering.maps:
        raise context.fail(
            "CS505", rule.span, "the maps of this rule have no goal", help="define `cycles`, or say `minimize …`"
        )
    goals = tuple(g for g in (goal, fields.get("energy")) if g is not None)
    asked = answering.requirements
    sure = not asked and all(_never_empty(m, work, instance) for m in answering.maps)
    return MapProblem(
        work.path, tuple(answering.maps), tuple(r for r, _, _ in asked), goals, rule.span, sure,
        tuple((reason, span) for _, reason, span in asked),
    )  # fmt: skip


def _closely(
    rule: tree.Rule,
    owner: Instance,
    condition: Expr,
    work: Pending,
    instance: Instance,
    context: Context,
    given: Sequence[Given],
    guard: Expr,
) -> Placement:
    """A placement with all that its rule names, of the mappings that are given."""
    state, answering = context.state, context.answering
    assert state.closely is not None and answering is not None
    title = f"{owner.path}: on {work.kind}"
    state.closely.met.setdefault(work.path, set()).add(title)
    answering.details = Details()
    fields, goal = run_rule(rule, work, owner, context)
    answering.maps = restrict(answering.maps, given, work.path, title, state)
    own = _problem(rule, work, instance, answering, fields, goal, context)
    problem, named = variants.substituter(state).problems.share(own)

    def solved(e: Expr) -> Expr:
        return graph.solve(problem, named(e))

    quantities = tuple((k, solved(v)) for k, v in fields.items())
    details = tuple((k, solved(there), solved(v)) for k, there, v in answering.details.found)
    _demand(work, instance, problem, guard, tuple(answering.requirements), state)
    return Placement(title, condition, quantities, problem, rule.span, owner.path, details)


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
    state.requirements.append(Requirement(graph.solvable(problem), guard, said, span, "map", work.path))
