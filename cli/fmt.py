"""`cospace fmt`: writes specs as the formatter does, whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli.guard import show, verb
from cospace.cli.rewrite import show_difference, written

if TYPE_CHECKING:
    from cospace.dsl.diagnostics import Reporter

STDIN = "-"
SUFFIX = ".cospace"


@verb
def fmt(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help=f"specs, folders (every {SUFFIX} below them), or - for standard input to standard output",
            show_default=False,
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; list what would change, with status 1")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="write nothing; show what would change")] = False,
) -> None:
    """Format specs: one way of writing them, comments kept, the meaning unchanged."""
    from cospace.dsl.diagnostics import Reporter

    reporter = Reporter()
    changed = False
    if STDIN in files:
        if len(files) > 1:
            raise typer.BadParameter("standard input can't be formatted together with files", param_hint="FILES")
        changed = _standard_input(check, diff, reporter)
    else:
        for shown, path in _specs(files, reporter):
            changed = _one(shown, path, check, diff, reporter) or changed
    show(tuple(reporter.found))
    if reporter.failed or (check and changed):
        raise typer.Exit(1)


def _specs(files: list[str], reporter: Reporter) -> list[tuple[str, Path]]:
    """Each file once, as shown and where it really lies; hidden folders are passed over, links to folders too."""
    found: dict[Path, str] = {}
    for name in files:
        path = Path(name)
        if not path.is_dir():
            found.setdefault(Path(os.path.realpath(path)), name)
            continue
        below: list[Path] = []
        for folder, inner, names in os.walk(path, onerror=_refused):
            inner[:] = sorted(n for n in inner if not n.startswith("."))
            below += (Path(folder) / n for n in sorted(names) if n.endswith(SUFFIX) and not n.startswith("."))
        for spec in below:
            found.setdefault(Path(os.path.realpath(spec)), str(spec))
        if not below:
            from cospace.dsl.diagnostics import Span

            reporter.warn("CS001", Span(name, 0, 0), f"there is no {SUFFIX} file below `{name}`")
    return [(shown, path) for path, shown in found.items()]


def _refused(error: OSError) -> None:
    raise error


def _one(shown: str, path: Path, check: bool, diff: bool, reporter: Reporter) -> bool:
    """Format one file; whether it changes."""
    from cospace.dsl.source import read_source

    # decoding drops a byte-order mark; the formatter keeps one
    if read_source(path, shown, reporter) is None:
        return False
    before = path.read_bytes().decode("utf-8")
    after = _format(before, shown, reporter)
    if after is None or after == before:
        return False
    if diff:
        show_difference(before, after, shown, "formatted")
    if check and not diff:
        typer.echo(shown)
    if not check and not diff and written(path, shown, after, reporter):
        typer.echo(f"formatted {shown}")
    return True


def _standard_input(check: bool, diff: bool, reporter: Reporter) -> bool:
    from cospace.dsl.source import decode_source

    shown = "<stdin>"
    data = sys.stdin.buffer.read()
    if decode_source(data, shown, reporter) is None:
        return False
    before = data.decode("utf-8")
    after = _format(before, shown, reporter)
    if after is None:
        return False
    if diff and after != before:
        show_difference(before, after, shown, "formatted")
    elif check and after != before:
        typer.echo(shown)
    elif not check and not diff:
        sys.stdout.flush()
        sys.stdout.buffer.write(after.encode("utf-8"))
        sys.stdout.buffer.flush()
    return after != before


def _format(text: str, shown: str, reporter: Reporter) -> str | None:
    """The formatted text, or None with the diagnostics of one that has errors."""
    from cospace.cli.inputs import sources
    from cospace.dsl.diagnostics import SpecError
    from cospace.dsl.format import format_text

    sources[shown] = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        return format_text(text, path=shown)
    except SpecError as error:
        for diagnostic in error.diagnostics:
            reporter.report(diagnostic)
        return None
