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
    counts: Annotated[bool, typer.Option("--counts", help="how many designs each has, as a table of Markdown")] = False,
    as_json: options.Json = False,
) -> None:
    """List the shipped specs with their paths."""
    spaces, modules = shipped()
    if counts:
        table = [{"name": p.stem, "about": _about(p), **_counted(p)} for p in spaces]
        typer.echo(json.dumps(table, ensure_ascii=False) if as_json else "\n".join(_markdown(table)))
        return
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


def _counted(path: Path) -> dict[str, str]:
    """Raw and feasible designs in words: to the last digit, or the proved bounds rounded outwards."""
    from cospace.cli.inputs import pinned_space, refuse_undefined
    from cospace.compiler import clock
    from cospace.compiler.counting.count import count

    with clock.within(options.SECONDS):
        space, pinned = pinned_space(path, None, None, None)
        refuse_undefined(space, pinned)
        found = count(space, pinned)
    low, high = found.bounds
    if found.exact:
        feasible = _short(low)
    elif high is None:
        feasible = f"at least {_short(low)}"
    else:
        feasible = f"{_short(low)} to {_short(high, up=True)}"
    raw = "too many" if found.raw is None else _short(found.raw)
    return {"designs": raw, "feasible": feasible, "proved": "exact" if found.exact else "bounds"}


def _short(number: int, up: bool = False) -> str:
    """All digits up to a billion, else five of them and the power of ten: cut off, or rounded `up`."""
    digits = len(str(number))
    if digits <= 9:
        return f"{number:,}"
    power = 10 ** (digits - 5)
    lead = str(-(-number // power) if up else number // power)
    return f"{lead[0]}.{lead[1:5]}e{digits - 1 + (len(lead) - 5)}"


def _markdown(rows: list[dict[str, str]]) -> list[str]:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "| " + " | ".join("---" for _ in names) + " |"]
    return lines + ["| " + " | ".join(row[n] for n in names) + " |" for row in rows]


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
