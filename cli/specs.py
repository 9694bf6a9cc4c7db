"""`cospace specs`: the design spaces and the library that are shipped."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import verb


def shipped() -> tuple[list[Path], list[Path]]:
    """(spaces, library files) that are shipped, by name."""
    folder = Path(str(files("cospace.specs"))).resolve()
    return sorted(folder.glob("*.cospace")), sorted((folder / "std").glob("*.cospace"))


@verb
def specs(
    library: Annotated[bool, typer.Option("--std", help="the standard library's files too")] = False,
    as_json: options.Json = False,
) -> None:
    """List the shipped specs with their paths."""
    spaces, modules = shipped()
    rows = [{"name": p.stem, "about": _about(p), "path": _shown(p)} for p in spaces]
    if library:
        rows += [{"name": f"std.{p.stem}", "about": _about(p), "path": _shown(p)} for p in modules]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    width = max((len(r["name"]) for r in rows), default=0)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {row['about']}\n{'':<{width}}  {row['path']}")
    if rows and not library:
        typer.echo(f"\nnext: cospace compile {rows[0]['path']}")


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _about(path: Path) -> str:
    """The doc string of the space, or the first comment of a library."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("space ") and '"' in text:
            return text.split('"')[1]
        if text.startswith("#"):
            return text.lstrip("# ").rstrip(".")
    return ""
