"""What a work without any mapping misses, in the design that comes nearest to having one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from cospace.compiler.exact import exact
from cospace.compiler.mapping import look_at
from cospace.compiler.mapping_missing import nearest, sentence
from cospace.compiler.space.graph import MapProblem, Value
from cospace.compiler.space.model import Decision, Requirement, Space, spell
from cospace.dsl.diagnostics import SpecError

LOOKED = 100_000
"""Mappings that are looked at, of all designs."""


def least_missing(space: Space, requirement: Requirement, fixed: Mapping[str, Value]) -> str | None:
    """`at best "tiles fit" needs 12 KiB, there is 8 KiB: 4 KiB missing (at chip.buffer = 8 KiB)`; None if not known.

    Of all that the work's problem reads, with what is fixed, the values at which its nearest mapping misses the least.
    """
    problem = _problem(space, requirement)
    if problem is None:
        return None
    read = problem.free
    decisions = [d for d in space.decisions if d.path in read]
    values = [(fixed[d.path],) if d.path in fixed else d.values for d in decisions]
    designs = math.prod(map(len, values))
    most = max(1, LOOKED // math.prod(len(m.values) for m in problem.maps))
    places = range(designs) if designs <= most else [k * (designs - 1) // max(1, most - 1) for k in range(most)]
    found: list[tuple[float, str]] = []
    for design in _designs(decisions, values, places):
        if exact.evaluate(requirement.guard, design) is False:
            continue
        told = nearest(problem, space, design)
        worst = max(told["missing"], key=_share, default=None)
        if worst is None:
            return None
        free = [d for d in decisions if d.path in design and d.path not in fixed and len(d.values) > 1]
        where = ", ".join(f"{d.path} = {spell(design[d.path], d.unit, d.scale)}" for d in free)
        found.append((_share(worst), sentence(worst) + (f" (at {where})" if where else "")))
    if not found:
        return None
    said = min(found, key=lambda f: f[0])[1]
    return f"at best {said}" if designs <= most else f"at the best of {len(found)} designs that were looked at {said}"


def _problem(space: Space, requirement: Requirement) -> MapProblem | None:
    """The problem of a work; where it was solved ahead, of its text compiled once more."""
    if requirement.value.op != "solvable":
        try:
            near = look_at(space, {requirement.work: ()})
        except SpecError:
            return None
        same = (r for r in near.requirements if r.reason == requirement.reason) if near is not None else iter(())
        found = next((r for r in same if r.work == requirement.work and r.value.op == "solvable"), None)
        if found is None:
            return None
        requirement = found
    assert isinstance(requirement.value.payload, MapProblem)
    return requirement.value.payload


def _designs(
    decisions: Sequence[Decision], values: Sequence[tuple[Value, ...]], places: Iterable[int]
) -> Iterator[dict[str, Value]]:
    """Values of some decisions that may stand together, as far as these alone tell. places: among all combinations,
    the last decision varying fastest."""
    seen: set[tuple[tuple[str, Value], ...]] = set()
    for place in places:
        row = []
        for domain in reversed(values):
            place, at = divmod(place, len(domain))
            row.append(domain[at])
        design: dict[str, Value] = {}
        for d, value in zip(decisions, reversed(row), strict=True):
            allowed = True if d.allowed is None else exact.evaluate(d.allowed[d.positions[value]], design)
            if allowed is False:
                break
            if exact.evaluate(d.guard, design) is not False:
                design[d.path] = value
        else:
            if tuple(design.items()) not in seen:
                seen.add(tuple(design.items()))
                yield design


def _share(broken: Mapping[str, Any]) -> float:
    if broken["needs"] is None:
        return math.inf
    there = Fraction(broken["there"]["exact"])
    return float(Fraction(broken["missing"]["exact"]) / there) if there > 0 else math.inf


__all__ = ["least_missing"]
