"""A joint search as numbers and arrays, and back: what a checkpoint holds of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from cospace.runtime.joint import Joint
from cospace.runtime.registry import refuse


def freeze(joint: Joint) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """State and tensors, enough to go on as if never interrupted."""
    distribution = joint.distribution
    tensors: dict[str, np.ndarray] = {"torch": torch.get_rng_state().numpy().copy()}
    if joint.run.device.type == "cuda":  # dropout draws there
        tensors["cuda"] = torch.cuda.get_rng_state(joint.run.device).numpy().copy()
    for j, logits in enumerate(distribution.logits):
        tensors[f"logits/{j}"] = logits.numpy().copy()
        for s, state in enumerate(distribution.states[j]):
            tensors[f"logits/{j}/{s}"] = state.numpy().copy()
    banks = joint.supernet.save(tensors)
    if joint.certified:
        tensors["certified"] = np.concatenate(joint.certified)
    search = joint.own_search
    if search.accelerators:
        tensors["accelerators"] = np.concatenate(search.accelerators)
    return {
        "complete": search.complete,
        "apart": search.apart,
        "placed": [joint.asked, joint.served],
        "epoch": joint.epoch,
        "counts": distribution.counts,
        "random": json.dumps(distribution.random.bit_generator.state),
        "banks": banks,
        "inputs": dict(joint.run.costs.inputs),
    }, tensors


def thaw(joint: Joint, state: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Put a fresh search where a frozen one stood.

    Raises:
        SpecError: CS709 when the state is of another space.
    """
    distribution = joint.distribution
    try:
        for j, logits in enumerate(distribution.logits):
            logits.copy_(torch.from_numpy(tensors[f"logits/{j}"]))
            for s, slot in enumerate(distribution.states[j]):
                slot.copy_(torch.from_numpy(tensors[f"logits/{j}/{s}"]))
        distribution.counts = [int(c) for c in state["counts"]]
        distribution.random.bit_generator.state = json.loads(state["random"])
        joint.supernet.load(state["banks"], tensors)
        rows = tensors.get("certified")
        joint.certified = [] if rows is None else [row[None] for row in rows]
        joint.epoch = int(state["epoch"])
        search, known = joint.own_search, tensors.get("accelerators")
        search.accelerators = [] if known is None else [row[None] for row in known]
        joint.asked, joint.served = map(int, state["placed"])
        search.complete, search.apart = bool(state["complete"]), bool(state["apart"])
        joint.run.costs.inputs = {str(name): float(value) for name, value in state["inputs"].items()}
        torch.set_rng_state(torch.from_numpy(tensors["torch"].copy()))
        if joint.run.device.type == "cuda" and "cuda" in tensors:
            torch.cuda.set_rng_state(torch.from_numpy(tensors["cuda"].copy()), joint.run.device)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise refuse("CS709", f"the checkpoint is not one of this space: {error}") from error
