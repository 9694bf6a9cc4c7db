"""Solved mappings: told whole, written and read back to the same cost, changed by hand, and why there is none."""

from __future__ import annotations

import itertools
import json
import re
from fractions import Fraction
from typing import Any

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.cost import breakdown
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.mapping import describe, unmet, with_mappings
from cospace.compiler.mapping_file import is_record, read_given
from cospace.compiler.mapping_missing import sentence
from cospace.compiler.space.model import Design, Space
from cospace.compiler.space.schema import from_json, to_json
from cospace.dsl.diagnostics import SpecError

NETWORK = """
import std.tasks
import std.images
import std.learn
photos = cifar10(size = 16)
network net(x: photos.pixels) -> tensor[photos.classes] {
    for i in 1..3 { x = conv_norm(x, out = 32) }
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = BITS }
"""
GRAPH = """
import std.tasks
import std.graph
import std.learn
nodes = node_classification("digits")
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    gcn(gcn(x, adj, out = 16), adj, out = nodes.classes)
}
precision of net { both = BITS }
"""
ENGINES = {
    "systolic": "systolic(rows = 16, cols = 16, buffer = 16 KiB)",
    "loop_nest": "loop_nest(elements = 32, tall = 8, buffer = 16 KiB)",
    "precision_scalable": "scalable_array()",
    "microring": "microring()",
    "gnn_engine": "gnn_engine()",
}
"""Every accelerator of the standard library that maps."""


def space_of(name: str, engine: str | None = None, bits: str = "8 bit", more: str = "") -> Space:
    network = (GRAPH if name == "gnn_engine" else NETWORK).replace("BITS", bits)
    text = f"space s\nimport std.{name}\n{network}\nengine = {engine or ENGINES[name]}\n{more}"
    compiled = compile_text(text)
    assert compiled.space is not None, compiled.diagnostics
    return compiled.space


def first_design(space: Space) -> Design:
    """The first live value of everything."""
    design: dict[str, Any] = {}
    for d in space.decisions:
        if evaluate(d.guard, design) is True:
            allowed = [True] * len(d.values) if d.allowed is None else [evaluate(a, design) for a in d.allowed]
            design[d.path] = d.values[allowed.index(True)]
    return design


def again(record: dict[str, Any]) -> dict[str, Any]:
    """What is read of what is written."""
    return json.loads(json.dumps(record))  # type: ignore[no-any-return]


def cost(space: Space, design: Design, record: dict[str, Any]) -> dict[str, Any]:
    return breakdown(with_mappings(space, read_given(again(record), "m")), design)


# ---- the same to the last digit


@pytest.mark.parametrize("bits", ["8 bit", "switch {4, 8} bit"])
@pytest.mark.parametrize("name", ENGINES)
def test_read_back_it_costs_the_same(name: str, bits: str) -> None:
    goal = "minimize mean(engine.energy * engine.latency for precision.both)" if "switch" in bits else ""
    space = space_of(name, bits=bits, more=goal)
    design = first_design(space)
    record = describe(space, design)
    assert is_record(again(record))
    assert any(layer["maps"] for layer in record["layers"])
    assert all({"4 bit", "8 bit"} >= set(layer["at"].values()) for layer in record["layers"])
    assert cost(space, design, record) == breakdown(space, design)


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_told_is_what_cost_tells(name: str) -> None:
    space = space_of(name)
    design = first_design(space)
    works = {w["path"]: w for w in breakdown(space, design)["works"]}
    seen = []
    for layer in describe(space, design)["layers"]:
        seen += layer["works"]
        for path in layer["works"]:
            work = works[path]
            assert layer["rule"] == work["rule"]
            for quantity in ("cycles", "energy"):
                assert layer["quantities"][quantity] == work[quantity]
            assert layer["maps"] == {k.removeprefix(f"{path}."): v for k, v in work["maps"].items()}
        assert layer["times"] == sum(works[path]["times"] for path in layer["works"])
    assert sorted(seen) == sorted(works)


def test_what_energy_is_made_of_adds_up() -> None:
    for name in ENGINES:
        space = space_of(name)
        for layer in describe(space, first_design(space))["layers"]:
            split, whole = layer["splits"]["energy"], layer["quantities"]["energy"]
            assert len(split) >= 3
            assert not any("energy_by" in k for k in layer["quantities"])
            if whole["exact"] is not None:
                assert sum(Fraction(f["exact"]) for f in split.values()) == Fraction(whole["exact"])


def test_a_compiled_space_tells_what_it_holds() -> None:
    space = space_of("loop_nest")
    design = first_design(space)
    compiled = from_json(json.loads(json.dumps(to_json(space))))
    mine, whole = describe(compiled, design)["layers"], describe(space, design)["layers"]
    assert [x["maps"] for x in mine] == [x["maps"] for x in whole]
    assert [x["quantities"]["energy"] for x in mine] == [x["quantities"]["energy"] for x in whole]
    with pytest.raises(SpecError, match="CS817"):
        with_mappings(compiled, read_given(again(describe(space, design)), "m"))


# ---- changed by hand


def changed(record: dict[str, Any], path: str, **maps: object) -> dict[str, Any]:
    """A record in which one work has a mapping of its own."""
    record = again(record)
    (layer,) = (x for x in record["layers"] if path in x["works"])
    layer["works"].remove(path)
    record["layers"].append({**layer, "works": [path], "maps": {**layer["maps"], **maps}})
    return record


def test_a_changed_mapping_costs_what_it_costs() -> None:
    """By hand: 16 x 16 elements, m = 256, k = 288, n = 32; of three layers alike in two only one is changed."""
    space = space_of("systolic")
    design = first_design(space)
    before = breakdown(space, design)
    record = describe(space, design)
    path = "net.conv_norm[3].conv.conv.matmul"
    (alike,) = (x for x in record["layers"] if path in x["works"])
    assert alike["works"] == ["net.conv_norm[2].conv.conv.matmul", path]
    after = cost(space, design, changed(record, path, flow="inputs_stay", tile=4))
    works = {w["path"]: w for w in after["works"]}
    cycles = (288 // 16) * (256 // 16) * (2 * 16 + 16 + 32 - 2)
    inputs, weights, spilled = 256 * 288, 288 * 32 * 16, 256 * 32 * 2 * (18 - 1)
    near = inputs * 8 + weights * 8 + spilled * 32 + 256 * 32 * 8
    far = 256 * 288 * 8 + 288 * 32 * 64 * 8 + 256 * 32 * 8
    assert works[path]["cycles"]["exact"] == str(cycles)
    others = {w["path"]: w for w in before["works"]} | {path: works[path]}
    assert works == others
    energies = [Fraction(w["energy"]["exact"]) for w in others.values()]
    assert after["quantities"]["engine.energy"]["exact"] == str(sum(energies))
    told = describe(with_mappings(space, read_given(changed(record, path, flow="inputs_stay", tile=4), "m")), design)
    (detail,) = (x["quantities"] for x in told["layers"] if x["works"] == [path])
    said = {k: detail[k]["exact"] for k in ("inputs", "weights", "spilled", "near", "far")}
    assert said == {"inputs": str(inputs), "weights": str(weights), "spilled": str(spilled),
                    "near": str(near), "far": str(far)}  # fmt: skip


def test_no_other_mapping_is_better() -> None:
    """Every mapping of a layer, given by hand: the one that was solved is the least."""
    more = "minimize engine.energy * engine.latency"
    space = space_of("precision_scalable", more=more)
    design = first_design(space)
    record = describe(space, design)
    path = "net.linear.matmul"
    layer = next(x for x in record["layers"] if path in x["works"])
    goals = {}
    for blocks, parts, stays in itertools.product((1, 8, 64), (1, 8), ("weights", "inputs", "sums")):
        space_ = with_mappings(space, read_given(changed(record, path, blocks=blocks, parts=parts, stays=stays), "m"))
        if not unmet(space_, design, read_given(changed(record, path, blocks=blocks, parts=parts, stays=stays), "m")):
            work = next(w for w in breakdown(space_, design)["works"] if w["path"] == path)
            energy, cycles = (Fraction(work[k]["exact"]) for k in ("energy", "cycles"))
            goals[blocks, parts, stays] = energy * cycles, energy
    assert len(goals) > 9 and tuple(layer["maps"].values()) == min(goals, key=lambda maps: goals[maps])


JOB = """work job(n: int) { macs = n }
import std.tasks
import std.images
import std.learn
photos = cifar10()
def op(x: tensor[c, h, w]) -> tensor[c, h, w] from "image.identity" { ask job(n = 10) }
network net(x: photos.pixels) -> tensor[photos.classes] { linear(global_pool(op(x)), out = photos.classes) }
precision of net { both = 8 bit }
"""
TWO = (
    "space two\n"
    + JOB
    + """accelerator engine {
    on job(n) {
        a = map {1, 2, 3, 4}
        b = map {5, 6, 7} when a > 1
        c = map {q, r}
        require a != 2
        require REQUIRE
        cycles = a
    }
    on matmul() { cycles = 1 }
    cycles = sum(works.cycles)
}
"""
)


TIES = (
    TWO.replace("require a != 2", "").replace("require REQUIRE", "").replace("cycles = a", "cycles = (a - 7 / 2) ^ 2")
)


@pytest.mark.parametrize(("first", "then"), [("1, 2, 3, 4", 3), ("4, 1, 3, 2", 4)])
def test_of_equal_mappings_the_first_in_declared_order_is_told(first: str, then: int) -> None:
    """Whatever the order of its values: 3 and 4 are equally far from 7/2, and so is each with any `b` and `c`."""
    space = compile_text(TIES.replace("1, 2, 3, 4", first).replace("{q, r}", "{r, q}")).space
    assert space is not None
    layer = next(x for x in describe(space, {})["layers"] if x["kind"] == "job")
    assert layer["maps"] == {"a": then, "b": 5, "c": "r"}


def test_a_map_that_is_left_out_is_solved() -> None:
    space = space_of("systolic")
    design = first_design(space)
    record = describe(space, design)
    part = again(record)
    for layer in part["layers"]:
        layer["maps"].pop("flow", None)
    assert cost(space, design, part) == breakdown(space, design)


def test_each_of_two_accelerators_has_mappings_of_its_own() -> None:
    space = space_of("systolic", more="other = systolic(rows = 8, cols = 8, buffer = 64 KiB)")
    record = again(describe(space, {}))
    assert {x["accelerator"] for x in record["layers"]} == {"engine", "other"}
    before = breakdown(space, {})
    assert cost(space, {}, record) == before
    path = "net.linear.matmul"
    for layer in record["layers"]:
        if path in layer["works"] and layer["accelerator"] == "other":
            layer["maps"]["flow"] = "inputs_stay"
    after = cost(space, {}, record)
    changed_ = [(a, b) for a, b in zip(before["works"], after["works"], strict=True) if a != b]
    assert [(b["path"], b["accelerator"]) for _, b in changed_] == [(path, "other")]


def test_the_same_in_python() -> None:
    from cospace.door import Model

    model = Model(space_of("systolic"))
    told = model.mapping({})
    assert model.with_mapping(again(told)).cost([{}]) == model.cost([{}])


# ---- what is refused

BAD = [
    ("maps", {"tile": 7}, "`7` is not one of its values"),
    ("maps", {"tille": 8}, "did you mean `tile`?"),
    ("maps", {"flow": "weights_sta"}, "not one of its values"),
    ("works", ["net.conv_norm[9].conv.conv.matmul"], "there is no such work"),
    ("rule", "engine: on conv", "no rule `engine: on conv` serves"),
    ("at", {"precision.both": "8 bit"}, "is bound before"),
    ("works", 3, "needs `works`"),
    ("works", ["net.linear.matmul"], "two mappings for"),
]


@pytest.mark.parametrize(("field", "value", "said"), BAD)
def test_what_does_not_fit_the_spec_is_refused(field: str, value: object, said: str) -> None:
    space = space_of("systolic")
    record = again(describe(space, first_design(space)))
    record["layers"][0][field] = value
    with pytest.raises(SpecError) as error:
        with_mappings(space, read_given(record, "m"))
    texts = [f"{d.message} {d.help or ''}" for d in error.value.diagnostics]
    assert all(d.code == "CS817" for d in error.value.diagnostics)
    assert any(said in t for t in texts), texts


@pytest.mark.parametrize(
    "data", [None, [], {}, {"format": "cospace mapping"}, {"format": "cospace mapping", "schema": 1}]
)
def test_what_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(SpecError, match="CS817"):
        read_given(data, "m")


def test_a_mapping_that_breaks_a_requirement_is_told_in_bits() -> None:
    """A tile of 256 rows needs 256 * (288 * 8 + 32 * 32) + 288 * 16 * 8 bit, and there are 131,072."""
    space = space_of("systolic")
    design = first_design(space)
    given = read_given(changed(describe(space, design), "net.conv_norm[2].conv.conv.matmul", tile=256), "m")
    (broken,) = unmet(with_mappings(space, given), design, given)
    assert broken["path"] == "net.conv_norm[2].conv.conv.matmul"
    (missing,) = broken["missing"]
    needs = 256 * (288 * 8 + 32 * 32) + 288 * 16 * 8
    assert [missing[k]["exact"] for k in ("needs", "there", "missing")] == [str(needs), "131072", str(needs - 131_072)]


# ---- why there is none


@pytest.mark.parametrize(("name", "needs"), [
    ("systolic", 288 * 8 + 32 * 32 + 288 * 16 * 8),
    ("loop_nest", None),
])  # fmt: skip
def test_a_layer_that_nothing_fits_is_told_in_bits(name: str, needs: int | None) -> None:
    space = space_of(name, ENGINES[name].replace("16 KiB", "512 byte"))
    design = first_design(space)
    works = {w["path"]: w["maps"] for w in breakdown(space, design)["works"]}
    layers = describe(space, design)["layers"]
    for layer in layers:
        assert (layer["maps"] is None) == (layer["missing"] is not None)
        assert all(bool(works[p]) == (layer["maps"] is not None) for p in layer["works"])
    lost = next(x for x in layers if "net.conv_norm[2].conv.conv" in x["works"][0])
    (missing,) = lost["missing"]["missing"]
    assert missing["there"]["exact"] == str(512 * 8)
    assert Fraction(missing["needs"]["exact"]) - 4096 == Fraction(missing["missing"]["exact"]) > 0
    assert missing["place"].startswith(f"std/{name}.cospace:")
    assert re.fullmatch(r'".*fit.*" needs [\d,]+ \w+, there is [\d,]+ \w+: [\d,]+ \w+ missing', sentence(missing))
    if needs is not None:
        assert missing["needs"]["exact"] == str(needs)


NEAREST = [
    ("a * 10 >= 100 bit / 1 bit + n", {"a": 4, "b": 5, "c": "q"}, "needs 110, there is 40: 70 missing"),
    ("a > 3 and c == r and a <= 1", {"a": 1, "c": "r"}, "needs more than 3, there is 1: 2 missing"),
    ("c == r and c == q", {"a": 1, "c": "q"}, "does not hold"),
    ("(if c == q then 30 else 20) <= n", {"a": 1, "c": "r"}, "needs 20, there is 10: 10 missing"),
    ("a >= 30 or a * 2 + 18 <= n when c == q or c == r", {"a": 1, "c": "q"}, "needs 20, there is 10: 10 missing"),
]


@pytest.mark.parametrize(("asked", "nearest", "told"), NEAREST)
def test_the_nearest_mapping(asked: str, nearest: dict[str, object], told: str) -> None:
    compiled = compile_text(TWO.replace("REQUIRE", asked))
    space = compiled.space
    assert space is not None, [(d.code, d.message) for d in compiled.diagnostics]
    missing = next(x["missing"] for x in describe(space, {})["layers"] if x["kind"] == "job")
    assert missing["nearest"] == nearest
    assert [sentence(m) for m in missing["missing"]] == [f'"{asked}" {told}']


LEAST = {
    "systolic": 288 * 8 + 32 * 32 + 288 * 16 * 8,
    "loop_nest": 2 * (8 * 8 * 9 * 8 + 8 * (3 + 3) * (15 + 3) * 8 + 8 * 4 * 16 * 24),
}
"""Bits that the least tile of a 3 x 3 convolution of 32 channels takes, with its sums."""


@pytest.mark.parametrize("name", LEAST)
def test_check_says_what_the_nearest_mapping_of_all_designs_lacks(name: str) -> None:
    space = space_of(name, ENGINES[name].replace("16 KiB", "choose {1, 2} KiB"))
    (found,) = (d.message for d in check(space).diagnostics if d.code == "CS601")
    needs = LEAST[name] // 8
    assert (
        f"needs {needs:,} byte, there is 2,048 byte: {needs - 2048:,} byte missing (at engine.buffer = 2 KiB" in found
    )


# ---- loop nests


def test_the_loops_cover_the_layer() -> None:
    space = space_of("loop_nest")
    for layer in describe(space, first_design(space))["layers"]:
        dims, maps = layer["dims"], layer["maps"]
        trips: dict[str, float] = {}
        for level in layer["loops"]:
            for loop in level["loops"]:
                trips[loop["loop"]] = trips.get(loop["loop"], 1) * loop["trips"]
        assert [level["level"] for level in layer["loops"]] == ["memory", "buffer", "array", "registers"]
        assert [level["parallel"] for level in layer["loops"]] == [False, False, True, False]
        outs, ins = dims.get("cout", dims.get("n")), dims.get("cin", dims.get("k"))
        assert trips.get("K", 1) >= outs
        assert trips.get("C", 1) * trips.get("kh", 1) >= ins * dims.get("kh", 1)
        for name, mapped in (("memory", "nest.far_inner"), ("buffer", "nest.near_inner")):
            loops = [x["loop"] for x in next(x for x in layer["loops"] if x["level"] == name)["loops"]]
            assert not loops or loops[-1] == maps[mapped]


ORDERED = (
    "space ordered\n"
    + JOB
    + """accelerator engine {
    on job(n) {
        order = map orders({I, J, L})
        parts = map factors(n, 3)
        require order == [L, I, J] and parts == [2, 5, 1]
        loops = {top = {I = parts[1], J = parts[2], L = 3, order = order}, lanes = {I = 4, J = 1, parallel = true}}
        cycles_by = {one = 2, other = parts[1]}
        cycles = 4
    }
    on matmul() { cycles = 1 }
    cycles = sum(works.cycles)
}
"""
)


def test_an_order_that_is_mapped_is_the_order_of_its_loops() -> None:
    space = compile_text(ORDERED).space
    assert space is not None
    layer = next(x for x in describe(space, {})["layers"] if x["kind"] == "job")
    assert layer["maps"] == {"order": "[L, I, J]", "parts": "[2, 5, 1]"}
    assert layer["loops"] == [
        {"level": "top", "parallel": False,
         "loops": [{"loop": "L", "trips": 3}, {"loop": "I", "trips": 2}, {"loop": "J", "trips": 5}]},
        {"level": "lanes", "parallel": True, "loops": [{"loop": "I", "trips": 4}]},
    ]  # fmt: skip
    assert {k: f["exact"] for k, f in layer["splits"]["cycles"].items()} == {"one": "2", "other": "2"}


# ---- records that somebody damaged


def test_a_damaged_record_is_no_record() -> None:
    space = space_of("loop_nest", ENGINES["loop_nest"].replace("16 KiB", "2 KiB"))
    whole = again(describe(space, first_design(space)))
    assert any(x["maps"] is None for x in whole["layers"]) and any(x["maps"] for x in whole["layers"])

    def spoil(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(p for k, v in below for p in spoil(v, (*path, k)))]

    needed = {"layers", "works", "rule", "times", "at", "maps", "loops", "quantities", "splits", "missing", "level",
              "parallel", "loop", "trips", "value", "unit", "space"}  # fmt: skip
    places = [p for p in spoil(whole) if p and p[-1] in needed and (len(p) == 1 or p[-1] != "layers")]
    assert len(places) > 100
    for place in places[::7]:
        broken = again(whole)
        at = broken
        for k in place[:-1]:
            at = at[k]
        at[place[-1]] = {"a": [None]}
        assert not is_record(broken), place
