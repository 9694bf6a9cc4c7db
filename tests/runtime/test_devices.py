"""Mixed precision: weights learn in it, nothing is measured in it; where data lies, and how batches reach a device."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from cospace.compiler.space.model import Binding
from cospace.runtime.context import Run
from cospace.runtime.devices import ROOM, arithmetic, choose_bfloat16, fits
from cospace.runtime.joint import begin_joint
from cospace.runtime.network import Tensors, fresh_tensors, leaves_of, run, weights_of
from cospace.runtime.operators.sparse import SparseMatrix, build_pattern
from cospace.runtime.plan import Subnet
from cospace.runtime.quantise import Precision
from cospace.runtime.report import build
from cospace.runtime.results import read_run
from cospace.runtime.search import resume, search
from cospace.runtime.step import Gradients, Teacher, gradients_of
from cospace.runtime.tasks import image
from cospace.runtime.train import calibrate, look, measure_errors, read_train_settings, train

from tests.runtime.spaces import compiled, prepared_text
from tests.runtime.test_images import EVERY

CPU = torch.device("cpu")
IMAGES = """space mixed
import std.tasks
import std.images
import std.learn
photos = digits(augment = true)
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 8)
    x = mbconv(x, out = 8, expansion = 2)
    x = avg_pool(x) + x
    linear(global_pool(x), out = photos.classes)
}
precision of net { BITS }
minimize GOAL
search {
    epochs = 1; batch = 500; candidates = 1; changes = 0; rounds = 0; pool = 1
    loss = cross_entropy(); optimiser = sgd(0.1)
    BOUND
}
train of net { epochs = 2; batch = 500; seeds = 1; loss = LOSS; optimiser = sgd(0.1) }
"""
GRAPH = """space mixed
import std.tasks
import std.graph
import std.learn
nodes = node_classification("digits")
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    x = relu(gcn(x, adj, out = 16))
    x = x + relu(linear(x, out = 16))
    x = elu(gin(dropout(sage(x, adj, out = 16)), adj, out = 16))
    gat(x, adj, out = nodes.classes)
}
minimize error(nodes)
"""
TRAIN = """
precision of net { both = 8 bit }
train of net { epochs = 1; loss = cross_entropy(); optimiser = sgd(0.1) }
"""


def images(bits: str = "both = choose {8, 32} bit", loss: str = "cross_entropy()") -> str:
    bound = "precision by uniform()" if "choose" in bits else ""
    goal = "mean(error(photos) at precision.both = b for b in {4, 8} bit)" if "switch" in bits else "error(photos)"
    return IMAGES.replace("BITS", bits).replace("LOSS", loss).replace("BOUND", bound).replace("GOAL", goal)


def first_subnets(run_: Run) -> dict[Binding, Subnet]:
    """Of the design with the first value of each decision."""
    design = run_.costs.decode(np.zeros(len(run_.space.decisions), np.int64))
    return dict(run_.planner.subnets(design))


def step(run_: Run, bfloat16: bool) -> tuple[float, Tensors, Gradients]:
    """The loss of a step from fresh weights, what it was of, and its gradients."""
    torch.manual_seed(0)
    subnets = first_subnets(run_)
    settings = read_train_settings(run_, run_.stage("train"))
    teacher = None
    if settings.loss.taught:
        own = list(subnets.values())[-1]
        teacher = Teacher(own, weights_of(own, fresh_tensors([own], 9, CPU)))
        calibrate(run_, [(own, teacher.weights)], 64)
    tensors = fresh_tensors(subnets.values(), 0, CPU)
    batch = next(iter(run_.task.batches("train", 64)))
    loss, gradients = gradients_of(subnets, tensors, batch, settings.loss, 0, teacher=teacher, bfloat16=bfloat16)
    return float(loss), tensors, gradients


@pytest.mark.parametrize(
    ("text", "least"),
    [
        (images("both = 32 bit"), 0.98),
        (images("both = 8 bit"), 0.98),
        (images("both = 8 bit; quantiser = learned_step()"), 0.98),
        (images("both = switch {4, 8} bit; state = {norm}", "cascade(cross_entropy(), over = precision.both)"), 0.98),
        (images("both = 32 bit", "taught(cross_entropy())"), 0.98),
        (EVERY.replace("SIZE", "13") + TRAIN, 0.9),
        (GRAPH + TRAIN, 0.98),
    ],
    ids=["plain", "rounded", "learned steps", "switched", "taught", "every operator on images", "sparse"],
)
def test_in_mixed_precision_gradients_are_float32_and_close_to_those_without(text: str, least: float) -> None:
    run_ = prepared_text(text)
    plain, tensors, without = step(run_, False)
    mixed, others, found = step(run_, True)
    assert mixed == pytest.approx(plain, rel=0.02) and mixed != plain
    for a, b in zip(found, without, strict=True):
        assert (a is None) == (b is None) and (a is None or a.dtype == torch.float32)
    a, b = (torch.cat([g.flatten() for g in gradients if g is not None]) for gradients in (found, without))
    assert float(torch.cosine_similarity(a, b, 0)) > least and not torch.equal(a, b)
    assert all(t.dtype == torch.float32 for t in others.values())
    for name, tensor in tensors.items():  # what norms saw, and the steps that quantisers begin with
        torch.testing.assert_close(others[name], tensor, rtol=0.05, atol=0.02)


def test_without_mixed_precision_a_step_is_that_of_its_outputs_to_the_bit() -> None:
    run_ = prepared_text(images("both = 8 bit"))
    assert not run_.bfloat16 and not begin_joint(run_, run_.stage("search"), 0).supernet.bfloat16
    loss, _, gradients = step(run_, False)
    (subnet,) = first_subnets(run_).values()
    tensors = fresh_tensors([subnet], 0, CPU)
    batch = next(iter(run_.task.batches("train", 64)))
    output = run(subnet, batch.fields, weights_of(subnet, tensors), training=True)
    value = torch.nn.functional.cross_entropy(output, batch.targets)
    assert loss == float(value.detach())
    for one, other in zip(gradients, torch.autograd.grad(value, leaves_of(tensors)), strict=True):
        assert one is not None and torch.equal(one, other)


def test_rounding_and_sparse_products_stay_in_float32() -> None:
    values = torch.randn(6, 5)
    sparse = SparseMatrix(build_pattern(torch.tensor([0, 1, 2]), torch.tensor([1, 0, 4]), (3, 6)), torch.randn(3))
    with arithmetic(CPU, True):
        assert (values.t() @ values).dtype == torch.bfloat16
        assert torch.equal(Precision(8, 8).activation(values), Precision(8, 8).activation(values.clone()))
        assert Precision(8, 8).activation(values.bfloat16()).dtype == torch.float32
        product = sparse @ values
    assert torch.equal(product, sparse @ values)
    assert (sparse @ values.bfloat16()).dtype == torch.float32


def test_what_is_measured_is_float32_whatever_weights_learn_in() -> None:
    run_ = prepared_text(images("both = 8 bit"))
    run_.bfloat16 = True
    subnets, settings = first_subnets(run_), read_train_settings(run_, run_.stage("train"))
    trained = train(run_, subnets, settings, 0)
    run_.bfloat16 = False
    plain = train(run_, subnets, settings, 0)
    assert any(not torch.equal(trained.tensors[n], t) for n, t in plain.tensors.items()), "they learned alike"
    (subnet,), weights = subnets.values(), weights_of(next(iter(subnets.values())), trained.tensors)
    (ranges,) = trained.ranges.values()
    seen = []
    for run_.bfloat16 in (False, True):
        seen.append((look(run_, subnet, weights, "report", ranges), measure_errors(run_, trained, "report")))
    assert seen[0] == seen[1] and seen[0][0][0] == seen[0][1][()]
    with arithmetic(CPU, True):
        assert look(run_, subnet, weights, "report", ranges)[1] != seen[0][0][1], "nothing was there to tell apart"


def test_it_is_chosen_where_a_gpu_has_it_and_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    assert not choose_bfloat16(CPU) and choose_bfloat16(CPU, True)
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True, has=has: has)
        assert choose_bfloat16(gpu) is has
        assert choose_bfloat16(gpu, True) and not choose_bfloat16(gpu, False)


def test_a_run_says_its_arithmetic_and_goes_on_in_it(tmp_path: Path) -> None:
    space, stop = compiled(images()), threading.Event()
    stop.set()
    out = tmp_path / "out"
    search(space, out, stop=stop, bfloat16=True)
    body = read_run(out)
    assert (body["device"], body["mixed precision"], body["finished"]) == ("cpu", True, False)
    ended = resume(out)
    whole = search(space, tmp_path / "whole", bfloat16=True)
    body = read_run(out)
    assert body["mixed precision"] is True and body["finished"]
    assert (ended.design, ended.test, ended.choice_accuracy) == (whole.design, whole.test, whole.choice_accuracy)
    page = build(out).read_text()
    assert "on a CPU, weights learned in mixed precision" in page and " --bfloat16 " in page
    body.pop("mixed precision")  # of a run that began before there was any
    body["finished"] = False
    (out / "run.json").write_text(json.dumps(body))
    resume(out)
    assert read_run(out)["mixed precision"] is False


def test_images_that_do_not_fit_stay_on_the_host_and_their_batches_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    run_ = prepared_text(images())
    task, device = run_.space.tasks[0], torch.device("meta")
    for place, kept in ((True, "meta"), (False, "cpu")):
        monkeypatch.setattr(image, "fits", lambda size, device, place=place: place)
        found = image.load_digits(task, None, device)
        assert found.images.device.type == kept
        shapes = []
        for batch in found.batches("train", 400, seed=0):
            pixels = batch.fields["photos", "pixels"]
            assert pixels.device == batch.targets.device == device
            shapes.append(tuple(pixels.shape))
        assert shapes == [(400, 1, 8, 8), (400, 1, 8, 8), (211, 1, 8, 8)]


def test_data_may_take_a_share_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    most = int(1000 * ROOM)
    assert fits(most, torch.device("cuda")) and not fits(most + 1, torch.device("cuda"))
    assert fits(10**12, CPU)
