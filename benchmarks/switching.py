"""Networks that switch their precision, beside one network for each precision: accuracy, and what switching takes.

One small FBNet-like network on scikit-learn's digits, by repeated five-fold cross-validation, at bits {2, 3, 4, 8, 32}.
Methods, at equal epochs, the rate of each tuned alike on folds that are not reported, and then how much is learned from
others where it is:

    cascade                              one network, each precision learning from all larger ones
    shared                               one network, each precision by itself
    independent                          a network for each precision
    independent, distilled               each also learning from a network of 32 bit that was trained before, by itself

Weights are rounded by `min_max(symmetric = false)`, 2^bits levels; and the same four with learned steps, which are kept
for each precision. N networks of E epochs take the passes over the data that a shared one of N precisions takes;
distilled ones take those of their teacher more, one for all precisions, which are printed.

For each precision the mean difference to independent networks of the same quantiser with its 95 % interval over the
folds (the variance as Nadeau and Bengio, 2003, correct it, for folds share their examples). Then, of one shared
network: seconds to switch, whether its outputs equal those of the network exported by itself to the bit, time and
memory beside that one.

    python benchmarks/switching.py [--repeats 10] [--epochs 20] [--rates 0.02 0.05 0.1] [--betas 0.03 0.1 0.3 1]
                                   [--out FILE] [--methods cascade shared independent]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from attrs import evolve, frozen
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.model import Binding
from cospace.runtime.context import Run, prepare
from cospace.runtime.deployed import Deployed
from cospace.runtime.events import ignore
from cospace.runtime.memory import count_bytes
from cospace.runtime.network import fresh_tensors
from cospace.runtime.plan import Planner
from cospace.runtime.tasks.image import Images
from cospace.runtime.train import TrainSettings, measure_errors, read_train_settings, train, train_teacher

FOLDS = 5
REFERENCE, STEPS = "independent", ", learned step"
TUNED = 3
"""Folds on which the rates are tuned, of a shuffle that is not reported."""
TEXT = """space switched
import std.tasks
import std.images
import std.learn
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 16)
    x = mbconv(x, out = 16, expansion = 3)
    x = mbconv(x, out = 24, expansion = 3, stride = 2)
    x = mbconv(x, out = 32, expansion = 3)
    header = conv_norm(x, out = 64, kernel = 1)
    linear(global_pool(header), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.mbconv { both = switch {2, 3, 4, 8, 32} bit; state = {norm}; quantiser = QUANTISER }
minimize each(error(photos) for precision.both)
train of net {
    epochs = EPOCHS; batch = 64
    loss = LOSS
    optimiser = sgd(cosine(RATE, 0.001, epochs = EPOCHS, epoch = epoch), clip = 5)
}
"""


@frozen
class Method:
    """loss, quantiser: as text. alone: whether each precision has a network of its own."""

    loss: str = "cross_entropy()"
    quantiser: str = "min_max(symmetric = false)"
    alone: bool = True


CASCADE = "cascade(cross_entropy(), over = precision.both, beta = BETA)"
TAUGHT = "taught(cross_entropy(), beta = BETA)"
ONES = {
    "cascade": Method(CASCADE, alone=False),
    "shared": Method(alone=False),
    "independent": Method(),
    "independent, distilled": Method(TAUGHT),
}
METHODS = ONES | {name + STEPS: evolve(method, quantiser="learned_step()") for name, method in ONES.items()}
BETA = 0.1
"""With which rates are tuned."""
Errors = dict[str, float]
Tuned = tuple[float, float]
"""A rate, and a beta where the method has one."""


def prepared(epochs: int, tuned: Tuned, method: Method) -> Run:
    text = TEXT.replace("EPOCHS", str(epochs)).replace("RATE", str(tuned[0]))
    found = compile_text(
        text.replace("LOSS", method.loss.replace("BETA", str(tuned[1]))).replace("QUANTISER", method.quantiser)
    )
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return prepare(found.space, 0, None, ignore, threading.Event())


def fold_of(run: Run, repeat: int, fold: int) -> None:
    """Let a run learn from four folds, a tenth of which chooses the epoch, and report on the fifth."""
    task = run.task
    assert isinstance(task, Images)
    n = len(task.targets)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1_000 + repeat))
    parts = torch.tensor_split(order, FOLDS)
    rest = torch.cat([part for i, part in enumerate(parts) if i != fold])
    chosen = len(rest) // 10
    indices = {"choice": rest[:chosen], "train": rest[chosen:], "search": rest[:0], "report": parts[fold]}
    run.task = evolve(task, indices=indices)


def learn(run: Run, method: Method, seed: int) -> dict[Binding, float]:
    """Errors on the reported fold, at each precision."""
    subnets, settings = run.planner.subnets({}), settings_of(run)
    if not method.alone:
        return measure_errors(run, train(run, subnets, settings, seed), "report")
    teacher = train_teacher(run, subnets, settings, seed) if settings.loss.taught else None
    found: dict[Binding, float] = {}
    for at, subnet in subnets.items():
        found |= measure_errors(run, train(run, {at: subnet}, settings, seed, teacher=teacher), "report")
    return found


def tune(epochs: int, rates: list[float], betas: list[float], name: str) -> Tuned:
    """The rate of the least mean error over all precisions, then the beta of the least, on folds of a shuffle that is
    not reported."""
    told: dict[Tuned, float] = {}

    def best_of(tried: list[Tuned]) -> Tuned:
        for tuned in tried:
            if tuned not in told:
                run, found = prepared(epochs, tuned, METHODS[name]), []
                for fold in range(TUNED):
                    fold_of(run, 10_000, fold)
                    found.append(statistics.mean(learn(run, METHODS[name], fold).values()))
                told[tuned] = statistics.mean(found)
        return min(tried, key=lambda t: (told[t], t))

    best = best_of([(rate, BETA) for rate in rates])
    if "BETA" in METHODS[name].loss:
        best = best_of([(best[0], beta) for beta in betas])
    print(
        f"{name}: " + ", ".join(f"{r:g} {b:g} {e:.2%}" for (r, b), e in told.items()) + f"; {best} is taken", flush=True
    )
    return best


def settings_of(run: Run) -> TrainSettings:
    return read_train_settings(run, run.stage("train"))


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval; folds of one shuffle share examples (Nadeau and Bengio, 2003)."""
    n, mean = len(differences), statistics.mean(differences)
    if n < 2:
        return mean, -math.inf, math.inf
    error = math.sqrt(statistics.variance(differences) * (1 / n + 1 / (FOLDS - 1)))
    return mean, mean - 2.01 * error, mean + 2.01 * error


def compare(found: dict[str, list[Errors]], passes: Mapping[str, float]) -> None:
    runs = min(len(v) for v in found.values())
    print(f"\naccuracy over {runs} folds; difference to independent networks in points, with its 95 % interval")
    for name, own in found.items():
        print(f"{name}: {passes.get(name, math.nan):.0f} passes over the data a fold")
        for bits in own[0]:
            row = f"  {bits:8}{1 - statistics.mean(e[bits] for e in own[:runs]):8.2%}"
            beside = REFERENCE + (STEPS if name.endswith(STEPS) else "")
            if name != beside and beside in found:
                pairs = zip(found[beside][:runs], own[:runs], strict=True)
                mean, low, high = interval([100 * (theirs[bits] - mine[bits]) for theirs, mine in pairs])
                row += f" {mean:+6.2f} [{low:+.2f}, {high:+.2f}]"
            print(row, flush=True)


def weigh(run: Run) -> None:
    """What switching takes."""
    settings = evolve(settings_of(run), epochs=1)
    subnets = run.planner.subnets({})
    trained = train(run, subnets, settings, 0)
    network = Deployed(run.space, {}, {n: t.detach() for n, t in trained.tensors.items()}, run.device)
    network._ranges.update(trained.ranges)
    x = next(iter(run.task.batches("report", 256))).fields[("photos", "pixels")]
    seconds, equal, ratios = [], True, []
    for at, subnet in subnets.items():
        own = {n: t for n, t in trained.tensors.items() if "@" not in n or n.endswith(f"@{int(at[0][1])} bit")}
        alone = Deployed(
            run.space, {}, {**network._tensors, **{n: t.detach().clone() for n, t in own.items()}}, run.device
        )
        alone._ranges[at] = trained.ranges[at]
        alone.bind(int(at[0][1]))
        network.bind(32 if at[0][1] != 32 else 2)
        start = time.perf_counter()
        network.bind(int(at[0][1]))
        seconds.append(time.perf_counter() - start)
        equal &= torch.equal(network(x), alone(x))
        pairs = []
        for _ in range(30):
            times = []
            for each in (network, alone):
                start = time.perf_counter()
                each(x)
                times.append(time.perf_counter() - start)
            pairs.append(times[0] / times[1])
        ratios.append(statistics.median(pairs))
        del subnet
    print(
        f"switching takes {1e3 * max(seconds):.3f} ms at most; outputs equal those of the network by itself: {equal}; "
        f"inference {max(ratios):.3f}x its time at most; {grown(network._tensors):.3f}x the bytes of one network of "
        f"{len(subnets)} precisions"
    )
    space = compile_file(Path("specs/instantnet.cospace")).space
    assert space is not None
    planner = Planner(space, space.networks[0])
    for op in ("k3_e1_g2", "k3_e3", "k5_e6"):
        design = {path: Symbol(op) for path in planner.decisions}
        tensors = fresh_tensors(planner.subnets(design).values(), 0, run.device)
        print(f"instantnet at full size, each block {op}: {grown(tensors):.3f}x the bytes of one network")


def grown(tensors: Mapping[str, torch.Tensor]) -> float:
    """Bytes over those of one precision: norms alone are kept for each."""
    one = [t.detach() for n, t in tensors.items() if "@" not in n or n.endswith("@32 bit")]
    return count_bytes([t.detach() for t in tensors.values()]) / count_bytes(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--betas", type=float, nargs="+", default=[0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=None, help="errors of every fold as JSON, to go on from")
    options = parser.parse_args()
    weigh(prepared(options.epochs, (options.rates[0], BETA), METHODS["cascade"]))
    kept = json.loads(options.out.read_text()) if options.out is not None and options.out.is_file() else {}
    tuned: dict[str, Tuned] = {name: (rate, beta) for name, (rate, beta) in kept.get("tuned", {}).items()}
    found: dict[str, list[Errors]] = kept.get("found", {})
    passes: dict[str, float] = kept.get("passes", {})

    def keep() -> None:
        if options.out is not None:
            options.out.write_text(json.dumps({"tuned": tuned, "found": found, "passes": passes}))

    for name in options.methods:
        if name not in tuned:
            tuned[name] = tune(options.epochs, options.rates, options.betas, name)
            keep()
    runs = {name: prepared(options.epochs, tuned[name], METHODS[name]) for name in options.methods}
    for n in range(options.repeats * FOLDS):
        for name, run in runs.items():
            if n < len(found.setdefault(name, [])):
                continue
            fold_of(run, *divmod(n, FOLDS))
            before = run.budget.passes
            errors = learn(run, METHODS[name], n)
            found[name].append({f"{int(at[0][1])} bit": e for at, e in errors.items()})
            passes[name] = run.budget.passes - before
            keep()
        if (n + 1) % FOLDS == 0:
            compare({name: found[name] for name in options.methods}, passes)


if __name__ == "__main__":
    main()
