"""The server: what the editor says and asks, and who answers. Holds no knowledge of the language itself.

Analyses run one at a time in a thread of their own, always of the newest text; one whose text has changed meanwhile is
not published.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cospace import __version__
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic
from cospace.lsp.analysis import Analysis, Memory
from cospace.lsp.completion import complete
from cospace.lsp.documents import Document, Documents, path_of
from cospace.lsp.edits import formatting, repairs
from cospace.lsp.hover import describe
from cospace.lsp.messages import Spots, messages
from cospace.lsp.names import Declared, find, occurrences
from cospace.lsp.proofs import Proved, Prover
from cospace.lsp.symbols import outline
from lsprotocol import types
from pygls.lsp.server import LanguageServer

STACK = 64 << 20
"""Bytes of stack for the thread that compiles: nested texts need more than the 512 KiB of some systems."""
SWITCH = 0.001
"""Seconds after which the thread that compiles lets the one that answers go on."""

PAUSE = 0.2
"""Seconds without a change before proofs begin."""

log = logging.getLogger(__name__)


class Server(LanguageServer):
    """The state of one session with an editor."""

    def __init__(self) -> None:
        super().__init__("cospace", __version__)
        self.documents = Documents()
        self.analyses: dict[str, Analysis] = {}
        self.memory = Memory()
        self.waiting: dict[str, None] = {}
        self.proofs: dict[str, asyncio.Task[None]] = {}
        self.proved: dict[str, Proved] = {}
        self.prover = Prover()
        self.published: dict[str, set[str]] = {}
        self.thread_of_analyses = ThreadPoolExecutor(1, "analysis")
        self.running: asyncio.Task[None] | None = None

    def opened(self, uri: str, text: str, version: int) -> None:
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        self.documents.put(Document(uri, text, version, path_of(uri), encoding))
        self.prover.prepare()
        self.wake(uri)

    def wake(self, uri: str) -> None:
        """Analyse a document, and the open ones that may import it."""
        self.waiting[uri] = None
        self._stop_proofs(uri)
        shown = self.documents.get(uri)
        for other, analysis in self.analyses.items():
            places = analysis.places.values()
            if shown is not None and other != uri and shown.path is not None and shown.path in places:
                self.waiting[other] = None
        if self.running is None or self.running.done():
            self.running = asyncio.get_running_loop().create_task(self._work())

    async def analysis(self, uri: str) -> Analysis | None:
        """What compiling the text as it now stands gave; None when it is closed, or compiling failed."""
        while self.documents.get(uri) is not None:
            found = self.analyses.get(uri)
            if found is not None and self.documents.is_current(found.document) and uri not in self.waiting:
                return found
            if self.running is None or self.running.done():
                return None
            await asyncio.wait({self.running})
        return None

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            uri = next(iter(self.waiting))
            del self.waiting[uri]
            document = self.documents.get(uri)
            if document is None:
                continue
            buffers = self.documents.buffers()
            try:
                analysis = await loop.run_in_executor(self.thread_of_analyses, self.memory.analyse, document, buffers)
            except Exception:  # a bug in a pass must not end the session
                log.exception("%s could not be analysed", uri)
                continue
            if self.documents.is_current(document):
                self.analyses[uri] = analysis
                self.publish(analysis)
                if not analysis.failed:
                    self._stop_proofs(uri)
                    self.proofs[uri] = loop.create_task(self._prove(analysis, buffers))

    async def _prove(self, analysis: Analysis, buffers: dict[Path, str]) -> None:
        """Say what is proved about a text, and then what is counted, unless it has changed meanwhile."""
        await asyncio.sleep(PAUSE)
        async with contextlib.aclosing(self.prover.prove(analysis.document, buffers)) as found:
            async for proved in found:
                if not self._is_newest(analysis):
                    return
                self._tell(analysis, proved)

    def _is_newest(self, analysis: Analysis) -> bool:
        uri = analysis.document.uri
        known = self.analyses.get(uri) is analysis and uri not in self.waiting
        return known and self.documents.is_current(analysis.document)

    def _tell(self, analysis: Analysis, proved: Proved) -> None:
        """What is proved, to the editor: diagnostics once, the count where it shows."""
        uri = analysis.document.uri
        said = self.proved.get(uri)
        self.proved[uri] = proved
        if said is None or said.diagnostics != proved.diagnostics:
            self.publish(analysis, proved.diagnostics)
        inlay = self.client_capabilities.workspace and self.client_capabilities.workspace.inlay_hint
        if proved.designs is not None and inlay and inlay.refresh_support:
            self.workspace_inlay_hint_refresh(None)

    def _stop_proofs(self, uri: str) -> None:
        self.proved.pop(uri, None)
        running = self.proofs.pop(uri, None)
        if running is not None:
            running.cancel()

    def publish(self, analysis: Analysis, proved: tuple[Diagnostic, ...] = ()) -> None:
        """Tell the editor what was found, and clear the files that nothing is said about any more."""
        uri = analysis.document.uri
        said = messages(analysis, analysis.diagnostics + proved)
        for gone in self.published.get(uri, set()) - set(said):
            said[gone] = []
        self.published[uri] = set(said)
        for file, found in said.items():
            if file != uri and file in self.documents.open:
                continue  # its own analysis says so
            version = analysis.document.version if file == uri else None
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(file, found, version))

    def closed(self, uri: str) -> None:
        self.documents.close(uri)
        self._stop_proofs(uri)
        self.analyses.pop(uri, None)
        self.thread_of_analyses.submit(self.memory.forget, uri)
        for file in {uri} | self.published.pop(uri, set()):
            if file == uri or file not in self.documents.open:
                self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(file, []))


def make_server() -> Server:
    """A server with all its features."""
    server = Server()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        told = params.text_document
        server.opened(told.uri, told.text, told.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        document = server.documents.get(params.text_document.uri)
        if document is not None:
            server.documents.put(document.changed(params.content_changes, params.text_document.version))
            server.wake(document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(types.SHUTDOWN)
    async def shut_down(params: None) -> None:
        for uri in list(server.proofs):
            server._stop_proofs(uri)
        await server.prover.close()

    _answer_questions(server)
    return server


def _answer_questions(server: Server) -> None:
    """What an editor asks about a text; never answered from an older one."""

    async def formatted(uri: str, lines: range | None) -> list[types.TextEdit] | None:
        document = server.documents.get(uri)
        if document is None:
            return None
        edits = await asyncio.get_running_loop().run_in_executor(server.thread_of_analyses, formatting, document, lines)
        return edits if server.documents.is_current(document) else None

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def format_all(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        return await formatted(params.text_document.uri, None)

    @server.feature(types.TEXT_DOCUMENT_RANGE_FORMATTING)
    async def format_range(params: types.DocumentRangeFormattingParams) -> list[types.TextEdit] | None:
        first, last = params.range.start, params.range.end
        end = last.line + (last.character > 0 or last.line == first.line)
        return await formatted(params.text_document.uri, range(first.line + 1, end + 1))

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    async def actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        analysis = await server.analysis(params.text_document.uri)
        return None if analysis is None else repairs(analysis, params.range)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        analysis = await server.analysis(params.text_document.uri)
        return None if analysis is None else outline(analysis.compiled.loaded.root, analysis.document.places)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> types.Location | None:
        analysis = await server.analysis(params.text_document.uri)
        found = _declared(analysis, params.position)
        return None if analysis is None or found is None else Spots(analysis).location(found.span)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        analysis = await server.analysis(params.text_document.uri)
        found = _declared(analysis, params.position)
        if analysis is None or found is None:
            return None
        loop = asyncio.get_running_loop()
        space = await loop.run_in_executor(server.thread_of_analyses, lambda: analysis.compiled.space)
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, describe(found, space)))

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def hints(params: types.InlayHintParams) -> list[types.InlayHint] | None:
        analysis = await server.analysis(params.text_document.uri)
        proved = server.proved.get(params.text_document.uri)
        if analysis is None or proved is None or proved.designs is None or proved.document != analysis.document:
            return None
        named = [s for s in analysis.compiled.loaded.root.statements if isinstance(s, tree.SpaceName)]
        place = analysis.document.places.position(named[0].span.end if named else 0)
        return [types.InlayHint(place, proved.designs, padding_left=True)]

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> list[types.Location] | None:
        found = _declared(await server.analysis(params.text_document.uri), params.position)
        if found is None:
            return None
        places = [
            spots.location(span)
            for analysis in server.analyses.values()
            if server.documents.is_current(analysis.document)
            for spots in (Spots(analysis),)
            for span in occurrences(analysis.compiled.loaded, found)
            if params.context.include_declaration or span != found.span
        ]
        return [place for place in places if place is not None]

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["."]))
    async def completion(params: types.CompletionParams) -> list[types.CompletionItem] | None:
        analysis = await server.analysis(params.text_document.uri)
        if analysis is None:
            return None
        document = analysis.document
        return complete(analysis.compiled.loaded, document.text, document.places.offset(params.position))


def _declared(analysis: Analysis | None, position: types.Position) -> Declared | None:
    if analysis is None:
        return None
    return find(analysis.compiled.loaded, analysis.document.places.offset(position))


def run() -> None:
    """Serve one editor over standard input and output."""
    threading.stack_size(STACK)
    sys.setswitchinterval(SWITCH)
    with os.fdopen(os.dup(1), "wb") as out:
        gc.freeze()  # what is imported lives as long as the session
        os.dup2(2, 1)  # what a library prints must not stand between the answers
        make_server().start_io(None, out)
