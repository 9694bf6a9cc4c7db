"""`explain --mapping` and `cost --mapping` as a user types them: told, written, drawn, read back, refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cospace.compiler.mapping_file import is_record

from tests.cli.spoken import answer as run

SPEC = """space small "a few layers <& more>"
import std.tasks
import std.images
import std.learn
import std.ENGINE
photos = cifar10(size = 16)
network net(x: photos.pixels) -> tensor[photos.classes] {
    for i in 1..3 { x = conv_norm(x, out = 32) }
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = 8 bit }
engine = PARTS
minimize engine.energy * engine.latency
baseline plain "small" { engine.buffer = 16 KiB REST}
"""


def write(folder: Path, engine: str = "systolic") -> Path:
    parts = "systolic(rows = 16, cols = 16, buffer = choose {1, 16} KiB)"
    if engine == "loop_nest":
        parts = "loop_nest(elements = 32, tall = 8, buffer = choose {1, 16} KiB)"
    rest = "; engine.style = multi_cycle " if engine == "loop_nest" else ""
    path = folder / f"{engine}.cospace"
    path.write_text(SPEC.replace("ENGINE", engine).replace("PARTS", parts).replace("REST", rest), "utf-8")
    return path


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write(tmp_path_factory.mktemp("mapping")))


def test_written_and_read_back(spec: str, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    told = run("explain", spec, "--mapping", "--baseline", "plain", "--out", file, "--json")
    assert told.exit_code == 0, told.stderr
    record = json.loads(told.stdout)
    assert is_record(record) and json.loads(file.read_text("utf-8")) == record
    (tmp_path / "d.json").write_text(json.dumps(record["design"]))
    solved = run("cost", spec, "--designs", tmp_path / "d.json", "--json")
    read = run("cost", spec, "--mapping", file, "--json")
    both = run("cost", spec, "--mapping", file, "--designs", tmp_path / "d.json", "--json")
    assert solved.exit_code == read.exit_code == 0
    assert solved.stdout == read.stdout == both.stdout


def test_a_baseline_with_another_value(spec: str) -> None:
    told = run("explain", spec, "--mapping", "--baseline", "plain", "--fix", "engine.buffer=1 KiB")
    assert told.exit_code == 0
    needs = (288 * 8 + 32 * 32 + 288 * 16 * 8) // 8
    assert f"needs {needs:,} byte, there is 1,024 byte: {needs - 1024:,} byte missing" in told.stdout
    assert run("explain", spec, "--mapping", "--fix", "engine.buffer=1KiB").stdout == told.stdout


@pytest.mark.parametrize(("words", "said"), [
    ([], "engine.buffer is open"),
    (["--baseline", "plan"], "there is no baseline 'plan'"),
    (["--designs", "DESIGN"], "this is no design: engine.buffer: `3 KiB` is not one of its values"),
    (["--designs", "SEVERAL"], "does not hold one design"),
])  # fmt: skip
def test_not_one_design(spec: str, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "DESIGN").write_text('{"engine.buffer": "3 KiB"}')
    (tmp_path / "SEVERAL").write_text('{"engine.buffer": "1 KiB"}\n{"engine.buffer": "16 KiB"}\n')
    done = run("explain", spec, "--mapping", *(tmp_path / w if w.isupper() else w for w in words))
    assert done.exit_code == 1 and "CS819" in done.stderr
    assert said in " ".join(done.stderr.split())


def test_wrong_use_is_status_2(spec: str) -> None:
    for words in (["explain", "--mapping"], ["explain", spec, "engine", "--mapping"], ["cost", spec],
                  ["explain", spec, "--baseline", "plain"], ["explain", spec, "--json"]):  # fmt: skip
        assert run(*words).exit_code == 2, words


def test_what_is_not_feasible_is_an_error_of_its_design(spec: str, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    run("explain", spec, "--mapping", "--baseline", "plain", "--out", file)
    (tmp_path / "d.jsonl").write_text('{"engine.buffer": "1 KiB"}\n{"engine.buffer": "16 KiB"}\n')
    done = run("cost", spec, "--mapping", file, "--designs", tmp_path / "d.jsonl")
    assert done.exit_code == 1
    first, *others = done.stdout.partition("\n\n")[0].splitlines()
    assert first.startswith("design 1: net.conv_norm[1].conv.conv.matmul: CS818: no such mapping in this design: ")
    for line, path in zip(
        others, ("net.conv_norm[2].conv.conv.matmul", "net.conv_norm[3].conv.conv.matmul"), strict=True
    ):
        assert line.startswith(f"  {path}: ")
    assert all(" missing  (" in line for line in (first, *others))
    assert "design 2: feasible" in done.stdout
    lines = run("cost", spec, "--mapping", file, "--designs", tmp_path / "d.jsonl", "--json").stdout.splitlines()
    error = json.loads(lines[0])["error"]
    assert error["code"] == "CS818" and len(error["works"]) == 3
    assert "error" not in json.loads(lines[1])


@pytest.mark.parametrize("text", ["", "[1", "{}", '{"format": "cospace mapping", "schema": 1, "layers": [3]}'])
def test_a_file_that_is_no_mapping(spec: str, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    done = run("cost", spec, "--mapping", tmp_path / "m.json")
    assert done.exit_code == 1 and "CS817" in done.stderr
    assert "CS817" in run("cost", spec, "--mapping", tmp_path / "nowhere.json").stderr


@pytest.mark.parametrize("buffer", ["16 KiB", "1 KiB"])
@pytest.mark.parametrize("engine", ["systolic", "loop_nest"])
def test_the_picture(tmp_path: Path, engine: str, buffer: str) -> None:
    path, picture = write(tmp_path, engine), tmp_path / "p.svg"
    done = run("explain", path, "--mapping", "--baseline", "plain", "--fix", f"engine.buffer={buffer}", "--json",
               "--picture", picture)  # fmt: skip
    layers = json.loads(done.stdout)["layers"]
    text = picture.read_text("utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "href" not in text and "<script" not in text
    names = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert all(any((n or "").startswith(x["works"][0]) for n in names) for x in layers)
    assert names.count("no mapping fits") == sum(x["maps"] is None for x in layers)
    assert ("for kw in 1..3" in " ".join(n or "" for n in names)) == (engine == "loop_nest" and buffer == "16 KiB")
    wide = [float(e.get("width", "0")) for e in root.iter() if e.tag.endswith("rect") and e.get("height") == "14"]
    assert all(0 <= w <= 250 for w in wide)
    parts = [e for e in root.iter() if e.tag.endswith("title")]
    assert len(parts) == sum(len(x["splits"].get("energy", {})) for x in layers)


def test_a_result_folder_has_its_mapping(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from cospace.compiler.driver import compile_file
    from result_folder import write_result

    spec = write(tmp_path)
    space = compile_file(spec).space
    assert space is not None
    folder = write_result(tmp_path / "result", space, dict(space.references[0].design))
    told = run("explain", folder, "--mapping")
    assert told.exit_code == 0, told.stderr
    assert "maps    flow = " in told.stdout
    assert "CS817" in run("cost", folder, "--mapping", _written(spec, tmp_path)).stderr


def _written(spec: Path, folder: Path) -> Path:
    run("explain", spec, "--mapping", "--baseline", "plain", "--out", folder / "m.json")
    return folder / "m.json"


def test_a_search_leaves_the_mapping_of_what_it_found(spec: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("search", spec, "--out", tmp_path / "found")
    assert done.exit_code == 0, done.stderr
    mapping, design = tmp_path / "found" / "mapping.json", tmp_path / "found" / "design.json"
    assert "The mapping of each layer" in (tmp_path / "found" / "report.html").read_text("utf-8")
    told = run("explain", spec, "--mapping", "--designs", design, "--json")
    assert json.loads(mapping.read_text("utf-8")) == json.loads(told.stdout)
    read, solved = run("cost", spec, "--mapping", mapping, "--json"), run("cost", spec, "--designs", design, "--json")
    assert read.exit_code == 0 and read.stdout == solved.stdout


def test_the_report_draws_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parent))
    from cospace.compiler.driver import compile_file
    from result_folder import write_result

    spec = write(tmp_path, "loop_nest")
    space = compile_file(spec).space
    assert space is not None
    folder = write_result(tmp_path / "result", space, dict(space.references[0].design))
    assert run("report", folder).exit_code == 0
    assert "The mapping of each layer" not in (folder / "report.html").read_text("utf-8")
    run("explain", spec, "--mapping", "--baseline", "plain", "--out", folder / "mapping.json")
    assert run("report", folder).exit_code == 0
    page = (folder / "report.html").read_text("utf-8")
    assert "The mapping of each layer" in page and page.count('<svg class="mapping"') == 1
    (folder / "mapping.json").write_text(
        (folder / "mapping.json").read_text("utf-8").replace('"times": 1', '"times": {}')
    )
    done = run("report", folder)
    assert done.exit_code == 1 and "CS812" in done.stderr and "mapping.json" in done.stderr
