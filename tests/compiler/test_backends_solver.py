"""One meaning in Z3 and in the count, too: random conditions and numbers at random designs, against the reference."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from attrs import evolve
from cospace.compiler.counting.count import Limits, count
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.proofs.solver import Script
from cospace.compiler.space import graph as g
from cospace.compiler.space.model import Requirement, Space
from cospace.dsl.diagnostics import NOWHERE

from tests.compiler.generate import Generated, generate, raw_designs

z3 = pytest.importorskip("z3")
BATCHES = [range(start, start + 20) for start in range(0, 120, 20)]
SPACES = [range(start, start + 60) for start in (0, 60)]
EFFORT = 2_000_000


def asked(expr: g.Expr) -> Requirement:
    return Requirement(expr, g.TRUE, "asked", NOWHERE)


def conditions(made: Generated, design: dict[str, g.Value]) -> Iterator[tuple[g.Expr, bool]]:
    """Conditions with what they are at a design: those of the space, and that numbers are what they are."""
    for expr in (*made.truths, *(r.value for r in made.requirements)):
        found = evaluate(expr, design)
        if isinstance(found, bool):
            yield expr, found
    for expr in made.numbers:
        found = evaluate(expr, design)
        if isinstance(found, Fraction):
            yield g.eq(expr, g.const(found)), True
            yield g.lt(expr, g.const(found)), False


def status(space: Space, design: dict[str, g.Value], expr: g.Expr) -> str:
    solver = z3.Solver()
    solver.set("rlimit", EFFORT)
    solver.from_string(Script(space, dict(design)).write([asked(expr)]))
    return str(solver.check())


@pytest.mark.parametrize("seeds", BATCHES[:4], ids=lambda r: f"from {r.start}")
def test_z3_agrees(seeds: range) -> None:
    compared = 0
    for seed in seeds:
        made = generate(seed, problems=False)
        for design in [dict(d) for d in made.designs()][:4]:
            for expr, holds in conditions(made, design):
                for condition, expected in ((expr, holds), (g.negate(expr), not holds)):
                    found = status(made.space(), design, condition)
                    assert found in ("sat" if expected else "unsat", "unknown"), seed
                    compared += found != "unknown"
    assert compared >= 500


@pytest.mark.parametrize("seeds", BATCHES[:2], ids=lambda r: f"from {r.start}")
def test_z3_never_excludes_what_holds(seeds: range) -> None:
    """Maps and what is not rational are only bounded there: more may seem possible, never less."""
    compared = 0
    for seed in seeds:
        made = generate(seed, irrational=seed % 2 == 1)
        for design in [dict(d) for d in made.designs()][:2]:
            for expr, holds in conditions(made, design):
                assert status(made.space(), design, expr if holds else g.negate(expr)) != "unsat", seed
                compared += 1
    assert compared >= 150


@pytest.mark.parametrize("seeds", SPACES, ids=lambda r: f"from {r.start}")
def test_the_count_agrees(seeds: range) -> None:
    designs = 0
    for seed in seeds:
        made = generate(seed)
        raw = [dict(d) for d in raw_designs(made.decisions)]
        for k, expr in enumerate(made.truths):
            found = [evaluate(expr, d) for d in raw]
            if not all(isinstance(f, bool) for f in found):
                continue
            space = evolve(made.space(), requirements=(asked(expr),), objectives=())
            limits = (Limits(), Limits(brute=0), Limits(brute=0, table=1))[(seed + k) % 3]
            counted = count(space, limits=limits)
            low, high = counted.bounds
            assert counted.raw == len(raw) and low <= sum(map(bool, found)) <= (high or 0), seed
            assert counted.exact or counted.limit, seed
            designs += len(raw)
    assert designs >= 1000
