"""`cospace sample`: feasible designs, each as likely as any other."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import verb


@verb
def sample(
    spec: options.Spec,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="how many designs")] = 1,
    seed: options.Seed = 0,
    settings: options.Set = None,
    fixed: options.Fix = None,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Draw feasible designs, exactly uniformly. With --json one design a line."""
    from cospace.cli.inputs import load, read_fixed, show_design, timed

    space = load(spec, settings)
    with timed(time):
        from cospace.compiler.designs import decode
        from cospace.compiler.sample import Sampler

        rows = Sampler(*read_fixed(space, fixed)).sample(number, seed)
    for i, row in enumerate(rows):
        design = show_design(space, decode(space.decisions, row))
        if as_json:
            typer.echo(json.dumps(design, ensure_ascii=False))
        else:
            typer.echo(("\n" if i else "") + "\n".join(f"{path} = {_plain(value)}" for path, value in design.items()))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
