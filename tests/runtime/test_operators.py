"""Operators against torch_geometric's own layers and dense algebra; quantisation; sparse products."""

from __future__ import annotations

import pytest
import torch
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.operators.graphs import build_graph
from cospace.runtime.operators.sparse import SparseMatrix, build_pattern, multiply
from cospace.runtime.quantise import PLAIN, Precision, Quantiser
from cospace.runtime.registry import find, known
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv

NODES, FEATURES, OUT = 20, 6, 8


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def graph():  # type: ignore[no-untyped-def]
    row, column = torch.randint(0, NODES, (2, 60))
    return build_graph(torch.cat([row, column]), torch.cat([column, row]), NODES)


def edges(graph):  # type: ignore[no-untyped-def]
    return torch.stack([graph.pattern.column, graph.pattern.row])


def make(source: str, **arguments: object) -> torch.nn.Module:
    module = find(source)(arguments, [(NODES, FEATURES), (NODES, 0)], (NODES, OUT))
    for p in module.parameters():  # biases begin at 0 and would hide a mistake
        torch.nn.init.normal_(p)
    return module


def test_gcn_is_the_librarys(graph) -> None:  # type: ignore[no-untyped-def]
    own, theirs = make("graph.gcn"), GCNConv(FEATURES, OUT, add_self_loops=False)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(NODES, FEATURES)
    assert torch.allclose(own(x, graph, PLAIN), theirs(x, edges(graph)), atol=1e-5)


def test_sage_is_the_librarys(graph) -> None:  # type: ignore[no-untyped-def]
    own, theirs = make("graph.sage"), SAGEConv(FEATURES, OUT)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(NODES, FEATURES)
    assert torch.allclose(own(x, graph, PLAIN), theirs(x, edges(graph)), atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_gat_is_the_librarys(graph, heads: int) -> None:  # type: ignore[no-untyped-def]
    own, theirs = make("graph.gat", heads=heads), GATConv(FEATURES, OUT // heads, heads, add_self_loops=False)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(NODES, FEATURES)
    assert torch.allclose(own(x, graph, PLAIN), theirs(x, edges(graph)), atol=1e-5)


def test_gin_is_the_librarys(graph) -> None:  # type: ignore[no-untyped-def]
    own = make("graph.gin")
    theirs = GINConv(torch.nn.Sequential(*own.nn), eps=-1.0)  # the graph holds each node's own loop already
    x = torch.randn(NODES, FEATURES)
    assert torch.allclose(own(x, graph, PLAIN), theirs(x, edges(graph)), atol=1e-4)


@pytest.mark.parametrize("source", ["graph.gcn", "graph.sage", "graph.gat", "graph.gin", "graph.linear"])
def test_sparse_features_give_what_dense_ones_give(graph, source: str) -> None:  # type: ignore[no-untyped-def]
    module = make(source)
    dense = torch.randn(NODES, FEATURES) * (torch.rand(NODES, FEATURES) < 0.3)
    row, column = dense.nonzero(as_tuple=True)
    pattern = build_pattern(row, column, (NODES, FEATURES))
    sparse = SparseMatrix(pattern, dense[pattern.row, pattern.column])
    more = () if source == "graph.linear" else (graph,)
    for precision in (PLAIN, Precision(4, 6)):
        assert torch.allclose(module(sparse, *more, precision), module(dense, *more, precision), atol=1e-4)


def test_sparse_product_has_the_gradients_of_the_dense_one() -> None:
    pattern = build_pattern(torch.tensor([0, 0, 2, 3]), torch.tensor([1, 2, 0, 2]), (4, 3))
    values = torch.randn(4, dtype=torch.float64, requires_grad=True)
    dense = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, d: multiply(pattern, v, d), (values, dense))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rounding_takes_no_more_levels_than_bits_hold(bits: int) -> None:
    x = torch.randn(500)
    assert len(Precision(32, bits).activation(x).unique()) <= 2**bits
    assert len(Precision(bits, 32, Quantiser("tensor")).weight(x[None]).unique()) <= max(2**bits - 1, 3)


def test_rounding_errs_by_half_a_step_and_keeps_zero() -> None:
    x = torch.cat([torch.rand(200) * 3 - 1, torch.zeros(1)])
    step = (x.max() - x.min()) / (2**8 - 1)
    rounded = Precision(32, 8).activation(x)
    assert float((rounded - x).abs().max()) <= float(step) * 1.01
    assert float(rounded[-1]) == 0


def test_gradients_pass_straight_through_and_full_precision_is_untouched() -> None:
    x = torch.randn(7, 3, requires_grad=True)
    for precision in (Precision(4, 4), PLAIN):
        (gradient,) = torch.autograd.grad(precision.weight(precision.activation(x)).sum(), x)
        assert torch.equal(gradient, torch.ones_like(x))
    assert PLAIN.weight(x) is x


def test_what_is_not_registered_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError) as caught:
        find("graph.gcnn")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS701" and "graph.gcn" in (diagnostic.help or "")
    with pytest.raises(SpecError):
        find("os.system")
    assert "losses.cross_entropy" in known()
