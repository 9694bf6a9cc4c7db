"""The Pygments lexer of the language: for documentation, notebooks and terminals. Found as `cospace` by Pygments.

It marks words by what they mostly are; the meaning of a word is the compiler's. Reserved words come from `dsl`.
"""

from __future__ import annotations

from typing import ClassVar

from cospace.dsl.build import RESERVED
from pygments.lexer import RegexLexer, bygroups, default, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

DECLARING = frozenset((
    "language", "space", "import", "as", "param", "unit", "def", "work", "network", "accelerator", "part", "table",
    "from",
))  # fmt: skip
OPERATORS = frozenset(("in", "and", "or", "not"))
NAMED = "space|param|unit|def|work|network|accelerator|part|table|on"
NAME = r"[^\W\d]\w*"
NUMBER = r"\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?"
_ANY = "|".join(sorted(RESERVED))


class CospaceLexer(RegexLexer):
    """Tokens of a spec. A name straight after a number is a unit; any word after a dot is a name."""

    name = "cospace"
    aliases: ClassVar[list[str]] = ["cospace"]
    filenames: ClassVar[list[str]] = ["*.cospace"]
    url = ""

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"', String.Double, "text"),
            (rf"(\.)(?!\.)({NAME})", bygroups(Punctuation, Name.Attribute)),
            (rf"\b({NAMED})([ \t]+)({NAME})", bygroups(Keyword.Declaration, Whitespace, Name.Class)),
            (NUMBER, Number, "unit"),
            (words(sorted(OPERATORS), prefix=r"\b", suffix=r"\b"), Operator.Word),
            (words(sorted(RESERVED & DECLARING), prefix=r"\b", suffix=r"\b"), Keyword.Declaration),
            (words(sorted(RESERVED - DECLARING - OPERATORS), prefix=r"\b", suffix=r"\b"), Keyword),
            (r"\b(true|false|none)\b", Keyword.Constant),
            (rf"{NAME}(?=\()", Name.Function),
            (NAME, Name),
            (r"->|\.\.|[=!<>]=|[-+*/^<>=%]", Operator),
            (r"[{}\[\](),;:.]", Punctuation),
        ],
        "unit": [
            (r"[ \t]+", Whitespace),
            (rf"%|(?!(?:{_ANY})\b){NAME}", Keyword.Type, "#pop"),
            default("#pop"),
        ],
        "text": [
            (r'[^"\\\n]+', String.Double),
            (r'\\[nt"\\]', String.Escape),
            (r'"', String.Double, "#pop"),
        ],
    }
