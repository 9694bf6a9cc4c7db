"""Operators on images against torch's own and the text's shapes; norms; data sets of images; a search over them."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Call, Space, Task
from cospace.dsl.diagnostics import SpecError
from cospace.runtime import search as searching
from cospace.runtime.joint import Joint
from cospace.runtime.network import initial_weights, parameter_shapes, run
from cospace.runtime.operators.norm import Norm
from cospace.runtime.plan import Planner
from cospace.runtime.quantise import Precision
from cospace.runtime.registry import find
from cospace.runtime.results import read_run
from cospace.runtime.search import resume, search
from cospace.runtime.tasks.image import load_cifar10, load_digits, load_mnist

CPU = torch.device("cpu")
EVERY = """space every
import std.tasks
import std.images
import std.learn
photos = digits(size = SIZE)
def reduce(x: tensor[c, h, w], out: int) -> tensor[out, ceil(h / 2), ceil(w / 2)] from "image.reduce" {
    first: tensor[out, c, 3, 3]
    second: tensor[out, out, 3, 3]
    skip: tensor[out, c, 1, 1]
    first_scale: tensor[out]
    first_shift: tensor[out]
    scale: tensor[out]
    shift: tensor[out]
}
network net(x: photos.pixels) -> tensor[photos.classes] {
    a = conv_norm(x, out = 6, kernel = 5, stride = 2)
    b = depthwise(conv2d(a, out = 8, kernel = 2, groups = 2), kernel = 3, stride = 2)
    c = mbconv(b, out = 8, kernel = 5, expansion = 3, groups = 2)
    d = mbconv(shuffle(c, groups = 4), out = 12, stride = 2)
    e = add(shortcut(d, out = 12), shortcut(shortcut(c, out = 12, stride = 2), out = 12))
    f = concat(max_pool(e, kernel = 3, stride = 1), avg_pool(e))
    u = upsample(f, like = b)
    v = resize(dropout(u), scale = 3/2)
    w = add(identity(v), zero(v))
    z = reduce(w + v, out = 5)
    y = linear(flatten(max_pool(z)), out = 7)
    linear(relu(y), out = photos.classes)
}
minimize error(photos)
"""
SMALL = """space small
import std.tasks
import std.images
import std.learn
import std.systolic
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 6)
    x = fbnet_block(x, out = 8, stride = 2)
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = choose {4, 8} bit }
chip = systolic()
minimize error(photos)
minimize chip.latency
search {
    epochs = 2; batch = 128; pool = 6; candidates = 1; changes = 1; rounds = 0
    loss = cross_entropy() + 1e-3 * chip.latency / 1 ms
    optimiser = sgd(0.1); net by gumbel(); precision by gumbel(); chip by local(evaluations = 50)
}
train of net { epochs = 3; batch = 32; optimiser = sgd(0.1); seeds = 1 }
"""


def compiled(text: str) -> Space:
    result = compile_text(text)
    assert result.space is not None, [d.message for d in result.diagnostics]
    return result.space


@pytest.mark.parametrize("size", [8, 13])
def test_every_operator_has_the_shapes_and_weights_that_the_text_says(size: int) -> None:
    space = compiled(EVERY.replace("SIZE", str(size)))
    (plan,) = space.networks
    subnet = Planner(space, plan).resolve({})
    weights = initial_weights(subnet, 0, CPU)
    x = {("photos", "pixels"): torch.randn(3, 1, size, size)}
    calls = {n.path: n for n in plan.nodes if isinstance(n, Call)}
    assert len({s.source for s in subnet.steps}) >= 16
    for n, step in enumerate(subnet.steps):
        part = type(subnet)(subnet.leaves, subnet.steps[: n + 1], len(subnet.leaves) + n)
        assert tuple(run(part, x, weights[: n + 1], training=True).shape) == (3, *step.shape), step.path
        said = sorted(tuple(int(evaluate(s, {})) for s in shape) for _, shape in calls[step.path].state)  # type: ignore[arg-type]
        made = sorted(shape for _, shape in parameter_shapes(step).values())
        assert [s for s in said if 0 not in s] == made, step.path
    gradients = torch.autograd.grad(run(subnet, x, weights, training=True).sum(), list(weights[0].values()))
    assert all(bool(torch.isfinite(v).all()) for v in gradients)


def module_of(source: str, channels: int, shape: tuple[int, ...], **arguments: object) -> torch.nn.Module:
    return find(source)(arguments, [(channels, 9, 9)], shape)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_three_convolutions_with_norms(stride: int) -> None:
    torch.manual_seed(0)
    block, x = module_of("image.mbconv", 4, (4, 9, 9), expansion=2, groups=2, stride=stride), torch.randn(5, 4, 9, 9)

    def norm(y: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(y, None, None, training=True)

    y = F.relu(norm(F.conv2d(x, block.expand, groups=2)))
    y = y.view(5, 2, 4, 9, 9).transpose(1, 2).reshape(5, 8, 9, 9)
    y = F.relu(norm(F.conv2d(y, block.depth, stride=stride, padding=1, groups=8)))
    y = norm(F.conv2d(y, block.project, groups=2))
    assert torch.allclose(block(x), y + x if stride == 1 else y, atol=1e-5)


def test_convolutions_round_what_goes_in() -> None:
    torch.manual_seed(0)
    few, x = Precision(4, 3), torch.randn(2, 3, 9, 9)
    conv = module_of("image.conv2d", 3, (6, 9, 9), kernel=3)
    expected = F.conv2d(few.activation(x), few.weight(conv.weight), padding=1)
    assert torch.equal(conv(x, few), expected) and not torch.allclose(conv(x), expected, atol=1e-3)
    dense, row = module_of("image.linear", 3, (6,)), x[:, :, 0, 0]
    assert torch.equal(dense(row, few), F.linear(few.activation(row), few.weight(dense.weight), dense.bias))


def test_a_mean_over_a_window_counts_what_is_inside() -> None:
    x = torch.randn(2, 3, 9, 9)
    pool = module_of("image.avg_pool", 3, (3, 9, 9), kernel=3)
    assert torch.allclose(pool(x), F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), atol=1e-6)
    most = module_of("image.max_pool", 3, (3, 5, 5), kernel=3, stride=2)
    assert torch.equal(most(x), F.max_pool2d(x, 3, 2, 1))


def test_a_norm_knows_one_batch_exactly_and_forgets_older_ones() -> None:
    norm, x = Norm(3), 5 + 2 * torch.randn(8, 3, 4, 4)
    norm.train()(x)
    norm.eval()
    assert torch.allclose(norm(x), F.batch_norm(x, x.mean((0, 2, 3)), x.var((0, 2, 3))), atol=1e-4)
    norm.train()
    for _ in range(100):
        norm(x + 7)
    assert torch.allclose(norm.mean / norm.seen, (x + 7).mean((0, 2, 3)), atol=1e-3)


def task(name: str, **arguments: object) -> Task:
    given = {"size": 8, "augment": False} | arguments
    facts = (("classes", g.const(10)),)
    return Task("photos", f"tasks.{name}", tuple((k, g.const(v)) for k, v in given.items()), facts)  # type: ignore[arg-type]


def test_digits_are_split_four_ways_and_drawn_by_a_seed() -> None:
    digits = load_digits(task("digits", augment=True), None, CPU)
    assert [len(digits.indices[k]) for k in ("train", "search", "choice", "report")] == [1011, 168, 168, 450]
    every = torch.cat(list(digits.indices.values()))
    assert len(every.unique()) == len(every) == 1797
    first, again, other = (list(digits.batches("train", 100, seed)) for seed in (3, 3, 4))
    assert sum(b.share for b in first) == pytest.approx(1) and len(first) == 11
    assert all(torch.equal(a.targets, b.targets) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[0].fields["photos", "pixels"], again[0].fields["photos", "pixels"])
    assert not torch.equal(first[0].targets, other[0].targets)
    plain = torch.cat([b.fields["photos", "pixels"] for b in digits.batches("train")])
    assert abs(float(plain.mean())) < 1e-5 and float(plain.std()) == pytest.approx(1, abs=1e-3)
    moved = torch.cat([b.fields["photos", "pixels"] for b in first])
    assert moved.shape == plain.shape and not torch.equal(moved.sort(0).values, plain.sort(0).values)
    looked = [next(digits.batches("search", 0, seed)).fields["photos", "pixels"] for seed in (None, None)]
    assert torch.equal(*looked)


def archives(folder: Path) -> np.ndarray:
    """Both archives, of few images; gives what stands in them."""
    random = np.random.RandomState(0)
    x = random.randint(0, 256, (48, 32, 32, 3)).astype(np.uint8)
    y = (np.arange(48) % 10).astype(np.uint8)
    rows = np.concatenate([y[:, None], x.transpose(0, 3, 1, 2).reshape(48, -1)], 1).astype(np.uint8)
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for n, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            content = rows[8 * n : 8 * n + 8].tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for part, some in (("train", slice(0, 40)), ("t10k", slice(40, 48))):
        images = x[some, :28, :28, 0]
        head = b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
        labels = b"\0\0\x08\x01" + np.array([len(y[some])], ">u4").tobytes() + y[some].tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return x


def test_archives_are_read_as_they_are_published(tmp_path: Path) -> None:
    x = archives(tmp_path)
    photos = load_cifar10(task("cifar10", size=32), tmp_path, CPU)
    digits = load_mnist(task("mnist", size=28), tmp_path, CPU)
    assert torch.equal(photos.images, torch.from_numpy(x).permute(0, 3, 1, 2)) and photos.mirrored is False
    assert torch.equal(digits.images[:, 0], torch.from_numpy(x[:, :28, :28, 0]))
    assert photos.targets.tolist() == digits.targets.tolist() == [n % 10 for n in range(48)]
    assert photos.indices["report"].tolist() == list(range(40, 48)) == digits.indices["report"].tolist()
    np.savez(tmp_path / "cifar10.npz", x_train=x[:40], y_train=np.arange(40) % 10, x_test=x[40:], y_test=np.arange(8))
    (tmp_path / "cifar-10-binary.tar.gz").unlink()
    again = load_cifar10(task("cifar10", size=16), tmp_path, CPU)
    assert again.shapes == {"pixels": (3, 16, 16)}
    assert again.images.float().mean().item() == pytest.approx(x.mean(), abs=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x_train": np.zeros((40, 32, 32, 3))}, "bytes"),
        ({"x_test": np.zeros((8, 16, 16, 3), np.uint8)}, "another shape"),
        ({"y_train": np.zeros(3, int)}, "class of each"),
        ({"y_test": np.full(8, -1)}, "class of each"),
        (None, "cifar-10-binary.tar.gz"),
    ],
)  # fmt: skip
def test_data_that_is_none_is_told(tmp_path: Path, change: dict[str, np.ndarray] | None, said: str) -> None:
    good = {
        "x_train": np.zeros((40, 32, 32, 3), np.uint8), "y_train": np.arange(40) % 10,
        "x_test": np.zeros((8, 32, 32, 3), np.uint8), "y_test": np.arange(8),
    }  # fmt: skip
    if change is not None:
        np.savez(tmp_path / "cifar10.npz", **(good | change))
    with pytest.raises(SpecError) as caught:
        load_cifar10(task("cifar10"), tmp_path, CPU)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS702" and said in f"{diagnostic.message} {diagnostic.help}"


@pytest.mark.parametrize("cut", [3, 900, 50_000])
def test_an_archive_that_breaks_off_is_told(tmp_path: Path, cut: int) -> None:
    archives(tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SpecError, match="CS702"):
        load_cifar10(task("cifar10", size=32), tmp_path, CPU)


def test_images_are_searched_and_a_stopped_search_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SAVE_AFTER", 0.0)
    space = compiled(SMALL)
    whole = search(space, tmp_path / "whole")
    stop, seen = threading.Event(), []

    def watch(event: object) -> None:
        seen.append(event)
        if len(seen) == 6:
            stop.set()

    halted = search(space, tmp_path / "parts", observe=watch, stop=stop)
    assert not halted.finished
    ended = resume(tmp_path / "parts")
    assert whole.finished and ended.finished
    assert (whole.design, whole.test, whole.choice_accuracy) == (ended.design, ended.test, ended.choice_accuracy)
    assert whole.test[0] > 0.5

    within, steps, step = threading.Event(), [], Joint._step

    def stepped(joint: Joint, *given: Any) -> Any:
        steps.append(joint.epoch)
        if len(steps) == 11:  # of eight steps an epoch
            within.set()
        return step(joint, *given)

    monkeypatch.setattr(Joint, "_step", stepped)
    halted = search(space, tmp_path / "within", stop=within)
    assert not halted.finished and steps[-1] == 1
    ended = resume(tmp_path / "within")
    assert (whole.design, whole.test, whole.choice_accuracy) == (ended.design, ended.test, ended.choice_accuracy)
    assert steps.count(0) == 8
    spent = [read_run(tmp_path / name)["budget"]["passes"] for name in ("whole", "parts", "within")]
    assert spent[0] == spent[1] == spent[2]
