"""Modules on disk, and the cache: what may be missing, circular, elsewhere or damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import Loaded, load, load_text

ROOT = Path(__file__).parents[2]
STD = ROOT / "specs" / "std"


def loaded(path: Path, *expected: str) -> Loaded:
    reporter = Reporter()
    result = load(path, reporter, STD)
    assert [d.code for d in reporter.found] == list(expected), [d.message for d in reporter.found]
    return result


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".cospace")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "root.cospace"


def test_order_and_keys(tmp_path: Path) -> None:
    root = write(
        tmp_path, root="import a\nimport sub.b as bb\nx = 1", a="import sub.b\n", sub__b="y = 1\nimport std.units"
    )
    result = loaded(root)
    a, b = str(tmp_path / "a.cospace"), str(tmp_path / "sub" / "b.cospace")
    assert list(result.modules) == ["std.units", b, a]
    assert result.imports[(str(root), ("sub", "b"))] == b
    assert result.places["std/units.cospace"] == STD / "units.cospace"
    first = result.root.statements[0]
    module = result.module_of(result.root, first)  # type: ignore[arg-type]
    assert module is not None and module.path == a
    assert set(result.sources) == {"std/units.cospace", a, b, str(root)}


def test_circle(tmp_path: Path) -> None:
    loaded(write(tmp_path, root="import a\nx = 1", a="import b\n", b="import root\n"), "CS007")
    loaded(write(tmp_path, root="import root\nx = 1"), "CS007")


def test_diamonds_are_no_circles(tmp_path: Path) -> None:
    files = {f"m{i}": f"import m{i + 1}\nimport m{i + 2}\n" for i in range(40)}
    loaded(write(tmp_path, root="import m0\nx = 1", m40="x = 1", m41="x = 2", **files))


def test_missing(tmp_path: Path) -> None:
    loaded(tmp_path / "root.cospace", "CS001")
    loaded(tmp_path, "CS005")
    loaded(write(tmp_path, root="import nothing\nimport std.nothing\nimport std\nx = 1"), "CS006", "CS006", "CS006")
    loaded(write(tmp_path, root="# only a comment\n"), "CS004")


def told(path: Path) -> tuple[str, str, str | None]:
    reporter = Reporter()
    load(path, reporter, STD)
    (found,) = reporter.found
    return found.code, found.message, found.help


def test_what_is_there_instead_of_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, spaces="x = 1\n", other="y = 1\n")
    assert "did you mean" in str(told(tmp_path / "space.cospace")[2])
    assert "holds other.cospace, spaces.cospace" in str(told(tmp_path / "quite_else.cospace")[2])
    assert "there is no folder" in str(told(tmp_path / "none" / "a.cospace")[2])
    empty = tmp_path / "empty"
    empty.mkdir()
    assert told(empty / "a.cospace")[2] is None


def test_what_is_no_ordinary_file_or_has_no_such_name_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cospace")
    assert told(tmp_path / "pipe.cospace")[:2] == ("CS005", f"`{tmp_path}/pipe.cospace` is not an ordinary file")
    assert told(tmp_path / ("a" * 300 + ".cospace"))[0] == "CS005"


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    write(outside, secret="x = 1")
    root = write(inside, root="import secret\nimport near.secret\nx = 1")
    (inside / "secret.cospace").symlink_to(outside / "secret.cospace")
    (inside / "near").symlink_to(outside)
    loaded(root, "CS008", "CS008")


def test_a_module_with_errors_is_told_once(tmp_path: Path) -> None:
    loaded(write(tmp_path, root="import a\nimport b\nx = 1", a="import b\n", b="x = = 1\n"), "CS101")


def test_text_without_a_file() -> None:
    reporter = Reporter()
    result = load_text("import std.units\nx = 1 ms", "<input>", reporter, STD)
    assert not reporter.found and result.root.path == "<input>" and result.root.path not in result.places


@pytest.mark.parametrize("damage", ["", "{}", "x" * 50, None])
def test_a_damaged_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None) -> None:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "cache"))
    root = write(tmp_path, root="x = (1 + 2) * y.z\n")
    first = loaded(root)
    files = list((tmp_path / "cache").glob("tree-*.json"))
    assert files
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage is None else damage.encode())
    assert loaded(root).root == first.root
    assert loaded(root).root == first.root


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "file" / "cache"))
    loaded(write(tmp_path, root="x = 1\n"))


def test_many_processes_share_one_cache(tmp_path: Path) -> None:
    root = write(tmp_path, root="import std.units\nx = 1 ms\n")
    code = (
        "import sys; from pathlib import Path; from cospace.dsl.load import load; "
        "from cospace.dsl.diagnostics import Reporter; r = Reporter(); "
        "n = len(load(sys.argv[1], r, Path(sys.argv[2])).modules); sys.exit(bool(r.found) or n != 1)"
    )
    environment = {**os.environ, "COSPACE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code, str(root), str(STD)]
    running = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    for path in (tmp_path / "cache").glob("*.json"):
        json.loads(path.read_bytes().partition(b"\n")[2])
