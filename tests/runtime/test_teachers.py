"""Losses that learn from a network of the same design at full precision, trained before by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run
from cospace.runtime.losses import CrossEntropy, Only
from cospace.runtime.network import fresh_tensors, weights_of
from cospace.runtime.network import run as run_network
from cospace.runtime.step import gradients_of
from cospace.runtime.train import read_train_settings, train, train_teacher

from tests.runtime.spaces import prepared_text

TEXT = """space taught
import std.tasks
import std.images
import std.learn
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 8)
    x = mbconv(x, out = 8, expansion = 2, stride = 2)
    linear(global_pool(x), out = photos.classes)
}
precision of net.mbconv { both = BITS bit; state = {norm} }
minimize OBJECTIVE
search { epochs = 1; optimiser = sgd(0.1); loss = SEARCHED }
train of net { epochs = 2; batch = 64; optimiser = sgd(0.05, clip = 5); loss = LOSS }
"""


def prepared(loss: str, bits: str = "switch {2, 4, 32}", searched: str = "cross_entropy()") -> Run:
    objective = "each(error(photos) for precision.both)" if "switch" in bits else "error(photos)"
    text = TEXT.replace("BITS", bits).replace("OBJECTIVE", objective)
    return prepared_text(text.replace("SEARCHED", searched).replace("LOSS", loss))


def settings_of(run: Run) -> Any:
    return read_train_settings(run, run.stage("train"))


TAUGHT = "taught(cross_entropy(), beta = 3)"
CASCADE = "taught(cascade(cross_entropy(), over = precision.both), beta = 3)"
ONE = f"only({TAUGHT}, over = precision.both, value = 4 bit)"


def test_a_teacher_is_whole_alone_and_of_its_own_seed() -> None:
    run = prepared(CASCADE)
    settings, subnets = settings_of(run), run.planner.subnets({})
    assert [loss for _, loss in settings.loss.of_teacher(list(subnets)[-1]).data] == [CrossEntropy()]
    teacher = train_teacher(run, subnets, settings, 0)
    assert all(s.precision.weight_bits == 32 and not s.kept for s in teacher.subnet.steps)
    plain = prepared("cross_entropy()", "32")
    (subnet,) = plain.planner.subnets({}).values()
    alone = train(plain, {(): subnet}, settings_of(plain), 500_000)
    for mine, theirs in zip(teacher.weights, weights_of(subnet, alone.tensors), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("loss", "read"), [(TAUGHT, 3), (CASCADE, 3), (ONE, 1)])
def test_what_a_teacher_says_is_added_and_moves_its_pupil_alone(loss: str, read: int) -> None:
    run, plain = prepared(loss), prepared(loss.replace(TAUGHT, "cross_entropy()").replace(CASCADE, CASCADE[7:-11]))
    subnets = run.planner.subnets({})
    teacher = train_teacher(run, subnets, settings_of(run), 0)
    before = [{n: t.clone() for n, t in own.items()} for own in teacher.weights]
    (batch, *_) = run.task.batches("train", 64)
    totals = []
    for of, given in ((run, teacher), (plain, None)):
        tensors = fresh_tensors(subnets.values(), 0, run.device)
        totals.append(gradients_of(subnets, tensors, batch, settings_of(of).loss, 0, teacher=given)[0])
    tensors = fresh_tensors(subnets.values(), 0, run.device)
    asked = settings_of(run).loss.read_at(list(subnets))
    said = run_network(teacher.subnet, batch.fields, teacher.weights)
    apart = [
        F.mse_loss(run_network(subnets[at], batch.fields, weights_of(subnets[at], tensors), training=True), said)
        for at in asked
    ]
    assert len(asked) == read
    assert (totals[0] - totals[1]).item() == pytest.approx(3 * sum(a.item() for a in apart) / read, rel=1e-4)
    assert all(torch.equal(b[n], own[n]) for b, own in zip(before, teacher.weights, strict=True) for n in own)


@pytest.mark.parametrize(
    ("loss", "bits", "passes"),
    [
        ("cross_entropy()", "4", 2),
        (TAUGHT, "4", 2 * 1.5 + 2),
        (TAUGHT, "switch {2, 4, 32}", 2 * 3.5 + 2),
        (ONE, "switch {2, 4, 32}", 2 * 1.5 + 2),
    ],
)
def test_passes_of_a_teacher_are_counted(loss: str, bits: str, passes: float) -> None:
    run = prepared(loss, bits)
    settings, subnets = settings_of(run), run.planner.subnets({})
    looks = len(subnets) + settings.loss.taught
    assert settings.passes(list(subnets)) == passes + looks / 2
    trained = train(run, subnets, settings, 0)
    looked = sum(b.share for b in run.task.batches("choice")) * looks / 2  # at fewer examples than a pass has
    frozen = sum(r is not None for r in trained.ranges.values()) / 2
    calibrated = looks / 2  # all of this data, at each binding and for the teacher
    assert run.budget.passes == pytest.approx(passes + looked + frozen + calibrated)


def test_a_pupil_comes_nearer_to_its_teacher() -> None:
    distances = []
    for loss in (TAUGHT, "cross_entropy()"):
        run = prepared(loss, "2")
        settings, subnets = settings_of(run), run.planner.subnets({})
        teacher = train_teacher(run, subnets, settings_of(prepared(TAUGHT, "2")), 0)
        (subnet,) = subnets.values()
        trained = train(run, subnets, settings, 0, teacher=teacher if loss == TAUGHT else None)
        (batch,) = run.task.batches("choice")
        outputs = [
            run_network(of, batch.fields, weights)
            for of, weights in ((subnet, weights_of(subnet, trained.tensors)), (teacher.subnet, teacher.weights))
        ]
        distances.append(F.mse_loss(*outputs).item())
    assert distances[0] < 0.8 * distances[1]


def test_norms_of_a_trained_network_are_those_of_its_last_weights() -> None:
    run = prepared("cross_entropy()", "32")
    settings, subnets = evolve(settings_of(run), epochs=5), run.planner.subnets({})
    trained = train(run, subnets, settings, 1)
    (subnet,) = subnets.values()
    weights = weights_of(subnet, trained.tensors)
    batches = list(run.task.batches("train", 64))
    told = []
    for training in (False, True):
        own = [{n: t.clone() for n, t in step.items()} for step in weights]
        with torch.no_grad():
            outputs = [run_network(subnet, b.fields, own, training=training) for b in batches]
        told.append(torch.stack([F.cross_entropy(o, b.targets) for o, b in zip(outputs, batches, strict=True)]).mean())
    assert told[0].item() == pytest.approx(told[1].item(), rel=0.1)


def test_a_search_has_no_teacher() -> None:
    run = prepared("cross_entropy()", searched=TAUGHT)
    with pytest.raises(SpecError) as caught:
        read_train_settings(run, run.stage("search"))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS705" and "train" in (diagnostic.help or "")
    assert isinstance(settings_of(prepared(ONE)).loss.data[0][1], Only)
