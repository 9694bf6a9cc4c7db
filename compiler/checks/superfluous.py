"""What a spec could leave out: requirements that change nothing, guards that never hold, decisions that nothing reads,
objectives that nothing moves. Each is a warning that rests on a proof; what is not decided is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.checks.findings import Case, Claim, Finding, read_expressions, shown_paths
from cospace.compiler.clock import attempt, hit, reason
from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.graph import TRUE, Expr, both, const, eq, negate
from cospace.compiler.space.model import Call, Choice, Objective, Requirement, Space
from cospace.compiler.space.units import show_quantity
from cospace.dsl.diagnostics import Diagnostic, Label, Span

TOLD = 3
"""Requirements that are named as the reason of another's being superfluous, at most."""
COMPARED = 8
"""Feasible designs at which an objective is evaluated before another value of it is looked for."""

_Group = Sequence[Requirement]
"""A requirement as written, which loops and variants multiply."""


def superfluous_requirements(case: Case) -> Finding:
    """Requirements as written that no design breaks while it meets all others, and guards that hold at none.

    Contracts of operators are not asked. One whose guard never holds is told as that alone.
    """
    groups = _by_place([r for r in case.space.requirements if r.origin in ("written", "rule")])
    idle, idle_unknown = [], []
    for group in (g for g in groups if all(r.guard is not TRUE for r in g)):
        held = attempt(partial(_is_reached, case, group), _unknown)
        idle += [group] * (held is False)
        idle_unknown += [group] * (held is None)
    redundant, unknown, claims = [], [], []
    for group in groups:
        if group in idle:
            continue
        answer = attempt(partial(_redundant, case, group), _unknown)
        redundant += [answer] * isinstance(answer, Diagnostic)
        claims += [Claim("redundant", requirements=tuple(group))] * isinstance(answer, Diagnostic)
        unknown += [group] * (answer is None)
    return Finding(
        None if unknown or idle_unknown else True,
        (
            *([f"redundancy: {len(redundant)} found" if redundant else "redundancy: every requirement counts"]
              if not unknown else []),
            *([f"guards: {len(idle)} never hold" if idle else "guards: each holds at some feasible design"]
              if not idle_unknown else []),
        ),
        tuple(
            f"{what}: not decided for {', '.join(g[0].reason for g in left)}{_cut()}"
            for what, left in (("redundancy", unknown), ("guards", idle_unknown)) if left
        ),
        (*(d for d in redundant if isinstance(d, Diagnostic)), *map(_never_reached, idle)),
        (*claims, *(Claim("idle", requirements=tuple(group)) for group in idle)),
    )  # fmt: skip


def _unknown() -> None:
    """What is known of a question for which the time was up."""


def _cut() -> str:
    return f" ({reason()})" if hit() else ""


def _by_place(requirements: Sequence[Requirement]) -> list[list[Requirement]]:
    groups: dict[object, list[Requirement]] = {}
    for r in requirements:
        groups.setdefault(r.span, []).append(r)
    return list(groups.values())


def _violating(requirement: Requirement) -> Requirement:
    """The requirement that `requirement` is broken: its guard holds and its value doesn't."""
    value = both(requirement.guard, negate(requirement.value))
    return Requirement(value, TRUE, f"not: {requirement.reason}", requirement.span, requirement.origin)


def _redundant(case: Case, group: _Group) -> Diagnostic | bool | None:
    """The warning that a requirement changes nothing; False where it does, None where that is not decided."""
    space, prover = case.space, case.prover
    _, truth = prover.sample()
    own = [i for i, r in enumerate(space.requirements) if any(r is g for g in group)]
    others = truth[:, [i for i in range(truth.shape[1]) if i not in own]].all(axis=1)
    if (others & ~truth[:, own].all(axis=1)).any():
        return False
    rest = [r for r in space.requirements if not any(r is g for g in group)]
    verdicts = [prover.settle([*rest, _violating(r)]) for r in group]
    if any(v.possible for v in verdicts):
        return False
    if any(v.possible is None for v in verdicts):
        return None
    broken = [_violating(r) for r in group]
    if all(prover.settle([b]).possible is False for b in broken):
        return _always(space, group)
    from cospace.compiler.conflicts.conflict import minimal_conflict

    implied: dict[int, Requirement] = {}
    for b, verdict in zip(broken, verdicts, strict=True):
        core = [r for r in verdict.core if any(r is s for s in rest)]
        for r in minimal_conflict(prover, [*core, b]).requirements:
            if r is not b and r.span != b.span:
                implied.setdefault(id(r), r)
    labels = tuple(Label(r.span, f"follows from this: {r.reason}") for r in list(implied.values())[:TOLD])
    return Diagnostic(
        "CS604", "warning", f"this requirement changes nothing: {group[0].reason}", group[0].span, labels,
        "every design that meets the others meets it; leave it out, or tighten it",
    )  # fmt: skip


def _always(space: Space, group: _Group) -> Diagnostic:
    bounder = Bounder({d.path: d.values for d in space.decisions})
    worst = {_at_worst(r.value, bounder) for r in group}
    said = worst.pop() if len(worst) == 1 else None
    return Diagnostic(
        "CS608", "warning", f"this requirement holds at every design: {group[0].reason}", group[0].span,
        help=(f"at worst {said}; " if said else "") + "leave it out, or tighten it",
    )  # fmt: skip


def _at_worst(value: Expr, bounder: Bounder) -> str | None:
    """The two sides of a comparison as near to each other as they can come: `16 <= 64`."""
    if value.op not in ("le", "lt"):
        return None
    from cospace.compiler.conflicts.words import sides

    left, right = bounder.bounds(value.args[0]).high, bounder.bounds(value.args[1]).low
    if not isinstance(left, Fraction | int) or not isinstance(right, Fraction | int):
        return None
    return sides(value, [Fraction(left), Fraction(right)])


def _is_reached(case: Case, group: _Group) -> bool | None:
    """Whether the guard holds at some feasible design."""
    guards = [Requirement(r.guard, TRUE, "its guard holds", r.span) for r in group]
    verdicts = [case.prover.settle([*case.space.requirements, g]) for g in guards]
    if any(v.possible for v in verdicts):
        return True
    return None if any(v.possible is None for v in verdicts) else False


def _never_reached(group: _Group) -> Diagnostic:
    return Diagnostic(
        "CS605", "warning", f"the condition of this requirement never holds: {group[0].reason}", group[0].span,
        help="no feasible design reaches it; check the `when`, or leave the requirement out",
    )  # fmt: skip


# ---- decisions and objectives


def unread_decisions(space: Space) -> Finding:
    """Decisions that neither a requirement, an objective, a quantity, a work, a network, a policy nor a stage reads."""
    read: set[str] = set()
    settings = [e for s in space.stages for _, e in (*s.settings, *s.engines)]
    for e in (*settings, *(e for p in space.policies for _, e in p.fields), *_bound_later(space)):
        read |= e.free
    for expr, guard in read_expressions(space):
        read |= expr.free | guard.free
    for w in space.works:
        for _, e in (*w.dims, *w.facts):
            read |= e.free
        read |= w.guard.free
    for network in space.networks:
        for node in network.nodes:
            if isinstance(node, Choice):
                read.add(node.decision)
            if isinstance(node, Call):
                for _, e in (*node.arguments, *node.facts):
                    read |= e.free
            for e in node.shape:
                read |= e.free
    lost = [d for d in space.decisions if d.path not in read]
    copies: dict[Span, list[str]] = {}  # those of one place are told together
    for d in lost:
        copies.setdefault(d.span, []).append(d.path)
    diagnostics = []
    for span, paths in copies.items():
        several = len(paths) > 1
        said = f"nothing reads the decision{'s' if several else ''} {shown_paths(paths)}"
        help = f"use {'them' if several else 'it'}, or leave {'them' if several else 'it'} out"
        diagnostics.append(Diagnostic("CS606", "warning", said, span, help=help))
    return Finding(True, (f"decisions nothing reads: {len(lost) or 'none'}",), (), tuple(diagnostics))


def _bound_later(space: Space) -> list[Expr]:
    """What `switch`, `random` and `adapt` depend on."""
    found = [v.by for v in space.variants if v.by is not None] + [v.guard for v in space.variants]
    return found + [e for v in space.variants for e in (*(v.allowed or ()), *(v.weights or ()))]


def unmoved_objectives(case: Case) -> Finding:
    """Objectives that have one value at all feasible designs. Measures are not asked."""
    modelled = [o for o in case.space.objectives if not o.measured]
    if not modelled:
        return Finding(True)
    verdicts = [(o, attempt(partial(_constant, case, o), _unknown)) for o in modelled]
    still = [(o, value) for o, value in verdicts if isinstance(value, Fraction)]
    unknown = [o.text for o, value in verdicts if value is None]
    diagnostics = tuple(
        Diagnostic(
            "CS609", "warning", f"nothing moves this objective: it is {_quantity(o, value)} at every feasible design",
            o.span, help="leave it out, or make it depend on a decision",
        )
        for o, value in still
    )  # fmt: skip
    if unknown:
        left = f"objectives that nothing moves: not decided for {', '.join(unknown)}{_cut()}"
        return Finding(None, (), (left,), diagnostics)
    return Finding(True, (f"objectives that nothing moves: {len(still) or 'none'}",), (), diagnostics)


def _quantity(objective: Objective, value: Fraction) -> str:
    return show_quantity(value, objective.value.type.unit)


def _constant(case: Case, objective: Objective) -> Fraction | bool | None:
    """The only value of an objective, False where it has several, None where that is not decided."""
    designs = case.witnesses.designs[:COMPARED]
    if not designs:
        verdict = case.prover.draw_or_settle()
        designs = [verdict.witness] if verdict.witness is not None else []
    values = [v for d in designs if isinstance(v := evaluate(objective.value, d), Fraction | Enclosure)]
    ends = [(v.low, v.high) if isinstance(v, Enclosure) else (v, v) for v in values]
    if ends and max(low for low, _ in ends) > min(high for _, high in ends):
        return False
    first = next((v for v in values if isinstance(v, Fraction)), None)
    if first is None:
        return None
    other = negate(eq(objective.value, const(first, objective.value.type.unit)))
    asked = [*case.space.requirements, Requirement(other, TRUE, "another value", objective.span)]
    possible = case.prover.settle(asked).possible
    return first if possible is False else None if possible is None else False
