"""Designs found one at a time: always feasible, and a value they leave out is never said to be alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import UNKNOWN, Evaluation, evaluate
from cospace.compiler.proofs import witness
from cospace.compiler.proofs.witness import find_witnesses
from cospace.compiler.space.graph import implies, walk

from tests.compiler.generate import generate, holds

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(100))
def test_witnesses_are_feasible_and_show_what_they_say(seed: int) -> None:
    made = generate(seed, partial=seed % 2 == 0)
    space = made.space()
    found = find_witnesses(space)
    assert all(holds(r, d) for d in found.designs for r in space.requirements)
    shown = {(d.path, v) for design in found.designs for d in space.decisions for v in [design.get(d.path)]}
    missing = {
        (v, k) for v, d in enumerate(space.decisions) for k, x in enumerate(d.values) if (d.path, x) not in shown
    }
    assert found.missing == missing
    feasible = made.feasible()
    assert all(design in feasible for design in found.designs)
    if not feasible:
        assert not found.designs


def test_most_feasible_spaces_need_nothing_else() -> None:
    spaces = [generate(seed) for seed in range(60)]
    feasible = [made for made in spaces if made.feasible()]
    found = [find_witnesses(made.space()) for made in feasible]
    assert sum(bool(f.designs) for f in found) >= 0.9 * len(feasible) > 0


def test_one_seed_gives_one_answer() -> None:
    space = generate(3).space()
    assert find_witnesses(space, 5).designs == find_witnesses(space, 5).designs


@pytest.mark.parametrize("seed", range(30))
def test_questions_to_one_design_share_their_answers(seed: int) -> None:
    made = generate(seed)
    for design in made.feasible()[:4]:
        ask = Evaluation(design)
        for e in (*made.numbers, *made.truths):
            whole, shared = evaluate(e, design), ask(e)
            assert whole.__class__ is shared.__class__
            if not hasattr(whole, "term"):
                assert whole == shared


def test_too_many_mappings_are_left_to_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    solving = [
        (made, implies(r.guard, r.value))
        for made in map(generate, range(60))
        for r in made.space().requirements
        if any(e.op in ("solve", "solvable") for e in walk([r.value])) and made.feasible()
    ]
    unknown = 0
    for made, asked in solving:
        design = made.feasible()[0]
        limited = Evaluation(design, assignments=1)
        answer = limited(asked)
        assert answer in (UNKNOWN, evaluate(asked, design))
        unknown += answer is UNKNOWN
        assert Evaluation(design)(asked) is True
    assert unknown
    monkeypatch.setattr(witness, "ASSIGNMENTS", 0)
    assert not find_witnesses(solving[0][0].space()).designs


def test_a_space_with_room_is_checked_without_compiling_batches() -> None:
    """No numpy, no solver: what loads them costs more than the proof."""
    code = (
        "import sys\n"
        "from cospace.compiler.checks.check import check\n"
        "from cospace.compiler.driver import compile_file\n"
        f"report = check(compile_file({str(ROOT / 'cli' / 'template.cospace')!r}).space)\n"
        "print(report.ok, sorted({'numpy', 'z3', 'torch'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.split("\n")[0] == "True []"


def test_many_requirements_that_each_exclude_little() -> None:
    """Nearly no design drawn at random is feasible, and every value of every decision is in a feasible one."""
    lines = [f"a{i}, b{i} = choose 1..4\nrequire a{i} <= b{i}" for i in range(80)]
    space = compile_text("\n".join(lines)).space
    assert space is not None
    found = find_witnesses(space)
    assert not found.missing
    for design in found.designs:
        assert all(design[f"a{i}"] <= design[f"b{i}"] for i in range(80))  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(60))
def test_what_is_mended_is_feasible(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "PLAIN", -1)  # from the first design on
    made = generate(seed, partial=seed % 2 == 0)
    space = made.space()
    found = find_witnesses(space)
    feasible = made.feasible()
    assert all(design in feasible for design in found.designs)
    for v, k in found.missing:
        d = space.decisions[v]
        assert all(design.get(d.path) != d.values[k] for design in found.designs)


def test_a_tight_budget_over_many_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any design is within it, and every value of every decision is in one: what costs most is given up."""
    text = "\n".join(f"a{i} = choose {{1, 2, 4, 8}}" for i in range(40))
    text += f"\nrequire {' + '.join(f'{i + 1} * a{i}' for i in range(40))} <= 1_110\n"
    space = compile_text(text).space
    assert space is not None
    found = find_witnesses(space)
    assert not found.missing
    assert all(holds(r, d) for d in found.designs for r in space.requirements)
    monkeypatch.setattr(witness, "VAIN", 0)
    assert len(find_witnesses(space).missing) > 50
