"""What a syntax tree depends on besides its text; apart from the parser, which a kept tree doesn't need."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cospace.grammar
from cospace import __version__
from cospace.dsl.cache import digest

_MAKERS = ("tree.py", "build.py", "newlines.py", "flat.py")


def grammar_text() -> str:
    return (Path(cospace.grammar.__file__).parent / "cospace.lark").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def version() -> str:
    """Changes whenever the text of the grammar or the code that builds trees from it does."""
    folder = Path(__file__).parent
    return digest(__version__, grammar_text(), *((folder / name).read_text(encoding="utf-8") for name in _MAKERS))
