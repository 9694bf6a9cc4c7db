"""What a name means, over every name of the shipped specs and in hovers about each kind of name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from cospace.compiler.driver import STANDARD
from cospace.compiler.elaborate.types import OPAQUE, PLAIN
from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import load_text
from cospace.lsp.analysis import Analysis, Memory
from cospace.lsp.documents import Document, uri_of
from cospace.lsp.hover import Known, hover
from cospace.lsp.names import BUILT_IN, WORD, find, identity, in_sight, members, occurrences
from cospace.lsp.scopes import trail
from cospace.lsp.words import BUILT_IN as TOLD

ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "specs").glob("*.cospace")), Path(__file__).parent / "specs" / "top.cospace"]
GIVEN = {"tensor", "graph", "works", "macs", "epoch", "shape", "layer", "baseline", "block", "image", "inference"}
"""Words that the language or the runtime gives a meaning where they stand."""


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_name_of_a_spec_is_known(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    loaded = load_text(text, str(path), Reporter(), STANDARD, place=path)
    bare = re.sub(r'"[^"\n]*"|#[^\n]*', lambda m: " " * len(m.group()), text)
    known: dict[tuple[str, int], list[int]] = {}
    for m in WORD.finditer(bare):
        word = m.group()
        number = isinstance(trail(loaded.root, m.start())[-1], tree.Number) and bare[m.start() - 1].isdigit()
        if word in RESERVED | BUILT_IN | PLAIN | OPAQUE | GIVEN or number:
            continue
        found = find(loaded, m.start())
        assert found is not None, f"{word} in line {text.count(chr(10), 0, m.start()) + 1}"
        found = identity(found, loaded)
        known.setdefault((found.span.file, found.span.start), []).append(m.start())
    for places in list(known.values())[::7]:  # whoever asks at one of the places is told all of them
        found = find(loaded, places[0])
        assert found is not None
        assert {s.start for s in occurrences(loaded, found)} <= set(places)


def test_every_built_in_is_told_about() -> None:
    assert set(TOLD) == set(BUILT_IN)


def test_what_a_loop_binds_is_one_name_inside_and_outside() -> None:
    text = "space t\nfor i in 1..2 { for j in 1..2 { y = choose {1, 2} } }\nrequire y[1, 2] <= 1\nminimize sum(y)\n"
    loaded = load_text(text, "t.cospace", Reporter(), STANDARD)
    places = [m.start() for m in re.finditer(r"\by\b", text)]
    for at in places:
        found = find(loaded, at)
        assert found is not None and [s.start for s in occurrences(loaded, found)] == places
    assert "y" in {d.name for d in in_sight(loaded, text.index("minimize"))}


def test_a_label_is_one_name_where_it_is_said_and_where_it_is_read() -> None:
    text = "space t\nx = choose kind { a = (choose w {1, 2}), b = 3 }\nrequire kind.a.w <= 1 when kind == a\n"
    loaded = load_text(text, "t.cospace", Reporter(), STANDARD)
    places = [m.start() for m in re.finditer(r"\bkind\b", text)]
    for at in places:
        found = find(loaded, at)
        assert found is not None and [s.start for s in occurrences(loaded, found)] == places


def test_what_stands_after_the_dot_of_a_symbol_are_its_attributes() -> None:
    text = "space t\nx = choose {a(cost = 1, size = 2), b(cost = 2, size = 3)}\nrequire x.cost <= 1\n"
    loaded = load_text(text, "t.cospace", Reporter(), STANDARD)
    owner = find(loaded, text.index("x.cost"))
    assert owner is not None and {d.name for d in members(owner, loaded)} == {"cost", "size"}


@cache
def whole() -> Analysis:
    path = SPECS[-1]
    return Memory().analyse(Document(uri_of(path), path.read_text(encoding="utf-8"), 1, path), {})


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("|most_area", ["param most_area = 9 mm2", "*= 9 mm2*; `--set most_area=…`"]),
        ("|bank = 1 KiB", ["param bank = 2 KiB", "of memory", "`--set box.bank=…` overrides it"]),
        ("9 |mm2", ["unit mm2 = mm ^ 2"]),
        ("= |sum(s", []),
        ("+ |sum(s", ["sum(list)", "a work counts as often as it comes"]),
        ("<= 5 |tick", ["unit tick = 1 ns"]),
        ("require |price", ["price = box.prices(grade, span).cost", "quantity in cm2, mm2"]),
        ("engine.|rows > 4", ["rows, cols = choose {4, 8, 16}", "plain number, 3 values: 4, 8, 16"]),
        ("engine.|traffic", ["quantity in bit, byte"]),
        ("require |engine.order", ["an accelerator", "`order` one of inner, outer"]),
        ("engine.order == |outer", ["outer"]),
        ("|array(most", ["accelerator array(most = 64)", "rows and columns"]),
        ("mode = |sharp", ["sharp"]),
        ("|mode = sharp", ["mode: {soft, sharp} = soft"]),
        ("gat.|heads == 1", ["*choose* at search, plain number, 2 values: 1, 2"]),
        ("net.|conv[2] != ", ["choose conv {", "3 values: plain, mixed, gat"]),
        ("|hidden = choose", ["hidden = choose {16, 32}", "2 values: 16, 32"]),
        ("|twice(span)", ["def twice(n) = share(n, part = 1/2)"]),
        ("|require price", ["dear"]),
        ("# a", []),
    ],
)
def test_a_hover_says_what_a_name_is(place: str, said: list[str]) -> None:
    text = whole().document.text
    word = place.replace("|", "")
    at = text.find(word)
    shown = hover(whole(), at + place.index("|"), Known()) if at >= 0 and "|" in place else None
    told = shown.contents.value if shown is not None else ""  # type: ignore[union-attr]
    assert all(s in told for s in said), told
    assert said or not told


def test_what_runs_over_a_table_is_a_row_of_it() -> None:
    text = (
        'space t\nimport std.works\ntable layers(name: text) from "l.csv" { cin: int; cout: int }\n'
        "wide = max(layers.cout)\nall = sum(l.cin for l in layers)\n"
        "network net { for row in layers { ask matmul(m = 1, k = row.cin, n = row.cout) } }\n"
    )
    loaded = load_text(text, "t.cospace", Reporter(), STANDARD)
    for column in ("cin", "cout"):
        declared = text.index(f"{column}: int")
        read = [m.start() for m in re.finditer(rf"\.{column}\b", text)]
        for at in (declared, *(r + 1 for r in read)):
            found = find(loaded, at)
            assert found is not None and found.span.start == declared
            assert {s.start for s in occurrences(loaded, found)} == {declared, *(r + 1 for r in read)}
