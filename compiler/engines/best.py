"""The best design of what is modelled, without training: proved where all open designs can be listed.

With one modelled objective the answer is one design, where it is proved the first in declared order of equals; with
several it is the exact front, one design for each tuple of values. What is known only after running is left out, and
`how` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from attrs import evolve
from cospace.compiler import clock
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.conflicts.words import explain_conflict
from cospace.compiler.engines.apart import best_apart
from cospace.compiler.engines.candidates import merge
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.exhaustive import ROWS, Best, Exhaustive, TooMany, negated
from cospace.compiler.engines.look import look
from cospace.compiler.engines.problem import Watch
from cospace.compiler.exact import exact
from cospace.compiler.numbers.enumerate import Frame, holds_at, index_of
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.space.asked import is_modelled
from cospace.compiler.space.designs import DesignError, encode
from cospace.compiler.space.fold import Fold, fold_decisions, settle
from cospace.compiler.space.graph import FALSE, TRUE, Expr, Value, walk
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Decision, Design, Requirement, Space
from cospace.compiler.space.pins import fix
from cospace.dsl.diagnostics import NOWHERE, Diagnostic

EVALUATIONS = 20_000
"""Designs that are priced where the best can't be proved."""
OUTER = 100
"""Settings of some decisions for each of which all others are listed, at most."""


def best(
    space: Space,
    fixed: Mapping[str, Value] | None = None,
    limit: int = ROWS,
    evaluations: int = EVALUATIONS,
    seed: int = 0,
    watch: Watch | None = None,
) -> Best:
    """The best values of the decisions that `fixed` leaves open.

    Where a clock runs out, the best that was met until then is the answer, not `certified`.

    limit: open designs that are listed at most; above it the space is taken apart, and where that can't be, `Climb`
    looks for good designs with so many `evaluations`, not `certified`, unless it is proved that there are none. watch
    is told how that goes. No designs and `certified`: none is feasible, and `infeasible` says why.
    Raises DesignError at a path or value in `fixed` that is not there, Undecided where a comparison can't be decided.
    """
    pinned = restrict(space, fixed or {})
    core = only_read(pinned)
    try:
        found = prove(core, limit)
        if not found.designs and not found.certified:
            found = _climb(core, found.how, evaluations, seed, watch)
        return complete(space, fixed or {}, core, with_bound(core, found))
    except exact.Undecided as stop:
        raise stop.within(space) from None


def prove(core: Space, limit: int = ROWS) -> Best:
    """The best by every way to prove it; without designs, and not certified, where none goes far enough."""
    search = Exhaustive(core, [d.path for d in core.decisions], limit=limit)
    try:
        return search.best({})
    except TooMany as error:
        said = f"there are {error.rows:,} open designs, more than {limit:,}"
        proved = clock.attempt(lambda: _refute(core) or best_apart(core), lambda: None)
        return proved or _nest(core, limit) or Best((), (), False, 0, said)


def complete(space: Space, fixed: Mapping[str, Value], core: Space, found: Best) -> Best:
    """Whole designs, from those of the decisions in `core` that something reads; checked anew, and what is left out
    is said. Nothing is proved where mappings are not."""
    known = {d.path for d in core.decisions} | set(fixed)
    unread = [d for d in restrict(space, fixed).decisions if d.path not in known]
    designs = found.designs
    if unread or fixed:
        designs = tuple(_in_order(space, {**fixed, **_complete(unread, d)}) for d in designs)
    for r in space.requirements:
        if is_modelled(r.value, r.guard) and not _hold(r, designs):
            raise AssertionError(f"{space.name}: the best design does not meet `{r.reason}`")
    if space.met:
        found = evolve(found, certified=False, bound=None, how=f"{found.how}; {of_met(space.met)}")
    cut = f"; {clock.reason()}" if clock.hit() and clock.reason() not in found.how else ""
    return evolve(found, designs=designs, how=found.how + cut + _left_out(space))


def _hold(requirement: Requirement, designs: Sequence[Design]) -> bool:
    """Whether a requirement holds at all designs; those that agree in what it reads are asked about once."""
    read = sorted(requirement.value.free | requirement.guard.free)
    different = {tuple(map(design.get, read)): design for design in designs}
    return all(holds_at(requirement, design) for design in different.values())


def with_bound(space: Space, found: Best) -> Best:
    """With what the only objective is at no design better than: as told, or what its bounds over all designs are."""
    goals = [o for o in space.objectives if is_modelled(o.value)]
    if found.certified or not found.designs or len(goals) != 1 or found.bound is not None:
        return found
    bounder = Bounder({d.path: d.values for d in space.decisions})
    ends = clock.attempt(lambda: bounder.bounds(goals[0].value), lambda: None, graced=True)
    end = None if ends is None else ends.low if goals[0].sense == "minimize" else ends.high
    return evolve(found, bound=end if isinstance(end, Fraction) else None)


def restrict(space: Space, fixed: Mapping[str, Value]) -> Space:
    """The space of the open decisions: fixed ones are folded away and live in every design that is left.

    Raises DesignError at a path or value that is not there.
    """
    known = {d.path: d for d in space.decisions}
    for path in fixed:
        if path not in known:
            raise DesignError(path, "there is no such decision")
    indices = {path: index_of(known[path], value) for path, value in fixed.items()}
    closed = [known[path] for path in fixed]
    fold = Fold(closed)
    conditions = settle(fold, closed, indices, frozenset(known) - frozenset(fixed))
    decisions = fold_decisions(fold, [d for d in space.decisions if d.path not in fixed])
    requirements = [Requirement(c, TRUE, "a pinned decision is live", NOWHERE, "domain") for c in conditions]
    requirements += [
        evolve(r, value=fold(r.value), guard=fold(r.guard)) for r in space.requirements if is_modelled(r.value, r.guard)
    ]
    objectives = tuple(evolve(o, value=fold(o.value)) for o in space.objectives)
    return evolve(
        space,
        decisions=decisions,
        requirements=tuple(r for r in requirements if r.value is not TRUE and r.guard is not FALSE),
        objectives=objectives,
        works=(), networks=(), accelerators=(), stages=(), references=(),
    )  # fmt: skip


def only_read(space: Space) -> Space:
    """Without the decisions that nothing reads and whose own domain depends on no other: they may take any value."""
    exprs = [e for r in space.requirements for e in (r.value, r.guard)]
    exprs += [o.value for o in space.objectives if is_modelled(o.value)]
    exprs += [e for d in space.decisions for e in (d.guard, *(d.allowed or ()))]
    read = frozenset().union(*(e.free for e in exprs))
    return evolve(space, decisions=tuple(d for d in space.decisions if d.allowed is not None or d.path in read))


def _complete(unread: Sequence[Decision], design: Design) -> Design:
    """A design with the decisions that nothing reads at their first value, where they are live."""
    full = dict(design)
    for d in unread:
        if exact.evaluate(d.guard, full) is True:
            full[d.path] = d.values[0]
    return full


def _refute(space: Space) -> Best | None:
    """That no design is feasible, where that can be proved without listing them all: before any is looked for."""
    if Prover(space).settle(space.requirements).possible is not False:
        return None
    return Best((), (), True, 0, "no design meets every requirement")


def infeasible(space: Space, fixed: Mapping[str, Value] | None = None) -> Diagnostic | None:
    """CS601: the requirements on what is modelled that exclude each other; None where that is not proved."""
    pinned = fix(space, fixed or {})
    asked = tuple(r for r in pinned.requirements if is_modelled(r.value, r.guard))
    prover = Prover(evolve(pinned, requirements=asked))
    verdict = clock.attempt(lambda: prover.settle(asked), lambda: None)
    if verdict is None or verdict.possible is not False:
        return None
    return explain_conflict(prover, verdict.core or asked)


def _nest(space: Space, limit: int) -> Best | None:
    """Every setting of the decisions that few works read, and for each of them every one of the others."""
    inner: list[str] = []
    size = 1
    for d in sorted(space.decisions, key=lambda d: -_readers(space, d.path)):
        if size * len(d.values) > limit:
            break
        size *= len(d.values)
        inner.append(d.path)
    outer = [j for j, d in enumerate(space.decisions) if d.path not in inner]
    frame = Frame.of(space)
    if any(p in inner for j in outer for e in _conditions(space, j) for p in e.free):
        return None
    try:
        clauses = frame.clauses(space.requirements)
        rows = clock.attempt(lambda: frame.enumerate(outer, clauses, limit=OUTER), lambda: None)
    except TooMany:
        return None
    if rows is None:
        return None
    search = Exhaustive(space, inner, limit=limit)
    answers = []
    for row in rows:
        answers.append(search.best(frame.design(outer, row)))
        if clock.hit():
            break
    every = [(d, v) for a in answers for d, v in zip(a.designs, a.objectives, strict=True)]
    if not every and clock.hit():
        return None
    order = encode(space.decisions, [d for d, _ in every]).tolist()
    every = [every[k] for k in sorted(range(len(every)), key=order.__getitem__)]
    signs = [o.sense == "minimize" for o in search.objectives]
    costs = [tuple(v if s else negated(v) for s, v in zip(signs, values, strict=True)) for _, values in every]
    kept, sure = merge(costs)
    whole = len(answers) == len(rows)
    settings = f"every one of the {len(rows):,}" if whole else f"{len(answers):,} of the {len(rows):,}"
    how = f"{settings} settings of {len(outer)} decisions with every design of the others"
    return Best(
        tuple(every[k][0] for k in kept),
        tuple(every[k][1] for k in kept),
        sure and whole and all(a.certified for a in answers),
        sum(a.evaluated for a in answers),
        how,
    )


def _readers(space: Space, path: str) -> int:
    """How many mapping problems and requirements read a decision."""
    roots = [r.value for r in space.requirements] + [o.value for o in space.objectives]
    problems = {id(e.payload): e for e in walk(roots) if e.op in ("solve", "solvable")}
    return sum(path in e.free for e in problems.values()) + sum(path in r.value.free for r in space.requirements)


def _conditions(space: Space, j: int) -> list[Expr]:
    d = space.decisions[j]
    return [d.guard, *(d.allowed or ())]


def _climb(space: Space, why: str, evaluations: int, seed: int, watch: Watch | None) -> Best:
    steps = [(Climb(evaluations), None)]
    found = clock.attempt(lambda: look(space, steps, seed, watch), lambda: None, graced=True)
    if found is None:
        return Best((), (), False, 0, f"{why}; {clock.reason()}")
    return evolve(found, how=f"{found.how}, as {why}")


def _in_order(space: Space, design: Design) -> Design:
    return {d.path: design[d.path] for d in space.decisions if d.path in design}


def _left_out(space: Space) -> str:
    measured = [o.text for o in space.objectives if not is_modelled(o.value)]
    unproved = sum(not is_modelled(r.value, r.guard) for r in space.requirements)
    text = f"; without {', '.join(measured)}, known only after running" if measured else ""
    if unproved:
        text += f"; {unproved} requirement{'s' if unproved > 1 else ''} on what is measured not asked"
    return text


__all__ = ["Best", "Exhaustive", "best", "infeasible", "only_read", "prove", "restrict"]
