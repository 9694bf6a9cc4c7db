"""The specs of the folders that the editor has open, as they stand there or on disk, and which of them read a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from attrs import frozen
from cospace.compiler.driver import STANDARD
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.load import Loaded
from cospace.dsl.source import read_source
from cospace.lsp.analysis import Trees, load_document
from cospace.lsp.documents import Document, real, uri_of

MOST = 2_000
"""Files that are looked through."""
FOLDERS = 5_000
"""Folders in which they are looked for."""


@frozen
class Read:
    """A spec of the folder with all that it imports. reporter: what reading it reported."""

    document: Document
    loaded: Loaded
    reporter: Reporter

    @property
    def files(self) -> frozenset[Path]:
        """The real places of the spec and of what it imports."""
        return frozenset(real(p) for p in self.loaded.places.values())


def documents(folders: Iterable[Path], opened: Iterable[Document], besides: Iterable[Path] = ()) -> list[Document]:
    """Every spec of the folders, an open one as it stands in the editor; open ones elsewhere, too.

    besides: files that count wherever they lie, those of the standard library left out.
    """
    found = {real(d.path): d for d in opened if d.path is not None}
    for path in [*besides, *islice(_files(folders), MOST)]:
        place = real(path)
        if place not in found and not place.is_relative_to(real(STANDARD)):
            text = read_source(path, str(path), Reporter())
            if text is not None:
                found[place] = Document(uri_of(path), text, 0, path)
    return sorted(found.values(), key=lambda d: d.shown)


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    """The specs of folders, hidden folders and those of packages left out."""
    seen = 0
    for folder in folders:
        for place, inside, names in os.walk(folder):
            seen += 1
            if seen > FOLDERS:
                return
            inside[:] = sorted(n for n in inside if not n.startswith(".") and n not in ("node_modules", "__pycache__"))
            yield from (Path(place) / name for name in sorted(names) if name.endswith(".cospace"))


def readers(place: Path, found: Iterable[Document], buffers: dict[Path, str], trees: Trees) -> list[Read]:
    """The specs that read a file: it itself, and those that import it, directly or not."""
    reads = []
    for document in found:
        if document.path is not None and (real(document.path) == place or "import" in document.text):
            read = Read(document, *load_document(document, buffers, trees))
            if place in read.files:
                reads.append(read)
    return reads
