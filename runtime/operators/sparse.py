"""Sparse matrices and their products with dense ones, forward and backward.

Products run on compressed rows: no tensor with a row for each edge and a column for each feature is ever made, so
memory grows with nodes, not with edges times width.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from attrs import frozen
from cospace.runtime.devices import unmixed, widened
from torch import Tensor

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


@frozen(eq=False)
class Pattern:
    """Where a sparse (rows x columns) matrix has its entries, by rows and by columns.

    row, column: (entries,) in row order. pointer: (rows + 1,). order: entries in column order; t_pointer, t_index:
    the transposed matrix in compressed rows.
    """

    shape: tuple[int, int]
    row: Tensor
    column: Tensor
    pointer: Tensor
    order: Tensor
    t_pointer: Tensor
    t_index: Tensor

    @property
    def entries(self) -> int:
        return self.row.numel()

    def to(self, device: torch.device) -> Pattern:
        parts = (self.row, self.column, self.pointer, self.order, self.t_pointer, self.t_index)
        return Pattern(self.shape, *(p.to(device) for p in parts))


def build_pattern(row: Tensor, column: Tensor, shape: tuple[int, int]) -> Pattern:
    """A pattern from the places of its entries, in any order; doubles are merged."""
    key = torch.unique(row.long() * shape[1] + column.long())
    row, column = key // shape[1], key % shape[1]
    order = torch.argsort(column * shape[0] + row)
    return Pattern(
        shape, row, column, _pointer(row, shape[0]), order, _pointer(column[order], shape[1]), row[order].contiguous()
    )


def _pointer(sorted_index: Tensor, size: int) -> Tensor:
    counts = torch.bincount(sorted_index, minlength=size)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def multiply(pattern: Pattern, values: Tensor, dense: Tensor) -> Tensor:
    """The sparse matrix with `values` (entries,) times `dense` (columns x width): rows x width, never in bfloat16."""
    with unmixed(dense.device):
        product: Tensor = _Multiply.apply(pattern, widened(values), widened(dense))
    return product


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, pattern: Pattern, values: Tensor, dense: Tensor) -> Tensor:
        context.pattern = pattern
        # Either factor is kept only for the other's gradient: constant features keep no copy of the weights.
        keep_dense = context.needs_input_grad[1]
        keep_values = context.needs_input_grad[2]
        context.save_for_backward(values if keep_values else None, dense if keep_dense else None)
        matrix = torch.sparse_csr_tensor(
            pattern.pointer, pattern.column, values, pattern.shape, check_invariants=False, device=values.device
        )
        return matrix @ dense

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        (gradient,) = gradients
        pattern: Pattern = context.pattern
        values, dense = context.saved_tensors
        of_values = of_dense = None
        if values is not None:
            rows, columns = pattern.shape
            turned = torch.sparse_csr_tensor(
                pattern.t_pointer,
                pattern.t_index,
                values[pattern.order],
                (columns, rows),
                check_invariants=False,
                device=values.device,
            )
            of_dense = turned @ gradient
        if dense is not None:
            of_values = _dot_entries(pattern, gradient, dense)
        return None, of_values, of_dense


def _dot_entries(pattern: Pattern, left: Tensor, right: Tensor) -> Tensor:
    """For each entry (i, j), the product of row i of `left` and row j of `right`."""
    mask = torch.sparse_csr_tensor(
        pattern.pointer,
        pattern.column,
        left.new_zeros(pattern.entries),
        pattern.shape,
        check_invariants=False,
        device=left.device,
    )
    return torch.sparse.sampled_addmm(mask, left.contiguous(), right.t().contiguous(), beta=0.0).values()


@frozen(eq=False)
class SparseMatrix:
    """A constant sparse matrix (rows x columns) that stands where a dense tensor would: features of nodes.

    scale: None, or a positive factor of each row, (rows, 1), applied to whole rows of a product. A range over `values`
    then doesn't have to hold what differs between rows only.
    """

    pattern: Pattern
    values: Tensor
    scale: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.pattern.shape

    def with_values(self, values: Tensor) -> SparseMatrix:
        return SparseMatrix(self.pattern, values, self.scale)

    def fold(self) -> SparseMatrix:
        """The same matrix with its scale in its values."""
        if self.scale is None:
            return self
        return SparseMatrix(self.pattern, self.values * self.scale[self.pattern.row, 0])

    def to(self, device: torch.device) -> SparseMatrix:
        scale = None if self.scale is None else self.scale.to(device)
        return SparseMatrix(self.pattern.to(device), self.values.to(device), scale)

    def __matmul__(self, dense: Tensor) -> Tensor:
        product = multiply(self.pattern, self.values, dense)
        return product if self.scale is None else self.scale * product

    def dense(self) -> Tensor:
        out = self.values.new_zeros(self.shape)
        out[self.pattern.row, self.pattern.column] = self.fold().values
        return out
