"""Proofs by rows of designs, where no box decides: against brute force over random texts, values pinned or not."""

from __future__ import annotations

import random

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.proofs import prove
from cospace.compiler.proofs.prove import Prover, Verdict
from cospace.compiler.proofs.refute import Outcome
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Requirement, Space

from tests.compiler.generate import raw_designs
from tests.compiler.texts import generate

TEXTS = 40


def meeting(space: Space, requirements: tuple[Requirement, ...], pinned: dict) -> list[dict]:  # type: ignore[type-arg]
    """Designs with these values that meet these requirements, by looking at each."""
    asked = [implies(r.guard, r.value) for r in requirements]
    return [
        design
        for design in raw_designs(space.decisions)
        if all(design.get(p) == v for p, v in pinned.items()) and all(evaluate(e, design) is True for e in asked)
    ]


@pytest.mark.parametrize("rows", [prove.ROWS, 8], ids=["all that fit", "few"])
def test_rows_prove_what_brute_force_finds(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []

    def leave(self: Prover, requirements: object, *_: object) -> Verdict:
        left.append(requirements)
        return Verdict(None, limit="left")

    monkeypatch.setattr(prove, "exceeding", lambda *_: None)
    monkeypatch.setattr(prove, "ROWS", rows)
    monkeypatch.setattr(prove, "DRAWS", 64)
    monkeypatch.setattr(Prover, "_solver", leave)
    monkeypatch.setattr("cospace.compiler.proofs.refute.Refuter.settle", lambda *_: (Outcome(None, None), None))
    possible = impossible = 0
    for seed in range(TEXTS):
        space = compile_text(generate(seed).text).space
        if space is None or not space.decisions:
            continue
        rng = random.Random(seed)
        prover = Prover(space)
        for _ in range(3):
            pinned = {d.path: rng.choice(d.values) for d in rng.sample(space.decisions, min(1, len(space.decisions)))}
            found = prover.settle(space.requirements, pinned)
            truth = meeting(space, space.requirements, pinned)
            if found.possible:
                assert found.witness in truth, (seed, pinned)
                possible += 1
            elif found.possible is False:
                assert not truth and not meeting(space, found.core, pinned), (seed, pinned)
                impossible += 1
    assert possible >= 30 and impossible >= 10, (possible, impossible)
    assert left or rows != 8
