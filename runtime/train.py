"""Training one subnet from scratch, keeping the weights of its best epoch on `choice`, and what it reads there."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import frozen
from cospace.compiler.space.model import Stage
from cospace.runtime.context import Run
from cospace.runtime.losses import SplitLoss, split_loss
from cospace.runtime.network import Weights, initial_weights, run
from cospace.runtime.optimisers import Optimiser
from cospace.runtime.plan import Subnet
from cospace.runtime.registry import refuse
from cospace.runtime.settings import build, read
from torch import Tensor

CHECK_EVERY = 5
"""Epochs between two looks at the `choice` split."""
STEADY, LEAST = 4, 3
"""A training's error is the mean over the last 1/STEADY of its looks, LEAST at least. The least of all its looks would
favour designs whose accuracy jumps about: on the 250 nodes that choose on Cora, by up to three points."""


@frozen(eq=False)
class TrainSettings:
    epochs: int
    loss: SplitLoss
    optimiser: Optimiser


@frozen(eq=False)
class Trained:
    """weights: at the look with the least error on `choice`, one mapping a step of the subnet. error: the share of
    wrong answers on `choice` as the last looks have it in the mean, to compare designs by."""

    subnet: Subnet
    seed: int
    weights: tuple[Mapping[str, Tensor], ...]
    epoch: int
    error: float


def read_train_settings(run_: Run, stage: Stage, epochs: int | None = None) -> TrainSettings:
    """What a stage says of training.

    Raises:
        SpecError: CS705 when a setting is missing or makes no sense.
    """
    loss, optimiser = stage.setting("loss"), stage.setting("optimiser")
    if loss is None or optimiser is None:
        missing = "loss" if loss is None else "optimiser"
        raise refuse("CS705", f"the `{stage.kind}` stage says no {missing}", stage.span)
    count = epochs if epochs is not None else run_.number(stage, "epochs", 0)
    if not isinstance(count, int) or count < 1:
        raise refuse("CS705", f"`epochs` of the `{stage.kind}` stage must be a whole number, at least 1", stage.span)
    return TrainSettings(count, split_loss(loss), build(optimiser))


def train(run_: Run, subnet: Subnet, settings: TrainSettings, seed: int, phase: str = "train") -> Trained:
    """Train a subnet from scratch. Each epoch is one pass; each look at `choice` half a pass.

    Raises:
        Stopped: between two epochs, when asked to.
    """
    task, optimiser = run_.task, settings.optimiser
    torch.manual_seed(seed)
    weights = initial_weights(subnet, seed, run_.device)
    leaves = [p for own in weights for p in own.values()]
    states = [[torch.zeros_like(p, requires_grad=False) for _ in range(optimiser.slots)] for p in leaves]
    split = task.splits["train"]
    looks: list[tuple[float, float]] = []
    kept: tuple[int, tuple[Mapping[str, Tensor], ...]] = (0, ())
    for epoch in range(settings.epochs):
        run_.check_stop()
        output = run(subnet, run_.fields, weights, training=True)
        factors = tuple(float(read(f, epoch=epoch)) for f, _ in settings.loss.data)
        loss = settings.loss.of_data(output[split], task.targets[split], factors)
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        del output
        for leaf, gradient, state in zip(leaves, gradients, states, strict=True):
            if gradient is not None:
                optimiser.update(leaf.detach(), gradient, state, epoch + 1, epoch)
        run_.budget.passes += 1
        last = epoch + 1 == settings.epochs
        if last or (epoch + 1) % CHECK_EVERY == 0:
            looks.append(look(run_, subnet, weights, "choice"))
            if looks[-1] <= min(looks):
                kept = epoch, tuple({n: p.detach().clone() for n, p in own.items()} for own in weights)
            run_.tell("step", phase, epoch + 1, settings.epochs, loss=float(loss.detach()), accuracy=1 - looks[-1][0])
    steady = [error for error, _ in looks[-max(len(looks) // STEADY, LEAST) :]]
    return Trained(subnet, seed, kept[1], kept[0], sum(steady) / len(steady))


@torch.no_grad()
def look(run_: Run, subnet: Subnet, weights: Weights, split: str) -> tuple[float, float]:
    """Share of wrong answers on a split, and mean cross entropy. Half a pass."""
    run_.budget.passes += 0.5
    return score_output(run_, run(subnet, run_.fields, weights), split)


def score_output(run_: Run, output: Tensor, split: str) -> tuple[float, float]:
    """Share of wrong answers and mean cross entropy of an output on a split; (1, inf) when it is not finite."""
    members = run_.task.splits[split]
    logits, targets = output[members], run_.task.targets[members]
    if not bool(torch.isfinite(logits).all()):
        return 1.0, float("inf")
    loss = torch.nn.functional.cross_entropy(logits, targets)
    return float((logits.argmax(1) != targets).float().mean()), float(loss)
