"""Why a value can't be chosen, or a design is not feasible: what it breaks, in numbers, or what leaves it no design.

A whole design is asked requirement by requirement; values that leave something open are asked of all designs that have
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cospace.compiler.checks.findings import hedged
from cospace.compiler.clock import attempt, reason
from cospace.compiler.conflicts.words import explain_conflict, sides, way_out
from cospace.compiler.cost import holds
from cospace.compiler.exact import exact
from cospace.compiler.proofs.prove import Prover, Verdict
from cospace.compiler.space.graph import Expr, Value
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Design, Requirement, Space, spell
from cospace.dsl.diagnostics import Diagnostic, Label, Span


def why(space: Space, wanted: Mapping[str, Value]) -> str | tuple[Diagnostic, ...]:
    """Why no feasible design has all of these values: a sentence where one has, else what is in the way."""
    found = _why(space, wanted)
    if not space.met:
        return found
    return f"{found}; {of_met(space.met)}" if isinstance(found, str) else hedged(space, found)


def _why(space: Space, wanted: Mapping[str, Value]) -> str | tuple[Diagnostic, ...]:
    shown = _listed(space, wanted)
    design, away = _whole(space, wanted)
    if away is not None:
        d = space.decision(away)
        said = f"`{away}` is not there in such a design, so that it has no value"
        return (Diagnostic("CS601", "error", f"{shown} leaves no design: {said}", d.span, help="leave it out"),)
    prover = Prover(space, wanted)
    if design is not None:
        outside = next((d for d in space.decisions if d.path in design and not _allowed(d, design)), None)
        if outside is not None:
            value = spell(design[outside.path], outside.unit, outside.scale)
            said = f"`{outside.path}` can't be {value} beside the others"
            return (Diagnostic("CS601", "error", f"{shown} is no design: {said}", outside.span),)
        broken = [r for r in space.requirements if holds(r, design) is not True]
        return (_violated(prover, design, broken),) if broken else f"{shown} is feasible: it meets every requirement"
    verdict = attempt(lambda: prover.settle(space.requirements), lambda: Verdict(None, limit=reason()))
    if verdict.witness is not None:
        return f"{shown} is possible, for example: {_listed(space, verdict.witness)}"
    if verdict.possible is None:
        return f"{shown}: not decided ({verdict.limit})"
    return (explain_conflict(prover, verdict.core, shown),)


def _listed(space: Space, values: Mapping[str, Value]) -> str:
    named = {d.path: d for d in space.decisions}
    return ", ".join(f"{p} = {spell(v, named[p].unit, named[p].scale)}" for p, v in values.items())


def _whole(space: Space, wanted: Mapping[str, Value]) -> tuple[dict[str, Value] | None, str | None]:
    """The design that the values are, where they leave nothing open; and a value that has no place in any."""
    design: dict[str, Value] = {}
    for d in space.decisions:
        live = exact.evaluate(d.guard, design)
        if live is not True and live is not False:
            return None, None
        if d.path in wanted:
            if live is False:
                return None, d.path
            design[d.path] = wanted[d.path]
        elif live is True:
            if len(d.values) > 1:
                return None, None
            design[d.path] = d.values[0]
    return design, None


def _allowed(decision: object, design: Design) -> bool:
    from cospace.compiler.space.model import Decision

    assert isinstance(decision, Decision)
    if decision.allowed is None:
        return True
    index = decision.values.index(design[decision.path])
    return exact.evaluate(decision.allowed[index], design) is True


def _violated(prover: Prover, design: Design, broken: Sequence[Requirement]) -> Diagnostic:
    """CS601: a whole design with each requirement that it breaks, both sides in numbers."""
    by_place: dict[Span, list[Requirement]] = {}
    for r in broken:
        by_place.setdefault(r.span, []).append(r)
    several = len(by_place) > 1
    message = f"this design breaks {len(by_place)} requirements" if several else "this design breaks a requirement"
    labels = tuple(Label(place, _said(own, design)) for place, own in by_place.items())
    first = next(iter(by_place))
    return Diagnostic("CS601", "error", message, first, labels, way_out(prover, list(by_place)))


def _said(broken: Sequence[Requirement], design: Design) -> str:
    parts = []
    for r in broken[:3]:
        numbers = list(dict.fromkeys(false_in(r.value, design)))
        parts.append(f"{r.reason}: {', '.join(numbers)}" if numbers else r.reason)
    more = f"; and {len(broken) - 3} more" if len(broken) > 3 else ""
    return "; ".join(parts) + more


def false_in(condition: Expr, design: Design, negated: bool = False) -> Iterator[str]:
    """What makes a condition false (negated: true) at a design: its comparisons, both sides in numbers."""
    op = condition.op
    truth = exact.evaluate(condition, design)
    if truth is negated:
        if op == "not":
            yield from false_in(condition.args[0], design, not negated)
        elif op in ("and", "or"):
            for a in condition.args:
                if exact.evaluate(a, design) is negated:
                    yield from false_in(a, design, negated)
        elif op == "if":
            taken = exact.evaluate(condition.args[0], design) is True
            yield from false_in(condition.args[1 if taken else 2], design, negated)
        elif op in ("le", "lt", "eq") and condition.args[0].type.kind == "number":
            said = sides(condition, exact.evaluate_all(list(condition.args), design), holds=negated)
            if said is not None:
                yield said
    elif truth is exact.UNDEFINED:
        yield "it has no value there"


__all__ = ["false_in", "why"]
