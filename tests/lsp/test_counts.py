"""Live counts: what a hover and the hints say of how many designs keep each value, never for an older text."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

from cospace.compiler.counting.count import Count, count, solve_space
from cospace.compiler.counting.values import ValueCounts, values_of
from cospace.compiler.driver import compile_text
from cospace.lsp.analysis import Memory
from cospace.lsp.counts import Counts, decision_words, hint_words, number, share, space_words
from cospace.lsp.proving import answers, space_of
from lsprotocol import types
from pytest_lsp import LanguageClient

from tests.lsp import session
from tests.lsp.test_diagnostics import within
from tests.lsp.test_questions import edited

TEXT = """space s "t"
rows = choose {1, 2, 3, 4}
cols = choose {1, 2, 3}
mode = choose {
    slow = rows * 2,
    fast = choose burst {5, 9}
}
each = [choose {1, 2} for i in 1..2]
require rows * cols <= 3 "small"
require mode <= 6
require each[1] <= each[2]
minimize mode
"""


async def hints(client: LanguageClient, uri: str, wanted: int) -> dict[int, types.InlayHint]:
    """Line -> the hint there, once there are so many."""
    lines = types.Range(types.Position(0, 0), types.Position(99, 0))
    asked = types.InlayHintParams(types.TextDocumentIdentifier(uri), lines)
    while len(found := await client.text_document_inlay_hint_async(asked) or ()) != wanted:
        await asyncio.sleep(0.05)
    return {h.position.line: h for h in found}


async def test_hints_and_hovers_count_and_change_with_the_text(client: LanguageClient, tmp_path: Path) -> None:
    uri = session.put(client, tmp_path / "s.cospace", TEXT)
    document = types.TextDocumentIdentifier(uri)
    space = compile_text(TEXT).space
    assert space is not None
    whole = solve_space(space)
    kept = {c.path: c for c in values_of(whole) or ()}
    found = await within(hints(client, uri, 6))
    assert len(client.refreshed) >= 2  # type: ignore[attr-defined]  # the count, then what each value keeps
    assert found[0].label == f"{whole.count.raw} designs, {whole.count.feasible} feasible"
    assert {line: h.label for line, h in found.items() if line} == {
        1: "3 of 4 feasible",
        2: "3 of 3 feasible",
        3: "2 of 2 feasible",
        5: "1 of 2 feasible",
        7: "2 of 2 feasible, 2 copies",
    }
    assert found[3].position == types.Position(3, len("mode = choose {"))
    assert "`each[1]`: 1 66.67 %, 2 33.33 %" in found[7].tooltip.value
    shown = await client.text_document_hover_async(types.HoverParams(document, types.Position(8, 9)))
    total = whole.count.feasible or 0
    for value, (left, _) in zip((1, 2, 3, 4), kept["rows"].counts, strict=True):
        assert f"| {value} | {left} | {float(Fraction(left * 100, total)):.4g} % |" in shown.contents.value
    shown = await client.text_document_hover_async(types.HoverParams(document, types.Position(5, 20)))
    assert "| *not there* |" in shown.contents.value and "plain number, 2 values: 5, 9" in shown.contents.value
    while True:
        shown = await client.text_document_hover_async(types.HoverParams(document, types.Position(8, 3)))
        if "excludes" in shown.contents.value:
            break
        await asyncio.sleep(0.05)
    without = count(compile_text(TEXT.replace('require rows * cols <= 3 "small"\n', "")).space)  # type: ignore[arg-type]
    assert f"small\n\nexcludes {(without.feasible or 0) - total} designs" in shown.contents.value
    at = TEXT.index("<= 3")
    text = session.change(client, uri, 2, TEXT, at, at + 4, "<= 4")
    found = await within(hints(client, uri, 6))
    assert found[1].label == "4 of 4 feasible" and found[0].label != f"{whole.count.raw} designs, {total} feasible"
    at = text.index("<= 4")
    session.change(client, uri, 3, text, at, at + 4, "<= 0")
    found = await within(hints(client, uri, 6))
    assert found[0].label == f"{whole.count.raw} designs, none feasible" and found[1].label == "0 of 4 feasible"


async def test_repairs_that_proofs_know_are_offered(client: LanguageClient, tmp_path: Path) -> None:
    text = 'space s "t"\nrows = choose {1, 2, 8}\nrequire rows <= 2\n'
    uri = session.put(client, tmp_path / "s.cospace", text)
    line = types.Range(types.Position(1, 0), types.Position(1, 0))
    asked = types.CodeActionParams(types.TextDocumentIdentifier(uri), line, types.CodeActionContext([]))

    async def offered() -> list[types.CodeAction]:
        while not (found := await client.text_document_code_action_async(asked)):
            await asyncio.sleep(0.05)
        return list(found)

    (action,) = await within(offered())
    assert action.diagnostics[0].code == "CS603" and not action.is_preferred and action.title == "take out `8`"
    assert edited(text, action.edit.document_changes[0].edits) == text.replace(", 8}", "}")


def test_what_is_known_comes_in_parts_and_nothing_where_a_value_is_undefined() -> None:
    job = {"uri": "untitled:1", "path": None, "buffers": {}}
    told = list(answers(space_of(job | {"text": TEXT}, Memory())))
    assert [sorted(t)[0] for t in told] == ["diagnostics", "bounds", "values", *["excludes"] * 3, "open"]
    assert told[1]["raw"] == 144
    undefined = 'space s "t"\na = choose {0, 1}\nrequire 1 / a <= 2\nminimize 1 / a\n'
    (only,) = answers(space_of(job | {"text": undefined}, Memory()))
    assert only["diagnostics"][0][0] == "CS602" and only["open"] is False
    assert list(answers(space_of(job | {"text": "x = ("}, Memory()))) == [{"diagnostics": [], "open": False}]


def test_words_never_say_more_than_is_known() -> None:
    decisions = list(compile_text('space s "t"\na = choose {1, 2, 3}\n').space.decisions)  # type: ignore[union-attr]
    space = Count(30, None, (10, 20), False, "bounds", "a limit")
    kept = ValueCounts("a", ((2, 8), (0, 4), (0, 0)), (0, 0))
    counts = Counts(space, {"a": kept}, False)
    assert space_words(space) == "30 designs, 10 to 20 feasible, proved bounds"
    assert hint_words(decisions, counts) == ("1 to 2 of 3 feasible", "`a`: 1 10 % to 80 %, 2 0 % to 40 %, 3 none")
    said = decision_words(decisions, counts, False)
    assert "proved bounds" in said and "| 1 | 2 to 8 | 10 % to 80 % |" in said
    assert share((1, 1), (0, 5)) == "unknown"
    assert decision_words(decisions, None, True).endswith("being counted …*") and not decision_words(
        decisions, None, False
    )
    given_up = decision_words(decisions, Counts(space, {}, False, "given up after 120 s"), False)
    assert "given up after 120 s" in given_up and hint_words(decisions, Counts(space)) is None
    assert number(10**18) == "≈ 1.00000e18" and number(10**12) == "1,000,000,000,000"
