"""`cospace best`: the proved best of what is modelled, without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import evolve
from cospace.cli import options
from cospace.cli.guard import fail, show, verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from cospace.compiler.engines.candidates import Values
    from cospace.compiler.engines.exhaustive import Best
    from cospace.compiler.space.graph import Value
    from cospace.compiler.space.model import Design, Space

Answer = dict[str, dict[str, Any]]
SHOWN = 12
"""Designs of a front that are printed for a reader, at most."""


@verb
def best(
    spec: options.Spec,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    strict: Annotated[bool, typer.Option("--strict", help="not proved to be the best is an error (status 1)")] = False,
    as_json: options.Json = False,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="also write a proof that can be checked without cospace"),
    ] = None,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Find the best design of what is modelled, or the exact front where there are several objectives.

    Where the time is up, the best that was met until then is told, and how much better another could be at most.
    """
    from cospace.cli.figures import human, objectives, told
    from cospace.cli.inputs import load, read_fixed, show_design, sources, spell_design, timed
    from cospace.cli.render import to_json
    from cospace.compiler import clock

    with timed(time), clock.within(within):
        whole = load(spec, settings, data)
        space, pinned = read_fixed(whole, fixed)
        from cospace.compiler.engines.best import best as find_best
        from cospace.compiler.engines.best import infeasible

        found = find_best(space, pinned)
        uncertified = None if certificate is None else _certify(spec, whole, space, pinned, found, certificate)
        if certificate is not None and uncertified is None and not found.certified:
            found = evolve(found, certified=True, bound=None, how=f"{found.how}; proved by its certificate")
        conflict = infeasible(space, pinned) if found.certified and not found.designs else None
        limit = clock.reason() if clock.hit() else None
    conflicts = (conflict,) if conflict is not None else ()
    settled = {d.path for d in space.decisions if len(d.values) == 1} | set(pinned)
    designs = [d for d, _ in _some(found, None if as_json else SHOWN)]
    answers: list[Answer] = [{"design": show_design(space, d), "objectives": objectives(space, d)} for d in designs]
    if as_json:
        head = {"certified": found.certified, "evaluated": found.evaluated, "how": found.how}
        head |= {"diagnostics": to_json(conflicts, sources)} if conflicts else {}
        head |= {"bound": None if found.bound is None else _bound(space, found.bound)} if not found.certified else {}
        head |= {"limit": limit} if limit is not None else {}
        if certificate is not None:
            head |= {"certificate": {"written": uncertified is None, "reason": uncertified}}
        typer.echo(json.dumps(head | {"designs": answers}, ensure_ascii=False))
    elif conflicts:
        show(conflicts)
    else:
        for i, (design, answer) in enumerate(zip(designs, answers, strict=True)):
            open_ones = {path: v for path, v in spell_design(space, design).items() if path not in settled}
            typer.echo("\n" * bool(i) + "\n".join(f"{path} = {value}" for path, value in open_ones.items()))
            for text, figure in answer["objectives"].items():
                value, unit = figure["value"], str(figure["unit"])
                typer.echo(f"{text}: {told(figure) if value is None else human(value, unit)}")
        if not answers:
            typer.echo("no feasible design was met; `cospace check` says whether there is one", err=True)
        if len(designs) < len(found.designs):
            every = f"{len(found.designs):,} designs of the front"
            typer.echo(f"\nthese are {len(designs)} of the {every}, spread over it; --json prints all")
        proof = "proved" if found.certified else "not proved to be the best"
        if found.bound is not None:
            proof += _gap(space, found.bound, answers[0])
        typer.echo(
            f"\n{proof}{': ' if found.bound is None else '; '}{found.evaluated:,} designs evaluated, {found.how}"
        )
        if certificate is not None and uncertified is None:
            typer.echo(f"certificate: {certificate}, accepted by the checker")
    if uncertified is not None:
        fail("CS820", f"no certificate was written: {uncertified}", "`cospace explain CS820` says what can have one")
    if not answers or (strict and not found.certified):
        raise typer.Exit(1)


def _certify(
    spec: Path, whole: Space, space: Space, pinned: Mapping[str, Value], found: Best, file: Path
) -> str | None:
    """Write a certificate of what was found; else why there is none."""
    from cospace.cli.certificates import write_optimum
    from cospace.compiler.checks.optimum import Asked
    from cospace.compiler.clock import attempt, reason

    fixed = {path: value for path, value, _ in space.pinned} | dict(pinned)
    asked = Asked(found.designs, fixed, tuple(pinned))
    why = attempt(lambda: write_optimum(spec, whole, asked, file), reason)
    unproved = "what was found is not proved to be the best, and " if not found.certified else ""
    return None if why is None else unproved + why


def _some(found: Best, most: int | None) -> list[tuple[Design, Values]]:
    """The designs with what their objectives are; of more than `most` so many, along the first objective."""
    from cospace.compiler.engines.candidates import middle

    pairs = list(zip(found.designs, found.objectives, strict=True))
    if most is None or len(pairs) <= most:
        return pairs
    pairs.sort(key=lambda pair: middle(pair[1][0]))
    return [pairs[i * (len(pairs) - 1) // (most - 1)] for i in range(most)]


def _bound(space: Space, bound: Fraction) -> dict[str, object]:
    """What the modelled objective is at no design better than, as objectives are told."""
    from cospace.cli.figures import to_float

    (goal,) = (o for o in space.objectives if not o.measured)
    shown = bound / goal.scale
    return {"value": to_float(shown), "unit": goal.unit, "exact": str(shown)}


def _gap(space: Space, bound: Fraction, answer: Answer) -> str:
    """How much better than what was found another could be at most."""
    from cospace.cli.figures import human, told

    (goal,) = (o for o in space.objectives if not o.measured)
    figure, reached = _bound(space, bound), answer["objectives"][goal.text]["value"]
    end = told(figure) if figure["value"] is None else human(figure["value"], goal.unit)
    said = f": no design has {'less' if goal.sense == 'minimize' else 'more'} than {end}"
    if figure["value"] is None or not reached or not bound:
        return said
    return f", at most {abs(figure['value'] - reached) / abs(reached):.2%} from it" + said  # type: ignore[operator]
