"""How paths are drawn whose decisions are not learned: uniformly, alone or between the largest and the smallest."""

from __future__ import annotations

import itertools
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from cospace.compiler.driver import compile_text
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.network import parameter_shapes
from cospace.runtime.search import search
from cospace.runtime.step import gradients_of
from cospace.runtime.supernet import bank_keys

TEXT = """space drawn
import std.tasks
import std.images
import std.learn
import std.systolic
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    width = choose {6, 8, 12}
    x = conv_norm(x, out = width)
    x = choose block {
        wide  = mbconv(x, out = 8, expansion = choose {1, 3}, stride = 2)
        plain = conv_norm(x, out = 8, stride = 2)
        large = conv_norm(x, out = 8, kernel = 5, stride = 2)
    }
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = choose {4, 8} bit }
chip = systolic()
require net.width < 12 or net.block != large "what is drawn is a network of this space"
minimize error(photos)
minimize chip.latency
search {
    epochs = 2; batch = 128; pool = 6; candidates = 1; changes = 0; rounds = 0
    optimiser = sgd(0.05); ENGINES; chip by local(evaluations = 50)
}
train of net { epochs = 4; batch = 64; optimiser = sgd(0.05); seeds = 1 }
"""
UNIFORM, SANDWICH = "net, precision by uniform()", "net, precision by sandwich(drawn = 2)"


def compiled(engines: str) -> Space:
    found = compile_text(TEXT.replace("ENGINES", engines))
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


def begun(engines: str) -> Joint:
    run: Run = prepare(compiled(engines), 0, None, ignore, threading.Event())
    return begin_joint(run, run.stage("search"), 0)


@pytest.mark.parametrize(("engines", "paths"), [(UNIFORM, 1), (SANDWICH, 4)])
def test_nothing_but_weights_is_learned_and_their_passes_alone_are_taken(engines: str, paths: int) -> None:
    joint = begun(engines)
    told = joint.advance()
    assert joint.run.budget.passes == pytest.approx(paths) and math.isfinite(told["loss"])
    assert not any(bool(x.any()) for x in joint.distribution.logits)
    seen = joint.draw(200)[:, joint.network]
    assert len(np.unique(seen, axis=0)) > 15  # of (3 * 4 - 1) * 2


def test_the_ends_are_the_largest_and_the_smallest_network() -> None:
    joint = begun(SANDWICH)
    assert joint.ends is not None
    run = joint.run

    def size(row: np.ndarray) -> tuple[int, int]:
        (subnet,) = run.planner.subnets(run.costs.decode(row)).values()
        bits = sum(s.precision.weight_bits for s in subnet.steps)
        return sum(math.prod(shape) for s in subnet.steps for _, shape in parameter_shapes(s).values()), bits

    every = [
        row
        for row in itertools.product(*(range(-1, len(d.values)) for d in run.space.decisions[:4]))
        for filled in [joint.distribution.liveness.fill(np.maximum([[*row, *joint.ends.rows[0, 4:]]], 0))]
        if (filled[0, :4] == row).all() and run.costs.certified(filled)[0]
    ]
    sizes = sorted(size(np.array([*row, *joint.ends.rows[0, 4:]])) for row in every)
    assert {d.path.partition(".")[0] for d in run.space.decisions[:4]} == {"net", "precision"} and len(every) > 15
    assert [size(row) for row in joint.ends.rows] == [sizes[-1], sizes[0]]
    row = joint.draw(1)
    for end, other in zip(joint.ends.rows, joint.ends.beside(row), strict=True):
        assert (other[0, joint.network] == end[joint.network]).all()
        assert (other[0, joint.hardware] == row[0, joint.hardware]).all()


def test_weights_move_by_the_mean_over_a_sandwich() -> None:
    joint = begun(SANDWICH)
    assert joint.ends is not None
    run, settings = joint.run, joint.settings
    rows = [joint.draw(1), *joint.ends.beside(joint.draw(1))]
    paths = [run.planner.subnets(run.costs.decode(r[0])) for r in rows]
    (batch, *_) = run.task.batches("train", 64)
    joint.supernet.take([s for p in paths for s in p.values()])  # banks that hold all of them
    before = {key: bank.values.copy() for key, bank in joint.supernet.banks.items()}
    expected = {key: torch.zeros(bank.values.shape) for key, bank in joint.supernet.banks.items()}
    for path in paths:
        tensors = joint.supernet.take(path.values(), gradients=True)
        _, gradients = gradients_of(path, tensors, batch, settings.loss, 0, bank_keys)
        for (key, tensor), gradient in zip(
            ((k, t) for k, t in tensors.items() if t.requires_grad), gradients, strict=True
        ):
            if gradient is not None:
                expected[key][tuple(slice(n) for n in tensor.shape)] += gradient / len(paths)
    joint.supernet.step(paths[0], batch, settings.loss, settings.optimiser, 0, beside=[(p, None) for p in paths[1:]])
    for key, bank in joint.supernet.banks.items():
        touched = expected[key] != 0
        step = torch.from_numpy(bank.values - before[key])[touched]
        decayed = expected[key][touched] + 5e-4 * torch.from_numpy(before[key])[touched]
        assert torch.allclose(step, -0.05 * decayed, atol=1e-5, rtol=1e-3), key


def test_a_supernet_of_sandwiches_is_searched_at_its_end(tmp_path: Path) -> None:
    outcome = search(compiled("net by sandwich(); precision by gumbel(forward = soft)"), tmp_path / "result")
    assert outcome.finished and outcome.design is not None and outcome.test[0] > 0.2


@pytest.mark.parametrize(
    "engines",
    ["net by sandwich(drawn = 0); precision by uniform()", "chip by sandwich(); net, precision by uniform()"],
)
def test_a_sandwich_that_cannot_be_is_told(engines: str) -> None:
    with pytest.raises(SpecError, match="CS705"):
        begun(engines)
