"""What the verbs agree on: how a value is written, what `--fix` means, and that nothing is feasible."""

import json
from pathlib import Path

import pytest
from cospace.cli.main import app
from typer.testing import CliRunner

VALUES = """space values
skip = choose {true, false}
size = choose {1_024, 2_048}
room = choose {64, 128} KiB
kind = choose {small, large}
require size <= 1_024 when kind == large
minimize size * room * (if skip then 1 else 2)
"""


def run(*words: str):  # type: ignore[no-untyped-def]
    done = CliRunner().invoke(app, list(words), env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def write(folder: Path, text: str) -> str:
    path = folder / "spec.cospace"
    path.write_text(text, encoding="utf-8")
    return str(path)


# ---- how a value is written


@pytest.mark.parametrize(
    "words",
    [
        ("best", "SPEC"),
        ("sample", "SPEC", "--fix", "skip=true", "--fix", "size=1024", "--fix", "room=64KiB"),
        ("check", "SPEC", "--why", "skip=true"),
        ("compile", "SPEC"),
        ("compile", "SPEC", "--emit", "model"),
        ("count", "SPEC", "--fix", "skip=maybe"),
        ("count", "SPEC", "--fix", "size=3"),
        ("count", "SPEC", "--fix", "room=3"),
    ],
)
def test_values_are_written_as_the_language_writes_them(words: tuple[str, ...], tmp_path: Path) -> None:
    spec = write(tmp_path, VALUES)
    done = run(*(spec if w == "SPEC" else w for w in words))
    said = done.stdout + done.stderr
    assert "True" not in said and "False" not in said and "1024" not in said and "1,024" not in said
    assert any(word in said for word in ("true", "1_024", "128} KiB"))


def test_what_is_printed_can_be_typed(tmp_path: Path) -> None:
    spec = write(tmp_path, VALUES)
    lines = [line.replace(" = ", "=", 1) for line in run("sample", spec).stdout.splitlines()]
    assert len(lines) == 4
    done = run("count", spec, "--json", *(word for line in lines for word in ("--fix", line)))
    assert json.loads(done.stdout)["feasible"] == "1"
