"""Solved mappings, layer by layer: which mapping each work has, and all that its rule says of it.

Owns the mapping of a design as a record (`docs/accelerators.md` has its fields), which is also what is written to a
file (`mapping_file`). Which mapping is the best is `exact`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import isclose
from typing import Any

from attrs import frozen
from cospace.compiler import mapping_missing
from cospace.compiler.cost import figure
from cospace.compiler.driver import compile_loaded
from cospace.compiler.elaborate.given import Closely, Given, short
from cospace.compiler.exact import exact
from cospace.compiler.exact.exact import UNDEFINED, Enclosure, Undefined, Unknown
from cospace.compiler.mapping_file import FORMAT, SCHEMA, refuse
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.met import met_of, told_of
from cospace.compiler.space.model import Design, Placement, Space, Work, show, spell_shown
from cospace.compiler.space.units import COMMON, show_unit
from cospace.dsl.diagnostics import Reporter, SpecError

LOOPS = "loops"
"""What a rule calls its loop nest: a record of levels from the outside in, each a record of loops and their trips."""
ORDER, INNERMOST, PARALLEL = "order", "innermost", "parallel"
"""Of a level: a list of its loops as they run, or the innermost of them; and whether they run side by side."""
PARTS = "_by"
"""How a rule calls the record of what makes up a quantity: `energy_by = {…}`."""


@frozen(eq=False)
class Served:
    """A live work of a design with the rule that serves it."""

    work: Work
    placement: Placement


def served(space: Space, design: Design) -> Iterator[Served]:
    """The live works, each with its rule."""
    for work in space.works:
        if exact.evaluate(work.guard, design) is True:
            placement = next((p for p in work.placements if exact.evaluate(p.guard, design) is True), None)
            if placement is not None:
                yield Served(work, placement)


def describe(space: Space, design: Design) -> dict[str, Any]:
    """The mapping of a design: what is shown, drawn and written to a file.

    layers: works that are alike in all that is said of them, once: `works` their paths, `times` how often they come,
    `at` the values of `switch`, `random` and `adapt` decisions that this is the mapping for, `maps` what was solved
    (None where nothing fits, with `missing`), `loops` the nest as the text says it, `quantities` all that the rule
    names, `splits` those of them that have parts: name -> its parts, which add up to it, `unproved` what is said of
    maps that are the best which were met, and not proved the least.
    """
    given: dict[str, list[Given]] = {}
    unproved: dict[tuple[str, str], str] = {}
    for s in served(space, design):
        maps = _solved(s, design)
        if (found := met_of(space.met, s.placement.problem)) is not None:
            unproved[s.work.path, s.placement.rule] = told_of(found)
        if maps is None and mapping_missing.too_many(s.placement.problem):
            continue  # that nothing fits is known; solved anew without what is known it would take without end
        mine = given.setdefault(s.work.path, [])
        if maps:
            mine.append(Given(s.placement.rule, _at(s.work, space), maps))
    near = look_at(space, given) or space
    layers: dict[object, dict[str, Any]] = {}
    for s in served(near, design):
        layer = _layer(s, design, near)
        if (said := unproved.get((s.work.path, s.placement.rule))) is not None:
            layer["unproved"] = said
            if layer["maps"] is None:
                layer["missing"] = mapping_missing.untold("no mapping was met, and none is proved impossible")
        alike = repr({k: v for k, v in layer.items() if k not in ("works", "layers", "times")})
        if alike in layers:
            for key in ("works", "layers"):
                layers[alike][key] += layer[key]
            layers[alike]["times"] += layer["times"]
        else:
            layers[alike] = layer
    known = {d.path: d for d in space.decisions}
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "space": space.name,
        "design": {path: show(v, known[path].unit, known[path].scale) for path, v in design.items()},
        "layers": list(layers.values()),
    }


def with_mappings(space: Space, given: Mapping[str, Sequence[Given]]) -> Space:
    """The space in which works have the mappings that are given; others are solved as ever.

    Raises SpecError (CS817) for what is no work, map or value of the space, and where its text is not known.
    """
    found = look_at(space, given)
    if found is None:
        refuse(
            f"`{space.name}` is a compiled space: its mappings are solved already",
            "give --mapping where the spec itself is read",
        )
    return found


def unmet(space: Space, design: Design, given: Mapping[str, Sequence[Given]]) -> list[dict[str, Any]]:
    """The works of a design that what is given leaves without a mapping, each with what it misses."""
    found = []
    for s in served(space, design):
        if given.get(s.work.path) and exact.solve_maps(s.placement.problem, design) is UNDEFINED:
            found.append({"path": s.work.path, **mapping_missing.nearest(s.placement.problem, space, design)})
    return found


def look_at(space: Space, works: Mapping[str, Sequence[Given]]) -> Space | None:
    """The space compiled once more, these works with all that their rules name; None where its text is not known."""
    origin = space.origin
    if origin is None:
        return None
    compiled = compile_loaded(origin.loaded, origin.settings, Reporter(), origin.data, Closely(works))
    if compiled.space is None:
        raise SpecError(tuple(d for d in compiled.diagnostics if d.severity == "error"))
    return compiled.space


# ---- one layer


def _solved(s: Served, design: Design) -> dict[str, Any] | None:
    """A work's mapping, each map by what it is called in its work; None where there is none."""
    problem = s.placement.problem
    if not problem.maps:
        return {}
    solved = exact.solve_maps(problem, design)
    if not isinstance(solved, dict):
        return None
    known = {m.path: m for m in problem.maps}
    return {short(p, problem.path): show(v, known[p].unit, known[p].scale) for p, v in solved.items()}


def _at(work: Work, space: Space) -> dict[str, Any]:
    known = {v.path: v for v in space.variants}
    return {path: show(value, known[path].unit, known[path].scale) for path, value in work.at}


def _layer(s: Served, design: Design, space: Space) -> dict[str, Any]:
    work, placement = s.work, s.placement
    maps = _solved(s, design)
    found = {
        "works": [work.path],
        "rule": placement.rule,
        "at": _at(work, space),
        "maps": maps,
        "times": _plain(work.times, design),
        "layers": [work.call],
        "kind": work.kind,
        "accelerator": work.accelerator,
        "dims": {k: _plain(e, design) for k, e in (*work.dims, *work.facts) if e.op != "external"},
        "loops": [],
        "quantities": {},
        "splits": {},
        "missing": None,
    }
    if maps is None and isinstance(exact.solve_maps(placement.problem, design), Unknown):
        return found | {"missing": mapping_missing.untold("which mapping is the best is not decided")}
    if maps is None:
        return found | {"missing": mapping_missing.nearest(placement.problem, space, design)}
    named = _named(placement, design)
    levels, named = _levels(named, design)
    splits, named = _splits(named, design)
    figures = {k: figure(e, design) for k, e in named.items()}
    return found | {
        "loops": levels,
        "splits": splits,
        "quantities": {k: f for k, f in figures.items() if f["value"] is not None},
    }


def _named(placement: Placement, design: Design) -> dict[str, Expr]:
    """What the rule names and is there; what two rules call alike and is the same, once."""
    maps = {m.path for m in placement.problem.maps}
    numbers = [(k, TRUE, e) for k, e in placement.quantities if not (e.op == "solve" and e.args[0].payload in maps)]
    found: dict[str, Expr] = {}
    for name, there, e in placement.details or numbers:
        if found.get(name.partition(".")[2]) is not e and exact.evaluate(there, design) is True:
            found[name] = e
    return found


def _levels(named: Mapping[str, Expr], design: Design) -> tuple[list[dict[str, Any]], dict[str, Expr]]:
    """The loop nest that a rule describes, and what else it names."""
    levels: dict[str, dict[str, Expr]] = {}
    rest: dict[str, Expr] = {}
    for name, e in named.items():
        before, found, after = f".{name}".partition(f".{LOOPS}.")
        level, dot, loop = after.partition(".")
        if found and dot:
            levels.setdefault(f"{before}.{level}", {})[loop] = e
        else:
            rest[name] = e
    return [_level(name.rpartition(".")[2], loops, design) for name, loops in levels.items()], rest


def _level(name: str, loops: Mapping[str, Expr], design: Design) -> dict[str, Any]:
    said = {k: exact.evaluate(loops[k], design) for k in (ORDER, INNERMOST, PARALLEL) if k in loops}
    trips = {k: _plain(e, design) for k, e in loops.items() if k not in said}
    order = str(said.get(ORDER, "")).strip("[]").split(", ")
    last = str(said.get(INNERMOST))
    names = [k for k in order if k in trips] + [k for k in trips if k not in order]
    names.sort(key=lambda k: k == last)
    return {
        "level": name,
        "parallel": said.get(PARALLEL) is True,
        "loops": [{"loop": k, "trips": trips[k]} for k in names if trips[k] not in (1, None)],
    }


def _splits(named: Mapping[str, Expr], design: Design) -> tuple[dict[str, dict[str, Any]], dict[str, Expr]]:
    """Quantities that the rule says the parts of, `energy_by = {…}` those of `energy`; and what else it names.

    Parts that do not add up to their quantity, or of which one is negative, are named like anything else.
    """
    parts: dict[str, dict[str, Expr]] = {}
    for name, e in named.items():
        whole, found, part = name.rpartition(f"{PARTS}.")
        if found:
            parts.setdefault(whole, {})[part] = e
    splits, rest = {}, dict(named)
    for whole, of in parts.items():
        name = whole if whole in named else whole.rpartition(".")[2]
        if name in named and _adds_up(list(of.values()), named[name], design):
            splits[name] = {part: figure(e, design) for part, e in of.items()}
            rest = {k: e for k, e in rest.items() if not k.startswith(f"{whole}{PARTS}.")}
    return splits, rest


def _adds_up(parts: Sequence[Expr], whole: Expr, design: Design) -> bool:
    numbers = []
    for e in (*parts, whole):
        value = exact.evaluate(e, design)
        number = value.middle if isinstance(value, Enclosure) else value
        if not isinstance(number, Fraction) or number < 0 or e.type != whole.type:
            return False
        numbers.append(number)
    *shares, total = numbers
    return isclose(nearest(sum(shares, Fraction(0))), nearest(total), rel_tol=1e-12)


def _plain(expr: Expr, design: Design) -> Any:
    """A value as `show` writes it, a quantity in base units."""
    value = exact.evaluate(expr, design)
    if isinstance(value, Enclosure):
        value = value.middle
    if isinstance(value, Undefined | Unknown):
        return None
    return show(value, show_unit(expr.type.unit) if expr.type.unit else None)


def in_base(figure: Mapping[str, Any]) -> float:
    """A figure in base units."""
    if figure["exact"] is not None:
        return nearest(Fraction(figure["exact"]))
    scales = {name: scale for units in COMMON.values() for name, scale in units}
    return float(figure["value"]) * nearest(scales.get(figure["unit"], Fraction(1)))


# ---- as text


def nest(levels: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a loop nest: each level's name, and its loops, every one inside the one before."""
    wide = max((len(level["level"]) for level in levels), default=0)
    depth = 0
    for level in levels:
        loops = [f"{x['loop']} in 1..{spell_shown(x['trips'])}" for x in level["loops"]]
        if level["parallel"] and loops:
            loops = [f"{', '.join(loops)} at once"]
        for k, loop in enumerate([f"for {x}" for x in loops] or ["-"]):
            yield f"{level['level'] if k == 0 else '':<{wide}}  {'  ' * depth}{loop}"
            depth += bool(loops)


__all__ = ["describe", "in_base", "look_at", "nest", "served", "unmet", "with_mappings"]
