"""What is said of a changed text, compiled by what the change can reach, is what compiling all of it says."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from cospace.compiler.driver import STANDARD, compile_loaded
from cospace.compiler.elaborate import evaluate, rules
from cospace.compiler.recompile import Kept, Recompiled, outline, recompile
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic, Reporter
from cospace.dsl.load import Texts, load_text
from cospace.dsl.parse import parse
from cospace.dsl.reparse import Parsed, read

ROOT = Path(__file__).parents[2]
EDITS = int(os.environ.get("COSPACE_EDITS", "12"))
TREES: dict[tuple[str, str], tree.File] = {}

SMALL = """language 1
space small "a network, an engine, and banks beside them"
import std.tasks
import std.images
import std.learn
import std.works
import std.energy(dram = 20 pJ / byte) as tech
unit wafer = 300 mm2
param wide = 16 "channels"
param die = 2 mm2
param mode = fast
photos = cifar10()
def block(x: tensor[c, h, w], out: int) {
    kernel = choose kernel {1, 3}
    conv_norm(x, out, kernel = kernel)
}
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = block(x, out = wide)
    x = choose second { more = block(x, out = wide), skip = x }
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = choose {4, 8} bit per layer }
accelerator engine(macs = 1_024) {
    rows, cols = choose {4, 8, 16}
    require rows * cols <= macs
    area = rows * cols * tech.mac_area(8 bit)
    on matmul(m, k, n, wbits, abits) {
        tile   = map {16, 64}
        require tile * k * abits <= 64 KiB
        cycles = ceil(m / rows) * ceil(n / cols) * k
        energy = m * k * n * tech.mac_energy(wbits, abits) + k * n * ceil(m / tile) * wbits * tech.dram
    }
    cycles = sum(works.cycles)
    energy = sum(works.energy)
}
board = engine(macs = 512)
require board.area <= die "the die"
minimize board.energy * board.cycles
kind  = choose {slow, fast, lazy}
other = choose {slow(settle = 4 us), quick(settle = 2 us)}
waits = other.settle * 2
table prices(name: text) from [["a", 3], ["b", 4]] { cost: mm2 }
a = choose 1..4; b = choose {1, 2} KiB
c = choose size {1, 2, 4}
d = if kind == slow then a * 2 else a
e = d * c + wide   # a comment
require e <= 40 when kind != lazy "small"
require prices("a").cost * a <= wafer
require mode == fast or a > 1
total = sum(i * a for i in 1..3)
minimize total * 1 mm2
baseline plain {
    net.kernel = 3; net.second = skip
    precision.both = 8 bit; board.rows = 4; board.cols = 4
    kind = slow; other = slow; a = 1; b = 1 KiB; size = 1
}
search { net by gumbel(); board, a, b by das(samples = 8) }
train of net { epochs = 2; optimiser = sgd(0.1) }
"""
PLAIN = """space plain "no hardware"
param top = 9
n = choose 1..4
m = choose {1, 2, 4}
s = choose {red, green}
half = n / 2
def f(x, y = 2) = x * y + top
require f(n) <= f(m, 3) when s == red
require half + m < top "fits"
q = f(n, m) * 2
minimize q
"""


class _Root(Texts):
    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed

    def parse(self, text: str, shown: str, reporter: Reporter) -> tree.File:
        if shown != self.parsed.path:
            if (shown, text) not in TREES:
                TREES[shown, text] = parse(text, shown, reporter)
            return TREES[shown, text]
        reporter.texts[shown] = text
        for stretch in self.parsed.stretches:
            for diagnostic in stretch.found:
                reporter.report(diagnostic)
        return outline(self.parsed)


class Editing:
    """One text that is changed again and again, held equal to compiling it anew each time."""

    def __init__(self, text: str, place: Path) -> None:
        self.place = place
        self.kept: Kept | None = None
        self.parsed: Parsed | None = None
        self.change(text)

    def change(self, text: str) -> Recompiled:
        path = str(self.place)
        self.parsed = read(text, path, self.parsed)
        reporter, anew = Reporter(), Reporter()
        loaded = load_text(text, path, reporter, STANDARD, place=self.place, texts=_Root(self.parsed))
        found = recompile(self.parsed, loaded, reporter, self.kept)
        self.kept = found.kept
        whole = compile_loaded(load_text(text, path, anew, STANDARD, place=self.place), {}, anew)
        assert in_full(found.diagnostics) == in_full(whole.diagnostics), text
        return found


def in_full(found: tuple[Diagnostic, ...]) -> list[str]:
    return sorted(map(repr, found))


def near(rng: random.Random, text: str) -> str:
    """A small change: signs, words and lines that are there put elsewhere, or others put in."""
    words = text.replace("\n", " ").split(" ")
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(text) + 1)
    way = rng.randrange(6)
    if way == 0:
        return text[:at] + rng.choice('az019 +*(){},=.\n#"') + text[at + rng.randrange(3) :]
    if way == 1:
        old, new = rng.choice(words), rng.choice(words)
        return text.replace(old, new, 1) if old else text
    if way == 2:
        drop = rng.randrange(len(lines))
        return "".join(lines[:drop] + lines[drop + 1 :])
    if way == 3:
        line = rng.choice(lines)
        put = rng.randrange(len(lines) + 1)
        return "".join([*lines[:put], line, *lines[put:]])
    if way == 4:
        numbers = [i for i, sign in enumerate(text) if sign.isdigit()]
        put = rng.choice(numbers)
        return text[:put] + rng.choice("0123456789") + text[put + 1 :]
    return text[:at] + rng.choice(("\n", "  ", "# x\n", "\nz = 1\n", "\nfast = 2\n", " # x", "1", "x")) + text[at:]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", [SMALL, PLAIN], ids=["small", "plain"])
def test_edits_one_after_another(text: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    editing = Editing(text, tmp_path / "s.cospace")
    now = text
    for _ in range(EDITS):
        now = near(rng, text if rng.random() < 0.6 else now)
        editing.change(now)


@pytest.mark.parametrize("name", ["gcos", "rst", "dance"])
def test_edits_of_shipped_specs(name: str) -> None:
    place = ROOT / "specs" / f"{name}.cospace"
    text = place.read_text(encoding="utf-8")
    rng = random.Random(name)
    editing = Editing(text, place)
    for _ in range(EDITS // 2):
        editing.change(near(rng, text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("half + m < top", "half + mm < top"),  # a name that is near to another one
        ("half = n / 2", "hald = n / 2"),  # what was known is not, and is near to what is
        ("{red, green}", "{red, blue}"),
        ("n = choose 1..4", "n = choose size 1..4\nk = choose size 1..2"),  # two decisions with one path
        ("half = n / 2", "half = n / 2 +"),
        ("half = n / 2", "half = n / 2 ms"),
        ("def f(x, y = 2)", "def f(x, y)"),
        ("m = choose", "n = choose"),
        ("half = n / 2", "half = half / 2"),
        ("param top = 9", "param top = 9 ms"),
        ("require half", "red = 3\nrequire half"),  # a symbol that becomes a value
        ("minimize q", "minimize q\nimport std.units"),
        ("s = choose {red, green}", "s = random {red, green}"),
        ("minimize q", "for i in 1..2 {\n    n = n + i\n}\nminimize q"),
        ("top = 9", "top = 9 # " + "x" * 30),
        ("{1, 2, 4}", "{1, 2, 2}"),
    ],
)
def test_changes_and_their_undoing(old: str, new: str, tmp_path: Path) -> None:
    editing = Editing(PLAIN, tmp_path / "s.cospace")
    assert PLAIN.count(old) == 1
    editing.change(PLAIN.replace(old, new))
    editing.change("\n" + PLAIN.replace(old, new))  # all of it moved
    editing.change(PLAIN)


def test_a_change_beside_a_mistake_keeps_what_is_said_of_it(tmp_path: Path) -> None:
    editing = Editing(PLAIN + "w = nn + 1\n", tmp_path / "s.cospace")
    for text in ("param top = 10\n", "param topp = 9\n", "nm = 1\nparam top = 9\n"):
        editing.change(PLAIN.replace("param top = 9\n", text) + "w = nn + 1\n")


def test_only_what_a_change_reaches_is_elaborated(tmp_path: Path) -> None:
    text = "".join(f"a{i} = choose 1..9\nb{i} = a{i} * 2\nrequire b{i} < 9\n" for i in range(50))
    editing = Editing(text, tmp_path / "s.cospace")
    found = editing.change(text.replace("a7 = choose 1..9", "a7 = choose 1..8"))
    assert found.compiled is None and found.kept is not None and found.diagnostics == ()
    found = editing.change(text.replace("a7 = choose 1..9", "a7 = choose 1..9 ms"))
    assert found.compiled is None and [d.code for d in found.diagnostics] == ["CS302"]
    assert {d.span.start > text.index("a7") for d in found.diagnostics} == {True}


def test_a_file_of_data_that_changes_counts_anew(tmp_path: Path) -> None:
    data = tmp_path / "costs.csv"
    data.write_text("op,ms\nconv,3\n")
    text = 'table costs(op: text) from "costs.csv" { ms: ms }\nx = costs("conv").ms\ny = 1\n'
    editing = Editing(text, tmp_path / "s.cospace")
    data.write_text("op,ms\nconv,many\n")
    assert editing.change(text.replace("y = 1", "y = 2")).diagnostics


def test_an_import_that_changes_counts_anew(tmp_path: Path) -> None:
    part = tmp_path / "part.cospace"
    part.write_text("edge = 4\n")
    text = "import part\nx = edge + 1\ny = 1\n"
    editing = Editing(text, tmp_path / "s.cospace")
    part.write_text("side = 4\n")
    assert [d.code for d in editing.change(text.replace("y = 1", "y = 2")).diagnostics] == ["CS201"]


def test_hidden_names_are_told_where_they_stand_now(tmp_path: Path) -> None:
    text = "n = choose 1..4\ntop = 3\nq = n + 1\ndef f(top) = top + 1\n"
    text += "r = sum(top for top in 1..f(n))\nrequire r + q < 90\n"
    editing = Editing(text, tmp_path / "s.cospace")
    for line in ("q = n + 1 + 1_000", "q = n", "q = top", "stop = 3\nq = n", "n2 = 1; top2 = 4; q = n"):
        found = editing.change(text.replace("q = n + 1", line))
        assert found.compiled is None and [d.code for d in found.diagnostics].count("CS246") == 2
    assert not editing.change(text.replace("top = 3", "tip = 3").replace("q = n + 1", "q = n")).diagnostics


HARD = SMALL[: SMALL.index("kind  =")]
"""Its network and engine."""


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The works for which a rule is run from now on."""
    run: list[str] = []
    before = rules.run_rule

    def counted(rule, work, *rest):  # type: ignore[no-untyped-def]
        run.append(work.path)
        return before(rule, work, *rest)

    monkeypatch.setattr(rules, "run_rule", counted)
    return run


def test_rules_answer_again_only_what_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editing = Editing(HARD, tmp_path / "s.cospace")
    run = asked(monkeypatch)
    again = HARD.replace("more = block(x, out = wide)", "more = block(x, out = 8)")
    other = again.replace("macs = 512", "macs = 511")
    found: list[int] = []
    for text in (again, "# above\n" + again, again.replace("the die", "die"), other, HARD):
        run.clear()
        assert editing.change(text).compiled is None
        works = len(dict.fromkeys(run))  # for all of them by the whole compilation that it is compared with
        found.append(len(run) - works)
    assert works == 3 and found == [2, 0, 0, 3, 3], "the layer that changes and the next; none; all of another engine"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{1, 3}", "{0, 3}"),  # the domain of what a rule reads, and nothing else of the work
        ("kernel = choose kernel {1, 3}", "kernel = choose kernel {1, 3} when wide > 3"),
        ("x = block(x, out = wide)\n", "x = block(x, out = 2 * wide)\n"),
        ("cycles = ceil(m / rows)", "cycles = ceil(m / (rows - k))"),
        ("cycles = ceil(m / rows)", "cycles = ceil(m / rowz)"),
        ("{4, 8} bit per layer", "{4, 8} per layer"),
        ("{4, 8} bit per layer", "{4, 8} bit"),
        ("64 KiB", "64 KiBs"),
        ("require tile * k * abits <= 64 KiB", "require tile * k <= 64 KiB"),
        ("dram = 20 pJ / byte", "dram = 20 pJ"),
        ("param wide = 16", "param wide = 0"),
        ("macs = 512", "macs = 512 bit"),
        ("sum(works.cycles)", "sum(works.cycle)"),
        ("accelerator engine", "unit KiB = 3 bit\naccelerator engine"),
        ("accelerator engine", "param rows = 3\naccelerator engine"),
        ("on matmul(m, k, n, wbits, abits) {", "on matmul(m, k, n, wbits, abits) when k > 20 {"),
        ("on matmul(m, k, n, wbits, abits) {", "on matmul(m, k, n, wbits, abits, kind) {"),
    ],
)
def test_what_rules_answered_is_used_where_it_still_holds(old: str, new: str, tmp_path: Path) -> None:
    editing = Editing(HARD, tmp_path / "s.cospace")
    assert HARD.count(old) >= 1
    wider = HARD.replace("more = block(x, out = wide)", "more = block(x, out = 8)")
    for text in (wider, HARD.replace(old, new), wider.replace(old, new), "\n" + HARD.replace(old, new), wider, HARD):
        editing.change(text)


def test_a_text_that_asks_for_too_much_is_told_so_after_a_change_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "MAX_STEPS", 20_000)
    loops = "".join(f"for i{n} in 1..2 {{ " for n in range(40))
    text = "space s\nx = 1\n"
    editing = Editing(text, tmp_path / "s.cospace")
    assert [d.code for d in editing.change(text + loops + "}" * 40 + "\n").diagnostics] == ["CS404"]
    deep = text + "for i in 1..2 { " * 300 + "}" * 300 + "\n"
    assert [d.code for d in editing.change(deep).diagnostics] == ["CS108"]
    assert editing.change(text.replace("x = 1", "x = 2")).diagnostics == ()


def test_who_reads_a_label_is_told_when_it_changes(tmp_path: Path) -> None:
    text = "x = choose kind { a = 1, b = 3 }\ny = 1\nrequire x <= 2 when kind == a\n"
    editing = Editing(text, tmp_path / "s.cospace")
    assert editing.change(text.replace("y = 1", "y = 2")).diagnostics == ()
    assert [d.code for d in editing.change(text.replace("choose kind", "choose sort")).diagnostics] == ["CS201"]
    assert editing.change(text).diagnostics == ()
