"""Training one subnet from scratch, keeping the weights of its best epoch on `choice`, and what it reads there."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from statistics import mean

import torch
from attrs import evolve, field, frozen
from cospace.compiler.space.model import Binding, Stage
from cospace.dsl.diagnostics import Span
from cospace.runtime.context import Run
from cospace.runtime.losses import SplitLoss, split_loss
from cospace.runtime.measures import count_wrong
from cospace.runtime.network import Tensors, Weights, build_skeleton, fresh_tensors, leaves_of, run, weights_of
from cospace.runtime.optimisers import Optimiser
from cospace.runtime.plan import Subnet, at_full_precision
from cospace.runtime.quantise import FULL, Ranges
from cospace.runtime.registry import refuse
from cospace.runtime.settings import build
from cospace.runtime.step import Teacher, clip_norm, gradients_of

CHECK_EVERY = 5
"""Epochs between two looks at the `choice` split."""
CALIBRATED = 20
"""Batches from which norms learn the statistics of a path whose weights stay as they are."""
STEADY, LEAST = 4, 3
"""A training's error is the mean over the last 1/STEADY of its looks, LEAST at least. The least of all its looks would
favour designs whose accuracy jumps about: on the 250 nodes that choose on Cora, by up to three points."""

TEACHER_SEED = 500_000
"""Added to a network's seed, that of its teacher."""


@frozen(eq=False)
class TrainSettings:
    """batch: examples of a step, at most; 0 leaves it to the task. steer: what moves the architecture of a search, its
    terms of data; the loss itself where the text says no other."""

    epochs: int
    batch: int
    loss: SplitLoss
    optimiser: Optimiser
    steer: SplitLoss

    def passes(self, bindings: Sequence[Binding]) -> float:
        """Over the data, of one training of a design whose switches may be bound so: its looks and its teacher's
        training are among them, what norms and ranges take at its end is not."""
        looks = -(-self.epochs // CHECK_EVERY) / 2
        teacher = self.epochs * 1.5 + looks if self.loss.taught else 0
        return self.epochs * len(self.loss.read_at(bindings)) + looks * len(bindings) + teacher


@frozen(eq=False)
class Trained:
    """One design's weights at the look with the least error on `choice`. error: the share of wrong answers on `choice`
    as the last looks have it in the mean, over the bindings of the switches too, to compare designs by."""

    subnets: Mapping[Binding, Subnet]
    seed: int
    tensors: Tensors
    epoch: int
    error: float
    ranges: Mapping[Binding, Ranges | None] = field(factory=dict)
    """Of the activations that are rounded, frozen before anything is measured; none for an input that is run whole."""


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
    split = split_loss(loss)
    check_switches(split, run_, loss.span)
    steer = split
    if (said := stage.setting("steer")) not in (None, loss):
        assert said is not None
        steer = split_loss(said)
        check_switches(steer, run_, said.span)
        if steer.cost is not None:
            raise refuse("CS705", "`steer` holds terms of data alone; what costs stands in `loss`", said.span)
    if stage.kind == "search" and (split.taught or steer.taught):
        said = "`taught` learns from a trained network of the same design, and a search has many designs"
        raise refuse("CS705", said, loss.span, "say it in the `train` block")
    return TrainSettings(count, batch, split, build(optimiser), steer)


def check_switches(loss: SplitLoss, run_: Run, span: Span) -> None:
    """Hold the switches that losses name against those of the network.

    Raises:
        SpecError: CS705 for one that the network does not have, or a value that it never takes.
    """
    known = {v.path: v for v in run_.planner.switches}
    for of in loss.switched():
        if of.over not in known:
            has = ", ".join(f"`{p}`" for p in known) or "none"
            raise refuse("CS705", f"this loss is over `{of.over}`, and the switches of the network are {has}", span)
    if not loss.read_at(run_.planner.bindings):
        raise refuse("CS705", "this loss reads no value that the network's switches take", span)


def order_of(seed: int, epoch: int) -> int:
    """What the order of an epoch's examples is drawn from."""
    return zlib.crc32(f"{seed} {epoch}".encode())


def train(
    run_: Run,
    subnets: Mapping[Binding, Subnet],
    settings: TrainSettings,
    seed: int,
    phase: str = "train",
    teacher: Teacher | None = None,
) -> Trained:
    """Train a design from scratch. An epoch is one pass for each binding of its switches that the loss reads; a look at
    `choice` half of one for each. At the end norms are calibrated, and ranges of activations gathered. teacher: whom
    losses learn from, half a pass an epoch; trained first where they do and none is given.

    Raises:
        Stopped: between two epochs, when asked to.
    """
    if settings.loss.taught and teacher is None:
        teacher = train_teacher(run_, subnets, settings, seed, phase)
    task, optimiser = run_.task, settings.optimiser
    read = len(settings.loss.read_at(list(subnets))) + (0.5 if teacher is not None else 0)
    torch.manual_seed(seed)
    tensors = fresh_tensors(subnets.values(), seed, run_.device)
    leaves = leaves_of(tensors)
    states = [[torch.zeros_like(p, requires_grad=False) for _ in range(optimiser.slots)] for p in leaves]
    looks: list[tuple[float, float]] = []
    kept: tuple[int, Tensors] = (0, {})
    steps = 0
    for epoch in range(settings.epochs):
        losses = []
        for batch in task.batches("train", settings.batch, order_of(seed, epoch)):
            run_.check_stop()
            loss, gradients = gradients_of(
                subnets, tensors, batch, settings.loss, epoch, teacher=teacher, bfloat16=run_.bfloat16
            )
            clip_norm(gradients, optimiser.clip)
            steps += 1
            for leaf, gradient, state in zip(leaves, gradients, states, strict=True):
                if gradient is not None:
                    optimiser.update(leaf.detach(), gradient, state, steps, epoch)
            run_.budget.passes += batch.share * read
            losses.append(loss)
        last = epoch + 1 == settings.epochs
        if last or (epoch + 1) % CHECK_EVERY == 0:
            seen = [look(run_, subnet, weights_of(subnet, tensors), "choice") for subnet in subnets.values()]
            looks.append((mean(error for error, _ in seen), mean(loss for _, loss in seen)))
            if looks[-1] <= min(looks):
                kept = epoch, {n: p.detach().clone() for n, p in tensors.items()}
            value = float(torch.stack(losses).mean())
            run_.tell("step", phase, epoch + 1, settings.epochs, loss=value, accuracy=1 - looks[-1][0])
    calibrate(run_, [(s, weights_of(s, kept[1])) for s in subnets.values()], settings.batch)
    steady = [error for error, _ in looks[-max(len(looks) // STEADY, LEAST) :]]
    ranges = {at: _gather(run_, subnet, weights_of(subnet, kept[1]), settings.batch) for at, subnet in subnets.items()}
    return Trained(subnets, seed, kept[1], kept[0], sum(steady) / len(steady), ranges)


def train_teacher(
    run_: Run, subnets: Mapping[Binding, Subnet], settings: TrainSettings, seed: int, phase: str = "train"
) -> Teacher:
    """A network of a design at full precision, at the largest values of its switches that the loss reads, trained alike
    from a seed of its own.

    Raises:
        Stopped: between two epochs, when asked to.
    """
    at = settings.loss.read_at(list(subnets))[-1]
    subnet, alone = at_full_precision(subnets[at]), evolve(settings, loss=settings.loss.of_teacher(at))
    trained = train(run_, {(): subnet}, alone, TEACHER_SEED + seed, f"{phase}, its teacher")
    return Teacher(subnet, weights_of(subnet, trained.tensors))


@torch.no_grad()
def _gather(run_: Run, subnet: Subnet, weights: Weights, size: int) -> Ranges | None:
    """The ranges of a path's activations over some training examples; None where none is rounded, or the input is run
    whole, whose ranges are its own. Half a pass over those."""
    if all(step.precision.activation_bits >= FULL for step in subnet.steps):
        return None
    ranges = Ranges()
    for batch in itertools.islice(run_.task.batches("train", size), CALIBRATED):
        if batch.asked is not None:
            return None
        run_.budget.passes += batch.share / 2
        run(subnet, batch.fields, weights, ranges=ranges)
    ranges.gathering = False
    return ranges


def measure_errors(run_: Run, trained: Trained, split: str) -> dict[Binding, float]:
    """The share of wrong answers of a trained design on a split, at each binding of its switches. Half a pass each."""
    return {
        at: look(run_, subnet, weights_of(subnet, trained.tensors), split, trained.ranges.get(at))[0]
        for at, subnet in trained.subnets.items()
    }


@torch.no_grad()
def look(run_: Run, subnet: Subnet, weights: Weights, split: str, ranges: Ranges | None = None) -> tuple[float, float]:
    """Share of wrong answers on a split, and mean cross entropy; (1, inf) when an output is not finite. Half a pass.
    ranges: of activations, those of each batch where there are none."""
    wrong = total = 0.0
    loss = 0.0
    for batch in run_.task.batches(split):
        run_.budget.passes += batch.share / 2
        logits = batch.of(run(subnet, batch.fields, weights, ranges=ranges))
        if not bool(torch.isfinite(logits).all()):
            return 1.0, float("inf")
        total += len(logits)
        wrong += float(count_wrong(logits, batch.targets))
        loss += float(torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum"))
    return wrong / total, loss / total


@torch.no_grad()
def calibrate(run_: Run, paths: Sequence[tuple[Subnet, Weights]], size: int) -> None:
    """Give the norms of some paths the statistics of training examples as these weights see them, in the place of those
    gathered while they moved; norms that paths share see each in turn. Half a pass over those examples for each path;
    nothing where there are no norms."""
    buffers = [
        (dict(build_skeleton(step).named_buffers()), own)
        for subnet, w in paths
        for step, own in zip(subnet.steps, w, strict=True)
    ]
    if not any(names for names, _ in buffers):
        return
    for names, own in buffers:
        for name in names:
            own[name].zero_()
    for batch in itertools.islice(run_.task.batches("train", size, order_of(run_.seed, 0)), CALIBRATED):
        for subnet, weights in paths:
            run_.budget.passes += batch.share / 2
            run(subnet, batch.fields, weights, calibrating=True)
