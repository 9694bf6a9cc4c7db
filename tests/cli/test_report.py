"""The report of a result, its summary, and the live display: made from files alone, and never wrong about damage."""

import json
import re
import shutil
import time
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from cospace.cli.main import app
from rich.console import Console
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the spec that `cospace new` writes."""
    import sys

    sys.path.insert(0, str(Path(__file__).parent))
    from cospace.compiler.driver import compile_file
    from cospace.compiler.sampling.sample import Sampler
    from cospace.compiler.space.designs import decode
    from result_folder import write_result

    base = tmp_path_factory.mktemp("report")
    CliRunner().invoke(app, ["new", "small", "--out", str(base)])
    space = compile_file(base / "small.cospace", {}).space
    assert space is not None
    design = decode(space.decisions, Sampler(space, {}).sample(1, 0)[0])
    return write_result(base / "result", space, design)


class Outline(HTMLParser):
    """Tags and ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]


def test_one_self_contained_page(folder: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    text = (folder / "report.html").read_text()
    page = Outline()
    page.feed(text)
    assert page.tags.count("svg") == 5, "network, accelerator, front, curves, layers"
    assert "script" not in page.tags and all(link.startswith("#") for link in page.links)
    assert not re.search(r"url\((?!#)", text) and len(text) < 1_000_000
    for part in ("chip", "net.conv", "modelled", "mm2", "std.energy.sram", "cospace search", "seed 0"):
        assert part in text, part
    again = text
    CliRunner().invoke(app, ["report", str(folder)])
    assert (folder / "report.html").read_text() == again, "the same files give the same report"


def test_a_stopped_run_is_reported_as_such(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "stopped")
    run = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**run, "finished": False}))
    design = json.loads((copy / "design.json").read_text())
    design |= {"accuracy": {"choice": None, "test": []}, "baseline": None}
    (copy / "design.json").write_text(json.dumps(design))
    (copy / "pareto.csv").unlink()
    (copy / "history.jsonl").write_text('{"kind": "step", "phase": "search", "st')
    assert CliRunner().invoke(app, ["report", str(copy)]).exit_code == 0
    assert "stopped before its end" in (copy / "report.html").read_text()


@pytest.mark.parametrize("name", ["design.json", "run.json", "space.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": 1}', "\x00\xff"])
def test_damage_is_a_diagnostic(folder: Path, tmp_path: Path, name: str, content: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "damaged")
    (copy / name).write_bytes(content.encode("latin-1"))
    done = CliRunner().invoke(app, ["report", str(copy)])
    assert "Traceback" not in done.stderr and "this is a bug" not in done.stderr, done.stderr
    assert done.exit_code in (0, 1)
    if done.exit_code:
        assert re.search(r"error\[CS8(12|0[123])\]", done.stderr)


def test_odd_values_in_files_never_crash(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "odd")
    good = json.loads((copy / "design.json").read_text())
    for key in ("objectives", "accuracy", "baseline", "breakdown"):
        for odd in (
            None,
            3,
            "x",
            [],
            {},
            [1],
            {"works": [{}], "quantities": {"a": None}, "test": ["x"], "objectives": 3},
        ):
            (copy / "design.json").write_text(json.dumps({**good, key: odd}))
            done = CliRunner().invoke(app, ["report", str(copy)])
            assert done.exit_code == 0, (key, odd, done.stderr)


def test_baselines_are_compared(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "compared")
    methods = {"search": {"hypervolume": 1.5, "candidates": [{"error": 0.1}]}, "random": {"candidates": None}, "odd": 3}
    (copy / "baselines.json").write_text(json.dumps({"schema": 1, "budget": 500, "methods": methods}))
    assert CliRunner().invoke(app, ["report", str(copy)]).exit_code == 0
    text = (copy / "report.html").read_text()
    assert "500 passes over the data each" in text and "10.00 %" in text


def test_how_shared_weights_ranked_is_told_and_drawn(folder: Path, tmp_path: Path) -> None:
    from cospace.cli.summary import summarise

    copy = shutil.copytree(folder, tmp_path / "ranked")
    heads, *rows = (copy / "pareto.csv").read_text().splitlines()
    losses = [f"{row},{0.3 + 0.1 * i}" for i, row in enumerate(rows)]
    (copy / "pareto.csv").write_text("\n".join([f"{heads},loss_one_shot", *losses]))
    whole = {"tau": 0.512, "low": -0.1, "high": 0.83, "level": 0.95, "networks": 24}
    plain = json.loads((copy / "run.json").read_text())
    for ranking, part in (
        (whole, "au 0.51, 95 % interval -0.10 to 0.83"),
        ({**whole, "networks": 3}, "3 networks are too few to tell"),
        ({**whole, "tau": None}, "24 networks tie"),
        ({**whole, "low": "x"}, ""),
        ([], ""),
    ):
        (copy / "run.json").write_text(json.dumps({**plain, "ranking": ranking}))
        lines = "\n".join(summarise(copy))
        assert part in lines and ("ranking  " in lines) == bool(part)
        if ranking in (whole, []):
            assert CliRunner().invoke(app, ["report", str(copy)]).exit_code == 0
            text = (copy / "report.html").read_text()
            assert part in text and text.count('aria-label="ranking"') == (ranking == whole)


def test_no_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        done = CliRunner().invoke(app, ["report", str(path)])
        assert done.exit_code == 1 and "CS812" in done.stderr


def test_the_summary_is_a_dozen_lines(folder: Path) -> None:
    from cospace.cli.summary import summarise

    lines = summarise(folder)
    text = "\n".join(lines)
    assert len(lines) <= 16
    for part in ("hidden", "weights", "rows", "of the die we can afford", "accuracy", "±", "modelled"):
        assert part in text, part


def test_plain_lines_when_not_a_terminal() -> None:
    from cospace.cli.live import display
    from cospace.runtime.events import Event

    out = StringIO()
    with display(Console(file=out, force_terminal=False, width=80)) as observe:
        observe(Event("phase", "search", 0, 10))
        for step in range(1, 11):
            observe(Event("step", "search", step, 10, {"loss": 1.5, "accuracy": 0.5}))
        observe(Event("note", "search", values={"text": "a [note]"}))
        observe(Event("front", "train", front=({"error": 0.1, "chip.energy": 3.0},)))
    assert "\x1b" not in out.getvalue()
    for part in ("search (10 steps)", "10/10  loss 1.5, accuracy 50.0%", "a [note]", "front of 1 design;"):
        assert part in out.getvalue(), part


def test_the_panel_of_a_terminal() -> None:
    from cospace.cli.live import display
    from cospace.runtime.events import Event

    out = StringIO()
    front = tuple({"error": 0.1 * i, "chip.energy [uJ]": 3.0 / (i + 1), "net.conv": "gcn"} for i in range(12))
    with display(Console(file=out, force_terminal=True, width=100)) as observe:
        observe(Event("phase", "search", 0, 10))
        observe(Event("step", "search", 3, 10, {"loss": 1.5, "accuracy": 0.5}, front, 75.0))
        time.sleep(0.4)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    for part in ("search", "3/10", "01:15 left", "Pareto front so far", "chip.energy [uJ]", "and 4 more"):
        assert part in text, part


def test_ctrl_c_asks_once_and_then_ends() -> None:
    import os
    import signal
    import threading

    from cospace.cli.search import stopped_by_signals

    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
    assert signal.getsignal(signal.SIGINT) is before
