"""The trees that are shipped are those of the standard library.

`pytest tests/dsl/test_trees.py --update-golden` makes them anew, after a change of a text, the grammar or the code that
makes trees.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cospace.dsl import load as loading
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.flat import flatten
from cospace.dsl.load import TREES, parse_cached, tree_key
from cospace.dsl.parse import parse

TEXTS = sorted((Path(__file__).parents[2] / "specs" / "std").glob("*.cospace"))


def test_the_shipped_trees_are_those_of_the_standard_library(request: pytest.FixtureRequest) -> None:
    made = {}
    for path in TEXTS:
        text, reporter = path.read_text(encoding="utf-8"), Reporter()
        made[f"{tree_key(text)}.json"] = flatten(parse(text, path.name, reporter))
        assert not reporter.found
    if request.config.getoption("--update-golden"):
        TREES.mkdir(exist_ok=True)
        for path in TREES.glob("*.json"):
            path.unlink()
        for name, flat in made.items():
            (TREES / name).write_text(json.dumps(flat, separators=(",", ":")) + "\n", encoding="utf-8")
    assert sorted(p.name for p in TREES.iterdir()) == sorted(made), "run this test with --update-golden"
    for name, flat in made.items():
        assert json.loads((TREES / name).read_text(encoding="utf-8")) == flat


def test_a_text_of_the_standard_library_is_not_parsed_where_its_tree_is_sound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COSPACE_CACHE", str(tmp_path / "cache"))
    text = TEXTS[0].read_text(encoding="utf-8")
    shipped = parse_cached(text, "std", Reporter())
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(loading, "TREES", tmp_path)
    for damage in ("", "[]", "[[], [[0, 0]], [], []]"):
        (tmp_path / f"{tree_key(text)}.json").write_text(damage, encoding="utf-8")
        assert parse_cached(text, "std", Reporter()) == shipped
    assert list((tmp_path / "cache").glob("tree-*.json"))
