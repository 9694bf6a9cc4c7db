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


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A spec that takes seconds to be understood, on any machine."""
    file = tmp_path / "endless.cospace"
    file.write_text(
        "space endless\ndef f(x) = sum(i * x for i in 1..900)\na = choose 1..4\n"
        "for j in 1..100 {\n  require f(a + j) >= j\n}\nminimize a\n",
        encoding="utf-8",
    )
    return str(file)


def test_a_text_without_an_end_ends_each_verb_with_the_limit(endless: str, tmp_path: Path) -> None:
    designs = tmp_path / "designs.jsonl"
    designs.write_text('{"a": 1}\n', encoding="utf-8")
    calls = [
        ("check", endless), ("check", endless, "--fix", "a=1"), ("count", endless), ("sample", endless),
        ("best", endless), ("compile", endless), ("compile", endless, "--emit", "space"), ("diff", endless, endless),
        ("explain", endless, "a"), ("cost", endless, "--designs", str(designs)), ("search", endless),
    ]  # fmt: skip
    for call in calls:
        start = time.monotonic()
        done = run(*call, "--within", "0.1")
        assert time.monotonic() - start < 2, call
        assert done.exit_code == 1, call
        assert "CS816" in done.stderr and "the limit of 0.1 s was hit" in " ".join(done.stderr.split()), call
    found = json.loads(run("check", endless, "--within", "0.1", "--json").stdout)
    assert found["ok"] is None and [d["code"] for d in found["diagnostics"]] == ["CS816"]


def test_what_was_found_before_a_text_was_understood_is_told(endless: str) -> None:
    with Path(endless).open("a", encoding="utf-8") as file:
        file.write("b = choose 1..4 }\n")
    found = json.loads(run("check", endless, "--within", "0.1", "--json").stdout)["diagnostics"]
    assert {d["code"] for d in found} > {"CS816"}


def test_a_stage_that_is_not_written_in_time_is_an_error(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cospace.cli import emit

    monkeypatch.setattr(emit, "hardware", lambda space: iter(int, 1))
    done = run("compile", spec, "--emit", "hardware", "--within", "0.1")
    assert done.exit_code == 1 and not done.stdout and "CS816" in done.stderr


@pytest.fixture
def wide(tmp_path: Path) -> str:
    """More designs than are listed; the best is at 14, nothing is below 4."""
    file = tmp_path / "wide.cospace"
    names = ", ".join(f"n{i}" for i in range(1, 7))
    goal = "n1 * n1 + n2 * n3 + n4 * n6 + sqrt(n5)"
    file.write_text(f"space wide\n{names} = choose 1..50\nrequire n1 + n6 >= 12\nminimize {goal}\n", encoding="utf-8")
    return str(file)


def test_the_best_that_was_met_is_told_with_how_much_better_another_may_be(wide: str, spec: str) -> None:
    for seconds in ("0", "inf"):
        done = run("best", wide, "--within", seconds)
        assert "not proved to be the best, at most 71.43% from it: no design has less than 4;" in done.stdout
        found = json.loads(run("best", wide, "--within", seconds, "--json").stdout)
        assert not found["certified"] and found["bound"] == {"value": 4.0, "unit": "", "exact": "4"}
        assert found.get("limit") == (SAID if seconds == "0" else None)
        assert run("best", wide, "--within", seconds, "--strict").exit_code == 1
    found = json.loads(run("best", spec, "--json").stdout)
    assert found["certified"] and not {"bound", "limit"} & set(found)


def test_a_best_of_what_was_looked_at_so_far(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cospace.compiler.engines import exhaustive

    def slowly(self: object, i: int, ask=exhaustive._Asked.values):  # type: ignore[no-untyped-def]
        if i:
            while True:
                pass
        return ask(self, i)

    monkeypatch.setattr(exhaustive._Asked, "values", slowly)
    Path(spec).write_text("space small\na = choose 1..4\nminimize sqrt(max(a, 3))\n", encoding="utf-8")
    found = json.loads(run("best", spec, "--within", "0.2", "--json").stdout)
    assert found["designs"][0]["design"] == {"a": 1} and not found["certified"]
    assert found["bound"]["value"] == pytest.approx(3**0.5)


def test_designs_that_take_too_long_are_errors_of_their_lines(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cospace.compiler import cost

    def breakdown(space: object, design: dict, real=cost.breakdown):  # type: ignore[type-arg,no-untyped-def]
        while design["a"] == 2:
            pass
        return real(space, design)

    monkeypatch.setattr(cost, "breakdown", breakdown)
    designs = tmp_path / "designs.jsonl"
    designs.write_text('{"a": 1, "b": 1}\n{"a": 2, "b": 1}\n{"a": 3, "b": 1}\n', encoding="utf-8")
    done = run("cost", spec, "--designs", str(designs), "--within", "0.3", "--json")
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 1 and first["feasible"] and third["feasible"]
    assert second == {
        "error": {"path": None, "reason": "not evaluated: the limit of 0.3 s was hit; --within sets another"}
    }


def test_counts_and_samples_read_tables_where_they_are_said_to_lie(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv").write_text("k,v\n1,5\n2,7\n", encoding="utf-8")
    file = tmp_path / "reads.cospace"
    text = 'space reads\ntable t(k: int) from "t.csv" { v: int }\nn = choose 1..2\nrequire t(n).v <= 6\n'
    file.write_text(text, encoding="utf-8")
    data = str(tmp_path / "data")
    assert json.loads(run("count", str(file), "--data", data, "--json").stdout)["feasible"] == "1"
    assert json.loads(run("sample", str(file), "--data", data, "--json").stdout) == {"n": 1}


def test_the_door_of_python_takes_limits(spec: str, wide: str, endless: str) -> None:
    import cospace
    from cospace.compiler.sampling.sample import Unsampled
    from cospace.dsl.diagnostics import SpecError

    said = "the limit of 0 s was hit; within= sets another"
    model = cospace.load(spec)
    assert model.check(within=0).skipped == (f"satisfiable: unknown ({said})",) and model.check().ok
    assert model.count(within=0).limit == said and model.count().exact
    assert all(pair == (0, 16) for c in model.values(within=0) for pair in c.counts)
    with pytest.raises(Unsampled, match="within= sets another"):
        model.sample(within=0)
    assert len(model.sample(3)) == 3
    found = cospace.load(wide).best(within=0)
    assert found.designs and not found.certified and found.bound == 4 and said in found.how
    with pytest.raises(SpecError, match="not understood in time"):
        cospace.load(endless, None, 0.1)
