"""A search in which nothing is trained: its folder, its gap, that torch stays away, stopping and resuming."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.engines.best import best
from cospace.compiler.engines.look import look
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.events import Event
from cospace.runtime.modelled import nothing_trains, read_steps, resume, run
from cospace.runtime.results import shown_design

TEXT = """
space bench "an array and its buffer"
import std.learn
accelerator array() "an array" {
    rows = choose 1..40
    cols = choose 1..40
    buffer = choose {16 KiB, 32 KiB, 64 KiB}
    area = (rows * cols + buffer / 1 KiB) * 1 um2
    latency = (ceil(1000 / rows) * ceil(700 / cols) + 10^6 * 1 KiB / buffer) * 1 ns
}
chip = array()
require chip.area <= 900 um2 "the die"
minimize chip.latency "time"
baseline plain "the smallest" { chip.rows = 8; chip.cols = 8; chip.buffer = 16 KiB }
"""


def space_of(search: str = "", text: str = TEXT, **settings: str) -> Space:
    found = compile_text(text + search, settings)
    assert found.space is not None, [d.message for d in found.diagnostics]
    return found.space


ENGINES = (
    "", "search { chip by auto() }", "search { chip by local(evaluations = 300) }", "search { chip by exhaust() }",
    "search { chip by evolve(population = 16, generations = 20) }", "search { chip by climb(evaluations = 300) }",
    "search { chip by expect(evaluations = 300) }", "search { chip by uniform(evaluations = 300) }",
    "search { chip by das(samples = 300) }", "search { chip by surrogate(evaluations = 60) }",
    "search { chip.rows, chip.cols by local(evaluations = 200)\n chip.buffer by exhaust() }",
)  # fmt: skip


@pytest.mark.parametrize("search", ENGINES)
def test_each_engine_leaves_the_proved_best(search: str, tmp_path: Path) -> None:
    space = space_of(search)
    assert nothing_trains(space)
    found = run(space, tmp_path / "out")
    proved = best(space)
    assert found.gap == "proved" and found.best.designs == proved.designs
    design = json.loads((tmp_path / "out/design.json").read_text())
    assert design["gap"]["state"] == "proved" and design["baseline"]["name"] == "plain"
    if found.met is not None:
        assert found.met >= proved.objectives[0][0]


@pytest.mark.parametrize("search", [e for e in ENGINES[2:] if e != "search { chip by exhaust() }"])
def test_what_an_engine_meets_is_feasible_and_within_its_budget(search: str) -> None:
    space = space_of(search)
    steps = read_steps(space)
    found = look(space, steps, seed=3)
    assert found.designs and not found.certified
    assert found.evaluated <= sum(e.evaluations for e, _ in steps)
    again = look(space, steps, seed=3)
    assert again.designs == found.designs and again.evaluated == found.evaluated


def test_the_same_search_tells_how_it_goes_and_ends_as_one_that_was_stopped(tmp_path: Path) -> None:
    space = space_of("search { chip by local(evaluations = 3_000) }")
    events: list[Event] = []
    run(space, tmp_path / "whole", observe=events.append)
    steps = [e for e in events if e.kind == "step"]
    assert steps and steps[-1].values["best"] <= steps[0].values["best"]
    stop = threading.Event()

    def watch(event: Event) -> None:
        if event.kind == "step":
            stop.set()

    run(space, tmp_path / "cut", observe=watch, stop=stop)
    assert json.loads((tmp_path / "cut/run.json").read_text())["finished"] is False
    assert json.loads((tmp_path / "cut/design.json").read_text())["gap"]["state"] != "proved"
    resume(tmp_path / "cut")
    assert (tmp_path / "cut/design.json").read_text() == (tmp_path / "whole/design.json").read_text()
    assert resume(tmp_path / "cut") is None


FRONT = TEXT.replace('"time"', '"time"\nminimize chip.area "size"')


def test_a_front_is_kept_whole_and_the_design_nearest_to_the_ideal_is_chosen(tmp_path: Path) -> None:
    space = space_of(text=FRONT)
    found = run(space, tmp_path / "out")
    rows = (tmp_path / "out/pareto.csv").read_text().splitlines()
    assert len(rows) == len(found.best.designs) + 1 > 10
    times, sizes = zip(*((float(a), float(b)) for a, b in found.best.objectives), strict=True)
    losses = [
        max((t - min(times)) / (max(times) - min(times)), (s - min(sizes)) / (max(sizes) - min(sizes)))
        for t, s in zip(times, sizes, strict=True)
    ]
    chosen = losses.index(min(losses))
    assert 0 < chosen < len(losses) - 1 or losses[chosen] < 1, "neither end of the front"
    design = json.loads((tmp_path / "out/design.json").read_text())["design"]
    assert design == shown_design(space, found.best.designs[chosen])


def test_a_text_trains_only_for_what_it_asks_of_training(tmp_path: Path) -> None:
    """A stage that trains is left out where no objective and no requirement is measured."""
    text = """
space asks "a network, its board, and what is asked of both"
import std.tasks
import std.images
import std.learn
param known = false
photos = digits()
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = choose {8, 16})
    linear(global_pool(x), out = photos.classes)
}
accelerator board { lanes = choose {1, 2, 4}
 on conv(cin, cout) { cycles = cin * cout / lanes }
 on matmul() { cycles = 1 }
 cycles = sum(works.cycles) }
asked = if known then 1 / board.cycles else error(photos)
minimize board.lanes
search { epochs = 3; loss = cross_entropy(); net by if known then climb() else gumbel(); board by exhaust() }
train of net { epochs = 3; loss = cross_entropy() }
"""
    for measured in ("minimize asked", "require asked <= 0.1"):
        trained, known = (space_of(text=text + measured, known=k) for k in ("false", "true"))
        assert nothing_trains(known) and not nothing_trains(trained)
    assert run(known, tmp_path / "out").gap == "proved"


@pytest.mark.parametrize(
    ("search", "code"),
    [
        ("search { chip by gumbel() }", "CS701"),
        ("search { chip.rows by local() }", "CS707"),
        ("search { chip by local(evaluations = 0) }", "CS705"),
        ("search { chip by surrogate(asked = 2) }", "CS705"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(search: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=code):
        run(space_of(search), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_feasible_says_so(tmp_path: Path) -> None:
    space = space_of(text=TEXT.replace("900 um2", "1 um2"))
    with pytest.raises(SpecError, match="CS710"):
        run(space, tmp_path / "out")


def test_torch_is_never_loaded(tmp_path: Path) -> None:
    spec = tmp_path / "bench.cospace"
    spec.write_text(TEXT + "search { chip by das(samples = 100) }")
    code = (
        "import sys\nfrom cospace.cli.main import app\n"
        f"try: app(['search', {str(spec)!r}, '--out', {str(tmp_path / 'out')!r}])\n"
        "except SystemExit as e: print(e.code)\nprint('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr
    assert "proved: nothing feasible is better" in done.stdout
    assert (tmp_path / "out/report.html").is_file()
