"""From an open document to what is wrong with it: parse, names, types. The same passes as the command line's.

Texts that are open count as they stand, saved or not. A tree is kept as long as its text is the same.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from attrs import frozen
from cospace.compiler.driver import STANDARD, Compiled, compile_loaded
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic, Reporter, Span
from cospace.dsl.load import Texts, load_text
from cospace.dsl.parse import parse
from cospace.dsl.source import decode_source
from cospace.lsp.documents import Document, real

KEPT = 200
"""Trees in memory."""


@frozen
class Analysis:
    """What compiling a document gave."""

    document: Document
    compiled: Compiled

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.compiled.diagnostics

    def place(self, shown: str) -> Path | None:
        """Where a file lies that is shown under this name."""
        return self.compiled.loaded.places.get(shown)


class Buffers(Texts):
    """Imports from what is open in the editor, else from disk. buffers: real path -> text."""

    def __init__(self, trees: Trees, buffers: dict[Path, str]) -> None:
        self.trees = trees
        self.buffers = buffers

    def exists(self, path: Path) -> bool:
        return real(path) in self.buffers or super().exists(path)

    def read(self, path: Path, shown: str, reporter: Reporter, at: Span) -> str | None:
        text = self.buffers.get(real(path))
        if text is None:
            return super().read(path, shown, reporter, at)
        return decode_source(text.encode("utf-8", "surrogatepass"), shown, reporter, at)

    def parse(self, text: str, shown: str, reporter: Reporter) -> tree.File:
        return self.trees.parse(text, shown, reporter)


class Trees:
    """The trees of texts seen lately, with what parsing them reported."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[str, str], tuple[tree.File, tuple[Diagnostic, ...]]] = OrderedDict()

    def parse(self, text: str, shown: str, reporter: Reporter) -> tree.File:
        """As `dsl.parse.parse`, from memory where the text is known."""
        reporter.texts[shown] = text
        found = self.kept.get((shown, text))
        if found is None:
            own = Reporter(texts={shown: text})
            found = parse(text, shown, own), tuple(own.found)
            self.kept[shown, text] = found
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end((shown, text))
        for diagnostic in found[1]:
            reporter.report(diagnostic)
        return found[0]


def analyse(document: Document, buffers: dict[Path, str], trees: Trees) -> Analysis:
    """Compile a document as it stands, with its imports as they stand."""
    reporter = Reporter()
    texts = Buffers(trees, buffers)
    loaded = load_text(document.text, document.shown, reporter, STANDARD, place=document.path, texts=texts)
    return Analysis(document, compile_loaded(loaded, {}, reporter))
