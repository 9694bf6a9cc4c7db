"""The verbs as a user types them: answers, exit statuses, and that no traceback is ever shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cospace.cli.figures import human
from cospace.cli.main import app
from cospace.compiler import driver
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
BAD = """space bad "six mistakes"

x = choose {1, 2}
y = xx + 1
require x <= 3 pJ
minimize z
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec that `cospace new` writes."""
    folder = tmp_path_factory.mktemp("new")
    done = run("new", "small", "--out", str(folder))
    assert done.exit_code == 0, done.output
    return folder / "small.cospace"


def run(*words: str, **how: object):  # type: ignore[no-untyped-def]
    done = CliRunner().invoke(app, list(words), **how)  # type: ignore[arg-type]
    assert "Traceback" not in done.output + done.stderr
    assert "this is a bug" not in done.stderr, done.stderr
    return done


def test_help_names_every_verb() -> None:
    done = run("--help")
    assert done.exit_code == 0
    for verb in (
        "compile",
        "check",
        "count",
        "sample",
        "cost",
        "best",
        "explain",
        "fmt",
        "search",
        "resume",
        "report",
        "specs",
        "new",
    ):
        assert verb in done.output
        assert run(verb, "--help").exit_code == 0


def test_wrong_use_is_status_2(spec: Path) -> None:
    for words in (["frobnicate"], ["check"], ["check", str(spec), "--nonsense"], ["check", str(spec), "--set", "x"],
                  ["sample", str(spec), "-n", "0"], ["best", str(spec), "--fix", "x"]):  # fmt: skip
        assert run(*words).exit_code == 2, words


def test_version() -> None:
    assert run("--version").output.startswith("cospace ")


def test_a_missing_spec_is_an_error_of_status_1() -> None:
    done = run("check", "nowhere.cospace")
    assert done.exit_code == 1
    assert "CS001" in done.stderr and done.stdout == ""


def test_errors_are_diagnostics_on_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.cospace"
    path.write_text(BAD)
    for verb in ("compile", "check", "count", "sample", "best"):
        done = run(verb, str(path))
        assert done.exit_code == 1
        assert done.stderr.count("error[CS") >= 2, done.stderr


def test_check_answers_programs(spec: Path, tmp_path: Path) -> None:
    good = json.loads(run("check", str(spec), "--json").stdout)
    assert good["ok"] is True and good["proved"] and isinstance(good["diagnostics"], list)
    path = tmp_path / "bad.cospace"
    path.write_text(BAD)
    done = run("check", str(path), "--json")
    bad = json.loads(done.stdout)
    assert done.exit_code == 1 and bad["ok"] is False
    first = bad["diagnostics"][0]
    assert {"code", "severity", "message", "help", "file", "line", "column", "end_line", "end_column", "labels"} <= set(
        first
    )


def test_count_says_what_each_value_keeps(spec: Path) -> None:
    answer = json.loads(run("count", str(spec), "--values", "--json").stdout)
    for path, kept in answer["values"].items():
        ends = [n for n in [*kept["values"].values(), kept["absent"]]]
        assert sum(int(n) for n in ends) == int(answer["feasible"]), path
    for value, n in answer["values"]["net.conv"]["values"].items():
        pinned = json.loads(run("count", str(spec), "--json", "--fix", f"net.conv={value}").stdout)
        assert pinned["feasible"] == n
    assert "net.conv = gcn: " in run("count", str(spec), "--values").stdout


def test_count_answers_programs(spec: Path) -> None:
    answer = json.loads(run("count", str(spec), "--json").stdout)
    assert answer["raw"] == "73728" and answer["exact"] is True
    assert 0 < int(answer["feasible"]) < 73728
    pinned = json.loads(run("count", str(spec), "--json", "--fix", "net.conv=gcn", "--fix", "chip.buffer=64KiB").stdout)
    assert int(pinned["raw"]) < 73728
    assert "feasible" in run("count", str(spec)).stdout


def test_count_estimates_from_raw_designs(spec: Path) -> None:
    answer = json.loads(run("count", str(spec), "--estimate", "5000", "--seed", "2", "--json").stdout)
    guess = answer["estimate"]
    low, high = (int(end) for end in guess["interval"])
    assert guess["drawn"] == 5000 and guess["seed"] == 2 and guess["confidence"] == 0.95
    assert guess["inside"] is (low <= int(answer["feasible"]) <= high)
    assert low <= int(guess["feasible"]) <= high
    alone = json.loads(run("count", str(spec), "--estimate", "5000", "--seed", "2", "--alone", "--json").stdout)
    assert alone["feasible"] is None and alone["exact"] is False and alone["raw"] == answer["raw"]
    assert alone["estimate"]["interval"] == guess["interval"]
    said = run("count", str(spec), "--estimate", "5000").stdout
    assert "estimate: " in said and "with 95 % confidence" in said and "the exact count lies " in said
    assert run("count", str(spec), "--alone").exit_code == 2


def test_samples_are_designs_that_cost_reads(spec: Path, tmp_path: Path) -> None:
    first = run("sample", str(spec), "-n", "3", "--seed", "1", "--json")
    assert first.stdout == run("sample", str(spec), "-n", "3", "--seed", "1", "--json").stdout
    designs = [json.loads(line) for line in first.stdout.splitlines()]
    assert len(designs) == 3 and all(d["chip.buffer"].endswith("KiB") for d in designs)
    path = tmp_path / "designs.jsonl"
    path.write_text(first.stdout + '{"net.hidden": 16}\nnonsense\n')
    done = run("cost", str(spec), "--designs", str(path), "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [a.get("feasible") for a in answers] == [True, True, True, None, None]
    assert answers[3]["error"]["reason"] and answers[4]["error"]["path"] is None
    assert answers[0]["works"] and all(w["rule"] for w in answers[0]["works"])
    assert "feasible" in run("cost", str(spec), "--designs", str(path)).stdout


def test_best_pins_and_proves(spec: Path) -> None:
    pins = ["net.hidden=16", "net.conv=gcn", "precision.weights=8 bit", "precision.activations=8bit"]
    words = [word for pin in pins for word in ("--fix", pin)]
    done = run("best", str(spec), *words, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["certified"] is True
    assert answer["designs"][0]["design"]["net.hidden"] == 16


def test_fix_says_what_is_wrong(spec: Path) -> None:
    done = run("count", str(spec), "--fix", "net.hiden=16")
    assert done.exit_code == 1 and "CS805" in done.stderr and "net.hidden" in done.stderr
    done = run("count", str(spec), "--fix", "net.hidden=17")
    assert done.exit_code == 1 and "16" in done.stderr


def test_set_changes_the_space(spec: Path) -> None:
    wide = int(json.loads(run("count", str(spec), "--json").stdout)["feasible"])
    tight = int(json.loads(run("count", str(spec), "--json", "--set", "area_budget=0.3mm2").stdout)["feasible"])
    assert 0 < tight < wide
    done = run("count", str(spec), "--set", "area_buget=0.3mm2")
    assert done.exit_code == 1 and "area_budget" in done.stderr


def test_emit(spec: Path, tmp_path: Path) -> None:
    assert "Network(name='net')" in run("compile", str(spec), "--emit", "tree").stdout
    assert "net.hidden: choose {16, 32, 64}" in run("compile", str(spec), "--emit", "model").stdout
    text = run("compile", str(spec), "--emit", "space").stdout
    assert text == run("compile", str(spec), "--emit", "space").stdout
    path = tmp_path / "space.json"
    path.write_text(text)
    assert run("count", str(path), "--json").stdout == run("count", str(spec), "--json").stdout
    assert run("count", str(tmp_path), "--json").exit_code == 0
    assert "CS804" in run("count", str(path), "--set", "area_budget=1mm2").stderr
    path.write_text(text[: len(text) // 2])
    done = run("count", str(path))
    assert done.exit_code == 1 and "CS801" in done.stderr


def test_compile_shows_the_space(spec: Path) -> None:
    text = run("compile", str(spec)).stdout
    for part in (
        "4..32 step 4",
        "{32, 64, 128} KiB",
        "73,728 designs",
        "feasible",
        "chip: on",
        "supernet",
        "error(nodes)",
        "next",
    ):
        assert part in text, part


def test_explain() -> None:
    assert run("explain", "cs805").stdout.startswith("# CS805")
    assert "CS805" in run("explain").stdout
    done = run("explain", "CS80X")
    assert done.exit_code == 1 and "CS809" in done.stderr


def test_specs_lists_what_is_shipped() -> None:
    rows = json.loads(run("specs", "--json", "--std").stdout)
    for row in rows:
        assert row["about"] and Path(row["path"]).is_file(), row


def test_new_never_replaces_a_file(spec: Path) -> None:
    done = run("new", "small", "--out", str(spec.parent))
    assert done.exit_code == 1 and "CS811" in done.stderr
    assert run("new", "small", "--out", str(spec.parent), "--overwrite").exit_code == 0
    assert run("new", "not a name").exit_code == 2


def test_an_unforeseen_error_is_one_line(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*given: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.delenv("COSPACE_DEBUG", raising=False)
    monkeypatch.setattr("cospace.cli.inputs._read", break_down)
    done = CliRunner().invoke(app, ["count", str(spec)])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "this is a bug in cospace (ZeroDivisionError: two lines); rerun with COSPACE_DEBUG=1 for the trace"
    ]


def test_a_closed_pipe_is_no_error(spec: Path) -> None:
    command = f"{sys.executable} -m cospace sample {spec} -n 3000 --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)


def test_shells_complete(tmp_path: Path) -> None:
    (tmp_path / "one.cospace").write_text("")

    def complete(words: str) -> str:
        environment = {**os.environ, "_COSPACE_COMPLETE": "complete_bash", "COMP_WORDS": f"cospace {words}",
                       "COMP_CWORD": str(len(words.split()))}  # fmt: skip
        code = "from cospace.cli.main import app; app(prog_name='cospace')"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        return done.stdout

    assert "explain" in complete("expl")
    assert "one.cospace" in complete("check on")
    assert "CS805" in complete("explain CS80")


def test_colour_is_obeyed(spec: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cospace", "check", "nowhere.cospace"],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert "\x1b" not in done.stderr


def test_the_python_door(spec: Path) -> None:
    import cospace
    from cospace.dsl.diagnostics import SpecError

    model = cospace.load(spec, area_budget="0.5mm2")
    assert model.count().exact and model.check().ok
    (design,) = model.sample(1, seed=3, fixed={"net.hidden": 32})
    assert design["net.hidden"] == 32
    assert model.supernet().parameters > 0
    assert model.emit().startswith("{")
    with pytest.raises(SpecError):
        cospace.load("nowhere.cospace")


def test_explain_says_what_a_spec_and_a_name_in_it_stand_for(tmp_path: Path) -> None:
    text = (
        'space shop "What is sold"\n'
        'param most = 4 mm2 "the shelf"\n'
        'rows = choose 1..8 "of shelves"\n'
        "deep = choose {2, 4} when rows > 4\n"
        "area = rows * 1 mm2\n"
        'require area <= most "it fits"\n'
        "minimize area\n"
    )
    spec = tmp_path / "shop.cospace"
    spec.write_text(text, encoding="utf-8")
    whole = run("explain", str(spec))
    assert whole.exit_code == 0
    for said in ("shop: What is sold", 'most = 4 mm2    "the shelf"', '"of shelves"', '"it fits"', "minimize area"):
        assert said in whole.stdout
    rows = run("explain", str(spec), "rows").stdout
    assert "rows: choose 1..8" in rows and '"of shelves"' in rows and "shop.cospace:3:8" in rows
    assert "read by requirement: it fits" in rows and "read by minimize area" in rows
    assert "exists only if 4 < rows" in run("explain", str(spec), "deep").stdout
    area = run("explain", str(spec), "area").stdout
    assert "area lies between 1 mm2 and 8 mm2" in area and "shop.cospace:5:1" in area and "depends on rows" in area
    given = run("explain", str(spec), "most", "--set", "most=3mm2").stdout
    assert "most = 3 mm2 (given by --set)" in given
    wrong = run("explain", str(spec), "rowss")
    assert wrong.exit_code == 1 and "CS813" in wrong.stderr and "did you mean 'rows'" in wrong.stderr
    assert "CS001" in run("explain", str(tmp_path / "none.cospace")).stderr


def test_cost_says_what_the_file_names(tmp_path: Path) -> None:
    spec = tmp_path / "tiles.cospace"
    spec.write_text(
        "space tiles\nn = 64\nt = choose divisors(n)\nfits = held <= 4 kB\nheld = t * n * 8 bit\nminimize n / t\n"
    )
    told = run("cost", str(spec), "--designs", "-", input='{"t": 32}')
    assert "held = 2 KiB" in told.stdout and "fits = True" in told.stdout and "n = " not in told.stdout
    answer = json.loads(run("cost", str(spec), "--designs", "-", "--json", input='{"t": 64}').stdout)
    assert answer["quantities"] == {
        "fits": {"value": False, "unit": ""},
        "held": {"value": 4.0, "unit": "KiB", "exact": "32768"},
    }


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1.187e8, "pJ", "118.7 uJ"), (1_048_576, "bit", "128 KiB"), (171.4, "bit", "171.4 bit"), (3e4, "ns", "30 us"),
        (77_069.9, "uJ us", "77.07 nJ s"), (2.5, "mm2", "2.5 mm2"), (0, "pJ", "0 J"),
    ],
)  # fmt: skip
def test_figures_have_the_unit_that_suits_them(value: float, unit: str, said: str) -> None:
    assert human(value, unit) == said


@pytest.mark.parametrize("name", ["gnn", "engine", "engine.area", "gnn.conv", "precision.weights", "tech.sram"])
def test_explain_knows_the_names_of_a_shipped_spec(name: str) -> None:
    done = run("explain", str(ROOT / "specs" / "gcos.cospace"), name)
    assert done.exit_code == 0 and name.split(".")[-1] in done.stdout


def test_emit_z3_asks_what_z3_answers_by_itself(tmp_path: Path) -> None:
    import z3

    for bound, answer in ((3, "unsat"), (4, "sat")):
        spec = tmp_path / "small.cospace"
        spec.write_text(f"space s\na, b = choose {{2, 4}}\nrequire a * b <= {bound}\nminimize a\n", encoding="utf-8")
        text = run("compile", str(spec), "--emit", "z3").stdout
        assert "; v0 is a" in text and "; r0 is a * b" in text
        solver = z3.Solver()
        solver.from_string(text)
        assert str(solver.check()) == answer


def test_emit_supernet_and_hardware_say_what_a_network_and_its_engine_become() -> None:
    spec = str(ROOT / "specs" / "gcos.cospace")
    network = run("compile", spec, "--emit", "supernet").stdout
    assert "choice gnn.conv[1] {gcn = " in network and "graph.gat(" in network and "trains weight [" in network
    engine = run("compile", spec, "--emit", "hardware").stdout
    assert "engine: gnn_engine, rules matmul" in engine and "  by engine: on matmul" in engine
    assert "area = " in engine and "map " in engine


LATER = """space later
import std.tasks
import std.graph
import std.learn
nodes = node_classification("digits")
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    linear(x, out = nodes.classes)
}
highest = choose {4, 8} bit
precision drawn of net { both = random 2 bit..highest step 2 bit per image }
speed = switch {1, 2}
least = choose 2 bit..highest step 2 bit
accelerator array(rows = choose {4, 8}) {
    on matmul(m, k, n, wbits) { cycles = m * k * n * (wbits / 1 bit) / rows; energy = 0 pJ }
    cycles = sum(works.cycles)
}
chip = array()
require least <= highest
minimize mean(chip.cycles for drawn.both)
minimize highest * speed at speed = 2
"""


def test_what_is_bound_later_is_shown_with_its_values(tmp_path: Path) -> None:
    path = tmp_path / "later.cospace"
    path.write_text(LATER)
    shown = run("compile", str(path)).stdout
    (drawn,) = [line for line in shown.splitlines() if line.strip().startswith("drawn.both")]
    assert "{2, 4, 6, 8} bit" in drawn or "2..8 bit step 2" in drawn
    assert "chance draws it, per image; values depend on decisions" in drawn
    (speed,) = [line for line in shown.splitlines() if line.strip().startswith("speed")]
    assert "{1, 2}" in speed and "the user binds it at run time" in speed

    (tmp_path / "one.json").write_text('{"highest": "4 bit", "least": "2 bit", "chip.rows": 4}')
    words = ("cost", str(path), "--designs", str(tmp_path / "one.json"))
    lines = [line for line in run(*words).stdout.splitlines() if "net.linear" in line]
    assert [line.split(":")[0].strip() for line in lines] == [
        "net.linear.matmul at drawn.both = 2 bit", "net.linear.matmul at drawn.both = 4 bit"
    ]  # fmt: skip
    answer = json.loads(run(*words, "--json").stdout)
    assert [w["at"] for w in answer["works"]] == [{"drawn.both": "2 bit"}, {"drawn.both": "4 bit"}]


def test_a_missing_file_suggests_what_is_alike_and_nothing_else(tmp_path: Path) -> None:
    for name in ("chip", "other"):
        (tmp_path / f"{name}.cospace").write_text("space s\na = choose {1, 2}\n")
    assert "did you mean" in (told := run("check", str(tmp_path / "chjp.cospace")).stderr) and "chip.cospace" in told
    assert "did you mean" in run("check", str(tmp_path / "chip")).stderr
    assert "did you mean" not in run("check", str(tmp_path / "xy.cospace")).stderr


def test_explain_knows_what_the_text_declares(tmp_path: Path) -> None:
    (tmp_path / "kit.cospace").write_text(
        'unit beat "one transfer"\nunit kbeat = 1000 beat\nparam each = 2 pJ / beat "what a beat costs"\n'
        'def bank(size) "of so many bits" = size * 0.2 um2 / bit\n'
    )
    spec = tmp_path / "shop.cospace"
    spec.write_text(
        'space shop\nimport kit as box\ntable clocks(name: text) from [["slow", 100], ["fast", 400]] { f: MHz }\n'
        'ports = choose {1, 2}\narea = ports * box.bank(8 KiB) "of the banks"\nfixed = 3 mm\n'
        'clock = clocks(choose speed {"slow", "fast"})\nrequire area <= 1 mm2 and clock.f <= 1 GHz\n'
    )
    said = lambda name: run("explain", str(spec), name).stdout  # noqa: E731
    assert "lies between" in said("area") and '"of the banks"' in said("area") and "depends on ports" in said("area")
    assert "shop.cospace:6:1" in said("fixed") and "= " in said("fixed")
    assert '"what a beat costs"' in said("box.each") and '"of so many bits"' in said("box.bank")
    assert "a base unit" in said("beat") and "1,000 beat" in said("kbeat")
    assert "clock is a row of a table" in said("clock") and "table clocks" in said("clocks")
    assert 'area    "of the banks"' in run("explain", str(spec)).stdout
    wrong = run("explain", str(spec), "aera")
    assert wrong.exit_code == 1 and "did you mean 'area'" in wrong.stderr


def test_explain_compiles_a_text_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "s.cospace"
    spec.write_text("space s\nunit frame = 33 ms\na = choose {1, 2}\nrequire a * 1 frame <= 1 s\n")
    compiled, plain = [], driver.compile_loaded

    def counted(loaded: Any, *rest: Any) -> Any:
        compiled.append(loaded)
        return plain(loaded, *rest)

    monkeypatch.setattr(driver, "compile_loaded", counted)
    assert "unit frame = 33 ms" in run("explain", str(spec), "frame").stdout and len(compiled) == 1
    assert "did you mean 'frame'" in run("explain", str(spec), "frme").stderr and len(compiled) == 2
