"""A rule whose mappings neither lists nor bounds solve, as a user meets it: told, and never as proved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cospace.compiler.mappings import evolution

from tests.cli.spoken import answer as run

TEXT = """space huge
import std.learn
import std.works
def job(x: tensor[a], n: int) -> tensor[a] from "t.job" { ask matmul(m = 64, k = 96, n = n) }
def things() -> task from "t.things" { row = tensor[4] }
data = things()
network net(x: data.row) { job(job(x, n = 40), n = 40) }
accelerator chip {
    lanes = choose {4, 8}
    on matmul(m, k, n) {
        a, b, c = map 1..1_000
        banks   = mod(a * b + c, 17)
        cycles  = ceil(m * n / a) * ceil(k / b) / lanes + (1 + banks) * (a + b + c)
    }
    cycles = sum(works.cycles)
}
minimize chip.cycles
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(evolution, "ROUNDS", 2)
    path = tmp_path / "huge.cospace"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_each_verb_says_that_mappings_are_not_proved(spec: Path, tmp_path: Path) -> None:
    unproved = "not proved the least"
    checked = run("check", spec)
    assert checked.exit_code == 0 and "huge: not decided" in checked.stdout and unproved in checked.stdout
    assert "warning[CS510]" in checked.stderr and "1e+09 mappings" in " ".join(checked.stderr.split())
    assert run("check", spec, "--strict").exit_code == 1
    assert run("count", spec, "--strict").exit_code == 1
    found = json.loads(run("best", spec, "--json").stdout)
    assert found["certified"] is False and found["bound"] is None and unproved in found["how"]
    refused = run("best", spec, "--certificate", tmp_path / "c.json")
    assert "CS820" in refused.stderr and unproved in " ".join(refused.stderr.split())
    assert not (tmp_path / "c.json").exists()
    design = tmp_path / "d.json"
    design.write_text(json.dumps(found["designs"][0]["design"]), encoding="utf-8")
    cost = run("cost", spec, "--designs", design)
    assert cost.stdout.count(unproved) == 3  # the design's line, and each work's
    explained = run("explain", spec, "--mapping", "--designs", design, "--out", tmp_path / "m.json", "--picture",
                    tmp_path / "m.svg")  # fmt: skip
    assert unproved in explained.stdout and unproved in " ".join((tmp_path / "m.svg").read_text("utf-8").split())
    given = run("cost", spec, "--mapping", tmp_path / "m.json", "--json")
    mine, theirs = json.loads(given.stdout), json.loads(run("cost", spec, "--designs", design, "--json").stdout)
    assert mine["objectives"] == theirs["objectives"] and "unproved" in theirs and "unproved" not in mine
    compiled = tmp_path / "space.json"
    compiled.write_text(run("compile", spec, "--emit", "space").stdout, encoding="utf-8")
    again = run("best", compiled)
    assert "warning[CS510]" in again.stderr and unproved in again.stdout


def test_a_search_ends_with_an_unknown_gap_and_a_report_that_says_why(spec: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    done = run("search", spec, "--out", tmp_path / "result")
    assert done.exit_code == 0, done.stderr
    kept = json.loads((tmp_path / "result" / "design.json").read_text("utf-8"))
    assert kept["gap"]["state"] == "unknown"
    assert (tmp_path / "result" / "report.html").read_text("utf-8").count("not proved the least") >= 3
