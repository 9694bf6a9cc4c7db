"""Proofs by rows of designs, where no box decides: against brute force over random texts, values pinned or not."""

from __future__ import annotations

import random

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.proofs import listing, prove
from cospace.compiler.proofs.prove import Prover, Verdict
from cospace.compiler.proofs.refute import Outcome, facts_of
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


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "enumerated"])
@pytest.mark.parametrize("rows", [prove.ROWS, 8], ids=["all that fit", "few"])
def test_rows_prove_what_brute_force_finds(rows: int, listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    if not listed:
        monkeypatch.setattr(listing, "ROWS", 0)

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
    assert left or rows != 8 or listed


def test_the_least_of_a_small_space_is_what_brute_force_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "BRIEF", -1)  # boxes give up
    monkeypatch.setattr(prove, "EFFORT", -1)
    told = empty = needed = 0
    for seed in range(TEXTS * 4):
        space = compile_text(generate(seed).text).space
        if space is None or not space.decisions or not space.objectives:
            continue
        prover = Prover(space)
        goal = space.objectives[0].value
        designs = meeting(space, space.requirements, {})
        values = [evaluate(goal, d) for d in designs]
        outcome, proved = prover.least(goal, facts_of(space.requirements))
        if proved and designs:
            assert outcome.design in designs and evaluate(goal, outcome.design) == min(values), seed  # type: ignore[type-var]
            told += 1
        elif proved:
            assert outcome.design is None, seed
            empty += 1
        if not designs and prover.listing is not None:
            core = prover.listing.core([implies(r.guard, r.value) for r in space.requirements], {})
            if core is not None:
                asked = [space.requirements[k] for k in core]  # type: ignore[union-attr]
                assert not meeting(space, tuple(asked), {}), seed
                for r in asked:
                    assert meeting(space, tuple(o for o in asked if o is not r), {}), seed
                    needed += 1
    assert told >= 20 and empty >= 3 and needed >= 3, (told, empty, needed)
