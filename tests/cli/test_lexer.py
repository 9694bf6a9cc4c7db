"""The highlighters know the language: its reserved words, no more, no fewer, and each sign of every shipped spec."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cospace.cli.lexer import CospaceLexer
from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.format_items import COMMENT, read_items
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String

ROOT = Path(__file__).resolve().parents[2]
EDITOR = ROOT / "editors" / "vscode"
SPECS = sorted([*(ROOT / "specs").rglob("*.cospace"), ROOT / "cli" / "template.cospace"])
CONSTANTS = {"true", "false", "none"}


def grammar() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EDITOR / "syntaxes" / "cospace.tmLanguage.json").read_text(encoding="utf-8"))
    return loaded


def patterns(value: Any) -> list[str]:
    """Every regular expression of the grammar, in order."""
    if isinstance(value, dict):
        here = [v for k, v in value.items() if k in ("match", "begin", "end")]
        return here + [p for k, v in value.items() if k not in ("match", "begin", "end") for p in patterns(v)]
    return [p for v in value for p in patterns(v)] if isinstance(value, list) else []


def alternatives(pattern: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"\\b|\(\?<!\\\.\)", " ", pattern)))


def test_the_grammar_has_the_reserved_words() -> None:
    listed = [w for p in grammar()["repository"]["words"]["patterns"] for w in alternatives(p["match"])]
    assert sorted(listed) == sorted(RESERVED), "each once"


def test_a_reserved_word_is_no_unit_in_the_grammar() -> None:
    pattern = grammar()["repository"]["quantity"]["match"]
    assert set(re.search(r"\(\?!\(\?:([a-z|]+)\)", pattern).group(1).split("|")) == RESERVED  # type: ignore[union-attr]
    assert re.fullmatch(pattern, "64 KiB") and re.fullmatch(pattern, "5 %")
    for text in ("1 in", "4 step", "1_797", "1e-3", "0.5"):
        assert not re.match(pattern, text)


def test_what_the_grammar_names_is_there() -> None:
    loaded = grammar()
    included = re.findall(r'"include": "#(\w+)"', json.dumps(loaded))
    assert sorted(included) == sorted(loaded["repository"]), "each rule is used once, and each that is used is there"
    for pattern in patterns(loaded):
        re.compile(pattern)


def test_the_editor_folder_is_whole() -> None:
    package = json.loads((EDITOR / "package.json").read_text(encoding="utf-8"))
    (language,), (syntax,) = package["contributes"]["languages"], package["contributes"]["grammars"]
    assert syntax["language"] == language["id"] and syntax["scopeName"] == grammar()["scopeName"]
    assert language["extensions"] == [".cospace"]
    assert (EDITOR / syntax["path"]).is_file()
    configuration = json.loads((EDITOR / language["configuration"]).read_text(encoding="utf-8"))
    assert configuration["comments"]["lineComment"] == "#"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_the_lexer_has_the_reserved_words(word: str) -> None:
    found = [(kind, text) for _, kind, text in CospaceLexer().get_tokens_unprocessed(f"({word})") if text == word]
    assert len(found) == 1 and (found[0][0] in Keyword or found[0][0] is Operator.Word)


def test_no_other_word_is_reserved_in_the_lexer() -> None:
    for spec in SPECS:
        for _, kind, text in CospaceLexer().get_tokens_unprocessed(spec.read_text(encoding="utf-8")):
            if (kind in Keyword and kind not in (Keyword.Type, Keyword.Constant)) or kind is Operator.Word:
                assert text in RESERVED
            elif kind is Keyword.Constant:
                assert text in CONSTANTS


@pytest.mark.parametrize("spec", SPECS, ids=lambda p: p.stem)
def test_every_token_of_a_spec_is_known(spec: Path) -> None:
    """No Error, nothing lost, and what the parser takes for a number, a text or a comment is one here."""
    text = spec.read_text(encoding="utf-8")
    tokens = list(CospaceLexer().get_tokens_unprocessed(text))
    assert not [t for t in tokens if t[1] in Error]
    assert "".join(t[2] for t in tokens) == text
    read = read_items(text, spec.name, Reporter())
    assert read is not None
    for kind, lexed in (
        (COMMENT, [Comment]),
        ("NUMBER", [Number]),
        ("NAME", [Name, Keyword.Type, Keyword.Constant]),
    ):
        # a reserved word may name an argument: marked as the word it mostly is
        wanted = [item.text for item in read.items if item.kind == kind and item.text not in RESERVED]
        assert [t[2] for t in tokens if any(t[1] in each for each in lexed) and t[2] != "%"] == wanted
    texts = [item.text for item in read.items if item.kind in ("STRING", "DOC")]
    assert "".join(t[2] for t in tokens if t[1] in String) == "".join(texts)


def test_a_wrong_sign_is_an_error() -> None:
    assert [t[2] for t in CospaceLexer().get_tokens_unprocessed("x = a & b") if t[1] in Error] == ["&"]


def test_pygments_is_told_of_the_lexer() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition('[project.entry-points."pygments.lexers"]')[2].partition("\n[")[0]
    assert section.strip() == f'cospace = "{CospaceLexer.__module__}:{CospaceLexer.__name__}"'
