"""`cospace diff`: what the change of a spec did to its space."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cospace.cli import options
from cospace.cli.figures import between, ends, human, objectives
from cospace.cli.guard import verb

if TYPE_CHECKING:
    from cospace.compiler.checks.difference import Difference, Side
    from cospace.compiler.space.graph import Value
    from cospace.compiler.space.model import Decision, Space


@verb
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="the spec as it was, or its compiled space")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="the spec as it is, or its compiled space")],
    settings: options.Set = None,
    data: options.Data = None,
    fixed: options.Fix = None,
    as_json: options.Json = False,
    within: options.Within = options.SECONDS,
    time: options.Time = False,
) -> None:
    """Compare two specs: designs that were lost and gained, counted, with one of each and the reason.

    A decision that --fix pins and that only one of them has is left out of the comparison.
    """
    from cospace.cli.inputs import load, refuse_undefined, timed

    with timed(time):
        from cospace.compiler import clock
        from cospace.compiler.checks.difference import difference

        with clock.within(within):
            spaces = load(old, settings, data), load(new, settings, data)
            pinned = _pins(spaces, fixed)
            for space, held in zip(spaces, pinned, strict=True):
                refuse_undefined(space, held)
            found = difference(*spaces, pinned)
    if as_json:
        typer.echo(json.dumps(_object(spaces, found), ensure_ascii=False))
    else:
        typer.echo("\n".join(describe(spaces, found)))


def _pins(spaces: tuple[Space, Space], fixed: list[str] | None) -> tuple[dict[str, Value], dict[str, Value]]:
    """Each `--fix` in the spaces that have the decision; wrong use where neither has it."""
    from cospace.cli.inputs import has_decision, read_fixed

    mine: tuple[list[str], list[str]] = [], []
    for item in fixed or ():
        path = item.rpartition("=")[0].strip()
        having = [own for own, space in zip(mine, spaces, strict=True) if has_decision(space, path)]
        for own in having or mine:  # where neither has it, reading it says what there is
            own.append(item)
    found = []
    for space, own in zip(spaces, mine, strict=True):
        shared, alone = read_fixed(space, own)
        held = {d.path: d.values[0] for d in shared.decisions if space.decision(d.path).values != d.values}
        found.append(held | alone)
    return found[0], found[1]


# ---- in words


def describe(spaces: tuple[Space, Space], found: Difference) -> list[str]:
    """What was written otherwise, and what that did."""
    from cospace.cli.inputs import spell_design

    lines = [*_written(spaces, found)]
    before, after, both = map(between, (found.old.bounds, found.new.bounds, found.kept))
    lines.append(f"designs   {before} before, {after} after, {both} in both")
    for word, side, space in (("lost", found.lost, spaces[0]), ("gained", found.gained, spaces[1])):
        lines.append(f"{word:<9} {between(side.count)}" + _undecided(side))
        if side.example is not None:
            design = spell_design(space, side.example)
            lines.append("          for instance " + ", ".join(f"{path} = {value}" for path, value in design.items()))
            lines.append(f"          because {_because(word, side)}")
    apart = [d for pair in found.decisions if None in pair for d in pair if d is not None and len(d.values) > 1]
    if apart and found.kept == (0, 0):
        lines.append(f"to compare without what only one of them has, pin it: --fix {apart[0].path}=VALUE")
    if found.lost.count == found.gained.count == (0, 0):
        lines.append("the same designs, proved")
    if found.limit is not None:
        lines.append(f"unknown   what is not exact: {found.limit}")
    return lines


_COPY = re.compile(r"(?: \(at [^()]*\)| \[[^\[\]]*\])+$")
"""What tells the copies of a requirement apart, behind its reason."""


def _because(word: str, side: Side) -> str:
    where = "the new spec says" if word == "lost" else "the old spec said"
    return f"{where}: {side.why}"


def _undecided(side: Side) -> str:
    return ", not decided whether there is one" if side.example is None and side.count != (0, 0) else ""


def _written(spaces: tuple[Space, Space], found: Difference) -> list[str]:
    lines = []
    for old, new in found.decisions:
        lines.append(f"decision  {_decision(old, new)}")
    for kind, pairs in (("require", found.requirements), ("objective", found.objectives)):
        said = [f"{_change(a, b)}: {_called(a or b)}" for a, b in pairs]
        alike = Counter(_COPY.sub("", text) for text in said)  # a loop's passes, values that are bound later
        for text in dict.fromkeys(t if alike[_COPY.sub("", t)] == 1 else _COPY.sub("", t) for t in said):
            lines.append(f"{kind:<9} {text}" + (f" ({alike[text]} times)" if alike[text] > 1 else ""))
    lines += [f"          {line}" for line in _moved(spaces, found)]
    return lines


def _change(old: object, new: object) -> str:
    return "new" if old is None else "gone" if new is None else "otherwise"


def _called(of: object) -> str:
    return str(next(getattr(of, name) for name in ("path", "reason", "text") if hasattr(of, name)))


def _decision(old: Decision | None, new: Decision | None) -> str:
    from cospace.cli.words import domain, plain

    if old is None or new is None:
        one = old or new
        assert one is not None
        return f"{_change(old, new)}: {one.path} = {domain(one)}"
    said = []
    for word, one, other in (("without", old, new), ("with", new, old)):
        values = [plain(v, one.unit, one.scale) for v in one.values if v not in other.values]
        said += [f"{word} {', '.join(values)}"] if values else []
    if old.guard is not new.guard:
        said.append("live at other designs")
    if old.allowed != new.allowed:
        said.append("with a domain that depends otherwise")
    return f"{_change(old, new)}: {new.path}, {', '.join(said) or 'in another order'}"


def _moved(spaces: tuple[Space, Space], found: Difference) -> list[str]:
    """Objectives that read otherwise, at a design of both."""
    if found.example is None:
        return []
    changed = [a.text for a, b in found.objectives if a is not None and b is not None]
    values = [objectives(space, design) for space, design in zip(spaces, found.example, strict=True)]
    lines = []
    for text in changed:
        was, now = (v.get(text, {"value": None, "unit": ""}) for v in values)
        if was["value"] is not None and now["value"] is not None:
            ends = (human(f["value"], str(f["unit"])) for f in (was, now))
            lines.append(f"{text}: {' before, '.join(ends)} now, at a design of both")
    return lines


# ---- for programs


def _object(spaces: tuple[Space, Space], found: Difference) -> dict[str, object]:
    from cospace.cli.inputs import show_design

    def side(of: Side, space: Space) -> dict[str, object]:
        design = None if of.example is None else show_design(space, of.example)
        return {"count": ends(of.count), "example": design, "why": of.why}

    def changes(pairs: tuple[tuple[object, object], ...]) -> list[dict[str, str]]:
        return [{"name": _called(a or b), "change": _change(a, b)} for a, b in pairs]

    return {
        "before": ends(found.old.bounds), "after": ends(found.new.bounds), "both": ends(found.kept),
        "lost": side(found.lost, spaces[0]), "gained": side(found.gained, spaces[1]),
        "decisions": changes(found.decisions), "requirements": changes(found.requirements),
        "objectives": changes(found.objectives), "limit": found.limit,
    }  # fmt: skip
