"""Which values no feasible design takes: those that no witness shows.

A space of few designs is listed, which shows what its feasible ones take; what is left is settled one by one by the
`Prover`.
"""

from __future__ import annotations

from attrs import frozen
from cospace.compiler.counting.count import solve_space
from cospace.compiler.proofs.prove import Prover
from cospace.compiler.proofs.witness import Witnesses
from cospace.compiler.space.model import Requirement, Space

LISTED = 20_000
"""Designs that are listed at most, feasible or not."""

GIVEN_UP = 3
"""Values that may stay undecided before no others are asked for."""

Pair = tuple[int, int]
"""A decision and the index of one of its values."""


@frozen
class Settled:
    """dead: pairs in no feasible design, with requirements that prove it. unknown: not decided."""

    dead: dict[Pair, tuple[Requirement, ...]]
    unknown: tuple[Pair, ...]


def settle_missing(prover: Prover, witnesses: Witnesses) -> Settled:
    """Settle the values that no witness takes. A design found for one shows what it takes of the others, too."""
    space = prover.space
    dead: dict[Pair, tuple[Requirement, ...]] = {}
    unknown: list[Pair] = []
    shown = _listed(space)
    for v, k in sorted(witnesses.missing):
        if (v, k) in shown:
            continue
        if len(unknown) >= GIVEN_UP:
            unknown.append((v, k))
            continue
        d = space.decisions[v]
        verdict = prover.settle(space.requirements, {d.path: d.values[k]})
        if verdict.possible is False:
            dead[v, k] = verdict.core
        elif verdict.witness is None:
            unknown.append((v, k))
        else:
            design = verdict.witness
            shown |= {(w, e.values.index(design[e.path])) for w, e in enumerate(space.decisions) if e.path in design}
    return Settled(dead, tuple(unknown))


def _listed(space: Space) -> set[Pair]:
    """Values that feasible designs take, where all designs are few; nothing of larger spaces."""
    size = 1
    for d in space.decisions:
        size *= len(d.values)
        if size > LISTED * 16:  # most of these may not be live together
            return set()
    whole = solve_space(space)
    if whole.count.raw is None or whole.count.raw > LISTED or not whole.count.exact:
        return set()
    shown: set[Pair] = set()
    for part in whole.parts:
        for v, counts in part.values()[0].items():
            kept = zip(whole.frame.domains[v], counts, strict=True)
            shown |= {(v, int(index)) for index, count in kept if index >= 0 and count}
    return shown
