"""Branch and bound over the groups of one structure: all mappings that may be as good as the best one met."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy
from attrs import evolve, frozen
from cospace.compiler.mappings.dual import SLACK, Batch, Dual
from cospace.compiler.mappings.effort import Effort
from cospace.compiler.mappings.listed import Ints
from cospace.compiler.mappings.structure import Structure, stacked

AT_ROOT = 192
"""Rounds in which weights are made better before anything is set."""
WARM, COLD = 1.0, 0.005
"""The `warmth` of the first of them and of the last."""
STEP, MOMENTUM = 0.1, 0.9
"""How far weights go in one round, and how much of the round before goes into it."""
ROUNDS = 2
"""Rounds after a group was set."""
TRIES = 4
"""Mappings that are looked for from what bounds the root, so that something good is known early."""
CELLS = 1 << 22
"""Partial mappings that are bounded together, times the rows of the largest group."""
WHOLE = 1 << 15
"""Whole mappings that are looked at together."""

Look = Callable[[Ints], float]
"""Is told whole mappings, a row of each group (n, groups), and says the logarithm of the best that is known."""


@frozen(eq=False)
class Root:
    """A structure none of whose mappings is less than `low`, and the batch of nothing set, with good weights."""

    dual: Dual
    batch: Batch
    low: float


def bound_roots(structures: Sequence[Structure], looks: Sequence[Look]) -> list[Root]:
    """Bounds structures of one form, and looks at mappings that seem good on the way."""
    every = Dual(stacked(structures))
    duals = [Dual(s) for s in structures]
    batch = every.start()
    ends = every.ends(batch)
    low, kept, before = numpy.full(len(batch), -math.inf), batch.weights, batch.weights
    for n in range(AT_ROOT):
        warmth = WARM * (COLD / WARM) ** (n / AT_ROOT)
        bound = every.bound(batch, ends)
        kept = numpy.where((bound.low > low)[:, None], batch.weights, kept)
        low = numpy.maximum(low, bound.low)
        if n % (AT_ROOT // TRIES) == AT_ROOT // TRIES - 1:
            for k, (dual, look) in enumerate(zip(duals, looks, strict=True)):
                look(_descended(dual, [int(bound.open[g][k].argmin()) for g in range(len(bound.open))]))
        weights = every.improve(batch, bound, warmth, STEP * min(1.0, 2 * warmth))
        ahead = weights + MOMENTUM * (weights - before)
        ahead[:, every.limits] = numpy.maximum(ahead[:, every.limits], 0.0)
        batch, before = batch.weighed(ahead), weights
    return [Root(d, d.start().weighed(kept[k : k + 1]), float(low[k])) for k, d in enumerate(duals)]


def _descended(dual: Dual, rows: list[int]) -> Ints:
    """From a mapping to one that no change of a single group makes better."""
    s = dual.structure
    best = math.inf
    while True:
        before = best
        for g, table in enumerate(s.tables):
            rest = sum((t[rows[h]] for h, t in enumerate(s.tables) if h != g), s.constants)
            values = dual.values(table + rest)
            score = values[s.goal]
            for k in s.limits:
                score = score + 1e3 * numpy.where(values[k] > SLACK, values[k], 0.0)
            rows[g] = int(score.argmin())
            best = min(best, float(score[rows[g]]))
        if best >= before - 1e-12:
            return numpy.array([rows], dtype=numpy.int64)


def explore(root: Root, best: float, look: Look, effort: Effort) -> None:
    """Looks at every mapping of a structure that may be as good as the best. best: the logarithm of the best so far."""
    most = float(root.dual.ends(root.batch)[1][root.dual.structure.goal][0]) + SLACK
    if root.low > min(best, most):
        return
    dual, rows = _narrowed(root, min(best, most))
    stack = [root.batch]
    while stack:
        best = _step(dual, stack.pop(), rows, min(best, most), look, effort, stack)


def _narrowed(root: Root, best: float) -> tuple[Dual, list[Ints]]:
    """The root without the rows of groups that can't be in a mapping as good as the best; and which rows are left."""
    dual = root.dual
    rest = dual.bound(root.batch, dual.ends(root.batch)).rest
    rows = [numpy.flatnonzero(rest[g][0] <= best) for g in range(len(dual.structure.tables))]
    tables = tuple(t[left] for t, left in zip(dual.structure.tables, rows, strict=True))
    return Dual(evolve(dual.structure, tables=tables)), rows


def _step(
    dual: Dual, batch: Batch, rows: list[Ints], best: float, look: Look, effort: Effort, stack: list[Batch]
) -> float:
    """Sets one more group in every partial mapping, and puts those that are left on the stack. The best so far."""
    effort.spend(bounded=len(batch))
    rest = dual.bound(batch, dual.ends(batch)).rest
    alive = {g: numpy.nonzero(r <= best) for g, r in rest.items()}
    g = min(alive, key=lambda g: len(alive[g][0]))
    parent, row = alive[g]
    last = len(rest) == 1
    if not last:
        order = numpy.argsort(-rest[g][parent, row], kind="stable")  # the best are on top of the stack
        parent, row = parent[order], row[order]
    size = WHOLE if last else max(64, CELLS // max(map(len, dual.structure.tables)))
    for low in range(0, len(parent), size):
        child = dual.child(batch, parent[low : low + size], g, row[low : low + size])
        if last:
            effort.spend(looked=len(child))
            child = child.at(dual.possible(dual.values(child.base), best))
            if len(child):
                whole = [rows[h][child.taken[h]] for h in range(len(rows))]
                best = min(best, look(numpy.stack(whole, axis=1)))
        else:
            child = _sharpened(dual, child, best, effort)
            if len(child):
                stack.append(child)
    return best


def _sharpened(dual: Dual, batch: Batch, best: float, effort: Effort) -> Batch:
    """Partial mappings with weights that suit what is set, without those that can't be as good as the best."""
    batch = batch.at(dual.possible(dual.ends(batch)[0], best))
    low = numpy.full(len(batch), -math.inf)
    kept = batch.weights
    for n in range(ROUNDS):
        if not len(batch):
            break
        effort.spend(bounded=len(batch))
        bound = dual.bound(batch, dual.ends(batch))
        kept = numpy.where((bound.low > low)[:, None], batch.weights, kept)
        low = numpy.maximum(low, bound.low)
        if n < ROUNDS - 1:
            batch = batch.weighed(dual.improve(batch, bound, COLD * 2, STEP * COLD * 8))
        alive = low <= best
        batch, low, kept = batch.at(alive), low[alive], kept[alive]
    return batch.weighed(kept)


__all__ = ["Look", "Root", "bound_roots", "explore"]
