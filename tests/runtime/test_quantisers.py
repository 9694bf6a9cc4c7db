"""What rounds operands, as text chooses it: ranges of the values, or steps that are learned for each bitwidth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from cospace.compiler.driver import compile_text
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run
from cospace.runtime.deployed import deploy
from cospace.runtime.joint import begin_joint
from cospace.runtime.learned_step import give_steps
from cospace.runtime.network import run as run_network
from cospace.runtime.network import weights_of
from cospace.runtime.operators.graphs import build_graph
from cospace.runtime.quantise import Precision, Quantiser, Ranges
from cospace.runtime.registry import find, known
from cospace.runtime.search import search
from cospace.runtime.supernet import bank_keys
from torch import Tensor, nn

from tests.runtime.spaces import prepared_text

TEXT = """space stepped
import std.tasks
import std.images
import std.learn
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 6)
    x = choose block { wide = mbconv(x, out = 8, expansion = 3, stride = 2), plain = conv_norm(x, out = 8, stride = 2) }
    linear(global_pool(x), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.block { BITS; quantiser = QUANTISER }
minimize ERROR
search {
    epochs = 1; batch = 128; pool = 2; candidates = 1; changes = 0; rounds = 0
    optimiser = sgd(0.1); net by gumbel()MORE
}
train of net { epochs = 2; batch = 64; optimiser = sgd(0.1); seeds = 1 }
"""
SWITCHED = TEXT.replace("BITS", "both = switch {2, 4, 32} bit; state = {norm}").replace("MORE", "")
SWITCHED = SWITCHED.replace("ERROR", "each(error(photos) for precision.both)")
MIXED = TEXT.replace("BITS", "both = choose {2, 4} bit").replace("ERROR", "error(photos)")
MIXED = MIXED.replace("MORE", "; precision by gumbel(forward = soft)")


def prepared(text: str, quantiser: str) -> Run:
    return prepared_text(text.replace("QUANTISER", quantiser))


class Watching(Precision):
    """Keeps what it is asked to round."""

    seen: list[Any]

    def weight(self, values: Tensor, axis: int = 0) -> Tensor:
        self.seen.append((values.data_ptr(), axis))
        return values

    def activation(self, values: Any) -> Any:
        self.seen.append(None)
        return values


def built(source: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """An operator with inputs that it takes."""
    if source.startswith("graph."):
        graph = build_graph(torch.tensor([0, 1, 2]), torch.tensor([1, 2, 3]), 4)
        alone = source in ("graph.linear", "graph.relu", "graph.elu", "graph.dropout", "graph.identity")
        module = find(source)({}, [(4, 6)], (4, 6))
        return module, (torch.randn(4, 6),) if alone else (torch.randn(4, 6), graph)
    if source == "image.linear":
        return find(source)({}, [(6,)], (6,)), (torch.randn(2, 6),)
    two = source in ("image.add", "image.concat", "tensor.add")
    module = find(source)({"groups": 2}, [(6, 8, 8)] * (1 + two), (6, 8, 8))
    return module, (torch.randn(2, 6, 8, 8),) * (1 + two)


@pytest.mark.parametrize("source", [s for s in known() if s.startswith(("graph.", "image.", "tensor."))])
def test_an_operator_rounds_what_it_says(source: str) -> None:
    module, inputs = built(source)
    watching = Watching()
    object.__setattr__(watching, "seen", [])
    module(*inputs, precision=watching)
    weights = [w for w in watching.seen if w is not None]
    said = getattr(module, "rounded", {})
    assert weights == [(module.get_parameter(name).data_ptr(), axis) for name, axis in said.items()]
    assert len(watching.seen) - len(weights) == getattr(module, "inputs", 0)


def reference(values: Tensor, step: Tensor, low: float, high: float) -> Tensor:
    """By automatic differentiation, the gradient of rounding taken as 1."""
    scaled = (values / step).clamp(low, high)
    return (scaled + (scaled.round() - scaled).detach()) * step


@pytest.mark.parametrize(("per", "bits"), [("tensor", 2), ("channel", 2), ("tensor", 4), ("channel", 8)])
def test_steps_have_the_levels_and_gradients_of_their_paper(per: str, bits: int) -> None:
    torch.manual_seed(0)
    conv = find("image.conv2d")({}, [(3, 9, 9)], (4, 9, 9))
    n, most = (27, 2 ** (bits - 1) - 1) if per == "channel" else (108, 2 ** (bits - 1) - 1)
    sizes = conv.weight.detach().abs().mean((1, 2, 3) if per == "channel" else None).reshape(-1) * 2 / most**0.5
    steps = {
        f"weight.step@{bits} bit": torch.zeros(len(sizes), requires_grad=True),
        f"input 1.step@{bits} bit": torch.zeros(1, requires_grad=True),
    }
    precision = give_steps(Precision(bits, bits, Quantiser(per, learned=True)), conv, steps, training=True)
    of_weight, of_input = steps.values()
    gradients = []
    for values, step, levels, count in (
        (conv.weight, of_weight, (-most - 1, most), n),
        (torch.rand(5, 6).requires_grad_(), of_input, (0, 2**bits - 1), 6),  # a row is an example
    ):
        round_ = precision.weight if values is conv.weight else precision.activation
        found = round_(values)
        if values is conv.weight:
            assert torch.allclose(step, sizes)  # begins at 2 mean|v| / sqrt(q_max)
        assert len((found / step.view(-1, *[1] * (values.dim() - 1))).unique()) <= 2**bits * len(step)
        there = step.detach().clone().requires_grad_()
        expected = reference(values, there.view(-1, *[1] * (values.dim() - 1)), *levels)
        assert torch.allclose(found, expected, atol=1e-6)
        weigh = torch.randn_like(found)
        mine = torch.autograd.grad((found * weigh).sum(), [values, step])
        theirs = torch.autograd.grad((expected * weigh).sum(), [values, there])
        gradients.append(mine)
        assert torch.allclose(mine[0], theirs[0])
        assert torch.allclose(mine[1], theirs[1] / (count * levels[1]) ** 0.5, rtol=1e-3, atol=1e-4)


def test_one_bit_holds_two_levels_of_a_weight() -> None:
    x = torch.randn(3, 50)
    for quantiser in (Quantiser("tensor"), Quantiser("tensor", symmetric=False)):
        assert len(Precision(1, 32, quantiser).weight(x).unique()) == 2
    dense = find("image.linear")({}, [(50,)], (3,))
    learned = Precision(1, 32, Quantiser("tensor", learned=True))
    step = {"weight.step@1 bit": torch.full((1,), 0.5)}
    assert give_steps(learned, dense, step, False).weight(x).unique().tolist() == [-0.5, 0.5]


def test_a_range_that_is_not_symmetric_holds_both_ends() -> None:
    x = torch.randn(4, 30)
    rounded = Precision(2, 32, Quantiser("channel", symmetric=False)).weight(x)
    for row, own in zip(rounded, x, strict=True):
        assert len(row.unique()) <= 4
        assert torch.allclose(row.aminmax()[0], own.min()) and torch.allclose(row.aminmax()[1], own.max())


def test_learned_steps_are_kept_by_bitwidth_frozen_and_loaded_to_the_bit(tmp_path: Path) -> None:
    space = compile_text(SWITCHED.replace("QUANTISER", "learned_step()")).space
    assert space is not None
    outcome = search(space, tmp_path / "result")
    network = deploy(tmp_path / "result")
    steps = {name: t for name, t in network._tensors.items() if ".step" in name}
    low, high = ({n.removesuffix(e) for n in steps if n.endswith(e)} for e in ("@2 bit", "@4 bit"))
    assert low == high and len(steps) == 2 * len(low) and all(float(t.abs().min()) > 0 for t in steps.values())
    assert [m.accuracy for m in network.measure()] == pytest.approx([1 - e for e in _told(outcome.objectives)])
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for (at, subnet), bits in zip(network._subnets.items(), (2, 4, 32), strict=True):
        assert at == (("precision.both", Fraction(bits)),)
        own = {n: t.clone() for n, t in network._tensors.items() if "@" not in n or n.endswith(f"@{bits} bit")}
        ranges = network._ranges[at]
        held = None if ranges is None else Ranges(dict(ranges.known), False)
        alone = run_network(subnet, {subnet.leaves[0]: x}, weights_of(subnet, own), ranges=held)
        assert torch.equal(network.bind(bits)(x), alone.detach())
        assert torch.allclose(network(x)[:1], network(x[:1]), atol=1e-5)
    for name, known_ in ((n, r) for r in network._ranges.values() if r is not None for n, r in r.known.items()):
        assert all(low <= 0 < high for low, high in known_), name


def _told(objectives: Any) -> list[float]:
    return [o["value"] for o in objectives]


def test_a_search_learns_the_steps_of_all_bits_and_paths(tmp_path: Path) -> None:
    run = prepared(MIXED, "learned_step(per = channel)")
    joint = begin_joint(run, run.stage("search"), 0)
    joint.advance()
    banks = {key[1]: bank.values for key, bank in joint.supernet.banks.items() if ".step" in key[1]}
    assert {name.rpartition("@")[2] for name in banks} == {"2 bit", "4 bit"}
    assert all((values != 0).any() for values in banks.values())
    (subnet,) = run.planner.subnets(run.costs.decode(joint.draw(1)[0])).values()
    inside = [s for s in subnet.steps if s.precision.weight_bits < 32]
    taken = {k[1] for step in inside for k in bank_keys(step).values() if isinstance(k, tuple) and ".step" in k[1]}
    assert taken and taken <= set(banks)


def test_a_quantiser_may_be_chosen_and_is_what_the_design_says() -> None:
    chosen = MIXED.replace("; precision by gumbel(forward = soft)", "; precision by gumbel()")
    run = prepared(chosen, "choose {ranges = min_max(), steps = learned_step()}")
    (path,) = [d.path for d in run.space.decisions if d.path.endswith("quantiser")]
    joint = begin_joint(run, run.stage("search"), 0)
    row = run.costs.decode(joint.draw(1)[0])
    for value in run.space.decision(path).values:
        (subnet,) = run.planner.subnets({**row, path: value}).values()
        kinds = {s.precision.quantiser.learned for s in subnet.steps if s.precision.weight_bits < 32}
        assert kinds == {str(value) == "steps"}


def test_a_quantiser_that_is_none_is_told() -> None:
    found = compile_text(MIXED.replace("QUANTISER", "sgd(0.1)"))
    assert [d.code for d in found.diagnostics] == ["CS301"]
    with pytest.raises(SpecError):
        find("quantisers.learned")
