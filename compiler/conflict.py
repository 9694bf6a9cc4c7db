"""Requirements that can't hold together: the smallest set, at its spans, and the nearest bound that would do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from cospace.compiler import exact
from cospace.compiler.graph import TRUE, Expr, negative
from cospace.compiler.model import Requirement, Space
from cospace.compiler.prove import Prover
from cospace.compiler.units import natural_unit, show_in
from cospace.dsl.diagnostics import Diagnostic, Label


def minimal_conflict(prover: Prover, core: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """A subset that no design meets and of which no part can be left out: deletion, last declared first."""
    kept = list(core)
    for r in reversed(list(core)):
        rest = [k for k in kept if k is not r]
        if len(kept) > 1 and prover.settle(rest).possible is False:
            kept = rest
    return tuple(kept)


def conflict_diagnostic(prover: Prover, core: Sequence[Requirement], given: str | None = None) -> Diagnostic:
    """CS601: no design at all; each requirement of the conflict is a label, each bound with what would make room."""
    space = prover.space
    rooms = [(r, nearest_bound(prover, r, [k for k in core if k is not r])) for r in core]
    if not core:
        return Diagnostic("CS601", "error", "no design is feasible", space.decisions[0].span)
    first = core[0]
    labels = tuple(Label(r.span, room or r.reason) for r, room in rooms[1:])
    subject = f"{given} leaves no design" if given else "no design is feasible"
    head = rooms[0][1]
    count = f"{len(core)} requirements exclude each other" if len(core) > 1 else first.reason
    message = f"{subject}: {head}" if head and len(core) == 1 else f"{subject}: {count}"
    if len(core) > 1:
        labels = (Label(first.span, head or first.reason), *labels)
    help = "relax one of them" if len(core) > 1 else "relax it, or widen what it reads"
    return Diagnostic("CS601", "error", message, first.span, labels, help)


def nearest_bound(prover: Prover, requirement: Requirement, others: Sequence[Requirement]) -> str | None:
    """For `e <= c` that nothing meets: the least value of `e` over designs that meet the rest, in words.

    For `e < c` it is said that `c` has to be more than that value, which would not do itself.
    """
    parts = _sides(requirement.value)
    if parts is None:
        return None
    expr, constant, lowest = parts
    strict = requirement.value.op == "lt"
    space = prover.space
    rest = [r for r in space.requirements if r is not requirement and r.origin != "map"] if not others else list(others)
    best = _extreme(prover, expr, requirement.guard, rest, lowest)
    if best is None:
        return None
    unit = expr.type.unit
    name = _param_named(space, requirement, constant)
    shown, scale = natural_unit(max(abs(constant), abs(best)), unit)
    was, now = (show_in(v, shown, scale, 6) for v in (constant, _rounded(best / scale, lowest) * scale))
    bound = f"{name} = {was}" if name else f"the bound {was}"
    if strict:
        return f"{bound} is {'short' if lowest else 'too much'}: it has to be {'more' if lowest else 'less'} than {now}"
    fits = "that fits" if name else "that would do"
    return f"{bound} is {'short' if lowest else 'too much'}: {now} is the {'least' if lowest else 'most'} {fits}"


def _sides(value: Expr) -> tuple[Expr, Fraction, bool] | None:
    """(e, c, True) of `e <= c` or `e < c`, (e, c, False) of `c <= e` or `c < e`; None for anything else."""
    if value.op not in ("le", "lt"):
        return None
    left, right = value.args
    if right.is_const and not left.is_const:
        return left, right.number, True
    if left.is_const and not right.is_const:
        return right, left.number, False
    return None


def _extreme(prover: Prover, expr: Expr, guard: Expr, others: Sequence[Requirement], lowest: bool) -> Fraction | None:
    """The least (greatest) value of `expr` over all designs that meet the others, exactly; None when not proved."""
    reached = Requirement(guard, TRUE, "the bound is asked for", prover.space.decisions[0].span)
    design = prover.least(expr if lowest else negative(expr), [*others, reached])
    value = exact.evaluate(expr, design) if design is not None else None
    return value if isinstance(value, Fraction) else None


def _rounded(value: Fraction, up: bool) -> Fraction:
    """To six digits, away from what would not fit; a whole number stays what it is."""
    if value.denominator == 1:
        return value
    digits = 6
    scale = Fraction(10) ** (digits - len(str(int(abs(value)))) if abs(value) >= 1 else digits + _leading_zeros(value))
    scaled = value * scale
    whole = -((-scaled) // 1) if up else scaled // 1
    return Fraction(whole) / scale


def _leading_zeros(value: Fraction) -> int:
    return max(0, len(str(int(1 / abs(value)))) - 1)


def _param_named(space: Space, requirement: Requirement, constant: Fraction) -> str | None:
    """The param that the bound is, when the requirement names it."""
    text = dict(space.sources).get(requirement.span.file, "")[requirement.span.start : requirement.span.end]
    for p in space.params:
        if p.value.is_const and p.value.value == constant and re.search(rf"\b{re.escape(p.name)}\b", text):
            return p.name
    return None
