"""`network name(…) from "model.onnx"`: a network from the graph of a file.

A node is a call of the `def` that has its operator's name, found as any name of the text is: what an operator asks of
hardware is said in text (`std.onnx`), and a text may declare more of them. The node's inputs go by their order to the
parameters that are tensors, lists or `none` unless given; its attributes by name to the others. The names of the
declared result are bound by the sizes that the file gives.

The parameters of the network are what the file leaves open: `batch = 1` a size by its name, `x: tensor[1, 3, 32, 32]`
whole shapes of inputs in their order.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from attrs import define, field
from cospace.compiler.elaborate import calls, names, types
from cospace.compiler.elaborate.calls import CONSTANT, WEIGHT
from cospace.compiler.elaborate.onnx_file import Graph, Node, Shape, Unreadable, read_graph
from cospace.compiler.elaborate.table_files import Missing, find_file
from cospace.compiler.elaborate.values import (
    Building,
    Context,
    Function,
    ListValue,
    Scope,
    Stop,
    Tensor,
    TensorType,
    describe,
    evolve,
    is_number,
)
from cospace.compiler.space.graph import const
from cospace.compiler.space.model import Input
from cospace.dsl import tree
from cospace.dsl.diagnostics import Span
from cospace.dsl.source import as_index
from cospace.dsl.suggest import closest, meant
from cospace.dsl.walk import walk

LIBRARY = "std.onnx"
LARGEST = 2**31 - 1
"""Of the sizes that a text may give."""
MOST = 10
"""Nodes of which it is told what is wrong with them."""


def build(s: tree.Network, context: Context) -> tuple[Building, Tensor]:
    """The nodes of a network that comes from a file, and its output."""
    assert s.source is not None
    source = s.source
    if not isinstance(source.value, tree.Text):
        raise context.fail("CS234", source.span, "a network comes from a file", help='name it: `from "model.onnx"`')
    file = source.value.value
    given, inputs = _given(s, context)
    shapes = [tuple(int(d.number) for d in i.shape) for i in inputs]
    try:
        path = find_file(file, context.scope.owner().file.path, context.state.groups)
        graph = read_graph(path, file, {k: v for k, (v, _) in given.items()}, shapes)
    except Missing as missing:
        raise context.fail("CS234", source.span, str(missing), help=missing.help) from None
    except Unreadable as unreadable:
        raise context.fail("CS234", source.span, str(unreadable), help=unreadable.help) from None
    _check_given(s, file, graph, given, inputs, context)
    here = evolve(
        context, scope=Scope(context.scope, label=s.name), prefix=s.name, building=Building(s.name), hint=None
    )
    lowering = _Lowering(s.name, file, graph, source.span, here)
    lowering.check_operators()
    lowering.place_inputs(inputs)
    return lowering.run()


# ---- what the text gives


def _given(s: tree.Network, context: Context) -> tuple[dict[str, tuple[int, Span]], list[TensorType]]:
    """The sizes and the input shapes that the parameters say."""
    from cospace.compiler.elaborate.evaluate import evaluate, number

    sizes: dict[str, tuple[int, Span]] = {}
    inputs: list[TensorType] = []
    for p in s.parameters or ():
        if p.type is None or (isinstance(p.type, tree.Name) and p.type.id in types.PLAIN):
            if p.default is None:
                help = f"`{p.name} = 1` is a size that the file leaves open, `{p.name}: tensor[1, 8]` an input's shape"
                raise context.fail("CS306", p.span, f"`{p.name}` needs a value or a type", help=help)
            value = number(p.default, context.named(p.name))
            if value.type.unit or not _is_size(value):
                said = "a size is a whole number from 1 that no decision changes"
                raise context.fail("CS301", p.default.span, said, help="a file's shapes are inferred before any design")
            sizes[p.name] = int(value.number), p.span
            continue
        kind = evaluate(p.type, context)
        if not isinstance(kind, TensorType) or kind.kind != "tensor":
            raise context.fail("CS306", p.type.span, f"an input of a file is a tensor, and this is {describe(kind)}")
        if not all(map(_is_size, kind.shape)):
            raise context.fail("CS301", p.type.span, "the shape of a file's input holds whole numbers from 1")
        inputs.append(kind)
    return sizes, inputs


def _is_size(value: Any) -> bool:
    return is_number(value) and value.is_const and value.number.denominator == 1 and 1 <= value.number <= LARGEST


def _check_given(
    s: tree.Network,
    file: str,
    graph: Graph,
    given: dict[str, tuple[int, Span]],
    inputs: list[TensorType],
    context: Context,
) -> None:
    """Whether the file has what the text says of it, and the text says what the file leaves open."""
    failed = False
    for name, (_, span) in given.items():
        if name not in graph.open:
            listed = ", ".join(f"`{o}`" for o in graph.open[:8])
            there = f"it leaves {listed} open" if listed else "all its sizes are numbers"
            context.fail("CS214", span, f"`{file}` has no size called `{name}`", help=meant(name, graph.open) or there)
            failed = True
    if len(inputs) > len(graph.inputs):
        said = f"`{file}` has {len(graph.inputs)} inputs, and {len(inputs)} are given"
        raise context.fail("CS214", s.span, said, help=_inputs(graph))
    if failed or _open_sizes(s, file, graph, given, context):
        raise Stop()


def _open_sizes(s: tree.Network, file: str, graph: Graph, given: dict[str, tuple[int, Span]], context: Context) -> bool:
    """CS237 for all sizes of inputs that are not known."""
    named: dict[str, str] = {}
    others: list[str] = []
    last = None
    for name in graph.inputs:
        sizes = graph.sizes.get(name)
        if sizes is None:
            others.append(f"all of `{_plain(name)}`")
            last = name
        for at, size in enumerate(sizes or (), 1):
            if isinstance(size, str) and size.isidentifier():
                named.setdefault(size, f"`{size}` (dimension {at} of `{_plain(name)}`)")
            elif not isinstance(size, int):
                others.append(f"dimension {at} of `{_plain(name)}`")
                last = name
    if not named and not others:
        return False
    shown = [*named.values(), *others]
    listed = ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
    every = dict.fromkeys([*given, *named])
    values = ", ".join(f"{n} = {given[n][0] if n in given else 1}" for n in every)
    help = f"say them: `network {s.name}({values}) from …`"
    if last is not None:
        help = f"give shapes: `{_whole(s, graph, last)}`"
    context.fail("CS237", s.span, f"`{file}` leaves sizes of its inputs open: {listed}", help=help)
    return True


def _inputs(graph: Graph) -> str:
    return "they are " + ", ".join(f"`{_plain(i)}`" for i in graph.inputs[:8])


def _whole(s: tree.Network, graph: Graph, name: str) -> str:
    """How inputs up to one are given by their shapes; what is not known is an 8."""
    shapes = []
    for at, i in enumerate(graph.inputs[: graph.inputs.index(name) + 1], 1):
        sizes = ", ".join(str(d) if isinstance(d, int) else "8" for d in graph.sizes.get(i, (None,)))
        shapes.append(f"{i if i.isidentifier() else f'x{at}'}: tensor[{sizes}]")
    return f"network {s.name}({', '.join(shapes)}) from …"


# ---- nodes


@define(eq=False)
class _Lowering:
    name: str
    file: str
    graph: Graph
    span: Span
    context: Context
    values: dict[str, Tensor | None] = field(factory=dict)
    """Tensors made so far; None where that failed, which has been told."""

    def check_operators(self) -> None:
        """CS235 for operators that nothing declares, with the nodes that apply them."""
        failed: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            if self._function(node.operator) is None:
                failed.setdefault(node.operator, []).append(node)
        module = self.context.scope.owner()
        has_library = any(m.key == LIBRARY for m in module.imports.values())
        declared = [n for m in module.imports.values() if m.key == LIBRARY for n in m.scope.names]
        if failed and not has_library:
            listed = ", ".join(f"`{_plain(o)}`" for o in list(failed)[:6]) + (", …" if len(failed) > 6 else "")
            said = f"nothing declares the operators of `{self.file}`: {listed}"
            raise self.context.fail("CS235", self.span, said, help=f"`import {LIBRARY}` declares those of the standard")
        if not failed:
            return
        told = []
        for operator, nodes in list(failed.items())[:6]:
            applied = ", ".join(f"`{_plain(n.name)}`" for n in nodes[:3])
            applied += f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
            told.append(f"`{_plain(operator)}` (node{'s' * (len(nodes) > 1)} {applied})")
        listed = ", ".join(told) + (f" and {len(failed) - 6} more" if len(failed) > 6 else "")
        said = f"nothing declares {'operators' if len(failed) > 1 else 'an operator'} of `{self.file}`: {listed}"
        near = next((f"did you mean `{n}` by `{o}`?" for o in failed if (n := closest(o, declared))), None)
        raise self.context.fail("CS235", self.span, said, help=near or _example(_plain(next(iter(failed)))))

    def _function(self, operator: str) -> Function | None:
        found = names.find(operator, self.span, self.context)
        if not isinstance(found, Function):
            return None
        declaration = found.declaration
        made = types.result_kind(declaration.result) == "tensor" and isinstance(declaration.result, tree.Item)
        return found if made and declaration.source is not None else None

    def place_inputs(self, inputs: list[TensorType]) -> None:
        building = self.context.building
        assert building is not None
        for at, name in enumerate(self.graph.inputs):
            task, own = (inputs[at].field if at < len(inputs) else None) or ("", name)
            shape = _shape(self.graph.sizes[name])
            assert shape is not None
            building.nodes.append(Input(name, task, own, shape))
            self.values[name] = Tensor("tensor", shape, len(building.nodes) - 1)

    def run(self) -> tuple[Building, Tensor]:
        building = self.context.building
        assert building is not None
        failed = 0
        for node in self.graph.nodes:
            try:
                self._node(node)
            except Stop:
                failed += 1
                self.values.update((o, None) for o in node.outputs)
            if failed >= MOST:
                break
        if failed:
            raise Stop()
        if not self.graph.nodes:
            raise self.context.fail("CS234", self.span, f"`{self.file}` gives constants only: nothing in it is work")
        known = (self.values.get(o) for o in self.graph.outputs)
        output = next((v for v in known if v is not None and v.node >= 0), None)
        return building, output or Tensor("tensor", (), len(building.nodes) - 1)

    def _node(self, node: Node) -> None:
        function = self._function(node.operator)
        assert function is not None
        declaration = function.declaration
        shown = f"node `{_plain(node.name)}`"
        context = evolve(self.context, note=shown)
        known = self._arguments(node, declaration)
        context.state.steps += calls.CALL
        inner = evolve(
            context, scope=Scope(function.scope, label=declaration.name), calls=(*context.calls, self.span),
            running=(*context.running, declaration), hint=None, direct=None,
        )  # fmt: skip
        outputs = [o for o in node.outputs if o]
        sizes = self.graph.sizes.get(outputs[0])
        shape = _shape(sizes)
        made = None if shape is None else Tensor("tensor", shape, CONSTANT)
        if made is None and not _says_its_size(declaration):
            raise self._open(node, outputs[0], sizes)
        here = evolve(context, direct=f"{self.name}.{node.operator}[{as_index(node.name)}]")
        what = f"`{declaration.name}` ({shown})"
        result = calls.apply_operator(declaration, (), self.span, inner, here, what, known, made)
        self.values[outputs[0]] = result
        for name in outputs[1:]:
            other = _shape(self.graph.sizes.get(name))
            if other is not None:
                self.values[name] = Tensor("tensor", other, result.node)

    def _open(self, node: Node, tensor: str, sizes: Shape | None) -> Stop:
        """CS237: a size that depends on data, or that nobody knows the rule of."""
        at = next((at for at, d in enumerate(sizes or (), 1) if not isinstance(d, int)), None)
        part = f"dimension {at} of `{_plain(tensor)}`" if at else f"the size of `{_plain(tensor)}`"
        said = f"{part}, which `{_plain(node.operator)}` makes (node `{_plain(node.name)}`), is not known"
        return self.context.fail(
            "CS237", self.span, said,
            help=f"ONNX says: {self.graph.why}" if self.graph.why else "it hangs on data, or on an operator without a "
            "rule: cut the file before it, or state the size in it",
        )  # fmt: skip

    def _arguments(self, node: Node, declaration: tree.Def) -> dict[str, Any]:
        """What a node gives to the parameters of its operator."""
        known: dict[str, Any] = {}
        waiting = list(node.inputs)
        for p in declaration.parameters:
            if not _takes_tensor(p):
                continue
            if isinstance(p.type, tree.Name) and p.type.id == "list":
                known[p.name] = ListValue(tuple(self._value(node, i) for i in waiting if i))
                waiting = []
            elif waiting and (name := waiting.pop(0)):
                known[p.name] = self._value(node, name)
        for p in declaration.parameters:
            if p.name in node.attributes and p.name not in known:
                known[p.name] = _attribute(node.attributes[p.name])
        return known

    def _value(self, node: Node, name: str) -> Tensor:
        if name in self.values:
            value = self.values[name]
            if value is None:
                raise Stop()
            return value
        sizes = self.graph.sizes.get(name)
        shape = _shape(sizes)
        if shape is None or name not in self.graph.held:
            maker = next((n for n in self.graph.nodes if name in n.outputs), None)
            if maker is not None or name in self.graph.held:
                raise self._open(maker or node, name, sizes)
            said = f"`{self.file}` is no whole graph: node `{_plain(node.name)}` reads `{_plain(name)}`"
            raise self.context.fail("CS234", self.span, f"{said}, which nothing makes before it")
        return Tensor("tensor", shape, WEIGHT if self.graph.held[name] else CONSTANT)


def _takes_tensor(p: tree.Parameter) -> bool:
    """Whether a parameter takes an input of a node."""
    if p.type is None:
        return isinstance(p.default, tree.Name) and p.default.id == "none"
    if isinstance(p.type, tree.Name):
        return p.type.id == "list"
    return isinstance(p.type, tree.Item) and isinstance(p.type.object, tree.Name) and p.type.object.id == "tensor"


def _says_its_size(declaration: tree.Def) -> bool:
    """Whether the declared result follows from the parameters."""
    assert isinstance(declaration.result, tree.Item)
    bound = {p.name for p in declaration.parameters}
    for p in declaration.parameters:
        if p.type is not None:
            bound |= {n.id for n in walk(p.type) if isinstance(n, tree.Name)}
    read = (n.id for i in declaration.result.items for n in walk(i) if isinstance(n, tree.Name))
    return all(name in bound or name in names.BUILTIN_VALUES for name in read)


def _attribute(value: Any) -> Any:
    if isinstance(value, list):
        return ListValue(tuple(_attribute(v) for v in value))
    return const(value if isinstance(value, str) else Fraction(value))


def _shape(sizes: Shape | None) -> tuple[Any, ...] | None:
    if sizes is None or not all(isinstance(d, int) for d in sizes):
        return None
    return tuple(const(Fraction(d)) for d in sizes if isinstance(d, int))


def _plain(name: str) -> str:
    """A name of the file, for messages: one line, and not a long one."""
    shown = "".join(c if c.isprintable() else "?" for c in name[:80])
    return shown + ("…" if len(name) > 80 else "")


def _example(operator: str) -> str:
    word = operator if operator.isidentifier() else "NAME"
    said = f'`def {word}(x: tensor[shape]) -> tensor[shape] from "onnx.{word}"` with the work it asks for'
    return f"declare it in the spec: {said}"


__all__ = ["build"]
