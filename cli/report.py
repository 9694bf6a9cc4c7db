"""`cospace report`: rebuild the report of a result."""

from __future__ import annotations

import typer
from cospace.cli import options
from cospace.cli.guard import verb


@verb
def report(folder: options.Folder) -> None:
    """Build report.html again from the files of a result folder."""
    from cospace.runtime.report import build

    typer.echo(str(build(folder)))
