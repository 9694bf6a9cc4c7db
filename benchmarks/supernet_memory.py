"""Memory and time of a supernet's steps against the same sampled path trained alone.

    python benchmarks/supernet_memory.py [--spec specs/….cospace] [--data FOLDER] [--paths 12]

Bytes are those of live tensors at the peak of a step: inputs, weights, gradients, the optimiser's state and everything
autograd keeps; never the process's size. The banks of all other paths and their state are parked in mapped files while
a path runs; they are printed beside, and once more counted in.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import torch
from cospace.compiler.driver import compile_file
from cospace.compiler.supernet import estimate
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.memory import count_bytes, measure_peak
from cospace.runtime.network import initial_weights, run
from cospace.runtime.plan import Subnet

TIMED = 7


class Alone:
    """One path with its own weights and state."""

    def __init__(self, run_: Run, joint: Joint, subnet: Subnet) -> None:
        self.run, self.joint, self.subnet, self.count = run_, joint, subnet, 0
        self.weights = initial_weights(subnet, 0, run_.device)
        self.leaves = [p for own in self.weights for p in own.values()]
        slots = joint.settings.optimiser.slots
        self.states = [[torch.zeros_like(p, requires_grad=False) for _ in range(slots)] for p in self.leaves]

    @property
    def resting(self) -> int:
        return count_bytes([p.detach() for p in self.leaves] + self.states)

    def step(self) -> None:
        self.count += 1
        split = self.run.task.splits["train"]
        output = run(self.subnet, self.run.fields, self.weights, training=True)
        loss = self.joint.settings.loss.of_data(output[split], self.run.task.targets[split], (1.0,))
        gradients = torch.autograd.grad(loss, self.leaves, allow_unused=True)
        for leaf, gradient, state in zip(self.leaves, gradients, self.states, strict=True):
            if gradient is not None:
                self.joint.settings.optimiser.update(leaf.detach(), gradient, state, self.count, 0)


def time_of(work: object, repeat: int = TIMED) -> float:
    """Median seconds of a call."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()  # type: ignore[operator]
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default="specs/gcos.cospace")
    parser.add_argument("--name", default="cora")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--paths", type=int, default=12)
    options = parser.parse_args()
    space = compile_file(Path(options.spec), {"data": options.name}).space
    if space is None:
        raise SystemExit(f"{options.spec} does not compile; `cospace check` says why")
    run_ = prepare(space, 0, options.data, ignore, threading.Event())
    joint = begin_joint(run_, run_.stage("search"), 0)
    inputs = count_bytes(list(run_.fields.values())) + count_bytes(run_.task.targets)
    split = run_.task.splits["train"]
    print(f"{options.name}: inputs {inputs / 2**20:.2f} MiB, in every figure below; MiB, then seconds")
    print(f"{'path':44} {'alone':>7} {'super':>7} {'ratio':>6} {'+banks':>7} {'k=2':>6} {'time':>6}")
    joint.distribution.set_epoch(0)
    rows = joint.draw(options.paths)
    for row in [*joint.distribution.draw(500), *rows]:  # banks reach their full size first
        if run_.costs.promising(row[None])[0]:
            joint.supernet.take(run_.planner.resolve(run_.costs.decode(row)))
    joint.supernet.take(run_.planner.resolve(run_.costs.decode(fill(joint, dict(estimate(space).largest)))))
    ratios, counted, searched, times, totals = [], [], [], [], [0.0, 0.0]
    for row in rows:
        subnet = run_.planner.resolve(run_.costs.decode(row))
        alone = Alone(run_, joint, subnet)

        def weigh(subnet: Subnet = subnet) -> None:
            joint.supernet.step(
                subnet,
                lambda o: joint.settings.loss.of_data(o[split], run_.task.targets[split], (1.0,)),
                joint.settings.optimiser,
                0,
            )

        def search(subnet: Subnet = subnet) -> None:
            for _ in range(2):  # paths of an architecture step run one after the other
                joint.supernet.evaluate(subnet)

        alone.step()
        weigh()
        own = inputs + alone.resting + measure_peak(alone.step)
        shared = inputs + measure_peak(weigh)
        looked = inputs + measure_peak(search)
        ratio_time = time_of(weigh) / time_of(alone.step)
        ratios.append(shared / own)
        counted.append((shared + joint.supernet.bank_bytes) / own)
        searched.append(looked / own)
        times.append(ratio_time)
        totals[0] += own
        totals[1] += shared
        name = " ".join(s.source.split(".")[1] + str(s.shape[-1]) for s in subnet.steps if s.precision.weight_bits < 32)
        print(
            f"{name:44} {own / 2**20:7.2f} {shared / 2**20:7.2f} {ratios[-1]:6.2f} {counted[-1]:7.2f} "
            f"{searched[-1]:6.2f} {ratio_time:6.2f}"
        )
    print(
        f"{'mean':44} {totals[0] / len(rows) / 2**20:7.2f} {totals[1] / len(rows) / 2**20:7.2f} "
        f"{statistics.mean(ratios):6.2f} {statistics.mean(counted):7.2f} {statistics.mean(searched):6.2f} "
        f"{statistics.mean(times):6.2f}"
    )
    print(f"{'worst':44} {'':7} {'':7} {max(ratios):6.2f} {max(counted):7.2f} {max(searched):6.2f} {max(times):6.2f}")
    print(
        f"parked outside of steps: {joint.supernet.bank_bytes / 2**20:.2f} MiB, {joint.supernet.parameters:,} weights"
    )
    guess = estimate(space)
    largest = run_.planner.resolve(run_.costs.decode(fill(joint, dict(guess.largest))))

    def weigh_largest() -> None:
        joint.supernet.step(
            largest,
            lambda o: joint.settings.loss.of_data(o[split], run_.task.targets[split], (1.0,)),
            joint.settings.optimiser,
            0,
        )

    weigh_largest()
    found = measure_peak(weigh_largest)
    print(
        f"largest path, inputs left out: compile estimates {guess.peak_bytes / 2**20:.2f} MiB, measured "
        f"{found / 2**20:.2f} MiB ({guess.peak_bytes / found - 1:+.1%}); {guess.parameters:,} weights estimated"
    )


def fill(joint: Joint, design: dict[str, object]) -> np.ndarray:
    """A row with the given decisions, the rest at their likeliest."""
    decisions = joint.distribution.decisions
    wanted = np.array([[int(x.argmax()) for x in joint.distribution.logits]])
    for j, d in enumerate(decisions):
        if d.path in design:
            wanted[0, j] = d.values.index(design[d.path])  # type: ignore[arg-type]
    return joint.distribution.liveness.fill(wanted)[0]


if __name__ == "__main__":
    main()
