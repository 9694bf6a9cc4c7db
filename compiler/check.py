"""What is proved about a space before anything is searched: satisfiable, defined everywhere, no dead values.

`deep` adds redundant requirements, guards that never hold, and decisions nothing reads. Each answer is a proof, a
witness that was re-checked by the reference evaluator, or said to be skipped; never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from cospace.compiler.cost import holds
from cospace.compiler.defined import Condition, conditions, open_to
from cospace.compiler.graph import TRUE, Expr, MapProblem, Value, both, either, implies, negate, walk
from cospace.compiler.intervals import Bounder
from cospace.compiler.model import Call, Choice, Design, Requirement, Space, spell
from cospace.compiler.witness import Witnesses, find_witnesses
from cospace.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from cospace.compiler.prove import Prover


@frozen
class Report:
    """ok: True when nothing is wrong, None when something stayed undecided. proved, skipped: in words."""

    ok: bool | None
    proved: tuple[str, ...]
    skipped: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def check(space: Space, deep: bool = False) -> Report:
    """Check a space. Coverage was proved when its works were placed."""
    case = Case(space)
    findings = [_satisfiable(case, deep)]
    if findings[0].ok:
        findings += [_defined(case), _dead_values(case)]
        if deep:
            findings += [_redundant(case), _vacuous(case), _unread(space)]
    proved = ["coverage: every work is served by a rule"] * bool(space.works)
    skipped: list[str] = []
    diagnostics: list[Diagnostic] = []
    for f in findings:
        proved += f.proved
        skipped += f.skipped
        diagnostics += f.diagnostics
    if not deep and findings[0].ok:
        skipped.append("redundant requirements, guards that never hold, decisions nothing reads: --deep looks for them")
    failed = any(d.severity == "error" for d in diagnostics)
    undecided = any(f.ok is None for f in findings)
    return Report(False if failed else None if undecided else True, tuple(proved), tuple(skipped), tuple(diagnostics))


@frozen
class Finding:
    """What one question gave; ok None: not decided."""

    ok: bool | None
    proved: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


class Case:
    """A space with what its proofs share: designs found one at a time, and the batched prover where they don't do."""

    def __init__(self, space: Space) -> None:
        self.space = space

    @cached_property
    def witnesses(self) -> Witnesses:
        return find_witnesses(self.space)

    @cached_property
    def prover(self) -> Prover:
        """Made when first asked, for it loads numpy and compiles batches."""
        from cospace.compiler.prove import Prover

        return Prover(self.space)


def _satisfiable(case: Case, every: bool) -> Finding:
    said = "satisfiable: a design meets every requirement, re-checked exactly"
    if case.witnesses.designs:
        return Finding(True, (said,))
    verdict = case.prover.draw_or_settle()
    if verdict.possible is None:
        return Finding(None, skipped=(f"satisfiable: unknown ({verdict.limit or 'no limit was said'})",))
    if verdict.possible is False:
        from cospace.compiler.conflict import all_conflicts, conflict_diagnostic, minimal_conflict

        if every:
            found, complete = all_conflicts(case.prover)
            if found:
                said = f"conflicts: {len(found)} minimal" + (", and there are no others" if complete else "")
                lost = () if complete else ("conflicts: others were not looked for any further",)
                return Finding(False, (said,), lost, found)
        core = minimal_conflict(case.prover, verdict.core or case.space.requirements)
        return Finding(False, diagnostics=(conflict_diagnostic(case.prover, core),))
    witness = verdict.witness
    assert witness is not None
    if all(holds(r, witness) is True for r in case.space.requirements):
        return Finding(True, (said,))
    return Finding(None, skipped=("satisfiable: a witness could not be confirmed by the reference evaluator",))


# ---- definedness


def undefined(space: Space) -> tuple[Diagnostic, ...]:
    """CS602 where something has no value at a design that nothing excludes; nothing where none was found.

    Such a design is neither feasible nor infeasible, so that no number of designs would be right.
    """
    return _defined(Case(space)).diagnostics


def _defined(case: Case) -> Finding:
    """Every expression that a requirement, an objective or a quantity reads has a value at every design."""
    space = case.space
    bounder = Bounder({**{d.path: d.values for d in space.decisions}, **_map_domains(space)})
    excluded = [r for r in space.requirements if r.origin == "map"]
    solvable = {id(r.value): r.guard for r in excluded}

    is_open = open_to(lambda e: bounder.bounds(e).settled is True)

    def unsettled_in(expr: Expr, guard: Expr) -> list[Condition]:
        met = conditions(expr, guard, is_open)
        found = [c for c in met if c.node.op != "solve" or not _is_excluded(c.holds, solvable)]
        return [c for c in found if bounder.bounds(c.holds).settled is not True]

    open_ones = [c for expr, guard in _read_expressions(space) for c in unsettled_in(expr, guard)]
    if not open_ones:
        return Finding(True, ("definedness: nothing divides by zero or leaves a domain, at any design",))
    unsettled = []
    maps = set(_map_domains(space))
    excluding = [
        _where_defined(r, [c for c in unsettled_in(r.value, r.guard) + unsettled_in(r.guard, TRUE)
                           if not c.holds.free & maps])
        for r in space.requirements
    ]  # fmt: skip
    for c in open_ones:
        if c.holds.free & maps:
            unsettled.append(c)
            continue
        broken = Requirement(negate(c.holds), TRUE, "undefined", c.node.span)
        verdict = case.prover.settle([*excluding, broken])
        if verdict.possible is None:
            unsettled.append(c)
        elif verdict.possible:
            assert verdict.witness is not None
            return Finding(False, diagnostics=(_undefined(c.node, verdict.witness, space),))
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


def _map_domains(space: Space) -> dict[str, tuple[Value, ...]]:
    problems: dict[int, MapProblem] = {}
    pending = [e for pair in _read_expressions(space) for e in pair]
    while pending:
        found = [
            n.payload for n in walk(pending) if isinstance(n.payload, MapProblem) and id(n.payload) not in problems
        ]
        problems.update({id(p): p for p in found})
        pending = [e for p in found for e in p.expressions()]
    return {m.path: m.values for p in problems.values() for m in p.maps}


def _read_expressions(space: Space) -> list[tuple[Expr, Expr]]:
    found = [(r.value, r.guard) for r in space.requirements] + [(r.guard, TRUE) for r in space.requirements]
    found += [(o.value, TRUE) for o in space.objectives if not o.measured]
    found += [(e, a.guard) for a in space.accelerators for _, e in a.quantities]
    for d in space.decisions:
        found += [(d.guard, TRUE), *((c, d.guard) for c in d.allowed or ())]
    return found


def _undefined(node: Expr, witness: Design, space: Space) -> Diagnostic:
    what = {
        "div": "divides by zero", "mod": "divides by zero", "sqrt": "takes the root of a negative number",
        "lookup": f"reads a row that `{getattr(node.payload, 'name', node.op)}` does not have",
    }  # fmt: skip
    said = what.get(node.op, "takes the logarithm of zero or less" if "log" in node.op else "has no value")
    where = ", ".join(f"{p} = {_shown(space, p, v)}" for p, v in witness.items() if p in node.free)
    return Diagnostic(
        "CS602", "error", f"this {said} at a design that nothing excludes: {where or 'every design'}", node.span,
        help="exclude it by a `require`, or protect it: `if … then … else …`",
    )  # fmt: skip


# ---- dead values


def _dead_values(case: Case) -> Finding:
    """Values that no feasible design takes."""
    if not case.witnesses.missing:
        return Finding(True, ("dead values: none, each value is in a feasible design",))
    from cospace.compiler.dead import settle_missing

    space = case.space
    found = settle_missing(case.prover, case.witnesses)
    diagnostics = []
    for v in dict.fromkeys(v for v, _ in found.dead):
        d = space.decisions[v]
        mine = {k: core for (w, k), core in found.dead.items() if w == v}
        values = [_shown(space, d.path, d.values[k]) for k in mine]
        core = next((c for c in mine.values() if c), ())
        several = "values" if len(values) > 1 else "value"
        labels = tuple(Label(r.span, f"because of this: {r.reason}") for r in core[:3])
        diagnostics.append(
            Diagnostic(
                "CS603",
                "warning",
                f"no feasible design takes the {several} {', '.join(values)} of `{d.path}`",
                d.span,
                labels,
                "remove it, or relax what excludes it",
            )
        )
    if found.unknown:
        pairs = [(space.decisions[v], k) for v, k in found.unknown]
        shown = ", ".join(f"{d.path} = {_shown(space, d.path, d.values[k])}" for d, k in pairs[:4])
        return Finding(None, (), (f"dead values: not decided for {shown}",), tuple(diagnostics))
    dead = len(found.dead)
    said = f"dead values: {dead} found" if dead else "dead values: none, each value is in a feasible design"
    return Finding(True, (said,), (), tuple(diagnostics))


def _shown(space: Space, path: str, value: Value) -> str:
    d = space.decision(path)
    return spell(value, d.unit, d.scale)


# ---- deep: what could be left out


def _violating(requirement: Requirement) -> Requirement:
    """The requirement that `requirement` is broken: its guard holds and its value doesn't."""
    value = both(requirement.guard, negate(requirement.value))
    return Requirement(value, TRUE, f"not: {requirement.reason}", requirement.span, requirement.origin)


def _by_place(requirements: Sequence[Requirement]) -> list[list[Requirement]]:
    groups: dict[object, list[Requirement]] = {}
    for r in requirements:
        groups.setdefault(r.span, []).append(r)
    return list(groups.values())


def _redundant(case: Case) -> Finding:
    """Requirements as written that no design breaks while it meets all others. Contracts of operators are not asked."""
    space, prover = case.space, case.prover
    _, truth = prover.sample()
    index = {id(r): i for i, r in enumerate(space.requirements)}
    diagnostics, unknown = [], []
    for group in _by_place([r for r in space.requirements if r.origin in ("written", "rule")]):
        own = [index[id(r)] for r in group]
        others = truth[:, [i for i in range(truth.shape[1]) if i not in own]].all(axis=1)
        if (others & ~truth[:, own].all(axis=1)).any():
            continue
        rest = [r for r in space.requirements if r not in group]
        verdicts = [prover.settle([*rest, _violating(r)]) for r in group]
        if any(v.possible for v in verdicts):
            continue
        if any(v.possible is None for v in verdicts):
            unknown.append(group[0].reason)
            continue
        diagnostics.append(
            Diagnostic(
                "CS604",
                "warning",
                f"this requirement changes nothing: {group[0].reason}",
                group[0].span,
                help="every design that meets the others meets it; leave it out, or tighten it",
            )
        )
    if unknown:
        return Finding(None, (), (f"redundancy: not decided for {', '.join(unknown)}",), tuple(diagnostics))
    said = f"redundancy: {len(diagnostics)} found" if diagnostics else "redundancy: every requirement counts"
    return Finding(True, (said,), (), tuple(diagnostics))


def _vacuous(case: Case) -> Finding:
    """Guards that hold at no feasible design."""
    space, prover = case.space, case.prover
    diagnostics, unknown = [], []
    for group in _by_place([r for r in space.requirements if r.guard is not TRUE and r.origin in ("written", "rule")]):
        guards = [Requirement(r.guard, TRUE, "its guard holds", r.span) for r in group]
        verdicts = [prover.settle([*space.requirements, g]) for g in guards]
        if any(v.possible for v in verdicts):
            continue
        if any(v.possible is None for v in verdicts):
            unknown.append(group[0].reason)
            continue
        diagnostics.append(
            Diagnostic(
                "CS605",
                "warning",
                f"the condition of this requirement never holds: {group[0].reason}",
                group[0].span,
                help="no feasible design reaches it; check the `when`, or leave the requirement out",
            )
        )
    if unknown:
        return Finding(None, (), (f"guards: not decided for {', '.join(unknown)}",), tuple(diagnostics))
    said = f"guards: {len(diagnostics)} never hold" if diagnostics else "guards: each holds at some feasible design"
    return Finding(True, (said,), (), tuple(diagnostics))


def _unread(space: Space) -> Finding:
    """Decisions that neither a requirement, an objective, a quantity, a work nor a network reads."""
    read: set[str] = set()
    for expr, guard in _read_expressions(space):
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
    diagnostics = tuple(
        Diagnostic("CS606", "warning", f"nothing reads the decision `{d.path}`", d.span, help="use it, or leave it out")
        for d in lost
    )
    return Finding(True, (f"decisions nothing reads: {len(lost) or 'none'}",), (), diagnostics)


# ---- one value


def why(space: Space, path: str, value: Value) -> str | tuple[Diagnostic, ...]:
    """Why a value can't be chosen: a sentence with a design when it can, else the conflict."""
    from cospace.compiler.conflict import conflict_diagnostic, minimal_conflict
    from cospace.compiler.prove import Prover

    prover = Prover(space, {path: value})
    verdict = prover.settle(space.requirements)
    shown = f"{path} = {_shown(space, path, value)}"
    if verdict.possible:
        assert verdict.witness is not None
        design = ", ".join(f"{p} = {_shown(space, p, v)}" for p, v in verdict.witness.items())
        return f"{shown} is possible, for example: {design}"
    if verdict.possible is None:
        return f"{shown}: not decided ({verdict.limit})"
    core = minimal_conflict(prover, verdict.core or space.requirements)
    return (conflict_diagnostic(prover, core, shown),)
