"""Specs and what is said about them: each `*.cospace` has an `.expect` with the exit status and the diagnostics.

A first comment `# set: name=value` gives `--set` values. `pytest --update-golden` rewrites the expectations; a
reviewer reads the difference. A file in a folder below (`modules/`) is only imported. A new file is a new test.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from cospace.cli.render import render_plain
from cospace.dsl.diagnostics import Diagnostic, Reporter
from cospace.dsl.load import load

FOLDER = Path(__file__).parent
STD = FOLDER.parents[1] / "specs" / "std"
SPECS = sorted(FOLDER.glob("*.cospace"))
_SET = re.compile(r"^# set: *(\w[\w.]*) *= *(.+?) *$", re.MULTILINE)


def told_about(path: Path, settings: dict[str, str]) -> tuple[list[Diagnostic], dict[str, str]]:
    """All diagnostics of a spec, with the sources they point into."""
    try:
        driver = importlib.import_module("cospace.compiler.driver")
    except ModuleNotFoundError:
        reporter = Reporter()
        return reporter.found, load(path, reporter, STD).sources
    compiled = driver.compile_file(path, settings)
    return list(compiled.diagnostics), dict(compiled.sources)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_golden(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    shown = Path(path.name)
    settings = dict(_SET.findall(path.read_text(encoding="utf-8", errors="replace")))
    found, sources = told_about(shown, settings)
    sources = {path: text for path, text in sources.items() if not path.startswith("std/")}  # its lines move
    status = int(any(d.severity == "error" for d in found))
    said = f"exit status {status}\n\n{render_plain(found, sources)}".rstrip() + "\n"
    expected = path.with_suffix(".expect")
    if request.config.getoption("--update-golden"):
        expected.write_text(said, encoding="utf-8")
    assert expected.exists(), f"no {expected.name} yet: run pytest --update-golden and read it"
    assert said == expected.read_text(encoding="utf-8")
