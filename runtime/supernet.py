"""A supernet: weights of every subnet in shared banks, trained one path at a time.

A bank serves one role (the k-th parameter of a rank) at one place of the network; its shape is the elementwise largest
that any alternative or width asks for, and a subnet takes the leading slice. Banks and the optimiser's state lie parked
in files mapped into memory (not parked: in plain arrays of the host); only the slices of the path that is drawn become
tensors, so that a step's tensors are those of the path alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from attrs import define, field
from cospace.compiler.space.model import Binding
from cospace.runtime.losses import SplitLoss
from cospace.runtime.network import (
    Shares,
    Tensors,
    Weights,
    corner,
    fresh_statistics,
    initial_weights,
    names_of,
    parameter_shapes,
    weights_of,
    widen,
)
from cospace.runtime.optimisers import Optimiser
from cospace.runtime.parking import Parking
from cospace.runtime.plan import Step, Subnet, once
from cospace.runtime.step import clip_norm, gradients_of
from cospace.runtime.tasks.base import Batch
from torch import Tensor

Key = tuple[str, str, int]
"""Place, role, rank."""


@define
class Bank:
    """values: the shared weight. state: the optimiser's tensors of the same shape. count: steps taken."""

    values: np.ndarray
    state: list[np.ndarray] = field(factory=list)
    count: int = 0


class Supernet:
    """Shared weights of all subnets of one plan, drawn from `seed`. bfloat16: they learn in mixed precision."""

    def __init__(self, seed: int, device: torch.device, park: bool = True, bfloat16: bool = False) -> None:
        self.seed, self.device, self.bfloat16 = seed, device, bfloat16
        self.banks: dict[Key, Bank] = {}
        self._parking = Parking() if park else None

    @property
    def parameters(self) -> int:
        """Weights in all banks."""
        return sum(bank.values.size for bank in self.banks.values())

    @property
    def bank_bytes(self) -> int:
        """Bytes of all banks with the optimiser's state, wherever they lie."""
        return sum(b.values.nbytes + sum(s.nbytes for s in b.state) for b in self.banks.values())

    @property
    def resting_bytes(self) -> int:
        """Bytes in memory outside of steps: the banks with their state unless they are parked."""
        return 0 if self._parking is not None else self.bank_bytes

    @property
    def disk_bytes(self) -> int:
        """Room that parked banks take on the disk."""
        return 0 if self._parking is None else self._parking.disk_bytes

    def take(self, subnets: Iterable[Subnet], gradients: bool = False) -> Tensors:
        """What some paths take of their banks, by `bank_keys`: copies of the leading slices that hold them all, leaves
        of a graph where gradients are wanted; and fresh statistics."""
        wanted: dict[Key, tuple[int, ...]] = {}
        found: Tensors = {}
        for subnet in subnets:
            self._fit(subnet)
            for step in subnet.steps:
                keys = bank_keys(step)
                for name, (_, shape) in parameter_shapes(step).items():
                    wanted[keys[name]] = tuple(map(max, wanted.get(keys[name], shape), shape))
                for name, tensor in fresh_statistics(step, self.device).items():
                    old = found.get(keys[name])
                    found[keys[name]] = tensor if old is None else widen(old, tensor)
        for key, shape in wanted.items():
            found[key] = self._unpark(self.banks[key].values[corner(shape)]).requires_grad_(gradients)
        return found

    def weights(self, subnet: Subnet) -> Weights:
        """One path's weights, copied out of their banks."""
        return weights_of(subnet, self.take([subnet]), bank_keys)

    def step(
        self,
        subnets: Mapping[Binding, Subnet],
        batch: Batch,
        loss: SplitLoss,
        optimiser: Optimiser,
        epoch: int,
        shares: Shares | None = None,
        beside: Sequence[tuple[Mapping[Binding, Subnet], Shares | None]] = (),
    ) -> float:
        """One weight step along one path, at each binding of its switches: its slices alone get gradients and are
        written back. beside: more paths, each with its shares, which learn in the same step: what moves weights is the
        mean of their gradients. Gives the loss."""
        paths = [(subnets, shares), *beside]
        tensors = self.take([subnet for path, _ in paths for subnet in path.values()], gradients=True)
        value, gradients = gradients_of(subnets, tensors, batch, loss, epoch, bank_keys, shares, bfloat16=self.bfloat16)
        for path, own in beside:
            other, more = gradients_of(path, tensors, batch, loss, epoch, bank_keys, own, bfloat16=self.bfloat16)
            value = value + other
            gradients = [b if a is None else a if b is None else a + b for a, b in zip(gradients, more, strict=True)]
        if beside:
            value = value / len(paths)
            gradients = [None if g is None else g / len(paths) for g in gradients]
        clip_norm(gradients, optimiser.clip)
        owners = [key for key, tensor in tensors.items() if tensor.requires_grad]
        for i, key in enumerate(owners):
            gradient, gradients[i] = gradients[i], None
            if gradient is not None:
                self._update(self.banks[key], tensors[key].detach(), gradient, optimiser, epoch)
        return float(value)

    def _update(self, bank: Bank, weight: Tensor, gradient: Tensor, optimiser: Optimiser, epoch: int) -> None:
        while len(bank.state) < optimiser.slots:
            bank.state.append(self.make_array(bank.values.shape))
        here = corner(tuple(weight.shape))
        state = [self._unpark(s[here]) for s in bank.state[: optimiser.slots]]
        bank.count += 1
        optimiser.update(weight, gradient, state, bank.count, epoch)
        bank.values[here] = weight.cpu().numpy()
        for parked, tensor in zip(bank.state, state, strict=False):
            parked[here] = tensor.cpu().numpy()

    def save(self, tensors: dict[str, np.ndarray]) -> list[list[Any]]:
        """Add all banks to `tensors`; gives what `load` needs beside them."""
        index: list[list[Any]] = []
        for i, ((place, role, rank), bank) in enumerate(sorted(self.banks.items())):
            tensors[f"bank/{i}"] = bank.values
            for s, state in enumerate(bank.state):
                tensors[f"bank/{i}/{s}"] = state
            index.append([place, role, rank, bank.count, len(bank.state)])
        return index

    def load(self, index: list[list[Any]], tensors: Mapping[str, np.ndarray]) -> None:
        """The banks that `save` wrote."""
        self.banks = {}
        for i, (place, role, rank, count, slots) in enumerate(index):
            arrays = [tensors[f"bank/{i}"], *(tensors[f"bank/{i}/{s}"] for s in range(slots))]
            parked = [self.make_array(a.shape) for a in arrays]
            for here, stored in zip(parked, arrays, strict=True):
                here[...] = stored
            self.banks[place, role, rank] = Bank(parked[0], parked[1:], count)

    # ---- banks

    def _fit(self, subnet: Subnet) -> None:
        """Make or widen the banks that a subnet needs."""
        fresh: list[dict[str, Tensor]] | None = None
        for i, step in enumerate(subnet.steps):
            for name, (role, shape) in parameter_shapes(step).items():
                key = (step.place, role, len(shape))
                bank = self.banks.get(key)
                if bank is not None and all(a <= b for a, b in zip(shape, bank.values.shape, strict=True)):
                    continue
                fresh = fresh or initial_weights(subnet, self.seed, torch.device("cpu"))
                self._widen(key, fresh[i][name].detach().numpy())

    def _widen(self, key: Key, wanted: np.ndarray) -> None:
        """Widen a bank to hold `wanted`, whose values fill what is new; a corner that neither covers is drawn."""
        old = self.banks.get(key)
        shape = wanted.shape if old is None else tuple(map(max, wanted.shape, old.values.shape))
        values = self.make_array(shape)
        if len(shape) >= 2:
            bound = np.sqrt(6 / ((shape[0] + shape[1]) * math.prod(shape[2:])))  # Glorot and Bengio (2010)
            random = np.random.default_rng([self.seed, zlib.crc32(repr((key, shape)).encode())])
            values[...] = random.uniform(-bound, bound, shape)
        values[corner(wanted.shape)] = wanted
        bank = Bank(values)
        if old is not None:
            there = corner(old.values.shape)
            values[there] = old.values
            bank.count = old.count
            for state in old.state:
                bank.state.append(self.make_array(shape))
                bank.state[-1][there] = state
        self.banks[key] = bank

    def _unpark(self, part: np.ndarray) -> Tensor:
        return torch.empty(part.shape, device=self.device).copy_(torch.from_numpy(part))

    def make_array(self, shape: tuple[int, ...]) -> np.ndarray:
        """Zeros for a bank or its state, in a file when parked. Raises SpecError (CS711) when there is no room."""
        if self._parking is None or 0 in shape:
            return np.zeros(shape, np.float32)
        return self._parking.take(shape)


@once
def bank_keys(step: Step) -> Mapping[str, Any]:
    """A weight's name -> the key of its bank; a statistic's -> its name in files."""
    found: dict[str, Any] = dict(names_of(step))
    for name, (role, shape) in parameter_shapes(step).items():
        found[name] = step.place, role, len(shape)
    return found
