"""Units in messages: as the text itself calls them, and what would make two of them fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from cospace.compiler.elaborate import names
from cospace.compiler.elaborate.values import Context, Stop
from cospace.compiler.space.dimension import Dimension
from cospace.compiler.space.graph import Expr
from cospace.compiler.space.units import COMMON, show_unit
from cospace.dsl import tree
from cospace.dsl.diagnostics import Fix, Label, Span, WayOut

_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"-?[\d_]+(\.[\d_]+)?([eE][+-]?\d+)?|\{[-\d_., ]+\}")
_ONE_TERM = re.compile(r"[\w.]+( \w+)?|\([^()]*\)|[\w.]+\([^()]*\)|[\w.]+\[[^\[\]]*\]")
BITS: Dimension = (("bit", Fraction(1)),)
DEEP = 3
"""Names that are followed to where they are declared, one in another."""


def same_unit(a: Expr, b: Expr, a_span: Span, b_span: Span, verb: str, context: Context) -> None:
    """Reports CS302 where two numbers are of different dimensions."""
    if a.type.unit != b.type.unit:
        left, right = called(a, a_span, context), called(b, b_span, context)
        raise context.fail(
            "CS302", a_span.to(b_span), f"can't {verb} {left} and {right}",
            labels=(Label(a_span, f"this is {left}"), Label(b_span, f"this is {right}")),
            help=_to_fit((a, left, a_span), (b, right, b_span), context),
        )  # fmt: skip


def _to_fit(a: tuple[Expr, str, Span], b: tuple[Expr, str, Span], context: Context) -> str | WayOut:
    """What makes two sides fit, one of which may be a plain number."""
    if a[0].type.unit and b[0].type.unit:
        if "dBm" in (a[1], b[1]):
            return "a level in dBm is a power on a logarithmic scale: `watts(…)` is that power"
        return "only quantities of one dimension add or compare; multiply for a product, or divide each by a unit"
    (_, _, plain), (_, unit, _) = (b, a) if a[0].type.unit else (a, b)
    said = f"give the plain number a unit, or divide the other by one: `… / {one(unit)}`"
    written = text_of(plain, context)
    if not (_NUMBER.fullmatch(written) and _WORD.fullmatch(unit)):
        return said
    shown = f"`{written} {unit}`" if len(written) <= 24 else f"`… {unit}`"
    said = f"give the plain number a unit, {shown}, or divide the other by one: `… / {one(unit)}`"
    return WayOut(said, Fix(plain, f"{written} {unit}", f"write {shown}", sure=False))


def with_unit(span: Span, unit: str, context: Context) -> str | WayOut:
    """The way out where a plain number stands for a quantity."""
    written = text_of(span, context)
    if not _NUMBER.fullmatch(written) or not _WORD.fullmatch(unit):
        return f"give it a unit: `… * {one(unit)}`"
    return WayOut(f"give it a unit: `{written} {unit}`", Fix(span, f"{written} {unit}", f"add `{unit}`", sure=False))


def divided(value: Expr, span: Span, shown: str, context: Context, within: str = "") -> WayOut:
    """The way out where a plain number is needed. shown: how it looks then, `{}` for what stands there divided.

    within: brackets that go around it, where a quotient needs them; an exponent has them, and is counted in bits.
    """
    unit = one("bit" if within and value.type.unit == BITS else called(value, span, context))
    written = text_of(span, context)
    repaired = f"{written if _ONE_TERM.fullmatch(written) else f'({written})'} / {unit}"
    short = repaired if len(written) <= 24 and "\n" not in written else f"… / {unit}"
    fix = Fix(span, within.format(repaired) or repaired, f"divide by {unit}", sure=False)
    return WayOut(f"divide by a unit: `{shown.format(short)}`", fix)


def called(value: Expr, span: Span, context: Context) -> str:
    """The unit of a number: the word that the text uses for it, else a common one, else its dimension in base units."""
    unit = value.type.unit
    if not unit:
        return "a plain number"
    return (
        next(_said(unit, text_of(span, context), context, DEEP), None) or _of_decisions(value, context) or _base(unit)
    )


def one(unit: str) -> str:
    """One of a unit as an expression writes it: `1 mm`, `(1 J / bit)`."""
    if _WORD.fullmatch(unit):
        return f"1 {unit}"
    spelled = unit.replace("·", " * ").replace("/", " / ").replace("^", " ^ ")
    return f"({spelled if spelled[0] == '1' else f'1 {spelled}'})"


def text_of(span: Span, context: Context) -> str:
    return context.state.reporter.texts.get(span.file, context.scope.owner().file.text)[span.start : span.end]


def _said(unit: Dimension, text: str, context: Context, deep: int) -> Iterator[str]:
    """Words of a text that are units of a dimension, then those in what its other words name in this file."""
    module = context.scope.owner()
    words = dict.fromkeys(_WORD.findall(text))
    units = dict.fromkeys(n for m in (module, *module.imports.values()) for n in names.unit_names(m))
    yield from (w for w in words if w in units and _dimension(w, context) == unit)
    for s in module.file.statements if deep else ():
        declared = (
            [t.id for t in s.targets if isinstance(t, tree.Name)] if isinstance(s, tree.Bind)
            else [s.name] if isinstance(s, tree.Param) else []
        )  # fmt: skip
        if not words.keys().isdisjoint(declared):
            yield from _said(unit, text_of(s.span, context), context, deep - 1)


def _dimension(word: str, context: Context) -> Dimension | None:
    try:
        found = names.find_unit(word, context.scope.owner().file.span, context)
    except Stop:  # it is declared wrongly, which was said there
        return None
    return found.scale.type.unit


def _of_decisions(value: Expr, context: Context) -> str | None:
    """The unit in which one of the decisions that a number depends on is written."""
    known = (d for d in context.state.decisions if d.path in value.free and d.type.unit == value.type.unit)
    return next((d.unit for d in known if d.unit), None)


def _base(unit: Dimension) -> str:
    shown = show_unit(unit)
    plain = next((n for n, scale in COMMON.get(unit, ()) if scale == 1 and _WORD.fullmatch(n)), None)
    common = COMMON.get(unit, ((shown, None),))[0][0]
    return plain or (common if _WORD.fullmatch(common) else shown)


__all__ = ["called", "divided", "one", "same_unit", "with_unit"]
