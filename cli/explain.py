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
    mapping: Annotated[
        bool, typer.Option("--mapping", help="the mapping of each layer in one design of the spec", show_default=False)
    ] = False,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="with --mapping: the design of this baseline")
    ] = None,
    designs: Annotated[
        Path | None,
        typer.Option("--designs", metavar="FILE", help="with --mapping: one design as JSON, or a design.json"),
    ] = None,
    fixed: options.Fix = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="with --mapping: write it, as `cospace cost --mapping` reads it"),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="with --mapping: draw it, as SVG")
    ] = None,
    as_json: options.Json = False,
    within: options.Within = options.SECONDS,
) -> None:
    """Say what a diagnostic means, with a bad and a good example; or what a spec, or a name in it, stands for.

    With --mapping: which mapping each layer of one design has, and what that costs. Each decision needs a value:
    from --baseline or --designs, and from --fix, which goes before these.
    """
    if mapping:
        if what is None or name is not None:
            raise typer.BadParameter("--mapping takes a spec, and no name", param_hint="--mapping")
        from cospace.compiler import clock

        with clock.within(within):
            _explain_mapping(Path(what), settings, data, baseline, designs, fixed, as_json, out, picture)
        return
    alone = {"--baseline": baseline, "--designs": designs, "--fix": fixed, "--out": out, "--picture": picture,
             "--json": as_json}  # fmt: skip
    for option, given in alone.items():
        if given:
            raise typer.BadParameter(f"{option} goes with --mapping", param_hint=option)
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


def _explain_mapping(
    spec: Path,
    settings: list[str] | None,
    data: Path | None,
    baseline: str | None,
    designs: Path | None,
    fixed: list[str] | None,
    as_json: bool,
    out: Path | None,
    picture: Path | None,
) -> None:
    from cospace.cli.explain_mapping import design_of, explain_mapping
    from cospace.cli.inputs import load

    space = load(spec, settings, data)
    if designs is None and baseline is None and spec.is_dir():
        designs = spec / "design.json"
    explain_mapping(space, design_of(space, baseline, designs, fixed), as_json, out, picture)


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
