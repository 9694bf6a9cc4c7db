"""The feasible designs of golden_count.cospace, counted with numpy from formulas written here by hand.

Imports nothing of the compiler. Energies are whole multiples of 1e-5 pJ, so every number is an exact integer but the
product a mapping is chosen by; that is a float, and near ties are settled with Python's integers.
Run it to print the raw and the feasible count.
"""

from __future__ import annotations

import itertools

import numpy as np

V, E, NNZ, F, CLASSES = 2_708, 13_264, 49_216, 1_433, 7
SRAM, DRAM = 37_500, 1_250_000  # 3 and 100 pJ a byte, in 1e-5 pJ a bit
INDEX = 16
TILES = (16, 64, 256, 1_024, 4_096)
IMPOSSIBLE = np.int64(-1)


def mac(w: int, a: int) -> int:
    """Of one multiply-accumulate, in 1e-5 pJ: 0.00307 w a + 0.00753 (w + a) / 2 + 0.041 pJ."""
    return 307 * w * a + 753 * (w + a) // 2 + 4_100


def up(a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
    """a / b rounded up."""
    return -(-np.asarray(a, dtype=np.int64) // np.asarray(b, dtype=np.int64))


class Engines:
    """Every engine, one array entry each."""

    def __init__(self) -> None:
        sides, lanes, wide = range(4, 65, 4), (1, 2, 4, 8, 16), (4, 8, 16, 32)
        grid = itertools.product(sides, sides, lanes, wide, (16, 64, 256, 512), (False, True), (True, False))
        columns = np.array(list(grid), dtype=np.int64).T
        self.rows, self.cols, self.lanes, self.wide, self.kib, piped, skips = columns
        self.buffer = self.kib * 8 * 1024
        self.piped, self.skips = piped.astype(bool), skips.astype(bool)
        self.count = len(self.rows)

    def built(self) -> np.ndarray:
        """Which can be built at all: the board, the die, and how lanes are fed."""
        units = self.rows * self.cols + self.lanes * self.wide
        area = units * (734 * 64 + 1_320 * 8 + 11_200) + self.buffer * 25  # 0.01 um2
        fed = (self.lanes <= 8) | (self.rows >= self.cols)
        return (units <= 2_048) & (area <= 100_000_000) & fed


def matmul(e: Engines, m: int, k: int, n: int, w: int, a: int) -> list[tuple[np.ndarray, ...]]:
    """One entry a tile: (possible, cycles, energy on the chip, bits fetched)."""
    found = []
    cycles = up(m, e.rows) * up(n, e.cols) * k
    moved = m * k * up(n, e.cols) * a + k * n * up(m, e.rows) * w + m * n * a
    onchip = m * k * n * mac(w, a) + moved * SRAM
    for tile in TILES:
        fits = tile * k * a + k * e.cols * w <= e.buffer
        found.append((fits, cycles, onchip, np.full(e.count, k * n * int(up(m, tile)) * w)))
    return found


def spmm(e: Engines, m: int, k: int, nnz: int, n: int, s: int, d: int) -> tuple[np.ndarray, ...]:
    """A sparse product: (cycles, energy on the chip, bits fetched). All lanes alike."""
    cycles = up(nnz, e.lanes) * up(n, e.wide)
    moved = nnz * n * d + nnz * up(n, e.wide) * (s + INDEX) + m * n * d
    return cycles, nnz * n * mac(s, d) + moved * SRAM, np.full(e.count, k * n * d)


def best(mappings: list[tuple[np.ndarray, np.ndarray, np.ndarray]], count: int) -> np.ndarray:
    """Cycles of the mapping with the least cycles x energy, ties by energy, then the first; -1 for none."""
    possible = np.array([p for p, _, _ in mappings])
    cycles = np.array([c for _, c, _ in mappings])
    energy = np.array([x for _, _, x in mappings])
    goal = np.where(possible, cycles.astype(float) * energy, np.inf)
    least = goal.min(axis=0)
    answer = np.take_along_axis(cycles, goal.argmin(axis=0)[None], axis=0)[0]
    near = possible & (goal <= least * (1 + 1e-9))
    for at in np.flatnonzero(near.sum(axis=0) > 1):
        keys = [(int(cycles[i, at]) * int(energy[i, at]), int(energy[i, at]), i) for i in np.flatnonzero(near[:, at])]
        answer[at] = cycles[min(keys)[2], at]
    return np.where(possible.any(axis=0), answer, IMPOSSIBLE)


def dense_layer(e: Engines, m: int, k: int, n: int, w: int, a: int) -> np.ndarray:
    """Cycles of a matmul on its own; -1 where no tile fits."""
    mappings = []
    for fits, cycles, onchip, fetched in matmul(e, m, k, n, w, a):
        mappings.append((fits, cycles, onchip + (m * k * a + fetched + m * n * a) * DRAM))
    return best(mappings, e.count)


def graph_layer(e: Engines, fin: int, fout: int, nnz: int, w: int, a: int) -> np.ndarray:
    """Cycles of A X W at its best order and tile; -1 where there is none."""
    mappings = []
    zeros = e.skips & (nnz < V * fin)
    sparse = spmm(e, V, fin, nnz, fout, a, w)
    for first in ("combine", "aggregate"):
        width = fout if first == "combine" else fin
        sums = spmm(e, V, V, E, width, a, a)
        for fits, cycles, onchip, fetched in matmul(e, V, fin, fout, w, a):
            skipped = zeros & (first == "combine")
            possible = np.where(skipped, True, fits)
            cycles, onchip, fetched = (
                np.where(skipped, s, d) for s, d in zip(sparse, (cycles, onchip, fetched), strict=True)
            )
            total = np.where(e.piped, np.maximum(cycles, sums[0]), cycles + sums[0])
            features = np.where(zeros, nnz * (a + INDEX), V * fin * a)
            spilled = (up(V * width * a, e.buffer) - 1) * (V * width * a)
            traffic = features + fetched + E * (a + INDEX) + V * fout * a + spilled
            mappings.append((possible, total, onchip + sums[1] + traffic * DRAM))
    return best(mappings, e.count)


def runs(works: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Whether every work has a mapping and all end within 1 ms at 500 MHz. works: how often, cycles."""
    possible = np.all([c >= 0 for _, c in works], axis=0)
    return possible & (sum(times * c for times, c in works) <= 500_000)


def count() -> tuple[int, int]:
    """(raw, feasible)."""
    e = Engines()
    built = e.built()
    raw = feasible = 0
    for hidden, weights in itertools.product((16, 64), (4, 8)):
        layer = graph_layer(e, F, hidden, NNZ, weights, 8)
        readout = dense_layer(e, V, hidden, CLASSES, 8, 8)
        raw += e.count
        feasible += int((built & runs([(1, layer), (1, readout)])).sum())
        for heads in (2, 32):
            raw += e.count
            if hidden % heads:
                continue
            scores = dense_layer(e, V, hidden // heads, 2, weights, 8)
            softmax = 2 * heads * up(E, e.lanes)
            works = [(1, layer), (heads, scores), (1, softmax), (1, readout)]
            feasible += int((built & runs(works)).sum())
    return raw, feasible


if __name__ == "__main__":
    print("raw {:,}, feasible {:,}".format(*count()))
