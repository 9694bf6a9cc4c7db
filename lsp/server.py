"""The server: what the editor says, and what is told it unasked. Holds no knowledge of the language itself.

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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from cospace import __version__
from cospace.dsl.diagnostics import Diagnostic
from cospace.lsp.analysis import Analysis, Memory
from cospace.lsp.documents import Document, Documents, path_of, real
from cospace.lsp.messages import messages
from cospace.lsp.proofs import Proved, Prover
from cospace.lsp.questions import answer_questions
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

Answer = TypeVar("Answer")

STACK = 64 << 20
"""Bytes of stack for the thread that compiles: nested texts need more than the 512 KiB of some systems."""
SWITCH = 0.001
"""Seconds after which the thread that compiles lets the one that answers go on."""

COLLECT = (20_000, 20, 100)
"""How seldom garbage is looked for: compiling makes many objects that live as long as the text, and few circles."""

PAUSE = 0.2
"""Seconds without a change before proofs begin."""

log = logging.getLogger(__name__)


class Server(LanguageServer):
    """The state of one session with an editor."""

    def __init__(self) -> None:
        super().__init__("cospace", __version__)
        self.documents = Documents()
        self.analyses: dict[str, Analysis] = {}
        self.sound: dict[str, Analysis] = {}
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
        if shown is not None and shown.path is not None:
            self.wake_readers(shown.path, uri)
        self._run()

    def wake_readers(self, path: Path, besides: str = "") -> None:
        """Analyse the open documents that read a file, or looked for it."""
        place = real(path)
        for other, analysis in self.analyses.items():
            places = {real(p) for p in analysis.places.values()}
            missing = any(d.code in ("CS001", "CS006") for d in analysis.diagnostics)
            if other != besides and (place in places or missing):
                self.waiting[other] = None
                self._stop_proofs(other)
        if self.waiting:
            self._run()

    def _run(self) -> None:
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
                if not any(d.code.startswith("CS1") for d in analysis.diagnostics):
                    self.sound[uri] = analysis
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
        """What is proved, to the editor: diagnostics once, counts where they show."""
        uri = analysis.document.uri
        before = self.proved.get(uri)
        self.proved[uri] = proved
        if before is None or before.diagnostics != proved.diagnostics:
            self.publish(analysis, proved.diagnostics)
        if hinted(proved) != (hinted(before) if before is not None else None):
            self._ask_for_hints()

    def _ask_for_hints(self) -> None:
        """Tell the editor that there are other hints now."""
        inlay = self.client_capabilities.workspace and self.client_capabilities.workspace.inlay_hint
        if inlay and inlay.refresh_support:
            self.workspace_inlay_hint_refresh(None)

    async def asked(self, question: Callable[..., Answer], *given: Any) -> Answer:
        """An answer from the thread of analyses, which has the stack for nested texts."""
        return await asyncio.get_running_loop().run_in_executor(self.thread_of_analyses, question, *given)

    @property
    def folders(self) -> list[Path]:
        """The folders that the editor has open."""
        uris = list(self.workspace.folders) or [self.workspace.root_uri or ""]
        return [path for path in map(path_of, uris) if path is not None and path.is_dir()]

    def proofs_of(self, analysis: Analysis) -> Proved | None:
        """What is proved about the very text of an analysis."""
        proved = self.proved.get(analysis.document.uri)
        return proved if proved is not None and proved.document == analysis.document else None

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
        self.sound.pop(uri, None)
        self.thread_of_analyses.submit(self.memory.forget, uri)
        self.prover.forget(uri)
        for file in {uri} | self.published.pop(uri, set()):
            if file == uri or file not in self.documents.open:
                self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(file, []))


def hinted(proved: Proved) -> tuple[object, ...] | None:
    """What hints show of what is proved."""
    counts = proved.counts
    return None if counts is None else (counts.space, bool(counts.values), counts.why, counts.open)


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

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def changed_on_disk(params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            path = path_of(change.uri)
            if path is not None and server.documents.get(change.uri) is None:
                server.wake_readers(path)

    @server.feature(types.SHUTDOWN)
    async def shut_down(params: None) -> None:
        running = list(server.proofs.values())
        for uri in list(server.proofs):
            server._stop_proofs(uri)
        server.prover.closed = True
        await asyncio.gather(*running, return_exceptions=True)
        await server.prover.close()

    answer_questions(server)
    return server


def _is_told(record: logging.LogRecord) -> bool:
    """Whether a log line is more than a refusal, which the editor shows."""
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcException)


def run() -> None:
    """Serve one editor over standard input and output."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_told)
    threading.stack_size(STACK)
    sys.setswitchinterval(SWITCH)
    sys.set_int_max_str_digits(0)  # counts have no limit
    with os.fdopen(os.dup(1), "wb") as out:
        gc.freeze()  # what is imported lives as long as the session
        gc.set_threshold(*COLLECT)
        os.dup2(2, 1)  # what a library prints must not stand between the answers
        make_server().start_io(None, out)
