"""Certificates of what `check` found: proofs that a reader can follow with the printed space alone.

Every claim is proved anew as lemmas over boxes, whatever showed it before; one that stays without is said, with the
reason. Owns the format (`docs/certificates.md`); `checker/certificates.py` reads it and shares no code with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import frozen
from cospace.compiler.bounds.boxes import members
from cospace.compiler.checks.findings import Claim
from cospace.compiler.clock import attempt, reason
from cospace.compiler.proofs.refute import Fact, Lemma, Refuter, facts_of, lemmas_of
from cospace.compiler.proofs.summed import Weighed, exceeding
from cospace.compiler.space.graph import TRUE, both, negate
from cospace.compiler.space.met import of_met
from cospace.compiler.space.model import Requirement, Space

FORMAT = "cospace certificates"
SCHEMA = 1
VISITS = 20_000
"""Boxes that the proof of one claim may look at."""


@frozen
class Certified:
    """data: what is written. unproved: the claims without a proof, each with the reason."""

    data: dict[str, Any]
    unproved: tuple[tuple[Claim, str], ...]


def certify(space: Space, claims: Sequence[Claim], mark: str, visits: int = VISITS) -> Certified:
    """Certificates of some claims, for the printed space with this fingerprint."""
    maker = Maker(space, visits)
    made: list[dict[str, Any]] = []
    unproved: list[tuple[Claim, str]] = []
    for claim in claims:
        found = attempt(partial(maker.proofs, claim), reason)
        if isinstance(found, str):
            unproved.append((claim, found))
        else:
            made.append({**maker.named(claim), "proofs": found})
    missing = [{**maker.named(claim), "reason": reason} for claim, reason in unproved]
    data = {"format": FORMAT, "schema": SCHEMA, "space": mark, "certificates": made, "unproved": missing}
    return Certified(data, tuple(unproved))


class Maker:
    """Proofs for one space. What was asked of boxes for one claim is remembered for the next."""

    def __init__(self, space: Space, visits: int) -> None:
        self.space = space
        self.refuter = Refuter(space.decisions)
        self.numbers = {id(r): i for i, r in enumerate(space.requirements)}
        self.visits = visits

    def named(self, claim: Claim) -> dict[str, Any]:
        """The claim as it is written."""
        if claim.kind == "dead":
            return {"claim": claim.kind, "path": claim.path, "value": self._position(claim)}
        if claim.kind in ("redundant", "idle"):
            return {"claim": claim.kind, "requirements": sorted(self.numbers[id(r)] for r in claim.requirements)}
        return {"claim": claim.kind}

    def proofs(self, claim: Claim) -> list[list[dict[str, Any]]] | str:
        """One proof for each part of a claim, or why there is none."""
        if self.space.met:
            return of_met(self.space.met)
        about = {id(r) for r in claim.requirements if claim.kind == "redundant"}
        rest = [r for r in self.space.requirements if id(r) not in about]
        pinned: dict[int, int] = {}
        given: list[list[Fact]] = [[]]
        if claim.kind == "dead":
            v = self.refuter.boxes.position[claim.path]
            pinned = {v: 1 << self._position(claim)}
            guard = self.space.decisions[v].guard
            given = [[Fact(guard, ("claim", claim.path))] if guard is not TRUE else []]
        elif claim.requirements:
            asked = sorted(claim.requirements, key=lambda r: self.numbers[id(r)])
            shown = [both(r.guard, negate(r.value)) if about else r.guard for r in asked]
            given = [[Fact(e, ("claim", r.reason))] for e, r in zip(shown, asked, strict=True)]
        found = []
        for facts in given:
            proof = self.proof(rest, facts, pinned)
            if isinstance(proof, str):
                return proof
            found.append(proof)
        return found

    def proof(
        self, requirements: Sequence[Requirement], given: Sequence[Fact], pinned: dict[int, int]
    ) -> list[dict[str, Any]] | str:
        """Lemmas of which the last holds all over a box."""
        weighed = exceeding(self.refuter.boxes, requirements, pinned)
        if weighed is not None:
            return [{"box": self._box(pinned), "sum": [self._item(w) for w in weighed]}]
        facts = [*facts_of(requirements, self.numbers), *given]
        outcome, _ = self.refuter.settle(facts, pinned, self.visits)
        if outcome.design is not None:
            return "a design was found that it excludes"
        if outcome.proof is None:
            return f"no proof was found: {outcome.limit}"
        return self._lemmas(outcome.proof)

    def _lemmas(self, proof: Lemma) -> list[dict[str, Any]]:
        lemmas = lemmas_of(proof)
        places = {id(lemma): i for i, lemma in enumerate(lemmas)}
        written = []
        for lemma in lemmas:
            data: dict[str, Any] = {"box": self._box(lemma.box)}
            if lemma.by is None:
                data["split"] = self.space.decisions[lemma.split].path
                data["cases"] = [places[id(c)] for c in lemma.cases]
            else:
                kind, what = lemma.by.source
                data |= {"domain": what} if kind == "domain" else {"false": what if kind == "requirement" else kind}
            written.append(data)
        return written

    def _box(self, box: dict[int, int]) -> dict[str, list[int]]:
        return {self.space.decisions[v].path: members(mask) for v, mask in sorted(box.items())}

    def _item(self, weighed: Weighed) -> list[Any]:
        return [self.numbers[id(weighed.requirement)], weighed.part, str(weighed.weight)]

    def _position(self, claim: Claim) -> int:
        values = self.space.decision(claim.path).values
        return next(k for k, v in enumerate(values) if v.__class__ is claim.value.__class__ and v == claim.value)
