"""What a step of an image search takes beside the same path trained alone: memory and time, as the space grows.

Spaces of FBNet-like blocks on images of 32 x 32, with 3 to 300 candidates a layer (operators x bitwidths). The path is
the largest, or the largest of some that are drawn; both sides have the same batch, quantisers and optimiser. Memory is
the peak of live tensors above what was alive before (weights taken out of the banks, gradients, the optimiser's state,
all that autograd keeps), counted by torch; on the path alone its resting weights and state count as well, as the step
of the supernet takes its own out of files. Time is the median of paired steps, one of each after the other.

    python benchmarks/search_step.py [--batches 8 64] [--candidates 3 27 300] [--steps 60]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from attrs import define
from cospace.compiler.driver import compile_text
from cospace.compiler.space.model import Design
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.memory import count_bytes, measure_peak
from cospace.runtime.network import Shares, fresh_tensors, leaves_of
from cospace.runtime.step import gradients_of
from cospace.runtime.tasks.base import Batch
from numpy.typing import NDArray

MIB = 2**20
SEED = 0
DRAWN = 24
BLOCKS = 6

TEXT = """space candidates
import std.tasks
import std.images
import std.learn
photos = cifar10(images = IMAGES, augment = false)
def block(x, out: int, stride = 1) {
    choose op { OPERATORS }
}
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 16)
    for i in 1..BLOCKS {
        x = block(x, out = 16 * 2 ^ floor((i - 1) / 2), stride = if mod(i, 2) == 1 and i > 1 then 2 else 1)
    }
    linear(global_pool(x), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.block { both = choose {BITS} bit per block }
minimize error(photos)
search {
    epochs = 1; batch = 64; optimiser = sgd(0.025)
    net by gumbel(); precision by gumbel(forward = soft)
}
train of net { epochs = 1; optimiser = sgd(0.025) }
"""
LARGEST = "mbconv(x, out, kernel = 5, expansion = 6, stride = stride)"


def operators(count: int) -> list[str]:
    """The largest first, then others that are no larger."""
    found = [LARGEST]
    for kernel, expansion, groups in itertools.product((3, 5), range(1, 7), (1, 2, 4, 8)):
        text = f"mbconv(x, out, kernel = {kernel}, expansion = {expansion}, stride = stride, groups = {groups})"
        if (kernel, expansion, groups) != (5, 6, 1):
            found.append(text)
    found.append("shortcut(x, out, stride = stride)")
    while len(found) < count:  # the same operators under other names
        found.append(found[len(found) - 40])
    return found[:count]


SIZES = {3: (1, 3), 9: (3, 3), 27: (9, 3), 90: (30, 3), 300: (50, 6)}
"""Candidates a layer -> operators, bitwidths."""


@define
class Case:
    """A space with one batch of its data."""

    joint: Joint
    batch: Batch

    @property
    def run(self) -> Run:
        return self.joint.run

    def step(self, design: Design, shares: Shares | None = None) -> None:
        """A weight step of the supernet."""
        settings = self.joint.settings
        subnets = self.run.planner.subnets(design, frozenset(shares or ()))
        self.joint.supernet.step(subnets, self.batch, settings.loss, settings.optimiser, 0, shares)


class Alone:
    """One path with its own weights and the optimiser's state."""

    def __init__(self, case: Case, design: Design) -> None:
        self.case, self.subnets, self.count = case, case.run.planner.subnets(design), 0
        self.tensors = fresh_tensors(self.subnets.values(), SEED, case.run.device)
        self.leaves = leaves_of(self.tensors)
        slots = case.joint.settings.optimiser.slots
        self.states = [[p.detach().clone().zero_() for _ in range(slots)] for p in self.leaves]

    @property
    def resting(self) -> int:
        return count_bytes([t.detach() for t in self.tensors.values()] + self.states)

    def step(self) -> None:
        self.count += 1
        settings = self.case.joint.settings
        _, gradients = gradients_of(self.subnets, self.tensors, self.case.batch, settings.loss, 0)
        for i, (leaf, state) in enumerate(zip(self.leaves, self.states, strict=True)):
            gradient, gradients[i] = gradients[i], None
            if gradient is not None:
                settings.optimiser.update(leaf.detach(), gradient, state, self.count, 0)


def prepare_case(candidates: int, batch: int, data: Path) -> Case:
    count, bits = SIZES[candidates]
    text = TEXT.replace("IMAGES", "400").replace("BLOCKS", str(BLOCKS))
    text = text.replace("OPERATORS", ",\n".join(f"o{i} = {o}" for i, o in enumerate(operators(count))))
    text = text.replace("BITS", ", ".join(str(b) for b in (4, 6, 8, 5, 7, 3)[:bits]))
    found = compile_text(text)
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    run = prepare(found.space, SEED, data, ignore, threading.Event())
    joint = begin_joint(run, run.stage("search"), SEED)
    joint.distribution.set_epoch(0)
    return Case(joint, next(iter(run.task.batches("train", batch))))


def largest(case: Case) -> Design:
    """The first operator everywhere, at 8 bit."""
    wanted = np.zeros((1, len(case.joint.distribution.decisions)), np.int64)
    for j, d in enumerate(case.joint.distribution.decisions):
        wanted[0, j] = 2 if d.path.startswith("precision") else 0
    return case.run.costs.decode(case.joint.distribution.liveness.fill(wanted)[0])


def paired(first: Callable[[], None], second: Callable[[], None], steps: int) -> float:
    """The median of the time of the first over that of the second, one right after the other."""
    found = []
    for n in range(steps + 3):
        seconds = []
        for work in (first, second):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        if n >= 3:
            found.append(seconds[0] / seconds[1])
    return statistics.median(found)


def compare(case: Case, steps: int, before: dict[str, float]) -> None:
    """One line: the largest path, the largest of some that are drawn, an architecture step of two paths, soft bits."""
    design, joint = largest(case), case.joint
    for row in joint.distribution.draw(DRAWN):  # banks and states at their full size before anything is weighed
        case.step(case.run.costs.decode(row))
    case.step(design)
    alone = Alone(case, design)
    alone.step()
    own = alone.resting + measure_peak(alone.step)
    shared = measure_peak(lambda: case.step(design))
    encoded = case.run.costs.encode([design])
    shares = joint.distribution.mix(encoded[0])
    soft = measure_peak(lambda: case.step(design, shares))
    look = measure_peak(lambda: joint._data_loss(encoded, case.batch))
    drawn = max(_peak(case, row) for row in joint.distribution.draw(DRAWN))

    def two() -> None:
        case.step(design)
        joint._data_loss(encoded, case.batch)
        joint._data_loss(encoded, case.batch)

    hard = paired(lambda: case.step(design), alone.step, steps)
    mixed = paired(lambda: case.step(design, shares), alone.step, max(steps // 3, 5))
    whole = paired(two, alone.step, max(steps // 3, 5))
    now = {"shared": shared, "soft": soft, "drawn": drawn}
    grown = max((now[k] / before[k] for k in before), default=1.0)
    ratios = (shared / own, soft / own, drawn / own, look / own, grown, hard, mixed, whole)
    print(
        f"{len(joint.distribution.decisions):10}{own / MIB:10.2f}"
        + "".join(f"{r:10.3f}" for r in ratios)
        + f"{joint.supernet.bank_bytes / MIB:10.1f}",
        flush=True,
    )
    before.update({k: v for k, v in now.items() if k not in before})


def _peak(case: Case, row: NDArray[np.int64]) -> int:
    design = case.run.costs.decode(row)
    return measure_peak(lambda: case.step(design))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--candidates", type=int, nargs="+", default=[3, 27, 300], choices=sorted(SIZES))
    parser.add_argument("--steps", type=int, default=60, help="paired steps that are timed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(SEED)
        arrays = {}
        for part, n in (("train", 400), ("test", 40)):
            arrays[f"x_{part}"] = random.integers(0, 256, (n, 32, 32, 3), np.uint8)
            arrays[f"y_{part}"] = np.arange(n) % 10
        np.savez(Path(folder) / "cifar10.npz", **arrays)
        print("MiB of the largest path alone; ratios to it: its step in the supernet, with soft bits, the largest of")
        print(f"{DRAWN} drawn paths, a look of the architecture step; the growth since the first line; then times:")
        print("a weight step, with soft bits, a whole step of two paths; MiB of banks in files")
        for batch in options.batches:
            print(f"\nbatch {batch}")
            heads = ("decisions", "alone", "shared", "soft", "drawn", "look", "growth", "time", "soft", "two", "banks")
            print("candidates" + "".join(f"{h:>10}" for h in heads))
            before: dict[str, float] = {}
            for candidates in options.candidates:
                print(f"{candidates:10}", end="", flush=True)
                compare(prepare_case(candidates, batch, Path(folder)), options.steps, before)


if __name__ == "__main__":
    main()
