"""`cospace lsp`: the language server for editors."""

from __future__ import annotations

from typing import Annotated

import typer
from cospace.cli.guard import verb


@verb
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", help="speak over standard input and output, as always")] = True,
) -> None:
    """Serve an editor over standard input and output: what is wrong while typing, and what it asks."""
    from cospace.lsp.server import run

    run()
