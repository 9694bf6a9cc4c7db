"""Blocks of networks: decisions of their own in every call, copies for each block, paths without indices, lists of
decisions, a choice by a decision made elsewhere, several networks; held against plain Python at every raw design."""

from __future__ import annotations

import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.model import Choice

from tests.compiler import raw, spaces

space_of, told = spaces.space_of, spaces.told
HEAD = "space t\nimport std.tasks\nimport std.images\nimport std.learn\nphotos = cifar10(size = 8)\n"
ENGINE = """
accelerator engine {
    on conv(macs, wbits) { cycles = macs * wbits / 1 bit }
    on matmul(macs, wbits) { cycles = macs * wbits / 1 bit }
    cycles = sum(works.cycles)
    asked = sum(net.works.macs)
    sizes = sum(net.weights.size)
    inner = sum(net.cell.works.macs)
}
"""
CELLS = (
    HEAD
    + """
def cell(x: tensor[c, h, w], out: int) {
    choose op { one = conv2d(x, out, kernel = 1), three = conv2d(x, out), none = shortcut(x, out) }
}
network net(x: photos.pixels) -> tensor[photos.classes] {
    for stage in 1..2 {
        for i in 1..2 { x = cell(x, out = 2 * stage) }
    }
    linear(global_pool(x), out = photos.classes)
}
precision rest of net { both = 32 bit }
precision of net.cell { both = choose {4, 8} bit per block }
"""
    + ENGINE
)


def by_hand(d):
    """cycles, asked, sizes, inner of CELLS."""
    width, cycles, asked, sizes = 3, 0, 0, 0
    for stage in (1, 2):
        for i in (1, 2):
            path, out = f"net.cell[{stage}, {i}]", 2 * stage
            kernel = {"one": 1, "three": 3, "none": 0}[d[f"{path}.op"]]
            macs = width * out * 64 * kernel**2
            assert (f"precision.both[{path}]" in d) == (kernel > 0)
            cycles += macs * d.get(f"precision.both[{path}]", 0)
            weights = width * out * (kernel**2 if kernel else width != out)  # a shortcut has some where shapes differ
            asked, sizes, width = asked + macs, sizes + weights, out
    return cycles + 32 * 40, asked + 40, sizes + 40 + 10, asked


def test_a_block_has_decisions_and_a_bitwidth_of_its_own_in_every_call() -> None:
    space = space_of(CELLS)
    names = tuple(f"engine.{n}" for n in ("cycles", "asked", "sizes", "inner"))
    assert raw.agree(space, names, by_hand) == (2 * 2 + 1) ** 4
    assert count(space).feasible == 625


def test_a_path_without_indices_means_all_its_instances() -> None:
    text = CELLS + "require count(o for o in net.cell.op when o == none) <= 1\nrequire net.cell[1, 1].op != none\n"
    fits = [
        d for d in map(raw.plain, raw.designs(space_of(text)))
        if sum(v == "none" for p, v in d.items() if p.endswith(".op")) <= 1 and d["net.cell[1, 1].op"] != "none"
    ]  # fmt: skip
    assert count(space_of(text)).feasible == len(fits) == 4**4 + 3 * 4**3


def test_copies_for_each_block_are_a_list_outside() -> None:
    text = CELLS + "require sum(precision.both) <= 20 bit\n"
    fits = [
        d for d in map(raw.plain, raw.designs(space_of(text)))
        if sum(v for p, v in d.items() if p.startswith("precision")) <= 20
    ]  # fmt: skip
    assert count(space_of(text)).feasible == len(fits)


SHARED = (
    HEAD
    + """
operators = {none, one, three}
def edge(x: tensor[c, h, w], op: operators) = {
    none = zero(x)
    one = conv2d(x, out = c, kernel = 1)
    three = conv2d(x, out = c)
}[op]
network net(x: photos.pixels) -> tensor[photos.classes] {
    op = [choose operators for e in 1..2]
    for i in 1..3 { x = edge(x, op[1]) + edge(x, op[2]) }
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = 8 bit }
accelerator engine {
    on conv(macs) { cycles = macs }
    on matmul(macs) { cycles = macs }
    cycles = sum(works.cycles)
}
require net.op[1] != net.op[2]
"""
)


def test_one_list_of_decisions_chooses_in_every_cell() -> None:
    space = space_of(SHARED)
    assert [d.path for d in space.decisions] == ["net.op[1]", "net.op[2]"]
    kernel = {"none": 0, "one": 1, "three": 3}
    hand = lambda d: (3 * sum(9 * 64 * kernel[d[f"net.op[{k}]"]] ** 2 for k in (1, 2)) + 30,)  # noqa: E731
    assert raw.agree(space, ("engine.cycles",), hand) == 9
    assert count(space).feasible == 6
    choices = [n for n in space.networks[0].nodes if isinstance(n, Choice)]
    assert [c.decision for c in choices] == ["net.op[1]", "net.op[2]"] * 3


def test_shapes_that_are_not_proved_equal_become_requirements() -> None:
    text = (
        HEAD
        + """
network net(x: photos.pixels) -> tensor[photos.classes] {
    a = choose left { narrow = conv2d(x, out = 4), wide = conv2d(x, out = 8) }
    b = choose right { narrow = conv2d(x, out = 4), wide = conv2d(x, out = 8) }
    linear(global_pool(a + b), out = photos.classes)
}
"""
    )
    space = space_of(text)
    assert [r.origin for r in space.requirements if r.origin != "contract"] == ["shape"]
    assert count(space).feasible == 2
    assert {d["net.left"] == d["net.right"] for d in raw.feasible(space)} == {True}
    assert any(t.startswith("CS401") for t in told(text.replace("a + b", "a + conv2d(x, out = 3)")))


def test_each_accelerator_runs_the_network_it_names() -> None:
    text = (
        HEAD
        + """
network large(x: photos.pixels) -> tensor[photos.classes] { linear(flatten(conv2d(x, out = 4)), out = photos.classes) }
network small(x: photos.pixels) -> tensor[photos.classes] { linear(flatten(x), out = photos.classes) }
precision of large { both = 32 bit }
precision of small { both = choose {4, 8} bit per layer }
accelerator chip(clock = 1 Hz) {
    on conv(macs) { cycles = macs }
    on matmul(macs, wbits) { cycles = macs * wbits / 1 bit }
    cycles = sum(works.cycles)
}
one = chip(runs = small)
two = chip(runs = large)
accelerator three { runs = small; on matmul(macs) { cycles = macs }; cycles = sum(works.cycles) }
"""
    )
    space = space_of(text)
    linear = 3 * 64 * 10
    hand = lambda d: (linear * d["precision.both[small.linear]"], 12 * 9 * 64 + 4 * 64 * 10 * 32, linear)  # noqa: E731
    assert raw.agree(space, ("one.cycles", "two.cycles", "three.cycles"), hand) == 2
    assert any(t.startswith("CS509") for t in told(text.replace("runs = large", "")))
    assert any(t.startswith("CS301") for t in told(text.replace("runs = large", "runs = 3")))


def test_loops_in_loops_carry_the_names_of_the_body() -> None:
    text = (
        HEAD
        + """
network net(x: photos.pixels) -> tensor[photos.classes] {
    for a in 1..2 { for b in 1..2 { x = conv2d(x, out = 10 * a + b) } }
    linear(global_pool(x), out = photos.classes)
}
"""
    )
    works = [dict(w.state)["weight"] for w in space_of(text).networks[0].nodes if getattr(w, "state", ())]
    assert [int(s[1].number) for s in works[:-1]] == [3, 11, 12, 21] and works[-1][1].number == 22


def test_decisions_of_one_list_have_its_index_and_members_may_depend_on_others() -> None:
    text = (
        "space t\ntile = choose {1, 2, 4}\n"
        "unroll = choose [u for u in {1, 2, 4} when u <= tile]\ntwo = [choose {1, 2}, choose {3}]\n"
    )
    space = space_of(text)
    assert [d.path for d in space.decisions] == ["tile", "unroll", "two[1]", "two[2]"]
    assert count(space).feasible == (1 + 2 + 3) * 2
    assert all(d["unroll"] <= d["tile"] for d in raw.designs(space))


@pytest.mark.parametrize(
    ("body", "parameters", "macs"), [("resnet18", 11_173_962, 555_422_720), ("vgg16", 14_724_042, 313_201_664)]
)
def test_fixed_networks_have_the_sizes_that_are_known_of_them(body: str, parameters: int, macs: int) -> None:
    text = (
        HEAD.replace("size = 8", "size = 32")
        + f"""
network net(x: photos.pixels) -> tensor[photos.classes] {{ {body}(x, classes = photos.classes) }}
require sum(net.weights.size) == {parameters}
require sum(net.works.macs) == {macs}
"""
    )
    written = [r for r in space_of(text).requirements if r.origin == "written"]
    assert [evaluate(r.value, {}) for r in written] == [True, True]


def test_a_block_is_of_one_pass_or_row() -> None:
    text = """
        space s
        import std.works
        import std.learn
        import std.systolic
        table rows(name: text, part: int) from [["a.b", 1, 3], ["a.b", 2, 4], ["c", 1, 5]] { n: int }
        network net {
            for i in 1..3 { ask matmul(m = i, k = 8, n = 8) }
            for r in rows { ask conv(cin = r.n, cout = 8, rows = 8, kh = 3) }
        }
        precision rest of net { both = 8 bit }
        precision second of net.matmul[2], net.conv["a.b", 2] { both = 4 bit }
        precision last of net.conv["c", 1] { both = 16 bit }
        chip = systolic(rows = 8, cols = 8)
        minimize chip.energy
    """
    space = space_of(text)
    bits = {w.call: dict(w.facts)["wbits"].number for w in space.works}
    assert bits == {
        "net.matmul[1]": 8, "net.matmul[2]": 4, "net.matmul[3]": 8,
        "net.conv[a.b, 1]": 8, "net.conv[a.b, 2]": 4, "net.conv[c, 1]": 16,
    }  # fmt: skip
    assert [d[:5] for d in told(text.replace("net.matmul[2],", "net.matmul[4],"))] == ["CS228"]


def test_a_shorter_path_makes_no_copies_for_layers_that_a_longer_one_meets() -> None:
    text = """
        space s
        import std.works
        import std.learn
        import std.systolic
        network net { for i in 1..3 { ask matmul(m = i, k = 8, n = 8) } }
        precision rest of net { both = choose {4, 8} bit per layer }
        precision first of net.matmul[1] { both = choose {8, 16} bit per layer }
        chip = systolic(rows = 8, cols = 8, buffer = 64 KiB)
        minimize chip.energy
    """
    space = space_of(text)
    assert [d.path for d in space.decisions] == [
        "rest.both[net.matmul[2]]", "rest.both[net.matmul[3]]", "first.both[net.matmul[1]]",
    ]  # fmt: skip
    assert count(space).feasible == 8
    assert told(text + "        require rest.both[net.matmul[1]] == 8 bit\n")[0][:5] == "CS211"
