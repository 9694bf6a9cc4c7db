"""`cospace count`: how many designs there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli import options
from cospace.cli.figures import between, ends
from cospace.cli.guard import verb
from cospace.compiler import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cospace.compiler.counting.count import Count
    from cospace.compiler.counting.values import ValueCounts
    from cospace.compiler.sampling.estimate import Estimate
    from cospace.compiler.space.graph import Value
    from cospace.compiler.space.model import Space


@verb
def count(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    strict: options.Strict = False,
    values: Annotated[bool, typer.Option("--values", help="also how many feasible designs keep each value")] = False,
    estimated: Annotated[
        int | None,
        typer.Option("--estimate", metavar="N", min=1, help="also an estimate, from N raw designs", show_default=False),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="the estimate alone: nothing is counted but raw")] = False,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Count the designs: all of them, and those that meet every requirement, exactly."""
    from cospace.cli.inputs import pinned_space, refuse_undefined, timed

    if alone and (estimated is None or values):
        raise typer.BadParameter("goes with --estimate and without --values", param_hint="--alone")
    with timed(time), clock.within(within):
        space, pinned = pinned_space(spec, settings, data, fixed)
        from cospace.compiler.counting.count import solve_space
        from cospace.compiler.counting.values import values_of

        refuse_undefined(space, pinned)
        if alone and estimated is not None:
            from cospace.compiler.sampling.estimate import estimate

            _show_alone(estimate(space, estimated, seed, pinned), as_json, strict)
            return
        whole = solve_space(space, pinned)
        found = whole.count
        kept = values_of(whole) if values else None
        guess = None if estimated is None else _estimated(space, estimated, seed, pinned)
        limit = clock.reason() if clock.hit() else None
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
        if estimated is not None:
            answer["estimate"] = None if guess is None else _estimate_object(guess, found)
        if values:
            answer["values"] = None if kept is None else {c.path: _value_object(space, c) for c in kept}
        if limit is not None:
            answer["limit"] = limit
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        for line in describe(found):
            typer.echo(line)
        if guess is not None:
            typer.echo(f"{_describe_estimate(guess)}; {_compare(guess, found)}")
        if values:
            typer.echo("\n".join(_value_lines(space, kept)))
        if limit is not None and found.limit != limit:
            typer.echo(f"what is not exact, or not there, is unknown: {limit}")
    if strict and not found.exact:
        raise typer.Exit(1)


def _estimated(space: Space, drawn: int, seed: int, pinned: Mapping[str, Value]) -> Estimate | None:
    """An estimate beside the count; None where there was no time for it."""
    from cospace.compiler.sampling.estimate import estimate
    from cospace.compiler.sampling.sample import Unsampled

    try:
        return estimate(space, drawn, seed, pinned)
    except Unsampled:
        if not clock.hit():
            raise
        return None


def describe(found: Count) -> list[str]:
    """The count in words: exact integers where they are known, else the proved bounds and what stood in the way."""
    lines = ["more designs than could be counted" if found.raw is None else f"{found.raw:,} designs"]
    if found.exact and found.feasible is not None:
        share = f"{found.feasible / found.raw:.3%} of them, " if found.raw else ""
        return [*lines, f"{found.feasible:,} feasible, {share}exactly ({found.method})"]
    blame = f", at the requirement {found.responsible.reason!r}" if found.responsible is not None else ""
    return [*lines, f"{between(found.bounds)} feasible, proved; not exact: {found.limit}{blame}"]


def _show_alone(guess: Estimate, as_json: bool, strict: bool) -> None:
    """The estimate without a count beside it, which is an unknown."""
    if as_json:
        answer = {"raw": str(guess.raw), "feasible": None, "exact": False, "why": "not asked for"}
        typer.echo(json.dumps(answer | {"estimate": _estimate_object(guess, None)}, ensure_ascii=False))
    else:
        typer.echo(f"{guess.raw:,} designs\n{_describe_estimate(guess)}")
    if strict:
        raise typer.Exit(1)


def _describe_estimate(guess: Estimate) -> str:
    low, high = guess.bounds
    return (f"estimate: {_rounded(guess.feasible)} feasible, {_rounded(low)} to {_rounded(high)} with 95 % confidence"
            f" ({guess.met:,} of {guess.drawn:,} raw designs, seed {guess.seed})")  # fmt: skip


def _rounded(n: int) -> str:
    """A count that is not exact: six digits are enough."""
    if n < 1_000_000:
        return f"{n:,}"
    from decimal import Decimal

    return f"{Decimal(n):.5e}".replace("e+", "e")


def _compare(guess: Estimate, found: Count) -> str:
    if found.exact:
        return f"the exact count lies {'inside' if guess.holds(*found.bounds) else 'OUTSIDE'}"
    return "the proved bounds meet it" if guess.holds(*found.bounds) else "the proved bounds lie OUTSIDE"


def _estimate_object(guess: Estimate, found: Count | None) -> dict[str, object]:
    """The estimate for programs; `inside`: whether the count, or its proved bounds, meet the interval."""
    said: dict[str, object] = {
        "feasible": str(guess.feasible),
        "interval": [str(end) for end in guess.bounds],
        "confidence": 0.95,
        "drawn": guess.drawn,
        "met": guess.met,
        "seed": guess.seed,
    }
    return said if found is None else said | {"inside": guess.holds(*found.bounds)}


def _value_object(space: Space, counts: ValueCounts) -> dict[str, object]:
    """Each value with the designs that keep it: a number as text, or two where it lies between."""
    kept: dict[str, object] = dict(zip(_spelt(space, counts), map(ends, counts.counts), strict=True))
    return {"values": kept, "absent": ends(counts.absent)}


def _spelt(space: Space, counts: ValueCounts) -> list[str]:
    from cospace.compiler.space.model import spell

    d = space.decision(counts.path)
    return [spell(v, d.unit, d.scale) for v in d.values]


def _value_lines(space: Space, kept: tuple[ValueCounts, ...] | None) -> list[str]:
    """One line for each value of each decision."""
    if kept is None:
        return ["values: not counted, guards join too many decisions"]
    lines = []
    for counts in kept:
        lines += [
            f"{counts.path} = {shown}: {between(pair)}"
            for shown, pair in zip(_spelt(space, counts), counts.counts, strict=True)
        ]
        if counts.absent != (0, 0):
            lines.append(f"{counts.path} not there: {between(counts.absent)}")
    return lines
