"""The texts that are open in the editor, each with the version that the editor gave it.

Owns how changes are applied. A document is frozen: what was computed from one can be told from what is open now.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from attrs import evolve, field, frozen
from cospace.lsp.positions import Encoding, Places
from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path


@frozen(slots=False)
class Document:
    """One open text. path: where it lies, None for a text that is no file. shown: its name in messages."""

    uri: str
    text: str
    version: int
    path: Path | None
    encoding: Encoding = types.PositionEncodingKind.Utf16

    @property
    def shown(self) -> str:
        return self.uri if self.path is None else str(self.path)

    @cached_property
    def places(self) -> Places:
        return Places(self.text, self.encoding)

    def changed(self, changes: Iterable[types.TextDocumentContentChangeEvent], version: int) -> Document:
        """The document after the editor's changes, made one after another."""
        document = self
        for change in changes:
            text = change.text
            if isinstance(change, types.TextDocumentContentChangePartial):
                start = document.places.offset(change.range.start)
                end = max(start, document.places.offset(change.range.end))
                text = document.text[:start] + text + document.text[end:]
            document = evolve(document, text=text)
        return evolve(document, version=version)


def path_of(uri: str) -> Path | None:
    """The file that a URI names, or None when it names something else."""
    if not uri.startswith("file:"):
        return None
    path = to_fs_path(uri)
    return Path(path) if path else None


def uri_of(path: Path) -> str:
    """The URI of a file."""
    return str(from_fs_path(str(path.absolute())))


@frozen
class Documents:
    """All open documents by URI; a file under another spelling of its path is the same file."""

    open: dict[str, Document] = field(factory=dict)

    def put(self, document: Document) -> None:
        self.open[document.uri] = document

    def close(self, uri: str) -> None:
        self.open.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        return self.open.get(uri)

    def is_current(self, document: Document) -> bool:
        """Whether the document is open with this very text."""
        now = self.open.get(document.uri)
        return now is not None and now.version == document.version and now.text == document.text

    def buffers(self) -> dict[Path, str]:
        """Real path -> text of every file that is open."""
        return {real(d.path): d.text for d in self.open.values() if d.path is not None}


def real(path: Path) -> Path:
    """The file a path leads to; the path itself where that can't be found out."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
