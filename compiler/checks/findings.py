"""What the questions of a check share: the case with its proofs, what one gave and claims, and what a space reads."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen
from cospace.compiler.proofs.witness import Witnesses, find_witnesses
from cospace.compiler.space.graph import TRUE, Expr, MapProblem, Value, walk
from cospace.compiler.space.model import Requirement, Space, spell
from cospace.dsl.diagnostics import Diagnostic, Span

if TYPE_CHECKING:
    from cospace.compiler.checks.drawn import Drawn
    from cospace.compiler.proofs.prove import Prover


@frozen
class Claim:
    """kind: empty (no design is feasible), dead (no feasible design has `path` = `value`), or redundant (every design
    that meets all other requirements meets these, which stand at one place)."""

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


def shown(space: Space, path: str, value: Value) -> str:
    """A value of a decision as the text writes it."""
    d = space.decision(path)
    return spell(value, d.unit, d.scale)
