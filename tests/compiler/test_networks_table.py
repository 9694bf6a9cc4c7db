"""Networks written from the rows of a table: the same costs as with the layers written out, and tables run over."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.cost import breakdown
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.engines.best import best
from cospace.compiler.space.model import Design, Space

from tests.compiler.spaces import holds, space_of

LAYERS = Path(__file__).parent / "networks"
TABLE = """
table layers(name: text) from "resnet18.csv" {
    kind: {conv, depthwise, linear}
    cin: int; cout: int; kernel: int; stride: int; size: int; groups: int; batch: int
}
network net {
    for l in layers {
        if l.kind == linear then ask matmul(m = l.batch, k = l.cin, n = l.cout)
        else if l.kind == depthwise
        then ask dwconv(channels = l.cin, rows = l.size, kh = l.kernel, stride = l.stride, times = l.batch)
        else ask conv(cin = l.cin / l.groups, cout = l.cout / l.groups, rows = l.size, kh = l.kernel,
                      stride = l.stride, times = l.groups * l.batch)
    }
}
"""
STANDARD = """
import std.images
import std.tasks
photos = cifar10()
network net(x: photos.pixels) -> tensor[photos.classes] { resnet18(x, classes = photos.classes) }
"""
HARDWARE = {"systolic": "systolic(rows = 16, cols = 32, buffer = 512 KiB)", "loop_nest": "loop_nest()"}


def costed(network: str, name: str, folder: Path) -> Space:
    spec = folder / f"{name}.cospace"
    text = f"space s\nimport std.works\nimport std.learn\nimport std.{name}\n{network}\n"
    text += f"precision of net {{ both = 8 bit }}\nchip = {HARDWARE[name]}\nminimize chip.energy * chip.latency\n"
    spec.write_text(text, encoding="utf-8")
    found = compile_file(spec, {}, LAYERS)
    assert found.space is not None, [f"{d.code} {d.message}" for d in found.diagnostics]
    return found.space


def numbers(space: Space, design: Design) -> list[tuple[object, ...]]:
    """Of each work what it is, how often, and its exact cost; where it comes from left out."""
    shown = breakdown(space, design)
    assert shown["feasible"] is True, shown["violated"]
    return [(w["kind"], w["times"], str(w["dims"]), str(w["cycles"]), str(w["energy"])) for w in shown["works"]]


@pytest.mark.parametrize("name", list(HARDWARE))
def test_resnet18_of_a_table_costs_what_the_standard_library_s_does(name: str, tmp_path: Path) -> None:
    table, standard = costed(TABLE, name, tmp_path), costed(STANDARD, name, tmp_path)
    points = [best(s).designs[0] for s in (table, standard)]
    assert sorted(numbers(table, points[0])) == sorted(numbers(standard, points[1]))
    assert len(numbers(table, points[0])) == 21
    figures = [breakdown(s, p)["objectives"] for s, p in zip((table, standard), points, strict=True)]
    assert figures[0] == figures[1]
    layers = {w.call for w in table.works}
    assert {"net.conv[conv1]", "net.conv[layer4.0.downsample]", "net.matmul[fc]"} <= layers


def test_a_table_is_a_list_of_its_rows() -> None:
    space = space_of("""
        table sizes(name: text, part: int) from [["a.b", 1, 3, 2 mm2], ["a.b", 2, 4, 1 mm2], ["c[x]", 1, 5, 7 mm2]] {
            width: int; area: mm2
        }
        many = count(sizes)
        width = sum(sizes.width)
        area = max(sizes.area)
        some = sum(s.width * s.part for s in sizes when s.name == "a.b")
        picks = [choose 1..s.width for s in sizes]
        require sum(picks) <= many + width + some
        minimize area * many * width
    """)
    assert [d.path for d in space.decisions] == ["picks[a.b, 1]", "picks[a.b, 2]", "picks[c_x_, 1]"]
    (objective,) = space.objectives
    assert objective.value.number == Fraction(7 * 3 * 12, 10**6)
    assert holds(space, {d.path: Fraction(1) for d in space.decisions}) is True
    assert space.requirements[0].value.free == {d.path for d in space.decisions}


@pytest.mark.parametrize("text, code, said", [
    ("t = sum(sizes.widht)", "CS211", "no field `widht`"),
    ("t = sum(s.widht for s in sizes)", "CS211", "no field `widht`"),
    ("t = sum(sizes)", "CS301", "one value is needed"),
    ("network net { for s in sizes { if s.width > 3 then 1 else 2; s.width } }", "CS225", "goes nowhere"),
    ("network net { for s in sizes { ask cnov(cin = 1) } }", "CS201", "unknown work `cnov`"),
    ("network net(x) { ask conv(cin = 1, cout = 1, rows = 1, kh = 1) }", "CS306", "needs a type"),
    ("network net { }", "CS402", "last line of a network"),
])  # fmt: skip
def test_what_is_wrong_is_told(text: str, code: str, said: str) -> None:
    table = 'table sizes(name: text) from [["a", 3], ["b", 4]] { width: int }\n'
    found = compile_text(f"space s\nimport std.works\n{table}{text}\n").diagnostics
    assert any(d.code == code and said in d.message for d in found), [(d.code, d.message) for d in found]


def test_a_network_of_works_alone_has_layers_for_policies() -> None:
    found = compile_text("""
        space s
        import std.works
        import std.learn
        import std.systolic
        network net {
            stem = ask conv(cin = 3, cout = 8, rows = 8, kh = 3)
            for i in 1..2 { ask matmul(m = i, k = 8, n = 8) }
            if 1 > 2 then ask matmul(m = 1, k = 1, n = 1) else none
        }
        precision of net { both = choose {4, 8} bit per layer }
        precision first of net.stem { both = 16 bit }
        chip = systolic(rows = 8, cols = 8)
        minimize chip.energy
    """)
    assert found.space is not None, [d.message for d in found.diagnostics]
    assert {w.call for w in found.space.works} == {"net.stem", "net.matmul[1]", "net.matmul[2]"}
    stem = next(w for w in found.space.works if w.call == "net.stem")
    assert dict(stem.facts)["wbits"].number == 16


@pytest.mark.parametrize("name", list(HARDWARE))
def test_an_ask_says_the_width_of_an_operand_itself(name: str, tmp_path: Path) -> None:
    """In place of what the policy sets: as wide as the other, or a width of its own; also in works it is made of."""

    def energies(asked: str, bits: str) -> list[object]:
        text = f"network net {{ {asked} }}\nprecision net_ of net {{ {bits} }}"
        spec = tmp_path / "own.cospace"
        head = f"space s\nimport std.works\nimport std.learn\nimport std.{name}\n"
        spec.write_text(f"{head}{text}\nchip = {HARDWARE[name]}\nminimize chip.energy\n", encoding="utf-8")
        found = compile_file(spec)
        assert found.space is not None, [d.message for d in found.diagnostics]
        shown = breakdown(found.space, best(found.space).designs[0])
        return [(str(w["energy"]), w["dims"]["wbits"], w["dims"]["abits"]) for w in shown["works"]]

    one = "ask matmul(m = 64, k = 96, n = 32{})"
    mixed = "weights = 4 bit; activations = 8 bit"
    assert energies(one.format(", wbits = abits"), mixed) == energies(one.format(""), "both = 8 bit")
    assert energies(one.format(", wbits = 2 bit"), mixed) == energies(one.format(""), mixed.replace("4", "2"))
    conv = "ask conv(cin = 8, cout = 8, rows = 8, kh = 3{})"
    swapped = "weights = 8 bit; activations = 4 bit"
    assert energies(conv.format(", abits = wbits, wbits = abits"), mixed) == energies(conv.format(""), swapped)
    assert energies(one.format(", wbits = abits"), mixed) != energies(one.format(""), mixed)


@pytest.mark.parametrize("asked, code", [
    ("wbits = 3", "CS302"), ("wbits = 2 bit, wbits = 3 bit", "CS214"), ("bits = 2 bit", "CS214"),
    ("wbits = wide", "CS201"),
])  # fmt: skip
def test_a_width_that_is_none_is_told(asked: str, code: str) -> None:
    text = f"space s\nimport std.works\nnetwork net {{ ask matmul(m = 1, k = 1, n = 1, {asked}) }}\n"
    assert [d.code for d in compile_text(text).diagnostics] == [code]
