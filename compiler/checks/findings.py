"""What the questions of a check share: the case with its proofs, what one gave and claims, and what a space reads."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from cospace.compiler.proofs.witness import Witnesses, find_witnesses
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, Value, walk
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Decision, Requirement, Space, spell
from cospace.dsl.diagnostics import Diagnostic, Span

if TYPE_CHECKING:
    from cospace.compiler.checks.drawn import Drawn
    from cospace.compiler.proofs.prove import Prover


@frozen
class Claim:
    """kind: empty (no design is feasible), dead (no feasible design has `path` = `value`), redundant (every design that
    meets all other requirements meets these, which stand at one place), or idle (they apply to no feasible design)."""

    kind: str
    path: str = ""
    value: Value | None = None
    requirements: tuple[Requirement, ...] = ()


MANY = 1_000
"""Values that no design was found for, from which on designs are drawn in batches before anything is proved."""


@frozen
class Finding:
    """What one question gave; ok None: not decided. claims: what a certificate can show of it."""

    ok: bool | None
    proved: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    claims: tuple[Claim, ...] = ()


def hedged(space: Space, found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What was found of a space: no error where it rests on mappings that are not proved the least."""
    if not space.met:
        return tuple(found)
    return tuple(evolve(d, severity="warning", message=f"{d.message}; {of_met(space.met)}") for d in found)


class Case:
    """A space with what its proofs share: designs found one at a time, and the batched prover where they don't do."""

    def __init__(self, space: Space) -> None:
        self.space = space

    @cached_property
    def witnesses(self) -> Witnesses:
        if len(self._found.missing) > MANY:
            self.drawn.begin()
        return self._found

    @cached_property
    def _found(self) -> Witnesses:
        return find_witnesses(self.space)

    @cached_property
    def drawn(self) -> Drawn:
        """Designs that are drawn in batches, for the values that are in none yet."""
        from cospace.compiler.checks.drawn import Drawn

        return Drawn(self.prover, self._found)

    @cached_property
    def prover(self) -> Prover:
        """Made when first asked, for it loads numpy and compiles batches."""
        from cospace.compiler.proofs.prove import Prover

        return Prover(self.space)


def map_domains(space: Space) -> dict[str, tuple[Value, ...]]:
    """The values of every map that something of the space depends on."""
    problems: dict[int, MapProblem] = {}
    pending = [e for pair in read_expressions(space) for e in pair]
    while pending:
        found = [
            n.payload for n in walk(pending) if isinstance(n.payload, MapProblem) and id(n.payload) not in problems
        ]
        problems.update({id(p): p for p in found})
        pending = [e for p in found for e in p.expressions()]
    return {m.path: m.values for p in problems.values() for m in p.maps}


def read_expressions(space: Space) -> list[tuple[Expr, Expr]]:
    """What requirements, objectives, quantities and domains read, each with the guard that it is read under."""
    return [(expr, guard) for expr, guard, _ in readers(space)]


def readers(space: Space) -> list[tuple[Expr, Expr, Span]]:
    """As `read_expressions`, each with the place of what reads it."""
    found = [(r.value, r.guard, r.span) for r in space.requirements]
    found += [(r.guard, TRUE, r.span) for r in space.requirements]
    found += [(o.value, TRUE, o.span) for o in space.objectives if not o.measured]
    found += [(e, a.guard, a.span) for a in space.accelerators for _, e in a.quantities]
    for d in space.decisions:
        found += [(d.guard, TRUE, d.span), *((c, d.guard, d.span) for c in d.allowed or ())]
    return found


RUN = 4
"""Neighbouring values of a domain, equally far apart, that are told as a range."""
COPIES = 6
"""Copies of a decision that a message names."""
TOLD = 16
"""Values and ranges that a message names."""


def shown_values(d: Decision, indices: Sequence[int]) -> str:
    """Several values of a decision, in order: `2, 31..64`, `20..64 step 4`; the middle of very many is left out."""
    found: list[str] = []
    at = 0
    while at < len(indices):
        end = _run(d, indices, at)
        first, last = d.values[indices[at]], d.values[indices[end]]
        if end - at + 1 >= RUN and isinstance(first, Fraction) and isinstance(last, Fraction) and first < last:
            step = (last - first) / (end - at) / d.scale
            by = "" if step == 1 else f" step {spell(step)}"
            unit = f" {d.unit}" if d.unit else ""
            found.append(f"{spell(first, None, d.scale)}..{spell(last, None, d.scale)}{unit}{by}")
            at = end + 1
        else:
            found.append(spell(first, d.unit, d.scale))
            at += 1
    if len(found) > TOLD:
        found = [*found[: TOLD - 3], f"… ({len(indices)} in all) …", *found[-2:]]
    return ", ".join(found)


def _run(d: Decision, indices: Sequence[int], start: int) -> int:
    """Where the neighbours end that go on from a place at one distance, nothing of the domain between them."""
    end = start
    while end + 1 < len(indices) and indices[end + 1] == indices[end] + 1:
        here, after, two = (d.values[indices[k]] for k in (end, end + 1, max(end - 1, start)))
        if not isinstance(here, Fraction) or not isinstance(after, Fraction) or not isinstance(two, Fraction):
            break
        if end > start and after - here != here - two:
            break
        end += 1
    return end


def shown_paths(paths: Sequence[str]) -> str:
    """Copies of one decision by name."""
    more = f" and {len(paths) - COPIES} more" if len(paths) > COPIES else ""
    return ", ".join(f"`{path}`" for path in paths[:COPIES]) + more


def shown(space: Space, path: str, value: Value) -> str:
    """A value of a decision as the text writes it."""
    d = space.decision(path)
    return spell(value, d.unit, d.scale)
