"""The passes, in order: text → trees → space. Each is a function from one frozen value to the next."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from attrs import field, frozen
from cospace.compiler import clock
from cospace.compiler.elaborate.given import Closely
from cospace.compiler.elaborate.program import elaborate_into, space_of
from cospace.compiler.elaborate.values import Context, Exhausted, State
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Diagnostic, Reporter, Span
from cospace.dsl.load import Loaded, load, load_text

STANDARD = Path(str(files("cospace.specs"))) / "std"
DEPTH = 10_000
"""Python frames: the parser lets 200 levels through, each costs a handful."""


@frozen
class Compiled:
    """What compiling gave. space: None when there are errors. sources: path shown -> text, for rendering."""

    space: Space | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    loaded: Loaded
    context: Context | None = field(default=None, eq=False, repr=False)
    """Of the root file's top, in which an editor can ask what an expression is, also after errors."""


def compile_file(path: Path | str, settings: Mapping[str, str] | None = None, data: Path | None = None) -> Compiled:
    """A spec on disk, with `--set` values. Never raises for what a spec may hold: see `diagnostics`.

    data: the folder where files of tables are looked for, before the spec's own.
    """
    reporter = Reporter()
    return compile_loaded(
        load(path, reporter, STANDARD), settings or {}, reporter, data
    )  # guard, parse, load: only these know characters


def compile_text(text: str, settings: Mapping[str, str] | None = None, name: str = "spec.cospace") -> Compiled:
    """A spec given as text; its own imports are found beside the current folder."""
    reporter = Reporter()
    return compile_loaded(load_text(text, name, reporter, STANDARD), settings or {}, reporter)


ENDLESS = ("CS107", "CS108")
"""A text too long or too deep to be read: what was read of it says nothing, and may take without end."""
SHORTER = "shorten its loops, or what its defs call"


def compile_loaded(
    loaded: Loaded,
    settings: Mapping[str, str],
    reporter: Reporter,
    data: Path | None = None,
    closely: Closely | None = None,
) -> Compiled:
    """As `compile_file`, of files that are read already. reporter: what reading them reported to. closely: the
    works that are looked at, with the mappings that are given for them.

    Where a clock runs out before the text is understood, that is its error (CS816).
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEPTH))
    if any(d.code in ENDLESS for d in reporter.found):
        return Compiled(None, in_order(reporter.found, loaded.sources), loaded.sources, loaded)

    def cut() -> tuple[None, None]:
        said = f"this spec was not understood in time ({clock.reason()})"
        reporter.error("CS816", Span(loaded.root.path, 0, 0), said, help=SHORTER)
        return None, None

    space, context = clock.attempt(lambda: _elaborate(loaded, settings, reporter, data, closely), cut, graced=True)
    if reporter.failed:
        space = None
    return Compiled(space, in_order(reporter.found, loaded.sources), loaded.sources, loaded, context)


def _elaborate(
    loaded: Loaded,
    settings: Mapping[str, str],
    reporter: Reporter,
    data: Path | None,
    closely: Closely | None,
) -> tuple[Space | None, Context | None]:
    """The space, where nothing was wrong, and what the text can still be asked in."""
    state, context = State(reporter, dict(settings), closely=closely), None
    try:
        # names, types, shapes, decisions and works: also with syntax errors, so that all kinds come in one run
        root = elaborate_into(state, loaded, data)
        context = Context(state, root.scope)
        return None if reporter.failed else space_of(root, loaded, state), context
    except Exhausted as limit:
        reporter.error("CS404", limit.span, limit.said, help=SHORTER)
    except RecursionError:
        span = Span(loaded.root.path, 0, 0)
        reporter.error("CS404", span, "this spec is nested too deeply to be understood", help="name parts of it")
    return None, context


def in_order(found: Iterable[Diagnostic], sources: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Diagnostics as the texts run. sources: path shown -> text, imported files first."""
    order = {path: at for at, path in enumerate(sources)}
    return tuple(sorted(found, key=lambda d: (order.get(d.span.file, -1), d.span.start)))
