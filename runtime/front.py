"""Pareto fronts of small sets: domination, layers, a spread choice, hypervolume in two dimensions."""

from __future__ import annotations

import numpy as np
from cospace.runtime.costs import Floats


def find_dominated(points: Floats) -> np.ndarray:
    """Which points are dominated, all columns minimised. (n, m) -> (n,) bool. Equal points keep the first."""
    dominated = np.zeros(len(points), bool)
    for i, p in enumerate(points):
        below = (points <= p).all(1)
        strictly = below & (points < p).any(1)
        same = (points == p).all(1)
        dominated[i] = strictly.any() or same[:i].any()
    return dominated


def sort_layers(points: Floats) -> list[list[int]]:
    """Fronts one below the other: indices of the first, of what is the front without it, and so on."""
    rest = np.arange(len(points))
    layers = []
    while len(rest):
        dominated = find_dominated(points[rest])
        layers.append([int(i) for i in rest[~dominated]])
        rest = rest[dominated]
    return layers


def spread(points: Floats, k: int) -> list[int]:
    """k indices: whole layers while they fit, then of the next one its ends and, one by one, the point that is
    farthest from those taken, each column scaled to 0..1."""
    taken: list[int] = []
    for layer in sort_layers(points):
        if len(taken) + len(layer) <= k:
            taken += layer
            continue
        span = np.ptp(points[layer], axis=0)
        scaled = points / np.where(span > 0, span, 1.0)
        rest = list(layer)
        if not taken:
            ends = {int(layer[int(np.argmin(points[layer, c]))]) for c in range(points.shape[1])}
            taken = sorted(ends)[:k]
            rest = [i for i in layer if i not in taken]
        while len(taken) < k and rest:
            gaps = [min(float(np.abs(scaled[i] - scaled[t]).sum()) for t in taken) for i in rest]
            taken.append(rest.pop(int(np.argmax(gaps))))
        break
    return taken[:k]


def measure_hypervolume(points: Floats, reference: tuple[float, float]) -> float:
    """The area that points (n, 2), both minimised, dominate up to the reference point."""
    inside = points[(points < np.asarray(reference)).all(1)]
    if not len(inside):
        return 0.0
    area, right = 0.0, reference[1]
    for x, y in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if y < right:
            area += (reference[0] - x) * (right - y)
            right = y
    return float(area)
