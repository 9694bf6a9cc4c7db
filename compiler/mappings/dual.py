"""The least that a goal can be for partial mappings, many at once, by weights on the parts of a structure.

A sum is at least the product of its terms over their weights, each to the power of its weight (the inequality of
weighted means); a greatest value at least the same without dividing; a limit is a factor of at most 1, to any power.
What is left is a product over groups, whose least is that of each group alone: any weights give a bound, good ones a
near one (the dual of a geometric program: Duffin, Peterson and Zener, Geometric Programming, 1967).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from attrs import frozen
from cospace.compiler.mappings.listed import Floats, Ints
from cospace.compiler.mappings.structure import Structure
from numpy.typing import NDArray

UNIT = 2.0**-53


@frozen(eq=False)
class Batch:
    """Partial mappings: for each group that is set the row that it takes (n,); the others are open.

    weights: the logarithms of weights, one for each argument of a sum or a greatest value, and the powers of limits.
    """

    taken: dict[int, Ints]
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def at(self, rows: NDArray[numpy.bool_] | Ints) -> Batch:
        return Batch({g: t[rows] for g, t in self.taken.items()}, self.weights[rows])


class Dual:
    """Bounds of one structure. All are logarithms."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.place: dict[int, slice] = {}
        n = 0
        for at, node in enumerate(structure.nodes):
            if node.kind in ("sum", "most"):
                self.place[at] = slice(n, n + len(node.args))
                n += len(node.args)
        self.limits = slice(n, n + len(structure.limits))
        self.width = n + len(structure.limits)
        self._lows = [t.min(axis=0) if len(t) else t.sum(axis=0) for t in structure.tables]
        self._highs = [t.max(axis=0) if len(t) else t.sum(axis=0) for t in structure.tables]
        self._most = [numpy.abs(t).max(initial=0.0) for t in structure.tables]

    def start(self) -> Batch:
        return Batch({}, numpy.zeros((1, self.width)))

    # ---- values of nodes

    def values(self, leaves: Sequence[Floats]) -> list[Floats]:
        """The nodes' values where those of all leaves are given: of each group (n, leaves) or (leaves,)."""
        found: list[Floats] = []
        for node in self.structure.nodes:
            if node.kind == "leaf":
                found.append(leaves[node.group][..., node.column])
            elif node.kind == "product":
                total = numpy.float64(node.constant)
                for a, power in zip(node.args, node.powers, strict=True):
                    total = total + power * found[a]
                found.append(total)
            elif node.kind == "sum":
                most = found[node.args[0]]
                for a in node.args[1:]:
                    most = numpy.maximum(most, found[a])
                total = sum(numpy.exp(found[a] - most) for a in node.args)
                if node.less:
                    total = numpy.maximum(total - node.less * numpy.exp(-most), 1e-300)
                found.append(most + numpy.log(total))
            elif node.kind == "most":
                most = found[node.args[0]]
                for a in node.args[1:]:
                    most = numpy.maximum(most, found[a])
                found.append(most)
            else:
                found.append(
                    numpy.where(
                        found[node.args[0]] < 50,
                        numpy.log(numpy.ceil(numpy.exp(found[node.args[0]]) * (1 - 1e-12))),
                        found[node.args[0]],
                    )
                )
        return found

    def ends(self, batch: Batch) -> tuple[list[Floats], list[Floats]]:
        """The least and the greatest that each node can be: of each alone."""
        lows = [t[batch.taken[g]] if g in batch.taken else self._lows[g] for g, t in enumerate(self.structure.tables)]
        highs = [t[batch.taken[g]] if g in batch.taken else self._highs[g] for g, t in enumerate(self.structure.tables)]
        return self.values(lows), self.values(highs)

    # ---- the bound

    def weigh(self, batch: Batch, ends: tuple[list[Floats], list[Floats]]) -> tuple[Floats, list[Floats]]:
        """What weights make of the goal: a constant (n,), and for each group the powers of its leaves (n, leaves)."""
        s, n = self.structure, len(batch)
        low, high = ends
        constant = numpy.zeros(n)
        flows: list[Floats | None] = [None] * len(s.nodes)
        powers = [numpy.zeros((n, t.shape[1])) for t in s.tables]
        flows[s.goal] = numpy.ones(n)
        for k, limit in enumerate(s.limits):
            flow = batch.weights[:, self.limits.start + k]
            flows[limit] = flow if flows[limit] is None else flows[limit] + flow
        for at in range(len(s.nodes) - 1, -1, -1):
            node, flow = s.nodes[at], flows[at]
            if flow is None:
                continue
            if node.kind == "leaf":
                powers[node.group][:, node.column] += flow
                continue
            if node.kind == "product":
                constant += flow * node.constant
                shares = list(node.powers)
            elif node.kind == "ceil":
                shares = [1.0]
            else:
                logs = batch.weights[:, self.place[at]]
                logs = logs - logs.max(axis=1, keepdims=True)
                share = numpy.exp(logs)
                total = share.sum(axis=1, keepdims=True)
                share = share / total
                if node.kind == "sum":
                    if node.less:
                        flow = self._chord(node.less, low[at], high[at], flow, constant)
                    constant -= flow * (share * (logs - numpy.log(total))).sum(axis=1)
                shares = list(share.T)
            for a, part in zip(node.args, shares, strict=True):
                add = flow * part
                flows[a] = add if flows[a] is None else flows[a] + add
        return constant, powers

    def _chord(self, less: float, low: Floats, high: Floats, flow: Floats, constant: Floats) -> Floats:
        """log(x - less) is concave in log x: it is no less than the chord from the one end to the other."""
        x0 = numpy.logaddexp(low, numpy.log(less))
        x1 = numpy.logaddexp(high, numpy.log(less))
        wide = x1 - x0
        slope = numpy.where(wide > 1e-9, (high - low) / numpy.maximum(wide, 1e-9), 1.0)
        slope = numpy.maximum(slope, 1.0)
        constant += flow * (low - slope * x0)
        return flow * slope

    def bound(
        self, batch: Batch, ends: tuple[list[Floats], list[Floats]]
    ) -> tuple[Floats, dict[int, Floats], dict[int, Ints]]:
        """No mapping that begins so is less than this (n,). Also, for each open group, the product at each of its rows
        (n, rows), and the row where it is least."""
        constant, powers = self.weigh(batch, ends)
        total = constant
        size = numpy.abs(constant)
        open_: dict[int, Floats] = {}
        least: dict[int, Ints] = {}
        for g, (table, power) in enumerate(zip(self.structure.tables, powers, strict=True)):
            if g in batch.taken:
                total = total + (table[batch.taken[g]] * power).sum(axis=1)
            else:
                open_[g] = power @ table.T
                least[g] = open_[g].argmin(axis=1)
                total = total + numpy.take_along_axis(open_[g], least[g][:, None], axis=1)[:, 0]
            size = size + numpy.abs(power).sum(axis=1) * self._most[g]
        return total - size * 1024 * UNIT, open_, least

    def improve(self, batch: Batch, open_: dict[int, Floats], warmth: float, step: float) -> Floats:
        """Better weights: those that suit the mean over mappings near the least; `warmth` says how near."""
        s = self.structure
        leaves = []
        for g, table in enumerate(s.tables):
            if g in batch.taken:
                leaves.append(table[batch.taken[g]])
            else:
                near = numpy.exp((open_[g].min(axis=1, keepdims=True) - open_[g]) / warmth)
                leaves.append((near / near.sum(axis=1, keepdims=True)) @ table)
        values = self.values(leaves)
        weights = batch.weights.copy()
        for at, part in self.place.items():
            node = s.nodes[at]
            found = numpy.stack([numpy.broadcast_to(values[a], len(batch)) for a in node.args], axis=1)
            found -= found.max(axis=1, keepdims=True)
            old = weights[:, part] - weights[:, part].max(axis=1, keepdims=True)
            weights[:, part] = ((1 - step) * old if node.kind == "sum" else old) + step * found
        for k, limit in enumerate(s.limits):
            at = self.limits.start + k
            weights[:, at] = numpy.maximum(weights[:, at] + step * values[limit], 0.0)
        return weights
