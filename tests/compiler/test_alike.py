"""Mapping problems that differ in their numbers alone are solved in one batch, and what is found stays the same."""

from __future__ import annotations

from itertools import product

import numpy
import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.elaborate import placing
from cospace.compiler.exact.exact import Enclosure, Undefined, evaluate
from cospace.compiler.numbers import alike, numbers
from cospace.compiler.numbers.alike import find_alike
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.space.designs import decode, encode
from cospace.compiler.space.model import Space

from tests.compiler.spaces import designs

TEXT = """space alike
import std.works
import std.learn
network net {
    for l in [[6, 12, 5], [9, 12, 20], [4, 30, 7], [9, 2, 3]] { ask matmul(m = l[1], k = l[2], n = l[3]) }
    ask dwconv(channels = 4, rows = 6, kh = 3)
}
precision of net { both = choose {4, 8} bit }
accelerator chip {
    kind  = choose { small = 2, large = choose lanes {3, 5, 8} }
    room  = choose {20, 64, 400} bit
    on matmul(m, k, n, wbits, abits) {
        tile = map {1, 2, 3, 4, 6, 12}
        side = map {rows, columns}
        over = if side == rows then m else n
        require tile * (wbits + abits) <= room and tile <= k
        cycles = ceil(over / kind) * ceil(k / tile) + tile / 3
        energy = 1 pJ * (over * k / tile + tile ^ 2 * wbits / 4 bit)
        minimize cycles * energy
    }
    on dwconv(channels) { cycles = channels; energy = 1 pJ * channels }
    energy = sum(works.energy)
    cycles = sum(works.cycles)
}
require chip.energy <= 900 pJ
minimize chip.energy * chip.cycles
"""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "LARGE", 1 << 60)  # no problem is solved ahead
    monkeypatch.setattr(alike, "LEAVES", 0)
    monkeypatch.setattr(numbers, "TOGETHER", 7)


@pytest.fixture
def space() -> Space:
    made = compile_text(TEXT)
    assert made.space is not None, [d.message for d in made.diagnostics]
    return made.space


def quantities(space: Space) -> list:
    return [*(e for _, e in space.accelerators[0].quantities if e.type.kind == "number"), space.objectives[0].value]


def test_layers_of_one_rule_are_one_batch(space: Space) -> None:
    (group,) = find_alike(quantities(space), space.decisions, set())
    assert len(group.nodes) == 4
    assert {len(nodes) for nodes in group.nodes} == {2}, "energy and cycles of each"
    assert {"chip.room", "chip.kind"} <= {d.path for d in group.decisions}


@pytest.mark.parametrize("certify", [False, True])
def test_the_same_to_the_last_bit_and_within_the_bounds_that_are_told(
    space: Space, monkeypatch: pytest.MonkeyPatch, certify: bool
) -> None:
    rows = encode(space.decisions, designs(space))
    exprs = [*quantities(space), *(r.value for r in space.requirements)]
    together = Program(exprs, space.decisions, certify=certify)
    monkeypatch.setattr(numbers, "find_alike", lambda *_: [])
    apart = Program(exprs, space.decisions, certify=certify)
    for a, b in zip(together(rows), apart(rows), strict=True):
        assert numpy.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if not certify:
        return
    values, defined, doubt = together.certified(rows)
    assert doubt.mean() < 0.5
    for i, k in product(range(0, len(rows), 3), range(len(exprs))):
        found = evaluate(exprs[k], decode(space.decisions, rows[i]))
        if doubt[i]:
            continue
        assert bool(defined[k][i]) is not isinstance(found, Undefined)
        if isinstance(found, bool):
            assert bool(values[k][i]) is found
        elif not isinstance(found, Undefined):
            exact = float(found.middle) if isinstance(found, Enclosure) else float(found)
            assert abs(values[k][i] - exact) <= min(together.errors[k], together.shares[k] * abs(exact) * 1.001)


def test_a_decision_in_one_problem_stands_for_a_number_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    body = TEXT.replace("[9, 2, 3]]", "[9, 2, wide]]")
    body = body.replace("network net {", "wide = choose {3, 40}\nnetwork net {", 1)
    made = compile_text(body)
    assert made.space is not None, [d.message for d in made.diagnostics]
    space = made.space
    rows = encode(space.decisions, designs(space))
    exprs = quantities(space)
    (group,) = find_alike(exprs, space.decisions, set())
    assert len(group.nodes) == 4
    together = Program(exprs, space.decisions)
    monkeypatch.setattr(numbers, "find_alike", lambda *_: [])
    for a, b in zip(together(rows), Program(exprs, space.decisions)(rows), strict=True):
        assert numpy.array_equal(a, b, equal_nan=True)
