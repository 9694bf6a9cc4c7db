"""`cospace best --certificate`: what it writes, what it says, and where it has nothing to write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cospace.checker import certificates
from cospace.checker.certificates import judge
from cospace.compiler.engines.exhaustive import _Asked

from tests.cli.spoken import run

TEXT = """space small
rows, cols = choose {16, 32, 64}
mode       = choose {fast, slow}
depth      = choose {1, 2} when mode == fast
buffer     = choose {64, 128, 256} KiB
require rows * cols <= 1_024
require rows * cols + buffer / 1 KiB >= 1_200 "room"
minimize rows + buffer / 1 KiB + (if mode == fast then depth else 3)
"""
FRONT = "maximize cols\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.cospace"
    path.write_text(TEXT, encoding="utf-8")
    return path


def accepted(spec: Path, file: Path) -> str:
    """What the checker says of the only claim, which it accepts."""
    ((said, why),) = judge((run("compile", spec, "--emit", "space"), file.read_text(encoding="utf-8")))
    assert why is None, why
    return said


def test_one_design_a_front_and_some_fixed(spec: Path, tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    said = run("best", spec, "--certificate", file)
    assert f"certificate: {file}, accepted by the checker" in said
    assert accepted(spec, file).endswith(" = 273")
    run("best", spec, "--fix", "rows=32", "--fix", "depth=2", "--certificate", file)
    assert accepted(spec, file).endswith(" = 290, 2 of the decisions fixed")
    (item,) = json.loads(file.read_text(encoding="utf-8"))["certificates"]
    assert item["fixed"] == {"rows": 1, "depth": 1} and item["live"] == ["depth", "rows"]
    spec.write_text(TEXT + FRONT, encoding="utf-8")
    answer = json.loads(run("best", spec, "--certificate", file, "--json"))
    assert answer["certificate"] == {"written": True, "reason": None}
    assert accepted(spec, file).startswith("best")
    kept = file.read_text(encoding="utf-8")
    spec.write_text(TEXT, encoding="utf-8")
    assert judge((run("compile", spec, "--emit", "space"), kept)) == [("all", "it is for another space")]


def test_a_compiled_space(spec: Path, tmp_path: Path) -> None:
    file, printed = tmp_path / "best.json", tmp_path / "space.json"
    printed.write_text(run("compile", spec, "--emit", "space"), encoding="utf-8")
    run("best", printed, "--certificate", file)
    assert judge((printed.read_text(encoding="utf-8"), file.read_text(encoding="utf-8")))[0][1] is None


def test_nothing_is_feasible(spec: Path, tmp_path: Path) -> None:
    spec.write_text(TEXT + "require buffer <= 128 KiB and rows == 16\n", encoding="utf-8")
    file = tmp_path / "best.json"
    run("best", spec, "--certificate", file, status=1)
    assert accepted(spec, file).startswith("best none of ")


def test_what_the_search_had_not_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More are as good as the best than are compared one by one; a sum of what each can be at least shows it."""
    monkeypatch.setattr(_Asked, "know", lambda *_: False)  # as where they can't be evaluated together
    spec, file = tmp_path / "many.cospace", tmp_path / "best.json"
    spec.write_text(
        "space many\nw = [choose {16, 32, 64, 128} for i in 1..6]\nb = [choose {2, 4} for i in 1..6]\n"
        "require sum(w[i] for i in 1..6) >= 300\n"
        "minimize sum(w[i] * b[i] / (if i <= 3 then 2 else 1) for i in 1..6)\nminimize max(8 / b[i] for i in 1..6)\n"
    )
    said = run("best", spec, "--fix", "b=4", "--certificate", file)
    assert "proved by its certificate" in said and "not proved" not in said and accepted(spec, file)


def test_where_there_is_none(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "best.json"
    monkeypatch.setattr(certificates, "WORK", 20)
    said = run("best", spec, "--certificate", file, status=1)
    assert "CS820" in said and "too much work" in said and not file.exists()
    answer = run("best", spec, "--certificate", file, "--json", status=1)
    assert json.loads(answer.splitlines()[0])["certificate"]["written"] is False
