"""The benchmark spaces: the same decisions, tables and counts as the reference file has them."""

from __future__ import annotations

import ast
import itertools
import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
from cospace.compiler.counting.count import count
from cospace.compiler.counting.values import per_value_counts
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate_all
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Space

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "oracle" / "spaces.json"
COUNTS = {
    "tiny": (5_184, 1_342),
    "coupled": (8**12, 42_173_474_781),
    "joint": (
        16**2 * 6**2 * 12 * 7 * 8**2 * 4 * 6 * (9 * 3 * 3) ** 22,
        11037981299624927648329398939635052798247547218126,
    ),
}
DESIGNS = 300


@cache
def space_of(name: str) -> Space:
    compiled = compile_file(ROOT / "benchmarks" / "spaces" / f"{name}.cospace")
    assert compiled.space is not None and compiled.diagnostics == ()
    return compiled.space


@cache
def reference(name: str) -> dict[str, Any]:
    if not REFERENCE.exists():
        pytest.skip(f"NOT COMPARED with the reference: {REFERENCE} is not there")
    found: dict[str, Any] = json.loads(REFERENCE.read_text("utf-8"))[name]
    return found


@pytest.mark.parametrize("name", ["tiny", "joint"])
def test_the_counts_are_exact_and_right(name: str) -> None:
    found = count(space_of(name))
    assert found.exact
    assert (found.raw, found.feasible) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_the_reference_has_the_same_counts(name: str) -> None:
    assert (int(reference(name)["raw"]), int(reference(name)["feasible"])) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_decisions_stand_at_the_top_under_their_own_names_and_numbers(name: str) -> None:
    wanted = {path: [Fraction(v) for v in values] for path, values in reference(name)["variables"].items()}
    assert {d.path: list(d.values) for d in space_of(name).decisions} == wanted


@pytest.mark.parametrize("name", COUNTS)
def test_requirements_hold_at_the_same_designs(name: str) -> None:
    """Each requirement of the reference, run by Python, against the same one of the text at random designs."""
    given, space = reference(name), space_of(name)
    names = [r["name"] for r in given["requirements"]]
    plain = [r.reason.replace(" [", "[").partition("[") for r in space.requirements]
    said = [f"{reason}{int(at[:-1]) - 1}" if at else reason for reason, _, at in plain]
    merged = {n: [r for r, s in zip(space.requirements, said, strict=True) if s == n] for n in names}
    assert sorted(set(said)) == sorted(names)
    rules = [compile(ast.parse(r["text"], mode="eval"), r["name"], "eval") for r in given["requirements"]]
    random = numpy.random.default_rng(5)
    for _ in range(DESIGNS):
        design = {d.path: d.values[random.integers(len(d.values))] for d in space.decisions}
        scope = {**given["tables"], **{path: int(v) for path, v in design.items()}}
        flat = [implies(r.guard, r.value) for n in names for r in merged[n]]
        truth = dict(zip(map(id, flat), evaluate_all(flat, design), strict=True))
        for n, rule in zip(names, rules, strict=True):
            held = all(truth[id(implies(r.guard, r.value))] is True for r in merged[n])
            assert held == bool(eval(rule, {"__builtins__": {}}, scope)), n


@pytest.mark.parametrize("name", ["tiny", "joint"])
def test_tables_are_the_references(name: str) -> None:
    """Weights of each block and operator, as the sum of the text reads them, are the rows of the reference."""
    given, space = reference(name), space_of(name)
    size = next(r for r in space.requirements if r.reason == "size")
    left = size.value.args[0]
    least = {d.path: d.values[0] for d in space.decisions}
    blocks = sum(1 for d in space.decisions if d.path.startswith("op"))
    for i, d in itertools.product(range(blocks), [d for d in space.decisions if d.path.startswith("op")]):
        if d.path != f"op{i}":
            continue
        for a, b in itertools.product(d.values, d.values):
            at = [evaluate_all([left], {**least, d.path: v})[0] for v in (a, b)]
            table, wb = given["tables"][f"P{i}"], least[f"wb{i}"]
            assert at[0] - at[1] == (table[int(a)] - table[int(b)]) * wb


def test_exactly_two_values_of_joint_are_dead() -> None:
    space = space_of("joint")
    found = per_value_counts(space)
    assert found is not None and all(c.exact for c in found)
    dead = {(c.path, space.decision(c.path).values[k]) for c in found for k in c.dead}
    assert dead == {("wbuf", Fraction(512)), ("abuf", Fraction(512))}
    assert all(sum(low for low, _ in c.counts) == COUNTS["joint"][1] for c in found)


def test_joint_is_written_in_sixty_lines() -> None:
    assert len((ROOT / "benchmarks" / "spaces" / "joint.cospace").read_text("utf-8").splitlines()) <= 60
