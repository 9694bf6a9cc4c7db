"""Compile-time values that are not scalars (`Expr`), and the context an expression is evaluated in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from attrs import field, frozen, mutable
from cospace.compiler.space.graph import TRUE, Expr, MapDecision, both
from cospace.compiler.space.model import (
    Accelerator,
    Constant,
    Decision,
    NetworkPlan,
    Objective,
    Param,
    PlanNode,
    Policy,
    Reference,
    Requirement,
    Stage,
    Task,
    Variant,
    Work,
)
from cospace.dsl import tree
from cospace.dsl.diagnostics import Help, Label, Reporter, Span

if TYPE_CHECKING:
    from cospace.compiler.elaborate.answered import Answered
    from cospace.compiler.elaborate.given import Closely, Details

T = TypeVar("T")


class Stop(Exception):
    """The current statement can't go on; the reason has been reported (or stems from a name already bad)."""


class Exhausted(Exception):
    """The whole spec can't go on: it asks for more than is ever evaluated."""

    def __init__(self, span: Span, said: str) -> None:
        super().__init__(said)
        self.span, self.said = span, said


class Bad:
    """What a name is bound to after its statement failed."""


BAD = Bad()


@frozen(eq=False, repr=False)
class UnitValue:
    """One of the unit is `scale` base units."""

    name: str
    scale: Expr


@frozen(eq=False, repr=False)
class SetValue:
    """A set in order. names: the label of each item, or None. conditions: `when` of each item."""

    items: tuple[Any, ...]
    names: tuple[str | None, ...]
    conditions: tuple[Expr, ...]
    unit: str | None = None

    @property
    def is_record(self) -> bool:
        """Whether all that it holds have a name."""
        return bool(self.names) and all(self.names)


@frozen(eq=False, repr=False)
class RangeValue:
    low: Expr
    high: Expr
    step: Expr
    unit: str | None = None


@frozen(eq=False, repr=False)
class DomainValue:
    """`divisors(e)` and its like: possible values, each with the condition under which it belongs."""

    values: tuple[Expr, ...]
    conditions: tuple[Expr, ...]
    unit: str | None = None


@frozen(eq=False, repr=False)
class ListValue:
    items: tuple[Any, ...]


@frozen(eq=False, repr=False)
class Listed:
    """One of several lists of constants (sets, where `sets`), told by a symbol that is named as the list is written."""

    chosen: Expr
    options: tuple[tuple[Expr, ...], ...]
    sets: bool = False


@frozen(eq=False, repr=False)
class Gathered:
    """Values that exist under guards: `works.cycles`. times: how often a sum counts each."""

    items: tuple[tuple[Any, Expr, Expr], ...]
    what: str = "values"


@frozen(eq=False, repr=False)
class Record:
    """Named fields. `kind` is for messages; `owner` is what the record describes (a task, a work)."""

    fields: dict[str, Any]
    kind: str = "record"
    owner: Any = None


@frozen(eq=False, repr=False)
class PerLayer:
    """A decision with a copy for each layer or block: call path -> its value. blocks: layer -> the block it is in."""

    copies: dict[str, Any]
    guards: dict[str, Expr]
    blocks: dict[str, str] = field(factory=dict)

    def of(self, layer: str) -> Any:
        """The copy that a layer reads; None when it has none."""
        return self.copies.get(self.blocks.get(layer, layer))


@frozen(eq=False, repr=False)
class TensorType:
    """`tensor[…]` or `graph[…]`. field: (task, name) when it is a field of a task."""

    kind: str
    shape: tuple[Any, ...]
    field: tuple[str, str] | None = None


@frozen(eq=False, repr=False)
class Tensor:
    """The output of a node of the network being built; a negative one is none (`calls.WEIGHT`)."""

    kind: str
    shape: tuple[Expr, ...]
    node: int


@frozen(eq=False, repr=False)
class KindType:
    """`int`, `real`, `bool`, `text`, `list`, `loss`, `task`, …; arguments as in `measure(0..1, better = low)`."""

    name: str
    arguments: tuple[tuple[str | None, Any], ...] = ()


@frozen(eq=False, repr=False)
class Builtin:
    name: str


@frozen(eq=False, repr=False)
class Function:
    declaration: tree.Def
    scope: Scope


@frozen(eq=False, repr=False)
class TableValue:
    declaration: tree.Table
    scope: Scope


@frozen(eq=False, repr=False)
class AcceleratorClass:
    """An accelerator, or a part of one, with parameters: made where it is called."""

    declaration: tree.Accelerator | tree.Part
    scope: Scope


@mutable(eq=False, repr=False)
class Instance:
    """One accelerator or part of one: its scope is lazy, so quantities may stand in any order.

    misspelt: kinds of work whose rule has a mistake in its head, which has been said: that none serves need not be.
    owner: the accelerator it is a part of. children: its own parts and accelerators, by the name that makes them.
    network: the one whose works it runs, when `runs` says so.
    """

    path: str
    declaration: tree.Accelerator | tree.Part
    scope: Scope
    context: Context
    owner: Instance | None = None
    network: str | None = None
    works: list[Work] = field(factory=list)
    spans: dict[str, Span] = field(factory=dict)
    misspelt: set[str] = field(factory=set)
    children: dict[str, list[Instance]] = field(factory=dict)
    rules: dict[str, list[tuple[tree.Rule, Instance]]] = field(factory=dict)

    @property
    def root(self) -> Instance:
        """The whole accelerator."""
        return self if self.owner is None else self.owner.root


@frozen(eq=False, repr=False)
class Parts:
    """What `part name[i in …, j in …]` makes: an instance for each index, in declared order."""

    path: str
    keys: tuple[tuple[Expr, ...], ...]
    instances: tuple[Instance, ...]


@frozen(eq=False, repr=False)
class Chosen:
    """One of several accelerators or their `def`s, each where its condition holds; exactly one of them does.

    decision: the variable that chooses, where one does. labels: what its values are called, in order.
    """

    options: tuple[tuple[Expr, Any], ...]
    labels: tuple[str, ...] = ()
    decision: Expr | None = None


@mutable(eq=False, repr=False)
class Module:
    """A file being elaborated.

    overrides: param -> value given on import or by `--set`; given_at: where; given_in: in which unit it was written.
    missing: names of imports that could not be read.
    """

    key: str
    file: tree.File
    scope: Scope
    overrides: dict[str, Any] = field(factory=dict)
    given_at: dict[str, Span] = field(factory=dict)
    given_in: dict[str, UnitValue] = field(factory=dict)
    imports: dict[str, Module] = field(factory=dict)
    missing: set[str] = field(factory=set)


@mutable(eq=False, repr=False)
class Scope:
    """Names of a file, a body or a comprehension. A `Lazy` entry is evaluated when first read."""

    parent: Scope | None
    names: dict[str, Any] = field(factory=dict)
    module: Module | None = None
    label: str = ""

    def find(self, name: str) -> Scope | None:
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope

    def visible(self) -> Iterable[str]:
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent

    def owner(self) -> Module:
        scope = self
        while scope.module is None:
            assert scope.parent is not None
            scope = scope.parent
        return scope.module


@mutable(eq=False, repr=False)
class Lazy:
    """A binding that is evaluated on first use."""

    build: Callable[[], Any]
    span: Span
    running: bool = False


@mutable(eq=False, repr=False)
class Building:
    """The network being built: its nodes so far."""

    name: str
    nodes: list[PlanNode] = field(factory=list)


@mutable(eq=False, repr=False)
class Answering:
    """The rule being evaluated for a work: what all its asks collect together."""

    instance: Instance
    layer: str
    facts: dict[str, Any]
    maps: list[MapDecision] = field(factory=list)
    requirements: list[tuple[Expr, str | None, Span]] = field(factory=list)
    depth: int = 0
    pins: dict[str, Expr] = field(factory=dict)
    """What decisions are equal to wherever this rule serves: path -> the constant."""
    consulted: set[str] = field(factory=set)
    """Paths that these were asked for."""
    local: bool = False
    """Whether what was met is the work's own: a copy of its layer, or what hangs on its numbers."""
    asks_others: bool = False
    """Whether a rule asked for works itself, which may read what policies set for the layer."""
    open: frozenset[str] = frozenset()
    """Paths of letters that stand for the work's numbers."""
    asks: list[Expr] = field(factory=list)
    """What types ask of these."""
    says: object = None
    """What the maps, requirements and numbers say, whatever the maps are called; None: not known."""
    details: Details | None = None


@mutable(eq=False, repr=False)
class State:
    """What elaboration gathers."""

    reporter: Reporter
    settings: dict[str, str]
    decisions: list[Decision] = field(factory=list)
    requirements: list[Requirement] = field(factory=list)
    objectives: list[Objective] = field(factory=list)
    works: list[Any] = field(factory=list)
    networks: list[NetworkPlan] = field(factory=list)
    accelerators: list[Accelerator] = field(factory=list)
    instances: list[Instance] = field(factory=list)
    tasks: dict[str, Task] = field(factory=dict)
    stages: list[Stage] = field(factory=list)
    references: list[Reference] = field(factory=list)
    variants: list[Variant] = field(factory=list)
    policies: list[Policy] = field(factory=list)
    params: list[Param] = field(factory=list)
    constants: dict[str, Constant] = field(factory=dict)
    domains: dict[str, tuple[Any, ...]] = field(factory=dict)
    groups: dict[str, Any] = field(factory=dict)
    facts: dict[str, dict[str, Any]] = field(factory=dict)
    layers: list[tuple[str, Expr]] = field(factory=list)
    blocks: list[tuple[str, Expr]] = field(factory=list)
    """Every call of a network by path, with when it is live: operators, and `def`s that call them."""
    families: dict[str, frozenset[str]] = field(factory=dict)
    """Symbol -> those that stood in one set with it."""
    loose: list[object] = field(factory=list)
    """Owners (of `reporter`) whose meaning hangs on what was elaborated before them, by other ways than names."""
    numbers: Mapping[Span, Expr] = field(factory=dict)
    """Numbers of the text that are read as something else than they say: where one stands -> its value."""
    kinds: list[Expr] = field(factory=list)
    """What the types of the text ask of such numbers."""
    answered: Answered | None = None
    """What rules answered in the text before; None where no text comes after."""
    closely: Closely | None = None
    passes: dict[str, dict[tuple[str, ...], tuple[Any, Expr]]] = field(factory=dict)
    """What loops at the top of a file bind: name -> indices of a pass -> its value there, and when that is run."""
    passing: set[Scope] = field(factory=set)
    """The scopes of these passes."""
    ran: dict[int, bool] = field(factory=dict)
    """Loops at the top of a file by identity: whether one is through; those that were not begun are not there."""
    placed: bool = False
    place: Callable[[], None] | None = None
    steps: int = 0
    """Expressions evaluated so far."""


@frozen(eq=False, repr=False, slots=False)
class Context:
    """Where an expression stands. guard: when it is live; prefix, indices: of the paths it makes; hint: the name a
    decision or call takes that has none; calls, running: spans of the calls we are inside of, the `def`s called."""

    state: State
    scope: Scope
    guard: Expr = TRUE
    prefix: str = ""
    indices: tuple[str, ...] = ()
    hint: str | None = None
    building: Building | None = None
    answering: Answering | None = None
    calls: tuple[Span, ...] = ()
    running: tuple[tree.Def, ...] = ()
    direct: str | None = None
    """The whole path that the next call takes (an alternative's own)."""
    owner: Instance | None = None
    """The accelerator whose body this is."""
    layer: str | None = None
    """The operator whose declaration is being run, which is the layer that its works are asked for by."""
    note: str = ""
    """What every message says where it says it not by itself: the node of a file."""

    def under(self, condition: Expr) -> Context:
        return evolve(self, guard=both(self.guard, condition))

    def named(self, hint: str | None) -> Context:
        return self if self.hint == hint and self.direct is None else evolve(self, hint=hint, direct=None)

    def at(self, scope: Scope) -> Context:
        return evolve(self, scope=scope)

    def hangs_on(self, *read: Any) -> None:
        """What is met hangs on these: where they read letters, each work has to be answered by itself."""
        known = self.answering
        if known is None or not known.open:
            return
        known.local |= any(isinstance(e, Expr) and not e.free.isdisjoint(known.open) for e in read)

    def path(self, name: str) -> str:
        owner = f"{self.prefix}.{name}" if self.prefix else name
        return f"{owner}[{', '.join(self.indices)}]" if self.indices else owner

    def fail(
        self, code: str, span: Span, message: str, help: Help | None = None, labels: tuple[Label, ...] = ()
    ) -> Stop:
        """Report an error and give the exception to raise.

        What goes wrong inside the standard library is shown where it is called: its texts are right.
        """
        place, extra = self.blame(span, "here")
        message += f" ({self.note})" if self.note not in message else ""
        self.state.reporter.error(code, place, message, help, labels + extra)
        return Stop()

    def blame(self, span: Span, note: str) -> tuple[Span, tuple[Label, ...]]:
        """Where to point for something at `span`, and what else to point at."""
        if is_standard(span):
            call = next((s for s in reversed(self.calls) if not is_standard(s)), None)
            if call is not None:
                return call, (Label(span, note),)
        return span, tuple(Label(s, "called here") for s in self.calls[-1:] if not encloses(s, span))


def evolve(value: T, /, **changes: Any) -> T:
    """As `attrs.evolve`, and many times as fast for a context: one is made at every step of elaboration."""
    if value.__class__ is not Context:
        other: Any = value
        return attrs.evolve(other, **changes)  # type: ignore[no-any-return]
    made = object.__new__(Context)
    made.__dict__.update(value.__dict__, **changes)
    return made  # type: ignore[return-value]


def is_standard(span: Span) -> bool:
    """Whether a place lies in the standard library."""
    return span.file.startswith("std/")


def encloses(outer: Span, inner: Span) -> bool:
    return outer.file == inner.file and outer.start <= inner.start and inner.end <= outer.end


LISTS = (Gathered, ListValue, Listed, Parts, PerLayer)
"""What folds, loops and `+` take as a list."""


def one_of(value: Any) -> Any:
    """A value to bind to a name: a bare unit is one of it, so that `energy = pJ` is 1 pJ."""
    return value.scale if isinstance(value, UnitValue) else value


def is_number(value: Any) -> bool:
    return isinstance(value, Expr) and value.type.kind == "number"


def describe(value: Any) -> str:
    """What kind of thing a value is, for messages."""
    from cospace.compiler.space.units import show_unit

    if isinstance(value, Expr):
        if value.type.kind == "number":
            return f"a quantity in {show_unit(value.type.unit)}" if value.type.unit else "a plain number"
        return {"bool": "a Boolean"}.get(value.type.kind) or _with_article(value.type.kind)
    names = {
        SetValue: "a set", RangeValue: "a range", DomainValue: "a domain", ListValue: "a list",
        Tensor: "a tensor", TensorType: "a tensor type", KindType: "a type", Function: "a def", Builtin: "a function",
        UnitValue: "a unit", AcceleratorClass: "an accelerator", Instance: "an accelerator", Module: "an import",
        TableValue: "a table", PerLayer: "one value a layer", Listed: "a list", Parts: "a list of parts",
        Chosen: "one of several accelerators", type(None): "nothing",
    }  # fmt: skip
    if isinstance(value, Record) or (isinstance(value, SetValue) and value.is_record):
        return _with_article(getattr(value, "kind", "record"))
    if isinstance(value, Gathered) or (isinstance(value, Listed) and value.sets):
        return "a list" if isinstance(value, Gathered) else "a set"
    return names.get(type(value)) or str(getattr(value, "noun", "part of a network"))


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
