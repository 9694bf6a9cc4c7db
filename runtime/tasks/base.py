"""What every loaded task is: inputs by field, targets, four splits; and the comparison with the facts in text."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from attrs import frozen
from cospace.compiler.space.model import Task
from cospace.runtime.registry import refuse


@frozen
class LoadedTask:
    """A task's data on one device.

    fields: name in text (`features`, `graph`) -> what an operator takes. targets: int64 (examples,).
    splits: train | search | choice | report -> indices into the examples. `train` fits weights, `search` steers the
    architecture, `choice` picks candidates and epochs, `report` is read once a design and seed after the choice.
    facts: counted from the data, by the names that text uses.
    """

    name: str
    fields: Mapping[str, Any]
    targets: torch.Tensor
    splits: Mapping[str, torch.Tensor]
    classes: int
    facts: Mapping[str, int]


def compare_facts(task: Task, facts: Mapping[str, int]) -> None:
    """Hold what text says of the data against the data.

    Raises:
        SpecError: CS703, naming every fact that differs.
    """
    wrong = []
    for name, expr in task.facts:
        if name in facts and expr.is_const and isinstance(expr.value, Fraction) and expr.value != facts[name]:
            wrong.append(f"{name}: text says {expr.value}, the data has {facts[name]}")
    if wrong:
        raise refuse(
            "CS703",
            f"the data of `{task.name}` is not what the text says: {'; '.join(wrong)}",
            task.span,
            "correct the facts in the task's declaration, or point --data at the data that was meant",
        )


def halve(indices: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two disjoint halves of `indices`, the same for a seed on every machine."""
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    middle = (len(indices) + 1) // 2
    return indices[order[:middle]].sort().values, indices[order[middle:]].sort().values
