"""Which values no feasible design takes: those that no witness shows, settled one by one by the batched `Prover`."""

from __future__ import annotations

import numpy
from attrs import frozen
from cospace.compiler.designs import Rows, encode
from cospace.compiler.model import Requirement, Space
from cospace.compiler.prove import Prover
from cospace.compiler.witness import Witnesses

ROUNDS = 6

Pair = tuple[int, int]
"""A decision and the index of one of its values."""


@frozen
class Settled:
    """dead: pairs in no feasible design, with requirements that prove it. unknown: not decided."""

    dead: dict[Pair, tuple[Requirement, ...]]
    unknown: tuple[Pair, ...]


def settle_missing(prover: Prover, witnesses: Witnesses) -> Settled:
    """Settle the values that no witness takes."""
    space = prover.space
    dead: dict[Pair, tuple[Requirement, ...]] = {}
    unknown: list[Pair] = []
    lost = _unseen(prover, witnesses)
    absent = prover.absent(space.requirements) if lost else {}
    for v, k in lost:
        if (v, k) in absent:
            dead[v, k] = absent[v, k]
            continue
        d = space.decisions[v]
        verdict = Prover(space, {d.path: d.values[k]}).settle(space.requirements)
        if verdict.possible is False:
            dead[v, k] = verdict.core
        elif verdict.possible is None:
            unknown.append((v, k))
    return Settled(dead, tuple(unknown))


def _unseen(prover: Prover, witnesses: Witnesses) -> list[Pair]:
    """The missing values that no neighbour of a feasible design takes either."""
    space = prover.space
    missing = sorted(witnesses.missing)
    good = _feasible(prover, witnesses)

    def gather(new: Rows) -> list[Pair]:
        return [(v, k) for v, k in missing if not (new[:, v] == k).any()]

    missing = gather(good)
    for r in range(ROUNDS):
        wanted = [m for m in missing if m not in prover.absent(space.requirements)] if r else missing
        if not wanted or not len(good):
            break
        each = max(32, 2_048 // len(wanted))
        anchors = prover.anchors(space.requirements) if r else None
        tried = [prover.mutate(good, each, 100 * r + i, target, anchors) for i, target in enumerate(wanted)]
        tries = numpy.concatenate(tried)
        if not len(tries):
            break
        feasible = tries[prover.decide(space.requirements, tries).all(axis=1)]
        missing = gather(feasible)
        good = numpy.concatenate([good, feasible])[-8_192:]
    return missing


def _feasible(prover: Prover, witnesses: Witnesses) -> Rows:
    """Feasible designs to start from: those found one at a time, else drawn in batches."""
    space: Space = prover.space
    if witnesses.designs:
        return encode(space.decisions, witnesses.designs)
    rows, truth = prover.sample()
    good = rows[truth.all(axis=1)]
    return good if len(good) else prover.search(space.requirements)
