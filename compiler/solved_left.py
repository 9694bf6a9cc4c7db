"""What the requirements of few maps leave of each map, so that no mapping with another value is tried.

Which values are left hangs on what a row reads: rows that leave the same are told by a decision of their own, over
which the values that are kept are a table (`Kept`), as of maps whose values hang on a decision of the space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy
from attrs import frozen
from cospace.compiler.numbers.arrays import Array
from cospace.compiler.numbers.build import Builder
from cospace.compiler.numbers.maps import Frame, Kept
from cospace.compiler.numbers.numbers import _checks
from cospace.compiler.numbers.plan import Columns, Plan
from cospace.compiler.numbers.steps import Ref
from cospace.compiler.space.asked import conjuncts
from cospace.compiler.space.graph import NUMBER, MapProblem
from cospace.compiler.space.model import Decision
from numpy.typing import NDArray

Ints = NDArray[numpy.int64]

WORTH = 1 << 18
"""Mappings, of all rows, from which on it pays to ask."""
FEW = 1 << 7
"""Combinations of the maps that a requirement reads, at most; fewer, too, than one in eight of all."""
KINDS = 1 << 10
"""Sets of rows that leave the same, at most."""
ROUNDS = 2
"""How often each requirement is asked, for what one leaves out of a map another need not leave in the next."""
PATH = "#left"


@frozen(eq=False)
class Left:
    """decision: which of the sets of rows a row is of, `column` its values; kept: path of a map -> what is left."""

    decision: Decision
    column: Ints
    kept: Mapping[str, Kept]


def leave(builder: Builder, frame: Frame, columns: Columns) -> Left | None:
    """What is left at designs; None where it is not worth asking, or rounding may decide it."""
    problem = frame.problem
    size = math.prod(len(m.values) for m in problem.maps)
    if size * columns.size < WORTH:
        return None
    asked = [r for r in _conditions(builder, frame) if math.prod(r.dims) <= min(FEW, size // 8) and any(r.axes)]
    marks = _marks(builder, problem, asked, columns)
    if marks is None or all(m.all() for m in marks.values()):
        return None
    said = numpy.packbits(numpy.concatenate(list(marks.values())), axis=0)
    _, first, column = numpy.unique(said, axis=1, return_index=True, return_inverse=True)
    if len(first) > KINDS:
        return None
    kept = {}
    for path, mark in marks.items():
        own = mark[:, first]
        own[0] |= ~own.any(axis=0)  # of a row that no mapping meets, one is tried
        kept[path] = Kept((PATH,), own)
    values = tuple(range(len(first)))
    return Left(Decision(PATH, "choose", values, NUMBER), column.reshape(-1), kept)  # type: ignore[arg-type]


def _conditions(builder: Builder, frame: Frame) -> list[Ref]:
    """What a mapping has to meet, one by one."""
    found = []
    for m in frame.problem.maps:
        level = frame.level(m.path)
        assert level is not None
        found.append(builder._within(m, level, (frame,), ()))
    for requirement in frame.problem.requirements:
        found += [builder.compile(part, (frame,)).ref for part in conjuncts(requirement)]
    return [r for r in found if r is not None]


def _marks(
    builder: Builder, problem: MapProblem, asked: Sequence[Ref], columns: Columns
) -> dict[str, NDArray[numpy.bool_]] | None:
    """path -> which values of a map are left at each design: (|values|, designs)."""
    doubt = _checks(builder, asked)
    plan = Plan(builder, [*asked, doubt], numpy)
    marks = {m.path: numpy.ones((len(m.values), columns.size), dtype=numpy.bool_) for m in problem.maps}
    with numpy.errstate(all="ignore"):
        for window, values in plan.blocks(columns, {}):
            if numpy.any(values[doubt.id]):
                return None
            for _ in range(ROUNDS):
                for ref in asked:
                    _ask(ref, values[ref.id], {path: mark[:, window] for path, mark in marks.items()})
    return marks


def _ask(ref: Ref, holds: Array, marks: Mapping[str, Array]) -> None:
    """Leaves of each map that a condition reads what it may take with what is left of the others. marks: changed."""
    axes = [n for n, path in enumerate(ref.axes) if path]
    for n in axes:
        mark = marks[ref.axes[n]]
        shape = [1] * len(ref.axes)
        shape[n] = len(mark)
        holds = holds & mark.reshape((*shape, -1))
    for n in axes:
        marks[ref.axes[n]][...] &= holds.any(axis=tuple(k for k in range(len(ref.axes)) if k != n))


__all__ = ["Left", "leave"]
