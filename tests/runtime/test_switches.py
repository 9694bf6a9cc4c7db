"""Networks whose user binds a switch at run time: trained at all values, each learning from the larger ones, kept once
but for what is said to be kept for each value."""

from __future__ import annotations

import json
import threading
from fractions import Fraction
from pathlib import Path

import cospace
import pytest
import torch
from cospace.cli.main import app
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import SpecError
from cospace.runtime import search as searching
from cospace.runtime.context import Run, prepare
from cospace.runtime.deployed import deploy
from cospace.runtime.events import ignore
from cospace.runtime.joint import begin_joint
from cospace.runtime.losses import Cascade, CrossEntropy, Only
from cospace.runtime.network import fresh_tensors, weights_of
from cospace.runtime.network import run as run_network
from cospace.runtime.quantise import Ranges
from cospace.runtime.search import search
from cospace.runtime.step import gradients_of
from cospace.runtime.train import read_train_settings
from typer.testing import CliRunner

from tests.runtime import spaces

TEXT = """space switched
import std.tasks
import std.images
import std.learn
import std.systolic
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 6)
    x = choose block { wide = mbconv(x, out = 8, expansion = 3, stride = 2), plain = conv_norm(x, out = 8, stride = 2) }
    header = conv_norm(x, out = 8, kernel = 1)
    linear(global_pool(header), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.block { both = switch {2, 8} bit; state = {norm} }
chip = systolic()
minimize each(error(photos) for precision.both)
minimize mean(chip.latency for precision.both)
search {
    epochs = 2; batch = 128; pool = 4; candidates = 1; changes = 0; rounds = 0
    loss = cascade(cross_entropy(), over = precision.both); steer = STEER
    optimiser = sgd(0.1); net by gumbel(); chip by local(evaluations = 50)
}
train of net {
    epochs = 3; batch = 32; optimiser = sgd(0.1); seeds = 1
    loss = cascade(cross_entropy(), over = precision.both)
}
"""
STEER = "only(cross_entropy(), over = precision.both, value = 2 bit)"
LOW, HIGH = (("precision.both", Fraction(2)),), (("precision.both", Fraction(8)),)


def compiled(text: str) -> Space:
    return spaces.compiled(text.replace("STEER", STEER))


def prepared(text: str = TEXT) -> Run:
    return spaces.prepared_text(text.replace("STEER", STEER))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("switched") / "result"
    search(compiled(TEXT), out)
    return out


def test_a_cascade_is_what_the_paper_computes() -> None:
    """N = 2, z_0 = (1, 0), z_1 = (2, 0), label 0: (0.3133 + 0.5 + 0.1269) / 2."""
    z0, z1, label = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    loss = Cascade(CrossEntropy(), "precision.both", 1.0)
    both = loss(z0, label, LOW, {HIGH: z1}), loss(z1, label, HIGH, {})
    assert (both[0] + both[1]).item() / 2 == pytest.approx(0.4701, abs=1e-4)
    other = (("precision.both", Fraction(8)), ("width", Fraction(1)))  # of another value of another switch
    assert loss(z0, label, (*LOW, ("width", Fraction(2))), {other: z1}).item() == pytest.approx(0.3133, abs=1e-4)


def test_learning_from_larger_values_does_not_move_them() -> None:
    run = prepared()
    settings = read_train_settings(run, run.stage("train"))
    subnets = run.planner.subnets(run.costs.decode(begin_joint(run, run.stage("search"), 0).draw(1)[0]))
    assert list(subnets) == [LOW, HIGH]
    (batch, *_) = run.task.batches("train", 64)

    def gradients(loss: object) -> dict[str, torch.Tensor | None]:
        tensors = fresh_tensors(subnets.values(), 0, run.device)
        _, found = gradients_of(subnets, tensors, batch, loss, 0)  # type: ignore[arg-type]
        return dict(zip([n for n, t in tensors.items() if t.requires_grad], found, strict=True))

    with_it = gradients(settings.loss)
    plain = prepared(TEXT.replace("cascade(cross_entropy(), over = precision.both)", "cross_entropy()"))
    without = gradients(read_train_settings(plain, plain.stage("train")).loss)
    assert with_it.keys() == without.keys()
    for name, gradient in with_it.items():
        other = without[name]
        assert gradient is not None and other is not None, name
        # Norms at 8 bit belong to the teacher alone; all that 2 bit uses learns from it.
        assert torch.allclose(gradient, other, atol=1e-7) == name.endswith("@8 bit"), name


def test_norms_alone_are_kept_for_each_value(folder: Path) -> None:
    stored = deploy(folder)._tensors
    low, high = ({n.removesuffix(e) for n in stored if n.endswith(e)} for e in ("@2 bit", "@8 bit"))
    assert low == high and {name.partition("/")[0].split(".")[1] for name in low} == {"block", "header"}
    assert "net.header.conv/weight" in stored  # what follows the block has norms of its own, and shares the rest
    assert any(not torch.equal(stored[f"{name}@2 bit"], stored[f"{name}@8 bit"]) for name in low)
    assert any(n.startswith("net.block") and "@" not in n for n in stored)
    assert all("@" not in n for n in stored if n.startswith(("net.conv", "net.relu", "net.linear")))


def test_a_switched_network_is_bit_equal_to_the_one_exported_by_itself(folder: Path) -> None:
    network = deploy(folder)
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = [t.data_ptr() for t in network._tensors.values()]
    outputs = {}
    for value, at in ((8, HIGH), (2, LOW), (8, HIGH)):
        outputs[at] = network.bind(value)(x)
        assert network.at == at
    assert [t.data_ptr() for t in network._tensors.values()] == before
    assert not torch.equal(outputs[LOW], outputs[HIGH])
    for at, subnet in network._subnets.items():
        label = f"@{int(at[0][1])} bit"
        own = {n: t.clone() for n, t in network._tensors.items() if "@" not in n or n.endswith(label)}
        ranges = network._ranges[at]
        assert ranges is not None
        alone = run_network(
            subnet, {subnet.leaves[0]: x}, weights_of(subnet, own), ranges=Ranges(dict(ranges.known), False)
        )
        assert torch.equal(alone.detach(), outputs[at])


def test_an_example_is_answered_alike_alone_and_among_others(folder: Path) -> None:
    network = cospace.network(folder).bind("2 bit")
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x[1] *= 9
    assert torch.allclose(network(x)[:1], network(x[:1]), atol=1e-5)


def test_what_was_measured_is_told_at_each_value_and_measured_again(folder: Path) -> None:
    design = json.loads((folder / "design.json").read_text("utf-8"))
    told = {s["at"]["precision.both"]: s["test"] for s in design["switched"]}
    assert set(told) == {"2 bit", "8 bit"}
    errors = {o["text"]: o["value"] for o in design["objectives"] if not o["modelled"]}
    for value, (accuracy,) in told.items():
        assert errors[f"error(photos) at precision.both = {value}"] == pytest.approx(1 - accuracy)
    found = CliRunner().invoke(app, ["run", str(folder), "--json"])
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)
    assert {r["at"]["precision.both"]: [r["accuracy"]] for r in rows} == told
    assert all(r["modelled"]["chip.latency"][0] > 0 for r in rows)
    (alone,) = json.loads(CliRunner().invoke(app, ["run", str(folder), "--bits", "2", "--json"]).stdout)
    assert alone == rows[0]
    shown = CliRunner().invoke(app, ["run", str(folder)])
    assert shown.exit_code == 0 and "2 bit" in shown.stdout and "8 bit" in shown.stdout


@pytest.mark.parametrize(
    ("said", "help"),
    [
        (["--bits", "5"], "2 bit, 8 bit"),
        (["--at", "precision.bot=2bit"], "precision.both"),
        (["--at", "precision.both"], "PATH=VALUE"),
    ],
)
def test_a_value_that_is_never_taken_is_told(folder: Path, said: list[str], help: str) -> None:
    found = CliRunner().invoke(app, ["run", str(folder), *said])
    assert found.exit_code != 0 and help in found.output and "Traceback" not in found.output


def test_a_folder_without_a_network_is_told(folder: Path, tmp_path: Path) -> None:
    for lacking in ("weights.safetensors", "design.json", "space.json"):
        for file in folder.glob("*.*"):
            if file.name != lacking:
                (tmp_path / file.name).write_bytes(file.read_bytes())
        with pytest.raises(SpecError, match="CS712"):
            deploy(tmp_path)
        for file in tmp_path.glob("*.*"):
            file.unlink()
    (tmp_path / "weights.safetensors").write_bytes(b"\x08" + bytes(30))
    for name in ("design.json", "space.json", "run.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(SpecError, match="CS712"):
        deploy(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("value = 2 bit", "value = 4 bit", "CS705"),
        ("over = precision.both, value", "over = net.block, value", "CS705"),
        ("switch {2, 8}", "random {2, 8}", "CS707"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_trained(old: str, new: str, code: str) -> None:
    text = TEXT.replace("STEER", STEER).replace(old, new)
    if "random" in new:
        text = text.replace(
            "each(error(photos) for precision.both)", "worst(error(photos) for precision.both)"
        ).replace("worst(", "mean(")
    with pytest.raises(SpecError) as caught:
        run = prepare(compiled(text), 0, None, ignore, threading.Event())
        begin_joint(run, run.stage("search"), 0)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_steering_by_one_value_reads_that_one_alone() -> None:
    assert Only(CrossEntropy(), "precision.both", 2).reads(LOW)
    assert not Only(CrossEntropy(), "precision.both", 2).reads(HIGH)


def test_a_stopped_search_of_a_switched_network_ends_as_if_it_had_not_been(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SAVE_AFTER", 0.0)
    stop, seen = threading.Event(), []

    def watch(event: object) -> None:
        seen.append(event)
        if len(seen) == 3:
            stop.set()

    assert not search(compiled(TEXT), tmp_path / "parts", observe=watch, stop=stop).finished
    ended = searching.resume(tmp_path / "parts")
    whole = json.loads((folder / "design.json").read_text("utf-8"))
    assert ended.finished and list(ended.test) == whole["accuracy"]["test"] and ended.design == whole["design"]
