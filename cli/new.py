"""`cospace new`: a small spec to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import fail, verb


@verb
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="of the space; NAME.cospace is written", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="where to")] = Path("."),
    overwrite: options.Overwrite = False,
) -> None:
    """Write a small spec with a network and an accelerator, to start from."""
    name = name.removesuffix(".cospace")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise typer.BadParameter("a name is letters, digits and _, and starts with a letter", param_hint="NAME")
    path = out / f"{name}.cospace"
    if path.exists() and not overwrite:
        fail("CS811", f"{path} is there already", "another name, or --overwrite")
    out.mkdir(parents=True, exist_ok=True)
    text = (files("cospace.cli") / "template.cospace").read_text(encoding="utf-8")
    path.write_text(text.replace("NAME", name, 1), encoding="utf-8")
    typer.echo(f"wrote {path}\n\nnext:\n  cospace compile {path}\n  cospace search {path} --out results/{name}")
