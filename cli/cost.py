"""`cospace cost`: what given designs cost, with every work, its rule and its solved maps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from cospace.cli import options
from cospace.cli.guard import fail, verb

if TYPE_CHECKING:
    from cospace.compiler.elaborate.given import Given
    from cospace.compiler.space.model import Space


VERDICTS = {True: "feasible", False: "not feasible", None: "not known to be feasible"}


@verb
def cost(
    spec: options.Spec,
    designs: Annotated[
        Path | None,
        typer.Option("--designs", metavar="FILE", help="one design a line as JSON, or a design.json; - reads stdin"),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help="mappings that `cospace explain SPEC --mapping --out` wrote"),
    ] = None,
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    as_json: options.Json = False,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Evaluate designs exactly. With --json one answer a line; a line that is not a design is an error for it alone.

    --within is what reading the spec may take, and then each design. With --mapping works have the mappings of its file
    in place of those that are solved; without --designs its design is evaluated.
    """
    from cospace.cli.inputs import fixed_space, load, timed
    from cospace.compiler import clock

    if designs is None and mapping is None:
        raise typer.BadParameter("--designs or --mapping is needed", param_hint="--designs")

    failed = False
    with timed(time):
        with clock.within(within):
            space, given, entries = load(spec, settings, data), {}, None
            if mapping is not None:
                space, given, entries = _mapped(space, mapping)
            space = fixed_space(space, fixed)
        for number, entry in enumerate(entries or () if designs is None else read_designs(designs)):
            with clock.within(within):
                answer = clock.attempt(partial(_evaluate, space, entry, given), _cut)
            failed |= "error" in answer
            if as_json:
                typer.echo(json.dumps(answer, ensure_ascii=False))
            else:
                _say(number, answer)
    if failed:
        raise typer.Exit(1)


def _cut() -> dict[str, Any]:
    from cospace.compiler import clock

    return {"error": {"path": None, "reason": f"not evaluated: {clock.reason()}"}}


def read_designs(path: Path) -> Iterator[Any]:
    """What each line holds (or the error that it gives); a file that is one JSON object is one design, or what `best`
    tells of several."""
    from cospace.cli.inputs import read_text

    text = sys.stdin.read() if str(path) == "-" else read_text(path, "CS810")
    try:
        whole = json.loads(text)
        listed = whole.get("designs") if isinstance(whole, dict) else None
        yield from listed if isinstance(listed, list) else [whole]
        return
    except (ValueError, RecursionError):
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        fail("CS810", f"{path} holds no designs", "`cospace sample SPEC -n 10 --json` writes some")
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            yield error


def _mapped(space: Space, file: Path) -> tuple[Space, Mapping[str, Sequence[Given]], list[Any]]:
    """The space with the mappings of a file, these, and the design that they were solved for."""
    from cospace.cli.inputs import read_text
    from cospace.compiler.mapping import with_mappings
    from cospace.compiler.mapping_file import read_given

    try:
        read = json.loads(read_text(file, "CS817"))
    except (ValueError, RecursionError):
        read = None
    given = read_given(read, str(file))
    return with_mappings(space, given), given, [read.get("design")]


def _evaluate(space: Space, entry: Any, given: Mapping[str, Sequence[Given]]) -> dict[str, Any]:
    from cospace.compiler.cost import breakdown
    from cospace.compiler.space.designs import DesignError, parse_design

    if isinstance(entry, Exception):
        return {"error": {"path": None, "reason": f"not JSON: {entry}"}}
    if isinstance(entry, dict) and isinstance(entry.get("design"), dict):
        entry = entry["design"]
    if not isinstance(entry, dict):
        return {"error": {"path": None, "reason": "a design is an object: decision's path -> value"}}
    try:
        design = parse_design(space, entry)
    except DesignError as error:
        return {"error": {"path": error.path, "reason": error.reason}}
    if given:
        from cospace.cli.explain_mapping import short_of
        from cospace.compiler.mapping import unmet

        broken = unmet(space, design, given)
        if broken:
            reason = f"no such mapping in this design: {'; '.join(short_of(broken[0]))}"
            return {"error": {"path": broken[0]["path"], "code": "CS818", "reason": reason, "works": broken}}
    return breakdown(space, design)


def _say(number: int, answer: dict[str, Any]) -> None:
    from cospace.cli.figures import human
    from cospace.compiler.space.model import spell_shown

    start = "\n" if number else ""
    if "error" in answer:
        error = answer["error"]
        code = f"{error['code']}: " if "code" in error else ""
        typer.echo(f"{start}design {number + 1}: {error['path'] or 'error'}: {code}{error['reason']}")
        for work in error.get("works", ())[1:]:
            from cospace.cli.explain_mapping import short_of

            typer.echo(f"  {work['path']}: {'; '.join(short_of(work))}")
        return
    beside = f"; {answer['unproved']}" if "unproved" in answer else ""
    typer.echo(f"{start}design {number + 1}: {VERDICTS[answer['feasible']]}{beside}")
    for broken in answer["violated"]:
        typer.echo(f"  violates {broken.get('reason') if isinstance(broken, dict) else broken}")
    if any(isinstance(b, dict) and b.get("origin") == "map" for b in answer["violated"]):
        typer.echo("  (`cospace explain SPEC --mapping --designs FILE` tells what a mapping lacks)")
    for text, figure in _figures(answer["objectives"]):
        value = figure.get("value")
        unknown = "it has no value" if "exact" in figure else "known only after running"
        shown = unknown if value is None else human(value, figure.get("unit"))
        typer.echo(f"  {text}: {shown}")
    for path, figure in answer["quantities"].items():
        if path not in answer["objectives"] and figure["value"] is not None:
            typer.echo(f"  {path} = {human(figure['value'], figure['unit'])}")
    for work in answer["works"]:
        maps = ", ".join(
            f"{path.rpartition('.')[2]} = {spell_shown(v)}" for path, v in (work.get("maps") or {}).items()
        )
        figures = ", ".join(
            f"{name} {human(_number(work[name]), _unit(work[name]))}" for name in ("cycles", "energy") if name in work
        )
        at = "".join(f" at {path} = {spell_shown(value)}" for path, value in work["at"].items())
        ends = [figures, *([maps] if maps else []), *([work["unproved"]] if "unproved" in work else [])]
        typer.echo(f"  {work['path']}{at}: {'; '.join([str(work['rule']), *ends])}")


def _figures(given: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(given, dict):
        return list(given.items())
    return [(item["text"], item) for item in given]


def _number(given: Any) -> Any:
    return given.get("value") if isinstance(given, dict) else given


def _unit(given: Any) -> str | None:
    return given.get("unit") if isinstance(given, dict) else None
