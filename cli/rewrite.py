"""Putting a changed text in the place of a file, whole or not at all, or showing what would change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cospace.dsl.diagnostics import Reporter

_WRITABLE = 0o222


def show_difference(before: str, after: str, shown: str, done: str) -> None:
    """A unified diff on standard output. done: what was done to the file, said beside its name."""
    from difflib import unified_diff

    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for line in unified_diff(old, new, shown, f"{shown} ({done})"):
        typer.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)


def written(path: Path, shown: str, text: str, reporter: Reporter) -> bool:
    """Whether the file could be replaced; if not, the reporter is told why."""
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
