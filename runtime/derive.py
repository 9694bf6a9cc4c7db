"""From a trained supernet to a few designs: a pool on the front of one-shot error and modelled objective, refined by
mutation and crossover; then the finalists, each on its best accelerator."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean

import numpy as np
from attrs import frozen
from cospace.runtime.context import Run
from cospace.runtime.costs import Rows
from cospace.runtime.distribution import Distribution
from cospace.runtime.front import find_dominated, spread
from cospace.runtime.hardware import Hardware
from cospace.runtime.supernet import Supernet
from cospace.runtime.train import calibrate, look

BATCH = 16
FRESH = 0.25
"""Share of the pool's proposals that are drawn anew rather than bred."""


@frozen(eq=False)
class Entry:
    """One design of the pool. error: with shared weights, on `search`. score: sum of logarithms of the objectives."""

    row: Rows
    error: float
    loss: float
    score: float


Draw = Callable[[int], Rows]


def judge_one_shot(run: Run, supernet: Supernet, row: Rows) -> tuple[float, float]:
    """Error and loss of a design on `search` with shared weights, its norms calibrated; means over the bindings of its
    switches."""
    found = []
    for subnet in run.planner.subnets(run.costs.decode(row[0])).values():
        weights = supernet.weights(subnet)
        calibrate(run, [(subnet, weights)], int(run.number(run.stage("search"), "batch", 0)))
        found.append(look(run, subnet, weights, "search"))
    return mean(error for error, _ in found), mean(loss for _, loss in found)


def refine_pool(
    run: Run, supernet: Supernet, hardware: Hardware, distribution: Distribution, network: list[int],
    draw: Draw, evaluations: int, by_error_alone: bool = False, seed: int = 0,
) -> list[Entry]:  # fmt: skip
    """Evaluate up to `evaluations` networks once each, bred from the front so far. draw(n): certified rows to begin
    with and to mix in. by_error_alone: the score doesn't steer what is bred."""
    random = np.random.default_rng([seed, run.seed, 11])
    pool: dict[bytes, Entry] = {}
    starts = [distribution.likeliest()]
    empty = 0
    while len(pool) < evaluations and empty < 20:
        run.check_stop()
        fresh = max(1, int(BATCH * FRESH))
        rows = [*starts, *draw(BATCH if not pool else fresh)[:, None]]
        starts = []
        if pool:
            parents = _parents(list(pool.values()), by_error_alone)
            rows += [_breed(parents, distribution, network, random) for _ in range(BATCH - fresh)]
        before = len(pool)
        for row in rows:
            key = row[:, network].tobytes()
            if key in pool or len(pool) >= evaluations:
                continue
            found = hardware.estimate(row)
            if found is None:
                continue
            error, loss = judge_one_shot(run, supernet, found[0])
            pool[key] = Entry(found[0], error, loss, found[1])
        empty = empty + 1 if len(pool) == before else 0
        if pool:
            least = min(pool.values(), key=lambda e: (e.error, e.score))
            run.tell("step", "derive", len(pool), evaluations, accuracy=1 - least.error, passes=run.budget.passes)
    return list(pool.values())


def _parents(pool: list[Entry], by_error_alone: bool) -> list[Entry]:
    if by_error_alone:
        return sorted(pool, key=lambda e: (e.error, e.loss))[:BATCH]
    points = np.array([[e.error, e.score] for e in pool])
    front = [e for e, d in zip(pool, find_dominated(points), strict=True) if not d]
    if len(front) < 4:  # a lone parent breeds only its neighbours
        front += sorted(pool, key=lambda e: e.error)[:4]
    return front


def _breed(parents: list[Entry], distribution: Distribution, network: list[int], random: np.random.Generator) -> Rows:
    """A child of two parents: each network decision from either, one or two redrawn uniformly; the accelerator of
    the first."""
    a, b = (parents[int(i)].row for i in random.integers(len(parents), size=2))
    child = np.maximum(a, 0)
    mixed = random.random(len(network)) < 0.5
    for j, other in zip(network, mixed, strict=True):
        if other and b[0, j] >= 0:
            child[0, j] = b[0, j]
    live = [j for j in network if a[0, j] >= 0]
    for j in random.choice(live, size=min(len(live), int(random.integers(1, 3))), replace=False):
        child[0, j] = random.integers(len(distribution.decisions[j].values))
    # What the change brings to life has no value from the parents: draw it.
    filled = distribution.liveness.fill(child)
    for j in network:
        if filled[0, j] >= 0 and a[0, j] < 0 and b[0, j] < 0:
            child[0, j] = random.integers(len(distribution.decisions[j].values))
    return distribution.liveness.fill(child)


def pick_finalists(pool: list[Entry], hardware: Hardware, k: int, by_error_alone: bool = False) -> list[Entry]:
    """k designs spread over the pool's front (or the k of least error), each on its best accelerator."""
    if by_error_alone:
        chosen = sorted(pool, key=lambda e: (e.error, e.loss))[:k]
    else:
        chosen = [pool[i] for i in spread(np.array([[e.error, e.score] for e in pool]), k)]
    finalists = []
    for entry in chosen:
        found = hardware.find_best(entry.row)
        if found is not None:
            finalists.append(Entry(found[0], entry.error, entry.loss, found[1]))
    return finalists


def change_one(row: Rows, distribution: Distribution, network: list[int]) -> list[Rows]:
    """All rows with one live network decision changed; what that brings to life takes its likeliest value."""
    rows = []
    likeliest = np.array([int(x.argmax()) for x in distribution.logits])
    base = np.where(row[0] >= 0, row[0], likeliest)
    for j in network:
        if row[0, j] >= 0:
            for value in range(len(distribution.decisions[j].values)):
                if value != row[0, j]:
                    other = base.copy()
                    other[j] = value
                    rows.append(distribution.liveness.fill(other[None]))
    return rows
