"""A Gaussian process over rows: what an objective may be where nobody evaluated it, from where somebody did.

Two rows are alike by the decisions in which they agree, `exp(-sum of rates)` over those in which they differ, numbers
near to each other less, and by what is known of both (squared exponential). Rates, lengths and noise are the most
likely ones under weak priors (Rasmussen and Williams, 2006, section 5.4.1), by Adam; the scale follows in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from attrs import evolve, frozen
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Array = NDArray[Any]

FITTED = 256
"""Rows that rates are fitted to, at most."""
ORDERED = 0.5
"""Share of a number's rate that is for how far apart two are, the rest for that they differ at all."""
PRIOR, SPREAD = (0.3, 1.0, 0.02), 1.5
"""Of a rate, an inverse length, and the noise: medians, and the standard deviation of their logarithms."""
STEP, JITTER = 0.1, 1e-6


@frozen(eq=False)
class Points:
    """rows: (n, d) positions of values, -1 where a decision is dead; known: (n, k) what is known of each, scaled."""

    rows: Array
    known: Array

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: Any) -> Points:
        return Points(self.rows[at], self.known[at])


@frozen(eq=False)
class Kernel:
    """How alike two rows are. logs: of each decision's rate, of each known number's inverse length, of the noise."""

    tables: tuple[Array, ...]
    """For each decision how far apart two values are, 0 to 1; the first is that of a dead one."""
    logs: Array

    @property
    def noise(self) -> float:
        """What a design has of its own, as a share of the whole variance that the kernel explains."""
        return float(numpy.exp(self.logs[-1]))

    def parts(self, a: Points, b: Points) -> list[Array]:
        """For each of `logs` but the last how far apart two rows are in it. (n, m) each"""
        found = [t[a.rows[:, j] + 1][:, b.rows[:, j] + 1] for j, t in enumerate(self.tables)]
        return found + [0.5 * (x[:, None] - y[None]) ** 2 for x, y in zip(a.known.T, b.known.T, strict=True)]

    def powers(self) -> Array:
        """What each part is multiplied by: rates as they are, inverse lengths squared."""
        many = len(self.tables)
        powers: Array = numpy.exp(numpy.concatenate([self.logs[:many], 2 * self.logs[many:-1]]))
        return powers

    def __call__(self, a: Points, b: Points) -> Array:
        """(n, m)"""
        total = numpy.zeros((len(a), len(b)), numpy.float32)
        for power, j in zip(self.powers(), range(len(self.logs) - 1), strict=True):
            if j < len(self.tables):
                table = (power * self.tables[j]).astype(numpy.float32)
                total += table[a.rows[:, j] + 1][:, b.rows[:, j] + 1]
            else:
                x, y = (p.known[:, j - len(self.tables)].astype(numpy.float32) for p in (a, b))
                total += numpy.float32(0.5 * power) * (x[:, None] - y[None]) ** 2
        alike: Array = numpy.exp(-total, out=total)
        return alike


def kernel_of(decisions: Sequence[Decision], known: int) -> Kernel:
    """Before anything was seen. known: numbers that are known of each row."""
    tables = []
    for d in decisions:
        size = len(d.values)
        table = numpy.ones((size + 1, size + 1)) - numpy.eye(size + 1)
        if size > 2 and d.type.kind == "number":
            place = numpy.arange(size) / (size - 1)
            table[1:, 1:] *= 1 - ORDERED + ORDERED * numpy.abs(place[:, None] - place[None])
        tables.append(table)
    return Kernel(tuple(tables), _prior(len(tables), known))


def _prior(decisions: int, known: int) -> Array:
    prior: Array = numpy.log(numpy.repeat(PRIOR, (decisions, known, 1)))
    return prior


def fit(kernel: Kernel, points: Points, values: Array, steps: int) -> Kernel:
    """The kernel after so many steps towards what makes the values (n,) most likely; never a less likely one."""
    logs, prior = kernel.logs.copy(), _prior(len(kernel.tables), points.known.shape[1])
    parts = kernel.parts(points, points)
    scaled = (values - values.mean()) / (values.std() or 1.0)
    first, second = numpy.zeros_like(logs), numpy.zeros_like(logs)
    least, best = numpy.inf, logs.copy()
    eye, n = numpy.eye(len(points)), len(points)
    for step in range(1, steps + 1):
        powers = evolve(kernel, logs=logs).powers()
        alike = numpy.exp(-sum((p * part for p, part in zip(powers, parts, strict=True)), numpy.zeros((n, n))))
        noise = float(numpy.exp(logs[-1]))
        factor = numpy.linalg.cholesky(alike + (noise + JITTER) * eye)
        inverse = numpy.linalg.inv(factor)
        inverse = inverse.T @ inverse
        weights = inverse @ scaled
        variance = max(float(weights @ scaled) / n, 1e-12)
        pull = (logs - prior) / SPREAD
        unlikely = 0.5 * n * numpy.log(variance) + numpy.log(numpy.diag(factor)).sum() + 0.5 * float(pull @ pull)
        if unlikely < least:
            least, best = unlikely, logs.copy()
        slopes = 0.5 * (inverse - numpy.outer(weights, weights) / variance)
        moved = slopes * alike
        gradient = numpy.array([-p * float((moved * part).sum()) for p, part in zip(powers, parts, strict=True)])
        gradient[len(kernel.tables) :] *= 2.0
        gradient = numpy.append(gradient, noise * numpy.trace(slopes)) + pull / SPREAD
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        scale = numpy.sqrt(second / (1 - 0.99**step)) + 1e-9
        logs = numpy.clip(logs - STEP * first / (1 - 0.9**step) / scale, -9.0, 4.0)
    return evolve(kernel, logs=best)


class Beliefs:
    """What is believed of the values at candidates, after each evaluation that is told.

    Each of these adds a row to the factor of the seen points' kernel, and one to what it says of the candidates.
    """

    def __init__(self, kernel: Kernel, candidates: Points, seen: Points, values: Array) -> None:
        """values: (n,) of the seen points."""
        self.kernel, self.candidates = kernel, candidates
        self._mean, self._scale = float(values.mean()), float(values.std()) or 1.0
        alike = kernel(seen, seen).astype(float) + (kernel.noise + JITTER) * numpy.eye(len(seen))
        self._factor = numpy.linalg.cholesky(alike)
        inverse = numpy.linalg.inv(self._factor)
        self._seen, self._told = seen, inverse @ ((values - self._mean) / self._scale)
        self._rows = inverse.astype(numpy.float32) @ kernel(seen, candidates)
        self._variance = float(self._told @ self._told) / len(values)
        self._level = self._told.astype(numpy.float32) @ self._rows
        self._left = 1.0 + kernel.noise - (self._rows**2).sum(axis=0)

    @property
    def mean(self) -> Array:
        """(m,)"""
        return self._mean + self._scale * self._level.astype(float)

    @property
    def deviation(self) -> Array:
        """Of what an evaluation would tell, noise included. (m,)"""
        found: Array = self._scale * numpy.sqrt(self._variance * numpy.maximum(self._left, JITTER).astype(float))
        return found

    def add(self, at: Array, values: Array) -> None:
        """Candidates at these positions were evaluated. values: (q,)"""
        new = self.candidates.take(at)
        beside = self._rows[:, at].astype(float)
        own = self.kernel(new, new).astype(float) + (self.kernel.noise + JITTER) * numpy.eye(len(at))
        corner = numpy.linalg.cholesky(own - beside.T @ beside + JITTER * numpy.eye(len(at)))
        inverse = numpy.linalg.inv(corner)
        told = inverse @ ((values - self._mean) / self._scale - beside.T @ self._told)
        rest = self.kernel(new, self.candidates) - beside.T.astype(numpy.float32) @ self._rows
        rows = inverse.astype(numpy.float32) @ rest
        self._level = self._level + told.astype(numpy.float32) @ rows
        self._left = self._left - (rows**2).sum(axis=0)
        self._rows = numpy.concatenate([self._rows, rows])
        self._told = numpy.concatenate([self._told, told])


__all__ = ["FITTED", "Beliefs", "Kernel", "Points", "fit", "kernel_of"]
