"""`--within`: verbs end soon after, say what is unknown and why, and nothing that was cut short is remembered."""

import json
import time
from pathlib import Path

import pytest
from cospace.cli.main import app
from cospace.compiler.driver import compile_text
from cospace.lsp import proving
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
SAID = "the limit of 0 s was hit; --within sets another"


def run(*words: str):  # type: ignore[no-untyped-def]
    done = CliRunner().invoke(app, list(words))
    assert "Traceback" not in done.output + done.stderr
    assert "this is a bug" not in done.stderr, done.stderr
    return done


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "small.cospace"
    file.write_text("space small\na, b = choose 1..4\nrequire a + b <= 7\nminimize a + b\n", encoding="utf-8")
    return str(file)


@pytest.fixture
def long(tmp_path: Path) -> str:
    """A spec whose count takes seconds on any machine."""
    file = tmp_path / "long.cospace"
    text = (ROOT / "specs" / "dance.cospace").read_text(encoding="utf-8")
    file.write_text(text.replace("maximize", "require inference <= 0.7 mJ\nmaximize"), encoding="utf-8")
    return str(file)


def test_a_count_that_is_cut_gives_its_bounds_soon(long: str) -> None:
    start = time.monotonic()
    done = run("count", long, "--within", "0.5", "--json")
    assert time.monotonic() - start < 10
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and not found["exact"] and found["raw"] == "156894824016"
    assert int(found["bounds"][0]) <= 4_161_147_357 <= int(found["bounds"][1]) <= int(found["raw"])
    assert found["why"] == found["limit"] == "the limit of 0.5 s was hit; --within sets another"


def test_statuses_are_those_of_unknowns(spec: str) -> None:
    for verb in ("check", "count"):
        words = [verb, spec, "--within", "0"]
        done = run(*words)
        assert done.exit_code == 0 and SAID in done.stdout
        assert run(*words, "--strict").exit_code == 1
        assert run(verb, spec, "--strict").exit_code == 0
    assert run("check", spec, "--within", "-1").exit_code == 2
    assert run("check", spec, "--within", "nan").exit_code == 2
    assert run("count", spec, "--within", "inf", "--json").stdout == run("count", spec, "--json").stdout


def test_an_answer_that_was_cut_short_is_not_kept(spec: str) -> None:
    cut = json.loads(run("check", spec, "--within", "0", "--json").stdout)
    assert cut["ok"] is None and cut["skipped"] == [f"satisfiable: unknown ({SAID})"]
    whole = run("check", spec)
    assert "nothing has changed" not in whole.stdout and "small: fine" in whole.stdout
    assert "nothing has changed" in run("check", spec, "--within", "0").stdout, "what was proved stays proved"
    assert json.loads(run("check", spec, "--within", "0", "--fresh", "--json").stdout)["ok"] is None
    assert json.loads(run("check", spec, "--json").stdout)["ok"] is True


def test_every_verb_says_what_it_does_not_know(spec: str, tmp_path: Path) -> None:
    assert "not decided (" + SAID in run("check", spec, "--why", "a=1", "--within", "0").stdout
    values = json.loads(run("count", spec, "--values", "--estimate", "100", "--within", "0", "--json").stdout)
    assert values["bounds"] == ["0", "16"] and values["limit"] == SAID and values["estimate"] is None
    assert values["values"]["a"]["values"]["1"] == ["0", "16"]
    assert SAID in run("compile", spec, "--within", "0").stdout
    drawn = run("sample", spec, "-n", "3", "--within", "0")
    assert drawn.exit_code == 1 and SAID in drawn.stderr and not drawn.stdout
    assert run("sample", spec, "-n", "3").exit_code == 0
    other = tmp_path / "other.cospace"
    other.write_text(Path(spec).read_text(encoding="utf-8").replace("<= 7", "<= 6"), encoding="utf-8")
    found = json.loads(run("diff", spec, str(other), "--within", "0", "--json").stdout)
    assert found["limit"] == SAID and found["lost"]["count"] == ["0", "16"] and found["lost"]["example"] is None
    assert SAID in run("diff", spec, str(other), "--within", "0").stdout
    assert json.loads(run("diff", spec, str(other), "--json").stdout)["limit"] is None


def test_certificates_that_were_cut_are_said(tmp_path: Path) -> None:
    file = tmp_path / "dead.cospace"
    file.write_text("space dead\na = choose 1..4\nb = choose 1..4\nrequire a < b\n", encoding="utf-8")
    done = run("check", str(file), "--certificate", str(tmp_path / "c.json"), "--within", "0", "--json")
    assert json.loads(done.stdout)["certificates"] == {"claims": 0, "accepted": 0, "unproved": []}


def test_an_editor_is_told_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "SECONDS", 0.0)
    space = compile_text("a, b = choose 1..4\nrequire a < b\n").space
    checked, counted, kept, end = proving.answers(space)
    assert checked == {"diagnostics": [], "open": True} and end == {"open": False}
    assert counted["raw"] == 16 and counted["bounds"] == (0, 16)
    assert kept["values"][0][1][0] == (0, 16)
