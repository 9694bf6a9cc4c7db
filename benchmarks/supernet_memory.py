"""Memory and time of a supernet's steps against the same sampled path trained alone, and when a space doubles.

    python benchmarks/supernet_memory.py [--spec specs/….cospace] [--data FOLDER] [--sets digits cora] [--paths 12]

What is counted: bytes of tensors alive in memory at the peak of a step (inputs, weights, gradients, the optimiser's
state, all that autograd keeps), never the process's size. The weights and the optimiser's state of what is not on the
path are no tensors then: they lie in files on a disk, and their room is printed beside (where the folder for temporary
files itself lies in memory, count it in). `unparked` is the same step with that switched off, all banks and their state
resting in memory and counted.

A space is doubled in its text (`variants.py`): each alternative a second time under another name; each bitwidth joined
by another. Every path of the larger space stands against the path that it was made from. The two ways of doubling are
held against the figures of the space as written; so is what `cospace compile` says of the largest path.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from attrs import define, frozen
from cospace.compiler.driver import compile_text
from cospace.compiler.space.model import Design, Space
from cospace.compiler.supernet import estimate, estimate_path
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.memory import count_bytes, measure_peak
from cospace.runtime.network import fresh_tensors, leaves_of
from cospace.runtime.plan import Subnet
from cospace.runtime.step import gradients_of
from cospace.runtime.supernet import Supernet
from cospace.runtime.train import look
from variants import AGAIN, double_alternatives, double_bits

TIMED = 25
GROWN = 1_000
ESTIMATED = 60
MIB = 2**20
SEED = 0


class Alone:
    """One path with its own weights and state."""

    def __init__(self, joint: Joint, subnet: Subnet) -> None:
        self.joint, self.subnet, self.count = joint, subnet, 0
        self.tensors = fresh_tensors([subnet], SEED, joint.run.device)
        self.leaves = leaves_of(self.tensors)
        slots = joint.settings.optimiser.slots
        self.states = [[p.detach().clone().zero_() for _ in range(slots)] for p in self.leaves]

    @property
    def resting(self) -> int:
        return count_bytes([p.detach() for p in self.leaves] + self.states)

    def step(self) -> None:
        self.count += 1
        (batch,) = self.joint.run.task.batches("train")
        _, gradients = gradients_of({(): self.subnet}, self.tensors, batch, self.joint.settings.loss, 0)
        for leaf, gradient, state in zip(self.leaves, gradients, self.states, strict=True):
            if gradient is not None:
                self.joint.settings.optimiser.update(leaf.detach(), gradient, state, self.count, 0)


@define
class Case:
    """One space on one data set. inputs: bytes of its data; logits: of the distribution and its optimisers' state."""

    space: Space
    joint: Joint
    inputs: int
    logits: int

    @property
    def run(self) -> Run:
        return self.joint.run

    def resolve(self, design: Design) -> Subnet:
        return self.run.planner.resolve(design)

    def weigh(self, subnet: Subnet, supernet: Supernet | None = None) -> None:
        """A weight step."""
        shared = supernet or self.joint.supernet
        (batch,) = self.run.task.batches("train")
        shared.step({(): subnet}, batch, self.joint.settings.loss, self.joint.settings.optimiser, 0)

    def search(self, subnets: list[Subnet]) -> None:
        """What an architecture step asks of the paths that it compares: one after the other, without gradients."""
        for subnet in subnets:
            look(self.run, subnet, self.joint.supernet.weights(subnet), "search")

    def measure(self, work: Callable[[], None]) -> int:
        return self.inputs + self.logits + measure_peak(work)


@frozen
class Row:
    """One path: bytes of its steps, and seconds of the shared one over the seconds alone."""

    design: Design
    alone: int
    shared: int
    unparked: int
    looked: tuple[int, ...]
    time: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--sets", nargs="+", default=["digits", "cora"], help="values of the spec's parameter `data`")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--paths", type=int, default=12)
    parser.add_argument("--compared", type=int, nargs="+", default=[2, 8], help="paths of an architecture step")
    options = parser.parse_args()
    text = Path(options.spec).read_text("utf-8")
    for name in options.sets:
        case = prepare_case(text, options.spec, name, options.data)
        print(
            f"\n{name}: data and logits {(case.inputs + case.logits) / MIB:.2f} MiB, in every figure; MiB, then ratios"
        )
        rows = compare_with_alone(case, options.paths, options.compared)
        for what, double in (("alternatives", double_alternatives), ("bitwidths", double_bits)):
            larger = prepare_case(double(text), options.spec, name, options.data)
            compare_doubled(what, case, larger, rows)
        compare_estimates(case)


def prepare_case(text: str, path: str, name: str, data: Path | None) -> Case:
    space = compile_text(text, {"data": name}, path).space
    if space is None:
        raise SystemExit(f"{path} does not compile; `cospace check` says why")
    run_ = prepare(space, SEED, data, ignore, threading.Event())
    joint = begin_joint(run_, run_.stage("search"), SEED)
    joint.distribution.set_epoch(0)
    batches = [b for split in ("train", "search", "choice", "report") for b in run_.task.batches(split)]
    inputs = count_bytes([[list(b.fields.values()), b.targets, b.asked] for b in batches])
    return Case(space, joint, inputs, count_bytes([joint.distribution.logits, joint.distribution.states]))


def compare_with_alone(case: Case, paths: int, compared: list[int]) -> list[Row]:
    """Each drawn path in the supernet and by itself."""
    joint = case.joint
    plain = Supernet(SEED, case.run.device, park=False)
    drawn = joint.draw(paths)
    for supernet in (joint.supernet, plain):
        grow(case, supernet, [case.run.costs.decode(r) for r in drawn])
    looks = "".join(f"{f'k={k}':>7}" for k in compared)
    print(f"{'path':44}{'alone':>7}{'shared':>7}{'ratio':>7}{looks}{'time':>7}{'unparked':>9}")
    rows = []
    for encoded in drawn:
        design = case.run.costs.decode(encoded)
        subnet = case.resolve(design)
        alone = Alone(joint, subnet)
        alone.step()
        own = case.inputs + case.logits + alone.resting + measure_peak(alone.step)
        shared = case.measure(lambda s=subnet: case.weigh(s))  # type: ignore[misc]
        unparked = case.measure(lambda s=subnet: case.weigh(s, plain)) + plain.resting_bytes  # type: ignore[misc]
        beside = [case.resolve(case.run.costs.decode(r)) for r in joint.draw_beside(encoded[None], max(compared) - 1)]
        looked = tuple(case.measure(lambda s=[subnet, *beside[: k - 1]]: case.search(s)) for k in compared)  # type: ignore[misc]
        seconds = time_ratio(lambda s=subnet: case.weigh(s), alone.step)  # type: ignore[misc]
        rows.append(Row(design, own, shared, unparked, looked, seconds))
        print(f"{name_of(subnet):44}{own / MIB:7.2f}{shared / MIB:7.2f}" + ratios(rows[-1:], max))
    print(f"{'mean':58}" + ratios(rows, statistics.mean))
    print(f"{'worst':58}" + ratios(rows, max))
    supernet = joint.supernet
    values = sum(b.values.nbytes for b in supernet.banks.values())
    print(
        f"parked between steps: {supernet.parameters:,} weights, {values / MIB:.2f} MiB, and the optimiser's state, "
        f"{(supernet.bank_bytes - values) / MIB:.2f} MiB, in {supernet.disk_bytes / MIB:.0f} MiB of files; in memory "
        f"{supernet.resting_bytes} bytes"
    )
    return rows


def grow(case: Case, supernet: Supernet, designs: list[Design]) -> None:
    """Bring the banks to their full size before anything is weighed, with the optimiser's state."""
    for row in case.joint.distribution.draw(GROWN):
        supernet.take([case.resolve(case.run.costs.decode(row))])
    for design in [*designs, largest(case)]:
        case.weigh(case.resolve(design), supernet)
    slots = case.joint.settings.optimiser.slots
    for bank in supernet.banks.values():
        bank.state.extend(supernet.make_array(bank.values.shape) for _ in range(slots - len(bank.state)))


def ratios(rows: list[Row], summary: Callable[[list[float]], float]) -> str:
    """One line's ratios to the path alone."""
    looks = "".join(f"{summary([r.looked[i] / r.alone for r in rows]):7.2f}" for i in range(len(rows[0].looked)))
    return (
        f"{summary([r.shared / r.alone for r in rows]):7.2f}{looks}{summary([r.time for r in rows]):7.2f}"
        f"{summary([r.unparked / r.alone for r in rows]):9.2f}"
    )


def compare_doubled(what: str, case: Case, larger: Case, rows: list[Row]) -> None:
    """Each path against one of the larger space that differs from it in what was added alone."""
    random = np.random.default_rng(SEED)
    before = {d.path: d.values for d in case.space.decisions}
    designs = [widen(larger, before, r.design, random) for r in rows]
    grow(larger, larger.joint.supernet, designs)
    weights, looks, changed = [], [], 0
    for design, row in zip(designs, rows, strict=True):
        subnet = larger.resolve(design)
        changed += subnet != case.resolve(row.design)
        weights.append(larger.measure(lambda s=subnet: larger.weigh(s)) / row.shared)  # type: ignore[misc]
        own = [case.resolve(row.design)]
        looks.append(
            larger.measure(lambda s=[subnet]: larger.search(s)) / case.measure(lambda s=own: case.search(s))  # type: ignore[misc]
        )
    values = [sum(len(d.values) for d in c.space.decisions if d.group != "engine") for c in (case, larger)]
    print(
        f"twice the {what} ({values[0]} -> {values[1]} values of all decisions; new ones on {changed} of {len(rows)} "
        f"paths): weight step worst {max(weights):.3f}x, architecture step worst {max(looks):.3f}x, parked "
        f"{larger.joint.supernet.bank_bytes / case.joint.supernet.bank_bytes:.3f}x"
    )


def widen(larger: Case, before: dict[str, tuple[object, ...]], design: Design, random: np.random.Generator) -> Design:
    """The design in the larger space; wherever a decision has new values, one of them or the old one, by chance."""
    decisions = larger.joint.distribution.decisions
    wanted = np.zeros((1, len(decisions)), np.int64)
    for j, d in enumerate(decisions):
        path = d.path.replace(AGAIN, "")
        if path not in design:
            continue
        old, values = design[path], list(d.values)
        new = [v for v in values if v not in before[path]]
        twins = [v for v in new if str(v) == f"{old}{AGAIN}"] or [v for v in new if not str(v).endswith(AGAIN)]
        options = [old, *twins]
        wanted[0, j] = values.index(options[int(random.integers(len(options)))])
    return larger.run.costs.decode(larger.joint.distribution.liveness.fill(wanted)[0])


def compare_estimates(case: Case) -> None:
    """What the text promises of memory, against what was measured; data and logits left out of both."""
    guess = estimate(case.space)
    subnet = case.resolve(largest(case))
    found = measure_peak(lambda: case.weigh(subnet))
    print(
        f"`cospace compile` says {guess.peak_bytes / MIB:.2f} MiB at the peak: {name_of(subnet)} takes "
        f"{found / MIB:.2f} ({guess.peak_bytes / found - 1:+.1%}); {guess.parameters:,} weights said, "
        f"{case.joint.supernet.parameters:,} found"
    )
    peaks, apart = [], []
    for row in case.joint.distribution.draw(ESTIMATED):
        design = case.run.costs.decode(row)
        subnet = case.resolve(design)
        case.weigh(subnet)
        peaks.append(measure_peak(lambda s=subnet: case.weigh(s)))  # type: ignore[misc]
        apart.append(estimate_path(case.space, design) / peaks[-1] - 1)
    print(
        f"{ESTIMATED} drawn paths take {min(peaks) / MIB:.2f} to {max(peaks) / MIB:.2f} MiB; the estimate of each: "
        f"worst {max(apart, key=abs):+.1%}, within 20 % for {sum(abs(a) <= 0.2 for a in apart)}"
    )


def largest(case: Case) -> Design:
    """The path that `estimate` names, the rest at its likeliest."""
    decisions, wanted = case.joint.distribution.decisions, case.joint.distribution.likeliest().clip(0)
    design = dict(estimate(case.space).largest)
    for j, d in enumerate(decisions):
        if d.path in design:
            wanted[0, j] = d.values.index(design[d.path])
    return case.run.costs.decode(case.joint.distribution.liveness.fill(wanted)[0])


def name_of(subnet: Subnet) -> str:
    return " ".join(s.source.split(".")[1] + str(s.shape[-1]) for s in subnet.steps if s.precision.weight_bits < 32)


def time_ratio(first: Callable[[], None], second: Callable[[], None]) -> float:
    """Median seconds of the one over the other's, called in turn so that both meet the same machine."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMED):
        for work, seconds in zip((first, second), taken, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return statistics.median(taken[0]) / statistics.median(taken[1])


if __name__ == "__main__":
    main()
