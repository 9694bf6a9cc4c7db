"""Running a path: modules without memory (skeletons on the meta device) called with weights from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from cospace.runtime.operators.norm import Norm
from cospace.runtime.plan import Step, Subnet
from cospace.runtime.registry import find, refuse
from cospace.runtime.tasks.base import Fields
from torch import Tensor, nn
from torch.func import functional_call

Weights = Sequence[Mapping[str, Tensor]]
"""For each step of a path its parameters and statistics by name; only parameters have gradients."""

_skeletons: dict[tuple[Any, ...], nn.Module] = {}


def build_skeleton(step: Step) -> nn.Module:
    """The step's module on the meta device: shapes, no memory. Equal configurations give one object."""
    key = (step.source, step.arguments, step.input_shapes, step.shape)
    if key not in _skeletons:
        with torch.device("meta"):
            _skeletons[key] = _make(step)
    return _skeletons[key]


def _make(step: Step) -> nn.Module:
    factory = find(step.source, step.span)
    try:
        module: nn.Module = factory(dict(step.arguments), step.input_shapes, step.shape)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise refuse("CS706", f"`{step.source}` cannot be built for `{step.path}`: {error}", step.span) from error
    return module


def parameter_shapes(step: Step) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Parameter's name -> (role, shape). The k-th parameter of a rank has role k, whatever it is called, so that
    alternatives share what their shapes allow."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    seen: dict[int, int] = {}
    for name, parameter in build_skeleton(step).named_parameters():
        rank = parameter.dim()
        seen[rank] = seen.get(rank, 0) + 1
        found[name] = (str(seen[rank]), tuple(parameter.shape))
    return found


def initial_weights(subnet: Subnet, seed: int, device: torch.device) -> list[dict[str, Tensor]]:
    """Fresh weights as each module's own initialisation draws them: on the CPU whatever the device, so that they are
    the same for a seed everywhere, and no other generator is touched."""
    weights = []
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        for step in subnet.steps:
            module = _make(step) if parameter_shapes(step) else build_skeleton(step)
            own = {n: p.detach().to(device).requires_grad_() for n, p in module.named_parameters()}
            weights.append(own | fresh_statistics(step, device))
    return weights


def fresh_statistics(step: Step, device: torch.device) -> dict[str, Tensor]:
    """What a step's norms keep of the batches they saw, before the first."""
    return {n: torch.zeros(b.shape, device=device) for n, b in build_skeleton(step).named_buffers()}


def leaves_of(weights: Weights) -> list[Tensor]:
    """The parameters, in order."""
    return [w for own in weights for w in own.values() if w.requires_grad]


def run(subnet: Subnet, fields: Fields, weights: Weights, training: bool = False, calibrating: bool = False) -> Any:
    """The output of a path. calibrating: norms learn the statistics of the examples, and nothing else is as in
    training."""
    values: list[Any] = [fields[leaf] for leaf in subnet.leaves]
    last_use = {i: s for s, step in enumerate(subnet.steps) for i in step.inputs}
    for s, (step, own) in enumerate(zip(subnet.steps, weights, strict=True)):
        skeleton = build_skeleton(step)
        skeleton.train(training)
        if calibrating:
            for module in skeleton.modules():
                if isinstance(module, Norm):
                    module.train()
        arguments = tuple(values[i] for i in step.inputs)
        try:
            out = functional_call(skeleton, dict(own), arguments, {"precision": step.precision})
        except (TypeError, RuntimeError, AttributeError) as error:
            raise refuse("CS706", f"`{step.source}` cannot run `{step.path}`: {error}", step.span) from error
        for i in step.inputs:
            if last_use[i] == s:
                values[i] = None
        values.append(out)
    return values[subnet.output]
