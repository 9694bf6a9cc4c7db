"""`std.accesses` counts what a loop nest does, step by step; a layer under a mapping costs what its counts say."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from cospace.compiler.cost import breakdown
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.designs import parse_design
from cospace.compiler.space.model import Space

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import mapped  # noqa: E402

LOOPS = ("K", "C", "OY", "OX", "FY", "FX")
TENSORS = {"weight": ("K", "C", "FY", "FX"), "input": ("C", "OY", "OX", "FY", "FX"), "output": ("K", "OY", "OX")}
COUNTED = """
space counted
import std.accesses
loop = [choose all_loops for p in 1..5]
size = [choose 1..3 for p in 1..5]
within = choose 0..5
stride = choose 1..3
spread = {K = choose k {1, 2}, C = choose c {1, 3}, OY = 1, OX = choose x {1, 4}, FY = choose f {1, 2}, FX = 1}
t = times(in_time(loop, size, within), spread)
weight = weights_of(t)
input  = inputs_of(t, stride)
output = outputs_of(t)
weight_changes = changes(loop, size, within, weight_loops)
input_changes  = changes(loop, size, within, input_loops)
output_changes = changes(loop, size, within, output_loops)
weight_pass = last_pass(loop, size, within, weight_loops)
input_pass  = last_pass(loop, size, within, input_loops)
output_pass = last_pass(loop, size, within, output_loops)
output_tiles   = finished(loop, size, within, output_loops)
minimize weight
"""


def walk(loops: list[str], sizes: list[int], within: int, tensor: str) -> Iterator[tuple[int, ...]]:
    """What the tensor's tile is known by at each step: where the loops stand that it depends on, outside."""
    outside = [p for p in range(within, len(loops)) if loops[p] in TENSORS[tensor]]
    for step in product(*(range(size) for size in reversed(sizes))):
        place = step[::-1]
        yield tuple(place[p] for p in outside)


def changed(walked: Iterator[tuple[int, ...]]) -> int:
    count, last = 0, None
    for tile in walked:
        count, last = count + (tile != last), tile
    return count


def repeats_after(walked: list[tuple[int, ...]]) -> int:
    return next(n for n in range(1, len(walked) + 1) if walked == walked[:n] * (len(walked) // n))


def elements(extent: Mapping[str, int], stride: int) -> dict[str, int]:
    """Those of each tensor that steps of this extent touch, listed one by one."""
    touched: dict[str, set[tuple[int, ...]]] = {tensor: set() for tensor in TENSORS}
    for k, c, oy, ox, fy, fx in product(*(range(extent[loop]) for loop in LOOPS)):
        touched["weight"].add((k, c, fy, fx))
        touched["input"].add((c, oy * stride + fy, ox * stride + fx))
        touched["output"].add((k, oy, ox))
    return {tensor: len(found) for tensor, found in touched.items()}


def test_counts_are_those_of_a_nest_that_is_run() -> None:
    space = compile_text(COUNTED).space
    assert space is not None
    quantities = {q.path: q.value for q in space.quantities}
    rng = random.Random(3)
    seen = 0
    for _ in range(60):
        loops, sizes = rng.choices(LOOPS, k=5), [rng.randint(1, 3) for _ in range(5)]
        within, stride = rng.randint(0, 5), rng.randint(1, 3)
        spread = {"K": rng.choice((1, 2)), "C": rng.choice((1, 3)), "OX": rng.choice((1, 4)), "FY": rng.choice((1, 2))}
        chosen: dict[str, Any] = {f"loop[{p}]": loop for p, loop in enumerate(loops, 1)}
        chosen |= {f"size[{p}]": size for p, size in enumerate(sizes, 1)}
        chosen |= {"within": within, "stride": stride}
        chosen |= {f"spread.{name}": spread[loop] for name, loop in (("k", "K"), ("c", "C"), ("x", "OX"), ("f", "FY"))}
        design = parse_design(space, chosen)

        extent = {
            loop: spread.get(loop, 1) * prod(sizes[p] for p in range(within) if loops[p] == loop) for loop in LOOPS
        }
        for tensor, count in elements(extent, stride).items():
            assert evaluate(quantities[tensor], design) == count, (tensor, chosen)
            changes = changed(walk(loops, sizes, within, tensor))
            assert evaluate(quantities[f"{tensor}_changes"], design) == changes, (tensor, chosen)
            seen += changes > 1
            once = repeats_after(list(walk(loops[:within], sizes[:within], 0, tensor)))
            assert evaluate(quantities[f"{tensor}_pass"], design) == once, (tensor, chosen)
        assert evaluate(quantities["output_tiles"], design) == len(set(walk(loops, sizes, within, "output")))
    assert seen > 60


# ---- a layer on an array of 2 x 2 with a small buffer; nothing else stands where it isn't said

SMALL_LAYER = {"K": 4, "C": 6, "OY": 4, "OX": 5, "FY": 3, "FX": 3, "stride": 1}
SMALL: dict[str, Any] = {
    "rows": 2, "cols": 2, "sp1": "C", "sp2": "K", "e_mac": 1,
    "w_rf": {"bits": 72, "bw": 8, "e_r": 1, "e_w": 2},
    "o_rf": {"bits": 640, "bw": 32, "e_r": 3, "e_w": 4, "served": ["D1"]},
    "glb": {"bits": 8_000, "bw": 64, "bw_min": 8, "e_r": 10, "e_w": 20},
    "dram": {"bw": 16, "e_r": 100, "e_w": 200},
}  # fmt: skip
KEPT = {
    "W": [[["OX", 5], ["FX", 3]], [["C", 3], ["OY", 4], ["FY", 3], ["K", 2]], []],
    "I": [[["OX", 5], ["FX", 3], ["C", 3], ["OY", 4], ["FY", 3]], [["K", 2]]],
    "O": [[["OX", 5], ["FX", 3]], [["C", 3], ["OY", 4], ["FY", 3]], [["K", 2]]],
}


def small_space(folder: Path, changes: Mapping[str, Mapping[str, int]] | None = None, width: str = "8 bit") -> Space:
    hardware = SMALL | {memory: SMALL[memory] | change for memory, change in (changes or {}).items()}
    mapped.write_tables(folder, {"layer": SMALL_LAYER}, {"small": hardware})
    return mapped.space_of(folder, "small", "layer", width)


def test_a_mapping_worked_by_hand(tmp_path: Path) -> None:
    """1,080 steps, 4,320 products. Weights come 72 times, 3 of a row for each of 2 x 2 units, inputs from
    the buffer in each step, 2 at once; sums, 2 x 5 at once, stay for all of C and leave 24 times, 8 times finished."""
    space = small_space(tmp_path)
    answer = breakdown(space, parse_design(space, mapped.design_of(KEPT)))
    assert answer["feasible"] is True, answer["violated"]
    work = answer["works"][0]
    exact = {
        name: Fraction(entry["exact"]) for name, entry in work.items() if isinstance(entry, dict) and "exact" in entry
    }
    assert (exact["adds"], exact["units"], exact["sinks"]) == (1080, 4, 2)
    assert (exact["w_fills"], exact["i_fills"], exact["o_drops"]) == (72, 1080, 24)
    assert (exact["w_all"], exact["i_all"], exact["o_all"]) == (12 * 8, 2 * 8, 10)
    assert (exact["w_loads"], exact["i_loads"], exact["o_stores"]) == (1, 1, 2)
    assert (exact["w_kept"], exact["i_kept"], exact["o_kept"]) == (4 * 6 * 9 * 8, 6 * 6 * 7 * 8, 2 * 4 * 5)

    weights = 4 * (216 * 1 + 72 * 3 * 2)
    sums = 2 * (1080 * (3 + 4) + 24 * 5 * 3 + 24 * 5 * 4)
    reads = 72 * 12 * 8 + 1080 * 2 * 8 + 24 * 10 * 32 + 2 * 40 * 8
    writes = 216 * 8 + 252 * 8 + 24 * 10 * 32
    outside = (216 + 252) // 2 * 100 + 2 * 20 * 200
    expected = 4320 + weights + sums + Fraction(reads, 64) * 10 + Fraction(writes, 64) * 20 + outside
    assert exact["energy"] / mapped.PICOJOULE == expected

    assert exact["reading"] == 72 * 2 + 1080 + 24 * 5 + 2 * 5
    assert exact["moving"] == 108 + 126 + 2 * 20
    assert (exact["onload"], exact["offload"], exact["stalls"]) == (126, 5 + 20, 1354 - 1080)
    assert exact["cycles"] == 126 + 1354 + 25


@pytest.mark.parametrize("changes, chosen, reason", [
    ({"w_rf": {"bits": 16}}, {}, "tiles fit the registers"),
    ({"o_rf": {"bits": 128}}, {}, "tiles fit the registers"),
    ({"glb": {"bits": 4_000}}, {}, "tiles fit the buffer"),
    ({}, {"size[3]": 2}, "the loops in space fit the array"),
    ({}, {"size[1]": 1}, "the mapping covers the layer"),
    ({}, {"near.inputs": 1}, "inputs fit their registers, where there are some"),
])  # fmt: skip
def test_a_mapping_that_does_not_fit_is_told(
    tmp_path: Path, changes: dict[str, dict[str, int]], chosen: dict[str, int], reason: str
) -> None:
    space = small_space(tmp_path, changes)
    answer = breakdown(space, parse_design(space, mapped.design_of(KEPT) | chosen))
    assert answer["feasible"] is False
    assert any(reason in entry["reason"] for entry in answer["violated"]), answer["violated"]


def drawn(rng: random.Random) -> dict[str, list[list[list[Any]]]]:
    """A mapping at random: the loops in any order, each tensor's boundaries anywhere."""
    loops: list[list[Any]] = [["OX", 5], ["OY", 4], ["K", 2], ["C", 3], ["FY", 3], ["FX", 3]]
    rng.shuffle(loops)
    kept = {}
    for tensor in "WIO":
        near, far = sorted(rng.randint(0, 6) for _ in range(2))
        near = 0 if tensor == "I" else near
        kept[tensor] = [loops[:near], loops[near:far], loops[far:]]
    kept["I"] = kept["I"][1:]
    return kept


def test_physics_of_fixed_mappings(tmp_path: Path) -> None:
    """More bandwidth never takes more cycles, fewer bits never more energy, a larger memory never more of either."""
    variants = {
        "plain": ({}, "8 bit"),
        "wider": ({"glb": {"bw": 96}, "dram": {"bw": 32}}, "8 bit"),
        "fewer bits": ({}, "5 bit"),
        "larger": ({"glb": {"bits": 80_000}, "w_rf": {"bits": 7_200}, "o_rf": {"bits": 64_000}}, "8 bit"),
    }
    mappings = [mapped.design_of(drawn(random.Random(seed))) for seed in range(80)]
    found = {}
    for name, (changes, width) in variants.items():
        space = small_space(tmp_path, changes, width)
        quantities = dict(space.accelerators[0].quantities)
        found[name] = [
            tuple(evaluate(quantities[q], parse_design(space, chosen)) for q in ("energy", "cycles"))
            for chosen in mappings
        ]
    assert len(set(found["plain"])) > 60
    for plain, wider, fewer, larger in zip(*found.values(), strict=True):
        assert wider[1] <= plain[1]
        assert fewer[0] <= plain[0] and fewer[1] <= plain[1]
        assert larger[0] == plain[0] and larger[1] <= plain[1]


def test_without_room_for_the_next_tile_it_comes_in_the_last_pass(tmp_path: Path) -> None:
    """Weights of 36 turns come 6 times. A pass through them takes 9 steps: 5 times 27 turns are waited for. With
    room for two the port that reads the buffer sets the pace."""
    kept = {
        "W": [[["FX", 3], ["FY", 3]], [["OX", 5], ["OY", 4]], [["C", 3], ["K", 2]]],
        "I": [[["FX", 3], ["FY", 3], ["OX", 5], ["OY", 4], ["C", 3], ["K", 2]], []],
        "O": [[["FX", 3], ["FY", 3], ["OX", 5], ["OY", 4], ["C", 3]], [], [["K", 2]]],
    }
    reading = 6 * 5 + 1080 + 2 * 5
    for bits, pace in ((2_700, 1080 + 5 * 27), (2_624 + 288, reading)):
        space = small_space(tmp_path, {"glb": {"bits": bits}, "dram": {"bw": 8}})
        answer = breakdown(space, parse_design(space, mapped.design_of(kept)))
        assert answer["feasible"] is True, answer["violated"]
        work = answer["works"][0]
        assert [int(work[name]["exact"]) for name in ("onload", "offload", "reading")] == [36 + 252, 5 + 40, reading]
        assert int(work["cycles"]["exact"]) == 288 + pace + 45


def test_without_its_tables_the_spec_says_so(tmp_path: Path) -> None:
    result = compile_file(mapped.SPEC, {}, data=tmp_path)
    assert result.space is None
    assert any("layers.csv" in d.message for d in result.diagnostics)
