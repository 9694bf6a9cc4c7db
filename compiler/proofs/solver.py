"""Z3 as a last resort: requirements as SMT-LIB text, solved in a process of its own that can be killed.

Maps of works are existential there and what is not rational is only bounded, so more designs seem possible than are:
`unsat` is a proof, and a model is a candidate that the reference evaluator has to confirm.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from attrs import define, field
from cospace.compiler.bounds.intervals import Bounder, Interval
from cospace.compiler.clock import left
from cospace.compiler.cost import holds
from cospace.compiler.space.graph import Expr, MapProblem, Value, implies, walk
from cospace.compiler.space.lookups import Lookup
from cospace.compiler.space.model import Requirement, Space

if TYPE_CHECKING:
    from cospace.compiler.proofs.prove import Verdict

SECONDS = 20.0
EFFORT = 40_000_000
"""Z3's own deterministic limit (rlimit)."""
MEGABYTES = 2_000
ROWS = 2_000
"""Of a table, written out at most."""
LARGEST = 200_000
"""Nodes of the graph that are written out at most."""


def settle(
    space: Space, requirements: Sequence[Requirement], fixed: Mapping[str, Value] | None = None, effort: int = EFFORT
) -> Verdict:
    """Whether the requirements can hold together, some decisions pinned. effort: Z3's own limit."""
    from cospace.compiler.proofs.prove import Verdict

    try:
        script = Script(space, dict(fixed or {}))
        text = script.write(requirements)
    except TooLarge:
        return Verdict(None, limit=f"more than {LARGEST:,} expressions for the solver")
    answer = run(text, effort)
    if answer.get("status") == "unsat":
        named = {f"r{i}": r for i, r in enumerate(requirements)}
        return Verdict(
            False, core=tuple(named[n] for n in _names(answer.get("core")) if n in named) or tuple(requirements)
        )
    if answer.get("status") == "sat":
        design = script.design(answer.get("model", {}))
        if all(holds(r, design) is True for r in requirements):
            return Verdict(True, design)
        return Verdict(None, limit="the solver found only designs whose best mapping doesn't do")
    return Verdict(None, limit=str(answer.get("reason", "the solver gave up")))


def run(text: str, effort: int = EFFORT) -> dict[str, object]:
    """The child's answer: {"status": sat | unsat | unknown, "model": name -> integer, "core": names, "reason"}."""
    command = [sys.executable, "-I", "-m", "cospace.compiler.proofs.solver", str(effort)]
    seconds = min(SECONDS, left())
    try:
        child = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
        answer = json.loads(child.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"status": "unknown", "reason": f"the solver was stopped after {seconds:.3g} s"}
    except (OSError, ValueError, IndexError):
        return {"status": "unknown", "reason": "the solver died"}
    return answer if isinstance(answer, dict) else {"status": "unknown"}


def _names(given: object) -> list[str]:
    return [str(n) for n in given] if isinstance(given, list) else []


class TooLarge(Exception):
    """The graph has more nodes than are written out."""


@define(eq=False)
class Script:
    """Writes one question. Values other than integers are numbered per decision; symbols and texts have codes."""

    space: Space
    fixed: dict[str, Value]
    lines: list[str] = field(factory=list)
    names: dict[int, tuple[str, bool]] = field(factory=dict)
    """Node -> its name and whether it is an integer."""
    codes: dict[Value, int] = field(factory=dict)
    variables: dict[str, str] = field(factory=dict)
    problems: dict[int, str] = field(factory=dict)
    alive: list[object] = field(factory=list)
    bounder: Bounder = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.bounder = Bounder({d.path: d.values for d in self.space.decisions})

    def write(self, requirements: Sequence[Requirement]) -> str:
        for d in self.space.decisions:
            self._declare(d.path, d.values, d.type.kind == "number")
        for i, d in enumerate(self.space.decisions):
            name = self.variables[d.path]
            conditions = [f"(= {name} {self._literal(v)})" for v in d.values]
            if d.allowed is not None:
                conditions = [f"(and {c} {self._bool(a)})" for c, a in zip(conditions, d.allowed, strict=True)]
            chosen = f"(or {' '.join(conditions)} false)"
            if d.path in self.fixed:
                self.lines.append(f"(assert (= {name} {self._literal(self.fixed[d.path])}))")
                self.lines.append(f"(assert {self._bool(d.guard)})")
            guard = self._bool(d.guard)
            self.lines.append(f"(assert (ite {guard} {chosen} (= {name} {self._literal(d.values[0])})))")
            self.lines.append(f"(declare-const live{i} Bool)")
            self.lines.append(f"(assert (= live{i} {guard}))")
        for i, r in enumerate(requirements):
            self.lines.append(f"(assert (! {self._bool(implies(r.guard, r.value))} :named r{i}))")
        return "\n".join(["(set-option :produce-unsat-cores true)", *self.lines])

    def design(self, model: object) -> dict[str, Value]:
        """The candidate that a model describes: live decisions only."""
        found: dict[str, Value] = {}
        if isinstance(model, dict):
            for i, d in enumerate(self.space.decisions):
                if model.get(f"live{i}") is True:
                    shown = str(model.get(self.variables[d.path]))
                    value = next((v for v in d.values if self._plain(v) == shown), None)
                    found[d.path] = d.values[0] if value is None else value
        return found

    # ---- names and values

    def _declare(self, path: str, values: Sequence[Value], number: bool) -> None:
        name = f"v{len(self.variables)}"
        whole = not number or all(isinstance(v, Fraction) and v.denominator == 1 for v in values)
        self.variables[path] = name
        self.lines.append(f"(declare-const {name} {'Int' if whole else 'Real'})")

    def _plain(self, value: Value) -> str:
        """As the child prints a value of a model."""
        if isinstance(value, Fraction):
            return str(value)
        return str(self._code(value))

    def _code(self, value: Value) -> int:
        if isinstance(value, bool):
            return int(value)
        return self.codes.setdefault(value, len(self.codes) + 2)

    def _literal(self, value: Value) -> str:
        if isinstance(value, Fraction):
            shown = str(abs(value.numerator))
            if value.denominator != 1:
                shown = f"(/ {shown}.0 {value.denominator}.0)"
            return f"(- {shown})" if value < 0 else shown
        return str(self._code(value))

    def _bool(self, expr: Expr) -> str:
        """The name of a condition; a decision of Booleans is the integer 1 where it is true."""
        name, _ = self._name(expr)
        return name

    def _name(self, expr: Expr) -> tuple[str, bool]:
        self.alive.append(expr)
        for node in walk([expr]):
            if id(node) in self.names:
                continue
            if len(self.names) > LARGEST:
                raise TooLarge
            text, sort = self._write(node)
            name = f"n{len(self.names)}"
            self.names[id(node)] = (name, sort == "Int")
            self.lines.append(f"(define-fun {name} () {sort} {text})")
        return self.names[id(expr)]

    # ---- nodes

    def _write(self, node: Expr) -> tuple[str, str]:
        """SMT-LIB text and sort of a node whose arguments have names."""
        if node.op == "const":
            value = node.value
            if isinstance(value, bool):
                return str(value).lower(), "Bool"
            whole = not isinstance(value, Fraction) or value.denominator == 1
            return self._literal(value), "Int" if whole else "Real"
        if node.op == "var":
            return self._variable(node)
        if node.op in ("solve", "solvable"):
            return self._solved(node)
        names = [self.names[id(a)][0] for a in node.args]
        ints = [self.names[id(a)][1] for a in node.args]
        if node.op in ("add", "mul"):
            sort = "Int" if all(ints) else "Real"
            return f"({'+' if node.op == 'add' else '*'} {' '.join(self._as(sort, node.args))})", sort
        if node.op in ("and", "or"):
            return f"({node.op} {' '.join(names)})", "Bool"
        if node.op == "not":
            return f"(not {names[0]})", "Bool"
        if node.op in ("eq", "lt", "le"):
            return self._comparison(node)
        if node.op == "if":
            if node.type.kind == "bool":
                return f"(ite {' '.join(names)})", "Bool"
            sort = "Int" if all(ints[1:]) else "Real"
            a, b = self._as(sort, node.args[1:])
            return f"(ite {names[0]} {a} {b})", sort
        if node.op in ("min", "max"):
            return self._extreme(node)
        if node.op in ("floor", "ceil"):
            return self._rounded(node)
        if node.op == "div":
            a, b = self._as("Real", node.args)
            return f"(/ {a} {b})", "Real"
        if node.op == "mod":
            return self._modulo(node)
        if node.op == "abs":
            return f"(ite (< {names[0]} 0) (- {names[0]}) {names[0]})", "Int" if ints[0] else "Real"
        if node.op == "lookup":
            return self._look_up(node)
        if node.op == "pow" and node.args[1].is_const and node.args[1].number in range(1, 9):
            sort = "Int" if ints[0] else "Real"
            return f"(* {' '.join(self._as(sort, [node.args[0]] * int(node.args[1].number)))} 1)", sort
        return self._unknown(node)

    def _variable(self, node: Expr) -> tuple[str, str]:
        name = self.variables.get(str(node.payload))
        if name is None:
            return self._unknown(node)
        if node.type.kind == "bool":
            return f"(= {name} 1)", "Bool"
        values = self.bounder.domains.get(str(node.payload), ())
        whole = all(not isinstance(v, Fraction) or v.denominator == 1 for v in values)
        return name, "Int" if whole else "Real"

    def _as(self, sort: str, nodes: Sequence[Expr]) -> list[str]:
        found = []
        for n in nodes:
            name, whole = self.names[id(n)]
            found.append(f"(to_real {name})" if whole and sort == "Real" else name)
        return found

    def _comparison(self, node: Expr) -> tuple[str, str]:
        sign = {"eq": "=", "lt": "<", "le": "<="}[node.op]
        if node.args[0].type.kind != "number":
            a, b = (self.names[id(n)][0] for n in node.args)
            return f"({sign} {a} {b})", "Bool"
        sort = "Int" if all(self.names[id(a)][1] for a in node.args) else "Real"
        a, b = self._as(sort, node.args)
        return f"({sign} {a} {b})", "Bool"

    def _look_up(self, node: Expr) -> tuple[str, str]:
        """Any value within bounds, and what the row says where it is one of few rows."""
        name, sort = self._unknown(node)
        rows: Lookup = node.payload  # type: ignore[assignment]
        if len(rows.keys) <= ROWS:
            met = []
            for key, value in zip(rows.keys, rows.values, strict=True):
                met.append(f"(and {' '.join(self._is(a, k) for a, k in zip(node.args, key, strict=True))})")
                self.lines.append(f"(assert (=> {met[-1]} {self._gives(name, sort, value)}))")
            for value in rows.default:
                self.lines.append(f"(assert (or {' '.join(met)} {self._gives(name, sort, value)}))")
        return name, sort

    def _is(self, a: Expr, key: Value) -> str:
        name = self.names[id(a)][0]
        if isinstance(key, bool):
            return name if key else f"(not {name})"
        return f"(= {name} {self._literal(key)})"

    def _gives(self, name: str, sort: str, value: Value) -> str:
        if isinstance(value, bool):
            return name if value else f"(not {name})"
        whole = sort == "Real" and isinstance(value, Fraction) and value.denominator == 1
        return f"(= {name} {f'(to_real {self._literal(value)})' if whole else self._literal(value)})"

    def _extreme(self, node: Expr) -> tuple[str, str]:
        sort = "Int" if all(self.names[id(a)][1] for a in node.args) else "Real"
        names = self._as(sort, node.args)
        result, sign = names[0], "<" if node.op == "min" else ">"
        for name in names[1:]:
            result = f"(let ((a {result}) (b {name})) (ite ({sign} a b) a b))"
        return result, sort

    def _rounded(self, node: Expr) -> tuple[str, str]:
        of = node.args[0]
        if self.names[id(of)][1]:
            return self.names[id(of)][0], "Int"
        if of.op == "div" and all(self.names[id(a)][1] for a in of.args):
            a, b = (self.names[id(x)][0] for x in of.args)
            if node.op == "floor":  # Z3's integer `div` rounds down only where the divisor is positive
                return f"(ite (> {b} 0) (div {a} {b}) (to_int (/ (to_real {a}) (to_real {b}))))", "Int"
            down = f"(to_int (- (/ (to_real {a}) (to_real {b}))))"
            return f"(ite (> {b} 0) (- (div (- {a}) {b})) (- {down}))", "Int"
        name = self.names[id(of)][0]
        return (f"(to_int {name})", "Int") if node.op == "floor" else (f"(- (to_int (- {name})))", "Int")

    def _modulo(self, node: Expr) -> tuple[str, str]:
        a, b = self._as("Real", node.args)
        exact = f"(- {a} (* {b} (to_real (to_int (/ {a} {b})))))"
        if all(self.names[id(x)][1] for x in node.args):
            m, n = (self.names[id(x)][0] for x in node.args)
            return f"(ite (> {n} 0) (mod {m} {n}) (to_int {exact}))", "Int"
        return exact, "Real"

    def _unknown(self, node: Expr) -> tuple[str, str]:
        """Any value within the node's bounds: what isn't rational, measures, inputs."""
        name = f"u{len(self.lines)}"
        sort = {"bool": "Bool", "number": "Real"}.get(node.type.kind, "Int")
        self.lines.append(f"(declare-const {name} {sort})")
        if sort == "Real" and node.op not in ("measure", "input"):
            found: Interval = self.bounder.bounds(node)
            if isinstance(found.low, Fraction):
                self.lines.append(f"(assert (>= {name} {self._literal(found.low)}))")
            if isinstance(found.high, Fraction):
                self.lines.append(f"(assert (<= {name} {self._literal(found.high)}))")
        return name, sort

    def _solved(self, node: Expr) -> tuple[str, str]:
        problem: MapProblem = node.payload  # type: ignore[assignment]
        solvable = self._problem(problem)
        if node.op == "solvable":
            return solvable, "Bool"
        name, whole = self.names[id(node.args[0])] if id(node.args[0]) in self.names else self._name(node.args[0])
        return name, "Bool" if node.type.kind == "bool" else "Int" if whole else "Real"

    def _problem(self, problem: MapProblem) -> str:
        """The Boolean that a work has a mapping; its maps are variables of their own."""
        if id(problem) in self.problems:
            return self.problems[id(problem)]
        self.alive.append(problem)
        name = f"s{len(self.problems)}"
        self.problems[id(problem)] = name
        self.lines.append(f"(declare-const {name} Bool)")
        self.bounder = Bounder({**self.bounder.domains, **{m.path: m.values for m in problem.maps}})
        for m in problem.maps:
            self._declare(m.path, m.values, m.type.kind == "number")
        for m in problem.maps:
            variable = self.variables[m.path]
            options = [f"(= {variable} {self._literal(v)})" for v in m.values]
            self.lines.append(f"(assert (or {' '.join(options)}))")
            if m.allowed is not None:
                pairs = zip(options, m.allowed, strict=True)
                allowed = " ".join(f"(and {o} {self._bool(a)})" for o, a in pairs)
                self.lines.append(f"(assert (=> (and {name} {self._bool(m.guard)}) (or {allowed} false)))")
        for r in problem.requirements:
            self.lines.append(f"(assert (=> {name} {self._bool(r)}))")
        return name


def main() -> None:
    """The child: its limit as the argument, SMT-LIB text on standard input, one line of JSON on standard output."""
    import z3

    z3.set_param("memory_max_size", MEGABYTES)
    solver = z3.Solver()
    solver.set("rlimit", int(sys.argv[1]) if len(sys.argv) > 1 else EFFORT)
    try:
        solver.from_string(sys.stdin.read())
        status = solver.check()
        answer: dict[str, object] = {"status": str(status)}
        if status == z3.unsat:
            answer["core"] = [str(name) for name in solver.unsat_core()]
        elif status == z3.sat:
            model = solver.model()
            answer["model"] = {d.name(): _value(model[d]) for d in model.decls() if d.arity() == 0}
        else:
            answer["reason"] = f"the solver gave up: {solver.reason_unknown()}"
    except z3.Z3Exception as error:
        answer = {"status": "unknown", "reason": f"the solver failed: {error}"}
    print(json.dumps(answer))


def _value(value: object) -> object:
    text = str(value).replace("?", "")
    return {"True": True, "False": False}.get(text, text)


if __name__ == "__main__":
    main()
