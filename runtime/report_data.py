"""The files of a result folder, read for reports: checked, with damage named, never trusted."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen
from cospace.compiler.mapping_file import is_record
from cospace.compiler.space.designs import DesignError, parse_design
from cospace.compiler.space.model import Design, Space, spell_shown
from cospace.compiler.space.schema import loads
from cospace.compiler.space.units import COMMON
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError
from cospace.runtime.ranking import Ranking

_SIZES = {name: float(scale) for units in COMMON.values() for name, scale in units}


@frozen
class Figure:
    """A number as it is shown, with its unit, and in base units."""

    value: float
    unit: str = ""
    base: float = 0.0


@frozen
class Work:
    """A live work of the chosen design, with the quantities that its rule states. times: how many of it there are."""

    path: str
    kind: str
    layer: str
    rule: str
    maps: Mapping[str, Any]
    figures: Mapping[str, Figure]
    times: float = 1.0


@frozen
class Result:
    """One finished or stopped run.

    objectives: text -> {"value", "unit", "modelled", "sense"}. history: one flat mapping an event.
    pareto: one mapping a design, every column as text or number. parsed: the design as values, None when unreadable.
    """

    folder: Path
    space: Space
    run: Mapping[str, Any]
    design: Mapping[str, Any]
    parsed: Design | None
    objectives: Mapping[str, Mapping[str, Any]]
    works: Sequence[Work]
    quantities: Mapping[str, Figure]
    pareto: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    baselines: Mapping[str, Any]
    mapping: Mapping[str, Any] | None = None


def read_result(folder: Path) -> Result:
    """Read a result folder. Raises SpecError: CS812 for what is missing or damaged, CS80x for space.json."""
    folder = Path(folder)
    if not folder.is_dir():
        _refuse(f"{folder} is not a folder")
    if not (folder / "design.json").is_file() and not (folder / "run.json").is_file():
        _refuse(f"{folder} holds no result")
    if not (folder / "design.json").is_file():
        _refuse(f"{folder} holds a run that has not chosen a design yet", f"cospace resume {folder} goes on with it")
    space = loads(_text(folder / "space.json"), str(folder / "space.json"))
    design = _json(folder / "design.json")
    if not isinstance(design.get("design"), dict):
        _refuse(f"{folder / 'design.json'} holds no design")
    design = _clean(design)
    try:
        parsed = parse_design(space, design["design"])
    except DesignError:
        parsed = None
    senses = {o.text: o.sense for o in space.objectives}
    listed = [o for o in _list(design.get("objectives")) if isinstance(o, dict)]
    breakdown = _dict(design.get("breakdown"))
    return Result(
        folder=folder,
        space=space,
        run=_read_run(folder / "run.json"),
        design=design,
        parsed=parsed,
        objectives={
            str(o.get("text")): {
                "value": number(o.get("value")), "unit": str(o.get("unit") or ""), "modelled": bool(o.get("modelled")),
                "sense": senses.get(str(o.get("text")), "minimize"),
            } for o in listed
        },
        works=[_work(w) for w in _list(breakdown.get("works")) if isinstance(w, dict)],
        quantities=_figures(_pairs(breakdown.get("quantities"))),
        pareto=list(_rows(folder / "pareto.csv")),
        history=list(_events(folder / "history.jsonl")),
        baselines=_json(folder / "baselines.json") if (folder / "baselines.json").is_file() else {},
        mapping=_mapping(folder / "mapping.json"),
    )  # fmt: skip


def _read_run(path: Path) -> dict[str, Any]:
    """run.json with records and lists of the right kinds, empty where there are none; `ranking`: a Ranking or None."""
    run = _json(path) if path.is_file() else {}
    try:
        ranking = Ranking.from_json(_dict(run.get("ranking")))
    except (KeyError, TypeError, ValueError, OverflowError):
        ranking = None
    records = {key: _dict(run.get(key)) for key in ("settings", "versions", "budget")}
    return {**run, **records, "ranking": ranking, "left out": _list(run.get("left out"))}


def _mapping(path: Path) -> dict[str, Any] | None:
    """mapping.json, where there is one."""
    if not path.is_file():
        return None
    read = _json(path)
    if not is_record(read):
        _refuse(
            f"{path} is damaged", "`cospace explain SPEC --mapping --designs design.json --out FILE` writes another"
        )
    return read


def number(value: Any) -> float | None:
    """A finite float, or None."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def read_figure(value: Any) -> Figure | None:
    """Of `3.5` or `{"value": 3.5, "unit": "pJ", "exact": "7/2000000000000"}`, exact in base units."""
    if not isinstance(value, dict):
        plain = number(value)
        return None if plain is None else Figure(plain, "", plain)
    plain = number(value.get("value"))
    if plain is None:
        return None
    unit = str(value.get("unit") or "")
    try:
        base = number(Fraction(value["exact"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        base = plain * _SIZES.get(unit, 1.0)  # irrational: told without its exact value
    return Figure(plain, unit, plain if base is None else base)


def _figures(pairs: Iterable[tuple[str, Any]]) -> dict[str, Figure]:
    found = ((str(name), read_figure(value)) for name, value in pairs)
    return {name: figure for name, figure in found if figure is not None}


def _clean(design: dict[str, Any]) -> dict[str, Any]:
    """design.json with `accuracy`, `gap` and `baseline` of the right kinds, whatever the file holds there."""
    accuracy, baseline = _dict(design.get("accuracy")), design.get("baseline")
    tests = [value for item in _list(accuracy.get("test")) if (value := number(item)) is not None]
    clean = {**design, "accuracy": {"choice": number(accuracy.get("choice")), "test": tests}, "baseline": None}
    clean["gap"] = _gap(design.get("gap"))
    clean["switched"] = [_switched(item) for item in _list(design.get("switched")) if isinstance(item, dict)]
    if isinstance(baseline, dict):
        listed = [o for o in _list(baseline.get("objectives")) if isinstance(o, dict)]
        own = [v for item in _list(_dict(baseline.get("accuracy")).get("test")) if (v := number(item)) is not None]
        name, chosen = str(baseline.get("name") or "the baseline"), _dict(baseline.get("design"))
        clean["baseline"] = {"name": name, "design": chosen, "objectives": listed, "test": own}
    return clean


def _switched(item: dict[str, Any]) -> dict[str, Any]:
    tests = [v for x in _list(item.get("test")) if (v := number(x)) is not None]
    return {"at": {str(p): spell_shown(v) for p, v in _dict(item.get("at")).items()}, "test": tests}


def _gap(value: Any) -> dict[str, Any] | None:
    """How far from the optimum the design is: `state`, and the numbers that are known."""
    if not isinstance(value, dict) or value.get("state") not in ("proved", "bounded", "unknown"):
        return None
    numbers = {name: number(value.get(name)) for name in ("share", "bound", "met")}
    texts = {name: str(value.get(name) or "") for name in ("unit", "how", "of")}
    by = [str(text) for text in _list(value.get("by"))]
    return {"state": value["state"], "by": by} | texts | numbers


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_PLACED = {"path", "kind", "layer", "rule", "maps", "dims", "facts", "call", "accelerator", "times"}


def _work(item: Mapping[str, Any]) -> Work:
    given = item.get("quantities") if isinstance(item.get("quantities"), dict) else {}
    own = {k: v for k, v in item.items() if k not in _PLACED and k != "quantities"} | dict(given or {})
    maps = dict(_pairs(item.get("maps")))
    layer = str(item.get("layer") or item.get("call") or "")
    times = number(item.get("times"))
    rule = str(item.get("rule") or "")
    return Work(
        str(item.get("path")), str(item.get("kind", "")), layer, rule, maps, _figures(own.items()),
        1.0 if times is None else times,
    )  # fmt: skip


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _refuse(message: str, help: str | None = None) -> NoReturn:
    help = help or "`cospace search SPEC --out FOLDER` makes a result folder"
    raise SpecError((Diagnostic("CS812", "error", message, NOWHERE, help=help),)) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is not text'}")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError):
        _refuse(f"{path} is damaged: it is not JSON")
    if not isinstance(data, dict):
        _refuse(f"{path} is damaged: it holds no record")
    return data


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.is_file():
        for row in csv.DictReader(_text(path).splitlines()):
            yield {k: v for k, v in row.items() if k is not None}


def _events(path: Path) -> Iterator[Mapping[str, Any]]:
    """One flat mapping a line; a torn last line is left out."""
    if not path.is_file():
        return
    for line in _text(path).splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            values = event.pop("values", None)
            yield event | (values if isinstance(values, dict) else {})
