"""Commands given what is wrong, and all they print: `commands/NAME.expect` holds status, output and diagnostics.

`pytest --update-golden` rewrites the expectations.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cospace.cli.main import app
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "commands"
SPEC = "specs/gcos.cospace"
SMALL = "tests/golden/commands/small.cospace"
COMMANDS = {
    "unsatisfiable_budget": ["check", SPEC, "--set", "area_budget=0.001mm2"],
    "missing_file": ["check", "specs/gcoss.cospace"],
    "a_folder": ["check", "specs"],
    "conflict": ["check", "tests/golden/commands/conflict.cospace"],
    "undefined": ["check", "tests/golden/commands/undefined.cospace"],
    "count_undefined": ["count", "tests/golden/commands/undefined.cospace"],
    "sample_undefined": ["sample", "tests/golden/commands/undefined.cospace", "-n", "3"],
    "best_of_nothing": ["best", "tests/golden/commands/conflict.cospace"],
    "dead": ["check", "tests/golden/commands/dead.cospace"],
    "fix_unknown_path": ["count", SMALL, "--fix", "rowz=4"],
    "fix_outside_domain": ["count", SMALL, "--fix", "rows=5"],
    "set_without_value": ["count", SMALL, "--set", "budget"],
    "set_unknown": ["count", SMALL, "--set", "bugdet=3"],
    "spec_with_errors": ["count", "tests/golden/outside_domain.cospace"],
    "search_with_errors": ["search", "tests/golden/outside_domain.cospace", "--out", "tests/golden/never"],
    "sample_of_nothing": ["sample", "tests/golden/commands/conflict.cospace", "-n", "3"],
    "explain_unknown": ["explain", "CS999"],
    "cost_without_designs": ["cost", SMALL, "--designs", "tests/golden/commands/nowhere.jsonl"],
    "resume_nothing": ["resume", "tests/golden/commands"],
    "report_nothing": ["report", "tests/golden/commands"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    result = CliRunner().invoke(app, COMMANDS[name])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    said = f"$ cospace {' '.join(COMMANDS[name])}\nexit status {result.exit_code}\n"
    for stream, text in (("output", result.stdout), ("errors", result.stderr)):
        lines = [line.rstrip() for line in text.splitlines()]
        said += f"\n{stream}:\n" + "\n".join(lines).strip("\n") + "\n" if any(lines) else ""
    expected = FOLDER / f"{name}.expect"
    if request.config.getoption("--update-golden"):
        expected.write_text(said, encoding="utf-8")
    assert expected.exists(), f"no {expected.name} yet: run pytest --update-golden and read it"
    assert said == expected.read_text(encoding="utf-8")
