"""Which values no feasible design takes: those that no witness shows, settled one by one by the `Prover`."""

from __future__ import annotations

from attrs import frozen
from cospace.compiler.model import Requirement
from cospace.compiler.prove import Prover
from cospace.compiler.witness import Witnesses

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
    shown: set[Pair] = set()
    for v, k in sorted(witnesses.missing):
        if (v, k) in shown:
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
