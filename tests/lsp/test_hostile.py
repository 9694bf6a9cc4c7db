"""Questions that nothing answers: none ends the session, and the server's log has no traceback."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from tests.lsp import session
from tests.lsp.test_diagnostics import GOOD

PLACES = [(0, 0), (0, 10_000), (10_000, 0), (2**31 - 1, 2**31 - 1)]
TEXTS = [
    "", "\n", "\ufeff", "{{{{((((", 'space s "', '"\u00e9\0{{[(', "x = " + "(" * 500, GOOD[:40], GOOD, "a.b.c[",
    "import kit(", "space s\nx = x\n", "\U0001f600" * 9, "for i in", "a = choose {a, a}\r\nb = a.a.a.a == a\r\n",
]  # fmt: skip
LOGGED = """
import os, sys
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2)
from cospace.lsp.server import run
run()
"""


async def ask(client: LanguageClient, uri: str, line: int, column: int) -> None:
    """Every question there is, about one place."""
    document, place = types.TextDocumentIdentifier(uri), types.Position(line, column)
    lines = types.Range(types.Position(0, 0), place)
    options = types.FormattingOptions(4, True)
    for answer in (
        client.text_document_hover_async(types.HoverParams(document, place)),
        client.text_document_definition_async(types.DefinitionParams(document, place)),
        client.text_document_references_async(types.ReferenceParams(types.ReferenceContext(True), document, place)),
        client.text_document_completion_async(types.CompletionParams(document, place)),
        client.text_document_inlay_hint_async(types.InlayHintParams(document, lines)),
        client.text_document_document_symbol_async(types.DocumentSymbolParams(document)),
        client.text_document_formatting_async(types.DocumentFormattingParams(document, options)),
        client.text_document_range_formatting_async(types.DocumentRangeFormattingParams(document, lines, options)),
        client.text_document_code_action_async(types.CodeActionParams(document, lines, types.CodeActionContext([]))),
    ):
        await asyncio.wait_for(answer, 60)
    for refused in (
        client.text_document_prepare_rename_async(types.PrepareRenameParams(document, place)),
        client.text_document_rename_async(types.RenameParams(document, place, "fresh_one")),
    ):
        try:
            await asyncio.wait_for(refused, 60)
        except JsonRpcException as reason:
            assert reason.code == -32803 and "Traceback" not in str(reason), str(reason)


async def test_nothing_an_editor_may_ask_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    client = LanguageClient("tests", "1")
    await client.start_io(sys.executable, "-c", LOGGED, str(log))
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    await ask(client, (tmp_path / "never_opened.cospace").as_uri(), 0, 0)
    await ask(client, "untitled:nothing", 3, 3)
    rng = random.Random(0)
    for at, text in enumerate(TEXTS):
        uri = session.put(client, tmp_path / f"t{at}.cospace", text) if at % 2 else f"untitled:{at}"
        if not at % 2:
            item = types.TextDocumentItem(uri, "cospace", 1, text)
            client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        for line, column in [*PLACES[at % 4 :][:1], (rng.randrange(4), rng.randrange(30))]:
            await ask(client, uri, line, column)
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier("untitled:never")))
    client.workspace_did_change_watched_files(
        types.DidChangeWatchedFilesParams([types.FileEvent("file:///nowhere.cospace", types.FileChangeType.Deleted)])
    )
    await ask(client, uri, 1, 1)
    await asyncio.wait_for(client.shutdown_async(None), 60)
    client.exit(None)
    await asyncio.wait_for(client.stop(), 60)
    assert log.read_text() == ""
