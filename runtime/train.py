"""Training one subnet from scratch, keeping the weights of its best epoch on `choice`, and what it reads there."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping

import torch
from attrs import frozen
from cospace.compiler.space.model import Stage
from cospace.runtime.context import Run
from cospace.runtime.losses import SplitLoss, split_loss
from cospace.runtime.network import Weights, build_skeleton, initial_weights, leaves_of, run
from cospace.runtime.optimisers import Optimiser
from cospace.runtime.plan import Subnet
from cospace.runtime.registry import refuse
from cospace.runtime.settings import build, read
from torch import Tensor

CHECK_EVERY = 5
"""Epochs between two looks at the `choice` split."""
CALIBRATED = 20
"""Batches from which norms learn the statistics of a path with shared weights."""
STEADY, LEAST = 4, 3
"""A training's error is the mean over the last 1/STEADY of its looks, LEAST at least. The least of all its looks would
favour designs whose accuracy jumps about: on the 250 nodes that choose on Cora, by up to three points."""


@frozen(eq=False)
class TrainSettings:
    """batch: examples of a step, at most; 0 leaves it to the task."""

    epochs: int
    batch: int
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
    batch = run_.number(stage, "batch", 0)
    if not isinstance(batch, int) or batch < 0:
        raise refuse("CS705", f"`batch` of the `{stage.kind}` stage must be a whole number of examples", stage.span)
    return TrainSettings(count, batch, split_loss(loss), build(optimiser))


def order_of(seed: int, epoch: int) -> int:
    """What the order of an epoch's examples is drawn from."""
    return zlib.crc32(f"{seed} {epoch}".encode())


def train(run_: Run, subnet: Subnet, settings: TrainSettings, seed: int, phase: str = "train") -> Trained:
    """Train a subnet from scratch. Each epoch is one pass; each look at `choice` half a pass.

    Raises:
        Stopped: between two epochs, when asked to.
    """
    task, optimiser = run_.task, settings.optimiser
    torch.manual_seed(seed)
    weights = initial_weights(subnet, seed, run_.device)
    leaves = leaves_of(weights)
    states = [[torch.zeros_like(p, requires_grad=False) for _ in range(optimiser.slots)] for p in leaves]
    looks: list[tuple[float, float]] = []
    kept: tuple[int, tuple[Mapping[str, Tensor], ...]] = (0, ())
    steps = 0
    for epoch in range(settings.epochs):
        factors = tuple(float(read(f, epoch=epoch)) for f, _ in settings.loss.data)
        losses = []
        for batch in task.batches("train", settings.batch, order_of(seed, epoch)):
            run_.check_stop()
            output = batch.of(run(subnet, batch.fields, weights, training=True))
            loss = settings.loss.of_data(output, batch.targets, factors)
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
            del output
            steps += 1
            for leaf, gradient, state in zip(leaves, gradients, states, strict=True):
                if gradient is not None:
                    optimiser.update(leaf.detach(), gradient, state, steps, epoch)
            run_.budget.passes += batch.share
            losses.append(loss.detach())
        last = epoch + 1 == settings.epochs
        if last or (epoch + 1) % CHECK_EVERY == 0:
            looks.append(look(run_, subnet, weights, "choice"))
            if looks[-1] <= min(looks):
                kept = epoch, tuple({n: p.detach().clone() for n, p in own.items()} for own in weights)
            mean = float(torch.stack(losses).mean())
            run_.tell("step", phase, epoch + 1, settings.epochs, loss=mean, accuracy=1 - looks[-1][0])
    steady = [error for error, _ in looks[-max(len(looks) // STEADY, LEAST) :]]
    return Trained(subnet, seed, kept[1], kept[0], sum(steady) / len(steady))


@torch.no_grad()
def look(run_: Run, subnet: Subnet, weights: Weights, split: str) -> tuple[float, float]:
    """Share of wrong answers on a split, and mean cross entropy; (1, inf) when an output is not finite. Half a pass."""
    wrong = total = 0.0
    loss = 0.0
    for batch in run_.task.batches(split):
        run_.budget.passes += batch.share / 2
        logits = batch.of(run(subnet, batch.fields, weights))
        if not bool(torch.isfinite(logits).all()):
            return 1.0, float("inf")
        total += len(logits)
        wrong += float((logits.argmax(1) != batch.targets).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum"))
    return wrong / total, loss / total


@torch.no_grad()
def calibrate(run_: Run, subnet: Subnet, weights: Weights, size: int) -> None:
    """Give the norms of a path the statistics of some training examples as these weights see them. Half a pass over
    those; nothing where there are no norms."""
    if not any(True for step in subnet.steps for _ in build_skeleton(step).buffers()):
        return
    for batch in itertools.islice(run_.task.batches("train", size, order_of(run_.seed, 0)), CALIBRATED):
        run_.budget.passes += batch.share / 2
        run(subnet, batch.fields, weights, calibrating=True)
