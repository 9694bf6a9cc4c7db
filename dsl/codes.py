"""The codes of diagnostics and their pages: one file `explain/CSxxx.md` each, its first heading the title.

Adding a code is adding a page; nothing else lists them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "explain"
_PAGE = re.compile(r"CS\d{3}\Z")
_FILE = re.compile(r"^```onnx[ \t]+(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```cospace[ \t]+(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@lru_cache(maxsize=1)
def codes() -> dict[str, str]:
    """Code -> title, in order."""
    found: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("CS*.md")):
        if _PAGE.match(path.stem):
            heading = next((line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")), "")
            found[path.stem] = heading.lstrip("# ").removeprefix(path.stem).lstrip(": ").strip()
    return found


def explain(code: str) -> str:
    """The page of a code, as Markdown. Raises KeyError for a code that there is none of."""
    name = code.strip().upper()
    if name not in codes():
        raise KeyError(name)
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def examples(code: str, kind: str) -> list[str]:
    """The examples on a code's page that are marked `kind`: `bad` ones give this code, `good` ones no error."""
    return [body for mark, body in _EXAMPLE.findall(explain(code)) if mark == kind]


def files(code: str) -> dict[str, str]:
    """The models that the examples on a code's page read: file -> its graph in the text form of ONNX."""
    return dict(_FILE.findall(explain(code)))
