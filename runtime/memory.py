"""How many bytes of tensors are alive: what the allocator hands out and takes back, never the process's size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cospace.runtime.operators.graphs import Graph
from cospace.runtime.operators.sparse import SparseMatrix
from torch import Tensor
from torch.profiler import ProfilerActivity, profile


def measure_peak(work: Callable[[], Any]) -> int:
    """The most bytes that `work` has alive at once above what was alive before.

    On a GPU the device's own peak; on a CPU every allocation and release of torch's allocator in order, so that
    tensors that only autograd holds count too.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated() - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return int(peak)


def count_bytes(value: Any) -> int:
    """Bytes of the tensors of an input, each storage once."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors(value)}
    return sum(storages.values())


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, SparseMatrix):
        return [value.values, *([] if value.scale is None else [value.scale]), *_tensors(value.pattern)]
    if isinstance(value, Graph):
        return [value.ones, value.scale, *_tensors(value.pattern)]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in _tensors(v)]
    names = ("row", "column", "pointer", "order", "t_pointer", "t_index")
    return [getattr(value, n) for n in names if isinstance(getattr(value, n, None), Tensor)]
