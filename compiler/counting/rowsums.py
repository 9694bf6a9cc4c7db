"""Counting combinations whose sum stays within a bound, for many rows at once.

For each row (an assignment of the decisions that are conditioned on) and each group there are options with a value
and a weight; wanted is the total weight of the choices of one option per group whose values sum to at most the row's
bound. Rows that their least or greatest sum settles cost nothing more; equal ones among the others are counted once,
by comparing two halves of merged sums or, where those are too many, level by level (`levels`). Values are int64 or
float64; weights int64, or Python integers where they might not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy
from cospace.compiler.counting.dominance import Points, add_points, count_pairs, merge_points
from cospace.compiler.counting.eliminate import SAFE
from cospace.compiler.counting.levels import Group, Problem, TooManyLevels, count_others, count_within, normalise
from cospace.compiler.counting.options import Options, end_of, settle_rows
from cospace.compiler.counting.separate import depends, separate, settled
from numpy.typing import NDArray

Array = NDArray[Any]
PAIRS = 4_000_000
"""Partial sums that are held at once."""
COMBINED = 1 << 14
"""Combinations of a row's options above which two sums are compared point by point."""
ADDITIONS = 16
"""Additions of a polynomial that cost what one comparison of a pair of partial sums does."""
WRITTEN = 64
"""Pairs that cost what it does to write an option out for such polynomials."""


class TooManyCombinations(Exception):
    """More pairs of partial sums than allowed would have to be compared."""

    def __init__(self, pairs: int) -> None:
        super().__init__(f"{pairs} combinations")
        self.pairs = pairs


def count_rows(groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array], budget: list[int]) -> Array:
    """The weight of each row, (n,). bounds, active: for each sum an (n,) array; an inactive sum always holds.

    budget: a list holding how many pairs may still be compared; it is lowered. Raises TooManyCombinations.
    """
    made = settle_rows(groups, bounds, active)
    found = numpy.where(made.alive, made.product, 0)
    asked = sum((o.astype(int) for o in made.open_sums), numpy.zeros(len(found), dtype=int)) * made.alive
    for k, bound in enumerate(bounds):
        at = numpy.flatnonzero((asked == 1) & made.open_sums[k])
        if len(at):
            parts = [(g.values[k][at], g.weights[at]) for g in groups]
            found[at] = _count_one(parts, bound[at], made.largest, budget)
    at = numpy.flatnonzero(asked > 1)
    if len(at):
        found[at] = _count_apart(groups, bounds, made.open_sums, at, made.largest, budget)
    return found


def _count_apart(
    groups: Sequence[Options], bounds: Sequence[Array], open_sums: Sequence[Array], rows: Array, largest: int,
    budget: list[int],
) -> Array:  # fmt: skip
    """Several sums at once, those that share no group by themselves."""
    asked = [o[rows] for o in open_sums]
    inner = [Options(tuple(v[rows] for v in g.values), g.weights[rows]) for g in groups]
    varies = [[bool(a.any()) and depends(v, g.weights) for v, a in zip(g.values, asked, strict=True)] for g in inner]
    parts = separate(varies)
    if sum(bool(sums) for _, sums in parts) < 2:
        return _count_joint(groups, bounds, open_sums, rows, largest, budget)
    found: Array = numpy.ones(len(rows), dtype=object if largest >= SAFE else numpy.int64)
    for members, sums in parts:
        left, active = [], []
        for k, (bound, a) in enumerate(zip(bounds, asked, strict=True)):
            others = [settled(g.values[k], g.weights) for i, g in enumerate(inner) if i not in members]
            left.append(bound[rows] - sum(others) if k in sums else bound[rows])
            active.append(a if k in sums else numpy.zeros_like(a))
        found = found * count_rows([inner[i] for i in members], left, active, budget)
    return found


def count_option_rows(
    groups: Sequence[Options], bounds: Sequence[Array], active: Sequence[Array], budget: list[int]
) -> list[Array]:
    """For each group the weight of what the others may be beside each of its options, (n, options) Python integers.

    Raises TooManyCombinations, also where two sums are open at one row.
    """
    made = settle_rows(groups, bounds, active)
    totals = [g.weights.astype(object).sum(axis=1) for g in groups]
    product = made.product.astype(object)
    found = []
    for g, t in zip(groups, totals, strict=True):
        rest = numpy.where(made.alive, product // numpy.where(t > 0, t, 1), 0)
        found.append(numpy.repeat(rest[:, None], g.weights.shape[1], axis=1))
    asked = sum((o.astype(int) for o in made.open_sums), numpy.zeros(len(made.alive), dtype=int)) * made.alive
    if (asked > 1).any():
        raise TooManyCombinations(int((asked > 1).sum()))
    for k, bound in enumerate(bounds):
        at = numpy.flatnonzero((asked == 1) & made.open_sums[k])
        if not len(at):
            continue
        if bound.dtype != numpy.int64:
            raise TooManyCombinations(len(at))
        parts = [(g.values[k][at], g.weights[at]) for g in groups]
        first, which = _distinct(parts, bound[at])
        for number, i in enumerate(first):
            rows = at[which == number]
            for array, others in zip(found, _others_of_row(parts, int(bound[at[i]]), int(i), budget), strict=True):
                array[rows] = others
    return found


def _others_of_row(parts: Sequence[tuple[Array, Array]], bound: int, i: int, budget: list[int]) -> list[Array]:
    problem = _problem(parts, bound, i)
    try:
        counts = count_others(problem, budget[0] * ADDITIONS)
    except TooManyLevels as stop:
        raise TooManyCombinations(stop.cells) from None
    _spend(budget, problem.additions * len(problem.groups).bit_length() // ADDITIONS)
    found = []
    for (values, _), g, taken, others in zip(parts, problem.groups, problem.taken, counts, strict=True):
        known = {v * problem.step + taken: n for v, n in zip(g.values, others, strict=True)}
        found.append(numpy.array([known.get(int(v), 0) for v in values[i]], dtype=object))
    return found


def _problem(parts: Sequence[tuple[Array, Array]], bound: int, i: int) -> Problem:
    return normalise([Group.of(v[i].tolist(), [int(x) for x in w[i]]) for v, w in parts], bound)


def _distinct(parts: Sequence[tuple[Array, Array]], bound: Array) -> tuple[list[int], Array]:
    """The first of each kind of row, and for each row which kind it is."""
    seen: dict[tuple[bytes, ...], int] = {}
    first: list[int] = []
    which = numpy.empty(len(bound), dtype=numpy.int64)
    plain = all(w.dtype != object for _, w in parts)
    for i in range(len(bound)):
        key = tuple(
            x for v, w in parts for x in (v[i].tobytes(), w[i].tobytes() if plain else bytes(str(list(w[i])), "ascii"))
        )
        number = seen.setdefault((*key, bound[i].tobytes()), len(first))
        if number == len(first):
            first.append(i)
        which[i] = number
    return first, which


Rounded = tuple[list[Options], list[Array]]


def coarsen(
    groups: Sequence[Options], bounds: Sequence[Array], slacks: Sequence[float], levels: int
) -> tuple[Rounded, Rounded]:
    """Options and bounds on a grid of about `levels` steps: one that holds too rarely, one that holds too often.

    Each value is rounded up (down) to a multiple of a step common to all rows; the bound keeps its slack. Steps are
    laid below the bound: what lies beyond is never told apart.
    """
    rare: list[list[Array]] = [[] for _ in groups]
    often: list[list[Array]] = [[] for _ in groups]
    low_bounds, high_bounds = [], []
    for k, (bound, slack) in enumerate(zip(bounds, slacks, strict=True)):
        spans = []
        for g in groups:
            least = numpy.where(g.weights > 0, g.values[k], end_of(g.values[k])).min(axis=1, keepdims=True)
            spans.append(numpy.where(g.weights > 0, g.values[k] - least, 0).astype(float))
            bound = bound - least[:, 0]
        top = sum(float(s.max(initial=0)) for s in spans)
        room = float((bound + slack).max(initial=0)) if len(bound) else 0.0
        step = max(min(top, room if room > 0 else top) / levels, 1e-300)
        for i, span in enumerate(spans):
            # Half a millionth of a step covers the rounding of the quotient itself.
            rare[i].append(numpy.ceil(span / step + 1e-6).astype(numpy.int64))
            often[i].append(numpy.maximum(numpy.floor(span / step - 1e-6), 0).astype(numpy.int64))
        low_bounds.append(numpy.floor(numpy.clip((bound - slack) / step - 1e-6, -1, 4 * levels)).astype(numpy.int64))
        high_bounds.append(numpy.floor(numpy.clip((bound + slack) / step + 1e-6, -1, 4 * levels)).astype(numpy.int64))
    weights = [g.weights for g in groups]
    return (
        ([Options(tuple(v), w) for v, w in zip(rare, weights, strict=True)], low_bounds),
        ([Options(tuple(v), w) for v, w in zip(often, weights, strict=True)], high_bounds),
    )


def _row_sums(array: Array) -> Array:
    return numpy.asarray(array.sum(axis=1), dtype=array.dtype)


def merge_equal(values: Array, weights: Array) -> tuple[Array, Array]:
    """Sort each row and merge equal values; rows with fewer distinct ones are padded with weight 0."""
    values = numpy.where(weights > 0, values, end_of(values))
    if values.shape[1] == 1:
        return values, weights
    if int(weights.max(initial=0)) <= 1:
        values = numpy.sort(values, axis=1)
        sorted_weights = (values < end_of(values)).astype(weights.dtype)
    else:
        order = numpy.argsort(values, axis=1, kind="stable")
        values = numpy.take_along_axis(values, order, axis=1)
        sorted_weights = numpy.take_along_axis(weights, order, axis=1)
    new = numpy.ones(values.shape, dtype=bool)
    numpy.not_equal(values[:, 1:], values[:, :-1], out=new[:, 1:])
    slot = numpy.cumsum(new, axis=1) - 1
    width = int(slot.max(initial=0)) + 1
    if width == values.shape[1]:
        return values, sorted_weights
    n = len(values)
    merged = numpy.full((n, width), end_of(values), dtype=values.dtype)
    numpy.put_along_axis(merged, slot, values, axis=1)
    gathered = numpy.zeros((n, width), dtype=sorted_weights.dtype)
    flat = (numpy.arange(n)[:, None] * width + slot).reshape(-1)
    numpy.add.at(gathered.reshape(-1), flat, sorted_weights.reshape(-1))
    return merged, gathered


def _count_one(groups: list[tuple[Array, Array]], bound: Array, largest: int, budget: list[int]) -> Array:
    """One sum: the weight of each row. Rows that agree in all are counted once."""
    n = len(bound)
    found: Array = numpy.zeros(n, dtype=object if largest >= SAFE else numpy.int64)
    step = max(1, 2_000_000 // sum(v.shape[1] for v, _ in groups))
    for start in range(0, n, step):
        block = slice(start, min(start + step, n))
        parts = [(v[block], w[block]) for v, w in groups]
        first, which = _distinct(parts, bound[block])
        parts = [(v[first], w[first]) for v, w in parts]
        bounds = bound[block][first]
        found[block] = _count_kinds(parts, bounds, largest, budget)[which]
    return found


def _count_kinds(parts: list[tuple[Array, Array]], bounds: Array, largest: int, budget: list[int]) -> Array:
    """Rows that differ, by the cheaper way of those that their sums allow."""
    problems = []
    options = sum(v.shape[1] for v, _ in parts)
    wide = _pairs([v.shape[1] for v, _ in parts]) > WRITTEN * options
    if bounds.dtype == numpy.int64 and wide and len(bounds) * options <= 4_000_000:
        problems = [_problem(parts, int(b), i) for i, b in enumerate(bounds)]
        cells = sum(p.additions for p in problems)
        pairs = sum(_pairs([len(g.values) for g in p.groups], p.most + 1) for p in problems)
        if cells // ADDITIONS <= min(pairs, budget[0]):
            _spend(budget, cells // ADDITIONS)
            try:
                return numpy.array(
                    [count_within(p, cells) for p in problems], dtype=object if largest >= SAFE else numpy.int64
                )
            except TooManyLevels:
                pass
    merged = [merge_equal(v, w if largest < SAFE else w.astype(object)) for v, w in parts]
    return _halve(merged, bounds, largest, budget)


def _pairs(options: Sequence[int], most: float = math.inf) -> int:
    """About how many pairs `_halve` compares for one row. most: different sums of a half, at most."""
    total = 0
    sizes: list[float] = [1, 1]
    for n in sorted(options, reverse=True):
        k = 0 if sizes[0] <= sizes[1] else 1
        total += int(sizes[k]) * n
        sizes[k] = min(sizes[k] * n, most)
        if sizes[k] > PAIRS:
            return 1 << 62
    return total


def _halve(groups: list[tuple[Array, Array]], bound: Array, largest: int, budget: list[int]) -> Array:
    """Fold groups into two halves, the next always into the narrower, and compare the halves by sorting."""
    n = len(bound)
    groups = sorted(groups, key=lambda g: g[0].shape[1])
    if len(groups) == 1:
        groups.append((numpy.zeros((n, 1), dtype=groups[0][0].dtype), numpy.ones((n, 1), dtype=numpy.int64)))
    halves = [groups.pop(), groups.pop()]
    while groups:
        narrow = 0 if halves[0][0].shape[1] <= halves[1][0].shape[1] else 1
        (a, u), (b, w) = halves[narrow], groups[-1]
        size = a.shape[1] * b.shape[1]
        if size > PAIRS:
            raise TooManyCombinations(size)
        if n * size > PAIRS and n > 1:
            parts = (slice(0, n // 2), slice(n // 2, n))
            left = [*halves, *groups]
            return numpy.concatenate(
                [_halve([(v[p], x[p]) for v, x in left], bound[p], largest, budget) for p in parts]
            )
        _spend(budget, n * size)
        values = (a[:, :, None] + b[:, None, :]).reshape(n, -1)
        weights = (u[:, :, None] * w[:, None, :]).reshape(n, -1)
        halves[narrow] = merge_equal(values, weights)
        groups.pop()
    (a, u), (b, w) = halves
    _spend(budget, n * (a.shape[1] + b.shape[1]))
    joined = numpy.concatenate([b, bound[:, None] - a], axis=1)
    below = numpy.concatenate([w, numpy.zeros(a.shape, dtype=w.dtype)], axis=1)
    order = numpy.argsort(joined, axis=1, kind="stable")
    running = numpy.cumsum(numpy.take_along_axis(below, order, axis=1), axis=1)
    own = numpy.concatenate([numpy.zeros(b.shape, dtype=u.dtype), u], axis=1)
    product = running * numpy.take_along_axis(own, order, axis=1)
    return _row_sums(product)


def _count_joint(
    groups: Sequence[Options], bounds: Sequence[Array], open_sums: Sequence[Array], rows: Array, largest: int,
    budget: list[int],
) -> Array:  # fmt: skip
    """Several sums at once, each row. Two are compared point by point where combinations are many; else integers are
    packed into one key a combination, so that equal ones merge."""
    if math.prod(g.weights.shape[1] for g in groups) > COMBINED:
        open_here = numpy.stack([o[rows] for o in open_sums])
        if (open_here.sum(axis=0) == 2).all():
            pairs = [numpy.flatnonzero(column) for column in open_here.T]
            return numpy.array(
                [_count_two(groups, bounds, int(i), [int(k) for k in p], largest, budget)
                 for i, p in zip(rows, pairs, strict=True)],
                dtype=object if largest >= SAFE else numpy.int64,
            )  # fmt: skip
    found = []
    width = sum(g.weights.shape[1] for g in groups)
    step = max(1, 1_000_000 // width)
    for start in range(0, len(rows), step):
        at = rows[start : start + step]
        part = [Options(tuple(v[at] for v in g.values), g.weights[at]) for g in groups]
        limits = [b[at] for b in bounds]
        asked = [o[at] for o in open_sums]
        packed = _pack(part, limits, asked)
        if packed is None:
            found.append(_count_all(part, limits, asked, largest, budget))
        else:
            found.append(_count_packed(*packed, limits, asked, largest, budget))
    return numpy.concatenate(found)


def _count_two(
    groups: Sequence[Options], bounds: Sequence[Array], row: int, sums: list[int], largest: int, budget: list[int]
) -> int:
    """Two sums at one row: groups are folded into two halves, the next always into the shorter."""
    kind = object if largest >= SAFE else numpy.int64
    x, y = sums
    parts = sorted(
        (merge_points(Points(g.values[x][row], g.values[y][row], g.weights[row].astype(kind))) for g in groups), key=len
    )
    halves = [parts.pop(), parts.pop() if parts else Points(numpy.zeros(1), numpy.zeros(1), numpy.ones(1, dtype=kind))]
    while parts:
        short = 0 if len(halves[0]) <= len(halves[1]) else 1
        size = len(halves[short]) * len(parts[-1])
        if size > PAIRS:
            raise TooManyCombinations(size)
        _spend(budget, size)
        halves[short] = merge_points(add_points(halves[short], parts.pop()))
    _spend(budget, len(halves[0]) + len(halves[1]))
    return count_pairs(halves[0], halves[1], bounds[x][row], bounds[y][row])


Packed = tuple[list[tuple[Array, Array]], list[tuple[int, Array]]]


def _pack(groups: Sequence[Options], bounds: Sequence[Array], asked: Sequence[Array]) -> Packed | None:
    """Keys that add up field by field, and for each sum its factor and what was taken off; None where they don't fit.

    A field is (value - least of the row) * factor; factors leave room for the greatest total of the fields below.
    """
    if any(b.dtype != numpy.int64 for b in bounds):
        return None
    keys = [numpy.zeros(g.weights.shape, dtype=numpy.int64) for g in groups]
    fields: list[tuple[int, Array]] = []
    factor = 1
    for k, bound in enumerate(bounds):
        taken = numpy.zeros_like(bound)
        most = numpy.zeros_like(bound)
        shifted = []
        for g in groups:
            values = numpy.where(asked[k][:, None], g.values[k], 0)
            least = numpy.where(g.weights > 0, values, end_of(values)).min(axis=1)
            values = numpy.where(g.weights > 0, values - least[:, None], 0)
            taken, most = taken + least, most + values.max(axis=1)
            shifted.append(values)
        room = int(most.max(initial=0)) + 1
        if factor * room >= 1 << 56:
            return None
        for key, values in zip(keys, shifted, strict=True):
            key += values * factor
        fields.append((factor, taken))
        factor *= room
    return [(key, g.weights) for key, g in zip(keys, groups, strict=True)], [*fields, (factor, bounds[0])]


def _count_packed(
    groups: list[tuple[Array, Array]], fields: list[tuple[int, Array]], bounds: Sequence[Array],
    asked: Sequence[Array], largest: int, budget: list[int],
) -> Array:  # fmt: skip
    n = len(bounds[0])
    groups = sorted(groups, key=lambda g: g[0].shape[1])
    groups = [merge_equal(v, w if largest < SAFE else w.astype(object)) for v, w in groups]
    values, weights = groups[0]
    for v, w in groups[1:]:
        size = values.shape[1] * v.shape[1]
        if size > PAIRS:
            raise TooManyCombinations(size)
        if n * size > PAIRS and n > 1:
            half = n // 2
            parts = (slice(0, half), slice(half, n))
            return numpy.concatenate([
                _count_packed(
                    [(x[p], y[p]) for x, y in groups], [(f, t[p]) for f, t in fields], [b[p] for b in bounds],
                    [a[p] for a in asked], largest, budget,
                )
                for p in parts
            ])  # fmt: skip
        _spend(budget, n * size)
        values = (values[:, :, None] + v[:, None, :]).reshape(n, -1)
        weights = (weights[:, :, None] * w[:, None, :]).reshape(n, -1)
        weights = numpy.where(_within(values, fields, bounds, asked), weights, 0)
        values, weights = merge_equal(values, weights)
    weights = numpy.where(_within(values, fields, bounds, asked), weights, 0)
    return _row_sums(weights)


def _within(values: Array, fields: list[tuple[int, Array]], bounds: Sequence[Array], asked: Sequence[Array]) -> Array:
    """Partial sums that may still meet every bound: what is to be added is not negative."""
    met = numpy.ones(values.shape, dtype=bool)
    for ((factor, taken), (above, _)), bound, is_asked in zip(pairwise(fields), bounds, asked, strict=True):
        met &= (values % above // factor <= (bound - taken)[:, None]) | ~is_asked[:, None]
    return met


def _count_all(
    groups: Sequence[Options], bounds: Sequence[Array], asked: Sequence[Array], largest: int, budget: list[int]
) -> Array:
    """Every combination is compared."""
    found = []
    size = math.prod(g.weights.shape[1] for g in groups)
    if size > PAIRS:
        raise TooManyCombinations(size)
    _spend(budget, size * len(bounds[0]) // 2)  # nothing is sorted
    step = max(1, 1_000_000 // size)
    for start in range(0, len(bounds[0]), step):
        at = slice(start, min(start + step, len(bounds[0])))
        n = at.stop - at.start
        weights: Array = numpy.ones((n, 1), dtype=object if largest >= SAFE else numpy.int64)
        sums = [numpy.zeros((n, 1), dtype=v.dtype) for v in groups[0].values]
        for g in groups:
            weights = (weights[:, :, None] * g.weights[at][:, None, :]).reshape(n, -1)
            sums = [
                (s[:, :, None] + numpy.where(g.weights[at] > 0, v[at], 0)[:, None, :]).reshape(n, -1)
                for s, v in zip(sums, g.values, strict=True)
            ]
        met = numpy.ones(weights.shape, dtype=bool)
        for s, bound, is_asked in zip(sums, bounds, asked, strict=True):
            met &= (s <= bound[at][:, None]) | ~is_asked[at][:, None]
        found.append(_row_sums(weights * met))
    return numpy.concatenate(found)


def _spend(budget: list[int], pairs: int) -> None:
    budget[0] -= pairs
    if budget[0] < 0:
        raise TooManyCombinations(pairs)
