"""Each page of `cospace explain` from CS200 to CS599: its bad example gives that code alone, its good one nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_text
from cospace.dsl.codes import codes, examples, files

FOLDERS = Path(__file__).parents[2] / "compiler" / "elaborate", Path(__file__).parents[2] / "dsl"
PAGES = [c for c in codes() if "CS200" <= c < "CS600"]


@pytest.mark.parametrize("code", PAGES)
def test_the_bad_example_gives_the_code_and_the_good_one_nothing(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, graph in files(code).items():
        onnx = pytest.importorskip("onnx", reason="the page's model takes the package onnx to be made")
        (tmp_path / name).write_bytes(onnx.parser.parse_model(graph).SerializeToString())
        monkeypatch.chdir(tmp_path)
    bad, good = examples(code, "bad"), examples(code, "good")
    assert bad and good, f"{code} needs a bad and a good example"
    for text in bad:
        assert {d.code for d in compile_text(text).diagnostics} == {code}
    for text in good:
        assert [d.message for d in compile_text(text).diagnostics] == []


def test_each_code_of_the_elaborator_has_a_page_and_the_reverse() -> None:
    sources = [file.read_text("utf-8") for folder in FOLDERS for file in folder.glob("*.py")]
    used = {code for text in sources for code in re.findall(r'"(CS[2-5]\d\d)"', text)}
    assert used == set(PAGES)


@pytest.mark.parametrize("code", PAGES)
def test_a_page_begins_with_its_code_and_a_title(code: str) -> None:
    assert codes()[code]
