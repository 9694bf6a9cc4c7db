"""What is proved about a space before anything is searched: satisfiable, defined everywhere, no dead values.

`deep` adds what the spec could leave out (`superfluous`). Each answer is a proof, a witness that was re-checked by the
reference evaluator, or said to be skipped; never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.checks.dead_words import dead_values
from cospace.compiler.checks.findings import Case, Claim, Finding, hedged, map_domains, readers
from cospace.compiler.checks.superfluous import superfluous_requirements, unmoved_objectives, unread_decisions
from cospace.compiler.checks.undefined import undefined_at
from cospace.compiler.clock import attempt, reason
from cospace.compiler.cost import holds
from cospace.compiler.exact.exact import Undecided
from cospace.compiler.proofs.defined import Condition, conditions, open_to
from cospace.compiler.space.graph import TRUE, Expr, both, either, implies, negate
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE, Diagnostic


@frozen
class Report:
    """ok: True when nothing is wrong, None when something stayed undecided. proved, skipped: in words.

    claims: what was found of the space that a certificate can show.
    """

    ok: bool | None
    proved: tuple[str, ...]
    skipped: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    claims: tuple[Claim, ...] = ()


def check(space: Space, deep: bool = False) -> Report:
    """Check a space. Coverage was proved when its works were placed; where mappings are not proved nothing else is."""
    case = Case(space)
    findings = [_asked("satisfiable", lambda: _satisfiable(case, deep))]
    if findings[0].ok:
        findings += [_asked("definedness", lambda: _defined(case)), _asked("dead values", lambda: dead_values(case))]
        findings.append(unread_decisions(space))
        if deep:
            findings.append(_asked("redundancy", lambda: superfluous_requirements(case)))
            findings.append(_asked("objectives", lambda: unmoved_objectives(case)))
            if case.prover.undecided:
                left = f"redundancy: {case.prover.undecided} designs were met where a requirement can't be decided"
                findings.append(Finding(None, skipped=(left,)))
    proved = ["coverage: every work is served by a rule"] * bool(space.works)
    skipped: list[str] = []
    diagnostics: list[Diagnostic] = []
    claims: list[Claim] = []
    for f in findings:
        proved += f.proved
        skipped += f.skipped
        diagnostics += f.diagnostics
        claims += f.claims
    if not deep and findings[0].ok:
        skipped.append("redundant requirements, guards that never hold, unmoved objectives: --deep looks for them")
    if space.met:
        return _unproved(space, proved, skipped, diagnostics)
    failed = any(d.severity == "error" for d in diagnostics)
    undecided = any(f.ok is None for f in findings)
    ok = False if failed else None if undecided else True
    return Report(ok, tuple(proved), tuple(skipped), tuple(diagnostics), tuple(claims))


def _unproved(space: Space, proved: Sequence[str], skipped: Sequence[str], diagnostics: Sequence[Diagnostic]) -> Report:
    """What was found with mappings that are not proved the least, of which only coverage is certain."""
    said = of_met(space.met)
    sure = tuple(p for p in proved if p.startswith("coverage"))
    with_them = tuple(f"{p} (only with these mappings)" for p in proved if p not in sure)
    return Report(None, sure, (f"{said}: nothing that hangs on them is proved", *with_them, *skipped),
                  hedged(space, diagnostics))  # fmt: skip


def _asked(name: str, question: Callable[[], Finding]) -> Finding:
    """A question's answer; unknown where it meets a comparison that can't be decided, or the time is up."""

    def unknown(why: object) -> Finding:
        return Finding(None, skipped=(f"{name}: unknown ({why})",))

    try:
        return attempt(question, lambda: unknown(reason()))
    except Undecided as stop:
        return unknown(stop)


def _satisfiable(case: Case, every: bool) -> Finding:
    said = "satisfiable: a design meets every requirement, re-checked exactly"
    if case.witnesses.designs:
        return Finding(True, (said,))
    verdict = case.prover.draw_or_settle()
    if verdict.possible is None:
        return Finding(None, skipped=(f"satisfiable: unknown ({verdict.limit or 'no limit was said'})",))
    if verdict.possible is False and case.space.met:
        return Finding(None, skipped=("satisfiable: unknown, no design is feasible with these mappings",))
    if verdict.possible is False:
        from cospace.compiler.conflicts.words import all_conflicts, explain_conflict

        if every:
            found, complete = attempt(lambda: all_conflicts(case.prover), lambda: ((), False))
            if found:
                said = f"conflicts: {len(found)} minimal" + (", and there are no others" if complete else "")
                lost = () if complete else ("conflicts: others were not looked for any further",)
                return Finding(False, (said,), lost, found, (Claim("empty"),))
        found_one = explain_conflict(case.prover, verdict.core or case.space.requirements)
        return Finding(False, diagnostics=(found_one,), claims=(Claim("empty"),))
    witness = verdict.witness
    assert witness is not None
    if all(holds(r, witness) is True for r in case.space.requirements):
        case.witnesses.add(witness, case.space)
        return Finding(True, (said,))
    return Finding(None, skipped=("satisfiable: a witness could not be confirmed by the reference evaluator",))


# ---- definedness


def undefined(space: Space) -> tuple[Diagnostic, ...]:
    """CS602 where something has no value at a design that nothing excludes; nothing where none was found.

    Such a design is neither feasible nor infeasible, so that no number of designs would be right.
    """
    return _asked("definedness", lambda: _defined(Case(space))).diagnostics


def _defined(case: Case) -> Finding:
    """Every expression that a requirement, an objective or a quantity reads has a value at every design."""
    space = case.space
    maps = map_domains(space)
    bounder = Bounder({**{d.path: d.values for d in space.decisions}, **maps})
    excluded = [r for r in space.requirements if r.origin == "map"]
    solvable = {id(r.value): r.guard for r in excluded}

    is_open = open_to(lambda e: bounder.bounds(e).settled is True)

    def unsettled_in(expr: Expr, guard: Expr) -> list[Condition]:
        met = conditions(expr, guard, is_open)
        found = [c for c in met if c.node.op != "solve" or not _is_excluded(c.holds, solvable)]
        return [c for c in found if bounder.bounds(c.holds).settled is not True]

    open_ones = [(c, place) for expr, guard, place in readers(space) for c in unsettled_in(expr, guard)]
    if not open_ones:
        return Finding(True, ("definedness: nothing divides by zero or leaves a domain, at any design",))
    unsettled = []
    excluding = [
        _where_defined(r, [c for c in unsettled_in(r.value, r.guard) + unsettled_in(r.guard, TRUE)
                           if c.holds.free.isdisjoint(maps)])
        for r in space.requirements
    ]  # fmt: skip
    for c, place in open_ones:
        if not c.holds.free.isdisjoint(maps):
            unsettled.append(c)
            continue
        broken = Requirement(negate(c.holds), TRUE, "undefined", NOWHERE)
        verdict = case.prover.settle([*excluding, broken])
        if verdict.possible is None:
            unsettled.append(c)
        elif verdict.possible:
            assert verdict.witness is not None
            return Finding(False, diagnostics=(undefined_at(space, verdict.witness, c.node, place),))
    if unsettled:
        return Finding(None, skipped=(f"definedness: {len(unsettled)} expressions were not decided",))
    return Finding(True, ("definedness: nothing divides by zero or leaves a domain, at any feasible design",))


def _where_defined(requirement: Requirement, needs: Sequence[Condition]) -> Requirement:
    """What a requirement excludes: a design where it is false. Where it is undefined it excludes nothing."""
    if not needs:
        return requirement
    value = either(negate(both(*(c.holds for c in needs))), implies(requirement.guard, requirement.value))
    return evolve(requirement, value=value, guard=TRUE)


def _is_excluded(holds_: Expr, solvable: dict[int, Expr]) -> bool:
    """Whether a requirement of its own says that the work has a mapping."""
    parts = holds_.args if holds_.op == "or" else (holds_,)
    return any(id(p) in solvable for p in parts)
