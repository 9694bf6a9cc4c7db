"""What is compiled in one process doesn't change what is said of the next text; messages point at the right place."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cospace.cli.main import app
from cospace.compiler.checks.check import check
from cospace.compiler.driver import compile_text
from cospace.compiler.space import graph
from cospace.compiler.space.schema import dumps, to_json
from typer.testing import CliRunner

from tests.compiler import texts

ROOT = Path(__file__).parents[2]
PAIRS = int(os.environ.get("COSPACE_PAIRS", "5"))


def told(text: str) -> str:
    """All that is said of a text, and its printed space, whose fingerprint is that of these very signs."""
    found = compile_text(text)
    said = [*found.diagnostics, *(check(found.space).diagnostics if found.space else ())]
    return "\n".join([*map(repr, said), dumps(to_json(found.space)) if found.space else ""])


ALONE = """
import json, os, sys
from tests.compiler.test_places import told
for line in sys.stdin:
    read, write = os.pipe()
    child = os.fork()  # a process that has compiled nothing yet
    if not child:
        with os.fdopen(write, "w") as out:
            json.dump(told(json.loads(line)), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told_of:
        print(told_of.read())
    os.waitpid(child, 0)
"""


def alone(asked: list[str]) -> list[str]:
    """What is told of each text in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", ALONE], input="".join(json.dumps(t) + "\n" for t in asked), cwd=ROOT,
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return [json.loads(line) for line in run.stdout.splitlines()]


SHARED = (
    "low = choose 0..2\nrequire if low > 0 then 7 / low >= 2 else true\n",
    "low = choose 0..2\nrequire low >= 0\nrequire 7 / low + 1 >= 2\n",
    "low = choose 0..2\nseven = 7\nrequire 7 / low >= 2 when low > 0\nminimize 7 / low\n",
)
"""Ends of texts that say the same expressions at other places; two of them have no value somewhere."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that have compiled nothing are forked")
def test_texts_of_one_process_are_compiled_as_alone() -> None:
    """Each text after another one, and after itself further down, both ways round."""
    written = [texts.generate(seed).text + SHARED[seed % len(SHARED)] for seed in range(2 * PAIRS)]
    lower = [f"# a line above\n\n{text}" for text in written]
    wanted = dict(zip(written + lower, alone(written + lower), strict=True))
    assert sum("CS602" in said for said in wanted.values()) >= PAIRS
    kept = []
    for a, b in [*zip(written[::2], written[1::2], strict=True), *zip(written, lower, strict=True)]:
        for first, second in ((a, b), (b, a)):
            kept.append(compile_text(first))  # so that its nodes are there while the other is compiled
            assert told(second) == wanted[second], f"after\n{first}\n:\n{second}"
        if len(kept) > 20:
            kept.clear()


def test_nodes_are_given_back() -> None:
    """A process that compiles text after text doesn't grow."""
    graph_sizes = []
    for at in range(60):
        assert compile_text(f"space s\nx{at} = choose 0..{at + 2}\nrequire 1 / (x{at} + {at}) < {at + 1}\n").space
        if at % 20 == 19:
            gc.collect()
            graph_sizes.append(len(graph._table))
    assert graph_sizes[-1] <= graph_sizes[0] + 8, graph_sizes


def place(text: str) -> tuple[str, list[str]]:
    """The line that a CS602 points at, and those of its labels."""
    space = compile_text(text).space
    assert space is not None
    (found,) = [d for d in check(space).diagnostics if d.code == "CS602"]

    def line(start: int) -> str:
        return text[text.rfind("\n", 0, start) + 1 :].split("\n")[0] if start else ""

    return line(found.span.start), [line(label.span.start) for label in found.labels]


HEAD = "space s\nx = choose 0..3\ny = choose 1..3\n"


@pytest.mark.parametrize(
    ("lines", "at", "others"),
    [
        (["require if x > 0 then 1 / x < 3 else true", "require 1 / x + y < 9"], 1, []),
        (["p = if x > 0 then 1 / x else 0", "q = 1 / x", "require p < 5", "require q + y < 9"], 1, []),
        (["require 1 / x < 9 when x > 0", "require y / x < 9", "minimize 1 / x"], 1, [2]),
        (["require 1 / x < 9", "require 1 / x < 8", "minimize y"], 0, [1]),
        (["def f(z) = if z > 0 then 1 / z else 1", "def g(z) = 1 / z", "require f(x) < 3", "minimize g(x)"], 1, []),
        (["require x > 0 or y > 2", "require 1 / x < 9 when y < 3", "require 1 / x < 9"], 2, []),
        (["require log2(y) < 9", "require log2(x) < 9 when x > 0", "require log2(x) * y < 9"], 2, []),
    ],
)
def test_equal_expressions_are_told_apart_by_place(lines: list[str], at: int, others: list[int]) -> None:
    assert place(HEAD + "\n".join(lines) + "\n") == (lines[at], [lines[k] for k in others])


def test_inside_a_mapping_the_place_is_where_it_is_written() -> None:
    text = """space s
import std.tasks
import std.images
import std.learn
import std.works
photos = cifar10()
network net(x: photos.pixels) -> tensor[photos.classes] {
    linear(global_pool(x), out = photos.classes)
}
accelerator engine() {
    rows = choose 0..2
    safe = if rows > 0 then 10 / rows else 0
    on matmul(m, k, n) {
        tile   = map {16, 64}
        half   = 10 / rows
        cycles = half * m * k * n / tile
    }
    cycles = sum(works.cycles)
}
board = engine()
minimize board.cycles * board.safe
"""
    assert place(text) == ("        half   = 10 / rows", [])


def test_a_printed_space_names_what_reads_it(tmp_path: Path) -> None:
    spec, printed = tmp_path / "s.cospace", tmp_path / "s.json"
    spec.write_text(HEAD + "half = 1 / x\nrequire half + y < 9\n", encoding="utf-8")
    printed.write_text(CliRunner().invoke(app, ["compile", str(spec), "--emit", "space"]).stdout, encoding="utf-8")
    assert ":4:8" in CliRunner().invoke(app, ["check", str(spec)]).output
    assert ":5:1" in CliRunner().invoke(app, ["check", str(printed)]).output


def test_the_message_takes_no_longer_than_compiling_once_more() -> None:
    """A chain in which each value is read twice is walked once, not each way through it."""
    text = HEAD + "z0 = 1 / x\n" + "".join(f"z{i} = z{i - 1} * y + z{i - 1}\n" for i in range(1, 40))
    began = time.perf_counter()
    assert place(text + "require z39 > 0 or y < 3\nrequire y > 3 or 1 / x > 0\n")[0] == "z0 = 1 / x"
    assert time.perf_counter() - began < 20
