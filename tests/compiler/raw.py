"""Every raw design of a small space, by trying all values, and what its text says of one: the reference for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space

from tests.compiler.generate import holds, raw_designs

Design = dict[str, Value]


def designs(space: Space) -> Iterator[Design]:
    """All assignments of live decisions, requirements not looked at."""
    return raw_designs(space.decisions)


def plain(design: Design) -> dict[str, Any]:
    """A design in plain Python: numbers, Booleans, and symbols as texts."""
    return {k: v.name if isinstance(v, Symbol) else v for k, v in design.items()}


def feasible(space: Space) -> list[Design]:
    """The designs that meet every requirement, by exact evaluation of each."""
    return [d for d in designs(space) if all(holds(r, d) for r in space.requirements)]


def agree(space: Space, names: tuple[str, ...], by_hand: Callable[[dict[str, Any]], tuple[Any, ...]]) -> int:
    """Hold quantities of accelerators against a hand-written formula at every raw design; how many there were."""
    quantities = {f"{a.path}.{n}": e for a in space.accelerators for n, e in a.quantities}
    seen = 0
    for d in designs(space):
        got = tuple(evaluate(quantities[n], d) for n in names)
        assert got == by_hand(plain(d)), d
        seen += 1
    return seen
