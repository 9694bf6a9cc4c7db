"""The supernet that a plan asks for, counted without building it: modules, shared parameters, peak memory.

The runtime shares one bank of the largest shape among the alternatives of a place; what a declaration lists as state is
what its module trains, so both come from text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product

from attrs import frozen
from cospace.compiler.exact.exact import evaluate_all
from cospace.compiler.space.graph import Expr, Value, mul
from cospace.compiler.space.model import Call, Choice, Design, Input, NetworkPlan, Space

FLOAT = 4
SLOTS = 2
"""Tensors of a weight's shape that the optimiser keeps (Adam)."""
LISTED = 4_096
"""Assignments that are tried for the largest shapes at most; beyond, each decision is varied alone."""


@frozen
class Estimate:
    """modules: distinct operators with their shapes. parameters: in banks shared by all designs. parked_bytes: banks
    and the optimiser's state, which rest outside of a step. peak_bytes: tensors alive at once in a weight step along
    the largest path (weights, gradients, state, activations kept for the backward pass, inputs)."""

    modules: int
    parameters: int
    parked_bytes: int
    peak_bytes: int
    largest: tuple[tuple[str, Value], ...] = ()
    """The decisions of that largest path."""


def estimate(space: Space) -> Estimate:
    """The supernet of every network of a space, added up."""
    found = [estimate_memory(space, plan) for plan in space.networks]
    return Estimate(
        sum(f.modules for f in found),
        sum(f.parameters for f in found),
        sum(f.parked_bytes for f in found),
        max((f.peak_bytes for f in found), default=0),
        max(found, key=lambda f: f.peak_bytes).largest if found else (),
    )


def estimate_memory(space: Space, plan: NetworkPlan) -> Estimate:
    """The supernet of one network.

    The peak is that of a weight step along the largest path, the larger of two moments. As the backward pass begins:
    the weights, one of them rounded, what is kept (the operands of each call with state, the output of each without,
    what works say of `kept`), an output and its gradient. As the largest weight is updated: weights and gradients, its
    state, and two temporaries of its size. Inputs and what is made of them alone are not counted.
    """
    leaf = _made_of_inputs(plan)
    choices = {n.decision for n in plan.nodes if isinstance(n, Choice)}
    banks: dict[tuple[str, int, int], tuple[int, ...]] = {}
    best: tuple[int, Design] = (0, {})
    for sizes in _assignments(space, plan):
        for n, call, state, _ in _shapes(space, plan, sizes):
            del n
            for k, shape in _ranked(state):
                key = (_place(call.path, choices), len(shape), k)
                banks[key] = tuple(map(max, banks.get(key, shape), shape))
        best = max(best, _weigh_largest(space, plan, sizes, leaf), key=lambda b: b[0])
    parameters = sum(_size(shape) for shape in banks.values())
    modules = sum(1 for n in plan.nodes if isinstance(n, Call))
    return Estimate(modules, parameters, (1 + SLOTS) * FLOAT * parameters, best[0], tuple(sorted(best[1].items())))


def estimate_path(space: Space, design: Design) -> int:
    """Bytes alive at the peak of a weight step along the path of one design, counted as in `estimate_memory`."""
    found = [0]
    for plan in space.networks:
        leaf = _made_of_inputs(plan)
        taken = {
            n: next(i for v, i in node.options if v == design.get(node.decision))
            for n, node in enumerate(plan.nodes)
            if isinstance(node, Choice) and node.decision in design
        }
        found.append(_weigh_path(plan, _weigh_calls(space, plan, design, leaf), taken, leaf))
    return max(found)


@frozen
class _Weighed:
    """Bytes of one call. kept: for the backward pass. weights: of its parameters; largest: of one of them. output: what
    it gives."""

    kept: int
    weights: int
    largest: int
    output: int


def _weigh_calls(space: Space, plan: NetworkPlan, sizes: Design, leaf: frozenset[int]) -> dict[int, _Weighed]:
    """Each call whose shapes are known at fixed sizes."""
    found = {}
    said = _kept_by_works(space)
    for n, call, state, shape in _shapes(space, plan, sizes):
        output = kept = FLOAT * _size(shape)
        if n in leaf:
            kept = 0
        elif state:
            rows = _size(shape[:-1])
            fed_by_input = all(i in leaf for _, i in call.inputs)
            matrices = [s for s in state if len(s) == 2]
            kept = sum(FLOAT * rows * s[0] for s in matrices if not fed_by_input or s[0] != matrices[0][0])
        more = evaluate_all(said.get(call.path, []), sizes)
        kept += sum(FLOAT * int(k) for k in more if isinstance(k, Fraction))
        sizes_of = [FLOAT * _size(s) for s in state]
        found[n] = _Weighed(kept, sum(sizes_of), max(sizes_of, default=0), output)
    return found


def _kept_by_works(space: Space) -> dict[str, list[Expr]]:
    """Call's path -> what its works say of `kept`, one expression a work."""
    found: dict[str, list[Expr]] = {}
    for work in space.works:
        found.setdefault(work.call, []).extend(mul(work.times, e) for name, e in work.facts if name == "kept")
    return found


def _weigh_path(
    plan: NetworkPlan, calls: Mapping[int, _Weighed], taken: Mapping[int, int], leaf: frozenset[int]
) -> int:
    """Bytes of the path that the taken options (choice's node -> option's node) make."""
    path: set[int] = set()
    stack = [plan.output]
    while stack:
        n = stack.pop()
        while n in taken:
            n = taken[n]
        node = plan.nodes[n]
        if n not in path and isinstance(node, Call):
            path.add(n)
            stack.extend(i for _, i in node.inputs)
    found = [calls[n] for n in path if n in calls]
    output = max((c.output for n, c in calls.items() if n in path and n not in leaf), default=0)
    weights, largest = sum(c.weights for c in found), max((c.largest for c in found), default=0)
    backward = weights + largest + sum(c.kept for c in found) + 2 * output
    update = 2 * weights + (SLOTS + 2) * largest
    return max(backward, update)


def _weigh_largest(space: Space, plan: NetworkPlan, sizes: Design, leaf: frozenset[int]) -> tuple[int, Design]:
    """Bytes of the largest path at fixed sizes, every choice taken for the most bytes, and its decisions."""
    calls = _weigh_calls(space, plan, sizes, leaf)
    taken: dict[int, int] = {}
    design: dict[str, Value] = dict(sizes)
    for n, node in enumerate(plan.nodes):
        if isinstance(node, Choice):
            weights = {i: calls[i].kept + calls[i].weights if i in calls else 0 for _, i in node.options}
            options = [(weights[i], -k, v, i) for k, (v, i) in enumerate(node.options)]
            _, _, value, taken[n] = max(options, key=lambda o: o[:2])
            design.setdefault(node.decision, value)
    return _weigh_path(plan, calls, taken, leaf), design


def _shapes(
    space: Space, plan: NetworkPlan, design: Design
) -> Iterator[tuple[int, Call, list[tuple[int, ...]], tuple[int, ...]]]:
    """Calls whose shapes are whole numbers at a design: node, call, shapes of its state, its own shape."""
    for n, node in enumerate(plan.nodes):
        if isinstance(node, Call):
            state = [_whole(s, design) for _, s in node.state]
            shape = _whole(node.shape, design)
            if shape is not None and all(s is not None for s in state):
                yield n, node, [s for s in state if s is not None], shape


def _whole(shape: Sequence[Expr], design: Design) -> tuple[int, ...] | None:
    values = evaluate_all(list(shape), design)
    if all(isinstance(v, Fraction) and v.denominator == 1 and v >= 0 for v in values):
        return tuple(int(v) for v in values)  # type: ignore[arg-type]
    return None


def _assignments(space: Space, plan: NetworkPlan) -> Iterator[Design]:
    """Values of the decisions that sizes read: all of them together, or one varied at a time where that is many."""
    said = _kept_by_works(space)
    read: set[str] = set()
    for node in plan.nodes:
        if isinstance(node, Call):
            for e in [*node.shape, *(x for _, shape in node.state for x in shape), *said.get(node.path, [])]:
                read |= e.free
    domains: Mapping[str, Sequence[Value]] = {d.path: d.values for d in space.decisions if d.path in read}
    total = 1
    for values in domains.values():
        total *= len(values)
    if total <= LISTED:
        for values in product(*domains.values()):
            yield dict(zip(domains, values, strict=True))
        return
    largest = {p: max(v, key=lambda x: x if isinstance(x, Fraction) else Fraction(0)) for p, v in domains.items()}
    yield largest
    for path, values in domains.items():
        for value in values:
            yield {**largest, path: value}


def _made_of_inputs(plan: NetworkPlan) -> frozenset[int]:
    """Inputs, and calls without state on nothing else."""
    found: set[int] = set()
    for n, node in enumerate(plan.nodes):
        if isinstance(node, Input) or (
            isinstance(node, Call) and not node.state and node.inputs and all(i in found for _, i in node.inputs)
        ):
            found.add(n)
    return frozenset(found)


def _place(path: str, choices: set[str]) -> str:
    """A call's path without the names of the alternatives that it stands in."""
    for decision in sorted(choices, key=len, reverse=True):
        if path.startswith(decision + "."):
            inner = path[len(decision) + 1 :].partition(".")[2]
            path = f"{decision}.{inner}" if inner else decision
    return path


def _ranked(state: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(k, shape): the k-th of its rank."""
    seen: dict[int, int] = {}
    for shape in state:
        seen[len(shape)] = seen.get(len(shape), 0) + 1
        yield seen[len(shape)], shape


def _size(shape: Sequence[int]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total
