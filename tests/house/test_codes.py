"""Every code that is reported has a page, every page a code, and each page shows what is bad and what is good."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "dsl" / "explain"
CODE = re.compile(r"""["'](CS\d{3})["']""")


def used() -> dict[str, str]:
    """Code -> the file that reports it."""
    found: dict[str, str] = {}
    for folder in ("dsl", "compiler", "runtime", "cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for code in CODE.findall(path.read_text(encoding="utf-8")):
                found.setdefault(code, str(path.relative_to(ROOT)))
    return found


def pages() -> list[str]:
    return sorted(p.stem for p in PAGES.glob("*.md"))


def test_every_code_has_a_page() -> None:
    missing = {code: path for code, path in used().items() if code not in pages()}
    assert not missing


def test_every_page_has_a_code() -> None:
    assert not set(pages()) - set(used())


@pytest.mark.parametrize("code", pages())
def test_a_page_says_enough(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith("# "), "its first line is its title"
    assert len(text.split()) >= 15, "too short to help"
