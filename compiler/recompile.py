"""Compiling a text that was compiled before and changed since: only statements that the change can reach.

Owns what is kept from one text to the next and when that is no help. What is said of the text is what compiling all of
it says; its space is not made. Where the reach of a change can't be told from the words of the text, all is compiled.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

from attrs import evolve, field, frozen, mutable
from cospace.compiler.dependence import Reach, Words, hardware_of, names_of, words_of
from cospace.compiler.driver import DEPTH, ENDLESS, Compiled, compile_loaded, in_order
from cospace.compiler.elaborate import hiding
from cospace.compiler.elaborate.answered import Answer, Answered
from cospace.compiler.elaborate.program import HARDWARE, Outside, elaborate_into, space_of
from cospace.compiler.elaborate.values import Context, Exhausted, State
from cospace.dsl import tree
from cospace.dsl.diagnostics import Diagnostic, Label, Reporter, Span
from cospace.dsl.load import Loaded
from cospace.dsl.reparse import Parsed

_LISTS = frozenset(("CS228", "CS230", "CS231"))
"""Messages that may list everything that a space has, which a part of it doesn't know."""
_TWICE = frozenset(("CS202", "CS210"))
"""Messages about the names of a file, which point at two of its statements."""


@mutable
class Telling(Reporter):
    """A reporter that remembers whose each diagnostic is, also where an equal one was found already."""

    told: list[tuple[object, Diagnostic]] = field(factory=list)

    def report(self, diagnostic: Diagnostic) -> None:
        self.told.append((self.owner, diagnostic))
        Reporter.report(self, diagnostic)


_READING = (tree.Network, tree.Policy, tree.Require, tree.Objective)
"""Statements that accelerators don't hang on, except by the works that they are asked."""
_COMMENT = re.compile(r"#[^\n]*")
NOBODY, WORKS = -1, 0
"""Whose a diagnostic is when it is no statement's of the file: found at each compilation, and while placing works."""


@frozen(eq=False)
class Kept:
    """What is known of a text that was compiled.

    names: of each statement, where it was read. told: what was said when a statement was elaborated. Both by the
    identity of the statement as it was read.
    stamps: the data files that were read, with their state. answered: what rules answered works.
    """

    parsed: Parsed
    modules: Mapping[str, tree.File]
    imports: Mapping[tuple[str, tuple[str, ...]], str]
    words: Mapping[int, tuple[tree.Statement, Words]]
    names: Mapping[int, hiding.Names]
    hardware: frozenset[str]
    told: Mapping[int, tuple[Diagnostic, ...]]
    stamps: frozenset[tuple[Path, int, int]]
    answered: Mapping[Hashable, Answer] = field(factory=dict)


@frozen(eq=False)
class Recompiled:
    """What compiling a text gave. compiled: None where only what changed was: then there is no space."""

    diagnostics: tuple[Diagnostic, ...]
    compiled: Compiled | None
    kept: Kept | None


def recompile(parsed: Parsed, loaded: Loaded, reporter: Reporter, before: Kept | None) -> Recompiled:
    """Compile a text.

    loaded: what it imports; its root may be an `outline`. reporter: what reading reported. before: what is kept of
    the text that `parsed` was read after.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEPTH))
    statements = [s for stretch in parsed.stretches for s in stretch.origin.statements]
    if before is not None and not as_before(before, loaded):
        before = None
    hardware = before.hardware if before is not None else hardware_of(loaded.modules.values())
    known = before.words if before is not None else {}
    words = {id(s): known.get(id(s)) or (s, words_of(s, hardware)) for s in statements}
    names = _names(parsed, before.names if before is not None else {})
    kept = Kept(parsed, loaded.modules, loaded.imports, words, names, hardware, {}, frozenset())
    if before is not None and not any(d.code in ENDLESS for d in reporter.found):
        try:
            found = _part(kept, loaded, before)
        except (Outside, RecursionError, Exhausted):
            found = None
        if found is not None:
            said = Reporter(list(reporter.found))
            for diagnostics in found.told.values():
                for diagnostic in diagnostics:
                    said.report(diagnostic)
            return Recompiled(in_order(said.found, loaded.sources), None, found)
    return _all(kept, loaded, reporter)


def as_before(kept: Kept, loaded: Loaded) -> bool:
    """Whether all files around a text are what they were when it was compiled."""
    return (
        _same(kept.modules, loaded.modules)
        and kept.imports == loaded.imports
        and all(_stamp(path) == (path, time, size) for path, time, size in kept.stamps)
    )


def outline(parsed: Parsed) -> tree.File:
    """The file of a text with what it imports in place; other statements may stand where they were read before."""
    found: list[tree.Statement] = []
    for stretch in parsed.stretches:
        imports = any(isinstance(s, (tree.Import, tree.Language)) for s in stretch.origin.statements)
        found += stretch.statements if imports else stretch.origin.statements
    lost = frozenset([name for stretch in parsed.stretches for name in stretch.lost])
    return tree.File(parsed.path, tuple(found), (), parsed.text, lost, span=Span(parsed.path, 0, len(parsed.text)))


def _all(kept: Kept, loaded: Loaded, reporter: Reporter) -> Recompiled:
    """Everything elaborated anew; nothing is kept where statements reach others by more than their words."""
    loaded = evolve(loaded, root=kept.parsed.file(Reporter()))
    if any(d.code in ENDLESS for d in reporter.found):
        compiled = compile_loaded(loaded, {}, reporter)
        return Recompiled(compiled.diagnostics, compiled, None)
    telling = Telling(list(reporter.found), reporter.texts)
    state = State(telling, {}, answered=Answered())
    try:
        root = elaborate_into(state, loaded)
    except (RecursionError, Exhausted):
        compiled = compile_loaded(loaded, {}, reporter)
        return Recompiled(compiled.diagnostics, compiled, None)
    space = None if telling.failed else space_of(root, loaded, state)
    compiled = Compiled(
        space, in_order(telling.found, loaded.sources), loaded.sources, loaded, Context(state, root.scope)
    )
    told = _told(telling, kept)
    reach = Reach([w for _, w in kept.words.values()])
    if told is None or state.variants or _loose(state, reach, kept):
        return Recompiled(compiled.diagnostics, compiled, None)
    if any(isinstance(s, tree.Loop) for s, _ in kept.words.values()):
        return Recompiled(compiled.diagnostics, compiled, None)
    return Recompiled(
        compiled.diagnostics, compiled, evolve(kept, told=told, stamps=_stamps(state), answered=_answered(state))
    )


def _part(kept: Kept, loaded: Loaded, before: Kept) -> Kept | None:
    """Only what the change can reach elaborated anew; None where that can't be told."""
    ids = list(kept.words)
    words = [w for _, w in kept.words.values()]
    reach = Reach(words)
    added, removed = _differing(kept, before)
    fresh = [at for at, key in enumerate(ids) if key in added]
    gone = {key: before.words[key][1] for key in removed}
    names = _lost(kept.parsed) ^ _lost(before.parsed)
    written = Counter(n for at in fresh for n in words[at].names)
    named = names or written != Counter(n for w in gone.values() for n in w.names)
    if named:  # the nearest name is told where one is unknown, and a word may come to mean a new symbol
        known = names_of(loaded.modules.values()).union(*(w.names for w in words))
        fresh += [at for at, key in enumerate(ids) if words[at].tags - known or before.told.get(key)]
        fresh += reach.together if before.told.get(WORKS) else ()
    # what was said of a statement may be of the hardware that it was the first to read
    read = any(before.told.get(key) and reach.reads_hardware(w) for key, w in gone.items())
    touched = reach.touched(fresh, gone.values(), names)
    answered = before.answered if _steady(reach, kept, touched, [before.words[key] for key in removed]) else {}
    changed = reach.changed(fresh, gone.values(), names, read)
    if any(words[at].alone for at in changed) or any(w.alone for w in gone.values()):
        return None
    whole = any(_asks_for_all(kept.words[ids[at]][0]) for at in changed)
    needed = reach.needed({*changed, *(at for at, w in enumerate(words) if whole and w.decides)})
    told = _carried(kept, before, {ids[at] for at in changed} | ({WORKS} if reach.together & changed else set()))
    if told is None:
        return None
    if not changed and not before.told.get(NOBODY):
        return evolve(kept, told=told, stamps=before.stamps, answered=answered)
    wanted = {ids[at] for at in needed}
    chosen: list[tree.Statement] = []
    only: set[int] = set()
    for stretch in kept.parsed.stretches:
        now = any(id(s) in wanted or isinstance(s, tree.Import) for s in stretch.origin.statements)
        where = stretch.statements if now else stretch.origin.statements
        for origin, s in zip(stretch.origin.statements, where, strict=True):
            chosen.append(s)
            if id(origin) in wanted:
                only.add(id(s))
    telling = Telling(texts={**{f.path: f.text for f in loaded.modules.values()}, kept.parsed.path: kept.parsed.text})
    state = State(telling, {}, answered=Answered(answered))
    elaborate_into(state, evolve(loaded, root=evolve(loaded.root, statements=tuple(chosen))), None, only)
    hiding.warn_hidden(_hiding(kept), telling)
    said = _told(telling, kept)
    if said is None or state.variants or _loose(state, reach, kept):
        return None
    if any(d.code in _LISTS or "there is no decision" in d.message for found in said.values() for d in found):
        return None
    if any(d.code in _TWICE for d in said.get(NOBODY, ())):
        return None
    mine = {NOBODY, WORKS, *(ids[at] for at in changed)}
    told |= {key: found for key, found in said.items() if key in mine and key not in told}
    return evolve(kept, told=told, stamps=before.stamps | _stamps(state), answered=_answered(state))


def _answered(state: State) -> Mapping[Hashable, Answer]:
    assert state.answered is not None
    return state.answered.handed_on()


def _steady(reach: Reach, kept: Kept, touched: set[int], gone: Iterable[tuple[tree.Statement, Words]]) -> bool:
    """Whether accelerators are what they were, by the words that the changed statements can reach."""
    statements = list(kept.words.values())
    met = [statements[at][0] for at in touched & reach.together]
    met += [s for s, w in gone if reach.reads_hardware(w)]
    return all(isinstance(s, _READING) for s in met)


def _names(parsed: Parsed, known: Mapping[int, hiding.Names]) -> dict[int, hiding.Names]:
    """The names of each statement, by its identity as it was read, where it was read."""
    found: dict[int, hiding.Names] = {}
    for stretch in parsed.stretches:
        for at, s in enumerate(stretch.origin.statements):
            names = known.get(id(s))
            if names is None:
                names = hiding.names_of(stretch.statements[at], parsed.text).moved(-stretch.by)
            found[id(s)] = names
    return found


def _hiding(kept: Kept) -> list[hiding.Names]:
    """The names that may hide others, and those of the file that they may hide, where they stand now."""
    every = [(kept.names[id(s)], stretch.by) for stretch in kept.parsed.stretches for s in stretch.origin.statements]
    inner = {b.name for names, _ in every for b in names.inner}
    return [n.moved(by) for n, by in every if n.inner or any(b.name in inner for b in n.outer)]


def _differing(kept: Kept, before: Kept) -> tuple[set[int], set[int]]:
    """The statements that are new and those that are gone, without those whose comments and texts alone are others."""
    added = {key for key in kept.words if key not in before.words}
    removed = {key for key in before.words if key not in kept.words}
    old = _written(before, removed)
    alike: dict[tree.Statement, list[int]] = {}
    for key, (tree_, _) in old.items():
        alike.setdefault(tree_, []).append(key)
    for key, (tree_, text) in _written(kept, added).items():
        if not (found := alike.get(tree_)):
            continue
        same = found[0]
        if not before.told.get(same) and (old[same][1] == text or not kept.words[key][1].decides):
            added.discard(key)
            removed.discard(found.pop(0))
    return added, removed


def _written(kept: Kept, keys: set[int]) -> dict[int, tuple[tree.Statement, str]]:
    """Statements without what is said about them; and as they are written, whatever the blanks and comments."""
    text = kept.parsed.text
    found: dict[int, tuple[tree.Statement, str]] = {}
    for stretch in kept.parsed.stretches:
        for s in stretch.origin.statements:
            if id(s) in keys:
                written = _COMMENT.sub("", text[s.span.start + stretch.by : s.span.end + stretch.by])
                found[id(s)] = _unsaid(s), " ".join(written.split())
    return found


def _unsaid(s: tree.Statement) -> tree.Statement:
    """A statement without its text for readers, which no message depends on."""
    if isinstance(s, tree.Require):
        return evolve(s, reason=None)
    return evolve(s, doc=None) if isinstance(s, (tree.Param, tree.Bind, tree.Objective, tree.Def)) else s


def _told(telling: Telling, kept: Kept) -> dict[int, tuple[Diagnostic, ...]] | None:
    """What was said, by whose it is; None where it is of a statement of another file, which several may have read."""
    origins = {
        id(s): id(origin)
        for stretch in kept.parsed.stretches
        for s, origin in zip(stretch.now, stretch.origin.statements, strict=True)
    }
    found: dict[int, list[Diagnostic]] = {}
    for owner, diagnostic in telling.told:
        key = NOBODY if owner is None else WORKS if owner == HARDWARE else origins.get(id(owner))
        if key is None:
            return None
        found.setdefault(key, []).append(diagnostic)
    return {key: tuple(dict.fromkeys(diagnostics)) for key, diagnostics in found.items()}


def _loose(state: State, reach: Reach, kept: Kept) -> bool:
    """Whether a statement hangs on the order of others, by what stood in one set with a symbol."""
    together = {id(s) for at, (s, _) in enumerate(kept.words.values()) if at in reach.together}
    origins = {
        id(s): id(origin)
        for stretch in kept.parsed.stretches
        for s, origin in zip(stretch.now, stretch.origin.statements, strict=True)
    }
    return any(o is not None and o != HARDWARE and origins.get(id(o)) not in together for o in state.loose)


def _carried(kept: Kept, before: Kept, changed: set[int]) -> dict[int, tuple[Diagnostic, ...]] | None:
    """What was said before of statements that have not changed, where it is now; None where its place has changed."""
    begin, rest = kept.parsed.changed
    by = len(kept.parsed.text) - len(before.parsed.text)
    after = len(before.parsed.text) - rest
    path = kept.parsed.path
    found: dict[int, tuple[Diagnostic, ...]] = {}
    for key, diagnostics in before.told.items():
        if key == NOBODY or key in changed or not (key == WORKS or key in kept.words):
            continue
        moved: list[Diagnostic] = []
        for d in diagnostics:
            spans = [d.span, *(label.span for label in d.labels), *([d.fix.span] if d.fix else ())]
            if any(s.file == path and not (s.end <= begin or s.start >= after) for s in spans):
                return None
            if all(s.file != path or s.end <= begin for s in spans):
                moved.append(d)
                continue

            def shift(s: Span) -> Span:
                return Span(s.file, s.start + by, s.end + by) if s.file == path and s.end > begin else s

            labels = tuple(Label(shift(label.span), label.text) for label in d.labels)
            fix = evolve(d.fix, span=shift(d.fix.span)) if d.fix else None
            moved.append(evolve(d, span=shift(d.span), labels=labels, fix=fix))
        found[key] = tuple(moved)
    return found


def _lost(parsed: Parsed) -> frozenset[str]:
    return frozenset([name for stretch in parsed.stretches for name in stretch.lost])


def _same(a: Mapping[str, tree.File], b: Mapping[str, tree.File]) -> bool:
    return a.keys() == b.keys() and all(a[key] is b[key] for key in a)


def _stamps(state: State) -> frozenset[tuple[Path, int, int]]:
    return frozenset(_stamp(path) for path in state.groups.get("read", ()))


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        found = path.stat()
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


def _asks_for_all(s: tree.Statement) -> bool:
    """Whether a statement reads every decision: a baseline has to say them all."""
    return isinstance(s, tree.Policy) and s.kind == "baseline"
