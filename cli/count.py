"""`cospace count`: how many designs there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from cospace.cli import options
from cospace.cli.guard import verb

if TYPE_CHECKING:
    from cospace.compiler.count import Count


@verb
def count(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Count the designs: all of them, and those that meet every requirement, exactly."""
    from cospace.cli.inputs import countable, timed

    space, pinned = countable(spec, settings, fixed)
    with timed(time):
        from cospace.compiler.count import count as count_designs

        found = count_designs(space, pinned)
    if as_json:
        answer: dict[str, object] = {"raw": None if found.raw is None else str(found.raw)}
        if found.exact:
            answer |= {"feasible": str(found.feasible), "exact": True}
        else:
            ends = [None if end is None else str(end) for end in found.bounds]
            answer |= {"feasible": None, "bounds": ends, "exact": False, "why": found.limit}
            if found.responsible is not None:
                answer["responsible"] = found.responsible.reason
        typer.echo(json.dumps(answer | {"how": found.method}, ensure_ascii=False))
    else:
        for line in describe(found):
            typer.echo(line)
    if strict and not found.exact:
        raise typer.Exit(1)


def describe(found: Count) -> list[str]:
    """The count in words: exact integers where they are known, else the proved bounds and what stood in the way."""
    lines = ["more designs than could be counted" if found.raw is None else f"{found.raw:,} designs"]
    if found.exact and found.feasible is not None:
        share = f"{found.feasible / found.raw:.3%} of them, " if found.raw else ""
        return [*lines, f"{found.feasible:,} feasible, {share}exactly ({found.method})"]
    low, high = found.bounds
    span = f"at least {low:,}" if high is None else f"between {low:,} and {high:,}"
    blame = f", at the requirement {found.responsible.reason!r}" if found.responsible is not None else ""
    return [*lines, f"{span} feasible, proved; not exact: {found.limit}{blame}"]
