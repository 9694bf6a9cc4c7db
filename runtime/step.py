"""A step of the weights over every binding of the switches: loss and gradients, the activations of one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from attrs import frozen
from cospace.compiler.space.model import Binding
from cospace.runtime.devices import arithmetic, widened
from cospace.runtime.losses import TEACHER, SplitLoss
from cospace.runtime.network import Keys, Shares, Tensors, Weights, is_of_memory, leaves_of, names_of, run, weights_of
from cospace.runtime.plan import Subnet
from cospace.runtime.registry import refuse
from cospace.runtime.tasks.base import Batch
from torch import Tensor

Gradients = list[Tensor | None]


@frozen(eq=False)
class Teacher:
    """A trained network whose outputs are learned from."""

    subnet: Subnet
    weights: Weights


def clip_norm(gradients: Gradients, most: float) -> None:
    """Scale the gradients of a step down to a norm, all of them together (Pascanu et al., 2013); 0: not at all."""
    known = [g for g in gradients if g is not None]
    if most and known:
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in known]))
        scale = (most / (norm + 1e-6)).clamp(max=1.0)
        for i, gradient in enumerate(gradients):
            if gradient is not None:
                gradients[i] = gradient * scale


def gradients_of(
    subnets: Mapping[Binding, Subnet],
    tensors: Tensors,
    batch: Batch,
    loss: SplitLoss,
    epoch: int,
    keys: Keys = names_of,
    shares: Shares | None = None,
    teacher: Teacher | None = None,
    bfloat16: bool = False,
) -> tuple[Tensor, Gradients]:
    """The data terms, their mean over the bindings that they read, and its gradient by each of `leaves_of(tensors)`.

    The largest values of switches come first, so that smaller ones may learn from them; what they give is kept without
    a graph. shares: of the values of decisions that are mixed. teacher: of losses that learn from one.
    bfloat16: outputs are computed in mixed precision; losses and gradients are float32 either way.

    Raises:
        SpecError: CS713 where there is no room for it, with how many examples there is room for.
    """
    asked = subnets, tensors, loss, epoch, keys, shares, teacher, bfloat16
    try:
        return _gradients(batch, *asked)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not is_of_memory(error):
            raise
        size, fits = len(batch.targets), _fitting(batch, *asked) if batch.asked is None else 0
        said = f"a step of {size} examples does not fit into the memory that there is"
        more = f"`batch = {fits}` fits" if fits else "not one example fits: take a smaller network"
        raise refuse("CS713", said, help=more) from error


def _fitting(batch: Batch, *asked: Any) -> int:
    """How many of a batch's examples a step has room for, halved until it has; 0 for none."""
    size = len(batch.targets) // 2
    while size:
        try:
            _gradients(batch.first(size), *asked)
            return size
        except (MemoryError, RuntimeError):
            size //= 2
    return 0


def _gradients(
    batch: Batch,
    subnets: Mapping[Binding, Subnet],
    tensors: Tensors,
    loss: SplitLoss,
    epoch: int,
    keys: Keys,
    shares: Shares | None,
    teacher: Teacher | None,
    bfloat16: bool,
) -> tuple[Tensor, Gradients]:
    leaves, read, device = leaves_of(tensors), loss.read_at(list(subnets)), batch.targets.device
    outputs: dict[Binding, Tensor] = {}
    if teacher is not None:
        with torch.no_grad(), arithmetic(device, bfloat16):
            outputs[TEACHER] = widened(batch.of(run(teacher.subnet, batch.fields, teacher.weights)))
    gradients: Gradients = [None] * len(leaves)
    total = torch.zeros((), device=device)
    for at in reversed(read):
        weights = weights_of(subnets[at], tensors, keys)
        with arithmetic(device, bfloat16):
            output = widened(batch.of(run(subnets[at], batch.fields, weights, training=True, shares=shares)))
        value = loss.of_data(output, batch.targets, epoch, at, outputs) / len(read)
        own = torch.autograd.grad(value, leaves, allow_unused=True)
        total = total + value.detach()
        outputs[at] = output.detach()
        del output, value
        for i, gradient in enumerate(own):
            if gradient is not None:
                gradients[i] = gradient if (sum_ := gradients[i]) is None else sum_ + gradient
        del own
    return total, gradients
