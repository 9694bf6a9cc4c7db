"""The process that reads one ONNX file: `python -m cospace.compiler.elaborate.onnx_reader FILE`, a question on stdin.

It is asked as JSON, {"sizes": name -> number, "inputs": [sizes or null, …]}, and answers as JSON: what `Graph` of
`onnx_file` holds, or {"unreadable": why, "help": what to do}. The only module of the compiler that imports `onnx`,
whose own shape inference says the sizes.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MEMORY = 12 << 30
"""Bytes of address space that reading may take."""
MAX_NODES = 50_000
KEPT = 1_024
"""Numbers of a constant that are kept while sizes are inferred: sizes and indices are short, weights are not."""
LONGEST = 4_096
"""Numbers in a list that is an attribute; longer ones are left out."""
INDEX_TYPES = (6, 7, 8, 9, 12, 13)
"""Whole numbers of 32 and 64 bit, texts and Booleans: what indices, sizes and masks are, and weights are not."""
DATA = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


class Refused(Exception):
    """A model that gives no graph; the second argument says what to do."""


def answer(path: Path, sizes: Mapping[str, int], inputs: Sequence[Sequence[int] | None]) -> dict[str, Any]:
    """The graph of a file with sizes put in for names, and whole shapes for inputs. Raises Refused."""
    try:
        import onnx
    except ImportError:
        raise Refused("is an ONNX model, which takes a package to read", "pip install 'cospace[onnx]'") from None
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except Exception as error:
        raise Refused(f"is no ONNX model: {_short(error)}") from None
    if not model.graph.node or not model.opset_import:
        raise Refused("is no ONNX model: it holds no graph of operators")
    model = _inlined(model)
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise Refused(f"has {len(graph.node):,} operators, and {MAX_NODES:,} is the most that is read")
    held = {t.name: t.data_type not in INDEX_TYPES for t in graph.initializer}
    held |= {t.values.name: True for t in graph.sparse_initializer}
    given = [i for i in graph.input if i.name not in held]
    names = _put_in(model, given, sizes, inputs)
    for tensor in (*graph.initializer, *(a.t for n in graph.node for a in n.attribute if a.HasField("t"))):
        _lighten(tensor)
    found = _inferred(model)
    nodes = list(_acting(graph.node, held, found))
    unknown = any(not _known(found, next(filter(None, made))) for _, _, _, made, _ in nodes)
    wanted = {name for _, _, read, made, _ in nodes for name in (*read, *made)} | {i.name for i in given}
    return {
        "inputs": [i.name for i in given],
        "outputs": [o.name for o in graph.output],
        "nodes": nodes,
        "sizes": {name: shape for name, (shape, _) in found.items() if name in wanted},
        "held": {name: weight for name, weight in held.items() if name in wanted},
        "open": names,
        "why": _why(model) if unknown else "",
    }


def _known(found: Mapping[str, tuple[Any, int]], name: str) -> bool:
    return name in found and all(isinstance(d, int) for d in found[name][0])


def _why(model: Any) -> str:
    """The first of the rules for sizes that doesn't hold."""
    from onnx import shape_inference

    try:
        shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        return _short(error)
    return ""


def _inlined(model: Any) -> Any:
    """A model whose own functions are written out where they are called."""
    if not model.functions:
        return model
    functions = {(f.domain, f.name): f for f in model.functions}
    known: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[Any], inside: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in _every(nodes):
            key = (node.domain, node.op_type)
            total += 1
            if key in functions:
                if key in inside or len(inside) > 64:
                    raise Refused(f"has a function that calls itself, `{node.op_type}`")
                if key not in known:
                    known[key] = size(functions[key].node, (*inside, key))
                total += known[key]
            if total > MAX_NODES:
                raise Refused(f"has more than {MAX_NODES:,} operators, which is the most that is read")
        return total

    size(model.graph.node, ())
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:
        raise Refused(f"has functions that can't be written out: {_short(error)}") from None


def _every(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes and those of the graphs inside of them."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for a in node.attribute:
            waiting.extend(a.g.node)
            for g in a.graphs:
                waiting.extend(g.node)


def _put_in(
    model: Any, given: Sequence[Any], sizes: Mapping[str, int], inputs: Sequence[Sequence[int] | None]
) -> list[str]:
    """Sizes in the place of their names. The names that inputs leave open, in their order."""
    graph = model.graph
    names: dict[str, None] = {}
    for value in given:
        if value.type.WhichOneof("value") != "tensor_type":
            raise Refused(f"has an input that is no tensor, `{_short(value.name)}`")
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                names[dim.dim_param] = None
    if any(i is not None for i in inputs):  # what was inferred for other sizes means nothing now
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
    for value in (*graph.input, *graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    for value, whole in zip(given, inputs, strict=False):
        if whole is not None:
            shape = value.type.tensor_type.shape
            shape.ClearField("dim")
            for number in whole:
                shape.dim.add().dim_value = number
    return list(names)


def _lighten(tensor: Any) -> None:
    """A constant without its numbers where there are many."""
    if math.prod(tensor.dims) > KEPT or any(d < 0 for d in tensor.dims):
        for field in DATA:
            tensor.ClearField(field)


def _inferred(model: Any) -> dict[str, tuple[list[int | str | None], int]]:
    """Sizes and element types of every tensor that has some."""
    from onnx import shape_inference

    try:
        known = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:
        raise Refused(f"has sizes that don't fit together: {_short(error)}") from None
    found: dict[str, tuple[list[int | str | None], int]] = {}
    for tensor in known.initializer:
        found[tensor.name] = list(tensor.dims), tensor.data_type
    for sparse in known.sparse_initializer:
        found[sparse.values.name] = list(sparse.dims), sparse.values.data_type
    for value in (*known.value_info, *known.input, *known.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            found[value.name] = [_size(d) for d in kind.shape.dim], kind.elem_type
    return found


def _size(dim: Any) -> int | str | None:
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return str(dim.dim_param) or None


def _acting(
    nodes: Iterable[Any], held: dict[str, bool], found: Mapping[str, tuple[Any, int]]
) -> Iterator[tuple[str, str, list[str], list[str], dict[str, Any]]]:
    """The nodes that read what is given, in order; what the others make is added to `held`."""
    for node in nodes:
        read = [name for name in node.input if name]
        made = [name for name in node.output if name]
        fixed = node.op_type in ("Constant", "Shape", "Size") or (read and all(name in held for name in read))
        if fixed:
            held.update({name: found[name][1] not in INDEX_TYPES if name in found else False for name in made})
            continue
        if not made:
            continue
        yield node.name or made[0], node.op_type, list(node.input), list(node.output), dict(_attributes(node))


def _attributes(node: Any) -> Iterator[tuple[str, Any]]:
    """Numbers, texts, and lists of them, by name."""
    for a in node.attribute:
        kind = a.type
        if kind == a.FLOAT and math.isfinite(a.f):
            yield a.name, a.f
        elif kind == a.INT:
            yield a.name, a.i
        elif kind == a.STRING:
            yield a.name, a.s.decode("utf-8", "replace")[:LONGEST]
        elif kind == a.FLOATS and len(a.floats) <= LONGEST and all(map(math.isfinite, a.floats)):
            yield a.name, list(a.floats)
        elif kind == a.INTS and len(a.ints) <= LONGEST:
            yield a.name, list(a.ints)
        elif kind == a.STRINGS and len(a.strings) <= LONGEST:
            yield a.name, [s.decode("utf-8", "replace")[:LONGEST] for s in a.strings]


def _short(said: object) -> str:
    return " ".join(str(said).split())[:200]


def main() -> None:
    """Answer the one question of this process."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    question = json.loads(sys.stdin.read())
    try:
        found = answer(Path(sys.argv[1]), question["sizes"], question["inputs"])
    except Refused as refused:
        found = dict(zip(("unreadable", "help"), refused.args, strict=False))
    except (ValueError, RecursionError) as error:
        found = {"unreadable": f"is no ONNX model: {_short(error)}"}
    except MemoryError:
        found = {"unreadable": "takes more memory than reading it may"}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
