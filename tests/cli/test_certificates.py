"""`cospace check --certificate`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cospace.checker import certificates
from cospace.checker.certificates import judge

from tests.cli.spoken import run

TEXT = """space small
rows, cols = choose {16, 32, 64}
buffer     = choose {64, 128, 256} KiB
require rows * cols <= 1_024
require rows * cols + buffer / 1 KiB >= 1_200 "room"
require rows <= 256 "never too many"
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.cospace"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_what_is_written_is_accepted_with_the_printed_space(spec: Path, tmp_path: Path) -> None:
    file = tmp_path / "proofs.json"
    said = run("check", spec, "--deep", "--certificate", file)
    assert "certificates: 3 of 3 claims, accepted by the checker" in said
    printed = run("compile", spec, "--emit", "space")
    found = judge((printed, file.read_text(encoding="utf-8")))
    assert found == [("dead buffer = 524288", None), ("dead buffer = 1048576", None), ("redundant [2]", None)]
    again = tmp_path / "space.json"
    again.write_text(printed, encoding="utf-8")
    other = tmp_path / "again.json"
    run("check", again, "--deep", "--certificate", other)
    assert other.read_text() == file.read_text(), "the printed space and the spec have one fingerprint"
    answer = json.loads(run("check", spec, "--json", "--certificate", file))
    assert answer["certificates"] == {"claims": 2, "accepted": 2, "unproved": []}


def test_symbols_and_texts_go_by_their_names(tmp_path: Path) -> None:
    spec, file = tmp_path / "named.cospace", tmp_path / "proofs.json"
    spec.write_text(
        'space s\na = choose {x, y}\nd = choose {"p q", "r"}\ne = choose orders({K, C})\nz = choose {true, false}\n'
        'require a != x and d == "r" and e == [K, C] and z\n'
    )
    run("check", spec, "--certificate", file)
    said = [claim for claim, why in judge((run("compile", spec, "--emit", "space"), file.read_text())) if why is None]
    assert said == ["dead a = x", "dead d = p q", "dead e = [C, K]", "dead z = False"]


def test_a_claim_without_a_certificate_is_named(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "WORK", 20)
    file = tmp_path / "proofs.json"
    said = run("check", spec, "--deep", "--certificate", file)
    assert "0 of 3 claims" in said
    assert "no certificate: no feasible design has buffer = 64 KiB: the checker does not follow" in said
    assert "no certificate: this requirement changes nothing: never too many" in said
    data = json.loads(file.read_text(encoding="utf-8"))
    assert not data["certificates"] and [u["claim"] for u in data["unproved"]] == ["dead", "dead", "redundant"]
    assert all("too much work" in u["reason"] for u in data["unproved"])


def test_conditions_that_never_hold(tmp_path: Path) -> None:
    """Also for parts of one statement, and where the reason is a sum over the others."""
    spec, file = tmp_path / "idle.cospace", tmp_path / "proofs.json"
    spec.write_text(
        "space s\na, b, c = choose 1..9\nrequire a + b + c <= 12\n"
        'require a >= 2 when b + c >= 12 "idle"\nrequire b >= 2 when a + c >= 10 "reached"\n'
        'd = [b, c]\nfor i in 1..2 { require d[i] <= 6 when d[i] + a >= 12 "idle, too" }\n'
    )
    said = run("check", spec, "--deep", "--certificate", file)
    assert "guards: 2 never hold" in said and "certificates: 2 of 2 claims" in said
    printed = run("compile", spec, "--emit", "space")
    assert judge((printed, file.read_text(encoding="utf-8"))) == [("idle [1]", None), ("idle [3, 4]", None)]
    data = json.loads(file.read_text(encoding="utf-8"))
    false = [{**item, "requirements": [2]} for item in data["certificates"]]
    assert all(why for _, why in judge((printed, json.dumps({**data, "certificates": false}))))


def test_what_it_does_not_go_with(spec: Path, tmp_path: Path) -> None:
    file = tmp_path / "proofs.json"
    assert "--certificate" in run("check", spec, "--fix", "rows=4", "--certificate", file, status=2)
    assert "--certificate" in run("check", spec, "--why", "rows=4", "--certificate", file, status=2)
    bare = tmp_path / "space.json"
    printed = json.loads(run("compile", spec, "--emit", "space"))
    bare.write_text(json.dumps({k: v for k, v in printed.items() if k not in ("solved", "functions")}))
    assert "CS815" in run("check", bare, "--certificate", file, status=1)
    assert not file.exists()
