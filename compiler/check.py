"""What is proved about a space before anything is searched: satisfiable, defined everywhere, no dead values.

`deep` adds redundant requirements, guards that never hold, and decisions nothing reads. Each answer is a proof, a
witness that was re-checked by the reference evaluator, or said to be skipped; never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from attrs import frozen
from cospace.compiler.conflict import conflict_diagnostic, minimal_conflict
from cospace.compiler.cost import holds
from cospace.compiler.defined import conditions
from cospace.compiler.designs import Rows, decode
from cospace.compiler.graph import TRUE, Expr, MapProblem, Value, negate, walk
from cospace.compiler.intervals import Bounder
from cospace.compiler.model import Call, Choice, Design, Requirement, Space, spell
from cospace.compiler.prove import Prover, violating
from cospace.dsl.diagnostics import Diagnostic, Label

ROUNDS = 6


@frozen
class Report:
    """ok: True when nothing is wrong, None when something stayed undecided. proved, skipped: in words."""

    ok: bool | None
    proved: tuple[str, ...]
    skipped: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def check(space: Space, deep: bool = False) -> Report:
    """Check a space. Coverage was proved when its works were placed."""
    prover = Prover(space)
    findings = [_satisfiable(prover)]
    if findings[0].ok:
        findings += [_defined(prover), _dead_values(prover)]
        if deep:
            findings += [_redundant(prover), _vacuous(prover), _unread(space)]
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


def _satisfiable(prover: Prover) -> Finding:
    space = prover.space
    rows, truth = prover.sample()
    good = rows[truth.all(axis=1)] if len(rows) else rows
    witness: Design | None = None
    if len(good):
        witness = decode(space.decisions, good[0])
    else:
        verdict = prover.settle(space.requirements)
        if verdict.possible is None:
            return Finding(None, skipped=(f"satisfiable: unknown ({verdict.limit or 'no limit was said'})",))
        if verdict.possible is False:
            core = minimal_conflict(prover, verdict.core or space.requirements)
            return Finding(False, diagnostics=(conflict_diagnostic(prover, core),))
        witness = verdict.witness
    assert witness is not None
    if all(holds(r, witness) is True for r in space.requirements):
        return Finding(True, ("satisfiable: a design meets every requirement, re-checked exactly",))
    return Finding(None, skipped=("satisfiable: a witness could not be confirmed by the reference evaluator",))


# ---- definedness


def _defined(prover: Prover) -> Finding:
    """Every expression that a requirement, an objective or a quantity reads has a value at every design."""
    space = prover.space
    bounder = Bounder({**prover.domains(), **_map_domains(space)})
    excluded = [r for r in space.requirements if r.origin == "map"]
    solvable = {id(r.value): r.guard for r in excluded}
    open_ones = []
    for expr, guard in _read_expressions(space):
        for c in conditions(expr, guard):
            if c.node.op == "solve" and _is_excluded(c.holds, solvable):
                continue
            if bounder.bounds(c.holds).settled is not True:
                open_ones.append(c)
    if not open_ones:
        return Finding(True, ("definedness: nothing divides by zero or leaves a domain, at any design",))
    unsettled = []
    maps = set(_map_domains(space))
    for c in open_ones:
        if c.holds.free & maps:
            unsettled.append(c)
            continue
        broken = Requirement(negate(c.holds), TRUE, "undefined", c.node.span)
        verdict = prover.settle([r for r in space.requirements if not _reads_same(r, c.node)] + [broken])
        if verdict.possible is None:
            unsettled.append(c)
        elif verdict.possible:
            assert verdict.witness is not None
            return Finding(False, diagnostics=(_undefined(c.node, verdict.witness, space),))
    if unsettled:
        return Finding(None, skipped=(f"definedness: {len(unsettled)} expressions were not decided",))
    return Finding(True, ("definedness: nothing divides by zero or leaves a domain, at any feasible design",))


def _reads_same(requirement: Requirement, node: Expr) -> bool:
    """A requirement that is itself undefined there can't exclude the design."""
    return any(n is node for n in walk([requirement.value]))


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
    found += [(e, TRUE) for a in space.accelerators for _, e in a.quantities]
    for d in space.decisions:
        found += [(d.guard, TRUE), *((c, d.guard) for c in d.allowed or ())]
    return found


def _undefined(node: Expr, witness: Design, space: Space) -> Diagnostic:
    what = {"div": "divides by zero", "mod": "divides by zero", "sqrt": "takes the root of a negative number"}
    said = what.get(node.op, "takes the logarithm of zero or less" if "log" in node.op else "has no value")
    where = ", ".join(f"{p} = {_shown(space, p, v)}" for p, v in witness.items() if p in node.free)
    return Diagnostic(
        "CS602", "error", f"this {said} at a design that nothing excludes: {where or 'every design'}", node.span,
        help="exclude it by a `require`, or protect it: `if … then … else …`",
    )  # fmt: skip


# ---- dead values


def _dead_values(prover: Prover) -> Finding:
    space = prover.space
    alive = _alive(prover)
    dead, unknown = [], []
    for v, d in enumerate(space.decisions):
        lost = [k for k in range(len(d.values)) if (v, k) not in alive]
        absent = prover.absent(space.requirements) if lost else {}
        for k in lost:
            if (v, k) in absent:
                dead.append((d, k, absent[v, k]))
                continue
            verdict = Prover(space, {d.path: d.values[k]}).settle(space.requirements)
            if verdict.possible is False:
                dead.append((d, k, verdict.core))
            elif verdict.possible is None:
                unknown.append(f"{d.path} = {_shown(space, d.path, d.values[k])}")
    diagnostics = []
    for path in dict.fromkeys(d.path for d, _, _ in dead):
        d = space.decision(path)
        values = [_shown(space, path, d.values[k]) for e, k, _ in dead if e.path == path]
        core = next((c for e, _, c in dead if e.path == path and c), ())
        several = "values" if len(values) > 1 else "value"
        labels = tuple(Label(r.span, f"because of this: {r.reason}") for r in core[:3])
        diagnostics.append(
            Diagnostic(
                "CS603",
                "warning",
                f"no feasible design takes the {several} {', '.join(values)} of `{path}`",
                d.span,
                labels,
                "remove it, or relax what excludes it",
            )
        )
    if unknown:
        shown = ", ".join(unknown[:4])
        return Finding(None, (), (f"dead values: not decided for {shown}",), tuple(diagnostics))
    said = f"dead values: {len(dead)} found" if dead else "dead values: none, each value is in a feasible design"
    return Finding(True, (said,), (), tuple(diagnostics))


def _alive(prover: Prover) -> set[tuple[int, int]]:
    """(decision, index) pairs that a feasible design takes: from samples, then from neighbours of feasible designs."""
    space = prover.space
    rows, truth = prover.sample()
    good = rows[truth.all(axis=1)]
    if not len(good):
        good = prover.search(space.requirements)
    found: set[tuple[int, int]] = set()

    def gather(new: Rows) -> None:
        for v in range(new.shape[1]):
            found.update((v, int(k)) for k in numpy.unique(new[:, v]) if k >= 0)

    gather(good)
    for r in range(ROUNDS):
        missing = [(v, k) for v, d in enumerate(space.decisions) for k in range(len(d.values)) if (v, k) not in found]
        if not missing or not len(good):
            break
        each = max(32, 2_048 // len(missing))
        anchors = prover.anchors(space.requirements) if r else None
        missing = [m for m in missing if m not in prover.absent(space.requirements)] if r else missing
        if not missing:
            break
        tried = [prover.mutate(good, each, 100 * r + i, target, anchors) for i, target in enumerate(missing)]
        tries = numpy.concatenate(tried)
        if not len(tries):
            break
        feasible = tries[prover.decide(space.requirements, tries).all(axis=1)]
        gather(feasible)
        good = numpy.concatenate([good, feasible])[-8_192:]
    return found


def _shown(space: Space, path: str, value: Value) -> str:
    d = space.decision(path)
    return spell(value, d.unit, d.scale)


# ---- deep: what could be left out


def _by_place(requirements: Sequence[Requirement]) -> list[list[Requirement]]:
    groups: dict[object, list[Requirement]] = {}
    for r in requirements:
        groups.setdefault(r.span, []).append(r)
    return list(groups.values())


def _redundant(prover: Prover) -> Finding:
    """Requirements as written that no design breaks while it meets all others. Contracts of operators are not asked."""
    space = prover.space
    _, truth = prover.sample()
    index = {id(r): i for i, r in enumerate(space.requirements)}
    diagnostics, unknown = [], []
    for group in _by_place([r for r in space.requirements if r.origin in ("written", "rule")]):
        own = [index[id(r)] for r in group]
        others = numpy.delete(truth, own, axis=1).all(axis=1)
        if (others & ~truth[:, own].all(axis=1)).any():
            continue
        rest = [r for r in space.requirements if r not in group]
        verdicts = [prover.settle([*rest, violating(r)]) for r in group]
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


def _vacuous(prover: Prover) -> Finding:
    """Guards that hold at no feasible design."""
    space = prover.space
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
