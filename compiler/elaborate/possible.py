"""What an expression can be: its decisions are tried one combination after the other, up to a limit."""

from __future__ import annotations

import itertools
from fractions import Fraction

from cospace.compiler.elaborate.values import Context
from cospace.compiler.exact.exact import UNDEFINED, evaluate
from cospace.compiler.space.graph import TRUE, Expr, MapDecision, Symbol, Value
from cospace.compiler.space.model import Decision, Design, show
from cospace.dsl.diagnostics import Span


def assignments(paths: list[str], context: Context, limit: int = 65_536) -> list[dict[str, Value]] | None:
    """Every assignment of the decisions and maps named, guards ignored; None beyond the limit."""
    domains = []
    size = 1
    for path in paths:
        domain = context.state.domains.get(path)
        if domain is None and context.answering is not None:
            domain = next((m.values for m in context.answering.maps if m.path == path), None)
        if domain is None:
            return None
        domains.append(domain)
        size *= len(domain)
        if size > limit:
            return None
    return [dict(zip(paths, combo, strict=True)) for combo in itertools.product(*domains)]


def possible(value: Expr, span: Span, context: Context) -> list[Value]:
    """Every value an expression may take: its decisions are tried one combination after the other."""
    if value.is_const:
        return [value.value]
    tried = assignments(sorted(value.free), context)
    if tried is None:
        raise context.fail(
            "CS405",
            span,
            "this domain depends on too many decisions to list its values",
            help="bound it by constants, and add a `require`",
        )
    found: dict[Value, None] = {}
    for design in tried:
        result = evaluate(value, design)
        if result is not UNDEFINED and isinstance(result, (Fraction, bool, Symbol, str)):
            found[result] = None
    if not found:
        raise context.fail("CS403", span, "this domain has no values")
    return list(found)


def wholes(of: Expr, what: str, span: Span, context: Context) -> list[int]:
    """The positive whole numbers that an expression can be, for a domain of `what`; an error if it can be another."""
    if of.type.unit or of.type.kind != "number":
        raise context.fail("CS301", span, f"{what} are of positive whole numbers without a unit")
    found = rationals(of, span, context)
    odd = {v for v in found if v.denominator != 1 or v < 1}
    design = _taken(of, odd, context) if odd else None
    if design is not None:
        where = ", ".join(f"{p} = {show(v)}" for p, v in design.items() if p in of.free)
        said = f"{what} are of positive whole numbers, and this can be {evaluate(of, design)}"
        raise context.fail(
            "CS301", span, said + (f": {where}" if where else ""),
            help="a `require` comes too late for a domain: leave such values out, or write `if … then … else 1`",
        )  # fmt: skip
    return [int(v) for v in found if v not in odd]


def _taken(of: Expr, odd: set[Fraction], context: Context) -> Design | None:
    """An assignment at which an expression is one of some values, where the domains of all it reads allow it."""
    known: dict[str, Decision | MapDecision] = {d.path: d for d in context.state.decisions}
    if context.answering is not None:
        known |= {m.path: m for m in context.answering.maps}
    reads: set[str] = set()
    pending = set(of.free)
    while pending:
        path = pending.pop()
        reads.add(path)
        allowed = known[path].allowed if path in known else None
        pending |= set().union(*(c.free for c in allowed or ())) - reads
    tried = assignments(sorted(reads), context) or assignments(sorted(of.free), context) or []
    for design in tried:
        if evaluate(of, design) in odd and all(
            evaluate(d.allowed[d.values.index(design[d.path])], design) is True
            for d in (known[p] for p in design if p in known)
            if d.allowed is not None and set().union(*(c.free for c in d.allowed)) <= set(design)
        ):
            return design
    return None


def rationals(value: Expr, span: Span, context: Context) -> list[Fraction]:
    """Every value a number can take."""
    return [v for v in possible(value, span, context) if isinstance(v, Fraction)]


def always(condition: Expr, context: Context) -> bool:
    """Whether a condition holds whatever its decisions take; False also when that can't be told."""
    if condition is TRUE:
        return True
    tried = assignments(sorted(condition.free), context)
    return tried is not None and all(evaluate(condition, design) is True for design in tried)


__all__ = ["always", "assignments", "possible", "rationals", "wholes"]
