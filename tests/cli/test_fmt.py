"""`cospace fmt` as a user types it: what is written, what is listed, and what is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cospace.cli.main import app
from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parents[2]
UGLY = "x=1# one\n"
NEAT = "x = 1  # one\n"
BAD = "x = (1\n"


def run(*words: object, **how: object) -> Result:
    done = CliRunner().invoke(app, ["fmt", *map(str, words)], **how)  # type: ignore[arg-type]
    assert "Traceback" not in done.output + done.stderr
    assert "this is a bug" not in done.stderr, done.stderr
    return done


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.cospace"
    path.write_text(UGLY)
    return path


def test_formats_in_place_and_says_so(spec: Path) -> None:
    done = run(spec)
    assert (done.exit_code, done.stdout, spec.read_text()) == (0, f"formatted {spec}\n", NEAT)
    done = run(spec)
    assert (done.exit_code, done.stdout, spec.read_text()) == (0, "", NEAT)
    assert sorted(p.name for p in spec.parent.iterdir()) == ["a.cospace"], "nothing is left beside it"


def test_check_lists_and_writes_nothing(spec: Path) -> None:
    neat = spec.with_name("b.cospace")
    neat.write_text(NEAT)
    done = run(spec, neat, "--check")
    assert (done.exit_code, done.stdout, spec.read_text()) == (1, f"{spec}\n", UGLY)
    assert run(neat, "--check").exit_code == 0


def test_diff_shows_and_writes_nothing(spec: Path) -> None:
    done = run(spec, "--diff")
    assert done.exit_code == 0 and spec.read_text() == UGLY
    assert done.stdout.splitlines()[0] == f"--- {spec}"
    assert "-x=1# one" in done.stdout.splitlines() and "+x = 1  # one" in done.stdout.splitlines()
    done = run(spec, "--diff", "--check")
    assert done.exit_code == 1 and "+x = 1  # one" in done.stdout


def test_diff_of_a_last_line_without_an_end(spec: Path) -> None:
    spec.write_text("x=1")
    assert run(spec, "--diff").stdout.splitlines()[-3:] == ["-x=1", "\\ No newline at end of file", "+x = 1"]


def test_standard_input() -> None:
    done = run("-", input=UGLY)
    assert (done.exit_code, done.stdout) == (0, NEAT)
    assert run("-", "--check", input=UGLY).exit_code == 1
    assert run("-", "--check", input=NEAT).exit_code == 0
    done = run("-", input=BAD)
    assert (done.exit_code, done.stdout) == (1, "") and "CS102" in done.stderr
    assert run("-", "a.cospace", input=UGLY).exit_code == 2


def test_a_text_with_errors_is_refused_and_the_others_formatted(spec: Path) -> None:
    bad = spec.with_name("bad.cospace")
    bad.write_text(BAD)
    done = run(bad, spec)
    assert done.exit_code == 1 and "CS102" in done.stderr and "bad.cospace" in done.stderr
    assert (bad.read_text(), spec.read_text()) == (BAD, NEAT)


def test_a_folder(tmp_path: Path) -> None:
    wanted = [tmp_path / "a.cospace", tmp_path / "below" / "b.cospace"]
    others = [tmp_path / "c.txt", tmp_path / ".hidden" / "d.cospace"]
    for path in (*wanted, *others):
        path.parent.mkdir(exist_ok=True)
        path.write_text(UGLY)
    assert run(tmp_path).exit_code == 0
    assert [p.read_text() for p in wanted] == [NEAT] * 2
    assert [p.read_text() for p in others] == [UGLY] * 2


def test_a_folder_without_specs_is_told(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.exit_code == 0 and "CS001" in done.stderr


def test_a_missing_file(tmp_path: Path) -> None:
    done = run(tmp_path / "none.cospace")
    assert done.exit_code == 1 and "CS001" in done.stderr and done.stdout == ""


def test_no_file_is_wrong_use() -> None:
    assert run().exit_code == 2


def test_a_link_stays_one_and_its_file_is_formatted_once(spec: Path) -> None:
    link = spec.with_name("link.cospace")
    link.symlink_to(spec)
    done = run(link, spec)
    assert (done.exit_code, done.stdout) == (0, f"formatted {link}\n")
    assert link.is_symlink() and link.resolve() == spec.resolve() and spec.read_text() == NEAT


def test_a_broken_link(tmp_path: Path) -> None:
    link = tmp_path / "link.cospace"
    link.symlink_to(tmp_path / "none.cospace")
    done = run(link)
    assert done.exit_code == 1 and "CS001" in done.stderr and link.is_symlink()


def test_a_read_only_file_is_left(spec: Path) -> None:
    other = spec.with_name("b.cospace")
    other.write_text(UGLY)
    spec.chmod(0o444)
    done = run(spec, other)
    assert done.exit_code == 1 and "CS807" in done.stderr and "read-only" in done.stderr
    assert (spec.read_text(), other.read_text()) == (UGLY, NEAT)
    assert run(spec, "--check").stdout == f"{spec}\n"


def test_the_mode_is_kept(spec: Path) -> None:
    spec.chmod(0o640)
    run(spec)
    assert spec.stat().st_mode & 0o777 == 0o640 and spec.read_text() == NEAT


def test_a_failed_write_leaves_the_file_whole(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    done = run(spec)
    assert done.exit_code == 1 and "CS807" in done.stderr and "No space left" in done.stderr
    assert spec.read_text() == UGLY
    assert [p.name for p in spec.parent.iterdir()] == ["a.cospace"]


def test_line_ends_and_byte_order_mark_stay(spec: Path) -> None:
    spec.write_bytes("\ufeffx=1# one\r\ny=2\r\n".encode())
    assert run(spec).exit_code == 0
    assert spec.read_bytes() == "\ufeffx = 1  # one\r\ny = 2\r\n".encode()
    spec.write_bytes("\ufeffx = (1\r\n".encode())
    done = run(spec)
    assert done.exit_code == 1 and f"{spec.name}:1:" in done.stderr.replace("\n", "")


def test_bytes_that_are_no_text(spec: Path) -> None:
    spec.write_bytes(b"x = 1\n\xff\xfe\n")
    assert run(spec).exit_code == 1
    assert spec.read_bytes() == b"x = 1\n\xff\xfe\n"


def test_loads_nothing_heavy(spec: Path) -> None:
    code = (
        "import sys\nfrom cospace.cli.main import app\n"
        f"sys.argv = ['cospace', 'fmt', {str(spec)!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "print(sorted({'torch', 'z3', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.splitlines() == [f"formatted {spec}", "[]"], done.stderr
