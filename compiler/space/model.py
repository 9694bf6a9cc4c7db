"""The compiled space: what elaboration gives and every backend, engine and report reads. All frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from attrs import field, frozen
from cospace.compiler.space.floats import nearest
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, Symbol, Type, Value
from cospace.compiler.space.met import Met
from cospace.dsl.diagnostics import NOWHERE, Span
from cospace.dsl.load import Loaded

UNWRITTEN: Mapping[str, bool] = {"written": False}
"""Of a field that the JSON of a space leaves out."""

Design = Mapping[str, Value]
"""Decision path -> value, live decisions only."""

Binding = tuple[tuple[str, Value], ...]
"""Variants (what is bound after the search) and the value that each has; () where there are none."""


@frozen
class Decision:
    """One decision of a design (never a map).

    guard: when it is live, over decisions that come earlier in `Space.decisions`.
    allowed: None, or one condition a value, where the domain depends on other decisions.
    unit: how numbers are shown (`KiB`), with `scale` base units in one of it.
    group: the owner of the path without indices, for tables (`gnn`, `engine`, `precision`).
    """

    path: str
    binding: str
    values: tuple[Value, ...]
    type: Type
    guard: Expr = TRUE
    allowed: tuple[Expr, ...] | None = None
    unit: str | None = None
    scale: Fraction = Fraction(1)
    group: str = ""
    doc: str | None = None
    span: Span = NOWHERE

    @cached_property
    def positions(self) -> Mapping[Value, int]:
        """Where each value stands among the values."""
        return {value: k for k, value in enumerate(self.values)}

    @property
    def plain(self) -> str:
        """The path without indices, which all copies share."""
        return re.sub(r"\[[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*\]", "", self.path)


@frozen
class Variant:
    """What is bound after the search: by the user (`switch`), by chance (`random`), by the input (`adapt`), or a
    `statistic` of the input. Never part of a design and never counted; requirements and objectives hold none (they are
    folded over its values), networks and policies do.

    allowed: None, or one condition a value, over decisions and earlier variants. A value that is not allowed, or whose
    weight is 0, is never taken. weights: of `random`, None for all alike. by: of `adapt`, the value as an expression
    of a statistic; of a statistic, how the runtime computes it. low, high: of a statistic, which is uniform between.
    per: how often chance draws (image | epoch | inference).
    """

    path: str
    binding: str
    values: tuple[Value, ...]
    type: Type
    guard: Expr = TRUE
    allowed: tuple[Expr, ...] | None = None
    weights: tuple[Expr, ...] | None = None
    by: Expr | None = None
    per: str | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    unit: str | None = None
    scale: Fraction = Fraction(1)
    group: str = ""
    span: Span = NOWHERE


@frozen
class Policy:
    """A block that steers what lies below its targets. fields: what it says, copies for each layer left out.

    state: what is kept once for each value of the block's variants (`norm`, `mask`); all else is shared.
    """

    kind: str
    name: str
    source: str
    targets: tuple[str, ...]
    fields: tuple[tuple[str, Expr], ...]
    state: tuple[str, ...] = ()
    span: Span = NOWHERE


@frozen
class Requirement:
    """Holds at a design if `guard` is false there or `value` is true.

    origin: written | contract (of an operator) | shape | rule | domain | map (a work must have a mapping).
    work: whose mapping it asks for.
    """

    value: Expr
    guard: Expr
    reason: str
    span: Span
    origin: str = "written"
    work: str = field(default="", metadata=UNWRITTEN)


@frozen
class Objective:
    """sense: minimize | maximize. `unit` is shown; one of it is `scale` base units."""

    value: Expr
    sense: str
    text: str
    doc: str | None = None
    unit: str = ""
    scale: Fraction = Fraction(1)
    span: Span = NOWHERE

    @property
    def measured(self) -> bool:
        """Whether it is known only after running."""
        return "measure" in self.value.opaque


@frozen
class Placement:
    """A work served by one rule when `guard` holds. quantities: name -> expression at the solved map.

    part: path of the accelerator or the part of one whose rule it is.
    details: of a work that was looked at closely, all that its rule names: (name, when it is there, value).
    """

    rule: str
    guard: Expr
    quantities: tuple[tuple[str, Expr], ...]
    problem: MapProblem
    span: Span = NOWHERE
    part: str = ""
    details: tuple[tuple[str, Expr, Expr], ...] = field(default=(), repr=False, metadata=UNWRITTEN)

    def __getitem__(self, name: str) -> Expr:
        return dict(self.quantities)[name]


@frozen
class Work:
    """A piece of work that an operator asks of an accelerator.

    at: the values of variants that its numbers stand for; a work that reads a variant has an entry for each value.
    """

    path: str
    kind: str
    call: str
    accelerator: str
    dims: tuple[tuple[str, Expr], ...]
    facts: tuple[tuple[str, Expr], ...]
    times: Expr
    guard: Expr
    placements: Sequence[Placement]
    span: Span = NOWHERE
    at: Binding = ()


@frozen
class Accelerator:
    """An accelerator or a part of one; parts follow their owner.

    quantities: every named number of its body (area, energy, latency, …) with its unit to show.
    guard: when it exists, where it is one of several alternatives.
    """

    path: str
    name: str
    quantities: tuple[tuple[str, Expr], ...]
    rules: tuple[str, ...]
    doc: str | None = None
    span: Span = NOWHERE
    guard: Expr = TRUE


# ---- the network's plan: nodes in topological order; ids index `NetworkPlan.nodes`


@frozen
class Input:
    """A tensor given from outside: `field` of the task named `task` (`features` of `nodes`)."""

    name: str
    task: str
    field: str
    shape: tuple[Expr, ...]


@frozen
class Call:
    """An operator applied. inputs: argument name -> node id; arguments: name -> scalar expression.

    state: trainable tensors the declaration lists (`weight: tensor[f, out]`).
    facts: what policies set for this layer (`wbits`, `abits`), externals too (`quantiser`).
    works: paths of the works it asks for; live when `guard` holds.
    """

    path: str
    operator: str
    module: str
    inputs: tuple[tuple[str, int], ...]
    arguments: tuple[tuple[str, Expr], ...]
    shape: tuple[Expr, ...]
    guard: Expr
    state: tuple[tuple[str, tuple[Expr, ...]], ...] = ()
    facts: tuple[tuple[str, Expr], ...] = ()
    works: tuple[str, ...] = ()
    span: Span = NOWHERE


@frozen
class Choice:
    """The value of the alternative that `decision` takes; options: value -> node id."""

    decision: str
    options: tuple[tuple[Value, int], ...]
    shape: tuple[Expr, ...]


PlanNode = Input | Call | Choice


@frozen
class NetworkPlan:
    name: str
    nodes: tuple[PlanNode, ...]
    output: int
    doc: str | None = None


@frozen
class Task:
    """facts: constants declared in text, compared with the data when it is loaded."""

    name: str
    source: str
    arguments: tuple[tuple[str, Expr], ...]
    facts: tuple[tuple[str, Expr], ...]
    span: Span = NOWHERE


@frozen
class Stage:
    """search or train. engines: (paths, engine) in order; settings: name -> expression (externals too)."""

    kind: str
    targets: tuple[str, ...]
    engines: tuple[tuple[tuple[str, ...], Expr], ...]
    settings: tuple[tuple[str, Expr], ...]
    source: str
    span: Span = NOWHERE

    def setting(self, name: str) -> Expr | None:
        return dict(self.settings).get(name)


@frozen
class Reference:
    """A fixed design that results are compared with (a `baseline` block): decision path -> value."""

    name: str
    design: tuple[tuple[str, Value], ...]
    doc: str | None = None
    span: Span = NOWHERE


@frozen
class Param:
    """A constant that `--set` overrides. `given`: set by the user."""

    name: str
    value: Expr
    unit: str | None
    given: bool
    span: Span = NOWHERE
    doc: str | None = None


@frozen
class Constant:
    """A named constant that modelled numbers rest on (`tech.sram = 3 pJ / byte`), for reports."""

    path: str
    text: str
    span: Span = NOWHERE


@frozen
class Quantity:
    """A number or condition that the file itself names (`traffic = …`), of decisions and of nothing bound later."""

    path: str
    value: Expr
    doc: str | None = None
    span: Span = NOWHERE


@frozen(eq=False)
class Origin:
    """What a space was compiled from, to compile it once more with one of its numbers changed."""

    loaded: Loaded
    settings: Mapping[str, str]
    data: Path | None = None


@frozen
class Space:
    """A checked space. `decisions` stand in declared order: a guard only reads earlier ones."""

    name: str
    doc: str | None
    params: tuple[Param, ...]
    decisions: tuple[Decision, ...]
    requirements: tuple[Requirement, ...]
    objectives: tuple[Objective, ...]
    works: tuple[Work, ...]
    networks: tuple[NetworkPlan, ...]
    accelerators: tuple[Accelerator, ...]
    tasks: tuple[Task, ...]
    stages: tuple[Stage, ...]
    constants: tuple[Constant, ...] = ()
    references: tuple[Reference, ...] = ()
    variants: tuple[Variant, ...] = ()
    policies: tuple[Policy, ...] = ()
    quantities: tuple[Quantity, ...] = field(default=(), repr=False, metadata=UNWRITTEN)
    met: tuple[Met, ...] = ()
    """Works whose mapping is not proved the best: nothing that is said of the space is proved then."""
    sources: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(path shown, text) of every file read, for diagnostics; the standard library included."""
    origin: Origin | None = field(default=None, eq=False, repr=False, metadata=UNWRITTEN)
    pinned: tuple[tuple[str, Value, bool], ...] = field(default=(), repr=False, metadata=UNWRITTEN)
    """(path, value, whether it has to be live) of what `--fix` pinned in it."""

    def decision(self, path: str) -> Decision:
        return self._by_path[path]

    @property
    def _by_path(self) -> dict[str, Decision]:
        return {d.path: d for d in self.decisions}


def show(value: Value, unit: str | None = None, scale: Fraction = Fraction(1)) -> str | bool | int | float:
    """A value as answers for programs spell it: `"64 KiB"`, `4`, `"gat"`, `true`; exact where it can be."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, str):
        return value
    number = value / scale
    plain = int(number) if number.denominator == 1 else nearest(number)
    return f"{plain} {unit}" if unit else plain


def spell(value: Value, unit: str | None = None, scale: Fraction = Fraction(1)) -> str:
    """A value as a person reads it and as the language writes it: `64 KiB`, `1_024`, `gat`, `true`."""
    text = spell_shown(show(value, None, scale))
    return f"{text} {unit}" if unit and isinstance(value, Fraction) else text


def spell_shown(shown: object) -> str:
    """What `show` gave, as `spell` writes it."""
    if isinstance(shown, bool):
        return "true" if shown else "false"
    return f"{shown:_}" if isinstance(shown, int) else str(shown)
