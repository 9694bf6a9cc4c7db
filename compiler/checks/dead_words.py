"""What is said of values that no feasible design takes: each once, at what a user would take out.

A decision that lives only where another takes such values has none of its own to be told: it goes with them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import evolve
from cospace.compiler.bounds.intervals import Bounder
from cospace.compiler.checks.emptied import emptied
from cospace.compiler.checks.findings import Case, Claim, Finding, shown, shown_paths, shown_values
from cospace.compiler.space.graph import TRUE
from cospace.compiler.space.model import Decision, Requirement, Space
from cospace.dsl.diagnostics import Diagnostic, Label

NAMED = 4
"""Values that are named of those that were not decided."""
NONE = "dead values: none, each value is in a feasible design"


def dead_values(case: Case) -> Finding:
    """Values that no feasible design takes."""
    if not case.witnesses.missing:
        return Finding(True, (NONE,))
    from cospace.compiler.checks.dead import settle_missing  # which loads numpy

    space = case.space
    found = settle_missing(case.drawn)
    dead: dict[str, dict[int, tuple[Requirement, ...]]] = {}
    for (v, k), core in found.dead.items():
        dead.setdefault(space.decisions[v].path, {})[k] = core
    claims = tuple(Claim("dead", space.decisions[v].path, space.decisions[v].values[k]) for v, k in found.dead)
    inside = _inside(space, dead)
    every = {(path, k) for path, mine in dead.items() for k in mine}
    alike: dict[object, list[tuple[str, Diagnostic]]] = {}
    for path, mine in dead.items():
        if path not in inside:
            d = space.decision(path)
            told = _told(space, d, mine, every)
            key = (d.span, told.message, tuple(label.span for label in told.labels))
            alike.setdefault(key, []).append((path, told))
    diagnostics = tuple(_named([path for path, _ in copies], copies[0][1]) for copies in alike.values())
    if found.unknown:
        pairs = [(space.decisions[v], k) for v, k in found.unknown]
        left = ", ".join(f"{d.path} = {shown(space, d.path, d.values[k])}" for d, k in pairs[:NAMED])
        left += f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
        left += f" ({found.limit})" if found.limit else ""
        return Finding(None, (), (f"dead values: not decided for {left}",), diagnostics, claims)
    return Finding(True, (_counted(dead, inside),), (), diagnostics, claims)


def _counted(dead: Mapping[str, Collection[int]], inside: Collection[str]) -> str:
    if not dead:
        return NONE
    within = sum(len(mine) for path, mine in dead.items() if path in inside)
    said = f"dead values: {sum(map(len, dead.values())) - within} found"
    return said + (f", and {within} of decisions that live only with them" if within else "")


def _inside(space: Space, dead: Mapping[str, Collection[int]]) -> set[str]:
    """The decisions that live only where another takes a dead value: those of an alternative that is one."""
    bounder = Bounder({
        d.path: [v for k, v in enumerate(d.values) if k not in dead.get(d.path, ())] or d.values
        for d in space.decisions
    })  # fmt: skip
    gone = [d for d in space.decisions if len(dead.get(d.path, ())) == len(d.values) and d.guard is not TRUE]
    return {d.path for d in gone if bounder.bounds(d.guard).settled is False}


def _told(
    space: Space, d: Decision, mine: Mapping[int, tuple[Requirement, ...]], every: Collection[tuple[str, int]]
) -> Diagnostic:
    """Without the name of the decision, at its end."""
    from cospace.compiler.conflicts.repairs import without_values

    values = shown_values(d, sorted(mine))
    core = next((c for c in mine.values() if c), ())
    labels = tuple(Label(r.span, f"because of this: {r.reason}") for r in core[:3])
    return Diagnostic(
        "CS603",
        "warning",
        f"no feasible design takes the {'values' if len(mine) > 1 else 'value'} {values} of ",
        d.span,
        labels or emptied(space, {d.path: d.values[next(iter(mine))]}),
        "remove them, or relax what excludes them" if len(mine) > 1 else "remove it, or relax what excludes it",
        without_values(space, d, every),
    )


def _named(paths: list[str], told: Diagnostic) -> Diagnostic:
    """Of several copies that are told alike."""
    return evolve(told, message=told.message + shown_paths(paths))


__all__ = ["dead_values"]
