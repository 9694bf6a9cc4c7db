"""`cospace best`: the proved best of what is modelled, without training."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import show, verb


@verb
def best(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    strict: Annotated[bool, typer.Option("--strict", help="not proved to be the best is an error (status 1)")] = False,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Find the best design of what is modelled, or the exact front where there are several objectives."""
    from cospace.cli.figures import human, objectives, told
    from cospace.cli.inputs import load, read_fixed, show_design, sources, spell_design, timed
    from cospace.cli.render import to_json

    space = load(spec, settings, data)
    space, pinned = read_fixed(space, fixed)
    with timed(time):
        from cospace.compiler.engines.best import best as find_best
        from cospace.compiler.engines.best import infeasible

        found = find_best(space, pinned)
        conflict = infeasible(space, pinned) if found.certified and not found.designs else None
    conflicts = (conflict,) if conflict is not None else ()
    settled = {d.path for d in space.decisions if len(d.values) == 1} | set(pinned)
    answers = [{"design": show_design(space, d), "objectives": objectives(space, d)} for d in found.designs]
    if as_json:
        head = {"certified": found.certified, "evaluated": found.evaluated, "how": found.how}
        head |= {"diagnostics": to_json(conflicts, sources)} if conflicts else {}
        typer.echo(json.dumps(head | {"designs": answers}, ensure_ascii=False))
    elif conflicts:
        show(conflicts)
    else:
        for i, (design, answer) in enumerate(zip(found.designs, answers, strict=True)):
            open_ones = {path: v for path, v in spell_design(space, design).items() if path not in settled}
            typer.echo("\n" * bool(i) + "\n".join(f"{path} = {value}" for path, value in open_ones.items()))
            for text, figure in answer["objectives"].items():
                value, unit = figure["value"], str(figure["unit"])
                typer.echo(f"{text}: {told(figure) if value is None else human(value, unit)}")
        if not answers:
            typer.echo("no feasible design was met; `cospace check` says whether there is one", err=True)
        proof = "proved" if found.certified else "not proved to be the best"
        typer.echo(f"\n{proof}: {found.evaluated:,} designs evaluated, {found.how}")
    if not answers or (strict and not found.certified):
        raise typer.Exit(1)
