"""Graph operators: torch_geometric's layers, run in the order combine, then aggregate, on compressed rows.

Each module takes the inputs in the order of the declaration in text, and a `Precision`; it rounds every operand of the
works that its declaration asks for: the weights `rounded`, in that order (-> the axis of their channels), and so many
`inputs`.
"""

from __future__ import annotations

from typing import NoReturn, TypeVar

import torch
import torch.nn.functional as F
from cospace.runtime.operators import Arguments, Shapes
from cospace.runtime.operators.graphs import Graph
from cospace.runtime.operators.sparse import SparseMatrix, multiply
from cospace.runtime.quantise import PLAIN, Precision
from cospace.runtime.registry import register
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv
from torch_geometric.nn.dense import Linear

Features = Tensor | SparseMatrix
Layer = TypeVar("Layer", bound=type)


def _combine(x: Features, weight: Tensor, bias: Tensor | None, precision: Precision) -> Tensor:
    """x W^T + b with both operands rounded. x: nodes x in; weight: out x in."""
    operand = precision.activation(x)
    rounded = precision.weight(weight)
    if isinstance(operand, SparseMatrix):
        product = operand @ rounded.t()
        return product if bias is None else product + bias
    return F.linear(operand, rounded, bias)


def _aggregate(graph: Graph, values: Tensor, x: Tensor, precision: Precision) -> Tensor:
    """Sum over incoming edges with `values` (edges,); both operands rounded. x: nodes x width."""
    return multiply(graph.pattern, precision.activation(values), precision.activation(x))


def _without_edges(layer: Layer) -> Layer:
    """A layer that never passes messages edge by edge. The library writes code for that into the folder for temporary
    files, and leaves it there, unless a class has methods of its own."""

    def refuse(self: nn.Module, *args: object, **named: object) -> NoReturn:
        raise NotImplementedError(f"{layer.__name__} runs on compressed rows")

    layer.propagate = layer.edge_updater = refuse  # type: ignore[attr-defined]
    return layer


@_without_edges
class Gcn(GCNConv):
    """Kipf and Welling (2017): D^-1/2 A D^-1/2 X W + b."""

    rounded, inputs = {"lin.weight": 0}, 3

    def forward(self, x: Features, adj: Graph, precision: Precision = PLAIN) -> Tensor:
        # D^-1/2 scales whole rows before and after, where a range is applied anyway; the edges themselves stay exact.
        combined = adj.scale * _combine(x, self.lin.weight, None, precision)
        return adj.scale * _aggregate(adj, adj.ones, combined, precision) + self.bias


@_without_edges
class Sage(SAGEConv):
    """Hamilton et al. (2017), mean aggregation: mean of neighbours times W_l, plus X W_r."""

    rounded, inputs = {"lin_l.weight": 0, "lin_r.weight": 0}, 4

    def forward(self, x: Features, adj: Graph, precision: Precision = PLAIN) -> Tensor:
        # The mean is linear, so that combining first gives the same sums over fewer features.
        gathered = _aggregate(adj, adj.ones, _combine(x, self.lin_l.weight, None, precision), precision)
        return adj.scale**2 * gathered + self.lin_l.bias + _combine(x, self.lin_r.weight, None, precision)


@_without_edges
class Gin(GINConv):
    """Xu et al. (2019) with eps = 0: a perceptron of two layers over the sum of a node and its neighbours."""

    rounded, inputs = {"nn.0.weight": 0, "nn.2.weight": 0}, 4

    def forward(self, x: Features, adj: Graph, precision: Precision = PLAIN) -> Tensor:
        first, _, second = self.nn
        hidden = _aggregate(adj, adj.ones, _combine(x, first.weight, None, precision), precision) + first.bias
        return _combine(F.relu(hidden), second.weight, second.bias, precision)


@_without_edges
class Gat(GATConv):
    """Velickovic et al. (2018): attention over incoming edges, heads side by side."""

    rounded, inputs = {"lin.weight": 0, "att_src": 1, "att_dst": 1}, 3

    def forward(self, x: Features, adj: Graph, precision: Precision = PLAIN) -> Tensor:
        heads, width = self.heads, self.out_channels
        combined = _combine(x, self.lin.weight, None, precision)
        operand = precision.activation(combined).view(-1, heads, width)
        source = (operand * precision.weight(self.att_src, axis=1)).sum(-1)
        target = (operand * precision.weight(self.att_dst, axis=1)).sum(-1)
        pattern = adj.pattern
        score = F.leaky_relu(source[pattern.column] + target[pattern.row], self.negative_slope)
        attention = precision.activation(_softmax_rows(score, pattern.row, adj.nodes))
        sums = [multiply(pattern, attention[:, h].contiguous(), operand[:, h].contiguous()) for h in range(heads)]
        return torch.cat(sums, 1) + self.bias


def _softmax_rows(score: Tensor, row: Tensor, rows: int) -> Tensor:
    """Softmax over the entries of each row. score: entries x heads."""
    index = row[:, None].expand_as(score)
    with torch.no_grad():
        top = score.new_zeros(rows, score.shape[1]).scatter_reduce(0, index, score, "amax", include_self=False)
        top = top[row]
    power = (score - top).exp()
    return power / power.new_zeros(rows, score.shape[1]).index_add(0, row, power)[row]


class Dense(Linear):
    """X W^T + b."""

    rounded, inputs = {"weight": 0}, 1

    def forward(self, x: Features, precision: Precision = PLAIN) -> Tensor:
        return _combine(x, self.weight, self.bias, precision)


class Elementwise(nn.Module):
    """A function of each element; on sparse features of the stored ones where it keeps 0."""

    def __init__(self, name: str, rate: float = 0.0) -> None:
        super().__init__()
        self.name, self.rate = name, rate

    def apply_to(self, x: Tensor) -> Tensor:
        if self.name == "relu":
            return F.relu(x)
        if self.name == "elu":
            return F.elu(x)
        if self.name == "dropout":
            return F.dropout(x, self.rate, self.training)
        return x

    def forward(self, x: Features, precision: Precision = PLAIN) -> Features:
        if not isinstance(x, SparseMatrix):
            return self.apply_to(x)
        if self.name == "elu":  # the others commute with a positive factor
            x = x.fold()
        return x.with_values(self.apply_to(x.values))


@register("graph.gcn")
def build_gcn(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Gcn(inputs[0][1], shape[1], normalize=False)


@register("graph.sage")
def build_sage(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Sage(inputs[0][1], shape[1])


@register("graph.gin")
def build_gin(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    out = shape[1]
    return Gin(nn.Sequential(Linear(inputs[0][1], out), nn.ReLU(), Linear(out, out)))


@register("graph.gat")
def build_gat(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    heads = int(arguments.get("heads", 1))
    if shape[1] % heads:
        raise ValueError(f"{heads} heads do not share a width of {shape[1]} evenly")
    return Gat(inputs[0][1], shape[1] // heads, heads)


@register("graph.linear")
def build_linear(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Dense(inputs[0][1], shape[1])


@register("graph.relu")
def build_relu(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Elementwise("relu")


@register("graph.elu")
def build_elu(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Elementwise("elu")


@register("graph.dropout")
def build_dropout(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Elementwise("dropout", float(arguments.get("rate", 0.5)))


@register("graph.identity")
def build_identity(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Elementwise("identity")
