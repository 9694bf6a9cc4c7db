"""`cospace count`: how many designs there are."""

from __future__ import annotations

import json

import typer
from cospace.cli import options
from cospace.cli.guard import verb


@verb
def count(
    spec: options.Spec,
    settings: options.Set = None,
    fixed: options.Fix = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Count the designs: all of them, and those that meet every requirement, exactly."""
    from cospace.cli.inputs import load, read_fixed, timed

    space = load(spec, settings)
    with timed(time):
        from cospace.compiler.count import count as count_designs

        found = count_designs(space, read_fixed(space, fixed))
    if as_json:
        answer: dict[str, object] = {"raw": str(found.raw)}
        if found.exact:
            answer |= {"feasible": str(found.feasible), "exact": True}
        else:
            low, high = found.bounds
            answer |= {"feasible": None, "bounds": [str(low), str(high)], "exact": False, "why": found.limit}
        typer.echo(json.dumps(answer | {"how": found.method}, ensure_ascii=False))
    else:
        typer.echo(f"{found.raw:,} designs")
        if found.exact:
            typer.echo(f"{found.feasible:,} feasible, exactly ({found.method})")
        else:
            low, high = found.bounds
            typer.echo(f"between {low:,} and {high:,} feasible ({found.method}; gave up exactness: {found.limit})")
    if strict and not found.exact:
        raise typer.Exit(1)
