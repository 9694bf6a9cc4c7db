"""How well shared weights rank networks, against trainings from scratch and what any measure of them can reach.

300 networks of four narrow FBNet blocks (9 operators each), drawn uniformly, each trained with ten seeds on
scikit-learn's digits: `benchmarks/data/rank.jsonl`, made by `--table` before any supernet is trained. What is ranked is
the mean log-loss on `report`; networks with less than 90 % right are told apart. The ceiling is what one set of
trainings says of another: Kendall's tau between halves of the seeds, corrected to all of them
(`cospace.runtime.ranking`). The best fifth is chosen by four of the seeds, and ceiling and taus in it are those of the
other six, in the mean over `CHOICES` ways to choose: were it chosen by the trainings that it is then ranked by, their
halves would disagree where they are to agree.

Then supernets are trained, by single uniform paths and by sandwiches, as many passes each, and every network of the
table is judged with shared weights: the log-loss on `search`, its norms calibrated. Beside them stand multiplications
and weights as predictors, more of them being better.

    python benchmarks/rank.py [--passes 300] [--seeds 5] [--jobs 2]
    python benchmarks/rank.py --table [--jobs 2]

A network that is in the table is not trained again, so that its making may be interrupted.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from cospace.compiler.driver import compile_text
from cospace.compiler.sampling.sample import Sampler
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.ranking import kendall, reliability
from resumed import read_lines, run_all

TABLE = Path(__file__).resolve().parent / "data" / "rank.jsonl"
NETWORKS = 300
SEEDS = 10
EPOCHS = 12
BROKEN = 0.1
"""Mean error from which a network is told apart."""
FIFTH, CHOOSING, CHOICES = 0.2, 4, 20
SAMPLES = 1_000
TEXT = """space ranked
import std.tasks
import std.images
import std.learn
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 4)
    x = fbnet_block(x, out = 4)
    x = fbnet_block(x, out = 8, stride = 2)
    x = fbnet_block(x, out = 8)
    x = fbnet_block(x, out = 8)
    header = conv_norm(x, out = 16, kernel = 1)
    linear(global_pool(header), out = photos.classes)
}
macs = sum(net.works.macs)
minimize error(photos)
minimize macs
search {
    epochs = PASSES; batch = 32
    optimiser = sgd(cosine(0.1, 0.001, epochs = PASSES, epoch = epoch), clip = 5)
    net by ENGINE
}
train of net {
    epochs = EPOCHS; batch = 64
    optimiser = sgd(cosine(0.1, 0.001, epochs = EPOCHS, epoch = epoch), clip = 5)
}
"""
ENGINES = {"uniform paths": ("uniform()", 1), "sandwiches": ("sandwich(drawn = 2)", 4)}
"""Of each its text, and the paths of a step."""


def prepared(engine: str, epochs: int, seed: int) -> Run:
    text = TEXT.replace("PASSES", str(epochs)).replace("EPOCHS", str(EPOCHS)).replace("ENGINE", engine)
    found = compile_text(text)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return prepare(found.space, seed, None, ignore, threading.Event())


def drawn(run: Run) -> list[list[int]]:
    """The networks, each once."""
    rows = np.asarray(Sampler(run.space).sample(2 * NETWORKS, 0))
    return list(dict.fromkeys(map(tuple, rows.tolist())))[:NETWORKS]  # type: ignore[arg-type]


def train_network(row: list[int]) -> dict[str, Any]:
    """A line of the table."""
    from cospace.runtime.network import parameter_shapes, weights_of
    from cospace.runtime.train import look, read_train_settings, train

    run = prepared("uniform()", 1, 0)
    settings = read_train_settings(run, run.stage("train"))
    at = np.array([row])
    subnets = run.planner.subnets(run.costs.decode(at[0]))
    (subnet,) = subnets.values()
    told = []
    for seed in range(SEEDS):
        trained = train(run, subnets, settings, seed)
        told.append(look(run, subnet, weights_of(subnet, trained.tensors), "report"))
    shapes = [shape for step in subnet.steps for _, shape in parameter_shapes(step).values()]
    return {
        "network": list(row), "epochs": EPOCHS, "macs": int(run.costs.price([run.space.objectives[1].value], at)[0, 0]),
        "weights": sum(int(np.prod(shape)) for shape in shapes),
        "errors": [round(error, 6) for error, _ in told], "losses": [round(loss, 6) for _, loss in told],
    }  # fmt: skip


def judge_all(job: tuple[str, int, float, list[list[int]]]) -> dict[str, Any]:
    """One supernet, and the log-loss of every network of the table with its weights."""
    from cospace.runtime.derive import judge_one_shot
    from cospace.runtime.joint import begin_joint

    name, seed, passes, rows = job
    engine, paths = ENGINES[name]
    start = time.process_time()
    run = prepared(engine, max(round(passes / paths), 1), seed)
    joint = begin_joint(run, run.stage("search"), seed)
    while joint.epoch < joint.settings.epochs:
        joint.advance()
    spent = run.budget.passes
    losses = [judge_one_shot(run, joint.supernet, np.array([row]))[1] for row in rows]
    return {
        "engine": name, "seed": seed, "passes": passes, "spent": spent, "losses": losses,
        "seconds": time.process_time() - start,
    }  # fmt: skip


def report(table: list[dict[str, Any]], judged: list[dict[str, Any]]) -> None:
    """Tau of each predictor over all that work and in the best fifth of them, beside the ceiling."""
    works = [x for x in table if statistics.mean(x["errors"]) < BROKEN]
    kept = np.array([x in works for x in table])
    broken = len(table) - len(works)
    print(f"{len(table)} networks, {SEEDS} seeds; {broken} with {1 - BROKEN:.0%} right or less, told apart")
    predictors: dict[str, list[np.ndarray]] = {}
    for line in judged:
        predictors.setdefault(line["engine"], []).append(np.array(line["losses"])[kept])
    for name in ("macs", "weights"):
        predictors[name] = [-np.array([x[name] for x in works], float)]
    losses = np.array([x["losses"] for x in works])
    random = np.random.default_rng(0)
    print_taus("all", [(losses, np.arange(len(works)))], predictors, random)
    chosen = []
    for _ in range(CHOICES):
        seeds = random.permutation(SEEDS)
        by = losses[:, seeds[:CHOOSING]].mean(1)
        at = np.flatnonzero(by <= np.quantile(by, FIFTH))
        chosen.append((losses[at][:, seeds[CHOOSING:]], at))
    print_taus("the best fifth", chosen, predictors, random)
    for line in judged:
        print(f"{line['engine']} {line['seed']}: {line['spent']:.0f} passes, {line['seconds']:.0f} s of the processor")


def print_taus(
    said: str,
    chosen: list[tuple[np.ndarray, np.ndarray]],
    predictors: dict[str, list[np.ndarray]],
    random: np.random.Generator,
) -> None:
    """Means over some choices of networks, each as losses (networks, seeds) and their numbers, with the 95 % interval
    of samples of networks."""
    ceilings = np.array([reliability(losses, draws=SAMPLES // len(chosen)) for losses, _ in chosen]).mean(0)
    count = statistics.mean(len(at) for _, at in chosen)
    print(f"\n{said}, {count:.0f} networks: ceiling {ceilings[0]:.3f} [{ceilings[1]:.3f}, {ceilings[2]:.3f}]")
    for name, values in predictors.items():
        taus = [statistics.mean(kendall(v[at], losses.mean(1)) for losses, at in chosen) for v in values]
        samples = []
        for _ in range(SAMPLES):
            losses, at = chosen[random.integers(len(chosen))]
            picks = random.integers(len(at), size=len(at))
            target = losses[picks].mean(1)
            samples.append(statistics.mean(kendall(v[at[picks]], target) for v in values))
        low, high = np.quantile(samples, (0.025, 0.975))
        mean = statistics.mean(taus)
        print(
            f"  {name:14} tau {mean:.3f} [{low:.3f}, {high:.3f}], {mean / ceilings[0]:.3f} of the ceiling; "
            f"{len(taus)} of them, {min(taus):.3f} to {max(taus):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="train the networks from scratch")
    parser.add_argument("--passes", type=float, default=300)
    parser.add_argument("--seeds", type=int, default=5, help="supernets of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, default=Path("results/rank.jsonl"))
    o = parser.parse_args()
    table = read_lines(TABLE, {"epochs": EPOCHS})
    done = {tuple(x["network"]) for x in table}
    if o.table:
        left = [row for row in drawn(prepared("uniform()", 1, 0)) if tuple(row) not in done]
        for n, line in enumerate(run_all(train_network, left, o.jobs, TABLE)):
            print(f"{n + 1} of {len(left)}: {statistics.mean(line['errors']):.2%}", flush=True)
        return
    judged = read_lines(o.log, {"passes": o.passes})
    known = {(x["engine"], x["seed"]) for x in judged}
    rows = [x["network"] for x in table]
    jobs = [(name, seed, o.passes, rows) for seed in range(o.seeds) for name in ENGINES if (name, seed) not in known]
    judged += run_all(judge_all, jobs, o.jobs, o.log)
    report(table, [x for x in judged if x["seed"] < o.seeds])


if __name__ == "__main__":
    main()
