"""`--certificate FILE` of `cospace check` and `cospace best`: the checker tries each before it is written."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from cospace.cli.guard import fail
from cospace.cli.inputs import is_compiled, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cospace.compiler.checks.check import Claim
    from cospace.compiler.checks.optimum import Asked
    from cospace.compiler.space.model import Space

DEEP = 12_000
"""Calls within each other that the checker may need for a deep expression, as where it runs alone."""


@frozen
class Written:
    """claims: how many there are. unproved: those without a certificate, in words, each with the reason."""

    claims: int
    unproved: tuple[tuple[str, str], ...]

    def said(self) -> list[str]:
        """As a person reads it."""
        count = self.claims - len(self.unproved)
        lines = [f"certificates: {count} of {self.claims} claims, accepted by the checker"]
        return lines + [f"no certificate: {claim}: {reason}" for claim, reason in self.unproved]

    def to_json(self) -> dict[str, object]:
        unproved = [{"claim": claim, "reason": reason} for claim, reason in self.unproved]
        return {"claims": self.claims, "accepted": self.claims - len(self.unproved), "unproved": unproved}


def write_certificates(spec: Path, space: Space, claims: Sequence[Claim], file: Path) -> Written:
    """Write what the checker accepts, and name the rest. Raises SpecError (CS815) where the space has no tables."""
    from cospace.checker.certificates import judge
    from cospace.compiler.checks.certify import certify

    text = printed_space(spec, space)
    certified = certify(space, claims, hashlib.sha256(text.encode()).hexdigest())
    data = certified.data
    unproved = [(claim_in_words(space, c), reason) for c, reason in certified.unproved]
    shown = [c for c in claims if c not in [u for u, _ in certified.unproved]]
    kept = []
    for claim, item, (_, reason) in zip(shown, data["certificates"], judge((text, json.dumps(data))), strict=True):
        if reason is None:
            kept.append(item)
        else:
            said = f"the checker does not follow the proof: {reason}"
            data["unproved"].append({**{k: v for k, v in item.items() if k != "proofs"}, "reason": said})
            unproved.append((claim_in_words(space, claim), said))
    data["certificates"] = kept
    file.write_text(_lines(data), encoding="utf-8")
    return Written(len(claims), tuple(unproved))


def write_optimum(spec: Path, space: Space, asked: Asked, file: Path) -> str | None:
    """Write that some designs are the best, once the checker accepts it; else why there is no certificate.

    space: as it is printed. Raises SpecError (CS815) where it has no tables.
    """
    from cospace.checker import certificates as checker
    from cospace.checker.optimum import Optimum
    from cospace.compiler.checks import optimum
    from cospace.compiler.checks.certify import FORMAT, SCHEMA
    from cospace.compiler.space.met import of_met

    if space.met:
        return of_met(space.met)
    text = printed_space(spec, space)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEP))
    reader = Optimum(checker.Space(text))
    reason = ""
    try:
        item = optimum.claim(space, asked)
        reader.claimed(item)
        for proof in optimum.proofs(space, asked, item, reader):
            if isinstance(proof, str):
                reason = proof
                continue
            data = {"format": FORMAT, "schema": SCHEMA, "space": reader.mark, "certificates": [proof], "unproved": []}
            ((_, why),) = checker.judge((text, json.dumps(data)))
            if why is None:
                file.write_text(_lines(data), encoding="utf-8")
                return None
            reason = f"the checker does not follow the proof: {why}"
    except checker.Rejected as why:
        return f"the checker does not see it: {why}"
    return reason


def printed_space(spec: Path, space: Space) -> str:
    """What `compile --emit space` prints of a spec; of a compiled space its own text. Raises SpecError: CS815."""
    from cospace.compiler.proofs.tabulate import tabulate
    from cospace.compiler.space.schema import dumps, to_json

    if not is_compiled(spec):
        return dumps(to_json(space, tabulate(space)))
    path = spec / "space.json" if spec.is_dir() else spec
    text = read_text(path, "CS801")
    if not {"solved", "functions"} <= json.loads(text).keys():
        fail("CS815", f"{path} is without tables, which certificates rest on", "`cospace compile SPEC --emit space`")
    return text


def claim_in_words(space: Space, claim: Claim) -> str:
    """`no feasible design takes 512 of wbuf`, and the like."""
    from cospace.compiler.space.model import spell

    if claim.kind == "dead":
        d = space.decision(claim.path)
        return f"no feasible design has {d.path} = {spell(claim.value, d.unit, d.scale)}"
    if claim.requirements:
        what = "this requirement changes nothing" if claim.kind == "redundant" else "its condition never holds"
        return f"{what}: {claim.requirements[0].reason}"
    return "no design is feasible"


def _lines(data: dict[str, object]) -> str:
    """One certificate a line."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            inside = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in value)
            lines.append(f" {json.dumps(key)}: [\n{inside}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
