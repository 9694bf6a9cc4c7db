"""What an editor is told while a spec is typed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lsprotocol import types
from pytest_lsp import LanguageClient

from tests.lsp import session

GOOD = 'space s "t"\nrows = choose {1, 2}\nwidth = choose {1, 2}\nrequire rows <= width\n'


def within(answer):  # type: ignore[no-untyped-def]
    return asyncio.wait_for(answer, 60)


async def test_a_mistake_is_told_while_typing_and_forgotten_when_repaired(
    client: LanguageClient, tmp_path: Path
) -> None:
    uri = session.put(client, tmp_path / "s.cospace", GOOD)
    assert await within(session.told(client, uri, 1)) == []
    at = GOOD.rindex("rows")
    text = session.change(client, uri, 2, GOOD, at, at + 4, "rws")
    found = await within(session.told(client, uri, 2))
    assert [d.code for d in found] == ["CS201"] and "did you mean `rows`" in found[0].message
    assert (found[0].range.start.line, found[0].range.start.character, found[0].range.end.character) == (3, 8, 11)
    session.change(client, uri, 3, text, at, at + 3, "rows")
    assert await within(session.told(client, uri, 3)) == []


async def test_texts_half_typed_never_end_the_session(client: LanguageClient, tmp_path: Path) -> None:
    uri = session.put(client, tmp_path / "s.cospace", "")
    assert [d.code for d in await within(session.told(client, uri, 1))] == ["CS004"]
    text = ""
    for version, at in enumerate(range(0, len(GOOD), 7), 2):
        text = session.change(client, uri, version, text, len(text), len(text), GOOD[at : at + 7])
    assert text == GOOD
    assert await within(session.told(client, uri, version)) == []
    session.change(client, uri, version + 1, text, 0, 0, '"\u00e9\0{{[(')
    assert await within(session.told(client, uri, version + 1))


async def test_an_import_counts_as_it_stands_in_the_editor(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "parts.cospace").write_text("side = 4\n")
    root = 'space s "t"\nimport parts\nrows = choose {1, 2}\nrequire rows <= parts.edge\n'
    uri = session.put(client, tmp_path / "s.cospace", root)
    assert [d.severity for d in await within(session.told(client, uri, 1))] == [1]
    session.put(client, tmp_path / "parts.cospace", "edge = 4\n")
    while await within(session.told(client, uri, 1)):
        pass


async def test_proofs_and_the_count_follow_and_change_with_the_text(client: LanguageClient, tmp_path: Path) -> None:
    path = tmp_path / "s.cospace"
    uri = session.put(client, path, GOOD)

    async def hint() -> str:
        lines = types.Range(types.Position(0, 0), types.Position(9, 0))
        asked = types.InlayHintParams(types.TextDocumentIdentifier(uri), lines)
        while not (found := await client.text_document_inlay_hint_async(asked)):
            await asyncio.sleep(0.05)
        return str(found[0].label)

    assert await within(hint()) == "4 designs, 3 feasible"
    session.change(client, uri, 2, GOOD, GOOD.rindex("<="), GOOD.rindex("<=") + 2, "> ")
    assert await within(hint()) == "4 designs, 1 feasible"
    assert [d.code for d in await within(session.told(client, uri, 2))] == ["CS603", "CS603"]
