"""Expressions and domains in words, for tables: `if gnn.conv[1] = gat`, `4..64 step 4`, `{64, 128} KiB`."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from cospace.compiler.space.model import spell

if TYPE_CHECKING:
    from cospace.compiler.space.graph import Expr, Value
    from cospace.compiler.space.model import Decision, Variant

_INFIX = {"or": (1, " or "), "and": (2, " and "), "eq": (4, " = "), "lt": (4, " < "), "le": (4, " <= "),
          "add": (5, " + "), "mul": (6, " * "), "div": (6, " / "), "pow": (8, " ^ ")}  # fmt: skip
_LIMIT = 160


def number(value: Fraction) -> str:
    """A number as the language writes it: exact when short, else five figures."""
    if value.denominator == 1:
        return f"{value.numerator:_}" if abs(value) < 10**15 else f"{float(value):.5g}"
    text = f"{float(value):.5g}"
    return text if Fraction(text) == value or value.denominator > 999 else f"{value.numerator}/{value.denominator}"


def plain(value: Value, unit: str | None = None, scale: Fraction = Fraction(1)) -> str:
    """One value with its unit."""
    if isinstance(value, Fraction):
        return number(value / scale) + (f" {unit}" if unit else "")
    return spell(value)


def domain(decision: Decision | Variant) -> str:
    """The values of a decision: a range where they are one, else a set, shortened when long."""
    values = decision.values
    numbers = [v / decision.scale for v in values if isinstance(v, Fraction)]
    unit = f" {decision.unit}" if decision.unit else ""
    if len(numbers) == len(values) > 3:
        steps = {b - a for a, b in pairwise(numbers)}
        if len(steps) == 1 and (step := steps.pop()) > 0:
            by = "" if step == 1 else f" step {number(step)}"
            return f"{number(numbers[0])}..{number(numbers[-1])}{unit}{by}"
    texts = [number(n) for n in numbers] if len(numbers) == len(values) else [plain(v) for v in values]
    if len(numbers) != len(values):
        unit = ""
    if len(texts) > 12:
        texts = [*texts[:5], "…", *texts[-2:]]
        return f"{{{', '.join(texts)}}}{unit} ({len(values)} values)"
    return f"{{{', '.join(texts)}}}{unit}"


def expression(expr: Expr, decisions: Mapping[str, Decision]) -> str:
    """Any expression in words, numbers in base units."""
    text = _words(expr, decisions, 0)
    return text if len(text) <= _LIMIT else text[: _LIMIT - 2] + " …"


def condition(expr: Expr, decisions: Mapping[str, Decision]) -> str:
    """A condition in words; nothing when it always holds."""
    if expr.is_const:
        return "" if expr.payload is True else "never"
    return expression(expr, decisions)


def _words(expr: Expr, decisions: Mapping[str, Decision], outer: int) -> str:
    if expr.is_const:
        return plain(expr.value)
    if expr.op in ("var", "input"):
        return str(expr.payload)
    if expr.op == "not":
        below = expr.args[0]
        if below.op == "eq":
            return _words(below, decisions, outer).replace(" = ", " is not ", 1)
        return f"not {_words(below, decisions, 3)}"
    same = _one_of(expr, decisions)
    if same:
        return same
    if expr.op == "if":
        c, t, e = (_words(a, decisions, 0) for a in expr.args)
        text, level = f"if {c} then {t} else {e}", 0
    elif expr.op in _INFIX:
        level, word = _INFIX[expr.op]
        text = word.join(_operands(expr, decisions, level))
    elif expr.op in ("solve", "solvable"):
        path = getattr(expr.payload, "path", "a work")
        text = f"{path} has a mapping" if expr.op == "solvable" else _words(expr.args[0], decisions, 0)
        level = 9
    else:
        inside = ", ".join(_words(a, decisions, 0) for a in expr.args)
        text, level = f"{getattr(expr.payload, 'name', expr.op)}({inside})", 9
    return f"({text})" if level < outer else text


def _operands(expr: Expr, decisions: Mapping[str, Decision], level: int) -> list[str]:
    """Operands, with a constant beside a decision shown in the decision's unit."""
    known = [decisions[str(a.payload)] for a in expr.args if a.op == "var" and str(a.payload) in decisions]
    texts = []
    for a in expr.args:
        if a.is_const and known and expr.op in ("eq", "lt", "le"):
            texts.append(plain(a.value, known[0].unit, known[0].scale))
        else:
            texts.append(_words(a, decisions, level + 1))
    return texts


def _one_of(expr: Expr, decisions: Mapping[str, Decision]) -> str | None:
    """`x in {a, b}` for an `or` of equations about one decision."""
    if expr.op != "or" or any(a.op != "eq" or a.args[0].op != "var" or not a.args[1].is_const for a in expr.args):
        return None
    paths = {str(a.args[0].payload) for a in expr.args}
    if len(paths) != 1:
        return None
    path = paths.pop()
    unit, scale = (decisions[path].unit, decisions[path].scale) if path in decisions else (None, Fraction(1))
    return f"{path} in {{{', '.join(plain(a.args[1].value, unit, scale) for a in expr.args)}}}"
