"""From an open document to what is wrong with it: parse, names, types. The same passes as the command line's.

Texts that are open count as they stand, saved or not. After a change only the statements that it can reach are read and
compiled anew; the whole tree and the space are made when a question needs them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from attrs import evolve, field, frozen
from cospace.compiler.driver import STANDARD, Compiled, compile_loaded
from cospace.compiler.elaborate.values import Context
from cospace.compiler.recompile import Recompiled, as_before, outline, recompile
from cospace.compiler.space.model import Space
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic, Reporter, Span
from cospace.dsl.load import Loaded, Texts, load_text
from cospace.dsl.parse import parse
from cospace.dsl.reparse import Parsed, read
from cospace.dsl.source import decode_source
from cospace.lsp.documents import Document, real

KEPT = 200
"""Trees of imported files in memory."""
LATELY = 4
"""Texts of one document that are remembered: taking a change back is a change to one of them."""


@frozen(slots=False, eq=False)
class View:
    """What questions are answered from, each part made when it is first asked for."""

    parsed: Parsed
    found: Recompiled
    outlined: Loaded

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.found.diagnostics

    @property
    def sources(self) -> Mapping[str, str]:
        return self.outlined.sources

    @cached_property
    def loaded(self) -> Loaded:
        """The document and its imports, with every statement where it stands."""
        return evolve(self.outlined, root=self.parsed.file(Reporter()))

    @cached_property
    def space(self) -> Space | None:
        """The space; None where there are errors."""
        if any(d.severity == "error" for d in self.diagnostics):
            return None
        return self.whole.space

    @property
    def context(self) -> Context | None:
        """Of the document's top, for questions about what an expression is."""
        return self.whole.context

    @cached_property
    def whole(self) -> Compiled:
        """Everything compiled, not only what changed."""
        return self.found.compiled or compile_loaded(self.loaded, {}, Reporter())


@frozen(eq=False)
class Analysis:
    """What compiling a document gave."""

    document: Document
    compiled: View

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.compiled.diagnostics

    @property
    def failed(self) -> bool:
        """Whether anything is an error."""
        return any(d.severity == "error" for d in self.diagnostics)

    @property
    def places(self) -> Mapping[str, Path]:
        """Path shown -> where a file lies that is read."""
        return self.compiled.outlined.places

    def place(self, shown: str) -> Path | None:
        """Where a file lies that is shown under this name."""
        return self.places.get(shown)


class Buffers(Texts):
    """Imports from what is open in the editor, else from disk. buffers: real path -> text. root: what is read."""

    def __init__(self, trees: Trees, buffers: dict[Path, str], root: Parsed | None = None) -> None:
        self.trees = trees
        self.buffers = buffers
        self.root = root

    def exists(self, path: Path) -> bool:
        return real(path) in self.buffers or super().exists(path)

    def read(self, path: Path, shown: str, reporter: Reporter, at: Span) -> str | None:
        text = self.buffers.get(real(path))
        if text is None:
            return super().read(path, shown, reporter, at)
        return decode_source(text.encode("utf-8", "surrogatepass"), shown, reporter, at)

    def parse(self, text: str, shown: str, reporter: Reporter) -> tree.File:
        if self.root is None or shown != self.root.path:
            return self.trees.parse(text, shown, reporter)
        reporter.texts[shown] = text
        for stretch in self.root.stretches:
            for diagnostic in stretch.found:
                reporter.report(diagnostic)
        return outline(self.root)


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


@frozen(eq=False)
class Memory:
    """What is remembered from one analysis to the next. lately: by document, the newest text last."""

    trees: Trees = field(factory=Trees)
    lately: dict[str, list[View]] = field(factory=dict)

    def analyse(self, document: Document, buffers: dict[Path, str], whole: bool = False) -> Analysis:
        """Compile a document as it stands, with its imports as they stand. whole: its space is needed in any case."""
        lately = self.lately.setdefault(document.uri, [])
        before = lately[-1] if lately else None
        text = decode_source(document.text.encode("utf-8", "surrogatepass"), document.shown, Reporter()) or ""
        again = next((view for view in lately if view.parsed.text == text), None)
        parsed = again.parsed if again else read(text, document.shown, before.parsed if before else None)
        reporter = Reporter()
        texts = Buffers(self.trees, buffers, parsed)
        loaded = load_text(document.text, document.shown, reporter, STANDARD, place=document.path, texts=texts)
        if again is not None and again.found.kept is not None and as_before(again.found.kept, loaded):
            lately.remove(again)
            view = again
        else:
            kept = before.found.kept if before is not None and again is None and not whole else None
            view = View(parsed, recompile(parsed, loaded, reporter, kept), loaded)
        lately.append(view)
        del lately[:-LATELY]
        return Analysis(document, view)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self.lately.pop(uri, None)


def load_document(document: Document, buffers: dict[Path, str], trees: Trees) -> tuple[Loaded, Reporter]:
    """A document as it stands, with its imports as they stand; and what reading them reported."""
    reporter = Reporter()
    texts = Buffers(trees, buffers)
    return load_text(document.text, document.shown, reporter, STANDARD, place=document.path, texts=texts), reporter


def compile_document(document: Document, buffers: dict[Path, str], trees: Trees) -> Compiled:
    """A document that is not, or not yet, one that the editor shows."""
    loaded, reporter = load_document(document, buffers, trees)
    return compile_loaded(loaded, {}, reporter)
