"""What compile says of a supernet against the modules and the allocator."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.model import Call
from cospace.compiler.supernet import estimate
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.memory import measure_peak
from cospace.runtime.network import parameter_shapes
from cospace.runtime.plan import Subnet

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted(ROOT.glob("specs/*.cospace"))
UNTRAINED = {"CS701", "CS702", "CS707"}
"""A spec whose operators or task do not run yet, whose data is not at hand, or that trains nothing."""
sys.path.insert(0, str(ROOT / "benchmarks"))

from variants import double_alternatives, double_bits  # noqa: E402


@pytest.fixture(scope="module", params=SPECS, ids=lambda p: p.stem)
def joint(request: pytest.FixtureRequest) -> Joint:
    space = compile_file(request.param).space
    assert space is not None
    try:
        run = prepare(space, 0, None, ignore, threading.Event())
        return begin_joint(run, run.stage("search"), 0)
    except SpecError as error:
        if error.diagnostics[0].code in UNTRAINED:
            pytest.skip(str(error))
        raise


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


def step_along(joint: Joint, subnet: Subnet) -> None:
    (batch,) = joint.run.task.batches("train")
    joint.supernet.step({(): subnet}, batch, joint.settings.loss, joint.settings.optimiser, 0)


def test_the_estimated_peak_is_near_the_measured_one(joint: Joint) -> None:
    subnet = resolve_largest(joint)
    step_along(joint, subnet)
    measured = measure_peak(lambda: step_along(joint, subnet))
    assert estimate(joint.run.space).peak_bytes == pytest.approx(measured, rel=0.2)


def test_no_path_takes_more_than_the_estimated_peak(joint: Joint) -> None:
    said = estimate(joint.run.space).peak_bytes
    for row in joint.distribution.draw(12):
        subnet = joint.run.planner.resolve(joint.run.costs.decode(row))
        for weigh in (lambda work: work(), measure_peak):  # banks and their state are made at the first
            found = weigh(lambda s=subnet: step_along(joint, s))  # type: ignore[misc]
        assert found <= 1.2 * said


@pytest.mark.parametrize("double", [double_alternatives, double_bits])
def test_more_alternatives_or_bitwidths_take_no_more_memory(joint: Joint, double: Callable[[str], str]) -> None:
    """The path of the larger space that is the smaller one's largest, and the banks that all paths share."""
    (path,) = (p for p in SPECS if p.stem == joint.run.space.name)
    space = compile_text(double(path.read_text("utf-8")), {}, str(path)).space
    assert space is not None
    run = prepare(space, 0, None, ignore, threading.Event())
    larger = begin_joint(run, run.stage("search"), 0)
    count = [sum(len(d.values) for d in j.distribution.decisions) for j in (joint, larger)]
    assert count[1] > 1.3 * count[0]
    peaks, banks = [], []
    for each in (joint, larger):
        subnet = resolve_largest(each)
        step_along(each, subnet)
        peaks.append(measure_peak(lambda e=each, s=subnet: step_along(e, s)))  # type: ignore[misc]
        banks.append(estimate(each.run.space).parked_bytes)
    assert peaks[1] <= 1.1 * peaks[0]
    assert banks[1] == banks[0]


def test_a_path_alone_takes_no_less_than_in_the_supernet(joint: Joint) -> None:
    subnet = resolve_largest(joint)
    step_along(joint, subnet)
    first = measure_peak(lambda: step_along(joint, subnet))
    for row in joint.draw(30):  # more alternatives in the banks change nothing while one path runs
        joint.supernet.weights(joint.run.planner.resolve(joint.run.costs.decode(row)))
    assert measure_peak(lambda: step_along(joint, subnet)) <= 1.1 * first
