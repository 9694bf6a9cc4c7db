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
    from cospace.compiler.mapping import describe

    record = describe(space, design)
    if out is not None:
        out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
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
    from cospace.compiler.space.designs import DesignError, parse_design

    given: dict[str, Value | Any] = {}
    if baseline is not None:
        found = next((r for r in space.references if r.name == baseline), None)
        if found is None:
            named = ", ".join(r.name for r in space.references) or "none"
            fail("CS819", f"there is no baseline {baseline!r}", f"the spec has {named}")
        given |= show_design(space, dict(found.design))
    if file is not None:
        read = list(read_designs(file))
        one = read[0].get("design", read[0]) if len(read) == 1 and isinstance(read[0], dict) else None
        if not isinstance(one, dict):
            fail("CS819", f"{file} holds {len(read)} designs", "give one, as `cospace sample SPEC -n 1 --json` does")
        given |= one
    narrowed = {d.path: d for d in read_fixed(space, fixed)[0].decisions}
    design: dict[str, Value] = {}
    left: list[str] = []
    shown: dict[str, Any] = {}
    for d in space.decisions:
        if evaluate(d.guard, design) is not True:
            if d.path in given and baseline is None:
                shown[d.path] = given[d.path]  # which is told to be none of this design's
            continue
        values = narrowed[d.path].values
        if len(values) > 1 and d.path not in given:
            left.append(d.path)
            continue
        if len(values) == 1:
            design[d.path] = values[0]
            shown |= show_design(space, {d.path: values[0]})
        else:
            shown[d.path] = given[d.path]
            design |= _read(space, d.path, given[d.path])
    if left:
        more = f" and {len(left) - MOST} more" if len(left) > MOST else ""
        fail(
            "CS819",
            f"this is not one design: {', '.join(left[:MOST])}{more} {'is' if len(left) == 1 else 'are'} open",
            "give --baseline NAME, --designs FILE, or --fix PATH=VALUE for each",
        )
    try:
        return parse_design(space, shown | {p: v for p, v in given.items() if p not in narrowed})
    except DesignError as error:
        fail("CS819", f"this is no design: {error}")


def _read(space: Space, path: str, written: object) -> dict[str, Value]:
    from cospace.compiler.space.designs import DesignError, position

    d = space.decision(path)
    try:
        return {path: d.values[position(d, written)]}
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
    if any(x["at"] for x in layers) or len({x["accelerator"] for x in layers}) > 1:
        return None
    values = [x["quantities"].get(name) for x in layers]
    if any(v is None or "exact" not in v for v in values):
        return None
    return sum(x["times"] * base(v) for x, v in zip(layers, values, strict=True))


def base(figure: Mapping[str, Any]) -> float:
    """A figure in base units."""
    from fractions import Fraction

    from cospace.compiler.space.units import COMMON

    if figure["exact"] is not None:
        return float(Fraction(figure["exact"]))
    scales = {name: float(scale) for units in COMMON.values() for name, scale in units}
    return float(figure["value"]) * scales.get(figure["unit"], 1.0)


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
        yield from _missing(layer["missing"])
        return
    if layer["maps"]:
        yield from _listed("maps", (f"{k} = {_value(v)}" for k, v in layer["maps"].items()))
    for n, line in enumerate(nest(layer["loops"])):
        yield ("  loops   " if n == 0 else " " * 10) + line
    rest = dict(layer["quantities"])
    for name in (*FIRST, *layer["splits"]):
        if name in rest:
            yield f"  {name:<7} {_figure(rest.pop(name))}{_share(layer, name, totals)}{_parts(layer, name)}"
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
    total = totals.get(name)
    if not total:
        return ""
    return f", {100 * layer['times'] * base(layer['quantities'][name]) / total:.1f} % of all"


def _parts(layer: Mapping[str, Any], name: str) -> str:
    parts = layer["splits"].get(name)
    return "" if not parts else ": " + ", ".join(f"{part} {_figure(f)}" for part, f in parts.items())


def _missing(missing: Mapping[str, Any]) -> Iterator[str]:
    yield "  NO MAPPING FITS"
    for line in short_of(missing):
        yield f"  {line}"


def short_of(missing: Mapping[str, Any]) -> Iterator[str]:
    """What a work without a mapping misses."""
    if missing["unknown"]:
        yield missing["unknown"]
        return
    maps = ", ".join(f"{k} = {_value(v)}" for k, v in missing["nearest"].items())
    yield f"the nearest has {maps}"
    for broken in missing["missing"]:
        yield f"{sentence(broken)}" + (f"  ({broken['place']})" if broken["place"] else "")


def sentence(broken: Mapping[str, Any]) -> str:
    """What one requirement misses: `"tiles fit" needs 48 KiB, 32 KiB are there: 16 KiB missing`."""
    said = f'"{broken["requirement"]}"'
    if broken["needs"] is None:
        return f"{said} does not hold"
    needs, there, missing = (_exact(broken[k]) for k in ("needs", "there", "missing"))
    return f"{said} needs {needs}, there is {there}: {missing} missing"


def _exact(figure: Mapping[str, Any]) -> str:
    """A quantity of data to the bit, where it is not whole in the unit that suits it."""
    from fractions import Fraction

    from cospace.compiler.space.units import COMMON, show_in

    if figure["exact"] is None:
        return _figure(figure)
    bits = {name: scale for name, scale in COMMON[(("bit", Fraction(1)),)]}
    value = Fraction(figure["exact"])
    unit = figure["unit"]
    if unit in bits and (value / bits[unit]).denominator != 1:
        unit = "bit"
    return show_in(value, unit, bits[unit]) if unit in bits else _figure(figure)


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
