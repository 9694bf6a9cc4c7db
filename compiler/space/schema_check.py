"""What a space read from JSON must keep so that every backend can trust it: operators' arities and kinds, paths, ids.

The front end guarantees this for a spec; a file may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cospace.compiler.space.graph import Expr, MapProblem, Type
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Call, Choice, Decision, NetworkPlan, Space


class Wrong(Exception):
    """The file does not hold a space; the text says where and why."""


_ARITY = {
    "const": 0, "var": 0, "input": 0, "measure": 0, "external": 0, "solvable": 0,
    "floor": 1, "ceil": 1, "abs": 1, "sqrt": 1, "log2": 1, "log10": 1, "log": 1, "exp": 1, "cos": 1, "not": 1,
    "solve": 1, "div": 2, "pow": 2, "mod": 2, "eq": 2, "lt": 2, "le": 2, "if": 3,
}  # fmt: skip
_TRUTH = {"eq", "lt", "le", "and", "or", "not", "solvable"}
_JUNCTION = {"and", "or", "not"}
_PLAIN = {"bool", "symbol", "text"}
_ARITHMETIC = {
    "add", "mul", "div", "pow", "floor", "ceil", "mod", "min", "max", "abs", "sqrt", "log2", "log10", "log", "exp",
    "cos", "lt", "le",
}  # fmt: skip


def check_node(op: str, args: Sequence[Expr], type: Type, payload: object) -> None:
    """Raises Wrong where the operator can't have these arguments or this type."""
    expected = _ARITY.get(op)
    if (expected is not None and len(args) != expected) or (expected is None and not args):
        raise Wrong(f"{op} takes {'at least 1' if expected is None else expected} arguments, not {len(args)}")
    if (op in _TRUTH) != (type.kind == "bool") and op not in (
        "const",
        "var",
        "input",
        "if",
        "solve",
        "external",
        "lookup",
    ):
        raise Wrong(f"{op} can't have type {type.kind}")
    kinds = [a.type.kind for a in args]
    if op in _JUNCTION and any(k != "bool" for k in kinds):
        raise Wrong(f"{op} of {kinds}")
    if op in _ARITHMETIC and any(k in _PLAIN for k in kinds):
        raise Wrong(f"{op} of {kinds}")
    if op == "if" and (kinds[0] != "bool" or kinds[1] != kinds[2]):
        raise Wrong(f"if of {kinds}")
    if op == "eq" and kinds[0] != kinds[1]:
        raise Wrong(f"eq of {kinds}")
    if op == "lookup":
        _check_lookup(kinds, type, payload)  # type: ignore[arg-type]
    if op == "const" and type.kind != _kind_of(payload):
        raise Wrong(f"a constant {payload} of type {type.kind}")


def check_table(rows: Lookup) -> None:
    """Raises Wrong where rows differ in length or kinds, or two have one key."""
    if not rows.keys or not rows.keys[0] or len(rows.keys) != len(rows.values) or len(rows.default) > 1:
        raise Wrong(f"the table {rows.name} has no rows, or not one value each")
    for column in (*zip(*rows.keys, strict=False), (*rows.values, *rows.default)):
        if len({_kind_of(v) for v in column}) != 1:
            raise Wrong(f"the table {rows.name} has a column of several kinds")
    if any(len(k) != len(rows.keys[0]) for k in rows.keys) or len(rows.index) != len(rows.keys):
        raise Wrong(f"the table {rows.name} has a short row, or two rows with one key")


def _check_lookup(kinds: list[str], type: Type, rows: Lookup) -> None:
    if kinds != [_kind_of(k) for k in rows.keys[0]] or type.kind != _kind_of(rows.values[0]):
        raise Wrong(f"a look-up in {rows.name} of {kinds} as {type.kind}")


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    name = value.__class__.__name__
    return {"Fraction": "number", "Symbol": "symbol", "str": "text"}.get(name, name)


def check_space(space: Space, nodes: Iterable[Expr]) -> None:
    """Raises Wrong where decisions, conditions, plans or paths don't fit together."""
    known = {d.path for d in space.decisions}
    if len(known) != len(space.decisions):
        raise Wrong("two decisions have one path")
    later = {v.path for v in space.variants}
    if known & later or len(later) != len(space.variants):
        raise Wrong("two variants have one path, or one has a decision's")
    mapped: set[str] = set()
    read: set[str] = set()
    for node in nodes:
        if node.op == "var":
            read.add(str(node.payload))
        elif isinstance(node.payload, MapProblem):
            mapped.update(m.path for m in node.payload.maps)
            _conditions(node.payload.requirements, node.payload.path)
    missing = sorted(read - known - later - mapped)
    if missing:
        raise Wrong(f"{missing[0]} is read but not declared")
    earlier: set[str] = set()
    for decision in space.decisions:
        _check_decision(decision, earlier)
        earlier.add(decision.path)
    for requirement in space.requirements:
        _conditions((requirement.value, requirement.guard), "a requirement")
    for work in space.works:
        _conditions((work.guard, *(p.guard for p in work.placements)), work.path)
    for plan in space.networks:
        _check_plan(plan, known | later)


def _check_decision(decision: Decision, earlier: set[str]) -> None:
    if not decision.values:
        raise Wrong(f"{decision.path} has no values")
    if any(_kind_of(v) != decision.type.kind for v in decision.values):
        raise Wrong(f"{decision.path} has a value of another type")
    if not decision.scale:
        raise Wrong(f"{decision.path} has a unit of size 0")
    allowed = decision.allowed or ()
    if decision.allowed is not None and len(allowed) != len(decision.values):
        raise Wrong(f"{decision.path} has {len(decision.values)} values and {len(allowed)} conditions")
    _conditions((decision.guard, *allowed), decision.path)
    late = sorted(frozenset().union(decision.guard.free, *(a.free for a in allowed)) - earlier)
    if late:
        raise Wrong(f"{decision.path} depends on {late[0]}, which does not come before it")


def _conditions(expressions: Iterable[Expr], where: str) -> None:
    if any(e.type.kind != "bool" for e in expressions):
        raise Wrong(f"{where}: a condition is not true or false")


def _check_plan(plan: NetworkPlan, known: set[str]) -> None:
    for number, node in enumerate(plan.nodes):
        used: list[int] = []
        if isinstance(node, Call):
            used = [i for _, i in node.inputs]
            _conditions((node.guard,), node.path)
        elif isinstance(node, Choice):
            used = [i for _, i in node.options]
            if node.decision not in known:
                raise Wrong(f"{plan.name}: {node.decision} is not a decision")
        if any(i >= number for i in used):
            raise Wrong(f"{plan.name}: node {number} uses a later one")
    if plan.output >= len(plan.nodes):
        raise Wrong(f"{plan.name}: the output does not exist")
