"""`cospace count`: how many designs there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import verb

if TYPE_CHECKING:
    from cospace.compiler.count import Count
    from cospace.compiler.model import Space
    from cospace.compiler.values import ValueCounts


@verb
def count(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    strict: options.Strict = False,
    values: Annotated[bool, typer.Option("--values", help="also how many feasible designs keep each value")] = False,
    as_json: options.Json = False,
    time: options.Time = False,
) -> None:
    """Count the designs: all of them, and those that meet every requirement, exactly."""
    from cospace.cli.inputs import countable, timed

    space, pinned = countable(spec, settings, fixed)
    with timed(time):
        from cospace.compiler.count import solve_space
        from cospace.compiler.values import values_of

        whole = solve_space(space, pinned)
        found = whole.count
        kept = values_of(whole) if values else None
    if as_json:
        answer: dict[str, object] = {"raw": None if found.raw is None else str(found.raw)}
        if found.exact:
            answer |= {"feasible": str(found.feasible), "exact": True}
        else:
            ends = [None if end is None else str(end) for end in found.bounds]
            answer |= {"feasible": None, "bounds": ends, "exact": False, "why": found.limit}
            if found.responsible is not None:
                answer["responsible"] = found.responsible.reason
        answer["how"] = found.method
        if values:
            answer["values"] = None if kept is None else {c.path: _value_object(space, c) for c in kept}
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        for line in describe(found):
            typer.echo(line)
        if values:
            typer.echo("\n".join(_value_lines(space, kept)))
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


def _value_object(space: Space, counts: ValueCounts) -> dict[str, object]:
    """Each value with the designs that keep it: a number as text, or two where it lies between."""
    kept: dict[str, object] = dict(zip(_spelt(space, counts), map(_ends, counts.counts), strict=True))
    return {"values": kept, "absent": _ends(counts.absent)}


def _spelt(space: Space, counts: ValueCounts) -> list[str]:
    from cospace.compiler.model import spell

    d = space.decision(counts.path)
    return [spell(v, d.unit, d.scale) for v in d.values]


def _ends(pair: tuple[int, int]) -> object:
    return str(pair[0]) if pair[0] == pair[1] else [str(n) for n in pair]


def _value_lines(space: Space, kept: tuple[ValueCounts, ...] | None) -> list[str]:
    """One line for each value of each decision."""
    if kept is None:
        return ["values: not counted, guards join too many decisions"]
    lines = []
    for counts in kept:
        lines += [
            f"{counts.path} = {shown}: {_between(pair)}"
            for shown, pair in zip(_spelt(space, counts), counts.counts, strict=True)
        ]
        if counts.absent != (0, 0):
            lines.append(f"{counts.path} not there: {_between(counts.absent)}")
    return lines


def _between(pair: tuple[int, int]) -> str:
    low, high = pair
    return f"{low:,}" if low == high else f"between {low:,} and {high:,}"
