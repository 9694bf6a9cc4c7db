"""Classification of a graph's nodes: digits, cora, citeseer, pubmed, or any `NAME.npz` of the data folder.

An npz file holds `x` (nodes x features), `y` (nodes,), `edge_index` (2 x edges) and the masks `train_mask`,
`val_mask`, `test_mask`. Nothing is unpickled from it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.model import Task
from cospace.runtime.operators.graphs import build_graph
from cospace.runtime.operators.sparse import SparseMatrix, build_pattern
from cospace.runtime.registry import refuse, register
from cospace.runtime.tasks.base import Whole, compare_facts, halve

SPLIT_SEED = 0
NEIGHBOURS = 10
PIXEL = 16.0
"""The largest value of a pixel of `digits`."""
PER_CLASS, VALIDATION, REPORT = 20, 500, 1000
PLANETOID = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}

Arrays = dict[str, np.ndarray]


@register("tasks.graph")
def load_graph_task(task: Task, data: Path | None, device: torch.device) -> Whole:
    """Load the data set that the task's `name` says; features are normalised to sum to 1 a row, pixels to 0..1.

    Raises:
        SpecError: CS702 when the data is not at hand or not readable, CS703 when the facts in text differ.
    """
    name = _name_of(task)
    arrays = _read_digits() if name == "digits" else _read_named(name, task, data)
    x, y, (source, target) = arrays["x"], arrays["y"], arrays["edge_index"]
    graph = build_graph(torch.from_numpy(target), torch.from_numpy(source), len(x))
    row, column = np.nonzero(x)
    classes = int(y.max()) + 1
    facts = {
        "nodes": len(x), "edges": graph.edges, "nonzeros": len(row), "classes": classes,
        "width": x.shape[1],
        "busiest": int(torch.bincount(graph.pattern.row).max()),
    }  # fmt: skip
    compare_facts(task, facts)
    scale = _scale_rows(x) if name != "digits" else np.full(len(x), 1 / PIXEL)
    pattern = build_pattern(torch.from_numpy(row), torch.from_numpy(column), (len(x), x.shape[1]))
    values = torch.from_numpy(x[row, column].astype(np.float32))
    features = SparseMatrix(pattern, values, torch.from_numpy(scale.astype(np.float32))[:, None])
    validation = torch.from_numpy(np.flatnonzero(arrays["val_mask"]))
    search, choice = halve(validation, SPLIT_SEED)
    splits = {
        "train": torch.from_numpy(np.flatnonzero(arrays["train_mask"])),
        "search": search,
        "choice": choice,
        "report": torch.from_numpy(np.flatnonzero(arrays["test_mask"])),
    }
    return Whole(
        name,
        task.name,
        {"features": features.to(device), "graph": graph.to(device)},
        torch.from_numpy(y.astype(np.int64)).to(device),
        {k: v.to(device) for k, v in splits.items()},
        classes,
        facts,
    )


def _scale_rows(x: np.ndarray) -> np.ndarray:
    """What each row is multiplied by, so that it sums to 1 (a row of zeros stays)."""
    total = np.abs(x).sum(1)
    return 1 / np.where(total == 0, 1, total)


def _name_of(task: Task) -> str:
    for _, expr in task.arguments:
        if expr.is_const and isinstance(expr.value, (str, Symbol)):
            return str(expr.value)
    raise refuse("CS702", f"the task `{task.name}` does not say which data set it means", task.span)


def _read_digits() -> Arrays:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = bunch.data.astype(np.float32)
    # Distances of integer pixels are exact integers and ties go to the lower index, so that every machine and every
    # number of threads joins the same neighbours.
    pixels = bunch.data.astype(np.int64)
    length = (pixels**2).sum(1)
    distance = length[:, None] + length[None, :] - 2 * pixels @ pixels.T
    np.fill_diagonal(distance, np.iinfo(np.int64).max)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]
    joined = np.zeros(distance.shape, bool)
    joined[np.arange(len(x))[:, None], nearest] = True
    edges = np.stack(np.nonzero(joined | joined.T))
    return {"x": x, "y": bunch.target.astype(np.int64), "edge_index": edges, **_draw_masks(bunch.target)}


def _draw_masks(y: np.ndarray) -> Arrays:
    """The customary split of citation graphs: 20 training nodes a class, 500 to validate, 1,000 to report."""
    order = np.random.RandomState(SPLIT_SEED).permutation(len(y))
    train = np.concatenate([order[y[order] == c][:PER_CLASS] for c in np.unique(y)])
    rest = order[~np.isin(order, train)]
    parts = {"train": train, "val": rest[:VALIDATION], "test": rest[VALIDATION : VALIDATION + REPORT]}
    masks = {}
    for part, members in parts.items():
        masks[f"{part}_mask"] = np.zeros(len(y), bool)
        masks[f"{part}_mask"][members] = True
    return masks


def _read_named(name: str, task: Task, data: Path | None) -> Arrays:
    if data is not None:
        path = Path(data) / f"{name}.npz"
        if path.is_file():
            return _read_npz(path, task)
        if name not in PLANETOID:
            raise _missing(name, task, data)
    if name in PLANETOID:
        arrays = _read_planetoid(PLANETOID[name], data)
        if arrays is not None:
            return arrays
    raise _missing(name, task, data)


def _missing(name: str, task: Task, data: Path | None) -> Exception:
    looked = f"; {data} has no {name}.npz" if data is not None else ""
    return refuse(
        "CS702",
        f"the data set `{name}` is not here{looked}",
        task.span,
        f"three ways to get it: --data FOLDER where FOLDER holds {name}.npz (x, y, edge_index, train_mask, val_mask, "
        "test_mask); a network, so that torch_geometric downloads it (cora, citeseer, pubmed); or "
        "torch_geometric's own files in FOLDER/Planetoid. `--set data=digits` needs no download.",
    )


def _read_npz(path: Path, task: Task) -> Arrays:
    wanted = ("x", "y", "edge_index", "train_mask", "val_mask", "test_mask")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in wanted}
        _check_arrays(arrays)
    except (OSError, ValueError, KeyError, EOFError) as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise refuse("CS702", f"{path} cannot be read as a graph: {reason}", task.span) from error
    return arrays


def _check_arrays(arrays: Arrays) -> None:
    x, y, edges = arrays["x"], arrays["y"], arrays["edge_index"]
    if x.ndim != 2 or y.shape != (len(x),) or edges.ndim != 2 or edges.shape[0] != 2:
        raise ValueError("x must be nodes x features, y (nodes,), edge_index 2 x edges")
    if not (np.issubdtype(y.dtype, np.integer) and np.issubdtype(edges.dtype, np.integer)):
        raise ValueError("y and edge_index must hold integers")
    if not np.issubdtype(x.dtype, np.number) or not np.isfinite(x).all():
        raise ValueError("x must hold finite numbers")
    if len(x) == 0 or (edges.size and (edges.min() < 0 or edges.max() >= len(x))) or y.min() < 0:
        raise ValueError("an edge or a class lies outside the graph")
    for part in ("train_mask", "val_mask", "test_mask"):
        mask = arrays[part]
        if mask.shape != y.shape or mask.dtype != bool or not mask.any():
            raise ValueError(f"{part} must mark some nodes with true")


def _read_planetoid(name: str, data: Path | None) -> Arrays | None:
    """torch_geometric's copy, from disk or the network; None when neither has it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cospace"
    try:
        from torch_geometric.datasets import Planetoid

        stored = Planetoid(str(Path(data) / "Planetoid" if data is not None else cache / "Planetoid"), name)[0]
        parts = {k: stored[k].numpy() for k in ("x", "y", "edge_index", "train_mask", "val_mask", "test_mask")}
        _check_arrays(parts)
    except Exception:  # whatever the library, the disk or the network meets, the data is not at hand
        return None
    return parts
