"""The parser's tables, built from `grammar/cospace.lark` once and cached as JSON (never as pickle).

Owns the Lark object. What is done with its tokens is `parse`'s, what a rule becomes is `build`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import lark
from cospace import __version__
from cospace.dsl.cache import digest, read_cached, write_cached
from cospace.dsl.version import grammar_text
from lark import Lark, Token
from lark.grammar import Rule
from lark.lexer import TerminalDef


class _EveryNewline:
    """Makes the contextual lexer accept a newline in every state; the filter in `parse` decides which count."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The LALR(1) parser with its contextual lexer; from the cache when that holds a sound copy."""
    key = digest(__version__, lark.__version__, grammar_text())
    stored = read_cached("grammar", key)
    if stored is not None:
        try:
            data, memo = _with_numbers(stored["data"]), _with_numbers(stored["memo"])
            loaded: Lark = Lark._load_from_dict(data, memo, postlex=_EveryNewline())  # type: ignore[no-untyped-call]
            return loaded
        except Exception:  # a damaged cache may fail anywhere in Lark; the grammar itself is always there
            pass
    built = Lark(grammar_text(), parser="lalr", lexer="contextual", postlex=_EveryNewline(), maybe_placeholders=False)
    data, memo = built.memo_serialize([TerminalDef, Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name != "postlex"}
    write_cached("grammar", key, {"data": data, "memo": memo})
    return built


def _with_numbers(value: Any) -> Any:
    """JSON turns the integer keys of the tables into text; turn them back."""
    if isinstance(value, dict):
        return {int(k) if k.isdigit() else k: _with_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_numbers(v) for v in value]
    return value
