"""`cospace sample`: feasible designs, each as likely as any other."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import verb

BLOCK = 65_536
"""Designs drawn at once."""


@verb
def sample(
    spec: options.Spec,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="how many designs")] = 1,
    seed: options.Seed = 0,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Draw feasible designs, exactly uniformly. With --json one design a line."""
    from cospace.cli.inputs import countable, show_design, spell_design, timed

    space, pinned = countable(spec, settings, fixed)  # rows count the values that are left
    with timed(time):
        from cospace.compiler.sampling.sample import Sampler
        from cospace.compiler.space.designs import decode

        sampler = Sampler(space, pinned)
        for start in range(0, number, BLOCK):
            # blocks of their own seeds, so that memory does not grow with what is asked for
            rows = sampler.sample(min(BLOCK, number - start), seed + (start << 32))
            for i, row in enumerate(rows, start):
                design = decode(space.decisions, row)
                if as_json:
                    typer.echo(json.dumps(show_design(space, design), ensure_ascii=False))
                else:
                    lines = [f"{path} = {value}" for path, value in spell_design(space, design).items()]
                    typer.echo(("\n" if i else "") + "\n".join(lines))
