"""Every text we have parses without a message, its spans index what they say, and it survives the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import attrs
import pytest
from cospace.dsl import tree
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.flat import flatten, unflatten
from cospace.dsl.parse import parse

ROOT = Path(__file__).parents[2]
DRAFTS = ROOT.parent / "shared" / "design" / "drafts"
TEXTS = sorted([*(ROOT / "specs").rglob("*.cospace"), *DRAFTS.rglob("*.cospace")])


def test_specs_are_short() -> None:
    """Lines over the standard library, blank ones and comments left out."""
    sizes = {}
    for path in (ROOT / "specs").glob("*.cospace"):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        sizes[path.stem] = sum(1 for line in lines if line and not line.startswith("#"))
    assert max(sizes.values()) <= 80, sizes
    assert median(sizes.values()) <= 50, sizes


def nodes_of(file: tree.File) -> Iterator[tree.Node]:
    """All nodes below a file, parents first."""
    waiting: list[object] = [*file.statements, *file.comments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple):
            waiting.extend(value)
        elif isinstance(value, tree.Node):
            yield value
            waiting.extend(getattr(value, f.name) for f in attrs.fields(type(value)))


def parsed(path: Path) -> tree.File:
    reporter = Reporter()
    file = parse(path.read_text(encoding="utf-8"), path.name, reporter)
    assert not reporter.found, reporter.found
    return file


def test_drafts_are_there() -> None:
    if not DRAFTS.exists():
        pytest.skip(f"NOT TESTED: the drafts at {DRAFTS} are not here")
    assert len(list(DRAFTS.rglob("*.cospace"))) >= 20


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_parses(path: Path) -> None:
    assert parsed(path).statements


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_spans_index_the_text(path: Path) -> None:
    file = parsed(path)
    for node in nodes_of(file):
        written = file.text[node.span.start : node.span.end]
        assert node.span.file == file.path
        assert written and written == written.strip(), (node, written)
        if isinstance(node, tree.Name):
            assert written.strip("()") == node.id
        elif isinstance(node, tree.Member):
            assert file.text[node.name_span.start : node.name_span.end] == node.name
        elif isinstance(node, tree.Comment):
            assert written == node.text and written.startswith("#")
        elif isinstance(node, tree.Block):
            assert written[0] == "{" and written[-1] == "}"
        elif isinstance(node, (tree.Call, tree.Ask)):
            assert written[-1] == ")"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_children_lie_inside_their_parents(path: Path) -> None:
    for node in nodes_of(parsed(path)):
        for field in attrs.fields(type(node)):
            value = getattr(node, field.name)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, tree.Node):
                    assert node.span.start <= child.span.start <= child.span.end <= node.span.end


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_flat_form_gives_the_same_tree(path: Path) -> None:
    file = parsed(path)
    again = unflatten(flatten(file), file.path, file.text)
    assert again == file
    assert [n.span for n in nodes_of(again)] == [n.span for n in nodes_of(file)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_every_comment_is_kept(path: Path) -> None:
    file = parsed(path)
    strings = [n.span for n in nodes_of(file) if isinstance(n, tree.Text)]
    marks = [i for i, c in enumerate(file.text) if c == "#"]
    covered = [(c.span.start, c.span.end) for c in file.comments] + [(s.start, s.end) for s in strings]
    for mark in marks:
        inside = any(a <= mark < b for a, b in covered)
        assert inside or '"' in file.text[file.text.rfind("\n", 0, mark) + 1 : mark]
