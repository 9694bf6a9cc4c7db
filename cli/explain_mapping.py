"""`cospace explain SPEC --mapping`: the mapping of each layer of one design, as text, JSON, a picture and a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from cospace.cli.guard import fail

if TYPE_CHECKING:
    from cospace.compiler.space.graph import Value
    from cospace.compiler.space.model import Design, Space

FIRST = ("cycles", "energy")
"""Quantities that are told first, with each layer's share of all."""
WIDE = 100
"""Characters of a list, on a line."""
MOST = 4
"""Works of one layer's mapping that are listed."""


def explain_mapping(space: Space, design: Design, as_json: bool, out: Path | None, picture: Path | None) -> None:
    """Tell, write and draw the mapping of a design."""
    from cospace.compiler import clock
    from cospace.compiler.mapping import describe
    from cospace.compiler.mapping_file import dumps

    record = clock.attempt(
        lambda: describe(space, design),
        lambda: fail(
            "CS816", f"the mappings were not solved in time ({clock.reason()})", "--within sets another limit"
        ),
    )
    if out is not None:
        out.write_text(dumps(record), encoding="utf-8")
    if picture is not None:
        from cospace.runtime.report_mapping import picture_of

        picture.write_text(picture_of(record), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
        return
    for line in told(record):
        typer.echo(line)


def design_of(space: Space, baseline: str | None, file: Path | None, fixed: list[str] | None) -> Design:
    """The one design that is asked for. Raises SpecError (CS819) where it is none, or several."""
    from cospace.cli.cost import read_designs
    from cospace.cli.inputs import read_fixed, show_design
    from cospace.compiler.exact.exact import evaluate
    from cospace.compiler.space.designs import DesignError, parse_design, position

    given: dict[str, Any] = {}
    if baseline is not None:
        found = next((r for r in space.references if r.name == baseline), None)
        if found is None:
            named = ", ".join(r.name for r in space.references)
            fail("CS819", f"there is no baseline {baseline!r}", f"the spec has {named}" if named else None)
        given |= show_design(space, dict(found.design))
    if file is not None:
        read = list(read_designs(file))
        one = read[0].get("design", read[0]) if len(read) == 1 and isinstance(read[0], dict) else None
        if not isinstance(one, dict):
            fail("CS819", f"{file} does not hold one design", "`cospace sample SPEC -n 1 --json` writes one")
        given |= one
    narrowed, alone = read_fixed(space, fixed)
    only = {d.path: d.values[0] for d in narrowed.decisions if len(d.values) == 1} | alone
    design: dict[str, Value] = {}
    left: list[str] = []
    for d in space.decisions:
        live = evaluate(d.guard, design) is True
        if live and d.path in only:
            given[d.path] = show_design(space, {d.path: only[d.path]})[d.path]
        if not live:
            if d.path in alone:
                fail("CS819", f"{d.path} is not live in this design", "leave out its --fix, or change the others")
            given.pop(d.path, None)  # of a baseline that another value changes
        elif d.path not in given:
            left.append(d.path)
        else:
            try:
                design[d.path] = d.values[position(d, given[d.path])]
            except DesignError as error:
                fail("CS819", f"this is no design: {error}")
    if left:
        more = f" and {len(left) - MOST} more" if len(left) > MOST else ""
        fail(
            "CS819",
            f"this is not one design: {', '.join(left[:MOST])}{more} {'is' if len(left) == 1 else 'are'} open",
            "give --baseline NAME, --designs FILE, or --fix PATH=VALUE for each",
        )
    try:
        return parse_design(space, given)
    except DesignError as error:
        fail("CS819", f"this is no design: {error}")


# ---- as text


def told(record: Mapping[str, Any]) -> Iterator[str]:
    """A record of `describe` for people."""
    layers = record["layers"]
    if not layers:
        yield f"{record['space']} has no works that an accelerator serves in this design"
        return
    totals = {name: _total(layers, name) for name in FIRST}
    yield f"{record['space']}: {sum(len(x['works']) for x in layers)} works, {len(layers)} of which differ"
    for layer in layers:
        yield ""
        yield from _layer(layer, totals)


def _total(layers: list[Mapping[str, Any]], name: str) -> float | None:
    """What all works take together; None where one is not known, or works stand for several cases of one."""
    from cospace.compiler.mapping import in_base

    if any(x["at"] for x in layers) or len({x["accelerator"] for x in layers}) > 1:
        return None
    values = [x["quantities"].get(name) for x in layers]
    if any(v is None or "exact" not in v for v in values):
        return None
    return sum(x["times"] * in_base(v) for x, v in zip(layers, values, strict=True))


def _layer(layer: Mapping[str, Any], totals: Mapping[str, float | None]) -> Iterator[str]:
    from cospace.compiler.mapping import nest

    works = layer["works"]
    often = f"  ({layer['times']} times)" if layer["times"] != 1 else ""
    yield f"{works[0]}{often}"
    for n in range(1, min(len(works), MOST)):
        yield f"{works[n]}"
    if len(works) > MOST:
        yield f"and {len(works) - MOST} more"
    for path, value in layer["at"].items():
        yield f"  at {path} = {value}"
    dims = ", ".join(f"{k} = {_value(v)}" for k, v in layer["dims"].items())
    yield f"  {layer['rule']}({dims})"
    if layer["maps"] is None:
        yield from _missing(layer["missing"], "WAS MET" if "unproved" in layer else "FITS")
        return
    if "unproved" in layer:
        yield f"  maps are {layer['unproved']}"
    if layer["maps"]:
        yield from _listed("maps", (f"{k} = {_value(v)}" for k, v in layer["maps"].items()))
    for n, line in enumerate(nest(layer["loops"])):
        yield ("  loops   " if n == 0 else " " * 10) + line
    rest = dict(layer["quantities"])
    used = next((k for k in rest if k.rpartition(".")[2] == "utilisation"), None)
    busy = f", {100 * rest.pop(used)['value']:.1f} % utilised" if used is not None else ""
    for name in (*FIRST, *layer["splits"]):
        if name in rest:
            told = f"{_figure(rest.pop(name))}{_share(layer, name, totals)}{busy if name == FIRST[0] else ''}"
            yield f"  {name:<7} {told}{_parts(layer, name)}"
    if rest:
        yield from _listed("also", (f"{name} = {_figure(f)}" for name, f in rest.items()))


def _listed(name: str, parts: Iterable[str]) -> Iterator[str]:
    """Parts behind a name, on as many lines as they take."""
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > WIDE:
            lines.append("")
        lines[-1] += f", {part}" if lines[-1] else part
    for n, line in enumerate(lines):
        yield f"  {name if n == 0 else '':<7} {line}" + ("," if n < len(lines) - 1 else "")


def _share(layer: Mapping[str, Any], name: str, totals: Mapping[str, float | None]) -> str:
    from cospace.compiler.mapping import in_base

    total = totals.get(name)
    if not total:
        return ""
    return f", {100 * layer['times'] * in_base(layer['quantities'][name]) / total:.1f} % of all"


def _parts(layer: Mapping[str, Any], name: str) -> str:
    parts = layer["splits"].get(name)
    return "" if not parts else ": " + ", ".join(f"{part} {_figure(f)}" for part, f in parts.items())


def _missing(missing: Mapping[str, Any], there: str) -> Iterator[str]:
    yield f"  NO MAPPING {there}"
    if missing["nearest"]:
        yield from _listed("nearest", (f"{k} = {_value(v)}" for k, v in missing["nearest"].items()))
    for line in short_of(missing):
        yield f"  {'unknown' if missing['unknown'] else 'misses'}  {line}"


def short_of(missing: Mapping[str, Any]) -> Iterator[str]:
    """What a work without a mapping misses."""
    from cospace.compiler.mapping_missing import sentence

    if missing["unknown"]:
        yield missing["unknown"]
        return
    for broken in missing["missing"]:
        yield sentence(broken) + (f"  ({broken['place']})" if broken["place"] else "")


def _figure(figure: Mapping[str, Any]) -> str:
    from cospace.cli.figures import human

    value = figure["value"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return human(value, figure["unit"] if value else None)


def _value(value: object) -> str:
    from cospace.compiler.space.model import spell_shown

    return spell_shown(value)


__all__ = ["design_of", "explain_mapping", "short_of", "told"]
