"""`cospace check --sarif`: what the schema of SARIF 2.1.0 requires is there, at the diagnostics' own places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cospace.cli.main import app
from cospace.cli.sarif import to_sarif
from cospace.dsl.codes import codes
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, Label, Span
from typer.testing import CliRunner

TEXT = 'space s "t"\nrows = choose {1, 2}\nrequire rws <= 1\n'
LEVELS = {"none", "note", "warning", "error"}


def sarif_of(folder: Path, text: str) -> tuple[int, dict[str, Any]]:
    path, out = folder / "s p.cospace", folder / "out.sarif"
    path.write_text(text)
    done = CliRunner().invoke(app, ["check", str(path), "--sarif", str(out)])
    return done.exit_code, json.loads(out.read_text())


def require_valid(log: dict[str, Any]) -> None:
    """The properties that the schema requires of each object that is written, and their ranges."""
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"] and run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in driver["rules"])
        for result in run["results"]:
            assert result["message"]["text"] and result["level"] in LEVELS
            assert ids[result["ruleIndex"]] == result["ruleId"]
            for place in result.get("locations", []) + result.get("relatedLocations", []):
                require_place(place["physicalLocation"])
            for fix in result.get("fixes", []):
                assert fix["artifactChanges"]
                for change in fix["artifactChanges"]:
                    assert change["artifactLocation"]["uri"] and change["replacements"]
                    assert all("deletedRegion" in r for r in change["replacements"])


def require_place(place: dict[str, Any]) -> None:
    assert place["artifactLocation"]["uri"] and " " not in place["artifactLocation"]["uri"]
    region = place.get("region", {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1})
    assert min(region.values()) >= 1
    assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])


def test_an_error_has_its_rule_place_and_repair(tmp_path: Path) -> None:
    status, log = sarif_of(tmp_path, TEXT)
    require_valid(log)
    (result,) = log["runs"][0]["results"]
    region = {"startLine": 3, "startColumn": 9, "endLine": 3, "endColumn": 12}
    assert status == 1 and result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["region"] == region
    (replacement,) = result["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement == {"deletedRegion": region, "insertedContent": {"text": "rows"}}


def test_what_is_proved_is_written_too_and_nothing_found_is_an_empty_run(tmp_path: Path) -> None:
    status, log = sarif_of(tmp_path, TEXT.replace("rws <= 1", "rows <= 0"))
    require_valid(log)
    assert status == 1 and log["runs"][0]["results"]
    status, log = sarif_of(tmp_path, TEXT.replace("require rws <= 1", "minimize rows"))
    require_valid(log)
    assert status == 0 and log["runs"][0]["results"] == []


def test_every_code_makes_a_rule_and_labels_are_related_places() -> None:
    label = Label(Span("s.cospace", 0, 5), "here")
    found = [Diagnostic(code, "warning", "m", Span("s.cospace", 6, 7), (label,)) for code in codes()]
    log = to_sarif([*found, Diagnostic("CS801", "error", "m", NOWHERE)], {"s.cospace": TEXT})
    require_valid(log)
    results = log["runs"][0]["results"]
    assert len(log["runs"][0]["tool"]["driver"]["rules"]) == len(codes())
    assert results[0]["relatedLocations"][0]["message"] == {"text": "here"}
    assert "locations" not in results[-1]
