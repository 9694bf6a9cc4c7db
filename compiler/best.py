"""The best design of what is modelled, without training: proved where all open designs can be listed.

With one modelled objective the answer is one design, the first in declared order of equals; with several it is the
exact front, one design for each tuple of values. What is known only after running is left out, and `how` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve
from cospace.compiler import exact
from cospace.compiler.candidates import as_number, find_front
from cospace.compiler.descend import Descent, domain_conditions
from cospace.compiler.designs import DesignError, decode
from cospace.compiler.enumerate import holds_at, index_of
from cospace.compiler.exhaustive import ROWS, Best, Exhaustive, TooMany, is_modelled
from cospace.compiler.fold import Fold, fold_decisions, settle
from cospace.compiler.graph import TRUE, Expr, Value, either, negate, negative
from cospace.compiler.model import Design, Requirement, Space
from cospace.dsl.diagnostics import NOWHERE


def best(space: Space, fixed: Mapping[str, Value] | None = None, limit: int = ROWS) -> Best:
    """The best values of the decisions that `fixed` leaves open.

    limit: open designs that are listed at most; above it coordinate descent looks for good ones, not `certified`.
    Raises DesignError at a path or value in `fixed` that is not there.
    """
    fixed = dict(fixed or {})
    pinned = restrict(space, fixed)
    search = Exhaustive(pinned, [d.path for d in pinned.decisions], limit=limit)
    try:
        found = search.best({})
    except TooMany as error:
        found = _descend(pinned, search, f"more than {limit:,} open designs: {error.rows:,} at least")
    designs = tuple(_in_order(space, {**fixed, **d}) for d in found.designs)
    for design in designs:
        wrong = next((r for r in space.requirements if is_modelled(r.value, r.guard) and not holds_at(r, design)), None)
        if wrong is not None:
            raise AssertionError(f"{space.name}: the best design does not meet `{wrong.reason}`")
    return evolve(found, designs=designs, how=found.how + _left_out(space))


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
        requirements=tuple(r for r in requirements if r.value is not TRUE),
        objectives=objectives,
        works=(), networks=(), accelerators=(), stages=(), references=(),
    )  # fmt: skip


def _descend(space: Space, search: Exhaustive, why: str) -> Best:
    conditions = [either(negate(r.guard), r.value) for r in space.requirements] + domain_conditions(space.decisions)
    goals: list[Expr] = [o.value if o.sense == "minimize" else negative(o.value) for o in search.objectives]
    descent = Descent(space.decisions, [c for c in conditions if c is not TRUE], goals)
    rows, values = descent.run()
    how = f"coordinate descent with restarts ({why})"
    asked: dict[int, Design] = {}

    def admit(i: int) -> bool | None:
        asked[i] = decode(space.decisions, rows[i])
        found = exact.evaluate_all(conditions, asked[i])
        return all(f is True for f in found)

    def price(i: int) -> tuple[object, ...] | None:
        found = tuple(map(as_number, exact.evaluate_all(goals, decode(space.decisions, rows[i]))))
        return None if None in found else found

    if len(goals) < 2:
        kept = next((i for i in range(len(rows)) if admit(i) and price(i) is not None), None)
        order: Sequence[int] = () if kept is None else (kept,)
    else:
        order = find_front(values, values, price, admit).rows  # type: ignore[arg-type]
    designs = tuple(asked[i] for i in order)
    exact_values = tuple(
        tuple(as_number(v) for v in exact.evaluate_all([o.value for o in search.objectives], d)) for d in designs
    )
    if not designs:
        how += "; none that it met was feasible"
    return Best(designs, exact_values, False, descent.evaluated, how)  # type: ignore[arg-type]


def _in_order(space: Space, design: Design) -> Design:
    return {d.path: design[d.path] for d in space.decisions if d.path in design}


def _left_out(space: Space) -> str:
    measured = [o.text for o in space.objectives if not is_modelled(o.value)]
    unproved = sum(not is_modelled(r.value, r.guard) for r in space.requirements)
    text = f"; without {', '.join(measured)}, known only after running" if measured else ""
    if unproved:
        text += f"; {unproved} requirement{'s' if unproved > 1 else ''} on what is measured not asked"
    return text


__all__ = ["Best", "Exhaustive", "best", "restrict"]
