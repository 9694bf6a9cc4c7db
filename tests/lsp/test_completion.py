"""Completion: what fits at a place by kind and unit comes first."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from cospace.lsp.analysis import Analysis, Memory
from cospace.lsp.completion import complete
from cospace.lsp.documents import Document, uri_of
from lsprotocol import types

SPECS = Path(__file__).parent / "specs"


@cache
def whole() -> Analysis:
    path = SPECS / "top.cospace"
    return Memory().analyse(Document(uri_of(path), path.read_text(encoding="utf-8"), 1, path), {})


def typed(line: str, before: str = "minimize engine.total") -> list[types.CompletionItem]:
    """What is offered where a line is begun above another one."""
    text = whole().document.text
    at = text.index(before)
    return complete(whole(), text[:at] + line + "\n" + text[at:], at + len(line), at)


def ranks(line: str, before: str = "minimize engine.total") -> dict[str, int]:
    return {i.label: int((i.sort_text or "9")[0]) for i in typed(line, before)}


def first(line: str, before: str = "minimize engine.total") -> list[str]:
    """What fits best."""
    found = ranks(line, before)
    return [label for label, rank in found.items() if rank == min(found.values())]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("require price <= ", ["most_area", "price"]),
        ("require engine.pause <= ", ["engine.pause"]),
        ("require price + ", ["most_area", "price"]),
        ("require (price <= most_area and price >= ", ["most_area", "price"]),
        ("require engine.pause <= 64 ", ["s", "ms", "us", "ns"]),
        ("require price <= 3 ", ["cm2", "mm2", "um2"]),
        ("require engine.order == ", ["inner", "outer"]),
        ("require engine.order in {", ["inner", "outer"]),
        ("require engine.order in {inner, ", ["inner", "outer"]),
        ("require engine.kept != sl", ["fast", "slow"]),
        ("require net.conv[2] == ", ["plain", "mixed", "gat"]),
        ("require grade == ", ["cheap", "dear"]),
        ("big = array(", ["most ="]),
        ("big = share(1, ", ["part ="]),
        ("big = share(part = 2, ", ["whole ="]),
        ("big = box.share(", ["whole =", "part ="]),
        ("big = blend(1, out = 2, mode = ", ["soft", "sharp"]),
        ("require net.", ["hidden", "conv", "works", "weights"]),
        ("require net.conv[2].gat.", ["heads"]),
        ("require box.", ["bank", "blend", "share", "prices", "array", "gather", "tick"]),
        ("import kit(", ["bank ="]),
        ('require price <= most_area "pr', []),
        ("# pr", []),
        ('require price <= most_area "pr # ', []),
    ],
)
def test_what_fits_comes_first(line: str, wanted: list[str]) -> None:
    found = first(line) if ranks(line) else []
    assert set(wanted) <= set(found) if line.endswith("64 ") else sorted(found) == sorted(wanted)


def test_a_block_offers_what_its_kind_may_say() -> None:
    assert {"weights", "activations", "both"} <= {
        i.label for i in typed("precision of net { ", "precision of net")
    } | set(first("    ", "weights = 8 bit"))


def test_other_names_stay_below_and_misfits_last() -> None:
    found = ranks("require price <= ")
    assert found["most_area"] < found["share"] < found["span"] and found["max"] == found["share"]
    items = {i.label: i for i in typed("require price <= ")}
    assert items["most_area"].label_details.description == "= 9 mm2"  # type: ignore[union-attr]
    assert items["share"].kind == types.CompletionItemKind.Function
    names = ranks("require en")
    assert {"engine", "choose", "net", "most_area", "sum"} <= set(names) and "mm2" not in names


def test_inside_an_accelerator_its_own_names_are_known() -> None:
    path = SPECS / "kit.cospace"
    text = path.read_text(encoding="utf-8") + 'space k "t"\ne = array()\n'
    analysis = Memory().analyse(Document("untitled:k", text, 1, None), {})
    at = text.index("    require rows")
    line = "    require pause <= "
    found = complete(analysis, text[:at] + line + "\n" + text[at:], at + len(line), at)
    assert analysis.compiled.context is not None and found
    assert {i.label for i in found} >= {"rows", "order", "pause", "most"}
