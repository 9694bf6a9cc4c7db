"""`cospace search` whole, on a space that takes seconds: the folder, the summary, Ctrl-C, resume, a compiled space."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cospace.cli.main import app
from typer.testing import CliRunner

pytest.importorskip("torch_geometric")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
Done = subprocess.CompletedProcess[str]
FILES = (
    "design.json", "pareto.csv", "history.jsonl", "run.json", "space.json", "weights.safetensors", "report.html",
)  # fmt: skip


def cospace(*words: str) -> list[str]:
    return [sys.executable, "-m", "cospace", *words]


def finish(*words: str) -> Done:
    """Run a command to its end."""
    return subprocess.run(cospace(*words), capture_output=True, text=True, timeout=300, env=ENVIRONMENT, cwd=ROOT)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec that `cospace new` writes, with few epochs."""
    folder = tmp_path_factory.mktemp("search")
    CliRunner().invoke(app, ["new", "quick", "--out", str(folder)])
    path = folder / "quick.cospace"
    text = path.read_text().replace("epochs    = 60", "epochs    = 6; candidates = 2")
    path.write_text(text.replace("epochs = 60", "epochs = 5; seeds = 2"))
    return path


@pytest.fixture(scope="module")
def whole(spec: Path) -> tuple[Path, Done]:
    """A search that nothing disturbs: its folder, and what it said."""
    out = spec.parent / "whole"
    return out, finish("search", str(spec), "--out", str(out))


def test_a_search_ends_with_a_result(whole: tuple[Path, Done], spec: Path) -> None:
    out, done = whole
    assert done.returncode == 0, done.stderr
    for part in ("hidden", "rows", "of the die we can afford", "accuracy", "report.html", "next"):
        assert part in done.stdout, done.stdout
    assert "search (6 steps)" in done.stderr and "\x1b" not in done.stderr
    for name in FILES:
        assert (out / name).is_file(), name
    again = finish("search", str(spec), "--out", str(out))
    assert again.returncode == 1 and "CS704" in again.stderr, "results are never overwritten unasked"
    cost = finish("cost", str(out), "--designs", str(out / "design.json"), "--json")
    assert json.loads(cost.stdout)["feasible"] is True


def test_ctrl_c_keeps_what_was_found_and_resume_goes_on(whole: tuple[Path, Done], spec: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    running = subprocess.Popen(
        cospace("search", str(spec), "--out", str(cut)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (cut / "history.jsonl").is_file() and time.monotonic() < until and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[1]
    assert running.returncode in (0, 130), said
    assert "Traceback" not in said
    if running.returncode == 130:
        assert "cospace resume" in said
        done = finish("resume", str(cut))
        assert done.returncode == 0, done.stderr
    first, second = (json.loads((folder / "design.json").read_text()) for folder in (whole[0], cut))
    assert first["design"] == second["design"] and first["accuracy"] == second["accuracy"]


def test_a_compiled_space_is_searched(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    path.write_text(CliRunner().invoke(app, ["compile", str(spec), "--emit", "space"]).stdout)
    out = tmp_path / "result"
    done = finish("search", str(path), "--out", str(out), "--fix", "net.hidden=16", "--fix", "net.conv=gcn")
    assert done.returncode == 0, done.stderr
    design = json.loads((out / "design.json").read_text())["design"]
    assert design["net.hidden"] == 16 and design["net.conv"] == "gcn"


def test_what_cannot_run_is_said(tmp_path: Path) -> None:
    path = tmp_path / "still.cospace"
    path.write_text('space still "no goal"\nx = choose {1, 2}\n')
    done = finish("search", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 1 and "error[CS7" in done.stderr and "Traceback" not in done.stderr
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = finish("resume", str(folder))
        assert done.returncode == 1 and "error[CS" in done.stderr
