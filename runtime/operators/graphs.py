"""A graph as operators take it: a pattern of edges (self loops included) and its normalised weights."""

from __future__ import annotations

import torch
from attrs import frozen
from cospace.runtime.operators.sparse import Pattern, build_pattern
from torch import Tensor


@frozen(eq=False)
class Graph:
    """Entry (i, j) of the pattern: i receives from j.

    ones: the value of each edge, (edges,). scale: degree^-1/2 of each node, (nodes, 1), so that scale A scale is the
    normalised adjacency of Kipf and Welling (2017) and scale^2 A the mean over neighbours.
    """

    pattern: Pattern
    ones: Tensor
    scale: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and edges, as text declares a graph."""
        return self.nodes, self.edges

    @property
    def nodes(self) -> int:
        return self.pattern.shape[0]

    @property
    def edges(self) -> int:
        return self.pattern.entries

    def to(self, device: torch.device) -> Graph:
        return Graph(self.pattern.to(device), self.ones.to(device), self.scale.to(device))


def build_graph(row: Tensor, column: Tensor, nodes: int) -> Graph:
    """A graph with a self loop at every node, from the places of its entries."""
    loops = torch.arange(nodes, device=row.device)
    pattern = build_pattern(torch.cat([row, loops]), torch.cat([column, loops]), (nodes, nodes))
    degree = torch.bincount(pattern.row, minlength=nodes).float()
    return Graph(pattern, torch.ones(pattern.entries, device=row.device), degree.rsqrt()[:, None])
