"""The best mappings that an evolutionary mapper meets, where they are too many to list and bounds don't tell the best.

Its operators are AutoMapper's (Fu et al., DAC 2021), for maps as a text has them: of 64 mappings the best quarter is
kept, children take their maps from two of these, as a run of neighbouring maps (a level) or one by one, and are changed
by `Moves`. What misses requirements stands behind what meets them, by how much it misses. After each round the best are
descended from. All rows of what a problem reads evolve side by side, by the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy
from attrs import frozen
from cospace.compiler.mappings.listed import Floats, Ints
from cospace.compiler.mappings.moves import Moves
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.asked import conjuncts
from cospace.compiler.space.graph import TRUE, Expr, MapProblem
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

POPULATION, KEPT = 64, 16
GENERATIONS = 50
FIRST = 4
"""Times as many mappings are drawn for the first generation of a round."""
ROUNDS, SETTLED = 64, 16
"""Populations that are begun for a row, at most, and how many of them in turn may find nothing better."""
MOST = 1 << 24
"""Mappings that are evaluated for all rows, about: each row has the same share, and one round in any case."""
TOGETHER = 1 << 18
"""Mappings of several rows that are held at a time, about."""
PIECE = 1 << 16
"""Mappings that are evaluated at a time."""
DESCENDED = 3
"""Mappings of a row that are descended from after a round."""
STEPS = 24
"""Steps of a descent, at most."""
TOLD = 8
"""Mappings of a row that are handed on, at most."""


@frozen(eq=False)
class Evolved:
    """rows: for each row the best mappings that meet the requirements as far as floats tell, the best first, each the
    positions of the maps' values, (n, maps). tried: how many were evaluated, of all rows together."""

    rows: list[Ints]
    tried: int


def evolve_mappings(
    problem: MapProblem, declared: Sequence[Decision], designs: Ints, seed: int, starts: Sequence[Ints] = ()
) -> Evolved:
    """The best mappings that are met at each row of what a problem reads: `designs`, positions of values of `declared`.

    starts: for each row mappings to begin with, (n, maps). A map that is not there stands at its first value.
    """
    judge, moves = _Judge(problem, declared, designs), Moves(problem.maps)
    together = max(1, TOGETHER // max(moves.nearby, FIRST * POPULATION))
    found: list[Ints] = []
    for low in range(0, len(designs), together):
        rows = numpy.arange(low, min(low + together, len(designs)))
        most = judge.tried + MOST * len(rows) // len(designs)
        best = _evolved(rows, judge, moves, seed, starts[low : low + together], most)
        found += [g[s[:, 0] == 0][:TOLD] for g, s in zip(best.genes, best.scores, strict=True)]
    return Evolved(found, judge.tried)


def _evolved(rows: Ints, judge: _Judge, moves: Moves, seed: int, starts: Sequence[Ints], most: int) -> _Pool:
    """The best mappings of some rows."""
    best = _Pool(len(rows), judge.maps, judge.width)
    alive = numpy.arange(len(rows))
    idle = numpy.zeros(len(rows), dtype=numpy.int64)
    for number in range(ROUNDS):
        draw = numpy.random.default_rng([seed, number])
        drawn = moves.random(draw, FIRST * POPULATION)
        genes = numpy.broadcast_to(drawn, (len(alive), *drawn.shape))
        if number % 4 == 3:  # every fourth population goes on from what was met
            genes = numpy.concatenate([best.genes[alive], genes], axis=1)
        elif not number and any(map(len, starts)):
            genes = numpy.concatenate([_evenly(starts, judge.maps), genes], axis=1)
        pool = _Pool(len(alive), judge.maps, judge.width)
        pool.add(*judge(rows[alive], genes))
        for _ in range(GENERATIONS):
            pool.add(*judge(rows[alive], moves.children(draw, pool.genes[:, :KEPT], POPULATION - KEPT)))
        before = best.scores[alive, 0]
        best.add(pool.genes, pool.scores, alive)
        for place in range(DESCENDED):
            _descend(best, place, alive, rows, judge, moves, [seed, number, place])
        idle[alive] = numpy.where(_less(best.scores[alive, 0], before), 0, idle[alive] + 1)
        alive = alive[idle[alive] < SETTLED]
        if not len(alive) or judge.tried >= most:
            break
    return best


def _evenly(starts: Sequence[Ints], maps: int) -> Ints:
    """As many mappings for each row: its own over again, or the first of all where it has none."""
    many = max(map(len, starts))
    nothing = numpy.zeros((1, maps), dtype=numpy.int64)
    return numpy.stack([(s if len(s) else nothing)[numpy.arange(many) % max(len(s), 1)] for s in starts])


def _descend(
    best: _Pool, place: int, alive: Ints, rows: Ints, judge: _Judge, moves: Moves, seed: Sequence[int]
) -> None:
    """From one of the best mappings of each row to one that no single change makes better."""
    genes, scores = best.genes[alive, place], best.scores[alive, place]
    for step in range(STEPS):
        made, found = judge(rows[alive], moves.near(numpy.random.default_rng([*seed, step]), genes))
        at = numpy.arange(len(alive)), _order(made, found)[:, 0]
        better = _less(found[at], scores)
        if not better.any():
            return
        alive, genes, scores = alive[better], made[at][better], found[at][better]
        best.add(genes[:, None], scores[:, None], alive)


class _Pool:
    """The best mappings of each row, in order: genes (rows, size, maps), scores (rows, size, width)."""

    def __init__(self, rows: int, maps: int, width: int) -> None:
        self.genes: Ints = numpy.zeros((rows, POPULATION, maps), dtype=numpy.int64)
        self.scores: Floats = numpy.full((rows, POPULATION, width), numpy.inf)

    def add(self, genes: Ints, scores: Floats, rows: Ints | slice = slice(None)) -> None:
        """Takes in more of some rows. Of mappings that are worth the same the first in declared order counts, so that
        those that differ in nothing that matters leave room for others."""
        genes = numpy.concatenate([self.genes[rows], genes], axis=1)
        scores = numpy.concatenate([self.scores[rows], scores], axis=1)
        order = _order(genes, scores)[..., None]
        genes, scores = numpy.take_along_axis(genes, order, axis=1), numpy.take_along_axis(scores, order, axis=1)
        again = numpy.zeros(scores.shape[:2], dtype=numpy.bool_)
        again[:, 1:] = (scores[:, 1:] == scores[:, :-1]).all(axis=2)
        scores[again] = numpy.inf
        order = numpy.argsort(again, axis=1, kind="stable")[:, :POPULATION, None]
        self.genes[rows] = numpy.take_along_axis(genes, order, axis=1)
        self.scores[rows] = numpy.take_along_axis(scores, order, axis=1)


def _order(genes: Ints, scores: Floats) -> Ints:
    """The mappings of each row from the best to the worst, equals in declared order. (rows, n)"""
    keys = [*numpy.moveaxis(genes, 2, 0)[::-1], *numpy.moveaxis(scores, 2, 0)[::-1]]
    return numpy.lexsort(keys, axis=1)


def _less(a: Floats, b: Floats) -> NDArray[numpy.bool_]:
    """Where scores are less, compared from the left. (n, width)"""
    less = numpy.zeros(len(a), dtype=numpy.bool_)
    for k in range(a.shape[1] - 1, -1, -1):
        less = (a[:, k] < b[:, k]) | ((a[:, k] == b[:, k]) & less)
    return less


class _Judge:
    """What mappings are worth, in floats: by how much they miss the requirements, then the goals; less is better.

    tried: how many were evaluated so far.
    """

    def __init__(self, problem: MapProblem, declared: Sequence[Decision], designs: Ints) -> None:
        self.tried = 0
        self.maps, self.width = len(problem.maps), 1 + len(problem.goals)
        self._designs = designs
        decisions = [*declared, *(Decision(m.path, "map", m.values, m.type) for m in problem.maps)]
        self._exprs: list[Expr] = list(problem.goals)
        parts = dict.fromkeys(part for r in problem.requirements for part in conjuncts(r))
        compared = {p: c for p in parts if (c := _compared(p)) is not None}
        self._asked = [self._at(p) for p in parts if p not in compared]
        self._sides = [(op, self._at(low), self._at(high)) for op, low, high in compared.values()]
        self._allowed = [(n, *self._each(m.allowed)) for n, m in enumerate(problem.maps) if m.allowed is not None]
        self._guards = [self._at(m.guard) for m in problem.maps]
        self._late = [(n, Program([m.guard], decisions)) for n, m in enumerate(problem.maps) if m.guard is not TRUE]
        self._program = Program(self._exprs, decisions)

    def _at(self, e: Expr) -> int:
        self._exprs.append(e)
        return len(self._exprs) - 1

    def _each(self, conditions: Sequence[Expr]) -> tuple[slice, Ints]:
        """Where conditions stand, each of them once, and which of these is whose."""
        first = len(self._exprs)
        place = {id(c): n for n, c in enumerate({id(c): c for c in conditions}.values())}
        for c in {id(c): c for c in conditions}.values():
            self._at(c)
        return slice(first, len(self._exprs)), numpy.array([place[id(c)] for c in conditions])

    def __call__(self, rows: Ints, genes: Ints) -> tuple[Ints, Floats]:
        """Mappings of some rows, (rows, n, maps), maps that are not there at their first value; and their scores."""
        flat = genes.reshape(-1, self.maps)
        whole = numpy.concatenate([numpy.repeat(self._designs[rows], genes.shape[1], axis=0), flat], axis=1)
        self.tried += len(whole)
        with numpy.errstate(all="ignore"):  # what has no value misses, see `_excess`
            found = list(self._pieces(whole))
        made, scores = (numpy.concatenate(part) for part in zip(*found, strict=True))
        return made.reshape(genes.shape), scores.reshape(*genes.shape[:2], self.width)

    def _pieces(self, whole: Ints) -> Iterator[tuple[Ints, Floats]]:
        for low in range(0, len(whole), PIECE):
            some = whole[low : low + PIECE]
            genes = some[:, self._designs.shape[1] :]
            for n, program in self._late:
                genes[~program(some)[0], n] = 0
            yield genes, self._scores(genes, self._program(some))

    def _scores(self, genes: Ints, values: Sequence[Array]) -> Floats:
        missed = numpy.zeros(len(genes))
        for at in self._asked:
            missed += ~values[at]
        for op, low, high in self._sides:
            missed += _excess(op, values[low], values[high])
        for n, where, which in self._allowed:
            holds = numpy.stack(values[where])[which[genes[:, n]], numpy.arange(len(genes))]
            missed += values[self._guards[n]] & ~holds
        goals = numpy.stack(values[: self.width - 1], axis=1)
        missed += ~numpy.isfinite(goals).all(axis=1)
        return numpy.column_stack([missed, numpy.where(missed[:, None] > 0, 0.0, goals)])


def _compared(part: Expr) -> tuple[str, Expr, Expr] | None:
    """What a requirement compares, where that is two numbers: le, lt or eq, and both."""
    if part.op == "not":
        inner = _compared(part.args[0])
        return None if inner is None or inner[0] == "eq" else ("lt" if inner[0] == "le" else "le", *inner[:0:-1])
    if part.op not in ("le", "lt", "eq") or part.args[0].type.kind != "number":
        return None
    return part.op, *part.args  # type: ignore[return-value]


def _excess(op: str, low: Floats, high: Floats) -> Floats:
    """By how much of both numbers a comparison fails, 0 where it holds; 1 where one has no value."""
    over = numpy.abs(low - high) if op == "eq" else low - high
    size = numpy.abs(low) + numpy.abs(high)
    share = numpy.divide(over, size, out=numpy.zeros(len(over)), where=size > 0)
    broken = over >= 0 if op == "lt" else over > 0
    return numpy.where(numpy.isnan(over), 1.0, numpy.where(broken, numpy.maximum(share, 1e-9), 0.0))


__all__ = ["Evolved", "evolve_mappings"]
