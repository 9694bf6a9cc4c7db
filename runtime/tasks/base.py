"""What every loaded task is: batches of examples from four splits; and the comparison with the facts in text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Protocol

import torch
from attrs import field, frozen
from cospace.compiler.space.model import Task
from cospace.runtime.registry import refuse
from torch import Tensor

Fields = Mapping[tuple[str, str], Any]
"""(task, field in text) -> what an operator takes."""


@frozen(eq=False)
class Batch:
    """Examples that run together. targets: int64 (examples,). asked: the rows of an output that are theirs, where it
    has others too. share: how much of a pass over the data that is."""

    fields: Fields
    targets: Tensor
    asked: Tensor | None = None
    share: float = 1.0

    def first(self, size: int) -> Batch:
        """Its first examples, of a batch whose fields have a row for each."""
        fields = {key: value[:size] for key, value in self.fields.items()}
        return Batch(fields, self.targets[:size], None, self.share * size / len(self.targets))

    def of(self, output: Tensor) -> Tensor:
        """The outputs of the examples."""
        return output if self.asked is None else output[self.asked]


class LoadedTask(Protocol):
    """A task's data on one device.

    Splits: `train` fits weights, `search` steers the architecture, `choice` picks candidates and epochs, `report` is
    read once a design and seed after the choice. shapes: of one input, by field. facts: counted from the data, by the
    names that text uses. left_out: what cannot be read and is left out, in words.
    """

    name: str
    classes: int
    facts: Mapping[str, int]
    left_out: tuple[str, ...]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    def batches(self, split: str, size: int = 0, seed: int | None = None) -> Iterator[Batch]:
        """All examples of a split in batches of at most `size` (0: as many as fit). seed: in an order drawn from it,
        augmented; without one in the order of the data, as they are."""
        ...


@frozen(eq=False)
class Whole:
    """A task whose examples are rows of one input, which is run whole. targets: int64 (rows,). splits: indices."""

    name: str
    task: str
    fields: Mapping[str, Any]
    targets: Tensor
    splits: Mapping[str, Tensor]
    classes: int
    facts: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    _batches: dict[str, Batch] = field(factory=dict, init=False)

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(getattr(value, "shape", ())) for name, value in self.fields.items()}

    def batches(self, split: str, size: int = 0, seed: int | None = None) -> Iterator[Batch]:
        if split not in self._batches:
            rows = self.splits[split]
            self._batches[split] = Batch({(self.task, k): v for k, v in self.fields.items()}, self.targets[rows], rows)
        yield self._batches[split]


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


def halve(indices: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of `indices`, the same for a seed on every machine."""
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    middle = (len(indices) + 1) // 2
    return indices[order[:middle]].sort().values, indices[order[middle:]].sort().values
