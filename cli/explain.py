"""`cospace explain`: the page of a diagnostic's code."""

from __future__ import annotations

from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import fail, verb


def codes() -> list[str]:
    """Every code that has a page, in order."""
    from importlib.resources import files

    return sorted(p.name[:-3] for p in (files("cospace.dsl") / "explain").iterdir() if p.name.endswith(".md"))


@verb
def explain(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="as in CS203; without it, all codes", autocompletion=options.complete_code),
    ] = None,
) -> None:
    """Say what a diagnostic means, with a bad and a good example."""
    from importlib.resources import files

    pages = files("cospace.dsl") / "explain"
    if code is None:
        for known in codes():
            title = (pages / f"{known}.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            typer.echo(title if title.startswith(known) else f"{known}  {title}")
        return
    known = code.strip().upper()
    if known not in codes():
        from cospace.dsl.suggest import closest

        near = closest(known, codes())
        fail(
            "CS809",
            f"there is no diagnostic {code!r}",
            f"did you mean {near}?" if near else "`cospace explain` lists all",
        )
    text = (pages / f"{known}.md").read_text(encoding="utf-8")
    import sys

    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text.rstrip())
