"""Works that are looked at closely: mappings that are given for them, and all that their rule names on its way.

Their problems are not solved ahead. What is given is no new meaning: a map that may take one value alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen, mutable
from cospace.compiler.elaborate.listed import fixed_list
from cospace.compiler.elaborate.values import Context, Listed, ListValue, Record, Scope, SetValue, State
from cospace.compiler.space import graph
from cospace.compiler.space.graph import FALSE, TRUE, Expr, MapDecision
from cospace.dsl.diagnostics import NOWHERE
from cospace.dsl.suggest import closest

CODE = "CS817"


@frozen(eq=False)
class Given:
    """The mapping of a work where it is served by `rule`, at values of `switch`, `random` and `adapt` decisions.

    at, maps: path, or the map's path without the work's -> value, as `show` writes it. What is left out is solved.
    """

    rule: str
    at: Mapping[str, object]
    maps: Mapping[str, object]


@mutable(eq=False)
class Closely:
    """The works that are looked at, by path, each with what is given for it; met: those that there are, with the
    rules that may serve them."""

    works: Mapping[str, Sequence[Given]]
    met: dict[str, set[str]] = field(factory=dict)

    def check(self, state: State, known: Sequence[str]) -> None:
        """Say which works there are not. known: those that there are."""
        for path, given in self.works.items():
            rules = self.met.get(path, set())
            for g in given if rules else ():
                if g.rule not in rules:
                    help = f"it is served by {', '.join(f'`{r}`' for r in sorted(rules))}"
                    state.reporter.error(CODE, NOWHERE, f"no rule `{g.rule}` serves `{path}`", help)
            if given and not rules:
                near = closest(path, known)
                help = f"did you mean `{near}`?" if near else "`cospace explain SPEC --mapping` lists them"
                state.reporter.error(CODE, NOWHERE, f"a mapping is given for `{path}`, and there is no such work", help)


@mutable(eq=False)
class Details:
    """What rules name while one work is answered: (name, when it is there, value), its own rule's before others'."""

    found: list[tuple[str, Expr, Expr]] = field(factory=list)
    prefixes: set[str] = field(factory=set)

    def gather(self, scope: Scope, given: set[str], kind: str, context: Context) -> None:
        """The names of a rule's body. kind: of the work that it served, where another rule asked for it."""
        prefix, k = kind, 2
        while prefix and prefix in self.prefixes:
            prefix, k = f"{kind}#{k}", k + 1
        self.prefixes.add(prefix)
        assert context.answering is not None
        maps = {m.path for m in context.answering.maps}
        named = [said for name, value in scope.names.items() if name not in given for said in _values(name, value)]
        mine = [
            (f"{prefix}.{name}" if prefix else name, context.guard, e)
            for name, e in named
            if "." in name or e.op != "var" or e.payload not in maps
        ]
        self.found = self.found + mine if prefix else mine + self.found


def _values(name: str, value: Any) -> Iterator[tuple[str, Expr]]:
    """The numbers, conditions and symbols of a value, each with its name."""
    if isinstance(value, Expr):
        if value.type.kind in ("number", "bool", "symbol"):
            yield name, value
    elif isinstance(value, Listed):
        yield name, value.chosen
    elif isinstance(value, Record) and value.kind == "record":
        for key, inner in value.fields.items():
            yield from _values(f"{name}.{key}", inner)
    elif isinstance(value, SetValue) and all(n is not None for n in value.names):
        for label, inner, condition in zip(value.names, value.items, value.conditions, strict=True):
            if condition is TRUE:
                yield from _values(f"{name}.{label}", inner)
    elif isinstance(value, ListValue) and isinstance(fixed := fixed_list(value), Listed) and value.items:
        yield name, fixed.chosen
    elif isinstance(value, ListValue):
        for k, inner in enumerate(value.items, 1):
            yield from _values(f"{name}[{k}]", inner)


def restrict(
    maps: Sequence[MapDecision], given: Sequence[Given], path: str, rule: str, state: State
) -> list[MapDecision]:
    """The maps of a work that `rule` serves, each with the values that are given alone."""
    mine = [(g, _condition(g, path, state)) for g in given if g.rule == rule]
    for g, _ in mine:
        names = [short(m.path, path) for m in maps]
        for name in g.maps:
            if name not in names:
                near = closest(name, names)
                help = f"did you mean `{near}`?" if near else f"it has {', '.join(f'`{n}`' for n in names) or 'none'}"
                state.reporter.error(CODE, NOWHERE, f"`{path}` has no map `{name}`", help)
    return [_only(m, short(m.path, path), mine, path, state) for m in maps]


def short(map_path: str, path: str) -> str:
    """What a map is called in its work: `tile`, `nest.tile`."""
    return map_path.removeprefix(path).split("~")[0].removeprefix(".")


def _only(m: MapDecision, name: str, given: Sequence[tuple[Given, Expr]], path: str, state: State) -> MapDecision:
    from cospace.compiler.space.designs import DesignError, position

    wanted: list[tuple[int, Expr]] = []
    for g, condition in given:
        if name in g.maps:
            try:
                wanted.append((position(m, g.maps[name]), condition))
            except DesignError as error:
                state.reporter.error(CODE, NOWHERE, f"`{name}` of `{path}`: {error.reason}")
    if not wanted:
        return m
    allowed = [
        graph.both(TRUE if m.allowed is None else m.allowed[j], *(graph.negate(c) for at, c in wanted if at != j))
        for j in range(len(m.values))
    ]
    kept = [j for j, a in enumerate(allowed) if a is not FALSE] or [0]
    conditions = tuple(allowed[j] for j in kept)
    return evolve(
        m,
        values=tuple(m.values[j] for j in kept),
        allowed=None if all(c is TRUE for c in conditions) else conditions,
    )


def _condition(given: Given, path: str, state: State) -> Expr:
    """Where a given mapping holds."""
    from cospace.compiler.space.designs import DesignError, position

    found = TRUE
    for name, shown in given.at.items():
        variant = next((v for v in state.variants if v.path == name and v.values), None)
        if variant is None:
            state.reporter.error(CODE, NOWHERE, f"a mapping of `{path}` is given at `{name}`, which is bound before")
            continue
        try:
            value = graph.const(variant.values[position(variant, shown)], variant.type.unit)
        except DesignError as error:
            state.reporter.error(CODE, NOWHERE, f"a mapping of `{path}` is given at `{name}`: {error.reason}")
            continue
        found = graph.both(found, graph.eq(graph.var(name, variant.type), value))
    return found


__all__ = ["Closely", "Details", "Given", "restrict", "short"]
