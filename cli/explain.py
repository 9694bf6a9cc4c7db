"""`cospace explain`: the page of a diagnostic's code, or what a name of a spec stands for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import fail, verb
from cospace.dsl.suggest import closest


def codes() -> list[str]:
    """Every code that has a page, in order."""
    from importlib.resources import files

    return sorted(p.name[:-3] for p in (files("cospace.dsl") / "explain").iterdir() if p.name.endswith(".md"))


@verb
def explain(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE | SPEC]",
            help="a code as in CS203, or a spec; without it, all codes",
            autocompletion=options.complete_code,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="a decision, param, quantity, work, … of the spec", show_default=False),
    ] = None,
    settings: options.Set = None,
    data: options.Data = None,
    within: options.Within = options.SECONDS,
) -> None:
    """Say what a diagnostic means, with a bad and a good example; or what a spec, or a name in it, stands for."""
    if what is not None and (name is not None or not _like_a_code(what)):
        from cospace.compiler import clock

        with clock.within(within):
            _explain_spec(Path(what), name, settings, data)
        return
    from importlib.resources import files

    pages = files("cospace.dsl") / "explain"
    if what is None:
        for known in codes():
            title = (pages / f"{known}.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            typer.echo(title if title.startswith(known) else f"{known}  {title}")
        return
    known = what.strip().upper()
    if known not in codes():
        near = closest(known, codes())
        help = f"did you mean {near}?" if near else "`cospace explain` lists all"
        fail("CS809", f"there is no diagnostic {what!r}", help)
    text = (pages / f"{known}.md").read_text(encoding="utf-8")
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text.rstrip())


def _like_a_code(what: str) -> bool:
    """Whether a word is meant as a code: not a file that is there, nor written like one."""
    return not Path(what).exists() and Path(what).suffix == "" and "/" not in what


def _explain_spec(spec: Path, name: str | None, settings: list[str] | None, data: Path | None) -> None:
    from cospace.cli.explain_name import about, about_space, names
    from cospace.cli.inputs import load_in_context

    space, context = load_in_context(spec, settings, data)
    lines = list(about_space(space)) if name is None else about(space, name, context)
    if lines is None:
        near = closest(str(name), names(space))
        help = f"did you mean {near!r}?" if near else f"`cospace explain {spec}` lists what it documents"
        fail("CS813", f"{spec} has no {name!r}", help)
    for line in lines:
        typer.echo(line)
