"""What a stage says of how its decisions are searched: the settings of each engine, and which decisions it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen
from cospace.compiler.engines.climb import Climb
from cospace.compiler.engines.descend import Descent
from cospace.compiler.engines.evolve import Evolution
from cospace.compiler.engines.learn import Expectation, Uniform
from cospace.compiler.engines.look import Engine as Search
from cospace.compiler.engines.search import Prove
from cospace.compiler.engines.surrogate import Surrogate
from cospace.compiler.space.model import Space, Stage
from cospace.dsl.diagnostics import Span
from cospace.runtime.optimisers import Adam, Number, Optimiser
from cospace.runtime.registry import refuse, register
from cospace.runtime.settings import build


def _adam() -> Optimiser:
    return Adam(0.05, 0.9, 0.999, 0.0)


@frozen(eq=False)
class Gumbel:
    """Paths drawn from a distribution that learns; `backward` of them share a gradient. temperature: of the softmax.
    soft: weights learn under a mixture of all values in place of the drawn one."""

    backward: int = 2
    temperature: Number = 1.0
    optimiser: Optimiser = field(factory=_adam)
    soft: bool = False


@frozen(eq=False)
class Das:
    """A distribution over accelerators; its gradient is the local expectation of the modelled cost over `samples`."""

    samples: int = 8
    temperature: Number = 1.0
    optimiser: Optimiser = field(factory=_adam)


@frozen(eq=False)
class Sandwich:
    """Weights learn on the largest path, the smallest, and `drawn` uniform ones in each step; nothing is learned of the
    decisions themselves."""

    drawn: int = 2


Engine = Gumbel | Das | Sandwich | Search
"""What learns with a network, or what searches a network's accelerator in its place."""


@register("engines.gumbel")
def build_gumbel(
    forward: str = "hard", backward: int = 2, temperature: Number = 1.0, optimiser: Optimiser | None = None
) -> Gumbel:
    if backward < 1:
        raise ValueError("backward counts paths, at least 1")
    return Gumbel(backward, temperature, optimiser or _adam(), forward == "soft")


@register("engines.sandwich")
def build_sandwich(drawn: int = 2) -> Sandwich:
    return Sandwich(_some(drawn=drawn))


@register("engines.das")
def build_das(samples: int = 8, temperature: Number = 1.0, optimiser: Optimiser | None = None) -> Das:
    if samples < 1:
        raise ValueError("samples counts accelerators, at least 1")
    return Das(samples, temperature, optimiser or _adam())


@register("engines.local")
def build_local(evaluations: int = 2_000, restarts: int = 10) -> Search:
    return Descent(_some(evaluations=evaluations), _some(restarts=restarts))


@register("engines.evolve")
def build_evolve(population: int = 64, generations: int = 30, tournament: int = 4) -> Search:
    if population < 2:
        raise ValueError("population is at least 2")
    return Evolution(population, _some(generations=generations), _some(tournament=tournament))


@register("engines.climb")
def build_climb(evaluations: int = 2_000) -> Search:
    return Climb(_some(evaluations=evaluations))


@register("engines.expect")
def build_expect(evaluations: int = 2_000, samples: int = 2, rate: float = 0.3) -> Search:
    return Expectation(_some(evaluations=evaluations), _some(samples=samples), rate)


@register("engines.uniform")
def build_uniform(evaluations: int = 2_000) -> Search:
    return Uniform(_some(evaluations=evaluations))


@register("engines.surrogate")
def build_surrogate(evaluations: int = 500, asked: int = 1) -> Search:
    return Surrogate(_some(evaluations=evaluations), _some(asked=asked) - 1)


@register("engines.exhaust")
def build_exhaust() -> Search:
    return Prove()


@register("engines.auto")
def build_auto(evaluations: int = 20_000) -> Search:
    return Prove(_some(evaluations=evaluations))


def _some(**given: int) -> int:
    ((name, value),) = given.items()
    if value < 1:
        raise ValueError(f"{name} is at least 1")
    return value


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
        found.update({p: engine for p in named_by(targets, paths, expr.span) if p not in found})
    return found


def named_by(targets: Sequence[str], paths: Sequence[str], span: Span) -> list[str]:
    """The decisions that a stage gives to an engine. Raises SpecError: CS707 for a target that names none."""
    found: list[str] = []
    for target in targets:
        own = [p for p in paths if _belongs(p, target)]
        if not own:
            raise refuse("CS707", f"`{target}` in this stage names no decision", span)
        found += own
    return found


def _belongs(path: str, target: str) -> bool:
    """Whether a decision's path is `target` or lies below it."""
    return path == target or (path.startswith(target) and path[len(target)] in ".[")
