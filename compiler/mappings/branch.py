"""Branch and bound over the groups of one structure: all mappings that may be as good as the best one met."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy
from attrs import evolve, frozen
from cospace.compiler.mappings.dual import Batch, Dual
from cospace.compiler.mappings.effort import Effort
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.mappings.structure import Structure

AT_ROOT = 96
"""Rounds in which weights are made better before anything is set, and what they begin and end with as `warmth`."""
WARM, COLD = 1.0, 0.005
ROUNDS = 3
"""Rounds after a group was set."""
STEP, MOMENTUM = 0.1, 0.9
"""How far weights go in one round, and how much of the round before goes into it."""
CHUNK = 2048
"""Partial mappings that are bounded together."""


@frozen(eq=False)
class Open:
    """A structure whose root is bounded: the least is no less than `low`. batch: nothing set, with good weights."""

    structure: Structure
    dual: Dual
    batch: Batch
    low: float


Look = Callable[[Ints], float]
"""Is told whole mappings, a row of each group (n, groups), and says the logarithm of the best that is known."""


def open_root(structure: Structure, look: Look) -> Open:
    """Bounds the root, and looks at mappings that seem good on the way."""
    dual = Dual(structure)
    batch = dual.start()
    ends = dual.ends(batch)
    low, kept = -math.inf, batch
    before = batch.weights
    for n in range(AT_ROOT):
        warmth = WARM * (COLD / WARM) ** (n / AT_ROOT)
        bound, open_, least = dual.bound(batch, ends)
        if bound[0] > low:
            low, kept = float(bound[0]), batch
        if n % 32 == 31:
            look(_descend(dual, [int(least[g][0]) for g in range(len(structure.tables))]))
        weights = dual.improve(batch, open_, warmth, STEP * min(1.0, 2 * warmth))
        ahead = weights + MOMENTUM * (weights - before)
        ahead[:, dual.limits] = numpy.maximum(ahead[:, dual.limits], 0.0)
        batch, before = Batch({}, ahead), weights
    return Open(structure, dual, kept, low)


def _descend(dual: Dual, rows: list[int]) -> Ints:
    """From a mapping to one that no change of a single group makes better."""
    s = dual.structure
    best = math.inf
    while True:
        before = best
        for g, table in enumerate(s.tables):
            leaves = [table if h == g else t[rows[h]] for h, t in enumerate(s.tables)]
            values = dual.values(leaves)
            over = sum((numpy.maximum(values[k], 0.0) * (values[k] > 1e-9) for k in s.limits), numpy.zeros(len(table)))
            score = values[s.goal] + 1e3 * over
            rows[g] = int(score.argmin())
            best = min(best, float(score[rows[g]]))
        if best >= before - 1e-12:
            return numpy.array([rows], dtype=numpy.int64)


def explore(root: Open, best: float, look: Look, effort: Effort) -> None:
    """Looks at every mapping of a structure that may be as good as the best. best: the logarithm of the best so far."""
    most = float(root.dual.ends(root.batch)[1][root.structure.goal]) + 1e-9
    best = min(best, most)  # where nothing is known yet, no mapping is worse than this
    if root.low > best:
        return
    root, rows = _narrowed(root, best)
    dual = root.dual
    stack = [root.batch]
    while stack:
        batch = stack.pop()
        best = _step(dual, batch, rows, best, look, effort, stack)


def _step(
    dual: Dual, batch: Batch, rows: list[Ints], best: float, look: Look, effort: Effort, stack: list[Batch]
) -> float:
    """Sets one more group in every partial mapping, and puts those that are left on the stack."""
    tables = dual.structure.tables
    ends = dual.ends(batch)
    bound, open_, _ = dual.bound(batch, ends)
    effort.spend(len(batch))
    keep = bound <= best
    rest = {g: bound[:, None] - o.min(axis=1, keepdims=True) + o for g, o in open_.items()}
    alive = {g: (r <= best) & keep[:, None] for g, r in rest.items()}
    g = min(alive, key=lambda g: int(alive[g].sum()))
    parent, row = numpy.nonzero(alive[g])
    if not len(parent):
        return best
    if len(open_) == 1:
        for low in range(0, len(parent), 1 << 15):
            some = slice(low, low + (1 << 15))
            whole = {h: t[parent[some]] for h, t in batch.taken.items()} | {g: row[some]}
            effort.spend(looked=len(row[some]))
            values = dual.values([t[whole[h]] for h, t in enumerate(tables)])
            good = values[dual.structure.goal] <= best + 1e-9
            for k in dual.structure.limits:
                good &= values[k] <= 1e-9
            if good.any():
                best = min(best, look(numpy.stack([rows[h][whole[h][good]] for h in range(len(tables))], axis=1)))
        return best
    order = numpy.argsort(-rest[g][parent, row], kind="stable")  # the best is put last, and taken first
    parent, row = parent[order], row[order]
    for low in range(0, len(parent), CHUNK):
        some = slice(low, low + CHUNK)
        child = batch.at(parent[some])
        child = Batch(child.taken | {g: row[some]}, child.weights)
        child = _sharpened(dual, child, best, effort)
        if len(child):
            stack.append(child)
    return best


def _sharpened(dual: Dual, batch: Batch, best: float, effort: Effort) -> Batch:
    """Partial mappings with weights that suit what is set, without those that can't be as good as the best."""
    effort.spend(len(batch) * ROUNDS)
    ends = dual.ends(batch)
    dead = numpy.zeros(len(batch), dtype=numpy.bool_)
    for k in dual.structure.limits:
        dead |= ends[0][k] > 1e-9
    dead |= ends[0][dual.structure.goal] > best + 1e-9
    batch = batch.at(~dead)
    low = numpy.full(len(batch), -math.inf)
    kept = batch.weights.copy()
    for n in range(ROUNDS):
        if not len(batch):
            break
        ends = dual.ends(batch)
        bound, open_, _ = dual.bound(batch, ends)
        better = bound > low
        low[better] = bound[better]
        kept[better] = batch.weights[better]
        alive = low <= best
        if n == ROUNDS - 1:
            return Batch({g: t[alive] for g, t in batch.taken.items()}, kept[alive])
        weights = dual.improve(batch, open_, COLD * 2, STEP * COLD * 8)
        batch = Batch(batch.taken, weights)
        batch, low, kept = batch.at(alive), low[alive], kept[alive]
    return batch


def _narrowed(root: Open, best: float) -> tuple[Open, list[Ints]]:
    """The root without the rows of groups that can't be in a mapping as good as the best; and which rows are left."""
    dual = root.dual
    bound, open_, _ = dual.bound(root.batch, dual.ends(root.batch))
    rows = []
    tables = []
    for g, table in enumerate(root.structure.tables):
        left = numpy.flatnonzero(bound[0] - open_[g][0].min() + open_[g][0] <= best)
        rows.append(left)
        tables.append(table[left])
    structure = evolve(root.structure, tables=tables)
    return Open(structure, Dual(structure), root.batch, root.low), rows
