"""The parser's tables, made of `grammar/cospace.lark` and shipped beside it as JSON (never as pickle).

Owns the Lark object. What is done with its tokens is `parse`'s, what a rule becomes is `build`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cospace.grammar
import lark
from cospace.dsl.cache import digest, read_cached, write_cached
from cospace.dsl.version import grammar_text
from lark import Lark, Token
from lark.grammar import Rule
from lark.lexer import TerminalDef

TABLES = Path(cospace.grammar.__file__).parent / "tables.json"
"""Those of the grammar as it is shipped and of one version of Lark; of another they are kept in the cache folder."""


class _EveryNewline:
    """Makes the contextual lexer accept a newline in every state; the filter in `parse` decides which count."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The LALR(1) parser with its contextual lexer, from tables that were made before where they are sound."""
    key = tables_key()
    stored = _shipped(key) or read_cached("grammar", key)
    if stored is not None:
        try:
            return load(stored)
        except Exception:  # damaged tables may fail anywhere in Lark; the grammar itself is always there
            pass
    built = build()
    write_cached("grammar", key, tables(built))
    return built


def build() -> Lark:
    """The parser, from the grammar itself."""
    return Lark(grammar_text(), parser="lalr", lexer="contextual", postlex=_EveryNewline(), maybe_placeholders=False)


def tables_key() -> str:
    """What tables hang on."""
    return digest(lark.__version__, grammar_text())


def tables(built: Lark) -> dict[str, Any]:
    """All of a parser as JSON."""
    data, memo = built.memo_serialize([TerminalDef, Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name != "postlex"}
    return {"data": data, "memo": memo}


def load(stored: Any) -> Lark:
    """The parser of `tables`."""
    data, states = stored["data"], stored["data"]["parser"]["parser"]
    numbered = {"tokens": _numbered(states["tokens"]), "states": _numbered(states["states"])}
    numbered["states"] = {state: _numbered(actions) for state, actions in numbered["states"].items()}
    data = {**data, "parser": {**data["parser"], "parser": {**states, **numbered}}}
    loaded: Lark = Lark._load_from_dict(data, _numbered(stored["memo"]), postlex=_EveryNewline())  # type: ignore[no-untyped-call]
    return loaded


def _shipped(key: str) -> Any | None:
    try:
        stored = json.loads(TABLES.read_bytes())
    except (OSError, ValueError):
        return None
    return stored["tables"] if stored["key"] == key else None


def _numbered(by: dict[str, Any]) -> dict[int, Any]:
    """JSON turns integer keys into text; turn them back."""
    return {int(key): value for key, value in by.items()}
