"""What a design costs, in full: objectives, quantities, each work with its rule and mapping, what it violates.

Everything is computed by the reference evaluator (`exact`), which shares no code with samplers and engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from typing import Any

from cospace.compiler.exact import exact
from cospace.compiler.exact.exact import UNDEFINED, UNKNOWN, Enclosure, Result, Undefined, Unknown
from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import Expr, Symbol
from cospace.compiler.space.met import Met, met_of, of_met, told_of
from cospace.compiler.space.model import Design, Objective, Placement, Requirement, Space, Variant, Work, show
from cospace.compiler.space.units import natural_unit


def breakdown(space: Space, design: Design) -> dict[str, Any]:
    """A design's answer for programs.

    feasible: bool, or None where a comparison could not be decided. objectives and quantities: name -> {value, unit,
    exact}; a measure is {value: None}; quantities are those of accelerators, and what the file names. violated:
    [{reason, origin}]. works: the live ones, each with its rule, maps, dimensions and quantities, `at` the values of
    `switch`, `random` and `adapt` that these numbers stand for. Numbers are floats in the unit beside them; `exact` is
    the rational in base units. An objective has one unit for all designs, so that they compare by eye; others have the
    unit that suits the number. Where mappings are the best that were met and not proved the least, `unproved` says so,
    of the design and of each such work.
    """
    hidden = {w.path for w in space.works for p in w.placements if _is_hidden(p, space.met)} if space.met else set()
    verdicts = [(r, _verdict(r, design, hidden)) for r in space.requirements]
    violated = [{"reason": r.reason, "origin": r.origin} for r, v in verdicts if v is False]
    undecided = any(v is None for _, v in verdicts)
    variants = {v.path: v for v in space.variants}
    works = [_work(w, design, variants, space.met) for w in space.works if exact.evaluate(w.guard, design) is True]
    unproved = {"unproved": of_met(space.met)} if any("unproved" in w for w in works) else {}
    return {
        "feasible": False if violated else None if undecided else True,
        "violated": violated,
        "objectives": {o.text: _objective(o, design) for o in space.objectives},
        "quantities": {
            f"{a.path}.{name}": figure(e, design)
            for a in space.accelerators
            if exact.evaluate(a.guard, design) is True
            for name, e in a.quantities
        }
        | {q.path: figure(q.value, design) for q in space.quantities if q.value.free},
        "works": works,
    } | unproved


def _is_hidden(placement: Placement, met: Sequence[Met]) -> bool:
    """Whether a work may have a mapping where none was met."""
    found = met_of(met, placement.problem)
    return found is not None and found.without > 0


def _verdict(requirement: Requirement, design: Design, hidden: AbstractSet[str]) -> bool | None:
    """As `holds`. hidden: works that may have a mapping where none was met."""
    found = holds(requirement, design)
    unsure = requirement.origin == "map" and bool(hidden) and (not requirement.work or requirement.work in hidden)
    return None if found is False and unsure else found


def holds(requirement: Requirement, design: Design) -> bool | None:
    """Whether a requirement holds; an undefined value doesn't, None where it can't be decided."""
    guard = exact.evaluate(requirement.guard, design)
    if guard is False:
        return True
    value = exact.evaluate(requirement.value, design) if guard is True else guard
    if value is UNKNOWN:
        return None
    return value is True


def _objective(objective: Objective, design: Design) -> dict[str, Any]:
    if objective.measured:
        return {"value": None}
    shown = (objective.unit, objective.scale)
    return figure_of(exact.evaluate(objective.value, design), objective.value.type.unit, shown)


def figure(expr: Expr, design: Design) -> dict[str, Any]:
    """A number with its unit, and exactly where it is rational."""
    return figure_of(exact.evaluate(expr, design), expr.type.unit)


def figure_of(value: Result, dimension: Dimension, shown: tuple[str, Fraction] | None = None) -> dict[str, Any]:
    """A result as a number with its unit: the one `shown`, else the one that suits it."""
    if value is UNDEFINED or value is UNKNOWN:
        return {"value": None, "unit": "", "exact": None}
    if isinstance(value, (bool, str)):
        return {"value": value, "unit": ""}
    if isinstance(value, Symbol):
        return {"value": value.name, "unit": ""}
    number = value.middle if isinstance(value, Enclosure) else value
    assert isinstance(number, Fraction)
    unit, scale = shown or natural_unit(number, dimension)
    return {
        "value": nearest(number / scale),
        "unit": unit,
        "exact": str(number) if isinstance(value, Fraction) else None,
    }


def _work(work: Work, design: Design, variants: Mapping[str, Variant], met: Sequence[Met]) -> dict[str, Any]:
    answer: dict[str, Any] = {"path": work.path, "kind": work.kind, "layer": work.call, "accelerator": work.accelerator}
    answer["at"] = {path: show(value, variants[path].unit, variants[path].scale) for path, value in work.at}
    answer["times"] = _plain(work.times, design)
    answer["dims"] = {name: _plain(e, design) for name, e in (*work.dims, *work.facts) if e.op != "external"}
    placement = next((p for p in work.placements if exact.evaluate(p.guard, design) is True), None)
    if placement is None:
        return answer | {"rule": None, "maps": {}}
    answer |= {"rule": placement.rule, "maps": _maps(placement, work.path, design)}
    if (found := met_of(met, placement.problem)) is not None:
        answer["unproved"] = told_of(found)
    return answer | {name: figure(e, design) for name, e in placement.quantities}


def _maps(placement: Placement, path: str, design: Design) -> dict[str, Any]:
    """The work's mapping, by its own path: works of one shape share a problem, whose maps are called by the first."""
    problem = placement.problem
    solved = exact.solve_maps(problem, design)
    named = {m.path: path + m.path.removeprefix(problem.path).split("~")[0] for m in problem.maps}
    return {named[p]: show(value) for p, value in solved.items()} if isinstance(solved, dict) else {}


def _plain(expr: Expr, design: Design) -> Any:
    value = exact.evaluate(expr, design)
    if isinstance(value, Enclosure):
        return nearest(value.middle)
    return None if isinstance(value, Undefined | Unknown) else show(value)
