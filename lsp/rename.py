"""Renaming: every place that says a name, in all specs that read the file where it is declared.

A rename is only made when nothing else changes: each place means afterwards what it meant before, no other name is
hidden or caught, and every spec that is touched compiles to the same space up to the name. Else it is refused, with the
reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve, field, frozen
from cospace.compiler.driver import STANDARD, Compiled
from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Span
from cospace.dsl.source import Lines
from cospace.dsl.walk import children
from cospace.lsp.analysis import Trees, compile_document, load_document
from cospace.lsp.documents import Document, real
from cospace.lsp.folder import Read, readers
from cospace.lsp.names import WORD, Declared, find, identity, namesakes, occurrences, word_at
from cospace.lsp.same import same_up_to
from cospace.lsp.scopes import declares, own, trail_to

ROUNDS = 8
"""Attempts to complete a rename by places that only compiling shows."""


class Refused(Exception):
    """A rename that is not made, and why."""


@frozen
class Edits:
    """What a rename changes in one document: places in its text, and what stands there afterwards."""

    document: Document
    changes: tuple[tuple[int, int, str], ...]

    @property
    def after(self) -> str:
        text = self.document.text
        for start, end, new in sorted(self.changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def moved(self, offset: int) -> int:
        """Where what stood at an offset stands afterwards."""
        return offset + sum(len(new) - (end - start) for start, end, new in self.changes if start < offset)


def prepare(read: Read, offset: int) -> Span:
    """The word that a rename at an offset changes. Raises Refused where nothing can be renamed."""
    return _target(read, offset)[1]


def _target(read: Read, offset: int) -> tuple[Declared, Span]:
    text = read.loaded.root.text
    at = word_at(text, offset)
    if at is None:
        raise Refused("there is no name here")
    word = text[at.start : at.end]
    if word in RESERVED:
        raise Refused(f"`{word}` is a word of the language")
    found = find(read.loaded, at.start)
    if found is None:
        raise Refused(f"it is not known what declares `{word}`; nothing is renamed by guessing")
    if isinstance(found.node, tree.File):
        if word != found.name:
            raise Refused(f"`{word}` is the name of a file; rename the file, and the import")
        return found, at
    found = identity(found, read.loaded)
    if found.file.path.startswith("std/"):
        raise Refused(f"`{word}` belongs to the standard library (`{found.file.path}`), which a spec can't change")
    if found.name != word or found.span.end - found.span.start != len(word):
        raise Refused(f"`{word}` has no place of its own in the text that declares it")
    return found, at


@frozen
class Workspace:
    """What a rename may touch: every spec of the open folders, with the texts that are open."""

    documents: tuple[Document, ...]
    buffers: dict[Path, str]
    trees: Trees = field(factory=Trees)
    known: dict[str, Compiled] = field(factory=dict)
    """Of the documents as they are, by the name they are shown under."""

    def compiled(self, document: Document) -> Compiled:
        if document.shown not in self.known:
            self.known[document.shown] = compile_document(document, self.buffers, self.trees)
        return self.known[document.shown]


def rename(read: Read, offset: int, new: str, workspace: Workspace) -> list[Edits]:
    """The changes that give a name another word. Raises Refused, with the reason."""
    found, at = _target(read, offset)
    old = read.loaded.root.text[at.start : at.end]
    _check_word(new)
    if new == old:
        return []
    _check_free(found, new)
    if isinstance(found.node, tree.File):
        reads = [read]
        return _complete(reads, {read.document.shown: _of_import(read, found, new)}, workspace, old, new)
    place = read.loaded.places.get(found.file.path)
    reads = _readers([place] if place is not None else [], read, workspace)
    try:
        changes = {r.document.shown: _plain(occurrences(r.loaded, found), new) for r in reads}
        return _complete(reads, changes, workspace, old, new)
    except Refused:
        if not isinstance(found.node, tree.Alternative):
            raise
    reads = _readers([p for r in reads for p in r.loaded.places.values()], read, workspace)
    changes = {r.document.shown: _plain(namesakes(r.loaded, found), new) for r in reads}
    return _complete(reads, changes, workspace, old, new)


def _readers(places: Iterable[Path], read: Read, workspace: Workspace) -> list[Read]:
    """The specs that read some files of the author's, each once, with the one that is asked about."""
    standard = real(STANDARD)
    found = {read.document.shown: read}
    for place in dict.fromkeys(map(real, places)):
        if not place.is_relative_to(standard):
            for r in readers(place, workspace.documents, workspace.buffers, workspace.trees):
                found.setdefault(r.document.shown, r)
    return list(found.values())


def _complete(
    reads: list[Read],
    changes: dict[str, list[tuple[int, int, str]]],
    workspace: Workspace,
    old: str,
    new: str,
) -> list[Edits]:
    """The changes, with what only compiling shows to belong to them. Raises Refused."""
    for r in reads:
        _check_syntax(r, old)
    before = {r.document.shown: workspace.compiled(r.document) for r in reads}
    for _ in range(ROUNDS):
        edits = [Edits(r.document, tuple(sorted(changes[r.document.shown]))) for r in reads]
        after = evolve(
            workspace, buffers=workspace.buffers | {real(_path(e)): e.after for e in edits if e.document.path}
        )
        _check_places(reads, edits, after, old, new)
        more = _check_meaning(edits, before, after, old, new)
        if more is None:
            return [e for e in edits if e.changes]
        for shown, places in more.items():
            changes[shown] = [*changes[shown], *((start, start + len(old), new) for start in places)]
    raise Refused(f"not every place that means this `{old}` could be told from the others")


def _path(edits: Edits) -> Path:
    assert edits.document.path is not None
    return edits.document.path


def _plain(spans: Iterable[Span], new: str) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, new) for s in spans]


def _of_import(read: Read, found: Declared, new: str) -> list[tuple[int, int, str]]:
    """A module under another name in one file: its uses, and an `as` where it is imported."""
    file, changes = read.loaded.root, []
    for statement in (s for s in file.statements if isinstance(s, tree.Import)):
        if (
            read.loaded.module_of(file, statement) is not found.node
            or (statement.alias or statement.path[-1]) != found.name
        ):
            continue
        end = max((a.span.end for a in statement.arguments), default=statement.span.start)
        head = re.compile(
            r"\s*,?\s*\)" if statement.arguments else r"import\s+[\w.\s]*?\b" + statement.path[-1] + r"\b(\s*\(\s*\))?"
        )
        m = head.match(file.text, end)
        stop = m.end() if m is not None else statement.span.end
        alias = re.compile(r"\s+as\s+(\w+)").match(file.text, stop)
        changes.append((alias.start(1), alias.end(1), new) if alias is not None else (stop, stop, f" as {new}"))
    imports = [s.span for s in file.statements if isinstance(s, tree.Import)]
    for m in re.finditer(rf"\b{re.escape(found.name)}\b", file.text):
        if not any(s.start <= m.start() < s.end for s in imports):
            other = find(read.loaded, m.start())
            if other is not None and other.node is found.node:
                changes.append((m.start(), m.end(), new))
    return changes


# ---- what has to stay as it is


def _check_word(new: str) -> None:
    if WORD.fullmatch(new) is None:
        raise Refused(f"`{new}` is not a name: letters, digits and `_`, no digit first")
    if new in RESERVED:
        raise Refused(f"`{new}` is a reserved word and can't name anything")


def _check_free(found: Declared, new: str) -> None:
    """Nothing beside the declaration has the new name."""
    if isinstance(found.node, tree.File):
        return
    beside = trail_to(found.node, found.file)[-2]
    inside = [n for n in children(beside) if isinstance(n, tree.Statement)]
    taken: tree.Node | None = next((n for n in inside if new in own(n)), None)
    taken = taken or next((n for name, n in declares(beside) if name == new), None)
    if taken is not None and taken is not found.node:
        raise Refused(f"`{new}` is declared already, in {_where(Declared(new, taken, found.file))}")


def _check_syntax(read: Read, old: str) -> None:
    wrong = next((d for d in read.reporter.found if d.severity == "error" and d.code.startswith("CS1")), None)
    if wrong is not None and wrong.span.file == read.document.shown:
        line = Lines(read.document.text).locate(wrong.span.start)[0]
        raise Refused(f"`{read.document.shown}` has a syntax error in line {line}; a use of `{old}` may hide behind it")


def _check_places(reads: list[Read], edits: list[Edits], after: Workspace, old: str, new: str) -> None:
    """Each place says afterwards what it said before: no name is hidden, none is caught by another."""
    moves = {e.document.shown: e for e in edits}
    for read, edit in zip(reads, edits, strict=True):
        if not edit.changes:
            continue
        loaded, _ = load_document(evolve(edit.document, text=edit.after), after.buffers, after.trees)
        lines = Lines(edit.document.text)
        for start, end, text in edit.changes:
            if start == end or text != new:
                continue
            was, now = find(read.loaded, start), find(loaded, edit.moved(start))
            if was is not None and (
                now is None or _key(identity(now, loaded), {}) != _key(identity(was, read.loaded), moves)
            ):
                line = lines.locate(start)[0]
                taken = f" in {_where(identity(now, loaded))}" if now is not None else ""
                raise Refused(f"`{new}` would mean something else in line {line}: it is declared{taken}")
        for m in re.finditer(rf"\b{re.escape(new)}\b", edit.document.text):
            was, now = find(read.loaded, m.start()), find(loaded, edit.moved(m.start()))
            keys = (was and _key(identity(was, read.loaded), moves), now and _key(identity(now, loaded), {}))
            if keys[0] != keys[1]:
                line = lines.locate(m.start())[0]
                raise Refused(f"`{new}` in line {line} means something else, which the new name would hide")


def _where(found: Declared) -> str:
    line = Lines(found.file.text).locate(found.span.start)[0]
    return f"`{Path(found.file.path).name}`, line {line}"


def _key(found: Declared, moves: Mapping[str, Edits]) -> tuple[str, int]:
    """Where a name is declared, after the changes."""
    span = found.span
    edit = moves.get(span.file)
    return span.file, span.start if edit is None else edit.moved(span.start)


def _check_meaning(
    edits: list[Edits], before: Mapping[str, Compiled], after: Workspace, old: str, new: str
) -> dict[str, list[int]] | None:
    """None when every spec means what it meant; else places of unknown meaning where compiling now fails.

    Raises Refused where there are none.
    """
    more: dict[str, list[int]] = {}
    changed, reason = None, ""
    for edit in edits:
        shown = edit.document.shown
        now = compile_document(evolve(edit.document, text=edit.after), after.buffers, after.trees)
        if same_up_to(before[shown], now, old, new):
            continue
        changed = changed or shown
        told = {(d.code, edit.moved(d.span.start)) for d in before[shown].diagnostics}
        reason = reason or next(
            (f": {d.message}" for d in now.diagnostics if (d.code, d.span.start) not in told and d.span.file == shown),
            "",
        )
        for other in edits:
            loaded = before[other.document.shown].loaded
            for m in re.finditer(rf"\b{re.escape(old)}\b", other.document.text):
                at = other.moved(m.start())
                hit = any(
                    d.span.file == other.document.shown and d.span.start <= at < max(d.span.end, d.span.start + 1)
                    for d in now.diagnostics
                    if (d.code, d.span.start) not in told
                )
                if hit and all(start != m.start() for start, _, _ in other.changes) and find(loaded, m.start()) is None:
                    more.setdefault(other.document.shown, []).append(m.start())
    if changed is not None and not more:
        raise Refused(f"`{Path(changed).name}` would not mean the same with `{new}` in place of `{old}`{reason}")
    return {k: sorted(set(v)) for k, v in more.items()} if more else None


__all__ = ["Edits", "Refused", "Workspace", "prepare", "rename"]
