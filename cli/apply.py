"""`cospace check --apply`: the repairs that diagnostics offer, put into the author's own files.

Never into the standard library, and never into a file that has changed since it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import typer
from cospace.cli.rewrite import show_difference, written
from cospace.dsl.diagnostics import Diagnostic, Fix, Reporter

MARK = "\ufeff"


def repairs(diagnostics: Iterable[Diagnostic], unsure: bool) -> dict[str, list[Fix]]:
    """File -> the repairs to make there, from the start on; of two that overlap, the first that was said.

    unsure: also those that are one way out of several.
    """
    found: dict[str, list[Fix]] = {}
    for fix in (d.fix for d in diagnostics if d.fix is not None):
        here = found.setdefault(fix.span.file, [])
        if (fix.sure or unsure) and not any(_overlap(fix, other) for other in here):
            here.append(fix)
    return {file: sorted(fixes, key=lambda f: f.span.start) for file, fixes in found.items() if fixes}


def _overlap(a: Fix, b: Fix) -> bool:
    if a.span.start == b.span.start:
        return True
    return a.span.start < b.span.end and b.span.start < a.span.end


def repaired(text: str, fixes: Iterable[Fix]) -> str:
    """The text with repairs made that do not overlap."""
    for fix in sorted(fixes, key=lambda f: f.span.start, reverse=True):
        text = text[: fix.span.start] + fix.replacement + text[fix.span.end :]
    return text


def apply(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], *, unsure: bool, dry: bool, quiet: bool
) -> tuple[list[Fix], Reporter]:
    """Make the repairs; the ones made, and why a file was not written. dry: only show them as a diff.

    quiet: nothing on standard output.
    """
    made: list[Fix] = []
    reporter = Reporter()
    for shown, fixes in repairs(diagnostics, unsure).items():
        path = Path(shown)
        before = path.read_bytes().decode("utf-8") if _own(path) else None
        if before is None or before.removeprefix(MARK) != sources.get(shown):
            continue
        mark = MARK if before.startswith(MARK) else ""
        after = mark + repaired(before.removeprefix(MARK), fixes)
        if dry:
            if not quiet:
                show_difference(before, after, shown, "repaired")
        elif written(path, shown, after, reporter):
            made += fixes
            if not quiet:
                for fix in fixes:
                    typer.echo(f"{shown}: {fix.title}")
    return made, reporter


def _own(path: Path) -> bool:
    """Whether a file that was read is the author's."""
    from cospace.compiler.driver import STANDARD

    return path.is_file() and not path.resolve().is_relative_to(STANDARD.resolve())
