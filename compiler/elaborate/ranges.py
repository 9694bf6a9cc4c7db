"""Numbers that a type bounds: their unit, and a range that they lie in (`0..1`, `1..32 bit`)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cospace.compiler.elaborate import names
from cospace.compiler.elaborate.possible import assignments
from cospace.compiler.elaborate.unit_words import called, with_unit
from cospace.compiler.elaborate.values import Context, PerLayer, RangeValue, describe, is_number
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space import graph
from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.graph import TRUE, Expr
from cospace.compiler.space.model import Decision, Variant, spell
from cospace.compiler.space.units import show_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Label, Span

TRIED = 256
"""Assignments that are tried to see whether a formula lies in its range at any of them."""


def check_unit(
    value: Expr | PerLayer, unit: Dimension, word: str, type: tree.Expr, span: Span, what: str, context: Context
) -> None:
    """Reports CS302 where a number has not the unit of its type, or is none."""
    sample = next(iter(value.copies.values()), None) if isinstance(value, PerLayer) else value
    if sample is None or (is_number(sample) and sample.type.unit == unit):
        return
    plain = not is_number(sample) or not sample.type.unit
    given = describe(sample) if plain else f"in {called(sample, span, context)}"
    wanted = f"in {word}" if unit else "a plain number"
    raise context.fail(
        "CS302", span, f"{what} is {wanted}, and this is {given}", labels=(Label(type.span, "declared here"),),
        help=with_unit(span, word, context) if plain and unit and is_number(sample) else None,
    )  # fmt: skip


def evaluate_range(type: tree.Range, context: Context) -> Any:
    """The range that a type says, once where it is of constants."""
    from cospace.compiler.elaborate.evaluate import evaluate

    known: dict[int, RangeValue] = context.state.groups.setdefault("ranges", {})
    if id(type) not in known:
        wanted = evaluate(type, context)
        if not (wanted.low.is_const and wanted.high.is_const):
            return wanted
        known[id(type)] = wanted
    return known[id(type)]


def check(wanted: RangeValue, type: tree.Expr, value: Any, span: Span, what: str, context: Context) -> Any:
    """The value; reports CS305 where it surely lies outside: a constant, a decision with such a value that nothing but
    the range speaks against, or a formula that is never inside."""
    from cospace.compiler.elaborate.evaluate import as_scalar

    got = value if isinstance(value, PerLayer) else as_scalar(value, span, context)
    unit = wanted.low.type.unit
    check_unit(got, unit, wanted.unit or show_unit(unit), type, span, what, context)
    for number in dict.fromkeys(got.copies.values()) if isinstance(got, PerLayer) else (got,):
        odd = _outside(number, wanted, context) if wanted.low.is_const and wanted.high.is_const else None
        if odd is not None:
            scale = names.find_unit(wanted.unit, span, context).scale.number if wanted.unit else Fraction(1)
            low, high = (spell(e.value, None, scale) for e in (wanted.low, wanted.high))
            word = f" {wanted.unit}" if wanted.unit else ""
            shown, is_ = spell(odd, wanted.unit, scale), "is" if number.is_const else "may be"
            raise context.fail(
                "CS305", span, f"{what} lies in {low}..{high}{word}, and this {is_} {shown}",
                help=None if number.is_const else "leave that value out: a `require` comes too late for a domain",
            )  # fmt: skip
        if not number.is_const and (context.answering is not None or context.state.numbers):
            ask(graph.both(graph.le(wanted.low, number), graph.le(number, wanted.high)), number, context)
    return got


def _outside(number: Expr, wanted: RangeValue, context: Context) -> Fraction | None:
    """A value of a number that surely is not in a range of constants."""
    low, high = wanted.low.number, wanted.high.number
    if number.is_const:
        return None if low <= number.number <= high else number.number
    if number.op == "var":
        path = str(number.payload)
        values = context.state.domains.get(path, ())
        odd = [v for v in values if isinstance(v, Fraction) and not low <= v <= high]
        return next((v for v in odd if _free(path, v, context)), None)
    known: dict[tuple[int, Fraction, Fraction], tuple[Expr, Fraction | None]]
    known = context.state.groups.setdefault("never inside", {})
    key = id(number), low, high
    if key not in known:
        tried = assignments(sorted(number.free), context, TRIED) or []
        found = [evaluate(number, d) for d in tried]
        seen = [v for v in found if isinstance(v, Fraction)]
        never = len(seen) == len(found) and not any(low <= v <= high for v in seen)
        known[key] = number, next(iter(seen), None) if never else None
    return known[key][1]


def _free(path: str, value: Fraction, context: Context) -> bool:
    """Whether a decision may take a value whatever the others say."""
    decided: list[Decision | Variant] = [*context.state.decisions, *context.state.variants]
    found = next((d for d in decided if d.path == path), None)
    return found is not None and (found.allowed is None or found.allowed[found.values.index(value)] is TRUE)


def ask(condition: Expr, value: Expr, context: Context) -> None:
    """What a type allows of a number that is left open; of any other value it was said when it was made."""
    if context.answering is not None and not value.free.isdisjoint(context.answering.open):
        context.answering.asks.append(graph.implies(context.guard, condition))
    if any(value.free & n.free for n in context.state.numbers.values()):
        context.state.kinds.append(graph.implies(context.guard, condition))


__all__ = ["ask", "check", "check_unit", "evaluate_range"]
