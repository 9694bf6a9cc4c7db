"""`cospace fmt`: writes specs as the formatter does, whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli.guard import show, verb

if TYPE_CHECKING:
    from cospace.dsl.diagnostics import Reporter

STDIN = "-"
SUFFIX = ".cospace"
_WRITABLE = 0o222


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
        _show_difference(before, after, shown)
    if check and not diff:
        typer.echo(shown)
    if not check and not diff and _written(path, shown, after, reporter):
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
        _show_difference(before, after, shown)
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


def _show_difference(before: str, after: str, shown: str) -> None:
    from difflib import unified_diff

    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for line in unified_diff(old, new, shown, f"{shown} (formatted)"):
        typer.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)


def _written(path: Path, shown: str, text: str, reporter: Reporter) -> bool:
    """Whether the file could be replaced; the files after it are formatted all the same."""
    from cospace.dsl.diagnostics import NOWHERE

    try:
        if path.stat().st_mode & _WRITABLE:
            _replace(path, text)
            return True
        reason = "it is read-only"
    except OSError as error:
        reason = error.strerror or str(error)
    reporter.error(
        "CS807", NOWHERE, f"{shown} was not written: {reason}",
        help="make it and its folder writable, or see what would change with --diff",
    )  # fmt: skip
    return False


def _replace(path: Path, text: str) -> None:
    """Replace a file whole: what is written beside it takes its place, with its mode and, if allowed, its owner."""
    import tempfile
    from contextlib import suppress

    state = path.stat()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError, AttributeError):  # another's file in a shared folder; no owners on this system
            os.chown(name, state.st_uid, state.st_gid)
        os.chmod(name, state.st_mode & 0o7777)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
