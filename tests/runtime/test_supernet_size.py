"""What compile says of a supernet against the modules and the allocator."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
import torch
from cospace.compiler.driver import compile_file
from cospace.compiler.exact import evaluate
from cospace.compiler.model import Call
from cospace.compiler.supernet import estimate
from cospace.runtime.context import prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.memory import measure_peak
from cospace.runtime.network import parameter_shapes
from cospace.runtime.plan import Subnet

SPECS = sorted(Path(__file__).resolve().parents[2].glob("specs/*.cospace"))


@pytest.fixture(scope="module", params=SPECS, ids=lambda p: p.stem)
def joint(request: pytest.FixtureRequest) -> Joint:
    space = compile_file(request.param).space
    assert space is not None
    run = prepare(space, 0, None, ignore, threading.Event())
    return begin_joint(run, run.stage("search"), 0)


def resolve_largest(joint: Joint) -> Subnet:
    decisions, largest = joint.distribution.decisions, dict(estimate(joint.run.space).largest)
    wanted = joint.distribution.likeliest().clip(0)
    for j, d in enumerate(decisions):
        if d.path in largest:
            wanted[0, j] = d.values.index(largest[d.path])
    return joint.run.planner.resolve(joint.run.costs.decode(joint.distribution.liveness.fill(wanted)[0]))


def test_state_in_text_is_what_modules_train(joint: Joint) -> None:
    calls = {n.path: n for n in joint.run.planner.plan.nodes if isinstance(n, Call)}
    for row in joint.draw(12):
        design = joint.run.costs.decode(row)
        for step in joint.run.planner.resolve(design).steps:
            said = sorted(
                math.prod(int(evaluate(size, design)) for size in shape)  # type: ignore[arg-type]
                for _, shape in calls[step.path].state
            )
            assert said == sorted(math.prod(shape) for _, shape in parameter_shapes(step).values()), step.path


def test_the_estimated_peak_is_near_the_measured_one(joint: Joint) -> None:
    subnet, split = resolve_largest(joint), joint.run.task.splits["train"]

    def step() -> None:
        joint.supernet.step(
            subnet,
            lambda out: torch.nn.functional.cross_entropy(out[split], joint.run.task.targets[split]),
            joint.settings.optimiser,
            0,
        )

    step()
    measured = measure_peak(step)
    assert estimate(joint.run.space).peak_bytes == pytest.approx(measured, rel=0.2)


def test_a_path_alone_takes_no_less_than_in_the_supernet(joint: Joint) -> None:
    subnet, split = resolve_largest(joint), joint.run.task.splits["train"]

    def step() -> None:
        joint.supernet.step(
            subnet,
            lambda out: torch.nn.functional.cross_entropy(out[split], joint.run.task.targets[split]),
            joint.settings.optimiser,
            0,
        )

    step()
    first = measure_peak(step)
    for row in joint.draw(30):  # more alternatives in the banks change nothing while one path runs
        joint.supernet.take(joint.run.planner.resolve(joint.run.costs.decode(row)))
    assert measure_peak(step) <= 1.1 * first
