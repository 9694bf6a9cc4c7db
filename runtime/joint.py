"""The joint one-shot search: weights, paths, bitwidths and accelerators learn in the same loop.

Each step moves the weights on a batch of `train` along one drawn path, and the architecture on one of `search` over a
few drawn paths that differ in some decisions; each path is priced on accelerators drawn for it. Nothing that fails a
requirement is proposed: rows are drawn, filtered, and certified exactly, and a uniform feasible design stands in where
drawing finds none.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from attrs import define, field
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.model import Binding, Stage
from cospace.runtime.context import Run
from cospace.runtime.costs import Floats, Rows
from cospace.runtime.distribution import Distribution
from cospace.runtime.engines import Das, Gumbel, Sandwich, assign_engines
from cospace.runtime.hardware import Hardware
from cospace.runtime.measures import count_wrong
from cospace.runtime.network import run
from cospace.runtime.registry import refuse
from cospace.runtime.sandwich import Ends
from cospace.runtime.supernet import Supernet
from cospace.runtime.tasks.base import Batch
from cospace.runtime.train import TrainSettings, order_of, read_train_settings

DRAWS = 48
REMEMBERED = 16
WARM_UP = 0.25
"""Share of the epochs in which shared weights train before paths are told apart by them."""
ANEW = 10
"""Epochs between two full searches of an accelerator that has no gradient."""
TRIES = 4
PLACED = 8
"""Networks that are given accelerators at once."""
ELSEWHERE = 0.02
"""Of steps of a walk that lead nowhere: how many begin it elsewhere."""
REDRAWN = 0.3
"""Share of the decisions that a second path draws anew."""


@define
class Joint:
    """State of one search; steps: of the epoch that is under way. asked: networks for which an accelerator was looked
    for while they were drawn, served: of those, how many have one. ends: of a sandwich, `drawn` paths lie between."""

    run: Run
    stage: Stage
    settings: TrainSettings
    supernet: Supernet
    distribution: Distribution
    network: list[int]
    hardware: list[int]
    paths: int
    samples: int
    said: int
    epoch: int = 0
    steps: int = 0
    certified: list[Rows] = field(factory=list)
    asked: int = 0
    served: int = 0
    sampler: Sampler | None = None
    searched: Hardware | None = None
    ends: Ends | None = None
    drawn: int = 1

    # ---- drawing feasible rows

    def draw(self, n: int) -> Rows:
        """n certified rows, drawn independently where the distribution gives enough. (n, d)"""
        found: list[Rows] = []
        for _ in range(TRIES):
            found += self._fit(self.distribution.draw(self._drawn_at_once), n - len(found))
            if len(found) == n or self._places:
                break
        return self._walk(found, n, None)

    def draw_beside(self, base: Rows, n: int) -> Rows:
        """n certified rows that differ from `base` (1, d) in some network decisions, the accelerator redrawn.

        A decision that is kept has been drawn from the same distribution, so each row is still a draw of it; that the
        rows agree in the rest keeps the noise of those decisions out of the gradient.
        """
        return self._walk([], n, base)

    def _walk(self, found: list[Rows], n: int, base: Rows | None) -> Rows:
        """Certified rows until there are n: beside `base` or one certified before; where none is found near it, itself,
        or now and then what begins elsewhere. Where few designs meet the requirements this walks among those by the
        distribution."""
        random = self.distribution.random
        while len(found) < n:
            here = base
            if here is None and self.certified:
                here = self.certified[int(random.integers(len(self.certified)))]
            near: list[Rows] = []
            for _ in range(1 if here is None or self._places else TRIES):
                near = [] if here is None else self._fit(self._near(here, self._drawn_at_once), n - len(found))
                if near:
                    break
            if not near and (here is None or random.random() < ELSEWHERE):
                near = self._elsewhere()
            found += near or ([] if here is None else [here])
        return np.concatenate(found)

    def _elsewhere(self) -> list[Rows]:
        """A uniform feasible design, its network on its best accelerator where that is found fast."""
        row = self.draw_uniform()
        placed = self.own_search.find_best(row) if self._places else None
        self._remember([row if placed is None else placed[0]])
        return self.certified[-1:]

    @property
    def _places(self) -> bool:
        """Whether networks alone are drawn, and given the best accelerator that is known for them: where those are
        found fast. Drawn accelerators would favour the networks that most of them serve."""
        return bool(self.network and self.hardware) and self.own_search.proves

    @property
    def _drawn_at_once(self) -> int:
        return PLACED if self._places else DRAWS

    def _fit(self, rows: Rows, n: int) -> list[Rows]:
        """Certified rows made of some drawn ones, n at most."""
        return self._place(rows, n) if self._places else self._certify(self._keep_hardware(rows), n)

    def _near(self, base: Rows, n: int) -> Rows:
        """Up to n rows in which some network decisions of `base` are drawn anew, and its accelerator."""
        redraw = self.distribution.random.random((n, base.shape[1])) < REDRAWN
        redraw[:, self.hardware] = True
        rows = self.distribution.draw(n, np.repeat(base, n, 0), redraw)
        return rows[(rows[:, self.network] != base[:, self.network]).any(1)]

    def _place(self, rows: Rows, n: int) -> list[Rows]:
        """The first n networks of some rows that an accelerator serves, each on the best that is known for it. Of the
        first n those that no known one serves have theirs looked for, as often as that led to one before."""
        search, random = self.own_search, self.distribution.random
        found: list[Rows] = []
        for row in rows[:n, None]:
            served = search.known(row, 1)
            if not served and random.random() < (self.served + 1) / (self.asked + 1):
                best = search.find_best(row)
                served = [best] if best is not None else []
                self.asked, self.served = self.asked + 1, self.served + len(served)
            found += [row for row, _ in served]
        found += [row for row, _ in search.known(rows[n:], n - len(found))] if len(found) < n else []
        self._remember(found)
        return found

    def _remember(self, rows: list[Rows]) -> None:
        self.certified = (self.certified + rows)[-REMEMBERED:]

    def _keep_hardware(self, rows: Rows) -> Rows:
        """In half of the rows some accelerator decisions are those of a row certified before.

        Requirements couple decisions that are drawn one by one; where few draws meet them all, this walks among those
        that do.
        """
        if not self.certified or not self.hardware:
            return rows
        random = self.distribution.random
        half = len(rows) // 2
        base = np.concatenate(self.certified)[random.integers(len(self.certified), size=half)]
        kept = rows[:half].copy()
        keep = random.random((half, len(self.hardware))) < 0.5
        kept[:, self.hardware] = np.where(keep, base[:, self.hardware], kept[:, self.hardware])
        filled = self.distribution.liveness.fill(np.maximum(kept, 0))
        # Where a kept value changes what lives, the row stays as it was drawn.
        same = (filled == kept).all(1)
        return np.concatenate([np.where(same[:, None], kept, rows[:half]), rows[half:]])

    def _certify(self, rows: Rows, n: int) -> list[Rows]:
        costs = self.run.costs
        rows = rows[costs.promising(rows)]
        found: list[Rows] = []
        for row in rows[: 2 * n]:
            if len(found) < n and costs.certified(row[None])[0]:
                found.append(row[None])
        self._remember(found)
        return found

    def draw_uniform(self) -> Rows:
        """One uniform feasible row, where the distribution gives none."""
        if self.sampler is None:
            self.sampler = Sampler(self.run.space)
        seed = int(self.distribution.random.integers(2**31))
        return np.asarray(self.sampler.sample(1, seed))

    # ---- steps

    def advance(self, total: int | None = None) -> dict[str, float]:
        """One epoch. Gives what to tell, as means over its steps. total: epochs of a search cut short, whose schedules
        are read as if these were all that the text says."""
        run_, task, size = self.run, self.run.task, self.settings.batch
        self.distribution.set_epoch(round(self.epoch * self.said / total) if total else self.epoch)
        warm = self.epoch >= WARM_UP * (total or self.said)
        order = order_of(run_.seed, self.epoch)
        steering = itertools.chain.from_iterable(task.batches("search", size, order + n) for n in itertools.count())
        told = [
            self._step(batch, other, warm)
            for batch, other in zip(task.batches("train", size, order), steering, strict=False)
        ]
        self.epoch, self.steps = self.epoch + 1, 0
        with self.run.costs.busy():
            self._steer()
        temperature = max((self.distribution.temperatures[j] for j in self.network), default=1.0)
        means = {name: float(np.mean([values[name] for values in told])) for name in told[0]}
        return means | {"temperature": float(temperature), "passes": run_.budget.passes}

    def _step(self, batch: Batch, other: Batch, warm: bool) -> dict[str, float]:
        """One step of the weights on a batch of `train`, one of the architecture on another of `search`."""
        self.run.check_stop()
        with self.run.costs.busy():
            first = self.draw(2)
        loss = self._step_weights(first[:1], batch)
        with self.run.costs.busy():
            drawn = first[1:]
            if self.compares and self.paths > 1:
                drawn = np.concatenate([drawn, self.draw_beside(drawn, self.paths - 1)])
            priced = self._price_on_hardware(drawn) if self.compares or self._learned else np.zeros(len(drawn))
        if not self.compares:
            self.steps += 1
            return {"loss": loss}
        data = [self._data_loss(r[None], other) for r in drawn]
        totals = np.array([d for d, _ in data]) + priced
        if warm and len(drawn) > 1 and np.isfinite(totals).all():
            self.distribution.learn_paths(drawn, totals, self.network)
        self.steps += 1
        losses, errors = zip(*data, strict=True)
        return {
            "loss": loss, "search_loss": float(np.mean(losses)), "cost": float(np.mean(priced)),
            "accuracy": 1 - float(np.mean(errors)),
        }  # fmt: skip

    @property
    def compares(self) -> bool:
        """Whether paths are told apart in a step: where their decisions are learned."""
        return any(self.distribution.learns(j) for j in self.network)

    def _step_weights(self, row: Rows, batch: Batch) -> float:
        """A step of the weights on a drawn path; of a sandwich on its ends and on more drawn ones, too."""
        run_, settings = self.run, self.settings
        rows = [row]
        if self.ends is not None:
            rows += [*self.draw(self.drawn - 1)[:, None]] if self.drawn > 1 else []
            rows += self.ends.beside(row)
        paths = []
        for r in rows:
            shares = self.distribution.mix(r[0])
            paths.append((run_.planner.subnets(run_.costs.decode(r[0]), frozenset(shares)), shares))
        run_.budget.passes += batch.share * sum(len(settings.loss.read_at(list(subnets))) for subnets, _ in paths)
        (first, shares), *beside = paths
        return self.supernet.step(first, batch, settings.loss, settings.optimiser, self.epoch, shares, beside)

    @torch.no_grad()
    def _data_loss(self, row: Rows, batch: Batch) -> tuple[float, float]:
        """What steers the architecture, and the error, of a path on a batch: means over the bindings that it reads;
        weights shared, norms by the batch's own statistics."""
        run_, loss = self.run, self.settings.steer
        subnets = run_.planner.subnets(run_.costs.decode(row[0]))
        read, losses, wrong = loss.read_at(list(subnets)), [], []
        outputs: dict[Binding, torch.Tensor] = {}
        for at in reversed(read):
            weights = self.supernet.weights(subnets[at])
            output = batch.of(run(subnets[at], batch.fields, weights, calibrating=True))
            run_.budget.passes += batch.share / 2
            if not bool(torch.isfinite(output).all()):
                return math.inf, 1.0
            losses.append(float(loss.of_data(output, batch.targets, self.epoch, at, outputs)))
            wrong.append(float(count_wrong(output, batch.targets)) / len(output))
            outputs[at] = output
        return float(np.mean(losses)), float(np.mean(wrong))

    def _price_on_hardware(self, drawn: Rows) -> Floats:
        """The expected cost terms of each path over drawn accelerators, which learn from it. (paths,)"""
        cost = self.settings.loss.cost
        if cost is None:
            return np.zeros(len(drawn))
        if self.hardware and not self._learned:
            drawn = self._place_on_best(drawn)
            return self.run.costs.price_feasible(cost, drawn, self.epoch)
        rows, values = drawn, self.run.costs.price_feasible(cost, drawn, self.epoch)
        owner = np.arange(len(drawn))
        if self.hardware:
            owner = np.repeat(owner, 4 * self.samples)
            redraw = np.zeros((len(owner), drawn.shape[1]), bool)
            redraw[:, self.hardware] = True
            redraw[1::2] &= self.distribution.random.random((len(owner) // 2, drawn.shape[1])) < 0.5
            more = self.distribution.draw(len(owner), drawn[owner], redraw)
            owner = np.concatenate([np.arange(len(drawn)), owner])
            rows = np.concatenate([drawn, more])
            values = self.run.costs.price_feasible(cost, rows, self.epoch)
        prices, kept = np.full(len(drawn), np.inf), []
        for i in range(len(drawn)):
            own = np.flatnonzero((owner == i) & np.isfinite(values))[: self.samples]
            if len(own):
                prices[i] = values[own].mean()
                kept.append(own)
        if self._learned and kept:
            self._learn_hardware(rows[np.concatenate(kept)])
        return prices

    def _steer(self) -> None:
        """Let the weights of the cost follow what they watch, at the likeliest network on its best accelerator."""
        steered, costs = self.settings.loss.steered, self.run.costs
        if not steered:
            return
        found = self.own_search.estimate(self.distribution.likeliest())
        # What no accelerator serves is over every limit.
        seen = costs.price([s.watched for s in steered], found[0])[0] if found else [math.inf] * len(steered)
        for s, value in zip(steered, seen, strict=True):
            costs.inputs[s.name] = s.follow(costs.inputs[s.name], float(value))

    def _place_on_best(self, drawn: Rows) -> Rows:
        """Each path on the accelerator that a search of its own finds: the listed best now and then, else the best of
        those found before (engines local, evolve and exhaust)."""
        search = self.own_search
        if self.epoch % ANEW == 0:
            search.find_best(drawn[:1])
        found = [search.estimate(r[None]) for r in drawn]
        return np.concatenate([f[0] if f else r[None] for f, r in zip(found, drawn, strict=True)])

    @property
    def own_search(self) -> Hardware:
        """The accelerators that this search looks for, and those that it knows."""
        if self.searched is None:
            self.searched = Hardware(self.run.costs, self.hardware, self.run.seed)
        return self.searched

    @property
    def _learned(self) -> list[int]:
        """Accelerator decisions with a differentiable engine."""
        return [j for j in self.hardware if self.distribution.learns(j)]

    def _learn_hardware(self, rows: Rows) -> None:
        """The gradient of each accelerator decision: every value of it, the rest of each row as drawn."""
        decisions, cost = self.distribution.decisions, self.settings.loss.cost
        assert cost is not None
        blocks: list[tuple[int, Rows]] = []
        for j in self._learned:
            live, size = rows[rows[:, j] >= 0], len(decisions[j].values)
            if len(live) and size > 1:
                varied = np.repeat(live, size, 0)
                varied[:, j] = np.tile(np.arange(size), len(live))
                blocks.append((j, varied))
        if not blocks:
            return
        every = np.concatenate([varied for _, varied in blocks])
        values = self.run.costs.price_feasible(cost, every, self.epoch)
        # Another value may bring other decisions to life; such rows are other accelerators and are left out.
        same = (self.distribution.liveness.fill(np.maximum(every, 0)) == every).all(1)
        values[~same] = np.nan
        start = 0
        for j, varied in blocks:
            table = values[start : start + len(varied)].reshape(-1, len(decisions[j].values))
            start += len(varied)
            # A row's own level says nothing of the decision: differences within a row are averaged.
            known = np.isfinite(table)
            filled = np.where(known, table, 0.0)
            level = filled.sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
            total = np.where(known, table - level, 0.0).sum(0)
            count = known.sum(0)
            self.distribution.learn_expectation(j, np.where(count > 0, total / np.maximum(count, 1), np.nan))


def begin_joint(run_: Run, stage: Stage, seed: int) -> Joint:
    """A search at its start: untrained supernet, uniform distributions.

    Raises:
        SpecError: CS701, CS705, CS707 for what the stage says and cannot run.
    """
    engines = assign_engines(run_.space, stage)
    settings = read_train_settings(run_, stage)
    decisions = run_.space.decisions
    unbound = [d.path for d in decisions if d.path not in engines]
    if unbound and len([s for s in run_.space.stages if s.kind == "search"]) == 1:
        raise refuse("CS707", f"no engine of this stage binds `{unbound[0]}`", stage.span)
    inside = set(run_.planner.decisions)
    for path, engine in engines.items():
        if isinstance(engine, Gumbel) and engine.soft and not run_.planner.only_rounds(path):
            said = f"`forward = soft` mixes what is rounded, and `{path}` decides more than that"
            raise refuse("CS705", said, stage.span, "`forward = hard` draws a value, so that one path runs at a time")
        if isinstance(engine, Sandwich) and path not in inside:
            said = f"`sandwich` lies between the largest and the smallest network, and `{path}` decides of none"
            raise refuse("CS705", said, stage.span)
    network = [j for j, d in enumerate(decisions) if d.path in inside or isinstance(engines.get(d.path), Gumbel)]
    hardware = [j for j in range(len(decisions)) if j not in network]
    sandwiches = {j: e for j, d in enumerate(decisions) if isinstance(e := engines.get(d.path), Sandwich)}
    gumbels = [e for e in engines.values() if isinstance(e, Gumbel)]
    das = [e for e in engines.values() if isinstance(e, Das)]
    run_.costs.inputs = {s.name: s.start for s in settings.loss.steered}
    return Joint(
        run_, stage, settings,
        Supernet(seed, run_.device, bfloat16=run_.bfloat16),
        Distribution(decisions, engines, seed),
        network, hardware,
        max((e.backward for e in gumbels), default=2),
        max((e.samples for e in das), default=1),
        settings.epochs,
        ends=Ends(run_, list(sandwiches)) if sandwiches else None,
        drawn=max((e.drawn for e in sandwiches.values()), default=1),
    )  # fmt: skip
