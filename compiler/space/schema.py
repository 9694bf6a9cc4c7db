"""The compiled space as JSON: `to_json` and `from_json`, exact both ways and stable from run to run.

Owns the format (`docs/space-json.md`) and the refusal of files that are not in it: anything else than a whole space is
a `SpecError` with a CS80x diagnostic. The records follow the classes of `model.py` field by field, so a field added
there with a default is written and read without a change here.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Union, get_args, get_origin

import attrs
from cospace.compiler.space import graph, lookups, model
from cospace.compiler.space.externals import External
from cospace.compiler.space.graph import Expr, MapDecision, MapProblem, Symbol, Type, Value
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Space
from cospace.compiler.space.operators import OPERATORS
from cospace.compiler.space.schema_check import Wrong, check_node, check_space, check_table
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, Span, SpecError

if TYPE_CHECKING:
    from cospace.compiler.proofs.tabulate import Tables

FORMAT = "cospace space"
SCHEMA = 1
LIMIT = 256 * 2**20
"""Largest file read, in bytes."""

_VALUE_KINDS = frozenset(get_args(Value))
_NODE_KINDS: dict[str, type] = {"input": model.Input, "call": model.Call, "choice": model.Choice}
_PAYLOADS: dict[str, Any] = {
    "lookup": Lookup, "const": Value, "var": str, "input": str, "solve": MapProblem, "solvable": MapProblem,
    "measure": External, "external": External,
}  # fmt: skip


def to_json(space: Space, tables: Tables | None = None, writer: Writer | None = None) -> dict[str, Any]:
    """The space as plain JSON values (schema 1).

    tables: written beside the graph, for readers that solve nothing. writer: one that numbers records in another way.
    """
    writer = writer or Writer()
    body = writer.write(space, Space)
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "name": space.name,
        "files": writer.files,
        "nodes": writer.nodes,
        "problems": writer.problems,
        "lookups": writer.lookups,
        **(writer.tables(tables) if tables is not None else {}),
        "space": body,
    }


def from_json(data: object, shown: str = "the JSON") -> Space:
    """The space that `to_json` wrote. `shown` names the file in messages.

    Raises SpecError: CS802 for another format or schema, CS803 for damaged or inconsistent content.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        _refuse(
            "CS802", f"{shown} is not a compiled space", "`cospace compile SPEC --emit space` writes one in this format"
        )
    if data.get("schema") != SCHEMA:
        _refuse(
            "CS802",
            f"{shown} has schema {json.dumps(data.get('schema'))[:40]}, and this cospace reads schema {SCHEMA}",
            "compile the spec again with this version",
        )
    try:
        return _Reader(data).space()
    except Wrong as wrong:
        _refuse("CS803", f"{shown} is damaged: {wrong}", "compile the spec again")
    except RecursionError:
        _refuse("CS803", f"{shown} is damaged: it is nested too deeply", "compile the spec again")


def dumps(data: dict[str, Any]) -> str:
    """`to_json`'s value as text, one record a line, so that two versions of a space compare well."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            items = ",\n".join("  " + _compact(item) for item in value)
            lines.append(f" {_compact(key)}: [\n{items}\n ]")
        elif isinstance(value, dict) and value:
            items = ",\n".join(f"  {_compact(k)}: {_compact(v)}" for k, v in value.items())
            lines.append(f" {_compact(key)}: {{\n{items}\n }}")
        else:
            lines.append(f" {_compact(key)}: {_compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str, shown: str = "the JSON") -> Space:
    """Read a space from the text of a file. Raises SpecError: CS801 where it is not JSON, else as `from_json`."""
    if len(text) > LIMIT:
        _refuse("CS801", f"{shown} is larger than {LIMIT // 2**20} MiB", "it can't be a compiled space")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "it can't be read"
        _refuse(
            "CS801", f"{shown} is not JSON ({where})", "a compiled space is what `cospace compile --emit space` writes"
        )
    return from_json(data, shown)


def _refuse(code: str, message: str, help: str) -> NoReturn:
    raise SpecError((Diagnostic(code, "error", message, NOWHERE, help=help),)) from None


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- how a field is written: one codec for each annotation

Encode = Callable[["Writer", Any], Any]
Decode = Callable[["_Reader", Any], Any]


@cache
def _fields(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    """(name, annotation, required) of each field of an attrs class that is written."""
    attrs.resolve_types(cls, globalns={**vars(graph), **vars(model)})
    return tuple((f.name, f.type, f.default is attrs.NOTHING) for f in _written(cls))


def _written(cls: type) -> list[Any]:
    return [f for f in attrs.fields(cls) if f.metadata.get("written", True)]


@cache
def _codec(annotation: Any) -> tuple[Encode, Decode]:
    if annotation in _LEAVES:
        return _LEAVES[annotation]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(inside)
    if origin is Sequence or (origin is tuple and inside[-1] is Ellipsis):
        encode, decode = _codec(inside[0])
        return (
            lambda w, v: [encode(w, item) for item in v],
            lambda r, j: tuple([decode(r, item) for item in _list(j)]),
        )
    if origin is tuple:
        parts = [_codec(a) for a in inside]
        return (
            lambda w, v: [encode(w, item) for (encode, _), item in zip(parts, v, strict=True)],
            lambda r, j: tuple(
                [decode(r, item) for (_, decode), item in zip(parts, _list(j, len(parts)), strict=True)]
            ),
        )
    return lambda w, v: w.record(v), lambda r, j: r.record(annotation, j)


def _union(inside: tuple[Any, ...]) -> tuple[Encode, Decode]:
    if frozenset(inside) == _VALUE_KINDS:
        return _encode_value, _decode_value
    if frozenset(inside) == frozenset(_NODE_KINDS.values()):
        return (
            lambda w, v: {"node": type(v).__name__.lower(), **w.record(v)},
            lambda r, j: r.record(_NODE_KINDS[_one_of(_dict(j).get("node"), _NODE_KINDS)], j),
        )
    (kind,) = [a for a in inside if a is not type(None)]
    encode, decode = _codec(kind)
    return (
        lambda w, v: None if v is None else encode(w, v),
        lambda r, j: None if j is None else decode(r, j),
    )


def _encode_value(w: Writer, value: Value) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, Symbol):
        return {"symbol": value.name}
    return {"text": value} if isinstance(value, str) else str(value)


def _decode_value(r: _Reader, data: Any) -> Value:
    if isinstance(data, bool):
        return data
    if isinstance(data, dict):
        return Symbol(_text(data["symbol"])) if "symbol" in data else _text(data.get("text"))
    return _fraction(data)


def _encode_type(w: Writer, value: Type) -> Any:
    return [value.kind, {base: str(power) for base, power in value.unit}] if value.unit else value.kind


def _decode_type(r: _Reader, data: Any) -> Type:
    if isinstance(data, str):
        return Type(data)
    kind, unit = _list(data, 2)
    return Type(_text(kind), tuple((_text(base), _fraction(power)) for base, power in _dict(unit).items()))


def _fraction(data: Any) -> Fraction:
    try:
        return Fraction(_text(data))
    except (ValueError, ZeroDivisionError):
        raise Wrong(f"{_compact(data)[:60]} is not a number p/q") from None


def _text(data: Any) -> str:
    if not isinstance(data, str):
        raise Wrong(f"a text was expected, not {_compact(data)[:60]}")
    return data


def _flag(data: Any) -> bool:
    if not isinstance(data, bool):
        raise Wrong(f"true or false was expected, not {_compact(data)[:60]}")
    return data


def _count(data: Any) -> int:
    if not isinstance(data, int) or isinstance(data, bool) or data < 0:
        raise Wrong(f"a count was expected, not {_compact(data)[:60]}")
    return data


def _list(data: Any, length: int | None = None) -> list[Any]:
    if not isinstance(data, list) or (length is not None and len(data) != length):
        raise Wrong(f"a list{'' if length is None else f' of {length}'} was expected, not {_compact(data)[:60]}")
    return data


def _dict(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Wrong(f"a record was expected, not {_compact(data)[:60]}")
    return data


def _one_of(data: Any, known: dict[str, Any]) -> str:
    if not isinstance(data, str) or data not in known:
        raise Wrong(f"{_compact(data)[:60]} is not one of {', '.join(known)}")
    return data


_LEAVES: dict[Any, tuple[Encode, Decode]] = {
    str: (lambda w, v: v, lambda r, j: _text(j)),
    bool: (lambda w, v: v, lambda r, j: _flag(j)),
    int: (lambda w, v: v, lambda r, j: _count(j)),
    Fraction: (lambda w, v: str(v), lambda r, j: _fraction(j)),
    Type: (_encode_type, _decode_type),
    Span: (lambda w, v: w.span(v), lambda r, j: r.span(j)),
    Expr: (lambda w, v: w.node(v), lambda r, j: r.node(j)),
    MapProblem: (lambda w, v: w.problem(v), lambda r, j: r.problem(j)),
    Lookup: (lambda w, v: w.lookup(v), lambda r, j: r.lookup(j)),
}


class Writer:
    """Numbers nodes, problems and files in the order in which they are first met."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.nodes: list[dict[str, Any]] = []
        self.problems: list[dict[str, Any]] = []
        self.lookups: list[dict[str, Any]] = []
        self._lookup_ids: dict[int, int] = {}
        self._node_ids: dict[int, int] = {}
        self._problem_ids: dict[int, int] = {}
        self._problems: list[MapProblem] = []
        self._file_ids: dict[str, int] = {}

    def number(self, known: list[dict[str, Any]], data: dict[str, Any]) -> int:
        """The number of a record among those of its kind, where it now stands."""
        known.append(data)
        return len(known) - 1

    def write(self, value: object, annotation: Any) -> Any:
        return _codec(annotation)[0](self, value)

    def record(self, value: Any) -> dict[str, Any]:
        return {name: self.write(getattr(value, name), kind) for name, kind, _ in _fields(value.__class__)}

    def span(self, span: Span) -> list[int] | None:
        if span == NOWHERE:
            return None
        if span.file not in self._file_ids:
            self._file_ids[span.file] = len(self.files)
            self.files.append(span.file)
        return [self._file_ids[span.file], span.start, span.end]

    def node(self, root: Expr) -> int:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in self._node_ids:
                continue
            if ready:
                data = self._node_record(node)
                self._node_ids[id(node)] = self.number(self.nodes, data)
            else:
                stack.append((node, True))
                stack.extend((below, False) for below in reversed([*node.args, *_inside(node)]))
        return self._node_ids[id(root)]

    def _node_record(self, node: Expr) -> dict[str, Any]:
        data: dict[str, Any] = {"op": node.op, "type": self.write(node.type, Type)}
        if node.args:
            data["args"] = [self._node_ids[id(a)] for a in node.args]
        if node.op in _PAYLOADS:
            data["payload"] = self.write(node.payload, _PAYLOADS[node.op])
        return data

    def lookup(self, rows: Lookup) -> int:
        if id(rows) not in self._lookup_ids:
            self._lookup_ids[id(rows)] = self.number(self.lookups, self.record(rows))
        return self._lookup_ids[id(rows)]

    def problem(self, problem: MapProblem) -> int:
        if id(problem) not in self._problem_ids:
            self._problem_ids[id(problem)] = self.number(self.problems, self.record(problem))
            self._problems.append(problem)
        return self._problem_ids[id(problem)]

    def tables(self, tables: Tables) -> dict[str, Any]:
        """One record for each problem, in their order, and one for each node with bounds."""
        solved = [tables.of(p) for p in self._problems]
        return {
            "solved": [{"reads": s.reads, "mappings": s.mappings, "rows": s.rows} for s in solved],
            "functions": [
                {
                    "node": self._node_ids[id(f.node)],
                    "reads": f.reads,
                    "values": [None if v is None else [str(v[0]), str(v[1])] for v in f.values],
                }
                for f in tables.functions
            ],
        }


def _inside(node: Expr) -> Iterator[Expr]:
    """Expressions in the payload of a node, which must be numbered before it."""
    if isinstance(node.payload, MapProblem):
        yield from node.payload.expressions()
    elif isinstance(node.payload, External):
        yield from (e for _, e in node.payload.arguments)


class _Reader:
    """Rebuilds nodes in order: one may only refer to what stands before it, so circles can't be made."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._files = [_text(f) for f in _list(data.get("files"))]
        self._problem_data = _list(data.get("problems"))
        self._problems: dict[int, MapProblem] = {}
        self._lookups = [self._table(item) for item in _list(data.get("lookups", []))]
        self._open: set[int] = set()
        self._nodes: list[Expr] = []
        for number, item in enumerate(_list(data.get("nodes"))):
            try:
                self._nodes.append(self._build(_dict(item)))
            except Wrong as wrong:
                raise Wrong(f"node {number}: {wrong}") from None
        self._body = data.get("space")

    def space(self) -> Space:
        space = self.record(Space, self._body)
        assert isinstance(space, Space)
        check_space(space, self._nodes)
        return space

    def _build(self, data: dict[str, Any]) -> Expr:
        op = _one_of(data.get("op"), OPERATORS)
        args = tuple([self.node(a) for a in _list(data.get("args", []))])
        kind = _decode_type(self, data.get("type"))
        payload = _codec(_PAYLOADS[op])[1](self, data.get("payload")) if op in _PAYLOADS else None
        check_node(op, args, kind, payload)
        return graph.make(op, args, kind, payload)

    def record(self, cls: type, data: Any) -> Any:
        given = _dict(data)
        values = {}
        for name, kind, required in _fields(cls):
            if name in given:
                try:
                    values[name] = _codec(kind)[1](self, given[name])
                except Wrong as wrong:
                    raise Wrong(f"{cls.__name__.lower()}.{name}: {wrong}") from None
            elif required:
                raise Wrong(f"a {cls.__name__.lower()} without {name!r}")
        return cls(**values)

    def span(self, data: Any) -> Span:
        if data is None:
            return NOWHERE
        file, start, end = (_count(n) for n in _list(data, 3))
        if file >= len(self._files) or end < start:
            raise Wrong(f"the place {_compact(data)} does not exist")
        return Span(self._files[file], start, end)

    def node(self, data: Any) -> Expr:
        if _count(data) >= len(self._nodes):
            raise Wrong(f"node {data} is used before it is defined")
        return self._nodes[int(data)]

    def _table(self, data: Any) -> Lookup:
        rows = self.record(Lookup, data)
        assert isinstance(rows, Lookup)
        check_table(rows)
        return lookups.table(rows.name, rows.keys, rows.values, rows.default)

    def lookup(self, data: Any) -> Lookup:
        if _count(data) >= len(self._lookups):
            raise Wrong(f"the table {data} does not exist")
        return self._lookups[int(data)]

    def problem(self, data: Any) -> MapProblem:
        number = _count(data)
        if number not in self._problems:
            if number >= len(self._problem_data) or number in self._open:
                raise Wrong(f"the mapping problem {number} does not exist or contains itself")
            self._open.add(number)
            problem = self.record(MapProblem, self._problem_data[number])
            assert isinstance(problem, MapProblem)
            self._problems[number] = problem
        return self._problems[number]


__all__ = ["FORMAT", "SCHEMA", "MapDecision", "dumps", "from_json", "loads", "to_json"]
