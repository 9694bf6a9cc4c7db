"""Running a path: modules without memory (skeletons on the meta device) called with weights from outside."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from cospace.compiler.space.graph import Value
from cospace.runtime.learned_step import give_steps, is_step, step_shapes
from cospace.runtime.operators.norm import Norm
from cospace.runtime.plan import Step, Subnet, once
from cospace.runtime.quantise import Mixed, Precision, Ranges
from cospace.runtime.registry import find, refuse
from cospace.runtime.tasks.base import Fields
from torch import Tensor, nn
from torch.func import functional_call

Weights = Sequence[Mapping[str, Tensor]]
"""For each step of a path its parameters and statistics by name; only parameters have gradients."""

_skeletons: dict[tuple[Any, ...], nn.Module] = {}


@once
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


@once
def parameter_shapes(step: Step) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Parameter's name -> (role, shape). The k-th parameter of a rank has role k, whatever it is called, so that
    alternatives share what their shapes allow; norms that are kept for each value of a switch have roles of their own.
    """
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    seen: dict[int, int] = {}
    for name, parameter in build_skeleton(step).named_parameters():
        rank = parameter.dim()
        seen[rank] = seen.get(rank, 0) + 1
        found[name] = (f"{seen[rank]}{_apart(step, name)}", tuple(parameter.shape))
    return found | steps_of(step)


@once
def steps_of(step: Step) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What a step trains of its quantisers, in the same way, at each of its bitwidths."""
    return step_shapes([step.precision, *(part for part, _ in step.mixed)], build_skeleton(step))


@once
def names_of(step: Step) -> Mapping[str, str]:
    """What files call each weight and statistic of a step: `path/name`, with `@4 bit` where a norm has one for each
    value of a switch."""
    skeleton = build_skeleton(step)
    every = itertools.chain(skeleton.named_parameters(), skeleton.named_buffers())
    found = {name: f"{step.path}/{name}{_apart(step, name)}" for name, _ in every}
    return found | {name: f"{step.path}/{name}" for name in steps_of(step)}


@once
def shapes_of(step: Step) -> Mapping[str, tuple[int, ...]]:
    """Of each weight and statistic of a step."""
    skeleton = build_skeleton(step)
    of_module = itertools.chain(skeleton.named_parameters(), skeleton.named_buffers())
    return {n: tuple(t.shape) for n, t in of_module} | {n: shape for n, (_, shape) in steps_of(step).items()}


def _apart(step: Step, name: str) -> str:
    if not step.kept:
        return ""
    owner = build_skeleton(step).get_submodule(name.rpartition(".")[0])
    return f"@{step.kept}" if isinstance(owner, Norm) else ""


def initial_weights(subnet: Subnet, seed: int, device: torch.device) -> list[dict[str, Tensor]]:
    """Fresh weights as each module's own initialisation draws them: on the CPU whatever the device, so that they are
    the same for a seed everywhere, and no other generator is touched."""
    weights = []
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        for step in subnet.steps:
            module = _make(step) if parameter_shapes(step) else build_skeleton(step)
            own = {n: p.detach().to(device).requires_grad_() for n, p in module.named_parameters()}
            for name, (_, shape) in steps_of(step).items():
                own[name] = torch.zeros(shape, device=device, requires_grad=True)
            weights.append(own | fresh_statistics(step, device))
    return weights


def fresh_statistics(step: Step, device: torch.device) -> dict[str, Tensor]:
    """What a step's norms keep of the batches they saw, before the first."""
    return {n: torch.zeros(b.shape, device=device) for n, b in build_skeleton(step).named_buffers()}


Tensors = dict[Any, Tensor]
"""Parameters (which have gradients) and statistics, each once however many paths share it."""
Keys = Callable[[Step], Mapping[str, Any]]


def fresh_tensors(subnets: Iterable[Subnet], seed: int, device: torch.device) -> Tensors:
    """What one design trains, whatever its switches say, by `names_of`: the largest that any of its paths asks for."""
    found: Tensors = {}
    for subnet in subnets:
        for step, own in zip(subnet.steps, initial_weights(subnet, seed, device), strict=True):
            keys = names_of(step)
            for name, tensor in own.items():
                old = found.get(keys[name])
                found[keys[name]] = tensor if old is None else widen(old, tensor)
    return found


def widen(old: Tensor, new: Tensor) -> Tensor:
    """A tensor that holds both shapes, the old values where it had some."""
    if all(b <= a for a, b in zip(old.shape, new.shape, strict=True)):
        return old
    wide = torch.zeros([max(a, b) for a, b in zip(old.shape, new.shape, strict=True)], device=old.device)
    wide[corner(new.shape)] = new.detach()
    wide[corner(old.shape)] = old.detach()
    return wide.requires_grad_(old.requires_grad)


def weights_of(subnet: Subnet, tensors: Tensors, keys: Keys = names_of) -> Weights:
    """The leading slices that one path takes. keys: of a step, its weight's name -> where `tensors` has it."""
    found = []
    for step in subnet.steps:
        places, own = keys(step), {}
        for name, wanted in shapes_of(step).items():
            tensor = tensors[places[name]]
            own[name] = tensor if tensor.shape == wanted else tensor[corner(wanted)]
        found.append(own)
    return found


def is_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory, on the host or on a device."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


Shares = Mapping[str, Mapping[Value, float]]
"""Decision's path -> how much of each of its values."""


def _mix(step: Step, shares: Shares, equip: Callable[[Precision], Precision]) -> Mixed:
    parts = [(equip(part), math.prod(shares[path][value] for path, value in at)) for part, at in step.mixed]
    kept = [(part, share) for part, share in parts if share > 0]
    return Mixed(parts=tuple(part for part, _ in kept), shares=tuple(share for _, share in kept))


def corner(shape: Sequence[int]) -> tuple[slice, ...]:
    """Of an array, the leading part of a shape."""
    return tuple(slice(0, n) for n in shape)


def leaves_of(tensors: Tensors) -> list[Tensor]:
    """The parameters, in order."""
    return [t for t in tensors.values() if t.requires_grad]


def run(
    subnet: Subnet,
    fields: Fields,
    weights: Weights,
    training: bool = False,
    calibrating: bool = False,
    ranges: Ranges | None = None,
    shares: Shares | None = None,
) -> Any:
    """The output of a path. calibrating: norms learn the statistics of the examples, and nothing else is as in
    training. ranges: of activations that are rounded; without any, those of the batch. shares: of each value of the
    decisions that are mixed."""
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
        of_module = {name: tensor for name, tensor in own.items() if not is_step(name)}
        equip = partial(give_steps, module=skeleton, tensors=own, training=training)
        precision = equip(step.precision)
        if ranges is not None:
            precision = ranges.of(step.path, precision)
        if step.mixed and shares is not None:
            precision = _mix(step, shares, equip)
        try:
            out = functional_call(skeleton, of_module, arguments, {"precision": precision})
        except (TypeError, RuntimeError, AttributeError) as error:
            if is_of_memory(error):
                raise MemoryError(str(error)) from error
            raise refuse("CS706", f"`{step.source}` cannot run `{step.path}`: {error}", step.span) from error
        for i in step.inputs:
            if last_use[i] == s:
                values[i] = None
        values.append(out)
    return values[subnet.output]
