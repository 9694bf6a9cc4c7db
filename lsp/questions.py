"""What an editor asks about a text, and who answers; never from an older text than the one it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cospace.dsl.diagnostics import Span
from cospace.lsp.analysis import Analysis, load_document
from cospace.lsp.completion import complete
from cospace.lsp.documents import Document, real
from cospace.lsp.edits import formatting, repairs
from cospace.lsp.folder import Read, documents, readers
from cospace.lsp.hints import hints as hints_of
from cospace.lsp.hover import Known
from cospace.lsp.hover import hover as hover_of
from cospace.lsp.messages import Spots
from cospace.lsp.names import Declared, find, identity, occurrences
from cospace.lsp.positions import Places
from cospace.lsp.rename import Edits, Refused, Workspace, prepare
from cospace.lsp.rename import rename as rename_of
from cospace.lsp.symbols import outline
from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from cospace.lsp.server import Server

TRIGGERS = [".", " ", "(", "=", "{", "["]


def answer_questions(server: Server) -> None:
    """Give the server every question it answers."""
    _about_text(server)
    _about_names(server)
    _about_renames(server)


def _about_text(server: Server) -> None:
    async def formatted(uri: str, lines: range | None) -> list[types.TextEdit] | None:
        document = server.documents.get(uri)
        if document is None:
            return None
        edits = await server.asked(formatting, document, lines)
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
        if analysis is None:
            return None
        proved = server.proofs_of(analysis)
        return repairs(analysis, proved.diagnostics if proved is not None else (), params.range)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        analysis = await server.analysis(params.text_document.uri)
        return None if analysis is None else outline(analysis.compiled.loaded.root, analysis.document.places)

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def hints(params: types.InlayHintParams) -> list[types.InlayHint] | None:
        analysis = await server.analysis(params.text_document.uri)
        proved = None if analysis is None else server.proofs_of(analysis)
        if analysis is None or proved is None or proved.counts is None:
            return None
        return await server.asked(hints_of, analysis, proved.counts, params.range)


def _about_names(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> types.Location | None:
        analysis = await server.analysis(params.text_document.uri)
        found = None if analysis is None else await server.asked(_declared, analysis, params.position)
        return None if analysis is None or found is None else Spots(analysis).location(found.span)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        analysis = await server.analysis(params.text_document.uri)
        if analysis is None:
            return None
        proved = server.proofs_of(analysis)
        proving = not analysis.failed and (proved is None or proved.open)
        known = Known(None if proved is None else proved.counts, proving)
        return await server.asked(hover_of, analysis, analysis.document.places.offset(params.position), known)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> list[types.Location] | None:
        analysis = await server.analysis(params.text_document.uri)
        found = None if analysis is None else await server.asked(_declared, analysis, params.position)
        if analysis is None or found is None:
            return None
        return await server.asked(_references, server, analysis, found, params.context.include_declaration)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=TRIGGERS))
    async def completion(params: types.CompletionParams) -> list[types.CompletionItem] | None:
        uri = params.text_document.uri
        analysis = await server.analysis(uri)
        if analysis is None:
            return None
        offset = analysis.document.places.offset(params.position)
        text, sound = analysis.document.text, server.sound.get(uri, analysis)
        found = await server.asked(complete, sound, text, offset, _place_in(sound.document.text, text, offset))
        started = (
            params.context is not None and params.context.trigger_kind == types.CompletionTriggerKind.TriggerCharacter
        )
        if started and params.context is not None and params.context.trigger_character != ".":
            return [i for i in found if (i.sort_text or "")[:1] in "01"]  # a blank alone asks for nothing but what fits
        return found


def _about_renames(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepared(params: types.PrepareRenameParams) -> types.Range | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        try:
            read = await server.asked(_read, server, document)
            span = await server.asked(prepare, read, document.places.offset(params.position))
        except Refused as reason:
            raise _refusal(reason) from None
        return document.places.range(span)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def renamed(params: types.RenameParams) -> types.WorkspaceEdit | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        try:
            read = await server.asked(_read, server, document)
            workspace = await server.asked(_workspace, server, read)
            offset = document.places.offset(params.position)
            edits = await server.asked(rename_of, read, offset, params.new_name, workspace)
        except Refused as reason:
            raise _refusal(reason) from None
        if not all(server.documents.is_current(e.document) for e in edits if e.document.uri in server.documents.open):
            raise _refusal(Refused("the text has changed meanwhile; once more"))
        return _workspace_edit(server, edits)


REFUSED = -32803
"""The protocol's code of a request that is understood and can't be met."""


def _refusal(reason: Refused) -> JsonRpcException:
    return JsonRpcException(str(reason), REFUSED)


def _read(server: Server, document: Document) -> Read:
    return Read(document, *load_document(document, server.documents.buffers(), server.memory.trees))


def _workspace(server: Server, read: Read) -> Workspace:
    opened = list(server.documents.open.values())
    found = documents(server.folders, opened, read.loaded.places.values())
    return Workspace(tuple(found), server.documents.buffers(), server.memory.trees)


def _workspace_edit(server: Server, edits: list[Edits]) -> types.WorkspaceEdit:
    """What a rename changes; with the versions of open texts where the editor reads them."""
    told = {e.document.uri: [_text_edit(server, e.document, *c) for c in e.changes] for e in edits}
    able = server.client_capabilities.workspace
    if able is None or able.workspace_edit is None or not able.workspace_edit.document_changes:
        return types.WorkspaceEdit(changes=told)
    opened = {uri: document.version for uri, document in server.documents.open.items()}
    targets = [types.OptionalVersionedTextDocumentIdentifier(uri, opened.get(uri)) for uri in told]
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(t, list(told[t.uri])) for t in targets])


def _text_edit(server: Server, document: Document, start: int, end: int, new: str) -> types.TextEdit:
    places = Places(document.text, server.workspace.position_encoding or types.PositionEncodingKind.Utf16)
    return types.TextEdit(types.Range(places.position(start), places.position(end)), new)


def _declared(analysis: Analysis, position: types.Position) -> Declared | None:
    return find(analysis.compiled.loaded, analysis.document.places.offset(position))


def _references(server: Server, analysis: Analysis, found: Declared, declaration: bool) -> list[types.Location]:
    """Where a name is said: in every spec of the open folders that reads the file which declares it."""
    buffers = server.documents.buffers()
    found = identity(found, analysis.compiled.loaded)
    place = analysis.place(found.file.path) or Path(found.file.path)
    opened = list(server.documents.open.values())
    reads = readers(real(place), documents(server.folders, opened, [place]), buffers, server.memory.trees)
    if all(r.document.uri != analysis.document.uri for r in reads):
        reads.append(_read(server, analysis.document))
    places = [
        (r.document, span) for r in reads for span in occurrences(r.loaded, found) if declaration or span != found.span
    ]
    return [types.Location(d.uri, _range(server, d, span)) for d, span in places]


def _range(server: Server, document: Document, span: Span) -> types.Range:
    encoding = server.workspace.position_encoding or types.PositionEncodingKind.Utf16
    return Places(document.text, encoding).range(span)


def _place_in(before: str, now: str, offset: int) -> int:
    """Where a place of a text was in the text before it."""
    if before == now:
        return offset
    same = next((k for k, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    return min(offset, same)
