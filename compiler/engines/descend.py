"""Coordinate descent with restarts: all values of some decisions at once, many chains in one batch.

A row with fewer violated requirements is always better, so that a chain finds its way back to what is feasible. Where
it stands still at a bound, two decisions change together: what fills a budget is traded.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from attrs import frozen
from cospace.compiler.engines.problem import VIOLATED, Problem
from numpy.typing import NDArray

Array = NDArray[Any]

MANY = 8
"""Values of a decision that are all tried; of more, those at distances 1, 2, 4, 8, …"""
AT_ONCE = 64
"""Values that are tried at once, about, of each chain."""
SWEEPS = 4
"""Sweeps over all decisions that a chain takes, about, before it stands still."""
TRADES = 4
"""Changes that would be better but for a requirement: of so many, at most, is asked which second one makes it good."""


@frozen
class Descent:
    """From feasible starts, anew where all chains stand still and no trade helps. chains: at once, at most."""

    name: ClassVar[str] = "coordinate descent with restarts"
    evaluations: int = 2_000
    chains: int = 10

    def run(self, problem: Problem) -> None:
        """Until the budget is spent or, in a space where starts can't differ, nothing new is met."""
        sweep = sum(problem.sizes[j] for j in problem.free)
        chains = max(1, min(self.chains, problem.budget // max(1, SWEEPS * sweep)))
        for _ in problem.starts():
            weights = problem.weights(chains)
            here, score = descend(problem, problem.draw(chains), weights)
            left = list(range(chains))
            while left:
                left = [i for i in left if _trade(problem, here, score, i, weights[i])]
                if left:
                    here[left], score[left] = descend(problem, here[left], weights[left])


def descend(problem: Problem, here: Array, weights: Array) -> tuple[Array, Array]:
    """Chains (n, d) to where no change of one free decision is better, and their scores (n,)."""
    score = problem.score(here, weights)
    while True:
        before = score.copy()
        for block in _blocks(problem):
            here, score = _step(problem, here, score, block, weights)
        if (score == before).all():
            return here, score


def _trade(problem: Problem, here: Array, score: Array, i: int, weights: Array) -> bool:
    """Whether a feasible chain that stands still gets better by two changes: one that breaks a requirement and would
    be better else, and one that makes it good. weights: of its goals, (k,)."""
    if score[i] >= VIOLATED:
        return False
    broken, column = changed(problem, here[i])
    goals = problem.mixed(problem.recalled(broken), weights)
    better = numpy.flatnonzero(goals < score[i])
    for k in better[numpy.argsort(goals[better], kind="stable")][:TRADES].tolist():
        rows, second = changed(problem, broken[k])
        rows = rows[second != column[k]]
        if not len(rows):
            continue
        found = problem.score(rows, numpy.repeat(weights[None], len(rows), axis=0))
        best = found.argmin()
        if found[best] < score[i]:
            here[i], score[i] = rows[best], found[best]
            return True
    return False


def changed(problem: Problem, row: Array) -> tuple[Array, Array]:
    """A row with one free decision changed, as `single_changes` has them, (n, d), and which one, (n,)."""
    free = [j for j in problem.free if problem.sizes[j] > 1]
    if not free:
        return row[None][:0], numpy.zeros(0, numpy.int64)
    _, column, value = single_changes(problem, row[None], free)
    rows = numpy.repeat(row[None], len(column), axis=0)
    rows[numpy.arange(len(rows)), column] = value
    rows = problem.fill(rows)
    other = (rows != row).any(axis=1)
    return rows[other], column[other]


def _blocks(problem: Problem) -> list[list[int]]:
    """The free decisions in a new order, in groups whose values are tried at once."""
    blocks: list[list[int]] = []
    tried = AT_ONCE
    for j in problem.random.permutation(problem.free).tolist():
        if problem.sizes[j] < 2:
            continue
        if tried + problem.sizes[j] > AT_ONCE:
            blocks.append([])
            tried = 0
        blocks[-1].append(j)
        tried += problem.sizes[j]
    return blocks


def _step(problem: Problem, here: Array, score: Array, block: list[int], weights: Array) -> tuple[Array, Array]:
    """Every single change of the block's decisions is tried, then the best change of each together with the next best
    of the others, as many as go well."""
    chain, column, value = single_changes(problem, here, block)
    if not len(chain):
        return here, score
    tried = here[chain]
    tried[numpy.arange(len(chain)), column] = value
    tried = problem.fill(tried)
    found = problem.score(tried, weights[chain])
    together: list[Array] = []
    owner: list[int] = []
    for i in range(len(here)):
        own = numpy.flatnonzero((chain == i) & (found < score[i]))
        own = own[numpy.argsort(found[own], kind="stable")]
        _, first = numpy.unique(column[own], return_index=True)
        best = own[numpy.sort(first)]
        if len(best) > 1:
            rows = numpy.repeat(here[i][None], len(best) - 1, axis=0)
            for k, change in enumerate(best):
                rows[max(k - 1, 0) :, column[change]] = value[change]
            together.append(rows)
            owner += [i] * len(rows)
    if together:
        more = problem.fill(numpy.concatenate(together))
        tried, chain = numpy.concatenate([tried, more]), numpy.concatenate([chain, owner])
        found = numpy.concatenate([found, problem.score(more, weights[owner])])
    here, score = here.copy(), score.copy()
    for i in range(len(here)):
        own = numpy.flatnonzero(chain == i)
        if len(own):
            k = own[found[own].argmin()]
            if found[k] < score[i]:
                here[i], score[i] = tried[k], found[k]
    return here, score


def single_changes(problem: Problem, here: Array, block: list[int]) -> tuple[Array, Array, Array]:
    """(chain, decision, value) of changes of one live decision: to every other value, or where there are many to those
    at distances 1, 2, 4, 8, …"""
    parts = []
    for j in block:
        live, size = numpy.flatnonzero(here[:, j] >= 0), problem.sizes[j]
        if size <= MANY:
            value = numpy.tile(numpy.arange(size), (len(live), 1))
        else:
            reach = 2 ** numpy.arange(size.bit_length() - 1)
            value = here[live, j][:, None] + numpy.concatenate([-reach[::-1], reach])
        chain = numpy.repeat(live, value.shape[1])
        value = value.ravel()
        other = (value != here[chain, j]) & (value >= 0) & (value < size)
        parts.append((chain[other], numpy.full(int(other.sum()), j), value[other]))
    chains, columns, values = zip(*parts, strict=True)
    return numpy.concatenate(chains), numpy.concatenate(columns), numpy.concatenate(values)
