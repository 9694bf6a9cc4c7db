"""The least that a goal can be for partial mappings, many at once, by weights on the parts of a structure.

A sum is at least the product of its terms over their weights, each to the power of its weight (the inequality of
weighted means); a greatest value at least the same without dividing; a limit is a factor of at most 1, to any power.
What is left is a product over groups, whose least is that of each group alone: any weights give a bound, good ones a
near one (the dual of a geometric program: Duffin, Peterson and Zener, Geometric Programming, 1967).
"""

from __future__ import annotations

import numpy
from attrs import frozen
from cospace.compiler.mappings.listed import Floats, Ints
from cospace.compiler.mappings.structure import Node, Structure
from numpy.typing import NDArray

UNIT = 2.0**-53
TINY = 1e-300
SLACK = 1e-9
"""Above 0 by less than this a limit may be met."""


@frozen(eq=False)
class Batch:
    """Partial mappings. taken: for each group that is set the row that it takes (n,); the others are open.

    base: the logarithms of atoms by what is set, (n, atoms). weights: the logarithms of weights, one for each argument
    of a sum or a greatest value, and the powers of limits.
    """

    taken: dict[int, Ints]
    base: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def at(self, rows: NDArray[numpy.bool_] | Ints) -> Batch:
        return Batch({g: t[rows] for g, t in self.taken.items()}, self.base[rows], self.weights[rows])

    def weighed(self, weights: Floats) -> Batch:
        return Batch(self.taken, self.base, weights)


@frozen(eq=False)
class Bound:
    """low: no mapping that begins so is less (n,). open: of each open group the product at each of its rows."""

    low: Floats
    open: dict[int, Floats]

    @property
    def rest(self) -> dict[int, Floats]:
        """The bound where an open group takes each of its rows, (n, rows)."""
        return {g: (self.low - o.min(axis=1))[:, None] + o for g, o in self.open.items()}


class Dual:
    """Bounds of one structure, or of several in one, each of which has a batch's rows in turn. All are logarithms."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.place: dict[int, slice] = {}
        n = 0
        for at, node in enumerate(structure.nodes):
            if node.kind in ("sum", "most"):
                self.place[at] = slice(n, n + len(node.args))
                n += len(node.args)
        self.limits = slice(n, n + len(structure.limits))
        empty = numpy.zeros_like(structure.constants)
        self._lows = [t.min(axis=-2) if t.size else empty for t in structure.tables]
        self._highs = [t.max(axis=-2) if t.size else empty for t in structure.tables]
        self._most = numpy.abs(structure.constants) + sum(
            (numpy.maximum(numpy.abs(a), numpy.abs(b)) for a, b in zip(self._lows, self._highs, strict=True)), empty
        )

    def start(self) -> Batch:
        """Nothing set, all weights equal."""
        base = numpy.atleast_2d(self.structure.constants)
        return Batch({}, base, numpy.zeros((len(base), self.limits.stop)))

    def child(self, batch: Batch, parent: Ints, group: int, row: Ints) -> Batch:
        """Partial mappings with one more group set."""
        taken = {g: t[parent] for g, t in batch.taken.items()} | {group: row}
        return Batch(taken, batch.base[parent] + self.structure.tables[group][row], batch.weights[parent])

    def values(self, atoms: Floats) -> list[Floats]:
        """The nodes' values where those of all atoms are given, (n, atoms)."""
        found: list[Floats] = []
        for node in self.structure.nodes:
            if node.kind == "atom":
                found.append(atoms[:, node.column])
                continue
            args = [found[a] for a in node.args]
            if node.kind == "product":
                found.append(sum(args[1:], args[0] + node.constant))
            elif node.kind == "ceil":
                found.append(_rounded_up(args[0]))
            else:
                most = args[0]
                for a in args[1:]:
                    most = numpy.maximum(most, a)
                if node.kind == "sum":
                    total = numpy.zeros(len(most))
                    for a in args:
                        total += numpy.exp(a - most)
                    if node.less:
                        total = numpy.maximum(total - node.less * numpy.exp(-most), TINY)
                    most = numpy.maximum(most + numpy.log(total), node.least)
                found.append(most)
        return found

    def ends(self, batch: Batch) -> tuple[list[Floats], list[Floats]]:
        """The least and the greatest that each node can be, each atom for itself."""
        low, high = batch.base, batch.base
        for g, (least, most) in enumerate(zip(self._lows, self._highs, strict=True)):
            if g not in batch.taken:
                low, high = low + least, high + most
        return self.values(low), self.values(high)

    def possible(self, values: list[Floats], best: float) -> NDArray[numpy.bool_]:
        """Where no limit is surely broken, and the goal may be as good as the best. values: the least of each node."""
        good = values[self.structure.goal] <= best + SLACK
        for k in self.structure.limits:
            good = good & (values[k] <= SLACK)
        return good

    def bound(self, batch: Batch, ends: tuple[list[Floats], list[Floats]]) -> Bound:
        constant, powers = self._weigh(batch, ends)
        low = constant + (batch.base * powers).sum(axis=1)
        open_: dict[int, Floats] = {}
        for g, table in enumerate(self.structure.tables):
            if g not in batch.taken:
                open_[g] = powers @ table.T if table.ndim == 2 else numpy.matmul(table, powers[:, :, None])[:, :, 0]
                low += open_[g].min(axis=1)
        lost = ~numpy.isfinite(low)  # weights that floats can't hold say nothing
        if lost.any():
            low[lost] = -numpy.inf
            for o in open_.values():
                o[lost] = 0.0
        size = numpy.abs(constant) + (numpy.abs(powers) * self._most).sum(axis=1)
        return Bound(numpy.where(lost, low, low - (size + 1) * 1024 * UNIT), open_)

    def _weigh(self, batch: Batch, ends: tuple[list[Floats], list[Floats]]) -> tuple[Floats, Floats]:
        """What weights make of the goal: a constant (n,), and the powers of atoms (n, atoms)."""
        s, n = self.structure, len(batch)
        constant = numpy.zeros(n)
        flows: dict[int, Floats] = {s.goal: numpy.ones(n)}
        for k, limit in enumerate(s.limits):
            flow = batch.weights[:, self.limits.start + k]
            flows[limit] = flows[limit] + flow if limit in flows else flow
        powers = numpy.zeros_like(batch.base)
        for at in range(len(s.nodes) - 1, -1, -1):
            node, found = s.nodes[at], flows.get(at)
            if found is None:
                continue
            if node.kind == "atom":
                powers[:, node.column] += found
                continue
            shares = [found] * len(node.args)
            if node.kind == "product":
                constant += found * node.constant
            elif node.kind != "ceil":
                logs = batch.weights[:, self.place[at]]
                logs = logs - logs.max(axis=1, keepdims=True)
                share = numpy.exp(logs)
                total = share.sum(axis=1, keepdims=True)
                share /= total
                if node.kind == "sum":
                    if node.less:
                        slope, added = _chord(node, ends[0][at], ends[1][at])
                        constant += found * added
                        found = found * slope
                    constant -= found * (share * (logs - numpy.log(total))).sum(axis=1)
                shares = list((share * found[:, None]).T)
            for a, flow in zip(node.args, shares, strict=True):
                flows[a] = flows[a] + flow if a in flows else flow
        return constant, powers

    def improve(self, batch: Batch, bound: Bound, warmth: float, step: float) -> Floats:
        """Better weights: those that suit the mean over mappings near the least; `warmth` says how near."""
        s = self.structure
        atoms = batch.base
        for g, o in bound.open.items():
            near = numpy.exp((o.min(axis=1, keepdims=True) - o) / warmth)
            near /= near.sum(axis=1, keepdims=True)
            table = s.tables[g]
            atoms = atoms + (near @ table if table.ndim == 2 else numpy.matmul(near[:, None, :], table)[:, 0, :])
        values = self.values(atoms)
        weights = batch.weights.copy()
        for at, part in self.place.items():
            node = s.nodes[at]
            found = numpy.stack([values[a] for a in node.args], axis=1)
            found -= found.max(axis=1, keepdims=True)
            old = weights[:, part] - weights[:, part].max(axis=1, keepdims=True)
            weights[:, part] = ((1 - step) * old if node.kind == "sum" else old) + step * found
        for k, limit in enumerate(s.limits):
            at = self.limits.start + k
            weights[:, at] = numpy.maximum(weights[:, at] + step * values[limit], 0.0)
        return weights


def _chord(node: Node, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """log(x - less) is concave in log x, so it is no less than its chord: slope and height over log x.

    low, high: of log(x - less). Where it may be no more than the least that it is said to be, only that is known.
    """
    first, last = numpy.logaddexp(low, numpy.log(node.less)), numpy.logaddexp(high, numpy.log(node.less))
    wide = last - first
    slope = numpy.where(wide > 1e-6, (high - low) / numpy.maximum(wide, 1e-6), 1.0)
    slope = numpy.where(low <= node.least, 0.0, slope)
    return slope, low - slope * first


def _rounded_up(value: Floats) -> Floats:
    """The logarithm of a number rounded up, or a little less."""
    with numpy.errstate(over="ignore"):
        rounded = numpy.log(numpy.ceil(numpy.exp(value) * (1 - 1e-12)))
    return numpy.where(value < 30, numpy.maximum(rounded, value), value)


__all__ = ["Batch", "Bound", "Dual"]
