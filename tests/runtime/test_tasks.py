"""Data sets: facts, splits, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Task
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.tasks.graph import load_graph_task

CPU = torch.device("cpu")


def task(name: str, **facts: int) -> Task:
    return Task("nodes", "tasks.graph", (("name", g.const(name)),), tuple((k, g.const(v)) for k, v in facts.items()))


def write(folder: Path, **changes: object) -> None:
    mask = np.zeros((3, 30), bool)
    mask[0, :10] = mask[1, 10:20] = mask[2, 20:] = True
    arrays = {
        "x": np.eye(30, 4, dtype=np.float32), "y": np.arange(30) % 3, "edge_index": np.array([[0, 1], [1, 0]]),
        "train_mask": mask[0], "val_mask": mask[1], "test_mask": mask[2],
    }  # fmt: skip
    np.savez(folder / "tiny.npz", **{**arrays, **changes})


def test_digits_is_the_same_graph_everywhere() -> None:
    loaded = load_graph_task(task("digits", nodes=1797, edges=26475, nonzeros=58736, classes=10), None, CPU)
    again = load_graph_task(task("digits"), None, CPU)
    sizes = {name: len(split) for name, split in loaded.splits.items()}
    assert sizes == {"train": 200, "search": 250, "choice": 250, "report": 1000}
    every = torch.cat(list(loaded.splits.values()))
    assert len(every.unique()) == len(every)
    assert all(torch.equal(loaded.splits[k], again.splits[k]) for k in sizes)
    counts = torch.bincount(loaded.targets[loaded.splits["train"]])
    assert counts.tolist() == [20] * 10
    features = loaded.fields["features"].dense()
    assert float(features.min()) == 0 and float(features.max()) == 1


def test_facts_that_differ_are_named() -> None:
    with pytest.raises(SpecError, match=r"CS703.*edges: text says 5, the data has 26475"):
        load_graph_task(task("digits", edges=5), None, CPU)


def test_missing_data_says_three_ways(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_graph_task(task("nowhere"), tmp_path, CPU)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS702"
    assert all(word in (diagnostic.help or "") for word in ("--data", "network", "Planetoid"))


def test_a_users_own_graph(tmp_path: Path) -> None:
    write(tmp_path)
    loaded = load_graph_task(task("tiny", nodes=30, edges=32, classes=3), tmp_path, CPU)
    assert loaded.fields["graph"].shape == (30, 32)
    rows = loaded.fields["features"].dense().sum(1)
    assert torch.allclose(rows[:4], torch.ones(4)) and float(rows[4:].sum()) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"y": np.arange(3)},
        {"edge_index": np.array([[0], [99]])},
        {"x": np.full((30, 4), np.nan)},
        {"train_mask": np.zeros(30, bool)},
        {"x": np.array([{"a": 1}], dtype=object)},
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    write(tmp_path, **changes)
    with pytest.raises(SpecError, match="CS702"):
        load_graph_task(task("tiny"), tmp_path, CPU)


def test_a_task_without_a_name_is_refused() -> None:
    with pytest.raises(SpecError, match="CS702"):
        load_graph_task(evolve(task("digits"), arguments=()), None, CPU)
