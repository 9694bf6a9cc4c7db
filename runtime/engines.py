"""What a stage says of how its decisions are searched: the settings of each engine, and which decisions it has."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen
from cospace.compiler.space.model import Space, Stage
from cospace.runtime.optimisers import Adam, Number, Optimiser
from cospace.runtime.registry import refuse, register
from cospace.runtime.settings import build


def _adam() -> Optimiser:
    return Adam(0.05, 0.9, 0.999, 0.0)


@frozen(eq=False)
class Gumbel:
    """Paths drawn from a distribution that learns; `backward` of them share a gradient. temperature: of the softmax."""

    backward: int = 2
    temperature: Number = 1.0
    optimiser: Optimiser = field(factory=_adam)


@frozen(eq=False)
class Das:
    """A distribution over accelerators; its gradient is the local expectation of the modelled cost over `samples`."""

    samples: int = 8
    temperature: Number = 1.0
    optimiser: Optimiser = field(factory=_adam)


@frozen(eq=False)
class Local:
    """Coordinate descent on the likeliest network; `evaluations` of the cost, from `restarts` feasible starts."""

    evaluations: int = 2_000
    restarts: int = 10


@frozen(eq=False)
class Exhaust:
    """Every feasible design, the best proved."""


@frozen(eq=False)
class Evolve:
    """Tournaments and mutations over feasible designs."""

    population: int = 64
    generations: int = 30
    tournament: int = 4


Engine = Gumbel | Das | Local | Exhaust | Evolve


@register("engines.gumbel")
def build_gumbel(
    forward: str = "hard", backward: int = 2, temperature: Number = 1.0, optimiser: Optimiser | None = None
) -> Gumbel:
    if forward != "hard":
        raise ValueError(f"forward = {forward} does not run yet; hard draws one value, so that memory does not grow")
    if backward < 1:
        raise ValueError("backward counts paths, at least 1")
    return Gumbel(backward, temperature, optimiser or _adam())


@register("engines.das")
def build_das(samples: int = 8, temperature: Number = 1.0, optimiser: Optimiser | None = None) -> Das:
    if samples < 1:
        raise ValueError("samples counts accelerators, at least 1")
    return Das(samples, temperature, optimiser or _adam())


@register("engines.local")
def build_local(evaluations: int = 2_000, restarts: int = 10) -> Local:
    if evaluations < 1 or restarts < 1:
        raise ValueError("evaluations and restarts are at least 1")
    return Local(evaluations, restarts)


@register("engines.exhaust")
def build_exhaust() -> Exhaust:
    return Exhaust()


@register("engines.evolve")
def build_evolve(population: int = 64, generations: int = 30, tournament: int = 4) -> Evolve:
    if population < 2 or generations < 1 or tournament < 1:
        raise ValueError("population is at least 2, generations and tournament at least 1")
    return Evolve(population, generations, tournament)


def assign_engines(space: Space, stage: Stage) -> Mapping[str, Engine]:
    """Decision's path -> the engine that a search stage gives it; all decisions to Gumbel where it names none.

    Raises:
        SpecError: CS701 for an engine that does not run, CS707 for a path that names no decision.
    """
    paths = [d.path for d in space.decisions]
    if not stage.engines:
        engine = Gumbel()
        return {path: engine for path in paths}
    found: dict[str, Engine] = {}
    for targets, expr in stage.engines:
        engine = build(expr)
        for target in targets:
            own = [p for p in paths if belongs(p, target)]
            if not own:
                raise refuse("CS707", f"`{target}` in this stage names no decision", expr.span)
            found.update({p: engine for p in own if p not in found})
    return found


def belongs(path: str, target: str) -> bool:
    """Whether a decision's path is `target` or lies below it."""
    return path == target or (path.startswith(target) and path[len(target)] in ".[")
