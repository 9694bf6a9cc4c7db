"""Ways to search that the joint one is held against: equal passes over the data, equal training, the same exact
accelerator for every network that is proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import evolve
from cospace.compiler.engines.liveness import Liveness
from cospace.compiler.sampling.sample import Sampler
from cospace.runtime.context import Run
from cospace.runtime.costs import Rows
from cospace.runtime.derive import Entry, pick_finalists, refine_pool
from cospace.runtime.front import find_dominated, measure_hypervolume
from cospace.runtime.hardware import Hardware
from cospace.runtime.joint import begin_joint
from cospace.runtime.losses import SplitLoss
from cospace.runtime.results import Candidate
from cospace.runtime.train import TrainSettings, train

ONE_SHOT = 0.4
"""Share of the budget that one-shot methods spend at least on the supernet and the pool; the rest trains finalists."""
POOL_SHARE = 0.25
"""Share of that which evaluates the pool."""
POPULATION = 6


def passes_of(run: Run, settings: TrainSettings) -> float:
    """What training one candidate takes, at every binding of its switches."""
    return settings.passes(run.planner.bindings)


def train_candidate(run: Run, row: Rows, score: float, settings: TrainSettings, source: str) -> Candidate:
    """A design trained from scratch with the run's seed."""
    subnets = run.planner.subnets(run.costs.decode(row[0]))
    trained = train(run, subnets, settings, run.seed, f"baseline {source}")
    run.trained[row.tobytes()] = trained
    return Candidate(row, (trained.error,), score, source)


def run_random(run: Run, settings: TrainSettings, hardware: Hardware, budget: float) -> list[Candidate]:
    """Uniform feasible designs, each on the best accelerator for its network."""
    sampler, count = Sampler(run.space), int(budget // passes_of(run, settings))
    rows = np.asarray(sampler.sample(count, run.seed))
    found = []
    for row in rows:
        best = hardware.find_best(row[None])
        if best is not None:
            found.append(train_candidate(run, best[0], best[1], settings, "random"))
    return found


def run_evolution(run: Run, settings: TrainSettings, hardware: Hardware, budget: float) -> list[Candidate]:
    """NSGA-II (Deb et al., 2002; Optuna's) over networks by error on `choice` and modelled score, each network on its
    best accelerator; those that no accelerator serves are not evaluated."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    count = int(budget // passes_of(run, settings))
    study = optuna.create_study(
        directions=["minimize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(population_size=min(POPULATION, max(count, 2)), seed=run.seed),
    )
    liveness, open_ = Liveness(run.costs.decisions), set(hardware.open)
    found: list[Candidate] = []
    for _ in range(50 * max(count, 1)):
        if len(found) >= count:
            break
        trial = study.ask()
        best = hardware.find_best(_suggest(trial, liveness, open_))
        if best is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        candidate = train_candidate(run, best[0], best[1], settings, "evolution")
        found.append(candidate)
        study.tell(trial, [candidate.error, candidate.score])
    return found


def _suggest(trial: Any, liveness: Liveness, open_: set[int]) -> Rows:
    """A network from a trial: live decisions only, in declared order."""
    row = np.zeros((1, len(liveness.decisions)), np.int64)
    for j, d in enumerate(liveness.decisions):
        if j not in open_ and liveness.fill(row)[0, j] >= 0:
            row[0, j] = trial.suggest_int(d.path, 0, len(d.values) - 1)
    return liveness.fill(row)


def train_one_shot(
    run: Run, hardware: Hardware, passes: float, blind: bool = False, by_error_alone: bool = False
) -> list[Entry]:
    """The pool that the joint search ends with, when shared weights and the pool take so many passes, and what is left
    of an epoch.

    blind: the cost is no part of what is learned from. by_error_alone: nor of what is bred in the pool.
    """
    joint = begin_joint(run, run.stage("search"), run.seed)
    each = len(run.planner.bindings)
    pool_size = max(int(2 * POOL_SHARE * passes / each), 8)
    steering = len(joint.settings.steer.read_at(run.planner.bindings))
    compared = joint.paths * steering / 2 if joint.compares else 0
    trained = each * (1 if joint.ends is None else joint.drawn + 2)
    epochs = max(int((passes - pool_size * each / 2) / (trained + compared)), 1)
    loss = SplitLoss(joint.settings.loss.data, None) if blind else joint.settings.loss
    joint.settings = evolve(joint.settings, epochs=epochs, loss=loss)
    start = run.budget.passes
    while run.budget.passes - start < passes - pool_size * each / 2:
        run.check_stop()
        joint.advance(epochs)
    if joint.certified:
        hardware.remember(np.concatenate(joint.certified))
    return refine_pool(
        run, joint.supernet, hardware, joint.distribution, joint.network, joint.draw, pool_size, by_error_alone,
        run.seed,
    )  # fmt: skip


def run_one_shot(
    run: Run, settings: TrainSettings, hardware: Hardware, budget: float, sequential: bool = False
) -> list[Candidate]:
    """The joint search within a budget; `sequential`: the network by error alone, then the accelerator for it."""
    each = passes_of(run, settings)
    count = max(int((1 - ONE_SHOT) * budget / each), 1)
    pool = train_one_shot(run, hardware, max(budget - count * each, ONE_SHOT * budget), sequential, sequential)
    finalists = pick_finalists(pool, hardware, count, sequential)
    source = "sequential" if sequential else "joint"
    return [train_candidate(run, e.row, e.score, settings, source) for e in finalists]


def run_sequential(run: Run, settings: TrainSettings, hardware: Hardware, budget: float) -> list[Candidate]:
    return run_one_shot(run, settings, hardware, budget, sequential=True)


Method = Callable[[Run, TrainSettings, Hardware, float], list[Candidate]]
METHODS: Mapping[str, Method] = {
    "joint": run_one_shot,
    "random": run_random,
    "evolution": run_evolution,
    "sequential": run_sequential,
}


def run_baselines(
    run: Run, settings: TrainSettings, hardware: Hardware, own: list[Candidate], budget: float
) -> dict[str, Any]:
    """Every baseline with the passes that the search took; fronts and hypervolumes on `choice`, seen from the worst
    corner of all that was found."""
    found = {"search": own}
    for name in ("random", "evolution", "sequential"):
        run.tell("phase", f"baseline {name}")
        found[name] = METHODS[name](run, settings, hardware, budget)
    every = np.array([[c.error, c.score] for cs in found.values() for c in cs])
    corner = (float(every[:, 0].max()) + 0.01, float(every[:, 1].max()) + 0.01)
    answer: dict[str, Any] = {"budget": budget, "reference": list(corner), "split": "choice", "methods": {}}
    for name, candidates in found.items():
        points = np.array([[c.error, c.score] for c in candidates]).reshape(-1, 2)
        answer["methods"][name] = {
            "hypervolume": measure_hypervolume(points, corner),
            "candidates": [
                {"error": c.error, "score": c.score, "dominated": bool(d), "seeds": len(c.errors)}
                for c, d in zip(candidates, find_dominated(points), strict=True)
            ],
        }
    return answer
