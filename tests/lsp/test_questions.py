"""What an editor asks about a text: formatting, repairs, the outline."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types
from pytest_lsp import LanguageClient

from tests.lsp import session

GOOD = 'space s "t"\nrows = choose {1, 2}\nwidth = choose {1, 2}\nrequire rows <= width\n'


def whole(line: int, end: int) -> types.Range:
    return types.Range(types.Position(line, 0), types.Position(end, 0))


def edited(text: str, edits: list[types.TextEdit]) -> str:
    """A text of the plainest characters after one edit."""
    (edit,) = edits
    lines = text.splitlines(keepends=True)
    start, end = (sum(map(len, lines[: p.line])) + p.character for p in (edit.range.start, edit.range.end))
    return text[:start] + edit.new_text + text[end:]


async def test_line_ends_of_two_signs_are_never_split(client: LanguageClient, tmp_path: Path) -> None:
    text = GOOD.replace("\n", "\r\n").replace("2}\r", "2}  \r")
    document = types.TextDocumentIdentifier(session.put(client, tmp_path / "s.cospace", text))
    asked = types.DocumentFormattingParams(document, types.FormattingOptions(4, True))
    edits = await client.text_document_formatting_async(asked)
    lines = text.split("\r\n")
    assert all(p.character <= len(lines[p.line]) for e in edits for p in (e.range.start, e.range.end))
    assert "  \r\n" not in edited(text, edits) and edited(text, edits).count("\n") == text.count("\r\n")


async def test_formatting_all_and_some_lines(client: LanguageClient, tmp_path: Path) -> None:
    text = GOOD.replace("rows =", "rows   =").replace("width =", "width   =")
    document = types.TextDocumentIdentifier(session.put(client, tmp_path / "s.cospace", text))
    options = types.FormattingOptions(4, True)
    edits = await client.text_document_formatting_async(types.DocumentFormattingParams(document, options))
    assert edited(text, edits).count("   =") == 0
    asked = types.DocumentRangeFormattingParams(document, whole(2, 3), options)
    some = edited(text, await client.text_document_range_formatting_async(asked))
    assert some.splitlines()[1] == text.splitlines()[1] and some.splitlines()[2] != text.splitlines()[2]
    broken = types.TextDocumentIdentifier(session.put(client, tmp_path / "b.cospace", "x = ((\n"))
    assert await client.text_document_formatting_async(types.DocumentFormattingParams(broken, options)) is None


async def test_a_repair_is_offered_where_its_diagnostic_stands(client: LanguageClient, tmp_path: Path) -> None:
    text = GOOD.replace("require rows", "require rws")
    uri = session.put(client, tmp_path / "s.cospace", text, 7)
    document = types.TextDocumentIdentifier(uri)
    context = types.CodeActionContext([])
    found = await client.text_document_code_action_async(types.CodeActionParams(document, whole(3, 3), context))
    assert [a.is_preferred for a in found] == [True] and found[0].diagnostics[0].code == "CS201"
    (change,) = found[0].edit.document_changes
    assert change.text_document.version == 7 and edited(text, change.edits) == GOOD
    assert not await client.text_document_code_action_async(types.CodeActionParams(document, whole(0, 1), context))


async def test_the_outline_nests(client: LanguageClient, tmp_path: Path) -> None:
    text = GOOD + 'def side(n) = n * 2  "twice"\naccelerator engine {\n    lanes = choose {1, 2}\n}\n'
    document = types.TextDocumentIdentifier(session.put(client, tmp_path / "s.cospace", text))
    found = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    assert [s.name for s in found] == ["s", "rows", "width", "side", "engine"]
    assert [s.name for s in found[-1].children] == ["lanes"] and found[-1].children[0].detail == "choose"
    assert found[3].detail == "twice" and found[3].selection_range.start == types.Position(4, 4)


async def test_a_name_is_described_and_found_across_imports(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "parts.cospace").write_text('# sides\nparam edge = 4  "of a tile"\n')
    text = (
        'space s "t"\nimport parts\naccelerator engine {\n    size = choose {1, 2} KiB  "of the buffer"\n}\n'
        "require engine.size / 1 KiB <= parts.edge\nrequire sum(i for i in 1..3) <= 6\n"
    )
    uri = session.put(client, tmp_path / "s.cospace", text)
    document = types.TextDocumentIdentifier(uri)

    async def ask(word: str, line: int):  # type: ignore[no-untyped-def]
        place = types.Position(line, text.splitlines()[line].index(word))
        found = await client.text_document_definition_async(types.DefinitionParams(document, place))
        shown = await client.text_document_hover_async(types.HoverParams(document, place))
        return found, shown.contents.value if shown else None

    found, shown = await ask("size", 5)
    assert (found.uri, found.range.start) == (uri, types.Position(3, 4))
    assert "of the buffer" in shown and "number in KiB, 2 values: 1 KiB, 2 KiB" in shown
    found, shown = await ask("edge", 5)
    assert Path(types.Location(found.uri, found.range).uri).name == "parts.cospace"
    assert found.range.start == types.Position(1, 6) and "param edge = 4" in shown and "of a tile" in shown
    found, _ = await ask("i for", 6)
    assert found.range.start == types.Position(6, text.splitlines()[6].index("i in"))
    found, shown = await ask("KiB", 3)
    assert Path(types.Location(found.uri, found.range).uri).name == "units.cospace" and "unit KiB = 1024 byte" in shown


async def test_uses_of_a_name_in_all_open_files(client: LanguageClient, tmp_path: Path) -> None:
    parts = session.put(client, tmp_path / "parts.cospace", "edge = 4\narea = edge * edge\n")
    text = 'space s "edge"\nimport parts\nrows = choose {1, 2}\nrequire rows <= parts.edge  # edge\n'
    uri = session.put(client, tmp_path / "s.cospace", text)
    await session.told(client, uri, 1)
    await session.told(client, parts, 1)
    for include, wanted in ((True, 4), (False, 3)):
        asked = types.ReferenceParams(
            types.ReferenceContext(include), types.TextDocumentIdentifier(parts), types.Position(0, 1)
        )
        found = await client.text_document_references_async(asked)
        assert len(found) == wanted
        assert [p.range.start for p in found if p.uri == uri] == [types.Position(3, 22)]


async def test_completion_knows_units_members_and_names_in_sight(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "parts.cospace").write_text('edge = 4\ndef side(n) = n  "of a tile"\n')
    text = 'space s "t"\nimport parts\nrows = choose {1, 2}\n'
    uri = session.put(client, tmp_path / "s.cospace", text)
    version = 1

    async def ask(typed: str) -> dict[str, types.CompletionItem]:
        nonlocal text, version
        start = text.index("2}\n") + 3
        version += 1
        text = session.change(client, uri, version, text, start, len(text), typed)
        place = types.Position(3, len(typed))
        asked = types.CompletionParams(types.TextDocumentIdentifier(uri), place)
        return {item.label: item for item in await client.text_document_completion_async(asked) or ()}

    assert set(await ask("require rows <= parts.")) == {"edge", "side"}
    names = await ask("require ro")
    assert {"rows", "parts", "edge", "side", "choose"} <= set(names) and "KiB" not in names
    assert names["rows"].detail == "rows = choose {1, 2}" and names["side"].documentation == "of a tile"
    units = await ask("size = 4 K")
    assert "KiB" in units and "rows" not in units
    assert not await ask("# ro") and not await ask('require rows <= 2 "ro')
