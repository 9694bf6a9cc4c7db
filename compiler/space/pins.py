"""Decisions pinned to a value, as `--fix` does: what is left of a space. One meaning for every verb.

A decision that is pinned alone, by its whole path, has to be live: designs without it are left out. Copies that are
pinned together, by a path without indices, take the value where they are live.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve
from cospace.compiler.space.fold import Fold, fold_decisions
from cospace.compiler.space.graph import TRUE, Value
from cospace.compiler.space.model import Requirement, Space, spell


def pin(space: Space, pinned: Mapping[str, Value]) -> Space:
    """The space with each pinned decision left with one value, where it is live."""
    decisions = []
    for d in space.decisions:
        if d.path in pinned:
            i = d.values.index(pinned[d.path])
            d = evolve(d, values=(d.values[i],), allowed=None if d.allowed is None else (d.allowed[i],))
        decisions.append(d)
    kept = tuple(p for p in space.pinned if p[0] not in pinned)
    return evolve(
        space, decisions=tuple(decisions), pinned=(*kept, *((path, value, False) for path, value in pinned.items()))
    )


def fix(space: Space, pinned: Mapping[str, Value]) -> Space:
    """The space with each pinned decision left with one value, and live in every design.

    Its feasible designs are those of the space in which each pinned decision is live and has its value.
    """
    asked = [
        Requirement(
            d.guard, TRUE, f"{d.path} = {spell(pinned[d.path], d.unit, d.scale)} is asked for", d.span, "domain"
        )
        for d in space.decisions
        if d.path in pinned and d.guard is not TRUE
    ]
    space = pin(space, pinned)
    live = tuple((path, value, sure or path in pinned) for path, value, sure in space.pinned)
    return evolve(space, requirements=(*space.requirements, *asked), pinned=live)


def fold_pinned(space: Space) -> Space:
    """The space with decisions that have one value folded in, and without those that are then never live.

    For proofs, which need not say of each value of such a decision that no design takes it. Works and networks stay.
    """
    settled = [d for d in space.decisions if len(d.values) == 1 and d.guard is TRUE and d.allowed is None]
    fold = Fold(settled)
    fold.set({d.path: 0 for d in settled})
    return evolve(
        space,
        decisions=fold_decisions(fold, space.decisions),
        requirements=tuple(evolve(r, value=fold(r.value), guard=fold(r.guard)) for r in space.requirements),
        objectives=tuple(o if o.measured else evolve(o, value=fold(o.value)) for o in space.objectives),
        accelerators=tuple(
            evolve(a, quantities=tuple((name, fold(e)) for name, e in a.quantities)) for a in space.accelerators
        ),
    )
