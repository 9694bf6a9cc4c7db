"""The last dozen lines of a search: what was found, what it costs, what to type next."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from cospace.cli.figures import human
from cospace.compiler.space.model import spell_shown

if TYPE_CHECKING:
    from cospace.runtime.report_data import Result

SHOWN = 12
"""Designs of a front that are printed, at most."""


def print_summary(folder: Path, report: Path, again: str, seed: int) -> None:
    """Print the summary of a finished search from its files. again: the command that ran it; seed: another to try."""
    for line in summarise(folder):
        typer.echo(line)
    typer.echo(f"report       {report}")
    typer.echo(f"next         open {shlex.quote(str(report))}")
    typer.echo(f"             {again} --seed {seed} --out {shlex.quote(f'{folder}-seed{seed}')}")
    typer.echo(
        f"             cospace cost {shlex.quote(str(folder))} --designs {shlex.quote(str(folder / 'design.json'))}"
    )


def summarise(folder: Path) -> list[str]:
    """What design.json and space.json say, in lines: decisions by group, objectives, accuracy, the baseline."""
    from cospace.runtime.report_data import read_result
    from cospace.runtime.report_text import NARROWER, budgets, compare, describe_gap, describe_ranking, describe_tests

    result = read_result(folder)
    space = result.space
    lines = ["", f"{space.name}: the design that was chosen"]
    groups: dict[str, dict[str, Any]] = {}
    known = {d.path: d for d in space.decisions}
    for path, value in result.design["design"].items():
        group = known[path].group if path in known else path.split(".")[0]
        groups.setdefault(group, {})[path.removeprefix(group + ".")] = value
    for group, values in groups.items():
        lines += _wrap(group, _gather(values))
    used = [f"{share} of {reason}" for share, reason in budgets(result)]
    lines += [f"{'used':<12} {', '.join(used)} (modelled)"] if used else []
    for text, figure in result.objectives.items():
        if figure["value"] is not None and figure["modelled"]:
            lines.append(f"{_short(text):<12} {human(figure['value'], figure['unit'])} (modelled)")
    if gap := describe_gap(result, human):
        lines.append(f"{'optimum':<12} {gap}")
    lines += _front(result)
    test = result.design["accuracy"]["test"]
    if test:
        lines.append(f"{'accuracy':<12} {describe_tests(test)} on the test split, {_seeds(test)}")
    for one in result.design["switched"] if test else ():
        at = ", ".join(f"{path} = {value}" for path, value in one["at"].items())
        lines.append(f"{'':<12} {describe_tests(one['test'])} at {at}")
    if told := describe_ranking(result.run["ranking"]):
        lines += [f"{'ranking':<12} {told}", f"{'':<12} {NARROWER}"]
    baseline = result.design["baseline"]
    for gain, text, name, (_, theirs) in compare(result):
        lines.append(f"{'baseline':<12} {_short(text)}: {gain} than {name} ({human(*theirs)})")
    if baseline is not None and baseline["test"]:
        lines.append(
            f"{'':<12} {baseline['name']} itself: {describe_tests(baseline['test'])}, {_seeds(baseline['test'])}"
        )
    return lines


def _front(result: Result) -> list[str]:
    """A front of what is modelled: so many of its points, spread along the first objective."""
    from cospace.runtime.report_data import number

    columns = {text: f"{text} [{o['unit']}]" if o["unit"] else text for text, o in result.objectives.items()}
    points = [[number(row.get(c)) for c in columns.values()] for row in result.pareto if row.get("dominated") == "0"]
    whole = sorted(p for p in points if None not in p)
    if "error_choice" in (result.pareto or [{}])[0] or len(whole) < 2:
        return []
    many, units = len(whole), [o["unit"] for o in result.objectives.values()]
    shown = whole if many <= SHOWN else [whole[i * (many - 1) // (SHOWN - 1)] for i in range(SHOWN)]
    cells = [[_short(text) for text in columns], *([human(*v) for v in zip(p, units, strict=True)] for p in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    some = f"{SHOWN} of its {many:,} designs" if many > SHOWN else f"its {many} designs"
    return [f"{'front':<12} {some}; pareto.csv has all", *(f"{'':<12} {row}" for row in rows)]


def _seeds(test: list[float]) -> str:
    return f"{len(test)} seeds" if len(test) > 1 else "one seed"


def _gather(values: dict[str, Any]) -> list[str]:
    """`name value` in order. Copies for each layer, whose path carries the layer, stand together."""
    families: dict[str, list[tuple[str, str]]] = {}
    for path, value in values.items():
        shown = spell_shown(value)
        copy = re.fullmatch(r"(.+?)\[([^\[\]]*\..*)\]", path)  # `weights[net.conv[1].gcn]`
        stem, layer = (copy[1], copy[2].partition(".")[2]) if copy else (path, "")
        families.setdefault(stem, []).append((layer, shown))
    items = []
    for stem, copies in families.items():
        if len({shown for _, shown in copies}) == 1:
            items.append(f"{stem} {copies[0][1]}" + (f" in all {len(copies)} layers" if len(copies) > 1 else ""))
        else:
            items.append(f"{stem} " + " ".join(f"{shown} ({layer})" for layer, shown in copies))
    return items


def _wrap(name: str, items: list[str], width: int = 110) -> list[str]:
    lines, line = [], f"{name:<12} "
    for i, item in enumerate(items):
        text = item + ("" if i == len(items) - 1 else ", ")
        if len(line) + len(text) > width and line.strip() != name:
            lines.append(line.rstrip())
            line = " " * 13
        line += text
    return [*lines, line.rstrip()]


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
