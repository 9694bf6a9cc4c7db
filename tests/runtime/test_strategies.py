"""How groups of decisions are searched, as text says it: bits mixed in weight steps, weights of costs that follow a
target, accelerators proved part by part."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from cospace.compiler.driver import compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.space.graph import Symbol
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run, prepare
from cospace.runtime.costs import Costs
from cospace.runtime.events import ignore
from cospace.runtime.freeze import freeze, thaw
from cospace.runtime.hardware import Hardware
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.quantise import Mixed, Precision

from tests.runtime.spaces import prepared_text

SPECS = Path(__file__).parents[2] / "specs"

TEXT = """space mixed
import std.tasks
import std.images
import std.learn
import std.systolic
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 6)
    x = choose block { wide = mbconv(x, out = 8, expansion = 3, stride = 2), plain = conv_norm(x, out = 8, stride = 2) }
    linear(global_pool(x), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.block { both = choose {2, 4, 8} bit }
chip = systolic()
minimize error(photos)
minimize chip.latency
search {
    epochs = 4; batch = 128
    loss = cross_entropy() + steered(chip.latency, 1 ns, 1 ns, start = 1e-3) * chip.latency / 1 ms
    optimiser = sgd(0.1); net by gumbel(); precision by gumbel(forward = soft); chip by das(samples = 2)
}
train of net { epochs = 1; optimiser = sgd(0.1) }
"""


def prepared(text: str = TEXT) -> Run:
    return prepared_text(text)


def begun(run: Run) -> Joint:
    return begin_joint(run, run.stage("search"), 0)


def test_a_mixture_is_the_mean_of_what_its_precisions_round_to() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    parts = (Precision(2, 2), Precision(8, 8))
    mixed = Mixed(parts=parts, shares=(0.25, 0.75))
    for kind in ("weight", "activation"):
        found = getattr(mixed, kind)(x)
        assert torch.allclose(found, 0.25 * getattr(parts[0], kind)(x) + 0.75 * getattr(parts[1], kind)(x))
        (gradient,) = torch.autograd.grad(found.sum(), x)
        assert torch.allclose(gradient, torch.ones_like(x))  # straight through


def test_weights_learn_under_all_bits_and_paths_are_judged_at_one() -> None:
    run = prepared()
    joint = begun(run)
    joint.distribution.set_epoch(0)
    row = joint.draw(1)[0]
    shares = joint.distribution.mix(row)
    assert list(shares) == ["precision.both"] and sum(shares["precision.both"].values()) == pytest.approx(1)
    design = run.costs.decode(row)
    (soft,) = run.planner.subnets(design, frozenset(shares)).values()
    (hard,) = run.planner.subnets(design).values()
    inside = [s for s in soft.steps if s.path.startswith("net.block") and s.mixed]
    assert inside and all(len(s.mixed) == 3 for s in inside) and not any(s.mixed for s in hard.steps)
    assert not any(s.mixed for s in soft.steps if not s.path.startswith("net.block"))
    one_hot = {"precision.both": {v: float(v == design["precision.both"]) for v in shares["precision.both"]}}
    (batch, *_) = run.task.batches("train", 32)
    settings = joint.settings
    losses = []
    for mixing, subnet in ((one_hot, soft), (None, hard), (shares, soft)):
        own = begun(run)
        losses.append(own.supernet.step({(): subnet}, batch, settings.loss, settings.optimiser, 0, mixing))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[2] != losses[0]


def test_what_decides_more_than_bits_is_not_mixed() -> None:
    with pytest.raises(SpecError, match="CS705"):
        begun(prepared(TEXT.replace("net by gumbel()", "net by gumbel(forward = soft)")))


def test_the_weight_of_a_cost_follows_its_target_and_survives_a_checkpoint() -> None:
    run = prepared()
    joint = begun(run)
    (weight,) = joint.settings.loss.steered
    assert [weight.follow(3.0, x) for x in (0.5e-9, 1e-9, 2e-9)] == [1.5, 3.0, 6.0]
    assert run.costs.inputs == {weight.name: 1e-3}
    joint.advance()  # the latency is far above its target
    assert run.costs.inputs[weight.name] == pytest.approx(2e-3)
    row = joint.draw(1)
    assert joint.settings.loss.cost is not None
    told = run.costs.price([joint.settings.loss.cost, run.space.objectives[1].value], row)[0]
    assert told[0] == pytest.approx(2e-3 * told[1] / 1e-3)
    state, tensors = freeze(joint)
    again = prepared()
    thaw(begun(again), state, tensors)
    assert again.costs.inputs == run.costs.inputs


@pytest.mark.parametrize(
    "bad", ["steered(chip.latency, 2 ns, 1 ns, start = 1)", "steered(chip.latency, 1 ns, 2 ns, start = 0)"]
)
def test_a_target_that_cannot_be_followed_is_told(bad: str) -> None:
    text = TEXT.replace("steered(chip.latency, 1 ns, 1 ns, start = 1e-3)", bad)
    with pytest.raises(SpecError, match="CS705"):
        begun(prepared(text))


def test_a_multiplier_rises_while_a_limit_is_not_met_and_is_never_below_zero() -> None:
    text = TEXT.replace("steered(chip.latency, 1 ns, 1 ns, start = 1e-3) * chip.latency / 1 ms",
                        "lagrange(chip.latency / 1 ns, rate = 1/2) * chip.latency / 1 ns")  # fmt: skip
    run = prepared(text)
    joint = begun(run)
    (multiplier,) = joint.settings.loss.steered
    assert [multiplier.follow(1.0, x) for x in (0, 0.5, 1, 1.5, 9, math.inf)] == [0.5, 0.75, 1, 1.25, 1.5, 1.5]
    assert multiplier.follow(0.1, 0.0) == 0 and run.costs.inputs == {multiplier.name: 0}
    joint.advance()  # the latency is far above its limit
    assert run.costs.inputs[multiplier.name] == pytest.approx(0.5)
    with pytest.raises(SpecError, match="CS705"):
        begun(prepared(text.replace("1/2", "0")))


def test_networks_are_drawn_under_a_hard_budget_that_few_meet() -> None:
    space = compile_file(SPECS / "auto_nba.cospace", {"scale": "small", "least": "200kHz"}).space
    assert space is not None
    joint = begin_joint(run := prepare(space, 0, None, ignore, threading.Event()), space.stages[0], 0)
    rows = np.concatenate([joint.draw(2), joint.draw_beside(joint.draw(1), 2), joint.draw(3)])
    assert run.costs.certified(rows).all()
    assert len({row[joint.network].tobytes() for row in rows}) >= 4
    assert len(joint.own_search.accelerators) >= 1  # each network is on one of those, or on the one it was drawn with


def test_accelerators_that_fall_apart_are_proved_the_best_for_a_network() -> None:
    """2e44 of them, which nothing lists."""
    space = compile_file(SPECS / "auto_nba.cospace", {"scale": "small", "least": "20kHz"}).space
    assert space is not None
    costs = Costs(space)
    hardware = Hardware(costs, [j for j, d in enumerate(space.decisions) if d.path.startswith("fpga")], 0)
    assert not hardware.complete
    row = begin_joint(run := prepare(space, 0, None, ignore, threading.Event()), run.stage("search"), 0).draw(1)
    skips = np.maximum(row, 0)
    for j, d in enumerate(space.decisions):
        if d.path.endswith("].op"):
            skips[0, j] = d.values.index(Symbol("skip"))
    hardware.find_best(hardware.liveness.fill(skips))  # takes no time on any accelerator, and says nothing of others
    found = hardware.find_best(row)
    assert found is not None and hardware.apart
    fixed = {p: v for p, v in costs.decode(row[0]).items() if not p.startswith("fpga")}
    proved = best(space, fixed)
    assert proved.certified and found[1] == pytest.approx(float(np.log(float(proved.objectives[0][0]))))


def test_an_accelerator_is_said_to_be_proved_where_it_is() -> None:
    run = prepared()
    hardware = Hardware(run.costs, [j for j, d in enumerate(run.costs.decisions) if d.path.startswith("chip")], 0)
    row = begun(run).draw(1)
    found = hardware.find_best(row)
    assert found is not None and "every accelerator" in (hardware.proof(found[0]) or "")
    worse = max(begun(run).draw(16), key=lambda r: float(run.costs.score(r[None])[0]))[None]
    if run.costs.score(worse)[0] > (hardware.find_best(worse) or found)[1]:
        assert hardware.proof(worse) is None
    hardware.complete = hardware.apart = False
    hardware._cache.clear()
    hardware._proofs.clear()
    assert hardware.find_best(row) is not None and hardware.proof(found[0]) is None


def test_a_batch_that_memory_has_no_room_for_is_told_with_one_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepared()
    joint = begun(run)
    (subnet,) = run.planner.subnets(run.costs.decode(joint.draw(1)[0])).values()
    (batch, *_) = run.task.batches("train", 40)
    room, real = 11, torch.nn.functional.conv2d

    def allocate(x: torch.Tensor, *given: object) -> torch.Tensor:
        if len(x) > room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return real(x, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "conv2d", allocate)
    for room, said in ((11, "`batch = 10` fits"), (0, "not one example fits")):  # noqa: B007
        with pytest.raises(SpecError) as caught:
            joint.supernet.step({(): subnet}, batch, joint.settings.loss, joint.settings.optimiser, 0)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "CS713" and "40 examples" in diagnostic.message and said in (diagnostic.help or "")
