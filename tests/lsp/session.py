"""A real editor's side of a session: a server as a process, spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities, make_test_lsp_client


def make_client() -> LanguageClient:
    """A client that keeps every message about diagnostics, with its version, and every call for new hints, in order."""
    client: LanguageClient = make_test_lsp_client()
    client.heard = []  # type: ignore[attr-defined]
    client.refreshed = []  # type: ignore[attr-defined]
    client.protocol.fm.features[types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS] = client.heard.append  # type: ignore[attr-defined]
    client.protocol.fm.features[types.WORKSPACE_INLAY_HINT_REFRESH] = client.refreshed.append  # type: ignore[attr-defined]
    return client


CONFIG = ClientServerConfig([sys.executable, "-m", "cospace", "lsp"], make_client)


async def begin(client: LanguageClient) -> None:
    capabilities = client_capabilities("visual-studio-code")
    assert capabilities.workspace is not None
    capabilities.workspace.inlay_hint = types.InlayHintWorkspaceClientCapabilities(refresh_support=True)
    params = types.InitializeParams(capabilities=capabilities)
    await client.initialize_session(params)


def put(client: LanguageClient, path: Path, text: str, version: int = 1) -> str:
    """Open a text in the editor; its URI."""
    uri = path.as_uri()
    item = types.TextDocumentItem(uri=uri, language_id="cospace", version=version, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    return uri


def change(client: LanguageClient, uri: str, version: int, old: str, start: int, end: int, new: str) -> str:
    """Type over `old[start:end]` in a text of the plainest characters; the text after it."""
    place = [types.Position(old.count("\n", 0, at), at - (old.rfind("\n", 0, at) + 1)) for at in (start, end)]
    edit = types.TextDocumentContentChangePartial(range=types.Range(*place), text=new)
    document = types.VersionedTextDocumentIdentifier(uri=uri, version=version)
    client.text_document_did_change(types.DidChangeTextDocumentParams(text_document=document, content_changes=[edit]))
    return old[:start] + new + old[end:]


async def told(client: LanguageClient, uri: str, version: int) -> list[types.Diagnostic]:
    """What the server said last of a text, once it speaks of this version."""
    while True:
        await asyncio.sleep(0.01)
        said = [p for p in client.heard if p.uri == uri]  # type: ignore[attr-defined]
        if said and said[-1].version == version:
            return list(said[-1].diagnostics)
