"""The network that a search left: loaded once, its switches bound at any moment, nothing loaded again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from cospace.compiler.cost import breakdown
from cospace.compiler.space.designs import DesignError, parse_design
from cospace.compiler.space.model import Binding, Design, Space, Variant, spell
from cospace.compiler.space.schema import from_json
from cospace.dsl.suggest import closest
from cospace.runtime.context import prepare
from cospace.runtime.devices import choose_device
from cospace.runtime.events import Observe, ignore
from cospace.runtime.network import run, weights_of
from cospace.runtime.plan import Planner, Subnet
from cospace.runtime.quantise import Ranges
from cospace.runtime.registry import refuse
from cospace.runtime.results import named_at, ranges_name
from cospace.runtime.store import read_json
from cospace.runtime.train import Trained, measure_errors
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

AGAIN = "`cospace search SPEC --out FOLDER` leaves a folder with a design and its weights"


@frozen
class Measured:
    """At one binding of the switches. accuracy: the share of right answers on `report`. modelled: quantity of an
    accelerator -> its value and unit there."""

    at: Binding
    accuracy: float
    modelled: Mapping[str, tuple[float, str]]


class Deployed:
    """A trained network. bindings: all that its switches may be bound to; at: what they are bound to, at first the
    largest. One copy of the weights serves all of them."""

    def __init__(self, space: Space, design: Design, tensors: dict[str, Tensor], device: torch.device) -> None:
        self.space, self.design, self.device = space, design, device
        self._planner = Planner(space, space.networks[0])
        self._subnets = self._planner.subnets(design)
        self._tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._weights = {at: weights_of(subnet, self._tensors) for at, subnet in self._subnets.items()}
        self._ranges = {at: self._read_ranges(at, subnet) for at, subnet in self._subnets.items()}
        self.at: Binding = self.bindings[-1]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return tuple(self._subnets)

    def bind(self, said: object) -> Deployed:
        """Bind the switches: one value where there is one switch (`4`, `"4 bit"`), else path -> value.

        Raises:
            SpecError: CS712 for a switch that the network does not have, or a value that it does not take.
        """
        switches = self._planner.switches
        if isinstance(said, Mapping):
            given = dict(said)
        elif len(switches) == 1:
            given = {switches[0].path: said}
        else:
            names = ", ".join(f"`{s.path}`" for s in switches) or "none"
            raise refuse("CS712", f"one value binds one switch, and the switches of this network are: {names}")
        bound = dict(self.at)
        for path, value in given.items():
            switch = next((s for s in switches if s.path == path), None)
            if switch is None:
                near = closest(path, [s.path for s in switches])
                raise refuse("CS712", f"`{path}` is no switch of this network", help=near and f"did you mean `{near}`?")
            bound[path] = _value_of(switch, str(value))
        at = tuple(bound.items())
        if at not in self._subnets:
            raise refuse("CS712", "this design does not allow the switches these values together")
        self.at = at
        return self

    @torch.inference_mode()
    def __call__(self, *inputs: Any) -> Tensor:
        """The outputs at the binding. inputs: what the network's arguments are, in order; images of
        (examples, channels, height, width) as the task gives them (mean 0, deviation 1)."""
        subnet = self._subnets[self.at]
        if len(inputs) != len(subnet.leaves):
            raise refuse("CS712", f"the network takes {len(subnet.leaves)} inputs, {len(inputs)} were given")
        fields = dict(zip(subnet.leaves, inputs, strict=True))
        output: Tensor = run(subnet, fields, self._weights[self.at], ranges=self._ranges[self.at])
        return output

    def measure(
        self, data: Path | None = None, every: bool = True, strict: bool = False, observe: Observe = ignore
    ) -> list[Measured]:
        """At each binding, or at the present one alone. strict: data of which some cannot be read is refused.

        Raises:
            SpecError: CS702, CS703 for data that is missing or different.
        """
        told = prepare(self.space, 0, data, observe, threading.Event(), strict)
        subnets = self._subnets if every else {self.at: self._subnets[self.at]}
        errors = measure_errors(told, Trained(subnets, 0, self._tensors, 0, 0.0, self._ranges), "report")
        quantities = breakdown(self.space, self.design)["quantities"]
        return [Measured(at, 1 - error, self._modelled(quantities, at)) for at, error in errors.items()]

    def counted_in(self, unit: str) -> str:
        """The one switch whose values have a unit. Raises SpecError (CS712) where that is none, or several."""
        found = [s.path for s in self._planner.switches if s.unit == unit]
        if len(found) != 1:
            has = ", ".join(f"`{p}`" for p in found) or "none"
            raise refuse("CS712", f"one switch counted in {unit} is wanted, and this network has {has}")
        return found[0]

    def shown(self, at: Binding) -> dict[str, str]:
        """Switch -> its value as a person writes it."""
        units = {s.path: (s.unit, s.scale) for s in self._planner.switches}
        return {path: spell(value, *units[path]) for path, value in at}

    def _modelled(self, quantities: Mapping[str, Any], at: Binding) -> dict[str, tuple[float, str]]:
        """Quantities of the accelerators at a binding."""
        found = {plain: quantities[name] for plain, name in named_at(quantities, self.shown(at)).items()}
        return {
            plain: (float(figure["value"]), str(figure.get("unit") or ""))
            for plain, figure in found.items()
            if isinstance(figure.get("value"), (int, float))
        }

    def _read_ranges(self, at: Binding, subnet: Subnet) -> Ranges | None:
        stored = {s.path: self._tensors.get(ranges_name(s.path, at)) for s in subnet.steps}
        known = {path: tensor.tolist() for path, tensor in stored.items() if tensor is not None}
        return Ranges(known, gathering=False) if known else None


def _value_of(switch: Variant, said: str) -> Any:
    """The value of a switch that is written so, with its unit or without."""
    spelled = {spell(v, switch.unit, switch.scale): v for v in switch.values}
    for shown, value in spelled.items():
        if said.replace(" ", "") in (shown.replace(" ", ""), shown.removesuffix(f" {switch.unit}").replace("_", "")):
            return value
    raise refuse("CS712", f"`{switch.path}` is never {said}", help=f"it is one of {', '.join(spelled)}")


def deploy(folder: Path) -> Deployed:
    """The network of a result folder.

    Raises:
        SpecError: CS712 when the folder holds none.
    """
    folder = Path(folder)
    try:
        space = from_json(read_json(folder / "space.json"), str(folder / "space.json"))
        design = parse_design(space, read_json(folder / "design.json")["design"])
        tensors = load((folder / "weights.safetensors").read_bytes())
        if not space.networks:
            raise ValueError("the space has no network")
        device = choose_device()
        found = Deployed(space, design, tensors, device)
    except (OSError, ValueError, KeyError, TypeError, DesignError, SafetensorError) as error:
        reason = f"the weights lack {error}" if isinstance(error, KeyError) else str(error)
        if isinstance(error, OSError) and error.filename:
            reason = f"{Path(error.filename).name}: {error.strerror}"
        raise refuse("CS712", f"{folder} holds no trained network: {reason}", help=AGAIN) from error
    return found


__all__ = ["Deployed", "Measured", "deploy"]
