"""Independent softmax distributions over decisions, drawn with conditional decisions only where they live."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from cospace.compiler.engines.liveness import Liveness
from cospace.compiler.space.graph import Value
from cospace.compiler.space.model import Decision
from cospace.runtime.costs import Floats, Rows
from cospace.runtime.engines import Das, Engine, Gumbel
from cospace.runtime.optimisers import Optimiser
from cospace.runtime.settings import at
from numpy.typing import NDArray


class Distribution:
    """Logits for every decision, each learned by its engine's optimiser at its engine's temperature."""

    def __init__(self, decisions: Sequence[Decision], engines: Mapping[str, Engine], seed: int) -> None:
        self.decisions = tuple(decisions)
        self.liveness = Liveness(decisions)
        self.random = np.random.default_rng(seed)
        # A few numbers each, read by numpy all the time: on the CPU, whatever the weights are on.
        self.logits = [torch.zeros(len(d.values), dtype=torch.float64, device="cpu") for d in decisions]
        self.counts = [0] * len(self.logits)
        self._engines = [engines.get(d.path) for d in decisions]
        self.temperatures = [1.0] * len(self.logits)
        self.states = [
            [torch.zeros_like(x) for _ in range(o.slots)] if (o := _optimiser(e)) else []
            for x, e in zip(self.logits, self._engines, strict=True)
        ]

    def set_epoch(self, epoch: int) -> None:
        """Anneal the temperatures."""
        self.epoch = epoch
        for j, engine in enumerate(self._engines):
            if isinstance(engine, (Gumbel, Das)):
                self.temperatures[j] = max(at(engine.temperature, epoch), 1e-3)

    def probabilities(self, j: int) -> Floats:
        """Of decision j: (values,)."""
        result: Floats = torch.softmax(self.logits[j] / self.temperatures[j], 0).numpy()
        return result

    def draw(self, n: int, base: Rows | None = None, redraw: NDArray[np.bool_] | None = None) -> Rows:
        """Rows by Gumbel noise; with `base` only where `redraw` (n x decisions) says so. Dead decisions are -1."""
        wanted = np.zeros((n, len(self.decisions)), np.int64)
        scores: dict[int, Floats] = {}
        for j, d in enumerate(self.decisions):
            noise = self.random.gumbel(size=(n, len(d.values)))
            scores[j] = self.logits[j].numpy() / self.temperatures[j] + noise
            wanted[:, j] = scores[j].argmax(1)
            if base is not None and redraw is not None:
                keep = ~redraw[:, j] & (base[:, j] >= 0)
                wanted[keep, j] = base[keep, j]
                scores[j][keep] = -np.abs(np.arange(len(d.values))[None] - base[keep, j][:, None])
        return self.liveness.fill(wanted, scores)

    def mix(self, row: NDArray[np.int64]) -> dict[str, dict[Value, float]]:
        """Of the decisions that live in a row and are mixed in weight steps: how much of each value, drawn from the
        Gumbel-softmax (Jang et al., 2017). row: (decisions,)"""
        found = {}
        for j, engine in enumerate(self._engines):
            if isinstance(engine, Gumbel) and engine.soft and row[j] >= 0:
                noise = torch.from_numpy(self.random.gumbel(size=len(self.logits[j])))
                shares = torch.softmax((self.logits[j] + noise) / self.temperatures[j], 0).tolist()
                found[self.decisions[j].path] = dict(zip(self.decisions[j].values, shares, strict=True))
        return found

    def likeliest(self) -> Rows:
        """The row of the largest logits. (1, decisions)"""
        wanted = np.array([[int(x.argmax()) for x in self.logits]])
        return self.liveness.fill(wanted, {j: x.numpy()[None] for j, x in enumerate(self.logits)})

    def log_probability(self, rows: Rows, of: Collection[int]) -> Floats:
        """Of the live decisions among `of`, summed. (n,)"""
        total = np.zeros(len(rows))
        for j in of:
            logs = np.log(np.maximum(self.probabilities(j), 1e-300))
            total += np.where(rows[:, j] >= 0, logs[np.maximum(rows[:, j], 0)], 0.0)
        return total

    def learn_paths(self, rows: Rows, losses: Floats, of: Collection[int]) -> None:
        """One step down the expected loss over the drawn paths, their probabilities renormalised among themselves.

        Decisions in which the paths agree get no gradient (the terms cancel), dead ones none either.
        """
        weight = self.log_probability(rows, of)
        weight = np.exp(weight - weight.max())
        weight /= weight.sum()
        pull = weight * (losses - (weight * losses).sum())
        for j in of:
            gradient = np.zeros(len(self.decisions[j].values))
            chance = self.probabilities(j)
            for row, p in zip(rows[:, j], pull, strict=True):
                if row >= 0:
                    gradient -= p * chance
                    gradient[row] += p
            if gradient.any():
                self.learn(j, gradient / self.temperatures[j])

    def learn_expectation(self, j: int, values: Floats) -> None:
        """One step down the expectation of `values` (values,) of decision j; nan marks what is not feasible."""
        chance = self.probabilities(j)
        known = np.isfinite(values)
        if known.sum() < 2:
            return
        share = np.where(known, chance, 0.0)
        if share.sum() <= 0:
            return
        share /= share.sum()
        mean = float((share * np.where(known, values, 0.0)).sum())
        self.learn(j, share * np.where(known, values - mean, 0.0) / self.temperatures[j])

    def learns(self, j: int) -> bool:
        """Whether decision j has an engine with a gradient."""
        return _optimiser(self._engines[j]) is not None

    def learn(self, j: int, gradient: Floats) -> None:
        optimiser = _optimiser(self._engines[j])
        if optimiser is not None:
            self.counts[j] += 1
            optimiser.update(self.logits[j], torch.from_numpy(gradient), self.states[j], self.counts[j], self.epoch)


def _optimiser(engine: Engine | None) -> Optimiser | None:
    return engine.optimiser if isinstance(engine, (Gumbel, Das)) else None
