"""From a network's plan and a design to the straight line of steps that runs it. Nothing here holds a tensor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import wraps
from typing import Any, TypeVar

from attrs import evolve, field, frozen
from cospace.compiler.elaborate.paths import below, length
from cospace.compiler.exact.exact import evaluate, evaluate_all
from cospace.compiler.space.graph import Expr, Symbol, Value
from cospace.compiler.space.model import (
    Binding,
    Call,
    Choice,
    Design,
    Input,
    NetworkPlan,
    Policy,
    Space,
    Task,
    Variant,
    spell,
)
from cospace.dsl.diagnostics import NOWHERE, Span
from cospace.runtime.quantise import FULL, PLAIN, Precision, Quantiser
from cospace.runtime.registry import WITHOUT, refuse
from cospace.runtime.settings import build
from cospace.runtime.tasks.base import LoadedTask


@frozen
class Step:
    """One operator applied.

    place: what names its weights in a supernet, the same for the alternatives of one choice.
    inputs: positions among the leaves, then the steps before. arguments: by name, as Python values.
    kept: whose norms these are, where they are kept for each value of a switch (`4 bit`), else "".
    mixed: (precision, values of the mixed decisions that give it), where the step rounds as the mean of several.
    """

    path: str
    place: str
    source: str
    inputs: tuple[int, ...]
    arguments: tuple[tuple[str, Any], ...]
    input_shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    precision: Precision
    kept: str = ""
    mixed: tuple[tuple[Precision, Binding], ...] = ()
    span: Span = NOWHERE
    _found: dict[str, Any] = field(factory=dict, init=False, eq=False, repr=False)


Found = TypeVar("Found")


def once(of: Callable[[Step], Found]) -> Callable[[Step], Found]:
    """A function of a step that is worked out once for each: what is asked of every step of every batch."""

    @wraps(of)
    def asked(step: Step) -> Found:
        if of.__name__ not in step._found:
            step._found[of.__name__] = of(step)
        found: Found = step._found[of.__name__]
        return found

    return asked


@frozen
class Subnet:
    """A network with every choice taken. leaves: (task, field) of what comes from outside."""

    leaves: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    output: int


def at_full_precision(subnet: Subnet) -> Subnet:
    """The same network with nothing rounded, and norms of its own."""
    steps = tuple(evolve(s, precision=PLAIN, kept="", mixed=()) for s in subnet.steps)
    return Subnet(subnet.leaves, steps, subnet.output)


class Planner:
    """Resolves designs of one network; equal choices give the same `Subnet` object. switches: what its user binds.

    Raises:
        SpecError: CS707 for a network that reads what chance or the input binds.
    """

    def __init__(self, space: Space, plan: NetworkPlan) -> None:
        self.plan = plan
        read = _read_by(plan)
        self.decisions = tuple(d.path for d in space.decisions if d.path in read)
        self.switches = tuple(v for v in space.variants if v.path in read)
        for v in self.switches:
            if v.binding != "switch":
                how = "chance draws" if v.binding == "random" else "the input decides"
                raise refuse("CS707", f"the runtime cannot run `{v.path}` yet, which {how}", v.span, WITHOUT)
        self._values = {d.path: d.values for d in space.decisions}
        self._places = _places(plan)
        self._kept = _kept(space, plan)
        self._paths: dict[tuple[Any, ...], Subnet] = {}

    @property
    def bindings(self) -> list[Binding]:
        """All that the switches may be bound to, whatever the design."""
        return list(itertools.product(*([(v.path, x) for x in v.values] for v in self.switches)))

    def only_rounds(self, path: str) -> bool:
        """Whether a decision changes nothing of the network but to how many bits its operands are rounded."""
        exprs = [
            e
            for n in self.plan.nodes
            for e in (*n.shape, *((a for _, a in n.arguments if a.op != "external") if isinstance(n, Call) else ()))
        ]
        choices = {n.decision for n in self.plan.nodes if isinstance(n, Choice)}
        return path not in choices and not any(path in e.free for e in exprs)

    def subnets(self, design: Design, mixed: frozenset[str] = frozenset()) -> Mapping[Binding, Subnet]:
        """The path of a design at each binding of its switches, in the order of their values; `{(): path}` where
        there are none. mixed: decisions whose values all take part in rounding.

        Raises:
            SpecError: CS706 when a live shape or argument has no value there.
        """
        return {at: self._at(design, at, mixed) for at in self._each(design)}

    def _each(self, design: Design) -> Iterator[Binding]:
        values: dict[str, list[Value]] = {v.path: _allowed(v, design) for v in self.switches}
        return itertools.product(*([(path, x) for x in own] for path, own in values.items()))

    def resolve(self, design: Design) -> Subnet:
        """The path of a design, at the first binding of its switches. Raises as `subnets`."""
        return self._at(design, next(self._each(design)), frozenset())

    def _at(self, design: Design, at: Binding, mixed: frozenset[str]) -> Subnet:
        key = (*(design.get(p) for p in self.decisions), *at, *sorted(mixed))
        if key not in self._paths:
            self._paths[key] = self._resolve({**design, **dict(at)}, at, mixed)
        return self._paths[key]

    def tasks(self) -> set[str]:
        """Names of the tasks that the network reads."""
        return {node.task for node in self.plan.nodes if isinstance(node, Input)}

    def check_inputs(self, loaded: LoadedTask, task: Task) -> None:
        """Hold the declared shapes of the inputs against the data.

        Raises:
            SpecError: CS703, naming the input that differs, or that the data lacks.
        """
        for node in self.plan.nodes:
            if not isinstance(node, Input):
                continue
            if node.field not in loaded.shapes:
                raise refuse("CS703", f"the data of `{task.name}` has no field `{node.field}`", task.span)
            sizes = evaluate_all(list(node.shape), {})
            found = loaded.shapes[node.field]
            if len(found) == len(sizes) and any(
                isinstance(s, Fraction) and s != n for s, n in zip(sizes, found, strict=True)
            ):
                said = " x ".join(str(s) for s in sizes)
                here = " x ".join(map(str, found))
                raise refuse(
                    "CS703", f"`{task.name}.{node.field}` is {said} in the text, the data has {here}", task.span
                )

    def _resolve(self, design: Design, at: Binding, mixed: frozenset[str]) -> Subnet:
        order = _live_order(self.plan, design)
        leaves = [n for n in order if isinstance(self.plan.nodes[n], Input)]
        calls = [n for n in order if isinstance(self.plan.nodes[n], Call)]
        place_of = {n: i for i, n in enumerate([*leaves, *calls])}
        shapes = _evaluate_shapes(self.plan, [*leaves, *calls], design)
        steps = []
        for n in calls:
            call: Call = self.plan.nodes[n]  # type: ignore[assignment]
            sources = [_taken(self.plan, i, design) for _, i in call.inputs]
            steps.append(
                Step(
                    call.path,
                    self._places[n],
                    call.module,
                    tuple(place_of[s] for s in sources),
                    tuple((name, _python(v)) for name, v in _values(call.arguments, design, call)),
                    tuple(shapes[s] for s in sources),
                    shapes[n],
                    _precision(call, design),
                    self._label(n, at),
                    self._mix(call, design, mixed),
                    call.span,
                )
            )
        named = [self.plan.nodes[n] for n in leaves]
        return Subnet(
            tuple((i.task, i.field) for i in named),  # type: ignore[union-attr]
            tuple(steps),
            place_of[_taken(self.plan, self.plan.output, design)],
        )

    def _mix(self, call: Call, design: Design, mixed: frozenset[str]) -> tuple[tuple[Precision, Binding], ...]:
        """The precisions of a call at all values of the mixed decisions that it reads."""
        read = [p for p in sorted(mixed) if any(p in e.free for _, e in call.facts)]
        each = itertools.product(*([(p, v) for v in self._values[p]] for p in read))
        return tuple((_precision(call, {**design, **dict(at)}), at) for at in each) if read else ()

    def _label(self, node: int, at: Binding) -> str:
        """The values of the switches for each of which a call keeps its norms."""
        units = {v.path: (v.unit, v.scale) for v in self.switches}
        return ", ".join(spell(value, *units[path]) for path, value in at if path in self._kept.get(node, ()))


def _allowed(variant: Variant, design: Design) -> list[Value]:
    if variant.allowed is None:
        return list(variant.values)
    return [v for v, e in zip(variant.values, variant.allowed, strict=True) if evaluate(e, design) is not False]


def _kept(space: Space, plan: NetworkPlan) -> dict[int, frozenset[str]]:
    """Node -> the switches for each of whose values it keeps its norms: as its closest policy of each kind says, and
    whatever follows it, for what comes in differs from value to value."""
    found: dict[int, frozenset[str]] = {}
    of = {p.name: frozenset(v.path for v in space.variants if v.group == p.name) for p in space.policies}
    if not any(of.values()):
        return found
    for n, node in enumerate(plan.nodes):
        if isinstance(node, Call):
            closest: dict[str, tuple[tuple[int, int], Policy]] = {}
            for policy in space.policies:
                for target in policy.targets:
                    best = closest.get(policy.kind)
                    if below(node.path, target) and (best is None or length(target) > best[0]):
                        closest[policy.kind] = length(target), policy
            kept = [of[p.name] for _, p in closest.values() if "norm" in p.state]
            found[n] = frozenset().union(*kept, *(found.get(i, ()) for _, i in node.inputs))
        if isinstance(node, Choice):
            found[n] = frozenset().union(*(found.get(i, ()) for _, i in node.options))
    return found


def _read_by(plan: NetworkPlan) -> set[str]:
    found: set[str] = set()
    for node in plan.nodes:
        if isinstance(node, Choice):
            found.add(node.decision)
        if isinstance(node, Call):
            exprs: list[Expr] = [e for _, e in node.arguments + node.facts if e.op != "external"]
            for e in [*exprs, *node.shape]:
                found |= e.free
    return found


def _taken(plan: NetworkPlan, node: int, design: Design) -> int:
    """Follow choices down to the call or input that stands there."""
    here = plan.nodes[node]
    while isinstance(here, Choice):
        value = design.get(here.decision)
        node = next((n for v, n in here.options if v == value and type(v) is type(value)), -1)
        if node < 0:
            raise refuse("CS706", f"the design does not say `{here.decision}`")
        here = plan.nodes[node]
    return node


def _live_order(plan: NetworkPlan, design: Design) -> list[int]:
    """Nodes that the output needs, inputs first; plans stand in topological order already."""
    needed: set[int] = set()
    stack = [_taken(plan, plan.output, design)]
    while stack:
        n = stack.pop()
        if n in needed:
            continue
        needed.add(n)
        node = plan.nodes[n]
        if isinstance(node, Call):
            stack.extend(_taken(plan, i, design) for _, i in node.inputs)
    return sorted(needed)


def _places(plan: NetworkPlan) -> dict[int, str]:
    """Node -> name of its weights: alternatives of a choice share the choice's path."""
    names = {n: node.path for n, node in enumerate(plan.nodes) if isinstance(node, Call)}
    # Inner choices first: stripping an outer alternative changes what the inner ones are called.
    choices = sorted({node.decision for node in plan.nodes if isinstance(node, Choice)}, key=len, reverse=True)
    for n, path in names.items():
        for decision in choices:
            if path.startswith(decision + "."):
                inner = path[len(decision) + 1 :].partition(".")[2]
                path = f"{decision}.{inner}" if inner else decision
        names[n] = path
    return names


def _values(named: tuple[tuple[str, Expr], ...], design: Design, call: Call) -> list[tuple[str, Any]]:
    plain = [(name, e) for name, e in named if e.op != "external"]
    found = [getattr(v, "middle", v) for v in evaluate_all([e for _, e in plain], design)]
    for (name, _), value in zip(plain, found, strict=True):
        if not isinstance(value, (Fraction, bool, Symbol, str)):
            raise refuse("CS706", f"`{name}` of `{call.path}` has no value at this design", call.span)
    return [(name, value) for (name, _), value in zip(plain, found, strict=True)]


def _evaluate_shapes(plan: NetworkPlan, nodes: list[int], design: Design) -> dict[int, tuple[int, ...]]:
    shapes = {}
    for n in nodes:
        node = plan.nodes[n]
        sizes = evaluate_all(list(node.shape), design)
        for size in sizes:
            if not isinstance(size, Fraction) or size.denominator != 1 or size < 0:
                name = node.path if isinstance(node, Call) else getattr(node, "name", "")
                span = node.span if isinstance(node, Call) else NOWHERE
                raise refuse("CS706", f"a dimension of `{name}` is no whole number at this design", span)
        shapes[n] = tuple(int(s) for s in sizes)  # type: ignore[arg-type]
    return shapes


def _python(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return str(value)


def _precision(call: Call, design: Design) -> Precision:
    of_bits = tuple((name, e) for name, e in call.facts if name in ("wbits", "abits"))
    bits = {name: _python(v) for name, v in _values(of_bits, design, call)}
    said = dict(call.facts).get("quantiser")
    quantiser = Quantiser() if said is None else _quantiser(said, design, call)
    return Precision(_bits(bits, "wbits", call), _bits(bits, "abits", call), quantiser)


def _quantiser(said: Expr, design: Design, call: Call) -> Quantiser:
    """The quantiser that a block says, whichever of several a design has it take."""
    while said.op == "if":
        said = said.args[1] if evaluate(said.args[0], design) is True else said.args[2]
    found = build(said) if said.op == "external" else None
    if not isinstance(found, Quantiser):
        raise refuse("CS706", f"the quantiser of `{call.path}` is not known", call.span)
    return found


def _bits(bits: dict[str, Any], name: str, call: Call) -> int:
    value = bits.get(name, FULL)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise refuse(
            "CS706", f"`{name}` of `{call.path}` is {value}: a whole number of bits, at least 1, runs", call.span
        )
    return value
