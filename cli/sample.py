"""`cospace sample`: feasible designs, each as likely as any other."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, NoReturn

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
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Draw feasible designs, exactly uniformly. With --json one design a line.

    --within is what reading the spec and the first ones may take, and then each 65,536 more.
    """
    from cospace.cli.inputs import pinned_space, refuse_undefined, show_design, spell_design, timed

    with timed(time):
        from cospace.compiler import clock
        from cospace.compiler.sampling.sample import Sampler, Unsampled
        from cospace.compiler.space.designs import decode

        def stop() -> NoReturn:
            raise Unsampled(clock.reason())

        sampler: Sampler | None = None
        for start in range(0, number, BLOCK):
            with clock.within(within):
                if sampler is None:
                    space, pinned = pinned_space(spec, settings, data, fixed)  # rows count the values that are left
                    refuse_undefined(space, pinned)
                    sampler = clock.attempt(partial(Sampler, space, pinned), stop)
                # blocks of their own seeds, so that memory does not grow with what is asked for
                many, block = min(BLOCK, number - start), seed + (start << 32)
                rows = clock.attempt(partial(sampler.sample, many, block), stop)
            for i, row in enumerate(rows, start):
                design = decode(space.decisions, row)
                if as_json:
                    typer.echo(json.dumps(show_design(space, design), ensure_ascii=False))
                else:
                    lines = [f"{path} = {value}" for path, value in spell_design(space, design).items()]
                    typer.echo(("\n" if i else "") + "\n".join(lines))
